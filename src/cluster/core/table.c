/* Pages of records; a free one's first word leads to the next free one. */
#include "cluster/core/table.h"

#include <string.h>

#include "base/alloc.h"

void sbl_table_init(sbl_table *table, size_t item)
{
    memset(table, 0, sizeof *table);
    table->item  = item;
    table->fresh = 1;
}

void sbl_table_clear(sbl_table *table)
{
    for (uint32_t i = 0; i < table->n_pages; i++)
        sbl_free(table->pages[i]);
    sbl_free(table->pages);
    sbl_table_init(table, table->item);
}

static int add_page(sbl_table *table)
{
    char *page;

    if (table->n_pages == table->room) {
        const uint32_t room = table->room ? 2 * table->room : 16;
        char         **more = sbl_realloc(table->pages, room * sizeof *more);

        if (!more)
            return 0;
        table->pages = more;
        table->room  = room;
    }
    page = sbl_calloc((size_t)1 << SBL_TABLE_SHIFT, table->item);
    if (page)
        table->pages[table->n_pages++] = page;
    return page != NULL;
}

uint32_t sbl_table_take(sbl_table *table)
{
    const uint32_t number = table->free;

    if (number) {
        memcpy(&table->free, sbl_table_at(table, number), sizeof table->free);
        table->n_free--;
        return number;
    }
    if (table->fresh == UINT32_MAX >> 1 || (table->fresh >> SBL_TABLE_SHIFT >= table->n_pages && !add_page(table)))
        return 0;
    return table->fresh++;
}

void sbl_table_give(sbl_table *table, uint32_t number)
{
    memcpy(sbl_table_at(table, number), &table->free, sizeof table->free);
    table->free = number;
    table->n_free++;
}

/* --- by a hash ---------------------------------------------------------------------------------------------------- */

static uint32_t *next_of(const sbl_heads *heads, const sbl_table *table, uint32_t number)
{
    return (uint32_t *)(void *)((char *)sbl_table_at(table, number) + heads->next);
}

int sbl_heads_reach(sbl_heads *heads, const sbl_table *table, uint32_t n)
{
    const sbl_heads before = *heads;
    const uint32_t  room   = before.room ? 2 * before.room : 64;
    uint32_t       *more   = n > before.room ? sbl_calloc(room, sizeof *more) : NULL;

    if (!more)
        return before.room != 0;
    heads->first = more;
    heads->room  = room;
    for (uint32_t i = 0; i < before.room; i++)
        while (before.first[i]) {
            const uint32_t number = before.first[i];

            before.first[i] = *next_of(heads, table, number);
            sbl_heads_add(heads, table, number);
        }
    sbl_free(before.first);
    return 1;
}

void sbl_heads_add(sbl_heads *heads, const sbl_table *table, uint32_t number)
{
    uint32_t *first = sbl_heads_of(heads, heads->key(sbl_table_at(table, number)));

    *next_of(heads, table, number) = *first;
    *first                         = number;
}

void sbl_heads_remove(sbl_heads *heads, const sbl_table *table, uint32_t number)
{
    uint32_t *link = sbl_heads_of(heads, heads->key(sbl_table_at(table, number)));

    while (*link != number)
        link = next_of(heads, table, *link);
    *link = *next_of(heads, table, number);
}
