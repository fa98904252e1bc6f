"""The cases of `tools/bench idle`, on 2 threads; README.md beside it tells what each means."""
from engine import PACKAGES, REPS, Engine, Entrant  # noqa: F401 (two are for tools/bench)

SLEEPERS = ('oneTBB', 'gcc OpenMP', 'Taskflow', 'libfork')  # after 10 ms; clang's OpenMP spins for 200 ms, Lace for ever


def run(bench):
    engine = Engine(bench)
    if bench.wants('cpu-2s'):
        ours, = engine.rounds('cpu-2s', [Entrant('sabal', 'sabal', 'cpu', 2, 2000, scale=1e-3, field='value', ours=True,
                                                 alone=False)])
        bench.result('cpu-2s', ours.median(), '1 ms', 1.0, 'ms', ours.median(), 'processor time of 2 idle seconds / 1 ms', 2)
    for ms in (10, 30):
        sides = [Entrant(p, p, 'wake', 2, ms, field='value') for p in SLEEPERS]
        engine.compare(f'wake-{ms}ms', [Entrant('sabal', 'sabal', 'wake', 2, ms, field='value', ours=True)] + sides, 'us', 1.0,
                       f'a pair of 1 ms tasks after {ms} idle ms, beyond 1 ms / theirs', ['libfork'])
