"""Tessera: NumPy's arrays larger than memory, lazy, cut into chunks, computed on every core.

>>> import tessera as ts
>>> x = ts.arange(1_000_000).astype("f8")
>>> float((x - x.mean()).max().compute())
499999.5
"""
from ._array import Array
from ._elementwise import UFUNCS, Ufunc
from ._lib import VERSION as __version__
from ._lib import CancelledError, FormatError, NotFoundError
from ._session import Session
from ._functions import *
from . import _methods, _protocols

globals().update(UFUNCS)
