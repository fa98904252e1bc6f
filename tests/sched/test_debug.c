/* SABAL_DEBUG: what is right stays right, what is wrong ends the program with a message. */
#define SABAL_DEBUG
#include <sabal/job.h>
#include <sabal/pool.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/pools.h"
#include "support/fib.h"

SABAL_JOB(int64_t, same, int64_t, i)
{
    return i;
}

SABAL_JOB(void, nothing)
{
}

SABAL_JOB(int64_t, flat, int64_t, n)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < n; i++)
        SABAL_SPAWN(same, i);
    SABAL_SPAWN(nothing);
    SABAL_SYNC(nothing);
    for (int64_t i = n; i-- > 0;) {
        int64_t got = SABAL_SYNC(same);

        sum += got == i;
    }
    return sum;
}

SABAL_JOB_DECLARE(int, even, int, n);
SABAL_JOB_DECLARE(int, odd, int, n);
SABAL_JOB_BODY(int, even, int, n)
{
    if (!n)
        return 1;
    SABAL_SPAWN(odd, n - 1);
    return SABAL_SYNC(odd);
}
SABAL_JOB_BODY(int, odd, int, n)
{
    if (!n)
        return 0;
    sabal_blocking_begin();
    sabal_blocking_end();
    SABAL_SPAWN(even, n - 1);
    return SABAL_SYNC(even);
}

Test(debug, what_is_right_stays_right)
{
    static const int32_t SIZES[] = {1, 2, 7};

    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        cr_expect_eq(RUN(pool, fib, 20), 6765);
        cr_expect_eq(RUN(pool, flat, 1000), 1000);
        cr_expect_eq(RUN(pool, flat, SBL_RECORDS + 1000), SBL_RECORDS + 1000); /* more jobs than records */
        cr_expect_eq(RUN(pool, even, 101), 0);
        sbl_pool_destroy(pool);
    }
}

/* --- what is wrong --- */

SABAL_JOB(int, sync_too_many, int, below)
{
    int64_t got;

    SABAL_SPAWN(same, 1);
    got = SABAL_SYNC(same);
    if (below)
        got += SABAL_SYNC(same); /* the caller's */
    return (int)got;
}

SABAL_JOB(int, calls_one_that_syncs_too_much, int, below)
{
    int got;

    SABAL_SPAWN(same, 2);
    got = SABAL_CALL(sync_too_many, below);
    got += (int)SABAL_SYNC(same);
    return got;
}

SABAL_JOB(int, syncs_out_of_order, int, n)
{
    int64_t got;

    for (int i = 0; i < n; i++)
        SABAL_SPAWN(same, 2);
    SABAL_SPAWN(same, 1);
    SABAL_SPAWN(nothing);
    got = SABAL_SYNC(same);
    SABAL_SYNC(nothing);
    for (int i = 0; i < n; i++)
        got += SABAL_SYNC(same);
    return (int)got;
}

/* The other way: the one that is synced wrongly has been taken. */
static sbl_event taken;

SABAL_JOB(void, note_taken)
{
    sbl_event_set(&taken);
}

SABAL_JOB(int, syncs_a_stolen_one_out_of_order)
{
    SABAL_SPAWN(note_taken);
    while (!sbl_event_is_set(&taken)) { /* jobs are offered by spawning */
        SABAL_SPAWN(same, 1);
        (void)SABAL_SYNC(same);
    }
    return (int)SABAL_SYNC(same);
}

SABAL_JOB(int, leaves_jobs_unsynced, int, n)
{
    SABAL_SPAWN(same, 1);
    if (n)
        return 1;
    return (int)SABAL_SYNC(same);
}

SABAL_JOB(void, leaves_nothing_unsynced)
{
    SABAL_SPAWN(nothing);
}

SABAL_JOB(int, spawns_one_that_leaves, int, n)
{
    SABAL_SPAWN(leaves_jobs_unsynced, n);
    return SABAL_SYNC(leaves_jobs_unsynced);
}

SABAL_JOB(int, leaves_a_region)
{
    sabal_blocking_begin();
    return 1;
}

static void misuse(int which)
{
    switch (which) {
    case 0:
        RUN(NULL, sync_too_many, 1);
        return;
    case 1:
        RUN(NULL, calls_one_that_syncs_too_much, 1);
        return;
    case 2:
        RUN(NULL, syncs_out_of_order, 0);
        return;
    case 3:
        RUN(NULL, syncs_out_of_order, 3 * SBL_RECORDS); /* beyond the records */
        return;
    case 4:
        RUN(pool_of(2), syncs_a_stolen_one_out_of_order);
        return;
    case 5:
        RUN(NULL, leaves_jobs_unsynced, 1);
        return;
    case 6:
        RUN(NULL, spawns_one_that_leaves, 1);
        return;
    case 7:
        (void)RUN(NULL, leaves_nothing_unsynced);
        return;
    case 8:
        RUN(NULL, leaves_a_region);
        return;
    case 9:
        sabal_blocking_end();
        return;
    case 10:
        sabal_isolate_end();
        return;
    }
}

/* Runs it in a child; what that says comes back, and whether it was ended by abort(). */
static int aborts(int which, char *text, size_t size)
{
    int   fds[2], status;
    pid_t child;
    FILE *said;

    if (pipe(fds))
        return 0;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        misuse(which);
        _exit(0);
    }
    close(fds[1]);
    said    = fdopen(fds[0], "r");
    text[0] = 0;
    if (!fgets(text, (int)size, said))
        text[0] = 0;
    fclose(said);
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

Test(debug, what_is_wrong_ends_the_program_and_is_named)
{
    static const char *const SAID[] = {
        "SABAL_SYNC(same) without a spawn in this job",
        "SABAL_SYNC(same) without a spawn in this job",
        "SABAL_SYNC(same) of another job than the one spawned last",
        "SABAL_SYNC(same) of another job than the one spawned last",
        "SABAL_SYNC(same) of another job than the one spawned last",
        "job leaves_jobs_unsynced was left with jobs not synced",
        "job leaves_jobs_unsynced was left with jobs not synced",
        "job leaves_nothing_unsynced was left with jobs not synced",
        "job leaves_a_region was left with other regions open",
        "sabal_blocking_end() without a sabal_blocking_begin()",
        "sabal_isolate_end() without a sabal_isolate_begin()",
    };
    char text[1024];

    for (int i = 0; i < (int)(sizeof SAID / sizeof *SAID); i++) {
        cr_expect(aborts(i, text, sizeof text), "%d: %s", i, text);
        cr_expect(strstr(text, SAID[i]) != NULL, "%d: %s", i, text);
        cr_expect(strstr(text, "test_debug.c:") != NULL, "%d: %s", i, text);
    }
}
