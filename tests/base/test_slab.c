/* Slabs: records don't overlap, whoever makes or frees them; memory comes back. */
#include "base/slab.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sanitized.h"
#include "support/test.h"

enum { MANY = 40000, THREADS = 8 };

static size_t size_of(size_t i)
{
    return 1 + i * 37 % 700; /* all classes, and beyond them */
}

static void fill(unsigned char *r, size_t i)
{
    memset(r, (int)(i * 31 % 251), size_of(i));
}

static int is_as_filled(const unsigned char *r, size_t i)
{
    for (size_t k = 0; k < size_of(i); k++)
        if (r[k] != i * 31 % 251)
            return 0;
    return 1;
}

Test(slab, records_are_apart_and_begin_lines)
{
    unsigned char **r     = malloc(MANY * sizeof *r);
    size_t          wrong = 0, askew = 0;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++) {
            r[i] = sbl_slab_alloc(size_of(i));
            cr_assert(r[i]);
            askew += (uintptr_t)r[i] % 64 != 0;
            fill(r[i], i);
        }
        for (size_t i = 0; i < MANY; i++) {
            size_t at = i * 7919 % MANY;

            wrong += !is_as_filled(r[at], at);
            sbl_slab_free(r[at], size_of(at));
        }
    }
    cr_expect_eq(wrong, 0);
    cr_expect_eq(askew, 0);
    sbl_slab_free(NULL, 8);
    free(r);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static unsigned char    *box[THREADS][MANY / THREADS];
static _Atomic size_t    n_wrong;
static pthread_barrier_t barrier;

/* Each makes its own, frees those of its neighbour, and ends with some left. */
static void *make_and_free(void *arg)
{
    const size_t me = (size_t)(uintptr_t)arg, n = MANY / THREADS;

    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < n; i++) {
            box[me][i] = sbl_slab_alloc(size_of(i));
            fill(box[me][i], i);
        }
        pthread_barrier_wait(&barrier);
        for (size_t i = 0; i < n; i++) {
            unsigned char *r = box[(me + 1) % THREADS][i];

            n_wrong += !is_as_filled(r, i);
            sbl_slab_free(r, size_of(i));
        }
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

Test(slab, what_one_thread_makes_another_frees)
{
    pthread_t thread[THREADS];

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, make_and_free, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&barrier);
    cr_expect_eq(n_wrong, 0);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static long pages(int field)
{
    long  size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    cr_assert(f && fscanf(f, "%ld %ld", &size, &resident) == 2);
    fclose(f);
    return field ? resident : size;
}

/* 200,000 records of 192 bytes are 19 chunks of 2 MiB; four empty ones may be kept. */
Test(slab, what_is_free_goes_back_to_the_system)
{
    enum { N = 200000, CHUNK = (2 << 20) / 4096 };
    void **r = calloc(N, sizeof *r);
    long   before, with, after;

    if (SBL_SANITIZED)
        cr_skip_test("malloc's under a sanitizer");
    before = pages(0);
    for (int i = 0; i < N; i++)
        r[i] = sbl_slab_alloc(192);
    with = pages(0);
    for (int i = 0; i < N; i++)
        sbl_slab_free(r[i], 192);
    after = pages(0);
    cr_expect_geq(with - before, 18 * CHUNK);
    cr_expect_leq(after - before, 6 * CHUNK); /* and what this thread keeps: in one chunk, or two */
    free(r);
}

Test(slab, an_allocation_may_fail)
{
    void *r;

    sbl_alloc_fail(1, 0);
    r = sbl_slab_alloc(64);
    sbl_alloc_fail(0, 0);
    cr_expect(!r);
}

/* --- fork --------------------------------------------------------------------------------------------------------- */

static _Atomic int is_over;

static void *keep_the_locks_busy(void *arg)
{
    void *r[1000];

    while (!is_over) {
        for (int i = 0; i < 1000; i++)
            r[i] = sbl_slab_alloc(64);
        for (int i = 0; i < 1000; i++)
            sbl_slab_free(r[i], 64);
    }
    return NULL;
}

Test(slab, a_forked_child_may_go_on)
{
    pthread_t busy;

    if (SBL_SANITIZED)
        cr_skip_test("malloc's under a sanitizer, and that one's locks don't stand a fork");
    pthread_create(&busy, NULL, keep_the_locks_busy, NULL);
    for (int i = 0; i < 50; i++) {
        int   status = -1;
        pid_t child;

        sbl_slab_free(sbl_slab_alloc(64), 64); /* fork() is prepared by the first use */
        child = fork();
        if (!child) {
            alarm(20);
            for (int k = 0; k < 1000; k++)
                if (!sbl_slab_alloc(64))
                    _exit(2);
            _exit(0);
        }
        cr_assert(waitpid(child, &status, 0) == child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    is_over = 1;
    pthread_join(busy, NULL);
}
