"""Arrays from nothing, from memory and from things that are read by slices."""
from __future__ import annotations

import operator

import numpy as np

from . import _chunks
from ._core import Node, asnode, common, from_numpy, is_array_like, is_number, make, stored
from ._lib import DTYPES, dense, dtype_code, ffi, lib, whole
from ._session import current


def shape_of(shape) -> tuple[int, ...]:
    """A shape from an int or a sequence of ints."""
    try:
        return (operator.index(shape),)
    except TypeError:
        return tuple(operator.index(length) for length in shape)


def lengths_of(shape) -> tuple[int, ...]:
    """The shape of a new array, whose lengths may be floats that are whole."""
    if type(shape) is int:
        return (shape,)
    return tuple(map(whole, shape)) if isinstance(shape, (tuple, list)) or np.ndim(shape) else (whole(shape),)


def created(p, session, items):
    """A new array; chunks of different lengths are applied now."""
    array = make(p, session)
    return array if _chunks.is_regular(items) else make(_chunks.rechunk(array._p, items), session)


def cut(chunks, ndim: int, create, session=None):
    """A new array: `create` makes it of the library's chunks. Where bytes stand for lengths, it says its shape and dtype first."""
    session = session or current()
    if _chunks.says_bytes(chunks):
        like = make(create(ffi.NULL), session)
        chunks = _chunks.in_bytes(chunks, like.shape, like.itemsize)
    items = _chunks.parse(chunks, ndim)
    return created(create(_chunks.regular(items)), session, items)


def _filled(value, dtype, shape, chunks):
    shape, session = lengths_of(shape), current()
    code = dtype_code(dtype)
    items = _chunks.parse(chunks, len(shape), shape=shape, itemsize=DTYPES[code].itemsize)
    return created(lib.tsr_full(session.handle(), value, code, len(shape), shape, _chunks.regular(items)), session, items)


def zeros(shape, dtype=float, *, chunks="auto"):
    """Zeros of this shape.

    >>> import tessera as ts
    >>> ts.zeros((2, 3), chunks=(1, 3)).numblocks
    (2, 1)
    """
    return _filled(lib.tsr_int(0), dtype, shape, chunks)


def ones(shape, dtype=float, *, chunks="auto"):
    """Ones of this shape.

    >>> import tessera as ts
    >>> ts.ones(3).compute()
    array([1., 1., 1.])
    """
    return _filled(lib.tsr_int(1), dtype, shape, chunks)


def empty(shape, dtype=float, *, chunks="auto"):
    """An array whose values do not matter; they are zeros here.

    >>> import tessera as ts
    >>> ts.empty((2, 2)).shape
    (2, 2)
    """
    return zeros(shape, dtype, chunks=chunks)


def full(shape, fill_value, dtype=None, *, chunks="auto"):
    """An array of one value, which broadcasts to the shape.

    >>> import tessera as ts
    >>> ts.full((2, 2), 7).compute()
    array([[7, 7],
           [7, 7]])
    """
    value = asnode(stored(fill_value, np.dtype(dtype)) if dtype is not None and type(fill_value) is int else fill_value)
    if dtype is not None:
        value = make(lib.tsr_astype(value._p, dtype_code(dtype)), value._s)
    shape = lengths_of(shape)
    array = make(lib.tsr_broadcast_to(value._p, len(shape), shape), value._s)
    return make(_chunks.rechunk(array._p, _chunks.parse(chunks, len(shape), shape=shape, itemsize=value.dtype.itemsize)), value._s)


def _like(a, dtype, chunks, shape):
    """What the *_like functions take from their argument."""
    a = asnode(a)
    same = shape is None
    return (a.shape if same else shape), (a.dtype if dtype is None else dtype), (a.chunks if chunks is None and same else chunks)


def zeros_like(a, dtype=None, order="K", subok=True, shape=None, *, chunks=None):
    """Zeros with the shape, dtype and chunks of `a`.

    >>> import tessera as ts
    >>> ts.zeros_like(ts.arange(3)).compute()
    array([0, 0, 0])
    """
    shape, dtype, chunks = _like(a, dtype, chunks, shape)
    return zeros(shape, dtype, chunks=chunks)


def ones_like(a, dtype=None, order="K", subok=True, shape=None, *, chunks=None):
    """Ones with the shape, dtype and chunks of `a`.

    >>> import tessera as ts
    >>> ts.ones_like([[1.5, 2.5]]).compute()
    array([[1., 1.]])
    """
    shape, dtype, chunks = _like(a, dtype, chunks, shape)
    return ones(shape, dtype, chunks=chunks)


def empty_like(a, dtype=None, order="K", subok=True, shape=None, *, chunks=None):
    """`empty` with the shape, dtype and chunks of `a`.

    >>> import tessera as ts
    >>> ts.empty_like(ts.ones((2, 3))).shape
    (2, 3)
    """
    return zeros_like(a, dtype, order, subok, shape, chunks=chunks)


def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, chunks=None):
    """`full` with the shape, dtype and chunks of `a`.

    >>> import tessera as ts
    >>> ts.full_like(ts.arange(3), 2).compute()
    array([2, 2, 2])
    """
    shape, dtype, chunks = _like(a, dtype, chunks, shape)
    return full(shape, fill_value, dtype, chunks="auto" if chunks is None else chunks)


def arange(start, /, stop=None, step=1, dtype=None, *, like=None, chunks="auto"):
    """start, start + step, ... before stop.

    >>> import tessera as ts
    >>> ts.arange(1, 10, 3).compute()
    array([1, 4, 7])
    """
    if stop is None:
        start, stop = 0, start
    start, stop, step = (v.item() if isinstance(v, (np.ndarray, Node)) and v.ndim == 0 else v for v in (start, stop, step))
    if step == 0:
        raise ZeroDivisionError("arange: the step is 0")
    whole = all(isinstance(v, (int, np.integer)) for v in (start, stop, step))
    dtype = np.dtype((np.int64 if whole else np.float64) if dtype is None else dtype)
    function, handle = lib.tsr_arange_int if whole else lib.tsr_arange, current().handle()
    return cut(chunks, 1, lambda lengths: function(handle, start, stop, step, dtype_code(dtype), lengths))


def are_plain(*values) -> bool:
    """Real numbers, no arrays."""
    return all(isinstance(v, (int, float, np.integer, np.floating)) for v in values)


def ends_of(start, stop):
    """Both ends as arrays, and the dtype they meet in, for integers float64; plain numbers take that of the other."""
    dtype = np.result_type(*(end if is_number(end) else asnode(end).dtype for end in (start, stop)), 0.0)
    start, stop = common(tuple(np.asarray(end, dtype) if is_number(end) else end for end in (start, stop)))
    return start, stop, dtype


def range_between(function, start, stop, num, dtype, chunks, *arguments):
    """A range between arrays, along a new axis."""
    array = make(function(start._p, stop._p, num, *arguments[:-1], dtype_code(dtype), operator.index(arguments[-1])), start._s)
    return array if isinstance(chunks, str) and chunks == "auto" else array.rechunk(chunks)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, chunks="auto"):
    """`num` evenly spaced numbers from start to stop; between arrays, which broadcast, along a new axis.

    >>> import tessera as ts
    >>> ts.linspace(0, 1, 5).compute()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    >>> ts.linspace([0, 10], [1, 20], 3).compute()
    array([[ 0. , 10. ],
           [ 0.5, 15. ],
           [ 1. , 20. ]])
    """
    num = operator.index(num)
    parts = num - 1 if endpoint else num
    if are_plain(start, stop):
        handle, code = current().handle(), dtype_code(float if dtype is None else dtype)
        array = cut(chunks, 1, lambda lengths: lib.tsr_linspace(handle, start, stop, num, endpoint, code, lengths))
        return (array, (stop - start) / parts if parts > 0 else np.nan) if retstep else array
    start, stop, both = ends_of(start, stop)
    array = range_between(lib.tsr_linspace_between, start, stop, num, both if dtype is None else dtype, chunks, bool(endpoint), axis)
    return (array, (stop - start) / (parts if parts > 0 else np.nan)) if retstep else array


def eye(N, M=None, k=0, dtype=float, *, chunks="auto"):
    """Ones on the k-th diagonal of an N x M array of zeros.

    >>> import tessera as ts
    >>> ts.eye(2, dtype=int).compute()
    array([[1, 0],
           [0, 1]])
    """
    handle = current().handle()
    return cut(chunks, 2, lambda lengths: lib.tsr_eye(handle, N, -1 if M is None else M, k, dtype_code(dtype), lengths))


def identity(n, dtype=float, *, chunks="auto"):
    """The n x n identity.

    >>> import tessera as ts
    >>> ts.identity(3).sum().compute()
    np.float64(3.0)
    """
    return eye(n, dtype=dtype, chunks=chunks)


def from_array(x, chunks="auto", name=None, lock=True, asarray=None, **ignored):
    """An array that reads `x`: a NumPy array (without a copy: do not change it afterwards), or anything with `shape`, `dtype` and
    `__getitem__`, such as a variable of h5py, zarr or netCDF4, which is read block by block when needed.

    Values that a masked array masks are NaN; TypeError where its dtype has none.

    Parameters
    ----------
    x : array_like
        What is read.
    chunks : int, str, tuple or dict
        How the array is cut: a length for all axes, or one for each (-1 or None: the whole axis; "auto"; or all lengths), or by axis. Text such as
        "16MiB" stands for lengths that make chunks of at most so many bytes.
    name, lock, asarray : optional
        Accepted for programs written for Dask. Things that are no NumPy arrays are read by one thread at a time unless lock is False.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> ts.from_array(np.arange(6), chunks=2).chunks
    ((2, 2, 2),)
    """
    if isinstance(x, Node):
        return x if chunks == "auto" else x.rechunk(chunks)
    if is_array_like(x):
        from ._source import from_slices

        return from_slices(x, chunks, lock)
    values = dense(x)
    items = _chunks.parse(chunks, values.ndim, shape=values.shape, itemsize=values.itemsize)
    array = from_numpy(values, _chunks.regular(items) if items else None)
    return array if _chunks.is_regular(items) else make(_chunks.rechunk(array._p, items), array._s)


def asarray(a, dtype=None, order=None, *, copy=None, chunks="auto", **ignored):
    """An array from an array, a number, nested lists, or what `from_array` takes.

    >>> import tessera as ts
    >>> ts.asarray([1, 2.5]).dtype
    dtype('float64')
    """
    array = from_array(a, chunks=chunks)
    return array if dtype is None else make(lib.tsr_astype(array._p, dtype_code(dtype)), array._s)


def array(object, dtype=None, *, copy=True, order=None, ndmin=0, chunks="auto", **ignored):
    """Like `asarray`, of a copy of the values where they are in memory.

    >>> import tessera as ts
    >>> ts.array([[1, 2]], ndmin=3).shape
    (1, 1, 2)
    """
    if not isinstance(object, Node) and not is_array_like(object):
        object = np.array(dense(object), dtype, copy=True, ndmin=ndmin)
    made = asarray(object, dtype, chunks=chunks)
    return made if made.ndim >= ndmin else made[(None,) * (ndmin - made.ndim)]


asanyarray = asarray
