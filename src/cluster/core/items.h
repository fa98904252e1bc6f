/* What a worker has: tasks that are to run there, and values. Private to executor*.c and items.c. */
#ifndef SBL_CORE_ITEMS_H
#define SBL_CORE_ITEMS_H

#include "cluster/core/executor.h"

enum {
    SBL_I_COMING,  /* a value that is being fetched */
    SBL_I_WAITING, /* a task whose inputs are not all here */
    SBL_I_READY,   /* handed to the driver */
    SBL_I_STOPPED, /* nobody wants it any more, but it runs */
    SBL_I_HERE     /* its value is here */
};

/* An input of a task: in a list of the item that it is. */
typedef struct sbl_input {
    struct sbl_input *next, **link;
    sbl_item         *of;   /* the task */
    sbl_item         *item; /* NULL: it ended without a value */
} sbl_input;

struct sbl_item {
    sbl_item    *next;          /* with the same hash */
    sbl_item    *newer, *older; /* of those that may be given back */
    sbl_input   *users;         /* tasks here that have it as an input */
    uint32_t     task, attempt;
    uint32_t     awaited; /* a task: of sbl_order */
    uint8_t      state;
    uint8_t      is_told;    /* the scheduler keeps the value: here it is only for those who use it */
    uint8_t      is_dropped; /* the scheduler needs it no more */
    uint8_t      is_copy;    /* it was made elsewhere */
    uint8_t      is_asked;   /* the scheduler wants a copy here, whoever uses it */
    uint8_t      is_disowned;
    uint32_t     worker; /* from where it is fetched */
    uint64_t     size;
    void        *value;
    uint32_t     missing;
    sbl_task_run run;
    void       **values; /* of its inputs, when they are here */
    sbl_input   *inputs;
    char        *arg;
    void        *tag; /* the driver's */
};

struct sbl_executor {
    sbl_executor_calls calls;
    sbl_outbox         out;
    sbl_item         **table; /* a power of two */
    uint32_t           room, n;
    sbl_item          *newest; /* of those that may be given back: tasks, as long as they have not ended */
    int                no_memory;
};

/** The item of that name, or NULL. */
sbl_item *sbl_item_find(const sbl_executor *x, uint32_t task, uint32_t attempt);
/** A new one; no other has that name. NULL: no memory. */
sbl_item *sbl_item_make(sbl_executor *x, uint32_t task, uint32_t attempt, int state);
/** It is gone. Those who wait for it will hear of that by the scheduler. */
void sbl_item_end(sbl_executor *x, sbl_item *item);
/** Nobody finds it by its name any more: a value that can't be read. It goes with its last user. */
void sbl_item_disown(sbl_executor *x, sbl_item *item);
/** A task that is to run. 1: it had not begun, and never will. */
int sbl_item_take_back(sbl_executor *x, sbl_item *item);
/** Into the list of those that may be given back, or out of it. */
void sbl_item_may_be_given(sbl_executor *x, sbl_item *item);
void sbl_item_is_kept(sbl_executor *x, sbl_item *item);
/** Ends it if nobody here uses it, and nobody elsewhere needs it. */
void sbl_item_look(sbl_executor *x, sbl_item *item);
/** `of` has it as an input from now on. */
void sbl_item_use(sbl_input *in, sbl_item *of, sbl_item *item);
void sbl_item_let_inputs_go(sbl_executor *x, sbl_item *item);
/** Its inputs are here: it goes to the driver. */
void sbl_item_start(sbl_executor *x, sbl_item *item);
/** Its value is here, for all who wait for it. */
void sbl_item_be_here(sbl_executor *x, sbl_item *item, void *value);

/** What is said to the scheduler. task NULL: it is lacking for nobody's sake but the scheduler's. */
void sbl_executor_say_name(sbl_executor *x, uint32_t kind, uint32_t task, uint32_t attempt);
void sbl_executor_say_lack(sbl_executor *x, const sbl_item *task, const sbl_item *input, uint32_t worker);
void sbl_executor_say_failure(sbl_executor *x, const sbl_item *item, const sabal_error *err);

#endif
