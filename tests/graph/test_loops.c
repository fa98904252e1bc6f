/* Loops, reductions and scans through a client, and options of programs that are older or say nothing. */
#include <stddef.h>

#include "support/engines.h"

static sabal_client *client;

static sabal_status fill(int64_t begin, int64_t end, void *context)
{
    for (int64_t i = begin; i < end; i++)
        ((double *)context)[i] = (double)i;
    return SABAL_OK;
}

static sabal_status fill_2d(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, void *context)
{
    for (int64_t i = begin0; i < end0; i++)
        fill(i * 10 + begin1, i * 10 + end1, context);
    return SABAL_OK;
}

static sabal_status fill_3d(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, int64_t begin2, int64_t end2,
                            void *context)
{
    for (int64_t i = begin0; i < end0; i++)
        fill_2d(i * 5 + begin1, i * 5 + end1, begin2, end2, context);
    return SABAL_OK;
}

static sabal_status sum(void *partial, int64_t begin, int64_t end, void *context)
{
    double s = 0;

    for (int64_t i = begin; i < end; i++)
        s += ((double *)context)[i];
    *(double *)partial = s;
    return SABAL_OK;
}

static void add(void *left, const void *right, void *context)
{
    *(double *)left += *(const double *)right;
}

/* Exclusive, in place. */
static sabal_status prefix(const void *before, int64_t begin, int64_t end, void *context)
{
    double *x = context, s = *(const double *)before;

    for (int64_t i = begin; i < end; i++) {
        double here = x[i];

        x[i] = s;
        s += here;
    }
    return SABAL_OK;
}

static int is_filled(double *x)
{
    int right = 1;

    for (int i = 0; i < 100; i++) {
        right &= x[i] == i;
        x[i] = -1;
    }
    return right;
}

Test(loops, all_of_them_run_on_every_engine)
{
    double x[100], total = 0;

    for_each_engine(client, 2)
    {
        cr_expect_eq(sabal_for(client, 0, 100, fill, x), SABAL_OK);
        cr_expect(is_filled(x));
        cr_expect_eq(sabal_for(client, 0, 100, fill, x, .schedule = SABAL_STATIC, .grain = 7), SABAL_OK);
        cr_expect(is_filled(x));
        cr_expect_eq(sabal_for_2d(client, 0, 10, 0, 10, fill_2d, x, .grain = {2, 3}), SABAL_OK);
        cr_expect(is_filled(x));
        cr_expect_eq(sabal_for_3d(client, 0, 2, 0, 5, 0, 10, fill_3d, x), SABAL_OK);
        cr_expect(is_filled(x));
        fill(0, 100, x);
        cr_expect_eq(sabal_reduce(&total, sizeof total, client, 0, 100, sum, add, x), SABAL_OK);
        cr_expect_eq(total, 4950);
        cr_expect_eq(sabal_scan(&total, sizeof total, client, 0, 100, sum, add, prefix, x, .initial = (&(double){5})),
                     SABAL_OK);
        cr_expect_eq(total, 4955);
        for (int i = 0; i < 100; i++)
            cr_expect_eq(x[i], 5 + i * (i - 1) / 2);
    }
}

Test(loops, without_a_client_they_are_refused)
{
    double x[100], total = -7;

    cr_expect_eq(sabal_for(NULL, 0, 100, fill, x), SABAL_EINVAL);
    cr_expect_eq(sabal_for_2d(NULL, 0, 10, 0, 10, fill_2d, x), SABAL_EINVAL);
    cr_expect_eq(sabal_for_3d(NULL, 0, 2, 0, 5, 0, 10, fill_3d, x), SABAL_EINVAL);
    cr_expect_eq(sabal_reduce(&total, sizeof total, NULL, 0, 100, sum, add, x), SABAL_EINVAL);
    cr_expect_eq(sabal_scan(&total, sizeof total, NULL, 0, 100, sum, add, prefix, x), SABAL_EINVAL);
    cr_expect_eq(total, -7);
}

Test(loops, what_older_options_do_not_have_is_the_default)
{
    sabal_for_options  o = {.struct_size = offsetof(sabal_for_options, schedule), .grain = 3, .schedule = 77};
    sabal_scan_options s = {.struct_size = offsetof(sabal_scan_options, initial), .initial = &o};
    double             x[100], total;

    client = sabal_open("local:", NULL, .threads = 2);
    cr_expect_eq(sabal_for_with(client, 0, 100, fill, x, &o), SABAL_OK);
    cr_expect(is_filled(x));
    cr_expect_eq(sabal_for_with(client, 0, 100, fill, x, NULL), SABAL_OK);
    cr_expect_eq(sabal_for_2d_with(client, 0, 10, 0, 10, fill_2d, x, NULL), SABAL_OK);
    cr_expect_eq(sabal_scan_with(&total, sizeof total, client, 0, 100, sum, add, prefix, x, &s), SABAL_OK);
    cr_expect_eq(total, 4950);
    o.struct_size = sizeof o;
    cr_expect_eq(sabal_for_with(client, 0, 100, fill, x, &o), SABAL_EINVAL);
    sabal_close(client);
}
