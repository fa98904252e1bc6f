/* Only what the loader's tables tell is read; sections may be stripped. */
#include "cluster/elf.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "base/error.h"

#define OWN_WORKER "or call sabal_worker_main() first in main(), so that the program is its own worker"

#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

/* Part of the file; NULL if it is not all there. */
static const void *part(const sbl_elf *e, uint64_t offset, uint64_t size)
{
    return offset <= e->size && size <= e->size - offset ? e->bytes + offset : NULL;
}

static int header_of(ElfW(Phdr) * p, const sbl_elf *e, const ElfW(Ehdr) * h, int i)
{
    const void *at = part(e, h->e_phoff + (uint64_t)i * h->e_phentsize, sizeof *p);

    if (at)
        memcpy(p, at, sizeof *p);
    return at != NULL;
}

/* Where in the file an address of the loaded object comes from; 0: nowhere. */
static uint64_t offset_of(const sbl_elf *e, const ElfW(Ehdr) * h, uint64_t address)
{
    for (int i = 0; i < h->e_phnum; i++) {
        ElfW(Phdr) p;

        if (header_of(&p, e, h, i) && p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
            return p.p_offset + (address - p.p_vaddr);
    }
    return 0;
}

/* A text in the table of strings; "" if it isn't all there. */
static const char *text_at(const sbl_elf *e, uint64_t table, uint64_t size, uint64_t i)
{
    const char *text = table && i < size ? part(e, table, size) : NULL;

    return text && memchr(text + i, 0, size - i) ? text + i : "";
}

static const char *sanitizer_in(const char *name)
{
    static const char *const TELL[][2] = {{"libasan.", "AddressSanitizer"},    {"libtsan.", "ThreadSanitizer"},
                                          {"liblsan.", "LeakSanitizer"},       {"libubsan.", "UBSan"},
                                          {"__asan_init", "AddressSanitizer"}, {"__tsan_init", "ThreadSanitizer"},
                                          {"__msan_init", "MemorySanitizer"},  {"__ubsan_handle_", "UBSan"}};

    for (size_t i = 0; i < sizeof TELL / sizeof *TELL; i++)
        if (!strncmp(name, TELL[i][0], strlen(TELL[i][0])))
            return TELL[i][1];
    return NULL;
}

struct dynamic {
    uint64_t strings, strings_size, symbols, relocations, relocations_size;
};

/* The tables that the dynamic section tells of; notes where the mark stands. */
static void read_dynamic(struct dynamic *d, sbl_elf *e, const ElfW(Ehdr) * h, const ElfW(Phdr) * p)
{
    for (uint64_t i = 0; i + sizeof(ElfW(Dyn)) <= p->p_filesz; i += sizeof(ElfW(Dyn))) {
        const void *at = part(e, p->p_offset + i, sizeof(ElfW(Dyn)));
        ElfW(Dyn) entry;

        if (!at)
            return;
        memcpy(&entry, at, sizeof entry);
        if (entry.d_tag == DT_NULL)
            return;
        if (entry.d_tag == DT_STRTAB)
            d->strings = offset_of(e, h, entry.d_un.d_ptr);
        if (entry.d_tag == DT_STRSZ)
            d->strings_size = entry.d_un.d_val;
        if (entry.d_tag == DT_SYMTAB)
            d->symbols = offset_of(e, h, entry.d_un.d_ptr);
        if (entry.d_tag == DT_RELA)
            d->relocations = offset_of(e, h, entry.d_un.d_ptr);
        if (entry.d_tag == DT_RELASZ)
            d->relocations_size = entry.d_un.d_val;
        if (entry.d_tag == DT_FLAGS_1 && entry.d_un.d_val & DF_1_PIE)
            e->mark = p->p_offset + i;
    }
}

/* Which sanitizer it was built with; NULL: none. By the libraries it needs (gcc) and what it defines (clang). The table of
   symbols ends where that of strings begins, as linkers lay them out. */
static const char *sanitizer_of(const sbl_elf *e, const struct dynamic *d, const ElfW(Phdr) * p)
{
    const char *found = NULL;

    for (uint64_t i = 0; i + sizeof(ElfW(Dyn)) <= p->p_filesz && !found; i += sizeof(ElfW(Dyn))) {
        const void *at = part(e, p->p_offset + i, sizeof(ElfW(Dyn)));
        ElfW(Dyn) entry;

        if (!at)
            break;
        memcpy(&entry, at, sizeof entry);
        if (entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_NEEDED)
            found = sanitizer_in(text_at(e, d->strings, d->strings_size, entry.d_un.d_val));
    }
    for (uint64_t at = d->symbols; d->symbols && at + sizeof(ElfW(Sym)) <= d->strings && !found;
         at += sizeof(ElfW(Sym))) {
        const void *from = part(e, at, sizeof(ElfW(Sym)));
        ElfW(Sym) symbol;

        if (!from)
            break;
        memcpy(&symbol, from, sizeof symbol);
        found = sanitizer_in(text_at(e, d->strings, d->strings_size, symbol.st_name));
    }
    return found;
}

#if defined(__x86_64__)
#define COPIED R_X86_64_COPY
#elif defined(__aarch64__)
#define COPIED R_AARCH64_COPY
#endif

/* The streams' pointers never change, nor do the tables of C++ classes: a copy is as good. */
static int may_be_copied(const char *name)
{
    static const char *const SAME[] = {"stdin", "stdout", "stderr"};

    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++)
        if (!strcmp(name, SAME[i]))
            return 1;
    return !strncmp(name, "_ZT", 3);
}

/* A variable of a library that the program has taken a copy of, as linkers do for code that is not -fPIC. In a worker the
   library has its own already, and the copy would stay as it was when it was made. NULL: none. */
static const char *copied_variable(const sbl_elf *e, const struct dynamic *d)
{
#if defined(COPIED)
    for (uint64_t i = 0; d->relocations && i + sizeof(ElfW(Rela)) <= d->relocations_size; i += sizeof(ElfW(Rela))) {
        const void *at = part(e, d->relocations + i, sizeof(ElfW(Rela))), *from;
        const char *name;
        ElfW(Rela) relocation;
        ElfW(Sym) symbol;

        if (!at)
            break;
        memcpy(&relocation, at, sizeof relocation);
        if (ELF64_R_TYPE(relocation.r_info) != COPIED)
            continue;
        from = part(e, d->symbols + ELF64_R_SYM(relocation.r_info) * sizeof symbol, sizeof symbol);
        if (!from)
            break;
        memcpy(&symbol, from, sizeof symbol);
        name = text_at(e, d->strings, d->strings_size, symbol.st_name);
        if (!may_be_copied(name))
            return name;
    }
#endif
    return NULL;
}

static sabal_status check_kind(const ElfW(Ehdr) * h, const char *name, sabal_error *err)
{
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return sbl_error_set(err, SABAL_EFORMAT, "'%s' is no ELF object", name);
    if (h->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        h->e_ident[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
        return sbl_error_set(err, SABAL_EFORMAT, "'%s' is for another kind of machine", name);
    if (h->e_type != ET_DYN && h->e_type != ET_EXEC)
        return sbl_error_set(err, SABAL_EFORMAT, "'%s' is neither a program nor a shared library", name);
    return SABAL_OK;
}

sabal_status sbl_elf_look(sbl_elf *e, const void *bytes, size_t size, const char *name, sabal_error *err)
{
    ElfW(Ehdr) h;
    ElfW(Phdr) p, dynamic_at = {0};
    struct dynamic dynamic = {0};
    int            has_tls = 0;
    const char    *sanitizer, *copied;
    sabal_status   st;

    *e = (sbl_elf){.bytes = bytes, .size = size};
    if (size < sizeof h)
        return sbl_error_set(err, SABAL_EFORMAT, "'%s' has %zu bytes: no ELF object", name, size);
    memcpy(&h, bytes, sizeof h);
    st = check_kind(&h, name, err);
    if (st)
        return st;
    for (int i = 0; i < h.e_phnum; i++) {
        if (!header_of(&p, e, &h, i))
            return sbl_error_set(err, SABAL_EFORMAT, "'%s' is cut short: part %d of its table is missing", name, i);
        e->is_program |= p.p_type == PT_INTERP;
        has_tls |= p.p_type == PT_TLS && p.p_memsz > 0;
        if (p.p_type == PT_NOTE && !e->id.size && part(e, p.p_offset, p.p_filesz))
            sbl_build_id_find(&e->id, part(e, p.p_offset, p.p_filesz), p.p_filesz);
        if (p.p_type == PT_DYNAMIC)
            dynamic_at = p;
    }
    if (dynamic_at.p_filesz)
        read_dynamic(&dynamic, e, &h, &dynamic_at);
    if (!dynamic_at.p_filesz || (e->mark && !e->is_program))
        return sbl_error_set(
            err, SABAL_EUNSUPPORTED,
            "'%s' is linked statically, so that a worker can't load it: link it without -static, " OWN_WORKER, name);
    if (h.e_type == ET_EXEC)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "'%s' is not position-independent, so that a worker can't load it: compile with -fPIE and "
                             "link with -pie, " OWN_WORKER,
                             name);
    e->is_program |= e->mark != 0;
    if (!e->is_program)
        return SABAL_OK;
    if (has_tls)
        return sbl_error_set(
            err, SABAL_EUNSUPPORTED,
            "'%s' has thread-local variables of its own, so that a worker can't load it: move what tasks "
            "need into a shared library, " OWN_WORKER,
            name);
    sanitizer = sanitizer_of(e, &dynamic, &dynamic_at);
    if (sanitizer)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "'%s' was built with %s, so that a worker can't load it: build it without, " OWN_WORKER,
                             name, sanitizer);
    copied = copied_variable(e, &dynamic);
    if (copied)
        return sbl_error_set(
            err, SABAL_EUNSUPPORTED,
            "'%s' uses the variable '%s' of a library through a copy of its own, which in a worker would "
            "never change: compile with -fPIC, " OWN_WORKER,
            name, copied);
    return SABAL_OK;
}

void sbl_elf_unmark(const sbl_elf *e, void *copy)
{
    ElfW(Dyn) entry;

    if (!e->mark)
        return;
    memcpy(&entry, e->bytes + e->mark, sizeof entry);
    entry.d_un.d_val &= ~(uint64_t)DF_1_PIE;
    memcpy((char *)copy + e->mark, &entry, sizeof entry);
}
