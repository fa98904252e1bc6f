/*
 * Libsabal links no OpenMP: the runtimes that a program uses, of gcc or clang or both, are found where they are loaded, and
 * told for each thread of a pool how many threads its regions may have. That is a variable of the calling thread in both.
 *
 * The linker's lock is held while a library is loaded, and its constructors may open a client and wait for it. So a thread of
 * the pool never asks the linker, nor is it the first to call a runtime, as that may ask it, too: who opens a pool does both.
 */
#include "sched/openmp.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

#include "sched/pool.h"

enum { MOST = 4 };

typedef struct runtime {
    int (*max_threads)(void);
    void (*set_threads)(int threads);
} runtime;

static const char *const names[] = {"libgomp.so.1", "libomp.so.5", "libomp.so", "libiomp5.so"};

static runtime         runtimes[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int32_t all_threads;
_Atomic int32_t        sbl_openmp_found;

/* With the lock held. */
static void add(void *library)
{
    runtime r = {.max_threads = (int (*)(void))dlsym(library, "omp_get_max_threads"),
                 .set_threads = (void (*)(int))dlsym(library, "omp_set_num_threads")};
    int32_t n = atomic_load_explicit(&sbl_openmp_found, memory_order_relaxed);

    if (!r.max_threads || !r.set_threads || n == MOST)
        return;
    for (int32_t i = 0; i < n; i++)
        if (runtimes[i].set_threads == r.set_threads)
            return;
    r.max_threads();
    runtimes[n] = r;
    /* release: the runtime; pairs with the acquire in sbl_openmp_limit() */
    atomic_store_explicit(&sbl_openmp_found, n + 1, memory_order_release);
}

void sbl_openmp_find(void)
{
    pthread_mutex_lock(&lock);
    add(RTLD_DEFAULT);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_LAZY | RTLD_NOLOAD);

        if (library)
            add(library); /* and it stays loaded */
    }
    pthread_mutex_unlock(&lock);
}

/* What the user asked for, by OMP_NUM_THREADS, stands if it is less. */
void sbl_openmp_limit(int32_t share)
{
    int32_t n = atomic_load_explicit(&sbl_openmp_found, memory_order_acquire);

    for (int32_t i = 0; i < n; i++)
        if (runtimes[i].max_threads() > share)
            runtimes[i].set_threads(share);
}

void sbl_openmp_share_cores(int32_t threads)
{
    atomic_store_explicit(&all_threads, threads, memory_order_relaxed);
}

int32_t sbl_openmp_share(int32_t threads)
{
    int32_t all = atomic_load_explicit(&all_threads, memory_order_relaxed), cores = sbl_usable_cores();

    if (all > threads)
        threads = all;
    return cores > threads ? cores / threads : 1;
}
