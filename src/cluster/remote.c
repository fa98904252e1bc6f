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
#include "cluster/object_words.h"
#include "graph/held.h"
#include "graph/local.h"

#define PATIENCE_NS ((int64_t)5000000000)

/* --- speaking ----------------------------------------------------------------------------------------------------- */

static void speak(sbl_evwork *work)
{
    sbl_remote  *r     = (sbl_remote *)(void *)((char *)work - offsetof(sbl_remote, speak));
    sbl_words    words = {0};
    sabal_error  err   = SABAL_ERROR_INIT;
    sabal_status st    = SABAL_OK;

    atomic_store(&r->speaks, 0);
    pthread_mutex_lock(&r->lock);
    if (r->is_joined) {
        sbl_outbox_close(&r->submitter.out);
        words                  = r->submitter.out.words;
        r->submitter.out.words = (sbl_words){0};
    }
    pthread_mutex_unlock(&r->lock);
    if (words.size && r->membership.link)
        st = sbl_talk_letters(r->membership.link, &words, &err);
    sbl_words_clear(&words);
    if (st) {
        sbl_log(SABAL_LOG_ERROR, "the scheduler can't be told: %s", err.message);
        sbl_membership_leave(&r->membership, 0);
    }
}

void sbl_remote_speak(sbl_remote *r)
{
    if (!atomic_exchange(&r->speaks, 1))
        sbl_evloop_post(r->loop, &r->speak);
}

/* --- hearing ------------------------------------------------------------------------------------------------------ */

static void joined(void *arg, uint32_t number, int64_t beat_ns)
{
    sbl_remote *r = arg;

    pthread_mutex_lock(&r->lock);
    r->is_joined = 1;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    sbl_remote_speak(r);
}

static void over(void *arg, const sabal_error *why)
{
    sbl_remote *r = arg;

    pthread_mutex_lock(&r->lock);
    r->is_over = 1;
    r->why     = *why;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    sbl_remote_fail_all(r, why);
    sbl_remote_looks_fail(r, why);
}

static void letters(void *arg, const void *bytes, size_t size)
{
    sbl_remote *r = arg;

    if (sbl_submitter_hear(&r->submitter, bytes, size)) {
        sbl_log(SABAL_LOG_ERROR, "the scheduler said what makes no sense");
        sbl_membership_leave(&r->membership, 0);
    }
}

static void meet(void *arg, uint32_t worker, const sbl_joining *who)
{
    sbl_meetings_met(((sbl_remote *)arg)->meetings, worker, who);
}

static void gone(void *arg, uint32_t worker)
{
    sbl_meetings_lost(((sbl_remote *)arg)->meetings, worker);
}

/* A worker lacks code of this process. */
static void need(void *arg, const sbl_build_id *id)
{
    sbl_remote *r     = arg;
    sbl_words   words = {0};
    char        path[4096];

    if (!sbl_object_path(id, path, sizeof path))
        return; /* another client's */
    sbl_say_object(&words, id);
    sbl_talk(r->membership.link, SBL_TALK_OBJECT, &words, NULL);
    sbl_words_clear(&words);
}

static const sbl_membership_calls CALLS = {.joined  = joined,
                                           .over    = over,
                                           .letters = letters,
                                           .meet    = meet,
                                           .gone    = gone,
                                           .tell    = sbl_remote_told,
                                           .need    = need};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void *run(void *arg)
{
    sbl_evloop_run(((sbl_remote *)arg)->loop);
    return NULL;
}

static void leave(sbl_evwork *work)
{
    sbl_remote *r = (sbl_remote *)(void *)((char *)work - offsetof(sbl_remote, leave));

    if (r->membership.link)
        sbl_membership_leave(&r->membership, PATIENCE_NS / 10);
}

static sabal_status join(sbl_remote *r, int64_t until, sabal_error *err)
{
    sbl_joining *who = sbl_calloc(1, sizeof *who); /* large */
    sabal_status st;

    if (!who)
        return sbl_error_memory(err, sizeof *who, "a cluster's client");
    sbl_machine_here(&who->machine);
    who->pid = (uint32_t)getpid();
    snprintf(who->name, sizeof who->name, "%.40s", program_invocation_short_name);
    st = sbl_membership_join(&r->membership, who, until, err);
    sbl_free(who);
    return st;
}

static sabal_status open_parts(sbl_remote *r, const char *file, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + PATIENCE_NS;
    sabal_status  st    = sbl_evloop_create(&r->loop, 30000, err);

    if (!st)
        st = sbl_membership_open(&r->membership, r->loop, file, SBL_ROLE_CLIENT, until, &CALLS, r, err);
    if (!st)
        st = sbl_loop_turns(&r->turns, r->loop, err);
    if (!st)
        st = sbl_plane_create(&r->plane, &(sbl_plane_options){.turns = r->turns, .lookup = sbl_remote_lookup, .arg = r},
                              err);
    if (!st)
        st = sbl_meetings_create(&r->meetings, &r->membership, r->plane, err);
    return st ? st : join(r, until, err);
}

/* The thread is no more. */
static void free_remote(sbl_remote *r)
{
    sbl_meetings_destroy(r->meetings);
    sbl_plane_destroy(r->plane);
    sbl_loop_turns_clear(&r->turns);
    sbl_membership_clear(&r->membership);
    sbl_remote_data_clear(r);
    sbl_remote_kinds_clear(r);
    sbl_futures_clear(&r->pending);
    sbl_words_clear(&r->submitter.out.words);
    sbl_words_clear(&r->questions.status);
    sbl_evloop_destroy(r->loop);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    sbl_free(r);
}

/* The loop turns until the link has ended. */
static void end_thread(sbl_remote *r)
{
    sbl_evloop_post(r->loop, &r->leave);
    pthread_mutex_lock(&r->lock);
    while (!r->is_over)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    sbl_evloop_stop(r->loop);
    pthread_join(r->thread, NULL);
}

static sabal_status wait_until_joined(sbl_remote *r, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + PATIENCE_NS + PATIENCE_NS / 5; /* the connector has its own, and says more */
    int           late  = 0;

    pthread_mutex_lock(&r->lock);
    while (!r->is_joined && !r->is_over && !late)
        late = !sbl_cond_wait(&r->changed, &r->lock, until);
    pthread_mutex_unlock(&r->lock);
    if (r->is_over)
        return sbl_error_pass(err, &r->why);
    if (!r->is_joined)
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
    sbl_remote  *r = sbl_calloc(1, sizeof *r);
    char         room[4096];
    sabal_status st;

    if (!r)
        return sbl_error_memory(err, sizeof *r, "a cluster's client");
    r->client             = client;
    r->speak.run          = speak;
    r->leave.run          = leave;
    r->questions.work.run = sbl_remote_ask;
    r->submitter.calls    = (sbl_submitter_calls){sbl_remote_done, sbl_remote_failed,      sbl_remote_at,
                                                  sbl_remote_push, sbl_remote_forget_data, r};
    pthread_mutex_init(&r->lock, NULL);
    sbl_cond_init(&r->changed);
    st = open_parts(r, file_of(address, room, sizeof room), err);
    if (!st && sbl_thread_start(&r->thread, run, r))
        st = sbl_error_set(err, SABAL_ENOMEM, "the thread of a cluster's client could not be started");
    if (st) {
        if (!address)
            sbl_error_prefix(err, "SABAL_SCHEDULER_FILE");
        free_remote(r);
        return st;
    }
    client->elsewhere = r;
    st                = wait_until_joined(r, err);
    if (!st)
        st = sbl_local_open(client, options->threads, err);
    if (st) {
        client->elsewhere = NULL;
        end_thread(r);
        free_remote(r);
    }
    return st;
}

static void remote_close(sabal_client *client)
{
    sbl_remote *r = client->elsewhere;

    sbl_held_bring_retained(client->budget);
    end_thread(r);
    sbl_local_close(client); /* before what its threads may give values to goes */
    client->elsewhere = NULL;
    free_remote(r);
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

const sbl_engine sbl_engine_remote = {.name      = "remote",
                                      .open      = remote_open,
                                      .close     = remote_close,
                                      .abandon   = remote_abandon,
                                      .admit     = sbl_local_admit,
                                      .start     = sbl_remote_start,
                                      .call      = call_nothing,
                                      .interrupt = sbl_remote_interrupt,
                                      .stop      = sbl_remote_stop,
                                      .help      = help_nobody,
                                      .make_room = sbl_local_make_room,
                                      .forget    = sbl_remote_forget,
                                      .bring     = sbl_remote_bring,
                                      .fetch     = sbl_local_fetch};
