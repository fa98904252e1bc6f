/* Texts with commas are read as they are given, by users and by other processes: nothing of them is believed. */
#include "base/lists.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " ");
}

/* --- amounts ------------------------------------------------------------------------------------------------------ */

/* Decimal digits, with up to six behind a point; NULL: it is no such number, or too large a one. */
static const char *read_number(uint64_t *millionths, const char *at)
{
    const size_t digits = strspn(at, "0123456789");
    uint64_t     n      = 0;
    int          behind = 0;

    for (size_t i = 0; i < digits; i++) {
        n = n * 10 + (uint64_t)(at[i] - '0');
        if (n > SBL_MOST_AMOUNT)
            return NULL;
    }
    at += digits;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9' && behind < 6; at++, behind++)
            n = n * 10 + (uint64_t)(*at - '0');
    if (!digits && !behind)
        return NULL;
    for (; behind < 6; behind++)
        n *= 10;
    *millionths = n;
    return n <= (uint64_t)SBL_MOST_AMOUNT * 1000000 ? at : NULL;
}

/* One of them; NULL: it can't be read. */
static const char *read_amount(sbl_amounts *amounts, const char *at)
{
    const size_t length = strcspn(at, "=, ");
    sbl_amount  *next   = &amounts->of[amounts->n];

    if (!length || length >= sizeof next->name || at[length] != '=' || amounts->n == SBL_MOST_AMOUNTS)
        return NULL;
    memset(next, 0, sizeof *next);
    memcpy(next->name, at, length);
    if (sbl_amounts_find(amounts, next->name))
        return NULL;
    at = read_number(&next->millionths, at + length + 1);
    amounts->n++;
    return at;
}

sabal_status sbl_amounts_read(sbl_amounts *amounts, const char *text, const char *what, sabal_error *err)
{
    const char *at = text ? skip_blanks(text) : "";

    amounts->n = 0;
    while (*at) {
        at = read_amount(amounts, at);
        if (at && *at == ',' && at[1]) {
            at = skip_blanks(at + 1);
            continue;
        }
        if (at && !*at)
            break;
        amounts->n = 0;
        return sbl_error_set(err, SABAL_EINVAL,
                             "%s '%.200s': expected up to %d different names, each with an amount, such as "
                             "'gpu=1,licence=0.5'",
                             what, text, (int)SBL_MOST_AMOUNTS);
    }
    return SABAL_OK;
}

const char *sbl_amounts_tell(char *text, const sbl_amounts *amounts)
{
    size_t at = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < amounts->n; i++) {
        const sbl_amount *a = &amounts->of[i];

        at += (size_t)snprintf(text + at, SBL_AMOUNTS_TEXT - at, "%s%s=%" PRIu64 ".%06" PRIu64, i ? "," : "", a->name,
                               a->millionths / 1000000, a->millionths % 1000000);
        while (text[at - 1] == '0')
            at--;
        at -= text[at - 1] == '.';
        text[at] = 0;
    }
    return text;
}

sbl_amount *sbl_amounts_find(sbl_amounts *amounts, const char *name)
{
    for (uint32_t i = 0; i < amounts->n; i++)
        if (!strcmp(amounts->of[i].name, name))
            return &amounts->of[i];
    return NULL;
}

int sbl_amounts_cover(const sbl_amounts *there, const sbl_amounts *needed)
{
    for (uint32_t i = 0; i < needed->n; i++) {
        const sbl_amount *amount = sbl_amounts_find((sbl_amounts *)there, needed->of[i].name);

        if ((amount ? amount->millionths : 0) < needed->of[i].millionths)
            return 0;
    }
    return 1;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

int sbl_names_next(const char **name, size_t *length, const char **at)
{
    if (!*at)
        return 0;
    *name   = skip_blanks(*at);
    *length = strcspn(*name, ",");
    *at     = (*name)[*length] ? *name + *length + 1 : NULL;
    return 1;
}

sabal_status sbl_names_check(const char *text, const char *what, sabal_error *err)
{
    const char *at = text && *text ? text : NULL, *name;
    size_t      length;

    if (at && strlen(at) >= SBL_LIST_TEXT)
        return sbl_error_set(err, SABAL_EINVAL, "%s of %zu characters: expected less than %d", what, strlen(at),
                             (int)SBL_LIST_TEXT);
    while (sbl_names_next(&name, &length, &at))
        if (!length)
            return sbl_error_set(err, SABAL_EINVAL, "%s '%.200s': expected names with commas between them", what, text);
    return SABAL_OK;
}

int sbl_names_have(const char *text, const char *name)
{
    const size_t wanted = strlen(name);
    const char  *at     = *text ? text : NULL, *its;
    size_t       length;

    while (sbl_names_next(&its, &length, &at))
        if (length == wanted && !memcmp(its, name, length))
            return 1;
    return 0;
}
