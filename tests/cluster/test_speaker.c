/* What a member says last: all that it has to say, and then that it leaves. */
#include "support/test.h"

#include <pthread.h>

#include "cluster/speaker.h"
#include "net/both.h"

TestSuite(speaker, .init = make, .fini = end, .timeout = 60);

enum { TOLD = 200 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sbl_membership  membership;
static sbl_speaker     speaker;
static sbl_outbox      box;
static int64_t         told; /* bytes of letters that came before the word that it leaves; -1: that has not come */

static sbl_outbox *outbox(void *arg)
{
    return &box;
}

static void drained(void *arg, sbl_link *link)
{
    sbl_speak_on(&speaker);
}

static void ended(void *arg, sbl_link *link, const sabal_error *why)
{
    membership.link = NULL;
    side_ended(arg, link, why);
}

static void note(side *s, const sbl_received *frame)
{
    if (frame->type == SBL_TALK_LEAVE)
        told = s->bytes;
}

static void say_much(int64_t bytes)
{
    static const char ITEM[1 << 16];

    while ((int64_t)box.words.size < bytes)
        sbl_say(sbl_outbox_item(&box, SBL_LETTER_TASKS), ITEM, sizeof ITEM);
}

/* A member that is linked, and has so much to say. */
static void begin(int64_t bytes)
{
    static const sbl_link_calls MEMBER = {side_passed, side_received, drained, ended};

    told             = -1;
    a.options.calls  = &MEMBER;
    a.options.limits = b.options.limits = sbl_talk_limits;
    a.options.most                      = SBL_WELL_WAITING + (32 << 20);
    b.on_frame                          = note;
    connect_both(1);
    membership = (sbl_membership){.loop = loop, .link = a.link};
    speaker    = (sbl_speaker){loop, &membership, &lock, outbox};
    sbl_speaker_init(&speaker);
    say_much(bytes);
}

static void clear(void)
{
    sbl_speaker_clear(&speaker);
    sbl_words_clear(&box.words);
    box = (sbl_outbox){0};
}

Test(speaker, who_leaves_says_all_before_it_to_one_who_reads_slowly)
{
    begin(TOLD);
    sbl_link_pause(b.link, 1);
    sbl_speak(&speaker);
    for (int i = 0; i < 10; i++)
        sbl_evloop_turn(loop, 0);
    cr_expect_lt(speaker.gone, speaker.going.size, "some has to wait");
    say_much(1 << 20); /* meanwhile */
    sbl_speak_and_leave(&speaker, 20000000000);
    say_much(2 << 20); /* is heard too, as nothing was taken yet */
    sbl_link_pause(b.link, 0);
    TURN_UNTIL(told >= 0 && !a.link && !b.link);
    cr_expect_geq(told, TOLD + (2 << 20));
    clear();
}

Test(speaker, what_is_to_be_said_after_it_has_left_is_not)
{
    begin(1 << 20);
    sbl_speak_and_leave(&speaker, 20000000000);
    say_much(1 << 20);
    sbl_speak(&speaker);
    TURN_UNTIL(told >= 0 && !a.link && !b.link);
    cr_expect_lt(told, 3 << 19);
    cr_expect_geq(told, 1 << 20);
    clear();
}

Test(speaker, who_is_not_listened_to_leaves_when_its_patience_ends)
{
    int64_t began;

    begin(TOLD);
    sbl_link_pause(b.link, 1);
    began = sbl_clock_ns();
    sbl_speak_and_leave(&speaker, 100000000);
    TURN_UNTIL(!a.link);
    cr_expect_geq(sbl_clock_ns() - began, 100000000);
    cr_expect_lt(sbl_clock_ns() - began, 5000000000);
    cr_expect_eq(told, -1);
    clear();
}
