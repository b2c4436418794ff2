"""Files and arrays with names: dimensions, coordinates, attributes and calendars, as the library's datasets have them."""
from __future__ import annotations

import os

import numpy as np

from . import _elementwise
from ._core import Node, asnode, is_number, make
from ._lib import DTYPES, check, failure, ffi, lib, take_text
from ._session import current


def _text(p) -> str | None:
    return ffi.string(p).decode(errors="replace") if p else None


def _strings(values) -> tuple:
    """Texts as an array of C strings, and what must stay alive."""
    kept = [ffi.new("char[]", os.fsencode(value)) for value in values]
    return ffi.new("char *[]", kept or [ffi.NULL]), kept


def _dims(dim) -> list[str]:
    return [] if dim is None else [str(d) for d in dim] if isinstance(dim, (list, tuple)) else [str(dim)]


class _Handle:
    """One reference to an object of the library."""

    __slots__ = ("_p", "_s", "__weakref__")
    _release = None

    def _forget_session(self) -> None:
        self._p = ffi.NULL

    def __del__(self):
        if getattr(self, "_p", None):
            type(self)._release(self._p)


def _variable(p, session) -> "Variable":
    if not p:
        raise session.failure(IndexError)
    made = object.__new__(Variable)
    made._p, made._s = p, session
    return made


class Variable(_Handle):
    """A lazy array with a name, named dimensions, coordinates and attributes. It never changes: methods make new ones.

    Arithmetic and NumPy's ufuncs match dimensions by name. `variable.data` is the array, `np.asarray(variable)` computes it.

    Examples
    --------
    >>> import tessera as ts
    >>> t = ts.Variable(ts.arange(6).reshape(2, 3), dims=("time", "x"), name="t")
    >>> (t - t.mean("time")).dims
    ('time', 'x')
    """

    __slots__ = ()
    _release = lib.tsr_variable_release
    __array_priority__ = 12
    __hash__ = None

    def __init__(self, data, dims=None, name=None) -> None:
        array = asnode(data)
        names, kept = _strings(dims) if dims is not None else (ffi.NULL, None)
        if dims is not None and len(dims) != array.ndim:
            raise ValueError(f"{len(dims)} names for {array.ndim} dimensions")
        self._p = lib.tsr_variable_new(name.encode() if name else ffi.NULL, array._p, names)
        self._s = array._s
        if not self._p:
            raise self._s.failure()

    # ---- Facts ----

    @property
    def name(self) -> str:
        return _text(lib.tsr_variable_name(self._p))

    @property
    def data(self):
        """The array."""
        return make(lib.tsr_variable_array(self._p), self._s)

    @property
    def ndim(self) -> int:
        return lib.tsr_variable_ndim(self._p)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(ffi.unpack(lib.tsr_variable_shape(self._p), self.ndim)) if self.ndim else ()

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[lib.tsr_variable_dtype(self._p)]

    @property
    def dims(self) -> tuple[str | None, ...]:
        return tuple(_text(lib.tsr_variable_dim(self._p, axis)) for axis in range(self.ndim))

    @property
    def coords(self) -> dict[str, "Variable"]:
        names = [lib.tsr_variable_coord_name(self._p, i) for i in range(lib.tsr_variable_n_coords(self._p))]
        return {_text(name): _variable(lib.tsr_variable_coord(self._p, name), self._s) for name in names}

    def attr(self, name: str):
        """An attribute: text, a number, or None."""
        text, number = lib.tsr_variable_text(self._p, name.encode()), ffi.new("double *")
        return _text(text) if text else number[0] if lib.tsr_variable_number(self._p, name.encode(), number) else None

    @property
    def labels(self) -> list[str]:
        """The values of a coordinate as text: numbers, or dates where it is a time."""
        count, buffer = ffi.new("int64_t *"), ffi.new("char[64]")
        lib.tsr_variable_labels(self._p, count)
        return [_text(lib.tsr_variable_label_text(self._p, i, buffer, 64)) for i in range(count[0])]

    def compute(self) -> np.ndarray:
        """The values as a NumPy array."""
        return self.data.compute()

    @property
    def values(self) -> np.ndarray:
        """The values as a NumPy array: compute() as xarray spells it."""
        return self.compute()

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each dimension."""
        return dict(zip(self.dims, self.shape))

    def persist(self) -> "Variable":
        """The same with its blocks computed and kept in the session."""
        return self._like(self.data.persist())

    def _like(self, data) -> "Variable":
        """The same names and coordinates around another array of this shape."""
        return _variable(lib.tsr_variable_like(self._p, data._p), self._s)

    def __array__(self, dtype=None, copy=None):
        return self.data.__array__(dtype, copy)

    def __float__(self) -> float:
        return float(self.data)

    def __repr__(self) -> str:
        lengths = ", ".join(f"{d}: {n}" for d, n in zip(self.dims, self.shape))
        return f"<tessera.Variable {self.name or ''}({lengths}) {self.dtype}>"

    def __copy__(self) -> "Variable":
        return self

    def __deepcopy__(self, memo) -> "Variable":
        return self

    # ---- Selecting ----

    def __getitem__(self, key) -> "Variable":
        """By position, as xarray: x[0], x[..., 10:20], x[[0, 5], :1]; lists of several axes choose rows and columns. Also x[{"time": 0}]."""
        if isinstance(key, dict):
            return self.isel(**key)
        key = key if isinstance(key, tuple) else (key,)
        if any(k is Ellipsis for k in key):
            at = next(i for i, k in enumerate(key) if k is Ellipsis)
            key = (*key[:at], *(slice(None),) * (self.ndim - len(key) + 1), *key[at + 1:])
        if len(key) > self.ndim:
            raise IndexError(f"{len(key)} indices for the {self.ndim} dimensions of '{self.name}'")
        for k in key:
            if not isinstance(k, slice) and np.asarray(k).dtype.kind not in "iu":
                raise IndexError(f"{k!r} is no position: those are integers, slices, lists of integers and '...'; sel() takes labels")
        return self.isel(**dict(zip(self.dims, key)))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.data)

    def __contains__(self, value) -> bool:
        return value in self.data

    def isel(self, **indexers) -> "Variable":
        """By position: x.isel(time=0), x.isel(latitude=slice(0, 10)), x.isel(time=[0, 5])."""
        result = self
        for dim, key in indexers.items():
            name = dim.encode()
            if isinstance(key, slice):
                bounds = [ffi.new("int64_t *", v) if v is not None else ffi.NULL for v in (key.start, key.stop)]
                p = lib.tsr_variable_slice(result._p, name, *bounds, 1 if key.step is None else key.step)
            elif np.ndim(key):
                p = lib.tsr_variable_take(result._p, name, len(key), [int(k) for k in key])
            else:
                p = lib.tsr_variable_index(result._p, name, int(key))
            result = _variable(p, self._s)
        return result

    def sel(self, method=None, **indexers) -> "Variable":
        """By label: x.sel(time="2014-01"), x.sel(latitude=slice(30, 60)), x.sel(longitude=11.3, method="nearest")."""
        result, nearest = self, method == "nearest"
        for dim, key in indexers.items():
            name, kept = dim.encode(), []
            if isinstance(key, slice):
                ends = [ffi.new("tsr_label *", _label(v, kept)) if v is not None else ffi.NULL for v in (key.start, key.stop)]
                p = lib.tsr_variable_select_range(result._p, name, *ends)
            elif isinstance(key, (list, tuple, np.ndarray)):
                p = lib.tsr_variable_select_list(result._p, name, len(key), [_label(v, kept) for v in key], nearest)
            else:
                p = lib.tsr_variable_select(result._p, name, ffi.new("tsr_label *", _label(key, kept))[0], nearest)
            result = _variable(p, self._s)
        return result

    # ---- Computing ----

    def reduce(self, name: str, dim=None, *, ddof: float = 0, keepdims: bool = False) -> "Variable":
        """A reduction by NumPy's name over dimensions by name; None: over all."""
        dims, kept = _strings(_dims(dim))
        return _variable(lib.tsr_variable_reduce(self._p, name.encode(), len(kept), dims, ddof, keepdims), self._s)

    def quantile(self, q, dim=None, *, method: str = "linear", keep_attrs: bool | None = None, skipna: bool | None = None) -> "Variable":
        """Quantiles over dimensions by name (None: over all), by any of NumPy's methods; several q make a new first dimension "quantile".

        skipna: NaN are left out (default: of floats). Attributes are kept unless keep_attrs is False.

        >>> import tessera as ts
        >>> t = ts.Variable(ts.arange(12.0).reshape(3, 4), dims=("time", "x"), name="t")
        >>> t.quantile([0.25, 0.5], "time").dims
        ('quantile', 'x')
        >>> float(t.quantile(0.5, method="lower"))
        5.0
        """
        if np.ndim(q) > 1:
            raise ValueError("q must be a scalar or 1d")
        values, (dims, kept) = np.atleast_1d(np.asarray(q, float)).tolist(), _strings(_dims(dim))
        if skipna is None:
            skipna = self.dtype.kind in "fc"
        text = ffi.new("char[]", method.encode())
        options = ffi.new("tsr_quantile_options *", {"method": text, "skip_nan": bool(skipna), "wide": True})
        result = _variable(lib.tsr_variable_quantile(self._p, len(values), values, len(kept), dims, options), self._s)
        if keep_attrs is False:
            plain = Variable(result.data, result.dims, result.name)
            for name, coord in result.coords.items():
                plain = _variable(lib.tsr_variable_set_coord(plain._p, name.encode(), coord._p), self._s)
            result = plain
        return result if np.ndim(q) else result.isel(quantile=0)

    def weighted_mean(self, weights: "Variable", dim=None) -> "Variable":
        """sum(x * weights) / sum(weights) over what is not NaN."""
        dims, kept = _strings(_dims(dim))
        return _variable(lib.tsr_variable_weighted_mean(self._p, weights._p, len(kept), dims), self._s)

    def groupby(self, by: str) -> "GroupBy":
        """Groups by part of a date ("time.month", "time.season") or by a coordinate."""
        return GroupBy(self, by)

    def resample(self, **dim: str) -> "Resample":
        """Coarser time: x.resample(time="month").mean(). Periods are year, season, quarter, month, day, hour, or several: "5 days".

        The labels are the beginnings of the periods; those without values are left out.
        """
        return Resample(self, *_one(dim, "resample"))

    def rolling(self, center: bool = False, **dim: int) -> "Rolling":
        """Windows of n neighbours, of each label and those before it: x.rolling(time=5).mean(). NaN where there are fewer."""
        return Rolling(self, *_one(dim, "rolling"), center)

    def transpose(self, *dims) -> "Variable":
        """Dimensions in another order."""
        names, kept = _strings(_dims(dims))
        return _variable(lib.tsr_variable_transpose(self._p, len(kept), names), self._s)

    def rename(self, name: str) -> "Variable":
        """Another name."""
        return _variable(lib.tsr_variable_rename(self._p, name.encode()), self._s)

    def with_attr(self, name: str, text: str | None) -> "Variable":
        """With an attribute set, or (None) removed."""
        return _variable(lib.tsr_variable_set_text(self._p, name.encode(), ffi.NULL if text is None else text.encode()), self._s)

    def diff(self, dim: str) -> "Variable":
        """Differences of neighbours."""
        return _variable(lib.tsr_variable_diff(self._p, dim.encode()), self._s)

    def shift(self, dim: str, n: int) -> "Variable":
        """Values moved by n positions."""
        return _variable(lib.tsr_variable_shift(self._p, dim.encode(), n), self._s)

    def cumsum(self, dim: str) -> "Variable":
        """Running sum."""
        return _variable(lib.tsr_variable_cumulate(self._p, b"cumsum", dim.encode()), self._s)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if method != "__call__" or out is not None or options:
            return NotImplemented
        return apply(ufunc.__name__, *inputs)


def _one(dim: dict, name: str) -> tuple:
    if len(dim) != 1:
        raise TypeError(f"{name} takes one dimension, {len(dim)} are named")
    return next(iter(dim.items()))


class Grouped:
    """Parts of a variable, waiting for what is to be done with each: also sum(), mean(), max() ..."""

    def reduce(self, name: str) -> Variable:
        """A reduction of each part, by NumPy's name."""
        raise NotImplementedError


class GroupBy(Grouped):
    """Groups along a dimension."""

    def __init__(self, variable: Variable, by: str) -> None:
        self._variable, self._by = variable, by.encode()
        self.reduce("max")  # a wrong name is a mistake here, not where the groups are used

    def __repr__(self) -> str:
        return f"<tessera.GroupBy {self._variable.name or ''} by {self._by.decode()}>"

    def reduce(self, name: str) -> Variable:
        """A reduction of each group."""
        return _variable(lib.tsr_variable_group(self._variable._p, self._by, name.encode()), self._variable._s)

    def anomaly(self, name: str = "mean") -> Variable:
        """The variable minus the mean of its group."""
        return _variable(lib.tsr_variable_anomaly(self._variable._p, self._by, name.encode()), self._variable._s)


class Resample(Grouped):
    """Periods of time along a dimension."""

    def __init__(self, variable: Variable, dim: str, period: str) -> None:
        self._variable, self._dim, self._period = variable, dim.encode(), period.encode()

    def reduce(self, name: str) -> Variable:
        """A reduction of each period."""
        return _variable(lib.tsr_variable_resample(self._variable._p, self._dim, self._period, name.encode()), self._variable._s)


class Rolling(Grouped):
    """Windows of neighbours along a dimension."""

    def __init__(self, variable: Variable, dim: str, n: int, center: bool) -> None:
        self._variable, self._dim, self._n, self._center = variable, dim.encode(), n, center

    def reduce(self, name: str) -> Variable:
        """A reduction of each window."""
        p = lib.tsr_variable_rolling(self._variable._p, self._dim, self._n, self._center, name.encode())
        return _variable(p, self._variable._s)


def _label(value, kept: list):
    """A number, or text such as a date."""
    if isinstance(value, str):
        kept.append(ffi.new("char[]", value.encode()))
        return kept[-1], 0.0
    return ffi.NULL, float(value)


def _operand(value, session):
    if isinstance(value, Variable):
        return value
    if is_number(value):
        number = lib.tsr_bool(value) if isinstance(value, bool) else lib.tsr_int(value) if isinstance(value, int) else \
            lib.tsr_float(value) if isinstance(value, float) else lib.tsr_complex(value.real, value.imag)
        return _variable(lib.tsr_variable_scalar(session.handle(), number), session)
    return Variable(value)


def apply(ufunc: str, *operands) -> Variable:
    """An elementwise function by NumPy's name of variables, arrays and numbers, which meet by dimension name."""
    session = next(v._s for v in operands if isinstance(v, (Variable, Node)))
    variables = [_operand(v, session) for v in operands]
    return _variable(lib.tsr_variable_apply(ufunc.encode(), len(variables), [v._p for v in variables]), session)


def _attach() -> None:
    """Operators and reductions by their names."""
    def operator(name, reflected):
        return lambda self, other: apply(name, other, self) if reflected else apply(name, self, other)

    for short, name in _elementwise.BINARY.items():
        setattr(Variable, f"__{short}__", operator(name, False))
        setattr(Variable, f"__r{short}__", operator(name, True))
    for short, name in _elementwise.COMPARE.items():
        setattr(Variable, f"__{short}__", operator(name, False))
    for short, name in _elementwise.UNARY.items():
        setattr(Variable, f"__{short}__", lambda self, name=name: apply(name, self))

    def reduction(name):
        def method(self, dim=None, **options):
            return self.reduce(name, dim, **options)

        def of_groups(self):
            return self.reduce(name)

        for function, owner in ((method, Variable), (of_groups, Grouped)):
            function.__name__, function.__doc__ = name, f"The reduction {name}, by NumPy's rules."
            setattr(owner, name, function)

    for name in "sum prod min max mean var std any all median argmin argmax nansum nanmean nanmin nanmax nanstd nanvar nanmedian".split():
        reduction(name)


_attach()


class Dataset(_Handle):
    """Variables that share dimensions: what is in a file, in many files opened as one, or will be in a file.

    Examples
    --------
    >>> import tessera as ts
    >>> d = ts.Dataset(t=ts.Variable(ts.arange(3), dims=("x",)))
    >>> list(d), d.sizes
    (['t'], {'x': 3})
    """

    __slots__ = ()
    _release = lib.tsr_dataset_release

    def __init__(self, **variables) -> None:
        first = next((v for v in variables.values() if isinstance(v, (Variable, Node))), None)
        self._s = first._s if first is not None else current()
        self._p = lib.tsr_dataset_new(self._s.handle())
        if not self._p:
            raise failure()
        for name, variable in variables.items():
            self[name] = variable

    def __setitem__(self, name: str, variable) -> None:
        variable = variable if isinstance(variable, Variable) else Variable(variable)
        check(lib.tsr_dataset_put(self._p, name.encode(), variable._p))

    def __getitem__(self, name: str) -> Variable:
        return _variable(lib.tsr_dataset_get(self._p, name.encode()), self._s)

    def __getattr__(self, name: str) -> Variable:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(str(error)) from None

    def __iter__(self):
        return (_text(lib.tsr_dataset_name(self._p, i)) for i in range(lib.tsr_dataset_n_data(self._p)))

    def __contains__(self, name) -> bool:
        return name in [_text(lib.tsr_dataset_name(self._p, i)) for i in range(lib.tsr_dataset_n_variables(self._p))]

    @property
    def sizes(self) -> dict[str, int]:
        length, result = ffi.new("int64_t *"), {}
        for i in range(lib.tsr_dataset_n_dims(self._p)):
            name = _text(lib.tsr_dataset_dim(self._p, i, length))
            result[name] = length[0]
        return result

    def attr(self, name: str) -> str | None:
        """A global attribute."""
        return _text(lib.tsr_dataset_text(self._p, name.encode()))

    def __repr__(self) -> str:
        return take_text(lib.tsr_dataset_describe(self._p))

    def to_netcdf(self, path, *, format: str | None = None, deflate: int = 0, history: str | None = None) -> None:
        """Computes what is lazy and writes a file that follows the CF conventions; it appears whole or not at all."""
        texts = [ffi.new("char[]", t.encode()) if t else ffi.NULL for t in (format, history)]
        options = ffi.new("tsr_write_options *", {"format": texts[0], "deflate_level": deflate, "history": texts[1]})
        self._s._run(lib.tsr_dataset_write, self._p, os.fsencode(path), options)


def open_mfdataset(paths, concat_dim: str | None = None, *, raw: bool = False) -> Dataset:
    """Opens many files (a pattern, or a list of paths and patterns) as one: `open_dataset` under the name that xarray has for it. On a cluster the
    workers read them."""
    return open_dataset(paths, concat_dim=concat_dim, raw=raw)


def open_dataset(paths, *, concat_dim: str | None = None, raw: bool = False) -> Dataset:
    """Opens a file, or many (a pattern, or a list of paths and patterns) as one.

    Parameters
    ----------
    paths : path, pattern, or list of them
        NetCDF, HDF5 or .npy. Several files are joined in the order of the coordinate along the joined dimension.
    concat_dim : str, optional
        That dimension. Default: the unlimited one, otherwise the one whose coordinate differs.
    raw : bool
        No decoding of packed and missing values.
    """
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    session, (texts, kept) = current(), _strings(paths)
    dim = ffi.new("char[]", concat_dim.encode()) if concat_dim else ffi.NULL
    p = lib.tsr_open_files(session.handle(), len(kept), texts, ffi.new("tsr_open_options *", {"concat_dim": dim, "raw": raw}))
    if not p:
        raise failure()
    made = object.__new__(Dataset)
    made._p, made._s = p, session
    return made


def open_array(path, variable: str | None = None, *, chunks="auto"):
    """A variable of a file as a plain array, values as they are stored; without a name the file must hold only one.

    >>> import numpy as np, os, tempfile, tessera as ts
    >>> path = os.path.join(tempfile.mkdtemp(), "x.npy")
    >>> np.save(path, np.arange(4))
    >>> ts.open_array(path).sum().compute()
    np.int64(6)
    """
    session = current()
    array = make(lib.tsr_open(session.handle(), os.fsencode(path), variable.encode() if variable else ffi.NULL, ffi.NULL), session)
    return array if chunks == "auto" else array.rechunk(chunks)
