/* The library's side of UCX from the inside: ucx.c moves data, ucx_load.c loads the plugin and knows the settings. */
#ifndef SBL_NET_UCX_PRIVATE_H
#define SBL_NET_UCX_PRIVATE_H

#include "cluster/net/pair.h"
#include "cluster/net/give.h"
#include "cluster/net/pull.h"
#include "cluster/net/ucx_plugin.h"

enum {
    SBL_UCX_VARIANTS = 3,        /* rdma, ucx-shm, ucx-tcp: each has settings, and so a worker, of its own */
    SBL_UCX_BLOCKS   = 2,        /* of a value under way */
    SBL_UCX_BLOCK    = 64 << 20, /* bytes of one */
    /* of one that is summed: it is sent from the cache where the sum leaves it, while the one before is on the wire */
    SBL_UCX_BLOCK_SUM = 768 << 10
};

struct sbl_ucx_variant {
    sbl_ucx_worker *worker; /* NULL: not opened */
    int             was_tried;
    char            why[300]; /* it can't be had */
};

/* A pair's part; it outlives the pair until UCX has let go. */
struct sbl_ucx_pair {
    sbl_id_link          link; /* by the number under which the other side sends */
    sbl_pair            *pair;
    sbl_ucx_peer        *peer;
    uint64_t             to;
    int                  is_ready, is_counted, is_forced;
    int64_t              force_at;
    struct sbl_ucx_pair *next; /* of those that close */
};

struct sbl_ucx {
    sbl_plane             *plane;
    const sbl_ucx_plugin  *plugin;
    void                  *module;
    pid_t                  process;
    struct sbl_ucx_variant of[SBL_UCX_VARIANTS];
    sbl_id_map             pairs;
    struct sbl_ucx_pair   *closing;
    int64_t                n_pairs, active; /* active: blocks under way */
    int                    timer;
    int                    is_woken;
    sbl_errand             wake;
};

int  sbl_ucx_variant_of(sbl_carrier carrier);
int  sbl_ucx_is_ours(const struct sbl_ucx *ucx);
void sbl_ucx_turn(struct sbl_ucx *ucx);
void sbl_ucx_wake(struct sbl_ucx *ucx);
void sbl_ucx_set_beat(struct sbl_ucx *ucx);
void sbl_ucx_more(struct sbl_ucx *ucx, sbl_request *give);
/* The loop's calls. */
void sbl_ucx_ready(void *context, uint32_t events);
void sbl_ucx_beat(void *context, uint32_t events);
/* The plugin's events. */
int  sbl_ucx_arrived(void *arg, const uint8_t *head, size_t head_size, uint64_t length, struct iovec *runs,
                     void **token);
void sbl_ucx_received(void *arg, void *token, const char *failed);
void sbl_ucx_sent(void *arg, void *token, const char *failed);
void sbl_ucx_lost(void *arg, void *peer_arg, const char *why);
void sbl_ucx_closed(void *arg, void *peer_arg);

/** The settings of a carrier; their number. interface may be NULL. For the test that looks at their effect. */
int32_t sbl_ucx_settings(sbl_ucx_setting settings[16], sbl_carrier carrier, const char *interface);

#endif
