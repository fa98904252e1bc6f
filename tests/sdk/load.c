/* dlopen of libsabal, as Python, R, Julia and plugins do: it loads, starts nothing, works, and can be closed. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <sabal/sabal.h>

#define CHECK(c) ((c) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #c), exit(1)))

static void *lib;

static void *symbol(const char *name)
{
    void *address = dlsym(lib, name);

    CHECK(address);
    return address;
}

static int threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    int  n      = 0;

    CHECK(folder);
    for (struct dirent *e; (e = readdir(folder));)
        n += e->d_name[0] != '.';
    closedir(folder);
    return n;
}

int main(int argc, char **argv)
{
    sabal_error   err = SABAL_ERROR_INIT;
    sabal_client *client, *(*open_with)(const char *, sabal_error *, const sabal_open_options *);
    void (*close)(sabal_client *);
    const char *(*version)(void);

    CHECK(argc == 2);
    lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(lib);
    CHECK(threads() == 1);
    *(void **)&version   = symbol("sabal_version");
    *(void **)&open_with = symbol("sabal_open_with");
    *(void **)&close     = symbol("sabal_close");
    CHECK(!dlsym(lib, "sbl_error_set")); /* what is not public can't be found */
    client = open_with("local:", &err, NULL);
    CHECK(err.status == SABAL_OK);
    close(client);
    printf("sabal %s\n", version());
    CHECK(dlclose(lib) == 0);
    return 0;
}
