/* Settings: the environment (SABAL_*) over a file over defaults, all in one table that the manual prints. */
#ifndef SBL_BASE_CONFIG_H
#define SBL_BASE_CONFIG_H

#include <sabal/status.h>

/* name, environment variable, default, what it does. The manual's table is made from this one. */
#define SBL_CONFIG_TABLE(X)                                                                                            \
    X("scheduler_file", "SABAL_SCHEDULER_FILE", "",                                                                    \
      "where sabal_open(NULL, ...) connects: a scheduler file, or rehearse:; empty: this node")                        \
    X("threads", "SABAL_THREADS", "0", "threads of a pool; 0: the cores this process may use")                         \
    X("trace", "SABAL_TRACE", "", "file for a trace of every task, in the format Perfetto reads; empty: none")         \
    X("worker", "SABAL_WORKER", "", "the program sabal-worker; empty: beside libsabal")                                \
    X("log", "SABAL_LOG", "", "log to stderr from this level on: error, warn, info or debug; none or empty: silent")   \
    X("isa", "SABAL_ISA", "auto", "instruction set of the kernels: auto, baseline, avx2 or avx512")                    \
    X("spill_folder", "SABAL_SPILL_FOLDER", "",                                                                        \
      "folder on a disk for values that don't fit in memory; empty: the first of $TMPDIR, /var/tmp, /tmp on a disk")   \
    X("huge_pages", "SABAL_HUGE_PAGES", "1",                                                                           \
      "large buffers and many futures on huge pages; 1: unless one takes long; 2: always; 0: never")                   \
    X("fsync", "SABAL_FSYNC", "1",                                                                                     \
      "1: a stored file is on the disk before it gets its name; 0: that is not waited for")                            \
    X("memory_limit", "SABAL_MEMORY_LIMIT", "auto",                                                                    \
      "bytes that a client's results and tasks may take, such as 8GB or 50%; auto: what this process may use; "        \
      "none or 0: no limit")                                                                                           \
    X("buffer_cache", "SABAL_BUFFER_CACHE", "-1",                                                                      \
      "bytes of returned buffers kept for reuse; -1: a quarter of the memory this process may use")

typedef struct sbl_config_entry {
    const char *name, *environment, *fallback, *text;
} sbl_config_entry;
/** The table's entry i; NULL past its end. */
const sbl_config_entry *sbl_config_entry_at(size_t i);

/** Copies a setting, cut to size. An unknown name is a bug. Returns its length. */
size_t sbl_config_text(const char *name, char *text, size_t size);
/** A setting as a whole number (suffixes K, M, G, T of 1024 allowed). SABAL_EINVAL names setting and source. */
sabal_status sbl_config_int(int64_t *value, const char *name, int64_t min, int64_t max, sabal_error *err);
/** A setting that is one of n words, the first for an empty one too, as its number. SABAL_EINVAL as above, with the words. */
sabal_status sbl_config_choice(int *number, const char *name, const char *const *words, int n, sabal_error *err);
/** A setting as a limit of bytes, see sbl_parse_bytes(); `all` is what a part is of. -1: none. SABAL_EINVAL as above. */
sabal_status sbl_config_limit(int64_t *value, const char *name, int64_t all, sabal_error *err);

#endif
