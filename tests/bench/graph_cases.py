"""The cases of `tools/bench graph`; README.md beside it tells what each means."""
from engine import PACKAGES, REPS, Engine, Entrant, watched  # noqa: F401 (two are for tools/bench)

CHAIN, SIDE = 100_000, 300       # tasks of a chain; a wavefront has SIDE x SIDE
FUTURES = {'chain': 1_000_000, 'tree': (1 << 20) - 1, 'map': 1_000_000}
DASK = {'chain': 20_000, 'tree': (1 << 14) - 1, 'map': 20_000}
SMALL = 127                      # of warm runs; a whole tree
PROGRAMS = {'oneTBB': 'oneTBB graph', 'Taskflow': 'Taskflow graph', 'gcc OpenMP': 'gcc OpenMP',
            'clang OpenMP': 'clang OpenMP'}


def run(bench):
    engine = Engine(bench)
    for shape, n, tasks in (('chain', CHAIN, CHAIN), ('wavefront', SIDE, SIDE * SIDE)):
        ours = Entrant('sabal', 'sabal_graph', f'rerun-{shape}', 2, n, field='value', ours=True)
        sides = [Entrant(p, PROGRAMS[p], f'rerun-{shape}', 2, n, field='value') for p in ('oneTBB', 'Taskflow')]
        engine.compare(f'rerun-{shape}', [ours] + sides, 'ns', 0.8, 'a task / (0.8 * theirs)',
                       ['Taskflow graph'] if shape == 'wavefront' else [])
    for shape, n, tasks in (('chain', CHAIN, CHAIN), ('wavefront', SIDE, SIDE * SIDE)):
        sides = [Entrant(p, PROGRAMS[p], f'build-{shape}', 2, n, warm=SMALL, scale=1e9 / tasks) for p in PROGRAMS]
        ours = Entrant('sabal', 'sabal_graph', f'build-{shape}', 2, n, warm=SMALL, scale=1e9 / tasks, ours=True)
        engine.compare(f'build-{shape}', [ours] + sides, 'ns', 0.5, 'a task / (0.5 * theirs)', ['Taskflow graph'])
    for shape in FUTURES:
        futures(bench, engine, shape)
    if bench.wants('futures-bytes'):
        ours, = engine.rounds('futures-bytes', [Entrant('sabal', 'sabal_futures', 'futures-bytes', 1, 1_000_000,
                                                        field='value', ours=True)])
        bench.result('futures-bytes', ours.median(), '200 bytes', 200, 'bytes', ours.median() / 200,
                     'memory of a task that waits / 200 bytes', 1)


def futures(bench, engine, shape):
    """In turn with Dask, whose process stays: it sleeps in between."""
    case, price = f'futures-{shape}', f'futures-{shape}-price'
    if not bench.wants(case, price):
        return
    n = FUTURES[shape]
    ours = Entrant('sabal', 'sabal_futures', case, 1, n, warm=SMALL, scale=1e6 / n, ours=True)
    with bench.peer('dask') as theirs:
        version = 'Dask ' + theirs.ask(shape, SMALL)['version']

        def work():
            answer = theirs.ask(shape, DASK[shape])
            return answer['seconds'], answer['cpu']

        dask = Entrant(version, 'dask', case, 1, DASK[shape], scale=1e6 / DASK[shape], ask=lambda: watched(work))
        engine.rounds(case, [ours, dask])
    mine, other = ours.median(), dask.median()
    bench.result(case, mine, version, other, 'us', 200 * mine / other, '200 * a task / theirs', 1)
    bench.result(price, mine, '0.3 us', 0.3, 'us', mine / 0.3, 'a task / 0.3 us', 1)
