/* Reading and writing past the page cache: what is spilled must not come back as dirty pages of the same job. */
#ifndef SBL_GRAPH_SPILL_DISK_H
#define SBL_GRAPH_SPILL_DISK_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

enum { SBL_SPILL_BLOCK = 4096 };    /* places, sizes and addresses are multiples of it */
enum { SBL_SPILL_SLICE = 4 << 20 }; /* a good size for one call, a multiple of it */

typedef struct sbl_spill_disk {
    int         fd;
    _Atomic int direct; /* 1: O_DIRECT; 0: through the cache, and dropped from it behind */
    const char *folder;
} sbl_spill_disk;

/** `size` up to SBL_SPILL_SLICE. Errors: SABAL_ENOSPC, SABAL_EIO. */
sabal_status sbl_spill_disk_write(sbl_spill_disk *disk, const void *from, size_t size, int64_t at, sabal_error *err);
/** Errors: SABAL_EIO, also if the file ends before. */
sabal_status sbl_spill_disk_read(sbl_spill_disk *disk, void *to, size_t size, int64_t at, sabal_error *err);

/** Makes sure of room on the disk for a part of the file, which may lie past its end. Errors: SABAL_ENOSPC, SABAL_EIO. */
sabal_status sbl_spill_disk_reserve(sbl_spill_disk *disk, int64_t at, int64_t size, sabal_error *err);
/** Gives the room of a part back to the disk; where that is unknown it stays. */
void sbl_spill_disk_punch(sbl_spill_disk *disk, int64_t at, int64_t size);
/** The file ends there. */
void sbl_spill_disk_cut(sbl_spill_disk *disk, int64_t end);
/** Bytes that are free on the disk for this user; -1 if it doesn't tell. */
int64_t sbl_spill_disk_free(const sbl_spill_disk *disk);
/** Bytes that the file takes on the disk. */
int64_t sbl_spill_disk_used(const sbl_spill_disk *disk);

#endif
