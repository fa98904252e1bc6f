#!/usr/bin/env python3
"""What becomes of a computation longer than memory when the disk is full, its folder goes, or it is interrupted:
test_spoiled.py PAIRS. Errors are clear and nothing is left behind, on each engine."""
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PAIRS = sys.argv[1]
ENGINES = ['local:', 'rehearse:']
SIZES = ['100', '1000000', '20000000']  # chunks, bytes of each, the limit
n_passed = n_skipped = 0


def check(what, right, *seen):
    global n_passed
    print(('ok - ' if right else 'FAILED - ') + what, *([] if right else seen), sep='\n  ' if not right else '')
    if not right:
        sys.exit(1)
    n_passed += 1


def environment(folder):
    return dict(os.environ, SABAL_SPILL_FOLDER=folder)


def run(engine, folder, **how):
    return subprocess.run([PAIRS, engine, *SIZES], env=environment(folder), capture_output=True, text=True, timeout=200,
                          **how)


def files_of(folder):
    return [name for name in os.listdir(folder) if name != 'lost+found']


def workers_of(pid):
    """Workers that a process left behind: they have another parent then, and its group still."""
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat') as file:
                fields = file.read().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if fields[2] == str(pid) and fields[0] != 'Z' and int(name) != pid:
            found.append(name)
    return found


def a_file_may_not_grow(engine, folder):
    def most():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30 << 20, 30 << 20))
    ran = run(engine, folder, preexec_fn=most)
    check(f'{engine} a limit of files that is reached is told with the folder',
          ran.returncode == 1 and folder in ran.stderr and 'make_chunk' in ran.stderr, ran.returncode, ran.stdout, ran.stderr)
    check(f'{engine} and nothing is left', not files_of(folder), files_of(folder))


def a_disk_is_full(engine, folder):
    global n_skipped
    image, point = os.path.join(folder, 'image'), os.path.join(folder, 'disk')
    os.mkdir(point)
    subprocess.run(['truncate', '-s', '48M', image], check=True)
    made = shutil.which('mkfs.ext4') and not subprocess.run(['mkfs.ext4', '-q', '-F', image], capture_output=True).returncode
    if not made or subprocess.run(['mount', '-o', 'loop', image, point], capture_output=True).returncode:
        print(f'skipped - {engine} a full disk: no file system can be mounted here')
        n_skipped += 1
    else:
        try:
            ran = run(engine, point)
            check(f'{engine} a full disk is told with the folder',
                  ran.returncode == 1 and point in ran.stderr and 'make_chunk' in ran.stderr, ran.returncode, ran.stdout,
                  ran.stderr)
            check(f'{engine} and nothing is left on it', not files_of(point), files_of(point))
        finally:
            subprocess.run(['umount', point], check=True)
    os.rmdir(point)
    os.remove(image)


def the_folder_goes(engine, folder):
    own = os.path.join(folder, 'own')
    os.mkdir(own)
    child = subprocess.Popen([PAIRS, engine, *SIZES], env=environment(own), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    first = child.stdout.readline()
    shutil.rmtree(own)
    out, err = child.communicate(timeout=200)
    check(f'{engine} a folder that goes while it is used harms nothing', child.returncode == 0 and 'right' in out, first, out,
          err)
    ran = run(engine, own)
    check(f'{engine} one that is not there is named', ran.returncode == 1 and own in ran.stderr, ran.stdout, ran.stderr)


def it_is_interrupted(engine, folder):
    child = subprocess.Popen([PAIRS, engine, '2000', '1000000', '20000000'], env=environment(folder), start_new_session=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    for _ in range(100):
        if not workers_of(child.pid):
            break
        time.sleep(0.1)
    check(f'{engine} ^C ends it', child.returncode == -signal.SIGINT, child.returncode, out, err)
    check(f'{engine} with its workers', not workers_of(child.pid), workers_of(child.pid))
    check(f'{engine} and nothing is left', not files_of(folder), files_of(folder))


def main():
    folder = tempfile.mkdtemp(prefix='sabal-spoiled-', dir='/var/tmp')
    try:
        for engine in ENGINES:
            for spoil in (a_file_may_not_grow, a_disk_is_full, the_folder_goes, it_is_interrupted):
                spoil(engine, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f'{n_passed} passed, 0 failed, {n_skipped} skipped')


if __name__ == '__main__':
    main()
