/* What is said of a cluster: to who asks, and at its end. */
#include "cluster/office_status.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cluster/status_words.h"

static int64_t threads_of_all(const sbl_scheduler *s)
{
    sbl_worker_look look;
    int64_t         n = 0;

    for (uint32_t i = 0; sbl_scheduler_worker_look(&look, s, i); i++)
        n += look.threads;
    return n;
}

/* Of what the ring still has. */
static double per_second(const sbl_office_watch *w)
{
    const uint32_t n     = w->n_samples < SBL_SAMPLES ? w->n_samples : SBL_SAMPLES;
    const uint32_t first = (w->n_samples - n) % SBL_SAMPLES, last = (w->n_samples - 1) % SBL_SAMPLES;

    if (n < 2 || w->samples[last].at_ns <= w->samples[first].at_ns)
        return 0;
    return (double)(w->samples[last].ended - w->samples[first].ended) * 1e9 /
           (double)(w->samples[last].at_ns - w->samples[first].at_ns);
}

static void list_addresses(char *text, size_t size, const sbl_scheduler_file *file)
{
    size_t at = 0;
    char   one[SBL_ADDRESS_TEXT];

    text[0] = 0;
    for (int32_t i = 0; i < file->n_addresses && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", sbl_address_tell(one, &file->addresses[i]));
}

static void describe(sabal_cluster_info *info, const sbl_office_watch *w, int64_t now)
{
    sbl_scheduler_counts c;

    sbl_scheduler_count(w->core, &c);
    *info = (sabal_cluster_info){.pid        = (int32_t)w->file->pid,
                                 .age_ns     = now - w->started_ns,
                                 .clients    = (int32_t)c.clients,
                                 .workers    = (int32_t)c.workers,
                                 .threads    = (int32_t)threads_of_all(w->core),
                                 .waiting    = (int64_t)c.by_state[0],
                                 .ready      = (int64_t)c.by_state[1],
                                 .sent       = (int64_t)c.by_state[2],
                                 .chained    = (int64_t)c.by_state[3],
                                 .done       = (int64_t)c.by_state[4],
                                 .failed     = (int64_t)c.by_state[5],
                                 .released   = (int64_t)c.by_state[6],
                                 .ended      = (int64_t)c.ended,
                                 .per_second = per_second(w)};
    snprintf(info->version, sizeof info->version, "%s", w->file->version);
    for (int i = 0; i < SBL_CLUSTER_ID; i++)
        snprintf(info->id + (size_t)2 * i, 3, "%02x", w->file->cluster[i]);
    list_addresses(info->addresses, sizeof info->addresses, w->file);
}

/* What tasks take of a worker's resources. */
static sbl_amounts used_of(const sbl_worker_look *look)
{
    sbl_amounts used = *look->resources;

    for (uint32_t i = 0; i < used.n; i++)
        used.of[i].millionths -= sbl_amounts_find((sbl_amounts *)look->left, used.of[i].name)->millionths;
    return used;
}

static void say_worker(sbl_words *words, const sbl_office_watch *w, const sbl_worker_look *look, int64_t now)
{
    static const sbl_joining nobody;
    const sbl_joining       *who  = w->who(w->arg, look->number);
    const sbl_amounts        used = used_of(look);
    char                     resources[SBL_AMOUNTS_TEXT], resources_used[SBL_AMOUNTS_TEXT];

    if (!who)
        who = &nobody; /* it is about to go */
    sbl_say_worker(words,
                   &(sabal_worker_info){.number         = look->number,
                                        .name           = who->name,
                                        .state          = look->is_leaving   ? "leaving"
                                                          : look->is_suspect ? "suspect"
                                                                             : "running",
                                        .pid            = (int32_t)who->pid,
                                        .threads        = look->threads,
                                        .memory_used    = look->managed,
                                        .memory_limit   = look->limit,
                                        .running        = look->running,
                                        .queued         = look->queued,
                                        .done           = (int64_t)look->done,
                                        .failed         = (int64_t)look->failed,
                                        .silent_ns      = now > look->heard_ns ? now - look->heard_ns : 0,
                                        .resources      = sbl_amounts_tell(resources, look->resources),
                                        .resources_used = sbl_amounts_tell(resources_used, &used)},
                   &who->machine);
}

/* A later one has a higher number. */
static int by_number(const void *a, const void *b)
{
    const sbl_worker_look *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Those of all workers who are among n numbers in order. Returns how many there are. */
static uint32_t keep_holders(sbl_worker_look *looks, uint32_t n_looks, const uint32_t *numbers, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n_looks; i++)
        if (bsearch(&looks[i].number, numbers, n, sizeof *numbers, compare_numbers))
            looks[kept++] = looks[i];
    return kept;
}

/* holders NULL: all workers. */
static void say_status(sbl_words *words, const sbl_office_watch *w, int64_t now, const uint32_t *holders,
                       uint32_t n_holders)
{
    sabal_cluster_info info;
    sbl_worker_look   *looks;
    uint32_t           n = 0;

    describe(&info, w, now);
    looks = sbl_alloc((size_t)(info.workers + 1) * sizeof *looks);
    if (!looks) {
        words->failed = 1;
        return;
    }
    while (n < (uint32_t)info.workers && sbl_scheduler_worker_look(&looks[n], w->core, n))
        n++;
    if (holders)
        n = keep_holders(looks, n, holders, n_holders);
    qsort(looks, n, sizeof *looks, by_number);
    info.workers = (int32_t)n;
    sbl_say_cluster(words, &info, &w->file->node);
    for (uint32_t i = 0; i < n; i++)
        say_worker(words, w, &looks[i], now);
    sbl_free(looks);
}

/* --- to members and others ---------------------------------------------------------------------------------------- */

int sbl_office_answer(sbl_link *link, uint32_t what, const sbl_office_watch *w)
{
    sbl_words words = {0};

    if (what != SBL_ASK_STATUS && what != SBL_ASK_ALIVE)
        return 0;
    sbl_say_u32(&words, what);
    if (what == SBL_ASK_STATUS)
        say_status(&words, w, sbl_clock_ns(), NULL, 0);
    sbl_talk(link, SBL_TALK_TELL, &words, NULL);
    sbl_words_clear(&words);
    return 1;
}

void sbl_office_say_holders(sbl_link *link, uint32_t client, uint64_t serial, const sbl_office_watch *w)
{
    const uint32_t n       = sbl_scheduler_who_has(NULL, 0, w->core, client, serial);
    uint32_t      *holders = sbl_alloc((n + 1) * sizeof *holders);
    sbl_words      words   = {0};

    sbl_say_u32(&words, SBL_ASK_WHO_HAS);
    if (holders) {
        sbl_scheduler_who_has(holders, n, w->core, client, serial);
        qsort(holders, n, sizeof *holders, compare_numbers);
        say_status(&words, w, sbl_clock_ns(), holders, n);
    }
    sbl_talk(link, SBL_TALK_TELL, &words, NULL); /* without memory the answer is cut short, which is told */
    sbl_words_clear(&words);
    sbl_free(holders);
}

void sbl_office_say_workers(sbl_link *link, uint32_t n)
{
    sbl_words words = {0};

    sbl_say_u32(&words, SBL_ASK_WORKERS);
    sbl_say_u32(&words, n);
    sbl_talk(link, SBL_TALK_TELL, &words, NULL);
    sbl_words_clear(&words);
}

void sbl_office_say_over(sbl_link *link)
{
    sbl_talk(link, SBL_TALK_STOP, NULL, NULL);
    sbl_link_close(link, 250000000);
}
