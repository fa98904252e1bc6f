/* Links: what is sent arrives, in order and whole; what breaks the rules, or dies, ends the link with a reason, once. */
#include "support/test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "net/sides.h"

static side a, b; /* a connects */
static int  fds_before;

static void make(void)
{
    fds_before = count_fds();
    cr_assert(sbl_evloop_create(&loop, 0, NULL) == SABAL_OK);
    side_init(&a, SBL_ROLE_WORKER, 1);
    side_init(&b, SBL_ROLE_SCHEDULER, 0);
}

static void end(void)
{
    if (a.link)
        sbl_link_close(a.link, 0);
    if (b.link)
        sbl_link_close(b.link, 0);
    TURN_UNTIL(!a.link && !b.link);
    sbl_evloop_destroy(loop);
    if (a.fd >= 0)
        close(a.fd);
    if (b.fd >= 0)
        close(b.fd);
    cr_expect_eq(count_fds(), fds_before);
}

TestSuite(link, .init = make, .fini = end, .timeout = 60);

static void open_both(int local)
{
    int pair[2];

    make_pair(pair, local);
    side_open(&a, pair[0]);
    side_open(&b, pair[1]);
}

static void connect_both(int local)
{
    open_both(local);
    TURN_UNTIL(a.passed && b.passed);
}

/* For both kinds of socket, one after the other. */
#define FOR_BOTH_KINDS(local) for (int local = 0; local < 2; (void)(local++ || (end(), make(), 0)))

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
    cr_expect(b.ended && b.frames == 0 && strstr(b.why.message, "open files"));
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

/* --- ends ----------------------------------------------------------------------------------------------------------- */

Test(link, closed_it_sends_what_waits_and_the_peer_sees_all_of_it)
{
    static uint8_t large[8 << 20];

    FOR_BOTH_KINDS(local)
    {
        connect_both(local);
        side_say(&b, 1, PLAIN, "unread", 6); /* what is not read by who closes must not destroy what it sent */
        side_say(&a, 1, LARGE, large, sizeof large);
        side_say(&a, 2, PLAIN, "last", 4);
        sbl_link_close(a.link, 10000000000);
        cr_expect_eq(sbl_link_send(a.link, &(sbl_session_head){.type = PLAIN}, NULL, NULL, NULL), SABAL_EPEER);
        TURN_UNTIL(a.ended && b.ended);
        cr_expect(b.last_id == 2 && b.bytes == (int64_t)sizeof large + 4 && a.frames == 0);
        cr_expect(a.why.status == SABAL_OK && b.why.status == SABAL_EPEER);
        cr_expect(strstr(b.why.message, "the worker at ") && strstr(b.why.message, "it closed the connection"));
        cr_expect(a.ended == 1 && b.ended == 1);
    }
}

Test(link, closed_towards_a_peer_that_does_not_read_it_ends_at_its_limit)
{
    static uint8_t large[32 << 20];
    int64_t        began;

    FOR_BOTH_KINDS(local)
    {
        connect_both(local);
        sbl_link_pause(b.link, 1);
        side_say(&a, 1, LARGE, large, sizeof large);
        began = sbl_clock_ns();
        sbl_link_close(a.link, 200000000);
        TURN_UNTIL(a.ended);
        cr_expect(sbl_clock_ns() - began >= 200000000 && a.why.status == SABAL_ETIMEDOUT);
        cr_expect(strstr(a.why.message, "bytes could not be sent within 0.2 s"));
        TURN_UNTIL(b.ended); /* also while it is paused: a peer that dies is noticed */
    }
}

Test(link, a_borrowed_payload_is_released_when_the_link_dies)
{
    static uint8_t   large[32 << 20];
    sbl_session_head what = {.type = LARGE, .length = sizeof large};

    n_released = 0;
    connect_both(1);
    sbl_link_pause(b.link, 1);
    cr_expect_eq(sbl_link_send_borrowed(a.link, &what, large, count_release, NULL, NULL), SABAL_OK);
    sbl_evloop_turn(loop, 0);
    cr_expect_eq(n_released, 0);
    sbl_link_close(b.link, 0);
    TURN_UNTIL(a.ended && b.ended);
    cr_expect_eq(n_released, 1);
}

/* A process that knows the secret, says what it is told to, and dies. */
static pid_t start_peer(int fd, void (*act)(void))
{
    pid_t child = fork();

    if (child == 0) {
        sbl_evloop_create(&loop, 0, NULL);
        side_open(&a, fd);
        while (!a.passed && !a.ended)
            sbl_evloop_turn(loop, INT64_MAX);
        act();
        _exit(0);
    }
    close(fd);
    return child;
}

static void die_in_mid_frame(void)
{
    static uint8_t large[8 << 20];

    side_say(&a, 1, PLAIN, "alive", 5);
    side_say(&a, 2, LARGE, large, sizeof large);
    sbl_evloop_turn(loop, 0); /* as much as the socket takes */
    kill(getpid(), SIGKILL);
}

static void die_idle(void)
{
    kill(getpid(), SIGKILL);
}

Test(link, a_peer_that_dies_is_noticed_at_once)
{
    FOR_BOTH_KINDS(local)
    {
        int   pair[2], status;
        pid_t child;

        make_pair(pair, local);
        child = start_peer(pair[0], die_idle);
        side_open(&b, pair[1]);
        TURN_UNTIL(b.passed);
        TURN_UNTIL(b.ended);
        waitpid(child, &status, 0);
        cr_expect(b.why.status == SABAL_EPEER && b.ended == 1 && strstr(b.why.message, "the worker at"));
    }
}

Test(link, death_in_mid_frame_is_told_as_such)
{
    FOR_BOTH_KINDS(local)
    {
        int   pair[2], status;
        pid_t child;

        make_pair(pair, local);
        child = start_peer(pair[0], die_in_mid_frame);
        side_open(&b, pair[1]);
        TURN_UNTIL(b.ended);
        waitpid(child, &status, 0);
        cr_expect(b.frames == 1 && b.ended == 1 && b.why.status == SABAL_EPEER);
        cr_expect(strstr(b.why.message, "in the middle of a frame") || strstr(b.why.message, "reset"));
    }
}

/* --- what breaks the rules ------------------------------------------------------------------------------------------ */

/* Passes by hand at one end of a socket, and keeps the session. */
static int pass_by_hand(int pair[2], sbl_session *session)
{
    static uint8_t   nonce[SBL_NONCE_BYTES];
    sbl_hello        hello;
    sbl_session_keys keys;

    nonce[0]++;
    side_open(&b, pair[1]);
    sbl_hello_start(&hello, &a.self, 1, 0, key_of_side, &a, nonce, NULL, NULL);
    for (int i = 0; i < 2000 && hello.state == SBL_HELLO_GOING; i++) {
        uint8_t     bytes[512];
        size_t      n;
        const void *said = sbl_hello_output(&hello, &n);
        ssize_t     got;

        if (n)
            cr_assert(write(pair[0], said, n) == (ssize_t)n);
        sbl_hello_sent(&hello, n);
        sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
        got = recv(pair[0], bytes, sbl_hello_wants(&hello), MSG_DONTWAIT);
        if (got > 0)
            sbl_hello_take(&hello, bytes, (size_t)got);
    }
    if (hello.state != SBL_HELLO_PASSED)
        return 0;
    sbl_hello_keys(&keys, &hello);
    sbl_session_start(session, &keys, LIMITS);
    return 1;
}

static void expect_broken(const void *bytes, size_t n, const char *word, int pair[2])
{
    cr_assert(write(pair[0], bytes, n) == (ssize_t)n);
    shutdown(pair[0], SHUT_WR);
    TURN_UNTIL(b.ended);
    cr_expect(b.ended == 1 && b.frames == 0 && b.why.status == SABAL_EPEER && strstr(b.why.message, word));
    close(pair[0]);
}

Test(link, a_frame_that_is_cut_changed_or_too_large_ends_it)
{
    static const struct {
        size_t      at, n;
        const char *word;
    } CASES[] = {{0, 0, "no frame"},
                 {3, 0, "tag of a frame"},
                 {4, 0, "there are 3 types"},
                 {9, 0, "at most 4096"},
                 {16, 0, "out of sequence"},
                 {33, 0, "tag of a frame"},
                 {44, 0, "tag of a frame"},
                 {50, 0, "tag of a frame"},
                 {99, 1, "middle of a frame"},
                 {99, 31, "middle of a frame"},
                 {99, 32, "middle of a frame"},
                 {99, 63, "middle of a frame"}};

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        _Alignas(64) sbl_session session;
        uint8_t                  frame[64] = {0};
        sbl_session_head         what      = {.length = 10};
        int                      pair[2];

        make_pair(pair, (int)i % 2);
        cr_assert(pass_by_hand(pair, &session));
        sbl_session_seal(&session, frame, frame + 48, NULL, &what, frame + 32);
        if (CASES[i].at < sizeof frame)
            frame[CASES[i].at] ^= 0x40;
        expect_broken(frame, CASES[i].n ? CASES[i].n : sizeof frame, CASES[i].word, pair);
        end();
        make();
    }
}

Test(link, descriptors_that_belong_to_no_frame_end_it)
{
    _Alignas(64) sbl_session session;
    uint8_t                  frame[48];
    sbl_session_head         what = {.length = 0, .id = 1};
    struct iovec             iov  = {frame, sizeof frame};
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int))];
    } control       = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    int pair[2];

    make_pair(pair, 1);
    cr_assert(pass_by_hand(pair, &session));
    sbl_session_seal(&session, frame, frame + 32, NULL, &what, NULL);
    cr_assert(sendmsg(pair[0], &m, 0) == sizeof frame); /* fd 0 goes along */
    TURN_UNTIL(b.ended);
    cr_expect(b.frames == 1 && strstr(b.why.message, "belong to no frame"));
    close(pair[0]);
}

Test(link, a_head_that_lies_about_its_length_allocates_nothing)
{
    _Alignas(64) sbl_session session;
    uint8_t                  head[32], tag[16];
    sbl_session_head         what = {.type = LARGE, .length = (64 << 20) + 1};
    int                      pair[2];

    make_pair(pair, 0);
    cr_assert(pass_by_hand(pair, &session));
    memset(head, 0, sizeof head);
    sbl_session_seal(&session, head, tag, NULL, &(sbl_session_head){.type = LARGE}, NULL);
    memcpy(head + 8, &what.length, 8);
    sbl_alloc_fail(1000000, 0);
    cr_assert(write(pair[0], head, sizeof head) == sizeof head);
    TURN_UNTIL(b.ended);
    cr_expect_eq(sbl_alloc_fail(0, 0), 0);
    cr_expect(strstr(b.why.message, "at most 67108864"));
    close(pair[0]);
}

/* --- the handshake over sockets ------------------------------------------------------------------------------------- */

Test(link, a_stranger_is_told_nothing_and_a_refused_peer_why)
{
    FOR_BOTH_KINDS(local)
    {
        a.secret = (const uint8_t *)"another secret, which is as long";
        open_both(local);
        TURN_UNTIL(a.ended && b.ended);
        cr_expect(a.why.status == SABAL_EACCES && strstr(a.why.message, "without a word"));
        cr_expect(b.why.status == SABAL_EACCES && strstr(b.why.message, "it does not know the key"));
        cr_expect(!a.passed && !b.passed);
        end();
        make();
        a.self.cluster[0] = 'x';
        open_both(local);
        TURN_UNTIL(a.ended && b.ended);
        cr_expect(a.why.status == SABAL_EACCES && strstr(a.why.message, "each start of a scheduler is another"));
        cr_expect(b.why.status == SABAL_EACCES && strstr(b.why.message, "each start of a scheduler is another"));
        cr_expect(!a.passed && !b.passed);
    }
}

Test(link, silence_and_half_a_handshake_end_at_the_limit)
{
    for (size_t n = 0; n < 224; n += 40) {
        int     pair[2];
        int64_t began      = sbl_clock_ns();
        uint8_t bytes[224] = "SABALNET\1";

        make_pair(pair, n % 80 == 0);
        b.options.handshake_ns = 100000000;
        side_open(&b, pair[1]);
        cr_assert(write(pair[0], bytes, n < 64 ? n : 63) >= 0);
        TURN_UNTIL(b.ended);
        cr_expect(b.why.status == SABAL_ETIMEDOUT && sbl_clock_ns() - began >= 100000000);
        cr_expect(strstr(b.why.message, "not finished within 0.1 s"));
        close(pair[0]);
        end();
        make();
    }
}

Test(link, of_a_stranger_at_most_512_bytes_are_read)
{
    static uint8_t noise[4096] = "SABALNET\1";
    int            pair[2];
    ssize_t        left = 0, n;

    make_pair(pair, 1);
    cr_assert(write(pair[0], noise, sizeof noise) == sizeof noise);
    b.options.handshake_ns = 100000000;
    n                      = dup(pair[1]);
    side_open(&b, pair[1]);
    TURN_UNTIL(b.ended);
    for (ssize_t got; (got = recv((int)n, noise, sizeof noise, MSG_DONTWAIT)) > 0;)
        left += got;
    cr_expect_geq(left, 4096 - 512);
    close((int)n);
    close(pair[0]);
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
