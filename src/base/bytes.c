/* Numbers of bytes as people write them. K, M, G are powers of 1000 and Ki, Mi, Gi of 1024, as in Dask. */
#include "base/limits.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

static sabal_status bad(const char *text, int64_t whole, const char *why, sabal_error *err)
{
    return sbl_error_set(err, SABAL_EINVAL, "'%s' %s: expected %s", text, why,
                         whole ? "such as '8 GB', '1.5GiB', '80%', 'auto' or 'none'" : "such as '8 GB' or '1.5GiB'");
}

/* What a unit multiplies by: none, B, k, kB, Ki, KiB, M, ... in either case; 0 if it is none of them. */
static double unit_of(const char *unit)
{
    static const char LETTERS[] = "KMGTPE";
    const char       *letter;
    double            base = 1000, factor = 1;

    if (!*unit || !strcasecmp(unit, "B"))
        return 1;
    letter = strchr(LETTERS, toupper((unsigned char)*unit++));
    if (!letter)
        return 0;
    if (toupper((unsigned char)*unit) == 'I') {
        base = 1024;
        unit++;
    }
    if (*unit && strcasecmp(unit, "B"))
        return 0;
    for (const char *l = LETTERS; l <= letter; l++)
        factor *= base;
    return factor;
}

/* Cuts the blanks around a text. 0 if it is too long for any that can be read. */
static int trim(char room[64], const char *text)
{
    size_t n;

    while (isspace((unsigned char)*text))
        text++;
    n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    if (n > 63)
        return 0;
    memcpy(room, text, n);
    room[n] = 0;
    return 1;
}

/* Digits with a point and an exponent. Not strtod(), which takes signs, hexadecimal and infinity, and whose point is
   the locale's. NULL: there is none; else where it ends. */
static const char *read_number(const char *text, double *n)
{
    double digits = 0, below = 1;
    int    n_digits = 0, behind = 0;
    char  *end;

    for (; isdigit((unsigned char)*text) || (*text == '.' && !behind); text++) {
        if (*text == '.') {
            behind = 1;
            continue;
        }
        digits = digits * 10 + (*text - '0');
        below *= behind ? 10 : 1;
        n_digits++;
    }
    if (!n_digits)
        return NULL;
    *n = digits / below;
    if (tolower((unsigned char)*text) == 'e' && isdigit((unsigned char)text[1])) {
        long power = strtol(text + 1, &end, 10);

        *n *= pow(10, power < 400 ? (double)power : 400);
        text = end;
    }
    return text;
}

static sabal_status set(int64_t *bytes, double n, const char *text, int64_t whole, sabal_error *err)
{
    if (!(n < 9223372036854775807.0))
        return bad(text, whole, "is more bytes than there can be", err);
    *bytes = (int64_t)n;
    return SABAL_OK;
}

sabal_status sbl_parse_bytes(int64_t *bytes, const char *text, int64_t whole, sabal_error *err)
{
    char        room[64];
    const char *unit;
    double      n, factor;

    if (!trim(room, text))
        return bad(text, whole, "is no number of bytes", err);
    if (!strcasecmp(room, "none"))
        return set(bytes, 0, text, whole, err);
    if (whole && !strcasecmp(room, "auto"))
        return set(bytes, (double)whole, text, whole, err);
    unit = read_number(room, &n);
    if (!unit)
        return bad(text, whole, "is no number of bytes", err);
    unit += strspn(unit, " \t");
    if (!strcmp(unit, "%")) {
        if (!whole || n > 100)
            return bad(text, whole, whole ? "is more than all there is" : "is a part, but of what is not known", err);
        return set(bytes, n / 100 * (double)whole, text, whole, err);
    }
    if (whole && !*unit && n <= 1)
        return set(bytes, n * (double)whole, text, whole, err);
    factor = unit_of(unit);
    if (factor == 0)
        return bad(text, whole, "has no unit of bytes that is known", err);
    return set(bytes, n * factor, text, whole, err);
}

const char *sbl_tell_bytes(char *text, size_t size, int64_t bytes)
{
    static const char *const UNITS[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double                   value   = (double)bytes / 1024;
    size_t                   unit    = 0;

    if (bytes < 1024 && bytes > -1024) {
        snprintf(text, size, "%d bytes", (int)bytes);
        return text;
    }
    while ((value >= 1023.95 || value <= -1023.95) && unit + 1 < sizeof UNITS / sizeof *UNITS) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, "%.1f %s", value, UNITS[unit]);
    return text;
}
