/*
 * Results larger than the memory they may take: some go to disk meanwhile and come back.
 *
 *     cc memory.c $(pkg-config --cflags --libs sabal) -o memory
 *     ./memory
 *
 * What it teaches:
 *   - A client keeps its results and its running tasks within a limit; nothing else in the program changes.
 *   - Tasks that bring new data in wait while others can free memory, and one is always let in.
 *   - What a task's result will take can be said; else it is learned from the first ones.
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

enum { CHUNKS = 64, WORDS = 1 << 17 }; /* 64 chunks of 1 MiB */

static sabal_status make_chunk(sabal_task *t)
{
    const int64_t *chunk = sabal_task_arg(t);
    double        *words = sabal_task_return_room(t, WORDS * sizeof *words);

    if (!words)
        return SABAL_ENOMEM;
    for (int i = 0; i < WORDS; i++)
        words[i] = (double)(*chunk % 8);
    return SABAL_OK;
}

static sabal_status sum_chunk(sabal_task *t)
{
    const double *words = sabal_task_input(t, 0);
    double        sum   = 0;

    for (int i = 0; i < WORDS; i++)
        sum += words[i];
    return sabal_task_return(t, &sum, sizeof sum);
}

//! [program]
int main(void)
{
    sabal_error         err    = SABAL_ERROR_INIT;
    sabal_client       *client = sabal_open(NULL, &err, .memory_limit = 16 << 20);
    sabal_client_memory memory = {.struct_size = sizeof memory};
    sabal_future       *chunks[CHUNKS], *sums[CHUNKS];
    int64_t             numbers[CHUNKS];
    double              total = 0, part;

    for (int64_t i = 0; i < CHUNKS; i++)
        numbers[i] = i;
    sabal_map(chunks, client, make_chunk, numbers, sizeof *numbers, CHUNKS, .output_bytes = WORDS * sizeof(double));
    for (int i = 0; i < CHUNKS; i++)
        sabal_future_wait(chunks[i], &err);
    sabal_client_memory_get(client, &memory);
    printf("%d MiB of results: at most %s of memory, the rest on disk\n", CHUNKS,
           memory.peak <= memory.limit ? "16 MiB" : "more than 16 MiB");

    for (int i = 0; i < CHUNKS; i++)
        sums[i] = sabal_submit(client, sum_chunk, NULL, 0, .inputs = SABAL_LIST(chunks[i], chunks[CHUNKS - 1 - i]));
    for (int i = 0; i < CHUNKS && !err.status; i++)
        if (!sabal_future_get(&part, sizeof part, sums[i], &err))
            total += part;
    //! [program]
    if (err.status)
        fprintf(stderr, "memory: %s\n", err.message);
    else
        printf("their sum is %.0f\n", total);
    sabal_close(client);
    return err.status || total != 3.5 * CHUNKS * WORDS || memory.peak > memory.limit ? EXIT_FAILURE : EXIT_SUCCESS;
}
