/*
 * A computation longer than memory: maps over chunks, keeps them all, then reduces them pairwise from both ends, and checks
 * every element of what comes out. Usage: pairs ADDRESS CHUNKS CHUNK_BYTES LIMIT. Prints what the client says of its memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sabal/sabal.h>

/* Element i of chunk c: small whole numbers, so that sums are exact in any order, and hard to compress. */
static double element(int64_t c, int64_t i)
{
    uint64_t x = (uint64_t)c * 0x9e3779b97f4a7c15u + (uint64_t)i * 0xd1342543de82ef95u;

    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return (double)(x >> 24); /* of 40 bits */
}

struct chunk {
    int64_t index, n;
};

static sabal_status make_chunk(sabal_task *t)
{
    const struct chunk *c    = sabal_task_arg(t);
    double             *room = sabal_task_return_room(t, (size_t)c->n * sizeof *room);

    if (!room)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < c->n; i++)
        room[i] = element(c->index, i);
    return SABAL_OK;
}

static sabal_status add(sabal_task *t)
{
    const double *a = sabal_task_input(t, 0), *b = sabal_task_input(t, 1);
    int64_t       n    = (int64_t)(sabal_task_input_size(t, 0) / sizeof *a);
    double       *room = sabal_task_return_room(t, (size_t)n * sizeof *room);

    if (!room)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        room[i] = a[i] + b[i];
    return SABAL_OK;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void tell(const sabal_client *client, const char *what, double since)
{
    sabal_client_memory m = {.struct_size = sizeof m};

    sabal_client_memory_get(client, &m);
    printf("%-8s %7.2f s  managed %5zu MB, spilled %5zu MB, peak %5zu MB, resident %5zu MB of %zu MB\n", what,
           now() - since, m.managed / 1000000, m.spilled / 1000000, m.peak / 1000000, m.resident / 1000000,
           m.limit / 1000000);
    fflush(stdout);
}

static int fail(const sabal_error *err)
{
    char text[2048];

    sabal_error_format(text, sizeof text, err);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* The first level's inputs are kept, the others' go with it. */
static sabal_future *reduce(sabal_client *client, sabal_future *const *chunks, int64_t n)
{
    sabal_future **level = malloc((size_t)n * sizeof *level), *last;

    memcpy(level, chunks, (size_t)n * sizeof *level);
    for (int64_t left = n; left > 1; left = (left + 1) / 2)
        for (int64_t i = 0; i < left / 2; i++) {
            sabal_future *sum = sabal_submit(client, add, NULL, 0, .inputs = SABAL_LIST(level[i], level[left - 1 - i]));

            if (left < n)
                sabal_release(level[left - 1 - i]);
            if (left < n)
                sabal_release(level[i]);
            level[i] = sum;
        }
    last = level[0];
    free(level);
    return last;
}

static int64_t check(const double *sums, int64_t n_chunks, int64_t n)
{
    int64_t wrong = 0;

    for (int64_t i = 0; i < n; i += n / 1000 + 1) {
        double expected = 0;

        for (int64_t c = 0; c < n_chunks; c++)
            expected += element(c, i);
        wrong += sums[i] != expected;
    }
    return wrong;
}

int main(int argc, char **argv)
{
    sabal_error    err = SABAL_ERROR_INIT;
    sabal_client  *client;
    sabal_future **chunks, *sum;
    struct chunk  *args;
    double        *sums;
    sabal_list     all;
    int64_t        n_chunks, bytes, n, wrong;
    double         start = now();

    if (argc != 5)
        return 2;
    n_chunks = atoll(argv[2]);
    bytes    = atoll(argv[3]);
    n        = bytes / 8;
    client   = sabal_open(argv[1], &err, .memory_limit = atoll(argv[4]));
    if (err.status)
        return fail(&err);
    chunks = malloc((size_t)n_chunks * sizeof *chunks);
    args   = malloc((size_t)n_chunks * sizeof *args);
    sums   = malloc((size_t)n * sizeof *sums);
    for (int64_t i = 0; i < n_chunks; i++)
        args[i] = (struct chunk){i, n};
    all = (sabal_list){(const void *const *)chunks, n_chunks};
    sabal_map(chunks, client, make_chunk, args, sizeof *args, n_chunks);
    if (sabal_wait_all(all, &err))
        return fail(&err);
    tell(client, "mapped", start);
    start = now();
    sum   = reduce(client, chunks, n_chunks);
    if (sabal_future_get(sums, (size_t)n * sizeof *sums, sum, &err))
        return fail(&err);
    tell(client, "reduced", start);
    wrong = check(sums, n_chunks, n);
    sabal_close(client);
    free(chunks);
    free(args);
    free(sums);
    printf("%s\n", wrong ? "WRONG" : "right");
    return wrong != 0;
}
