#include "cluster/net/secret.h"

#include <string.h>

#include <sodium.h>

#include "base/alloc.h"
#include "base/error.h"

struct sbl_secret {
    uint8_t bytes[SBL_KEY_BYTES];
};

static sabal_status start(sabal_error *err)
{
    if (sodium_init() < 0)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "libsodium can't start: the system gives no random bytes");
    return SABAL_OK;
}

sabal_status sbl_random(void *bytes, size_t n, sabal_error *err)
{
    sabal_status st = start(err);

    if (!st)
        randombytes_buf(bytes, n);
    return st;
}

/* Between pages that can't be touched, out of core files, and locked in memory as far as the limit allows. */
static sabal_status make(sbl_secret **secret, sabal_error *err)
{
    sabal_status st = start(err);

    if (st)
        return st;
    *secret = sbl_alloc_must_fail() ? NULL : sodium_malloc(sizeof **secret);
    return *secret ? SABAL_OK : sbl_error_memory(err, sizeof **secret, "a key");
}

sabal_status sbl_secret_create(sbl_secret **secret, sabal_error *err)
{
    sbl_secret  *s;
    sabal_status st = make(&s, err);

    if (st)
        return st;
    randombytes_buf(s->bytes, sizeof s->bytes);
    *secret = s;
    return SABAL_OK;
}

sabal_status sbl_secret_create_from(sbl_secret **secret, const uint8_t bytes[SBL_KEY_BYTES], sabal_error *err)
{
    sbl_secret  *s;
    sabal_status st = make(&s, err);

    if (st)
        return st;
    memcpy(s->bytes, bytes, sizeof s->bytes);
    *secret = s;
    return SABAL_OK;
}

sabal_status sbl_secret_create_from_hex(sbl_secret **secret, const char digits[SBL_KEY_DIGITS], sabal_error *err)
{
    sbl_secret  *s;
    sabal_status st = make(&s, err);

    if (st)
        return st;
    if (!sbl_hex_read(s->bytes, digits, sizeof s->bytes)) {
        sbl_secret_destroy(s);
        return sbl_error_set(err, SABAL_EFORMAT, "the secret is not %d hexadecimal digits", SBL_KEY_DIGITS);
    }
    *secret = s;
    return SABAL_OK;
}

sabal_status sbl_secret_derive(sbl_secret **secret, const sbl_secret *from, const char *purpose, const void *bytes,
                               size_t n, sabal_error *err)
{
    crypto_generichash_state state;
    sbl_secret              *s;
    sabal_status             st = make(&s, err);

    if (st)
        return st;
    crypto_generichash_init(&state, from->bytes, sizeof from->bytes, sizeof s->bytes);
    crypto_generichash_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1); /* its end keeps the two apart */
    crypto_generichash_update(&state, bytes, n);
    crypto_generichash_final(&state, s->bytes, sizeof s->bytes);
    sodium_memzero(&state, sizeof state);
    *secret = s;
    return SABAL_OK;
}

void sbl_secret_destroy(sbl_secret *secret)
{
    sodium_free(secret);
}

const uint8_t *sbl_secret_borrow(const sbl_secret *secret)
{
    return secret->bytes;
}

/* One by one, and nowhere else: what passes through a vector register can be put on the stack by the next call, if that is the
   first of its function, which the loader then looks up. */
void sbl_secret_write_hex(char digits[SBL_KEY_DIGITS], const sbl_secret *secret)
{
    const volatile uint8_t *bytes = secret->bytes;
    volatile char          *to    = digits;

    for (int i = 0; i < SBL_KEY_BYTES; i++) {
        unsigned high = bytes[i] >> 4, low = bytes[i] & 15u;

        to[2 * i]     = (char)('0' + high + ((0u - ((9 - high) >> 31)) & (unsigned)('a' - '0' - 10)));
        to[2 * i + 1] = (char)('0' + low + ((0u - ((9 - low) >> 31)) & (unsigned)('a' - '0' - 10)));
    }
}

void sbl_hex_write(char *digits, const uint8_t *bytes, size_t n)
{
    sodium_bin2hex(digits, 2 * n + 1, bytes, n);
}

/* 0 .. 15, or a number with bits above; no branch and no table, which would tell of the digit by the time it takes. */
static unsigned value_of(unsigned char c)
{
    unsigned digit = c - (unsigned)'0', letter = (c | 0x20u) - (unsigned)'a';
    unsigned is_digit = ((digit - 10) & ~digit) >> 31, is_letter = ((letter - 6) & ~letter) >> 31;

    return (digit & (0u - is_digit)) | ((letter + 10) & (0u - is_letter)) | ((1u - (is_digit | is_letter)) << 8);
}

int sbl_hex_read(uint8_t *bytes, const char *digits, size_t n)
{
    const volatile unsigned char *d     = (const unsigned char *)digits; /* one by one: see sbl_secret_write_hex() */
    volatile uint8_t             *to    = bytes;
    unsigned                      wrong = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned high = value_of(d[2 * i]), low = value_of(d[2 * i + 1]);

        wrong |= (high | low) >> 8;
        to[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return !wrong;
}
