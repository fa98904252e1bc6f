/* Keys: the secret of a cluster, and what is derived from it. They lie in memory that core files leave out, and end wiped. */
#ifndef SBL_CLUSTER_NET_SECRET_H
#define SBL_CLUSTER_NET_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

enum { SBL_KEY_BYTES = 32, SBL_KEY_DIGITS = 2 * SBL_KEY_BYTES };

typedef struct sbl_secret sbl_secret;

/** Random bytes of the system's. SABAL_EUNSUPPORTED: there are none, or libsodium can't start. */
sabal_status sbl_random(void *bytes, size_t n, sabal_error *err);

/** A fresh one. Errors: SABAL_ENOMEM, SABAL_EUNSUPPORTED. */
sabal_status sbl_secret_create(sbl_secret **secret, sabal_error *err);
/** One whose bytes are known: from a ticket. Errors: as above. */
sabal_status sbl_secret_create_from(sbl_secret **secret, const uint8_t bytes[SBL_KEY_BYTES], sabal_error *err);
/** One written as hexadecimal digits. Also SABAL_EFORMAT: they are none (not quoted in the message). */
sabal_status sbl_secret_create_from_hex(sbl_secret **secret, const char digits[SBL_KEY_DIGITS], sabal_error *err);
/**
 * A key of its own for each purpose and each set of bytes (whom it is for): the keyed BLAKE2b of the purpose's name and
 * those bytes. Who has it learns nothing of `from`. Errors: as sbl_secret_create().
 */
sabal_status sbl_secret_derive(sbl_secret **secret, const sbl_secret *from, const char *purpose, const void *bytes,
                               size_t n, sabal_error *err);
/** Wipes it. NULL allowed. */
void sbl_secret_destroy(sbl_secret *secret);

/** Its bytes, for a hash or a cipher. */
const uint8_t *sbl_secret_borrow(const sbl_secret *secret);
/** Writes digits without an end. The caller wipes them. */
void sbl_secret_write_hex(char digits[SBL_KEY_DIGITS], const sbl_secret *secret);

/** n bytes as 2 n digits, and an end. */
void sbl_hex_write(char *digits, const uint8_t *bytes, size_t n);
/** 0: the 2 n characters are not all digits. Takes as long whatever they are. */
int sbl_hex_read(uint8_t *bytes, const char *digits, size_t n);

#endif
