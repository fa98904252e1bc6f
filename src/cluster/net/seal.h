/*
 * What protects one direction of one connection: a tag on each head, under a key and a number that counts; and, if asked
 * for, encryption of the bodies. Keys are derived from the direction's key and the connection's number in its pair.
 */
#ifndef SBL_NET_SEAL_H
#define SBL_NET_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

enum { SBL_SEAL_KEY = 32, SBL_SEAL_TAG = 16 };

typedef struct sbl_seal {
    _Alignas(16) crypto_aead_aes256gcm_state aes; /* of the same key, where the processor can do it */
    uint8_t  tag_key[SBL_SEAL_KEY], body_key[SBL_SEAL_KEY];
    uint64_t number; /* of the frame that comes next */
} sbl_seal;

/** 1 if this processor can do AES-256-GCM in hardware. Others use ChaCha20-Poly1305. */
int  sbl_seal_has_aes(void);
void sbl_seal_begin(sbl_seal *seal, const uint8_t key[SBL_SEAL_KEY], uint32_t connection);
void sbl_seal_wipe(sbl_seal *seal);

/** The tag of the next frame's head. */
void sbl_seal_tag(uint8_t tag[SBL_SEAL_TAG], const sbl_seal *seal, const uint8_t *head, size_t n);
/** 1 if it is that of the next frame. */
int sbl_seal_is_right(const sbl_seal *seal, const uint8_t tag[SBL_SEAL_TAG], const uint8_t *head, size_t n);

/** Encrypts the next frame's body; out may be in. */
void sbl_seal_close(uint8_t *out, uint8_t mac[SBL_SEAL_TAG], const sbl_seal *seal, int aes, const void *in, size_t n);
/** In place. 0: it is not what was sent. */
int sbl_seal_open(void *bytes, const uint8_t mac[SBL_SEAL_TAG], const sbl_seal *seal, int aes, size_t n);

#endif
