"""The Python array API standard (2025.12) on Tessera: `import tessera.array_api as xp`.

Arrays of this namespace are Tessera's, lazy, with `__array_namespace__`. What the standard gives a shape that depends on values
computes that shape when it is needed (`nonzero`, indexing by a mask) or at once (`unique_*`); `sort`, `argsort`, `searchsorted` and
`take_along_axis` work on the values in memory, at once. The extensions `linalg` and `fft` are not here.

>>> import tessera.array_api as xp
>>> x = xp.linspace(0.0, 1.0, 5)
>>> x.__array_namespace__() is xp
True
>>> float(xp.sum(x * 2))
5.0
"""
import numpy as _np

from ._elementwise import *
from ._elementwise import ELEMENTWISE as _ELEMENTWISE
from ._functions import *
from ._functions import __all__ as _functions
from ._info import __array_namespace_info__, can_cast, finfo, iinfo, isdtype, result_type
from ._object import Array, asarray, from_dlpack

__array_api_version__ = "2025.12"

e, inf, nan, newaxis, pi = float(_np.e), float("inf"), float("nan"), None, float(_np.pi)
bool, int8, int16, int32, int64 = map(_np.dtype, ("bool", "int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(_np.dtype, ("uint8", "uint16", "uint32", "uint64"))
float32, float64, complex64, complex128 = map(_np.dtype, ("float32", "float64", "complex64", "complex128"))

__all__ = [
    "__array_api_version__", "__array_namespace_info__", "asarray", "from_dlpack", "can_cast", "finfo", "iinfo", "isdtype", "result_type", "e", "inf",
    "nan", "newaxis", "pi", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64",
    "complex128", *_ELEMENTWISE, *_functions,
]
