#include "cluster/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

const char *sbl_address_tell(char text[SBL_ADDRESS_TEXT], const sbl_address *address)
{
    const char *open = strchr(address->ip, ':') ? "[" : "", *close = *open ? "]" : "";

    if (address->kind == SBL_ADDRESS_UNIX)
        snprintf(text, SBL_ADDRESS_TEXT, "unix %s", address->path);
    else if (address->interface[0])
        snprintf(text, SBL_ADDRESS_TEXT, "tcp %s%s%s:%u (%s)", open, address->ip, close, address->port,
                 address->interface);
    else
        snprintf(text, SBL_ADDRESS_TEXT, "tcp %s%s%s:%u", open, address->ip, close, address->port);
    return text;
}

static unsigned pack_unix(struct sockaddr_un *un, const char *path)
{
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof un->sun_path)
        return 0;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    return (unsigned)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

unsigned sbl_address_pack(struct sockaddr_storage *packed, const sbl_address *address)
{
    struct sockaddr_in  *v4 = (void *)packed;
    struct sockaddr_in6 *v6 = (void *)packed;

    memset(packed, 0, sizeof *packed);
    if (address->kind == SBL_ADDRESS_UNIX)
        return pack_unix((void *)packed, address->path);
    if (address->kind != SBL_ADDRESS_TCP)
        return 0;
    if (inet_pton(AF_INET, address->ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port   = htons(address->port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, address->ip, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port   = htons(address->port);
        return sizeof *v6;
    }
    return 0;
}

int sbl_address_unpack(sbl_address *address, const struct sockaddr *packed, unsigned size)
{
    const struct sockaddr_in  *v4 = (const void *)packed;
    const struct sockaddr_in6 *v6 = (const void *)packed;
    const struct sockaddr_un  *un = (const void *)packed;

    memset(address, 0, sizeof *address);
    if (packed->sa_family == AF_INET && size >= sizeof *v4) {
        address->kind = SBL_ADDRESS_TCP;
        address->port = ntohs(v4->sin_port);
        return inet_ntop(AF_INET, &v4->sin_addr, address->ip, sizeof address->ip) != NULL;
    }
    if (packed->sa_family == AF_INET6 && size >= sizeof *v6) {
        address->kind = SBL_ADDRESS_TCP;
        address->port = ntohs(v6->sin6_port);
        return inet_ntop(AF_INET6, &v6->sin6_addr, address->ip, sizeof address->ip) != NULL;
    }
    if (packed->sa_family == AF_UNIX) {
        size_t n = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;

        address->kind = SBL_ADDRESS_UNIX;
        memcpy(address->path, un->sun_path,
               strnlen(un->sun_path, n < sizeof address->path ? n : sizeof address->path - 1));
        return 1;
    }
    return 0;
}
