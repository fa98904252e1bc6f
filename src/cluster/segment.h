/*
 * Memory that processes of one node share: a value's bytes in a memfd, mapped for reading by whoever needs them, so that
 * nothing is copied from process to process. Each process has one table of those it knows, by number and by address: a
 * value that lies in one is sent as a number and an offset.
 */
#ifndef SBL_CLUSTER_SEGMENT_H
#define SBL_CLUSTER_SEGMENT_H

#include <sabal/status.h>

typedef struct sbl_segments sbl_segments;

typedef struct sbl_segment {
    uint64_t            id;
    int                 fd;
    char               *base; /* read-only */
    size_t              size;
    size_t              used; /* of these, what was asked for */
    char               *room; /* the same for writing, where segments are used again; else NULL */
    int                 is_fresh, is_spoiled;
    struct sbl_segment *next; /* among those that wait to be used again */
    int64_t             refs; /* under the table's lock */
    int                 told; /* in a worker: the hub knows it, and says when it may go: one of refs is for that */
    sbl_segments       *table;
    uint64_t           *holders; /* a bit for each worker that knows it; only with the hub's table */
} sbl_segment;

/** ended(arg, segment), if given, is called when nobody needs a segment any more, before it goes. n_holders: bits for each.
    NULL: no memory. */
sbl_segments *sbl_segments_create(int32_t n_holders, void (*ended)(void *arg, sbl_segment *segment), void *arg);
/** Segments that are still referred to stay until their values end, and are told to nobody. */
void sbl_segments_destroy(sbl_segments *table);

/** From now on segments that this process made are used again, under their number: up to so many bytes of those that nobody
    needs are kept, mapped. Only for who knows of every reader when it ends. */
void sbl_segments_keep(sbl_segments *table, size_t bytes);
/** Somebody may read it for ever: it is not to be used again. */
void sbl_segment_spoil(sbl_segment *segment);

/** A new one of this size (or, where they are used again, of somewhat more), with one reference; *room is to be filled, or (room NULL) all of it written, then
    sbl_segment_seal() is called. */
sabal_status sbl_segment_create(sbl_segment **segment, void **room, sbl_segments *table, uint64_t id, size_t size,
                                sabal_error *err);
/** Copies bytes there: at half the price of storing them through a fresh map, whose pages are zeroed first and come with a
    fault each. */
sabal_status sbl_segment_write(sbl_segment *segment, size_t offset, const void *data, size_t size, sabal_error *err);
void         sbl_segment_seal(sbl_segment *segment, void *room);
/** One that another process has made, with one reference. Takes fd over, on failure too. If the number is known, that; 0 is
    the number of none. */
sabal_status sbl_segment_map(sbl_segment **segment, sbl_segments *table, uint64_t id, size_t size, int fd,
                             sabal_error *err);
/** Its descriptor is needed no more: it was handed on to the only one who does that. */
void sbl_segment_close_fd(sbl_segment *segment);
/** By number, or by an address range that lies in it whole; with one reference more. NULL: none. */
sbl_segment *sbl_segment_by_id(sbl_segments *table, uint64_t id);
sbl_segment *sbl_segment_at(sbl_segments *table, const void *data, size_t size);
/** Ends a reference. A function of void *, so that it can be a value's release. */
void sbl_segment_release(void *segment);
/** Notes that a holder knows it; returns whether it did before. For the hub. */
int sbl_segment_hold(sbl_segment *segment, int32_t holder);
int sbl_segment_is_held(const sbl_segment *segment, int32_t holder);
/** A holder is gone. */
void sbl_segments_forget(sbl_segments *table, int32_t holder);

#endif
