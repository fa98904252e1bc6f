/*
 * Workers that have no room for a task: their disk is full, or what can't leave their memory fills it. That is nobody's fault, and
 * others may have room. So the task gets a rule of its own, which is that of its kind but for those workers. Each of the others
 * is tried once; when none is left, the task fails with what the first had said.
 */
#include "cluster/core/state.h"

int sbl_has_refused(const sbl_srule *r, const sbl_peer *w)
{
    for (uint32_t i = 0; i < r->n_full; i++)
        if (r->full[i] == w->number)
            return 1;
    return 0;
}

/* 0: no memory. */
static int keep(sbl_srule *r, uint32_t number)
{
    uint32_t *more = sbl_realloc(r->full, (r->n_full + 1) * sizeof *more);

    if (!more)
        return 0;
    r->full              = more;
    r->full[r->n_full++] = number;
    return 1;
}

/* From now on its spec, and the rule of that, are its own. 0: no memory. */
static int part_from_kind(sbl_scheduler *s, sbl_stask *t)
{
    const uint32_t   old  = sbl_rule_of(s, t);
    const sbl_srule *kind = old ? sbl_rule_at(s, old) : NULL;
    const uint32_t   spec = sbl_spec_of_its_own(s, t->spec, kind ? kind->workers : "", kind ? kind->resources : "");

    if (!spec)
        return 0;
    if (old)
        sbl_rule_at(s, sbl_spec_at(s, spec)->rule)->needs = sbl_rule_at(s, old)->needs;
    sbl_spec_at(s, spec)->cost_ns = sbl_spec_at(s, t->spec)->cost_ns;
    sbl_spec_at(s, spec)->kind    = t->spec; /* with its reference */
    t->spec                       = spec;
    return 1;
}

int sbl_refusal_note(sbl_scheduler *s, uint32_t task, uint32_t worker, uint32_t failure)
{
    sbl_stask     *t    = sbl_task_at(s, task);
    const uint32_t kind = sbl_rule_of(s, t);
    sbl_srule     *r;

    if (kind && sbl_rule_at(s, kind)->only)
        return 0;
    if ((!kind || !sbl_rule_at(s, kind)->is_own) && !part_from_kind(s, t)) {
        s->no_memory = 1;
        return 0;
    }
    r = sbl_rule_at(s, sbl_rule_of(s, t));
    if (!r->n_full)
        r->why_full = sbl_sfailure_retain(s, failure);
    if (!keep(r, sbl_peer_at(s, worker)->number)) {
        s->no_memory = 1;
        return 0;
    }
    sbl_rule_seat(s, sbl_rule_of(s, t));
    return 1;
}

void sbl_refusals_end(sbl_scheduler *s, uint32_t rule)
{
    sbl_srule *r = sbl_rule_at(s, rule);

    sbl_sfailure_release(s, r->why_full);
    sbl_free(r->full);
    r->full   = NULL;
    r->n_full = r->why_full = 0;
    sbl_rule_seat(s, rule);
}

/* It is of its kind again. */
void sbl_refusals_forget(sbl_scheduler *s, uint32_t task)
{
    sbl_stask     *t   = sbl_task_at(s, task);
    const uint32_t own = t->spec, kind = own ? sbl_spec_at(s, own)->kind : 0;

    if (!kind)
        return;
    sbl_spec_at(s, kind)->cost_ns = sbl_spec_at(s, own)->cost_ns;
    sbl_spec_at(s, own)->kind     = 0;
    t->spec                       = kind;
    sbl_sspec_release(s, own);
}
