/* How the elements of one array are written, so that they line up: found in one look at all that will be shown. */
#ifndef SBL_VALUE_FORMAT_H
#define SBL_VALUE_FORMAT_H

#include "value/digits.h"
#include "value/value.h"

enum { SBL_EDGE_ITEMS = 3, SBL_PRINT_THRESHOLD = 1000, SBL_WORD_ROOM = 2 * SBL_NUMBER_ROOM };

/* Of a real number, or of one half of the complex ones. */
typedef struct sbl_float_format {
    sbl_number_style style;
    int              exponential;
    int              left, right; /* characters before and behind the point */
} sbl_float_format;

typedef struct sbl_format {
    sabal_dtype      dtype;
    int              width; /* of whole numbers */
    sbl_float_format real, imag;
} sbl_format;

/** is_summary: only the first and last SBL_EDGE_ITEMS along each axis will be shown. */
void sbl_format_find(sbl_format *format, const sabal_ndarray *array, int is_summary);
/** Writes one element, of SBL_WORD_ROOM at most; returns its length. */
size_t sbl_format_element(char *text, const sbl_format *format, const void *element);
/** Writes a number that stands alone (0 dimensions), as Python's str() does: digits as many as it takes. */
size_t sbl_format_scalar(char *text, sabal_dtype dtype, const void *element);

#endif
