/* The handshake's second factor: where both sides have it, a credential of another user is refused. */
#include "support/test.h"

#include "cluster/net/munge.h"
#include "net/talk.h"

TestSuite(witness);

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

Test(witness, credentials_of_the_same_user_pass)
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

Test(witness, a_credential_of_another_user_is_refused)
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

Test(witness, where_one_side_has_no_credentials_the_key_is_enough)
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

/* Where MUNGE runs: its own credentials pass, once, and only over the bytes they were made for. */
Test(witness, credentials_of_munge_itself)
{
    const sbl_witness *munge     = sbl_munge_witness();
    uint8_t            bytes[32] = {1, 2, 3};
    char               text[248];
    struct side        a = worker(), b = scheduler();

    if (!munge)
        cr_skip_test("MUNGE's library or daemon is not there");
    cr_assert(munge->make(text, sizeof text, bytes, sizeof bytes));
    cr_expect(munge->check(text, bytes, sizeof bytes));
    cr_expect_not(munge->check(text, bytes, sizeof bytes)); /* once */
    cr_assert(munge->make(text, sizeof text, bytes, sizeof bytes));
    bytes[0]++;
    cr_expect_not(munge->check(text, bytes, sizeof bytes));
    cr_expect_not(munge->check("MUNGE:nonsense:", bytes, sizeof bytes));
    a.self.witness = b.self.witness = munge;
    talk(&a, &b);
    cr_expect(a.hello.state == SBL_HELLO_PASSED && a.hello.peer.witnessed && b.hello.peer.witnessed);
    end(&a, &b);
}
