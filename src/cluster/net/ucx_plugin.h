/*
 * What the UCX plugin, a module of its own, and the library tell each other. The module is the only object linked with
 * UCX, as loading that changes a process; it knows nothing of Sabal but this file. No call is made from within an event,
 * none in a child made by fork, and one thread at a time makes them.
 */
#ifndef SBL_NET_UCX_PLUGIN_H
#define SBL_NET_UCX_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { SBL_UCX_PLUGIN = 1, SBL_UCX_RUNS = 64, SBL_UCX_HEAD = 64 };
enum { SBL_UCX_FAILED, SBL_UCX_SENT, SBL_UCX_UNDER_WAY };
#define SBL_UCX_SYMBOL "sabal_ucx_plugin"

typedef struct sbl_ucx_setting {
    const char *name, *value; /* without UCX_ */
} sbl_ucx_setting;

/* Events come from within progress() and close() alone. */
typedef struct sbl_ucx_host {
    void *(*alloc)(size_t size);
    void (*free)(void *memory);
    /* length bytes come, with a head of ours: fills runs with where they shall lie, at most SBL_UCX_RUNS; their number, 0: nowhere.
       runs NULL: there is no memory to fetch them, and 0 is to be returned. */
    int (*arrived)(void *arg, const uint8_t *head, size_t head_size, uint64_t length, struct iovec *runs, void **token);
    void (*received)(void *arg, void *token, const char *failed); /* failed: NULL, or why */
    void (*sent)(void *arg, void *token, const char *failed);
    void (*lost)(void *arg, void *peer_arg, const char *why);
    void (*closed)(void *arg, void *peer_arg);
} sbl_ucx_host;

typedef struct sbl_ucx_worker sbl_ucx_worker;
typedef struct sbl_ucx_peer   sbl_ucx_peer;

typedef struct sbl_ucx_plugin {
    uint32_t version; /* SBL_UCX_PLUGIN */
    /* "1.13.1" of the library that was loaded. */
    const char *(*ucx_version)(void);
    /* NULL: why has a text. host and arg stay valid. */
    sbl_ucx_worker *(*open)(const sbl_ucx_setting *settings, int32_t n, const sbl_ucx_host *host, void *arg, char *why,
                            size_t size);
    /* All peers are closed. */
    void (*close)(sbl_ucx_worker *worker);
    int (*fd)(const sbl_ucx_worker *worker); /* readable when there is something to do, if arm() said 1 */
    unsigned (*progress)(sbl_ucx_worker *worker);
    int (*arm)(sbl_ucx_worker *worker); /* 1: done; 0: there is something to do first */
    /* The worker's address for others; its size, 0: it does not fit. */
    size_t (*address)(sbl_ucx_worker *worker, void *to, size_t room);
    /* NULL: why has a text. */
    sbl_ucx_peer *(*connect)(sbl_ucx_worker *worker, const void *address, void *peer_arg, char *why, size_t size);
    /* Only if it is under way the runs must stay, and sent() comes; head is copied. */
    int (*send)(sbl_ucx_peer *peer, const void *head, size_t head_size, const struct iovec *runs, int32_t n,
                void *token);
    /* Lets go what is under way for at most until force() is called; then closed() comes, and the peer is no more. */
    void (*flush)(sbl_ucx_peer *peer);
    /* Now: what is under way fails. */
    void (*force)(sbl_ucx_peer *peer);
} sbl_ucx_plugin;

#endif
