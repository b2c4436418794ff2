"""Places within arrays: indices along axes and into flattened arrays; elements put over and over; what shape values have.

`put_along_axis`, `putmask` and `fill_diagonal` change the array they are given, as NumPy's do: it is another expression from then on,
arrays made from it before stay as they were.
"""
from __future__ import annotations

import operator

import numpy as np

from ._core import Node, asnode, common, make
from ._creation import shape_of
from ._elementwise import replace
from ._grids import diag_indices
from ._lib import ffi, lib
from ._manipulation import expand_dims, ravel, take
from ._reductions import axes_of

__all__ = ["take_along_axis", "put_along_axis", "ravel_multi_index", "unravel_index", "diag_indices_from", "resize", "trim_zeros", "fill_diagonal",
           "putmask", "real_if_close", "apply_over_axes", "shuffle"]


def _flat_if_none(arr: Node, indices: Node, axis):
    if axis is not None:
        return arr, operator.index(axis)
    if indices.ndim != 1:
        raise ValueError("when axis=None, `indices` must have a single dimension.")
    return ravel(arr), 0


def take_along_axis(arr, indices, axis=-1):
    """For each place the element that the index there names, along an axis. The array is brought into one chunk along that axis.

    >>> import tessera as ts
    >>> ts.take_along_axis([[10, 30, 20], [60, 40, 50]], [[0, 2], [1, 0]], axis=1).compute()
    array([[10, 20],
           [40, 60]])
    """
    arr = asnode(arr)
    indices = asnode(indices, arr._s)
    arr, axis = _flat_if_none(arr, indices, axis)
    return make(lib.tsr_take_along_axis(arr._p, indices._p, axis), arr._s, IndexError if -arr.ndim <= axis < arr.ndim else np.exceptions.AxisError)


def _changed(arr, name: str) -> Node:
    if not isinstance(arr, Node):
        raise TypeError(f"{name}: the array to change must be a tessera.Array, not {type(arr).__name__}")
    return arr


def put_along_axis(arr, indices, values, axis):
    """Puts values at the places that the indices name along an axis; of places named twice the last counts.

    >>> import tessera as ts
    >>> x = ts.asarray([[10, 30, 20], [60, 40, 50]])
    >>> ts.put_along_axis(x, [[1], [0]], 99, axis=1)
    >>> x.compute()
    array([[10, 99, 20],
           [99, 40, 50]])
    """
    target = _changed(arr, "put_along_axis")
    indices, values = asnode(indices, target._s), asnode(values, target._s)
    flat, along = _flat_if_none(target, indices, axis)
    error = IndexError if -flat.ndim <= along < flat.ndim else np.exceptions.AxisError
    result = make(lib.tsr_put_along_axis(flat._p, indices._p, values._p, along), target._s, error)
    replace(target, result.reshape(target.shape))


def _is_fortran(order: str) -> bool:
    if order not in ("C", "F"):
        raise ValueError(f"only 'C' or 'F' order is permitted, not {order!r}")
    return order == "F"


def ravel_multi_index(multi_index, dims, mode="raise", order="C"):
    """Indices along each axis of an array of shape `dims` as indices into that array flattened. `mode` (or one for each axis) says what
    happens to those out of range: "raise" raises when they are computed, "wrap", "clip".

    >>> import tessera as ts
    >>> ts.ravel_multi_index(([3, 6, 6], [4, 5, 1]), (7, 6)).compute()
    array([22, 41, 37])
    """
    dims = shape_of(dims)
    arrays = common(tuple(multi_index))
    if len(arrays) != len(dims):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(dims)}")
    modes = [mode] * len(dims) if isinstance(mode, str) else list(mode)
    if len(modes) != len(dims):
        raise ValueError(f"there are {len(modes)} modes for {len(dims)} dimensions")
    texts = [ffi.new("char[]", m.encode()) for m in modes]
    return make(lib.tsr_ravel_multi_index(len(arrays), [a._p for a in arrays], dims, texts, _is_fortran(order)), arrays[0]._s if arrays else None)


def unravel_index(indices, shape, order="C"):
    """Indices into the flattened array as indices along each axis: a tuple of arrays.

    >>> import tessera as ts
    >>> [i.compute().tolist() for i in ts.unravel_index([22, 41, 37], (7, 6))]
    [[3, 6, 6], [4, 5, 1]]
    """
    indices, shape = asnode(indices), shape_of(shape)
    results = ffi.new("tsr_array *[]", max(len(shape), 1))
    indices._s.check(lib.tsr_unravel_index(indices._p, len(shape), shape, _is_fortran(order), results))
    return tuple(make(results[d], indices._s) for d in range(len(shape)))


def diag_indices_from(arr):
    """Indices of the main diagonal of an array whose axes are equally long, as NumPy arrays.

    >>> import tessera as ts
    >>> [i.tolist() for i in ts.diag_indices_from(ts.zeros((2, 2)))]
    [[0, 1], [0, 1]]
    """
    arr = asnode(arr)
    if arr.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(arr.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(arr.shape[0], arr.ndim)


def resize(a, new_shape):
    """In another shape: the flattened elements from the first on, again and again.

    >>> import tessera as ts
    >>> ts.resize([1, 2, 3], (2, 4)).compute()
    array([[1, 2, 3, 1],
           [2, 3, 1, 2]])
    """
    a, shape = asnode(a), shape_of(new_shape)
    if any(length < 0 for length in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    return make(lib.tsr_resize(a._p, len(shape), shape), a._s)


def trim_zeros(filt, trim="fb", axis=None):
    """Without what is zero at the front ("f") and the back ("b") of the axes. The values are computed by the call.

    >>> import tessera as ts
    >>> ts.trim_zeros([0, 0, 1, 2, 0]).compute()
    array([1, 2])
    """
    filt, letters = asnode(filt), trim.lower()
    if letters not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {letters!r}")
    return make(lib.tsr_trim_zeros(filt._p, "f" in letters, "b" in letters, *axes_of(axis)), filt._s)


def fill_diagonal(a, val, wrap=False):
    """Puts values, over and over, on the main diagonal; with `wrap` a tall matrix has more than one.

    >>> import tessera as ts
    >>> x = ts.zeros((2, 2), int)
    >>> ts.fill_diagonal(x, 5)
    >>> x.compute()
    array([[5, 0],
           [0, 5]])
    """
    a = _changed(a, "fill_diagonal")
    values = asnode(val, a._s)
    replace(a, make(lib.tsr_fill_diagonal(a._p, values._p, wrap), a._s))


def putmask(a, /, mask, values):
    """Puts values[i], over and over, where the mask holds, i being the index into the flattened array.

    >>> import tessera as ts
    >>> x = ts.arange(5)
    >>> ts.putmask(x, x > 1, [-33, -44])
    >>> x.compute()
    array([  0,   1, -33, -44, -33])
    """
    a = _changed(a, "putmask")
    mask, values = asnode(mask, a._s), asnode(values, a._s)
    if not np.can_cast(values.dtype, a.dtype, "same_kind") and values.dtype.kind != "i":
        raise TypeError(f"Cannot cast array data from {values.dtype!r} to {a.dtype!r} according to the rule 'safe'")
    replace(a, make(lib.tsr_putmask(a._p, mask._p, values._p), a._s))


def real_if_close(a, tol=100):
    """The real parts, if all imaginary ones are below tol times the dtype's epsilon; they are computed by the call.

    >>> import tessera as ts
    >>> ts.real_if_close([2.5 + 1e-15j]).compute()
    array([2.5])
    """
    a = asnode(a)
    return make(lib.tsr_real_if_close(a._p, tol), a._s)


def apply_over_axes(func, a, axes):
    """Calls func(a, axis) for one axis after the other, and keeps the dimensions.

    >>> import tessera as ts
    >>> ts.apply_over_axes(ts.sum, ts.ones((2, 3, 4)), [0, 2]).compute()
    array([[[8.],
            [8.],
            [8.]]])
    """
    result = asnode(a)
    ndim = result.ndim
    for axis in [axes] if np.ndim(axes) == 0 else axes:
        axis = axis + ndim if axis < 0 else axis
        made = asnode(func(result, axis))
        made = made if made.ndim == ndim else expand_dims(made, axis)
        if made.ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
        result = made
    return result


def shuffle(x, indexer, axis, chunks="auto"):
    """The elements at these indices along an axis, in chunks that are the lists of the indexer.

    >>> import tessera as ts
    >>> ts.shuffle(ts.arange(4) * 10, [[3, 1], [0, 2]], axis=0).compute()
    array([30, 10,  0, 20])
    """
    x = asnode(x)
    lists = [list(part) for part in indexer]
    taken = take(x, [i for part in lists for i in part], axis=axis)
    return taken.rechunk({axis % x.ndim: tuple(len(part) for part in lists if part)}) if any(lists) else taken
