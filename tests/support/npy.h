/* Reads the fixtures under tests/data: .npy files of version 1, C order, little-endian, in another way than src/io. */
#ifndef SBL_TESTS_NPY_H
#define SBL_TESTS_NPY_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The n elements of tests/data/FOLDER/NAME.npy as doubles; ended by free(). Ends the test if there are not n. */
static inline double *npy_doubles(const char *folder, const char *name, int64_t n)
{
    char    path[512], head[2048] = {0};
    size_t  size = 0;
    double *out  = malloc((size_t)n * sizeof *out);
    FILE   *f;

    snprintf(path, sizeof path, SBL_TEST_DATA "/%s/%s.npy", folder, name);
    f = fopen(path, "rb");
    cr_assert(f && fread(head, 1, 10, f) == 10 && !memcmp(head, "\x93NUMPY\x01", 7));
    size = (unsigned char)head[8] | (size_t)(unsigned char)head[9] << 8;
    cr_assert(size < sizeof head && fread(head, 1, size, f) == size);
    head[size] = 0;
    cr_assert(strstr(head, "False") != NULL);
    for (int64_t i = 0; i < n; i++) {
        float         f4;
        unsigned char u1;
        size_t        got = 0;

        if (strstr(head, "<f8")) {
            got = fread(out + i, 8, 1, f);
        } else if (strstr(head, "<f4")) {
            got    = fread(&f4, 4, 1, f);
            out[i] = (double)f4;
        } else if (strstr(head, "|u1")) {
            got    = fread(&u1, 1, 1, f);
            out[i] = u1;
        }
        cr_assert(got == 1);
    }
    cr_assert(fgetc(f) == EOF);
    fclose(f);
    return out;
}

#endif
