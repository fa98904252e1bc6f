/* moves.c: declared values of which copies are lacking, and those on their way. Private to spread.c. */
#ifndef SBL_CORE_MOVES_H
#define SBL_CORE_MOVES_H

#include "cluster/core/place.h"

static inline sbl_sspread *sbl_spread_at(const sbl_scheduler *s, uint32_t number)
{
    return sbl_table_at(&s->spreads, number);
}

static inline sbl_smove *sbl_move_at(const sbl_scheduler *s, uint32_t number)
{
    return sbl_table_at(&s->moves, number);
}

/** Returns who gave. */
uint32_t sbl_move_end(sbl_scheduler *s, uint32_t number);
/** On its way to that worker; 0: none. */
uint32_t sbl_move_to(const sbl_scheduler *s, uint32_t spread, uint32_t worker);

/** Its value is there, with workers or a client. */
int sbl_is_to_be_had(const sbl_stask *t);
/** Copies with workers that don't leave. */
uint32_t sbl_spread_that_stay(const sbl_scheduler *s, const sbl_sspread *sp);
int      sbl_spread_lacks(const sbl_scheduler *s, const sbl_sspread *sp);
/** Takes it into the list of those that lack some, or out of it. Returns 1 if it lacks some. */
int  sbl_spread_note(sbl_scheduler *s, uint32_t number);
void sbl_spread_unlist(sbl_scheduler *s, sbl_sspread *sp);
/** The others have their turn before. */
void sbl_spread_be_last(sbl_scheduler *s, uint32_t number);

/** Something, if it is not large. */
int sbl_may_take_copies(const sbl_peer *w);
int sbl_may_give_copy(const sbl_scheduler *s, uint32_t task, uint32_t slot);
/** All that it can give of that value now. Returns 0 if nobody can take it. */
int sbl_spread_give(sbl_scheduler *s, uint32_t spread, uint32_t from);
/** By all that have it; returns how many were asked. */
uint32_t sbl_spread_give_by_all(sbl_scheduler *s, uint32_t spread);
/** It has room to give again: some of those of which there are too few, in turn. */
void sbl_spread_give_others(sbl_scheduler *s, uint32_t from);

/** NULL: all is as it is counted. */
const char *sbl_moves_check(const sbl_scheduler *s);

#endif
