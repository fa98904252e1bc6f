#!/usr/bin/env python3
"""limited.py does what it says: test_limited.py [LIBSABAL]. Status 77 where no cgroup can be made."""
import os
import re
import subprocess
import sys

LIMITED = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'limited.py')
FILL = 'import sys; x = b"1" * (int(sys.argv[1]) << 20)'
LIMIT = 'import ctypes, sys; f = ctypes.CDLL(sys.argv[1]).sabal_memory_limit; f.restype = ctypes.c_size_t; print(f())'


def limited(memory, *command):
    return subprocess.run([sys.executable, LIMITED, '--memory', memory, '--', *command], capture_output=True, text=True)


def check(what, right, ran):
    print(('ok - ' if right else 'FAILED - ') + what)
    if not right:
        print(f'status {ran.returncode}\n{ran.stdout}{ran.stderr}')
        sys.exit(1)


def main():
    ran = limited('100M', 'true')
    if ran.returncode == 77:
        print(ran.stdout, end='')
        return 77
    check('what fits ends as it likes, without an OOM kill', ran.returncode == 0 and ran.stderr.endswith(', oom 0\n'), ran)
    ran = limited('100M', 'sh', '-c', 'exit 3')
    check('the status is the command\'s', ran.returncode == 3, ran)
    ran = limited('100M', 'sh', '-c', 'kill -11 $$')
    check('a signal is told as a shell does', ran.returncode == 128 + 11, ran)
    ran = limited('100M', sys.executable, '-c', FILL, '200')
    check('what does not fit is killed and told', ran.returncode == 137 and ran.stderr.endswith(', oom 1\n'), ran)
    ran = limited('100M', sys.executable, '-c', FILL, '50')
    peak = re.search(r'peak (\d+) bytes of 104857600, oom 0', ran.stderr)
    check('the peak is told', peak and 50 << 20 <= int(peak[1]) <= 100 << 20, ran)
    ran = limited('100M', 'sh', '-c', 'sleep 1000 & exit 0')
    check('what is left behind is ended with the group', ran.returncode == 0, ran)
    ran = limited('100M', '/nonexistent/command')
    check('a command that is not there is 127', ran.returncode == 127, ran)
    if len(sys.argv) > 1:
        ran = limited('200M', sys.executable, '-c', LIMIT, sys.argv[1])
        check('the library sees the limit', ran.stdout == f'{200 << 20}\n', ran)
    return 0


if __name__ == '__main__':
    sys.exit(main())
