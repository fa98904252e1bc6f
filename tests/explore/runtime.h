/* What replace.h sends the code under test to. */
#ifndef SBL_TESTS_EXPLORE_RUNTIME_H
#define SBL_TESTS_EXPLORE_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

long    explore_syscall(long number, ...);
int64_t explore_clock_ns(void);
int     explore_mutex_lock(void *mutex);
int     explore_mutex_unlock(void *mutex);
int     explore_create(unsigned long *id, void *attributes, void *(*run)(void *), void *argument);
int     explore_join(unsigned long id);
void   *explore_alloc(size_t align, size_t size);

#endif
