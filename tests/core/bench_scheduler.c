/*
 * The scheduler's core with null workers: who is sent a task says at once that it is done. PATTERN (map, tree, chain, broadcast)
 * TASKS WORKERS [THREADS]: prints the ns that the core takes for a task and to forget one, and the bytes that a task takes while all
 * of them are there, with what was said about it and not yet read. Run by `tools/bench scheduler`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cluster/core/scheduler.h"

/* What was said to one worker, or to the client. */
typedef struct mailbox {
    sbl_words words;
    int       is_full;
} mailbox;

static mailbox  *boxes; /* by slot */
static uint32_t *full, n_full;
static int64_t   spent;
static uint64_t  n_done;
static int       is_broadcast;

static uint32_t slot_of(uint32_t peer)
{
    return peer & 0xffff;
}

static void take(void *arg, uint32_t peer, sbl_words *words)
{
    const int64_t start = sbl_clock_ns();
    mailbox      *box   = &boxes[slot_of(peer)];

    sbl_say(&box->words, words->bytes, words->size);
    if (!box->is_full)
        full[n_full++] = peer;
    box->is_full = 1;
    spent -= sbl_clock_ns() - start; /* a link's */
}

static void drop(void *arg, uint32_t peer, const char *why)
{
    fprintf(stderr, "peer %u was dropped: %s\n", peer, why);
    exit(1);
}

static void introduce(void *arg, uint32_t peer, uint32_t worker)
{
}

static void hear(sbl_scheduler *s, uint32_t peer, sbl_outbox *box)
{
    int64_t start;

    sbl_outbox_close(box);
    start = sbl_clock_ns();
    sbl_scheduler_hear(s, peer, box->words.bytes, box->words.size, start);
    sbl_scheduler_send(s);
    spent += sbl_clock_ns() - start;
    sbl_outbox_empty(box);
}

/* What it is sent from elsewhere, it has from then on. */
static void take_inputs(sbl_outbox *out, sbl_reader *r, uint32_t n)
{
    while (n--) {
        const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
        uint32_t       where;

        sbl_hear(r, 8);
        where = sbl_hear_u32(r);
        if (where < SBL_CLIENT_HAS) {
            sbl_words *w = sbl_outbox_item(out, SBL_LETTER_HAVE);

            sbl_say_u32(w, task);
            sbl_say_u32(w, attempt);
        }
        if (where == SBL_HERE_IT_IS)
            sbl_hear(r, sbl_hear_u32(r));
        if (where == SBL_CLIENT_HAS)
            sbl_hear(r, 4);
    }
}

/* One worker answers all that it was sent; the client counts. */
static void answer(sbl_scheduler *s, uint32_t peer, uint32_t client)
{
    static sbl_outbox out;
    sbl_words         words = boxes[slot_of(peer)].words;
    sbl_reader        frame = {.at = words.bytes, .end = words.bytes + words.size}, r;
    uint32_t          kind;
    uint64_t          value = 1;

    memset(&boxes[slot_of(peer)], 0, sizeof(mailbox));
    while ((kind = sbl_letter_next(&r, &frame)))
        while (!sbl_reader_is_at_end(&r) && (kind == SBL_LETTER_RUN || kind == SBL_LETTER_DONE)) {
            if (kind == SBL_LETTER_RUN) {
                sbl_order  order;
                sbl_words *w;
                uint64_t   number;

                sbl_hear_order(&order, &r);
                take_inputs(&out, &r, order.n_inputs);
                memcpy(&number, sbl_hear(&r, order.arg_size), sizeof number);
                w = sbl_outbox_item(&out, SBL_LETTER_READY);
                sbl_say_u32(w, order.task);
                sbl_say_u32(w, order.attempt);
                sbl_say_u64(w, 1000);
                sbl_say_u64(w, sizeof value);
                if (is_broadcast && number == 1) { /* too large to be told */
                    sbl_say_u32(w, SBL_ELSEWHERE);
                    continue;
                }
                sbl_say_u32(w, sizeof value);
                sbl_say_u64(w, value);
            } else {
                uint32_t size;

                sbl_hear(&r, 16);
                size = sbl_hear_u32(&r);
                sbl_hear(&r, size == SBL_ELSEWHERE ? 0 : size);
                n_done++;
            }
        }
    sbl_words_clear(&words);
    if (out.words.size)
        hear(s, peer, &out);
}

/* All but the first have that as their input. */
static void say_broadcast(sbl_outbox *out, uint64_t first, uint32_t n)
{
    for (int part = first == 1 ? 0 : 1; part < 2; part++) {
        const uint64_t from = part && first == 1 ? 2 : first;
        const uint32_t k    = part ? n - (uint32_t)(from - first) : 1;
        sbl_words     *w    = sbl_outbox_item(out, SBL_LETTER_TASKS);

        sbl_say_group(
            w, &(sbl_group){.serial = from, .n = k, .spec = 1, .n_inputs = (uint32_t)part, .shared = 1, .arg_size = 8});
        if (part)
            sbl_say_u64(w, 1);
        for (uint32_t i = 0; i < k; i++)
            sbl_say_u64(w, from + i);
    }
}

static void say_tasks(sbl_outbox *out, const char *pattern, uint64_t first, uint32_t n)
{
    const int is_chain = !strcmp(pattern, "chain"), is_tree = !strcmp(pattern, "tree");

    if (is_broadcast) {
        say_broadcast(out, first, n);
        return;
    }
    if (!is_chain && !is_tree) {
        sbl_words *w = sbl_outbox_item(out, SBL_LETTER_TASKS);

        sbl_say_group(w, &(sbl_group){.serial = first, .n = n, .spec = 1, .arg_size = 8});
        for (uint32_t i = 0; i < n; i++)
            sbl_say_u64(w, i);
        return;
    }
    for (uint64_t i = first; i < first + n; i++) {
        sbl_words     *w = sbl_outbox_item(out, SBL_LETTER_TASKS);
        const uint32_t k = i == 1 ? 0 : is_chain ? 1 : i < 4 ? 1 : 2;

        sbl_say_group(w, &(sbl_group){.serial = i, .n = 1, .spec = 1, .n_inputs = k, .arg_size = 8});
        if (k)
            sbl_say_u64(w, is_chain ? i - 1 : i / 2);
        if (k == 2)
            sbl_say_u64(w, i / 2 - 1);
        sbl_say_u64(w, i);
    }
}

int main(int argc, char **argv)
{
    const char    *pattern   = argc > 1 ? argv[1] : "map";
    const uint64_t n_tasks   = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    const uint32_t n_workers = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
    const int32_t  threads   = argc > 4 ? atoi(argv[4]) : 1;
    sbl_scheduler *s         = sbl_scheduler_create(&(sbl_scheduler_calls){take, drop, introduce, NULL}, NULL);
    sbl_outbox     out       = {0};
    int64_t        resident, a_task;
    double         bytes;
    uint32_t       client;
    const char    *wrong;

    is_broadcast = !strcmp(pattern, "broadcast");
    if (!is_broadcast && strcmp(pattern, "map") && strcmp(pattern, "tree") && strcmp(pattern, "chain")) {
        fprintf(stderr, "%s: no pattern; there are map, tree, chain and broadcast\n", pattern);
        return 2;
    }
    boxes  = calloc(65536, sizeof *boxes);
    full   = calloc(1 << 20, sizeof *full);
    client = sbl_scheduler_client_came(s, 0);
    for (uint32_t i = 0; i < n_workers; i++)
        sbl_scheduler_worker_came(s, threads, 0);
    sbl_say_spec(sbl_outbox_item(&out, SBL_LETTER_SPEC),
                 &(sbl_spec){.number = 1, .name = "null", .where = "", .code = ""});
    resident = sbl_limits_resident();
    for (uint64_t i = 1; i <= n_tasks; i += 1000) {
        say_tasks(&out, pattern, i, (uint32_t)(n_tasks - i + 1 < 1000 ? n_tasks - i + 1 : 1000));
        hear(s, client, &out);
    }
    bytes = (double)(sbl_limits_resident() - resident) / (double)n_tasks;
    while (n_full)
        answer(s, full[--n_full], client);
    wrong = sbl_scheduler_check(s);
    if (wrong || n_done != n_tasks) {
        fprintf(stderr, "%s: %llu of %llu tasks done; %s\n", pattern, (unsigned long long)n_done,
                (unsigned long long)n_tasks, wrong ? wrong : "");
        return 1;
    }
    a_task = spent;
    spent  = 0;
    sbl_say_u64(sbl_outbox_item(&out, SBL_LETTER_RELEASE), 1);
    sbl_say_u64(&out.words, n_tasks);
    hear(s, client, &out);
    printf("{\"ns\": %.1f, \"forget_ns\": %.1f, \"bytes\": %.1f}\n", (double)a_task / (double)n_tasks,
           (double)spent / (double)n_tasks, bytes);
    sbl_scheduler_lost(s, client, NULL, 0);
    sbl_scheduler_destroy(s);
    return 0;
}
