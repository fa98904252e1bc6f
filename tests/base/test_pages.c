/* On which pages memory lies, as the system tells it. */
#include "base/pages.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

enum { USUAL, HUGE, SMALL };

/* How the mapping that holds an address was advised. */
static int advice_of(const void *memory)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char  line[4096];
    int   is_it = 0, advice = -1;

    cr_assert(maps);
    while (advice < 0 && fgets(line, sizeof line, maps)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_it = from <= (uintptr_t)memory && (uintptr_t)memory < to;
        if (is_it && !strncmp(line, "VmFlags:", 8))
            advice = strstr(line, " hg") ? HUGE : strstr(line, " nh") ? SMALL : USUAL;
    }
    fclose(maps);
    return advice;
}

/* A kernel without huge pages takes no advice, and an emulator tells of none. */
static void skip_if_not_told(void)
{
    char *memory = sbl_pages_map(SBL_HUGE_PAGE);

    cr_assert(memory);
    if (madvise(memory, SBL_HUGE_PAGE, MADV_NOHUGEPAGE) || advice_of(memory) != SMALL)
        cr_skip_test("the system does not tell which pages were asked for");
    munmap(memory, SBL_HUGE_PAGE);
}

static char *fresh(size_t n)
{
    char *memory = sbl_pages_map(n * SBL_HUGE_PAGE);

    cr_assert(memory);
    cr_expect_eq((uintptr_t)memory % SBL_HUGE_PAGE, 0);
    sbl_pages_advise(memory, n * SBL_HUGE_PAGE);
    memory[n * SBL_HUGE_PAGE - 1] = 1;
    return memory;
}

/* The setting is read once a process. */
static int in_a_child(int (*look)(void))
{
    pid_t child = fork();
    int   status;

    if (!child)
        _exit(look());
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int look_at_fresh(void)
{
    return advice_of(fresh(3) + SBL_HUGE_PAGE);
}

Test(pages, are_small_where_the_setting_says_so)
{
    skip_if_not_told();
    setenv("SABAL_HUGE_PAGES", "0", 1);
    cr_expect_eq(in_a_child(look_at_fresh), SMALL);
}

static int look_after_dear(void)
{
    size_t mapped = 0;

    if (!sbl_pages_took(5000000))
        return 1;
    for (; mapped < (size_t)256 << 20; mapped += 8 * SBL_HUGE_PAGE)
        if (advice_of(fresh(8)) != SMALL)
            return 2;
    return advice_of(fresh(8)) == HUGE ? 0 : 3; /* the first page of it, whatever that takes */
}

Test(pages, are_small_for_a_while_after_a_dear_one)
{
    skip_if_not_told();
    unsetenv("SABAL_HUGE_PAGES");
    cr_expect_eq(in_a_child(look_after_dear), 0);
    cr_expect_eq(sbl_pages_took(100000), 0);
}

static int look_whatever_it_takes(void)
{
    sbl_pages_took(5000000);
    return look_at_fresh();
}

Test(pages, are_huge_whatever_it_takes_where_the_setting_says_so)
{
    skip_if_not_told();
    setenv("SABAL_HUGE_PAGES", "2", 1);
    cr_expect_eq(in_a_child(look_whatever_it_takes), HUGE);
    unsetenv("SABAL_HUGE_PAGES");
}

Test(pages, that_are_fetched_are_there_and_no_others)
{
    const size_t  page = (size_t)sysconf(_SC_PAGESIZE), some = 16;
    unsigned char there[SBL_HUGE_PAGE / 4096];
    char         *memory = sbl_pages_map(SBL_HUGE_PAGE);

    cr_assert(memory);
    madvise(memory, SBL_HUGE_PAGE, MADV_NOHUGEPAGE);
    if (madvise(memory, page, MADV_POPULATE_WRITE) || mincore(memory, page, there) || !(there[0] & 1))
        cr_skip_test("the system fetches no pages when asked to"); /* an emulator says that it did */
    sbl_pages_fetch(memory, some * page);
    cr_assert_eq(mincore(memory, SBL_HUGE_PAGE, there), 0);
    for (size_t i = 0; i < SBL_HUGE_PAGE / page; i++)
        cr_expect_eq(there[i] & 1, i < some);
    munmap(memory, SBL_HUGE_PAGE);
}
