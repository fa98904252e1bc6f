/*
 * Touching a page for the first time is the largest single cost there is on virtual machines, so large buffers
 * (from half a huge page on) lie on huge pages and are kept when they come back: in bins by size, the newest used
 * first (its pages are the warmest), the oldest given back to the system when the cache is full. A buffer's pages lie on the
 * NUMA node of the thread that it was made for; each node has bins of its own, and who finds none there takes fresh memory.
 *
 * Sizes of large buffers are rounded up to a huge page, past 16 of them to an eighth of the power of two below, so
 * that nearly equal chunks share a bin and at most an eighth is lost. What is counted is what was asked for.
 */
#include "base/buffer.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/home.h"
#include "base/limits.h"
#include "base/pages.h"
#include "base/sanitized.h"
#include "base/struct.h"

/* jemalloc's, in programs that link it: aligned, and freed by size without a look-up. Not under a sanitizer, which
   must see every buffer. */
#if !SBL_SANITIZED
extern void *mallocx(size_t size, int flags) __attribute__((weak));
extern void  sdallocx(void *memory, size_t size, int flags) __attribute__((weak));
extern int   mallctl(const char *name, void *old, size_t *old_size, void *new_, size_t new_size) __attribute__((weak));
#define HAVE_JEMALLOC (mallocx && sdallocx)
#else
#define mallocx(size, flags)          NULL
#define sdallocx(memory, size, flags) (void)0
#define HAVE_JEMALLOC                 0
#endif
#define ALIGN_64   6      /* jemalloc's MALLOCX_LG_ALIGN(6) */
#define ALL_ARENAS "4096" /* its MALLCTL_ARENAS_ALL */

#define LARGE      (SBL_HUGE_PAGE / 2)
#define N_BINS     512
#define SMALL_BINS 16

/* A cached buffer, described in its own first bytes (already touched by its last user). */
struct spare {
    struct spare *next_in_bin, *previous_in_bin; /* newest first */
    struct spare *older, *newer;                 /* over all bins */
    size_t        size;
    uint32_t      bin;
    int32_t       home;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct spare   *first_bins[N_BINS], **bins = first_bins; /* N_BINS for each node */
static int32_t         bin_nodes = 1;
static struct spare   *oldest, *newest;
static size_t          cached, cache_limit;
static int             configured;

static _Atomic size_t in_use, peak, n_buffers;

void sbl_buffer_count(size_t size)
{
    size_t now = atomic_fetch_add_explicit(&in_use, size, memory_order_relaxed) + size;
    size_t top = atomic_load_explicit(&peak, memory_order_relaxed);

    while (now > top &&
           !atomic_compare_exchange_weak_explicit(&peak, &top, now, memory_order_relaxed, memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&n_buffers, 1, memory_order_relaxed);
}

void sbl_buffer_uncount(size_t size)
{
    atomic_fetch_sub_explicit(&in_use, size, memory_order_relaxed);
    atomic_fetch_sub_explicit(&n_buffers, 1, memory_order_relaxed);
}

/* The bin of a large size, and the size that buffers of that bin have. SIZE_MAX if it is beyond all bins. */
static uint32_t bin_of(size_t size, size_t *rounded)
{
    size_t   pages = (size + SBL_HUGE_PAGE - 1) / SBL_HUGE_PAGE, step;
    uint32_t power;

    if (pages <= SMALL_BINS) {
        *rounded = pages * SBL_HUGE_PAGE;
        return (uint32_t)pages - 1;
    }
    power    = 63 - (uint32_t)__builtin_clzll(pages - 1); /* 2^power < pages <= 2^(power + 1) */
    step     = (size_t)1 << (power - 3);
    pages    = (pages + step - 1) / step * step;
    *rounded = pages * SBL_HUGE_PAGE;
    return SMALL_BINS + (power - 4) * 8 + (uint32_t)(pages / step) - 9;
}

/* With the lock held. A home may be that of a moment ago, when there were more or fewer nodes. */
static struct spare **bin_at(int32_t *home, uint32_t bin)
{
    if (*home >= bin_nodes)
        *home = 0;
    return &bins[(size_t)*home * N_BINS + bin];
}

static void unlink_spare(struct spare *s)
{
    if (s->previous_in_bin)
        s->previous_in_bin->next_in_bin = s->next_in_bin;
    else
        *bin_at(&s->home, s->bin) = s->next_in_bin;
    if (s->next_in_bin)
        s->next_in_bin->previous_in_bin = s->previous_in_bin;
    *(s->older ? &s->older->newer : &oldest) = s->newer;
    *(s->newer ? &s->newer->older : &newest) = s->older;
    cached -= s->size;
}

static void link_spare(struct spare *s)
{
    struct spare **bin = bin_at(&s->home, s->bin);

    s->previous_in_bin = NULL;
    s->next_in_bin     = *bin;
    if (s->next_in_bin)
        s->next_in_bin->previous_in_bin = s;
    *bin                                 = s;
    s->newer                             = NULL;
    s->older                             = newest;
    *(newest ? &newest->newer : &oldest) = s;
    newest                               = s;
    cached += s->size;
}

/* Takes spares off, oldest first, until at most limit bytes stay; returns them as a list through `older`. */
static struct spare *shrink_to(size_t limit)
{
    struct spare *list = NULL;

    while (cached > limit) {
        struct spare *s = oldest;

        unlink_spare(s);
        s->older = list;
        list     = s;
    }
    return list;
}

static void unmap_list(struct spare *list)
{
    while (list) {
        struct spare *next = list->older;

        sbl_home_note(list, list->size, SBL_NO_HOME);
        munmap(list, list->size);
        list = next;
    }
}

/* A child made by fork() has this thread alone: the lock must not be another's at that moment. */
static void lock_for_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static sabal_status read_setting(int64_t *bytes, sabal_error *err)
{
    return sbl_config_int(bytes, "buffer_cache", -1, INT64_MAX, err);
}

sabal_status sbl_buffer_check(sabal_error *err)
{
    int64_t n;

    return read_setting(&n, err);
}

/* Called with the lock held. A setting that can't be read is reported by sabal_open(); here it means the default. */
static void configure(void)
{
    int64_t n = -1;

    if (configured)
        return;
    configured = 1;
    pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
    read_setting(&n, NULL);
    cache_limit = n < 0 ? (size_t)sbl_limits_memory(NULL, 0) / 4 : (size_t)n;
}

static void *map(size_t size)
{
    void *memory = sbl_pages_map(size);

    if (memory)
        sbl_pages_advise(memory, size); /* without it the memory is only slower */
    return memory;
}

static void *large_alloc(size_t size)
{
    struct spare *s;
    size_t        rounded;
    uint32_t      bin  = bin_of(size, &rounded);
    int32_t       home = sbl_home_here();
    void         *memory;

    if (bin >= N_BINS)
        return NULL;
    pthread_mutex_lock(&lock);
    configure();
    s = *bin_at(&home, bin);
    if (s)
        unlink_spare(s);
    pthread_mutex_unlock(&lock);
    if (s)
        return s;
    memory = map(rounded);
    if (!memory) {
        sabal_memory_trim();
        memory = map(rounded);
    }
    if (memory)
        sbl_home_note(memory, rounded, home);
    return memory;
}

static void large_free(void *memory, size_t size)
{
    struct spare *s    = memory, *list;
    int32_t       home = sbl_home_of(memory);

    s->bin  = bin_of(size, &s->size);
    s->home = home == SBL_NO_HOME ? sbl_home_here() : home;
    pthread_mutex_lock(&lock);
    configure();
    link_spare(s);
    list = shrink_to(cache_limit);
    pthread_mutex_unlock(&lock);
    unmap_list(list);
}

static void *small_alloc(size_t size)
{
    if (!HAVE_JEMALLOC)
        return sbl_alloc_aligned(64, size);
    return sbl_alloc_must_fail() ? NULL : mallocx(size ? size : 1, ALIGN_64);
}

static void small_free(void *memory, size_t size)
{
    if (HAVE_JEMALLOC)
        sdallocx(memory, size ? size : 1, ALIGN_64);
    else
        sbl_free(memory);
}

void *sbl_buffer_alloc(size_t size)
{
    void *memory;

    if (size > SIZE_MAX / 4)
        return NULL;
    memory = size < LARGE ? small_alloc(size) : sbl_alloc_must_fail() ? NULL : large_alloc(size);
    if (memory)
        sbl_buffer_count(size);
    return memory;
}

void sbl_buffer_free(void *memory, size_t size)
{
    if (!memory)
        return;
    sbl_buffer_uncount(size);
    if (size < LARGE)
        small_free(memory, size);
    else
        large_free(memory, size);
}

void sbl_buffer_nodes(int32_t n_nodes, int32_t (*node_here)(void))
{
    struct spare **more = NULL, *list;

    if (n_nodes > 1 && sbl_homes_set(n_nodes, node_here))
        more = sbl_calloc((size_t)n_nodes * N_BINS, sizeof(struct spare *));
    if (!more)
        sbl_homes_set(1, NULL);
    pthread_mutex_lock(&lock);
    if (!more && bins == first_bins) {
        pthread_mutex_unlock(&lock);
        return;
    }
    list = shrink_to(0);
    if (bins != first_bins)
        sbl_free(bins);
    bins      = more ? more : first_bins;
    bin_nodes = more ? n_nodes : 1;
    pthread_mutex_unlock(&lock);
    unmap_list(list);
}

size_t sbl_buffer_in_use(void)
{
    return atomic_load_explicit(&in_use, memory_order_relaxed);
}

void sbl_buffer_bound(size_t bytes)
{
    size_t        used = sbl_buffer_in_use();
    struct spare *list = NULL;

    pthread_mutex_lock(&lock);
    if (used + cached > bytes)
        list = shrink_to(bytes > used ? bytes - used : 0);
    pthread_mutex_unlock(&lock);
    unmap_list(list);
}

void sbl_buffer_purge(void)
{
    sabal_memory_trim();
#if !SBL_SANITIZED
    if (HAVE_JEMALLOC && mallctl)
        mallctl("arena." ALL_ARENAS ".purge", NULL, NULL, NULL, 0);
    else
        malloc_trim(0);
#endif
}

sabal_status sabal_memory_get(sabal_memory *memory)
{
    sabal_memory m = {.in_use = atomic_load_explicit(&in_use, memory_order_relaxed),
                      .peak   = atomic_load_explicit(&peak, memory_order_relaxed),
                      .count  = atomic_load_explicit(&n_buffers, memory_order_relaxed)};

    pthread_mutex_lock(&lock);
    m.cached = cached;
    pthread_mutex_unlock(&lock);
    return sbl_struct_give(memory, &m, sizeof m);
}

void sabal_memory_reset_peak(void)
{
    atomic_store_explicit(&peak, atomic_load_explicit(&in_use, memory_order_relaxed), memory_order_relaxed);
}

void sabal_memory_trim(void)
{
    struct spare *list;

    pthread_mutex_lock(&lock);
    list = shrink_to(0);
    pthread_mutex_unlock(&lock);
    unmap_list(list);
}
