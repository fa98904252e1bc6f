/*
 * Mail: what one certain thread of the pool shall run and no other may steal. It is an offer, not a promise: that thread
 * may be busy, or asleep while as many as may be are awake. So who has sent it takes it back when he has nothing better
 * to do, and runs it himself.
 */
#include "sched/worker.h"

int sbl_mail_put(sbl_slot *to, sbl_mail *mail)
{
    sbl_mail *none = NULL;

    /* release: the mail; pairs with the acquire in sbl_mail_run() */
    if (!atomic_compare_exchange_strong_explicit(&to->mail, &none, mail, memory_order_release, memory_order_relaxed))
        return 0;
    sbl_wake_thread(to);
    return 1;
}

int sbl_mail_take_back(sbl_slot *to, sbl_mail *mail)
{
    sbl_chaos();
    return atomic_compare_exchange_strong_explicit(&to->mail, &mail, NULL, memory_order_relaxed, memory_order_relaxed);
}

int sbl_mail_run(sbl_slot *self)
{
    sbl_regions before = sbl_me.regions;
    sbl_mail   *mail   = atomic_load_explicit(&self->mail, memory_order_relaxed);

    if (__builtin_expect(!mail, 1))
        return 0;
    sbl_chaos();
    mail = atomic_exchange_explicit(&self->mail, NULL, memory_order_acquire);
    if (!mail)
        return 0; /* taken back */
    sbl_stop_searching(self);
    sbl_add(&self->steals, 1);
    mail->run(mail, self);
    if (__builtin_expect(sbl_regions_differ(before), 0))
        sbl_regions_mend(before);
    return 1;
}
