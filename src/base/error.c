/* The error record: flat, caller-owned, written once. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/grow.h"

static const struct {
    sabal_status status;
    const char  *name;
} NAMES[] = {
    {SABAL_OK, "SABAL_OK"},
    {SABAL_EINVAL, "SABAL_EINVAL"},
    {SABAL_ESHAPE, "SABAL_ESHAPE"},
    {SABAL_EDTYPE, "SABAL_EDTYPE"},
    {SABAL_EVALUE, "SABAL_EVALUE"},
    {SABAL_ENOMEM, "SABAL_ENOMEM"},
    {SABAL_EIO, "SABAL_EIO"},
    {SABAL_ENOENT, "SABAL_ENOENT"},
    {SABAL_EACCES, "SABAL_EACCES"},
    {SABAL_ENOSPC, "SABAL_ENOSPC"},
    {SABAL_EFORMAT, "SABAL_EFORMAT"},
    {SABAL_EUNSUPPORTED, "SABAL_EUNSUPPORTED"},
    {SABAL_ETIMEDOUT, "SABAL_ETIMEDOUT"},
    {SABAL_ECANCELED, "SABAL_ECANCELED"},
    {SABAL_ECLOSED, "SABAL_ECLOSED"},
    {SABAL_EFORKED, "SABAL_EFORKED"},
    {SABAL_ETASK, "SABAL_ETASK"},
    {SABAL_EPEER, "SABAL_EPEER"},
    {SABAL_EINTERNAL, "SABAL_EINTERNAL"},
    {SABAL_END, "SABAL_END"},
};

const char *sabal_status_name(sabal_status status)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (NAMES[i].status == status)
            return NAMES[i].name;
    return "SABAL_E?";
}

int sbl_status_is_failure(sabal_status status)
{
    return status != SABAL_OK && status != SABAL_END && strcmp(sabal_status_name(status), "SABAL_E?") != 0;
}

int sabal_error_format(char *text, size_t size, const sabal_error *err)
{
    const char *message = err->message[0] ? err->message : sabal_status_name(err->status);

    if (err->where[0] && err->task[0])
        return snprintf(text, size, "%s (at %s, in task '%s')", message, err->where, err->task);
    if (err->where[0])
        return snprintf(text, size, "%s (at %s)", message, err->where);
    if (err->task[0])
        return snprintf(text, size, "%s (in task '%s')", message, err->task);
    return snprintf(text, size, "%s", message);
}

int64_t sabal_list_count(sabal_list list)
{
    int64_t n = 0;

    if (list.count >= 0 || !list.items)
        return list.items ? list.count : 0;
    while (list.items[n] != SABAL_LIST_END)
        n++;
    return n;
}

sabal_status sbl_error_setv(sabal_error *err, sabal_status status, const char *format, va_list args)
{
    if (err && !err->status) {
        err->struct_size = sizeof *err;
        err->status      = status;
        vsnprintf(err->message, sizeof err->message, format, args);
    }
    return status;
}

sabal_status sbl_error_set(sabal_error *err, sabal_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    sbl_error_setv(err, status, format, args);
    va_end(args);
    return status;
}

sabal_status sbl_error_pass(sabal_error *err, const sabal_error *from)
{
    if (err && err != from && !err->status)
        *err = *from;
    return from->status;
}

sabal_status sbl_error_prefix(sabal_error *err, const char *format, ...)
{
    char    text[sizeof err->message];
    va_list args;
    int     n;

    if (!err)
        return SABAL_OK;
    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (err->status && n >= 0 && (size_t)n < sizeof text) {
        snprintf(text + n, sizeof text - (size_t)n, ": %.*s", (int)(sizeof text - (size_t)n - 3), err->message);
        memcpy(err->message, text, sizeof text);
    }
    return err->status;
}

void sbl_error_where(sabal_error *err, const char *where)
{
    if (err && err->status && !err->where[0] && where)
        snprintf(err->where, sizeof err->where, "%s", where);
}

void sbl_error_task(sabal_error *err, const char *key)
{
    if (err && err->status && !err->task[0] && key)
        snprintf(err->task, sizeof err->task, "%s", key);
}

sabal_status sbl_status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return SABAL_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return SABAL_EACCES;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return SABAL_ENOSPC;
    case ENOMEM:
        return SABAL_ENOMEM;
    case EINVAL:
        return SABAL_EINVAL;
    case ECANCELED:
        return SABAL_ECANCELED;
    case ETIMEDOUT:
        return SABAL_ETIMEDOUT;
    default:
        return SABAL_EIO;
    }
}

sabal_status sbl_error_errno(sabal_error *err, int error_number, const char *format, ...)
{
    const char *advice = error_number == EFBIG ? sbl_grow_advice() : NULL;
    char        what[400], text[96];
    va_list     args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return sbl_error_set(err, sbl_status_of_errno(error_number), "%s: %s%s%s", what,
                         strerror_r(error_number, text, sizeof text), advice ? ": " : "", advice ? advice : "");
}

sabal_status sbl_error_memory(sabal_error *err, size_t n_bytes, const char *what)
{
    return sbl_error_set(err, SABAL_ENOMEM, "no memory for %zu bytes (%s)", n_bytes, what);
}
