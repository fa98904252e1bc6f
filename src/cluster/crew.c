/* A worker's process: its beginning, what it hears, its heartbeats, its end. */
#include "cluster/crew.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/here.h"
#include "base/log.h"
#include "base/thread.h"
#include "cluster/crew_page.h"
#include "cluster/crew_place.h"
#include "cluster/crew_watched.h"
#include "cluster/net/evseat.h"
#include "graph/local.h"
#include "sched/pool.h"

#define PATIENCE_NS ((int64_t)1000000000) /* of one that leaves, with a scheduler that hears slowly */

struct sbl_crew sbl_crew = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- speaking ----------------------------------------------------------------------------------------------------- */

/* With the lock held. */
static void tell_parked(void)
{
    const int32_t n = atomic_load(&sbl_crew.n_parked);

    if (n != sbl_crew.n_told)
        sbl_executor_spare(sbl_crew.executor, (uint32_t)n);
    sbl_crew.n_told = n;
}

static sbl_outbox *outbox(void *nothing)
{
    tell_parked();
    return sbl_executor_outbox(sbl_crew.executor);
}

void sbl_crew_speak(void)
{
    sbl_speak(&sbl_crew.speaker);
}

void sbl_crew_speak_later(void)
{
    sbl_speak_later(&sbl_crew.speaker);
}

static void drained(void *arg)
{
    sbl_speak_on(&sbl_crew.speaker);
}

static void beat(sbl_evtimer *timer)
{
    sabal_client_memory memory = {.struct_size = sizeof memory};

    sabal_client_memory_get(sbl_crew.client, &memory);
    sbl_crew_note_memory(&memory);
    pthread_mutex_lock(&sbl_crew.lock);
    sbl_executor_beat(sbl_crew.executor, memory.managed, memory.limit);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_crew_speak();
    sbl_evtimer_set(sbl_crew.loop, timer, sbl_clock_ns() + sbl_crew.beat_ns);
}

/* --- its seat ----------------------------------------------------------------------------------------------------- */

enum { SEAT_NS = 20000 };

/* The thread that will run a task may hear of it itself. */
static int take_seat(void *arg)
{
    if (sbl_evseat_take(sbl_crew.loop, SEAT_NS))
        return 1;
    sbl_crew_let_loop_hear();
    return 0;
}

static int sleep_in_seat(void *arg)
{
    return sbl_evseat_sleep(sbl_crew.loop, 0, INT64_MAX);
}

static void leave_seat(void *arg)
{
    sbl_evseat_leave(sbl_crew.loop);
    sbl_crew_stands_up();
}

static void ring_seat(void *arg)
{
    sbl_evseat_ring(sbl_crew.loop);
}

static void offer_seat(void)
{
    static const sbl_seat seat = {take_seat, sleep_in_seat, leave_seat, ring_seat, NULL};

    if (sbl_link_offer_seat(sbl_crew.membership.link))
        sbl_pool_offer_seat(sbl_client_pool(sbl_crew.client), &seat);
}

/* --- leaving ------------------------------------------------------------------------------------------------------ */

/* Behind what has ended here: else it would run again. Who has not joined has nothing to say. */
void sbl_crew_leave(void)
{
    sbl_crew.leaves = 1;
    if (sbl_crew.membership.link)
        sbl_speak_and_leave(&sbl_crew.speaker, PATIENCE_NS);
    else
        sbl_membership_leave(&sbl_crew.membership, 0);
}

static void may_part(void *nothing)
{
    sbl_log(SABAL_LOG_INFO, "what this worker had is with others: it leaves");
    sbl_crew_leave();
}

/* When what it has is elsewhere, or it takes too long. */
static void retire(void)
{
    if (sbl_crew.retires)
        return;
    sbl_crew.retires = 1;
    pthread_mutex_lock(&sbl_crew.lock);
    sbl_executor_retire(sbl_crew.executor);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_crew_speak();
    sbl_evtimer_set(sbl_crew.loop, &sbl_crew.parting, sbl_clock_ns() + SBL_RETIRE_NS);
}

static void takes_too_long(sbl_evtimer *timer)
{
    sbl_log(SABAL_LOG_WARN, "not all that this worker has is with others, but it leaves, as %g s have gone",
            (double)SBL_RETIRE_NS / 1e9);
    sbl_crew_leave();
}

/* --- hearing ------------------------------------------------------------------------------------------------------ */

static void joined(void *arg, uint32_t number, int64_t beat_ns)
{
    sbl_log(SABAL_LOG_INFO, "this is worker %u", number);
    sbl_crew.remote.number = number; /* before the first letter comes, and with it the first task */
    sbl_crew.beat_ns       = beat_ns > 0 ? beat_ns : 250000000;
    sbl_evtimer_set(sbl_crew.loop, &sbl_crew.beat, sbl_clock_ns());
    sbl_crew_note_joined(&sbl_crew.membership);
    offer_seat();
    if (sbl_crew.options.report >= 0) {
        if (write(sbl_crew.options.report, "", 1) < 0)
            sbl_log(SABAL_LOG_WARN, "nobody reads that the worker is there: %m");
        close(sbl_crew.options.report);
        sbl_crew.options.report = -1;
    }
}

static void over(void *arg, const sabal_error *why)
{
    sbl_crew.why     = *why;
    sbl_crew.is_over = 1;
    sbl_crew_note_over(sbl_crew.leaves || sbl_crew.membership.is_stopped);
    sbl_evloop_stop(sbl_crew.loop);
}

/* Some are for the worker, some for the client that it is too. */
static void letters(void *arg, const void *bytes, size_t size)
{
    sbl_reader   frame = {.at = bytes, .end = (const char *)bytes + size}, letter;
    const char  *start = bytes;
    sabal_error  err   = SABAL_ERROR_INIT;
    sabal_status st    = SABAL_OK;
    uint32_t     kind;
    int          has_words;

    sbl_posts_gather();
    while (!st && (kind = sbl_letter_next(&letter, &frame))) {
        const size_t n = (size_t)(frame.at - start);

        if (kind < SBL_LETTER_WSPEC) {
            st = sbl_submitter_hear(&sbl_crew.remote.submitter, start, n);
        } else {
            pthread_mutex_lock(&sbl_crew.lock);
            st = sbl_executor_hear(sbl_crew.executor, start, n);
            pthread_mutex_unlock(&sbl_crew.lock);
        }
        start = frame.at;
    }
    sbl_posts_go();
    pthread_mutex_lock(&sbl_crew.lock);
    has_words = sbl_executor_outbox(sbl_crew.executor)->words.size != 0;
    pthread_mutex_unlock(&sbl_crew.lock);
    if (st || frame.failed) {
        sbl_error_set(&err, st ? st : SABAL_EFORMAT, "the scheduler said what makes no sense, or memory is out");
        sbl_membership_break(&sbl_crew.membership, &err);
    }
    if (has_words)
        sbl_crew_speak();
}

static int meet(void *arg, uint32_t worker, const sbl_joining *who)
{
    return sbl_meetings_met(sbl_crew.meetings, worker, who);
}

static void gone(void *arg, uint32_t worker)
{
    sbl_meetings_lost(sbl_crew.meetings, worker);
}

static void tell(void *arg, sbl_reader *answer)
{
    sbl_remote_told(&sbl_crew.remote, answer);
}

static void retire_as_asked(void *arg)
{
    sbl_log(SABAL_LOG_INFO, "this worker is asked to leave");
    retire();
}

static const sbl_membership_calls CALLS = {.joined  = joined,
                                           .over    = over,
                                           .letters = letters,
                                           .drained = drained,
                                           .meet    = meet,
                                           .gone    = gone,
                                           .object  = sbl_crew_take_object,
                                           .retire  = retire_as_asked,
                                           .tell    = tell};

/* --- others come in ----------------------------------------------------------------------------------------------- */

static void admitted(void *arg, sbl_link *link)
{
    sbl_meetings_came(sbl_crew.meetings, link);
}

/* A Unix socket is for shared memory: who may not use that is to be reached otherwise, also from this node. */
static sabal_status needs_socket(int *needs, sabal_error *err)
{
    uint32_t           may = 0;
    const sabal_status st  = sbl_carriers_parse(&may, sbl_crew.options.tls, err);

    if (!st && !sbl_crew.options.tcp &&
        !(may & ~(SBL_CARRIER_BIT(SBL_CARRIER_TCP) | SBL_CARRIER_BIT(SBL_CARRIER_UCX_TCP))))
        return sbl_error_set(err, SABAL_EINVAL, "values may go by %s alone, but no interface is listened on",
                             sbl_crew.options.tls);
    *needs =
        !sbl_crew.options.tcp || may & SBL_CARRIER_BIT(SBL_CARRIER_MEMFD) || !(may & SBL_CARRIER_BIT(SBL_CARRIER_TCP));
    return st;
}

/* Who holds a ticket: the key is the membership's, which is there when anybody may know of this worker. */
static sabal_status listen_for_others(sbl_joining *who, sabal_error *err)
{
    char               path[SBL_UNIX_TEXT];
    int                local   = 1;
    sbl_listen_options options = {.tcp          = sbl_crew.options.tcp,
                                  .interfaces   = sbl_crew.options.interfaces,
                                  .n_interfaces = sbl_crew.options.n_interfaces,
                                  .link         = {.calls   = &sbl_link_nobody,
                                                   .self    = &sbl_crew.membership.peer_self,
                                                   .key     = sbl_keys_find,
                                                   .key_arg = &sbl_crew.membership.keys,
                                                   .limits  = sbl_talk_limits},
                                  .admitted     = admitted};
    sabal_status       st      = sbl_crew_folder_create(&sbl_crew.folder, sbl_crew.options.local_directory, err);

    if (!st)
        st = needs_socket(&local, err);
    if (st)
        return st;
    sbl_crew_note_folder(sbl_crew.folder.path);
    snprintf(path, sizeof path, "%s/worker", sbl_crew.folder.path);
    options.path = local ? path : NULL;
    st           = sbl_listener_open(&sbl_crew.listener, sbl_crew.loop, &options, err);
    if (!st)
        who->n_addresses = sbl_listener_addresses(sbl_crew.listener, who->addresses, SBL_MOST_ADDRESSES);
    return st;
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static sabal_status choose(const sbl_engine **chosen, const char *address, const sabal_open_options *options,
                           sabal_error *err)
{
    *chosen = sbl_crew_engine();
    return SABAL_OK;
}

static void asked_to_end(void *arg)
{
    sbl_crew_leave();
}

static void lifetime_is_over(sbl_evtimer *timer)
{
    sbl_log(SABAL_LOG_INFO, "the worker's lifetime is over: it is about to leave");
    retire();
}

static sabal_status open_client(sbl_joining *who, sabal_error *err)
{
    sabal_open_options  options = {SABAL_OPEN_DEFAULTS, .threads = sbl_crew.options.threads, .trace = "",
                                   .memory_limit = sbl_crew.options.memory_limit};
    sabal_client_memory memory  = {.struct_size = sizeof memory};

    options.where   = NULL;
    sbl_crew.client = sbl_client_open(choose, "local:", err, &options);
    if (err->status)
        return err->status;
    sbl_pool_rest(sbl_client_pool(sbl_crew.client));
    sabal_client_memory_get(sbl_crew.client, &memory);
    sbl_crew_pace_init();
    who->threads = sabal_client_threads(sbl_crew.client);
    who->memory  = memory.limit;
    return SABAL_OK;
}

static sabal_status open_plane(sabal_error *err)
{
    sabal_status st = sbl_loop_turns(&sbl_crew.turns, sbl_crew.loop, err);

    if (!st)
        st = sbl_plane_create(&sbl_crew.plane,
                              &(sbl_plane_options){.turns  = sbl_crew.turns,
                                                   .lookup = sbl_crew_lookup,
                                                   .tls    = sbl_crew.options.tls,
                                                   .keep   = (size_t)64 << 20},
                              err);
    if (!st) {
        sbl_crew.membership.loop = sbl_crew.loop;
        st                       = sbl_meetings_create(&sbl_crew.meetings, &sbl_crew.membership, sbl_crew.plane, err);
        sbl_crew.remote.meetings = sbl_crew.meetings;
    }
    return st;
}

static sabal_status open_all(sabal_error *err)
{
    const sbl_executor_calls calls = {
        sbl_crew_hear_spec, sbl_crew_value_of, sbl_crew_forget,     sbl_crew_start, sbl_crew_take_back,
        sbl_crew_interrupt, sbl_crew_fetch,    sbl_crew_stop_fetch, may_part,       NULL};
    static sbl_joining who;
    int64_t            until;
    sabal_status       st = sbl_evloop_create(&sbl_crew.loop, 0, err);

    sbl_crew.speaker = (sbl_speaker){sbl_crew.loop, &sbl_crew.membership, &sbl_crew.lock, outbox};
    sbl_speaker_init(&sbl_crew.speaker);
    sbl_crew.beat.fire    = beat;
    sbl_crew.end.fire     = lifetime_is_over;
    sbl_crew.parting.fire = takes_too_long;
    who.supervised        = (uint32_t)sbl_crew_is_watched();
    if (sbl_crew.options.local_directory)
        setenv("SABAL_SPILL_FOLDER", sbl_crew.options.local_directory, 1);
    sbl_machine_here(&who.machine);
    who.pid = (uint32_t)getpid();
    snprintf(who.name, sizeof who.name, "%.63s", sbl_crew.options.name ? sbl_crew.options.name : who.machine.host);
    snprintf(who.resources, sizeof who.resources, "%s", sbl_crew.options.resources ? sbl_crew.options.resources : "");
    sbl_here_set("worker '%s'", who.name);
    if (!st)
        st = sbl_signals_watch(&sbl_crew.signals, sbl_crew.loop, !sbl_crew_keeps_hangups(), asked_to_end, NULL, err);
    if (!st)
        st = sbl_crew_preload(sbl_crew.options.preload, err);
    if (!st)
        st = open_client(&who, err);
    if (st)
        return st;
    sbl_crew.executor = sbl_executor_create(&calls);
    if (!sbl_crew.executor)
        return sbl_error_memory(err, 1, "a worker");
    sbl_crew_submits();
    until = sbl_clock_ns() + sbl_crew.options.patience_ns;
    st = sbl_membership_open(&sbl_crew.membership, sbl_crew.loop, sbl_crew.options.file, SBL_ROLE_WORKER, until, &CALLS,
                             NULL, err);
    sbl_crew.membership.self.encrypt = sbl_crew.membership.peer_self.encrypt = sbl_crew.options.encrypt;
    if (!st)
        st = open_plane(err);
    if (!st)
        st = listen_for_others(&who, err);
    if (!st)
        st = sbl_membership_join(&sbl_crew.membership, &who, sbl_clock_ns() + sbl_crew.options.patience_ns, err);
    return st;
}

sabal_status sbl_crew_run(const sbl_crew_options *options, sabal_error *err)
{
    const int64_t started  = sbl_clock_ns();
    const int     has_made = sbl_crew_make_directory(options->local_directory);
    sabal_status  st;

    sbl_crew.options = *options;
    st               = open_all(err);
    if (!st && options->lifetime_ns)
        sbl_evtimer_set(sbl_crew.loop, &sbl_crew.end, started + options->lifetime_ns);
    if (!st) {
        sbl_thread_is_brief();
        sbl_rest_after_wakes();
        sbl_evloop_run(sbl_crew.loop);
    }
    sbl_folder_remove(&sbl_crew.folder);
    if (has_made)
        rmdir(options->local_directory);
    if (!st && sbl_crew.membership.number == 0 && sbl_crew.beat_ns == 0) /* it never joined */
        st = sbl_error_pass(err, &sbl_crew.why);
    else if (!st)
        sbl_log(SABAL_LOG_INFO, "the worker ends: %s", sbl_crew.why.message);
    /* What still runs, nobody wants. The system ends the rest: mappings, sockets, unlinked files. */
    if (!st)
        _exit(EXIT_SUCCESS);
    return st;
}
