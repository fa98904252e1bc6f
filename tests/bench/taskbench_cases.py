"""The cases of `tools/bench taskbench`: METG(50%) of Task Bench's patterns; README.md beside it tells what each means."""
from engine import Engine, Entrant

REPS = 3
PERCENT = 50
PATTERNS = ['trivial', 'no_comm', 'stencil_1d', 'fft', 'random_nearest', 'tree']  # as numbered in engine/patterns.h
DRIVERS = ['graph', 'jobs', 'futures', 'rehearse']


def run(bench):
    engine = Engine(bench)
    for driver in DRIVERS:
        for number, pattern in enumerate(PATTERNS):
            side = Entrant('sabal', 'sabal_taskbench', 'metg-' + driver, bench.threads, PERCENT, number, field='value',
                           ours=True, alone=driver != 'rehearse')  # whose workers are others to it
            engine.compare(f'{pattern}-{driver}', [side], 'ns', 1.0, 'no goal: METG(50%)')
