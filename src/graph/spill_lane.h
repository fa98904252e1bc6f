/* Memory that a writer or reader works in, as there may be none to be had when it is needed most. */
#ifndef SBL_GRAPH_SPILL_LANE_H
#define SBL_GRAPH_SPILL_LANE_H

#include <pthread.h>
#include <stdint.h>

#include <sabal/status.h>

enum {
    SBL_SPILL_LANES  = 4,
    SBL_SPILL_PACK   = 256 << 10,  /* bytes that are compressed as one                            */
    SBL_SPILL_BOUNCE = 1536 << 10, /* a multiple of SBL_SPILL_BLOCK                               */
    SBL_SPILL_LANE   = 2 << 20     /* all of a lane: a huge page                                  */
};

typedef struct sbl_spill_lane {
    char                  *bounce;  /* SBL_SPILL_BOUNCE bytes, aligned to SBL_SPILL_BLOCK          */
    char                  *scratch; /* SBL_SPILL_PACK bytes                                        */
    void                  *state;   /* of the compressor                                           */
    struct sbl_spill_lane *next;
} sbl_spill_lane;

typedef struct sbl_spill_lanes {
    pthread_mutex_t lock;
    pthread_cond_t  returned;
    sbl_spill_lane *idle, lanes[SBL_SPILL_LANES];
    int32_t         n;
} sbl_spill_lanes;

/** Makes the first. Error: SABAL_ENOMEM. A failed one needs no closing. */
sabal_status sbl_spill_lanes_open(sbl_spill_lanes *lanes, sabal_error *err);
void         sbl_spill_lanes_close(sbl_spill_lanes *lanes);
/** An idle one, a new one, or, if all are in use and no memory or no more are allowed, the next that is returned. */
sbl_spill_lane *sbl_spill_lane_take(sbl_spill_lanes *lanes);
void            sbl_spill_lane_return(sbl_spill_lanes *lanes, sbl_spill_lane *lane);

#endif
