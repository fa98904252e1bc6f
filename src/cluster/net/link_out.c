/*
 * Sending. Frames are copied into pieces, one behind the other, and go out at the end of the loop's turn in as few calls as
 * the system allows; a borrowed payload is a piece of its own.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/net/link_parts.h"

enum { MOST_IOV = 64, FIRST_PIECE = 4 << 10, NEXT_PIECE = 64 << 10, MOST_A_TURN = 8 << 20 };

/* --- pieces --------------------------------------------------------------------------------------------------------- */

static sbl_piece *make_piece(size_t room)
{
    sbl_piece *p = sbl_alloc(sizeof *p + room);

    if (p) {
        memset(p, 0, sizeof *p);
        p->room  = room;
        p->bytes = p->own;
    }
    return p;
}

static void end_piece(sbl_piece *p)
{
    for (int i = 0; i < p->n_fds; i++)
        close(p->fds[i]);
    sbl_free(p->fds);
    if (p->release)
        p->release(p->arg);
    sbl_free(p);
}

static void add_piece(sbl_link *link, sbl_piece *p)
{
    if (link->last)
        link->last->next = p;
    else
        link->first = p;
    link->last = p;
}

/* The last piece if it has room for n bytes, else a new one, which is not in the queue yet. NULL: there is no memory. */
static sbl_piece *piece_for(const sbl_link *link, size_t n)
{
    size_t room = link->first ? NEXT_PIECE : FIRST_PIECE;

    if (link->last && link->last->room - link->last->size >= n && link->last->room)
        return link->last;
    return make_piece(n > room ? n : room);
}

static void grow(sbl_link *link, sbl_piece *p, size_t n)
{
    if (p != link->last)
        add_piece(link, p);
    p->size += n;
    link->waiting += n;
}

void sbl_link_clear_output(sbl_link *link)
{
    for (sbl_piece *p = link->first, *next; p; p = next) {
        next = p->next;
        end_piece(p);
    }
    link->first = link->last = NULL;
    link->waiting            = 0;
}

int sbl_link_put(sbl_link *link, const void *bytes, size_t n)
{
    sbl_piece *p = piece_for(link, n);

    if (!p)
        return 0;
    memcpy(p->own + p->size, bytes, n);
    grow(link, p, n);
    return 1;
}

/* --- frames --------------------------------------------------------------------------------------------------------- */

static sabal_status check(const sbl_link *link, const sbl_session_head *what, sabal_error *err)
{
    const sbl_frame_limits *l = &link->options.limits;

    if (link->state != SBL_LINK_OPEN)
        return sbl_error_set(err, SABAL_EPEER, "%s: the link is %s", link->name,
                             link->state < SBL_LINK_OPEN ? "not open yet" : "closed");
    if (what->type >= l->n_types || what->length > l->types[what->type].most_bytes ||
        what->n_fds > l->types[what->type].most_fds || (what->n_fds && !link->is_local))
        return sbl_error_set(err, SABAL_EINVAL,
                             "a frame of type %u, %llu bytes and %u descriptors is not allowed on this link",
                             what->type, (unsigned long long)what->length, what->n_fds);
    if (link->waiting + sbl_frame_size(what->length) > link->options.most)
        return sbl_error_set(err, SABAL_ENOSPC, "%s does not read: %zu bytes wait to be sent, and at most %zu may",
                             link->name, link->waiting, link->options.most);
    return SABAL_OK;
}

static void queued(sbl_link *link)
{
    link->was_full |= link->waiting > link->options.low;
    sbl_evloop_later(link->loop, &link->flush);
}

static void seal_copied(sbl_link *link, uint8_t *at, const sbl_session_head *what, const void *payload)
{
    size_t size = sbl_frame_size(what->length);

    if (!link->session.encrypt && what->length)
        memcpy(at + SBL_FRAME_HEAD, payload, what->length);
    memset(at + SBL_FRAME_HEAD + what->length, 0, size - SBL_FRAME_HEAD - what->length);
    sbl_session_seal(&link->session, at, at + size - SBL_FRAME_TAG, at + SBL_FRAME_HEAD, what,
                     link->session.encrypt ? payload : at + SBL_FRAME_HEAD);
}

/* Descriptors go with the first byte of a piece, so a frame that has some begins one. */
static sbl_piece *piece_with_fds(const int *fds, uint16_t n, size_t size)
{
    sbl_piece *p = make_piece(size > FIRST_PIECE ? size : FIRST_PIECE);

    if (!p)
        return NULL;
    p->fds = sbl_alloc(sizeof(int) * n);
    if (!p->fds) {
        sbl_free(p);
        return NULL;
    }
    memcpy(p->fds, fds, sizeof(int) * n);
    p->n_fds = n;
    return p;
}

sabal_status sbl_link_send(sbl_link *link, const sbl_session_head *what, const void *payload, const int *fds,
                           sabal_error *err)
{
    size_t       size = sbl_frame_size(what->length);
    sabal_status st   = check(link, what, err);
    sbl_piece   *p    = NULL;

    if (st)
        return st;
    p = what->n_fds ? piece_with_fds(fds, what->n_fds, size) : piece_for(link, size);
    if (!p)
        return sbl_error_memory(err, size, "a frame to be sent");
    seal_copied(link, p->own + p->size, what, payload);
    grow(link, p, size);
    queued(link);
    return SABAL_OK;
}

sabal_status sbl_link_send_borrowed(sbl_link *link, const sbl_session_head *what, const void *payload,
                                    void (*release)(void *arg), void *arg, sabal_error *err)
{
    size_t       left = sbl_frame_size(what->length) - SBL_FRAME_HEAD - what->length;
    sbl_piece   *head, *body, *tail;
    sabal_status st = what->n_fds ? sbl_error_set(err, SABAL_EINVAL, "descriptors go with a payload that is copied")
                                  : check(link, what, err);

    if (!st && link->session.encrypt) {
        st = sbl_link_send(link, what, payload, NULL, err);
        if (!st)
            release(arg);
        return st;
    }
    if (st)
        return st;
    head = piece_for(link, SBL_FRAME_HEAD);
    body = head ? make_piece(0) : NULL;
    tail = body ? make_piece(FIRST_PIECE) : NULL;
    if (!tail) {
        if (head && head != link->last)
            end_piece(head);
        sbl_free(body);
        return sbl_error_memory(err, FIRST_PIECE, "a frame to be sent");
    }
    sbl_session_seal(&link->session, head->own + head->size, tail->own + left - SBL_FRAME_TAG, NULL, what, payload);
    memset(tail->own, 0, left - SBL_FRAME_TAG);
    grow(link, head, SBL_FRAME_HEAD);
    body->bytes   = payload;
    body->release = release;
    body->arg     = arg;
    grow(link, body, what->length);
    grow(link, tail, left);
    queued(link);
    return SABAL_OK;
}

/* --- bytes ---------------------------------------------------------------------------------------------------------- */

void sbl_link_watch(sbl_link *link)
{
    uint32_t events = 0;

    if (!(link->state == SBL_LINK_OPEN && link->is_paused) && link->state != SBL_LINK_PARTING && !link->peer_is_done)
        events |= EPOLLIN;
    if (link->waiting)
        events |= EPOLLOUT;
    if (link->state != SBL_LINK_OVER)
        sbl_evloop_watch_for(link->loop, &link->watch, events);
}

/* What may go in one call: up to the next piece with descriptors of its own. */
static ssize_t send_some(sbl_link *link)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int) * SBL_LINK_FDS)];
    } control;
    struct iovec  iov[MOST_IOV];
    struct msghdr m = {.msg_iov = iov};

    for (sbl_piece *p = link->first; p && m.msg_iovlen < MOST_IOV && (p == link->first || !p->n_fds); p = p->next)
        iov[m.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)(p->bytes + p->sent), p->size - p->sent};
    if (link->first->n_fds) {
        size_t n = sizeof(int) * (size_t)link->first->n_fds;

        memset(&control, 0, sizeof control);
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(n), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), link->first->fds, n);
        m.msg_control    = &control;
        m.msg_controllen = CMSG_SPACE(n);
    }
    return sendmsg(link->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void count_sent(sbl_link *link, size_t n)
{
    sbl_piece *p = link->first;

    link->waiting -= n;
    for (int i = 0; i < p->n_fds; i++) /* they went with the first byte */
        close(p->fds[i]);
    p->n_fds = 0;
    while (p && n >= p->size - p->sent) {
        n -= p->size - p->sent;
        link->first = p->next;
        if (!link->first)
            link->last = NULL;
        end_piece(p);
        p = link->first;
    }
    if (p)
        p->sent += n;
}

/* All is sent: the peer is to see the end behind it. It is closed when the peer closes too: what it sent and was not read here
   would else make the system throw away what it has not read there. */
static void linger(sbl_link *link)
{
    link->state = SBL_LINK_LINGERING;
    shutdown(link->fd, SHUT_WR);
    if (link->peer_is_done)
        sbl_link_end(link, SABAL_OK, "%s", "");
    else
        sbl_link_watch(link);
}

void sbl_link_flush(sbl_link *link)
{
    size_t sent = 0;

    while (link->first && sent < MOST_A_TURN) {
        ssize_t n = send_some(link);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS))
            break;
        if (n < 0) {
            sbl_link_end(link, SABAL_EPEER, "%m");
            return;
        }
        count_sent(link, (size_t)n);
        sent += (size_t)n;
    }
    if (link->state == SBL_LINK_CLOSING && !link->first)
        linger(link);
    else if (link->state == SBL_LINK_PARTING && !link->first)
        sbl_link_end(link, SABAL_OK, "%s", "");
    else
        sbl_link_watch(link);
    if (link->state == SBL_LINK_OPEN && link->was_full && link->waiting <= link->options.low) {
        link->was_full = 0;
        if (link->calls->drained)
            link->calls->drained(link->arg, link);
    }
}
