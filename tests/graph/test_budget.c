/* Memory as a budget: results that don't fit go to disk and come back, tasks wait for room, and who can't have any is told. */
#include <math.h>
#include <sys/resource.h>

#include "base/buffer.h"
#include "value/value.h"
#include "support/engines.h"

static sabal_client *client;
static sabal_error   err = SABAL_ERROR_INIT;

enum { N = 200, WORDS = 10000 }; /* 200 results of 80,000 bytes */
#define CHUNK ((int64_t)WORDS * 8)

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
    unsetenv("SABAL_MEMORY_LIMIT");
    unsetenv("SABAL_SPILL_FOLDER");
}

TestSuite(budget, .init = init);

static void limit(const char *text)
{
    setenv("SABAL_MEMORY_LIMIT", text, 1);
}

static sabal_client_memory memory_now(void)
{
    sabal_client_memory m = {.struct_size = sizeof m};

    cr_assert_eq(sabal_client_memory_get(client, &m), SABAL_OK);
    return m;
}

/* Word i of chunk c. */
static double word(int64_t c, int64_t i)
{
    return (double)((c * 7919 + i) % 100003);
}

static sabal_status task_chunk(sabal_task *t)
{
    int64_t c     = *(const int64_t *)sabal_task_arg(t);
    double *words = sabal_task_return_room(t, (size_t)CHUNK);

    if (!words)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < WORDS; i++)
        words[i] = word(c, i);
    return SABAL_OK;
}

/* The scalar product of its two inputs. */
static sabal_status task_product(sabal_task *t)
{
    const double *a = sabal_task_input(t, 0), *b = sabal_task_input(t, 1);
    double        sum = 0;

    for (int64_t i = 0; i < WORDS; i++)
        sum += a[i] * b[i];
    return sabal_task_return(t, &sum, sizeof sum);
}

static double product(int64_t a, int64_t b)
{
    double sum = 0;

    for (int64_t i = 0; i < WORDS; i++)
        sum += word(a, i) * word(b, i);
    return sum;
}

static void make_chunks(sabal_future **chunks, int64_t n)
{
    int64_t *args = malloc((size_t)n * sizeof *args);

    for (int64_t i = 0; i < n; i++)
        args[i] = i;
    sabal_map(chunks, client, task_chunk, args, sizeof *args, n);
    free(args);
}

static void expect_chunk(const sabal_future *f, int64_t c)
{
    static double words[WORDS];

    cr_assert_eq(sabal_future_get(words, sizeof words, f, &err), SABAL_OK, "chunk %lld: %s", (long long)c, err.message);
    for (int64_t i = 0; i < WORDS; i++)
        cr_assert_eq(words[i], word(c, i), "word %lld of chunk %lld", (long long)i, (long long)c);
}

/* Results of so many bytes are there, in memory or away. What is leaving just now is in one sum before it is in the other,
   and what the spiller has in hands is there until it lets go of it. */
static void expect_all_there(int64_t bytes)
{
    sabal_client_memory m = memory_now();

    for (int i = 0; i < 1000 && (int64_t)(m.managed + m.spilled) != bytes; i++) {
        sleep_ms(1);
        m = memory_now();
    }
    cr_expect_eq((int64_t)(m.managed + m.spilled), bytes);
}

/* --- what doesn't fit goes and comes back ------------------------------------------------------------------------- */

Test(budget, without_a_limit_results_are_had_all_the_same)
{
    limit("0");
    for_each_engine(client, 2)
    {
        sabal_future *chunks[4];

        cr_expect_eq(memory_now().limit, 0);
        make_chunks(chunks, 4);
        for (int64_t i = 0; i < 4; i++)
            expect_chunk(chunks[i], i);
    }
}

Test(budget, a_client_tells_its_limit)
{
    client = sabal_open("local:", &err, .threads = 1, .memory_limit = 12345678);
    cr_expect_eq(memory_now().limit, 12345678);
    cr_expect_eq(memory_now().managed, 0);
    cr_expect_gt(memory_now().resident, 1 << 20);
    sabal_close(client);
    client = sabal_open("local:", &err, .threads = 1);
    cr_expect_eq(memory_now().limit, sabal_memory_limit());
    sabal_close(client);
    client = sabal_open("local:", &err, .threads = 1, .memory_limit = -1);
    cr_expect_eq(memory_now().limit, 0);
    sabal_close(client);
}

Test(budget, the_limit_comes_from_the_environment_in_bytes_or_parts)
{
    static const struct {
        const char *text;
        double      of_all, bytes;
    } CASES[] = {{"50%", 0.5, 0}, {"3M", 0, 3e6}, {"1.5GiB", 0, 3 << 29}, {"1234567", 0, 1234567}, {"auto", 1, 0},
                 {"none", 0, 0},  {"0", 0, 0}};

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        limit(CASES[i].text);
        client = sabal_open("local:", &err, .threads = 1);
        cr_assert_eq(err.status, SABAL_OK, "%s: %s", CASES[i].text, err.message);
        cr_expect_lt(fabs((double)memory_now().limit - CASES[i].of_all * (double)sabal_memory_limit() - CASES[i].bytes),
                     2.0, "%s", CASES[i].text);
        sabal_close(client);
    }
}

Test(budget, a_limit_that_is_none_is_refused)
{
    static const char *const BAD[] = {"much", "-3", "150%", "3Q", "%"};

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        sabal_error own = SABAL_ERROR_INIT;

        limit(BAD[i]);
        client = sabal_open("local:", &own, .threads = 1);
        cr_expect_eq(own.status, SABAL_EINVAL, "%s", BAD[i]);
        cr_expect(strstr(own.message, BAD[i]) && strstr(own.message, "SABAL_MEMORY_LIMIT"), "%s", own.message);
        sabal_close(client);
    }
}

Test(budget, results_that_dont_fit_are_spilled_and_read_back, .timeout = 120)
{
    sabal_future *chunks[N];

    limit("2MiB");
    for_engines_with_results_here(client, 2)
    {
        sabal_client_memory m;

        make_chunks(chunks, N);
        cr_assert_eq(sabal_wait_all(list_of(chunks, N), &err), SABAL_OK, "%s", err.message);
        m = memory_now();
        cr_expect_leq(m.managed, 2 << 20);
        cr_expect_geq((int64_t)m.spilled, N * CHUNK - (2 << 20));
        expect_all_there(N * CHUNK);
        for (int64_t i = 0; i < N; i++)
            expect_chunk(chunks[i], i);
        for (int64_t i = 0; i < N; i++)
            sabal_release(chunks[i]);
        expect_all_there(0);
        cr_expect_leq(memory_now().peak, 2 << 20);
    }
}

Test(budget, pairs_from_both_ends_of_what_was_spilled, .timeout = 120)
{
    sabal_future *chunks[N], *sums[N / 2];

    limit("2MiB");
    for_each_engine(client, 2)
    {
        make_chunks(chunks, N);
        for (int64_t i = 0; i < N / 2; i++)
            sums[i] = sabal_submit(client, task_product, NULL, 0, .inputs = SABAL_LIST(chunks[i], chunks[N - 1 - i]));
        for (int64_t i = 0; i < N / 2; i++) {
            double sum = 0;

            cr_assert_eq(sabal_future_get(&sum, sizeof sum, sums[i], &err), SABAL_OK, "%s", err.message);
            cr_expect_eq(sum, product(i, N - 1 - i), "pair %lld", (long long)i);
        }
        cr_expect_leq(memory_now().peak, 2 << 20);
        for (int64_t i = 0; i < N; i += 37)
            expect_chunk(chunks[i], i);
    }
}

/* As they come and go: the reader is slower than the tasks, and nothing needs the disk for ever. */
Test(budget, a_stream_longer_than_memory, .timeout = 120)
{
    limit("1MiB");
    for_each_engine(client, 2)
    {
        sabal_future *chunks[N];

        make_chunks(chunks, N);
        for (int64_t i = 0; i < N; i++) {
            expect_chunk(chunks[i], i);
            sabal_release(chunks[i]);
        }
        expect_all_there(0);
    }
}

Test(budget, scattered_data_is_spilled_too, .timeout = 120)
{
    limit("1MiB");
    for_each_engine(client, 2)
    {
        static double words[WORDS];
        sabal_future *chunks[N];

        for (int64_t c = 0; c < N; c++) {
            for (int64_t i = 0; i < WORDS; i++)
                words[i] = word(c, i);
            chunks[c] = sabal_scatter(client, words, sizeof words);
            cr_expect_leq((int64_t)memory_now().managed, (1 << 20) + CHUNK, "%s chunk %lld: %zu",
                          ENGINES[walk_.next - 1], (long long)c, memory_now().managed);
        }
        for (int64_t c = 0; c < N; c++)
            expect_chunk(chunks[c], c);
    }
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

/* A text of many bytes that is one letter, with the number of those that exist. */
struct letters {
    int64_t n;
    char    letter;
};

static void letters_destroy(void *object)
{
    free(object);
}
static size_t letters_size(const void *object)
{
    return (size_t)((const struct letters *)object)->n;
}
static int32_t letters_encode(const void *object, sabal_piece *pieces, int32_t n)
{
    if (n > 0)
        pieces[0] = (sabal_piece){object, sizeof(struct letters)};
    return 1;
}
static void *letters_decode(const sabal_piece *pieces, int32_t n)
{
    struct letters *l = n == 1 && pieces[0].size == sizeof *l ? malloc(sizeof *l) : NULL;

    return l ? memcpy(l, pieces[0].data, sizeof *l) : NULL;
}
static const sabal_type LETTERS = {.struct_size = sizeof LETTERS,
                                   .name        = "letters",
                                   .destroy     = letters_destroy,
                                   .size        = letters_size,
                                   .encode      = letters_encode,
                                   .decode      = letters_decode};
static const sabal_type FIXED   = {
      .struct_size = sizeof FIXED, .name = "fixed letters", .destroy = letters_destroy, .size = letters_size};

static sabal_status task_letters(sabal_task *t)
{
    const char     *letter = sabal_task_arg(t);
    struct letters *l      = malloc(sizeof *l);

    *l = (struct letters){100000, *letter};
    return sabal_task_return_object(t, l, *letter < 'a' ? &FIXED : &LETTERS);
}

static sabal_status task_letter(sabal_task *t)
{
    return sabal_task_return(t, &((const struct letters *)sabal_task_input(t, 0))->letter, 1);
}

Test(budget, objects_are_spilled_by_their_encode, .timeout = 60)
{
    char          letters[26], letter;
    sabal_future *made[26];

    limit("1MiB");
    for (char i = 0; i < 26; i++)
        letters[(int)i] = (char)('a' + i);
    for_engines_with_results_here(client, 2)
    {
        sabal_map(made, client, task_letters, letters, 1, 26);
        cr_assert_eq(sabal_wait_all(list_of(made, 26), &err), SABAL_OK, "%s", err.message);
        cr_expect_gt(memory_now().spilled, 1000000);
        for (int i = 0; i < 26; i++) {
            sabal_future *f = sabal_submit(client, task_letter, NULL, 0, .inputs = SABAL_LIST(made[i]));

            cr_assert_eq(sabal_future_get(&letter, 1, f, &err), SABAL_OK, "%s", err.message);
            cr_expect_eq(letter, letters[i]);
        }
    }
}

/* --- what can't be had -------------------------------------------------------------------------------------------- */

static void expect_refusal(const sabal_future *const *f, int64_t n, sabal_status st, const char *word)
{
    int64_t refused = 0;

    for (int64_t i = 0; i < n; i++) {
        const sabal_error *e;

        sabal_future_wait(f[i], NULL);
        e = sabal_future_error(f[i]);
        if (!e)
            continue;
        refused++;
        cr_expect_eq(e->status, st, "%s", e->message);
        cr_expect(strstr(e->message, word) && strstr(e->message, "1.0 MiB") && strstr(e->message, "needs"), "%s",
                  e->message);
        cr_expect(strstr(e->where, "test_budget.c"), "%s", e->where);
    }
    cr_expect_geq(refused, 1);
    cr_expect_leq(refused, n - 9);
}

/* Within a mebibyte, twelve results of 100,000 bytes each that can't leave. */
enum { N_FIXED = 12 };
static void make_fixed(sabal_future **made)
{
    char letters[N_FIXED];

    limit("1MiB");
    memset(letters, 'A', sizeof letters);
    client = sabal_open("local:", &err, .threads = 2);
    sabal_map(made, client, task_letters, letters, 1, N_FIXED, .output_bytes = 100000);
}

Test(budget, a_task_is_refused_when_nothing_can_leave, .timeout = 60)
{
    sabal_future *made[N_FIXED];

    make_fixed(made);
    expect_refusal((const sabal_future *const *)made, N_FIXED, SABAL_ENOMEM, "task_letters");
    sabal_close(client);
}

/* The program gives back what it has while the task waits. */
Test(budget, a_task_waits_for_the_program_to_let_go, .timeout = 60)
{
    sabal_future *made[N_FIXED];

    make_fixed(made);
    for (int64_t left = N_FIXED, i; left > 0; left--) {
        sleep_ms(50);
        cr_assert_eq(sabal_wait_any(&i, list_of(made, left), &err), SABAL_OK);
        cr_expect_eq(sabal_future_state_get(made[i]), SABAL_FINISHED, "%s", err.message);
        sabal_release(made[i]);
        made[i] = made[left - 1];
    }
    sabal_close(client);
}

static const char *const BAD_FOLDERS[] = {"/nonexistent/folder", "/dev/shm"};

Test(budget, where_nothing_can_be_spilled_the_error_names_the_folder, .timeout = 60)
{
    limit("1MiB");
    for (size_t i = 0; i < sizeof BAD_FOLDERS / sizeof *BAD_FOLDERS; i++) {
        sabal_future *chunks[N];
        int64_t       good = 0;

        setenv("SABAL_SPILL_FOLDER", BAD_FOLDERS[i], 1);
        client = sabal_open("local:", &err, .threads = 2);
        make_chunks(chunks, 20);
        for (int64_t c = 0; c < 20; c++) {
            sabal_error own = SABAL_ERROR_INIT;

            if (sabal_future_wait(chunks[c], &own)) {
                cr_expect(strstr(own.message, BAD_FOLDERS[i]), "%s", own.message);
                sabal_release(chunks[c]);
            } else {
                good++;
            }
        }
        cr_expect_geq(good, 9);
        sabal_close(client);
    }
}

/* --- tasks that wait for memory ----------------------------------------------------------------------------------- */

/* Fills the memory with what can't leave, until all that are left wait for memory. One of these. */
static sabal_future *waiting_task(sabal_future **made)
{
    sabal_future *waits = NULL;
    int64_t       n     = 0;

    make_fixed(made);
    while (!n || n != memory_now().waiting) {
        sleep_ms(1);
        n = 0;
        for (int i = 0; i < N_FIXED; i++)
            if (sabal_future_state_get(made[i]) == SABAL_PENDING) {
                waits = made[i];
                n++;
            }
    }
    return waits;
}

Test(budget, a_task_that_waits_for_memory_can_be_cancelled, .timeout = 60)
{
    sabal_future *made[N_FIXED], *f;

    f = waiting_task(made);
    sabal_future_cancel(f);
    cr_expect_eq(sabal_future_wait(f, NULL), SABAL_ECANCELED);
    sabal_close(client);
}

Test(budget, a_client_can_be_closed_while_tasks_wait_for_memory, .timeout = 60)
{
    sabal_future *made[N_FIXED], *f;

    f = sabal_retain(waiting_task(made));
    sabal_close(client);
    cr_expect_eq(sabal_future_state_get(f), SABAL_CANCELLED);
    sabal_release(f);
}

/* Each waits for one that it submits, with memory of its own meanwhile. */
static sabal_status task_nested(sabal_task *t)
{
    int64_t       depth = *(const int64_t *)sabal_task_arg(t), less = depth - 1;
    char         *room = sabal_task_return_room(t, (size_t)CHUNK);
    sabal_error   own  = SABAL_ERROR_INIT;
    sabal_future *f;

    memset(room, 1, (size_t)CHUNK);
    if (!depth)
        return SABAL_OK;
    f = sabal_submit(sabal_task_client(t), task_nested, &less, sizeof less, .output_bytes = (size_t)CHUNK);
    return sabal_future_wait(f, &own) ? sabal_task_fail(t, own.status, "%s", own.message) : SABAL_OK;
}

Test(budget, tasks_that_wait_for_tasks_are_let_in_beyond_the_limit, .timeout = 60)
{
    limit("1MiB");
    for_each_engine(client, 2)
    {
        int64_t       depth[4] = {30, 30, 30, 30};
        sabal_future *f[4];

        sabal_map(f, client, task_nested, depth, sizeof *depth, 4, .output_bytes = (size_t)CHUNK);
        cr_expect_eq(sabal_wait_all(list_of(f, 4), &err), SABAL_OK, "%s", err.message);
    }
}

Test(budget, one_task_larger_than_the_limit_runs_alone, .timeout = 60)
{
    limit("100K");
    for_each_engine(client, 2)
    {
        sabal_future *chunks[6];
        int64_t       args[6] = {0, 1, 2, 3, 4, 5};

        sabal_map(chunks, client, task_chunk, args, sizeof *args, 6, .output_bytes = 1 << 20);
        for (int64_t i = 0; i < 6; i++)
            expect_chunk(chunks[i], i);
    }
}

/* --- what stays --------------------------------------------------------------------------------------------------- */

Test(budget, a_borrowed_result_stays_where_it_is, .timeout = 60)
{
    limit("1MiB");
    for_each_engine(client, 2)
    {
        sabal_future *chunks[N];
        const double *borrowed;

        make_chunks(chunks, 1);
        cr_assert_eq(sabal_future_borrow((const void **)&borrowed, NULL, chunks[0], &err), SABAL_OK);
        make_chunks(chunks + 1, N - 1);
        cr_assert_eq(sabal_wait_all(list_of(chunks, N), &err), SABAL_OK, "%s", err.message);
        for (int64_t i = 0; i < WORDS; i++)
            cr_assert_eq(borrowed[i], word(0, i));
    }
}

Test(budget, a_retained_result_can_be_got_after_the_client_closed, .timeout = 60)
{
    limit("1MiB");
    for_each_engine(client, 2)
    {
        sabal_future *chunks[N], *kept[2];

        make_chunks(chunks, N);
        cr_assert_eq(sabal_wait_all(list_of(chunks, N), &err), SABAL_OK, "%s", err.message);
        kept[0] = sabal_retain(chunks[0]);
        kept[1] = sabal_retain(chunks[N - 1]);
        sabal_close(client);
        walk_.client = NULL;
        expect_chunk(kept[0], 0);
        expect_chunk(kept[1], N - 1);
        sabal_release(kept[0]);
        sabal_release(kept[1]);
    }
}

/* A task that returned another's future has the same result: it is one record, counted in memory once. */
static sabal_status task_other(sabal_task *t)
{
    int64_t c = *(const int64_t *)sabal_task_arg(t);

    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), task_chunk, &c, sizeof c));
}

Test(budget, a_result_that_two_futures_have_is_spilled_once, .timeout = 60)
{
    limit("1MiB");
    client = sabal_open("local:", &err, .threads = 2);
    sabal_future *chunks[N];
    int64_t       args[N];

    for (int64_t i = 0; i < N; i++)
        args[i] = i;
    sabal_map(chunks, client, task_other, args, sizeof *args, N);
    cr_assert_eq(sabal_wait_all(list_of(chunks, N), &err), SABAL_OK, "%s", err.message);
    cr_expect_leq(memory_now().managed, 1 << 20);
    expect_all_there(N * CHUNK);
    for (int64_t i = 0; i < N; i++)
        expect_chunk(chunks[i], i);
    sabal_close(client);
}

/* --- what the review found ---------------------------------------------------------------------------------------- */

/* Results that the program has as n-d arrays can't leave; with room for more, tasks go on. */
static sabal_status task_array(sabal_task *t)
{
    const int64_t  shape[1] = {WORDS};
    sabal_error    own      = SABAL_ERROR_INIT;
    sabal_ndarray *array;
    void          *room;
    sabal_status   st = sbl_ndarray_create(&array, &room, SABAL_FLOAT64, 1, shape, &own);

    if (st)
        return st;
    memset(room, 0, (size_t)CHUNK);
    st = sabal_task_return_ndarray(t, array);
    sbl_handle_release(array);
    return st;
}

static sabal_status task_same(sabal_task *t)
{
    return sabal_task_return_ndarray(t, sabal_task_input_ndarray(t, 0));
}

Test(budget, what_the_program_holds_keeps_nobody_out_for_ever, .timeout = 60)
{
    sabal_future  *f[13];
    sabal_ndarray *held;

    limit("1MiB");
    client = sabal_open("local:", &err, .threads = 2);
    for (int i = 0; i < 13; i++) {
        f[i] = sabal_submit(client, task_array, NULL, 0, .output_bytes = (size_t)CHUNK);
        cr_assert_eq(sabal_future_wait(f[i], &err, .timeout_ns = 10000000000), SABAL_OK, "%d: %s", i, err.message);
        cr_assert_eq(sabal_future_ndarray(&held, f[i], &err), SABAL_OK);
    }
    sabal_close(client);
}

Test(budget, a_task_that_hands_on_its_input_has_the_same_record, .timeout = 60)
{
    sabal_future *made[40], *same[40];

    limit("1MiB");
    client = sabal_open("local:", &err, .threads = 2);
    for (int i = 0; i < 40; i++) {
        made[i] = sabal_submit(client, task_array, NULL, 0, .output_bytes = (size_t)CHUNK);
        same[i] = sabal_submit(client, task_same, NULL, 0, .inputs = SABAL_LIST(made[i]));
    }
    cr_assert_eq(sabal_wait_all(list_of(same, 40), &err, .timeout_ns = 20000000000), SABAL_OK, "%s", err.message);
    expect_all_there(40 * CHUNK);
    cr_expect_leq(memory_now().managed, 1 << 20);
    sabal_close(client);
}

/* Memory that comes free where nobody is told of it. */
Test(budget, a_task_comes_in_when_the_program_lets_go_of_an_array, .timeout = 60)
{
    limit("1MiB");
    for (int i = 0; i < 40; i++) {
        sabal_ndarray *array;
        void          *room;
        sabal_future  *f;

        client = sabal_open("local:", &err, .threads = 2);
        cr_assert_eq(sbl_ndarray_create(&array, &room, SABAL_FLOAT64, 1, (const int64_t[]){140000}, &err), SABAL_OK);
        f = sabal_submit(client, task_array, NULL, 0, .output_bytes = (size_t)CHUNK);
        nanosleep(&(struct timespec){0, 200000 * i}, NULL);
        sbl_handle_release(array);
        cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 10000000000), SABAL_OK, "%d: %s", i, err.message);
        sabal_close(client);
    }
}

/* The waiting one is run by who waits for it, and then waits for another; it is in the queue all the while. */
static sabal_status task_chains(sabal_task *t)
{
    return sabal_task_return_future(
        t, sabal_submit(sabal_task_client(t), task_array, NULL, 0, .output_bytes = (size_t)CHUNK));
}

static sabal_status task_waits_for_chain(sabal_task *t)
{
    sabal_future *in[4], *f;
    sabal_error   own = SABAL_ERROR_INIT;

    for (int i = 0; i < 4; i++)
        in[i] = sabal_submit(sabal_task_client(t), task_array, NULL, 0, .output_bytes = (size_t)CHUNK);
    f = sabal_submit(sabal_task_client(t), task_chains, NULL, 0, .inputs = SABAL_LIST(in[0], in[1], in[2], in[3]),
                     .output_bytes = (size_t)CHUNK);
    return sabal_future_wait(f, &own);
}

Test(budget, a_waiting_task_may_be_run_by_a_waiter_and_chain, .timeout = 60)
{
    sabal_future *f[20];

    limit("500KiB");
    client = sabal_open("local:", &err, .threads = 4);
    for (int i = 0; i < 20; i++)
        f[i] = sabal_submit(client, task_waits_for_chain, NULL, 0);
    cr_expect_eq(sabal_wait_all(list_of(f, 20), &err), SABAL_OK, "%s", err.message);
    sabal_close(client);
}
