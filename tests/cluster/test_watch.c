/* What a scheduler notices by itself, and says in the log: tasks without a worker, and that nothing ends. By hand, with a clock of the
   test's. */
#include "core/desk.h"

#include "cluster/office_status.h"

#define SECOND_NS ((int64_t)1000000000)

enum { MOST_LINES = 64 };
static char             lines[MOST_LINES][1024];
static int              n_lines, n_told;
static uint64_t         told_ns;
static sbl_office_watch watch;
static sbl_joining      somebody = {.name = "node7"};

static void take_line(void *user, sabal_log_level level, const char *line)
{
    if (level <= SABAL_LOG_WARN && n_lines < MOST_LINES)
        snprintf(lines[n_lines++], sizeof lines[0], "%s", line);
}

static const sbl_joining *who(void *arg, uint32_t number)
{
    return &somebody;
}

static void tell(void *arg, const sbl_words *words)
{
    sbl_reader r = {.at = words->bytes, .end = words->bytes + words->size};

    cr_assert_eq(sbl_hear_u32(&r), SBL_TELL_LONELY);
    told_ns = sbl_hear_u64(&r);
    n_told++;
}

static void begin(void)
{
    desk_open(NULL);
    n_lines = n_told = 0;
    sabal_set_log(take_line, NULL, SABAL_LOG_WARN);
    watch = (sbl_office_watch){
        .core = desk, .path = "/home/u/s.json", .quiet_limit_ns = 30 * SECOND_NS, .who = who, .tell_clients = tell};
}

static void end(void)
{
    sabal_set_log(NULL, NULL, 0);
    desk_close();
}

/* Seconds pass, with four looks each. */
static void pass(int seconds)
{
    static int64_t now;

    if (!watch.n_samples)
        now = 5 * SECOND_NS;
    for (int i = 0; i < 4 * seconds; i++) {
        now += SECOND_NS / 4;
        sbl_office_watch_tick(&watch, now);
    }
}

static int lines_with(const char *text)
{
    int n = 0;

    for (int i = 0; i < n_lines; i++)
        n += strstr(lines[i], text) != NULL;
    return n;
}

/* --- without a worker ----------------------------------------------------------------------------------------------- */

Test(watch, tasks_without_a_worker_are_told_after_five_seconds_and_each_doubling)
{
    uint32_t c;

    begin();
    c = new_client();
    pass(20);
    cr_expect_eq(n_lines, 0, "nothing waits");
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    pass(4);
    cr_expect_eq(n_lines, 0);
    pass(2);
    cr_assert_eq(n_lines, 1);
    cr_expect_str_eq(lines[0],
                     "2 tasks wait, and for 5 s there has been no worker: start 'sabal worker --scheduler-file "
                     "/home/u/s.json'");
    cr_expect_eq(n_told, 1);
    cr_expect_eq(told_ns, 5 * SECOND_NS);
    cr_expect_eq(sbl_scheduler_ready_of(desk, c), 1);
    pass(3);
    cr_expect_eq(n_lines, 1);
    pass(2);
    cr_expect_eq(n_lines, 2, "10 s");
    pass(31);
    cr_expect_eq(n_lines, 4, "20 s and 40 s: %d", n_lines);
    end();
}

Test(watch, a_worker_ends_that)
{
    uint32_t c, w;

    begin();
    c = new_client();
    task(c, 1, 1, 0);
    pass(4);
    w = new_worker(1);
    pass(10);
    lose(w, NULL);
    pass(4);
    cr_expect_eq(n_told, 0);
    pass(2);
    cr_expect_eq(n_told, 1, "five seconds after the last one went");
    end();
}

/* --- nothing ends --------------------------------------------------------------------------------------------------- */

Test(watch, what_waits_for_what_is_told_when_nothing_has_ended_for_long)
{
    uint32_t c, w;

    begin();
    c = new_client();
    w = new_worker(1);
    data(c, 7, 1000);
    task(c, 1, 1, 0);
    task(c, 2, 2, 1, 7, 0);
    pass(28);
    cr_expect_eq(n_lines, 0);
    pass(3);
    cr_assert_geq(n_lines, 3);
    cr_expect_str_eq(lines[0], "no task has ended for 30 s, and 2 have yet to; some of them:");
    cr_expect_eq(lines_with("'one' (1 of client"), 1);
    cr_expect_eq(lines_with("a.c:1) is sent, worker"), 1);
    cr_expect_eq(lines_with("'node7', for 22 s at least"), n_lines - 1);
    cr_expect_eq(lines_with("'again' (2 of client"), 1);
    cr_expect_eq(lines_with("; 1 of 2 inputs are there; 'one' (1) is sent, worker"), 1, "%s", lines[2]);
    cr_expect_eq(lines_with("; 'data' (7) is done"), 1, "%s", lines[2]);
    n_lines = 0;
    pass(28);
    cr_expect_eq(n_lines, 0);
    pass(2);
    cr_expect_eq(lines_with("no task has ended for 60 s"), 1);
    finish(w, 1, 8);
    n_lines = 0;
    pass(29);
    cr_expect_eq(n_lines, 0, "one has ended");
    finish(w, 2, 8);
    pass(100);
    cr_expect_eq(n_lines, 0, "nothing waits");
    end();
}

Test(watch, lines_are_few_however_many_tasks_wait)
{
    sbl_wait waits[5];
    uint32_t c;

    begin();
    c = new_client();
    new_worker(2);
    new_worker(2);
    for (int i = 1; i <= 400; i++)
        task(c, (uint64_t)i, 1, i % 10 ? 0 : i - 1, 0);
    pass(31);
    cr_expect(n_lines > 5 && n_lines <= 1 + SBL_NOTED, "%d", n_lines);
    cr_expect_eq(sbl_scheduler_waits(waits, desk, 5), 5);
    cr_expect_eq(waits[0].self.state, SBL_T_SENT);
    cr_expect_eq(waits[1].self.state, SBL_T_SENT);
    cr_expect_neq(waits[0].self.worker, waits[1].self.worker, "one of each worker");
    end();
}

Test(watch, can_be_turned_off)
{
    begin();
    watch.quiet_limit_ns = 0;
    task(new_client(), 1, 1, 0);
    new_worker(1);
    pass(200);
    cr_expect_eq(n_lines, 0);
    end();
}

/* --- a worker ------------------------------------------------------------------------------------------------------- */

Test(watch, a_look_tells_what_a_worker_has_and_had)
{
    sbl_worker_look look;
    uint32_t        c, w;

    begin();
    c = new_client();
    w = new_worker(1);
    for (uint64_t i = 1; i <= 20; i++)
        task(c, i, 1, 0);
    finish(w, 1, 8);
    fail(w, 2, SABAL_EVALUE);
    cr_assert_eq(sbl_scheduler_worker_look(&look, desk, 0), 1);
    cr_assert_eq(sbl_scheduler_worker_look(&(sbl_worker_look){0}, desk, 1), 0);
    cr_expect_eq(look.number, w);
    cr_expect_eq(look.running, 1);
    cr_expect_eq(look.done, 1);
    cr_expect_eq(look.failed, 1);
    cr_expect_eq(look.running + look.queued + sbl_scheduler_ready_of(desk, c), 18);
    cr_expect_eq(look.is_suspect, 0);
    sbl_scheduler_tick(desk, look.heard_ns + 2 * SECOND_NS);
    cr_assert_eq(sbl_scheduler_worker_look(&look, desk, 0), 1);
    cr_expect_eq(look.is_suspect, 1);
    end();
}

/* --- that none may run ---------------------------------------------------------------------------------------------- */

Test(watch, a_task_that_no_worker_may_run_says_which_may)
{
    uint32_t c;

    begin();
    c = new_client();
    worker_of(1, "a", "h", NULL);
    rule(c, 4, 0, "node9", "gpu=1");
    rule(c, 5, 0, "", "gpu=1");
    task(c, 1, 4, 0);
    task(c, 2, 5, 0);
    pass(31);
    cr_expect_eq(lines_with("; it may run at 'node9' with 'gpu=1': 0 workers"), 1);
    cr_expect_eq(lines_with("; it may run at any worker with 'gpu=1': 0 workers"), 1);
    end();
}
