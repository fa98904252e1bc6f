/*
 * A pairing heap whose nodes are runs: work of equal priority, in order of posting, hangs behind the first through
 * `next`. A batch of equals so goes in at constant cost for all and comes out at constant cost each, and a million pieces
 * of distinct priorities at log n, with no memory but what is in the pieces.
 */
#include "sched/queue.h"

/* Orders go round after 2^32: what lies less than half of that behind came before. */
static int is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static int better(const sbl_work *a, const sbl_work *b)
{
    return a->priority != b->priority ? a->priority > b->priority : is_before(a->order, b->order);
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

static sbl_run_of_work *recent_of(sbl_queue *queue, int32_t priority)
{
    return &queue->recent[(uint32_t)priority % SBL_QUEUE_RECENT];
}

void sbl_queue_init(sbl_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
}

void sbl_queue_destroy(sbl_queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
}

/* --- posting ---------------------------------------------------------------------------------------------------- */

/* While a run is on the stack, its first piece says where it ends (child) and which run was posted before (sibling). */
static void put_on_stack(sbl_queue *queue, sbl_work *first, sbl_work *last)
{
    sbl_work *before = atomic_load_explicit(&queue->posted, memory_order_relaxed);

    last->next   = NULL;
    first->child = last;
    do
        first->sibling = before;
    while (!atomic_compare_exchange_weak_explicit(&queue->posted, &before, first, memory_order_release,
                                                  memory_order_relaxed)); /* pairs with the exchange in take_in() */
}

void sbl_queue_push(sbl_queue *queue, sbl_work *first, int64_t n, uint32_t order)
{
    sbl_work *last = first;

    first->order = order;
    while (--n > 0) {
        sbl_work *work = last->next;

        work->order = ++order;
        if (work->priority != first->priority) {
            put_on_stack(queue, first, last);
            first = work;
        }
        last = work;
    }
    put_on_stack(queue, first, last);
}

/* --- taking ----------------------------------------------------------------------------------------------------- */

static void add_run(sbl_queue *queue, sbl_work *first, sbl_work *last)
{
    sbl_run_of_work *recent = recent_of(queue, first->priority);

    first->child = first->sibling = NULL;
    if (recent->first && recent->first->priority == first->priority) {
        recent->last->next = first;
        recent->last       = last;
    } else {
        *recent     = (sbl_run_of_work){first, last};
        queue->root = meld(queue->root, first);
    }
}

/* With the lock held: what others may look at without it. */
static void publish(sbl_queue *queue)
{
    if (queue->root) {
        atomic_store_explicit(&queue->top_priority, queue->root->priority, memory_order_relaxed);
        atomic_store_explicit(&queue->top_order, queue->root->order, memory_order_relaxed);
    }
    atomic_store_explicit(&queue->has_root, queue->root != NULL, memory_order_relaxed);
}

/* With the lock held: what is on the stack, the oldest first. It is always seen in one place or the other. */
static void take_in(sbl_queue *queue)
{
    sbl_work *newest, *oldest = NULL;

    if (!atomic_load_explicit(&queue->posted, memory_order_relaxed))
        return;
    atomic_store_explicit(&queue->has_root, 1, memory_order_relaxed);
    /* acquire: the work as it was posted; release: has_root comes before */
    newest = atomic_exchange_explicit(&queue->posted, NULL, memory_order_acq_rel);
    while (newest) {
        sbl_work *before = newest->sibling;

        newest->sibling = oldest;
        oldest          = newest;
        newest          = before;
    }
    while (oldest) {
        sbl_work *after = oldest->sibling;

        add_run(queue, oldest, oldest->child);
        oldest = after;
    }
    publish(queue);
}

static void remove_root(sbl_queue *queue)
{
    sbl_work        *work = queue->root, *next = work->next;
    sbl_run_of_work *recent = recent_of(queue, work->priority);

    queue->root = meld_children(work->child);
    if (next) { /* the rest of the run takes its place */
        next->child = next->sibling = NULL;
        queue->root                 = meld(queue->root, next);
    }
    if (recent->first == work)
        recent->first = next;
}

sbl_work *sbl_queue_pop(sbl_queue *queue)
{
    sbl_work *work;

    if (!sbl_queue_has_any(queue))
        return NULL;
    pthread_mutex_lock(&queue->lock);
    take_in(queue);
    work = queue->root;
    if (work)
        remove_root(queue);
    publish(queue);
    pthread_mutex_unlock(&queue->lock);
    return work;
}

static void settle(sbl_queue *queue)
{
    if (!atomic_load_explicit(&queue->posted, memory_order_relaxed))
        return;
    pthread_mutex_lock(&queue->lock);
    take_in(queue);
    pthread_mutex_unlock(&queue->lock);
}

int sbl_queue_is_better(sbl_queue *a, sbl_queue *b)
{
    return sbl_queue_is_ahead(a, 0, b, 0);
}

int sbl_queue_is_ahead(sbl_queue *a, uint32_t a_late, sbl_queue *b, uint32_t b_late)
{
    int32_t  p, q;
    uint32_t c, d;

    settle(a);
    settle(b);
    p = atomic_load_explicit(&a->top_priority, memory_order_relaxed);
    q = atomic_load_explicit(&b->top_priority, memory_order_relaxed);
    c = atomic_load_explicit(&a->top_order, memory_order_relaxed) + a_late;
    d = atomic_load_explicit(&b->top_order, memory_order_relaxed) + b_late;
    return p != q ? p > q : is_before(c, d);
}
