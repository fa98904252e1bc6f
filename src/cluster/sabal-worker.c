/* The program that a worker is unless the user's is one itself. */
#include <sabal/cluster.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int32_t status = sabal_worker_main(argc, argv);

    if (status >= 0)
        return status;
    fprintf(stderr, "%s is started by sabal_open(\"rehearse:\", ...), not by hand\n", argv[0]);
    return EXIT_FAILURE;
}
