/*
 * Bytes that come in over a link, before admission and after it. The first byte says what they are for:
 *   0  a handshake, from someone who knows nothing, in pieces; 1 the same towards one who connected
 *   2  a handshake that knows the key, of which bytes are changed
 *   3  frames, as they come; 4 frames that the right session sealed, of which bytes are changed
 *   5  the text of a scheduler file
 * Whoever doesn't know the key must never pass, and no frame may be opened that was not sealed so.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cluster/net/scheduler_file.h"
#include "cluster/net/session.h"

enum { N_TYPES = 4, MOST = 1 << 16 };

static const sbl_frame_limit  TYPES[N_TYPES]        = {{0, 0}, {64, 0}, {4096, 4}, {MOST, 0}};
static const sbl_frame_limits LIMITS                = {TYPES, N_TYPES};
static const uint8_t          SECRET[SBL_KEY_BYTES] = "what no input can know of";

static void must(int condition)
{
    if (!condition)
        abort();
}

static const uint8_t *key_of(void *arg, uint64_t ticket)
{
    return ticket < 3 ? SECRET : NULL;
}

static void start(sbl_hello *hello, int initiator)
{
    sbl_hello_self self = {.role = initiator ? SBL_ROLE_WORKER : SBL_ROLE_SCHEDULER, .expects = ~0, .ucx = "1.13.1"};
    uint8_t        nonce[SBL_NONCE_BYTES] = {(uint8_t)initiator};

    sbl_hello_start(hello, &self, initiator, 0, key_of, NULL, nonce, NULL, NULL);
}

static void say_all(sbl_hello *hello)
{
    size_t n;

    sbl_hello_output(hello, &n);
    must(n <= 320);
    sbl_hello_sent(hello, n);
}

/* In pieces, whose sizes the bytes themselves tell. */
static void fuzz_stranger(const uint8_t *bytes, size_t n, int initiator)
{
    sbl_hello hello;
    size_t    read = 0;

    start(&hello, initiator);
    for (size_t at = 0; at < n && hello.state == SBL_HELLO_GOING;) {
        size_t piece = 1 + bytes[at] % 64, wants;

        say_all(&hello);
        wants = sbl_hello_wants(&hello);
        piece = piece < n - at ? piece : n - at;
        piece = piece < wants ? piece : wants;
        must(wants > 0);
        sbl_hello_take(&hello, bytes + at, piece);
        at += piece;
        read += piece;
    }
    must(hello.state == SBL_HELLO_GOING || hello.state == SBL_HELLO_STRANGER);
    must(read <= 512);
    sbl_hello_end(&hello);
}

/* Both ends are right, and what one says is changed on its way; an unchanged talk passes, any other doesn't. */
static void fuzz_changed(const uint8_t *bytes, size_t n)
{
    sbl_hello a, b;
    size_t    at      = 0;
    int       changed = 0;

    start(&a, 1);
    start(&b, 0);
    for (int turn = 0; turn < 4; turn++) {
        sbl_hello  *from = turn % 2 ? &b : &a, *to = turn % 2 ? &a : &b;
        uint8_t     said[320];
        size_t      size;
        const void *out = sbl_hello_output(from, &size);

        must(size <= sizeof said);
        memcpy(said, out, size);
        sbl_hello_sent(from, size);
        for (size_t i = 0; i < size && at < n; i++, at++) {
            changed |= bytes[at] != 0;
            said[i] ^= bytes[at];
        }
        if (size && sbl_hello_wants(to))
            sbl_hello_take(to, said, size);
    }
    must((a.state == SBL_HELLO_PASSED && b.state == SBL_HELLO_PASSED) == !changed);
    sbl_hello_end(&a);
    sbl_hello_end(&b);
}

static void make_sessions(sbl_session *from, sbl_session *to, uint8_t ways)
{
    sbl_session_keys keys = {.encrypt = ways & 1, .aes = ways & 2 && crypto_aead_aes256gcm_is_available()}, back;

    memcpy(keys.send, SECRET, sizeof keys.send);
    back = keys;
    memcpy(back.receive, keys.send, sizeof back.receive);
    memcpy(back.send, keys.receive, sizeof back.send);
    sbl_session_start(from, &keys, LIMITS);
    sbl_session_start(to, &back, LIMITS);
}

/* Returns how many frames were opened; bytes are exactly as many, so that what is read beyond is seen. */
static int take_frames(sbl_session *to, uint8_t *bytes, size_t n)
{
    sbl_session_head what;
    sabal_error      err    = SABAL_ERROR_INIT;
    int              opened = 0;

    while (n >= SBL_FRAME_HEAD && !sbl_session_look(&what, to, bytes, &err)) {
        size_t size = sbl_frame_size(what.length);

        must(what.type < N_TYPES && what.length <= TYPES[what.type].most_bytes &&
             what.n_fds <= TYPES[what.type].most_fds);
        if (size > n || sbl_session_open(to, bytes, &what, &err))
            break;
        opened++;
        bytes += size;
        n -= size;
    }
    must(err.status == SABAL_OK || (err.status == SABAL_EPEER && err.message[0]));
    return opened;
}

static void fuzz_frames(const uint8_t *bytes, size_t n, uint8_t ways)
{
    _Alignas(16) sbl_session from, to;
    uint8_t                 *copy = malloc(n + !n);

    memcpy(copy, bytes, n);
    make_sessions(&from, &to, ways);
    must(take_frames(&to, copy, n) == 0);
    free(copy);
}

/* A frame of each type and so many bytes; then the rest of the input changes them. */
static void fuzz_sealed(const uint8_t *bytes, size_t n, uint8_t ways)
{
    _Alignas(16) sbl_session from, to;
    size_t                   sizes[3] = {0, 0, 0}, all = 0, at = 0;
    uint8_t                 *wire;
    int                      n_frames = 0, first_changed;

    make_sessions(&from, &to, ways);
    for (; n_frames < 3 && n; n_frames++, bytes++, n--) {
        sizes[n_frames] = n_frames ? *bytes % 64 : 0;
        all += sbl_frame_size(sizes[n_frames]);
    }
    first_changed = n_frames;
    wire          = calloc(1, all + !all);
    for (int i = 0; i < n_frames; i++) {
        sbl_session_head what     = {.type = (uint16_t)i, .length = sizes[i]};
        uint8_t          text[64] = {(uint8_t)i}, *f = wire + at;

        at += sbl_frame_size(sizes[i]);
        if (!(ways & 1))
            memcpy(f + SBL_FRAME_HEAD, text, sizes[i]);
        sbl_session_seal(&from, f, wire + at - SBL_FRAME_TAG, f + SBL_FRAME_HEAD, &what, text);
    }
    for (size_t i = 0; i < n && i < all; i++)
        if (bytes[i]) {
            size_t ends  = 0;
            int    frame = 0;

            wire[i] ^= bytes[i];
            while (i >= (ends += sbl_frame_size(sizes[frame])))
                frame++;
            first_changed = frame < first_changed ? frame : first_changed;
        }
    must(take_frames(&to, wire, all) == first_changed);
    free(wire);
}

static void fuzz_file(const uint8_t *bytes, size_t n)
{
    char              *text = malloc(n + !n);
    sbl_scheduler_file file;
    sabal_error        err = SABAL_ERROR_INIT;

    memcpy(text, bytes, n);
    if (sbl_scheduler_file_parse(&file, text, n, &err))
        must(err.message[0] && !strchr(err.message, '\n') && !file.secret);
    else {
        char  *again;
        size_t n_again;

        must(file.n_addresses >= 1 && file.n_addresses <= SBL_MOST_ADDRESSES);
        must(sbl_scheduler_file_print(&again, &n_again, &file, &err) == SABAL_OK);
        sodium_free(again);
        sbl_scheduler_file_clear(&file);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 2 || sodium_init() < 0)
        return 0;
    switch (bytes[0] % 6) {
    case 0:
    case 1:
        fuzz_stranger(bytes + 2, n - 2, bytes[0] % 6);
        return 0;
    case 2:
        fuzz_changed(bytes + 2, n - 2);
        return 0;
    case 3:
        fuzz_frames(bytes + 2, n - 2, bytes[1]);
        return 0;
    case 4:
        fuzz_sealed(bytes + 2, n - 2, bytes[1]);
        return 0;
    default:
        fuzz_file(bytes + 2, n - 2);
        return 0;
    }
}
