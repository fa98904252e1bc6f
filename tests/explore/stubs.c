/* What stands below src/sched, as far as it is called: memory without end that is never given back, no log, no topology. */
#include <sabal/status.h>

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/error.h"
#include "base/log.h"
#include "explore/explore.h"
#include "sched/cores.h"
#include "sched/topology.h"
#include "sched/worker.h"

void *sbl_alloc(size_t size)
{
    return explore_alloc(16, size);
}

void *sbl_calloc(size_t n, size_t size)
{
    return explore_alloc(16, n * size);
}

void *sbl_alloc_aligned(size_t align, size_t size)
{
    return explore_alloc(align, size);
}

void sbl_free(void *memory)
{
}

int explore_no_memory;

int sbl_alloc_must_fail(void)
{
    return explore_no_memory;
}

void sbl_log(sabal_log_level level, const char *format, ...)
{
    explore_fail("the log says: %s", format);
}

sabal_status sbl_error_set(sabal_error *err, sabal_status status, const char *format, ...)
{
    return status;
}

sabal_status sbl_error_memory(sabal_error *err, size_t n_bytes, const char *what)
{
    return SABAL_ENOMEM;
}

sabal_status sbl_config_int(int64_t *value, const char *name, int64_t min, int64_t max, sabal_error *err)
{
    return SABAL_OK;
}

int32_t sbl_usable_cores(void)
{
    return 2;
}

void sbl_topology_load(void)
{
}

/* Each thread of the pool is on a node of its own if there are several; all others are on the first. */
int32_t explore_nodes;

int32_t sbl_numa_nodes(void)
{
    return explore_nodes;
}

int32_t sbl_domains(void)
{
    return explore_nodes;
}

int32_t sbl_levels(void)
{
    return explore_nodes > 1 ? 2 : 1;
}

int32_t sbl_domain_here(void)
{
    return sbl_me.worker ? sbl_me.worker->index % explore_nodes : 0;
}

int32_t sbl_node_here(void)
{
    return sbl_domain_here();
}

int32_t sbl_node_of_domain(int32_t domain)
{
    return domain;
}

int32_t sbl_level_between(int32_t from, int32_t to)
{
    return from != to;
}

int32_t sbl_level_of_node(int32_t from, int32_t node)
{
    return from != node;
}

int32_t sbl_bring_pages_here(void *memory, int32_t n_pages)
{
    return 0;
}

_Atomic int32_t sbl_openmp_found;

void sbl_openmp_find(void)
{
}

void sbl_openmp_limit(int32_t share)
{
}

int32_t sbl_openmp_share(int32_t threads)
{
    return 1;
}

int sbl_stack_is_low(void)
{
    return 0;
}

size_t sbl_stack_room(int32_t threads)
{
    return 0;
}

size_t sbl_stack_bytes(int32_t threads)
{
    return 1 << 20;
}

void sbl_stack_trim(void)
{
}

void sbl_steer_away(sbl_slot *slot)
{
}

void sbl_steer_back(sbl_slot *self)
{
}

void sbl_steer_early(sbl_slot *self)
{
}

void sbl_steer_end(sbl_slot *slot)
{
}

/* No sums here: their jobs are told from others by this address. */
void sbl_sum_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    explore_fail("a part of a sum that nobody made");
}

_Atomic uint32_t sbl_chaos_level;

void sbl_chaos_now(void)
{
}
