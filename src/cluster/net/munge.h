/* MUNGE as the handshake's second factor: a credential by which this node's daemon vouches for the user of a process. */
#ifndef SBL_CLUSTER_NET_MUNGE_H
#define SBL_CLUSTER_NET_MUNGE_H

#include "cluster/net/hello.h"

/**
 * NULL if libmunge.so.2 is not there, or its daemon doesn't answer: then there is no second factor. The library is looked for
 * once a process; whether the daemon answers is asked each time (about a millisecond).
 */
const sbl_witness *sbl_munge_witness(void);

#endif
