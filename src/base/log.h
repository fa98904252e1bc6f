/* The log: lines for a callback of the host's, or for stderr if SABAL_LOG asks for it; else silence. */
#ifndef SBL_BASE_LOG_H
#define SBL_BASE_LOG_H

#include <sabal/status.h>

void sbl_log(sabal_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
