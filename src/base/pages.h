/* On pages of which size fresh memory lies. */
#ifndef SBL_BASE_PAGES_H
#define SBL_BASE_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

#define SBL_HUGE_PAGE ((size_t)2 << 20)

/** SABAL_EINVAL: the setting of this file can't be read. */
sabal_status sbl_pages_check(sabal_error *err);

/** Maps fresh memory that begins at a huge page; size is in whole ones. NULL: there is none. */
void *sbl_pages_map(size_t size);
/** It is to lie on huge pages, as long as they are cheap, or whatever they take, as the setting says. It may touch the first.
    1: it lies on small ones. */
int sbl_pages_advise(void *memory, size_t size);
/** Small pages that will be written soon: together they take two thirds of what they take one by one. */
void sbl_pages_fetch(void *memory, size_t size);
/** The first touch of a huge page took so much of a thread's time. 1: that was dear, and what comes next is to lie on small ones. */
int sbl_pages_took(int64_t ns);

#endif
