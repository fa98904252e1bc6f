/*
 * A pairing heap whose nodes are chains: work of equal priority, in order of posting, hangs behind the first
 * through `next`. A batch of equals so goes in and comes out at constant cost each, and a million pieces of
 * distinct priorities at log n, with no memory but what is in the pieces.
 */
#include "sched/queue.h"

static int better(const sbl_work *a, const sbl_work *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->order < b->order;
}

static sbl_work *meld(sbl_work *a, sbl_work *b)
{
    if (!a || !b)
        return a ? a : b;
    if (better(b, a)) {
        sbl_work *c = a;

        a = b;
        b = c;
    }
    b->sibling = a->child;
    a->child   = b;
    return a;
}

/* The two passes: neighbours in pairs from the left, then all into one from the right. */
static sbl_work *meld_children(sbl_work *child)
{
    sbl_work *pairs = NULL, *all = NULL;

    while (child) {
        sbl_work *a = child, *b = a->sibling;

        child      = b ? b->sibling : NULL;
        a->sibling = NULL;
        if (b)
            b->sibling = NULL;
        a          = meld(a, b);
        a->sibling = pairs;
        pairs      = a;
    }
    while (pairs) {
        sbl_work *a = pairs;

        pairs      = a->sibling;
        a->sibling = NULL;
        all        = meld(all, a);
    }
    return all;
}

static sbl_work **recent_of(sbl_queue *queue, int32_t priority)
{
    return &queue->recent[(uint32_t)priority % SBL_QUEUE_RECENT];
}

/* With the lock held: what others may look at without it. */
static void publish(sbl_queue *queue, int64_t change)
{
    if (queue->root) {
        atomic_store_explicit(&queue->top_priority, queue->root->priority, memory_order_relaxed);
        atomic_store_explicit(&queue->top_order, queue->root->order, memory_order_relaxed);
    }
    atomic_store_explicit(&queue->count, sbl_queue_count(queue) + change, memory_order_relaxed);
}

void sbl_queue_init(sbl_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
}

void sbl_queue_destroy(sbl_queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
}

void sbl_queue_push(sbl_queue *queue, sbl_work *first, int64_t n, uint64_t order)
{
    pthread_mutex_lock(&queue->lock);
    for (int64_t i = 0; i < n; i++) {
        sbl_work *work = first, **recent = recent_of(queue, work->priority);

        first       = work->next;
        work->order = order++;
        work->next = work->child = work->sibling = NULL;
        work->last                               = work;
        if (*recent && (*recent)->priority == work->priority) {
            (*recent)->last->next = work;
            (*recent)->last       = work;
        } else {
            *recent     = work;
            queue->root = meld(queue->root, work);
        }
    }
    publish(queue, n);
    pthread_mutex_unlock(&queue->lock);
}

sbl_work *sbl_queue_pop(sbl_queue *queue)
{
    sbl_work *work, **recent, *next;

    if (!sbl_queue_count(queue))
        return NULL;
    pthread_mutex_lock(&queue->lock);
    work = queue->root;
    if (work) {
        recent      = recent_of(queue, work->priority);
        next        = work->next;
        queue->root = meld_children(work->child);
        if (next) { /* the rest of the chain takes its place */
            next->last  = work->last;
            queue->root = meld(queue->root, next);
        }
        if (*recent == work)
            *recent = next;
        publish(queue, -1);
    }
    pthread_mutex_unlock(&queue->lock);
    return work;
}
