"""Arrays in folders of .npy files, and in HDF5 and Zarr through the packages of these: h5py, zarr."""
from __future__ import annotations

import os
import pathlib
import pickle

import numpy as np

from ._core import asnode
from ._creation import from_array
from ._manipulation import concatenate
from ._store import store

# ---- Folders of .npy files, as Dask has them: 0.npy, 1.npy, ... along an axis, and "info", a pickle of plain numbers -----------------------------


class _Plain(pickle.Unpickler):
    """Reads dtypes and numbers and nothing else: a pickle from somewhere else could run anything."""

    def find_class(self, module: str, name: str):
        if (module, name) in (("numpy", "dtype"), ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is none of the things that describe a stack of .npy files")


def to_npy_stack(dirname, x, axis=0):
    """Writes an array as a folder of .npy files, one for each chunk along an axis, which `from_npy_stack` and Dask read.

    >>> import tempfile, tessera as ts
    >>> folder = tempfile.mkdtemp()
    >>> ts.to_npy_stack(folder, ts.arange(6, chunks=2))
    >>> ts.from_npy_stack(folder).chunks
    ((2, 2, 2),)
    """
    x = asnode(x)
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim)
    axis %= x.ndim
    chunks = tuple(c if d == axis else (sum(c),) for d, c in enumerate(x.chunks))
    folder = pathlib.Path(dirname)
    folder.mkdir(parents=True, exist_ok=True)
    ends = np.cumsum((0, *chunks[axis])).tolist()
    parts = [x[(slice(None),) * axis + (slice(start, stop),)] for start, stop in zip(ends, ends[1:])]
    targets = [np.lib.format.open_memmap(folder / f"{i}.npy", "w+", part.dtype, part.shape) if part.size else np.save(folder / f"{i}.npy", part.compute())
               for i, part in enumerate(parts)]
    pairs = [(part, target) for part, target in zip(parts, targets) if target is not None]
    store([part for part, _ in pairs], [target for _, target in pairs])
    for _, target in pairs:
        target.flush()
    (folder / "info").write_bytes(pickle.dumps({"chunks": chunks, "dtype": x.dtype, "axis": axis}))


def from_npy_stack(dirname, mmap_mode="r"):
    """The array of a folder that `to_npy_stack` or Dask has written, a chunk for each file.

    >>> import tempfile, tessera as ts
    >>> folder = tempfile.mkdtemp()
    >>> ts.to_npy_stack(folder, ts.arange(6, chunks=2))
    >>> ts.from_npy_stack(folder).sum().compute()
    np.int64(15)
    """
    from ._dataset import open_array

    folder = pathlib.Path(dirname)
    with open(folder / "info", "rb") as file:
        info = _Plain(file).load()
    parts = [open_array(folder / f"{i}.npy", chunks=-1) for i in range(len(info["chunks"][info["axis"]]))]
    return concatenate(parts, info["axis"]).astype(info["dtype"])


# ---- Formats of other packages ----------------------------------------------------------------------------------------------------------------------


def _package(name: str, function: str):
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{function} needs the package {name}: pip install {name}") from error


def _even(x):
    """The array in chunks of equal length, as files have them."""
    regular = all(len(set(c[:-1])) <= 1 and c[-1] <= c[0] for c in x.chunks if c)
    return x if regular else x.rechunk(x.chunksize)


def to_hdf5(filename, *args, chunks=True, **options):
    """Writes arrays as datasets of an HDF5 file, which is made if there is none, through h5py: to_hdf5("x.h5", "/x", x) or with a dict of several.
    `ts.save("x.nc4", x=x)` needs no package, and writes NetCDF-4, which is HDF5, too.

    Parameters
    ----------
    chunks : True, tuple or None
        Of the datasets. Default: the array's.
    **options
        For h5py's `require_dataset`: compression="gzip", shuffle=True ...
    """
    if len(args) == 1 and isinstance(args[0], dict):
        pairs = args[0]
    elif len(args) == 2 and isinstance(args[0], str):
        pairs = {args[0]: args[1]}
    else:
        raise ValueError("Please provide {'/data/path': array} dictionary")
    nodes = {path: _even(asnode(array)) for path, array in pairs.items()}
    with _package("h5py", "to_hdf5").File(filename, "a") as file:
        targets = [file.require_dataset(path, shape=x.shape, dtype=x.dtype, chunks=x.chunksize if chunks is True and x.ndim and x.size else chunks or None, **options)
                   for path, x in nodes.items()]
        store(list(nodes.values()), targets)


def _zarr_place(url, component, storage_options):
    """Where it is, for zarr.open_array and its like."""
    place = {"store": os.fspath(url) if isinstance(url, os.PathLike) else url}
    if component:
        place["path"] = component
    if storage_options:
        place["storage_options"] = storage_options
    return place


def from_zarr(url, component=None, storage_options=None, chunks=None, name=None, inline_array=False, **options):
    """An array of a Zarr store, read through the package zarr chunk by chunk.

    Parameters
    ----------
    url : path, URL, zarr.Array or store
        Where it is; `component` names an array in a group.
    chunks : optional
        As elsewhere. Default: the chunks (of zarr's shards: the shards) of the store.
    **options
        For `zarr.open_array`.
    """
    zarr = _package("zarr", "from_zarr")
    array = url if isinstance(url, zarr.Array) else zarr.open_array(**_zarr_place(url, component, storage_options), mode="r", **options)
    return from_array(array, chunks=chunks if chunks is not None else getattr(array, "shards", None) or array.chunks if array.ndim else "auto")


def to_zarr(arr, url, component=None, storage_options=None, region=None, compute=True, return_stored=False, overwrite=False, **options):
    """Writes an array to a Zarr store through the package zarr; each chunk is written by one thread.

    Parameters
    ----------
    url : path, URL, store, or zarr.Array
        An array that is there already takes the values (of `region`); otherwise one is made, with the chunks of `arr`.
    component : str, optional
        Its path in a group.
    **options
        For `zarr.create_array`.
    """
    zarr = _package("zarr", "to_zarr")
    if not compute or return_stored:
        raise NotImplementedError("to_zarr: only compute=True and return_stored=False; an array that is not stored yet stays lazy by itself")
    x = _even(asnode(arr))
    if isinstance(url, zarr.Array):
        return store(x, url, regions=None if region is None else region)
    if region is not None:
        raise ValueError("Cannot use `region` keyword when url is not a `zarr.Array` instance")
    place = _zarr_place(url, component, storage_options)
    place["name"] = place.pop("path", None)
    store(x, zarr.create_array(**place, shape=x.shape, dtype=x.dtype, chunks=x.chunksize if x.size and x.ndim else "auto", overwrite=overwrite, **options))
