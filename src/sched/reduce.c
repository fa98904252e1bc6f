/*
 * A reduction is a tree over its leaves: a node of n leaves has the largest power of two below n of them on
 * its left. Where leaves begin and who is joined with whom depends on range and grain; thieves only decide
 * who runs a node.
 */
#include <string.h>

#include "base/alloc.h"
#include "sched/job_pool.h"
#include "sched/range.h"
#include "sched/worker.h"

#define SMALL    64 /* bytes of a partial result that lives on the stack */
#define SMALLEST 16 /* of one that a thief leaves in the record that he took */

/* What a thief needs to begin comes first, on one line, and nothing that the owner writes meanwhile shares it. */
typedef struct reduction {
    sabal_leaf_fn    *fn;
    void             *context;
    sbl_leaves        leaves;
    sbl_first         failed; /* by the number of leaves */
    sabal_combine_fn *combine;
    size_t            stride;
    unsigned char    *slots; /* one of `stride` bytes for each leaf; NULL: partial results live on the stack */
} __attribute__((aligned(64))) reduction;

struct node {
    sabal_job_fn *run;
    uintptr_t     thief;
    reduction    *reduction;
    void         *partial;
    int64_t       first, last;                   /* leaves, last excluded */
    _Alignas(16) unsigned char result[SMALLEST]; /* of a thief: it comes with the word that it is there */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct node) <= sizeof(struct sabal_record), "a node is a record");

static void run_leaf(reduction *r, void *partial, int64_t leaf)
{
    sabal_status status = r->fn(partial, sbl_leaf_begin(&r->leaves, leaf), sbl_leaf_end(&r->leaves, leaf), r->context);

    if (__builtin_expect(status != SABAL_OK, 0))
        sbl_first_note(&r->failed, leaf, status);
}

static void run_node(struct sabal_place *place, struct sabal_record *head, reduction *r, void *partial, int64_t first,
                     int64_t last, int offer);

void sbl_sum_job(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    _Alignas(16) unsigned char own[SMALLEST];
    struct node               *n = (struct node *)self;

    sbl_note_loop(place, n->reduction, n->reduction->context);
    if (n->partial != n->result) {
        run_node(place, head, n->reduction, n->partial, n->first, n->last, 0);
        return;
    }
    run_node(place, head, n->reduction, own, n->first, n->last, 0);
    memcpy(n->result, own, SMALLEST); /* at last: the owner looks at this line while it waits */
}

static void run_root(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    struct node *n = (struct node *)self;

    run_node(place, head, n->reduction, n->partial, n->first, n->last, ((sbl_slot *)place)->pool != NULL);
}

/* Gives where the right one's result is. */
static void *run_both(struct sabal_place *place, struct sabal_record *head, reduction *r, void *left, void *right,
                      int64_t first, int64_t middle, int64_t last, int offer)
{
    struct node *n = (struct node *)head;

    if (head >= place->end) { /* as deep as that, one thread will do */
        run_node(place, head, r, left, first, middle, 0);
        run_node(place, head, r, right, middle, last, 0);
        return right;
    }
    n->run       = sbl_sum_job;
    n->reduction = r;
    n->partial   = r->stride <= SMALLEST ? n->result : right;
    n->first     = middle;
    n->last      = last;
    if (__builtin_expect(__atomic_load_n(&place->request, __ATOMIC_RELAXED), 0))
        sabal_job_share(place, head + 1);
    else if (offer) /* reductions are short: it would be too late for who is idle to ask first */
        sbl_job_share_unasked(place, head + 1);
    run_node(place, head + 1, r, left, first, middle, 0);
    if (head < place->split && sabal_job_sync(place, head))
        return n->partial;
    run_node(place, head, r, right, middle, last, 0);
    return right;
}

static void run_node(struct sabal_place *place, struct sabal_record *head, reduction *r, void *partial, int64_t first,
                     int64_t last, int offer)
{
    _Alignas(16) unsigned char local[SMALL];
    int64_t                    middle;
    void                      *right;

    if (first > sbl_first_at(&r->failed))
        return; /* nobody will look at the result */
    if (last - first == 1) {
        run_leaf(r, partial, first);
        return;
    }
    middle = sbl_leaves_middle(first, last);
    right  = r->slots ? r->slots + (size_t)middle * r->stride : local;
    right  = run_both(place, head, r, partial, right, first, middle, last, offer);
    if (sbl_first_at(&r->failed) == INT64_MAX)
        r->combine(partial, right, r->context);
}

void sabal_reduce_options_init(sabal_reduce_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

sabal_status sbl_reduce(void *out, size_t out_size, sbl_pool *pool, int64_t begin, int64_t end, sabal_leaf_fn *fn,
                        sabal_combine_fn *combine, void *context, const sabal_reduce_options *options)
{
    _Alignas(16) unsigned char local[SMALL];
    reduction                  r;
    struct node                root = {.run = run_root, .reduction = &r};
    size_t                     bytes;

    if (options && options->grain < 0)
        return SABAL_EINVAL;
    r.fn      = fn;
    r.combine = combine;
    r.context = context;
    r.slots   = NULL;
    r.stride  = (out_size + 15) & ~(size_t)15;
    sbl_leaves_cut(&r.leaves, begin, end, options ? options->grain : 0);
    sbl_first_init(&r.failed);
    if (out_size > SMALL) {
        if (__builtin_mul_overflow((uint64_t)r.leaves.n, r.stride, &bytes))
            return SABAL_ENOMEM;
        r.slots = sbl_alloc_aligned(64, bytes);
        if (!r.slots)
            return SABAL_ENOMEM;
    }
    root.partial = r.slots ? r.slots : local;
    root.last    = r.leaves.n;
    sbl_job_run_offered(pool, (struct sabal_record *)&root);
    if (!r.failed.status)
        memcpy(out, root.partial, out_size);
    sbl_free(r.slots);
    pthread_mutex_destroy(&r.failed.lock);
    return r.failed.status;
}
