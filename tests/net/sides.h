/* Two ends of a link in one loop, for tests: what they know, what came, and how it ended. */
#ifndef SBL_TESTS_NET_SIDES_H
#define SBL_TESTS_NET_SIDES_H

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cluster/net/link.h"

enum { PLAIN, LARGE, WITH_FDS, N_TYPES };
static const sbl_frame_limit  TYPES[N_TYPES] = {[PLAIN] = {4096, 0}, [LARGE] = {64 << 20, 0}, [WITH_FDS] = {4096, 8}};
static const sbl_frame_limits LIMITS         = {TYPES, N_TYPES};
static const uint8_t          SECRET[SBL_KEY_BYTES] = "the secret of this very cluster";

typedef struct side {
    sbl_link        *link;
    sbl_link_options options;
    sbl_hello_self   self;
    const uint8_t   *secret;
    int              passed, ended, drained;
    sabal_error      why;
    int64_t          frames, bytes;
    uint64_t         last_id, sum; /* sum: of all bytes that came */
    int              misaligned, out_of_order, came_fds, fd;
    void (*on_frame)(struct side *side, const sbl_received *frame);
} side;

static sbl_evloop *loop;

static const uint8_t *key_of_side(void *arg, uint64_t ticket)
{
    return ticket ? NULL : ((side *)arg)->secret;
}

static void side_passed(void *arg, sbl_link *link)
{
    ((side *)arg)->passed++;
}

static void side_drained(void *arg, sbl_link *link)
{
    ((side *)arg)->drained++;
}

static uint64_t sum_of(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    uint64_t       s = 0;

    for (size_t i = 0; i < n; i++)
        s = s * 31 + b[i];
    return s;
}

static void side_received(void *arg, sbl_link *link, const sbl_received *frame)
{
    side *s = arg;

    s->out_of_order += frame->id != s->last_id + 1;
    s->last_id = frame->id;
    s->frames++;
    s->bytes += (int64_t)frame->length;
    s->misaligned += (uintptr_t)frame->payload % 16 != 0;
    s->sum += sum_of(frame->payload, frame->length);
    s->came_fds += frame->n_fds;
    if (frame->n_fds) {
        if (s->fd >= 0)
            close(s->fd);
        s->fd         = frame->fds[0];
        frame->fds[0] = -1;
    }
    if (s->on_frame)
        s->on_frame(s, frame);
}

static void side_ended(void *arg, sbl_link *link, const sabal_error *why)
{
    side *s = arg;

    s->ended++;
    s->link = NULL;
    s->why  = *why;
}

static const sbl_link_calls SIDE_CALLS = {side_passed, side_received, side_drained, side_ended};

static inline void side_init(side *s, sbl_role role, int initiator)
{
    memset(s, 0, sizeof *s);
    s->fd      = -1;
    s->secret  = SECRET;
    s->self    = (sbl_hello_self){.role = role, .expects = ~0, .cluster = "cluster 12345678"};
    s->options = (sbl_link_options){.calls     = &SIDE_CALLS,
                                    .arg       = s,
                                    .self      = &s->self,
                                    .key       = key_of_side,
                                    .key_arg   = s,
                                    .initiator = initiator,
                                    .limits    = LIMITS};
}

static inline void side_open(side *s, int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    cr_assert(sbl_link_open(&s->link, loop, fd, &s->options, NULL) == SABAL_OK);
}

static inline void make_tcp_pair(int pair[2])
{
    struct sockaddr_in a        = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          size     = sizeof a;
    int                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 1) == 0);
    cr_assert(getsockname(listener, (struct sockaddr *)&a, &size) == 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(connect(pair[0], (struct sockaddr *)&a, sizeof a) == 0);
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(pair[1] >= 0);
    close(listener);
}

static inline void make_pair(int pair[2], int local)
{
    if (local)
        cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    else
        make_tcp_pair(pair);
}

/* Turns the loop until a condition holds, at most for some seconds. */
#define TURN_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        int64_t limit_ = sbl_clock_ns() + 20000000000;                                                                 \
        while (!(condition) && sbl_clock_ns() < limit_)                                                                \
            sbl_evloop_turn(loop, sbl_clock_ns() + 20000000);                                                          \
        cr_expect(condition);                                                                                          \
    } while (0)

static inline void side_say(side *s, uint64_t id, uint16_t type, const void *payload, size_t n)
{
    sbl_session_head what = {.type = type, .length = n, .id = id};

    cr_expect_eq(sbl_link_send(s->link, &what, payload, NULL, NULL), SABAL_OK);
}

static inline int count_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

#endif
