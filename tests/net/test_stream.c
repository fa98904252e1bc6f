/* What comes over a connection is not believed: heads, tags, bodies, answers, in pieces of any size. */
#include "support/test.h"

#include "cluster/net/announce.h"
#include "cluster/net/seal.h"
#include "net/two.h"

static uint8_t send_key[32], receive_key[32];

static void keys(void)
{
    cr_assert(sodium_init() >= 0);
    memset(send_key, 22, 32); /* of side 0, as two.h has them */
    memset(receive_key, 11, 32);
}

/* The bytes of a frame as the other side would send it. */
__attribute__((noinline)) static size_t frame(uint8_t *to, sbl_seal *seal, sbl_packet p, const void *body)
{
    struct iovec run = {(void *)(uintptr_t)body, p.size};

    if (!p.sum)
        p.sum = sbl_packet_sum(&run, p.size != 0);
    memset(to, 0, 80);
    sbl_packet_encode(to, &p);
    sbl_seal_tag(to + 64, seal, to, 64);
    seal->number++;
    if (p.size && body)
        memcpy(to + 80, body, p.size);
    return 80 + p.size;
}

static size_t hello(uint8_t *to, sbl_seal *seal)
{
    uint32_t numbers[6] = {1, ~0u, SBL_CARRIER_BIT(SBL_CARRIER_MEMFD), 1, 0, 0};
    uint8_t  body[72]   = {0};

    memcpy(body, numbers, sizeof numbers);
    return frame(to, seal, (sbl_packet){.type = SBL_PACKET_HELLO, .size = sizeof body}, body);
}

static side     here;
static int      wire;
static sbl_seal theirs;

static void begin(void)
{
    int         sv[2];
    two_options o = {.tls = {"memfd", NULL}};

    keys();
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
    wire = sv[1];
    cr_assert_eq(side_begin(&here, sv, 1, 0, &o, NULL), SABAL_OK);
    sbl_seal_begin(&theirs, receive_key, 0);
}

static void end(void)
{
    side_end(&here);
    close(wire);
}

static void put(const void *bytes, size_t n)
{
    cr_assert_eq(send(wire, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
    loop_for(&here.loop, 10);
}

static void put_hello(void)
{
    uint8_t bytes[400];

    put(bytes, hello(bytes, &theirs));
    cr_assert(here.up);
}

static void expect_down(const char *what)
{
    cr_assert(loop_until(&here.loop, &here.down, 1, 5));
    cr_expect_eq(here.why.status, SABAL_EPEER);
    cr_expect(strstr(here.why.message, what) != NULL);
    if (!strstr(here.why.message, what))
        fprintf(stderr, "not '%s': %s\n", what, here.why.message);
}

Test(stream, bytes_at_random_are_refused)
{
    uint8_t bytes[4096];

    begin();
    randombytes_buf(bytes, sizeof bytes);
    put(bytes, sizeof bytes);
    expect_down("without the right tag");
    end();
}

Test(stream, a_frame_may_come_byte_by_byte)
{
    uint8_t bytes[400];
    size_t  n;

    begin();
    n = hello(bytes, &theirs);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(send(wire, bytes + i, 1, 0), 1);
        loop_turn(&here.loop, 5);
    }
    loop_for(&here.loop, 5);
    cr_expect(here.up);
    end();
}

Test(stream, a_frame_that_is_replayed_is_refused)
{
    uint8_t bytes[400];
    size_t  n;

    begin();
    put_hello();
    n = frame(bytes, &theirs, (sbl_packet){.type = SBL_PACKET_DROP, .id = 5}, NULL);
    put(bytes, n);
    cr_expect(!here.down);
    put(bytes, n);
    expect_down("without the right tag");
    end();
}

Test(stream, another_key_is_refused)
{
    uint8_t bytes[400];

    begin();
    sbl_seal_begin(&theirs, send_key, 0); /* what this side sends, reflected */
    put(bytes, hello(bytes, &theirs));
    expect_down("without the right tag");
    end();
}

Test(stream, what_breaks_the_rules_ends_the_pair)
{
    static const struct {
        sbl_packet  packet;
        const char *says;
    } CASES[] = {
        {{.type = 77}, "type 77"},
        {{.type = SBL_PACKET_ASK, .size = 400}, "400 bytes"},
        {{.type = SBL_PACKET_GIVE, .size = 300u << 20}, "frame of type"},
        {{.type = SBL_PACKET_HELLO, .size = 10}, "twice who it is"},
        {{.type = SBL_PACKET_ASK}, "asked for nothing"},
        {{.type = SBL_PACKET_READY}, "ready for what was not chosen"},
        {{.type = SBL_PACKET_RELEASED, .id = 3}, "did not have"},
        {{.type = SBL_PACKET_CREDIT, .id = 1}, "credit"},
        {{.type = SBL_PACKET_CREDIT, .id = ~UINT64_C(0), .offset = ~UINT64_C(0)}, "credit"},
        {{.type = SBL_PACKET_DATA, .id = 9, .size = 100}, "data where none"},
        {{.type = SBL_PACKET_DATA, .id = 0}, "data where none"},
        {{.type = SBL_PACKET_DATA, .id = 1, .size = SBL_PACKET_CHUNK + 1}, "data where none"},
        {{.type = SBL_PACKET_GIVE, .id = 1, .size = 40}, "can't be read"},
        {{.type = SBL_PACKET_DROP, .flags = SBL_PACKET_SEALED}, ""},
        {{.type = SBL_PACKET_ASK, .size = 24, .flags = SBL_PACKET_SEALED}, "encrypted"},
        {{.type = SBL_PACKET_ASK, .size = 24, .sum = 1}, "asked for nothing"},
    };
    static const uint8_t BODY[500];

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint8_t    bytes[800];
        sbl_packet p = CASES[i].packet;

        begin();
        put_hello();
        if (p.size > sizeof BODY) { /* the head tells enough */
            p.size = 0;
            frame(bytes, &(sbl_seal){0}, p, NULL);
            p = CASES[i].packet;
            sbl_packet_encode(bytes, &p);
            sbl_seal_tag(bytes + 64, &theirs, bytes, 64);
            put(bytes, 80);
        } else {
            put(bytes, frame(bytes, &theirs, p, BODY));
        }
        if (CASES[i].says[0])
            expect_down(CASES[i].says);
        end();
    }
}

Test(stream, no_hello_first_ends_the_pair)
{
    uint8_t bytes[400], body[24] = {0};

    begin();
    put(bytes, frame(bytes, &theirs, (sbl_packet){.type = SBL_PACKET_ASK, .size = 24}, body));
    expect_down("who it is");
    cr_expect_eq(here.lookups, 0);
    end();
}

/* Every cut of a GIVE, and every byte of it changed, is told or taken, and nothing worse. */
Test(stream, answers_are_not_believed)
{
    static uint64_t words[64];
    sbl_value      *value;
    sbl_encoded     e;
    sbl_announce    a = {.has_data = 1}, back;
    uint8_t         body[2000];
    size_t          n;
    void           *room;

    sbl_bytes_create(&value, &room, sizeof words, NULL);
    memcpy(room, words, sizeof words);
    sbl_value_encode(&e, value, NULL);
    a.n_pieces = e.n_pieces - 1;
    a.total    = sizeof words;
    a.head     = e.pieces[0];
    n          = sbl_announce_size(&a);
    sbl_announce_put(body, &a, e.pieces + 1);
    cr_expect(sbl_announce_get(&back, body, n));
    cr_expect_eq(sbl_announce_piece(&back, 0), sizeof words);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1); /* that a sanitizer sees the end */

        memcpy(exact, body, cut);
        cr_expect(!sbl_announce_get(&back, exact, cut));
        free(exact);
    }
    for (size_t i = 0; i < 48; i++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t *exact = malloc(n);

            memcpy(exact, body, n);
            exact[i] ^= (uint8_t)(1 << bit);
            if (sbl_announce_get(&back, exact, n)) {
                cr_expect(back.head.size <= n);
                cr_expect(!back.has_data || back.total <= n);
            }
            free(exact);
        }
    sbl_encoded_clear(&e);
    sbl_value_release(value);
}

/* A value of SIZE bytes, announced for the pull of this number. */
static size_t give(uint8_t *to, uint64_t id, size_t size)
{
    static uint8_t bytes[200000], body[1000];
    sbl_value     *value;
    sbl_encoded    e;
    sbl_announce   a = {.total = size, .n_pieces = 1};
    size_t         n;

    sbl_bytes_wrap(&value, bytes, size, sbl_release_nothing, NULL, NULL);
    sbl_value_encode(&e, value, NULL);
    a.head = e.pieces[0];
    sbl_announce_put(body, &a, e.pieces + 1);
    n = frame(to, &theirs, (sbl_packet){.type = SBL_PACKET_GIVE, .id = id, .size = (uint32_t)sbl_announce_size(&a)},
              body);
    sbl_encoded_clear(&e);
    sbl_value_release(value);
    return n;
}

Test(stream, a_pull_that_is_cancelled_in_the_middle_of_a_frame_is_written_no_more)
{
    static uint8_t bytes[200080], data[200000];
    got            g = {0};
    size_t         n;

    begin();
    put_hello();
    get(&here, &g, V_BYTES, sizeof data);
    put(bytes, give(bytes, 1, sizeof data));
    cr_assert_eq(g.announced, 1);
    n = frame(bytes, &theirs, (sbl_packet){.type = SBL_PACKET_DATA, .id = 1, .size = sizeof data}, data);
    put(bytes, 100000);
    sbl_pull_cancel(g.pull);
    put(bytes + 100000, n - 100000);
    cr_expect(!here.down);
    cr_expect_eq(g.ended, 0);
    get(&here, &g, V_BYTES, sizeof data); /* and the pair goes on */
    put(bytes, give(bytes, 2, sizeof data));
    fill(data, sizeof data, sizeof data);
    n = frame(bytes, &theirs, (sbl_packet){.type = SBL_PACKET_DATA, .id = 2, .size = sizeof data}, data);
    put(bytes, 100000);
    put(bytes + 100000, n - 100000);
    cr_assert(g.done);
    cr_expect(is_right(g.value, g.name));
    sbl_value_release(g.value);
    end();
}

Test(stream, a_packet_survives_and_a_damaged_one_does_not)
{
    sbl_packet p = {.type = SBL_PACKET_DATA, .flags = 3, .size = 77, .id = 1u << 31, .offset = ~UINT64_C(5), .sum = 9},
               q;
    uint8_t head[SBL_PACKET_HEAD];

    sbl_packet_encode(head, &p);
    cr_expect_eq(sbl_packet_decode(&q, head, NULL), SABAL_OK);
    cr_expect(q.type == p.type && q.flags == p.flags && q.size == p.size && q.id == p.id && q.offset == p.offset &&
              q.sum == p.sum);
    for (int i = 0; i < SBL_PACKET_HEAD; i++) {
        head[i] ^= 4;
        cr_expect_eq(sbl_packet_decode(&q, head, NULL), SABAL_EFORMAT);
        head[i] ^= 4;
    }
}

Test(stream, seals_hold)
{
    sbl_seal a, b;
    uint8_t  mac[16], text[1000], shut[1000];

    keys();
    for (int aes = 0; aes <= sbl_seal_has_aes(); aes++) {
        sbl_seal_begin(&a, send_key, 2);
        sbl_seal_begin(&b, send_key, 2);
        fill(text, sizeof text, 5);
        sbl_seal_close(shut, mac, &a, aes, text, sizeof text);
        cr_expect(memcmp(shut, text, sizeof text) != 0);
        cr_expect(sbl_seal_open(shut, mac, &b, aes, sizeof shut));
        cr_expect_arr_eq(shut, text, sizeof text);
        sbl_seal_close(shut, mac, &a, aes, text, sizeof text);
        shut[500] ^= 1;
        cr_expect(!sbl_seal_open(shut, mac, &b, aes, sizeof shut));
        shut[500] ^= 1;
        b.number++; /* another frame's */
        cr_expect(!sbl_seal_open(shut, mac, &b, aes, sizeof shut));
        sbl_seal_begin(&b, send_key, 1); /* another connection's */
        cr_expect(!sbl_seal_open(shut, mac, &b, aes, sizeof shut));
    }
}

Test(stream, encryption_hides_what_it_carries)
{
    two_options o = {.tls = {"tcp", "tcp"}, .tcp = 1, .encrypt = 1};
    pid_t       child;
    got         g = {0};

    child = two_begin(&here, &o);
    get(&here, &g, V_BYTES, 3 * SBL_PACKET_CHUNK);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 20));
    cr_expect(g.done && is_right(g.value, g.name));
    sbl_value_release(g.value);
    cr_expect_eq(two_end(&here, child), 0);
}

Test(stream, keys_that_differ_don_t_meet)
{
    two_options o = {.tls = {"tcp", "tcp"}, .tcp = 1, .wrong_key = 1};
    pid_t       child;

    child = two_begin(&here, &o);
    cr_assert(loop_until(&here.loop, &here.down, 1, 10));
    cr_expect_eq(here.up, 0);
    two_end(&here, child);
}
