/* Results that may leave memory: pinned while used, written out when not, brought back when needed again. */
#include "graph/held.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/budget.h"
#include "graph/client.h"
#include "graph/disk_copy.h"
#include "graph/home.h"
#include "graph/local.h"
#include "sched/chaos.h"

#define NOBODY (UINT64_MAX / 2)

/* --- the record ------------------------------------------------------------------------------------------------- */

static void link_held(sbl_held *held, sbl_held_list *list)
{
    pthread_mutex_lock(&list->lock);
    held->next = list->first;
    if (held->next)
        held->next->previous = held;
    list->first = held;
    pthread_mutex_unlock(&list->lock);
}

static void unlink_held(sbl_held *held, sbl_held_list *list)
{
    pthread_mutex_lock(&list->lock);
    *(held->previous ? &held->previous->next : &list->first) = held->next;
    if (held->next)
        held->next->previous = held->previous;
    pthread_mutex_unlock(&list->lock);
}

int sbl_held_keep(sbl_held *held)
{
    int32_t refs = atomic_load_explicit(&held->refs, memory_order_relaxed);

    while (refs > 0)
        if (atomic_compare_exchange_weak_explicit(&held->refs, &refs, refs + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return 1;
    return 0;
}

/* 1 if nobody else has the value. acquire: who gave up a reference is done with it */
static int is_sole(const sbl_value *value)
{
    return atomic_load_explicit(&value->handle.refs, memory_order_acquire) == 1;
}

/* A task that handed on one of its inputs: the record of that, with a reference more; NULL: there is none. */
static sbl_held *record_of(const sbl_value *value, sbl_budget *budget)
{
    sbl_held *held;

    if (is_sole(value))
        return NULL;
    pthread_mutex_lock(&budget->lock);
    held = atomic_load_explicit(&value->held, memory_order_relaxed);
    if (held && (held->budget != budget || !sbl_held_keep(held)))
        held = NULL;
    pthread_mutex_unlock(&budget->lock);
    return held;
}

void sbl_held_make(sabal_future *f)
{
    sbl_budget *budget = f->client->budget;
    sbl_value  *value  = f->result.value;
    sbl_held   *held;

    if (!budget || f->small || f->is_held || value->own < SBL_HELD_FROM)
        return;
    held = record_of(value, budget);
    if (held) {
        f->result.held = held;
        f->is_held     = 1;
        sbl_value_release(value);
        return;
    }
    held = sbl_calloc(1, sizeof *held);
    if (!held)
        return;
    held->budget  = budget;
    held->list    = (int32_t)(sbl_client_shard(f->client) - f->client->shards) % SBL_HELD_LISTS;
    held->value   = value;
    held->kind    = value->kind;
    held->n_bytes = value->n_bytes;
    held->own     = value->own;
    atomic_init(&held->refs, 1);
    atomic_init(&held->need, NOBODY);
    atomic_init(&held->home, sbl_value_home(value));
    atomic_init(&held->touched, atomic_load_explicit(&budget->tick, memory_order_relaxed));
    if (f->again) {
        sbl_future_keep(f);
        held->maker = f;
        atomic_init(&held->on_disk, 1);
    }
    if (!atomic_load_explicit(&value->held, memory_order_relaxed)) /* another client's record has it first */
        atomic_store_explicit(&value->held, held, memory_order_release);
    f->result.held = held;
    f->is_held     = 1;
    sbl_budget_move(budget, (int64_t)held->own, 0);
    link_held(held, &budget->lists[held->list]);
    sbl_spiller_kick(budget);
}

int sbl_held_make_elsewhere(sabal_future *f, size_t size)
{
    sbl_budget *budget = f->client->budget;
    sbl_held   *held   = budget ? sbl_calloc(1, sizeof *held) : NULL;

    if (!held)
        return 0;
    held->budget  = budget;
    held->list    = (int32_t)(sbl_client_shard(f->client) - f->client->shards) % SBL_HELD_LISTS;
    held->kind    = SBL_BYTES; /* until it is here */
    held->n_bytes = size;
    held->own     = size;
    held->source  = f;
    atomic_init(&held->refs, 1);
    atomic_init(&held->need, NOBODY);
    atomic_init(&held->pins, SBL_HELD_AWAY);
    atomic_init(&held->on_disk, 1);
    atomic_init(&held->touched, atomic_load_explicit(&budget->tick, memory_order_relaxed));
    f->result.held = held;
    f->is_held     = 1;
    link_held(held, &budget->lists[held->list]);
    return 1;
}

static sbl_held *next_retained(sbl_held_list *list)
{
    sbl_held *held;

    pthread_mutex_lock(&list->lock);
    for (held = list->first; held; held = held->next)
        if (held->source && sbl_held_is_away(held) &&
            atomic_load_explicit(&held->source->handle.users, memory_order_relaxed) > 0 && sbl_held_keep(held))
            break;
    pthread_mutex_unlock(&list->lock);
    return held;
}

void sbl_held_bring_retained(sbl_budget *budget)
{
    for (int i = 0; budget && i < SBL_HELD_LISTS; i++) {
        sbl_held *held;

        while ((held = next_retained(&budget->lists[i]))) {
            const int failed = sbl_held_pin(held, NULL) != SABAL_OK;

            if (!failed)
                sbl_held_lend(held);
            sbl_held_release(held);
            if (failed)
                return; /* its client can't be had any more: it tells who asks for them */
        }
    }
}

/* What counts as spilled while it is away: not what lies with others. */
static int64_t spilled(const sbl_held *held)
{
    return held->source ? 0 : (int64_t)held->own;
}

void sbl_held_share(sabal_future *f, const sabal_future *from)
{
    f->is_held = from->is_held;
    f->small   = from->small;
    if (from->small) {
        f->result.small = from->result.small;
    } else if (from->is_held) {
        f->result.held = from->result.held;
        atomic_fetch_add_explicit(&f->result.held->refs, 1, memory_order_relaxed);
    } else {
        f->result.value = sbl_value_retain(from->result.value);
    }
}

sabal_status sbl_result_take(sbl_value **value, const sabal_future *f, sabal_error *err)
{
    size_t       size;
    const void  *data = sbl_result_data(f, &size);
    void        *room;
    sabal_status st;

    if (!f->small) {
        *value = sbl_value_retain(sbl_result_value(f));
        return SABAL_OK;
    }
    st = sbl_bytes_create(value, &room, size, err);
    if (!st)
        memcpy(room, data, size);
    return st;
}

void sbl_held_release(sbl_held *held)
{
    sbl_budget   *budget = held->budget;
    sabal_future *maker;

    /* acq_rel: whoever frees it sees all that the others did */
    if (atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (held->value && !is_sole(held->value)) { /* who has it too shall not find the record any more */
        pthread_mutex_lock(&budget->lock);
        atomic_store_explicit(&held->value->held, NULL, memory_order_relaxed);
        pthread_mutex_unlock(&budget->lock);
    }
    unlink_held(held, &budget->lists[held->list]);
    if (held->value)
        sbl_budget_move(budget, -(int64_t)held->own, 0);
    else
        sbl_budget_move(budget, 0, -spilled(held));
    sbl_value_release(held->value);
    if (held->copy)
        sbl_disk_copy_free(held->copy, budget->file);
    maker = held->maker;
    sbl_free(held);
    sbl_budget_look(budget);
    if (maker)
        sbl_future_unkeep(maker);
}

/* --- who needs it ----------------------------------------------------------------------------------------------- */

/* A guess at the future that need not be exact: two who say so at once may lose one another's word. */
void sbl_held_wanted(sbl_held *held, uint64_t serial)
{
    atomic_fetch_add_explicit(&held->users, 1, memory_order_relaxed);
    if (serial < atomic_load_explicit(&held->need, memory_order_relaxed))
        atomic_store_explicit(&held->need, serial, memory_order_relaxed);
}

void sbl_held_unwanted(sbl_held *held)
{
    if (atomic_fetch_sub_explicit(&held->users, 1, memory_order_relaxed) <= 1)
        atomic_store_explicit(&held->need, NOBODY, memory_order_relaxed);
    atomic_store_explicit(&held->touched, atomic_load_explicit(&held->budget->tick, memory_order_relaxed),
                          memory_order_relaxed);
}

uint64_t sbl_held_distance(const sbl_held *held)
{
    if (atomic_load_explicit(&held->users, memory_order_relaxed) > 0)
        return atomic_load_explicit(&held->need, memory_order_relaxed) % NOBODY;
    return UINT64_MAX - atomic_load_explicit(&held->touched, memory_order_relaxed);
}

/* --- pinning ---------------------------------------------------------------------------------------------------- */

/* With the lock held, which is given up while it is read. */
static sabal_status read_back(sbl_held *held, sabal_error *err)
{
    sbl_budget  *budget = held->budget;
    sbl_value   *value  = NULL;
    sabal_status st;

    held->coming = 1;
    pthread_mutex_unlock(&budget->lock);
    if (held->source)
        st = held->source->client->engine->bring(&value, held->source, err);
    else
        st = held->maker ? sbl_run_again(&value, held->maker, err)
                         : sbl_disk_copy_read(&value, held->copy, budget->file, held->own, budget->client, err);
    pthread_mutex_lock(&budget->lock);
    held->coming = 0;
    if (!st) {
        if (held->source) { /* now it is known what it takes here */
            held->kind = value->kind;
            held->own  = value->own;
        }
        held->value = value;
        atomic_store_explicit(&value->held, held, memory_order_relaxed);
        atomic_store_explicit(&held->home, sbl_value_home(value), memory_order_relaxed);
        sbl_budget_move(budget, (int64_t)held->own, -spilled(held));
        /* release: who sees that it is back sees the value */
        atomic_fetch_and_explicit(&held->pins, ~SBL_HELD_AWAY, memory_order_release);
    }
    pthread_cond_broadcast(&budget->changed);
    return st;
}

static sabal_status bring_back(sbl_held *held, sabal_error *err)
{
    sbl_budget  *budget = held->budget;
    sabal_status st     = SABAL_OK;

    sbl_blocking_begin();
    pthread_mutex_lock(&budget->lock);
    while (!held->value && held->coming)
        pthread_cond_wait(&budget->changed, &budget->lock);
    if (!held->value)
        st = read_back(held, err);
    pthread_mutex_unlock(&budget->lock);
    sbl_blocking_end();
    if (!st)
        sbl_spiller_kick(budget);
    return st;
}

sabal_status sbl_held_pin(sbl_held *held, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    /* acquire: pairs with the release in read_back() */
    if (atomic_fetch_add_explicit(&held->pins, 1, memory_order_acquire) & SBL_HELD_AWAY)
        st = bring_back(held, err);
    if (st)
        sbl_held_unpin(held);
    return st;
}

void sbl_held_unpin(sbl_held *held)
{
    /* release: what was read was read before it may go */
    atomic_fetch_sub_explicit(&held->pins, 1, memory_order_release);
}

void sbl_held_lend(sbl_held *held)
{
    atomic_store_explicit(&held->stays, 1, memory_order_relaxed);
}

/* --- leaving ---------------------------------------------------------------------------------------------------- */

static int begin_to_leave(sbl_held *held)
{
    uint32_t none = 0;

    if (atomic_load_explicit(&held->stays, memory_order_relaxed) ||
        !atomic_compare_exchange_strong_explicit(&held->pins, &none, SBL_HELD_LEAVING, memory_order_acquire,
                                                 memory_order_relaxed))
        return 0;
    if (is_sole(held->value))
        return 1;
    atomic_fetch_and_explicit(&held->pins, ~SBL_HELD_LEAVING, memory_order_relaxed);
    return 0;
}

/* What was pinned meanwhile stays, and its copy on disk serves the next time. */
static void leave(sbl_held *held, sbl_disk_copy *copy)
{
    sbl_budget *budget  = held->budget;
    uint32_t    leaving = SBL_HELD_LEAVING;
    sbl_value  *gone    = NULL;

    pthread_mutex_lock(&budget->lock);
    if (copy) {
        held->copy = copy;
        atomic_store_explicit(&held->on_disk, 1, memory_order_relaxed);
    }
    /* acq_rel: who pins it from here on waits for the lock */
    if ((held->copy || held->maker || held->source) &&
        atomic_compare_exchange_strong_explicit(&held->pins, &leaving, SBL_HELD_AWAY, memory_order_acq_rel,
                                                memory_order_relaxed)) {
        /* stays after the references: who borrowed it gave his up after he had said so */
        if (is_sole(held->value) && !atomic_load_explicit(&held->stays, memory_order_relaxed)) {
            gone        = held->value;
            held->value = NULL;
            atomic_store_explicit(&held->home, 0, memory_order_relaxed);
            sbl_budget_move(budget, -(int64_t)held->own, spilled(held));
        } else {
            atomic_fetch_and_explicit(&held->pins, ~SBL_HELD_AWAY, memory_order_release);
        }
    } else {
        atomic_fetch_and_explicit(&held->pins, ~SBL_HELD_LEAVING, memory_order_release);
    }
    pthread_mutex_unlock(&budget->lock);
    sbl_value_release(gone);
}

sabal_status sbl_held_evict(sbl_held *held, sabal_error *err)
{
    sbl_disk_copy *copy = NULL;
    sabal_status   st   = SABAL_OK;

    if (!begin_to_leave(held))
        return SABAL_OK;
    sbl_chaos();
    if (!held->copy && !held->maker && !held->source) /* nobody else writes it: there is one who makes it leave */
        st = sbl_disk_copy_write(&copy, held->value, held->budget->file, err);
    if (st == SABAL_EUNSUPPORTED) { /* an object that can't be put into bytes */
        sbl_held_lend(held);
        st = SABAL_OK;
    }
    sbl_chaos();
    leave(held, copy);
    return st;
}
