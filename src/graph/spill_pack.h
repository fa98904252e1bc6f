/* Spilled data compressed: LZ4, block by block, each behind its length. */
#ifndef SBL_GRAPH_SPILL_PACK_H
#define SBL_GRAPH_SPILL_PACK_H

#include "graph/spill_disk.h"
#include "graph/spill_lane.h"
#include "graph/spill_stream.h"
#include "graph/spill_sum.h"

/** Whether to compress, from a sample, at a disk that takes disk_ns nanoseconds for a byte. `whole`: all that is to go. */
int sbl_spill_pack_pays(sbl_spill_stream whole, uint64_t size, double disk_ns, sbl_spill_lane *lane);
/** The most that `size` bytes can take compressed. */
uint64_t sbl_spill_pack_bound(uint64_t size);
/** Writes the rest of the stream at `at`; stored gets the bytes used there. Errors: SABAL_ENOSPC, SABAL_EIO. */
sabal_status sbl_spill_pack(sbl_spill_disk *disk, sbl_spill_stream *stream, int64_t at, uint64_t *stored,
                            XXH3_state_t *sum, sbl_spill_lane *lane, sabal_error *err);
/** Reads it into `room`. Errors: SABAL_EIO, also if it is not what was written. */
sabal_status sbl_spill_unpack(sbl_spill_disk *disk, const sbl_spilled *spilled, char *room, XXH3_state_t *sum,
                              sbl_spill_lane *lane, sabal_error *err);

#endif
