/*
 * The library counts the tasks that have ended, and tells between passes where a fit is. How many passes a fit will
 * take nobody knows: the bar goes by how far the centres' move has shrunk towards the limit, on a logarithmic scale.
 */
#include "watch.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"

static int64_t ended(const watch *w)
{
    sabal_client_stats stats = {.struct_size = sizeof stats};

    sabal_client_stats_get(w->client, &stats);
    return stats.finished + stats.failed;
}

/* Tasks since `before` over those expected, 0 to 1; 0 if none are. */
static double part(const watch *w)
{
    double done = w->expected > 0 ? (double)(ended(w) - w->before) / (double)w->expected : 0;

    return done < 0 ? 0 : done > 1 ? 1 : done;
}

static double fit_part(const watch *w)
{
    const sabal_kmeans_progress *p    = &w->fit;
    double                       done = p->max_iter > 0 ? (p->iter + part(w)) / p->max_iter : 0, shrunk;

    if (!strcmp(p->phase, "iterate")) {
        if (p->iter > 1 && p->shift > 0 && p->limit > 0 && w->first_shift > p->limit) {
            shrunk = log(w->first_shift / p->shift) / log(w->first_shift / p->limit);
            done   = fmax(done, shrunk);
        }
        done = 0.15 + 0.85 * fmin(done, 1);
    } else {
        done *= !strcmp(p->phase, "seed") ? 0.15 : 1;
    }
    return p->n_init > 1 ? (p->run - 1 + done) / p->n_init : done;
}

static double show(void *user, char *text, size_t size)
{
    watch *w = user;
    double done;

    pthread_mutex_lock(&w->lock);
    if (!w->fitting) {
        done = part(w);
        snprintf(text, size, "%s", w->what ? w->what : "");
    } else {
        const sabal_kmeans_progress *p       = &w->fit;
        char                         run[40] = "";

        if (p->n_init > 1)
            snprintf(run, sizeof run, "run %d of %d, ", p->run, p->n_init);
        if (!strcmp(p->phase, "iterate"))
            snprintf(text, size, "%spass %d", run, p->iter + 1);
        else
            snprintf(text, size, "%s%s", run, !strcmp(p->phase, "seed") ? "seeding" : "labelling");
        done    = fmax(w->most, fit_part(w));
        w->most = done;
    }
    pthread_mutex_unlock(&w->lock);
    return done;
}

void watch_open(watch *w, sabal_client *client)
{
    *w = (watch){.client = client};
    pthread_mutex_init(&w->lock, NULL);
    progress_start(show, w);
}

void watch_close(watch *w)
{
    if (!w->client)
        return;
    progress_stop();
    pthread_mutex_destroy(&w->lock);
    w->client = NULL;
}

void watch_begin(watch *w, const char *what, int64_t expected)
{
    pthread_mutex_lock(&w->lock);
    w->what     = what;
    w->fitting  = 0;
    w->most     = 0;
    w->before   = ended(w);
    w->expected = expected;
    pthread_mutex_unlock(&w->lock);
}

void watch_fit(void *user, const sabal_kmeans_progress *progress)
{
    watch *w = user;

    pthread_mutex_lock(&w->lock);
    w->fitting = 1;
    w->fit     = *progress;
    w->before  = ended(w);
    if (progress->iter == 1)
        w->first_shift = progress->shift;
    pthread_mutex_unlock(&w->lock);
}

void watch_wait(watch *w)
{
    struct pollfd      ready   = {.fd = sabal_client_fd(w->client), .events = POLLIN};
    sabal_client_stats stats   = {.struct_size = sizeof stats};
    int                wait_ms = 1;

    /* The descriptor tells of an end a moment before the count does: so no long wait right after it was readable. */
    for (;;) {
        sabal_client_drain(w->client);
        sabal_client_stats_get(w->client, &stats);
        if (!stats.pending)
            return;
        wait_ms = poll(&ready, 1, wait_ms) > 0 ? 1 : wait_ms < 16 ? 2 * wait_ms : wait_ms;
    }
}
