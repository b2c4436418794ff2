"""NumPy's protocols: np.cos(x), np.mean(x, axis=0) and np.concatenate([x, y]) come here and stay lazy."""
from __future__ import annotations

import importlib

import numpy as np

from . import _functions, _grids, _order, _places, _selection
from ._array import Array
from ._core import Node
from ._elementwise import UFUNCS
from ._store import computed_first, save_npy


def _sliding_window_view(*args, **options):
    from ._windows import sliding_window_view

    return sliding_window_view(*args, **options)


def _apply_along_axis(*args, **options):
    from ._blocks import apply_along_axis

    return apply_along_axis(*args, **options)


# NumPy's functions by ours of the same name. Those in UFUNCS that are no ufuncs in NumPy (sinc, isreal) are here, too.
FUNCTIONS = {getattr(np, name): function for name, function in {**vars(_functions), **vars(_grids), **vars(_order), **vars(_places), **vars(_selection), **UFUNCS}.items()
             if callable(function) and not name.startswith("_") and callable(getattr(np, name, None)) and not isinstance(getattr(np, name), type)}
FUNCTIONS[np.lib.stride_tricks.sliding_window_view] = _sliding_window_view
FUNCTIONS[np.apply_along_axis] = _apply_along_axis
FUNCTIONS |= {np.save: save_npy, **{function: computed_first(function) for function in (np.savez, np.savez_compressed, np.savetxt)}}
_MODULES = {"numpy.linalg": "tessera.linalg", "numpy.fft": "tessera.fft"}
_PRODUCTS = {getattr(np, name) for name in ("matmul", "vecdot", "matvec", "vecmat") if hasattr(np, name)}
_METHODS = {"__call__": "__call__", "reduce": "reduce", "accumulate": "accumulate", "outer": "outer"}


def _is_foreign(kind: type) -> bool:
    """Types that want to be asked themselves, such as xarray's."""
    return not issubclass(kind, (Node, np.ndarray, np.generic)) and hasattr(kind, "__array_ufunc__")


def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
    if ufunc in _PRODUCTS and method == "__call__":
        return FUNCTIONS[ufunc](*inputs, out=None if out is None else out[0], **options)
    ours = UFUNCS.get(ufunc.__name__)
    if any(_is_foreign(type(value)) for value in (*inputs, *(out or ()))):
        return NotImplemented
    if ours is None or method not in _METHODS:
        raise TypeError(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} does not exist for tessera arrays; "
                        "np.asarray(x) computes them first")
    if out is not None:
        options["out"] = out if len(out) > 1 else out[0]
    return getattr(ours, method)(*inputs, **options)


def __array_function__(self, function, types, args, options):
    ours = FUNCTIONS.get(function)
    if ours is None and function.__module__ in _MODULES:
        ours = getattr(importlib.import_module(_MODULES[function.__module__]), function.__name__, None)
    if ours is None:
        if any(_is_foreign(kind) for kind in types):
            return NotImplemented
        name = f"{function.__module__}.{function.__name__}"
        raise TypeError(f"{name} does not exist for tessera arrays; np.asarray(x) computes them first")
    if not all(issubclass(kind, (Node, np.ndarray, np.generic)) for kind in types):
        return NotImplemented
    options.pop("like", None)
    return ours(*args, **options)


Array.__array_ufunc__ = __array_ufunc__
Array.__array_function__ = __array_function__
