/*
 * What tests of faults share: a cluster of processes whose log is read, a job whose result is known to the bit, and nothing
 * that is left at the end.
 */
#ifndef SBL_TESTS_CLUSTER_JOB_H
#define SBL_TESTS_CLUSTER_JOB_H

#include "support/engines.h"
#include "support/left.h"

static sabal_error  err = SABAL_ERROR_INIT;
static test_cluster cluster;
static left         behind;

/* --- a job: the sum of chunks, as a tree ----------------------------------------------------------------------- */

enum { MOST_CHUNKS = 128 };

typedef struct job {
    int64_t       chunks, words; /* words of 8 bytes each; from 64 KiB on values lie with workers */
    int64_t       ms;            /* of each task */
    int64_t       keeps;         /* so many chunks, until the job has ended */
    sabal_future *kept[MOST_CHUNKS];
    sabal_future *sum;
} job;

/* What no compression makes smaller, and adds up to the same in any order. */
static inline uint64_t job_word(int64_t chunk, int64_t i)
{
    uint64_t x = (uint64_t)chunk << 40 ^ (uint64_t)i;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

typedef struct job_step {
    int64_t chunk, words, ms;
} job_step;

static sabal_status job_make(sabal_task *t)
{
    const job_step *s     = sabal_task_arg(t);
    uint64_t       *words = sabal_task_return_room(t, (size_t)s->words * sizeof *words);

    if (!words)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < s->words; i++)
        words[i] = job_word(s->chunk, i);
    sleep_ms(s->ms);
    return SABAL_OK;
}

static sabal_status job_add(sabal_task *t)
{
    const job_step *s = sabal_task_arg(t);
    const uint64_t *a = sabal_task_input(t, 0), *b = sabal_task_input(t, 1);
    uint64_t       *words = sabal_task_return_room(t, (size_t)s->words * sizeof *words);

    if (!words)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < s->words; i++)
        words[i] = a[i] + b[i];
    sleep_ms(s->ms);
    return SABAL_OK;
}

/* Its inputs are released as it grows, but for the chunks that the job keeps. */
static inline void job_start(job *j, sabal_client *client)
{
    sabal_future *level[MOST_CHUNKS];
    int64_t       n = j->chunks;

    cr_assert_leq(n, MOST_CHUNKS);
    for (int64_t c = 0; c < n; c++) {
        level[c] = sabal_submit(client, job_make, (&(job_step){c, j->words, j->ms}), sizeof(job_step));
        if (c < j->keeps)
            j->kept[c] = sabal_retain(level[c]);
    }
    while (n > 1) {
        for (int64_t i = 0; i < n / 2; i++) {
            sabal_future *sum = sabal_submit(client, job_add, (&(job_step){0, j->words, j->ms}), sizeof(job_step),
                                             .inputs = SABAL_LIST(level[2 * i], level[2 * i + 1]));

            sabal_release(level[2 * i]);
            sabal_release(level[2 * i + 1]);
            level[i] = sum;
        }
        if (n % 2)
            level[n / 2] = level[n - 1];
        n = n / 2 + n % 2;
    }
    j->sum = level[0];
}

static inline void job_release(job *j)
{
    sabal_release(j->sum);
    j->sum = NULL;
    for (int64_t c = 0; c < j->chunks; c++) {
        sabal_release(j->kept[c]);
        j->kept[c] = NULL;
    }
}

/* Waits for it; the bits are those of a loop. */
static inline void job_expect(job *j)
{
    const size_t size = (size_t)j->words * sizeof(uint64_t);
    uint64_t    *got  = malloc(size);

    if (sabal_future_get(got, size, j->sum, &err)) {
        free(got);
        cr_assert_fail("%s", err.message);
    }
    for (int64_t i = 0; i < j->words; i++) {
        uint64_t sum = 0;

        for (int64_t c = 0; c < j->chunks; c++)
            sum += job_word(c, i);
        cr_assert_eq(got[i], sum, "word %lld", (long long)i);
    }
    free(got);
    job_release(j);
}

static inline void job_run(job j, sabal_client *client)
{
    job_start(&j, client);
    job_expect(&j);
}

/* --- the log of the cluster's processes ------------------------------------------------------------------------ */

static inline int log_count(const char *text)
{
    FILE *file = fopen(getenv("TEST_CLUSTER_LOG"), "re");
    char  line[2048];
    int   n = 0;

    while (file && fgets(line, sizeof line, file))
        n += strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return n;
}

static inline int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The design's time for it: 3 s of silence, a beat and a tick of a quarter each. The rest is for a machine that does more. */
enum { DETECTED_MS = 4000, SLACK_MS = 6000 };

/* Until so many lines have this text; how long that took, and more than is allowed if it did not come. */
static inline int64_t log_wait(const char *text, int n, int64_t since_ms)
{
    while (log_count(text) < n && now_ms() - since_ms < DETECTED_MS + SLACK_MS)
        sleep_ms(10);
    return now_ms() - since_ms + (log_count(text) < n ? DETECTED_MS + SLACK_MS : 0);
}

static inline void expect_detected(int n, int64_t since_ms)
{
    const int64_t ms = log_wait("' is gone: ", n, since_ms);

    fprintf(stderr, "detected after %lld ms\n", (long long)ms);
    cr_expect_leq(ms, DETECTED_MS + SLACK_MS, "detected after %lld ms", (long long)ms);
}

/* --- the cluster ----------------------------------------------------------------------------------------------- */

static inline void begin_faults(void)
{
    char path[96];

    err = (sabal_error)SABAL_ERROR_INIT;
    left_begin(&behind);
    snprintf(path, sizeof path, "%s/log", behind.folder);
    setenv("TEST_CLUSTER_LOG", path, 1);
    setenv("SABAL_LOG", "info", 1);
    sabal_set_log(NULL, NULL, SABAL_LOG_ERROR); /* of the processes, not of the test */
}

/* Whatever became of the test. */
static inline void end_faults(void)
{
    for (int i = 0; i < cluster.n; i++)
        kill(cluster.process[i], SIGCONT); /* a test that failed may have left one stopped */
    cluster_close(&cluster);
    unlink(getenv("TEST_CLUSTER_LOG"));
    unsetenv("TEST_CLUSTER_LOG");
    unsetenv("SABAL_LOG");
    unsetenv("SABAL_MEMORY_LIMIT");
    left_end(&behind);
}

/* The end of a test: nothing is left, and that is part of it. */
static inline void close_all(sabal_client *client)
{
    sabal_close(client);
    cluster_close(&cluster);
    unlink(getenv("TEST_CLUSTER_LOG"));
    left_expect_nothing(&behind);
}

static inline sabal_client *open_cluster(int32_t workers)
{
    sabal_client *client;

    cluster_open(&cluster, workers);
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

static inline void die(int process)
{
    kill(cluster.process[process], SIGKILL);
}

#endif
