/* Where a process can be reached: a port of an interface, or a socket in a folder. */
#ifndef SBL_CLUSTER_NET_ADDRESS_H
#define SBL_CLUSTER_NET_ADDRESS_H

#include <stdint.h>

#include <sabal/status.h>

enum {
    SBL_INTERFACE_TEXT = 16,
    SBL_IP_TEXT        = 46,
    SBL_UNIX_TEXT      = 108,
    SBL_ADDRESS_TEXT   = 160,
    SBL_MOST_ADDRESSES = 64
};

struct sockaddr;
struct sockaddr_storage;

typedef enum sbl_address_kind { SBL_ADDRESS_TCP = 1, SBL_ADDRESS_UNIX = 2 } sbl_address_kind;

typedef struct sbl_address {
    sbl_address_kind kind;
    char             interface[SBL_INTERFACE_TEXT]; /* of tcp, for messages alone: "eth0" */
    char             ip[SBL_IP_TEXT];               /* of tcp, IPv4 or IPv6               */
    uint16_t         port;
    char             path[SBL_UNIX_TEXT]; /* of unix                            */
} sbl_address;

/** "tcp 10.0.0.1:4711 (eth0)", "unix /run/..."; returns text. */
const char *sbl_address_tell(char text[SBL_ADDRESS_TEXT], const sbl_address *address);
/** As the system wants it, and how many bytes. 0: it is no address. */
unsigned sbl_address_pack(struct sockaddr_storage *packed, const sbl_address *address);
/** From what the system says of a socket; the interface stays "". 0: it is of no kind we know. */
int sbl_address_unpack(sbl_address *address, const struct sockaddr *packed, unsigned size);

#endif
