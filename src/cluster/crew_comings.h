/*
 * Large values come to a worker one at a time at least, and more as its memory limit leaves room for them. In the loop's thread.
 */
#ifndef SBL_CLUSTER_CREW_COMINGS_H
#define SBL_CLUSTER_CREW_COMINGS_H

#include <stdint.h>

typedef struct sbl_coming {
    void (*begin)(struct sbl_coming *coming); /* it may come now */
    uint64_t           size;
    int                waits, comes; /* one of both at the most */
    struct sbl_coming *next;         /* of those that wait, first in, first out */
} sbl_coming;

/** `begin` and `size` are set, the rest is 0: it begins at once, or later. */
void sbl_coming_ask(sbl_coming *coming);
/** It has come, or does not. One that was never asked for is allowed. */
void sbl_coming_end(sbl_coming *coming);

#endif
