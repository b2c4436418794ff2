"""Looking up, counting, differences and convolutions."""
from __future__ import annotations

import math

import numpy as np

from ._core import Node, asnode, common, make, strong
from ._lib import dense, ffi, lib


def _or_null(array, session):
    """An optional array argument, kept alive by the caller."""
    return None if array is None else asnode(array, session)


def _pointer(node):
    return ffi.NULL if node is None else node._p


def searchsorted(a, v, side="left", sorter=None):
    """Where the elements of v would have to be put into the sorted array a.

    >>> import tessera as ts
    >>> ts.searchsorted([1, 3, 5], [0, 3, 9]).compute()
    array([0, 1, 3])
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right' (got {side!r})")
    a, v = strong((a, v))
    order = _or_null(sorter, a._s)
    return make(lib.tsr_searchsorted(a._p, v._p, side == "right", _pointer(order)), a._s)


def digitize(x, bins, right=False):
    """Numbers of the bins that the elements fall into.

    >>> import tessera as ts
    >>> ts.digitize([0.2, 6.4, 3.0], [0.0, 1.0, 2.5, 4.0]).compute()
    array([1, 4, 3])
    """
    x, bins = common((x, bins))
    return make(lib.tsr_digitize(x._p, bins._p, right), x._s)


def interp(x, xp, fp, left=None, right=None, period=None):
    """Straight lines between the points (xp, fp).

    >>> import tessera as ts
    >>> ts.interp([0.5, 2.5], [1, 2, 3], [3, 2, 0]).compute()
    array([3., 1.])
    """
    x, xp, fp = common((x, xp, fp))
    if period == 0:
        raise ValueError("period must be a non-zero value")
    ends = [ffi.NULL if end is None else ffi.new("double *", float(end)) for end in (left, right)]
    return make(lib.tsr_interp(x._p, xp._p, fp._p, *ends, 0.0 if period is None else float(period)), x._s)


def bincount(x, /, weights=None, minlength=0):
    """How often each integer from 0 on occurs, or the sums of the weights. The greatest element is computed by the call.

    >>> import tessera as ts
    >>> ts.bincount([0, 1, 1, 3]).compute()
    array([1, 2, 0, 1])
    """
    x = asnode(x)
    if x.ndim != 1:
        raise ValueError(f"bincount: the array has {x.ndim} dimensions, not 1")
    weights = _or_null(weights, x._s)
    return make(lib.tsr_bincount(x._p, _pointer(weights), minlength), x._s)


def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Covariances of variables in rows, or in columns if not rowvar.

    >>> import tessera as ts
    >>> ts.cov([[0, 1, 2], [2, 1, 0]]).compute()
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    m = asnode(m)
    others = [_or_null(a, m._s) for a in (y, fweights, aweights)]
    ddof = (0 if bias else 1) if ddof is None else ddof
    result = make(lib.tsr_cov(m._p, _pointer(others[0]), rowvar, ddof, _pointer(others[1]), _pointer(others[2])), m._s)
    return result if dtype is None else result.astype(dtype)


def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """Correlation coefficients of variables in rows, or in columns if not rowvar.

    >>> import tessera as ts
    >>> ts.corrcoef([[0, 1, 2], [2, 1, 0]]).compute()
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    x = asnode(x)
    y = _or_null(y, x._s)
    result = make(lib.tsr_corrcoef(x._p, _pointer(y), rowvar), x._s)
    return result if dtype is None else result.astype(dtype)


def ediff1d(ary, to_end=None, to_begin=None):
    """Differences of the neighbours in the flattened array, with something before and behind them.

    >>> import tessera as ts
    >>> ts.ediff1d([1, 2, 4], to_end=99).compute()
    array([ 1,  2, 99])
    """
    ary = asnode(ary)
    ends = [_or_null(end, ary._s) for end in (to_end, to_begin)]
    return make(lib.tsr_ediff1d(ary._p, *[_pointer(end) for end in ends]), ary._s)


def gradient(f, *varargs, axis=None, edge_order=1):
    """Slopes along the axes: one array, or a tuple of one for each. `varargs`: the distance of the places, or one for each axis, or
    their coordinates.

    >>> import tessera as ts
    >>> ts.gradient([1.0, 2.0, 4.0, 7.0]).compute()
    array([1. , 1.5, 2.5, 3. ])
    """
    f = asnode(f)
    axes = tuple(range(f.ndim)) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, f.ndim)
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError("invalid number of arguments")
    if len(varargs) == 1 and np.ndim(varargs[0]) > 0 and len(axes) > 1:
        raise ValueError("distances must be either scalars or 1d")
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    results = []
    for along, spacing in zip(axes, spacings):
        if not isinstance(spacing, Node) and np.ndim(spacing) == 1:
            steps = np.diff(dense(spacing))
            if steps.dtype.kind in "iuf" and steps.size and (steps == steps[0]).all():  # then NumPy leaves the middle one of three out, which may be NaN
                spacing = steps[0] if len(spacing) == f.shape[along] else spacing
        coordinates = None if np.ndim(spacing) == 0 and not isinstance(spacing, Node) else asnode(spacing, f._s)
        step = float(spacing) if coordinates is None else 1.0
        results.append(make(lib.tsr_gradient(f._p, along, step, _pointer(coordinates), edge_order), f._s))
    return results[0] if len(axes) == 1 else tuple(results)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral along an axis by the trapezoidal rule; the places are `dx` apart, or at `x`.

    >>> import tessera as ts
    >>> ts.trapezoid([1, 2, 3], [4, 6, 8]).compute()
    np.float64(8.0)
    """
    y = asnode(y)
    places = _or_null(x, y._s)
    return make(lib.tsr_trapezoid(y._p, _pointer(places), float(dx), axis), y._s)


def polyval(p, x):
    """A polynomial with these coefficients, the highest power first, at each element of x.

    >>> import tessera as ts
    >>> ts.polyval([3, 0, 1], [5, 0]).compute()
    array([76,  1])
    """
    p, x = asnode(p), asnode(x)
    return make(lib.tsr_polyval(p._p, x._p), x._s)


def unwrap(p, discont=None, axis=-1, *, period=2 * math.pi):
    """Jumps of more than discont become their complement to the period.

    >>> import tessera as ts
    >>> ts.unwrap([0, 1, 2, -1, 0], period=4).compute()
    array([0, 1, 2, 3, 4])
    """
    p = asnode(p)
    return make(lib.tsr_unwrap(p._p, math.nan if discont is None else discont, axis, period), p._s)


def _at_least_1d(x: Node) -> Node:
    return x if x.ndim else make(lib.tsr_reshape(x._p, 1, [1]), x._s)


def convolve(a, v, mode="full"):
    """Convolution of two 1-d arrays; mode "full", "same" or "valid".

    >>> import tessera as ts
    >>> ts.convolve([1, 2, 3], [0, 1, 0.5]).compute()
    array([0. , 1. , 2.5, 4. , 1.5])
    """
    a, v = (_at_least_1d(x) for x in strong((a, v)))
    return make(lib.tsr_convolve(a._p, v._p, mode.encode()), a._s)


def correlate(a, v, mode="valid"):
    """Cross-correlation of two 1-d arrays; mode "full", "same" or "valid".

    >>> import tessera as ts
    >>> ts.correlate([1, 2, 3], [0, 1, 0.5]).compute()
    array([3.5])
    """
    a, v = (_at_least_1d(x) for x in strong((a, v)))
    return make(lib.tsr_correlate(a._p, v._p, mode.encode()), a._s)
