#include "graph/spill_space.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

enum { BLOCK = SBL_SPILL_BLOCK, N = 200, MOST_BLOCKS = 1 << 17 };

static sbl_spill_disk  disk;
static sbl_spill_space space;
static unsigned char   owner[MOST_BLOCKS]; /* of each block of the file; 0: nobody */

static void begin(void)
{
    disk = (sbl_spill_disk){.fd = open("/var/tmp", O_RDWR | O_TMPFILE, 0600), .folder = "/var/tmp"};
    cr_assert_geq(disk.fd, 0);
    cr_assert_eq(sbl_spill_space_open(&space, &disk, NULL), SABAL_OK);
    memset(owner, 0, sizeof owner);
}

static void end(void)
{
    sbl_spill_space_close(&space);
    close(disk.fd);
}

TestSuite(space, .init = begin, .fini = end);

/* Marks a range as taken or free; each block must be the other before. */
static int mark(int64_t at, int64_t size, int taken)
{
    int wrong = at % BLOCK != 0 || at < 0 || at + size > (int64_t)MOST_BLOCKS * BLOCK;

    for (int64_t i = at / BLOCK; !wrong && i < (at + size) / BLOCK; i++) {
        wrong |= owner[i] == taken;
        owner[i] = (unsigned char)taken;
    }
    return wrong;
}

static int64_t n_marked(void)
{
    int64_t n = 0;

    for (int64_t i = 0; i < MOST_BLOCKS; i++)
        n += owner[i];
    return n;
}

Test(space, no_block_is_taken_twice_and_what_is_taken_has_room_on_the_disk)
{
    int64_t  at[N], size[N] = {0};
    uint64_t seed  = 88172645463325252u;
    int      wrong = 0;

    for (int round = 0; round < 6000 && !wrong; round++) {
        int i = (int)((seed >> 20) % N);

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if (!size[i]) {
            size[i] = BLOCK * (1 + (int64_t)((seed >> 30) % ((seed >> 50) % 8 ? 20 : 4000)));
            cr_assert_eq(sbl_spill_space_take(&space, &at[i], size[i], NULL), SABAL_OK);
            wrong |= mark(at[i], size[i], 1);
        } else if (seed % 3 || size[i] == BLOCK) {
            wrong |= mark(at[i], size[i], 0);
            sbl_spill_space_give(&space, at[i], size[i]);
            size[i] = 0;
        } else {
            int64_t kept = BLOCK * (1 + (int64_t)(seed >> 30) % (size[i] / BLOCK));

            wrong |= mark(at[i] + kept, size[i] - kept, 0);
            sbl_spill_space_shorten(&space, at[i], size[i], kept);
            size[i] = kept;
        }
        if (round % 100 == 0)
            wrong |= sbl_spill_disk_used(&disk) < n_marked() * BLOCK ||
                     sbl_spill_disk_used(&disk) > n_marked() * BLOCK + SBL_SPILL_KEEP + (4 << 20);
    }
    cr_expect_eq(wrong, 0);
    for (int i = 0; i < N; i++)
        if (size[i])
            sbl_spill_space_give(&space, at[i], size[i]);
    cr_expect_eq(space.n_free <= 1, 1); /* all is one again */
    cr_expect_leq(sbl_spill_disk_used(&disk), SBL_SPILL_KEEP);
}

Test(space, what_fits_exactly_is_used_before_what_is_larger)
{
    int64_t at[5], again;

    for (int i = 0; i < 5; i++)
        cr_assert_eq(sbl_spill_space_take(&space, &at[i], (i + 1) * BLOCK, NULL), SABAL_OK);
    sbl_spill_space_give(&space, at[3], 4 * BLOCK);
    sbl_spill_space_give(&space, at[1], 2 * BLOCK);
    cr_assert_eq(sbl_spill_space_take(&space, &again, 2 * BLOCK, NULL), SABAL_OK);
    cr_expect_eq(again, at[1]);
    cr_assert_eq(sbl_spill_space_take(&space, &again, 3 * BLOCK, NULL), SABAL_OK);
    cr_expect_eq(again, at[3]);
}
