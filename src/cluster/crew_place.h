/* Where a worker keeps what it needs on disk, and what it loads before the first task. */
#ifndef SBL_CLUSTER_CREW_PLACE_H
#define SBL_CLUSTER_CREW_PLACE_H

#include "cluster/net/folder.h"

/** Loads libraries, names with commas, for all that is loaded later to find. NULL: none. Errors: SABAL_EUNSUPPORTED (one can't be
    loaded), SABAL_ENOMEM. */
sabal_status sbl_crew_preload(const char *names, sabal_error *err);
/** Makes it if it is missing. 1: it was made, and is to be removed at the end if it is empty. NULL allowed. */
int sbl_crew_make_directory(const char *path);
/** The folder of its sockets, there or (NULL) where they lie by default. Errors: those of sbl_folder_create_at(). */
sabal_status sbl_crew_folder_create(sbl_folder *folder, const char *directory, sabal_error *err);

#endif
