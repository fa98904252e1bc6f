"""Mistakes that one could make in src/cluster/core, planted in copies of its files: the simulator must find each.

Usage: mistakes.py list [all] | mistakes.py plant NAME SOURCE_FOLDER OUTPUT | mistakes.py run NAME PROGRAM
       mistakes.py seeds NAME PROGRAM SEEDS   the first seeds of so many that find it

A mistake is: file, what stands there (once), what is put in its place, and the seeds that are known to find it. If the text is
not found any more, or the seeds do not find it, it must be planted anew, or its seeds looked for. Those without seeds are not
found by some thousand of them: they are planted, and looked for with `seeds`, by hand only.
"""
import re
import subprocess
import sys
from pathlib import Path

SEARCHED = 4000  # seeds, if those that are noted find nothing, as the core has changed

MISTAKES = {
    # --- attempts and reports
    'attempt_is_not_raised': (
        'life.c', '    sbl_stask_set_state(s, f->t, SBL_T_WAITING);\n    f->t->attempt++;\n',
        '    sbl_stask_set_state(s, f->t, SBL_T_WAITING);\n', [119]),
    'stale_report_is_believed': (
        'hear_worker.c', 't->state == SBL_T_SENT && t->worker == y->slot && t->attempt == *attempt ?',
        't->state == SBL_T_SENT && t->worker == y->slot && ((*attempt = t->attempt), 1) ?', [460]),
    'value_of_another_attempt_counts': (
        'hear_worker.c', 't->state == SBL_T_DONE && t->attempt == attempt && (t->at', 't->state == SBL_T_DONE && (t->at', [758]),
    # --- copies that are declared
    'failed_fetch_is_waited_for': (
        'spread.c', '''    sbl_move_end(s, move);
    sbl_spread_note(s, number);
    look(s, number);
}

void sbl_spread_lost(''', '''    sbl_spread_note(s, number);
}

void sbl_spread_lost(''', [39]),
    'moves_of_a_lost_value_are_waited_for': (
        'spread.c', '    end_moves(s, number, 0); /* what comes by that name is out of date */\n', '', [1680]),
    'what_is_on_its_way_is_dropped': (
        'spread.c', '''    drop_surplus(s, number);
    if (sp->wanted <= 1 && !sp->moves)''', '''    if (sp->n + sp->n_moves > sp->wanted)
        end_moves(s, number, 1);
    drop_surplus(s, number);
    if (sp->wanted <= 1 && !sp->moves)''', [1613]),
    'who_comes_is_not_given_what_all_have': (
        'peers.c', '    sbl_may_fill(s, slot);\n    sbl_spread_workers_changed(s);\n', '    sbl_may_fill(s, slot);\n', [33]),
    'a_copy_that_is_gone_is_counted': (
        'copies.c', '    sbl_spread_count(s, c->task, c->worker, -1);\n', '', [4]),
    'a_copy_that_leaves_is_counted': (
        'moves.c', '        n -= (uint32_t)sbl_copy_is_at(s, sp->task, worker);\n', '        ;\n', []),
    # --- what others are told
    'input_void_is_not_told': (
        'life.c', '    sbl_unsend(f->s, f->task);\n    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_VOID, 0);',
        '    sbl_unsend(f->s, f->task);', [1]),
    'input_undone_is_not_told': (
        'life.c', '''    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_UNDONE, 0);
    begin_to_wait(f);''', '    begin_to_wait(f);', [7]),
    'lost_value_of_a_returned_task': (
        'life.c', '''    sbl_stask_set_state(f->s, f->t, SBL_T_CHAINED);
    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_UNDONE, 0);
}''', '}', [94]),
    'need_is_not_told': (
        'records.c', '''        if (!sbl_task_at(s, input)->users++ && sbl_task_at(s, input)->state == SBL_T_RELEASED)
            sbl_post(s, SBL_E_NEED, input, 0, 0);''', '        sbl_task_at(s, input)->users++;', [39]),
    'failed_target_is_not_seen': (
        'life.c', '    if (target->state == SBL_T_FAILED)\n', '    if (0)\n', [2497]),
    'failed_input_is_not_seen': (
        'life.c', '        if (sbl_task_at(s, edge->input)->state == SBL_T_FAILED)', '        if (0)', [11]),
    'look_is_forgotten': (
        'hear_client.c', '        t->flags |= SBL_LOOKED_FOR;', '        ;', [5]),
    # --- counting
    'inputs_are_let_go_too_early': (
        'life.c', '''    sbl_unplace(f->s, f->task);
    sbl_stask_set_state(f->s, f->t, SBL_T_SENT);''', '''    sbl_unplace(f->s, f->task);
    sbl_stask_set_state(f->s, f->t, SBL_T_SENT);
    sbl_let_inputs_go(f->s, f->task);''', [2]),
    'inputs_are_never_let_go': (
        'life.c', '    sbl_let_inputs_go(f->s, f->task);\n    if (f->t->at == SBL_AT_SCHEDULER)',
        '    if (f->t->at == SBL_AT_SCHEDULER)', [4]),
    'users_are_counted_twice': (
        'records.c', '    if (t->holds)\n        return;\n    t->holds = 1;\n    for', '    t->holds = 1;\n    for', [1]),
    'users_are_not_counted_down': (
        'records.c', '        if (t->holds)\n            in->users--;\n', '', [3]),
    'sent_ahead_is_counted_for_ever': (
        'life.c', '    if (!--f->t->missing)\n        sbl_peer_at(f->s, f->t->worker)->n_ahead--;',
        '    --f->t->missing;', [2]),
    'promised_memory_is_kept': (
        'fill.c', '    w->promised -= sbl_size_of(s, t);\n', '', [2]),
    'tries_are_not_counted': ('life.c', '        f->t->tries++;\n', '', [77]),
    'kills_are_not_counted': (
        'peers.c', 't->kills  = (uint8_t)(t->kills + (guilty && t->kills < UINT8_MAX));', '(void)guilty;', [190]),
    'planned_leave_is_charged': (
        'peers.c', '(loss && loss->planned) || other || (!ran', 'other || (!ran', [736]),
    # --- leaving
    'worker_leaves_with_values': ('retire.c', '    if (n || w->n_sent)\n', '    if (w->n_sent)\n', [3550]),
    'worker_leaves_with_tasks': ('retire.c', '    if (n || w->n_sent)\n', '    if (n)\n', [2]),
    # --- copies
    'lack_does_not_forget_the_copy': (
        'hear.c', '    if (sbl_copy_remove(s, task, worker))\n', '    if (0)\n', [35]),
    'lack_of_its_own_is_not_heard': (
        'hear_worker.c', 'worker == SBL_MADE_THERE ? y->slot : ', '', [115]),
    'dropped_copy_is_counted': (
        'copies.c', '        say_drop(s, sbl_copy_first(s, t), task);\n        end_copy(s, t->copies);\n',
        '        say_drop(s, sbl_copy_first(s, t), task);\n        t->copies = copy_at(s, t->copies)->next;\n', [4]),
    'drop_is_not_said': (
        'copies.c', '        say_drop(s, t->worker, task);\n', '', [4]),
    'copies_of_a_lost_worker_are_counted': (
        'copies.c', '    while (w->copies)\n        end_copy(s, w->copies);\n', '', [7]),
    'last_copy_of_data_is_overlooked': (
        'copies.c', '''        if (t->copies)
            promote(s, task);
        else
            sbl_post''', '        sbl_post', [628]),
    'data_of_a_client_that_is_gone': (
        'peers.c', '    sbl_data_leaves_client(s, slot);\n', '', [680]),
    # --- workers
    'hungry_worker_is_forgotten': (
        'fill.c', '        sbl_hungry_add(s, worker);\n', '        ;\n', [51]),
    'full_worker_waits_for_what_it_may_not_have': (
        'fill.c', 'sbl_n_runnable(w) <= (uint32_t)w->spare ||', '!w->n_sent ||', [2289]),
    'given_back_goes_round': (
        'fill.c', 'if (t->giver == worker || sbl_is_busy(sbl_peer_at(s, worker)))', 'if (0)', [369]),
    'spare_threads_are_not_filled': (
        'hear_worker.c', ''': 1 << 20;
    sbl_may_fill(y->s, y->slot);''', ': 1 << 20;', [2431]),
    'queue_of_a_silent_worker_waits': (
        'peers.c', '    sbl_worker_rests(s, slot);\n    sbl_queue_scatter(s, slot);\n}',
        '    sbl_worker_rests(s, slot);\n}', [1340]),
    'queue_of_a_lost_worker_is_forgotten': (
        'peers.c', '    lose_sent(s, slot, loss);\n    sbl_queue_scatter(s, slot);', '    lose_sent(s, slot, loss);', [94]),
    'heard_again_gets_no_work': (
        'peers.c', '    p->is_suspect = 0;\n    sbl_may_fill(s, slot);', '    sbl_may_fill(s, slot);', [29]),
    'known_worker_is_another': (
        'peers.c', "other->met[slot / 64] &= ~((uint64_t)1 << (slot % 64));", ';', [15]),
    'spec_is_another': (
        'records.c', 'w->specs_told[spec / 64] &= ~((uint64_t)1 << (spec % 64));', ';', [21]),
    'ring_keeps_an_empty_client': (
        'place.c', '    if (!q->n)\n        unring_roots(s, t->client);\n', '', [8]),
    # --- what not all workers may run
    'resources_are_kept': ('fill.c', '        sbl_rule_give(s, t);\n', '        ;\n', [4]),
    'ruled_is_sent_ahead': ('fill.c', 'return !sbl_rule_of(s, t) && ', 'return ', [5]),
    'ruled_is_placed_as_any': (
        'place.c', '    if (sbl_rule_of(s, t)) {\n        sbl_rule_place(s, task);\n        return;\n    }\n', '', [4]),
    'what_nobody_runs_is_sent_ahead': ('fill.c', ' && !(t->flags & SBL_ENDS_ALONE)', '', [4]),
    'resources_are_overlooked': (
        'rules.c', '    if (seat && !sbl_amounts_cover(&w->left, &r->needs))\n', '    if (0)\n', [4]),
    'nobody_is_called_for_the_next': (
        'rules.c', '        if (r->ready.n)\n            feed_one(s, r);\n        else if', '        if (!r->ready.n) if', [35]),
    'new_worker_has_no_seat': ('peers.c', '    sbl_seats_begin(s, slot);\n', '', [4]),
    'seat_of_a_worker_that_is_gone': ('peers.c', '    sbl_seats_end(s, slot);\n', '', [4]),
    'who_is_near_has_it_without_room': (
        'fill.c', '!are_alike(s, sbl_task_at(s, next), t) || !has_room(s, w, task, from) ||', '0 ||', [1259]),
    'who_is_near_keeps_others_waiting': (
        'fill.c', '    sbl_hungry_remove(s, worker); /* perhaps it was called for what others may have */\n    sbl_feed_one(s);\n', '',
        []),
    'who_was_called_is_gone': ('idle.c', '    sbl_feed_one(s);\n    sbl_seats_feed(s, worker);\n', '', [4701]),
    'who_waits_for_what_others_hold': ('rules.c', 'w->spare ? &NOBODY : r', 'r', []),
    # --- what some workers have no room for
    'who_has_no_room_is_asked_again': ('rules.c', '!w->name || sbl_has_refused(r, w) ||', '!w->name ||', [14]),
    'others_that_have_room_are_not_asked': (
        'life.c', '    if (sbl_refusal_note(f->s, f->task, worker, f->failure)) {\n', '    if (0) {\n', [15]),
    'nobody_has_room_and_it_waits': ('rules.c', '!r->seats && (r->only || r->n_full)', '!r->seats && r->only', [101]),
    # --- the executor
    'stop_ends_what_runs': (
        'executor.c', '        item->state = SBL_I_STOPPED;\n        x->calls.interrupt(x->calls.arg, item);',
        '        sbl_item_end(x, item);', [3]),
    'what_goes_round_counts_as_new': (
        'fill.c', '        if (!t->missing)\n            sbl_peer_at(s, worker)->has_given = 0;', '        sbl_peer_at(s, worker)->has_given = 0;', [940]),
    'unreadable_value_is_found_again': (
        'executor_ends.c', '    sbl_item_disown(x, in);\n', '', [115]),
    'innocents_are_charged': (
        'peers.c', '|| other || (!ran', '|| (!ran', [3616]),
    'dropped_while_it_is_used': (
        'items.c', '    if (item->users)\n        return;\n    if (item->state == SBL_I_HERE', '    if (item->state == SBL_I_HERE', [2]),
    'copy_is_not_told': (
        'executor_ends.c', '    if (!item->is_dropped)\n        sbl_executor_say_name(x, SBL_LETTER_HAVE, item->task, item->attempt);\n',
        '', [4]),
    'lack_is_not_told': (
        'executor_ends.c', '        sbl_executor_say_lack(x, of, item, item->worker);\n', '', [47]),
    'what_comes_for_nobody_is_kept': (
        'items.c', '(item->is_dropped || !item->is_asked)', 'item->is_dropped', [7]),
    'stop_leaves_what_waits': (
        'executor.c', '    } else if (sbl_item_take_back(x, item)) {\n        sbl_item_end(x, item);\n',
        '    } else if (sbl_item_take_back(x, item)) {\n        ;\n', [1]),
}


def plant(name, folder, output):
    file, old, new, _ = MISTAKES[name]
    text = (Path(folder) / file).read_text()
    if text.count(old) != 1:
        sys.exit(f'mistake {name}: what it replaces is {text.count(old)} times in {file}, not once: plant it anew')
    Path(output).write_text(text.replace(old, new))


def finds(program, first, last):
    """The first of those seeds that fails or does not end, and what it says."""
    try:
        done = subprocess.run([program, '--seeds', f'{first}..{last}', '--first'], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired as late:
        text = late.stdout or b''
        text = text.decode() if isinstance(text, bytes) else text
        tried = re.findall(r'^seed (\d+) begins', text, re.M)
        return int(tried[-1]) if tried else first, 'does not end'
    said = re.search(r'^seed (\d+): (.*)', done.stdout, re.M)
    if done.returncode == 1 and said:
        return int(said[1]), said[2]
    if done.returncode:
        tried = re.findall(r'^seed (\d+) begins', done.stdout, re.M)
        return int(tried[-1]) if tried else first, f'ends with status {done.returncode}'
    return None, ''


def run(name, program):
    for seed in MISTAKES[name][3]:
        found, says = finds(program, seed, seed)
        if found is not None:
            print(f'seed {found}: {says}')
            return 0
    found, says = finds(program, 1, SEARCHED)
    print(f'{name} is not found by the seeds {MISTAKES[name][3]} any more; note here: {found} {says}')
    return found is None


def seeds(name, program, n):
    found, says = finds(program, 1, int(n))
    print(f'{name}: {found} {says}')
    return found is None


if __name__ == '__main__':
    if sys.argv[1] == 'list':
        print('\n'.join(f'{name} {m[0]}' for name, m in MISTAKES.items() if m[3] or 'all' in sys.argv))
    elif sys.argv[1] == 'plant':
        plant(*sys.argv[2:])
    else:
        sys.exit({'run': run, 'seeds': seeds}[sys.argv[1]](*sys.argv[2:]))
