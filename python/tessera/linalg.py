"""Linear algebra with NumPy's names: norms, powers and products of matrices (`ts.linalg.norm(x, axis=0)`).

What needs a factorisation (solving, inverses, determinants, eigenvalues, singular values) is not here yet.
"""
from __future__ import annotations

import operator

import numpy as np

from ._core import asnode, make, strong
from ._elementwise import deliver
from ._lib import lib
from ._manipulation import _axis, matrix_transpose
from ._manipulation import diagonal as _diagonal
from ._products import cross as _cross
from ._products import matmul, outer, tensordot, vecdot
from ._products import trace as _trace
from ._reductions import axes_of

__all__ = ["cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "matrix_transpose", "multi_dot", "norm", "outer", "tensordot", "trace", "vecdot",
           "vector_norm"]

_MATRIX_ORDERS = {None: "fro", "fro": "fro", "f": "fro", "nuc": "nuc", 1: "1", -1: "-1", 2: "2", -2: "-2", np.inf: "inf", -np.inf: "-inf"}


def _of_vectors(x, axis, order, keepdims: bool):
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    return make(lib.tsr_vector_norm(x._p, 2.0 if order is None else float(order), *axes_of(axis), bool(keepdims)), x._s)


def _of_matrices(x, axes, order, keepdims: bool):
    if order not in _MATRIX_ORDERS:
        raise ValueError("Invalid norm order for matrices.")
    rows, columns = (_axis(x, axis) for axis in axes)
    if rows == columns:
        raise ValueError("Duplicate axes given.")
    return make(lib.tsr_matrix_norm(x._p, _MATRIX_ORDERS[order].encode(), rows, columns, bool(keepdims)), x._s)


def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of a vector or a matrix, or of those along axes.

    Parameters
    ----------
    x : array_like
        Of 1 or 2 dimensions, unless `axis` or no `ord` is given.
    ord : number, inf, -inf, "fro" or None
        Of vectors (any number): ``sum(abs(x)**ord)**(1/ord)``. Of matrices: "fro", 1, -1, inf or -inf. Default: the root of the sum of squares.
    axis : int or pair of int, optional
        An int for vectors along that axis, two for matrices.
    keepdims : bool
        Whether the axes stay, with length 1.

    Raises
    ------
    NotImplementedError
        For the matrix norms 2, -2 and "nuc", which need singular values.

    Examples
    --------
    >>> import tessera as ts
    >>> ts.linalg.norm([3.0, 4.0]).compute()
    np.float64(5.0)
    """
    x = asnode(x)
    if axis is None:
        if ord is None or x.ndim == 1:
            return _of_vectors(x, None, ord, keepdims)
        axis = tuple(range(x.ndim))
    axes = tuple(axis) if np.ndim(axis) else (operator.index(axis),)
    if len(axes) == 1:
        return _of_vectors(x, axes, ord, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    return _of_matrices(x, axes, ord, keepdims)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """The norm of vectors along axes; of all elements without.

    >>> import tessera as ts
    >>> ts.linalg.vector_norm([[3.0, 4.0], [6.0, 8.0]], axis=1).compute()
    array([ 5., 10.])
    """
    return _of_vectors(asnode(x), axis, ord, keepdims)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """The norm of matrices along the last two axes.

    >>> import tessera as ts
    >>> ts.linalg.matrix_norm([[1.0, -2.0], [3.0, 4.0]], ord=1).compute()
    np.float64(6.0)
    """
    return _of_matrices(asnode(x), (-2, -1), ord, keepdims)


def matrix_power(a, n):
    """The product of n times the same square matrix (the last two axes); n >= 0.

    >>> import tessera as ts
    >>> ts.linalg.matrix_power([[1, 1], [1, 0]], 10).compute()
    array([[89, 55],
           [55, 34]])
    """
    a = asnode(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: the last two dimensions must be square, the shape is {a.shape}")
    return make(lib.tsr_matrix_power(a._p, operator.index(n)), a._s)


def multi_dot(arrays, *, out=None):
    """The product of matrices in the order that takes the fewest multiplications; the first and the last may be vectors.

    >>> import tessera as ts
    >>> ts.linalg.multi_dot([[1, 2], [[1, 0], [0, 1]], [3, 4]]).compute()
    np.int64(11)
    """
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    nodes = strong(tuple(arrays))
    return deliver(make(lib.tsr_multi_dot(len(nodes), [node._p for node in nodes]), nodes[0]._s), out)


def cross(x1, x2, /, *, axis=-1):
    """The product of vectors of 3 components.

    >>> import tessera as ts
    >>> ts.linalg.cross([1, 0, 0], [0, 1, 0]).compute()
    array([0, 0, 1])
    """
    return _cross(x1, x2, axis=axis)


def diagonal(x, /, *, offset=0):
    """The diagonals of matrices along the last two axes.

    >>> import tessera as ts
    >>> ts.linalg.diagonal([[1, 2], [3, 4]]).compute()
    array([1, 4])
    """
    return _diagonal(x, offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """The sums of the diagonals of matrices along the last two axes.

    >>> import tessera as ts
    >>> ts.linalg.trace([[1, 2], [3, 4]]).compute()
    np.int64(5)
    """
    return _trace(x, offset, -2, -1, dtype)
