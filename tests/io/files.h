/* Files for tests: a folder of their own, and small ways to fill and to read what lies in it. */
#ifndef SBL_TESTS_IO_FILES_H
#define SBL_TESTS_IO_FILES_H

#include <dirent.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static char files_folder[64];

static inline void files_make_folder(void)
{
    strcpy(files_folder, "/tmp/sabal-test-XXXXXX");
    cr_assert_not_null(mkdtemp(files_folder));
}

static inline void files_remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", files_folder);
    cr_expect_eq(system(command), 0);
}

/* A path in the folder; one of a few static texts. */
__attribute__((format(printf, 1, 2))) static inline char *in_folder(const char *format, ...)
{
    static char texts[8][512];
    static int  next;
    char       *text = texts[next++ % 8];
    va_list     args;
    int         n = snprintf(text, 512, "%s/", files_folder);

    va_start(args, format);
    vsnprintf(text + n, 512 - (size_t)n, format, args);
    va_end(args);
    return text;
}

static inline void put_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

/* The bytes of a file, to be freed; NULL if there is none. */
static inline char *get_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *data;

    *size = 0;
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    data = malloc(*size + 1);
    cr_assert_eq(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

/* How many files there are in the folder, hidden ones included. */
static inline int count_files(const char *folder)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;
    int            n = 0;

    cr_assert_not_null(dir);
    while ((entry = readdir(dir)))
        n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(dir);
    return n;
}

#endif
