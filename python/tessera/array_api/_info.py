"""What the standard asks about dtypes and about the namespace itself."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._core import Node
from .._lib import DTYPES, MAX_NDIM
from ._object import DEVICE, check_device


class finfo_object(NamedTuple):
    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


class iinfo_object(NamedTuple):
    bits: int
    max: int
    min: int
    dtype: np.dtype


def _dtype(value) -> np.dtype:
    return value.dtype if isinstance(value, Node) else np.dtype(value)


def finfo(type, /):
    """Limits of a real or complex dtype."""
    info = np.finfo(_dtype(type))
    return finfo_object(info.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), np.dtype(info.dtype))


def iinfo(type, /):
    """Limits of an integer dtype."""
    info = np.iinfo(_dtype(type))
    return iinfo_object(info.bits, int(info.max), int(info.min), np.dtype(info.dtype))


def isdtype(dtype, kind):
    """Whether a dtype is of a kind: "bool", "signed integer", "numeric" ..., a dtype, or one of several."""
    return bool(np.isdtype(dtype, kind))


def can_cast(from_, to, /):
    """Whether a dtype can be converted without loss of information."""
    return bool(np.can_cast(_dtype(from_), to))


def result_type(*arrays_and_dtypes):
    """The dtype that these meet in."""
    return np.result_type(*(v.dtype if isinstance(v, Node) else v for v in arrays_and_dtypes))


class __array_namespace_info__:
    """What the namespace can do."""

    def capabilities(self):
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": MAX_NDIM}

    def default_device(self):
        return DEVICE

    def default_dtypes(self, *, device=None):
        check_device(device)
        kinds = {"real floating": "float64", "complex floating": "complex128", "integral": "int64", "indexing": "int64"}
        return {kind: np.dtype(name) for kind, name in kinds.items()}

    def devices(self):
        return (DEVICE,)

    def dtypes(self, *, device=None, kind=None):
        check_device(device)
        return {dtype.name: dtype for dtype in DTYPES if kind is None or np.isdtype(dtype, kind)}
