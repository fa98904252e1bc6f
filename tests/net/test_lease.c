/* Shared memory is used again when nobody reads it any more, and never while somebody may. */
#include "support/test.h"

#include "net/two.h"

enum { SIZE = 5000000 };

static side here;

static sbl_value *pulled(uint64_t size)
{
    got g = {0};

    get(&here, &g, V_SHARED, size);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 20));
    cr_assert(g.done);
    cr_expect(is_right(g.value, g.name));
    return g.value;
}

/* Segments that are mapped in this process. */
static int n_mapped(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char  line[600];
    int   n = 0;

    while (file && fgets(line, sizeof line, file))
        n += strstr(line, "memfd:sabal-value") != NULL;
    fclose(file);
    return n;
}

Test(lease, memory_is_used_again_but_not_while_it_is_read)
{
    two_options o     = {.tls = {"memfd", "memfd"}, .keep = 64u << 20};
    pid_t       child = two_begin(&here, &o);
    sbl_value  *a = pulled(SIZE), *b = pulled(SIZE + 1), *c;
    const void *at = sbl_value_data(a, NULL);

    cr_expect(at != sbl_value_data(b, NULL));
    sbl_value_release(a);
    loop_for(&here.loop, 30);
    c = pulled(SIZE + 2); /* another value, in the same pages, which are mapped here already */
    cr_expect(at == sbl_value_data(c, NULL));
    cr_expect(is_right(b, (sbl_value_name){V_SHARED, SIZE + 1}));
    cr_expect_eq(n_mapped(), 2);
    sbl_value_release(b);
    sbl_value_release(c);
    cr_expect_eq(two_end(&here, child), 0);
}

Test(lease, what_its_holder_does_not_keep_is_unmapped)
{
    two_options o     = {.tls = {"memfd", "memfd"}, .keep = 0};
    pid_t       child = two_begin(&here, &o);
    sbl_value  *a     = pulled(SIZE);

    cr_expect_eq(n_mapped(), 1);
    sbl_value_release(a);
    loop_for(&here.loop, 50);
    cr_expect_eq(n_mapped(), 0);
    cr_expect_eq(two_end(&here, child), 0);
}

Test(lease, values_outlive_pair_and_plane)
{
    two_options o     = {.tls = {"memfd", "memfd"}, .keep = 64u << 20};
    pid_t       child = two_begin(&here, &o);
    sbl_value  *a = pulled(SIZE), *b = pulled(SIZE + 1);

    cr_expect_eq(two_end(&here, child), 0);
    cr_expect(is_right(a, (sbl_value_name){V_SHARED, SIZE}));
    sbl_value_release(a);
    cr_expect(is_right(b, (sbl_value_name){V_SHARED, SIZE + 1}));
    sbl_value_release(b);
    cr_expect_eq(n_mapped(), 0);
}

static void child_reads(side *s)
{
    static got g;

    get(s, &g, V_SHARED, SIZE);
}

/* The first segment of a size that the next value takes: 1 if it was used before. */
static int is_used_again(void)
{
    sbl_segment *segment;
    void        *room;
    int          fresh;

    cr_assert_eq(sbl_plane_room(&segment, &room, here.plane, SIZE, NULL), SABAL_OK);
    fresh = segment->is_fresh;
    sbl_segment_seal(segment, room);
    sbl_segment_release(segment);
    return !fresh;
}

Test(lease, what_a_reader_took_into_its_grave_is_never_used_again)
{
    two_options o     = {.tls = {"memfd", "memfd"}, .keep = 64u << 20, .child = child_reads};
    pid_t       child = two_begin(&here, &o);

    cr_assert(loop_until(&here.loop, &here.lookups, 1, 10));
    loop_for(&here.loop, 50);
    kill(child, SIGSTOP); /* it may still read */
    sbl_pair_close(here.pair);
    loop_for(&here.loop, 5);
    here.pair = NULL;
    cr_expect_eq(is_used_again(), 0);
    cr_expect_eq(is_used_again(), 1); /* that one had no reader */
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    side_end(&here);
}
