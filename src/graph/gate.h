/* A gate: the first of several futures that ends opens it. Who waits at it may meanwhile hear the news of their client himself. */
#ifndef SBL_GRAPH_GATE_H
#define SBL_GRAPH_GATE_H

#include "graph/watch.h"

typedef struct sbl_gate {
    sbl_event     opened;
    sabal_client *attended; /* NULL: of none */
} sbl_gate;
typedef struct sbl_gate_watch {
    sbl_gate *gate;
    sbl_watch watch;
} sbl_gate_watch;

/** For the calling thread, which is about to wait at it for these. */
void sbl_gate_init(sbl_gate *gate, sabal_future *const *futures, int64_t n);
/** 0: the future has ended already (then nothing is done). To be removed by sbl_watch_remove() of its watch. */
int sbl_gate_watch_add(sbl_gate_watch *watch, sbl_gate *gate, sabal_future *future);
/** Hears the client's news until the gate is open, or deadline_ns, if that can be done now. */
void sbl_gate_attend(sbl_gate *gate, int64_t deadline_ns);

#endif
