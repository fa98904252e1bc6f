/* The pool as the explorer has it: small, and no spin longer than one look. src/sched/worker.h has the real numbers. */
#ifndef SBL_TESTS_EXPLORE_SMALL_H
#define SBL_TESTS_EXPLORE_SMALL_H

#define SBL_RECORDS       6
#define SBL_PER_BLOCK     2
#define SBL_MAX_THREADS   64
#define SBL_SPARES        1
#define SBL_GUESTS        2
#define SBL_SEARCH_ROUNDS 1
#define SBL_WATCHES       1
#define SBL_UNCOUNTED     1
#define SBL_SEARCH_NS     0
#define SBL_IN_A_ROW      2
#define SBL_ASK_AFTER     1
#define SBL_SYNC_ROUNDS   2
#define SBL_SYNC_NS       0
#define SBL_EVENT_ROUNDS  1
#define SBL_HOME_PATIENCE 2

#endif
