/* What every carrier has to do. SABAL_TEST_CARRIER names one: memfd, tcp, tcp-4, tcp-encrypted, unix, ucx-shm, ucx-tcp. */
#include "support/test.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "cluster/net/pair.h"
#include "net/two.h"

static two_options how(void)
{
    const char *name = getenv("SABAL_TEST_CARRIER");
    two_options o    = {.tls = {name, name}, .keep = 256u << 20, .plugin = getenv("SABAL_TEST_PLUGIN")};

    if (!name || !strcmp(name, "memfd"))
        o.tls[0] = o.tls[1] = "memfd";
    else if (!strncmp(name, "tcp", 3)) {
        o.tls[0] = o.tls[1] = "tcp";
        o.tcp               = !strcmp(name, "tcp-4") ? 4 : 1;
        o.encrypt           = !strcmp(name, "tcp-encrypted");
    } else if (!strcmp(name, "ucx-tcp")) {
        o.tcp       = 1;
        o.interface = "lo";
    }
    return o;
}

static side  here;
static pid_t child;

static void begin(void)
{
    two_options o = how();

    signal(SIGPIPE, SIG_DFL);
    child = two_begin(&here, &o);
}

static void end_well(void)
{
    cr_expect_eq(two_end(&here, child), 0);
    cr_expect_eq(sbl_buffer_in_use(), (size_t)0);
}

/* Pulls one and looks at it. */
static void expect_value(uint64_t task, uint64_t attempt)
{
    got g = {0};

    get(&here, &g, task, attempt);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 60));
    cr_expect_eq(g.failed, 0);
    if (g.failed)
        fprintf(stderr, "%llu/%llu: %s\n", (unsigned long long)task, (unsigned long long)attempt, g.why.message);
    cr_assert(g.done);
    cr_expect(is_right(g.value, g.name));
    sbl_value_release(g.value);
}

Test(carrier, values_of_all_sizes_come_whole)
{
    static const uint64_t SIZES[] = {
        0, 1, 17, 65535, 65536, 65537, 1000000, SBL_PACKET_CHUNK, SBL_PACKET_CHUNK + 1, (64u << 20), (64u << 20) + 1};

    begin();
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        expect_value(V_BYTES, SIZES[i]);
        if (SIZES[i])
            expect_value(V_SHARED, SIZES[i]);
    }
    cr_expect(here.up);
    end_well();
}

Test(carrier, arrays_and_objects_of_many_pieces_come_whole)
{
    begin();
    expect_value(V_ARRAY, 3);
    expect_value(V_ARRAY, 100000);
    expect_value(V_STRIDED, 5);
    expect_value(V_STRIDED, 100000);
    expect_value(V_OBJECT, 0);
    expect_value(V_OBJECT, 1);
    expect_value(V_OBJECT, 200);
    expect_value(V_OBJECT, 5000);
    expect_value(V_OBJECT, 65536);
    end_well();
}

Test(carrier, an_answer_may_come_later_from_another_thread)
{
    begin();
    expect_value(V_LATER, 10);
    expect_value(V_LATER, 3000000);
    end_well();
}

Test(carrier, hundreds_in_flight_both_ways)
{
    enum { N = 400 };
    static got g[N];
    int        ended = 0, said = 0;

    begin();
    for (int i = 0; i < N; i++) {
        g[i].count = &ended;
        get(&here, &g[i], i % 2 ? V_ECHO : V_BYTES, (uint64_t)(i % 7 == 0 ? SBL_PACKET_CHUNK + 50000 + i : 100 * i));
    }
    cr_assert(loop_until(&here.loop, &ended, N, 120));
    for (int i = 0; i < N; i++) {
        cr_expect(g[i].done && !g[i].failed);
        if (g[i].failed && !said++)
            fprintf(stderr, "%d: %s\n", i, g[i].why.message);
        if (g[i].done) {
            cr_expect(is_right(g[i].value, g[i].name));
            sbl_value_release(g[i].value);
        }
    }
    end_well();
}

Test(carrier, two_transfers_at_a_time_and_small_values_pass_them)
{
    enum { N = 6 };
    got     large[N] = {0}, small = {0};
    int     ended = 0;
    int32_t most  = 0;

    begin();
    for (int i = 0; i < N; i++) {
        large[i].count = &ended;
        get(&here, &large[i], V_BYTES, 30000000);
    }
    get(&here, &small, V_BYTES, 100);
    while (ended < N) {
        loop_turn(&here.loop, 100);
        most = here.pair->n_flowing > most ? here.pair->n_flowing : most;
        if (small.ended == 1 && ended < N)
            small.ended = 2; /* it came before the last of the large ones */
    }
    cr_expect(here.carrier == SBL_CARRIER_MEMFD || (most > 0 && most <= SBL_PAIR_FLOWS));
    cr_expect(here.carrier == SBL_CARRIER_MEMFD || small.ended == 2); /* mapped ones come in the order of asking */
    sbl_value_release(small.value);
    for (int i = 0; i < N; i++) {
        cr_expect(large[i].done && is_right(large[i].value, large[i].name));
        sbl_value_release(large[i].value);
    }
    end_well();
}

Test(carrier, what_is_not_here_is_said)
{
    got g = {0};

    begin();
    get(&here, &g, V_MISSING, 1);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 10));
    cr_expect_eq(g.why.status, SABAL_ENOENT);
    expect_value(V_BYTES, 5); /* and the pair goes on */
    end_well();
}

Test(carrier, a_wrong_sum_fails_the_pull_alone)
{
    static const uint64_t SIZES[] = {256 * 10 + 1, 256 * 8000 + 1}; /* of the first frame of the answer */

    begin();
    expect_value(V_BYTES, 5);
    for (int i = 0; i < 2; i++) {
        got g = {0};

        if (i == 1 && (here.carrier == SBL_CARRIER_MEMFD || here.carrier == SBL_CARRIER_UCX_SHM))
            break;                                       /* within a node no bytes travel that could be damaged */
        get(&here, &g, V_PLANT, SIZES[i] + (uint64_t)i); /* the second body is the first of its data */
        cr_assert(loop_until(&here.loop, &g.ended, 1, 20));
        cr_expect_eq(g.done, 0);
        cr_expect_eq(g.why.status, SABAL_EIO);
        expect_value(V_BYTES, 70000);
    }
    end_well();
}

Test(carrier, beyond_the_budget_is_refused_and_the_rest_goes_on)
{
    got g = {.admit = 2}, later = {.admit = 1};

    begin();
    get(&here, &g, V_BYTES, 5000000);
    get(&here, &later, V_BYTES, 6000000);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 10));
    cr_expect_eq(g.why.status, SABAL_ENOMEM);
    cr_expect_eq(g.total, 5000000u);
    cr_assert(loop_until(&here.loop, &later.announced, 1, 10));
    for (int i = 0; i < 10; i++)
        expect_value(V_BYTES, SBL_PACKET_CHUNK + 50000); /* while one waits to be admitted */
    cr_expect_eq(later.ended, 0);
    sbl_pull_admit(later.pull, NULL, NULL, NULL);
    cr_assert(loop_until(&here.loop, &later.ended, 1, 10));
    cr_assert(later.done);
    cr_expect(is_right(later.value, later.name));
    sbl_value_release(later.value);
    end_well();
}

static int  rooms_released;
static void room_released(void *arg)
{
    rooms_released++;
    free(arg);
}

Test(carrier, data_comes_to_where_its_owner_wants_it)
{
    got   g    = {.admit = 1};
    void *room = aligned_alloc(64, 3000000 / 64 * 64 + 64);

    begin();
    get(&here, &g, V_BYTES, 3000000);
    cr_assert(loop_until(&here.loop, &g.announced, 1, 10));
    sbl_pull_admit(g.pull, &room, room_released, room);
    cr_assert(loop_until(&here.loop, &g.ended, 1, 10));
    cr_assert(g.done);
    cr_expect(is_right(g.value, g.name));
    cr_expect(here.carrier == SBL_CARRIER_MEMFD || sbl_value_data(g.value, NULL) == room);
    sbl_value_release(g.value);
    cr_expect_eq(rooms_released, 1);
    end_well();
}

Test(carrier, a_pull_can_be_cancelled_at_any_time)
{
    begin();
    expect_value(V_BYTES, 1);
    for (int i = 0; i < 60; i++) {
        got g = {0};

        get(&here, &g, i % 3 ? V_BYTES : V_SHARED, i % 2 ? 20000000 : 1000);
        for (int turns = 0; turns < i % 20 && !g.ended; turns++)
            loop_turn(&here.loop, 1);
        if (g.done)
            sbl_value_release(g.value);
        else if (!g.ended)
            sbl_pull_cancel(g.pull);
        cr_expect_eq(g.failed, 0);
    }
    expect_value(V_BYTES, 3000000);
    end_well();
}

Test(carrier, a_holder_that_is_killed_fails_what_is_open)
{
    got flows = {0}, waits = {0}, kept = {0};

    begin();
    get(&here, &kept, V_BYTES, 10000000);
    cr_assert(loop_until(&here.loop, &kept.ended, 1, 20));
    cr_assert(kept.done);
    get(&here, &waits, V_NEVER, 1);
    get(&here, &flows, V_BYTES, 400u << 20);
    if (here.carrier != SBL_CARRIER_MEMFD) {
        cr_assert(loop_until(&here.loop, &flows.announced, 1, 20));
        loop_turn(&here.loop, 1);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert(loop_until(&here.loop, &here.down, 1, 20));
    cr_expect_eq(here.why.status, SABAL_EPEER);
    cr_expect_eq(waits.failed, 1);
    cr_expect_eq(waits.why.status, SABAL_EPEER);
    cr_expect_eq(flows.ended, 1);
    cr_expect(is_right(kept.value, kept.name)); /* readable after the holder's death */
    sbl_value_release(kept.value);
    if (flows.value)
        sbl_value_release(flows.value);
    side_end(&here);
    cr_expect_eq(sbl_buffer_in_use(), (size_t)0);
}

/* The child pulls from this side, and dies. */
static void child_pulls(side *s)
{
    static got g[3];

    for (int i = 0; i < 3; i++)
        get(s, &g[i], V_BYTES, 120u << 20);
}

Test(carrier, a_receiver_that_is_killed_frees_what_it_was_given)
{
    two_options o = how();

    o.child = child_pulls;
    child   = two_begin(&here, &o);
    cr_assert(loop_until(&here.loop, &here.lookups, 2, 60));
    loop_turn(&here.loop, 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert(loop_until(&here.loop, &here.down, 1, 20));
    side_end(&here);
    cr_expect_eq(sbl_buffer_in_use(), (size_t)0);
}

Test(carrier, a_peer_that_is_stopped_holds_up_nobody)
{
    got g = {0}, other = {0};

    begin();
    expect_value(V_BYTES, 100000);
    kill(child, SIGSTOP);
    usleep(50000);
    get(&here, &g, V_BYTES, 20000000);
    get(&here, &other, V_BYTES, 20000000);
    loop_for(&here.loop, 300);
    cr_expect_eq(g.ended, 0);
    sbl_pull_cancel(g.pull);
    kill(child, SIGCONT);
    cr_assert(loop_until(&here.loop, &other.ended, 1, 20)); /* it goes on where it was */
    cr_expect_eq(other.done, 1);
    sbl_value_release(other.value);
    kill(child, SIGSTOP);
    other = (got){0};
    get(&here, &other, V_BYTES, 20000000);
    loop_for(&here.loop, 20);
    {
        int64_t began = sbl_clock_ns();

        sbl_pair_close(here.pair);
        cr_expect_lt(sbl_clock_ns() - began, INT64_C(500000000));
    }
    cr_expect_eq(other.failed, 1);
    cr_expect_eq(other.why.status, SABAL_ECANCELED);
    here.pair = NULL;
    kill(child, SIGCONT);
    end_well();
}

Test(carrier, closing_with_much_under_way_leaves_nothing)
{
    got g[12];

    begin();
    memset(g, 0, sizeof g);
    for (int i = 0; i < 12; i++)
        get(&here, &g[i], i % 3 == 0 ? V_NEVER : i % 3 == 1 ? V_LATER : V_ECHO, 5000000);
    loop_for(&here.loop, 15);
    sbl_pair_close(here.pair);
    here.pair = NULL;
    for (int i = 0; i < 12; i++) {
        cr_expect_eq(g[i].ended, 1);
        if (g[i].value)
            sbl_value_release(g[i].value);
    }
    usleep(100000); /* the threads of the child that answer later */
    end_well();
}

Test(carrier, failed_allocations_fail_pulls_and_nothing_else)
{
    int succeeded = 0;

    begin();
    expect_value(V_BYTES, 3000000);
    for (int nth = 1; nth < 60 && !here.down; nth++) {
        got g = {0};

        sbl_alloc_fail(nth, 0);
        get(&here, &g, nth % 2 ? V_BYTES : V_SHARED, nth % 3 ? 3000000 : 30000);
        cr_assert(loop_until(&here.loop, &g.ended, 1, 20));
        sbl_alloc_fail(0, 0);
        cr_expect(g.done || g.why.status == SABAL_ENOMEM);
        if (g.failed && g.why.status != SABAL_ENOMEM)
            fprintf(stderr, "%d: %s\n", nth, g.why.message);
        succeeded += g.done;
        if (g.done) {
            cr_expect(is_right(g.value, g.name));
            sbl_value_release(g.value);
        }
        loop_for(&here.loop, 2);
        if (here.down) { /* a frame could not be queued: the pair is given up, and says why */
            cr_expect_eq(here.why.status, SABAL_ENOMEM);
            cr_expect_eq(two_end(&here, child), 0);
            begin();
            expect_value(V_BYTES, 3000000);
        }
    }
    cr_expect_gt(succeeded, 20);
    end_well();
}
