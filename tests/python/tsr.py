"""A thin ctypes spelling of the C library for the tests: arrays in, arrays out. Not a package, and not for users."""
import ctypes as ct

import numpy as np

DTYPES = [np.dtype(n) for n in ("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128").split()]
CODES = {d: i for i, d in enumerate(DTYPES)}
P, I, L, D, B = ct.c_void_p, ct.c_int, ct.c_int64, ct.c_double, ct.c_bool


class Scalar(ct.Structure):
    _fields_ = [("dtype", I), ("i", L), ("u", ct.c_uint64), ("f", D), ("imag", D)]


class Index(ct.Structure):
    _fields_ = [("kind", I), ("has_start", B), ("has_stop", B), ("has_step", B), ("start", L), ("stop", L), ("step", L), ("ndim", I), ("shape", P),
                ("indices", P), ("mask", P)]


class Bins(ct.Structure):
    _fields_ = [("n", L), ("low", D), ("high", D), ("edges", P)]


class Options(ct.Structure):
    _fields_ = [("n_threads", I), ("memory_bytes", ct.c_size_t), ("scratch_dir", ct.c_char_p), ("isa", ct.c_char_p)]


class Stats(ct.Structure):
    _fields_ = [("tasks", L), ("bytes_read", L), ("bytes_written", L), ("bytes_spilled", L), ("peak_bytes", ct.c_size_t), ("seconds", D)]


class Error(Exception):
    pass


def numbers(values, kind=L):
    return (kind * max(len(values), 1))(*values)


class Session:
    """A session of the library; its methods make and compute arrays (plain pointers)."""

    def __init__(self, library, **options):
        self.lib = library
        library.tsr_error_message.restype = ct.c_char_p
        library.tsr_session_open.restype = P
        o = Options(options.get("threads", 0), options.get("memory", 0), options.get("scratch", None), options.get("isa", None))
        self.s = self.check(library.tsr_session_open(None, ct.byref(o)))
        self.kept = []

    def close(self):
        self.lib.tsr_session_close(P(self.s))

    def fail(self):
        raise Error(self.lib.tsr_error_message().decode())

    def check(self, pointer):
        if not pointer:
            self.fail()
        return pointer

    def call(self, name, *args):
        """An array function: pointers as int are passed as pointers."""
        f = getattr(self.lib, name)
        f.restype = P
        return self.check(f(*[P(a) if isinstance(a, int) and not isinstance(a, bool) else a for a in args]))

    def array(self, values, chunks=None):
        a = np.asarray(values)
        self.kept.append(a)
        return self.call("tsr_from_memory", self.s, a.ctypes.data_as(P), I(CODES[a.dtype]), I(a.ndim), numbers(a.shape), numbers(a.strides), None, None,
                         numbers(chunks) if chunks else None)

    def shape(self, a):
        self.lib.tsr_shape.restype = ct.POINTER(L)
        return tuple(self.lib.tsr_shape(P(a))[d] for d in range(self.lib.tsr_ndim(P(a))))

    def dtype(self, a):
        return DTYPES[self.lib.tsr_dtype_of(P(a))]

    def compute(self, *arrays):
        outs = [np.empty(self.shape(a), self.dtype(a)) for a in arrays]
        pointers = (P * len(arrays))(*arrays)
        targets = (P * len(arrays))(*[o.ctypes.data for o in outs])
        if self.lib.tsr_compute(I(len(arrays)), pointers, targets) != 0:
            self.fail()
        return outs if len(outs) > 1 else outs[0]

    def persist(self, a):
        result = P()
        if self.lib.tsr_persist(I(1), (P * 1)(a), ct.byref(result)) != 0:
            self.fail()
        return result.value

    def map(self, name, *arrays):
        return self.call("tsr_map", name.encode(), I(len(arrays)), (P * len(arrays))(*arrays))

    def reduce(self, name, a, axes=None, keepdims=False, ddof=None):
        extra = [] if ddof is None else [D(ddof)]
        n = 0 if axes is None else len(axes)
        return self.call("tsr_" + name, a, I(n), None if axes is None else numbers(axes, I), B(keepdims), *extra)

    def slice(self, a, *items):
        made = []
        for item in items:
            if item is None:
                made.append(Index(2))
            elif item is Ellipsis:
                made.append(Index(3))
            elif isinstance(item, slice):
                made.append(Index(0, item.start is not None, item.stop is not None, item.step is not None, item.start or 0, item.stop or 0, item.step or 0))
            else:
                made.append(Index(1, False, False, False, item, 0, 0))
        return self.call("tsr_slice", a, I(len(made)), (Index * max(len(made), 1))(*made))

    def stats(self):
        out = Stats()
        self.lib.tsr_run_stats(P(self.s), ct.byref(out))
        return out

    def explain(self, *arrays):
        self.lib.tsr_explain.restype = P
        text = self.check(self.lib.tsr_explain(I(len(arrays)), (P * len(arrays))(*arrays)))
        result = ct.string_at(text).decode()
        self.lib.tsr_free(P(text))
        return result
