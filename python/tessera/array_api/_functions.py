"""The standard's functions of whole arrays, in the standard's spelling."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import _core, _functions, _grids, _places, _reductions, _selection
from .._creation import arange as _arange
from .._creation import eye as _eye
from .._creation import full as _full
from .._creation import linspace as _linspace
from ._object import Array, check_device, wrap

__all__ = ("all any arange argmax argmin argsort astype broadcast_arrays broadcast_shapes broadcast_to concat count_nonzero cumulative_prod "
           "cumulative_sum diff empty empty_like expand_dims eye flip full full_like isin linspace matmul matrix_transpose max mean meshgrid min "
           "moveaxis nonzero ones ones_like permute_dims prod repeat reshape roll searchsorted sort squeeze stack std sum take take_along_axis "
           "tensordot tile tril triu unique_all unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like").split()


# ---- Creation ---------------------------------------------------------------------------------------------------------------


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    check_device(device)
    return wrap(_arange(start, stop, step, dtype))


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    check_device(device)
    if isinstance(start, complex) or isinstance(stop, complex) or (dtype is not None and np.dtype(dtype).kind == "c"):
        real = _linspace(0.0, 1.0, num, endpoint)
        return wrap((start + real * (complex(stop) - start)).astype(dtype or np.complex128))
    return wrap(_linspace(float(start), float(stop), num, endpoint, False, dtype))


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    check_device(device)
    return wrap(_eye(n_rows, n_cols, k, dtype or np.float64))


def full(shape, fill_value, *, dtype=None, device=None):
    check_device(device)
    return wrap(_full(shape, fill_value, dtype))


def zeros(shape, *, dtype=None, device=None):
    return full(shape, 0, dtype=dtype or np.float64, device=device)


def ones(shape, *, dtype=None, device=None):
    return full(shape, 1, dtype=dtype or np.float64, device=device)


empty = zeros


def full_like(x, /, fill_value, *, dtype=None, device=None):
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)


def zeros_like(x, /, *, dtype=None, device=None):
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x, /, *, dtype=None, device=None):
    return full_like(x, 1, dtype=dtype, device=device)


empty_like = zeros_like


def meshgrid(*arrays, indexing="xy"):
    return wrap(_grids.meshgrid(*arrays, indexing=indexing))


def tril(x, /, *, k=0):
    return wrap(_functions.tril(x, k))


def triu(x, /, *, k=0):
    return wrap(_functions.triu(x, k))


def astype(x, dtype, /, *, copy=True, device=None):
    check_device(device)
    return wrap(x.copy() if copy and x.dtype == dtype else x.astype(dtype) if x.dtype != dtype else x)


# ---- Shapes -----------------------------------------------------------------------------------------------------------------


def broadcast_arrays(*arrays):
    return wrap(_functions.broadcast_arrays(*arrays))


def broadcast_shapes(*shapes):
    return np.broadcast_shapes(*shapes)


def broadcast_to(x, /, shape):
    return wrap(_functions.broadcast_to(x, shape))


def concat(arrays, /, *, axis=0):
    return wrap(_functions.concatenate(arrays, axis))


def expand_dims(x, /, axis=0):
    return wrap(_functions.expand_dims(x, axis))


def flip(x, /, *, axis=None):
    return wrap(_functions.flip(x, axis))


def moveaxis(x, source, destination, /):
    return wrap(_functions.moveaxis(x, source, destination))


def permute_dims(x, /, axes):
    return wrap(_functions.transpose(x, axes))


def matrix_transpose(x, /):
    return wrap(_functions.matrix_transpose(x))


def repeat(x, repeats, /, *, axis=None):
    return wrap(_functions.repeat(x, repeats, axis))


def reshape(x, /, shape, *, copy=None):
    return wrap(_functions.reshape(x, shape))


def roll(x, /, shift, *, axis=None):
    return wrap(_functions.roll(x, shift, axis))


def squeeze(x, /, axis=None):
    return wrap(_functions.squeeze(x, axis))


def stack(arrays, /, *, axis=0):
    return wrap(_functions.stack(arrays, axis))


def tile(x, repetitions, /):
    return wrap(_functions.tile(x, repetitions))


def unstack(x, /, *, axis=0):
    return wrap(_functions.unstack(x, axis=axis))


# ---- Searching and sorting --------------------------------------------------------------------------------------------------


def argmax(x, /, *, axis=None, keepdims=False):
    return wrap(_functions.argmax(x, axis, keepdims=keepdims))


def argmin(x, /, *, axis=None, keepdims=False):
    return wrap(_functions.argmin(x, axis, keepdims=keepdims))


def count_nonzero(x, /, *, axis=None, keepdims=False):
    return wrap(_functions.count_nonzero(x, axis, keepdims=keepdims))


def where(condition, x1, x2, /):
    return wrap(_functions.where(condition, x1, x2))


def isin(x1, x2, /, *, invert=False):
    return wrap(_selection.isin(x1, x2, invert=invert))


def take(x, indices, /, *, axis=None):
    if axis is None and x.ndim != 1:
        raise ValueError("axis= is needed for more than one dimension")
    return wrap(_functions.take(x, indices, 0 if axis is None else axis))


def _from_values(*values):
    """NumPy arrays, which were computed here, as arrays."""
    made = tuple(wrap(_core.from_numpy(np.asarray(value))) for value in values)
    return made if len(made) > 1 else made[0]


def take_along_axis(x, indices, /, *, axis=-1):
    return wrap(_places.take_along_axis(x, indices, axis))


def nonzero(x, /):
    if x.ndim == 0:
        raise ValueError("nonzero is not defined for arrays without dimensions")
    return tuple(wrap(index) for index in _selection.nonzero(x))


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    return wrap(_functions.searchsorted(x1, x2, side, sorter))


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    values = np.asarray(x)
    if not descending:
        return _from_values(np.argsort(values, axis, stable=True))
    # Sorted backwards, and the order turned round: equal elements keep theirs.
    order = np.flip(np.argsort(np.flip(values, axis), axis, stable=True), axis)
    return _from_values(values.shape[axis] - 1 - order)


def sort(x, /, *, axis=-1, descending=False, stable=True):
    values = np.sort(np.asarray(x), axis, stable=True)
    return _from_values(np.flip(values, axis) if descending else values)


class UniqueAll(NamedTuple):
    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    values: Array
    inverse_indices: Array


def unique_all(x, /):
    return UniqueAll(*_from_values(*np.unique_all(np.asarray(x))))


def unique_counts(x, /):
    return UniqueCounts(*_from_values(*np.unique_counts(np.asarray(x))))


def unique_inverse(x, /):
    return UniqueInverse(*_from_values(*np.unique_inverse(np.asarray(x))))


def unique_values(x, /):
    return _from_values(np.unique(np.asarray(x), equal_nan=False))


# ---- Statistics -------------------------------------------------------------------------------------------------------------


def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    return wrap(_reductions.sum(x, axis, dtype, None, keepdims))


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    return wrap(_reductions.prod(x, axis, dtype, None, keepdims))


def mean(x, /, *, axis=None, keepdims=False):
    return wrap(_reductions.mean(x, axis, None, None, keepdims))


def var(x, /, *, axis=None, correction=0.0, keepdims=False):
    return wrap(_reductions.var(x, axis, None, None, correction, keepdims))


def std(x, /, *, axis=None, correction=0.0, keepdims=False):
    return wrap(_reductions.std(x, axis, None, None, correction, keepdims))


def max(x, /, *, axis=None, keepdims=False):
    return wrap(_reductions.max(x, axis, None, keepdims))


def min(x, /, *, axis=None, keepdims=False):
    return wrap(_reductions.min(x, axis, None, keepdims))


def all(x, /, *, axis=None, keepdims=False):
    return wrap(_reductions.all(x, axis, None, keepdims))


def any(x, /, *, axis=None, keepdims=False):
    return wrap(_reductions.any(x, axis, None, keepdims))


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    return wrap(_reductions.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial))


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    return wrap(_reductions.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial))


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    extra = {name: value for name, value in (("prepend", prepend), ("append", append)) if value is not None}
    return wrap(_functions.diff(x, n, axis, **extra))


# ---- Products ---------------------------------------------------------------------------------------------------------------


def matmul(x1, x2, /):
    return wrap(_functions.matmul(x1, x2))


def tensordot(x1, x2, /, *, axes=2):
    return wrap(_functions.tensordot(x1, x2, axes))


def vecdot(x1, x2, /, *, axis=-1):
    return wrap(_functions.vecdot(x1, x2, axis=axis))
