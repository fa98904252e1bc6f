/*
 * To whom a thread goes for work: to those who were last seen near, level by level; among the equally near from a random one
 * on, so that each is as likely to be the first, and thieves who come at once don't come to one.
 */
#include "sched/topology.h"
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
    if (self->pool->n_domains < 2)
        return 1;
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
    return sbl_node_of_domain(atomic_load_explicit(&((sbl_slot *)self)->domain, memory_order_relaxed)) !=
           sbl_node_of_domain(atomic_load_explicit(&((sbl_slot *)other)->domain, memory_order_relaxed));
}

int sbl_steal_from_others(sbl_slot *self)
{
    sbl_victims victims;

    for (int32_t level = 0; level < self->pool->n_levels; level++) {
        sbl_victims_at(&victims, self, level);
        for (int32_t i = 0; i < victims.n; i++)
            if (sbl_steal(self, self->base, sbl_victim(&victims, self->pool, i)))
                return 1;
    }
    return 0;
}

static sbl_work *take_at(sbl_slot *self, int32_t level)
{
    sbl_victims victims;

    sbl_victims_at(&victims, self, level);
    for (int32_t i = 0; i < victims.n; i++) {
        sbl_slot *other = sbl_victim(&victims, self->pool, i);
        sbl_work *work  = other->index < self->pool->max_threads ? sbl_queue_pop(&other->queue) : NULL;

        if (work) {
            sbl_note_steal(self, other);
            return work;
        }
    }
    return NULL;
}

sbl_work *sbl_take_from_others(sbl_slot *self)
{
    sbl_work *work = NULL;

    for (int32_t level = 0; level < self->pool->n_levels && !work; level++)
        work = take_at(self, level);
    return work || !self->pool->n_homes ? work : sbl_home_take_far(self);
}
