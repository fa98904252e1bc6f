#!/usr/bin/python3
"""Seeds of fuzz_hdf5 (changes to files, see there) and fuzz_hdf5_chunk (a head of 14 bytes, then a whole chunk)."""
import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))


def write(folder, name, data):
    with open(os.path.join(HERE, folder, name), 'wb') as f:
        f.write(bytes(data))


def fletcher(data):
    a = b = 0
    for i in range(0, len(data), 2):
        a = (a + (data[i] << 8 | (data[i + 1] if i + 1 < len(data) else 0))) % 65535
        b = (a + b) % 65535
    return struct.pack('<I', b << 16 | a)


for which in range(5):
    write('hdf5', f'whole{which}', [which, 1, 0])
    write('hdf5', f'cut{which}', [which, 8, 200])
    write('hdf5', f'changed{which}', [which, 1, 0, 0, 8, 255, 100, 9, 1])
cells = bytes(range(5 * 6 * 4))
planes = bytes(cells[i * 4 + j] for j in range(4) for i in range(30))
for name, pipeline, data in [('plain', 0, cells), ('gzip', 1, zlib.compress(cells)),
                             ('shuffle_gzip', 2, zlib.compress(planes)), ('fletcher', 4, cells + fletcher(cells)),
                             ('all', 5, zlib.compress(planes) + fletcher(zlib.compress(planes)))]:
    for order in range(2):
        head = [1, pipeline, 2, order, 12, 9, 0, 4, 5, 0, 2, 3, 6, 0]
        write('hdf5_chunk', f'{name}{order}', bytes(head) + data)
