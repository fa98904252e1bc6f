/* A plane and its pairs from the inside: plane.c, pair.c, and each side's half: pull.c, give.c, lease.c. */
#ifndef SBL_NET_PAIR_H
#define SBL_NET_PAIR_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster/net/plane.h"
#include "cluster/net/stream.h"

enum {
    SBL_PAIR_ASKED     = 64, /* pulls that wait for the holder's answer */
    SBL_PAIR_FLOWS     = 2,  /* that get data */
    SBL_PAIR_GIVING    = 64, /* at most two are asked for, but a carrier may hear late that one has ended */
    SBL_PAIR_GIVES     = 65536,
    SBL_CREDIT_BYTES   = 1 << 20, /* of small values under way to one side */
    SBL_CREDIT_ANSWERS = 256
};

/* --- records found by number ------------------------------------------------------------------------------------ */

typedef struct sbl_id_link {
    struct sbl_id_link *next;
    uint64_t            id;
} sbl_id_link;

typedef struct sbl_id_map {
    sbl_id_link *slots[64];
} sbl_id_map;

void sbl_ids_add(sbl_id_map *map, sbl_id_link *link);
void sbl_ids_remove(sbl_id_map *map, sbl_id_link *link);
/** NULL: there is none. */
sbl_id_link *sbl_ids_find(const sbl_id_map *map, uint64_t id);
/** Any; NULL: it is empty. */
sbl_id_link *sbl_ids_any(const sbl_id_map *map);

/* --- what other threads leave for the loop ---------------------------------------------------------------------- */

typedef struct sbl_errand {
    struct sbl_errand *next;
    /* In the loop's thread; once the plane is closed, in that which left it, and no pair is there any more. */
    void (*run)(sbl_plane *plane, struct sbl_errand *errand);
} sbl_errand;

struct sbl_plane {
    sbl_plane_options options;
    uint32_t          may; /* carriers */
    uint8_t           node[16];
    int64_t           refs; /* who made it, pairs, requests, leases; under the lock */
    pthread_mutex_t   lock;
    sbl_errand       *first, **last; /* errands */
    int               is_closed;
    int               event_fd;
    sbl_pair         *pairs;
    sbl_segments     *made, *mapped; /* shared memory of this process, and of others */
    _Atomic uint64_t  ids;           /* of segments */
    int32_t           flowing;       /* pairs in which data flows */
    struct sbl_ucx   *ucx;           /* NULL: it was not needed so far */
};

void sbl_plane_post(sbl_plane *plane, sbl_errand *errand);
void sbl_plane_retain(sbl_plane *plane);
void sbl_plane_release(sbl_plane *plane);

/* --- a pair ----------------------------------------------------------------------------------------------------- */

typedef struct sbl_list_link {
    struct sbl_list_link *next, **link;
} sbl_list_link;
typedef struct sbl_list {
    sbl_list_link *first, **last;
} sbl_list;

typedef enum sbl_pair_state { SBL_PAIR_OPENING, SBL_PAIR_CHOSEN, SBL_PAIR_UP, SBL_PAIR_DOWN } sbl_pair_state;

struct sbl_pair {
    sbl_plane       *plane;
    sbl_pair        *next, **link;
    sbl_pair_options options; /* its keys wiped */
    sbl_stream      *streams[SBL_PAIR_FDS];
    sbl_pair_state   state;
    int              is_closed, is_failing;
    sabal_error      why;
    sbl_errand       fail, end;
    sbl_side         here, there;
    sbl_carrier      carrier;
    int32_t          flows; /* pulls and gives with data under way */
    int32_t          spin;  /* see sbl_stream_options */

    sbl_id_map pulls; /* those asked for, by number */
    sbl_list   line;  /* not asked for yet */
    sbl_list   ready; /* admitted, and waiting for their turn */
    int32_t    n_asked, n_flowing;
    uint64_t   next_id;
    uint64_t   used_bytes, used_answers; /* credit to be given back */
    sbl_id_map mapped;                   /* the other side's segments */

    sbl_id_map gives; /* by the other side's number */
    sbl_list   giving;
    int32_t    n_gives, n_giving;
    uint32_t   turn;
    int64_t    credit_bytes, credit_answers;
    sbl_id_map given; /* segments that the other side knows */

    struct sbl_ucx_pair *ucx;
};

/** Sends a frame on the first connection. If that can't be, the pair goes down, later. */
void sbl_pair_send(sbl_pair *pair, const sbl_packet *packet, const void *body, int fd);
/** As soon as nothing runs below: all that is open fails, and its owner is told. */
void sbl_pair_fail(sbl_pair *pair, const sabal_error *why);
void sbl_pair_broken(sbl_pair *pair, const char *what);
/** One more, or one less, transfer of data is under way. */
void sbl_pair_flow(sbl_pair *pair, int more);
/** The carrier is ready on both sides. */
void sbl_pair_is_up(sbl_pair *pair);

void sbl_list_begin(sbl_list *queue);
void sbl_list_push(sbl_list *queue, sbl_list_link *link);
/** NULL allowed as queue: it is in none. */
void sbl_list_remove(sbl_list *queue, sbl_list_link *link);

/* The receiver's half. */
void sbl_pulls_go_on(sbl_pair *pair); /* asks for those in line, takes those that are ready */
void sbl_pulls_fail(sbl_pair *pair, const sabal_error *why);
void sbl_pull_announced(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body, int fd, int damaged);
void sbl_pull_failed(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body, int damaged);
int  sbl_pull_where(sbl_pair *pair, const sbl_packet *packet, struct iovec *runs);
void sbl_pull_landed(sbl_pair *pair, const sbl_packet *packet, int damaged);

/* The holder's half. */
void sbl_give_asked(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body);
void sbl_give_taken(sbl_pair *pair, uint64_t id);
void sbl_give_dropped(sbl_pair *pair, uint64_t id);
void sbl_gives_end(sbl_pair *pair);
int  sbl_give_next(sbl_pair *pair, sbl_packet *packet, struct iovec *runs, size_t most);
void sbl_give_sent(sbl_pair *pair, uint64_t id);

#endif
