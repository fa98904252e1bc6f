#include "cluster/net/interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static int is_usable(const struct ifaddrs *i)
{
    const struct sockaddr_in6 *v6 = (const void *)i->ifa_addr;

    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
        return 0;
    return i->ifa_addr->sa_family == AF_INET ||
           (i->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr));
}

static int is_wanted(const struct ifaddrs *i, const char *const *names, int32_t n, int loopback)
{
    if (!n)
        return loopback || !(i->ifa_flags & IFF_LOOPBACK);
    for (int32_t k = 0; k < n; k++)
        if (!strcmp(names[k], i->ifa_name))
            return 1;
    return loopback && i->ifa_flags & IFF_LOOPBACK;
}

static int has(const sbl_address *addresses, int32_t n, const char *name)
{
    for (int32_t i = 0; i < n; i++)
        if (!strncmp(addresses[i].interface, name, SBL_INTERFACE_TEXT - 1))
            return 1;
    return 0;
}

/* "eth0, lo" */
static void list_names(char *text, size_t size, const struct ifaddrs *first)
{
    size_t used = 0;

    text[0] = 0;
    for (const struct ifaddrs *i = first; i && used < size; i = i->ifa_next)
        if (is_usable(i) && !strstr(text, i->ifa_name))
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", i->ifa_name);
}

static sabal_status check(const sbl_address *addresses, int32_t n, const char *const *names, int32_t n_names,
                          const struct ifaddrs *first, sabal_error *err)
{
    char there[128];

    list_names(there, sizeof there, first);
    for (int32_t k = 0; k < n_names; k++)
        if (!has(addresses, n, names[k]))
            return sbl_error_set(err, SABAL_ENOENT, "no interface '%s' is up and has an address; there are: %s",
                                 names[k], there);
    if (!n)
        return sbl_error_set(err, SABAL_ENOENT, "no interface but loopback is up and has an address; there are: %s",
                             there);
    return SABAL_OK;
}

sabal_status sbl_interfaces(sbl_address addresses[SBL_MOST_ADDRESSES], int32_t *n, const char *const *names,
                            int32_t n_names, int loopback, sabal_error *err)
{
    struct ifaddrs *first;
    sabal_status    st;

    *n = 0;
    if (getifaddrs(&first))
        return sbl_error_errno(err, errno, "asking for the interfaces of this machine");
    for (struct ifaddrs *i = first; i && *n < SBL_MOST_ADDRESSES - 1; i = i->ifa_next) {
        socklen_t size;

        if (!is_usable(i) || !is_wanted(i, names, n_names, loopback))
            continue;
        size = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        if (!sbl_address_unpack(&addresses[*n], i->ifa_addr, size))
            continue;
        snprintf(addresses[*n].interface, SBL_INTERFACE_TEXT, "%s", i->ifa_name);
        addresses[*n].port = 0;
        ++*n;
    }
    st = check(addresses, *n, names, n_names, first, err);
    freeifaddrs(first);
    return st;
}
