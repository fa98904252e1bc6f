/* Frames of a cluster's links, and the keys of tickets. */
#include "cluster/talk.h"

#include "base/error.h"
#include "base/lists.h"
#include "cluster/core/letters.h"

static const sbl_frame_limit LIMITS[SBL_TALK_KINDS] = {[SBL_TALK_JOIN]    = {32768, 0},
                                                       [SBL_TALK_JOINED]  = {64, 0},
                                                       [SBL_TALK_LETTERS] = {SBL_MOST_LETTERS, 0},
                                                       [SBL_TALK_MEET]    = {32768, 0},
                                                       [SBL_TALK_NEED]    = {64, 0},
                                                       [SBL_TALK_OBJECT]  = {SBL_MOST_OBJECT, 0},
                                                       [SBL_TALK_ASK]     = {65536, 0},
                                                       [SBL_TALK_TELL]    = {SBL_MOST_LETTERS, 0},
                                                       [SBL_TALK_LEAVE]   = {64, 0},
                                                       [SBL_TALK_STOP]    = {1024, 0},
                                                       [SBL_TALK_GONE]    = {64, 0},
                                                       [SBL_TALK_BLAME]   = {32768, 0},
                                                       [SBL_TALK_RETIRE]  = {64, 0}};
const sbl_frame_limits       sbl_talk_limits        = {LIMITS, SBL_TALK_KINDS};

/* --- who joins ---------------------------------------------------------------------------------------------------- */

static void say_address(sbl_words *w, const sbl_address *a)
{
    sbl_say_u32(w, a->kind);
    sbl_say_u32(w, a->port);
    sbl_say_text(w, a->interface);
    sbl_say_text(w, a->ip);
    sbl_say_text(w, a->path);
}

void sbl_say_joining(sbl_words *w, const sbl_joining *who)
{
    sbl_say_u32(w, (uint32_t)who->threads);
    sbl_say_u32(w, who->supervised);
    sbl_say_u64(w, who->memory);
    sbl_say_text(w, who->machine.host);
    sbl_say_text(w, who->machine.boot);
    sbl_say_u64(w, who->machine.pid_namespace);
    sbl_say_u32(w, who->pid);
    sbl_say_text(w, who->name);
    sbl_say_text(w, who->resources);
    sbl_say_u32(w, (uint32_t)who->n_addresses);
    for (int32_t i = 0; i < who->n_addresses; i++)
        say_address(w, &who->addresses[i]);
}

static void hear_field(char *field, size_t size, sbl_reader *r)
{
    const char *text   = sbl_hear_text(r);
    size_t      length = strlen(text);

    length = length < size ? length : size - 1;
    memcpy(field, text, length);
    field[length] = 0;
}

static void hear_address(sbl_address *a, sbl_reader *r)
{
    const uint32_t kind = sbl_hear_u32(r), port = sbl_hear_u32(r);

    a->kind = kind == SBL_ADDRESS_UNIX ? SBL_ADDRESS_UNIX : SBL_ADDRESS_TCP;
    a->port = (uint16_t)port;
    hear_field(a->interface, sizeof a->interface, r);
    hear_field(a->ip, sizeof a->ip, r);
    hear_field(a->path, sizeof a->path, r);
    if ((kind != SBL_ADDRESS_UNIX && kind != SBL_ADDRESS_TCP) || port > UINT16_MAX)
        r->failed = 1;
}

void sbl_hear_joining(sbl_joining *who, sbl_reader *r)
{
    sbl_amounts amounts;
    uint32_t    threads, n;

    memset(who, 0, sizeof *who);
    threads         = sbl_hear_u32(r);
    who->supervised = sbl_hear_u32(r) != 0;
    who->memory     = sbl_hear_u64(r);
    hear_field(who->machine.host, sizeof who->machine.host, r);
    hear_field(who->machine.boot, sizeof who->machine.boot, r);
    who->machine.pid_namespace = sbl_hear_u64(r);
    who->pid                   = sbl_hear_u32(r);
    hear_field(who->name, sizeof who->name, r);
    hear_field(who->resources, sizeof who->resources, r);
    n = sbl_hear_u32(r);
    if (threads > 1 << 16 || n > SBL_MOST_ADDRESSES || sbl_amounts_read(&amounts, who->resources, "", NULL))
        r->failed = 1;
    who->threads = (int32_t)threads;
    for (uint32_t i = 0; i < n && !r->failed; i++)
        hear_address(&who->addresses[who->n_addresses++], r);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

const uint8_t *sbl_keys_find(void *arg, uint64_t ticket)
{
    sbl_keys *keys = arg;

    if (!ticket)
        return sbl_secret_borrow(keys->secret);
    if (!keys->self || ((uint32_t)ticket != keys->self && (uint32_t)(ticket >> 32) != keys->self))
        return NULL;
    sbl_keys_clear(keys);
    if (sbl_secret_derive(&keys->derived, keys->secret, "sabal ticket", &ticket, sizeof ticket, NULL))
        return NULL;
    return sbl_secret_borrow(keys->derived);
}

void sbl_keys_clear(sbl_keys *keys)
{
    sbl_secret_destroy(keys->derived);
    keys->derived = NULL;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

sabal_status sbl_talk(sbl_link *link, uint16_t kind, const sbl_words *words, sabal_error *err)
{
    const sbl_session_head head = {.type = kind, .length = words ? words->size : 0};

    if (words && words->failed)
        return sbl_error_memory(err, words->size, "a message");
    return sbl_link_send(link, &head, words ? words->bytes : NULL, NULL, err);
}

/* The letters of one frame: as many as are well sent together. */
static size_t next_frame(const char *bytes, size_t size)
{
    enum { WELL = 1 << 20 };
    sbl_reader frame = {.at = bytes, .end = bytes + size}, letter;
    size_t     n     = 0;

    while (n < WELL && sbl_letter_next(&letter, &frame))
        n = (size_t)(letter.end - bytes);
    return n;
}

static sabal_status send_letters(sbl_link *link, const sbl_words *words, size_t *at, size_t most, sabal_error *err)
{
    sabal_status st = words->failed ? sbl_error_memory(err, words->size, "letters") : SABAL_OK;

    while (*at < words->size && !st && sbl_link_waiting(link) < most) {
        const size_t           n    = next_frame(words->bytes + *at, words->size - *at);
        const sbl_session_head head = {.type = SBL_TALK_LETTERS, .length = n};

        st = sbl_link_send(link, &head, words->bytes + *at, NULL, err);
        *at += n;
    }
    return st;
}

sabal_status sbl_talk_letters(sbl_link *link, const sbl_words *words, sabal_error *err)
{
    return send_letters(link, words, &(size_t){0}, SIZE_MAX, err);
}

sabal_status sbl_talk_some_letters(sbl_link *link, const sbl_words *words, size_t *at, sabal_error *err)
{
    return send_letters(link, words, at, SBL_WELL_WAITING, err);
}
