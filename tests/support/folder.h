/* A folder for the files of one test, gone with all that is in it when the test has ended. */
#ifndef SBL_TESTS_FOLDER_H
#define SBL_TESTS_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

static char folder[64];

static inline void make_folder(void)
{
    strcpy(folder, "/tmp/sabal-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static inline void clear_folder(void)
{
    DIR           *d = opendir(folder);
    struct dirent *e;
    char           path[400];

    while (d && (e = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

/* How many there are in it. */
static inline int entries(void)
{
    DIR *d = opendir(folder);
    int  n = -2;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* The path of a file in it, until four others have been asked for. */
static inline const char *in_folder(const char *name)
{
    static char path[4][128];
    static int  i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

#endif
