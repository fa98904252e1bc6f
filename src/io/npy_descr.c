/* NumPy's names of element types: those we read, and those we refuse by name. */
#include "io/npy.h"

#include <ctype.h>
#include <string.h>

/* C's long, and what NumPy calls after it, is that of the system on which the file is read. */
#define LONG  (sizeof(long) == 8 ? SABAL_INT64 : SABAL_INT32)
#define ULONG (sizeof(long) == 8 ? SABAL_UINT64 : SABAL_UINT32)

/* clang-format off: tables */
/* Codes may have a byte order before them; words, which sabal_dtype_parse() completes, may not. */
static const struct {
    const char *text;
    sabal_dtype dtype;
} CODES[] =
    {
        {"b1", SABAL_BOOL},
        {"?", SABAL_BOOL},
        {"u1", SABAL_UINT8},
        {"u2", SABAL_UINT16},
        {"u4", SABAL_UINT32},
        {"u8", SABAL_UINT64},
        {"i1", SABAL_INT8},
        {"i2", SABAL_INT16},
        {"i4", SABAL_INT32},
        {"i8", SABAL_INT64},
        {"f4", SABAL_FLOAT32},
        {"f8", SABAL_FLOAT64},
        {"c8", SABAL_COMPLEX64},
        {"c16", SABAL_COMPLEX128},
        {"b", SABAL_INT8},
        {"B", SABAL_UINT8},
        {"h", SABAL_INT16},
        {"H", SABAL_UINT16},
        {"i", SABAL_INT32},
        {"I", SABAL_UINT32},
        {"l", LONG},
        {"L", ULONG},
        {"q", SABAL_INT64},
        {"Q", SABAL_UINT64},
        {"p", LONG},
        {"P", ULONG},
        {"n", LONG},
        {"N", ULONG},
        {"f", SABAL_FLOAT32},
        {"d", SABAL_FLOAT64},
        {"F", SABAL_COMPLEX64},
        {"D", SABAL_COMPLEX128},
},
  WORDS[] = {
      {"bool_", SABAL_BOOL},
      {"byte", SABAL_INT8},
      {"ubyte", SABAL_UINT8},
      {"short", SABAL_INT16},
      {"ushort", SABAL_UINT16},
      {"intc", SABAL_INT32},
      {"uintc", SABAL_UINT32},
      {"long", LONG},
      {"ulong", ULONG},
      {"int", LONG},
      {"int_", LONG},
      {"uint", ULONG},
      {"intp", LONG},
      {"uintp", ULONG},
      {"longlong", SABAL_INT64},
      {"ulonglong", SABAL_UINT64},
      {"single", SABAL_FLOAT32},
      {"double", SABAL_FLOAT64},
      {"float", SABAL_FLOAT64},
      {"csingle", SABAL_COMPLEX64},
      {"cdouble", SABAL_COMPLEX128},
      {"complex", SABAL_COMPLEX128},
};
/* clang-format on */

/* What may follow a code in the file: nothing, a size ("S12"), a unit ("M8[ns]"), anything ("[('x', ..."). */
enum { WHOLE, SIZE, UNIT, ANY };

static const struct {
    const char *text; /* behind the byte order */
    int         rest;
    const char *name, *advice;
} REFUSED[] = {
    {"f2", WHOLE, "float16", "save a.astype('float32')"},
    {"e", WHOLE, "float16", "save a.astype('float32')"},
    {"half", WHOLE, "float16", "save a.astype('float32')"},
    {"float16", WHOLE, "float16", "save a.astype('float32')"},
    {"f", SIZE, "extended precision floats", "save a.astype('float64')"},
    {"g", WHOLE, "extended precision floats", "save a.astype('float64')"},
    {"longdouble", WHOLE, "extended precision floats", "save a.astype('float64')"},
    {"float", SIZE, "extended precision floats", "save a.astype('float64')"},
    {"c", WHOLE, "byte strings", "save a.view('uint8')"},
    {"c", SIZE, "extended precision complex numbers", "save a.astype('complex128')"},
    {"G", WHOLE, "extended precision complex numbers", "save a.astype('complex128')"},
    {"clongdouble", WHOLE, "extended precision complex numbers", "save a.astype('complex128')"},
    {"complex", SIZE, "extended precision complex numbers", "save a.astype('complex128')"},
    {"S", SIZE, "byte strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"a", SIZE, "byte strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"bytes", WHOLE, "byte strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"bytes_", WHOLE, "byte strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"U", SIZE, "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"T", WHOLE, "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"str", WHOLE, "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"str_", WHOLE, "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"unicode", WHOLE, "strings", "save numbers, such as np.unique(a, return_inverse=True)[1]"},
    {"M", UNIT, "dates (datetime64)", "save a.astype('int64')"},
    {"datetime64", UNIT, "dates (datetime64)", "save a.astype('int64')"},
    {"m", UNIT, "durations (timedelta64)", "save a.astype('int64')"},
    {"timedelta64", UNIT, "durations (timedelta64)", "save a.astype('int64')"},
    {"O", SIZE, "Python objects", "save a.astype('float64') if they are numbers"},
    {"object", WHOLE, "Python objects", "save a.astype('float64') if they are numbers"},
    {"object_", WHOLE, "Python objects", "save a.astype('float64') if they are numbers"},
    {"V", SIZE, "raw bytes (void)", "save a.view('uint8')"},
    {"void", WHOLE, "raw bytes (void)", "save a.view('uint8')"},
    {"[", ANY, "a structure", "save each field on its own, a['name']"},
    {"(", ANY, "a sub-array type", "save its elements as an array of more dimensions"},
    {"{", ANY, "a structure", "save each field on its own, a['name']"},
};

static int has_order(const char *descr)
{
    return descr[0] && strchr("<>=|", descr[0]) != NULL;
}

/* As strcmp() == 0, but for zeros before the size of a code: "i04" is "i4". */
static int is_code(const char *text, const char *code)
{
    if (text[0] != code[0])
        return 0;
    for (text++; text[0] == '0' && isdigit((unsigned char)text[1]);)
        text++;
    return !strcmp(text, code + 1);
}

void sbl_npy_descr_parse(sbl_npy_header *header)
{
    const int   little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    const char *code   = header->descr + has_order(header->descr);
    size_t      part;

    header->dtype   = 0;
    header->swapped = 0;
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if (is_code(code, CODES[i].text))
            header->dtype = CODES[i].dtype;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS && code == header->descr; i++)
        if (!strcmp(code, WORDS[i].text))
            header->dtype = WORDS[i].dtype;
    if (!header->dtype && code == header->descr)
        sabal_dtype_parse(&header->dtype, code, NULL);
    part = sabal_dtype_size(header->dtype); /* the complex types are swapped by halves: 8 and 16 are both > 1 */
    if (part > 1)
        header->swapped = header->descr[0] == (little ? '>' : '<');
}

static int is_refused(const char *code, const char *text, int rest)
{
    size_t n = strlen(text);

    if (rest == WHOLE)
        return is_code(code, text);
    if (strncmp(code, text, n))
        return 0;
    if (rest != ANY)
        n += strspn(code + n, "0123456789");
    return rest == ANY || !code[n] || (rest == UNIT && code[n] == '[');
}

const char *sbl_npy_descr_name(const sbl_npy_header *header, const char **advice)
{
    const char *code = header->descr + has_order(header->descr);

    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (is_refused(code, REFUSED[i].text, REFUSED[i].rest)) {
            *advice = REFUSED[i].advice;
            return REFUSED[i].name;
        }
    if (strchr(code, ',')) { /* "i4,f8" */
        *advice = "save each field on its own, a['f0']";
        return "a structure";
    }
    if (isdigit((unsigned char)code[0])) { /* "3f8" */
        *advice = "save its elements as an array of more dimensions";
        return "a sub-array type";
    }
    *advice = "save a.astype('float64')";
    return "an unknown type";
}
