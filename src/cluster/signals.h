/* A loop's process is asked to end: SIGTERM, SIGINT, SIGHUP, read by the loop and not by a handler. */
#ifndef SBL_CLUSTER_SIGNALS_H
#define SBL_CLUSTER_SIGNALS_H

#include <signal.h>

#include "cluster/net/evloop.h"

typedef struct sbl_signals {
    sbl_evwatch watch; /* first */
    sbl_evloop *loop;
    sigset_t    former; /* what this thread had blocked */
    int         fd;     /* -1: they are not watched */
    void (*asked)(void *arg);
    void *arg;
} sbl_signals;

/** From now on `asked` is called for each. hangups 0: SIGHUP is left alone. fd has to be -1. Errors: SABAL_EIO, SABAL_ENOMEM. */
sabal_status sbl_signals_watch(sbl_signals *s, sbl_evloop *loop, int hangups, void (*asked)(void *arg), void *arg,
                               sabal_error *err);
/** They do again what they did. What came after the first says nothing more. */
void sbl_signals_end(sbl_signals *s);

#endif
