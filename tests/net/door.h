/* A listener in the hands of a test: who was admitted, and ways to knock. */
#ifndef SBL_TESTS_NET_DOOR_H
#define SBL_TESTS_NET_DOOR_H

#include <errno.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "cluster/net/folder.h"
#include "cluster/net/listen.h"
#include "net/sides.h"

enum { MOST_LINKS = 64 };
static sbl_listener      *listener;
static sbl_listen_options options;
static side               server, admitted[MOST_LINKS]; /* server: what all that are admitted have in common */
static int                n_admitted, fds_before;
static sbl_folder         folder;
static char               path[128];

static inline void admit(void *arg, sbl_link *link)
{
    side *s = &admitted[n_admitted % MOST_LINKS];

    side_init(s, SBL_ROLE_SCHEDULER, 0);
    s->link = link;
    s->passed++;
    n_admitted++;
    sbl_link_hand_over(link, &SIDE_CALLS, s);
}

static inline void make(void)
{
    static const char *const LOOPBACK[] = {"lo"};

    fds_before = count_fds();
    cr_assert(sbl_evloop_create(&loop, 0, NULL) == SABAL_OK);
    side_init(&server, SBL_ROLE_SCHEDULER, 0);
    memset(admitted, 0, sizeof admitted);
    n_admitted = 0;
    options    = (sbl_listen_options){
           .tcp = 1, .interfaces = LOOPBACK, .n_interfaces = 1, .link = server.options, .admitted = admit};
}

static inline void begin(void)
{
    cr_assert(sbl_listener_open(&listener, loop, &options, NULL) == SABAL_OK);
}

static inline void end(void)
{
    int n = n_admitted < MOST_LINKS ? n_admitted : MOST_LINKS;

    sbl_listener_close(listener);
    listener = NULL;
    for (int i = 0; i < n; i++)
        if (admitted[i].link)
            sbl_link_close(admitted[i].link, 0);
    for (int i = 0; i < 5; i++)
        sbl_evloop_turn(loop, 0);
    sbl_evloop_destroy(loop);
    sbl_folder_remove(&folder);
    cr_expect_eq(count_fds(), fds_before);
}

static inline struct sockaddr_in where(void)
{
    sbl_address             a[4];
    struct sockaddr_storage s;
    struct sockaddr_in      v4;

    cr_assert(sbl_listener_addresses(listener, a, 4) >= 1 && sbl_address_pack(&s, &a[0]) == sizeof v4);
    memcpy(&v4, &s, sizeof v4);
    return v4;
}

static inline int dial(void)
{
    struct sockaddr_in a  = where();
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline void use_unix(void)
{
    cr_assert(sbl_folder_create(&folder, NULL) == SABAL_OK);
    snprintf(path, sizeof path, "%s/s", folder.path);
    options.tcp  = 0;
    options.path = path;
}

static inline int dial_unix(void)
{
    struct sockaddr_un a  = {.sun_family = AF_UNIX};
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%.100s", path);
    cr_assert(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* Turns the loop until a child has ended well. */
static inline void wait_for(pid_t child)
{
    pid_t ended  = 0;
    int   status = -1;

    while (ended == 0) {
        ended = waitpid(child, &status, WNOHANG);
        sbl_evloop_turn(loop, sbl_clock_ns() + 5000000);
    }
    cr_expect_eq(status, 0);
}

static side client;

static inline void join(int fd)
{
    side_init(&client, SBL_ROLE_WORKER, 1);
    side_open(&client, fd);
}

static inline void leave(void)
{
    if (client.link)
        sbl_link_close(client.link, 0);
    TURN_UNTIL(!client.link);
}

#endif
