/* libmunge is loaded where it is there and never linked: most machines have none. */
#include "cluster/net/munge.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

/* As munge.h has them; 0 is EMUNGE_SUCCESS. */
typedef int encode_fn(char **credential, void *context, const void *bytes, int n);
typedef int decode_fn(const char *credential, void *context, void **bytes, int *n, uid_t *uid, gid_t *gid);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static encode_fn     *encode;
static decode_fn     *decode;

static void load(void)
{
    void *library = dlopen("libmunge.so.2", RTLD_NOW | RTLD_LOCAL); /* stays */

    if (!library)
        return;
    encode = (encode_fn *)(uintptr_t)dlsym(library, "munge_encode");
    decode = (decode_fn *)(uintptr_t)dlsym(library, "munge_decode");
}

static int make(char *text, size_t size, const uint8_t *bytes, size_t n)
{
    char *credential = NULL;
    int   made       = !encode(&credential, NULL, bytes, (int)n) && credential && strlen(credential) < size;

    if (made)
        memcpy(text, credential, strlen(credential) + 1);
    free(credential);
    return made;
}

/* The daemon takes each credential once, and only for some minutes. */
static int check(const char *text, const uint8_t *bytes, size_t n)
{
    void *inside = NULL;
    int   size   = 0, right;
    uid_t uid    = (uid_t)-1;
    gid_t gid;

    right = !decode(text, NULL, &inside, &size, &uid, &gid) && uid == geteuid() && size == (int)n && inside &&
            !sodium_memcmp(inside, bytes, n);
    free(inside);
    return right;
}

const sbl_witness *sbl_munge_witness(void)
{
    static const sbl_witness MUNGE = {make, check};
    char                     text[248];

    pthread_once(&once, load);
    return encode && decode && make(text, sizeof text, (const uint8_t *)"", 0) ? &MUNGE : NULL;
}
