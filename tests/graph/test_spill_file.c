#include "graph/spill_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include <sabal/memory.h>

#include "graph/spill.h"

TestSuite(spill, .init = make_folder, .fini = remove_folder);

/* Values that do not lie as the disk wants them, too. To the thread sanitizer, which follows each byte, that is all the same. */
#ifdef __SANITIZE_THREAD__
#define MOST_SKEW (getenv("TEST_LONG") ? 16 : 0)
#else
#define MOST_SKEW 16
#endif

Test(spill, what_was_written_comes_back)
{
    static const size_t sizes[] = {0,       1,           4095,         4096,    4097,       16 * 1024, 70000,  MIB - 1,
                                   2 * MIB, 2 * MIB + 1, 5 * MIB + 77, 9 * MIB, 262144 + 4, 1572864,   1572865};
    static const size_t periods[] = {0, 1, 100};

    for (int ways = 0; ways < 4; ways++) {
        sbl_spill_file *file = opened(ways);

        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t p = 0; p < 3; p++)
                for (size_t skew = 0; skew <= MOST_SKEW; skew += 16)
                    there_and_back(file, sizes[i], skew, periods[p]);
        sbl_spill_close(file);
    }
}

/* Blocks of both sorts in one value: some shorter, some as they were. */
Test(spill, a_value_that_is_compressible_only_in_part_comes_back)
{
    sbl_spill_file *file = opened(0);
    size_t          size = 8 * MIB + 5;
    char           *data = sbl_buffer_alloc(size), *room = sbl_buffer_alloc(size);
    sbl_spilled     spilled;

    memset(data, 3, size);
    for (size_t at = 300000; at + MIB < size; at += MIB + 12345)
        fill(data + at, 270000, at, 0);
    cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, size}, 1, &spilled, NULL), SABAL_OK);
    cr_assert_eq(spilled.packed, 1);
    cr_assert_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_OK);
    cr_expect_arr_eq(room, data, size);
    sbl_spill_free(file, &spilled);
    sbl_spill_close(file);
    sbl_buffer_free(data, size);
    sbl_buffer_free(room, size);
}

/* What the sample looks at is zero, and the rest can't be compressed: it takes no more space than it got. */
Test(spill, a_value_whose_sample_lies_does_not_grow_into_the_next)
{
    sbl_spill_file *file = opened(0);
    size_t          size = 24 * MIB, sample = 16 << 10, step = (size - sample) / 3;
    char           *data = sbl_buffer_alloc(size), *room = sbl_buffer_alloc(size);
    sbl_spilled     spilled[3];

    fill(data, size, 1, 0);
    for (size_t at = 0; at < size; at += step)
        memset(data + at, 0, sample);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, size}, 1, &spilled[i], NULL), SABAL_OK);
        cr_assert_eq(spilled[i].packed, 1);
    }
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(sbl_spill_read(file, &spilled[i], room, NULL), SABAL_OK);
        cr_expect(!memcmp(data, room, size));
        sbl_spill_free(file, &spilled[i]);
    }
    sbl_spill_close(file);
    sbl_buffer_free(data, size);
    sbl_buffer_free(room, size);
}

Test(spill, pieces_lie_at_multiples_of_64_with_zeros_between)
{
    static const size_t sizes[] = {48, 0, 100000, 1, 64, 0, 3 * MIB + 3, 7};
    enum { N = sizeof sizes / sizeof *sizes };
    char  *data = malloc(4 * MIB), *room = malloc(8 * MIB);
    size_t total = 0;

    for (size_t period = 0; period <= 8; period += 8) {
        sbl_spill_file *file = opened(0);
        sabal_piece     pieces[N];
        sbl_spilled     spilled;
        uint64_t        at = 0;

        fill(data, 4 * MIB, 1, period);
        total = 0;
        for (int i = 0; i < N; i++) {
            pieces[i] = (sabal_piece){data + total, sizes[i]};
            total += sizes[i];
        }
        cr_assert_eq(sbl_spill_write(file, pieces, N, &spilled, NULL), SABAL_OK);
        cr_assert_leq(spilled.size, 8 * MIB);
        memset(room, 0x55, 8 * MIB);
        cr_assert_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_OK);
        for (int i = 0; i < N; i++) {
            uint64_t next = sbl_spill_next(at, sizes[i]);

            cr_expect_eq(at % 64, 0);
            if (sizes[i])
                cr_expect_arr_eq(room + at, pieces[i].data, sizes[i]);
            for (uint64_t k = at + sizes[i]; k < next && k < spilled.size; k++)
                cr_expect_eq(room[k], 0);
            cr_expect_leq(at + sizes[i], spilled.size);
            at = next;
        }
        cr_expect_eq(room[spilled.size], 0x55);
        sbl_spill_close(file);
    }
    free(data);
    free(room);
}

/* Every value holds its own bytes to the end, whatever comes and goes around it. Returns how many did not. */
static int come_and_go(sbl_spill_file *file, uint64_t seed, int rounds)
{
    enum { N = 40 };
    int         wrong      = 0;
    sbl_spilled spilled[N] = {{0}};
    size_t      sizes[N]   = {0};
    uint64_t    seeds[N]   = {0};
    char       *data = sbl_buffer_alloc(3 * MIB), *room = sbl_buffer_alloc(3 * MIB);

    for (int round = 0; round < rounds; round++) {
        int i = (int)(next_random(&seed) % N);

        if (sizes[i]) {
            fill(data, sizes[i], seeds[i], seeds[i] % 3 * 50);
            wrong += sbl_spill_read(file, &spilled[i], room, NULL) || memcmp(data, room, sizes[i]);
            sbl_spill_free(file, &spilled[i]);
            sizes[i] = 0;
        } else {
            sizes[i] = 1 + next_random(&seed) % (next_random(&seed) % 4 ? 100000 : 3 * MIB);
            seeds[i] = next_random(&seed);
            fill(data, sizes[i], seeds[i], seeds[i] % 3 * 50);
            if (sbl_spill_write(file, &(sabal_piece){data, sizes[i]}, 1, &spilled[i], NULL)) {
                sizes[i] = 0;
                wrong++;
            }
        }
    }
    for (int i = 0; i < N; i++)
        if (sizes[i])
            sbl_spill_free(file, &spilled[i]);
    sbl_buffer_free(data, 3 * MIB);
    sbl_buffer_free(room, 3 * MIB);
    return wrong;
}

static _Atomic int n_wrong;

static void *in_thread(void *file)
{
    static _Atomic uint64_t seed = 1;

    n_wrong += come_and_go(file, ++seed * 7919, 250);
    return NULL;
}

Test(spill, values_of_several_threads_do_not_touch_each_other)
{
    sbl_spill_file *file = opened(0);
    pthread_t       threads[6]; /* more than there are lanes */

    for (int i = 0; i < 6; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, in_thread, file), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(n_wrong, 0);
    cr_expect_eq(stats_of(file).bytes_held, 0);
    cr_expect_leq(stats_of(file).bytes_on_disk, (int64_t)(66 * MIB));
    sbl_spill_close(file);
}

Test(spill, bytes_that_were_changed_on_the_disk_are_found)
{
    for (size_t period = 0; period <= 100; period += 100) {
        sbl_spill_file *file = opened(SBL_SPILL_BUFFERED);
        char           *data = malloc(MIB), *room = malloc(MIB), byte = 0;
        sbl_spilled     spilled;
        int             fd = fd_of_file(), caught = 0;

        cr_assert_geq(fd, 0);
        fill(data, MIB, 5, period);
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, MIB}, 1, &spilled, NULL), SABAL_OK);
        cr_assert_eq(spilled.packed, period != 0);
        for (uint64_t at = 0; at < spilled.stored; at += spilled.stored / 97) {
            sabal_error err = SABAL_ERROR_INIT;

            cr_assert_eq(pread(fd, &byte, 1, spilled.at + (int64_t)at), 1);
            byte ^= 0x40;
            cr_assert_eq(pwrite(fd, &byte, 1, spilled.at + (int64_t)at), 1);
            caught += sbl_spill_read(file, &spilled, room, &err) == SABAL_EIO && strstr(err.message, folder);
            byte ^= 0x40;
            cr_assert_eq(pwrite(fd, &byte, 1, spilled.at + (int64_t)at), 1);
        }
        cr_expect_geq(caught, 97);
        cr_expect_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_OK);
        cr_assert_eq(ftruncate(fd, spilled.at), 0);
        cr_expect_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_EIO);
        sbl_spill_close(file);
        free(data);
        free(room);
    }
}

/* Pages of the file that are in the page cache. */
static size_t pages_in_memory(const sbl_spilled *spilled)
{
    size_t         n_pages = spilled->size / 4096, n = 0;
    unsigned char *in_memory = malloc(n_pages);
    void          *mapped    = mmap(NULL, spilled->size, PROT_READ, MAP_SHARED, fd_of_file(), spilled->at);

    cr_assert_neq(mapped, MAP_FAILED);
    cr_assert_eq(mincore(mapped, spilled->size, in_memory), 0);
    for (size_t i = 0; i < n_pages; i++)
        n += in_memory[i] & 1;
    munmap(mapped, spilled->size);
    free(in_memory);
    return n;
}

/* A slice's worth at most. */
Test(spill, pages_do_not_stay_in_memory)
{
    for (int ways = 0; ways < 3; ways += SBL_SPILL_BUFFERED) {
        sbl_spill_file *file = opened(ways);
        size_t          size = 32 * MIB;
        char           *data = sbl_buffer_alloc(size);
        sbl_spilled     spilled;

        fill(data, size, 3, 0);
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, size}, 1, &spilled, NULL), SABAL_OK);
        cr_expect_leq(pages_in_memory(&spilled), 4 * MIB / 4096);
        cr_assert_eq(sbl_spill_read(file, &spilled, data, NULL), SABAL_OK);
        cr_expect_leq(pages_in_memory(&spilled), 4 * MIB / 4096);
        sbl_spill_close(file);
        sbl_buffer_free(data, size);
    }
}

Test(spill, every_failed_allocation_of_the_opening_is_reported)
{
    sabal_memory    before = {.struct_size = sizeof before}, after = before;
    sbl_spill_file *file = NULL;
    sabal_status    st   = SABAL_ENOMEM;

    sabal_memory_get(&before);
    for (int64_t nth = 1; st == SABAL_ENOMEM; nth++) {
        sabal_error err = SABAL_ERROR_INIT;

        cr_assert_lt(nth, 20);
        sbl_alloc_fail(nth, 0);
        st = sbl_spill_open(&file, folder, &err);
        sbl_alloc_fail(0, 0);
        cr_expect_eq(err.status, st);
        cr_expect_eq(st == SABAL_OK, file != NULL);
    }
    cr_expect_eq(st, SABAL_OK);
    cr_expect_eq(fd_of_file() >= 0, 1);
    sbl_spill_close(file);
    cr_expect_eq(fd_of_file(), -1);
    sabal_memory_get(&after);
    cr_expect_eq(after.in_use, before.in_use);
}

Test(spill, once_open_it_needs_no_memory)
{
    sbl_spill_file *file = opened(0);
    char           *data = malloc(MIB);

    fill(data, MIB, 1, 0);
    sbl_alloc_fail(1, 1);
    for (int i = 0; i < 20; i++) {
        sbl_spilled spilled;

        cr_expect_eq(sbl_spill_write(file, &(sabal_piece){data, MIB}, 1, &spilled, NULL), SABAL_OK);
        cr_expect_eq(sbl_spill_read(file, &spilled, data, NULL), SABAL_OK);
        if (i % 2)
            sbl_spill_free(file, &spilled);
    }
    sbl_alloc_fail(0, 0);
    sbl_spill_close(file);
    free(data);
}

/* The table of free space grows with the number of values: the one allocation there is, and it is told. */
Test(spill, a_table_that_cannot_grow_is_told_and_nothing_is_taken)
{
    sbl_spill_file *file = opened(0);
    sabal_error     err  = SABAL_ERROR_INIT;
    sbl_spilled     spilled;
    int             n = 0;

    sbl_alloc_fail(1, 1);
    while (n < 1000 && sbl_spill_write(file, &(sabal_piece){"x", 1}, 1, &spilled, &err) == SABAL_OK)
        n++;
    sbl_alloc_fail(0, 0);
    cr_expect_eq(err.status, SABAL_ENOMEM);
    cr_expect_eq(stats_of(file).bytes_held, n);
    cr_expect_eq(sbl_spill_write(file, &(sabal_piece){"x", 1}, 1, &spilled, NULL), SABAL_OK);
    sbl_spill_close(file);
}

Test(spill, the_counts_are_those_of_the_calls)
{
    sbl_spill_file *file = opened(0);
    char           *data = calloc(1, MIB);
    sbl_spilled     spilled[3];
    sbl_spill_stats stats;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, MIB}, 1, &spilled[i], NULL), SABAL_OK);
    cr_assert_eq(sbl_spill_read(file, &spilled[0], data, NULL), SABAL_OK);
    sbl_spill_free(file, &spilled[1]);
    stats = stats_of(file);
    cr_expect_eq(stats.n_written, 3);
    cr_expect_eq(stats.n_read, 1);
    cr_expect_eq(stats.bytes_written, (int64_t)(3 * MIB));
    cr_expect_eq(stats.bytes_read, (int64_t)MIB);
    cr_expect_eq(stats.bytes_held, (int64_t)(2 * MIB));
    cr_expect_gt(stats.ns_writing, 0);
    cr_expect_gt(stats.ns_reading, 0);
    sbl_spill_close(file);
    free(data);
}
