/* The link to the scheduler: connecting, joining, and frames to whom they are for. */
#include "cluster/membership.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

/* A scheduler that stands still keeps its connections. It is asked for a sign of life when nothing has come for a while; the limit is
   that of one that has very much to do at once. What counts is how often it was looked at, not the time: this process may have stood
   still itself. It is not asked before the system has found out, within 10 s, whether the connection is cut: that takes the system as
   long again once something is on its way (link.c). */
#define ASK_AGAIN_NS ((int64_t)5000000000)
enum { NOT_ASKED = 2, MOST_UNANSWERED = 6 };

static void over(sbl_membership *m, const sabal_error *why)
{
    sbl_evtimer_clear(m->loop, &m->alive);
    m->link   = NULL;
    m->number = 0;
    m->calls->over(m->arg, why);
}

static void look_alive(sbl_evtimer *timer)
{
    sbl_membership *m     = (sbl_membership *)(void *)((char *)timer - offsetof(sbl_membership, alive));
    const uint64_t  heard = sbl_link_heard(m->link);
    sbl_words       words = {0};

    m->unanswered = heard == m->heard ? m->unanswered + 1 : 0;
    m->heard      = heard;
    if (m->unanswered > MOST_UNANSWERED) {
        sbl_error_set(&m->why, SABAL_EPEER, "the scheduler has not said a word for %d s, though it was asked %d times",
                      (int)(ASK_AGAIN_NS / 1000000000) * MOST_UNANSWERED, MOST_UNANSWERED - NOT_ASKED);
        sbl_link_close(m->link, 0);
        return;
    }
    if (m->unanswered > NOT_ASKED) {
        sbl_say_u32(&words, SBL_ASK_ALIVE);
        sbl_talk(m->link, SBL_TALK_ASK, &words, NULL);
        sbl_words_clear(&words);
    }
    sbl_evtimer_set(m->loop, timer, sbl_clock_ns() + ASK_AGAIN_NS);
}

static void hear_joined(sbl_membership *m, sbl_reader *r)
{
    const uint32_t number  = sbl_hear_u32(r);
    const uint64_t beat_ns = sbl_hear_u64(r);
    const uint32_t encrypt = sbl_hear_u32(r);

    if (r->failed || !number)
        return;
    m->number    = number;
    m->keys.self = number;
    m->peer_self.encrypt |= encrypt != 0;
    m->calls->joined(m->arg, number, (int64_t)beat_ns);
}

static void hear_meet(sbl_membership *m, sbl_reader *r)
{
    const uint32_t worker = sbl_hear_u32(r);
    sbl_joining   *who    = sbl_alloc(sizeof *who); /* large */
    int            kept   = who != NULL;
    sabal_error    why    = SABAL_ERROR_INIT;

    if (who)
        sbl_hear_joining(who, r);
    if (who && !r->failed)
        kept = m->calls->meet(m->arg, worker, who);
    sbl_free(who);
    if (!kept) {
        sbl_error_memory(&why, sizeof *who, "where a worker can be reached");
        sbl_membership_break(m, &why);
    }
}

static void hear_need(sbl_membership *m, sbl_reader *r)
{
    const char  *at = sbl_hear(r, sizeof(sbl_build_id));
    sbl_build_id id;

    if (!at || !m->calls->need)
        return;
    memcpy(&id, at, sizeof id);
    m->calls->need(m->arg, &id);
}

static void received(void *arg, sbl_link *link, const sbl_received *frame)
{
    sbl_membership *m = arg;
    sbl_reader      r = {.at = frame->payload, .end = (const char *)frame->payload + frame->length};

    switch (frame->type) {
    case SBL_TALK_JOINED:
        hear_joined(m, &r);
        break;
    case SBL_TALK_LETTERS:
        m->calls->letters(m->arg, frame->payload, frame->length);
        break;
    case SBL_TALK_MEET:
        hear_meet(m, &r);
        break;
    case SBL_TALK_GONE:
        m->calls->gone(m->arg, sbl_hear_u32(&r));
        break;
    case SBL_TALK_OBJECT:
        if (m->calls->object)
            m->calls->object(m->arg, frame->payload, frame->length);
        break;
    case SBL_TALK_RETIRE:
        if (m->calls->retire)
            m->calls->retire(m->arg);
        break;
    case SBL_TALK_NEED:
        hear_need(m, &r);
        break;
    case SBL_TALK_TELL:
        if (m->calls->tell)
            m->calls->tell(m->arg, &r);
        break;
    case SBL_TALK_STOP:
        m->is_stopped = 1;
        if (!m->why.status)
            sbl_error_set(&m->why, SABAL_EPEER, "the scheduler has ended");
        break;
    default: /* of a later version, which the handshake would have refused */
        break;
    }
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    sbl_membership *m = arg;

    if (!m->why.status && why->status)
        sbl_error_pass(&m->why, why);
    if (!m->why.status)
        sbl_error_set(&m->why, SABAL_EPEER, "the connection to the scheduler was closed");
    over(m, &m->why);
}

static void drained(void *arg, sbl_link *link)
{
    sbl_membership *m = arg;

    if (m->calls->drained)
        m->calls->drained(m->arg);
}

static const sbl_link_calls SCHEDULER = {.received = received, .drained = drained, .ended = ended};

static void connected(void *arg, sbl_link *link, const sabal_error *why)
{
    sbl_membership *m     = arg;
    sbl_words       words = {0};

    m->connector = NULL;
    if (!link) {
        over(m, why);
        return;
    }
    m->link       = link;
    m->alive.fire = look_alive;
    sbl_evtimer_set(m->loop, &m->alive, sbl_clock_ns() + ASK_AGAIN_NS);
    sbl_say_joining(&words, &m->who);
    if (sbl_talk(link, SBL_TALK_JOIN, &words, &m->why))
        sbl_link_close(link, 0);
    sbl_words_clear(&words);
}

sabal_status sbl_membership_open(sbl_membership *m, sbl_evloop *loop, const char *path, sbl_role role,
                                 int64_t deadline_ns, const sbl_membership_calls *calls, void *arg, sabal_error *err)
{
    sabal_status st;

    memset(m, 0, sizeof *m);
    m->loop  = loop;
    m->calls = calls;
    m->arg   = arg;
    m->self  = (sbl_hello_self){.role = role, .expects = 1 << SBL_ROLE_SCHEDULER};
    m->why   = (sabal_error)SABAL_ERROR_INIT;
    st       = sbl_scheduler_file_read(&m->file, path, deadline_ns, err);
    if (st)
        return st;
    m->keys.secret = m->file.secret;
    memcpy(m->self.cluster, m->file.cluster, sizeof m->self.cluster);
    m->peer_self         = m->self;
    m->peer_self.expects = 1 << SBL_ROLE_CLIENT | 1 << SBL_ROLE_WORKER;
    return SABAL_OK;
}

sabal_status sbl_membership_join(sbl_membership *m, const sbl_joining *who, int64_t deadline_ns, sabal_error *err)
{
    m->who = *who;
    return sbl_connect(&m->connector, m->loop,
                       &(sbl_connect_options){.addresses   = m->file.addresses,
                                              .n_addresses = m->file.n_addresses,
                                              .node        = &m->file.node,
                                              .whom        = "the scheduler",
                                              .deadline_ns = deadline_ns,
                                              .link        = {.calls   = &SCHEDULER,
                                                              .arg     = m,
                                                              .self    = &m->self,
                                                              .key     = sbl_keys_find,
                                                              .key_arg = &m->keys,
                                                              .limits  = sbl_talk_limits},
                                              .done        = connected,
                                              .arg         = m},
                       err);
}

void sbl_membership_leave(sbl_membership *m, int64_t limit_ns)
{
    sabal_error left = SABAL_ERROR_INIT;

    if (m->connector) {
        sbl_connect_cancel(m->connector);
        m->connector = NULL;
        sbl_error_set(&left, SABAL_ECLOSED, "it was closed before it was connected");
        over(m, &left);
    } else if (m->link) {
        sbl_talk(m->link, SBL_TALK_LEAVE, NULL, NULL);
        sbl_link_close(m->link, limit_ns);
    }
}

void sbl_membership_break(sbl_membership *m, const sabal_error *why)
{
    if (!m->why.status)
        m->why = *why;
    if (m->link)
        sbl_link_close(m->link, 0);
}

void sbl_membership_clear(sbl_membership *m)
{
    sbl_keys_clear(&m->keys);
    sbl_scheduler_file_clear(&m->file);
}
