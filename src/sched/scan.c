/*
 * A scan: the tree of a reduction (reduce.c), gone through upwards for the sums of its nodes and downwards for what
 * comes before them. A node for which that is known goes both ways at once, leaf by leaf, while the leaf's data is in
 * the cache; so a thread alone reads the data once from memory. The right half of a node is offered to thieves; who
 * takes it doesn't know yet what comes before, and only sums up; the way down follows once the left half is done.
 * Both ways join the same values in the same order, so nothing depends on who ran what.
 */
#include <string.h>

#include "base/alloc.h"
#include "sched/job_pool.h"
#include "sched/range.h"
#include "sched/worker.h"

#define STACK_BYTES 2048 /* of values, for scans of few leaves */

typedef struct scan {
    sabal_leaf_fn    *fn;
    sabal_combine_fn *combine;
    sabal_prefix_fn  *write;
    void             *context;
    sbl_leaves        leaves;
    size_t            size, stride;
    unsigned char    *values; /* two of `stride` bytes for each leaf, see sum_of() and before_of() */
    int               from_neutral;
    sbl_first         failed; /* by the number of leaves */
} scan;

struct node {
    sabal_job_fn *run;
    uintptr_t     thief;
    scan         *scan;
    void         *value; /* upwards: where the sum goes; downwards: what comes before */
    int64_t       first, last;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct node) <= sizeof(struct sabal_record), "a node is a record");

/* Of the node that is cut at `middle`: the sum of its left half. 0: the sum of all. */
static void *sum_of(const scan *s, int64_t middle)
{
    return s->values + (size_t)middle * 2 * s->stride;
}

/* Of the node that is cut at `middle`: what comes before its right half. 0: before all. */
static void *before_of(const scan *s, int64_t middle)
{
    return s->values + ((size_t)middle * 2 + 1) * s->stride;
}

static void sum_leaf(scan *s, void *sum, int64_t leaf)
{
    sabal_status status = s->fn(sum, sbl_leaf_begin(&s->leaves, leaf), sbl_leaf_end(&s->leaves, leaf), s->context);

    if (__builtin_expect(status != SABAL_OK, 0))
        sbl_first_note(&s->failed, leaf, status);
}

static void write_leaf(scan *s, const void *before, int64_t leaf)
{
    sabal_status status;

    if (leaf >= sbl_first_at(&s->failed))
        return;
    status = s->write(before, sbl_leaf_begin(&s->leaves, leaf), sbl_leaf_end(&s->leaves, leaf), s->context);
    if (__builtin_expect(status != SABAL_OK, 0))
        sbl_first_note(&s->failed, leaf, status);
}

/* What comes before the right half, once the left half has its sum. The neutral value is not joined with anything. */
static const void *move_on(scan *s, const void *before, int64_t middle)
{
    void *next = before_of(s, middle);

    if (middle > sbl_first_at(&s->failed))
        return next; /* nobody will look at it */
    if (s->from_neutral && before == before_of(s, 0)) {
        memcpy(next, sum_of(s, middle), s->size);
    } else {
        memcpy(next, before, s->size);
        s->combine(next, sum_of(s, middle), s->context);
    }
    return next;
}

/* *sum is that of the right half and becomes that of the node; what came before the right half is not needed any more. */
static void join_sums(scan *s, void *sum, int64_t middle, int64_t last)
{
    void *both = before_of(s, middle);

    if (last > sbl_first_at(&s->failed))
        return;
    memcpy(both, sum_of(s, middle), s->size);
    s->combine(both, sum, s->context);
    memcpy(sum, both, s->size);
}

/* The next free record: behind head if the node could be offered there, else head. */
static struct sabal_record *offer(struct sabal_place *place, struct sabal_record *head, const struct node *node)
{
    if (head >= place->end) /* as deep as that, one thread will do */
        return head;
    *(struct node *)head = *node;
    if (__builtin_expect(__atomic_load_n(&place->request, __ATOMIC_RELAXED), 0))
        sabal_job_share(place, head + 1);
    return head + 1;
}

static int was_taken(struct sabal_place *place, struct sabal_record *head, const struct sabal_record *next)
{
    return next > head && head < place->split && sabal_job_sync(place, head);
}

/* --- upwards: sums alone ---------------------------------------------------------------------------------------- */

static void go_up(struct sabal_place *place, struct sabal_record *head, scan *s, void *sum, int64_t first,
                  int64_t last);

static void run_up(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    struct node *n = (struct node *)self;

    go_up(place, head, n->scan, n->value, n->first, n->last);
}

static struct sabal_record *offer_up(struct sabal_place *place, struct sabal_record *head, scan *s, void *sum,
                                     int64_t first, int64_t last)
{
    return offer(place, head, &(struct node){.run = run_up, .scan = s, .value = sum, .first = first, .last = last});
}

static void go_up(struct sabal_place *place, struct sabal_record *head, scan *s, void *sum, int64_t first, int64_t last)
{
    struct sabal_record *next;
    int64_t              middle;

    if (first > sbl_first_at(&s->failed))
        return;
    if (last - first == 1) {
        sum_leaf(s, sum, first);
        return;
    }
    middle = sbl_leaves_middle(first, last);
    next   = offer_up(place, head, s, sum, middle, last);
    go_up(place, next, s, sum_of(s, middle), first, middle);
    if (!was_taken(place, head, next))
        go_up(place, head, s, sum, middle, last);
    join_sums(s, sum, middle, last);
}

/* --- downwards: the sums are there ------------------------------------------------------------------------------ */

static void go_down(struct sabal_place *place, struct sabal_record *head, scan *s, const void *before, int64_t first,
                    int64_t last);

static void run_down(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    struct node *n = (struct node *)self;

    go_down(place, head, n->scan, n->value, n->first, n->last);
}

static void go_down(struct sabal_place *place, struct sabal_record *head, scan *s, const void *before, int64_t first,
                    int64_t last)
{
    struct sabal_record *next;
    const void          *after;
    int64_t              middle;

    if (first > sbl_first_at(&s->failed))
        return;
    if (last - first == 1) {
        write_leaf(s, before, first);
        return;
    }
    middle = sbl_leaves_middle(first, last);
    after  = move_on(s, before, middle);
    next   = offer(place, head,
                   &(struct node){.run = run_down, .scan = s, .value = (void *)after, .first = middle, .last = last});
    go_down(place, next, s, before, first, middle);
    if (!was_taken(place, head, next))
        go_down(place, head, s, after, middle, last);
}

/* --- both at once ----------------------------------------------------------------------------------------------- */

static void go_through(struct sabal_place *place, struct sabal_record *head, scan *s, void *sum, const void *before,
                       int64_t first, int64_t last)
{
    struct sabal_record *next;
    const void          *after;
    int64_t              middle;

    if (first > sbl_first_at(&s->failed))
        return;
    if (last - first == 1) {
        sum_leaf(s, sum, first);
        write_leaf(s, before, first);
        return;
    }
    middle = sbl_leaves_middle(first, last);
    next   = offer_up(place, head, s, sum, middle, last);
    go_through(place, next, s, sum_of(s, middle), before, first, middle);
    after = move_on(s, before, middle);
    if (was_taken(place, head, next))
        go_down(place, head, s, after, middle, last);
    else
        go_through(place, head, s, sum, after, middle, last);
    join_sums(s, sum, middle, last);
}

static void run_through(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self)
{
    struct node *n = (struct node *)self;

    go_through(place, head, n->scan, sum_of(n->scan, 0), before_of(n->scan, 0), n->first, n->last);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

void sabal_scan_options_init(sabal_scan_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

/* What comes before all: the given value, else the neutral one, which fn makes of an empty range. */
static sabal_status begin_with(scan *s, const void *initial)
{
    s->from_neutral = !initial;
    if (!initial)
        return s->fn(before_of(s, 0), s->leaves.begin, s->leaves.begin, s->context);
    memcpy(before_of(s, 0), initial, s->size);
    return SABAL_OK;
}

static void give_total(void *total, scan *s, int is_empty)
{
    if (!s->from_neutral && !is_empty)
        s->combine(before_of(s, 0), sum_of(s, 0), s->context);
    memcpy(total, s->from_neutral && !is_empty ? sum_of(s, 0) : before_of(s, 0), s->size);
}

static sabal_status run_scan(scan *s, void *total, sbl_pool *pool, const void *initial)
{
    struct node  root     = {.run = run_through, .scan = s, .last = s->leaves.n};
    int          is_empty = s->leaves.begin == s->leaves.end;
    sabal_status status   = begin_with(s, initial);

    if (!status && !is_empty) {
        sbl_job_run(pool, (struct sabal_record *)&root);
        status = s->failed.status;
    }
    if (!status && total)
        give_total(total, s, is_empty);
    return status;
}

sabal_status sbl_scan(void *total, size_t size, sbl_pool *pool, int64_t begin, int64_t end, sabal_leaf_fn *fn,
                      sabal_combine_fn *combine, sabal_prefix_fn *write, void *context,
                      const sabal_scan_options *options)
{
    _Alignas(64) unsigned char local[STACK_BYTES];
    size_t                     bytes;
    sabal_status               status;
    scan                       s = {.fn      = fn,
                                    .combine = combine,
                                    .write   = write,
                                    .context = context,
                                    .size    = size,
                                    .stride  = (size + 15) & ~(size_t)15,
                                    .values  = local,
                                    .failed  = SBL_FIRST_INIT};

    if (options && options->grain < 0)
        return SABAL_EINVAL;
    sbl_leaves_cut(&s.leaves, begin, end, options ? options->grain : 0);
    if (s.stride < size || __builtin_mul_overflow((uint64_t)s.leaves.n, s.stride, &bytes) ||
        __builtin_mul_overflow(bytes, 2, &bytes))
        return SABAL_ENOMEM;
    if (bytes > sizeof local)
        s.values = sbl_alloc_aligned(64, bytes);
    if (!s.values)
        return SABAL_ENOMEM;
    status = run_scan(&s, total, pool, options ? options->initial : NULL);
    if (s.values != local)
        sbl_free(s.values);
    pthread_mutex_destroy(&s.failed.lock);
    return status;
}
