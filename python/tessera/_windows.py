"""Windows, groups of neighbours, and reductions by functions of your own."""
from __future__ import annotations

import operator

import numpy as np

from ._blocks import Call
from ._core import asnode, make
from ._lib import dtype_code, ffi, lib
from ._manipulation import _axis
from ._reductions import axes_of


def sliding_window_view(x, window_shape, axis=None, *, automatic_rechunk=True, **ignored):
    """Windows along axes: the places within a window are new last axes. Nothing is copied.

    >>> import tessera as ts
    >>> ts.sliding_window_view(ts.arange(5), 3).mean(axis=-1).compute()
    array([1., 2., 3.])
    """
    x = asnode(x)
    sizes = [operator.index(n) for n in (window_shape if np.ndim(window_shape) else [window_shape])]
    axes = list(range(x.ndim)) if axis is None else [_axis(x, a) for a in (axis if np.ndim(axis) else [axis])]
    if len(sizes) != len(axes):
        raise ValueError(f"Must provide matching length window_shape and axis; got {len(sizes)} window_shape elements and {len(axes)} axes elements.")
    for size, a in zip(sizes, axes):
        x = make(lib.tsr_sliding_window(x._p, size, 1, a), x._s)
    return x


def coarsen(reduction, x, axes, trim_excess=False, **options):
    """Groups of neighbours, each reduced to one element.

    Parameters
    ----------
    reduction : function or str
        One of the package's or NumPy's reductions (`ts.mean`, `np.max`), or its name.
    axes : dict
        How many neighbours make a group, by axis.
    trim_excess : bool
        Whether what is left over at the end is cut off; otherwise it is an error.

    Examples
    --------
    >>> import tessera as ts
    >>> ts.coarsen(ts.sum, ts.arange(6), {0: 2}).compute()
    array([1, 5, 9])
    """
    x = asnode(x)
    factors = [1] * x.ndim
    for axis, factor in axes.items():
        factors[_axis(x, axis)] = operator.index(factor)
    name = reduction if isinstance(reduction, str) else reduction.__name__
    return make(lib.tsr_coarsen(x._p, {"amax": "max", "amin": "min"}.get(name, name).encode(), factors or ffi.new("int64_t[1]"), trim_excess), x._s)


def reduction(x, chunk, aggregate, axis=None, keepdims=False, combine=None, dtype=None, split_every=None, state=None, **ignored):
    """A reduction by functions of blocks, merged in a tree.

    Parameters
    ----------
    chunk, combine, aggregate : callable
        `f(block, axis=, keepdims=)`: `chunk` reduces each block, `combine` (default: aggregate) what stands side by side, `aggregate` makes
        the result.
    dtype : dtype
        Of the result. `state`: of what chunk and combine make; default: the same.
    split_every : int, optional
        How many blocks along each axis are combined at once.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> ts.reduction(ts.arange(10, chunks=3), np.max, np.max, dtype=int).compute()
    np.int64(9)
    """
    x = asnode(x)
    if dtype is None:
        raise ValueError("reduction: dtype= is needed")
    axes = tuple(range(x.ndim)) if axis is None else tuple(_axis(x, a) for a in (axis if np.ndim(axis) else [axis]))

    def call(function, keeps):
        return Call(lambda block: function(block, axis=axes, keepdims=keeps), (Call.BLOCK,), {}, x._s, getattr(function, "__name__", None))

    calls = [call(chunk, True), call(combine or aggregate, True), call(aggregate, keepdims)]
    functions = ffi.new("tsr_reduction_functions *", {"chunk": calls[0].struct, "combine": calls[1].struct, "aggregate": calls[2].struct,
                                                      "state": dtype_code(dtype if state is None else state), "dtype": dtype_code(dtype),
                                                      "split_every": split_every or 0})
    p = lib.tsr_reduction(x._p, functions, *axes_of(axes), keepdims)
    if not p:
        for made in calls:
            made.drop()
    return make(p, x._s)
