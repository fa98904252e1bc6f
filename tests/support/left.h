/*
 * What processes of a test may leave behind: processes, shared memory, sockets, spill files, ports, descriptors. What a test
 * starts has a mark in its environment, or descends from it; its sockets and spill files go to a folder of the test's own. So
 * what others on this machine do is not taken for its.
 */
#ifndef SBL_TESTS_LEFT_H
#define SBL_TESTS_LEFT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"

enum { LEFT_FDS = 1024, LEFT_NAME = 64, LEFT_PIDS = 64, LEFT_TEXT = 4000 };

typedef struct left {
    char folder[64];        /* ends with the test: run/ is for sockets, spill/ for values on disk */
    char mark[64];          /* in the environment of what the test starts */
    char fds[LEFT_FDS];     /* 1: open before */
    int  memfds;            /* mapped before */
    char (*shm)[LEFT_NAME]; /* in /dev/shm before, however many others left there */
    int  n_shm;
    long sysv; /* the greatest number before */
} left;

/* What is found, a line each. */
typedef struct left_list {
    char  text[LEFT_TEXT];
    pid_t pids[LEFT_PIDS]; /* this process and those that it left */
    int   n, n_pids;
} left_list;

static inline void left_add(left_list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void left_add(left_list *list, const char *format, ...)
{
    const size_t used = strlen(list->text);
    va_list      args;

    va_start(args, format);
    vsnprintf(list->text + used, sizeof list->text - used, format, args);
    va_end(args);
    list->n++;
}

/* A file of /proc, with an end; its length. */
static inline size_t left_read(const char *path, char *text, size_t size)
{
    FILE  *file = fopen(path, "re");
    size_t n    = file ? fread(text, 1, size - 1, file) : 0;

    if (file)
        fclose(file);
    text[n] = 0;
    return n;
}

/* --- processes ------------------------------------------------------------------------------------------------- */

static inline int left_has(const left_list *list, pid_t pid)
{
    for (int i = 0; i < list->n_pids; i++)
        if (list->pids[i] == pid)
            return 1;
    return 0;
}

/* Its parent and its state; 0: it is no more. */
static inline int left_stat(pid_t pid, pid_t *parent, char *state)
{
    char        path[64], text[1024];
    const char *at;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    left_read(path, text, sizeof text);
    at = strrchr(text, ')');
    return at && sscanf(at + 1, " %c %d", state, parent) == 2;
}

static inline int left_is_marked(const left *l, pid_t pid)
{
    static char text[1 << 16]; /* words with an end each */
    char        path[64];
    size_t      n;

    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    n = left_read(path, text, sizeof text);
    return memmem(text, n, l->mark, strlen(l->mark)) != NULL;
}

/* Until there is no child of any of those that are known. */
static inline int left_add_processes(const left *l, left_list *list)
{
    DIR           *dir = opendir("/proc");
    struct dirent *entry;
    int            more = 0;

    while (dir && (entry = readdir(dir))) {
        const pid_t pid = atoi(entry->d_name);
        char        path[64], name[64], state;
        pid_t       parent;

        if (pid <= 0 || left_has(list, pid) || !left_stat(pid, &parent, &state))
            continue;
        if ((!left_has(list, parent) && !left_is_marked(l, pid)) || list->n_pids == LEFT_PIDS)
            continue;
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        name[left_read(path, name, sizeof name)] = 0;
        name[strcspn(name, "\n")]                = 0;
        left_add(list, "process %d (%s), %s\n", (int)pid, name, state == 'Z' ? "not waited for" : "alive");
        list->pids[list->n_pids++] = pid;
        more                       = 1;
    }
    if (dir)
        closedir(dir);
    return more;
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static inline int left_count_memfds(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char  line[512];
    int   n = 0;

    while (file && fgets(line, sizeof line, file))
        n += strstr(line, "/memfd:sabal") != NULL;
    if (file)
        fclose(file);
    return n;
}

static inline void left_list_shm(left *l)
{
    DIR           *dir = opendir("/dev/shm");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        l->shm = realloc(l->shm, (size_t)(l->n_shm + 1) * sizeof *l->shm);
        cr_assert(l->shm != NULL);
        snprintf(l->shm[l->n_shm++], sizeof *l->shm, "%.63s", entry->d_name);
    }
    if (dir)
        closedir(dir);
}

/* Of a process that is neither this one nor left by it, and maps a file of this name. */
static inline int left_is_others(const left_list *list, const char *name)
{
    DIR           *dir = opendir("/proc");
    struct dirent *entry;
    char           path[64], line[512], wanted[300];
    int            found = 0;

    snprintf(wanted, sizeof wanted, "/dev/shm/%.255s", name);
    while (dir && !found && (entry = readdir(dir))) {
        FILE *file;

        if (atoi(entry->d_name) <= 0 || left_has(list, atoi(entry->d_name)))
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/maps", entry->d_name);
        file = fopen(path, "re");
        while (file && !found && fgets(line, sizeof line, file))
            found = strstr(line, wanted) != NULL;
        if (file)
            fclose(file);
    }
    if (dir)
        closedir(dir);
    return found;
}

static inline void left_add_shm(const left *l, left_list *list)
{
    DIR           *dir = opendir("/dev/shm");
    struct dirent *entry;
    struct stat    st;

    while (dir && (entry = readdir(dir))) {
        int known = 0;

        for (int i = 0; i < l->n_shm && !known; i++)
            known = !strncmp(l->shm[i], entry->d_name, 63);
        if (known || fstatat(dirfd(dir), entry->d_name, &st, 0) || st.st_uid != geteuid() || !S_ISREG(st.st_mode))
            continue;
        if (!left_is_others(list, entry->d_name))
            left_add(list, "shared memory /dev/shm/%s\n", entry->d_name);
    }
    if (dir)
        closedir(dir);
}

/* Segments of System V whose maker is gone, or one of ours. 0 in place of the list: the greatest number that there is. */
static inline long left_add_sysv(const left *l, left_list *list)
{
    FILE         *file = fopen("/proc/sysvipc/shm", "re");
    char          line[512];
    long          id, greatest = -1;
    int           maker;
    unsigned long uid;
    pid_t         parent;
    char          state;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, " %*s %ld %*s %*s %d %*s %*s %lu", &id, &maker, &uid) == 3) {
            greatest = id > greatest ? id : greatest;
            if (list && id > l->sysv && uid == geteuid() &&
                (left_has(list, maker) || !left_stat(maker, &parent, &state)))
                left_add(list, "shared memory of System V, number %ld, made by process %d\n", id, maker);
        }
    if (file)
        fclose(file);
    return greatest;
}

/* --- files, sockets, descriptors ------------------------------------------------------------------------------- */

static inline void left_add_files(const left *l, const char *below, left_list *list)
{
    char           path[128];
    DIR           *dir;
    struct dirent *entry;
    struct stat    st;

    snprintf(path, sizeof path, "%.63s/%.60s", l->folder, below);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        char in[120];

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        left_add(list, "%s %s/%s\n",
                 S_ISSOCK(st.st_mode)  ? "socket"
                 : S_ISDIR(st.st_mode) ? "folder"
                                       : "file",
                 path, entry->d_name);
        snprintf(in, sizeof in, "%.40s/%.70s", below, entry->d_name);
        if (S_ISDIR(st.st_mode))
            left_add_files(l, in, list);
    }
    if (dir)
        closedir(dir);
}

/* Whether this process or one that it left has a socket of that number open. */
static inline int left_holds_socket(const left_list *list, unsigned long inode)
{
    char path[64], wanted[40], target[128];

    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    for (int i = 0; i < list->n_pids; i++)
        for (int fd = 0; fd < LEFT_FDS; fd++) {
            ssize_t n;

            snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)list->pids[i], fd);
            n = readlink(path, target, sizeof target - 1);
            if (n > 0 && (target[n] = 0, !strcmp(target, wanted)))
                return 1;
        }
    return 0;
}

/* Those of this process that were there before are not told of: it had them as descriptors. */
static inline void left_add_ports(const char *table, left_list *list)
{
    FILE         *file = fopen(table, "re");
    char          line[512];
    unsigned      port, state;
    unsigned long inode;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", &port, &state, &inode) == 3 &&
            state == 10 /* it listens */ && left_holds_socket(list, inode))
            left_add(list, "port %u\n", port);
    if (file)
        fclose(file);
}

static inline void left_each_fd(left *l, left_list *list)
{
    DIR           *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char           target[256];

    while (dir && (entry = readdir(dir))) {
        const int fd = atoi(entry->d_name);
        ssize_t   n;

        if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd >= LEFT_FDS)
            continue;
        if (!list) {
            l->fds[fd] = 1;
            continue;
        }
        if (l->fds[fd])
            continue;
        n                     = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        left_add(list, "descriptor %d, %s\n", fd, target);
    }
    if (dir)
        closedir(dir);
}

/* --- for tests ------------------------------------------------------------------------------------------------- */

/* From here on all is the test's own. */
static inline void left_begin(left *l)
{
    char path[96];

    memset(l, 0, sizeof *l);
    strcpy(l->folder, "/var/tmp/sabal-left-XXXXXX"); /* on a disk: values that are spilled go there */
    cr_assert(mkdtemp(l->folder) != NULL);
    snprintf(l->mark, sizeof l->mark, "SABAL_TEST_MARK=%s", strrchr(l->folder, '/') + 1);
    setenv("SABAL_TEST_MARK", strchr(l->mark, '=') + 1, 1);
    snprintf(path, sizeof path, "%s/run", l->folder);
    mkdir(path, 0700);
    setenv("XDG_RUNTIME_DIR", path, 1);
    snprintf(path, sizeof path, "%s/spill", l->folder);
    mkdir(path, 0700);
    setenv("SABAL_SPILL_FOLDER", path, 1);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that what is left by a child of ours is a child of ours */
    l->memfds = left_count_memfds();
    l->sysv   = left_add_sysv(l, NULL);
    left_list_shm(l);
    left_each_fd(l, NULL);
}

/* Looks once; how much there is. */
static inline int left_look(left *l, left_list *list)
{
    memset(list, 0, sizeof *list);
    list->pids[list->n_pids++] = getpid();
    while (left_add_processes(l, list))
        continue;
    if (left_count_memfds() > l->memfds)
        left_add(list, "shared memory of a memfd, mapped in this process\n");
    left_add_shm(l, list);
    left_add_sysv(l, list);
    left_add_files(l, "run", list);
    left_add_files(l, "spill", list);
    left_each_fd(l, list);
    if (list->n_pids > 1 || strstr(list->text, "socket:")) {
        left_add_ports("/proc/net/tcp", list);
        left_add_ports("/proc/net/tcp6", list);
    }
    return list->n;
}

/* After all was closed: nothing is left, within some seconds, as processes and the system take their time. */
static inline void left_expect_nothing(left *l)
{
    static left_list list;

    for (int i = 0; i < 500 && left_look(l, &list); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        while (waitpid(-1, NULL, WNOHANG) > 0) /* those that came to us when their parents were killed */
            continue;
    }
    if (list.n)
        fprintf(stderr, "left behind:\n%s", list.text);
    cr_assert_eq(list.n, 0, "left behind:\n%s", list.text);
}

/* Of a suite's .fini, which can fail no test. */
static inline void left_end(left *l)
{
    char path[128];

    unsetenv("SABAL_TEST_MARK");
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("SABAL_SPILL_FOLDER");
    free(l->shm);
    l->shm   = NULL;
    l->n_shm = 0;
    snprintf(path, sizeof path, "rm -rf %s", l->folder);
    (void)!system(path);
}

#endif
