/* The watermark of a thread's stack: below it a waiting thread runs nothing more on top of its wait. */
#include <pthread.h>

#include "sched/worker.h"

static uintptr_t find_watermark(void)
{
    pthread_attr_t attributes;
    void          *low  = NULL;
    size_t         size = 0;
    uintptr_t      mark = 1;

    if (pthread_getattr_np(pthread_self(), &attributes))
        return mark;
    if (!pthread_attr_getstack(&attributes, &low, &size))
        mark = (uintptr_t)low + size / 2;
    pthread_attr_destroy(&attributes);
    return mark;
}

int sbl_stack_is_low(void)
{
    if (!sbl_me.stack_low)
        sbl_me.stack_low = find_watermark();
    return (uintptr_t)__builtin_frame_address(0) < sbl_me.stack_low;
}
