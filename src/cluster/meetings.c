/* One record for each other member; wishes wait there until there is a connection. */
#include "cluster/meetings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#define PATIENCE_NS ((int64_t)5000000000)

/* A connection to it, from the moment that it is being made. */
typedef struct way {
    struct way     *next;
    struct meeting *meeting; /* NULL: nobody waits for its socket any more */
    sbl_link       *link;    /* that gives its socket away; NULL: it has */
    sbl_pair       *pair;    /* NULL: its socket is still on the way, or could not be used */
    int             is_up_or_coming;
} way;

typedef struct meeting {
    struct meeting *next;
    sbl_meetings   *all;
    uint32_t        member;
    int             is_known; /* it can be connected to */
    sbl_joining     who;
    sbl_connector  *connector;
    way            *ways;
    sbl_wish       *waiting; /* for a way */
    sbl_evtimer     patience;
    sbl_evwork      clear; /* of ways that are down */
} meeting;

struct sbl_wish {
    sbl_wish              *next, **link; /* while it waits */
    meeting               *meeting;
    sbl_value_name         name;
    const sbl_pull_events *events;
    void                  *arg;
    sbl_pull              *pull;
    sbl_evwork             fail; /* later, not from within the call that made it */
    sabal_error            why;
    int                    is_over;
};

struct sbl_meetings {
    sbl_membership *membership;
    sbl_plane      *plane;
    sbl_evloop     *loop;
    meeting        *first;
};

/* --- wishes ------------------------------------------------------------------------------------------------------- */

static void announced(void *arg, sbl_pull *pull, const sbl_announced *what)
{
    sbl_wish *w = arg;

    w->events->announced(w->arg, pull, what);
}

static void done(void *arg, sbl_value *value)
{
    sbl_wish *w = arg;

    w->events->done(w->arg, value);
    sbl_free(w);
}

static void failed(void *arg, const sabal_error *why)
{
    sbl_wish *w = arg;

    w->events->failed(w->arg, why);
    sbl_free(w);
}

static const sbl_pull_events PULL                = {.announced = announced, .done = done, .failed = failed};
static const sbl_pull_events PULL_WITHOUT_ASKING = {.done = done, .failed = failed};

static void fail_now(sbl_evwork *work)
{
    sbl_wish *w = (sbl_wish *)((char *)work - offsetof(sbl_wish, fail));

    failed(w, &w->why);
}

static void stop_waiting(sbl_wish *w)
{
    if (!w->link)
        return;
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->link = NULL;
}

/* After this turn. */
static void fail_later(sbl_wish *w, const sabal_error *why)
{
    stop_waiting(w);
    sbl_error_pass(&w->why, why);
    sbl_evloop_later(w->meeting->all->loop, &w->fail);
}

static void ask(sbl_wish *w, way *by)
{
    sabal_error  err = SABAL_ERROR_INIT;
    sabal_status st;

    stop_waiting(w);
    st = sbl_pull_start(&w->pull, by->pair, w->name, w->events->announced ? &PULL : &PULL_WITHOUT_ASKING, w, &err);
    if (st)
        fail_later(w, &err);
}

static void fail_all_waiting(meeting *m, const sabal_error *why)
{
    while (m->waiting)
        fail_later(m->waiting, why);
}

/* --- ways --------------------------------------------------------------------------------------------------------- */

static way *usable(const meeting *m)
{
    for (way *w = m->ways; w; w = w->next)
        if (w->pair && w->is_up_or_coming)
            return w;
    return NULL;
}

static void end_way(way *w)
{
    way **link = &w->meeting->ways;

    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    if (w->link) { /* parted() frees it */
        w->meeting = NULL;
        sbl_link_close(w->link, 0);
        return;
    }
    if (w->pair)
        sbl_pair_close(w->pair);
    sbl_free(w);
}

static void clear_ways(sbl_evwork *work)
{
    meeting *m = (meeting *)((char *)work - offsetof(meeting, clear));

    for (way *w = m->ways, *next; w; w = next) {
        next = w->next;
        if (w->pair && !w->is_up_or_coming)
            end_way(w);
    }
}

static void up(void *arg, sbl_carrier carrier)
{
}

/* What was asked by it has failed already. */
static void down(void *arg, const sabal_error *why)
{
    way *w = arg;

    w->is_up_or_coming = 0;
    sbl_evloop_later(w->meeting->all->loop, &w->meeting->clear);
}

static void parted(void *arg, int fd, const sbl_session_keys *keys)
{
    way             *w       = arg;
    meeting         *m       = w->meeting;
    sbl_pair_options options = {.fds = {fd}, .n_fds = 1, .up = up, .down = down, .arg = w};
    sabal_error      err     = SABAL_ERROR_INIT;

    w->link = NULL;
    if (!m) {
        if (fd >= 0)
            close(fd);
        sbl_free(w);
        return;
    }
    if (fd < 0) {
        sbl_error_set(&err, SABAL_EPEER, "the connection to a member broke when it was made");
    } else {
        memcpy(options.send_key, keys->send, sizeof options.send_key);
        memcpy(options.receive_key, keys->receive, sizeof options.receive_key);
        options.encrypt = keys->encrypt;
        sbl_pair_open(&w->pair, m->all->plane, &options, &err);
        memset(&options, 0, sizeof options);
    }
    if (err.status) {
        w->pair = NULL;
        end_way(w);
        if (!usable(m))
            fail_all_waiting(m, &err);
        return;
    }
    sbl_evtimer_clear(m->all->loop, &m->patience);
    while (m->waiting)
        ask(m->waiting, w);
}

/* The link has passed: its socket becomes a pair's. */
static int part(meeting *m, sbl_link *link)
{
    way *w = sbl_calloc(1, sizeof *w);

    if (!w)
        return 0;
    w->meeting         = m;
    w->link            = link;
    w->is_up_or_coming = 1;
    w->next            = m->ways;
    m->ways            = w;
    sbl_link_part(link, parted, w);
    return 1;
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void connected(void *arg, sbl_link *link, const sabal_error *why)
{
    meeting    *m   = arg;
    sabal_error err = SABAL_ERROR_INIT;

    m->connector = NULL;
    if (link && part(m, link))
        return;
    if (link) {
        sbl_link_close(link, 0);
        why = &err;
        sbl_error_memory(&err, sizeof(way), "a connection to a member");
    }
    fail_all_waiting(m, why);
}

static void connect_to(meeting *m)
{
    sbl_membership *own = m->all->membership;
    sabal_error     err = SABAL_ERROR_INIT;
    sabal_status    st;

    if (m->connector || usable(m) || (m->ways && m->ways->is_up_or_coming))
        return;
    st = sbl_connect(&m->connector, m->all->loop,
                     &(sbl_connect_options){.addresses   = m->who.addresses,
                                            .n_addresses = m->who.n_addresses,
                                            .node        = &m->who.machine,
                                            .whom        = "a worker",
                                            .deadline_ns = sbl_clock_ns() + PATIENCE_NS,
                                            .link        = {.calls   = &sbl_link_nobody,
                                                            .self    = &own->peer_self,
                                                            .key     = sbl_keys_find,
                                                            .key_arg = &own->keys,
                                                            .ticket  = sbl_ticket(own->number, m->member),
                                                            .limits  = sbl_talk_limits},
                                            .done        = connected,
                                            .arg         = m},
                     &err);
    if (st) {
        m->connector = NULL;
        fail_all_waiting(m, &err);
    }
}

static void lost_patience(sbl_evtimer *timer)
{
    meeting    *m   = (meeting *)((char *)timer - offsetof(meeting, patience));
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_EPEER, "member %u has not come within %d s", m->member, (int)(PATIENCE_NS / 1000000000));
    fail_all_waiting(m, &err);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static meeting *find(sbl_meetings *all, uint32_t member)
{
    meeting *m = all->first;

    while (m && m->member != member)
        m = m->next;
    if (m)
        return m;
    m = sbl_calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->all           = all;
    m->member        = member;
    m->patience.fire = lost_patience;
    m->clear.run     = clear_ways;
    m->next          = all->first;
    all->first       = m;
    return m;
}

int sbl_meetings_met(sbl_meetings *all, uint32_t worker, const sbl_joining *who)
{
    meeting *m = find(all, worker);

    if (!m)
        return 0;
    m->who      = *who;
    m->is_known = 1;
    if (m->waiting)
        connect_to(m);
    return 1;
}

void sbl_meetings_came(sbl_meetings *all, sbl_link *link)
{
    const uint32_t member = (uint32_t)(sbl_link_peer(link)->ticket >> 32);
    meeting       *m      = member ? find(all, member) : NULL;

    sbl_link_hand_over(link, &sbl_link_nobody, NULL);
    if (!m || !part(m, link))
        sbl_link_close(link, 0);
}

void sbl_meetings_visit(sbl_meetings *all, uint32_t worker)
{
    meeting *m = find(all, worker);

    if (m && m->is_known)
        connect_to(m);
}

sbl_wish *sbl_wish_make(sbl_meetings *all, uint32_t member, sbl_value_name name, const sbl_pull_events *events,
                        void *arg)
{
    meeting  *m = find(all, member);
    sbl_wish *w = m ? sbl_calloc(1, sizeof *w) : NULL;
    way      *by;

    if (!w)
        return NULL;
    *w = (sbl_wish){
        .meeting = m, .name = name, .events = events, .arg = arg, .fail.run = fail_now, .why = SABAL_ERROR_INIT};
    by = usable(m);
    if (by) {
        ask(w, by);
        return w;
    }
    w->next = m->waiting;
    w->link = &m->waiting;
    if (w->next)
        w->next->link = &w->next;
    m->waiting = w;
    if (m->is_known)
        connect_to(m);
    else if (!m->patience.is_set)
        sbl_evtimer_set(all->loop, &m->patience, sbl_clock_ns() + PATIENCE_NS);
    return w;
}

void sbl_wish_cancel(sbl_wish *wish)
{
    stop_waiting(wish);
    sbl_evloop_not_later(&wish->fail);
    if (wish->pull)
        sbl_pull_cancel(wish->pull);
    sbl_free(wish);
}

sabal_status sbl_meetings_create(sbl_meetings **meetings, sbl_membership *membership, sbl_plane *plane,
                                 sabal_error *err)
{
    sbl_meetings *all = sbl_calloc(1, sizeof *all);

    if (!all)
        return sbl_error_memory(err, sizeof *all, "the record of other members");
    all->membership = membership;
    all->plane      = plane;
    all->loop       = membership->loop;
    *meetings       = all;
    return SABAL_OK;
}

static void end_meeting(meeting *m)
{
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_ECANCELED, "this member ends");
    while (m->waiting) {
        sbl_wish *w = m->waiting;

        stop_waiting(w);
        failed(w, &err);
    }
    if (m->connector)
        sbl_connect_cancel(m->connector);
    while (m->ways)
        end_way(m->ways);
    sbl_evtimer_clear(m->all->loop, &m->patience);
    sbl_evloop_not_later(&m->clear);
    sbl_free(m);
}

void sbl_meetings_lost(sbl_meetings *all, uint32_t worker)
{
    sabal_error err = SABAL_ERROR_INIT;
    meeting    *m   = all->first;

    while (m && m->member != worker)
        m = m->next;
    if (!m)
        return;
    m->is_known = 0;
    sbl_error_set(&err, SABAL_EPEER, "worker %u is gone", worker);
    fail_all_waiting(m, &err);
    if (m->connector)
        sbl_connect_cancel(m->connector);
    m->connector = NULL;
    while (m->ways)
        end_way(m->ways);
}

void sbl_meetings_destroy(sbl_meetings *all)
{
    while (all && all->first) {
        meeting *m = all->first;

        all->first = m->next;
        end_meeting(m);
    }
    sbl_free(all);
}
