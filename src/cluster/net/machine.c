#include "cluster/net/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A small file of /proc, with an end. Its length; 0 if it can't be read. */
static size_t read_small(const char *path, char *text, size_t size)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n  = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

void sbl_machine_here(sbl_machine *node)
{
    struct stat st;

    memset(node, 0, sizeof *node);
    if (gethostname(node->host, sizeof node->host - 1))
        node->host[0] = 0;
    read_small("/proc/sys/kernel/random/boot_id", node->boot, sizeof node->boot);
    node->boot[strcspn(node->boot, "\n")] = 0;
    if (!stat("/proc/self/ns/pid", &st))
        node->pid_namespace = st.st_ino;
}

int sbl_machine_same(const sbl_machine *a, const sbl_machine *b)
{
    return a->boot[0] && !strcmp(a->boot, b->boot) && !strcmp(a->host, b->host);
}

uint64_t sbl_process_start_time(pid_t pid)
{
    char               path[48], text[1024], state;
    const char        *at;
    unsigned long long start;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || !read_small(path, text, sizeof text))
        return 0;
    at = strrchr(text, ')'); /* a program's name may hold anything */
    if (!at || sscanf(at + 1, " %c", &state) != 1 || state == 'Z' || state == 'X')
        return 0;
    if (sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start) !=
        1)
        return 0;
    return start;
}
