/* Memory for data: counted to the byte, aligned, large ones on huge pages and used again. */
#ifndef SBL_BASE_BUFFER_H
#define SBL_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

/** SABAL_EINVAL: the setting of this file can't be read. */
sabal_status sbl_buffer_check(sabal_error *err);

/** size bytes aligned to 64, not zeroed; NULL if there is no memory. Size 0 gives a pointer that may be freed. */
void *sbl_buffer_alloc(size_t size);
/** Returns it; size as asked for. NULL is allowed. */
void sbl_buffer_free(void *memory, size_t size);

/** There are n_nodes NUMA nodes, and node_here() tells the caller's: from now on a large buffer lies on the node of who gets it,
    and one that comes back goes to threads of its own node (see home.h). */
void sbl_buffer_nodes(int32_t n_nodes, int32_t (*node_here)(void));

/** Bytes handed out and not returned. */
size_t sbl_buffer_in_use(void);
/** Gives cached buffers back to the system, so that these and what is in use are at most bytes, if that can be had so. */
void sbl_buffer_bound(size_t bytes);
/** Gives cached buffers, and what the allocator keeps of freed memory, back to the system. Costs up to milliseconds. */
void sbl_buffer_purge(void);

/** Counts size bytes of data that lie elsewhere (inside a small record) as one buffer handed out, and back. */
void sbl_buffer_count(size_t size);
void sbl_buffer_uncount(size_t size);

#endif
