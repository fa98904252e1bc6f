"""The cases of `tools/bench forkjoin`; README.md beside it tells what each means."""
from engine import ALL, PACKAGES, REPS, Engine, Entrant  # noqa: F401 (the first two are for tools/bench)

# workload: its size, the size of its warm run, the bound, the peer without which the best is not known, peers left out
KERNELS = {
    'queens': (12, 8, 1.0, ['Lace'], ['gcc OpenMP']),
    'uts': (1, 7, 1.0, ['Lace'], ['gcc OpenMP']),
    'integrate': (2000, 100, 1.0, ['Lace'], ['gcc OpenMP']),
    'sort': (8_000_000, 100_000, 1.02, [], []),
    'matmul': (1024, 128, 1.02, [], []),
}
HOPELESS = 3  # so much slower than the best peer in the first round: out, as the runs take seconds
FIB = {'sabal': 40, 'Lace': 40, 'serial': 40, 'libfork': 34, 'gcc OpenMP': 24}  # others: 30


def spawns(n):
    """Inner nodes of fib(n)."""
    a, b = 0, 1
    for _ in range(n + 1):
        a, b = b, a + b
    return a - 1


def fib(name, threads, ours=False, scale=1.0):
    n = FIB.get(name, 30)
    return Entrant(name, name, 'fib', threads, n, warm=min(n, 27), scale=scale * 1e9 / spawns(n), ours=ours)


def kernel(name, workload, threads, ours=False, scale=1.0):
    n, warm, *_ = KERNELS[workload]
    return Entrant(name, name, workload, threads, n, warm=warm, scale=scale * 1e3, ours=ours)


def run(bench):
    engine = Engine(bench)
    for threads in (1, 2):
        engine.compare(f'fib-{threads}', [fib('sabal', threads, True)] + [fib(p, threads) for p in ALL], 'ns', 1.0,
                       'ns a spawn and sync / theirs', ['Lace'], HOPELESS)
        for name, (_, _, bound, needs, without) in KERNELS.items():
            sides = [kernel(p, name, threads) for p in ALL if p not in without]
            engine.compare(f'{name}-{threads}', [kernel('sabal', name, threads, True)] + sides, 'ms', bound,
                           'ours / theirs' if bound == 1 else f'ours / ({bound} * theirs)', needs, HOPELESS)
    engine.compare('fib-vs-call', [fib('sabal', 1, True), fib('serial', 1)], 'ns', 1.2, 'ours / (1.2 * a plain call)')
    speedup(engine, 'fib-speedup', fib('sabal', 1, True), fib('sabal', 2, True))
    speedup(engine, 'uts-speedup', kernel('sabal', 'uts', 1, True), kernel('sabal', 'uts', 2, True))
    two = kernel('sabal', 'queens', 2, True)
    two.name = 'sabal on 2 threads'
    engine.compare('queens-oversubscribed', [kernel('sabal', 'queens', 4, True), two], 'ms', 1.1,
                   '4 threads on 2 cores / (1.1 * 2 threads)')
    if bench.wants('uts-stack'):
        ours, = engine.rounds('uts-stack', [Entrant('sabal', 'sabal', 'uts-stack', 2, 3, warm=7, field='value', ours=True)])
        peak = max(ours.values)
        bench.result('uts-stack', peak, '1 MiB', 1 << 20, 'bytes', peak / (1 << 20),
                     'the deepest stack of a thread in UTS T3 / 1 MiB', 2)


def speedup(engine, case, one, two):
    if not engine.bench.wants(case):
        return
    engine.rounds(case, [one, two])
    gain = one.median() / two.median()
    engine.bench.result(case, gain, 'sabal on 1 thread', 1.8, 'times', 1.8 / gain, '1.8 / (1 thread / 2 threads)', 2)
