"""Products of arrays: matmul, dot, tensordot, einsum and their like."""
from __future__ import annotations

import operator
import warnings

import numpy as np

from ._core import Node, asnode, check_cast, common, is_number, make, strong
from ._elementwise import deliver, replace
from ._lib import ffi, lib
from ._reductions import cast


def _product(name: str, a, b, out=None, dtype=None):
    a, b = strong((a, b))
    a, b = cast(a, dtype), cast(b, dtype)
    return deliver(make(getattr(lib, "tsr_" + name)(a._p, b._p), a._s), out)


def _with_axes(function, name: str, inputs: list, outputs: list, x1, x2, axes, axis=None, keepdims=False):
    """function(x1, x2) with core dimensions that are not the last ones."""
    from ._gufuncs import CoreAxes

    places = CoreAxes(name, inputs, outputs, axes, axis, keepdims)
    return places.move_out(0, function(places.move_in(0, x1), places.move_in(1, x2)))


def matmul(x1, x2, /, out=None, *, dtype=None, axes=None, **ignored):
    """Matrix product over the last two axes (or those in `axes`, a list of three tuples); the others broadcast.

    >>> import tessera as ts
    >>> ts.matmul([[1, 2], [3, 4]], [1, 1]).compute()
    array([3, 7])
    """
    if axes is None:
        return _product("matmul", x1, x2, out, dtype)
    x1, x2 = common((x1, x2))
    rows, columns = ["n"] * (x1.ndim > 1), ["p"] * (x2.ndim > 1)
    return deliver(_with_axes(lambda a, b: _product("matmul", a, b, None, dtype), "matmul", [[*rows, "k"], ["k", *columns]], [rows + columns], x1, x2, axes), out)


def dot(a, b, out=None):
    """Product over the last axis of a and the second to last of b.

    >>> import tessera as ts
    >>> ts.dot([1, 2], [3, 4]).compute()
    np.int64(11)
    """
    return _product("dot", a, b, out)


def inner(a, b, /):
    """Product over the last axes.

    >>> import tessera as ts
    >>> ts.inner([[1, 2], [3, 4]], [1, 1]).compute()
    array([3, 7])
    """
    return _product("inner", a, b)


def outer(a, b, out=None):
    """Every product of an element of one and one of the other, both flattened.

    >>> import tessera as ts
    >>> ts.outer([1, 2], [3, 4]).compute()
    array([[3, 4],
           [6, 8]])
    """
    return _product("outer", a, b, out)


def vdot(a, b, /):
    """Sum of products of the flattened arrays, the first conjugated.

    >>> import tessera as ts
    >>> ts.vdot([1j, 2], [1j, 2]).compute()
    np.complex128(5+0j)
    """
    return _product("vdot", a, b)


def vecdot(x1, x2, /, out=None, *, axis=None, axes=None, keepdims=False, dtype=None, **ignored):
    """Sum of products along an axis, the first conjugated; the other axes broadcast.

    >>> import tessera as ts
    >>> ts.vecdot([[1, 2], [3, 4]], [1, 1]).compute()
    array([3, 7])
    """
    x1, x2 = (cast(x, dtype) for x in common((x1, x2)))
    if axes is None and axis is None and not keepdims:
        return deliver(make(lib.tsr_vecdot(x1._p, x2._p, -1), x1._s), out)
    product = lambda a, b: make(lib.tsr_vecdot(a._p, b._p, -1), a._s)  # noqa: E731
    return deliver(_with_axes(product, "vecdot", [["n"], ["n"]], [[]], x1, x2, axes, axis, keepdims), out)


def matvec(x1, x2, /, out=None, *, axes=None):
    """Products of matrices (the last two axes of x1) and vectors (the last axis of x2); the other axes broadcast.

    >>> import tessera as ts
    >>> ts.matvec([[1, 2], [3, 4]], [1, 1]).compute()
    array([3, 7])
    """
    product = lambda a, b: make(lib.tsr_matvec(a._p, b._p), a._s)  # noqa: E731
    return deliver(_with_axes(product, "matvec", [["m", "n"], ["n"]], [["m"]], *common((x1, x2)), axes), out)


def vecmat(x1, x2, /, out=None, *, axes=None):
    """Products of vectors (the last axis of x1, conjugated) and matrices (the last two axes of x2); the other axes broadcast.

    >>> import tessera as ts
    >>> ts.vecmat([1, 1], [[1, 2], [3, 4]]).compute()
    array([4, 6])
    """
    product = lambda a, b: make(lib.tsr_vecmat(a._p, b._p), a._s)  # noqa: E731
    return deliver(_with_axes(product, "vecmat", [["n"], ["n", "m"]], [["m"]], *common((x1, x2)), axes), out)


def kron(a, b):
    """Kronecker's product.

    >>> import tessera as ts
    >>> ts.kron([1, 10], [1, 2]).compute()
    array([ 1,  2, 10, 20])
    """
    return _product("kron", a, b)


def tensordot(a, b, axes=2, split_every=None):
    """Sum of products over axes of one with axes of the other.

    Parameters
    ----------
    axes : int or pair
        How many: the last of a with the first of b; or which: (axes of a, axes of b).

    Examples
    --------
    >>> import tessera as ts
    >>> ts.tensordot(ts.ones((2, 3, 4)), ts.ones((3, 4, 5))).shape
    (2, 5)
    """
    a, b = common((a, b))
    if np.ndim(axes) == 0 and not isinstance(axes, (tuple, list)):
        n = operator.index(axes)
        if n > a.ndim or n > b.ndim or n < 0:
            raise ValueError(f"tensordot: {n} axes of arrays of {a.ndim} and {b.ndim} dimensions")
        pair = list(range(a.ndim - n, a.ndim)), list(range(n))
    else:
        pair = tuple([operator.index(axis)] if np.ndim(axis) == 0 else [operator.index(d) for d in axis] for axis in axes)
        if len(pair) != 2 or len(pair[0]) != len(pair[1]):
            raise ValueError("tensordot: axes are an int, or two sequences of the same length")
    none = ffi.new("int[1]")
    return make(lib.tsr_tensordot(a._p, b._p, len(pair[0]), pair[0] or none, pair[1] or none), a._s)


def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """Sum of a diagonal.

    >>> import tessera as ts
    >>> ts.trace(ts.eye(3)).compute()
    np.float64(3.0)
    """
    a = cast(asnode(a), dtype)
    return deliver(cast(make(lib.tsr_trace(a._p, offset, axis1, axis2), a._s), dtype), out)


def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The vector product over axes of length 3; the others broadcast. Vectors of length 2 have the third component 0.

    >>> import tessera as ts
    >>> ts.cross([1, 2, 3], [4, 5, 6]).compute()
    array([-3,  6, -3])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (asnode(v) for v in (a, b))
    if a.ndim and b.ndim and 2 in (a.shape[axisa] if -a.ndim <= axisa < a.ndim else 3, b.shape[axisb] if -b.ndim <= axisb < b.ndim else 3):
        warnings.warn("Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors instead. (deprecated in NumPy 2.0)",
                      DeprecationWarning, stacklevel=2)
    return make(lib.tsr_cross(a._p, b._p, axisa, axisb, axisc), a._s)


def _subscripts(operands: tuple) -> tuple[str, tuple]:
    """The text and the arrays; einsum(a, [0, 1], b, [1, 2], [0, 2]) is spelt with letters."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), operands[1:]
    names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = lambda labels: "".join("..." if label is Ellipsis else names[label] for label in labels)  # noqa: E731
    arrays, labels = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    made = ",".join(map(text, labels))
    return (made + "->" + text(operands[-1]) if len(operands) % 2 else made), arrays


def einsum(*operands, out=None, optimize=False, dtype=None, order="K", casting="safe", split_every=None):
    """Einstein's summation.

    >>> import tessera as ts
    >>> ts.einsum("ij,j->i", [[1, 2], [3, 4]], [1, 10]).compute()
    array([21, 43])
    """
    text, arrays = _subscripts(operands)
    nodes = common(tuple(arrays))
    for node in nodes:
        check_cast(node.dtype, dtype, casting)
    nodes = [cast(node, dtype) for node in nodes]
    if not nodes:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    return deliver(make(lib.tsr_einsum(text.encode(), len(nodes), [n._p for n in nodes]), nodes[0]._s), out)


def operators() -> dict:
    """x @ y, also reflected and in place."""
    def other(value):  # numbers, too: matmul says why not
        return isinstance(value, (Node, np.ndarray, list, tuple)) or is_number(value)

    def __matmul__(self, value):
        return matmul(self, value) if other(value) else NotImplemented

    def __rmatmul__(self, value):
        return matmul(value, self) if other(value) else NotImplemented

    def __imatmul__(self, value):
        return replace(self, matmul(self, value)) if other(value) else NotImplemented

    return {"__matmul__": __matmul__, "__rmatmul__": __rmatmul__, "__imatmul__": __imatmul__}
