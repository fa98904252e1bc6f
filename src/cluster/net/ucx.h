/* The carriers of UCX, behind the plugin that alone is linked with it. */
#ifndef SBL_NET_UCX_H
#define SBL_NET_UCX_H

#include "cluster/net/give.h"
#include "cluster/net/pair.h"

/** When a plane is made: what it may use of UCX is looked for. */
sabal_status sbl_ucx_prepare(sbl_plane *plane, sabal_error *err);
void         sbl_ucx_end(sbl_plane *plane);

/** The carriers of UCX that this pair could have, as far as this side knows. Loads the plugin if any is to be had. */
uint32_t sbl_ucx_can(sbl_pair *pair);
/** Its part of HELLO; the bytes it took. */
size_t sbl_ucx_hello(sbl_pair *pair, uint8_t *to, size_t room);
/** UCX was chosen; what the other side's HELLO had of it. */
void sbl_ucx_pair_begin(sbl_pair *pair, const uint8_t *hello, size_t size);
void sbl_ucx_ready_came(sbl_pair *pair);
/** Sends the data of what was taken. */
void sbl_ucx_give(sbl_request *give);
/** Nothing more comes of it; what is under way ends later. */
void sbl_ucx_pair_end(sbl_pair *pair);

#endif
