/* Links: what breaks the rules, or dies, ends the link with a reason, once. */
#include "support/test.h"

#include <signal.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cluster/net/link_parts.h"
#include "net/both.h"

TestSuite(link_ends, .init = make, .fini = end, .timeout = 60);

static int  n_released;
static void count_release(void *arg)
{
    n_released++;
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

static void echo(side *s, const sbl_received *frame)
{
    if (s->link)
        side_say(s, (uint64_t)s->frames, PLAIN, frame->payload, 100);
}

/* What the peer says meanwhile must not make the system throw away what is on its way to it. */
Test(link_ends, closed_it_sends_what_waits_and_the_peer_sees_all_of_it)
{
    static uint8_t payload[4000];
    enum { N = 2000 };

    FOR_BOTH_KINDS(local)
    {
        b.on_frame = echo;
        connect_both(local);
        sbl_link_pause(b.link, 1); /* so that both sockets are full */
        for (uint64_t id = 1; id <= N; id++)
            side_say(&a, id, PLAIN, payload, sizeof payload);
        sbl_link_close(a.link, 10000000000);
        cr_expect_eq(sbl_link_send(a.link, &(sbl_session_head){.type = PLAIN}, NULL, NULL, NULL), SABAL_EPEER);
        for (int i = 0; i < 20; i++)
            sbl_evloop_turn(loop, sbl_clock_ns() + 1000000);
        sbl_link_pause(b.link, 0);
        TURN_UNTIL(a.ended && b.ended);
        cr_expect(b.last_id == N && b.bytes == (int64_t)N * (int64_t)sizeof payload && a.frames == 0);
        cr_expect(a.why.status == SABAL_OK && b.why.status == SABAL_EPEER);
        cr_expect(strstr(b.why.message, "the worker at ") && strstr(b.why.message, "it closed the connection"));
        cr_expect(a.ended == 1 && b.ended == 1);
    }
}

Test(link_ends, closed_towards_a_peer_that_does_not_read_it_ends_at_its_limit)
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

Test(link_ends, a_borrowed_payload_is_released_when_the_link_dies)
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
    static uint8_t large[32 << 20];

    side_say(&a, 1, PLAIN, "alive", 5);
    side_say(&a, 2, LARGE, large, sizeof large);
    sbl_evloop_turn(loop, 0); /* a part of it: a turn sends at most 8 MiB */
    kill(getpid(), SIGKILL);
}

static void die_idle(void)
{
    kill(getpid(), SIGKILL);
}

Test(link_ends, a_peer_that_dies_is_noticed_at_once)
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

Test(link_ends, death_in_mid_frame_is_told_as_such)
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

/* --- sockets that are given away -------------------------------------------------------------------------------------- */

struct parted {
    int              n, fd;
    sbl_session_keys keys;
};

static void keep_parted(void *arg, int fd, const sbl_session_keys *keys)
{
    struct parted *p = arg;

    p->n++;
    p->fd = fd;
    if (keys)
        p->keys = *keys;
}

static struct parted parted[2];

static void part_at_once(void *arg, sbl_link *link)
{
    struct parted *p = &parted[arg == &b];

    ((side *)arg)->link = NULL;
    sbl_link_part(link, keep_parted, p);
}

static const sbl_link_calls PARTING = {part_at_once, side_received, NULL, side_ended};

Test(link_ends, a_socket_is_given_away_behind_the_handshake_with_its_keys)
{
    FOR_BOTH_KINDS(local)
    {
        char byte = 0;

        memset(parted, 0, sizeof parted);
        a.options.calls = b.options.calls = &PARTING;
        open_both(local);
        TURN_UNTIL(parted[0].n && parted[1].n);
        cr_expect(parted[0].n == 1 && parted[1].n == 1 && !a.ended && !b.ended);
        cr_expect(!memcmp(parted[0].keys.send, parted[1].keys.receive, SBL_KEY_BYTES));
        cr_expect(!memcmp(parted[0].keys.receive, parted[1].keys.send, SBL_KEY_BYTES));
        cr_assert(write(parted[0].fd, "x", 1) == 1); /* nothing of the handshake is left in the way */
        cr_expect(recv(parted[1].fd, &byte, 1, 0) == 1 && byte == 'x');
        cr_assert(write(parted[1].fd, "y", 1) == 1);
        cr_expect(recv(parted[0].fd, &byte, 1, 0) == 1 && byte == 'y');
        close(parted[0].fd);
        close(parted[1].fd);
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

Test(link_ends, a_frame_that_is_cut_changed_or_too_large_ends_it)
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

Test(link_ends, descriptors_that_belong_to_no_frame_end_it)
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

Test(link_ends, a_frame_without_the_descriptors_it_tells_of_ends_it)
{
    _Alignas(64) sbl_session session;
    uint8_t                  frame[48];
    sbl_session_head         what = {.type = WITH_FDS, .n_fds = 1};
    int                      pair[2];

    make_pair(pair, 1);
    cr_assert(pass_by_hand(pair, &session));
    sbl_session_seal(&session, frame, frame + 32, NULL, &what, NULL);
    expect_broken(frame, sizeof frame, "came with 0 descriptors, not 1", pair);
}

Test(link_ends, a_head_that_lies_about_its_length_allocates_nothing)
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

Test(link_ends, a_stranger_is_told_nothing_and_a_refused_peer_why)
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

Test(link_ends, silence_and_half_a_handshake_end_at_the_limit)
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

Test(link_ends, of_a_stranger_at_most_512_bytes_are_read)
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
