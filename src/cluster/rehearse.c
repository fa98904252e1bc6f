/* The local engine's graph with other calls: which part is whose. */
#include "cluster/rehearse.h"

#include "base/error.h"
#include "cluster/hub.h"
#include "graph/local.h"

static sabal_status rehearse_open(sabal_client *client, const char *address, const sabal_open_options *options,
                                  sabal_error *err)
{
    int32_t      n_workers = options->workers ? options->workers : SBL_DEFAULT_WORKERS, threads = options->threads;
    sbl_hub     *hub = NULL;
    sabal_status st;

    if (n_workers < 0 || n_workers > SBL_MOST_WORKERS)
        return sbl_error_set(err, SABAL_EINVAL, "%d workers asked for: expected 1 to %d, or 0 for %d", (int)n_workers,
                             (int)SBL_MOST_WORKERS, (int)SBL_DEFAULT_WORKERS);
    if (!threads)
        threads = sbl_usable_cores() / n_workers;
    threads = threads < 1 ? 1 : threads;
    if (n_workers * threads > 1024)
        return sbl_error_set(err, SABAL_EINVAL, "%d workers with %d threads each: expected 1024 threads at most in all",
                             (int)n_workers, (int)threads);
    st = sbl_hub_create(&hub, n_workers, threads, err);
    if (st)
        return st;
    client->elsewhere = hub;
    st                = sbl_local_open(client, n_workers * threads, err);
    if (st) {
        client->elsewhere = NULL;
        sbl_hub_destroy(hub);
    }
    return st;
}

static void rehearse_close(sabal_client *client)
{
    sbl_local_close(client);
    sbl_hub_destroy(client->elsewhere);
    client->elsewhere = NULL;
}

static void rehearse_abandon(sabal_client *client)
{
    sbl_hub_abandon(client->elsewhere);
    sbl_local_abandon(client);
}

static void rehearse_tell(sabal_future *future)
{
    sbl_hub_tell(future->client->elsewhere, future);
}

static void rehearse_stop(sabal_client *client)
{
    sbl_hub_stop(client->elsewhere);
}

static void seal_room(sbl_room *room)
{
    sbl_segment_seal(room->arg, room->to_fill);
}

/* Shared memory, so that workers map what has come back as they did before. */
static sabal_status rehearse_make_room(sbl_room *room, sabal_client *client, size_t size, sabal_error *err)
{
    sbl_hub     *hub = client->elsewhere;
    sbl_segment *segment;
    sabal_status st;

    if (!hub || !size) /* closed */
        return sbl_local_make_room(room, client, size, err);
    st = sbl_segment_create(&segment, &room->to_fill, hub->segments,
                            atomic_fetch_add_explicit(&hub->ids, 1, memory_order_relaxed), size, err);
    if (st)
        return st;
    room->data    = segment->base;
    room->seal    = seal_room;
    room->release = sbl_segment_release;
    room->arg     = segment;
    return SABAL_OK;
}

const sbl_engine sbl_engine_rehearse = {.name      = "rehearse",
                                        .open      = rehearse_open,
                                        .close     = rehearse_close,
                                        .abandon   = rehearse_abandon,
                                        .admit     = sbl_local_admit,
                                        .start     = sbl_local_start,
                                        .call      = sbl_hub_call,
                                        .interrupt = sbl_local_interrupt,
                                        .tell      = rehearse_tell,
                                        .stop      = rehearse_stop,
                                        .help      = sbl_local_help,
                                        .make_room = rehearse_make_room,
                                        .fetch     = sbl_local_fetch};
