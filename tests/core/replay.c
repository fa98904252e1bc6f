/*
 * Replays what `sabal scheduler --record FILE` has written: a fresh core is told the same, and has to say the same.
 *
 *   replay FILE [--as-far-as-it-goes] [--check] [--leave-out N] [--tell]
 *
 * --as-far-as-it-goes: a file that is cut short (its scheduler was killed) is replayed up to there. --check: all that must hold of the
 * core is looked over after each event. --leave-out N: without event N, for tests. --tell: each event is printed.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "cluster/record.h"

typedef struct replay {
    const char    *path;
    FILE          *file;
    int            as_far, checks, tells;
    int64_t        leave_out;
    sbl_scheduler *s;
    sbl_said       said;
    uint64_t       at; /* in the file */
    uint32_t       blocks;
    uint64_t       events, sends;
    int64_t        now, began;
    int            has_ended;
} replay;

static int wrong(const replay *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(const replay *r, const char *format, ...)
{
    va_list args;

    printf("%s, byte %" PRIu64 ": ", r->path, r->at);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    return 1;
}

/* --- the file ------------------------------------------------------------------------------------------------------- */

static int read_head(replay *r, sbl_scheduler_options *options)
{
    sbl_record_head head;

    if (fread(&head, sizeof head, 1, r->file) != 1)
        return wrong(r, "shorter than the head of a record of events");
    if (memcmp(head.magic, SBL_RECORD_MAGIC, sizeof head.magic) != 0)
        return wrong(r, "no record of events of a scheduler");
    if (head.format != SBL_RECORD_FORMAT || head.size != sizeof head)
        return wrong(r, "a record of format %u, and this reads format %d", head.format, (int)SBL_RECORD_FORMAT);
    if (head.sum != XXH3_64bits(&head, offsetof(sbl_record_head, sum)))
        return wrong(r, "its head was changed: its sum is another");
    if (strncmp(head.version, sabal_version(), sizeof head.version) != 0)
        return wrong(r, "of sabal %.*s, and this is %s, whose scheduler may decide otherwise", (int)sizeof head.version,
                     head.version, sabal_version());
    *options                = (sbl_scheduler_options){SBL_SCHEDULER_DEFAULTS};
    options->suspect_ns     = head.suspect_ns;
    options->dead_ns        = head.dead_ns;
    options->allowed_kills  = head.allowed_kills;
    options->allowed_losses = head.allowed_losses;
    r->at                   = sizeof head;
    return 0;
}

static int cut_short(const replay *r)
{
    if (r->as_far)
        return -1;
    return wrong(r, "it is cut short here: its scheduler was killed, or it was copied in part (--as-far-as-it-goes)");
}

/* The next block, ours to free; -1: there is none; 1: it was told what is wrong. */
static int read_block(replay *r, char **bytes, size_t *n)
{
    sbl_record_block head;
    const size_t     got = fread(&head, 1, sizeof head, r->file);

    if (!got && r->has_ended)
        return -1;
    if (r->has_ended)
        return wrong(r, "it goes on behind its end");
    if (got != sizeof head)
        return cut_short(r);
    if (!head.size || head.size > SBL_RECORD_MOST_BLOCK)
        return wrong(r, "block %u of %u bytes: there are none of that size", r->blocks, head.size);
    if (head.number != r->blocks)
        return wrong(r, "block %u stands where %u should", head.number, r->blocks);
    *bytes = malloc(head.size);
    *n     = *bytes ? fread(*bytes, 1, head.size, r->file) : 0;
    if (*n == head.size && head.sum == XXH3_64bits_withSeed(*bytes, *n, r->blocks)) {
        r->at += sizeof head;
        r->blocks++;
        return 0;
    }
    free(*bytes);
    return *n == head.size ? wrong(r, "block %u was changed: its sum is another", r->blocks) : cut_short(r);
}

/* --- events --------------------------------------------------------------------------------------------------------- */

static int came(replay *r, uint32_t number, uint32_t recorded)
{
    return number == recorded
               ? 0
               : wrong(r, "event %" PRIu64 ": who came got number %u, and had %u", r->events, number, recorded);
}

static const char *text_or_none(sbl_reader *e)
{
    const char *text = sbl_hear_text(e);

    return text[0] ? text : NULL;
}

static void lost(replay *r, sbl_reader *e)
{
    const uint32_t peer    = sbl_hear_u32(e);
    const int      planned = (int)sbl_hear_u32(e), is_known = (int)sbl_hear_u32(e);
    const uint32_t n    = sbl_hear_u32(e);
    const size_t   size = n * sizeof(sbl_ran);
    const char    *said = sbl_hear(e, size);
    sbl_ran       *ran  = said ? malloc(size + 1) : NULL;
    sbl_loss       loss = {.planned = planned, .is_known = is_known, .n_ran = n};

    loss.node = text_or_none(e);
    loss.what = text_or_none(e);
    if (ran && size)
        memcpy(ran, said, size);
    loss.ran = ran;
    if (ran && !e->failed)
        sbl_scheduler_lost(r->s, peer, &loss, r->now);
    free(ran);
}

static int worker(replay *r, sbl_reader *e)
{
    const uint32_t   threads = sbl_hear_u32(e), recorded = sbl_hear_u32(e);
    const uint32_t   number = sbl_scheduler_worker_came(r->s, (int32_t)threads, r->now);
    sbl_worker_words words;

    words.name      = sbl_hear_text(e);
    words.host      = sbl_hear_text(e);
    words.resources = sbl_hear_text(e);
    if (!e->failed)
        sbl_scheduler_worker_tells(r->s, number, &words);
    return came(r, number, recorded);
}

static void suspect(replay *r, sbl_reader *e)
{
    const uint32_t peer = sbl_hear_u32(e);

    if (!e->failed)
        sbl_scheduler_suspect(r->s, peer);
}

static void hear(replay *r, sbl_reader *e)
{
    const uint32_t peer = sbl_hear_u32(e), size = sbl_hear_u32(e);
    const char    *bytes = sbl_hear(e, size);

    if (bytes)
        sbl_scheduler_hear(r->s, peer, bytes, size, r->now);
}

static int say(replay *r, sbl_reader *e)
{
    const uint64_t letters = sbl_hear_u64(e), sum = sbl_hear_u64(e);

    sbl_scheduler_send(r->s);
    r->sends++;
    if (!e->failed && (r->said.letters != letters || sbl_said_sum(&r->said) != sum))
        return wrong(r,
                     "event %" PRIu64 ", %.6f s after the first: what is sent is other than it was (%" PRIu64
                     " letters, and were %" PRIu64 ")",
                     r->events, (double)(r->now - r->began) / 1e9, r->said.letters, letters);
    return 0;
}

static int happens(replay *r, uint32_t kind, sbl_reader *e)
{
    switch (kind) {
    case SBL_RECORD_CLIENT:
        return came(r, sbl_scheduler_client_came(r->s, r->now), sbl_hear_u32(e));
    case SBL_RECORD_WORKER:
        return worker(r, e);
    case SBL_RECORD_LOST:
        lost(r, e);
        return 0;
    case SBL_RECORD_HEAR:
        hear(r, e);
        return 0;
    case SBL_RECORD_SUSPECT:
        suspect(r, e);
        return 0;
    case SBL_RECORD_TICK:
        sbl_scheduler_tick(r->s, r->now);
        return 0;
    case SBL_RECORD_SEND:
        return say(r, e);
    case SBL_RECORD_END:
        r->has_ended = 1 + (int)sbl_hear_u32(e);
        return 0;
    default:
        return wrong(r, "event %" PRIu64 " is of a kind that there is not: %u", r->events, kind);
    }
}

static void leave_out(uint32_t kind, sbl_reader *e)
{
    static const size_t SIZES[] = {0, 4, 8, 0, 0, 0, 16, 4, 4};

    if (kind == SBL_RECORD_HEAR) {
        sbl_hear_u32(e);
        sbl_hear(e, sbl_hear_u32(e));
    } else if (kind == SBL_RECORD_LOST) {
        sbl_hear(e, 12);
        sbl_hear(e, sbl_hear_u32(e) * sizeof(sbl_ran));
        sbl_hear_text(e);
        sbl_hear_text(e);
    } else if (kind == SBL_RECORD_WORKER) {
        sbl_hear(e, 8);
        for (int i = 0; i < 3; i++)
            sbl_hear_text(e);
    } else {
        sbl_hear(e, kind <= SBL_RECORD_END ? SIZES[kind] : 0);
    }
}

static int next_event(replay *r, sbl_reader *e)
{
    static const char *const NAMES[] = {"?", "client", "worker", "lost", "hear", "tick", "send", "suspect", "end"};
    const char              *begin   = e->at, *why;
    const uint32_t           kind    = sbl_hear_u32(e);
    const int64_t            now     = kind == SBL_RECORD_END ? r->now : (int64_t)sbl_hear_u64(e);
    int                      st      = 0;

    if (now)
        r->now = now;
    if (!r->began)
        r->began = now;
    if (r->tells)
        printf("%" PRIu64 " %.6f %s\n", r->events, (double)(r->now - r->began) / 1e9,
               NAMES[kind <= SBL_RECORD_END ? kind : 0]);
    if ((int64_t)r->events == r->leave_out)
        leave_out(kind, e);
    else
        st = happens(r, kind, e);
    if (!st && e->failed)
        st = wrong(r, "event %" PRIu64 " is not whole", r->events);
    why = !st && r->checks ? sbl_scheduler_check(r->s) : NULL;
    if (why)
        st = wrong(r, "event %" PRIu64 ": after it %s", r->events, why);
    r->at += (uint64_t)(e->at - begin);
    r->events++;
    return st;
}

static int run(replay *r)
{
    char  *bytes = NULL;
    size_t n     = 0;
    int    st;

    while (!(st = read_block(r, &bytes, &n))) {
        sbl_reader e = {.at = bytes, .end = bytes + n};

        while (!st && !sbl_reader_is_at_end(&e))
            st = next_event(r, &e);
        free(bytes);
        if (st)
            return st;
    }
    if (st > 0)
        return st;
    printf("%" PRIu64 " events in %.3f s, %" PRIu64 " letters: all as they were%s\n", r->events,
           (double)(r->now - r->began) / 1e9, r->said.letters,
           !r->has_ended                         ? ", as far as the file goes"
           : r->has_ended == 1 + SBL_RECORD_FULL ? ", until the record was as long as it might be"
                                                 : "");
    return 0;
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

static int read_arguments(replay *r, int argc, char **argv)
{
    r->leave_out = -1;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--as-far-as-it-goes"))
            r->as_far = 1;
        else if (!strcmp(argv[i], "--check"))
            r->checks = 1;
        else if (!strcmp(argv[i], "--tell"))
            r->tells = 1;
        else if (!strcmp(argv[i], "--leave-out") && i + 1 < argc)
            r->leave_out = atoll(argv[++i]);
        else if (argv[i][0] != '-' && !r->path)
            r->path = argv[i];
        else
            return 0;
    return r->path != NULL;
}

int main(int argc, char **argv)
{
    const sbl_scheduler_calls none = {0};
    sbl_scheduler_options     options;
    sbl_scheduler_calls       calls;
    replay                    r = {0};
    int                       st;

    if (!read_arguments(&r, argc, argv)) {
        printf("usage: replay FILE [--as-far-as-it-goes] [--check] [--leave-out N] [--tell]\n");
        return 2;
    }
    r.file = fopen(r.path, "rb");
    if (!r.file || !sbl_said_begin(&r.said, &none)) {
        printf("%s: %m\n", r.path);
        return 1;
    }
    calls = sbl_said_calls(&r.said);
    st    = read_head(&r, &options);
    r.s   = st ? NULL : sbl_scheduler_create(&calls, &options);
    if (!st)
        st = r.s ? run(&r) : wrong(&r, "no memory for a scheduler");
    sbl_scheduler_destroy(r.s);
    sbl_said_end(&r.said);
    fclose(r.file);
    return st ? 1 : 0;
}
