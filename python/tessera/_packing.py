"""Pickling: the expression travels, packed by the library."""
from __future__ import annotations

import numpy as np

from ._core import failure, make
from ._lib import ffi, lib
from ._session import current


def pack(array) -> bytes | None:
    """The packed expression; None if something in it cannot be sent."""
    arrays = ffi.new("tsr_array *[1]", [array._p])
    out, size = ffi.new("void **"), ffi.new("size_t *")
    status = lib.tsr_pack(1, arrays, ffi.NULL, out, size)
    if status == lib.TSR_ERR_UNSUPPORTED:
        return None
    array._s.check(status)
    try:
        return bytes(ffi.buffer(out[0], size[0]))
    finally:
        lib.tsr_free(out[0])


def unpack(data: bytes):
    """The array again, in the session of whoever unpickles it."""
    session = current()
    arrays = ffi.new("tsr_array *[1]")
    if lib.tsr_unpack(session.handle(), ffi.from_buffer(data), len(data), ffi.NULL, 1, arrays) != lib.TSR_OK:
        raise failure()
    return make(arrays[0], session)


def reduce(array) -> tuple:
    """What pickle stores. Where a function of the user's or an object that is read through one takes part, the values travel, for
    neither may exist on the other side."""
    packed = pack(array)
    if packed is not None:
        return unpack, (packed,)
    from ._creation import from_array

    return from_array, (np.asarray(array.compute()), array.chunks or "auto")
