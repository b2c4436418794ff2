"""The greatest and the least elements, and bits as bytes."""
from __future__ import annotations

import operator

from ._core import asnode, make
from ._lib import ffi, lib
from ._manipulation import ravel

__all__ = ["argtopk", "packbits", "topk", "unpackbits"]


def topk(a, k, axis=-1, split_every=None):
    """The k greatest elements along an axis, the greatest first; for a negative k the -k least, the least first. All that there are, if they are
    fewer. NaN counts as greatest, as in NumPy's sort. The result has one chunk along the axis; no more than a few chunks' best are ever held.

    Parameters
    ----------
    a : array_like
        Of any dtype and chunks.
    k : int
        How many.
    axis : int
        Along which axis. Default: the last.
    split_every : int, optional
        Accepted, as in Dask, and of no consequence.

    Returns
    -------
    Array
        a's shape, with min(abs(k), n) in the place of n along the axis, and a's dtype.

    Examples
    --------
    >>> import tessera as ts
    >>> ts.topk([5, 1, 3, 6], 2).compute()
    array([6, 5])
    >>> ts.topk([5, 1, 3, 6], -2).compute()
    array([1, 3])
    """
    a = asnode(a)
    return make(lib.tsr_topk(a._p, operator.index(k), axis), a._s)


def argtopk(a, k, axis=-1, split_every=None):
    """The indices of the elements that `topk` gives; of equal elements the first.

    >>> import tessera as ts
    >>> ts.argtopk([5, 1, 3, 6], 2).compute()
    array([3, 0])
    """
    a = asnode(a)
    return make(lib.tsr_argtopk(a._p, operator.index(k), axis), a._s)


def _bit_order(bitorder: str) -> bool:
    if bitorder not in ("big", "little"):
        raise ValueError(f"'bitorder' argument must be either 'big' or 'little', not {bitorder!r}")
    return bitorder == "little"


def packbits(a, /, axis=None, bitorder="big"):
    """Eight elements, zero or not, as the bits of a byte, along an axis or of the flattened array; zeros fill up the last byte.

    >>> import tessera as ts
    >>> ts.packbits([1, 0, 0, 0, 0, 0, 0, 1, 1]).compute()
    array([129, 128], dtype=uint8)
    """
    a = asnode(a)
    a, axis = (ravel(a), 0) if axis is None else (a, axis)
    return make(lib.tsr_packbits(a._p, axis, _bit_order(bitorder)), a._s)


def unpackbits(a, /, axis=None, count=None, bitorder="big"):
    """The bits of bytes (uint8) as elements 0 and 1, `count` of them: the reverse of `packbits`.

    >>> import numpy as np, tessera as ts
    >>> ts.unpackbits(np.array([129], "u1")).compute()
    array([1, 0, 0, 0, 0, 0, 0, 1], dtype=uint8)
    """
    a = asnode(a)
    a, axis = (ravel(a), 0) if axis is None else (a, axis)
    count = ffi.NULL if count is None else ffi.new("int64_t *", operator.index(count))
    return make(lib.tsr_unpackbits(a._p, axis, count, _bit_order(bitorder)), a._s)
