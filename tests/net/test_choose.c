#include "support/test.h"

#include <string.h>

#include "cluster/net/choose.h"

enum {
    MEMFD   = SBL_CARRIER_BIT(SBL_CARRIER_MEMFD),
    RDMA    = SBL_CARRIER_BIT(SBL_CARRIER_RDMA),
    UCX_SHM = SBL_CARRIER_BIT(SBL_CARRIER_UCX_SHM),
    TCP     = SBL_CARRIER_BIT(SBL_CARRIER_TCP),
    UCX_TCP = SBL_CARRIER_BIT(SBL_CARRIER_UCX_TCP)
};

static sbl_side side(uint32_t can, const char *ucx, uint8_t node)
{
    sbl_side s = {.may = can, .can = can};

    memset(s.node, node, sizeof s.node);
    strcpy(s.ucx, ucx);
    return s;
}

static sbl_carrier chosen(sbl_side a, sbl_side b)
{
    sbl_carrier one = SBL_CARRIER_NONE, other = SBL_CARRIER_NONE;

    sbl_carrier_choose(&one, &a, &b, NULL);
    sbl_carrier_choose(&other, &b, &a, NULL);
    cr_expect_eq(one, other); /* both sides come to the same */
    return one;
}

Test(choose, the_best_that_both_have)
{
    cr_expect_eq(chosen(side(MEMFD | TCP, "", 1), side(MEMFD | TCP, "", 1)), SBL_CARRIER_MEMFD);
    cr_expect_eq(chosen(side(TCP | RDMA, "1.13.1", 1), side(TCP | RDMA, "1.13.1", 2)), SBL_CARRIER_RDMA);
    cr_expect_eq(chosen(side(TCP | RDMA, "1.13.1", 1), side(TCP, "", 2)), SBL_CARRIER_TCP);
    cr_expect_eq(chosen(side(MEMFD | UCX_SHM, "1.13.1", 1), side(UCX_SHM, "1.13.1", 1)), SBL_CARRIER_UCX_SHM);
    cr_expect_eq(chosen(side(TCP | UCX_TCP, "1.13.1", 1), side(TCP | UCX_TCP, "1.13.1", 2)), SBL_CARRIER_TCP);
    cr_expect_eq(chosen(side(UCX_TCP, "1.13.1", 1), side(UCX_TCP, "1.13.1", 2)), SBL_CARRIER_UCX_TCP);
}

Test(choose, two_nodes_share_no_memory)
{
    cr_expect_eq(chosen(side(UCX_SHM, "1.13.1", 1), side(UCX_SHM, "1.13.1", 2)), SBL_CARRIER_NONE);
}

Test(choose, other_versions_of_ucx_are_not_mixed)
{
    sbl_side    a = side(UCX_SHM, "1.13.1", 1), b = side(UCX_SHM, "1.17.0", 1);
    sbl_carrier carrier;
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_carrier_choose(&carrier, &a, &b, &err), SABAL_EUNSUPPORTED);
    cr_expect_not_null(strstr(err.message, "1.13.1"));
    cr_expect_not_null(strstr(err.message, "1.17.0"));
    cr_expect_eq(chosen(side(RDMA | TCP, "1.13.1", 1), side(RDMA | TCP, "1.17.0", 2)), SBL_CARRIER_TCP);
}

Test(choose, nothing_in_common_says_what_each_can)
{
    sbl_side    a = side(MEMFD, "", 1), b = side(TCP, "", 1);
    sbl_carrier carrier;
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_carrier_choose(&carrier, &a, &b, &err), SABAL_EUNSUPPORTED);
    cr_expect_not_null(strstr(err.message, "here memfd"));
    cr_expect_not_null(strstr(err.message, "there tcp"));
}

Test(choose, names)
{
    uint32_t    bits = 0;
    sabal_error err  = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_carriers_parse(&bits, "tcp", NULL), SABAL_OK);
    cr_expect_eq(bits, (uint32_t)TCP);
    cr_expect_eq(sbl_carriers_parse(&bits, "memfd,ucx-shm", NULL), SABAL_OK);
    cr_expect_eq(bits, (uint32_t)(MEMFD | UCX_SHM));
    cr_expect_eq(sbl_carriers_parse(&bits, NULL, NULL), SABAL_OK);
    cr_expect_eq(bits & (UCX_TCP | UCX_SHM), 0u); /* only on request */
    cr_expect_eq(sbl_carriers_parse(&bits, "tcp,pigeon", &err), SABAL_EINVAL);
    cr_expect_not_null(strstr(err.message, "'pigeon'"));
    cr_expect_eq(sbl_carriers_parse(&bits, "", NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_carriers_parse(&bits, "tcp,", NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_carriers_parse(&bits, "tc", NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_carriers_parse(&bits, "tcpx", NULL), SABAL_EINVAL);
}

Test(choose, a_process_is_on_its_own_node)
{
    uint8_t a[16], b[16], none[16] = {0};

    sbl_node_id(a);
    sbl_node_id(b);
    cr_expect_arr_eq(a, b, 16);
    cr_expect(memcmp(a, none, 16) != 0);
}
