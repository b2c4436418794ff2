"""Handles of expressions, and how other things become one.

A handle (`Node`, of which `Array` is the only class) holds one reference to an expression of the C library, and its session.
"""
from __future__ import annotations

import numpy as np
from numpy.exceptions import AxisError

from ._lib import CODES, DTYPES, dense, dtype_code, failure, ffi, lib
from ._session import Session, current

_release = lib.tsr_release
_new = object.__new__


class Node:
    """One reference to an expression."""

    __slots__ = ("_p", "_s", "__weakref__")

    def __del__(self, release=_release):
        try:
            release(self._p)
        except AttributeError:  # never made
            pass

    def _forget_session(self) -> None:
        self._p = ffi.NULL


_class = Node  # what make() makes: _array.py puts Array here


def make(p, session: Session, index_error: type[Exception] = AxisError):
    """The array of a new reference; NULL raises the reason (see failure), which may be an exception in a function of the user's."""
    if not p:
        raise session.failure(index_error)
    array = _new(_class)
    array._p = p
    array._s = session
    return array


# NumPy arrays that the library reads, until it lets go of them: address of the handle -> (handle, array).
_lent: dict[int, tuple] = {}


@ffi.def_extern()
def glue_release(context):
    del _lent[int(ffi.cast("intptr_t", context))]


def from_numpy(values: np.ndarray, chunks=None, session: Session | None = None):
    """An array that reads the NumPy array's memory, without a copy where the library has the dtype."""
    session = session or current()
    if values.dtype not in CODES:
        values = values.astype(DTYPES[dtype_code(values.dtype)])  # the other byte order
    # (The address is had sooner from a buffer than from the interface, which is a dict.)
    data = ffi.from_buffer(values) if values.flags.c_contiguous else ffi.cast("void *", values.__array_interface__["data"][0])
    handle = ffi.new_handle(values)
    key = int(ffi.cast("intptr_t", handle))
    p = lib.tsr_from_memory(session.handle(), data, CODES[values.dtype], values.ndim,
                            values.shape, values.strides, lib.glue_release, handle, ffi.NULL if chunks is None else chunks)
    if p:
        _lent[key] = (handle, values)
    return make(p, session)


def is_number(value) -> bool:
    """Plain Python numbers, which take the dtype of what they meet (np.float64 is a float, but not a plain one)."""
    return type(value) in (bool, int, float, complex)


def stored(value, dtype: np.dtype):
    """A number as NumPy stores it in an array of this dtype: with its errors for what the dtype cannot hold. Other values stay as they are."""
    if not is_number(value) and not isinstance(value, np.number):
        return value
    holder = np.empty((), dtype)
    holder[()] = value
    return holder


def mask_of(where, session) -> "Node":
    """where= as an array; only bool is taken for it."""
    mask = asnode(where, session)
    if mask.dtype != bool:
        raise TypeError(f"the mask is {mask.dtype}, which cannot be cast to bool according to the rule 'safe'")
    return mask


def check_cast(now: np.dtype, dtype, casting: str) -> None:
    """TypeError where the rule does not allow the cast, as NumPy."""
    if dtype is not None and not np.can_cast(now, dtype, casting):
        raise TypeError(f"Cannot cast array data from {now!r} to {np.dtype(dtype)!r} according to the rule '{casting}'")


def asnode(value, session: Session | None = None):
    """An array from an array, a number, nested lists, or anything that NumPy can make one of."""
    if isinstance(value, Node):
        return value
    if is_array_like(value):
        from ._creation import from_array

        return from_array(value)
    return from_numpy(dense(value), session=session)


def is_array_like(value) -> bool:
    """Things that are read by slices: h5py and zarr datasets, netCDF4 variables."""
    return (type(value) is not np.ndarray and not isinstance(value, (np.ndarray, np.generic)) and hasattr(value, "shape") and hasattr(value, "dtype")
            and hasattr(value, "__getitem__") and not hasattr(value, "__array_ufunc__"))


def scalar_like(like: Node, value):
    """A plain number in the dtype it takes beside `like`."""
    if isinstance(value, bool):
        number = lib.tsr_bool(value)
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise OverflowError(f"Python integer {value} out of bounds for {DTYPES[lib.tsr_dtype_of(like._p)]}")
        number = lib.tsr_int(value) if value < 2**63 else lib.tsr_uint(value)
    elif isinstance(value, float):
        number = lib.tsr_float(value)
    else:
        number = lib.tsr_complex(value.real, value.imag)
    p = lib.tsr_scalar_like(like._p, number)
    if not p and lib.tsr_error_code() == lib.TSR_ERR_VALUE:
        raise OverflowError(str(failure()))
    return make(p, like._s)


def operand(value, like: Node):
    """The other side of an operator, or None if it is not for us (its own method gets a chance then)."""
    if isinstance(value, Node):
        return value
    if is_number(value):
        return scalar_like(like, value)
    if isinstance(value, (np.ndarray, np.generic, list, tuple)):
        return from_numpy(dense(value), session=like._s)
    if is_array_like(value):
        return asnode(value, like._s)
    return None


def strong(values: tuple):
    """The same for functions that are no ufuncs: plain numbers have the dtype NumPy gives them alone."""
    return common(tuple(np.asarray(v) if is_number(v) else v for v in values))


def common(values: tuple):
    """Arguments of one function as arrays of one session; plain numbers take the dtype of the arrays beside them."""
    for v in values:
        if not isinstance(v, Node):
            break
    else:
        return list(values)
    first = next((v for v in values if isinstance(v, Node)), None)
    session = first._s if first is not None else None
    nodes = [None if is_number(v) else asnode(v, session) for v in values]
    like = next((n for n in nodes if n is not None), None)
    if like is None:
        return [from_numpy(np.asarray(v), session=session) for v in values]
    if None in nodes and sum(n is not None for n in nodes) > 1:  # the number meets the promoted dtype
        pointers = [n for n in nodes if n is not None]
        dtype = lib.tsr_dtype_of(pointers[0]._p)
        for n in pointers[1:]:
            dtype = lib.tsr_dtype_promote(dtype, lib.tsr_dtype_of(n._p))
        like = make(lib.tsr_full(like._s.handle(), lib.tsr_int(0), dtype, 0, ffi.NULL, ffi.NULL), like._s)
    return [scalar_like(like, v) if n is None else n for v, n in zip(values, nodes)]
