/*
 * malloc and its kin are jemalloc's in every program that links it (pkg-config says so), so small memory goes
 * through them: one symbol, no cross-allocator free. What jemalloc offers beyond (mallctl, to purge and to tell)
 * is called through weak symbols where it is useful (buffer.c, version.c).
 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int64_t countdown = INT64_MIN; /* INT64_MIN: not armed */
static _Atomic int     stays;
static int64_t         armed_at;

int sbl_alloc_must_fail(void)
{
    int64_t left;

    if (__builtin_expect(atomic_load_explicit(&countdown, memory_order_relaxed) == INT64_MIN, 1))
        return 0;
    left = atomic_fetch_sub_explicit(&countdown, 1, memory_order_relaxed);
    return left == 1 || (left < 1 && atomic_load_explicit(&stays, memory_order_relaxed));
}

int64_t sbl_alloc_fail(int64_t nth, int forever)
{
    int64_t left = atomic_load_explicit(&countdown, memory_order_relaxed), done;

    done     = left == INT64_MIN ? 0 : armed_at - left;
    armed_at = nth;
    atomic_store_explicit(&stays, forever, memory_order_relaxed);
    atomic_store_explicit(&countdown, nth > 0 ? nth : INT64_MIN, memory_order_relaxed);
    return done;
}

void *sbl_alloc(size_t size)
{
    return sbl_alloc_must_fail() ? NULL : malloc(size ? size : 1);
}

void *sbl_calloc(size_t n, size_t size)
{
    return sbl_alloc_must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1);
}

void *sbl_realloc(void *memory, size_t size)
{
    return sbl_alloc_must_fail() ? NULL : realloc(memory, size ? size : 1);
}

void *sbl_alloc_aligned(size_t align, size_t size)
{
    void *memory = NULL;

    if (sbl_alloc_must_fail() ||
        posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size ? size : 1))
        return NULL;
    return memory;
}

void sbl_free(void *memory)
{
    free(memory);
}

char *sbl_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char  *copy = sbl_alloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}
