/* An object of code in a frame of SBL_TALK_OBJECT. */
#ifndef SBL_CLUSTER_OBJECT_WORDS_H
#define SBL_CLUSTER_OBJECT_WORDS_H

#include "base/code.h"
#include "cluster/core/words.h"

enum { SBL_MOST_LIBRARIES = 512, SBL_OBJECT_HASH = 32 };

typedef struct sbl_object_words {
    sbl_build_id id;
    sabal_error  err;                           /* why it can't be had; else SABAL_OK */
    const char  *path;                          /* where it lies at the client; "": its program */
    const char  *libraries[SBL_MOST_LIBRARIES]; /* loaded beside it there */
    int32_t      n_libraries;
    const char  *bytes;
    size_t       size;
} sbl_object_words;

/** The object of that id in this process, or why it can't be given. */
void sbl_say_object(sbl_words *w, const sbl_build_id *id);
/** Borrows from the message. r fails also if the bytes are not what their hash says. */
void sbl_hear_object(sbl_object_words *o, sbl_reader *r);

#endif
