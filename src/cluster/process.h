/* Worker processes as their hub sees them: starting one, ending one, and what it says of one that is gone. */
#ifndef SBL_CLUSTER_PROCESS_H
#define SBL_CLUSTER_PROCESS_H

#include <sys/types.h>

#include <sabal/status.h>

/** Notes that this program is a worker when started as one: sabal_worker_main() is called in it. */
void sbl_process_is_own_worker(void);
/**
 * Starts the program itself if it is its own worker, else sabal-worker beside libsabal. fds: descriptors that it has as 3, 4, ...; all
 * are above those here, and stay the caller's. args: its name, "sabal-worker", first; NULL last.
 * Errors: SABAL_ENOENT (no such program), SABAL_EPEER (it can't be started)
 */
sabal_status sbl_process_spawn(pid_t *pid, const int *fds, int n_fds, char *const *args, sabal_error *err);
/**
 * Starts a worker of a hub. fd: its end of the channel; fault: the shared memory. all: threads of it and of those that are to
 * run beside it. Errors: as sbl_process_spawn().
 */
sabal_status sbl_process_start(pid_t *pid, int fd, int fault, int32_t threads, int32_t all, sabal_error *err);
/** Waits until it has ended; kills it if that takes more than patience_ms. Returns its status as waitpid() has it, or -1 if
    the host has taken that away. */
int sbl_process_end(pid_t pid, int patience_ms);
/** "signal 11 (Segmentation fault)", "exit status 3". signal: what the worker itself told, or 0. Returns text. */
const char *sbl_process_tell(char *text, size_t size, int status, int signal);

#endif
