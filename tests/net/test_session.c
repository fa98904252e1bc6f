/* Frames: what arrives is what was sent, in its order, or the session says what is wrong. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"
#include "cluster/net/session.h"

TestSuite(session);

enum { SMALL, LARGE, WITH_FDS, N_TYPES, ROOM = 4096 };
static const sbl_frame_limit  TYPES[N_TYPES] = {[SMALL] = {64, 0}, [LARGE] = {1000, 0}, [WITH_FDS] = {16, 4}};
static const sbl_frame_limits LIMITS         = {TYPES, N_TYPES};

/* Two ends, by each cipher and both ways. */
struct pair {
    sbl_session from, to;
};

static struct pair *make(int aes, int encrypt)
{
    struct pair     *p    = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);
    sbl_session_keys keys = {.send = "to and", .receive = "fro", .encrypt = encrypt, .aes = aes}, back = keys;

    cr_assert(sodium_init() >= 0);
    memcpy(back.send, keys.receive, SBL_KEY_BYTES);
    memcpy(back.receive, keys.send, SBL_KEY_BYTES);
    sbl_session_start(&p->from, &keys, LIMITS);
    sbl_session_start(&p->to, &back, LIMITS);
    return p;
}

static void end(struct pair *p)
{
    sbl_session_end(&p->from);
    sbl_session_end(&p->to);
    free(p);
}

/* All ways that this processor has. */
#define FOR_EACH_WAY(aes, encrypt)                                                                                     \
    for (int aes = 0; aes <= (sodium_init() >= 0 && crypto_aead_aes256gcm_is_available()); aes++)                      \
        for (int encrypt = 0; encrypt < 2; encrypt++)

static size_t send_one(struct pair *p, uint8_t *frame, const sbl_session_head *what, const void *payload)
{
    size_t size = sbl_frame_size(what->length);

    memset(frame, 0, size);
    if (!p->from.encrypt && what->length)
        memcpy(frame + SBL_FRAME_HEAD, payload, what->length);
    sbl_session_seal(&p->from, frame, frame + size - SBL_FRAME_TAG, frame + SBL_FRAME_HEAD, what, payload);
    return size;
}

static sabal_status receive(struct pair *p, uint8_t *frame, sbl_session_head *what, sabal_error *err)
{
    sabal_status st = sbl_session_look(what, &p->to, frame, err);

    return st ? st : sbl_session_open(&p->to, frame, what, err);
}

Test(session, what_arrives_is_what_was_sent)
{
    static uint8_t payload[1000], frame[ROOM];

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + 1);
    FOR_EACH_WAY(aes, encrypt)
    {
        struct pair *p = make(aes, encrypt);

        for (size_t length = 0; length <= sizeof payload; length++) {
            sbl_session_head what = {.type = LARGE, .flags = 5, .length = length, .id = 1000 + length}, got;
            size_t           size = send_one(p, frame, &what, payload);

            cr_expect(size % 16 == 0 && size >= length + SBL_FRAME_HEAD + SBL_FRAME_TAG);
            if (encrypt && length >= 16)
                cr_expect(memcmp(frame + SBL_FRAME_HEAD, payload, length) != 0);
            cr_assert_eq(receive(p, frame, &got, NULL), SABAL_OK);
            cr_expect(got.type == LARGE && got.flags == 5 && got.length == length && got.id == 1000 + length);
            cr_expect(!memcmp(frame + SBL_FRAME_HEAD, payload, length));
        }
        end(p);
    }
}

Test(session, each_bit_that_changes_on_the_way_is_noticed)
{
    static uint8_t payload[50], frame[ROOM], changed[ROOM];

    memset(payload, 9, sizeof payload);
    FOR_EACH_WAY(aes, encrypt)
    {
        struct pair     *p    = make(aes, encrypt);
        sbl_session_head what = {.type = SMALL, .length = sizeof payload}, got;
        size_t           size = send_one(p, frame, &what, payload);

        for (size_t bit = 0; bit < 8 * size; bit++) {
            sabal_error err = SABAL_ERROR_INIT;

            memcpy(changed, frame, size);
            changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (sbl_session_look(&got, &p->to, changed, &err) == SABAL_OK && sbl_frame_size(got.length) <= size)
                sbl_session_open(&p->to, changed, &got, &err);
            else if (!err.status) /* it waits for more than was sent */
                err.status = SABAL_EPEER;
            cr_expect_eq(err.status, SABAL_EPEER);
        }
        cr_expect_eq(receive(p, frame, &got, NULL), SABAL_OK); /* and what was refused left no trace */
        end(p);
    }
}

/* What it says when the head of the next frame has a field changed. */
static void expect_head(size_t at, uint64_t value, size_t size, const char *message)
{
    static uint8_t   frame[ROOM];
    struct pair     *p    = make(0, 0);
    sbl_session_head what = {.type = SMALL}, got;
    sabal_error      err  = SABAL_ERROR_INIT;

    send_one(p, frame, &what, "");
    memcpy(frame + at, &value, size);
    cr_expect_eq(sbl_session_look(&got, &p->to, frame, &err), SABAL_EPEER);
    cr_expect_str_eq(err.message, message);
    end(p);
}

Test(session, a_head_that_breaks_the_rules_is_told_before_anything_is_allocated)
{
    expect_head(0, 0x4547, 2, "what came is no frame: it begins with 4547, not 5a53");
    expect_head(2, 2, 1, "a frame of version 2 came, not 1");
    expect_head(4, 3, 2, "a frame of type 3 came, and there are 3 types");
    expect_head(6, 1, 2, "a frame of type 0 came with 1 descriptors, and at most 0 are allowed");
    expect_head(8, 65, 8, "a frame of type 0 came with 65 bytes, and at most 64 are allowed");
    expect_head(8, UINT64_MAX, 8, "a frame of type 0 came with 18446744073709551615 bytes, and at most 64 are allowed");
    expect_head(16, 1, 8, "frame 1 came out of sequence, where 0 was to come");
}

Test(session, a_frame_that_comes_again_or_before_its_turn_is_refused)
{
    static uint8_t first[ROOM], second[ROOM], again[ROOM];

    FOR_EACH_WAY(aes, encrypt)
    {
        struct pair     *p    = make(aes, encrypt);
        sbl_session_head what = {.type = SMALL, .length = 5}, got;
        sabal_error      err  = SABAL_ERROR_INIT;
        size_t           size = send_one(p, first, &what, "first");

        send_one(p, second, &what, "secnd");
        memcpy(again, first, size);
        cr_expect_eq(receive(p, second, &got, NULL), SABAL_EPEER);
        cr_expect_eq(receive(p, first, &got, NULL), SABAL_OK);
        cr_expect_eq(receive(p, again, &got, &err), SABAL_EPEER);
        cr_expect_str_eq(err.message, "frame 0 came out of sequence, where 1 was to come");
        again[16] = 1; /* with the number that is right */
        sbl_error_clear(&err);
        cr_expect_eq(receive(p, again, &got, &err), SABAL_EPEER);
        cr_expect_str_eq(err.message, "the tag of a frame of type 0 is wrong: it was changed on its way");
        end(p);
    }
}

Test(session, a_frame_that_comes_back_to_who_sent_it_is_refused)
{
    static uint8_t frame[ROOM];

    FOR_EACH_WAY(aes, encrypt)
    {
        struct pair     *p    = make(aes, encrypt);
        sbl_session_head what = {.type = SMALL, .length = 5}, got;
        sabal_error      err  = SABAL_ERROR_INIT;

        send_one(p, frame, &what, "there");
        cr_assert_eq(sbl_session_look(&got, &p->from, frame, NULL), SABAL_OK);
        cr_expect_eq(sbl_session_open(&p->from, frame, &got, &err), SABAL_EPEER);
        end(p);
    }
}

Test(session, a_payload_that_is_only_read_gives_the_same_tag_as_one_copied)
{
    static uint8_t       frame[ROOM], head[SBL_FRAME_HEAD], tag[SBL_FRAME_TAG];
    struct pair         *p = make(0, 0), *q = make(0, 0);
    sbl_session_head     what         = {.type = LARGE, .length = 999};
    static const uint8_t PAYLOAD[999] = {1, 2, 3};
    size_t               size         = send_one(p, frame, &what, PAYLOAD);

    sbl_session_seal(&q->from, head, tag, NULL, &what, PAYLOAD);
    cr_expect(!memcmp(frame, head, sizeof head) && !memcmp(frame + size - SBL_FRAME_TAG, tag, sizeof tag));
    end(p);
    end(q);
}

Test(session, its_keys_are_wiped_at_its_end)
{
    struct pair *p = make(1, 1);

    sbl_session_end(&p->from);
    cr_expect(sodium_is_zero((uint8_t *)&p->from, sizeof p->from));
    free(p);
}
