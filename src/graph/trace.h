/* A file with one event for each run of a task, in the JSON format that Perfetto and Chrome read. */
#ifndef SBL_GRAPH_TRACE_H
#define SBL_GRAPH_TRACE_H

#include "graph/future.h"

typedef struct sbl_trace sbl_trace;

/** Makes the file. SABAL_ENOENT, SABAL_EACCES, SABAL_ENOSPC, SABAL_EIO, SABAL_ENOMEM */
sabal_status sbl_trace_open(sbl_trace **trace, const char *path, sabal_error *err);
/** Writes what is left and the end. What could not be written is told to the log. NULL allowed. */
void sbl_trace_close(sbl_trace *trace);
/** What each thread of the client's pool has done, as counters of this moment. */
void sbl_trace_workers(sbl_trace *trace, const sabal_client *client);
/** One run that began at started_ns (sbl_clock_ns()) and ends now. */
void sbl_trace_run(sbl_trace *trace, const sabal_future *f, int64_t started_ns, sabal_status st, size_t n_bytes);
/** A task that ended without having run; its failure is written. */
void sbl_trace_unrun(sbl_trace *trace, const sabal_future *f);

#endif
