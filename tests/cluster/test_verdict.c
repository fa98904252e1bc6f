/* Who is charged with a worker's end, from what it left and what the system says. */
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cluster/verdict.h"
#include "support/test.h"

enum { EXIT_3 = 3 << 8 }; /* as waitpid() has it; a signal is its own number */
#define MIB ((uint64_t)1 << 20)

static sbl_crew_page *page;
static sbl_blame      blame;
static sbl_ending     ending;

static void begin(void)
{
    page = calloc(1, sizeof *page);
    atomic_store(&page->number, 7);
    ending = (sbl_ending){.has_ended = 1};
}

static void end(void)
{
    free(page);
}

TestSuite(verdict, .init = begin, .fini = end);

static void runs(int32_t thread, uint32_t task, uint32_t attempt, const char *name)
{
    sbl_fault_thread *t = &page->fault.threads[thread];

    atomic_store(&t->call, (uint64_t)task << 32 | attempt);
    strcpy(t->name, name);
    if (atomic_load(&page->fault.n_threads) <= thread)
        atomic_store(&page->fault.n_threads, thread + 1);
}

static void noted(int signal, uint32_t task, uint32_t attempt)
{
    atomic_store(&page->fault.is_noted, 1);
    atomic_store(&page->fault.signal, signal);
    atomic_store(&page->fault.call, (uint64_t)task << 32 | attempt);
}

static void had(int64_t s_before, uint64_t resident, uint64_t limit)
{
    const uint32_t n = atomic_load(&page->n_memories);

    page->memories[n % SBL_CREW_MEMORIES] =
        (sbl_crew_memory){sbl_clock_ns() - s_before * 1000000000, 0, resident, limit};
    atomic_store(&page->n_memories, n + 1);
}

static int is_guilty(uint32_t task)
{
    for (uint32_t i = 0; i < blame.n_ran; i++)
        if (blame.ran[i].task == task)
            return (int)blame.ran[i].is_guilty;
    return -1; /* it did not run */
}

static void judge(int status)
{
    ending.status = status;
    sbl_verdict(&blame, page, &ending);
    cr_expect_eq(blame.worker, 7);
}

Test(verdict, a_crash_in_a_task_is_that_tasks_alone)
{
    runs(0, 1, 10, "one");
    runs(3, 2, 20, "two");
    noted(SIGSEGV, 2, 20);
    judge(SIGSEGV);
    cr_expect(blame.is_known);
    cr_expect_eq(is_guilty(2), 1);
    cr_expect_eq(is_guilty(1), -1);
    cr_expect_eq(blame.ran[0].attempt, 20);
    cr_expect_str_eq(blame.what, "signal 11 (Segmentation fault)");
    cr_expect(strstr(blame.more, "it ran 'one' (task 1, attempt 10), 'two' (task 2, attempt 20)") != NULL, "%s",
              blame.more);
}

Test(verdict, a_crash_in_no_task_is_not_explained)
{
    runs(0, 1, 10, "one");
    noted(SIGSEGV, 0, 0);
    judge(SIGSEGV);
    cr_expect(!blame.is_known);
    cr_expect_eq(is_guilty(1), 0);
}

Test(verdict, a_signal_of_another_process_is_nobodys_fault)
{
    runs(0, 1, 10, "one");
    noted(SIGSEGV, 1, 10);
    atomic_store(&page->fault.is_sent, 1);
    judge(SIGSEGV);
    cr_expect(blame.is_known);
    cr_expect_eq(is_guilty(1), 0);
}

Test(verdict, a_call_of_exit_is_that_tasks)
{
    runs(0, 1, 10, "one");
    runs(1, 2, 20, "two");
    noted(0, 1, 10);
    judge(EXIT_3);
    cr_expect_eq(is_guilty(1), 1);
    cr_expect_eq(is_guilty(2), -1);
    cr_expect_str_eq(blame.what, "exit status 3");
    judge(-1); /* it goes on ending */
    cr_expect_str_eq(blame.what, "a call of exit()");
}

Test(verdict, what_was_not_noted_is_charged_to_one_that_ran_alone)
{
    runs(0, 1, 10, "one");
    judge(EXIT_3);
    cr_expect_eq(is_guilty(1), 1);
    runs(1, 2, 20, "two");
    judge(EXIT_3);
    cr_expect_eq(is_guilty(1), 0);
    cr_expect_eq(is_guilty(2), 0);
}

Test(verdict, a_kill_is_nobodys_fault_unless_memory_ran_out)
{
    runs(0, 1, 10, "one");
    runs(1, 2, 20, "two");
    had(1, 90 * MIB, 100 * MIB);
    ending.peak = (int64_t)(95 * MIB);
    judge(SIGKILL);
    cr_expect(blame.is_known);
    cr_expect_eq(is_guilty(1), 0);
    ending.ran_out = 1;
    judge(SIGKILL);
    cr_expect_eq(is_guilty(1), 1);
    cr_expect_eq(is_guilty(2), 1);
    cr_expect_str_eq(blame.what, "signal 9 (Killed) as memory ran out");
    judge(SIGTERM); /* another process of the group was killed */
    cr_expect_eq(is_guilty(1), 0);
}

Test(verdict, a_kill_over_the_limit_is_the_tasks_fault_however_late_that_was_seen)
{
    runs(0, 1, 10, "one");
    had(1, 120 * MIB, 100 * MIB);
    judge(SIGKILL);
    cr_expect_eq(is_guilty(1), 1);
    cr_expect_str_eq(blame.what, "signal 9 (Killed) while its memory was over its limit");
    had(0, 80 * MIB, 100 * MIB); /* not any more */
    ending.peak = (int64_t)(120 * MIB);
    judge(SIGKILL);
    cr_expect_eq(is_guilty(1), 0);
    ending.peak = (int64_t)(80 * MIB);
    atomic_store(&page->n_memories, 0);
    memset(page->memories, 0, sizeof page->memories);
    had(0, 80 * MIB, 100 * MIB);
    ending.peak = (int64_t)(150 * MIB); /* since then */
    judge(SIGKILL);
    cr_expect_eq(is_guilty(1), 1);
}

Test(verdict, a_worker_without_memory_of_its_own_is_the_fault_of_all_that_ran)
{
    runs(0, 1, 10, "one");
    runs(1, 2, 20, "two");
    judge(SBL_CREW_NO_MEMORY << 8);
    cr_expect_eq(is_guilty(1), 1);
    cr_expect_eq(is_guilty(2), 1);
}

Test(verdict, memory_is_told_as_it_was_and_is)
{
    had(12, 10 * MIB, 100 * MIB);
    had(3, 20 * MIB, 100 * MIB);
    had(0, 30 * MIB, 100 * MIB);
    judge(SIGKILL);
    cr_expect_str_eq(blame.more,
                     "it ran nothing; memory: 0 bytes of results, 30.0 MiB resident; 2 s before: 0 bytes of results, "
                     "20.0 MiB resident; 10 s before: 0 bytes of results, 10.0 MiB resident; its limit is 100.0 MiB");
    atomic_store(&page->fault.n_threads, 1);
    strcpy(page->fault.threads[0].name, "former");
    judge(SIGKILL);
    cr_expect(strstr(blame.more, "it ran nothing, the last task was 'former'") != NULL, "%s", blame.more);
}

/* What comes over the network is cut, bounded, or refused. */
Test(verdict, its_words_are_not_believed)
{
    static sbl_blame heard;
    sbl_words        words = {0};
    sbl_reader       r;

    runs(0, 1, 10, "one");
    noted(SIGSEGV, 1, 10);
    judge(SIGSEGV);
    sbl_say_blame(&words, &blame);
    r = (sbl_reader){.at = words.bytes, .end = words.bytes + words.size};
    sbl_hear_blame(&heard, &r);
    cr_expect(!r.failed && sbl_reader_is_at_end(&r));
    cr_expect_eq(memcmp(&heard, &blame, sizeof heard), 0);
    for (size_t n = 0; n < words.size; n++) {
        r = (sbl_reader){.at = words.bytes, .end = words.bytes + n};
        sbl_hear_blame(&heard, &r);
        cr_expect(r.failed);
    }
    blame.n_ran = SBL_FAULT_THREADS + 1;
    memcpy(words.bytes + words.size - 16, &blame.n_ran, sizeof blame.n_ran);
    r = (sbl_reader){.at = words.bytes, .end = words.bytes + words.size};
    sbl_hear_blame(&heard, &r);
    cr_expect(r.failed);
    sbl_words_clear(&words);
}
