/*
 * BBR paces what it sends by the rate that it takes the path for, which it tells from how long bytes are on their way. Where that is
 * some microseconds, what it sees is when processes had their turns: between two namespaces of one machine it comes to a third of
 * the rate or to all of it, by chance, and stays there (64 MB in 12 or in 27 ms, where CUBIC takes 9). CUBIC, Linux's default, does
 * not guess; who may not choose it may always have Reno. Far away, across what loses packets, BBR is the better one, and stays.
 */
#include "cluster/net/congestion.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { NEAR_US = 1000, NAME = 16 };

static int is_paced(int fd)
{
    char      name[NAME] = "";
    socklen_t size       = sizeof name;

    return !getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) && !strncmp(name, "bbr", 3);
}

/* By the least that a round trip took: a process that answers late does not count. 0xffffffff: none was seen. */
static int is_near(int fd)
{
    struct tcp_info info = {.tcpi_min_rtt = UINT32_MAX};
    socklen_t       size = sizeof info;

    return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) && info.tcpi_min_rtt < NEAR_US;
}

void sbl_congestion_suit(int fd)
{
    static const char *const OTHERS[] = {"cubic", "reno"};

    if (!is_paced(fd) || !is_near(fd))
        return;
    for (int i = 0; i < 2; i++)
        if (!setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, OTHERS[i], (socklen_t)strlen(OTHERS[i])))
            return;
}
