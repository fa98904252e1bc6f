"""The cases of `tools/bench rehearse`; README.md beside it tells what each means."""
import json
import subprocess
import sys

ROWS = 100_000_000
BOUND = 1.3  # of the local engine's time


def run(bench):
    program = bench.program('rehearse')
    found = {}

    def once(address):
        done = subprocess.run([program, address, str(bench.threads), str(bench.options.rows or ROWS)], env=bench.env,
                              stdout=subprocess.PIPE, check=True)
        answer = json.loads(done.stdout)
        if found.setdefault('centers', answer['centers']) != answer['centers']:
            sys.exit(f'bench: {address} gives other centres')
        found[address] = answer['fit']
        return answer['seconds']

    def fit(address):
        return lambda _: found[address]

    if bench.wants('kmeans', 'kmeans-fit'):
        ours, local, our_fit, local_fit = bench.in_turn(lambda _: once('rehearse:'), lambda _: once('local:'),
                                                        fit('rehearse:'), fit('local:'))
        bench.result('kmeans', ours, 'local engine', local, 's', ours / (BOUND * local), '1.3 * the local engine')
        bench.result('kmeans-fit', our_fit, 'local engine', local_fit, 's', our_fit / (BOUND * local_fit),
                     'the fit alone')
