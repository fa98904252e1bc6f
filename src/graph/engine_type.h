/*
 * What an engine must be able to do. Everything else about futures (waiting, records, keys) is the same for all of
 * them, so that a collection cannot tell which one it has.
 */
#ifndef SBL_GRAPH_ENGINE_TYPE_H
#define SBL_GRAPH_ENGINE_TYPE_H

#include "graph/engine.h"

/** Memory for the pieces of a value. */
typedef struct sbl_room {
    void       *to_fill;
    const void *data;                    /* the same bytes, as the value will have them, when it is filled and sealed */
    void (*seal)(struct sbl_room *room); /* NULL: nothing is to be done */
    void (*release)(void *arg);          /* when the value goes */
    void *arg;
} sbl_room;

typedef struct sbl_engine {
    const char *name;
    int         is_here;         /* tasks run in this process, and may be given pointers */
    int         chooses_workers; /* it knows names and resources of workers, and runs tasks where these say */
    /** Makes client->pool and whatever else the engine keeps. On failure nothing of it is left. */
    sabal_status (*open)(sabal_client *client, const char *address, const sabal_open_options *options,
                         sabal_error *err);
    /** All tasks have ended: ends threads and connections. */
    void (*close)(sabal_client *client);
    /** In a child after fork(): forgets without touching what is the parent's. */
    void (*abandon)(sabal_client *client);
    /** Sees to it that tasks like this one can be run. */
    sabal_status (*admit)(sabal_client *client, const sbl_task_spec *spec, sabal_error *err);
    /** Starts n made tasks whose inputs are noted in them; cannot fail: what goes wrong ends the futures. */
    void (*start)(sabal_client *client, sabal_future **futures, int64_t n);
    /** Runs the function of a task that is ready, on a thread of the pool: here, or where else it is to run. */
    sabal_status (*call)(struct sabal_task *task);
    /** Asks a task to end. */
    void (*interrupt)(sabal_future *future);
    /** A task that runs was marked as interrupted: where it runs elsewhere, that is told there. NULL: it runs here. */
    void (*tell)(sabal_future *future);
    /** One task more waits inside of its function for others (by 1), or one less (-1). NULL: it makes no difference. */
    void (*park)(sabal_client *client, int by);
    /** Finds code that another process has named, in a task. NULL: what is not loaded here is nowhere. */
    sabal_status (*find)(void **address, const sbl_code *code, sabal_error *err);
    /** The client begins to close: what runs elsewhere is asked to end. NULL: nothing does. */
    void (*stop)(sabal_client *client);
    /** Runs something that an unended future needs on this thread. 0: there is nothing to be done here. */
    int (*help)(sabal_future *future);
    /** Memory for a value that comes back from disk. NULL: a buffer of this process. */
    sabal_status (*make_room)(struct sbl_room *room, sabal_client *client, size_t size, sabal_error *err);
    /** Sleeps where news of tasks comes, and hears it, so that no other thread need be woken for that: until it is over, or deadline_ns.
        Holds no locks, nor may the caller. 0: it can't be done here now. NULL: never. */
    int (*attend)(sabal_client *client, int (*is_over)(void *arg), void *arg, int64_t deadline_ns);
    /** Who attends looks whether it is over; from any thread, with any locks, while a task of the client has yet to end. */
    void (*ring)(sabal_client *client);
    /** So many workers are to have the value of a future that has not failed; -1: every one. NULL: it is where all find it. */
    sabal_status (*replicate)(sabal_future *future, int32_t n, sabal_error *err);
    /** Nobody wants the result of a future any more. NULL: that is nobody's business. */
    void (*forget)(sabal_future *future);
    /** The value of a finished future that is elsewhere (sbl_held_make_elsewhere()), one reference. Waits. NULL: there are none. */
    sabal_status (*bring)(sbl_value **value, sabal_future *future, sabal_error *err);
    /** The value of a finished future, one reference. */
    sabal_status (*fetch)(sbl_value **value, sabal_future *future, sabal_error *err);
} sbl_engine;

extern const sbl_engine sbl_engine_local;

/** Which engine an address means, for sbl_client_open(). */
typedef sabal_status sbl_choose_fn(const sbl_engine **engine, const char *address, const sabal_open_options *options,
                                   sabal_error *err);
/** As sabal_open_with(), which knows all engines there are. */
sabal_client *sbl_client_open(sbl_choose_fn *choose, const char *address, sabal_error *err,
                              const sabal_open_options *options);

#endif
