/*
 * A file of code, looked at before another process loads it. A program that is position-independent can be opened as a
 * library is, once its mark is cleared in a private copy (the loader of glibc 2.36 refuses it else); what can't be
 * moved so is refused.
 */
#ifndef SBL_CLUSTER_ELF_H
#define SBL_CLUSTER_ELF_H

#include <sabal/status.h>

#include "base/code.h"

typedef struct sbl_elf {
    const unsigned char *bytes; /* of the whole file, mapped; borrowed */
    size_t               size;
    int                  is_program; /* not a library: it names an interpreter */
    size_t               mark;       /* where DT_FLAGS_1 with the mark stands in the file; 0: nowhere */
    sbl_build_id         id;
} sbl_elf;

/**
 * Looks at a file's bytes; nothing in it is believed. name: for messages.
 * Errors: SABAL_EFORMAT (no ELF object of this kind of machine, one that is cut short), SABAL_EUNSUPPORTED with what to do:
 * a program that is not position-independent, is linked statically, has thread-local storage of its own, or was built
 * with a sanitizer.
 */
sabal_status sbl_elf_look(sbl_elf *elf, const void *bytes, size_t size, const char *name, sabal_error *err);
/** Clears the mark in a copy of the file. */
void sbl_elf_unmark(const sbl_elf *elf, void *copy);

#endif
