/* What a client asks about its cluster: how many workers there are, and what they do. */
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "cluster/core/letters.h"
#include "cluster/remote.h"
#include "cluster/status_words.h"
#include "cluster/workers.h"

#define ANSWER_NS ((int64_t)4000000000)

/* --- the loop's thread -------------------------------------------------------------------------------------------- */

static void ask(sbl_remote *r, uint32_t what, uint64_t about)
{
    sbl_words words = {0};

    sbl_say_u32(&words, what);
    sbl_say_u64(&words, about);
    if (r->membership->link)
        sbl_talk(r->membership->link, SBL_TALK_ASK, &words, NULL);
    sbl_words_clear(&words);
}

void sbl_remote_ask(sbl_evwork *work)
{
    sbl_remote *r = (sbl_remote *)(void *)((char *)work - offsetof(sbl_remote, questions.work));
    int         status, who_has, workers;
    uint64_t    about;

    pthread_mutex_lock(r->lock);
    status                 = r->questions.status.is_asked;
    who_has                = r->questions.who_has.is_asked;
    about                  = r->questions.who_has.about;
    workers                = r->questions.asks_workers;
    r->questions.is_posted = r->questions.status.is_asked = r->questions.who_has.is_asked = r->questions.asks_workers =
        0;
    pthread_mutex_unlock(r->lock);
    if (status)
        ask(r, SBL_ASK_STATUS, 0);
    if (who_has)
        ask(r, SBL_ASK_WHO_HAS, about);
    if (workers)
        ask(r, SBL_ASK_WORKERS, 0);
}

static void keep(sbl_remote *r, sbl_question *q, sbl_reader *answer)
{
    sbl_words words = {0};

    sbl_say(&words, answer->at, (size_t)(answer->end - answer->at));
    pthread_mutex_lock(r->lock);
    sbl_words_clear(&q->words);
    q->words = words;
    q->answers++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(r->lock);
}

/* What this client has each worker run failed in one that came. */
static void tell_unheard(sbl_reader *r)
{
    const char    *worker = sbl_hear_text(r);
    const uint32_t number = sbl_hear_u32(r);
    const char    *name   = sbl_hear_text(r);
    sabal_error    why    = SABAL_ERROR_INIT;

    sbl_hear_failure(&why, r);
    if (!r->failed)
        sbl_log(SABAL_LOG_WARN, "'%s' failed in worker %u '%s', which has joined since: %s", name, number, worker,
                why.message);
}

void sbl_remote_told(void *arg, sbl_reader *answer)
{
    sbl_remote    *r    = arg;
    const uint32_t what = sbl_hear_u32(answer);

    switch (what) {
    case SBL_ASK_STATUS:
        keep(r, &r->questions.status, answer);
        break;
    case SBL_ASK_WHO_HAS:
        keep(r, &r->questions.who_has, answer);
        break;
    case SBL_ASK_WORKERS:
        pthread_mutex_lock(r->lock);
        r->questions.n_workers      = sbl_hear_u32(answer);
        r->questions.counts_workers = 1;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(r->lock);
        break;
    case SBL_TELL_UNHEARD:
        tell_unheard(answer);
        break;
    case SBL_TELL_LONELY:
        sbl_log(SABAL_LOG_WARN, "tasks wait, and for %.0f s there has been no worker: start 'sabal worker'",
                (double)sbl_hear_u64(answer) / 1e9);
        break;
    default:
        break;
    }
}

/* --- the caller's thread ------------------------------------------------------------------------------------------ */

/* With the lock held. Nothing more will be told: why. */
static int is_over(sabal_status *st, const sbl_remote *r, sabal_error *err)
{
    if (r->is_over)
        *st = sbl_error_pass(err, &r->why);
    else if (sbl_client_is_closing(r->client))
        *st = sbl_error_set(err, SABAL_ECLOSED, "the client was closed meanwhile");
    else
        return 0;
    return 1;
}

/* With the lock held. */
static void post(sbl_remote *r)
{
    if (r->questions.is_posted)
        return;
    r->questions.is_posted = 1;
    sbl_evloop_post(r->membership->loop, &r->questions.work);
}

sabal_status sbl_remote_wait_for_workers(sbl_remote *r, uint32_t n, int64_t until, sabal_error *err)
{
    sabal_status st   = SABAL_OK;
    int          late = 0;

    pthread_mutex_lock(r->lock);
    if (!r->questions.counts_workers) {
        r->questions.asks_workers = 1;
        post(r);
    }
    while (!is_over(&st, r, err) && !(r->questions.counts_workers && r->questions.n_workers >= n) && !late)
        late = !sbl_cond_wait(&r->changed, r->lock, until);
    if (!st && !(r->questions.counts_workers && r->questions.n_workers >= n))
        st = sbl_error_set(err, SABAL_ETIMEDOUT, "%u workers were waited for, and there are %u", n,
                           r->questions.n_workers);
    pthread_mutex_unlock(r->lock);
    return st;
}

/* Words of an answer to what was asked after the call began: they are the caller's. Who asks about one thing waits for those who ask
   about another. */
static sabal_status bring(sbl_words *words, sbl_remote *r, sbl_question *q, uint64_t about, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + ANSWER_NS;
    sabal_status  st    = SABAL_OK;
    uint64_t      before;
    int           late = 0;

    pthread_mutex_lock(r->lock);
    while (!is_over(&st, r, err) && q->is_taken && !late)
        late = !sbl_cond_wait(&r->changed, r->lock, until);
    if (!st && !late) {
        q->is_taken = q->is_asked = 1;
        q->about                  = about;
        before                    = q->answers;
        post(r);
        while (!is_over(&st, r, err) && q->answers == before && !late)
            late = !sbl_cond_wait(&r->changed, r->lock, until);
        late        = q->answers == before;
        q->is_taken = 0;
        pthread_cond_broadcast(&r->changed);
    }
    if (!st && late)
        st = sbl_error_set(err, SABAL_ETIMEDOUT, "the scheduler has not answered for %.0f s", (double)ANSWER_NS / 1e9);
    if (!st)
        sbl_say(words, q->words.bytes, q->words.size);
    if (!st && (words->failed || q->words.failed))
        st = sbl_error_memory(err, q->words.size, "what the scheduler tells");
    pthread_mutex_unlock(r->lock);
    return st;
}

static sabal_status tell(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user, sbl_remote *r, sbl_question *q,
                         uint64_t about, sabal_error *err)
{
    sbl_words    words = {0};
    sabal_status st    = bring(&words, r, q, about, err);
    sbl_reader   reader;

    if (!st) {
        reader = (sbl_reader){.at = words.bytes, .end = words.bytes + words.size};
        st     = sbl_hear_cluster(info, fn, user, &reader, err);
    }
    sbl_words_clear(&words);
    return st;
}

sabal_status sbl_remote_cluster_info(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user, sbl_remote *r,
                                     sabal_error *err)
{
    return tell(info, fn, user, r, &r->questions.status, 0, err);
}

sabal_status sbl_remote_who_has(sabal_worker_info_fn *fn, void *user, sbl_remote *r, uint64_t serial, sabal_error *err)
{
    sabal_cluster_info info = {.struct_size = sizeof info};

    return tell(&info, fn, user, r, &r->questions.who_has, serial, err);
}
