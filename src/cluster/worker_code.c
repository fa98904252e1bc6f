/*
 * Code that is not loaded here: the hub is asked for it, and who needs it waits. A task that looks for a function
 * stands still; a call that has not begun is put aside, since the thread that took it is the one that loads.
 */
#include "cluster/worker.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/load.h"
#include "cluster/wire.h"
#include "sched/openmp.h"

/* A function that a task looks for in an object that is not loaded; on its stack. */
typedef struct wanted {
    struct wanted  *next;
    const sbl_code *code;
    int             done;
    sabal_error     err;
} wanted;

/* A call that came before the code it needs. */
typedef struct deferred {
    struct deferred *next;
    sbl_frame        frame;
    sbl_build_id     object;
} deferred;

static pthread_mutex_t lock   = PTHREAD_MUTEX_INITIALIZER; /* of those who wait */
static pthread_cond_t  loaded = PTHREAD_COND_INITIALIZER;  /* an object is, or can't be */
static wanted         *waiting;
static deferred       *put_aside; /* the first thread's */

static void ask_for(const sbl_build_id *object)
{
    sbl_frame frame = {.type = SBL_MSG_NEED};

    sbl_put(&frame, object, sizeof *object);
    sbl_send_later(&frame);
}

/* The thread that reads loads it meanwhile. */
sabal_status sbl_find_lacking(void **address, const sbl_code *code, sabal_error *err)
{
    wanted w = {.code = code, .err = SABAL_ERROR_INIT};

    if (!code->object.size)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "a function that could not be named is not in this process");
    pthread_mutex_lock(&lock);
    w.next  = waiting;
    waiting = &w;
    pthread_mutex_unlock(&lock);
    ask_for(&code->object);
    pthread_mutex_lock(&lock);
    while (!w.done)
        pthread_cond_wait(&loaded, &lock);
    pthread_mutex_unlock(&lock);
    *address = sbl_code_find(code);
    return *address ? SABAL_OK : sbl_error_pass(err, &w.err);
}

static void tell_those_who_want(const sbl_build_id *object, const sabal_error *err)
{
    pthread_mutex_lock(&lock);
    for (wanted **link = &waiting; *link;) {
        wanted *w = *link;

        if (!sbl_build_id_equal(&w->code->object, object)) {
            link = &w->next;
            continue;
        }
        *link   = w->next;
        w->err  = *err;
        w->done = 1;
    }
    pthread_cond_broadcast(&loaded);
    pthread_mutex_unlock(&lock);
}

void sbl_defer_call(uint64_t id, sbl_frame *frame, const sbl_build_id *object)
{
    sabal_error err = SABAL_ERROR_INIT;
    deferred   *d   = sbl_calloc(1, sizeof *d);

    if (!d) {
        sbl_error_memory(&err, sizeof *d, "a call that waits for its code");
        sbl_send_failure(id, &err);
        return;
    }
    frame->at = 0;
    d->frame  = *frame;
    d->object = *object;
    d->next   = put_aside;
    memset(frame, 0, sizeof *frame);
    put_aside = d;
    ask_for(object);
}

void sbl_cancel_deferred(uint64_t id)
{
    sabal_error err = SABAL_ERROR_INIT;

    for (deferred **link = &put_aside; *link; link = &(*link)->next) {
        deferred *d = *link;
        uint64_t  its;

        its         = sbl_get_u64(&d->frame);
        d->frame.at = 0;
        if (its != id)
            continue;
        *link = d->next;
        sbl_error_set(&err, SABAL_ECANCELED, "cancelled");
        sbl_send_failure(id, &err);
        sbl_frame_clear(&d->frame);
        sbl_free(d);
        return;
    }
}

void sbl_take_object(sbl_frame *frame, void (*take_call)(sbl_frame *frame, const sabal_error *refused))
{
    const void  *id = sbl_get(frame, sizeof(sbl_build_id));
    const char  *libraries[512];
    sabal_error  err = SABAL_ERROR_INIT;
    sbl_build_id object;
    deferred   **link = &put_aside;

    if (!id)
        return;
    memcpy(&object, id, sizeof object);
    sbl_get_error(&err, frame);
    if (!err.status) {
        const char *path = sbl_get_text(frame);
        int32_t     n    = (int32_t)sbl_get_u64(frame);
        int         fd   = sbl_get_fd(frame);

        n = n < 0 ? 0 : n > 512 ? 512 : n;
        for (int32_t i = 0; i < n; i++)
            libraries[i] = sbl_get_text(frame);
        if (fd >= 0)
            sbl_object_load(fd, path, &object, libraries, n, &err);
        else
            sbl_error_set(&err, SABAL_EPEER, "code came without its file");
        if (fd >= 0)
            close(fd);
    }
    sbl_openmp_find(); /* of what came with it */
    if (!err.status)
        sbl_error_set(&err, SABAL_EINTERNAL, "code that was loaded does not hold the function");
    tell_those_who_want(&object, &err);
    while (*link) {
        deferred *d = *link;

        if (!sbl_build_id_equal(&d->object, &object)) {
            link = &d->next;
            continue;
        }
        *link = d->next;
        take_call(&d->frame, &err);
        sbl_frame_clear(&d->frame);
        sbl_free(d);
    }
}
