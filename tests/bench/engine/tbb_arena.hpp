/* An arena of as many threads as the run asks for; inside() runs a function in it and gives its result. */
#ifndef ENGINE_TBB_ARENA_HPP
#define ENGINE_TBB_ARENA_HPP

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "harness.h"

static tbb::global_control *control;
static tbb::task_arena     *arena;

template <class F> static uint64_t inside(F &&f)
{
    uint64_t result = 0;

    arena->execute([&] { result = (uint64_t)f(); });
    return result;
}

static void open_arena(int threads)
{
    control = new tbb::global_control(tbb::global_control::max_allowed_parallelism, (size_t)threads);
    arena   = new tbb::task_arena(threads);
    arena->initialize();
}

#endif
