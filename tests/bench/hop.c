/*
 * Tells in how many nanoseconds a cache line goes from one core to another and back, halved: the median of 21 times. In a virtual
 * machine the host decides where its cores are: two of one chip's quarter today (30 ns), of two quarters in a minute (180 ns). What
 * wakes or feeds another thread takes two to three times as long then, on both sides of a comparison, but not alike.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HOPS = 10000, TIMES = 21 };

static _Atomic int turn;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The cores that this process may use, the first and the last. */
static int pin(int last)
{
    cpu_set_t may, one;
    int       core = -1;

    sched_getaffinity(0, sizeof may, &may);
    for (int i = 0; i < CPU_SETSIZE && (core < 0 || last); i++)
        if (CPU_ISSET(i, &may))
            core = i;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    return sched_setaffinity(0, sizeof one, &one);
}

static void take_turns(int mine, int n)
{
    for (int i = 0; i < n; i++) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != mine)
            continue;
        atomic_store_explicit(&turn, !mine, memory_order_release);
    }
}

static void *other(void *arg)
{
    pin(1);
    take_turns(1, TIMES * HOPS);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(void)
{
    cpu_set_t may;
    pthread_t thread;
    double    took[TIMES];

    sched_getaffinity(0, sizeof may, &may);
    if (CPU_COUNT(&may) < 2 || pthread_create(&thread, NULL, other, NULL))
        return 1;
    pin(0);
    for (int k = 0; k < TIMES; k++) {
        const double begin = now_ns();

        take_turns(0, HOPS);
        took[k] = (now_ns() - begin) / HOPS / 2;
    }
    pthread_join(thread, NULL);
    qsort(took, TIMES, sizeof *took, compare);
    printf("%.0f\n", took[TIMES / 2]);
    return 0;
}
