/* One question on a link of its own: the caller's thread runs the loop until the answer is there. */
#include "cluster/ask.h"

#include "base/clock.h"
#include "base/error.h"
#include "cluster/net/connect.h"

typedef struct asker {
    sbl_evloop        *loop;
    sbl_scheduler_file file;
    sbl_keys           keys;
    sbl_hello_self     self;
    sbl_connector     *connector;
    sbl_link          *link;
    uint32_t           what;
    const char        *about;
    int                is_heard; /* what was wanted has come */
    void (*heard)(void *arg, sbl_reader *answer);
    void       *arg;
    sabal_error why;
} asker;

static void received(void *arg, sbl_link *link, const sbl_received *frame)
{
    asker     *a = arg;
    sbl_reader r = {.at = frame->payload, .end = (const char *)frame->payload + frame->length};

    if (frame->type == SBL_TALK_STOP && !a->what)
        a->is_heard = 1;
    else if (frame->type == SBL_TALK_STOP)
        sbl_error_set(&a->why, SABAL_EPEER, "the scheduler ends");
    else if (frame->type == SBL_TALK_TELL && a->what && sbl_hear_u32(&r) == a->what && !a->is_heard) {
        a->is_heard = 1;
        a->heard(a->arg, &r);
    }
}

/* One that was told to end may be gone before it says so. */
static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    asker *a = arg;

    a->link = NULL;
    if (!a->what)
        a->is_heard = 1;
    else if (!a->is_heard && why->status)
        sbl_error_pass(&a->why, why);
    else if (!a->is_heard)
        sbl_error_set(&a->why, SABAL_EPEER, "the scheduler did not answer");
}

static const sbl_link_calls SCHEDULER = {.received = received, .ended = ended};

static void connected(void *arg, sbl_link *link, const sabal_error *why)
{
    asker    *a     = arg;
    sbl_words words = {0};

    a->connector = NULL;
    a->link      = link;
    if (!link) {
        sbl_error_pass(&a->why, why);
        return;
    }
    if (a->what)
        sbl_say_u32(&words, a->what);
    if (a->about)
        sbl_say_text(&words, a->about);
    sbl_talk(link, a->what ? SBL_TALK_ASK : SBL_TALK_STOP, &words, &a->why);
    sbl_words_clear(&words);
}

static sabal_status connect_to(asker *a, int64_t until, sabal_error *err)
{
    a->keys.secret = a->file.secret;
    a->self        = (sbl_hello_self){.role = SBL_ROLE_CLIENT, .expects = 1 << SBL_ROLE_SCHEDULER};
    memcpy(a->self.cluster, a->file.cluster, sizeof a->self.cluster);
    return sbl_connect(&a->connector, a->loop,
                       &(sbl_connect_options){.addresses   = a->file.addresses,
                                              .n_addresses = a->file.n_addresses,
                                              .node        = &a->file.node,
                                              .whom        = "the scheduler",
                                              .deadline_ns = until,
                                              .link        = {.calls   = &SCHEDULER,
                                                              .arg     = a,
                                                              .self    = &a->self,
                                                              .key     = sbl_keys_find,
                                                              .key_arg = &a->keys,
                                                              .limits  = sbl_talk_limits},
                                              .done        = connected,
                                              .arg         = a},
                       err);
}

/* The question is out, or on its way. One that is told to end is listened to until it has. */
static sabal_status wait_for_answer(asker *a, int64_t until, sabal_error *err)
{
    while (!a->why.status && !(a->is_heard && (a->what || !a->link)) && sbl_clock_ns() < until)
        sbl_evloop_turn(a->loop, until);
    if (a->why.status)
        return sbl_error_pass(err, &a->why);
    if (!a->is_heard)
        return sbl_error_set(
            err, SABAL_ETIMEDOUT,
            "the scheduler has let this process in, but has not said a word since: it stands still, or "
            "has too much to do");
    return SABAL_OK;
}

static void hang_up(asker *a)
{
    const int64_t until = sbl_clock_ns() + 100000000;

    if (a->connector)
        sbl_connect_cancel(a->connector);
    if (a->link)
        sbl_link_close(a->link, 50000000);
    while (a->link && sbl_clock_ns() < until)
        sbl_evloop_turn(a->loop, until);
    if (a->link) {
        sbl_link_close(a->link, 0);
        sbl_evloop_turn(a->loop, 0);
    }
}

sabal_status sbl_ask(const char *file, uint32_t what, const char *about, int64_t timeout_ns,
                     void (*heard)(void *arg, sbl_reader *answer), void *arg, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + timeout_ns;
    asker         a     = {.what = what, .about = about, .heard = heard, .arg = arg, .why = SABAL_ERROR_INIT};
    sabal_error   own   = SABAL_ERROR_INIT;
    sabal_status  st    = sbl_scheduler_file_read(&a.file, file, 0, err);

    if (st)
        return st;
    st = sbl_evloop_create(&a.loop, 0, &own);
    if (!st)
        st = connect_to(&a, until, &own);
    if (!st)
        st = wait_for_answer(&a, until, &own);
    if (a.loop)
        hang_up(&a);
    sbl_keys_clear(&a.keys);
    sbl_scheduler_file_clear(&a.file);
    sbl_evloop_destroy(a.loop);
    if (!st)
        return SABAL_OK;
    sbl_error_prefix(&own, "the scheduler of %s, process %d on %s", file, (int)a.file.pid, a.file.node.host);
    return sbl_error_pass(err, &own);
}
