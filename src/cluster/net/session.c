#include "cluster/net/session.h"

#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"

enum { MAGIC = 0x5a53, VERSION = 1, SEND = 0, RECEIVE = 1, NONCE = 12 };

/* As it crosses, little-endian. */
struct head {
    uint16_t magic;
    uint8_t  version, flags;
    uint16_t type, n_fds;
    uint64_t length, sequence, id;
};
_Static_assert(sizeof(struct head) == SBL_FRAME_HEAD, "the head crosses processes");
_Static_assert(crypto_aead_aes256gcm_ABYTES == SBL_FRAME_TAG &&
                   crypto_aead_chacha20poly1305_ietf_ABYTES == SBL_FRAME_TAG &&
                   crypto_aead_aes256gcm_NPUBBYTES == NONCE && crypto_aead_chacha20poly1305_ietf_NPUBBYTES == NONCE,
               "either cipher fits");

static crypto_aead_aes256gcm_state *spread(const sbl_session *s, int way)
{
    _Static_assert(sizeof(crypto_aead_aes256gcm_state) == sizeof s->ready[0], "libsodium's own record");
    return (crypto_aead_aes256gcm_state *)(void *)(uintptr_t)s->ready[way];
}

static uint64_t padded(uint64_t length)
{
    return (length + 15) & ~(uint64_t)15;
}

size_t sbl_frame_size(uint64_t length)
{
    return (size_t)(SBL_FRAME_HEAD + padded(length) + SBL_FRAME_TAG);
}

void sbl_session_start(sbl_session *session, const sbl_session_keys *keys, sbl_frame_limits limits)
{
    memset(session, 0, sizeof *session);
    session->limits  = limits;
    session->encrypt = keys->encrypt;
    session->aes     = keys->aes;
    memcpy(session->keys[SEND], keys->send, SBL_KEY_BYTES);
    memcpy(session->keys[RECEIVE], keys->receive, SBL_KEY_BYTES);
    if (session->aes)
        for (int i = 0; i < 2; i++)
            crypto_aead_aes256gcm_beforenm(spread(session, i), session->keys[i]);
}

void sbl_session_end(sbl_session *session)
{
    sodium_memzero(session, sizeof *session);
}

/*
 * The tag over text and more; text also becomes a cipher. Where only integrity is wanted the head is the text, whose cipher
 * nobody needs, and the payload is what is covered beside it: so neither has to lie next to the other.
 */
static void seal(const sbl_session *s, int way, uint64_t sequence, uint8_t *cipher, uint8_t tag[SBL_FRAME_TAG],
                 const uint8_t *text, size_t n_text, const uint8_t *more, size_t n_more)
{
    uint8_t nonce[NONCE] = {0};

    memcpy(nonce + 4, &sequence, sizeof sequence);
    if (s->aes)
        crypto_aead_aes256gcm_encrypt_detached_afternm(cipher, tag, NULL, text, n_text, more, n_more, NULL, nonce,
                                                       spread(s, way));
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(cipher, tag, NULL, text, n_text, more, n_more, NULL, nonce,
                                                           s->keys[way]);
}

/* 0: the tag is right, and the cipher has become text, in place. */
static int unseal(const sbl_session *s, uint8_t *cipher, const uint8_t tag[SBL_FRAME_TAG], size_t n,
                  const uint8_t *head)
{
    uint8_t nonce[NONCE] = {0};

    memcpy(nonce + 4, &s->received, sizeof s->received);
    if (s->aes)
        return crypto_aead_aes256gcm_decrypt_detached_afternm(cipher, NULL, cipher, n, tag, head, SBL_FRAME_HEAD, nonce,
                                                              spread(s, RECEIVE));
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(cipher, NULL, cipher, n, tag, head, SBL_FRAME_HEAD, nonce,
                                                              s->keys[RECEIVE]);
}

void sbl_session_seal(sbl_session *s, uint8_t head[SBL_FRAME_HEAD], uint8_t tag[SBL_FRAME_TAG], void *sealed,
                      const sbl_session_head *what, const void *payload)
{
    struct head h = {.magic    = MAGIC,
                     .version  = VERSION,
                     .flags    = what->flags,
                     .type     = what->type,
                     .n_fds    = what->n_fds,
                     .length   = what->length,
                     .sequence = s->sent,
                     .id       = what->id};
    uint8_t     nobody[SBL_FRAME_HEAD];

    memcpy(head, &h, sizeof h);
    if (s->encrypt)
        seal(s, SEND, s->sent, sealed, tag, payload, what->length, head, SBL_FRAME_HEAD);
    else
        seal(s, SEND, s->sent, nobody, tag, head, SBL_FRAME_HEAD, payload, what->length);
    s->sent++;
}

sabal_status sbl_session_look(sbl_session_head *what, const sbl_session *s, const uint8_t head[SBL_FRAME_HEAD],
                              sabal_error *err)
{
    struct head h;

    memcpy(&h, head, sizeof h);
    if (h.magic != MAGIC)
        return sbl_error_set(err, SABAL_EPEER, "what came is no frame: it begins with %04x, not %04x", h.magic, MAGIC);
    if (h.version != VERSION)
        return sbl_error_set(err, SABAL_EPEER, "a frame of version %u came, not %u", h.version, VERSION);
    if (h.sequence != s->received)
        return sbl_error_set(err, SABAL_EPEER, "frame %" PRIu64 " came out of sequence, where %" PRIu64 " was to come",
                             h.sequence, s->received);
    if (h.type >= s->limits.n_types)
        return sbl_error_set(err, SABAL_EPEER, "a frame of type %u came, and there are %u types", h.type,
                             s->limits.n_types);
    if (h.length > s->limits.types[h.type].most_bytes)
        return sbl_error_set(err, SABAL_EPEER,
                             "a frame of type %u came with %" PRIu64 " bytes, and at most %" PRIu64 " are allowed",
                             h.type, h.length, s->limits.types[h.type].most_bytes);
    if (h.n_fds > s->limits.types[h.type].most_fds)
        return sbl_error_set(err, SABAL_EPEER,
                             "a frame of type %u came with %u descriptors, and at most %u are allowed", h.type, h.n_fds,
                             s->limits.types[h.type].most_fds);
    *what = (sbl_session_head){.type = h.type, .n_fds = h.n_fds, .flags = h.flags, .length = h.length, .id = h.id};
    return SABAL_OK;
}

/* The zeros are covered by no tag, so they have to be zeros. */
static int proves(const sbl_session *s, uint8_t *frame, const sbl_session_head *what)
{
    uint8_t       *payload = frame + SBL_FRAME_HEAD;
    const uint8_t *tag     = payload + padded(what->length);
    uint8_t        nobody[SBL_FRAME_HEAD], right[SBL_FRAME_TAG];

    if (!sodium_is_zero(payload + what->length, (size_t)(padded(what->length) - what->length)))
        return 0;
    if (s->encrypt)
        return !unseal(s, payload, tag, what->length, frame);
    seal(s, RECEIVE, s->received, nobody, right, frame, SBL_FRAME_HEAD, payload, what->length);
    return !sodium_memcmp(right, tag, sizeof right);
}

sabal_status sbl_session_open(sbl_session *s, uint8_t *frame, const sbl_session_head *what, sabal_error *err)
{
    if (!proves(s, frame, what))
        return sbl_error_set(err, SABAL_EPEER, "the tag of a frame of type %u is wrong: it was changed on its way",
                             what->type);
    s->received++;
    return SABAL_OK;
}
