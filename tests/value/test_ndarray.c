#include "value/value.h"

#include <stdlib.h>
#include <string.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "support/test.h"

static size_t in_use(void)
{
    sabal_memory m = {.struct_size = sizeof m};

    sabal_memory_get(&m);
    return m.in_use;
}

static sabal_ndarray *counting(int32_t ndim, const int64_t *shape)
{
    sabal_ndarray *a;
    void          *room;
    sabal_error    err = SABAL_ERROR_INIT;

    cr_assert_eq(sbl_ndarray_create(&a, &room, SABAL_INT32, ndim, shape, &err), SABAL_OK);
    for (int64_t i = 0; i < sabal_ndarray_size(a); i++)
        ((int32_t *)room)[i] = (int32_t)i;
    return a;
}

Test(ndarray, a_small_one_is_a_single_allocation_and_a_large_one_two)
{
    const int64_t  shapes[] = {0, 1, 8, 512, 513, 1 << 20};
    sabal_ndarray *a;
    void          *room;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t before = in_use(), bytes = (size_t)shapes[i] * 8;

        sbl_alloc_fail(INT64_MAX, 0);
        cr_assert_eq(sbl_ndarray_create(&a, &room, SABAL_FLOAT64, 1, &shapes[i], NULL), SABAL_OK);
        cr_expect_eq(sbl_alloc_fail(0, 0), bytes <= 4096 ? 1 : 2);
        cr_expect_eq(in_use() - before, bytes);
        cr_expect_eq((uintptr_t)room % (bytes < 64 ? 16 : 64), 0);
        memset(room, 1, bytes);
        sbl_handle_release(a);
        cr_expect_eq(in_use(), before);
    }
}

Test(ndarray, the_getters_tell_what_it_was_made_from)
{
    const double   data[6] = {1, 2, 3, 4, 5, 6};
    sabal_ndarray *a;
    sabal_error    err = SABAL_ERROR_INIT;

    cr_assert_eq(sabal_ndarray_create(&a, data, SABAL_FLOAT64, 2, (int64_t[]){2, 3}, &err), SABAL_OK);
    cr_expect_eq(sabal_ndarray_dtype(a), SABAL_FLOAT64);
    cr_expect_eq(sabal_ndarray_ndim(a), 2);
    cr_expect_eq(sabal_ndarray_extent(a, 0), 2);
    cr_expect_eq(sabal_ndarray_extent(a, 1), 3);
    cr_expect_eq(sabal_ndarray_extent(a, 2), -1);
    cr_expect_eq(sabal_ndarray_extent(a, -1), -1);
    cr_expect_eq(sabal_ndarray_stride(a, 0), 24);
    cr_expect_eq(sabal_ndarray_stride(a, 1), 8);
    cr_expect_eq(sabal_ndarray_stride(a, 2), 0);
    cr_expect_eq(sabal_ndarray_size(a), 6);
    cr_expect(sabal_ndarray_data(a) != data);
    cr_expect_arr_eq(sabal_ndarray_data(a), data, sizeof data);
    sabal_retain(a);
    sabal_release(a);
    sabal_release(a);
}

Test(ndarray, shapes_that_cannot_be_are_refused_with_the_number)
{
    const struct {
        int          dtype;
        int32_t      ndim;
        int64_t      shape[3];
        const char  *message;
        sabal_status status;
    } cases[] = {
        {0, 1, {1}, "0 is no dtype", SABAL_EDTYPE},
        {14, 1, {1}, "14 is no dtype", SABAL_EDTYPE},
        {SABAL_INT8, -1, {1}, "-1 dimensions: 0 to 32 are allowed", SABAL_EINVAL},
        {SABAL_INT8, 33, {1}, "33 dimensions: 0 to 32 are allowed", SABAL_EINVAL},
        {SABAL_INT8, 2, {1, -7}, "extent -7 along axis 1", SABAL_EINVAL},
        {SABAL_INT16, 3, {INT64_MAX / 4, 1, 3}, "a shape of more than 2^63 bytes (axis 2 has extent 3)", SABAL_EINVAL},
        {SABAL_INT8, 3, {INT64_MAX, 0, 2}, "a shape of more than 2^63 bytes (axis 2 has extent 2)", SABAL_EINVAL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sabal_error    err = SABAL_ERROR_INIT;
        sabal_ndarray *a   = NULL;

        cr_expect_eq(sabal_ndarray_create(&a, "", (sabal_dtype)cases[i].dtype, cases[i].ndim, cases[i].shape, &err),
                     cases[i].status);
        cr_expect_null(a);
        cr_expect_str_eq(err.message, cases[i].message);
    }
}

Test(ndarray, no_data_is_an_error_unless_there_are_no_elements)
{
    sabal_error    err = SABAL_ERROR_INIT;
    sabal_ndarray *a;

    cr_expect_eq(sabal_ndarray_create(&a, NULL, SABAL_INT8, 1, (int64_t[]){3}, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "no data (NULL) for 3 elements");
    cr_assert_eq(sabal_ndarray_create(&a, NULL, SABAL_INT8, 2, (int64_t[]){3, 0}, NULL), SABAL_OK);
    cr_expect_not_null(sabal_ndarray_data(a));
    sabal_release(a);
}

static int  released;
static void count_release(void *arg)
{
    released += *(int *)arg;
}

Test(ndarray, wrapped_memory_is_released_once_also_on_failure)
{
    int            one     = 1;
    const int16_t  data[4] = {1, 2, 3, 4};
    sabal_ndarray *a;
    size_t         before = in_use();

    released = 0;
    cr_assert_eq(sbl_ndarray_wrap(&a, data, SABAL_INT16, 1, (int64_t[]){4}, NULL, count_release, &one, NULL), SABAL_OK);
    cr_expect_eq(sabal_ndarray_data(a), (const void *)data);
    cr_expect_eq(((sbl_value *)(void *)a)->n_bytes, 8);
    cr_expect_eq(in_use(), before);
    sbl_handle_release(a);
    cr_expect_eq(released, 1);
    cr_expect_eq(sbl_ndarray_wrap(&a, data, SABAL_INT16, 1, (int64_t[]){-4}, NULL, count_release, &one, NULL),
                 SABAL_EINVAL);
    cr_expect_eq(released, 2);
    sbl_alloc_fail(1, 0);
    cr_expect_eq(sbl_ndarray_wrap(&a, data, SABAL_INT16, 1, (int64_t[]){4}, NULL, count_release, &one, NULL),
                 SABAL_ENOMEM);
    sbl_alloc_fail(0, 0);
    cr_expect_eq(released, 3);
    cr_expect_eq(sbl_ndarray_wrap(&a, data, SABAL_INT16, 2, (int64_t[]){3, 3},
                                  (int64_t[]){INT64_MAX / 2, INT64_MAX / 2}, count_release, &one, NULL),
                 SABAL_EINVAL);
    cr_expect_eq(released, 4);
}

Test(ndarray, a_view_keeps_its_base_and_counts_nothing)
{
    sabal_ndarray *a      = counting(2, (int64_t[]){10, 3}), *rows, *view;
    sabal_error    err    = SABAL_ERROR_INIT;
    size_t         before = in_use();

    cr_assert_eq(sbl_ndarray_rows(&rows, a, 4, 5, &err), SABAL_OK);
    sbl_handle_release(a);
    cr_expect_eq(in_use(), before);
    cr_expect_eq(((sbl_value *)(void *)rows)->n_bytes, 0);
    cr_expect_eq(sabal_ndarray_extent(rows, 0), 5);
    cr_expect_eq(*(const int32_t *)sabal_ndarray_data(rows), 12);
    cr_expect(sbl_ndarray_is_contiguous(rows));
    cr_assert_eq(sbl_ndarray_view(&view, rows, (const char *)sabal_ndarray_data(rows) + 4, 1, (int64_t[]){5},
                                  (int64_t[]){12}, &err),
                 SABAL_OK);
    sbl_handle_release(rows);
    cr_expect_not(sbl_ndarray_is_contiguous(view));
    cr_expect_eq(((const int32_t *)sabal_ndarray_data(view))[3], 16);
    sbl_handle_release(view);
    cr_expect_eq(in_use(), before - 120);
}

Test(ndarray, rows_and_views_outside_are_refused)
{
    sabal_ndarray *a = counting(2, (int64_t[]){10, 3}), *scalar = counting(0, NULL), *view = NULL;
    const char    *data = sabal_ndarray_data(a);
    const struct {
        int64_t first, n;
    } bad[] = {{-1, 2}, {0, 11}, {10, 1}, {9, -1}, {INT64_MAX, 2}, {2, INT64_MAX}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(sbl_ndarray_rows(&view, a, bad[i].first, bad[i].n, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_ndarray_rows(&view, scalar, 0, 1, NULL), SABAL_ESHAPE);
    cr_expect_eq(sbl_ndarray_view(&view, a, data + 4, 1, (int64_t[]){30}, NULL, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_ndarray_view(&view, a, data, 1, (int64_t[]){2}, (int64_t[]){-4}, NULL), SABAL_EINVAL);
    cr_expect_null(view);
    cr_assert_eq(sbl_ndarray_rows(&view, a, 10, 0, NULL), SABAL_OK);
    cr_expect_eq(sabal_ndarray_size(view), 0);
    sbl_handle_release(view);
    sbl_handle_release(a);
    sbl_handle_release(scalar);
}

/* The element at a C-order index, by the definition of strides. */
static const char *element(const sabal_ndarray *a, int64_t k)
{
    const char *p = sabal_ndarray_data(a);

    for (int32_t i = sabal_ndarray_ndim(a); i-- > 0;) {
        p += k % sabal_ndarray_extent(a, i) * sabal_ndarray_stride(a, i);
        k /= sabal_ndarray_extent(a, i);
    }
    return p;
}

Test(ndarray, copy_out_agrees_with_the_naive_loop_whatever_the_strides)
{
    const sabal_dtype dtypes[] = {SABAL_INT8, SABAL_INT16, SABAL_INT32, SABAL_INT64, SABAL_COMPLEX128};
    static char       memory[1 << 20], out[1 << 20];
    uint64_t          state = 1;

    for (size_t i = 0; i < sizeof memory; i++)
        memory[i] = (char)(i * 2654435761u >> 13);
    for (int round = 0; round < 2000; round++) {
        int64_t        shape[5], strides[5], n = 1, step;
        int32_t        ndim, order[5] = {0, 1, 2, 3, 4};
        sabal_dtype    dtype;
        size_t         item, at = 0;
        sabal_ndarray *a;

        state = state * 6364136223846793005u + 1442695040888963407u;
        ndim  = (int32_t)((state >> 33) % 6);
        dtype = dtypes[(state >> 40) % 5];
        item  = sabal_dtype_size(dtype);
        step  = (int64_t)item * (1 + (int64_t)(state >> 60) % 2); /* with and without gaps */
        for (int32_t i = 0; i < ndim; i++) {
            int32_t j = (int32_t)((state >> (10 + i)) % (uint64_t)(i + 1)), t = order[i];

            order[i] = order[j], order[j] = t;
            shape[i] = 1 + (int64_t)((state >> (3 * i + 5)) % (ndim < 3 ? 70 : 6));
        }
        for (int32_t i = 0; i < ndim; i++) { /* a permutation of C order, some axes backwards or repeated */
            int32_t k = order[i];
            int     f = (int)((state >> (50 + i)) % 8);

            strides[k] = f == 0 ? 0 : f == 1 ? -step : step;
            if (f == 1)
                at += (size_t)((shape[k] - 1) * step);
            step *= f ? shape[k] : 1;
            n *= shape[k];
        }
        cr_assert_eq(sbl_ndarray_wrap(&a, memory + at, dtype, ndim, shape, strides, NULL, NULL, NULL), SABAL_OK);
        memset(out, 0, (size_t)n * item);
        sbl_ndarray_copy_out(out, a);
        for (int64_t k = 0; k < n; k++)
            cr_assert(!memcmp(out + (size_t)k * item, element(a, k), item));
        cr_expect_eq(sbl_ndarray_bytes(a), (size_t)n * item);
        sbl_handle_release(a);
    }
}

Test(ndarray, every_failed_allocation_is_reported)
{
    const int64_t shape  = 1000;
    size_t        before = in_use();

    for (int64_t nth = 1; nth <= 2; nth++) {
        sabal_error    err = SABAL_ERROR_INIT;
        sabal_ndarray *a   = NULL;
        void          *room;

        sbl_alloc_fail(nth, 0);
        cr_expect_eq(sbl_ndarray_create(&a, &room, SABAL_FLOAT64, 1, &shape, &err), SABAL_ENOMEM);
        sbl_alloc_fail(0, 0);
        cr_expect_str_eq(err.message, "no memory for 8000 bytes (an n-d array)");
    }
    cr_expect_eq(in_use(), before);
}

Test(ndarray, dtypes_have_numpys_names_and_sizes)
{
    sabal_error err = SABAL_ERROR_INIT;
    sabal_dtype dtype;

    for (int i = SABAL_BOOL; i <= SABAL_COMPLEX128; i++) {
        cr_expect_eq(sabal_dtype_parse(&dtype, sabal_dtype_name((sabal_dtype)i), NULL), SABAL_OK);
        cr_expect_eq((int)dtype, i);
        cr_expect_geq(sabal_dtype_size(dtype), 1);
    }
    cr_expect_eq(sabal_dtype_size(SABAL_COMPLEX64), 8);
    cr_expect_eq(sabal_dtype_size((sabal_dtype)0), 0);
    cr_expect_eq(sabal_dtype_size((sabal_dtype)-1), 0);
    cr_expect_str_eq(sabal_dtype_name((sabal_dtype)14), "?");
    cr_expect_eq(sabal_dtype_parse(&dtype, "float16", &err), SABAL_EDTYPE);
    cr_expect(strstr(err.message, "'float16' is no dtype: there are bool, uint8") != NULL);
    cr_expect_eq(sabal_dtype_parse(&dtype, NULL, NULL), SABAL_EDTYPE);
}
