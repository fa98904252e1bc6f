"""The cases of `tools/bench move`; README.md beside it tells what each means."""
import contextlib
import os
import subprocess
import time

from __main__ import Side, say

REPS = 9
NAMES = ('sabalA', 'sabalB')


def ip(*words):
    return subprocess.run(['ip', *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def namespaces():
    """The names of two network namespaces with a wire between them; None if they can't be made here."""
    a, b = (f'{name}{os.getpid()}' for name in NAMES)
    made = [ip('netns', 'add', name) for name in (a, b)]
    try:
        ready = all(made) and all(ip(*words.split()) for words in (
            f'link add v0 netns {a} type veth peer name v1 netns {b}',
            f'-n {a} addr add 10.77.0.1/24 dev v0', f'-n {b} addr add 10.77.0.2/24 dev v1',
            f'-n {a} link set v0 up', f'-n {b} link set v1 up',
            f'-n {a} link set lo up', f'-n {b} link set lo up'))
        for _ in range(50):  # until then UCX finds that neither reaches the other
            if not any('tentative' in subprocess.run(['ip', '-n', name, 'addr'], capture_output=True, text=True).stdout
                       for name in (a, b)):
                break
            time.sleep(0.2)
        yield (a, b) if ready else None
    finally:
        for name in (a, b):
            ip('netns', 'del', name)


def leave_bbr(two):
    """UCX's connections have what the system has; where that is BBR, its guess of the rate makes each figure one of two, by chance."""
    for name in two:
        if not ip('netns', 'exec', name, 'sysctl', '-qw', 'net.ipv4.tcp_congestion_control=reno'):
            say(f'bench: {name} does not take Reno: both sides have what the system has')


class Sides:
    """Processes that move a value each time they are asked, and tell the seconds."""

    def __init__(self, bench, *commands):
        self.stack = contextlib.ExitStack()
        self.sides = [self.stack.enter_context(Side(command, bench.env)) for command in commands]
        for side in self.sides * 2:  # memory that was touched, windows that are open
            side.ask()

    def works(self):
        return [lambda _, side=side: side.ask()['seconds'] for side in self.sides]

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stack.close()


def measure(bench, *commands):
    with Sides(bench, *commands) as sides:
        return bench.in_turn(*sides.works())


def move_memfd(bench, ours):
    for case, how, meaning in (('move-memfd', 'memfd', '0.8 * a copy into warm memory and the same sum'),
                               ('move-memfd-first', 'memfd-first', 'memory that was never shared before'),
                               ('move-memfd-copied', 'memfd-copied', 'a value that has to be copied there first')):
        if bench.wants(case):
            mine, copy = measure(bench, [ours, how], [ours, 'copy'])
            bench.result(case, mine, 'memcpy', copy, 's', mine / (0.8 * copy) if how == 'memfd' else None, meaning)


def move_tcp(bench, ours, two):
    for case, how, suited in (('move-tcp', 'tcp', ''), ('move-tcp-suited', 'tcp', '-suited'), ('move-tcp-4', 'tcp-4', ''),
                              ('move-tcp-encrypted', 'tcp-encrypted', '')):
        if not bench.wants(case):
            continue
        if not two:
            bench.result(case, None, 'raw socket', None, 's', None, 'no network namespaces here')
            continue
        mine, *raw = measure(bench, [ours, how, *two],
                             *([ours, f'raw-{kind}{suited}', *two] for kind in ('blocking', 'spinning')))
        best = min(raw)
        bench.result(case, mine, 'raw socket', best, 's', mine / (1.1 * best) if case == 'move-tcp' else None,
                     '1.1 * the better of a blocking and a spinning raw socket')


def move_ucx(bench, ours, case, how, bare, *two):
    if bench.wants(case):
        mine, theirs = measure(bench, [ours, how, *two], [bench.program('ucx'), bare, *two])
        bench.result(case, mine, 'UCX alone', theirs, 's', mine / (1.1 * theirs), '1.1 * UCX with the same settings')


def run(bench):
    ours = bench.program('move')
    bench.env['SABAL_TEST_PLUGIN'] = bench.target('src/cluster/net/sabal-ucx.so')
    bench.env.update(UCX_MEM_EVENTS='n')  # of both sides
    bench.env['SABAL_HUGE_PAGES'] = '2'  # as the peers have them, however long the system takes to give one
    move_memfd(bench, ours)
    move_ucx(bench, ours, 'move-ucx-shm', 'ucx-shm', 'shm')
    with namespaces() as two:
        if not two:
            say('bench: `ip netns` makes no network namespaces here: what needs them is not measured')
        move_tcp(bench, ours, two)
        if two:
            leave_bbr(two)
            move_ucx(bench, ours, 'move-ucx-tcp', 'ucx-tcp', 'tcp', *two)
        else:
            bench.result('move-ucx-tcp', None, 'UCX alone', None, 's', None, 'no network namespaces here')
