/* Where the secret is left: in no memory that a core file would hold, after all that is done with it. */
#include "support/test.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/sanitized.h"
#include "cluster/net/scheduler_file.h"
#include "net/sides.h"

enum { NEEDLE = 16 };

/* What is looked for is kept inverted, so that it is not found here. */
static uint8_t inverted[2][NEEDLE];

/* Reads the memory from outside, as a core file would have it; in pieces that overlap. */
static int n_in(int memory, unsigned long from, unsigned long to, const uint8_t *needle)
{
    static uint8_t piece[1 << 16];
    int            n = 0;

    for (unsigned long at = from; at + NEEDLE <= to; at += sizeof piece - NEEDLE) {
        size_t  most = to - at < sizeof piece ? to - at : sizeof piece;
        ssize_t got  = pread(memory, piece, most, (off_t)at);

        for (ssize_t i = 0; i + NEEDLE <= got; i++) {
            int k = 0;

            while (k < NEEDLE && (piece[i + k] ^ needle[k]) == 0xff)
                k++;
            n += k == NEEDLE;
        }
    }
    sodium_memzero(piece, sizeof piece); /* it may have held the memory that is left out of core files, or a find */
    return n;
}

/* In how many places of this process's memory it is found: that a core file holds, or that it leaves out ("dd"). */
static int count_places(const uint8_t *needle, int left_out)
{
    FILE         *maps   = fopen("/proc/self/smaps", "r");
    int           memory = open("/proc/self/mem", O_RDONLY), n = 0, is_read = 0;
    char          line[512], mode[8] = "";
    unsigned long from, to, begins = 0, ends = 0;

    cr_assert(maps && memory >= 0);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3) {
            begins  = from;
            ends    = to;
            is_read = mode[0] == 'r' && mode[1] == 'w';
        } else if (is_read && !strncmp(line, "VmFlags:", 8) && (strstr(line, " dd") != NULL) == left_out) {
            n += n_in(memory, begins, ends, needle);
        }
    }
    fclose(maps);
    close(memory);
    return n;
}

static const uint8_t *key_of_file(void *arg, uint64_t ticket)
{
    return sbl_secret_borrow(((sbl_scheduler_file *)arg)->secret);
}

static side client;

/* Both ends, in one process: a file that is written and read, a handshake, frames. */
static void use(const char *path, sbl_scheduler_file *file)
{
    sbl_secret *derived;
    int         pair[2];
    side        server;

    cr_assert(sbl_scheduler_file_write(path, file, NULL) == SABAL_OK);
    sbl_scheduler_file_clear(file);
    cr_assert(sbl_scheduler_file_read(file, path, 0, NULL) == SABAL_OK);
    cr_assert(sbl_secret_derive(&derived, file->secret, "sabal ticket", "x", 1, NULL) == SABAL_OK);
    sbl_secret_destroy(derived);
    cr_assert(sbl_evloop_create(&loop, 0, NULL) == SABAL_OK);
    side_init(&client, SBL_ROLE_WORKER, 1);
    side_init(&server, SBL_ROLE_SCHEDULER, 0);
    client.options.key = server.options.key = key_of_file;
    client.options.key_arg = server.options.key_arg = file;
    make_tcp_pair(pair);
    side_open(&client, pair[0]);
    side_open(&server, pair[1]);
    TURN_UNTIL(client.passed && server.passed);
    side_say(&client, 1, PLAIN, "hello", 5);
    TURN_UNTIL(server.frames == 1);
    sbl_link_close(client.link, 0);
    TURN_UNTIL(client.ended && server.ended);
    sbl_evloop_destroy(loop);
}

Test(traces, the_secret_is_nowhere_in_what_a_core_file_holds, .timeout = 120)
{
    char               folder[64] = "/tmp/sabal-test-XXXXXX", path[96];
    sbl_scheduler_file file;
    char               digits[SBL_KEY_DIGITS];
    volatile uint8_t  *b = inverted[0], *d = inverted[1]; /* one by one: vector registers leave traces */

    if (SBL_SANITIZED)
        cr_skip_test("a sanitizer's own memory is as large as the address space");
    cr_assert(mkdtemp(folder) && sbl_scheduler_file_init(&file, NULL) == SABAL_OK);
    file.addresses[file.n_addresses++] = (sbl_address){.kind = SBL_ADDRESS_UNIX, .path = "/nowhere"};
    snprintf(path, sizeof path, "%s/f", folder);
    sbl_secret_write_hex(digits, file.secret);
    for (int i = 0; i < NEEDLE; i++) {
        b[i] = (uint8_t)~sbl_secret_borrow(file.secret)[i];
        d[i] = (uint8_t)~digits[i];
    }
    sodium_memzero(digits, sizeof digits);
    use(path, &file);
    cr_expect_eq(count_places(inverted[0], 1), 1); /* it is there, and this way of looking finds it */
    cr_expect_eq(count_places(inverted[0], 0), 0);
    cr_expect_eq(count_places(inverted[1], 0), 0);
    sbl_scheduler_file_clear(&file);
    cr_expect_eq(count_places(inverted[0], 1), 0);
    unlink(path);
    rmdir(folder);
}
