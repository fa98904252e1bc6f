/*
 * Code that is not loaded here. The scheduler is asked for it; what comes is loaded by a thread of its own, as constructors run
 * then, and the loop's thread runs nothing of the user's.
 */
#include "cluster/crew.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/log.h"
#include "base/thread.h"
#include "cluster/load.h"
#include "cluster/object_words.h"
#include "sched/openmp.h"

/* An object that was asked for. */
typedef struct asked {
    struct asked *next;
    sbl_build_id  id;
    sbl_evwork    work;       /* asks, in the loop */
    int           done;       /* it came, or can't be had (err) */
    int           is_useless; /* it came, and can't be used here: it is not asked for again */
    sabal_error   err;
} asked;

static asked         *first; /* under the crew's lock */
static pthread_cond_t came_or_not = PTHREAD_COND_INITIALIZER;

static void ask(sbl_evwork *work)
{
    asked    *a     = (asked *)(void *)((char *)work - offsetof(asked, work));
    sbl_words words = {0};

    sbl_say(&words, &a->id, sizeof a->id);
    if (sbl_crew.membership.link)
        sbl_talk(sbl_crew.membership.link, SBL_TALK_NEED, &words, NULL);
    sbl_words_clear(&words);
}

static asked *find(const sbl_build_id *object)
{
    asked *a = first;

    while (a && !sbl_build_id_equal(&a->id, object))
        a = a->next;
    return a;
}

static asked *find_or_make(const sbl_build_id *object)
{
    asked *a = find(object);

    if (a)
        return a;
    a = sbl_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->id       = *object;
    a->done     = 1;
    a->err      = (sabal_error)SABAL_ERROR_INIT;
    a->work.run = ask;
    a->next     = first;
    first       = a;
    return a;
}

/* One that could not be had is asked for again: another client may have it. */
sabal_status sbl_crew_need(const sbl_build_id *object, sabal_error *err)
{
    asked *a = find_or_make(object);

    if (!a)
        return sbl_error_memory(err, sizeof *a, "asking for code");
    if (a->is_useless)
        return sbl_error_pass(err, &a->err);
    if (a->done)
        sbl_evloop_post(sbl_crew.loop, &a->work);
    a->done = 0;
    return SABAL_OK;
}

/* --- what came ---------------------------------------------------------------------------------------------------- */

typedef struct parcel {
    size_t size;
    char   bytes[];
} parcel;

static sabal_status load(const sbl_object_words *o, sabal_error *err)
{
    int          fd = memfd_create("sabal-object", MFD_CLOEXEC);
    size_t       at = 0;
    sabal_status st = SABAL_OK;

    if (fd < 0)
        return sbl_error_errno(err, errno, "memory for code");
    while (at < o->size && !st) {
        ssize_t n = sbl_grow_write(fd, o->bytes + at, o->size - at);

        if (n < 0 && errno != EINTR)
            st = sbl_error_errno(err, errno, "memory for code");
        at += n > 0 ? (size_t)n : 0;
    }
    if (!st)
        st = sbl_object_load(fd, o->path, &o->id, o->libraries, o->n_libraries, err);
    close(fd);
    return st;
}

/* Tasks that wait for it go on, or fail. */
static void tell(const sbl_build_id *id, int came, const sabal_error *err)
{
    asked *a;

    pthread_mutex_lock(&sbl_crew.lock);
    a = find(id);
    if (a) {
        a->done       = 1;
        a->is_useless = came && err->status != SABAL_ENOMEM;
        a->err        = *err;
        if (a->is_useless && !err->status)
            sbl_error_set(&a->err, SABAL_EINTERNAL, "code that was loaded does not hold the function");
        pthread_cond_broadcast(&came_or_not);
    }
    sbl_crew_code_came(id, a ? &a->err : err);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_crew_speak();
}

static void *load_parcel(void *arg)
{
    parcel          *p = arg;
    sbl_reader       r = {.at = p->bytes, .end = p->bytes + p->size};
    sbl_object_words o;
    sabal_error      err = SABAL_ERROR_INIT;

    sbl_hear_object(&o, &r);
    if (r.failed)
        sbl_error_set(&err, SABAL_EFORMAT, "code came in words that make no sense");
    else if (o.err.status)
        err = o.err;
    else
        load(&o, &err);
    sbl_openmp_find(); /* of what came with it */
    tell(&o.id, !r.failed && !o.err.status, &err);
    sbl_free(p);
    return NULL;
}

void sbl_crew_take_object(void *arg, const void *frame, size_t size)
{
    parcel      *p   = sbl_alloc(sizeof *p + size);
    sabal_error  err = SABAL_ERROR_INIT;
    pthread_t    thread;
    sbl_build_id id;

    if (size < sizeof id) {
        sbl_free(p);
        return;
    }
    memcpy(&id, frame, sizeof id);
    if (!p) {
        sbl_error_memory(&err, sizeof *p + size, "code that came");
        tell(&id, 0, &err);
        return;
    }
    p->size = size;
    memcpy(p->bytes, frame, size);
    if (sbl_thread_start(&thread, load_parcel, p)) {
        sbl_error_set(&err, SABAL_ENOMEM, "no thread could be started to load code");
        tell(&id, 0, &err);
        sbl_free(p);
        return;
    }
    pthread_detach(thread);
}

sabal_status sbl_crew_find(void **address, const sbl_code *code, sabal_error *err)
{
    sabal_error  why = SABAL_ERROR_INIT;
    const asked *a;

    if (!code->object.size)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "a function that could not be named is not in this process");
    pthread_mutex_lock(&sbl_crew.lock);
    if (!sbl_crew_need(&code->object, &why)) {
        a = find(&code->object);
        while (!a->done)
            pthread_cond_wait(&came_or_not, &sbl_crew.lock);
        why = a->err;
    }
    pthread_mutex_unlock(&sbl_crew.lock);
    *address = sbl_code_find(code);
    return *address ? SABAL_OK : sbl_error_pass(err, &why);
}
