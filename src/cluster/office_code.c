/* Objects by build-id. The frame that brought one is kept, and sent as it is to whoever needs it. */
#include "cluster/office_code.h"

#include "base/alloc.h"
#include "base/code.h"
#include "cluster/talk.h"

typedef struct waiter {
    struct waiter *next;
    sbl_link      *link;
} waiter;

typedef struct object {
    struct object *next;
    sbl_build_id   id;
    void          *frame; /* NULL: it has not come */
    size_t         size;
    waiter        *waiting;
} object;

struct sbl_office_code {
    object *first;
};

sbl_office_code *sbl_office_code_create(void)
{
    return sbl_calloc(1, sizeof(sbl_office_code));
}

void sbl_office_code_destroy(sbl_office_code *code)
{
    while (code && code->first) {
        object *o = code->first;

        code->first = o->next;
        while (o->waiting) {
            waiter *w = o->waiting;

            o->waiting = w->next;
            sbl_free(w);
        }
        sbl_free(o->frame);
        sbl_free(o);
    }
    sbl_free(code);
}

static object *find_or_make(sbl_office_code *code, const sbl_build_id *id)
{
    object *o = code->first;

    while (o && !sbl_build_id_equal(&o->id, id))
        o = o->next;
    if (o)
        return o;
    o = sbl_calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->id       = *id;
    o->next     = code->first;
    code->first = o;
    return o;
}

static void send_to(const object *o, sbl_link *link)
{
    const sbl_session_head head = {.type = SBL_TALK_OBJECT, .length = o->size};

    sbl_link_send(link, &head, o->frame, NULL, NULL);
}

int sbl_office_code_need(sbl_office_code *code, sbl_link *link, sbl_reader *r)
{
    const char  *at = sbl_hear(r, sizeof(sbl_build_id));
    sbl_build_id id;
    object      *o;
    waiter      *w;

    if (!at)
        return 0;
    memcpy(&id, at, sizeof id);
    o = find_or_make(code, &id);
    if (o && o->frame) {
        send_to(o, link);
        return 0;
    }
    w = o ? sbl_calloc(1, sizeof *w) : NULL;
    if (!w)
        return 0;
    w->link    = link;
    w->next    = o->waiting;
    o->waiting = w;
    return 1;
}

void sbl_office_code_came(sbl_office_code *code, sbl_link *link, const void *frame, size_t size)
{
    sbl_reader   r  = {.at = frame, .end = (const char *)frame + size};
    const char  *at = sbl_hear(&r, sizeof(sbl_build_id));
    sbl_build_id id;
    object      *o;

    if (!at)
        return;
    memcpy(&id, at, sizeof id);
    o = find_or_make(code, &id);
    if (!o || o->frame)
        return;
    o->frame = sbl_alloc(size);
    if (!o->frame)
        return;
    memcpy(o->frame, frame, size);
    o->size = size;
    while (o->waiting) {
        waiter *w = o->waiting;

        o->waiting = w->next;
        send_to(o, w->link);
        sbl_free(w);
    }
}

void sbl_office_code_gone(sbl_office_code *code, sbl_link *link)
{
    for (object *o = code->first; o; o = o->next)
        for (waiter **at = &o->waiting; *at;) {
            waiter *w = *at;

            if (w->link != link) {
                at = &w->next;
                continue;
            }
            *at = w->next;
            sbl_free(w);
        }
}
