/* Signals that end a loop: SIGTERM, SIGINT, SIGHUP, which are the loop's for as long. */
#ifndef SBL_CLUSTER_OFFICE_SIGNALS_H
#define SBL_CLUSTER_OFFICE_SIGNALS_H

#include <signal.h>

#include "cluster/net/evloop.h"

typedef struct sbl_office_signals {
    sbl_evwatch watch;
    sbl_evloop *loop;
    int         fd;     /* -1: none */
    sigset_t    former; /* signals that were blocked */
} sbl_office_signals;

/** Before all else: what can be ended. */
void sbl_office_signals_init(sbl_office_signals *s);
/** Errors: those of the system. */
sabal_status sbl_office_signals_watch(sbl_office_signals *s, sbl_evloop *loop, sabal_error *err);
/** Those that came after the first have no more to say. */
void sbl_office_signals_unwatch(sbl_office_signals *s);
/** All that was blocked is so again. */
void sbl_office_signals_restore(const sbl_office_signals *s);

#endif
