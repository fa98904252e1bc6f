/* The handshake: who knows the key passes, each that doesn't fit is told why, and all others learn nothing. */
#include "support/test.h"

#include "net/talk.h"

TestSuite(hello);

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

/* A ticket may be good for one use, and gone when keys are made. */
Test(hello, without_a_key_there_are_no_session_keys)
{
    struct side      a = worker(), b = scheduler();
    sbl_session_keys keys;

    talk(&a, &b);
    cr_expect_eq(sbl_hello_keys(&keys, &a.hello), 1);
    a.secret = NULL;
    cr_expect_eq(sbl_hello_keys(&keys, &a.hello), 0);
    end(&a, &b);
}
