/* The table is an array in the order of addresses: it holds as many as there are large values, and is looked at once a value. */
#include "cluster/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/grow.h"

struct sbl_segments {
    pthread_mutex_t lock;
    sbl_segment   **by_address;
    int64_t         n, room;
    int64_t         refs; /* who made the table, and each segment */
    int32_t         n_holders;
    size_t          keep, kept;
    sbl_segment    *spare;                          /* the newest first; in no table */
    void (*ended)(void *arg, sbl_segment *segment); /* NULL once the table's maker is gone */
    void *arg;
};

sbl_segments *sbl_segments_create(int32_t n_holders, void (*ended)(void *arg, sbl_segment *segment), void *arg)
{
    sbl_segments *table = sbl_calloc(1, sizeof *table);

    if (!table)
        return NULL;
    pthread_mutex_init(&table->lock, NULL);
    table->refs      = 1;
    table->n_holders = n_holders;
    table->ended     = ended;
    table->arg       = arg;
    return table;
}

/* With the lock held, which it gives back. */
static void table_release(sbl_segments *table)
{
    int last = --table->refs == 0;

    pthread_mutex_unlock(&table->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&table->lock);
    sbl_free(table->by_address);
    sbl_free(table);
}

/* The first that lies above an address. */
static int64_t above(const sbl_segments *table, const char *address)
{
    int64_t low = 0, n = table->n;

    while (n > 0) {
        int64_t half = n / 2;

        if (table->by_address[low + half]->base <= address) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static sabal_status insert(sbl_segments *table, sbl_segment *segment, sabal_error *err)
{
    int64_t at;

    pthread_mutex_lock(&table->lock);
    if (table->n == table->room) {
        int64_t       room = 2 * table->room + 64;
        sbl_segment **more = sbl_alloc((size_t)room * sizeof *more);

        if (!more) {
            pthread_mutex_unlock(&table->lock);
            return sbl_error_memory(err, (size_t)room * sizeof *more, "the table of shared memory");
        }
        if (table->n)
            memcpy(more, table->by_address, (size_t)table->n * sizeof *more);
        sbl_free(table->by_address);
        table->by_address = more;
        table->room       = room;
    }
    at = above(table, segment->base);
    memmove(table->by_address + at + 1, table->by_address + at, (size_t)(table->n - at) * sizeof *table->by_address);
    table->by_address[at] = segment;
    table->n++;
    table->refs++;
    sbl_buffer_count(segment->size);
    pthread_mutex_unlock(&table->lock);
    return SABAL_OK;
}

static void segment_free(sbl_segment *segment)
{
    if (segment->base)
        munmap(segment->base, segment->size);
    if (segment->room)
        munmap(segment->room, segment->size);
    if (segment->fd >= 0)
        close(segment->fd);
    sbl_free(segment->holders);
    sbl_free(segment);
}

void sbl_segment_spoil(sbl_segment *segment)
{
    pthread_mutex_lock(&segment->table->lock);
    segment->is_spoiled = 1;
    pthread_mutex_unlock(&segment->table->lock);
}

/* With the lock held: the spares beyond limit bytes, oldest first in the end; they are no longer ours. */
static sbl_segment *take_spares_off(sbl_segments *table, size_t limit)
{
    sbl_segment **link = &table->spare, *off;
    size_t        sum  = 0;

    while (*link && sum + (*link)->size <= limit) {
        sum += (*link)->size;
        link = &(*link)->next;
    }
    off         = *link;
    *link       = NULL;
    table->kept = sum;
    for (sbl_segment *s = off; s && table->ended; s = s->next)
        table->ended(table->arg, s);
    return off;
}

static void free_all(sbl_segment *list)
{
    sbl_segment *next;

    for (; list; list = next) {
        next = list->next;
        segment_free(list);
    }
}

void sbl_segments_keep(sbl_segments *table, size_t bytes)
{
    sbl_segment *off;

    pthread_mutex_lock(&table->lock);
    table->keep = bytes;
    off         = take_spares_off(table, bytes);
    pthread_mutex_unlock(&table->lock);
    free_all(off);
}

void sbl_segments_destroy(sbl_segments *table)
{
    sbl_segment *off;

    if (!table)
        return;
    pthread_mutex_lock(&table->lock);
    table->ended = NULL;
    table->keep  = 0;
    off          = take_spares_off(table, 0);
    table_release(table);
    free_all(off);
}

/* What a segment that is used again is made with, so that nearly equal ones share: steps of an eighth. */
static size_t rounded(size_t size)
{
    size_t step = (size_t)1 << (63 - __builtin_clzll(size | 4096));

    step = step > 32768 ? step / 8 : 4096;
    return (size + step - 1) / step * step;
}

/* A spare of the right size, in the table again with one reference; NULL: none, or no memory for the table. */
static sbl_segment *use_again(sbl_segments *table, size_t size)
{
    sbl_segment **link, *s;

    pthread_mutex_lock(&table->lock);
    link = &table->spare;
    while (*link && (*link)->size != rounded(size))
        link = &(*link)->next;
    s = *link;
    if (s) {
        *link = s->next;
        table->kept -= s->size;
    }
    pthread_mutex_unlock(&table->lock);
    if (!s)
        return NULL;
    s->refs     = 1;
    s->is_fresh = 0;
    s->used     = size;
    if (!insert(table, s, NULL))
        return s;
    segment_free(s);
    return NULL;
}

static sbl_segment *segment_make(sbl_segments *table, uint64_t id, size_t size)
{
    sbl_segment *s = sbl_calloc(1, sizeof *s);

    if (!s)
        return NULL;
    *s = (sbl_segment){.id = id, .fd = -1, .size = size, .used = size, .refs = 1, .is_fresh = 1, .table = table};
    if (table->n_holders) {
        s->holders = sbl_calloc((size_t)(table->n_holders + 63) / 64, sizeof *s->holders);
        if (!s->holders) {
            sbl_free(s);
            return NULL;
        }
    }
    return s;
}

static sabal_status map_to_read(sbl_segment *s, sabal_error *err)
{
    s->base = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->fd, 0);
    if (s->base != MAP_FAILED)
        return SABAL_OK;
    s->base = NULL;
    return sbl_error_memory(err, s->size, "shared memory");
}

static sabal_status map_to_fill(void **room, const sbl_segment *s, sabal_error *err)
{
    *room = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (*room == MAP_FAILED)
        return sbl_error_memory(err, s->size, "shared memory for a value");
    madvise(*room, s->size, MADV_HUGEPAGE); /* a wish */
    return SABAL_OK;
}

static sabal_status no_room(int error_number, size_t size, sabal_error *err)
{
    return sbl_error_errno(err, error_number, "%zu bytes of shared memory for a value", size);
}

sabal_status sbl_segment_create(sbl_segment **segment, void **room, sbl_segments *table, uint64_t id, size_t size,
                                sabal_error *err)
{
    sbl_segment *s;
    void        *mapped;
    sabal_status st;

    if (table->keep) {
        s = use_again(table, size);
        if (s) {
            *(room ? room : &mapped) = s->room;
            *segment                 = s;
            return SABAL_OK;
        }
    }
    s = segment_make(table, id, table->keep ? rounded(size) : size);
    if (!s)
        return sbl_error_memory(err, sizeof *s, "a record of shared memory");
    s->used = size;
    size    = s->size;
    s->fd   = sbl_alloc_must_fail() ? -1 : memfd_create("sabal-value", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s->fd < 0 || sbl_grow_truncate(s->fd, (off_t)size)) {
        st = no_room(errno, size, err);
        segment_free(s);
        return st;
    }
    st = map_to_read(s, err);
    if (!st && (room || table->keep)) {
        st = map_to_fill(&mapped, s, err);
        if (!st && table->keep)
            s->room = mapped;
        if (!st && room)
            *room = mapped;
    }
    if (!st) {
        st = insert(table, s, err);
        if (st && room && !s->room)
            munmap(*room, size);
    }
    if (st)
        segment_free(s);
    else
        *segment = s;
    return st;
}

sabal_status sbl_segment_write(sbl_segment *segment, size_t offset, const void *data, size_t size, sabal_error *err)
{
    const char *at = data;

    if (sbl_alloc_must_fail())
        return sbl_error_memory(err, size, "shared memory for a value");
    if (!segment->is_fresh) { /* its pages are there, and mapped */
        memcpy(segment->room + offset, data, size);
        return SABAL_OK;
    }
    while (size > 0) {
        ssize_t n = sbl_grow_pwrite(segment->fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return no_room(n ? errno : ENOSPC, segment->size, err);
        at += n;
        offset += (size_t)n;
        size -= (size_t)n;
    }
    return SABAL_OK;
}

void sbl_segment_seal(sbl_segment *segment, void *room)
{
    if (room && !segment->room)
        munmap(room, segment->size);
    if (!segment->is_fresh)
        return; /* it was sealed before */
    fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    fcntl(segment->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE); /* our own map stays; older systems don't know it */
    fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SEAL);
}

sabal_status sbl_segment_map(sbl_segment **segment, sbl_segments *table, uint64_t id, size_t size, int fd,
                             sabal_error *err)
{
    sbl_segment *s = id ? sbl_segment_by_id(table, id) : NULL;
    struct stat  file;
    sabal_status st = SABAL_OK;

    if (s) {
        close(fd);
        *segment = s;
        return SABAL_OK;
    }
    s = segment_make(table, id, size);
    if (!s) {
        close(fd);
        return sbl_error_memory(err, sizeof *s, "a record of shared memory");
    }
    s->fd = fd;
    if (!size || fstat(fd, &file) || (uint64_t)file.st_size < size)
        st = sbl_error_set(err, SABAL_EPEER, "shared memory of %zu bytes was announced, and is smaller", size);
    if (!st)
        st = map_to_read(s, err);
    if (!st)
        st = insert(table, s, err);
    if (st)
        segment_free(s);
    else
        *segment = s;
    if (!st && !table->n_holders) /* nobody gets it from here, and descriptors are few */
        sbl_segment_close_fd(s);
    return st;
}

void sbl_segment_close_fd(sbl_segment *segment)
{
    close(segment->fd);
    segment->fd = -1;
}

sbl_segment *sbl_segment_by_id(sbl_segments *table, uint64_t id)
{
    sbl_segment *found = NULL;

    pthread_mutex_lock(&table->lock);
    for (int64_t i = 0; i < table->n && !found; i++)
        if (table->by_address[i]->id == id)
            found = table->by_address[i];
    if (found)
        found->refs++;
    pthread_mutex_unlock(&table->lock);
    return found;
}

sbl_segment *sbl_segment_at(sbl_segments *table, const void *data, size_t size)
{
    const char  *at    = data;
    sbl_segment *found = NULL;
    int64_t      i;

    pthread_mutex_lock(&table->lock);
    i = above(table, at);
    if (i > 0) {
        sbl_segment *s = table->by_address[i - 1];

        if ((size_t)(at - s->base) <= s->size && size <= s->size - (size_t)(at - s->base)) {
            found = s;
            found->refs++;
        }
    }
    pthread_mutex_unlock(&table->lock);
    return found;
}

void sbl_segment_release(void *segment)
{
    sbl_segment  *s = segment, *off = s;
    sbl_segments *table = s->table;
    int64_t       at;

    pthread_mutex_lock(&table->lock);
    if (--s->refs) {
        pthread_mutex_unlock(&table->lock);
        return;
    }
    at = above(table, s->base) - 1;
    table->n--;
    memmove(table->by_address + at, table->by_address + at + 1, (size_t)(table->n - at) * sizeof *table->by_address);
    sbl_buffer_uncount(s->size);
    s->next = NULL;
    if (table->keep && s->room && !s->is_spoiled) {
        s->next      = table->spare;
        table->spare = s;
        off          = take_spares_off(table, table->keep);
    } else if (table->ended) {
        table->ended(table->arg, s);
    }
    table_release(table);
    free_all(off);
}

int sbl_segment_hold(sbl_segment *segment, int32_t holder)
{
    const uint64_t bit = (uint64_t)1 << (holder % 64);
    uint64_t      *word;
    int            before;

    pthread_mutex_lock(&segment->table->lock);
    word   = &segment->holders[holder / 64];
    before = (*word & bit) != 0;
    *word |= bit;
    pthread_mutex_unlock(&segment->table->lock);
    return before;
}

int sbl_segment_is_held(const sbl_segment *segment, int32_t holder)
{
    int is_held;

    pthread_mutex_lock(&segment->table->lock);
    is_held = segment->holders[holder / 64] >> (holder % 64) & 1;
    pthread_mutex_unlock(&segment->table->lock);
    return is_held;
}

void sbl_segments_forget(sbl_segments *table, int32_t holder)
{
    pthread_mutex_lock(&table->lock);
    for (int64_t i = 0; i < table->n; i++)
        table->by_address[i]->holders[holder / 64] &= ~((uint64_t)1 << (holder % 64));
    pthread_mutex_unlock(&table->lock);
}
