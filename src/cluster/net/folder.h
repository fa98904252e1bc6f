/*
 * A folder of a process's own for its sockets: 0700, with a name that nobody can guess, gone with the process. What one left
 * that could not remove its own is removed by the next that begins or ends: a lock, which ends with its process however that
 * ended, tells.
 */
#ifndef SBL_CLUSTER_NET_FOLDER_H
#define SBL_CLUSTER_NET_FOLDER_H

#include <sabal/status.h>

enum { SBL_FOLDER_TEXT = 80 }; /* so that a socket's name fits behind it */

typedef struct sbl_folder {
    char path[SBL_FOLDER_TEXT]; /* "": there is none */
    int  lock;
} sbl_folder;

/** Under $XDG_RUNTIME_DIR if that is this user's alone, else under /tmp. Sweeps there first. Errors: those of the system,
    SABAL_EACCES (neither can be trusted). */
sabal_status sbl_folder_create(sbl_folder *folder, sabal_error *err);
/** With what lies in it, and sweeps beside it. A zeroed one is allowed. In a child made by fork: it is the parent's. */
void sbl_folder_remove(sbl_folder *folder);
/** As sbl_folder_create(), under a folder that is named. */
sabal_status sbl_folder_create_in(sbl_folder *folder, const char *base, sabal_error *err);
/** As that, if nobody else can replace what lies in that folder. Errors: SABAL_EACCES (others can), SABAL_EINVAL (its name is too
    long for sockets below it), those of the system. */
sabal_status sbl_folder_create_at(sbl_folder *folder, const char *base, sabal_error *err);
/** Removes those whose processes are gone. Returns how many. */
int sbl_folder_sweep(const char *base);
/** The same wherever sbl_folder_create() makes them. */
void sbl_folder_sweep_all(void);

#endif
