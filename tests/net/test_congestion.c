/* To who is near BBR gives way, and nothing else does. */
#include "support/test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/net/congestion.h"
#include "net/sides.h"

static int use(int fd, const char *name)
{
    return !setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

static int uses(int fd, const char *name)
{
    char      is[32] = "";
    socklen_t size   = sizeof is - 1;

    return !getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, is, &size) && !strcmp(is, name);
}

Test(congestion, bbr_gives_way_to_who_is_near)
{
    int pair[2];

    make_tcp_pair(pair);
    if (!use(pair[0], "bbr"))
        cr_skip_test("there is no BBR here");
    sbl_congestion_suit(pair[0]);
    cr_expect(uses(pair[0], "cubic") || uses(pair[0], "reno"));
    close(pair[0]);
    close(pair[1]);
}

Test(congestion, what_else_the_system_has_stays)
{
    int pair[2];

    make_tcp_pair(pair);
    cr_assert(use(pair[0], "reno"));
    sbl_congestion_suit(pair[0]);
    cr_expect(uses(pair[0], "reno"));
    close(pair[0]);
    close(pair[1]);
}

Test(congestion, how_near_it_is_has_to_be_known)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!use(fd, "bbr"))
        cr_skip_test("there is no BBR here");
    sbl_congestion_suit(fd);
    cr_expect(uses(fd, "bbr"));
    close(fd);
}
