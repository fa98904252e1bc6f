/* Submitting: futures become groups of alike tasks, in letters. What tasks have in common is told once. */
#include "cluster/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/code.h"
#include "base/error.h"
#include "graph/local.h"

/* --- kinds -------------------------------------------------------------------------------------------------------- */

/* What makes tasks alike. */
typedef struct sbl_remote_kind {
    uint32_t     number; /* 0: none is here */
    int32_t      priority;
    sbl_site     site;
    int64_t      timeout_ns, output_bytes;
    int32_t      retries;
    char        *name;                /* its own; NULL: none */
    char        *workers, *resources; /* where it may run, and what it takes there; NULL: no matter */
    sbl_build_id object;
} kind;

static kind kind_of(const sabal_future *f)
{
    const sbl_rare *rare = sbl_future_rare(f);
    char            made_up[64];

    return (kind){.priority     = f->work.priority,
                  .site         = *f->site,
                  .timeout_ns   = rare ? rare->timeout_ns : 0,
                  .output_bytes = rare ? rare->output_bytes : 0,
                  .retries      = rare ? rare->retries : 0,
                  .workers      = rare ? (char *)rare->workers : NULL,
                  .resources    = rare ? (char *)rare->resources : NULL,
                  .name         = f->named ? (char *)sbl_future_name(f, made_up, sizeof made_up) : NULL};
}

static int same_text(const char *a, const char *b)
{
    return !a == !b && (!a || !strcmp(a, b));
}

static int same(const kind *a, const kind *b)
{
    return a->priority == b->priority && a->site.fn == b->site.fn && a->site.where == b->site.where &&
           a->site.function == b->site.function && a->timeout_ns == b->timeout_ns &&
           a->output_bytes == b->output_bytes && a->retries == b->retries && same_text(a->name, b->name) &&
           same_text(a->workers, b->workers) && same_text(a->resources, b->resources);
}

static uint32_t hash_of(const kind *k)
{
    uint64_t h = (uintptr_t)k->site.fn ^ (uintptr_t)k->site.where * 31 ^ (uint64_t)(uint32_t)k->priority << 7;

    for (const char *c = k->name; c && *c; c++)
        h = h * 33 + (unsigned char)*c;
    return (uint32_t)(h * 0x9e3779b97f4a7c15u >> 40);
}

static kind *place_of(sbl_remote *r, const kind *k)
{
    uint32_t i = hash_of(k) & (r->kinds_room - 1);

    while (r->kinds[i].number && !same(&r->kinds[i], k))
        i = (i + 1) & (r->kinds_room - 1);
    return &r->kinds[i];
}

static int grow(sbl_remote *r)
{
    const uint32_t before = r->kinds_room;
    kind          *old = r->kinds, *table = sbl_calloc(before ? 2 * before : 64, sizeof *table);

    if (!table)
        return 0;
    r->kinds      = table;
    r->kinds_room = before ? 2 * before : 64;
    for (uint32_t i = 0; i < before; i++)
        if (old[i].number)
            *place_of(r, &old[i]) = old[i];
    sbl_free(old);
    return 1;
}

static uint32_t tell_kind(sbl_remote *r, const sabal_future *f, const kind *k, const sbl_code *code)
{
    char        made_up[64];
    const char *name = sbl_future_name(f, made_up, sizeof made_up);

    return sbl_submit_spec(&r->submitter, &(sbl_spec){.priority   = k->priority,
                                                      .retries    = (uint32_t)k->retries,
                                                      .timeout_ns = k->timeout_ns,
                                                      .size       = (uint64_t)k->output_bytes,
                                                      .code       = (const char *)code,
                                                      .code_size  = sizeof *code,
                                                      .name       = name,
                                                      .where      = k->site.where,
                                                      .workers    = k->workers,
                                                      .resources  = k->resources});
}

static void free_texts(kind *k)
{
    sbl_free(k->name);
    sbl_free(k->workers);
    sbl_free(k->resources);
}

/* They were the future's. 0: no memory. */
static int own_texts(kind *k)
{
    const kind its = *k;

    k->name      = its.name ? sbl_strdup(its.name) : NULL;
    k->workers   = its.workers ? sbl_strdup(its.workers) : NULL;
    k->resources = its.resources ? sbl_strdup(its.resources) : NULL;
    if (!k->name == !its.name && !k->workers == !its.workers && !k->resources == !its.resources)
        return 1;
    free_texts(k);
    return 0;
}

/* The number of its kind, told if it is new; 0: no memory, or its function can't be named (err). */
static uint32_t number_of(sbl_remote *r, const sabal_future *f, sabal_error *err)
{
    kind     k = kind_of(f), *place;
    sbl_code code;
    char     made_up[64], what[128];

    if (2 * r->n_kinds >= r->kinds_room && !grow(r)) {
        sbl_error_memory(err, sizeof k, "a kind of task");
        return 0;
    }
    place = place_of(r, &k);
    if (place->number)
        return place->number;
    memset(&code, 0, sizeof code);
    snprintf(what, sizeof what, "the function of task '%.64s'", sbl_future_name(f, made_up, sizeof made_up));
    if (sbl_code_name(&code, (const void *)(uintptr_t)f->site->fn, what, err))
        return 0;
    if (!own_texts(&k)) {
        sbl_error_memory(err, 64, "a task's name");
        return 0;
    }
    k.object = code.object;
    k.number = tell_kind(r, f, &k, &code);
    *place   = k;
    r->n_kinds++;
    return k.number;
}

void sbl_remote_kinds_clear(sbl_remote *r)
{
    for (uint32_t i = 0; i < r->kinds_room; i++)
        free_texts(&r->kinds[i]);
    sbl_free(r->kinds);
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

/* An input that has failed, so that the task does too; NULL: none has. */
static sabal_future *failed_input(const sabal_future *f)
{
    for (int32_t i = 0; i < f->n_inputs; i++)
        if (sbl_future_has_ended(f->edges[i].input) && f->edges[i].input->failed)
            return f->edges[i].input;
    return NULL;
}

/* 0: no memory. */
static int say_inputs(sbl_remote *r, const sabal_future *f)
{
    for (int32_t i = 0; i < f->n_inputs; i++)
        if (!f->edges[i].input->site->fn && !sbl_remote_tell_data(r, f->edges[i].input))
            return 0;
    return 1;
}

static int is_alone(const sabal_future *f, const sabal_future *g)
{
    return f->n_inputs || g->n_inputs || f->site != g->site || f->has_rare || g->has_rare ||
           f->arg_size != g->arg_size || f->work.priority != g->work.priority;
}

/* The first of them and those that are like it and follow it; how many these are. What can't be told fails: *why. */
static int64_t say_some(sbl_remote *r, sabal_future **futures, int64_t n, sabal_error *why)
{
    sabal_future *f     = futures[0];
    const int     each  = sbl_future_rare(f) ? sbl_future_rare(f)->each : 0;
    int64_t       alike = 1;
    sbl_group     group = {
            .serial = f->serial, .spec = number_of(r, f, why), .n_inputs = (uint32_t)f->n_inputs, .arg_size = f->arg_size};
    sbl_words *w;

    if (!group.spec || !say_inputs(r, f)) {
        sbl_error_memory(why, sizeof group, "a task");
        return 1;
    }
    while (alike < n && !is_alone(f, futures[alike]))
        alike++;
    for (int64_t i = 0; i < alike; i++)
        if (!sbl_futures_put(&r->pending, futures[i]->serial, futures[i])) {
            sbl_error_memory(why, sizeof(sbl_futures_page), "a task");
            while (i--)
                sbl_futures_take(&r->pending, futures[i]->serial);
            return alike;
        }
    group.n = (uint32_t)alike;
    w       = sbl_outbox_item(r->submitter.out, each ? SBL_LETTER_EACH : SBL_LETTER_TASKS);
    sbl_say_group(w, &group);
    for (int32_t i = 0; i < f->n_inputs; i++)
        sbl_say_u64(w, f->edges[i].input->serial);
    for (int64_t i = 0; i < alike; i++)
        sbl_say(w, sbl_future_arg(futures[i]), f->arg_size);
    if (each)
        sbl_say_u32(w, each == SBL_EACH_LATER);
    if (sbl_future_rare(f) && sbl_future_rare(f)->replicas) /* who has that is alone */
        sbl_remote_say_replicas(r, f, sbl_future_rare(f)->replicas);
    return alike;
}

/* With the lock held, which is given up to end what can't be submitted. */
static int64_t submit_some(sbl_remote *r, sabal_future **futures, int64_t n)
{
    sabal_future *bad  = failed_input(futures[0]);
    sabal_error   why  = SABAL_ERROR_INIT;
    int64_t       some = 1;

    if (bad) {
        pthread_mutex_unlock(r->lock);
        sbl_remote_fail(futures[0], sbl_failure_retain(bad->result.failure));
        pthread_mutex_lock(r->lock);
        return 1;
    }
    if (r->is_over)
        why = r->why;
    else
        some = say_some(r, futures, n, &why);
    if (why.status) {
        pthread_mutex_unlock(r->lock);
        for (int64_t i = 0; i < some; i++) {
            sabal_error own = why;

            sbl_error_where(&own, futures[i]->site->where);
            sbl_remote_fail(futures[i], sbl_failure_make(&own));
        }
        pthread_mutex_lock(r->lock);
    }
    return some;
}

/* Inputs are the scheduler's to keep, once it was told; here nobody waits for them. */
void sbl_remote_start(sabal_client *client, sabal_future **futures, int64_t n)
{
    sbl_remote *r = sbl_remote_of(client);

    for (int64_t i = 0; i < n; i++) {
        sbl_future_keep(futures[i]); /* it may end, and be released, as soon as it is told */
        futures[i]->elsewhere = 1;
    }
    pthread_mutex_lock(r->lock);
    for (int64_t i = 0; i < n;)
        i += submit_some(r, futures + i, n - i);
    pthread_mutex_unlock(r->lock);
    sbl_speak(r->speaker);
    for (int64_t i = 0; i < n; i++) {
        sbl_future_release_inputs(futures[i]);
        sbl_future_unkeep(futures[i]);
    }
}
