/* Sleeping and waking: real threads of a pool, and others that post, come as guests, wait for events, end the pool. */
#include "explore/nodes.h"
#include "explore/pools.h"
#include "explore/scenarios.h"

#include <sabal/loop.h>

#include "sched/futex.h"

/* A piece of posted work: marks its number, then sets one event or waits for it. */
typedef struct piece {
    sbl_work   work;
    int        number;
    sbl_event *set, *wait;
} piece;

static piece     *pieces; /* MARKS of them */
static sbl_event *event, *other_event;

static void run_piece(sbl_work *work)
{
    piece *p = (piece *)work;

    if (p->wait)
        EXPECT(sbl_event_wait(p->wait, -1) == 1);
    mark(p->number);
    if (p->set)
        sbl_event_set(p->set);
}

static void make_pieces(void)
{
    pieces      = explore_alloc(64, MARKS * sizeof *pieces);
    event       = explore_alloc(64, sizeof *event);
    other_event = explore_alloc(64, sizeof *other_event);
    for (int i = 0; i < MARKS; i++)
        pieces[i] = (piece){.work = {.run = run_piece}, .number = i};
    explore_name(event, "event");
    explore_watch(ran, 4 * sizeof *ran, sizeof *ran, "marks");
    for (int i = 0; i < 2; i++)
        explore_watch(&pieces[i].work.child, sizeof pieces[i].work.child, sizeof pieces[i].work.child, "posted piece");
}

static void a_pool(int threads)
{
    pool_of_threads(threads);
    make_pieces();
}

/* --- posting ----------------------------------------------------------------------------------------------------- */

static void post_first(void *argument)
{
    sbl_pool_post(pool, &pieces[0].work);
}

static void post_second(void *argument)
{
    sbl_pool_post(pool, &pieces[1].work);
}

static void post_both(void *argument)
{
    sbl_pool_post(pool, &pieces[0].work);
    sbl_pool_post(pool, &pieces[1].work);
}

void post_one_to_one(void)
{
    a_pool(1);
    explore_thread("poster", post_first, NULL, 0);
}

void post_two_to_one(void)
{
    a_pool(1);
    explore_thread("poster", post_both, NULL, 0);
}

void two_post_to_one(void)
{
    a_pool(1);
    explore_thread("poster", post_first, NULL, 0);
    explore_thread("poster 2", post_second, NULL, 0);
}

void post_one_to_two(void)
{
    a_pool(2);
    explore_thread("poster", post_first, NULL, 0);
}

void post_two_to_two(void)
{
    a_pool(2);
    explore_thread("poster", post_both, NULL, 0);
}

/* Work whose home is a node without a thread; and work for two nodes with one thread each. */
void home_of_nobody(void)
{
    pool_on_nodes(1, 2);
    make_pieces();
    pieces[0].work.home = 2;
    explore_thread("poster", post_first, NULL, 0);
}

void home_of_each(void)
{
    pool_on_nodes(2, 2);
    make_pieces();
    pieces[0].work.home = 2;
    pieces[1].work.home = 1;
    explore_thread("poster", post_both, NULL, 0);
}

static int is_marked(void *argument)
{
    return ran[(intptr_t)argument];
}

static void run_until_marked(sbl_work *work)
{
    mark(((piece *)work)->number);
    explore_until(is_marked, (void *)1);
}

/* The first keeps its thread until the second has run, which so must wake the other one. */
void first_needs_second(void)
{
    a_pool(2);
    pieces[0].work.run = run_until_marked;
    explore_thread("poster", post_both, NULL, 0);
}

/* The same with a thread that posts to its own queue. */
static void run_post_and_hold(sbl_work *work)
{
    mark(((piece *)work)->number);
    sbl_pool_post(pool, &pieces[1].work);
    explore_until(is_marked, (void *)1);
}

void thread_posts_and_holds(void)
{
    a_pool(2);
    pieces[0].work.run = run_post_and_hold;
    explore_thread("poster", post_first, NULL, 0);
}

/* --- in a seat ---------------------------------------------------------------------------------------------------- */

enum { RUNG = 1, LETTER = 2, GONE = 4 };

static _Atomic uint32_t *is_taken, *news; /* is_taken: 2: there is none any more */

static int take_seat(void *nothing)
{
    uint32_t nobody = 0;

    return atomic_compare_exchange_strong(is_taken, &nobody, 1);
}

static int sleep_in_seat(void *nothing)
{
    const uint32_t came = atomic_exchange(news, 0);

    if (!came)
        sbl_futex_wait(news, 0, -1);
    if (came & LETTER)
        sbl_pool_post(pool, &pieces[0].work);
    return !(came & GONE);
}

static void leave_seat(void *nothing)
{
    uint32_t mine = 1;

    atomic_compare_exchange_strong(is_taken, &mine, 0);
}

static void bring(uint32_t what)
{
    atomic_fetch_or(news, what);
    sbl_futex_wake(news, 1);
}

static void ring_seat(void *nothing)
{
    if (!sbl_me.seated)
        bring(RUNG);
}

static const sbl_seat seat = {take_seat, sleep_in_seat, leave_seat, ring_seat, NULL};

static void send_letter(void *argument)
{
    bring(LETTER);
}

static void a_pool_with_a_seat(int threads)
{
    a_pool(threads);
    is_taken = explore_alloc(64, sizeof *is_taken);
    news     = explore_alloc(64, sizeof *news);
    explore_name((void *)is_taken, "seat is taken");
    explore_name((void *)news, "news");
    sbl_pool_offer_seat(pool, &seat);
}

/* Who sits hears of one piece of work, another is posted. */
void seat_and_post(void)
{
    a_pool_with_a_seat(1);
    explore_thread("sender", send_letter, NULL, 0);
    explore_thread("poster", post_second, NULL, 0);
}

static void take_away(void *argument)
{
    atomic_store(is_taken, 2);
    bring(GONE);
}

void seat_goes(void)
{
    a_pool_with_a_seat(1);
    explore_thread("closer", take_away, NULL, 0);
    explore_thread("poster", post_first, NULL, 0);
}

void seat_of_two(void)
{
    a_pool_with_a_seat(2);
    explore_thread("sender", send_letter, NULL, 0);
    explore_thread("poster", post_second, NULL, 0);
}

/* --- blocking ---------------------------------------------------------------------------------------------------- */

/* The only thread waits for an event that the second piece sets: it must lend its place. */
void blocked_thread_lends(void)
{
    a_pool(1);
    pieces[0].wait = pieces[1].set = event;
    explore_thread("poster", post_both, NULL, 0);
}

static void set_event(void *argument)
{
    sbl_event_set(event);
}

static int is_blocked(void *argument)
{
    return ran[0] || SBL_COUNT(sbl_state(pool), SBL_BLOCKED) == 1;
}

static void post_when_blocked(void *argument)
{
    explore_until(is_blocked, NULL);
    sbl_pool_post(pool, &pieces[1].work);
}

/* No thread can be started: the one that comes back does what was posted meanwhile. */
void no_spare(void)
{
    a_pool(1);
    explore_no_memory = 1;
    pieces[0].wait    = event;
    explore_thread("poster", post_first, NULL, 0);
    explore_thread("poster 2", post_when_blocked, NULL, 0);
    explore_thread("setter", set_event, NULL, 0);
}

static void wait_for_event(void *argument)
{
    EXPECT(sbl_event_wait(event, -1) == 1);
    mark((int)(intptr_t)argument);
}

void event_two_waiters(void)
{
    pool_of_slots(1, 0);
    make_pieces();
    explore_thread("waiter", wait_for_event, (void *)0, 0);
    explore_thread("waiter 2", wait_for_event, (void *)1, 0);
    explore_thread("setter", set_event, NULL, 0);
}

/* --- guests ------------------------------------------------------------------------------------------------------ */

SABAL_JOB(int, number, int, i)
{
    mark(i);
    return i;
}

SABAL_JOB(int, pair)
{
    int a, b;

    SABAL_SPAWN(number, 0);
    SABAL_SPAWN(number, 1);
    b = SABAL_SYNC(number);
    a = SABAL_SYNC(number);
    return a * 10 + b;
}

#define RUN_IN(job)                                                                                                    \
    __extension__({                                                                                                    \
        struct sabal_record_##job run_record_ = {.run = sabal_run_##job};                                              \
        sbl_job_run(pool, (struct sabal_record *)&run_record_);                                                        \
        run_record_.u.result;                                                                                          \
    })

static void run_pair(void *argument)
{
    EXPECT(RUN_IN(pair) == 1);
}

void guest_and_one(void)
{
    a_pool(1);
    explore_thread("guest", run_pair, NULL, 0);
}

/* What was published gets a thread if one may be awake: the guest holds its own until somebody has run it. */
SABAL_JOB(int, hold_until_taken)
{
    SABAL_SPAWN(number, 0);
    SABAL_SPAWN(number, 1);
    if (sabal_place_->split > sabal_head_ - 2)
        explore_until(is_marked, (void *)0);
    (void)SABAL_SYNC(number);
    return SABAL_SYNC(number);
}

static void run_hold(void *argument)
{
    RUN_IN(hold_until_taken);
}

void guest_holds(void)
{
    a_pool(2);
    explore_thread("guest", run_hold, NULL, 0);
}

/* A thread that sleeps has raised the request flags: so the next spawn publishes, and wakes it. */
static int all_asleep(void *argument)
{
    return explore_is_asleep("thread 0");
}

SABAL_JOB(int, spawn_for_sleeper)
{
    explore_until(all_asleep, NULL);
    SABAL_SPAWN(number, 0);
    explore_until(is_marked, (void *)0);
    return SABAL_SYNC(number);
}

static void run_for_sleeper(void *argument)
{
    RUN_IN(spawn_for_sleeper);
}

void guest_wakes_sleeper(void)
{
    a_pool(1);
    pool->threads = 2; /* so that there is room for the guest */
    explore_thread("guest", run_for_sleeper, NULL, 0);
}

SABAL_JOB(int, spawn_twice_for_sleeper)
{
    int sum;

    SABAL_SPAWN(number, 0);
    sum = SABAL_SYNC(number);
    explore_until(all_asleep, NULL);
    SABAL_SPAWN(number, 1);
    explore_until(is_marked, (void *)1);
    return sum + SABAL_SYNC(number);
}

static void run_twice_for_sleeper(void *argument)
{
    RUN_IN(spawn_twice_for_sleeper);
}

void second_spawn(void)
{
    a_pool(1);
    pool->threads = 2;
    explore_thread("guest", run_twice_for_sleeper, NULL, 0);
}

/* There is room for one more when the other guest has left. */
static int alone_and_asleep(void *argument)
{
    return explore_is_asleep("thread 0") && explore_has_ended("guest 2");
}

SABAL_JOB(int, spawn_when_alone)
{
    int sum;

    SABAL_SPAWN(number, 0);
    sum = SABAL_SYNC(number);
    explore_until(alone_and_asleep, NULL);
    SABAL_SPAWN(number, 1);
    explore_until(is_marked, (void *)1);
    return sum + SABAL_SYNC(number);
}

static void run_when_alone(void *argument)
{
    RUN_IN(spawn_when_alone);
}

SABAL_JOB(int, nothing)
{
    return 0;
}

static void run_nothing(void *argument)
{
    RUN_IN(nothing);
}

void guest_leaves(void)
{
    a_pool(1);
    pool->threads = 2;
    explore_thread("guest", run_when_alone, NULL, 0);
    explore_thread("guest 2", run_nothing, NULL, 0);
}

/* --- mail -------------------------------------------------------------------------------------------------------- */

static sbl_mail *mail;

static void run_mail(sbl_mail *m, sbl_slot *self)
{
    mark(0);
}

static void send_mail(void *argument)
{
    EXPECT(sbl_mail_put(slot_at(0), mail));
}

static void send_and_take_back(void *argument)
{
    EXPECT(sbl_mail_put(slot_at(0), mail));
    if (sbl_mail_take_back(slot_at(0), mail))
        mark(0);
}

static void a_pool_with_mail(void)
{
    a_pool(1);
    mail      = explore_alloc(16, sizeof *mail);
    mail->run = run_mail;
}

/* The only thread runs it, asleep or awake. */
void mail_to_one(void)
{
    a_pool_with_mail();
    explore_thread("sender", send_mail, NULL, 0);
}

void mail_taken_back(void)
{
    a_pool_with_mail();
    explore_thread("sender", send_and_take_back, NULL, 0);
}

/* Two wake the same thread at once, one of them as he sleeps, the other one because of his mail. */
void mail_and_post(void)
{
    a_pool_with_mail();
    pool->threads = 2;
    explore_thread("sender", send_mail, NULL, 0);
    explore_thread("poster", post_second, NULL, 0);
}

/* --- jobs of the pool's threads ---------------------------------------------------------------------------------- */

static void run_pair_posted(sbl_work *work)
{
    EXPECT(RUN_IN(pair) == 1);
}

/* On a thread of the pool, whose sync may sleep and lend its place. */
void posted_job(void)
{
    a_pool(2);
    pieces[0].work.run = run_pair_posted;
    explore_thread("poster", post_first, NULL, 0);
}

/* --- loops ------------------------------------------------------------------------------------------------------- */

static sabal_status mark_range(int64_t begin, int64_t end, void *context)
{
    for (int64_t i = begin; i < end; i++)
        mark((int)i);
    return SABAL_OK;
}

static void run_lazy(void *argument)
{
    EXPECT(sbl_for(pool, 0, 3, mark_range, NULL, &(sabal_for_options){.grain = 1}) == SABAL_OK);
}

static void run_static(void *argument)
{
    EXPECT(sbl_for(pool, 0, 2, mark_range, NULL, &(sabal_for_options){.schedule = SABAL_STATIC}) == SABAL_OK);
}

void lazy_loop(void)
{
    a_pool(1);
    explore_thread("guest", run_lazy, NULL, 0);
}

/* --- graphs ------------------------------------------------------------------------------------------------------ */

/* Node 0, then the two others: one of them for the thread, behind whose end the guest must not stay asleep. */
static void run_three(void *argument)
{
    const sbl_node node[4]  = {{.fn = mark_node},
                               {.fn = mark_node, .arg = (void *)1, .first_after = 2, .n_before = 1},
                               {.fn = mark_node, .arg = (void *)2, .first_after = 2, .n_before = 1},
                               {.first_after = 2}};
    const uint32_t after[2] = {1, 2};

    run_nodes(node, 3, after, 2, 1);
}

void graph_of_three(void)
{
    a_pool(1);
    explore_thread("guest", run_three, NULL, 0);
}

/* Two roots, one for the thread, each with a node after it. */
static void run_two_chains(void *argument)
{
    const sbl_node node[5]  = {{.fn = mark_node},
                               {.fn = mark_node, .arg = (void *)1, .first_after = 1},
                               {.fn = mark_node, .arg = (void *)2, .first_after = 2, .n_before = 1},
                               {.fn = mark_node, .arg = (void *)3, .first_after = 2, .n_before = 1},
                               {.first_after = 2}};
    const uint32_t after[2] = {2, 3};

    run_nodes(node, 4, after, 2, 2);
}

void graph_of_two_chains(void)
{
    a_pool(1);
    explore_thread("guest", run_two_chains, NULL, 0);
}

void static_loop(void)
{
    a_pool(2);
    explore_thread("guest", run_static, NULL, 0);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void post_and_end(void *argument)
{
    sbl_pool_post(pool, &pieces[0].work);
    sbl_pool_destroy(pool);
    EXPECT(ran[0] == 1);
}

static void end(int threads)
{
    pool_of_threads(threads);
    make_pieces();
    explore_thread("owner", post_and_end, NULL, 0);
}

void end_in_seat(void)
{
    a_pool_with_a_seat(1);
    explore_thread("owner", post_and_end, NULL, 0);
}

void end_of_one(void)
{
    end(1);
}

void end_of_two(void)
{
    end(2);
}

/* A job's guest may be about to leave when the pool is ended by who knows that the job is done. */
static void guest_then_tell(void *argument)
{
    EXPECT(RUN_IN(pair) == 1);
}
static int pair_is_done(void *argument)
{
    return ran[0] && ran[1];
}
static void wait_and_end(void *argument)
{
    explore_until(pair_is_done, NULL);
    sbl_pool_destroy(pool);
}

void end_with_guest(void)
{
    pool_of_threads(1);
    make_pieces();
    explore_thread("guest", guest_then_tell, NULL, 0);
    explore_thread("owner", wait_and_end, NULL, 0);
}

/* --- what holds at the end --------------------------------------------------------------------------------------- */

static void expect_idle(int marks)
{
    expect_marks(marks);
    EXPECT(sbl_state(pool) == 0);
    EXPECT(!sbl_posted_visible(pool) && !sbl_records_visible(pool));
}

void idle_after_one(void)
{
    expect_idle(1);
}

void idle_after_two(void)
{
    expect_idle(2);
}

void idle_after_three(void)
{
    expect_idle(3);
}

void idle_after_four(void)
{
    expect_idle(4);
}

void ended_after_one(void)
{
    expect_marks(1);
    EXPECT(pool->quit);
}
