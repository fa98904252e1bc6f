/* A number is never used twice with one key: each frame takes the next, and each connection and direction has keys of its own. */
#include "cluster/net/seal.h"

#include <string.h>

enum { NONCE = 12 };
_Static_assert(crypto_aead_aes256gcm_NPUBBYTES == NONCE && crypto_aead_chacha20poly1305_ietf_NPUBBYTES == NONCE,
               "one nonce for both");

int sbl_seal_has_aes(void)
{
    return crypto_aead_aes256gcm_is_available();
}

static void derive(uint8_t *out, const uint8_t key[SBL_SEAL_KEY], const char *purpose, uint32_t connection)
{
    crypto_generichash_state h;

    crypto_generichash_init(&h, key, SBL_SEAL_KEY, SBL_SEAL_KEY);
    crypto_generichash_update(&h, (const uint8_t *)purpose, strlen(purpose) + 1);
    crypto_generichash_update(&h, (const uint8_t *)&connection, sizeof connection);
    crypto_generichash_final(&h, out, SBL_SEAL_KEY);
    sodium_memzero(&h, sizeof h);
}

void sbl_seal_begin(sbl_seal *seal, const uint8_t key[SBL_SEAL_KEY], uint32_t connection)
{
    derive(seal->tag_key, key, "sabal data: heads", connection);
    derive(seal->body_key, key, "sabal data: bodies", connection);
    if (sbl_seal_has_aes())
        crypto_aead_aes256gcm_beforenm(&seal->aes, seal->body_key);
    seal->number = 0;
}

void sbl_seal_wipe(sbl_seal *seal)
{
    sodium_memzero(seal, sizeof *seal);
}

void sbl_seal_tag(uint8_t tag[SBL_SEAL_TAG], const sbl_seal *seal, const uint8_t *head, size_t n)
{
    crypto_generichash_state h;

    crypto_generichash_init(&h, seal->tag_key, SBL_SEAL_KEY, SBL_SEAL_TAG);
    crypto_generichash_update(&h, (const uint8_t *)&seal->number, sizeof seal->number);
    crypto_generichash_update(&h, head, n);
    crypto_generichash_final(&h, tag, SBL_SEAL_TAG);
}

int sbl_seal_is_right(const sbl_seal *seal, const uint8_t tag[SBL_SEAL_TAG], const uint8_t *head, size_t n)
{
    uint8_t wanted[SBL_SEAL_TAG];

    sbl_seal_tag(wanted, seal, head, n);
    return sodium_memcmp(wanted, tag, SBL_SEAL_TAG) == 0;
}

static void nonce_of(uint8_t nonce[NONCE], const sbl_seal *seal)
{
    memset(nonce, 0, NONCE);
    memcpy(nonce, &seal->number, sizeof seal->number);
}

void sbl_seal_close(uint8_t *out, uint8_t mac[SBL_SEAL_TAG], const sbl_seal *seal, int aes, const void *in, size_t n)
{
    uint8_t nonce[NONCE];

    nonce_of(nonce, seal);
    if (aes)
        crypto_aead_aes256gcm_encrypt_detached_afternm(out, mac, NULL, in, n, NULL, 0, NULL, nonce, &seal->aes);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, mac, NULL, in, n, NULL, 0, NULL, nonce, seal->body_key);
}

int sbl_seal_open(void *bytes, const uint8_t mac[SBL_SEAL_TAG], const sbl_seal *seal, int aes, size_t n)
{
    uint8_t nonce[NONCE];

    nonce_of(nonce, seal);
    if (aes)
        return sbl_seal_has_aes() &&
               !crypto_aead_aes256gcm_decrypt_detached_afternm(bytes, NULL, bytes, n, mac, NULL, 0, nonce, &seal->aes);
    return !crypto_aead_chacha20poly1305_ietf_decrypt_detached(bytes, NULL, bytes, n, mac, NULL, 0, nonce,
                                                               seal->body_key);
}
