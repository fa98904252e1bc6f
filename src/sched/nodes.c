/*
 * A graph as fork-join. Who ends a node counts down those after it; of those that became ready it runs the last one next,
 * and spawns the others, so that a chain is a loop and thieves find work in the deque as always. What nobody stole goes on in
 * the job that spawned it.
 *
 * A thief does not join who he stole from: what became ready with him is the rest of the graph perhaps, and each wait for it
 * would be a stack and a thread that is buried until the graph ends. So his record is done as soon as he has read it, and he
 * counts as one who is at work; the root alone waits, until nobody is, and takes part meanwhile.
 */
#include "sched/nodes.h"

#include "sched/futex.h"
#include "sched/job_pool.h"
#include "sched/worker.h"

/* From `first` on: a node (last == first), or the roots first .. last. */
struct part {
    sabal_job_fn *run;
    uintptr_t     thief;
    sbl_nodes    *nodes;
    uint32_t      first, last;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct part) <= sizeof(struct sabal_record), "a part is a record");

/* A job under way: where its records are. */
struct job {
    struct sabal_place  *place;
    struct sabal_record *top;
    sbl_nodes           *nodes;
    uint32_t             list; /* ready, and the deque had no room for them */
};

/* 1: those after it are to be left out. */
static int run_one(sbl_nodes *nodes, uint32_t i)
{
    sbl_node    *node = &nodes->node[i];
    sabal_status status;

    if (__builtin_expect(atomic_load_explicit(&node->skip, memory_order_relaxed), 0)) {
        atomic_store_explicit(&node->skip, 0, memory_order_relaxed); /* for the next run */
        return 1;
    }
    status = node->fn(node->arg);
    if (__builtin_expect(status != SABAL_OK, 0))
        sbl_first_note(&nodes->failed, i, status);
    return status != SABAL_OK;
}

/* 1: it was the last before that node, which is ready then. */
static int count_down(sbl_node *node, int failed)
{
    if (__builtin_expect(failed, 0))
        atomic_store_explicit(&node->skip, 1, memory_order_relaxed);
    if (node->n_before == 1)
        return 1;
    /* acq_rel: who makes it ready sees what all before it did */
    if (atomic_fetch_sub_explicit(&node->missing, 1, memory_order_acq_rel) > 1)
        return 0;
    atomic_store_explicit(&node->missing, node->n_before, memory_order_relaxed); /* for the next run */
    return 1;
}

static int spawn(struct job *job, sabal_job_fn *run, uint32_t first, uint32_t last)
{
    struct part *part = (struct part *)job->top;

    if (job->top >= job->place->end)
        return 0;
    part->run   = run;
    part->nodes = job->nodes;
    part->first = first;
    part->last  = last;
    job->top++;
    if (__builtin_expect(__atomic_load_n(&job->place->request, __ATOMIC_RELAXED), 0))
        sabal_job_share(job->place, job->top);
    return 1;
}

/* A thread may run long without a spawn, and have what others wait for. */
static void share_if_asked(struct job *job)
{
    if (__builtin_expect(__atomic_load_n(&job->place->request, __ATOMIC_RELAXED), 0) && job->top > job->place->split)
        sabal_job_share(job->place, job->top);
}

static void run_from(struct job *job, uint32_t i)
{
    sbl_nodes *nodes = job->nodes;

    while (i != SBL_NO_NODE) {
        const uint32_t end  = nodes->node[i + 1].first_after;
        uint32_t       next = SBL_NO_NODE;
        int            failed;

        share_if_asked(job);
        failed = run_one(nodes, i);
        for (uint32_t e = nodes->node[i].first_after; e < end; e++) {
            const uint32_t ready = nodes->after[e];

            if (!count_down(&nodes->node[ready], failed))
                continue;
            if (next != SBL_NO_NODE && !spawn(job, sbl_node_job, next, next)) {
                nodes->node[next].link = job->list;
                job->list              = next;
            }
            next = ready;
        }
        i = next;
    }
}

/* Halves of the roots are spawned until one is left. */
static void run_roots(struct job *job, uint32_t first, uint32_t last)
{
    while (first < last) {
        const uint32_t middle = first + (last - first) / 2;

        if (!spawn(job, sbl_roots_job, middle + 1, last)) {
            run_from(job, job->nodes->roots[first++]);
            continue;
        }
        last = middle;
    }
    run_from(job, job->nodes->roots[first]);
}

static void sync_spawned(struct job *job, struct sabal_record *head)
{
    while (job->top > head) {
        const struct part *part = (const struct part *)--job->top;

        if (job->top < job->place->split && sabal_job_sync(job->place, job->top))
            continue;
        if (part->run == sbl_roots_job) /* by value: what goes on is spawned over the part */
            run_roots(job, part->first, part->last);
        else
            run_from(job, part->first);
    }
}

/* What the deque had no room for is spawned once it has. */
static void sync_all(struct job *job, struct sabal_record *head)
{
    for (sync_spawned(job, head); job->list != SBL_NO_NODE; sync_spawned(job, head)) {
        const uint32_t next = job->list;

        job->list = job->nodes->node[next].link;
        while (job->list != SBL_NO_NODE && spawn(job, sbl_node_job, job->list, job->list))
            job->list = job->nodes->node[job->list].link;
        run_from(job, next);
    }
}

void sbl_node_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    const struct part *part = (const struct part *)self;
    struct job         job  = {place, head, part->nodes, SBL_NO_NODE};

    run_from(&job, part->first);
    sync_all(&job, head);
}

void sbl_roots_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    const struct part *part = (const struct part *)self;
    struct job         job  = {place, head, part->nodes, SBL_NO_NODE};

    run_roots(&job, part->first, part->last);
    sync_all(&job, head);
}

/* --- thieves, and the end ----------------------------------------------------------------------------------------- */

void *sbl_nodes_join(struct sabal_record *copy, const struct sabal_record *record)
{
    const struct part *from = (const struct part *)record;
    struct part       *to   = (struct part *)copy;

    to->run   = from->run;
    to->nodes = from->nodes;
    to->first = from->first;
    to->last  = from->last;
    /* Before the record is done: who spawned it is at work until then, so that the count is never 0 too early. */
    atomic_fetch_add_explicit(&to->nodes->at_work, 1, memory_order_relaxed);
    return to->nodes;
}

void sbl_nodes_leave(struct sabal_record *copy)
{
    sbl_nodes *nodes = ((struct part *)copy)->nodes;

    /* acq_rel: who is the last has seen what all did, and hands it on to the root with the event */
    if (atomic_fetch_sub_explicit(&nodes->at_work, 1, memory_order_acq_rel) == 1)
        sbl_event_set(&nodes->over);
}

/* Takes a part from whoever has one. 0: nobody offers any. */
static int help_others(sbl_slot *self, struct sabal_record *head, sbl_nodes *nodes, int ask)
{
    sbl_pool *pool = self->pool;

    for (int32_t i = 0; i < pool->max_slots; i++) {
        sbl_slot *slot = sbl_slot_at(pool, i);

        if (slot && slot != self && (ask || sbl_offers(slot)) && sbl_steal_from_graph(self, head, slot, nodes))
            return 1;
    }
    return 0;
}

static void wait_for_others(sbl_slot *self, struct sabal_record *head, sbl_nodes *nodes)
{
    int64_t ends = 0;

    for (;;) {
        for (int i = 0; i < SBL_SYNC_ROUNDS; i++) {
            if (sbl_event_is_set(&nodes->over))
                return;
            if (i % 8 == 0 && help_others(self, head, nodes, i % SBL_ASK_AFTER == 0)) {
                ends = 0;
                i    = -1;
                continue;
            }
            sbl_pause_at(i);
        }
        if (sbl_spin_is_over(&ends, SBL_SYNC_NS)) {
            sbl_event_wait(&nodes->over, -1);
            return;
        }
    }
}

static void whole_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    sbl_nodes *nodes = ((const struct part *)self)->nodes;

    sbl_roots_job(place, head, self);
    /* acq_rel: as in sbl_nodes_leave() */
    if (atomic_fetch_sub_explicit(&nodes->at_work, 1, memory_order_acq_rel) > 1)
        wait_for_others((sbl_slot *)place, head, nodes);
}

sabal_status sbl_nodes_run(sbl_nodes *nodes, sbl_pool *pool, int64_t *failed)
{
    struct part  root = {.run = whole_job, .nodes = nodes, .last = nodes->n_roots - 1};
    sabal_status status;

    if (!nodes->n)
        return SABAL_OK;
    sbl_first_init(&nodes->failed);
    atomic_init(&nodes->at_work, 1);
    atomic_init(&nodes->over.word, 0);
    sbl_job_run(pool, (struct sabal_record *)&root);
    *failed = sbl_first_at(&nodes->failed);
    status  = nodes->failed.status;
    pthread_mutex_destroy(&nodes->failed.lock);
    return status;
}
