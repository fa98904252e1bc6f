/*
 * One side of tools/bench move: two processes, of which one pulls a value of 64 MB from the other for each line that
 * comes in, and tells how long it took. The peers: a copy of the same bytes in this process, raw sockets.
 *
 *   bench_move WHAT [NAMESPACE NAMESPACE]    the processes are in these, of `ip netns`
 *   WHAT: memfd, memfd-first, memfd-copied, tcp, tcp-4, tcp-encrypted, ucx-shm, ucx-tcp;
 *         copy, raw-blocking, raw-spinning, raw-blocking-suited, raw-spinning-suited
 */
#include "net/two.h"

#include "base/alloc.h"
#include "cluster/net/congestion.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

enum { SIZE = 64000000, PREPARE = 100, GET = 101 };

static const char *namespaces[2];
static uint16_t    port; /* of this pair of processes */

static void die(const char *what)
{
    fprintf(stderr, "bench_move: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Interfaces are read from /sys, which is to be that of this namespace. */
static void enter(const char *name)
{
    char path[256];
    int  fd;

    if (!name)
        return;
    snprintf(path, sizeof path, "/var/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) || unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) ||
        umount2("/sys", MNT_DETACH) || mount("sysfs", "/sys", "sysfs", 0, NULL))
        die(path);
    close(fd);
}

__attribute__((noinline)) static uint64_t sum(const void *at, size_t n)
{
    const uint64_t *words = at;
    uint64_t        s     = 0;

    for (size_t i = 0; i < n / 8; i++)
        s += words[i];
    return s;
}

static double seconds(int64_t since)
{
    return 1e-9 * (double)(sbl_clock_ns() - since);
}

static int next_line(void)
{
    char line[64];

    return fgets(line, sizeof line, stdin) != NULL;
}

static void tell(double s)
{
    printf("{\"seconds\": %.9f}\n", s);
    fflush(stdout);
}

/* --- the copy --------------------------------------------------------------------------------------------------- */

static void *huge(size_t n)
{
    void *memory = sbl_alloc_aligned(2u << 20, n);

    madvise(memory, n, MADV_HUGEPAGE);
    memset(memory, 1, n);
    return memory;
}

static int run_copy(void)
{
    void    *from = huge(SIZE), *to = huge(SIZE);
    uint64_t round = 0;

    while (next_line()) {
        int64_t  begin;
        uint64_t s;

        fill(from, SIZE, ++round);
        begin = sbl_clock_ns();
        memcpy(to, from, SIZE);
        s = sum(to, SIZE);
        tell(seconds(begin));
        if (s != sum(from, SIZE))
            return 1;
    }
    return 0;
}

/* --- connections ------------------------------------------------------------------------------------------------ */

static pid_t fork_in(int *which)
{
    pid_t child = fork();

    *which = child == 0;
    if (*which)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter(namespaces[*which]);
    return child;
}

/* n connections; side 0 listens. */
static void connect_n(int *fds, int n, int which)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int                on = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, namespaces[0] ? "10.77.0.1" : "127.0.0.1", &at.sin_addr);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (which == 0 && (bind(l, (void *)&at, sizeof at) || listen(l, 8)))
        die("listen");
    for (int i = 0; i < n; i++) {
        if (which == 0) {
            fds[i] = accept(l, NULL, NULL);
        } else {
            int tries = 0;

            fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            while (connect(fds[i], (void *)&at, sizeof at)) {
                if (++tries == 1000)
                    die("connect");
                usleep(5000);
                close(fds[i]);
                fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            }
        }
        setsockopt(fds[i], IPPROTO_TCP, 1, &on, sizeof on); /* TCP_NODELAY */
    }
    close(l);
}

/* All of it, as the peer of our carrier does: whole, or in calls of 256 KiB without ever sleeping. */
static void move(int fd, char *at, size_t n, int out, int spinning)
{
    while (n) {
        size_t  part  = spinning && n > 262144 ? 262144 : n;
        int     flags = spinning ? MSG_DONTWAIT : 0;
        ssize_t k     = out ? send(fd, at, part, flags | MSG_NOSIGNAL) : recv(fd, at, part, flags);

        if (k < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (k <= 0) {
            if (n == 1)
                exit(0); /* the other side is done */
            die("raw socket");
        }
        at += k;
        n -= (size_t)k;
    }
}

/* suited: to what our connections have, too. */
static int run_raw(int spinning, int suited)
{
    char *data, c = 0;
    int   fd, which;

    fork_in(&which);
    data = huge(SIZE);
    fill(data, SIZE, 1);
    connect_n(&fd, 1, which);
    if (suited)
        sbl_congestion_suit(fd);
    for (;;) {
        int64_t begin;

        if (which) {
            move(fd, &c, 1, 0, 0);
            move(fd, data, SIZE, 1, spinning);
            continue;
        }
        if (!next_line())
            return 0;
        begin = sbl_clock_ns();
        move(fd, &c, 1, 1, 0);
        move(fd, data, SIZE, 0, spinning);
        tell(seconds(begin));
    }
}

/* --- ours ------------------------------------------------------------------------------------------------------- */

static int               shared, fresh;
static sbl_value        *ready;
static volatile uint64_t sink; /* that sums are made */

/* PREPARE makes the value, GET gives it. */
static void bench_lookup(void *arg, sbl_request *request)
{
    side          *s    = arg;
    sbl_value_name name = sbl_request_name(request);
    void          *room;
    sbl_value     *none;

    if (name.task == GET) {
        sbl_request_answer(request, sbl_value_retain(ready));
        return;
    }
    if (!ready || shared || fresh) {
        sbl_segment *segment;

        sbl_value_release(ready);
        ready = NULL;
        if (fresh)
            sbl_plane_keep(s->plane, shared ? 1 : 0);
        if (!shared && sbl_bytes_create(&ready, &room, SIZE, NULL))
            die("no memory");
        if (shared && sbl_plane_room(&segment, &room, s->plane, SIZE, NULL))
            die("no shared memory");
        fill(room, SIZE, name.attempt);
        if (shared) {
            sbl_segment_seal(segment, room);
            sbl_bytes_wrap(&ready, segment->base, SIZE, sbl_segment_release, segment, NULL);
        }
    }
    sbl_bytes_create(&none, &room, 1, NULL);
    sbl_request_answer(request, none);
}

static sbl_value *pull(side *s, uint64_t task, uint64_t attempt)
{
    got g = {0};

    get(s, &g, task, attempt);
    while (!g.ended)
        loop_turn(&s->loop, -1);
    if (g.failed) {
        fprintf(stderr, "bench_move: %s\n", g.why.message);
        exit(1);
    }
    return g.value;
}

static int run_ours(const char *what)
{
    static side s;
    const char *tls[] = {"memfd", "ucx-shm", "ucx-tcp", "tcp"};
    int         fds[2][SBL_PAIR_FDS], which, n = !strcmp(what, "tcp-4") ? 4 : 1, i = 0;
    two_options o      = {.lookup  = bench_lookup,
                          .keep    = 512u << 20,
                          .plugin  = getenv("SABAL_TEST_PLUGIN"),
                          .encrypt = !strcmp(what, "tcp-encrypted")};
    int         summed = !strncmp(what, "memfd", 5);
    sabal_error err    = SABAL_ERROR_INIT;

    while (i < 3 && strncmp(what, tls[i], strlen(tls[i])) != 0)
        i++;
    o.tls[0] = o.tls[1] = tls[i];
    o.interface         = namespaces[0] ? NULL : "lo";
    shared              = summed && strcmp(what, "memfd-copied") != 0;
    fresh               = !strcmp(what, "memfd-first") || !strcmp(what, "memfd-copied");
    if (i < 2)
        connect_two(fds, 0);
    fork_in(&which);
    if (namespaces[0])
        o.interface = which ? "v1" : "v0";
    if (i >= 2)
        connect_n(fds[which], n, which);
    else
        close(fds[!which][0]);
    if (side_begin(&s, fds[which], n, which, &o, &err)) {
        fprintf(stderr, "bench_move: %s\n", err.message);
        return 1;
    }
    if (which) {
        while (!s.down)
            loop_turn(&s.loop, -1);
        return 0;
    }
    while (!s.up && !s.down)
        loop_turn(&s.loop, -1);
    if (s.down) {
        fprintf(stderr, "bench_move: %s\n", s.why.message);
        return 1;
    }
    for (uint64_t round = 1; next_line(); round++) {
        sbl_value *value;
        int64_t    begin;
        double     took;
        size_t     size;

        sbl_value_release(pull(&s, PREPARE, round));
        begin = sbl_clock_ns();
        value = pull(&s, GET, round);
        if (summed)
            sink += sum(sbl_value_data(value, NULL), SIZE);
        took = seconds(begin);
        sbl_value_data(value, &size);
        if (size != SIZE || !is_filled(sbl_value_data(value, NULL), SIZE, shared || fresh ? round : 1)) {
            fprintf(stderr, "bench_move: wrong bytes came\n");
            return 1;
        }
        sbl_value_release(value);
        tell(took);
    }
    return 0;
}

int main(int argc, char **argv)
{
    port = (uint16_t)(20000 + getpid() % 10000);
    if (argc == 4) {
        namespaces[0] = argv[2];
        namespaces[1] = argv[3];
    }
    if (argc < 2)
        return 2;
    if (!strcmp(argv[1], "copy"))
        return run_copy();
    if (!strncmp(argv[1], "raw-", 4))
        return run_raw(strstr(argv[1], "spinning") != NULL, strstr(argv[1], "suited") != NULL);
    return run_ours(argv[1]);
}
