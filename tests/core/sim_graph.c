/* What is submitted: programs of nodes in batches, and what each node must give, by a serial evaluation. */
#include "core/sim.h"

enum { DEEPEST = 3 };
#define BIT(status_) (1u << (status_))

static const sbl_spec specs[SPECS] = {
    {.name = "plain", .where = "a.c:1", .code = "A", .code_size = 1},
    {.name = "first", .where = "b.c:2", .code = "", .priority = 5},
    {.name = "last", .where = "", .code = "CCC", .code_size = 3, .priority = -5, .size = 64},
    {.name = "again", .where = "d.c:4", .code = "DD", .code_size = 2, .retries = 2},
    {.name = "large", .where = "e.c:5", .code = "E", .code_size = 1, .size = 100000},
    {.name = "data", .where = "", .code = ""},
    {.name = "device", .where = "", .code = "", .resources = "gpu=1", .size = 1000},
    {.name = "there", .where = "", .code = "", .workers = "w0,w1", .resources = "licence=0.5", .priority = 5},
    {.name = "on the host", .where = "", .code = "", .workers = "h0"},
};

static const sbl_worker_words places[PLACES] = {
    {"w0", "h0", "gpu=1,licence=1"}, {"w1", "h1", "licence=0.5"}, {"w2", "h0", NULL}, {"w3", "h1", "gpu=2"}};

const sbl_worker_words *sim_place(uint32_t place)
{
    return &places[place];
}

const sbl_spec *sim_spec(uint32_t spec)
{
    return &specs[spec];
}

static uint32_t kind_of(sim *w, int depth)
{
    static const struct {
        uint32_t fault, kind;
        double   p;
    } KINDS[] = {{F_FAILING, FAILS, 0.03}, {F_FLAKY, FLAKY, 0.1},    {F_DATA, DATA, 0.1},        {F_CHAINS, CHAIN, 0.1},
                 {F_NESTED, NEST, 0.1},    {F_POISON, POISON, 0.01}, {F_CRASHING, CRASHES, 0.02}};

    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (sim_has(w, KINDS[i].fault) && sim_chance(w, FROM_GRAPH, KINDS[i].p) &&
            (depth || (KINDS[i].kind != CHAIN && KINDS[i].kind != NEST)) &&
            (depth == DEEPEST || KINDS[i].kind != POISON))
            return KINDS[i].kind;
    return PLAIN;
}

static uint64_t size_of(sim *w)
{
    if (!sim_has(w, F_LARGE) || sim_chance(w, FROM_GRAPH, 0.5))
        return 8 + sim_below(w, FROM_GRAPH, sim_chance(w, FROM_GRAPH, 0.7) ? 1 : 249);
    if (sim_has(w, F_SIZES) && sim_chance(w, FROM_GRAPH, 0.1)) /* it takes as long as many tasks to move */
        return 257 + (uint64_t)sim_about(w, FROM_GRAPH, 1e8);
    return 257 + (uint64_t)sim_about(w, FROM_GRAPH, sim_chance(w, FROM_GRAPH, 0.1) ? 3e6 : 2e4);
}

/* Inputs of one node, or of a batch in common: among those before it in its program. */
static uint32_t add_inputs(sim *w, const program *p, uint32_t first, uint32_t n)
{
    const uint32_t at = w->n_inputs, before = first - p->first_node;

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t back = sim_chance(w, FROM_GRAPH, 0.5) ? 1 + sim_below(w, FROM_GRAPH, before < 8 ? before : 8)
                                                             : 1 + sim_below(w, FROM_GRAPH, before);

        w->inputs                = sim_grow(w->inputs, &w->inputs_room, w->n_inputs, sizeof *w->inputs);
        w->inputs[w->n_inputs++] = first - back;
    }
    return at;
}

/* How many alike nodes, and inputs for each. */
static void add_batch(sim *w, uint32_t number, uint32_t most, int depth)
{
    const program  p     = w->programs[number];
    const uint32_t first = w->n_nodes, before = first - p.first_node, kind = kind_of(w, depth);
    uint32_t       n         = sim_chance(w, FROM_GRAPH, 0.3) ? 1 + sim_below(w, FROM_GRAPH, most < 64 ? most : 64) : 1;
    uint32_t       k         = before && sim_chance(w, FROM_GRAPH, 0.8) ? sim_below(w, FROM_GRAPH, 3) : 0;
    const int      is_shared = n > 1 && sim_chance(w, FROM_GRAPH, 0.5);
    uint32_t       spec = kind == FLAKY ? 3 : sim_below(w, FROM_GRAPH, 5), at = 0;

    if (before && sim_chance(w, FROM_GRAPH, 0.05))
        k = 1 + sim_below(w, FROM_GRAPH, w->plan.most_inputs);
    if (kind != PLAIN && kind != FAILS)
        n = 1;
    if (kind == DATA || w->plan.is_big) {
        k    = kind == DATA ? 0 : k < 3 ? k : 2;
        spec = kind == DATA ? 5 : 0;
    }
    if (sim_has(w, F_RULES) && kind != FLAKY && kind != DATA && sim_chance(w, FROM_GRAPH, 0.4))
        spec = kind == NEST ? SPECS - 1 : ANYWHERE + sim_below(w, FROM_GRAPH, SPECS - ANYWHERE);
    if (is_shared && n > 1)
        at = add_inputs(w, &p, first, k);
    for (uint32_t i = 0; i < n; i++) {
        node d = {.kind = (uint8_t)kind, .spec = (uint8_t)spec, .program = number, .n_inputs = (uint16_t)k};

        d.arg_size    = (uint16_t)(4 + sim_below(w, FROM_GRAPH, is_shared ? 1 : 1 + (uint32_t)(first % 3) * 10));
        d.first_input = is_shared && n > 1 ? at : add_inputs(w, &p, first, k);
        d.duration    = sim_about(w, FROM_GRAPH, w->plan.duration);
        d.size        = size_of(w);
        d.flaky       = (uint8_t)(kind == FLAKY || kind == CRASHES ? 1 + sim_below(w, FROM_GRAPH, 2) : 0);
        if (i)
            d.arg_size = w->nodes[first].arg_size;
        if (sim_chance(w, FROM_GRAPH, 0.02))
            d.duration *= 50;
        w->nodes               = sim_grow(w->nodes, &w->nodes_room, w->n_nodes, sizeof *w->nodes);
        w->nodes[w->n_nodes++] = d;
    }
    w->batches                 = sim_grow(w->batches, &w->batches_room, w->n_batches, sizeof *w->batches);
    w->batches[w->n_batches++] = (batch){.first = first, .n = n, .is_shared = is_shared && n > 1};
    w->programs[number].n_nodes += n;
    w->programs[number].n_batches++;
}

uint32_t sim_program(sim *w, uint32_t n, int depth)
{
    uint32_t number = w->n_programs ? w->n_programs : 1;

    w->programs         = sim_grow(w->programs, &w->programs_room, number + 1, sizeof *w->programs);
    w->n_programs       = number + 1;
    w->programs[number] = (program){.first_node = w->n_nodes, .first_batch = w->n_batches};
    while (w->programs[number].n_nodes < n)
        add_batch(w, number, n - w->programs[number].n_nodes, depth);
    for (uint32_t i = 0; i < w->programs[number].n_nodes; i++) {
        const uint32_t at = w->programs[number].first_node + i;

        if (w->nodes[at].kind == CHAIN || w->nodes[at].kind == NEST) {
            const uint32_t child = sim_program(w, 1 + sim_below(w, FROM_GRAPH, 6), depth - 1);

            w->nodes[at].child = child;
        }
    }
    return number;
}

uint32_t sim_first_awaited(const sim *w, const program *p)
{
    return w->batches[p->first_batch + p->n_batches - 1].first;
}

static void evaluate_child(sim *w, node *d)
{
    const program *p = &w->programs[d->child];

    sim_evaluate(w, d->child);
    for (uint32_t i = sim_first_awaited(w, p); i < p->first_node + p->n_nodes; i++) {
        const node *c = &w->nodes[i];

        if (d->kind == CHAIN && i + 1 < p->first_node + p->n_nodes)
            continue;
        d->statuses |= c->statuses;
        d->may_lose |= c->may_lose;
        if (d->kind == CHAIN) {
            d->hash = c->hash;
            d->size = c->size;
        } else {
            d->hash = sim_mix(d->hash, c->hash);
        }
    }
    for (uint32_t i = p->first_node; d->kind == CHAIN && i < p->first_node + p->n_nodes; i++)
        d->may_lose |= w->nodes[i].kind == DATA;
}

void sim_evaluate(sim *w, uint32_t number)
{
    const program *p = &w->programs[number];

    for (uint32_t i = p->first_node; i < p->first_node + p->n_nodes; i++) {
        node *d = &w->nodes[i];

        d->hash     = sim_mix(i, 1);
        d->statuses = 0;
        for (uint32_t k = 0; k < d->n_inputs; k++) {
            const node *in = &w->nodes[w->inputs[d->first_input + k]];

            d->statuses |= in->statuses;
            d->may_lose |= in->may_lose;
            d->hash                                          = sim_mix(d->hash, in->hash);
            w->nodes[w->inputs[d->first_input + k]].last_use = i;
        }
        if (d->statuses) /* it never runs */
            continue;
        if (d->kind == FAILS || d->kind == POISON)
            d->statuses = d->kind == FAILS ? BIT(SABAL_EVALUE) : BIT(SABAL_EPEER);
        if (d->child)
            evaluate_child(w, d);
    }
}
