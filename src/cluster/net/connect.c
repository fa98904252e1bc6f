#include "cluster/net/connect.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

enum { SAID = 144, APART_NS = 250000000 };

struct
try {
    sbl_connector *connector;
    sbl_address    address;
    sbl_link      *link; /* NULL: not begun, or over */
    sabal_status   status;
    char           said[SAID];
};

struct sbl_connector {
    sbl_evloop         *loop;
    sbl_connect_options options;
    sbl_hello_self      self;
    sbl_evtimer         next, deadline;
    int64_t             began;
    int                 is_done; /* told, or cancelled: it only waits for its links to end */
    int32_t             n, n_begun, n_live;
    struct try          tries[];
};

static void end_if_idle(sbl_connector *c)
{
    if (!c->is_done || c->n_live)
        return;
    sbl_free(c);
}

/* From here on nothing is told any more; links that are still there end. */
static void wind_up(sbl_connector *c)
{
    c->is_done = 1;
    sbl_evtimer_clear(c->loop, &c->next);
    sbl_evtimer_clear(c->loop, &c->deadline);
    for (int32_t i = 0; i < c->n; i++)
        if (c->tries[i].link)
            sbl_link_close(c->tries[i].link, 0);
}

static void fail(sbl_connector *c, sabal_status status, const char *what)
{
    sabal_error why       = SABAL_ERROR_INIT;
    char        list[400] = "";
    size_t      used      = 0;

    for (int32_t i = 0; i < c->n && used < sizeof list; i++) {
        char text[SBL_ADDRESS_TEXT];

        used +=
            (size_t)snprintf(list + used, sizeof list - used, "; %s: %s", sbl_address_tell(text, &c->tries[i].address),
                             c->tries[i].said[0] ? c->tries[i].said
                             : c->tries[i].link  ? "no answer yet"
                                                 : "not tried yet");
        if (c->tries[i].status == SABAL_EACCES)
            status = SABAL_EACCES;
    }
    sbl_error_set(&why, status, "%s %s within %.1f s%s", what, c->options.whom ? c->options.whom : "the peer",
                  (double)(sbl_clock_ns() - c->began) / 1e9, list);
    wind_up(c);
    c->options.done(c->options.arg, NULL, &why);
    end_if_idle(c);
}

static void begin_next(sbl_connector *c);

/* All have failed: the end, or another round. */
static void all_failed(sbl_connector *c)
{
    int64_t next = sbl_clock_ns() + c->options.apart_ns;

    if (!c->options.again || next >= c->options.deadline_ns) {
        fail(c, SABAL_EPEER, "no connection to");
        return;
    }
    c->n_begun = 0;
    sbl_evtimer_set(c->loop, &c->next, next);
}

static void failed(struct try *t, sabal_status status, const char *said, const char *prefix)
{
    size_t n = strlen(prefix);

    t->status = status;
    if (!strncmp(said, prefix, n) && !strncmp(said + n, ": ", 2)) /* the list names the address anyway */
        said += n + 2;
    snprintf(t->said, sizeof t->said, "%.*s", (int)sizeof t->said - 1, said);
}

static void passed(void *arg, sbl_link *link)
{
    struct try    *t = arg;
    sbl_connector *c = t->connector;

    if (c->is_done) /* another was faster, in the same turn */
        return;
    t->link = NULL;
    c->n_live--;
    sbl_link_hand_over(link, c->options.link.calls, c->options.link.arg);
    wind_up(c);
    c->options.done(c->options.arg, link, NULL);
    end_if_idle(c);
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    struct try    *t = arg;
    sbl_connector *c = t->connector;

    t->link = NULL;
    c->n_live--;
    if (c->is_done) {
        end_if_idle(c);
        return;
    }
    failed(t, why->status, why->message, sbl_link_name(link));
    if (c->n_begun < c->n)
        begin_next(c);
    else if (!c->n_live)
        all_failed(c);
}

static void dropped(void *arg, sbl_link *link, const sbl_received *frame)
{
}

static const sbl_link_calls TRYING = {.passed = passed, .received = dropped, .ended = ended};

/* 0: it has failed already. */
static int begin(struct try *t)
{
    sbl_connector          *c = t->connector;
    sbl_link_options        o = c->options.link;
    struct sockaddr_storage s;
    socklen_t               size = sbl_address_pack(&s, &t->address);
    sabal_error             why  = SABAL_ERROR_INIT;
    int                     fd   = size ? socket(s.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;

    t->said[0] = 0;
    errno      = size ? errno : EINVAL;
    if (fd < 0 || (connect(fd, (struct sockaddr *)&s, size) && errno != EINPROGRESS && errno != EINTR)) {
        sbl_error_errno(&why, errno, "connecting");
        failed(t, SABAL_EPEER, why.message, "connecting");
        if (fd >= 0)
            close(fd);
        return 0;
    }
    o.calls        = &TRYING;
    o.arg          = t;
    o.initiator    = 1;
    o.self         = &c->self;
    o.address      = &t->address;
    o.handshake_ns = c->options.deadline_ns - sbl_clock_ns();
    o.handshake_ns = o.handshake_ns > 0 ? o.handshake_ns : 1;
    if (sbl_link_open(&t->link, c->loop, fd, &o, &why)) {
        failed(t, why.status, why.message, "");
        return 0;
    }
    c->n_live++;
    return 1;
}

static void begin_next(sbl_connector *c)
{
    while (c->n_begun < c->n)
        if (begin(&c->tries[c->n_begun++])) {
            if (c->n_begun < c->n)
                sbl_evtimer_set(c->loop, &c->next, sbl_clock_ns() + c->options.apart_ns);
            return;
        }
    if (!c->n_live)
        all_failed(c);
}

static void next_is_due(sbl_evtimer *timer)
{
    begin_next((sbl_connector *)((char *)timer - offsetof(sbl_connector, next)));
}

static void deadline_is_over(sbl_evtimer *timer)
{
    fail((sbl_connector *)((char *)timer - offsetof(sbl_connector, deadline)), SABAL_ETIMEDOUT, "no connection to");
}

/* Sockets of this node first, those of others not at all. */
static int32_t choose(struct try *tries, const sbl_connect_options *o)
{
    sbl_machine here;
    int32_t     n = 0;

    sbl_machine_here(&here);
    for (int kind = 0; kind < 2; kind++)
        for (int32_t i = 0; i < o->n_addresses; i++)
            if (o->addresses[i].kind == (kind ? SBL_ADDRESS_TCP : SBL_ADDRESS_UNIX) &&
                (kind || (o->node && sbl_machine_same(&here, o->node))))
                tries[n++].address = o->addresses[i];
    return n;
}

sabal_status sbl_connect(sbl_connector **connector, sbl_evloop *loop, const sbl_connect_options *options,
                         sabal_error *err)
{
    size_t         size = sizeof **connector + sizeof(struct try) * (size_t)options->n_addresses;
    sbl_connector *c    = sbl_calloc(1, size);

    if (!c)
        return sbl_error_memory(err, size, "connecting");
    c->loop    = loop;
    c->options = *options;
    c->self    = *options->link.self;
    c->began   = sbl_clock_ns();
    c->n       = choose(c->tries, options);
    if (!c->n) {
        sbl_free(c);
        return sbl_error_set(err, SABAL_EINVAL, "%s has no address that can be reached from this node",
                             options->whom ? options->whom : "the peer");
    }
    for (int32_t i = 0; i < c->n; i++)
        c->tries[i].connector = c;
    if (!c->options.apart_ns)
        c->options.apart_ns = APART_NS;
    c->next.fire     = next_is_due;
    c->deadline.fire = deadline_is_over;
    sbl_evtimer_set(loop, &c->next, c->began);
    sbl_evtimer_set(loop, &c->deadline, options->deadline_ns);
    *connector = c;
    return SABAL_OK;
}

void sbl_connect_cancel(sbl_connector *c)
{
    wind_up(c);
    end_if_idle(c);
}
