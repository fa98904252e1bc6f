"""A fit from Python through ctypes alone: the library is opened with dlopen, options are filled by their _init
call, and struct_size tells whether this file's idea of a struct is the library's. Usage: fit.py LIBSABAL.SO"""
import ctypes as c
import math
import sys

STRUCTS = {}


def struct(name, *fields):
    STRUCTS[name] = type(name, (c.Structure,), {'_fields_': list(fields)})
    return STRUCTS[name]


Error = struct('error', ('struct_size', c.c_size_t), ('status', c.c_int), ('task', c.c_char * 64),
               ('node', c.c_char * 64), ('where', c.c_char * 128), ('message', c.c_char * 512))
Blobs = struct('blobs', ('struct_size', c.c_size_t), ('where', c.c_char_p), ('n_samples', c.c_int64),
               ('n_features', c.c_int64), ('centers', c.c_int32), ('center_values', c.c_void_p),
               ('cluster_std', c.c_double), ('center_box_min', c.c_double), ('center_box_max', c.c_double),
               ('dtype', c.c_int), ('seed', c.c_uint64), ('chunk_rows', c.c_int64), ('labels', c.c_void_p))
KMeans = struct('kmeans', ('struct_size', c.c_size_t), ('where', c.c_char_p), ('n_clusters', c.c_int32),
                ('init', c.c_char_p), ('init_centers', c.c_void_p), ('n_init', c.c_int32), ('max_iter', c.c_int32),
                ('tol', c.c_double), ('seed', c.c_uint64), ('sample_weight', c.c_void_p),
                ('oversampling', c.c_double), ('init_rounds', c.c_int32), ('progress', c.c_void_p),
                ('progress_user', c.c_void_p))

sabal = c.CDLL(sys.argv[1])


def function(name, result, *arguments):
    f = getattr(sabal, 'sabal_' + name)
    f.restype, f.argtypes = result, arguments
    return f


def options(name, **values):
    """The defaults, then what is named."""
    o = STRUCTS[name]()
    function(name + '_options_init', None, c.c_void_p)(c.byref(o))
    assert o.struct_size == c.sizeof(o), f'sabal_{name}_options has {o.struct_size} bytes, not {c.sizeof(o)}'
    for field, value in values.items():
        setattr(o, field, value)
    return c.byref(o)


handle = c.c_void_p
err = Error(struct_size=c.sizeof(Error))
client = function('open_with', handle, c.c_char_p, c.c_void_p, c.c_void_p)(b'local:', c.byref(err), None)
x = function('make_blobs_with', handle, handle, c.c_void_p)(client, options('blobs', n_samples=3000))
model = function('kmeans_fit_with', handle, handle, c.c_void_p)(x, options('kmeans', n_clusters=3))
centers = handle()
status = function('compute', c.c_int, c.c_void_p, handle, c.c_void_p)(
    c.byref(centers), function('kmeans_centers', handle, handle)(model), c.byref(err))
assert status == 0, err.message.decode()
data = function('ndarray_data', c.POINTER(c.c_double), handle)(centers)
assert function('ndarray_size', c.c_int64, handle)(centers) == 6
assert all(math.isfinite(data[i]) for i in range(6))
inertia = function('kmeans_inertia', c.c_double, handle)(model)
assert 0 < inertia < 3 * 3000, inertia  # about two a row: each blob has standard deviation 1 in both features

# A mistake travels: more clusters than rows.
bad = function('kmeans_fit_with', handle, handle, c.c_void_p)(x, options('kmeans', n_clusters=3001))
error = function('kmeans_error', c.POINTER(Error), handle)(bad)
assert error and error.contents.status == 2 and b'3001' in error.contents.message, error and error.contents.message
function('close', None, handle)(client)
print(f'inertia {inertia:.6g}')
