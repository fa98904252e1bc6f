#include "cluster/net/hello.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"

/* What crosses. Both sides are little-endian: the magic of one that isn't would not fit. */
struct opening { /* messages 0 and 1 */
    uint64_t magic;
    uint16_t protocol;
    uint8_t  message, zeros[5];
    uint64_t ticket;
    uint8_t  nonce[SBL_NONCE_BYTES];
    uint8_t  more_zeros[8];
};
struct claim { /* of messages 2 and 3 */
    uint8_t message, role, expects, offers, verdict, zeros[3];
    uint8_t cluster[SBL_CLUSTER_ID];
    char    version[SBL_VERSION_TEXT], ucx[SBL_UCX_TEXT];
    uint8_t local[20], remote[20];
    uint8_t more_zeros[16];
};
struct proof { /* message 2 */
    struct claim claim;
    uint8_t      mac[32];
};
struct answer { /* message 3 */
    struct claim claim;
    char         text[SBL_HELLO_TEXT]; /* why not */
    uint8_t      mac[32];
};
struct credential { /* messages 4 and 5, if both offer it */
    uint8_t message, verdict, zeros[6];
    char    text[248]; /* "": it could not be made */
    uint8_t mac[32];
};
_Static_assert(sizeof(struct opening) == 64 && sizeof(struct proof) == 160 && sizeof(struct answer) == 320 &&
                   sizeof(struct credential) == 288,
               "the form of the handshake never changes");
_Static_assert(SBL_HELLO_BYTES == 2 * 64 + 160 + 320 && SBL_WITNESS_BYTES == SBL_HELLO_BYTES + 2 * 288, "all of them");

enum { ENCRYPT = 1, AES = 2, WITNESS = 4, N_MESSAGES = 6, MAC_BYTES = 32 };
#define MAGIC 0x54454e4c41424153u /* "SABALNET" */

/* Where each begins; the last is where all end. */
static const uint16_t PLACE[N_MESSAGES + 1] = {0, 64, 128, 288, 608, 896, 1184};

const char *sbl_role_name(int role)
{
    static const char *const NAMES[] = {"stranger", "client", "worker", "scheduler"};

    return role >= 1 && role <= 3 ? NAMES[role] : NAMES[0];
}

static void mac_of(uint8_t mac[MAC_BYTES], const sbl_hello *h, const uint8_t *key, int message)
{
    static const char *const LABELS[N_MESSAGES] = {"",
                                                   "",
                                                   "sabal hello: who began",
                                                   "sabal hello: who answers",
                                                   "sabal credential: who began",
                                                   "sabal credential: who answers"};
    crypto_generichash_state state;

    crypto_generichash_init(&state, key, SBL_KEY_BYTES, MAC_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)LABELS[message], strlen(LABELS[message]) + 1);
    crypto_generichash_update(&state, h->talk, PLACE[message + 1] - MAC_BYTES);
    crypto_generichash_final(&state, mac, MAC_BYTES);
    sodium_memzero(&state, sizeof state);
}

static void end_as(sbl_hello *h, sbl_hello_state state, sabal_status status, const char *text)
{
    h->state = state;
    sbl_error_clear(&h->why);
    sbl_error_set(&h->why, status, "%s", text);
}

static void stranger(sbl_hello *h, const char *text)
{
    end_as(h, SBL_HELLO_STRANGER, SABAL_EACCES, text);
}

/* --- what is said --------------------------------------------------------------------------------------------------- */

static void pack_end(uint8_t packed[20], const sbl_address *address)
{
    struct sockaddr_storage    s;
    const struct sockaddr_in  *v4 = (const void *)&s;
    const struct sockaddr_in6 *v6 = (const void *)&s;

    memset(packed, 0, 20);
    if (!address || address->kind != SBL_ADDRESS_TCP || !sbl_address_pack(&s, address))
        return;
    packed[0] = s.ss_family == AF_INET ? 4 : 6;
    memcpy(packed + 2, s.ss_family == AF_INET ? &v4->sin_port : &v6->sin6_port, 2);
    if (s.ss_family == AF_INET)
        memcpy(packed + 4, &v4->sin_addr, 4);
    else
        memcpy(packed + 4, &v6->sin6_addr, 16);
}

static void say_opening(sbl_hello *h)
{
    struct opening m = {
        .magic = MAGIC, .protocol = h->self.protocol, .message = (uint8_t)h->turn, .ticket = h->turn ? 0 : h->ticket};

    memcpy(m.nonce, h->nonce, sizeof m.nonce);
    memcpy(h->talk + h->at, &m, sizeof m);
}

static struct claim own_claim(const sbl_hello *h)
{
    struct claim c = {.message = (uint8_t)h->turn,
                      .role    = (uint8_t)h->self.role,
                      .expects = (uint8_t)h->self.expects,
                      .verdict = (uint8_t)h->verdict};

    c.offers = (uint8_t)((h->self.encrypt ? ENCRYPT : 0) | (crypto_aead_aes256gcm_is_available() ? AES : 0) |
                         (h->self.witness && h->self.witness->make ? WITNESS : 0));
    memcpy(c.cluster, h->self.cluster, sizeof c.cluster);
    memcpy(c.version, h->self.version, sizeof c.version);
    memcpy(c.ucx, h->self.ucx, sizeof c.ucx);
    memcpy(c.local, h->local, sizeof c.local);
    memcpy(c.remote, h->remote, sizeof c.remote);
    return c;
}

static void say_credential(sbl_hello *h)
{
    struct credential m = {.message = (uint8_t)h->turn, .verdict = (uint8_t)h->verdict};
    uint8_t           bound[32];

    crypto_generichash(bound, sizeof bound, h->talk, SBL_HELLO_BYTES, (const uint8_t *)"sabal witness bound", 19);
    bound[0] ^= (uint8_t)h->turn; /* one side's is not the other's */
    if (h->verdict == SBL_WELCOME && !h->self.witness->make(m.text, sizeof m.text, bound, sizeof bound))
        m.text[0] = 0;
    memcpy(h->talk + h->at, &m, sizeof m);
}

static void say(sbl_hello *h)
{
    struct claim   c   = own_claim(h);
    const uint8_t *key = h->turn < 2 ? NULL : h->key(h->arg, h->ticket);

    if (h->turn >= 2 && !key) {
        stranger(h, "the ticket is not known any more");
        return;
    }
    if (h->turn < 2)
        say_opening(h);
    else if (h->turn < 4)
        memcpy(h->talk + h->at, &c, sizeof c);
    else
        say_credential(h);
    if (h->turn == 3)
        snprintf((char *)h->talk + h->at + sizeof c, SBL_HELLO_TEXT, "%.159s", h->verdict ? h->why.message : "");
    if (h->turn >= 2)
        mac_of(h->talk + PLACE[h->turn + 1] - MAC_BYTES, h, key, h->turn);
    h->at = h->end = PLACE[++h->turn];
}

/* --- what is heard -------------------------------------------------------------------------------------------------- */

static int all_zero(const uint8_t *bytes, size_t n)
{
    return sodium_is_zero(bytes, n);
}

static void hear_opening(sbl_hello *h)
{
    struct opening m;

    memcpy(&m, h->talk + PLACE[h->turn], sizeof m);
    if (m.magic != MAGIC || m.message != h->turn || !all_zero(m.zeros, sizeof m.zeros) ||
        !all_zero(m.more_zeros, sizeof m.more_zeros) || (h->turn && m.ticket)) {
        stranger(h, "it does not speak sabal's protocol");
        return;
    }
    if (h->turn == 0)
        h->ticket = m.ticket;
    h->peer.ticket   = h->ticket;
    h->peer.protocol = m.protocol;
}

static void refuse(sbl_hello *h, sbl_verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void refuse(sbl_hello *h, sbl_verdict verdict, const char *format, ...)
{
    char    text[SBL_HELLO_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    h->verdict = verdict;
    end_as(h, SBL_HELLO_REFUSED, SABAL_EACCES, text);
}

static void judge(sbl_hello *h, const struct claim *c)
{
    const char *them = sbl_role_name(h->peer.role), *us = sbl_role_name(h->self.role);
    char        theirs[9], ours[9];

    sbl_hex_write(theirs, c->cluster, 4);
    sbl_hex_write(ours, h->self.cluster, 4);
    if (h->peer.protocol != h->self.protocol)
        refuse(h, SBL_OTHER_PROTOCOL, "the %s speaks version %u of the protocol, the %s version %u: use one sabal",
               them, h->peer.protocol, us, h->self.protocol);
    else if (memcmp(c->cluster, h->self.cluster, sizeof c->cluster) != 0)
        refuse(h, SBL_OTHER_CLUSTER,
               "the %s is of cluster %s..., the %s of cluster %s...: each start of a scheduler is another", them,
               theirs, us, ours);
    else if (strcmp(h->peer.version, h->self.version) != 0)
        refuse(h, SBL_OTHER_VERSION, "the %s runs sabal %s, the %s sabal %s: use one sabal", them, h->peer.version, us,
               h->self.version);
    else if (h->peer.ucx[0] && h->self.ucx[0] && strcmp(h->peer.ucx, h->self.ucx) != 0)
        refuse(h, SBL_OTHER_UCX, "the %s has UCX %s, the %s UCX %s: versions of UCX don't mix", them, h->peer.ucx, us,
               h->self.ucx);
    else if (!(h->self.expects >> h->peer.role & 1) || !(c->expects >> h->self.role & 1))
        refuse(h, SBL_OTHER_ROLE, "a %s meets a %s, and one of them expected another: is the address right?", them, us);
    else if (c->local[0] && h->local[0] &&
             (memcmp(c->local, h->remote, sizeof c->local) != 0 || memcmp(c->remote, h->local, sizeof c->local) != 0))
        refuse(h, SBL_OTHER_ADDRESS,
               "the %s and the %s see different addresses of one connection: a relay lies between them", them, us);
}

static void know(sbl_hello *h, const struct claim *c)
{
    h->peer.role = c->role >= SBL_ROLE_CLIENT && c->role <= SBL_ROLE_SCHEDULER ? (sbl_role)c->role : (sbl_role)0;
    memcpy(h->peer.version, c->version, sizeof c->version - 1);
    memcpy(h->peer.ucx, c->ucx, sizeof c->ucx - 1);
    memcpy(h->peer.cluster, c->cluster, sizeof c->cluster);
    for (size_t i = 0; i < sizeof c->version; i++) /* for messages */
        if (h->peer.version[i] < ' ' || h->peer.version[i] > '~')
            h->peer.version[i] = 0;
    for (size_t i = 0; i < sizeof c->ucx; i++)
        if (h->peer.ucx[i] < ' ' || h->peer.ucx[i] > '~')
            h->peer.ucx[i] = 0;
    h->witnesses = c->offers & WITNESS && h->self.witness && h->self.witness->make;
}

/* 0: it is none. */
static int proves(const sbl_hello *h)
{
    const uint8_t *key = h->key(h->arg, h->ticket);
    uint8_t        mac[MAC_BYTES];

    if (!key)
        return 0;
    mac_of(mac, h, key, h->turn);
    return !sodium_memcmp(mac, h->talk + PLACE[h->turn + 1] - MAC_BYTES, MAC_BYTES);
}

static void hear_claim(sbl_hello *h)
{
    struct claim c;
    char         text[SBL_HELLO_TEXT];

    memcpy(&c, h->talk + PLACE[h->turn], sizeof c);
    know(h, &c);
    judge(h, &c);
    if (h->turn == 3 && c.verdict && !h->verdict) { /* it alone knows why */
        memcpy(text, h->talk + PLACE[3] + sizeof c, sizeof text);
        text[sizeof text - 1] = 0;
        for (char *t = text; *t; t++)
            *t = *t < ' ' || *t > '~' ? '?' : *t;
        refuse(h, (sbl_verdict)c.verdict, "%.140s", text[0] ? text : "it was refused");
    }
}

/* A credential that can't be made on the other side is as none: only one that is wrong refuses. */
static void hear_credential(sbl_hello *h)
{
    struct credential m;
    uint8_t           bound[32];

    memcpy(&m, h->talk + PLACE[h->turn], sizeof m);
    m.text[sizeof m.text - 1] = 0;
    crypto_generichash(bound, sizeof bound, h->talk, SBL_HELLO_BYTES, (const uint8_t *)"sabal witness bound", 19);
    bound[0] ^= (uint8_t)h->turn;
    if (m.verdict)
        refuse(h, SBL_OTHER_USER, "the %s does not take this process's MUNGE credential for its user's",
               sbl_role_name(h->peer.role));
    else if (m.text[0] && !h->self.witness->check(m.text, bound, sizeof bound))
        refuse(h, SBL_OTHER_USER, "the MUNGE credential of the %s is not of this user", sbl_role_name(h->peer.role));
    h->peer.witnessed = m.text[0] && !h->verdict;
}

static void hear(sbl_hello *h)
{
    if (h->turn >= 2 && !proves(h)) {
        stranger(h, "it does not know the key");
        return;
    }
    if (h->turn < 2)
        hear_opening(h);
    else if (h->turn < 4)
        hear_claim(h);
    else
        hear_credential(h);
    h->at = PLACE[++h->turn];
}

/* --- the turns ------------------------------------------------------------------------------------------------------ */

static int is_mine(const sbl_hello *h)
{
    return (h->turn % 2 == 0) == (h->initiator != 0);
}

/* Says what it is its turn to say. Who refuses says so, in the answer; who began has nothing to say it in. */
static void go_on(sbl_hello *h)
{
    int last = 4 + 2 * h->witnesses;

    while (h->state == SBL_HELLO_GOING && h->turn < last && is_mine(h))
        say(h);
    if (h->state == SBL_HELLO_REFUSED && !h->initiator && (h->turn == 3 || h->turn == 5))
        say(h);
    if (h->state == SBL_HELLO_GOING && h->turn == last)
        h->state = SBL_HELLO_PASSED;
}

void sbl_hello_start(sbl_hello *h, const sbl_hello_self *self, int initiator, uint64_t ticket, sbl_key_fn *key,
                     void *arg, const uint8_t nonce[SBL_NONCE_BYTES], const sbl_address *local,
                     const sbl_address *remote)
{
    memset(h, 0, sizeof *h);
    if (sodium_init() < 0)
        stranger(h, "libsodium can't start");
    h->self      = *self;
    h->initiator = initiator != 0;
    h->ticket    = initiator ? ticket : 0;
    h->key       = key;
    h->arg       = arg;
    memcpy(h->nonce, nonce, sizeof h->nonce);
    if (!h->self.protocol)
        h->self.protocol = SBL_PROTOCOL;
    if (!h->self.version[0])
        snprintf(h->self.version, sizeof h->self.version, "%s", sabal_version());
    if (local && remote) {
        pack_end(h->local, local);
        pack_end(h->remote, remote);
    }
    go_on(h);
}

size_t sbl_hello_wants(const sbl_hello *h)
{
    return h->state == SBL_HELLO_GOING && h->sent == h->end ? (size_t)(PLACE[h->turn + 1] - h->at) : 0;
}

void sbl_hello_take(sbl_hello *h, const void *bytes, size_t n)
{
    size_t wants = sbl_hello_wants(h);

    n = n < wants ? n : wants;
    memcpy(h->talk + h->at, bytes, n);
    h->at = (uint16_t)(h->at + n);
    if (!n || n < wants)
        return;
    hear(h);
    h->sent = h->end = h->at;
    go_on(h);
}

const void *sbl_hello_output(const sbl_hello *h, size_t *n)
{
    *n = h->state == SBL_HELLO_STRANGER ? 0 : (size_t)(h->end - h->sent);
    return h->talk + h->sent;
}

void sbl_hello_sent(sbl_hello *h, size_t n)
{
    h->sent = (uint16_t)(h->sent + n);
}

int sbl_hello_keys(sbl_session_keys *keys, const sbl_hello *h)
{
    const uint8_t           *key = h->key(h->arg, h->ticket);
    struct claim             first, second;
    crypto_generichash_state state;

    if (!key)
        return 0;
    memcpy(&first, h->talk + PLACE[2], sizeof first);
    memcpy(&second, h->talk + PLACE[3], sizeof second);
    for (int began = 0; began < 2; began++) {
        const char *label = began ? "sabal session: from who began" : "sabal session: from who answered";

        crypto_generichash_init(&state, key, SBL_KEY_BYTES, SBL_KEY_BYTES);
        crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
        crypto_generichash_update(&state, h->talk, h->at);
        crypto_generichash_final(&state, began == h->initiator ? keys->send : keys->receive, SBL_KEY_BYTES);
    }
    sodium_memzero(&state, sizeof state);
    keys->encrypt = ((first.offers | second.offers) & ENCRYPT) != 0;
    keys->aes     = (first.offers & second.offers & AES) != 0;
    return 1;
}

void sbl_hello_end(sbl_hello *h)
{
    sodium_memzero(h, sizeof *h);
}
