/* The places in programs from where a client's tasks come. */
#ifndef SBL_GRAPH_SITES_H
#define SBL_GRAPH_SITES_H

#include "graph/future.h"

enum { SBL_SITES = 512 };

/* Entries are added, never changed or taken out before the end. */
typedef struct sbl_sites {
    _Atomic(sbl_site *) entries[SBL_SITES];
} sbl_sites;

/** The one that is equal, or a new one. NULL: no memory, or too many: the task has one of its own. */
const sbl_site *sbl_site_find(sbl_sites *sites, const sbl_site *site);
void            sbl_sites_clear(sbl_sites *sites);

#endif
