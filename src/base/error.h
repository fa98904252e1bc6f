/* Filling and passing the error record. The first who knows what went wrong writes; those above pass it on. */
#ifndef SBL_BASE_ERROR_H
#define SBL_BASE_ERROR_H

#include <stdarg.h>

#include <sabal/status.h>

/** As SABAL_ERROR_INIT, but writes only what tells that it is empty: the record is large, and seldom used. */
static inline void sbl_error_clear(sabal_error *err)
{
    err->struct_size = sizeof *err;
    err->status      = SABAL_OK;
    err->task[0] = err->node[0] = err->where[0] = err->message[0] = 0;
}

/** Writes status and message to err (NULL allowed; a record that holds a failure keeps it). Returns status. */
sabal_status sbl_error_set(sabal_error *err, sabal_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
sabal_status sbl_error_setv(sabal_error *err, sabal_status status, const char *format, va_list args);
/** Copies a record, whole (NULL err allowed; a record that holds a failure keeps it). Returns from->status. */
sabal_status sbl_error_pass(sabal_error *err, const sabal_error *from);
/** 1 for a status that tells a failure; 0 for SABAL_OK, SABAL_END and numbers that are no status. */
int sbl_status_is_failure(sabal_status status);
/** Puts "prefix: " before the message of a record that holds a failure. Returns its status. */
sabal_status sbl_error_prefix(sabal_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Notes the user's line in a record that has none yet. where may be NULL. */
void sbl_error_where(sabal_error *err, const char *where);
/** Notes the task's key in a record that has none yet. */
void sbl_error_task(sabal_error *err, const char *key);
/** The status that fits an errno: ENOSPC and EDQUOT give SABAL_ENOSPC, EACCES SABAL_EACCES, ... else SABAL_EIO. */
sabal_status sbl_status_of_errno(int error_number);
/** "what: <text of errno>", with the status that fits. Returns it. */
sabal_status sbl_error_errno(sabal_error *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Out of memory, told without needing any: "no memory for <n_bytes> bytes (<what>)". Returns SABAL_ENOMEM. */
sabal_status sbl_error_memory(sabal_error *err, size_t n_bytes, const char *what);

#endif
