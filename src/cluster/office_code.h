/* The scheduler's store of code: what a client sent once, it gives to every worker that lacks it. */
#ifndef SBL_CLUSTER_OFFICE_CODE_H
#define SBL_CLUSTER_OFFICE_CODE_H

#include "cluster/core/words.h"
#include "cluster/net/link.h"

typedef struct sbl_office_code sbl_office_code;

sbl_office_code *sbl_office_code_create(void);
void             sbl_office_code_destroy(sbl_office_code *code);
/** A member lacks an object, which r names: it gets it, now or when it comes. 1: it is not here, and has to be asked for. */
int sbl_office_code_need(sbl_office_code *code, sbl_link *link, sbl_reader *r);
/** A client sent one: a frame of SBL_TALK_OBJECT as it is. */
void sbl_office_code_came(sbl_office_code *code, sbl_link *link, const void *frame, size_t size);
/** A link has ended. */
void sbl_office_code_gone(sbl_office_code *code, sbl_link *link);

#endif
