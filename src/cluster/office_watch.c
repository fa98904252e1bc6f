/*
 * Looks at the scheduler from tick to tick: how fast it goes; whether tasks wait and there is no worker; whether nothing ends any
 * more. Both are told in the log after a while, and again each time that it has lasted twice as long.
 */
#include "cluster/office_status.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

#define SECOND_NS ((int64_t)1000000000)
#define LONELY_NS (5 * SECOND_NS)

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static uint64_t unended(const sbl_scheduler_counts *c)
{
    return c->by_state[0] + c->by_state[1] + c->by_state[2] + c->by_state[3];
}

static void sample(sbl_office_watch *w, uint64_t ended, int64_t now)
{
    const uint32_t at = w->n_samples++ % SBL_SAMPLES;

    w->samples[at].at_ns = now;
    w->samples[at].ended = ended;
}

/* --- no worker ---------------------------------------------------------------------------------------------------- */

static void tell_lonely(sbl_office_watch *w, uint64_t n, int64_t now)
{
    sbl_words words = {0};

    sbl_log(SABAL_LOG_WARN,
            "%" PRIu64 " tasks wait, and for %.0f s there has been no worker: start 'sabal worker --scheduler-file %s'",
            n, seconds(now - w->lonely_since), w->path);
    sbl_say_u32(&words, SBL_TELL_LONELY);
    sbl_say_u64(&words, (uint64_t)(now - w->lonely_since));
    w->tell_clients(w->arg, &words);
    sbl_words_clear(&words);
}

static void look_for_workers(sbl_office_watch *w, const sbl_scheduler_counts *c, int64_t now)
{
    if (c->workers > c->leaving || !unended(c)) {
        w->lonely_since = 0;
        return;
    }
    if (!w->lonely_since) {
        w->lonely_since = now;
        w->lonely_next  = now + LONELY_NS;
    }
    if (now < w->lonely_next)
        return;
    tell_lonely(w, unended(c), now);
    w->lonely_next = now + (now - w->lonely_since);
}

/* --- nothing ends ------------------------------------------------------------------------------------------------- */

static void note(sbl_office_watch *w, int64_t now)
{
    sbl_wait waits[SBL_NOTED];

    w->n_noted = sbl_scheduler_waits(waits, w->core, SBL_NOTED);
    for (uint32_t i = 0; i < w->n_noted; i++) {
        w->noted[i].task     = waits[i].task;
        w->noted[i].attempt  = waits[i].attempt;
        w->noted[i].since_ns = now;
    }
}

/* As far as is known. */
static int64_t waited_since(const sbl_office_watch *w, const sbl_wait *wait, int64_t now)
{
    for (uint32_t i = 0; i < w->n_noted; i++)
        if (w->noted[i].task == wait->task && w->noted[i].attempt == wait->attempt)
            return w->noted[i].since_ns;
    return now;
}

static const char *worker_name(const sbl_office_watch *w, uint32_t number)
{
    const sbl_joining *who = number ? w->who(w->arg, number) : NULL;

    return who ? who->name : "gone";
}

static int tell_input(char *text, size_t size, const sbl_office_watch *w, const sbl_wait_for *in)
{
    if (in->worker)
        return snprintf(text, size, "; '%.40s' (%" PRIu64 ") is %s, worker %u '%.40s'", in->name, in->serial,
                        sbl_scheduler_state_name(in->state), in->worker, worker_name(w, in->worker));
    return snprintf(text, size, "; '%.40s' (%" PRIu64 ") is %s", in->name, in->serial,
                    sbl_scheduler_state_name(in->state));
}

/* Where it may run, and how many workers there are of that kind. */
static int tell_rule(char *text, size_t size, const sbl_wait *wait)
{
    return snprintf(text, size, "; it may run at %s%.150s%s%s%.150s%s: %u workers",
                    wait->workers[0] ? "'" : "any worker", wait->workers, wait->workers[0] ? "'" : "",
                    wait->resources[0] ? " with '" : "", wait->resources, wait->resources[0] ? "'" : "",
                    wait->n_may_run);
}

static void tell_wait(const sbl_office_watch *w, const sbl_wait *wait, int64_t now)
{
    char   text[1200];
    size_t at;

    at = (size_t)snprintf(text, sizeof text, "  '%.60s' (%" PRIu64 " of client %u, %.100s) is %s", wait->self.name,
                          wait->self.serial, wait->client, wait->where[0] ? wait->where : "no line known",
                          sbl_scheduler_state_name(wait->self.state));
    if (wait->self.worker)
        at += (size_t)snprintf(text + at, sizeof text - at, ", worker %u '%.40s'", wait->self.worker,
                               worker_name(w, wait->self.worker));
    at += (size_t)snprintf(text + at, sizeof text - at, ", for %.0f s at least",
                           seconds(now - waited_since(w, wait, now)));
    if (wait->workers[0] || wait->resources[0])
        at += (size_t)tell_rule(text + at, sizeof text - at, wait);
    if (wait->n_inputs)
        at += (size_t)snprintf(text + at, sizeof text - at, "; %u of %u inputs are there",
                               wait->n_inputs - wait->missing, wait->n_inputs);
    for (uint32_t i = 0; i < wait->n_shown; i++)
        at += (size_t)tell_input(text + at, sizeof text - at, w, &wait->inputs[i]);
    sbl_log(SABAL_LOG_WARN, "%s", text);
}

static void tell_quiet(sbl_office_watch *w, uint64_t n, int64_t now)
{
    sbl_wait       waits[SBL_NOTED];
    const uint32_t told = sbl_scheduler_waits(waits, w->core, SBL_NOTED);

    sbl_log(SABAL_LOG_WARN,
            "no task has ended for %.0f s, and %" PRIu64 " have yet to; some of them:", seconds(now - w->quiet_since),
            n);
    for (uint32_t i = 0; i < told; i++)
        tell_wait(w, &waits[i], now);
}

static void look_for_quiet(sbl_office_watch *w, const sbl_scheduler_counts *c, int64_t now)
{
    if (c->ended != w->ended || !unended(c) || !c->workers) {
        w->ended       = c->ended;
        w->quiet_since = 0;
        return;
    }
    if (!w->quiet_since) {
        w->quiet_since = now;
        w->quiet_next  = now + w->quiet_limit_ns;
        w->n_noted     = 0;
    }
    if (!w->n_noted && now - w->quiet_since > w->quiet_limit_ns / 4)
        note(w, now);
    if (now < w->quiet_next)
        return;
    tell_quiet(w, unended(c), now);
    w->quiet_next = now + (now - w->quiet_since);
}

void sbl_office_watch_tick(sbl_office_watch *w, int64_t now)
{
    sbl_scheduler_counts c;

    sbl_scheduler_count(w->core, &c);
    sample(w, c.ended, now);
    look_for_workers(w, &c, now);
    if (w->quiet_limit_ns)
        look_for_quiet(w, &c, now);
}
