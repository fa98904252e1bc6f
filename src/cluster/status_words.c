/* Words of a status. Texts stay in the message while they are told. */
#include "cluster/status_words.h"

#include <stdio.h>

#include "base/error.h"
#include "base/struct.h"

static const char *const STATES[] = {"running", "suspect", "leaving"};
enum { N_STATES = sizeof STATES / sizeof *STATES };

/* --- saying ------------------------------------------------------------------------------------------------------- */

static void say_machine(sbl_words *w, const sbl_machine *machine, int32_t pid)
{
    sbl_say_text(w, machine->host);
    sbl_say_text(w, machine->boot);
    sbl_say_u64(w, machine->pid_namespace);
    sbl_say_u32(w, (uint32_t)pid);
}

void sbl_say_cluster(sbl_words *w, const sabal_cluster_info *info, const sbl_machine *machine)
{
    const int64_t numbers[] = {info->age_ns, info->waiting, info->ready,    info->sent, info->chained,
                               info->done,   info->failed,  info->released, info->ended};

    sbl_say_u32(w, SBL_STATUS_FORMAT);
    sbl_say_text(w, info->version);
    sbl_say_text(w, info->id);
    sbl_say_text(w, info->addresses);
    say_machine(w, machine, info->pid);
    sbl_say_u32(w, (uint32_t)info->clients);
    sbl_say_u32(w, (uint32_t)info->threads);
    sbl_say(w, numbers, sizeof numbers);
    sbl_say(w, &info->per_second, sizeof info->per_second);
    sbl_say_u32(w, (uint32_t)info->workers);
}

void sbl_say_worker(sbl_words *w, const sabal_worker_info *worker, const sbl_machine *machine)
{
    uint32_t      state     = 0;
    const int64_t numbers[] = {worker->number,
                               (int64_t)worker->memory_used,
                               (int64_t)worker->memory_limit,
                               worker->running,
                               worker->queued,
                               worker->done,
                               worker->failed,
                               worker->silent_ns};

    while (state + 1 < N_STATES && strcmp(worker->state, STATES[state]) != 0)
        state++;
    sbl_say_text(w, worker->name);
    say_machine(w, machine, worker->pid);
    sbl_say_u32(w, state);
    sbl_say_u32(w, (uint32_t)worker->threads);
    sbl_say(w, numbers, sizeof numbers);
    sbl_say_text(w, worker->resources);
    sbl_say_text(w, worker->resources_used);
}

/* --- hearing ------------------------------------------------------------------------------------------------------ */

static void hear_field(char *field, size_t size, sbl_reader *r)
{
    snprintf(field, size, "%s", sbl_hear_text(r));
}

static int64_t hear_number(sbl_reader *r)
{
    const uint64_t n = sbl_hear_u64(r);

    if (n > INT64_MAX)
        r->failed = 1;
    return r->failed ? 0 : (int64_t)n;
}

static int32_t hear_count(sbl_reader *r)
{
    const uint32_t n = sbl_hear_u32(r);

    if (n > INT32_MAX)
        r->failed = 1;
    return r->failed ? 0 : (int32_t)n;
}

/* Returns whether it is this machine, and process numbers mean the same. */
static int hear_machine(const char **host, int32_t *pid, const sbl_machine *here, sbl_reader *r)
{
    sbl_machine machine = {.host = ""};

    *host = sbl_hear_text(r);
    snprintf(machine.host, sizeof machine.host, "%s", *host);
    hear_field(machine.boot, sizeof machine.boot, r);
    machine.pid_namespace = sbl_hear_u64(r);
    *pid                  = hear_count(r);
    return sbl_machine_same(&machine, here) && machine.pid_namespace == here->pid_namespace;
}

static void hear_cluster(sabal_cluster_info *info, const sbl_machine *here, sbl_reader *r)
{
    const char *host;

    if (sbl_hear_u32(r) != SBL_STATUS_FORMAT)
        r->failed = 1;
    hear_field(info->version, sizeof info->version, r);
    hear_field(info->id, sizeof info->id, r);
    hear_field(info->addresses, sizeof info->addresses, r);
    info->is_here = hear_machine(&host, &info->pid, here, r);
    snprintf(info->host, sizeof info->host, "%s", host);
    info->clients  = hear_count(r);
    info->threads  = hear_count(r);
    info->age_ns   = hear_number(r);
    info->waiting  = hear_number(r);
    info->ready    = hear_number(r);
    info->sent     = hear_number(r);
    info->chained  = hear_number(r);
    info->done     = hear_number(r);
    info->failed   = hear_number(r);
    info->released = hear_number(r);
    info->ended    = hear_number(r);
    memcpy(&info->per_second, &(uint64_t){sbl_hear_u64(r)}, sizeof info->per_second);
    info->workers = hear_count(r);
    if (info->workers > SBL_MOST_STATUS_WORKERS)
        r->failed = 1;
}

static void hear_worker(sabal_worker_info *worker, const sbl_machine *here, sbl_reader *r)
{
    uint32_t state;

    worker->name           = sbl_hear_text(r);
    worker->is_here        = hear_machine(&worker->host, &worker->pid, here, r);
    state                  = sbl_hear_u32(r);
    worker->state          = STATES[state < N_STATES ? state : 0];
    worker->threads        = hear_count(r);
    worker->number         = hear_number(r);
    worker->memory_used    = (size_t)hear_number(r);
    worker->memory_limit   = (size_t)hear_number(r);
    worker->running        = hear_number(r);
    worker->queued         = hear_number(r);
    worker->done           = hear_number(r);
    worker->failed         = hear_number(r);
    worker->silent_ns      = hear_number(r);
    worker->resources      = sbl_hear_text(r);
    worker->resources_used = sbl_hear_text(r);
    if (state >= N_STATES)
        r->failed = 1;
}

sabal_status sbl_hear_cluster(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user, sbl_reader *r,
                              sabal_error *err)
{
    sabal_cluster_info found  = {.struct_size = sizeof found};
    sabal_worker_info  worker = {.struct_size = sizeof worker};
    sbl_reader         again;
    sbl_machine        here;

    sbl_machine_here(&here);
    hear_cluster(&found, &here, r);
    again = *r;
    for (int32_t i = 0; i < found.workers && !r->failed; i++)
        hear_worker(&worker, &here, r);
    if (r->failed)
        return sbl_error_set(err, SABAL_EPEER, "the scheduler's answer makes no sense");
    if (sbl_struct_give(info, &found, sizeof found))
        return sbl_error_set(err, SABAL_EINVAL, "struct_size of the sabal_cluster_info is not set");
    for (int32_t i = 0; i < found.workers && fn; i++) {
        hear_worker(&worker, &here, &again);
        if (fn(user, &worker))
            break;
    }
    return SABAL_OK;
}
