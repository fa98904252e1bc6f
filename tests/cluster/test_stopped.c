/* A worker that stands still while a client wants a value of its: the client has it as soon as the scheduler has noticed. */
#include "cluster/named.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* What is noticed after 3 s, and what a machine that does more than this takes for the rest. */
enum { SIZE = 64 << 20, BLOCK = 4096, SENT = 4 << 20, MOST_MS = 10000, MOST_FDS = 1024 };

static const char *const CARRIERS[] = {"memfd", "tcp"};
static unsigned char     got[SIZE];

/* Whatever became of the test. */
static void close_stopped(void)
{
    for (int i = 0; i < cluster.n; i++)
        kill(cluster.process[i], SIGCONT);
    close_cluster();
}

TestSuite(stopped, .init = clear_error, .fini = close_stopped, .timeout = 120);

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is in that block. */
static unsigned char block_byte(size_t block)
{
    return (unsigned char)(block * 2654435761u >> 24);
}

static void fill(unsigned char *bytes)
{
    for (size_t i = 0; i < SIZE / BLOCK; i++)
        memset(bytes + i * BLOCK, block_byte(i), BLOCK);
}

/* Who made it in the first bytes. */
static sabal_status make(sabal_task *t)
{
    unsigned char *room = sabal_task_return_room(t, SIZE);
    const pid_t    self = getpid();

    if (!room)
        return SABAL_ENOMEM;
    fill(room);
    memcpy(room, &self, sizeof self);
    return SABAL_OK;
}

/* Made by the only worker, beside which there is another then. */
static sabal_future *made_by_first(sabal_client **client, const char *tls)
{
    sabal_future *f;

    cluster_open(&cluster, 0);
    start_named("first", 1, NULL, tls, 0);
    *client = open_client();
    f       = sabal_submit(*client, make, NULL, 0, .name = "made");
    cr_assert_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    start_named("second", 1, NULL, tls, 0);
    return f;
}

static void expect_made_by(pid_t pid)
{
    unsigned char expected[BLOCK];

    cr_expect_eq(memcmp(got, &pid, sizeof pid), 0, "another made it");
    memset(got, block_byte(0), sizeof pid);
    for (size_t i = 0; i < SIZE / BLOCK; i++) {
        memset(expected, block_byte(i), BLOCK);
        cr_assert_eq(memcmp(got + i * BLOCK, expected, BLOCK), 0, "block %zu is wrong", i);
    }
    memset(got, 0, SIZE);
}

static void get_from_second(sabal_future *f, int64_t since_ms)
{
    cr_assert_eq(sabal_future_get(got, SIZE, f, &err), SABAL_OK, "%s", err.message);
    fprintf(stderr, "%s: it came after %lld ms\n", __func__, (long long)(now_ms() - since_ms));
    cr_expect_leq(now_ms() - since_ms, MOST_MS);
    expect_made_by(cluster.process[2]);
}

static void end(sabal_client *client)
{
    sabal_close(client);
    close_stopped();
}

Test(stopped, who_is_asked_then_is_asked_in_vain_for_three_seconds)
{
    for (size_t i = 0; i < sizeof CARRIERS / sizeof *CARRIERS; i++) {
        sabal_client *client;
        sabal_future *f = made_by_first(&client, CARRIERS[i]);

        kill(cluster.process[1], SIGSTOP);
        get_from_second(f, now_ms());
        end(client);
    }
}

/* It was connected to already, and has given something. */
Test(stopped, who_was_asked_before_is_no_better)
{
    for (size_t i = 0; i < sizeof CARRIERS / sizeof *CARRIERS; i++) {
        sabal_client *client;
        sabal_future *f = made_by_first(&client, CARRIERS[i]), *other;

        other = sabal_submit(client, make, NULL, 0, .workers = "first");
        cr_assert_eq(sabal_future_get(got, SIZE, other, &err), SABAL_OK, "%s", err.message);
        expect_made_by(cluster.process[1]);
        kill(cluster.process[1], SIGSTOP);
        cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 1000000), SABAL_OK, "it has ended long ago");
        get_from_second(f, now_ms());
        end(client);
    }
}

/* What came or went by one of this process's connections: the most. */
static uint64_t bytes_moved(void)
{
    uint64_t most = 0;

    for (int fd = 0; fd < MOST_FDS; fd++) {
        struct tcp_info info = {0};
        socklen_t       size = sizeof info;

        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
            continue;
        most = info.tcpi_bytes_received > most ? info.tcpi_bytes_received : most;
        most = info.tcpi_bytes_acked > most ? info.tcpi_bytes_acked : most;
    }
    return most;
}

/* When some of it is there. */
static void *stop_midway(void *arg)
{
    int64_t *since_ms = arg;

    while (bytes_moved() < SENT)
        sched_yield();
    kill(cluster.process[1], SIGSTOP);
    *since_ms = now_ms();
    return NULL;
}

Test(stopped, in_the_midst_of_a_value_takes_that_with_it)
{
    int64_t       since_ms = 0, ended_ms;
    pthread_t     stopper;
    sabal_client *client;
    sabal_future *f = made_by_first(&client, "tcp");

    cr_assert_eq(pthread_create(&stopper, NULL, stop_midway, &since_ms), 0);
    cr_assert_eq(sabal_future_get(got, SIZE, f, &err), SABAL_OK, "%s", err.message);
    ended_ms = now_ms();
    pthread_join(stopper, NULL);
    fprintf(stderr, "it came after %lld ms\n", (long long)(ended_ms - since_ms));
    cr_expect_leq(ended_ms - since_ms, MOST_MS);
    expect_made_by(cluster.process[2]);
    end(client);
}

static void *get_it(void *f)
{
    sabal_error own = SABAL_ERROR_INIT;

    return (void *)(intptr_t)sabal_future_get(got, SIZE, f, &own);
}

/* While it is on its way to one thread, another waits for less and is answered. */
Test(stopped, is_no_matter_to_who_only_waits_for_its_end)
{
    int64_t       since_ms = 0;
    pthread_t     stopper, getter;
    void         *status = NULL;
    sabal_client *client;
    sabal_future *f = made_by_first(&client, "tcp");

    cr_assert_eq(pthread_create(&stopper, NULL, stop_midway, &since_ms), 0);
    cr_assert_eq(pthread_create(&getter, NULL, get_it, f), 0);
    pthread_join(stopper, NULL);
    cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 1000000), SABAL_OK, "%s", err.message);
    cr_expect_leq(now_ms() - since_ms, 1000);
    pthread_join(getter, &status);
    cr_expect_eq((sabal_status)(intptr_t)status, SABAL_OK);
    cr_expect_leq(now_ms() - since_ms, MOST_MS);
    expect_made_by(cluster.process[2]);
    end(client);
}

/* Of a byte of each block; and who added. */
static sabal_status sum(sabal_task *t)
{
    const unsigned char *data  = sabal_task_input(t, 0);
    int64_t              of[2] = {getpid()};

    for (size_t i = 0; i < SIZE; i += BLOCK)
        of[1] += data[i];
    return sabal_task_return(t, of, sizeof of);
}

/* The other way: data of the client that a task reads. */
Test(stopped, in_the_midst_of_what_it_gets_leaves_its_task_to_another)
{
    int64_t       of[2] = {0}, since_ms = 0, expected = 0;
    pthread_t     stopper;
    sabal_client *client;
    sabal_future *data, *f;

    fill(got);
    for (size_t i = 0; i < SIZE / BLOCK; i++)
        expected += block_byte(i);
    cluster_open(&cluster, 0);
    start_named("first", 1, NULL, "tcp", 0);
    client = open_client();
    data   = sabal_scatter(client, got, SIZE);
    cr_assert_eq(pthread_create(&stopper, NULL, stop_midway, &since_ms), 0);
    f = sabal_submit(client, sum, NULL, 0, .inputs = SABAL_LIST(data));
    pthread_join(stopper, NULL);
    start_named("second", 1, NULL, "tcp", 0);
    cr_assert_eq(sabal_future_get(of, sizeof of, f, &err), SABAL_OK, "%s", err.message);
    cr_expect_leq(now_ms() - since_ms, MOST_MS);
    cr_expect_eq(of[0], cluster.process[2]);
    cr_expect_eq(of[1], expected);
    end(client);
}
