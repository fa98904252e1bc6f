/* Values that come to a worker are within its memory limit, from however many others they come at once. On a cluster of processes. */
#include "cluster/named.h"

enum { MAKERS = 4, EACH = 2, VALUES = MAKERS * EACH, LARGE = 24 << 20, LIMIT_MIB = 72 };

static sabal_client *client;

static void end(void)
{
    unsetenv("SABAL_MEMORY_LIMIT");
    close_cluster();
}

TestSuite(comings, .init = clear_error, .fini = end, .timeout = 120);

/* LARGE bytes by which it is known; they take a while, so that each maker makes some. */
static sabal_status make(sabal_task *t)
{
    const int32_t *which = sabal_task_arg(t);
    char          *room  = sabal_task_return_room(t, LARGE);

    if (!room)
        return SABAL_ENOMEM;
    memset(room, 'a' + *which, LARGE);
    sleep_ms(300);
    return SABAL_OK;
}

static int64_t peak_mib(pid_t pid)
{
    char    path[64], line[256];
    int64_t kib = 0;
    FILE   *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmHWM: %lld", (long long *)&kib);
    if (f)
        fclose(f);
    return kib >> 10;
}

typedef struct numbers {
    char  text[128];
    pid_t but;
} numbers;

static int32_t add_number(void *user, const sabal_worker_info *worker)
{
    numbers *n = user;

    if (worker->pid != n->but)
        snprintf(n->text + strlen(n->text), sizeof n->text - strlen(n->text), "%s%lld", n->text[0] ? "," : "",
                 (long long)worker->number);
    return 0;
}

/* All values have to go to the one worker that stays, two from each of the others at a time. */
Test(comings, no_more_than_fits_comes_at_once)
{
    sabal_future      *f[VALUES];
    int32_t            which[VALUES];
    sabal_cluster_info info    = {.struct_size = sizeof info};
    numbers            leaving = {.text = ""};
    static char        got[LARGE];
    int64_t            before, peak;

    cluster_open(&cluster, 0);
    for (int i = 0; i < MAKERS; i++)
        start_named("maker", 1, NULL, "tcp", 0); /* what is mapped takes no memory of its own */
    client = open_client();
    for (int32_t i = 0; i < VALUES; i++)
        which[i] = i;
    sabal_map(f, client, make, which, sizeof *which, VALUES);
    cr_assert_eq(sabal_wait_all(list_of(f, VALUES), &err), SABAL_OK, "%s", err.message);
    setenv("SABAL_MEMORY_LIMIT", "72MiB", 1);
    start_named("keeper", 1, NULL, "tcp", 0);
    unsetenv("SABAL_MEMORY_LIMIT");
    leaving.but = cluster.process[MAKERS + 1];
    before      = peak_mib(leaving.but);
    cr_assert_eq(sabal_client_cluster_info_get(&info, add_number, &leaving, client, &err), SABAL_OK);
    cr_assert_eq(sabal_cluster_retire(leaving.text, cluster.file, &err, .timeout_ns = 60000000000), SABAL_OK, "%s",
                 err.message);
    peak = peak_mib(leaving.but);
#ifndef __SANITIZE_THREAD__ /* whose own memory grows with ours */
    cr_expect_leq(peak - before, LIMIT_MIB + (LARGE >> 20), "it had %lld MiB more at the most",
                  (long long)(peak - before));
#endif
    for (int i = 0; i < VALUES; i++) {
        cr_assert_eq(sabal_future_get(got, LARGE, f[i], &err), SABAL_OK, "%s", err.message);
        cr_expect(got[0] == 'a' + i && got[LARGE - 1] == 'a' + i);
    }
    sabal_close(client);
}
