#!/usr/bin/python3
"""Makes the HDF5 files of tests/io/test_hdf5_*.c with h5py (Debian: python3-h5py) and writes them to tests/data/hdf5/.

Values follow one formula of the element's number i in C order, which the tests compute again (value_of() there):
integers (7 i + 3) mod 101, minus 50 if signed; floats (7 i + 3) / 8; complex v - (v + 1) i; bool i mod 3 = 0.
"""
import os

import h5py
import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'hdf5')
DTYPES = ['bool', 'uint8', 'uint16', 'uint32', 'uint64', 'int8', 'int16', 'int32', 'int64', 'float32', 'float64',
          'complex64', 'complex128']


def values(dtype, *shape):
    i = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    kind = np.dtype(dtype).kind
    v = 7 * i + 3
    if kind == 'b':
        return i % 3 == 0
    if kind == 'u':
        return (v % 101).astype(dtype)
    if kind == 'i':
        return (v % 101 - 50).astype(dtype)
    if kind == 'c':
        return (v / 8 - 1j * (v / 8 + 1)).astype(dtype)
    return (v / 8).astype(dtype)


def create(name, **options):
    path = os.path.join(HERE, name)
    if os.path.exists(path):
        os.remove(path)
    return h5py.File(path, 'w', **options)


def types():
    with create('types.h5') as f:
        for name in DTYPES:
            x = values(name, 13, 3)
            for order in '<>':
                dtype = np.dtype(name).newbyteorder(order)
                group = {'<': 'little', '>': 'big'}[order]
                f.create_dataset(f'{group}/contiguous/{name}', data=x.astype(dtype), dtype=dtype)
                f.create_dataset(f'{group}/chunked/{name}', data=x.astype(dtype), dtype=dtype, chunks=(5, 2),
                                 shuffle=True, compression='gzip')
                f.create_dataset(f'{group}/plain/{name}', data=x.astype(dtype), dtype=dtype, chunks=(5, 3))
                if name != 'bool':
                    f.create_dataset(f'{group}/missing/{name}', (13, 3), dtype=dtype, chunks=(5, 3), fillvalue=x[1, 1])


def layouts(f):
    for shape, chunks in [((23,), (5,)), ((23, 4), (5, 4)), ((23, 4), (5, 3)), ((23, 4), (7, 1)), ((23, 4), (30, 4)),
                          ((11, 5, 6), (4, 5, 6)), ((11, 5, 6), (4, 2, 6)), ((11, 5, 6), (3, 2, 4)),
                          ((5, 4, 3, 2), (2, 3, 2, 1))]:
        x = values('float64', *shape)
        more = {'maxshape': (None, *shape[1:])} if chunks[0] > shape[0] else {}
        name = '_'.join(map(str, chunks)) + '/'
        for what, options in [('plain', {}), ('gzip', {'compression': 'gzip'}), ('shuffle', {'shuffle': True}),
                              ('shuffle_gzip', {'shuffle': True, 'compression': 'gzip', 'compression_opts': 9}),
                              ('fletcher', {'fletcher32': True}),
                              ('all', {'fletcher32': True, 'shuffle': True, 'compression': 'gzip'})]:
            f.create_dataset(name + what, data=x, chunks=chunks, **options, **more)


def filters_and_holes():
    with create('layouts.h5') as f:
        layouts(f)
    with create('library.h5') as f:
        x = values('int32', 40, 3)
        f.create_dataset('scaleoffset', data=x, chunks=(16, 3), scaleoffset=0)
        f.create_dataset('szip', data=x, chunks=(16, 2), compression='szip')
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((40, 3))
        h5py.h5d.create(f.id, b'compact', h5py.h5t.STD_I32BE, space, plist).write(space, space, x)
        narrow = h5py.h5t.STD_I32LE.copy()
        narrow.set_precision(12)
        h5py.h5d.create(f.id, b'narrow', narrow, space).write(space, space, x)
        three = h5py.h5t.STD_U32BE.copy()
        three.set_precision(24)
        three.set_size(3)
        h5py.h5d.create(f.id, b'three_bytes', three, space).write(space, space, values('uint32', 40, 3))
        vax = h5py.h5t.IEEE_F32LE.copy()
        vax.set_fields(31, 20, 11, 0, 20)
        vax.set_ebias(1023)
        h5py.h5d.create(f.id, b'odd_float', vax, space).write(space, space, values('float64', 40, 3))
        swapped = h5py.h5t.create(h5py.h5t.COMPOUND, 24)
        swapped.insert(b'i', 16, h5py.h5t.IEEE_F64BE)
        swapped.insert(b'r', 0, h5py.h5t.IEEE_F64BE)
        memory = h5py.h5t.py_create(np.dtype('complex128'))
        h5py.h5d.create(f.id, b'odd_complex', swapped, space).write(space, space, values('complex128', 40, 3), memory)
        e = h5py.enum_dtype({'RED': 0, 'GREEN': 1, 'BLUE': 2}, basetype='>i2')
        f.create_dataset('enum', data=values('int16', 40, 3).astype('>i2'), dtype=e)
        f.create_dataset('external', data=x, external=[('external.bin', 0, 40 * 3 * 4)])
        layout = h5py.VirtualLayout(shape=(40, 3), dtype='i4')
        layout[:20] = h5py.VirtualSource('library.h5', 'compact', shape=(40, 3))[:20]
        layout[20:] = h5py.VirtualSource('library.h5', 'scaleoffset', shape=(40, 3))[20:]
        f.create_virtual_dataset('virtual', layout)
        f['soft'] = h5py.SoftLink('/compact')
        f['nowhere'] = h5py.SoftLink('/not/there')
        f['linked'] = h5py.ExternalLink('userblock.h5', '/chunked')
        f['gone'] = h5py.ExternalLink('not_there.h5', '/x')
    with create('lzf.h5') as f:
        f.create_dataset('lzf', data=values('float64', 40, 3), chunks=(16, 3), compression='lzf')
    with create('holes.h5') as f:
        for order in '<>':
            d = f.create_dataset('little' if order == '<' else 'big', (20, 4), order + 'i4', chunks=(3, 3),
                                 fillvalue=-7, compression='gzip', shuffle=True)
            d[4:8] = values('int32', 20, 4)[4:8]
        f.create_dataset('nothing', (20, 4), '>f4', chunks=(3, 3), fillvalue=2.5)
        f.create_dataset('late', (20, 4), '>f4', fillvalue=2.5)
        f.create_dataset('zeros', (20, 4), 'f8')
        f.create_dataset('empty', (0, 4), 'f8', maxshape=(None, 4), chunks=(3, 4))
        f.create_dataset('no_columns', (4, 0), 'f8')
        f.create_dataset('true', (9,), '?', chunks=(2,), fillvalue=True)
        d = f.create_dataset('masked', (6, 4), 'i4', chunks=(2, 4), compression='gzip', shuffle=True)
        x = values('int32', 6, 4)
        d.id.write_direct_chunk((0, 0), x[:2].tobytes(), filter_mask=3)
        d.id.write_direct_chunk((2, 0), np.frombuffer(x[2:4].tobytes(), 'u1').reshape(8, 4).T.tobytes(), filter_mask=2)
        d[4:] = x[4:]


def latest():
    with create('latest.h5', libver='latest') as f:
        layouts(f)
        x = values('float64', 23, 4)
        f.create_dataset('extensible', data=x, chunks=(2, 4), maxshape=(None, 4))
        f.create_dataset('extensible_gzip', data=x, chunks=(2, 4), maxshape=(None, 4), compression='gzip')
        f.create_dataset('tree', data=x, chunks=(2, 3), maxshape=(None, None))
        f.create_dataset('tree_gzip', data=x, chunks=(2, 3), maxshape=(None, None), compression='gzip')
        f.create_dataset('single', data=x, chunks=(23, 4))
        f.create_dataset('single_gzip', data=x, chunks=(23, 4), compression='gzip')
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((2, 3))
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((23, 4))
        h5py.h5d.create(f.id, b'implicit', h5py.h5t.IEEE_F64LE, space, plist).write(space, space, x)
        f.create_dataset('paged', data=values('int16', 3000), chunks=(2,), compression='gzip')
        f.create_dataset('contiguous', data=x)
    with create('v110.h5', libver=('earliest', 'v110')) as f:
        f.create_dataset('x', data=values('float64', 23, 4), chunks=(2, 3), compression='gzip')


def names():
    with create('userblock.h5', userblock_size=2048) as f:
        f.create_dataset('contiguous', data=values('float64', 23, 4))
        f.create_dataset('chunked', data=values('float64', 23, 4), chunks=(5, 3), compression='gzip')
        f.create_dataset('plain', data=values('float64', 23, 4), chunks=(5, 4))
    with create('one.h5') as f:
        f.create_dataset('deep/er/only', data=values('float32', 5))
        f.create_group('deep/empty')
    with create('none.h5') as f:
        f.create_group('a/b')
    with create('many.h5') as f:
        for i in range(40):
            f.create_dataset(f'run{i:02}/temperature', data=values('uint8', 2))
        f.create_dataset('pressure', data=values('uint8', 2))


def refused():
    with create('refused.h5') as f:
        f['string'] = np.array([b'abc', b'de'])
        f.create_dataset('vlen_string', data=['abc', 'de'], dtype=h5py.string_dtype())
        f['compound'] = np.zeros(3, [('a', 'i4'), ('b', 'f8')])
        f['wide'] = np.zeros(3, [(f'a_long_member_name_{i}', 'i4') for i in range(9)])
        f.create_dataset('reference', (3,), h5py.ref_dtype)
        f.create_dataset('vlen', (3,), h5py.vlen_dtype('i4'))
        f['opaque'] = np.array([b'12', b'34'], 'V2')
        f['half'] = np.zeros(3, 'f2')
        f['long_double'] = np.zeros(3, np.longdouble)
        f['number'] = 3.5
        f['null'] = h5py.Empty('f8')
        f.create_dataset('array', (3,), np.dtype(('i4', (2,))))
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(f.id, b'bitfield', h5py.h5t.STD_B8LE, space)
        f['type'] = np.dtype('f8')
        f['fine'] = values('float64', 3)


os.makedirs(HERE, exist_ok=True)
os.chdir(HERE)  # external.bin is looked for where the program runs
names()
types()
filters_and_holes()
latest()
refused()
