"""The C library without NumPy: its failures as exceptions, and the objects that it holds. What workers need for their first function."""
from __future__ import annotations

import concurrent.futures
import threading
from _thread import get_ident

from ._tessera import ffi, lib


class FormatError(ValueError):
    """A file is truncated, corrupt, or not of the format it is said to be."""


class NotFoundError(KeyError, ValueError):
    """No variable, dimension, label or attribute of that name. A ValueError, too, which xarray raises for a dimension that is not there."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0])


class PerformanceWarning(Warning):
    """Dask's warning of chunks that became many or large, for programs that filter it; Tessera, which chooses what is computed at once itself, never warns so."""


class CancelledError(RuntimeError, concurrent.futures.CancelledError):
    """The computation was cancelled before its end."""


EXCEPTIONS: dict[int, type[Exception]] = {
    lib.TSR_OK: RuntimeError,
    lib.TSR_ERR_VALUE: ValueError,
    lib.TSR_ERR_TYPE: TypeError,
    lib.TSR_ERR_MEMORY: MemoryError,
    lib.TSR_ERR_IO: OSError,
    lib.TSR_ERR_FORMAT: FormatError,
    lib.TSR_ERR_NOT_FOUND: NotFoundError,
    lib.TSR_ERR_UNSUPPORTED: NotImplementedError,
    lib.TSR_ERR_CANCELLED: CancelledError,
    lib.TSR_ERR_SYNTAX: ValueError,
    lib.TSR_ERR_INTERNAL: RuntimeError,
    lib.TSR_ERR_TIMEOUT: TimeoutError,
}


def _axis_error() -> type[Exception]:
    from numpy.exceptions import AxisError

    return AxisError


def failure(index_error: type[Exception] | None = None) -> Exception:
    """The library's last failure in this thread as an exception. `index_error` is for an index or axis out of range; default: AxisError."""
    code = lib.tsr_error_code()
    reason = lib.tsr_error_errno()
    text = ffi.string(lib.tsr_error_message()).decode(errors="replace")
    lib.tsr_error_clear()
    if code == lib.TSR_OK:  # only a handle that was taken away gives NULL without a reason
        return RuntimeError("the session of this array is closed")
    if code == lib.TSR_ERR_IO and reason:
        error = type(OSError(reason, ""))(text)  # FileNotFoundError, PermissionError ...
        error.errno = reason
        return error
    return (index_error or _axis_error() if code == lib.TSR_ERR_INDEX else EXCEPTIONS[code])(text)


def check(status: int) -> None:
    if status != lib.TSR_OK:
        raise failure()


def seconds_of(timeout) -> float | None:
    """Seconds from a number, a timedelta, or a text such as "500ms" or "2 min"."""
    if timeout is None or isinstance(timeout, (int, float)):
        return timeout
    if hasattr(timeout, "total_seconds"):
        return timeout.total_seconds()
    units = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
    text = timeout.strip()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number):].strip()
    if unit not in units:
        raise ValueError(f"'{timeout}' is no time; write a number with a unit, such as '500ms' or '2 min'")
    return float(number) * units[unit]


def take_text(text) -> str:
    """The text that the library made for us, as str."""
    if not text:
        raise failure()
    try:
        return ffi.string(text).decode()
    finally:
        lib.tsr_free(text)


def end_elsewhere(end, *args) -> None:
    """Calls what ends threads of the library, for `__del__`: the last reference may go on one of these threads, which would wait for itself."""
    me = get_ident()
    if any(thread.ident == me and not isinstance(thread, threading._DummyThread) for thread in threading.enumerate()):
        end(*args)
    else:
        threading.Thread(target=end, args=args, name="tessera end").start()


# Handles that the library holds: address -> handle.
held: dict[int, object] = {}


def address(p) -> int:
    return int(ffi.cast("intptr_t", p))


def hold(value):
    """A handle for the library, to be given back through lib.glue_drop."""
    handle = ffi.new_handle(value)
    held[address(handle)] = handle
    return handle


def let_go(handle) -> None:
    """The library did not take the handle."""
    held.pop(address(handle), None)


@ffi.def_extern()
def glue_drop(context):
    held.pop(address(context), None)
