/* Futures: of clients, and of tasks that submit tasks. What the submitter says of them is compared with what was evaluated. */
#include "core/sim.h"

static future *future_of(proc *p, uint64_t serial)
{
    return serial && serial <= p->own.n ? &p->own.futures[serial - 1] : NULL;
}

int sim_future_is_settled(const future *f)
{
    return f->is_done || f->is_failed;
}

static void tell(sim *w, proc *p, future *f)
{
    w->n_ended++;
    if (f->waiter)
        sim_child_ended(w, p, f->waiter, f);
    else if (p->kind == A_CLIENT)
        p->unfinished--;
}

/* One who waits for the value itself. */
static void tell_gathered(sim *w, proc *p, future *f)
{
    f->is_looking  = 0;
    f->is_gathered = 1;
    if (f->waiter)
        sim_child_gathered(w, p, f->waiter);
}

static void check_value(sim *w, proc *p, const future *f, uint64_t hash, const char *how)
{
    if (hash != w->nodes[f->node].hash)
        sim_say_wrong(w, "process %d: node %u is %s with another value than alone", sim_number(w, p), f->node, how);
}

static void on_done(void *arg, uint64_t serial, uint64_t size, const char *told, uint32_t n)
{
    proc    *p = arg;
    sim     *w = p->world;
    future  *f = future_of(p, serial);
    uint64_t hash;

    if (!f) {
        sim_say_wrong(w, "process %d hears of a future that it does not have", sim_number(w, p));
        return;
    }
    sim_trace(w, "%d: future %llu (node %u) is done%s", sim_number(w, p), (unsigned long long)serial, f->node,
              told ? ", told" : "");
    if (w->nodes[f->node].statuses)
        sim_say_wrong(w, "process %d: node %u is done, but fails when run alone", sim_number(w, p), f->node);
    if (f->is_each) {
        f->is_told = 1;
        if (!told || n || size)
            sim_say_wrong(w, "process %d: what each worker runs is told a value", sim_number(w, p));
    } else if (told) {
        memcpy(&hash, told, sizeof hash);
        check_value(w, p, f, hash, "done");
        f->is_told = 1;
        if (SBL_BYTES_OF(n) != size || (n & SBL_ENCODED) != (hash & 1 ? SBL_ENCODED : 0))
            sim_say_wrong(w, "process %d: node %u is told with %u bytes of %llu", sim_number(w, p), f->node, n,
                          (unsigned long long)size);
    }
    if (f->is_failed)
        return;
    if (!f->is_done) {
        f->is_done = 1;
        tell(w, p, f);
    }
    if (told && f->is_looking)
        tell_gathered(w, p, f);
}

/* Some task may have been with as many lost workers as are allowed; what it ended itself counts too, but not what others ended. */
static int may_be_lost(const sim *w)
{
    return sim_has(w, F_FEW_LOSSES) && w->n_unplanned >= 3 &&
           w->n_unknown >= (sim_has(w, F_CRASHING | F_POISON) ? 1 : 3);
}

/* Whether its failure has a cause. */
static int may_fail_with(const sim *w, const future *f, const sabal_error *err)
{
    const node *d = &w->nodes[f->node];

    if (err->status == SABAL_ECANCELED)
        return f->may_be_cancelled;
    if (err->status == SABAL_EPEER && strstr(err->message, "was to run there"))
        return f->is_each && (w->n_losses || w->n_unplanned);
    if (err->status == SABAL_EPEER && strstr(err->message, "scattered data"))
        return d->may_lose && (w->n_losses || w->n_unplanned);
    if (err->status == SABAL_EPEER &&
        !strncmp(err->message, "node", 4)) /* of a task that one failed which it had submitted */
        return (d->may_lose && (w->n_losses || w->n_unplanned)) || (may_be_lost(w));
    if (err->status == SABAL_EPEER && strstr(err->message, "workers ended while"))
        return may_be_lost(w);
    if (err->status == SABAL_ENOSPC)
        return sim_room_explains(w, f, err->message);
    return (d->statuses & 1u << err->status) != 0;
}

static void on_failed(void *arg, uint64_t serial, const sabal_error *err)
{
    proc   *p = arg;
    sim    *w = p->world;
    future *f = future_of(p, serial);

    if (!f) {
        sim_say_wrong(w, "process %d hears of a future that it does not have", sim_number(w, p));
        return;
    }
    sim_trace(w, "%d: future %llu (node %u) has failed: %s", sim_number(w, p), (unsigned long long)serial, f->node,
              err->message);
    if (!may_fail_with(w, f, err))
        sim_say_wrong(w, "process %d: node %u fails with %d (%s) without a cause", sim_number(w, p), f->node,
                      (int)err->status, err->message);
    if (f->is_failed && !f->was_looked_for)
        sim_say_wrong(w, "process %d: node %u fails twice", sim_number(w, p), f->node);
    f->is_failed = 1;
    f->status    = (uint32_t)err->status;
    if (f->is_looking)
        tell_gathered(w, p, f);
    if (!f->is_done)
        tell(w, p, f);
}

static void on_at(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint64_t size, const char *workers,
                  uint32_t n)
{
    proc    *p = arg;
    sim     *w = p->world;
    future  *f = future_of(p, serial);
    uint32_t peer;
    fetch   *get;

    if (!f || !f->is_looking)
        return;
    peer = p->peer;
    if (n)
        memcpy(&peer, workers, sizeof peer);
    sim_trace(w, "%d: future %llu is %u.%u at peer %u", sim_number(w, p), (unsigned long long)serial, task, attempt,
              peer);
    get         = sim_fetch(w, p, n ? sim_proc_of(w, peer) : -1, task, attempt);
    get->serial = serial;
    if (n && peer != p->peer && !sim_has_met(p, peer))
        sim_say_wrong(w, "process %d is sent to peer %u, whom it never met", sim_number(w, p), peer);
    get->waits_for_offer = !n;
    sim_ask(w, p, get);
}

static void on_push(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint32_t worker)
{
    proc   *p = arg;
    sim    *w = p->world;
    future *f = future_of(p, serial);

    if (!f || !f->kept) {
        sim_say_wrong(w, "process %d is asked for data that it does not keep", sim_number(w, p));
        return;
    }
    f->task    = task;
    f->attempt = attempt;
    sim_offer(w, p, task, attempt, worker);
}

static void on_forget(void *arg, uint64_t serial)
{
    proc   *p = arg;
    sim    *w = p->world;
    future *f = future_of(p, serial);

    if (!f || !f->kept || !f->is_released) {
        sim_say_wrong(w, "process %d is to forget data that it does not keep", sim_number(w, p));
        return;
    }
    sim_forget(w, p, f->kept);
    f->kept = NULL;
    p->own.n_kept--;
}

void sim_clientele_begin(sim *w, proc *p)
{
    memset(&p->own, 0, sizeof p->own);
    p->own.submitter.out   = p->kind == A_WORKER ? sbl_executor_outbox(p->executor) : &p->own.out;
    p->own.submitter.calls = (sbl_submitter_calls){
        .done = on_done, .failed = on_failed, .at = on_at, .push = on_push, .forget = on_forget, .arg = p};
    for (uint32_t i = 0; i < SPECS; i++)
        p->own.specs[i] = i < ANYWHERE || sim_has(w, F_RULES) ? sbl_submit_spec(&p->own.submitter, sim_spec(i)) : 0;
}

void sim_clientele_end(sim *w, proc *p)
{
    for (uint32_t i = 0; i < p->own.n; i++)
        if (p->own.futures[i].kept)
            sim_forget(w, p, p->own.futures[i].kept);
    free(p->own.futures);
    sbl_words_clear(&p->own.out.words);
    p->own.futures = NULL;
    p->own.n = p->own.n_kept = 0;
}

static void submit_data(sim *w, proc *p, uint32_t place, const node *d)
{
    char      bytes[SBL_INLINE] = {0};
    future   *f                 = &p->own.futures[place];
    const int told              = d->size <= SBL_INLINE;

    memcpy(bytes, &d->hash, sizeof d->hash);
    if (!told) {
        f->kept = sim_value(w, p, d->hash, d->size);
        p->own.n_kept++;
    }
    sbl_submit_data(&p->own.submitter, place + 1, d->size, told ? bytes : NULL,
                    (uint32_t)d->size | (d->hash & 1 ? SBL_ENCODED : 0));
    f->is_done = 1;
    f->is_told = (uint8_t)told;
    tell(w, p, f);
}

/* What its inputs may come to, it may come to. base: the node whose place in the list of futures is 0. */
static int may_be_cancelled(const sim *w, const proc *p, uint32_t base, uint32_t at)
{
    const node *d   = &w->nodes[at];
    int         may = 0;

    for (uint32_t k = 0; k < d->n_inputs; k++)
        may |= p->own.futures[w->inputs[d->first_input + k] - base].may_be_cancelled;
    return may;
}

void sim_run_in_each(sim *w, proc *p)
{
    const uint32_t at = w->n_nodes++;
    sbl_words     *words;

    w->nodes = sim_grow(w->nodes, &w->nodes_room, at, sizeof *w->nodes);
    w->nodes[at] =
        (node){.arg_size = 4, .duration = sim_about(w, FROM_CLIENTS, w->plan.duration), .size = 8, .is_each = 1};
    w->nodes[at].hash          = sim_mix(at, 1);
    p->own.futures             = sim_grow(p->own.futures, &p->own.room, p->own.n + 1, sizeof *p->own.futures);
    p->own.futures[p->own.n++] = (future){.node = at, .is_each = 1};
    words                      = sbl_outbox_item(p->own.submitter.out, SBL_LETTER_EACH);
    sbl_say_group(words, &(sbl_group){.serial = p->own.n, .n = 1, .spec = p->own.specs[0], .arg_size = 4});
    sbl_say_u32(words, at);
    sbl_say_u32(words, sim_chance(w, FROM_CLIENTS, 0.5));
    p->unfinished++;
    p->n_each++;
}

void sim_submit(sim *w, proc *p, const batch *b, uint32_t base)
{
    const node    *d      = &w->nodes[b->first];
    const uint32_t n_in   = b->is_shared ? d->n_inputs : d->n_inputs * b->n;
    uint64_t      *inputs = malloc((n_in + 1) * sizeof *inputs);
    char          *args   = calloc(b->n, d->arg_size);
    sbl_group      g      = {.serial   = p->own.n + 1u,
                             .n        = b->n,
                             .spec     = p->own.specs[d->spec],
                             .n_inputs = d->n_inputs,
                             .shared   = (uint32_t)b->is_shared,
                             .arg_size = d->arg_size};

    for (uint32_t i = 0; i < b->n; i++) {
        const uint32_t at = b->first + i;

        p->own.futures = sim_grow(p->own.futures, &p->own.room, p->own.n + 1, sizeof *p->own.futures);
        memset(&p->own.futures[p->own.n], 0, sizeof(future));
        p->own.futures[p->own.n].node             = at;
        p->own.futures[p->own.n].may_be_cancelled = (uint8_t)may_be_cancelled(w, p, base, at);
        p->own.n++;
        memcpy(args + (size_t)i * d->arg_size, &at, sizeof at);
        memset(args + (size_t)i * d->arg_size + 4, (int)(at & 0xff), d->arg_size - 4u);
        for (uint32_t k = 0; k < d->n_inputs && (!i || !b->is_shared); k++)
            inputs[i * d->n_inputs + k] = w->inputs[w->nodes[at].first_input + k] - base + 1u;
    }
    if (d->kind == DATA)
        submit_data(w, p, p->own.n - 1, d);
    else
        sbl_submit_tasks(&p->own.submitter, &g, inputs, args);
    free(inputs);
    free(args);
    if (w->plan.spreads && sim_chance(w, FROM_SPREADS, 0.3))
        sim_spread(w, p, p->own.n - 1);
}

void sim_spread(sim *w, proc *p, uint32_t place)
{
    static const uint32_t HOW_MANY[] = {0, 1, 2, 2, 3, 7, SBL_EVERYBODY, SBL_EVERYBODY};

    if (!p->own.futures[place].is_released)
        sbl_submit_spread(&p->own.submitter, place + 1,
                          HOW_MANY[sim_below(w, FROM_SPREADS, sizeof HOW_MANY / sizeof *HOW_MANY)]);
}

void sim_release(sim *w, proc *p, uint32_t place)
{
    future *f = &p->own.futures[place];

    if (f->is_released)
        return;
    f->is_released = 1;
    sbl_submit_release(&p->own.submitter, place + 1, 1);
    if (!f->is_done && !f->is_failed && !f->waiter && p->kind == A_CLIENT) /* nothing is told of it any more */
        p->unfinished--;
    f->is_done = 1;
}

void sim_cancel(sim *w, proc *p, uint32_t place)
{
    const uint32_t base = p->own.futures[place].node - place, which = w->nodes[p->own.futures[place].node].program;

    if (sim_future_is_settled(&p->own.futures[place]))
        return;
    p->own.futures[place].may_be_cancelled = 1;
    for (uint32_t i = place + 1;
         i < p->own.n && w->nodes[p->own.futures[i].node].program == which && p->own.futures[i].node - i == base; i++)
        if (may_be_cancelled(w, p, base, p->own.futures[i].node))
            p->own.futures[i].may_be_cancelled = 1;
    sbl_submit_cancel(&p->own.submitter, place + 1, 1);
}

void sim_gather(sim *w, proc *p, uint32_t place)
{
    future *f = &p->own.futures[place];

    if (f->is_looking || f->is_gathered || f->is_released || !f->is_done)
        return;
    if (f->is_told || f->is_failed || f->kept) {
        f->is_gathered = 1;
        return;
    }
    f->is_looking = f->was_looked_for = 1;
    sbl_submitter_look(&p->own.submitter, place + 1, SBL_NOBODY);
}

void sim_gathered(sim *w, proc *p, uint64_t serial, uint64_t hash, int found, int from)
{
    future *f = future_of(p, serial);

    if (!f || !f->is_looking)
        return;
    if (!found) {
        sbl_submitter_look(&p->own.submitter, serial, from >= 0 ? w->procs[from].peer : SBL_NOBODY);
        return;
    }
    check_value(w, p, f, hash, "gathered");
    tell_gathered(w, p, f);
}
