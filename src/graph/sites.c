/*
 * A table of the places from where tasks come, so that a task has one pointer instead of three. A program has as many as
 * it has lines that submit; where it makes them up (code that is compiled while it runs), the table fills, and what
 * comes then keeps its own.
 */
#include "graph/sites.h"

#include <stdint.h>

#include "base/alloc.h"

enum { MOST_STEPS = 16 };

static uint32_t hash_of(const sbl_site *s)
{
    uint64_t h =
        (uint64_t)(uintptr_t)s->fn ^ (uint64_t)(uintptr_t)s->where << 20 ^ (uint64_t)(uintptr_t)s->function << 40;

    return (uint32_t)(h * 0x9e3779b97f4a7c15u >> 32);
}

static int is_equal(const sbl_site *a, const sbl_site *b)
{
    return a->fn == b->fn && a->function == b->function && a->where == b->where;
}

/* What stands there then: site's copy, or what another thread has put there. */
static sbl_site *put(_Atomic(sbl_site *) *entry, const sbl_site *site)
{
    sbl_site *copy = sbl_alloc(sizeof *copy), *there = NULL;

    if (!copy)
        return NULL;
    *copy = *site;
    /* release: the copy; acquire: or the other's */
    if (atomic_compare_exchange_strong_explicit(entry, &there, copy, memory_order_acq_rel, memory_order_acquire))
        return copy;
    sbl_free(copy);
    return there;
}

const sbl_site *sbl_site_find(sbl_sites *sites, const sbl_site *site)
{
    const uint32_t hash = hash_of(site);

    for (uint32_t i = 0; i < MOST_STEPS; i++) {
        _Atomic(sbl_site *) *entry = &sites->entries[(hash + i) % SBL_SITES];
        sbl_site            *there = atomic_load_explicit(entry, memory_order_acquire); /* pairs with put() */

        if (!there)
            there = put(entry, site);
        if (!there || is_equal(there, site))
            return there;
    }
    return NULL;
}

void sbl_sites_clear(sbl_sites *sites)
{
    for (int i = 0; i < SBL_SITES; i++)
        sbl_free(atomic_load_explicit(&sites->entries[i], memory_order_relaxed));
}
