/* The objects of this process as the system's loader lists them. */
#include "base/code.h"

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"

/* What is looked for, and what was found. */
struct look {
    const char         *address; /* to be named */
    const sbl_build_id *object;  /* to be found */
    uint64_t            offset;
    int                 is_data;
    int                 found;
    uint64_t            at; /* its offset, or its address */
    sbl_build_id        id;
    const char         *path;
};

static size_t aligned(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* Notes: a header, a name, a description, each aligned to 4. */
void sbl_build_id_find(sbl_build_id *id, const void *notes, size_t size)
{
    const char *note = notes;

    while (size >= sizeof(ElfW(Nhdr)) && !id->size) {
        ElfW(Nhdr) head;
        size_t name, text;

        memcpy(&head, note, sizeof head);
        name = aligned(head.n_namesz);
        text = aligned(head.n_descsz);
        if (name > size - sizeof head || text > size - sizeof head - name)
            return;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && !memcmp(note + sizeof head, "GNU", 4) &&
            head.n_descsz > 0 && head.n_descsz <= SBL_BUILD_ID) {
            memcpy(id->bytes, note + sizeof head + name, head.n_descsz);
            id->size = (uint8_t)head.n_descsz;
        }
        note += sizeof head + name + text;
        size -= sizeof head + name + text;
    }
}

static void read_build_id(sbl_build_id *id, const struct dl_phdr_info *info)
{
    memset(id, 0, sizeof *id);
    for (int i = 0; i < info->dlpi_phnum && !id->size; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            sbl_build_id_find(id, (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
                              info->dlpi_phdr[i].p_memsz);
}

/* The segment that holds an offset; NULL: none does. */
static const ElfW(Phdr) * segment_of(const struct dl_phdr_info *info, uint64_t offset)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && offset >= p->p_vaddr && offset - p->p_vaddr < p->p_memsz)
            return p;
    }
    return NULL;
}

static int by_address(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct look *look         = arg;
    uint64_t     offset       = (uint64_t)(uintptr_t)look->address - info->dlpi_addr;
    const ElfW(Phdr) *segment = segment_of(info, offset);

    if (!segment)
        return 0;
    look->found   = 1;
    look->at      = offset;
    look->is_data = !(segment->p_flags & PF_X);
    look->path    = info->dlpi_name;
    read_build_id(&look->id, info);
    return 1;
}

static int by_id(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct look *look = arg;
    const ElfW(Phdr) * segment;

    read_build_id(&look->id, info);
    if (!look->id.size || !sbl_build_id_equal(&look->id, look->object))
        return 0;
    look->path = info->dlpi_name;
    segment    = segment_of(info, look->offset);
    if (segment && ((segment->p_flags & PF_X) == 0) == look->is_data) {
        look->found = 1;
        look->at    = info->dlpi_addr + look->offset;
    }
    return 1;
}

int sbl_build_id_equal(const sbl_build_id *a, const sbl_build_id *b)
{
    return a->size == b->size && !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

sabal_status sbl_code_name(sbl_code *code, const void *address, const char *what, sabal_error *err)
{
    struct look look = {.address = address};

    dl_iterate_phdr(by_address, &look);
    if (!look.found)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "%s does not lie in a program or a library (but in memory made at run time, perhaps): "
                             "it can't be named to another process",
                             what);
    if (!look.id.size)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "%s lies in '%s', which has no build-id, so that other processes can't tell it from "
                             "another: link it with -Wl,--build-id",
                             what, look.path && look.path[0] ? look.path : "the program");
    *code = (sbl_code){.object = look.id, .offset = look.at, .is_data = (uint8_t)look.is_data};
    return SABAL_OK;
}

void *sbl_code_find(const sbl_code *code)
{
    struct look look = {.object = &code->object, .offset = code->offset, .is_data = code->is_data};

    dl_iterate_phdr(by_id, &look);
    return look.found ? (void *)(uintptr_t)look.at : NULL;
}

/* A number that no other process has, as far as chance allows; a forked child is another. */
static uint64_t this_process(void)
{
    static _Atomic uint64_t drawn;
    uint64_t                number = atomic_load_explicit(&drawn, memory_order_relaxed), fresh = 0;

    if (!number) {
        (void)!getrandom(&fresh, sizeof fresh, GRND_NONBLOCK);
        fresh |= 1;
        number = atomic_compare_exchange_strong(&drawn, &number, fresh) ? fresh : number;
    }
    return number ^ (uint64_t)getpid() << 1;
}

sabal_status sbl_code_ref_make(sbl_code_ref *ref, void *address, const char *what, sabal_error *err)
{
    *ref = (sbl_code_ref){.address = address, .process = this_process()};
    return sbl_code_name(&ref->code, address, what, err);
}

void *sbl_code_ref_here(const sbl_code_ref *ref)
{
    return ref->process == this_process() ? ref->address : NULL;
}

int sbl_object_path(const sbl_build_id *id, char *path, size_t size)
{
    struct look look = {.object = id};

    path[0] = 0;
    dl_iterate_phdr(by_id, &look);
    if (!look.path)
        return 0;
    snprintf(path, size, "%s", look.path);
    return 1;
}
