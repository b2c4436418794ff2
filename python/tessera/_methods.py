"""The methods of Array that are NumPy's functions: the same functions, with the array as their first argument."""
from __future__ import annotations

from . import _functions, _products
from ._array import Array
from ._core import make
from ._creation import shape_of
from ._lib import lib

SAME = ("all any argmax argmin clip copy cumprod cumsum diagonal dot max mean min prod ptp ravel repeat round squeeze std sum swapaxes take trace "
        "var").split()


def reshape(self, *shape, order="C", merge_chunks=True, limit=None):
    """The same elements in another shape: x.reshape(2, -1) or x.reshape((2, -1))."""
    return _functions.reshape(self, shape[0] if len(shape) == 1 else shape, order)


def transpose(self, *axes):
    """Axes in another order: x.transpose(), x.transpose(1, 0) or x.transpose((1, 0))."""
    return _functions.transpose(self, None if not axes else axes[0] if len(axes) == 1 else axes)


def flatten(self, order="C"):
    """The elements in one dimension."""
    return _functions.ravel(self, order)


def map_blocks(self, func, *args, **options):
    """Calls a function for each block: see `tessera.map_blocks`."""
    from ._blocks import map_blocks

    return map_blocks(func, self, *args, **options)


def map_overlap(self, func, depth, boundary=None, trim=True, **options):
    """Calls a function for each block and what surrounds it: see `tessera.map_overlap`."""
    from ._blocks import map_overlap

    return map_overlap(func, self, depth=depth, boundary=boundary, trim=trim, **options)


def nonzero(self):
    """Indices of the elements that are not zero, an array for each axis."""
    from ._selection import nonzero

    return nonzero(self)


for _name, _method in _products.operators().items():
    setattr(Array, _name, _method)
for _name in SAME:
    setattr(Array, _name, getattr(_functions, _name))
for _method in (reshape, transpose, flatten, map_blocks, map_overlap, nonzero):
    setattr(Array, _method.__name__, _method)
