"""The cases of `tools/bench kmeans`; README.md beside it tells what each means."""
import json

SHAPES = [(k, d) for k in (8, 100) for d in (16, 64, 128)]
SHORT, LONG = 5, 15  # passes of two runs whose difference is scikit-learn's price of a pass


def run(bench):
    big = bench.options.rows or 100_000_000
    if bench.wants('pass-vs-read', 'fit', 'fit-dask', 'fit-dask-one-round', 'inertia', 'inertia-dask', 'peak-memory', 'peak-memory-labels'):
        two_columns(bench, bench.data(f'kmeans-{big}x2.npy', 'blobs.py', big, 2, 3, 3.0, 0), big)
    rows = min(bench.options.rows or 1_000_000, 1_000_000)
    for k, d in SHAPES:
        if bench.wants(f'k{k}d{d}', f'k{k}d{d}-vs-peak', f'k{k}d{d}-vs-gemm'):
            data = bench.data(f'kmeans-{rows}x{d}.npy', 'blobs.py', rows, d, 20, 8.0, d)
            shape(bench, data, bench.data(f'kmeans-{rows}x{d}-{k}.npy', 'rows.py', data, k), rows, k, d)


def two_columns(bench, path, rows):
    """3 clusters of rows x 2."""
    centers = {}

    def fit(side, name, command='fit'):
        def work(i):
            answer = side.ask(command, 3, i)
            centers.setdefault(name, []).append(answer['centers'])
            return answer['seconds']
        return work

    with bench.sabal() as ours:
        ours.ask('load', path)
        if bench.wants('pass-vs-read'):
            ours.ask('read')
            mine, read = bench.in_turn(lambda i: ours.ask('fit', 3, i)['pass'], lambda i: ours.ask('read')['seconds'])
            bench.result('pass-vs-read', mine, 'plain parallel sum of the same memory', read, 's', mine / (1.3 * read),
                         'a pass / (1.3 * the read)')
        inertias = bench.wants('inertia', 'inertia-dask')
        if bench.wants('fit') or inertias:
            with bench.peer('sklearn') as theirs:
                version = 'scikit-learn ' + theirs.ask('load', path)['version']
                ours.ask('fit', 3, 0)
                mine, other = bench.in_turn(fit(ours, 'sabal'), fit(theirs, 'sklearn'))
                bench.result('fit', mine, version, other, 's', 20 * mine / other, '20 * ours / theirs')
                compare_inertia(bench, theirs, 'inertia', centers['sabal'], version, centers['sklearn'])
        if bench.wants('fit-dask-one-round'):
            with bench.peer('dask') as theirs:
                version = 'Dask-ML ' + theirs.ask('load', path)['version']
                mine, other, read = bench.in_turn(fit(ours, 'sabal one round', 'fit_one_round'),
                                                  fit(theirs, 'dask one round', 'fit_one_round'),
                                                  lambda i: ours.ask('read')['seconds'])
                bench.result('fit-dask-one-round', mine, version, other, 's', 60 * mine / other,
                             f'60 * ours / theirs; a read takes {read:.3f} s')
        if bench.wants('fit-dask', 'inertia-dask'):
            with bench.peer('dask') as theirs:
                version, limit = 'Dask-ML ' + theirs.ask('load', path)['version'], bench.options.peer_limit

                def patient(i):  # once stopped it stays so: the rounds that follow count with the limit too
                    answer = None if theirs.stopped else theirs.ask('fit', 3, i, limit=limit)
                    if answer:
                        centers.setdefault('dask', []).append(answer['centers'])
                    return answer['seconds'] if answer else limit

                mine, other = bench.in_turn(fit(ours, 'sabal'), patient)
                if theirs.stopped:
                    version += f', stopped before its end after {limit:g} s'
                bench.result('fit-dask', mine, version, other, 's', 60 * mine / other, '60 * ours / theirs')
            if inertias and 'dask' in centers:
                with bench.peer('sklearn') as judge:
                    judge.ask('load', path)
                    compare_inertia(bench, judge, 'inertia-dask', centers['sabal'], version, centers['dask'])
    for case, command, extra in (('peak-memory', 'fit', 0), ('peak-memory-labels', 'labels', 4 * rows)):
        if bench.wants(case):
            with bench.sabal() as ours:  # a process of its own: the peak is that of its whole life
                ours.ask('load', path)
                ours.ask(command, 3, 0)
                peak, limit = ours.ask('rss')['bytes'], 1.15 * rows * 16 + extra
                bench.result(case, peak, '1.15 * the data' + (' + 4 bytes a row' if extra else ''), limit, 'bytes',
                             peak / limit, 'peak / limit')


def compare_inertia(bench, judge, case, ours, peer, theirs):
    """Both by the judge's code, medians over the fits."""
    if not bench.wants(case):
        return

    def median(all_centers):
        different = {json.dumps(c) for c in all_centers}
        known = {text: judge.ask('inertia', text)['inertia'] for text in different}
        return sorted(known[json.dumps(c)] for c in all_centers)[len(all_centers) // 2]

    mine, other = median(ours), median(theirs)
    bench.result(case, mine, peer, other, 'inertia', mine / (other * (1 + 1e-4)), 'ours / (theirs * (1 + 1e-4))')


def shape(bench, data, centers, rows, k, d):
    """One pass with many features: over half of scikit-learn's, and against the processor's peak."""
    with bench.sabal() as ours, bench.peer('sklearn') as theirs:
        ours.ask('load', data)
        version = 'scikit-learn ' + theirs.ask('load', data)['version']

        def mine(i):
            return ours.ask('iterate', k, centers, LONG)['pass']

        def other(i):
            a, b = theirs.ask('iterate', k, centers, SHORT), theirs.ask('iterate', k, centers, LONG)
            if a['n_iter'] == b['n_iter']:
                return b['seconds'] / b['n_iter']
            return (b['seconds'] - a['seconds']) / (b['n_iter'] - a['n_iter'])

        mine(0)
        a_pass, their_pass, peak, read, gemm = bench.in_turn(
            mine, other, lambda i: ours.ask('peak')['flops'], lambda i: ours.ask('read')['seconds'],
            lambda i: ours.ask('gemm', k)['flops'])
        speed = 2e-9 * rows * k * d / a_pass
        bench.result(f'k{k}d{d}', a_pass, version, their_pass, 's', 2 * a_pass / their_pass,
                     f'a pass / half of theirs; a read takes {read:.4f} s')
        bench.result(f'k{k}d{d}-vs-peak', speed, 'peak of fused multiply-adds', peak * 1e-9, 'GFLOP/s',
                     0.7 * peak * 1e-9 / speed, '0.7 * peak / ours')
        bench.result(f'k{k}d{d}-vs-gemm', speed, "OpenBLAS's product alone", gemm * 1e-9, 'GFLOP/s',
                     gemm * 1e-9 / speed, 'theirs / ours')
