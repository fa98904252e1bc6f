/* The check sum of spilled data: XXH3, compiled in, as the size of its state is no promise of the library's. */
#ifndef SBL_GRAPH_SPILL_SUM_H
#define SBL_GRAPH_SPILL_SUM_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#endif
