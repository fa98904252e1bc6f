/*
 * What a scenario tells the explorer. A scenario sets up some memory and a few threads; the explorer then runs the code
 * under test through every order of its atomic operations, and through every value that each load may give.
 */
#ifndef SBL_TESTS_EXPLORE_H
#define SBL_TESTS_EXPLORE_H

#include <stddef.h>
#include <stdint.h>

typedef struct explore_scenario {
    const char *name;
    void (*setup)(void);
    void (*check)(void); /* in each state in which no thread can go on */
    int depth;           /* how many values a location has at most: 1 is sequential consistency */
    int bound;           /* of preemptions; -1: all schedules */
    int long_depth, long_bound;
    int sequential_bound; /* if that is bounded, the long form goes through it with one value a location too */
} explore_scenario;

/** For setup: one more thread. One that may sleep is no fault if it does so at the end. */
void explore_thread(const char *name, void (*run)(void *), void *argument, int may_sleep);
/** Memory that starts as zero and is put back with each state. The pointer is the same in each run. */
void *explore_alloc(size_t align, size_t size);
/** Plain memory, in pieces of `piece` bytes: two threads that touch a piece, one of them writing, must be ordered. */
void explore_watch(void *memory, size_t size, size_t piece, const char *name);
/** Atomic memory that says nothing about what the code does (counters): writes are dropped. */
void explore_quiet(void *memory, size_t size);
/** Plain memory of one thread that would tell states apart though nothing hangs on it: held at its value of now. */
void explore_hold(void *memory, size_t size);
/** The variables of a thread: each has its own copy. */
void explore_own(void *memory, size_t size);
/** For the trace of a fault. */
void explore_name(const void *memory, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** From anywhere: what was found, with the steps that lead to it. Does not return to a thread. */
void explore_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** From a thread: blocks, unknown to the code under test, until ready(argument); then it reads no value older than that. */
void explore_until(int (*ready)(void *), void *argument);

/** For ready(): of the thread of that name. Those that the code under test starts are "thread 0", ... */
int explore_is_asleep(const char *name);
int explore_has_ended(const char *name);

/** All scenarios, ended by one without a name. */
extern const explore_scenario explore_scenarios[];

#endif
