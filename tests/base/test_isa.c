#include "base/isa.h"

#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static void clean(void)
{
    unsetenv("SABAL_ISA");
}

Test(isa, a_name_that_is_none_is_told_with_those_there_are, .fini = clean)
{
    sabal_error err = SABAL_ERROR_INIT;

    setenv("SABAL_ISA", "sse9", 1);
    cr_expect_eq(sbl_isa_check(&err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "isa is 'sse9' in SABAL_ISA: expected auto, baseline, avx2 or avx512");
}

Test(isa, baseline_and_auto_are_always_there, .fini = clean)
{
    cr_expect_eq(sbl_isa_check(NULL), SABAL_OK);
    setenv("SABAL_ISA", "baseline", 1);
    cr_expect_eq(sbl_isa_check(NULL), SABAL_OK);
    cr_expect_eq(sbl_isa_get(), SBL_ISA_BASELINE);
}

Test(isa, what_the_processor_lacks_is_refused, .fini = clean)
{
    sabal_error err = SABAL_ERROR_INIT;

    setenv("SABAL_ISA", "avx512", 1);
    if (sbl_isa_has(SBL_ISA_AVX512)) {
        cr_expect_eq(sbl_isa_check(&err), SABAL_OK);
    } else {
        cr_expect_eq(sbl_isa_check(&err), SABAL_EUNSUPPORTED);
        cr_expect(strstr(err.message, "'avx512', which this ") != NULL);
        cr_expect(sbl_isa_get() != SBL_ISA_AVX512);
    }
}
