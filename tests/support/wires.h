/*
 * Machines for tests: network namespaces, each with its own host name, so that processes of a cluster take them for other
 * machines; a wire from each to a switch, which can be cut, slowed and mended. They live as long as the test: each is held by a
 * process, and ends with it.
 */
#ifndef SBL_TESTS_WIRES_H
#define SBL_TESTS_WIRES_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

enum { MOST_MACHINES = 8 };

/* The first is the switch, and a machine too. */
typedef struct wires {
    pid_t held_by[MOST_MACHINES];
    int   n;
    int   own_net, own_uts; /* to come back */
} wires;

static inline int wires_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int wires_run(const char *format, ...)
{
    char    command[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

/* 0: it can't be. */
static inline int wires_hold(wires *w)
{
    int   ends[2];
    char  byte, name[16];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return 0;
    snprintf(name, sizeof name, "machine%d", w->n);
    pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!unshare(CLONE_NEWNET | CLONE_NEWUTS) && !sethostname(name, strlen(name)))
            (void)!write(ends[1], "", 1);
        close(ends[1]);
        for (;;)
            pause();
    }
    close(ends[1]);
    w->held_by[w->n++] = pid;
    pid                = (pid_t)read(ends[0], &byte, 1);
    close(ends[0]);
    return pid == 1;
}

static inline void wires_end(wires *w)
{
    if (w->own_net > 0) {
        setns(w->own_net, CLONE_NEWNET);
        setns(w->own_uts, CLONE_NEWUTS);
        close(w->own_net);
        close(w->own_uts);
    }
    for (int i = 0; i < w->n; i++) {
        kill(w->held_by[i], SIGKILL);
        waitpid(w->held_by[i], NULL, 0);
    }
    memset(w, 0, sizeof *w);
}

/* A machine on the switch: 10.77.0.1 is the switch itself, then .2, .3 and so on. */
static inline int wires_add(wires *w)
{
    const pid_t hub = w->held_by[0];
    const int   i   = w->n;

    return i < MOST_MACHINES && wires_hold(w) &&
           !wires_run(
               "exec 2>/dev/null; ip link add wire%d netns %d type veth peer name wire netns %d && "
               "nsenter -t %d -n sh -c 'ip link set wire%d master switch && ip link set wire%d up' && "
               "nsenter -t %d -n sh -c 'ip addr add 10.77.0.%d/24 dev wire && ip link set wire up && ip link set lo up'",
               i, (int)hub, (int)w->held_by[i], (int)hub, i, i, (int)w->held_by[i], i + 1);
}

/* So many machines and the switch, whose address would change with its wires if it were not given; this process is on the switch from here on. 0: this machine does not allow that. */
static inline int wires_begin(wires *w, int n)
{
    char path[64];
    int  net, uts;

    memset(w, 0, sizeof *w);
    if (!wires_hold(w) ||
        wires_run(
            "exec 2>/dev/null; nsenter -t %d -n sh -c 'ip link add switch address 02:00:00:00:77:01 type bridge forward_delay 0 && "
            "ip addr add 10.77.0.1/24 dev switch && ip link set switch up && ip link set lo up'",
            (int)w->held_by[0])) {
        wires_end(w);
        return 0;
    }
    while (w->n <= n)
        if (!wires_add(w)) {
            wires_end(w);
            return 0;
        }
    w->own_net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    w->own_uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)w->held_by[0]);
    net = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/ns/uts", (int)w->held_by[0]);
    uts = open(path, O_RDONLY | O_CLOEXEC);
    if (setns(net, CLONE_NEWNET) || setns(uts, CLONE_NEWUTS))
        cr_assert_fail("setns");
    close(net);
    close(uts);
    return 1;
}

/* Nothing comes through, and neither end is told. */
static inline void wires_cut(wires *w, int i)
{
    cr_assert_eq(wires_run("nsenter -t %d -n ip link set wire%d nomaster", (int)w->held_by[0], i), 0);
}

static inline void wires_mend(wires *w, int i)
{
    cr_assert_eq(wires_run("nsenter -t %d -n ip link set wire%d master switch", (int)w->held_by[0], i), 0);
}

/* Those that are apart reach the switch, but not each other. */
static inline void wires_part(wires *w, int i, int apart)
{
    cr_assert_eq(wires_run("nsenter -t %d -n ip link set wire%d type bridge_slave isolated %s", (int)w->held_by[0], i,
                           apart ? "on" : "off"),
                 0);
}

/* Both ways; rate as of tc: "10mbit"; NULL: as fast as can be. */
static inline void wires_slow(wires *w, int i, const char *rate)
{
    const char *how    = rate ? "add" : "del";
    char        to[80] = "";

    if (rate)
        snprintf(to, sizeof to, "tbf rate %s burst 32kb latency 200ms", rate);
    cr_assert_eq(
        wires_run("nsenter -t %d -n tc qdisc %s dev wire%d root %s && nsenter -t %d -n tc qdisc %s dev wire root %s",
                  (int)w->held_by[0], how, i, to, (int)w->held_by[i], how, to),
        0);
}

/* Bytes that it has sent. */
static inline long long wires_sent(wires *w, int i)
{
    char      path[64], line[512];
    FILE     *file;
    long long sent = -1;

    snprintf(path, sizeof path, "/proc/%d/net/dev", (int)w->held_by[i]);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, " wire: %*d %*d %*d %*d %*d %*d %*d %*d %lld", &sent);
    if (file)
        fclose(file);
    return sent;
}

/* In a child, before it becomes another program: it is on that machine. 0: that failed. */
static inline int wires_move_to(const wires *w, int i)
{
    char path[64];
    int  net, uts;

    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)w->held_by[i]);
    net = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/ns/uts", (int)w->held_by[i]);
    uts = open(path, O_RDONLY | O_CLOEXEC);
    return !setns(net, CLONE_NEWNET) && !setns(uts, CLONE_NEWUTS);
}

#endif
