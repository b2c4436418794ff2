"""xarray's way to us: a chunk manager, found through the entry point `xarray.chunkmanagers`.

    xr.open_dataset("x.nc", chunks={}, chunked_array_type="tessera")
    da.chunk(time=10, chunked_array_type="tessera")
"""
from __future__ import annotations

import numpy as np
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

import tessera as ts

from ._lib import CODES


class TesseraManager(ChunkManagerEntrypoint["ts.Array"]):
    """What xarray asks of chunked arrays, answered by Tessera."""

    array_cls = ts.Array
    available = True

    def __init__(self) -> None:
        pass

    def chunks(self, data):
        return data.chunks

    def normalize_chunks(self, chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
        dtype = dtype if dtype is not None and np.dtype(dtype) in CODES else np.float64
        return ts.zeros(shape, dtype, chunks=chunks).chunks

    def from_array(self, data, chunks, **kwargs):
        return ts.from_array(data, chunks)

    def rechunk(self, data, chunks, **kwargs):
        return data.rechunk(chunks)

    def compute(self, *data, **kwargs):
        return tuple(np.asarray(values) for values in ts.compute(*data))

    def persist(self, *data, **kwargs):
        return ts.persist(*data)

    @property
    def array_api(self):
        return ts

    def reduction(self, arr, func, combine_func=None, aggregate_func=None, axis=None, dtype=None, keepdims=False):
        return ts.reduction(arr, func, aggregate_func or func, axis, keepdims, combine_func, dtype)

    def scan(self, func, binop, ident, arr, axis=None, dtype=None, **kwargs):
        names = {np.add: ts.cumsum, np.multiply: ts.cumprod}
        if binop not in names:
            raise NotImplementedError(f"tessera has running sums and products only, not {binop}")
        return names[binop](arr, axis, dtype)

    def apply_gufunc(self, func, signature, *args, output_dtypes=None, **kwargs):
        return ts.apply_gufunc(func, signature, *args, output_dtypes=output_dtypes, **kwargs)

    def map_blocks(self, func, *args, **kwargs):
        return ts.map_blocks(func, *args, **kwargs)

    def blockwise(self, func, out_ind, *args, **kwargs):
        return ts.blockwise(func, out_ind, *args, **kwargs)

    def unify_chunks(self, *args, **kwargs):
        """The arrays with common borders for each label, as Dask's unify_chunks."""
        pairs = list(zip(args[::2], args[1::2]))
        borders: dict = {}
        for array, ind in pairs:
            for label, lengths in zip(ind or (), getattr(array, "chunks", ())):
                borders.setdefault(label, set()).update(np.cumsum(lengths).tolist())
        chunks = {label: tuple(np.diff([0, *sorted(ends)]).tolist()) for label, ends in borders.items()}
        arrays = [a if ind is None else ts.asarray(a).rechunk(tuple(c if n == 1 else chunks[label] for label, c, n in zip(ind, ts.asarray(a).chunks, a.shape)))
                  for a, ind in pairs]
        return chunks, arrays

    def store(self, sources, targets, **kwargs):
        return ts.store(sources, targets, lock=kwargs.get("lock", True), regions=kwargs.get("regions"))

    def get_auto_chunk_size(self) -> int:
        return 8 * 2**20
