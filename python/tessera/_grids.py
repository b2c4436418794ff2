"""Coordinates and special matrices: indices, meshgrid, diag, tri and their like."""
from __future__ import annotations

import operator

import numpy as np

from . import _chunks
from ._core import asnode, is_number, make, strong
from ._creation import arange, are_plain, created, cut, ends_of, full, linspace, range_between, shape_of
from ._lib import dtype_code, ffi, lib
from ._manipulation import ravel, reshape, stack
from ._session import current


__all__ = ["indices", "meshgrid", "mgrid", "ogrid", "diag", "diagflat", "tri", "logspace", "geomspace", "bartlett", "blackman", "hamming", "hanning", "kaiser", "vander", "tril_indices", "triu_indices", "tril_indices_from", "triu_indices_from", "diag_indices"]


def _thin(vector, axis: int, ndim: int):
    """A vector along one of ndim axes."""
    return reshape(vector, [-1 if d == axis else 1 for d in range(ndim)])


def indices(dimensions, dtype=int, sparse=False, *, chunks="auto"):
    """The index of each element along each axis: shape (ndim, *dimensions), or with `sparse` a tuple that broadcasts.

    >>> import tessera as ts
    >>> ts.indices((2, 2)).compute().tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    dimensions, session = shape_of(dimensions), current()
    if sparse:
        return tuple(_thin(arange(n, dtype=dtype), axis, len(dimensions)) for axis, n in enumerate(dimensions))
    items = _chunks.parse(chunks, len(dimensions), shape=dimensions, itemsize=np.dtype(dtype).itemsize)
    p = lib.tsr_indices(session.handle(), len(dimensions), dimensions, dtype_code(dtype), _chunks.regular(items))
    return created(p, session, None if items is None else [1, *items])


def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Grids of coordinates from vectors of coordinates.

    >>> import tessera as ts
    >>> [g.shape for g in ts.meshgrid(ts.arange(2), ts.arange(3))]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    nodes = [ravel(x) if np.ndim(x) > 1 else asnode(x) for x in xi]
    if not nodes:
        return ()
    if sparse:
        order = [1, 0, *range(2, len(nodes))] if indexing == "xy" and len(nodes) > 1 else range(len(nodes))
        return tuple(_thin(x, axis, len(nodes)) for x, axis in zip(nodes, order))
    results = ffi.new("tsr_array *[]", len(nodes))
    nodes[0]._s.check(lib.tsr_meshgrid(len(nodes), [x._p for x in nodes], indexing == "ij", results))
    return tuple(make(p, nodes[0]._s) for p in results)


def _line(part: slice):
    """What one slice in mgrid[...] stands for: an imaginary step says how many numbers, the last among them."""
    if not isinstance(part, slice) or part.stop is None:
        raise TypeError(f"a grid is indexed by slices that have a stop, mgrid[0:3, 0:1:5j], not by {part!r}")
    start, step = (0 if part.start is None else part.start), (1 if part.step is None else part.step)
    if isinstance(step, (complex, np.complexfloating)):
        return linspace(start, part.stop, int(abs(step)))
    return arange(start, part.stop, step)


class Grid:
    """`ts.mgrid` and `ts.ogrid`: grids of numbers, written as slices.

    >>> import tessera as ts
    >>> ts.mgrid[0:2, 0:1:3j].compute()
    array([[[0. , 0. , 0. ],
            [1. , 1. , 1. ]],
    <BLANKLINE>
           [[0. , 0.5, 1. ],
            [0. , 0.5, 1. ]]])
    >>> [x.shape for x in ts.ogrid[0:2, 0:3]]
    [(2, 1), (1, 3)]
    """

    def __init__(self, sparse: bool) -> None:
        self._sparse = sparse

    def __repr__(self) -> str:
        return f"<tessera.{'ogrid' if self._sparse else 'mgrid'}>"

    def __getitem__(self, parts):
        if not isinstance(parts, tuple):
            return _line(parts)
        lines = [_line(part) for part in parts]
        dtype = np.result_type(*(line.dtype for line in lines)) if lines else float
        lines = [line.astype(dtype) for line in lines]
        if self._sparse:
            return meshgrid(*lines, indexing="ij", sparse=True)
        return stack(meshgrid(*lines, indexing="ij")) if lines else full((0,), 0.0)


mgrid, ogrid = Grid(sparse=False), Grid(sparse=True)


def diag(v, k=0):
    """The k-th diagonal of a matrix, or a matrix with this diagonal.

    >>> import tessera as ts
    >>> ts.diag([1, 2]).compute()
    array([[1, 0],
           [0, 2]])
    """
    v = asnode(v)
    return make(lib.tsr_diag(v._p, k), v._s)


def diagflat(v, k=0):
    """A matrix with the flattened array as its k-th diagonal.

    >>> import tessera as ts
    >>> ts.diagflat([[1, 2]]).shape
    (2, 2)
    """
    v = asnode(v)
    return make(lib.tsr_diagflat(v._p, k), v._s)


def tri(N, M=None, k=0, dtype=float, *, chunks="auto"):
    """Ones at and below the k-th diagonal.

    >>> import tessera as ts
    >>> ts.tri(2, dtype=int).compute()
    array([[1, 0],
           [1, 1]])
    """
    N, M, handle = max(N, 0), M if M is None else max(M, 0), current().handle()
    return cut(chunks, 2, lambda lengths: lib.tsr_tri(handle, N, -1 if M is None else M, k, dtype_code(dtype), lengths))


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0, *, chunks="auto"):
    """Numbers evenly spaced on a logarithmic scale, from base**start to base**stop; between arrays, which broadcast, along a new axis.

    >>> import tessera as ts
    >>> ts.logspace(0, 2, 3).compute()
    array([  1.,  10., 100.])
    """
    num = operator.index(num)
    if are_plain(start, stop, base):
        handle, code = current().handle(), dtype_code(float if dtype is None else dtype)
        return cut(chunks, 1, lambda lengths: lib.tsr_logspace(handle, start, stop, num, endpoint, base, code, lengths))
    start, stop, ends = ends_of(start, stop)
    base = asnode(np.asarray(base, np.result_type(ends, base)) if is_number(base) else base)
    dtype = np.result_type(ends, base.dtype) if dtype is None else dtype
    return range_between(lib.tsr_logspace_between, start, stop, num, dtype, chunks, bool(endpoint), base._p, axis)


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0, *, chunks="auto"):
    """Numbers from start to stop, each the same multiple of the one before; between arrays, which broadcast, along a new axis.

    >>> import tessera as ts
    >>> ts.geomspace(1, 1000, 4).compute()
    array([   1.,   10.,  100., 1000.])
    """
    num = operator.index(num)
    if are_plain(start, stop) and (dtype is None or np.dtype(dtype).kind != "c"):
        if start == 0 or stop == 0:
            raise ValueError("Geometric sequence cannot include zero")
        handle, code = current().handle(), dtype_code(float if dtype is None else dtype)
        return cut(chunks, 1, lambda lengths: lib.tsr_geomspace(handle, start, stop, num, endpoint, code, lengths))
    start, stop = strong((start, stop))
    dtype = np.result_type(start.dtype, stop.dtype, float) if dtype is None else dtype
    return range_between(lib.tsr_geomspace_between, start, stop, num, dtype, chunks, bool(endpoint), axis)


def _window(function, M, parameters: tuple, chunks):
    if M != int(M):
        raise ValueError(f"the number of points must be whole, not {M}")
    handle = current().handle()
    return cut(chunks, 1, lambda lengths: function(handle, int(M), *parameters, lengths))


def bartlett(M, *, chunks="auto"):
    """The triangular window of M numbers.

    >>> import tessera as ts
    >>> ts.bartlett(5).compute()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    return _window(lib.tsr_bartlett, M, (), chunks)


def blackman(M, *, chunks="auto"):
    """Blackman's window of M numbers: three cosines.

    >>> import tessera as ts
    >>> ts.blackman(3).compute().round(6) + 0.0
    array([0., 1., 0.])
    """
    return _window(lib.tsr_blackman, M, (), chunks)


def hamming(M, *, chunks="auto"):
    """Hamming's window of M numbers: a raised cosine.

    >>> import tessera as ts
    >>> ts.hamming(3).compute()
    array([0.08, 1.  , 0.08])
    """
    return _window(lib.tsr_hamming, M, (), chunks)


def hanning(M, *, chunks="auto"):
    """Hann's window of M numbers: a raised cosine that begins and ends with 0.

    >>> import tessera as ts
    >>> ts.hanning(5).compute().round(6)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    return _window(lib.tsr_hanning, M, (), chunks)


def kaiser(M, beta, *, chunks="auto"):
    """Kaiser's window of M numbers; beta is its shape.

    >>> import tessera as ts
    >>> ts.kaiser(3, 0.0).compute()
    array([1., 1., 1.])
    """
    return _window(lib.tsr_kaiser, M, (float(beta),), chunks)


def vander(x, N=None, increasing=False):
    """Powers of a vector as columns.

    >>> import tessera as ts
    >>> ts.vander([2, 3], 3).compute()
    array([[4, 2, 1],
           [9, 3, 1]])
    """
    x = asnode(x)
    if N is not None and N < 0:
        raise ValueError("negative dimensions are not allowed")
    return make(lib.tsr_vander(x._p, -1 if N is None else N, increasing), x._s)


def _known(n_results: int, function, *arguments) -> tuple:
    """The indices that the library's function puts into its last argument, as NumPy arrays."""
    from ._functions import compute

    session, results = current(), ffi.new("tsr_array *[]", max(n_results, 1))
    session.check(function(session.handle(), *arguments, results))
    return compute(*(make(p, session) for p in ffi.unpack(results, n_results)))


def tril_indices(n, k=0, m=None):
    """Indices of the lower triangle, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.tril_indices(2)]
    [[0, 1, 1], [0, 0, 1]]
    """
    return _known(2, lib.tsr_tril_indices, max(n, 0), k, max(n if m is None else m, 0))


def triu_indices(n, k=0, m=None):
    """Indices of the upper triangle, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.triu_indices(2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    return _known(2, lib.tsr_triu_indices, max(n, 0), k, max(n if m is None else m, 0))


def _lengths(arr) -> tuple[int, int]:
    """Rows and columns of what must be a matrix."""
    if np.ndim(arr) != 2:
        raise ValueError("input array must be 2-d")
    return np.shape(arr)


def tril_indices_from(arr, k=0):
    """Indices of the lower triangle of a matrix, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.tril_indices_from(ts.ones((2, 2)), -1)]
    [[1], [0]]
    """
    n, m = _lengths(arr)
    return tril_indices(n, k, m)


def triu_indices_from(arr, k=0):
    """Indices of the upper triangle of a matrix, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.triu_indices_from(ts.ones((2, 2)), 1)]
    [[0], [1]]
    """
    n, m = _lengths(arr)
    return triu_indices(n, k, m)


def diag_indices(n, ndim=2):
    """Indices of the main diagonal of an array whose axes are all n long, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.diag_indices(2)]
    [[0, 1], [0, 1]]
    """
    ndim = max(operator.index(ndim), 0)
    return _known(ndim, lib.tsr_diag_indices, n, ndim)
