"""x[...]: NumPy's basic indexing, and one list or array of integers."""
from __future__ import annotations

import operator

import numpy as np

from ._core import Node, make
from ._lib import failure, lib

_SLICE, _INTEGER, _NEWAXIS, _ELLIPSIS = lib.TSR_INDEX_SLICE, lib.TSR_INDEX_INTEGER, lib.TSR_INDEX_NEWAXIS, lib.TSR_INDEX_ELLIPSIS
_LEAST, _MOST = -(2**63), 2**63 - 1


def _bound(value) -> tuple[bool, int]:
    return (False, 0) if value is None else (True, min(max(operator.index(value), _LEAST), _MOST))


def basic_item(item):
    """One item of a basic index as a tsr_index, or None if it is none."""
    if type(item) is int:
        return _INTEGER, False, False, False, item
    if isinstance(item, slice):
        (has_start, start), (has_stop, stop), (has_step, step) = _bound(item.start), _bound(item.stop), _bound(item.step)
        return _SLICE, has_start, has_stop, has_step, start, stop, step
    if item is None:
        return (_NEWAXIS,)
    if item is Ellipsis:
        return (_ELLIPSIS,)
    if isinstance(item, (bool, np.bool_)) or isinstance(item, Node) or getattr(item, "ndim", 0):
        return None
    try:
        return _INTEGER, False, False, False, operator.index(item)
    except TypeError:
        return None


def getitem(array: Node, key):
    """array[key]."""
    items = key if isinstance(key, tuple) else (key,)
    basic = [basic_item(item) for item in items]
    if None in basic:
        from ._fancy import getitem as fancy_getitem

        return fancy_getitem(array, items)
    p = lib.tsr_slice(array._p, len(basic), basic)
    if not p:
        raise failure(IndexError)
    return make(p, array._s)
