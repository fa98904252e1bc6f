/*
 * Frames of any bytes to the data plane: heads and announcements alone; and, sealed as is right, from an admitted peer to a
 * plane that holds values and has asked for some.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "base/error.h"
#include "base/grow.h"
#include "cluster/net/announce.h"
#include "cluster/net/plane.h"
#include "cluster/net/stream.h"

static void must(int condition)
{
    if (!condition)
        abort();
}

/* --- heads and announcements ------------------------------------------------------------------------------------ */

static void fuzz_head(const uint8_t *bytes, size_t n)
{
    uint8_t    head[SBL_PACKET_HEAD] = {0}, again[SBL_PACKET_HEAD];
    sbl_packet p;

    memcpy(head, bytes, n < sizeof head ? n : sizeof head);
    if (sbl_packet_decode(&p, head, NULL))
        return;
    sbl_packet_encode(again, &p);
    must(!memcmp(head, again, sizeof head));
}

static volatile uint64_t seen; /* so that it is read */

static void fuzz_announce(const uint8_t *bytes, size_t n)
{
    sbl_announce a;
    uint64_t     sum = 0;

    if (!sbl_announce_get(&a, bytes, n))
        return;
    for (int32_t i = 0; i < a.n_pieces; i++)
        sum += sbl_announce_piece(&a, i);
    must(sum == a.total);
    for (size_t i = 0; i < a.head.size; i++)
        sum += ((const uint8_t *)a.head.data)[i];
    for (size_t i = 0; i < a.total && a.data; i++)
        sum += a.data[i];
    seen = sum;
}

/* --- a loop ----------------------------------------------------------------------------------------------------- */

enum { MOST_WATCHED = 8 };

static struct watched {
    int      fd;
    uint32_t events;
    void (*ready)(void *context, uint32_t events);
    void *context;
} watched[MOST_WATCHED];

static int watch(void *arg, int fd, uint32_t events, void (*ready)(void *, uint32_t), void *context)
{
    int at = -1;

    for (int i = 0; i < MOST_WATCHED; i++)
        if (watched[i].ready && watched[i].fd == fd)
            at = i;
    for (int i = 0; at < 0 && i < MOST_WATCHED; i++)
        if (!watched[i].ready)
            at = i;
    must(at >= 0);
    watched[at] = (struct watched){fd, events, ready, context};
    return 0;
}

static void unwatch(void *arg, int fd)
{
    for (int i = 0; i < MOST_WATCHED; i++)
        if (watched[i].ready && watched[i].fd == fd)
            watched[i].ready = NULL;
}

/* Until nothing is ready. EPOLLIN and POLLIN are the same numbers. */
static void turn(void)
{
    for (int round = 0; round < 100; round++) {
        int any = 0;

        for (int i = 0; i < MOST_WATCHED; i++) {
            struct pollfd p = {.fd = watched[i].fd, .events = (short)watched[i].events};

            if (!watched[i].ready || poll(&p, 1, 0) <= 0)
                continue;
            any = 1;
            watched[i].ready(watched[i].context, (uint32_t)p.revents);
        }
        if (!any)
            return;
    }
}

/* --- a plane, and the other side's stream ----------------------------------------------------------------------- */

static int is_down, is_cut;

static void on_down(void *arg, const sabal_error *why)
{
    must(why->status != SABAL_OK && why->message[0]);
    is_down = 1;
}

/* Values of 10 and 100,000 bytes by their names; no other. */
static void on_lookup(void *arg, sbl_request *request)
{
    const uint64_t task  = sbl_request_name(request).task;
    const size_t   size  = task == 1 ? 10 : task == 2 ? 100000 : 0;
    sbl_value     *value = NULL;
    void          *room;

    if (size && !sbl_bytes_create(&value, &room, size, NULL))
        memset(room, 7, size);
    if (value)
        sbl_request_answer(request, value);
    else
        sbl_request_refuse(request, NULL);
}

static void on_done(void *arg, sbl_value *value)
{
    must(value != NULL);
    sbl_value_release(value);
    ++*(int *)arg;
}

static void on_failed(void *arg, const sabal_error *why)
{
    must(why->status != SABAL_OK);
    ++*(int *)arg;
}

static void on_frame(void *arg, sbl_stream *stream, const sbl_packet *packet, const uint8_t *body, int fd, int damaged)
{
    if (fd >= 0)
        close(fd);
}

static int on_where(void *arg, sbl_stream *stream, const sbl_packet *packet, struct iovec *runs)
{
    return 0;
}

static void on_landed(void *arg, sbl_stream *stream, const sbl_packet *packet, int damaged)
{
}

static int on_next(void *arg, sbl_stream *stream, sbl_packet *packet, struct iovec *runs)
{
    return 0;
}

static void on_sent(void *arg, sbl_stream *stream, const sbl_packet *packet)
{
}

static void on_ended(void *arg, sbl_stream *stream, const sabal_error *why)
{
    is_cut = 1;
    sbl_stream_close(stream);
}

static const sbl_stream_events OTHER = {on_frame, on_where, on_landed, on_next, on_sent, on_ended};
static const sbl_pull_events   PULL  = {.done = on_done, .failed = on_failed};

/* Sealed memory, as a value's should be, or not. */
static int some_memory(uint8_t how)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    must(fd >= 0 && sbl_grow_truncate(fd, (how & 3) * 65536 + 4096) == 0);
    if (how & 4)
        must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return fd;
}

/* A frame: type, flags, id, offset, length of its body. The first that a right peer sends is a hello. */
static const uint8_t *send_frame(sbl_stream *stream, const uint8_t *at, const uint8_t *end)
{
    sbl_packet p;
    int        fd = -1;

    if (end - at < 8)
        return end;
    p = (sbl_packet){
        .type = at[0] % 12, .flags = at[1] & SBL_PACKET_HAS_FD, .id = at[2], .offset = at[3], .size = at[4]};
    p.id |= (uint64_t)at[5] << (at[6] % 64);
    if (p.flags)
        fd = some_memory(at[7]);
    at += 8;
    if (p.size > end - at)
        p.size = (uint32_t)(end - at);
    if (p.type && p.type != SBL_PACKET_DATA)
        sbl_stream_send(stream, &p, at, fd, NULL);
    if (fd >= 0)
        close(fd);
    return at + p.size;
}

static void say_hello(sbl_stream *stream, const uint8_t node[16])
{
    uint8_t  body[72]   = {0};
    uint32_t numbers[6] = {1, ~0u, SBL_CARRIER_BIT(SBL_CARRIER_MEMFD), 1, 0, 0};

    memcpy(body, numbers, sizeof numbers);
    memcpy(body + 24, node, 16);
    sbl_stream_send(stream, &(sbl_packet){.type = SBL_PACKET_HELLO, .size = sizeof body}, body, -1, NULL);
}

static void fuzz_pair(const uint8_t *bytes, size_t n, int with_hello)
{
    uint8_t       node[16];
    sbl_turns     turns = {watch, unwatch, NULL};
    sbl_plane    *plane;
    sbl_pair     *pair;
    sbl_stream   *stream;
    sbl_pull     *pulls[3];
    int           fds[2], ended = 0;
    const int32_t spin    = 0;
    uint8_t       key[32] = {1}, back[32] = {2};

    sbl_node_id(node);
    memset(watched, 0, sizeof watched);
    is_down = is_cut = 0;
    must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    must(!sbl_plane_create(&plane, &(sbl_plane_options){.turns = turns, .lookup = on_lookup, .tls = "memfd"}, NULL));
    {
        sbl_pair_options o = {.fds = {fds[0]}, .n_fds = 1, .down = on_down};

        memcpy(o.send_key, key, sizeof key);
        memcpy(o.receive_key, back, sizeof back);
        must(!sbl_pair_open(&pair, plane, &o, NULL));
    }
    must(!sbl_stream_open(&stream, &turns,
                          &(sbl_stream_options){.fd = fds[1], .send_key = back, .receive_key = key, .spin = &spin},
                          &OTHER, NULL, NULL));
    for (uint64_t i = 0; i < 3; i++)
        must(!sbl_pull_start(&pulls[i], pair, (sbl_value_name){i, i}, &PULL, &ended, NULL));
    if (with_hello)
        say_hello(stream, node);
    turn();
    for (const uint8_t *at = bytes, *end = bytes + n; at < end && !is_cut && !is_down;) {
        at = send_frame(stream, at, end);
        turn();
    }
    sbl_pair_close(pair);
    must(ended == 3);
    turn();
    sbl_stream_close(stream);
    sbl_stream_free(stream);
    sbl_plane_destroy(plane);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 2 || sodium_init() < 0)
        return 0;
    switch (bytes[0] % 4) {
    case 0:
        fuzz_head(bytes + 1, n - 1);
        break;
    case 1:
        fuzz_announce(bytes + 1, n - 1);
        break;
    default:
        fuzz_pair(bytes + 1, n - 1, bytes[0] % 4 == 3);
    }
    return 0;
}
