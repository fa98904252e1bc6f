/* UCX's traps, each measured before (loading takes signals, writes to standard output, opens ports, accepts wrong names). */
#include "support/test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cluster/net/ucx_private.h"
#include "net/two.h"

static side here;

static two_options how(const char *tls)
{
    return (two_options){
        .tls = {tls, tls}, .plugin = getenv("SABAL_TEST_PLUGIN"), .interface = "lo", .tcp = strstr(tls, "tcp") != NULL};
}

/* A plane of this process alone. */
static sabal_status alone(const char *tls, const char *plugin, const char *interface, sabal_error *err)
{
    sbl_plane_options o = {.lookup = side_lookup, .arg = &here, .tls = tls, .plugin = plugin, .interface = interface};

    memset(&here, 0, sizeof here);
    loop_begin(&here.loop);
    o.turns = loop_turns(&here.loop);
    return sbl_plane_create(&here.plane, &o, err);
}

/* In the order of this file where all tests share a process: first those that need one without UCX. */

/* --- what can't be had ------------------------------------------------------------------------------------------ */

Test(ucx, what_can_t_be_had_is_said)
{
    static const struct {
        const char  *tls, *plugin, *interface;
        sabal_status status;
        const char  *says;
    } CASES[] = {
        {"ucx-shm", "/nowhere/sabal-ucx.so", NULL, SABAL_EUNSUPPORTED, "/nowhere/sabal-ucx.so"},
        {"ucx-shm", NULL, NULL, SABAL_EUNSUPPORTED, "UCX"}, /* the test does not lie beside it */
        {"ucx-tcp", NULL, NULL, SABAL_EINVAL, "interface"},
        {"rdma", NULL, NULL, SABAL_EUNSUPPORTED, "no RDMA device"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sabal_error err = SABAL_ERROR_INIT;

        if (!strcmp(CASES[i].tls, "rdma") && sbl_has_rdma())
            continue;
        cr_expect_eq(alone(CASES[i].tls, CASES[i].plugin, CASES[i].interface, &err), CASES[i].status);
        cr_expect(strstr(err.message, CASES[i].says) != NULL);
        if (!strstr(err.message, CASES[i].says))
            fprintf(stderr, "not '%s': %s\n", CASES[i].says, err.message);
        close(here.loop.epoll);
    }
}

/* --- what it writes --------------------------------------------------------------------------------------------- */

static void *no_memory(size_t n)
{
    return malloc(n);
}
static const sbl_ucx_host HOST = {.alloc = no_memory, .free = free};

/* What a child wrote to standard output that opened UCX with these settings; 0: it could not. */
static int output_of(char *text, size_t size, const sbl_ucx_setting *s, int32_t n, const char *environment)
{
    int    ends[2], status;
    size_t at = 0;
    pid_t  child;

    if (pipe(ends))
        abort();
    fflush(NULL);
    child = fork();
    if (child == 0) {
        char                  why[200];
        const sbl_ucx_plugin *plugin;
        sbl_ucx_worker       *w;

        dup2(ends[1], 1);
        if (environment)
            setenv(environment, "1", 1);
        plugin = dlsym(dlopen(getenv("SABAL_TEST_PLUGIN"), RTLD_NOW), SBL_UCX_SYMBOL);
        w      = plugin->open(s, n, &HOST, NULL, why, sizeof why);
        if (w)
            plugin->close(w);
        fflush(NULL);
        _exit(w ? 0 : 1);
    }
    close(ends[1]);
    for (ssize_t k; at + 1 < size && (k = read(ends[0], text + at, size - at - 1)) > 0;)
        at += (size_t)k;
    text[at] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    return status == 0;
}

Test(ucx, each_setting_is_one_that_it_knows)
{
    static const sbl_carrier ALL[] = {SBL_CARRIER_UCX_SHM, SBL_CARRIER_UCX_TCP, SBL_CARRIER_RDMA};
    char                     text[20000];

    for (int i = 0; i < 3; i++) {
        sbl_ucx_setting s[18];
        int32_t         n = sbl_ucx_settings(s, ALL[i], "lo");

        for (int32_t k = 0; k < n; k++)
            if (!strcmp(s[k].name, "LOG_LEVEL"))
                s[k].value = "warn";
        if (ALL[i] == SBL_CARRIER_RDMA)
            for (int32_t k = 0; k < n; k++)
                if (!strcmp(s[k].name, "NET_DEVICES") || !strcmp(s[k].name, "TLS"))
                    s[k].value = strcmp(s[k].name, "TLS") ? "all" : "posix,cma,self"; /* there is no such device here */
        cr_expect(output_of(text, sizeof text, s, n, NULL));
        cr_expect_str_eq(text, "");
        s[n] = (sbl_ucx_setting){"POSIX_ERROR_HANDLING", "y"}; /* a name that is accepted, and is none */
        output_of(text, sizeof text, s, n + 1, NULL);
        cr_expect(strstr(text, "POSIX_ERROR_HANDLING") != NULL);
    }
}

Test(ucx, nothing_is_written_to_standard_output)
{
    sbl_ucx_setting s[16];
    char            text[20000];
    int32_t         n = sbl_ucx_settings(s, SBL_CARRIER_UCX_SHM, NULL);

    cr_expect(output_of(text, sizeof text, s, n, "UCX_NO_SUCH_THING"));
    cr_expect_str_eq(text, "");
    cr_expect(output_of(text, sizeof text, s + 1, n - 1, "UCX_NO_SUCH_THING")); /* without LOG_LEVEL */
    cr_expect(strstr(text, "NO_SUCH_THING") != NULL);
}

static void own_handler(int number)
{
    _exit(number);
}

Test(ucx, signals_are_as_they_were)
{
    struct sigaction before[NSIG], now, mine = {.sa_handler = own_handler};
    const int        restorer = 0x04000000; /* glibc's own, once a signal was set */
    sigset_t         mask, mask_now;

    sigaction(SIGFPE, &mine, NULL);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, NULL, &before[i]);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    cr_assert_eq(alone("ucx-shm", getenv("SABAL_TEST_PLUGIN"), NULL, NULL), SABAL_OK);
    for (int i = 1; i < NSIG; i++)
        if (!sigaction(i, NULL, &now)) {
            cr_expect(now.sa_sigaction == before[i].sa_sigaction);
            cr_expect((now.sa_flags & ~restorer) == (before[i].sa_flags & ~restorer));
        }
    pthread_sigmask(SIG_BLOCK, NULL, &mask_now);
    for (int i = 1; i < NSIG; i++)
        cr_expect_eq(sigismember(&mask, i), sigismember(&mask_now, i));
    side_end(&here);
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

static int is_own_socket(unsigned long inode)
{
    DIR           *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    char           path[300], link[64], wanted[64];
    int            found = 0;

    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    while ((entry = readdir(folder))) {
        ssize_t n;

        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        n = readlink(path, link, sizeof link - 1);
        if (n > 0) {
            link[n] = 0;
            found |= !strcmp(link, wanted);
        }
    }
    closedir(folder);
    return found;
}

/* Ports that this process listens on, as ss would tell; *others: those not on 127.0.0.1. */
static int ports(int *others)
{
    static const char *const FILES[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    int                      n       = 0;

    *others = 0;
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(FILES[i], "r");
        char  line[512];

        while (file && fgets(line, sizeof line, file)) {
            char          at[40];
            unsigned      state;
            unsigned long inode;

            if (sscanf(line, " %*d: %39s %*s %x %*s %*s %*s %*d %*d %lu", at, &state, &inode) == 3 && state == 10 &&
                is_own_socket(inode)) {
                n++;
                *others += strncmp(at, "0100007F:", 9) != 0;
            }
        }
        if (file)
            fclose(file);
    }
    return n;
}

Test(ucx, shared_memory_opens_no_port_and_tcp_one_on_its_interface)
{
    int others;

    cr_assert_eq(alone("ucx-shm", getenv("SABAL_TEST_PLUGIN"), NULL, NULL), SABAL_OK);
    loop_for(&here.loop, 50);
    cr_expect_eq(ports(&others), 0);
    side_end(&here);
    cr_assert_eq(alone("ucx-tcp", getenv("SABAL_TEST_PLUGIN"), "lo", NULL), SABAL_OK);
    loop_for(&here.loop, 50);
    cr_expect_eq(ports(&others), 1);
    cr_expect_eq(others, 0);
    side_end(&here);
}

Test(ucx, an_interface_that_is_not_there_is_said)
{
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(alone("ucx-tcp", getenv("SABAL_TEST_PLUGIN"), "sbl99", &err), SABAL_EUNSUPPORTED);
    cr_expect(strstr(err.message, "no interface 'sbl99'") != NULL);
    close(here.loop.epoll);
}

Test(ucx, what_can_t_encrypt_is_not_taken)
{
    two_options o = how("ucx-tcp");
    pid_t       child;

    o.encrypt = 1;
    child     = two_begin(&here, &o);
    cr_assert(loop_until(&here.loop, &here.down, 1, 10));
    cr_expect_eq(here.why.status, SABAL_EUNSUPPORTED);
    two_end(&here, child);
    o        = how("ucx-tcp");
    o.tls[0] = o.tls[1] = "ucx-tcp,tcp";
    o.encrypt           = 1;
    child               = two_begin(&here, &o);
    cr_assert(loop_until(&here.loop, &here.up, 1, 10));
    cr_expect_eq(here.carrier, SBL_CARRIER_TCP);
    cr_expect_eq(two_end(&here, child), 0);
}

/* In a child, as it changes what is mounted. */
static void small_shm(void)
{
    sabal_error err = SABAL_ERROR_INIT;
    two_options o   = how("memfd,ucx-shm");
    pid_t       child;

    if (alone("ucx-shm", o.plugin, NULL, &err) != SABAL_EUNSUPPORTED || !strstr(err.message, "/dev/shm"))
        _exit(2);
    child = two_begin(&here, &o);
    if (!loop_until(&here.loop, &here.up, 1, 10) || here.carrier != SBL_CARRIER_MEMFD)
        _exit(3);
    two_end(&here, child);
    _exit(0);
}

Test(ucx, too_little_shared_memory_is_said_and_the_next_is_taken)
{
    int   status;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) ||
            mount("shm", "/dev/shm", "tmpfs", 0, "size=1m"))
            _exit(77);
        small_shm();
    }
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == 77)
        cr_skip_test("mounting is not allowed here");
    cr_expect_eq(status, 0);
}

/* --- ends ------------------------------------------------------------------------------------------------------- */

Test(ucx, a_child_made_by_fork_leaves_it_alone)
{
    two_options o = how("ucx-shm");
    pid_t       child, fork_of_this;
    int         status;
    got         g = {0};

    child = two_begin(&here, &o);
    cr_assert(loop_until(&here.loop, &here.up, 1, 10));
    fflush(NULL);
    fork_of_this = fork();
    if (fork_of_this == 0) {
        sbl_pair_close(here.pair);
        sbl_plane_destroy(here.plane);
        _exit(0);
    }
    waitpid(fork_of_this, &status, 0);
    cr_expect_eq(status, 0);
    (void)g;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    side_end(&here);
}

Test(ucx, a_dead_peer_is_noticed_also_as_a_zombie)
{
    two_options o = how("ucx-shm");
    pid_t       child;
    int64_t     began;

    child = two_begin(&here, &o);
    cr_assert(loop_until(&here.loop, &here.up, 1, 10));
    began = sbl_clock_ns();
    kill(child, SIGKILL); /* and not waited for: UCX takes it for alive */
    cr_assert(loop_until(&here.loop, &here.down, 1, 10));
    cr_expect_lt(sbl_clock_ns() - began, INT64_C(2000000000));
    side_end(&here);
    waitpid(child, NULL, 0);
}

static double cpu_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

Test(ucx, it_sleeps_when_idle)
{
    two_options o = how("ucx-shm");
    pid_t       child;
    got         g = {0};
    double      used;
    int64_t     until;

    child = two_begin(&here, &o);
    get(&here, &g, V_BYTES, 3000000);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 10));
    cr_assert(g.done);
    sbl_value_release(g.value);
    loop_for(&here.loop, 50);
    used  = cpu_seconds();
    until = sbl_clock_ns() + INT64_C(1500000000);
    while (sbl_clock_ns() < until)
        loop_turn(&here.loop, 1000);
    cr_expect_lt(cpu_seconds() - used, SBL_SANITIZED ? 0.1 : 0.015); /* 1% of a core */
    cr_expect_eq(two_end(&here, child), 0);
}

static int n_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int  n      = 0;

    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

Test(ucx, planes_that_come_and_go_leave_nothing)
{
    int fds = 0;

    for (int i = 0; i < 8; i++) {
        cr_assert_eq(alone("ucx-shm", getenv("SABAL_TEST_PLUGIN"), NULL, NULL), SABAL_OK);
        loop_for(&here.loop, 5);
        side_end(&here);
        if (i == 1)
            fds = n_fds();
    }
    cr_expect_eq(n_fds(), fds);
}
