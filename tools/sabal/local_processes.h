/*
 * Processes of a cluster on this machine: started so that they outlive this command, known by number and time of their start (a number
 * alone may be another's by now), kept in a file beside their logs.
 */
#ifndef SABAL_TOOL_LOCAL_PROCESSES_H
#define SABAL_TOOL_LOCAL_PROCESSES_H

#include <sys/types.h>

typedef struct process {
    pid_t              pid;
    unsigned long long start; /* in the system's unit */
    char               what[32];
} process;

typedef struct processes {
    process *list;
    int      n, room;
} processes;

/** One that is there, and is not yet in the list. 0: no memory. */
int  processes_add(processes *p, pid_t pid, const char *what);
void processes_clear(processes *p);
int  process_is_there(const process *one);
/** How many are there; with a signal, that is sent to each of them. */
int processes_count(const processes *p);
int processes_signal(const processes *p, int signal_number);
/** Waits until none is there, for so many seconds at most. How many are left. */
int processes_wait(const processes *p, double seconds);

/** Writes them to a file. 0, or an errno. */
int processes_save(const processes *p, const char *path);
/** Adds those of a file that are still there; *gone: how many are not. What is no such file has none. */
void processes_load(processes *p, int *gone, const char *path);

/** Starts this very command with other arguments (ended by NULL), in a session of its own, its output in a log (made anew).
    -1: errno tells why. */
pid_t process_start(char *const argv[], const char *log);

#endif
