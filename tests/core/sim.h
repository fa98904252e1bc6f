/*
 * The simulator: the scheduler's, workers' and clients' state machines of src/cluster/core against a network, clocks, memory,
 * tasks and faults that come from one seed. See README.md.
 *
 * A world has processes; what happens to them are events, ordered by (time, sequence). A program is what a client (or a task
 * that submits tasks) submits: nodes in batches. What each node gives is known beforehand, by a serial evaluation.
 */
#ifndef SBL_TESTS_CORE_SIM_H
#define SBL_TESTS_CORE_SIM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/core/executor.h"
#include "cluster/core/scheduler.h"
#include "cluster/core/submitter.h"

#define MS     1000000ll
#define SECOND 1000000000ll

typedef struct sim  sim;
typedef struct proc proc;

/* Each component draws from a stream of its own, so that a draw more in one does not shift the others. */
enum {
    FROM_PLAN,
    FROM_GRAPH,
    FROM_NET,
    FROM_FAULTS,
    FROM_TASKS,
    FROM_CLIENTS,
    FROM_CLOCKS,
    FROM_MEMORY,
    FROM_RETIRES,
    FROM_SPREADS,
    FROM_ROOM,
    FROM_TURNS,
    STREAMS
};

/* What may go wrong, or be unusual, in a run; each seed draws which. */
enum {
    F_SPIKES      = 1 << 0, /* letters that take much longer */
    F_SLOW_LINKS  = 1 << 1,
    F_CUTS        = 1 << 2,  /* a process's links stand still for a while */
    F_RESETS      = 1 << 3,  /* its link to the scheduler breaks, at any letter */
    F_PEER_RESETS = 1 << 4,  /* links between workers break */
    F_CRASHES     = 1 << 5,  /* a worker ends, and its links are closed */
    F_POWER       = 1 << 6,  /* it ends, and nobody is told */
    F_PAUSES      = 1 << 7,  /* it stands still, and goes on */
    F_LEAVES      = 1 << 8,  /* it leaves as planned */
    F_WAVES       = 1 << 9,  /* workers come late */
    F_CLIENT_GONE = 1 << 10, /* a client ends */
    F_ALL_AT_ONCE = 1 << 11, /* all workers end */
    F_CLOCKS      = 1 << 12, /* clocks drift, timers are late */
    F_EVICTS      = 1 << 13, /* values are read back late */
    F_DISK        = 1 << 14, /* or can't be read back */
    F_FAILING     = 1 << 15, /* tasks that fail */
    F_FLAKY       = 1 << 16, /* that fail at first */
    F_CHAINS      = 1 << 17, /* that return a task */
    F_NESTED      = 1 << 18, /* that submit tasks and wait for them */
    F_POISON      = 1 << 19, /* that end each worker that they run on */
    F_CRASHING    = 1 << 20, /* that end a worker once or twice */
    F_CANCELS     = 1 << 21,
    F_SIZES       = 1 << 22, /* results of other sizes than declared */
    F_DATA        = 1 << 23,
    F_LARGE       = 1 << 24, /* values that are not told */
    F_EARLY       = 1 << 25, /* futures are released before they are done */
    F_HALF_SAID   = 1 << 26, /* a worker ends between two letters that it says */
    F_FEW_LOSSES  = 1 << 27, /* few workers may end under a task */
    F_RULES       = 1 << 28, /* tasks that not all workers may run */
    F_RETIRES     = 1 << 29, /* workers leave when what they have is elsewhere */
    F_FULL        = 1 << 30, /* workers that have no room for some tasks */
    F_KINDS       = 31,
    F_MAKE_IDLE   = F_SPIKES | F_SLOW_LINKS | F_CUTS | F_PAUSES | F_POWER | F_EVICTS | F_LARGE | F_RESETS | F_CRASHES |
                  F_POISON | F_CRASHING | F_ALL_AT_ONCE | F_HALF_SAID | F_DISK | F_FULL,
    F_MAKE_AGAIN = F_CUTS | F_RESETS | F_PEER_RESETS | F_CRASHES | F_POWER | F_PAUSES | F_LEAVES | F_ALL_AT_ONCE |
                   F_DISK | F_FAILING | F_FLAKY | F_POISON | F_CRASHING | F_HALF_SAID | F_FULL
};

typedef struct plan {
    uint64_t seed;
    uint32_t workers, clients, tasks, faults, threads;
    int64_t  faults_end;              /* all is quiet from then on */
    double   delay, fault_every;      /* ns, means */
    double   duration;                /* of a task, ns, mean */
    uint32_t most_inputs, most_kills; /* crashes of workers in all */
    int      spreads;                 /* clients say how many workers are to have values */
    int      has_turns;               /* the scheduler hears some things before it says what comes of them */
    int      is_quiet;                /* no fault that a task could notice */
    int      is_big;                  /* --tasks: no history is kept */
    int      check_every;
} plan;

/* A value; it stays here when it is forgotten, so that a use of it is seen. */
typedef struct value {
    uint64_t      hash, size;
    int           is_alive, is_lost;
    struct value *next;
} value;

enum { PLAIN, FAILS, FLAKY, CHAIN, NEST, DATA, POISON, CRASHES };

typedef struct node {
    uint8_t  kind, flaky, spec;
    uint8_t  may_lose; /* it is made of data of a client that may be gone before */
    uint16_t arg_size, n_inputs;
    uint32_t first_input; /* in sim.inputs */
    uint32_t child;       /* program */
    uint32_t program;
    uint32_t last_use; /* node; 0: none */
    uint32_t statuses; /* bits: those with which it may fail; 0: it does not */
    uint32_t n_given;  /* how often it was given back since it was to begin last */
    uint32_t n_begun;
    uint8_t  is_each; /* each worker runs it */
    int64_t  duration;
    uint64_t size, hash;
} node;

typedef struct batch {
    uint32_t first, n;
    int      is_shared;
} batch;

typedef struct program {
    uint32_t first_node, n_nodes, first_batch, n_batches;
} program;

/* Of specs, the last are those of tasks that not all workers may run. */
enum { ANYWHERE = 6, SPECS = 9, MANY_SPECS = 1 << 14, RAN = 8 };

/* A future of a client or of a worker's own client; its serial is its place + 1. */
typedef struct future {
    uint32_t    node;
    uint8_t     is_done, is_failed, is_told, is_released, is_looking, was_looked_for, is_gathered, may_be_cancelled;
    uint8_t     is_each; /* each worker runs it: it has no value of its own */
    uint32_t    status;
    uint32_t    task, attempt; /* of kept data: its name */
    value      *kept;          /* data */
    struct run *waiter;
} future;

typedef struct clientele {
    sbl_submitter submitter;
    sbl_outbox    out; /* a client's; a worker says it with what its executor says */
    future       *futures;
    uint32_t      n, room;
    uint32_t      specs[SPECS];
    uint32_t      n_kept;
} clientele;

/* A value that is awaited from elsewhere: for an item, or for a future. */
typedef struct fetch {
    uint64_t      id;
    sbl_item     *item;
    uint64_t      serial;
    uint32_t      task, attempt;
    int           from; /* process; -1: unknown */
    int           waits_for_offer;
    struct fetch *next;
} fetch;

typedef struct offer {
    int      from;
    uint32_t task, attempt;
} offer;

enum { QUEUED, RUNNING, NESTING, ENDING };
typedef struct run {
    sbl_item           *item;
    const sbl_task_run *order;
    uint32_t            node;
    int                 state, is_stopped;
    uint32_t            awaits;
    uint32_t            first; /* future of its first child */
    int                 child_failed;
    uint32_t            child_status;
    uint64_t            id;
    struct run         *next;
} run;

enum { THE_SCHEDULER, A_WORKER, A_CLIENT };
struct proc {
    sim          *world;
    int           kind, is_alive, is_linked, is_leaving;
    uint32_t      peer;
    int64_t       paused_until, cut_until;
    double        drift;
    sbl_executor *executor;
    clientele     own; /* futures */
    uint32_t      threads, busy, spare;
    uint32_t      place;             /* what it is called and has: sim_place() */
    uint8_t       specs[MANY_SPECS]; /* by the scheduler's number */
    run          *runs;
    fetch        *fetches;
    offer        *offers;
    uint32_t      n_offers, offers_room;
    uint64_t      held, limit; /* bytes of its values */
    uint64_t      letters;
    int           is_full; /* F_FULL: it has no room for half of what it gets */
    int64_t       joined_at;
    int64_t       heard_at; /* when something of it came to the scheduler last */
    int           is_lost;  /* the scheduler was told that it is gone */
    uint32_t     *met;      /* by slot: workers that it was introduced to */
    /* as a client */
    uint32_t program, next_batch, unfinished, n_each;
    int      is_finished;
    int64_t  finished_at, idle_since;
    /* what the scheduler is told of its end */
    sbl_ran  ran[RAN]; /* when it ended: first what ended it, then what ran beside */
    uint32_t n_ran;
};

/* A worker had no room for a node. */
typedef struct refusal {
    uint32_t node;
    int      proc;
    int64_t  at;
} refusal;

typedef struct event {
    int64_t  time;
    uint64_t sequence;
    void (*act)(sim *w, struct event *e);
    int       proc; /* whose: nothing happens if it is gone, or later if it is paused; -1: nobody's */
    int       from;
    uint32_t  epoch;
    uint64_t  a, b, c;
    sbl_words words;
} event;

typedef struct channel {
    uint32_t key, epoch;
    int64_t  last;
    double   slow;
} channel;

struct sim {
    plan           plan;
    uint64_t       drawn[STREAMS];
    int64_t        now;
    event         *heap;
    uint32_t       n_events, events_room;
    uint64_t       sequence, n_happened;
    proc          *procs;
    int            n_procs;
    sbl_scheduler *scheduler;
    channel       *channels;
    uint32_t       channels_room, n_channels;
    node          *nodes;
    uint32_t       n_nodes, nodes_room;
    uint32_t      *inputs;
    uint32_t       n_inputs, inputs_room;
    batch         *batches;
    uint32_t       n_batches, batches_room;
    program       *programs;
    uint32_t       n_programs, programs_room;
    value         *values;
    uint64_t       n_values, ids;
    uint32_t       n_losses, n_faults, n_kills, n_unplanned, n_unknown; /* unknown: by whose fault */
    uint64_t       n_runs, n_letters, n_ended, n_frames;
    uint32_t       n_cut_short; /* workers that retired, and had to end before all was elsewhere */
    int            is_ending, is_over, trace;
    int            is_behind; /* the scheduler has heard something, and said nothing since */
    int64_t        ending_at, give_up_at;
    uint64_t       log; /* hash of all that happened */
    char           wrong[600];
    uint8_t        used[7][32];
    refusal       *refusals;
    uint32_t       n_refusals, refusals_room;
};

/* sim_world.c */
uint64_t sim_mix(uint64_t a, uint64_t b);
uint64_t sim_draw(sim *w, int stream);
uint32_t sim_below(sim *w, int stream, uint32_t n);
int      sim_chance(sim *w, int stream, double p);
/** Exponential, of that mean. */
int64_t sim_about(sim *w, int stream, double mean);
int     sim_has(const sim *w, uint32_t faults);
void   *sim_grow(void *items, uint32_t *room, uint32_t n, size_t size);
/** An event for later; the caller fills in what it brings. Valid until the next. */
event *sim_at(sim *w, int64_t time, int whose, void (*act)(sim *w, event *e));
/** Runs till nothing is left, or something is wrong. */
void   sim_run(sim *w);
void   sim_say_wrong(sim *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void   sim_trace(sim *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
value *sim_value(sim *w, proc *p, uint64_t hash, uint64_t size);
void   sim_forget(sim *w, proc *p, value *v);

/* sim_graph.c */
uint32_t        sim_program(sim *w, uint32_t n, int depth);
void            sim_evaluate(sim *w, uint32_t which);
const sbl_spec *sim_spec(uint32_t spec);
/** What a worker is called and has; that of 0 may run all tasks. */
enum { PLACES = 4 };
const sbl_worker_words *sim_place(uint32_t place);
/** The first of those nodes of a program that a task waits for, who submits it; up to its last. */
uint32_t sim_first_awaited(const sim *w, const program *p);

/* sim_net.c */
/** When something of that size, sent now, arrives. */
int64_t  sim_arrival(sim *w, int from, int to, uint64_t size);
uint32_t sim_epoch(sim *w, int from, int to);
/** All that is under way between two is lost. */
void sim_reset(sim *w, int a, int b);
/** What a process has to say to the scheduler goes. */
void sim_flush(sim *w, proc *p);
void sim_send_letters(sim *w, int from, int to, const char *bytes, size_t size);
int  sim_number(const sim *w, const proc *p);
int  sim_proc_of(const sim *w, uint32_t peer);
int  sim_has_met(const proc *p, uint32_t peer);
void sim_meet(proc *p, uint32_t peer);
enum { SLOTS = 4096, OCCUPANTS = 8 };

/* sim_scheduler.c */
void sim_scheduler_begin(sim *w);
void sim_hear_scheduler(sim *w, event *e);
/** sim_views.c: what the scheduler thinks that workers have, they have, unless something is under way between them. */
void sim_check_views(sim *w);
/** sim_net.c: whether letters are under way between the scheduler and that process. */
int sim_is_talking(const sim *w, int number);
/** Its link to the scheduler is gone: the scheduler is told. */
void sim_tell_lost(sim *w, int number, int64_t delay, int planned);
void sim_check(sim *w);
void sim_check_idle(sim *w);
void sim_join(sim *w, int number);

/* sim_worker.c */
int  sim_worker(sim *w, uint32_t threads, uint32_t place);
void sim_worker_hear(sim *w, event *e);
void sim_worker_end(sim *w, proc *p);
void sim_worker_retire(sim *w, int number);
void sim_child_ended(sim *w, proc *p, run *r, const future *f);
void sim_child_gathered(sim *w, proc *p, run *r);
void sim_start_runs(sim *w, proc *p);

/* sim_inputs.c */
void sim_check_inputs(sim *w, proc *p, const run *r, const char *when);
int  sim_unreadable(sim *w, const run *r);

/* sim_fetch.c */
void   sim_ask(sim *w, proc *p, fetch *f);
fetch *sim_fetch(sim *w, proc *p, int from, uint32_t task, uint32_t attempt);
void   sim_offer(sim *w, proc *p, uint32_t task, uint32_t attempt, uint32_t worker);
/** Those that wait for that process get nothing. */
void sim_fetches_fail(sim *w, proc *p, int from, int64_t delay);
void sim_fetch_unlink(proc *p, fetch *f);

/* sim_futures.c */
void sim_clientele_begin(sim *w, proc *p);
void sim_clientele_end(sim *w, proc *p);
void sim_submit(sim *w, proc *p, const batch *b, uint32_t base);
/** A task that each worker is to run. */
void sim_run_in_each(sim *w, proc *p);
/** So many workers are to have its value, or all: any number. */
void sim_spread(sim *w, proc *p, uint32_t place);
void sim_release(sim *w, proc *p, uint32_t place);
void sim_cancel(sim *w, proc *p, uint32_t place);
void sim_gather(sim *w, proc *p, uint32_t place);
void sim_gathered(sim *w, proc *p, uint64_t serial, uint64_t hash, int found, int from);
int  sim_future_is_settled(const future *f);

/* sim_client.c */
int  sim_client(sim *w, uint32_t which);
void sim_client_hear(sim *w, event *e);
void sim_client_look(sim *w, proc *p);
void sim_client_end(sim *w, proc *p);

/* sim_room.c */
void sim_room_begin(sim *w, proc *p);
/** That worker has none for a node that was to begin. */
int sim_has_no_room(sim *w, const proc *p, uint32_t at);
/** Whether a failure for want of room has a cause. */
int sim_room_explains(const sim *w, const future *f, const char *message);

/* sim_faults.c */
void sim_faults_begin(sim *w);
/** The process ends. how: told, or not. */
enum { END_TOLD, END_UNTOLD, END_PLANNED, END_KNOWN };
void sim_kill(sim *w, int number, int how);
void sim_closed(sim *w, event *e);

/* sim_scenarios.c */
int sim_scenarios(const char *only);

/** A world of a plan, run to its end. 0: all was right. */
int  sim_world(const plan *p, int trace, char *wrong, size_t size, sim *counts);
void sim_plan(plan *p, uint64_t seed, int is_long);

#endif
