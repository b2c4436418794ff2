"""Python functions that the library calls: on the engine's threads, under the GIL, one at a time.

An exception in one ends the computation and arrives at the caller as it was raised, with a note of the block that it happened in.
"""
from __future__ import annotations

import numpy as np

from ._base import address as _address, hold, let_go
from ._lib import DTYPES, dense, ffi, lib

# The first exception of the computation that runs in a session, by the session's address.
_raised: dict[int, BaseException] = {}


def fail(session, error: BaseException) -> int:
    """Notes an exception for whoever waits for the session; the status that the library gets."""
    _raised.setdefault(_address(session), error)
    return lib.tsr_fail(lib.TSR_ERR_VALUE, f"{type(error).__name__}: {error}".encode())


def take_exception(session, text: str) -> BaseException | None:
    """The exception that ended the session's computation, if one did; `text` is what the library says of it."""
    error = _raised.pop(_address(session), None)
    if error is not None and hasattr(error, "add_note"):
        error.add_note(text)
    return error


class Source:
    """Something that is read by slices, which give arrays of `dtype`."""

    def __init__(self, value, dtype, session) -> None:
        self.value, self.session = value, session
        self.ndim, self.dtype = len(value.shape), np.dtype(dtype)

    def read(self, start, shape, out) -> None:
        start, shape = ffi.unpack(start, self.ndim) if self.ndim else [], ffi.unpack(shape, self.ndim) if self.ndim else []
        region = tuple(slice(s, s + n) for s, n in zip(start, shape))
        target = view(out, self.dtype.newbyteorder("="), tuple(shape))
        np.copyto(target, dense(self.value[region if region else ()]), casting="same_kind")


def view(data, dtype: np.dtype, shape: tuple) -> np.ndarray:
    """The memory that the library lends us, as an array."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.frombuffer(ffi.buffer(data, size), dtype).reshape(shape)


@ffi.def_extern(error=lib.TSR_ERR_VALUE)
def glue_read(context, start, shape, out):
    source = ffi.from_handle(context)
    try:
        source.read(start, shape, out)
    except BaseException as error:
        return fail(source.session, error)
    return lib.TSR_OK


def _put(result: np.ndarray, output: np.ndarray, infos) -> None:
    """What a function returned, into its block. As for Dask, first axes of length 1 may be missing; nothing is repeated to fill the block."""
    if (1,) * (output.ndim - result.ndim) + result.shape != output.shape:
        raise ValueError(f"block {infos()[None]['chunk-location']}: the function returned the shape {result.shape} where {output.shape} was expected; "
                         "chunks=, drop_axis= and new_axis= say what the blocks of the result are")
    output[...] = result


class BlockFunction:
    """A Python function of blocks, and what it is called with besides them."""

    def __init__(self, function, arguments: tuple, options: dict, session, wants: frozenset) -> None:
        self.function, self.arguments, self.options, self.session, self.wants = function, arguments, options, session, wants

    def __call__(self, blocks: list, output: np.ndarray, infos) -> None:
        following = iter(blocks)
        arguments = [next(following) if argument is BLOCK else argument for argument in self.arguments]
        options = dict(self.options)
        if "block_id" in self.wants:
            options["block_id"] = infos()[None]["chunk-location"]
        if "block_info" in self.wants:
            options["block_info"] = infos()
        _put(dense(self.function(*arguments, **options)), output, infos)

    def failed(self, error: BaseException) -> int:
        """Tells of an exception in the function; the status that the library gets."""
        return fail(self.session, error)


class _Block:
    """The one object of its kind, also after pickling."""

    def __reduce__(self) -> str:
        return "BLOCK"


BLOCK = _Block()  # stands for an array among the arguments


def _array_of(block) -> np.ndarray:
    return view(block.data, DTYPES[block.dtype], tuple(ffi.unpack(block.shape, block.ndim)) if block.ndim else ())


def _info(block) -> dict:
    """Dask's description of a block."""
    start, shape = (ffi.unpack(p, block.ndim) if block.ndim else [] for p in (block.start, block.shape))
    index, count, whole = (ffi.unpack(p, block.ndim) if block.ndim else [] for p in (block.index, block.n_blocks, block.array_shape))
    return {"shape": tuple(whole), "num-chunks": tuple(count), "array-location": [(s, s + n) for s, n in zip(start, shape)],
            "chunk-location": tuple(index), "chunk-shape": tuple(shape), "dtype": DTYPES[block.dtype]}


@ffi.def_extern(error=lib.TSR_ERR_VALUE)
def glue_block(context, n_inputs, inputs, output):
    function = ffi.from_handle(context)
    try:
        blocks = [_array_of(inputs[i]) for i in range(n_inputs)]
        for block in blocks:
            block.flags.writeable = False
        function(blocks, _array_of(output), lambda: {**{i: _info(inputs[i]) for i in range(n_inputs)}, None: _info(output)})
    except BaseException as error:
        return function.failed(error)
    return lib.TSR_OK
