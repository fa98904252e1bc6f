/*
 * Depth first through all states. A state is all memory: the arena, the live parts of the stacks, what each thread knows and
 * does next; it is stored by copying and known again by its hash (64 bits). From each state every thread is let go in every
 * way its next operation can go on, up to its next operation.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "explore/world.h"

#define DEEPEST 100000

/* A state on the way from the first to the one at hand, and how far its successors are tried. */
struct frame {
    char     *bytes;
    size_t    size, room;
    int       n_locations, last, tried, way, ways; /* tried: threads done, the last one first */
    operation done;                                /* the step that was made from here, as it went */
    int       by, preemptions;
};

static struct frame *frames;
static int           n_frames;
static uint64_t     *seen;
static size_t        n_seen, room_seen;
static int           bound;
static char          broken_text[400];
const char          *explore_broken;

void explore_fail(const char *format, ...)
{
    va_list args;

    if (!explore_broken) {
        va_start(args, format);
        vsnprintf(broken_text, sizeof broken_text, format, args);
        va_end(args);
        explore_broken = broken_text;
    }
    if (explore_current) {
        explore_current->op.kind = FINISHED;
        explore_yield();
    }
}

/* --- states ------------------------------------------------------------------------------------------------------ */

struct piece {
    char  *memory;
    size_t size;
};

/* Behind the head of the world and its locations. */
static int pieces_of_world(struct piece *p)
{
    world *w = &explore_world;
    int    n = 0;

    p[n++] = (struct piece){w->arena, w->used};
    for (int t = 0; t < w->n_threads; t++) {
        char *top = explore_stacks[t] + STACK;

        if (w->threads[t].op.kind != FINISHED)
            p[n++] = (struct piece){w->threads[t].sp, (size_t)(top - (char *)w->threads[t].sp)};
    }
    return n;
}

static size_t size_of(const location *l)
{
    return offsetof(location, values) + l->n * sizeof *l->values;
}

static void put(struct frame *f, const void *memory, size_t size)
{
    if (f->size + size > f->room) {
        f->room  = f->room * 2 + size;
        f->bytes = realloc(f->bytes, f->room);
        if (!f->bytes)
            abort();
    }
    memcpy(f->bytes + f->size, memory, size);
    f->size += size;
}

static void store(struct frame *f)
{
    struct piece p[THREADS + 1];
    int          n = pieces_of_world(p);

    f->size        = 0;
    f->n_locations = explore_n_locations;
    put(f, &explore_world, offsetof(world, locations));
    for (int i = 0; i < explore_n_locations; i++)
        put(f, &explore_world.locations[i], size_of(&explore_world.locations[i]));
    for (int i = 0; i < n; i++)
        put(f, p[i].memory, p[i].size);
}

static const char *get(void *memory, const char *from, size_t size)
{
    memcpy(memory, from, size);
    return from + size;
}

static void put_back(const struct frame *f)
{
    struct piece p[THREADS + 1];
    const char  *from = get(&explore_world, f->bytes, offsetof(world, locations));
    int          n    = pieces_of_world(p);

    for (int i = 0; i < f->n_locations; i++) {
        memcpy(&explore_world.locations[i], from, offsetof(location, values)); /* tells how many values follow */
        from = get(&explore_world.locations[i], from, size_of(&explore_world.locations[i]));
    }
    for (int i = f->n_locations; i < explore_n_locations; i++) /* not touched at that time */
        explore_world.locations[i].n = 0;
    for (int i = 0; i < n; i++)
        from = get(p[i].memory, from, p[i].size);
}

static void grow_seen(void)
{
    size_t    old_room = room_seen;
    uint64_t *old      = seen;

    room_seen = old_room ? old_room * 2 : (size_t)1 << 20;
    seen      = calloc(room_seen, sizeof *seen);
    if (!seen)
        abort();
    for (size_t i = 0; i < old_room; i++) {
        size_t k = old[i] & (room_seen - 1);

        if (!old[i])
            continue;
        while (seen[k])
            k = (k + 1) & (room_seen - 1);
        seen[k] = old[i];
    }
    free(old);
}

/* 1: for the first time. */
static int is_new(const struct frame *f)
{
    uint64_t hash = XXH3_64bits(f->bytes, f->size) | 1;
    size_t   k;

    if (2 * n_seen >= room_seen)
        grow_seen();
    for (k = hash >> 1 & (room_seen - 1); seen[k]; k = (k + 1) & (room_seen - 1))
        if (seen[k] == hash)
            return 0;
    seen[k] = hash;
    n_seen++;
    return 1;
}

/* --- the walk ---------------------------------------------------------------------------------------------------- */

static void check_end(const explore_scenario *scenario)
{
    for (int t = 0; t < explore_world.n_threads; t++) {
        const thread *one = &explore_world.threads[t];

        if (one->op.kind == FINISHED || (one->op.kind == ASLEEP && one->may_sleep))
            continue;
        explore_fail("%s %s for ever", one->name, one->op.kind == ASLEEP ? "sleeps" : "is blocked");
        return;
    }
    scenario->check();
}

/* Makes a frame of the state at hand; 0: that was seen before, or something is wrong with it. */
static int enter(const explore_scenario *scenario, int last, int preemptions, explore_result *result)
{
    struct frame *f = &frames[n_frames];
    int           n = 0;

    if (explore_broken)
        return 0;
    explore_forget_old();
    explore_put_held();
    explore_world.last        = bound < 0 ? 0 : last;
    explore_world.preemptions = bound < 0 ? 0 : preemptions;
    store(f);
    if (!is_new(f))
        return 0;
    for (int t = 0; t < explore_world.n_threads; t++)
        n += explore_ways(&explore_world.threads[t]) > 0;
    if (!n) {
        result->ends++;
        check_end(scenario);
        return 0;
    }
    if (n_frames + 2 == DEEPEST) {
        explore_fail("a run of more than %d steps", DEEPEST);
        return 0;
    }
    f->last = last, f->tried = f->way = f->ways = 0, f->preemptions = preemptions;
    n_frames++;
    if (n_frames > result->deepest)
        result->deepest = n_frames;
    return 1;
}

static int thread_at(const struct frame *f, int nth)
{
    return nth == 0 ? f->last : nth <= f->last ? nth - 1 : nth;
}

/* The next step from this state, made; 0: there is none. */
static int step(struct frame *f)
{
    thread *t;

    put_back(f);
    while (f->way == f->ways) {
        int was = f->tried++;

        if (was >= explore_world.n_threads)
            return 0;
        /* with a bound on preemptions: a thread that can go on is left only so often */
        if (was > 0 && bound >= 0 && f->preemptions >= bound && explore_ways(&explore_world.threads[f->last]))
            return 0;
        f->by   = thread_at(f, was);
        f->way  = 0;
        f->ways = explore_ways(&explore_world.threads[f->by]);
    }
    t = &explore_world.threads[f->by];
    if (explore_perform(t, f->way++)) {
        f->done = t->op;
        explore_resume(t);
    } else {
        f->done = t->op;
    }
    return 1;
}

/* --- telling ----------------------------------------------------------------------------------------------------- */

static void print_place(const void *from)
{
    extern const char __executable_start __attribute__((weak));
    char              command[200], line[300];
    FILE             *pipe;

    snprintf(command, sizeof command, "addr2line -s -f -p -e /proc/%d/exe %#lx 2>/dev/null", (int)getpid(),
             (unsigned long)((const char *)from - &__executable_start) - 1);
    pipe = popen(command, "r");
    if (pipe && fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n")] = 0;
        printf("%s", line);
    }
    if (pipe)
        pclose(pipe);
}

static void print_step(const struct frame *f)
{
    static const char *const names[] = {"nothing", "begins", "load", "store",  "exchange", "add",        "sub",
                                        "and",     "or",     "xor",  "swap",   "fence",    "futex wait", "futex wake",
                                        "sleeps",  "awake",  "lock", "unlock", "join",     "until",      "end"};
    const operation         *op      = &f->done;

    printf("  %-10s %-10s ", explore_world.threads[f->by].name, names[op->kind]);
    if (op->address && op->kind != UNTIL && op->kind != JOIN)
        printf("%s", explore_name_of(op->address));
    if (op->kind == LOAD)
        printf(" = %#lx%s", (unsigned long)op->result, f->way > 1 ? " (an old value)" : "");
    else if (op->kind == COMPARE)
        printf(op->result ? " to %#lx" : " fails", (unsigned long)op->operand);
    else if (op->kind >= STORE && op->kind <= XOR)
        printf(" %#lx", (unsigned long)op->operand);
    printf("  ");
    if (op->from)
        print_place(op->from);
    printf("\n");
}

static void print_path(const char *name)
{
    printf("%s: %s, after\n", name, explore_broken);
    for (int i = 0; i < n_frames; i++)
        if (frames[i].by >= 0)
            print_step(&frames[i]);
}

/* Once through, as far as what is assumed holds. */
static void walk(const explore_scenario *scenario, int64_t most, explore_result *result)
{
    *result           = (explore_result){.tries = result->tries + 1};
    n_frames          = 0;
    explore_surprised = 0;
    free(seen);
    seen   = NULL;
    n_seen = room_seen = 0;
    explore_memory_reset();
    scenario->setup();
    enter(scenario, 0, 0, result);
    while (n_frames && !explore_broken && !explore_surprised && (int64_t)n_seen < most) {
        struct frame *f = &frames[n_frames - 1];

        if (!step(f)) {
            n_frames--;
            continue;
        }
        result->steps++;
        enter(scenario, f->by, f->preemptions + (f->by != f->last && explore_ways(&explore_world.threads[f->last]) > 0),
              result);
    }
    result->states   = (int64_t)n_seen;
    result->complete = !n_frames;
}

int explore_run(const explore_scenario *scenario, int depth, int preemptions, int64_t most, explore_result *result)
{
    if (!frames)
        frames = calloc(DEEPEST, sizeof *frames);
    if (!frames)
        abort();
    explore_broken = NULL;
    bound          = preemptions;
    explore_depth  = depth;
    result->tries  = 0;
    explore_touched_reset();
    do
        walk(scenario, most, result);
    while (explore_surprised && !explore_broken);
    if (explore_broken)
        print_path(scenario->name);
    return explore_broken != NULL;
}
