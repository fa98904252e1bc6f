/* A bit of everything in a process that may use few cores: work ENGINE THREADS (0: the usual) EXPECTED. Prints "right". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sabal/sabal.h>
#include "support/fib.h"

enum { MANY = 300, DEEP = 1000, ROUNDS = 20 };

static sabal_status add_up(void *partial, int64_t begin, int64_t end, void *context)
{
    int64_t sum = 0;

    (void)context;
    for (int64_t i = begin; i < end; i++)
        sum += i;
    *(int64_t *)partial = sum;
    return SABAL_OK;
}

static void join(void *left, const void *right, void *context)
{
    (void)context;
    *(int64_t *)left += *(const int64_t *)right;
}

/* Each waits for the next. */
static sabal_status nest(sabal_task *t)
{
    int64_t      n = *(const int64_t *)sabal_task_arg(t), less = n - 1, below = 0;
    sabal_status st = SABAL_OK;

    if (n)
        st = sabal_future_get(&below, sizeof below, sabal_submit(sabal_task_client(t), nest, &less, sizeof less), NULL);
    below++;
    return st ? st : sabal_task_return(t, &below, sizeof below);
}

static int is_right(sabal_client *client)
{
    sabal_future *f[MANY];
    int64_t       total = 0, deep = DEEP, got = 0;
    int           right = SABAL_RUN(client, fib, 20) == 6765;

    SABAL_SCOPE(client);
    right &= sabal_reduce(&total, sizeof total, client, 0, 100000, add_up, join, NULL, .grain = 1000) == SABAL_OK;
    right &= total == INT64_C(4999950000);
    for (int64_t i = 0; i < MANY; i++)
        f[i] = sabal_submit(client, nest, (&(int64_t){i % 5}), sizeof(int64_t));
    for (int64_t i = 0; i < MANY; i++)
        right &= sabal_future_get(&got, sizeof got, f[i], NULL) == SABAL_OK && got == i % 5 + 1;
    right &= sabal_future_get(&got, sizeof got, sabal_submit(client, nest, &deep, sizeof deep), NULL) == SABAL_OK;
    return right && got == DEEP + 1;
}

int main(int argc, char **argv)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(argc > 1 ? argv[1] : NULL, &err, .threads = argc > 2 ? atoi(argv[2]) : 0);
    int32_t       n      = sabal_client_threads(client);
    int           right  = argc > 3 && n == atoi(argv[3]);

    for (int i = 0; i < ROUNDS; i++)
        right &= is_right(client);
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "%s\n", err.message);
    printf("%s: %d threads\n", right && !err.status ? "right" : "wrong", (int)n);
    return right && !err.status ? EXIT_SUCCESS : EXIT_FAILURE;
}
