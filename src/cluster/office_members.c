/* Members of a cluster, as its scheduler's process has them: who comes in, what they say, how they end. */
#include "cluster/office_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* --- what the core does ------------------------------------------------------------------------------------------- */

void sbl_office_end_member(sbl_member *m, const char *why)
{
    if (m->is_dropped)
        return;
    m->is_dropped = 1;
    snprintf(m->why, sizeof m->why, "%s", why);
    sbl_link_close(m->link, 0);
}

static void send_letters(void *arg, uint32_t peer, sbl_words *words)
{
    sbl_member *m = sbl_office_member(arg, peer);

    if (m && !m->is_dropped)
        sbl_office_tell(m, words);
}

static void drop(void *arg, uint32_t peer, const char *why)
{
    sbl_member *m = sbl_office_member(arg, peer);

    if (m)
        sbl_office_end_member(m, why);
}

static void introduce(void *arg, uint32_t peer, uint32_t worker)
{
    sbl_member *to = sbl_office_member(arg, peer), *of = sbl_office_member(arg, worker);
    sbl_words   words = {0};

    if (to && of && !to->is_dropped) {
        sbl_say_u32(&words, worker);
        sbl_say_joining(&words, &of->who);
        sbl_talk(to->link, SBL_TALK_MEET, &words, NULL);
    }
    sbl_words_clear(&words);
}

static void unheard(void *arg, uint32_t client, uint32_t worker, const char *name, const sabal_error *why)
{
    const sbl_member *of    = sbl_office_member(arg, worker);
    sbl_member       *to    = sbl_office_member(arg, client);
    sbl_words         words = {0};

    sbl_log(SABAL_LOG_WARN, "worker %u '%s' came, and '%s', which client %u has each one run, failed there: %s", worker,
            of ? of->who.name : "gone", name, client, why->message);
    sbl_say_u32(&words, SBL_TELL_UNHEARD);
    sbl_say_text(&words, of ? of->who.name : "gone");
    sbl_say_u32(&words, worker);
    sbl_say_text(&words, name);
    sbl_say_failure(&words, why);
    if (to && !to->is_dropped)
        sbl_talk(to->link, SBL_TALK_TELL, &words, NULL);
    sbl_words_clear(&words);
}

/* Of those that leave nobody gets anything any more. */
static uint32_t count_workers(const sbl_office *o)
{
    sbl_scheduler_counts counts;

    sbl_scheduler_count(o->core, &counts);
    return counts.workers - counts.leaving;
}

void sbl_office_tell_workers(sbl_office *o)
{
    const uint32_t n = count_workers(o);

    if (n == o->workers_told)
        return;
    o->workers_told = n;
    for (int32_t i = 0; i < SBL_MOST_MEMBERS; i++)
        if (o->members[i] && o->members[i]->counts_workers && !o->members[i]->is_dropped)
            sbl_office_say_workers(o->members[i]->link, n);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

/* Letters are all they may send until then. */
static void welcome(sbl_office *o, sbl_member *m, sbl_reader *r)
{
    sbl_words        words = {0};
    sbl_worker_words about;

    sbl_hear_joining(&m->who, r);
    if (r->failed) {
        sbl_office_end_member(m, "it joined with words that make no sense");
        return;
    }
    about     = (sbl_worker_words){m->who.name, m->who.machine.host, m->who.resources};
    m->number = m->who.threads ? sbl_record_worker_came(o->record, o->core, m->who.threads, &about, sbl_clock_ns())
                               : sbl_record_client_came(o->record, o->core, sbl_clock_ns());
    if (!m->number) {
        sbl_office_end_member(m, "the scheduler has no memory for one more");
        return;
    }
    o->members[m->number % SBL_MOST_MEMBERS] = m;
    o->n_clients += !m->who.threads;
    if (!m->who.threads && !sbl_office_code_client(o->code, m->link)) {
        sbl_office_end_member(m, "the scheduler has no memory for one more");
        return;
    }
    sbl_say_u32(&words, m->number);
    sbl_say_u64(&words, (uint64_t)SBL_SECOND_NS / 4);
    sbl_say_u32(&words, (uint32_t)o->options.encrypt);
    if (sbl_talk(m->link, SBL_TALK_JOINED, &words, NULL))
        sbl_office_end_member(m, "the scheduler has no memory for one more");
    sbl_words_clear(&words);
    sbl_log(SABAL_LOG_INFO, "%s %u '%s' joined: %s, %d threads", m->who.threads ? "worker" : "client", m->number,
            m->who.name, sbl_link_name(m->link), (int)m->who.threads);
    sbl_office_speak_later(o);
}

static int has_name(const sbl_member *m, const char *name)
{
    return !strcmp(m->who.name, name);
}

static int has_number(const sbl_member *m, const char *name)
{
    char number[16];

    snprintf(number, sizeof number, "%u", m->number);
    return !strcmp(number, name);
}

/* Of the workers that are called so, one way or the other; numbers: those that were asked. */
static void ask_those(sbl_office *o, const char *name, int (*is_called)(const sbl_member *, const char *),
                      sbl_words *numbers)
{
    for (int32_t i = 0; i < SBL_MOST_MEMBERS; i++) {
        sbl_member *m = o->members[i];

        if (!m || m->is_dropped || !m->who.threads || !is_called(m, name))
            continue;
        if (!sbl_talk(m->link, SBL_TALK_RETIRE, NULL, NULL))
            sbl_say_u32(numbers, m->number);
    }
}

/* All workers of that name, or, if there is none, the one with that number; who asks is told their numbers. */
static void ask_to_leave(sbl_office *o, sbl_link *link, const char *name)
{
    sbl_words numbers = {0}, words = {0};

    ask_those(o, name, has_name, &numbers);
    if (!numbers.size)
        ask_those(o, name, has_number, &numbers);
    sbl_say_u32(&words, SBL_ASK_RETIRE);
    sbl_say_u32(&words, (uint32_t)(numbers.size / sizeof(uint32_t)));
    sbl_say(&words, numbers.bytes, numbers.size);
    sbl_talk(link, SBL_TALK_TELL, &words, NULL);
    sbl_words_clear(&numbers);
    sbl_words_clear(&words);
}

/* By members, and by guests: who only asks counts for nothing. */
static void answer_question(sbl_office *o, sbl_member *m, sbl_reader *r)
{
    const uint32_t what = sbl_hear_u32(r);

    if (what == SBL_ASK_WORKERS && m->number) {
        m->counts_workers = 1;
        sbl_office_say_workers(m->link, count_workers(o));
    } else if (what == SBL_ASK_WHO_HAS && m->number) {
        sbl_office_say_holders(m->link, m->number, sbl_hear_u64(r), &o->watch);
    } else if (what == SBL_ASK_RETIRE) {
        ask_to_leave(o, m->link, sbl_hear_text(r));
    } else if (!sbl_office_answer(m->link, what, &o->watch)) {
        sbl_office_end_member(m, "it asked what nobody answers");
    }
}

const sbl_joining *sbl_office_who_is(void *arg, uint32_t number)
{
    const sbl_member *m = sbl_office_member(arg, number);

    return m ? &m->who : NULL;
}

void sbl_office_tell_clients(void *arg, const sbl_words *words)
{
    sbl_office *o = arg;

    for (int32_t i = 0; i < SBL_MOST_MEMBERS; i++)
        if (o->members[i] && !o->members[i]->is_dropped && sbl_scheduler_ready_of(o->core, o->members[i]->number))
            sbl_talk(o->members[i]->link, SBL_TALK_TELL, words, NULL);
}

/* The connection of one that has ended, ends by itself: what it said before is heard. */
static void take_blame(sbl_office *o, sbl_member *teller, sbl_reader *r)
{
    sbl_blame  *blame = sbl_calloc(1, sizeof *blame);
    sbl_member *m;

    if (blame)
        sbl_hear_blame(blame, r);
    m = blame && !r->failed ? sbl_office_member(o, blame->worker) : NULL;
    if (m && m->who.supervised && !m->blame) {
        m->blame = blame;
        sbl_record_suspect(o->record, o->core, m->number, sbl_clock_ns());
        if (!blame->has_ended)
            sbl_office_end_member(m, blame->what);
        blame = NULL;
    } else if (blame && !r->failed) {
        sbl_office_losses_explain(o->losses, blame);
    }
    sbl_free(blame);
    sbl_office_end_member(teller, "it has told how a worker ended");
}

static void received(void *arg, sbl_link *link, const sbl_received *frame)
{
    sbl_member *m = arg;
    sbl_office *o = m->office;
    sbl_reader  r = {.at = frame->payload, .end = (const char *)frame->payload + frame->length};

    if (m->is_dropped)
        return;
    if (!m->number && frame->type == SBL_TALK_BLAME) {
        take_blame(o, m, &r);
        return;
    }
    if (!m->number && frame->type != SBL_TALK_JOIN && frame->type != SBL_TALK_ASK && frame->type != SBL_TALK_STOP) {
        sbl_office_end_member(m, "it did not say who it is");
        return;
    }
    switch (frame->type) {
    case SBL_TALK_JOIN:
        if (m->number)
            sbl_office_end_member(m, "it joined twice");
        else
            welcome(o, m, &r);
        break;
    case SBL_TALK_LETTERS:
        sbl_record_hear(o->record, o->core, m->number, frame->payload, frame->length, sbl_evloop_now(o->loop));
        sbl_office_speak_later(o);
        break;
    case SBL_TALK_NEED:
        sbl_office_code_need(o->code, m->link, &r);
        break;
    case SBL_TALK_OBJECT:
        sbl_office_code_came(o->code, m->link, frame->payload, frame->length);
        break;
    case SBL_TALK_ASK:
        answer_question(o, m, &r);
        break;
    case SBL_TALK_LEAVE:
        m->leaves = 1;
        break;
    case SBL_TALK_STOP:
        sbl_evloop_stop(o->loop);
        break;
    default:
        sbl_office_end_member(m, "a frame of a kind that it may not send");
    }
}

/* It may only seem to be there: who waits for a value of its would wait for ever. What was said before may send somebody to it, and
   goes first. */
static void tell_gone(sbl_office *o, uint32_t worker)
{
    sbl_words words = {0};

    sbl_record_suspect(o->record, o->core, worker, sbl_clock_ns()); /* and nothing is for it any more */
    sbl_record_send(o->record, o->core);
    sbl_say_u32(&words, worker);
    for (int32_t i = 0; i < SBL_MOST_MEMBERS; i++)
        if (o->members[i] && !o->members[i]->is_dropped) {
            sbl_office_tell_news(o->members[i]);
            sbl_talk(o->members[i]->link, SBL_TALK_GONE, &words, NULL);
        }
    sbl_words_clear(&words);
}

void sbl_office_lose_worker(void *arg, uint32_t worker, const char *name, const char *why, const sbl_blame *blame)
{
    sbl_office *o    = arg;
    sbl_loss    loss = sbl_blame_loss(blame, name, why);

    sbl_log(SABAL_LOG_WARN, "worker %u '%s' is gone: %s%s%s", worker, name, loss.what,
            blame && blame->more[0] ? "; " : "", blame ? blame->more : "");
    tell_gone(o, worker);
    sbl_record_lost(o->record, o->core, worker, &loss, sbl_clock_ns());
    sbl_office_speak_later(o);
}

/* One that it was told to drop, or whose end is explained already, is not waited for. */
static void worker_ended(sbl_office *o, const sbl_member *m, const char *why)
{
    if (m->leaves) {
        sbl_log(SABAL_LOG_INFO, "worker %u '%s' has left", m->number, m->who.name);
        tell_gone(o, m->number);
        sbl_record_lost(o->record, o->core, m->number, &(sbl_loss){.planned = 1}, sbl_clock_ns());
    } else if (m->who.supervised && !m->is_dropped && !m->blame) {
        sbl_record_suspect(o->record, o->core, m->number, sbl_clock_ns());
        sbl_office_losses_add(o->losses, m->number, m->who.name, why);
    } else {
        sbl_office_lose_worker(o, m->number, m->who.name, why, m->blame);
    }
}

static void client_ended(sbl_office *o, const sbl_member *m, const char *why)
{
    sbl_log(m->leaves ? SABAL_LOG_INFO : SABAL_LOG_WARN, "client %u '%s' is gone: %s", m->number, m->who.name, why);
    sbl_record_lost(o->record, o->core, m->number, NULL, sbl_clock_ns());
    if (--o->n_clients == 0)
        o->lonely_since = sbl_clock_ns();
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    sbl_member *m    = arg;
    sbl_office *o    = m->office;
    const char *text = m->is_dropped ? m->why : why->status ? why->message : "the connection to it ended";

    sbl_office_code_gone(o->code, link);
    if (m->number) {
        o->members[m->number % SBL_MOST_MEMBERS] = NULL;
        (m->who.threads ? worker_ended : client_ended)(o, m, text);
        sbl_office_speak_later(o);
    }
    *m->place = m->next;
    if (m->next)
        m->next->place = m->place;
    sbl_office_forget_news(m);
    sbl_free(m->blame);
    sbl_free(m);
}

static const sbl_link_calls MEMBER = {.received = received, .ended = ended};

void sbl_office_admitted(void *arg, sbl_link *link)
{
    sbl_office *o = arg;
    sbl_member *m = sbl_calloc(1, sizeof *m);

    if (!m) {
        sbl_link_hand_over(link, &sbl_link_nobody, NULL);
        sbl_link_close(link, 0);
        return;
    }
    m->office = o;
    m->link   = link;
    m->next   = o->first;
    m->place  = &o->first;
    if (m->next)
        m->next->place = &m->next;
    o->first = m;
    sbl_link_hand_over(link, &MEMBER, m);
}

sbl_scheduler_calls sbl_office_calls(sbl_office *o)
{
    return (sbl_scheduler_calls){send_letters, drop, introduce, o, unheard};
}
