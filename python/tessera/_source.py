"""Arrays that are read by slices from objects of other libraries: h5py, zarr, netCDF4."""
from __future__ import annotations

import contextlib
import math
import threading

import numpy as np

from . import _chunks
from ._callbacks import Source, hold, let_go
from ._creation import created
from ._lib import DTYPES, dense, dtype_code, ffi, lib
from ._session import current


def _dtype(value) -> np.dtype:
    """Of what slices give: netCDF4's variables tell how they are stored, and are read as what that means."""
    if not hasattr(value, "set_auto_maskandscale"):
        return np.dtype(value.dtype)
    return dense(value[(slice(0, 0),) * len(value.shape)]).dtype


ONE_READ = 32 << 20  # bytes


def _whole_pieces(value, items, shape: list, itemsize: int):
    """The pieces of which reading a part costs about as much as the whole, or None. Those of the object itself; else the chunks that were asked for,
    as each read has a price (a lock, a file that is opened) - unless they are so long that parts of them should be read for the sake of memory."""
    own = getattr(value, "chunks", None)
    if isinstance(own, tuple) and len(own) == len(shape) and all(isinstance(c, (int, np.integer)) for c in own):
        return list(map(int, own))
    if not items or any(item == _chunks.AUTO or (isinstance(item, tuple) and (not item or set(item[:-1]) - {item[0]} or item[-1] > item[0])) for item in items):
        return None
    pieces = [min(n, max(item) if isinstance(item, tuple) else n if item == _chunks.WHOLE else item) for item, n in zip(items, shape)]
    return pieces if 0 < math.prod(pieces) * itemsize <= ONE_READ else None


def from_slices(value, chunks, lock=True):
    """A lazy array of something with `shape`, `dtype` and `__getitem__`; one thread reads at a time unless lock is False."""
    session = current()
    if session.is_remote:
        return _from_workers(value, chunks, lock, session)
    shape = [int(length) for length in value.shape]
    dtype = _dtype(value)
    items = _chunks.parse(chunks, len(shape), shape=shape, itemsize=dtype.itemsize)
    pieces = _whole_pieces(value, items, shape, dtype.itemsize)
    handle = hold(Source(value, dtype, session.handle()))
    kept = [ffi.new("int64_t[]", shape or [0]), ffi.new("int64_t[]", pieces or [0]) if pieces is not None else ffi.NULL,
            ffi.new("char[]", type(value).__name__.encode())]
    source = ffi.new("tsr_source *", {"read": lib.glue_read, "context": handle, "release": lib.glue_drop, "name": kept[2], "serial": bool(lock),
                                      "dtype": dtype_code(dtype), "ndim": len(shape), "shape": kept[0], "chunk": kept[1]})
    p = lib.tsr_from_source(session.handle(), source, _chunks.regular(items))
    if not p:
        let_go(handle)
    return created(p, session, items)


def _from_workers(value, chunks, lock, session):
    """The same on a cluster: the object is sent to the workers, which read their blocks."""
    from ._blocks import _from_blocks
    from ._creation import zeros

    dtype = DTYPES[dtype_code(_dtype(value))]
    lengths = zeros(tuple(int(n) for n in value.shape), dtype=dtype, chunks=chunks).chunks
    return _from_blocks(Reader(value, bool(lock)), (), {}, dtype, lengths, session)


class Reader:
    """A block function that reads slices."""

    lock = threading.Lock()

    def __init__(self, value, serial: bool) -> None:
        self.value, self.serial, self.__name__ = value, serial, type(value).__name__

    def __call__(self, block_info):
        region = tuple(slice(start, stop) for start, stop in block_info[None]["array-location"])
        with self.lock if self.serial else contextlib.nullcontext():
            return dense(self.value[region if region else ()])

    def __reduce__(self):
        return Reader, (self.value, self.serial)
