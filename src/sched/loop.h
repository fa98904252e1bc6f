/* Loops from inside: what the lazy form, the static form and tiles share. */
#ifndef SBL_SCHED_LOOP_H
#define SBL_SCHED_LOOP_H

#include "sched/job_pool.h"
#include "sched/range.h"

typedef struct sbl_loop {
    sabal_for_fn *fn;
    void         *context;
    int64_t       begin, end, grain;
    sbl_first     failed;                /* by the begin of pieces */
} __attribute__((aligned(64))) sbl_loop; /* thieves read it: nothing that its owner writes shares its lines */

/** Calls fn for the pieces of a range one by one, unless something before one has failed. */
static inline void sbl_loop_run_pieces(sbl_loop *l, int64_t begin, int64_t end)
{
    while (begin < end && begin <= sbl_first_at(&l->failed)) {
        int64_t      stop   = sbl_distance(begin, end) > (uint64_t)l->grain ? begin + l->grain : end;
        sabal_status status = l->fn(begin, stop, l->context);

        if (__builtin_expect(status != SABAL_OK, 0))
            sbl_first_note(&l->failed, begin, status);
        begin = stop;
    }
}

/** How many pieces a loop has if nobody says how large they are. */
int64_t sbl_loop_pieces(const sbl_pool *pool);
/** Runs a loop that is filled in, but for `failed`; grain 0: chosen here. begin < end. */
sabal_status sbl_loop_run(sbl_loop *loop, sbl_pool *pool, enum sabal_schedule schedule);
/** The static form: static.c. grain 0: a block is one piece. */
void sbl_loop_run_static(sbl_loop *loop, sbl_pool *pool);

#endif
