/* Which carrier a pair uses: what both sides can and may, and of that the best. */
#ifndef SBL_NET_CHOOSE_H
#define SBL_NET_CHOOSE_H

#include <stdint.h>

#include <sabal/status.h>

/* In the order in which they are preferred. */
typedef enum sbl_carrier {
    SBL_CARRIER_NONE    = 0,
    SBL_CARRIER_MEMFD   = 1, /* mapped: within a node, over a Unix socket */
    SBL_CARRIER_RDMA    = 2, /* UCX over InfiniBand or RoCE, within a node over shared memory */
    SBL_CARRIER_UCX_SHM = 3, /* UCX over shared memory */
    SBL_CARRIER_TCP     = 4, /* our own */
    SBL_CARRIER_UCX_TCP = 5  /* UCX over TCP: any stranger who reaches the port can write into the process */
} sbl_carrier;

#define SBL_CARRIER_BIT(carrier) (1u << (carrier))
#define SBL_CARRIERS_UCX                                                                                               \
    (SBL_CARRIER_BIT(SBL_CARRIER_RDMA) | SBL_CARRIER_BIT(SBL_CARRIER_UCX_SHM) | SBL_CARRIER_BIT(SBL_CARRIER_UCX_TCP))

/** "memfd", "rdma", "ucx-shm", "tcp", "ucx-tcp". Static. */
const char *sbl_carrier_name(sbl_carrier carrier);

/** The bits of the carriers that are named in tls, with commas. NULL: all but ucx-shm, which memfd beats, and ucx-tcp. SABAL_EINVAL: a name
    that is none; the message lists them. */
sabal_status sbl_carriers_parse(uint32_t *bits, const char *tls, sabal_error *err);
/** What the user is to be told before ucx-tcp is used. Static. */
const char *sbl_carrier_warning(void);

/* One side's part of the choice. */
typedef struct sbl_side {
    uint32_t may;      /* what its user allows */
    uint32_t can;      /* of these, what it has for this pair */
    uint8_t  node[16]; /* the same for all processes of one user that can share memory */
    char     ucx[32];  /* version of UCX; "" if it was not loaded */
} sbl_side;

/** The same on both sides. SABAL_EUNSUPPORTED: nothing in common; the message says what each can. */
sabal_status sbl_carrier_choose(sbl_carrier *carrier, const sbl_side *here, const sbl_side *there, sabal_error *err);
/** This process's node: boot, user, and the namespaces of processes and messages. */
void sbl_node_id(uint8_t id[16]);
/** 1 if there is an RDMA device with a port that is up. */
int sbl_has_rdma(void);

#endif
