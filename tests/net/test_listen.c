/* Who comes in: those that prove themselves, and of all others nothing is left but a number. */
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/sanitized.h"
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

static void admit(void *arg, sbl_link *link)
{
    side *s = &admitted[n_admitted % MOST_LINKS];

    side_init(s, SBL_ROLE_SCHEDULER, 0);
    s->link = link;
    s->passed++;
    n_admitted++;
    sbl_link_hand_over(link, &SIDE_CALLS, s);
}

static void make(void)
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

static void begin(void)
{
    cr_assert(sbl_listener_open(&listener, loop, &options, NULL) == SABAL_OK);
}

static void end(void)
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

TestSuite(listen, .init = make, .fini = end, .timeout = 120);

static struct sockaddr_in where(void)
{
    sbl_address             a[4];
    struct sockaddr_storage s;
    struct sockaddr_in      v4;

    cr_assert(sbl_listener_addresses(listener, a, 4) >= 1 && sbl_address_pack(&s, &a[0]) == sizeof v4);
    memcpy(&v4, &s, sizeof v4);
    return v4;
}

static int dial(void)
{
    struct sockaddr_in a  = where();
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void use_unix(void)
{
    cr_assert(sbl_folder_create(&folder, NULL) == SABAL_OK);
    snprintf(path, sizeof path, "%s/s", folder.path);
    options.tcp  = 0;
    options.path = path;
}

static int dial_unix(void)
{
    struct sockaddr_un a  = {.sun_family = AF_UNIX};
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%.100s", path);
    cr_assert(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* Turns the loop until a child has ended well. */
static void wait_for(pid_t child)
{
    pid_t ended  = 0;
    int   status = -1;

    while (ended == 0) {
        ended = waitpid(child, &status, WNOHANG);
        sbl_evloop_turn(loop, sbl_clock_ns() + 5000000);
    }
    cr_expect_eq(status, 0);
}

/* --- where ---------------------------------------------------------------------------------------------------------- */

Test(listen, all_interfaces_but_loopback_unless_it_is_asked_for)
{
    sbl_address a[SBL_MOST_ADDRESSES];
    sabal_error err = SABAL_ERROR_INIT;
    int32_t     n, n_more;

    options.interfaces   = NULL;
    options.n_interfaces = 0;
    if (sbl_listener_open(&listener, loop, &options, &err)) { /* a machine without a network */
        cr_expect(err.status == SABAL_ENOENT && strstr(err.message, "loopback"));
        n = 0;
    } else {
        n = sbl_listener_addresses(listener, a, SBL_MOST_ADDRESSES);
        for (int32_t i = 0; i < n; i++)
            cr_expect(a[i].port && strcmp(a[i].interface, "lo") && strncmp(a[i].ip, "127.", 4));
        sbl_listener_close(listener);
    }
    options.loopback = 1;
    begin();
    n_more = sbl_listener_addresses(listener, a, SBL_MOST_ADDRESSES);
    cr_expect_gt(n_more, n);
}

Test(listen, an_interface_that_is_not_there_is_told_with_those_that_are)
{
    static const char *const NAMES[] = {"lo", "ib7"};
    sabal_error              err     = SABAL_ERROR_INIT;

    options.interfaces   = NAMES;
    options.n_interfaces = 2;
    cr_expect_eq(sbl_listener_open(&listener, loop, &options, &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "'ib7'") && strstr(err.message, "lo"));
}

Test(listen, a_port_that_is_taken_is_told)
{
    sbl_listener *other = NULL;
    sabal_error   err   = SABAL_ERROR_INIT;

    begin();
    options.port = ntohs(where().sin_port);
    cr_expect_eq(sbl_listener_open(&other, loop, &options, &err), SABAL_EIO);
    cr_expect(strstr(err.message, "listening on tcp 127.0.0.1:") && strstr(err.message, "in use"));
}

Test(listen, a_unix_socket_is_this_users_alone_and_gone_at_the_end)
{
    struct stat st;

    use_unix();
    begin();
    cr_assert(stat(path, &st) == 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    sbl_listener_close(listener);
    listener = NULL;
    cr_expect_neq(access(path, F_OK), 0);
}

/* --- who ------------------------------------------------------------------------------------------------------------ */

static side client;

static void join(int fd)
{
    side_init(&client, SBL_ROLE_WORKER, 1);
    side_open(&client, fd);
}

static void leave(void)
{
    if (client.link)
        sbl_link_close(client.link, 0);
    TURN_UNTIL(!client.link);
}

Test(listen, who_proves_itself_is_admitted)
{
    begin();
    join(dial());
    TURN_UNTIL(client.passed && n_admitted == 1);
    side_say(&client, 1, PLAIN, "hello", 5);
    TURN_UNTIL(admitted[0].frames == 1);
    cr_expect_eq(sbl_link_peer(admitted[0].link)->role, SBL_ROLE_WORKER);
    cr_expect_eq(sbl_listener_counts(listener).admitted, 1);
    cr_expect_eq(sbl_listener_counts(listener).pending, 0);
    leave();
}

Test(listen, another_user_of_the_same_node_is_refused)
{
    pid_t child;
    int   status;

    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    use_unix();
    begin();
    chmod(folder.path, 0711); /* as if it could be reached */
    chmod(path, 0666);
    child = fork();
    if (child == 0) {
        char byte;
        int  fd;

        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
            _exit(2);
        fd = dial_unix();
        _exit(read(fd, &byte, 1) == 0 ? 0 : 1);
    }
    TURN_UNTIL(sbl_listener_counts(listener).other_user == 1);
    cr_assert(waitpid(child, &status, 0) == child);
    cr_expect_eq(status, 0);
    cr_expect(sbl_listener_counts(listener).pending == 0 && n_admitted == 0);
    join(dial_unix()); /* and its own user is welcome */
    TURN_UNTIL(n_admitted == 1);
    leave();
}

/* --- strangers ------------------------------------------------------------------------------------------------------ */

static const uint8_t *wrong_key(void *arg, uint64_t ticket)
{
    return (const uint8_t *)"another secret, which is as long";
}

static const uint8_t *right_key(void *arg, uint64_t ticket)
{
    return SECRET;
}

/* Shakes hands by hand over a blocking socket, as far as it gets; keeps what it said. */
static void shake(int fd, sbl_key_fn *key, int i, uint8_t said[224], const char *cluster)
{
    sbl_hello_self self = {.role = SBL_ROLE_WORKER, .expects = ~0};
    sbl_hello      hello;
    uint8_t        nonce[SBL_NONCE_BYTES] = {1}, bytes[512];
    size_t         n, at = 0;

    memcpy(self.cluster, cluster, 16);
    memcpy(nonce + 1, &i, sizeof i);
    sbl_hello_start(&hello, &self, 1, 0, key, NULL, nonce, NULL, NULL);
    while (hello.state == SBL_HELLO_GOING) {
        const void *out = sbl_hello_output(&hello, &n);
        ssize_t     got;

        if (at + n <= 224)
            memcpy(said + at, out, n);
        at += n;
        if (n && write(fd, out, n) != (ssize_t)n)
            return;
        sbl_hello_sent(&hello, n);
        got = read(fd, bytes, sbl_hello_wants(&hello));
        if (got <= 0)
            return;
        sbl_hello_take(&hello, bytes, (size_t)got);
    }
}

static void until_closed(int fd)
{
    uint8_t bytes[512];

    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
}

enum {
    RANDOM,
    HALF,
    SILENT,
    WRONG,
    REPLAY,
    CUT,
    N_KINDS,
    ROUNDS  = 2,
    OF_EACH = SBL_SANITIZED ? 100 : 850,
    AT_ONCE = 300
};

/* One after the other, but the silent ones, of which many are there at once. */
static void attack(int kind)
{
    uint8_t said[224] = {0}, bytes[512];
    int     silent[AT_ONCE], n_silent = 0;

    if (kind == REPLAY) {
        int fd = dial();

        shake(fd, right_key, 0, said, "cluster 12345678");
        close(fd);
    }
    for (int i = 0; i < OF_EACH; i++) {
        int fd = dial();

        if (fd < 0)
            _exit(3);
        if (kind == RANDOM) {
            for (size_t k = 0; k < sizeof bytes; k++)
                bytes[k] = (uint8_t)rand();
            (void)!write(fd, bytes, sizeof bytes);
        } else if (kind == HALF || kind == CUT) {
            (void)!write(fd, "SABALNET\1\0\0\0\0\0\0\0", kind == HALF ? 16 : 3);
            shutdown(fd, SHUT_WR);
        } else if (kind == WRONG)
            shake(fd, wrong_key, i, bytes, "cluster 12345678");
        else if (kind == REPLAY) {
            (void)!write(fd, said, 64);
            (void)!read(fd, bytes, 64);
            (void)!write(fd, said + 64, 160);
        } else {
            silent[n_silent++] = fd;
            if (n_silent < AT_ONCE && i < OF_EACH - 1)
                continue;
            while (n_silent)
                until_closed(silent[--n_silent]);
            continue;
        }
        until_closed(fd);
    }
    _exit(0);
}

Test(listen, ten_thousand_strangers_leave_nothing_behind_and_disturb_nobody, .timeout = 120)
{
    int64_t  resident[ROUNDS];
    uint64_t id      = 0;
    int64_t  slowest = 0;
    int      fds;

    options.burst = options.rate = 1000000; /* so that each is heard */
    options.link.handshake_ns    = 300000000;
    begin();
    join(dial());
    TURN_UNTIL(client.passed && n_admitted == 1);
    fds = count_fds();
    for (int i = 0; i < ROUNDS * N_KINDS; i++) {
        int   kind  = i % N_KINDS;
        pid_t child = fork();
        int   status;

        if (child == 0)
            attack(kind);
        while (waitpid(child, &status, WNOHANG) == 0) {
            int64_t began = sbl_clock_ns();

            side_say(&client, ++id, PLAIN, "still here", 10);
            while (admitted[0].last_id < id && !admitted[0].ended)
                sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
            slowest = sbl_clock_ns() - began > slowest ? sbl_clock_ns() - began : slowest;
        }
        cr_expect_eq(status, 0);
        TURN_UNTIL(sbl_listener_counts(listener).pending == 0);
        resident[i / N_KINDS] = sbl_limits_resident();
    }
    cr_expect_eq(count_fds(), fds);
    cr_expect_lt(slowest, 1000000000);
    cr_expect(n_admitted >= 1 && n_admitted <= 1 + ROUNDS); /* what is replayed was right once */
    cr_expect(admitted[0].frames == (int64_t)id && admitted[0].out_of_order == 0 && !admitted[0].ended);
    {
        sbl_listen_counts c = sbl_listener_counts(listener);

        cr_expect(c.most_pending <= 256 && c.limited == 0 && c.unserved == 0 && c.refused == 0);
        cr_expect_geq(c.late, ROUNDS * OF_EACH);
        cr_expect_geq(c.late + c.strangers, ROUNDS * N_KINDS * OF_EACH);
        cr_expect(OF_EACH < AT_ONCE || c.pauses > 0);
        fprintf(stderr, "%lld strangers: %lld kB more, slowest answer %.1f ms, %lld pauses\n",
                (long long)(c.late + c.strangers), (long long)(resident[1] - resident[0]) / 1024, (double)slowest / 1e6,
                (long long)c.pauses);
    }
    if (!SBL_SANITIZED) /* whose allocators keep what is freed; 100 bytes of each would be twice as much */
        cr_expect_lt(resident[1] - resident[0], 50 * N_KINDS * OF_EACH);
    leave();
}

Test(listen, one_source_that_proves_nothing_is_limited_and_who_does_is_not)
{
    int fds[40];

    options.burst = 8;
    options.rate  = 1;
    begin();
    for (int i = 0; i < 30; i++) { /* each gives its token back */
        join(dial());
        TURN_UNTIL(client.passed && n_admitted == i + 1);
        leave();
    }
    for (int i = 0; i < 40; i++)
        fds[i] = dial();
    TURN_UNTIL(sbl_listener_counts(listener).accepted >= 70);
    cr_expect(sbl_listener_counts(listener).pending <= 10 && sbl_listener_counts(listener).limited >= 30);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    TURN_UNTIL(sbl_listener_counts(listener).pending == 0);
}

Test(listen, beyond_the_most_that_may_be_pending_it_pauses_and_goes_on)
{
    int fds[20];

    options.most_pending      = 4;
    options.link.handshake_ns = 100000000;
    begin();
    for (int i = 0; i < 20; i++)
        fds[i] = dial();
    for (int i = 0; i < 3; i++)
        sbl_evloop_turn(loop, 0);
    cr_expect_eq(sbl_listener_counts(listener).pending, 4);
    join(dial()); /* which waits for its turn behind them */
    TURN_UNTIL(n_admitted == 1);
    cr_expect(sbl_listener_counts(listener).late == 20 && sbl_listener_counts(listener).most_pending == 4);
    cr_expect_geq(sbl_listener_counts(listener).pauses, 5);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    leave();
}

Test(listen, when_descriptors_run_out_it_turns_away_and_lives_on)
{
    int           more[256], n = 0;
    struct rlimit limit, low;
    pid_t         child;

    begin();
    join(dial());
    TURN_UNTIL(client.passed && n_admitted == 1);
    cr_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    child = fork();
    if (child == 0) { /* it is closed, and does not hang */
        for (int i = 0; i < 20; i++)
            until_closed(dial());
        _exit(0);
    }
    low          = limit;
    low.rlim_cur = 128;
    cr_assert(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while (n < 256 && (more[n] = dup(0)) >= 0)
        n++;
    TURN_UNTIL(sbl_listener_counts(listener).unserved >= 5);
    wait_for(child);
    side_say(&client, 1, PLAIN, "still here", 10);
    TURN_UNTIL(admitted[0].frames == 1);
    while (n)
        close(more[--n]);
    cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    leave();
    join(dial());
    TURN_UNTIL(n_admitted == 2);
    leave();
}

Test(listen, refused_peers_are_counted_apart_from_strangers)
{
    uint8_t said[224];
    pid_t   child;

    begin();
    child = fork();
    if (child == 0) {
        int fd = dial();

        shake(fd, right_key, 1, said, "another cluster!");
        until_closed(fd);
        fd = dial();
        shake(fd, wrong_key, 2, said, "cluster 12345678");
        until_closed(fd);
        _exit(0);
    }
    wait_for(child);
    TURN_UNTIL(sbl_listener_counts(listener).pending == 0);
    cr_expect(sbl_listener_counts(listener).refused == 1 && sbl_listener_counts(listener).strangers == 1);
}

Test(listen, closed_while_some_are_in_their_handshake_it_leaves_nothing)
{
    int fds[5];

    begin();
    for (int i = 0; i < 5; i++)
        fds[i] = dial();
    TURN_UNTIL(sbl_listener_counts(listener).pending == 5);
    sbl_listener_close(listener);
    listener = NULL;
    for (int i = 0; i < 3; i++)
        sbl_evloop_turn(loop, 0);
    for (int i = 0; i < 5; i++) {
        char byte;

        cr_expect(recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
        close(fds[i]);
    }
}

Test(listen, every_failed_allocation_is_reported_and_turns_away)
{
    int n = 0;

    for (;; n++) {
        sabal_error  err = SABAL_ERROR_INIT;
        sabal_status st;

        sbl_alloc_fail(n + 1, 0);
        st = sbl_listener_open(&listener, loop, &options, &err);
        sbl_alloc_fail(0, 0);
        if (!st)
            break;
        cr_assert_eq(st, SABAL_ENOMEM);
    }
    cr_expect_eq(n, 1);
    for (int i = 1; i <= 3; i++) {
        int fd = dial();

        sbl_alloc_fail(i, 0);
        TURN_UNTIL(sbl_listener_counts(listener).unserved == i);
        sbl_alloc_fail(0, 0);
        close(fd);
    }
    join(dial());
    TURN_UNTIL(n_admitted == 1);
    leave();
}
