/* What is asked of workers and tasks where tasks are placed and sent. Private to place.c, idle.c and fill.c. */
#ifndef SBL_CORE_PLACE_H
#define SBL_CORE_PLACE_H

#include "cluster/core/state.h"

#define SBL_HORIZON_NS 2e6 /* what a thread of a worker is to have before it */
#define SBL_NS_A_BYTE  1.0 /* between two workers, until it was measured */
#define SBL_UNKNOWN_NS 1e6 /* what a worker's tasks take of which none has ended */
#define SBL_BRIEF_NS   1e4 /* what a task of a new kind takes at least */
#define SBL_READING    0.1 /* and for each byte of its inputs: a part of what it takes to move that */
enum { SBL_DEAR = 4 };     /* times: what it counts to move inputs for a task that takes less time than that */
enum { SBL_LOOKED_AT = 16, SBL_MOST_SENT = 1 << 14 };

static inline double sbl_cost_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->cost_ns : 0;
}

static inline int32_t sbl_priority_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->spec.priority : 0;
}

/* What its result will take, as was said. */
static inline uint64_t sbl_size_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->spec.size : 0;
}

static inline int sbl_is_there(const sbl_peer *w)
{
    return w->number && w->is_worker && !w->is_suspect && !w->is_leaving && !w->is_dropped;
}

static inline int sbl_may_have_work(const sbl_peer *w)
{
    return sbl_is_there(w) && !w->is_new;
}

static inline uint32_t sbl_n_runnable(const sbl_peer *w)
{
    return w->n_sent - w->n_ahead;
}

/* Each of its threads has something to do. */
static inline int sbl_is_busy(const sbl_peer *w)
{
    return sbl_n_runnable(w) >= (uint32_t)(w->threads + w->spare);
}

/* Whether n tasks more than those are too many. */
static inline int sbl_fits(const sbl_peer *w, uint32_t n, double cost)
{
    const double mean = w->mean_ns > cost ? w->mean_ns : cost;

    return cost > 0 && n < SBL_MOST_SENT && (n + 1) * mean <= SBL_HORIZON_NS * w->threads;
}

/* Of one that is busy: what it has is short, and that too. */
static inline int sbl_has_time(const sbl_peer *w, double cost)
{
    return sbl_fits(w, sbl_n_runnable(w) - (uint32_t)w->spare, cost);
}

static inline int sbl_has_room(const sbl_peer *w, double cost)
{
    return sbl_may_have_work(w) && (sbl_n_runnable(w) < (uint32_t)(w->threads + w->spare + 1) || sbl_has_time(w, cost));
}

/* The same of what not all may run: it never waits at a worker for long, as nobody would take it from there. */
static inline int sbl_has_room_for_ruled(const sbl_peer *w, double cost)
{
    return sbl_may_have_work(w) && (!sbl_is_busy(w) || sbl_has_time(w, cost));
}

/* What a task at it takes. */
static inline double sbl_mean_of(const sbl_peer *w)
{
    return w->mean_ns > 0 ? w->mean_ns : SBL_UNKNOWN_NS;
}

/* Its threads, and those that wait in place of which it may have more. */
static inline uint32_t sbl_places_of(const sbl_peer *w)
{
    return (uint32_t)(w->threads + w->spare);
}

/* Of what it has and has no place for, as many as anybody may run. */
static inline uint32_t sbl_n_to_give(const sbl_peer *w)
{
    const uint32_t n = sbl_n_runnable(w), excess = n > sbl_places_of(w) ? n - sbl_places_of(w) : 0;

    return excess < n - w->n_ruled ? excess : n - w->n_ruled;
}

/* Somebody else could have some of it. */
static inline int sbl_has_to_spare(const sbl_peer *w)
{
    return sbl_may_have_work(w) &&
           ((sbl_n_to_give(w) && !w->is_asked && !w->has_given) || (w->ready.n && sbl_is_busy(w)));
}

/** place.c: what of its inputs that worker lacks; 0: what all of them are. */
uint64_t sbl_bytes_away(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker);
/** What a task takes: as its kind did before, or a guess that is low, so that it stays where its inputs are. */
double sbl_guess_ns(const sbl_scheduler *s, const sbl_stask *t);
/** What it counts to move to that worker what the task, which takes so long, lacks there. Who gives has work by it too, so to move
    much for little counts more. */
double sbl_price_ns(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker, double cost);
/** When a task that takes so long would begin there, at the end of its queue. */
double sbl_wait_ns(const sbl_scheduler *s, const sbl_peer *w, double cost);
/** fill.c: whether a worker may be given what has no inputs, and a result of that size. */
int sbl_has_memory_for(const sbl_peer *w, uint64_t size);

/* Of what it may have, this much is taken, if that comes in addition: 0 if it has no limit. */
static inline double sbl_load_of(const sbl_peer *w, uint64_t more)
{
    return w->limit ? (double)(w->managed + w->promised + more) / (double)w->limit : 0;
}

/* idle.c: who has nothing to do, and who has too much; the oldest first. */
void sbl_hungry_add(sbl_scheduler *s, uint32_t worker);
void sbl_hungry_remove(sbl_scheduler *s, uint32_t worker);
void sbl_rich_add(sbl_scheduler *s, uint32_t worker);
void sbl_rich_remove(sbl_scheduler *s, uint32_t worker);
/** One of those who have nothing to do may have what there is now. */
void sbl_feed_one(sbl_scheduler *s);

#endif
