/* Values that lie with workers, go from one to another and come here: carried FILE. Run by test_carried.py. */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 1 << 20, MARK = 16 };
static const char WORDS[] = "palm palmetto sabal";

static sabal_status make(sabal_task *t)
{
    char *room = sabal_task_return_room(t, SIZE);

    if (!room)
        return SABAL_ENOMEM;
    for (size_t i = 0; i < SIZE; i++)
        room[i] = WORDS[i % (sizeof WORDS - 1)];
    return SABAL_OK;
}

static sabal_status same(sabal_task *t)
{
    int64_t is = !memcmp(sabal_task_input(t, 0), sabal_task_input(t, 1), SIZE);

    return sabal_task_return(t, &is, sizeof is);
}

int main(int argc, char **argv)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(argv[1], &err);
    static char   got[SIZE];
    sabal_future *a, *b;
    int64_t       is = 0;

    a = sabal_submit(client, make, NULL, 0);
    b = sabal_submit(client, make, NULL, 0);
    if (!err.status)
        sabal_future_get(&is, sizeof is, sabal_submit(client, same, NULL, 0, .inputs = SABAL_LIST(a, b)), &err);
    if (!err.status)
        sabal_future_get(got, SIZE, a, &err);
    printf("%s %s\n", err.status ? err.message : "came", is && !memcmp(got, WORDS, MARK) ? "right" : "wrong");
    sabal_close(client);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
