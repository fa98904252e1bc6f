/*
 * A data set may lie in other files than its own: virtual ones and external raw data name them, an external link leads there.
 * The library takes a part of a virtual data set that it does not find for one that was never written, so a worker that
 * does not see one would give the fill value for numbers. One number for what all of them are tells.
 *
 * Names are looked up as the library does, as far as that can be known: as they are, in the folder of the data set's file, in the
 * folder that the program is in.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "io/hdf5_data.h"

#define PRIME UINT64_C(0x100000001b3) /* FNV-1a's, over words */
enum { PATH_ROOM = 4096, MOST_NUMBERED = 1 << 20 };

static uint64_t mix(uint64_t h, uint64_t word)
{
    return (h ^ word) * PRIME;
}

/* 0: it is not there. */
static int look_up(uint64_t *h, const char *name, const char *main_file)
{
    const char *slash = strrchr(main_file, '/');
    char        beside[PATH_ROOM];
    struct stat s;
    int         there;

    snprintf(beside, sizeof beside, "%.*s/%s", slash ? (int)(slash - main_file) : 1, slash ? main_file : ".", name);
    there = name[0] == '/' ? !stat(name, &s) : !stat(beside, &s) || !stat(name, &s);
    *h    = mix(*h, there ? (uint64_t)s.st_size + 1 : 0);
    if (there) {
        *h = mix(*h, (uint64_t)s.st_mtim.tv_sec);
        *h = mix(*h, (uint64_t)s.st_mtim.tv_nsec);
    }
    return there;
}

/* "part-%b.h5" stands for part-0.h5 and so on; 1 if there is such a mark. */
static int number_name(char name[PATH_ROOM], const char *pattern, int number)
{
    size_t n    = 0;
    int    mark = 0;

    for (const char *p = pattern; *p && n < PATH_ROOM - 16;) {
        if (p[0] == '%' && (p[1] == 'b' || p[1] == '%')) {
            n += (size_t)(p[1] == 'b' ? snprintf(name + n, 16, "%d", number) : snprintf(name + n, 16, "%%"));
            mark |= p[1] == 'b';
            p += 2;
        } else {
            name[n++] = *p++;
        }
    }
    name[n] = 0;
    return mark;
}

static void add_virtual(uint64_t *h, hid_t dcpl, const char *main_file)
{
    char   pattern[PATH_ROOM], name[PATH_ROOM];
    size_t n = 0;

    if (H5Pget_virtual_count(dcpl, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        if (H5Pget_virtual_filename(dcpl, i, pattern, sizeof pattern) < 0 || !strcmp(pattern, "."))
            continue;
        for (int k = 0, more = 1; more && k < MOST_NUMBERED; k++) {
            more = number_name(name, pattern, k);
            more = look_up(h, name, main_file) && more;
        }
    }
}

static void add_external(uint64_t *h, hid_t dcpl, const char *main_file)
{
    const int n = H5Pget_external_count(dcpl);
    char      name[PATH_ROOM];

    for (int i = 0; i < n; i++) {
        off_t   offset;
        hsize_t size;

        if (H5Pget_external(dcpl, (unsigned)i, sizeof name, name, &offset, &size) >= 0)
            look_up(h, name, main_file);
    }
}

uint64_t sbl_h5_parts(hid_t dataset, const sbl_h5_data *data, const char *main_file, const struct stat *main_about,
                      const struct stat *about)
{
    const uint64_t nothing = UINT64_C(0xcbf29ce484222325);
    uint64_t       h       = nothing;
    hid_t          dcpl    = H5Dget_create_plist(dataset);

    if (about->st_dev != main_about->st_dev || about->st_ino != main_about->st_ino) {
        h = mix(h, (uint64_t)about->st_size);
        h = mix(h, (uint64_t)about->st_mtim.tv_sec);
        h = mix(h, (uint64_t)about->st_mtim.tv_nsec);
    }
    if (dcpl >= 0 && data->layout == H5D_VIRTUAL)
        add_virtual(&h, dcpl, main_file);
    if (dcpl >= 0 && data->external)
        add_external(&h, dcpl, main_file);
    if (dcpl >= 0)
        H5Pclose(dcpl);
    return h == nothing ? 0 : h;
}
