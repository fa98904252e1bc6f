/*
 * Where others come in. Whoever connects may cost a bounded amount of memory and time until it has proved itself: so many at
 * once in all, so many a second from one address, so long, so many bytes; and not a line in the log, but counters. When more
 * come, or descriptors run out, accepting pauses; what listens is never closed.
 */
#ifndef SBL_CLUSTER_NET_LISTEN_H
#define SBL_CLUSTER_NET_LISTEN_H

#include <stdint.h>

#include <sabal/status.h>

#include "cluster/net/address.h"
#include "cluster/net/link.h"

typedef struct sbl_listener sbl_listener;

typedef struct sbl_listen_options {
    int                tcp;        /* 1: listen on interfaces                                                    */
    const char *const *interfaces; /* by name; NULL: all that are up, but loopback                               */
    int32_t            n_interfaces;
    int                loopback; /* 1: loopback too                                                            */
    uint16_t           port;     /* 0: whichever is free, of each interface its own                            */
    const char        *path;     /* of a Unix socket, in a folder of this process's own; NULL: none            */
    sbl_link_options   link;     /* of each that comes in; its calls and arg are in force from admission on     */
    void (*admitted)(void *arg, sbl_link *link); /* it has passed; here sbl_link_hand_over() may be called        */
    void   *arg;
    int32_t most_pending; /* 0: 256 */
    int32_t burst, rate;  /* from one address that prove nothing: at once, and a second; 0: 256 and 64 */
} sbl_listen_options;

/** What came, since it began. */
typedef struct sbl_listen_counts {
    int64_t accepted, admitted;
    int64_t refused;    /* they knew the key, and don't fit                */
    int64_t strangers;  /* they did not, or broke off                      */
    int64_t late;       /* the handshake took too long                     */
    int64_t limited;    /* too many from one address: closed unheard       */
    int64_t other_user; /* of the Unix socket                              */
    int64_t unserved;   /* no descriptor, or no memory, was left for them  */
    int64_t pauses;
    int32_t pending, most_pending; /* now, and the most at any time */
} sbl_listen_counts;

/** Errors: SABAL_ENOENT (no such interface, or none at all), those of the system (the port is taken, ...), SABAL_ENOMEM. */
sabal_status sbl_listener_open(sbl_listener **listener, sbl_evloop *loop, const sbl_listen_options *options,
                               sabal_error *err);
/** In the loop's thread. Those that are admitted stay; those in their handshake end. NULL allowed. */
void sbl_listener_close(sbl_listener *listener);
/** Where it can be reached: up to n addresses. Returns how many there are. */
int32_t           sbl_listener_addresses(const sbl_listener *listener, sbl_address *addresses, int32_t n);
sbl_listen_counts sbl_listener_counts(const sbl_listener *listener);

#endif
