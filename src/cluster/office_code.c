/*
 * Objects by build-id. The frame that brought one is kept, and sent as it is to whoever needs it. One that is not here is asked
 * of each client; when all have said that they can't give it, or have left, who waits for it hears why.
 */
#include "cluster/office_code.h"

#include <string.h>

#include "base/alloc.h"
#include "base/code.h"
#include "base/error.h"
#include "cluster/core/letters.h"
#include "cluster/talk.h"

/* A link in a list: of clients, of those that were asked, of those that wait. */
typedef struct person {
    struct person *next;
    sbl_link      *link;
    int            has_answered; /* it was asked, and can't give it */
} person;

typedef struct object {
    struct object *next;
    sbl_build_id   id;
    void          *frame; /* NULL: it has not come */
    size_t         size;
    person        *waiting, *asked;
    sabal_error    why; /* what one of those said that have it, and can't give it */
} object;

struct sbl_office_code {
    object *first;
    person *clients;
};

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* 0: no memory. */
static int add(person **list, sbl_link *link)
{
    person *p = sbl_calloc(1, sizeof *p);

    if (!p)
        return 0;
    p->link = link;
    p->next = *list;
    *list   = p;
    return 1;
}

static person *find(person *list, const sbl_link *link)
{
    while (list && list->link != link)
        list = list->next;
    return list;
}

static void take_out(person **list, const sbl_link *link)
{
    while (*list) {
        person *p = *list;

        if (p->link != link) {
            list = &p->next;
            continue;
        }
        *list = p->next;
        sbl_free(p);
    }
}

static void clear(person **list)
{
    while (*list)
        take_out(list, (*list)->link);
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

sbl_office_code *sbl_office_code_create(void)
{
    return sbl_calloc(1, sizeof(sbl_office_code));
}

void sbl_office_code_destroy(sbl_office_code *code)
{
    while (code && code->first) {
        object *o = code->first;

        code->first = o->next;
        clear(&o->waiting);
        clear(&o->asked);
        sbl_free(o->frame);
        sbl_free(o);
    }
    if (code)
        clear(&code->clients);
    sbl_free(code);
}

static object *find_object(const sbl_office_code *code, const sbl_build_id *id)
{
    object *o = code->first;

    while (o && !sbl_build_id_equal(&o->id, id))
        o = o->next;
    return o;
}

static object *find_or_make(sbl_office_code *code, const sbl_build_id *id)
{
    object *o = find_object(code, id);

    if (o)
        return o;
    o = sbl_calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->id       = *id;
    o->why      = (sabal_error)SABAL_ERROR_INIT;
    o->next     = code->first;
    code->first = o;
    return o;
}

static void refuse(const sbl_build_id *id, sbl_link *link, const sabal_error *why)
{
    sbl_words words = {0};

    sbl_say(&words, id, sizeof *id);
    sbl_say_failure(&words, why);
    sbl_talk(link, SBL_TALK_OBJECT, &words, NULL);
    sbl_words_clear(&words);
}

static void send_to(const object *o, sbl_link *link)
{
    const sbl_session_head head = {.type = SBL_TALK_OBJECT, .length = o->size};
    sabal_error            err  = SABAL_ERROR_INIT;

    if (sbl_link_send(link, &head, o->frame, NULL, &err))
        refuse(&o->id, link, &err);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* Nobody can give it. */
static void give_up(object *o)
{
    if (!o->why.status)
        sbl_error_set(&o->why, SABAL_ENOENT,
                      "no client has the code of this task: it was unloaded there (dlclose), or its program is gone");
    for (person *w = o->waiting; w; w = w->next)
        refuse(&o->id, w->link, &o->why);
    clear(&o->waiting);
    clear(&o->asked);
    sbl_error_clear(&o->why);
}

/* Asks those clients that were not asked yet; several may come while others are asked. */
static void go_on(const sbl_office_code *code, object *o)
{
    const sbl_session_head head = {.type = SBL_TALK_NEED, .length = sizeof o->id};
    int                    left = 0;

    for (person *c = code->clients; c && o->waiting; c = c->next) {
        const person *a = find(o->asked, c->link);

        if (!a && !add(&o->asked, c->link)) {
            sbl_error_memory(&o->why, sizeof *c, "a task's code");
            continue;
        }
        if (!a) {
            a = o->asked;
            if (sbl_link_send(c->link, &head, &o->id, NULL, NULL))
                o->asked->has_answered = 1;
        }
        left += !a->has_answered;
    }
    if (o->waiting && !left)
        give_up(o);
}

int sbl_office_code_client(sbl_office_code *code, sbl_link *link)
{
    return add(&code->clients, link);
}

void sbl_office_code_need(sbl_office_code *code, sbl_link *link, sbl_reader *r)
{
    const char  *at  = sbl_hear(r, sizeof(sbl_build_id));
    sabal_error  err = SABAL_ERROR_INIT;
    sbl_build_id id;
    object      *o;

    if (!at)
        return;
    memcpy(&id, at, sizeof id);
    o = find_or_make(code, &id);
    if (o && o->frame) {
        send_to(o, link);
    } else if (o && (find(o->waiting, link) || add(&o->waiting, link))) {
        go_on(code, o);
    } else {
        sbl_error_memory(&err, sizeof *o, "a task's code");
        refuse(&id, link, &err);
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void has_not(const sbl_office_code *code, object *o, person *who, const sabal_error *why)
{
    who->has_answered = 1;
    if (why->status != SABAL_ENOENT && !o->why.status)
        o->why = *why;
    go_on(code, o);
}

void sbl_office_code_came(sbl_office_code *code, sbl_link *link, const void *frame, size_t size)
{
    sbl_reader   r   = {.at = frame, .end = (const char *)frame + size};
    const char  *at  = sbl_hear(&r, sizeof(sbl_build_id));
    sabal_error  err = SABAL_ERROR_INIT;
    sbl_build_id id;
    object      *o;
    person      *who;

    if (!at)
        return;
    memcpy(&id, at, sizeof id);
    o   = find_object(code, &id);
    who = o ? find(o->asked, link) : NULL; /* nobody else is believed */
    if (!who || o->frame)
        return;
    sbl_hear_failure(&err, &r);
    if (r.failed)
        sbl_error_set(&err, SABAL_EFORMAT, "a client gave code in words that make no sense");
    o->frame = err.status ? NULL : sbl_alloc(size);
    if (!err.status && !o->frame)
        sbl_error_memory(&err, size, "a task's code");
    if (err.status) {
        has_not(code, o, who, &err);
        return;
    }
    memcpy(o->frame, frame, size);
    o->size = size;
    for (person *w = o->waiting; w; w = w->next)
        send_to(o, w->link);
    clear(&o->waiting);
    clear(&o->asked);
}

void sbl_office_code_gone(sbl_office_code *code, sbl_link *link)
{
    take_out(&code->clients, link);
    for (object *o = code->first; o; o = o->next) {
        take_out(&o->waiting, link);
        take_out(&o->asked, link);
        if (o->waiting)
            go_on(code, o);
    }
}
