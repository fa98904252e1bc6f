/* Futures by serial: pages from the oldest that has not ended on. */
#include "cluster/remote.h"

#include <string.h>

#include "base/alloc.h"

enum { PER_PAGE = 1024 };

static sbl_futures_page **page_of(const sbl_futures *t, uint64_t serial)
{
    const uint64_t page = serial / PER_PAGE;

    return page >= t->first && page - t->first < t->n ? &t->pages[page - t->first] : NULL;
}

/* Room for a page, behind the last or before the first: batches of several threads come in any order. */
static int reach(sbl_futures *t, uint64_t page)
{
    uint64_t before, n;

    if (!t->n)
        t->first = page;
    before = page < t->first ? t->first - page : 0;
    n      = (page >= t->first + t->n ? page - t->first + 1 : t->n) + before;
    if (n > t->room) {
        const uint32_t     room = (uint32_t)(2 * n + 16);
        sbl_futures_page **more = sbl_realloc(t->pages, room * sizeof *more);

        if (!more)
            return 0;
        t->pages = more;
        t->room  = room;
    }
    if (before) {
        memmove(t->pages + before, t->pages, t->n * sizeof *t->pages);
        memset(t->pages, 0, before * sizeof *t->pages);
        t->first = page;
        t->n += (uint32_t)before;
    }
    while (t->n < n)
        t->pages[t->n++] = NULL;
    return 1;
}

int sbl_futures_put(sbl_futures *t, uint64_t serial, sabal_future *future)
{
    sbl_futures_page **page;

    if (!reach(t, serial / PER_PAGE))
        return 0;
    page = page_of(t, serial);
    if (!*page)
        *page = sbl_calloc(1, sizeof **page);
    if (!*page)
        return 0;
    (*page)->at[serial % PER_PAGE] = future;
    (*page)->n++;
    return 1;
}

sabal_future *sbl_futures_find(const sbl_futures *t, uint64_t serial)
{
    sbl_futures_page **page = page_of(t, serial);

    return page && *page ? (*page)->at[serial % PER_PAGE] : NULL;
}

sabal_future *sbl_futures_take(sbl_futures *t, uint64_t serial)
{
    sbl_futures_page **page   = page_of(t, serial);
    sabal_future      *future = page && *page ? (*page)->at[serial % PER_PAGE] : NULL;
    uint32_t           gone   = 0;

    if (!future)
        return NULL;
    (*page)->at[serial % PER_PAGE] = NULL;
    if (--(*page)->n)
        return future;
    sbl_free(*page);
    *page = NULL;
    while (gone < t->n && !t->pages[gone])
        gone++;
    if (gone >= 64 || gone == t->n) {
        memmove(t->pages, t->pages + gone, (t->n - gone) * sizeof *t->pages);
        t->first += gone;
        t->n -= gone;
    }
    return future;
}

sabal_future *sbl_futures_any(const sbl_futures *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        for (int k = 0; t->pages[i] && k < PER_PAGE; k++)
            if (t->pages[i]->at[k])
                return t->pages[i]->at[k];
    return NULL;
}

void sbl_futures_clear(sbl_futures *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        sbl_free(t->pages[i]);
    sbl_free(t->pages);
    memset(t, 0, sizeof *t);
}
