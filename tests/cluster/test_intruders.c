/* Strangers at each door of a cluster's processes while a job runs: refused, the job undisturbed, nothing of them kept. */
#include <errno.h>
#include <grp.h>

#include "base/sanitized.h"
#include "cluster/job.h"
#include "cluster/net/scheduler_file.h"
#include "cluster/net/packet.h"
#include "cluster/net/secret.h"
#include "cluster/net/session.h"
#include "cluster/processes.h"
#include "cluster/talk.h"
#include "support/doors.h"

TestSuite(intruders, .init = begin_faults, .fini = end_faults, .timeout = 600);

static const job JOB = {.chunks = 20, .words = 20000, .ms = 3};

static sabal_client *open_with_tcp(int32_t workers, const char *interfaces)
{
    sabal_client *client;

    make_cluster();
    start_process("--scheduler", interfaces, NULL, 0);
    for (int32_t i = 0; i < workers; i++)
        start_process("--worker", interfaces, NULL, 0);
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

/* --- what an intruder does ------------------------------------------------------------------------------------- */

/* What it knows. */
typedef struct intruder {
    const uint8_t *key; /* NULL: the right one */
    uint64_t       ticket;
    uint32_t       number; /* of the worker that it is at; 0: the scheduler */
    sbl_hello_self self;
    uint8_t        said[512], heard[1024]; /* in the handshake */
    size_t         n_said, n_heard;
    sbl_hello      hello;
} intruder;

static sbl_scheduler_file file;

/* One that has the cluster's secret has the keys of all tickets. */
static const uint8_t *key_of(void *arg, uint64_t ticket)
{
    static sbl_keys keys;
    const intruder *in = arg;

    keys.secret = file.secret;
    keys.self   = (uint32_t)ticket;
    return in->key ? in->key : sbl_keys_find(&keys, ticket);
}

static void patience(int fd)
{
    const struct timeval limit = {.tv_sec = 10};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Reads to the end, and closes; how many bytes came. -1: it was not closed there. */
static long until_closed(int fd)
{
    uint8_t bytes[512];
    ssize_t n;
    long    all = 0;

    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        all += n;
    close(fd);
    return n < 0 && errno != ECONNRESET ? -1 : all;
}

/* As far as the other side goes with it. */
static void shake(intruder *in, int fd)
{
    uint8_t nonce[SBL_NONCE_BYTES];
    size_t  n;

    sbl_random(nonce, sizeof nonce, NULL);
    sbl_hello_start(&in->hello, &in->self, 1, in->ticket, key_of, in, nonce, NULL, NULL);
    in->n_said = in->n_heard = 0;
    while (in->hello.state == SBL_HELLO_GOING) {
        const void *out = sbl_hello_output(&in->hello, &n);
        ssize_t     got;

        if (n && send(fd, out, n, MSG_NOSIGNAL) != (ssize_t)n)
            return;
        memcpy(in->said + in->n_said, out, n);
        in->n_said += n;
        sbl_hello_sent(&in->hello, n);
        got = read(fd, in->heard + in->n_heard, sbl_hello_wants(&in->hello));
        if (got <= 0)
            return;
        sbl_hello_take(&in->hello, in->heard + in->n_heard, (size_t)got);
        in->n_heard += (size_t)got;
    }
}

/* --- kinds of attack: each is one connection. 0: it went as it must --------------------------------------------- */

enum { NOBODY = 77 << 16 | 77, NOBODY_ELSE = 78 << 16 | 78 }; /* no member of the cluster has these numbers */
enum { STRANGER_BYTES = 64 };                                 /* its nonce is all that a stranger hears */

static int is_turned_away(int fd)
{
    const long n = until_closed(fd);

    return n >= 0 && n <= STRANGER_BYTES ? 0 : 1;
}

static int random_bytes(intruder *in, int fd)
{
    uint8_t bytes[512];

    sbl_random(bytes, sizeof bytes, NULL);
    send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
    return is_turned_away(fd);
}

/* Begins as is right, and says no more. */
static int half_a_handshake(intruder *in, int fd)
{
    send(fd, "SABALNET\1\0\0\0\0\0\0\0", 16, MSG_NOSIGNAL);
    return is_turned_away(fd);
}

static int cut_off(intruder *in, int fd)
{
    send(fd, "SABALNET\1\0\0\0\0\0\0\0", 16, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    return is_turned_away(fd);
}

static int without_the_secret(intruder *in, int fd)
{
    in->key = (const uint8_t *)"another secret, which is as long";
    shake(in, fd);
    return in->hello.state == SBL_HELLO_PASSED || in->n_heard > STRANGER_BYTES || is_turned_away(fd);
}

/* Has a secret that is right there. */
static int of_another_cluster(intruder *in, int fd)
{
    memset(in->self.cluster, 7, sizeof in->self.cluster);
    return without_the_secret(in, fd);
}

static int is_refused(intruder *in, int fd)
{
    shake(in, fd);
    return in->hello.state != SBL_HELLO_REFUSED || until_closed(fd) != 0;
}

/* The secret was found out, and the cluster was not. */
static int with_the_secret_of_another_cluster(intruder *in, int fd)
{
    memset(in->self.cluster, 7, sizeof in->self.cluster);
    return is_refused(in, fd);
}

static int of_an_old_protocol(intruder *in, int fd)
{
    in->self.protocol = SBL_PROTOCOL + 1;
    return is_refused(in, fd);
}

static int of_an_old_version(intruder *in, int fd)
{
    strcpy(in->self.version, "0.0.1");
    return is_refused(in, fd);
}

/* What was right once is said again. The first time, nothing follows, and it leaves. */
static int replayed(intruder *in, int fd)
{
    static uint8_t said[512];
    static size_t  n;

    if (!n) {
        shake(in, fd);
        if (in->hello.state != SBL_HELLO_PASSED)
            return 1;
        memcpy(said, in->said, n = in->n_said);
        close(fd);
        return 0;
    }
    send(fd, said, n, MSG_NOSIGNAL);
    return is_turned_away(fd);
}

/* All that it hears it says. */
static int reflected(intruder *in, int fd)
{
    uint8_t nonce[SBL_NONCE_BYTES] = {1}, bytes[512];
    size_t  n;
    ssize_t got;

    sbl_hello_start(&in->hello, &in->self, 1, in->ticket, key_of, in, nonce, NULL, NULL);
    send(fd, sbl_hello_output(&in->hello, &n), STRANGER_BYTES, MSG_NOSIGNAL);
    got = read(fd, bytes, sizeof bytes);
    if (got != STRANGER_BYTES)
        return 1;
    for (int i = 0; i < 3; i++)
        send(fd, bytes, (size_t)got, MSG_NOSIGNAL);
    return is_turned_away(fd);
}

/* --- who has the secret, and breaks the rules ------------------------------------------------------------------- */

/* A frame of letters, made as is right. */
static void seal(intruder *in, uint8_t *frame, uint64_t length, const void *payload)
{
    const sbl_session_head   what = {.type = SBL_TALK_LETTERS, .length = length};
    sbl_session_keys         keys;
    _Alignas(16) sbl_session session;

    sbl_hello_keys(&keys, &in->hello);
    sbl_session_start(&session, &keys, sbl_talk_limits);
    sbl_session_seal(&session, frame, frame + SBL_FRAME_HEAD, frame, &what, payload);
}

static int says(intruder *in, int fd, const void *bytes, size_t n, int and_ends)
{
    if (in->hello.state != SBL_HELLO_PASSED)
        return 1;
    send(fd, bytes, n, MSG_NOSIGNAL);
    if (and_ends)
        shutdown(fd, SHUT_WR);
    return until_closed(fd) < 0;
}

static int with_a_cut_frame(intruder *in, int fd)
{
    uint8_t frame[SBL_FRAME_HEAD + SBL_FRAME_TAG] = {0};

    shake(in, fd);
    seal(in, frame, 0, "");
    return says(in, fd, frame, SBL_FRAME_HEAD / 2, 1);
}

static int with_a_frame_that_is_too_large(intruder *in, int fd)
{
    uint8_t frame[512] = {0};

    shake(in, fd);
    seal(in, frame, 0, "");
    memset(frame + 8, 0xff, 8); /* of its head: wherever its length is, some of it is changed */
    memset(frame + 16, 0x7f, 8);
    return says(in, fd, frame, sizeof frame, 0);
}

static int with_bytes_that_are_no_frame(intruder *in, int fd)
{
    uint8_t bytes[512];

    shake(in, fd);
    sbl_random(bytes, sizeof bytes, NULL);
    return says(in, fd, bytes, sizeof bytes, 0);
}

/* A frame of a kind that is not expected, or with words that make no sense. */
static int with_a_frame_that_makes_no_sense(intruder *in, int fd)
{
    uint8_t frame[512] = {0};

    shake(in, fd);
    seal(in, frame, 0, "");
    return says(in, fd, frame, sizeof frame, 0);
}

/* --- at a worker's door, the same where values go --------------------------------------------------------------- */

/* Heads as they are, with sums that are right, but sealed by nobody. */
static int with_frames_for_values(intruder *in, int fd)
{
    uint8_t heads[4 * SBL_PACKET_HEAD];

    shake(in, fd);
    for (uint8_t i = 0; i < 4; i++)
        sbl_packet_encode(heads + i * SBL_PACKET_HEAD,
                          &(sbl_packet){.type = (uint8_t)(1 + 2 * i), .size = i % 2 ? UINT32_MAX : 24, .id = i});
    return says(in, fd, heads, sizeof heads, 0);
}

static int with_the_ticket_of_another(intruder *in, int fd)
{
    in->ticket = sbl_ticket(NOBODY, NOBODY_ELSE);
    shake(in, fd);
    return in->hello.state == SBL_HELLO_PASSED || is_turned_away(fd);
}

typedef struct attack {
    const char *name;
    int (*run)(intruder *in, int fd);
    int is_slow; /* it is closed when its time is over */
} attack;
static const attack ATTACKS[] = {{"random bytes", random_bytes, 0},
                                 {"half a handshake", half_a_handshake, 1},
                                 {"cut off in the handshake", cut_off, 0},
                                 {"without the secret", without_the_secret, 0},
                                 {"of another cluster", of_another_cluster, 0},
                                 {"with the secret, of another cluster", with_the_secret_of_another_cluster, 0},
                                 {"of an old protocol", of_an_old_protocol, 0},
                                 {"of an old version", of_an_old_version, 0},
                                 {"replayed", replayed, 0},
                                 {"reflected", reflected, 0},
                                 {"with a cut frame", with_a_cut_frame, 0},
                                 {"with a frame that is too large", with_a_frame_that_is_too_large, 0},
                                 {"with bytes that are no frame", with_bytes_that_are_no_frame, 0},
                                 {"with a frame that makes no sense", with_a_frame_that_makes_no_sense, 0},
                                 {"with frames for values", with_frames_for_values, 0},
                                 {"with the ticket of another", with_the_ticket_of_another, 0}};
enum { N_ATTACKS = sizeof ATTACKS / sizeof *ATTACKS };

/* --- all of them at all doors ----------------------------------------------------------------------------------- */

/* They came one after the other. */
static uint32_t number_of(pid_t pid)
{
    for (uint32_t i = 1; i < (uint32_t)cluster.n; i++)
        if (cluster.process[i] == pid)
            return i << 16 | i;
    return 0;
}

/* In a child: each attack, so often, at a door. Its status: 0, or 1 + the attack that went otherwise. */
static int attack_door(const door *d, int times)
{
    for (int a = 0; a < N_ATTACKS; a++)
        for (int i = 0; i < (ATTACKS[a].is_slow ? 1 : times); i++) {
            intruder in = {.number = number_of(d->pid), .self = {.role = SBL_ROLE_WORKER, .expects = ~0}};
            int      fd = door_knock(d);

            if (fd < 0)
                return 100;
            patience(fd);
            memcpy(in.self.cluster, file.cluster, sizeof in.self.cluster);
            in.ticket = in.number ? sbl_ticket(NOBODY, in.number) : 0;
            if (ATTACKS[a].run(&in, fd))
                return 1 + a;
            sbl_hello_end(&in.hello);
        }
    return 0;
}

static const char *what_went_otherwise(int status)
{
    const int what = WIFEXITED(status) ? WEXITSTATUS(status) : 200;

    return what >= 1 && what <= N_ATTACKS ? ATTACKS[what - 1].name : what == 100 ? "no connection" : "it ended";
}

/* Runs jobs until the child has ended; how many there were. */
static int jobs_while(pid_t child, sabal_client *client, int *status)
{
    int n = 0;

    while (!waitpid(child, status, WNOHANG)) {
        job_run(JOB, client);
        n++;
    }
    return n;
}

static int find_doors(door doors[MOST_DOORS])
{
    int n = 0;

    for (int i = 0; i < cluster.n; i++)
        n = doors_of(doors, n, cluster.process[i]);
    return n;
}

static int count_sockets_of(pid_t pid)
{
    char           path[64], target[64];
    DIR           *dir;
    struct dirent *entry;
    int            n = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        n += readlinkat(dirfd(dir), entry->d_name, target, sizeof target) > 0 && !strncmp(target, "socket:", 7);
    if (dir)
        closedir(dir);
    return n;
}

Test(intruders, at_every_door_all_are_turned_away_and_the_job_goes_on)
{
    sabal_client *client = open_with_tcp(2, "lo");
    door          doors[MOST_DOORS];
    const int     n = find_doors(doors);

    cr_assert_geq(n, 6); /* a socket and a port or two each */
    cr_assert_eq(sbl_scheduler_file_read(&file, cluster.file, 0, &err), SABAL_OK, "%s", err.message);
    job_run(JOB, client);
    for (int i = 0; i < n; i++) {
        pid_t child  = fork();
        int   status = -1;

        if (!child)
            _exit(attack_door(&doors[i], 5));
        cr_expect_geq(jobs_while(child, client, &status), 1);
        if (status)
            fprintf(stderr, "at %s, port %u: %s\n", doors[i].path, doors[i].port, what_went_otherwise(status));
        cr_expect_eq(status, 0, "at %s, port %u: %s", doors[i].path, doors[i].port, what_went_otherwise(status));
    }
    sbl_scheduler_file_clear(&file);
    close_all(client);
}

/* --- ten thousand ----------------------------------------------------------------------------------------------- */

enum { AT_ONCE = 100, IN_ALL = 10000, ROUNDS = 2 };

/* Random bytes, nothing, a bit of a handshake; many at once. */
static int swarm(const door *doors, int n, int n_connections)
{
    int      fds[AT_ONCE];
    uint8_t  bytes[512];
    uint32_t x = 1;

    for (int i = 0; i < n_connections; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) {
            x      = x * 1664525 + 1013904223;
            fds[k] = door_knock(&doors[(x >> 16) % (uint32_t)n]);
            if (fds[k] < 0)
                return 1;
            if (x >> 30 == 0)
                send(fds[k], "SABALNET\1\0\0\0\0\0\0\0", 16, MSG_NOSIGNAL);
            else if (x >> 30 != 1 && !sbl_random(bytes, sizeof bytes, NULL))
                send(fds[k], bytes, sizeof bytes, MSG_NOSIGNAL);
        }
        for (int k = 0; k < AT_ONCE; k++)
            close(fds[k]);
    }
    return 0;
}

static long resident_kb(pid_t pid)
{
    char  path[64], line[256];
    FILE *status;
    long  kb = -1;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    status = fopen(path, "re");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmRSS: %ld", &kb);
    if (status)
        fclose(status);
    return kb;
}

/* Of a round: what a process had before it. */
typedef struct before {
    long kb;
    int  sockets;
} before;

static void expect_flat(int process, const before *b)
{
    const pid_t pid = cluster.process[process];

    for (int k = 0; k < 500 && count_sockets_of(pid) > b->sockets; k++)
        sleep_ms(10);
    cr_expect_leq(count_sockets_of(pid), b->sockets + 2); /* members may have met meanwhile */
    fprintf(stderr, "process %d: %ld kB, then %ld kB\n", process, b->kb, resident_kb(pid));
    if (!SBL_SANITIZED) /* 200 bytes of each connection would be more */
        cr_expect_leq(resident_kb(pid), b->kb + IN_ALL / ROUNDS * 200 / 1024);
}

Test(intruders, ten_thousand_connections_cost_nothing_that_stays)
{
    sabal_client *client = open_with_tcp(2, "lo");
    door          doors[MOST_DOORS];
    const int     n = find_doors(doors);
    before        b[3];
    int           lines = 0;

    for (int i = 0; i < 20; i++)
        job_run(JOB, client);
    for (int r = 0; r < ROUNDS; r++) {
        pid_t child;
        int   status = -1;

        for (int i = 0; i < 3; i++)
            b[i] = (before){resident_kb(cluster.process[i]), count_sockets_of(cluster.process[i])};
        lines = log_count("");
        child = fork();
        if (!child)
            _exit(swarm(doors, n, IN_ALL / ROUNDS));
        cr_expect_geq(jobs_while(child, client, &status), 1);
        cr_expect_eq(status, 0);
    }
    for (int i = 0; i < 3; i++)
        expect_flat(i, &b[i]);
    cr_expect_leq(log_count("") - lines, 100);
    cr_expect_eq(log_count("' is gone: "), 0);
    close_all(client);
}

/* --- another user of this node ---------------------------------------------------------------------------------- */

static int is_denied(int result)
{
    if (result >= 0)
        close(result);
    return result < 0 && (errno == EACCES || errno == EPERM);
}

/* As nobody. 0: nothing could be opened. */
static int try_all_as_another(const door *doors, int n)
{
    char path[300];

    if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
        return 1;
    if (!is_denied(open(cluster.file, O_RDONLY)) || !is_denied(open(cluster.file, O_WRONLY)))
        return 2;
    for (int i = 0; i < n; i++) {
        if (doors[i].path[0] && !is_denied(door_knock(&doors[i])))
            return 3;
        memcpy(path, doors[i].path, sizeof doors[i].path);
        if (path[0])
            *strrchr(path, '/') = 0; /* the folder */
        if (path[0] && !is_denied(open(path, O_RDONLY | O_DIRECTORY)))
            return 4;
        for (int k = 0; k < 4; k++) {
            static const char *const SECRETS[] = {"mem", "environ", "maps", "fd"};

            snprintf(path, sizeof path, "/proc/%d/%s", (int)doors[i].pid, SECRETS[k]);
            if (!is_denied(open(path, O_RDONLY)))
                return 10 + k;
        }
    }
    return 0;
}

Test(intruders, another_user_of_the_node_opens_nothing)
{
    sabal_client *client = open_with_tcp(1, "lo");
    door          doors[MOST_DOORS];
    const int     n = find_doors(doors);
    pid_t         child;
    int           status = -1;

    if (geteuid() != 0) {
        close_all(client);
        cr_skip_test("only root can become another user");
    }
    chmod(cluster.folder, 0711); /* as if the folder were open to all: the file is not */
    chmod(behind.folder, 0711);
    child = fork();
    if (!child)
        _exit(try_all_as_another(doors, n));
    cr_expect_geq(jobs_while(child, client, &status), 0);
    cr_expect_eq(status, 0, "status %d", WEXITSTATUS(status));
    job_run(JOB, client);
    close_all(client);
}

/* --- what is open ----------------------------------------------------------------------------------------------- */

static void expect_doors(pid_t pid, int ports, int sockets)
{
    door doors[MOST_DOORS];

    cr_expect_eq(doors_tcp(doors, 0, pid), ports);
    cr_expect_eq(doors_unix(doors, 0, pid), sockets);
    cr_expect_eq(doors_other("udp", pid) + doors_other("udp6", pid) + doors_other("raw", pid), 0);
}

Test(intruders, on_one_node_no_port_is_open)
{
    sabal_client *client = open_cluster(2);

    job_run(JOB, client);
    for (int i = 0; i < cluster.n; i++)
        expect_doors(cluster.process[i], 0, 1);
    expect_doors(getpid(), 0, 0);
    close_all(client);
}

/* Of the interface that was named, an address of each kind. */
Test(intruders, each_process_has_the_ports_that_it_tells_of)
{
    sabal_client *client = open_with_tcp(2, "lo");
    door          doors[MOST_DOORS];
    int           n = 0, found = 0;

    job_run(JOB, client);
    cr_assert_eq(sbl_scheduler_file_read(&file, cluster.file, 0, &err), SABAL_OK, "%s", err.message);
    for (int32_t i = 0; i < file.n_addresses; i++)
        n += file.addresses[i].kind == SBL_ADDRESS_TCP;
    cr_expect_geq(n, 1);
    for (int i = 0; i < cluster.n; i++)
        expect_doors(cluster.process[i], n, 1);
    expect_doors(getpid(), 0, 0);
    cr_assert_eq(doors_tcp(doors, 0, cluster.process[0]), n);
    for (int k = 0; k < n; k++)
        for (int32_t i = 0; i < file.n_addresses; i++)
            found += file.addresses[i].kind == SBL_ADDRESS_TCP && file.addresses[i].port == doors[k].port;
    cr_expect_geq(found, n);
    sbl_scheduler_file_clear(&file);
    close_all(client);
}

/* --- the secret ------------------------------------------------------------------------------------------------- */

static int has_text(const char *path, const char *text)
{
    static char bytes[1 << 20];
    FILE       *f = fopen(path, "re");
    size_t      n = f ? fread(bytes, 1, sizeof bytes, f) : 0;

    if (f)
        fclose(f);
    return memmem(bytes, n, text, strlen(text)) != NULL;
}

Test(intruders, the_secret_is_in_the_file_alone)
{
    sabal_client *client = open_with_tcp(2, "lo");
    char          hex[2 * SBL_KEY_BYTES + 1], path[64];

    job_run(JOB, client);
    cr_assert_eq(sbl_scheduler_file_read(&file, cluster.file, 0, &err), SABAL_OK, "%s", err.message);
    sbl_hex_write(hex, sbl_secret_borrow(file.secret), SBL_KEY_BYTES);
    cr_expect(has_text(cluster.file, hex)); /* as it would be elsewhere */
    for (int i = 0; i < cluster.n; i++) {
        snprintf(path, sizeof path, "/proc/%d/cmdline", (int)cluster.process[i]);
        cr_expect(has_text(path, "scheduler.json") && !has_text(path, hex));
        snprintf(path, sizeof path, "/proc/%d/environ", (int)cluster.process[i]);
        cr_expect(has_text(path, "SABAL_TEST_MARK") && !has_text(path, hex));
    }
    cr_expect(!has_text(getenv("TEST_CLUSTER_LOG"), hex));
    sbl_scheduler_file_clear(&file);
    close_all(client);
}
