"""xarray's way to us: a chunk manager, found through the entry point `xarray.chunkmanagers`.

    xr.open_dataset("x.nc", chunks={}, chunked_array_type="tessera")
    da.chunk(time=10, chunked_array_type="tessera")
"""
from __future__ import annotations

import numpy as np
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

import tessera as ts


class TesseraManager(ChunkManagerEntrypoint["ts.Array"]):
    """What xarray asks of chunked arrays, answered by Tessera."""

    array_cls = ts.Array
    available = True

    def __init__(self) -> None:
        pass

    def chunks(self, data):
        return data.chunks

    def normalize_chunks(self, chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
        return ts.normalize_chunks(chunks, shape, limit, dtype, previous_chunks)

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
        return ts.unify_chunks(*args)

    def store(self, sources, targets, **kwargs):
        return ts.store(sources, targets, lock=kwargs.get("lock", True), regions=kwargs.get("regions"))

    def get_auto_chunk_size(self) -> int:
        return 8 * 2**20
