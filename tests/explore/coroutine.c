/*
 * Threads of a scenario as coroutines on one real thread. Stacks lie at fixed places, so that a state can be stored and put
 * back by copying; the dead part of a stack is cleared, so that equal states look equal.
 */
#include <string.h>

#include "explore/world.h"

thread *explore_current;
_Alignas(128) char explore_stacks[THREADS][STACK];

static void  *explorer_sp;
static void  *own_memory;
static size_t own_size;

void explore_own(void *memory, size_t size)
{
    if (size > OWN)
        explore_fail("the variables of a thread need %zu bytes", size);
    own_memory = memory;
    own_size   = size;
}

/* Pushes what a call must keep, stores the stack pointer, takes the other stack and returns there. */
void explore_switch(void **from, void *to);
void explore_enter(void);
#if defined(__x86_64__)
__asm__(".text\n.globl explore_switch\nexplore_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n"
        ".globl explore_enter\nexplore_enter:\nand $-16, %rsp\ncall explore_main\nhlt\n");
#define FRAME  8 /* words on the stack of a thread that was not begun yet */
#define RETURN 6 /* of these, the address to return to */
#elif defined(__aarch64__)
__asm__(".text\n.globl explore_switch\nexplore_switch:\n"
        "stp x29, x30, [sp, #-160]!\nstp x19, x20, [sp, #16]\nstp x21, x22, [sp, #32]\nstp x23, x24, [sp, #48]\n"
        "stp x25, x26, [sp, #64]\nstp x27, x28, [sp, #80]\nstp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\n"
        "stp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
        "mov x2, sp\nstr x2, [x0]\nmov sp, x1\n"
        "ldp x19, x20, [sp, #16]\nldp x21, x22, [sp, #32]\nldp x23, x24, [sp, #48]\n"
        "ldp x25, x26, [sp, #64]\nldp x27, x28, [sp, #80]\nldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\n"
        "ldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\nldp x29, x30, [sp], #160\nret\n"
        ".globl explore_enter\nexplore_enter:\nbl explore_main\nbrk #1\n");
#define FRAME  20
#define RETURN 1
#endif

void explore_main(void);
void explore_main(void)
{
    thread *t = explore_current;

    if (t->run_posix)
        t->run_posix(t->argument);
    else
        t->run(t->argument);
    memset(&t->op, 0, sizeof t->op);
    t->op.kind = FINISHED;
    explore_yield();
}

static char *stack_of(const thread *t)
{
    return explore_stacks[t - explore_world.threads];
}

void explore_ready(thread *t)
{
    void **sp = (void **)(stack_of(t) + STACK - 64) - FRAME;

    memset(stack_of(t), 0, STACK);
    sp[RETURN] = (void *)explore_enter;
    t->sp      = sp;
}

void explore_resume(thread *t)
{
    memcpy(own_memory, t->own, own_size);
    explore_current = t;
    explore_switch(&explorer_sp, t->sp);
    explore_current = NULL;
    memcpy(t->own, own_memory, own_size);
    memset(stack_of(t), 0, (size_t)((char *)t->sp - stack_of(t)));
}

void explore_yield(void)
{
    explore_switch(&explore_current->sp, explorer_sp);
}
