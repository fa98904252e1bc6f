/*
 * A worker's process. Its first thread reads what the hub says; calls run as tasks of a local client of its own, so
 * that inside a task everything is as on the local engine.
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
#include <sys/random.h>
#include <unistd.h>

#include <sabal/version.h>

#include "base/error.h"
#include "base/here.h"
#include "cluster/crash.h"
#ifdef SBL_HAS_CLUSTER
#include "cluster/crew_watched.h"
#endif
#include "cluster/process.h"
#include "cluster/wire.h"
#include "cluster/worker.h"
#include "graph/local.h"
#include "sched/openmp.h"

struct sbl_this_worker sbl_this_worker;

/* --- what the hub says -------------------------------------------------------------------------------------------- */

static void take_segment(sbl_frame *frame)
{
    uint64_t     id = sbl_get_u64(frame), size = sbl_get_u64(frame);
    int          fd = sbl_get_fd(frame);
    sbl_segment *segment;

    if (fd >= 0 && !sbl_segment_map(&segment, sbl_this_worker.segments, id, size, fd, NULL))
        segment->told = 1; /* its reference stays until the hub says otherwise */
}

static void take_release(sbl_frame *frame)
{
    sbl_segment *segment = sbl_segment_by_id(sbl_this_worker.segments, sbl_get_u64(frame));

    if (!segment)
        return;
    sbl_segment_release(segment);
    sbl_segment_release(segment); /* and the one that stayed */
}

static void take_frame(sbl_frame *frame)
{
    switch (frame->type) {
    case SBL_MSG_RUN:
        sbl_take_call(frame, NULL);
        break;
    case SBL_MSG_CANCEL:
        sbl_take_cancel(frame);
        break;
    case SBL_MSG_SEGMENT:
        take_segment(frame);
        break;
    case SBL_MSG_RELEASE:
        take_release(frame);
        break;
    case SBL_MSG_OBJECT:
        sbl_take_object(frame, sbl_take_call);
        break;
    case SBL_MSG_STOP:
        sbl_client_stop(sbl_this_worker.client);
        break;
    default:
        break;
    }
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static sbl_engine engine; /* the local one, but for its calls */

static sabal_status choose(const sbl_engine **chosen, const char *address, const sabal_open_options *options,
                           sabal_error *err)
{
    engine      = sbl_engine_local;
    engine.call = sbl_call_watched;
    engine.find = sbl_find_lacking;
    *chosen     = &engine;
    return SABAL_OK;
}

static sabal_status watch_crashes(int fd, sabal_error *err)
{
    sbl_fault *fault = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fault == MAP_FAILED)
        return sbl_error_errno(err, errno, "memory shared with the hub");
    close(fd);
    sbl_crash_watch(fault, -1);
    signal(SIGINT, SIG_IGN); /* ^C is for the program; its end is ours */
    return SABAL_OK;
}

static sabal_status open_all(int fault, int32_t threads, sabal_error *err)
{
    sabal_open_options options = {SABAL_OPEN_DEFAULTS, .threads = threads, .trace = "", .memory_limit = -1};
    sabal_status       st      = watch_crashes(fault, err);
    uint64_t           number  = 0;

    (void)!getrandom(&number, sizeof number, 0);
    sbl_this_worker.first_id = (number | (uint64_t)1 << 63) & ~(uint64_t)UINT32_MAX; /* the hub's are small */
    if (st)
        return st;
    sbl_this_worker.segments = sbl_segments_create(0, NULL, NULL);
    if (!sbl_this_worker.segments)
        return sbl_error_memory(err, 1, "the table of shared memory");
    sbl_this_worker.client = sbl_client_open(choose, "local:", err, &options);
    return err->status ? err->status : sbl_sender_start(err);
}

/* Also with what tasks have submitted, and nobody waits for. */
static int is_busy(void)
{
    sabal_client_stats stats = {.struct_size = sizeof stats};

    sabal_client_stats_get(sbl_this_worker.client, &stats);
    return stats.pending > 0;
}

/* A number that no task takes by mistake, and that its child processes don't have. */
static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 200);

    if (moved < 0)
        return fd;
    close(fd);
    return moved;
}

static int32_t serve(int fd, int fault, int32_t threads)
{
    sbl_frame    frame = {.type = SBL_MSG_HELLO};
    sabal_error  err   = SABAL_ERROR_INIT;
    sabal_status st;

    setvbuf(stdout, NULL, _IOLBF, 0); /* what tasks print shall not be lost with the process */

    /* This thread reads, and has nothing to read until that one has answered. */
    if (threads == 1)
        sbl_rest_after_wakes();
    sbl_here_set("worker process %d", (int)getpid());
    sbl_channel_init(&sbl_this_worker.channel);
    sbl_channel_open(&sbl_this_worker.channel, move_up(fd));
    st = open_all(fault, threads, &err);
    sbl_put_text(&frame, sabal_version());
    sbl_put_error(&frame, &err);
    sbl_channel_send(&sbl_this_worker.channel, &frame, NULL);
    sbl_frame_clear(&frame);
    while (!st) {
        if (sbl_channel_receive(&sbl_this_worker.channel, &frame, NULL))
            break;
        take_frame(&frame);
        sbl_frame_clear(&frame);
    }
    if (is_busy())
        _exit(0); /* the hub is gone: nobody wants what still runs */
    sabal_close(sbl_this_worker.client);
    sbl_segments_destroy(sbl_this_worker.segments);
    return st ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int32_t tell(sabal_status status, const sabal_error *err)
{
    char text[1024];

    if (!status)
        return EXIT_SUCCESS;
    sabal_error_format(text, sizeof text, err);
    fprintf(stderr, "sabal-worker: %s\n", text);
    return EXIT_FAILURE;
}

/* A worker of a cluster that is this program. */
static int32_t join(const char *file, int32_t threads, int ready)
{
    sabal_error          err = SABAL_ERROR_INIT;
    sabal_worker_options options;

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* who started it is what it is for */
    sabal_worker_options_init(&options);
    options.threads    = threads;
    options.interfaces = "";
    options.ready_fd   = ready;
    options.supervised = 0; /* who started it sees to that */
    return tell(sabal_worker_run_with(file, &err, &options), &err);
}

/* A scheduler for processes of this node, until it has had no client for half a minute. */
static int32_t schedule(const char *file, int ready)
{
    sabal_error             err = SABAL_ERROR_INIT;
    sabal_scheduler_options options;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sabal_scheduler_options_init(&options);
    options.interfaces      = "";
    options.idle_timeout_ns = 30000000000;
    options.ready_fd        = ready;
    return tell(sabal_scheduler_run_with(file, &err, &options), &err);
}

int32_t sabal_worker_main(int argc, char **argv)
{
    const char *threads, *all;

#ifdef SBL_HAS_CLUSTER
    if (argc >= 4 && !strcmp(argv[0], "sabal-worker") && !strcmp(argv[1], "--crew"))
        return sbl_crew_main(atoi(argv[2]), atoi(argv[3]));
#endif
    if (argc == 5 && !strcmp(argv[0], "sabal-worker") && !strcmp(argv[1], "--join"))
        return join(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 4 && !strcmp(argv[0], "sabal-worker") && !strcmp(argv[1], "--schedule"))
        return schedule(argv[2], atoi(argv[3]));
    if (argc != 5 || strcmp(argv[0], "sabal-worker") != 0 || strcmp(argv[1], "--rehearse") != 0) {
        sbl_process_is_own_worker();
        return -1;
    }
    threads = argv[4];
    all     = strchr(threads, ',');
    sbl_openmp_share_cores(all ? atoi(all + 1) : 0);
    return serve(atoi(argv[2]), atoi(argv[3]), atoi(threads));
}
