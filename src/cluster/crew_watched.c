/*
 * A worker that has a supervisor: its beginning as a process of its own, and what it notes for the supervisor to find.
 */
#include <sabal/cluster.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/crash.h"
#include "cluster/crew.h"
#include "cluster/crew_page.h"
#include "cluster/crew_watched.h"

static sbl_crew_page *page; /* NULL: nobody watches */
static int            tell_fd = -1;

/* --- notes -------------------------------------------------------------------------------------------------------- */

int sbl_crew_is_watched(void)
{
    return page != NULL;
}

int sbl_crew_keeps_hangups(void)
{
    return page && page->keeps_hangups;
}

void sbl_crew_note_joined(const sbl_membership *m)
{
    if (!page)
        return;
    memcpy(page->cluster, m->file.cluster, sizeof page->cluster);
    atomic_store(&page->number, m->number);
    atomic_store(&page->state, SBL_CREW_JOINED);
    (void)!write(tell_fd, "j", 1);
}

void sbl_crew_note_over(int leaves)
{
    if (page)
        atomic_store(&page->state, leaves ? SBL_CREW_LEFT : SBL_CREW_CUT);
}

void sbl_crew_note_folder(const char *path)
{
    if (page)
        snprintf(page->folder, sizeof page->folder, "%s", path);
}

void sbl_crew_note_memory(const sabal_client_memory *memory)
{
    uint32_t n;

    if (!page)
        return;
    n = atomic_load(&page->n_memories);
    page->memories[n % SBL_CREW_MEMORIES] =
        (sbl_crew_memory){sbl_clock_ns(), memory->managed, memory->resident, memory->limit};
    atomic_store(&page->n_memories, n + 1);
}

/* --- the process -------------------------------------------------------------------------------------------------- */

/* A number that no task takes by mistake, and that its child processes don't have. */
static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 200);

    if (moved < 0)
        moved = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* few are allowed */
    close(fd);
    return moved;
}

static sabal_status run(sabal_error *err)
{
    sabal_worker_options o;

    sabal_worker_options_init(&o);
    o.threads         = page->threads;
    o.memory_limit    = page->memory_limit;
    o.name            = page->has_name ? page->name : NULL;
    o.interfaces      = page->has_interfaces ? page->interfaces : NULL;
    o.tls             = page->has_tls ? page->tls : NULL;
    o.encrypt         = page->encrypt;
    o.timeout_ns      = page->patience_ns;
    o.local_directory = page->local_directory[0] ? page->local_directory : NULL;
    o.preload         = page->preload[0] ? page->preload : NULL;
    o.resources       = page->resources[0] ? page->resources : NULL;
    o.lifetime_ns     = page->ends_ns ? page->ends_ns - sbl_clock_ns() : 0;
    o.supervised      = 0;
    if (page->ends_ns && o.lifetime_ns <= 0)
        o.lifetime_ns = 1;
    return sabal_worker_run_with(page->file, err, &o);
}

int32_t sbl_crew_main(int page_fd, int fd)
{
    sbl_crew_page *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);

    close(page_fd);
    if (shared == MAP_FAILED)
        return EXIT_FAILURE;
    prctl(PR_SET_NAME, "sabal-worker"); /* "exe" if this is the program that was run */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != shared->supervisor) /* it has ended before that could be said */
        return EXIT_FAILURE;
    setvbuf(stdout, NULL, _IOLBF, 0); /* what tasks print shall not be lost with the process */
    tell_fd = move_up(fd);
    page    = shared;
    sbl_crash_watch(&page->fault, tell_fd);
    if (run(&page->why)) {
        atomic_store(&page->state, SBL_CREW_FAILED);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
