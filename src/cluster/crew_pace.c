/*
 * A worker of many short tasks. To wake its loop's thread for each letter costs ten microseconds, of a core that a task has; and to say
 * each end by itself costs as much here, and as much again at the scheduler. So while tasks end one soon after the other, and there are
 * more for all threads, who has run one says what has gathered only now and then, and looks himself what has come. A tick sees to it
 * that nothing stays unsaid or unheard for more than some milliseconds, if the next task takes longer than those before.
 */
#include "base/clock.h"
#include "cluster/crew.h"
#include "cluster/net/evseat.h"
#include "sched/pool.h"

enum { SHORT_NS = 200000, SAY_NS = 30000, APART_NS = 100000, LOOK_NS = 20000, TICK_NS = 1000000 };

static struct {
    sbl_evtimer     tick;
    sbl_evwork      listen; /* that the loop does itself: for who could not borrow it */
    _Atomic int     is_asked;
    _Atomic int     is_brisk; /* the tick is set */
    _Atomic int64_t ended_ns; /* when a task ended last */
    _Atomic int64_t heard_ns; /* when somebody looked in passing last */
    _Atomic int32_t n;        /* tasks that came, and have yet to end */
    int32_t         threads;
} pace;

/* All threads have something to do. Tasks that wait for others need none. */
static int is_enough(int32_t n)
{
    return n - atomic_load_explicit(&sbl_crew.n_parked, memory_order_relaxed) >= pace.threads;
}

static int is_soon(int64_t now, int64_t after, int64_t ns)
{
    return now - after < ns;
}

/*
 * In the loop's thread. What was not said as it was brisk is said after it is not any more: no end is missed between. The loop listens
 * itself until somebody comes by again: it may be awake for other things, so that nobody can borrow it.
 */
static void tick(sbl_evtimer *timer)
{
    const int64_t now      = sbl_clock_ns();
    const int     is_brisk = is_soon(now, atomic_load(&pace.ended_ns), TICK_NS / 2);

    sbl_evseat_leave_to_others(sbl_crew.loop, 0);
    if (is_brisk)
        sbl_evtimer_set(sbl_crew.loop, timer, now + TICK_NS);
    else
        atomic_store(&pace.is_brisk, 0);
    if (!is_brisk || !is_soon(now, atomic_load(&sbl_crew.speaker.spoke_ns), APART_NS))
        sbl_crew_speak();
}

static void listen_itself(sbl_evwork *work)
{
    atomic_store(&pace.is_asked, 0);
    sbl_evseat_leave_to_others(sbl_crew.loop, 0);
}

void sbl_crew_pace_init(void)
{
    pace.tick.fire  = tick;
    pace.listen.run = listen_itself;
    pace.threads    = sabal_client_threads(sbl_crew.client);
}

void sbl_crew_count(int by)
{
    atomic_fetch_add_explicit(&pace.n, by, memory_order_relaxed);
}

void sbl_crew_let_loop_hear(void)
{
    if (!atomic_load_explicit(&pace.is_brisk, memory_order_relaxed))
        return;
    if (sbl_evloop_borrow(sbl_crew.loop)) {
        sbl_evseat_leave_to_others(sbl_crew.loop, 0);
        sbl_evloop_give_back(sbl_crew.loop);
    } else if (!atomic_exchange(&pace.is_asked, 1)) {
        sbl_evloop_post(sbl_crew.loop, &pace.listen);
    }
}

void sbl_crew_stands_up(void)
{
    if (!is_enough(atomic_load_explicit(&pace.n, memory_order_relaxed)))
        sbl_crew_let_loop_hear();
}

/* With the loop borrowed. */
static void listen(void *nothing)
{
    if (!atomic_load(&pace.is_brisk)) {
        atomic_store(&pace.is_brisk, 1);
        sbl_evtimer_set(sbl_crew.loop, &pace.tick, sbl_clock_ns() + TICK_NS);
    }
    sbl_evseat_leave_to_others(sbl_crew.loop, 1);
    sbl_evseat_pass(sbl_crew.loop);
    atomic_store(&pace.heard_ns, sbl_clock_ns());
}

/* How long after the last time it is said. For what takes longer than to say so, others need not wait. What others don't wait for is said
   for the sake of what comes next: later, if there is much. */
static int64_t apart_ns(sbl_awaited by, int64_t took_ns, int32_t left)
{
    if (by == SBL_AWAITED_HERE && left > pace.threads + 1)
        return TICK_NS;
    return by == SBL_AWAITED_ELSEWHERE && took_ns > SAY_NS ? 0 : APART_NS;
}

void sbl_crew_ended(sbl_awaited by, int64_t took_ns)
{
    const int64_t now = sbl_clock_ns(), before = atomic_exchange(&pace.ended_ns, now);
    const int32_t left     = atomic_fetch_sub(&pace.n, 1) - 1;
    const int     is_brisk = is_enough(left) && is_soon(now, before, SHORT_NS);

    if (!is_brisk || !atomic_load(&pace.is_brisk) ||
        !is_soon(now, atomic_load(&sbl_crew.speaker.spoke_ns), apart_ns(by, took_ns, left)))
        sbl_crew_speak();
    if (is_brisk && !is_soon(now, atomic_load(&pace.heard_ns), LOOK_NS) && sbl_evloop_borrow(sbl_crew.loop)) {
        sbl_pool_as_stranger(listen, NULL);
        sbl_evloop_give_back(sbl_crew.loop);
    }
}
