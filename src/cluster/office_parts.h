/* The scheduler's process from inside. Private to office*.c. */
#ifndef SBL_CLUSTER_OFFICE_PARTS_H
#define SBL_CLUSTER_OFFICE_PARTS_H

#include "cluster/net/folder.h"
#include "cluster/net/listen.h"
#include "cluster/office.h"
#include "cluster/office_code.h"
#include "cluster/office_losses.h"
#include "cluster/office_status.h"
#include "cluster/record.h"
#include "cluster/signals.h"
#include "cluster/talk.h"

#define SBL_SECOND_NS ((int64_t)1000000000)
enum { SBL_MOST_MEMBERS = 65536 };

typedef struct sbl_member {
    struct sbl_member *next, **place; /* in the list of all */
    struct sbl_office *office;
    sbl_link          *link;
    uint32_t           number;                     /* 0: it has not said who it is */
    int                leaves;                     /* it said that it would */
    int                is_dropped, counts_workers; /* counts_workers: it is told how many there are */
    sbl_words          news;                       /* letters to a client that wait for others */
    sbl_evtimer        news_due;
    int64_t            told_ns; /* when it was told something last */
    sbl_joining        who;
    char               why[512]; /* it was dropped */
    sbl_blame         *blame;    /* its supervisor has told before the connection ended; NULL: not */
} sbl_member;

typedef struct sbl_office {
    sbl_evloop        *loop;
    sbl_scheduler     *core; /* what changes it goes through record.h */
    sbl_record        *record;
    sbl_listener      *listener;
    sbl_office_options options;
    sbl_scheduler_file file;
    sbl_folder         folder;
    sbl_keys           keys;
    sbl_hello_self     self;
    sbl_office_code   *code;
    sbl_member        *first;
    sbl_office_losses *losses;
    sbl_member        *members[SBL_MOST_MEMBERS]; /* by the slot of their numbers */
    sbl_office_watch   watch;
    uint32_t           workers_told;
    sbl_evtimer        tick;
    sbl_evwork         speak; /* at the end of a turn */
    sbl_signals        signals;
    int64_t            lonely_since; /* there is no client since then */
    int32_t            n_clients;
} sbl_office;

static inline sbl_member *sbl_office_member(const sbl_office *o, uint32_t number)
{
    sbl_member *m = o->members[number % SBL_MOST_MEMBERS];

    return m && m->number == number ? m : NULL;
}

/** What the core has to say goes out at the end of this turn. */
void sbl_office_speak_later(sbl_office *o);
void sbl_office_speak(sbl_evwork *work);

/* office_news.c */
/** What the core has to say to a member: at once, or soon together with more. */
void sbl_office_tell(sbl_member *m, const sbl_words *words);
/** What has gathered, now; nothing is allowed. To one that is dropped, never. */
void sbl_office_tell_news(sbl_member *m);
/** Of one that has ended. */
void sbl_office_forget_news(sbl_member *m);

/* office_members.c */
void sbl_office_end_member(sbl_member *m, const char *why);
/** What the core does with members; arg is the office. */
sbl_scheduler_calls sbl_office_calls(sbl_office *o);
/** Of the listener: one has come in. */
void sbl_office_admitted(void *arg, sbl_link *link);
/** A worker is gone, and why; of office_losses.h. */
void sbl_office_lose_worker(void *arg, uint32_t worker, const char *name, const char *why, const sbl_blame *blame);
/** Of office_status.h. */
const sbl_joining *sbl_office_who_is(void *arg, uint32_t number);
void               sbl_office_tell_clients(void *arg, const sbl_words *words);
void               sbl_office_tell_workers(sbl_office *o);

#endif
