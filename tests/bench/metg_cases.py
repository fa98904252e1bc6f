"""The cases of `tools/bench metg`, on 2 threads; README.md beside it tells what each means."""
from engine import PACKAGES, REPS, Engine, Entrant  # noqa: F401 (two are for tools/bench)

PERCENT = 75  # one thread alone reaches 50


def side(name, program, workload, ours=False):
    return Entrant(name, program, workload, 2, PERCENT, field='value', ours=ours)


def run(bench):
    engine = Engine(bench)
    sides = [side('Taskflow', 'Taskflow graph', 'metg-graph'), side('oneTBB', 'oneTBB graph', 'metg-graph'),
             side('clang OpenMP', 'clang OpenMP', 'metg-graph')]
    engine.compare('graph', [side('sabal', 'sabal_graph', 'metg-graph', True)] + sides, 'ns', 1.0, 'the smallest efficient task / theirs', ['Taskflow graph'])
    sides = [side(p, p, 'metg-barrier') for p in ('gcc OpenMP', 'clang OpenMP', 'oneTBB', 'libfork', 'Lace')]
    engine.compare('barrier', [side('sabal', 'sabal', 'metg-barrier', True)] + sides, 'ns', 1.0,
                   'the smallest efficient task / theirs')
