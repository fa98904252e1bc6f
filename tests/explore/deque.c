/* The split deque: its owner spawns and syncs, others steal from it. */
#include "explore/nodes.h"
#include "explore/pools.h"
#include "explore/scenarios.h"

/* A thief that looks a few times. */
struct thief {
    int self, victim, looks;
};

static void steal(void *argument)
{
    const struct thief *t = argument;

    for (int i = 0; i < t->looks; i++)
        sbl_steal(slot_at(t->self), slot_at(t->self)->base, slot_at(t->victim));
}

static void add_thief(const char *name, int self, int victim, int looks)
{
    struct thief *t = explore_alloc(16, sizeof *t);

    *t = (struct thief){self, victim, looks};
    explore_thread(name, steal, t, 0);
}

SABAL_JOB(int, leaf, int, i)
{
    mark(i);
    return 100 + i;
}

/* --- one job, two jobs ------------------------------------------------------------------------------------------- */

SABAL_JOB(int, one)
{
    SABAL_SPAWN(leaf, 0);
    return SABAL_SYNC(leaf);
}

SABAL_JOB(int, two)
{
    int a, b;

    SABAL_SPAWN(leaf, 0);
    SABAL_SPAWN(leaf, 1);
    b = SABAL_SYNC(leaf);
    a = SABAL_SYNC(leaf);
    return a * 1000 + b;
}

/* The record of one is used by the next. */
SABAL_JOB(int, one_after_another)
{
    int a, b;

    SABAL_SPAWN(leaf, 0);
    a = SABAL_SYNC(leaf);
    SABAL_SPAWN(leaf, 1);
    b = SABAL_SYNC(leaf);
    return a * 1000 + b;
}

SABAL_JOB(int, three)
{
    int a, b, c;

    SABAL_SPAWN(leaf, 0);
    SABAL_SPAWN(leaf, 1);
    SABAL_SPAWN(leaf, 2);
    c = SABAL_SYNC(leaf);
    b = SABAL_SYNC(leaf);
    a = SABAL_SYNC(leaf);
    return (a - 100) * 100 + (b - 100) * 10 + c - 100;
}

static void run_one(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), one) == 100);
}

static void run_two(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), two) == 100101);
}

static void run_one_after_another(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), one_after_another) == 100101);
}

static void run_three(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), three) == 12);
}

static void owner_and_thieves(void (*owner)(void *), int thieves, int looks, int records)
{
    pool_of_slots(1 + thieves, records);
    explore_watch(ran, MARKS * sizeof *ran, sizeof *ran, "marks");
    explore_thread("owner", owner, NULL, 0);
    for (int i = 0; i < thieves; i++)
        add_thief(i ? "thief 2" : "thief 1", 1 + i, 0, looks);
}

void deque_one(void)
{
    owner_and_thieves(run_one, 1, 2, 2);
}

void deque_one_two_thieves(void)
{
    owner_and_thieves(run_one, 2, 1, 2);
}

void deque_two(void)
{
    owner_and_thieves(run_two, 1, 2, 3);
}

void deque_two_two_thieves(void)
{
    owner_and_thieves(run_two, 2, 1, 3);
}

void deque_again(void)
{
    owner_and_thieves(run_one_after_another, 1, 2, 2);
}

void deque_again_two_thieves(void)
{
    owner_and_thieves(run_one_after_another, 2, 2, 2);
}

void deque_three(void)
{
    owner_and_thieves(run_three, 1, 3, 4);
}

/* --- waiting for a thief ----------------------------------------------------------------------------------------- */

SABAL_JOB(int, parent)
{
    SABAL_SPAWN(leaf, 1);
    mark(0);
    return SABAL_SYNC(leaf);
}

SABAL_JOB(int, grandparent)
{
    SABAL_SPAWN(parent);
    return SABAL_SYNC(parent);
}

SABAL_JOB(int, stranger)
{
    if (sabal_place_ == &slot_at(0)->place)
        explore_fail("who waits for another job runs a stranger's job");
    mark(2);
    return 0;
}

SABAL_JOB(int, stranger_parent)
{
    SABAL_SPAWN(stranger);
    return SABAL_SYNC(stranger);
}

static void run_grandparent(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), grandparent) == 101);
}

static void steal_then_run_own(void *argument)
{
    sbl_steal(slot_at(1), slot_at(1)->base, slot_at(0));
    RUN_ON(slot_at(1), stranger_parent);
}

/* The owner may take what its thief has spawned for the job that it waits for, and nothing that the thief does after it. */
void deque_leapfrog(void)
{
    pool_of_slots(2, 2);
    explore_watch(ran, MARKS * sizeof *ran, sizeof *ran, "marks");
    explore_thread("owner", run_grandparent, NULL, 0);
    explore_thread("thief", steal_then_run_own, NULL, 0);
}

void deque_leapfrog_and_thief(void)
{
    pool_of_slots(3, 2);
    explore_watch(ran, MARKS * sizeof *ran, sizeof *ran, "marks");
    explore_thread("owner", run_grandparent, NULL, 0);
    explore_thread("thief", steal_then_run_own, NULL, 0);
    add_thief("thief 2", 2, 1, 2);
}

/* --- the root of a graph waits ----------------------------------------------------------------------------------- */

/* In a slot that is lent: number 1. Two roots, and a node after the second, which becomes ready with who has that. */
static void run_graph(void *argument)
{
    const sbl_node node[4]  = {{.fn = mark_node},
                               {.fn = mark_node, .arg = (void *)1},
                               {.fn = mark_node, .arg = (void *)2, .first_after = 1, .n_before = 1},
                               {.first_after = 1}};
    const uint32_t after[1] = {2};

    run_nodes(node, 3, after, 1, 2);
}

SABAL_JOB(int, stranger_to_graph)
{
    if (sabal_place_ == &slot_at(1)->place)
        explore_fail("who waits for a graph runs a stranger's job");
    mark(3);
    return 0;
}

SABAL_JOB(int, parent_of_stranger)
{
    SABAL_SPAWN(stranger_to_graph);
    return SABAL_SYNC(stranger_to_graph);
}

static void steal_part_then_run_own(void *argument)
{
    sbl_steal(slot_at(0), slot_at(0)->base, slot_at(1));
    RUN_ON(slot_at(0), parent_of_stranger);
}

/* The root may take what its thieves have of the graph, and nothing that they do after it. */
void deque_graph(void)
{
    pool_of_slots(2, 2);
    pool->max_threads = 1;
    pool->active[0]   = 1;
    explore_watch(ran, MARKS * sizeof *ran, sizeof *ran, "marks");
    explore_thread("root", run_graph, NULL, 0);
    explore_thread("thief", steal_part_then_run_own, NULL, 0);
}

/* --- more jobs than records -------------------------------------------------------------------------------------- */

SABAL_JOB(int, nine)
{
    int sum = 0;

    for (int i = 0; i < 9; i++)
        SABAL_SPAWN(leaf, i);
    for (int i = 9; i-- > 0;)
        sum += SABAL_SYNC(leaf) == 100 + i;
    return sum;
}

static void run_nine(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), nine) == 9);
}

void deque_overflow(void)
{
    _Static_assert(SBL_RECORDS == 6 && SBL_PER_BLOCK == 2, "nine jobs need two blocks more");
    pool_of_slots(2, 6);
    explore_thread("owner", run_nine, NULL, 0);
    add_thief("thief", 1, 0, 2);
}

/* After one that was stolen the word stands behind where the next ones are; then the deque gets full. */
SABAL_JOB(int, one_then_eight)
{
    int sum;

    SABAL_SPAWN(leaf, 0);
    sum = SABAL_SYNC(leaf) == 100;
    /* As after a piece of a loop, whose thief does not ask for the next at once. */
    __atomic_store_n(&sabal_place_->request, 0, __ATOMIC_RELAXED);
    for (int i = 1; i < 9; i++)
        SABAL_SPAWN(leaf, i);
    for (int i = 9; i-- > 1;)
        sum += SABAL_SYNC(leaf) == 100 + i;
    return sum;
}

static void run_one_then_eight(void *argument)
{
    EXPECT(RUN_ON(slot_at(0), one_then_eight) == 9);
}

void deque_overflow_again(void)
{
    pool_of_slots(2, 6);
    explore_thread("owner", run_one_then_eight, NULL, 0);
    add_thief("thief", 1, 0, 2);
}

void expect_nine(void)
{
    expect_marks(9);
}

void expect_one(void)
{
    expect_marks(1);
}

void expect_two(void)
{
    expect_marks(2);
}

void expect_three(void)
{
    expect_marks(3);
}

void expect_four(void)
{
    expect_marks(4);
}
