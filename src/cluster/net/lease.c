#include "cluster/net/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"

/* --- the holder's side ------------------------------------------------------------------------------------------ */

/* What another process knows of a segment. */
struct given {
    sbl_id_link  link;
    sbl_segment *segment; /* `leases` references */
    int64_t      leases;
};

int sbl_lease_give(int *fd, sbl_pair *pair, sbl_segment *segment)
{
    struct given *g = (struct given *)sbl_ids_find(&pair->given, segment->id);

    *fd = -1;
    if (!g) {
        g = sbl_calloc(1, sizeof *g);
        if (!g)
            return 0;
        g->link.id = segment->id;
        g->segment = segment;
        sbl_ids_add(&pair->given, &g->link);
        *fd = segment->fd;
    }
    segment->told = 1;
    g->leases++;
    return 1;
}

void sbl_lease_ended(sbl_pair *pair, uint64_t id, int unknown)
{
    struct given *g = (struct given *)sbl_ids_find(&pair->given, id);

    if (!g || !g->leases) {
        sbl_pair_broken(pair, "it released shared memory that it did not have");
        return;
    }
    g->leases--;
    if (unknown && !g->leases) { /* it could not map it, and is to get the descriptor again */
        sbl_segment *segment = g->segment;

        sbl_ids_remove(&pair->given, &g->link);
        sbl_free(g);
        sbl_segment_release(segment);
        return;
    }
    sbl_segment_release(g->segment);
}

struct forget {
    sbl_errand errand;
    uint64_t   id;
};

static void tell_all(sbl_plane *plane, sbl_errand *errand)
{
    struct forget *f = (struct forget *)errand;

    for (sbl_pair *pair = plane->pairs; pair; pair = pair->next) {
        struct given *g = (struct given *)sbl_ids_find(&pair->given, f->id);

        if (g && !g->leases) {
            sbl_ids_remove(&pair->given, &g->link);
            sbl_free(g);
            sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_FORGET, .id = f->id}, NULL, -1);
        }
    }
    sbl_free(f);
}

void sbl_lease_forget(void *plane, sbl_segment *segment)
{
    struct forget *f = segment->told ? sbl_alloc(sizeof *f) : NULL;

    if (!f)
        return; /* if for want of memory: maps of it stay until their pairs end */
    f->errand.run = tell_all;
    f->id         = segment->id;
    sbl_plane_post(plane, &f->errand);
}

/* --- the reader's side ------------------------------------------------------------------------------------------ */

/* A segment of the other side that is mapped here; read by `uses` values. */
struct mapped {
    sbl_id_link  link;
    sbl_pair    *pair; /* in whose map it is; NULL: it goes with its last use */
    sbl_segment *segment;
    int64_t      uses;
};

struct sbl_lease {
    sbl_errand     errand;
    sbl_plane     *plane;
    struct mapped *mapped;
};

static void unmap(struct mapped *m)
{
    sbl_buffer_count(m->segment->size); /* which the segment's end takes off */
    sbl_segment_release(m->segment);
    sbl_free(m);
}

/* In the loop's thread; or, without a pair, in any. */
static void end_lease(sbl_plane *plane, sbl_errand *errand)
{
    sbl_lease     *lease = (sbl_lease *)errand;
    struct mapped *m     = lease->mapped;

    if (m->pair)
        sbl_pair_send(m->pair, &(sbl_packet){.type = SBL_PACKET_RELEASED, .id = m->link.id}, NULL, -1);
    pthread_mutex_lock(&plane->lock); /* once the plane is closed, several threads may end uses of one map */
    int last = --m->uses == 0;
    pthread_mutex_unlock(&plane->lock);
    if (last)
        sbl_buffer_uncount(m->segment->size);
    if (last && !m->pair)
        unmap(m);
    sbl_free(lease);
    sbl_plane_release(plane);
}

void sbl_lease_release(void *lease)
{
    sbl_lease *l = lease;

    l->errand.run = end_lease;
    sbl_plane_post(l->plane, &l->errand);
}

static sabal_status check_file(int fd, size_t size, sabal_error *err)
{
    struct stat file;
    int         seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

    if (fd < 0)
        return sbl_error_set(err, SABAL_ENOMEM,
                             "the descriptor of a value in shared memory did not come: too many open files");
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW) || fstat(fd, &file) ||
        (uint64_t)file.st_size != size)
        return sbl_error_set(err, SABAL_EPEER,
                             "shared memory of %zu bytes was announced that is not sealed, or of another size", size);
    return SABAL_OK;
}

static sabal_status map(struct mapped **mapped, sbl_pair *pair, uint64_t id, size_t size, int fd, sabal_error *err)
{
    struct mapped *m;
    sabal_status   st = check_file(fd, size, err);

    m = st ? NULL : sbl_calloc(1, sizeof *m);
    if (!m) {
        if (fd >= 0)
            close(fd);
        return st ? st : sbl_error_memory(err, sizeof *m, "a record of shared memory");
    }
    st = sbl_segment_map(&m->segment, pair->plane->mapped, 0, size, fd, err);
    if (st) {
        sbl_free(m);
        return st;
    }
    sbl_buffer_uncount(size); /* it is counted while it is used */
    m->link.id = id;
    m->pair    = pair;
    sbl_ids_add(&pair->mapped, &m->link);
    *mapped = m;
    return SABAL_OK;
}

sabal_status sbl_lease_take(sbl_lease **lease, sbl_pair *pair, uint64_t id, size_t size, int fd, sabal_error *err)
{
    struct mapped *m  = (struct mapped *)sbl_ids_find(&pair->mapped, id);
    sbl_lease     *l  = sbl_calloc(1, sizeof *l);
    sabal_status   st = SABAL_OK;

    if (m && fd >= 0) { /* it was sent twice, as can be after RELEASED told that it is not known */
        close(fd);
        fd = -1;
    }
    if (!l) {
        if (fd >= 0)
            close(fd);
        st = sbl_error_memory(err, sizeof *l, "a record of shared memory");
    } else if (!m) {
        st = map(&m, pair, id, size, fd, err);
    } else if (m->segment->size != size) {
        st = sbl_error_set(err, SABAL_EPEER, "shared memory of %zu bytes was announced, and had %zu before", size,
                           m->segment->size);
    }
    if (st) {
        sbl_free(l);
        sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_RELEASED, .id = id, .offset = m == NULL}, NULL, -1);
        return st;
    }
    if (m->uses++ == 0)
        sbl_buffer_count(size);
    l->plane  = pair->plane;
    l->mapped = m;
    sbl_plane_retain(l->plane);
    *lease = l;
    return SABAL_OK;
}

const char *sbl_lease_base(const sbl_lease *lease)
{
    return lease->mapped->segment->base;
}

static void leave(struct mapped *m)
{
    sbl_ids_remove(&m->pair->mapped, &m->link);
    m->pair = NULL;
    if (!m->uses)
        unmap(m);
}

void sbl_lease_forgotten(sbl_pair *pair, uint64_t id)
{
    struct mapped *m = (struct mapped *)sbl_ids_find(&pair->mapped, id);

    if (m)
        leave(m);
}

void sbl_leases_end(sbl_pair *pair)
{
    sbl_id_link *link;

    while ((link = sbl_ids_any(&pair->mapped)))
        leave((struct mapped *)link);
    while ((link = sbl_ids_any(&pair->given))) {
        struct given *g       = (struct given *)link;
        sbl_segment  *segment = g->segment;
        int64_t       leases  = g->leases;

        sbl_ids_remove(&pair->given, link);
        sbl_free(g);
        if (leases)
            sbl_segment_spoil(segment); /* who reads it may do so for ever */
        for (; leases; leases--)
            sbl_segment_release(segment);
    }
}
