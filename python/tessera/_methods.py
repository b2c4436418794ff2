"""The methods of Array that are NumPy's functions: the same functions, with the array as their first argument."""
from __future__ import annotations

from . import _functions, _order, _products
from ._array import Array
from ._core import make
from ._creation import shape_of
from ._lib import dtype_code, lib

SAME = ("all any argmax argmin clip copy cumprod cumsum diagonal dot max mean min moment prod ptp ravel repeat round squeeze std sum swapaxes take trace "
        "var").split()


def reshape(self, *shape, order="C", merge_chunks=True, limit=None):
    """The same elements in another shape: x.reshape(2, -1) or x.reshape((2, -1))."""
    if not shape:
        raise TypeError("reshape() takes exactly 1 argument (0 given)")
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


def choose(self, choices, out=None, mode="raise"):
    """For each element the choice of that number."""
    from ._selection import choose

    return choose(self, choices, out, mode)


def view(self, dtype):
    """The same bytes as another dtype; if it is longer or shorter, the last axis becomes shorter or longer.

    >>> import tessera as ts
    >>> ts.asarray([1, 256], "u2").view("u1").compute()
    array([1, 0, 0, 1], dtype=uint8)
    """
    return make(lib.tsr_view(self._p, dtype_code(dtype)), self._s)


def topk(self, k, axis=-1, split_every=None):
    """The k greatest elements along an axis: see `tessera.topk`."""
    return _order.topk(self, k, axis)


def argtopk(self, k, axis=-1, split_every=None):
    """The indices of the k greatest elements along an axis: see `tessera.argtopk`."""
    return _order.argtopk(self, k, axis)


def to_hdf5(self, filename, datapath, **options):
    """Writes a dataset of an HDF5 file through h5py: see `tessera.to_hdf5`."""
    from ._stacks import to_hdf5

    return to_hdf5(filename, datapath, self, **options)


def to_zarr(self, *args, **options):
    """Writes a Zarr array through the package zarr: see `tessera.to_zarr`."""
    from ._stacks import to_zarr

    return to_zarr(self, *args, **options)


def shuffle(self, indexer, axis, chunks="auto"):
    """The elements at these indices along an axis, in chunks that are the lists of the indexer."""
    from ._places import shuffle

    return shuffle(self, indexer, axis, chunks)


for _name, _method in _products.operators().items():
    setattr(Array, _name, _method)
for _name in SAME:
    setattr(Array, _name, getattr(_functions, _name))
for _method in (reshape, transpose, flatten, map_blocks, map_overlap, nonzero, choose, view, topk, argtopk, to_hdf5, to_zarr, shuffle):
    setattr(Array, _method.__name__, _method)
