"""What the tests of the command share: running it, small files, and a runner.

Needs Python's standard library only; what can't be tried here is skipped, with the reason."""
import argparse
import array
import json
import os
import signal
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

PARSER = argparse.ArgumentParser()
PARSER.add_argument('--sabal', required=True)
PARSER.add_argument('--man', required=True)
PARSER.add_argument('--make-odd')
PARSER.add_argument('--only', help='run the tests whose name holds this')
OPTIONS = PARSER.parse_args()
SABAL = os.path.abspath(OPTIONS.sabal)
COMMANDS = ['kmeans', 'info', 'make-blobs', 'scheduler', 'worker', 'cluster', 'status', 'config', 'version']
HANGS = 240  # seconds after which a command is held to hang


class Skip(Exception):
    pass


# --- helpers ---------------------------------------------------------------------------------------------------

def sabal(*args, env=None, **more):
    environment = {key: value for key, value in os.environ.items() if not key.startswith('SABAL_')}
    environment.update({'HOME': '/nonexistent', 'TERM': 'xterm'}, **(env or {}))
    environment.pop('XDG_CONFIG_HOME', None)
    more.setdefault('stdout', subprocess.PIPE)
    more.setdefault('stderr', subprocess.PIPE)
    return subprocess.run([SABAL] + [str(a) for a in args], env=environment, timeout=HANGS, **more)


def good(*args, **more):
    ran = sabal(*args, **more)
    assert ran.returncode == 0, f'{args}: status {ran.returncode}: {ran.stderr.decode()}'
    return ran.stdout.decode() if ran.stdout is not None else ''


def bad(status, words, *args, **more):
    """Ends with status, and one line that holds each of words."""
    ran = sabal(*args, **more)
    text = ran.stderr.decode(errors='replace')
    assert ran.returncode == status, f'{args}: status {ran.returncode}, not {status}: {text}'
    assert text.startswith('sabal: ') and text.endswith('\n') and text.count('\n') == 1, f'{args}: {text!r}'
    for word in words:
        assert word in text, f'{args}: no {word!r} in {text!r}'
    return text


def one_object(text):
    value, end = json.JSONDecoder().raw_decode(text)
    assert isinstance(value, dict) and not text[end:].strip(), 'more than one object'
    return value


def write_npy(path, descr, shape, data, fortran=False):
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({', '.join(map(str, shape))},), }}"
    header += ' ' * (63 - (10 + len(header)) % 64) + '\n'
    with open(path, 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + data)


def read_npy(path):
    with open(path, 'rb') as file:
        magic = file.read(10)
        assert magic[:8] == b'\x93NUMPY\x01\x00', magic
        header = eval(file.read(struct.unpack('<H', magic[8:])[0]))  # the command's own output
        values = array.array({'<f8': 'd', '<i4': 'i', '<f4': 'f'}[header['descr']], file.read())
    return header['shape'], values


def three_groups(path, rows=300, kind='<f8', nan_at=None):
    """Three groups far apart; returns the rows."""
    rng = random.Random(5)
    points = [[(i % 3) * 20 + rng.randint(0, 4), (i % 3) * -10 + rng.randint(0, 4)] for i in range(rows)]
    if nan_at is not None:
        points[nan_at][1] = float('nan')
    code = {'<f8': 'd', '<f4': 'f', '<i4': 'i', '|u1': 'B'}[kind]
    flat = [int(v) if code in 'iB' else v for row in points for v in row]
    if code == 'B':
        flat = [v % 256 for v in flat]
        points = [[flat[2 * i], flat[2 * i + 1]] for i in range(rows)]
    write_npy(path, kind, (rows, 2), array.array(code, flat).tobytes())
    return points


def odd(folder):
    if not OPTIONS.make_odd:
        raise Skip('this build has no HDF5')
    path = os.path.join(folder, 'odd.h5')
    subprocess.run([os.path.abspath(OPTIONS.make_odd), path], check=True)
    return path


def has(part):
    return f'{part:<9} yes' in good('version')


def needs(part):
    if not has(part):
        raise Skip(f'this build has no {part}')


def start(*args, **more):
    more.setdefault('stdout', subprocess.PIPE)
    more.setdefault('stderr', subprocess.PIPE)
    return subprocess.Popen([SABAL] + [str(a) for a in args], env={**os.environ, 'TERM': 'xterm'}, **more)


# Whoever runs the tests may have told us to ignore these (nohup, a job in the background); the command must not inherit it.
for _kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(_kind, signal.SIG_DFL)


def wait_for(what, process):
    for _ in range(HANGS * 100):
        if what():
            return
        if process.poll() is not None:
            raise AssertionError(f'ended too early: {process.communicate()}')
        time.sleep(0.01)
    raise AssertionError('never happened')


# --- running ---------------------------------------------------------------------------------------------------

def run_tests(values):
    """Runs every function among values that comes from the test file and takes a folder, and exits."""
    tests = [v for v in values if getattr(v, '__module__', '') == '__main__' and getattr(v, '__code__', None)
             and v.__code__.co_varnames[:1] == ('folder',)]
    tests = [t for t in tests if not OPTIONS.only or OPTIONS.only in t.__name__]
    failed, skipped = 0, []
    for test in tests:
        folder = tempfile.mkdtemp(prefix='sabal-command-')
        name = test.__name__.replace('_', ' ')
        try:
            test(folder)
            print(f'ok - {name}')
        except Skip as why:
            skipped.append(name)
            print(f'SKIPPED {name}: {why}')
        except Exception as cause:  # whatever it is, the next test still runs
            failed += 1
            print(f'not ok - {name}')
            text = f'{type(cause).__name__}: {cause}' if isinstance(cause, AssertionError) else repr(cause)
            line = sys.exc_info()[2]
            while line.tb_next and line.tb_next.tb_frame.f_code.co_filename == sys.argv[0]:
                line = line.tb_next
            print(f'# line {line.tb_lineno}: {text[:2000]}'.replace('\n', '\n# '))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()
    print(f'{len(tests) - failed - len(skipped)} passed, {failed} failed, {len(skipped)} skipped')
    sys.exit(1 if failed else 0)
