#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    sabal_error err = SABAL_ERROR_INIT;
    char text[1024];
    if (!strcmp(argv[1], "scheduler")) sabal_scheduler_run(argv[2], &err, .interfaces = argc > 3 ? NULL : "");
    else sabal_worker_run(argv[2], &err, .threads = argc > 3 ? atoi(argv[3]) : 1, .interfaces = argc > 4 ? NULL : "", .memory_limit = argc > 5 ? atoll(argv[5]) : 0);
    if (err.status) { sabal_error_format(text, sizeof text, &err); fprintf(stderr, "%s: %s\n", argv[1], text); return 1; }
    return 0;
}
