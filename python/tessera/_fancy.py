"""Indexing with arrays of integers and with masks, as NumPy has it, and assignment.

Indices are host arrays: a lazy index or mask is computed first, because the shape of the result depends on it; the elements
themselves stay lazy.
"""
from __future__ import annotations

import numpy as np

from . import _manipulation
from ._core import Node, asnode, make
from ._indexing import basic_item
from ._lib import lib

_ALL = slice(None)


def _concrete(item) -> np.ndarray:
    """An index array on the host."""
    array = item.compute() if isinstance(item, Node) else item
    array = np.asarray(array)
    if array.size == 0 and not isinstance(item, (np.ndarray, Node)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return array


def _expand(array: Node, items: tuple) -> list:
    """The items with the ellipsis and missing axes written out, and masks as arrays of integers."""
    made, used = [], 0
    for item in items:
        if basic_item(item) is None:
            index = _concrete(item)
            if index.dtype == bool:
                used += index.ndim
                made.append(index)
                continue
            item = index
        used += item is not None and item is not Ellipsis
        made.append(item)
    if sum(item is Ellipsis for item in made) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > array.ndim:
        raise IndexError(f"too many indices for array: array is {array.ndim}-dimensional, but {used} were indexed")
    rest = [_ALL] * (array.ndim - used)
    at = next((i for i, item in enumerate(made) if item is Ellipsis), len(made))
    made[at:at + 1] = rest
    result, axis = [], 0
    for item in made:
        if isinstance(item, np.ndarray) and item.dtype == bool:
            wanted = array.shape[axis:axis + item.ndim]
            if item.shape != wanted:
                raise IndexError(f"boolean index of shape {item.shape} did not match the indexed array of shape {array.shape} along axis {axis}")
            result += list(item.nonzero())
            axis += item.ndim
        else:
            result.append(item)
            axis += item is not None
    return result


def _is_array(item) -> bool:
    return isinstance(item, np.ndarray) and item.ndim > 0


def _is_scalar_mask(item) -> bool:
    return isinstance(item, (bool, np.bool_)) or (isinstance(item, (np.ndarray, Node)) and item.ndim == 0 and item.dtype == bool)


def _with_scalar_masks(array: Node, items: tuple) -> tuple[Node, tuple]:
    """x[True] and x[False] pick all or nothing along a new axis."""
    made, axis = [], 0
    for position, item in enumerate(items):
        if _is_scalar_mask(item):
            array = _manipulation.expand_dims(array, axis)
            item = np.zeros(int(item), np.int64)
        elif item is Ellipsis:
            axis += array.ndim - sum(i is not None and i is not Ellipsis for i in items[position:]) - axis
            made.append(item)
            continue
        axis += 0 if item is None else getattr(item, "ndim", 1) if getattr(item, "dtype", None) == bool else 1
        made.append(item)
    return array, tuple(made)


def getitem(array: Node, items: tuple) -> Node:
    """array[items], where at least one item is an array."""
    if any(_is_scalar_mask(item) for item in items):
        array, items = _with_scalar_masks(array, items)
    if len(items) == 1 and isinstance(items[0], Node) and items[0].dtype == bool and items[0].shape == array.shape and array.ndim:
        flat = np.flatnonzero(np.asarray(items[0].compute()))
        return _manipulation.take(_manipulation.ravel(array), flat, 0)
    expanded = _expand(array, items)
    # The slices and new axes first; along axes with arrays everything is kept.
    first = array[tuple(_ALL if isinstance(item, np.ndarray) or isinstance(item, (int, np.integer)) else item for item in expanded)]
    advanced = [(axis, np.asarray(item, np.int64)) for axis, item in enumerate(expanded) if isinstance(item, (np.ndarray, int, np.integer))]
    arrays = [index for _, index in advanced]
    if sum(_is_array(index) for index in arrays) == 1 and all(index.ndim <= 1 for index in arrays) and _adjacent(advanced):
        return _one_by_one(first, advanced)
    return _pointwise(first, advanced)


def _adjacent(advanced: list) -> bool:
    axes = [axis for axis, _ in advanced]
    return axes == list(range(axes[0], axes[0] + len(axes)))


def _one_by_one(array: Node, advanced: list) -> Node:
    """One list among integers: each goes its own way, the last axis first so that the others keep their numbers."""
    for axis, index in reversed(advanced):
        array = _manipulation.take(array, index, axis) if index.ndim else array[(_ALL,) * axis + (int(index),)]
    return array


def _orthogonal(indices: list) -> bool:
    """Whether each array varies along a dimension of its own (np.ix_): then the axes are independent."""
    varying = [[d for d, n in enumerate(index.shape) if n != 1] for index in indices]
    return all(len(v) == 1 for v in varying) and [v[0] for v in varying] == list(range(len(indices))) and indices[0].ndim == len(indices)


def _pointwise(array: Node, advanced: list) -> Node:
    """Several arrays that broadcast: NumPy's rule for where the new dimensions go."""
    axes, indices = [axis for axis, _ in advanced], [index for _, index in advanced]
    lengths = [array.shape[axis] for axis in axes]
    for index, length in zip(indices, lengths):
        if index.size and (index.min() < -length or index.max() >= length):
            bad = index.max() if index.max() >= length else index.min()
            raise IndexError(f"index {bad} is out of bounds for axis with size {length}")
    if _adjacent(advanced) and _orthogonal(indices):
        for axis, index in advanced:
            array = _manipulation.take(array, index.ravel(), axis)
        return array
    try:
        shape = np.broadcast_shapes(*(index.shape for index in indices))
    except ValueError:
        raise IndexError("shape mismatch: indexing arrays could not be broadcast together with shapes "
                         + " ".join(str(index.shape) for index in indices)) from None
    flat = np.zeros(shape, np.int64)
    for index, length in zip(indices, lengths):
        flat = flat * length + index % max(length, 1)
    front = _manipulation.moveaxis(array, axes, range(len(axes)))
    rest = front.shape[len(axes):]
    merged = _manipulation.reshape(front, (int(np.prod(lengths, dtype=np.int64)), *rest))
    taken = _manipulation.reshape(_manipulation.take(merged, flat.ravel(), 0), (*shape, *rest))
    if not _adjacent(advanced) or axes[0] == 0:
        return taken
    return _manipulation.moveaxis(taken, range(len(shape)), range(axes[0], axes[0] + len(shape)))


# ---- Assignment -------------------------------------------------------------------------------------------------------------


def setitem(array: Node, key, value) -> Node:
    """The array that `array[key] = value` leaves behind."""
    from ._functions import where

    items = key if isinstance(key, tuple) else (key,)
    if any(_is_scalar_mask(item) for item in items):
        return _scatter(array, items, asnode(value, array._s))
    value = asnode(value, array._s)
    value = value if value.dtype == array.dtype else make(lib.tsr_astype(value._p, lib.tsr_dtype_of(array._p)), array._s)
    if len(items) == 1 and isinstance(items[0], Node) and items[0].dtype == bool and items[0].shape == array.shape and value.size == 1:
        return where(items[0], _manipulation.reshape(value, ()), array)
    expanded = _expand(array, items)
    if not _by_axis(expanded):
        return _scatter(array, items, value)
    region, masks, sources = [], [], []
    for axis, (item, length) in enumerate(zip(expanded, array.shape)):
        number = isinstance(item, (int, np.integer)) or (isinstance(item, np.ndarray) and item.ndim == 0)
        if number and not -length <= item < length:
            raise IndexError(f"index {int(item)} is out of bounds for axis {axis} with size {length}")
        picked = np.arange(length)[item]
        region.append(None if number else picked.size)
        mask, source = np.zeros(length, bool), np.zeros(length, np.int64)
        mask[picked], source[picked] = True, 0 if number else np.arange(picked.size)
        masks.append(mask)
        sources.append(source)
    return _put(array, value, region, masks, sources)


def _by_axis(items: list) -> bool:
    """Whether the axes are independent, and come in the region in the array's own order."""
    advanced = [axis for axis, item in enumerate(items) if isinstance(item, (np.ndarray, int, np.integer))]
    lists = [items[axis] for axis in advanced if _is_array(items[axis])]
    if None in [item for item in items if not isinstance(item, np.ndarray)] or len(lists) > 1 or any(index.ndim > 1 for index in lists):
        return False
    return not lists or advanced == list(range(advanced[0], advanced[0] + len(advanced)))


def _put(array: Node, value: Node, region: list, masks: list, sources: list) -> Node:
    """`value`, which fills the region, moved to where the masks hold along every axis."""
    from ._functions import where

    shape = tuple(n for n in region if n is not None)
    value = _manipulation.reshape(value, value.shape[max(value.ndim - len(shape), 0):]) if value.size == 1 else value
    try:
        value = _manipulation.broadcast_to(value, shape)
    except ValueError:
        raise ValueError(f"could not broadcast input array from shape {value.shape} into shape {shape}") from None
    if 0 in shape or array.size == 0:
        return array
    value = _manipulation.reshape(value, tuple(1 if n is None else n for n in region))
    mask = None
    for axis, (here, source) in enumerate(zip(masks, sources)):
        value = _manipulation.take(value, source, axis)
        if not here.all():
            part = asnode(here.reshape([-1 if d == axis else 1 for d in range(array.ndim)]), array._s)
            mask = part if mask is None else mask & part
    return value if mask is None else where(mask, value, array)


def _scatter(array: Node, items: tuple, value: Node) -> Node:
    """Any other key: every element of the array learns which element of the value it gets."""
    value = value if value.dtype == array.dtype else make(lib.tsr_astype(value._p, lib.tsr_dtype_of(array._p)), array._s)
    key = tuple(_concrete(item) if basic_item(item) is None else item for item in items)
    places = np.arange(array.size).reshape(array.shape)[key]
    try:
        value = _manipulation.broadcast_to(value, places.shape)
    except ValueError:
        raise ValueError(f"shape mismatch: value array of shape {value.shape} could not be broadcast to indexing result of shape {places.shape}") from None
    mask, source = np.zeros(array.size, bool), np.zeros(array.size, np.int64)
    mask[places.ravel()], source[places.ravel()] = True, np.arange(places.size)
    flat = _put(_manipulation.ravel(array), _manipulation.ravel(value), [places.size], [mask], [source])
    return _manipulation.reshape(flat, array.shape)
