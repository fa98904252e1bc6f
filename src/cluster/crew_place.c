/* Where a worker keeps what it needs on disk, and what it loads before the first task. */
#include "cluster/crew_place.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

sabal_status sbl_crew_preload(const char *names, sabal_error *err)
{
    char        *text = strdup(names ? names : ""), *rest = NULL;
    sabal_status st = SABAL_OK;

    if (!text)
        return sbl_error_memory(err, 1, "names of libraries");
    for (char *name = strtok_r(text, ",", &rest); name && !st; name = strtok_r(NULL, ",", &rest))
        if (!dlopen(name, RTLD_NOW | RTLD_GLOBAL))
            st = sbl_error_set(err, SABAL_EUNSUPPORTED, "a library to be loaded first, '%s': %s", name, dlerror());
    free(text);
    return st;
}

int sbl_crew_make_directory(const char *path)
{
    return path && !mkdir(path, 0700);
}

sabal_status sbl_crew_folder_create(sbl_folder *folder, const char *directory, sabal_error *err)
{
    return directory ? sbl_folder_create_at(folder, directory, err) : sbl_folder_create(folder, err);
}
