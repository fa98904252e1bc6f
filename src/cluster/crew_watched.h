/* What a worker notes for its supervisor; nothing, where it has none. */
#ifndef SBL_CLUSTER_CREW_WATCHED_H
#define SBL_CLUSTER_CREW_WATCHED_H

#include <sabal/client.h>

#include "cluster/membership.h"

/** The process of a worker that a supervisor started: its memory, and a descriptor that gets a 'j' when the worker has joined,
    a 'c' when it is about to end by a crash. Returns the process's status. */
int32_t sbl_crew_main(int page_fd, int fd);

int  sbl_crew_is_watched(void);
int  sbl_crew_keeps_hangups(void);
void sbl_crew_note_joined(const sbl_membership *m);
/** leaves: it need not be started again. */
void sbl_crew_note_over(int leaves);
void sbl_crew_note_folder(const char *path);
void sbl_crew_note_memory(const sabal_client_memory *memory);

#endif
