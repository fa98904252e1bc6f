/* What a tag and encryption cost: ns of a small frame, GB/s of large ones, to seal and to open. A measurement, not a test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "cluster/net/session.h"

enum { ROUNDS = 5, BYTES = 64 << 20 };

static const sbl_frame_limit  TYPES[1] = {{1 << 24, 0}};
static const sbl_frame_limits LIMITS   = {TYPES, 1};

/* The least of some rounds, each of as many frames as there are; what was sealed is opened. */
static void measure(int aes, int encrypt, size_t length)
{
    sbl_session     *from = aligned_alloc(64, sizeof *from), *to = aligned_alloc(64, sizeof *to);
    sbl_session_keys keys = {.encrypt = encrypt, .aes = aes};
    size_t           size = sbl_frame_size(length);
    int64_t  n = BYTES / (int64_t)size < 20000 ? BYTES / (int64_t)size : 20000, best[2] = {INT64_MAX, INT64_MAX};
    uint8_t *frames = calloc((size_t)n, size), *payload = calloc(1, length);
    sbl_session_head         what        = {.length = length};
    static const char *const NAMES[2][2] = {{"ChaCha20-Poly1305, tag", "ChaCha20-Poly1305, encrypt"},
                                            {"AES-256-GCM, tag", "AES-256-GCM, encrypt"}};

    sbl_session_start(from, &keys, LIMITS);
    sbl_session_start(to, &keys, LIMITS);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t t[3];

        t[0] = sbl_clock_ns();
        for (int64_t i = 0; i < n; i++) {
            uint8_t *f = frames + (size_t)i * size;

            sbl_session_seal(from, f, f + size - SBL_FRAME_TAG, f + SBL_FRAME_HEAD, &what, payload);
        }
        t[1] = sbl_clock_ns();
        for (int64_t i = 0; i < n; i++) {
            uint8_t *f = frames + (size_t)i * size;

            if (sbl_session_look(&what, to, f, NULL) || sbl_session_open(to, f, &what, NULL))
                abort();
        }
        t[2] = sbl_clock_ns();
        for (int i = 0; i < 2; i++)
            best[i] = t[i + 1] - t[i] < best[i] ? t[i + 1] - t[i] : best[i];
    }
    printf("%-28s %8zu bytes   seal %9.0f ns %5.2f GB/s   open %9.0f ns %5.2f GB/s\n", NAMES[aes][encrypt], length,
           (double)best[0] / (double)n, (double)n * (double)length / (double)best[0], (double)best[1] / (double)n,
           (double)n * (double)length / (double)best[1]);
    free(frames);
    free(payload);
    free(from);
    free(to);
}

int main(void)
{
    static const size_t LENGTHS[] = {16, 64, 256, 4096, 65536, 1 << 20};

    if (sodium_init() < 0)
        return 1;
    for (int aes = 0; aes <= crypto_aead_aes256gcm_is_available(); aes++)
        for (int encrypt = 0; encrypt < 2; encrypt++)
            for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++)
                measure(aes, encrypt, LENGTHS[i]);
    return 0;
}
