"""Discrete Fourier transforms with NumPy's names: `ts.fft.fft(x, axis=0)`.

The axes that are transformed become one chunk; the others stay as they are, and their blocks are transformed by NumPy, wherever the array is
computed. The C library has no transforms: these are Python functions of blocks, of which a process runs one at a time.
"""
from __future__ import annotations

import numpy as np

from ._blocks import map_blocks
from ._core import asnode
from ._manipulation import roll

__all__ = ["fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2",
           "rfftfreq", "rfftn"]

fftfreq, rfftfreq = np.fft.fftfreq, np.fft.rfftfreq


def _transformed(name: str, a, axes: tuple, options: dict):
    a = asnode(a)
    if a.ndim == 0:
        raise ValueError(f"{name}: an array without axes cannot be transformed")
    axes = tuple(np.lib.array_utils.normalize_axis_tuple(axes, a.ndim))
    a = a.rechunk({axis: -1 for axis in axes})
    function = getattr(np.fft, name)
    # Lengths and dtype as NumPy has them, from an array that is 1 long where nothing is transformed.
    sample = function(np.zeros([a.shape[d] if d in axes else 1 for d in range(a.ndim)], a.dtype), **options)
    chunks = tuple((sample.shape[d],) if d in axes else a.chunks[d] for d in range(a.ndim))
    return map_blocks(function, a, dtype=sample.dtype, chunks=chunks, **options)


def _one(name: str):
    def transform(a, n=None, axis=-1, norm=None):
        return _transformed(name, a, (axis,), {"n": n, "axis": axis, "norm": norm})

    return _named(transform, name)


def _several(name: str, default):
    def transform(a, s=None, axes=default, norm=None):
        a = asnode(a)
        if axes is None:
            axes = tuple(range(-len(s), 0)) if s is not None else tuple(range(a.ndim))
        return _transformed(name, a, tuple(axes), {"s": s, "axes": tuple(axes), "norm": norm})

    return _named(transform, name)


def _named(function, name: str):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"numpy.fft.{name} of a lazy array; the axes that are transformed become one chunk."
    return function


fft, ifft, rfft, irfft, hfft, ihfft = map(_one, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fft2, ifft2, rfft2, irfft2 = (_several(name, (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2"))
fftn, ifftn, rfftn, irfftn = (_several(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn"))


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
