/* What processes of a cluster say to each other besides letters, of any bytes: who joins, code, small values, failures. */
#include <stdint.h>
#include <stdlib.h>

#include <sodium.h>

#include "cluster/core/letters.h"
#include "cluster/object_words.h"
#include "cluster/talk.h"
#include "cluster/told.h"

static void must(int condition)
{
    if (!condition)
        abort();
}

static size_t ends(const char *text, size_t size)
{
    must(memchr(text, 0, size) != NULL);
    return strlen(text);
}

/* What was understood is said again, and means the same. */
static void fuzz_joining(sbl_reader *r)
{
    static sbl_joining who, again;
    sbl_words          words = {0};
    sbl_reader         back;

    sbl_hear_joining(&who, r);
    if (r->failed)
        return;
    must(who.threads >= 0 && who.threads <= 1 << 16 && who.n_addresses >= 0 && who.n_addresses <= SBL_MOST_ADDRESSES);
    ends(who.name, sizeof who.name);
    ends(who.resources, sizeof who.resources);
    ends(who.machine.host, sizeof who.machine.host);
    ends(who.machine.boot, sizeof who.machine.boot);
    for (int32_t i = 0; i < who.n_addresses; i++) {
        const sbl_address *a = &who.addresses[i];
        char               text[SBL_ADDRESS_TEXT];

        ends(a->interface, sizeof a->interface);
        ends(a->ip, sizeof a->ip);
        ends(a->path, sizeof a->path);
        ends(sbl_address_tell(text, a), sizeof text);
    }
    sbl_say_joining(&words, &who);
    back = (sbl_reader){.at = words.bytes, .end = words.bytes + words.size};
    sbl_hear_joining(&again, &back);
    must(!back.failed && back.at == back.end && again.threads == who.threads && again.memory == who.memory &&
         again.n_addresses == who.n_addresses && !strcmp(again.name, who.name) &&
         !strcmp(again.resources, who.resources) &&
         !memcmp(again.addresses, who.addresses, sizeof who.addresses[0] * (size_t)who.n_addresses));
    sbl_words_clear(&words);
}

static volatile unsigned seen; /* so that it is read */

/* With its hash, which no mutation finds. */
static void fuzz_object(sbl_reader *r, int with_hash)
{
    static sbl_object_words o;
    char                   *copy = NULL;
    size_t                  n = (size_t)(r->end - r->at), half = n / 2;
    unsigned                sum = 0;

    if (with_hash) {
        copy = malloc(n + SBL_OBJECT_HASH);
        memcpy(copy, r->at, half);
        crypto_generichash((unsigned char *)copy + half, SBL_OBJECT_HASH, (const unsigned char *)r->at + half, n - half,
                           NULL, 0);
        memcpy(copy + half + SBL_OBJECT_HASH, r->at + half, n - half);
        *r = (sbl_reader){.at = copy, .end = copy + n + SBL_OBJECT_HASH};
    }
    sbl_hear_object(&o, r);
    ends(o.err.message, sizeof o.err.message);
    if (!r->failed && !o.err.status) {
        must(o.n_libraries >= 0 && o.n_libraries <= SBL_MOST_LIBRARIES);
        sum = (unsigned)strlen(o.path);
        for (int32_t i = 0; i < o.n_libraries; i++)
            sum += (unsigned)strlen(o.libraries[i]);
        for (size_t i = 0; i < o.size; i++)
            sum += (unsigned char)o.bytes[i];
        seen = sum;
    }
    free(copy);
}

static void fuzz_told(sbl_reader *r)
{
    size_t      n     = (size_t)(r->end - r->at);
    sbl_value  *value = NULL;
    sabal_error err   = SABAL_ERROR_INIT;

    if (n > SBL_INLINE)
        n = SBL_INLINE;
    if (sbl_value_told(&value, r->at, (uint32_t)n | SBL_ENCODED, &err))
        must(err.message[0] && !value);
    sbl_value_release(value);
    value = NULL;
    must(!sbl_value_told(&value, r->at, (uint32_t)n, NULL));
    sbl_value_release(value);
}

static void fuzz_failure(sbl_reader *r)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_spec    spec;
    sbl_reader  again = *r;

    sbl_hear_failure(&err, r);
    ends(err.message, sizeof err.message);
    ends(err.task, sizeof err.task);
    ends(err.node, sizeof err.node);
    sbl_hear_spec(&spec, &again);
    if (!again.failed)
        seen = (unsigned)(strlen(spec.name) + strlen(spec.where));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    sbl_reader r = {.at = (const char *)bytes + 1, .end = (const char *)bytes + n};

    if (n < 1 || sodium_init() < 0)
        return 0;
    switch (bytes[0] % 5) {
    case 0:
        fuzz_joining(&r);
        break;
    case 1:
    case 2:
        fuzz_object(&r, bytes[0] % 5 == 2);
        break;
    case 3:
        fuzz_told(&r);
        break;
    default:
        fuzz_failure(&r);
    }
    return 0;
}
