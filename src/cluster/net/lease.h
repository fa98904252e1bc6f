/*
 * Shared memory under lease. A holder's segment is used again for other values when nobody reads it any more, so each GIVE
 * of one holds it until the reader says RELEASED; a reader who goes without a word makes it never to be used again. The
 * reader's map of a segment stays when a value goes, warm, for the next value that comes in it, until the holder says
 * FORGET.
 */
#ifndef SBL_NET_LEASE_H
#define SBL_NET_LEASE_H

#include "cluster/net/pair.h"

/* --- the holder's side --- */

/** Takes over a reference to segment, for as long as the other side reads it. *fd: to be sent with it; -1: that side knows
    it. 0: no memory (then the reference is still the caller's). */
int sbl_lease_give(int *fd, sbl_pair *pair, sbl_segment *segment);
/** RELEASED came. */
void sbl_lease_ended(sbl_pair *pair, uint64_t id, int unknown);
/** Nobody needs this segment any more. From any thread; for sbl_segments_create(). */
void sbl_lease_forget(void *plane, sbl_segment *segment);

/* --- the reader's side --- */

typedef struct sbl_lease sbl_lease;
/** Maps it, or finds it mapped. Takes fd over (-1: none came), on failure too. */
sabal_status sbl_lease_take(sbl_lease **lease, sbl_pair *pair, uint64_t id, size_t size, int fd, sabal_error *err);
const char  *sbl_lease_base(const sbl_lease *lease);
/** From any thread; so that it can be a value's release. */
void sbl_lease_release(void *lease);
/** FORGET came. */
void sbl_lease_forgotten(sbl_pair *pair, uint64_t id);

/** The pair ends, both sides. */
void sbl_leases_end(sbl_pair *pair);

#endif
