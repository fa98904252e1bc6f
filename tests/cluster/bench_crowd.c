/*
 * The connections of many workers to one scheduler, all of them in this process, which runs nothing. FILE N: says how long it took
 * until all had joined, in seconds; then each says its heartbeats until standard input ends. Run by `tools/bench scheduler`.
 */
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/core/executor.h"
#include "cluster/membership.h"

enum { PATIENCE_S = 60, LOOK_NS = 50000000 };

typedef struct member {
    sbl_membership membership;
    sbl_evtimer    beat;
    int64_t        beat_ns;
} member;

static sbl_evloop *loop;
static int         n_joined;

static void say_beat(sbl_evtimer *timer)
{
    member     *m     = (member *)(void *)((char *)timer - offsetof(member, beat));
    sbl_outbox  out   = {0};
    sabal_error err   = SABAL_ERROR_INIT;
    sbl_words  *words = sbl_outbox_item(&out, SBL_LETTER_BEAT);

    sbl_say_u64(words, 0);
    sbl_say_u64(words, 0);
    sbl_outbox_close(&out);
    if (sbl_talk_letters(m->membership.link, &out.words, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    sbl_words_clear(&out.words);
    sbl_evtimer_set(loop, timer, sbl_clock_ns() + m->beat_ns);
}

static void joined(void *arg, uint32_t number, int64_t beat_ns)
{
    member *m = arg;

    n_joined++;
    m->beat_ns   = beat_ns;
    m->beat.fire = say_beat;
    sbl_evtimer_set(loop, &m->beat, sbl_clock_ns());
}

static void over(void *arg, const sabal_error *why)
{
    fprintf(stderr, "%s\n", why->message);
    exit(1);
}

static void letters(void *arg, const void *bytes, size_t size)
{
}

static int meet(void *arg, uint32_t worker, const sbl_joining *who)
{
    return 1;
}

static void gone(void *arg, uint32_t worker)
{
}

static const sbl_membership_calls CALLS = {
    .joined = joined, .over = over, .letters = letters, .meet = meet, .gone = gone};

static int input_has_ended(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&in, 1, 0) > 0;
}

int main(int argc, char **argv)
{
    const int     n     = argc > 2 ? atoi(argv[2]) : 1000;
    sabal_error   err   = SABAL_ERROR_INIT;
    member       *all   = calloc((size_t)n, sizeof *all);
    sbl_joining   who   = {.threads = 1, .pid = (uint32_t)getpid()};
    const int64_t began = sbl_clock_ns(), until = began + PATIENCE_S * 1000000000LL;

    sbl_machine_here(&who.machine);
    if (argc < 2 || n < 1) {
        fprintf(stderr, "usage: %s SCHEDULER_FILE [CONNECTIONS]\n", argv[0]);
        return 2;
    }
    if (!all || sbl_evloop_create(&loop, 0, &err)) {
        fprintf(stderr, "%s\n", all ? err.message : "out of memory");
        return 1;
    }
    for (int i = 0; i < n; i++) {
        snprintf(who.name, sizeof who.name, "w%d", i);
        if (sbl_membership_open(&all[i].membership, loop, argv[1], SBL_ROLE_WORKER, until, &CALLS, &all[i], &err) ||
            sbl_membership_join(&all[i].membership, &who, until, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    while (n_joined < n)
        sbl_evloop_turn(loop, sbl_clock_ns() + LOOK_NS);
    printf("{\"seconds\": %.4f}\n", (double)(sbl_clock_ns() - began) / 1e9);
    fflush(stdout);
    while (!input_has_ended())
        sbl_evloop_turn(loop, sbl_clock_ns() + LOOK_NS);
    return 0;
}
