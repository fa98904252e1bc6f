/* Small memory: records, tables, texts. Data goes through buffer.h, which counts it. */
#ifndef SBL_BASE_ALLOC_H
#define SBL_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/** At least size bytes (0: a pointer that may be freed), aligned to 16; NULL if there is no memory. */
void *sbl_alloc(size_t size) __attribute__((malloc, alloc_size(1)));
/** The same, zeroed; NULL also if n * size overflows. */
void *sbl_calloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2)));
/** Grows or shrinks; on failure the old one stays. */
void *sbl_realloc(void *memory, size_t size);
/** Aligned to align, a power of two. Ended by sbl_free() too. */
void *sbl_alloc_aligned(size_t align, size_t size);
void  sbl_free(void *memory);
/** A copy of a text; NULL if there is no memory. */
char *sbl_strdup(const char *text);

/*
 * Fault injection: the n-th allocation from now (1 is the next), of any kind and thread, fails, and so do all
 * after it if `forever`. 0 disarms. Returns the number of allocations since it was armed last.
 */
int64_t sbl_alloc_fail(int64_t nth, int forever);
/** For those that get memory by other ways (buffers): 1 if this one has to fail. */
int sbl_alloc_must_fail(void);

#endif
