"""The array of the standard: Tessera's, with the few things that xarray must not see on the usual class."""
from __future__ import annotations

import numpy as np

from .. import _array, _elementwise, _products
from .._core import Node
from .._creation import asarray as _asarray
from .._lib import lib

DEVICE = "cpu"


class Array(_array.Array):
    """An array of the namespace tessera.array_api."""

    __slots__ = ()

    def __array_namespace__(self, /, *, api_version=None):
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
            raise ValueError(f"there is no version '{api_version}' of the array API here; the newest is 2025.12")
        from tessera import array_api

        return array_api

    @property
    def device(self):
        return DEVICE

    def to_device(self, device, /, *, stream=None):
        if device != DEVICE or stream is not None:
            raise ValueError(f"the only device is '{DEVICE}', without streams")
        return self

    @property
    def T(self):
        if self.ndim != 2:
            raise ValueError(f"T is for two dimensions, this array has {self.ndim}; use matrix_transpose or permute_dims")
        return wrap(super().T)

    @property
    def mT(self):
        if self.ndim < 2:
            raise ValueError("mT needs at least two dimensions")
        return wrap(super().mT)

    @property
    def real(self):
        return wrap(super().real)

    @property
    def imag(self):
        return wrap(super().imag)

    def __getitem__(self, key):
        return wrap(super().__getitem__(key))

    def __setitem__(self, key, value):
        super().__setitem__(key, value)

    def __repr__(self):
        return super().__repr__().replace("tessera.Array", "tessera.array_api.Array")


def wrap(value):
    """Our arrays as arrays of the standard, also in tuples and lists."""
    if type(value) is Array:
        return value
    if isinstance(value, Node):
        array = object.__new__(Array)
        array._p, array._s = lib.tsr_retain(value._p), value._s
        return array
    if isinstance(value, (tuple, list)):
        return type(value)(map(wrap, value))
    return value


def wrapped(function):
    """The function with results of the standard's class."""
    def call(*args, **options):
        return wrap(function(*args, **options))

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return call


def check_device(device) -> None:
    if device not in (None, DEVICE):
        raise ValueError(f"there is no device '{device}', only '{DEVICE}'")


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """An array from numbers, nested sequences, arrays and buffers.

    >>> import tessera.array_api as xp
    >>> xp.asarray([1, 2], dtype=xp.float32).dtype
    dtype('float32')
    """
    check_device(device)
    if isinstance(obj, Node):
        changes = dtype is not None and obj.dtype != dtype
        if copy is False and changes:
            raise ValueError("another dtype needs a copy")
        return wrap(obj.astype(dtype) if changes else obj.copy() if copy else obj)
    values = np.asarray(obj)
    if copy is False and (not isinstance(obj, np.ndarray) or (dtype is not None and values.dtype != dtype)):
        raise ValueError("without a copy only arrays can be taken, in their own dtype")
    return wrap(_asarray(np.array(values, dtype, copy=True) if copy is not False else values))


def from_dlpack(x, /, *, device=None, copy=None):
    """An array that reads the memory of another library's array.

    >>> import numpy as np, tessera.array_api as xp
    >>> xp.from_dlpack(np.arange(3)).shape
    (3,)
    """
    check_device(device)
    if isinstance(x, Node):
        return wrap(x.copy() if copy else x)
    return wrap(_asarray(np.from_dlpack(x, copy=copy)))


for _name, _method in {**_elementwise.operators(), **_products.operators()}.items():
    setattr(Array, _name, _method if _name.startswith("__i") and _name != "__invert__" else wrapped(_method))
