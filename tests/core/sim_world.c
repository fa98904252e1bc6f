/* Random numbers, events, time; what is wrong. */
#include <math.h>
#include <stdarg.h>

#include "core/sim.h"

uint64_t sim_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t sim_draw(sim *w, int stream)
{
    return sim_mix(sim_mix(w->plan.seed, (uint64_t)stream), w->drawn[stream]++);
}

uint32_t sim_below(sim *w, int stream, uint32_t n)
{
    return n ? (uint32_t)(sim_draw(w, stream) % n) : 0;
}

int sim_chance(sim *w, int stream, double p)
{
    return (double)(sim_draw(w, stream) >> 11) * 0x1p-53 < p;
}

int64_t sim_about(sim *w, int stream, double mean)
{
    const double u = ((double)(sim_draw(w, stream) >> 11) + 0.5) * 0x1p-53;

    return (int64_t)(-mean * log(u)) + 1;
}

int sim_has(const sim *w, uint32_t faults)
{
    return (w->plan.faults & faults) != 0;
}

void *sim_grow(void *items, uint32_t *room, uint32_t n, size_t size)
{
    char *more;

    if (n < *room)
        return items;
    more = realloc(items, (size_t)(2 * *room + 16) * size);
    if (!more)
        abort();
    memset(more + *room * size, 0, (size_t)(*room + 16) * size);
    *room = 2 * *room + 16;
    return more;
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

static int is_before(const event *a, const event *b)
{
    return a->time != b->time ? a->time < b->time : a->sequence < b->sequence;
}

event *sim_at(sim *w, int64_t time, int whose, void (*act)(sim *w, event *e))
{
    event    e = {.time = time > w->now ? time : w->now, .sequence = w->sequence++, .act = act, .proc = whose};
    uint32_t i;

    w->heap = sim_grow(w->heap, &w->events_room, w->n_events + 1, sizeof *w->heap);
    for (i = w->n_events++; i && is_before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = e;
    return &w->heap[i];
}

static event take(sim *w)
{
    const event first = w->heap[0], last = w->heap[--w->n_events];
    uint32_t    i = 0, child;

    while ((child = 2 * i + 1) < w->n_events) {
        if (child + 1 < w->n_events && is_before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!is_before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i          = child;
    }
    if (w->n_events)
        w->heap[i] = last;
    return first;
}

static void happen(sim *w, event *e)
{
    const proc *p = e->proc >= 0 ? &w->procs[e->proc] : NULL;

    w->now = e->time;
    if (p && !p->is_alive) {
        sbl_free(e->words.bytes);
        return;
    }
    if (p && p->paused_until > w->now) {
        event *later = sim_at(w, p->paused_until, e->proc, e->act);
        event  kept  = *later;

        *later          = *e;
        later->time     = kept.time;
        later->sequence = kept.sequence;
        return;
    }
    w->log = sim_mix(w->log, sim_mix((uint64_t)e->time, (uint64_t)e->proc + e->a));
    e->act(w, e);
    sbl_free(e->words.bytes);
    sim_check_idle(w); /* each time: what was between must not be overlooked */
    if (++w->n_happened % (uint64_t)w->plan.check_every == 0)
        sim_check(w);
}

void sim_run(sim *w)
{
    while (w->n_events && !w->wrong[0] && !w->is_over) {
        event e = take(w);

        happen(w, &e);
    }
    while (w->n_events) {
        event e = take(w);

        sbl_free(e.words.bytes);
    }
}

void sim_say_wrong(sim *w, const char *format, ...)
{
    va_list list;
    int     n;

    if (w->wrong[0])
        return;
    n = snprintf(w->wrong, sizeof w->wrong, "at %.6f s: ", (double)w->now / 1e9);
    va_start(list, format);
    vsnprintf(w->wrong + n, sizeof w->wrong - (size_t)n, format, list);
    va_end(list);
}

void sim_trace(sim *w, const char *format, ...)
{
    va_list list;

    if (!w->trace)
        return;
    printf("%12.6f ", (double)w->now / 1e9);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
}

/* --- values ------------------------------------------------------------------------------------------------------- */

value *sim_value(sim *w, proc *p, uint64_t hash, uint64_t size)
{
    value *v = calloc(1, sizeof *v);

    if (!v)
        abort();
    *v = (value){.hash = hash, .size = size, .is_alive = 1};
    if (!w->plan.is_big) {
        v->next   = w->values;
        w->values = v;
    }
    w->n_values++;
    p->held += size;
    return v;
}

void sim_forget(sim *w, proc *p, value *v)
{
    if (!v->is_alive)
        sim_say_wrong(w, "process %d forgets a value twice", sim_number(w, p));
    v->is_alive = 0;
    w->n_values--;
    p->held -= v->size;
    if (w->plan.is_big)
        free(v);
}
