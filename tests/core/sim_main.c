/* Runs of the simulator, one for each seed: sim [--seed N | --seeds FROM..TO] [--long] [--trace] [--shrink] [--tasks N] ... */
#include <time.h>

#include "core/sim.h"

static void start_workers(sim *w, const plan *p)
{
    for (uint32_t i = 0; i < p->workers; i++) {
        const uint32_t threads = 1 + sim_below(w, FROM_PLAN, p->threads);

        sim_worker(w, threads);
    }
}

static void late_worker(sim *w, event *e)
{
    if (!w->is_ending)
        sim_worker(w, (uint32_t)e->a);
}

static void waves(sim *w, const plan *p)
{
    for (uint32_t i = 0; sim_has(w, F_WAVES) && i < p->workers; i++) {
        event *e = sim_at(w, sim_about(w, FROM_PLAN, 1e9), -1, late_worker);

        e->a = 1 + i % p->threads;
    }
}

static void begin(sim *w)
{
    const plan *p = &w->plan;
    double      work = 0;

    w->procs = calloc(1024 + 2 * (size_t)p->workers, sizeof *w->procs);
    sim_scheduler_begin(w);
    w->n_procs = 1;
    for (uint32_t i = 0; i < p->clients; i++)
        sim_evaluate(w, sim_program(w, p->tasks / p->clients + 1, p->is_big ? 0 : 3));
    for (uint32_t i = 0; i < w->n_nodes; i++)
        work += (double)w->nodes[i].duration;
    w->give_up_at = p->faults_end + 60 * SECOND + (int64_t)(4 * work) + w->n_nodes * 100 * MS;
    for (uint32_t i = 1; i < w->n_programs; i++) {
        const program *g = &w->programs[i];

        if (g->n_nodes && w->n_procs <= (int)p->clients && (i == 1 || w->nodes[g->first_node].program == i)) {
            int is_child = 0;

            for (uint32_t k = 0; k < w->n_nodes && !is_child && !p->is_big; k++)
                is_child = w->nodes[k].child == i;
            if (!is_child)
                sim_client(w, i);
        }
    }
    start_workers(w, p);
    waves(w, p);
    sim_faults_begin(w);
}

static void end(sim *w)
{
    w->is_ending = 2;
    for (int i = 1; i < w->n_procs; i++)
        if (w->procs[i].is_alive)
            sim_kill(w, i, END_KNOWN);
    w->n_events = 0;
    sbl_scheduler_destroy(w->scheduler);
    while (w->values) {
        value *v = w->values;

        w->values = v->next;
        free(v);
    }
    free(w->heap);
    free(w->procs);
    free(w->channels);
    free(w->nodes);
    free(w->inputs);
    free(w->batches);
    free(w->programs);
}

static void note_cells(sim *w)
{
    for (int state = 0; sbl_scheduler_state_name(state); state++)
        for (int e = 0; sbl_scheduler_event_name(e); e++)
            w->used[state][e] = (uint8_t)sbl_scheduler_cell_was_used(w->scheduler, state, e);
}

int sim_world(const plan *p, int trace, char *wrong, size_t size, sim *counts)
{
    sim *w = calloc(1, sizeof *w);
    int  is_wrong;

    w->plan  = *p;
    w->trace = trace;
    begin(w);
    sim_run(w);
    if (!w->wrong[0] && !w->is_over)
        sim_say_wrong(w, "nothing happens any more");
    if (!w->wrong[0] && w->n_letters > 60 * (w->n_nodes + w->n_runs + w->n_faults) + 20 * (uint64_t)(w->now / (100 * MS)) * (uint64_t)w->n_procs)
        sim_say_wrong(w, "%llu letters for %u tasks", (unsigned long long)w->n_letters, w->n_nodes);
    note_cells(w);
    is_wrong = w->wrong[0] != 0;
    snprintf(wrong, size, "%s", w->wrong);
    if (counts)
        *counts = *w;
    w->trace = 0;
    end(w);
    free(w);
    return is_wrong;
}

void sim_plan(plan *p, uint64_t seed, int is_long)
{
    sim w = {.plan = {.seed = seed}};

    *p = (plan){.seed = seed};
    p->workers = 1 + sim_below(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 16 : 5);
    p->clients = 1 + sim_below(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 3 : 1);
    p->tasks   = 5 + sim_below(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 300 : 60);
    p->threads = 1 + sim_below(&w, FROM_PLAN, 4);
    for (int i = 0; i < 28; i++)
        if (sim_chance(&w, FROM_PLAN, 0.35))
            p->faults |= 1u << i;
    p->faults_end  = (1 + sim_below(&w, FROM_PLAN, 8)) * SECOND;
    p->delay       = 20e3 + (double)sim_about(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.2) ? 5e6 : 1e5);
    p->fault_every = (double)sim_about(&w, FROM_PLAN, 5e7) + 1e7;
    p->duration    = (double)sim_about(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 1e8 : 5e6);
    p->most_inputs = 3 + sim_below(&w, FROM_PLAN, 40);
    p->most_kills  = sim_below(&w, FROM_PLAN, 40);
    p->check_every = is_long ? 100 : 1;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

typedef struct command {
    uint64_t from, to;
    int      is_long, trace, shrink, cells;
    plan     forced; /* what is not 0 replaces what was drawn */
    int64_t  faults; /* -1: as drawn */
} command;

static void plan_of(const command *c, uint64_t seed, plan *p)
{
    sim_plan(p, seed, c->is_long);
    if (c->forced.workers)
        p->workers = c->forced.workers;
    if (c->forced.clients)
        p->clients = c->forced.clients;
    if (c->forced.tasks)
        p->tasks = c->forced.tasks;
    if (c->forced.threads)
        p->threads = c->forced.threads;
    if (c->forced.check_every)
        p->check_every = c->forced.check_every;
    if (c->faults >= 0)
        p->faults = (uint32_t)c->faults;
}

static int fails(const plan *p)
{
    char wrong[600];

    return sim_world(p, 0, wrong, sizeof wrong, NULL);
}

/* Less of everything, as long as it still fails. */
static void shrink(plan *p)
{
    for (int again = 1; again;) {
        plan less;

        again = 0;
        for (int i = 0; i < 28; i++) {
            less = *p;
            less.faults &= ~(1u << i);
            if (less.faults != p->faults && fails(&less)) {
                *p    = less;
                again = 1;
            }
        }
        for (uint32_t *field = &p->workers; field; field = field == &p->workers   ? &p->clients
                                                           : field == &p->clients ? &p->tasks
                                                           : field == &p->tasks   ? &p->threads
                                                                                  : NULL)
            for (uint32_t cut = *field / 2; cut; cut /= 2) {
                const uint32_t before = *field;

                if (cut >= before)
                    continue;
                *field = before - cut;
                if (fails(p))
                    again = 1;
                else
                    *field = before;
            }
    }
}

static uint8_t used[7][32];

static int run_seeds(const command *c)
{
    uint64_t n_failed = 0, letters = 0, runs = 0, happened = 0, nodes = 0;
    clock_t  start = clock();

    for (uint64_t seed = c->from; seed <= c->to; seed++) {
        char wrong[600];
        plan p;
        sim  counts;

        plan_of(c, seed, &p);
        if (sim_world(&p, c->trace, wrong, sizeof wrong, &counts)) {
            n_failed++;
            printf("seed %llu: %s\n", (unsigned long long)seed, wrong);
            if (c->shrink)
                shrink(&p);
            if (c->shrink)
                printf("  sim --seed %llu --workers %u --clients %u --tasks %u --threads %u --faults 0x%x --trace\n",
                       (unsigned long long)seed, p.workers, p.clients, p.tasks, p.threads, p.faults);
            fflush(stdout);
        }
        for (int i = 0; i < 7; i++)
            for (int k = 0; k < 32; k++)
                used[i][k] |= counts.used[i][k];
        letters += counts.n_letters;
        runs += counts.n_runs;
        happened += counts.n_happened;
        nodes += counts.n_nodes;
        if (c->from == c->to)
            printf("seed %llu: %u nodes, %llu runs, %llu letters, %llu events, %u faults, %.3f s simulated, log %016llx\n",
                   (unsigned long long)seed, counts.n_nodes, (unsigned long long)counts.n_runs,
                   (unsigned long long)counts.n_letters, (unsigned long long)counts.n_happened, counts.n_faults,
                   (double)counts.now / 1e9, (unsigned long long)counts.log);
    }
    printf("%llu passed, %llu failed; %llu nodes, %llu runs, %llu letters, %llu events, %.1f s\n",
           (unsigned long long)(c->to - c->from + 1 - n_failed), (unsigned long long)n_failed, (unsigned long long)nodes,
           (unsigned long long)runs, (unsigned long long)letters, (unsigned long long)happened,
           (double)(clock() - start) / CLOCKS_PER_SEC);
    return n_failed != 0;
}

static void print_cells(void)
{
    for (int state = 0; sbl_scheduler_state_name(state); state++)
        for (int e = 0; sbl_scheduler_event_name(e); e++)
            if (!sbl_scheduler_cell_is_void(state, e) && !used[state][e])
                printf("never used: %s, %s\n", sbl_scheduler_state_name(state), sbl_scheduler_event_name(e));
}

int main(int argc, char **argv)
{
    command c = {.from = 1, .to = 200, .faults = -1};
    int     status;

    for (int i = 1; i < argc; i++) {
        const char *is = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        char       *dots;

        if (!strcmp(is, "--seed"))
            c.from = c.to = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(is, "--seeds")) {
            c.from = strtoull(value, &dots, 10);
            c.to   = strtoull(dots + 2, NULL, 10);
            i++;
        } else if (!strcmp(is, "--workers"))
            c.forced.workers = (uint32_t)atoi(argv[++i]);
        else if (!strcmp(is, "--clients"))
            c.forced.clients = (uint32_t)atoi(argv[++i]);
        else if (!strcmp(is, "--tasks"))
            c.forced.tasks = (uint32_t)atoi(argv[++i]);
        else if (!strcmp(is, "--threads"))
            c.forced.threads = (uint32_t)atoi(argv[++i]);
        else if (!strcmp(is, "--check-every"))
            c.forced.check_every = atoi(argv[++i]);
        else if (!strcmp(is, "--faults"))
            c.faults = strtoll(argv[++i], NULL, 0);
        else if (!strcmp(is, "--long"))
            c.is_long = 1;
        else if (!strcmp(is, "--trace"))
            c.trace = 1;
        else if (!strcmp(is, "--shrink"))
            c.shrink = 1;
        else if (!strcmp(is, "--cells"))
            c.cells = 1;
        else {
            fprintf(stderr, "unknown: %s\n", is);
            return 2;
        }
    }
    status = run_seeds(&c);
    if (c.cells)
        print_cells();
    return status;
}
