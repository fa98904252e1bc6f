/*
 * Where values go when memory runs short: one file without a name, on a disk of this node. It knows bytes and places,
 * not values, nor which of them has to go.
 */
#ifndef SBL_GRAPH_SPILL_FILE_H
#define SBL_GRAPH_SPILL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>
#include <sabal/value.h>

typedef struct sbl_spill_file sbl_spill_file;

/**
 * Opens it in a folder; NULL: the one that the setting spill_folder names, else the first of $TMPDIR, /var/tmp and /tmp
 * that is on a disk. A network file system is taken with a warning in the log. The file never has a name that lasts:
 * nothing is left behind, whatever ends the process. Memory for one writer (2 MiB, which stand in no count) is got here, so
 * that a spill never fails for want of memory; up to three more writers get as much when they come.
 * Errors: SABAL_EINVAL (a folder that was named lies in memory, as on tmpfs), SABAL_ENOENT (there is no such folder, or
 *         none of the three is on a disk), SABAL_EACCES, SABAL_EIO, SABAL_ENOSPC, SABAL_ENOMEM
 */
sabal_status sbl_spill_open(sbl_spill_file **file, const char *folder, sabal_error *err);
/** Nobody writes or reads any more. NULL is allowed. */
void sbl_spill_close(sbl_spill_file *file);
/** The folder, for messages. */
const char *sbl_spill_where(const sbl_spill_file *file);

/** Where a value lies; small, kept by the caller, who may look at size and stored. */
typedef struct sbl_spilled {
    uint64_t size;     /* bytes of memory it needs again: see sbl_spill_next() */
    uint64_t stored;   /* bytes on the disk that are used                      */
    int64_t  at;       /* in the file; -1: it has none, as size is 0           */
    uint64_t checksum; /* of the bytes in memory                               */
    uint32_t packed;   /* 1: compressed                                        */
} sbl_spilled;

/** Where the piece behind one of `size` bytes at `at` begins: at the next multiple of 64. The first begins at 0. */
static inline uint64_t sbl_spill_next(uint64_t at, uint64_t size)
{
    return (at + size + 63) / 64 * 64;
}

/**
 * Writes n_pieces pieces behind each other (sbl_spill_next() tells where each begins). Any thread, several at once; it
 * returns when all is on its way past the page cache. Compressed if a sample says that this saves a good part.
 *
 * Fast are pieces of a mebibyte and more at an address that is a multiple of 4096, each written by itself: they go to
 * the disk from where they are. So keep a value's header (the first piece of an encoded value, some 50 bytes) in memory
 * and write its data alone; then `room` of the read is the data, aligned as any buffer.
 *
 * Errors: SABAL_ENOSPC (the disk is full, a quota or the limit of a file's size is reached: names folder, size, and
 *         what is free), SABAL_EIO. All space it had taken is free again.
 */
sabal_status sbl_spill_write(sbl_spill_file *file, const sabal_piece *pieces, int32_t n_pieces, sbl_spilled *spilled,
                             sabal_error *err);
/**
 * Reads it back into `room` of spilled->size bytes. Its space stays taken. Any thread, several at once.
 * Errors: SABAL_EIO (it can't be read, or it is not what was written: names folder and place)
 */
sabal_status sbl_spill_read(sbl_spill_file *file, const sbl_spilled *spilled, void *room, sabal_error *err);
/** Its space may be used again, and goes back to the disk but for a few MiB. Nobody reads it any more. */
void sbl_spill_free(sbl_spill_file *file, const sbl_spilled *spilled);

typedef struct sbl_spill_stats {
    int64_t bytes_held;                /* of memory, of what is spilled now      */
    int64_t bytes_on_disk;             /* what the file takes there now          */
    int64_t bytes_written, bytes_read; /* of memory, since the opening           */
    int64_t n_written, n_read;         /* values                                 */
    int64_t ns_writing, ns_reading;    /* added up over all threads              */
} sbl_spill_stats;
void sbl_spill_stats_get(sbl_spill_file *file, sbl_spill_stats *stats);

#endif
