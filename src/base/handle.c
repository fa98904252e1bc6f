/* Counted handles; the lists of scopes are guarded by their client's lock, so that any thread may release. */
#include "base/handle.h"

#include <assert.h>
#include <stddef.h>

#define SCOPE_CHECK 0x5ab415c09e5ab41cULL

static __thread sabal_scope *innermost;

void sbl_handle_init(void *handle, const sbl_handle_class *class_)
{
    sbl_handle *h = handle;

    h->class = class_;
    atomic_init(&h->refs, 1);
    atomic_init(&h->users, 0);
    h->home = 0;
    h->next = NULL;
    h->link = NULL;
}

/* With owner->lock held. */
static void link_to(sbl_handle *h, sbl_owner *owner, sbl_handle **head)
{
    assert(!h->home);
    h->home = (uintptr_t)owner | (head == &owner->first ? SBL_HOME_IS_OWNER : 0);
    h->link = head;
    h->next = *head;
    if (h->next)
        h->next->link = &h->next;
    *head = h;
}

/* With owner->lock held. */
static void unlink_from(sbl_handle *h)
{
    *h->link = h->next;
    if (h->next)
        h->next->link = h->link;
    h->home = 0;
}

/* A scope's client and its owner are the same address: an owner is the client's first member. */
static sbl_handle **list_of(sbl_owner *owner, int skip)
{
    for (sabal_scope *s = innermost; s; s = s->outer)
        if ((void *)s->client == (void *)owner && skip-- == 0)
            return &s->first;
    return &owner->first;
}

void *sbl_handle_adopt(void *handle, sbl_owner *owner)
{
    if (!((sbl_handle *)handle)->class->immortal)
        sbl_handle_adopt_all(&handle, 1, owner);
    return handle;
}

void sbl_handle_adopt_all(void *const *handles, int64_t n, sbl_owner *owner)
{
    sbl_handle **list;

    pthread_mutex_lock(&owner->lock);
    list = list_of(owner, 0);
    for (int64_t i = 0; i < n; i++)
        link_to(handles[i], owner, list);
    pthread_mutex_unlock(&owner->lock);
}

void *sbl_handle_give(void *handle)
{
    sbl_handle *h = handle;

    if (!h->class->immortal)
        atomic_fetch_add_explicit(&h->users, 1, memory_order_relaxed);
    return handle;
}

void *sbl_handle_retain(const void *handle)
{
    sbl_handle *h = (sbl_handle *)handle;

    if (h && !h->class->immortal)
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void sbl_handle_release(const void *handle)
{
    sbl_handle *h = (sbl_handle *)handle;
    int32_t     before;

    if (!h || h->class->immortal)
        return;
    /* acq_rel: whoever drops the last reference sees all that the others wrote */
    before = atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel);
    assert(before > 0 && "a handle was released more often than it was retained");
    if (before == 1)
        h->class->destroy(h);
}

void *sabal_retain(const void *handle)
{
    assert(handle);
    return sbl_handle_give(sbl_handle_retain(handle));
}

void sabal_release(const void *handle)
{
    sbl_handle *h = (sbl_handle *)handle;
    sbl_owner  *owner;
    int32_t     users;

    if (!h || h->class->immortal)
        return;
    users = atomic_load_explicit(&h->users, memory_order_relaxed);
    while (users > 0)
        if (atomic_compare_exchange_weak_explicit(&h->users, &users, users - 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            sbl_handle_release(h);
            return;
        }
    owner = sbl_handle_owner(h);
    assert(owner && "a handle was released twice");
    if (!owner)
        return;
    pthread_mutex_lock(&owner->lock);
    unlink_from(h);
    pthread_mutex_unlock(&owner->lock);
    sbl_handle_release(h);
}

void *sabal_keep(const void *handle)
{
    sbl_handle *h = (sbl_handle *)handle;
    sbl_owner  *owner;

    assert(h);
    owner = sbl_handle_owner(h);
    if (!owner || h->class->immortal)
        return h;
    pthread_mutex_lock(&owner->lock);
    if (!(h->home & SBL_HOME_IS_OWNER)) {
        unlink_from(h);
        link_to(h, owner, list_of(owner, 1));
    }
    pthread_mutex_unlock(&owner->lock);
    return h;
}

void sbl_owner_init(sbl_owner *owner)
{
    pthread_mutex_init(&owner->lock, NULL);
    owner->first  = NULL;
    owner->retain = owner->release = NULL;
}

/* Newest first: what was built on others goes before them. */
static void clear_list(sbl_owner *owner, sbl_handle **head)
{
    for (;;) {
        sbl_handle *h;

        pthread_mutex_lock(&owner->lock);
        h = *head;
        if (h)
            unlink_from(h);
        pthread_mutex_unlock(&owner->lock);
        if (!h)
            return;
        sbl_handle_release(h);
    }
}

void sbl_owner_clear(sbl_owner *owner)
{
    clear_list(owner, &owner->first);
}

void sbl_owner_destroy(sbl_owner *owner)
{
    assert(!owner->first);
    pthread_mutex_destroy(&owner->lock);
}

void sbl_scope_begin(sabal_scope *scope, sabal_client *client)
{
    scope->client = client;
    scope->first  = NULL;
    scope->outer  = innermost;
    scope->check  = SCOPE_CHECK ^ (uintptr_t)scope;
    innermost     = scope;
}

void sbl_scope_end(sabal_scope *scope)
{
    assert(scope->check == (SCOPE_CHECK ^ (uintptr_t)scope) && "a jump went over the start of a SABAL_SCOPE");
    assert(innermost == scope && "scopes end in the order opposite to their start, on their own thread");
    if (scope->check != (SCOPE_CHECK ^ (uintptr_t)scope))
        return;
    if (scope->client) /* what was made without one belongs to nobody */
        clear_list((sbl_owner *)(void *)scope->client, &scope->first);
    innermost    = scope->outer;
    scope->check = 0;
}

/* A client that is closed in the block of its scope, which ends later, keeps its memory until then. */
void sabal_scope_open(sabal_scope *scope, sabal_client *client)
{
    sbl_owner *owner = (sbl_owner *)(void *)client;

    sbl_scope_begin(scope, client);
    if (owner && owner->retain)
        owner->retain(owner);
}

void sabal_scope_close(sabal_scope *scope)
{
    sbl_owner *owner = (sbl_owner *)(void *)scope->client;

    sbl_scope_end(scope);
    if (owner && owner->release && !scope->check)
        owner->release(owner);
}

sabal_scope *sbl_scope_swap(sabal_scope *scope)
{
    sabal_scope *former = innermost;

    innermost = scope;
    return former;
}
