/* What a scheduler's process tells of itself and of its cluster: to who asks, and in its log when nothing goes on. */
#ifndef SBL_CLUSTER_OFFICE_STATUS_H
#define SBL_CLUSTER_OFFICE_STATUS_H

#include "cluster/core/look.h"
#include "cluster/net/scheduler_file.h"
#include "cluster/talk.h"

enum { SBL_SAMPLES = 8, SBL_NOTED = 8 };

/** Zero it, but for what is said to be set. */
typedef struct sbl_office_watch {
    const sbl_scheduler      *core; /* set; as is what follows */
    const sbl_scheduler_file *file;
    const char               *path;     /* of the file, for advice */
    int64_t started_ns, quiet_limit_ns; /* limit: how long nothing may end before it is told; 0: never */
    /** A member by its number; NULL: it is none. */
    const sbl_joining *(*who)(void *arg, uint32_t number);
    /** To each client of which tasks wait. */
    void (*tell_clients)(void *arg, const sbl_words *words);
    void *arg;

    struct {
        int64_t  at_ns;
        uint64_t ended;
    } samples[SBL_SAMPLES]; /* of the last ticks, a ring */
    uint32_t n_samples;
    int64_t  lonely_since, lonely_next; /* tasks wait without a worker; when that is told next */
    uint64_t ended;                     /* when nothing was known to be quiet */
    int64_t  quiet_since, quiet_next;
    struct {
        uint32_t task, attempt;
        int64_t  since_ns;
    } noted[SBL_NOTED]; /* what was waited for some time ago */
    uint32_t n_noted;
} sbl_office_watch;

/** Every quarter of a second or so. */
void sbl_office_watch_tick(sbl_office_watch *w, int64_t now_ns);
/** Answers what anybody may ask; 0: it is something else. */
int sbl_office_answer(sbl_link *link, uint32_t what, const sbl_office_watch *w);
/** To a client: the workers that have what it knows by that serial. */
void sbl_office_say_holders(sbl_link *link, uint32_t client, uint64_t serial, const sbl_office_watch *w);
void sbl_office_say_workers(sbl_link *link, uint32_t n);
/** The cluster ends: that is said, and the link closed. */
void sbl_office_say_over(sbl_link *link);

#endif
