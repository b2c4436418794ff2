"""Images: many files as one lazy array."""
from __future__ import annotations

import glob
import os
import re

from typing import TYPE_CHECKING

import numpy as np

from ._blocks import map_blocks
from ._core import make
from ._lib import ffi, lib
from ._session import current

if TYPE_CHECKING:
    from ._array import Array

__all__ = ["imread"]


def _natural(path: str) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]


def _found(filename) -> list[str]:
    """The files that are meant; those that match a pattern in natural order: t9 before t10."""
    names = [filename] if isinstance(filename, (str, os.PathLike)) else list(filename)
    files = []
    for name in map(os.fspath, names):
        files += [name] if os.path.exists(name) else sorted(glob.glob(name), key=_natural)
    if not files:
        raise ValueError(f"No files found under name {', '.join(map(os.fspath, names))}")
    return files


def _read_by(function, preprocess, files: list[str]):
    """One block for each file, read by a function of Python."""
    def read(path):
        return np.asarray(function(path) if preprocess is None else preprocess(function(path)))

    def block(block_id):
        image = read(files[block_id[0]])
        if image.shape != first.shape:
            raise ValueError(f"{files[block_id[0]]} has the shape {image.shape}, the first file of the stack {first.shape}")
        return image[None]

    first = read(files[0])
    return map_blocks(block, chunks=((1,) * len(files), *((n,) for n in first.shape)), dtype=first.dtype, name="imread")


def imread(filename, imread=None, preprocess=None, *, chunks="auto") -> Array:
    """Images as one array of shape (files, height, width) or (files, height, width, channels), with Dask's arguments.

    PNG, JPEG and TIFF files are decoded by the library, on all threads, when their values are needed; of TIFF files only the tiles or
    strips that are asked for. Pages of a TIFF file are an axis after that of the files.

    Parameters
    ----------
    filename : path, pattern, or list of them
        What matches a pattern comes in natural order: "t9.png" before "t10.png".
    imread : callable, optional
        Reads a file instead, for other formats: gets the path, returns a NumPy array. One file is one block then.
    preprocess : callable, optional
        Gets each image as a NumPy array, returns what to put in its place.
    chunks : "auto", int, or as in `Array.rechunk`
        A number: files in a block. Default: blocks of about 8 MiB. With `imread` or `preprocess` one file.

    Raises
    ------
    ValueError
        No file matches; when values are computed: a file has another shape or dtype than the first.
    FormatError
        The first file is of no known format; when values are computed: a file is damaged.

    Examples
    --------
    >>> import numpy as np, os, tempfile, tessera as ts
    >>> folder = tempfile.mkdtemp()
    >>> for i in range(3):
    ...     np.save(os.path.join(folder, f"t{i}.npy"), np.full((4, 5), i))
    >>> x = ts.image.imread(os.path.join(folder, "t*.npy"))
    >>> x.shape, x.mean().compute()
    ((3, 4, 5), np.float64(1.0))
    """
    files = _found(filename)
    if imread is not None:
        array = _read_by(imread, preprocess, files)
        return array if chunks == "auto" else array.rechunk({0: chunks} if isinstance(chunks, int) else chunks)
    session = current()
    kept = [ffi.new("char[]", os.fsencode(f)) for f in files]
    lengths = ffi.NULL
    if preprocess is not None or isinstance(chunks, int):
        lengths = ffi.new("int64_t[]", [chunks if preprocess is None else 1] + [-1] * 15)
    array = make(lib.tsr_open_stack(session.handle(), len(kept), ffi.new("char *[]", kept), lengths), session)
    if preprocess is None:
        return array if lengths != ffi.NULL or chunks == "auto" else array.rechunk(chunks)
    first = np.asarray(preprocess(array[0].compute()))
    made = array.map_blocks(lambda block: np.asarray(preprocess(block[0]))[None], dtype=first.dtype, name="preprocess",
                            drop_axis=tuple(range(1, array.ndim)), new_axis=tuple(range(1, first.ndim + 1)),
                            chunks=((1,) * len(files), *((n,) for n in first.shape)))
    return made if chunks == "auto" else made.rechunk({0: chunks} if isinstance(chunks, int) else chunks)
