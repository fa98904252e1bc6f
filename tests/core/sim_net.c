/* Links: in order, with delays, breaks and standstills. Letters to the scheduler go as bytes, cut and put together anyhow. */
#include "core/sim.h"

int sim_number(const sim *w, const proc *p)
{
    return (int)(p - w->procs);
}

int sim_proc_of(const sim *w, uint32_t peer)
{
    for (int i = w->n_procs; peer && i-- > 0;)
        if (w->procs[i].peer == peer)
            return i;
    return -1;
}

int sim_has_met(const proc *p, uint32_t peer)
{
    int has = 0;

    for (int i = 0; i < OCCUPANTS; i++)
        has |= p->met[i * SLOTS + peer % SLOTS] == peer;
    return has;
}

/* Who had that slot before may still be told of in letters that are under way. */
void sim_meet(proc *p, uint32_t peer)
{
    for (int i = OCCUPANTS; --i > 0;)
        p->met[i * SLOTS + peer % SLOTS] = p->met[(i - 1) * SLOTS + peer % SLOTS];
    p->met[peer % SLOTS] = peer;
}

static channel *channel_of(sim *w, int from, int to)
{
    const uint32_t key = (uint32_t)from << 16 | (uint32_t)to | 1u << 31;
    uint32_t       i;

    if (2 * w->n_channels >= w->channels_room) {
        const uint32_t before = w->channels_room, room = before ? 2 * before : 256;
        channel       *old = w->channels;

        w->channels      = calloc(room, sizeof *w->channels);
        w->channels_room = room;
        for (uint32_t k = 0; k < before; k++)
            if (old[k].key) {
                for (i = (uint32_t)sim_mix(old[k].key, 0) & (room - 1); w->channels[i].key;)
                    i = (i + 1) & (room - 1);
                w->channels[i] = old[k];
            }
        free(old);
    }
    for (i = (uint32_t)sim_mix(key, 0) & (w->channels_room - 1); w->channels[i].key && w->channels[i].key != key;)
        i = (i + 1) & (w->channels_room - 1);
    if (!w->channels[i].key) {
        w->n_channels++;
        w->channels[i] = (channel){.key = key, .slow = 1};
        if (sim_has(w, F_SLOW_LINKS) && sim_chance(w, FROM_NET, 0.1))
            w->channels[i].slow = 20;
    }
    return &w->channels[i];
}

uint32_t sim_epoch(sim *w, int from, int to)
{
    return channel_of(w, from, to)->epoch;
}

void sim_reset(sim *w, int a, int b)
{
    channel_of(w, a, b)->epoch++;
    channel_of(w, b, a)->epoch++;
}

int64_t sim_arrival(sim *w, int from, int to, uint64_t size)
{
    channel *c    = channel_of(w, from, to);
    int64_t  time = w->now + (int64_t)((double)(sim_about(w, FROM_NET, w->plan.delay) + (int64_t)size) * c->slow);

    if (sim_has(w, F_SPIKES) && w->now < w->plan.faults_end && sim_chance(w, FROM_NET, 0.01))
        time += sim_about(w, FROM_NET, 50e6);
    for (int i = 0; i < 2; i++) {
        const int64_t cut = w->procs[i ? to : from].cut_until;

        if (time < cut)
            time = cut + 1;
    }
    if (time <= c->last)
        time = c->last + 1;
    c->last = time;
    return time;
}

static void arrive(sim *w, event *e)
{
    proc *p = &w->procs[e->proc];

    if (e->epoch != sim_epoch(w, e->from, e->proc))
        return;
    sim_trace(w, "%d -> %d: %zu bytes", e->from, e->proc, e->words.size);
    w->n_frames++;
    if (p->kind == THE_SCHEDULER)
        sim_hear_scheduler(w, e);
    else if (p->kind == A_WORKER)
        sim_worker_hear(w, e);
    else
        sim_client_hear(w, e);
}

int sim_is_talking(const sim *w, int number)
{
    for (uint32_t i = 0; i < w->n_events; i++) {
        const event *e = &w->heap[i];

        if (e->act == arrive && ((e->proc == number && !e->from) || (!e->proc && e->from == number)))
            return 1;
    }
    return 0;
}

static void send_piece(sim *w, int from, int to, const char *bytes, size_t size)
{
    event *e;

    e        = sim_at(w, sim_arrival(w, from, to, size), to, arrive);
    e->from  = from;
    e->epoch = sim_epoch(w, from, to);
    e->words = (sbl_words){0};
    sbl_say(&e->words, bytes, size);
    w->log = sim_mix(w->log, size);
}

/* Its beginning as numbers. */
static void trace_letter(sim *w, int from, int to, uint32_t kind, const sbl_reader *letter)
{
    sbl_reader r        = *letter;
    char       text[80] = "";

    for (size_t n = 0; n < 60 && r.end - r.at >= 4;)
        n += (size_t)snprintf(text + n, sizeof text - n, " %u", sbl_hear_u32(&r));
    sim_trace(w, "%d -> %d says %u, %zu bytes:%s", from, to, kind, (size_t)(letter->end - letter->at), text);
}

/* Cuts it at some of the ends of letters. Returns the bytes that went before the process ended. */
void sim_send_letters(sim *w, int from, int to, const char *bytes, size_t size)
{
    sbl_reader  frame = {.at = bytes, .end = bytes + size}, letter;
    const char *start = bytes;
    uint32_t    kind;

    if (!from && !w->procs[to].is_linked) /* the link is broken, and the scheduler does not know yet */
        return;
    while ((kind = sbl_letter_next(&letter, &frame))) {
        const int is_last = frame.at == frame.end;

        if (w->trace)
            trace_letter(w, from, to, kind, &letter);
        w->n_letters++;
        w->procs[from].letters++;
        if (!is_last && !sim_chance(w, FROM_NET, 0.2))
            continue;
        send_piece(w, from, to, start, (size_t)(frame.at - start));
        start = frame.at;
        if (from && sim_has(w, F_HALF_SAID) && w->now < w->plan.faults_end && sim_chance(w, FROM_FAULTS, 0.0005) &&
            w->procs[from].kind == A_WORKER && w->n_kills < w->plan.most_kills) {
            sim_kill(w, from, END_TOLD);
            return;
        }
    }
    if (frame.failed)
        sim_say_wrong(w, "process %d says what is no frame", from);
}

void sim_flush(sim *w, proc *p)
{
    sbl_outbox *box = p->own.submitter.out;
    sbl_words   said;

    if (!p->is_alive || !box->words.size)
        return;
    sbl_outbox_close(box);
    said       = box->words;
    box->words = (sbl_words){0};
    if (p->is_linked)
        sim_send_letters(w, sim_number(w, p), 0, said.bytes, said.size);
    sbl_words_clear(&said);
}
