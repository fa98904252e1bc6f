/* A program whose code workers may lack. Run by test_code.py: lacking FILE, or lacking FILE PLUGIN [keep]. */
#include <sabal/sabal.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static sabal_status square(sabal_task *t)
{
    const double *v = sabal_task_arg(t);

    return sabal_task_return(t, &(double){*v * *v}, sizeof *v);
}

static void tell(sabal_future *f)
{
    sabal_error  err = SABAL_ERROR_INIT;
    sabal_status st  = sabal_future_wait(f, &err, .timeout_ns = 20000000000);
    double       y   = 0;

    if (!st)
        st = sabal_future_get(&y, sizeof y, f, &err);
    printf("%s %g %s\n", sabal_status_name(st), y, err.message);
    fflush(stdout);
    sabal_release(f);
}

int main(int argc, char **argv)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(argv[1], &err);
    void         *plugin = argc > 2 ? dlopen(argv[2], RTLD_NOW) : NULL;
    double        v      = 3;
    sabal_future *f;

    if (err.status || (argc > 2 && !plugin)) {
        printf("%s\n", err.status ? err.message : dlerror());
        return EXIT_FAILURE;
    }
    if (argc > 3) { /* until it is told to end */
        printf("ready\n");
        fflush(stdout);
        getchar();
    } else if (plugin) {
        sabal_task_fn *fn = (sabal_task_fn *)dlsym(plugin, "plugged");

        f = sabal_submit(client, fn, &v, sizeof v);
        dlclose(plugin);
        printf("ready\n");
        fflush(stdout);
        tell(f);
    } else {
        for (int i = 0; i < 3; i++)
            tell(sabal_submit(client, square, &v, sizeof v));
    }
    sabal_close(client);
    return EXIT_SUCCESS;
}
