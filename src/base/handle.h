/*
 * Counted handles and the scopes that own them: what sabal_array, sabal_future, sabal_kmeans, ... begin with.
 *
 * refs counts everybody: the scope that owns the handle, the user's sabal_retain()s, our own sbl_handle_retain()s.
 * users counts the user's retains alone, so that sabal_release() knows whether it ends one of them or the scope's.
 */
#ifndef SBL_BASE_HANDLE_H
#define SBL_BASE_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <sabal/client.h>

typedef struct sbl_handle_class {
    const char *name;
    void (*destroy)(void *handle); /* the last reference is gone: free it */
    int immortal;                  /* the failed handle of its type for when memory is out: never counted */
} sbl_handle_class;

/* The root of a client's handles; its first member. */
typedef struct sbl_owner {
    pthread_mutex_t    lock;            /* guards the lists of all scopes of this client */
    struct sbl_handle *first;           /* those that belong to the client itself        */
    void (*retain)(struct sbl_owner *); /* keeps its memory while a scope of the user's is open; NULL: it needs none */
    void (*release)(struct sbl_owner *);
} sbl_owner;

typedef struct sbl_handle {
    const sbl_handle_class *class;
    _Atomic int32_t     refs;
    _Atomic int32_t     users;
    uintptr_t           home; /* whose scope holds it (sbl_handle_owner()); 0: none does. Written under its lock */
    struct sbl_handle  *next; /* in the list of that scope                                                       */
    struct sbl_handle **link; /* what leads to it: the one before, or the list                                   */
} sbl_handle;

#define SBL_IMMORTAL(class_)                                                                                           \
    {                                                                                                                  \
        .class = (class_), .refs = 1, .users = 0                                                                       \
    }

#define SBL_HOME_IS_OWNER ((uintptr_t)1) /* in the owner's own list, not in that of a block of the user's */

/** Whose scope holds it; NULL: none does. To be relied on under that one's lock. */
static inline sbl_owner *sbl_handle_owner(const sbl_handle *h)
{
    return (sbl_owner *)(h->home & ~SBL_HOME_IS_OWNER);
}

/** A new handle with one reference that belongs to nobody's scope yet. */
void sbl_handle_init(void *handle, const sbl_handle_class *class_);
/** Gives the caller's reference to the innermost scope of this thread and owner, else to the owner. Returns handle. */
void *sbl_handle_adopt(void *handle, sbl_owner *owner);
/** The same for n handles of one kind, none of them immortal. */
void sbl_handle_adopt_all(void *const *handles, int64_t n, sbl_owner *owner);
/** Gives the caller's reference to the user, as if sabal_retain() had made it. Returns handle. */
void *sbl_handle_give(void *handle);
/** One more reference of ours. NULL allowed. Returns handle. */
void *sbl_handle_retain(const void *handle);
/** Ends a reference of ours. NULL allowed. */
void sbl_handle_release(const void *handle);

void sbl_owner_init(sbl_owner *owner);
/** Releases all handles that belong to the owner. */
void sbl_owner_clear(sbl_owner *owner);
void sbl_owner_destroy(sbl_owner *owner);

/** As sabal_scope_open() and _close(), where the client outlives the scope for sure. */
void sbl_scope_begin(sabal_scope *scope, sabal_client *client);
void sbl_scope_end(sabal_scope *scope);
/** Sets this thread's innermost scope and returns the former: for a thread that runs another task meanwhile. */
sabal_scope *sbl_scope_swap(sabal_scope *scope);

#endif
