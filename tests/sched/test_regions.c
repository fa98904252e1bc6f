/* What a thread says of itself: that it blocks, that it is isolated. */
#include <sabal/pool.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sched/futex.h"
#include "sched/pools.h"

/* --- blocking --- */

/* Reads a byte in a region, `depth` deep. */
static int read_byte(int fd, int depth)
{
    char byte = 0;

    for (int i = 0; i < depth; i++)
        sabal_blocking_begin();
    (void)!read(fd, &byte, 1);
    for (int i = 0; i < depth; i++)
        sabal_blocking_end();
    return byte;
}

typedef struct reader {
    sbl_work        work;
    sbl_pool       *pool;
    int             fds[2];
    int             got;
    _Atomic int32_t begun;
    sbl_event       done;
} reader;

static void run_reader(sbl_work *work)
{
    reader *r = (reader *)work;

    r->got = read_byte(r->fds[0], 1 + r->fds[0] % 3);
    sbl_event_set(&r->done);
}

static void run_writer(sbl_work *work)
{
    reader *r = (reader *)work;

    (void)!write(r->fds[1], "x", 1);
    sbl_event_set(&r->done);
}

Test(regions, other_work_goes_on_while_all_threads_block_in_a_pipe)
{
    for (int32_t threads = 1; threads <= 5; threads += 2) {
        sbl_pool         *pool = pool_of(threads);
        reader            readers[5], writers[5];
        sbl_pool_counters counters;

        for (int i = 0; i < threads; i++) {
            readers[i] = (reader){.work = {.run = run_reader}};
            cr_assert_eq(pipe(readers[i].fds), 0);
            sbl_pool_post(pool, &readers[i].work);
        }
        while (SBL_COUNT(sbl_state(pool), SBL_BLOCKED) < threads)
            sched_yield();
        for (int i = 0; i < threads; i++) {
            writers[i] = (reader){.work = {.run = run_writer}, .fds = {readers[i].fds[0], readers[i].fds[1]}};
            sbl_pool_post(pool, &writers[i].work);
        }
        for (int i = 0; i < threads; i++) {
            cr_expect(sbl_event_wait(&writers[i].done, -1));
            cr_expect(sbl_event_wait(&readers[i].done, -1));
            cr_expect_eq(readers[i].got, 'x');
            close(readers[i].fds[0]);
            close(readers[i].fds[1]);
        }
        sbl_pool_count(pool, &counters);
        cr_expect(counters.spares >= 1 && counters.spares <= (uint64_t)threads);
        sbl_pool_destroy(pool); /* waits until nobody is counted as awake, guest or blocked */
    }
}

/* A job that blocks until one that was spawned before it, and that nobody has yet, was run. */
SABAL_JOB(int, write_byte, int, fd)
{
    return (int)write(fd, "y", 1);
}

SABAL_JOB(int, block_and_write, int, from, int, to)
{
    int got;

    SABAL_SPAWN(write_byte, to);
    SABAL_SPAWN(write_byte, to); /* two, as one of them is offered */
    got = read_byte(from, 2);
    got += read_byte(from, 1);
    got += SABAL_SYNC(write_byte);
    return got + SABAL_SYNC(write_byte);
}

static void *blocks_as_a_guest(void *arg)
{
    reader *r = arg;

    r->got = RUN(r->pool, block_and_write, r->fds[0], r->fds[1]);
    return NULL;
}

Test(regions, a_guest_that_blocks_lends_its_place_too)
{
    /* One place: with the guest in it, the thread of the pool steals only while the guest blocks. */
    for (int round = 0; round < 50; round++) {
        sbl_pool *pool = pool_of(1);
        reader    r    = {.pool = pool};
        pthread_t thread;

        cr_assert_eq(pipe(r.fds), 0);
        cr_assert_eq(pthread_create(&thread, NULL, blocks_as_a_guest, &r), 0);
        nanosleep(&(struct timespec){.tv_nsec = round * 20000}, NULL);
        (void)!write(r.fds[1], "y", 1); /* the job that is not offered runs at the sync, after the reads */
        pthread_join(thread, NULL);
        cr_expect_eq(r.got, 2 * 'y' + 2);
        close(r.fds[0]);
        close(r.fds[1]);
        sbl_pool_destroy(pool);
    }
}

Test(regions, outside_of_a_pool_they_do_nothing)
{
    sbl_pool *pool  = pool_of(2);
    uint64_t  state = 0;

    while (SBL_COUNT(state = sbl_state(pool), SBL_AWAKE))
        sched_yield();
    sabal_blocking_begin();
    sabal_isolate_begin();
    cr_expect_eq(sbl_state(pool), state);
    cr_expect_eq(sabal_blocking_depth(), 1);
    cr_expect_eq(sabal_isolate_depth(), 1);
    sabal_isolate_end();
    sabal_blocking_end();
    cr_expect_eq(sabal_blocking_depth() + sabal_isolate_depth(), 0);
    sbl_pool_destroy(pool);
}

/* --- misuse, where it can't end the program --- */

static char            told[4096];
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(void *user, sabal_log_level level, const char *line)
{
    pthread_mutex_lock(&told_lock);
    if (level == SABAL_LOG_ERROR && strlen(told) + strlen(line) + 2 < sizeof told)
        strcat(strcat(told, line), "\n");
    pthread_mutex_unlock(&told_lock);
}

static int was_told(const char *part)
{
    int found;

    pthread_mutex_lock(&told_lock);
    found   = strstr(told, part) != NULL;
    told[0] = 0;
    pthread_mutex_unlock(&told_lock);
    return found;
}

SABAL_JOB(int, leaves_open, int, how)
{
    if (how & 1)
        sabal_blocking_begin();
    if (how & 2)
        sabal_isolate_begin();
    if (how & 4)
        sabal_blocking_end();
    return 1;
}

typedef struct untidy {
    sbl_work  work;
    sbl_pool *pool;
    int       how, in_job, blocking, isolated;
    sbl_event done;
} untidy;

static void run_untidy(sbl_work *work)
{
    untidy *u = (untidy *)work;

    if (u->in_job) {
        sabal_blocking_begin();
        RUN(u->pool, leaves_open, u->how);
        u->blocking = sabal_blocking_depth();
        u->isolated = sabal_isolate_depth();
        sabal_blocking_end();
    } else {
        leaves_open(NULL, NULL, u->how);
    }
    sbl_event_set(&u->done);
}

Test(regions, what_is_left_open_is_closed_and_told)
{
    sbl_pool *pool = pool_of(2);

    sabal_set_log(note, NULL, SABAL_LOG_ERROR);
    for (int round = 0; round < 60; round++) {
        untidy u = {.work = {.run = run_untidy}, .pool = pool, .how = 1 + round % 5, .in_job = round / 5 % 2};

        sbl_pool_post(pool, &u.work);
        cr_expect(sbl_event_wait(&u.done, -1));
        /* until the mending is behind it */
        while (SBL_COUNT(sbl_state(pool), SBL_AWAKE) || SBL_COUNT(sbl_state(pool), SBL_BLOCKED))
            sched_yield();
        if (u.in_job)
            cr_expect(u.blocking == 1 && u.isolated == 0);
        cr_expect(was_told(u.how == 5                ? ""
                           : u.how == 4 && !u.in_job ? "without a sabal_blocking_begin"
                                                     : "regions more"));
    }
    sabal_isolate_end();
    cr_expect(was_told("sabal_isolate_end() without"));
    sabal_blocking_end();
    cr_expect(was_told("sabal_blocking_end() without"));
    cr_expect_eq(sabal_blocking_depth() + sabal_isolate_depth(), 0);
    cr_expect_eq(RUN(pool, leaves_open, 3), 1); /* as a guest */
    cr_expect(was_told("regions more"));
    cr_expect_eq(sabal_blocking_depth() + sabal_isolate_depth(), 0);
    sabal_set_log(NULL, NULL, SABAL_LOG_ERROR);
    sbl_pool_destroy(pool);
}

/* --- what a sync runs on top of itself --- */

SABAL_JOB(int, small, int, depth)
{
    int got;

    if (!depth) {
        sched_yield(); /* so that all threads have a part of it, however few cores there are */
        return 1;
    }
    SABAL_SPAWN(small, depth - 1);
    got = SABAL_CALL(small, depth - 1);
    return got + SABAL_SYNC(small);
}

/*
 * No owner descends from another. Who syncs looks which thread has the job and steals from that; if by then it has ended
 * the job, taken an `owner` and offered some more, the waiter may get that: with a mutex it holds, a deadlock.
 */
static __thread int    syncing;
static _Atomic int64_t strangers;

SABAL_JOB(int, owner, int, isolated)
{
    int got = 0;

    if (syncing)
        atomic_fetch_add(&strangers, 1);
    if (isolated)
        sabal_isolate_begin();
    for (int i = 0; i < 4; i++)
        SABAL_SPAWN(small, 2);
    syncing++;
    for (int i = 0; i < 4; i++)
        got += SABAL_SYNC(small);
    syncing--;
    if (isolated)
        sabal_isolate_end();
    return got == 16;
}

SABAL_JOB(int, owners, int, n, int, isolated)
{
    int got;

    if (n == 1)
        return SABAL_CALL(owner, isolated);
    SABAL_SPAWN(owners, n / 2, isolated);
    got = SABAL_CALL(owners, n - n / 2, isolated);
    return got + SABAL_SYNC(owners);
}

Test(regions, a_sync_runs_nothing_but_what_it_waits_for)
{
    sbl_pool *pool = pool_of(6);

    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 100 && !strangers; round++)
        cr_expect_eq(RUN(pool, owners, 1000, round % 2), 1000);
    cr_expect_eq(strangers, 0);
    atomic_store(&sbl_chaos_level, 0);
    sbl_pool_destroy(pool);
}

/* --- calls --- */

typedef struct napper {
    sbl_work        work;
    sbl_event       event, done;
    _Atomic int32_t waits;
    int             woken;
} napper;

/* A thread that lacked room on its stack called this one when its nap had just ended. */
static void wait_after_a_late_call(sbl_work *work)
{
    napper *n = (napper *)work;

    sbl_nap_begin(&n->done);
    sbl_nap_end();
    atomic_store(&sbl_me.worker->called, 1);
    atomic_store(&n->waits, 1);
    n->woken = sbl_event_wait(&n->event, -1);
    sbl_event_set(&n->done);
}

Test(regions, a_late_call_ends_no_other_wait)
{
    sbl_pool *pool = pool_of(1);
    napper    n    = {.work.run = wait_after_a_late_call, .woken = -1};

    sbl_pool_post(pool, &n.work);
    while (!atomic_load(&n.waits) || atomic_load(&n.event.word) != 2)
        sched_yield();
    for (int i = 0; i < 20; i++) {
        sbl_futex_wake(&n.event.word, 1);
        usleep(1000);
    }
    cr_expect(!sbl_event_is_set(&n.done));
    sbl_event_set(&n.event);
    sbl_event_wait(&n.done, -1);
    cr_expect_eq(n.woken, 1);
    sbl_pool_destroy(pool);
}
