/* Statuses, the error record that travels, and the few macros that every header uses. */
#ifndef SABAL_STATUS_H
#define SABAL_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SABAL_API __attribute__((visibility("default")))

#define SABAL_TEXT_(x) #x
#define SABAL_TEXT(x)  SABAL_TEXT_(x)
/** The place of a call in the user's source, as one static string: "points.c:12". */
#define SABAL_HERE __FILE__ ":" SABAL_TEXT(__LINE__)

/** How a call ended. 0 is success; SABAL_END is an answer (no more data), the rest are failures. */
typedef enum sabal_status {
    SABAL_OK           = 0,
    SABAL_EINVAL       = 1,  /* an argument or option outside what the contract allows       */
    SABAL_ESHAPE       = 2,  /* shapes that don't fit the operation or each other             */
    SABAL_EDTYPE       = 3,  /* an element type the operation doesn't take                    */
    SABAL_EVALUE       = 4,  /* data that can't be used: NaN, infinity, out of range          */
    SABAL_ENOMEM       = 5,  /* memory could not be had                                       */
    SABAL_EIO          = 6,  /* reading or writing failed                                     */
    SABAL_ENOENT       = 7,  /* no such file, data set or name                                */
    SABAL_EACCES       = 8,  /* no permission                                                 */
    SABAL_ENOSPC       = 9,  /* the disk is full                                              */
    SABAL_EFORMAT      = 10, /* a file that is malformed or cut short                         */
    SABAL_EUNSUPPORTED = 11, /* known, but not in this version or build                       */
    SABAL_ETIMEDOUT    = 12, /* the time allowed ran out                                      */
    SABAL_ECANCELED    = 13, /* cancelled before it ended                                     */
    SABAL_ECLOSED      = 14, /* the client is closed                                          */
    SABAL_EFORKED      = 15, /* a client used in a child made by fork after it was opened     */
    SABAL_ETASK        = 16, /* a task's function returned a failure without saying which     */
    SABAL_EPEER        = 17, /* a process this one depends on is gone                         */
    SABAL_EINTERNAL    = 18, /* a bug in sabal: please report it                              */
    SABAL_END          = 100 /* nothing more to give: an answer, not a failure                */
} sabal_status;

/** "SABAL_ESHAPE" for SABAL_ESHAPE; "SABAL_E?" for a number that is none. Static, never NULL. */
SABAL_API const char *sabal_status_name(sabal_status status);

/**
 * What went wrong, in a flat record that the caller owns and that needs no freeing. A call that takes
 * `sabal_error *err` fills it when it fails and leaves it alone when it succeeds; NULL is allowed.
 * A record that already holds a failure is not overwritten: the first cause stays. Set it to
 * SABAL_ERROR_INIT to use it again.
 */
typedef struct sabal_error {
    size_t       struct_size;  /* sizeof(sabal_error), so that it may grow                    */
    sabal_status status;       /* SABAL_OK while nothing went wrong                           */
    char         task[64];     /* key of the task that failed, or ""                          */
    char         node[64];     /* machine and process where it happened, or "" for this one   */
    char         where[128];   /* the user's source line, "kmeans.c:12", or ""                */
    char         message[512]; /* one line for a person: what, where, what was expected       */
} sabal_error;

#ifdef __cplusplus
#define SABAL_ERROR_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(sabal_error), SABAL_OK, "", "", "", ""                                                                  \
    }
#else
#define SABAL_ERROR_INIT                                                                                               \
    {                                                                                                                  \
        .struct_size = sizeof(sabal_error)                                                                             \
    }
#endif

/**
 * Writes "message (at kmeans.c:12, in task 'x')" to text, cut to size with its ending 0, and returns the length
 * that it would have, as snprintf does.
 */
SABAL_API int sabal_error_format(char *text, size_t size, const sabal_error *err);

/** "1.2.3" of the library that was loaded (SABAL_VERSION is that of the headers). Static. */
SABAL_API const char *sabal_version(void);
/** Its number, as SABAL_VERSION_NUMBER. */
SABAL_API int32_t sabal_version_number(void);
/** 1 if this build has the optional part ("hdf5", "jemalloc", "avx2", "avx512", ...), 0 if not or if unknown. */
SABAL_API int32_t sabal_has(const char *part);

/** A setting: the environment wins over the file ($SABAL_CONFIG, else ~/.config/sabal/sabal.conf) over the default. */
typedef struct sabal_setting {
    size_t      struct_size;
    const char *name;          /* "threads", as the file has it                           */
    const char *environment;   /* "SABAL_THREADS"                                         */
    const char *default_value; /* as text                                                 */
    const char *text;          /* what it does                                            */
    const char *value;         /* what holds now, as text                                 */
    const char *source;        /* where from: the variable, the file's path, "the default" */
} sabal_setting;
/** Gets one setting, valid during the call; returns 0 to go on. */
typedef int32_t sabal_setting_fn(void *user, const sabal_setting *setting);
/** Calls fn for every setting there is, in a fixed order, until it returns something else than 0. */
SABAL_API void sabal_settings_list(sabal_setting_fn *fn, void *user);

/** Levels of the log, from what stops work to what only a developer of sabal reads. */
typedef enum sabal_log_level {
    SABAL_LOG_ERROR = 1,
    SABAL_LOG_WARN  = 2,
    SABAL_LOG_INFO  = 3,
    SABAL_LOG_DEBUG = 4
} sabal_log_level;

/** Receives one finished line, without newline. May be called from any thread; must not call sabal. */
typedef void sabal_log_fn(void *user, sabal_log_level level, const char *line);

/**
 * Sends the log to fn, for the whole process; NULL ends it. Without a call the library is silent, unless the
 * environment sets SABAL_LOG to a level (error, warn, info, debug): then lines go to stderr. sabal_open() refuses another
 * word there.
 */
SABAL_API void sabal_set_log(sabal_log_fn *fn, void *user, sabal_log_level level);

/**
 * A list of handles for options and calls that take several: SABAL_LIST(a, b, c), or {pointer, count} for one
 * that is made at run time. Items are borrowed for the duration of the call.
 */
typedef struct sabal_list {
    const void *const *items;
    int64_t            count; /* number of items; -1: up to SABAL_LIST_END */
} sabal_list;
#define SABAL_LIST_END ((const void *)~(uintptr_t)0)
#ifndef __cplusplus
#define SABAL_LIST(...) ((sabal_list){(const void *const[]){__VA_ARGS__, SABAL_LIST_END}, -1})
#endif
/** Number of items of a list, however it was made. */
SABAL_API int64_t sabal_list_count(sabal_list list);

/*
 * A call with options: the defaults, then what the user names, then the call; `_with` does the work.
 * A statement expression whose only statement is the call: a local variable could capture the user's.
 */
#define SABAL_UNWRAP(...) __VA_ARGS__
#ifndef __cplusplus
#if defined(__clang__)
#define SABAL_WITH(function, arguments, type, defaults, ...)                                                           \
    __extension__({                                                                                                    \
        _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Winitializer-overrides\"")               \
            function(SABAL_UNWRAP arguments, &(const type){defaults, __VA_ARGS__});                                    \
        _Pragma("clang diagnostic pop")                                                                                \
    })
#else
#define SABAL_WITH(function, arguments, type, defaults, ...)                                                           \
    __extension__({                                                                                                    \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"")                           \
            function(SABAL_UNWRAP arguments, &(const type){defaults, __VA_ARGS__});                                    \
        _Pragma("GCC diagnostic pop")                                                                                  \
    })
#endif
#endif

#ifdef __cplusplus
} /* extern "C" */

#include <initializer_list>
/** The C++ form of SABAL_LIST: sabal_list_of({a, b, c}); valid to the end of the full expression. */
inline sabal_list sabal_list_of(std::initializer_list<const void *> items)
{
    return sabal_list{items.begin(), static_cast<int64_t>(items.size())};
}
#endif
#endif
