"""x[...] and x[...] = v: keys as the library takes them."""
from __future__ import annotations

import operator

import numpy as np

from ._core import Node, asnode, from_numpy, make, stored
from ._lib import ffi, lib

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


def _array_item(item, session):
    """An array among the items: a mask, which may be lazy, or integers, which are in memory; and what must outlive the call."""
    if isinstance(item, Node) and item.dtype != bool:
        item = item.compute()
    if isinstance(item, Node):
        return {"kind": lib.TSR_INDEX_MASK, "mask": item._p}, item
    values = np.asarray(item)
    if values.size == 0 and not isinstance(item, np.ndarray):
        values = values.astype(np.int64)
    if values.dtype == bool:
        mask = from_numpy(values, session=session)
        return {"kind": lib.TSR_INDEX_MASK, "mask": mask._p}, mask
    if values.dtype.kind not in "iu":
        raise IndexError("only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid indices")
    values = np.ascontiguousarray(values, np.int64).reshape(values.shape)
    shape, data = ffi.new("int64_t[]", list(values.shape)), ffi.from_buffer("int64_t[]", values)
    return {"kind": lib.TSR_INDEX_ARRAY, "ndim": values.ndim, "shape": shape, "indices": data}, (shape, data)


def index_items(items: tuple, session=None):
    """The items of a key as tsr_index, and what must be kept while they are in use."""
    made, kept = [], []
    for item in items:
        basic = basic_item(item)
        if basic is None:
            fields, keep = _array_item(item, session)
            made.append(fields)
            kept.append(keep)
        else:
            flags, start, stop, step = basic
            made.append([flags & 3, bool(flags & 4), bool(flags & 8), bool(flags & 16), start, stop, step])
    try:
        return ffi.new("tsr_index[]", made), kept
    except OverflowError:
        raise IndexError("cannot fit 'int' into an index-sized integer") from None


def getitem(array: Node, key):
    """array[key]."""
    items = key if type(key) is tuple else (key,)
    numbers: list[int] = []
    for item in items:
        basic = basic_item(item)
        if basic is None:
            return _select(lib.tsr_getitem, array, items)
        numbers += basic
    if len(items) > lib.GLUE_MAX_ITEMS:
        raise IndexError(f"too many indices: {len(items)}")
    try:
        p = lib.glue_slice(array._p, len(items), numbers)
    except OverflowError:
        raise IndexError("cannot fit 'int' into an index-sized integer") from None
    if not p:
        raise array._s.failure(IndexError)
    return make(p, array._s)


def _select(function, array: Node, key):
    """array[key] by one of the library's ways of indexing."""
    items = key if type(key) is tuple else (key,)
    made, kept = index_items(items, array._s)
    return make(function(array._p, len(items), made), array._s, IndexError)


def setitem(array: Node, key, value) -> Node:
    """The array that `array[key] = value` leaves behind."""
    items = key if type(key) is tuple else (key,)
    if isinstance(value, (str, bytes)) or isinstance(value, list) and value and isinstance(value[0], str):
        value = np.array(value).astype(array.dtype)  # numbers as text; NumPy's ValueError for others
    value, (made, kept) = asnode(stored(value, array.dtype), array._s), index_items(items, array._s)
    return make(lib.tsr_setitem(array._p, len(items), made, value._p), array._s, IndexError)


class Points:
    """x.vindex[i, :, j]: arrays of integers that broadcast; their dimensions come first in the result, whatever is between them.

    >>> import tessera as ts
    >>> ts.zeros((4, 5, 6)).vindex[[0, 1, 2], :, [3, 4, 5]].shape
    (3, 5)
    """

    def __init__(self, array: Node) -> None:
        self._array = array

    def __getitem__(self, key):
        return _select(lib.tsr_vindex, self._array, key)


class Outer:
    """x.oindex[i, j]: each list, mask or slice by itself along its own axis.

    >>> import tessera as ts
    >>> ts.zeros((4, 5, 6)).oindex[[0, 1, 2], :, [True, True, False, False, False, True]].shape
    (3, 5, 3)
    """

    def __init__(self, array: Node) -> None:
        self._array = array

    def __getitem__(self, key):
        return _select(lib.tsr_oindex, self._array, key)


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
        for axis, (key, n) in enumerate(zip(keys, self.shape)):
            numbers = np.atleast_1d(np.arange(n)[key]).tolist()
            array = make(lib.tsr_take_chunks(array._p, len(numbers), numbers, axis), array._s, IndexError)
        return array
