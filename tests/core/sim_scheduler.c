/* The scheduler's process: its peers, its clock; and what must hold of the whole. */
#include "core/sim.h"

#include "cluster/core/items.h"
#include "cluster/core/place.h"

static int64_t clock_of(const sim *w)
{
    return (int64_t)((double)w->now * w->procs[0].drift) + 12345;
}

static void on_send(void *arg, uint32_t peer, sbl_words *words)
{
    sim      *w  = arg;
    const int to = sim_proc_of(w, peer);

    if (to >= 0)
        sim_send_letters(w, 0, to, words->bytes, words->size);
}

static void on_drop(void *arg, uint32_t peer, const char *why)
{
    sim      *w  = arg;
    const int it = sim_proc_of(w, peer);
    event    *e;

    sim_trace(w, "0: drops %d: %s", it, why);
    if (!strstr(why, "silent"))
        sim_say_wrong(w, "process %d is dropped: %s", it, why);
    else if ((double)(w->now - w->procs[it].heard_at) < 0.9 * (double)w->scheduler->options.dead_ns) /* clocks drift */
        sim_say_wrong(w, "process %d is taken for dead, and was heard %.6f s ago", it,
                      (double)(w->now - w->procs[it].heard_at) / 1e9);
    sim_tell_lost(w, it, 0, 0);
    e = sim_at(w, sim_arrival(w, 0, it, 0), it, sim_closed);
    (void)e;
}

static void on_introduce(void *arg, uint32_t peer, uint32_t worker)
{
    sim      *w  = arg;
    const int to = sim_proc_of(w, peer);

    if (to >= 0 && w->procs[to].met)
        sim_meet(&w->procs[to], worker);
}

static void settle_now(sim *w)
{
    w->is_behind = 0;
    sbl_scheduler_send(w->scheduler);
    if (sbl_scheduler_has_failed(w->scheduler))
        sim_say_wrong(w, "the scheduler says that it has no memory");
}

static void end_turn(sim *w, event *e)
{
    if (w->is_behind)
        settle_now(w);
}

/* At once; or, as its process does that takes turns, when it has heard what else there is. */
static void settle(sim *w)
{
    if (!w->plan.has_turns) {
        settle_now(w);
    } else if (!w->is_behind) {
        w->is_behind = 1;
        sim_at(w, w->now + sim_about(w, FROM_TURNS, w->plan.delay / 2), 0, end_turn);
    }
}

void sim_join(sim *w, int number)
{
    proc *p = &w->procs[number];

    p->is_linked = 1;
    p->heard_at  = w->now;
    p->peer      = p->kind == A_WORKER ? sbl_scheduler_worker_came(w->scheduler, (int32_t)p->threads, clock_of(w))
                                       : sbl_scheduler_client_came(w->scheduler, clock_of(w));
    if (p->kind == A_WORKER)
        sbl_scheduler_worker_tells(w->scheduler, p->peer, sim_place(p->place));
    sim_trace(w, "%d: joins as %s, peer %u", number, p->kind == A_WORKER ? "worker" : "client", p->peer);
    settle(w);
}

void sim_hear_scheduler(sim *w, event *e)
{
    w->procs[e->from].heard_at = w->now;
    sbl_scheduler_hear(w->scheduler, w->procs[e->from].peer, e->words.bytes, e->words.size, clock_of(w));
    settle(w);
}

static void lose(sim *w, event *e)
{
    proc          *p    = &w->procs[e->a];
    const sbl_loss loss = {.planned  = (int)e->b,
                           .is_known = p->n_ran != 0,
                           .ran      = p->ran,
                           .n_ran    = p->n_ran,
                           .what     = "signal 11 (Segmentation fault)"};

    if (p->is_lost)
        return;
    p->is_lost = 1;
    w->n_unplanned += !e->b && p->kind == A_WORKER;
    w->n_unknown += !e->b && p->kind == A_WORKER && !p->n_ran;
    sim_trace(w, "0: is told that %d is gone%s", (int)e->a, e->b ? ", as planned" : "");
    sbl_scheduler_lost(w->scheduler, p->peer, e->b || p->n_ran ? &loss : NULL, clock_of(w));
    settle(w);
}

void sim_tell_lost(sim *w, int number, int64_t delay, int planned)
{
    event *e = sim_at(w, w->now + delay, 0, lose);

    e->a = (uint64_t)number;
    e->b = (uint64_t)planned;
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

/* Who has tasks that an idle worker could have: clients, or others who work at something else. NULL: nobody. */
static const char *holder_of_spare(const sim *w)
{
    static char          name[40];
    const sbl_scheduler *s = w->scheduler;

    if (s->n_roots)
        return "the scheduler";
    for (uint32_t i = 0; i < s->n_workers; i++) {
        const sbl_peer *p = sbl_peer_at(s, s->workers[i]);

        /* one that was asked in vain is not asked again till it has something new */
        if (!p->has_given && !p->is_leaving && sbl_n_to_give(p)) {
            snprintf(name, sizeof name, "worker %d", sim_proc_of(w, p->number));
            return name;
        }
    }
    return NULL;
}

/* Whether tasks wait that this worker may run and others may not; one that has something may lack what they take. */
static int is_to_be_had_by(const sbl_scheduler *s, const sbl_peer *p)
{
    for (uint32_t seat = p->n_sent ? 0 : p->seats; seat; seat = sbl_seat_at(s, seat)->wnext)
        if (sbl_rule_at(s, sbl_seat_at(s, seat)->rule)->ready.n)
            return 1;
    return 0;
}

/* No worker has nothing to do for longer than some round trips while there is work that it could take. */
void sim_check_idle(sim *w)
{
    const int64_t        most = (int64_t)(60 * w->plan.delay) + 5 * MS;
    const sbl_scheduler *s    = w->scheduler;
    const char          *spare;

    if (sim_has(w, F_MAKE_IDLE) || w->plan.is_big)
        return;
    spare = holder_of_spare(w);

    for (uint32_t i = 0; i < s->n_workers; i++) {
        const sbl_peer *p  = sbl_peer_at(s, s->workers[i]);
        proc           *it = &w->procs[sim_proc_of(w, p->number)];

        if ((!spare && !is_to_be_had_by(s, p)) || p->n_sent > (uint32_t)p->spare || p->is_suspect || p->is_leaving ||
            p->is_dropped)
            it->idle_since = 0;
        else if (!it->idle_since)
            it->idle_since = w->now + 1;
        else if (w->now - it->idle_since > most)
            sim_say_wrong(w, "worker %d is idle for %.6f s while %s has work that it could take", sim_number(w, it),
                          (double)(w->now - it->idle_since) / 1e9, spare ? spare : "its rule");
    }
}

void sim_check(sim *w)
{
    const char *wrong = sbl_scheduler_check(w->scheduler);

    for (int i = 0; i < w->n_procs && !wrong; i++)
        if (w->procs[i].executor)
            wrong = sbl_executor_check(w->procs[i].executor);
    if (wrong)
        sim_say_wrong(w, "%s", wrong);
}

/* NULL, or what is left of what should be gone. */
static const char *left(const sim *w, int clients_too)
{
    sbl_scheduler_counts c;

    sbl_scheduler_count(w->scheduler, &c);
    if (c.tasks || c.edges || c.copies || c.spreads)
        return "records of the scheduler are left";
    if (clients_too && (c.failures || c.specs))
        return "failures or specs are left";
    for (int i = 1; i < w->n_procs; i++)
        if (!w->procs[i].is_alive && !w->procs[i].is_lost)
            return "the scheduler has not been told that a process is gone"; /* it may have said something before */
    for (int i = 0; i < w->n_procs; i++)
        if (w->procs[i].is_alive && !w->procs[i].is_lost &&
            ((w->procs[i].executor && sbl_executor_count(w->procs[i].executor)) || w->procs[i].own.n_kept))
            return "values or tasks are left with a process";
    return NULL;
}

static void print_items(const proc *p)
{
    for (uint32_t i = 0; p->executor && i < p->executor->room; i++)
        for (const sbl_item *item = p->executor->table[i]; item; item = item->next)
            printf("  item %u.%u: state %u, told %u, dropped %u, copy %u, asked %u, missing %u, inputs %u, %s\n",
                   item->task, item->attempt, item->state, item->is_told, item->is_dropped, item->is_copy,
                   item->is_asked, item->missing, item->run.n_inputs, item->users ? "used" : "not used");
}

static void say_stuck(sim *w, const char *what)
{
    sbl_scheduler_counts c;

    sbl_scheduler_count(w->scheduler, &c);
    sim_say_wrong(
        w,
        "%s (tasks %u: %llu waiting, %llu ready, %llu sent, %llu chained, %llu done, %llu failed, %llu released; edges "
        "%u, copies %u, workers %u, hungry %u)",
        what, c.tasks, (unsigned long long)c.by_state[0], (unsigned long long)c.by_state[1],
        (unsigned long long)c.by_state[2], (unsigned long long)c.by_state[3], (unsigned long long)c.by_state[4],
        (unsigned long long)c.by_state[5], (unsigned long long)c.by_state[6], c.edges, c.copies, c.workers, c.hungry);
    for (int i = 1; i < w->n_procs && w->trace; i++)
        if (w->procs[i].is_alive && (print_items(&w->procs[i]), 1))
            printf("process %d: %u items, %u kept, %u unfinished, linked %d, busy %u of %u+%u\n", i,
                   w->procs[i].executor ? sbl_executor_count(w->procs[i].executor) : 0, w->procs[i].own.n_kept,
                   w->procs[i].unfinished, w->procs[i].is_linked, w->procs[i].busy, w->procs[i].threads,
                   w->procs[i].spare);
    for (uint32_t t = 1; w->trace && t < w->scheduler->tasks.fresh; t++) {
        const sbl_stask *k = sbl_task_at(w->scheduler, t);

        if (k->state != SBL_T_GONE)
            printf("task %u.%u of %u (%llu): %s at %u worker %u missing %u users %u wanted %u\n", t, k->attempt,
                   k->client, (unsigned long long)k->serial, sbl_scheduler_state_name(k->state), k->at, k->worker,
                   k->missing, k->users, k->wanted);
    }
}

static int all_have_finished(const sim *w)
{
    for (int i = 1; i < w->n_procs; i++)
        if (w->procs[i].kind == A_CLIENT && w->procs[i].is_alive && !w->procs[i].is_finished)
            return 0;
    return 1;
}

static void look_at_the_end(sim *w)
{
    const char *what;

    if (w->is_ending < 2 && w->now > w->give_up_at) {
        say_stuck(w, w->is_ending ? left(w, 0) : "stuck");
        return;
    }
    if (!w->is_ending && all_have_finished(w)) {
        w->is_ending  = 1;
        w->ending_at  = w->now;
        w->give_up_at = w->now > w->plan.faults_end ? w->now : w->plan.faults_end;
        w->give_up_at += 30 * SECOND + (int64_t)(w->plan.duration * 1000);
    }
    if (w->is_ending == 1 && !left(w, 0)) {
        w->is_ending = 2;
        w->ending_at = w->now;
        for (int i = 1; i < w->n_procs; i++)
            if (w->procs[i].is_alive)
                sim_kill(w, i, END_PLANNED); /* what is under way is lost */
    }
    if (w->is_ending == 2 && w->now > w->ending_at + 6 * SECOND) {
        what = left(w, 1);
        if (what)
            say_stuck(w, what);
        if (w->n_values)
            sim_say_wrong(w, "%llu values are left", (unsigned long long)w->n_values);
        w->is_over = 1;
    }
}

static void tick(sim *w, event *e)
{
    int64_t     after = 250 * MS;
    const char *wrong;

    sbl_scheduler_tick(w->scheduler, clock_of(w));
    settle_now(w);
    wrong = sbl_spread_check_ticked(w->scheduler);
    if (wrong)
        sim_say_wrong(w, "%s", wrong);
    if (sim_has(w, F_CLOCKS) && w->now < w->plan.faults_end && sim_chance(w, FROM_CLOCKS, 0.1))
        after += sim_about(w, FROM_CLOCKS, 5e8);
    if (!w->plan.is_big)
        sim_check_views(w);
    look_at_the_end(w);
    sim_at(w, w->now + after, 0, tick);
}

void sim_scheduler_begin(sim *w)
{
    const sbl_scheduler_calls calls   = {on_send, on_drop, on_introduce, w};
    sbl_scheduler_options     options = {SBL_SCHEDULER_DEFAULTS};

    options.allowed_losses = sim_has(w, F_FEW_LOSSES) ? 3 : 200;
    w->scheduler           = sbl_scheduler_create(&calls, &options);
    w->procs[0].world      = w;
    w->procs[0].is_alive   = 1;
    w->procs[0].drift      = sim_has(w, F_CLOCKS) ? 1.05 : 1;
    sim_at(w, 0, 0, tick);
}
