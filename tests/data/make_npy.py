#!/usr/bin/env python3
"""Makes npy.bin: files written by NumPy, and what NumPy writes for the same array in C order and this byte order; and
tests/fuzz/seeds/npy/, a few of them as seeds. For tests/io/test_npy.c. Made with NumPy 2.4.6.

Each case: a name, a file, what np.save makes of it (empty: sabal refuses it); each an int32 length and its bytes.
"""
import io
import os
import struct
import numpy as np
from numpy.lib import format as npy

rng = np.random.default_rng(20261125)
cases = []


def saved(a, version=None):
    f = io.BytesIO()
    npy.write_array(f, a, version=version)
    return f.getvalue()


def good(name, a, version=None):
    native = np.ascontiguousarray(a).reshape(a.shape).astype(a.dtype.newbyteorder('='))
    cases.append((name, saved(a, version), saved(native)))


def header(text, version=1):
    """A file with a header that NumPy reads, but would not write, over 2 x 3 int32."""
    n = len(text)
    text = text.encode()
    length = struct.pack('<H', n) if version == 1 else struct.pack('<I', n)
    data = b'\x93NUMPY' + bytes([version, 0]) + length + text + np.arange(6, dtype='<i4').tobytes()
    a = npy.read_array(io.BytesIO(data))
    cases.append((f'header {len(cases)}', data, saved(np.ascontiguousarray(a.astype('=i4')))))


np.seterr(all='ignore')
import warnings
warnings.simplefilter('ignore')
for code in ('?', 'u1', 'u2', 'u4', 'u8', 'i1', 'i2', 'i4', 'i8', 'f4', 'f8', 'c8', 'c16'):
    for order in 'CF':
        for byte_order in '<>':
            for shape in ((5,), (4, 3), (2, 3, 4)):
                a = rng.integers(0, 256, (int(np.prod(shape)), 16), dtype=np.uint8)
                item = np.dtype(code).itemsize
                a = a[:, :item].copy().view(code).reshape(shape) if code != '?' else (a[:, 0] > 127).reshape(shape)
                a = np.asarray(a, order=order).astype(np.dtype(code).newbyteorder(byte_order), order='K')
                good(f'{byte_order}{code} {order} {shape}', a)
for shape in ((0,), (0, 3), (3, 0), (1,), (1, 1), (7, 1), (1, 7), (2,) * 6, (1,) * 32, (3,) + (1,) * 30 + (2,)):
    good(f'{shape}', np.arange(np.prod(shape), dtype='f8').reshape(shape))
    good(f'F {shape}', np.asarray(np.arange(np.prod(shape), dtype='f8').reshape(shape), order='F'))
for version in ((1, 0), (2, 0), (3, 0)):
    good(f'version {version}', np.arange(12, dtype='i2').reshape(4, 3), version)
good('many columns', np.asarray(rng.integers(0, 99, (9, 300), dtype=np.int16), order='F'))
good('many rows', np.asarray(rng.integers(0, 99, (9000, 2), dtype=np.uint8), order='F'))

header("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3)}")
header("  {'shape': (2, 3), 'fortran_order': True , 'descr' : \"<i4\",}\n")
header('{"fortran_order":False,"descr":"<i4","shape":(2,3,)}')
header("{\n 'descr': 'i4',\n 'fortran_order': False,\n 'shape': (2,\n 3), }\n\n")
header("{'descr': '=i4', 'fortran_order': False, 'shape': (2L, 3L), }")
header("{'descr': 'int32', u'fortran_order': False, 'shape': (6L,), }")
header("{'descr': '<i4', 'fortran_order': True, 'shape': (6,), }", 2)
header("{'descr': 'i', 'fortran_order': False, 'shape': (3, 2), }", 3)

for name, a in (('float16', np.zeros(3, 'f2')), ('longdouble', np.zeros(3, 'g')), ('clongdouble', np.zeros(3, 'G')),
                ('bytes', np.array([b'ab', b'c'])), ('str', np.array(['ab', 'c'])), ('datetime', np.zeros(2, 'M8[ns]')),
                ('timedelta', np.zeros(2, 'm8[s]')), ('object', np.array([None, 1], dtype=object)),
                ('void', np.zeros(2, 'V3')), ('structure', np.zeros(2, [('x', '<f8'), ('y', '<i4', (2,))])),
                ('names', np.zeros(2, [('\u00e9]}', 'f8'), ("it's", 'f8')])), ('0-d', np.array(1.5)),
                ('33 dimensions', np.zeros((1,) * 33))):
    cases.append((name, saved(a), b''))

# Every spelling of a dtype, and what NumPy takes it for: read as that, refused by its name, or unknown there too.
READ = ('bool', 'uint8', 'uint16', 'uint32', 'uint64', 'int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'complex64',
        'complex128')
NAMES = {'e': 'float16', 'g': 'extended precision floats', 'G': 'extended precision complex numbers', 'S': 'byte strings',
         'c': 'byte strings', 'U': 'strings', 'T': 'strings', 'M': 'dates (datetime64)', 'm': 'durations (timedelta64)',
         'O': 'Python objects', 'V': 'raw bytes (void)'}
words = sorted(k for k in np.sctypeDict if isinstance(k, str)) + [
    'int', 'float', 'complex', 'bool', 'str', 'bytes', 'object', 'void', 'datetime64[ns]', 'i4,i4', 'f8,', '3f8', '(2,)f8',
    'f8 ', ' f8', 'float 64', 'f08', 'i0004', 'Float64', 'doubles', '', 'f', 'M8[ns]', 'm8[3s]', 'U5', 'S12', 'V3']
letters = [a + b for a in '?' + ''.join(chr(c) for c in range(65, 123) if chr(c).isalpha())
           for b in ('', '1', '2', '4', '8', '12', '16', '32', '02')]
for text in dict.fromkeys(o + w for w in words + letters for o in ('', '<', '>', '=', '|')):
    head = f"{{'descr': {text!r}, 'fortran_order': False, 'shape': (3,), }}\n".encode()
    data = b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head + bytes(rng.integers(0, 256, 48, dtype=np.uint8))
    try:
        d = npy.descr_to_dtype(text)
    except (TypeError, ValueError):
        if len(text) < 3 or text.lstrip('<>=|') in words:  # of the many, some
            cases.append((f'unknown {text}', data, b''))
        continue
    if d.names or d.subdtype:
        cases.append((f'named a s{"tructure" if d.names else "ub-array type"}: {text}', data, b''))
    elif d.name in READ:
        a = np.frombuffer(data[10 + len(head):], d, 3)
        a = a.view('u1') != 0 if d.name == 'bool' else a.astype(d.newbyteorder('='))
        cases.append((f'spelled {text}', data, saved(a)))
    else:
        cases.append((f'named {NAMES[d.char]}: {text}', data, b''))

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, 'npy.bin'), 'wb') as f:
    for case in cases:
        for part in case:
            part = part.encode() if isinstance(part, str) else part
            f.write(struct.pack('<i', len(part)) + part)
seeds = os.path.join(here, '../fuzz/seeds/npy')
for i in (0, 17, 40, 100, 154, 160, 170, 178, 182, 184, 190, 200):
    with open(os.path.join(seeds, f'{i}.npy'), 'wb') as f:
        f.write(cases[i][1])
print(len(cases), 'cases')
