/* Asking the scheduler of a file one thing, without joining its cluster. */
#ifndef SBL_CLUSTER_ASK_H
#define SBL_CLUSTER_ASK_H

#include "cluster/talk.h"

/**
 * Asks, and waits for the answer, which is heard once: in this thread, while the call lasts.
 *
 *   what   SBL_ASK_...; 0: it is told to end, and nothing is heard but that it does
 *   about  a text that goes with the question; NULL: none
 *
 * Errors: those of sbl_scheduler_file_read(), which looks once; those of sbl_connect(); SABAL_ETIMEDOUT
 */
sabal_status sbl_ask(const char *file, uint32_t what, const char *about, int64_t timeout_ns,
                     void (*heard)(void *arg, sbl_reader *answer), void *arg, sabal_error *err);

#endif
