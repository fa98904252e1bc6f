/*
 * Loops by lazy splitting: a thread goes through its range piece by piece and gives half of the rest away
 * only when a thief has asked. So a loop that nobody helps with costs a flag's test a piece.
 */
#include "sched/loop.h"

#include <string.h>

#include "sched/worker.h"

#define PIECES_A_THREAD 32

struct piece {
    sabal_job_fn *run;
    uintptr_t     thief;
    sbl_loop     *loop;
    int64_t       begin, end;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct piece) <= sizeof(struct sabal_record), "a piece is a record");

static void run_range(struct sabal_place *place, struct sabal_record *head, sbl_loop *l, int64_t begin, int64_t end)
{
    struct sabal_record *top   = head;
    uint64_t             grain = (uint64_t)l->grain;

    while (begin < end && begin <= sbl_first_at(&l->failed)) {
        uint64_t left = sbl_distance(begin, end);

        if (__atomic_load_n(&place->request, __ATOMIC_RELAXED) && left > grain && top < place->end) {
            struct piece *half = (struct piece *)top++;

            half->run   = sbl_loop_piece;
            half->loop  = l;
            half->begin = (int64_t)((uint64_t)begin + ((left - 1) / grain + 1) / 2 * grain);
            half->end   = end;
            end         = half->begin;
            sabal_job_share(place, top);
        } else {
            int64_t      stop   = left > grain ? (int64_t)((uint64_t)begin + grain) : end;
            sabal_status status = l->fn(begin, stop, l->context);

            if (__builtin_expect(status != SABAL_OK, 0))
                sbl_first_note(&l->failed, begin, status);
            begin = stop;
        }
    }
    while (top > head) {
        top--;
        if (top >= place->split || !sabal_job_sync(place, top)) {
            struct piece *half = (struct piece *)top;

            run_range(place, top, half->loop, half->begin, half->end);
        }
    }
}

void sbl_loop_piece(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    struct piece *piece = (struct piece *)self;

    run_range(place, head, piece->loop, piece->begin, piece->end);
}

int64_t sbl_loop_pieces(const sbl_pool *pool)
{
    return (int64_t)(pool ? pool->threads : 1) * PIECES_A_THREAD;
}

static void run_lazily(sbl_loop *l, sbl_pool *pool)
{
    struct piece root = {.run = sbl_loop_piece, .loop = l, .begin = l->begin, .end = l->end};
    uint64_t     n = sbl_distance(l->begin, l->end), pieces = (uint64_t)sbl_loop_pieces(pool), grain;

    if (!l->grain) {
        grain    = n / pieces + (n % pieces != 0);
        l->grain = grain > INT64_MAX ? INT64_MAX : (int64_t)grain;
    }
    sbl_job_run(pool, (struct sabal_record *)&root);
}

sabal_status sbl_loop_run(sbl_loop *loop, sbl_pool *pool, enum sabal_schedule schedule)
{
    loop->failed = (sbl_first)SBL_FIRST_INIT;
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
    sabal_for_options o = options ? *options : (sabal_for_options){0};
    sbl_loop          l = {.fn = fn, .context = context, .begin = begin, .end = end, .grain = o.grain};

    if (o.grain < 0 || (o.schedule != SABAL_LAZY && o.schedule != SABAL_STATIC))
        return SABAL_EINVAL;
    return begin < end ? sbl_loop_run(&l, pool, o.schedule) : SABAL_OK;
}
