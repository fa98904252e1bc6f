/*
 * What clients are told. Each time that a client is woken costs it and the scheduler some ten microseconds of a core, as much as many
 * a task. So one that has far more to wait for than runs at a time hears of several ends together; also if what it waits for
 * can't run, and it has something else done meanwhile: each end comes a millisecond later then.
 */
#include "cluster/office_parts.h"

#include "cluster/core/letters.h"

enum { APART_NS = 1000000, MOST_NEWS = 64 << 10 };

/* All else is waited for, or is a failure. */
static int are_ends(const sbl_words *words)
{
    sbl_reader frame = {.at = words->bytes, .end = words->bytes + words->size}, letter;
    uint32_t   kind;

    while ((kind = sbl_letter_next(&letter, &frame)))
        if (kind != SBL_LETTER_DONE)
            return 0;
    return 1;
}

/* Of a link that is over `ended` tells, and why. */
static void say(sbl_member *m, const sbl_words *words)
{
    sabal_error        err = SABAL_ERROR_INIT;
    const sabal_status st  = sbl_talk_letters(m->link, words, &err);

    m->told_ns = sbl_evloop_now(m->office->loop);
    if (st && st != SABAL_EPEER)
        sbl_office_end_member(m, err.message);
}

static void are_due(sbl_evtimer *timer)
{
    sbl_office_tell_news((sbl_member *)(void *)((char *)timer - offsetof(sbl_member, news_due)));
}

void sbl_office_tell(sbl_member *m, const sbl_words *words)
{
    sbl_office   *o   = m->office;
    const int64_t due = m->told_ns + APART_NS;
    const int waits = sbl_evloop_now(o->loop) < due && sbl_scheduler_has_plenty(o->core, m->number) && are_ends(words);

    if (!waits && !m->news.size) {
        say(m, words);
        return;
    }
    sbl_say(&m->news, words->bytes, words->size);
    if (!waits || m->news.failed || m->news.size > MOST_NEWS) {
        sbl_office_tell_news(m);
    } else if (!m->news_due.is_set) {
        m->news_due.fire = are_due;
        sbl_evtimer_set(o->loop, &m->news_due, due);
    }
}

void sbl_office_tell_news(sbl_member *m)
{
    sbl_evtimer_clear(m->office->loop, &m->news_due);
    if (!m->is_dropped && (m->news.size || m->news.failed))
        say(m, &m->news);
    sbl_words_clear(&m->news);
}

void sbl_office_forget_news(sbl_member *m)
{
    sbl_evtimer_clear(m->office->loop, &m->news_due);
    sbl_words_clear(&m->news);
}
