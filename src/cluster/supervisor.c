/*
 * One thread that waits: for signals, for the worker's process to end, for what that says. Nothing of a task's runs here, so
 * that it is there when a worker is not any more.
 */
#include "cluster/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/limits.h"
#include "base/log.h"
#include "cluster/crew_page.h"
#include "cluster/crew_place.h"
#include "cluster/process.h"
#include "cluster/verdict.h"

#define SECOND_NS ((int64_t)1000000000)
enum { LOWEST_FD = 16, MOST_STARTS = 3, MOST_TRIES = 8 };

#define TIME_TO_LEAVE_NS (10 * SECOND_NS)    /* for a worker that was told to; then it is killed           */
#define TIME_TO_END_NS   (SECOND_NS / 10)    /* for one whose crash is noted, until that is told           */
#define TIME_TO_TELL_NS  (3 * SECOND_NS / 2) /* the scheduler waits for a second                           */
#define LONG_LIFE_NS     (10 * SECOND_NS)    /* one that ends sooner after it has joined may do so for ever */
#define LONGEST_PAUSE_NS (30 * SECOND_NS)

typedef struct supervisor {
    sabal_worker_options options;
    sbl_crew_page       *page;
    int                  page_fd, signals, process, pipe; /* -1: there is none. process: a pidfd */
    sigset_t             before;                          /* the host's signals */
    int                  has_made;                        /* the local directory */
    pid_t                pid;                             /* 0: it has ended */
    int                  status;
    struct rusage        usage;
    int64_t              oom_kills;        /* of the cgroup, before */
    int64_t              joined_at;        /* 0: it has not */
    int64_t              kill_at, tell_at; /* 0: not to be done */
    int                  is_told;          /* how it ended */
    int                  is_to_end;        /* asked by a signal, so often */
    int                  has_joined;       /* one of the workers so far */
    int                  n_failed;         /* ended before they had joined, in a row */
    int                  n_short;          /* ended soon after, in a row */
    int                  n_tries;          /* to join again a scheduler that does not answer, in a row */
} supervisor;

/* --- beginning ---------------------------------------------------------------------------------------------------- */

/* Above those by which the worker gets its own. Takes fd over; -1 on failure. */
static int above_lowest(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);

    if (fd >= 0)
        close(fd);
    return moved;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static sabal_status copy_text(char *to, size_t size, const char *text, const char *what, sabal_error *err)
{
    if (text && strlen(text) >= size)
        return sbl_error_set(err, SABAL_EINVAL, "%s of %zu characters: expected less than %zu", what, strlen(text),
                             size);
    strcpy(to, text ? text : "");
    return SABAL_OK;
}

/* What stays the same from worker to worker. */
static sabal_status fill_page(supervisor *s, const char *file, sabal_error *err)
{
    const sabal_worker_options *o = &s->options;
    sbl_crew_page              *p = s->page;
    struct sigaction            hangup;
    sabal_status                st = copy_text(p->file, sizeof p->file, file, "the scheduler file's name", err);

    if (!st)
        st = copy_text(p->interfaces, sizeof p->interfaces, o->interfaces, "names of interfaces", err);
    if (!st)
        st = copy_text(p->tls, sizeof p->tls, o->tls, "names of carriers", err);
    if (!st)
        st = copy_text(p->preload, sizeof p->preload, o->preload, "names of libraries", err);
    if (!st)
        st = copy_text(p->resources, sizeof p->resources, o->resources, "resources", err);
    if (!st)
        st = copy_text(p->local_directory, sizeof p->local_directory, o->local_directory, "the local directory's name",
                       err);
    if (st)
        return st;
    if (o->name)
        snprintf(p->name, sizeof p->name, "%s", o->name);
    else
        gethostname(p->name, sizeof p->name - 1); /* for messages */
    p->has_name       = o->name != NULL;
    p->has_interfaces = o->interfaces != NULL;
    p->has_tls        = o->tls != NULL;
    p->supervisor     = getpid();
    p->threads        = o->threads;
    p->encrypt        = o->encrypt;
    p->memory_limit   = o->memory_limit;
    p->patience_ns    = o->timeout_ns;
    p->ends_ns        = o->lifetime_ns ? sbl_clock_ns() + o->lifetime_ns : 0;
    p->keeps_hangups  = !sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler == SIG_IGN;
    return SABAL_OK;
}

static sabal_status make_page(supervisor *s, sabal_error *err)
{
    void *at;

    s->page_fd = above_lowest(memfd_create("sabal-worker", MFD_CLOEXEC));
    if (s->page_fd < 0 || sbl_grow_truncate(s->page_fd, sizeof *s->page))
        return sbl_error_errno(err, errno, "memory shared with a worker");
    at = mmap(NULL, sizeof *s->page, PROT_READ | PROT_WRITE, MAP_SHARED, s->page_fd, 0);
    if (at == MAP_FAILED)
        return sbl_error_memory(err, sizeof *s->page, "memory shared with a worker");
    s->page = at;
    return SABAL_OK;
}

/* SIGCHLD too: on systems without pidfds it tells that the worker has ended. */
static sabal_status watch_signals(supervisor *s, sabal_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    if (!s->page->keeps_hangups)
        sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, &s->before);
    s->signals = above_lowest(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    return s->signals < 0 ? sbl_error_errno(err, errno, "watching signals") : SABAL_OK;
}

/* --- the worker's process ----------------------------------------------------------------------------------------- */

static void forget_last(sbl_crew_page *p)
{
    memset(&p->fault, 0, sizeof p->fault);
    memset(p->memories, 0, sizeof p->memories);
    memset(p->folder, 0, sizeof p->folder);
    atomic_store(&p->n_memories, 0);
    atomic_store(&p->number, 0);
    atomic_store(&p->state, SBL_CREW_STARTS);
    p->why = (sabal_error)SABAL_ERROR_INIT;
}

static sabal_status start(supervisor *s, sabal_error *err)
{
    char        *args[] = {(char *)"sabal-worker", (char *)"--crew", (char *)"3", (char *)"4",
                           s->page->name,          s->page->file,    NULL};
    int          ends[2], fds[2];
    sabal_status st;

    forget_last(s->page);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return sbl_error_errno(err, errno, "the pipe from a worker");
    s->pipe = above_lowest(ends[0]);
    fds[0]  = s->page_fd;
    fds[1]  = above_lowest(ends[1]);
    if (s->pipe < 0 || fds[1] < 0)
        st = sbl_error_errno(err, errno, "the pipe from a worker");
    else
        st = sbl_process_spawn(&s->pid, fds, 2, args, err);
    close_fd(&fds[1]);
    if (st) {
        close_fd(&s->pipe);
        s->pid = 0;
        return st;
    }
    s->process   = above_lowest((int)syscall(SYS_pidfd_open, s->pid, 0));
    s->oom_kills = sbl_limits_oom_kills();
    s->status    = -1;
    s->is_told   = 0;
    s->joined_at = s->tell_at = 0;
    s->kill_at                = s->page->ends_ns ? s->page->ends_ns + SBL_RETIRE_NS + TIME_TO_LEAVE_NS : 0;
    memset(&s->usage, 0, sizeof s->usage);
    return SABAL_OK;
}

/* Who gave a descriptor for that learns that it is there; or, when it is closed without, that it will not be. */
static void say_ready(supervisor *s, int is_there)
{
    if (s->options.ready_fd < 0)
        return;
    if (is_there && write(s->options.ready_fd, "", 1) < 0)
        sbl_log(SABAL_LOG_WARN, "nobody reads that the worker is there: %m");
    close_fd(&s->options.ready_fd);
}

static void hear(supervisor *s)
{
    char          bytes[16];
    const ssize_t n = read(s->pipe, bytes, sizeof bytes);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&s->pipe);
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == 'j') {
            s->joined_at  = sbl_clock_ns();
            s->has_joined = 1;
            s->n_failed   = 0;
            s->n_tries    = 0;
            say_ready(s, 1);
        } else {
            s->tell_at = sbl_clock_ns() + TIME_TO_END_NS;
        }
    }
}

/* The second time it is not patient any more. */
static void ask_to_end(supervisor *s, int signal)
{
    const int64_t now = sbl_clock_ns();

    if (s->pid > 0) {
        kill(s->pid, s->is_to_end ? SIGKILL : signal);
        s->kill_at = now + (s->joined_at ? TIME_TO_LEAVE_NS : SECOND_NS / 5);
    }
    s->is_to_end++;
}

static void take_signals(supervisor *s)
{
    struct signalfd_siginfo what;

    while (read(s->signals, &what, sizeof what) == (ssize_t)sizeof what)
        if (what.ssi_signo != SIGCHLD)
            ask_to_end(s, (int)what.ssi_signo);
}

static void reap(supervisor *s)
{
    int         status = -1;
    const pid_t got    = s->pid > 0 ? wait4(s->pid, &status, WNOHANG, &s->usage) : 0;

    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    s->status = got > 0 ? status : -1; /* the host has it otherwise: it ignores SIGCHLD */
    s->pid    = 0;
    while (s->pipe >= 0) { /* what it has said before */
        struct pollfd last = {.fd = s->pipe, .events = POLLIN};

        if (poll(&last, 1, 0) <= 0)
            break;
        hear(s);
    }
    close_fd(&s->process);
    close_fd(&s->pipe);
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

static void tell(supervisor *s)
{
    sbl_blame       *blame  = sbl_calloc(1, sizeof *blame);
    const sbl_ending ending = {.status    = s->status,
                               .has_ended = s->pid == 0,
                               .ran_out   = s->oom_kills >= 0 && sbl_limits_oom_kills() > s->oom_kills,
                               .peak      = (int64_t)s->usage.ru_maxrss * 1024};
    sabal_error      err    = SABAL_ERROR_INIT;

    s->is_told = 1;
    s->tell_at = 0;
    if (!blame) {
        sbl_log(SABAL_LOG_ERROR, "no memory to tell how a worker ended");
        return;
    }
    sbl_verdict(blame, s->page, &ending);
    sbl_log(SABAL_LOG_WARN, "worker %u '%s' ended with %s; %s", blame->worker, s->page->name, blame->what, blame->more);
    if (blame->worker && sbl_blame_send(blame, s->page->file, s->page->cluster, sbl_clock_ns() + TIME_TO_TELL_NS, &err))
        sbl_log(SABAL_LOG_WARN, "the scheduler can't be told how a worker ended: %s", err.message);
    sbl_free(blame);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static int64_t sooner(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* Until something happens, or that time (0: for ever). */
static void wait_for(supervisor *s, int64_t until)
{
    struct pollfd at[] = {
        {.fd = s->signals, .events = POLLIN}, {.fd = s->process, .events = POLLIN}, {.fd = s->pipe, .events = POLLIN}};
    const int64_t   left  = until ? until - sbl_clock_ns() : 0;
    struct timespec limit = {.tv_sec = left / SECOND_NS, .tv_nsec = left % SECOND_NS};

    if (until && left <= 0)
        return;
    if (ppoll(at, 3, until ? &limit : NULL, NULL) <= 0)
        return;
    take_signals(s);
    if (at[2].revents)
        hear(s);
    reap(s);
}

static void watch(supervisor *s)
{
    while (s->pid > 0) {
        /* Its end of the pipe is closed, so it ends, but on an old system a signal may have gone to another thread. */
        const int64_t look = s->process < 0 && s->pipe < 0 ? sbl_clock_ns() + SECOND_NS / 20 : 0;
        int64_t       now;

        wait_for(s, sooner(look, sooner(s->kill_at, s->tell_at)));
        reap(s);
        now = sbl_clock_ns();
        if (s->pid > 0 && s->kill_at && now >= s->kill_at) {
            kill(s->pid, SIGKILL);
            s->kill_at = 0;
        }
        if (s->pid > 0 && s->tell_at && now >= s->tell_at)
            tell(s);
    }
}

/* --- again -------------------------------------------------------------------------------------------------------- */

/* 0, 0.5, 1, 2, ... s while they end soon after they have begun. */
static void pause_before(supervisor *s)
{
    const int     n    = s->n_short + s->n_failed + s->n_tries;
    const int64_t ns   = n < 2 ? 0 : n > 8 ? LONGEST_PAUSE_NS : SECOND_NS << (n - 2) >> 1;
    const int64_t till = sbl_clock_ns() + (ns < LONGEST_PAUSE_NS ? ns : LONGEST_PAUSE_NS);

    if (ns)
        sbl_log(SABAL_LOG_WARN, "%d workers ended soon, or could not join: the next begins in %.1f s", n,
                (double)ns / 1e9);
    while (!s->is_to_end && sbl_clock_ns() < till)
        wait_for(s, till);
}

/* The socket's folder, whose lock went with the process. Spilled values had no names. */
static void sweep(supervisor *s)
{
    char path[sizeof s->page->folder + 1];

    snprintf(path, sizeof path, "%.*s", (int)sizeof s->page->folder, s->page->folder);
    if (path[0])
        sbl_folder_sweep(dirname(path));
}

/* The scheduler has taken its file away: it has ended while no worker was there to hear it. */
static int is_file_gone(const supervisor *s)
{
    return s->has_joined && access(s->page->file, F_OK) && errno == ENOENT;
}

static int is_over(const supervisor *s)
{
    return s->is_to_end || atomic_load(&s->page->state) == SBL_CREW_LEFT ||
           (s->page->ends_ns && sbl_clock_ns() >= s->page->ends_ns);
}

/* SABAL_END: another one is to be started. */
static sabal_status look_at_end(supervisor *s, sabal_error *err)
{
    const int state = atomic_load(&s->page->state);
    char      text[96];

    if (is_over(s) || (state == SBL_CREW_FAILED && is_file_gone(s)))
        return SABAL_OK;
    if (state == SBL_CREW_FAILED && s->has_joined && s->page->why.status == SABAL_ETIMEDOUT &&
        ++s->n_tries < MOST_TRIES)
        return SABAL_END; /* the network may come back */
    if (state == SBL_CREW_FAILED) {
        sbl_error_pass(err, &s->page->why);
        return s->has_joined ? sbl_error_prefix(err, "the worker could not join again") : err->status;
    }
    if (state != SBL_CREW_CUT && !s->is_told)
        tell(s);
    s->n_short = s->joined_at && sbl_clock_ns() - s->joined_at < LONG_LIFE_NS ? s->n_short + 1 : 0;
    s->n_failed += !s->joined_at;
    if (s->n_failed == MOST_STARTS)
        return sbl_error_set(err, SABAL_EPEER,
                             "%d times in a row a worker ended before it had joined, the last with %s", MOST_STARTS,
                             sbl_process_tell(text, sizeof text, s->status, atomic_load(&s->page->fault.signal)));
    return SABAL_END;
}

static sabal_status run(supervisor *s, sabal_error *err)
{
    sabal_status st;

    do {
        pause_before(s);
        if (is_over(s) || is_file_gone(s))
            return SABAL_OK;
        st = start(s, err);
        if (st)
            return st;
        watch(s);
        sweep(s);
        st = look_at_end(s, err);
    } while (st == SABAL_END);
    return st;
}

static void end(supervisor *s)
{
    say_ready(s, 0);
    if (s->has_made)
        rmdir(s->page->local_directory);
    close_fd(&s->page_fd);
    if (s->signals >= 0) {
        close_fd(&s->signals);
        pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    }
    if (s->page)
        munmap(s->page, sizeof *s->page);
}

sabal_status sbl_supervise(const char *file, const sabal_worker_options *options, sabal_error *err)
{
    supervisor   s   = {.options = *options, .page_fd = -1, .signals = -1, .process = -1, .pipe = -1};
    sabal_error  own = SABAL_ERROR_INIT;
    sabal_status st  = make_page(&s, &own);

    if (!st)
        st = fill_page(&s, file, &own);
    if (!st)
        st = watch_signals(&s, &own);
    if (options->ready_fd >= 0)
        fcntl(options->ready_fd, F_SETFD, FD_CLOEXEC); /* this process alone has it */
    if (!st) {
        s.has_made = sbl_crew_make_directory(options->local_directory);
        st         = run(&s, &own);
    }
    end(&s);
    return st ? sbl_error_pass(err, &own) : SABAL_OK;
}
