/*
 * Many records of one size, each known by a number from 1 on, which is used again when it was given back. They never move:
 * pages of them are added as the table grows. Given-back numbers are used last in, first out.
 */
#ifndef SBL_CORE_TABLE_H
#define SBL_CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { SBL_TABLE_SHIFT = 10 }; /* records a page */

typedef struct sbl_table {
    size_t   item; /* bytes of a record, a multiple of 8, of which the first four are the table's while it is free */
    char   **pages;
    uint32_t n_pages, room; /* of the list of pages */
    uint32_t free, n_free;  /* given back: first, and how many */
    uint32_t fresh;         /* the least that was never given out */
} sbl_table;

/** item: as in the record. */
void sbl_table_init(sbl_table *table, size_t item);
void sbl_table_clear(sbl_table *table);
/** A record, zeroed the first time it is given out and as it was left later (but its first four bytes). 0: no memory. */
uint32_t sbl_table_take(sbl_table *table);
void     sbl_table_give(sbl_table *table, uint32_t number);

static inline void *sbl_table_at(const sbl_table *table, uint32_t number)
{
    return table->pages[number >> SBL_TABLE_SHIFT] + table->item * (number & ((1u << SBL_TABLE_SHIFT) - 1));
}

/** Those in use. */
static inline uint32_t sbl_table_count(const sbl_table *table)
{
    return table->fresh - 1 - table->n_free;
}

/** 1 for a number that was given out at some time: its record is there to be read. */
static inline int sbl_table_has(const sbl_table *table, uint32_t number)
{
    return number && number < table->fresh;
}

#endif
