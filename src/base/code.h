/*
 * Code travels by name: the build-id of the ELF object that holds it, and its offset there. That names functions and
 * static data (a sabal_type) of any process that has loaded the same object, wherever it lies.
 */
#ifndef SBL_BASE_CODE_H
#define SBL_BASE_CODE_H

#include <sabal/status.h>

enum { SBL_BUILD_ID = 32 }; /* bytes kept; a SHA-1 has 20 */

typedef struct sbl_build_id {
    uint8_t bytes[SBL_BUILD_ID]; /* zeros behind size */
    uint8_t size;
} sbl_build_id;

typedef struct sbl_code {
    sbl_build_id object;
    uint8_t      is_data; /* not a function */
    uint64_t     offset;  /* from where the object is loaded */
} sbl_code;

/** Names what lies at address in this process. what: for messages, "the function 'square'". Errors: SABAL_EUNSUPPORTED
    (memory of no object, one without a build-id). Cost: a look at each loaded object, some microseconds. */
sabal_status sbl_code_name(sbl_code *code, const void *address, const char *what, sabal_error *err);
/** Where it is in this process; NULL if the object is not loaded, or has nothing of that kind there. */
void *sbl_code_find(const sbl_code *code);

/** An address that may travel, and stays what it is where it came from, also if it can't be named. */
typedef struct sbl_code_ref {
    void    *address;
    uint64_t process; /* in which the address means something */
    sbl_code code;    /* object.size 0: it could not be named */
} sbl_code_ref;

/** Fills ref in any case; errors as sbl_code_name(). */
sabal_status sbl_code_ref_make(sbl_code_ref *ref, void *address, const char *what, sabal_error *err);
/** The address, if this process made the reference; else NULL: look for the code. */
void *sbl_code_ref_here(const sbl_code_ref *ref);

/** 1 if the object is loaded here; then path (size bytes) is its file's, "" for the program itself. */
int sbl_object_path(const sbl_build_id *id, char *path, size_t size);
int sbl_build_id_equal(const sbl_build_id *a, const sbl_build_id *b);
/** Finds it among an object's notes, size bytes that are not believed; id->size stays 0 if it is not there. */
void sbl_build_id_find(sbl_build_id *id, const void *notes, size_t size);

#endif
