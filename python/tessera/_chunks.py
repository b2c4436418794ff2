"""`chunks=` as Dask has it, spelt for the library: an int, "auto", the bytes of a chunk ("16MiB"), -1 or None for a whole axis, one of
these (or the lengths of all chunks) for each axis, or a dict by axis."""
from __future__ import annotations

import math
import operator

from ._lib import ffi, lib, whole

AUTO, WHOLE = 0, -1
AUTO_BYTES = 8 << 20  # what "auto" aims at


def _one(item):
    """One axis: a length for the library, or a tuple with the lengths of all chunks."""
    if item is None:
        return WHOLE
    if isinstance(item, str):
        if item != "auto":
            raise ValueError(f"chunks: '{item}' is neither a number nor 'auto' here")
        return AUTO
    if isinstance(item, (tuple, list)):
        return tuple(map(whole, item))
    length = whole(item)
    if length == 0 or length < -1:
        raise ValueError(f"chunks: the length must be positive, -1 or 'auto', not {length}")
    return length


def _shared(room: float, steps: dict[int, float], shape) -> dict[int, int]:
    """Lengths of these axes whose product is at most `room`: each the same multiple of its step, but no longer than its axis."""
    lengths: dict[int, int] = {}
    while steps:
        times = (max(room, 1) / math.prod(steps.values())) ** (1 / len(steps)) * (1 + 1e-12)
        # What ends at its axis, or is one element already, leaves its share to the others.
        ended = {axis: shape[axis] if step * times >= shape[axis] else 1 for axis, step in steps.items() if not 1 < step * times < shape[axis]}
        if not ended:
            return lengths | {axis: int(step * int(times) if times >= 1 else step * times) for axis, step in steps.items()}
        lengths |= ended
        room /= max(math.prod(ended.values()), 1)
        steps = {axis: step for axis, step in steps.items() if axis not in ended}
    return lengths


def _texts(chunks) -> list[str]:
    items = chunks.values() if isinstance(chunks, dict) else chunks if isinstance(chunks, (tuple, list)) else [chunks]
    return [item for item in items if isinstance(item, str)]


def says_bytes(chunks) -> bool:
    """Does text such as "16MiB" stand anywhere in it?"""
    if type(chunks) is str:
        return chunks != "auto"
    return any(text != "auto" for text in _texts(chunks))


def in_bytes(chunks, shape, itemsize: int, limit=None, previous=None, now=None):
    """The same chunks with lengths where bytes or "auto" stood. Where there were chunks before, they are taken whole, as many of them as fit
    into the limit. `now`: the chunks of axes that a dict does not name."""
    from ._config import parse_bytes

    named = chunks if isinstance(chunks, dict) else dict(enumerate(chunks if isinstance(chunks, (tuple, list)) else [chunks] * len(shape)))
    texts = _texts(chunks)
    sizes = [item for item in texts if item != "auto"]
    if not texts or not isinstance(chunks, dict) and len(named) != len(shape):
        return chunks
    try:
        limit = min(map(parse_bytes, sizes)) if sizes else AUTO_BYTES if limit is None else parse_bytes(limit)
    except ValueError as error:
        raise ValueError(f"chunks: {error}") from None
    named = {axis + len(shape) if -len(shape) <= axis < 0 else axis: item for axis, item in named.items()}
    if isinstance(previous, (tuple, list)) and len(previous) != len(shape):
        raise ValueError(f"previous_chunks: {len(previous)} given for {len(shape)} dimension{'s' * (len(shape) != 1)}")
    room, steps = limit / itemsize, {}
    for axis, n in enumerate(shape):
        item = named.get(axis, now[axis] if now else WHOLE)
        if isinstance(item, str):
            before = 1 if previous is None else previous[axis]
            steps[axis] = min(max(before) if isinstance(before, (tuple, list)) else before, n) or 1
        else:
            room /= max(item, default=0) or 1 if isinstance(item, (tuple, list)) else n or 1 if item in (None, WHOLE) else min(item, n) or 1
    lengths = {axis: max(length, 1) for axis, length in _shared(room, steps, shape).items()}
    return {axis: lengths.get(axis, item) for axis, item in named.items()} if isinstance(chunks, dict) else [lengths.get(axis, named[axis]) for axis in named]


def parse(chunks, ndim: int, absent=WHOLE, shape=None, itemsize: int = 0) -> list | None:
    """One item for each axis (see _one), or None for all automatic. `absent` is for axes that a dict does not name. Bytes need a shape."""
    if type(chunks) is int:  # mostly
        return [_one(chunks)] * ndim
    if type(chunks) is str and chunks == "auto":
        return None
    if shape is not None and itemsize and says_bytes(chunks):
        chunks = in_bytes(chunks, shape, itemsize)
    if chunks is None or (isinstance(chunks, str) and chunks == "auto"):
        return None
    if isinstance(chunks, dict):
        items = [absent] * ndim
        for axis, item in chunks.items():
            if not -ndim <= operator.index(axis) < ndim:
                from numpy.exceptions import AxisError

                raise AxisError(axis, ndim, "chunks")
            items[axis] = _one(item)
        return items
    if not isinstance(chunks, (tuple, list)):
        return [_one(chunks)] * ndim
    if ndim == 1 and len(chunks) > 1 and all(not isinstance(c, (tuple, list, str)) for c in chunks):
        return [_one(tuple(chunks))]
    if len(chunks) != ndim:
        raise ValueError(f"chunks: {len(chunks)} given for {ndim} dimension{'s' * (ndim != 1)}")
    return [_one(item) for item in chunks]


def is_regular(items: list | None) -> bool:
    """Is there one length for each axis, or none at all?"""
    return items is None or tuple not in map(type, items)


def regular(items: list | None):
    """The library's argument: lengths; an axis with a list of lengths gets its longest (the list is applied by `irregular`)."""
    if items is None:
        return ffi.NULL
    if is_regular(items):
        return items
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
    if is_regular(items):
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
