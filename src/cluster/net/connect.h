/*
 * Connects to one of several addresses of a process: the first that passes the handshake. They are tried in parallel, each a
 * moment after the one before; a Unix socket comes first, and only on its own node.
 */
#ifndef SBL_CLUSTER_NET_CONNECT_H
#define SBL_CLUSTER_NET_CONNECT_H

#include <stdint.h>

#include <sabal/status.h>

#include "cluster/net/address.h"
#include "cluster/net/link.h"
#include "cluster/net/machine.h"

typedef struct sbl_connector sbl_connector;

typedef struct sbl_connect_options {
    const sbl_address *addresses; /* copied                                                             */
    int32_t            n_addresses;
    const sbl_machine *node; /* where the process is, copied; NULL: not known, no Unix sockets then */
    const char        *whom; /* for messages, outlives the connector: "the scheduler"              */
    int64_t            deadline_ns;
    int64_t            apart_ns; /* between tries; 0: 250 ms                                           */
    int                again;    /* 1: when all have failed they are tried again, until the deadline    */
    sbl_link_options   link;     /* its calls and arg are in force from the moment it has passed        */
    /** Once: the link has passed; or NULL, and why: SABAL_EPEER, SABAL_ETIMEDOUT, or SABAL_EACCES if any address refused,
        with a message that lists what was tried and what each said. */
    void (*done)(void *arg, sbl_link *link, const sabal_error *why);
    void *arg;
} sbl_connect_options;

/** Begins. The connector is gone after done() was called. Errors: SABAL_EINVAL (there is no address), SABAL_ENOMEM. */
sabal_status sbl_connect(sbl_connector **connector, sbl_evloop *loop, const sbl_connect_options *options,
                         sabal_error *err);
/** Ends it without a call. Not after done(). */
void sbl_connect_cancel(sbl_connector *connector);

#endif
