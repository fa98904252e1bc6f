/* The log: lines for a callback of the host's, or for stderr if SABAL_LOG asks for it; else silence. */
#ifndef SBL_BASE_LOG_H
#define SBL_BASE_LOG_H

#include <sabal/status.h>

/** SABAL_EINVAL: the setting is no level. */
sabal_status sbl_log_check(sabal_error *err);
void         sbl_log(sabal_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
