/* What sabal's buffers take of memory: exact counts of what was handed out. */
#ifndef SABAL_MEMORY_H
#define SABAL_MEMORY_H

#include <sabal/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of the buffers of this process: chunks, results of tasks, scattered data. Not the small records. */
typedef struct sabal_memory {
    size_t struct_size;
    size_t in_use; /* handed out and not yet returned, exactly as asked for                           */
    size_t peak;   /* the most that in_use has been since the start or the last reset                 */
    size_t cached; /* returned, kept mapped on huge pages for the next buffer (option buffer_cache)   */
    size_t count;  /* number of buffers handed out                                                    */
} sabal_memory;

/**
 * Fills as much of *memory as its struct_size says, which the caller sets. Costs a few loads; safe from any thread.
 * Errors: SABAL_EINVAL (struct_size is too small for any)
 */
SABAL_API sabal_status sabal_memory_get(sabal_memory *memory);
/** Sets peak back to in_use. */
SABAL_API void sabal_memory_reset_peak(void);
/** Gives the cached buffers back to the system. */
SABAL_API void sabal_memory_trim(void);
/**
 * Bytes of memory that this process may use: the least of the machine's memory, its cgroups' limits, RLIMIT_AS and
 * RLIMIT_DATA. Reads files.
 */
SABAL_API size_t sabal_memory_limit(void);

#ifdef __cplusplus
}
#endif
#endif
