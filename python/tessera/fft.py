"""Discrete Fourier transforms with NumPy's names: `ts.fft.fft(x, axis=0)`.

The axes that are transformed become one chunk; the others stay as they are, and their blocks are transformed by NumPy, wherever the array is
computed. The C library has no transforms: these are Python functions of blocks, of which a process runs one at a time.
"""
from __future__ import annotations

import numpy as np

from ._blocks import map_blocks
from ._core import asnode
from ._manipulation import roll

__all__ = ["fft", "fft2", "fftfreq", "fftn", "fftshift", "fft_wrap", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2",
           "rfftfreq", "rfftn"]

fftfreq, rfftfreq = np.fft.fftfreq, np.fft.rfftfreq


def _transformed(function, a, axes: tuple, options: dict, dtype=None):
    a = asnode(a)
    if a.ndim == 0:
        raise ValueError(f"{function.__name__}: an array without axes cannot be transformed")
    axes = tuple(np.lib.array_utils.normalize_axis_tuple(axes, a.ndim))
    a = a.rechunk({axis: -1 for axis in axes})
    # Lengths and dtype as NumPy has them, from an array that is 1 long where nothing is transformed.
    sample = function(np.zeros([a.shape[d] if d in axes else 1 for d in range(a.ndim)], a.dtype), **options)
    chunks = tuple((sample.shape[d],) if d in axes else a.chunks[d] for d in range(a.ndim))
    return map_blocks(function, a, dtype=sample.dtype if dtype is None else dtype, chunks=chunks, **options)


def _one(function, dtype=None):
    def transform(a, n=None, axis=-1, norm=None):
        return _transformed(function, a, (axis,), {"n": n, "axis": axis, "norm": norm}, dtype)

    return _named(transform, function)


def _several(function, default, dtype=None):
    def transform(a, s=None, axes=default, norm=None):
        a = asnode(a)
        if axes is None:
            axes = tuple(range(-len(s), 0)) if s is not None else tuple(range(a.ndim))
        return _transformed(function, a, tuple(axes), {"s": s, "axes": tuple(axes), "norm": norm}, dtype)

    return _named(transform, function)


def _named(made, function):
    made.__name__ = made.__qualname__ = function.__name__
    made.__doc__ = f"{function.__module__}.{function.__name__} of a lazy array; the axes that are transformed become one chunk."
    return made


def fft_wrap(fft_func, kind=None, dtype=None):
    """Another library's transform, of lazy arrays.

    Parameters
    ----------
    fft_func : callable
        With the arguments of NumPy's: (a, n, axis, norm), or (a, s, axes, norm) if its name or `kind` ends in "2" or "n".
    kind : str, optional
        NumPy's name of what it does, such as "rfft2". Default: the function's name.
    dtype : dtype, optional
        Of the result. Default: found out by a call.

    >>> import numpy as np, tessera as ts
    >>> ts.fft.fft_wrap(np.fft.rfft)(ts.ones(4)).compute()
    array([4.+0.j, 0.+0.j, 0.+0.j])
    """
    kind = kind or fft_func.__name__
    if kind not in _KINDS:
        raise ValueError(f"Given unknown `kind` {kind}.")
    return _several(fft_func, (-2, -1) if kind.endswith("2") else None, dtype) if kind[-1] in "2n" else _one(fft_func, dtype)


_KINDS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
fft, ifft, rfft, irfft, hfft, ihfft, fft2, ifft2, rfft2, irfft2, fftn, ifftn, rfftn, irfftn = (fft_wrap(getattr(np.fft, kind)) for kind in _KINDS)


def _shifted(x, axes, sign: int):
    x = asnode(x)
    axes = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    return roll(x, tuple(x.shape[d] // 2 if sign > 0 else -(x.shape[d] // 2) for d in axes), axes)


def fftshift(x, axes=None):
    """The zero frequency moved to the middle."""
    return _shifted(x, axes, 1)


def ifftshift(x, axes=None):
    """What undoes `fftshift`."""
    return _shifted(x, axes, -1)
