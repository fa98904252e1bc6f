/* UCX behind a table of functions: see ucx_plugin.h. One active message carries all: a head of ours, then data. */
#include "cluster/net/ucx_plugin.h"

#include <stdio.h>
#include <string.h>

#include <ucp/api/ucp.h>

enum { MESSAGE = 7 };

struct sbl_ucx_worker {
    ucp_context_h       context;
    ucp_worker_h        worker;
    const sbl_ucx_host *host;
    void               *arg;
    int                 fd;
};

struct sbl_ucx_peer {
    sbl_ucx_worker *owner;
    ucp_ep_h        ep;
    void           *arg;
    int             is_closing;
};

/* A message under way: its head and the list of its pieces must stay. */
struct message {
    sbl_ucx_worker *owner;
    void           *token;
    int             is_inside, is_done; /* of the call that sends it */
    ucs_status_t    status;
    uint8_t         head[SBL_UCX_HEAD];
    ucp_dt_iov_t    pieces[SBL_UCX_RUNS];
};

/* --- receiving -------------------------------------------------------------------------------------------------- */

static void end_receive(struct message *m, ucs_status_t status)
{
    sbl_ucx_worker *w = m->owner;

    w->host->received(w->arg, m->token, status == UCS_OK ? NULL : ucs_status_string(status));
    w->host->free(m);
}

static void on_received(void *request, ucs_status_t status, size_t length, void *arg)
{
    end_receive(arg, status);
    ucp_request_free(request);
}

/* Small ones are here already, and are copied: nothing of the sender's is kept. */
static void copy_out(struct message *m, const uint8_t *data, int n)
{
    for (int i = 0; i < n; i++) {
        memcpy(m->pieces[i].buffer, data, m->pieces[i].length);
        data += m->pieces[i].length;
    }
    end_receive(m, UCS_OK);
}

static ucs_status_t fetch(sbl_ucx_worker *w, struct message *m, void *data, int n, size_t length)
{
    ucp_request_param_t p = {.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
                                             UCP_OP_ATTR_FLAG_NO_IMM_CMPL,
                             .cb.recv_am = on_received,
                             .user_data  = m};
    ucs_status_ptr_t    request;

    if (n > 1) {
        p.op_attr_mask |= UCP_OP_ATTR_FIELD_DATATYPE;
        p.datatype = ucp_dt_make_iov();
    }
    request = ucp_am_recv_data_nbx(w->worker, data, n > 1 ? (void *)m->pieces : m->pieces[0].buffer,
                                   n > 1 ? (size_t)n : length, &p);
    if (!UCS_PTR_IS_ERR(request))
        return UCS_INPROGRESS;
    end_receive(m, UCS_PTR_STATUS(request));
    return UCS_OK;
}

static ucs_status_t on_message(void *arg, const void *head, size_t head_size, void *data, size_t length,
                               const ucp_am_recv_param_t *how)
{
    sbl_ucx_worker *w = arg;
    struct message *m = w->host->alloc(sizeof *m);
    struct iovec    runs[SBL_UCX_RUNS];
    void           *token = NULL;
    int             n     = w->host->arrived(w->arg, head, head_size, length, m ? runs : NULL, &token);

    if (n == 0) { /* nobody wants it: what was not fetched is given up, as it is with UCS_OK */
        w->host->free(m);
        return UCS_OK;
    }
    m->owner = w;
    m->token = token;
    for (int i = 0; i < n; i++)
        m->pieces[i] = (ucp_dt_iov_t){runs[i].iov_base, runs[i].iov_len};
    if (how->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV)
        return fetch(w, m, data, n, length);
    copy_out(m, data, n);
    return UCS_OK;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static void on_sent(void *request, ucs_status_t status, void *arg)
{
    struct message *m = arg;
    sbl_ucx_worker *w = m->owner;

    ucp_request_free(request);
    if (m->is_inside) { /* as happens with small ones */
        m->is_done = 1;
        m->status  = status;
        return;
    }
    w->host->sent(w->arg, m->token, status == UCS_OK ? NULL : ucs_status_string(status));
    w->host->free(m);
}

static int plugin_send(sbl_ucx_peer *peer, const void *head, size_t head_size, const struct iovec *runs, int32_t n,
                       void *token)
{
    sbl_ucx_worker     *w = peer->owner;
    struct message     *m = w->host->alloc(sizeof *m);
    ucp_request_param_t p = {.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
                             .cb.send      = on_sent};
    ucs_status_ptr_t    request;

    if (!m)
        return SBL_UCX_FAILED;
    m->owner     = w;
    m->token     = token;
    m->is_inside = 1;
    m->is_done   = 0;
    memcpy(m->head, head, head_size);
    for (int32_t i = 0; i < n; i++)
        m->pieces[i] = (ucp_dt_iov_t){runs[i].iov_base, runs[i].iov_len};
    p.user_data = m;
    if (n > 1) {
        p.op_attr_mask |= UCP_OP_ATTR_FIELD_DATATYPE;
        p.datatype = ucp_dt_make_iov();
    }
    request = ucp_am_send_nbx(peer->ep, MESSAGE, m->head, head_size, n > 1 ? (void *)m->pieces : m->pieces[0].buffer,
                              n > 1 ? (size_t)n : m->pieces[0].length, &p);
    m->is_inside = 0;
    if (request && !UCS_PTR_IS_ERR(request) && !m->is_done)
        return SBL_UCX_UNDER_WAY;
    n = !UCS_PTR_IS_ERR(request) && (!m->is_done || m->status == UCS_OK) ? SBL_UCX_SENT : SBL_UCX_FAILED;
    w->host->free(m);
    return n;
}

/* --- peers ------------------------------------------------------------------------------------------------------ */

/* From within progress: it is noted, and acted upon after. */
static void on_error(void *arg, ucp_ep_h ep, ucs_status_t status)
{
    sbl_ucx_peer *peer = arg;

    if (!peer->is_closing)
        peer->owner->host->lost(peer->owner->arg, peer->arg, ucs_status_string(status));
}

static sbl_ucx_peer *plugin_connect(sbl_ucx_worker *w, const void *address, void *peer_arg, char *why, size_t size)
{
    sbl_ucx_peer   *peer = w->host->alloc(sizeof *peer);
    ucp_ep_params_t p    = {.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                                          UCP_EP_PARAM_FIELD_ERR_HANDLER,
                            .address     = address,
                            .err_mode    = UCP_ERR_HANDLING_MODE_PEER,
                            .err_handler = {.cb = on_error, .arg = peer}};
    ucs_status_t    status;

    if (!peer) {
        snprintf(why, size, "no memory for a connection of UCX");
        return NULL;
    }
    memset(peer, 0, sizeof *peer);
    peer->owner = w;
    peer->arg   = peer_arg;
    status      = ucp_ep_create(w->worker, &p, &peer->ep);
    if (status == UCS_OK)
        return peer;
    snprintf(why, size, "UCX does not reach the other process: %s", ucs_status_string(status));
    w->host->free(peer);
    return NULL;
}

static void end_peer(sbl_ucx_peer *peer)
{
    sbl_ucx_worker *w = peer->owner;

    w->host->closed(w->arg, peer->arg);
    w->host->free(peer);
}

static void on_closed(void *request, ucs_status_t status, void *arg)
{
    end_peer(arg);
    ucp_request_free(request);
}

static void plugin_force(sbl_ucx_peer *peer)
{
    ucp_request_param_t p = {.op_attr_mask =
                                 UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
                             .flags     = UCP_EP_CLOSE_FLAG_FORCE,
                             .cb.send   = on_closed,
                             .user_data = peer};
    ucs_status_ptr_t    request;

    peer->is_closing = 1;
    request          = ucp_ep_close_nbx(peer->ep, &p);
    if (request == NULL || UCS_PTR_IS_ERR(request))
        end_peer(peer);
}

static void on_flushed(void *request, ucs_status_t status, void *arg)
{
    ucp_request_free(request);
}

static void plugin_flush(sbl_ucx_peer *peer)
{
    ucp_request_param_t p = {.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK, .cb.send = on_flushed};

    peer->is_closing = 1;
    ucp_ep_flush_nbx(peer->ep, &p);
}

/* --- the worker ------------------------------------------------------------------------------------------------- */

static const char *plugin_version(void)
{
    return ucp_get_version_string();
}

static void plugin_close(sbl_ucx_worker *w)
{
    if (w->worker)
        ucp_worker_destroy(w->worker);
    if (w->context)
        ucp_cleanup(w->context);
    w->host->free(w);
}

static ucs_status_t make_context(sbl_ucx_worker *w, const sbl_ucx_setting *settings, int32_t n, char *why, size_t size)
{
    ucp_params_t  p = {.field_mask = UCP_PARAM_FIELD_FEATURES, .features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP};
    ucp_config_t *config;
    ucs_status_t  status = ucp_config_read(NULL, NULL, &config);

    if (status != UCS_OK)
        return status;
    for (int32_t i = 0; i < n && status == UCS_OK; i++) {
        status = ucp_config_modify(config, settings[i].name, settings[i].value);
        if (status != UCS_OK)
            snprintf(why, size, "UCX does not take %s=%s: %s", settings[i].name, settings[i].value,
                     ucs_status_string(status));
    }
    if (status == UCS_OK)
        status = ucp_init(&p, config, &w->context);
    ucp_config_release(config);
    return status;
}

static ucs_status_t make_worker(sbl_ucx_worker *w)
{
    ucp_worker_params_t    p      = {.field_mask  = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
                                     .thread_mode = UCS_THREAD_MODE_SERIALIZED};
    ucp_am_handler_param_t h      = {.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
                                                   UCP_AM_HANDLER_PARAM_FIELD_ARG,
                                     .id  = MESSAGE,
                                     .cb  = on_message,
                                     .arg = w};
    ucs_status_t           status = ucp_worker_create(w->context, &p, &w->worker);

    if (status == UCS_OK)
        status = ucp_worker_get_efd(w->worker, &w->fd);
    if (status == UCS_OK)
        status = ucp_worker_set_am_recv_handler(w->worker, &h);
    return status;
}

static sbl_ucx_worker *plugin_open(const sbl_ucx_setting *settings, int32_t n, const sbl_ucx_host *host, void *arg,
                                   char *why, size_t size)
{
    sbl_ucx_worker *w = host->alloc(sizeof *w);
    ucs_status_t    status;

    if (!w) {
        snprintf(why, size, "no memory for UCX");
        return NULL;
    }
    memset(w, 0, sizeof *w);
    w->host = host;
    w->arg  = arg;
    why[0]  = 0;
    status  = make_context(w, settings, n, why, size);
    if (status == UCS_OK)
        status = make_worker(w);
    if (status == UCS_OK)
        return w;
    if (!why[0])
        snprintf(why, size, "%s", ucs_status_string(status));
    plugin_close(w);
    return NULL;
}

static int plugin_fd(const sbl_ucx_worker *w)
{
    return w->fd;
}

static unsigned plugin_progress(sbl_ucx_worker *w)
{
    return ucp_worker_progress(w->worker);
}

static int plugin_arm(sbl_ucx_worker *w)
{
    return ucp_worker_arm(w->worker) != UCS_ERR_BUSY;
}

static size_t plugin_address(sbl_ucx_worker *w, void *to, size_t room)
{
    ucp_address_t *address;
    size_t         size;

    if (ucp_worker_get_address(w->worker, &address, &size) != UCS_OK)
        return 0;
    if (size <= room)
        memcpy(to, address, size);
    ucp_worker_release_address(w->worker, address);
    return size <= room ? size : 0;
}

__attribute__((visibility("default"))) extern const sbl_ucx_plugin sabal_ucx_plugin;
const sbl_ucx_plugin                                               sabal_ucx_plugin = {
                                                  .version     = SBL_UCX_PLUGIN,
                                                  .ucx_version = plugin_version,
                                                  .open        = plugin_open,
                                                  .close       = plugin_close,
                                                  .fd          = plugin_fd,
                                                  .progress    = plugin_progress,
                                                  .arm         = plugin_arm,
                                                  .address     = plugin_address,
                                                  .connect     = plugin_connect,
                                                  .send        = plugin_send,
                                                  .flush       = plugin_flush,
                                                  .force       = plugin_force,
};
