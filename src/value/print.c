/*
 * Printing as NumPy's str() does: brackets nest, rows wrap at 75 characters, and past 1000 elements only the first
 * and last 3 along each axis are shown. Written out line by line, with no memory of its own.
 */
#include <sabal/value.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "value/format.h"

enum { LINE_WIDTH = 75 };

struct printer {
    FILE                *file;
    const sabal_ndarray *array;
    int                  is_summary;
    sbl_format           format;
    char                 line[LINE_WIDTH + SBL_WORD_ROOM + 8]; /* of the row, without its indent */
    size_t               length;
};

static void put_spaces(FILE *file, int32_t n)
{
    fprintf(file, "%*s", (int)n, "");
}

/* Adds a word and the space behind it to a row, in a new line if it doesn't fit and that helps. */
static void put_word(struct printer *p, const char *word, size_t length)
{
    int32_t ndim  = sabal_ndarray_ndim(p->array); /* also the indent of a row */
    size_t  limit = (size_t)(LINE_WIDTH - (ndim - 1) - 1), indent = (size_t)ndim;

    if (p->length && indent + p->length + length > limit) {
        while (p->length && p->line[p->length - 1] == ' ')
            p->length--;
        fwrite(p->line, 1, p->length, p->file);
        fputc('\n', p->file);
        put_spaces(p->file, ndim);
        p->length = 0;
    }
    memcpy(p->line + p->length, word, length);
    p->length += length;
    p->line[p->length++] = ' ';
}

static void print_row(struct printer *p, const char *at, int64_t n, int64_t stride, int cut)
{
    char word[SBL_WORD_ROOM];

    p->length = 0;
    for (int64_t i = 0; i < n; i++) {
        if (cut && i == SBL_EDGE_ITEMS) {
            put_word(p, "...", 3);
            i = n - SBL_EDGE_ITEMS;
        }
        put_word(p, word, sbl_format_element(word, &p->format, at + i * stride));
    }
    fwrite(p->line, 1, p->length - 1, p->file); /* without the last space */
}

static void print_axis(struct printer *p, int32_t axis, const char *at)
{
    int64_t n = sabal_ndarray_extent(p->array, axis), stride = sabal_ndarray_stride(p->array, axis);
    int32_t left = sabal_ndarray_ndim(p->array) - axis;
    int     cut  = p->is_summary && n > 2 * SBL_EDGE_ITEMS;

    fputc('[', p->file);
    if (left == 1)
        print_row(p, at, n, stride, cut);
    for (int64_t i = 0; left > 1 && i < n; i++) {
        if (i) {
            for (int32_t k = 1; k < left; k++)
                fputc('\n', p->file);
            put_spaces(p->file, axis + 1);
        }
        if (cut && i == SBL_EDGE_ITEMS) {
            fputs("...", p->file);
            cut = 0;
            i   = n - SBL_EDGE_ITEMS - 1;
            continue;
        }
        print_axis(p, axis + 1, at + i * stride);
    }
    fputc(']', p->file);
}

sabal_status sabal_ndarray_print(const sabal_ndarray *array, FILE *file, sabal_error *err)
{
    struct printer p = {.file = file, .array = array};
    char           word[SBL_WORD_ROOM], text[96];

    errno = 0;
    if (!array) {
        fputs("(none)", file);
    } else if (sabal_ndarray_ndim(array) == 0) {
        fwrite(word, 1, sbl_format_scalar(word, sabal_ndarray_dtype(array), sabal_ndarray_data(array)), file);
    } else if (sabal_ndarray_size(array) == 0) {
        fputs("[]", file);
    } else {
        p.is_summary = sabal_ndarray_size(array) > SBL_PRINT_THRESHOLD;
        sbl_format_find(&p.format, array, p.is_summary);
        print_axis(&p, 0, sabal_ndarray_data(array));
    }
    fputc('\n', file);
    if (fflush(file) || ferror(file))
        return sbl_error_set(err, SABAL_EIO, "an array could not be printed: %s",
                             strerror_r(errno ? errno : EIO, text, sizeof text));
    return SABAL_OK;
}
