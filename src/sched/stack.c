/*
 * The stacks of the pool's threads, and the watermark below which a waiting thread runs nothing more on top of its wait. It
 * lies at half of the stack, as what is begun above it needs room too; and the waits on all stacks together take a part of the
 * memory that there is, as waits nested without end shall end with an error and not with the process.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "sched/futex.h"
#include "sched/worker.h"

/* Large, as a wait inside a task may run what it waits for on the same stack; touched as used. The sanitizers
   touch a part of it for each thread that starts. */
#if defined(__SANITIZE_ADDRESS__) || defined(SBL_TSAN)
#define STACK_BYTES ((size_t)16 << 20)
#else
#define STACK_BYTES ((size_t)64 << 20)
#endif
#define LEAST_BYTES ((size_t)1 << 20)
#define LEAST_ROOM  ((size_t)64 << 10) /* whatever memory there is */
#define PART        4 /* of the memory that this process may use, for waits; of its address space, for stacks */
#define DEEP        ((size_t)1 << 20) /* used by waits: more than what is worth keeping */

/* All the threads there may be shall leave address space for the rest of the process. */
size_t sbl_stack_bytes(int32_t threads)
{
    struct rlimit limit;
    size_t        bytes = STACK_BYTES;

    if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur / PART / (size_t)threads < bytes)
        bytes = limit.rlim_cur / PART / (size_t)threads & ~(LEAST_BYTES - 1);
    return bytes < LEAST_BYTES ? LEAST_BYTES : bytes;
}

size_t sbl_stack_room(int32_t threads)
{
    size_t room = (size_t)sbl_limits_memory(NULL, 0) / PART / (size_t)threads;

    return room < LEAST_ROOM ? LEAST_ROOM : room;
}

static void find_watermark(void)
{
    pthread_attr_t attributes;
    void          *end  = NULL;
    size_t         size = 0, room = SIZE_MAX;

    sbl_me.stack_low = 1;
    if (pthread_getattr_np(pthread_self(), &attributes))
        return;
    if (sbl_me.worker)
        room = sbl_me.worker->pool->room;
    if (!pthread_attr_getstack(&attributes, &end, &size)) {
        sbl_me.stack_end  = (uintptr_t)end;
        sbl_me.stack_low  = (uintptr_t)end + (room < size / 2 ? size - room : size / 2);
        sbl_me.stack_deep = size > DEEP ? (uintptr_t)end + size - DEEP : 0;
    }
    pthread_attr_destroy(&attributes);
}

int sbl_stack_has_room(size_t bytes)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (!sbl_me.stack_low)
        find_watermark();
    if (here < sbl_me.stack_deep)
        sbl_me.was_deep = 1;
    return here >= sbl_me.stack_low + bytes;
}

int sbl_stack_is_low(void)
{
    return !sbl_stack_has_room(0);
}

/* Not the part that is in use, nor what the next task will touch again. */
void sbl_stack_trim(void)
{
    if (!sbl_me.was_deep)
        return;
    sbl_me.was_deep = 0;
    madvise((void *)sbl_me.stack_end, (sbl_me.stack_deep - sbl_me.stack_end) & ~(uintptr_t)4095, MADV_DONTNEED);
}
