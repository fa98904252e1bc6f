/* The addresses of this machine. */
#ifndef SBL_CLUSTER_NET_INTERFACES_H
#define SBL_CLUSTER_NET_INTERFACES_H

#include <stdint.h>

#include "cluster/net/address.h"

/**
 * Addresses of interfaces that are up: of those named, else of all but loopback (1: loopback too). Ports are 0; no link-local
 * ones of IPv6. Returns how many were written, up to SBL_MOST_ADDRESSES - 1: a socket's path
 * has its place beside them.
 * Errors: SABAL_ENOENT names the interface that is not there, or has no address, and those that are.
 */
sabal_status sbl_interfaces(sbl_address addresses[SBL_MOST_ADDRESSES], int32_t *n, const char *const *names,
                            int32_t n_names, int loopback, sabal_error *err);

#endif
