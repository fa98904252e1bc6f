/*
 * A log of events: all that a scheduler's core is told, in a file, with a sum of all that it says to it. The core has no clock and no
 * chance, so who tells another one the same gets the same (tests/core/replay.c).
 *
 * The file is a head, then blocks: a sum, then some events in order. What is not whole, or has another sum, is not read. Its last
 * event says that it is the last, and why.
 */
#ifndef SBL_CLUSTER_RECORD_H
#define SBL_CLUSTER_RECORD_H

#include "cluster/core/scheduler.h"

#define SBL_RECORD_MAGIC "sabalrec"
enum { SBL_RECORD_FORMAT = 2, SBL_RECORD_VERSION = 24, SBL_RECORD_MOST_BLOCK = 320 << 20 };

/** The head, as it lies in the file. */
typedef struct sbl_record_head {
    char     magic[8];
    uint32_t format, size; /* size: of this */
    char     version[SBL_RECORD_VERSION];
    int64_t  suspect_ns, dead_ns; /* the scheduler's options */
    int32_t  allowed_kills, allowed_losses;
    uint64_t sum; /* of all before it */
} sbl_record_head;
_Static_assert(sizeof(sbl_record_head) == 72, "it lies in files as it is");

/** Before each block. */
typedef struct sbl_record_block {
    uint32_t size, number; /* number: from 0 on */
    uint64_t sum;          /* of the bytes that follow, seeded with the number */
} sbl_record_block;

/* Events: a word that says which, then words (core/words.h). */
enum {
    SBL_RECORD_CLIENT = 1, /* now u64, number u32 that it got                                                   */
    SBL_RECORD_WORKER = 2, /* now u64, threads u32, number u32, name text, host text, resources text            */
    SBL_RECORD_LOST   = 3, /* now u64, peer u32, planned u32, is_known u32, n u32, n of sbl_ran, node text, what text */
    SBL_RECORD_HEAR   = 4, /* now u64, peer u32, size u32, bytes                                                */
    SBL_RECORD_TICK   = 5, /* now u64                                                                           */
    SBL_RECORD_SEND   = 6, /* letters u64 that were sent so far, sum u64 of all that it has said since it began */
    SBL_RECORD_SUSPECT = 7, /* now u64, peer u32                                                                 */
    SBL_RECORD_END     = 8  /* why u32                                                                           */
};
enum { SBL_RECORD_CLOSED = 0, SBL_RECORD_FULL = 1 };

typedef struct sbl_record sbl_record;

/** Makes the file anew, readable for its owner alone. limit: bytes, after which nothing more is written. Errors: those of the system,
    SABAL_ENOMEM. */
sabal_status sbl_record_create(sbl_record **record, const char *path, int64_t limit, sabal_error *err);
/** Writes what waits, and the end. NULL allowed. */
void sbl_record_close(sbl_record *record);

/** A scheduler of which all is recorded, if everything that it is told goes through the calls below. record NULL, here and there: as
    sbl_scheduler_create() and the others. */
sbl_scheduler *sbl_record_scheduler(sbl_record *record, const sbl_scheduler_calls *calls);

uint32_t sbl_record_client_came(sbl_record *record, sbl_scheduler *s, int64_t now_ns);
/** A worker came, and tells what it is. */
uint32_t sbl_record_worker_came(sbl_record *record, sbl_scheduler *s, int32_t threads, const sbl_worker_words *words,
                                int64_t now_ns);
void     sbl_record_lost(sbl_record *record, sbl_scheduler *s, uint32_t peer, const sbl_loss *loss, int64_t now_ns);
void     sbl_record_suspect(sbl_record *record, sbl_scheduler *s, uint32_t peer, int64_t now_ns);
void     sbl_record_hear(sbl_record *record, sbl_scheduler *s, uint32_t peer, const void *bytes, size_t size,
                         int64_t now_ns);
void     sbl_record_tick(sbl_record *record, sbl_scheduler *s, int64_t now_ns);
void     sbl_record_send(sbl_record *record, sbl_scheduler *s);

/* What it says, summed up: of who records and of who replays. */
typedef struct sbl_said {
    sbl_scheduler_calls calls; /* to which it goes on; NULL functions: nowhere */
    void               *sum;   /* XXH3_state_t */
    uint64_t            letters;
} sbl_said;
/** 0: no memory. */
int      sbl_said_begin(sbl_said *said, const sbl_scheduler_calls *calls);
void     sbl_said_end(sbl_said *said);
uint64_t sbl_said_sum(const sbl_said *said);
/** Calls for a scheduler, whose arg is said. */
sbl_scheduler_calls sbl_said_calls(sbl_said *said);

#endif
