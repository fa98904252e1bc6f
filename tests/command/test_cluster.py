#!/usr/bin/env python3
"""sabal cluster and sabal status as a person uses them. Each function is one test; its name is a sentence that can be false."""
import json
import os
import re
import signal
import subprocess
import time

from harness import SABAL, Skip, bad, good, one_object, run_tests, sabal

MOST_SECONDS = 5  # within which each mistake is told


def file_of(place):
    return os.path.join(place, 'sabal-scheduler.json')


def started(place, *more):
    return good('cluster', 'start', '-f', file_of(place), *more)


def status(place):
    return one_object(good('status', file_of(place), '--json'))


def stop(place, *more):
    return good('cluster', 'stop', '-f', file_of(place), *more)


def is_there(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False


def quickly(status_wanted, words, *args, **more):
    began = time.monotonic()
    text = bad(status_wanted, words, *args, **more)
    assert time.monotonic() - began < MOST_SECONDS, f'{args} took {time.monotonic() - began:.1f} s'
    return text


def with_cluster(*options):
    """The test gets a folder with a cluster, which is ended after it."""
    def wrap(test):
        def run(folder):
            try:
                started(folder, *options)
                test(folder)
            finally:
                sabal('cluster', 'stop', '-f', file_of(folder))
        run.__name__ = test.__name__
        run.__module__ = test.__module__
        return run
    return wrap


# --- start, status, stop -----------------------------------------------------------------------------------------

def start_tells_where_the_file_is_and_stop_leaves_nothing(folder):
    path = file_of(folder)
    before = sockets()
    text = good('cluster', 'start', '-f', path, '--workers', 2, '--threads', 1)
    assert 'a scheduler and 2 workers with 1 thread each run' in text and path in text and path + '.logs' in text
    assert f'SABAL_SCHEDULER_FILE={path}' in text and 'sabal cluster stop' in text
    found = status(folder)
    pids = [found['scheduler']['pid']] + [worker['pid'] for worker in found['workers']]
    assert len(pids) == 3 and all(is_there(pid) for pid in pids), pids
    assert sorted(os.listdir(path + '.logs')) == ['processes', 'scheduler.log', 'worker-1.log', 'worker-2.log']
    assert os.stat(path + '.logs').st_mode & 0o777 == 0o700
    assert stop(folder) == 'stopped: the scheduler and 2 workers\n'
    assert not any(is_there(pid) for pid in pids)
    assert os.listdir(folder) == [], os.listdir(folder)
    assert os.path.basename(os.path.dirname(found['scheduler']['addresses'][0])) not in sockets() - before


@with_cluster('--workers', 2, '--threads', 1, '--resources', 'gpu=2, licence=0.5')
def workers_have_the_resources_that_start_gives_them(folder):
    for worker in status(folder)['workers']:
        assert worker['resources'] == {'gpu': 2, 'licence': 0.5}, worker
        assert worker['resources_used'] == {'gpu': 0, 'licence': 0}, worker
    text = good('status', file_of(folder))
    assert len(re.findall(r' ago +gpu 0 of 2, licence 0 of 0.5$', text, re.M)) == 2, text


def resources_that_cannot_be_read_are_told(folder):
    text = bad(1, ['worker-1 has ended', "'gpu'"], 'cluster', 'start', '-f', file_of(folder), '--resources', 'gpu')
    assert 'an amount' in text, text
    assert not os.path.exists(file_of(folder))


def start_makes_the_local_directory(folder):
    place = os.path.join(folder, 'on', 'this', 'node')
    os.makedirs(os.path.dirname(place))
    started(folder, '--local-directory', place)
    try:
        assert len(os.listdir(place)) > 0
    finally:
        stop(folder)
    assert not os.path.exists(place)


@with_cluster('--workers', 1, '--threads', 2)
def status_shows_the_cluster(folder):
    text = good('status', file_of(folder))
    shown = good('cluster', 'status', '-f', file_of(folder))
    assert [line.split()[:2] for line in shown.split('\n')] == [line.split()[:2] for line in text.split('\n')]
    for words in ('up ', ', this machine', 'addresses  unix /', 'workers    1, with 2 threads', 'clients    0'):
        assert words in text, text
    assert re.search(r'^ +\d+ +worker-1 +\S+ +\d+ +2 .* of .*  running  ', text, re.M), text
    found = status(folder)
    assert sorted(found) == ['age_seconds', 'clients', 'file', 'id', 'scheduler', 'tasks', 'threads', 'version', 'workers']
    assert sorted(found['scheduler']) == ['addresses', 'host', 'is_here', 'pid']
    assert sorted(found['tasks']) == ['chained', 'done', 'ended', 'failed', 'per_second', 'ready', 'released', 'sent', 'waiting']
    assert sorted(found['workers'][0]) == sorted(['number', 'name', 'host', 'pid', 'is_here', 'threads', 'state', 'memory_used',
                                                  'memory_limit', 'running', 'queued', 'done', 'failed', 'silent_seconds',
                                                  'resources', 'resources_used'])
    assert found['threads'] == found['workers'][0]['threads'] == 2 and found['age_seconds'] > 0
    assert found == one_object(good('status', '-f', file_of(folder), '--json')) | {
        key: found[key] for key in ('age_seconds', 'workers')}
    with open(file_of(folder) + '.logs/scheduler.log') as file:
        assert 'joined' in file.read()


@with_cluster('--workers', 2, '--threads', 1)
def the_command_runs_on_it(folder):
    points = os.path.join(folder, 'p.npy')
    good('make-blobs', points, '--samples', '1e4')
    found = one_object(good('kmeans', points, '-k', 3, '--json', '--scheduler-file', file_of(folder)))
    assert found, found
    assert status(folder)['tasks']['ended'] > 0


@with_cluster('--workers', 2, '--threads', 1)
def one_that_retires_leaves_and_is_not_started_again(folder):
    name = status(folder)['workers'][0]['name']
    assert good('cluster', 'retire', '--worker', name, '-f', file_of(folder)) == f'left: {name}\n'
    assert [worker['name'] for worker in status(folder)['workers']] == [n for n in ('worker-1', 'worker-2') if n != name]
    quickly(1, [f"has no worker '{name}'"], 'cluster', 'retire', '--worker', name, '-f', file_of(folder))


def the_file_is_the_one_of_the_environment_or_in_the_home_folder(folder):
    env = {'HOME': folder}
    assert os.path.join(folder, 'sabal-scheduler.json') in good('cluster', 'start', env=env)
    assert one_object(good('status', '--json', env=env))['file'] == file_of(folder)
    assert good('cluster', 'stop', env=env).startswith('stopped: the scheduler and 1 worker')
    other = os.path.join(folder, 'other')
    quickly(1, [other], 'status', env={'HOME': folder, 'SABAL_SCHEDULER_FILE': other})
    quickly(2, ['HOME'], 'status', env={'HOME': ''})


@with_cluster()
def a_second_start_is_refused(folder):
    quickly(1, ['runs already', 'with 1 worker', "'sabal cluster stop' ends it"], 'cluster', 'start', '-f', file_of(folder))
    assert len(status(folder)['workers']) == 1


def two_starts_at_once_make_one_cluster(folder):
    runs = [subprocess.Popen([SABAL, 'cluster', 'start', '-f', file_of(folder)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE) for _ in range(3)]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    try:
        assert sorted(code for _, code in ends) == [0, 1, 1], ends
        assert len(status(folder)['workers']) == 1
    finally:
        stop(folder)


def a_cluster_that_was_started_by_hand_is_stopped_too(folder):
    path = file_of(folder)
    scheduler = subprocess.Popen([SABAL, 'scheduler', '-f', path, '-i', 'none'])
    worker = subprocess.Popen([SABAL, 'worker', '-f', path, '-i', 'none', '-t', '1'])
    while len(one_object(sabal('status', path, '--json').stdout.decode() or '{}').get('workers', [])) < 1:
        assert scheduler.poll() is None and worker.poll() is None
        time.sleep(0.02)
    assert stop(folder) == 'stopped: the scheduler and 1 worker\n'
    assert scheduler.wait(5) == 0 and worker.wait(5) == 0
    assert os.listdir(folder) == []


def sockets():
    return {name for name in os.listdir('/tmp') if re.fullmatch('sabal-[0-9a-f]{16}', name)}


def processes_that_stand_still_are_killed_and_told(folder):
    before = sockets()
    started(folder, '--workers', 2)
    found = status(folder)
    for pid in [found['scheduler']['pid'], found['workers'][0]['pid']]:
        os.kill(pid, signal.SIGSTOP)
    text = stop(folder)
    assert 'had to be killed' in text and 'logs are kept in' in text, text
    assert not any(is_there(pid) for pid in [found['scheduler']['pid']] + [w['pid'] for w in found['workers']])
    assert not os.path.exists(file_of(folder))
    assert os.path.basename(os.path.dirname(found['scheduler']['addresses'][0])) not in sockets() - before


def a_worker_that_died_is_told_at_the_stop(folder):
    started(folder, '--workers', 2)
    pid = status(folder)['workers'][0]['pid']
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    text = stop(folder)
    assert text.startswith('stopped: the scheduler and ') and os.listdir(folder) in ([], ['sabal-scheduler.json.logs']), text
    assert started(folder) and stop(folder, '--keep-logs').endswith('.logs\n')


def a_dead_scheduler_is_cleared_away_by_start_and_stop(folder):
    for action in ('stop', 'start'):
        started(folder)
        found = status(folder)
        os.kill(found['scheduler']['pid'], signal.SIGKILL)
        with open(file_of(folder) + '.logs/processes') as file:
            pids = [int(line.split()[0]) for line in file] + [worker['pid'] for worker in found['workers']]
        began = time.monotonic()
        while any(is_there(pid) for pid in pids):
            assert time.monotonic() - began < 20, pids
            time.sleep(0.02)
        quickly(1, ['left over', 'is gone'], 'status', file_of(folder))
        quickly(1, ['left over', 'is gone'], 'worker', '-f', file_of(folder), '--timeout', '0.2')
        if action == 'start':
            started(folder)
            stop(folder)
        else:
            text = stop(folder)
            assert 'nothing of it runs any more' in text and 'left over' in text and 'logs are kept' in text, text
            quickly(1, ['no scheduler file'], 'cluster', 'stop', '-f', file_of(folder))
    assert not os.path.exists(file_of(folder))


def what_cannot_start_is_told_and_ended(folder):
    text = bad(1, ['no-such-interface', 'logs in'], 'cluster', 'start', '-f', file_of(folder), '-i', 'no-such-interface')
    assert 'the scheduler has ended' in text
    bad(1, ['sabal-scheduler.json.logs'], 'cluster', 'start', '-f', os.path.join(folder, 'no', 'sabal-scheduler.json'))
    assert not os.path.exists(file_of(folder))


def an_interrupted_start_leaves_no_process(folder):
    run = subprocess.Popen([SABAL, 'cluster', 'start', '-f', file_of(folder), '-w', '30', '-t', '1'], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    while not os.path.exists(file_of(folder) + '.logs/worker-3.log'):
        assert run.poll() is None
        time.sleep(0.001)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    if run.returncode == 0:
        stop(folder)
        raise Skip('it was faster than ^C')
    assert b'interrupted' in err, err
    with open(file_of(folder) + '.logs/processes') as file:
        assert not any(is_there(int(line.split()[0])) for line in file)
    assert not os.path.exists(file_of(folder))


def mistakes_in_the_call_are_told(folder):
    for words, args in ((["'begin'", 'start, status, retire or stop'], ['begin']), (['no start|status|retire|stop given'], []),
                        (['--workers', 'are for start'], ['stop', '-w', '2']), (['--worker NAME'], ['retire']),
                        (['--worker is for retire'], ['stop', '--worker', 'n']), (['--json is for status'], ['start', '--json']),
                        (['--keep-logs is for stop'], ['start', '--keep-logs']), (['1 to 1024'], ['start', '-w', '0']),
                        (['--resources', 'are for start'], ['stop', '--resources', 'a=1']),
                        (['--local-directory', 'are for start'], ['status', '--local-directory', 'a'])):
        quickly(2, words, 'cluster', *args, env={'HOME': folder})
    quickly(2, ['name one'], 'status', 'a', '-f', 'b')


# --- files that are no good --------------------------------------------------------------------------------------

def a_file_that_is_not_there(folder):
    for args in (['status', file_of(folder)], ['cluster', 'stop', '-f', file_of(folder)]):
        quickly(1, ['no scheduler file', 'has its scheduler started?'], *args)


@with_cluster()
def half_a_file_and_no_file_of_ours(folder):
    with open(file_of(folder), 'rb') as file:
        whole = file.read()
    other = os.path.join(folder, 'other.json')
    for n, bytes_ in ((1, whole[:len(whole) // 2]), (2, b''), (3, b'{}'), (4, b'some text\n'), (5, b'x' * 100000)):
        with open(other, 'wb', opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(bytes_)
        for args in (['status', other], ['cluster', 'start', '-f', other]):
            text = quickly(1, ['scheduler file', 'other.json'], *args)
            assert 'left over' not in text and 'runs already' not in text, text
        with open(other, 'rb') as file:
            assert file.read() == bytes_, 'a file that is none of ours was changed'


@with_cluster()
def a_file_of_another_version(folder):
    other = os.path.join(folder, 'other.json')
    with open(file_of(folder)) as file:
        text = json.load(file)
    key = [k for k, v in text.items() if v == status(folder)['version']]
    assert len(key) == 1, text.keys()
    text[key[0]] = '9.9.9'
    with open(other, 'w', opener=lambda p, f: os.open(p, f, 0o600)) as file:
        json.dump(text, file)
    quickly(1, ['9.9.9', 'use one sabal'], 'status', other)


@with_cluster()
def a_file_of_another_user_or_open_to_others(folder):
    path = file_of(folder)
    link = os.path.join(folder, 'link.json')
    os.symlink(path, link)
    quickly(1, ['symbolic link'], 'status', link)
    os.chmod(path, 0o644)
    quickly(1, ['mode 644', 'others could have read its secret'], 'status', path)
    os.chmod(path, 0o600)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
        quickly(1, ['belongs to user 65534', 'a cluster serves one user'], 'status', path)
        os.chown(path, 0, -1)
    assert status(folder)


def a_file_of_an_earlier_run_of_the_job(folder):
    first = {'SLURM_JOB_ID': '77', 'HOME': folder}
    good('cluster', 'start', env=first)
    try:
        quickly(1, ['an earlier run of job 77', 'restart 0; this is 1'], 'status', env=first | {'SLURM_RESTART_COUNT': '1'})
        assert good('status', env=first)
    finally:
        good('cluster', 'stop', env=first)


@with_cluster()
def a_scheduler_that_stands_still(folder):
    pid = status(folder)['scheduler']['pid']
    os.kill(pid, signal.SIGSTOP)
    try:
        quickly(1, ['the scheduler'], 'status', file_of(folder))
    finally:
        os.kill(pid, signal.SIGCONT)


@with_cluster()
def a_wrong_secret_and_another_clusters(folder):
    """The right place, with a secret or a cluster that are not its own."""
    with open(file_of(folder)) as file:
        text = json.load(file)
    keys = [k for k, v in text.items() if isinstance(v, str) and re.fullmatch('[0-9a-f]{32,64}', v)]
    assert len(keys) == 2, text.keys()
    for key in keys:
        other = os.path.join(folder, key + '.json')
        with open(other, 'w', opener=lambda p, f: os.open(p, f, 0o600)) as file:
            json.dump(text | {key: ''.join('1' if c == '0' else '0' for c in text[key])}, file)
        quickly(1, ['the scheduler'], 'status', other)
    assert status(folder)


# --- the scheduler's idle timeout --------------------------------------------------------------------------------

def an_idle_scheduler_ends_with_its_workers(folder):
    path = file_of(folder)
    began = time.monotonic()
    scheduler = subprocess.Popen([SABAL, 'scheduler', '-f', path, '-i', 'none', '--idle-timeout', '1'])
    worker = subprocess.Popen([SABAL, 'worker', '-f', path, '-i', 'none', '-t', '1'])
    while scheduler.poll() is None:  # who asks keeps it not
        sabal('status', path)
        assert time.monotonic() - began < 20
        time.sleep(0.05)
    assert time.monotonic() - began > 0.9
    assert scheduler.wait() == 0 and worker.wait(5) == 0 and os.listdir(folder) == []


run_tests(list(globals().values()))
