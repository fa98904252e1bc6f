/* The report of a worker's end: its words, and their way to the scheduler. */
#include "cluster/blame.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/net/connect.h"
#include "cluster/talk.h"

sbl_loss sbl_blame_loss(const sbl_blame *blame, const char *name, const char *why)
{
    sbl_loss loss = {.node = name[0] ? name : NULL, .what = why};

    if (blame) {
        loss.what     = blame->what;
        loss.is_known = (int)blame->is_known;
        loss.ran      = blame->ran;
        loss.n_ran    = blame->n_ran;
    }
    return loss;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

void sbl_say_blame(sbl_words *w, const sbl_blame *blame)
{
    sbl_say_u32(w, blame->worker);
    sbl_say_u32(w, blame->is_known);
    sbl_say_u32(w, blame->has_ended);
    sbl_say_text(w, blame->what);
    sbl_say_text(w, blame->more);
    sbl_say_u32(w, blame->n_ran);
    for (uint32_t i = 0; i < blame->n_ran; i++) {
        sbl_say_u32(w, blame->ran[i].task);
        sbl_say_u32(w, blame->ran[i].attempt);
        sbl_say_u32(w, blame->ran[i].is_guilty);
    }
}

void sbl_hear_blame(sbl_blame *blame, sbl_reader *r)
{
    uint32_t n;

    memset(blame, 0, sizeof *blame);
    blame->worker    = sbl_hear_u32(r);
    blame->is_known  = sbl_hear_u32(r) != 0;
    blame->has_ended = sbl_hear_u32(r) != 0;
    snprintf(blame->what, sizeof blame->what, "%s", sbl_hear_text(r));
    snprintf(blame->more, sizeof blame->more, "%s", sbl_hear_text(r));
    n = sbl_hear_u32(r);
    if (n > SBL_FAULT_THREADS)
        r->failed = 1;
    for (uint32_t i = 0; i < n && !r->failed; i++) {
        sbl_ran *ran = &blame->ran[blame->n_ran++];

        ran->task      = sbl_hear_u32(r);
        ran->attempt   = sbl_hear_u32(r);
        ran->is_guilty = sbl_hear_u32(r) != 0;
    }
}

/* --- their way ---------------------------------------------------------------------------------------------------- */

typedef struct sender {
    const sbl_blame *blame;
    int              is_over;
    sabal_error      why;
} sender;

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    sender *s = arg;

    s->is_over = 1;
    if (why->status)
        sbl_error_pass(&s->why, why);
}

static const sbl_link_calls CALLS = {.ended = ended};

static void connected(void *arg, sbl_link *link, const sabal_error *why)
{
    sender   *s     = arg;
    sbl_words words = {0};

    if (!link) {
        s->is_over = 1;
        sbl_error_pass(&s->why, why);
        return;
    }
    sbl_say_blame(&words, s->blame);
    sbl_talk(link, SBL_TALK_BLAME, &words, &s->why);
    sbl_words_clear(&words);
    sbl_link_close(link, 1000000000);
}

static sabal_status send_to(const sbl_scheduler_file *file, const sbl_blame *blame, int64_t deadline_ns,
                            sabal_error *err)
{
    sbl_keys       keys      = {.secret = file->secret};
    sbl_hello_self self      = {.role = SBL_ROLE_WORKER, .expects = 1 << SBL_ROLE_SCHEDULER};
    sender         s         = {.blame = blame, .why = SABAL_ERROR_INIT};
    sbl_connector *connector = NULL;
    sbl_evloop    *loop;
    sabal_status   st = sbl_evloop_create(&loop, 0, err);

    if (st)
        return st;
    memcpy(self.cluster, file->cluster, sizeof self.cluster);
    st = sbl_connect(&connector, loop,
                     &(sbl_connect_options){.addresses   = file->addresses,
                                            .n_addresses = file->n_addresses,
                                            .node        = &file->node,
                                            .whom        = "the scheduler",
                                            .deadline_ns = deadline_ns,
                                            .link        = {.calls   = &CALLS,
                                                            .arg     = &s,
                                                            .self    = &self,
                                                            .key     = sbl_keys_find,
                                                            .key_arg = &keys,
                                                            .limits  = sbl_talk_limits},
                                            .done        = connected,
                                            .arg         = &s},
                     err);
    while (!st && !s.is_over) /* the connector, and then the link, have limits of their own */
        sbl_evloop_turn(loop, sbl_clock_ns() + 100000000);
    sbl_evloop_destroy(loop);
    sbl_keys_clear(&keys);
    return !st && s.why.status ? sbl_error_pass(err, &s.why) : st;
}

sabal_status sbl_blame_send(const sbl_blame *blame, const char *path, const uint8_t cluster[SBL_CLUSTER_ID],
                            int64_t deadline_ns, sabal_error *err)
{
    sbl_scheduler_file file = {0};
    sabal_status       st   = sbl_scheduler_file_read(&file, path, 0, err);

    if (!st && memcmp(file.cluster, cluster, sizeof file.cluster) != 0)
        st = sbl_error_set(err, SABAL_EPEER, "the scheduler file '%s' is another cluster's by now", path);
    if (!st)
        st = send_to(&file, blame, deadline_ns, err);
    sbl_scheduler_file_clear(&file);
    return st;
}
