"""Mistakes that one could make in src/sched, planted in copies of its files: the explorer must find each.

Usage: mistakes.py list | mistakes.py plant NAME SOURCE_FOLDER OUTPUT | mistakes.py run NAME PROGRAM

A mistake is: file, what stands there (once), what is put in its place, the scenarios that show it, and what the explorer must
say. If the text is not found any more, the mistake must be planted anew.
"""
import re
import subprocess
import sys
from pathlib import Path

MISTAKES = {
    # --- the deque
    'publish_without_release': (
        'deque.c', 'word_of(shared + SBL_AGE, split, split + n), memory_order_release);',
        'word_of(shared + SBL_AGE, split, split + n), memory_order_relaxed);',
        ['two'], 'a race: reads records of slot 0'),
    'publish_before_the_word_is_cleared': (
        'deque.c', '''    for (uint32_t i = split; i < split + n; i++)
        __atomic_store_n(&self->base[i].thief, 0, __ATOMIC_RELAXED);
''', '', ['again_two_thieves'], 'a race: |does not hold|job 1 did not run'),
    'steal_without_acquire': (
        'deque.c', '''    uint64_t shared = atomic_load_explicit(&victim->shared, memory_order_acquire);

    if (sbl_tail_of(shared) >= sbl_split_of(shared)) {
        request(victim);
        return 0;
    }
    sbl_chaos();
    return steal_at(self, head, victim, shared);''', '''    uint64_t shared = atomic_load_explicit(&victim->shared, memory_order_relaxed);

    if (sbl_tail_of(shared) >= sbl_split_of(shared)) {
        request(victim);
        return 0;
    }
    atomic_compare_exchange_strong_explicit(&victim->shared, &shared, shared + 1, memory_order_relaxed,
                                            memory_order_relaxed);
    run_stolen(self, head, victim, victim->base + sbl_tail_of(shared));
    return 1;''',
        ['two'], 'a race: reads records of slot 0'),
    'steal_without_a_swap': (
        'deque.c', '''    if (!atomic_compare_exchange_strong_explicit(&victim->shared, &shared, shared + 1, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return 0;
''', '''    if (atomic_load_explicit(&victim->shared, memory_order_acquire) != shared)
        return 0;
    atomic_store_explicit(&victim->shared, shared + 1, memory_order_release);
''', ['one', 'one_two_thieves'], 'runs a second time|a race: '),
    'sync_without_a_swap': (
        'deque.c', '''        if (atomic_compare_exchange_weak_explicit(&self->shared, &shared, word_of(shared, tail, split),
                                                  memory_order_acq_rel, memory_order_relaxed)) {
''', '''        atomic_store_explicit(&self->shared, word_of(shared, tail, split), memory_order_seq_cst);
        {
''', ['one'], 'runs a second time|a race: '),
    'done_without_release': (
        'deque.c', 'const uintptr_t before = __atomic_exchange_n(&record->thief, DONE, __ATOMIC_ACQ_REL);',
        'const uintptr_t before = __atomic_exchange_n(&record->thief, DONE, __ATOMIC_ACQUIRE);',
        ['one'], 'a race: reads records of slot 0'),
    'done_before_it_is': (
        'deque.c', '        record->run(&self->place, head, record);\n    self->in_use = in_use;',
        '    {\n        end_record(victim, record);\n        record->run(&self->place, head, record);\n    }\n'
        '    self->in_use = in_use;',
        ['one'], 'a race: '),
    'sync_without_acquire': (
        'deque.c', 'uintptr_t word  = __atomic_load_n(&record->thief, __ATOMIC_ACQUIRE);',
        'uintptr_t word  = __atomic_load_n(&record->thief, __ATOMIC_RELAXED);',
        ['one'], 'a race: reads records of slot 0'),
    'thief_forgets_that_the_owner_sleeps': (
        'deque.c', '__atomic_fetch_or(&record->thief, (uintptr_t)self, __ATOMIC_ACQ_REL);',
        '__atomic_store_n(&record->thief, (uintptr_t)self, __ATOMIC_RELEASE);',
        ['one'], 'owner sleeps for ever'),
    'owner_sleeps_without_a_second_look': (
        'deque.c', '''        if (is_done(record))
            break;
        sbl_chaos();
        sbl_futex_wait(&self->joined''', '''        sbl_chaos();
        sbl_futex_wait(&self->joined''',
        ['one'], 'owner sleeps for ever'),
    'word_of_an_earlier_job_is_stored': (
        'deque.c', 'atomic_exchange_explicit(&victim->joined, 1, memory_order_acq_rel);',
        'atomic_store_explicit(&victim->joined, 1, memory_order_release);',
        ['again_two_thieves'], 'owner sleeps for ever'),
    'age_does_not_grow': (
        'deque.c', 'word_of(shared + SBL_AGE, split, split + n)', 'word_of(shared, split, split + n)',
        ['leapfrog'], "runs a stranger's job"),
    'leapfrog_without_a_look_at_the_record': (
        'deque.c', '''    if (is_done(record))
        return 0;
    sbl_chaos();
    return steal_at(self, record + 1, thief, shared);''', '''    return steal_at(self, record + 1, thief, shared);''',
        ['leapfrog'], "runs a stranger's job"),
    'leapfrog_reads_the_word_without_acquire': (
        'deque.c', 'shared = atomic_load_explicit(&thief->shared, memory_order_acquire);',
        'shared = atomic_load_explicit(&thief->shared, memory_order_relaxed);',
        ['leapfrog'], "runs a stranger's job"),
    'overflow_leaves_the_split': (
        'deque.c', '    place->split = NO_SPLIT; /* so that every sync goes through sabal_job_sync() */\n', '',
        ['overflow'], 'does not hold|runs a second time|a race: '),
    'publish_where_the_word_was_left': (
        'deque.c', 'empty && !self->n_overflow ? split_of_owner(self) : sbl_split_of(shared);', 'sbl_split_of(shared);',
        ['overflow_again'], 'for ever|does not hold|a race: |a second time'),
    'split_is_forgotten_when_the_deque_is_full': (
        'deque.c', 'word_of(shared, split, split), memory_order_relaxed);', 'shared, memory_order_relaxed);\n    (void)split;',
        ['overflow_again'], 'for ever|does not hold|a race: |a second time'),
    # --- graphs
    'part_is_read_when_it_is_done': (
        'deque.c', '''    atomic_store_explicit(&self->graph, sbl_nodes_join(&part, record), memory_order_relaxed);
    sbl_chaos();
    end_record(victim, record);
''', '''    end_record(victim, record);
    atomic_store_explicit(&self->graph, sbl_nodes_join(&part, record), memory_order_relaxed);
''', ['graph', 'graph_of_chains'], 'does not hold'),
    'part_is_counted_late': (
        'nodes.c', '    atomic_fetch_add_explicit(&to->nodes->at_work, 1, memory_order_relaxed);\n', '',
        ['graph_and_stranger'], 'a race: |does not hold'),
    'end_of_a_graph_is_not_told': (
        'nodes.c', '        sbl_event_set(&nodes->over);\n', '        (void)nodes;\n', ['graph'], 'for ever'),
    'root_does_not_look_whose_job_it_takes': (
        'deque.c', '''    if (atomic_load_explicit(&victim->graph, memory_order_relaxed) != graph)
        return 0;
''', '', ['graph_and_stranger'], "runs a stranger's job"),
    'root_looks_whose_it_is_before_it_reads_the_word': (
        'deque.c', '''    uint64_t shared = atomic_load_explicit(&victim->shared, memory_order_acquire);

    if (atomic_load_explicit(&victim->graph, memory_order_relaxed) != graph)
        return 0;
''', '''    uint64_t shared;

    if (atomic_load_explicit(&victim->graph, memory_order_relaxed) != graph)
        return 0;
    shared = atomic_load_explicit(&victim->shared, memory_order_acquire);
''', ['graph_and_stranger'], "runs a stranger's job"),
    'graph_is_left_late': (
        'deque.c', '''    atomic_store_explicit(&self->graph, before, memory_order_relaxed);
    sbl_chaos();
    sbl_nodes_leave(&part);
''', '''    (void)before;
    sbl_nodes_leave(&part);
''', ['graph_and_stranger'], "runs a stranger's job"),
    # --- sleeping and waking
    'sleep_without_a_look_at_what_was_posted': (
        'wake.c', '''    sbl_request_all(pool);
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
    if (atomic_load''', '''    sbl_request_all(pool);
    if (atomic_load''',
        ['post_one'], 'job 0 did not run'),
    'sleep_without_a_fence': (
        'wake.c', '    sbl_fence(); /* between the count and the look at the work; pairs with that in sbl_wake() */\n'
        '    sbl_request_all(pool);', '    sbl_request_all(pool);',
        ['post_one'], 'job 0 did not run'),
    'wake_without_a_fence': (
        'wake.c', '''    sbl_fence(); /* between the caller's publishing and this look; pairs with that in sbl_park() and
                    blocking.c */
''', '', ['post_one'], 'job 0 did not run'),
    'found_without_a_look_at_the_rest': (
        'wake.c', '''        wake_for_the_rest(self->pool);
}''', '''        (void)0;
}''',
        ['first_needs_second'], 'for ever'),
    'sleeper_is_woken_twice': (
        'wake.c', '''            if (!(bits & bit))
                continue; /* somebody else was faster: look at what is left */
''', '', ['mail_and_post'], 'does not hold|for ever'),
    'token_is_stored': (
        'wake.c', '''if (atomic_exchange_explicit(&slot->token, 1, memory_order_acq_rel) == 2) {
''', '''atomic_store_explicit(&slot->token, 1, memory_order_release);
    if (0) {
''',
        ['end_with_guest'], 'for ever'),
    'seat_is_not_rung': (
        'wake.c', '        seat->ring(seat->arg);\n', '        (void)seat;\n',
        ['seat_and_post'], 'job . did not run|for ever'),
    'seat_is_taken_with_a_token': (
        'wake.c', 'if (atomic_compare_exchange_strong_explicit(&self->token, &token, 2, memory_order_acq_rel, memory_order_relaxed)) {',
        'token = atomic_exchange_explicit(&self->token, 2, memory_order_acq_rel);\n    {',
        ['seat_and_post'], 'job . did not run|for ever'),
    'seat_is_left_with_its_mark': (
        'wake.c', '''        atomic_compare_exchange_strong_explicit(&self->token, &token, 0, memory_order_acq_rel, memory_order_relaxed);
''', "", ['seat_goes'], 'job 0 did not run'),
    'flags_are_not_raised_by_who_sleeps': (
        'wake.c', '''    sbl_request_all(pool);
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
    if (atomic_load''', '''    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
    if (atomic_load''',
        ['second_spawn'], 'for ever'),
    'share_without_a_wake': (
        'deque.c', '    publish(self, head);\n    sbl_wake(self->pool, 1);\n', '    publish(self, head);\n',
        ['guest_wakes'], 'for ever'),
    'flag_is_cleared_after_publishing': (
        'deque.c', '''    __atomic_store_n(&place->request, 0, __ATOMIC_RELAXED);
    sbl_job_share_unasked(place, head);
''', '''    sbl_job_share_unasked(place, head);
    __atomic_store_n(&place->request, 0, __ATOMIC_RELAXED);
''', ['second_spawn'], 'for ever'),
    'who_blocks_does_not_look': (
        'blocking.c', '''    sbl_request_all(pool);
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
''', '''    sbl_request_all(pool);
''', ['blocked'], 'for ever|did not run'),
    'event_is_stored': (
        'blocking.c', 'if (atomic_exchange_explicit(&event->word, 1, memory_order_acq_rel) == 2)',
        '''uint32_t was = atomic_load_explicit(&event->word, memory_order_relaxed);

    atomic_store_explicit(&event->word, 1, memory_order_release);
    if (was == 2)''', ['event'], 'sleeps for ever'),
    'event_wakes_one': (
        'blocking.c', 'sbl_futex_wake(&event->word, INT_MAX);', 'sbl_futex_wake(&event->word, 1);',
        ['event'], 'sleeps for ever'),
    'end_without_a_fence': (
        'pool.c', "        sbl_fence(); /* between `ending` and the look; pairs with that in sbl_tell_quiet() */\n", '',
        ['end_of_one'], 'for ever'),
    'queue_posts_relaxed': (
        'queue.c', '&queue->posted, &before, first, memory_order_release,', '&queue->posted, &before, first, memory_order_relaxed,',
        ['post_one'], 'a race: reads posted piece'),
    'mail_wakes_without_a_fence': (
        'wake.c', "    sbl_fence(); /* between the caller's publishing and this look; pairs with that in sbl_park() */\n", '',
        ['mail'], 'for ever|did not run'),
    'mail_looks_at_the_count_before_the_fence': (
        'wake.c', """    sbl_fence(); /* between the caller's publishing and this look; pairs with that in sbl_park() */
    if (!(atomic_load_explicit(sleeping, memory_order_relaxed) & bit))
        return;
    state = sbl_state(pool); /* behind the fence too: the sleeper, whose bit is there, may have counted down just now */
""", """    state = sbl_state(pool);
    sbl_fence();
    if (!(atomic_load_explicit(sleeping, memory_order_relaxed) & bit))
        return;
""", ['mail'], 'did not run'),
    'guest_leaves_without_telling': (
        'guest.c', """            sbl_wake(pool, 1);
        sbl_tell_quiet(pool);
""", """            sbl_wake(pool, 1);
""", ['end_with_guest'], 'for ever'),
    'guest_leaves_without_raising_flags': (
        'guest.c', """        sbl_request_all(pool);
        if (sbl_records_visible""", """        if (sbl_records_visible""",
        ['guest_leaves'], 'for ever'),
    'who_sleeps_does_not_see_what_is_at_home': (
        'wake.c', 'if (sbl_queue_has_any(&pool->queue) || sbl_home_visible(pool))', 'if (sbl_queue_has_any(&pool->queue))',
        ['home_of_nobody'], 'job 0 did not run'),
    'wake_gives_up_at_once': (
        'wake.c', 'while (!try_wake(pool, for_records)) {', 'if (!try_wake(pool, for_records)) {',
        ['no_spare'], 'job 1 did not run'),
}


def plant(name, folder, output):
    file, old, new, _, _ = MISTAKES[name]
    text = (Path(folder) / file).read_text()
    if text.count(old) != 1:
        sys.exit(f'mistake {name}: what it replaces is {text.count(old)} times in {file}, not once: plant it anew')
    Path(output).write_text(text.replace(old, new))


def run(name, program):
    _, _, _, scenarios, says = MISTAKES[name]
    done = subprocess.run([program] + scenarios, capture_output=True, text=True)
    found = re.search(f'^\\w+: .*(?:{says}).*, after$', done.stdout, re.M)
    if done.returncode == 1 and found:
        print(found[0])
        return 0
    print(f'{name} was not found: expected "{says}" from {" ".join(scenarios)}, got status {done.returncode} and')
    print(done.stdout[-4000:] + done.stderr)
    return 1


if __name__ == '__main__':
    if sys.argv[1] == 'list':
        print('\n'.join(f'{name} {m[0]}' for name, m in MISTAKES.items()))
    elif sys.argv[1] == 'plant':
        plant(*sys.argv[2:])
    else:
        sys.exit(run(*sys.argv[2:]))
