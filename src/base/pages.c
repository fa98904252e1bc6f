/*
 * A huge page takes one fault for 2 MiB, 0.2 to 0.4 ms with its zeroing, where pages of the usual size take 1 ms
 * together; and its address is translated faster. But in a virtual machine whose host has taken free memory back, or with
 * memory in pieces, a huge page takes 2 to 5 ms, while smaller pages mostly come from memory that is still there. So,
 * unless SABAL_HUGE_PAGES is 2, the first touch is timed, and when it was dear the next memory is on small pages. What
 * counts is the thread's own time: on a busy machine it may have to wait in between.
 */
#include "base/pages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "base/config.h"

#define DEAR_NS 1000000              /* of a first touch */
#define SMALL   ((int64_t)256 << 20) /* bytes on small pages after a dear one: it costs them a hundredth */

enum { NEVER, UNLESS_DEAR, ALWAYS }; /* the setting */

static pthread_once_t  once = PTHREAD_ONCE_INIT;
static int64_t         when;
static _Atomic int64_t small_left; /* bytes that are still to lie on small pages */

static sabal_status setting(int64_t *is, sabal_error *err)
{
    return sbl_config_int(is, "huge_pages", NEVER, ALWAYS, err);
}

sabal_status sbl_pages_check(sabal_error *err)
{
    int64_t is;

    return setting(&is, err);
}

/* A setting that can't be read is reported by sabal_open(); here it means the default. */
static void read_setting(void)
{
    when = UNLESS_DEAR;
    setting(&when, NULL);
}

void *sbl_pages_map(size_t size)
{
    size_t    room  = size + SBL_HUGE_PAGE;
    char     *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *aligned;
    uintptr_t at    = (uintptr_t)start;

    if (start == MAP_FAILED)
        return NULL;
    aligned = start + ((at + SBL_HUGE_PAGE - 1) / SBL_HUGE_PAGE * SBL_HUGE_PAGE - at);
    if (aligned > start)
        munmap(start, (size_t)(aligned - start));
    if (start + room > aligned + size)
        munmap(aligned + size, (size_t)(start + room - (aligned + size)));
    return aligned;
}

static int64_t own_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int sbl_pages_took(int64_t ns)
{
    if (ns < DEAR_NS)
        return 0;
    atomic_store_explicit(&small_left, SMALL, memory_order_relaxed);
    return 1;
}

int sbl_pages_advise(void *memory, size_t size)
{
    int64_t before;

    pthread_once(&once, read_setting);
    if (when == NEVER || (when == UNLESS_DEAR && atomic_load_explicit(&small_left, memory_order_relaxed) > 0)) {
        atomic_fetch_sub_explicit(&small_left, (int64_t)size, memory_order_relaxed);
        madvise(memory, size, MADV_NOHUGEPAGE);
        return 1;
    }
    madvise(memory, size, MADV_HUGEPAGE);
    if (when == ALWAYS)
        return 0;
    before                   = own_ns();
    *(volatile char *)memory = 0;
    if (sbl_pages_took(own_ns() - before) && size > SBL_HUGE_PAGE)
        madvise((char *)memory + SBL_HUGE_PAGE, size - SBL_HUGE_PAGE, MADV_NOHUGEPAGE);
    return 0;
}

void sbl_pages_fetch(void *memory, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    madvise(memory, size, MADV_POPULATE_WRITE); /* a kernel that knows it not: each page comes when it is touched */
#else
    (void)memory, (void)size;
#endif
}
