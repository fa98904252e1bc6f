/* Who does the work: waits for workers, lists them, and sets them up. The same on this node ("local:"), rehearsed, and on a cluster. */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [list] */
static int32_t show(void *user, const sabal_worker_info *worker)
{
    fprintf(user, "%s on %s: process %d, %d threads, %lld tasks so far\n", worker->name, worker->host, (int)worker->pid,
            (int)worker->threads, (long long)worker->done);
    return 0; /* go on */
}
/* [list] */

static sabal_status first_byte(sabal_task *t)
{
    return sabal_task_return(t, sabal_task_input(t, 0), 1);
}

/* [replicas] */
/* A table that tasks on all workers read: it is there before they ask, and is not lost with one of them. */
static sabal_future *share(sabal_client *client, const char *table, size_t size)
{
    return sabal_scatter(client, table, size, .replicas = SABAL_EVERY_WORKER);
}
/* [replicas] */

static sabal_status fill(sabal_task *t)
{
    memset(sabal_task_return_room(t, 1000000), 7, 1000000);
    return SABAL_OK;
}

/* [each] */
static sabal_status use_utc(sabal_task *task)
{
    setenv("TZ", "UTC", 1);
    return sabal_task_return(task, NULL, 0);
}

/* In each worker that there is, and each that comes; tasks find it done. */
static sabal_status set_up(sabal_client *client, sabal_error *err)
{
    return sabal_client_run(client, use_utc, NULL, 0, err);
}
/* [each] */

int main(void)
{
    /* [program] */
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(NULL, &err);

    /* Tasks wait for the first worker anyway; what is handed out first goes to those who are there. */
    if (sabal_client_wait_for_workers(client, 1, &err, .timeout_ns = 60000000000) == SABAL_OK) {
        sabal_cluster_info info = {.struct_size = sizeof info};

        sabal_client_cluster_info_get(&info, show, stdout, client, &err);
        printf("workers: %d, threads: %d\n", (int)info.workers, (int)info.threads);
    }
    /* [program] */
    /* [who_has] */
    sabal_future *large = sabal_submit(client, fill, NULL, 0);

    if (sabal_future_wait(large, &err) == SABAL_OK)
        sabal_future_who_has(show, stdout, large, &err);
    /* [who_has] */
    if (!err.status)
        set_up(client, &err);
    char          table[1000] = {42}, byte = 0;
    sabal_future *shared = share(client, table, sizeof table);

    if (!err.status)
        sabal_future_get(&byte, 1, sabal_submit(client, first_byte, NULL, 0, .inputs = SABAL_LIST(shared)), &err);
    if (!err.status)
        printf("the table begins with %d\n", byte);
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "cluster: %s\n", err.message);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
