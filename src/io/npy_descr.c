/* NumPy's names of element types: those we read, and those we refuse by name. */
#include "io/npy.h"

#include <string.h>

static const struct {
    const char *text;
    sabal_dtype dtype;
} CODES[] = {
    {"b1", SABAL_BOOL},     {"?", SABAL_BOOL},       {"u1", SABAL_UINT8},    {"u2", SABAL_UINT16},
    {"u4", SABAL_UINT32},   {"u8", SABAL_UINT64},    {"i1", SABAL_INT8},     {"i2", SABAL_INT16},
    {"i4", SABAL_INT32},    {"i8", SABAL_INT64},     {"f4", SABAL_FLOAT32},  {"f8", SABAL_FLOAT64},
    {"c8", SABAL_COMPLEX64}, {"c16", SABAL_COMPLEX128},
    /* the one-letter codes whose size is the same on every system */
    {"b", SABAL_INT8},      {"B", SABAL_UINT8},      {"h", SABAL_INT16},     {"H", SABAL_UINT16},
    {"i", SABAL_INT32},     {"I", SABAL_UINT32},     {"q", SABAL_INT64},     {"Q", SABAL_UINT64},
    {"f", SABAL_FLOAT32},   {"d", SABAL_FLOAT64},    {"F", SABAL_COMPLEX64}, {"D", SABAL_COMPLEX128},
};

static const struct {
    const char *start; /* of what follows the byte order */
    const char *name, *advice;
} REFUSED[] = {
    {"f2", "float16", "save a.astype('float32')"},
    {"e", "float16", "save a.astype('float32')"},
    {"float16", "float16", "save a.astype('float32')"},
    {"f", "extended precision floats", "save a.astype('float64')"},
    {"g", "extended precision floats", "save a.astype('float64')"},
    {"c", "extended precision complex numbers", "save a.astype('complex128')"},
    {"G", "extended precision complex numbers", "save a.astype('complex128')"},
    {"S", "byte strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"a", "byte strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"U", "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"T", "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"M", "dates (datetime64)", "save a.astype('int64')"},
    {"m", "durations (timedelta64)", "save a.astype('int64')"},
    {"O", "Python objects", "save a.astype('float64') if they are numbers"},
    {"V", "raw bytes (void)", "save a.view('uint8')"},
    {"[", "a structure", "save each field on its own, a['name']"},
    {"(", "a sub-array type", "save its elements as an array of more dimensions"},
    {"{", "a structure", "save each field on its own, a['name']"},
};

static int has_order(const char *descr)
{
    return descr[0] && strchr("<>=|", descr[0]) != NULL;
}

void sbl_npy_descr_parse(sbl_npy_header *header)
{
    const int   little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    const char *code   = header->descr + has_order(header->descr);
    size_t      part;

    header->dtype   = 0;
    header->swapped = 0;
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if (!strcmp(code, CODES[i].text))
            header->dtype = CODES[i].dtype;
    if (!header->dtype && code == header->descr) /* "float64": NumPy reads full names, too, without a byte order */
        sabal_dtype_parse(&header->dtype, code, NULL);
    part = sabal_dtype_size(header->dtype); /* the complex types are swapped by halves: 8 and 16 are both > 1 */
    if (part > 1)
        header->swapped = header->descr[0] == (little ? '>' : '<');
}

const char *sbl_npy_descr_name(const sbl_npy_header *header, const char **advice)
{
    const char *code = header->descr + has_order(header->descr);

    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (!strncmp(code, REFUSED[i].start, strlen(REFUSED[i].start))) {
            *advice = REFUSED[i].advice;
            return REFUSED[i].name;
        }
    *advice = "save a.astype('float64')";
    return "an unknown type";
}
