/*
 * To whom a thread goes for work: to those who were last seen near, level by level; among the equally near from a random one
 * on, so that each is as likely to be the first, and thieves who come at once don't come to one.
 */
#include "sched/worker.h"

static uint32_t next_random(sbl_slot *self)
{
    uint32_t x = self->random;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return self->random = x;
}

void sbl_note_domain(sbl_slot *self)
{
    int32_t domain = sbl_domain_here();

    if (atomic_load_explicit(&self->domain, memory_order_relaxed) != domain) /* else others keep its line */
        atomic_store_explicit(&self->domain, domain, memory_order_relaxed);
}

static int is_at(const sbl_slot *self, const sbl_slot *other, int32_t level)
{
    return sbl_level_between(atomic_load_explicit(&((sbl_slot *)self)->domain, memory_order_relaxed),
                             atomic_load_explicit(&((sbl_slot *)other)->domain, memory_order_relaxed)) == level;
}

void sbl_victims_at(sbl_victims *victims, sbl_slot *self, int32_t level)
{
    sbl_pool *pool = self->pool;
    int32_t   n    = 0;

    for (int32_t w = 0; w * 64 < pool->max_slots; w++)
        for (uint64_t bits = atomic_load_explicit(&pool->active[w], memory_order_relaxed); bits; bits &= bits - 1) {
            int32_t   i     = w * 64 + __builtin_ctzll(bits);
            sbl_slot *other = sbl_slot_at(pool, i);

            if (other && other != self && is_at(self, other, level))
                victims->list[n++] = (uint16_t)i;
        }
    victims->n    = n;
    victims->from = n ? (int32_t)(next_random(self) % (uint32_t)n) : 0;
}

int sbl_is_far(const sbl_slot *self, const sbl_slot *other)
{
    return sbl_node_of_slot(self) != sbl_node_of_slot(other);
}

/* --- where all are near: without a list --------------------------------------------------------------------------- */

/* One of the other threads, each as likely. */
static int32_t any_thread(sbl_slot *self)
{
    int32_t n      = atomic_load_explicit(&self->pool->n_threads, memory_order_relaxed);
    int32_t others = n - (self->index < n), i;

    if (others < 1)
        return 0;
    i = (int32_t)(next_random(self) % (uint32_t)others);
    return i + (i >= self->index);
}

static int steal_in_word(sbl_slot *self, int32_t w, uint64_t bits)
{
    for (; bits; bits &= bits - 1) {
        sbl_slot *victim = sbl_slot_at(self->pool, w * 64 + __builtin_ctzll(bits));

        if (victim && victim != self && sbl_steal(self, self->base, victim))
            return 1;
    }
    return 0;
}

/* All slots that may hold jobs, from any thread's on, then round. */
static int steal_from_any(sbl_slot *self)
{
    sbl_pool *pool    = self->pool;
    int32_t   n_words = (pool->max_slots + 63) / 64, from = any_thread(self);
    uint64_t  low = ((uint64_t)1 << (from % 64)) - 1;

    for (int32_t i = 0; i <= n_words; i++) {
        int32_t  w    = (from / 64 + i) % n_words;
        uint64_t bits = atomic_load_explicit(&pool->active[w], memory_order_relaxed);

        bits &= i == 0 ? ~low : i == n_words ? low : ~(uint64_t)0;
        if (steal_in_word(self, w, bits))
            return 1;
    }
    return 0;
}

static sbl_work *take_from(sbl_slot *self, sbl_slot *other)
{
    sbl_work *work = NULL;

    if (other && other != self && other->index < self->pool->max_threads) /* queues of lent slots are empty */
        work = sbl_queue_pop(&other->queue);
    if (work)
        sbl_note_steal(self, other);
    return work;
}

static sbl_work *take_from_any(sbl_slot *self)
{
    sbl_pool *pool = self->pool;
    int32_t   n = atomic_load_explicit(&pool->n_threads, memory_order_relaxed), from = any_thread(self);
    sbl_work *work = NULL;

    for (int32_t i = 0; i < n && !work; i++)
        work = take_from(self, sbl_slot_at(pool, (from + i) % n));
    return work;
}

/* --- level by level ----------------------------------------------------------------------------------------------- */

static int steal_at(sbl_slot *self, int32_t level)
{
    sbl_victims victims;

    sbl_victims_at(&victims, self, level);
    for (int32_t i = 0; i < victims.n; i++)
        if (sbl_steal(self, self->base, sbl_victim(&victims, self->pool, i)))
            return 1;
    return 0;
}

static sbl_work *take_at(sbl_slot *self, int32_t level)
{
    sbl_victims victims;
    sbl_work   *work = NULL;

    sbl_victims_at(&victims, self, level);
    for (int32_t i = 0; i < victims.n && !work; i++)
        work = take_from(self, sbl_victim(&victims, self->pool, i));
    return work;
}

int sbl_steal_from_others(sbl_slot *self)
{
    if (self->pool->n_domains < 2)
        return steal_from_any(self);
    for (int32_t level = 0; level < self->pool->n_levels; level++)
        if (steal_at(self, level))
            return 1;
    return 0;
}

sbl_work *sbl_take_from_others(sbl_slot *self)
{
    sbl_work *work = NULL;

    if (self->pool->n_domains < 2)
        return take_from_any(self);
    for (int32_t level = 0; level < self->pool->n_levels && !work; level++)
        work = take_at(self, level);
    return work || !self->pool->n_homes ? work : sbl_home_take_far(self);
}
