/*
 * The header is the text of a Python dict with exactly three keys. A parser for that and no more: what NumPy's own
 * reader takes (any order of keys, spaces, line breaks, a comma behind the last, the L of Python 2's long numbers,
 * strings in either quotes) it takes too; for anything else it tells the offset and what it expected there.
 */
#include "io/npy.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"

enum { PREAMBLE = 8, MAX_NESTING = 32 };

struct parser {
    const char  *text;
    size_t       n, at;
    int64_t      offset; /* of text[0] in the file */
    sabal_error *err;
};

/* The character at the parser, 0 behind the end (a zero byte in the text fits nothing either). */
static char peek(const struct parser *p)
{
    return p->at < p->n ? p->text[p->at] : 0;
}

static sabal_status expected(struct parser *p, const char *what)
{
    char found[24] = "the end of the header";

    if (p->at < p->n && isprint((unsigned char)p->text[p->at]))
        snprintf(found, sizeof found, "'%c'", p->text[p->at]);
    else if (p->at < p->n)
        snprintf(found, sizeof found, "byte 0x%02x", (unsigned char)p->text[p->at]);
    return sbl_error_set(p->err, SABAL_EFORMAT, "malformed header: %s expected at offset %" PRId64 ", found %s", what,
                         p->offset + (int64_t)p->at, found);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->n && memchr(" \t\r\n\f", p->text[p->at], 5))
        p->at++;
}

/* Takes a character, with the space around it. */
static int take(struct parser *p, char c)
{
    skip_space(p);
    if (p->at >= p->n || p->text[p->at] != c)
        return 0;
    p->at++;
    skip_space(p);
    return 1;
}

static int take_word(struct parser *p, const char *word)
{
    size_t length = strlen(word);

    if (p->n - p->at < length || memcmp(p->text + p->at, word, length))
        return 0;
    if (p->at + length < p->n && (isalnum((unsigned char)p->text[p->at + length]) || p->text[p->at + length] == '_'))
        return 0;
    p->at += length;
    return 1;
}

/* A string's text as it stands there, escapes and all; cut to size. */
static sabal_status parse_string(struct parser *p, char *out, size_t size, const char *what)
{
    size_t length = 0;
    char   quote;

    if (peek(p) == 'u' || peek(p) == 'b') /* Python's prefixes */
        p->at++;
    quote = peek(p);
    if (quote != '\'' && quote != '"')
        return expected(p, what);
    for (p->at++; peek(p) != quote; p->at++) {
        if (p->at >= p->n || p->text[p->at] == '\n')
            return expected(p, "the end of a string");
        if (length + 1 < size)
            out[length++] = p->text[p->at];
        if (p->text[p->at] == '\\' && p->at + 1 < p->n && p->text[p->at + 1] != '\n')
            p->at++;
    }
    p->at++;
    if (size)
        out[length] = 0;
    return SABAL_OK;
}

static sabal_status parse_extent(struct parser *p, int64_t *extent)
{
    int64_t n     = 0;
    size_t  start = p->at;

    for (; isdigit((unsigned char)peek(p)); p->at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, peek(p) - '0', &n))
            return sbl_error_set(p->err, SABAL_EFORMAT,
                                 "malformed header: the extent at offset %" PRId64 " is beyond 2^63",
                                 p->offset + (int64_t)start);
    if (p->at == start)
        return expected(p, "an extent (a whole number)");
    if (peek(p) == 'L')
        p->at++;
    *extent = n;
    return SABAL_OK;
}

static sabal_status parse_shape(struct parser *p, sbl_npy_header *h)
{
    sabal_status st;
    int          comma = 0;

    if (!take(p, '('))
        return expected(p, "the shape: '('");
    for (h->ndim = 0; !take(p, ')'); h->ndim++) {
        if (h->ndim && !comma)
            return expected(p, "',' or ')'");
        if (h->ndim == SBL_NPY_MAX_NDIM)
            return sbl_error_set(p->err, SABAL_EFORMAT, "malformed header: a shape of more than %d dimensions",
                                 SBL_NPY_MAX_NDIM);
        st = parse_extent(p, &h->shape[h->ndim]);
        if (st)
            return st;
        comma = take(p, ',');
    }
    if (h->ndim == 1 && !comma)
        return sbl_error_set(p->err, SABAL_EFORMAT,
                             "malformed header: the shape is a number in brackets, not a tuple (a comma is missing)");
    return SABAL_OK;
}

/* A structure's description is kept as text, only its end has to be found: brackets and strings are counted. */
static sabal_status skip_nested(struct parser *p)
{
    sabal_status st;
    int          depth = 0;

    do {
        char c = peek(p);

        if (c == '\'' || c == '"') {
            st = parse_string(p, NULL, 0, "a string");
            if (st)
                return st;
            continue;
        }
        if (p->at >= p->n)
            return expected(p, "the end of 'descr'");
        depth += c == '[' || c == '(' || c == '{';
        depth -= c == ']' || c == ')' || c == '}';
        if (depth > MAX_NESTING)
            return sbl_error_set(p->err, SABAL_EFORMAT, "malformed header: 'descr' is nested more than %d deep",
                                 MAX_NESTING);
        p->at++;
    } while (depth > 0);
    return SABAL_OK;
}

static sabal_status parse_descr(struct parser *p, sbl_npy_header *h)
{
    size_t       start = p->at, length;
    sabal_status st;

    if (peek(p) != '[' && peek(p) != '(' && peek(p) != '{') {
        st = parse_string(p, h->descr, sizeof h->descr, "a dtype (a string or a list)");
    } else {
        st     = skip_nested(p);
        length = p->at - start < sizeof h->descr ? p->at - start : sizeof h->descr - 1;
        memcpy(h->descr, p->text + start, length);
        h->descr[length] = 0;
    }
    for (char *c = h->descr; *c; c++) /* it goes into messages */
        *c = isprint((unsigned char)*c) ? *c : '?';
    return st;
}

static sabal_status parse_value(struct parser *p, sbl_npy_header *h, int key)
{
    if (key == 0)
        return parse_descr(p, h);
    if (key == 2)
        return parse_shape(p, h);
    h->fortran = take_word(p, "True");
    return h->fortran || take_word(p, "False") ? SABAL_OK : expected(p, "True or False");
}

static sabal_status parse_pair(struct parser *p, sbl_npy_header *h, unsigned *seen)
{
    static const char *const KEYS[] = {"descr", "fortran_order", "shape"};
    int64_t                  at     = p->offset + (int64_t)p->at;
    sabal_status             st;
    char                     name[32];
    int                      key = 0;

    st = parse_string(p, name, sizeof name, "a key in quotes, or '}'");
    if (st)
        return st;
    while (key < 3 && strcmp(name, KEYS[key]))
        key++;
    if (key == 3 || *seen & 1u << key) {
        for (char *c = name; *c; c++)
            *c = isprint((unsigned char)*c) ? *c : '?';
        return sbl_error_set(p->err, SABAL_EFORMAT,
                             key == 3 ? "malformed header: the key '%s' at offset %" PRId64
                                        " is none of descr, fortran_order and shape"
                                      : "malformed header: the key '%s' at offset %" PRId64 " stands there twice",
                             name, at);
    }
    *seen |= 1u << key;
    if (!take(p, ':'))
        return expected(p, "':'");
    return parse_value(p, h, key);
}

sabal_status sbl_npy_header_parse(sbl_npy_header *header, const char *text, size_t n, int64_t offset, sabal_error *err)
{
    struct parser p     = {.text = text, .n = n, .offset = offset, .err = err};
    unsigned      seen  = 0;
    int           comma = 1;
    sabal_status  st;

    if (!take(&p, '{'))
        return expected(&p, "'{'");
    while (!take(&p, '}')) {
        if (!comma)
            return expected(&p, "',' or '}'");
        st = parse_pair(&p, header, &seen);
        if (st)
            return st;
        comma = take(&p, ',');
    }
    if (p.at < n)
        return expected(&p, "nothing more");
    if (seen != 7)
        return sbl_error_set(err, SABAL_EFORMAT, "malformed header: the key '%s' is missing",
                             !(seen & 1)   ? "descr"
                             : !(seen & 2) ? "fortran_order"
                                           : "shape");
    sbl_npy_descr_parse(header);
    return SABAL_OK;
}

/* What else begins as this file does, for the message. */
static sabal_status not_npy(const unsigned char *start, size_t n, sabal_error *err)
{
    char shown[4 * PREAMBLE + 1] = "";

    if (n == 0)
        return sbl_error_set(err, SABAL_EFORMAT, "the file is empty: no .npy file");
    if (n >= 8 && !memcmp(start, "\x89HDF\r\n\x1a\n", 8))
        return sbl_error_set(err, SABAL_EFORMAT, "this is an HDF5 file: give it the ending .h5, or read it as HDF5");
    if (n >= 4 && !memcmp(start, "PK\3\4", 4))
        return sbl_error_set(err, SABAL_EFORMAT,
                             "this is a .npz or zip archive: unpack it (unzip), and name one of its files");
    if (n >= 2 && !memcmp(start, "\x1f\x8b", 2))
        return sbl_error_set(err, SABAL_EFORMAT, "this is compressed with gzip: unpack it first (gunzip)");
    if (!memcmp(start, "\x93NUMPY", n < 6 ? n : 6))
        return sbl_error_set(err, SABAL_EFORMAT,
                             "cut short: the file ends at offset %zu, within the header: copy or save it again", n);
    for (size_t i = 0; i < n; i++)
        snprintf(shown + strlen(shown), sizeof shown - strlen(shown), isprint(start[i]) ? "%c" : "\\x%02x", start[i]);
    return sbl_error_set(err, SABAL_EFORMAT, "no .npy file: it begins with \"%s\", not with \"\\x93NUMPY\"", shown);
}

/* The length of the header from the bytes behind the preamble: two in version 1, four in 2 and 3. */
static sabal_status read_length(int64_t *length, int64_t *at, const unsigned char *start, int64_t file_size,
                                sabal_error *err)
{
    int major = start[6], minor = start[7];

    if (major < 1 || major > 3 || minor != 0)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "version %d.%d of the .npy format: 1.0, 2.0 and 3.0 are read: save it again with np.save",
                             major, minor);
    *at     = PREAMBLE + (major == 1 ? 2 : 4);
    *length = start[8] | start[9] << 8;
    if (major > 1)
        *length |= (int64_t)start[10] << 16 | (int64_t)start[11] << 24;
    if (*length > SBL_NPY_MAX_HEADER)
        return sbl_error_set(err, SABAL_EFORMAT, "a header of %" PRId64 " bytes (offset 8): at most %d are believed",
                             *length, SBL_NPY_MAX_HEADER);
    if (*at + *length > file_size)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "cut short: the header ends at offset %" PRId64 ", the file at %" PRId64
                             ": copy or save it again",
                             *at + *length, file_size);
    return SABAL_OK;
}

sabal_status sbl_npy_header_read(sbl_npy_header *header, int fd, int64_t file_size, sabal_error *err)
{
    unsigned char start[PREAMBLE + 4] = {0};
    size_t        n                   = file_size < (int64_t)sizeof start ? (size_t)file_size : sizeof start;
    char         *text                = NULL;
    int64_t       length = 0, at = 0;
    sabal_status  st;

    *header = (sbl_npy_header){0};
    st      = sbl_file_read_at(fd, start, n, 0, err);
    if (st)
        goto done;
    if (n < sizeof start || memcmp(start, "\x93NUMPY", 6)) {
        st = not_npy(start, n < PREAMBLE ? n : PREAMBLE, err);
        goto done;
    }
    st = read_length(&length, &at, start, file_size, err);
    if (st)
        goto done;
    text = sbl_alloc((size_t)length);
    if (!text) {
        st = sbl_error_memory(err, (size_t)length, "a .npy header");
        goto done;
    }
    st = sbl_file_read_at(fd, text, (size_t)length, at, err);
    if (st)
        goto done;
    st              = sbl_npy_header_parse(header, text, (size_t)length, at, err);
    header->data_at = at + length;
done:
    sbl_free(text);
    return st;
}

size_t sbl_npy_header_write(char *room, sabal_dtype dtype, int32_t ndim, const int64_t *shape)
{
    static const char KINDS[] = {
        [SABAL_BOOL] = 'b',      [SABAL_UINT8] = 'u',   [SABAL_UINT16] = 'u',  [SABAL_UINT32] = 'u',
        [SABAL_UINT64] = 'u',    [SABAL_INT8] = 'i',    [SABAL_INT16] = 'i',   [SABAL_INT32] = 'i',
        [SABAL_INT64] = 'i',     [SABAL_FLOAT32] = 'f', [SABAL_FLOAT64] = 'f', [SABAL_COMPLEX64] = 'c',
        [SABAL_COMPLEX128] = 'c'};
    const int    little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    size_t       item   = sabal_dtype_size(dtype), n, end;
    char        *text   = room + PREAMBLE + 2;
    const size_t size   = SBL_NPY_HEADER_ROOM - PREAMBLE - 2;

    n = (size_t)snprintf(text, size, "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (",
                         item == 1 ? '|'
                         : little  ? '<'
                                   : '>',
                         KINDS[dtype], item);
    for (int32_t i = 0; i < ndim; i++)
        n += (size_t)snprintf(text + n, size - n, i ? ", %" PRId64 : "%" PRId64, shape[i]);
    n += (size_t)snprintf(text + n, size - n, ndim == 1 ? ",), }" : "), }");
    /* NumPy leaves room for the rows to grow to 21 digits in place, then pads to 64, at least one space */
    if (ndim > 0)
        n += (size_t)snprintf(text + n, size - n, "%*s", 21 - snprintf(NULL, 0, "%" PRId64, shape[0]), "");
    end = (PREAMBLE + 2 + n + 1) / 64 * 64 + 64;
    memset(text + n, ' ', end - (PREAMBLE + 2 + n));
    room[end - 1] = '\n';
    memcpy(room, "\x93NUMPY\1\0", PREAMBLE);
    n       = end - PREAMBLE - 2;
    room[8] = (char)(n & 0xff);
    room[9] = (char)(n >> 8);
    return end;
}
