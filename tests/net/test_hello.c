/* The handshake: who knows the key passes, each that doesn't fit is told why, and all others learn nothing. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/net/hello.h"

TestSuite(hello);

static const uint8_t SECRET[SBL_KEY_BYTES] = "the secret of this very cluster", OTHER[SBL_KEY_BYTES] = "another";
static const uint8_t TICKET[SBL_KEY_BYTES] = "the key of ticket 7";

/* A side knows the cluster's secret and ticket 7, or only what is left. */
struct side {
    sbl_hello          hello;
    sbl_hello_self     self;
    const uint8_t     *secret, *ticket;
    uint64_t           number;
    uint8_t            nonce[SBL_NONCE_BYTES];
    uint8_t            said[SBL_WITNESS_BYTES]; /* all that it sent */
    size_t             n_said;
    const sbl_address *local, *remote;
};

static const uint8_t *key_of(void *arg, uint64_t ticket)
{
    struct side *s = arg;

    return ticket == 0 ? s->secret : ticket == 7 ? s->ticket : NULL;
}

static struct side make(sbl_role role, int expects, uint8_t nonce)
{
    struct side s = {.self   = {.role = role, .expects = expects, .cluster = "cluster 12345678", .ucx = "1.13.1"},
                     .secret = SECRET,
                     .ticket = TICKET};

    memset(s.nonce, nonce, sizeof s.nonce);
    return s;
}

static struct side worker(void)
{
    return make(SBL_ROLE_WORKER, 1 << SBL_ROLE_SCHEDULER, 1);
}

static struct side scheduler(void)
{
    return make(SBL_ROLE_SCHEDULER, 1 << SBL_ROLE_WORKER | 1 << SBL_ROLE_CLIENT, 2);
}

static void begin(struct side *s, int initiator)
{
    sbl_hello_start(&s->hello, &s->self, initiator, s->number, key_of, s, s->nonce, s->local, s->remote);
    s->n_said = 0;
}

/* Carries what one has to say to the other, at most so many bytes at a time. Returns how many. */
static size_t carry(struct side *from, struct side *to, size_t most)
{
    size_t      n, wants = sbl_hello_wants(&to->hello);
    const void *bytes = sbl_hello_output(&from->hello, &n);

    n = n < most ? n : most;
    n = n < wants ? n : wants;
    if (!n)
        return 0;
    memcpy(from->said + from->n_said, bytes, n);
    from->n_said += n;
    sbl_hello_take(&to->hello, bytes, n);
    sbl_hello_sent(&from->hello, n);
    return n;
}

static void talk_in(struct side *a, struct side *b, size_t most)
{
    begin(a, 1);
    begin(b, 0);
    while (carry(a, b, most) + carry(b, a, most))
        ;
}

static void talk(struct side *a, struct side *b)
{
    talk_in(a, b, SIZE_MAX);
}

static void end(struct side *a, struct side *b)
{
    sbl_hello_end(&a->hello);
    sbl_hello_end(&b->hello);
}

Test(hello, who_knows_the_secret_passes_at_both_ends_whatever_the_pieces)
{
    for (size_t most = 1; most < 700; most = most < 8 ? most + 1 : most * 3) {
        struct side a = worker(), b = scheduler();

        talk_in(&a, &b, most);
        cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
        cr_expect(a.hello.peer.role == SBL_ROLE_SCHEDULER && b.hello.peer.role == SBL_ROLE_WORKER);
        cr_expect_str_eq(b.hello.peer.version, sabal_version());
        cr_expect_str_eq(b.hello.peer.ucx, "1.13.1");
        cr_expect(a.n_said <= 512 && b.n_said <= 512);
        end(&a, &b);
    }
}

Test(hello, keys_are_the_same_at_both_ends_and_differ_by_way_and_by_nonce)
{
    struct side      a = worker(), b = scheduler();
    sbl_session_keys ka, kb, former;

    talk(&a, &b);
    sbl_hello_keys(&ka, &a.hello);
    sbl_hello_keys(&kb, &b.hello);
    cr_expect(!memcmp(ka.send, kb.receive, SBL_KEY_BYTES) && !memcmp(ka.receive, kb.send, SBL_KEY_BYTES));
    cr_expect(memcmp(ka.send, ka.receive, SBL_KEY_BYTES) != 0);
    cr_expect(ka.encrypt == 0 && kb.encrypt == 0 && ka.aes == kb.aes);
    for (int i = 0; i < 2; i++) {
        former = ka;
        a.nonce[31] ^= (uint8_t)i;
        b.nonce[31] ^= (uint8_t)!i;
        talk(&a, &b);
        sbl_hello_keys(&ka, &a.hello);
        cr_expect(memcmp(ka.send, former.send, SBL_KEY_BYTES) != 0 &&
                  memcmp(ka.receive, former.receive, SBL_KEY_BYTES) != 0);
    }
    end(&a, &b);
}

Test(hello, either_side_can_want_encryption)
{
    for (int i = 0; i < 4; i++) {
        struct side      a = worker(), b = scheduler();
        sbl_session_keys ka, kb;

        a.self.encrypt = i & 1;
        b.self.encrypt = i >> 1;
        talk(&a, &b);
        sbl_hello_keys(&ka, &a.hello);
        sbl_hello_keys(&kb, &b.hello);
        cr_expect(ka.encrypt == (i != 0) && kb.encrypt == (i != 0));
        end(&a, &b);
    }
}

/* --- strangers ------------------------------------------------------------------------------------------------------ */

Test(hello, who_does_not_know_the_secret_learns_a_nonce_and_nothing_else)
{
    struct side a = worker(), b = scheduler();

    a.secret = OTHER;
    talk(&a, &b);
    cr_expect_eq(b.hello.state, SBL_HELLO_STRANGER);
    cr_expect_eq(b.n_said, 64);
    cr_expect_neq(a.hello.state, SBL_HELLO_PASSED);
    end(&a, &b);
}

Test(hello, who_answers_has_to_know_the_secret_too)
{
    struct side a = worker(), b = scheduler(), c = scheduler();
    size_t      n;

    b.secret = OTHER; /* answers with what it can make */
    begin(&a, 1);
    begin(&b, 0);
    begin(&c, 0);
    carry(&a, &b, SIZE_MAX);
    carry(&b, &a, SIZE_MAX);
    sbl_hello_output(&a.hello, &n);
    cr_assert_eq(n, 160);
    sbl_hello_sent(&a.hello, n);
    for (uint8_t wrong[320] = {3}; sbl_hello_wants(&a.hello);)
        sbl_hello_take(&a.hello, wrong, sizeof wrong);
    cr_expect_eq(a.hello.state, SBL_HELLO_STRANGER);
    end(&a, &b);
}

Test(hello, each_bit_that_changes_on_the_way_makes_a_stranger)
{
    for (size_t bit = 0; bit < 8 * 608; bit++) {
        struct side a = worker(), b = scheduler();
        size_t      at = 0, n;

        begin(&a, 1);
        begin(&b, 0);
        for (int turn = 0; turn < 4; turn++) {
            struct side *from = turn % 2 ? &b : &a, *to = turn % 2 ? &a : &b;
            uint8_t      bytes[320];
            const void  *said = sbl_hello_output(&from->hello, &n);

            memcpy(bytes, said, n);
            if (bit / 8 >= at && bit / 8 < at + n)
                bytes[bit / 8 - at] ^= (uint8_t)(1 << bit % 8);
            at += n;
            sbl_hello_sent(&from->hello, n);
            if (n)
                sbl_hello_take(&to->hello, bytes, n);
        }
        cr_expect(a.hello.state != SBL_HELLO_PASSED);
        cr_expect(bit < 8 * 288 ? b.hello.state != SBL_HELLO_PASSED : a.hello.state == SBL_HELLO_STRANGER);
        end(&a, &b);
    }
}

Test(hello, what_was_said_once_does_not_pass_again)
{
    struct side a = worker(), b = scheduler();
    uint8_t     said[224];

    talk(&a, &b);
    memcpy(said, a.said, sizeof said);
    b.nonce[0]++; /* as each time */
    begin(&b, 0);
    sbl_hello_take(&b.hello, said, 64);
    sbl_hello_sent(&b.hello, 64);
    sbl_hello_take(&b.hello, said + 64, 160);
    cr_expect_eq(b.hello.state, SBL_HELLO_STRANGER);
    end(&a, &b);
}

/* Whoever knows nothing sends back what it gets: to the same side, and to another that takes its connection. */
Test(hello, a_mirror_is_a_stranger)
{
    struct side a = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 1);
    const void *said;
    size_t      n;

    begin(&a, 1);
    said = sbl_hello_output(&a.hello, &n);
    sbl_hello_sent(&a.hello, n);
    sbl_hello_take(&a.hello, said, n);
    cr_expect_eq(a.hello.state, SBL_HELLO_STRANGER);
    sbl_hello_end(&a.hello);
}

Test(hello, a_proof_of_who_began_is_none_of_who_answers)
{
    struct side a = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 1), b = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 2);
    uint8_t     back[320] = {0};

    talk(&a, &b);
    cr_assert_eq(a.hello.state, SBL_HELLO_PASSED);
    begin(&a, 1);
    begin(&b, 0);
    carry(&a, &b, SIZE_MAX);
    carry(&b, &a, SIZE_MAX);
    carry(&a, &b, SIZE_MAX); /* a.said + 64: its proof, which comes back as an answer */
    memcpy(back, a.said + 64, 128);
    back[0] = 3;
    memcpy(back + 288, a.said + 64 + 128, 32);
    sbl_hello_take(&a.hello, back, 320);
    cr_expect_eq(a.hello.state, SBL_HELLO_STRANGER);
    end(&a, &b);
}

Test(hello, random_bytes_are_refused_after_at_most_64)
{
    uint64_t state = 7;

    for (int i = 0; i < 10000; i++) {
        struct side b = scheduler();
        uint8_t     bytes[64];

        for (size_t k = 0; k < sizeof bytes; k++) {
            state    = state * 6364136223846793005u + 1442695040888963407u;
            bytes[k] = (uint8_t)(state >> 33);
        }
        begin(&b, 0);
        cr_assert_eq(sbl_hello_wants(&b.hello), 64);
        sbl_hello_take(&b.hello, bytes, 64);
        cr_expect_eq(b.hello.state, SBL_HELLO_STRANGER);
        cr_expect_eq(sbl_hello_wants(&b.hello), 0);
        sbl_hello_end(&b.hello);
    }
}

/* --- refusals ------------------------------------------------------------------------------------------------------- */

/* Both know the secret, and both learn why they don't fit, from the same words. */
static void expect_refusal(struct side *a, struct side *b, sbl_verdict verdict, const char *word)
{
    talk(a, b);
    cr_expect(a->hello.state == SBL_HELLO_REFUSED && b->hello.state == SBL_HELLO_REFUSED);
    cr_expect(a->hello.verdict == verdict && b->hello.verdict == verdict);
    cr_expect(strstr(a->hello.why.message, word) && strstr(b->hello.why.message, word));
    cr_expect_eq(a->hello.why.status, SABAL_EACCES);
    end(a, b);
}

Test(hello, of_another_cluster_each_side_is_told)
{
    struct side a = worker(), b = scheduler();

    a.self.cluster[15]++;
    expect_refusal(&a, &b, SBL_OTHER_CLUSTER, "cluster");
}

Test(hello, of_another_protocol_each_side_is_told)
{
    struct side a = worker(), b = scheduler();

    a.self.protocol = 9;
    expect_refusal(&a, &b, SBL_OTHER_PROTOCOL, "version 9");
}

Test(hello, of_another_version_of_sabal_each_side_is_told)
{
    struct side a = worker(), b = scheduler();

    strcpy(a.self.version, "0.0.9");
    expect_refusal(&a, &b, SBL_OTHER_VERSION, "sabal 0.0.9");
}

Test(hello, of_another_ucx_each_side_is_told_but_none_meets_any)
{
    struct side a = worker(), b = scheduler();

    strcpy(a.self.ucx, "1.17.0");
    expect_refusal(&a, &b, SBL_OTHER_UCX, "UCX 1.17.0");
    a.self.ucx[0] = 0;
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
    end(&a, &b);
}

Test(hello, of_a_role_that_is_not_expected_each_side_is_told)
{
    struct side a = worker(), b = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER | 1 << SBL_ROLE_SCHEDULER, 2);

    expect_refusal(&a, &b, SBL_OTHER_ROLE, "worker"); /* a wants a scheduler */
    a = make(SBL_ROLE_SCHEDULER, ~0, 1);
    b = scheduler(); /* which doesn't want another */
    expect_refusal(&a, &b, SBL_OTHER_ROLE, "scheduler");
    a = make((sbl_role)9, ~0, 1);
    b = scheduler();
    expect_refusal(&a, &b, SBL_OTHER_ROLE, "stranger");
}

Test(hello, addresses_have_to_agree_if_both_give_them)
{
    static const sbl_address HERE  = {.kind = SBL_ADDRESS_TCP, .ip = "10.0.0.1", .port = 1},
                             THERE = {.kind = SBL_ADDRESS_TCP, .ip = "10.0.0.2", .port = 2},
                             RELAY = {.kind = SBL_ADDRESS_TCP, .ip = "10.0.0.3", .port = 1};
    struct side a = worker(), b = scheduler();

    a.local = &HERE, a.remote = &THERE, b.local = &THERE, b.remote = &HERE;
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
    end(&a, &b);
    b.remote = &RELAY;
    expect_refusal(&a, &b, SBL_OTHER_ADDRESS, "relay");
    b.remote = b.local = NULL;
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
    end(&a, &b);
}

/* --- tickets -------------------------------------------------------------------------------------------------------- */

Test(hello, a_ticket_stands_for_the_secret_between_two_that_have_it)
{
    struct side a = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 1), b = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 2);
    sbl_session_keys by_ticket, by_secret;

    talk(&a, &b);
    sbl_hello_keys(&by_secret, &a.hello);
    a.number = 7;
    a.secret = b.secret = NULL; /* which neither needs to know */
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
    cr_expect(b.hello.peer.ticket == 7 && a.hello.peer.ticket == 7);
    sbl_hello_keys(&by_ticket, &a.hello);
    cr_expect(memcmp(by_ticket.send, by_secret.send, SBL_KEY_BYTES) != 0);
    end(&a, &b);
}

Test(hello, an_unknown_ticket_and_a_wrong_key_look_the_same)
{
    for (int i = 0; i < 3; i++) {
        struct side a = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 1),
                    b = make(SBL_ROLE_WORKER, 1 << SBL_ROLE_WORKER, 2);

        a.number = 7;
        if (i == 0)
            b.ticket = NULL; /* unknown, or taken back */
        else if (i == 1)
            b.ticket = OTHER;
        else
            a.ticket = SECRET; /* the cluster's secret opens no ticket's door */
        talk(&a, &b);
        cr_expect(b.hello.state == SBL_HELLO_STRANGER && b.n_said == 64 && a.hello.state == SBL_HELLO_GOING);
        end(&a, &b);
    }
}

/* --- the second factor ---------------------------------------------------------------------------------------------- */

static int vouch(char *text, size_t size, const uint8_t *bytes, size_t n)
{
    char digits[65];

    cr_assert_eq(n, 32);
    sbl_hex_write(digits, bytes, 32);
    return snprintf(text, size, "same user %s", digits) < (int)size;
}

static int believe(const char *text, const uint8_t *bytes, size_t n)
{
    char right[128];

    vouch(right, sizeof right, bytes, n);
    return strcmp(right, text) == 0;
}

static int vouch_for_another(char *text, size_t size, const uint8_t *bytes, size_t n)
{
    return snprintf(text, size, "another user") < (int)size;
}

static int cant(char *text, size_t size, const uint8_t *bytes, size_t n)
{
    return 0;
}

static const sbl_witness GOOD = {vouch, believe}, BAD = {vouch_for_another, believe}, MUTE = {cant, believe};

Test(hello, credentials_of_the_same_user_pass)
{
    struct side      a = worker(), b = scheduler();
    sbl_session_keys ka, kb;

    a.self.witness = b.self.witness = &GOOD;
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
    cr_expect(a.hello.peer.witnessed && b.hello.peer.witnessed && a.n_said <= 512);
    sbl_hello_keys(&ka, &a.hello);
    sbl_hello_keys(&kb, &b.hello);
    cr_expect(!memcmp(ka.send, kb.receive, SBL_KEY_BYTES));
    end(&a, &b);
}

Test(hello, a_credential_of_another_user_is_refused)
{
    struct side a = worker(), b = scheduler();

    a.self.witness = &BAD, b.self.witness = &GOOD;
    expect_refusal(&a, &b, SBL_OTHER_USER, "MUNGE");
    a = worker(), b = scheduler();
    a.self.witness = &GOOD, b.self.witness = &BAD;
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_REFUSED && a.hello.verdict == SBL_OTHER_USER);
    end(&a, &b);
}

Test(hello, where_one_side_has_no_credentials_the_key_is_enough)
{
    static const sbl_witness *const CASES[][2] = {{&GOOD, NULL}, {NULL, &GOOD}, {&GOOD, &MUTE}, {&MUTE, &GOOD}};

    for (int i = 0; i < 4; i++) {
        struct side a = worker(), b = scheduler();

        a.self.witness = CASES[i][0], b.self.witness = CASES[i][1];
        talk(&a, &b);
        cr_expect(a.hello.state == SBL_HELLO_PASSED && b.hello.state == SBL_HELLO_PASSED);
        cr_expect_eq(a.hello.peer.witnessed, CASES[i][1] == &GOOD && CASES[i][0] != NULL);
        end(&a, &b);
    }
}
