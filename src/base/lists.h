/* Texts with commas: names, and names with amounts. */
#ifndef SBL_BASE_LISTS_H
#define SBL_BASE_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

enum { SBL_MOST_AMOUNTS = 16, SBL_AMOUNT_NAME = 32, SBL_LIST_TEXT = 4096, SBL_AMOUNTS_TEXT = 1024 };
#define SBL_MOST_AMOUNT 1000000000u /* of one name */

/** So much of something that is named. */
typedef struct sbl_amount {
    char     name[SBL_AMOUNT_NAME];
    uint64_t millionths;
} sbl_amount;

typedef struct sbl_amounts {
    sbl_amount of[SBL_MOST_AMOUNTS];
    uint32_t   n;
} sbl_amounts;

/**
 * Reads "gpu=1,licence=0.5"; NULL and "" are none. Blanks after a comma mean nothing.
 * Errors: SABAL_EINVAL: what can't be read, a name twice, too many; the message quotes the text after `what`
 */
sabal_status sbl_amounts_read(sbl_amounts *amounts, const char *text, const char *what, sabal_error *err);
/** In words that are read so, "gpu=1,licence=0.5", in SBL_AMOUNTS_TEXT bytes at most. Returns text. */
const char *sbl_amounts_tell(char *text, const sbl_amounts *amounts);
/** NULL: there is none of that name. */
sbl_amount *sbl_amounts_find(sbl_amounts *amounts, const char *name);
/** 1: of each there is at least as much. */
int sbl_amounts_cover(const sbl_amounts *there, const sbl_amounts *needed);

/** "a,b": whether it is a list of names. NULL and "" are none. Errors: SABAL_EINVAL: an empty name, a text that is too long. */
sabal_status sbl_names_check(const char *text, const char *what, sabal_error *err);
/** The next name of a list that goes on at *at, which is NULL behind the last: its bytes up to a comma, without blanks before it. 0: there
    is none. */
int sbl_names_next(const char **name, size_t *length, const char **at);
/** 1: that name is in the list. */
int sbl_names_have(const char *text, const char *name);

#endif
