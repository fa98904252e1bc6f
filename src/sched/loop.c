/*
 * Loops by lazy splitting: a thread goes through its range piece by piece and gives half of the rest away
 * only when a thief has asked. So a loop that nobody helps with costs a flag's test a piece.
 */
#include "sched/loop.h"

#include <string.h>

#include "sched/futex.h"
#include "sched/worker.h"

#define PIECES_A_THREAD 32

/* All that running it needs: a thief does not wait for the loop's own line before it begins. */
struct piece {
    sabal_job_fn *run;
    uintptr_t     thief;
    sbl_loop     *loop;
    sabal_for_fn *fn;
    void         *context;
    int64_t       begin, end, grain;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct piece) <= sizeof(struct sabal_record), "a piece is a record");

/* Of a loop whose pieces nobody asked for: long ones as long as there is much left, as each costs something; short ones at
   the end, so that all threads end together. */
static inline uint64_t longer(uint64_t grain, uint64_t left)
{
    return left / 8 >= grain ? 4 * grain : left / 4 >= grain ? 2 * grain : grain;
}

/*
 * In a register of its own. Two neighbours that are fetched together wait until what was just written is in the cache; and what
 * is computed anew from one that outlives a call need not come back from the stack.
 */
static inline int64_t alone(int64_t word)
{
    __asm__("" : "+r"(word));
    return word;
}

/* A thief has these lines. Who calls one loop after another writes them for the next one: what it is told, the loop's own, and
   its word. */
static inline void expect_next(struct sabal_place *place, sbl_loop *loop)
{
    sbl_prefetch_write(loop->context);
    sbl_prefetch_write(&loop->failed);
    sbl_prefetch_write(&((sbl_slot *)place)->shared);
}

/*
 * Loops are short: what is read here was often written just before, word by word, and a copy of whole structures by wide
 * registers would wait until these words are in the cache, behind those that a thief has in his.
 */
__attribute__((always_inline)) static inline void run(struct sabal_place *place, struct sabal_record *head,
                                                      struct sabal_record *self, sabal_job_fn *again, int is_free,
                                                      int is_root)
{
    const struct piece  *whole   = (struct piece *)self;
    sbl_loop            *loop    = whole->loop;
    sabal_for_fn        *fn      = whole->fn;
    void                *context = whole->context;
    int64_t              begin = whole->begin, end = whole->end;
    const uint64_t       grain = (uint64_t)whole->grain;
    struct sabal_record *top   = head;
    /* The whole offers its half at once: often it is so short that it would be too late for who is idle to ask first. */
    int offer = is_root && ((sbl_slot *)place)->pool;

    sbl_note_loop(place, loop, context);
    while (begin <= sbl_first_at(&loop->failed)) { /* something is left as long as this goes round */
        const uint64_t left = sbl_distance(begin, end), step = is_free ? longer(grain, left) : grain;
        int64_t        stop;
        sabal_status   status;

        const int asked = __atomic_load_n(&place->request, __ATOMIC_RELAXED);

        if (__builtin_expect((asked | offer) && left > grain && top < place->end, 0)) {
            struct piece *half = (struct piece *)top++;

            half->run     = again;
            half->loop    = loop;
            half->fn      = fn;
            half->context = context;
            half->end     = end;
            half->grain   = (int64_t)grain;
            half->begin = end = (int64_t)((uint64_t)begin + ((left - 1) / grain + 1) / 2 * grain);
            if (asked && sbl_distance(begin, end) > grain)
                sabal_job_share(place, top);
            else
                sbl_job_share_unasked(place, top); /* there is no more to ask for: the flag need not change hands */
            offer = 0;
            continue;
        }
        stop   = left > step ? (int64_t)((uint64_t)begin + step) : end;
        status = fn(begin, stop, context);
        if (__builtin_expect(status != SABAL_OK, 0))
            sbl_first_note(&loop->failed, begin, status);
        if (left <= step)
            break;
        begin = (int64_t)((uint64_t)alone(begin) + step);
    }
    while (top > head) {
        top--;
        if (top < place->split && sabal_job_sync(place, top))
            expect_next(place, loop);
        else
            again(place, top, top);
    }
}

void sbl_piece_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    run(place, head, self, sbl_piece_job, 0, 0);
}

/* Pieces may be of several grains. */
void sbl_free_piece_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    run(place, head, self, sbl_free_piece_job, 1, 0);
}

static void run_whole(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    run(place, head, self, sbl_piece_job, 0, 1);
}

static void run_free_whole(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    run(place, head, self, sbl_free_piece_job, 1, 1);
}

int64_t sbl_loop_pieces(const sbl_pool *pool)
{
    return (int64_t)(pool ? pool->threads : 1) * PIECES_A_THREAD;
}

static void run_lazily(sbl_loop *l, sbl_pool *pool)
{
    struct piece root = {.run     = l->grain ? run_whole : run_free_whole,
                         .loop    = l,
                         .fn      = l->fn,
                         .context = l->context,
                         .begin   = alone(l->begin),
                         .end     = alone(l->end)};
    uint64_t     n = sbl_distance(l->begin, l->end), pieces = (uint64_t)sbl_loop_pieces(pool), grain;

    if (!l->grain) {
        grain    = n / pieces + (n % pieces != 0);
        l->grain = grain > INT64_MAX ? INT64_MAX : (int64_t)grain;
    }
    root.grain = l->grain;
    sbl_job_run_offered(pool, (struct sabal_record *)&root);
}

sabal_status sbl_loop_run(sbl_loop *loop, sbl_pool *pool, enum sabal_schedule schedule)
{
    sbl_first_init(&loop->failed);
    if (schedule == SABAL_STATIC)
        sbl_loop_run_static(loop, pool);
    else
        run_lazily(loop, pool);
    pthread_mutex_destroy(&loop->failed.lock);
    return loop->failed.status;
}

void sabal_for_options_init(sabal_for_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

sabal_status sbl_for(sbl_pool *pool, int64_t begin, int64_t end, sabal_for_fn *fn, void *context,
                     const sabal_for_options *options)
{
    const int64_t             grain    = options ? options->grain : 0;
    const enum sabal_schedule schedule = options ? options->schedule : SABAL_LAZY;
    sbl_loop                  l; /* `failed` is not written twice */

    if (grain < 0 || (schedule != SABAL_LAZY && schedule != SABAL_STATIC))
        return SABAL_EINVAL;
    l.fn      = fn;
    l.context = context;
    l.begin   = begin;
    l.end     = end;
    l.grain   = grain;
    return begin < end ? sbl_loop_run(&l, pool, schedule) : SABAL_OK;
}
