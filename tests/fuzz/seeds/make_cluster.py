#!/usr/bin/python3
"""Seeds of fuzz_letters (steps of letters), fuzz_talk (frames' words) and fuzz_plane (heads, announcements, frames)."""
import hashlib
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
u32, u64 = (lambda *v: struct.pack(f'<{len(v)}I', *v)), (lambda *v: struct.pack(f'<{len(v)}Q', *v))
NOBODY, ELSEWHERE, HERE_IT_IS, CLIENT_HAS = 0xffffffff, 0xffffffff, 0xfffffffe, 0xfffffffc
SPEC, TASKS, DATA, RELEASE, CANCEL, LOOK, DONE, FAILED, AT, PUSH, FORGET = 1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 20
WSPEC, RUN, STOP, DROP, FETCH, GIVE = 32, 33, 34, 35, 36, 37
READY, ENDED, CHAIN, LACK, HAVE, GAVE, SPARE, BEAT = 48, 49, 50, 51, 52, 53, 54, 55


def write(folder, name, *parts):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    with open(os.path.join(HERE, folder, name), 'wb') as f:
        f.write(b''.join(parts))


def step(who, kind, *items):
    body = b''.join(items)
    return bytes([who, kind, len(body)]) + body


def spec(number, name=b'task'):
    return u32(number, 0, 2) + u64(0, 800) + u32(8) + b'code8888' + name + b'\0file.c:1\0'


def tasks(serial, n, inputs=(), shared=0, arg=b''):
    return u64(serial) + u32(n, 1, len(inputs) if shared else len(inputs) // n, shared, len(arg) // n) + u64(*inputs) + arg


def failure(status=3):
    return u32(status) + b'task\0node\0file.c:1\0it failed\0'


def order(task, attempt, inputs=b'', n=0, arg=b''):
    return u64(task) + u32(task, attempt, 1, n, len(arg), 0) + inputs + arg


CLIENT, OTHER, WORKER, WORKER2 = 0, 1, 2, 3
write('letters', 'tasks', b'\0', step(CLIENT, SPEC, spec(1)), step(CLIENT, TASKS, tasks(1, 4, arg=b'abcd')),
      step(WORKER, BEAT, u64(0, 1 << 30)), step(WORKER, READY, u32(1, 1) + u64(1000, 8) + u32(8) + b'12345678'),
      step(WORKER2, READY, u32(2, 2) + u64(1000, 100000) + u32(ELSEWHERE)), step(CLIENT, RELEASE, u64(1, 4)))
write('letters', 'chain', b'\0', step(CLIENT, SPEC, spec(1)), step(CLIENT, TASKS, tasks(1, 2)),
      step(CLIENT, TASKS, tasks(3, 1, (1, 2), 1)), step(CLIENT, TASKS, tasks(4, 2, (3, 3))),
      step(WORKER, READY, u32(1, 1) + u64(1000, 100000) + u32(ELSEWHERE)), step(CLIENT, LOOK, u64(1) + u32(NOBODY)),
      step(WORKER2, ENDED, u32(2, 2, 1) + failure()), step(WORKER, LACK, u32(3, 3, 1, 1, 2)), step(CLIENT, CANCEL, u64(1, 4)))
write('letters', 'data', b'\0', step(CLIENT, DATA, u64(1, 8) + u32(8) + b'12345678'), step(CLIENT, DATA, u64(2, 1 << 20) + u32(ELSEWHERE)),
      step(CLIENT, SPEC, spec(1)), step(CLIENT, TASKS, tasks(3, 1, (1, 2))), step(WORKER, HAVE, u32(2, 1)),
      step(WORKER, GAVE, u32(3, 1)), step(0xf2, SPARE, u32(1)), step(CLIENT, RELEASE, u64(1, 3)))
write('letters', 'executor', b'\1', step(1, WSPEC, spec(1)), step(1, RUN, order(1, 1, arg=b'abcd')),
      step(9, RUN, order(2, 2, u32(1, 1) + u64(8) + u32(HERE_IT_IS, 8) + b'12345678', 1)),
      step(9, RUN, order(3, 3, u32(9, 9) + u64(100000) + u32(7), 1)), step(8, FETCH, u32(4, 4) + u64(1000) + u32(8)),
      step(1, STOP, u32(2, 2)), step(1, DROP, u32(1, 1)), step(1, GIVE, u32(5)))
write('letters', 'executor_client', b'\1', step(0, WSPEC, spec(1)), step(0, RUN, order(3, 3, u32(9, 9) + u64(100000) + u32(CLIENT_HAS, 7), 1)),
      step(16, RUN, order(4, 3, u32(3, 3) + u64(8) + u32(0xfffffffd), 1)))
write('letters', 'submitter', b'\2', step(0, DONE, u64(1, 8) + u32(8) + b'12345678'), step(0, DONE, u64(2, 100000) + u32(ELSEWHERE)),
      step(0, FAILED, u64(3) + failure()), step(0, AT, u64(2) + u32(2, 2) + u64(100000) + u32(2, 65537, 131074)),
      step(0, PUSH, u64(4) + u32(4, 1, 65537)), step(0, FORGET, u64(4)))

joining = u32(2) + u64(1 << 30) + b'host\0boot\0' + u64(4026531836) + u32(77) + b'name\0' + u32(2) \
    + u32(1, 0) + b'\0\0/tmp/sabal-1/worker\0' + u32(2, 4711) + b'eth0\x0010.0.0.1\0\0'
write('talk', 'joining', b'\0', joining)
write('talk', 'joining_client', b'\0', u32(0) + u64(0) + b'h\0b\0' + u64(1) + u32(1) + b'\0' + u32(0))
code = b'bytes of an object'
body = bytes(32) + failure(0) + b'/usr/lib/a.so\0' + u32(2) + b'/b.so\0/c.so\0'
write('talk', 'object', b'\1', body, hashlib.blake2b(code, digest_size=32).digest(), code)
write('talk', 'object_hashed', b'\2', body, code + bytes(len(body) - len(code)))
write('talk', 'told', b'\3', open(os.path.join(HERE, 'decode', 'float64'), 'rb').read())
write('talk', 'failure', b'\4', failure())
write('talk', 'spec', b'\4', spec(1))


def announce(flags, pieces, head=b'', data=b'', more=b''):
    return u64(flags, len(pieces), sum(pieces), len(head)) + more + u64(*pieces) + head + data


def frame(kind, number=0, offset=0, body=b'', flags=0, how=0):
    return bytes([kind, flags, number, offset, len(body), 0, 0, how]) + body


write('plane', 'head', b'\0', bytes(48))
write('plane', 'announced', b'\1', announce(1, [8], b'', b'12345678'))
write('plane', 'announced_shared', b'\1', announce(2, [100, 28], b'head', b'', u64(7, 4096, 0)))
write('plane', 'announced_type', b'\1', announce(4 | 1, [8], b'head', b'12345678', bytes(32) + u64(20, 0, 64)))
write('plane', 'asks', b'\3', frame(3, 1, 0, u64(1, 0, 65536)), frame(3, 2, 0, u64(2, 0, 65536)), frame(6, 2), frame(3, 3, 0, u64(9, 9, 0)),
      frame(8, 2), frame(9, 10, 1))
write('plane', 'gives', b'\3', frame(4, 1, 0, announce(1, [8], b'', b'12345678')), frame(5, 2, 0, failure()),
      frame(4, 3, 0, announce(0, [100000])))
write('plane', 'gives_shared', b'\3', frame(4, 1, 0, announce(2, [100], b'', b'', u64(7, 4096, 0)), 1, 4),
      frame(4, 2, 0, announce(2, [100], b'', b'', u64(7, 4096, 1024)), 0), frame(11, 7), frame(10, 7))
write('plane', 'no_hello', b'\2', frame(1, 0, 0, bytes(72)), frame(2))
