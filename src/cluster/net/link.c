/* The life of a link: connecting, handshake, open, closing, over. */
#include "cluster/net/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "cluster/net/congestion.h"
#include "cluster/net/evseat.h"
#include "cluster/net/link_parts.h"

#define SECOND_NS ((int64_t)1000000000)
enum { REFUSAL_S = 1, SILENCE_MS = 10000 };

const sbl_hello_peer *sbl_link_peer(const sbl_link *link)
{
    return &link->peer;
}

const char *sbl_link_name(const sbl_link *link)
{
    return link->name;
}

int sbl_link_is_local(const sbl_link *link)
{
    return link->is_local;
}

uint64_t sbl_link_heard(const sbl_link *link)
{
    return link->n_reads;
}

size_t sbl_link_waiting(const sbl_link *link)
{
    return link->waiting;
}

void sbl_link_hand_over(sbl_link *link, const sbl_link_calls *calls, void *arg)
{
    link->calls = calls;
    link->arg   = arg;
}

const sbl_link_calls sbl_link_nobody;

/* --- its end -------------------------------------------------------------------------------------------------------- */

void sbl_link_end(sbl_link *link, sabal_status status, const char *format, ...)
{
    va_list args;

    if (link->state == SBL_LINK_OVER)
        return;
    link->state = SBL_LINK_OVER;
    if (status && !link->why.status) {
        va_start(args, format);
        sbl_error_setv(&link->why, status, format, args);
        va_end(args);
        sbl_error_prefix(&link->why, "%s", link->name);
    }
    sbl_evloop_unwatch(link->loop, &link->watch);
    sbl_evtimer_clear(link->loop, &link->timer);
    sbl_evloop_not_later(&link->flush);
    sbl_evloop_later(link->loop, &link->finish);
}

static void give_away(sbl_link *link)
{
    sbl_session_keys keys = {.encrypt = link->session.encrypt, .aes = link->session.aes};

    memcpy(keys.send, link->session.keys[0], sizeof keys.send);
    memcpy(keys.receive, link->session.keys[1], sizeof keys.receive);
    link->parted(link->arg, link->fd, &keys);
    sodium_memzero(&keys, sizeof keys);
}

static void finish(sbl_evwork *work)
{
    sbl_link *link = (sbl_link *)((char *)work - offsetof(sbl_link, finish));

    sbl_evloop_not_later(&link->flush);
    sbl_link_clear_output(link);
    sbl_link_clear_input(link);
    if (link->parted && !link->why.status) {
        give_away(link);
    } else {
        close(link->fd);
        if (link->parted)
            link->parted(link->arg, -1, NULL);
        else if (link->calls->ended)
            link->calls->ended(link->arg, link, &link->why);
    }
    if (link->hello)
        sbl_hello_end(link->hello);
    sbl_free(link->hello);
    sbl_session_end(&link->session);
    sbl_free(link);
}

static void too_late(sbl_evtimer *timer)
{
    sbl_link *link = (sbl_link *)((char *)timer - offsetof(sbl_link, timer));
    double    s    = (double)link->limit_ns / 1e9;

    if (link->state == SBL_LINK_CONNECTING)
        sbl_link_end(link, SABAL_ETIMEDOUT, "no connection within %.1f s", s);
    else if (link->state == SBL_LINK_HELLO)
        sbl_link_end(link, SABAL_ETIMEDOUT, "the handshake was not finished within %.1f s", s);
    else if (link->state == SBL_LINK_CLOSING) {
        /* It ends in the kernel too, and the peer is told at once, whether it reads or not. */
        setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        sbl_link_end(link, SABAL_ETIMEDOUT, "it was closed, and %zu bytes could not be sent within %.1f s",
                     link->waiting, s);
    } else
        sbl_link_end(link, SABAL_OK, "%s", ""); /* all is sent; whether it was read nobody will say */
}

static void set_limit(sbl_link *link, int64_t ns)
{
    link->limit_ns = ns;
    sbl_evtimer_set(link->loop, &link->timer, sbl_clock_ns() + ns);
}

void sbl_link_close(sbl_link *link, int64_t limit_ns)
{
    if (link->state == SBL_LINK_OVER)
        return;
    if (limit_ns <= 0 || link->state < SBL_LINK_OPEN) {
        sbl_link_end(link, SABAL_OK, "%s", "");
        return;
    }
    set_limit(link, limit_ns);
    if (link->state == SBL_LINK_OPEN)
        link->state = SBL_LINK_CLOSING;
    sbl_evloop_later(link->loop, &link->flush);
}

void sbl_link_part(sbl_link *link, void (*parted)(void *arg, int fd, const sbl_session_keys *keys), void *arg)
{
    link->parted = parted;
    link->arg    = arg;
    if (link->state == SBL_LINK_OVER)
        return;
    link->state = SBL_LINK_PARTING;
    sbl_evloop_later(link->loop, &link->flush);
}

int sbl_link_offer_seat(sbl_link *link)
{
    return sbl_evseat_offer(link->loop, &link->watch);
}

void sbl_link_pause(sbl_link *link, int pause)
{
    link->is_paused = pause;
    if (link->state == SBL_LINK_OPEN)
        sbl_link_watch(link);
}

/* --- the handshake -------------------------------------------------------------------------------------------------- */

static void set_name(sbl_link *link)
{
    struct sockaddr_storage s;
    socklen_t               size = sizeof s;
    sbl_address             peer;
    char                    text[SBL_ADDRESS_TEXT] = "an unknown address";

    if (link->options.address)
        sbl_address_tell(text, link->options.address);
    else if (!getpeername(link->fd, (struct sockaddr *)&s, &size) &&
             sbl_address_unpack(&peer, (struct sockaddr *)&s, size))
        sbl_address_tell(text, &peer);
    snprintf(link->name, sizeof link->name, "the %s at %s", link->peer.role ? sbl_role_name(link->peer.role) : "peer",
             text);
}

static int ends_of(const sbl_link *link, sbl_address *local, sbl_address *remote)
{
    struct sockaddr_storage s;
    socklen_t               size = sizeof s, peer_size = sizeof s;

    if (link->is_local || link->options.relayed || getsockname(link->fd, (struct sockaddr *)&s, &size) ||
        !sbl_address_unpack(local, (struct sockaddr *)&s, size))
        return 0;
    return !getpeername(link->fd, (struct sockaddr *)&s, &peer_size) &&
           sbl_address_unpack(remote, (struct sockaddr *)&s, peer_size);
}

static void pass(sbl_link *link)
{
    sbl_session_keys keys;

    if (!sbl_hello_keys(&keys, link->hello)) {
        sbl_link_end(link, SABAL_EACCES, "the ticket is not known any more");
        return;
    }
    sbl_session_start(&link->session, &keys, link->options.limits);
    sodium_memzero(&keys, sizeof keys);
    link->peer = link->hello->peer;
    sbl_hello_end(link->hello);
    sbl_free(link->hello);
    link->hello = NULL;
    link->state = SBL_LINK_OPEN;
    if (!link->is_local)
        sbl_congestion_suit(link->fd); /* now it is known how near that is */
    sbl_evtimer_clear(link->loop, &link->timer);
    set_name(link);
    if (link->calls->passed)
        link->calls->passed(link->arg, link);
}

/* Who is refused is told: the answer goes out first. */
static void refuse(sbl_link *link)
{
    link->peer = link->hello->peer;
    sbl_error_pass(&link->why, &link->hello->why);
    sbl_error_prefix(&link->why, "%s", link->name);
    link->state = SBL_LINK_CLOSING;
    set_limit(link, REFUSAL_S * SECOND_NS);
}

/* After anything was said or heard. */
static void go_on(sbl_link *link)
{
    size_t      n;
    const void *bytes = sbl_hello_output(link->hello, &n);

    if (n && !sbl_link_put(link, bytes, n)) {
        sbl_link_end(link, SABAL_ENOMEM, "no memory for the handshake");
        return;
    }
    sbl_hello_sent(link->hello, n);
    if (link->hello->state == SBL_HELLO_STRANGER)
        sbl_link_end(link, link->hello->why.status, "%s", link->hello->why.message);
    else if (link->hello->state == SBL_HELLO_REFUSED)
        refuse(link);
    else if (link->hello->state == SBL_HELLO_PASSED)
        pass(link);
    if (link->state != SBL_LINK_OVER)
        sbl_evloop_later(link->loop, &link->flush);
}

/* No more is read than the handshake wants: what follows is frames. */
static void read_hello(sbl_link *link)
{
    uint8_t bytes[512];

    while (link->state == SBL_LINK_HELLO) {
        size_t  wants = sbl_hello_wants(link->hello);
        ssize_t n     = recv(link->fd, bytes, wants < sizeof bytes ? wants : sizeof bytes, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 && link->options.initiator && link->hello->turn > 1) {
            sbl_link_end(link, SABAL_EACCES,
                         "it closed the connection without a word: it does not know this secret or ticket, or is busy");
            return;
        }
        if (n < 0) {
            sbl_link_end(link, SABAL_EPEER, "during the handshake: %m");
            return;
        }
        if (n == 0) {
            sbl_link_end(link, SABAL_EPEER, "it closed the connection during the handshake");
            return;
        }
        sbl_hello_take(link->hello, bytes, (size_t)n);
        go_on(link);
    }
}

static void begin_hello(sbl_link *link)
{
    sbl_address  local, remote;
    uint8_t      nonce[SBL_NONCE_BYTES];
    int          known = ends_of(link, &local, &remote);
    sabal_status st    = sbl_random(nonce, sizeof nonce, &link->why);

    if (st) {
        sbl_link_end(link, st, "%s", "");
        return;
    }
    set_name(link);
    link->state = SBL_LINK_HELLO;
    sbl_hello_start(link->hello, &link->self, link->options.initiator, link->options.ticket, link->options.key,
                    link->options.key_arg, nonce, known ? &local : NULL, known ? &remote : NULL);
    go_on(link);
    if (link->state != SBL_LINK_OVER)
        sbl_link_watch(link);
}

static void connected(sbl_link *link)
{
    int       error = 0;
    socklen_t size  = sizeof error;

    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size))
        error = errno;
    errno = error; /* for %m */
    if (error)
        sbl_link_end(link, error == ETIMEDOUT ? SABAL_ETIMEDOUT : SABAL_EPEER, "%m");
    else
        begin_hello(link);
}

/* --- events --------------------------------------------------------------------------------------------------------- */

static void ready(sbl_evwatch *watch, uint32_t events)
{
    sbl_link *link = (sbl_link *)watch;

    if (link->state == SBL_LINK_CONNECTING) {
        connected(link);
        return;
    }
    if (events & EPOLLOUT)
        sbl_evloop_later(link->loop, &link->flush);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    if (link->state == SBL_LINK_HELLO)
        read_hello(link);
    if (link->state == SBL_LINK_OPEN)
        sbl_link_read_frames(link);
    else if (link->state == SBL_LINK_CLOSING || link->state == SBL_LINK_LINGERING)
        sbl_link_drop_bytes(link);
}

static void flush(sbl_evwork *work)
{
    sbl_link_flush((sbl_link *)((char *)work - offsetof(sbl_link, flush)));
}

void sbl_link_send_now(sbl_link *link)
{
    if (link->state == SBL_LINK_OVER || !link->waiting)
        return;
    sbl_evloop_not_later(&link->flush);
    sbl_link_flush(link);
}

/* --- its beginning -------------------------------------------------------------------------------------------------- */

/* A peer that is gone, or cut off, is noticed after some seconds, whether anything is on its way or not. */
static void set_socket_options(const sbl_link *link)
{
    static const struct {
        int level, name, value;
    } OPTIONS[] = {{IPPROTO_TCP, TCP_NODELAY, 1},   {IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS},
                   {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_KEEPIDLE, 5},
                   {IPPROTO_TCP, TCP_KEEPINTVL, 1}, {IPPROTO_TCP, TCP_KEEPCNT, 5}};

    for (size_t i = 0; !link->is_local && i < sizeof OPTIONS / sizeof *OPTIONS; i++)
        setsockopt(link->fd, OPTIONS[i].level, OPTIONS[i].name, &OPTIONS[i].value, sizeof OPTIONS[i].value);
}

static sabal_status check_user(const sbl_link *link, sabal_error *err)
{
    struct ucred user;
    socklen_t    size = sizeof user;

    if (!link->is_local)
        return SABAL_OK;
    if (getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &user, &size))
        return sbl_error_errno(err, errno, "asking who is at the other end of a Unix socket");
    if (user.uid != geteuid())
        return sbl_error_set(err, SABAL_EACCES,
                             "at the other end of a Unix socket is a process of user %u, and this is user %u",
                             (unsigned)user.uid, (unsigned)geteuid());
    return SABAL_OK;
}

static sabal_status prepare(sbl_link *link, sabal_error *err)
{
    int          domain = 0;
    socklen_t    size   = sizeof domain;
    sabal_status st;

    getsockopt(link->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    link->is_local = domain == AF_UNIX;
    if (link->is_local)
        link->self.encrypt = 0; /* it crosses no network */
    st = check_user(link, err);
    if (st)
        return st;
    set_socket_options(link);
    set_name(link);
    link->hello = sbl_calloc(1, sizeof *link->hello);
    if (!link->hello)
        return sbl_error_memory(err, sizeof *link->hello, "a handshake");
    return sbl_evloop_watch(link->loop, &link->watch, link->fd, link->options.initiator ? EPOLLOUT : EPOLLIN, err);
}

sabal_status sbl_link_open(sbl_link **out, sbl_evloop *loop, int fd, const sbl_link_options *options, sabal_error *err)
{
    sbl_link    *link = sbl_alloc_aligned(64, sizeof *link);
    sabal_status st;

    if (!link) {
        close(fd);
        return sbl_error_memory(err, sizeof *link, "a link");
    }
    memset(link, 0, sizeof *link);
    link->watch      = (sbl_evwatch){.ready = ready, .fd = -1};
    link->loop       = loop;
    link->calls      = options->calls;
    link->arg        = options->arg;
    link->timer.fire = too_late;
    link->flush.run  = flush;
    link->finish.run = finish;
    link->options    = *options;
    link->self       = *options->self;
    link->fd         = fd;
    sbl_error_clear(&link->why);
    link->options.low          = options->low ? options->low : 64 << 10;
    link->options.most         = options->most ? options->most : (size_t)1 << 30;
    link->options.handshake_ns = options->handshake_ns ? options->handshake_ns : 2 * SECOND_NS;
    st                         = prepare(link, err);
    if (st) {
        close(fd);
        sbl_free(link->hello);
        sbl_free(link);
        return st;
    }
    set_limit(link, link->options.handshake_ns);
    if (!options->initiator)
        begin_hello(link);
    *out = link;
    return SABAL_OK;
}
