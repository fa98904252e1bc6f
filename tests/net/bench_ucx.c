/*
 * UCX alone, the peer of tools/bench move: two processes, of which one asks the other for 64 MB by an empty message, and
 * gets them in one, fetched into a buffer that was used before. The settings are those of our carriers.
 *
 *   bench_ucx shm|tcp [NAMESPACE NAMESPACE]
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ucp/api/ucp.h>

enum { SIZE = 64000000, MESSAGE = 7, SPIN_NS = 50000 };

static ucp_worker_h worker;
static int          epoll, arrived;
static char        *data;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_ucx: %s: %s\n", what, why);
    exit(1);
}

static void check(ucs_status_t status, const char *what)
{
    if (status != UCS_OK)
        die(what, ucs_status_string(status));
}

static long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void enter(const char *name)
{
    char path[256];
    int  fd;

    snprintf(path, sizeof path, "/var/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) || unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) ||
        umount2("/sys", MNT_DETACH) || mount("sysfs", "/sys", "sysfs", 0, NULL))
        die(path, strerror(errno));
    close(fd);
}

/* Progress until nothing more comes for 50 us, then sleep until something does. */
static void turn(void)
{
    long long          fresh = now_ns();
    struct epoll_event e;

    while (ucp_worker_progress(worker) || now_ns() - fresh < SPIN_NS)
        if (arrived)
            return;
    if (ucp_worker_arm(worker) == UCS_OK)
        epoll_wait(epoll, &e, 1, 1000);
}

static void on_data(void *request, ucs_status_t status, size_t length, void *arg)
{
    check(status, "fetching");
    arrived++;
    ucp_request_free(request);
}

static ucs_status_t on_message(void *arg, const void *head, size_t head_size, void *from, size_t length,
                               const ucp_am_recv_param_t *how)
{
    ucp_request_param_t p = {.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FLAG_NO_IMM_CMPL,
                             .cb.recv_am   = on_data};

    if (!(how->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV)) {
        arrived++;
        return UCS_OK;
    }
    ucp_am_recv_data_nbx(worker, from, data, length, &p);
    return UCS_INPROGRESS;
}

static void send_bytes(ucp_ep_h ep, size_t n)
{
    static uint64_t     head;
    ucp_request_param_t p       = {0};
    ucs_status_ptr_t    request = ucp_am_send_nbx(ep, MESSAGE, &head, sizeof head, data, n, &p);

    if (UCS_PTR_IS_ERR(request))
        check(UCS_PTR_STATUS(request), "sending");
    while (request && ucp_request_check_status(request) == UCS_INPROGRESS)
        ucp_worker_progress(worker);
    if (request)
        ucp_request_free(request);
}

static void start(int shm, const char *device)
{
    ucp_params_t        p = {.field_mask = UCP_PARAM_FIELD_FEATURES, .features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP};
    ucp_worker_params_t w = {.field_mask  = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
                             .thread_mode = UCS_THREAD_MODE_SERIALIZED};
    ucp_am_handler_param_t h = {
        .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB, .id = MESSAGE, .cb = on_message};
    struct epoll_event e = {.events = EPOLLIN};
    ucp_config_t      *config;
    ucp_context_h      context;
    int                fd;

    check(ucp_config_read(NULL, NULL, &config), "settings");
    ucp_config_modify(config, "LOG_LEVEL", "fatal");
    ucp_config_modify(config, "TLS", shm ? "posix,cma,self" : "tcp,self");
    ucp_config_modify(config, "NET_DEVICES", shm ? "all" : device);
    ucp_config_modify(config, "KEEPALIVE_INTERVAL", "1s");
    if (shm) {
        ucp_config_modify(config, "MM_ERROR_HANDLING", "y");
        ucp_config_modify(config, "MEMORY_INVALIDATE", "y");
    }
    check(ucp_init(&p, config, &context), "context");
    ucp_config_release(config);
    check(ucp_worker_create(context, &w, &worker), "worker");
    check(ucp_worker_set_am_recv_handler(worker, &h), "handler");
    check(ucp_worker_get_efd(worker, &fd), "descriptor");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void on_error(void *arg, ucp_ep_h ep, ucs_status_t status)
{
    exit(0); /* the other side is done */
}

static ucp_ep_h meet(int fd)
{
    ucp_address_t  *mine;
    char            theirs[4096];
    size_t          size;
    ucp_ep_params_t p = {.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                                       UCP_EP_PARAM_FIELD_ERR_HANDLER,
                         .address        = (const ucp_address_t *)theirs,
                         .err_mode       = UCP_ERR_HANDLING_MODE_PEER,
                         .err_handler.cb = on_error};
    ucp_ep_h        ep;

    check(ucp_worker_get_address(worker, &mine, &size), "address");
    if (send(fd, mine, size, 0) < 0 || recv(fd, theirs, sizeof theirs, 0) < 0)
        die("address", strerror(errno));
    check(ucp_ep_create(worker, &p, &ep), "endpoint");
    return ep;
}

int main(int argc, char **argv)
{
    int      sv[2], which, shm = argc > 1 && !strcmp(argv[1], "shm");
    char     line[64];
    ucp_ep_h ep;

    if (argc != 2 && argc != 4)
        return 2;
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv);
    which = fork() == 0;
    if (which)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 4)
        enter(argv[2 + which]);
    close(sv[!which]);
    data = aligned_alloc(2u << 20, 64u << 20);
    madvise(data, SIZE, MADV_HUGEPAGE);
    memset(data, 1, SIZE);
    start(shm, argc == 4 ? which ? "v1" : "v0" : "lo");
    ep = meet(sv[which]);
    for (;;) {
        long long begin;

        arrived = 0;
        if (which) {
            while (!arrived)
                turn();
            send_bytes(ep, SIZE);
            continue;
        }
        if (!fgets(line, sizeof line, stdin))
            break;
        begin = now_ns();
        send_bytes(ep, 0);
        while (!arrived)
            turn();
        printf("{\"seconds\": %.9f}\n", 1e-9 * (double)(now_ns() - begin));
        fflush(stdout);
    }
    return 0;
}
