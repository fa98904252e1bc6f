/* A client's numbers and the tasks that they mean: pages of them, from the oldest that is wanted on. */
#include "cluster/core/state.h"

enum { PER_PAGE = 1 << SBL_SERIALS_SHIFT, MOST_PAGES = 1 << 24 };

static sbl_serials_page **page_of(const sbl_serials *serials, uint64_t serial)
{
    const uint64_t page = serial >> SBL_SERIALS_SHIFT;

    return page >= serials->first && page - serials->first < serials->n ? &serials->pages[page - serials->first] : NULL;
}

uint32_t sbl_serial_find(const sbl_peer *client, uint64_t serial)
{
    sbl_serials_page **page = page_of(&client->serials, serial);

    return page && *page ? (*page)->task[serial % PER_PAGE] : 0;
}

int sbl_serial_any(const sbl_peer *client, uint64_t first, uint64_t n)
{
    const sbl_serials *known = &client->serials;
    const uint64_t     low = known->first << SBL_SERIALS_SHIFT, high = (known->first + known->n) << SBL_SERIALS_SHIFT;

    for (uint64_t serial = first > low ? first : low; serial < first + n && serial < high; serial++)
        if (sbl_serial_find(client, serial))
            return 1;
    return 0;
}

/* Room for a page, behind the last one or before the first. */
static int reach(sbl_serials *serials, uint64_t page)
{
    uint64_t before, n;

    if (!serials->n)
        serials->first = page;
    before = page < serials->first ? serials->first - page : 0;
    n      = (page >= serials->first + serials->n ? page - serials->first + 1 : serials->n) + before;
    if (n > MOST_PAGES)
        return 0;
    if (n > serials->room) {
        const uint32_t     room = (uint32_t)(2 * n + 16);
        sbl_serials_page **more = sbl_realloc(serials->pages, room * sizeof *more);

        if (!more)
            return 0;
        serials->pages = more;
        serials->room  = room;
    }
    if (before) {
        memmove(serials->pages + before, serials->pages, serials->n * sizeof *serials->pages);
        memset(serials->pages, 0, before * sizeof *serials->pages);
        serials->first = page;
        serials->gone  = 0;
        serials->n += (uint32_t)before;
    }
    while (serials->n < n)
        serials->pages[serials->n++] = NULL;
    return 1;
}

int sbl_serial_set(sbl_peer *client, uint64_t serial, uint32_t task)
{
    sbl_serials_page **page;

    if (!reach(&client->serials, serial >> SBL_SERIALS_SHIFT))
        return 0;
    page = page_of(&client->serials, serial);
    if (!*page)
        *page = sbl_calloc(1, sizeof **page);
    if (*page && page < client->serials.pages + client->serials.gone)
        client->serials.gone = (uint32_t)(page - client->serials.pages);
    if (!*page || (*page)->task[serial % PER_PAGE])
        return 0;
    (*page)->task[serial % PER_PAGE] = task;
    (*page)->n++;
    return 1;
}

/* Pages that are gone before the oldest that is there are cut off, when they are as many as the others: each is moved but once. */
static void cut_front(sbl_serials *serials)
{
    while (serials->gone < serials->n && !serials->pages[serials->gone])
        serials->gone++;
    if (serials->gone < serials->n && (serials->gone < 16 || 2 * serials->gone < serials->n))
        return;
    memmove(serials->pages, serials->pages + serials->gone, (serials->n - serials->gone) * sizeof *serials->pages);
    serials->first += serials->gone;
    serials->n -= serials->gone;
    serials->gone = 0;
}

void sbl_serial_forget(sbl_peer *client, uint64_t serial)
{
    sbl_serials_page **page = page_of(&client->serials, serial);

    if (!page || !*page || !(*page)->task[serial % PER_PAGE])
        return;
    (*page)->task[serial % PER_PAGE] = 0;
    if (--(*page)->n)
        return;
    sbl_free(*page);
    *page = NULL;
    if (!client->serials.pages[client->serials.gone])
        cut_front(&client->serials);
}

uint64_t sbl_serial_next(const sbl_peer *client, uint64_t serial)
{
    sbl_serials_page **page = page_of(&client->serials, serial);

    return page && *page ? serial + 1 : ((serial >> SBL_SERIALS_SHIFT) + 1) << SBL_SERIALS_SHIFT;
}

void sbl_serials_clear(sbl_serials *serials)
{
    for (uint32_t i = 0; i < serials->n; i++)
        sbl_free(serials->pages[i]);
    sbl_free(serials->pages);
    memset(serials, 0, sizeof *serials);
}
