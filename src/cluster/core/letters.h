/*
 * What client, scheduler and worker say to each other. A frame holds letters: a kind, a size, and items of that kind one
 * behind the other, so that what is said of a thousand tasks at once costs one letter.
 *
 * Names of things. A client numbers its tasks and data itself: `serial`, from 1 on, never used twice. The scheduler numbers
 * tasks by their place in its table, which is used again, and each attempt to run one: `task` and `attempt` together are
 * never used twice, and name also the value that the attempt made. A worker has a number that is never used twice.
 */
#ifndef SBL_CORE_LETTERS_H
#define SBL_CORE_LETTERS_H

#include "cluster/core/words.h"

enum {
    /* client to scheduler */
    SBL_LETTER_SPEC  = 1, /* what tasks have in common, before the first of them: see sbl_spec */
    SBL_LETTER_TASKS = 2, /* alike tasks: see sbl_group */
    SBL_LETTER_DATA =
        3, /* serial u64, size u64, n u32: bytes of it if it is small, else SBL_ELSEWHERE (the client keeps it) */
    SBL_LETTER_RELEASE = 4, /* first serial u64, n u64: wanted no more */
    SBL_LETTER_CANCEL  = 5, /* first serial u64, n u64 */
    SBL_LETTER_LOOK    = 6, /* serial u64, worker u32 that did not have it or SBL_NOBODY: where is it? */
    SBL_LETTER_EACH =
        7, /* a group of one task without inputs, later u32: to be run in each worker that there is, and, if later, in
                               each that comes, first of all. The task has ended when those that there are have */

    SBL_LETTER_SPREAD =
        8, /* serial u64, n u32: its value is to be with so many workers; SBL_EVERYBODY: with each, those too that come
                              later; 0 or 1: no more of it than tasks need */

    /* scheduler to client */
    SBL_LETTER_DONE   = 16, /* serial u64, size u64, n u32, n bytes; n SBL_ELSEWHERE: workers have it */
    SBL_LETTER_FAILED = 17, /* serial u64, failure */
    SBL_LETTER_AT =
        18, /* serial u64, task u32, attempt u32, size u64, n u32, n workers u32: an answer to SBL_LETTER_LOOK. n 0: it
                      is data of that client itself, or is brought by the client that keeps it: SBL_LETTER_PUSH */
    SBL_LETTER_FORGET = 20, /* serial u64: that data need not be kept any more */
    SBL_LETTER_PUSH   = 19, /* serial u64, task u32, attempt u32, worker u32: that peer needs what this client keeps */

    /* scheduler to worker */
    SBL_LETTER_WSPEC = 32, /* as SBL_LETTER_SPEC, with the scheduler's number */
    SBL_LETTER_RUN   = 33, /* see sbl_order */
    SBL_LETTER_STOP  = 34, /* task u32, attempt u32: nobody wants it run any more */
    SBL_LETTER_DROP  = 35, /* task u32, attempt u32: nobody needs that value any more */
    SBL_LETTER_FETCH =
        36, /* task u32, attempt u32, size u64, worker u32: get a copy from there; SBL_CLIENT_HAS: its number u32
                              follows */
    SBL_LETTER_GIVE = 37, /* n u32: give back so many tasks that have not begun */
    SBL_LETTER_PART = 38, /* n u32, 1: nothing is left there that is needed: it may leave */

    /* worker to scheduler */
    SBL_LETTER_READY =
        48, /* task u32, attempt u32, time u64 (ns), size u64, n u32, n bytes; n SBL_ELSEWHERE: it is kept there */
    SBL_LETTER_ENDED = 49, /* task u32, attempt u32, blame u32, failure: it failed */
    SBL_LETTER_CHAIN = 50, /* task u32, attempt u32, serial u64: it returned this future of the worker's own client */
    SBL_LETTER_LACK =
        51, /* task u32 (0: none), attempt u32, input's task u32 and attempt u32, worker u32: could not be had there;
                       SBL_MADE_THERE: is not here */
    SBL_LETTER_HAVE    = 52, /* task u32, attempt u32: a copy is there */
    SBL_LETTER_GAVE    = 53, /* task u32, attempt u32: given back */
    SBL_LETTER_SPARE   = 54, /* n u32: so many of its threads wait for other tasks now; it may have as many more */
    SBL_LETTER_BEAT    = 55, /* managed u64, limit u64: bytes */
    SBL_LETTER_RETIRE  = 56, /* n u32, 1: it wants to leave when what it has is elsewhere: SBL_LETTER_PART */
    SBL_LETTER_NO_ROOM = 57  /* task u32, attempt u32, failure: given back, as it found no room there */
};

#define SBL_NOBODY     UINT32_MAX       /* no worker */
#define SBL_EVERYBODY  UINT32_MAX       /* in place of a count of workers */
#define SBL_ELSEWHERE  UINT32_MAX       /* in place of a count of bytes */
#define SBL_HERE_IT_IS (UINT32_MAX - 1) /* in place of a worker: the bytes follow */
#define SBL_MADE_THERE (UINT32_MAX - 2) /* in place of a worker: it is made by, or lies with, the one that is told */
#define SBL_CLIENT_HAS (UINT32_MAX - 3) /* in place of a worker: a client will bring it */

/* A value of so many bytes is told, not kept. Counts of bytes that are told have SBL_ENCODED added if they are not plain bytes, but a
   value of another kind as it is put into words; the scheduler does not look into it. */
enum { SBL_INLINE = 256 };
#define SBL_ENCODED      0x40000000u
#define SBL_BYTES_OF(n_) ((n_) & ~SBL_ENCODED)

/** What tasks have in common. On the wire: number u32, priority i32, retries u32, timeout u64, size u64 (of a result; 0: not
    known), code (n u32, n bytes), name, where, workers, resources texts. */
typedef struct sbl_spec {
    uint32_t    number;
    int32_t     priority;
    uint32_t    retries;
    int64_t     timeout_ns;
    uint64_t    size;
    const char *code; /* as the code's name is put into words: the core only carries it */
    uint32_t    code_size;
    const char *name, *where;
    const char *workers,
        *resources; /* where its tasks may run, and what they take there (base/lists.h); "" or NULL: said to
                                        workers, who need not know */
} sbl_spec;
void sbl_say_spec(sbl_words *w, const sbl_spec *spec);
void sbl_hear_spec(sbl_spec *spec, sbl_reader *r); /* borrows from the message */

enum { SBL_MOST_ALIKE = 1 << 24, SBL_MOST_EACH_ARG = 1 << 20 };
/** n alike tasks, at most SBL_MOST_ALIKE. On the wire: its numbers as they stand here, then inputs (serials u64; n_inputs of them for each task, or,
    shared, for all together), then arguments (arg_size bytes for each task). */
typedef struct sbl_group {
    uint64_t    serial; /* of the first; the others follow */
    uint32_t    n, spec, n_inputs, shared, arg_size;
    const char *inputs, *args; /* when heard: in the message, unaligned */
} sbl_group;
/** Says the head; inputs and arguments are said by the caller. */
void sbl_say_group(sbl_words *w, const sbl_group *group);
void sbl_hear_group(sbl_group *group, sbl_reader *r);

/** A task that a worker is to run. On the wire: as here, then for each input: task u32, attempt u32, size u64, worker u32 (or
    SBL_HERE_IT_IS and the bytes, ...); then the argument. */
typedef struct sbl_order {
    uint64_t rank; /* among those of its priority: the least goes first */
    uint32_t task, attempt, spec, n_inputs, arg_size;
    uint32_t awaited; /* so many have it as an input, when this is said; or one of these: */
} sbl_order;
#define SBL_BY_CLIENT UINT32_MAX       /* its client wants it */
#define SBL_BY_MANY   (UINT32_MAX - 1) /* more tasks than were counted */
_Static_assert(sizeof(sbl_order) == 32, "it crosses the wire as it is");
void sbl_say_order(sbl_words *w, const sbl_order *order);
void sbl_hear_order(sbl_order *order, sbl_reader *r);

/** A failure: status u32, and the texts of a sabal_error. */
void sbl_say_failure(sbl_words *w, const sabal_error *err);
void sbl_hear_failure(sabal_error *err, sbl_reader *r);

/* Letters on their way out to one peer. Zero it first. */
typedef struct sbl_outbox {
    sbl_words words;
    size_t    open; /* where the last letter begins */
    uint32_t  kind; /* its kind; 0: none is open */
} sbl_outbox;

/** For one item more of that kind: in the letter that is open, or a new one. */
sbl_words *sbl_outbox_item(sbl_outbox *box, uint32_t kind);
/** Ends the last letter: the words may go. */
void sbl_outbox_close(sbl_outbox *box);
/** They have gone. */
void sbl_outbox_empty(sbl_outbox *box);

/** The next letter of a frame, as a reader of its own; 0: there is none (frame->failed: it was broken). Returns its kind. */
uint32_t sbl_letter_next(sbl_reader *letter, sbl_reader *frame);

#endif
