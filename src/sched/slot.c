/*
 * A slot and its deque: address space that is touched as it is used, first by the thread that uses it, so that it lies on that
 * one's NUMA node. A little must be written before the thread runs; with several nodes that has pages of its own, which the
 * thread takes with it.
 */
#include "sched/worker.h"

#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "sched/topology.h"

#define PAGE 4096 /* if pages are larger it does not move, and no harm is done */
typedef union sbl_slot_pages {
    sbl_slot slot;
    char     pages[(sizeof(sbl_slot) + PAGE - 1) / PAGE * PAGE];
} sbl_slot_pages;

#define DEQUE_BYTES ((size_t)SBL_RECORDS * sizeof(struct sabal_record))

sabal_status sbl_slot_create(sbl_slot **slot, sbl_pool *pool, int32_t index)
{
    size_t    size = pool->n_homes ? sizeof(sbl_slot_pages) : sizeof(sbl_slot);
    sbl_slot *s    = sbl_alloc_aligned(pool->n_homes ? PAGE : SBL_LINE, size);

    if (!s)
        return SABAL_ENOMEM;
    memset(s, 0, sizeof *s);
    sbl_queue_init(&s->queue);
    s->pool      = pool;
    s->index     = index;
    s->away      = -1;
    s->waker_cpu = -1;
    s->random    = (uint32_t)index * 2654435761u + 1;
    /* Those who sleep raised the flags of all slots there were; on this one it is up from the start. */
    __atomic_store_n(&s->place.request, 1, __ATOMIC_RELAXED);
    *slot = s;
    return SABAL_OK;
}

void sbl_slot_settle(sbl_slot *self)
{
    if (self->pool->n_homes)
        sbl_bring_pages_here(self, sizeof(sbl_slot_pages) / PAGE);
}

int sbl_slot_ready(sbl_slot *slot)
{
    void *memory;

    if (slot->base)
        return 1;
    memory = sbl_alloc_must_fail()
                 ? MAP_FAILED
                 : mmap(NULL, DEQUE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return 0;
    slot->base        = memory;
    slot->place.split = slot->base;
    slot->place.end   = slot->base + SBL_RECORDS;
    return 1;
}

void sbl_slot_destroy(sbl_slot *slot)
{
    if (!slot)
        return;
    if (slot->base)
        munmap(slot->base, DEQUE_BYTES);
    sbl_overflow_free(slot);
    sbl_queue_destroy(&slot->queue);
    sbl_free(slot);
}
