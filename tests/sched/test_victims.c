/* The order in which threads go to others for work, on machines that are not here: slots without threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/pools.h"
#include "sched/topology.h"

static const char *const MACHINES[] = {"node:2 l3:1 core:32 pu:1", "node:8 l3:2 core:8 pu:1",
                                       "pack:2 node:2 l3:2 core:2 pu:2", "l3:4 core:2 pu:1", "core:6 pu:1"};
enum { N_MACHINES = sizeof MACHINES / sizeof *MACHINES, MOST_SLOTS = 512 /* for guests too */ };

static int first_core(void)
{
    return 0;
}

/* A slot for each core, which was last seen there. */
static sbl_pool *full_pool(const sbl_topology *t)
{
    sbl_pool *pool = sbl_alloc_aligned(SBL_LINE, sizeof *pool);

    memset(pool, 0, sizeof *pool);
    pool->threads = pool->max_threads = t->n_cores;
    atomic_init(&pool->n_threads, t->n_cores);
    pool->max_slots = MOST_SLOTS;
    pool->slots     = calloc(MOST_SLOTS, sizeof *pool->slots);
    pool->active    = calloc(MOST_SLOTS / 64, sizeof *pool->active);
    pool->sleeping  = calloc(MOST_SLOTS / 64, sizeof *pool->sleeping);
    cr_assert(sbl_homes_make(pool));
    for (int32_t i = 0; i < t->n_cores; i++) {
        sbl_slot *slot = NULL;

        cr_assert_eq(sbl_slot_create(&slot, pool, i), SABAL_OK);
        slot->domain   = t->domain_of_core[i];
        pool->slots[i] = slot;
        pool->active[i / 64] |= (uint64_t)1 << (i % 64);
    }
    return pool;
}

static void free_pool(sbl_pool *pool)
{
    for (int32_t i = 0; i < pool->max_slots; i++)
        sbl_slot_destroy(pool->slots[i]);
    sbl_homes_end(pool);
    free(pool->slots);
    free((void *)pool->active);
    free((void *)pool->sleeping);
    sbl_free(pool);
}

/* All that a thread goes to in one round, in order. */
static int32_t order_of(int32_t *order, sbl_pool *pool, int32_t thief)
{
    sbl_victims victims;
    int32_t     n = 0;

    for (int32_t level = 0; level < pool->n_levels; level++) {
        sbl_victims_at(&victims, pool->slots[thief], level);
        for (int32_t i = 0; i < victims.n; i++)
            order[n++] = sbl_victim(&victims, pool, i)->index;
    }
    return n;
}

static void expect_order(const sbl_topology *t, sbl_pool *pool, int32_t thief)
{
    int32_t order[128], last = 0, n = order_of(order, pool, thief);
    char    seen[128] = {0};

    cr_expect_eq(n, t->n_cores - 1);
    for (int32_t i = 0; i < n; i++) {
        int32_t level = sbl_level_between(t->domain_of_core[thief], t->domain_of_core[order[i]]);

        cr_expect_neq(order[i], thief);
        cr_expect_eq(seen[order[i]]++, 0, "thief %d comes twice to %d", thief, order[i]);
        cr_expect_geq(level, last, "thief %d: %d comes after one that is farther", thief, order[i]);
        last = level;
    }
}

Test(victims, nearest_first_and_each_other_once)
{
    for (int m = 0; m < N_MACHINES; m++) {
        sbl_topology *t = sbl_topology_synthetic(MACHINES[m]);
        sbl_pool     *pool;

        sbl_topology_use(t, first_core);
        pool = full_pool(t);
        for (int round = 0; round < 20; round++)
            for (int32_t thief = 0; thief < t->n_cores; thief++)
                expect_order(t, pool, thief);
        free_pool(pool);
        sbl_topology_use(NULL, NULL);
        sbl_topology_free(t);
    }
}

/* --- what is stolen and taken, in order --------------------------------------------------------------------------- */

static int32_t stolen_from; /* the slot whose record ran */

static void run_record(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    stolen_from = *(int32_t *)(void *)self->data;
}

static void offer_record(sbl_slot *slot)
{
    cr_assert(sbl_slot_ready(slot));
    slot->base[0].run                      = run_record;
    *(int32_t *)(void *)slot->base[0].data = slot->index;
    slot->shared                           = (uint64_t)1 << SBL_INDEX_BITS;
}

/* All offer something; one thread after the other takes all there is. */
static void steal_all(const sbl_topology *t, sbl_pool *pool, int32_t thief)
{
    int32_t last = 0, n_far = 0;

    for (int32_t i = 0; i < t->n_cores; i++)
        if (i != thief)
            offer_record(pool->slots[i]);
    cr_assert(sbl_slot_ready(pool->slots[thief]));
    ((sbl_slot *)pool->slots[thief])->shared = 0;
    pool->slots[thief]->steals = pool->slots[thief]->far_takes = 0;
    for (int32_t n = 1; n < t->n_cores; n++) {
        int32_t level;

        cr_assert(sbl_steal_from_others(pool->slots[thief]));
        level = sbl_level_between(t->domain_of_core[thief], t->domain_of_core[stolen_from]);
        cr_expect_geq(level, last, "thief %d stole from %d, though a nearer one had something", thief, stolen_from);
        last = level;
        n_far += sbl_node_of_domain(t->domain_of_core[thief]) != sbl_node_of_domain(t->domain_of_core[stolen_from]);
        cr_expect_eq((int32_t)pool->slots[thief]->steals, n);
        cr_expect_eq((int32_t)pool->slots[thief]->far_takes, n_far);
    }
    cr_expect_not(sbl_steal_from_others(pool->slots[thief]));
}

/* The same with posted work: that of near neighbours, of far ones, then what lies at other nodes, the nearest first. */
static void take_all(const sbl_topology *t, sbl_pool *pool, int32_t thief)
{
    const int32_t from = t->domain_of_core[thief];
    sbl_work     *work = calloc((size_t)(t->n_cores + t->n_nodes), sizeof *work), *taken;
    int32_t       last = 0, n = 0;

    for (int32_t i = 0; i < t->n_cores; i++)
        if (i != thief)
            sbl_queue_push(&((sbl_slot *)pool->slots[i])->queue, &work[i], 1, 0);
    for (int32_t i = 0; i < pool->n_homes; i++) {
        work[t->n_cores + i].home = i + 1;
        sbl_home_post(pool, &pool->queue, &work[t->n_cores + i], 1, 0);
    }
    while ((taken = sbl_take_from_others(pool->slots[thief]))) {
        int32_t i = (int32_t)(taken - work), of_home = i >= t->n_cores;
        int32_t level =
            of_home ? sbl_level_of_node(from, i - t->n_cores) : sbl_level_between(from, t->domain_of_core[i]);

        n++;
        level += of_home ? pool->n_levels : 0;
        cr_expect_geq(level, last, "thief %d took %d before what is nearer", thief, i);
        last = level;
    }
    cr_expect_eq(n, t->n_cores - 1 + pool->n_homes);
    free(work);
}

Test(victims, what_is_near_is_stolen_and_taken_first)
{
    for (int m = 0; m < N_MACHINES; m++) {
        sbl_topology *t = sbl_topology_synthetic(MACHINES[m]);
        sbl_pool     *pool;

        sbl_topology_use(t, first_core);
        pool = full_pool(t);
        for (int32_t thief = 0; thief < t->n_cores; thief += 5) {
            steal_all(t, pool, thief);
            take_all(t, pool, thief);
        }
        free_pool(pool);
        sbl_topology_use(NULL, NULL);
        sbl_topology_free(t);
    }
}

/* --- chance ------------------------------------------------------------------------------------------------------- */

/* n draws, each of p: 7 sigma and 2 on top. Of all counts that are looked at here (fewer than 2000) one is farther off by
   chance with less than 2000 * 2 exp(-49 / 2): once in ten million. And the draws are the same each time. */
static void expect_count(int32_t count, double n, double p, const char *what, int32_t i)
{
    double off = 7 * sqrt(n * p * (1 - p)) + 2;

    cr_expect(fabs(count - n * p) <= off, "%s %d: %d of %g, expected %g +- %g", what, i, count, n, n * p, off);
}

/* At each level each of the equally near is the first as often as the others. */
Test(victims, the_first_of_each_level_is_any_of_the_equally_near)
{
    enum { ROUNDS = 20000 };
    for (int m = 0; m < N_MACHINES; m++) {
        sbl_topology *t        = sbl_topology_synthetic(MACHINES[m]);
        int32_t       n_at[16] = {0}, thief = t->n_cores / 3;
        sbl_pool     *pool;

        sbl_topology_use(t, first_core);
        pool = full_pool(t);
        for (int32_t level = 0; level < pool->n_levels; level++) {
            int32_t     firsts[128] = {0};
            sbl_victims v;

            for (int round = 0; round < ROUNDS; round++) {
                sbl_victims_at(&v, pool->slots[thief], level);
                n_at[level] = v.n;
                if (v.n)
                    firsts[sbl_victim(&v, pool, 0)->index]++;
            }
            for (int32_t i = 0; i < v.n; i++)
                expect_count(firsts[v.list[i]], ROUNDS, 1.0 / n_at[level], MACHINES[m], v.list[i]);
        }
        free_pool(pool);
        sbl_topology_use(NULL, NULL);
        sbl_topology_free(t);
    }
}

/* Thieves that come at once, as when a pool begins: no victim gets far more than its share. */
Test(victims, thieves_do_not_all_come_to_one)
{
    sbl_topology *t        = sbl_topology_synthetic(MACHINES[0]);
    int32_t       hits[64] = {0}, most = 0, order[128];
    sbl_pool     *pool;

    sbl_topology_use(t, first_core);
    pool = full_pool(t);
    for (int32_t thief = 0; thief < 64; thief++) {
        order_of(order, pool, thief);
        hits[order[0]]++;
    }
    for (int32_t i = 0; i < 64; i++)
        most = hits[i] > most ? hits[i] : most;
    /* 31 thieves of a node, each to one of 31: that one of 64 victims gets 11 has a chance of 64 e^-1 / 11! < 1e-6. */
    cr_expect_lt(most, 11);
    free_pool(pool);
    sbl_topology_use(NULL, NULL);
    sbl_topology_free(t);
}

/* Where there is one domain there is no list: a short way through the slots, of which most are empty. */
Test(victims, where_all_are_near_each_thread_is_as_likely_the_first)
{
    enum { ROUNDS = 20000, THREADS = 6 };
    sbl_topology *t = sbl_topology_synthetic("core:6 pu:1");
    sbl_pool     *pool;

    sbl_topology_use(t, first_core);
    pool = full_pool(t);
    for (int32_t thief = 0; thief < THREADS; thief++) {
        int32_t hits[THREADS] = {0};

        for (int32_t i = 0; i < THREADS; i++)
            if (i != thief)
                offer_record(pool->slots[i]);
        cr_assert(sbl_slot_ready(pool->slots[thief]));
        ((sbl_slot *)pool->slots[thief])->shared = 0;
        for (int round = 0; round < ROUNDS; round++) {
            cr_assert(sbl_steal_from_others(pool->slots[thief]));
            hits[stolen_from]++;
            offer_record(pool->slots[stolen_from]);
        }
        for (int32_t i = 0; i < THREADS; i++)
            expect_count(hits[i], ROUNDS, i == thief ? 0 : 1.0 / (THREADS - 1), "thread", i);
    }
    free_pool(pool);
    sbl_topology_use(NULL, NULL);
    sbl_topology_free(t);
}
