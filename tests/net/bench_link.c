/*
 * What a link costs, between two threads with a loop each: round trips of a small frame, streams of small ones, of large ones
 * with a tag and encrypted, over TCP (loopback) and a Unix socket. A measurement, not a test.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cluster/net/connect.h"
#include "cluster/net/listen.h"

enum { ECHO, SINK, LARGE, LAST, N_TYPES, TRIPS = 20000, SMALL = 2000000, BIG = 400, BIG_BYTES = 1 << 20 };
static const sbl_frame_limit TYPES[N_TYPES] = {{4096, 0}, {4096, 0}, {BIG_BYTES, 0}, {0, 0}};
static const uint8_t         SECRET[SBL_KEY_BYTES];

struct end {
    sbl_evloop *loop;
    sbl_link   *link;
    int         fd, is_client, encrypt, n_left, trips;
    int64_t     spin_ns, sent_at, *took;
    sbl_evwork  more;
};

static const uint8_t *key_of(void *arg, uint64_t ticket)
{
    return SECRET;
}

static void say(struct end *e, uint16_t type, const void *payload, size_t n)
{
    sbl_session_head what = {.type = type, .length = n};

    if (sbl_link_send(e->link, &what, payload, NULL, NULL))
        abort();
}

static void stop(struct end *e)
{
    sbl_evloop_stop(e->loop);
}

static void send_trip(struct end *e)
{
    e->sent_at = sbl_clock_ns();
    say(e, ECHO, "0123456789abcdef", 16);
}

static void passed(void *arg, sbl_link *link)
{
    if (((struct end *)arg)->is_client)
        stop(arg);
}

static void received(void *arg, sbl_link *link, const sbl_received *frame)
{
    struct end *e = arg;

    if (!e->is_client) { /* an echo, and a word when a stream has ended */
        if (frame->type == ECHO)
            say(e, ECHO, frame->payload, frame->length);
        else if (frame->type == LAST)
            say(e, LAST, NULL, 0);
        return;
    }
    if (frame->type == LAST) {
        stop(e);
        return;
    }
    e->took[e->trips - e->n_left] = sbl_clock_ns() - e->sent_at;
    if (--e->n_left == 0)
        stop(e);
    else
        send_trip(e);
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    ((struct end *)arg)->link = NULL;
    stop(arg);
}

static const sbl_link_calls CALLS = {passed, received, NULL, ended};

static void open_end(struct end *e)
{
    sbl_hello_self self = {
        .role = e->is_client ? SBL_ROLE_CLIENT : SBL_ROLE_SCHEDULER, .expects = ~0, .encrypt = e->encrypt};
    sbl_link_options o = {
        .calls = &CALLS, .arg = e, .self = &self, .key = key_of, .initiator = e->is_client, .limits = {TYPES, N_TYPES}};

    if (sbl_evloop_create(&e->loop, e->spin_ns, NULL) || sbl_link_open(&e->link, e->loop, e->fd, &o, NULL))
        abort();
}

static void *serve(void *arg)
{
    struct end *e = arg;

    open_end(e);
    sbl_evloop_run(e->loop);
    sbl_evloop_destroy(e->loop);
    return NULL;
}

static void make_pair(int pair[2], int local)
{
    struct sockaddr_in a        = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          size     = sizeof a;
    int                listener = socket(AF_INET, SOCK_STREAM, 0);

    if (local ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)
              : bind(listener, (struct sockaddr *)&a, size) || listen(listener, 1) ||
                    getsockname(listener, (struct sockaddr *)&a, &size))
        abort();
    if (!local) {
        pair[0] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(pair[0], (struct sockaddr *)&a, size))
            abort();
        pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    }
    close(listener);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Bytes in flight are bounded, as by who waits for `drained`. */
static int64_t stream(struct end *e, uint16_t type, const void *payload, size_t n, int count)
{
    int64_t began = sbl_clock_ns();

    for (int i = 0; i < count; i++) {
        say(e, type, payload, n);
        while (sbl_link_waiting(e->link) > (256 << 10))
            sbl_evloop_turn(e->loop, INT64_MAX);
    }
    say(e, LAST, NULL, 0);
    sbl_evloop_run(e->loop);
    return sbl_clock_ns() - began;
}

static void measure(int local, int64_t spin_ns, int encrypt)
{
    struct end client = {.is_client = 1, .encrypt = encrypt, .spin_ns = spin_ns},
               server = {.spin_ns = spin_ns, .encrypt = encrypt};
    int            pair[2];
    pthread_t      thread;
    static uint8_t large[BIG_BYTES];
    int64_t        t;

    make_pair(pair, local);
    client.fd = pair[0], server.fd = pair[1];
    pthread_create(&thread, NULL, serve, &server);
    open_end(&client);
    sbl_evloop_run(client.loop);
    client.trips = client.n_left = TRIPS;
    client.took                  = malloc(TRIPS * sizeof *client.took);
    send_trip(&client);
    sbl_evloop_run(client.loop);
    qsort(client.took, TRIPS, sizeof *client.took, compare);
    printf("%s, spin %2d us%s: round trip of 16 bytes median %.1f us, 99%% %.1f us", local ? "unix" : "tcp ",
           (int)(spin_ns / 1000), encrypt ? ", encrypted" : "", (double)client.took[TRIPS / 2] / 1e3,
           (double)client.took[TRIPS * 99 / 100] / 1e3);
    t = stream(&client, SINK, large, 64, SMALL);
    printf("; frames of 64 bytes %.0f ns each", (double)t / SMALL);
    t = stream(&client, LARGE, large, BIG_BYTES, BIG);
    printf("; of 1 MiB %.2f GB/s\n", (double)BIG * BIG_BYTES / (double)t);
    free(client.took);
    sbl_link_close(client.link, 1000000000);
    sbl_evloop_run(client.loop);
    pthread_join(thread, NULL);
    sbl_evloop_destroy(client.loop);
}

enum { JOINS = 1000 };
static int n_admitted, n_joined;

static void admitted(void *arg, sbl_link *link)
{
    n_admitted++;
}

static void joined(void *arg, sbl_link *link, const sabal_error *why)
{
    if (!link)
        abort();
    n_joined++;
}

static void gone(void *arg, sbl_link *link, const sabal_error *why)
{
}

/* A thousand that come at once, both ends of each in this process and this thread; then what they cost when nothing is said. */
static void measure_joins(void)
{
    static const sbl_link_calls STILL = {.ended = gone};
    static const char *const    LO[]  = {"lo"};
    sbl_hello_self              self  = {.role = SBL_ROLE_WORKER, .expects = ~0};
    sbl_link_options            link  = {.calls = &STILL, .self = &self, .key = key_of, .limits = {TYPES, N_TYPES}};
    sbl_listen_options          o = {.tcp = 1, .interfaces = LO, .n_interfaces = 1, .link = link, .admitted = admitted};
    sbl_evloop                 *loop;
    sbl_listener               *listener;
    sbl_address                 address;
    int64_t                     resident = sbl_limits_resident(), began = sbl_clock_ns();
    struct timespec             cpu[2];

    if (sbl_evloop_create(&loop, 0, NULL) || sbl_listener_open(&listener, loop, &o, NULL))
        abort();
    sbl_listener_addresses(listener, &address, 1);
    for (int i = 0; i < JOINS; i++) {
        sbl_connect_options c = {.addresses   = &address,
                                 .n_addresses = 1,
                                 .deadline_ns = began + 20000000000,
                                 .again       = 1,
                                 .link        = link,
                                 .done        = joined};
        sbl_connector      *connector;

        if (sbl_connect(&connector, loop, &c, NULL))
            abort();
    }
    while (n_joined < JOINS || n_admitted < JOINS)
        sbl_evloop_turn(loop, INT64_MAX);
    printf("%d joins at once: %.0f ms, both ends; %.1f kB a link\n", JOINS, (double)(sbl_clock_ns() - began) / 1e6,
           (double)(sbl_limits_resident() - resident) / 1024 / (2 * JOINS));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[0]);
    for (int64_t until = sbl_clock_ns() + 2000000000; sbl_clock_ns() < until;)
        sbl_evloop_turn(loop, until);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[1]);
    printf("idle: %.4f %% of a core\n",
           ((double)(cpu[1].tv_sec - cpu[0].tv_sec) * 1e9 + (double)(cpu[1].tv_nsec - cpu[0].tv_nsec)) / 2e7);
}

int main(void)
{
    measure_joins();
    for (int local = 0; local < 2; local++)
        for (int spins = 0; spins < 2; spins++)
            for (int encrypt = 0; encrypt < 2 - local; encrypt++)
                measure(local, spins * 40000, encrypt);
    return 0;
}
