#include "explore/pools.h"

#include <string.h>

sbl_pool *pool;
int      *ran;

static const char *const slot_names[] = {"records of slot 0", "records of slot 1", "records of slot 2",
                                         "records of slot 3", "records of slot 4"};

static void name_slot(int i, int watched_records)
{
    sbl_slot *s = slot_at(i);

    explore_name((void *)&s->shared, "slot %d shared", i);
    explore_name(&s->place.request, "slot %d request", i);
    explore_name((void *)&s->token, "slot %d token", i);
    explore_name((void *)&s->joined, "slot %d joined", i);
    explore_name((void *)&s->mail, "slot %d mail", i);
    explore_name((void *)&s->queue.posted, "slot %d queue posted", i);
    explore_name((void *)&s->queue.has_root, "slot %d queue has_root", i);
    explore_name(&s->queue.lock, "slot %d queue lock", i);
    explore_quiet((void *)&s->domain, (size_t)((char *)&s->since - (char *)&s->domain));
    explore_quiet((void *)&s->tid, sizeof s->tid);
    explore_hold(&s->random, sizeof s->random);
    if (s->base && watched_records)
        explore_watch(s->base, (size_t)watched_records * sizeof *s->base, sizeof *s->base, slot_names[i]);
    for (int k = 0; s->base && k < SBL_RECORDS; k++)
        explore_name(&s->base[k].thief, "thief of record %d of slot %d", k, i);
}

static void name_pool(int n_slots, int watched_records)
{
    explore_own(&sbl_me, sizeof sbl_me);
    explore_name((void *)&pool->state, "state");
    explore_name((void *)&pool->queue.posted, "queue posted");
    explore_name((void *)&pool->queue.has_root, "queue has_root");
    explore_name(&pool->queue.lock, "queue lock");
    explore_name((void *)&pool->sleeping[0], "sleeping");
    explore_name((void *)&pool->active[0], "active");
    explore_name((void *)&pool->ending, "ending");
    explore_name((void *)&pool->quiet, "quiet");
    explore_name((void *)&pool->quit, "quit");
    explore_quiet((void *)&pool->wakes, sizeof pool->wakes);
    explore_quiet((void *)&sbl_chaos_level, sizeof sbl_chaos_level);
    for (int i = 0; i < n_slots; i++)
        name_slot(i, watched_records);
    ran = explore_alloc(64, MARKS * sizeof *ran);
}

void pool_of_slots(int n, int watched_records)
{
    explore_no_memory = 0;
    pool              = explore_alloc(SBL_LINE, sizeof *pool);
    pool->threads     = n;
    pool->max_threads = pool->max_slots = n;
    pool->slots                         = explore_alloc(16, (size_t)n * sizeof *pool->slots);
    pool->active                        = explore_alloc(16, sizeof *pool->active);
    pool->sleeping                      = explore_alloc(16, sizeof *pool->sleeping);
    pool->n_threads                     = n;
    pool->state                         = (uint64_t)n * SBL_AWAKE + SBL_SEARCHING;
    for (int i = 0; i < n; i++) {
        sbl_slot *slot = NULL;

        sbl_slot_create(&slot, pool, i);
        sbl_slot_ready(slot);
        pool->slots[i] = slot;
        pool->active[0] |= (uint64_t)1 << i;
    }
    name_pool(n, watched_records);
}

void pool_on_nodes(int n, int nodes)
{
    explore_nodes     = nodes;
    explore_no_memory = 0;
    sbl_pool_create(&pool, &(sbl_pool_options){.threads = n}, NULL);
    name_pool(n, 0);
}

void pool_of_threads(int n)
{
    pool_on_nodes(n, 1);
}

void mark(int i)
{
    if (ran[i]++)
        explore_fail("job %d runs a second time", i);
}

void expect_marks(int n)
{
    for (int i = 0; i < n; i++)
        if (ran[i] != 1)
            explore_fail("job %d did not run", i);
}
