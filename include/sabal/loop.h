/*
 * Loops, reductions and scans over ranges, on the threads of a client's pool.
 *
 *     sabal_for(client, 0, n, fill, x);
 *     sabal_reduce(&sum, sizeof sum, client, 0, n, add_up, add, x);
 */
#ifndef SABAL_LOOP_H
#define SABAL_LOOP_H

#include <sabal/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A piece of a loop: indexes begin (included) to end (excluded). A status other than SABAL_OK ends the loop early:
 * pieces behind that one are not begun any more.
 */
typedef sabal_status sabal_for_fn(int64_t begin, int64_t end, void *context);
/** A leaf of a reduction: writes the partial result of begin to end, which for begin == end is the neutral one. */
typedef sabal_status sabal_leaf_fn(void *partial, int64_t begin, int64_t end, void *context);
/** Joins two neighbours: left becomes the result of both ranges. */
typedef void sabal_combine_fn(void *left, const void *right, void *context);

/** Who runs what of a loop. */
enum sabal_schedule {
    SABAL_LAZY   = 0, /* half is offered to idle threads at once, then half of what is left whenever one asks         */
    SABAL_STATIC = 1  /* a block for each thread of the pool, in order, and the same block for the same thread each
                         time: memory that a block touches first is near its thread afterwards. The caller takes part:
                         if it is no thread of the pool, in place of the first one. It waits for no thread that has not
                         begun with its block, but runs that block itself                                             */
};

/** How to loop. */
typedef struct sabal_for_options {
    size_t              struct_size;
    const char         *where;
    int64_t             grain;    /* indexes of a piece, but for the last; 0: a thirty-second of a thread's share, and
                                     two or four of these at once while much is left; for SABAL_STATIC all of it     */
    enum sabal_schedule schedule; /* default SABAL_LAZY                                                              */
} sabal_for_options;
#define SABAL_FOR_DEFAULTS .struct_size = sizeof(sabal_for_options), .where = SABAL_HERE
SABAL_API void sabal_for_options_init(sabal_for_options *options);

/**
 * Calls fn for pieces that together cover each index of begin .. end - 1 once; returns when all are done. Pieces begin
 * at begin + i * grain (blocks of SABAL_STATIC without a grain: at any index). Callable from any thread, in a task, in a
 * job, in another loop's fn. An empty range does nothing.
 *
 *   context  passed to fn; shared by all threads
 *   returns  SABAL_OK; else the status of the piece with the lowest begin that failed
 *
 * Cost:   about 3 ns a piece beside fn's own, 0.1 us a loop; about 10 us until a sleeping thread joins in
 * Errors: SABAL_EINVAL (a negative grain, an unknown schedule, a client that is NULL); fn's
 */
#ifndef __cplusplus
#define sabal_for(client, begin, end, fn, context, ...)                                                                \
    SABAL_WITH(sabal_for_with, ((client), (begin), (end), (fn), (context)), sabal_for_options, SABAL_FOR_DEFAULTS,     \
               __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_for_with(const sabal_client *client, int64_t begin, int64_t end, sabal_for_fn *fn,
                                      void *context, const sabal_for_options *options);

/**
 * A tile of a loop over two axes: the indexes begin0 .. end0 - 1 of the first, begin1 .. end1 - 1 of the second. A status
 * other than SABAL_OK ends the loop early: tiles behind that one, in the order of sabal_for_2d(), are not begun any more.
 */
typedef sabal_status sabal_for_2d_fn(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, void *context);
/** A tile of a loop over three axes. */
typedef sabal_status sabal_for_3d_fn(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, int64_t begin2,
                                     int64_t end2, void *context);

/** How to loop over two axes. */
typedef struct sabal_for_2d_options {
    size_t              struct_size;
    const char         *where;
    int64_t             grain[2]; /* indexes of a tile along each axis, but for the last; 0: the axes are cut, the first
                                     one first, until there are 32 tiles a thread                                    */
    enum sabal_schedule schedule; /* default SABAL_LAZY; a block of SABAL_STATIC is a run of tiles                    */
} sabal_for_2d_options;
#define SABAL_FOR_2D_DEFAULTS .struct_size = sizeof(sabal_for_2d_options), .where = SABAL_HERE
SABAL_API void sabal_for_2d_options_init(sabal_for_2d_options *options);

/** How to loop over three axes: as over two. */
typedef struct sabal_for_3d_options {
    size_t              struct_size;
    const char         *where;
    int64_t             grain[3];
    enum sabal_schedule schedule;
} sabal_for_3d_options;
#define SABAL_FOR_3D_DEFAULTS .struct_size = sizeof(sabal_for_3d_options), .where = SABAL_HERE
SABAL_API void sabal_for_3d_options_init(sabal_for_3d_options *options);

/**
 * Calls fn for tiles that together cover each pair of indexes of begin0 .. end0 - 1 and begin1 .. end1 - 1 once; returns
 * when all are done. Along each axis tiles begin at begin + i * grain. Their order is that of a C array: the last axis
 * runs fastest. Threads have runs of tiles in this order, and give half of the rest away as in sabal_for().
 *
 *   returns  SABAL_OK; else the status of the first tile, in order, that failed
 *
 * Cost:   about 7 ns a tile beside fn's own
 * Errors: SABAL_EINVAL (a negative grain, an unknown schedule, 2^63 tiles or more, a client that is NULL); fn's
 */
#ifndef __cplusplus
#define sabal_for_2d(client, begin0, end0, begin1, end1, fn, context, ...)                                             \
    SABAL_WITH(sabal_for_2d_with, ((client), (begin0), (end0), (begin1), (end1), (fn), (context)),                     \
               sabal_for_2d_options, SABAL_FOR_2D_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_for_2d_with(const sabal_client *client, int64_t begin0, int64_t end0, int64_t begin1,
                                         int64_t end1, sabal_for_2d_fn *fn, void *context,
                                         const sabal_for_2d_options *options);
/** The same over three axes. */
#ifndef __cplusplus
#define sabal_for_3d(client, begin0, end0, begin1, end1, begin2, end2, fn, context, ...)                               \
    SABAL_WITH(sabal_for_3d_with, ((client), (begin0), (end0), (begin1), (end1), (begin2), (end2), (fn), (context)),   \
               sabal_for_3d_options, SABAL_FOR_3D_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_for_3d_with(const sabal_client *client, int64_t begin0, int64_t end0, int64_t begin1,
                                         int64_t end1, int64_t begin2, int64_t end2, sabal_for_3d_fn *fn, void *context,
                                         const sabal_for_3d_options *options);

/** How to reduce. */
typedef struct sabal_reduce_options {
    size_t      struct_size;
    const char *where;
    int64_t     grain; /* indexes of a leaf, but for the last; 0: a sixteenth of the range, at most 4096, but no more
                          than 65,536 leaves                                                                       */
} sabal_reduce_options;
#define SABAL_REDUCE_DEFAULTS .struct_size = sizeof(sabal_reduce_options), .where = SABAL_HERE
SABAL_API void sabal_reduce_options_init(sabal_reduce_options *options);

/**
 * Reduces a range: fn makes a partial result of each leaf, combine joins neighbours, in a tree that depends on range
 * and grain alone, never on threads or on who ran what. So the bits are the same each time, everywhere, also where
 * combine is not associative (sums of floating-point numbers).
 *
 *   out      out_size bytes, written on success; the neutral result for an empty range
 *   returns  SABAL_OK; else the status of the first leaf that failed
 *
 * Partial results are aligned to 16. Up to 64 bytes they live on stacks, and are copied as bytes; larger ones take one
 * slot a leaf.
 *
 * Cost:   about 10 ns a leaf beside fn and combine
 * Errors: SABAL_EINVAL (a negative grain, a client that is NULL), SABAL_ENOMEM (for the slots); fn's
 */
#ifndef __cplusplus
#define sabal_reduce(out, out_size, client, begin, end, fn, combine, context, ...)                                     \
    SABAL_WITH(sabal_reduce_with, ((out), (out_size), (client), (begin), (end), (fn), (combine), (context)),           \
               sabal_reduce_options, SABAL_REDUCE_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_reduce_with(void *out, size_t out_size, const sabal_client *client, int64_t begin,
                                         int64_t end, sabal_leaf_fn *fn, sabal_combine_fn *combine, void *context,
                                         const sabal_reduce_options *options);

/**
 * A leaf of a scan: writes the results of begin to end - 1. *before is the combination of all that stands left of begin.
 * Inclusive, of sums: `s += x[i]; y[i] = s;`; exclusive: `y[i] = s; s += x[i];`, with s = *before to begin with.
 */
typedef sabal_status sabal_prefix_fn(const void *before, int64_t begin, int64_t end, void *context);

/** How to scan. */
typedef struct sabal_scan_options {
    size_t      struct_size;
    const char *where;
    int64_t     grain;   /* indexes of a leaf, but for the last; 0: as sabal_reduce() has it                       */
    const void *initial; /* size bytes that stand before the range, copied; NULL: the neutral value, which fn makes
                            of an empty range                                                                   */
} sabal_scan_options;
#define SABAL_SCAN_DEFAULTS .struct_size = sizeof(sabal_scan_options), .where = SABAL_HERE
SABAL_API void sabal_scan_options_init(sabal_scan_options *options);

/**
 * Prefix results of a range, inclusive or exclusive: fn makes a partial result of each leaf, combine joins neighbours,
 * write gets, for each leaf, what comes before it. Both functions are called once a leaf; for one leaf fn comes first,
 * so results may be written over what they are made of. Who is joined with whom depends on range and grain alone, so
 * the bits are the same on any number of threads, also where combine is not associative.
 *
 *   total    size bytes, written on success: initial, joined with all of the range; without initial, the same bits as
 *            sabal_reduce() of this grain gives. NULL: not wanted
 *   size     bytes of a partial result, which is copied as bytes
 *   write    see sabal_prefix_fn; not called for an empty range
 *   returns  SABAL_OK; else the status of the first leaf of which fn or write failed. What lies left of it is written,
 *            what lies right of it perhaps
 *
 * Partial results are aligned to 16; there are two for each leaf.
 *
 * Cost:   about 35 ns a leaf beside fn, write and combine. A leaf goes through both while it is in the cache, but for
 *         those of which another thread made the partial result: these are read twice.
 * Errors: SABAL_EINVAL (a negative grain, a client that is NULL), SABAL_ENOMEM (for partial results); fn's, write's
 * Source: Blelloch, Prefix sums and their applications, CMU-CS-90-190, 1990
 */
#ifndef __cplusplus
#define sabal_scan(total, size, client, begin, end, fn, combine, write, context, ...)                                  \
    SABAL_WITH(sabal_scan_with, ((total), (size), (client), (begin), (end), (fn), (combine), (write), (context)),      \
               sabal_scan_options, SABAL_SCAN_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_scan_with(void *total, size_t size, const sabal_client *client, int64_t begin, int64_t end,
                                       sabal_leaf_fn *fn, sabal_combine_fn *combine, sabal_prefix_fn *write,
                                       void *context, const sabal_scan_options *options);

#ifdef __cplusplus
} /* extern "C" */

inline sabal_for_options sabal_for_defaults()
{
    sabal_for_options o;
    sabal_for_options_init(&o);
    return o;
}
inline sabal_for_2d_options sabal_for_2d_defaults()
{
    sabal_for_2d_options o;
    sabal_for_2d_options_init(&o);
    return o;
}
inline sabal_status sabal_for_2d(const sabal_client *client, int64_t begin0, int64_t end0, int64_t begin1, int64_t end1,
                                 sabal_for_2d_fn *fn, void *context,
                                 const sabal_for_2d_options &o = sabal_for_2d_defaults())
{
    return sabal_for_2d_with(client, begin0, end0, begin1, end1, fn, context, &o);
}
inline sabal_for_3d_options sabal_for_3d_defaults()
{
    sabal_for_3d_options o;
    sabal_for_3d_options_init(&o);
    return o;
}
inline sabal_status sabal_for_3d(const sabal_client *client, int64_t begin0, int64_t end0, int64_t begin1, int64_t end1,
                                 int64_t begin2, int64_t end2, sabal_for_3d_fn *fn, void *context,
                                 const sabal_for_3d_options &o = sabal_for_3d_defaults())
{
    return sabal_for_3d_with(client, begin0, end0, begin1, end1, begin2, end2, fn, context, &o);
}
inline sabal_reduce_options sabal_reduce_defaults()
{
    sabal_reduce_options o;
    sabal_reduce_options_init(&o);
    return o;
}
inline sabal_status sabal_for(const sabal_client *client, int64_t begin, int64_t end, sabal_for_fn *fn, void *context,
                              const sabal_for_options &o = sabal_for_defaults())
{
    return sabal_for_with(client, begin, end, fn, context, &o);
}
inline sabal_status sabal_reduce(void *out, size_t out_size, const sabal_client *client, int64_t begin, int64_t end,
                                 sabal_leaf_fn *fn, sabal_combine_fn *combine, void *context,
                                 const sabal_reduce_options &o = sabal_reduce_defaults())
{
    return sabal_reduce_with(out, out_size, client, begin, end, fn, combine, context, &o);
}
inline sabal_scan_options sabal_scan_defaults()
{
    sabal_scan_options o;
    sabal_scan_options_init(&o);
    return o;
}
inline sabal_status sabal_scan(void *total, size_t size, const sabal_client *client, int64_t begin, int64_t end,
                               sabal_leaf_fn *fn, sabal_combine_fn *combine, sabal_prefix_fn *write, void *context,
                               const sabal_scan_options &o = sabal_scan_defaults())
{
    return sabal_scan_with(total, size, client, begin, end, fn, combine, write, context, &o);
}
#endif
#endif
