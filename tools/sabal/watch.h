/* What the progress bar shows of work that goes on inside the library. */
#ifndef SABAL_TOOL_WATCH_H
#define SABAL_TOOL_WATCH_H

#include <pthread.h>

#include <sabal/sabal.h>

typedef struct watch {
    sabal_client         *client;
    pthread_mutex_t       lock;     /* guards what follows: the bar is drawn by a thread of its own */
    const char           *what;     /* "reading"; NULL: nothing to show                              */
    int64_t               before;   /* tasks that had ended when this began                          */
    int64_t               expected; /* tasks that it takes; of a fit, that one pass takes            */
    int                   fitting;
    sabal_kmeans_progress fit;
    double                first_shift; /* of this run's first pass */
    double                most;        /* never goes back          */
} watch;

/** Begins to show a bar. */
void watch_open(watch *w, sabal_client *client);
void watch_close(watch *w);
/** From now on the bar shows `what`, which takes about `expected` tasks. */
void watch_begin(watch *w, const char *what, int64_t expected);
/** For sabal_kmeans_options.progress, with the watch as its user. */
void watch_fit(void *w, const sabal_kmeans_progress *progress);
/** Waits until the client has no task left that has not ended. */
void watch_wait(watch *w);

#endif
