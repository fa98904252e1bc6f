/* One lane is there from the start, so that nobody fails for want of one: at worst writers take turns. */
#include "graph/spill_lane.h"

#include <lz4.h>

#include "base/buffer.h"
#include "base/error.h"

/* A large buffer begins at a huge page, so the bounce is aligned for direct I/O. */
static sbl_spill_lane *add(sbl_spill_lanes *lanes)
{
    char           *memory = lanes->n < SBL_SPILL_LANES ? sbl_buffer_alloc(SBL_SPILL_LANE) : NULL;
    sbl_spill_lane *lane;

    if (!memory)
        return NULL;
    sbl_buffer_uncount(SBL_SPILL_LANE); /* it is not to be the reason why a value has to leave */
    lane          = lanes->lanes + lanes->n;
    lane->bounce  = memory;
    lane->scratch = lane->bounce + SBL_SPILL_BOUNCE;
    lane->state   = lane->scratch + SBL_SPILL_PACK;
    lanes->n++;
    return lane;
}

sabal_status sbl_spill_lanes_open(sbl_spill_lanes *lanes, sabal_error *err)
{
    *lanes      = (sbl_spill_lanes){0};
    lanes->idle = add(lanes);
    if (!lanes->idle)
        return sbl_error_memory(err, SBL_SPILL_LANE, "what a spill works in");
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->returned, NULL);
    return SABAL_OK;
}

void sbl_spill_lanes_close(sbl_spill_lanes *lanes)
{
    while (lanes->n) {
        sbl_buffer_count(SBL_SPILL_LANE);
        sbl_buffer_free(lanes->lanes[--lanes->n].bounce, SBL_SPILL_LANE);
    }
    pthread_cond_destroy(&lanes->returned);
    pthread_mutex_destroy(&lanes->lock);
}

sbl_spill_lane *sbl_spill_lane_take(sbl_spill_lanes *lanes)
{
    sbl_spill_lane *lane;

    pthread_mutex_lock(&lanes->lock);
    lane = lanes->idle ? NULL : add(lanes);
    while (!lane && !lanes->idle)
        pthread_cond_wait(&lanes->returned, &lanes->lock);
    if (!lane) {
        lane        = lanes->idle;
        lanes->idle = lane->next;
    }
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

void sbl_spill_lane_return(sbl_spill_lanes *lanes, sbl_spill_lane *lane)
{
    pthread_mutex_lock(&lanes->lock);
    lane->next  = lanes->idle;
    lanes->idle = lane;
    pthread_cond_signal(&lanes->returned);
    pthread_mutex_unlock(&lanes->lock);
}
