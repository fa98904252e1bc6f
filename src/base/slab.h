/*
 * Records that come and go by the million: of one size or another, made by one thread and freed by another. Each begins
 * a cache line. Their memory lies in huge pages, and goes back to the system when all that lies in such a page is free;
 * a thread keeps up to 256 of each size for itself.
 */
#ifndef SBL_BASE_SLAB_H
#define SBL_BASE_SLAB_H

#include <stddef.h>

/** Not cleared; NULL if there is no memory. */
void *sbl_slab_alloc(size_t size) __attribute__((malloc, alloc_size(1)));
/** size as it was given to sbl_slab_alloc(). NULL allowed. */
void sbl_slab_free(void *record, size_t size);

#endif
