/*
 * A .npy file of any bytes: it is opened, listed and read, and whatever it is, the answer is rows or an error. What
 * was read is written again, and what was written must read back the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/reader.h"
#include "io/writer.h"

enum { MOST = 1 << 22 }; /* bytes of rows that are read */

static int32_t look(void *user, const sabal_file_entry *entry)
{
    return strlen(entry->dtype) + strlen(entry->layout) + (size_t)entry->ndim == 0;
}

static void must(int condition)
{
    if (!condition)
        abort();
}

static size_t row_bytes(const sbl_reader *r)
{
    size_t bytes = sabal_dtype_size(r->dtype);

    for (int32_t i = 1; i < r->ndim; i++)
        bytes *= (size_t)r->shape[i];
    return bytes;
}

/* Reads all rows in two parts. */
static char *read_all(sbl_reader *r, size_t *size)
{
    int64_t half = r->shape[0] / 2;
    char   *data;

    *size = (size_t)r->shape[0] * row_bytes(r);
    if (*size > MOST)
        return NULL;
    data = malloc(*size + 1);
    must(sbl_reader_rows(r, 0, half, data, NULL) == SABAL_OK);
    must(sbl_reader_rows(r, half, r->shape[0] - half, data + (size_t)half * row_bytes(r), NULL) == SABAL_OK);
    return data;
}

static void write_and_compare(const sbl_reader *r, const char *data, size_t size, const char *path)
{
    sbl_writer *w;
    sbl_reader *again;
    size_t      size_again;
    char       *data_again;

    if (sbl_npy_create(&w, path, r->dtype, r->ndim, r->shape, NULL))
        return; /* a full disk */
    must(sbl_writer_rows(w, 0, r->shape[0], data, NULL) == SABAL_OK);
    must(sbl_writer_finish(w, NULL) == SABAL_OK);
    must(sbl_reader_open(&again, "npy", path, NULL, NULL) == SABAL_OK);
    data_again = read_all(again, &size_again);
    must(size_again == size && !memcmp(data, data_again, size));
    free(data_again);
    sbl_reader_release(again);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static char path[64], copy[64];
    static int  fd  = -1;
    sabal_error err = SABAL_ERROR_INIT;
    sbl_reader *r   = NULL;
    size_t      size;
    char       *data;

    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        snprintf(copy, sizeof copy, "/dev/shm/sabal-fuzz-%ld.npy", (long)getpid());
        setenv("SABAL_FSYNC", "0", 1);
    }
    must(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, n, 0) == (ssize_t)n);
    sbl_npy_list(path, look, NULL, NULL);
    if (sbl_reader_open(&r, "npy", path, NULL, &err)) {
        must(err.message[0] && strlen(err.message) < sizeof err.message && !strchr(err.message, '\n'));
        return 0;
    }
    data = read_all(r, &size);
    if (data && n % 8 == 0) /* some: a file made is slow beside the rest */
        write_and_compare(r, data, size, copy);
    free(data);
    must(ftruncate(fd, (off_t)n / 2) == 0); /* a file that shrinks gives an error, or what was there */
    data = malloc(row_bytes(r) + 1);
    if (r->shape[0] && row_bytes(r) <= MOST)
        sbl_reader_rows(r, r->shape[0] - 1, 1, data, NULL);
    free(data);
    sbl_reader_release(r);
    return 0;
}
