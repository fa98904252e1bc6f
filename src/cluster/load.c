/*
 * A library is opened where it lies, if that is still the same object. A program is copied into memory that has a name
 * (a memfd), its mark is cleared there, and the loader is given the name; where the system lets nothing be run from such
 * memory, the copy lies in a folder of temporary files and is unlinked once it is loaded.
 */
#include "cluster/load.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/grow.h"
#include "cluster/elf.h"

/* --- a file's bytes --------------------------------------------------------------------------------------------- */

struct mapped {
    void  *bytes;
    size_t size;
};

static sabal_status map_file(struct mapped *m, int fd, const char *name, sabal_error *err)
{
    struct stat s;

    if (fstat(fd, &s))
        return sbl_error_errno(err, errno, "%s", name);
    m->size  = (size_t)s.st_size;
    m->bytes = m->size ? mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (m->bytes == MAP_FAILED) {
        m->bytes = NULL;
        return m->size ? sbl_error_errno(err, errno, "%s", name)
                       : sbl_error_set(err, SABAL_EFORMAT, "'%s' is empty: no ELF object", name);
    }
    return SABAL_OK;
}

static void unmap(struct mapped *m)
{
    if (m->bytes)
        munmap(m->bytes, m->size);
}

static sabal_status look_at(sbl_elf *elf, struct mapped *m, int fd, const sbl_build_id *id, const char *name,
                            sabal_error *err)
{
    sabal_status st = map_file(m, fd, name, err);

    if (!st)
        st = sbl_elf_look(elf, m->bytes, m->size, name, err);
    if (!st && !sbl_build_id_equal(&elf->id, id))
        st = sbl_error_set(err, SABAL_EIO,
                           "'%s' is another file than the one that was loaded: it was built again meanwhile. Start the "
                           "program anew",
                           name);
    return st;
}

sabal_status sbl_object_open(int *fd, char *path, size_t size, const sbl_build_id *id, sabal_error *err)
{
    struct mapped m = {0};
    sbl_elf       elf;
    const char   *name;
    sabal_status  st;
    char          program[512];
    ssize_t       n;

    *fd = -1;
    if (!sbl_object_path(id, path, size))
        return sbl_error_set(err, SABAL_EINTERNAL, "an object that is not loaded was asked for");
    n                      = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    name                   = path[0] ? path : n > 0 ? program : "the program";
    *fd                    = open(path[0] ? path : "/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return sbl_error_errno(err, errno, "%s", name);
    st = look_at(&elf, &m, *fd, id, name, err);
    unmap(&m);
    if (st) {
        close(*fd);
        *fd = -1;
    }
    return st;
}

/* --- loading ---------------------------------------------------------------------------------------------------- */

static int is_loaded(const sbl_build_id *id)
{
    char path[8];

    return sbl_object_path(id, path, sizeof path);
}

/* The loader tells objects apart by their names first, and takes one that it has for the new one. So the descriptor stays open,
   and no other copy ever has its number. */
static void *open_copy(int fd)
{
    char  name[64];
    void *loaded;

    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    loaded = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!loaded)
        close(fd);
    return loaded;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = sbl_grow_write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return 0;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    return 1;
}

/* A descriptor of a private copy with the mark cleared; -1: errno tells. */
static int copy_of(const sbl_elf *elf, int in_memory)
{
    const char *folder = getenv("TMPDIR");
    char        name[4096];
    char       *marked;
    int         fd;

    snprintf(name, sizeof name, "%s/sabal-code-XXXXXX", folder && folder[0] ? folder : "/tmp");
    fd = in_memory ? memfd_create("sabal-code", MFD_CLOEXEC) : mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (!in_memory)
        unlink(name);
    if (!write_all(fd, (const char *)elf->bytes, elf->size))
        goto fail;
    marked = mmap(NULL, elf->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (marked == MAP_FAILED)
        goto fail;
    sbl_elf_unmark(elf, marked);
    munmap(marked, elf->size);
    return fd;
fail:
    close(fd);
    return -1;
}

static void *load_copy(const sbl_elf *elf)
{
    void *loaded = NULL;

    for (int in_memory = 1; in_memory >= 0 && !loaded; in_memory--) {
        int fd = copy_of(elf, in_memory);

        if (fd < 0)
            continue;
        loaded = open_copy(fd);
    }
    return loaded;
}

static void *load_once(const sbl_elf *elf, const char *path, const sbl_build_id *id)
{
    void *loaded = path[0] && !elf->is_program ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

    if (loaded && !is_loaded(id)) {
        dlclose(loaded);
        loaded = NULL;
    }
    return loaded ? loaded : load_copy(elf);
}

sabal_status sbl_object_load(int fd, const char *path, const sbl_build_id *id, const char *const *libraries, int32_t n,
                             sabal_error *err)
{
    const char   *name = path[0] ? path : "the program";
    struct mapped m    = {0};
    sbl_elf       elf;
    void         *loaded;
    const char   *why;
    char          text[400];
    sabal_status  st = look_at(&elf, &m, fd, id, name, err);

    if (st)
        goto done;
    loaded = load_once(&elf, path, id);
    if (!loaded) { /* a library of its own that lies beside it, perhaps */
        for (int32_t i = 0; i < n; i++)
            dlopen(libraries[i], RTLD_LAZY | RTLD_GLOBAL);
        loaded = load_once(&elf, path, id);
    }
    if (!loaded) {
        why = dlerror();
        snprintf(text, sizeof text, "%s", why ? why : "no reason given");
        st = sbl_error_set(err, SABAL_EUNSUPPORTED, "a worker can't load '%s': %s", name, text);
    } else if (!is_loaded(id)) {
        st = sbl_error_set(err, SABAL_EINTERNAL, "'%s' was loaded, but is not to be found by its build-id", name);
    }
done:
    unmap(&m);
    return st;
}

/* --- what else is loaded ---------------------------------------------------------------------------------------- */

struct list {
    char   *at;
    size_t  left;
    int32_t n;
};

static int add_path(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct list *list   = arg;
    size_t       length = info->dlpi_name ? strlen(info->dlpi_name) + 1 : 0;

    if (length < 2 || info->dlpi_name[0] != '/' || length > list->left)
        return 0;
    memcpy(list->at, info->dlpi_name, length);
    list->at += length;
    list->left -= length;
    list->n++;
    return 0;
}

int32_t sbl_object_list(char *paths, size_t size)
{
    struct list list = {.at = paths, .left = size};

    dl_iterate_phdr(add_path, &list);
    return list.n;
}
