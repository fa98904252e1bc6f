/*
 * Tasks that block: a producer and its readers share one thread.
 *
 *     cc -O2 blocking.c $(pkg-config --cflags --libs sabal) -o blocking
 *     ./blocking
 *
 * What it teaches:
 *   - A task that blocks in a system call says so: sabal_blocking_begin(), sabal_blocking_end(). Its thread lends its
 *     place, and other tasks go on. Without that, the reader below would keep the only thread from the writer.
 *   - A task that waits while it holds a lock says that too: sabal_isolate_begin(), sabal_isolate_end(). As long as one
 *     does, no thread runs anything on top of a wait but what that waits for, so nothing that needs the lock.
 */
#include <pthread.h>
#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int             pipe_ends[2];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

//! [blocking]
static sabal_status receive(sabal_task *t)
{
    int64_t number = 0;
    ssize_t n;

    sabal_blocking_begin(); /* this may take a while: others may have the place */
    n = read(pipe_ends[0], &number, sizeof number);
    sabal_blocking_end();
    return n == sizeof number ? sabal_task_return(t, &number, sizeof number) : SABAL_EIO;
}
//! [blocking]

static sabal_status produce(sabal_task *t)
{
    const int64_t number = 42;

    (void)t;
    return write(pipe_ends[1], &number, sizeof number) == sizeof number ? SABAL_OK : SABAL_EIO;
}

//! [isolate]
/* One line for each number, whole: the lock is held while the number comes. */
static sabal_status print(sabal_task *t)
{
    sabal_future *const *from = sabal_task_arg(t);
    int64_t              number;
    sabal_error          err = SABAL_ERROR_INIT;
    sabal_status         st;

    pthread_mutex_lock(&log_lock);
    sabal_isolate_begin();
    printf("got ");
    st = sabal_future_get(&number, sizeof number, *from, &err);
    if (!st)
        printf("%lld\n", (long long)number);
    sabal_isolate_end();
    pthread_mutex_unlock(&log_lock);
    return st ? sabal_task_fail(t, st, "%s", err.message) : SABAL_OK;
}
//! [isolate]

int main(void)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open("local:", &err, .threads = 1);
    sabal_future *number, *line;

    if (pipe(pipe_ends))
        return EXIT_FAILURE;
    number = sabal_submit(client, receive, NULL, 0);
    line   = sabal_submit(client, print, &number, sizeof(sabal_future *));
    sabal_submit(client, produce, NULL, 0);
    sabal_future_wait(line, &err);
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "blocking: %s\n", err.message);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
