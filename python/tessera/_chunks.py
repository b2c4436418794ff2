"""`chunks=` as Dask has it, spelt for the library: an int, "auto", -1 or None for a whole axis, one of these (or the lengths of
all chunks) for each axis, or a dict by axis."""
from __future__ import annotations


from ._lib import ffi, lib, whole

AUTO, WHOLE = 0, -1


def _one(item):
    """One axis: a length for the library, or a tuple with the lengths of all chunks."""
    if item is None:
        return WHOLE
    if isinstance(item, str):
        if item != "auto":
            raise ValueError(f"chunks: '{item}' is neither a number nor 'auto'")
        return AUTO
    if isinstance(item, (tuple, list)):
        return tuple(map(whole, item))
    length = whole(item)
    if length == 0 or length < -1:
        raise ValueError(f"chunks: the length must be positive, -1 or 'auto', not {length}")
    return length


def parse(chunks, ndim: int, absent=WHOLE) -> list | None:
    """One item for each axis (see _one), or None for all automatic. `absent` is for axes that a dict does not name."""
    if chunks is None or (isinstance(chunks, str) and chunks == "auto"):
        return None
    if isinstance(chunks, dict):
        items = [absent] * ndim
        for axis, item in chunks.items():
            if not -ndim <= axis < ndim:
                raise ValueError(f"chunks: there is no axis {axis} in {ndim} dimensions")
            items[axis] = _one(item)
        return items
    if not isinstance(chunks, (tuple, list)):
        return [_one(chunks)] * ndim
    if ndim == 1 and len(chunks) > 1 and all(not isinstance(c, (tuple, list, str)) for c in chunks):
        return [_one(tuple(chunks))]
    if len(chunks) != ndim:
        raise ValueError(f"chunks: {len(chunks)} given for {ndim} dimension{'s' * (ndim != 1)}")
    return [_one(item) for item in chunks]


def regular(items: list | None):
    """The library's argument: lengths; an axis with a list of lengths gets its longest (the list is applied by `irregular`)."""
    if items is None:
        return ffi.NULL
    return [max(item, default=WHOLE) or WHOLE if isinstance(item, tuple) else item for item in items]


def of(p, ndim: int) -> tuple[tuple[int, ...], ...]:
    """The chunks of an array as Dask shows them: for each axis the lengths of its chunks."""
    result = []
    for axis in range(ndim):
        n = lib.tsr_n_chunks(p, axis)
        out = ffi.new("int64_t[]", n)
        lib.tsr_chunk_sizes(p, axis, out)
        result.append(tuple(out))
    return tuple(result)


def rechunk(p, items: list | None):
    """A new reference to the array in these chunks."""
    if items is None or not any(isinstance(item, tuple) for item in items):
        return lib.tsr_rechunk(p, regular(items))
    counts, sizes = [], []
    for axis, item in enumerate(items):
        lengths = item if isinstance(item, tuple) else _cut(p, axis, item)
        counts.append(len(lengths))
        sizes += lengths
    return lib.tsr_rechunk_sizes(p, counts, sizes)


def _cut(p, axis: int, item: int) -> tuple[int, ...]:
    """The lengths that a single number stands for on this axis."""
    probe = lib.tsr_rechunk(p, [item if a == axis else WHOLE for a in range(lib.tsr_ndim(p))])
    try:
        return of(probe, lib.tsr_ndim(p))[axis]
    finally:
        lib.tsr_release(probe)
