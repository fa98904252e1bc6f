/*
 * The rules are those of NumPy 2.4's arrayprint: positional unless a magnitude is at least 1e8 (1e6 for float32),
 * below 1e-4, or more than 1000 times another; then widths that fit all that is shown.
 */
#include "value/format.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PRECISION = 8 };

static int is_complex(sabal_dtype dtype)
{
    return dtype == SABAL_COMPLEX64 || dtype == SABAL_COMPLEX128;
}

static int is_float(sabal_dtype dtype)
{
    return dtype == SABAL_FLOAT32 || dtype == SABAL_FLOAT64;
}

static int is_single(sabal_dtype dtype)
{
    return dtype == SABAL_FLOAT32 || dtype == SABAL_COMPLEX64;
}

/* The real (part 0) or imaginary (part 1) value of an element of a float or complex type. */
static double float_of(sabal_dtype dtype, const void *element, int part)
{
    double d;
    float  f;

    if (is_single(dtype)) {
        memcpy(&f, (const char *)element + part * (int)sizeof f, sizeof f);
        return (double)f;
    }
    memcpy(&d, (const char *)element + part * (int)sizeof d, sizeof d);
    return d;
}

static int write_int(char *text, sabal_dtype dtype, const void *element)
{
    union {
        uint8_t  u1;
        uint16_t u2;
        uint32_t u4;
        uint64_t u8;
        int8_t   i1;
        int16_t  i2;
        int32_t  i4;
        int64_t  i8;
    } v;

    memcpy(&v, element, sabal_dtype_size(dtype));
    switch (dtype) {
    case SABAL_UINT8:
        return sprintf(text, "%" PRIu8, v.u1);
    case SABAL_UINT16:
        return sprintf(text, "%" PRIu16, v.u2);
    case SABAL_UINT32:
        return sprintf(text, "%" PRIu32, v.u4);
    case SABAL_UINT64:
        return sprintf(text, "%" PRIu64, v.u8);
    case SABAL_INT8:
        return sprintf(text, "%" PRId8, v.i1);
    case SABAL_INT16:
        return sprintf(text, "%" PRId16, v.i2);
    case SABAL_INT32:
        return sprintf(text, "%" PRId32, v.i4);
    default:
        return sprintf(text, "%" PRId64, v.i8);
    }
}

/* Calls look(user, element) for every element that will be shown. */
static void for_shown(const sabal_ndarray *a, int is_summary, int32_t axis, const char *at,
                      void (*look)(void *user, const void *element), void *user)
{
    int64_t n = sabal_ndarray_extent(a, axis), stride = sabal_ndarray_stride(a, axis);

    if (axis == sabal_ndarray_ndim(a)) {
        look(user, at);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (is_summary && n > 2 * SBL_EDGE_ITEMS && i == SBL_EDGE_ITEMS)
            i = n - SBL_EDGE_ITEMS;
        for_shown(a, is_summary, axis + 1, at + i * stride, look, user);
    }
}

/* What one look at the floats of an array finds out. */
struct survey {
    sabal_dtype       dtype;
    int               part;
    int               n_finite, any_other, any_minus_inf;
    double            least, most; /* magnitudes that are not 0 */
    sbl_float_format *format;      /* second look: the widths   */
    int               fraction, exponent;
};

static void look_at_magnitude(void *user, const void *element)
{
    struct survey *s = user;
    double         x = float_of(s->dtype, element, s->part);

    if (!isfinite(x)) {
        s->any_other = 1;
        s->any_minus_inf |= isinf(x) && x < 0;
        return;
    }
    s->n_finite = 1;
    x           = fabs(x);
    if (x > 0 && (s->most == 0 || x < s->least))
        s->least = x;
    if (x > s->most)
        s->most = x;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static void look_at_width(void *user, const void *element)
{
    struct survey    *s = user;
    sbl_float_format *f = s->format;
    double            x = float_of(s->dtype, element, s->part);
    char              text[SBL_NUMBER_ROOM];
    const char       *point, *end;

    if (!isfinite(x))
        return;
    if (f->exponential)
        sbl_number_scientific(text, x, &f->style);
    else
        sbl_number_positional(text, x, &f->style);
    point       = strchr(text, '.');
    end         = f->exponential ? strchr(text, 'e') : text + strlen(text);
    f->left     = larger(f->left, (int)(point - text));
    s->fraction = larger(s->fraction, (int)(end - point) - 1);
    if (f->exponential)
        s->exponent = larger(s->exponent, (int)strlen(end) - 2);
}

/* NumPy compares in the array's own type: a quotient of two float32 is rounded, and may overflow. */
static int is_exponential(const struct survey *s)
{
    if (s->most == 0)
        return 0;
    if (is_single(s->dtype))
        return s->most >= 1e6 || (float)s->least < 0.0001f || (float)s->most / (float)s->least > 1000.0f;
    return s->most >= 1e8 || s->least < 0.0001 || s->most / s->least > 1000.0;
}

static void find_float(sbl_float_format *f, const sabal_ndarray *a, int is_summary, int part)
{
    struct survey s = {.dtype = sabal_ndarray_dtype(a), .part = part, .format = f};

    *f = (sbl_float_format){
        .style = {.single = is_single(s.dtype), .plus = part, .precision = PRECISION, .exp_digits = 2}};
    for_shown(a, is_summary, 0, sabal_ndarray_data(a), look_at_magnitude, &s);
    f->exponential = is_exponential(&s);
    for_shown(a, is_summary, 0, sabal_ndarray_data(a), look_at_width, &s);
    f->right = s.fraction;
    if (f->exponential) {
        f->style.precision = f->style.min_digits = s.fraction;
        f->style.exp_digits                      = s.exponent;
        f->right                                 = s.exponent + 2 + s.fraction;
    }
    if (s.any_other) /* "nan", "inf" and "-inf" have no point */
        f->left = larger(f->left, 3 + (part || s.any_minus_inf) - (f->right + 1));
}

struct widest {
    sabal_dtype dtype;
    int         width;
};

static void look_at_int(void *user, const void *element)
{
    struct widest *w = user;
    char           text[32];

    w->width = larger(w->width, write_int(text, w->dtype, element));
}

void sbl_format_find(sbl_format *format, const sabal_ndarray *array, int is_summary)
{
    sabal_dtype   dtype = sabal_ndarray_dtype(array);
    struct widest w     = {.dtype = dtype};

    *format = (sbl_format){.dtype = dtype};
    if (dtype == SABAL_BOOL)
        return;
    if (is_float(dtype) || is_complex(dtype)) {
        find_float(&format->real, array, is_summary, 0);
        if (is_complex(dtype))
            find_float(&format->imag, array, is_summary, 1);
        return;
    }
    for_shown(array, is_summary, 0, sabal_ndarray_data(array), look_at_int, &w);
    format->width = w.width;
}

/* nan and inf are flush right in the whole width; numbers line up at the point. */
static size_t write_float(char *text, const sbl_float_format *f, double x)
{
    char        number[SBL_NUMBER_ROOM];
    const char *point;
    int         before;

    if (!isfinite(x)) {
        snprintf(number, sizeof number, "%s%s",
                 isnan(x)        ? f->style.plus ? "+" : ""
                 : x < 0         ? "-"
                 : f->style.plus ? "+"
                                 : "",
                 isnan(x) ? "nan" : "inf");
        return (size_t)sprintf(text, "%*s", f->left + f->right + 1, number);
    }
    if (f->exponential)
        sbl_number_scientific(number, x, &f->style);
    else
        sbl_number_positional(number, x, &f->style);
    point  = strchr(number, '.');
    before = (int)(point - number);
    return (size_t)sprintf(text, "%*s%-*s", larger(f->left - before, 0), "", before + 1 + f->right, number);
}

size_t sbl_format_element(char *text, const sbl_format *format, const void *element)
{
    char   number[32];
    size_t n, end;

    if (format->dtype == SABAL_BOOL)
        return (size_t)sprintf(text, "%s", *(const uint8_t *)element ? " True" : "False");
    if (!is_float(format->dtype) && !is_complex(format->dtype)) {
        write_int(number, format->dtype, element);
        return (size_t)sprintf(text, "%*s", format->width, number);
    }
    n = write_float(text, &format->real, float_of(format->dtype, element, 0));
    if (is_float(format->dtype))
        return n;
    n += write_float(text + n, &format->imag, float_of(format->dtype, element, 1));
    for (end = n; text[end - 1] == ' '; end--) /* the j stands at the number, before the spaces */
        ;
    memmove(text + end + 1, text + end, n - end + 1);
    text[end] = 'j';
    return n + 1;
}

/* As str() of NumPy's scalars: positional from 1e-4 up to 1e16, for float32 up to 1e6. empty_fraction: "1." or "1.0"? */
static size_t write_alone(char *text, double x, int single, int plus, const char *empty_fraction)
{
    sbl_number_style style = {.single = single, .plus = plus, .precision = -1, .exp_digits = 2};
    double           size  = fabs(x);
    size_t           n;
    char            *point;

    if (!isfinite(x))
        return (size_t)sprintf(text, "%s%s", isinf(x) && x < 0 ? "-" : plus ? "+" : "", isnan(x) ? "nan" : "inf");
    if (size == 0 || (size >= 1e-4 && size < (single ? 1e6 : 1e16))) {
        n = sbl_number_positional(text, x, &style);
        if (text[n - 1] == '.')
            n = n - 1 + (size_t)sprintf(text + n - 1, "%s", empty_fraction);
        return n;
    }
    n     = sbl_number_scientific(text, x, &style);
    point = strchr(text, '.');
    if (point[1] == 'e') {
        memmove(point, point + 1, strlen(point));
        n--;
    }
    return n;
}

size_t sbl_format_scalar(char *text, sabal_dtype dtype, const void *element)
{
    int    single = is_single(dtype);
    double re, im;
    size_t n;

    if (dtype == SABAL_BOOL)
        return (size_t)sprintf(text, "%s", *(const uint8_t *)element ? "True" : "False");
    if (is_float(dtype))
        return write_alone(text, float_of(dtype, element, 0), single, 0, ".0");
    if (!is_complex(dtype))
        return (size_t)write_int(text, dtype, element);
    re = float_of(dtype, element, 0);
    im = float_of(dtype, element, 1);
    if (re == 0 && !signbit(re)) {
        n = write_alone(text, im, single, 0, "");
        return n + (size_t)sprintf(text + n, "j");
    }
    text[0] = '(';
    n       = 1 + write_alone(text + 1, re, single, 0, "");
    n += write_alone(text + n, im, single, 1, "");
    return n + (size_t)sprintf(text + n, "j)");
}
