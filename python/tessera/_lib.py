"""The C library as the package sees it: what it has without NumPy (_base), and dtypes."""
from __future__ import annotations

import operator

import numpy as np

from ._base import CancelledError, FormatError, NotFoundError, check, failure, ffi, lib, take_text

# Index by tsr_dtype. The order is the library's own.
DTYPES: tuple[np.dtype, ...] = tuple(np.dtype(ffi.string(lib.tsr_dtype_name(code)).decode()) for code in range(lib.TSR_N_DTYPES))
CODES: dict[np.dtype, int] = {dtype: code for code, dtype in enumerate(DTYPES)}

VERSION: str = ffi.string(lib.tsr_version()).decode()
MAX_NDIM: int = lib.TSR_MAX_NDIM


def dtype_code(dtype) -> int:
    """The library's code of anything that NumPy takes for a dtype."""
    try:
        return CODES[np.dtype(dtype)]
    except KeyError:
        native = np.dtype(dtype).newbyteorder("=")
        if native in CODES:
            return CODES[native]
        raise TypeError(f"there are no tessera arrays of dtype {np.dtype(dtype)}; the dtypes are {', '.join(map(str, DTYPES))}") from None


def whole(number) -> int:
    """A length: an int, or as Dask takes them a float that is one (2e8)."""
    return int(number) if isinstance(number, float) and number.is_integer() else operator.index(number)


def dense(value) -> np.ndarray:
    """The values as an array without a mask: what a masked array masks becomes NaN, or is refused where the dtype has none."""
    if type(value) is np.ndarray:
        return value
    if not isinstance(value, np.ndarray) or not hasattr(value, "mask"):
        return np.asarray(value)
    if not np.ma.is_masked(value):
        return np.ma.getdata(value)
    if value.dtype.kind in "fc":
        return value.filled(np.nan)
    raise TypeError(f"there are masked values, and {value.dtype} has no NaN to stand for them: x.astype(float) makes them NaN, x.filled(value) something else")
