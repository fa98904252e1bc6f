/*
 * The pool from inside: slots, the state word, and who may be awake.
 *
 * A slot is a deque of records with one owner at a time. Each thread of the pool has one for life, and a
 * queue of posted work besides; the others are lent to guests (foreign threads that run a job of their own)
 * and to nested entries (a loop in a plain function inside a job, where the deque's head is unknown).
 *
 * Threads are all alike. At most `threads` of them are awake; the rest sleep in the bitmap `sleeping` or are
 * blocked in something of their own. Who blocks is no longer counted as awake, so that the next piece of work
 * wakes another thread or starts a spare; who comes back is counted again, and one too many goes to sleep
 * when it next looks for work. The counts live in one word, so that there is no moment in which two of them
 * disagree.
 */
#ifndef SBL_SCHED_WORKER_H
#define SBL_SCHED_WORKER_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include <sabal/job.h>

#include "sched/chaos.h"
#include "sched/pool.h"
#include "sched/queue.h"
#include "sched/topology.h"

#define SBL_LINE 128 /* two lines: the neighbour is prefetched with it */

#ifndef SBL_RECORDS /* tests/explore has a pool that is small, and whose threads look once before they sleep */
#define SBL_RECORDS       (1 << 17) /* of a deque; address space, touched as used */
#define SBL_PER_BLOCK     255       /* results of jobs that found the deque full */
#define SBL_MAX_THREADS   1024
#define SBL_SPARES        64    /* beyond the pool's size */
#define SBL_GUESTS        256   /* slots for guests and nested entries, beyond one for each thread */
#define SBL_SEARCH_ROUNDS 8     /* between two looks at the clock */
#define SBL_SEARCH_NS     50000 /* about what a sleep and a wake cost */
#define SBL_WATCHES       128   /* looks at the last victim between two at everybody */
#define SBL_UNCOUNTED     3     /* rounds of a search that are not counted as one if all threads are awake */
#define SBL_IN_A_ROW      16    /* steals from one victim before others are looked at again */
#define SBL_SYNC_ROUNDS   512   /* between two looks at the clock */
#define SBL_ASK_AFTER     128 /* looks at a job that is waited for: if it ends soon there is nothing to gain by a part */
#define SBL_SYNC_NS       100000 /* about what a wake costs: a sync without anything to steal sleeps after that */
#define SBL_EVENT_ROUNDS  200    /* some microseconds */
#define SBL_HOME_PATIENCE 4096   /* so many pieces may overtake one of their priority whose home is elsewhere */
#endif

/* The shared word of a deque: two indexes of records, then what counts how often it offered something anew. */
#define SBL_INDEX_BITS 18
#define SBL_AGE        ((uint64_t)1 << (2 * SBL_INDEX_BITS))
#define SBL_INDEX      (((uint64_t)1 << SBL_INDEX_BITS) - 1)
_Static_assert(SBL_RECORDS <= SBL_INDEX, "an index may be that of the end");

/* The state word. awake: threads that run or search; searching: of these, those that look for work; guests:
   foreign threads inside a job; blocked: threads and guests that lent their place. */
#define SBL_AWAKE            ((uint64_t)1)
#define SBL_SEARCHING        ((uint64_t)1 << 16)
#define SBL_GUEST            ((uint64_t)1 << 32)
#define SBL_BLOCKED          ((uint64_t)1 << 48)
#define SBL_COUNT(state, of) ((int32_t)((state) / (of)&0xffff))

#define SBL_MAX_SLOTS (2 * (SBL_MAX_THREADS + SBL_SPARES) + SBL_GUESTS)

typedef struct sbl_overflow sbl_overflow;
typedef struct sbl_home     sbl_home;

typedef struct sbl_slot {
    struct sabal_place place; /* first: jobs know the slot by it */

    /* tail and split of the deque, and its age: [tail, split) may be stolen. Beside it what a thief reads, too: of what
       the owner writes often nothing may be there. */
    _Alignas(SBL_LINE) _Atomic uint64_t shared;
    struct sabal_record *base; /* NULL until the slot is first used */
    sbl_pool            *pool;

    _Alignas(SBL_LINE) struct sbl_slot *nested; /* lent to the loops of this one's jobs; kept for the next such loop */
    struct sbl_slot *victim;                    /* whom it stole from last */
    int32_t          in_a_row;                  /* how often, without a look at others */
    const void      *loop, *context;            /* see sbl_note_loop() */
    _Atomic(void *)  graph;    /* of which it runs a stolen part, so that all it offers is that graph's; NULL */
    sbl_overflow    *overflow; /* results of jobs that ran at once because the deque was full */
    int64_t          n_overflow;
    int32_t          index;
    int32_t          in_use;    /* a job runs on it, so that its head is unknown outside of that job */
    int32_t          searching; /* this thread is counted as searching */
    uint32_t         random;
    _Atomic int32_t  domain; /* of the core it was last seen on: threads of one domain are near */
    _Atomic uint64_t runs, shares, steals, far_takes, parks, search_ns; /* written by the owner alone */
    int64_t          since;                                             /* it searches */
    pthread_t        thread;

    _Atomic pid_t tid; /* 0: it does not run yet */
    /* What follows is the owner's; while it sleeps, that of who takes its bit, until it gives the token. */
    int              away;      /* the core that was taken out of its mask when it went to sleep, or after; -1: none */
    int              waker_cpu; /* from where it was woken last; -1: it was not */
    cpu_set_t        mask;      /* as it is when nothing is taken out; empty: not known */
    _Atomic uint32_t steered;   /* guards changes of the thread's mask, see steer.c */

    _Alignas(SBL_LINE) _Atomic uint32_t token; /* 1: woken from the pool's sleep; 2: sleeps in the pool's seat */
    _Atomic uint32_t            joined;        /* 1: a job that the owner sleeps for is done */
    _Atomic(struct sbl_mail *)  mail;          /* something for this thread alone, see mail.c; NULL: nothing */
    _Atomic uint32_t            called;  /* 1: a thread without room on its stack asks this one to go on, see nap.c */
    _Atomic(_Atomic uint32_t *) naps_at; /* where it can be woken from the nap that its bit in `roomy` tells of */
    sbl_queue                   queue;
} sbl_slot;

struct sbl_pool {
    _Alignas(SBL_LINE) _Atomic uint64_t state;
    _Alignas(SBL_LINE) _Atomic uint32_t order; /* of posting */
    _Alignas(SBL_LINE) sbl_queue queue;        /* what other threads post */
    _Alignas(SBL_LINE) _Atomic uint64_t wakes;
    _Atomic uint32_t          quiet;   /* counts moments in which all may be over; the destroyer sleeps on it */
    _Atomic int32_t           ending;  /* somebody waits for that */
    _Atomic int32_t           quit;    /* threads end */
    int32_t                   threads; /* how many may be awake */
    int32_t                   max_threads, max_slots;
    int32_t                   n_domains, n_levels; /* of the topology */
    int32_t                   n_homes;             /* NUMA nodes; 0: there is one, and nobody asks */
    sbl_home                 *homes;               /* a queue for each */
    _Atomic int32_t           n_threads;           /* started so far */
    _Atomic int32_t           no_more;             /* the last attempt to start one more failed */
    pthread_mutex_t           lock;                /* guards starting threads and making slots */
    _Atomic uint64_t         *active;   /* a bit for each slot that may hold work: started threads, lent slots */
    _Atomic uint64_t         *sleeping; /* a bit for each thread that sleeps and was not woken yet */
    _Atomic uint64_t         *roomy;    /* a bit for each that naps in a wait, and has room on its stack */
    size_t                    room;     /* of a thread's stack that waits may use */
    int32_t                   openmp;   /* threads that a region inside of its tasks may have */
    _Atomic(const sbl_seat *) seat;     /* NULL: none */
    _Atomic int32_t           rests;    /* its thread sleeps as soon as it has nothing to do */
    _Atomic(sbl_slot *)      *slots;    /* max_slots; NULL until needed */
};

/* How many a thread has open. */
typedef struct sbl_regions {
    int32_t blocking; /* sbl_blocking_begin() */
    int32_t isolated; /* sabal_isolate_begin() */
} sbl_regions;

/* One stay in a pool's jobs, on the stack of who made it. */
typedef struct sbl_entry {
    struct sbl_entry *outer;
    sbl_slot         *slot;
    int32_t           guest; /* counted as one in its pool */
    int32_t           lent;  /* counted as blocked instead */
    int32_t           kept;  /* its slot is kept by that of the job it was entered from */
    sbl_regions       regions;
} sbl_entry;

typedef struct sbl_self {
    sbl_slot   *worker;     /* of a pool's own thread */
    sbl_slot   *seated;     /* the same while that sits, and is none of the pool's for what it does there */
    sbl_entry  *entry;      /* innermost */
    sbl_regions regions;    /* open now */
    int32_t     lent;       /* the worker is counted as blocked */
    int32_t     hint;       /* slot lent last */
    uintptr_t   stack_low;  /* lowest address of the stack that waiting may use; 0: not asked yet */
    uintptr_t   stack_end;  /* lowest of all */
    uintptr_t   stack_deep; /* who waits below this has used much of it */
    int32_t     was_deep;   /* so somebody did */
    int32_t     openmp;     /* runtimes that know of this thread's share of the cores */
} sbl_self;
/* It is small enough for the room that a program keeps for libraries it loads late. */
extern __thread sbl_self sbl_me __attribute__((tls_model("initial-exec")));

/* blocking.c: after a call of the user's code: what it left open is closed, what it closed is opened, and told. */
void              sbl_regions_mend(sbl_regions before);
void              sbl_regions_after_fork(void);
static inline int sbl_regions_differ(sbl_regions before)
{
    return sbl_me.regions.blocking != before.blocking || sbl_me.regions.isolated != before.isolated;
}

/* slot.c */
sabal_status sbl_slot_create(sbl_slot **slot, sbl_pool *pool, int32_t index);
void         sbl_slot_destroy(sbl_slot *slot);
/** Maps the deque if that wasn't done; 0: no memory. Its first user touches it first. */
int sbl_slot_ready(sbl_slot *slot);
/** By its thread when that begins: what another had to write first comes to its NUMA node. */
void sbl_slot_settle(sbl_slot *self);

/* wake.c */
/** After work was published: wakes a thread if none searches and one more may be awake. */
void sbl_wake(sbl_pool *pool, int for_records);
/** Sleeps until woken; returns awake and searching (or to quit). */
void sbl_park(sbl_slot *self);
/** So that it wakes, now or when it next goes to sleep. */
void sbl_give_token(sbl_slot *slot);
/** Somebody stopped using a core: those who could, may sleep, so ask all owners to share at their next spawn.
 */
void sbl_request_all(sbl_pool *pool);
/** A count went down: tells a destroyer that waits for the end. */
void sbl_tell_quiet(sbl_pool *pool);
/** Wakes this thread if it sleeps and one more may be awake. */
void sbl_wake_thread(sbl_slot *slot);
int  sbl_posted_visible(sbl_pool *pool);
int  sbl_anybody_sleeps(sbl_pool *pool);
int  sbl_records_visible(sbl_pool *pool);
void sbl_stop_searching(sbl_slot *self);
/** Notes that it searches from now on, and has been counted so; and that it does not any more. */
void sbl_note_searching(sbl_slot *self);
void sbl_note_found(sbl_slot *self);

/* steer.c */
/** Before it shows that it sleeps. */
void sbl_steer_early(sbl_slot *self);
/** Before a sleeper is given its token: it shall run on another core than the caller's. And after the wake. */
void sbl_steer_away(sbl_slot *slot);
void sbl_steer_end(sbl_slot *slot);
/** By the sleeper, once it runs: all its cores are its own again. */
void sbl_steer_back(sbl_slot *self);

/* guest.c */
/** Gives back the slots that were lent to jobs of this one. */
void sbl_nested_give_back(sbl_slot *slot);

/* worker.c */
void *sbl_worker_main(void *slot);
/** Starts one more thread, already counted as awake and searching. With pool->lock held. */
sabal_status sbl_worker_start(sbl_pool *pool, sabal_error *err);

/* stack.c */
/** 1 if so many bytes are left above the watermark of sbl_stack_is_low(). */
int sbl_stack_has_room(size_t bytes);
/** How large that of each of so many threads is, and what of it waits may use at the most. The latter reads files. */
size_t sbl_stack_bytes(int32_t threads);
size_t sbl_stack_room(int32_t threads);
/** Of a thread of the pool that runs nothing: what deep waits have touched is given back to the system. */
void sbl_stack_trim(void);

/* mail.c: what only one certain thread shall run. */
typedef struct sbl_mail {
    void (*run)(struct sbl_mail *mail, sbl_slot *self);
} sbl_mail;
/** Puts it where the thread finds it next time it looks for work, and wakes that. 0: there is some already. */
int sbl_mail_put(sbl_slot *to, sbl_mail *mail);
/** Takes it back. 0: the thread has it already. */
int sbl_mail_take_back(sbl_slot *to, sbl_mail *mail);
/** Runs what there is for the calling thread. 0: nothing. */
int sbl_mail_run(sbl_slot *self);

/* victims.c */
/** The slots at one level from a thread's. */
typedef struct sbl_victims {
    int32_t  n, from; /* the first to go to; then the next, and round */
    uint16_t list[SBL_MAX_SLOTS];
} sbl_victims;
void sbl_victims_at(sbl_victims *victims, sbl_slot *self, int32_t level);
/** Notes the domain that the calling thread is in. */
void sbl_note_domain(sbl_slot *self);
/** 1 if they were last seen on different NUMA nodes. */
int sbl_is_far(const sbl_slot *self, const sbl_slot *other);
/** Steals a job and runs it, or takes a piece of posted work from another's queue, or that of another node; 0, NULL: none. */
int       sbl_steal_from_others(sbl_slot *self);
sbl_work *sbl_take_from_others(sbl_slot *self);

/* home_queue.c; but for making and ending only if the pool has n_homes */
int  sbl_homes_make(sbl_pool *pool); /* 0: no memory */
void sbl_homes_end(sbl_pool *pool);
/** Puts each piece into the queue of its home, or the usual one. */
void sbl_home_post(sbl_pool *pool, sbl_queue *usual, sbl_work *first, int64_t n, uint32_t order);
/** From the own queue, that of foreign posts, that of the own node; another's if that is overdue. */
sbl_work *sbl_home_take_near(sbl_slot *self);
/** From any node's queue, the nearest first. */
sbl_work *sbl_home_take_far(sbl_slot *self);
int       sbl_home_visible(sbl_pool *pool);
int       sbl_home_has_any(sbl_pool *pool, int32_t node);

/* nap.c: the calling thread naps at this word, and was called. A call that came late, after the nap, ends no other wait. */
static inline int sbl_is_called_at(const _Atomic uint32_t *word)
{
    sbl_slot *self = sbl_me.worker;

    return self && atomic_load_explicit(&self->naps_at, memory_order_relaxed) == word &&
           atomic_load_explicit(&self->called, memory_order_relaxed);
}

/* nodes.c: jobs that begin with a node of a graph, or with some of its roots. */
sabal_job_fn sbl_node_job, sbl_roots_job;
/** A thief of such a job takes part from now on: copies the record, which is its owner's again. Returns the graph. And then
    does no more. */
void *sbl_nodes_join(struct sabal_record *copy, const struct sabal_record *record);
void  sbl_nodes_leave(struct sabal_record *copy);
/* loop.c, reduce.c: jobs that are parts of loops and sums, which look for who asks between their own pieces. */
sabal_job_fn sbl_piece_job, sbl_free_piece_job, sbl_sum_job;

/* deque.c */
/** Offers half of what is private though nobody may have asked; a request that stands goes on standing. */
void sbl_job_share_unasked(struct sabal_place *place, struct sabal_record *head);
void sbl_overflow_free(sbl_slot *slot);
/** Steals the oldest shared record of victim and runs it on self, whose free records begin at head. 0: none.
 */
int sbl_steal(sbl_slot *self, struct sabal_record *head, sbl_slot *victim);
/** The same, if it is a part of that graph. */
int sbl_steal_from_graph(sbl_slot *self, struct sabal_record *head, sbl_slot *victim, const void *graph);

static inline sbl_slot *sbl_slot_at(sbl_pool *pool, int32_t i)
{
    /* acquire: the slot's contents; pairs with the release where it is put there (worker.c, guest.c) */
    return atomic_load_explicit(&pool->slots[i], memory_order_acquire);
}

static inline sbl_slot *sbl_victim(const sbl_victims *victims, sbl_pool *pool, int32_t i)
{
    int32_t k = victims->from + i;

    return sbl_slot_at(pool, victims->list[k < victims->n ? k : k - victims->n]);
}

static inline uint32_t sbl_tail_of(uint64_t shared)
{
    return (uint32_t)(shared & SBL_INDEX);
}

static inline uint32_t sbl_split_of(uint64_t shared)
{
    return (uint32_t)(shared >> SBL_INDEX_BITS & SBL_INDEX);
}

/** Whether there is something to steal. */
static inline int sbl_offers(sbl_slot *slot)
{
    uint64_t shared = atomic_load_explicit(&slot->shared, memory_order_relaxed);

    return sbl_tail_of(shared) < sbl_split_of(shared);
}

static inline uint64_t sbl_state(sbl_pool *pool)
{
    return atomic_load_explicit(&pool->state, memory_order_relaxed);
}

/* Counters have one writer each, so they need no locked instruction. */
static inline void sbl_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

/** The NUMA node of the core that it was last seen on. */
static inline int32_t sbl_node_of_slot(const sbl_slot *slot)
{
    return sbl_node_of_domain(atomic_load_explicit(&((sbl_slot *)slot)->domain, memory_order_relaxed));
}

/** It has a part of this loop or sum: the next one's is often at the same places, and is fetched with the next part. */
static inline void sbl_note_loop(struct sabal_place *place, const void *loop, const void *context)
{
    ((sbl_slot *)place)->loop    = loop;
    ((sbl_slot *)place)->context = context;
}

/** It takes something of another's. */
static inline void sbl_note_steal(sbl_slot *self, const sbl_slot *from)
{
    sbl_add(&self->steals, 1);
    if (self->pool->n_homes && sbl_is_far(self, from))
        sbl_add(&self->far_takes, 1);
}

#endif
