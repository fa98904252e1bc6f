/* The scheduler's process: members come in through its listener, what they say goes through the core, and back. */
#ifndef SBL_CLUSTER_OFFICE_H
#define SBL_CLUSTER_OFFICE_H

#include <sabal/status.h>

typedef struct sbl_office_options {
    const char        *file;       /* the scheduler file that it writes, and removes at its end */
    const char *const *interfaces; /* NULL: all but loopback */
    int32_t            n_interfaces;
    int                tcp; /* 0: the Unix socket alone, for this node */
    uint16_t           port;
    int                encrypt;
    int64_t            idle_ns;      /* it ends after so long without a client; 0: never */
    int64_t            watchdog_ns;  /* it logs what waits for what when nothing has ended for so long; 0: never */
    const char        *record;       /* a file in which all is written that the core is told; NULL: none */
    int64_t            record_limit; /* bytes of that */
    int report; /* where to write, once members can come in: a descriptor that is closed then; -1: nowhere */
} sbl_office_options;

/** Runs until it is told to stop: by SIGTERM or SIGINT, by a member, after idle_ns. Errors: those of the scheduler file and of
    listening, SABAL_ENOMEM. */
sabal_status sbl_office_run(const sbl_office_options *options, sabal_error *err);

#endif
