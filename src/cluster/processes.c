/* The public calls that run a cluster's processes. */
#include <sabal/cluster.h>

#include <string.h>

#include "base/error.h"
#include "base/lists.h"
#include "base/struct.h"

#ifdef SBL_HAS_CLUSTER
#include "cluster/crew.h"
#include "cluster/office.h"
#include "cluster/supervisor.h"
#endif

enum { MOST_INTERFACES = 64 };

/* Options of an older program are shorter: what it doesn't know has its default. */
static sabal_scheduler_options scheduler_options_of(const sabal_scheduler_options *options)
{
    sabal_scheduler_options o = {SABAL_SCHEDULER_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

static sabal_worker_options worker_options_of(const sabal_worker_options *options)
{
    sabal_worker_options o = {SABAL_WORKER_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_scheduler_options_init(sabal_scheduler_options *options)
{
    *options = scheduler_options_of(NULL);
}

void sabal_worker_options_init(sabal_worker_options *options)
{
    *options = worker_options_of(NULL);
}

#ifdef SBL_HAS_CLUSTER
/* Names with commas. The text is cut up. */
static int32_t split(const char *names[MOST_INTERFACES], char *text)
{
    int32_t n = 0;

    for (char *rest = NULL, *name = strtok_r(text, ",", &rest); name && n < MOST_INTERFACES;
         name = strtok_r(NULL, ",", &rest))
        names[n++] = name;
    return n;
}

sabal_status sabal_scheduler_run_with(const char *file, sabal_error *err, const sabal_scheduler_options *options)
{
    const sabal_scheduler_options o = scheduler_options_of(options);
    const char                   *names[MOST_INTERFACES];
    char                          text[1024] = "";
    sbl_office_options            office     = {.file         = file,
                                                .tcp          = !o.interfaces || o.interfaces[0],
                                                .port         = (uint16_t)o.port,
                                                .encrypt      = o.encrypt,
                                                .idle_ns      = o.idle_timeout_ns,
                                                .watchdog_ns  = o.watchdog_ns,
                                                .record       = o.record,
                                                .record_limit = o.record_limit,
                                                .report       = o.ready_fd};
    sabal_status                  st;

    if (o.port < 0 || o.port > UINT16_MAX)
        return sbl_error_set(err, SABAL_EINVAL, "port %d: expected 0 to %d", (int)o.port, UINT16_MAX);
    if (o.interfaces && o.interfaces[0]) {
        strncpy(text, o.interfaces, sizeof text - 1);
        office.n_interfaces = split(names, text);
        office.interfaces   = names;
    }
    st = sbl_office_run(&office, err);
    if (st)
        sbl_error_where(err, o.where);
    return st;
}

static sabal_status check_resources(const char *resources, sabal_error *err)
{
    sbl_amounts amounts;

    if (resources && strlen(resources) >= SBL_RESOURCES_TEXT)
        return sbl_error_set(err, SABAL_EINVAL, "resources of %zu characters: expected less than %d", strlen(resources),
                             (int)SBL_RESOURCES_TEXT);
    return sbl_amounts_read(&amounts, resources, "resources", err);
}

sabal_status sabal_worker_run_with(const char *file, sabal_error *err, const sabal_worker_options *options)
{
    const sabal_worker_options o = worker_options_of(options);
    const char                *names[MOST_INTERFACES];
    char                       text[1024] = "";
    sbl_crew_options           crew       = {.file            = file,
                                             .threads         = o.threads,
                                             .memory_limit    = o.memory_limit,
                                             .name            = o.name,
                                             .tcp             = !o.interfaces || o.interfaces[0],
                                             .encrypt         = o.encrypt,
                                             .tls             = o.tls,
                                             .patience_ns     = o.timeout_ns,
                                             .report          = o.ready_fd,
                                             .lifetime_ns     = o.lifetime_ns,
                                             .local_directory = o.local_directory,
                                             .preload         = o.preload,
                                             .resources       = o.resources};
    sabal_error                own = SABAL_ERROR_INIT; /* as the caller's may be NULL, or tell of something else */
    sabal_status               st;

    st = check_resources(o.resources, &own);
    if (st) {
        sbl_error_where(&own, o.where);
        return sbl_error_pass(err, &own);
    }
    if (o.lifetime_ns < 0)
        return sbl_error_set(err, SABAL_EINVAL, "a lifetime of %g s: expected 0 or more", (double)o.lifetime_ns / 1e9);
    if (o.supervised) {
        st = sbl_supervise(file, &o, err);
        if (st)
            sbl_error_where(err, o.where);
        return st;
    }
    if (o.interfaces && o.interfaces[0]) {
        strncpy(text, o.interfaces, sizeof text - 1);
        crew.n_interfaces = split(names, text);
        crew.interfaces   = names;
    }
    st = sbl_crew_run(&crew, &own);
    if (st) {
        sbl_error_where(&own, o.where);
        sbl_error_pass(err, &own);
    }
    return st;
}
#else
sabal_status sabal_scheduler_run_with(const char *file, sabal_error *err, const sabal_scheduler_options *options)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED,
                         "this build has no clusters: they need libsodium when sabal is built");
}

sabal_status sabal_worker_run_with(const char *file, sabal_error *err, const sabal_worker_options *options)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED,
                         "this build has no clusters: they need libsodium when sabal is built");
}
#endif
