/* Frames between processes. */
#include "support/test.h"

#include "cluster/core/letters.h"
#include "cluster/talk.h"
#include "net/both.h"

TestSuite(talk, .init = make, .fini = end, .timeout = 60);

enum { TOLD = 200 << 20 };

/* The other side does not read: what waits stays bounded, and the rest goes when it reads again. */
Test(talk, more_letters_than_the_other_side_keeps_up_with_wait_where_they_are)
{
    static const char ITEM[1 << 16];
    sbl_outbox        box = {0};
    size_t            at  = 0;

    a.options.limits = b.options.limits = sbl_talk_limits;
    a.options.most                      = SBL_WELL_WAITING + (32 << 20);
    connect_both(1);
    while (box.words.size < TOLD)
        sbl_say(sbl_outbox_item(&box, SBL_LETTER_TASKS), ITEM, sizeof ITEM);
    sbl_outbox_close(&box);
    sbl_link_pause(b.link, 1);
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(sbl_talk_some_letters(a.link, &box.words, &at, NULL), SABAL_OK);
        cr_expect_leq(sbl_link_waiting(a.link), a.options.most);
        sbl_evloop_turn(loop, 0);
    }
    cr_expect_lt(at, TOLD);
    sbl_link_pause(b.link, 0);
    while (at < box.words.size) {
        const int drained = a.drained;

        TURN_UNTIL(a.drained > drained);
        cr_expect_eq(sbl_talk_some_letters(a.link, &box.words, &at, NULL), SABAL_OK);
    }
    TURN_UNTIL(b.bytes == (int64_t)box.words.size);
    sbl_words_clear(&box.words);
}
