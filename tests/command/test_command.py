#!/usr/bin/env python3
"""The sabal command as a person uses it. Each function is one test; its name is a sentence that can be false."""
import array
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import time

from harness import (COMMANDS, HANGS, OPTIONS, SABAL, Skip, bad, good, has, needs, odd, one_object, read_npy, run_tests,
                     sabal, start, three_groups, wait_for, write_npy)


# --- help, version, settings -----------------------------------------------------------------------------------

def help_and_manual_page_have_the_same_options(folder):
    for command in COMMANDS:
        shown = good(command, '--help')
        assert shown == good('help', command) == good(command, '-h')
        with open(os.path.join(OPTIONS.man, f'sabal-{command}.1')) as file:
            page = file.read()
        in_help = set(re.findall(r'^  (?:-(\w), |    )--([\w-]+)', shown, re.M))
        in_page = set()
        for item in re.findall(r'^\.It (Fl .*)', page, re.M):
            names = re.findall(r'Fl (-?[\w-]+)', item)
            assert names, item
            in_page.add((names[0] if len(names) == 2 else '', names[-1].lstrip('-')))
        assert in_help == in_page and in_help, f'{command}: {in_help ^ in_page}'
        for default in re.findall(r'\(default: ([\w.-]+)\)', shown):
            assert default in page, f'{command}: the page lacks the default {default}'


def every_command_is_in_the_help_and_in_the_manual(folder):
    shown = good('help')
    assert shown == good('--help') == good('-h')
    with open(os.path.join(OPTIONS.man, 'sabal.1')) as file:
        page = file.read()
    for command in COMMANDS:
        assert re.search(rf'^  {command} ', shown, re.M) and f'.It Cm {command}' in page


def manual_pages_have_no_errors(folder):
    if not shutil.which('groff'):
        raise Skip('there is no groff')
    for name in os.listdir(OPTIONS.man):
        ran = subprocess.run(['groff', '-mandoc', '-Tutf8', '-ww', '-z', os.path.join(OPTIONS.man, name)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert ran.returncode == 0 and not ran.stdout, ran.stdout


def version_comes_first(folder):
    assert re.match(r'sabal \d+\.\d+\.\d+\n', good('version'))
    assert good('version') == good('--version')


def config_tells_where_a_value_comes_from(folder):
    path = os.path.join(folder, 'settings')
    with open(path, 'w') as file:
        file.write('threads = 5 # here\n')
    assert re.search(r'^threads +0 +the default', good('config'), re.M)
    assert re.search(rf'^threads +5 +{path}', good('config', env={'SABAL_CONFIG': path}), re.M)
    assert re.search(r'^threads +7 +SABAL_THREADS', good('config', env={'SABAL_CONFIG': path, 'SABAL_THREADS': '7'}),
                     re.M)


# --- make-blobs and info ---------------------------------------------------------------------------------------

def make_blobs_writes_what_info_shows(folder):
    path, labels = os.path.join(folder, 'blobs.npy'), os.path.join(folder, 'labels.npy')
    good('make-blobs', path, '--samples', '1e3', '--features', 3, '--centers', 4, '--labels', labels)
    assert read_npy(path)[0] == (1000, 3)
    shape, which = read_npy(labels)
    assert shape == (1000,) and sorted(set(which)) == [0, 1, 2, 3]
    assert 'float64' in good('info', path) and '1000 x 3' in good('info', path)
    found = one_object(good('info', path, '--json'))
    assert found['file'] == path and len(found['arrays']) == 1
    one = found['arrays'][0]
    assert (one['name'], one['dtype'], one['shape'], one['readable']) == (None, 'float64', [1000, 3], True)
    assert sorted(os.listdir(folder)) == ['blobs.npy', 'labels.npy']


def seed_decides_and_threads_do_not(folder):
    contents = []
    for name, seed, threads in (('a', 1, 1), ('b', 1, 2), ('c', 2, 2)):
        path = os.path.join(folder, name + '.npy')
        good('make-blobs', path, '--samples', 5000, '--seed', seed, '--threads', threads, '--dtype', 'float32')
        with open(path, 'rb') as file:
            contents.append(file.read())
    assert contents[0] == contents[1] != contents[2]


def std_spreads_the_blobs(folder):
    for std in (0, 3):
        path = os.path.join(folder, f'{std}.npy')
        good('make-blobs', path, '--samples', 2000, '--centers', 1, '--std', std)
        xs = read_npy(path)[1][::2]
        mean = sum(xs) / len(xs)
        spread = (sum((x - mean) ** 2 for x in xs) / len(xs)) ** 0.5
        assert abs(spread - std) <= 0.1 * std + 1e-9, (std, spread)


def hdf5_files_are_made_anew_or_added_to(folder):
    needs('hdf5')
    path = os.path.join(folder, 'b.h5')
    good('make-blobs', path, '--samples', 100)
    good('make-blobs', path, '--samples', 200)  # made anew
    assert [(a['name'], a['shape'][0]) for a in one_object(good('info', path, '--json'))['arrays']] == [('/data', 200)]
    good('make-blobs', path + ':/more', '--samples', 300)
    found = one_object(good('info', path, '--json'))['arrays']
    assert sorted((a['name'], a['shape'][0]) for a in found) == [('/data', 200), ('/more', 300)]
    bad(1, ['more'], 'make-blobs', path + ':/more', '--samples', 400)
    assert '/data' not in good('info', path + ':more')
    assert os.listdir(folder) == ['b.h5']


def what_info_cannot_read_is_marked(folder):
    path = odd(folder)
    shown = {a['name']: a['readable'] for a in one_object(good('info', path, '--json'))['arrays']}
    assert shown == {'/points': True, '/line': True, '/names': False, '/packed': True}, shown
    assert "can't read" in good('info', path)
    bad(1, ['/points'], 'info', path + ':/pionts')


# --- k-means ---------------------------------------------------------------------------------------------------

def naive_lloyd(points, centers, passes=100):
    """The whole of it in a few lines, until no label changes."""
    labels = None
    for _ in range(passes):
        new = [min(range(len(centers)), key=lambda c: sum((a - b) ** 2 for a, b in zip(p, centers[c]))) for p in points]
        if new == labels:
            break
        labels = new
        for c in range(len(centers)):
            mine = [p for p, label in zip(points, labels) if label == c]
            centers[c] = [sum(column) / len(mine) for column in zip(*mine)]
    inertia = sum(sum((a - b) ** 2 for a, b in zip(p, centers[label])) for p, label in zip(points, labels))
    return centers, labels, inertia


def json_holds_what_the_manual_says(folder):
    path = os.path.join(folder, 'p.npy')
    three_groups(path)
    found = one_object(good('kmeans', path, '-k', 3, '--json', '--threads', 2))
    assert set(found) == {'centers', 'inertia', 'n_iter', 'converged', 'seconds', 'rows', 'features', 'threads',
                          'peak_rss_bytes'}
    assert set(found['seconds']) == {'read', 'seed', 'iterate', 'total'}
    assert len(found['centers']) == 3 and all(len(c) == 2 for c in found['centers'])
    assert (found['rows'], found['features'], found['threads'], found['converged']) == (300, 2, 2, True)
    assert found['n_iter'] >= 1 and found['peak_rss_bytes'] > 1 << 20
    seconds = found['seconds']
    assert seconds['total'] >= seconds['read'] + seconds['iterate'] > 0


def fit_agrees_with_the_naive_loop(folder):
    path, labels, centers = (os.path.join(folder, n) for n in ('p.npy', 'l.npy', 'c.npy'))
    points = three_groups(path)
    found = one_object(good('kmeans', path, '-k', 3, '--json', '--tol', 0, '--labels', labels, '--centers', centers))
    shape, flat = read_npy(centers)
    assert shape == (3, 2) and list(flat) == [v for c in found['centers'] for v in c]
    expected, expected_labels, inertia = naive_lloyd(points, [list(c) for c in found['centers']])
    assert read_npy(labels)[0] == (300,) and list(read_npy(labels)[1]) == expected_labels
    assert all(abs(a - b) < 1e-9 for c, e in zip(found['centers'], expected) for a, b in zip(c, e))
    assert abs(found['inertia'] - inertia) < 1e-9 * inertia
    assert sorted(os.listdir(folder)) == ['c.npy', 'l.npy', 'p.npy']


def starts_from_a_file_of_centres(folder):
    path, init = os.path.join(folder, 'p.npy'), os.path.join(folder, 'init.npy')
    points = three_groups(path)
    first = [[0.0, 1.0], [1.0, 0.0], [30.0, -20.0], [21.0, -9.0]]
    write_npy(init, '<f8', (4, 2), array.array('d', [v for c in first for v in c]).tobytes())
    found = one_object(good('kmeans', path, '--init', init, '--json', '--tol', 0))
    expected, _, inertia = naive_lloyd(points, first)
    assert all(abs(a - b) < 1e-9 for c, e in zip(found['centers'], expected) for a, b in zip(c, e))
    assert abs(found['inertia'] - inertia) < 1e-9 * inertia
    write_npy(init, '<i4', (4, 2), array.array('i', [int(v) for c in [[0, 1], [1, 0], [30, -20], [21, -9]] for v in c])
              .tobytes())
    assert one_object(good('kmeans', path, '-k', 4, '--init', init, '--json', '--tol', 0))['inertia'] == found['inertia']
    bad(1, ['4 centres', '-k'], 'kmeans', path, '-k', 3, '--init', init)
    write_npy(init, '<f8', (2, 3), bytes(48))
    bad(1, ['3 features'], 'kmeans', path, '--init', init)


def threads_and_memory_do_not_change_the_bits(folder):
    path = os.path.join(folder, 'p.npy')
    good('make-blobs', path, '--samples', 20000, '--features', 5, '--centers', 6, '--std', 3)
    results = []
    for more in (['--threads', 1], ['--threads', 2], ['--threads', 7], ['--memory', '0'], ['--memory', '100G']):
        found = one_object(good('kmeans', path, '-k', 6, '--json', '--chunk-rows', 700, *more))
        results.append((found['centers'], found['inertia'], found['n_iter']))
    assert all(r == results[0] for r in results)


def streaming_is_said_on_stderr(folder):
    path = os.path.join(folder, 'p.npy')
    three_groups(path)
    ran = sabal('kmeans', path, '-k', 3, '--memory', '1K')
    assert ran.returncode == 0 and b'note: ' in ran.stderr and b'each pass' in ran.stderr, ran.stderr
    assert sabal('kmeans', path, '-k', 3).stderr == b''


def whole_numbers_and_float32_are_taken(folder):
    centers = []
    for kind in ('<f8', '<f4', '<i4'):
        path = os.path.join(folder, kind[1:] + '.npy')
        three_groups(path, kind=kind)
        centers.append(sorted(one_object(good('kmeans', path, '-k', 3, '--json', '--tol', 0))['centers']))
    for other in centers[1:]:
        assert all(abs(a - b) < 1e-4 for c, e in zip(other, centers[0]) for a, b in zip(c, e)), centers
    path = os.path.join(folder, 'bytes.npy')
    points = three_groups(path, kind='|u1')
    found = one_object(good('kmeans', path, '-k', 3, '--json'))
    assert max(max(c) for c in found['centers']) <= max(max(p) for p in points)


def every_way_to_start_is_taken(folder):
    path = os.path.join(folder, 'p.npy')
    three_groups(path)
    for init in ('k-means||', 'k-means++', 'random'):
        found = one_object(good('kmeans', path, '-k', 3, '--init', init, '--n-init', 4, '--seed', 11, '--json'))
        assert found['inertia'] < 300 * 10, (init, found)
    found = one_object(good('kmeans', path, '-k3', '--init=random', '--max-iter=1', '--tol', '0', '--n-init=1', '--json'))
    assert found['n_iter'] == 1


def reads_hdf5_plain_and_packed(folder):
    path = odd(folder)
    plain = one_object(good('kmeans', path + ':/points', '-k', 3, '--json'))
    packed = one_object(good('kmeans', path + ':packed', '-k', 3, '--json', '--chunk-rows', 100))
    assert abs(plain['inertia'] - packed['inertia']) < 1e-9 * plain['inertia']
    bad(1, ['odd.h5'], 'kmeans', path, '-k', 3)  # which of the four?


def sizes_in_the_summary_add_up(folder):
    path = os.path.join(folder, 'p.npy')
    three_groups(path)
    text = good('kmeans', path, '-k', 3)
    rows = [int(m) for m in re.findall(r'^ +\d+ +(\d+) +33\.3%', text, re.M)]
    assert rows == [100, 100, 100], text
    for word in ('inertia', 'iterations', 'converged', 'read', 'seed', 'iterate', 'rows/s'):
        assert word in text, text
    assert '\x1b' not in text


def many_features_and_clusters_fit_the_page(folder):
    path = os.path.join(folder, 'p.npy')
    good('make-blobs', path, '--samples', 500, '--features', 64)
    text = good('kmeans', path, '-k', 70)
    assert max(map(len, text.splitlines())) <= 110 + len(path), text
    assert 'more features' in text and '10 more clusters' in text, text


def pictures_are_of_their_kind_and_small(folder):
    needs('plot')
    for features in (1, 2, 5):
        data = os.path.join(folder, f'{features}.npy')
        good('make-blobs', data, '--samples', 50000, '--features', features)
        for ending, magic in (('svg', b'<?xml'), ('png', b'\x89PNG'), ('pdf', b'%PDF')):
            path = os.path.join(folder, f'{features}.{ending}')
            good('kmeans', data, '-k', 3, '--plot', path)
            with open(path, 'rb') as file:
                content = file.read()
            assert content.startswith(magic) and 4000 < len(content) < 1 << 20, (path, len(content))
    for rows, k in ((1, 1), (2, 2), (130, 120)):  # hardly anything to draw
        data = os.path.join(folder, 'few.npy')
        good('make-blobs', data, '--samples', rows)
        good('kmeans', data, '-k', k, '--json', '--plot', os.path.join(folder, 'few.png'))
    assert not [n for n in os.listdir(folder) if 'partial' in n or n.startswith('.')]


def outputs_that_exist_are_overwritten(folder):
    path = os.path.join(folder, 'p.npy')
    three_groups(path)
    outputs = {'--labels': 'l.npy', '--centers': 'c.npy'}
    if has('plot'):
        outputs['--plot'] = 'p.svg'
    args = []
    for option, name in outputs.items():
        with open(os.path.join(folder, name), 'w') as file:
            file.write('old')
        args += [option, os.path.join(folder, name)]
    good('kmeans', path, '-k', 3, *args)
    for name in outputs.values():
        assert os.path.getsize(os.path.join(folder, name)) > 100
    if has('plot'):  # what is overwritten keeps its permissions
        os.chmod(os.path.join(folder, 'p.svg'), 0o640)
        good('kmeans', path, '-k', 3, '--plot', os.path.join(folder, 'p.svg'))
        assert os.stat(os.path.join(folder, 'p.svg')).st_mode & 0o777 == 0o640
    link = os.path.join(folder, 'link.npy')  # a link stays one, as with the shell's >
    os.symlink('l.npy', link)
    good('make-blobs', link, '--samples', 7)
    assert os.path.islink(link) and read_npy(os.path.join(folder, 'l.npy'))[0] == (7, 2)


# --- bad input -------------------------------------------------------------------------------------------------

def mistakes_in_the_call_end_with_2(folder):
    path = os.path.join(folder, 'p.npy')
    three_groups(path)
    k = ['kmeans', path, '-k', '3']
    bad(2, ['no command'])
    bad(2, ["'kmeans'"], 'kmaens')
    bad(2, ['--seed'], *k, '--sede', '1')
    bad(2, ['-x'], *k, '-x')
    bad(2, ['no FILE'], 'kmeans', '-k', '3')
    bad(2, ['-k'], 'kmeans', path)
    for value in ('0', '-1', 'three', '2.5', '', '99999999999'):
        bad(2, ['-k'], 'kmeans', path, '-k', value)
    bad(2, ['value'], 'kmeans', path, '-k')
    bad(2, ['--tol'], *k, '--tol', '-1')
    bad(2, ['--tol'], *k, '--tol', 'nan')
    bad(2, ['--max-iter'], *k, '--max-iter', '0')
    bad(2, ['--n-init'], *k, '--n-init', 'often')
    bad(2, ['--threads'], *k, '--threads', '0')
    bad(2, ['--threads'], *k, '--threads', '5000')
    bad(2, ['--seed'], *k, '--seed', '-4')
    bad(2, ['--chunk-rows'], *k, '--chunk-rows', '0')
    bad(2, ['--memory'], *k, '--memory', 'much')
    bad(2, ['k-means++'], *k, '--init', 'kmeans++')
    bad(2, ['--init'], *k, '--init', 'somehow')
    bad(2, ['no value'], *k, '--json=yes')
    bad(2, ['one too many'], *k, path)
    bad(2, ['.npy'], *k, '--labels', os.path.join(folder, 'l.csv'))
    bad(2, ['.svg'], *k, '--plot', os.path.join(folder, 'p.gif'))
    same = os.path.join(folder, 'same.npy')
    bad(2, ['one place'], *k, '--labels', same, '--centers', same)
    bad(2, ['.npy'], 'make-blobs', os.path.join(folder, 'blobs'))
    bad(2, ['--dtype'], 'make-blobs', os.path.join(folder, 'b.npy'), '--dtype', 'int32')
    bad(2, ['--samples'], 'make-blobs', os.path.join(folder, 'b.npy'), '--samples', '1.5')
    bad(2, ['too many'], 'version', 'please')
    assert os.listdir(folder) == ['p.npy']
    bad(1, ['SABAL_THREADS', 'many'], *k, env={'SABAL_THREADS': 'many'})


def files_that_cannot_be_read_end_with_1(folder):
    path = os.path.join(folder, 'points.npy')
    three_groups(path)
    for command in (['kmeans', '-k', '3'], ['info']):
        name, rest = command[0], command[1:]
        bad(1, ['points.npy'], name, os.path.join(folder, 'pionts.npy'), *rest)
        bad(1, ['directory'], name, folder, *rest)
        bad(1, ['ordinary'], name, '/dev/null', *rest)
        bad(1, ['no such file'], name, os.path.join(folder, 'a\nb.npy'), *rest)
        bad(1, ['too long'], name, 'x' * 5000, *rest)
        bad(1, ['too long'], name, 'x' * 300 + '.npy', *rest)
        other = os.path.join(folder, 'points.txt')
        shutil.copy(path, other)
        bad(1, ['points.txt'], name, other, *rest)
        for size in (0, 5, 9, 60, 128):
            with open(path, 'rb') as file:
                start = file.read(size)
            cut = os.path.join(folder, 'cut.npy')
            with open(cut, 'wb') as file:
                file.write(start)
            bad(1, ['cut.npy'], name, cut, *rest)
    with open(os.path.join(folder, 'short.npy'), 'wb') as file, open(path, 'rb') as whole:
        file.write(whole.read()[:-8])
    bad(1, ['short.npy'], 'kmeans', os.path.join(folder, 'short.npy'), '-k', 3)


def data_of_the_wrong_kind_is_refused(folder):
    path = os.path.join(folder, 'a.npy')
    write_npy(path, '<f8', (100,), bytes(800))
    bad(1, ['1 dimension', '2-d'], 'kmeans', path, '-k', 3)
    write_npy(path, '<f8', (10, 5, 2), bytes(800))
    bad(1, ['3 dimensions'], 'kmeans', path, '-k', 3)
    for descr, size, word in (('<U4', 16, ''), ('|S4', 4, ''), ('<f2', 2, 'float16'), ('<M8[s]', 8, ''), ('|O', 8, '')):
        write_npy(path, descr, (10, 2), bytes(20 * size))
        bad(1, ['a.npy', word], 'kmeans', path, '-k', 3)
    write_npy(path, '<c16', (10, 2), bytes(320))
    bad(1, ['complex128', 'real'], 'kmeans', path, '-k', 3)
    write_npy(path, '<f8', (0, 2), b'')
    bad(1, ['0 rows'], 'kmeans', path, '-k', 3)
    write_npy(path, '<f8', (10, 0), b'')
    bad(1, ['a.npy', 'no columns'], 'kmeans', path, '-k', 3)


def nan_is_named_by_row_and_column(folder):
    path = os.path.join(folder, 'a.npy')
    three_groups(path, nan_at=217)
    for memory in ([], ['--memory', '0']):
        ran = sabal('kmeans', path, '-k', 3, '--json', *memory)
        lines = [line for line in ran.stderr.decode().splitlines() if 'note: ' not in line]
        assert ran.returncode == 1 and len(lines) == 1 and ran.stdout == b'', ran
        assert '217' in lines[0] and '1' in lines[0] and re.search('nan', lines[0], re.I), lines


def more_clusters_than_rows_are_refused(folder):
    path = os.path.join(folder, 'a.npy')
    three_groups(path, rows=6)
    bad(1, ['7 clusters', '6 rows', '-k'], 'kmeans', path, '-k', 7)
    good('kmeans', path, '-k', 6, '--json')


def bad_hdf5_is_refused(folder):
    path = odd(folder)
    text = bad(1, ['points'], 'kmeans', path + ':/pionts', '-k', 3)
    assert '/pionts' in text
    bad(1, ['1 dimension'], 'kmeans', path + ':/line', '-k', 3)
    bad(1, ['names'], 'kmeans', path + ':/names', '-k', 3)
    with open(path, 'rb') as file:
        content = file.read()
    for size in (0, 100, len(content) // 2, len(content) - 100):
        cut = os.path.join(folder, 'cut.h5')
        with open(cut, 'wb') as file:
            file.write(content[:size])
        bad(1, ['cut.h5'], 'kmeans', cut + ':/points', '-k', 3)


def outputs_are_looked_at_before_the_work(folder):
    path = os.path.join(folder, 'a.npy')
    three_groups(path)
    for option, ending in (('--labels', '.npy'), ('--centers', '.npy'), ('--plot', '.png')):
        k = ['kmeans', path, '-k', 3, option]
        bad(1, ['no folder', 'mkdir'], *k, os.path.join(folder, 'none', 'x' + ending))
        os.makedirs(os.path.join(folder, 'dir' + ending), exist_ok=True)
        bad(1, ['directory'], *k, os.path.join(folder, 'dir' + ending))
    bad(1, ['input itself'], 'kmeans', path, '-k', 3, '--labels', path)
    os.symlink(path, os.path.join(folder, 'b.npy'))
    bad(1, ['input itself'], 'kmeans', path, '-k', 3, '--centers', os.path.join(folder, 'b.npy'))
    os.link(path, os.path.join(folder, 'c.npy'))
    bad(1, ['input itself'], 'kmeans', path, '-k', 3, '--centers', os.path.join(folder, 'c.npy'))
    os.symlink('nowhere', os.path.join(folder, 'd.npy'))
    bad(1, ['link to nothing'], 'make-blobs', os.path.join(folder, 'd.npy'))
    os.mkfifo(os.path.join(folder, 'e.npy'))
    bad(1, ['ordinary'], 'make-blobs', os.path.join(folder, 'e.npy'))
    assert os.path.getsize(path) == 300 * 16 + 128


def two_outputs_in_one_place_are_refused_however_they_are_named(folder):
    path, o, other = (os.path.join(folder, n) for n in ('a.npy', 'o.h5', 'other'))
    three_groups(path)
    os.symlink('.', other)
    pairs = [(f'{folder}/l.npy', f'{folder}/./l.npy'), (f'{folder}/l.npy', f'{other}/l.npy'),
             (f'{folder}/l.npy', os.path.relpath(f'{folder}/l.npy'))]
    if has('hdf5'):
        pairs += [(o, o), (o, o + ':/c'), (o + ':/c', o), (o + ':c', o + ':/c'), (o + ':/g/c', o + ':g//c/'),
                  (o + ':/c', o + ':./c'), (o + ':/g', o + ':/g/c'), (o + ':/g/c', o + ':/g'),
                  (o + ':c', f'{other}/o.h5:c')]
    for labels, centers in pairs:
        bad(2, ['one place'], 'kmeans', path, '-k', 3, '--labels', labels, '--centers', centers)
        bad(2, ['points go'], 'make-blobs', labels, '--labels', centers)
    assert sorted(os.listdir(folder)) == ['a.npy', 'other']
    write_npy(f'{folder}/l.npy', '<f8', (1, 1), bytes(8))  # two names of one file
    os.link(f'{folder}/l.npy', f'{folder}/m.npy')
    bad(2, ['one place'], 'kmeans', path, '-k', 3, '--labels', f'{folder}/l.npy', '--centers', f'{folder}/m.npy')
    bad(1, ['first centres'], 'kmeans', path, '--init', f'{folder}/l.npy', '--centers', f'{folder}/m.npy')
    if has('hdf5'):
        good('kmeans', path, '-k', 3, '--labels', o + ':/g/l', '--centers', o + ':g/lc')
        found = one_object(good('info', o, '--json'))['arrays']
        assert sorted((a['name'], a['shape'][0]) for a in found) == [('/g/l', 300), ('/g/lc', 3)]


def a_data_set_that_is_there_is_told_before_the_work(folder):
    needs('hdf5')
    path, o = os.path.join(folder, 'a.npy'), os.path.join(folder, 'o.h5')
    good('make-blobs', o + ':/g/old', '--samples', 10)
    three_groups(path, nan_at=217)  # the work would end with a word on that
    for name in ('/g/old', 'g/old', 'g//old/'):
        bad(1, ['o.h5', "'/g/old'", 'already'], 'kmeans', path, '-k', 3, '--labels', f'{o}:{name}')
    bad(1, ['o.h5', "'/g/old'"], 'kmeans', path, '-k', 3, '--labels', o + ':/g/old/new')
    bad(1, ['o.h5', "'/g'"], 'kmeans', path, '-k', 3, '--labels', o + ':/g')
    for name in ('', '/', '//', '.'):
        bad(1, ['o.h5', 'no data set'], 'kmeans', path, '-k', 3, '--labels', f'{o}:{name}')
    with open(os.path.join(folder, 'none.h5'), 'wb') as file:
        file.write(b'something else')
    bad(1, ['none.h5', 'HDF5'], 'kmeans', path, '-k', 3, '--labels', os.path.join(folder, 'none.h5:/l'))
    assert [a['name'] for a in one_object(good('info', o, '--json'))['arrays']] == ['/g/old']


def without_permission_nothing_is_read_or_written(folder):
    path = os.path.join(folder, 'a.npy')
    three_groups(path)
    os.chmod(path, 0)
    os.chmod(folder, 0o755)
    user = {}
    if os.getuid() == 0:  # root may do anything
        user = {'user': 65534, 'group': 65534, 'extra_groups': []}
        try:
            assert sabal('version', **user).returncode == 0
        except (OSError, AssertionError) as cause:
            raise Skip(f'another user cannot run the command here: {cause}')
    bad(1, ['a.npy', 'permission'], 'kmeans', path, '-k', 3, **user)
    bad(1, ['a.npy', 'permission'], 'info', path, **user)
    os.chmod(path, 0o644)
    os.chmod(folder, 0o555)
    bad(1, ['permission'], 'make-blobs', os.path.join(folder, 'b.npy'), **user)
    bad(1, ['permission'], 'kmeans', path, '-k', 3, '--plot', os.path.join(folder, 'b.svg'), **user)
    bad(1, ['permission'], 'make-blobs', path, **user)
    os.chmod(folder, 0o755)


def a_full_disk_leaves_nothing_behind(folder):
    data = os.path.join(folder, 'data.npy')
    good('make-blobs', data, '--samples', '1e6')
    disk = os.path.join(folder, 'disk')
    os.mkdir(disk)
    unshare = ['unshare', '-m'] if os.getuid() == 0 else ['unshare', '-rm']
    calls = [f'make-blobs {disk}/x.npy --samples 1e6', f'kmeans {data} -k 3 --json --labels {disk}/x.npy']
    if has('hdf5'):
        calls.append(f'make-blobs {disk}/x.h5 --samples 1e6')
    if has('plot'):
        calls.append(f'kmeans {data} -k 3 --json --plot {disk}/x.png')
    for call in calls:
        size = '64k' if '--plot' in call else '1m'
        script = (f'mount -t tmpfs -o size={size} none {disk} || exit 77\n'
                  f'{SABAL} {call} >/dev/null; st=$?; ls -A {disk}; exit $st')
        ran = subprocess.run(unshare + ['sh', '-c', script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANGS)
        text = ran.stderr.decode()
        if ran.returncode == 77 or 'unshare' in text:
            raise Skip(f'no small disk can be made here: {text.strip()}')
        assert ran.returncode == 1 and text.count('\n') == 1, (call, ran)
        assert text.startswith('sabal: ') and re.search('space|full', text) and 'x.' in text, (call, text)
        assert ran.stdout == b'', (call, ran.stdout)


def results_are_printed_even_if_one_cannot_be_written(folder):
    """Covered for its exit status above; here: the object is there all the same, and so are the other outputs."""
    path, link = os.path.join(folder, 'a.npy'), os.path.join(folder, 'full')
    three_groups(path)
    os.mkdir(link)
    unshare = ['unshare', '-m'] if os.getuid() == 0 else ['unshare', '-rm']
    script = (f'mount -t tmpfs -o size=4k,nr_inodes=1 none {link} || exit 77\n'
              f'exec {SABAL} kmeans {path} -k 3 --json --centers {link}/c.npy')
    ran = subprocess.run(unshare + ['sh', '-c', script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANGS)
    if ran.returncode == 77 or b'unshare' in ran.stderr:
        raise Skip(f'no small disk can be made here: {ran.stderr.decode().strip()}')
    assert ran.returncode == 1 and ran.stderr.count(b'\n') == 1, ran
    assert one_object(ran.stdout.decode())['rows'] == 300
    others = [f'--labels {folder}/l.npy'] + ([f'--plot {folder}/p.svg'] if has('plot') else [])
    ran = subprocess.run(unshare + ['sh', '-c', script.replace('--json', ' '.join(others))], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=HANGS)
    text = ran.stdout.decode()
    assert ran.returncode == 1 and ran.stderr.count(b'\n') == 1 and b'c.npy' in ran.stderr, ran
    assert read_npy(f'{folder}/l.npy')[0] == (300,) and f'labels      {folder}/l.npy' in text, text
    assert 'c.npy' not in text and ('p.svg' in text) == has('plot') == os.path.exists(f'{folder}/p.svg'), text
    ran = subprocess.run(unshare + ['sh', '-c', script + f' --labels {link}/l.npy'], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=HANGS)
    assert ran.returncode == 1 and ran.stderr.count(b'\n') == 2, ran  # a line each


def a_full_stdout_is_told(folder):
    path = os.path.join(folder, 'a.npy')
    three_groups(path)
    for args in (['kmeans', path, '-k', 3], ['kmeans', path, '-k', 3, '--json'], ['info', path], ['version'], ['help']):
        with open('/dev/full', 'wb') as full:
            bad(1, ['space'], *args, stdout=full)


def a_reader_that_goes_away_is_met_quietly(folder):
    path, labels = os.path.join(folder, 'a.npy'), os.path.join(folder, 'l.npy')
    three_groups(path)
    for args in (['kmeans', path, '-k', 3, '--labels', labels], ['info', path], ['help']):
        reader, writer = os.pipe()
        os.close(reader)
        ran = sabal(*args, stdout=writer)
        os.close(writer)
        assert ran.stderr == b'' and ran.returncode != 0, ran
    assert read_npy(labels)[0] == (300,)


# --- the terminal, and ^C --------------------------------------------------------------------------------------

def a_bar_is_drawn_on_a_terminal_only(folder):
    path = os.path.join(folder, 'a.npy')
    good('make-blobs', path, '--samples', 200000, '--features', 20, '--centers', 40, '--std', 5)
    long = ['kmeans', path, '-k', 40, '--tol', '0', '--n-init', '200', '--json']
    reader, writer = pty.openpty()
    process = start(*long, stderr=writer)
    os.close(writer)
    seen = b''
    while b'%' not in seen:
        seen += os.read(reader, 4096)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=HANGS)
    try:
        while True:
            more = os.read(reader, 4096)
            if not more:
                break
            seen += more
    except OSError:  # the terminal's end
        pass
    os.close(reader)
    assert b'\x1b[K' in seen and (b'pass' in seen or b'seeding' in seen or b'run' in seen), seen
    assert seen.endswith(b'\r\x1b[K'), seen  # the line is clean again
    process = start(*long)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=HANGS)[1] == b''


def interrupted_make_blobs_leaves_nothing(folder):
    names = ['x.npy'] + (['x.h5', 'x.h5:/d'] if has('hdf5') else [])
    for name in names:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = start('make-blobs', os.path.join(folder, name), '--samples', '4e7')
            wait_for(lambda: os.listdir(folder), process)
            process.send_signal(kind)
            _, text = process.communicate(timeout=HANGS)
            assert process.returncode == -kind and text == b'', (process.returncode, text)
            assert os.listdir(folder) == [], os.listdir(folder)


def interrupted_kmeans_leaves_nothing(folder):
    data, out = os.path.join(folder, 'a.npy'), os.path.join(folder, 'out')
    good('make-blobs', data, '--samples', 300000, '--features', 8, '--std', 5)
    os.mkdir(out)
    args = ['kmeans', data, '-k', 50, '--tol', '0', '--n-init', '500', '--labels', os.path.join(out, 'l.npy'),
            '--centers', os.path.join(out, 'c.npy'), '--plot', os.path.join(out, 'p.svg')]
    if not has('plot'):
        args = args[:-2]
    for kind, more in ((signal.SIGINT, []), (signal.SIGTERM, ['--memory', '0'])):
        process = start(*args, *more)
        time.sleep(1)
        process.send_signal(kind)
        printed, text = process.communicate(timeout=HANGS)
        assert process.returncode == -kind, (process.returncode, text)
        assert printed == b'' and b'sabal: note' in text + b'sabal: note', (printed, text)
        assert os.listdir(out) == [], os.listdir(out)


def an_old_output_survives_an_interrupt(folder):
    path = os.path.join(folder, 'x.npy')
    three_groups(path)
    with open(path, 'rb') as file:
        before = file.read()
    process = start('make-blobs', path, '--samples', '4e7')
    wait_for(lambda: len(os.listdir(folder)) > 1, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=HANGS)
    with open(path, 'rb') as file:
        assert file.read() == before
    assert os.listdir(folder) == ['x.npy']


def nohup_is_respected(folder):
    ran = subprocess.run(['sh', '-c', f'trap "" INT; {SABAL} make-blobs {folder}/x.npy --samples 2e6 & p=$!; '
                          'kill -INT $p; wait $p'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANGS)
    assert ran.returncode == 0 and os.listdir(folder) == ['x.npy'], ran


run_tests(list(globals().values()))
