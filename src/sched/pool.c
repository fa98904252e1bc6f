/* A pool from its making to its end, and the handing in of work. */
#include "sched/pool.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/error.h"
#include "sched/futex.h"
#include "sched/openmp.h"
#include "sched/topology.h"
#include "sched/worker.h"

static sabal_status choose_threads(int32_t *threads, const sbl_pool_options *options, sabal_error *err)
{
    int64_t      n = options ? options->threads : 0;
    sabal_status st;

    if (n < 0 || n > SBL_MAX_THREADS)
        return sbl_error_set(err, SABAL_EINVAL, "%" PRId64 " threads asked of a pool: 1 to %d are possible", n,
                             SBL_MAX_THREADS);
    if (!n) {
        st = sbl_config_int(&n, "threads", 0, SBL_MAX_THREADS, err);
        if (st)
            return st;
    }
    if (!n)
        n = sbl_usable_cores();
    *threads = n > SBL_MAX_THREADS ? SBL_MAX_THREADS : (int32_t)n;
    return SABAL_OK;
}

/* Frees all memory; there are no threads, or not in this process. */
static void pool_free(sbl_pool *pool)
{
    for (int32_t i = 0; pool->slots && i < pool->max_slots; i++)
        sbl_slot_destroy(sbl_slot_at(pool, i));
    sbl_free(pool->slots);
    sbl_free(pool->active);
    sbl_free(pool->sleeping);
    sbl_free(pool->roomy);
    sbl_queue_destroy(&pool->queue);
    sbl_homes_end(pool);
    pthread_mutex_destroy(&pool->lock);
    sbl_free(pool);
}

static void end_threads(sbl_pool *pool)
{
    int32_t n;

    pthread_mutex_lock(&pool->lock);
    atomic_store_explicit(&pool->quit, 1, memory_order_seq_cst);
    pthread_mutex_unlock(&pool->lock);
    n = atomic_load_explicit(&pool->n_threads, memory_order_acquire);
    for (int32_t i = 0; i < n; i++)
        sbl_give_token(sbl_slot_at(pool, i)); /* release: quit */
    for (int32_t i = 0; i < n; i++)
        pthread_join(sbl_slot_at(pool, i)->thread, NULL);
}

sabal_status sbl_pool_create(sbl_pool **pool, const sbl_pool_options *options, sabal_error *err)
{
    int32_t      threads = 0, n_words;
    sbl_pool    *p;
    sabal_status st;

    st = choose_threads(&threads, options, err);
    if (st)
        return st;
    p = sbl_alloc_aligned(SBL_LINE, sizeof *p);
    if (!p)
        return sbl_error_memory(err, sizeof *p, "a pool");
    memset(p, 0, sizeof *p);
    sbl_queue_init(&p->queue);
    pthread_mutex_init(&p->lock, NULL);
    p->threads     = threads;
    p->max_threads = threads + SBL_SPARES;
    p->max_slots   = 2 * p->max_threads + SBL_GUESTS;
    n_words        = (p->max_slots + 63) / 64;
    p->slots       = sbl_calloc((size_t)p->max_slots, sizeof *p->slots);
    p->active      = sbl_calloc((size_t)n_words, sizeof *p->active);
    p->sleeping    = sbl_calloc((size_t)n_words, sizeof *p->sleeping);
    p->roomy       = sbl_calloc((size_t)n_words, sizeof *p->roomy);
    p->room        = sbl_stack_room(p->max_threads);
    sbl_topology_load();
    if (!p->slots || !p->active || !p->sleeping || !p->roomy || !sbl_homes_make(p)) {
        st = sbl_error_memory(err, (size_t)p->max_slots * sizeof *p->slots, "a pool");
        goto done;
    }
    sbl_openmp_find();
    p->openmp = sbl_openmp_share(threads);
    pthread_mutex_lock(&p->lock);
    atomic_store_explicit(&p->state, (uint64_t)threads * (SBL_AWAKE + SBL_SEARCHING), memory_order_relaxed);
    for (int32_t i = 0; i < threads && !st; i++)
        st = sbl_worker_start(p, err);
    pthread_mutex_unlock(&p->lock);
    if (st)
        end_threads(p);
    else
        *pool = p;
done:
    if (st)
        pool_free(p);
    return st;
}

static int all_quiet(sbl_pool *pool)
{
    uint64_t state = atomic_load_explicit(&pool->state, memory_order_acquire);

    return !SBL_COUNT(state, SBL_AWAKE) && !SBL_COUNT(state, SBL_GUEST) && !SBL_COUNT(state, SBL_BLOCKED) &&
           !sbl_posted_visible(pool);
}

static void wait_until_quiet(sbl_pool *pool)
{
    atomic_store_explicit(&pool->ending, 1, memory_order_relaxed);
    for (;;) {
        uint32_t quiet = atomic_load_explicit(&pool->quiet, memory_order_acquire);

        sbl_fence(); /* between `ending` and the look; pairs with that in sbl_tell_quiet() */
        if (all_quiet(pool))
            return;
        sbl_futex_wait(&pool->quiet, quiet, -1);
    }
}

static int guests_leaving(sbl_pool *pool)
{
    for (int32_t i = pool->max_threads; i < pool->max_slots; i++)
        /* acquire: the guest's last touch; pairs with the release in clear_bit() (guest.c) */
        if (atomic_load_explicit(&pool->active[i / 64], memory_order_acquire) >> (i % 64) & 1)
            return 1;
    return 0;
}

void sbl_pool_destroy(sbl_pool *pool)
{
    if (!pool)
        return;
    wait_until_quiet(pool);
    while (guests_leaving(pool)) /* the last instructions of leave() in guest.c */
        sched_yield();
    end_threads(pool);
    pool_free(pool);
}

void sbl_pool_abandon(sbl_pool *pool)
{
    if (pool)
        pool_free(pool);
}

void sbl_pool_leave_all(void)
{
    sbl_me.worker = NULL; /* fork() was called by one of a pool's threads, which now is the only one */
    sbl_me.entry  = NULL;
    sbl_regions_after_fork();
}

void sbl_pool_rest(sbl_pool *pool)
{
    atomic_store_explicit(&pool->rests, pool->threads == 1, memory_order_relaxed);
}

void sbl_pool_offer_seat(sbl_pool *pool, const sbl_seat *seat)
{
    atomic_store_explicit(&pool->seat, seat, memory_order_release); /* what it is; pairs with sit() in wake.c */
}

int32_t sbl_pool_threads(const sbl_pool *pool)
{
    return pool->threads;
}

int32_t sbl_pool_place(const sbl_pool *pool)
{
    return sbl_me.worker && sbl_me.worker->pool == pool ? sbl_me.worker->index : -1;
}

int32_t sbl_pool_places(const sbl_pool *pool)
{
    return pool->max_threads;
}

/* Of the calling thread: who is woken when it has handed in all. */
static __thread struct gathering {
    int       is_on;
    sbl_pool *pool; /* NULL: nothing was handed in yet */
} gathering;

void sbl_pool_post(sbl_pool *pool, sbl_work *work)
{
    work->next = NULL;
    sbl_pool_post_batch(pool, work, 1);
}

void sbl_pool_post_batch(sbl_pool *pool, sbl_work *first, int64_t n)
{
    sbl_queue *queue = sbl_me.worker && sbl_me.worker->pool == pool ? &sbl_me.worker->queue : &pool->queue;
    uint32_t   order;

    if (n <= 0)
        return;
    order = atomic_fetch_add_explicit(&pool->order, (uint32_t)n, memory_order_relaxed);
    if (pool->n_homes)
        sbl_home_post(pool, queue, first, n, order);
    else
        sbl_queue_push(queue, first, n, order);
    if (gathering.is_on && (!gathering.pool || gathering.pool == pool))
        gathering.pool = pool;
    else
        sbl_wake(pool, 0);
}

void sbl_posts_gather(void)
{
    gathering.is_on = 1;
}

void sbl_posts_go(void)
{
    sbl_pool *pool = gathering.pool;

    gathering = (struct gathering){0};
    if (pool)
        sbl_wake(pool, 0);
}
