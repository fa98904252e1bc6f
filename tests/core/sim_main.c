/* Runs of the simulator, one for each seed: sim [--seed N | --seeds FROM..TO] [--long] [--trace] [--shrink] [--tasks N] ... */
#include <time.h>

#include <sys/resource.h>

#include "core/sim.h"

enum { MOST_CLIENTS = 16, BIG = 100000 };

static void start_workers(sim *w, const plan *p)
{
    for (uint32_t i = 0; i < p->workers; i++) {
        const uint32_t threads = 1 + sim_below(w, FROM_PLAN, p->threads);

        sim_worker(w, threads, i);
    }
}

static void late_worker(sim *w, event *e)
{
    if (!w->is_ending)
        sim_worker(w, (uint32_t)e->a, (uint32_t)e->b);
}

static void waves(sim *w, const plan *p)
{
    for (uint32_t i = 0; sim_has(w, F_WAVES) && i < p->workers; i++) {
        event *e = sim_at(w, sim_about(w, FROM_PLAN, 1e9), -1, late_worker);

        e->a = 1 + i % p->threads;
        e->b = i;
    }
}

static void begin(sim *w)
{
    const plan *p = &w->plan;
    uint32_t    roots[MOST_CLIENTS];
    double      work = 0;

    w->procs = calloc(1024 + 2 * (size_t)p->workers, sizeof *w->procs);
    sim_scheduler_begin(w);
    w->n_procs = 1;
    for (uint32_t i = 0; i < p->clients; i++) {
        roots[i] = sim_program(w, p->tasks / p->clients + 1, p->is_big ? 0 : 3);
        sim_evaluate(w, roots[i]);
    }
    for (uint32_t i = 0; i < w->n_nodes; i++)
        work += (double)w->nodes[i].duration;
    w->give_up_at = p->faults_end + 60 * SECOND + (int64_t)(4 * work) + w->n_nodes * 100 * MS;
    for (uint32_t i = 0; i < p->clients; i++)
        sim_client(w, roots[i]);
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
    free(w->refusals);
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
    if (!w->wrong[0] && w->n_letters > 60 * (w->n_nodes + w->n_runs + w->n_faults) +
                                           20 * (uint64_t)(w->now / (100 * MS)) * (uint64_t)w->n_procs)
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

    *p         = (plan){.seed = seed};
    p->workers = 1 + sim_below(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 16 : 5);
    p->clients = 1 + sim_below(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 3 : 1);
    p->tasks   = 5 + sim_below(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 300 : 60);
    p->threads = 1 + sim_below(&w, FROM_PLAN, 4);
    for (int i = 0; i < F_KINDS - 3; i++)
        if (sim_chance(&w, FROM_PLAN, 0.35))
            p->faults |= 1u << i;
    if (sim_chance(&w, FROM_PLAN, 0.1)) /* so that idle workers can be told from late ones */
        p->faults &= ~F_MAKE_IDLE;
    p->faults_end  = (1 + sim_below(&w, FROM_PLAN, 8)) * SECOND;
    p->delay       = 20e3 + (double)sim_about(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.2) ? 5e6 : 1e5);
    p->fault_every = (double)sim_about(&w, FROM_PLAN, 5e7) + 1e7;
    p->duration    = (double)sim_about(&w, FROM_PLAN, sim_chance(&w, FROM_PLAN, 0.3) ? 1e8 : 5e6);
    p->most_inputs = 3 + sim_below(&w, FROM_PLAN, 40);
    p->most_kills  = sim_below(&w, FROM_PLAN, 40);
    p->check_every = is_long ? 100 : 1;
    if (sim_chance(&w, FROM_PLAN, 0.35)) /* the last draw, so that it shifts no other */
        p->faults |= F_RULES;
    p->faults |= sim_chance(&w, FROM_RETIRES, 0.35) ? F_RETIRES : 0;
    p->spreads = sim_chance(&w, FROM_SPREADS, 0.35);
    p->faults |= sim_chance(&w, FROM_ROOM, 0.2) ? F_FULL : 0;
    p->has_turns = sim_chance(&w, FROM_TURNS, 0.3);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

typedef struct command {
    uint64_t from, to;
    int      is_long, trace, shrink, cells, first;
    plan     forced; /* what is not 0 replaces what was drawn */
    int64_t  faults; /* -1: as drawn */
} command;

static void force(uint32_t *field, uint32_t by)
{
    if (by)
        *field = by;
}

static void plan_of(const command *c, uint64_t seed, plan *p)
{
    sim_plan(p, seed, c->is_long);
    if (c->forced.tasks >= BIG) /* for time and memory: many short tasks, and nothing else */
        *p = (plan){.seed        = seed,
                    .workers     = 16,
                    .clients     = 1,
                    .threads     = 4,
                    .faults_end  = SECOND,
                    .delay       = 5e4,
                    .fault_every = 1e9,
                    .duration    = 1e6,
                    .most_inputs = 2,
                    .is_big      = 1,
                    .check_every = INT32_MAX};
    force(&p->workers, c->forced.workers);
    force(&p->clients, c->forced.clients < MOST_CLIENTS ? c->forced.clients : MOST_CLIENTS);
    force(&p->tasks, c->forced.tasks);
    force(&p->threads, c->forced.threads);
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
        for (int i = 0; i < F_KINDS; i++) {
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

static void print_big(const sim *counts, double seconds)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    printf(
        "%u tasks: %.2f us a task, %.2f letters a task; at most %.0f bytes a task, with all that the simulator keeps itself\n",
        counts->n_nodes, seconds * 1e6 / counts->n_nodes, (double)counts->n_letters / counts->n_nodes,
        (double)use.ru_maxrss * 1024 / counts->n_nodes);
}

static int run_seeds(const command *c)
{
    uint64_t n_failed = 0, letters = 0, runs = 0, happened = 0, nodes = 0;
    clock_t  start = clock();

    for (uint64_t seed = c->from; seed <= c->to; seed++) {
        char wrong[600];
        plan p;
        sim  counts;

        plan_of(c, seed, &p);
        if (c->first) { /* so that who starts it knows which seed does not end */
            printf("seed %llu begins\n", (unsigned long long)seed);
            fflush(stdout);
        }
        if (sim_world(&p, c->trace, wrong, sizeof wrong, &counts)) {
            n_failed++;
            printf("seed %llu: %s\n", (unsigned long long)seed, wrong);
            if (c->shrink)
                shrink(&p);
            if (c->shrink)
                printf("  sim --seed %llu --workers %u --clients %u --tasks %u --threads %u --faults 0x%x --trace\n",
                       (unsigned long long)seed, p.workers, p.clients, p.tasks, p.threads, p.faults);
            fflush(stdout);
            if (c->first)
                break;
        }
        for (int i = 0; i < 7; i++)
            for (int k = 0; k < 32; k++)
                used[i][k] |= counts.used[i][k];
        if (p.is_big)
            print_big(&counts, (double)(clock() - start) / CLOCKS_PER_SEC);
        letters += counts.n_letters;
        runs += counts.n_runs;
        happened += counts.n_happened;
        nodes += counts.n_nodes;
        if (c->from == c->to)
            printf(
                "seed %llu: %u nodes, %llu runs, %llu letters, %llu events, %u faults, %.3f s simulated, log %016llx\n",
                (unsigned long long)seed, counts.n_nodes, (unsigned long long)counts.n_runs,
                (unsigned long long)counts.n_letters, (unsigned long long)counts.n_happened, counts.n_faults,
                (double)counts.now / 1e9, (unsigned long long)counts.log);
    }
    printf("%llu passed, %llu failed; %llu nodes, %llu runs, %llu letters, %llu events, %.1f s\n",
           (unsigned long long)(c->to - c->from + 1 - n_failed), (unsigned long long)n_failed,
           (unsigned long long)nodes, (unsigned long long)runs, (unsigned long long)letters,
           (unsigned long long)happened, (double)(clock() - start) / CLOCKS_PER_SEC);
    return n_failed != 0;
}

/* 1: some cell of the table has not been reached. */
static int print_cells(void)
{
    int n = 0;

    for (int state = 0; sbl_scheduler_state_name(state); state++)
        for (int e = 0; sbl_scheduler_event_name(e); e++)
            if (!sbl_scheduler_cell_is_void(state, e) && !used[state][e]) {
                printf("never reached: %s, %s\n", sbl_scheduler_state_name(state), sbl_scheduler_event_name(e));
                n++;
            }
    return n != 0;
}

/* 1: taken, 2: with what follows; 0: unknown. */
static int option(command *c, const char *is, const char *next)
{
    const struct {
        const char *name;
        uint32_t   *number;
        int        *flag;
    } KNOWN[] = {{"--workers", &c->forced.workers, NULL},
                 {"--clients", &c->forced.clients, NULL},
                 {"--tasks", &c->forced.tasks, NULL},
                 {"--threads", &c->forced.threads, NULL},
                 {"--long", NULL, &c->is_long},
                 {"--trace", NULL, &c->trace},
                 {"--shrink", NULL, &c->shrink},
                 {"--cells", NULL, &c->cells},
                 {"--first", NULL, &c->first}};
    char *dots;

    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strcmp(is, KNOWN[i].name)) {
            if (KNOWN[i].flag)
                *KNOWN[i].flag = 1;
            else
                *KNOWN[i].number = (uint32_t)strtoul(next, NULL, 0);
            return KNOWN[i].flag ? 1 : 2;
        }
    if (!strcmp(is, "--seed"))
        c->from = c->to = strtoull(next, NULL, 10);
    else if (!strcmp(is, "--faults"))
        c->faults = strtoll(next, NULL, 0);
    else if (!strcmp(is, "--check-every"))
        c->forced.check_every = atoi(next);
    else if (!strcmp(is, "--seeds")) {
        c->from = strtoull(next, &dots, 10);
        c->to   = *dots ? strtoull(dots + 2, NULL, 10) : c->from;
    } else
        return 0;
    return 2;
}

int main(int argc, char **argv)
{
    command c = {.from = 1, .to = 200, .faults = -1};
    int     status, taken;

    for (int i = 1; i < argc; i += taken) {
        taken = option(&c, argv[i], i + 1 < argc ? argv[i + 1] : "");
        if (!taken) {
            fprintf(stderr, "sim: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (c.forced.tasks >= BIG)
        c.to = c.from;
    status = run_seeds(&c);
    if (c.cells)
        status |= print_cells();
    return status;
}
