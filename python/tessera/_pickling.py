"""Values as bytes: pickle's protocol 5, with the memory of arrays beside the pickle and never copied into it.

A *message* is one piece of memory: a plain pickle (it begins with 0x80), or, where arrays go along,

    byte 0        8                16 ...                      then, each from a multiple of 64 bytes on
    +-------------+----------------+---------------------------+--------+----------+----------+--
    | "TSRPICKL"  | u64 n buffers  | n x u64 bytes, u64 pickle | pickle | buffer 0 | buffer 1 | ..
    +-------------+----------------+---------------------------+--------+----------+----------+--

All numbers are little endian. What is read stays where it lies: arrays are views of the message, and cannot be written to.
"""
from __future__ import annotations

import pickle
import struct
import threading

MAGIC = b"TSRPICKL"
IN_BAND = 4096  # bytes; smaller buffers are copied into the pickle
ALIGNMENT = 64

# While arguments of a task are pickled: the futures among them. While they are read: the futures' results.
local = threading.local()


def cloudpickle():
    """The module that pickles functions by value."""
    try:
        import cloudpickle.cloudpickle  # in the order of pickles that are read meanwhile: threads that lock modules in another are stuck
    except ImportError:
        raise ImportError("functions are sent to workers with the package cloudpickle, which is not installed: pip install cloudpickle") from None
    return cloudpickle


PLAIN = frozenset((int, float, bool, str, bytes, type(None), complex))


def dumps(value) -> tuple[bytes, list]:
    """The pickle of a value, and the memory that goes beside it."""
    if type(value) in PLAIN:
        return pickle.dumps(value, 5), []
    buffers: list = []

    def beside(buffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < IN_BAND:
            return True
        buffers.append(raw)
        return False

    collected = len(getattr(local, "futures", ()))
    try:
        data = pickle.dumps(value, 5, buffer_callback=beside)
        if b"__main__" not in data:
            return data, buffers
    except Exception:  # functions and classes that cannot be imported go by value
        pass
    buffers.clear()
    if collected < len(getattr(local, "futures", ())):
        del local.futures[collected:]
    return cloudpickle().dumps(value, 5, buffer_callback=beside), buffers


def dump_function(function) -> bytes:
    """A function by value, so that it need not exist where it is called."""
    return cloudpickle().dumps(function, 5)


def _up(n: int) -> int:
    return -(-n // ALIGNMENT) * ALIGNMENT


def message(value) -> tuple[int, list]:
    """A value as a message: its size, and its parts as (offset, memory)."""
    data, buffers = dumps(value)
    if not buffers:
        return len(data), [(0, data)]
    head = MAGIC + struct.pack(f"<{len(buffers) + 2}Q", len(buffers), *(b.nbytes for b in buffers), len(data))
    parts, at = [(0, head), (len(head), data)], _up(len(head) + len(data))
    for buffer in buffers:
        parts.append((at, buffer))
        at = _up(at + buffer.nbytes)
    return at, parts


def read(memory):
    """The value of a message that lies in a memoryview."""
    if memory[:8] != MAGIC:
        return pickle.loads(memory)
    n = struct.unpack_from("<Q", memory, 8)[0]
    *sizes, length = struct.unpack_from(f"<{n + 1}Q", memory, 16)
    at = 24 + 8 * n
    pickled, at, buffers = memory[at:at + length], _up(at + length), []
    for size in sizes:
        buffers.append(memory[at:at + size])
        at = _up(at + size)
    return pickle.loads(pickled, buffers=buffers)


# ---- Arguments of tasks -----------------------------------------------------------------------------------------------------
# A task's first argument is a u16, the number of buffers, and the pickle of (args, kwargs); then come the buffers, then the results
# of the futures that are somewhere in it.

NO_BUFFERS = struct.pack("<H", 0)
MOST_BUFFERS = 0xFFFF


def dump_arguments(args: tuple, kwargs: dict) -> tuple[bytes, list, list]:
    """The first argument of a task, the buffers and the futures beside it."""
    if not kwargs and PLAIN.issuperset(map(type, args)):
        return NO_BUFFERS + pickle.dumps((args, kwargs), 5), [], []
    local.futures = futures = []
    try:
        data, buffers = dumps((args, kwargs))
    finally:
        del local.futures
    if not buffers:
        return NO_BUFFERS + data, buffers, futures
    if len(buffers) > MOST_BUFFERS:
        raise ValueError(f"a task has {len(buffers)} arrays in its arguments; {MOST_BUFFERS} are possible: scatter them first")
    return struct.pack("<H", len(buffers)) + data, buffers, futures


def load_arguments(memories: list) -> tuple[tuple, dict]:
    """args and kwargs of a task, futures replaced by their results."""
    first = memories[0]
    n = first[0] | first[1] << 8
    if len(memories) == 1:
        return pickle.loads(first[2:])
    local.results = memories[1 + n:]
    try:
        return pickle.loads(first[2:], buffers=memories[1:1 + n])
    finally:
        del local.results


def nth_memory(i: int):
    """Of the result that a future in pickled arguments stands for."""
    return local.results[i]


def nth_result(i: int):
    """What stands for a future in pickled arguments."""
    return read(local.results[i])
