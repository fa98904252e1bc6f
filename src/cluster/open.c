/* Which engine an address means: the one place that knows all of them. */
#include <string.h>

#include "base/config.h"
#include "base/error.h"
#include "cluster/rehearse.h"
#include "cluster/remote.h"
#include "graph/engine_type.h"

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
#endif
    if (!address)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "SABAL_SCHEDULER_FILE names '%s', but clusters are not in this version of sabal: "
                             "unset it, or open \"local:\" for the cores of this node",
                             file);
    return sbl_error_set(err, SABAL_EUNSUPPORTED,
                         "'%s' would be a scheduler's file, but clusters are not in this version of sabal: open "
                         "\"local:\" for the cores of this node",
                         address);
}

sabal_client *sabal_open_with(const char *address, sabal_error *err, const sabal_open_options *options)
{
    return sbl_client_open(choose, address, err, options);
}
