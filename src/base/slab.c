/*
 * Two levels. Each thread has a few records of each class of size: a list of free ones, and a range of a chunk that was
 * never used (so that memory is touched by whoever uses it first, but for small pages that are fetched ahead). They come
 * from, and go back to, the class's chunks, many at a time under its lock. A chunk is found from a record by its address,
 * and knows how many of its records are out; when none is, it is given back.
 */
#include "base/slab.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/pages.h"
#include "base/sanitized.h"

enum {
    LINE     = 64,
    CLASSES  = 8,         /* of 1 to 8 lines; what is larger is rare, and malloc's */
    MANY     = 64,        /* records that a thread takes at once */
    MOST     = 256,       /* that it keeps; beyond, half of them go back */
    MOST_OLD = 4,         /* empty chunks that a class keeps */
    AHEAD    = 16 * 4096, /* bytes that are fetched at once: a page that faults alone takes half as long again */
};
#define CHUNK SBL_HUGE_PAGE

typedef struct record {
    struct record *next;
} record;

/* At the start of its memory. */
typedef struct chunk {
    struct chunk *next, *previous; /* those with free records, in no order */
    record       *free;
    uint32_t      n_out;  /* records that are with threads, used or not */
    uint32_t      n_made; /* that were ever given out */
    int32_t       is_listed;
    uint32_t      fetched; /* bytes from its start that were asked of the system; all of them if it does so by itself */
} chunk;

typedef struct class
{
    _Alignas(LINE) pthread_mutex_t lock;
    chunk *first; /* of the list */
    chunk *fresh; /* has records that were never given out */
    int    n_chunks, n_empty;
} class;

typedef struct stock {
    record *first;
    char   *fresh, *fresh_end;
    int32_t n;
} stock;

static class classes[CLASSES] = {[0 ... CLASSES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};
static pthread_once_t once    = PTHREAD_ONCE_INIT;
static pthread_key_t  key; /* for the end of a thread */
static int            has_key;

/* A thread keeps a stock only if that will be given back at its end. */
enum { NEW, KEEPS, ENDED };
static __thread stock stocks[CLASSES];
static __thread int   state;

/* --- chunks ------------------------------------------------------------------------------------------------------ */

static size_t size_of_class(int c)
{
    return (size_t)(c + 1) * LINE;
}

static uint32_t records_in_chunk(int c)
{
    return (uint32_t)((CHUNK - LINE) / size_of_class(c));
}

static chunk *chunk_of(const void *r)
{
    return (chunk *)((uintptr_t)r & ~(uintptr_t)(CHUNK - 1));
}

static char *record_at(chunk *k, int c, uint32_t i)
{
    return (char *)k + LINE + i * size_of_class(c);
}

static void list(class *s, chunk *k)
{
    k->is_listed = 1;
    k->previous  = NULL;
    k->next      = s->first;
    if (k->next)
        k->next->previous = k;
    s->first = k;
}

static void unlist(class *s, chunk *k)
{
    k->is_listed                                    = 0;
    *(k->previous ? &k->previous->next : &s->first) = k->next;
    if (k->next)
        k->next->previous = k->previous;
}

/* Few records are not worth a huge page: the first chunk of a class does without, whatever the system's usage is. */
static chunk *map_chunk(int is_first)
{
    chunk *k = sbl_pages_map(CHUNK);

    if (!k)
        return NULL;
    if (is_first)
        madvise(k, CHUNK, MADV_NOHUGEPAGE);
    k->fetched = !is_first && sbl_pages_advise(k, CHUNK) ? 0 : CHUNK;
    return k;
}

/* With the lock held: all its records are here. */
static void chunk_is_empty(class *s, chunk *k)
{
    if (s->n_empty < MOST_OLD) {
        s->n_empty++;
        return;
    }
    if (k->is_listed)
        unlist(s, k);
    if (s->fresh == k)
        s->fresh = NULL;
    s->n_chunks--;
    munmap(k, CHUNK);
}

/* --- taking and giving back, with the lock held -------------------------------------------------------------------- */

static void take_free(class *s, stock *t, chunk *k, uint32_t many)
{
    s->n_empty -= !k->n_out;
    while (k->free && (uint32_t)t->n < many) {
        record *r = k->free;

        k->free  = r->next;
        r->next  = t->first;
        t->first = r;
        t->n++;
        k->n_out++;
    }
    if (!k->free)
        unlist(s, k);
}

/* What is to be fetched for the records up to end; 0 bytes: nothing. */
static size_t must_fetch(chunk *k, const char *end, char **from)
{
    const size_t wanted = (size_t)(end - (char *)k), done = k->fetched;

    if (wanted <= done)
        return 0;
    *from      = (char *)k + done;
    k->fetched = (uint32_t)((wanted + AHEAD - 1) / AHEAD * AHEAD);
    return k->fetched - done;
}

static int take_fresh(class *s, stock *t, int c, uint32_t many)
{
    chunk   *k    = s->fresh;
    uint32_t most = records_in_chunk(c), n;

    if (!k) {
        k = map_chunk(!s->n_chunks);
        if (!k)
            return 0;
        s->fresh = k;
        s->n_chunks++;
    } else {
        s->n_empty -= !k->n_out;
    }
    n            = most - k->n_made < many ? most - k->n_made : many;
    t->fresh     = record_at(k, c, k->n_made);
    t->fresh_end = t->fresh + n * size_of_class(c);
    k->n_made += n;
    k->n_out += n;
    if (k->n_made == most)
        s->fresh = NULL;
    return 1;
}

static void give_back(class *s, record *r)
{
    chunk *k = chunk_of(r);

    r->next = k->free;
    k->free = r;
    if (!k->is_listed)
        list(s, k);
    if (--k->n_out == 0)
        chunk_is_empty(s, k);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

static void give_back_some(stock *t, int c, int32_t n)
{
    class *s = &classes[c];

    pthread_mutex_lock(&s->lock);
    for (; n > 0 && t->first; n--) {
        record *r = t->first;

        t->first = r->next;
        t->n--;
        give_back(s, r);
    }
    pthread_mutex_unlock(&s->lock);
}

static void end_thread(void *unused)
{
    for (int c = 0; c < CLASSES; c++) {
        stock *t = &stocks[c];

        for (; t->fresh < t->fresh_end; t->fresh += size_of_class(c), t->n++) {
            record *r = (record *)(void *)t->fresh;

            r->next  = t->first;
            t->first = r;
        }
        give_back_some(t, c, t->n);
    }
    state = ENDED;
}

static void lock_all(void)
{
    for (int c = 0; c < CLASSES; c++)
        pthread_mutex_lock(&classes[c].lock);
}

static void unlock_all(void)
{
    for (int c = CLASSES; c-- > 0;)
        pthread_mutex_unlock(&classes[c].lock);
}

static void begin(void)
{
    has_key = !pthread_key_create(&key, end_thread);
    pthread_atfork(lock_all, unlock_all, unlock_all);
}

static int keeps_a_stock(void)
{
    if (state == NEW) {
        pthread_once(&once, begin);
        state = has_key && !pthread_setspecific(key, stocks) ? KEEPS : ENDED;
    }
    return state == KEEPS;
}

static int fill(stock *t, int c)
{
    const uint32_t many = keeps_a_stock() ? MANY : 1;
    class         *s    = &classes[c];
    char          *from = NULL;
    size_t         size = 0;
    int            ok   = 1;

    pthread_mutex_lock(&s->lock);
    if (s->first)
        take_free(s, t, s->first, many);
    else if ((ok = take_fresh(s, t, c, many)))
        size = must_fetch(chunk_of(t->fresh), t->fresh_end, &from);
    pthread_mutex_unlock(&s->lock);
    if (size)
        sbl_pages_fetch(from, size);
    return ok;
}

/* --- the two calls ------------------------------------------------------------------------------------------------- */

static int is_class(size_t size, int *c)
{
    *c = (int)((size + LINE - 1) / LINE) - 1;
    return !SBL_SANITIZED && size > 0 && size <= CLASSES * LINE;
}

void *sbl_slab_alloc(size_t size)
{
    stock  *t;
    record *r;
    int     c;

    if (!is_class(size, &c))
        return sbl_alloc_aligned(LINE, size);
    if (sbl_alloc_must_fail())
        return NULL;
    t = &stocks[c];
    if (!t->first && t->fresh == t->fresh_end && !fill(t, c))
        return NULL;
    r = t->first;
    if (r) {
        t->first = r->next;
        t->n--;
        return r;
    }
    r = (record *)(void *)t->fresh;
    t->fresh += size_of_class(c);
    return r;
}

void sbl_slab_free(void *memory, size_t size)
{
    record *r = memory;
    stock  *t;
    int     c;

    if (!r || !is_class(size, &c)) {
        sbl_free(r);
        return;
    }
    t        = &stocks[c];
    r->next  = t->first;
    t->first = r;
    if (++t->n > MOST || !keeps_a_stock())
        give_back_some(t, c, state == KEEPS ? MOST / 2 : t->n);
}
