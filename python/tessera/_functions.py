"""The package's public functions: those of NumPy, and the few that evaluate."""
from __future__ import annotations

import numpy as np

from ._core import Node, asnode, common, make, strong
from ._dataset import Variable
from ._creation import (arange, array, asanyarray, asarray, empty, empty_like, eye, from_array, full, full_like, identity, linspace, ones,
                        ones_like, zeros, zeros_like)
from ._lib import ffi, lib
from ._manipulation import (append, array_split, atleast_1d, atleast_2d, atleast_3d, block, broadcast_arrays, broadcast_to, column_stack,
                            concat, concatenate, diagonal, diff, dsplit, dstack, expand_dims, flip, fliplr, flipud, hsplit, hstack,
                            matrix_transpose, moveaxis, pad, permute_dims, ravel, rechunk, repeat, reshape, roll, rollaxis, rot90, row_stack, split,
                            squeeze, stack, swapaxes, take, tile, transpose, tril, triu, unstack, vsplit, vstack)
from ._numeric import (bincount, convolve, corrcoef, correlate, cov, digitize, ediff1d, gradient, interp, polyval, searchsorted, trapezoid, unwrap)
from ._products import cross, dot, einsum, inner, kron, matmul, matvec, outer, tensordot, trace, vdot, vecdot, vecmat
from ._reductions import (all, any, argmax, argmin, average, count_nonzero, cummax, cummin, cumprod, cumsum, cumulative_prod, cumulative_sum, histogram, histogram2d, histogram_bin_edges, histogramdd, max, mean,
                          median, min, moment, nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean, nanmedian, nanmin, nanpercentile,
                          nanprod, nanquantile, nanstd, nansum, nanvar, percentile, prod, ptp, push, quantile, std, sum, var)
from ._elementwise import deliver

amax, amin = max, min


def _lazy_in(value, traverse: bool):
    """The arrays in a value, in order: itself, or what lists, tuples, sets and dicts hold. What is named counts as its array."""
    if isinstance(value, Node):
        yield value
    elif isinstance(value, Variable):
        yield value.data
    elif traverse and type(value) in (list, tuple, set, dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _lazy_in(inner, traverse)


def _with_results(value, results, traverse: bool, wrap=lambda variable, result: result):
    """The value with its arrays replaced by the next results; those of what is named by wrap(variable, result)."""
    if isinstance(value, Node):
        return next(results)
    if isinstance(value, Variable):
        return wrap(value, next(results))
    if traverse and type(value) is dict:
        return {key: _with_results(inner, results, traverse, wrap) for key, inner in value.items()}
    if traverse and type(value) in (list, tuple, set):
        return type(value)([_with_results(inner, results, traverse, wrap) for inner in value])
    return value


def _replaced(value, make_other):
    """A value with each of the arrays in it replaced by another."""
    results = iter([make_other(array) for array in _lazy_in(value, True)])
    return _with_results(value, results, True, Variable._like)


def compute(*arrays, traverse=True):
    """Computes several arrays together, sharing the work they have in common; what is no array of ours is passed through.

    Lists, tuples, sets and dicts may hold arrays (not with `traverse=False`): they come back with the values in their place.

    >>> import tessera as ts
    >>> x = ts.arange(5)
    >>> ts.compute(x.sum(), x.max())
    (np.int64(10), np.int64(4))
    >>> ts.compute({"least": x.min(), "all": [x, 7]})
    ({'least': np.int64(0), 'all': [array([0, 1, 2, 3, 4]), 7]},)
    """
    lazy = [a for value in arrays for a in _lazy_in(value, traverse)]
    outs = [np.empty(a.shape, a.dtype) for a in lazy]
    if lazy:
        lazy[0]._s._run(lib.tsr_compute, len(lazy), [a._p for a in lazy], [ffi.from_buffer(out) for out in outs])
    results = iter([out if out.ndim else out[()] for out in outs])
    return tuple(_with_results(value, results, traverse) for value in arrays)


def persist(*arrays, traverse=True):
    """Computes several arrays together and keeps their blocks in the session: arrays that read them. Lists, tuples, sets and dicts of
    arrays (not with `traverse=False`) come back with those in their place; what is no array of ours is passed through.

    >>> import tessera as ts
    >>> x, y = ts.persist(ts.ones(3), ts.zeros(3))
    >>> (x + y).compute()
    array([1., 1., 1.])
    """
    lazy = [a for value in arrays for a in _lazy_in(value, traverse)]
    kept = ffi.new("tsr_array *[]", len(lazy))
    if lazy:
        lazy[0]._s._run(lib.tsr_persist, len(lazy), [a._p for a in lazy], kept)
    results = iter([make(p, lazy[0]._s) for p in kept])
    return tuple(_with_results(value, results, traverse, Variable._like) for value in arrays)


def where(condition, x=None, y=None, /):
    """x where the condition is true, y elsewhere; without both, where it is: `nonzero`.

    >>> import tessera as ts
    >>> ts.where(ts.arange(4) > 1, ts.arange(4), -1).compute()
    array([-1, -1,  2,  3])
    """
    if x is None and y is None:
        from ._selection import nonzero

        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    condition = asnode(condition)
    x, y = common((x, y))
    return make(lib.tsr_where(condition._p, x._p, y._p), x._s)


def clip(a, /, a_min=None, a_max=None, out=None, *, min=None, max=None):
    """Between two bounds, either of which may be None.

    >>> import tessera as ts
    >>> ts.clip([1, 5, 9], 2, 8).compute()
    array([2, 5, 8])
    """
    from ._elementwise import UFUNCS

    low, high = a_min if min is None else min, a_max if max is None else max
    result = asnode(a)
    if low is not None:
        result = UFUNCS["maximum"](result, low)
    if high is not None:
        result = UFUNCS["minimum"](result, high)
    return deliver(result, out)


def round(a, decimals=0, out=None):
    """To so many places, halves to even.

    >>> import tessera as ts
    >>> ts.round([1.25, 2.5], 1).compute()
    array([1.2, 2.5])
    """
    a = asnode(a)
    return deliver(make(lib.tsr_round(a._p, decimals), a._s), out)


around = round


def real(val):
    """The real part.

    >>> import tessera as ts
    >>> ts.real([1 + 2j]).compute()
    array([1.])
    """
    val = asnode(val)
    return make(lib.tsr_real(val._p), val._s)


def imag(val):
    """The imaginary part.

    >>> import tessera as ts
    >>> ts.imag([1 + 2j]).compute()
    array([2.])
    """
    val = asnode(val)
    return make(lib.tsr_imag(val._p), val._s)


def angle(z, deg=False):
    """The argument of complex numbers.

    >>> import tessera as ts
    >>> ts.angle([1j], deg=True).compute()
    array([90.])
    """
    z = asnode(z)
    return make(lib.tsr_angle(z._p, bool(deg)), z._s)


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """NaN and the infinities replaced: by 0 and the dtype's largest and smallest numbers, or by those given.

    >>> import tessera as ts
    >>> ts.nan_to_num([1.0, float("nan")]).compute()
    array([1., 0.])
    """
    x = asnode(x)
    if x.dtype.kind not in "fc":
        return make(lib.tsr_nan_to_num(x._p), x._s)
    largest = float(np.finfo(x.dtype).max)
    return make(lib.tsr_nan_to_num_with(x._p, nan, largest if posinf is None else posinf, -largest if neginf is None else neginf), x._s)


def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether elements agree within a tolerance: abs(a - b) <= atol + rtol * abs(b).

    >>> import tessera as ts
    >>> ts.isclose([1.0, 1.1], 1.0).compute()
    array([ True, False])
    """
    a, b = _compared(a, b)
    return make(lib.tsr_isclose(a._p, b._p, rtol, atol, equal_nan), a._s)


def _compared(a, b):
    """Both sides of a comparison within a tolerance."""
    try:
        return common((a, b))
    except OverflowError:  # a number that is not of the array's dtype may still be compared
        return strong((a, b))


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements agree within a tolerance, as a lazy bool.

    >>> import tessera as ts
    >>> bool(ts.allclose([1.0, 2.0], [1.0, 2.0 + 1e-12]))
    True
    """
    a, b = _compared(a, b)
    return make(lib.tsr_allclose(a._p, b._p, rtol, atol, equal_nan), a._s)


def copy(a, order="K", subok=False):
    """The array itself, which never changes, as another object.

    >>> import tessera as ts
    >>> ts.copy([1, 2]).compute()
    array([1, 2])
    """
    a = asnode(a)
    return make(lib.tsr_retain(a._p), a._s)


def shape(a):
    """The shape of an array.

    >>> import tessera as ts
    >>> ts.shape([[1, 2, 3]])
    (1, 3)
    """
    return asnode(a).shape


def ndim(a):
    """The number of dimensions of an array.

    >>> import tessera as ts
    >>> ts.ndim([[1, 2, 3]])
    2
    """
    return asnode(a).ndim


def size(a, axis=None):
    """The number of elements, of the array or along an axis.

    >>> import tessera as ts
    >>> ts.size([[1, 2, 3]])
    3
    """
    a = asnode(a)
    return a.size if axis is None else a.shape[axis]


def result_type(*arrays_and_dtypes):
    """The dtype that arrays, numbers and dtypes meet in.

    >>> import tessera as ts
    >>> ts.result_type(ts.zeros(1, "f4"), 2.5)
    dtype('float32')
    """
    return np.result_type(*(v.dtype if isinstance(v, Node) else v for v in arrays_and_dtypes))


def iscomplexobj(x):
    """Whether the dtype is complex.

    >>> import tessera as ts
    >>> ts.iscomplexobj(ts.ones(1))
    False
    """
    return asnode(x).dtype.kind == "c"


def isrealobj(x):
    """Whether the dtype is not complex.

    >>> import tessera as ts
    >>> ts.isrealobj(ts.ones(1))
    True
    """
    return not iscomplexobj(x)


def array_equal(a1, a2, equal_nan=False):
    """Whether two arrays have the same shape and elements; computes.

    >>> import tessera as ts
    >>> ts.array_equal(ts.arange(3), [0, 1, 2])
    True
    """
    a1, a2 = strong((a1, a2))
    return bool(make(lib.tsr_array_equal(a1._p, a2._p, equal_nan), a1._s))


def array_equiv(a1, a2):
    """Whether two arrays have equal elements once they are broadcast together; computes.

    >>> import tessera as ts
    >>> ts.array_equiv([1, 2], [[1, 2], [1, 2]])
    True
    """
    a1, a2 = strong((a1, a2))
    return bool(make(lib.tsr_array_equiv(a1._p, a2._p), a1._s))


_HELPERS = {"Node", "asnode", "common", "make", "strong", "deliver"}
__all__ = [name for name, value in globals().items() if callable(value) and name not in _HELPERS and not name.startswith("_")]
