/*
 * What is attached to a future on demand and told of its end: a place in an iterator or a wait for any, a file
 * descriptor; and its key once somebody asked for it. Guarded by the client's watch_lock.
 */
#ifndef SBL_GRAPH_WATCH_H
#define SBL_GRAPH_WATCH_H

#include "graph/client.h"

typedef struct sbl_watch {
    struct sbl_watch *next, **link; /* in the future's list; link NULL: in none */
    sabal_future     *future;
    /* Called once, when the future ends, with the lock held and the watch off the list (unless it stays). */
    void (*fire)(struct sbl_watch *watch);
    int  stays; /* with the future, which frees it: a descriptor or a key */
    int  fd;    /* a descriptor; -1 if it has none */
    char key[]; /* a key */
} sbl_watch;

/** Attaches; 0 if the future has ended already (then nothing is done). */
int sbl_watch_add(sbl_watch *watch, sabal_future *future);
/** Detaches, if it is attached. Afterwards fire() has run or never will. */
void sbl_watch_remove(sbl_watch *watch);
/** Tells all watches of a future that has ended. */
void sbl_watch_fire(sabal_future *future);
/** Frees those that stay with the future. */
void sbl_watch_clear(sabal_future *future);

#endif
