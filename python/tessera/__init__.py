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

# Loaded when first asked for, so that importing the package is quick.
_MODULES = ("random",)


def __getattr__(name: str):
    if name in _MODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_MODULES})
