/* Processes on this machine: started, looked for, ended. */
#include "local_processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* 0: there is none, or it is dead and only not yet reaped. */
static unsigned long long start_time(pid_t pid)
{
    char               path[64], text[1024];
    const char        *at;
    unsigned long long start = 0;
    FILE              *file;
    size_t             n;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    n       = fread(text, 1, sizeof text - 1, file);
    text[n] = 0;
    fclose(file);
    at = strrchr(text, ')'); /* the program's name before it may hold anything */
    if (!at || strlen(at) < 3 || at[2] == 'Z' || at[2] == 'X')
        return 0;
    at += 2;
    for (int field = 3; field < 22 && at; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (at)
        start = strtoull(at, NULL, 10);
    return start;
}

int process_is_there(const process *one)
{
    return start_time(one->pid) == one->start;
}

static int keep(processes *p, pid_t pid, unsigned long long start, const char *what)
{
    if (p->n == p->room) {
        const int room = p->room ? 2 * p->room : 16;
        process  *more = realloc(p->list, (size_t)room * sizeof *more);

        if (!more)
            return 0;
        p->list = more;
        p->room = room;
    }
    p->list[p->n] = (process){.pid = pid, .start = start};
    snprintf(p->list[p->n++].what, sizeof p->list->what, "%s", what);
    return 1;
}

int processes_add(processes *p, pid_t pid, const char *what)
{
    const unsigned long long start = start_time(pid);

    for (int i = 0; i < p->n; i++)
        if (p->list[i].pid == pid && p->list[i].start == start)
            return 1;
    return start ? keep(p, pid, start, what) : 1;
}

void processes_clear(processes *p)
{
    free(p->list);
    memset(p, 0, sizeof *p);
}

int processes_count(const processes *p)
{
    int n = 0;

    for (int i = 0; i < p->n; i++)
        n += process_is_there(&p->list[i]);
    return n;
}

int processes_signal(const processes *p, int signal_number)
{
    int n = 0;

    for (int i = 0; i < p->n; i++)
        if (process_is_there(&p->list[i]))
            n += !kill(p->list[i].pid, signal_number);
    return n;
}

int processes_wait(const processes *p, double seconds)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int                   n;

    for (double left = seconds; (n = processes_count(p)) && left > 0; left -= 0.005)
        nanosleep(&pause, NULL);
    return n;
}

/* --- the file ------------------------------------------------------------------------------------------------- */

int processes_save(const processes *p, const char *path)
{
    int   fd   = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), error;
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (!file)
        return errno;
    for (int i = 0; i < p->n; i++)
        fprintf(file, "%d %llu %s\n", (int)p->list[i].pid, p->list[i].start, p->list[i].what);
    errno = 0;
    error = ferror(file);
    if (fclose(file) || error)
        return errno ? errno : EIO;
    return 0;
}

void processes_load(processes *p, int *gone, const char *path)
{
    int   fd   = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char  line[128];

    *gone = 0;
    while (file && fgets(line, sizeof line, file)) {
        process one = {0};
        int     pid;

        if (sscanf(line, "%d %llu %31[^\n]", &pid, &one.start, one.what) != 3 || pid <= 1 || !one.start)
            continue;
        one.pid = pid;
        if (process_is_there(&one))
            keep(p, pid, one.start, one.what);
        else
            ++*gone;
    }
    if (file)
        fclose(file);
}

/* --- starting --------------------------------------------------------------------------------------------------- */

/* What this command was given open is none of theirs: who waits for the end of a pipe would wait for theirs. */
static void close_others(void)
{
    DIR           *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        const int fd = atoi(entry->d_name);

        if (fd > 2 && fd != dirfd(folder))
            close(fd);
    }
    if (folder)
        closedir(folder);
}

static void become(char *const argv[], const char *log)
{
    const int in  = open("/dev/null", O_RDONLY);
    const int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
    sigset_t  none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    close_others();
    setenv("SABAL_LOG", "info", 0);
    execv("/proc/self/exe", argv);
    _exit(127);
}

pid_t process_start(char *const argv[], const char *log)
{
    const pid_t pid = fork();

    if (!pid)
        become(argv, log);
    return pid;
}
