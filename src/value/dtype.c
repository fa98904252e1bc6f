/* Element types: one table. */
#include <sabal/value.h>

#include <string.h>

#include "base/error.h"

static const struct {
    const char *name;
    size_t      size;
} TABLE[] = {
    [SABAL_BOOL]       = {"bool", 1},
    [SABAL_UINT8]      = {"uint8", 1},
    [SABAL_UINT16]     = {"uint16", 2},
    [SABAL_UINT32]     = {"uint32", 4},
    [SABAL_UINT64]     = {"uint64", 8},
    [SABAL_INT8]       = {"int8", 1},
    [SABAL_INT16]      = {"int16", 2},
    [SABAL_INT32]      = {"int32", 4},
    [SABAL_INT64]      = {"int64", 8},
    [SABAL_FLOAT32]    = {"float32", 4},
    [SABAL_FLOAT64]    = {"float64", 8},
    [SABAL_COMPLEX64]  = {"complex64", 8},
    [SABAL_COMPLEX128] = {"complex128", 16},
};
#define N_DTYPES ((int)(sizeof TABLE / sizeof *TABLE))

size_t sabal_dtype_size(sabal_dtype dtype)
{
    return (int)dtype > 0 && (int)dtype < N_DTYPES ? TABLE[dtype].size : 0;
}

const char *sabal_dtype_name(sabal_dtype dtype)
{
    return (int)dtype > 0 && (int)dtype < N_DTYPES ? TABLE[dtype].name : "?";
}

sabal_status sabal_dtype_parse(sabal_dtype *dtype, const char *name, sabal_error *err)
{
    for (int i = SABAL_BOOL; name && i < N_DTYPES; i++)
        if (!strcmp(TABLE[i].name, name)) {
            *dtype = (sabal_dtype)i;
            return SABAL_OK;
        }
    return sbl_error_set(err, SABAL_EDTYPE,
                         "'%.40s' is no dtype: there are bool, uint8, uint16, uint32, uint64, int8, int16, int32, "
                         "int64, float32, float64, complex64 and complex128",
                         name ? name : "(NULL)");
}
