/*
 * One thread, one loop. A member is a link that has passed the handshake and said who it is; from then on it has a number in
 * the core. All that the core has to say after a turn of the loop goes out at its end, together.
 */
#include "cluster/office.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "cluster/net/folder.h"
#include "cluster/net/listen.h"
#include "cluster/office_code.h"
#include "cluster/office_losses.h"
#include "cluster/office_status.h"
#include "cluster/record.h"
#include "cluster/signals.h"
#include "cluster/talk.h"

#define SECOND_NS ((int64_t)1000000000)
enum { MOST_MEMBERS = 65536 };

typedef struct member {
    struct member *next, **place; /* in the list of all */
    struct office *office;
    sbl_link      *link;
    uint32_t       number;                     /* 0: it has not said who it is */
    int            leaves;                     /* it said that it would */
    int            is_dropped, counts_workers; /* counts_workers: it is told how many there are */
    sbl_joining    who;
    char           why[512]; /* it was dropped */
    sbl_blame     *blame;    /* its supervisor has told before the connection ended; NULL: not */
} member;

typedef struct office {
    sbl_evloop        *loop;
    sbl_scheduler     *core; /* what changes it goes through record.h */
    sbl_record        *record;
    sbl_listener      *listener;
    sbl_office_options options;
    sbl_scheduler_file file;
    sbl_folder         folder;
    sbl_keys           keys;
    sbl_hello_self     self;
    sbl_office_code   *code;
    member            *first;
    sbl_office_losses *losses;
    member            *members[MOST_MEMBERS]; /* by the slot of their numbers */
    sbl_office_watch   watch;
    uint32_t           workers_told;
    sbl_evtimer        tick;
    sbl_evwork         speak; /* at the end of a turn */
    sbl_signals        signals;
    int64_t            lonely_since; /* there is no client since then */
    int32_t            n_clients;
} office;

static member *member_of(const office *o, uint32_t number)
{
    member *m = o->members[number % MOST_MEMBERS];

    return m && m->number == number ? m : NULL;
}

static void speak_later(office *o)
{
    sbl_evloop_later(o->loop, &o->speak);
}

/* --- what the core does ------------------------------------------------------------------------------------------- */

static void end_member(member *m, const char *why)
{
    if (m->is_dropped)
        return;
    m->is_dropped = 1;
    snprintf(m->why, sizeof m->why, "%s", why);
    sbl_link_close(m->link, 0);
}

/* Of a link that is over `ended` tells, and why. */
static void send_letters(void *arg, uint32_t peer, sbl_words *words)
{
    member      *m   = member_of(arg, peer);
    sabal_error  err = SABAL_ERROR_INIT;
    sabal_status st  = m && !m->is_dropped ? sbl_talk_letters(m->link, words, &err) : SABAL_OK;

    if (st && st != SABAL_EPEER)
        end_member(m, err.message);
}

static void drop(void *arg, uint32_t peer, const char *why)
{
    member *m = member_of(arg, peer);

    if (m)
        end_member(m, why);
}

static void introduce(void *arg, uint32_t peer, uint32_t worker)
{
    member   *to = member_of(arg, peer), *of = member_of(arg, worker);
    sbl_words words = {0};

    if (to && of && !to->is_dropped) {
        sbl_say_u32(&words, worker);
        sbl_say_joining(&words, &of->who);
        sbl_talk(to->link, SBL_TALK_MEET, &words, NULL);
    }
    sbl_words_clear(&words);
}

static uint32_t count_workers(const office *o)
{
    sbl_scheduler_counts counts;

    sbl_scheduler_count(o->core, &counts);
    return counts.workers;
}

static void tell_workers(office *o)
{
    const uint32_t n = count_workers(o);

    if (n == o->workers_told)
        return;
    o->workers_told = n;
    for (int32_t i = 0; i < MOST_MEMBERS; i++)
        if (o->members[i] && o->members[i]->counts_workers && !o->members[i]->is_dropped)
            sbl_office_say_workers(o->members[i]->link, n);
}

static void speak(sbl_evwork *work)
{
    office *o = (office *)((char *)work - offsetof(office, speak));

    tell_workers(o);
    sbl_record_send(o->record, o->core);
    if (sbl_scheduler_has_failed(o->core)) {
        sbl_log(SABAL_LOG_ERROR, "the scheduler has no memory: it ends");
        sbl_evloop_stop(o->loop);
    }
}

/* --- members ------------------------------------------------------------------------------------------------------ */

/* Letters are all they may send until then. */
static void welcome(office *o, member *m, sbl_reader *r)
{
    sbl_words words = {0};

    sbl_hear_joining(&m->who, r);
    if (r->failed) {
        end_member(m, "it joined with words that make no sense");
        return;
    }
    m->number = m->who.threads ? sbl_record_worker_came(o->record, o->core, m->who.threads, sbl_clock_ns())
                               : sbl_record_client_came(o->record, o->core, sbl_clock_ns());
    if (!m->number) {
        end_member(m, "the scheduler has no memory for one more");
        return;
    }
    o->members[m->number % MOST_MEMBERS] = m;
    o->n_clients += !m->who.threads;
    if (!m->who.threads && !sbl_office_code_client(o->code, m->link)) {
        end_member(m, "the scheduler has no memory for one more");
        return;
    }
    sbl_say_u32(&words, m->number);
    sbl_say_u64(&words, (uint64_t)SECOND_NS / 4);
    sbl_say_u32(&words, (uint32_t)o->options.encrypt);
    if (sbl_talk(m->link, SBL_TALK_JOINED, &words, NULL))
        end_member(m, "the scheduler has no memory for one more");
    sbl_words_clear(&words);
    sbl_log(SABAL_LOG_INFO, "%s %u '%s' joined: %s, %d threads", m->who.threads ? "worker" : "client", m->number,
            m->who.name, sbl_link_name(m->link), (int)m->who.threads);
    speak_later(o);
}

/* By members, and by guests: who only asks counts for nothing. */
static void answer_question(office *o, member *m, sbl_reader *r)
{
    const uint32_t what = sbl_hear_u32(r);

    if (what == SBL_ASK_WORKERS && m->number) {
        m->counts_workers = 1;
        sbl_office_say_workers(m->link, count_workers(o));
    } else if (!sbl_office_answer(m->link, what, &o->watch)) {
        end_member(m, "it asked what nobody answers");
    }
}

static const sbl_joining *who_is(void *arg, uint32_t number)
{
    const member *m = member_of(arg, number);

    return m ? &m->who : NULL;
}

static void tell_clients(void *arg, const sbl_words *words)
{
    office *o = arg;

    for (int32_t i = 0; i < MOST_MEMBERS; i++)
        if (o->members[i] && !o->members[i]->is_dropped && sbl_scheduler_ready_of(o->core, o->members[i]->number))
            sbl_talk(o->members[i]->link, SBL_TALK_TELL, words, NULL);
}

/* The connection of one that has ended, ends by itself: what it said before is heard. */
static void take_blame(office *o, member *teller, sbl_reader *r)
{
    sbl_blame *blame = sbl_calloc(1, sizeof *blame);
    member    *m;

    if (blame)
        sbl_hear_blame(blame, r);
    m = blame && !r->failed ? member_of(o, blame->worker) : NULL;
    if (m && m->who.supervised && !m->blame) {
        m->blame = blame;
        sbl_record_suspect(o->record, o->core, m->number, sbl_clock_ns());
        if (!blame->has_ended)
            end_member(m, blame->what);
        blame = NULL;
    } else if (blame && !r->failed) {
        sbl_office_losses_explain(o->losses, blame);
    }
    sbl_free(blame);
    end_member(teller, "it has told how a worker ended");
}

static void received(void *arg, sbl_link *link, const sbl_received *frame)
{
    member    *m = arg;
    office    *o = m->office;
    sbl_reader r = {.at = frame->payload, .end = (const char *)frame->payload + frame->length};

    if (m->is_dropped)
        return;
    if (!m->number && frame->type == SBL_TALK_BLAME) {
        take_blame(o, m, &r);
        return;
    }
    if (!m->number && frame->type != SBL_TALK_JOIN && frame->type != SBL_TALK_ASK && frame->type != SBL_TALK_STOP) {
        end_member(m, "it did not say who it is");
        return;
    }
    switch (frame->type) {
    case SBL_TALK_JOIN:
        if (m->number)
            end_member(m, "it joined twice");
        else
            welcome(o, m, &r);
        break;
    case SBL_TALK_LETTERS:
        sbl_record_hear(o->record, o->core, m->number, frame->payload, frame->length, sbl_evloop_now(o->loop));
        speak_later(o);
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
        end_member(m, "a frame of a kind that it may not send");
    }
}

/* It may only seem to be there: who waits for a value of its would wait for ever. */
static void tell_gone(office *o, uint32_t worker)
{
    sbl_words words = {0};

    sbl_say_u32(&words, worker);
    for (int32_t i = 0; i < MOST_MEMBERS; i++)
        if (o->members[i] && !o->members[i]->is_dropped)
            sbl_talk(o->members[i]->link, SBL_TALK_GONE, &words, NULL);
    sbl_words_clear(&words);
}

static void lose_worker(void *arg, uint32_t worker, const char *name, const char *why, const sbl_blame *blame)
{
    office  *o    = arg;
    sbl_loss loss = sbl_blame_loss(blame, name, why);

    sbl_log(SABAL_LOG_WARN, "worker %u '%s' is gone: %s%s%s", worker, name, loss.what,
            blame && blame->more[0] ? "; " : "", blame ? blame->more : "");
    tell_gone(o, worker);
    sbl_record_lost(o->record, o->core, worker, &loss, sbl_clock_ns());
    speak_later(o);
}

/* One that it was told to drop, or whose end is explained already, is not waited for. */
static void worker_ended(office *o, const member *m, const char *why)
{
    if (m->leaves) {
        sbl_log(SABAL_LOG_INFO, "worker %u '%s' has left", m->number, m->who.name);
        tell_gone(o, m->number);
        sbl_record_lost(o->record, o->core, m->number, &(sbl_loss){.planned = 1}, sbl_clock_ns());
    } else if (m->who.supervised && !m->is_dropped && !m->blame) {
        sbl_record_suspect(o->record, o->core, m->number, sbl_clock_ns());
        sbl_office_losses_add(o->losses, m->number, m->who.name, why);
    } else {
        lose_worker(o, m->number, m->who.name, why, m->blame);
    }
}

static void client_ended(office *o, const member *m, const char *why)
{
    sbl_log(m->leaves ? SABAL_LOG_INFO : SABAL_LOG_WARN, "client %u '%s' is gone: %s", m->number, m->who.name, why);
    sbl_record_lost(o->record, o->core, m->number, NULL, sbl_clock_ns());
    if (--o->n_clients == 0)
        o->lonely_since = sbl_clock_ns();
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    member     *m    = arg;
    office     *o    = m->office;
    const char *text = m->is_dropped ? m->why : why->status ? why->message : "the connection to it ended";

    sbl_office_code_gone(o->code, link);
    if (m->number) {
        o->members[m->number % MOST_MEMBERS] = NULL;
        (m->who.threads ? worker_ended : client_ended)(o, m, text);
        speak_later(o);
    }
    *m->place = m->next;
    if (m->next)
        m->next->place = m->place;
    sbl_free(m->blame);
    sbl_free(m);
}

static const sbl_link_calls MEMBER = {.received = received, .ended = ended};

static void nothing_received(void *arg, sbl_link *link, const sbl_received *frame)
{
}

static void nothing_ended(void *arg, sbl_link *link, const sabal_error *why)
{
}

/* One that could not be taken in. */
static const sbl_link_calls NOBODY = {.received = nothing_received, .ended = nothing_ended};

static void admitted(void *arg, sbl_link *link)
{
    office *o = arg;
    member *m = sbl_calloc(1, sizeof *m);

    if (!m) {
        sbl_link_hand_over(link, &NOBODY, NULL);
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

/* --- time and signals --------------------------------------------------------------------------------------------- */

static void tick(sbl_evtimer *timer)
{
    office       *o   = (office *)((char *)timer - offsetof(office, tick));
    const int64_t now = sbl_clock_ns();

    sbl_record_tick(o->record, o->core, now);
    sbl_office_watch_tick(&o->watch, now);
    speak_later(o);
    if (o->options.idle_ns && !o->n_clients && now - o->lonely_since > o->options.idle_ns) {
        sbl_log(SABAL_LOG_INFO, "no client for %.0f s: the scheduler ends", (double)o->options.idle_ns / 1e9);
        sbl_evloop_stop(o->loop);
        return;
    }
    sbl_evtimer_set(o->loop, timer, now + SECOND_NS / 4);
}

static void asked_to_end(void *arg)
{
    sbl_evloop_stop(((office *)arg)->loop);
}

/* --- its beginning and end ---------------------------------------------------------------------------------------- */

static sabal_status listen_all(office *o, sabal_error *err)
{
    char               path[SBL_UNIX_TEXT];
    sbl_listen_options options = {.tcp          = o->options.tcp,
                                  .interfaces   = o->options.interfaces,
                                  .n_interfaces = o->options.n_interfaces,
                                  .port         = o->options.port,
                                  .path         = path,
                                  .link         = {.calls   = &NOBODY,
                                                   .self    = &o->self,
                                                   .key     = sbl_keys_find,
                                                   .key_arg = &o->keys,
                                                   .limits  = sbl_talk_limits},
                                  .admitted     = admitted,
                                  .arg          = o};
    sabal_status       st      = sbl_folder_create(&o->folder, err);

    if (st)
        return st;
    snprintf(path, sizeof path, "%s/scheduler", o->folder.path);
    o->self = (sbl_hello_self){.role    = SBL_ROLE_SCHEDULER,
                               .expects = 1 << SBL_ROLE_CLIENT | 1 << SBL_ROLE_WORKER,
                               .encrypt = o->options.encrypt};
    memcpy(o->self.cluster, o->file.cluster, sizeof o->self.cluster);
    st = sbl_listener_open(&o->listener, o->loop, &options, err);
    if (!st)
        o->file.n_addresses = sbl_listener_addresses(o->listener, o->file.addresses, SBL_MOST_ADDRESSES);
    return st;
}

/* Its members would stay where they are, and others never find it again. */
static sabal_status check_file(const office *o, sabal_error *err)
{
    sbl_scheduler_file there;
    sabal_status       st = SABAL_OK;

    if (sbl_scheduler_file_read(&there, o->options.file, 0, NULL))
        return SABAL_OK;
    if (sbl_scheduler_file_is_alive(&there))
        st = sbl_error_set(err, SABAL_EINVAL,
                           "the scheduler file %s is of a scheduler that runs, process %d: stop it first, or name "
                           "another file",
                           o->options.file, (int)there.pid);
    sbl_scheduler_file_clear(&there);
    return st;
}

static sabal_status open_all(office *o, sabal_error *err)
{
    const sbl_scheduler_calls calls = {send_letters, drop, introduce, o};
    sabal_status              st    = sbl_evloop_create(&o->loop, 0, err);

    if (!st)
        st = sbl_signals_watch(&o->signals, o->loop, 1, asked_to_end, o, err);
    if (!st)
        st = sbl_scheduler_file_init(&o->file, err);
    if (st)
        return st;
    o->keys.secret = o->file.secret;
    if (o->options.record)
        st = sbl_record_create(&o->record, o->options.record, o->options.record_limit, err);
    if (st)
        return st;
    o->core   = sbl_record_scheduler(o->record, &calls);
    o->code   = sbl_office_code_create();
    o->losses = sbl_office_losses_create(o->loop, SECOND_NS, lose_worker, o);
    if (!o->core || !o->code || !o->losses)
        return sbl_error_memory(err, sizeof *o, "the scheduler");
    o->watch = (sbl_office_watch){.core           = o->core,
                                  .file           = &o->file,
                                  .path           = o->options.file,
                                  .started_ns     = sbl_clock_ns(),
                                  .quiet_limit_ns = o->options.watchdog_ns,
                                  .who            = who_is,
                                  .tell_clients   = tell_clients,
                                  .arg            = o};
    st       = check_file(o, err);
    if (!st)
        st = listen_all(o, err);
    if (!st)
        st = sbl_scheduler_file_write(o->options.file, &o->file, err);
    return st;
}

/* Members hear that it is over, and not that a connection broke. */
static void say_farewell(office *o)
{
    const int64_t until = sbl_clock_ns() + SECOND_NS / 2;

    for (member *m = o->first; m; m = m->next)
        sbl_office_say_over(m->link);
    while (o->first && sbl_clock_ns() < until)
        sbl_evloop_turn(o->loop, sbl_clock_ns() + SECOND_NS / 100);
    for (member *m = o->first; m; m = m->next)
        sbl_link_close(m->link, 0);
    sbl_evloop_turn(o->loop, 0);
}

static void close_all(office *o)
{
    if (o->file.n_addresses)
        sbl_scheduler_file_remove(o->options.file, o->file.cluster);
    sbl_listener_close(o->listener);
    if (o->core && o->loop)
        say_farewell(o);
    sbl_evtimer_clear(o->loop, &o->tick);
    sbl_folder_remove(&o->folder);
    sbl_record_close(o->record);
    sbl_scheduler_destroy(o->core);
    sbl_office_code_destroy(o->code);
    sbl_office_losses_destroy(o->losses);
    sbl_keys_clear(&o->keys);
    sbl_scheduler_file_clear(&o->file);
}

sabal_status sbl_office_run(const sbl_office_options *options, sabal_error *err)
{
    office      *o = sbl_calloc(1, sizeof *o);
    sabal_status st;

    if (!o)
        return sbl_error_memory(err, sizeof *o, "the scheduler");
    o->options    = *options;
    o->signals.fd = -1;
    o->speak.run  = speak;
    o->tick.fire  = tick;
    st            = open_all(o, err);
    if (options->report >= 0) {
        if (!st && write(options->report, "", 1) < 0)
            sbl_log(SABAL_LOG_WARN, "nobody reads that the scheduler is there: %m");
        close(options->report);
    }
    if (!st) {
        o->lonely_since = sbl_clock_ns();
        sbl_evtimer_set(o->loop, &o->tick, o->lonely_since);
        sbl_thread_is_brief();
        sbl_evloop_run(o->loop);
    }
    close_all(o);
    sbl_signals_end(&o->signals); /* the last, as one more would end the process */
    sbl_evloop_destroy(o->loop);
    sbl_free(o);
    return st;
}
