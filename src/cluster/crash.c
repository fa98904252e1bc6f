/*
 * The handler notes the call and lets the signal do what it does: it takes itself away and returns, so that the same
 * instruction raises it again. It runs on a stack of its own, as a stack that ran over is among the causes.
 */
#include "cluster/crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK = 32768 };

static sbl_fault                 *fault; /* NULL: nobody watches */
static pid_t                      own_pid;
static int                        tell_fd = -1;
static __thread sbl_crash_call    current;
static __thread sbl_fault_thread *place; /* NULL: it has none */
static __thread int               is_prepared;

/* A child that a task has forked has the fault too, and its end is not the worker's. */
static void note(int signal, int is_sent)
{
    int32_t none = 0;

    if (own_pid != getpid() || !atomic_compare_exchange_strong(&fault->is_noted, &none, 1))
        return;
    atomic_store(&fault->is_sent, is_sent);
    atomic_store(&fault->signal, signal);
    atomic_store(&fault->call, current.call);
    if (tell_fd >= 0)
        (void)!write(tell_fd, "c", 1);
}

/* What the kernel raises, or this process itself (abort(), raise()), is of the thread that it comes to. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    note(signal, (info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL) &&
                     info->si_pid != own_pid);
    raise(signal); /* for those that no instruction brings; it is blocked until this returns */
}

static void on_exit_(void)
{
    if (current.call)
        note(0, 0);
}

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

void sbl_crash_watch(sbl_fault *watched, int tell)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND | SA_SIGINFO};

    fault   = watched;
    tell_fd = tell;
    own_pid = getpid();
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        sigaction(SIGNALS[i], &action, NULL);
    atexit(on_exit_);
}

/* Once a thread, for good: threads of a worker end with it. A thread of a pool has all signals blocked, and then a crash
   ends the process without the handler. */
static void prepare(void)
{
    stack_t  s = {.ss_size = STACK};
    sigset_t crashes;
    int32_t  number;

    is_prepared = 1;
    number      = atomic_fetch_add(&fault->n_threads, 1);
    if (number < SBL_FAULT_THREADS)
        place = &fault->threads[number];
    sigemptyset(&crashes);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        sigaddset(&crashes, SIGNALS[i]);
    pthread_sigmask(SIG_UNBLOCK, &crashes, NULL);
    s.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.ss_sp != MAP_FAILED)
        sigaltstack(&s, NULL);
}

/* The call is noted last, so that a call that is read has its own name. */
static void be_in(sbl_crash_call call)
{
    current = call;
    if (!place)
        return;
    if (call.call && call.name) {
        const size_t length = strnlen(call.name, sizeof place->name - 1);

        atomic_store_explicit(&place->call, 0, memory_order_relaxed);
        memcpy(place->name, call.name, length);
        place->name[length] = 0;
    }
    atomic_store_explicit(&place->call, call.call, memory_order_release); /* pairs with the end of the process */
}

sbl_crash_call sbl_crash_begin(uint64_t call, const char *name)
{
    const sbl_crash_call before = current;

    if (!fault)
        return before;
    if (!is_prepared)
        prepare();
    be_in((sbl_crash_call){call, name});
    return before;
}

void sbl_crash_end(sbl_crash_call before)
{
    if (fault)
        be_in(before);
}

void sbl_crash_begun(uint64_t call)
{
    uint64_t begun = atomic_load(&fault->begun);

    while (call > begun && !atomic_compare_exchange_weak(&fault->begun, &begun, call))
        ;
}
