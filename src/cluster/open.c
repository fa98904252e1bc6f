/* Which engine an address means: the one place that knows all of them. */
#include <string.h>

#include "base/config.h"
#include "base/error.h"
#include "cluster/rehearse.h"
#include "graph/engine_type.h"
#ifdef SBL_HAS_CLUSTER
#include "cluster/remote.h"
#endif

/* The environment's address is looked up here, so that messages can tell where it came from. */
static sabal_status choose(const sbl_engine **engine, const char *address, const sabal_open_options *options,
                           sabal_error *err)
{
    char file[4096];

    *engine = &sbl_engine_local;
    if (!address) {
        sbl_config_text("scheduler_file", file, sizeof file);
        if (!file[0])
            return SABAL_OK;
    }
    if (!strcmp(address ? address : file, "rehearse:")) {
        *engine = &sbl_engine_rehearse;
        return SABAL_OK;
    }
    if (!strcmp(address ? address : file, "local:"))
        return SABAL_OK;
#ifdef SBL_HAS_CLUSTER
    *engine = &sbl_engine_remote;
    return SABAL_OK;
#else
    return sbl_error_set(
        err, SABAL_EUNSUPPORTED,
        "%s'%s' would be a scheduler's file, but this build has no clusters (they need libsodium when sabal is "
        "built): open \"local:\" for the cores of this node",
        address ? "" : "SABAL_SCHEDULER_FILE: ", address ? address : file);
#endif
}

sabal_client *sabal_open_with(const char *address, sabal_error *err, const sabal_open_options *options)
{
    return sbl_client_open(choose, address, err, options);
}
