"""Elements chosen by conditions and places: select, choose, compress, nonzero, insert, delete.

Where the shape of a result depends on values (nonzero and its like) the condition is computed at once; the elements stay lazy.
"""
from __future__ import annotations

import operator

import numpy as np

from ._core import Node, asnode, common
from ._elementwise import UFUNCS, deliver
from ._functions import where
from ._manipulation import _axis, broadcast_arrays, broadcast_to, concatenate, ravel, reshape, take


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
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    conditions = [asnode(c) for c in condlist]
    if any(c.dtype != bool for c in conditions):
        raise TypeError("invalid entry in condlist: should be boolean ndarray")
    *choices, result = common((*choicelist, default))
    for condition, choice in zip(reversed(conditions), reversed(choices)):
        result = where(condition, choice, result)
    return result


def piecewise(x, condlist, funclist, *args, **kw):
    """Functions (or numbers) applied where their conditions hold; a later condition wins, one more function is for the rest.

    >>> import tessera as ts
    >>> x = ts.arange(-2, 3)
    >>> ts.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v]).compute()
    array([2, 1, 0, 1, 2])
    """
    x = asnode(x)
    conditions = [asnode(c).astype(bool) for c in (condlist if isinstance(condlist, (list, tuple)) else [condlist])]
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise ValueError(f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected")
    value = lambda f: (f(x, *args, **kw) if callable(f) else asnode(f)).astype(x.dtype)  # noqa: E731
    result = value(funclist[-1]) if len(funclist) > len(conditions) else asnode(np.zeros((), x.dtype), x._s)
    for condition, function in zip(conditions, funclist):
        result = where(condition, value(function), result)
    return broadcast_to(result, x.shape)


def choose(a, choices, out=None, mode="raise"):
    """For each element the choice of that number.

    >>> import tessera as ts
    >>> ts.choose([0, 1, 0], [[1, 2, 3], [10, 20, 30]]).compute()
    array([ 1, 20,  3])
    """
    a, choices = asnode(a), common(tuple(choices))
    n = len(choices)
    if mode == "raise" and a.size and not ((a >= 0) & (a < n)).all():
        raise ValueError("invalid entry in choice array")
    a = a % n if mode == "wrap" else UFUNCS["minimum"](UFUNCS["maximum"](a, 0), n - 1) if mode == "clip" else a
    result = choices[-1]
    for number in range(n - 2, -1, -1):
        result = where(a == number, choices[number], result)
    return deliver(broadcast_to(result, np.broadcast_shapes(a.shape, result.shape)), out)


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


def delete(arr, obj, axis=None):
    """The array without these places along an axis.

    >>> import tessera as ts
    >>> ts.delete(ts.arange(5), [1, 3]).compute()
    array([0, 2, 4])
    """
    arr, axis = (ravel(arr), 0) if axis is None else (asnode(arr), axis)
    axis = _axis(arr, axis)
    return take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


def insert(arr, obj, values, axis=None):
    """The array with values put before these places along an axis.

    >>> import tessera as ts
    >>> ts.insert([1, 2, 3], 1, [10, 20]).compute()
    array([ 1, 10, 20,  2,  3])
    """
    arr, axis = (ravel(arr), 0) if axis is None else (asnode(arr), axis)
    axis = _axis(arr, axis)
    length = arr.shape[axis]
    values = asnode(values, arr._s).astype(arr.dtype)
    single = not isinstance(obj, slice) and np.ndim(obj) == 0
    if single and values.ndim > 1:  # as NumPy: the first axis of the values runs along `axis`
        from ._manipulation import moveaxis

        values = moveaxis(values, 0, axis)
    # NumPy itself finds out where what goes, on numbers that stand for the elements: -1, -2, ... are the values.
    n = values.shape[axis - arr.ndim] if values.ndim >= arr.ndim - axis and values.ndim else 1
    places = np.arange(*obj.indices(length)) if isinstance(obj, slice) else np.atleast_1d(np.asarray(obj))
    count = n if single else int(places.sum()) if places.dtype == bool else places.size
    order = np.insert(np.arange(length), operator.index(obj) if single else obj, -1 - np.arange(count))
    shape = arr.shape[:axis] + (count,) + arr.shape[axis + 1:]
    joined = concatenate([arr, broadcast_to(values, shape)], axis)
    return take(joined, np.where(order < 0, length - 1 - order, order), axis)


def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """Whether each element is among the test elements, which are taken one by one: for short lists.

    >>> import tessera as ts
    >>> ts.isin([1, 2, 3], [3, 1]).compute()
    array([ True, False,  True])
    """
    element, tests = asnode(element), np.unique(np.asarray(test_elements))
    result = asnode(np.zeros(element.shape, bool)) if not tests.size else None
    for value in tests:
        hit = element == value
        result = hit if result is None else result | hit
    return ~result if invert else result


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
