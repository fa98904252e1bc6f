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
