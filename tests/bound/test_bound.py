#!/usr/bin/env python3
"""A process that is bound to one core, as batch systems and mpirun do: test_bound.py (affinity|mpirun) WORK. It has one
thread unless it asks for more, does all that others do, and never hangs. Status 77 where there is no mpirun."""
import os
import re
import shutil
import subprocess
import sys

HOW, WORK = sys.argv[1:]
SECONDS = 100  # a run takes less than one
RUNS = [  # engine, .threads, threads that there are then; a rehearsal has two workers
    ('local:', 0, 1),
    ('local:', 4, 4),
    ('rehearse:', 0, 2),
]


def run(*command, **how):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, **how)
    except subprocess.TimeoutExpired as late:
        sys.exit(f'FAILED - hangs: {" ".join(map(str, command))}\n{late.stdout}')


def in_affinity(core):
    return lambda *command: run(*command, preexec_fn=lambda: os.sched_setaffinity(0, {core}))


def under_mpirun(*command):
    return run(mpirun, '-np', str(ranks), '--bind-to', 'core', *command, env=dict(
        os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1'))


def cores_of(start):
    """The sets of cores that the processes have which `start` starts, each of them alone."""
    ended = start('grep', 'Cpus_allowed_list', '/proc/self/status')
    return re.findall(r'Cpus_allowed_list:\s*(\S+)', ended.stdout), ended


os.environ.pop('SABAL_THREADS', None)
usable = sorted(os.sched_getaffinity(0))
ranks = min(2, len(usable))
if HOW == 'affinity':
    starts = {f'core {core}': in_affinity(core) for core in (usable[0], usable[-1])}
    expected = 1
else:
    mpirun = shutil.which('mpirun')
    if not mpirun:
        print('SKIPPED there is no mpirun here: openmpi-bin has one')
        sys.exit(77)
    starts, expected = {f'mpirun of {ranks}': under_mpirun}, ranks

n_passed = 0
for name, start in starts.items():
    cores, ended = cores_of(start)
    if len(cores) != expected or any(not c.isdigit() for c in cores) or len(set(cores)) != expected:
        if HOW == 'mpirun':  # in a container, or with another MPI
            print(f'SKIPPED mpirun binds no process to one core here: {ended.stdout}')
            sys.exit(77)
        sys.exit(f'FAILED - {name}: cores {cores}\n{ended.stdout}')
    for engine, asked, threads in RUNS:
        ended = start(WORK, engine, str(asked), str(threads))
        if ended.returncode or ended.stdout.count('right: ') != expected:
            sys.exit(f'FAILED - {name}, {engine} with {asked or "the usual"} threads: {ended.returncode}\n{ended.stdout}')
        print(f'ok - {name}, {engine} with {asked or "the usual"} threads')
        n_passed += 1
print(f'{n_passed} passed, 0 failed, 0 skipped')
