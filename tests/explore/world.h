/* The state of a run, from inside: threads between two steps, what each knows of each location, the memory. */
#ifndef SBL_TESTS_EXPLORE_WORLD_H
#define SBL_TESTS_EXPLORE_WORLD_H

#include "explore/explore.h"

#define THREADS   5
#define LOCATIONS 64
#define HISTORY   3 /* values of a location, at most */
#define ARENA     (1 << 15)
#define STACK     (1 << 13)
#define OWN       96

/* For each location the oldest of its values that may still be read (an index), or, if it is plain memory, whether the
   last access is known. */
typedef struct view {
    uint8_t at[LOCATIONS];
} view;

typedef struct value {
    uint64_t bits;
    view     view; /* what who reads it with acquire gets to know */
} value;

typedef struct location {
    uint32_t n;                   /* values kept, the last is the newest; 0: not touched yet */
    value    values[HISTORY + 1]; /* one more while the newest comes and the oldest goes */
} location;

enum kind {
    NOTHING,
    BEGIN,
    LOAD,
    STORE,
    EXCHANGE,
    ADD,
    SUB,
    AND,
    OR,
    XOR,
    COMPARE,
    FENCE,
    WAIT,
    WAKE,
    ASLEEP,
    AWAKE,
    LOCK,
    UNLOCK,
    JOIN,
    UNTIL,
    FINISHED,
};

/* What a thread does next, filled by it; and what came of it, by who performs it. */
typedef struct operation {
    enum kind   kind;
    int         size, order;
    uintptr_t   address;
    uint64_t    operand, expected;
    uint64_t    result;
    const void *from; /* the code */
} operation;

typedef struct thread {
    void     *sp;
    operation op;
    view      now, acquired, released; /* acquired: at the next acquire fence; released: as of the last release fence */
    const char *name;
    void (*run)(void *);
    void *(*run_posix)(void *);
    void *argument;
    int   may_sleep;
    char  own[OWN];
} thread;

typedef struct world {
    size_t   used; /* of the arena */
    int      n_threads;
    int      last, preemptions;
    view     fenced; /* what any sequentially consistent fence knew */
    thread   threads[THREADS];
    location locations[LOCATIONS];
    _Alignas(128) char arena[ARENA];
} world;

extern world   explore_world;
extern int     explore_depth;
extern thread *explore_current; /* that runs; NULL: the explorer itself, or setup, or check */
extern _Alignas(128) char explore_stacks[THREADS][STACK];
extern const char *explore_broken; /* what was found */
extern int         explore_n_locations;

/* coroutine.c */
/** Lets a thread run up to its next operation. */
void explore_resume(thread *t);
/** From a thread: lets the explorer perform t->op. */
void explore_yield(void);
void explore_ready(thread *t);

/* memory.c */
/** In how many ways the thread's operation can go on; 0: it is blocked. */
int explore_ways(const thread *t);
/** Performs it in one of these ways. 0: the thread does not go on yet. */
int  explore_perform(thread *t, int way);
void explore_forget_old(void);
void explore_memory_reset(void);
/** A plain access of the running thread. */
void        explore_plain(uintptr_t address, int is_write);
int         explore_is_quiet(uintptr_t address);
const char *explore_name_of(uintptr_t address);
void        explore_put_held(void);

/* touched.c */
/** 1: the operation of the thread that runs is no step of its own. */
int        explore_is_alone(const thread *t);
void       explore_touched_reset(void);
extern int explore_surprised; /* what was assumed does not hold */

/* search.c */
typedef struct explore_result {
    int64_t states, steps;
    int     ends, deepest, complete, tries;
} explore_result;
/** 0: nothing was found. */
int explore_run(const explore_scenario *scenario, int depth, int preemptions, int64_t most, explore_result *result);

#endif
