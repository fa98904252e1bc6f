/* The doors of a process: what listens in it, as the system says. */
#ifndef SBL_TESTS_DOORS_H
#define SBL_TESTS_DOORS_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_DOORS = 16 };

typedef struct door {
    char     path[108]; /* of a Unix socket; "": TCP */
    int      is_v6;
    uint16_t port; /* on this machine's loopback */
    pid_t    pid;
} door;

/* Whether it has that socket open. */
static inline int doors_has(pid_t pid, unsigned long inode)
{
    char           path[64], wanted[40], target[64];
    DIR           *dir;
    struct dirent *entry;
    int            found = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        target[n > 0 ? n : 0] = 0;
        found                 = !strcmp(target, wanted);
    }
    if (dir)
        closedir(dir);
    return found;
}

static inline int doors_of_table(door *doors, int n, pid_t pid, int is_v6)
{
    char          path[64], line[512];
    FILE         *file;
    unsigned      port, state;
    unsigned long inode;

    snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, is_v6 ? "tcp6" : "tcp");
    file = fopen(path, "re");
    while (file && n < MOST_DOORS && fgets(line, sizeof line, file))
        if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", &port, &state, &inode) == 3 &&
            state == 10 /* it listens */ && doors_has(pid, inode))
            doors[n++] = (door){.is_v6 = is_v6, .port = (uint16_t)port, .pid = pid};
    if (file)
        fclose(file);
    return n;
}

static inline int doors_tcp(door *doors, int n, pid_t pid)
{
    return doors_of_table(doors, doors_of_table(doors, n, pid, 0), pid, 1);
}

/* How many of the lines of a table are of sockets that listen, and this process's: of those that are not looked for here. */
static inline int doors_other(const char *table, pid_t pid)
{
    char          path[64], line[512];
    FILE         *file;
    unsigned      state;
    unsigned long inode;
    int           n = 0;

    snprintf(path, sizeof path, "/proc/%d/net/%.20s", (int)pid, table);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) /* UDP has no listeners: state 7 is open to all */
        n += sscanf(line, " %*d: %*[0-9A-F]:%*x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", &state, &inode) == 2 &&
             (state == 10 || state == 7) && doors_has(pid, inode);
    if (file)
        fclose(file);
    return n;
}

static inline int doors_unix(door *doors, int n, pid_t pid)
{
    FILE         *file = fopen("/proc/net/unix", "re");
    char          line[512], path[256];
    unsigned      flags;
    unsigned long inode;

    while (file && n < MOST_DOORS && fgets(line, sizeof line, file))
        if (sscanf(line, "%*x: %*x %*x %x %*x %*x %lu %255s", &flags, &inode, path) == 3 &&
            flags & 0x10000 /* listens */ && doors_has(pid, inode)) {
            doors[n] = (door){.pid = pid};
            snprintf(doors[n++].path, sizeof doors->path, "%.107s", path);
        }
    if (file)
        fclose(file);
    return n;
}

/* All of it, behind n that are there. */
static inline int doors_of(door *doors, int n, pid_t pid)
{
    return doors_unix(doors, doors_tcp(doors, n, pid), pid);
}

/* Connects; -1 with errno. */
static inline int door_knock(const door *d)
{
    struct sockaddr_in  in  = {.sin_family = AF_INET, .sin_port = htons(d->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(d->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un     un   = {.sun_family = AF_UNIX};
    const struct sockaddr *to   = d->path[0] ? (void *)&un : d->is_v6 ? (void *)&in6 : (void *)&in;
    const socklen_t        size = d->path[0] ? sizeof un : d->is_v6 ? sizeof in6 : sizeof in;
    const int              fd   = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(un.sun_path, d->path, sizeof un.sun_path - 1);
    if (fd >= 0 && connect(fd, to, size)) {
        const int why = errno;

        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

#endif
