"""Datasets of the C library for the tests: files opened as one, variables with names. Built on tsr.py; not a package, and not for users."""
import ctypes as ct

import numpy as np
import tsr
from tsr import B, D, I, L, P


class OpenOptions(ct.Structure):
    _fields_ = [("concat_dim", ct.c_char_p), ("raw", B), ("n_threads", I)]


class WriteOptions(ct.Structure):
    _fields_ = [("format", ct.c_char_p), ("deflate_level", I), ("history", ct.c_char_p)]


class Label(ct.Structure):
    _fields_ = [("text", ct.c_char_p), ("number", D)]


class Date(ct.Structure):
    _fields_ = [("year", L), ("month", I), ("day", I), ("hour", I), ("minute", I), ("second", D), ("day_of_year", I), ("weekday", I)]


def label(value):
    return Label(value.encode(), 0.0) if isinstance(value, str) else Label(None, float(value))


def texts(values):
    return (ct.c_char_p * max(len(values), 1))(*[v.encode() if v is not None else None for v in values])


def names(dims):
    return [] if dims is None else [dims] if isinstance(dims, str) else list(dims)


class Variable:
    def __init__(self, session, pointer):
        self.session, self.lib, self.p = session, session.lib, session.check(pointer)

    def call(self, name, *args):
        f = getattr(self.lib, name)
        f.restype = P
        return Variable(self.session, f(P(self.p), *args))

    @property
    def name(self):
        self.lib.tsr_variable_name.restype = ct.c_char_p
        return self.lib.tsr_variable_name(P(self.p)).decode(errors="replace")

    @property
    def shape(self):
        self.lib.tsr_variable_shape.restype = ct.POINTER(L)
        return tuple(self.lib.tsr_variable_shape(P(self.p))[d] for d in range(self.lib.tsr_variable_ndim(P(self.p))))

    @property
    def dims(self):
        self.lib.tsr_variable_dim.restype = ct.c_char_p
        found = [self.lib.tsr_variable_dim(P(self.p), I(d)) for d in range(len(self.shape))]
        return tuple(d.decode(errors="replace") if d is not None else None for d in found)

    @property
    def dtype(self):
        return tsr.DTYPES[self.lib.tsr_variable_dtype(P(self.p))]

    @property
    def array(self):
        self.lib.tsr_variable_array.restype = P
        return self.session.check(self.lib.tsr_variable_array(P(self.p)))

    def values(self):
        return self.session.compute(self.array)

    def text(self, attribute):
        self.lib.tsr_variable_text.restype = ct.c_char_p
        found = self.lib.tsr_variable_text(P(self.p), attribute.encode())
        return found.decode(errors="replace") if found is not None else None

    @property
    def coords(self):
        self.lib.tsr_variable_coord_name.restype = ct.c_char_p
        return [self.lib.tsr_variable_coord_name(P(self.p), I(i)).decode(errors="replace") for i in range(self.lib.tsr_variable_n_coords(P(self.p)))]

    def coord(self, name):
        return self.call("tsr_variable_coord", name.encode())

    def labels(self):
        n = L()
        self.lib.tsr_variable_labels.restype = ct.POINTER(D)
        found = self.lib.tsr_variable_labels(P(self.p), ct.byref(n))
        return np.array(found[: n.value]) if found else None

    def label_text(self, i):
        buffer = ct.create_string_buffer(100)
        self.lib.tsr_variable_label_text.restype = ct.c_char_p
        return self.lib.tsr_variable_label_text(P(self.p), L(i), buffer, ct.c_size_t(100)).decode(errors="replace")

    def date(self, i):
        out = Date()
        if self.lib.tsr_variable_date(P(self.p), L(i), ct.byref(out)) != 0:
            self.session.fail()
        return out

    @property
    def is_time(self):
        self.lib.tsr_variable_is_time.restype = B
        return self.lib.tsr_variable_is_time(P(self.p))

    def index(self, dim, i):
        return self.call("tsr_variable_index", dim.encode(), L(i))

    def slice(self, dim, start=None, stop=None, step=1):
        given = [None if x is None else ct.byref(L(x)) for x in (start, stop)]
        return self.call("tsr_variable_slice", dim.encode(), *given, L(step))

    def take(self, dim, indices):
        return self.call("tsr_variable_take", dim.encode(), L(len(indices)), tsr.numbers(indices))

    def select(self, dim, value, nearest=False):
        return self.call("tsr_variable_select", dim.encode(), label(value), B(nearest))

    def range(self, dim, first=None, last=None):
        given = [None if x is None else ct.byref(label(x)) for x in (first, last)]
        return self.call("tsr_variable_select_range", dim.encode(), *given)

    def select_list(self, dim, values, nearest=False):
        return self.call("tsr_variable_select_list", dim.encode(), L(len(values)), (Label * max(len(values), 1))(*map(label, values)), B(nearest))

    def reduce(self, reduction, dims=None, ddof=0.0, keepdims=False):
        dims = names(dims)
        return self.call("tsr_variable_reduce", reduction.encode(), I(len(dims)), texts(dims), D(ddof), B(keepdims))

    def weighted_mean(self, weights, dims=None):
        dims = names(dims)
        return self.call("tsr_variable_weighted_mean", P(weights.p), I(len(dims)), texts(dims))

    def group(self, by, reduction="mean"):
        return self.call("tsr_variable_group", by.encode(), reduction.encode())

    def anomaly(self, by, reduction="mean"):
        return self.call("tsr_variable_anomaly", by.encode(), reduction.encode())

    def apply(self, ufunc, *others):
        return apply(ufunc, self, *others)

    def __sub__(self, other):
        return apply("subtract", self, other)

    def __truediv__(self, other):
        return apply("divide", self, other)


def apply(ufunc, *operands):
    session = operands[0].session
    session.lib.tsr_variable_apply.restype = P
    return Variable(session, session.lib.tsr_variable_apply(ufunc.encode(), I(len(operands)), (P * len(operands))(*[o.p for o in operands])))


class Dataset:
    def __init__(self, session, pointer):
        self.session, self.lib, self.p = session, session.lib, session.check(pointer)

    def _name(self, i):
        self.lib.tsr_dataset_name.restype = ct.c_char_p
        return self.lib.tsr_dataset_name(P(self.p), I(i)).decode(errors="replace")

    @property
    def data_names(self):
        return [self._name(i) for i in range(self.lib.tsr_dataset_n_data(P(self.p)))]

    @property
    def names(self):
        return [self._name(i) for i in range(self.lib.tsr_dataset_n_variables(P(self.p)))]

    @property
    def dims(self):
        self.lib.tsr_dataset_dim.restype = ct.c_char_p
        found, length = {}, L()
        for i in range(self.lib.tsr_dataset_n_dims(P(self.p))):
            name = self.lib.tsr_dataset_dim(P(self.p), I(i), ct.byref(length)).decode(errors="replace")
            found[name] = length.value
        return found

    def __getitem__(self, name):
        self.lib.tsr_dataset_get.restype = P
        return Variable(self.session, self.lib.tsr_dataset_get(P(self.p), name.encode()))

    def put(self, name, variable):
        if self.lib.tsr_dataset_put(P(self.p), name.encode() if name else None, P(variable.p)) != 0:
            self.session.fail()

    def describe(self):
        self.lib.tsr_dataset_describe.restype = P
        text = self.session.check(self.lib.tsr_dataset_describe(P(self.p)))
        result = ct.string_at(text).decode(errors="replace")
        self.lib.tsr_free(P(text))
        return result

    def write(self, path, format=None, deflate=0, history=None):
        options = WriteOptions(format.encode() if format else None, deflate, history.encode() if history else None)
        if self.lib.tsr_dataset_write(P(self.p), str(path).encode(), ct.byref(options)) != 0:
            self.session.fail()


def open_files(session, *paths, raw=False, dim=None):
    options = OpenOptions(dim.encode() if dim else None, raw, 0)
    session.lib.tsr_open_files.restype = P
    return Dataset(session, session.lib.tsr_open_files(P(session.s), I(len(paths)), texts([str(p) for p in paths]), ct.byref(options)))


def new(session):
    session.lib.tsr_dataset_new.restype = P
    return Dataset(session, session.lib.tsr_dataset_new(P(session.s)))
