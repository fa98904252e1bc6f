/*
 * The scheduler as a state machine: letters of peers in, letters to peers out. It has no sockets, threads, clock or
 * randomness; whoever drives it (a process, the simulator, a test) tells it the time and who comes and goes.
 */
#ifndef SBL_CORE_SCHEDULER_H
#define SBL_CORE_SCHEDULER_H

#include "cluster/core/letters.h"

typedef struct sbl_scheduler sbl_scheduler;

typedef struct sbl_scheduler_calls {
    /** Letters for a peer. The words may be taken by who is called, who leaves others, or none (zeroed), in their place. */
    void (*send)(void *arg, uint32_t peer, sbl_words *words);
    /** Have no more to do with this peer: it broke the rules, or was silent too long. sbl_scheduler_lost() is to follow, not
        from within. */
    void (*drop)(void *arg, uint32_t peer, const char *why);
    /** In letters that follow a peer is told of this worker by its number: it has to know how that is reached. */
    void (*introduce)(void *arg, uint32_t peer, uint32_t worker);
    void *arg;
    /** What a client has each worker run that comes has failed in one; nobody waits for it. name: the task's. NULL: it is not told. */
    void (*unheard)(void *arg, uint32_t client, uint32_t worker, const char *name, const sabal_error *why);
} sbl_scheduler_calls;

/** Times at which a worker that is silent is given no more work, and is taken for dead; limits of 1 to 255. */
typedef struct sbl_scheduler_options {
    int64_t suspect_ns, dead_ns;
    int32_t allowed_kills;  /* workers that a task may end by its own fault; then it has failed */
    int32_t allowed_losses; /* workers that may end while a task runs on them, by whosoever's fault */
} sbl_scheduler_options;
#define SBL_SCHEDULER_DEFAULTS .suspect_ns = 1000000000, .dead_ns = 3000000000, .allowed_kills = 3, .allowed_losses = 10

/** NULL: no memory. */
sbl_scheduler *sbl_scheduler_create(const sbl_scheduler_calls *calls, const sbl_scheduler_options *options);
void           sbl_scheduler_destroy(sbl_scheduler *s);

/** Peers: admitted and gone. A number is never used twice. 0: no memory. */
uint32_t sbl_scheduler_client_came(sbl_scheduler *s, int64_t now_ns);
uint32_t sbl_scheduler_worker_came(sbl_scheduler *s, int32_t threads, int64_t now_ns);

/** What tasks may ask for when they say where they may run (base/lists.h). */
typedef struct sbl_worker_words {
    const char *name, *host;
    const char *resources; /* that it has: what can't be read is none */
} sbl_worker_words;
/** The same worker, as soon as it came, once. Before, tasks that may not run anywhere don't run there. */
void sbl_scheduler_worker_tells(sbl_scheduler *s, uint32_t worker, const sbl_worker_words *words);

/** A task that ran in a worker when that ended. */
typedef struct sbl_ran {
    uint32_t task, attempt;
    uint32_t is_guilty; /* the end was its fault */
} sbl_ran;

/** Why a worker is gone. */
typedef struct sbl_loss {
    int      planned;  /* it said that it would leave */
    int      is_known; /* what ran is all that did: what else it had been sent had not begun, and is not charged */
    uint32_t n_ran;
    const sbl_ran *ran;
    const char    *node, *what; /* its name, or NULL; "signal 11 (Segmentation fault)" */
} sbl_loss;
/** loss NULL: nothing is known. */
void sbl_scheduler_lost(sbl_scheduler *s, uint32_t peer, const sbl_loss *loss, int64_t now_ns);
/** A worker's connection has ended; why, and so whose fault it was, is soon to be told by sbl_scheduler_lost(). It gets nothing until
    then. */
void sbl_scheduler_suspect(sbl_scheduler *s, uint32_t peer);

/** What a peer said: a frame of letters. One that breaks the rules is dropped. */
void sbl_scheduler_hear(sbl_scheduler *s, uint32_t peer, const void *bytes, size_t size, int64_t now_ns);
/** Time passes: every quarter of suspect_ns or so. */
void sbl_scheduler_tick(sbl_scheduler *s, int64_t now_ns);
/** 1: memory could not be had where no task could be told; its process ends. It does nothing from here on. */
int sbl_scheduler_has_failed(const sbl_scheduler *s);
/** Gives workers what there is to do, and hands out what there is to be said. After each of the above, or some of them. */
void sbl_scheduler_send(sbl_scheduler *s);

/** 1: a client has more tasks that have yet to end than all workers could run at once, and twice: it is no matter whether it hears at
    once that one more has ended. */
int sbl_scheduler_has_plenty(const sbl_scheduler *s, uint32_t client);

/** Numbers, for people and tests. */
typedef struct sbl_scheduler_counts {
    uint32_t tasks, edges, copies, failures, specs, rules, seats, spreads; /* records in use */
    uint32_t clients, workers, leaving, hungry;                            /* leaving: workers that retire */
    uint64_t by_state[7];
    uint64_t sent, ended; /* attempts so far */
} sbl_scheduler_counts;
void sbl_scheduler_count(const sbl_scheduler *s, sbl_scheduler_counts *counts);

/** Looks whether all that must hold does; NULL, or what does not. For tests: visits every record. */
const char *sbl_scheduler_check(const sbl_scheduler *s);

/** 1 once a cell of the table (state, event) has been used. For coverage. */
int         sbl_scheduler_cell_was_used(const sbl_scheduler *s, int state, int event);
const char *sbl_scheduler_state_name(int state);
const char *sbl_scheduler_event_name(int event); /* NULL past the last */
/** 1 if that cell can't be reached, whatever comes: it is a bug if it is. */
int sbl_scheduler_cell_is_void(int state, int event);

#endif
