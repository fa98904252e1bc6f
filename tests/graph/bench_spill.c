/*
 * What values are spilled at, beside the disk itself: bench_spill SIDE CASE THREADS VALUES prints seconds and bytes.
 * SIDE is sabal or disk (pwrite and pread with O_DIRECT, a file for each thread, straight from the same memory); CASE is
 * write, read or write-compressible; VALUES of 8 MiB for each thread. The folder is the one a client would take.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "graph/spill_file.h"

#define SIZE ((size_t)8 << 20)

enum { MOST = 64 };

struct worker {
    pthread_t          thread;
    pthread_barrier_t *start;
    sbl_spill_file    *spill; /* NULL: the disk itself */
    int                fd, n, reads;
    char              *data, *room;
    sbl_spilled       *spilled;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_spill: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_one(struct worker *w, int i)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (!w->spill && pwrite(w->fd, w->data, SIZE, (off_t)i * (off_t)SIZE) != (ssize_t)SIZE)
        fail("pwrite");
    if (w->spill && sbl_spill_write(w->spill, &(sabal_piece){w->data, SIZE}, 1, &w->spilled[i], &err))
        fail(err.message);
}

static void read_one(struct worker *w, int i)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (!w->spill && pread(w->fd, w->room, SIZE, (off_t)i * (off_t)SIZE) != (ssize_t)SIZE)
        fail("pread");
    if (w->spill && sbl_spill_read(w->spill, &w->spilled[i], w->room, &err))
        fail(err.message);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; w->reads && i < w->n; i++)
        write_one(w, i);
    pthread_barrier_wait(w->start);
    for (int i = 0; i < w->n; i++)
        (w->reads ? read_one : write_one)(w, i);
    pthread_barrier_wait(w->start);
    if (w->reads && memcmp(w->data, w->room, SIZE))
        fail("what came back differs");
    return NULL;
}

/* Random, or a ramp of numbers of 8 bytes, of which each block of LZ4 becomes a fraction. */
static void fill(char *to, int compressible, uint64_t seed)
{
    for (size_t i = 0; i < SIZE / 8; i++) {
        uint64_t word = i / 64;

        if (!compressible) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            word = seed;
        }
        memcpy(to + 8 * i, &word, 8);
    }
}

int main(int argc, char **argv)
{
    int               ours = argc == 5 && !strcmp(argv[1], "sabal"), n_threads = argc == 5 ? atoi(argv[3]) : 0;
    struct worker     workers[MOST];
    pthread_barrier_t start;
    sbl_spill_file   *spill = NULL;
    sabal_error       err   = SABAL_ERROR_INIT;
    int64_t           began;

    if (n_threads < 1 || n_threads > MOST || atoi(argv[4]) < 1)
        fail("usage: bench_spill sabal|disk write|read|write-compressible THREADS VALUES");
    if (sbl_spill_open(&spill, NULL, &err))
        fail(err.message);
    pthread_barrier_init(&start, NULL, (unsigned)n_threads + 1);
    for (int i = 0; i < n_threads; i++) {
        struct worker *w = &workers[i];

        *w = (struct worker){.start   = &start,
                             .spill   = ours ? spill : NULL,
                             .n       = atoi(argv[4]),
                             .reads   = !strcmp(argv[2], "read"),
                             .data    = sbl_buffer_alloc(SIZE),
                             .room    = sbl_buffer_alloc(SIZE),
                             .spilled = calloc((size_t)atoi(argv[4]), sizeof *w->spilled)};
        fill(w->data, !strcmp(argv[2], "write-compressible"), 88172645463325252u + (uint64_t)i);
        memset(w->room, 0, SIZE);
        w->fd = open(sbl_spill_where(spill), O_RDWR | O_TMPFILE | O_DIRECT, 0600);
        if (w->fd < 0)
            fail("a file for O_DIRECT");
        pthread_create(&w->thread, NULL, work, w);
    }
    pthread_barrier_wait(&start);
    began = sbl_clock_ns();
    pthread_barrier_wait(&start);
    printf("{\"seconds\": %.6f, \"bytes\": %zu}\n", (double)(sbl_clock_ns() - began) / 1e9,
           (size_t)n_threads * (size_t)atoi(argv[4]) * SIZE);
    for (int i = 0; i < n_threads; i++)
        pthread_join(workers[i].thread, NULL);
    sbl_spill_close(spill);
    return 0;
}
