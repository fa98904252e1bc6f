/* Both sides know the two parts, and must come to the same choice without another word. */
#include "cluster/net/choose.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/error.h"

static const char *const NAMES[] = {
    [SBL_CARRIER_NONE] = "none",       [SBL_CARRIER_MEMFD] = "memfd", [SBL_CARRIER_RDMA] = "rdma",
    [SBL_CARRIER_UCX_SHM] = "ucx-shm", [SBL_CARRIER_TCP] = "tcp",     [SBL_CARRIER_UCX_TCP] = "ucx-tcp"};

const char *sbl_carrier_name(sbl_carrier carrier)
{
    return carrier <= SBL_CARRIER_UCX_TCP ? NAMES[carrier] : "none";
}

const char *sbl_carrier_warning(void)
{
    return "ucx-tcp: UCX opens a TCP port that asks nobody who he is: every program on every machine that reaches this "
           "interface can write into this process's memory. Use it in a network that you trust whole, and only to measure";
}

sabal_status sbl_carriers_parse(uint32_t *bits, const char *tls, sabal_error *err)
{
    uint32_t found = 0;

    if (!tls) {
        *bits =
            SBL_CARRIER_BIT(SBL_CARRIER_MEMFD) | SBL_CARRIER_BIT(SBL_CARRIER_RDMA) | SBL_CARRIER_BIT(SBL_CARRIER_TCP);
        return SABAL_OK;
    }
    for (const char *at = tls;; at++) {
        size_t length = strcspn(at, ",");
        int    known  = 0;

        for (int i = SBL_CARRIER_MEMFD; i <= SBL_CARRIER_UCX_TCP; i++)
            if (strlen(NAMES[i]) == length && !memcmp(NAMES[i], at, length)) {
                found |= SBL_CARRIER_BIT(i);
                known = 1;
            }
        if (!known)
            return sbl_error_set(err, SABAL_EINVAL,
                                 "'%.*s' is no way for values: there are memfd, rdma, ucx-shm, tcp and ucx-tcp",
                                 (int)(length < 40 ? length : 40), at);
        at += length;
        if (!*at)
            break;
    }
    *bits = found;
    return SABAL_OK;
}

static void list(char *text, size_t size, uint32_t bits)
{
    size_t at = 0;

    snprintf(text, size, "nothing");
    for (int i = SBL_CARRIER_MEMFD; i <= SBL_CARRIER_UCX_TCP; i++)
        if (bits & SBL_CARRIER_BIT(i) && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", NAMES[i]);
}

sabal_status sbl_carrier_choose(sbl_carrier *carrier, const sbl_side *here, const sbl_side *there, sabal_error *err)
{
    uint32_t both = here->can & there->can;
    char     can_here[80], can_there[80], may_here[80], may_there[80];
    int      one_node = !memcmp(here->node, there->node, sizeof here->node);

    if (!one_node)
        both &= ~SBL_CARRIER_BIT(SBL_CARRIER_UCX_SHM); /* a memfd goes wherever a Unix socket does */
    if (strcmp(here->ucx, there->ucx) != 0)            /* versions of it don't understand each other for sure */
        both &= ~SBL_CARRIERS_UCX;
    for (int i = SBL_CARRIER_MEMFD; i <= SBL_CARRIER_UCX_TCP; i++)
        if (both & SBL_CARRIER_BIT(i)) {
            *carrier = (sbl_carrier)i;
            return SABAL_OK;
        }
    list(can_here, sizeof can_here, here->can);
    list(can_there, sizeof can_there, there->can);
    list(may_here, sizeof may_here, here->may);
    list(may_there, sizeof may_there, there->may);
    return sbl_error_set(
        err, SABAL_EUNSUPPORTED, "no way for values: here %s can be had of what is allowed (%s), there %s (%s)%s%s%s%s",
        can_here, may_here, can_there, may_there, one_node ? "" : "; they are on two nodes",
        here->can & there->can & SBL_CARRIERS_UCX && strcmp(here->ucx, there->ucx) ? "; UCX has other versions: " : "",
        here->can & there->can & SBL_CARRIERS_UCX && strcmp(here->ucx, there->ucx) ? here->ucx : "",
        here->can & there->can & SBL_CARRIERS_UCX && strcmp(here->ucx, there->ucx) ? there->ucx : "");
}

void sbl_node_id(uint8_t id[16])
{
    static const char *const NAMESPACES[] = {"/proc/self/ns/pid", "/proc/self/ns/ipc", "/proc/self/ns/user"};
    crypto_generichash_state h;
    char                     text[128];
    uint32_t                 user = (uint32_t)geteuid();
    struct stat              at;
    int                      fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t                  n  = fd < 0 ? 0 : read(fd, text, sizeof text);

    if (fd >= 0)
        close(fd);
    crypto_generichash_init(&h, NULL, 0, 16);
    crypto_generichash_update(&h, (const uint8_t *)text, n > 0 ? (size_t)n : 0);
    crypto_generichash_update(&h, (const uint8_t *)&user, sizeof user);
    for (int i = 0; i < 3; i++)
        if (!stat(NAMESPACES[i], &at))
            crypto_generichash_update(&h, (const uint8_t *)&at.st_ino, sizeof at.st_ino);
    crypto_generichash_final(&h, id, 16);
}

int sbl_has_rdma(void)
{
    const char    *root = "/sys/class/infiniband";
    DIR           *all  = opendir(root);
    struct dirent *device;
    int            found = 0;

    while (all && !found && (device = readdir(all)))
        for (int port = 1; port <= 4 && device->d_name[0] != '.' && !found; port++) {
            char path[PATH_MAX], text[32] = {0};
            int  fd;

            snprintf(path, sizeof path, "%s/%s/ports/%d/state", root, device->d_name, port);
            fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
                break;
            found = read(fd, text, sizeof text - 1) > 0 && strstr(text, "ACTIVE");
            close(fd);
        }
    if (all)
        closedir(all);
    return found;
}
