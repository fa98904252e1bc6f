"""The cases of `tools/bench taskbench`: METG of Task Bench's patterns; README.md beside it tells what each means."""
from engine import Engine, Entrant

REPS = 3
PERCENTS = {50: '', 75: '-75'}  # and what a case is called; on two threads one alone reaches 50
PATTERNS = ['trivial', 'no_comm', 'stencil_1d', 'fft', 'random_nearest', 'tree']  # as numbered in engine/patterns.h
DRIVERS = ['graph', 'jobs', 'futures', 'rehearse']


def run(bench):
    engine = Engine(bench)
    for driver in DRIVERS:
        for number, pattern in enumerate(PATTERNS):
            for percent, suffix in PERCENTS.items():
                side = Entrant('sabal', 'sabal_taskbench', 'metg-' + driver, bench.threads, percent, number,
                               field='value', ours=True, alone=driver != 'rehearse')  # its workers would be others
                engine.compare(f'{pattern}-{driver}{suffix}', [side], 'ns', 1.0, f'no goal: METG({percent}%)')
