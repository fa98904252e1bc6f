/*
 * OpenMP beside the pool: regions inside of tasks, jobs and loops, whose threads are the caller's share of the cores; and
 * tasks, jobs, loops and graphs inside of regions.
 */
#include <omp.h>

#include "sched/pool.h"
#include "support/engines.h"
#include "support/fib.h"

enum { TEAM = 4, REPEAT = 50 };

static sabal_error   err = SABAL_ERROR_INIT;
static sabal_client *client;

/* Of a machine as it is; what OMP_NUM_THREADS says of the test's own process holds for all. */
static int32_t share_of(int32_t threads)
{
    int32_t cores = sbl_usable_cores(), share = cores > threads ? cores / threads : 1, most = omp_get_max_threads();

    return share < most ? share : most;
}

/* --- regions inside ------------------------------------------------------------------------------------------------- */

/* How many threads a region has, as its own threads count them; 0: it was wrong about a sum. */
static int32_t team(void)
{
    int32_t n   = 0;
    int64_t sum = 0;

#pragma omp          parallel for reduction(+ : sum)
    for (int64_t i = 0; i < 1000; i++)
        sum += i;
#pragma omp parallel reduction(+ : n)
    n++;
    return sum == 499500 ? n : 0;
         }

static sabal_status tell_team(sabal_task *t)
{
    return sabal_task_return(t, &(int32_t){team()}, sizeof(int32_t));
}

static void expect_team(int32_t expected, const char *what)
{
    sabal_future *f[20];
    int32_t       n = -1;

    for (int i = 0; i < 20; i++)
        f[i] = sabal_submit(client, tell_team, NULL, 0);
    for (int i = 0; i < 20; i++) {
        cr_expect_eq(sabal_future_get(&n, sizeof n, f[i], &err), SABAL_OK, "%s: %s", what, err.message);
        cr_expect_eq(n, expected, "%s: a region of %d threads, not %d", what, (int)n, (int)expected);
    }
}

Test(openmp, a_region_inside_a_task_gets_its_share_of_the_cores)
{
    for (int32_t threads = 1; threads <= 4; threads++)
        /* workers of a cluster know nothing of others on their node */
        for_engines_with_results_here(client, threads)
            expect_team(share_of(threads), walk_.next == 1 ? "local" : "rehearse");
}

Test(openmp, a_worker_with_several_threads_shares_with_its_neighbours)
{
    if (getenv("TEST_EMULATED"))
        return;
    client = sabal_open("rehearse:", &err, .workers = 2, .threads = 2);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    expect_team(share_of(4), "two workers of two threads");
    sabal_close(client);
}

Test(openmp, a_region_is_no_larger_than_the_user_allows)
{
    setenv("OMP_NUM_THREADS", "1", 1); /* for worker processes; this one has read it */
    if (!getenv("TEST_EMULATED")) {
        client = sabal_open("rehearse:", &err, .workers = 1, .threads = 1);
        expect_team(1, "OMP_NUM_THREADS=1");
        sabal_close(client);
    }
    unsetenv("OMP_NUM_THREADS");
}

Test(openmp, the_hosts_own_regions_are_as_they_were)
{
    int32_t before = team();

    client = sabal_open("local:", &err, .threads = 3);
    cr_expect_eq(team(), before);
    expect_team(share_of(3), "local");
    cr_expect_eq(team(), before);
    sabal_close(client);
    cr_expect_eq(team(), before);
}

/* The wait has a limit, so that it runs nothing itself. */
static sabal_status leave_to_a_spare(sabal_task *t)
{
    sabal_future *f = sabal_submit(sabal_task_client(t), tell_team, NULL, 0);

    return sabal_future_wait(f, NULL, .timeout_ns = 60000000000) ? SABAL_ETIMEDOUT : sabal_task_return_future(t, f);
}

Test(openmp, a_spare_thread_gets_the_same_share)
{
    for (int32_t threads = 1; threads <= 2; threads++)
        for_engines_with_results_here(client, threads)
        {
            int32_t n = -1;

            cr_expect_eq(sabal_future_get(&n, sizeof n, sabal_submit(client, leave_to_a_spare, NULL, 0), &err),
                         SABAL_OK, "%s", err.message);
            cr_expect_eq(n, share_of(threads));
        }
}

static sabal_status sum_with_regions(void *partial, int64_t begin, int64_t end, void *context)
{
    int64_t sum = 0;

#pragma omp parallel for reduction(+ : sum)
    for (int64_t i = begin; i < end; i++)
        sum += i;
    *(int64_t *)partial = sum;
    return SABAL_OK;
}

static void add(void *left, const void *right, void *context)
{
    *(int64_t *)left += *(const int64_t *)right;
}

Test(openmp, regions_inside_of_a_reductions_pieces_add_up)
{
    client = sabal_open("local:", &err, .threads = 4);
    for (int i = 0; i < REPEAT; i++) {
        int64_t total = 0;

        cr_expect_eq(sabal_reduce(&total, sizeof total, client, 0, 10000, sum_with_regions, add, NULL, .grain = 100),
                     SABAL_OK);
        cr_expect_eq(total, 49995000);
    }
    sabal_close(client);
}

/* --- inside of regions ------------------------------------------------------------------------------------------------ */

static sabal_status twice(sabal_task *t)
{
    return sabal_task_return(t, &(int64_t){2 * *(const int64_t *)sabal_task_arg(t)}, sizeof(int64_t));
}

static sabal_status fill(int64_t begin, int64_t end, void *context)
{
    for (int64_t i = begin; i < end; i++)
        ((int64_t *)context)[i] = 3 * i;
    return SABAL_OK;
}

static sabal_status sum(void *partial, int64_t begin, int64_t end, void *context)
{
    *(int64_t *)partial = 0;
    for (int64_t i = begin; i < end; i++)
        *(int64_t *)partial += ((const int64_t *)context)[i];
    return SABAL_OK;
}

/* All that a client has, by one thread of a team; 1: right. */
static int use_all(int64_t k)
{
    int64_t       x[1000], total = 0, got = 0;
    sabal_future *f[10];
    sabal_scope   scope;
    int           right = SABAL_RUN(client, fib, 12) == 144;

    right &= sabal_for(client, 0, 1000, fill, x, .grain = 10) == SABAL_OK;
    right &= sabal_for(client, 0, 1000, fill, x, .schedule = SABAL_STATIC) == SABAL_OK;
    right &= sabal_reduce(&total, sizeof total, client, 0, 1000, sum, add, x, .grain = 10) == SABAL_OK;
    right &= total == 3 * 499500;
    sabal_scope_open(&scope, client);
    for (int i = 0; i < 10; i++)
        f[i] = sabal_submit(client, twice, (&(int64_t){k + i}), sizeof(int64_t));
    right &= sabal_wait_all(list_of(f, 10), NULL) == SABAL_OK;
    for (int i = 0; i < 10; i++)
        right &= sabal_future_get(&got, sizeof got, f[i], NULL) == SABAL_OK && got == 2 * (k + i);
    sabal_scope_close(&scope);
    return right;
}

Test(openmp, every_thread_of_a_team_uses_the_client)
{
    for (int32_t threads = 1; threads <= 4; threads *= 2)
        for_each_engine(client, threads)
        {
            int right = 0, started = 0;

#pragma omp parallel num_threads(TEAM) reduction(+ : right, started)
            for (int i = 0; i < REPEAT; i++) {
                right += use_all(omp_get_thread_num() * 1000 + i);
                started++;
            }
            cr_expect_geq(started, REPEAT);
            cr_expect_eq(right, started);
        }
}

/* The team's barrier between them: none is missed by a thread that runs jobs of another. */
Test(openmp, a_team_meets_at_barriers_between_its_calls)
{
    int wrong = 0;

    client = sabal_open("local:", &err, .threads = 2);
#pragma omp parallel num_threads(TEAM) reduction(+ : wrong)
    for (int i = 0; i < REPEAT; i++) {
        wrong += !use_all(i);
#pragma omp barrier
    }
    cr_expect_eq(wrong, 0);
    sabal_close(client);
}

/*
 * A task whose region's threads submit and wait in turn. The one that is a thread of the pool waits at the region's end for
 * others, which need the pool: so its place is lent.
 */
static sabal_status region_that_submits(sabal_task *t)
{
    int wrong = 0;

    sabal_blocking_begin();
#pragma omp parallel num_threads(2) reduction(+ : wrong)
    {
        sabal_client *own = sabal_task_client(t);
        int64_t       got = 0;
        sabal_scope   scope;

        sabal_scope_open(&scope, own);
        for (int64_t i = 0; i < 10; i++)
            wrong += sabal_future_get(&got, sizeof got, sabal_submit(own, twice, &i, sizeof i), NULL) != SABAL_OK ||
                     got != 2 * i;
        sabal_scope_close(&scope);
    }
    sabal_blocking_end();
    return wrong ? sabal_task_fail(t, SABAL_EVALUE, "%d were wrong", wrong) : SABAL_OK;
}

Test(openmp, a_region_inside_a_task_submits_tasks)
{
    for (int32_t threads = 1; threads <= 4; threads *= 2)
        for_each_engine(client, threads)
        {
            sabal_future *f[20];

            for (int i = 0; i < 20; i++)
                f[i] = sabal_submit(client, region_that_submits, NULL, 0);
            cr_expect_eq(sabal_wait_all(list_of(f, 20), &err), SABAL_OK, "%s", err.message);
        }
}
