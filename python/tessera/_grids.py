"""Coordinates and special matrices: indices, meshgrid, diag, tri and their like."""
from __future__ import annotations

import numpy as np

from ._core import asnode, common
from ._creation import arange, asarray, linspace, shape_of, zeros
from ._elementwise import UFUNCS
from ._functions import where
from ._manipulation import broadcast_arrays, broadcast_to, concatenate, diagonal, ravel, reshape, squeeze, stack


__all__ = ["indices", "meshgrid", "diag", "diagflat", "tri", "logspace", "vander", "tril_indices", "triu_indices", "tril_indices_from", "triu_indices_from"]


def indices(dimensions, dtype=int, sparse=False, *, chunks="auto"):
    """The index of each element along each axis: shape (ndim, *dimensions), or with `sparse` a tuple that broadcasts.

    >>> import tessera as ts
    >>> ts.indices((2, 2)).compute().tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    dimensions = shape_of(dimensions)
    thin = [reshape(arange(n, dtype=dtype), [-1 if d == axis else 1 for d in range(len(dimensions))]) for axis, n in enumerate(dimensions)]
    if sparse:
        return tuple(thin)
    if not thin:
        return zeros((0,), dtype)
    full = stack([broadcast_to(a, dimensions) for a in thin])
    return full if chunks == "auto" else full.rechunk((1, *chunks) if isinstance(chunks, tuple) else chunks)


def meshgrid(*xi, sparse=False, indexing="xy", **ignored):
    """Grids of coordinates from vectors of coordinates.

    >>> import tessera as ts
    >>> [g.shape for g in ts.meshgrid(ts.arange(2), ts.arange(3))]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else range(n)
    thin = [reshape(asnode(x), [-1 if d == order[i] else 1 for d in range(n)]) for i, x in enumerate(xi)]
    return tuple(thin) if sparse else broadcast_arrays(*thin)


def diag(v, k=0):
    """The k-th diagonal of a matrix, or a matrix with this diagonal.

    >>> import tessera as ts
    >>> ts.diag([1, 2]).compute()
    array([[1, 0],
           [0, 2]])
    """
    v = asnode(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = len(v) + abs(k)
    if not len(v):
        return zeros((n, n), v.dtype)
    # Row i of the matrix has v[i] (or v[i + k]) at column i + k.
    padded = concatenate([zeros(max(-k, 0), v.dtype), v, zeros(max(k, 0), v.dtype)])
    rows, columns = arange(n)[:, None], arange(n)[None, :]
    return where(columns - rows == k, padded[:, None], asarray(np.zeros((), v.dtype)))


def diagflat(v, k=0):
    """A matrix with the flattened array as its k-th diagonal.

    >>> import tessera as ts
    >>> ts.diagflat([[1, 2]]).shape
    (2, 2)
    """
    return diag(ravel(v), k)


def tri(N, M=None, k=0, dtype=float, *, chunks="auto"):
    """Ones at and below the k-th diagonal.

    >>> import tessera as ts
    >>> ts.tri(2, dtype=int).compute()
    array([[1, 0],
           [1, 1]])
    """
    made = (arange(N)[:, None] + k >= arange(N if M is None else M)[None, :]).astype(dtype)
    return made if chunks == "auto" else made.rechunk(chunks)


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, *, chunks="auto"):
    """Numbers evenly spaced on a logarithmic scale, from base**start to base**stop.

    >>> import tessera as ts
    >>> ts.logspace(0, 2, 3).compute()
    array([  1.,  10., 100.])
    """
    made = UFUNCS["power"](float(base), linspace(start, stop, num, endpoint, chunks=chunks))
    return made if dtype is None else made.astype(dtype)


def vander(x, N=None, increasing=False):
    """Powers of a vector as columns.

    >>> import tessera as ts
    >>> ts.vander([2, 3], 3).compute()
    array([[4, 2, 1],
           [9, 3, 1]])
    """
    x = asnode(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    N = len(x) if N is None else N
    powers = arange(N) if increasing else arange(N - 1, -1, -1)
    return x[:, None] ** powers[None, :]


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
