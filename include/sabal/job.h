/*
 * Fork-join at the price of a call. Loops, reductions and scans over ranges are in <sabal/loop.h>.
 *
 *     SABAL_JOB(long, fib, int, n)
 *     {
 *         if (n < 2) return n;
 *         SABAL_SPAWN(fib, n - 1);
 *         long y = SABAL_CALL(fib, n - 2);
 *         return y + SABAL_SYNC(fib);
 *     }
 *
 *     long r = SABAL_RUN(client, fib, 40);
 */
#ifndef SABAL_JOB_H
#define SABAL_JOB_H

#include <sabal/client.h>

#ifdef SABAL_DEBUG
#include <sabal/pool.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Defines a job: SABAL_JOB(type, name, type1, argument1, type2, argument2, ...) { body }
 *
 *   type  what it returns, of up to 40 bytes; void is allowed
 *   ...   none to six arguments, passed by value, 40 bytes together (more: a pointer to a structure that lives until
 *         the sync). A type that the name can't follow (an array, a pointer to a function) needs a typedef.
 *
 * It is a static inline function of this file. Inside, SABAL_SPAWN, SABAL_CALL and SABAL_SYNC may be used; every job
 * that was spawned must be synced before the body is left, last spawned first. In C++ arguments and result must be
 * trivially copyable, and no exception may leave a job.
 *
 * With SABAL_DEBUG defined before the header is included, a sync too many, a sync of another job than the one spawned
 * last, and a body that is left with jobs not synced (or a region of <sabal/pool.h> open) end the program with a message
 * that names job and line. Jobs cost a few ns more then.
 *
 * Source: split deques: van Dijk and van de Pol, Lace, MuCoCoS 2014; leapfrogging: Wagner and Calder, PPoPP 1993.
 */
#define SABAL_JOB(...) SABAL_JOB_PICK_(SABAL_JOB_WHOLE_, __VA_ARGS__)(__VA_ARGS__)
/** The two halves of SABAL_JOB, for jobs that spawn each other: first all declarations, then the bodies. */
#define SABAL_JOB_DECLARE(...) SABAL_JOB_PICK_(SABAL_JOB_DECLARE_, __VA_ARGS__)(__VA_ARGS__)
#define SABAL_JOB_BODY(...)    SABAL_JOB_PICK_(SABAL_JOB_BODY_, __VA_ARGS__)(__VA_ARGS__)

/**
 * SABAL_SPAWN(job, arguments...): lets another thread run the job if one is idle, else it is run at its sync.
 *
 * Cost: writing one record of 64 bytes. Once 131,072 jobs of a thread wait for their sync, a further one is run at
 * once, which costs 64 bytes of heap until its sync; should there be none, it waits until there is.
 */
#define SABAL_SPAWN(...) SABAL_JOB_CAT_(SABAL_SPAWN_, SABAL_JOB_MANY_(__VA_ARGS__))(__VA_ARGS__)
/** SABAL_CALL(job, arguments...): runs it now and gives its result. A plain call. */
#define SABAL_CALL(...) SABAL_JOB_CAT_(SABAL_CALL_, SABAL_JOB_MANY_(__VA_ARGS__))(__VA_ARGS__)
/**
 * SABAL_SYNC(job): the result of the job that was spawned last and not synced yet, which must be of this name. Each
 * sync belongs in an expression of its own: the order of two syncs in one sum is not defined.
 *
 * If nobody took the job, it is called here, typed and inlined. Else this thread runs jobs that the taker spawned, and
 * sleeps if there are none, while another thread takes its place.
 */
#define SABAL_SYNC(job)                                                                                                \
    (SABAL_JOB_CHECK_(SABAL_JOB_NOW_ > sabal_first_, SABAL_HERE, "SABAL_SYNC(" #job ") without a spawn in this job"),  \
     --SABAL_JOB_NOW_,                                                                                                 \
     SABAL_JOB_CHECK_(SABAL_JOB_NOW_ >= sabal_place_->end || SABAL_JOB_NOW_->run == sabal_run_##job, SABAL_HERE,       \
                      "SABAL_SYNC(" #job ") of another job than the one spawned last"),                                \
     sabal_sync_##job(sabal_place_, SABAL_JOB_NOW_))
/**
 * SABAL_RUN(client, job, arguments...): runs a job, with all it spawns, on the client's pool, and gives its result.
 *
 * May be called from any thread. One that does not belong to the pool takes part itself, in the place of one of the
 * pool's, and waits for nobody to start. Inside a job use SABAL_CALL; in a plain function that a job calls, SABAL_RUN is
 * right. With a client that is NULL, failed or closed, and in a process that was forked, the job runs on this thread alone.
 */
#define SABAL_RUN(client, ...) SABAL_JOB_CAT_(SABAL_RUN_, SABAL_JOB_MANY_(__VA_ARGS__))((client), __VA_ARGS__)

/* --- what the macros are made of; not for direct use ------------------------------------------------------- */

struct sabal_place;
struct sabal_record;
typedef void sabal_job_fn(struct sabal_place *place, struct sabal_record *head, struct sabal_record *self);

/* One spawned job: 64 bytes in its place's deque. Each job lays its arguments, then its result, over `data`. */
struct sabal_record {
    sabal_job_fn *run;
    uintptr_t     thief; /* the library's: who took it, whether it is done */
    unsigned char data[48];
} __attribute__((aligned(64)));

/* A deque as its owner sees it. A record below `split` may have been stolen, one at `split` or above can't be. */
struct sabal_place {
    struct sabal_record *split;
    struct sabal_record *end;
    unsigned char        request __attribute__((aligned(128))); /* a thief wants more; alone on its lines */
} __attribute__((aligned(128)));

/** The rare ways of the macros: a thief asked for more; a record that may be stolen (NULL: it was not, call it; else where the result
   is); no room for a record; a root. */
SABAL_API void                 sabal_job_share(struct sabal_place *place, struct sabal_record *head);
SABAL_API struct sabal_record *sabal_job_sync(struct sabal_place *place, struct sabal_record *record);
SABAL_API void sabal_job_overflow(struct sabal_place *place, struct sabal_record *head, struct sabal_record *record);
SABAL_API void sabal_job_run(const sabal_client *client, struct sabal_record *root);

#ifdef __cplusplus
} /* extern "C" */
#define SABAL_JOB_ASSERT_ static_assert
#else
#define SABAL_JOB_ASSERT_ _Static_assert
#endif

#ifdef SABAL_DEBUG
#define SABAL_JOB_CHECK_(condition, where, what) ((condition) ? (void)0 : sabal_misuse_((where), (what)))
#else
#define SABAL_JOB_CHECK_(condition, where, what) ((void)0)
#endif

/* clang-format off: tables of macros, to be read across */
#define SABAL_JOB_CAT_(a, b)  SABAL_JOB_CAT2_(a, b)
#define SABAL_JOB_CAT2_(a, b) a##b
/* prefix followed by the number of arguments behind type and name */
#define SABAL_JOB_PICK_(prefix, ...)                                                                                   \
    SABAL_JOB_CAT_(prefix, SABAL_JOB_COUNT_(__VA_ARGS__, 6, odd, 5, odd, 4, odd, 3, odd, 2, odd, 1, odd, 0, odd, ~))
#define SABAL_JOB_COUNT_(r, f, a, b, c, d, e, g, h, i, j, k, l, m, n, ...) n
/* 1_ for a job's name alone, N_ for one with arguments behind it */
#define SABAL_JOB_MANY_(...)                                                                                           \
    SABAL_JOB_LAST_(__VA_ARGS__, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, N_, 1_, ~)
#define SABAL_JOB_LAST_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, ...) t
/* VOID_ for the type void, VALUE_ for any other, `void *` included */
#define SABAL_JOB_PROBE_void()            ~, VOID_
#define SABAL_JOB_KIND_(type)             SABAL_JOB_SECOND_(SABAL_JOB_PROBE_##type(), VALUE_, ~)
#define SABAL_JOB_SECOND_(...)            SABAL_JOB_SECOND2_(__VA_ARGS__)
#define SABAL_JOB_SECOND2_(a, b, ...)     b
#define SABAL_JOB_TYPE_VALUE_(type)       type
#define SABAL_JOB_TYPE_VOID_(type)        char
#define SABAL_JOB_STORE_VALUE_(to, call)  to = call
#define SABAL_JOB_STORE_VOID_(to, call)   call
#define SABAL_JOB_GIVE_VALUE_(value)      return value
#define SABAL_JOB_GIVE_VOID_(value)       return
#define SABAL_JOB_TAIL_VALUE_(call)       return call
#define SABAL_JOB_KEEP_VALUE_(type, call) type sabal_got_ = call
#define SABAL_JOB_KEEP_VOID_(type, call)  call
#define SABAL_JOB_TAIL_VOID_(call)        call

#define SABAL_SPAWN_1_(job)            (sabal_spawn_##job(sabal_place_, SABAL_JOB_NOW_), (void)++SABAL_JOB_NOW_)
#define SABAL_SPAWN_N_(job, ...)       (sabal_spawn_##job(sabal_place_, SABAL_JOB_NOW_, __VA_ARGS__), (void)++SABAL_JOB_NOW_)
#define SABAL_CALL_1_(job)             job(sabal_place_, SABAL_JOB_NOW_)
#define SABAL_CALL_N_(job, ...)        job(sabal_place_, SABAL_JOB_NOW_, __VA_ARGS__)
#define SABAL_RUN_1_(client, job)      sabal_start_##job(client)
#define SABAL_RUN_N_(client, job, ...) sabal_start_##job(client, __VA_ARGS__)

/*
 * fields: of the arguments' structure; params: as parameters behind others; pass: to pass them on; set, get: between
 * parameters and record. The body is static inline: that is what lets the compiler test a leaf where it is called.
 */
#ifndef SABAL_DEBUG
#define SABAL_JOB_NOW_ sabal_head_
#define SABAL_JOB_HEAD_(type, name, params)                                                                            \
    __attribute__((unused)) static inline type name(struct sabal_place  *sabal_place_ __attribute__((unused)),         \
                                                    struct sabal_record *sabal_head_ __attribute__((unused))           \
                                                    SABAL_UNWRAP         params)
#define SABAL_JOB_FRAME_(kind, type, name, params, pass) SABAL_JOB_HEAD_(type, name, params);
#else
/* The body knows where its own records begin, and a function around it looks whether all are synced at its end. */
#define SABAL_JOB_NOW_ (*sabal_now_)
#define SABAL_JOB_HEAD_(type, name, params)                                                                            \
    __attribute__((unused)) static inline type sabal_body_##name(                                                      \
        struct sabal_place   *sabal_place_ __attribute__((unused)),                                                    \
        struct sabal_record **sabal_now_ __attribute__((unused)),                                                      \
        struct sabal_record *sabal_first_ __attribute__((unused)) SABAL_UNWRAP params)
#define SABAL_JOB_FRAME_(kind, type, name, params, pass)                                                               \
    SABAL_JOB_HEAD_(type, name, params);                                                                               \
    __attribute__((unused)) static inline type name(struct sabal_place                           *sabal_place_,        \
                                                    struct sabal_record *sabal_head_ SABAL_UNWRAP params)              \
    {                                                                                                                  \
        struct sabal_record *sabal_end_      = sabal_head_;                                                            \
        const int32_t        sabal_blocking_ = sabal_blocking_depth(), sabal_isolated_ = sabal_isolate_depth();        \
        SABAL_JOB_KEEP_##kind(type, sabal_body_##name(sabal_place_, &sabal_end_, sabal_head_ SABAL_UNWRAP pass));      \
        SABAL_JOB_CHECK_(sabal_end_ == sabal_head_, SABAL_HERE, "job " #name " was left with jobs not synced");        \
        SABAL_JOB_CHECK_(sabal_blocking_ == sabal_blocking_depth() && sabal_isolated_ == sabal_isolate_depth(),        \
                         SABAL_HERE, "job " #name " was left with other regions open than it was entered with");       \
        SABAL_JOB_GIVE_##kind(sabal_got_);                                                                             \
    }
#endif
#define SABAL_JOB_MAKE_(kind, type, name, fields, params, pass, set, get)                                              \
    SABAL_JOB_MAKE2_(kind, type, name, fields, params, pass, set, get)
#define SABAL_JOB_MAKE2_(kind, type, name, fields, params, pass, set, get)                                             \
    struct sabal_record_##name {                                                                                       \
        sabal_job_fn *run;                                                                                             \
        uintptr_t     thief;                                                                                           \
        union {                                                                                                        \
            struct {                                                                                                   \
                SABAL_UNWRAP fields                                                                                    \
            } args;                                                                                                    \
            SABAL_JOB_TYPE_##kind(type) result;                                                                        \
        } u;                                                                                                           \
    } __attribute__((aligned(64)));                                                                                    \
    SABAL_JOB_ASSERT_(sizeof(((struct sabal_record_##name *)0)->u) <= 40,                                              \
                      "a job takes and returns at most 40 bytes: pass a pointer to a structure");                      \
    SABAL_JOB_FRAME_(kind, type, name, params, pass)                                                                   \
    __attribute__((unused)) static void sabal_run_##name(                                                              \
        struct sabal_place *sabal_place_, struct sabal_record *sabal_head_, struct sabal_record *sabal_self_)          \
    {                                                                                                                  \
        struct sabal_record_##name *sabal_record_ = (struct sabal_record_##name *)sabal_self_;                         \
        (void)sabal_record_;                                                                                           \
        SABAL_JOB_STORE_##kind(sabal_record_->u.result, name(sabal_place_, sabal_head_ SABAL_UNWRAP get));             \
    }                                                                                                                  \
    __attribute__((unused, noinline, cold)) static void sabal_overflow_##name(                                         \
        struct sabal_place *sabal_place_, struct sabal_record *sabal_head_ SABAL_UNWRAP params)                        \
    {                                                                                                                  \
        struct sabal_record_##name  sabal_local_;                                                                      \
        struct sabal_record_##name *sabal_record_ = &sabal_local_;                                                     \
        sabal_record_->run                        = sabal_run_##name;                                                  \
        SABAL_UNWRAP set;                                                                                              \
        sabal_job_overflow(sabal_place_, sabal_head_, (struct sabal_record *)sabal_record_);                           \
    }                                                                                                                  \
    __attribute__((unused, always_inline)) static inline void sabal_spawn_##name(                                      \
        struct sabal_place *sabal_place_, struct sabal_record *sabal_head_ SABAL_UNWRAP params)                        \
    {                                                                                                                  \
        struct sabal_record_##name *sabal_record_ = (struct sabal_record_##name *)sabal_head_;                         \
        if (__builtin_expect(sabal_head_ >= sabal_place_->end, 0)) {                                                   \
            sabal_overflow_##name(sabal_place_, sabal_head_ SABAL_UNWRAP pass);                                        \
            return;                                                                                                    \
        }                                                                                                              \
        sabal_record_->run = sabal_run_##name;                                                                         \
        SABAL_UNWRAP set;                                                                                              \
        if (__builtin_expect(__atomic_load_n(&sabal_place_->request, __ATOMIC_RELAXED), 0))                            \
            sabal_job_share(sabal_place_, sabal_head_ + 1);                                                            \
    }                                                                                                                  \
    __attribute__((unused, always_inline)) static inline type sabal_sync_##name(struct sabal_place  *sabal_place_,     \
                                                                                struct sabal_record *sabal_head_)      \
    {                                                                                                                  \
        struct sabal_record_##name *sabal_record_ = (struct sabal_record_##name *)sabal_head_;                         \
        if (__builtin_expect(sabal_head_ < sabal_place_->split, 0)) {                                                  \
            struct sabal_record_##name *sabal_done_ =                                                                  \
                (struct sabal_record_##name *)sabal_job_sync(sabal_place_, sabal_head_);                               \
            SABAL_JOB_CHECK_(!sabal_done_ || sabal_done_->run == sabal_run_##name, SABAL_HERE,                         \
                             "SABAL_SYNC(" #name ") of another job than the one spawned last");                        \
            if (sabal_done_)                                                                                           \
                SABAL_JOB_GIVE_##kind(sabal_done_->u.result);                                                          \
        }                                                                                                              \
        (void)sabal_record_;                                                                                           \
        if (__builtin_expect(__atomic_load_n(&sabal_place_->request, __ATOMIC_RELAXED), 0) &&                          \
            sabal_head_ > sabal_place_->split)                                                                         \
            sabal_job_share(sabal_place_, sabal_head_);                                                                \
        SABAL_JOB_TAIL_##kind(name(sabal_place_, sabal_head_ SABAL_UNWRAP get));                                       \
    }                                                                                                                  \
    __attribute__((unused)) static type sabal_start_##name(const sabal_client *sabal_client_ SABAL_UNWRAP params)      \
    {                                                                                                                  \
        struct sabal_record_##name  sabal_local_;                                                                      \
        struct sabal_record_##name *sabal_record_ = &sabal_local_;                                                     \
        sabal_record_->run                        = sabal_run_##name;                                                  \
        SABAL_UNWRAP set;                                                                                              \
        sabal_job_run(sabal_client_, (struct sabal_record *)sabal_record_);                                            \
        SABAL_JOB_GIVE_##kind(sabal_record_->u.result);                                                                \
    }                                                                                                                  \
    struct sabal_record_##name

#define SABAL_JOB_SET_(a) sabal_record_->u.args.a = a;
#define SABAL_JOB_GET_(a) sabal_record_->u.args.a

#define SABAL_JOB_DECLARE_0(R, N)                                                                                      \
    SABAL_JOB_MAKE_(SABAL_JOB_KIND_(R), R, N, (char sabal_none_;), (), (), ((void)sabal_record_), ())
#define SABAL_JOB_DECLARE_1(R, N, T1, A1)                                                                              \
    SABAL_JOB_MAKE_(SABAL_JOB_KIND_(R), R, N, (T1 A1;), (, T1 A1), (, A1), (SABAL_JOB_SET_(A1)), (, SABAL_JOB_GET_(A1)))
#define SABAL_JOB_DECLARE_2(R, N, T1, A1, T2, A2)                                                                      \
    SABAL_JOB_MAKE_(SABAL_JOB_KIND_(R), R, N, (T1 A1; T2 A2;), (, T1 A1, T2 A2), (, A1, A2),                           \
                    (SABAL_JOB_SET_(A1) SABAL_JOB_SET_(A2)), (, SABAL_JOB_GET_(A1), SABAL_JOB_GET_(A2)))
#define SABAL_JOB_DECLARE_3(R, N, T1, A1, T2, A2, T3, A3)                                                              \
    SABAL_JOB_MAKE_(SABAL_JOB_KIND_(R), R, N, (T1 A1; T2 A2; T3 A3;), (, T1 A1, T2 A2, T3 A3), (, A1, A2, A3),         \
                    (SABAL_JOB_SET_(A1) SABAL_JOB_SET_(A2) SABAL_JOB_SET_(A3)),                                        \
                    (, SABAL_JOB_GET_(A1), SABAL_JOB_GET_(A2), SABAL_JOB_GET_(A3)))
#define SABAL_JOB_DECLARE_4(R, N, T1, A1, T2, A2, T3, A3, T4, A4)                                                      \
    SABAL_JOB_MAKE_(SABAL_JOB_KIND_(R), R, N, (T1 A1; T2 A2; T3 A3; T4 A4;), (, T1 A1, T2 A2, T3 A3, T4 A4),           \
                    (, A1, A2, A3, A4), (SABAL_JOB_SET_(A1) SABAL_JOB_SET_(A2) SABAL_JOB_SET_(A3) SABAL_JOB_SET_(A4)), \
                    (, SABAL_JOB_GET_(A1), SABAL_JOB_GET_(A2), SABAL_JOB_GET_(A3), SABAL_JOB_GET_(A4)))
#define SABAL_JOB_DECLARE_5(R, N, T1, A1, T2, A2, T3, A3, T4, A4, T5, A5)                                              \
    SABAL_JOB_MAKE_(                                                                                                   \
        SABAL_JOB_KIND_(R), R, N, (T1 A1; T2 A2; T3 A3; T4 A4; T5 A5;), (, T1 A1, T2 A2, T3 A3, T4 A4, T5 A5),         \
        (, A1, A2, A3, A4, A5),                                                                                        \
        (SABAL_JOB_SET_(A1) SABAL_JOB_SET_(A2) SABAL_JOB_SET_(A3) SABAL_JOB_SET_(A4) SABAL_JOB_SET_(A5)),              \
        (, SABAL_JOB_GET_(A1), SABAL_JOB_GET_(A2), SABAL_JOB_GET_(A3), SABAL_JOB_GET_(A4), SABAL_JOB_GET_(A5)))
#define SABAL_JOB_DECLARE_6(R, N, T1, A1, T2, A2, T3, A3, T4, A4, T5, A5, T6, A6)                                      \
    SABAL_JOB_MAKE_(SABAL_JOB_KIND_(R), R, N, (T1 A1; T2 A2; T3 A3; T4 A4; T5 A5; T6 A6;),                             \
                    (, T1 A1, T2 A2, T3 A3, T4 A4, T5 A5, T6 A6), (, A1, A2, A3, A4, A5, A6),                          \
                    (SABAL_JOB_SET_(A1) SABAL_JOB_SET_(A2) SABAL_JOB_SET_(A3) SABAL_JOB_SET_(A4) SABAL_JOB_SET_(A5)    \
                         SABAL_JOB_SET_(A6)),                                                                          \
                    (, SABAL_JOB_GET_(A1), SABAL_JOB_GET_(A2), SABAL_JOB_GET_(A3), SABAL_JOB_GET_(A4),                 \
                     SABAL_JOB_GET_(A5), SABAL_JOB_GET_(A6)))
#define SABAL_JOB_BODY_0(R, N)                                 SABAL_JOB_HEAD_(R, N, ())
#define SABAL_JOB_BODY_1(R, N, T1, A1)                         SABAL_JOB_HEAD_(R, N, (, T1 A1))
#define SABAL_JOB_BODY_2(R, N, T1, A1, T2, A2)                 SABAL_JOB_HEAD_(R, N, (, T1 A1, T2 A2))
#define SABAL_JOB_BODY_3(R, N, T1, A1, T2, A2, T3, A3)         SABAL_JOB_HEAD_(R, N, (, T1 A1, T2 A2, T3 A3))
#define SABAL_JOB_BODY_4(R, N, T1, A1, T2, A2, T3, A3, T4, A4) SABAL_JOB_HEAD_(R, N, (, T1 A1, T2 A2, T3 A3, T4 A4))
#define SABAL_JOB_BODY_5(R, N, T1, A1, T2, A2, T3, A3, T4, A4, T5, A5)                                                 \
    SABAL_JOB_HEAD_(R, N, (, T1 A1, T2 A2, T3 A3, T4 A4, T5 A5))
#define SABAL_JOB_BODY_6(R, N, T1, A1, T2, A2, T3, A3, T4, A4, T5, A5, T6, A6)                                         \
    SABAL_JOB_HEAD_(R, N, (, T1 A1, T2 A2, T3 A3, T4 A4, T5 A5, T6 A6))
#define SABAL_JOB_WHOLE_0(...)                                                                                         \
    SABAL_JOB_DECLARE_0(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_0(__VA_ARGS__)
#define SABAL_JOB_WHOLE_1(...)                                                                                         \
    SABAL_JOB_DECLARE_1(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_1(__VA_ARGS__)
#define SABAL_JOB_WHOLE_2(...)                                                                                         \
    SABAL_JOB_DECLARE_2(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_2(__VA_ARGS__)
#define SABAL_JOB_WHOLE_3(...)                                                                                         \
    SABAL_JOB_DECLARE_3(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_3(__VA_ARGS__)
#define SABAL_JOB_WHOLE_4(...)                                                                                         \
    SABAL_JOB_DECLARE_4(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_4(__VA_ARGS__)
#define SABAL_JOB_WHOLE_5(...)                                                                                         \
    SABAL_JOB_DECLARE_5(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_5(__VA_ARGS__)
#define SABAL_JOB_WHOLE_6(...)                                                                                         \
    SABAL_JOB_DECLARE_6(__VA_ARGS__);                                                                                  \
    SABAL_JOB_BODY_6(__VA_ARGS__)
/* clang-format on */

#endif
