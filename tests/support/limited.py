#!/usr/bin/python3
"""Runs a command in a cgroup of its own with a limit of memory: limited.py --memory 1.5G -- CMD...

Its status is the command's (128 + the signal that ended it, as a shell tells it). Behind it, on standard error, one line
says the most that was used and whether the kernel's OOM killer struck: 'limited: peak 1234 bytes of 5678, oom 0'; an OOM
kill alone makes the status 137. Where no cgroup can be made it prints 'SKIPPED limited: why' and ends with 77, which
meson and tools/check count as skipped. Page cache counts, as for a job of Slurm or PBS; there is no swap where the
kernel lets that be said.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time

UNITS = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
NAME = 'sabal-limited-'


class NoCgroup(Exception):
    pass


def number_of_bytes(text):
    match = re.fullmatch(r'(\d+(?:\.\d+)?)([KMG]?)', text.upper())
    if not match or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f'{text}: expected a size such as 1.5G')
    return int(float(match[1]) * UNITS[match[2]]) // 4096 * 4096


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def write(text, *path):
    with open(os.path.join(*path), 'w') as file:
        file.write(str(text))


def mounts():
    """(type, options, mount point, top group) of each mounted hierarchy."""
    for line in read('/proc/self/mountinfo').splitlines():
        before, after = line.split(' - ')
        if after.startswith('cgroup'):
            yield after.split()[0], after.split()[2].split(','), before.split()[4], before.split()[3]


def own_group(version):
    for line in read('/proc/self/cgroup').splitlines():
        _, controllers, group = line.split(':', 2)
        if controllers == '' if version == 2 else 'memory' in controllers.split(','):
            return group
    raise NoCgroup(f'this process is in no group of version {version}')


def folder_of(version):
    """Of this process's own group."""
    for kind, options, point, top in mounts():
        if kind == ('cgroup2' if version == 2 else 'cgroup') and (version == 2 or 'memory' in options):
            group = own_group(version)
            inside = os.path.relpath(group, top) if group.startswith(top) else '.'
            return os.path.normpath(os.path.join(point, inside))
    raise NoCgroup(f'version {version} with memory is not mounted')


class Group:
    """A new group with a limit; of version 2 where that has the controller of memory, else of version 1."""

    def __init__(self, limit):
        why = []
        for version, make in ((2, self.make_v2), (1, self.make_v1)):
            try:
                self.version, self.folder = version, None
                make(limit)
                return
            except (NoCgroup, OSError) as error:
                self.remove()
                why.append(str(error))
        raise NoCgroup('; '.join(why))

    def make(self, parent):
        folder = os.path.join(parent, NAME + str(os.getpid()))
        os.mkdir(folder)
        self.folder = folder

    def make_v2(self, limit):
        parent = folder_of(2)
        if 'memory' not in read(parent, 'cgroup.controllers').split():
            raise NoCgroup('version 2 has no controller of memory here')
        if 'memory' not in read(parent, 'cgroup.subtree_control').split():
            write('+memory', parent, 'cgroup.subtree_control')
        self.make(parent)
        write(limit, self.folder, 'memory.max')
        if os.path.exists(os.path.join(self.folder, 'memory.swap.max')):
            write(0, self.folder, 'memory.swap.max')

    def make_v1(self, limit):
        self.make(folder_of(1))
        write(limit, self.folder, 'memory.limit_in_bytes')
        if os.path.exists(os.path.join(self.folder, 'memory.memsw.limit_in_bytes')):
            write(limit, self.folder, 'memory.memsw.limit_in_bytes')

    def enter(self):
        write(os.getpid(), self.folder, 'cgroup.procs')

    def kills(self):
        name = 'memory.events' if self.version == 2 else 'memory.oom_control'
        return int(re.search(r'^oom_kill (\d+)', read(self.folder, name), re.M)[1])

    def peak(self):
        try:
            return int(read(self.folder, 'memory.peak' if self.version == 2 else 'memory.max_usage_in_bytes'))
        except OSError:
            return -1  # memory.peak came with Linux 5.19

    def remove(self):
        """With all that is still in it: what the command left behind is killed."""
        for _ in range(500 if self.folder else 0):
            for process in read(self.folder, 'cgroup.procs').split():
                try:
                    os.kill(int(process), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                os.rmdir(self.folder)
                return
            except OSError:
                time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--memory', type=number_of_bytes, required=True, help='of all processes together: 1.5G, 800M')
    parser.add_argument('command', nargs='+')
    options = parser.parse_args()
    try:
        group = Group(options.memory)
    except NoCgroup as why:
        print(f'SKIPPED limited: no cgroup can be made: {why}')
        return 77
    try:
        try:
            status = subprocess.run(options.command, preexec_fn=group.enter).returncode
        except OSError as why:
            print(f'limited: {options.command[0]}: {why}', file=sys.stderr)
            return 127
        kills = group.kills()
        print(f'limited: peak {group.peak()} bytes of {options.memory}, oom {kills}', file=sys.stderr)
    finally:
        group.remove()
    return 137 if kills else 128 - status if status < 0 else status


if __name__ == '__main__':
    sys.exit(main())
