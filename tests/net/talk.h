/* Two sides of a handshake, which talk to each other in memory. */
#ifndef SBL_TESTS_NET_TALK_H
#define SBL_TESTS_NET_TALK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/net/hello.h"

static const uint8_t SECRET[SBL_KEY_BYTES] = "the secret of this very cluster", OTHER[SBL_KEY_BYTES] = "another";
static const uint8_t TICKET[SBL_KEY_BYTES] = "the key of ticket 7";

/* A side knows the cluster's secret and ticket 7, or only what is left. */
struct side {
    sbl_hello          hello;
    sbl_hello_self     self;
    const uint8_t     *secret, *ticket;
    uint64_t           number;
    uint8_t            nonce[SBL_NONCE_BYTES];
    uint8_t            said[SBL_WITNESS_BYTES]; /* all that it sent */
    size_t             n_said;
    const sbl_address *local, *remote;
};

static inline const uint8_t *key_of(void *arg, uint64_t ticket)
{
    struct side *s = arg;

    return ticket == 0 ? s->secret : ticket == 7 ? s->ticket : NULL;
}

static inline struct side make(sbl_role role, int expects, uint8_t nonce)
{
    struct side s = {.self   = {.role = role, .expects = expects, .cluster = "cluster 12345678", .ucx = "1.13.1"},
                     .secret = SECRET,
                     .ticket = TICKET};

    memset(s.nonce, nonce, sizeof s.nonce);
    return s;
}

static inline struct side worker(void)
{
    return make(SBL_ROLE_WORKER, 1 << SBL_ROLE_SCHEDULER, 1);
}

static inline struct side scheduler(void)
{
    return make(SBL_ROLE_SCHEDULER, 1 << SBL_ROLE_WORKER | 1 << SBL_ROLE_CLIENT, 2);
}

static inline void begin(struct side *s, int initiator)
{
    sbl_hello_start(&s->hello, &s->self, initiator, s->number, key_of, s, s->nonce, s->local, s->remote);
    s->n_said = 0;
}

/* Carries what one has to say to the other, at most so many bytes at a time. Returns how many. */
static inline size_t carry(struct side *from, struct side *to, size_t most)
{
    size_t      n, wants = sbl_hello_wants(&to->hello);
    const void *bytes = sbl_hello_output(&from->hello, &n);

    n = n < most ? n : most;
    n = n < wants ? n : wants;
    if (!n)
        return 0;
    memcpy(from->said + from->n_said, bytes, n);
    from->n_said += n;
    sbl_hello_take(&to->hello, bytes, n);
    sbl_hello_sent(&from->hello, n);
    return n;
}

static inline void talk_in(struct side *a, struct side *b, size_t most)
{
    begin(a, 1);
    begin(b, 0);
    while (carry(a, b, most) + carry(b, a, most))
        ;
}

static inline void talk(struct side *a, struct side *b)
{
    talk_in(a, b, SIZE_MAX);
}

static inline void end(struct side *a, struct side *b)
{
    sbl_hello_end(&a->hello);
    sbl_hello_end(&b->hello);
}

/* Both know the secret, and both learn why they don't fit, from the same words. */
static inline void expect_refusal(struct side *a, struct side *b, sbl_verdict verdict, const char *word)
{
    talk(a, b);
    cr_expect(a->hello.state == SBL_HELLO_REFUSED && b->hello.state == SBL_HELLO_REFUSED);
    cr_expect(a->hello.verdict == verdict && b->hello.verdict == verdict);
    cr_expect(strstr(a->hello.why.message, word) && strstr(b->hello.why.message, word));
    cr_expect_eq(a->hello.why.status, SABAL_EACCES);
    end(a, b);
}

#endif
