/*
 * One thread, one loop. A member is a link that has passed the handshake and said who it is; from then on it has a number in
 * the core. All that the core has to say after a turn of the loop goes out at its end, together.
 */
#include "cluster/office_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"

void sbl_office_speak_later(sbl_office *o)
{
    sbl_evloop_later(o->loop, &o->speak);
}

void sbl_office_speak(sbl_evwork *work)
{
    sbl_office *o = (sbl_office *)((char *)work - offsetof(sbl_office, speak));

    sbl_office_tell_workers(o);
    sbl_record_send(o->record, o->core);
    if (sbl_scheduler_has_failed(o->core)) {
        sbl_log(SABAL_LOG_ERROR, "the scheduler has no memory: it ends");
        sbl_evloop_stop(o->loop);
    }
}

/* --- time and signals --------------------------------------------------------------------------------------------- */

static void tick(sbl_evtimer *timer)
{
    sbl_office   *o   = (sbl_office *)((char *)timer - offsetof(sbl_office, tick));
    const int64_t now = sbl_clock_ns();

    sbl_record_tick(o->record, o->core, now);
    sbl_office_watch_tick(&o->watch, now);
    sbl_office_speak_later(o);
    if (o->options.idle_ns && !o->n_clients && now - o->lonely_since > o->options.idle_ns) {
        sbl_log(SABAL_LOG_INFO, "no client for %.0f s: the scheduler ends", (double)o->options.idle_ns / 1e9);
        sbl_evloop_stop(o->loop);
        return;
    }
    sbl_evtimer_set(o->loop, timer, now + SBL_SECOND_NS / 4);
}

static void asked_to_end(void *arg)
{
    sbl_evloop_stop(((sbl_office *)arg)->loop);
}

/* --- its beginning and end ---------------------------------------------------------------------------------------- */

static sabal_status listen_all(sbl_office *o, sabal_error *err)
{
    char               path[SBL_UNIX_TEXT];
    sbl_listen_options options = {.tcp          = o->options.tcp,
                                  .interfaces   = o->options.interfaces,
                                  .n_interfaces = o->options.n_interfaces,
                                  .port         = o->options.port,
                                  .path         = path,
                                  .link         = {.calls   = &sbl_link_nobody,
                                                   .self    = &o->self,
                                                   .key     = sbl_keys_find,
                                                   .key_arg = &o->keys,
                                                   .limits  = sbl_talk_limits},
                                  .admitted     = sbl_office_admitted,
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
static sabal_status check_file(const sbl_office *o, sabal_error *err)
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

static sabal_status open_all(sbl_office *o, sabal_error *err)
{
    const sbl_scheduler_calls calls = sbl_office_calls(o);
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
    o->losses = sbl_office_losses_create(o->loop, SBL_SECOND_NS, sbl_office_lose_worker, o);
    if (!o->core || !o->code || !o->losses)
        return sbl_error_memory(err, sizeof *o, "the scheduler");
    o->watch = (sbl_office_watch){.core           = o->core,
                                  .file           = &o->file,
                                  .path           = o->options.file,
                                  .started_ns     = sbl_clock_ns(),
                                  .quiet_limit_ns = o->options.watchdog_ns,
                                  .who            = sbl_office_who_is,
                                  .tell_clients   = sbl_office_tell_clients,
                                  .arg            = o};
    st       = check_file(o, err);
    if (!st)
        st = listen_all(o, err);
    if (!st)
        st = sbl_scheduler_file_write(o->options.file, &o->file, err);
    return st;
}

/* Members hear that it is over, and not that a connection broke. */
static void say_farewell(sbl_office *o)
{
    const int64_t until = sbl_clock_ns() + SBL_SECOND_NS / 2;

    for (sbl_member *m = o->first; m; m = m->next) {
        sbl_office_tell_news(m);
        sbl_office_say_over(m->link);
    }
    while (o->first && sbl_clock_ns() < until)
        sbl_evloop_turn(o->loop, sbl_clock_ns() + SBL_SECOND_NS / 100);
    for (sbl_member *m = o->first; m; m = m->next)
        sbl_link_close(m->link, 0);
    sbl_evloop_turn(o->loop, 0);
}

static void close_all(sbl_office *o)
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
    sbl_office  *o = sbl_calloc(1, sizeof *o);
    sabal_status st;

    if (!o)
        return sbl_error_memory(err, sizeof *o, "the scheduler");
    o->options    = *options;
    o->signals.fd = -1;
    o->speak.run  = sbl_office_speak;
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
