/* Usage: explore [--long] [--states N] [--depth N] [--preemptions N] [SCENARIO...]; 1 if something was found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explore/scenarios.h"
#include "explore/world.h"

/* clang-format off: a table */
const explore_scenario explore_scenarios[] = {
    {"one", deque_one, expect_one, 2, 3},
    {"one_two_thieves", deque_one_two_thieves, expect_one, 2, 3},
    {"two", deque_two, expect_two, 2, 3},
    {"two_two_thieves", deque_two_two_thieves, expect_two, 2, 3},
    {"again", deque_again, expect_two, 2, 3},
    {"again_two_thieves", deque_again_two_thieves, expect_two, 2, 3},
    {"three", deque_three, expect_three, 2, 3},
    {"leapfrog", deque_leapfrog, expect_three, 2, 3},
    {"leapfrog_and_thief", deque_leapfrog_and_thief, expect_three, 2, 3},
    {"overflow", deque_overflow, expect_nine, 2, 3},
    {"post_one", post_one_to_one, idle_after_one, 2, 3},
    {"post_two", post_two_to_one, idle_after_two, 2, 3},
    {"two_post", two_post_to_one, idle_after_two, 2, 3},
    {"event", event_two_waiters, expect_two, 2, 3},
    {"post_one_to_two", post_one_to_two, idle_after_one, 2, 3},
    {"post_two_to_two", post_two_to_two, idle_after_two, 2, 3},
    {"first_needs_second", first_needs_second, idle_after_two, 2, 3},
    {"posts_and_holds", thread_posts_and_holds, idle_after_two, 2, 3},
    {"blocked", blocked_thread_lends, idle_after_two, 2, 3},
    {"guest", guest_and_one, idle_after_two, 2, 3},
    {"guest_holds", guest_holds, idle_after_two, 2, 3},
    {"guest_wakes", guest_wakes_sleeper, idle_after_one, 2, 3},
    {"second_spawn", second_spawn, idle_after_two, 2, 3},
    {"guest_leaves", guest_leaves, idle_after_two, 2, 3},
    {"no_spare", no_spare, idle_after_two, 2, 3},
    {"mail_and_post", mail_and_post, idle_after_two, 2, 3},
    {"mail", mail_to_one, idle_after_one, 2, 3},
    {"mail_taken_back", mail_taken_back, idle_after_one, 2, 3},
    {"posted_job", posted_job, idle_after_two, 2, 3},
    {"lazy_loop", lazy_loop, idle_after_three, 2, 3},
    {"static_loop", static_loop, idle_after_two, 2, 3},
    {"end_of_one", end_of_one, ended_after_one, 2, 3},
    {"end_of_two", end_of_two, ended_after_one, 2, 3},
    {"end_with_guest", end_with_guest, ended_after_one, 2, 3},
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

int main(int argc, char **argv)
{
    int64_t most  = 4000000;
    int     depth = 0, preemptions = -1, is_long = 0, failed = 0, n = 0, passed = 0;
    char   *names[64];

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--long"))
            is_long = 1, most = 100000000;
        else if (!strcmp(argv[i], "--depth") && i + 1 < argc)
            depth = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--preemptions") && i + 1 < argc)
            preemptions = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--states") && i + 1 < argc)
            most = atoll(argv[++i]);
        else if (n < 64)
            names[n++] = argv[i];
    }
    for (const explore_scenario *s = explore_scenarios; s->name; s++) {
        explore_result r;
        double         begin = now();

        if (!wanted(s->name, names, n) || (s->long_only && !is_long && !n))
            continue;
        if (explore_run(s, depth ? depth : is_long ? s->long_depth : s->depth, preemptions, most, &r)) {
            failed++;
        } else if (!r.complete) {
            printf("%s: not through after %lld states\n", s->name, (long long)r.states);
            failed++;
        } else if (!r.ends) {
            printf("%s: no run comes to an end\n", s->name);
            failed++;
        } else {
            passed++;
        }
        printf("%-24s %10lld states, %10lld steps, %6d ends, %5d deep, %.1f s\n", s->name, (long long)r.states,
               (long long)r.steps, r.ends, r.deepest, now() - begin);
        fflush(stdout);
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed || !passed;
}
