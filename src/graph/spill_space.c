/*
 * A sorted table of free ranges. The smallest that fits is taken, one without holes before others; else the file grows,
 * by more than is needed, since each growth makes file systems stop the writers for a moment. Between two free ranges
 * lies one that is taken, so a table with room for a few more than are taken can be kept: giving back never fails.
 *
 * What is given back stays on the disk up to a bound, for the next; beyond it, holes are punched, and at the end the
 * file is cut. What comes to touch a hole becomes a part of it.
 */
#include "graph/spill_space.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

struct sbl_spill_range {
    int64_t at, size;
    int     backed; /* 1: all of it is on the disk; 0: none of it is */
};

sabal_status sbl_spill_space_open(sbl_spill_space *space, sbl_spill_disk *disk, sabal_error *err)
{
    *space      = (sbl_spill_space){.disk = disk, .room = 64};
    space->free = sbl_alloc((size_t)space->room * sizeof *space->free);
    if (!space->free)
        return sbl_error_memory(err, (size_t)space->room * sizeof *space->free, "a table of free space");
    pthread_mutex_init(&space->lock, NULL);
    return SABAL_OK;
}

void sbl_spill_space_close(sbl_spill_space *space)
{
    pthread_mutex_destroy(&space->lock);
    sbl_free(space->free);
}

static sabal_status make_room(sbl_spill_space *space, sabal_error *err)
{
    struct sbl_spill_range *more;

    if (space->n_taken + 3 <= space->room)
        return SABAL_OK;
    more = sbl_realloc(space->free, 2 * (size_t)space->room * sizeof *more);
    if (!more)
        return sbl_error_memory(err, 2 * (size_t)space->room * sizeof *more, "a table of free space");
    space->free = more;
    space->room *= 2;
    return SABAL_OK;
}

/* The first free range that lies behind `at`. */
static int64_t place_of(const sbl_spill_space *space, int64_t at)
{
    int64_t low = 0, high = space->n_free;

    while (low < high) {
        int64_t middle = (low + high) / 2;

        if (space->free[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t backed_bytes(const struct sbl_spill_range *r)
{
    return r->backed ? r->size : 0;
}

static void erase(sbl_spill_space *space, int64_t i)
{
    space->n_free--;
    memmove(space->free + i, space->free + i + 1, (size_t)(space->n_free - i) * sizeof *space->free);
}

static void make_hole(sbl_spill_space *space, struct sbl_spill_range *r)
{
    if (!r->backed)
        return;
    sbl_spill_disk_punch(space->disk, r->at, r->size);
    space->backed -= r->size;
    r->backed = 0;
}

/* Joins a range with the next if they touch. */
static void join(sbl_spill_space *space, int64_t i)
{
    struct sbl_spill_range *r = space->free + i;

    if (i < 0 || i + 1 >= space->n_free || r->at + r->size != r[1].at)
        return;
    if (r->backed != r[1].backed)
        make_hole(space, r->backed ? r : r + 1);
    r->size += r[1].size;
    erase(space, i + 1);
}

static void insert(sbl_spill_space *space, struct sbl_spill_range range)
{
    int64_t                 i = place_of(space, range.at);
    struct sbl_spill_range *r = space->free + i;

    memmove(r + 1, r, (size_t)(space->n_free - i) * sizeof *r);
    *r = range;
    space->n_free++;
    space->backed += backed_bytes(r);
    join(space, i);
    join(space, i - 1);
}

/* Takes the first `size` bytes off a free range. */
static int64_t cut_off(sbl_spill_space *space, int64_t i, int64_t size)
{
    struct sbl_spill_range *r  = space->free + i;
    int64_t                 at = r->at;

    space->backed -= r->backed ? size : 0;
    r->at += size;
    r->size -= size;
    if (!r->size)
        erase(space, i);
    return at;
}

/* The smallest range that fits, those without holes first; -1 if there is none. */
static int64_t best_fit(const sbl_spill_space *space, int64_t size)
{
    int64_t best = -1;

    for (int64_t i = 0; i < space->n_free; i++) {
        const struct sbl_spill_range *r = space->free + i, *b = best < 0 ? NULL : space->free + best;

        if (r->size >= size && (!b || r->backed > b->backed || (r->backed == b->backed && r->size < b->size)))
            best = i;
    }
    return best;
}

/* The disk is full: what is free here goes back to it. */
static void punch_all(sbl_spill_space *space)
{
    for (int64_t i = 0; i < space->n_free; i++)
        make_hole(space, space->free + i);
}

static sabal_status take_from(sbl_spill_space *space, int64_t i, int64_t *at, int64_t size, sabal_error *err)
{
    struct sbl_spill_range *r = space->free + i;

    if (!r->backed) {
        sabal_status st = sbl_spill_disk_reserve(space->disk, r->at, size, err);

        if (st) {
            sbl_spill_disk_punch(space->disk, r->at, size);
            return st;
        }
    }
    *at = cut_off(space, i, size);
    return SABAL_OK;
}

/* Room on the disk from `begin`, at or before the end of the file, to its new end. A part of it may have been had before
   it failed. */
static sabal_status reserve_to(sbl_spill_space *space, int64_t begin, int64_t end, sabal_error *err)
{
    sabal_status st = sbl_spill_disk_reserve(space->disk, begin, end - begin, err);

    if (!st)
        return st;
    sbl_spill_disk_cut(space->disk, space->end);
    if (begin < space->end)
        sbl_spill_disk_punch(space->disk, begin, space->end - begin);
    return st;
}

/* The free end of the file becomes longer, by enough to hold `size` and by what may stay besides. A disk that is nearly
   full is asked for no more than is needed: others want it too, and what was had in vain may take a moment to be free
   again. */
static sabal_status grow(sbl_spill_space *space, int64_t *at, int64_t size, sabal_error *err)
{
    struct sbl_spill_range *last  = space->n_free ? space->free + space->n_free - 1 : NULL;
    int                     joins = last && last->at + last->size == space->end;
    int64_t                 first = joins ? last->at : space->end, hole = joins && !last->backed ? first : space->end;
    int64_t                 end = first + size, far = end + SBL_SPILL_KEEP - space->backed;
    sabal_status            st = SABAL_ENOSPC;

    if (far > end && sbl_spill_disk_free(space->disk) > 4 * (int64_t)SBL_SPILL_KEEP)
        st = reserve_to(space, hole, far, NULL);
    if (st) {
        far = end;
        st  = reserve_to(space, hole, far, err);
    }
    if (st)
        return st;
    if (hole < space->end)
        erase(space, space->n_free - 1); /* it is a part of what was reserved */
    insert(space, (struct sbl_spill_range){hole, far - hole, 1});
    space->end = far;
    return take_from(space, space->n_free - 1, at, size, err);
}

static sabal_status take(sbl_spill_space *space, int64_t *at, int64_t size, sabal_error *err)
{
    int64_t i = best_fit(space, size);

    return i >= 0 ? take_from(space, i, at, size, err) : grow(space, at, size, err);
}

sabal_status sbl_spill_space_take(sbl_spill_space *space, int64_t *at, int64_t size, sabal_error *err)
{
    sabal_error  first = SABAL_ERROR_INIT;
    sabal_status st;

    pthread_mutex_lock(&space->lock);
    st = make_room(space, err);
    if (st)
        goto done;
    st = take(space, at, size, &first);
    if (st == SABAL_ENOSPC && space->backed) {
        punch_all(space);
        first = (sabal_error)SABAL_ERROR_INIT;
        st    = take(space, at, size, &first);
    }
    if (st)
        sbl_error_pass(err, &first);
    else
        space->n_taken++;
done:
    pthread_mutex_unlock(&space->lock);
    return st;
}

/* Whether what is given back now may stay on the disk. */
static int may_stay(sbl_spill_space *space, int64_t size)
{
    int stay;

    pthread_mutex_lock(&space->lock);
    stay = space->backed + size <= SBL_SPILL_KEEP;
    pthread_mutex_unlock(&space->lock);
    return stay;
}

/* The free end of the file goes, if more is free than may stay. */
static void cut_end(sbl_spill_space *space)
{
    struct sbl_spill_range *last = space->n_free ? space->free + space->n_free - 1 : NULL;

    if (!last || last->at + last->size != space->end || (last->backed && space->backed <= SBL_SPILL_KEEP))
        return;
    sbl_spill_disk_cut(space->disk, last->at);
    space->end = last->at;
    space->backed -= backed_bytes(last);
    space->n_free--;
}

static void give(sbl_spill_space *space, int64_t at, int64_t size, int n_taken)
{
    int stay = may_stay(space, size);

    if (!stay)
        sbl_spill_disk_punch(space->disk, at, size); /* before others may take it, without keeping them waiting */
    pthread_mutex_lock(&space->lock);
    space->n_taken -= n_taken;
    insert(space, (struct sbl_spill_range){at, size, stay});
    cut_end(space);
    pthread_mutex_unlock(&space->lock);
}

void sbl_spill_space_shorten(sbl_spill_space *space, int64_t at, int64_t size, int64_t kept)
{
    if (kept < size)
        give(space, at + kept, size - kept, 0);
}

void sbl_spill_space_give(sbl_spill_space *space, int64_t at, int64_t size)
{
    give(space, at, size, 1);
}
