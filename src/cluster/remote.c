/* The engine on a cluster: opening, the loop's thread, closing. */
#include "cluster/remote.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "cluster/core/letters.h"
#include "cluster/object_words.h"
#include "cluster/speaker.h"
#include "graph/held.h"
#include "graph/local.h"
#include "sched/pool.h"

#define PATIENCE_NS ((int64_t)5000000000)
#define RELEASES_NS ((int64_t)2000000) /* what is let go of may wait so long, to be told with others */

/* A client's connection to its cluster. */
typedef struct connection {
    sbl_remote      remote; /* first */
    pthread_t       thread;
    sbl_evloop     *loop;
    sbl_membership  membership;
    sbl_turns       turns;
    sbl_plane      *plane;
    sbl_errands     errands;
    sbl_speaker     speaker;
    sbl_evwork      release;   /* something was let go of, which may be told later */
    sbl_evtimer     releasing; /* then                                             */
    _Atomic int     releases;  /* 1: one of both is under way                      */
    sbl_evwork      leave;     /* from sabal_close() */
    pthread_mutex_t lock;      /* the remote's, and of what follows */
    sbl_outbox      out;
    int             is_joined;
} connection;

/* --- speaking ----------------------------------------------------------------------------------------------------- */

/* Who has not joined has no right to speak. */
static sbl_outbox *outbox(void *arg)
{
    connection *c = arg;

    return c->is_joined ? &c->out : NULL;
}

/* The first of them begins to wait: all that are let go of meanwhile are told together. */
static void tell_released(sbl_evtimer *timer)
{
    connection *c = (connection *)(void *)((char *)timer - offsetof(connection, releasing));

    atomic_store(&c->releases, 0);
    sbl_speak(&c->speaker);
}

static void wait_with_releases(sbl_evwork *work)
{
    connection *c = (connection *)(void *)((char *)work - offsetof(connection, release));

    sbl_evtimer_set(c->loop, &c->releasing, sbl_clock_ns() + RELEASES_NS);
}

static void speak_late(sbl_remote *r)
{
    connection *c = (connection *)r;

    if (!atomic_exchange(&c->releases, 1))
        sbl_evloop_post(c->loop, &c->release);
}

/* --- hearing ------------------------------------------------------------------------------------------------------ */

static void joined(void *arg, uint32_t number, int64_t beat_ns)
{
    connection *c = arg;

    (void)sbl_link_offer_seat(c->membership.link); /* if not, two threads are woken where one would do */
    pthread_mutex_lock(&c->lock);
    c->is_joined     = 1;
    c->remote.number = number;
    pthread_cond_broadcast(&c->remote.changed);
    pthread_mutex_unlock(&c->lock);
    sbl_speak(&c->speaker);
}

static void over(void *arg, const sabal_error *why)
{
    sbl_remote_over(arg, why);
}

static void drained(void *arg)
{
    sbl_speak_on(&((connection *)arg)->speaker);
}

static void letters(void *arg, const void *bytes, size_t size)
{
    connection *c   = arg;
    sabal_error err = SABAL_ERROR_INIT;

    if (sbl_submitter_hear(&c->remote.submitter, bytes, size)) {
        sbl_error_set(&err, SABAL_EPEER, "the scheduler said what makes no sense");
        sbl_membership_break(&c->membership, &err);
    }
}

static int meet(void *arg, uint32_t worker, const sbl_joining *who)
{
    return sbl_meetings_met(((connection *)arg)->remote.meetings, worker, who);
}

static void gone(void *arg, uint32_t worker)
{
    sbl_meetings_lost(((connection *)arg)->remote.meetings, worker);
}

/* A worker lacks code, of this process perhaps. It waits for an answer. */
static void need(void *arg, const sbl_build_id *id)
{
    connection *c     = arg;
    sbl_words   words = {0};
    char        path[4096];
    sabal_error err = SABAL_ERROR_INIT;

    if (sbl_object_path(id, path, sizeof path)) {
        sbl_say_object(&words, id);
        sbl_talk(c->membership.link, SBL_TALK_OBJECT, &words, &err);
    } else {
        sbl_error_set(&err, SABAL_ENOENT, "another program's code");
    }
    if (err.status) {
        sbl_words_clear(&words);
        sbl_say(&words, id, sizeof *id);
        sbl_say_failure(&words, &err);
        sbl_talk(c->membership.link, SBL_TALK_OBJECT, &words, NULL);
    }
    sbl_words_clear(&words);
}

static const sbl_membership_calls CALLS = {.joined  = joined,
                                           .over    = over,
                                           .letters = letters,
                                           .drained = drained,
                                           .meet    = meet,
                                           .gone    = gone,
                                           .tell    = sbl_remote_told,
                                           .need    = need};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void *run(void *arg)
{
    sbl_thread_is_brief();
    sbl_rest_after_wakes();
    sbl_evloop_run(((connection *)arg)->loop);
    return NULL;
}

static void leave(sbl_evwork *work)
{
    connection *c = (connection *)(void *)((char *)work - offsetof(connection, leave));

    if (!c->membership.why.status) /* for who waits for a value */
        c->membership.why = sbl_failure_closed.error;
    if (c->membership.link)
        sbl_speak_and_leave(&c->speaker, PATIENCE_NS / 10);
}

static sabal_status join(connection *c, int64_t until, sabal_error *err)
{
    sbl_joining *who = sbl_calloc(1, sizeof *who); /* large */
    sabal_status st;

    if (!who)
        return sbl_error_memory(err, sizeof *who, "a cluster's client");
    sbl_machine_here(&who->machine);
    who->pid = (uint32_t)getpid();
    snprintf(who->name, sizeof who->name, "%.40s", program_invocation_short_name);
    st = sbl_membership_join(&c->membership, who, until, err);
    sbl_free(who);
    return st;
}

static sabal_status open_parts(connection *c, const char *file, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + PATIENCE_NS;
    sabal_status  st    = sbl_evloop_create(&c->loop, 0, err);

    c->speaker = (sbl_speaker){c->loop, &c->membership, &c->lock, outbox, c};
    sbl_speaker_init(&c->speaker);

    if (!st)
        st = sbl_membership_open(&c->membership, c->loop, file, SBL_ROLE_CLIENT, until, &CALLS, c, err);
    if (!st)
        st = sbl_loop_turns(&c->turns, c->loop, err);
    if (!st)
        st = sbl_plane_create(&c->plane, &(sbl_plane_options){.turns = c->turns, .lookup = sbl_remote_lookup, .arg = c},
                              err);
    if (!st)
        st = sbl_meetings_create(&c->remote.meetings, &c->membership, c->plane, err);
    return st ? st : join(c, sbl_clock_ns() + PATIENCE_NS, err); /* whenever the file came */
}

/* The thread is no more, if there was one: links that are left end in one turn more. */
static void free_connection(connection *c)
{
    sbl_errands_end(&c->errands);
    sbl_meetings_destroy(c->remote.meetings);
    sbl_plane_destroy(c->plane);
    sbl_membership_leave(&c->membership, 0);
    if (c->loop)
        sbl_evloop_turn(c->loop, 0);
    sbl_loop_turns_clear(&c->turns);
    sbl_membership_clear(&c->membership);
    sbl_remote_clear(&c->remote);
    sbl_words_clear(&c->out.words);
    sbl_speaker_clear(&c->speaker);
    sbl_evloop_destroy(c->loop);
    pthread_mutex_destroy(&c->lock);
    sbl_free(c);
}

/* The loop turns until the link has ended. */
static void end_thread(connection *c)
{
    sbl_evloop_post(c->loop, &c->leave);
    pthread_mutex_lock(&c->lock);
    while (!c->remote.is_over)
        pthread_cond_wait(&c->remote.changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
    sbl_evloop_stop(c->loop);
    pthread_join(c->thread, NULL);
}

static sabal_status wait_until_joined(connection *c, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + PATIENCE_NS + PATIENCE_NS / 5; /* the connector has its own, and says more */
    int           late  = 0, is_over, is_joined;

    pthread_mutex_lock(&c->lock);
    while (!c->is_joined && !c->remote.is_over && !late)
        late = !sbl_cond_wait(&c->remote.changed, &c->lock, until);
    is_over   = c->remote.is_over;
    is_joined = c->is_joined;
    pthread_mutex_unlock(&c->lock);
    if (is_over)
        return sbl_error_pass(err, &c->remote.why);
    if (!is_joined)
        return sbl_error_set(err, SABAL_ETIMEDOUT,
                             "the scheduler has let this client in, but has not said a word since");
    return SABAL_OK;
}

/* What a path of the environment or the program means is told apart by who chose the engine. */
static const char *file_of(const char *address, char *room, size_t size)
{
    if (address)
        return address;
    sbl_config_text("scheduler_file", room, size);
    return room;
}

static sabal_status remote_open(sabal_client *client, const char *address, const sabal_open_options *options,
                                sabal_error *err)
{
    connection  *c = sbl_calloc(1, sizeof *c);
    char         room[4096];
    sabal_status st;

    if (!c)
        return sbl_error_memory(err, sizeof *c, "a cluster's client");
    c->release.run    = wait_with_releases;
    c->releasing.fire = tell_released;
    c->leave.run      = leave;
    pthread_mutex_init(&c->lock, NULL);
    sbl_errands_init(&c->errands);
    c->remote.errands    = &c->errands;
    c->remote.membership = &c->membership;
    c->remote.speaker    = &c->speaker;
    c->remote.speak_late = speak_late;
    sbl_remote_init(&c->remote, client, &c->lock, &c->out);
    st = open_parts(c, file_of(address, room, sizeof room), err);
    if (!st && sbl_thread_start(&c->thread, run, c))
        st = sbl_error_set(err, SABAL_ENOMEM, "the thread of a cluster's client could not be started");
    if (st) {
        if (!address)
            sbl_error_prefix(err, "SABAL_SCHEDULER_FILE");
        free_connection(c);
        return st;
    }
    client->elsewhere = &c->remote;
    st                = wait_until_joined(c, err);
    if (!st)
        st = sbl_local_open(client, options->threads, err);
    if (st) {
        client->elsewhere = NULL;
        end_thread(c);
        free_connection(c);
    }
    return st;
}

static void remote_close(sabal_client *client)
{
    connection *c = client->elsewhere;

    sbl_held_bring_retained(client->budget);
    end_thread(c);
    sbl_local_close(client); /* before what its threads may give values to goes */
    client->elsewhere = NULL;
    free_connection(c);
}

static void remote_abandon(sabal_client *client)
{
    sbl_local_abandon(client);
}

static int help_nobody(sabal_future *future)
{
    return 0;
}

static sabal_status call_nothing(struct sabal_task *task)
{
    return SABAL_EINTERNAL;
}

const sbl_engine sbl_engine_remote = {.name            = "remote",
                                      .chooses_workers = 1,
                                      .open            = remote_open,
                                      .close           = remote_close,
                                      .abandon         = remote_abandon,
                                      .admit           = sbl_local_admit,
                                      .start           = sbl_remote_start,
                                      .call            = call_nothing,
                                      .interrupt       = sbl_remote_interrupt,
                                      .stop            = sbl_remote_stop,
                                      .help            = help_nobody,
                                      .attend          = sbl_remote_attend,
                                      .ring            = sbl_remote_ring,
                                      .make_room       = sbl_local_make_room,
                                      .forget          = sbl_remote_forget,
                                      .bring           = sbl_remote_bring,
                                      .replicate       = sbl_remote_replicate,
                                      .fetch           = sbl_local_fetch};
