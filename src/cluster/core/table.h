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

/* Records of a table by a hash: each has, in a field of its own, the number of the next of its list. */
typedef struct sbl_heads {
    uint32_t *first;
    uint32_t  room; /* a power of two; 0: none yet */
    size_t    next; /* where that field is */
    uint64_t (*key)(const void *record);
} sbl_heads;

/** For so many records there shall be room, or their lists get longer. 0: no memory for the first. */
int sbl_heads_reach(sbl_heads *heads, const sbl_table *table, uint32_t n);
/** Puts one in, takes it out. */
void sbl_heads_add(sbl_heads *heads, const sbl_table *table, uint32_t number);
void sbl_heads_remove(sbl_heads *heads, const sbl_table *table, uint32_t number);
/** The first of those that may have that key. */
static inline uint32_t *sbl_heads_of(const sbl_heads *heads, uint64_t key)
{
    return &heads->first[key * 0x9e3779b97f4a7c15u >> 32 & (heads->room - 1)];
}

/** 1 for a number that was given out at some time: its record is there to be read. */
static inline int sbl_table_has(const sbl_table *table, uint32_t number)
{
    return number && number < table->fresh;
}

#endif
