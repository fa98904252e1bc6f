/*
 * A graph as fork-join. Who ends a node counts down those after it; of those that became ready it runs the last one next,
 * and spawns the others, so that a chain is a loop and thieves find work in the deque as always. A job ends with the
 * sync of all that it spawned: so when the root ends, all nodes have. What nobody stole goes on in the job that spawned it, so
 * that the stack is as deep as thieves nest, however long the graph is.
 */
#include "sched/nodes.h"

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
};

static sabal_job_fn roots_job;

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
    uint32_t   list  = SBL_NO_NODE;

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
                nodes->node[next].link = list;
                list                   = next;
            }
            next = ready;
        }
        if (next == SBL_NO_NODE && list != SBL_NO_NODE) {
            next = list;
            list = nodes->node[next].link;
        }
        i = next;
    }
}

/* Halves of the roots are spawned until one is left. */
static void run_roots(struct job *job, uint32_t first, uint32_t last)
{
    while (first < last) {
        const uint32_t middle = first + (last - first) / 2;

        if (!spawn(job, roots_job, middle + 1, last)) {
            run_from(job, job->nodes->roots[first++]);
            continue;
        }
        last = middle;
    }
    run_from(job, job->nodes->roots[first]);
}

static void sync_all(struct job *job, struct sabal_record *head)
{
    while (job->top > head) {
        const struct part *part = (const struct part *)--job->top;

        if (job->top < job->place->split && sabal_job_sync(job->place, job->top))
            continue;
        if (part->run == roots_job) /* by value: what goes on is spawned over the part */
            run_roots(job, part->first, part->last);
        else
            run_from(job, part->first);
    }
}

void sbl_node_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    const struct part *part = (const struct part *)self;
    struct job         job  = {place, head, part->nodes};

    run_from(&job, part->first);
    sync_all(&job, head);
}

static void roots_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    const struct part *part = (const struct part *)self;
    struct job         job  = {place, head, part->nodes};

    run_roots(&job, part->first, part->last);
    sync_all(&job, head);
}

sabal_status sbl_nodes_run(sbl_nodes *nodes, sbl_pool *pool, int64_t *failed)
{
    struct part  root = {.run = roots_job, .nodes = nodes, .last = nodes->n_roots - 1};
    sabal_status status;

    if (!nodes->n)
        return SABAL_OK;
    sbl_first_init(&nodes->failed);
    sbl_job_run(pool, (struct sabal_record *)&root);
    *failed = sbl_first_at(&nodes->failed);
    status  = nodes->failed.status;
    pthread_mutex_destroy(&nodes->failed.lock);
    return status;
}
