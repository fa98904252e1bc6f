/*
 * Fork-join: a function that splits its work, at the price of a call.
 *
 *     cc -O2 forkjoin.c $(pkg-config --cflags --libs sabal) -o forkjoin
 *     ./forkjoin                # fib(32) and a million terms of a series
 *     ./forkjoin 40 1000000000
 *
 * What it teaches:
 *   - SABAL_JOB defines a function that may run elsewhere. SABAL_SPAWN offers a call of it to idle threads, SABAL_SYNC
 *     answers the last spawn that has no answer yet. If nobody came for it, the sync is a plain call: so small pieces
 *     cost next to nothing, and no cut-off by hand is needed.
 *   - Loops and reductions over a range need no jobs of your own: sabal_for() and sabal_reduce().
 *   - A reduction joins its partial results in one fixed tree. The sum has the same bits on any number of threads.
 */
#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>

//! [job]
/* A job of type long, with the name fib, and one argument, int n. */
SABAL_JOB(long, fib, int, n)
{
    if (n < 2)
        return n;
    SABAL_SPAWN(fib, n - 1);         /* another thread may take this one ...          */
    long y = SABAL_CALL(fib, n - 2); /* ... while this thread does the other          */
    return y + SABAL_SYNC(fib);      /* the first: called here, unless it was taken   */
}
//! [job]

//! [loop]
/* A piece of a loop: fills terms[begin .. end - 1]. Pieces may run at the same time; each index is in one of them. */
static sabal_status fill(int64_t begin, int64_t end, void *context)
{
    double *terms = context;

    for (int64_t i = begin; i < end; i++)
        terms[i] = 1 / ((double)(i + 1) * (double)(i + 1));
    return SABAL_OK;
}

/* A leaf of a reduction: the sum of its part. */
static sabal_status sum(void *partial, int64_t begin, int64_t end, void *context)
{
    const double *terms = context;
    double        s     = 0;

    for (int64_t i = begin; i < end; i++)
        s += terms[i];
    *(double *)partial = s;
    return SABAL_OK;
}

/* Joins two neighbours, the right one into the left. */
static void add(void *left, const void *right, void *context)
{
    (void)context;
    *(double *)left += *(const double *)right;
}
//! [loop]

int main(int argc, char **argv)
{
    int           n      = argc > 1 ? atoi(argv[1]) : 32;
    long long     count  = argc > 2 ? atoll(argv[2]) : 1000000;
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open("local:", &err);
    double       *terms  = malloc((size_t)count * sizeof *terms);
    double        total  = 0;
    sabal_status  st     = terms ? err.status : SABAL_ENOMEM;

    if (!st) {
        //! [run]
        /* From a plain function into the pool: this thread takes part, and returns with the result. */
        long f = SABAL_RUN(client, fib, n);
        printf("fib(%d) = %ld\n", n, f);

        st = sabal_for(client, 0, count, fill, terms);
        if (!st)
            st = sabal_reduce(&total, sizeof total, client, 0, count, sum, add, terms);
        printf("the sum of 1/i^2 to %lld is %.12f, pi^2/6 is 1.644934066848\n", count, total);
        //! [run]
    }
    free(terms);
    sabal_close(client);
    if (st)
        fprintf(stderr, "forkjoin: %s\n", err.status ? err.message : sabal_status_name(st));
    return st ? EXIT_FAILURE : EXIT_SUCCESS;
}
