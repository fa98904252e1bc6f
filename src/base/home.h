/*
 * On which NUMA node a large buffer's memory lies: a byte for each huge page of the address space, touched as used. So any
 * pointer into a buffer tells, and nothing is kept beside the buffers. A hint: who is told wrong is only slower.
 */
#ifndef SBL_BASE_HOME_H
#define SBL_BASE_HOME_H

#include <stddef.h>
#include <stdint.h>

#define SBL_NO_HOME    (-1)
#define SBL_MOST_HOMES 254

/** There are n_nodes, and node_here() tells the one that the calling thread is on. 0: there is no memory for it, or too
    many: as if there were one. */
int sbl_homes_set(int32_t n_nodes, int32_t (*node_here)(void));
/** 1 until it is set. */
int32_t sbl_homes(void);
int32_t sbl_home_here(void);
/** Memory of whole huge pages lies on that node; SBL_NO_HOME: it is not there any more. */
void sbl_home_note(const void *memory, size_t size, int32_t home);
/** SBL_NO_HOME: not known, or there is one node. */
int32_t sbl_home_of(const void *pointer);

#endif
