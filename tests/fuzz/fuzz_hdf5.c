/*
 * Whole files, damaged: opened, listed and read. The input is a list of changes to one of the files of tests/data/hdf5:
 * which file, how much of it, then (offset, value) three bytes each; so most of a file stays what it was.
 *
 * The HDF5 library itself may crash on malformed tables. So each file is read in a child process, and a crash with the
 * library on top of the stack is counted and told at the end, not held against us. Anything else ends the run.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATA SBL_TEST_DATA "/hdf5/"

enum { IN_LIBRARY = 77, TOO_LONG = 78 };

static const char *const FILES[] = {DATA "v110.h5", DATA "userblock.h5", DATA "one.h5", DATA "holes.h5",
                                    DATA "library.h5"};
static struct {
    char  *data;
    size_t size;
} files[sizeof FILES / sizeof *FILES];

static unsigned n_crashes, n_runs;

static void tell(void)
{
    fprintf(stderr, "fuzz_hdf5: %u of %u files made the HDF5 library itself crash\n", n_crashes, n_runs);
}

static void load(void)
{
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        FILE *f       = fopen(FILES[i], "rb");
        files[i].data = malloc(1 << 20);
        if (!f || !files[i].data || !(files[i].size = fread(files[i].data, 1, 1 << 20, f)))
            abort();
        fclose(f);
    }
    atexit(tell);
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
void        __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size);
void        __sanitizer_set_report_fd(void *fd);
void        __asan_set_death_callback(void (*callback)(void));
const char *__asan_default_options(void);

/* Tables that ask for too much memory get none, as from malloc. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1000"; /* below libFuzzer's own limit */
}
#endif

/* 1 for a function of this program that is the sanitizer's, or one of those here that ask. */
static int is_sanitizers(void *pc)
{
#ifdef SANITIZED
    static const char *const PARTS[] = {
        "__asan", "asan::", "__interceptor", "sanitizer::", "__sanitizer", "on_report", "on_crash", "blame"};
    static const char *const NAMES[]   = {"memcpy", "memset", "memmove", "malloc", "calloc", "realloc", "free"};
    char                     name[256] = "";

    __sanitizer_symbolize_pc(pc, "%f", name, sizeof name);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (strstr(name, PARTS[i]))
            return 1;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (!strcmp(name, NAMES[i]))
            return 1;
    return 0;
#else
    return 0;
#endif
}

/* Whose code it was: the innermost frame that is neither the C library's nor the sanitizer's. */
__attribute__((noinline)) static int blame(void)
{
    void *frames[64];
    int   n = backtrace(frames, 64);

    for (int i = 2; i < n; i++) { /* 0 is this function, 1 the one that asks */
        Dl_info info;

        if (!dladdr(frames[i], &info) || !info.dli_fname || strstr(info.dli_fname, "libc.so"))
            continue;
        if (strstr(info.dli_fname, "libhdf5"))
            return IN_LIBRARY;
        if (!is_sanitizers(frames[i]))
            return 1;
    }
    return 1;
}

static void on_crash(int number)
{
    _exit(number == SIGALRM ? TOO_LONG : blame());
}

#ifdef SANITIZED
static void on_report(void)
{
    int whose = blame();

    if (whose == IN_LIBRARY)
        _exit(whose);
}
#endif

static int32_t read_one(void *user, const sabal_file_entry *entry)
{
    sbl_reader *r   = NULL;
    sabal_error err = SABAL_ERROR_INIT;

    if (sbl_reader_open(&r, "hdf5", user, entry->name, &err))
        return err.message[0] ? 0 : (abort(), 0);
    for (int64_t first = 0; first < r->shape[0] && first < 40; first += 7) {
        int64_t row = (int64_t)sabal_dtype_size(r->dtype), n = r->shape[0] - first < 7 ? r->shape[0] - first : 7;
        int     big = 0;
        void   *out;

        for (int32_t k = 1; k < r->ndim; k++)
            big |= __builtin_mul_overflow(row, r->shape[k], &row);
        if (big || row > 1 << 20)
            break;
        out = malloc((size_t)(n * row));
        sbl_reader_rows(r, first, n, out, NULL);
        free(out);
    }
    sbl_reader_release(r);
    return 0;
}

static void child(const char *path)
{
    static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL, SIGALRM};
    struct sigaction action    = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    char             copy[64];

    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        sigaction(SIGNALS[i], &action, NULL);
#ifdef SANITIZED
    __asan_set_death_callback(on_report);
    if (!getenv("FUZZ_VERBOSE")) /* reports about the library are not failures of ours */
        __sanitizer_set_report_fd((void *)(intptr_t)open("/dev/null", O_WRONLY));
#endif
    alarm(20);
    snprintf(copy, sizeof copy, "%s", path);
    sabal_file_list(path, read_one, copy, NULL);
    _exit(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char   path[64], *copy;
    size_t which, keep;
    int    fd, status = 0;
    pid_t  pid;

    if (!files[0].data)
        load();
    if (size < 3)
        return 0;
    which = data[0] % (sizeof FILES / sizeof *FILES);
    keep  = files[which].size;
    if (data[1] % 8 == 0)
        keep = keep * data[2] / 256;
    copy = malloc(keep + 1);
    memcpy(copy, files[which].data, keep);
    for (size_t i = 3; i + 3 <= size && keep; i += 3)
        copy[(data[i] + 256u * data[i + 1]) % keep] = (char)data[i + 2];
    snprintf(path, sizeof path, "/tmp/fuzz-hdf5-%ld.h5", (long)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, copy, keep) != (ssize_t)keep)
        abort();
    close(fd);
    free(copy);
    pid = fork();
    if (pid == 0)
        child(path);
    if (pid < 0)
        abort();
    while (waitpid(pid, &status, 0) != pid)
        if (errno != EINTR) /* libFuzzer has a timer */
            abort();
    unlink(path);
    n_runs++;
    n_crashes += WIFEXITED(status) && WEXITSTATUS(status) == IN_LIBRARY;
    if (WIFSIGNALED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != IN_LIBRARY)) {
        fprintf(stderr, "fuzz_hdf5: the child ended with %s %d; FUZZ_VERBOSE=1 shows why\n",
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        abort();
    }
    return 0;
}
