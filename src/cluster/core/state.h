/*
 * The scheduler's records. Private to scheduler*.c.
 *
 * A task is in one of seven states; what happens to it is an event, looked up in one table (life.c). A task that changes
 * tells those that depend on it by events in a queue, so that nothing recurses.
 *
 *   waiting   for inputs that are not done
 *   ready     in a queue: its worker's, or that of its client, from which any worker takes, or that of its rule
 *   sent      to a worker (perhaps ahead of its inputs, which that worker makes)
 *   chained   has run and returned another task, whose value becomes its own
 *   done      its value is here (small), with its client (data), with workers, or that of the task that it returned
 *   failed
 *   released  was done; its value is gone, as nobody needs it; can be made again
 */
#ifndef SBL_CORE_STATE_H
#define SBL_CORE_STATE_H

#include "base/lists.h"
#include "cluster/core/scheduler.h"
#include "cluster/core/spread.h"
#include "cluster/core/table.h"

enum { SBL_T_WAITING, SBL_T_READY, SBL_T_SENT, SBL_T_CHAINED, SBL_T_DONE, SBL_T_FAILED, SBL_T_RELEASED, SBL_T_STATES };
enum { SBL_T_GONE = SBL_T_STATES }; /* no task: its record is free */

enum {
    SBL_E_INPUT_DONE,   /* an edge's input is done */
    SBL_E_INPUT_UNDONE, /* it is not any more */
    SBL_E_INPUT_FAILED,
    SBL_E_INPUT_VOID, /* the attempt that was to make it, with the worker that has this task too, is void */
    SBL_E_SEND,       /* a worker is chosen */
    SBL_E_FINISH,     /* its worker has the value */
    SBL_E_CHAIN,      /* it returned a task */
    SBL_E_FAIL,       /* its function failed */
    SBL_E_RETURN, /* its attempt is void through nobody's fault: given back, an input could not be had, worker gone */
    SBL_E_KILL,   /* its worker is gone, through its fault or perhaps so */
    SBL_E_LOSE,   /* the last copy of its value is gone */
    SBL_E_NEED,   /* a value that was released is needed again */
    SBL_E_LET_GO, /* one who needed it does not any more */
    SBL_E_CANCEL,
    SBL_E_NO_ROOM, /* it was given back, as its worker has no room for it */
    SBL_E_EVENTS
};

/* Where the value of a done task is. */
enum { SBL_AT_SCHEDULER, SBL_AT_CLIENT, SBL_AT_WORKERS, SBL_AT_TARGET };

typedef struct sbl_stask {
    uint32_t free; /* the table's */
    uint32_t attempt;
    uint64_t serial;
    uint64_t size; /* bytes of its value */
    union {        /* up to 8 bytes lie here, more in a block */
        char  bytes[8];
        char *block;
    } arg, value;
    uint32_t arg_size;
    uint32_t client; /* slot */
    uint32_t spec;
    union {
        uint32_t
                 worker; /* slot; of who has it (sent), of the first who has its value (done), of whose queue it is in (ready; 0: its client's) */
        uint32_t kept;   /* done, its value here: how many bytes, perhaps with SBL_ENCODED */
    };
    uint32_t missing;        /* waiting: edges marked so */
    uint32_t users;          /* edges of tasks that are under way */
    uint32_t dependents;     /* first edge to it */
    uint32_t inputs;         /* first edge from it */
    uint32_t next, previous; /* in the list of its state and worker */
    uint32_t copies;         /* done: others who have the value */
    union {
        uint32_t failure; /* failed: why */
        uint32_t giver;   /* ready, SBL_WAS_GIVEN: slot of who gave it back */
        uint32_t taker;   /* done, SBL_IS_MOVING: slot of who was told to fetch it */
        uint32_t maker;   /* done, its value here: slot of who made it; 0: nobody, or it is not known any more */
    };
    uint32_t tries : 24, flags : 8;
    uint8_t  state, kills, losses;
    uint8_t  at : 4, wanted : 1, holds : 1; /* holds: its edges count as users of its inputs */
    uint8_t  was_sent : 1;                  /* and did not fail: its turn was before that of what has not been */
} sbl_stask;

enum {
    SBL_IS_DATA    = 1,
    SBL_LOOKED_FOR = 2,
    SBL_WAS_GIVEN  = 4,
    SBL_WAS_LEFT   = 8,  /* by its client, who is gone and wanted it */
    SBL_IS_MOVING  = 16, /* done: its holder retires, and another was told to fetch it */
    SBL_ENDS_ALONE = 32, /* when its inputs are done: what it is ran there */
    SBL_IS_SPREAD  = 64, /* its client has said how many workers are to have its value */
    SBL_WAS_SEEN   = 128 /* circle.c */
};
enum { SBL_MOST_TRIES = (1 << 24) - 1 };

/* owner has input as an input. */
typedef struct sbl_sedge {
    uint32_t owner; /* the table's while free */
    uint32_t input;
    uint32_t next, previous; /* among those to this input */
    uint32_t next_input;     /* among the owner's, in order */
    uint32_t missing;        /* counted in owner's missing */
} sbl_sedge;

/* One more worker that has a task's value. */
typedef struct sbl_scopy {
    uint32_t worker; /* slot */
    uint32_t task;
    uint32_t next, previous;   /* of the task */
    uint32_t wnext, wprevious; /* of the worker */
    uint32_t hnext;            /* with the same hash */
    uint32_t unused;
} sbl_scopy;

/* As it is told: a sabal_error with its texts is many times as large. */
typedef struct sbl_sfailure {
    uint32_t free;
    int32_t  refs;
    uint32_t size;
    char    *words;
} sbl_sfailure;

typedef struct sbl_sspec {
    uint32_t free;
    uint32_t refs;    /* tasks that have it, and its client */
    sbl_spec spec;    /* its texts are ours */
    double   cost_ns; /* of a run, smoothed; 0: none has ended */
    uint32_t rule;    /* where its tasks may run; 0: anywhere */
    uint32_t kind;    /* of a task that some had no room for: the spec that it had, a reference; 0: not so */
} sbl_sspec;

/* Tasks that are ready, by priority; of one, those that go before the others; then first in, first out. */
typedef struct sbl_level {
    int32_t  priority;
    uint32_t first, last, last_first; /* last_first: of those that go before */
} sbl_level;
typedef struct sbl_squeue {
    sbl_level *levels; /* ascending: the last goes first; none is empty */
    uint32_t   n_levels, room;
    uint32_t   n; /* tasks */
} sbl_squeue;

/* Where tasks may run, and what they take there: specs that ask for the same have the same rule. */
typedef struct sbl_srule {
    uint32_t    free;
    uint32_t    refs;      /* specs that have it */
    uint32_t    next;      /* with the same hash */
    uint32_t    seats;     /* list: workers that may run its tasks */
    uint32_t    n_seats;   /* of these */
    uint32_t    open;      /* list: those of the seats that would take a task */
    uint32_t    only;      /* number of the only worker; 0: its texts say which */
    uint32_t    is_first;  /* that one, who has just come, gets nothing else before */
    uint32_t    is_own;    /* of one spec alone: it is not looked for by its texts */
    uint32_t    n_full;    /* workers that had no room for its only task (refusals.c): */
    uint32_t   *full;      /* their numbers */
    uint32_t    why_full;  /* what the first of them said: a failure, one reference */
    char       *workers;   /* their names or hosts; "": all of them */
    const char *resources; /* as it was told; lies behind */
    sbl_amounts needs;     /* the same */
    sbl_squeue  ready;
} sbl_srule;

/* A worker that may run a rule's tasks. */
typedef struct sbl_sseat {
    uint32_t worker; /* slot */
    uint32_t rule;
    uint32_t next, previous;           /* of the rule */
    uint32_t wnext;                    /* of the worker */
    uint32_t next_open, previous_open; /* of the rule */
    uint32_t is_open;
    uint64_t turn; /* when it took one last, by the count of what was sent */
} sbl_sseat;

/* Which task a client's number means; pages come and go with what is wanted. */
enum { SBL_SERIALS_SHIFT = 10 };
typedef struct sbl_serials_page {
    uint32_t n; /* entries that are not 0 */
    uint32_t task[1 << SBL_SERIALS_SHIFT];
} sbl_serials_page;
typedef struct sbl_serials {
    sbl_serials_page **pages; /* of the serials from first << SHIFT on */
    uint64_t           first;
    uint32_t           n, room;
    uint32_t           gone; /* pages that are gone before the oldest that is there */
} sbl_serials;

/* Tasks with their attempts, first in, first out. */
typedef struct sbl_ring {
    uint64_t *items;
    uint32_t  first, n, room; /* room: a power of two */
} sbl_ring;

/* What a client has each worker run that comes, in order. */
typedef struct sbl_swelcome {
    struct sbl_swelcome *next;
    uint64_t             serial;
    uint32_t             spec; /* a reference */
    uint32_t             arg_size;
    char                 arg[];
} sbl_swelcome;

typedef struct sbl_peer {
    uint32_t free;
    uint32_t number; /* generation and slot; 0: gone */
    uint8_t  is_worker, is_suspect, is_dropped, is_leaving, is_asked, to_fill, is_hungry, has_letters;
    uint8_t  has_given; /* was asked, and nobody who had nothing to do got some of it: not again until it has another */
    uint8_t  is_rich;   /* in the list of those who have what others could take */
    uint8_t  is_gone;   /* only its tasks are left, that others need */
    uint8_t  may_part;  /* leaving: it was told that nothing is left there */
    uint32_t n_moving;  /* leaving: so many of its values are on their way, as far as is known */
    uint8_t  had_own;   /* what it was sent last came from its own queue */
    uint8_t  had_ruled; /* or from a rule's */
    uint8_t  is_new;    /* it has tasks that it is to run before all others */

    /* as a worker; first what is looked at where it may be one of thousands: it lies together */
    int32_t     threads, spare;
    uint32_t    n_sent, n_ahead; /* tasks that it has; of these, those whose inputs it has yet to make */
    double      mean_ns;         /* of what it ran, smoothed; 0: nothing yet */
    int64_t     moved_ns;        /* when it ended something last, or got something as it had nothing */
    int64_t     asked_ns;        /* when it was asked to give something last */
    sbl_squeue  ready;
    uint32_t    sent, held, copies; /* lists */
    uint32_t    n_moved;            /* tasks that it gave, and others got */
    uint64_t    n_done, n_failed;   /* tasks that ended there */
    uint64_t    managed, limit, promised;
    uint64_t   *met;        /* bits, by slot: workers that it was told of */
    uint64_t   *specs_told; /* bits */
    uint32_t    n_met, n_specs_told;
    sbl_outbox  out;
    int64_t     heard_ns;
    uint32_t    next_letters, next_fill; /* in lists of slots */
    uint32_t    next_hungry, previous_hungry, next_rich, previous_rich;
    sbl_ring    frontier; /* tasks that it has, whose dependents have not been looked at: they may be sent ahead */
    uint32_t    place;    /* in s->workers */
    char       *name;     /* NULL: it was not told; its host lies behind */
    const char *host;
    sbl_amounts resources, left; /* that it has; that no task takes */
    uint32_t    seats;           /* list */
    uint32_t    n_ruled;         /* tasks that it has which not all may run */

    uint32_t gives, takes, n_gives, n_takes; /* lists: values on their way (a client gives, too) */
    uint64_t copied;                         /* bytes of values that are declared, that it has or takes: spread.c */
    uint32_t next_leaving;

    /* as a client (workers are clients too: of tasks that their tasks submit) */
    uint32_t      was_refused; /* some of its tasks, for want of memory: what depends on them is, too */
    sbl_serials   serials;
    sbl_squeue    roots;
    uint32_t     *specs; /* by its number */
    uint32_t      n_specs;
    uint32_t      next_roots, previous_roots; /* ring of clients that have ready tasks */
    uint32_t      in_roots;
    uint32_t      n_tasks;       /* records that name it as their client */
    uint32_t      n_unended;     /* of these, so many have yet to end */
    uint32_t      data;          /* list: what it keeps */
    sbl_swelcome *welcomes;      /* in order */
    uint32_t      n_ruled_ready; /* its tasks that wait in queues of rules */
} sbl_peer;

enum { SBL_RULE_HASHES = 256 };

typedef struct sbl_sevent {
    uint32_t kind, task, edge, failure;
} sbl_sevent;

struct sbl_scheduler {
    sbl_scheduler_calls   calls;
    sbl_scheduler_options options;
    int64_t               now_ns, ticked_ns;
    sbl_table             tasks, edges, copies, failures, specs, peers, rules, seats, spreads, moves;
    uint32_t              rules_by_hash[SBL_RULE_HASHES];
    uint32_t              generation;
    uint32_t             *workers;                  /* slots */
    uint32_t              n_leaving, first_leaving; /* workers that retire; list */
    uint32_t              n_workers, workers_room, n_clients;
    uint64_t              n_threads;                 /* of all workers */
    uint32_t              first_letters, first_fill; /* lists of peers */
    uint32_t              first_hungry, last_hungry, n_hungry;
    uint32_t              first_rich, last_rich;
    sbl_heads             copies_by_place; /* by task and worker */
    sbl_heads             spreads_by_task;
    uint32_t              first_lacking, last_lacking; /* spreads */
    int                   looks_at_lacking;            /* at all of them, before letters go out */
    const char           *broken;                      /* what came that can't come; NULL */
    uint32_t              roots;                       /* the client whose turn is next; 0: none has ready tasks */
    uint64_t              n_roots;                     /* ready tasks of all clients */
    sbl_sevent           *events;                      /* a ring */
    uint32_t              first_event, n_events, events_room; /* a power of two */
    uint64_t              n_sent, n_ended; /* attempts that were sent; that ended with a value or a failure */
    uint32_t              last_input, last_worker, n_alike; /* of the last task that was placed: place.c */
    sbl_ring              near; /* tasks that just became ready, and slots of who has their inputs: near.c */
    uint32_t              n_in_state[SBL_T_STATES];
    uint8_t               used[SBL_T_STATES][SBL_E_EVENTS];
    int                   no_memory; /* an allocation failed that can't be told to a task: the scheduler can't go on */
    uint32_t              kept;      /* of the value that the task has, which finishes */
};

static inline sbl_stask *sbl_task_at(const sbl_scheduler *s, uint32_t task)
{
    return sbl_table_at(&s->tasks, task);
}
static inline sbl_sedge *sbl_edge_at(const sbl_scheduler *s, uint32_t edge)
{
    return sbl_table_at(&s->edges, edge);
}
static inline sbl_peer *sbl_peer_at(const sbl_scheduler *s, uint32_t slot)
{
    return sbl_table_at(&s->peers, slot);
}
static inline sbl_sspec *sbl_spec_at(const sbl_scheduler *s, uint32_t spec)
{
    return sbl_table_at(&s->specs, spec);
}

static inline sbl_srule *sbl_rule_at(const sbl_scheduler *s, uint32_t rule)
{
    return sbl_table_at(&s->rules, rule);
}
static inline sbl_sseat *sbl_seat_at(const sbl_scheduler *s, uint32_t seat)
{
    return sbl_table_at(&s->seats, seat);
}
/* 0: it may run anywhere. */
static inline uint32_t sbl_rule_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->rule : 0;
}

static inline const char *sbl_arg_of(const sbl_stask *t)
{
    return t->arg_size <= sizeof t->arg.bytes ? t->arg.bytes : t->arg.block;
}
static inline const char *sbl_value_of(const sbl_stask *t)
{
    return SBL_BYTES_OF(t->kept) <= sizeof t->value.bytes ? t->value.bytes : t->value.block;
}
static inline int sbl_task_has_ended(const sbl_stask *t)
{
    return t->state >= SBL_T_DONE;
}

/* records.c: what all else is built of. */
/** An event for later, in order. */
void sbl_post(sbl_scheduler *s, uint32_t kind, uint32_t task, uint32_t edge, uint32_t failure);
/** Works off all events: see life.c. */
void sbl_settle(sbl_scheduler *s);
/** A new one with its inputs: waits for them, or is ready. */
void sbl_stask_begin(sbl_scheduler *s, uint32_t task);

/** A record in the state waiting, without inputs, wanted by its client. 0: no memory. spec 0: none. */
uint32_t sbl_stask_make(sbl_scheduler *s, uint32_t client, uint64_t serial, uint32_t spec);
/** Ends the record: nobody refers to it. */
void sbl_stask_end(sbl_scheduler *s, uint32_t task);
void sbl_stask_set_state(sbl_scheduler *s, sbl_stask *t, int state);
/** Copies size bytes to where arguments or values lie. 0: no memory. */
int sbl_bytes_keep(void *place, const char *bytes, size_t size);
/** The first of two texts, in a block of which the second is the rest. NULL: no memory. */
char *sbl_two_texts_keep(const char *first, const char *second, const char **second_kept);
void  sbl_value_forget(sbl_stask *t);
void  sbl_arg_forget(sbl_stask *t);

/** One input more, at the end: *last is the last edge so far, or 0. 0: no memory. */
int sbl_edge_add(sbl_scheduler *s, uint32_t task, uint32_t input, uint32_t *last);
/** Its edges end: inputs that nobody else needs are let go. */
void sbl_edges_end(sbl_scheduler *s, uint32_t task);
/** From now on it is under way, and needs its inputs; or not any more. */
void sbl_hold_inputs(sbl_scheduler *s, uint32_t task);
void sbl_let_inputs_go(sbl_scheduler *s, uint32_t task);
/** Tells all that have it as input. failure: of SBL_E_INPUT_FAILED. */
void sbl_tell_dependents(sbl_scheduler *s, uint32_t task, uint32_t kind, uint32_t failure);

/** Lists of tasks that begin at *first. */
void sbl_tasks_add(sbl_scheduler *s, uint32_t *first, uint32_t task);
void sbl_tasks_remove(sbl_scheduler *s, uint32_t *first, uint32_t task);

/** A failure that fits, one reference; that for want of memory is the same for all (0 stands for it). */
uint32_t sbl_sfailure_make(sbl_scheduler *s, const sabal_error *err);
uint32_t sbl_sfailure_retain(sbl_scheduler *s, uint32_t failure);
void     sbl_sfailure_release(sbl_scheduler *s, uint32_t failure);
/** Its status; and as words (sbl_say_failure()). */
sabal_status sbl_sfailure_status(const sbl_scheduler *s, uint32_t failure);
void         sbl_sfailure_say(const sbl_scheduler *s, uint32_t failure, sbl_words *w);

/** Its texts become ours, one behind the other. 0: no memory. */
int  sbl_spec_keep_texts(sbl_spec *spec);
void sbl_sspec_release(sbl_scheduler *s, uint32_t spec);

/** circle.c: 1 if that target waits for that task, -1 if there is no memory to tell. */
int sbl_waits_for(sbl_scheduler *s, uint32_t target, uint32_t task);

/* copies.c: which workers have which values. */
/** One more has it; the first one is the task's `worker`. */
void sbl_copy_add(sbl_scheduler *s, uint32_t task, uint32_t worker);
/** That one has it no more. 1: it was the last. */
int sbl_copy_remove(sbl_scheduler *s, uint32_t task, uint32_t worker);
/** Of a task that has copies: a worker that has one. */
uint32_t sbl_copy_first(const sbl_scheduler *s, const sbl_stask *t);
/** Copies of a task, from its `copies` on: the next, and whose it is. */
uint32_t sbl_copy_next(const sbl_scheduler *s, uint32_t copy);
uint32_t sbl_copy_worker(const sbl_scheduler *s, uint32_t copy);
/** That worker is told to drop it: another has it too. */
void sbl_copy_leave(sbl_scheduler *s, uint32_t task, uint32_t worker);
int  sbl_copy_is_at(const sbl_scheduler *s, uint32_t task, uint32_t worker);
int  sbl_copies_init(sbl_scheduler *s);
/** All that have it are told to drop it. */
void sbl_copies_drop(sbl_scheduler *s, uint32_t task);
/** The failure of data that nobody has any more; 0 for what can be made again. */
uint32_t sbl_why_lost(sbl_scheduler *s, uint32_t task);
/** A client is gone: what it kept lies with workers from now on, or is lost. */
void sbl_data_leaves_client(sbl_scheduler *s, uint32_t client);
/** A worker is gone: what it had is with others, or is lost. */
void sbl_copies_lose(sbl_scheduler *s, uint32_t worker);

/* place.c: where tasks run. */
/** A task became ready: it goes into a queue. */
void sbl_place(sbl_scheduler *s, uint32_t task);
/** It leaves its queue. */
void sbl_unplace(sbl_scheduler *s, uint32_t task);
/** It leaves the worker that it was sent to. */
void sbl_unsend(sbl_scheduler *s, uint32_t task);
/** A task that was sent has one more that depends on it. */
void sbl_may_send_ahead(sbl_scheduler *s, uint32_t task);
/** That worker may have room. */
void sbl_may_fill(sbl_scheduler *s, uint32_t worker);
/** Gives workers that have room what there is. */
void sbl_fill_workers(sbl_scheduler *s);
/** Time passes, and what waits there may wait for longer than was thought. */
void sbl_look_again(sbl_scheduler *s, uint32_t worker);
/** A worker is gone: what waits in its queue goes elsewhere. */
void sbl_queue_scatter(sbl_scheduler *s, uint32_t worker);
/** Any, the same for the same key; 0: there is none. */
uint32_t sbl_any_worker(const sbl_scheduler *s, uint32_t key);
/** It is given nothing any more, and nothing is taken from it; what it was called for is another's. */
void sbl_worker_rests(sbl_scheduler *s, uint32_t worker);

/* retire.c: a worker is about to leave. */
/** It gets nothing any more, and what it has goes to others. */
void sbl_retire(sbl_scheduler *s, uint32_t worker);
/** One more worker has that value: if it was to be moved, it is. */
void sbl_retire_has(sbl_scheduler *s, uint32_t task);
/** That worker does not get it; if it was to be moved there, it is tried again at a tick, perhaps with another. */
void sbl_retire_lacks(sbl_scheduler *s, uint32_t task, uint32_t worker);
/** A worker is gone, to which something may have been on its way. */
void sbl_retire_lost(sbl_scheduler *s, uint32_t worker);
/** Time passes. */
void sbl_retire_tick(sbl_scheduler *s);

/* rules.c: what not all workers may run. */
/** The rule of a spec, with a reference; 0: it has none. -1: no memory, or its texts can't be read (*wrong). */
int64_t sbl_rule_find(sbl_scheduler *s, const sbl_spec *spec, const char **wrong);
void    sbl_rule_release(sbl_scheduler *s, uint32_t rule);
void    sbl_rules_end(sbl_scheduler *s);
/** A spec that is like that one, with one reference, and has a rule of its own with these texts, and no seats. 0: no memory. */
uint32_t sbl_spec_of_its_own(sbl_scheduler *s, uint32_t spec, const char *workers, const char *resources);
/** All workers that may run its tasks have seats, and no others. */
void sbl_rule_seat(sbl_scheduler *s, uint32_t rule);
/** A worker's seats: once it was told what it is; when it is gone. */
void sbl_seats_begin(sbl_scheduler *s, uint32_t worker);
void sbl_seats_end(sbl_scheduler *s, uint32_t worker);
/** The same for one worker alone: a spec that is like that one, with one reference. 0: no memory. */
uint32_t sbl_spec_for(sbl_scheduler *s, uint32_t spec, uint32_t worker, int is_first);
/** each.c: a worker that has just come gets what clients have each one run. */
void sbl_welcome(sbl_scheduler *s, uint32_t worker);
void sbl_welcomes_end(sbl_scheduler *s, sbl_peer *client);
/** A task has failed where it ran: if it is one of these, that is told, as nobody waits for it. */
void sbl_welcome_failed(sbl_scheduler *s, const sbl_stask *t, uint32_t failure);
/** A task became ready, leaves the queue of its rule. */
void sbl_rule_place(sbl_scheduler *s, uint32_t task);
void sbl_rule_unplace(sbl_scheduler *s, uint32_t task);
/** The next task of a rule for that worker; 0: there is none, or what it takes is taken. */
uint32_t sbl_rule_next(const sbl_scheduler *s, const sbl_peer *w, int32_t *priority);
/** A task that has a rule is sent to a worker; has left it. */
void sbl_rule_take(sbl_scheduler *s, const sbl_stask *t, uint32_t worker);
void sbl_rule_give(sbl_scheduler *s, const sbl_stask *t);
/** Of one that is new, the next that it is to run before all others, once it has run the one before; 0: none. */
uint32_t sbl_rule_next_first(const sbl_scheduler *s, const sbl_peer *w);
/** A worker has what it was to be given: for the rules whose tasks it could take it is one of the open; the others look on. */
void sbl_seats_note(sbl_scheduler *s, uint32_t worker);
/** Others than that worker may have what it has seats for. */
void sbl_seats_feed(sbl_scheduler *s, uint32_t worker);
/** NULL, or what does not hold. */
const char *sbl_rules_check(const sbl_scheduler *s);

/* refusals.c: workers that have no room for a task. */
/** That one had none: it is for the others. 0: it is for no other, or there is no memory. */
int sbl_refusal_note(sbl_scheduler *s, uint32_t task, uint32_t worker, uint32_t failure);
/** It has run: if it has to again, all may. */
void sbl_refusals_forget(sbl_scheduler *s, uint32_t task);
/** All of a rule that is one task's own may be asked once more. */
void sbl_refusals_end(sbl_scheduler *s, uint32_t rule);
int  sbl_has_refused(const sbl_srule *r, const sbl_peer *w);

/** near.c: notes down a task of a rule for who would take it now and has most of its inputs. 0: there is none. */
int sbl_near_place(sbl_scheduler *s, uint32_t task);
/** The same of a task that any worker may run, whose inputs were told: for who made most of them. */
int sbl_near_place_any(sbl_scheduler *s, uint32_t task);

/* queue.c */
/** Of its priority's: at the end; before those at the end, in the order in which they were submitted, if all are one client's; or
    before all of them, as what they ended lies in a worker's memory. 0: no memory. */
enum { SBL_BEHIND, SBL_BEFORE, SBL_FOREMOST };
int      sbl_squeue_add(sbl_scheduler *s, sbl_squeue *q, uint32_t task, int32_t priority, int where);
void     sbl_squeue_remove(sbl_scheduler *s, sbl_squeue *q, uint32_t task, int32_t priority);
uint32_t sbl_squeue_first(const sbl_squeue *q, int32_t *priority); /* 0: none */
void     sbl_squeue_clear(sbl_squeue *q);
/** 0: no memory. */
int  sbl_ring_add(sbl_ring *ring, uint64_t item);
int  sbl_ring_take(sbl_ring *ring, uint64_t *item); /* 0: there is none */
void sbl_ring_clear(sbl_ring *ring);

/* orders.c: what is said to workers and clients. */
/** The task itself, with its inputs. */
void sbl_order_send(sbl_scheduler *s, uint32_t task, uint32_t worker);
/** One worker is to get a copy of a value from another, or from the client that keeps it. */
void sbl_order_fetch(sbl_scheduler *s, uint32_t task, uint32_t from, uint32_t to);
/** That value is needed there no more. */
void sbl_say_drop(sbl_scheduler *s, uint32_t worker, uint32_t task, uint32_t attempt);
/** Where the value of a done task is: that task, or the one that it returned. */
uint32_t sbl_value_task(const sbl_scheduler *s, uint32_t task);
void     sbl_tell_done(sbl_scheduler *s, uint32_t task);
void     sbl_tell_failed(sbl_scheduler *s, uint32_t task);
/** Its client need not keep that data any more. */
void sbl_tell_forget(sbl_scheduler *s, uint32_t task);
void sbl_tell_where(sbl_scheduler *s, uint32_t task);
/** A peer is about to be told of a worker by its number: the first time, it is introduced. Returns the number. */
uint32_t sbl_mention(sbl_scheduler *s, uint32_t slot, uint32_t worker);
/** For letters to a peer; it is one of those that have some. */
sbl_words *sbl_letter_to(sbl_scheduler *s, uint32_t slot, uint32_t kind);

/* peers.c */
/** The client's task of that number; 0: none, or wanted no more. */
uint32_t sbl_serial_find(const sbl_peer *client, uint64_t serial);
/** 1: one of n numbers from first on means a task. */
int sbl_serial_any(const sbl_peer *client, uint64_t first, uint64_t n);
/** 0: no memory, or the number is in use. */
int  sbl_serial_set(sbl_peer *client, uint64_t serial, uint32_t task);
void sbl_serial_forget(sbl_peer *client, uint64_t serial);
/** The next that may be in use. */
uint64_t sbl_serial_next(const sbl_peer *client, uint64_t serial);
void     sbl_serials_clear(sbl_serials *serials);
/** Its slot; 0: it is no more. */
uint32_t sbl_peer_slot(const sbl_scheduler *s, uint32_t number);
void     sbl_peer_was_heard(sbl_scheduler *s, uint32_t slot);
void     sbl_peers_end(sbl_scheduler *s);
/** A failure: its client is gone. */
uint32_t sbl_why_left(sbl_scheduler *s);
/** The last task of a client that is gone has ended. */
void sbl_peer_forget(sbl_scheduler *s, uint32_t slot);
void sbl_drop_peer(sbl_scheduler *s, uint32_t slot, const char *why);

#endif
