/* From what a worker left in shared memory, and what the system says of its end, to whom it is charged. */
#include "cluster/verdict.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cluster/process.h"

#define SECOND_NS ((int64_t)1000000000)

static void add(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char *text, size_t size, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list      args;

    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* The last look at it that is at least so old; NULL: there is none. */
static const sbl_crew_memory *memory_before(const sbl_crew_page *page, int64_t at_ns)
{
    const uint32_t n = atomic_load(&page->n_memories), first = n > SBL_CREW_MEMORIES ? n - SBL_CREW_MEMORIES : 0;

    for (uint32_t i = n; i-- > first;)
        if (page->memories[i % SBL_CREW_MEMORIES].at_ns <= at_ns)
            return &page->memories[i % SBL_CREW_MEMORIES];
    return NULL;
}

/* 1: it had more than it may when it was looked at last, or has had since. A peak of long ago means nothing. */
static int is_over_limit(const sbl_crew_page *page, const sbl_ending *ending)
{
    const sbl_crew_memory *last  = memory_before(page, INT64_MAX);
    const int64_t          limit = last && last->limit ? (int64_t)last->limit : sbl_limits_memory(NULL, 0);
    uint64_t               most  = 0;

    for (int i = 0; i < SBL_CREW_MEMORIES; i++)
        most = page->memories[i].resident > most ? page->memories[i].resident : most;
    return (last && (int64_t)last->resident > limit) || (ending->peak > limit && (int64_t)most <= limit);
}

static void add_memory(char *text, size_t size, const char *when, const sbl_crew_memory *m)
{
    char managed[32], resident[32];

    add(text, size, "%s %s of results, %s resident", when, sbl_tell_bytes(managed, sizeof managed, (int64_t)m->managed),
        sbl_tell_bytes(resident, sizeof resident, (int64_t)m->resident));
}

static void tell_memory(char *text, size_t size, const sbl_crew_page *page, const sbl_ending *ending)
{
    const sbl_crew_memory *last = memory_before(page, INT64_MAX), *before, *long_before;
    char                   number[32];

    if (!last)
        return;
    before      = memory_before(page, last->at_ns - 2 * SECOND_NS);
    long_before = memory_before(page, last->at_ns - 10 * SECOND_NS);
    add_memory(text, size, "; memory:", last);
    if (before)
        add_memory(text, size, "; 2 s before:", before);
    if (long_before)
        add_memory(text, size, "; 10 s before:", long_before);
    if (ending->peak)
        add(text, size, "; at most %s resident", sbl_tell_bytes(number, sizeof number, ending->peak));
    if (last->limit)
        add(text, size, "; its limit is %s", sbl_tell_bytes(number, sizeof number, (int64_t)last->limit));
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

/* All that ran, none guilty; their names for the log. */
static void find_running(sbl_blame *blame, const sbl_crew_page *page)
{
    const int32_t noted = atomic_load(&page->fault.n_threads);
    const int32_t n     = noted < SBL_FAULT_THREADS ? noted : SBL_FAULT_THREADS;
    const char   *last  = "";

    for (int32_t i = 0; i < n; i++) {
        const sbl_fault_thread *t    = &page->fault.threads[i];
        const uint64_t          call = atomic_load_explicit(&t->call, memory_order_acquire);
        char                    name[sizeof t->name];

        snprintf(name, sizeof name, "%.*s", (int)sizeof name - 1, t->name);
        if (name[0])
            last = t->name;
        if (!call)
            continue;
        blame->ran[blame->n_ran++] = (sbl_ran){(uint32_t)(call >> 32), (uint32_t)call, 0};
        if (blame->n_ran <= 4)
            add(blame->more, sizeof blame->more, "%s'%s' (task %u, attempt %u)", blame->n_ran == 1 ? "it ran " : ", ",
                name, (unsigned)(call >> 32), (unsigned)call);
    }
    if (blame->n_ran > 4)
        add(blame->more, sizeof blame->more, " and %u more", blame->n_ran - 4);
    if (!blame->n_ran && *last)
        add(blame->more, sizeof blame->more, "it ran nothing, the last task was '%.55s'", last);
    else if (!blame->n_ran)
        add(blame->more, sizeof blame->more, "it ran nothing");
}

static void charge_all(sbl_blame *blame)
{
    for (uint32_t i = 0; i < blame->n_ran; i++)
        blame->ran[i].is_guilty = 1;
}

/* What ran beside it is innocent. */
static void charge_alone(sbl_blame *blame, uint64_t call)
{
    blame->ran[0] = (sbl_ran){(uint32_t)(call >> 32), (uint32_t)call, 1};
    blame->n_ran  = 1;
}

static void charge_if_alone(sbl_blame *blame)
{
    if (blame->n_ran == 1)
        blame->ran[0].is_guilty = 1;
}

/* --- the verdict -------------------------------------------------------------------------------------------------- */

/* What was noted in the worker itself: a handler of it saw the end. */
static void judge_noted(sbl_blame *blame, const sbl_fault *fault)
{
    const uint64_t call = atomic_load(&fault->call);

    if (atomic_load(&fault->is_sent))
        add(blame->what, sizeof blame->what, " sent by another process");
    else if (call)
        charge_alone(blame, call);
    else
        blame->is_known = 0; /* in no task: a constructor of the program's, decode() of a value, ... */
}

static void judge_killed(sbl_blame *blame, const sbl_crew_page *page, const sbl_ending *ending)
{
    if (ending->ran_out)
        add(blame->what, sizeof blame->what, " as memory ran out");
    else if (is_over_limit(page, ending))
        add(blame->what, sizeof blame->what, " while its memory was over its limit");
    else
        return;
    charge_all(blame);
}

static void judge_no_memory(sbl_blame *blame)
{
    add(blame->what, sizeof blame->what, " as the worker had no memory");
    charge_all(blame);
}

void sbl_verdict(sbl_blame *blame, const sbl_crew_page *page, const sbl_ending *ending)
{
    const int noted = atomic_load(&page->fault.is_noted), signal = atomic_load(&page->fault.signal);
    const int killed = ending->status >= 0 && WIFSIGNALED(ending->status) ? WTERMSIG(ending->status) : 0;

    memset(blame, 0, sizeof *blame);
    blame->worker    = atomic_load(&page->number);
    blame->is_known  = 1;
    blame->has_ended = (uint32_t)ending->has_ended;
    if (noted && !signal && ending->status < 0)
        snprintf(blame->what, sizeof blame->what, "a call of exit()");
    else
        sbl_process_tell(blame->what, sizeof blame->what, ending->status, signal);
    find_running(blame, page);
    tell_memory(blame->more, sizeof blame->more, page, ending);
    if (noted)
        judge_noted(blame, &page->fault);
    else if (killed == SIGKILL)
        judge_killed(blame, page, ending);
    else if (!killed && ending->status >= 0 && WEXITSTATUS(ending->status) == SBL_CREW_NO_MEMORY)
        judge_no_memory(blame);
    else if (killed != SIGTERM && killed != SIGHUP && killed != SIGINT)
        charge_if_alone(blame);
}
