/*
 * Tasks in other processes. With sabal_open("rehearse:", ...) each task runs in one of some worker processes of this node,
 * as it would on the nodes of a cluster: what travels is code, arguments and inputs, never a program's global variables.
 * A worker has its own, as they were before main().
 *
 * A worker loads the program's code: its executable (as a private copy) and its libraries. For that
 *
 *  - functions of tasks, and sabal_types, must lie in the program or a library that has a build-id (gcc's and Debian's
 *    usual way; else link with -Wl,--build-id),
 *  - the executable must be position-independent (the usual way; else -fPIE and -pie), linked dynamically, without
 *    thread-local variables of its own and without a sanitizer. Libraries may have all these; those that the program finds
 *    by $ORIGIN need a soname (-Wl,-soname, which meson and CMake set).
 *
 * Variables of libraries (environ, signgam, optind) that a program uses need -fPIC: else the linker gives the program a copy,
 * which in a worker would never change; such a program is refused. stdin, stdout and stderr are none of these.
 *
 * Each value of 64 KiB and more takes a file descriptor in the client's process (ulimit -n).
 *
 * An executable that is otherwise can be its own worker: it calls sabal_worker_main() first thing in main(). Constructors
 * run in workers too; main() does not.
 *
 * A task that ends its process (a signal, exit(), abort()) fails with SABAL_EPEER after its retries, and with its line;
 * the worker is started again, tasks that ran beside it are run once more, and no value is lost. Where it can't be told which
 * of the tasks in a worker brought its end (SIGKILL, _exit(), a crash in a task that a task submitted), all that had begun
 * are charged with it. Tasks that a task
 * submits run in the same worker.
 */
#ifndef SABAL_CLUSTER_H
#define SABAL_CLUSTER_H

#include <sabal/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a program its own worker. Call it first in main(), before anything else is done:
 *
 *     int main(int argc, char **argv)
 *     {
 *         int32_t status = sabal_worker_main(argc, argv);
 *
 *         if (status >= 0)
 *             return status;
 *
 *   returns  -1 if the process was not started as a worker: go on. Else the status with which it is to end; then it was
 *            one, and its work is over
 */
SABAL_API int32_t sabal_worker_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
