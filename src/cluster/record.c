/* Writing the log of events. Events are gathered, and written as a block when there are many, or at a tick. */
#include "cluster/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/error.h"
#include "base/grow.h"
#include "base/log.h"

enum { WELL = 64 << 10 }; /* bytes of a block */

struct sbl_record {
    int       fd; /* -1: nothing more is written */
    int64_t   limit, written;
    uint32_t  blocks;
    sbl_words words; /* events of the next block */
    sbl_said  said;
};

/* --- what it says ------------------------------------------------------------------------------------------------- */

static void sum_up(sbl_said *said, uint32_t kind, uint32_t peer, const void *bytes, size_t size)
{
    const uint32_t head[4] = {kind, peer, (uint32_t)size, 0};

    XXH3_64bits_update(said->sum, head, sizeof head);
    if (size)
        XXH3_64bits_update(said->sum, bytes, size);
}

static void send(void *arg, uint32_t peer, sbl_words *words)
{
    sbl_said *said = arg;

    sum_up(said, 1, peer, words->bytes, words->size);
    said->letters++;
    if (said->calls.send)
        said->calls.send(said->calls.arg, peer, words);
}

static void drop(void *arg, uint32_t peer, const char *why)
{
    sbl_said *said = arg;

    sum_up(said, 2, peer, why, strlen(why));
    if (said->calls.drop)
        said->calls.drop(said->calls.arg, peer, why);
}

static void introduce(void *arg, uint32_t peer, uint32_t worker)
{
    sbl_said *said = arg;

    sum_up(said, 3, peer, &worker, sizeof worker);
    if (said->calls.introduce)
        said->calls.introduce(said->calls.arg, peer, worker);
}

/* Nothing is said by it. */
static void unheard(void *arg, uint32_t client, uint32_t worker, const char *name, const sabal_error *why)
{
    const sbl_said *said = arg;

    if (said->calls.unheard)
        said->calls.unheard(said->calls.arg, client, worker, name, why);
}

int sbl_said_begin(sbl_said *said, const sbl_scheduler_calls *calls)
{
    *said = (sbl_said){.calls = *calls, .sum = XXH3_createState()};
    return said->sum && XXH3_64bits_reset(said->sum) == XXH_OK;
}

void sbl_said_end(sbl_said *said)
{
    XXH3_freeState(said->sum);
    said->sum = NULL;
}

uint64_t sbl_said_sum(const sbl_said *said)
{
    return XXH3_64bits_digest(said->sum);
}

sbl_scheduler_calls sbl_said_calls(sbl_said *said)
{
    return (sbl_scheduler_calls){send, drop, introduce, said, unheard};
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* The cluster goes on without. */
static void stop_writing(sbl_record *r, const char *why)
{
    sbl_log(SABAL_LOG_WARN, "the record of events ends after %lld bytes: %s", (long long)r->written, why);
    close(r->fd);
    r->fd = -1;
}

static int put(sbl_record *r, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n) {
        const ssize_t done = sbl_grow_write(r->fd, at, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            stop_writing(r, strerror(errno));
            return 0;
        }
        at += done;
        n -= (size_t)done;
        r->written += done;
    }
    return 1;
}

static void flush(sbl_record *r)
{
    const sbl_record_block head = {.size   = (uint32_t)r->words.size,
                                   .number = r->blocks,
                                   .sum    = XXH3_64bits_withSeed(r->words.bytes, r->words.size, r->blocks)};

    if (r->fd < 0 || !r->words.size)
        return;
    if (r->words.failed) { /* half an event */
        stop_writing(r, "no memory");
        return;
    }
    r->blocks++;
    if (put(r, &head, sizeof head))
        put(r, r->words.bytes, r->words.size);
    r->words.size = 0;
}

static void end(sbl_record *r, uint32_t why)
{
    sbl_say_u32(&r->words, SBL_RECORD_END);
    sbl_say_u32(&r->words, why);
    flush(r);
}

/* Whether size bytes more of words may be added. */
static int has_room(sbl_record *r, size_t size)
{
    if (!r || r->fd < 0)
        return 0;
    if (r->written + (int64_t)(r->words.size + size) > r->limit) {
        end(r, SBL_RECORD_FULL);
        if (r->fd >= 0)
            stop_writing(r, "that is the most that was allowed");
        return 0;
    }
    return 1;
}

/* Begins an event; NULL: there is nothing to be written. */
static sbl_words *event(sbl_record *r, uint32_t kind, int64_t now, size_t more)
{
    enum { MOST_HEAD = 64 };

    if (!has_room(r, MOST_HEAD + more))
        return NULL;
    if (r->words.size > WELL)
        flush(r);
    sbl_say_u32(&r->words, kind);
    sbl_say_u64(&r->words, (uint64_t)now);
    return &r->words;
}

/* --- its beginning and end ---------------------------------------------------------------------------------------- */

static const sbl_scheduler_options OPTIONS = {SBL_SCHEDULER_DEFAULTS};

static sabal_status write_head(sbl_record *r, const char *path, sabal_error *err)
{
    sbl_record_head head = {.format         = SBL_RECORD_FORMAT,
                            .size           = sizeof head,
                            .suspect_ns     = OPTIONS.suspect_ns,
                            .dead_ns        = OPTIONS.dead_ns,
                            .allowed_kills  = OPTIONS.allowed_kills,
                            .allowed_losses = OPTIONS.allowed_losses};

    memcpy(head.magic, SBL_RECORD_MAGIC, sizeof head.magic);
    snprintf(head.version, sizeof head.version, "%s", sabal_version());
    head.sum = XXH3_64bits(&head, offsetof(sbl_record_head, sum));
    return put(r, &head, sizeof head) ? SABAL_OK : sbl_error_errno(err, errno, "writing the record of events %s", path);
}

sabal_status sbl_record_create(sbl_record **record, const char *path, int64_t limit, sabal_error *err)
{
    const sbl_scheduler_calls none = {0};
    sbl_record               *r    = sbl_calloc(1, sizeof *r);
    sabal_status              st   = SABAL_OK;

    if (!r)
        return sbl_error_memory(err, sizeof *r, "the record of events");
    r->limit = limit;
    r->fd    = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (r->fd < 0)
        st = sbl_error_errno(err, errno, "the record of events %s", path);
    else if (!sbl_said_begin(&r->said, &none))
        st = sbl_error_memory(err, 1, "the record of events");
    if (!st)
        st = write_head(r, path, err);
    if (st)
        sbl_record_close(r);
    else
        *record = r;
    return st;
}

void sbl_record_close(sbl_record *r)
{
    if (!r)
        return;
    if (r->fd >= 0 && r->written)
        end(r, SBL_RECORD_CLOSED);
    if (r->fd >= 0)
        close(r->fd);
    sbl_words_clear(&r->words);
    sbl_said_end(&r->said);
    sbl_free(r);
}

/* --- what it is told ---------------------------------------------------------------------------------------------- */

sbl_scheduler *sbl_record_scheduler(sbl_record *r, const sbl_scheduler_calls *calls)
{
    sbl_scheduler_calls mine;

    if (!r)
        return sbl_scheduler_create(calls, &OPTIONS);
    r->said.calls = *calls;
    mine          = sbl_said_calls(&r->said);
    return sbl_scheduler_create(&mine, &OPTIONS);
}

uint32_t sbl_record_client_came(sbl_record *r, sbl_scheduler *s, int64_t now)
{
    const uint32_t number = sbl_scheduler_client_came(s, now);
    sbl_words     *w      = event(r, SBL_RECORD_CLIENT, now, 0);

    if (w)
        sbl_say_u32(w, number);
    return number;
}

static const char *text_of(const char *text)
{
    return text ? text : "";
}

uint32_t sbl_record_worker_came(sbl_record *r, sbl_scheduler *s, int32_t threads, const sbl_worker_words *words,
                                int64_t now)
{
    const uint32_t number = sbl_scheduler_worker_came(s, threads, now);
    const size_t   texts  = strlen(words->name) + strlen(words->host) + strlen(text_of(words->resources));
    sbl_words     *w      = event(r, SBL_RECORD_WORKER, now, texts);

    if (w) {
        sbl_say_u32(w, (uint32_t)threads);
        sbl_say_u32(w, number);
        sbl_say_text(w, words->name);
        sbl_say_text(w, words->host);
        sbl_say_text(w, words->resources);
    }
    if (number)
        sbl_scheduler_worker_tells(s, number, words);
    return number;
}

void sbl_record_lost(sbl_record *r, sbl_scheduler *s, uint32_t peer, const sbl_loss *loss, int64_t now)
{
    static const sbl_loss UNKNOWN = {0};
    const sbl_loss       *l       = loss ? loss : &UNKNOWN;
    const size_t          ran     = l->n_ran * sizeof *l->ran;
    sbl_words            *w = event(r, SBL_RECORD_LOST, now, ran + strlen(text_of(l->node)) + strlen(text_of(l->what)));

    if (w) {
        sbl_say_u32(w, peer);
        sbl_say_u32(w, (uint32_t)l->planned);
        sbl_say_u32(w, (uint32_t)l->is_known);
        sbl_say_u32(w, l->n_ran);
        sbl_say(w, l->ran, ran);
        sbl_say_text(w, text_of(l->node));
        sbl_say_text(w, text_of(l->what));
    }
    sbl_scheduler_lost(s, peer, loss, now);
}

void sbl_record_suspect(sbl_record *r, sbl_scheduler *s, uint32_t peer, int64_t now)
{
    sbl_words *w = event(r, SBL_RECORD_SUSPECT, now, 0);

    if (w)
        sbl_say_u32(w, peer);
    sbl_scheduler_suspect(s, peer);
}

void sbl_record_hear(sbl_record *r, sbl_scheduler *s, uint32_t peer, const void *bytes, size_t size, int64_t now)
{
    sbl_words *w = event(r, SBL_RECORD_HEAR, now, size);

    if (w) {
        sbl_say_u32(w, peer);
        sbl_say_u32(w, (uint32_t)size);
        sbl_say(w, bytes, size);
    }
    sbl_scheduler_hear(s, peer, bytes, size, now);
}

void sbl_record_tick(sbl_record *r, sbl_scheduler *s, int64_t now)
{
    event(r, SBL_RECORD_TICK, now, 0);
    sbl_scheduler_tick(s, now);
    if (r)
        flush(r); /* what a scheduler that is killed has not written is little */
}

void sbl_record_send(sbl_record *r, sbl_scheduler *s)
{
    sbl_words *w;

    sbl_scheduler_send(s);
    w = event(r, SBL_RECORD_SEND, 0, 0);
    if (!w)
        return;
    sbl_say_u64(w, r->said.letters);
    sbl_say_u64(w, sbl_said_sum(&r->said));
}
