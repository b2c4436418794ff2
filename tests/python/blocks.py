"""Block functions spelled for the tests: Python callables as tsr_function, sources, chunks. Python runs under its own lock, so several
threads in C take turns here; functions in C are in tests/faults/threads_test.c and in the examples."""
import ctypes as ct
import sys

import numpy as np

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from tsr import B, I, L, P, numbers  # noqa: E402

LP = ct.POINTER(L)


class Block(ct.Structure):
    _fields_ = [("data", P), ("dtype", I), ("ndim", I), ("shape", LP), ("strides", LP), ("start", LP), ("index", LP), ("n_blocks", LP), ("array_shape", LP)]

    def tuple(self, field):
        return tuple(getattr(self, field)[d] for d in range(self.ndim))

    def array(self):
        shape, dtype = self.tuple("shape"), tsr.DTYPES[self.dtype]
        n = int(np.prod(shape)) * dtype.itemsize
        if n == 0:
            return np.empty(shape, dtype)
        assert self.tuple("strides") == np.empty(shape, dtype).strides and self.data % dtype.itemsize in (0, 8)
        return np.frombuffer((ct.c_char * n).from_address(self.data), dtype).reshape(shape)


CALL = ct.CFUNCTYPE(I, P, I, ct.POINTER(Block), ct.POINTER(Block))
RELEASE = ct.CFUNCTYPE(None, P)
READ = ct.CFUNCTYPE(I, P, LP, LP, P)


class Function(ct.Structure):
    _fields_ = [("call", CALL), ("context", P), ("release", RELEASE), ("name", ct.c_char_p), ("identity", ct.c_char_p), ("identity_bytes", ct.c_size_t), ("serial", B)]


class Chunks(ct.Structure):
    _fields_ = [("n", L), ("lengths", LP)]


class MapOptions(ct.Structure):
    _fields_ = [("n_drop", I), ("n_new", I), ("drop_axis", ct.POINTER(I)), ("new_axis", ct.POINTER(I)), ("chunks", ct.POINTER(Chunks))]


class BlockInput(ct.Structure):
    _fields_ = [("array", P), ("labels", ct.POINTER(I))]


class BlockOutput(ct.Structure):
    _fields_ = [("dtype", I), ("ndim", I), ("labels", ct.POINTER(I)), ("chunks", ct.POINTER(Chunks)), ("keep_chunks", B)]


class Overlap(ct.Structure):
    _fields_ = [("before", L), ("after", L), ("boundary", ct.c_char_p), ("value", tsr.Scalar)]


class Source(ct.Structure):
    _fields_ = [("read", READ), ("context", P), ("release", RELEASE), ("name", ct.c_char_p), ("serial", B), ("dtype", I), ("ndim", I), ("shape", LP), ("chunk", LP)]


class ReductionFunctions(ct.Structure):
    _fields_ = [("chunk", ct.POINTER(Function)), ("combine", ct.POINTER(Function)), ("aggregate", ct.POINTER(Function)), ("state", I), ("dtype", I), ("split_every", I)]


def code(dtype):
    return I(tsr.CODES[np.dtype(dtype)])


def function(s, f, name=None, identity=None, serial=False, released=None, with_block=False):
    """f(*inputs) returns the block; with_block: f(output block, *inputs). An exception is a failure with its text."""

    def call(context, n, inputs, output):
        try:
            out = output[0].array()
            arguments = [inputs[i].array() for i in range(n)]
            got = np.asarray(f(inputs[:n] + [output[0]], *arguments) if with_block else f(*arguments))
            assert got.shape == out.shape, (got.shape, out.shape)
            out[...] = got
            return 0
        except Exception as e:  # noqa: BLE001
            return s.lib.tsr_fail(I(1), f"{type(e).__name__}: {e}".encode())

    made = Function(CALL(call), None, RELEASE(released) if released else RELEASE(0), name and name.encode(), identity, len(identity or b""), serial)
    s.kept.append(made)
    return made


def chunks_of(lists):
    """One entry an axis: None, a length or lengths."""
    made = [(0, None) if c is None else (1, numbers([c])) if isinstance(c, int) else (len(c), numbers(c)) for c in lists]
    return (Chunks * max(len(made), 1))(*[Chunks(n, ct.cast(p, LP) if p else LP()) for n, p in made])


def map_blocks(s, f, arrays, dtype, drop=(), new=(), chunks=None):
    options = MapOptions(len(drop), len(new), numbers(drop, I), numbers(new, I), chunks_of(chunks) if chunks else None)
    return s.call("tsr_map_blocks", ct.byref(f), I(len(arrays)), (P * max(len(arrays), 1))(*arrays), code(dtype), ct.byref(options))


def from_blocks(s, f, dtype, chunks):
    return s.call("tsr_from_blocks", s.s, ct.byref(f), code(dtype), I(len(chunks)), chunks_of(chunks))


def blockwise(s, f, out, dtype, *inputs, chunks=None, keep=False):
    """inputs: pairs of an array and its labels, as letters."""
    made = (BlockInput * max(len(inputs), 1))(*[BlockInput(a, numbers([ord(c) for c in labels], I)) for a, labels in inputs])
    output = BlockOutput(code(dtype).value, len(out), numbers([ord(c) for c in out], I), chunks_of(chunks) if chunks else None, keep)
    return s.call("tsr_blockwise", s.s, ct.byref(f), I(len(inputs)), made, ct.byref(output))


def source(s, values, chunk=None, chunks=None, name=None, serial=False, log=None, released=None, fail=None):
    values = np.asarray(values)

    def read(context, start, shape, out):
        at = tuple(slice(start[d], start[d] + shape[d]) for d in range(values.ndim))
        if log is not None:
            log.append(tuple((start[d], shape[d]) for d in range(values.ndim)))
        if fail:
            return s.lib.tsr_fail(I(5), fail.encode())
        part = np.ascontiguousarray(values[at])
        ct.memmove(out, part.ctypes.data, part.nbytes)
        return 0

    made = Source(READ(read), None, RELEASE(released) if released else RELEASE(0), name and name.encode(), serial, code(values.dtype).value, values.ndim,
                  ct.cast(numbers(values.shape), LP), ct.cast(numbers(chunk), LP) if chunk else None)
    s.kept.append(made)
    return s.call("tsr_from_source", s.s, ct.byref(made), numbers(chunks) if chunks else None)


def chunk_sizes(s, a):
    s.lib.tsr_n_chunks.restype = L
    sizes = []
    for d in range(len(s.shape(a))):
        out = numbers([0] * s.lib.tsr_n_chunks(P(a), I(d)))
        assert s.lib.tsr_chunk_sizes(P(a), I(d), out) == 0
        sizes.append(tuple(out[: s.lib.tsr_n_chunks(P(a), I(d))]))
    return tuple(sizes)
