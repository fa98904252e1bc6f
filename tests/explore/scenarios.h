/* The scenarios: how each is set up, and what holds at its end. */
#ifndef SBL_TESTS_EXPLORE_SCENARIOS_H
#define SBL_TESTS_EXPLORE_SCENARIOS_H

/* deque.c */
void deque_one(void);
void deque_one_two_thieves(void);
void deque_two(void);
void deque_two_two_thieves(void);
void deque_again(void);
void deque_again_two_thieves(void);
void deque_three(void);
void deque_leapfrog(void);
void deque_leapfrog_and_thief(void);
void deque_graph(void);
void deque_overflow(void);
void deque_overflow_again(void);
void expect_nine(void);
void expect_one(void);
void expect_two(void);
void expect_three(void);
void expect_four(void);

/* wake.c */
void post_one_to_one(void);
void post_two_to_one(void);
void two_post_to_one(void);
void post_one_to_two(void);
void post_two_to_two(void);
void home_of_nobody(void);
void home_of_each(void);
void first_needs_second(void);
void thread_posts_and_holds(void);
void blocked_thread_lends(void);
void no_spare(void);
void event_two_waiters(void);
void guest_and_one(void);
void guest_holds(void);
void guest_wakes_sleeper(void);
void second_spawn(void);
void guest_leaves(void);
void mail_to_one(void);
void mail_taken_back(void);
void mail_and_post(void);
void posted_job(void);
void lazy_loop(void);
void static_loop(void);
void graph_of_three(void);
void graph_of_two_chains(void);
void seat_and_post(void);
void seat_goes(void);
void seat_of_two(void);
void end_in_seat(void);
void end_of_one(void);
void end_of_two(void);
void end_with_guest(void);
void idle_after_one(void);
void idle_after_two(void);
void idle_after_three(void);
void idle_after_four(void);
void ended_after_one(void);

#endif
