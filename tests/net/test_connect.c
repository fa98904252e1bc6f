/* Connecting to the first of several addresses that passes, and what is said of the others; folders for sockets. */
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <utime.h>

#include "base/error.h"
#include "cluster/net/connect.h"
#include "cluster/net/folder.h"
#include "cluster/net/listen.h"
#include "net/sides.h"

static sbl_listener *listener;
static side          server, client;
static side          others[8];
static sbl_folder    folder;
static char          path[128];
static int           n_admitted, n_done, fds_before;
static sbl_link     *done_link;
static sabal_error   why;
static sbl_address   addresses[8];
static sbl_machine   here;

static void admit(void *arg, sbl_link *link)
{
    side *s = &others[n_admitted++ % 8];

    side_init(s, SBL_ROLE_SCHEDULER, 0);
    s->link = link;
    sbl_link_hand_over(link, &SIDE_CALLS, s);
}

static void done(void *arg, sbl_link *link, const sabal_error *err)
{
    n_done++;
    done_link   = link;
    client.link = link;
    if (err)
        why = *err;
}

static void make(void)
{
    fds_before = count_fds();
    cr_assert(sbl_evloop_create(&loop, 0, NULL) == SABAL_OK);
    side_init(&server, SBL_ROLE_SCHEDULER, 0);
    side_init(&client, SBL_ROLE_WORKER, 1);
    memset(others, 0, sizeof others);
    memset(&folder, 0, sizeof folder);
    n_admitted = n_done = 0;
    done_link           = NULL;
    sbl_error_clear(&why);
    sbl_machine_here(&here);
    listener = NULL;
}

static void end(void)
{
    if (client.link)
        sbl_link_close(client.link, 0);
    for (int i = 0; i < 8; i++)
        if (others[i].link)
            sbl_link_close(others[i].link, 0);
    sbl_listener_close(listener);
    for (int i = 0; i < 5; i++)
        sbl_evloop_turn(loop, 0);
    sbl_evloop_destroy(loop);
    sbl_folder_remove(&folder);
    cr_expect_eq(count_fds(), fds_before);
}

TestSuite(connect, .init = make, .fini = end, .timeout = 60);
TestSuite(folder);

/* Listens on loopback and on a Unix socket: addresses[0] is TCP, addresses[1] the socket. */
static void listen_here(void)
{
    static const char *const LOOPBACK[] = {"lo"};
    sbl_listen_options       o          = {
                       .tcp = 1, .interfaces = LOOPBACK, .n_interfaces = 1, .path = path, .link = server.options, .admitted = admit};
    sbl_address all[8];
    int32_t     n;

    cr_assert(sbl_folder_create(&folder, NULL) == SABAL_OK);
    snprintf(path, sizeof path, "%s/s", folder.path);
    cr_assert(sbl_listener_open(&listener, loop, &o, NULL) == SABAL_OK);
    n            = sbl_listener_addresses(listener, all, 8);
    addresses[0] = all[0];
    addresses[1] = all[n - 1];
}

/* A port where nobody listens, and one that takes connections and says nothing. */
static sbl_address closed_port(void)
{
    sbl_address a = {.kind = SBL_ADDRESS_TCP, .interface = "lo", .ip = "127.0.0.1", .port = 1};

    return a;
}

static int         mute_fd = -1;
static sbl_address mute_port(void)
{
    struct sockaddr_in s    = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          size = sizeof s;
    sbl_address        a;

    mute_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(mute_fd, (struct sockaddr *)&s, sizeof s) == 0 && listen(mute_fd, 8) == 0);
    cr_assert(getsockname(mute_fd, (struct sockaddr *)&s, &size) == 0);
    sbl_address_unpack(&a, (struct sockaddr *)&s, size);
    return a;
}

static sbl_connector *begin(int32_t n, const sbl_machine *node, int64_t within_ns)
{
    sbl_connect_options o = {.addresses   = addresses,
                             .n_addresses = n,
                             .node        = node,
                             .whom        = "the scheduler",
                             .deadline_ns = sbl_clock_ns() + within_ns,
                             .link        = client.options,
                             .done        = done};
    sbl_connector      *c = NULL;

    cr_assert(sbl_connect(&c, loop, &o, NULL) == SABAL_OK);
    return c;
}

Test(connect, on_its_own_node_the_unix_socket_comes_first)
{
    listen_here();
    begin(2, &here, 5000000000);
    TURN_UNTIL(n_done && n_admitted);
    cr_expect(done_link && sbl_link_is_local(done_link) && n_admitted == 1);
    side_say(&client, 1, PLAIN, "hello", 5);
    TURN_UNTIL(others[0].frames == 1);
}

Test(connect, from_another_node_tcp_alone_is_tried)
{
    sbl_machine elsewhere = here;

    listen_here();
    strcpy(elsewhere.host, "elsewhere");
    begin(2, &elsewhere, 5000000000);
    TURN_UNTIL(n_done);
    cr_expect(done_link && !sbl_link_is_local(done_link));
    cr_expect_eq(
        sbl_connect(&(sbl_connector *){0}, loop,
                    &(sbl_connect_options){
                        .addresses = addresses + 1, .n_addresses = 1, .node = &elsewhere, .link = client.options},
                    NULL),
        SABAL_EINVAL);
}

Test(connect, an_address_where_nobody_is_costs_nothing_and_a_mute_one_a_moment)
{
    int64_t began = sbl_clock_ns();

    listen_here();
    addresses[2] = addresses[0];
    addresses[0] = closed_port();
    addresses[1] = mute_port();
    begin(3, NULL, 5000000000);
    TURN_UNTIL(n_done);
    cr_expect(done_link && sbl_clock_ns() - began >= 250000000 && sbl_clock_ns() - began < 2000000000);
    close(mute_fd);
}

Test(connect, what_was_tried_and_what_each_said_is_told_at_the_deadline)
{
    addresses[0] = closed_port();
    addresses[1] = mute_port();
    begin(2, NULL, 400000000);
    TURN_UNTIL(n_done);
    cr_expect(!done_link && n_done == 1 && why.status == SABAL_ETIMEDOUT);
    cr_expect(strstr(why.message, "no connection to the scheduler within 0.4 s"));
    cr_expect(strstr(why.message, "tcp 127.0.0.1:1 (lo): Connection refused"));
    cr_expect(strstr(why.message, "no answer yet"));
    close(mute_fd);
}

Test(connect, when_all_have_failed_it_ends_at_once)
{
    int64_t began = sbl_clock_ns();

    addresses[0] = closed_port();
    addresses[1] = (sbl_address){.kind = SBL_ADDRESS_UNIX, .path = "/nowhere/s"};
    begin(2, &here, 5000000000);
    TURN_UNTIL(n_done);
    cr_expect(!done_link && why.status == SABAL_EPEER && sbl_clock_ns() - began < 1000000000);
    cr_expect(strstr(why.message, "unix /nowhere/s: No such file"));
}

Test(connect, a_refusal_is_told_as_such)
{
    listen_here();
    client.self.cluster[3] = 'X';
    begin(1, NULL, 5000000000);
    TURN_UNTIL(n_done);
    cr_expect(!done_link && why.status == SABAL_EACCES && strstr(why.message, "each start of a scheduler is another"));
}

static void listen_late(sbl_evtimer *timer)
{
    static const char *const LOOPBACK[] = {"lo"};
    sbl_listen_options       o          = {.tcp          = 1,
                                           .interfaces   = LOOPBACK,
                                           .n_interfaces = 1,
                                           .port         = addresses[0].port,
                                           .link         = server.options,
                                           .admitted     = admit};

    cr_assert(sbl_listener_open(&listener, loop, &o, NULL) == SABAL_OK);
}

Test(connect, asked_to_it_tries_again_until_the_deadline)
{
    sbl_connector      *c;
    sbl_evtimer         timer = {.fire = listen_late};
    sbl_connect_options o     = {
            .addresses = addresses, .n_addresses = 1, .again = 1, .link = client.options, .done = done};

    addresses[0] = mute_port(); /* which becomes a free one */
    close(mute_fd);
    o.deadline_ns = sbl_clock_ns() + 5000000000;
    cr_assert(sbl_connect(&c, loop, &o, NULL) == SABAL_OK);
    sbl_evtimer_set(loop, &timer, sbl_clock_ns() + 300000000);
    TURN_UNTIL(n_done);
    cr_expect_not_null(done_link);
}

Test(connect, cancelled_it_tells_nothing_and_leaves_nothing)
{
    for (int turns = 0; turns < 6; turns++) {
        sbl_connector *c;

        if (!listener)
            listen_here();
        c = begin(2, &here, 5000000000);
        for (int i = 0; i < turns && !n_done; i++)
            sbl_evloop_turn(loop, sbl_clock_ns() + 10000000);
        if (!n_done)
            sbl_connect_cancel(c);
        else
            break;
        for (int i = 0; i < 5; i++)
            sbl_evloop_turn(loop, 0);
        cr_expect_eq(n_done, 0);
    }
}

Test(connect, every_failed_allocation_is_reported)
{
    listen_here();
    for (int n = 1; n < 40 && !done_link; n++) {
        sbl_connect_options o = {.addresses   = addresses,
                                 .n_addresses = 1,
                                 .deadline_ns = sbl_clock_ns() + 5000000000,
                                 .link        = client.options,
                                 .done        = done};
        sbl_connector      *c;
        sabal_status        st;

        n_done = 0;
        sbl_alloc_fail(n, 0);
        st = sbl_connect(&c, loop, &o, NULL);
        if (!st)
            TURN_UNTIL(n_done);
        sbl_alloc_fail(0, 0);
        cr_expect(st == SABAL_OK || st == SABAL_ENOMEM);
    }
    cr_expect_not_null(done_link);
}

/* --- folders -------------------------------------------------------------------------------------------------------- */

static char base[64];

static void make_base(void)
{
    snprintf(base, sizeof base, "/tmp/sabal-test-XXXXXX");
    cr_assert(mkdtemp(base) != NULL);
}

static int n_entries(const char *where)
{
    DIR *dir = opendir(where);
    int  n   = -2;

    cr_assert(dir != NULL);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

Test(folder, it_is_this_users_alone_and_gone_at_the_end)
{
    sbl_folder  f;
    struct stat st;

    make_base();
    cr_assert(sbl_folder_create_in(&f, base, NULL) == SABAL_OK);
    cr_assert(stat(f.path, &st) == 0);
    cr_expect_eq(st.st_mode & 07777, 0700);
    sbl_folder_remove(&f);
    sbl_folder_remove(&f);
    cr_expect_eq(n_entries(base), 0);
    rmdir(base);
}

/* A process that makes one and is killed. */
static void leave_one(void)
{
    pid_t child = fork();
    int   status;

    if (child == 0) {
        sbl_folder f;
        char       inside[128];

        sbl_folder_create_in(&f, base, NULL);
        snprintf(inside, sizeof inside, "%s/socket", f.path);
        close(open(inside, O_CREAT | O_WRONLY, 0600));
        kill(getpid(), SIGKILL);
    }
    waitpid(child, &status, 0);
}

Test(folder, what_dead_processes_left_is_swept_and_what_lives_is_not)
{
    sbl_folder f, g;

    make_base();
    cr_assert(sbl_folder_create_in(&f, base, NULL) == SABAL_OK);
    leave_one();
    cr_expect_eq(n_entries(base), 2);
    cr_assert(sbl_folder_create_in(&g, base, NULL) == SABAL_OK);
    cr_expect_eq(n_entries(base), 2);
    cr_expect(access(f.path, F_OK) == 0 && access(g.path, F_OK) == 0);
    leave_one();
    cr_expect_eq(n_entries(base), 3);
    sbl_folder_remove(&f);
    cr_expect_eq(n_entries(base), 1);
    cr_expect(access(g.path, F_OK) == 0);
    sbl_folder_remove(&g);
    cr_expect_eq(n_entries(base), 0);
    rmdir(base);
}

/* Each sweeps while others make theirs: the one that lives has its lock, and what is put into it stays. */
Test(folder, many_that_are_made_at_once_leave_each_other_alone)
{
    enum { MAKERS = 6, ROUNDS = 200 };
    pid_t makers[MAKERS];

    make_base();
    for (int i = 0; i < MAKERS; i++) {
        makers[i] = fork();
        for (int round = 0; makers[i] == 0 && round < ROUNDS; round++) {
            sbl_folder f;
            char       inside[128];
            int        fd;

            if (sbl_folder_create_in(&f, base, NULL))
                _exit(1);
            snprintf(inside, sizeof inside, "%s/socket", f.path);
            fd = open(inside, O_CREAT | O_WRONLY, 0600);
            if (fd < 0 || access(inside, F_OK))
                _exit(2);
            close(fd);
            sbl_folder_remove(&f);
        }
        if (makers[i] == 0)
            _exit(0);
    }
    for (int i = 0; i < MAKERS; i++) {
        int status;

        waitpid(makers[i], &status, 0);
        cr_expect_eq(status, 0, "maker %d: %x", i, (unsigned)status);
    }
    cr_expect_eq(n_entries(base), 0);
    rmdir(base);
}

Test(folder, what_is_not_ours_or_being_made_is_not_swept)
{
    char           at[4][128];
    struct utimbuf old = {1, 1};

    make_base();
    for (int i = 0; i < 4; i++)
        snprintf(at[i], sizeof at[i], "%s/sabal-%016x", base, i);
    snprintf(at[3], sizeof at[3], "%s/sabal-mine", base);
    mkdir(at[0], 0700);                     /* young, without a lock: it is being made */
    mkdir(at[1], 0755), chmod(at[1], 0755); /* another mode */
    cr_assert(symlink("/tmp", at[2]) == 0);
    mkdir(at[3], 0700);
    utime(at[1], &old);
    utime(at[3], &old);
    cr_expect_eq(sbl_folder_sweep(base), 0);
    utime(at[0], &old); /* old, without a lock: its process ended while it made it */
    cr_expect_eq(sbl_folder_sweep(base), 1);
    if (geteuid() == 0) {
        mkdir(at[0], 0700);
        cr_assert(chown(at[0], 65534, 65534) == 0);
        utime(at[0], &old);
        cr_expect_eq(sbl_folder_sweep(base), 0);
        rmdir(at[0]);
    }
    rmdir(at[1]);
    unlink(at[2]);
    rmdir(at[3]);
    rmdir(base);
}

Test(folder, a_runtime_folder_that_others_can_write_is_passed_over)
{
    sbl_folder f;

    make_base();
    setenv("XDG_RUNTIME_DIR", base, 1);
    cr_assert(sbl_folder_create(&f, NULL) == SABAL_OK);
    cr_expect(!strncmp(f.path, base, strlen(base)));
    sbl_folder_remove(&f);
    chmod(base, 0777);
    cr_assert(sbl_folder_create(&f, NULL) == SABAL_OK);
    cr_expect(strncmp(f.path, base, strlen(base)) != 0);
    sbl_folder_remove(&f);
    unsetenv("XDG_RUNTIME_DIR");
    rmdir(base);
}
