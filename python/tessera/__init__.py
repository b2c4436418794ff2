"""Tessera: NumPy's arrays larger than memory, lazy, cut into chunks, computed on every core.

>>> import tessera as ts
>>> x = ts.arange(1_000_000).astype("f8")
>>> float((x - x.mean()).max().compute())
499999.5
"""
from numpy import (broadcast_shapes, can_cast, diag_indices, isdtype, isscalar, issubdtype, ix_, min_scalar_type,  # of types and shapes
                   promote_types)

from ._array import Array
from ._elementwise import UFUNCS, Ufunc
from ._lib import VERSION as __version__
from ._lib import CancelledError, FormatError, NotFoundError
from ._session import Session
from ._functions import *
from ._grids import *
from ._selection import *
from . import _methods, _protocols

globals().update(UFUNCS)

# Loaded when first asked for, so that importing the package is quick: modules, and names from modules.
_MODULES = {"random": "random", "image": "image", "array_api": "array_api", "config": "_config"}
_LATER = {**dict.fromkeys(("apply_along_axis", "apply_gufunc", "blockwise", "from_delayed", "from_map", "fromfunction", "map_blocks", "map_overlap", "overlap",
                           "trim_overlap"), "_blocks"),
          **dict.fromkeys(("coarsen", "reduction", "sliding_window_view"), "_windows"), "c_function": "_compiled", "numba_function": "_numba",
          **dict.fromkeys(("Dataset", "Variable", "open_array", "open_dataset"), "_dataset"),
          "ProgressBar": "_progress", "Profiler": "_profile", "explain": "_show", "visualize": "_show", "save": "_store", "store": "_store"}


def __getattr__(name: str):
    import importlib

    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_MODULES, *_LATER})
