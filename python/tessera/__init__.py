"""Tessera: NumPy's arrays larger than memory, lazy, cut into chunks, computed on every core.

>>> import tessera as ts
>>> x = ts.arange(1_000_000).astype("f8")
>>> float((x - x.mean()).max().compute())
499999.5
"""
from numpy import (complex64, complex128, e, euler_gamma, float32, float64, inf, int8, int16, int32, int64, nan, newaxis, pi, uint8, uint16, uint32,
                   uint64)
from numpy import (broadcast_shapes, can_cast, isdtype, isscalar, issubdtype, ix_, min_scalar_type,  # of types and shapes
                   promote_types)

from ._array import Array
from ._elementwise import UFUNCS, Ufunc
from ._lib import VERSION as __version__
from ._base import CancelledError, FormatError, NotFoundError
from ._session import Session
from ._functions import *
from ._grids import *
from ._order import *
from ._places import *
from ._selection import *
from . import _methods, _protocols

globals().update(UFUNCS)

# Loaded when first asked for, so that importing the package is quick: modules, and names from modules.
_MODULES = {"random": "random", "image": "image", "array_api": "array_api", "config": "_config", "distributed": "distributed", "fft": "fft", "linalg": "linalg", "lib": "lib"}
_LATER = {**dict.fromkeys(("apply_along_axis", "apply_gufunc", "as_gufunc", "blockwise", "from_delayed", "from_map", "fromfunction", "gufunc", "map_blocks", "map_overlap", "overlap",
                           "trim_overlap"), "_blocks"),
          **dict.fromkeys(("from_npy_stack", "from_zarr", "to_hdf5", "to_npy_stack", "to_zarr"), "_stacks"),
          **dict.fromkeys(("normalize_chunks", "normalize_chunks_cached", "reshape_blockwise", "unify_chunks"), "_relayout"), "frompyfunc": "_gufuncs", "PerformanceWarning": "_base",
          **dict.fromkeys(("coarsen", "reduction", "sliding_window_view"), "_windows"), "c_function": "_compiled", "c_task": "_c_tasks", "numba_function": "_numba",
          **dict.fromkeys(("Dataset", "Variable", "open_array", "open_dataset", "open_mfdataset"), "_dataset"),
          **dict.fromkeys(("Future", "KilledWorker", "as_completed", "fire_and_forget", "futures_of", "wait"), "_futures"),
          **dict.fromkeys(("Event", "Lock", "Queue", "Semaphore"), "_shared"),
          **dict.fromkeys(("get_client", "get_worker", "worker_client", "secede", "rejoin"), "_tasks"),
          "Client": "_cluster", "LocalCluster": "_local", "Security": "_security", "progress": "_waiting", "from_futures": "_blocks",
          "ProgressBar": "_progress", "Profiler": "_profile", "explain": "_show", "visualize": "_show", "save": "_store", "store": "_store"}


def __getattr__(name: str):
    import importlib

    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    if name == "bool":  # not among the names of `from tessera import *`, where it would hide Python's
        from numpy import bool

        return bool
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_MODULES, *_LATER})
