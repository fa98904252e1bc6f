/* The scheduler's store of code: what a client sent once, it gives to every worker that lacks it. */
#ifndef SBL_CLUSTER_OFFICE_CODE_H
#define SBL_CLUSTER_OFFICE_CODE_H

#include "cluster/core/words.h"
#include "cluster/net/link.h"

typedef struct sbl_office_code sbl_office_code;

sbl_office_code *sbl_office_code_create(void);
void             sbl_office_code_destroy(sbl_office_code *code);
/** This one is a client, which may have code. 0: no memory. */
int sbl_office_code_client(sbl_office_code *code, sbl_link *link);
/** A member lacks an object, which r names: it gets it, now or when it comes; or hears why it can't be had. */
void sbl_office_code_need(sbl_office_code *code, sbl_link *link, sbl_reader *r);
/** A client that was asked sent one, or why it can't: a frame of SBL_TALK_OBJECT as it is. */
void sbl_office_code_came(sbl_office_code *code, sbl_link *link, const void *frame, size_t size);
/** A link has ended. */
void sbl_office_code_gone(sbl_office_code *code, sbl_link *link);

#endif
