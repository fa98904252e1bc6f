/* The file by which a cluster is found and entered: addresses, and the secret. Who can read it owns the cluster. */
#ifndef SBL_CLUSTER_NET_SCHEDULER_FILE_H
#define SBL_CLUSTER_NET_SCHEDULER_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include <sabal/status.h>

#include "cluster/net/address.h"
#include "cluster/net/machine.h"
#include "cluster/net/secret.h"

enum { SBL_CLUSTER_ID = 16, SBL_JOB_TEXT = 64, SBL_VERSION_TEXT = 24 };

typedef struct sbl_scheduler_file {
    uint8_t     cluster[SBL_CLUSTER_ID]; /* another for each start of a scheduler                           */
    sbl_secret *secret;                  /* ours; ended by sbl_scheduler_file_clear()                       */
    char        version[SBL_VERSION_TEXT];
    sbl_machine node;
    pid_t       pid;
    uint64_t    pid_start; /* sbl_process_start_time()                                        */
    uid_t       uid;
    char        job[SBL_JOB_TEXT]; /* of Slurm or PBS; "": none                                       */
    int64_t     restarts;          /* of that job                                                     */
    int64_t     started;           /* seconds since 1970                                              */
    sbl_address addresses[SBL_MOST_ADDRESSES];
    int32_t     n_addresses;
} sbl_scheduler_file;

/** Fills in this process and a fresh cluster id and secret; the caller adds addresses. Errors: SABAL_ENOMEM,
    SABAL_EUNSUPPORTED. */
sabal_status sbl_scheduler_file_init(sbl_scheduler_file *file, sabal_error *err);
/** NULL, and a zeroed one, allowed. */
void sbl_scheduler_file_clear(sbl_scheduler_file *file);

/**
 * Writes it so that nobody sees half of it and none but this user can read it; replaces what was there. Errors: those of the
 * system, SABAL_EACCES (the file system gives it another owner or mode than asked for), SABAL_ENOMEM.
 */
sabal_status sbl_scheduler_file_write(const char *path, const sbl_scheduler_file *file, sabal_error *err);
/** Removes it if it still is that cluster's. */
void sbl_scheduler_file_remove(const char *path, const uint8_t cluster[SBL_CLUSTER_ID]);

/**
 * Reads and judges it. While there is none, and while what is there is left over from a scheduler that is gone or from an
 * earlier run of this job, it looks again until deadline_ns (sbl_clock_ns(); 0: it looks once). Blocks: of a thread that
 * may wait.
 *
 * Errors: SABAL_ENOENT   there is none
 *         SABAL_EPEER    its scheduler is gone, or was of an earlier run of this job
 *         SABAL_EACCES   a symbolic link, no regular file, another owner, open to group or others
 *         SABAL_EFORMAT  too large, half-written, malformed, another format or format version
 *         SABAL_EUNSUPPORTED  of another version of sabal
 *         SABAL_ENOMEM, SABAL_EIO, ...
 */
sabal_status sbl_scheduler_file_read(sbl_scheduler_file *file, const char *path, int64_t deadline_ns, sabal_error *err);

/** 1: its scheduler is another process of this node, which runs. 0: it is not, or it can't be told from here. */
int sbl_scheduler_file_is_alive(const sbl_scheduler_file *file);

/** Of its bytes alone, which are changed: the digits of the secret are wiped. Errors: SABAL_EFORMAT, SABAL_EUNSUPPORTED,
    SABAL_ENOMEM. */
sabal_status sbl_scheduler_file_parse(sbl_scheduler_file *file, char *text, size_t n, sabal_error *err);
/** Its text in memory of libsodium's (sodium_free()). */
sabal_status sbl_scheduler_file_print(char **text, size_t *n, const sbl_scheduler_file *file, sabal_error *err);

/** "job 12, restart 1" of the environment: the number of restarts; job "": it is none. */
int64_t sbl_job_here(char job[SBL_JOB_TEXT]);

#endif
