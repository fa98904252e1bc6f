/* The record of a task and its future: layout, names, failures, and the two counts that end it. */
#include "graph/future.h"

#include <assert.h>
#include <ctype.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/slab.h"
#include "graph/budget.h"
#include "graph/client.h"
#include "graph/sites.h"
#include "graph/watch.h"
#include "sched/chaos.h"

#define LOG_SUM_EVERY 20 /* small results are summed each time that a shard has so many bytes more, as a power of two */

static void future_destroy(void *handle);

static const sbl_handle_class FUTURE          = {.name = "future", .destroy = future_destroy};
static const sbl_handle_class IMMORTAL_FUTURE = {.name = "failed future", .immortal = 1};

sbl_failure sbl_failure_no_memory = {
    .immortal = 1,
    .error = {.struct_size = sizeof(sabal_error), .status = SABAL_ENOMEM, .message = "no memory for a task's record"}};
sbl_failure sbl_failure_no_client = {.immortal = 1,
                                     .error    = {.struct_size = sizeof(sabal_error),
                                                  .status      = SABAL_EINVAL,
                                                  .message = "the client is NULL: give one that sabal_open() returned"}};
sbl_failure sbl_failure_forked    = {
       .immortal = 1,
       .error    = {.struct_size = sizeof(sabal_error),
                    .status      = SABAL_EFORKED,
                    .message     = "this process was forked after the client was opened, and its threads stayed behind: "
                                         "open a client of its own in the child"}};
sbl_failure sbl_failure_closed = {
    .immortal = 1,
    .error    = {.struct_size = sizeof(sabal_error), .status = SABAL_ECLOSED, .message = "the client was closed"}};

static const sbl_site no_site = {0}, failed_site = {.function = "failed"}, scatter_site = {.function = "scatter"};

#define IMMORTAL(failure_)                                                                                             \
    {                                                                                                                  \
        .handle = SBL_IMMORTAL(&IMMORTAL_FUTURE), .stage = SBL_FAILED, .failed = 1, .dependents = SBL_CLOSED,          \
        .ended.word = 1, .result.failure = &(failure_), .keep = 1, .result_keep = 1, .site = &no_site                  \
    }
sabal_future sbl_future_no_memory = IMMORTAL(sbl_failure_no_memory);
sabal_future sbl_future_no_client = IMMORTAL(sbl_failure_no_client);
sabal_future sbl_future_forked    = IMMORTAL(sbl_failure_forked);
sabal_future sbl_future_closed    = IMMORTAL(sbl_failure_closed);

/* --- layout ------------------------------------------------------------------------------------------------ */

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t rare_offset(int32_t n_inputs)
{
    return offsetof(sabal_future, edges) + sizeof(sbl_edge) * (size_t)(n_inputs > 0 ? n_inputs : 1);
}

/*
 * A small argument of a task without inputs lies in the room of the edge, which is needed only if the task returns a
 * future: it has run then. What is needed afterwards, its name, does not.
 */
static size_t arg_offset(int32_t n_inputs, size_t arg_size, int has_more)
{
    const size_t in_edge = round_up(offsetof(sabal_future, edges), 16);

    if (!n_inputs && !has_more && in_edge + arg_size <= rare_offset(0))
        return in_edge;
    return round_up(rare_offset(n_inputs) + (has_more ? sizeof(sbl_rare) : 0), 16);
}

static size_t arg_offset_of(const sabal_future *f)
{
    return arg_offset(f->n_inputs, f->arg_size, f->has_rare);
}

const void *sbl_future_arg(const sabal_future *f)
{
    return f->arg_size ? (const char *)f + arg_offset_of(f) : NULL;
}

void sbl_future_set_tag(sabal_future *f, void *tag)
{
    ((sbl_rare *)sbl_future_rare(f))->tag = tag;
}

const sbl_rare *sbl_future_rare(const sabal_future *f)
{
    return f->has_rare ? (const void *)((const char *)f + rare_offset(f->n_inputs)) : NULL;
}

/* --- room ------------------------------------------------------------------------------------------------------- */

/* What a task's record has beside the usual. */
static int needs_rare(const sbl_task_spec *spec, const sbl_site *site)
{
    return !site || spec->name || spec->timeout_ns > 0 || spec->retries > 0 || spec->output_bytes >= SBL_HELD_FROM ||
           spec->workers || spec->resources || spec->each || spec->replicas;
}

static size_t at_least(size_t size)
{
    const size_t least = sizeof(sabal_future) + sizeof(sbl_edge);

    return size > least ? size : least;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* With texts behind its argument. 0: more than there can be. */
static size_t record_size(size_t at, size_t arg_size, size_t texts)
{
    size_t size;

    if (__builtin_add_overflow(at + texts, arg_size, &size))
        return 0;
    return at_least(size);
}

static size_t size_of(const sbl_task_spec *spec, const sbl_site *site)
{
    const size_t at = arg_offset(spec->n_inputs, spec->arg_size, needs_rare(spec, site));

    return record_size(at, spec->arg_size,
                       text_size(spec->name) + text_size(spec->workers) + text_size(spec->resources));
}

/* The name that it was given; NULL: none. */
static const char *own_name(const sabal_future *f)
{
    return f->named ? (const char *)f + arg_offset_of(f) + f->arg_size : NULL;
}

/* As it was when room was made for it. */
static size_t size_of_future(const sabal_future *f)
{
    const sbl_rare *rare  = sbl_future_rare(f);
    const size_t    texts = rare ? text_size(rare->workers) + text_size(rare->resources) : 0;

    return record_size(arg_offset_of(f), f->arg_size, text_size(own_name(f)) + texts);
}

sabal_future *sbl_future_room(const sbl_task_spec *spec, const sbl_site *site)
{
    size_t size = size_of(spec, site);

    return size ? sbl_slab_alloc(size) : NULL;
}

void sbl_future_free_room(sabal_future *f, const sbl_task_spec *spec, const sbl_site *site)
{
    sbl_slab_free(f, size_of(spec, site));
}

/* --- making ----------------------------------------------------------------------------------------------------- */

static void begin(sabal_future *f, sabal_client *client)
{
    memset(f, 0, sizeof *f);
    sbl_handle_init(f, &FUTURE);
    f->client = client;
    atomic_init(&f->keep, 2);
    atomic_init(&f->result_keep, 2);
}

static void put_rare(sabal_future *f, const sbl_task_spec *spec, const char *function)
{
    sbl_rare *rare = (sbl_rare *)(void *)((char *)f + rare_offset(f->n_inputs));

    *rare       = (sbl_rare){.timeout_ns   = spec->timeout_ns,
                             .output_bytes = (int64_t)(spec->output_bytes < INT64_MAX ? spec->output_bytes : INT64_MAX),
                             .retries      = spec->retries,
                             .each         = spec->each,
                             .replicas     = spec->replicas,
                             .tag          = spec->tag,
                             .site         = {.fn = spec->fn, .function = function, .where = spec->where}};
    f->has_rare = 1;
}

static const char *put_text(char **at, const char *text)
{
    char *put = *at;

    if (!text)
        return NULL;
    strcpy(put, text);
    *at += strlen(text) + 1;
    return put;
}

static void put_texts(sabal_future *f, const sbl_task_spec *spec, char *at)
{
    sbl_rare *rare = (sbl_rare *)sbl_future_rare(f);

    put_text(&at, spec->name);
    if (!rare)
        return;
    rare->workers   = put_text(&at, spec->workers);
    rare->resources = put_text(&at, spec->resources);
}

void sbl_future_make(sabal_future *f, sabal_client *client, const sbl_task_spec *spec, const sbl_site *site,
                     const char *function, uint64_t serial)
{
    char *arg;

    begin(f, client);
    f->serial        = serial;
    f->work.priority = spec->priority;
    f->n_inputs      = spec->n_inputs;
    f->arg_size      = (uint32_t)spec->arg_size;
    f->sized         = spec->output_bytes != 0;
    f->again         = spec->again && !spec->n_inputs;
    atomic_init(&f->missing, spec->n_inputs + 1);
    for (int32_t i = 0; i < spec->n_inputs; i++) {
        assert(spec->inputs[i] && "an input of a task is NULL");
        f->edges[i] = (sbl_edge){.owner = f, .input = sbl_handle_retain(spec->inputs[i])};
    }
    if (needs_rare(spec, site))
        put_rare(f, spec, function);
    f->site = site ? site : &sbl_future_rare(f)->site;
    arg     = (char *)f + arg_offset_of(f);
    if (spec->arg_size)
        memcpy(arg, spec->arg, spec->arg_size);
    f->named = spec->name != NULL;
    put_texts(f, spec, arg + spec->arg_size);
}

/* --- futures that have ended from the start -------------------------------------------------------------------- */

static sabal_future *make_ended(sabal_client *client, const sbl_site *site)
{
    sabal_future *f = sbl_slab_alloc(at_least(0));

    if (!f)
        return NULL;
    begin(f, client);
    f->site = site;
    sbl_client_retain(client);
    return f;
}

static void set_ended(sabal_future *f, uint32_t stage)
{
    f->released = 1;
    atomic_init(&f->keep, 1);
    atomic_init(&f->result_keep, 1);
    atomic_init(&f->dependents, SBL_CLOSED);
    atomic_init(&f->ended.word, 1);
    atomic_init(&f->stage, stage);
    f->serial = 1 + atomic_fetch_add_explicit(&f->client->serial, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&f->client->ended_at_once, memory_order_relaxed))
        atomic_store(&f->client->ended_at_once, 1); /* before the look for a descriptor: pairs with sabal_client_fd() */
    sbl_client_raise_fd(f->client);
}

sabal_future *sbl_future_failed(sabal_client *client, const sabal_error *err)
{
    sabal_future *f;

    if (!client || client == &sbl_client_none)
        return &sbl_future_no_client;
    if (err->status == SABAL_EFORKED)
        return &sbl_future_forked;
    if (sbl_client_is_closing(client))
        return &sbl_future_closed;
    f = client == &sbl_client_no_memory ? NULL : make_ended(client, &failed_site);
    if (!f)
        return &sbl_future_no_memory;
    f->result.failure =
        client->failure && err == &client->failure->error ? sbl_failure_retain(client->failure) : sbl_failure_make(err);
    f->failed = 1;
    set_ended(f, SBL_FAILED);
    return f;
}

sabal_future *sbl_future_scattered(sabal_client *client, sbl_value *value)
{
    sabal_future *f = make_ended(client, &scatter_site);

    if (!f) {
        sbl_value_release(value);
        return NULL;
    }
    f->result.value = value;
    sbl_held_make(f);
    sbl_future_count_result(f, 1);
    set_ended(f, SBL_FINISHED);
    return f;
}

/* --- the two counts -------------------------------------------------------------------------------------------- */

void sbl_future_keep(sabal_future *f)
{
    atomic_fetch_add_explicit(&f->keep, 1, memory_order_relaxed);
}

void sbl_future_unkeep(sabal_future *f)
{
    sabal_client *client = f->client;

    /* acq_rel: whoever frees it sees all that the others did */
    if (atomic_fetch_sub_explicit(&f->keep, 1, memory_order_acq_rel) > 1)
        return;
    sbl_watch_clear(f);
    sbl_slab_free(f, size_of_future(f));
    sbl_client_release(client);
}

void sbl_future_count_result(sabal_future *f, int sign)
{
    const int64_t bytes = (int64_t)sbl_result_bytes(f);
    sbl_shard    *shard = sbl_client_shard(f->client);

    int64_t before;

    sbl_count(&shard->values, sign);
    if (!bytes)
        return;
    before = atomic_fetch_add_explicit(&shard->bytes, sign * bytes, memory_order_relaxed);
    sbl_budget_count_result(f->client->budget, f, sign);
    if (f->client->budget && (before ^ (before + sign * bytes)) >> LOG_SUM_EVERY)
        sbl_budget_sum_small(f->client->budget);
}

void sbl_future_drop_result(sabal_future *f)
{
    /* acq_rel: the second one sees the result that the publisher wrote */
    if (atomic_fetch_sub_explicit(&f->result_keep, 1, memory_order_acq_rel) > 1)
        return;
    if (f->failed) {
        sbl_failure_release(f->result.failure);
        return;
    }
    sbl_future_count_result(f, -1);
    if (f->is_held)
        sbl_held_release(f->result.held);
    else if (!f->small)
        sbl_value_release(f->result.value);
}

/* Nobody wants the result any more. The task itself is not cancelled by that: it may be run for what it does. */
static void future_destroy(void *handle)
{
    sabal_future *f = handle;

    if (sbl_client_is_forked(f->client))
        return; /* the memory is a copy of the parent's, in whatever state its threads left it */
    if (f->client->engine && f->client->engine->forget)
        f->client->engine->forget(f);
    sbl_future_drop_result(f);
    sbl_chaos();
    sbl_future_unkeep(f);
}

/* --- inputs ---------------------------------------------------------------------------------------------------- */

/* Held for a few instructions; a thread that loses its core meanwhile is given ours. */
static void lock_edges(sabal_future *f)
{
    /* acquire: pairs with the release in sbl_edges_unlock() */
    for (int tries = 0; atomic_exchange_explicit(&f->edges_lock, 1, memory_order_acquire); tries++)
        if (tries > 100)
            sched_yield();
}

void sbl_edges_unlock(sabal_future *f)
{
    atomic_store_explicit(&f->edges_lock, 0, memory_order_release);
}

int sbl_edges_lock(sabal_future *f)
{
    lock_edges(f);
    if (!f->released)
        return 1;
    sbl_edges_unlock(f);
    return 0;
}

sbl_edge *sbl_edges_replace(sabal_future *f, sabal_future *target)
{
    lock_edges(f);
    f->edges[0] = (sbl_edge){.owner = f, .input = sbl_handle_retain(target)};
    f->chained  = 1;
    f->released = 0;
    sbl_edges_unlock(f);
    return &f->edges[0];
}

/* Ending: f->n_inputs inputs, or the future that it returned. */
void sbl_future_release_inputs(sabal_future *f)
{
    int32_t n = f->chained ? 1 : f->n_inputs;

    if (!n || !sbl_edges_lock(f))
        return;
    f->released = 1;
    sbl_edges_unlock(f);
    for (int32_t i = 0; i < n; i++) {
        sabal_future *input = f->edges[i].input;

        if (f->client->budget && !f->chained && sbl_future_has_ended(input) && input->is_held)
            sbl_held_unwanted(input->result.held);
        sbl_handle_release(input);
    }
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static int is_identifier(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return 0;
    while (*text && (isalnum((unsigned char)*text) || *text == '_'))
        text++;
    return !*text;
}

const char *sbl_future_name(const sabal_future *f, char *text, size_t size)
{
    Dl_info     info = {0};
    const char *file;
    void       *code;

    if (f->named)
        return own_name(f);
    if (!f->site->fn && f->site->function)
        return f->site->function;
    memcpy(&code, &f->site->fn, sizeof code);
    if (code && dladdr(code, &info) && info.dli_sname && info.dli_saddr == code)
        return info.dli_sname; /* only an exact hit: static functions have no dynamic symbol, others lie around */
    if (f->site->function && is_identifier(f->site->function))
        return f->site->function;
    file = info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
    if (info.dli_fname)
        snprintf(text, size, "%s+0x%" PRIxPTR, file ? file + 1 : info.dli_fname,
                 (uintptr_t)code - (uintptr_t)info.dli_fbase);
    else
        snprintf(text, size, "0x%" PRIxPTR, (uintptr_t)code);
    return text;
}

void sbl_future_write_key(const sabal_future *f, char *text, size_t size)
{
    char        made_up[64];
    const char *name = sbl_future_name(f, made_up, sizeof made_up);

    /* a long name is cut, not the number: keys stay unique */
    snprintf(text, size, "%.40s-%" PRIu64, name, f->serial);
}

/* --- failures -------------------------------------------------------------------------------------------------- */

sbl_failure *sbl_failure_make(const sabal_error *err)
{
    sbl_failure *failure = sbl_alloc(sizeof *failure);

    if (!failure)
        return &sbl_failure_no_memory;
    atomic_init(&failure->refs, 1);
    failure->immortal = 0;
    failure->no_room  = 0;
    failure->error    = *err;
    return failure;
}

sbl_failure *sbl_failure_of_task(const sabal_future *f, sabal_status status, const char *format, ...)
{
    sabal_error err = SABAL_ERROR_INIT;
    char        key[64];
    va_list     args;

    va_start(args, format);
    sbl_error_setv(&err, status, format, args);
    va_end(args);
    sbl_future_write_key(f, key, sizeof key);
    sbl_error_task(&err, key);
    sbl_error_where(&err, f->site->where);
    return sbl_failure_make(&err);
}

sbl_failure *sbl_failure_retain(sbl_failure *failure)
{
    if (!failure->immortal)
        atomic_fetch_add_explicit(&failure->refs, 1, memory_order_relaxed);
    return failure;
}

void sbl_failure_release(sbl_failure *failure)
{
    /* acq_rel: whoever frees it sees it unused by the others */
    if (failure && !failure->immortal && atomic_fetch_sub_explicit(&failure->refs, 1, memory_order_acq_rel) == 1)
        sbl_free(failure);
}
