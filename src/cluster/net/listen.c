#include "cluster/net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "cluster/net/bucket.h"
#include "cluster/net/interfaces.h"

enum { MOST_PENDING = 256, BURST = 256, RATE = 64, BACKLOG = 1024, ACCEPTS_A_TURN = 64, REST_NS = 50000000 };

/* One socket that listens. */
struct door {
    sbl_evwatch   watch; /* first */
    sbl_listener *listener;
    sbl_address   address;
};

/* One that has not proved itself yet. */
struct pending {
    sbl_listener   *listener;
    struct pending *next, **link;
    sbl_link       *it;
    uint32_t        bucket;
    int             is_counted; /* in its bucket */
};

struct sbl_listener {
    sbl_evloop        *loop;
    sbl_listen_options options;
    sbl_hello_self     self;
    sbl_listen_counts  counts;
    sbl_buckets        buckets;
    struct pending    *pending;
    sbl_evtimer        rest; /* descriptors or memory ran out: it tries again after a moment */
    int                spare, is_paused;
    int32_t            n_doors;
    struct door        doors[SBL_MOST_ADDRESSES + 1];
};

sbl_listen_counts sbl_listener_counts(const sbl_listener *listener)
{
    return listener->counts;
}

/* --- pauses --------------------------------------------------------------------------------------------------------- */

static void set_pause(sbl_listener *l)
{
    int pause = l->counts.pending >= l->options.most_pending || l->rest.is_set;

    l->counts.pauses += pause && !l->is_paused;
    l->is_paused = pause;
    for (int32_t i = 0; i < l->n_doors; i++)
        sbl_evloop_watch_for(l->loop, &l->doors[i].watch, pause ? 0 : EPOLLIN);
}

static void rested(sbl_evtimer *timer)
{
    set_pause((sbl_listener *)((char *)timer - offsetof(sbl_listener, rest)));
}

static void rest(sbl_listener *l)
{
    sbl_evtimer_set(l->loop, &l->rest, sbl_clock_ns() + REST_NS);
    set_pause(l);
}

/* --- those that have not proved themselves -------------------------------------------------------------------------- */

static void forget(struct pending *p)
{
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    p->listener->counts.pending--;
    set_pause(p->listener);
    sbl_free(p);
}

static void passed(void *arg, sbl_link *link)
{
    struct pending *p = arg;
    sbl_listener   *l = p->listener;

    l->counts.admitted++;
    if (p->is_counted)
        sbl_buckets_give(&l->buckets, p->bucket);
    forget(p);
    sbl_link_hand_over(link, l->options.link.calls, l->options.link.arg);
    l->options.admitted(l->options.arg, link);
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    struct pending    *p = arg;
    sbl_listen_counts *c = &p->listener->counts;

    if (sbl_link_peer(link)->role)
        c->refused++;
    else if (why->status == SABAL_ETIMEDOUT)
        c->late++;
    else if (why->status == SABAL_ENOMEM)
        c->unserved++;
    else
        c->strangers++;
    forget(p);
}

/* The listener is gone before its pending ones have ended. */
static void ended_alone(void *arg, sbl_link *link, const sabal_error *why)
{
}

static const sbl_link_calls PENDING = {.passed = passed, .ended = ended}, ALONE = {.ended = ended_alone};

static void begin(sbl_listener *l, int fd, uint32_t bucket, int is_counted)
{
    struct pending  *p = sbl_calloc(1, sizeof *p);
    sbl_link_options o = l->options.link;
    sabal_status     st;

    if (!p) {
        close(fd);
        l->counts.unserved++;
        rest(l);
        return;
    }
    *p          = (struct pending){.listener = l, .bucket = bucket, .is_counted = is_counted};
    o.calls     = &PENDING;
    o.arg       = p;
    o.initiator = 0;
    st          = sbl_link_open(&p->it, l->loop, fd, &o, NULL);
    if (st) {
        l->counts.other_user += st == SABAL_EACCES;
        l->counts.unserved += st != SABAL_EACCES;
        sbl_free(p);
        return;
    }
    p->next = l->pending;
    p->link = &l->pending;
    if (p->next)
        p->next->link = &p->next;
    l->pending = p;
    l->counts.pending++;
    if (l->counts.pending > l->counts.most_pending)
        l->counts.most_pending = l->counts.pending;
}

/* --- accepting ------------------------------------------------------------------------------------------------------ */

/* No descriptor is left: the spare one is used to take the connection, and to close it, so that it doesn't wait for ever. */
static int turn_away(struct door *door)
{
    sbl_listener *l = door->listener;
    int           fd;

    if (l->spare < 0)
        return 0;
    close(l->spare);
    fd = accept4(door->watch.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        l->counts.unserved++;
    }
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void take(struct door *door, int fd, const struct sockaddr *source)
{
    sbl_listener *l      = door->listener;
    int           is_tcp = door->address.kind == SBL_ADDRESS_TCP;
    uint32_t      bucket = is_tcp ? sbl_buckets_of(&l->buckets, source) : 0;

    l->counts.accepted++;
    if (is_tcp && !sbl_buckets_take(&l->buckets, bucket, sbl_evloop_now(l->loop))) {
        l->counts.limited++;
        close(fd);
        return;
    }
    begin(l, fd, bucket, is_tcp);
}

static void ready(sbl_evwatch *watch, uint32_t events)
{
    struct door  *door = (struct door *)watch;
    sbl_listener *l    = door->listener;

    for (int i = 0; i < ACCEPTS_A_TURN && l->counts.pending < l->options.most_pending && !l->rest.is_set; i++) {
        struct sockaddr_storage source;
        socklen_t               size = sizeof source;
        int fd = accept4(watch->fd, (struct sockaddr *)&source, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            take(door, fd, (struct sockaddr *)&source);
        else if (errno == EAGAIN)
            break;
        else if (errno == EMFILE || errno == ENFILE) {
            if (!turn_away(door))
                rest(l);
        } else if (errno == ENOMEM || errno == ENOBUFS)
            rest(l);
        /* else: that connection is gone again (ECONNABORTED, EPROTO, ...) */
    }
    set_pause(l);
}

/* --- opening -------------------------------------------------------------------------------------------------------- */

static sabal_status open_socket(int *out, sbl_address *address, sabal_error *err)
{
    struct sockaddr_storage s;
    socklen_t               size = sbl_address_pack(&s, address);
    char                    text[SBL_ADDRESS_TEXT];
    int                     one = 1, fd = -1, closed_to_others;

    sbl_address_tell(text, address);
    if (!size)
        return sbl_error_set(err, SABAL_EINVAL, "'%s' can't be listened on: a path has at most %d bytes", text,
                             SBL_UNIX_TEXT - 1);
    fd = socket(s.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sbl_error_errno(err, errno, "listening on %s", text);
    if (s.ss_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (s.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    closed_to_others =
        s.ss_family != AF_UNIX || !fchmod(fd, 0600); /* before it has a name, so that it is born with it */
    if (!closed_to_others || bind(fd, (struct sockaddr *)&s, size) || listen(fd, BACKLOG)) {
        sabal_status st = sbl_error_errno(err, errno, "listening on %s", text);

        close(fd);
        return st;
    }
    size = sizeof s;
    if (s.ss_family == AF_INET && !getsockname(fd, (struct sockaddr *)&s, &size))
        address->port = ntohs(((struct sockaddr_in *)(void *)&s)->sin_port);
    else if (s.ss_family == AF_INET6 && !getsockname(fd, (struct sockaddr *)&s, &size))
        address->port = ntohs(((struct sockaddr_in6 *)(void *)&s)->sin6_port);
    *out = fd;
    return SABAL_OK;
}

static sabal_status open_door(sbl_listener *l, const sbl_address *address, sabal_error *err)
{
    struct door *door = &l->doors[l->n_doors];
    int          fd   = -1;
    sabal_status st;

    door->address     = *address;
    door->listener    = l;
    door->watch.ready = ready;
    st                = open_socket(&fd, &door->address, err);
    st                = st ? st : sbl_evloop_watch(l->loop, &door->watch, fd, EPOLLIN, err);
    if (!st)
        l->n_doors++;
    else if (fd >= 0) {
        close(fd);
        if (address->kind == SBL_ADDRESS_UNIX)
            unlink(address->path);
    }
    return st;
}

static sabal_status open_all(sbl_listener *l, const sbl_listen_options *o, sabal_error *err)
{
    sbl_address  addresses[SBL_MOST_ADDRESSES];
    int32_t      n  = 0;
    sabal_status st = SABAL_OK;

    if (o->tcp)
        st = sbl_interfaces(addresses, &n, o->interfaces, o->n_interfaces, o->loopback, err);
    for (int32_t i = 0; i < n && !st; i++) {
        addresses[i].port = o->port;
        st                = open_door(l, &addresses[i], err);
    }
    if (!st && o->path) {
        sbl_address local = {.kind = SBL_ADDRESS_UNIX};

        if (strlen(o->path) >= sizeof local.path)
            return sbl_error_set(err, SABAL_EINVAL, "the path of a socket, '%s', has more than %d bytes", o->path,
                                 SBL_UNIX_TEXT - 1);
        strcpy(local.path, o->path);
        st = open_door(l, &local, err);
    }
    return st;
}

sabal_status sbl_listener_open(sbl_listener **listener, sbl_evloop *loop, const sbl_listen_options *options,
                               sabal_error *err)
{
    sbl_listener *l = sbl_calloc(1, sizeof *l);
    uint8_t       key[16];
    sabal_status  st;

    if (!l)
        return sbl_error_memory(err, sizeof *l, "a listener");
    l->loop              = loop;
    l->options           = *options;
    l->self              = *options->link.self;
    l->options.link.self = &l->self;
    l->rest.fire         = rested;
    if (!l->options.most_pending)
        l->options.most_pending = MOST_PENDING;
    st = sbl_random(key, sizeof key, err);
    sbl_buckets_init(&l->buckets, key, options->burst ? options->burst : BURST, options->rate ? options->rate : RATE);
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    st       = st ? st : open_all(l, options, err);
    if (st)
        sbl_listener_close(l);
    else
        *listener = l;
    return st;
}

void sbl_listener_close(sbl_listener *l)
{
    if (!l)
        return;
    for (struct pending *p = l->pending, *next; p; p = next) {
        next = p->next;
        sbl_link_hand_over(p->it, &ALONE, NULL);
        sbl_link_close(p->it, 0);
        sbl_free(p);
    }
    sbl_evtimer_clear(l->loop, &l->rest);
    for (int32_t i = 0; i < l->n_doors; i++) {
        int fd = l->doors[i].watch.fd;

        sbl_evloop_unwatch(l->loop, &l->doors[i].watch);
        close(fd);
        if (l->doors[i].address.kind == SBL_ADDRESS_UNIX)
            unlink(l->doors[i].address.path);
    }
    if (l->spare >= 0)
        close(l->spare);
    sbl_free(l);
}

int32_t sbl_listener_addresses(const sbl_listener *listener, sbl_address *addresses, int32_t n)
{
    for (int32_t i = 0; i < listener->n_doors && i < n; i++)
        addresses[i] = listener->doors[i].address;
    return listener->n_doors;
}
