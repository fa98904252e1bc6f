/* Where this process is, where a program's work is done by several. */
#ifndef SBL_BASE_HERE_H
#define SBL_BASE_HERE_H

#include <stddef.h>
#include <stdint.h>

/** What messages call this process: "worker 'n2'". NULL: it is the user's own program. */
const char *sbl_here(void);
/** Once, before tasks run. */
void sbl_here_set(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** A number that the processes of this machine have in common, and no other machine has; 0: it can't be told. */
uint64_t sbl_here_machine(void);
/** For messages: the folder in which a relative path was looked for, in room; NULL: the path is absolute, or it can't be told. */
const char *sbl_here_folder(char *room, size_t size, const char *path);

#endif
