"""Results into files, and into anything that takes slices."""
from __future__ import annotations

import os

import numpy as np

from ._callbacks import fail, view
from ._core import Node, asnode
from ._lib import ffi, lib


def save(path, *arrays, format: str | None = None, **named) -> None:
    """Writes arrays into one file, which appears whole or not at all: NetCDF (.nc, .nc4) or .npy.

    Parameters
    ----------
    path : path
        The file; its ending gives the format.
    *arrays, **named
        The arrays; those given by keyword become variables of that name.
    format : {"nc", "nc4", "npy"}, optional
        The format, where the ending does not tell it.

    Examples
    --------
    >>> import numpy as np, os, tempfile, tessera as ts
    >>> path = os.path.join(tempfile.mkdtemp(), "x.npy")
    >>> ts.save(path, ts.arange(3))
    >>> np.load(path)
    array([0, 1, 2])
    """
    if isinstance(path, Node):
        raise TypeError("save: the path comes first, then the arrays")
    nodes = [asnode(a) for a in (*arrays, *named.values())]
    names = [ffi.NULL] * len(arrays) + [ffi.new("char[]", name.encode()) for name in named]
    if not nodes:
        raise ValueError("save: no arrays given")
    nodes[0]._s._run(lib.tsr_store, len(nodes), [n._p for n in nodes], names, os.fsencode(path), format.encode() if format else ffi.NULL)


def save_npy(file, arr, allow_pickle=True, fix_imports=True) -> None:
    """numpy.save of an array of ours: to a path block by block, whatever its size; to an open file as NumPy."""
    if hasattr(file, "write"):
        np.save(file, asnode(arr).compute(), allow_pickle=allow_pickle)
        return
    path = os.fspath(file)
    suffix = b".npy" if isinstance(path, bytes) else ".npy"
    save(path if path.endswith(suffix) else path + suffix, arr, format="npy")


def computed_first(function):
    """A function of NumPy's that writes values: it gets them."""
    def call(*args, **options):
        from ._functions import compute

        args, options = compute((args, options))[0]
        return function(*args, **options)

    return call


class _Target:
    """An object that takes slices, as a sink of the library."""

    def __init__(self, target, region, array: Node) -> None:
        self.target, self.dtype, self.session = target, array.dtype, array._s.handle()
        region = (slice(None),) * array.ndim if region is None else region if isinstance(region, tuple) else (region,)
        shape = getattr(target, "shape", None)
        slices = [r.indices(n) if shape is not None else (r.start or 0, 0, r.step or 1) for r, n in zip(region, shape or array.shape)]
        if any(step != 1 for _, _, step in slices):
            raise ValueError("store: the steps of regions must be 1")
        self.start = [start for start, _, _ in slices] + [0] * (array.ndim - len(slices))
        lengths = [stop - start for start, stop, _ in slices]
        if shape is not None and tuple(lengths) != array.shape[: len(lengths)]:
            raise ValueError(f"store: an array of shape {array.shape} does not fit into a region of shape {tuple(lengths)}")
        chunk = getattr(target, "chunks", None)
        regular = chunk is not None and len(chunk) == array.ndim and all(isinstance(c, (int, np.integer)) for c in chunk)
        self.chunk = ffi.new("int64_t[]", [int(c) for c in chunk]) if regular and array.ndim and not any(self.start) else ffi.NULL

    def write(self, start, shape, data) -> None:
        ndim = len(self.start)
        start, shape = ffi.unpack(start, ndim) if ndim else [], ffi.unpack(shape, ndim) if ndim else []
        self.target[tuple(slice(o + s, o + s + n) for o, s, n in zip(self.start, start, shape))] = view(data, self.dtype, tuple(shape))


@ffi.def_extern(error=lib.TSR_ERR_IO)
def glue_write(context, start, shape, data):
    target = ffi.from_handle(context)
    try:
        target.write(start, shape, data)
    except BaseException as error:
        return fail(target.session, error)
    return lib.TSR_OK


def store(sources, targets, lock=True, regions=None, compute=True, return_stored=False, **ignored) -> None:
    """Computes arrays together, block by block into things that take slices (`target[0:10] = values`): variables of h5py, zarr and
    netCDF4, NumPy arrays, memory maps. A target that is a path becomes a file, see `save`.

    Parameters
    ----------
    sources, targets : one or several
        What is stored, and where.
    lock : bool
        Whether one thread writes at a time. Default: yes.
    regions : tuple of slices, or one for each target, optional
        Which part of the target.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> target = np.zeros(4)
    >>> ts.store(ts.arange(4) * 2.0, target)
    >>> target
    array([0., 2., 4., 6.])
    """
    if isinstance(sources, Node):
        sources, targets, regions = [sources], [targets], None if regions is None else [regions]
    if not compute or return_stored:
        raise NotImplementedError("store: only compute=True and return_stored=False; an array that is not stored yet stays lazy by itself")
    nodes = [asnode(source) for source in sources]
    if len(nodes) != len(targets):
        raise ValueError(f"Different number of sources [{len(nodes)}] and targets [{len(targets)}]")
    if isinstance(regions, tuple) and all(isinstance(r, slice) for r in regions):
        regions = [regions] * len(nodes)
    if len(nodes) == 1 and isinstance(targets[0], (str, os.PathLike)):
        return save(targets[0], nodes[0])
    made = [_Target(t, r, n) for t, r, n in zip(targets, regions or [None] * len(nodes), nodes)]
    handles = [ffi.new_handle(target) for target in made]
    sinks = ffi.new("tsr_sink[]", [(lib.glue_write, handle, target.chunk, bool(lock)) for handle, target in zip(handles, made)])
    if nodes:
        nodes[0]._s._run(lib.tsr_store_to, len(nodes), [n._p for n in nodes], sinks)
