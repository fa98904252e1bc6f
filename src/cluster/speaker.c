/* One thread says what many have to say, and no more of it waits in the link than is well sent together. */
#include "cluster/speaker.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/talk.h"

/* What was to be said has gone: what there is to say now. Who leaves says that, and no more. */
static void take_words(sbl_speaker *s)
{
    sbl_outbox *box;

    sbl_words_clear(&s->going);
    s->gone = 0;
    if (s->stage >= SBL_SPEAKS_LAST)
        return;
    if (s->stage == SBL_IS_TO_LEAVE)
        s->stage = SBL_SPEAKS_LAST;
    pthread_mutex_lock(s->lock);
    box = s->outbox(s->arg);
    if (box) {
        sbl_outbox_close(box);
        s->going   = box->words;
        box->words = (sbl_words){0};
    }
    pthread_mutex_unlock(s->lock);
}

/* As far as the scheduler keeps up with it: the rest when the link has drained. */
static sabal_status say_some(sbl_speaker *s, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    while (!st && s->membership->link) {
        if (s->gone == s->going.size)
            take_words(s);
        if (!s->going.size && !s->going.failed)
            break;
        st = sbl_talk_some_letters(s->membership->link, &s->going, &s->gone, err);
        if (s->gone < s->going.size)
            break;
    }
    return st;
}

static void say(sbl_evwork *work)
{
    sbl_speaker *s   = (sbl_speaker *)(void *)((char *)work - offsetof(sbl_speaker, work));
    sabal_error  err = SABAL_ERROR_INIT;

    atomic_store_explicit(&s->spoke_ns, sbl_clock_ns(), memory_order_relaxed);
    atomic_store(&s->is_asked, 0);
    if (say_some(s, &err)) {
        sbl_error_prefix(&err, "the scheduler can't be told");
        sbl_membership_break(s->membership, &err);
    }
    if (s->stage != SBL_SPEAKS_LAST || s->gone < s->going.size)
        return;
    s->stage = SBL_HAS_SPOKEN;
    sbl_evloop_post(s->loop, &s->part); /* this may be another thread than the loop's */
}

static void part(sbl_speaker *s)
{
    const int64_t left = s->until - sbl_clock_ns();

    sbl_evtimer_clear(s->loop, &s->patience);
    if (s->membership->link)
        sbl_membership_leave(s->membership, left > 0 ? left : 0);
}

static void all_is_said(sbl_evwork *work)
{
    part((sbl_speaker *)(void *)((char *)work - offsetof(sbl_speaker, part)));
}

static void no_more_patience(sbl_evtimer *timer)
{
    part((sbl_speaker *)(void *)((char *)timer - offsetof(sbl_speaker, patience)));
}

void sbl_speak_and_leave(sbl_speaker *s, int64_t limit_ns)
{
    if (s->stage != SBL_STAYS)
        return;
    s->stage = SBL_IS_TO_LEAVE;
    s->until = sbl_clock_ns() + limit_ns;
    sbl_evtimer_set(s->loop, &s->patience, s->until);
    sbl_speak_later(s); /* who calls may have the lock */
}

/*
 * The thread that has something to say says it itself, if the loop sleeps: to wake another would cost more, and it might get no core
 * while this one goes on to the next task. But who has something to say again and again lets it gather.
 */
void sbl_speak(sbl_speaker *s)
{
    int64_t now;

    if (atomic_exchange(&s->is_asked, 1))
        return;
    now = sbl_clock_ns();
    if (now - atomic_load_explicit(&s->spoke_ns, memory_order_relaxed) < SBL_APART_NS || !sbl_evloop_borrow(s->loop)) {
        sbl_evloop_post(s->loop, &s->work);
        return;
    }
    say(&s->work);
    if (s->membership->link)
        sbl_link_send_now(s->membership->link);
    sbl_evloop_give_back(s->loop);
}

void sbl_speak_later(sbl_speaker *s)
{
    if (!atomic_exchange(&s->is_asked, 1))
        sbl_evloop_post(s->loop, &s->work);
}

void sbl_speak_on(sbl_speaker *s)
{
    if (s->gone < s->going.size)
        sbl_speak(s);
}

void sbl_speaker_init(sbl_speaker *s)
{
    s->work.run      = say;
    s->part.run      = all_is_said;
    s->patience.fire = no_more_patience;
}

void sbl_speaker_clear(sbl_speaker *s)
{
    if (s->stage != SBL_STAYS)
        sbl_evtimer_clear(s->loop, &s->patience);
    sbl_words_clear(&s->going);
}
