/* What this build is and has. */
#include <sabal/status.h>

#include <string.h>

extern int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));

const char *sabal_version(void)
{
    return SABAL_VERSION;
}

int32_t sabal_version_number(void)
{
    return SABAL_VERSION_NUMBER;
}

int32_t sabal_has(const char *part)
{
    if (!part)
        return 0;
    if (!strcmp(part, "jemalloc")) /* of the program: the library itself links none */
        return mallctl != NULL;
#ifdef SBL_HAS_HDF5
    if (!strcmp(part, "hdf5"))
        return 1;
#endif
#if defined(__x86_64__)
    if (!strcmp(part, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(part, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return 0;
}
