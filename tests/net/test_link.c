/* Links: what is sent arrives, in order and whole, in whatever pieces, and a queue that nobody reads is bounded. */
#include "support/test.h"

#include <signal.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cluster/net/link_parts.h"
#include "net/both.h"

TestSuite(link, .init = make, .fini = end, .timeout = 60);

/* --- sending -------------------------------------------------------------------------------------------------------- */

Test(link, frames_arrive_whole_in_order_and_aligned)
{
    static uint8_t payload[4096];
    uint64_t       sum = 0, id = 0;

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 13);
    FOR_BOTH_KINDS(local)
    {
        sum = id = 0;
        connect_both(local);
        cr_expect(sbl_link_peer(a.link)->role == SBL_ROLE_SCHEDULER && sbl_link_is_local(a.link) == local);
        for (int round = 0; round < 20; round++) {
            for (size_t n = (size_t)round; n <= sizeof payload; n += 61) {
                side_say(&a, ++id, PLAIN, payload, n);
                sum += sum_of(payload, n);
            }
            TURN_UNTIL(b.last_id == id);
        }
        cr_expect(b.sum == sum && b.out_of_order == 0 && b.misaligned == 0 && sbl_link_waiting(a.link) == 0);
    }
}

static int  n_released;
static void count_release(void *arg)
{
    n_released++;
    free(arg);
}

Test(link, large_payloads_arrive_copied_borrowed_and_encrypted)
{
    static const size_t SIZES[] = {0, 1, 15, 16, 17, 300000, 262144 - 48, 262144, 5000001, 33554432};

    for (int way = 0; way < 6; way++) {
        uint64_t sum = 0, id = 0;

        a.self.encrypt = way / 2 == 2;
        n_released     = 0;
        connect_both(way % 2);
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            sbl_session_head what    = {.type = LARGE, .length = SIZES[i], .id = ++id};
            uint8_t         *payload = malloc(SIZES[i] + 1);

            for (size_t k = 0; k < SIZES[i]; k++)
                payload[k] = (uint8_t)(k * 7 + i);
            sum += sum_of(payload, SIZES[i]);
            if (way / 2 == 0) {
                cr_expect_eq(sbl_link_send(a.link, &what, payload, NULL, NULL), SABAL_OK);
                free(payload);
            } else {
                cr_expect_eq(sbl_link_send_borrowed(a.link, &what, payload, count_release, payload, NULL), SABAL_OK);
            }
            side_say(&a, ++id, PLAIN, "x", 1);
            sum += 'x';
        }
        TURN_UNTIL(b.last_id == id);
        cr_expect(b.sum == sum && b.out_of_order == 0 && b.misaligned == 0);
        cr_expect(way / 2 == 0 || n_released == (int)(sizeof SIZES / sizeof *SIZES));
        end();
        make();
    }
}

/* What crosses is looked at on its way: nothing can be read of it if it is encrypted, on TCP. */
Test(link, encryption_hides_what_is_sent_over_tcp)
{
    for (int encrypt = 0; encrypt < 2; encrypt++) {
        int     pair[2], relay[2];
        char    seen[8192] = "";
        ssize_t n          = 0;

        make_pair(pair, 0);
        make_pair(relay, 0);
        a.self.encrypt    = encrypt;
        a.options.relayed = b.options.relayed = 1;
        side_open(&a, pair[0]);
        side_open(&b, relay[0]);
        fcntl(pair[1], F_SETFL, O_NONBLOCK);
        fcntl(relay[1], F_SETFL, O_NONBLOCK);
        while (b.frames == 0) {
            char    bytes[4096];
            ssize_t got = read(pair[1], bytes, sizeof bytes);

            if (got > 0) {
                cr_assert(n + got < (ssize_t)sizeof seen && write(relay[1], bytes, (size_t)got) == got);
                memcpy(seen + n, bytes, (size_t)got);
                n += got;
            }
            got = read(relay[1], bytes, sizeof bytes);
            if (got > 0)
                cr_assert(write(pair[1], bytes, (size_t)got) == got);
            if (a.passed == 1 && a.passed++)
                side_say(&a, 1, PLAIN, "nobody may read this", 20);
            sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
        }
        cr_expect_eq(memmem(seen, (size_t)n, "nobody may read this", 20) == NULL, encrypt);
        close(pair[1]);
        close(relay[1]);
        end();
        make();
    }
}

Test(link, a_relay_that_nobody_spoke_of_is_refused)
{
    int pair[2], relay[2];

    make_pair(pair, 0);
    make_pair(relay, 0);
    side_open(&a, pair[0]);
    side_open(&b, relay[0]);
    for (int i = 0; i < 2000 && !a.ended; i++) {
        char    bytes[4096];
        ssize_t got = recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT);

        if (got > 0)
            cr_assert(write(relay[1], bytes, (size_t)got) == got);
        got = recv(relay[1], bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0)
            cr_assert(write(pair[1], bytes, (size_t)got) == got);
        sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
    }
    cr_expect(a.ended && a.why.status == SABAL_EACCES && strstr(a.why.message, "a relay lies between them"));
    close(pair[1]);
    close(relay[1]);
}

Test(link, descriptors_go_with_their_frames)
{
    int memory[3], id = 0;

    connect_both(1);
    for (int i = 0; i < 3; i++) {
        sbl_session_head what = {.type = WITH_FDS, .length = (uint64_t)(i * 2000), .n_fds = 1};
        static char      payload[4096];

        memory[i] = memfd_create("test", MFD_CLOEXEC);
        cr_assert(pwrite(memory[i], &i, sizeof i, 0) == sizeof i);
        side_say(&a, (uint64_t)++id, PLAIN, "before", 6);
        what.id = (uint64_t)++id;
        cr_assert_eq(sbl_link_send(a.link, &what, payload, &memory[i], NULL), SABAL_OK);
    }
    TURN_UNTIL(b.last_id == 6);
    cr_expect(b.came_fds == 3 && b.out_of_order == 0);
    cr_assert(pread(b.fd, &id, sizeof id, 0) == sizeof id);
    cr_expect_eq(id, 2);
}

Test(link, descriptors_are_refused_where_they_cant_go)
{
    sbl_session_head what = {.type = WITH_FDS, .n_fds = 1};
    int              fd   = 0;

    connect_both(0);
    cr_expect_eq(sbl_link_send(a.link, &what, NULL, &fd, NULL), SABAL_EINVAL);
    end();
    make();
    connect_both(1);
    what.n_fds = 9;
    cr_expect_eq(sbl_link_send(a.link, &what, NULL, &fd, NULL), SABAL_EINVAL);
    what.n_fds = 1, what.type = PLAIN;
    cr_expect_eq(sbl_link_send(a.link, &what, NULL, &fd, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_link_send_borrowed(a.link, &what, NULL, count_release, NULL, NULL), SABAL_EINVAL);
}

/* A process that may open no more files loses what it is sent: the link has to end, not hang or mix them up. */
Test(link, descriptors_that_get_lost_end_the_link)
{
    sbl_session_head what = {.type = WITH_FDS, .n_fds = 1, .id = 1};
    int              fd = memfd_create("test", MFD_CLOEXEC), more[64], n = 0;
    struct rlimit    limit, low;

    connect_both(1);
    cr_assert_eq(sbl_link_send(a.link, &what, NULL, &fd, NULL), SABAL_OK);
    sbl_evloop_turn(loop, 0); /* now it is on its way */
    cr_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low          = limit;
    low.rlim_cur = 64;
    cr_assert(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while (n < 64 && (more[n] = dup(0)) >= 0)
        n++;
    TURN_UNTIL(b.ended || b.frames);
    while (n)
        close(more[--n]);
    cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    cr_expect(b.ended && b.frames == 0 && strstr(b.why.message, "were lost on their way: too many open files"));
}

/* --- any pieces, any end ------------------------------------------------------------------------------------------------ */

/* A relay between two sockets that passes on as many bytes as it is told, and at most so many at a time. */
struct relay {
    int    from, to;
    size_t left;
};

static uint64_t draws = 1;
static size_t   draw(size_t n)
{
    draws = draws * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(draws >> 33) % n;
}

static void pass_on(struct relay *r, size_t most)
{
    uint8_t bytes[4096];
    size_t  n = most < r->left ? most : r->left;
    ssize_t got;

    n   = n < sizeof bytes ? n : sizeof bytes;
    got = n ? recv(r->from, bytes, n, MSG_DONTWAIT) : 0;
    if (got <= 0)
        return;
    cr_assert(send(r->to, bytes, (size_t)got, MSG_NOSIGNAL) == got || 1);
    r->left -= (size_t)got;
}

static void open_relayed(struct relay there[2], int local)
{
    int pair[2], other[2];

    make_pair(pair, local);
    make_pair(other, local);
    a.options.relayed = b.options.relayed = 1;
    side_open(&a, pair[0]);
    side_open(&b, other[0]);
    there[0] = (struct relay){pair[1], other[1], SIZE_MAX};
    there[1] = (struct relay){other[1], pair[1], SIZE_MAX};
}

Test(link, in_whatever_pieces_it_comes_it_arrives)
{
    static uint8_t payload[4096];

    FOR_BOTH_KINDS(local)
    {
        struct relay there[2];
        uint64_t     sum[2] = {0, 0};
        int64_t      limit  = sbl_clock_ns() + 20000000000;

        a.self.encrypt = 1;
        open_relayed(there, local);
        for (uint64_t id[2] = {0, 0}; (a.last_id < 150 || b.last_id < 150) && sbl_clock_ns() < limit;) {
            for (int k = 0; k < 2; k++) {
                side  *from = k ? &b : &a;
                size_t n    = draw(8) ? draw(100) : draw(sizeof payload);

                for (size_t i = 0; i < n; i++)
                    payload[i] = (uint8_t)draw(256);
                if (from->passed && id[k] < 150 && draw(3) == 0) {
                    side_say(from, ++id[k], PLAIN, payload, n);
                    sum[k] += sum_of(payload, n);
                }
                pass_on(&there[k], 1 + draw(draw(5) ? 70 : 4096));
            }
            sbl_evloop_turn(loop, 0);
        }
        cr_expect(a.last_id == 150 && b.last_id == 150 && !a.out_of_order && !b.out_of_order && !b.misaligned);
        cr_expect(b.sum == sum[0] && a.sum == sum[1]);
        close(there[0].from);
        close(there[0].to);
    }
}

Test(link, cut_after_any_byte_both_ends_end_once_and_no_frame_is_made_up)
{
    enum { HELLO = 64 + 160, FRAME = 64, N_FRAMES = 5 };

    for (size_t n = 0; n <= HELLO + N_FRAMES * FRAME; n++) {
        struct relay there[2];

        open_relayed(there, n % 2);
        there[0].left = n;
        for (int said = 0, i = 0; i < 12; i++) {
            for (; a.passed && said < N_FRAMES; said++)
                side_say(&a, (uint64_t)said + 1, PLAIN, "payload", 7);
            pass_on(&there[0], SIZE_MAX);
            pass_on(&there[1], SIZE_MAX);
            sbl_evloop_turn(loop, 0);
        }
        cr_expect(there[0].left == 0 && b.passed == (n >= HELLO));
        close(there[0].from);
        close(there[0].to);
        TURN_UNTIL(a.ended && b.ended);
        cr_expect(a.ended == 1 && b.ended == 1 && b.frames == (n > HELLO ? ((int64_t)n - HELLO) / FRAME : 0));
        cr_expect(a.why.status == SABAL_EPEER || a.why.status == SABAL_EACCES);
        end();
        make();
    }
}

Test(link, a_peer_that_falls_silent_on_tcp_is_given_ten_seconds)
{
    int       timeout = 0, nodelay = 0, keepalive = 0;
    socklen_t size = sizeof timeout;

    connect_both(0);
    cr_assert(getsockopt(a.link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size) == 0);
    cr_assert(getsockopt(b.link->fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size) == 0);
    cr_assert(getsockopt(b.link->fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &size) == 0);
    cr_expect(timeout == 10000 && nodelay && keepalive);
}

/* --- back-pressure -------------------------------------------------------------------------------------------------- */

Test(link, for_a_peer_that_stops_reading_a_bounded_queue_waits_and_then_drains)
{
    static const uint8_t PAYLOAD[4000];

    FOR_BOTH_KINDS(local)
    {
        sabal_error err = SABAL_ERROR_INIT;
        uint64_t    id  = 0;
        int         drained;

        a.options.low  = 100000;
        a.options.most = 1000000;
        connect_both(local);
        sbl_link_pause(b.link, 1);
        for (;;) {
            sbl_session_head what = {.type = PLAIN, .length = sizeof PAYLOAD, .id = id + 1};
            sabal_status     st   = sbl_link_send(a.link, &what, PAYLOAD, NULL, &err);

            cr_assert(sbl_link_waiting(a.link) <= 1000000);
            if (st)
                break;
            id++;
            sbl_evloop_turn(loop, 0);
            cr_assert_lt(id, 100000);
        }
        cr_expect_eq(err.status, SABAL_ENOSPC);
        cr_expect(strstr(err.message, "does not read"));
        cr_expect_eq(b.frames, 0);
        drained = a.drained; /* once or more: sockets grow */
        sbl_link_pause(b.link, 0);
        TURN_UNTIL(b.last_id == id);
        cr_expect(a.drained == drained + 1 && sbl_link_waiting(a.link) == 0 && b.out_of_order == 0);
    }
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

Test(link, every_failed_allocation_ends_or_refuses_and_leaks_nothing)
{
    static uint8_t large[400000];
    int            n = 0, done = 0;

    for (n = 1; !done && n < 200; n++) {
        int pair[2], opened;

        make_pair(pair, 1);
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
        fcntl(pair[1], F_SETFL, O_NONBLOCK);
        sbl_alloc_fail(n, 0);
        opened = sbl_link_open(&a.link, loop, pair[0], &a.options, NULL) == SABAL_OK;
        opened += sbl_link_open(&b.link, loop, pair[1], &b.options, NULL) == SABAL_OK;
        for (int i = 0; i < 200 && !(a.passed && b.passed) && opened == 2 && !a.ended && !b.ended; i++)
            sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
        if (a.passed && b.passed) {
            sbl_session_head what = {.type = LARGE, .length = sizeof large, .id = 1};
            sbl_session_head more = {.type = WITH_FDS, .length = 1, .id = 2, .n_fds = 1};
            int              fd   = memfd_create("test", MFD_CLOEXEC), sent;

            n_released = 0;
            sent       = sbl_link_send_borrowed(a.link, &what, large, count_release, NULL, NULL) == SABAL_OK;
            if (sbl_link_send(a.link, &more, "x", &fd, NULL) == SABAL_OK)
                sent++;
            else
                close(fd);
            for (int i = 0; i < 200 && b.frames < sent && !b.ended; i++)
                sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
            done = b.frames == 2 && sbl_alloc_fail(0, 0) < n;
        }
        sbl_alloc_fail(0, 0);
        end();
        make();
    }
    cr_expect(n > 5 && done);
}
