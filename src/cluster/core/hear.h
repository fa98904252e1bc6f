/* What hears peers: hear.c tells their letters apart, hear_client.c and hear_worker.c hear an item each. Private to them. */
#ifndef SBL_CORE_HEAR_H
#define SBL_CORE_HEAR_H

#include "cluster/core/state.h"

/* Who speaks, and what he says. */
typedef struct sbl_saying {
    sbl_scheduler *s;
    uint32_t       slot;
    sbl_peer      *p;
    sbl_reader    *r;
} sbl_saying;

/** Says what can't be meant: it is dropped, and not heard any further. */
void sbl_break_off(const sbl_saying *y, const char *why);
/** That worker does not have it, whatever was thought, says that peer. */
void sbl_is_not_at(sbl_scheduler *s, uint32_t task, uint32_t worker, uint32_t who_says);

void sbl_hear_client_spec(const sbl_saying *y);
void sbl_hear_tasks(const sbl_saying *y);
void sbl_hear_data(const sbl_saying *y);
void sbl_hear_release(const sbl_saying *y);
void sbl_hear_cancel(const sbl_saying *y);
void sbl_hear_spread(const sbl_saying *y);
void sbl_hear_look(const sbl_saying *y);
void sbl_hear_each(const sbl_saying *y); /* each.c */

void sbl_hear_ready(const sbl_saying *y);
void sbl_hear_ended(const sbl_saying *y);
void sbl_hear_chain(const sbl_saying *y);
void sbl_hear_lack(const sbl_saying *y);
void sbl_hear_have(const sbl_saying *y);
void sbl_hear_gave(const sbl_saying *y);
void sbl_hear_spare(const sbl_saying *y);
void sbl_hear_beat(const sbl_saying *y);
void sbl_hear_retire(const sbl_saying *y);
void sbl_hear_no_room(const sbl_saying *y);

/** 1: a client may use those numbers; else it is dropped. They come in any order, as several threads submit, and data is told of when
    a task first has it as an input. */
int sbl_takes_numbers(const sbl_saying *y, uint64_t first, uint64_t n);
/** A task fails without a record: there was no memory for it. */
void sbl_refuse(const sbl_saying *y, uint64_t serial);
/** A record that is not begun, on which nothing depends, ends. */
void sbl_take_back(const sbl_saying *y, uint32_t task);
/** Notes in a failure whose it is, as the client knows it: the task's key, and the user's line. */
void sbl_sign(const sbl_scheduler *s, const sbl_stask *t, sabal_error *err);

#endif
