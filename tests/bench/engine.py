"""The engine's benchmarks: builds the programs of engine/, runs them in turn, compares. The *_cases.py say what.

A run is a process of its own: spinning workers of one side end with it, and each round lays out memory anew. Lace,
libfork and Taskflow are taken from the prefix that SABAL_PEERS names (README.md); who is not there is left out.
"""
import dataclasses
import glob
import json
import math
import os
import statistics
import subprocess
import sys
import time

REPS = 9
PACKAGES = ['packages-bench']

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'engine')
FLAGS = ['-O3', '-march=native', '-DNDEBUG', '-ffp-contract=off', '-fno-math-errno']  # as meson builds sabal's side
LIMIT = 30       # seconds; a run that takes longer is out
TRIES = 3        # for a run that others disturbed
PATIENCE = 10    # seconds to wait before such a try until others leave the processors alone
ENOUGH = 3       # undisturbed runs of a side: the others don't count then
SPARE = 90       # seconds a case for such tries and waits in all

# name: words of the compiler, source, words behind it, the header that must be in SABAL_PEERS
PEERS = {
    'serial': (['gcc', '-std=gnu11'], 'serial.c', ['-lm'], None),
    'gcc OpenMP': (['gcc', '-std=gnu11', '-fopenmp'], 'openmp.c', ['-lm'], None),
    'clang OpenMP': (['clang', '-std=gnu11', '-fopenmp=libomp'], 'openmp.c', ['-lm'], None),
    'oneTBB': (['g++', '-std=c++17'], 'tbb.cpp', ['-ltbb'], None),
    'oneTBB graph': (['g++', '-std=c++17'], 'tbb_graph.cpp', ['-ltbb'], None),
    'Lace': (['gcc', '-std=gnu11'], 'lace.c', ['-llace', '-lpthread', '-lm'], 'lace.h'),
    'libfork': (['g++', '-std=c++20', '-fcoroutines'], 'libfork.cpp', ['-lpthread'], 'libfork.hpp'),
    'Taskflow': (['g++', '-std=c++20'], 'taskflow.cpp', ['-lpthread'], 'taskflow/taskflow.hpp'),
    'Taskflow graph': (['g++', '-std=c++20'], 'taskflow_graph.cpp', ['-lpthread'], 'taskflow/taskflow.hpp'),
}
ALL = ('oneTBB', 'gcc OpenMP', 'clang OpenMP', 'Taskflow', 'libfork', 'Lace')


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def quiet(answer, e):
    """Whether others left the processors to a run, as far as ticks of 10 ms can tell."""
    seconds = answer['seconds']
    return not e.alone or answer['foreign'] <= (0.15 * seconds + 0.015 if e.threads > 1 else seconds + 0.03)


def busy():
    """Seconds that processors have been busy so far."""
    with open('/proc/stat') as file:
        user, nice, system, _, _, *others = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf('SC_CLK_TCK')


def watched(work):
    """An answer's time and what others used meanwhile; work() gives its own seconds by the clock and of processors."""
    before = busy()
    seconds, own = work()
    return {'seconds': seconds, 'foreign': max(busy() - before - own, 0)}


def wait_for_quiet():
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        before = busy()
        time.sleep(0.5)
        if busy() - before < 0.05:
            return


@dataclasses.dataclass
class Entrant:
    """One side of a case: a run of a program, and what it counts with."""
    name: str
    program: str            # of PEERS, or sabal's: 'sabal', 'sabal_graph'
    workload: str
    threads: int
    n: int
    arg: int = 0
    warm: int = 0           # size of the run before the one that is timed
    scale: float = 1.0      # from the answer to what is compared
    field: str = 'seconds'  # of the answer
    ours: bool = False      # it is no peer that is dropped when it is slow
    alone: bool = True      # others on the processors disturb it
    ask: object = None      # instead of the program: a function that gives seconds and foreign
    values: list = dataclasses.field(default_factory=list)
    out: bool = False
    cpus: list = dataclasses.field(default_factory=list)          # seconds of processors that the runs used
    quiet_values: list = dataclasses.field(default_factory=list)  # of runs that nobody disturbed
    quiet_cpus: list = dataclasses.field(default_factory=list)

    def median(self):
        return statistics.median(self.quiet_values if len(self.quiet_values) >= ENOUGH else self.values)

    def median_cpu(self):
        return statistics.median(self.quiet_cpus if len(self.quiet_cpus) >= ENOUGH else self.cpus)

    def text(self):
        return (f'{self.name} {self.median():.4g} ({min(self.values):.4g} .. {max(self.values):.4g})'
                + (' out' if self.out else ''))


class Engine:
    def __init__(self, bench):
        self.bench, self.paths, self.disturbed, self.spare = bench, {}, 0, SPARE
        self.prefix = os.environ.get('SABAL_PEERS')
        self.folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'build-bench', 'engine')
        if not self.prefix:
            say('SABAL_PEERS is not set: no Lace, libfork, Taskflow (tests/bench/README.md)')

    # --- programs

    def include(self, header):
        """The folder of the prefix that holds a header, with the version in its name or without; None: it lacks it."""
        for folder in sorted(glob.glob(os.path.join(self.prefix, 'include', '*-*'))
                             + [os.path.join(self.prefix, 'include')]) if self.prefix else []:
            if os.path.exists(os.path.join(folder, header)):
                return folder
        return None

    def has(self, program):
        return program not in PEERS or PEERS[program][3] is None or self.include(PEERS[program][3]) is not None

    def path(self, program):
        if program not in self.paths:
            self.paths[program] = self.build(program) if program in PEERS else self.bench.program('engine_' + program)
        return self.paths[program]

    def build(self, program):
        compiler, source, libraries, header = PEERS[program]
        out = os.path.join(self.folder, program.replace(' ', '-'))
        command = [*compiler, *FLAGS, '-w', os.path.join(HERE, source), self.leaves(), '-o', out]
        if header:
            command += ['-I', self.include(header), '-L', os.path.join(self.prefix, 'lib')]
        command += libraries
        return self.compiled(out, command)

    def leaves(self):
        """The object of what all sides have in common, sabal's too."""
        out = os.path.join(self.folder, 'leaves.o')
        return self.compiled(out, ['gcc', '-std=gnu11', *FLAGS, '-c', os.path.join(HERE, 'leaves.c'), '-o', out])

    def compiled(self, out, command):
        wanted, mark = ' '.join(command), out + '.built'
        newest = max(os.path.getmtime(p) for p in glob.glob(os.path.join(HERE, '*')))
        if not (os.path.exists(mark) and open(mark).read() == wanted and os.path.getmtime(mark) >= newest):
            say(f'building {os.path.basename(out)}')
            os.makedirs(self.folder, exist_ok=True)
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                sys.exit(f'bench: {wanted}\n{done.stdout[-4000:]}')
            open(mark, 'w').write(wanted)
        return out

    # --- runs

    def once(self, e):
        """The value of a run, the quietest of up to TRIES; None: too slow. A wrong result ends all."""
        answers = []
        while len(answers) < TRIES and (not answers or self.spare > 0 and not quiet(answers[-1], e)):
            began = time.monotonic()
            if answers:
                wait_for_quiet()
            answer = e.ask() if e.ask else self.answer(e)
            if answer is None:
                return None
            self.spare -= time.monotonic() - began if answers else 0
            answers.append(answer)
        answer = min(answers, key=lambda a: a['foreign'] / a['seconds'])
        value = answer[e.field] * e.scale
        e.cpus.append(answer.get('cpu', 0))
        if value == 0 and e.workload.startswith('metg'):
            value = math.inf  # it is never so efficient
        if quiet(answer, e):
            e.quiet_values.append(value)
            e.quiet_cpus.append(answer.get('cpu', 0))
        else:
            self.disturbed += 1
        return value

    def answer(self, e):
        command = [str(w) for w in (self.path(e.program), e.threads, e.workload, e.n, e.arg, e.warm)]
        try:
            done = subprocess.run(command, env=self.bench.env, stdout=subprocess.PIPE, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            sys.exit(f'bench: {" ".join(command)} ended with status {done.returncode}')
        return json.loads(done.stdout)

    def rounds(self, case, entrants, hopeless=math.inf):
        """Runs all in turn, beginning with another one each round. Peers so many times slower than the best drop out
        after the first."""
        self.disturbed, self.spare = 0, SPARE
        entrants = [e for e in entrants if self.has(e.program)]
        for e in entrants:
            if not e.ask:
                self.path(e.program)
        for i in range(self.bench.options.reps):
            k = i % len(entrants)
            for e in entrants[k:] + entrants[:k]:
                value = None if e.out else self.once(e)
                if value is None:
                    e.out = True
                else:
                    e.values.append(value)
            if i == 0:
                firsts = [e.values[0] for e in entrants if e.values and not e.ours]
                for e in entrants:
                    e.out |= not e.ours and bool(e.values) and e.values[0] > hopeless * min(firsts)
        say(f'{case}: ' + ', '.join(e.text() if e.values else e.name + ' out' for e in entrants)
            + (f'; {self.disturbed} runs were disturbed' if self.disturbed else ''))
        return entrants

    def compare(self, case, entrants, unit, bound, meaning, needs=(), hopeless=math.inf, ideal=None):
        """Ours is the first; the ratio is ours / (bound * best of the others). Without a peer in needs it is null. An ideal
        takes its turns too, as a case of its own."""
        if not self.bench.wants(case, case + '-ideal'):
            return
        entrants = self.rounds(case, entrants + ([ideal] if ideal else []), hopeless)
        if ideal:
            entrants = [e for e in entrants if e is not ideal]
            known = ideal.values and entrants and entrants[0].values
            mine, best = (entrants[0].median(), ideal.median()) if known else (None, None)
            self.bench.result(case + '-ideal', mine, ideal.name, best, unit, mine / best if known else None,
                              'ours / the ideal', ideal.threads)
        self.judge(case, entrants, unit, bound, meaning, needs)

    def judge(self, case, entrants, unit, bound, meaning, needs=()):
        """The result of entrants that have run."""
        if not entrants:
            return self.bench.result(case, None, None, None, unit, None, meaning, 2)
        mine = entrants[0].median() if entrants[0].ours and entrants[0].values else None
        others = [e for e in entrants[1 if entrants[0].ours else 0:] if e.values and not e.out and e.median() < math.inf]
        best = min(others, key=Entrant.median) if others else None
        missing = [name for name in needs if not self.has(name)]
        if missing:
            say(f'{case}: no ratio without ' + ', '.join(missing).replace(' graph', ''))
        mine = None if mine == math.inf else mine
        known = mine is not None and best and not missing
        self.bench.result(case, mine, best and best.name, best and best.median(), unit,
                          mine / (bound * best.median()) if known else None, meaning,
                          entrants[0].threads)
