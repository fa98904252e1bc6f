/* Fork-join at the price of a call, loops and reductions over ranges. */
#ifndef SABAL_JOB_H
#define SABAL_JOB_H

#include <sabal/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the macros below need to see; nothing here is for direct use. */
struct sabal_place;
struct sabal_record;
typedef void sabal_job_fn(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self);

/* One spawned job: 64 bytes in its place's deque. The macros lay arguments and result over `data`. */
struct sabal_record {
    sabal_job_fn *run;
    uintptr_t     thief; /* the library's: who took it, whether it is done */
    unsigned char data[48];
} __attribute__((aligned(64)));

/* A deque's owner's side. A record below `split` may have been stolen, one at `split` or above can't be. */
struct sabal_place {
    struct sabal_record *split;
    struct sabal_record *end;
    unsigned char        request __attribute__((aligned(128))); /* a thief wants more; alone on its lines */
} __attribute__((aligned(128)));

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif
