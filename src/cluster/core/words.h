/*
 * The words of messages: numbers as they lie in memory (a handshake of other byte order is refused), texts with their end,
 * blocks of bytes. A writer grows; a reader is bounded and believes nothing: what is not there is 0, and told at the end.
 */
#ifndef SBL_CORE_WORDS_H
#define SBL_CORE_WORDS_H

#include <string.h>

#include <sabal/status.h>

#include "base/alloc.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages are as little-endian processors have them");

typedef struct sbl_words {
    char  *bytes; /* ours */
    size_t size, room;
    int    failed; /* no memory: what was written since is lost */
} sbl_words;

static inline void sbl_words_clear(sbl_words *w)
{
    sbl_free(w->bytes);
    memset(w, 0, sizeof *w);
}

/** Room for size bytes more, to be filled; NULL (and failed) if there is none. */
static inline char *sbl_words_add(sbl_words *w, size_t size)
{
    char *at;

    if (__builtin_expect(w->room - w->size < size, 0)) {
        size_t room = 2 * w->room + size + 256;
        char  *more = w->failed ? NULL : sbl_realloc(w->bytes, room);

        if (!more) {
            w->failed = 1;
            return NULL;
        }
        w->bytes = more;
        w->room  = room;
    }
    at = w->bytes + w->size;
    w->size += size;
    return at;
}

static inline void sbl_say(sbl_words *w, const void *bytes, size_t size)
{
    char *at = size ? sbl_words_add(w, size) : NULL;

    if (at)
        memcpy(at, bytes, size);
}

static inline void sbl_say_u32(sbl_words *w, uint32_t value)
{
    sbl_say(w, &value, sizeof value);
}

static inline void sbl_say_u64(sbl_words *w, uint64_t value)
{
    sbl_say(w, &value, sizeof value);
}

/** NULL: "". */
static inline void sbl_say_text(sbl_words *w, const char *text)
{
    const char *t = text ? text : "";

    sbl_say(w, t, strlen(t) + 1);
}

typedef struct sbl_reader {
    const char *at, *end;
    int         failed; /* something was not there */
} sbl_reader;

static inline int sbl_reader_is_at_end(const sbl_reader *r)
{
    return r->at >= r->end || r->failed;
}

/** Where the next size bytes lie, unaligned; NULL (and failed) if there are fewer. */
static inline const char *sbl_hear(sbl_reader *r, size_t size)
{
    const char *at = r->at;

    if (__builtin_expect(r->failed || size > (size_t)(r->end - r->at), 0)) {
        r->failed = 1;
        return NULL;
    }
    r->at += size;
    return at;
}

static inline uint32_t sbl_hear_u32(sbl_reader *r)
{
    const char *at    = sbl_hear(r, sizeof(uint32_t));
    uint32_t    value = 0;

    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t sbl_hear_u64(sbl_reader *r)
{
    const char *at    = sbl_hear(r, sizeof(uint64_t));
    uint64_t    value = 0;

    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

/** "" (and failed) if none ends within the message. */
static inline const char *sbl_hear_text(sbl_reader *r)
{
    const char *end = r->failed ? NULL : memchr(r->at, 0, (size_t)(r->end - r->at));

    return end ? sbl_hear(r, (size_t)(end - r->at) + 1) : (r->failed = 1, "");
}

#endif
