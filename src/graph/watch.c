/*
 * Watches are rare, so their lists share one lock a client; an end without watches costs one load. Who attaches
 * writes the list and looks at the stage then, who ends does it the other way round (all sequentially consistent),
 * so that one of the two sees the other.
 */
#include "graph/watch.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sched/chaos.h"

static void link_to(sbl_watch *watch, sabal_future *future)
{
    sbl_watch *head = atomic_load_explicit(&future->watches, memory_order_relaxed);

    watch->future = future;
    watch->next   = head;
    watch->link   = (sbl_watch **)(void *)&future->watches;
    if (head)
        head->link = &watch->next;
    atomic_store(&future->watches, watch);
}

/* The head is atomic, the links between watches are not. */
static void unlink_from(sbl_watch *watch)
{
    if (watch->link == (sbl_watch **)(void *)&watch->future->watches)
        atomic_store(&watch->future->watches, watch->next);
    else
        *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    watch->link = NULL;
}

int sbl_watch_add(sbl_watch *watch, sabal_future *future)
{
    int attached = 0;

    watch->link = NULL;
    if (sbl_future_has_ended(future))
        return 0;
    pthread_mutex_lock(&future->client->watch_lock);
    link_to(watch, future);
    sbl_chaos();
    attached = atomic_load(&future->stage) < SBL_FINISHED;
    if (!attached)
        unlink_from(watch);
    pthread_mutex_unlock(&future->client->watch_lock);
    return attached;
}

void sbl_watch_remove(sbl_watch *watch)
{
    sabal_client *client = watch->future->client;

    if (!client)
        return;
    pthread_mutex_lock(&client->watch_lock);
    if (watch->link)
        unlink_from(watch);
    pthread_mutex_unlock(&client->watch_lock);
}

void sbl_watch_fire(sabal_future *future)
{
    if (!atomic_load(&future->watches))
        return;
    pthread_mutex_lock(&future->client->watch_lock);
    for (sbl_watch *w = atomic_load_explicit(&future->watches, memory_order_relaxed), *next; w; w = next) {
        next = w->next;
        if (!w->stays)
            unlink_from(w);
        if (w->fire)
            w->fire(w);
    }
    pthread_mutex_unlock(&future->client->watch_lock);
}

void sbl_watch_clear(sabal_future *future)
{
    for (sbl_watch *w = atomic_load_explicit(&future->watches, memory_order_relaxed), *next; w; w = next) {
        next = w->next;
        if (w->fd >= 0)
            close(w->fd);
        sbl_free(w);
    }
}

/* --- what stays with a future ----------------------------------------------------------------------------------- */

static sbl_watch *find(sabal_future *future, int with_fd)
{
    for (sbl_watch *w = atomic_load_explicit(&future->watches, memory_order_relaxed); w; w = w->next)
        if (w->stays && (w->fd >= 0) == with_fd)
            return w;
    return NULL;
}

/* Attaches one unless another thread did meanwhile; gives the one that is attached. */
static sbl_watch *attach(sabal_future *future, sbl_watch *watch)
{
    sbl_watch *there;

    pthread_mutex_lock(&future->client->watch_lock);
    there = find(future, watch->fd >= 0);
    if (!there)
        link_to(watch, future);
    pthread_mutex_unlock(&future->client->watch_lock);
    return there ? there : watch;
}

static sbl_watch *attached(sabal_future *future, int with_fd)
{
    sbl_watch *there;

    pthread_mutex_lock(&future->client->watch_lock);
    there = find(future, with_fd);
    pthread_mutex_unlock(&future->client->watch_lock);
    return there;
}

static void raise_fd(sbl_watch *watch)
{
    const uint64_t one = 1;

    (void)!write(watch->fd, &one, sizeof one);
}

int sabal_future_fd(const sabal_future *future)
{
    sabal_future *f = (sabal_future *)future;
    sbl_watch    *mine, *there;

    if (!f->client || sbl_client_is_forked(f->client))
        return -1;
    there = attached(f, 1);
    if (there)
        return there->fd;
    mine = sbl_alloc(sizeof *mine);
    if (!mine)
        return -1;
    *mine = (sbl_watch){.fire = raise_fd, .stays = 1, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (mine->fd < 0) {
        sbl_free(mine);
        return -1;
    }
    there = attach(f, mine);
    if (there != mine) {
        close(mine->fd);
        sbl_free(mine);
    }
    /* after it was attached: whoever ended the future before did not see it. Twice does no harm */
    if (atomic_load(&f->stage) >= SBL_FINISHED)
        raise_fd(there);
    return there->fd;
}

const char *sabal_future_key(const sabal_future *future)
{
    sabal_future *f = (sabal_future *)future;
    sbl_watch    *mine, *there;
    char          key[64];

    if (!f->client)
        return f == &sbl_future_forked ? "forked" : f == &sbl_future_closed ? "closed" : "no-memory";
    if (sbl_client_is_forked(f->client))
        return "forked";
    there = attached(f, 0);
    if (there)
        return there->key;
    sbl_future_write_key(f, key, sizeof key);
    mine = sbl_alloc(sizeof *mine + strlen(key) + 1);
    if (!mine)
        return "no-memory";
    *mine = (sbl_watch){.stays = 1, .fd = -1};
    memcpy(mine->key, key, strlen(key) + 1);
    there = attach(f, mine);
    if (there != mine)
        sbl_free(mine);
    return there->key;
}
