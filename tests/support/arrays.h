/* What tests of arrays and estimators share: a client, small arrays, their values, and comparing. */
#ifndef SBL_TESTS_ARRAYS_H
#define SBL_TESTS_ARRAYS_H

#include <sabal/sabal.h>

#include "support/engines.h"
#include "support/test.h"

/*
 * A client with so many threads; ends the test if there is none. The suites run once for each engine: the first,
 * unless SABAL_TEST_ENGINE names another address.
 */
static inline sabal_client *open_engine(int32_t threads)
{
    static test_cluster cluster;
    sabal_error         err     = SABAL_ERROR_INIT;
    const char         *address = getenv("SABAL_TEST_ENGINE");
    const int           here    = !address || !strcmp(address, ENGINES[0]);
    sabal_client       *client;

    if (address && !strcmp(address, "cluster")) { /* it ends with this process */
        if (!cluster.n)
            cluster_open(&cluster, threads);
        address = cluster.file;
    }
    client = here ? sabal_open(ENGINES[0], &err, .threads = threads)
                  : sabal_open(address, &err, .threads = 1, .workers = cluster.n ? 0 : threads);

    cr_assert_null(sabal_client_error(client), "%s", err.message);
    return client;
}

/* (rows, columns) of any dtype over the caller's memory. */
static inline sabal_array *matrix(sabal_client *client, const void *data, sabal_dtype dtype, int64_t rows,
                                  int64_t columns, int64_t chunk_rows)
{
    const int64_t shape[2] = {rows, columns};

    return sabal_array_from_memory(client, data, dtype, 2, shape, .chunk_rows = chunk_rows);
}

static inline sabal_array *vector(sabal_client *client, const void *data, sabal_dtype dtype, int64_t n,
                                  int64_t chunk_rows)
{
    return sabal_array_from_memory(client, data, dtype, 1, &n, .chunk_rows = chunk_rows);
}

/* Computes; ends the test with the message if that fails. */
static inline sabal_ndarray *computed(const sabal_array *array)
{
    sabal_error    err = SABAL_ERROR_INIT;
    sabal_ndarray *out = NULL;

    if (sabal_compute(&out, array, &err)) {
        fprintf(stderr, "sabal_compute: %s: %s\n", sabal_status_name(err.status), err.message);
        cr_assert(err.status == SABAL_OK);
    }
    return out;
}

static inline const void *values(const sabal_array *array)
{
    return sabal_ndarray_data(computed(array));
}

/* What a failed compute says. */
static inline sabal_error compute_error(const sabal_array *array)
{
    sabal_error    err = SABAL_ERROR_INIT;
    sabal_ndarray *out = NULL;

    cr_expect_eq(sabal_compute(&out, array, &err), err.status);
    cr_expect_neq(err.status, SABAL_OK);
    cr_expect_null(out);
    return err;
}

/* FNV-1a: one number for many bits, the same in each build. */
static inline uint64_t hash_bytes(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t             h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* An array failed with this status, and its message holds a text; says what it was if not. */
#define EXPECT_FAILED(error_, status_, text_)                                                                          \
    do {                                                                                                               \
        const sabal_error *failed_ = (error_);                                                                         \
                                                                                                                       \
        cr_expect(failed_ != NULL);                                                                                    \
        if (failed_ && (failed_->status != (status_) || !strstr(failed_->message, (text_)))) {                         \
            fprintf(stderr, "%s:%d: got %s \"%s\"\n", __FILE__, __LINE__, sabal_status_name(failed_->status),          \
                    failed_->message);                                                                                 \
            cr_expect_eq(failed_->status, (status_));                                                                  \
            cr_expect(strstr(failed_->message, (text_)) != NULL);                                                      \
        }                                                                                                              \
    } while (0)

/* Whether tasks of the engine under test run in this process. */
static inline int is_here(void)
{
    const char *engine = getenv("SABAL_TEST_ENGINE");

    return !engine || !strcmp(engine, "local:");
}

#endif
