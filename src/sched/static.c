/*
 * The static form of a loop: a block for each thread of the pool, the same for the same thread each time. All threads
 * get one piece of mail, which is the loop itself: the number of the thread is that of its block. The caller runs its
 * own block, takes back what others have not begun with, the last ones first (they were woken last), and runs that too.
 */
#include "sched/futex.h"
#include "sched/loop.h"
#include "sched/worker.h"

#define SPIN_NS 30000 /* the others end at about the same time: a sleep would cost more */

struct blocks {
    sbl_mail        mail; /* first: the threads know the loop by it */
    sbl_loop       *loop;
    sbl_pool       *pool;
    uint64_t        n_pieces;
    int32_t         n_blocks;
    int             whole;   /* a block is one piece */
    _Atomic int32_t holders; /* the caller, and those who got mail that was not taken back and are not done */
    sbl_event       done;    /* none is left */
};

struct root {
    sabal_job_fn  *run;
    uintptr_t      thief;
    struct blocks *blocks;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct root) <= sizeof(struct sabal_record), "a root is a record");

/* Pieces are dealt out evenly: the first blocks have one more if they can't be. */
static int64_t begin_of(const struct blocks *b, int32_t block)
{
    uint64_t each = b->n_pieces / (uint64_t)b->n_blocks, more = b->n_pieces % (uint64_t)b->n_blocks;
    uint64_t i = (uint64_t)block;

    if (block == b->n_blocks)
        return b->loop->end;
    return (int64_t)((uint64_t)b->loop->begin + (i * each + (i < more ? i : more)) * (uint64_t)b->loop->grain);
}

static void run_block(struct blocks *b, int32_t block)
{
    int64_t      begin = begin_of(b, block), end = begin_of(b, block + 1);
    sabal_status status;

    if (!b->whole) {
        sbl_loop_run_pieces(b->loop, begin, end);
    } else if (begin <= sbl_first_at(&b->loop->failed)) {
        status = b->loop->fn(begin, end, b->loop->context);
        if (status)
            sbl_first_note(&b->loop->failed, begin, status);
    }
}

static void let_go(struct blocks *b, int32_t n)
{
    /* acq_rel: all that the holders did; the caller sees it when the event is set, or here if he is the last */
    if (atomic_fetch_sub_explicit(&b->holders, n, memory_order_acq_rel) == n)
        sbl_event_set(&b->done);
}

static void run_mail(sbl_mail *mail, sbl_slot *self)
{
    struct blocks *b = (struct blocks *)mail;

    run_block(b, self->index);
    sbl_chaos();
    let_go(b, 1);
}

static void wait_for_others(struct blocks *b)
{
    int64_t ends = 0;

    while (!sbl_event_is_set(&b->done)) {
        for (int i = 0; i < 64; i++)
            sbl_pause();
        if (sbl_spin_is_over(&ends, SPIN_NS)) {
            sbl_event_wait(&b->done, -1);
            return;
        }
    }
}

static void run_blocks(struct blocks *b)
{
    int32_t  place = b->pool ? sbl_pool_place(b->pool) : -1, own = place >= 0 && place < b->n_blocks ? place : 0;
    uint64_t sent[SBL_MAX_THREADS / 64] = {0};

    for (int32_t i = 0; i < b->n_blocks; i++)
        if (i != own && sbl_mail_put(sbl_slot_at(b->pool, i), &b->mail))
            sent[i / 64] |= (uint64_t)1 << (i % 64);
    run_block(b, own);
    for (int32_t i = b->n_blocks; i-- > 0;)
        if (i != own && (!(sent[i / 64] >> (i % 64) & 1) || sbl_mail_take_back(sbl_slot_at(b->pool, i), &b->mail))) {
            run_block(b, i);
            let_go(b, 1);
        }
    let_go(b, 1);
    wait_for_others(b);
}

static void run_root(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    run_blocks(((struct root *)self)->blocks);
}

void sbl_loop_run_static(sbl_loop *loop, sbl_pool *pool)
{
    struct blocks b    = {.mail = {.run = run_mail}, .loop = loop, .pool = pool, .whole = !loop->grain};
    struct root   root = {.run = run_root, .blocks = &b};
    int32_t       most = pool ? pool->threads : 1;

    if (b.whole)
        loop->grain = 1;
    b.n_pieces = (sbl_distance(loop->begin, loop->end) - 1) / (uint64_t)loop->grain + 1;
    b.n_blocks = b.n_pieces < (uint64_t)most ? (int32_t)b.n_pieces : most;
    atomic_init(&b.holders, b.n_blocks);
    sbl_job_run(pool, (struct sabal_record *)&root);
}
