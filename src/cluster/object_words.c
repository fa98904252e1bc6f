/* Build-id, failure, path, libraries, the hash of the bytes (BLAKE2b), the bytes. */
#include "cluster/object_words.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/error.h"
#include "cluster/core/letters.h"
#include "cluster/load.h"

static sabal_status say_file(sbl_words *w, int fd, sabal_error *err)
{
    struct stat   about;
    unsigned char hash[SBL_OBJECT_HASH];
    char         *room;
    size_t        at = 0, start;

    if (fstat(fd, &about))
        return sbl_error_errno(err, errno, "a program's file");
    start = w->size + sizeof hash;
    sbl_words_add(w, sizeof hash);
    room = sbl_words_add(w, (size_t)about.st_size);
    if (!room)
        return sbl_error_memory(err, (size_t)about.st_size, "a program's file");
    while (at < (size_t)about.st_size) {
        ssize_t n = pread(fd, room + at, (size_t)about.st_size - at, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sbl_error_errno(err, n ? errno : EIO, "a program's file");
        at += (size_t)n;
    }
    crypto_generichash(hash, sizeof hash, (unsigned char *)room, at, NULL, 0);
    memcpy(w->bytes + start - sizeof hash, hash, sizeof hash);
    return SABAL_OK;
}

void sbl_say_object(sbl_words *w, const sbl_build_id *id)
{
    char        path[4096] = "", libraries[32768];
    int         fd         = -1;
    sabal_error err        = SABAL_ERROR_INIT;
    size_t      start;
    int32_t     n = 0;

    sbl_say(w, id, sizeof *id);
    start = w->size;
    sbl_object_open(&fd, path, sizeof path, id, &err);
    if (!err.status) {
        sbl_say_failure(w, &err);
        sbl_say_text(w, path);
        n = sbl_object_list(libraries, sizeof libraries);
        n = n < SBL_MOST_LIBRARIES ? n : SBL_MOST_LIBRARIES;
        sbl_say_u32(w, (uint32_t)n);
        for (const char *at = libraries; n > 0; n--, at += strlen(at) + 1)
            sbl_say_text(w, at);
        say_file(w, fd, &err);
    }
    if (fd >= 0)
        close(fd);
    if (err.status && !w->failed) {
        w->size = start;
        sbl_say_failure(w, &err);
    }
}

void sbl_hear_object(sbl_object_words *o, sbl_reader *r)
{
    const char   *id = sbl_hear(r, sizeof o->id), *hash;
    unsigned char own[SBL_OBJECT_HASH];
    uint32_t      n;

    memset(o, 0, sizeof *o);
    o->err = (sabal_error)SABAL_ERROR_INIT;
    if (!id)
        return;
    memcpy(&o->id, id, sizeof o->id);
    sbl_hear_failure(&o->err, r);
    if (r->failed || o->err.status)
        return;
    o->path = sbl_hear_text(r);
    n       = sbl_hear_u32(r);
    if (n > SBL_MOST_LIBRARIES)
        r->failed = 1;
    for (uint32_t i = 0; i < n && !r->failed; i++)
        o->libraries[o->n_libraries++] = sbl_hear_text(r);
    hash = sbl_hear(r, sizeof own);
    if (r->failed)
        return;
    o->size  = (size_t)(r->end - r->at);
    o->bytes = sbl_hear(r, o->size);
    crypto_generichash(own, sizeof own, (const unsigned char *)o->bytes, o->size, NULL, 0);
    if (sodium_memcmp(own, hash, sizeof own) != 0)
        r->failed = 1;
}
