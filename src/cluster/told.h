/* Small values in letters: plain bytes as they are, others as they are encoded (core/letters.h: SBL_ENCODED). */
#ifndef SBL_CLUSTER_TOLD_H
#define SBL_CLUSTER_TOLD_H

#include "cluster/core/letters.h"
#include "value/value.h"

/** Its bytes, SBL_INLINE of them at most, and how many, perhaps with SBL_ENCODED; SBL_ELSEWHERE: it is no small value. */
uint32_t sbl_value_tell(char bytes[SBL_INLINE], const sbl_value *value);
/** Its counterpart. missing as for sbl_get_value(). Errors: SABAL_EFORMAT, SABAL_ENOMEM, SABAL_EUNSUPPORTED. */
sabal_status sbl_value_told(sbl_value **value, const char *bytes, uint32_t n, sabal_error *err);

#endif
