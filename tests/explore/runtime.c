/*
 * What the code under test calls. It is compiled for the thread sanitizer, so that each atomic operation and each plain
 * access calls here, and linked with this in the sanitizer's place. replace.h sends the rest here: the futex, mutexes,
 * threads, time.
 */
#include "explore/runtime.h"

#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

#include <linux/futex.h>

#include "explore/world.h"

/* --- operations -------------------------------------------------------------------------------------------------- */

static uint64_t direct(const operation *op)
{
    uint64_t old = 0, new;

    memcpy(&old, (void *)op->address, (size_t)op->size);
    switch (op->kind) {
    case LOAD:
        return old;
    case ADD:
        new = old + op->operand;
        break;
    case SUB:
        new = old - op->operand;
        break;
    case AND:
        new = old & op->operand;
        break;
    case OR:
        new = old | op->operand;
        break;
    case XOR:
        new = old ^ op->operand;
        break;
    default:
        new = op->operand;
    }
    memcpy((void *)op->address, &new, (size_t)op->size);
    return old;
}

/* The running thread's operation; the explorer performs it when it is this thread's turn. */
static uint64_t perform(operation op)
{
    thread *t = explore_current;

    if (!t)
        return direct(&op);
    if (op.kind <= COMPARE && explore_is_quiet(op.address))
        return 0;
    memset(&t->op, 0, sizeof t->op);
    t->op = op;
    if (explore_is_alone(t))
        explore_perform(t, 0);
    else
        explore_yield();
    return t->op.result;
}

static int compare(operation op, uint64_t *expected)
{
    thread *t = explore_current;

    op.kind     = COMPARE;
    op.expected = *expected;
    if (!t) {
        uint64_t old = 0;

        memcpy(&old, (void *)op.address, (size_t)op.size);
        if (old == *expected)
            memcpy((void *)op.address, &op.operand, (size_t)op.size);
        *expected = old;
        return old == op.expected;
    }
    if (perform(op))
        return 1;
    *expected = t->op.expected;
    return 0;
}

#define HERE __builtin_return_address(0)
#define OPERATION(kind_, address_, operand_, order_)                                                                   \
    ((operation){.kind    = kind_,                                                                                     \
                 .size    = (int)sizeof *(address_),                                                                   \
                 .order   = order_,                                                                                    \
                 .address = (uintptr_t)(address_),                                                                     \
                 .operand = (uint64_t)(operand_),                                                                      \
                 .from    = HERE})
#define CHANGE(bits, name, kind_)                                                                                      \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t v, int order);              \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t v, int order)               \
    {                                                                                                                  \
        return (uint##bits##_t)perform(OPERATION(kind_, p, v, order));                                                 \
    }
#define SWAP(bits, name)                                                                                               \
    int __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t v,           \
                                     int order, int order_of_failure);                                                 \
    int __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t v,           \
                                     int order, int order_of_failure)                                                  \
    {                                                                                                                  \
        uint64_t was = *expected;                                                                                      \
        int      ok  = compare(OPERATION(COMPARE, p, v, order), &was);                                                 \
                                                                                                                       \
        *expected = (uint##bits##_t)was;                                                                               \
        return ok;                                                                                                     \
    }
/* As clang calls it: gives what was there. */
#define SWAP_VALUE(bits)                                                                                               \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *p, uint##bits##_t expected,     \
                                                              uint##bits##_t v, int order, int order_of_failure);      \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *p, uint##bits##_t expected,     \
                                                              uint##bits##_t v, int order, int order_of_failure)       \
    {                                                                                                                  \
        uint64_t was = expected;                                                                                       \
                                                                                                                       \
        compare(OPERATION(COMPARE, p, v, order), &was);                                                                \
        return (uint##bits##_t)was;                                                                                    \
    }
#define ATOMICS(bits)                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order);                            \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order)                             \
    {                                                                                                                  \
        return (uint##bits##_t)perform(OPERATION(LOAD, p, 0, order));                                                  \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t v, int order);                         \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t v, int order)                          \
    {                                                                                                                  \
        perform(OPERATION(STORE, p, v, order));                                                                        \
    }                                                                                                                  \
    CHANGE(bits, exchange, EXCHANGE)                                                                                   \
    CHANGE(bits, fetch_add, ADD)                                                                                       \
    CHANGE(bits, fetch_sub, SUB)                                                                                       \
    CHANGE(bits, fetch_and, AND)                                                                                       \
    CHANGE(bits, fetch_or, OR)                                                                                         \
    CHANGE(bits, fetch_xor, XOR)                                                                                       \
    SWAP(bits, compare_exchange_strong)                                                                                \
    SWAP(bits, compare_exchange_weak)                                                                                  \
    SWAP_VALUE(bits)

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    if (explore_current)
        perform((operation){.kind = FENCE, .order = order, .from = HERE});
}

/* --- plain accesses ---------------------------------------------------------------------------------------------- */

#define PLAIN(name, is_write)                                                                                          \
    void __tsan_##name(void *p);                                                                                       \
    void __tsan_##name(void *p)                                                                                        \
    {                                                                                                                  \
        if (explore_current)                                                                                           \
            explore_plain((uintptr_t)p, is_write);                                                                     \
    }
#define PLAIN_BOTH(size)                                                                                               \
    PLAIN(read##size, 0)                                                                                               \
    PLAIN(write##size, 1)
PLAIN_BOTH(1)
PLAIN_BOTH(2)
PLAIN_BOTH(4)
PLAIN_BOTH(8)
PLAIN_BOTH(16)
PLAIN(unaligned_read2, 0)
PLAIN(unaligned_read4, 0)
PLAIN(unaligned_read8, 0)
PLAIN(unaligned_read16, 0)
PLAIN(unaligned_write2, 1)
PLAIN(unaligned_write4, 1)
PLAIN(unaligned_write8, 1)
PLAIN(unaligned_write16, 1)

#define RANGE(name, is_write)                                                                                          \
    void __tsan_##name(void *p, size_t size);                                                                          \
    void __tsan_##name(void *p, size_t size)                                                                           \
    {                                                                                                                  \
        for (size_t i = 0; explore_current && i < size; i += 8)                                                        \
            explore_plain((uintptr_t)p + i, is_write);                                                                 \
    }
RANGE(read_range, 0)
RANGE(write_range, 1)

void __tsan_init(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
}
void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

/* --- the system -------------------------------------------------------------------------------------------------- */

long explore_syscall(long number, ...)
{
    va_list   args;
    uint32_t *word;
    int       what;
    uint32_t  number_or_value;

    va_start(args, number);
    word            = va_arg(args, uint32_t *);
    what            = va_arg(args, int);
    number_or_value = va_arg(args, uint32_t);
    va_end(args);
    if (number != SYS_futex)
        explore_fail("system call %ld", number);
    if (explore_current)
        perform((operation){.kind    = what == FUTEX_WAKE_PRIVATE ? WAKE : WAIT,
                            .size    = 4,
                            .address = (uintptr_t)word,
                            .operand = number_or_value,
                            .from    = HERE});
    return 0;
}

int64_t explore_clock_ns(void)
{
    return 0; /* and all times to wait are 0 too: each bounded spin ends after its first round */
}

int explore_mutex_lock(void *mutex)
{
    if (explore_current)
        perform((operation){.kind = LOCK, .size = 4, .address = (uintptr_t)mutex, .from = HERE});
    return 0;
}

int explore_mutex_unlock(void *mutex)
{
    if (explore_current)
        perform((operation){.kind = UNLOCK, .size = 4, .address = (uintptr_t)mutex, .from = HERE});
    return 0;
}

static thread *new_thread(const char *name, void *argument)
{
    thread *t = &explore_world.threads[explore_world.n_threads];

    if (explore_world.n_threads == THREADS) {
        explore_fail("more than %d threads", THREADS);
        return t - 1;
    }
    explore_world.n_threads++;
    t->name     = name;
    t->argument = argument;
    t->op       = (operation){.kind = BEGIN};
    if (explore_current) {
        t->now      = explore_current->now;
        t->acquired = t->now;
    }
    explore_ready(t);
    return t;
}

void explore_thread(const char *name, void (*run)(void *), void *argument, int may_sleep)
{
    thread *t = new_thread(name, argument);

    t->run       = run;
    t->may_sleep = may_sleep;
}

int explore_create(unsigned long *id, void *attributes, void *(*run)(void *), void *argument)
{
    static const char *const names[THREADS] = {"thread 0", "thread 1", "thread 2", "thread 3", "thread 4"};
    thread                  *t              = new_thread(names[explore_world.n_threads % THREADS], argument);

    t->run_posix = run;
    t->may_sleep = 1;
    *id          = (unsigned long)t;
    return 0;
}

int explore_join(unsigned long id)
{
    if (explore_current)
        perform((operation){.kind = JOIN, .address = id, .from = HERE});
    return 0;
}

void explore_until(int (*ready)(void *), void *argument)
{
    if (explore_current)
        perform((operation){
            .kind = UNTIL, .address = (uintptr_t)ready, .operand = (uint64_t)(uintptr_t)argument, .from = HERE});
}

void *explore_alloc(size_t align, size_t size)
{
    world *w     = &explore_world;
    size_t begin = (w->used + align - 1) & ~(align - 1);

    if (begin + size > ARENA) {
        explore_fail("the arena is full");
        return w->arena;
    }
    w->used = begin + size;
    return w->arena + begin;
}

/* As assert() calls it. */
void __assert_fail(const char *text, const char *file, unsigned line, const char *function) __attribute__((noreturn));
void __assert_fail(const char *text, const char *file, unsigned line, const char *function)
{
    explore_fail("%s:%u: %s: %s does not hold", file, line, function, text);
    __builtin_unreachable();
}
