"""Chunks as the subject: common borders, what `chunks=` stands for, other shapes block by block."""
from __future__ import annotations

import numpy as np

from ._blocks import _chunk_structs
from ._chunks import in_bytes
from ._core import asnode, make
from ._creation import shape_of, zeros
from ._lib import CODES, ffi, lib


def unify_chunks(*args, **ignored):
    """Arrays with common borders along axes that share a label.

    Parameters
    ----------
    *args
        Arrays, each followed by the labels of its axes, or by None for what is no array.

    Returns
    -------
    tuple
        The chunks for each label, and the list of arrays.

    Examples
    --------
    >>> import tessera as ts
    >>> chunks, arrays = ts.unify_chunks(ts.ones(10, chunks=5), "i", ts.ones(10, chunks=4), "i")
    >>> chunks
    {'i': (4, 1, 3, 2)}
    """
    pairs = list(zip(args[::2], args[1::2]))
    nodes = [a if ind is None else asnode(a) for a, ind in pairs]
    borders: dict = {}
    lengths: dict = {}
    for array, (_, ind) in zip(nodes, pairs):
        for label, parts, n in zip(ind or (), getattr(array, "chunks", ()), getattr(array, "shape", ())):
            if lengths.setdefault(label, n) == 1:
                lengths[label] = n
            if n not in (1, lengths[label]):
                raise ValueError(f"unify_chunks: along '{label}' one array has {n} elements, another {lengths[label]}")
            borders.setdefault(label, set()).update(np.cumsum(parts).tolist() if n != 1 else ())
    chunks = {label: tuple(np.diff([0, *sorted(ends)]).tolist()) or (lengths[label],) for label, ends in borders.items()}
    arrays = [a if ind is None else a.rechunk(tuple(c if n == 1 else chunks[label] for label, c, n in zip(ind, a.chunks, a.shape)))
              for a, (_, ind) in zip(nodes, pairs)]
    return chunks, arrays


def normalize_chunks(chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
    """What `chunks` stands for in an array of this shape: for each axis the lengths of all chunks.

    Where it says "auto", chunks have at most `limit` bytes (8 MiB) of this dtype, and are made of whole `previous_chunks` if those are given.

    >>> import tessera as ts
    >>> ts.normalize_chunks((4, -1), (10, 5))
    ((4, 4, 2), (5,))
    >>> ts.normalize_chunks("auto", (7, 100, 100), limit="240kB", dtype="f8", previous_chunks=(1, 100, 100))
    ((3, 3, 1), (100,), (100,))
    """
    if shape is None:
        if not all(isinstance(c, (tuple, list)) for c in chunks):
            raise ValueError("normalize_chunks: shape= is needed")
        shape = tuple(sum(c) for c in chunks)
    shape = shape_of(shape)
    if limit is not None or previous_chunks is not None:
        chunks = in_bytes(chunks, shape, np.dtype(dtype if dtype is not None else float).itemsize or 1, limit, previous_chunks)
    return zeros(shape, dtype if dtype is not None and np.dtype(dtype) in CODES else float, chunks=chunks).chunks


normalize_chunks_cached = normalize_chunks  # Dask's other name; there is nothing to keep


def reshape_blockwise(x, shape, chunks=None):
    """Another shape block by block: the elements of each block stay together, so nothing moves between blocks, and the order of the elements is
    not that of `reshape`.

    Parameters
    ----------
    shape : tuple of int
        Neighbouring dimensions may become one.
    chunks : tuple of tuples, optional
        For each axis of the result the lengths of all chunks; needed where there are more dimensions than before.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> x = ts.from_array(np.arange(16).reshape(4, 4), chunks=2)
    >>> y = ts.reshape_blockwise(x, (16,))
    >>> y.compute()
    array([ 0,  1,  4,  5,  2,  3,  6,  7,  8,  9, 12, 13, 10, 11, 14, 15])
    >>> bool((ts.reshape_blockwise(y, (4, 4), chunks=((2, 2), (2, 2))) == x).all())
    True
    """
    x = asnode(x)
    shape = shape_of(shape)
    if -1 in shape:
        rest = int(np.prod([n for n in shape if n != -1], dtype=np.int64))
        shape = tuple(x.size // rest if n == -1 and rest else n for n in shape)
    if shape == x.shape:
        return x
    if chunks is None and len(shape) > x.ndim:
        raise TypeError("Need to specify chunks if expanding dimensions.")
    if chunks is not None and len(shape) < x.ndim:
        raise ValueError("Setting chunks is not allowed when reducing the number of dimensions.")
    structs, kept = (ffi.NULL, None) if chunks is None else _chunk_structs([tuple(c) for c in chunks])
    return make(lib.tsr_reshape_blocks(x._p, len(shape), shape, structs), x._s)
