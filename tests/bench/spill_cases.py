"""The cases of `tools/bench spill`; README.md beside it tells what each means."""
import json
import subprocess

VALUES = 64  # of 8 MiB, for each thread
SHARE = 0.7  # of the disk's speed, that is to be reached


def run(bench):
    program = bench.program('spill')

    def speed(side, case):
        done = subprocess.run([program, side, case, str(bench.threads), str(bench.options.rows or VALUES)], env=bench.env,
                              stdout=subprocess.PIPE, check=True)
        answer = json.loads(done.stdout)
        return answer['bytes'] / answer['seconds'] / 1e6

    for case in ('write', 'read', 'write-compressible'):
        if bench.wants(case):
            ours, disk = bench.in_turn(lambda _: speed('sabal', case), lambda _: speed('disk', case))
            bench.result(case, ours, 'the disk', disk, 'MB/s', SHARE * disk / ours, '0.7 * the disk / ours')
