/* Real numbers of any dtype as float64. */
#include "value/value.h"

#include <string.h>

/* from may lie at any address. */
#define CONVERT(type)                                                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, (const char *)from + (size_t)i * sizeof value, sizeof value);                                   \
        to[i] = (double)value;                                                                                         \
    }                                                                                                                  \
    break

void sbl_doubles_from(double *to, const void *from, sabal_dtype dtype, int64_t n)
{
    switch (dtype) {
    case SABAL_BOOL:
    case SABAL_UINT8:
        CONVERT(uint8_t);
    case SABAL_UINT16:
        CONVERT(uint16_t);
    case SABAL_UINT32:
        CONVERT(uint32_t);
    case SABAL_UINT64:
        CONVERT(uint64_t);
    case SABAL_INT8:
        CONVERT(int8_t);
    case SABAL_INT16:
        CONVERT(int16_t);
    case SABAL_INT32:
        CONVERT(int32_t);
    case SABAL_INT64:
        CONVERT(int64_t);
    case SABAL_FLOAT32:
        CONVERT(float);
    default: /* no complex number gets here */
        memcpy(to, from, (size_t)n * sizeof *to);
    }
}
