/* A frame on the wire: a head of 16 bytes, then its bytes. Descriptors come with the head's first byte. */
#include "cluster/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define MOST_BYTES ((uint64_t)1 << 40)

struct head {
    uint32_t type;
    uint32_t n_fds;
    uint64_t size;
};
_Static_assert(sizeof(struct head) == 16, "the head crosses processes");

void sbl_channel_init(sbl_channel *channel)
{
    channel->fd = -1;
    pthread_mutex_init(&channel->send_lock, NULL);
}

void sbl_channel_destroy(sbl_channel *channel)
{
    sbl_channel_close(channel);
    pthread_mutex_destroy(&channel->send_lock);
}

void sbl_channel_open(sbl_channel *channel, int fd)
{
    pthread_mutex_lock(&channel->send_lock);
    channel->fd = fd;
    pthread_mutex_unlock(&channel->send_lock);
}

void sbl_channel_close(sbl_channel *channel)
{
    pthread_mutex_lock(&channel->send_lock);
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
    pthread_mutex_unlock(&channel->send_lock);
}

static sabal_status gone(sabal_error *err)
{
    return sbl_error_set(err, SABAL_EPEER, "the other process is gone");
}

/* Sends what is left of two pieces. */
static sabal_status send_pieces(int fd, struct iovec piece[2], const int *fds, int32_t n_fds, sabal_error *err)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int) * SBL_FRAME_FDS)];
    } control;
    struct msghdr m = {.msg_iov = piece, .msg_iovlen = 2};

    if (n_fds) {
        memset(&control, 0, sizeof control);
        m.msg_control    = &control;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
        control.head     = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * (size_t)n_fds);
    }
    while (m.msg_iovlen) {
        ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gone(err);
        m.msg_control    = NULL;
        m.msg_controllen = 0;
        while (m.msg_iovlen && (size_t)n >= m.msg_iov->iov_len) {
            n -= (ssize_t)m.msg_iov->iov_len;
            m.msg_iov++;
            m.msg_iovlen--;
        }
        if (m.msg_iovlen) {
            m.msg_iov->iov_base = (char *)m.msg_iov->iov_base + n;
            m.msg_iov->iov_len -= (size_t)n;
        }
    }
    return SABAL_OK;
}

sabal_status sbl_channel_send(sbl_channel *channel, const sbl_frame *frame, sabal_error *err)
{
    struct head  head     = {.type = frame->type, .n_fds = (uint32_t)frame->n_fds, .size = frame->size};
    struct iovec piece[2] = {{&head, sizeof head}, {frame->bytes, frame->size}};
    sabal_status st;

    if (frame->failed)
        return sbl_error_memory(err, frame->size, "a message to another process");
    pthread_mutex_lock(&channel->send_lock);
    st = channel->fd < 0 ? gone(err) : send_pieces(channel->fd, piece, frame->fds, frame->n_fds, err);
    if (st && channel->fd >= 0)
        shutdown(channel->fd, SHUT_RDWR); /* half a frame may have gone out: who receives shall see the end */
    pthread_mutex_unlock(&channel->send_lock);
    return st;
}

static sabal_status receive_bytes(int fd, void *to, size_t size, sabal_error *err)
{
    char *at = to;

    while (size) {
        ssize_t n = recv(fd, at, size, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return gone(err);
        at += n;
        size -= (size_t)n;
    }
    return SABAL_OK;
}

/* The head, and the descriptors that come with it. */
static sabal_status receive_head(int fd, struct head *head, sbl_frame *frame, sabal_error *err)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int) * SBL_FRAME_FDS)];
    } control;
    struct iovec  piece = {head, sizeof *head};
    struct msghdr m     = {
            .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    ssize_t n;

    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return gone(err);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            frame->n_fds = (int32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(frame->fds, CMSG_DATA(c), sizeof(int) * (size_t)frame->n_fds);
        }
    if ((size_t)n < sizeof *head && receive_bytes(fd, (char *)head + n, sizeof *head - (size_t)n, err))
        return SABAL_EPEER;
    if (head->n_fds != (uint32_t)frame->n_fds || head->size > MOST_BYTES || m.msg_flags & MSG_CTRUNC)
        return sbl_error_set(err, SABAL_EPEER,
                             "a message of %llu bytes with %d of %u descriptors came in: too many open files, perhaps",
                             (unsigned long long)head->size, (int)frame->n_fds, head->n_fds);
    return SABAL_OK;
}

sabal_status sbl_channel_receive(sbl_channel *channel, sbl_frame *frame, sabal_error *err)
{
    struct head  head = {0};
    sabal_status st;

    memset(frame, 0, sizeof *frame);
    st = receive_head(channel->fd, &head, frame, err);
    if (!st && head.size) {
        frame->bytes = sbl_alloc(head.size);
        if (!frame->bytes)
            st = sbl_error_memory(err, head.size, "a message from another process");
        else
            st = receive_bytes(channel->fd, frame->bytes, head.size, err);
    }
    frame->type = head.type;
    frame->size = head.size;
    if (st)
        sbl_frame_clear(frame);
    return st;
}

void sbl_frame_clear(sbl_frame *frame)
{
    for (int32_t i = frame->fds_at; i < frame->n_fds && !frame->room; i++) /* a frame to be sent has room */
        close(frame->fds[i]);
    sbl_free(frame->bytes);
    memset(frame, 0, sizeof *frame);
}

/* --- what a frame holds ----------------------------------------------------------------------------------------- */

void sbl_put(sbl_frame *frame, const void *bytes, size_t size)
{
    if (frame->room - frame->size < size || !frame->room) {
        size_t room = 2 * frame->room + size + 256;
        char  *more = frame->failed ? NULL : sbl_alloc(room);

        if (!more) {
            frame->failed = 1;
            return;
        }
        if (frame->size)
            memcpy(more, frame->bytes, frame->size);
        sbl_free(frame->bytes);
        frame->bytes = more;
        frame->room  = room;
    }
    if (size)
        memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
}

void sbl_put_u64(sbl_frame *frame, uint64_t value)
{
    sbl_put(frame, &value, sizeof value);
}

void sbl_put_text(sbl_frame *frame, const char *text)
{
    const char *t = text ? text : "";

    sbl_put(frame, t, strlen(t) + 1);
}

int sbl_put_fd(sbl_frame *frame, int fd)
{
    sbl_put(frame, NULL, 0);
    if (frame->n_fds == SBL_FRAME_FDS)
        return 0;
    frame->fds[frame->n_fds++] = fd;
    return 1;
}

const void *sbl_get(sbl_frame *frame, size_t size)
{
    const char *at = frame->bytes + frame->at;

    if (frame->failed || size > frame->size - frame->at) {
        frame->failed = 1;
        return NULL;
    }
    frame->at += size;
    return at;
}

uint64_t sbl_get_u64(sbl_frame *frame)
{
    const void *at    = sbl_get(frame, sizeof(uint64_t));
    uint64_t    value = 0;

    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

const char *sbl_get_text(sbl_frame *frame)
{
    const char *text = frame->failed ? NULL : frame->bytes + frame->at;
    const char *end  = text ? memchr(text, 0, frame->size - frame->at) : NULL;

    if (!end) {
        frame->failed = 1;
        return "";
    }
    frame->at += (size_t)(end - text) + 1;
    return text;
}

int sbl_get_fd(sbl_frame *frame)
{
    if (frame->fds_at == frame->n_fds) {
        frame->failed = 1;
        return -1;
    }
    return frame->fds[frame->fds_at++];
}
