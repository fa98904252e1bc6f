#!/usr/bin/env python3
"""Makes print.bin: arrays and what NumPy's str() of them is, for tests/value/test_print.c.

Each case: int32 dtype (sabal's number), int32 ndim, int64 shape[ndim], the elements in C order, int32 length, text.
Made with NumPy 2.4.6 (from 2.3 on float32 turns exponential at 1e6).
"""
import os
import struct
import numpy as np

DTYPES = {'bool': 1, 'uint8': 2, 'uint16': 3, 'uint32': 4, 'uint64': 5, 'int8': 6, 'int16': 7, 'int32': 8,
          'int64': 9, 'float32': 10, 'float64': 11, 'complex64': 12, 'complex128': 13}
np.seterr(all='ignore')
rng = np.random.default_rng(20261125)
cases = []


def add(values, dtype):
    cases.append(np.asarray(values).astype(dtype))


def shapes():
    ndim = int(rng.choice([1, 1, 1, 2, 2, 3, 4]))
    return tuple(int(n) for n in rng.integers(1, {1: 25, 2: 7, 3: 4, 4: 3}[ndim], ndim))


def floats(shape):
    """Numbers of one of many kinds: short and long ones, of like and of unlike sizes, with and without inf and nan."""
    n = int(np.prod(shape))
    kind = int(rng.integers(12))
    if kind == 0:
        x = rng.normal(size=n)
    elif kind == 1:
        x = rng.normal(size=n) * 10.0 ** rng.integers(-12, 12)
    elif kind == 2:
        x = rng.normal(size=n) * 10.0 ** rng.integers(-9, 9, n)
    elif kind == 3:
        x = rng.integers(-100, 100, n).astype(float)
    elif kind == 4:
        x = np.round(rng.normal(size=n) * 100, int(rng.integers(0, 6)))
    elif kind == 5:
        x = rng.integers(-2**20, 2**20, n) / 2.0 ** rng.integers(0, 30)
    elif kind == 6:
        x = 2.0 ** rng.integers(-60, 60, n)
    elif kind == 7:
        x = 10.0 ** rng.integers(-9, 12, n)
    elif kind == 8:
        x = rng.integers(0, 2**64, n, dtype=np.uint64, endpoint=False).view(np.float64)
    elif kind == 9:
        x = np.where(rng.random(n) < 0.5, 0.0, rng.normal(size=n))
    elif kind == 10:
        x = rng.choice([99999999.9, 1e8, 99999999.99999999, 0.0001, 0.00009999, 0.1, 1.0, 999999.9, 1e6], n)
    else:
        x = rng.choice([1.0, 1000.0, 1001.0, 999.9, 0.5, -0.0, 0.12345678, 0.123456785, 0.000123456789], n)
    if rng.random() < 0.25:
        x = np.where(rng.random(n) < 0.2, rng.choice([np.nan, np.inf, -np.inf, -0.0], n), x)
    if rng.random() < 0.05:
        x = rng.choice([np.nan, np.inf, -np.inf], n)
    return x.reshape(shape)


for i in range(400):
    add(floats(shapes()), 'float64')
for i in range(350):
    add(floats(shapes()), 'float32')
for i in range(110):
    s = shapes()
    add(floats(s) + 1j * floats(s), 'complex128')
    add(floats(s) + 1j * floats(s), 'complex64')
for name in ('uint8', 'uint16', 'uint32', 'uint64', 'int8', 'int16', 'int32', 'int64'):
    for i in range(20):
        info = np.iinfo(name)
        width = int(rng.integers(1, info.bits + 1))
        v = rng.integers(info.min, info.max, shapes(), dtype=name, endpoint=True)
        add(v >> np.array(info.bits - width, dtype=name), name)
for i in range(30):
    add(rng.random(shapes()) < 0.5, 'bool')

# summaries, and the last shape that is none
for name, shape in (('float64', (1001,)), ('float32', (40, 26)), ('uint8', (1000,)), ('uint8', (1001,)), ('int16', (8, 7, 20)),
                    ('bool', (7, 150)), ('uint8', (2, 3, 4, 5, 9)), ('uint8', (1, 1001)), ('uint8', (1001, 1)),
                    ('uint8', (6, 167)), ('uint8', (7, 143)), ('uint8', (5, 2, 101))):
    n = int(np.prod(shape))
    v = np.arange(n) % 251
    add((v / 8 if name.startswith('float') else v % 2 if name == 'bool' else v).reshape(shape), name)

# one number alone, no dimensions
for x in [0.0, -0.0, 1.0, 1e15, 1e16, 123456789012345680.0, 1e-4, 9.999e-5, 1.5, 0.1, 1 / 3, 2.0**-44, 5e-324,
          1.7976931348623157e308, np.nan, np.inf, -np.inf, 2.0**-1022, 2.0**60, 1e22, 1e23, 999999.0, 1e6] + list(2.0 ** np.arange(-1070, 1020, 37)):
    add(x, 'float64')
    add(x, 'float32')
    add(complex(x, -x), 'complex128')
    add(complex(0, x), 'complex128')
    add(complex(x, 2), 'complex64')
add(complex(-0.0, 1), 'complex128')
for name in DTYPES:
    add(1, name)
    add(0, name)
    add(np.zeros((3, 0)), name)
    add(np.zeros(0), name)
    add(np.ones((1, 1, 1, 1, 1, 1, 1)), name)
    add(np.zeros((2, 2)), name)
add(np.ones((1,) * 32), 'float64')
add(np.arange(60).reshape((1,) * 20 + (60,)), 'int64')

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, 'print.bin'), 'wb') as f:
    for a in cases:
        text = str(a).encode()
        f.write(struct.pack('<ii', DTYPES[a.dtype.name], a.ndim) + struct.pack(f'<{a.ndim}q', *a.shape))
        f.write(a.tobytes() + struct.pack('<i', len(text)) + text)
print(len(cases), 'cases')
