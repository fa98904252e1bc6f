/*
 * Two levels. Each thread has a few records of each class of size: a list of free ones, and a range of a chunk that was
 * never used (so that memory is touched by whoever uses it first). They come from, and go back to, the class's chunks,
 * many at a time under its lock. A chunk is found from a record by its address, and knows how many of its records are
 * out; when none is, it is given back.
 */
#include "base/slab.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/sanitized.h"

enum {
    LINE     = 64,
    CLASSES  = 8,   /* of 1 to 8 lines; what is larger is rare, and malloc's */
    MANY     = 64,  /* records that a thread takes at once */
    MOST     = 256, /* that it keeps; beyond, half of them go back */
    MOST_OLD = 4,   /* empty chunks that a class keeps */
    SMALL    = 31   /* chunks on small pages after a dear huge one */
};
#define CHUNK ((size_t)2 << 20) /* a huge page */
#define DEAR  1000000           /* ns of a huge page's first touch: what the small ones of a chunk take together */

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
} chunk;

typedef struct class
{
    _Alignas(LINE) pthread_mutex_t lock;
    chunk *first; /* of the list */
    chunk *fresh; /* has records that were never given out */
    int    n_chunks, n_empty;
    int    n_small; /* chunks that are still to be on small pages */
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
static int64_t        huge_pages = 1; /* the setting */

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

static chunk *map_chunk(int advice)
{
    char  *memory = mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char  *at;
    size_t before;

    if (memory == MAP_FAILED)
        return NULL;
    at     = (char *)(((uintptr_t)memory + CHUNK - 1) & ~(uintptr_t)(CHUNK - 1));
    before = (size_t)(at - memory);
    if (before)
        munmap(memory, before);
    munmap(at + CHUNK, CHUNK - before);
    madvise(at, CHUNK, advice);
    return (chunk *)(void *)at;
}

/*
 * Few records are not worth a huge page: the first chunk of a class does without, whatever the system's usage is. Nor
 * is a dear one. In a virtual machine the host may have taken free memory back, and a huge page takes 2 to 5 ms until
 * it is there again, against 0.2 ms; memory that is in pieces takes as long. So the first touch is timed.
 */
static chunk *new_chunk(class *s)
{
    const int small = !s->n_chunks || s->n_small > 0 || !huge_pages;
    int64_t   before;
    chunk    *k = map_chunk(small ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);

    if (!k)
        return NULL;
    s->n_small -= s->n_small > 0;
    before    = sbl_clock_ns();
    k->n_made = 0;
    if (!small && sbl_clock_ns() - before > DEAR)
        s->n_small = SMALL;
    s->n_chunks++;
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

static int take_fresh(class *s, stock *t, int c, uint32_t many)
{
    chunk   *k    = s->fresh;
    uint32_t most = records_in_chunk(c), n;

    if (!k) {
        k = new_chunk(s);
        if (!k)
            return 0;
        s->fresh = k;
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
    sbl_config_int(&huge_pages, "huge_pages", 0, 1, NULL); /* what can't be read is reported by sabal_open() */
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
    int            ok   = 1;

    pthread_mutex_lock(&s->lock);
    if (s->first)
        take_free(s, t, s->first, many);
    else
        ok = take_fresh(s, t, c, many);
    pthread_mutex_unlock(&s->lock);
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
