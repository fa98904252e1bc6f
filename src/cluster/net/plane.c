/* The plane itself: what other threads leave for the loop, and its end. */
#include "cluster/net/pair.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/net/lease.h"
#include "cluster/net/ucx.h"

/* --- records found by number ------------------------------------------------------------------------------------ */

static sbl_id_link **slot_of(sbl_id_map *map, uint64_t id)
{
    return &map->slots[id % (sizeof map->slots / sizeof *map->slots)];
}

void sbl_ids_add(sbl_id_map *map, sbl_id_link *link)
{
    sbl_id_link **slot = slot_of(map, link->id);

    link->next = *slot;
    *slot      = link;
}

void sbl_ids_remove(sbl_id_map *map, sbl_id_link *link)
{
    sbl_id_link **at = slot_of(map, link->id);

    while (*at && *at != link)
        at = &(*at)->next;
    if (*at)
        *at = link->next;
}

sbl_id_link *sbl_ids_find(const sbl_id_map *map, uint64_t id)
{
    sbl_id_link *link = *slot_of((sbl_id_map *)map, id);

    while (link && link->id != id)
        link = link->next;
    return link;
}

sbl_id_link *sbl_ids_any(const sbl_id_map *map)
{
    for (size_t i = 0; i < sizeof map->slots / sizeof *map->slots; i++)
        if (map->slots[i])
            return map->slots[i];
    return NULL;
}

void sbl_list_begin(sbl_list *queue)
{
    queue->first = NULL;
    queue->last  = &queue->first;
}

void sbl_list_push(sbl_list *queue, sbl_list_link *link)
{
    link->next   = NULL;
    link->link   = queue->last;
    *queue->last = link;
    queue->last  = &link->next;
}

void sbl_list_remove(sbl_list *queue, sbl_list_link *link)
{
    if (!queue)
        return;
    *link->link = link->next;
    if (link->next)
        link->next->link = link->link;
    else
        queue->last = link->link;
}

/* --- errands ---------------------------------------------------------------------------------------------------- */

void sbl_plane_post(sbl_plane *plane, sbl_errand *errand)
{
    int closed, first;

    errand->next = NULL;
    pthread_mutex_lock(&plane->lock);
    closed = plane->is_closed;
    first  = plane->first == NULL;
    if (!closed) {
        *plane->last = errand;
        plane->last  = &errand->next;
    }
    /* with the lock held: the descriptor is closed after is_closed was set */
    if (!closed && first && write(plane->event_fd, &(uint64_t){1}, 8) != 8)
        sbl_log(SABAL_LOG_ERROR, "the data plane can't be woken: %s", strerrordesc_np(errno));
    pthread_mutex_unlock(&plane->lock);
    if (closed)
        errand->run(plane, errand);
}

static void run_errands(sbl_plane *plane)
{
    sbl_errand *list, *next;

    pthread_mutex_lock(&plane->lock);
    list         = plane->first;
    plane->first = NULL;
    plane->last  = &plane->first;
    pthread_mutex_unlock(&plane->lock);
    for (; list; list = next) {
        next = list->next;
        list->run(plane, list);
    }
}

static void errands_came(void *context, uint32_t events)
{
    sbl_plane *plane = context;
    uint64_t   n;

    if (read(plane->event_fd, &n, sizeof n) < 0 && errno != EAGAIN && errno != EINTR)
        sbl_log(SABAL_LOG_ERROR, "the data plane's wake-up can't be read: %s", strerrordesc_np(errno));
    run_errands(plane);
}

void sbl_plane_retain(sbl_plane *plane)
{
    pthread_mutex_lock(&plane->lock);
    plane->refs++;
    pthread_mutex_unlock(&plane->lock);
}

void sbl_plane_release(sbl_plane *plane)
{
    int last;

    pthread_mutex_lock(&plane->lock);
    last = --plane->refs == 0;
    pthread_mutex_unlock(&plane->lock);
    if (!last)
        return;
    sbl_segments_destroy(plane->made);
    sbl_segments_destroy(plane->mapped);
    pthread_mutex_destroy(&plane->lock);
    sbl_free(plane->ucx);
    sbl_free(plane);
}

/* --- its life --------------------------------------------------------------------------------------------------- */

sabal_status sbl_plane_create(sbl_plane **plane, const sbl_plane_options *options, sabal_error *err)
{
    sbl_plane   *p;
    uint32_t     may;
    sabal_status st = sbl_carriers_parse(&may, options->tls, err);
    int          failed;

    if (!st && sodium_init() < 0)
        st = sbl_error_set(err, SABAL_EINTERNAL, "libsodium can't be used here");
    p = st ? NULL : sbl_calloc(1, sizeof *p);
    if (!p)
        return st ? st : sbl_error_memory(err, sizeof *p, "the data plane");
    p->options  = *options;
    p->may      = may;
    p->refs     = 1;
    p->last     = &p->first;
    p->event_fd = -1;
    pthread_mutex_init(&p->lock, NULL);
    sbl_node_id(p->node);
    p->made   = sbl_segments_create(0, sbl_lease_forget, p);
    p->mapped = sbl_segments_create(0, NULL, NULL);
    if (!p->made || !p->mapped) {
        st = sbl_error_memory(err, sizeof *p, "the data plane's tables");
    } else {
        sbl_segments_keep(p->made, options->keep);
        p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (p->event_fd < 0)
            st = sbl_error_errno(err, errno, "the data plane's wake-up");
    }
    if (!st) {
        failed = p->options.turns.watch(p->options.turns.arg, p->event_fd, EPOLLIN, errands_came, p);
        if (failed) {
            st = sbl_error_errno(err, failed, "watching the data plane's wake-up");
            close(p->event_fd);
            p->event_fd = -1;
        }
    }
    if (!st)
        st = sbl_ucx_prepare(p, err);
    if (st)
        sbl_plane_destroy(p);
    else
        *plane = p;
    return st;
}

void sbl_plane_destroy(sbl_plane *plane)
{
    if (!plane)
        return;
    while (plane->pairs) {
        sbl_pair_close(plane->pairs);
        run_errands(plane);
    }
    run_errands(plane);
    sbl_ucx_end(plane);
    if (plane->event_fd >= 0)
        plane->options.turns.unwatch(plane->options.turns.arg, plane->event_fd);
    pthread_mutex_lock(&plane->lock);
    plane->is_closed = 1;
    if (plane->event_fd >= 0)
        close(plane->event_fd);
    plane->event_fd = -1;
    pthread_mutex_unlock(&plane->lock);
    run_errands(plane); /* what came in between: nothing can come now */
    sbl_plane_release(plane);
}

static uint64_t next_id(void *plane)
{
    return 1 + atomic_fetch_add_explicit(&((sbl_plane *)plane)->ids, 1, memory_order_relaxed);
}

sabal_status sbl_plane_room(sbl_segment **segment, void **room, sbl_plane *plane, size_t size, sabal_error *err)
{
    return sbl_segment_create(segment, room, plane->made, next_id(plane), size, err);
}

void sbl_plane_keep(sbl_plane *plane, size_t bytes)
{
    sbl_segments_keep(plane->made, bytes);
}
