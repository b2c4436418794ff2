"""Coordinates and special matrices: indices, meshgrid, diag, tri and their like."""
from __future__ import annotations

import numpy as np

from . import _chunks
from ._core import asnode, make
from ._creation import arange, created, shape_of
from ._lib import check, dtype_code, ffi, lib
from ._manipulation import reshape
from ._session import current


__all__ = ["indices", "meshgrid", "diag", "diagflat", "tri", "logspace", "vander", "tril_indices", "triu_indices", "tril_indices_from", "triu_indices_from"]


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
    items = _chunks.parse(chunks, len(dimensions))
    p = lib.tsr_indices(session.handle(), len(dimensions), dimensions, dtype_code(dtype), _chunks.regular(items))
    return created(p, session, None if items is None else [1, *items])


def meshgrid(*xi, sparse=False, indexing="xy", **ignored):
    """Grids of coordinates from vectors of coordinates.

    >>> import tessera as ts
    >>> [g.shape for g in ts.meshgrid(ts.arange(2), ts.arange(3))]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    nodes = [asnode(x) for x in xi]
    if not nodes:
        return ()
    if sparse:
        order = [1, 0, *range(2, len(nodes))] if indexing == "xy" and len(nodes) > 1 else range(len(nodes))
        return tuple(_thin(x, axis, len(nodes)) for x, axis in zip(nodes, order))
    results = ffi.new("tsr_array *[]", len(nodes))
    check(lib.tsr_meshgrid(len(nodes), [x._p for x in nodes], indexing == "ij", results))
    return tuple(make(p, nodes[0]._s) for p in results)


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
    session, items = current(), _chunks.parse(chunks, 2)
    return created(lib.tsr_tri(session.handle(), N, -1 if M is None else M, k, dtype_code(dtype), _chunks.regular(items)), session, items)


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, *, chunks="auto"):
    """Numbers evenly spaced on a logarithmic scale, from base**start to base**stop.

    >>> import tessera as ts
    >>> ts.logspace(0, 2, 3).compute()
    array([  1.,  10., 100.])
    """
    session, items = current(), _chunks.parse(chunks, 1)
    p = lib.tsr_logspace(session.handle(), start, stop, num, endpoint, base, dtype_code(float if dtype is None else dtype), _chunks.regular(items))
    return created(p, session, items)


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


def tril_indices(n, k=0, m=None):
    """Indices of the lower triangle, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.tril_indices(2)]
    [[0, 1, 1], [0, 0, 1]]
    """
    return np.tril_indices(n, k, m)


def triu_indices(n, k=0, m=None):
    """Indices of the upper triangle, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.triu_indices(2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    return np.triu_indices(n, k, m)


def tril_indices_from(arr, k=0):
    """Indices of the lower triangle of a matrix, as NumPy arrays."""
    return np.tril_indices(arr.shape[-2], k, arr.shape[-1])


def triu_indices_from(arr, k=0):
    """Indices of the upper triangle of a matrix, as NumPy arrays."""
    return np.triu_indices(arr.shape[-2], k, arr.shape[-1])
