/*
 * The handler notes the call and lets the signal do what it does: it takes itself away and returns, so that the same
 * instruction raises it again. It runs on a stack of its own, as a stack that ran over is among the causes.
 */
#include "cluster/crash.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "cluster/fault.h"

enum { STACK = 32768 };

static sbl_fault        *fault;
static pid_t             own_pid;
static __thread uint64_t current;
static __thread int      is_prepared;

/* A child that a task has forked has the page too, and its end is not the worker's. */
static void note(int signal)
{
    uint64_t none = 0;

    if (own_pid == getpid() && atomic_compare_exchange_strong(&fault->call, &none, current))
        atomic_store(&fault->signal, signal);
}

static void on_signal(int signal)
{
    note(signal);
    raise(signal); /* for those that no instruction brings; it is blocked until this returns */
}

static void on_exit_(void)
{
    if (current)
        note(0);
}

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

sabal_status sbl_crash_watch(int fault_fd, sabal_error *err)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESETHAND};

    fault = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, fault_fd, 0);
    close(fault_fd);
    if (fault == MAP_FAILED)
        return sbl_error_errno(err, errno, "the page shared with the hub");
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        sigaction(SIGNALS[i], &action, NULL);
    own_pid = getpid();
    signal(SIGINT, SIG_IGN); /* ^C is for the program; its end is ours */
    atexit(on_exit_);
    return SABAL_OK;
}

/* Once a thread, for good: threads of a worker end with it. A thread of a pool has all signals blocked, and then a crash
   ends the process without the handler. */
static void prepare(void)
{
    stack_t  s = {.ss_size = STACK};
    sigset_t crashes;

    is_prepared = 1;
    sigemptyset(&crashes);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        sigaddset(&crashes, SIGNALS[i]);
    pthread_sigmask(SIG_UNBLOCK, &crashes, NULL);
    s.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.ss_sp != MAP_FAILED)
        sigaltstack(&s, NULL);
}

uint64_t sbl_crash_begin(uint64_t call)
{
    uint64_t before = current, begun = atomic_load(&fault->begun);

    if (!is_prepared)
        prepare();
    while (call > begun && !atomic_compare_exchange_weak(&fault->begun, &begun, call))
        ;
    current = call;
    return before;
}

void sbl_crash_end(uint64_t before)
{
    current = before;
}
