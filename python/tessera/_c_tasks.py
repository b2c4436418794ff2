"""C functions as tasks: bytes in, bytes out, on any worker and without Python."""
from __future__ import annotations

import os
import pickle
import struct
from typing import Any

import numpy as np

from . import _pickling
from ._futures import Future, memory_of
from ._lib import check, ffi, lib

SMALL = 4096  # bytes; results below are copied


class CTask:
    """A C function for `Client.submit` and `map`: see `tessera.c_task`."""

    def __init__(self, kind: int, name: str, dtype, source: bytes | None, library: bytes | None, flags: str | None) -> None:
        self.__name__, self.dtype = name, None if dtype is None else np.dtype(dtype)
        text = lambda value: ffi.new("char[]", value) if value is not None else ffi.NULL  # noqa: E731
        self._kept = [text(source), text(library), text(name.encode()), text(flags.encode() if flags else None)]
        self.struct = ffi.new("tsr_task_function *", {"kind": kind, "name": self._kept[2], "code": self._kept[0], "code_size": len(source or b""),
                                                      "library": self._kept[1], "symbol": self._kept[2], "flags": self._kept[3]})
        self.identity = b"\0".join((name.encode(), source or b"", library or b"", (flags or "").encode()))

    def submit(self, client, calls: list, keys: list | None, pure: bool, options) -> list[Future]:
        """Futures of the calls, each a pair (args, kwargs)."""
        from ._client_tasks import NO_KEY
        from ._futures import user_key

        kept, rows, tasks = [], [], []
        for i, (args, kwargs) in enumerate(calls):
            if kwargs:
                raise TypeError(f"{self.__name__} is a C function, which has no arguments by name")
            mine = [_argument(value, kept) for value in args]
            key = user_key(keys[i]) if keys is not None else self._key(mine) if pure else NO_KEY
            tasks.append((key, len(mine), len(rows)))
            rows += mine
        arguments = ffi.new("tsr_task_arg[]", rows or 1)
        handles = ffi.new("tsr_future *[]", len(calls))
        check(lib.tsr_submit(client.handle(), self.struct, len(calls), ffi.new("tsr_task[]", [(key, n, arguments + at) for key, n, at in tasks]),
                             options.struct, handles))
        futures = [CFuture(None, client, handle, self.__name__) for handle in ffi.unpack(handles, len(calls))]
        for future, key in zip(futures, keys or ()):
            future._key = key
        for future in futures:
            future.dtype = self.dtype
        return futures

    def _key(self, rows: list) -> tuple[int, int]:
        parts = [self.identity]
        for future, data, size in rows:
            if future == ffi.NULL:
                parts.append(size.to_bytes(8, "little") + bytes(ffi.buffer(data, size)))
            else:
                key = lib.tsr_future_key(future)
                parts.append(b"future" + key.high.to_bytes(8, "little") + key.low.to_bytes(8, "little"))
        made_of = b"\0".join(parts)
        key = lib.tsr_key_of(ffi.from_buffer(made_of), len(made_of))
        return key.high, key.low


def _argument(value, kept: list) -> tuple:
    """A future, bytes, or what NumPy makes an array of, as tsr_task_arg."""
    if isinstance(value, Future):
        kept.append(value)
        return value._handle(), ffi.NULL, 0
    if type(value) is int:
        memory = value.to_bytes(8, "little", signed=True)
    elif type(value) is float:
        memory = struct.pack("<d", value)
    else:
        memory = value if isinstance(value, (bytes, bytearray, memoryview)) else np.ascontiguousarray(value)
    kept.append(memory)
    data = ffi.from_buffer(memory.reshape(-1).view(np.uint8) if isinstance(memory, np.ndarray) else memory)
    kept.append(data)
    return ffi.NULL, data, len(data)


class CFuture(Future):
    """The result of a C function: an array of its dtype, or bytes."""

    __slots__ = ("dtype",)

    def _decode(self, bytes_) -> Any:
        if bytes_.size < SMALL:
            memory = ffi.buffer(bytes_.data, bytes_.size)[:] if bytes_.size else b""
            lib.tsr_bytes_release(bytes_)
        else:
            memory = memory_of(bytes_)
        return _elements(memory, self.dtype)

    def _about(self) -> bytes:
        return pickle.dumps(self.dtype, 5)

    def __reduce__(self):
        function, parts = super().__reduce__()
        if function is _pickling.nth_result:
            return _nth_elements, (*parts, self.dtype)
        return _unpickled, (function, parts, self.dtype)


def _elements(memory, dtype) -> Any:
    return bytes(memory) if dtype is None else np.frombuffer(memory, dtype)


def _nth_elements(i: int, dtype) -> Any:
    """What stands for the future in pickled arguments."""
    return _elements(_pickling.nth_memory(i), dtype)


def _unpickled(function, parts: tuple, dtype) -> CFuture:
    return future_of_dtype(function(*parts), dtype)


def future_of_dtype(future: Future, dtype) -> CFuture:
    """The same result, as that of a C function with results of this dtype."""
    made = CFuture(future._key, future.client, future._f, future._name)
    made.dtype = dtype
    future._f = ffi.NULL  # the handle is the other's
    return made


def c_task(source: str | None = None, symbol: str = "task", *, library=None, flags: str | None = None, dtype=None) -> CTask:
    """A C function for `Client.submit` and `Client.map`, which runs on workers with and without Python.

    Parameters
    ----------
    source : str, optional
        C text that defines `tsr_status SYMBOL(int n_args, const tsr_bytes *args, tsr_task_result *result)`.
        Nothing needs to be included: these are declared. Each worker compiles it once.
    symbol : str
        The function's name.
    library : path, optional
        Instead of the text, a shared library that lies on the workers.
    flags : str, optional
        More flags for the compiler.
    dtype : dtype, optional
        Results come as one-dimensional arrays of this dtype. Default: as bytes.

    Arguments of calls are NumPy arrays and numbers (the function gets their memory), bytes, and futures of C functions.

    Examples
    --------
    >>> import tessera as ts
    >>> total = ts.c_task('''
    ... tsr_status task(int n_args, const tsr_bytes *args, tsr_task_result *result)
    ... {
    ...     double sum = 0;
    ...     for (size_t i = 0; i < args[0].size / sizeof sum; i++) sum += ((const double *)args[0].data)[i];
    ...     return tsr_task_result_set(result, &sum, sizeof sum);
    ... }''', dtype=float)
    >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
    ...     client.submit(total, [1.0, 2.5]).result()
    array([3.5])
    """
    if (source is None) == (library is None):
        raise TypeError("c_task: give either source or library")
    if source is not None:
        return CTask(lib.TSR_TASK_SOURCE, symbol, dtype, source.encode(), None, flags)
    return CTask(lib.TSR_TASK_LIBRARY, symbol, dtype, None, os.fsencode(os.path.abspath(library)), flags)
