/* Which parts of the spill file are free: taken and given back by ranges of whole blocks. */
#ifndef SBL_GRAPH_SPILL_SPACE_H
#define SBL_GRAPH_SPILL_SPACE_H

#include <pthread.h>
#include <stdint.h>

#include <sabal/status.h>

#include "graph/spill_disk.h"

enum { SBL_SPILL_KEEP = 64 << 20 }; /* bytes of free space that may stay on the disk, and the step the file grows by */

struct sbl_spill_range; /* a free one */
typedef struct sbl_spill_space {
    sbl_spill_disk         *disk;
    pthread_mutex_t         lock;
    struct sbl_spill_range *free; /* by place, no two touch                         */
    int64_t                 n_free, room;
    int64_t                 n_taken;
    int64_t                 end;    /* of the file                                  */
    int64_t                 backed; /* bytes of free ranges that the disk still has */
} sbl_spill_space;

/** Error: SABAL_ENOMEM. A failed one needs no closing. */
sabal_status sbl_spill_space_open(sbl_spill_space *space, sbl_spill_disk *disk, sabal_error *err);
void         sbl_spill_space_close(sbl_spill_space *space);
/** `size` bytes, a multiple of SBL_SPILL_BLOCK, not 0, with room on the disk. Errors: SABAL_ENOSPC, EIO, ENOMEM. */
sabal_status sbl_spill_space_take(sbl_spill_space *space, int64_t *at, int64_t size, sabal_error *err);
/** Gives back the end of a range that was taken: `size` becomes `kept` bytes, not 0. */
void sbl_spill_space_shorten(sbl_spill_space *space, int64_t at, int64_t size, int64_t kept);
void sbl_spill_space_give(sbl_spill_space *space, int64_t at, int64_t size);

#endif
