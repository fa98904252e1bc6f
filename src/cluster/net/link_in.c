/*
 * Receiving. Bytes are read into the loop's room, and frames that came whole are looked at there; an idle link has no buffer.
 * Of the last frame, if it is cut, what came is moved to memory of the link's, and the rest is read to behind it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/net/link_parts.h"

enum { READS_A_TURN = 4 }; /* then others get their turn */

static void close_fds(int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

void sbl_link_clear_input(sbl_link *link)
{
    close_fds(link->fds, link->n_fds);
    sbl_free(link->fds);
    sbl_free(link->part);
    link->fds    = NULL;
    link->part   = NULL;
    link->n_fds  = 0;
    link->part_n = link->part_room = link->part_needs = 0;
}

/* --- frames --------------------------------------------------------------------------------------------------------- */

static void broken(sbl_link *link, const sabal_error *why)
{
    sbl_link_end(link, why->status, "%s", why->message);
}

/* Its descriptors came with its first byte, or before. */
static void deliver(sbl_link *link, const sbl_session_head *head, uint8_t *frame)
{
    sbl_received r = {.type    = head->type,
                      .flags   = head->flags,
                      .id      = head->id,
                      .length  = head->length,
                      .payload = frame + SBL_FRAME_HEAD,
                      .fds     = link->fds,
                      .n_fds   = head->n_fds};

    if (head->n_fds > link->n_fds) {
        sbl_link_end(link, SABAL_EPEER,
                     "a frame of type %u came with %d descriptors, not %u: too many open files, perhaps", head->type,
                     link->n_fds, head->n_fds);
        return;
    }
    if (link->calls->received)
        link->calls->received(link->arg, link, &r);
    if (!head->n_fds)
        return;
    close_fds(link->fds, head->n_fds);
    link->n_fds -= head->n_fds; /* what is left came with a frame behind this one */
    memmove(link->fds, link->fds + head->n_fds, sizeof(int) * (size_t)link->n_fds);
}

/* 1: it is whole and was delivered; 0: more has to come, *needs bytes of it in all; -1: the link is over or closes. */
static int take_frame(sbl_link *link, uint8_t *bytes, size_t n, size_t *needs)
{
    sbl_session_head head;
    sabal_error      why = SABAL_ERROR_INIT;

    *needs = SBL_FRAME_HEAD;
    if (n < *needs)
        return 0;
    if (sbl_session_look(&head, &link->session, bytes, &why)) {
        broken(link, &why);
        return -1;
    }
    *needs = sbl_frame_size(head.length);
    if (n < *needs)
        return 0;
    if (sbl_session_open(&link->session, bytes, &head, &why)) {
        broken(link, &why);
        return -1;
    }
    deliver(link, &head, bytes);
    return link->state == SBL_LINK_OPEN ? 1 : -1;
}

/* Keeps what came of a frame that is cut, with room for the whole of it. */
static int keep(sbl_link *link, const uint8_t *bytes, size_t n, size_t needs)
{
    if (needs > link->part_room) {
        uint8_t *more = sbl_realloc(link->part, needs);

        if (!more) {
            sbl_link_end(link, SABAL_ENOMEM, "no memory for %zu bytes (a frame that comes)", needs);
            return 0;
        }
        link->part      = more;
        link->part_room = needs;
    }
    memcpy(link->part + link->part_n, bytes, n);
    link->part_n += n;
    link->part_needs = needs;
    return 1;
}

/* All frames that lie whole in n bytes; the rest is kept. 0: the link is over or closes. */
static int take_all(sbl_link *link, uint8_t *bytes, size_t n)
{
    size_t needs;
    int    got;

    while ((got = take_frame(link, bytes, n, &needs)) > 0) {
        bytes += needs;
        n -= needs;
    }
    if (got < 0 || (n && !keep(link, bytes, n, needs)))
        return 0;
    if (!n && link->n_fds) {
        sbl_link_end(link, SABAL_EPEER, "%d descriptors came that belong to no frame", link->n_fds);
        return 0;
    }
    return 1;
}

/* More of the frame that was cut is there, and n bytes behind what it needed. */
static int take_part(sbl_link *link, uint8_t *bytes, size_t n)
{
    size_t needs;
    int    got = take_frame(link, link->part, link->part_n, &needs);

    if (got == 0) { /* only its head was waited for */
        size_t more = needs - link->part_n < n ? needs - link->part_n : n;

        if (!keep(link, bytes, more, needs))
            return 0;
        bytes += more;
        n -= more;
        got = link->part_n == needs ? take_frame(link, link->part, link->part_n, &needs) : 0;
    }
    if (got == 0)
        return 1;
    sbl_free(link->part); /* also if the link is over: nothing of it is needed any more */
    link->part   = NULL;
    link->part_n = link->part_room = link->part_needs = 0;
    return got > 0 && take_all(link, bytes, n);
}

/* --- bytes ---------------------------------------------------------------------------------------------------------- */

/* 0: they can't be kept, and the link is over. */
static int keep_fds(sbl_link *link, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        int  n   = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)), came[SBL_LINK_FDS];
        int *all = NULL;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n <= 0 || n > SBL_LINK_FDS)
            continue;
        memcpy(came, CMSG_DATA(c), sizeof(int) * (size_t)n);
        if (link->n_fds + n <= SBL_LINK_FDS)
            all = sbl_realloc(link->fds, sizeof(int) * (size_t)(link->n_fds + n));
        if (!all) {
            close_fds(came, n);
            sbl_link_end(link, SABAL_EPEER, "%d descriptors came that can't be kept", link->n_fds + n);
            return 0;
        }
        memcpy(all + link->n_fds, came, sizeof(int) * (size_t)n);
        link->fds = all;
        link->n_fds += n;
    }
    if (m->msg_flags & MSG_CTRUNC) {
        sbl_link_end(link, SABAL_EPEER, "descriptors were lost on their way: too many open files");
        return 0;
    }
    return 1;
}

/* Bytes read into two places; 0: none now, or the link is over. */
static size_t read_some(sbl_link *link, struct iovec place[2])
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int) * SBL_LINK_FDS)];
    } control;
    struct msghdr m = {.msg_iov = place[0].iov_len ? place : place + 1, .msg_iovlen = place[0].iov_len ? 2 : 1};
    ssize_t       n;

    if (link->is_local) {
        m.msg_control    = &control;
        m.msg_controllen = sizeof control.room;
    }
    do
        n = recvmsg(link->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        sbl_link_end(link, SABAL_EPEER, "%m");
    else if (n == 0 && link->part_n)
        sbl_link_end(link, SABAL_EPEER,
                     "it closed the connection in the middle of a frame: it died, or the link was cut");
    else if (n == 0)
        sbl_link_end(link, SABAL_EPEER, "it closed the connection");
    else if (keep_fds(link, &m))
        return (size_t)n;
    return 0;
}

void sbl_link_read_frames(sbl_link *link)
{
    size_t   size;
    uint8_t *room = sbl_evloop_room(link->loop, &size);

    for (int i = 0; i < READS_A_TURN; i++) {
        size_t       left     = link->part_needs - link->part_n;
        struct iovec place[2] = {{link->part ? link->part + link->part_n : NULL, left}, {room, size}};
        size_t       n        = read_some(link, place);
        size_t       in_part  = n < left ? n : left;
        int          all_read = n < left + size;

        if (!n)
            return;
        link->n_reads++;
        link->part_n += in_part;
        if (link->part_n ? link->part_n == link->part_needs && !take_part(link, room, n - in_part)
                         : !take_all(link, room, n))
            return;
        if (all_read)
            return; /* most likely: the loop tells if there is more */
    }
}

/* While it closes. The end of the other side is what it waits for. */
void sbl_link_drop_bytes(sbl_link *link)
{
    size_t size;
    void  *room = sbl_evloop_room(link->loop, &size);

    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t n = recv(link->fd, room, size, MSG_DONTWAIT);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (n > 0)
            continue;
        link->peer_is_done = 1;
        if (link->state == SBL_LINK_LINGERING)
            sbl_link_end(link, SABAL_OK, "%s", "");
        else if (n < 0)
            sbl_link_end(link, SABAL_EPEER, "%m");
        else
            sbl_link_watch(link); /* it may still read what it has not got */
        return;
    }
}
