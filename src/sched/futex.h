/* Sleeping on a 32-bit word, the pause of a spin, and the full fence of the store-then-look pattern. */
#ifndef SBL_SCHED_FUTEX_H
#define SBL_SCHED_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

/** Sleeps while *word is value, at the longest until deadline_ns of sbl_clock_ns() (negative: for ever). */
static inline void sbl_futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000)};

    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline_ns < 0 ? NULL : &until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

static inline void sbl_futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static inline void sbl_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/** After the i-th look, where what is waited for may come at any moment: a pause takes as long as eight looks or more. */
static inline void sbl_pause_at(int i)
{
    if (i % 8 == 7)
        sbl_pause();
}

/** Whether a spin of so many nanoseconds is over. *ends is 0 before the first look at the clock, from which it counts. */
static inline int sbl_spin_is_over(int64_t *ends, int64_t ns)
{
    int64_t now = sbl_clock_ns();

    if (!*ends)
        *ends = now + ns;
    return now >= *ends;
}

/*
 * Fetches a line for writing: others lose it. For a processor that any of its kind may be, compilers make a fetch for reading of
 * __builtin_prefetch(line, 1), and the write then takes a second trip. (Where there is no such instruction its code does
 * nothing.)
 */
static inline void sbl_prefetch_write(const volatile void *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const volatile char *)line));
#else
    __builtin_prefetch((const void *)line, 1);
#endif
}

#if defined(SBL_EXPLORE) /* built for the sanitizer, but run by tests/explore, which knows fences */
#elif defined(__SANITIZE_THREAD__)
#define SBL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SBL_TSAN 1
#endif
#endif

/*
 * A store, this fence, a load: of two threads that do so crosswise at least one sees the other's store. No
 * data is published by it (that is release and acquire alone), so the thread sanitizer, which knows no
 * fences, loses nothing.
 */
static inline void sbl_fence(void)
{
#ifdef SBL_TSAN
    static _Atomic int word;

    atomic_fetch_add_explicit(&word, 0, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
