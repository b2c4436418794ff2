"""The C library as the package sees it: dtypes, and failures as NumPy's own exceptions."""
from __future__ import annotations

import numpy as np
from numpy.exceptions import AxisError

from ._tessera import ffi, lib

# Index by tsr_dtype. The order is the library's own.
DTYPES: tuple[np.dtype, ...] = tuple(np.dtype(ffi.string(lib.tsr_dtype_name(code)).decode()) for code in range(lib.TSR_N_DTYPES))
CODES: dict[np.dtype, int] = {dtype: code for code, dtype in enumerate(DTYPES)}

VERSION: str = ffi.string(lib.tsr_version()).decode()
MAX_NDIM: int = lib.TSR_MAX_NDIM


class FormatError(ValueError):
    """A file is truncated, corrupt, or not of the format it is said to be."""


class NotFoundError(KeyError):
    """No variable, dimension, label or attribute of that name."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0])


class CancelledError(RuntimeError):
    """The computation was cancelled before its end."""


EXCEPTIONS: dict[int, type[Exception]] = {
    lib.TSR_OK: RuntimeError,
    lib.TSR_ERR_VALUE: ValueError,
    lib.TSR_ERR_TYPE: TypeError,
    lib.TSR_ERR_INDEX: AxisError,
    lib.TSR_ERR_MEMORY: MemoryError,
    lib.TSR_ERR_IO: OSError,
    lib.TSR_ERR_FORMAT: FormatError,
    lib.TSR_ERR_NOT_FOUND: NotFoundError,
    lib.TSR_ERR_UNSUPPORTED: NotImplementedError,
    lib.TSR_ERR_CANCELLED: CancelledError,
    lib.TSR_ERR_SYNTAX: ValueError,
    lib.TSR_ERR_INTERNAL: RuntimeError,
}


def failure(index_error: type[Exception] = AxisError) -> Exception:
    """The library's last failure in this thread as an exception. `index_error` is for an index or axis out of range."""
    code = lib.tsr_error_code()
    text = ffi.string(lib.tsr_error_message()).decode(errors="replace")
    lib.tsr_error_clear()
    if code == lib.TSR_OK:  # only a handle that was taken away gives NULL without a reason
        return RuntimeError("the session of this array is closed")
    return (index_error if code == lib.TSR_ERR_INDEX else EXCEPTIONS[code])(text)


def check(status: int) -> None:
    if status != lib.TSR_OK:
        raise failure()


def take_text(text) -> str:
    """The text that the library made for us, as str."""
    if not text:
        raise failure()
    try:
        return ffi.string(text).decode()
    finally:
        lib.tsr_free(text)


def dtype_code(dtype) -> int:
    """The library's code of anything that NumPy takes for a dtype."""
    try:
        return CODES[np.dtype(dtype)]
    except KeyError:
        native = np.dtype(dtype).newbyteorder("=")
        if native in CODES:
            return CODES[native]
        raise TypeError(f"there are no tessera arrays of dtype {np.dtype(dtype)}; the dtypes are {', '.join(map(str, DTYPES))}") from None
