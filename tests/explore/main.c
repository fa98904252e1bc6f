/* Usage: explore [--long] [--states N] [--depth N] [--preemptions N] [SCENARIO...]; 1 if something was found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explore/scenarios.h"
#include "explore/world.h"

/* clang-format off: a table */
const explore_scenario explore_scenarios[] = {
    {"one", deque_one, expect_one, 2, -1, 3, -1, -1},
    {"one_two_thieves", deque_one_two_thieves, expect_one, 2, -1, 3, -1, -1},
    {"two", deque_two, expect_two, 2, -1, 3, -1, -1},
    {"two_two_thieves", deque_two_two_thieves, expect_two, 2, -1, 3, -1, -1},
    {"again", deque_again, expect_two, 2, -1, 3, -1, -1},
    {"again_two_thieves", deque_again_two_thieves, expect_two, 2, -1, 3, -1, -1},
    {"three", deque_three, expect_three, 2, -1, 3, -1, -1},
    {"leapfrog", deque_leapfrog, expect_three, 2, -1, 3, -1, -1},
    {"leapfrog_and_thief", deque_leapfrog_and_thief, expect_three, 2, 3, 2, 5, -1},
    {"graph_and_stranger", deque_graph, expect_four, 2, -1, 3, -1, -1},
    {"overflow", deque_overflow, expect_nine, 2, -1, 3, -1, -1},
    {"overflow_again", deque_overflow_again, expect_nine, 2, -1, 3, -1, -1},
    {"post_one", post_one_to_one, idle_after_one, 2, -1, 3, -1, -1},
    {"post_two", post_two_to_one, idle_after_two, 2, -1, 3, -1, -1},
    {"two_post", two_post_to_one, idle_after_two, 2, -1, 3, -1, -1},
    {"event", event_two_waiters, expect_two, 2, -1, 3, -1, -1},
    {"post_one_to_two", post_one_to_two, idle_after_one, 2, -1, 3, -1, -1},
    {"post_two_to_two", post_two_to_two, idle_after_two, 2, 2, 2, 4, -1},
    {"home_of_nobody", home_of_nobody, idle_after_one, 2, -1, 3, -1, -1},
    {"home_of_each", home_of_each, idle_after_two, 2, 1, 2, 2, 3},
    {"first_needs_second", first_needs_second, idle_after_two, 2, 3, 2, 5, -1},
    {"posts_and_holds", thread_posts_and_holds, idle_after_two, 2, 3, 2, 5, -1},
    {"blocked", blocked_thread_lends, idle_after_two, 2, 3, 2, 5, -1},
    {"guest", guest_and_one, idle_after_two, 2, -1, 3, -1, -1},
    {"guest_holds", guest_holds, idle_after_two, 2, 2, 2, 3, -1},
    {"guest_wakes", guest_wakes_sleeper, idle_after_one, 2, -1, 3, -1, -1},
    {"second_spawn", second_spawn, idle_after_two, 2, -1, 3, -1, -1},
    {"guest_leaves", guest_leaves, idle_after_two, 2, 2, 2, 3, 4},
    {"no_spare", no_spare, idle_after_two, 2, 3, 2, 5, -1},
    {"mail_and_post", mail_and_post, idle_after_two, 2, 2, 2, 3, 4},
    {"mail", mail_to_one, idle_after_one, 2, -1, 3, -1, -1},
    {"mail_taken_back", mail_taken_back, idle_after_one, 2, -1, 3, -1, -1},
    {"posted_job", posted_job, idle_after_two, 2, 2, 2, 3, 4},
    {"lazy_loop", lazy_loop, idle_after_three, 2, -1, 3, -1, -1},
    {"static_loop", static_loop, idle_after_two, 2, 2, 2, 3, -1},
    {"graph", graph_of_three, idle_after_three, 2, 4, 2, 6, -1},
    {"graph_of_chains", graph_of_two_chains, idle_after_four, 2, 4, 2, 6, -1},
    {"seat_and_post", seat_and_post, idle_after_two, 2, -1, 3, -1, -1},
    {"seat_goes", seat_goes, idle_after_one, 2, -1, 3, -1, -1},
    {"seat_of_two", seat_of_two, idle_after_two, 2, 2, 2, 3, -1},
    {"end_in_seat", end_in_seat, ended_after_one, 2, -1, 3, -1, -1},
    {"end_of_one", end_of_one, ended_after_one, 2, -1, 3, -1, -1},
    {"end_of_two", end_of_two, ended_after_one, 2, 2, 2, 4, -1},
    {"end_with_guest", end_with_guest, ended_after_one, 2, 2, 2, 4, -1},
    {NULL},
};
/* clang-format on */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int wanted(const char *name, char **names, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(name, names[i]))
            return 1;
    return !n;
}

/* 1: nothing was found, and all was seen. */
static int run(const explore_scenario *s, int depth, int bound, int64_t most)
{
    explore_result r;
    double         begin = now();
    int            ok    = !explore_run(s, depth, bound, most, &r);

    if (ok && (!r.complete || !r.ends)) {
        printf("%s: %s after %lld states\n", s->name, r.complete ? "no run comes to an end" : "not through",
               (long long)r.states);
        ok = 0;
    }
    printf("%-20s depth %d, ", s->name, depth);
    if (bound < 0)
        printf("all schedules");
    else
        printf("%d preemptions", bound);
    printf(": %lld states, %lld steps, %d ends, %d deep, %.1f s\n", (long long)r.states, (long long)r.steps, r.ends,
           r.deepest, now() - begin);
    fflush(stdout);
    return ok;
}

static int passed, failed;

static void count(int ok)
{
    passed += ok;
    failed += !ok;
}

int main(int argc, char **argv)
{
    int64_t most  = 4000000;
    int     depth = 0, bound = -1, is_long = 0, n = 0;
    char   *names[64];

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--long"))
            is_long = 1, most = 100000000;
        else if (!strcmp(argv[i], "--depth") && i + 1 < argc)
            depth = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--preemptions") && i + 1 < argc)
            bound = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--states") && i + 1 < argc)
            most = atoll(argv[++i]);
        else if (n < 64)
            names[n++] = argv[i];
    }
    for (const explore_scenario *s = explore_scenarios; s->name; s++) {
        if (!wanted(s->name, names, n))
            continue;
        if (depth)
            count(run(s, depth, bound, most));
        else if (!is_long)
            count(run(s, s->depth, s->bound, most));
        else {
            count(run(s, s->long_depth, s->long_bound, most));
            if (s->long_bound >= 0)
                count(run(s, 1, s->sequential_bound, most));
        }
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed || !passed;
}
