#include "cluster/net/ucx.h"

#include "base/error.h"

sabal_status sbl_ucx_prepare(sbl_plane *plane, sabal_error *err)
{
    return SABAL_OK;
}
void sbl_ucx_end(sbl_plane *plane)
{
}
uint32_t sbl_ucx_can(sbl_pair *pair)
{
    return 0;
}
size_t sbl_ucx_hello(sbl_pair *pair, uint8_t *to, size_t room)
{
    return 0;
}
void sbl_ucx_pair_begin(sbl_pair *pair, const uint8_t *hello, size_t size)
{
}
void sbl_ucx_ready_came(sbl_pair *pair)
{
    sbl_pair_broken(pair, "it is ready for what was not chosen");
}
void sbl_ucx_give(sbl_request *give)
{
}
void sbl_ucx_pair_end(sbl_pair *pair)
{
}
void sbl_ucx_pair_free(sbl_pair *pair)
{
}
