/* The choice is made once, when first asked for, and read ever after. */
#include "base/isa.h"

#include <stdatomic.h>

#include "base/config.h"
#include "base/error.h"

#define UNDECIDED (-1)

/* Where the kernels are built in the shape of AVX-512 for tests, they say so. */
extern const char sbl_isa_wide_is_built __attribute__((weak));

static const char *const NAMES[SBL_N_ISAS] = {"baseline", "avx2", "avx512", "wide"};

/* relaxed everywhere: the value is all there is to see, and two threads that decide at once decide the same */
static _Atomic int chosen = UNDECIDED;

const char *sbl_isa_name(sbl_isa isa)
{
    return NAMES[isa];
}

/* src/kernel/meson.build says what it built. */
static int built(sbl_isa isa)
{
#if defined(SBL_BUILT_AVX2)
    if (isa == SBL_ISA_AVX2)
        return 1;
#endif
#if defined(SBL_BUILT_AVX512)
    if (isa == SBL_ISA_AVX512)
        return 1;
#endif
    return isa == SBL_ISA_BASELINE || (isa == SBL_ISA_WIDE && &sbl_isa_wide_is_built != NULL);
}

int sbl_isa_has(sbl_isa isa)
{
    if (!built(isa))
        return 0;
#if defined(__x86_64__)
    if (isa == SBL_ISA_AVX2 || isa == SBL_ISA_WIDE)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == SBL_ISA_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return 1;
}

static sbl_isa best(void)
{
    if (sbl_isa_has(SBL_ISA_AVX512))
        return SBL_ISA_AVX512;
    return sbl_isa_has(SBL_ISA_AVX2) ? SBL_ISA_AVX2 : SBL_ISA_BASELINE;
}

static sabal_status from_setting(sbl_isa *isa, sabal_error *err)
{
    static const char *const WORDS[] = {"auto", "baseline", "avx2", "avx512"}; /* auto, then as they are numbered */
    int                      number;
    sabal_status             st = sbl_config_choice(&number, "isa", WORDS, sizeof WORDS / sizeof *WORDS, err);

    if (st)
        return st;
    if (number && !sbl_isa_has((sbl_isa)(number - 1)))
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "isa is '%s', which this %s lacks: use auto or %s (SABAL_ISA)",
                             WORDS[number], built((sbl_isa)(number - 1)) ? "processor" : "build", NAMES[best()]);
    *isa = number ? (sbl_isa)(number - 1) : best();
    return SABAL_OK;
}

sbl_isa sbl_isa_get(void)
{
    int     now = atomic_load_explicit(&chosen, memory_order_relaxed);
    sbl_isa isa = SBL_ISA_BASELINE;

    if (now != UNDECIDED)
        return (sbl_isa)now;
    if (from_setting(&isa, NULL))
        isa = best();
    atomic_store_explicit(&chosen, (int)isa, memory_order_relaxed);
    return isa;
}

void sbl_isa_set(sbl_isa isa)
{
    atomic_store_explicit(&chosen, (int)isa, memory_order_relaxed);
}

sabal_status sbl_isa_check(sabal_error *err)
{
    sbl_isa isa = SBL_ISA_BASELINE;

    return from_setting(&isa, err);
}
