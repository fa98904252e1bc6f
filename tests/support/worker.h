/* A test's program holds the library's inner parts and is built with sanitizers, so it is its own worker. */
#ifndef SBL_TESTS_WORKER_H
#define SBL_TESTS_WORKER_H

#include <stdlib.h>

#include <sabal/cluster.h>

/* Before main(), which is Criterion's. */
static __attribute__((constructor, used)) void be_a_worker_if_started_as_one(int argc, char **argv)
{
    int32_t status = sabal_worker_main(argc, argv);

    if (status >= 0)
        exit(status);
}

#endif
