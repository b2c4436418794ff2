"""x[...]: NumPy's basic indexing, and one list or array of integers."""
from __future__ import annotations

import operator

import numpy as np

from ._core import Node, make
from ._lib import failure, ffi, lib

_SLICE, _INTEGER, _NEWAXIS, _ELLIPSIS = lib.TSR_INDEX_SLICE, lib.TSR_INDEX_INTEGER, lib.TSR_INDEX_NEWAXIS, lib.TSR_INDEX_ELLIPSIS
_LEAST, _MOST = -(2**63), 2**63 - 1


def _bound(value) -> int:
    return min(max(operator.index(value), _LEAST), _MOST)


def basic_item(item):
    """One item of a basic index as glue_slice takes it, or None if it is none."""
    kind = type(item)
    if kind is int:
        return _INTEGER, item, 0, 0
    if kind is slice:
        start, stop, step = item.start, item.stop, item.step
        flags = (4 if start is not None else 0) + (8 if stop is not None else 0) + (16 if step is not None else 0)
        return _SLICE + flags, _bound(start) if flags & 4 else 0, _bound(stop) if flags & 8 else 0, _bound(step) if flags & 16 else 0
    if item is None:
        return _NEWAXIS, 0, 0, 0
    if item is Ellipsis:
        return _ELLIPSIS, 0, 0, 0
    if isinstance(item, (bool, np.bool_)) or isinstance(item, Node) or getattr(item, "ndim", 0):
        return None
    try:
        return _INTEGER, operator.index(item), 0, 0
    except TypeError:
        return None


def index_item(value):
    """An integer, a slice or an array of integers as tsr_index, and what must be kept while that is in use."""
    if not isinstance(value, np.ndarray):
        flags, start, stop, step = basic_item(value)
        return ffi.new("tsr_index *", [flags & 3, bool(flags & 4), bool(flags & 8), bool(flags & 16), start, stop, step]), None
    indices = np.ascontiguousarray(value, np.int64)
    shape, data = ffi.new("int64_t[]", list(indices.shape)), ffi.from_buffer("int64_t[]", indices)
    return ffi.new("tsr_index *", {"kind": lib.TSR_INDEX_ARRAY, "ndim": indices.ndim, "shape": shape, "indices": data}), (shape, data)


def getitem(array: Node, key):
    """array[key]."""
    items = key if type(key) is tuple else (key,)
    numbers: list[int] = []
    for item in items:
        basic = basic_item(item)
        if basic is None:
            from ._fancy import getitem as fancy_getitem

            return fancy_getitem(array, items)
        numbers += basic
    if len(items) > lib.GLUE_MAX_ITEMS:
        raise IndexError(f"too many indices: {len(items)}")
    try:
        p = lib.glue_slice(array._p, len(items), numbers)
    except OverflowError:
        raise IndexError("cannot fit 'int' into an index-sized integer") from None
    if not p:
        raise failure(IndexError)
    return make(p, array._s)


class Points:
    """x.vindex[i, j]: arrays of integers that broadcast, as NumPy's own indexing has them here anyway."""

    def __init__(self, array: Node) -> None:
        self._array = array

    def __getitem__(self, key):
        return getitem(self._array, key)


class Blocks:
    """x.blocks[i, j]: chunks by their numbers along each axis, as an array of these chunks.

    >>> import tessera as ts
    >>> ts.arange(6, chunks=2).blocks[1].compute()
    array([2, 3])
    """

    def __init__(self, array: Node) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.numblocks

    def __getitem__(self, key):
        keys, array = key if isinstance(key, tuple) else (key,), self._array
        if len(keys) > array.ndim:
            raise IndexError(f"too many indices: the array has {array.ndim} dimensions, {len(keys)} were given")
        for axis, (key, lengths) in enumerate(zip(keys, self._array.chunks)):
            ends = np.cumsum(lengths)
            chosen = np.atleast_1d(np.arange(len(lengths))[key])
            parts = [np.arange(ends[i] - lengths[i], ends[i]) for i in chosen]
            places = np.concatenate(parts) if parts else np.arange(0)
            whole = (slice(None),) * axis
            if places.size and (np.diff(places) == 1).all():
                array = array[(*whole, slice(int(places[0]), int(places[-1]) + 1))]
            else:
                array = array[(*whole, places)]
        return array
