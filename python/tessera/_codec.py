"""Functions of blocks as bytes: so that expressions with Python functions, C functions and Numba's run in other processes.

The bytes are a pickle of (kind, name, serial, what it is made from). A Python function that fails in another process tells its exception
and traceback as text, which `remote_exception` makes an exception from again, for whoever waits for the result.
"""
from __future__ import annotations

import pickle
import re
import sys

from ._callbacks import BlockFunction, hold
from ._compiled import CFunction, by_address
from ._futures import REMOTE, describe
from ._lib import ffi, lib
from ._numba import by_address as numba_by_address, numba_function
from ._pickling import dump_function


class RemoteFunction(BlockFunction):
    """A Python function of blocks, called for somebody in another process."""

    def failed(self, error: BaseException) -> int:
        return lib.tsr_fail(lib.TSR_ERR_VALUE, describe(error, skip=2).encode(errors="replace"))


def remote_exception(text: str, otherwise: Exception) -> BaseException:
    """The exception that a failure tells of: of the type that it was raised as, if that exists here, else `otherwise`."""
    head, found, _ = text.partition(f"\n{REMOTE}\n")
    for match in re.finditer(r"(?:^|(?<=: )|(?<=\n))([\w.]+): ", head if found else ""):
        module, _, name = match[1].rpartition(".")
        kind = getattr(sys.modules.get(module or "builtins"), name, None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            break
    else:
        return otherwise
    try:
        error = kind(head[match.end():])
    except Exception:  # its arguments are not one text
        return otherwise
    if hasattr(error, "add_note"):
        error.add_note(text)
    return error


# ---- The codec --------------------------------------------------------------------------------------------------------------

_compiled: dict[bytes, object] = {}  # Numba's functions that were loaded
_kept: list = []  # the bytes of the last function that was saved


def _saved(function) -> bytes:
    address = int(ffi.cast("intptr_t", function.call))
    name, serial = ffi.string(function.name).decode(), bool(function.serial)
    if function.call == lib.glue_block:
        made = ffi.from_handle(function.context)
        if not isinstance(made, BlockFunction):
            raise TypeError(f"the function '{name}' cannot be sent")
        return dump_function(("python", name, serial, (made.function, made.arguments, made.options, made.wants)))
    if address in by_address:
        return pickle.dumps(("c", name, serial, by_address[address].portable()))
    if address in numba_by_address:
        return dump_function(("numba", name, serial, numba_by_address[address].recipe))
    raise NotImplementedError(f"the function '{name}' cannot be sent: it is known by its address only")


def save(context, function, out, size) -> int:
    """A function as bytes, which stay until the next one."""
    try:
        data = _saved(function)
    except BaseException as error:
        status = lib.TSR_ERR_UNSUPPORTED if isinstance(error, NotImplementedError) else lib.TSR_ERR_TYPE
        return lib.tsr_fail(status, f"{type(error).__name__}: {error}".encode(errors="replace"))
    _kept[:] = [ffi.from_buffer(data)]
    out[0], size[0] = _kept[0], len(data)
    return lib.TSR_OK


def _load(session, data: bytes, function) -> None:
    kind, name, serial, made_from = pickle.loads(data)
    if kind == "c":
        CFunction.fill(session, made_from[0], made_from[1:], function)
    elif kind == "numba":
        made = _compiled.get(data)
        if made is None:
            signature, python_function, options = made_from
            made = _compiled[data] = numba_function(signature, python_function, **options)
        function.call, function.context, function.release = ffi.cast("tsr_block_function", made.address), hold(made), lib.glue_drop
    else:
        function.call, function.release = lib.glue_block, lib.glue_drop
        held = RemoteFunction(*made_from[:3], session, made_from[3])
        held.name = ffi.new("char[]", name.encode())
        function.context, function.name = hold(held), held.name
    function.serial = serial


def load(context, session, data, size, function) -> int:
    """Fills in the function that these bytes stand for."""
    try:
        _load(session, bytes(ffi.buffer(data, size)), function)
    except BaseException as error:
        return lib.tsr_fail(lib.TSR_ERR_TYPE, describe(error).encode(errors="replace"))
    return lib.TSR_OK


ffi.def_extern(name="glue_save", error=lib.TSR_ERR_INTERNAL)(save)
ffi.def_extern(name="glue_load", error=lib.TSR_ERR_INTERNAL)(load)


def codec():
    """The codec as the library takes it."""
    return ffi.new("tsr_function_codec *", {"context": ffi.NULL, "save": lib.glue_save, "load": lib.glue_load})
