"""Pickling: the expression travels, packed by the library; so it does from one session to another."""
from __future__ import annotations

import numpy as np

from ._core import failure, from_numpy, make
from ._lib import ffi, lib
from ._session import current


def pack(array, codec=ffi.NULL) -> bytes | None:
    """The packed expression; None if something in it cannot be sent: without a codec, functions of the user's."""
    arrays = ffi.new("tsr_array *[1]", [array._p])
    out, size = ffi.new("void **"), ffi.new("size_t *")
    status = lib.tsr_pack(1, arrays, codec, out, size)
    if status == lib.TSR_ERR_UNSUPPORTED:
        return None
    array._s.check(status)
    try:
        return bytes(ffi.buffer(out[0], size[0]))
    finally:
        lib.tsr_free(out[0])


def unpack(data: bytes, session=None, codec=ffi.NULL):
    """The array again, in this session; by default in that of whoever unpickles it."""
    session = session or current()
    arrays = ffi.new("tsr_array *[1]")
    if lib.tsr_unpack(session.handle(), ffi.from_buffer(data), len(data), codec, 1, arrays) != lib.TSR_OK:
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


def brought(array, session):
    """The array for the workers of this session: one that was made for the threads of this process is made again there, files by their
    paths, arrays in memory and persisted ones as values; and so are the values of what cannot be sent."""
    if array._s.is_remote:
        return array
    from ._codec import codec

    functions = codec()
    packed = pack(array, functions)
    if packed is not None:
        return unpack(packed, session, functions)
    return from_numpy(np.asarray(array.compute()), session=session).rechunk(array.chunks)
