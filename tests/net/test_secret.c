/* Keys, and the file that holds one. */
#include "support/test.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "cluster/net/scheduler_file.h"

static char folder[64], path[96];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/sabal-test-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/scheduler.json", folder);
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
    unsetenv("PBS_JOBID");
}

static void remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert(system(command) == 0);
}

TestSuite(secret);
TestSuite(scheduler_file, .init = make_folder, .fini = remove_folder);

/* --- keys ----------------------------------------------------------------------------------------------------------- */

Test(secret, two_are_never_the_same)
{
    sbl_secret *a = NULL, *b = NULL;

    cr_assert(sbl_secret_create(&a, NULL) == SABAL_OK && sbl_secret_create(&b, NULL) == SABAL_OK);
    cr_expect(memcmp(sbl_secret_borrow(a), sbl_secret_borrow(b), SBL_KEY_BYTES) != 0);
    sbl_secret_destroy(a);
    sbl_secret_destroy(b);
}

Test(secret, digits_give_the_same_bytes_and_anything_else_is_refused)
{
    char        digits[SBL_KEY_DIGITS];
    sbl_secret *a = NULL, *b = NULL;

    cr_assert(sbl_secret_create(&a, NULL) == SABAL_OK);
    sbl_secret_write_hex(digits, a);
    cr_assert(sbl_secret_create_from_hex(&b, digits, NULL) == SABAL_OK);
    cr_expect(memcmp(sbl_secret_borrow(a), sbl_secret_borrow(b), SBL_KEY_BYTES) == 0);
    sbl_secret_destroy(b);
    for (int c = 0; c < 256; c++) {
        int is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        digits[17] = (char)c;
        b          = NULL;
        cr_expect_eq(sbl_secret_create_from_hex(&b, digits, NULL), is_digit ? SABAL_OK : SABAL_EFORMAT);
        sbl_secret_destroy(b);
    }
    sbl_secret_destroy(a);
}

Test(secret, a_derived_key_depends_on_purpose_bytes_and_origin)
{
    uint8_t     seed[SBL_KEY_BYTES] = {1}, other[SBL_KEY_BYTES] = {2};
    sbl_secret *a, *b, *k[5];

    cr_assert(!sbl_secret_create_from(&a, seed, NULL) && !sbl_secret_create_from(&b, other, NULL));
    cr_assert(!sbl_secret_derive(&k[0], a, "ticket", "xy", 2, NULL) &&
              !sbl_secret_derive(&k[1], a, "ticket", "xz", 2, NULL) &&
              !sbl_secret_derive(&k[2], a, "tickets", "xy", 2, NULL) &&
              !sbl_secret_derive(&k[3], b, "ticket", "xy", 2, NULL) &&
              !sbl_secret_derive(&k[4], a, "ticket", "xy", 2, NULL));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            cr_expect(memcmp(sbl_secret_borrow(k[i]), sbl_secret_borrow(k[j]), SBL_KEY_BYTES) != 0);
    cr_expect(memcmp(sbl_secret_borrow(k[0]), sbl_secret_borrow(k[4]), SBL_KEY_BYTES) == 0);
    for (int i = 0; i < 5; i++)
        sbl_secret_destroy(k[i]);
    sbl_secret_destroy(a);
    sbl_secret_destroy(b);
}

/* The kernel says of each mapping what it leaves out of core files ("dd"). */
Test(secret, it_lies_in_memory_that_core_files_leave_out)
{
    sbl_secret   *a = NULL;
    FILE         *maps;
    char          line[512];
    unsigned long from, to, at;
    int           inside = 0, left_out = 0;

    cr_assert(sbl_secret_create(&a, NULL) == SABAL_OK);
    at   = (unsigned long)(uintptr_t)sbl_secret_borrow(a);
    maps = fopen("/proc/self/smaps", "r");
    cr_assert(maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = at >= from && at < to;
        else if (inside && !strncmp(line, "VmFlags:", 8))
            left_out = strstr(line, " dd") != NULL;
    }
    fclose(maps);
    cr_expect(left_out);
    sbl_secret_destroy(a);
}

/* --- the file ------------------------------------------------------------------------------------------------------- */

static void fill(sbl_scheduler_file *file)
{
    cr_assert(sbl_scheduler_file_init(file, NULL) == SABAL_OK);
    file->n_addresses  = 3;
    file->addresses[0] = (sbl_address){.kind = SBL_ADDRESS_TCP, .interface = "eth0", .ip = "10.1.2.3", .port = 4711};
    file->addresses[1] = (sbl_address){.kind = SBL_ADDRESS_TCP, .interface = "ib0", .ip = "2001:db8::1", .port = 4712};
    file->addresses[2] = (sbl_address){.kind = SBL_ADDRESS_UNIX, .path = "/tmp/\"odd\" name/s"};
}

/* Writes one, and forgets it. */
static void write_one(const char *where)
{
    sbl_scheduler_file file;

    fill(&file);
    cr_assert(sbl_scheduler_file_write(where, &file, NULL) == SABAL_OK);
    sbl_scheduler_file_clear(&file);
}

/* Reads it once, has to fail, and its message has to hold a word; never a part of the secret. */
static sabal_status refused(const char *word)
{
    sbl_scheduler_file file;
    sabal_error        err = SABAL_ERROR_INIT;
    sabal_status       st  = sbl_scheduler_file_read(&file, path, 0, &err);

    if (!st)
        sbl_scheduler_file_clear(&file);
    if (!strstr(err.message, word) || !strstr(err.message, path))
        fprintf(stderr, "'%s' lacks '%s' or the path\n", err.message, word);
    cr_expect(st != SABAL_OK && strstr(err.message, word) && strstr(err.message, path));
    return st;
}

static size_t load(char *text, size_t size)
{
    FILE  *f = fopen(path, "r");
    size_t n;

    cr_assert(f != NULL);
    n       = fread(text, 1, size - 1, f);
    text[n] = 0;
    fclose(f);
    return n;
}

static void store(const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    close(fd);
}

/* In the file as it lies there, replaces a text. */
static void replace(const char *what, const char *by)
{
    char   text[8192], *at, changed[8192];
    size_t n;

    load(text, sizeof text);
    at = strstr(text, what);
    cr_assert(at != NULL);
    n = (size_t)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
    store(changed, n);
}

Test(scheduler_file, what_is_read_is_what_was_written)
{
    sbl_scheduler_file a, b;
    struct stat        st;

    setenv("SLURM_JOB_ID", "17", 1);
    setenv("SLURM_RESTART_COUNT", "2", 1);
    setenv("PBS_JOBID", "18", 1);
    fill(&a);
    cr_assert(sbl_scheduler_file_write(path, &a, NULL) == SABAL_OK);
    cr_assert(sbl_scheduler_file_read(&b, path, 0, NULL) == SABAL_OK);
    cr_expect(!memcmp(a.cluster, b.cluster, SBL_CLUSTER_ID));
    cr_expect(!memcmp(sbl_secret_borrow(a.secret), sbl_secret_borrow(b.secret), SBL_KEY_BYTES));
    cr_expect_str_eq(b.version, sabal_version());
    cr_expect(!memcmp(&a.node, &b.node, sizeof a.node) && a.node.boot[0] && a.node.host[0]);
    cr_expect(b.pid == getpid() && b.pid_start == a.pid_start && b.pid_start && b.uid == geteuid());
    cr_expect_str_eq(b.job, "17");
    cr_expect(b.restarts == 2 && b.started == a.started && b.n_addresses == 3);
    cr_expect(!memcmp(a.addresses, b.addresses, sizeof a.addresses));
    cr_assert(stat(path, &st) == 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
    sbl_scheduler_file_clear(&a);
    sbl_scheduler_file_clear(&b);
}

Test(scheduler_file, nothing_else_is_left_in_the_folder)
{
    char command[160];

    write_one(path);
    write_one(path);
    snprintf(command, sizeof command, "test $(ls -A %s | wc -l) = 1", folder);
    cr_expect(system(command) == 0);
}

Test(scheduler_file, absent_it_is_waited_for_until_the_deadline)
{
    sbl_scheduler_file file;
    sabal_error        err   = SABAL_ERROR_INIT;
    int64_t            began = sbl_clock_ns();

    cr_expect_eq(refused("there is no scheduler file"), SABAL_ENOENT);
    cr_expect_eq(sbl_scheduler_file_read(&file, path, began + 200000000, &err), SABAL_ENOENT);
    cr_expect(sbl_clock_ns() - began >= 200000000);
    cr_expect(strstr(err.message, "s of waiting for a scheduler") && strstr(err.message, path));
}

Test(scheduler_file, absent_by_a_relative_path_the_folder_is_told)
{
    sbl_scheduler_file file;
    sabal_error        err = SABAL_ERROR_INIT;
    char               here[PATH_MAX], wanted[PATH_MAX + 64];

    snprintf(wanted, sizeof wanted, "there is no scheduler file none.json in %.200s: has", getcwd(here, sizeof here));
    cr_expect_eq(sbl_scheduler_file_read(&file, "none.json", 0, &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, wanted), "%s", err.message);
}

static void *write_later(void *arg)
{
    usleep(150000);
    write_one(path);
    return arg;
}

Test(scheduler_file, one_that_comes_while_it_is_waited_for_is_read)
{
    sbl_scheduler_file file;
    pthread_t          thread;

    cr_assert(sbl_thread_start(&thread, write_later, NULL) == 0);
    cr_expect_eq(sbl_scheduler_file_read(&file, path, sbl_clock_ns() + 10000000000, NULL), SABAL_OK);
    pthread_join(thread, NULL);
    sbl_scheduler_file_clear(&file);
}

Test(scheduler_file, a_symbolic_link_is_refused)
{
    char other[128];

    snprintf(other, sizeof other, "%s.real", path);
    write_one(other);
    cr_assert(symlink(other, path) == 0);
    cr_expect_eq(refused("symbolic link"), SABAL_EACCES);
    write_one(path); /* and one in the way is replaced, not followed */
    cr_assert(unlink(other) == 0);
    cr_expect_eq(access(path, F_OK), 0);
}

Test(scheduler_file, a_pipe_is_refused_and_stops_nobody)
{
    cr_assert(mkfifo(path, 0600) == 0);
    cr_expect_eq(refused("no regular file"), SABAL_EACCES);
}

Test(scheduler_file, any_bit_for_others_is_refused)
{
    static const mode_t MODES[] = {0640, 0620, 0610, 0604, 0602, 0601};

    write_one(path);
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++) {
        cr_assert(chmod(path, MODES[i]) == 0);
        cr_expect_eq(refused("mode 6"), SABAL_EACCES);
    }
}

Test(scheduler_file, another_owner_is_refused)
{
    if (geteuid() != 0)
        cr_skip_test("only root can give files away");
    write_one(path);
    cr_assert(chown(path, 65534, 65534) == 0);
    cr_expect_eq(refused("belongs to user 65534"), SABAL_EACCES);
}

Test(scheduler_file, too_large_is_refused)
{
    char *large = calloc(1, 65537);

    store(large, 65537);
    cr_expect_eq(refused("65537 bytes"), SABAL_EFORMAT);
    free(large);
}

Test(scheduler_file, cut_anywhere_it_is_refused)
{
    char   text[8192], digits[33];
    size_t n;

    write_one(path);
    n = load(text, sizeof text);
    memcpy(digits, strstr(text, "\"secret\": \"") + 11, 32);
    digits[32] = 0;
    for (size_t cut = 0; cut < n - 2; cut += 7) { /* n - 1 is its last newline */
        sbl_scheduler_file file;
        sabal_error        err = SABAL_ERROR_INIT;

        store(text, cut);
        cr_expect_eq(sbl_scheduler_file_read(&file, path, 0, &err), SABAL_EFORMAT);
        cr_expect(err.message[0] && !strstr(err.message, digits));
    }
}

Test(scheduler_file, what_is_malformed_is_told_by_name)
{
    static const struct {
        const char  *what, *by, *word;
        sabal_status status;
    } CASES[] = {
        {"sabal-scheduler", "dask-scheduler!", "\"format\"", SABAL_EFORMAT},
        {"\"format_version\": 1", "\"format_version\": 2", "version 2", SABAL_EUNSUPPORTED},
        {"\"version\": \"0.", "\"version\": \"9.", "sabal 9.", SABAL_EUNSUPPORTED},
        {"\"port\": 4711", "\"port\": 65536", "\"port\"", SABAL_EFORMAT},
        {"\"port\": 4711", "\"port\": -1", "\"port\"", SABAL_EFORMAT},
        {"10.1.2.3", "10.1.2.x", "\"addresses\"", SABAL_EFORMAT},
        {"\"kind\": \"tcp\"", "\"kind\": \"udp\"", "\"addresses\"", SABAL_EFORMAT},
        {"\"host\": \"", "\"host\": 3, \"hast\": \"", "\"host\"", SABAL_EFORMAT},
        {"\"cluster\": \"", "\"cluster\": \"x", "\"cluster\"", SABAL_EFORMAT},
        {"\"secret\": \"", "\"secret\": \"x", "\"secret\"", SABAL_EFORMAT},
        {"\"secret\":", "\"secret\" :", "\"secret\"", SABAL_EFORMAT},
        {"\"uid\":", "\"uid\": 1, \"uid\":", "malformed", SABAL_EFORMAT},
        {"{", "[", "malformed", SABAL_EFORMAT},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        write_one(path);
        replace(CASES[i].what, CASES[i].by);
        cr_expect_eq(refused(CASES[i].word), CASES[i].status);
    }
}

/* The secret is taken out by its text: one that lies elsewhere is not the file's. */
Test(scheduler_file, a_secret_inside_of_something_else_is_none)
{
    char other[160];

    snprintf(other, sizeof other, "\"more\": {\"secret\": \"%064d\"}, \"cluster\": ", 7);
    write_one(path);
    replace("\"cluster\": ", other);
    cr_expect_eq(refused("\"secret\""), SABAL_EFORMAT);
}

Test(scheduler_file, an_earlier_run_of_the_same_job_is_refused)
{
    sbl_scheduler_file file;

    setenv("SLURM_JOB_ID", "17", 1);
    write_one(path);
    cr_expect_eq(sbl_scheduler_file_read(&file, path, 0, NULL), SABAL_OK);
    sbl_scheduler_file_clear(&file);
    setenv("SLURM_RESTART_COUNT", "1", 1);
    cr_expect_eq(refused("earlier run of job 17"), SABAL_EPEER);
}

Test(scheduler_file, one_whose_scheduler_is_gone_is_refused)
{
    pid_t child = fork();
    int   status;

    if (child == 0) {
        write_one(path);
        _exit(0);
    }
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    cr_expect_eq(refused("is left over"), SABAL_EPEER);
}

Test(scheduler_file, a_number_that_another_process_has_now_is_not_its_scheduler)
{
    char was[64], now[64];

    write_one(path);
    snprintf(was, sizeof was, "\"pid_start\": %llu", (unsigned long long)sbl_process_start_time(getpid()));
    snprintf(now, sizeof now, "\"pid_start\": %llu", (unsigned long long)sbl_process_start_time(getpid()) - 1);
    replace(was, now);
    cr_expect_eq(refused("is left over"), SABAL_EPEER);
}

Test(scheduler_file, of_another_node_a_process_cant_be_judged)
{
    sbl_scheduler_file file;
    char               was[128];

    write_one(path);
    sbl_scheduler_file_read(&file, path, 0, NULL);
    snprintf(was, sizeof was, "\"host\": \"%s\"", file.node.host);
    sbl_scheduler_file_clear(&file);
    replace(was, "\"host\": \"elsewhere\"");
    replace("\"pid\": ", "\"pid\": 9");
    cr_expect_eq(sbl_scheduler_file_read(&file, path, 0, NULL), SABAL_OK);
    sbl_scheduler_file_clear(&file);
}

Test(scheduler_file, removed_only_by_the_cluster_whose_it_is)
{
    sbl_scheduler_file a, b;

    fill(&a);
    fill(&b);
    cr_assert(sbl_scheduler_file_write(path, &a, NULL) == SABAL_OK);
    cr_assert(sbl_scheduler_file_write(path, &b, NULL) == SABAL_OK);
    sbl_scheduler_file_remove(path, a.cluster);
    cr_expect_eq(access(path, F_OK), 0);
    sbl_scheduler_file_remove(path, b.cluster);
    cr_expect_neq(access(path, F_OK), 0);
    sbl_scheduler_file_clear(&a);
    sbl_scheduler_file_clear(&b);
}

Test(scheduler_file, a_folder_that_is_not_there_is_told)
{
    sbl_scheduler_file file;
    sabal_error        err = SABAL_ERROR_INIT;

    fill(&file);
    cr_expect_eq(sbl_scheduler_file_write("/nowhere/at/all.json", &file, &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "/nowhere/at/all.json") != NULL);
    sbl_scheduler_file_clear(&file);
}

Test(scheduler_file, every_failed_allocation_is_reported)
{
    sbl_scheduler_file file;
    int                n_failed = 0;

    write_one(path);
    for (int64_t nth = 1; nth < 50; nth++) {
        sabal_error  err = SABAL_ERROR_INIT;
        sabal_status st;

        sbl_alloc_fail(nth, 0);
        st = sbl_scheduler_file_read(&file, path, 0, &err);
        sbl_alloc_fail(0, 0);
        if (!st)
            break;
        cr_expect_eq(st, SABAL_ENOMEM);
        n_failed++;
    }
    cr_expect_geq(n_failed, 2);
    sbl_scheduler_file_clear(&file);
}
