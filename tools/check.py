"""Builds sabal in every way that finds mistakes and runs its tests; called by tools/check, which installs first.

One line a stage: its name, what was done, the seconds. What failed shows the end of its log; skipped tests are
listed by name; the last line is "N passed, N failed, N skipped". Everything is made under build-check/.

Sanitizers are believed by their logs alone: they write to a folder, and any file in it is a failure. (Criterion runs
each test in a child process whose reports it swallows, so these builds make plain programs of the tests.) And
because a check that can't fail is worth nothing, tests/planted/ holds one defect of each kind, and each must be caught.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, 'build-check')
SANITIZED = ['-Dplain_tests=true', '-Db_lundef=false', '-Dbuildtype=debugoptimized', '-Ddocs=disabled']
LINES = '-Dc_args=-g1'  # a report names lines; where variables are is not worth the time of compiler and linker
NO_RECOVERY = LINES + ' -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
TREES = {  # compiler, options of meson
    'gcc': ('gcc', ['-Dwerror=true']),
    'clang': ('clang', ['-Dwerror=true', '-Ddocs=disabled']),
    'asan': ('gcc', SANITIZED + ['-Db_sanitize=address,undefined', NO_RECOVERY]),
    'tsan': ('gcc', SANITIZED + ['-Db_sanitize=thread', LINES]),
    'arm': ('gcc', ['--cross-file', os.path.join(OUT, 'arm-root', 'cross.ini'), '-Dplain_tests=true', '-Dwerror=true',
                    '-Ddocs=disabled', '-Ducx=disabled']),
    'fuzz': ('clang', SANITIZED + ['-Db_sanitize=address,undefined', '-Dfuzz=true',
                                   NO_RECOVERY + ' -fsanitize=fuzzer-no-link']),
}
# Suites whose tests use threads of ours. Kernels have none, and layout, install and examples are not of C.
THREADED = ['base', 'sched', 'value', 'graph', 'cluster', 'net', 'array', 'ml']
MOSTLY_WAIT = '^cluster/(wires|intruders|status|watch|supervisor|supervisor_ends)$'  # half a minute each: in gcc's tree, elsewhere only with --long
LONG_UNDER_TSAN = ['ml/kmeans_bits', 'ml/kmeans_seeding', 'cluster/memory']  # minutes each: only with --long
PLANTED = {  # tree: {test: what its report must say}
    'gcc': {'wrong': 'FAIL', 'late': 'Timed out'},
    'asan': {'leak': 'LeakSanitizer', 'overflow': 'heap-buffer-overflow', 'undefined': 'signed integer overflow',
             'wrong': 'FAILED planted/wrong', 'late': 'FAILED planted/late', 'end': 'ended once'},
    'tsan': {'race': 'data race', 'late': 'FAILED planted/late'},
}


class Result:
    """What a stage came to: counts, the names of skipped tests, texts of failures, a word on what was done."""

    def __init__(self, note=''):
        self.passed, self.failed = 0, 0
        self.skipped, self.failures, self.note = [], [], note

    def fail(self, name, text='', count=1):
        self.failed += count
        self.failures.append((name, text))

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures


def environment():
    """The caller's, less what would change results; the tests' language is C's."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(('SABAL_', 'MESON_', 'CRITERION_'))}
    for name in ('CFLAGS', 'CPPFLAGS', 'LDFLAGS', 'DESTDIR'):
        env.pop(name, None)
    env['CRITERION_VERBOSITY_LEVEL'] = '1'  # so that it names the tests it skips
    env['LC_ALL'] = 'C.UTF-8'
    env['LOCPATH'] = os.path.join(OUT, 'locale')
    return env


def make_locale():
    """A locale with a decimal comma, so that tests can see that the host's has no effect."""
    folder = os.path.join(OUT, 'locale')
    if not os.path.isdir(os.path.join(folder, 'de_DE.UTF-8')):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(['localedef', '-i', 'de_DE', '-f', 'UTF-8', os.path.join(folder, 'de_DE.UTF-8')],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tail(text, lines=40):
    return '\n'.join(text.rstrip().splitlines()[-lines:])


def what_failed(text):
    """A test's output with what was wrong first: the lines of its failed cases, then its end."""
    wrong = [line for line in text.splitlines() if re.match(r'\[(----|FAIL|ERR)\s*\]|FAILED |\[ *CRASH', line)]
    return '\n'.join(wrong[:60] + (['...'] if wrong else []) + [tail(text)])


def run(command, log, **more):
    """Runs a command with its output in a file; returns its status and the text."""
    more.setdefault('env', environment())
    with open(log, 'w') as file:
        status = subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                **more).returncode
    with open(log, errors='replace') as file:
        return status, file.read()


def log_path(name):
    os.makedirs(os.path.join(OUT, 'logs'), exist_ok=True)
    return os.path.join(OUT, 'logs', name + '.log')


def build(tree, result, *targets):
    """Configures the tree if it is new or its options changed, and builds it. False: it failed, result tells."""
    folder, (compiler, options) = os.path.join(OUT, tree), TREES[tree]
    env = dict(environment(), CC=compiler)
    mark, wanted = os.path.join(folder, 'configured'), ' '.join([compiler] + options)
    if not (os.path.exists(mark) and open(mark).read() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        status, text = run(['meson', 'setup', folder] + options, log_path(tree + '-setup'), env=env)
        if status:
            result.fail(tree + ': meson setup', tail(text))
            return False
        with open(mark, 'w') as file:
            file.write(wanted)
    status, text = run(['ninja', '-C', folder, *targets], log_path(tree + '-build'), env=env)
    if status:
        errors = [m.start() for m in re.finditer(r'^FAILED:', text, re.M)]
        result.fail(tree + ': build', tail(text[errors[0]:][:6000] if errors else text))
    return status == 0


def count(test, result):
    """Adds one executable of the test log: single tests where its output tells them, else itself as one."""
    name = test['name'].split(' / ')[-1]
    text = re.sub(r'\x1b\[[0-9;]*m', '', (test.get('stdout') or '') + '\n' + (test.get('stderr') or ''))
    bad = test['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL')
    criterion = re.findall(r'Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)', text)
    plain = re.findall(r'^(\d+) passed, (\d+) failed, (\d+) skipped$', text, re.M)
    passed = failed = 0
    skipped = re.findall(r'^\[SKIP\] (.*)$', text, re.M) + re.findall(r'^SKIPPED (.*)$', text, re.M)
    if criterion:
        tested, passed, failed, _ = map(int, criterion[-1])
        bad |= tested != passed + failed
    elif plain:
        passed, failed, _ = map(int, plain[-1])
    elif test['result'] == 'SKIP':
        skipped = ['the whole of ' + name]
    else:
        passed = 0 if bad else 1
    if bad or failed:
        result.fail(f'{name} ({test["result"]}, status {test.get("returncode")})', what_failed(text), max(failed, 1))
    elif passed + len(skipped) == 0:
        result.fail(name, 'it ran no test')
    result.passed += passed
    result.skipped += [f'{name}: {s.replace("::", "/")}' for s in skipped]


def run_tests(tree, suites=(), without=(), setup=None, wrapper=None, env=None, only=(), repeat=1):
    """Runs tests of a tree with meson and counts them, each time they are repeated."""
    result, folder = Result(), os.path.join(OUT, tree)
    command = ['meson', 'test', '-C', folder, '--no-rebuild', '--timeout-multiplier', '4', '--num-processes', str(os.cpu_count() + 2)]  # many mostly wait
    command += [word for s in suites for word in ('--suite', s)] + [word for s in without for word in ('--no-suite', s)]
    command += ['--setup', setup] if setup else []
    command += ['--wrapper', wrapper] if wrapper else []
    command += ['--repeat', str(repeat)] if repeat > 1 else []
    logs = os.path.join(folder, 'meson-logs', 'testlog*.json')  # meson adds setup and wrapper to the name
    for log in glob.glob(logs):
        os.remove(log)
    status, text = run(command + list(only), log_path(tree + '-test'), env=dict(environment(), **(env or {})))
    tests = [json.loads(line) for log in glob.glob(logs) for line in open(log)]
    for test in tests:
        count(test, result)
    if not tests:
        result.fail(tree + ': meson test ran nothing', tail(text))
    elif status and not result.failed:
        result.fail(tree + ': meson test', tail(text))
    return result


def run_sanitized(tree, **how):
    """As run_tests(), and any report of a sanitizer is a failure."""
    folder = os.path.join(OUT, 'reports-' + tree)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    common = f'log_path={folder}/report:allocator_may_return_null=1'  # the library reports it; a test asks for that
    env = {
        'ASAN_OPTIONS': common + ':detect_leaks=1:detect_stack_use_after_return=1',
        'LSAN_OPTIONS': common + ':suppressions=' + os.path.join(ROOT, 'tests/support/lsan.supp') + ':print_suppressions=0',
        'UBSAN_OPTIONS': common + ':print_stacktrace=1',
        'TSAN_OPTIONS': common + ':suppressions=' + os.path.join(ROOT, 'tests/support/tsan.supp')
                        + ':print_suppressions=0:history_size=4',
    }
    # Where addresses are laid out at random over too many bits, TSan of gcc 12 and clang 14 can't start.
    fixed = tree == 'tsan' and subprocess.run(['setarch', '-R', 'true'], stderr=subprocess.DEVNULL).returncode == 0
    result = run_tests(tree, env=env, wrapper='setarch -R' if fixed else None, **how)
    for report in sorted(glob.glob(folder + '/*')):
        with open(report, errors='replace') as file:
            text = file.read()
        if not re.sub(r'==\d+==WARNING: \w+ failed to allocate.*', '', text).strip():
            continue  # a request beyond all memory, answered with NULL as malloc would
        result.fail(f'report of a sanitizer: {os.path.relpath(report, ROOT)}', '\n'.join(text.splitlines()[:60]))
    return result


def stage_gcc(options):
    """Release build with warnings as errors, all tests but those that have a stage of their own."""
    result = Result('gcc, -Werror: build and tests')
    if build('gcc', result):
        result.add(run_tests('gcc', without=['layout', 'install', 'planted', 'explore']))
    return result


def stage_clang(options):
    result = Result('clang, -Werror: build and tests')
    if build('clang', result): # what runs on each engine did so in gcc's tree
        result.add(run_tests('clang', only=[name for name in names_of_tests('clang') if not re.search('@cluster|' + MOSTLY_WAIT, name) and
                                            name.split('/')[0] not in ('layout', 'install', 'planted', 'explore', 'sim')]))
    return result


def stage_layout(options):
    result = Result('floors, headers alone, names, contracts')
    if build('gcc', result):
        result.add(run_tests('gcc', suites=['layout']))
    return result


def stage_explore(options):
    """All schedules of small scenarios of the pool; with --long wider ones, and a thousand rounds of the tests that may hang."""
    result = Result('all schedules of the pool in small, and each planted mistake is found')
    if not build('gcc', result):
        return result
    result.add(run_tests('gcc', suites=['explore']))
    if options.long:
        status, text = run([os.path.join(OUT, 'gcc/tests/explore/explore'), '--long'], log_path('explore-long'))
        runs = re.search(r'^(\d+) passed, (\d+) failed', text, re.M)
        result.passed += int(runs[1]) if runs else 0
        if status or not runs:
            result.fail('explore --long', tail(text, 200))
        result.add(run_tests('gcc', only=['graph/hang'], env={'HANG_ROUNDS': '1000'}))
    return result


def stage_sim(options):
    """The cluster's state machines in the simulator; with --long 20,000 seeds, and all cells of the scheduler's table."""
    result = Result('the cluster in the simulator, and each planted mistake is found')
    if not build('gcc', result):
        return result
    result.add(run_tests('gcc', suites=['sim']))
    if options.long:
        status, text = run([os.path.join(OUT, 'gcc/tests/core/sim'), '--seeds', '1..20000', '--long', '--cells'], log_path('sim-long'))
        runs = re.search(r'^(\d+) passed, (\d+) failed', text, re.M)
        result.passed += int(runs[1]) if runs else 0
        if status or not runs:
            result.fail('sim --long', tail(text, 200))
    return result


# Tests of processes of which some die, are cut off or attacked: as right the twentieth time as the first.
FAULTS = ['cluster/faults', 'cluster/wires', 'cluster/intruders', 'cluster/supervisor', 'cluster/ends']


def stage_cluster(options):
    """With --long: each fault of a cluster twenty times (once it comes in gcc's stage)."""
    result = Result('each fault of a cluster ' + ('twenty times' if options.long else 'twenty times: only with --long'))
    if options.long and build('gcc', result):
        result.add(run_tests('gcc', repeat=20, only=[name for name in names_of_tests('gcc') if name in FAULTS]))
    return result


def stage_install(options):
    result = Result('installed, moved, used from C, C++ and Python')
    if build('gcc', result):
        result.add(run_tests('gcc', suites=['install'], setup='all'))
    return result


def stage_docs(options):
    result = Result('the manual, warnings as errors')
    if build('gcc', result):
        status, text = run(['ninja', '-C', os.path.join(OUT, 'gcc'), 'docs/manual'], log_path('docs'))
        if status:
            result.fail('the manual', tail(text))
        else:
            result.passed += 1
    return result


def names_of_tests(tree):
    done = subprocess.run(['meson', 'introspect', '--tests', os.path.join(OUT, tree)], capture_output=True)
    return [test['name'] for test in json.loads(done.stdout)]


def stage_asan(options):
    result = Result('AddressSanitizer, leaks, UBSan: ' + ('all tests' if options.long else 'all but those in workers once more'))
    if build('asan', result):
        if options.long:
            result.add(run_sanitized('asan', without=['layout', 'install', 'planted']))
        else:
            result.add(run_sanitized('asan', only=[name for name in names_of_tests('asan') if not re.search('@(rehearse|cluster)|' + MOSTLY_WAIT, name) and
                                                   name.split('/')[0] not in ('layout', 'install', 'planted')]))
    return result


def stage_tsan(options):
    result = Result('ThreadSanitizer: ' + ('all tests' if options.long else ', '.join(THREADED)))
    if build('tsan', result):
        if options.long: # fuzzers have one thread, and only under ASan do they tell what is a library's own fault
            result.add(run_sanitized('tsan', without=['layout', 'install', 'planted', 'fuzz']))
        else:
            result.add(run_sanitized('tsan', only=[name for name in names_of_tests('tsan') if not re.search('@(rehearse|cluster)|' + MOSTLY_WAIT, name) and
                                                   name.split('/')[0] in THREADED and name not in LONG_UNDER_TSAN]))
    return result


# What an emulator can't do: start programs of its own kind, as worker processes and the command's tests are.
EMULATED = ['base', 'value', 'sched', 'graph', 'kernel', 'io', 'array', 'ml']


def stage_arm(options):
    """With --long: everything built for armv8-a and run in an emulator, which keeps the order of stores as x86 does, so that
    weak memory is not tried by it (that is tests/explore)."""
    result = Result('armv8-a in an emulator: ' + (', '.join(EMULATED) if options.long else 'only with --long'))
    if not options.long:
        return result
    status, text = run([os.path.join(ROOT, 'tests/arm/prepare'), os.path.join(OUT, 'arm-root')], log_path('arm-prepare'))
    if status:
        result.fail('tests/arm/prepare', tail(text))
    elif build('arm', result):
        result.add(run_tests('arm', env={'TEST_EMULATED': '1'}, only=[
            name for name in names_of_tests('arm') if not re.search('@(rehearse|cluster)', name) and name.split('/')[0] in EMULATED]))
    return result


def stage_planted(options):
    """Each planted defect, run by the same functions as the tests, must make them fail, and for its own reason."""
    result = Result('each planted defect is caught')
    for tree, defects in PLANTED.items():
        if not build(tree, result):
            continue
        for name, says in defects.items():
            how = {'setup': 'all', 'only': ['planted/' + name]}
            found = run_tests(tree, **how) if tree == 'gcc' else run_sanitized(tree, **how)
            if found.failed and any(says in text for _, text in found.failures):
                result.passed += 1
            else:
                result.fail(f'planted/{name} was not caught in the tree {tree}',
                            f'expected a failure that says "{says}", got {found.failed} failures:\n'
                            + '\n'.join(f'{n}\n{t}' for n, t in found.failures))
    return result


def fuzz(program, seconds):
    """One fuzzer, from its seeds and what it found before; a part of the stage's result."""
    result, name, env = Result(), os.path.basename(program), environment()
    del env['LOCPATH']  # glibc leaks a copy of it, and a fuzzer takes no suppressions of the test runs
    work = os.path.join(OUT, 'corpus', name)
    seeds = os.path.join(ROOT, 'tests/fuzz/seeds', name[len('fuzz_'):])
    os.makedirs(work, exist_ok=True)
    command = [program, f'-max_total_time={seconds}', '-timeout=25', '-rss_limit_mb=3000', '-print_final_stats=1',
               f'-artifact_prefix={OUT}/logs/{name}-', work] + ([seeds] if os.path.isdir(seeds) else [])
    status, text = run(command, log_path(name), env=env)
    runs = re.search(r'stat::number_of_executed_units:\s*(\d+)', text)
    if status:
        result.fail(f'{name}: status {status}', tail(text, 60))
    elif not runs or int(runs[1]) < 100:
        result.fail(name, 'it ran almost nothing\n' + tail(text))
    else:
        result.passed += 1
        result.note = f', {name[5:]} {int(runs[1])} runs'
    return result


def stage_fuzz(options):
    """libFuzzer on every tests/fuzz/fuzz_*.c, from its seeds, the time shared between them; up to four at once."""
    result = Result(f'fuzzing readers and decoders, {options.fuzz_seconds} s in all')
    if not build('fuzz', result, 'fuzzers'):
        return result
    programs = sorted(p for p in glob.glob(os.path.join(OUT, 'fuzz/tests/fuzz/fuzz_*')) if os.path.isfile(p))
    if not programs:
        result.fail('fuzz', 'there is nothing to fuzz')
    with concurrent.futures.ThreadPoolExecutor(min(os.cpu_count(), 4)) as pool:
        for part in pool.map(lambda program: fuzz(program, max(options.fuzz_seconds // len(programs), 1)), programs):
            result.add(part)
            result.note += part.note
    return result


STAGES = {'gcc': stage_gcc, 'layout': stage_layout, 'explore': stage_explore, 'sim': stage_sim, 'cluster': stage_cluster, 'install': stage_install, 'docs': stage_docs,
          'clang': stage_clang, 'asan': stage_asan, 'tsan': stage_tsan, 'arm': stage_arm, 'planted': stage_planted,
          'fuzz': stage_fuzz}
QUICK = ['gcc', 'layout', 'asan']


def arguments():
    parser = argparse.ArgumentParser(prog='tools/check', description='Builds sabal in every way and runs all tests.')
    parser.add_argument('stages', nargs='*', metavar='STAGE', help='only these: ' + ' '.join(STAGES))
    parser.add_argument('--quick', action='store_true', help='for the desk: only ' + ' '.join(QUICK))
    parser.add_argument('--long', action='store_true', help='all tests, in their longest form, under every sanitizer and for armv8, an hour of fuzzing')
    parser.add_argument('--fuzz-seconds', type=int, help='time for fuzzing in all; default 60, with --long 3600')
    options = parser.parse_intermixed_args()
    unknown = [s for s in options.stages if s not in STAGES]
    if unknown:
        parser.error(f'no stage {unknown[0]}; there are: ' + ' '.join(STAGES))
    if options.fuzz_seconds is None:
        options.fuzz_seconds = 3600 if options.long else 60
    options.stages = options.stages or (QUICK if options.quick else list(STAGES))
    return options


def main():
    options, total, start = arguments(), Result(), time.time()
    os.environ.pop('TEST_LONG', None)
    if options.long:
        os.environ['TEST_LONG'] = '1'  # tests whose sizes are for every day take those they had at first
    make_locale()
    for name in options.stages:
        began = time.time()
        result = STAGES[name](options)
        total.add(result)
        counts = f'{result.passed} passed' + (f', {result.failed} FAILED' if result.failed else '') \
            + (f', {len(result.skipped)} skipped' if result.skipped else '')
        print(f'{"FAILED" if result.failed else "ok":<7}{name:<9}{result.note}: {counts}, {time.time() - began:.0f} s',
              flush=True)
        for what, text in result.failures:
            print(f'  --- {what}\n' + ''.join(f'      {line}\n' for line in text.splitlines()), flush=True)
    for name in total.skipped:
        print('skipped', name)
    print(f'{time.time() - start:.0f} seconds; logs in build-check/logs')
    print(f'{total.passed} passed, {total.failed} failed, {len(total.skipped)} skipped')
    return 1 if total.failed else 0


if __name__ == '__main__':
    sys.exit(main())
