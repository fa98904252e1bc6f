/* Both ends of a link in the hands of a test. */
#ifndef SBL_TESTS_NET_BOTH_H
#define SBL_TESTS_NET_BOTH_H

#include "net/sides.h"

static side a, b; /* a connects */
static int  fds_before;

static inline void make(void)
{
    fds_before = count_fds();
    cr_assert(sbl_evloop_create(&loop, 0, NULL) == SABAL_OK);
    side_init(&a, SBL_ROLE_WORKER, 1);
    side_init(&b, SBL_ROLE_SCHEDULER, 0);
}

static inline void end(void)
{
    if (a.link)
        sbl_link_close(a.link, 0);
    if (b.link)
        sbl_link_close(b.link, 0);
    TURN_UNTIL(!a.link && !b.link);
    sbl_evloop_destroy(loop);
    if (a.fd >= 0)
        close(a.fd);
    if (b.fd >= 0)
        close(b.fd);
    cr_expect_eq(count_fds(), fds_before);
}

static inline void open_both(int local)
{
    int pair[2];

    make_pair(pair, local);
    side_open(&a, pair[0]);
    side_open(&b, pair[1]);
}

static inline void connect_both(int local)
{
    open_both(local);
    TURN_UNTIL(a.passed && b.passed);
}

/* For both kinds of socket, one after the other. */
#define FOR_BOTH_KINDS(local) for (int local = 0; local < 2; (void)(local++ || (end(), make(), 0)))

#endif
