"""NumPy's ufuncs and Python's operators, made from the list that the library itself gives (tsr_map_name)."""
from __future__ import annotations

import operator

import numpy as np

from ._core import Node, asnode, common, is_number, make, operand, scalar_like, mask_of
from ._lib import DTYPES, dtype_code, failure, ffi, lib


def replace(target: Node, result: Node) -> Node:
    """Puts the result into `target` as NumPy's out= and in-place operators do: the same shape, the dtype by "same_kind"."""
    if result.shape != target.shape:
        raise ValueError(f"non-broadcastable output operand with shape {target.shape} doesn't match the broadcast shape {result.shape}")
    if result.dtype != target.dtype:
        if not np.can_cast(result.dtype, target.dtype, "same_kind"):
            raise TypeError(f"cannot put a result of dtype {result.dtype} into an array of dtype {target.dtype} with casting rule 'same_kind'")
        result = make(lib.tsr_astype(result._p, dtype_code(target.dtype)), result._s)
    old, target._p = target._p, lib.tsr_retain(result._p)
    lib.tsr_release(old)
    return target


def deliver(result: Node, out):
    """`out=` of functions: None, one of our arrays (replaced), or a NumPy array (computed into)."""
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return result
    if isinstance(out, Node):
        return replace(out, result)
    if np.shape(out) != result.shape:
        raise ValueError(f"non-broadcastable output operand with shape {np.shape(out)} doesn't match the broadcast shape {result.shape}")
    np.copyto(out, result.compute(), casting="same_kind")
    return out


class Ufunc:
    """An elementwise function with NumPy's name, arguments and results that stays lazy.

    Parameters of a call are arrays, numbers or what `tessera.asarray` takes; shapes broadcast. `out=` takes one of our arrays, whose
    value is replaced, or a NumPy array, which is computed into. With `where=` the other elements come from `out` (or are 0).

    Examples
    --------
    >>> import tessera as ts
    >>> ts.hypot(ts.asarray([3.0, 5.0]), [4.0, 12.0]).compute()
    array([ 5., 13.])
    """

    def __init__(self, name: str, parts: tuple[str, ...], nin: int) -> None:
        self.__name__ = name
        self.nin, self.nout = nin, len(parts)
        self._operator = (_binary(name), _binary(name, reflected=True)) if nin == 2 and hasattr(lib, "tsr_" + name) else None
        self._parts = tuple(getattr(lib, "tsr_" + part, None) or _by_name(part) for part in parts)
        arguments = ", ".join(f"x{i + 1}" for i in range(nin)) if nin > 1 else "x"
        self.__doc__ = f"{name}({arguments}, /, *, out=None, where=True, dtype=None): numpy.{name}, lazily."

    def __repr__(self) -> str:
        return f"<tessera function {self.__name__}>"

    def __call__(self, *args, out=None, where=True, dtype=None, casting="same_kind", order="K", subok=True, signature=None):
        if self.__name__ == "ldexp" and len(args) > 1 and is_number(args[1]):  # the exponent has a dtype of its own
            args = (args[0], np.asarray(args[1]), *args[2:])
        if out is None and where is True and dtype is None and casting == "same_kind" and len(args) == self.nin and self.nout == 1:
            first = args[0]
            if self.nin == 1 and isinstance(first, Node):
                return make(self._parts[0](first._p), first._s)
            if self._operator is not None:
                if isinstance(first, Node):
                    result = self._operator[0](first, args[1])
                    if result is not NotImplemented:
                        return result
                elif isinstance(args[1], Node):
                    result = self._operator[1](args[1], first)
                    if result is not NotImplemented:
                        return result
        if len(args) > self.nin:  # outputs by position
            if len(args) > self.nin + self.nout:
                raise TypeError(f"{self.__name__}() takes from {self.nin} to {self.nin + self.nout} positional arguments but {len(args)} were given")
            if out is not None:
                raise TypeError("cannot specify 'out' as both a positional and keyword argument")
            args, out = args[: self.nin], args[self.nin:]
        if len(args) < self.nin:
            raise TypeError(f"{self.__name__}() takes {self.nin} argument{'s' * (self.nin > 1)}, {len(args)} given")
        try:
            nodes = common(args)
        except OverflowError:
            if self.nin != 2 or is_number(args[0]) == is_number(args[1]):
                raise
            array = asnode(args[is_number(args[0])])
            nodes = common(tuple(_outside(self.__name__, array, v) if is_number(v) else v for v in args))
        if dtype is not None or casting != "same_kind":
            nodes = self._cast_for(nodes, dtype, casting)
        pointers = [node._p for node in nodes]
        results = tuple(make(part(*pointers), nodes[0]._s) for part in self._parts)
        if dtype is not None:
            results = tuple(r if r.dtype == dtype else make(lib.tsr_astype(r._p, dtype_code(dtype)), r._s) for r in results)
        outs = out if isinstance(out, tuple) else (out,) * 1 if self.nout == 1 else out or (None,) * self.nout
        if len(outs) > self.nout:
            raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
        outs = (*outs, *(None,) * (self.nout - len(outs)))
        results = tuple(_choose(where, r, o) if where is not True else r for r, o in zip(results, outs))
        results = tuple(deliver(_fill(r, o), o) for r, o in zip(results, outs))
        return results if self.nout > 1 else results[0]

    def _cast_for(self, nodes, dtype, casting) -> list:
        """The operands in the dtypes of the loop that gives this dtype; NumPy's error where there is none, or operands would lose too much."""
        theirs = getattr(np, self.__name__, None)
        if isinstance(theirs, np.ufunc):
            wanted = {} if dtype is None else {"signature": (*(None,) * self.nin, *(np.dtype(dtype),) * self.nout)}
            kinds = theirs.resolve_dtypes((*(node.dtype for node in nodes), *(None,) * self.nout), casting=casting, **wanted)
        else:
            kinds = (dtype,) * self.nin
        return [node if kind is None or node.dtype == kind else make(lib.tsr_astype(node._p, dtype_code(kind)), node._s) for node, kind in zip(nodes, kinds)]

    def outer(self, a, b, /, **options):
        """The function of every pair of elements: shape a.shape + b.shape."""
        a, b = asnode(a), asnode(b)
        axes = list(range(a.ndim, a.ndim + b.ndim))
        return self(make(lib.tsr_expand_dims(a._p, len(axes), axes), a._s), b, **options)

    def _foldable(self, what: str) -> bytes:
        if self.nin != 2:
            raise ValueError(f"{what} only supported for binary functions")
        if self.nout != 1:
            raise ValueError(f"{what} only supported for functions returning a single value")
        return self.__name__.encode()

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False, initial=np._NoValue, where=True):
        """numpy.ufunc.reduce of every function of two arrays that has one: the function of what there is so far and the next element.

        Sums, products, extremes, truth and bits are reduced by blocks on all threads; the others go along the axis in the order of the elements.

        >>> import tessera as ts
        >>> ts.subtract.reduce([10, 2, 3]).compute()
        np.int64(5)
        >>> ts.bitwise_or.reduce([[1, 2], [4, 8]], axis=(0, 1)).compute()
        np.int64(15)
        """
        name, a = self._foldable("reduce"), asnode(array)
        if a.ndim == 0 and not isinstance(axis, tuple) and axis in (0, -1):  # of numbers NumPy lets these pass
            axis = None
        if axis is None:
            n_axes, axes = 0, ffi.NULL
        else:
            axes = [operator.index(k) for k in (axis if isinstance(axis, tuple) else (axis,))]
            n_axes, axes = len(axes), axes or ffi.new("int[1]")
        options = ffi.new("tsr_fold_options *", {"no_identity": initial is None})
        kind = None if dtype is None else ffi.new("tsr_dtype *", dtype_code(dtype))
        if kind is not None:
            options.dtype = kind
        mask = None if where is True else asnode(where, a._s)
        if mask is not None:
            options.where = mask._p
        if initial is not None and initial is not np._NoValue:
            if not isinstance(initial, Node):  # as NumPy: a number that the result's dtype can hold
                one = asnode(np.ones((), a.dtype), a._s)
                like = make(lib.tsr_fold(name, one._p, 0, ffi.NULL, False, ffi.new("tsr_fold_options *", {"dtype": options.dtype})), a._s)
                initial = asnode(np.asarray(initial, like.dtype), a._s)
            options.initial = initial._p
        return deliver(make(lib.tsr_fold(name, a._p, n_axes, axes, bool(keepdims), options), a._s), out)

    def accumulate(self, array, axis=0, dtype=None, out=None):
        """numpy.ufunc.accumulate of every function of two arrays that has one: all that `reduce` has on its way along the axis.

        >>> import tessera as ts
        >>> ts.divide.accumulate([8.0, 2.0, 2.0]).compute()
        array([8., 4., 2.])
        """
        name, a = self._foldable("accumulate"), asnode(array)
        if a.ndim == 0:
            raise TypeError("cannot accumulate on a scalar") if axis in (0, -1, None, ()) else np.exceptions.AxisError(axis, 0)
        axes = range(a.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        if len(axes) != 1:
            raise ValueError("accumulate does not allow multiple axes")
        kind = ffi.NULL if dtype is None else ffi.new("tsr_dtype *", dtype_code(dtype))
        return deliver(make(lib.tsr_accumulate(name, a._p, operator.index(axes[0]), kind), a._s), out)


# Functions of two results, by the functions of one that the library has.
PAIRS = {"divmod": ("floor_divide", "remainder"), "modf": ("modf_fraction", "modf_integer"), "frexp": ("frexp_mantissa", "frexp_exponent")}
# In the library's list, but no functions of arrays alone in NumPy: _functions.py spells them.
OTHERS = {"where", "nan_to_num", "real", "imag", "complex_of"}


def _by_name(name: str):
    """The function of a name that is only an alias in the library."""
    encoded = name.encode()
    return lambda *pointers: lib.tsr_map(encoded, len(pointers), pointers)


def _fill(result: Node, out) -> Node:
    """The result in the shape of `out`, which may have more elements for it."""
    if out is None or (shape := tuple(np.shape(out))) == result.shape or len(shape) < result.ndim:
        return result
    if any(m not in (1, n) for n, m in zip(shape[::-1], result.shape[::-1])):
        return result
    return make(lib.tsr_broadcast_to(result._p, len(shape), shape), result._s)


def _choose(where, result: Node, out) -> Node:
    """result where the mask holds, elsewhere `out`, or 0 when there is none."""
    mask = mask_of(where, result._s)
    other = scalar_like(result, 0) if out is None else asnode(out, result._s)
    return make(lib.tsr_where(mask._p, result._p, other._p), result._s)


# ---- Operators ----------------------------------------------------------------------------------------------------------

BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "remainder",
          "pow": "power", "lshift": "left_shift", "rshift": "right_shift", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
COMPARE = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


FLOAT_LOOPS = {"divide", "true_divide", "float_power", "arctan2", "atan2", "hypot", "copysign", "nextafter", "logaddexp", "logaddexp2", "heaviside"}


def _outside(name: str, array: Node, value: int) -> Node:
    """A plain integer that is not one of the array's dtype, as the function takes it."""
    kind = array.dtype.kind
    if kind in "biu" and name in FLOAT_LOOPS:  # never an integer there: float64, or what holds the array's integers
        exact = name in ("divide", "true_divide", "float_power") or array.dtype.itemsize > 2
        return asnode(np.asarray(value, np.float64 if exact else np.float32), array._s)
    if name in ("logical_and", "logical_or", "logical_xor"):
        return scalar_like(array, bool(value))
    return scalar_like(array, float(value) if kind in "fc" else value)


def _beyond(name: str, array: Node, value: int, reflected: bool) -> Node:
    """An integer that is too long for 64 bits or for the array's dtype: comparisons know the answer, the others follow NumPy."""
    lib.tsr_error_clear()
    kind = array.dtype.kind
    if kind in "iu" and name in COMPARE.values():
        sign = 1 if value > 0 else -1
        answer = bool(getattr(np, name)(*((sign, 0) if reflected else (0, sign))))
        return make(lib.tsr_full(array._s.handle(), lib.tsr_bool(answer), lib.TSR_BOOL, array.ndim, array.shape, ffi.NULL), array._s)
    other = _outside(name, array, value)
    function = getattr(lib, "tsr_" + name)
    return make(function(other._p, array._p) if reflected else function(array._p, other._p), array._s)


def _binary(name: str, reflected: bool = False):
    function, pointer = getattr(lib, "tsr_" + name), ffi.addressof(lib, "tsr_" + name)
    with_int, with_float, with_bool, with_complex = lib.glue_with_int, lib.glue_with_float, lib.glue_with_bool, lib.glue_with_complex

    def method(self, other):
        kind = type(other)
        if kind is type(self):
            p = function(other._p, self._p) if reflected else function(self._p, other._p)
        elif kind is int:
            try:
                p = with_int(pointer, self._p, other, reflected)
            except OverflowError:
                p = None
            if not p and lib.tsr_error_code() in (lib.TSR_OK, lib.TSR_ERR_VALUE) and self._p:
                return _beyond(name, self, other, reflected)
        elif kind is float:
            p = with_float(pointer, self._p, other, reflected)
        elif kind is bool:
            p = with_bool(pointer, self._p, other, reflected)
        elif kind is complex:
            p = with_complex(pointer, self._p, other.real, other.imag, reflected)
        else:
            other = operand(other, self)
            if other is None:
                return NotImplemented
            p = function(other._p, self._p) if reflected else function(self._p, other._p)
        return make(p, self._s)

    return method


def _inplace(name: str):
    operator = _binary(name)

    def method(self, other):
        result = operator(self, other)
        return NotImplemented if result is NotImplemented else replace(self, result)

    return method


def _power(plain):
    """The power of NumPy's operator, which for an exponent of 2 is the square: of bools in int8, where the function gives int64."""
    def method(self, other):
        return UFUNCS["square"](self) if type(other) is int and other == 2 and self.dtype.kind == "b" else plain(self, other)

    return method


def _unary(name: str):
    function = getattr(lib, "tsr_" + name)
    return lambda self: make(function(self._p), self._s)


def _divmod(self, other):
    return UFUNCS["divmod"](self, other)


def _rdivmod(self, other):
    return UFUNCS["divmod"](other, self)


def operators() -> dict:
    """Python's special methods for arithmetic, comparison and bits."""
    methods = {"__divmod__": _divmod, "__rdivmod__": _rdivmod}
    for short, name in BINARY.items():
        methods[f"__{short}__"] = _binary(name)
        methods[f"__r{short}__"] = _binary(name, reflected=True)
        methods[f"__i{short}__"] = _inplace(name)
    methods["__pow__"] = _power(methods["__pow__"])
    methods.update({f"__{short}__": _binary(name) for short, name in COMPARE.items()})
    methods.update({f"__{short}__": _unary(name) for short, name in UNARY.items()})
    for name, method in methods.items():
        method.__name__ = name
    return methods


# ---- The list ---------------------------------------------------------------------------------------------------------------


def _make_ufuncs() -> dict[str, Ufunc]:
    arity, found, index = ffi.new("int *"), {}, 0
    while name := lib.tsr_map_name(index, arity):
        text = ffi.string(name).decode()
        if text not in OTHERS and not text.startswith(("modf_", "frexp_")):
            found[text] = Ufunc(text, (text,), arity[0])
        index += 1
    for name, parts in PAIRS.items():
        found[name] = Ufunc(name, parts, 2 if name == "divmod" else 1)
    return found


UFUNCS: dict[str, Ufunc] = _make_ufuncs()
