/* What the data plane needs of an event loop: two calls. All of its own work but what plane.h names runs in that loop's thread. */
#ifndef SBL_NET_TURNS_H
#define SBL_NET_TURNS_H

#include <stdint.h>

typedef struct sbl_turns {
    /* Calls ready(context, events) whenever the descriptor is ready for one of events (EPOLLIN, EPOLLOUT), as long as it is;
       again for the same descriptor: changes it. 0, or an errno. */
    int (*watch)(void *arg, int fd, uint32_t events, void (*ready)(void *context, uint32_t events), void *context);
    /* From here on it is not called, not even for what this turn has found already. */
    void (*unwatch)(void *arg, int fd);
    void *arg;
} sbl_turns;

#endif
