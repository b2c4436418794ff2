"""Reductions, running sums, order statistics and histograms, with NumPy's signatures.

`split_every=`, which Dask has, is accepted where it can stand and means nothing here: the library chooses how it adds up.
"""
from __future__ import annotations

import builtins
import operator

import numpy as np

from ._core import Node, asnode, make, mask_of
from ._creation import full_like
from ._elementwise import UFUNCS, deliver
from ._lib import dtype_code, ffi, lib

_UNSET = np._NoValue
# What leaves a reduction as it is, and the function that combines two of its results.
_NEUTRAL = {"sum": 0, "nansum": 0, "prod": 1, "nanprod": 1, "any": False, "all": True, "count_nonzero": 0}
_COMBINE = {"sum": "add", "nansum": "add", "prod": "multiply", "nanprod": "multiply", "min": "minimum", "max": "maximum", "nanmin": "fmin",
            "nanmax": "fmax"}
_UFUNCS_REDUCE = ("sum", "prod", "min", "max", "any", "all", "nansum", "nanprod", "ptp", "argmin", "argmax", "nanmin", "nanmax", "nanmean", "nanvar", "nanstd", "nanargmin",
                  "nanargmax", "count_nonzero")

_MOMENTS = {"mean", "var", "std", "nanmean", "nanvar", "nanstd"}


def axes_of(axis):
    """axis=None, an int or a tuple as (n_axes, axes)."""
    if axis is None:
        return 0, ffi.NULL
    try:
        return 1, [operator.index(axis)]
    except TypeError:
        axes = [operator.index(a) for a in axis]
        return len(axes), axes or ffi.new("int[1]")


def cast(array: Node, dtype) -> Node:
    """The array in this dtype; None leaves it."""
    return array if dtype is None or array.dtype == dtype else make(lib.tsr_astype(array._p, dtype_code(dtype)), array._s)


def _masked(name: str, array: Node, where, initial) -> Node:
    """The array with values that do not count where the mask does not hold."""
    value = _NEUTRAL.get(name, initial)
    if value is _UNSET:
        raise ValueError(f"reduction operation '{name}' does not have an identity, so to use a where mask one has to specify 'initial'")
    mask, other = mask_of(where, array._s), asnode(np.asarray(value).astype(array.dtype), array._s)
    return make(lib.tsr_where(mask._p, array._p, other._p), array._s)


def _reduce(name, a, axis, dtype=None, out=None, keepdims=False, initial=_UNSET, where=_UNSET, ddof=None):
    a = cast(asnode(a), dtype)
    mask = None
    if where is not _UNSET and where is not True:
        if name in _MOMENTS:
            mask = mask_of(where, a._s)
        else:
            a = _masked(name, a, where, initial)
    if a.ndim == 0 and name in _UFUNCS_REDUCE and not isinstance(axis, tuple) and axis in (0, -1):
        if name not in ("nanmean", "nanvar", "nanstd") or np.dtype(a.dtype).kind in "fc":  # NumPy lets this pass; the others are its mean, var, std
            axis = None
    function, extra = getattr(lib, "tsr_" + name), () if ddof is None else (ddof,)
    if initial is not _UNSET and initial is not None and a.size == 0 and name not in _NEUTRAL:
        # Without elements there is only the initial value: one element of it stands for them.
        a = asnode(np.full([n or 1 for n in a.shape], initial, a.dtype), a._s)
    n_axes, axes = axes_of(axis)
    if axis is not None and n_axes == 0:  # axis=(): each element by itself
        a, n_axes, axes, keepdims = make(lib.tsr_expand_dims(a._p, 1, [a.ndim]), a._s), 1, [-1], False
    keepdims = bool(keepdims and keepdims is not _UNSET)
    if mask is None:
        result = make(function(a._p, n_axes, axes, keepdims, *extra), a._s)
    else:
        result = make(lib.tsr_reduce_where(name.encode(), a._p, mask._p, n_axes, axes, keepdims, ddof or 0), a._s)
    result = cast(result, dtype)
    if initial is not _UNSET and initial is not None:
        result = cast(UFUNCS[_COMBINE[name]](result, initial), result.dtype)
    return deliver(result, out)


def sum(a, axis=None, dtype=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Sum over axes. Integers and bool give 64 bits; float32 is accumulated in float64.

    >>> import tessera as ts
    >>> ts.sum([[1, 2], [3, 4]], axis=0).compute()
    array([4, 6])
    """
    return _reduce("sum", a, axis, dtype, out, keepdims, initial, where)


def prod(a, axis=None, dtype=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Product over axes.

    >>> import tessera as ts
    >>> ts.prod([2, 3, 4]).compute()
    np.int64(24)
    """
    return _reduce("prod", a, axis, dtype, out, keepdims, initial, where)


def nansum(a, axis=None, dtype=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Sum over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nansum([1.0, float('nan'), 2.0]).compute()
    np.float64(3.0)
    """
    return _reduce("nansum", a, axis, dtype, out, keepdims, initial, where)


def nanprod(a, axis=None, dtype=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Product over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanprod([3.0, float('nan'), 2.0]).compute()
    np.float64(6.0)
    """
    return _reduce("nanprod", a, axis, dtype, out, keepdims, initial, where)


def min(a, axis=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Least element over axes; NaN if there is one.

    >>> import tessera as ts
    >>> ts.min([[3, 1], [2, 5]], axis=1).compute()
    array([1, 2])
    """
    return _reduce("min", a, axis, None, out, keepdims, initial, where)


def max(a, axis=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Greatest element over axes; NaN if there is one.

    >>> import tessera as ts
    >>> ts.max([3, 1, 2]).compute()
    np.int64(3)
    """
    return _reduce("max", a, axis, None, out, keepdims, initial, where)


def nanmin(a, axis=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Least element over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanmin([3.0, float('nan'), 2.0]).compute()
    np.float64(2.0)
    """
    return _reduce("nanmin", a, axis, None, out, keepdims, initial, where)


def nanmax(a, axis=None, out=None, keepdims=_UNSET, initial=_UNSET, where=_UNSET, *, split_every=None):
    """Greatest element over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanmax([3.0, float('nan'), 2.0]).compute()
    np.float64(3.0)
    """
    return _reduce("nanmax", a, axis, None, out, keepdims, initial, where)


def any(a, axis=None, out=None, keepdims=_UNSET, *, where=_UNSET, split_every=None):
    """Whether any element over axes is true.

    >>> import tessera as ts
    >>> ts.any([0, 1]).compute()
    np.True_
    """
    return _reduce("any", a, axis, None, out, keepdims, where=where)


def all(a, axis=None, out=None, keepdims=_UNSET, *, where=_UNSET, split_every=None):
    """Whether all elements over axes are true.

    >>> import tessera as ts
    >>> ts.all([0, 1]).compute()
    np.False_
    """
    return _reduce("all", a, axis, None, out, keepdims, where=where)


def ptp(a, axis=None, out=None, keepdims=_UNSET):
    """Greatest minus least element over axes.

    >>> import tessera as ts
    >>> ts.ptp([3, 8, 5]).compute()
    np.int64(5)
    """
    return _reduce("ptp", a, axis, None, out, keepdims)


def count_nonzero(a, axis=None, *, keepdims=False):
    """How many elements over axes are not zero.

    >>> import tessera as ts
    >>> ts.count_nonzero([0, 7, 0, 2]).compute()
    np.int64(2)
    """
    return _reduce("count_nonzero", a, axis, None, None, keepdims)


def mean(a, axis=None, dtype=None, out=None, keepdims=_UNSET, *, where=_UNSET, split_every=None):
    """Arithmetic mean over axes.

    >>> import tessera as ts
    >>> ts.mean([[1.0, 2.0], [3.0, 4.0]], axis=0).compute()
    array([2., 3.])
    """
    return _reduce("mean", a, axis, dtype, out, keepdims, where=where)


def nanmean(a, axis=None, dtype=None, out=None, keepdims=_UNSET, *, where=_UNSET, split_every=None):
    """Arithmetic mean over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanmean([1.0, float('nan'), 3.0]).compute()
    np.float64(2.0)
    """
    return _reduce("nanmean", a, axis, dtype, out, keepdims, where=where)


def _ddof(ddof, correction):
    """Either of the two names."""
    if correction is _UNSET:
        return ddof
    if ddof != 0:
        raise ValueError("ddof and correction can't be provided simultaneously.")
    return correction


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=_UNSET, *, where=_UNSET, correction=_UNSET, split_every=None):
    """Variance over axes; the divisor is n - ddof.

    >>> import tessera as ts
    >>> ts.var([1, 2, 3, 4]).compute()
    np.float64(1.25)
    """
    return _reduce("var", a, axis, dtype, out, keepdims, where=where, ddof=_ddof(ddof, correction))


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=_UNSET, *, where=_UNSET, correction=_UNSET, split_every=None):
    """Standard deviation over axes; the divisor is n - ddof.

    >>> import tessera as ts
    >>> ts.std([1, 3]).compute()
    np.float64(1.0)
    """
    return _reduce("std", a, axis, dtype, out, keepdims, where=where, ddof=_ddof(ddof, correction))


def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=_UNSET, *, where=_UNSET, correction=_UNSET, split_every=None):
    """Variance over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanvar([1.0, float('nan'), 3.0]).compute()
    np.float64(1.0)
    """
    return _reduce("nanvar", a, axis, dtype, out, keepdims, where=where, ddof=_ddof(ddof, correction))


def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=_UNSET, *, where=_UNSET, correction=_UNSET, split_every=None):
    """Standard deviation over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanstd([1.0, float('nan'), 3.0]).compute()
    np.float64(1.0)
    """
    return _reduce("nanstd", a, axis, dtype, out, keepdims, where=where, ddof=_ddof(ddof, correction))


def _one_axis(axis):
    return None if axis is None else operator.index(axis)


def argmin(a, axis=None, out=None, *, keepdims=False, split_every=None):
    """Index of the least element along an axis, or in the flattened array.

    >>> import tessera as ts
    >>> ts.argmin([3, 1, 2]).compute()
    np.int64(1)
    """
    return _reduce("argmin", a, _one_axis(axis), None, out, keepdims)


def argmax(a, axis=None, out=None, *, keepdims=False, split_every=None):
    """Index of the greatest element along an axis, or in the flattened array.

    >>> import tessera as ts
    >>> ts.argmax([[3, 1], [2, 4]], axis=0).compute()
    array([0, 1])
    """
    return _reduce("argmax", a, _one_axis(axis), None, out, keepdims)


def nanargmin(a, axis=None, out=None, *, keepdims=False, split_every=None):
    """argmin, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanargmin([float('nan'), 1.0]).compute()
    np.int64(1)
    """
    return _reduce("nanargmin", a, _one_axis(axis), None, out, keepdims)


def nanargmax(a, axis=None, out=None, *, keepdims=False, split_every=None):
    """argmax, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanargmax([float('nan'), 1.0]).compute()
    np.int64(1)
    """
    return _reduce("nanargmax", a, _one_axis(axis), None, out, keepdims)


def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Median over axes, which are brought into one chunk.

    >>> import tessera as ts
    >>> ts.median([3.0, 1.0, 2.0]).compute()
    np.float64(2.0)
    """
    return _reduce("median", a, axis, None, out, keepdims)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Median over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanmedian([3.0, float('nan'), 2.0]).compute()
    np.float64(2.5)
    """
    return _reduce("nanmedian", a, axis, None, out, keepdims)


_METHODS = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased",
            "lower", "higher", "midpoint", "nearest")


# Methods whose results NumPy makes of integers alone where q is an array of integers.
_WHOLE = ("averaged_inverted_cdf", "interpolated_inverted_cdf", "weibull")


def _quantile(a, q, axis, out, keepdims, method, weights, skip_nan, percent=False):
    a, plain = asnode(a), type(q) in (int, float)
    q = np.true_divide(np.asarray(q), 100) if percent else np.asarray(q)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError("Percentiles must be in the range [0, 100]" if percent else "Quantiles must be in the range [0, 1]")
    if weights is not None and method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    if method not in _METHODS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {', '.join(_METHODS)}")
    if q.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    dtype = None
    if q.dtype.kind in "biu" and a.size:  # 0 and 1: the least and the greatest element
        if a.dtype.kind in "iu" and method in _WHOLE and not plain:
            method, dtype = "lower", np.result_type(a.dtype, q.dtype)
        method = "lower" if method == "linear" else method
    chosen = ffi.new("char[]", method.encode())
    options = ffi.new("tsr_quantile_options *", {"method": chosen, "skip_nan": skip_nan, "wide": not plain and np.result_type(q.dtype, np.float32) == np.float64})
    if weights is not None:
        weights = asnode(weights, a._s)
        options.weights = weights._p
    flat = q.ravel()
    result = cast(make(lib.tsr_quantile_by(a._p, flat.size, list(map(float, flat)), *axes_of(axis), bool(keepdims), options), a._s), dtype)
    shape = q.shape + result.shape[1:]
    return deliver(make(lib.tsr_reshape(result._p, len(shape), shape), a._s), out)


def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Quantiles (between 0 and 1) over axes, by any of NumPy's methods; the axis of q comes first. Weights go with "inverted_cdf".

    >>> import tessera as ts
    >>> ts.quantile([1.0, 2.0, 3.0], [0.25, 0.5]).compute()
    array([1.5, 2. ])
    >>> ts.quantile([1, 2, 3], 0.25, method="lower").compute()
    np.int64(1)
    """
    return _quantile(a, q, axis, out, keepdims, method, weights, False)


def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Quantiles over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanquantile([1.0, float('nan'), 3.0], 0.5).compute()
    np.float64(2.0)
    """
    return _quantile(a, q, axis, out, keepdims, method, weights, True)


def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Percentiles (between 0 and 100) over axes.

    >>> import tessera as ts
    >>> ts.percentile([1.0, 2.0, 3.0], 50).compute()
    np.float64(2.0)
    """
    return _quantile(a, q, axis, out, keepdims, method, weights, False, True)


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Percentiles over axes, leaving out NaN.

    >>> import tessera as ts
    >>> ts.nanpercentile([1.0, float('nan'), 3.0], 50).compute()
    np.float64(2.0)
    """
    return _quantile(a, q, axis, out, keepdims, method, weights, True, True)


def _scan(name, a, axis, dtype, out):
    a = asnode(a)
    if dtype is None and a.dtype.kind in "biu" and a.dtype.itemsize < 8:
        dtype = np.uint64 if a.dtype.kind == "u" else np.int64
    a = cast(a, dtype)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):  # of numbers NumPy lets these axes pass
        a, axis = make(lib.tsr_ravel(a._p), a._s), 0
    return deliver(cast(make(getattr(lib, "tsr_" + name)(a._p, operator.index(axis)), a._s), dtype), out)


def cumsum(a, axis=None, dtype=None, out=None, *, method=None):
    """Running sum along an axis, or of the flattened array.

    >>> import tessera as ts
    >>> ts.cumsum([1, 2, 3]).compute()
    array([1, 3, 6])
    """
    return _scan("cumsum", a, axis, dtype, out)


def cumprod(a, axis=None, dtype=None, out=None, *, method=None):
    """Running product along an axis, or of the flattened array.

    >>> import tessera as ts
    >>> ts.cumprod([1, 2, 3]).compute()
    array([1, 2, 6])
    """
    return _scan("cumprod", a, axis, dtype, out)


def _cumulative(function, x, axis, dtype, out, include_initial):
    x = cast(asnode(x), dtype)
    if x.ndim == 0:
        x = make(lib.tsr_reshape(x._p, 1, [1]), x._s)
    if axis is None:
        if x.ndim >= 2:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    return deliver(cast(make(function(x._p, operator.index(axis), include_initial), x._s), dtype), out)


def cumulative_sum(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """Running sum along an axis, with include_initial from 0 on.

    >>> import tessera as ts
    >>> ts.cumulative_sum([1, 2, 3], include_initial=True).compute()
    array([0, 1, 3, 6])
    """
    return _cumulative(lib.tsr_cumulative_sum, x, axis, dtype, out, include_initial)


def cumulative_prod(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """Running product along an axis, with include_initial from 1 on.

    >>> import tessera as ts
    >>> ts.cumulative_prod([1, 2, 3]).compute()
    array([1, 2, 6])
    """
    return _cumulative(lib.tsr_cumulative_prod, x, axis, dtype, out, include_initial)


def cummax(a, axis=0, dtype=None, out=None):
    """The greatest element so far along an axis: numpy.maximum.accumulate.

    >>> import tessera as ts
    >>> ts.cummax([3, 1, 4, 1]).compute()
    array([3, 3, 4, 4])
    """
    a = cast(asnode(a), dtype)
    return deliver(make(lib.tsr_cummax(a._p, axis), a._s), out)


def cummin(a, axis=0, dtype=None, out=None):
    """The least element so far along an axis: numpy.minimum.accumulate.

    >>> import tessera as ts
    >>> ts.cummin([3, 1, 4, 1]).compute()
    array([3, 1, 1, 1])
    """
    a = cast(asnode(a), dtype)
    return deliver(make(lib.tsr_cummin(a._p, axis), a._s), out)


def push(array, n=None, axis=-1):
    """The last element before that is not NaN in the place of NaN, along an axis and at most n places on.

    >>> import tessera as ts
    >>> nan = float("nan")
    >>> ts.push([1.0, nan, nan, 4.0], n=1).compute()
    array([ 1.,  1., nan,  4.])
    """
    array = asnode(array)
    if n is not None and n < 0:
        raise ValueError(f"push: n is {n}, it must not be negative")
    return make(lib.tsr_push(array._p, -1 if n is None else n, axis), array._s)


def moment(a, order, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
    """Central moment of this order: the mean of (a - mean)**order; the divisor is n - ddof.

    >>> import tessera as ts
    >>> ts.moment([1.0, 2.0, 6.0], 3).compute()
    np.float64(6.0)
    """
    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError("Order must be an integer >= 0")
    a = cast(asnode(a), dtype)
    return deliver(cast(make(lib.tsr_moment(a._p, order, *axes_of(axis), keepdims, ddof), a._s), dtype), out)


def nancumsum(a, axis=None, dtype=None, out=None, *, method=None):
    """Running sum, NaN counting as zero.

    >>> import tessera as ts
    >>> ts.nancumsum([1.0, float('nan'), 3.0]).compute()
    array([1., 1., 4.])
    """
    return _scan("nancumsum", a, axis, dtype, out)


def nancumprod(a, axis=None, dtype=None, out=None, *, method=None):
    """Running product, NaN counting as one.

    >>> import tessera as ts
    >>> ts.nancumprod([2.0, float('nan'), 3.0]).compute()
    array([2., 2., 6.])
    """
    return _scan("nancumprod", a, axis, dtype, out)


def average(a, axis=None, weights=None, returned=False, *, keepdims=_UNSET):
    """Weighted mean over axes; with `returned` also the sum of the weights.

    >>> import tessera as ts
    >>> ts.average([1.0, 4.0], weights=[3, 1]).compute()
    np.float64(1.75)
    """
    a, keepdims = asnode(a), bool(keepdims and keepdims is not _UNSET)
    if weights is None:
        result = _reduce("mean", a, axis, keepdims=keepdims)
        scale = full_like(result, a.size / (result.size or 1), result.dtype) if returned else None
    else:
        weights = asnode(weights, a._s)
        if axis is None and weights.shape != a.shape:
            raise TypeError(f"Axis must be specified when shapes of a and weights differ: {a.shape} and {weights.shape}.")
        result = make(lib.tsr_average(a._p, weights._p, *axes_of(axis), keepdims), a._s)
        scale = _weight_sum(a, weights, axis, keepdims, result) if returned else None
    return (result, scale) if returned else result


def _weight_sum(a, weights, axis, keepdims, result):
    if weights.shape != a.shape:  # the weights run along the one axis that is reduced
        total = _reduce("sum", weights, None)
        return cast(make(lib.tsr_broadcast_to(total._p, result.ndim, result.shape), a._s), result.dtype)
    return cast(_reduce("sum", weights, axis, keepdims=keepdims), result.dtype)


_ESTIMATORS = ("stone", "auto", "doane", "fd", "rice", "scott", "sqrt", "sturges")


def _bins(a, bins, range):
    """A tsr_bins, and what must stay alive beside it."""
    made = ffi.new("tsr_bins *")
    if a.dtype.kind == "c":
        raise TypeError("histogram: there are no bins of complex numbers")
    if np.ndim(bins):
        edges = np.ascontiguousarray(bins, np.float64)
        if edges.ndim != 1 or (np.diff(edges) < 0).any():
            raise ValueError("`bins` must increase monotonically, when an array")
        kept = ffi.from_buffer("double[]", edges)
        made.n, made.edges = len(edges) - 1, kept
        return made, kept
    if not isinstance(bins, str):
        made.n = operator.index(bins)
        if made.n < 1:
            raise ValueError("`bins` must be positive, when an integer")
    elif bins not in _ESTIMATORS:
        raise ValueError(f"{bins!r} is not a valid estimator for `bins`")
    if range is None:
        both = _compute_range(a)
    else:
        low, high = range
        both = float(low), float(high)
    if not np.isfinite(both).all():
        raise ValueError(f"supplied range of {list(both)} is not finite" if range is not None else f"autodetected range of {list(both)} is not finite")
    if both[0] > both[1]:
        raise ValueError("max must be larger than min in range parameter.")
    made.low, made.high = both if both[0] < both[1] else (both[0] - 0.5, both[1] + 0.5)
    if isinstance(bins, str):
        n = ffi.new("int64_t *")
        a._s._run(lib.tsr_histogram_estimate, a._p, bins.encode(), made.low, made.high, n)
        made.n = n[0]
    return made, None


def _compute_range(a) -> tuple[float, float]:
    """The least and the greatest element: the one thing here that is computed at once, because the edges depend on it."""
    if a.size == 0:
        return 0.0, 1.0
    from ._functions import compute

    low, high = compute(_reduce("min", a, None), _reduce("max", a, None))
    return float(low), float(high)


def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges that `histogram` uses, as a NumPy array. The names of NumPy's estimators ("auto", "fd" ...) compute what they need.

    >>> import tessera as ts
    >>> ts.histogram_bin_edges([0, 1, 4], bins=2)
    array([0., 2., 4.])
    """
    if isinstance(bins, str) and weights is not None:
        raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
    made, kept = _bins(asnode(a), bins, range)
    edges = np.empty(made.n + 1)
    lib.tsr_histogram_edges(made, ffi.from_buffer("double[]", edges))
    del kept
    return edges


def histogram(a, bins=10, range=None, density=None, weights=None):
    """Counts of the elements by bin, lazily, and the edges, a NumPy array. Without `range` or edges the array's least and greatest
    element are computed first.

    >>> import tessera as ts
    >>> counts, edges = ts.histogram([0, 1, 2, 2], bins=2, range=(0, 2))
    >>> counts.compute(), edges
    (array([1, 3]), array([0., 1., 2.]))
    """
    a = asnode(a)
    if isinstance(bins, str) and weights is not None:
        raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
    made, kept = _bins(a, bins, range)
    if weights is None:
        counts = make(lib.tsr_histogram(a._p, made, bool(density)), a._s)
    else:
        weights = asnode(weights, a._s)
        if weights.shape != a.shape:
            raise ValueError("weights should have the same shape as a.")
        counts = make(lib.tsr_histogram_weighted(a._p, weights._p, made, bool(density)), a._s)
    edges = np.empty(made.n + 1)
    lib.tsr_histogram_edges(made, ffi.from_buffer("double[]", edges))
    del kept
    return counts, edges


def histogramdd(sample, bins=10, range=None, density=None, weights=None):
    """Counts of points by bin in several dimensions, lazily, and the edges along each, NumPy arrays. Where a dimension has neither
    edges nor a range, its least and greatest coordinates are computed first.

    >>> import tessera as ts
    >>> counts, edges = ts.histogramdd(([0, 1, 2], [0, 0, 3]), bins=(2, 3), range=((0, 2), (0, 3)))
    >>> counts.compute().tolist(), edges[1]
    ([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]], array([0., 1., 2., 3.]))
    """
    if isinstance(sample, (list, tuple)):
        samples = [asnode(s) for s in sample]
    else:
        points = asnode(sample)
        if points.ndim != 2:
            raise ValueError("the sample must be an (n, d) array, or a sequence of d arrays")
        samples = [points[:, d] for d in builtins.range(points.shape[1])]
    n = len(samples)
    if not hasattr(bins, "__len__"):
        bins = [bins] * n
    if len(bins) != n:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    if range is not None and len(range) != n:
        raise ValueError("range argument must have one entry per dimension")
    structs, edges = _axes_of_bins(samples, bins, [None] * n if range is None else range)
    session = samples[0]._s
    weights = None if weights is None else asnode(weights, session)
    counts = make(lib.tsr_histogramdd(n, [s._p for s in samples], structs, ffi.NULL if weights is None else weights._p, bool(density)), session)
    return counts, tuple(edges)


def _axes_of_bins(samples, bins, ranges):
    """tsr_bins for each of the samples, and their edges as NumPy arrays, which some of them point to."""
    parts = [_bins(*one) for one in zip(samples, bins, ranges)]
    structs, edges = ffi.new("tsr_bins[]", len(parts)), []
    for d, (made, kept) in enumerate(parts):
        edges.append(np.empty(made.n + 1))
        lib.tsr_histogram_edges(made, ffi.from_buffer("double[]", edges[-1]))
        structs[d] = made[0]
        if kept is not None:
            structs[d].edges = ffi.from_buffer("double[]", edges[-1])
    return structs, edges


def histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    """Counts of points (x, y) by bin, lazily, and the edges along x and along y, NumPy arrays.

    >>> import tessera as ts
    >>> counts, x_edges, y_edges = ts.histogram2d([0, 1, 2], [0, 0, 3], bins=2, range=((0, 2), (0, 4)))
    >>> counts.compute().tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    x, y = asnode(x), asnode(y)
    if hasattr(bins, "__len__") and len(bins) == 1:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    if not hasattr(bins, "__len__") or len(bins) != 2:  # of both
        bins = [bins, bins]
    if range is not None and len(range) != 2:
        raise ValueError("range argument must have one entry per dimension")
    structs, edges = _axes_of_bins((x, y), bins, (None, None) if range is None else range)
    weights = None if weights is None else asnode(weights, x._s)
    counts = make(lib.tsr_histogram2d(x._p, y._p, structs, structs + 1, ffi.NULL if weights is None else weights._p, bool(density)), x._s)
    return counts, *edges
