/* Which instruction set the kernels run on: one choice for the process, from the processor and the setting "isa". */
#ifndef SBL_BASE_ISA_H
#define SBL_BASE_ISA_H

#include <sabal/status.h>

typedef enum sbl_isa {
    SBL_ISA_BASELINE = 0, /* what the compiler assumes of every processor of this kind */
    SBL_ISA_AVX2     = 1, /* with FMA */
    SBL_ISA_AVX512   = 2, /* F, DQ, VL, BW */
    SBL_ISA_WIDE     = 3, /* tests only: the shape of the AVX-512 build, in plain C */
    SBL_N_ISAS       = 4
} sbl_isa;

/** "baseline", "avx2", "avx512", "wide". Static. */
const char *sbl_isa_name(sbl_isa isa);
/** 1 if this build holds kernels for it and this processor runs them. */
int sbl_isa_has(sbl_isa isa);
/** The one in use: what sbl_isa_set() said, else the setting, else (auto, or a setting that can't be) the best. */
sbl_isa sbl_isa_get(void);
/** For tests and benchmarks; the caller asked sbl_isa_has(). Affects centres created from now on. */
void sbl_isa_set(sbl_isa isa);
/** Is the setting "isa" one that can be? SABAL_EINVAL: no such name; SABAL_EUNSUPPORTED: this build or processor lacks it. */
sabal_status sbl_isa_check(sabal_error *err);

#endif
