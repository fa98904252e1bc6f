/*
 * A reduction is a tree over its leaves: a node of n leaves has the largest power of two below n of them on
 * its left. Where leaves begin and who is joined with whom depends on range and grain; thieves only decide
 * who runs a node.
 */
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/job_pool.h"
#include "sched/worker.h"

#define SMALL      64 /* bytes of a partial result that lives on the stack */
#define MAX_LEAF   4096
#define MAX_LEAVES 65536

typedef struct reduction {
    sabal_leaf_fn    *fn;
    sabal_combine_fn *combine;
    void             *context;
    int64_t           begin, end, grain;
    size_t            stride;
    unsigned char    *slots;     /* one of `stride` bytes for each leaf; NULL: partial results live on the stack */
    _Atomic int64_t   failed_at; /* first leaf that failed; INT64_MAX: none did */
    sabal_status      status;    /* its status */
    pthread_mutex_t   lock;      /* guards changes of the two */
} reduction;

struct node {
    sabal_job_fn *run;
    uintptr_t     thief;
    reduction    *reduction;
    void         *partial;
    int64_t       first, last; /* leaves, last excluded */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct node) <= sizeof(struct sabal_record), "a node is a record");

static void run_leaf(reduction *r, void *partial, int64_t leaf)
{
    int64_t      begin = (int64_t)((uint64_t)r->begin + (uint64_t)leaf * (uint64_t)r->grain);
    uint64_t     left  = (uint64_t)r->end - (uint64_t)begin;
    int64_t      end   = left > (uint64_t)r->grain ? (int64_t)((uint64_t)begin + (uint64_t)r->grain) : r->end;
    sabal_status status;

    status = r->fn(partial, begin, end, r->context);
    if (__builtin_expect(status != SABAL_OK, 0)) {
        pthread_mutex_lock(&r->lock);
        if (leaf < atomic_load_explicit(&r->failed_at, memory_order_relaxed)) {
            atomic_store_explicit(&r->failed_at, leaf, memory_order_relaxed);
            r->status = status;
        }
        pthread_mutex_unlock(&r->lock);
    }
}

static void run_node(struct sabal_place *place, struct sabal_record *head, reduction *r, void *partial, int64_t first,
                     int64_t last);

static void run_record(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    struct node *n = (struct node *)self;

    run_node(place, head, n->reduction, n->partial, n->first, n->last);
}

static void run_both(struct sabal_place *place, struct sabal_record *head, reduction *r, void *left, void *right,
                     int64_t first, int64_t middle, int64_t last)
{
    struct node *n = (struct node *)head;

    if (head >= place->end) { /* as deep as that, one thread will do */
        run_node(place, head, r, left, first, middle);
        run_node(place, head, r, right, middle, last);
        return;
    }
    n->run       = run_record;
    n->reduction = r;
    n->partial   = right;
    n->first     = middle;
    n->last      = last;
    if (__builtin_expect(__atomic_load_n(&place->request, __ATOMIC_RELAXED), 0))
        sabal_job_share(place, head + 1);
    run_node(place, head + 1, r, left, first, middle);
    if (head >= place->split || !sabal_job_sync(place, head))
        run_node(place, head, r, right, middle, last);
}

static void run_node(struct sabal_place *place, struct sabal_record *head, reduction *r, void *partial, int64_t first,
                     int64_t last)
{
    _Alignas(16) unsigned char local[SMALL];
    int64_t                    n = last - first, middle;
    void                      *right;

    if (first > atomic_load_explicit(&r->failed_at, memory_order_relaxed))
        return; /* nobody will look at the result */
    if (n == 1) {
        run_leaf(r, partial, first);
        return;
    }
    middle = first + ((int64_t)1 << (63 - __builtin_clzll((uint64_t)n - 1)));
    right  = r->slots ? r->slots + (size_t)middle * r->stride : local;
    run_both(place, head, r, partial, right, first, middle, last);
    if (atomic_load_explicit(&r->failed_at, memory_order_relaxed) == INT64_MAX)
        r->combine(partial, right, r->context);
}

static int64_t choose_grain(uint64_t n, int64_t asked)
{
    uint64_t grain = n / 16 + (n % 16 != 0), least = n / MAX_LEAVES + (n % MAX_LEAVES != 0);

    if (asked)
        return asked;
    if (grain > MAX_LEAF)
        grain = MAX_LEAF;
    return (int64_t)(grain < least ? least : grain);
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
    uint64_t                   n    = end > begin ? (uint64_t)end - (uint64_t)begin : 0, n_leaves;
    reduction                  r    = {.fn        = fn,
                                       .combine   = combine,
                                       .context   = context,
                                       .begin     = begin,
                                       .end       = end,
                                       .failed_at = INT64_MAX,
                                       .lock      = PTHREAD_MUTEX_INITIALIZER};
    struct node                root = {.run = run_record, .reduction = &r};
    size_t                     bytes;

    if (options && options->grain < 0)
        return SABAL_EINVAL;
    if (!n)
        r.end = begin;
    r.grain  = n ? choose_grain(n, options ? options->grain : 0) : 1;
    n_leaves = n ? (n - 1) / (uint64_t)r.grain + 1 : 1;
    r.stride = (out_size + 15) & ~(size_t)15;
    if (out_size > SMALL) {
        if (__builtin_mul_overflow(n_leaves, r.stride, &bytes))
            return SABAL_ENOMEM;
        r.slots = sbl_alloc_aligned(64, bytes);
        if (!r.slots)
            return SABAL_ENOMEM;
    }
    root.partial = r.slots ? r.slots : local;
    root.last    = n_leaves > INT64_MAX ? INT64_MAX : (int64_t)n_leaves;
    sbl_job_run(pool, (struct sabal_record *)&root);
    if (!r.status)
        memcpy(out, root.partial, out_size);
    sbl_free(r.slots);
    pthread_mutex_destroy(&r.lock);
    return r.status;
}
