/* The receiver's half: asking, being told, making room, and the end of each pull, which its owner hears of once. */
#include "cluster/net/pull.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

/* --- its end ---------------------------------------------------------------------------------------------------- */

static void pull_free(sbl_pull *p)
{
    sbl_landing_clear(&p->landing);
    if (p->lease)
        sbl_lease_release(p->lease);
    sbl_free(p);
}

/* Out of all lists. What still refers to it frees it in the end. */
static void leave(sbl_pull *p)
{
    sbl_pair *pair = p->pair;

    if (p->state == SBL_PULL_LINE)
        sbl_list_remove(&pair->line, &p->queue);
    else
        sbl_ids_remove(&pair->pulls, &p->link);
    if (p->state == SBL_PULL_READY)
        sbl_list_remove(&pair->ready, &p->queue);
    pair->n_asked -= p->state == SBL_PULL_ASKED;
    if (p->state == SBL_PULL_FLOWING) {
        for (int32_t i = 0; i < pair->options.n_fds; i++)
            sbl_stream_divert(pair->streams[i], p->link.id);
        pair->n_flowing--;
        sbl_pair_flow(pair, 0);
    }
    p->is_gone = 1;
    p->pair    = NULL;
}

static void end(sbl_pull *p)
{
    if (p->pair)
        leave(p);
    if (!p->busy && !p->is_posted)
        pull_free(p);
}

/* 1: the holder has something of it to end. */
static int holder_works(const sbl_pull *p)
{
    return p->state == SBL_PULL_ASKED || p->state == SBL_PULL_FLOWING ||
           (!p->lease && (p->state == SBL_PULL_ANNOUNCED || p->state == SBL_PULL_READY));
}

static void drop(sbl_pull *p, int tell)
{
    if (tell && holder_works(p))
        sbl_pair_send(p->pair, &(sbl_packet){.type = SBL_PACKET_DROP, .id = p->link.id}, NULL, -1);
}

void sbl_pull_fail(sbl_pull *p, const sabal_error *why, int tell)
{
    const sbl_pull_events *events = p->events;
    sbl_pair              *pair   = p->pair;
    void                  *arg    = p->arg;

    drop(p, tell);
    end(p);
    events->failed(arg, why);
    if (pair->state == SBL_PAIR_UP)
        sbl_pulls_go_on(pair);
}

void sbl_pulls_fail(sbl_pair *pair, const sabal_error *why)
{
    sbl_id_link *link;

    while ((link = sbl_ids_any(&pair->pulls)))
        sbl_pull_fail((sbl_pull *)link, why, 0);
    while (pair->line.first)
        sbl_pull_fail((sbl_pull *)(void *)((char *)pair->line.first - offsetof(sbl_pull, queue)), why, 0);
}

void sbl_pull_cancel(sbl_pull *p)
{
    sbl_pair *pair = p->pair;

    drop(p, 1);
    end(p);
    if (pair->state == SBL_PAIR_UP)
        sbl_pulls_go_on(pair);
}

void sbl_pull_refuse(sbl_pull *p, const sabal_error *why)
{
    sbl_pull_fail(p, why, 1);
}

/* It is all here. */
static void complete(sbl_pull *p)
{
    const sbl_pull_events *events = p->events;
    sbl_pair              *pair   = p->pair;
    void                  *arg    = p->arg;
    sbl_value             *value;
    sabal_error            err = SABAL_ERROR_INIT;
    sabal_status           st  = sbl_landing_value(&p->landing, &value, &err);

    end(p);
    if (st)
        events->failed(arg, &err);
    else
        events->done(arg, value);
    if (pair->state == SBL_PAIR_UP)
        sbl_pulls_go_on(pair);
}

static void complete_later(sbl_plane *plane, sbl_errand *errand)
{
    sbl_pull *p = (sbl_pull *)(void *)((char *)errand - offsetof(sbl_pull, errand));

    p->is_posted = 0;
    if (p->is_gone) {
        end(p);
    } else if (p->broken[0]) {
        sabal_error err = SABAL_ERROR_INIT;

        sbl_error_set(&err, p->why, "a value did not come from another process: %s", p->broken);
        sbl_pull_fail(p, &err, 1);
    } else {
        complete(p);
    }
}

static void post_completion(sbl_pull *p)
{
    if (p->is_posted)
        return;
    p->is_posted  = 1;
    p->errand.run = complete_later;
    sbl_plane_post(p->pair->plane, &p->errand);
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

static void ask(sbl_pull *p)
{
    sbl_pair *pair    = p->pair;
    uint64_t  name[3] = {p->name.task, p->name.attempt, p->events->announced ? p->events->admitted : UINT64_MAX};

    sbl_list_remove(&pair->line, &p->queue);
    p->link.id = ++pair->next_id;
    p->state   = SBL_PULL_ASKED;
    pair->n_asked++;
    sbl_ids_add(&pair->pulls, &p->link);
    sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_ASK, .size = sizeof name, .id = p->link.id}, name, -1);
}

static void take(sbl_pull *p)
{
    sbl_pair *pair = p->pair;

    sbl_list_remove(&pair->ready, &p->queue);
    p->state = SBL_PULL_FLOWING;
    pair->n_flowing++;
    sbl_pair_flow(pair, 1);
    sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_TAKE, .id = p->link.id}, NULL, -1);
}

void sbl_pulls_go_on(sbl_pair *pair)
{
    while (pair->line.first && pair->n_asked < SBL_PAIR_ASKED)
        ask((sbl_pull *)(void *)((char *)pair->line.first - offsetof(sbl_pull, queue)));
    while (pair->ready.first && pair->n_flowing < SBL_PAIR_FLOWS)
        take((sbl_pull *)(void *)((char *)pair->ready.first - offsetof(sbl_pull, queue)));
}

sabal_status sbl_pull_start(sbl_pull **pull, sbl_pair *pair, sbl_value_name name, const sbl_pull_events *events,
                            void *arg, sabal_error *err)
{
    sbl_pull *p;

    if (pair->is_closed || pair->is_failing || pair->state == SBL_PAIR_DOWN)
        return sbl_error_set(err, SABAL_EPEER, "the process that holds it is gone");
    p = sbl_calloc(1, sizeof *p);
    if (!p)
        return sbl_error_memory(err, sizeof *p, "asking for a value");
    p->pair   = pair;
    p->name   = name;
    p->events = events;
    p->arg    = arg;
    sbl_list_push(&pair->line, &p->queue);
    *pull = p;
    if (pair->state == SBL_PAIR_UP)
        sbl_pulls_go_on(pair);
    return SABAL_OK;
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

static sbl_pull *asked(sbl_pair *pair, uint64_t id)
{
    sbl_pull *p = (sbl_pull *)sbl_ids_find(&pair->pulls, id);

    return p && p->state == SBL_PULL_ASKED ? p : NULL;
}

/* What came with the answer is used up at once, whoever wanted it. */
static void give_credit_back(sbl_pair *pair, size_t bytes)
{
    pair->used_bytes += bytes;
    pair->used_answers++;
    if (pair->used_bytes < SBL_CREDIT_BYTES / 2 && pair->used_answers < SBL_CREDIT_ANSWERS / 2)
        return;
    sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_CREDIT, .id = pair->used_bytes, .offset = pair->used_answers},
                  NULL, -1);
    pair->used_bytes = pair->used_answers = 0;
}

static sabal_status take_small(sbl_pull *p, const sbl_announce *a, sabal_error *err)
{
    sabal_status   st = sbl_landing_room(&p->landing, err);
    const uint8_t *at = a->data;

    for (int32_t i = 1; i <= p->landing.n && !st; i++) {
        if (!p->landing.pieces[i].size)
            continue;
        memcpy((void *)(uintptr_t)p->landing.pieces[i].data, at, p->landing.pieces[i].size);
        at += p->landing.pieces[i].size;
    }
    return st;
}

/* Its data is on its way already. */
static void let_flow(sbl_pull *p)
{
    sabal_error err = SABAL_ERROR_INIT;

    p->state = SBL_PULL_FLOWING;
    p->pair->n_flowing++;
    sbl_pair_flow(p->pair, 1);
    if (sbl_landing_room(&p->landing, &err))
        sbl_pull_fail(p, &err, 1);
}

static void ask_owner(sbl_pull *p, const sbl_announce *a)
{
    sbl_announced what = {.pieces    = p->landing.pieces + 1,
                          .n_pieces  = p->landing.n,
                          .total     = a->total,
                          .is_mapped = p->lease != NULL,
                          .is_object = a->type.object.size != 0,
                          .type      = a->type};

    p->state = SBL_PULL_ANNOUNCED;
    if (p->events->announced)
        p->events->announced(p->arg, p, &what);
    else
        sbl_pull_admit(p, NULL, NULL, NULL);
}

void sbl_pull_announced(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body, int fd, int damaged)
{
    sbl_pull    *p = asked(pair, packet->id);
    sbl_announce a;
    sbl_lease   *lease = NULL;
    sabal_error  err   = SABAL_ERROR_INIT;
    sabal_status st    = SABAL_OK;
    int          right = sbl_announce_get(&a, body, packet->size);

    if (damaged && (!right || a.is_shared || !a.has_data)) { /* what it held of ours can't be told */
        sbl_error_set(&err, SABAL_EPEER, "an answer of another process was damaged on its way");
        sbl_pair_fail(pair, &err);
    } else if (!right || packet->id > pair->next_id || (a.has_data && packet->size > SBL_CREDIT_BYTES)) {
        sbl_pair_broken(pair, "an answer that can't be read");
    }
    if (pair->is_failing || !right) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (a.is_shared)
        st = sbl_lease_take(&lease, pair, a.segment, a.segment_size, fd, &err);
    else if (fd >= 0)
        close(fd);
    if (a.has_data)
        give_credit_back(pair, packet->size);
    if (!p) { /* it was dropped meanwhile */
        if (lease)
            sbl_lease_release(lease);
        return;
    }
    pair->n_asked--;
    p->state = SBL_PULL_COMPLETE;
    p->lease = lease;
    p->at    = a.offset;
    if (damaged)
        st = sbl_error_set(&err, SABAL_EIO, "a value from another process was damaged on its way");
    if (!st)
        st = sbl_landing_begin(&p->landing, &a, &err);
    if (!st && (a.has_data || !a.total)) {
        st = take_small(p, &a, &err);
        if (!st) {
            complete(p);
            return;
        }
    }
    if (!st) {
        if (a.flows)
            let_flow(p);
        else
            ask_owner(p, &a);
        if (pair->state == SBL_PAIR_UP)
            sbl_pulls_go_on(pair);
        return;
    }
    if (!a.has_data && !a.is_shared && a.total)
        p->state = SBL_PULL_ANNOUNCED; /* the holder keeps it */
    sbl_pull_fail(p, &err, 1);
}

void sbl_pull_failed(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body, int damaged)
{
    sbl_pull   *p      = (sbl_pull *)sbl_ids_find(&pair->pulls, packet->id);
    sabal_error err    = SABAL_ERROR_INIT;
    uint64_t    status = SABAL_EIO;

    if (!p)
        return;
    if (!damaged && packet->size >= 8)
        memcpy(&status, body, 8);
    if (!sbl_status_is_failure((sabal_status)status) || status > INT32_MAX)
        status = SABAL_EIO;
    sbl_error_set(&err, (sabal_status)status, "%.*s", damaged || packet->size < 8 ? 0 : (int)(packet->size - 8),
                  (const char *)body + 8);
    sbl_pull_fail(p, &err, 0);
}

void sbl_pull_admit(sbl_pull *p, void *const *room, void (*release)(void *), void *release_arg)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (p->lease) {
        sbl_landing_at(&p->landing, sbl_lease_base(p->lease) + p->at, sbl_lease_release, p->lease);
        p->lease = NULL; /* the landing has it now */
        if (release)
            release(release_arg);
        p->state = SBL_PULL_COMPLETE;
        post_completion(p);
        return;
    }
    for (int32_t i = 0; room && i < p->landing.n; i++)
        p->landing.pieces[1 + i].data = room[i];
    if (room) {
        p->landing.release = release;
        p->landing.arg     = release_arg;
    } else if (sbl_landing_room(&p->landing, &err)) {
        sbl_pull_fail(p, &err, 1);
        return;
    }
    p->state = SBL_PULL_READY;
    sbl_list_push(&p->pair->ready, &p->queue);
    if (p->pair->state == SBL_PAIR_UP)
        sbl_pulls_go_on(p->pair);
}

/* --- data ------------------------------------------------------------------------------------------------------- */

sbl_pull *sbl_pull_flowing(sbl_pair *pair, uint64_t id)
{
    sbl_pull *p = (sbl_pull *)sbl_ids_find(&pair->pulls, id);

    return p && p->state == SBL_PULL_FLOWING ? p : NULL;
}

int sbl_pull_where(sbl_pair *pair, const sbl_packet *packet, struct iovec *runs)
{
    sbl_pull *p = sbl_pull_flowing(pair, packet->id);

    if (!p)
        return packet->id > pair->next_id || sbl_ids_find(&pair->pulls, packet->id) ? -1 : 0;
    return sbl_landing_runs(&p->landing, packet->offset, packet->size, runs, SBL_PACKET_RUNS);
}

void sbl_pull_landed(sbl_pair *pair, const sbl_packet *packet, int damaged)
{
    sbl_pull   *p   = sbl_pull_flowing(pair, packet->id);
    sabal_error err = SABAL_ERROR_INIT;

    if (!p)
        return;
    p->came += packet->size;
    if (damaged) {
        sbl_error_set(&err, SABAL_EIO, "a value from another process was damaged on its way");
        sbl_pull_fail(p, &err, 1);
    } else if (p->came >= p->landing.total) {
        complete(p);
    }
}

void sbl_pull_wrote(sbl_pull *p, uint64_t size, sabal_status status, const char *failed)
{
    p->came += size;
    if (failed && !p->broken[0]) {
        snprintf(p->broken, sizeof p->broken, "%s", failed);
        p->why = status;
    }
    if (p->is_gone)
        end(p);
    else if (failed || p->came >= p->landing.total)
        post_completion(p);
}
