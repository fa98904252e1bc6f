/* Planted: two threads count without an atomic. */
#include <pthread.h>

#include "support/test.h"

static volatile int count;

static void *count_up(void *unused)
{
    for (int i = 0; i < 1000; i++)
        count++;
    return unused;
}

Test(planted, race)
{
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, count_up, NULL), 0);
    count_up(NULL);
    pthread_join(thread, NULL);
    cr_expect_gt(count, 0);
}
