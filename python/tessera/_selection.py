"""Elements chosen by conditions and places: select, choose, compress, nonzero, insert, delete.

Where the shape of a result depends on values (compress, nonzero and their like), it is computed when it is needed.
"""
from __future__ import annotations

import numpy as np

from ._core import Node, asnode, common, make, strong
from ._elementwise import deliver
from ._indexing import index_items
from ._lib import ffi, lib
from ._manipulation import _axis, ravel


__all__ = ["select", "piecewise", "choose", "compress", "extract", "nonzero", "flatnonzero", "argwhere", "delete", "insert", "isin", "isnull", "notnull"]


def select(condlist, choicelist, default=0):
    """For each element the choice whose condition is the first to hold.

    >>> import tessera as ts
    >>> x = ts.arange(5)
    >>> ts.select([x < 2, x > 3], [x, x * 10]).compute()
    array([ 0,  1,  0,  0, 40])
    """
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    conditions, (*choices, default) = [asnode(c) for c in condlist], common((*choicelist, default))
    return make(lib.tsr_select(len(choices), [c._p for c in conditions], [c._p for c in choices], default._p), default._s)


def piecewise(x, condlist, funclist, *args, **kw):
    """Functions (or numbers) applied where their conditions hold; a later condition wins, one more function is for the rest.

    >>> import tessera as ts
    >>> x = ts.arange(-2, 3)
    >>> ts.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v]).compute()
    array([2, 1, 0, 1, 2])
    """
    x = asnode(x)
    conditions = [asnode(c, x._s).astype(bool) for c in (condlist if isinstance(condlist, (list, tuple)) else [condlist])]
    values = [asnode(f(x, *args, **kw) if callable(f) else f, x._s) for f in funclist]
    return make(lib.tsr_piecewise(x._p, len(conditions), [c._p for c in conditions], len(values), [v._p for v in values]), x._s)


def choose(a, choices, out=None, mode="raise"):
    """For each element the choice of that number. A number out of range is found when the result is computed.

    >>> import tessera as ts
    >>> ts.choose([0, 1, 0], [[1, 2, 3], [10, 20, 30]]).compute()
    array([ 1, 20,  3])
    """
    a, choices = asnode(a), common(tuple(choices))
    return deliver(make(lib.tsr_choose(a._p, len(choices), [c._p for c in choices], mode.encode()), a._s), out)


def compress(condition, a, axis=None, out=None):
    """The parts along an axis for which the condition holds. How many there are is computed when it is needed.

    >>> import tessera as ts
    >>> ts.compress([True, False, True], [1, 2, 3]).compute()
    array([1, 3])
    """
    a, axis = (ravel(a), 0) if axis is None else (asnode(a), axis)
    condition = asnode(condition, a._s)
    return deliver(make(lib.tsr_compress(condition._p, a._p, axis), a._s), out)


def extract(condition, arr):
    """The elements for which the condition holds, in one dimension.

    >>> import tessera as ts
    >>> ts.extract([True, False], [5, 6]).compute()
    array([5])
    """
    arr = asnode(arr)
    condition = asnode(condition, arr._s)
    return make(lib.tsr_extract(condition._p, arr._p), arr._s, IndexError)


def nonzero(a):
    """Indices of the elements that are not zero, an array for each axis. How many there are is computed when it is needed.

    >>> import tessera as ts
    >>> [i.compute().tolist() for i in ts.nonzero([[0, 3], [0, 4]])]
    [[0, 1], [1, 1]]
    """
    a = asnode(a)
    results = ffi.new("tsr_array *[]", max(a.ndim, 1))
    a._s.check(lib.tsr_nonzero(a._p, results))
    return tuple(make(p, a._s) for p in ffi.unpack(results, a.ndim))


def flatnonzero(a):
    """Flat indices of the elements that are not zero.

    >>> import tessera as ts
    >>> ts.flatnonzero([[0, 3], [0, 4]]).compute()
    array([1, 3])
    """
    a = asnode(a)
    return make(lib.tsr_flatnonzero(a._p), a._s)


def argwhere(a):
    """Indices of the elements that are not zero, a row for each.

    >>> import tessera as ts
    >>> ts.argwhere([[0, 3], [0, 4]]).compute().tolist()
    [[0, 1], [1, 1]]
    """
    a = asnode(a)
    return make(lib.tsr_argwhere(a._p), a._s)


def _places(obj, session):
    """Places along an axis as the library takes them, and what must outlive the call."""
    if isinstance(obj, Node) and obj.ndim > 1 and obj.dtype != bool:
        obj = ravel(obj)
    if not isinstance(obj, (slice, Node)):
        obj = np.asarray(obj)
        obj = obj.ravel() if obj.ndim > 1 else obj
        obj = int(obj) if obj.ndim == 0 and obj.dtype.kind in "iub" else obj.astype(np.int64) if obj.size == 0 and obj.dtype != bool else obj
    return index_items((obj,), session)


def delete(arr, obj, axis=None):
    """The array without these places along an axis.

    >>> import tessera as ts
    >>> ts.delete(ts.arange(5), [1, 3]).compute()
    array([0, 2, 4])
    """
    arr, axis = (ravel(arr), 0) if axis is None else (asnode(arr), axis)
    item, kept = _places(obj, arr._s)
    return make(lib.tsr_delete(arr._p, item, _axis(arr, axis)), arr._s, IndexError)


def insert(arr, obj, values, axis=None):
    """The array with values put before these places along an axis.

    >>> import tessera as ts
    >>> ts.insert([1, 2, 3], 1, [10, 20]).compute()
    array([ 1, 10, 20,  2,  3])
    """
    arr, axis = (ravel(arr), 0) if axis is None else (asnode(arr), axis)
    values, (item, kept) = asnode(values, arr._s), _places(obj, arr._s)
    return make(lib.tsr_insert(arr._p, item, values._p, _axis(arr, axis)), arr._s, IndexError)


def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """Whether each element is among the test elements.

    >>> import tessera as ts
    >>> ts.isin([1, 2, 3], [3, 1]).compute()
    array([ True, False,  True])
    """
    element, tests = strong((element, test_elements))
    return make(lib.tsr_isin(element._p, tests._p, invert), element._s)


def isnull(a):
    """Whether elements are NaN.

    >>> import tessera as ts
    >>> ts.isnull([1.0, float("nan")]).compute()
    array([False,  True])
    """
    a = asnode(a)
    return make(lib.tsr_isnull(a._p), a._s)


def notnull(a):
    """Whether elements are not NaN.

    >>> import tessera as ts
    >>> ts.notnull([1.0, float("nan")]).compute()
    array([ True, False])
    """
    a = asnode(a)
    return make(lib.tsr_notnull(a._p), a._s)
