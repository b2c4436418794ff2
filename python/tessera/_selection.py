"""Elements chosen by conditions and places: select, choose, compress, nonzero, insert, delete.

Where the shape of a result depends on values (nonzero and its like) the condition is computed at once; the elements stay lazy.
"""
from __future__ import annotations

import numpy as np

from ._core import asnode, common, make
from ._elementwise import UFUNCS, deliver
from ._indexing import index_item
from ._lib import lib
from ._manipulation import _axis, ravel, take


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
    """The parts along an axis for which the condition holds.

    >>> import tessera as ts
    >>> ts.compress([True, False, True], [1, 2, 3]).compute()
    array([1, 3])
    """
    a, axis = (ravel(a), 0) if axis is None else (asnode(a), axis)
    condition = np.asarray(condition, bool)
    if condition.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.flatnonzero(condition), axis, out)


def extract(condition, arr):
    """The elements for which the condition holds, in one dimension.

    >>> import tessera as ts
    >>> ts.extract([True, False], [5, 6]).compute()
    array([5])
    """
    return take(ravel(arr), np.flatnonzero(np.asarray(condition)), 0)


def nonzero(a):
    """Indices of the elements that are not zero, as NumPy arrays.

    >>> import tessera as ts
    >>> ts.nonzero([0, 3, 0, 4])
    (array([1, 3]),)
    """
    return np.nonzero(np.asarray(asnode(a) != 0))


def flatnonzero(a):
    """Flat indices of the elements that are not zero, as a NumPy array.

    >>> import tessera as ts
    >>> ts.flatnonzero([[0, 3], [0, 4]])
    array([1, 3])
    """
    return np.flatnonzero(np.asarray(asnode(a) != 0))


def argwhere(a):
    """Indices of the elements that are not zero, a row for each, as a NumPy array.

    >>> import tessera as ts
    >>> ts.argwhere([[0, 3], [0, 4]]).tolist()
    [[0, 1], [1, 1]]
    """
    return np.argwhere(np.asarray(asnode(a) != 0))


def _places(obj, length: int):
    """Places along an axis as the library takes them: an integer, a slice or an array of integers; and what must outlive the call."""
    if isinstance(obj, slice):
        return index_item(obj)
    places = np.asarray(obj)
    if places.dtype == bool:
        if places.shape != (length,):
            raise ValueError(f"boolean array argument obj must be one dimensional and match the axis length of {length}")
        places = np.flatnonzero(places)
    elif places.size == 0:
        places = places.astype(np.int64)
    if places.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return index_item(places if places.ndim else int(places))


def delete(arr, obj, axis=None):
    """The array without these places along an axis.

    >>> import tessera as ts
    >>> ts.delete(ts.arange(5), [1, 3]).compute()
    array([0, 2, 4])
    """
    arr, axis = (ravel(arr), 0) if axis is None else (asnode(arr), axis)
    item, kept = _places(obj, arr.shape[_axis(arr, axis)])
    return make(lib.tsr_delete(arr._p, item, axis), arr._s, IndexError)


def insert(arr, obj, values, axis=None):
    """The array with values put before these places along an axis.

    >>> import tessera as ts
    >>> ts.insert([1, 2, 3], 1, [10, 20]).compute()
    array([ 1, 10, 20,  2,  3])
    """
    arr, axis = (ravel(arr), 0) if axis is None else (asnode(arr), axis)
    values, (item, kept) = asnode(values, arr._s), _places(obj, arr.shape[_axis(arr, axis)])
    return make(lib.tsr_insert(arr._p, item, values._p, axis), arr._s, IndexError)


def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """Whether each element is among the test elements.

    >>> import tessera as ts
    >>> ts.isin([1, 2, 3], [3, 1]).compute()
    array([ True, False,  True])
    """
    element, tests = common((element, test_elements))
    return make(lib.tsr_isin(element._p, tests._p, invert), element._s)


def isnull(a):
    """Whether elements are NaN.

    >>> import tessera as ts
    >>> ts.isnull([1.0, float("nan")]).compute()
    array([False,  True])
    """
    a = asnode(a)
    return UFUNCS["isnan"](a) if a.dtype.kind in "fc" else UFUNCS["not_equal"](a, a)


def notnull(a):
    """Whether elements are not NaN.

    >>> import tessera as ts
    >>> ts.notnull([1.0, float("nan")]).compute()
    array([ True, False])
    """
    return ~isnull(a)
