/* What the tests of HDF5 share: the values of tests/data/make_hdf5.py, opening, comparing. */
#ifndef SBL_TESTS_IO_HDF5_H
#define SBL_TESTS_IO_HDF5_H

#include <complex.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/reader.h"
#include "io/writer.h"
#include "support/test.h"

#define DATA SBL_TEST_DATA "/hdf5/"

/* Element i of a data set of that dtype, as make_hdf5.py has it. */
static inline void value_of(void *out, sabal_dtype dtype, int64_t i)
{
    int64_t v = 7 * i + 3, s = v % 101 - 50;

    switch (dtype) {
    case SABAL_BOOL:
        *(uint8_t *)out = i % 3 == 0;
        break;
    case SABAL_UINT8:
        *(uint8_t *)out = (uint8_t)(v % 101);
        break;
    case SABAL_UINT16:
        *(uint16_t *)out = (uint16_t)(v % 101);
        break;
    case SABAL_UINT32:
        *(uint32_t *)out = (uint32_t)(v % 101);
        break;
    case SABAL_UINT64:
        *(uint64_t *)out = (uint64_t)(v % 101);
        break;
    case SABAL_INT8:
        *(int8_t *)out = (int8_t)s;
        break;
    case SABAL_INT16:
        *(int16_t *)out = (int16_t)s;
        break;
    case SABAL_INT32:
        *(int32_t *)out = (int32_t)s;
        break;
    case SABAL_INT64:
        *(int64_t *)out = s;
        break;
    case SABAL_FLOAT32:
        *(float *)out = (float)v / 8;
        break;
    case SABAL_FLOAT64:
        *(double *)out = (double)v / 8;
        break;
    case SABAL_COMPLEX64:
        ((float *)out)[0] = (float)v / 8;
        ((float *)out)[1] = -((float)v / 8 + 1);
        break;
    case SABAL_COMPLEX128:
        ((double *)out)[0] = (double)v / 8;
        ((double *)out)[1] = -((double)v / 8 + 1);
        break;
    }
}

static inline int64_t row_elements(const sbl_reader *r)
{
    int64_t n = 1;

    for (int32_t k = 1; k < r->ndim; k++)
        n *= r->shape[k];
    return n;
}

/* 1 if rows first .. first + n are as the formula has them. */
static inline int rows_are_right(sbl_reader *r, int64_t first, int64_t n)
{
    size_t      size  = sabal_dtype_size(r->dtype);
    int64_t     row   = row_elements(r);
    char       *out   = malloc((size_t)(n * row) * size + 1), want[16];
    sabal_error err   = SABAL_ERROR_INIT;
    int         right = out != NULL && sbl_reader_rows(r, first, n, out, &err) == SABAL_OK;

    if (err.status)
        fprintf(stderr, "%s\n", err.message);
    for (int64_t i = 0; right && i < n * row; i++) {
        value_of(want, r->dtype, first * row + i);
        right = !memcmp(want, out + (size_t)i * size, size);
    }
    free(out);
    return right;
}

/* 1 if all of it is right, in one piece and in pieces of 1, 2, 3, ... rows. */
static inline int all_is_right(sbl_reader *r)
{
    int right = rows_are_right(r, 0, r->shape[0]);

    for (int64_t n = 1; right && n < 8; n++)
        for (int64_t first = 0; right && first < r->shape[0]; first += n)
            right = rows_are_right(r, first, r->shape[0] - first < n ? r->shape[0] - first : n);
    return right;
}

/* NULL, with a line on stderr, if it can't be opened. */
static inline sbl_reader *opened(const char *path, const char *dataset)
{
    sbl_reader *r   = NULL;
    sabal_error err = SABAL_ERROR_INIT;

    if (sbl_reader_open(&r, "hdf5", path, dataset, &err))
        fprintf(stderr, "%s\n", err.message);
    return r;
}

static inline int is_right(const char *path, const char *dataset)
{
    sbl_reader *r     = opened(path, dataset);
    int         right = r && all_is_right(r);

    if (!right)
        fprintf(stderr, "wrong: %s:%s\n", path, dataset ? dataset : "");
    sbl_reader_release(r);
    return right;
}

/* The failure of opening it, in text; its status. */
static inline sabal_status refusal(char text[512], const char *path, const char *dataset)
{
    sbl_reader  *r   = NULL;
    sabal_error  err = SABAL_ERROR_INIT;
    sabal_status st  = sbl_reader_open(&r, "hdf5", path, dataset, &err);

    sbl_reader_release(r);
    snprintf(text, 512, "%s", err.message);
    return st;
}

/* A folder for one test, under the working directory; its name, to be given to remove_folder(). */
static inline char *make_folder(void)
{
    char *name = strdup("sabal-hdf5-XXXXXX");

    return mkdtemp(name);
}

static inline void remove_folder(char *name)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s'", name);
    if (system(command))
        fprintf(stderr, "%s stays\n", name);
    free(name);
}

/* The whole of a file; its size. */
static inline char *slurp(const char *path, size_t *size)
{
    FILE *f    = fopen(path, "rb");
    char *data = NULL;

    *size = 0;
    if (f && !fseek(f, 0, SEEK_END)) {
        *size = (size_t)ftell(f);
        rewind(f);
        data = malloc(*size + 1);
        if (data && fread(data, 1, *size, f) != *size) {
            free(data);
            data = NULL;
        }
    }
    if (f)
        fclose(f);
    return data;
}

static inline void spit(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(data, 1, size, f) != size)
        fprintf(stderr, "%s can't be written\n", path);
    if (f)
        fclose(f);
}

#endif
