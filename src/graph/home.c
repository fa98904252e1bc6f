#include "graph/home.h"

#include "base/home.h"
#include "graph/held.h"
#include "sched/topology.h"

/* Smaller ones come through the caches faster than another thread takes the task. Large buffers alone have homes, and this is
   the least that is one. */
#define MATTERS ((size_t)1 << 20)

/* By its data, not by what it counts: a view counts nothing. */
static int32_t home_of_data(const sbl_value *value, size_t *n_bytes)
{
    const void *data = sbl_value_data(value, n_bytes);

    return *n_bytes < MATTERS ? 0 : sbl_home_of(data) + 1;
}

int32_t sbl_value_home(const sbl_value *value)
{
    size_t n_bytes;

    return sbl_numa_nodes() < 2 ? 0 : home_of_data(value, &n_bytes);
}

/* A value in a record may leave memory at any moment: so the record remembers. */
static int32_t home_of_input(const sabal_future *input, size_t *n_bytes)
{
    if (input->failed || input->small)
        return 0;
    if (!input->is_held)
        return home_of_data(input->result.value, n_bytes);
    *n_bytes = input->result.held->n_bytes;
    return atomic_load_explicit(&input->result.held->home, memory_order_relaxed);
}

static int32_t largest_home(const sabal_future *f)
{
    size_t  most = 0;
    int32_t home = 0;

    for (int32_t i = 0; i < f->n_inputs; i++) {
        size_t  n_bytes = 0;
        int32_t one     = home_of_input(f->edges[i].input, &n_bytes);

        if (one && n_bytes > most) {
            most = n_bytes;
            home = one;
        }
    }
    return home;
}

int32_t sbl_task_home(sabal_future *f)
{
    int32_t home = 0;

    if (sbl_numa_nodes() < 2 || !f->n_inputs || !sbl_edges_lock(f))
        return 0;
    if (!f->chained) /* else its edges lead elsewhere by now */
        home = largest_home(f);
    sbl_edges_unlock(f);
    return home;
}
