/*
 * Two processes with a plane each: this one, and a child that holds values, which names describe, and pulls some itself.
 * Each has the smallest of event loops.
 */
#ifndef SBL_TESTS_TWO_H
#define SBL_TESTS_TWO_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sabal/sabal.h>

#include "base/clock.h"
#include "base/sanitized.h"
#include "cluster/net/packet.h"
#include "cluster/net/plane.h"
#include "net/values.h"

/* --- a loop ----------------------------------------------------------------------------------------------------- */

enum { LOOP_FDS = 4096 };

typedef struct loop {
    int epoll;
    struct {
        void (*ready)(void *context, uint32_t events);
        void *context;
    } of[LOOP_FDS];
} loop;

static int loop_watch(void *arg, int fd, uint32_t events, void (*ready)(void *, uint32_t), void *context)
{
    loop              *l  = arg;
    struct epoll_event e  = {.events = events, .data.fd = fd};
    int                op = l->of[fd].ready ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (epoll_ctl(l->epoll, op, fd, &e))
        return errno;
    l->of[fd].ready   = ready;
    l->of[fd].context = context;
    return 0;
}

static void loop_unwatch(void *arg, int fd)
{
    loop *l = arg;

    epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
    l->of[fd].ready = NULL;
}

static void loop_turn(loop *l, int ms)
{
    struct epoll_event e[16];
    int                n = epoll_wait(l->epoll, e, 16, ms);

    for (int i = 0; i < n; i++)
        if (l->of[e[i].data.fd].ready)
            l->of[e[i].data.fd].ready(l->of[e[i].data.fd].context, e[i].events);
}

static inline void loop_begin(loop *l)
{
    memset(l, 0, sizeof *l);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
}

static inline sbl_turns loop_turns(loop *l)
{
    return (sbl_turns){loop_watch, loop_unwatch, l};
}

/* 1 when *flag is at least n, 0 if that takes too long. */
static inline int loop_until(loop *l, const int *flag, int n, int seconds)
{
    int64_t limit = sbl_clock_ns() + seconds * INT64_C(1000000000);

    while (*(volatile const int *)flag < n && sbl_clock_ns() < limit)
        loop_turn(l, 20);
    return *(volatile const int *)flag >= n;
}

static inline void loop_for(loop *l, int ms)
{
    int64_t limit = sbl_clock_ns() + ms * INT64_C(1000000);

    while (sbl_clock_ns() < limit)
        loop_turn(l, 5);
}

/* --- a side ----------------------------------------------------------------------------------------------------- */

typedef struct side {
    loop         loop;
    sbl_plane   *plane;
    sbl_pair    *pair;
    int          up, down, lookups;
    sbl_carrier  carrier;
    sabal_error  why;
    sbl_request *never[64]; /* requests that are not answered */
    int          n_never;
} side;

/* A pull and what became of it. */
typedef struct got {
    side          *side;
    sbl_value_name name;
    sbl_pull      *pull;
    int            announced, done, failed, ended;
    int            admit; /* 0: at once, 1: not by itself, 2: refuse */
    uint64_t       total;
    sbl_value     *value;
    sabal_error    why;
    int           *count; /* one more when it ends */
    sbl_request   *echo;
} got;

static void got_announced(void *arg, sbl_pull *pull, const sbl_announced *what)
{
    got        *g   = arg;
    sabal_error err = SABAL_ERROR_INIT;

    g->announced++;
    g->total = what->total;
    if (g->admit == 0) {
        sbl_pull_admit(pull, NULL, NULL, NULL);
    } else if (g->admit == 2) {
        err.status = SABAL_ENOMEM;
        strcpy(err.message, "beyond the budget");
        sbl_pull_refuse(pull, &err);
    }
}

static void got_end(got *g)
{
    g->ended++;
    if (g->count)
        ++*g->count;
    if (!g->echo)
        return;
    if (g->value)
        sbl_request_answer(g->echo, g->value);
    else
        sbl_request_refuse(g->echo, &g->why);
    free(g);
}

static void got_done(void *arg, sbl_value *value)
{
    got *g = arg;

    g->done++;
    g->value = value;
    got_end(g);
}

static void got_failed(void *arg, const sabal_error *why)
{
    got *g = arg;

    g->failed++;
    g->why = *why;
    got_end(g);
}

static const sbl_pull_events GOT = {got_announced, got_done, got_failed};

static inline void get(side *s, got *g, uint64_t task, uint64_t attempt)
{
    g->side = s;
    g->name = (sbl_value_name){task, attempt};
    g->why  = (sabal_error)SABAL_ERROR_INIT;
    if (sbl_pull_start(&g->pull, s->pair, g->name, &GOT, g, &g->why)) {
        g->failed++;
        g->ended++;
    }
}

struct later {
    side        *side;
    sbl_request *request;
};

static void *answer_later(void *arg)
{
    struct later *l = arg;

    usleep(20000);
    sbl_request_answer(l->request, make_value(l->side->plane, sbl_request_name(l->request)));
    free(l);
    return NULL;
}

static void side_lookup(void *arg, sbl_request *request)
{
    side          *s    = arg;
    sbl_value_name name = sbl_request_name(request);
    pthread_t      thread;

    s->lookups++;
    if (name.task == V_MISSING) {
        sbl_request_refuse(request, NULL);
    } else if (name.task == V_NEVER) {
        s->never[s->n_never++] = request;
    } else if (name.task == V_LATER) {
        struct later *l = malloc(sizeof *l);

        *l = (struct later){s, request};
        pthread_create(&thread, NULL, answer_later, l);
        pthread_detach(thread);
    } else if (name.task == V_ECHO) {
        got *g = calloc(1, sizeof *g);

        g->echo = request;
        get(s, g, V_BYTES, name.attempt);
    } else {
        sbl_value *value;

        if (name.task == V_PLANT) /* of what goes out from here on, the nth body */
            sbl_packet_plant((int64_t)(name.attempt & 255));
        value = make_value(s->plane, name);
        if (value)
            sbl_request_answer(request, value);
        else
            sbl_request_refuse(request, NULL);
    }
}

static void side_up(void *arg, sbl_carrier carrier)
{
    side *s = arg;

    s->up      = 1;
    s->carrier = carrier;
}

static void side_down(void *arg, const sabal_error *why)
{
    side *s = arg;

    s->down = 1;
    s->why  = *why;
}

typedef struct two_options {
    const char *tls[2];
    int         tcp;     /* connections; 0: a Unix socket */
    int         encrypt; /* both */
    size_t      keep;
    const char *plugin, *interface;
    void (*child)(side *s); /* instead of the usual loop */
    int wrong_key;
    void (*lookup)(void *arg, sbl_request *request); /* instead of the usual one, of both */
} two_options;

static inline sabal_status side_begin(side *s, const int *fds, int n_fds, int which, const two_options *o,
                                      sabal_error *err)
{
    sbl_plane_options plane = {.lookup    = o->lookup ? o->lookup : side_lookup,
                               .arg       = s,
                               .tls       = o->tls[which],
                               .plugin    = o->plugin,
                               .interface = o->interface,
                               .keep      = o->keep};
    sbl_pair_options  pair  = {.n_fds = n_fds, .encrypt = o->encrypt, .up = side_up, .down = side_down, .arg = s};
    sabal_status      st;

    memset(s, 0, sizeof *s);
    loop_begin(&s->loop);
    plane.turns = loop_turns(&s->loop);
    memset(which ? pair.send_key : pair.receive_key, o->wrong_key && which ? 98 : 11, 32);
    memset(which ? pair.receive_key : pair.send_key, o->wrong_key && which ? 99 : 22, 32);
    memcpy(pair.fds, fds, sizeof(int) * (size_t)n_fds);
    st = sbl_plane_create(&s->plane, &plane, err);
    return st ? st : sbl_pair_open(&s->pair, s->plane, &pair, err);
}

static inline void side_end(side *s)
{
    sbl_pair_close(s->pair);
    for (int i = 0; i < s->n_never; i++)
        sbl_request_refuse(s->never[i], NULL);
    sbl_plane_destroy(s->plane);
    close(s->loop.epoll);
}

/* n connected pairs: those of side 0, then those of side 1. */
static inline void connect_two(int fds[2][SBL_PAIR_FDS], int tcp)
{
    struct sockaddr_in at   = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          size = sizeof at;
    int                l    = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int                sv[2];

    if (!tcp) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
            abort();
        fds[0][0] = sv[0];
        fds[1][0] = sv[1];
    } else if (bind(l, (void *)&at, sizeof at) || listen(l, 8) || getsockname(l, (void *)&at, &size)) {
        abort();
    }
    for (int i = 0; i < tcp; i++) {
        fds[0][i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fds[0][i], (void *)&at, sizeof at))
            abort();
        fds[1][i] = accept(l, NULL, NULL);
    }
    close(l);
}

extern void __lsan_do_leak_check(void) __attribute__((weak));

/* Starts the child, which is side 1. */
static inline pid_t two_begin(side *s, const two_options *o)
{
    int   fds[2][SBL_PAIR_FDS], n = o->tcp ? o->tcp : 1;
    pid_t child;

    connect_two(fds, o->tcp);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        static side other;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < n; i++)
            close(fds[0][i]);
        if (side_begin(&other, fds[1], n, 1, o, NULL))
            _exit(9);
        if (o->child)
            o->child(&other);
        loop_until(&other.loop, &other.down, 1, 100);
        if (getenv("SABAL_TEST_SAY"))
            fprintf(stderr, "child: %s\n", other.why.message);
        side_end(&other);
        if (__lsan_do_leak_check)
            __lsan_do_leak_check();
        _exit(0);
    }
    for (int i = 0; i < n; i++)
        close(fds[1][i]);
    if (side_begin(s, fds[0], n, 0, o, NULL))
        abort();
    return child;
}

/* 0: the child ended well. */
static inline int two_end(side *s, pid_t child)
{
    int status = -1;

    side_end(s);
    waitpid(child, &status, 0);
    return status;
}

#endif
