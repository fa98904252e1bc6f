/*
 * Runs a fuzz target without libFuzzer, under any compiler and sanitizer: mutates the seeds of a folder a number of
 * times, the same ones for the same number, or, with -s, for so many seconds.
 *
 *     fuzz_WORD_alone FOLDER TIMES        fuzz_WORD_alone FOLDER -s SECONDS
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { MOST_SEEDS = 256, MOST = 1 << 16 };
static struct {
    uint8_t *bytes;
    size_t   n;
} seeds[MOST_SEEDS];
static size_t   n_seeds;
static uint64_t state = 1;

static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? state % n : 0;
}

static void read_seeds(const char *folder)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;
    char           path[4096];

    while (dir && n_seeds < MOST_SEEDS && (entry = readdir(dir))) {
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        seeds[n_seeds].bytes = malloc(MOST);
        seeds[n_seeds].n     = fread(seeds[n_seeds].bytes, 1, MOST / 2, file);
        n_seeds++;
        fclose(file);
    }
    if (dir)
        closedir(dir);
}

/* One change: a byte, a number, a part taken out, doubled, or brought from another seed. */
static size_t mutate(uint8_t *bytes, size_t n)
{
    static const uint64_t NUMBERS[] = {0,
                                       1,
                                       0x7f,
                                       0x80,
                                       0xff,
                                       0x7fff,
                                       0xffff,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0xffffffffffffffff};
    size_t                at = below(n), length = 1 + below(16), seed = below(n_seeds), from;

    length = length < n - at ? length : n - at;
    switch (n ? below(7) : 6) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << below(8));
        return n;
    case 1:
        bytes[at] = (uint8_t)below(256);
        return n;
    case 2:
        bytes[at] = (uint8_t) "0123456789{}[]()':,LTF<>= \n"[below(27)];
        return n;
    case 3:
        length = (size_t)1 << below(4);
        memcpy(bytes + at, &NUMBERS[below(13)], length < n - at ? length : n - at);
        return n;
    case 4:
        memmove(bytes + at, bytes + at + length, n - at - length);
        return n - length;
    case 5:
        if (n + length > MOST)
            return n;
        memmove(bytes + at + length, bytes + at, n - at);
        return n + length;
    default:
        from   = below(seeds[seed].n);
        length = below(seeds[seed].n - from + 1);
        if (at + length > MOST)
            return n;
        memcpy(bytes + at, seeds[seed].bytes + from, length);
        return at + length > n ? at + length : n;
    }
}

static void run_once(uint8_t *room)
{
    size_t   seed = below(n_seeds), n = seeds[seed].n;
    uint8_t *exact;

    memcpy(room, seeds[seed].bytes, n);
    for (size_t k = below(6); k > 0; k--)
        n = mutate(room, n);
    exact = malloc(n + !n); /* so that a sanitizer sees what is read beyond it */
    memcpy(exact, room, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

int main(int argc, char **argv)
{
    uint8_t *room    = malloc(2 * MOST);
    int      by_time = argc == 4 && !strcmp(argv[2], "-s");
    time_t   end     = time(NULL) + (by_time ? atoi(argv[3]) : 0);
    long     n       = 0;

    if (argc != 3 && !by_time) {
        fprintf(stderr, "usage: %s FOLDER TIMES | %s FOLDER -s SECONDS\n", argv[0], argv[0]);
        return 2;
    }
    read_seeds(argv[1]);
    if (!n_seeds) {
        fprintf(stderr, "%s: no seeds in %s\n", argv[0], argv[1]);
        return 2;
    }
    if (by_time)
        state = (uint64_t)time(NULL) * 2 + 1;
    for (; by_time ? time(NULL) < end : n < atol(argv[2]); n++)
        run_once(room);
    printf("%ld inputs\n", n);
    while (n_seeds)
        free(seeds[--n_seeds].bytes);
    free(room);
    return 0;
}
