/* Included before anything else in the code under test: what it asks of the system, the explorer gives. */
#ifndef SBL_TESTS_EXPLORE_REPLACE_H
#define SBL_TESTS_EXPLORE_REPLACE_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "explore/runtime.h"

#define syscall                              explore_syscall
#define sbl_clock_ns                         explore_clock_ns
#define pthread_mutex_init(mutex, how)       ((void)(mutex))
#define pthread_mutex_destroy(mutex)         ((void)(mutex))
#define pthread_mutex_lock                   explore_mutex_lock
#define pthread_mutex_unlock                 explore_mutex_unlock
#define pthread_create(id, how, run, value)  explore_create((id), (how), (run), (value))
#define pthread_join(id, value)              explore_join(id)
#define pthread_self()                       ((pthread_t)0)
#define pthread_attr_init(how)               ((void)(how))
#define pthread_attr_setstacksize(how, n)    ((void)(how))
#define pthread_attr_destroy(how)            ((void)(how))
#define pthread_setname_np(id, name)         ((void)(name))
#define pthread_sigmask(how, set, old)       ((void)(set), (void)(old))
#define gettid()                             1
#define sched_yield()                        ((void)0)
#define clock_nanosleep(id, how, time, left) ((void)0)
#define snprintf(text, ...)                  ((void)0)
#define mmap(at, size, ...)                  explore_alloc(128, (size))
#define munmap(at, size)                     ((void)(at))

#endif
