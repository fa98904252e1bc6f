/*
 * What C11 lets a thread read. Each location keeps its last values; each thread has a view, how old a value it may still
 * read of each. A load takes any from there on. A release store leaves the writer's view with the value, an acquire load
 * takes that over; read-modify-writes read the newest value and pass on the view of the one before; a sequentially
 * consistent fence meets the views of all such fences before it. Sequentially consistent loads, stores and read-modify-
 * writes are taken as acquire and release only, which is less than C11 promises.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explore/world.h"

#define REGIONS 96

struct region {
    uintptr_t begin, end;
    size_t    piece;
    int       first; /* location of its first piece */
    char      name[40];
    uint64_t  held;
};
struct regions {
    struct region r[REGIONS];
    int           n;
};

world                 explore_world;
int                   explore_depth = 2;
int                   explore_n_locations;
static uintptr_t      addresses[LOCATIONS]; /* 0: plain memory */
static struct regions watched, quiet, held, named;

static const struct region *region_of(const struct regions *all, uintptr_t address)
{
    for (int i = 0; i < all->n; i++)
        if (address >= all->r[i].begin && address < all->r[i].end)
            return &all->r[i];
    return NULL;
}

static struct region *add_region(struct regions *all, const void *memory, size_t size)
{
    struct region *r = &all->r[all->n];

    if (all->n == REGIONS) {
        explore_fail("more than %d regions", REGIONS);
        return r - 1;
    }
    all->n++;
    *r = (struct region){.begin = (uintptr_t)memory, .end = (uintptr_t)memory + size};
    return r;
}

static int new_locations(int n)
{
    int first = explore_n_locations;

    if (first + n > LOCATIONS) {
        explore_fail("more than %d locations", LOCATIONS);
        return 0;
    }
    explore_n_locations += n;
    return first;
}

void explore_watch(void *memory, size_t size, size_t piece, const char *name)
{
    struct region *r = add_region(&watched, memory, size);

    r->piece = piece;
    r->first = new_locations(2 * (int)(size / piece)); /* for each piece: its last write, its last read */
    snprintf(r->name, sizeof r->name, "%s", name);
}

void explore_quiet(void *memory, size_t size)
{
    add_region(&quiet, memory, size);
}

void explore_hold(void *memory, size_t size)
{
    struct region *r = add_region(&held, memory, size);

    memcpy(&r->held, memory, size);
}

void explore_put_held(void)
{
    for (int i = 0; i < held.n; i++)
        memcpy((void *)held.r[i].begin, &held.r[i].held, held.r[i].end - held.r[i].begin);
}

void explore_name(const void *memory, const char *format, ...)
{
    struct region *r = add_region(&named, memory, 1);
    va_list        args;

    va_start(args, format);
    vsnprintf(r->name, sizeof r->name, format, args);
    va_end(args);
}

const char *explore_name_of(uintptr_t address)
{
    static char          text[32];
    const struct region *r = region_of(&named, address);

    if (!r)
        r = region_of(&watched, address);
    if (r)
        return r->name;
    snprintf(text, sizeof text, "%#lx", (unsigned long)address);
    return text;
}

int explore_is_quiet(uintptr_t address)
{
    return region_of(&quiet, address) != NULL;
}

void explore_memory_reset(void)
{
    watched.n = quiet.n = held.n = named.n = 0;
    explore_n_locations                    = 0;
    memset(addresses, 0, sizeof addresses);
    memset(&explore_world, 0, sizeof explore_world);
}

/* --- views ------------------------------------------------------------------------------------------------------- */

static void join(view *to, const view *from)
{
    for (int i = 0; i < LOCATIONS; i++)
        to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
}

/* Calls change for what each view there is says of one location. */
static void for_views(int i, void (*change)(uint8_t *at))
{
    world *w = &explore_world;

    change(&w->fenced.at[i]);
    for (int t = 0; t < w->n_threads; t++) {
        change(&w->threads[t].now.at[i]);
        change(&w->threads[t].acquired.at[i]);
        change(&w->threads[t].released.at[i]);
    }
    for (int k = 0; k < explore_n_locations; k++)
        for (uint32_t v = 0; v < w->locations[k].n; v++)
            change(&w->locations[k].values[v].view.at[i]);
}

static void one_older(uint8_t *at)
{
    *at -= *at > 0;
}

static void nothing(uint8_t *at)
{
    *at = 0;
}

static void drop_oldest(int i)
{
    location *l = &explore_world.locations[i];

    memmove(l->values, l->values + 1, --l->n * sizeof *l->values);
    for_views(i, one_older);
}

/* Values that no thread may read any more, and plain accesses that all know, are forgotten: so states meet again. */
void explore_forget_old(void)
{
    world *w = &explore_world;

    for (int i = 0; i < explore_n_locations; i++) {
        location *l     = &w->locations[i];
        uint8_t   least = UINT8_MAX;

        if (addresses[i] ? l->n < 2 : !l->n)
            continue;
        for (int t = 0; t < w->n_threads; t++)
            if (w->threads[t].op.kind != FINISHED && w->threads[t].now.at[i] < least)
                least = w->threads[t].now.at[i];
        if (addresses[i])
            for (; least && l->n > 1; least--)
                drop_oldest(i);
        else if (least) {
            l->n = 0;
            for_views(i, nothing);
        }
    }
}

/* --- plain memory ------------------------------------------------------------------------------------------------ */

/* This access is the last one of its kind, and known to the thread alone. */
static void note_plain(int i)
{
    explore_world.locations[i].n         = 1;
    explore_world.locations[i].values[0] = (value){0};
    for_views(i, nothing);
    explore_current->now.at[i] = explore_current->acquired.at[i] = 1;
}

static int unknown(int i)
{
    return explore_world.locations[i].n && !explore_current->now.at[i];
}

/* Of reads only the last is kept: of two readers that do not know of each other a later writer must know the second only. */
void explore_plain(uintptr_t address, int is_write)
{
    const struct region *r = region_of(&watched, address);
    int                  i;

    if (!r)
        return;
    i = r->first + 2 * (int)((address - r->begin) / r->piece);
    if (unknown(i) || (is_write && unknown(i + 1)))
        explore_fail("a race: %s %s[%d], which another thread %s without an order between the two",
                     is_write ? "writes" : "reads", r->name, (int)((address - r->begin) / r->piece),
                     unknown(i) ? "has written" : "reads");
    note_plain(is_write ? i : i + 1);
}

/* --- atomic memory ----------------------------------------------------------------------------------------------- */

static uint64_t read_memory(uintptr_t address, int size)
{
    uint64_t bits = 0;

    memcpy(&bits, (void *)address, (size_t)size);
    return bits;
}

static int location_of(const operation *op)
{
    location *l;
    int       i = 0;

    while (i < explore_n_locations && addresses[i] != op->address)
        i++;
    if (i == explore_n_locations) {
        i            = new_locations(1);
        addresses[i] = op->address;
    }
    l = &explore_world.locations[i];
    if (!l->n) {
        l->n         = 1;
        l->values[0] = (value){.bits = read_memory(op->address, op->size)};
    }
    return i;
}

static int acquires(int order)
{
    return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static int releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void take(thread *t, int i, uint32_t which, int order)
{
    const value *v = &explore_world.locations[i].values[which];

    if (t->now.at[i] < which)
        t->now.at[i] = (uint8_t)which;
    if (acquires(order))
        join(&t->now, &v->view);
    join(&t->acquired, &v->view);
    join(&t->acquired, &t->now);
}

/* before: what the value replaced hands on, or NULL. */
static void append(thread *t, int i, uint64_t bits, int order, const view *before)
{
    location *l = &explore_world.locations[i];
    value new   = {.bits = bits, .view = releases(order) ? t->now : t->released};

    if (before)
        join(&new.view, before);
    new.view.at[i] = t->now.at[i] = t->acquired.at[i] = (uint8_t)l->n;
    l->values[l->n++]                                 = new;
    if ((int)l->n > explore_depth)
        drop_oldest(i);
    memcpy((void *)t->op.address, &bits, (size_t)t->op.size);
}

static uint64_t combine(const operation *op, uint64_t old)
{
    switch (op->kind) {
    case ADD:
        return old + op->operand;
    case SUB:
        return old - op->operand;
    case AND:
        return old & op->operand;
    case OR:
        return old | op->operand;
    case XOR:
        return old ^ op->operand;
    default:
        return op->operand;
    }
}

static void replace(thread *t, int i, uint64_t bits)
{
    location *l      = &explore_world.locations[i];
    view      before = l->values[l->n - 1].view;

    take(t, i, l->n - 1, t->op.order);
    append(t, i, bits, t->op.order, &before);
}

static void fence(thread *t, int order)
{
    if (acquires(order))
        join(&t->now, &t->acquired);
    if (order == __ATOMIC_SEQ_CST) {
        join(&explore_world.fenced, &t->now);
        t->now = explore_world.fenced;
        join(&t->acquired, &t->now);
    }
    if (releases(order))
        t->released = t->now;
}

/* A compare-and-swap may fail with any value but the expected one that may be read. */
static int failing(const thread *t, int i, int way)
{
    const location *l = &explore_world.locations[i];

    for (int v = (int)l->n - 1; v >= (int)t->now.at[i]; v--)
        if (l->values[v].bits != t->op.expected && way-- == 0)
            return v;
    return -1;
}

static int can_swap(const thread *t, int i)
{
    const location *l = &explore_world.locations[i];

    return l->values[l->n - 1].bits == t->op.expected;
}

static int ways_to_swap(const thread *t, int i)
{
    int n = can_swap(t, i);

    for (int way = 0; failing(t, i, way) >= 0; way++)
        n++;
    return n;
}

static void swap(thread *t, int i, int way)
{
    if (can_swap(t, i) && way-- == 0) {
        t->op.result = 1;
        replace(t, i, t->op.operand);
        return;
    }
    way            = failing(t, i, way);
    t->op.result   = 0;
    t->op.expected = explore_world.locations[i].values[way].bits;
    take(t, i, (uint32_t)way, __ATOMIC_RELAXED); /* all of ours fail with relaxed; acquire would only tell more */
}

/* --- all operations ---------------------------------------------------------------------------------------------- */

static uint64_t newest(const thread *t)
{
    const location *l = &explore_world.locations[location_of(&t->op)];

    return l->values[l->n - 1].bits;
}

static int sleepers(uintptr_t address)
{
    int n = 0;

    for (int t = 0; t < explore_world.n_threads; t++)
        n += explore_world.threads[t].op.kind == ASLEEP && explore_world.threads[t].op.address == address;
    return n;
}

static int is(const char *name, enum kind kind)
{
    for (int t = 0; t < explore_world.n_threads; t++)
        if (!strcmp(explore_world.threads[t].name, name))
            return explore_world.threads[t].op.kind == kind;
    return 0;
}

int explore_is_asleep(const char *name)
{
    return is(name, ASLEEP);
}

int explore_has_ended(const char *name)
{
    return is(name, FINISHED);
}

int explore_ways(const thread *t)
{
    int n;

    switch (t->op.kind) {
    case FINISHED:
    case ASLEEP:
        return 0;
    case LOAD: {
        int i = location_of(&t->op);

        return (int)explore_world.locations[i].n - t->now.at[i];
    }
    case COMPARE:
        return ways_to_swap(t, location_of(&t->op));
    case WAKE:
        n = t->op.operand == 1 ? sleepers(t->op.address) : 1;
        return n > 1 ? n : 1;
    case LOCK:
        return newest(t) == 0;
    case JOIN:
        return ((thread *)t->op.address)->op.kind == FINISHED;
    case UNTIL:
        return ((int (*)(void *))t->op.address)((void *)t->op.operand) != 0;
    default:
        return 1;
    }
}

/* It took long: what was written before is all over. */
static void forget_all_old(thread *t)
{
    for (int i = 0; i < explore_n_locations; i++)
        if (addresses[i] && explore_world.locations[i].n)
            t->now.at[i] = t->acquired.at[i] = (uint8_t)(explore_world.locations[i].n - 1);
}

/* Wakes the way-th of the sleepers, or all. */
static void wake(const operation *op, int way)
{
    for (int t = 0; t < explore_world.n_threads; t++) {
        operation *other = &explore_world.threads[t].op;

        if (other->kind == ASLEEP && other->address == op->address && (op->operand > 1 || way-- == 0))
            other->kind = AWAKE;
    }
}

int explore_perform(thread *t, int way)
{
    operation *op = &t->op;
    int        i;

    switch (op->kind) {
    case LOAD:
        i          = location_of(op);
        way        = (int)explore_world.locations[i].n - 1 - way;
        op->result = explore_world.locations[i].values[way].bits;
        take(t, i, (uint32_t)way, op->order);
        return 1;
    case STORE:
        append(t, location_of(op), op->operand, op->order, NULL);
        return 1;
    case EXCHANGE:
    case ADD:
    case SUB:
    case AND:
    case OR:
    case XOR:
        op->result = newest(t);
        replace(t, location_of(op), combine(op, op->result));
        return 1;
    case COMPARE:
        swap(t, location_of(op), way);
        return 1;
    case FENCE:
        fence(t, op->order);
        return 1;
    case WAIT: /* the kernel reads what is newest, under the lock that a wake takes too */
        if (newest(t) == op->operand)
            op->kind = ASLEEP;
        return op->kind != ASLEEP;
    case WAKE:
        wake(op, way);
        return 1;
    case LOCK:
        op->order = __ATOMIC_ACQUIRE;
        replace(t, location_of(op), 1);
        return 1;
    case UNLOCK:
        append(t, location_of(op), 0, __ATOMIC_RELEASE, NULL);
        return 1;
    case UNTIL:
        forget_all_old(t);
        return 1;
    case JOIN:
        join(&t->now, &((thread *)op->address)->now);
        join(&t->acquired, &t->now);
        return 1;
    default:
        return 1;
    }
}
