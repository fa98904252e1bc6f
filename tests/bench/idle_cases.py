"""The cases of `tools/bench idle`, on 2 threads; README.md beside it tells what each means."""
import sys

from engine import PACKAGES, REPS, Engine, Entrant, say  # noqa: F401 (two are for tools/bench)

PEERS = ('oneTBB', 'gcc OpenMP', 'Taskflow', 'libfork')  # clang's OpenMP spins for 200 ms, Lace for ever
PAIRS = 61     # a run wakes so often, for two tasks of 1 ms
ASLEEP = 0.1   # of the idle time of a core, at the most, is used by who sleeps then


def run(bench):
    engine = Engine(bench)
    if bench.wants('cpu-2s'):
        ours, = engine.rounds('cpu-2s', [Entrant('sabal', 'sabal', 'cpu', 2, 2000, scale=1e-3, field='value', ours=True,
                                                 alone=False)])
        bench.result('cpu-2s', ours.median(), '1 ms', 1.0, 'ms', ours.median(), 'processor time of 2 idle seconds / 1 ms', 2)
    compare_wakes(bench, engine, 10, True)
    compare_wakes(bench, engine, 30, False)


def compare_wakes(bench, engine, ms, asleep_only):
    """asleep_only: who spins through the idle time is no peer, but has a case of its own."""
    case = f'wake-{ms}ms'
    if not bench.wants(case, case + '-spinning'):
        return
    ours, *sides = engine.rounds(case, [Entrant('sabal', 'sabal', 'wake', 2, ms, field='value', ours=True)]
                                 + [Entrant(p, p, 'wake', 2, ms, field='value') for p in PEERS])
    share = {e.name: max(e.median_cpu() - PAIRS * 2e-3, 0) / (PAIRS * ms * 1e-3) for e in [ours, *sides] if e.values}
    say('  of an idle core they use: ' + ', '.join(f'{name} {part:.0%}' for name, part in share.items()))
    if share.get(ours.name, 0) > ASLEEP:
        sys.exit(f'bench: {case}: sabal itself does not sleep')
    spinning = [e for e in sides if asleep_only and share.get(e.name, 0) > ASLEEP]
    meaning = f'a pair of 1 ms tasks after {ms} idle ms, beyond 1 ms / theirs'
    engine.judge(case, [ours] + [e for e in sides if e not in spinning], 'us', 1.0, meaning, ['libfork'])
    if spinning:
        engine.judge(case + '-spinning', [ours, *spinning], 'us', 1.0, meaning + ', who do not sleep')
