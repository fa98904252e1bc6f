#include "base/home.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/alloc.h"

#define PAGE_BITS 21
#define PAGES     ((size_t)1 << (48 - PAGE_BITS)) /* addresses of programs have 47 bits, or 48 */

static _Atomic uint8_t *table; /* PAGES of them: the node + 1; 0: not known. Kept for the life of the process */
static _Atomic int32_t  n_homes = 1;
static int32_t (*here)(void);

static int make_table(void)
{
    void *memory;

    if (table)
        return 1;
    memory = sbl_alloc_must_fail() ? MAP_FAILED
                                   : mmap(NULL, PAGES * sizeof *table, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    table  = memory == MAP_FAILED ? NULL : memory;
    return table != NULL;
}

int sbl_homes_set(int32_t n_nodes, int32_t (*node_here)(void))
{
    int can = n_nodes > 1 && n_nodes <= SBL_MOST_HOMES && make_table();

    here = node_here;
    /* release: the table; pairs with the acquire in sbl_homes() */
    atomic_store_explicit(&n_homes, can ? n_nodes : 1, memory_order_release);
    return can;
}

int32_t sbl_homes(void)
{
    return atomic_load_explicit(&n_homes, memory_order_acquire);
}

int32_t sbl_home_here(void)
{
    int32_t n = sbl_homes(), node = n > 1 ? here() : 0;

    return node < n ? node : 0;
}

void sbl_home_note(const void *memory, size_t size, int32_t home)
{
    size_t page = (uintptr_t)memory >> PAGE_BITS;

    for (size_t end = page + (size >> PAGE_BITS); sbl_homes() > 1 && page < end && page < PAGES; page++)
        atomic_store_explicit(&table[page], (uint8_t)(home + 1), memory_order_relaxed);
}

int32_t sbl_home_of(const void *pointer)
{
    size_t  page = (uintptr_t)pointer >> PAGE_BITS;
    int32_t home;

    if (sbl_homes() < 2 || page >= PAGES)
        return SBL_NO_HOME;
    home = atomic_load_explicit(&table[page], memory_order_relaxed) - 1;
    return home < sbl_homes() ? home : SBL_NO_HOME;
}
