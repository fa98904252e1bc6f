/*
 * Posted work whose memory lies on a certain NUMA node: each node has a queue for it. A thread takes from its own queue, that
 * of foreign posts and that of its node the best; who finds nothing there looks at his neighbours, then at other nodes'
 * queues. That is a hint and no promise: nobody waits for a thread of the right node. And no work waits for ever for one, if
 * all are busy elsewhere: what was posted long enough before the rest goes first wherever it lies.
 */
#include <string.h>

#include "base/alloc.h"
#include "sched/worker.h"

struct sbl_home {
    _Alignas(SBL_LINE) sbl_queue queue;
};

typedef struct choice {
    sbl_queue *queue;
    uint32_t   late; /* as if it had been posted so many pieces later: SBL_HOME_PATIENCE if it lies elsewhere */
} choice;

int sbl_homes_make(sbl_pool *pool)
{
    int32_t n = sbl_numa_nodes();

    pool->n_domains = sbl_domains();
    pool->n_levels  = sbl_levels();
    if (n < 2)
        return 1;
    pool->homes = sbl_alloc_aligned(SBL_LINE, (size_t)n * sizeof *pool->homes);
    if (!pool->homes)
        return 0;
    memset(pool->homes, 0, (size_t)n * sizeof *pool->homes);
    for (int32_t i = 0; i < n; i++)
        sbl_queue_init(&pool->homes[i].queue);
    pool->n_homes = n;
    return 1;
}

void sbl_homes_end(sbl_pool *pool)
{
    for (int32_t i = 0; i < pool->n_homes; i++)
        sbl_queue_destroy(&pool->homes[i].queue);
    sbl_free(pool->homes);
}

/* --- posting ---------------------------------------------------------------------------------------------------- */

/* What a thread of that node posts goes to its own queue, as all that it posts. */
static sbl_queue *queue_for(sbl_pool *pool, const sbl_work *work, sbl_queue *usual)
{
    int32_t node = (int32_t)work->home - 1;

    if (node < 0 || node >= pool->n_homes || (usual != &pool->queue && node == sbl_node_here()))
        return usual;
    return &pool->homes[node].queue;
}

void sbl_home_post(sbl_pool *pool, sbl_queue *usual, sbl_work *first, int64_t n, uint32_t order)
{
    while (n) {
        sbl_queue *queue = queue_for(pool, first, usual);
        sbl_work  *rest  = first->next;
        int64_t    run   = 1;

        for (; run < n && queue_for(pool, rest, usual) == queue; run++)
            rest = rest->next;
        sbl_queue_push(queue, first, run, order);
        first = rest; /* what was pushed may be gone */
        order += (uint32_t)run;
        n -= run;
    }
}

/* --- taking ----------------------------------------------------------------------------------------------------- */

static void consider(choice *best, sbl_queue *queue, uint32_t late)
{
    if (sbl_queue_has_any(queue) && (!best->queue || sbl_queue_is_ahead(queue, late, best->queue, best->late)))
        *best = (choice){queue, late};
}

static choice choose(sbl_slot *self)
{
    sbl_pool *pool = self->pool;
    int32_t   here = sbl_node_of_slot(self);
    choice    best = {0};

    consider(&best, &self->queue, 0);
    consider(&best, &pool->queue, 0);
    consider(&best, &pool->homes[here].queue, 0);
    for (int32_t i = 0; best.queue && i < pool->n_homes; i++)
        if (i != here)
            consider(&best, &pool->homes[i].queue, SBL_HOME_PATIENCE);
    return best;
}

static sbl_work *count_far(sbl_slot *self, sbl_work *work)
{
    if (work)
        sbl_add(&self->far_takes, 1);
    return work;
}

sbl_work *sbl_home_take_near(sbl_slot *self)
{
    choice c;

    while ((c = choose(self)).queue) {
        sbl_work *work = sbl_queue_pop(c.queue);

        if (work)
            return c.late ? count_far(self, work) : work;
    } /* somebody was faster: look again */
    return NULL;
}

sbl_work *sbl_home_take_far(sbl_slot *self)
{
    sbl_pool *pool   = self->pool;
    int32_t   domain = atomic_load_explicit(&self->domain, memory_order_relaxed);

    for (int32_t level = 0; level < pool->n_levels; level++)
        for (int32_t k = 0; k < pool->n_homes; k++) {
            int32_t   node = (self->index + k) % pool->n_homes; /* not all begin with the same of the equally near */
            sbl_work *work = NULL;

            if (sbl_level_of_node(domain, node) == level)
                work = sbl_queue_pop(&pool->homes[node].queue);
            if (work)
                return node == sbl_node_of_slot(self) ? work : count_far(self, work);
        }
    return NULL;
}

/* --- who sleeps, who wakes -------------------------------------------------------------------------------------- */

int sbl_home_has_any(sbl_pool *pool, int32_t node)
{
    return sbl_queue_has_any(&pool->homes[node].queue);
}

int sbl_home_visible(sbl_pool *pool)
{
    for (int32_t i = 0; i < pool->n_homes; i++)
        if (sbl_home_has_any(pool, i))
            return 1;
    return 0;
}
