/* Jobs that spawn nothing: who runs one after the other shares what is left as soon as somebody is free for it. */
#include <sabal/job.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "sched/pools.h"

enum { LEAVES = 8 };
static _Atomic int n_own, n_other, n_late;

/* The root's thread begins no leaf before the other one has begun as many as it has, unless there are none left. */
SABAL_JOB(void, leaf, pthread_t, root)
{
    int64_t until = sbl_clock_ns() + 10000000000;
    int     n;

    if (!pthread_equal(root, pthread_self())) {
        n_other++;
        return;
    }
    n = ++n_own;
    while (n_other < n && n_own + n_other < LEAVES && sbl_clock_ns() < until)
        sched_yield();
    n_late += n_other < n && n_own + n_other < LEAVES;
}

SABAL_JOB(void, spawn_leaves, int, n)
{
    pthread_t self = pthread_self();

    for (int i = 1; i < n; i++)
        SABAL_SPAWN(leaf, self);
    SABAL_CALL(leaf, self);
    for (int i = 1; i < n; i++)
        SABAL_SYNC(leaf);
}

Test(leaves, who_runs_leaf_after_leaf_shares_them)
{
    sbl_pool *pool = pool_of(2);

    for (int round = 0; round < 50; round++) {
        n_own = n_other = n_late = 0;
        RUN(pool, spawn_leaves, LEAVES);
        cr_assert_eq(n_late, 0, "round %d: %d leaves of ours, %d of the other's", round, n_own, n_other);
        cr_assert_eq(n_own + n_other, LEAVES);
    }
    sbl_pool_destroy(pool);
}
