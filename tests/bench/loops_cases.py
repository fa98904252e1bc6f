"""The cases of `tools/bench loops`, on 2 threads; README.md beside it tells what each means."""
from engine import ALL, PACKAGES, REPS, Engine, Entrant  # noqa: F401 (two are for tools/bench)

ROUNDS = 2000  # of work in each of two bodies: about 2.3 us
SHORT = 10     # in each of a thousand: 3.8 us in all


def side(name, workload, n, arg, warm, unit, ours=False, scale=1.0):
    return Entrant(name, 'sabal' if ours else name, workload, 2, n, arg, warm, scale * unit / n, ours=ours)


def renamed(entrant, name):
    entrant.name = name
    return entrant


def run(bench):
    engine = Engine(bench)

    def compare(case, peers, n, arg, warm, bound, meaning, needs, *more, ideal=None):
        sides = [side(p, case, n, arg, warm, 1e9) for p in peers]
        engine.compare(case, [side('sabal', case, n, arg, warm, 1e9, True)] + sides + list(more), 'ns', bound, meaning,
                       needs, ideal=ideal)

    def half(case):
        return renamed(side('serial', case, 20_000, SHORT, 100, 1e9, scale=0.5), 'half of it on one thread')

    # Both bodies on one thread take twice the ideal.
    ideal = renamed(side('serial', 'for-2way', 20_000, ROUNDS, 100, 1e9, scale=1.1 / 2), '1.1 * the ideal')
    compare('for-2way', ALL, 20_000, ROUNDS, 100, 1.0, 'a launch / the lesser of theirs and 1.1 * the ideal', ['Lace'], ideal)
    compare('for-outside', ['oneTBB'], 20_000, ROUNDS, 100, 1.0, "a launch / oneTBB's", [])
    compare('for-1000', ALL, 20_000, SHORT, 100, 0.95, 'a loop / (0.95 * theirs)', ['Lace'], ideal=half('for-1000'))
    compare('dynamic-chunk', ALL, 10_000_000, 0, 10_000, 1.0, 'a chunk / theirs', ['Lace'])
    plain = renamed(side('sabal', 'for-1000', 20_000, SHORT, 100, 1e9, True, 1.05), '1.05 * our loop without a sum')
    compare('reduce', ALL, 20_000, SHORT, 100, 1.0, 'a sum / the lesser of theirs and 1.05 * our plain loop', ['Lace'], plain,
            ideal=half('reduce'))
