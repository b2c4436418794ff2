"""Shapes, axes, and arrays put together, with NumPy's signatures."""
from __future__ import annotations

import operator

import numpy as np

from . import _chunks
from ._core import Node, asnode, check_cast, common, is_array_like, make, stored, strong
from ._creation import created, shape_of
from ._lib import CODES, MAX_NDIM, dtype_code, ffi, lib
from ._reductions import axes_of, cast


def _ints(values) -> list[int]:
    """One int or several as a list."""
    try:
        return [operator.index(values)]
    except TypeError:
        return [operator.index(value) for value in values]


def _pointers(arrays) -> tuple[list[Node], list]:
    """Arrays as nodes of one session and their pointers."""
    nodes = common(tuple(arrays))
    return nodes, [node._p for node in nodes]


def rechunk(x, chunks="auto", **ignored):
    """The same array in other chunks.

    >>> import tessera as ts
    >>> ts.rechunk(ts.arange(5), 2).chunks
    ((2, 2, 1),)
    """
    return asnode(x).rechunk(chunks)


# ---- Shape ----------------------------------------------------------------------------------------------------------------


def reshape(a, /, shape=None, order="C", *, copy=None, merge_chunks=True, limit=None):
    """The same elements, in C order, in another shape; one length may be -1.

    >>> import tessera as ts
    >>> ts.reshape(ts.arange(6), (2, -1)).shape
    (2, 3)
    """
    a = asnode(a)
    if order not in ("C", "F", "A"):
        raise ValueError(f"order {order!r} is not permitted for reshaping")
    if order == "F":
        return transpose(reshape(transpose(a), tuple(reversed(shape_of(shape)))))
    shape = shape_of(shape)
    return make(lib.tsr_reshape(a._p, len(shape), shape), a._s)


def ravel(a, order="C"):
    """The elements in one dimension.

    >>> import tessera as ts
    >>> ts.ravel([[1, 2], [3, 4]]).compute()
    array([1, 2, 3, 4])
    """
    return reshape(a, -1, "C" if order == "K" else order)


def transpose(a, axes=None):
    """Axes in another order; without `axes` reversed.

    >>> import tessera as ts
    >>> ts.transpose(ts.zeros((2, 3, 4)), (1, 0, 2)).shape
    (3, 2, 4)
    """
    a = asnode(a)
    if axes is None:
        return make(lib.tsr_transpose(a._p, ffi.NULL), a._s)
    axes = _ints(axes)
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    return make(lib.tsr_transpose(a._p, axes or ffi.NULL), a._s)


permute_dims = transpose


def matrix_transpose(x, /):
    """The last two axes exchanged.

    >>> import tessera as ts
    >>> ts.matrix_transpose(ts.zeros((2, 3, 4))).shape
    (2, 4, 3)
    """
    x = asnode(x)
    return make(lib.tsr_matrix_transpose(x._p), x._s)


def swapaxes(a, axis1, axis2):
    """Two axes exchanged.

    >>> import tessera as ts
    >>> ts.swapaxes(ts.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    a = asnode(a)
    return make(lib.tsr_swapaxes(a._p, axis1, axis2), a._s)


def moveaxis(a, source, destination):
    """Axes moved to other places; the others keep their order.

    >>> import tessera as ts
    >>> ts.moveaxis(ts.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    a, source, destination = asnode(a), _ints(source), _ints(destination)
    if len(source) != len(destination):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    return make(lib.tsr_moveaxis(a._p, len(source), source, destination), a._s)


def rollaxis(a, axis, start=0):
    """An axis moved to before the axis that is at `start`.

    >>> import tessera as ts
    >>> ts.rollaxis(ts.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    a = asnode(a)
    return make(lib.tsr_rollaxis(a._p, axis, start), a._s)


def _axis(a: Node, axis: int) -> int:
    """The axis, counted from the front."""
    axis = operator.index(axis)
    if not -a.ndim <= axis < a.ndim:
        raise np.exceptions.AxisError(axis, a.ndim)
    return axis % a.ndim


def expand_dims(a, axis):
    """New axes of length 1 at these places of the result.

    >>> import tessera as ts
    >>> ts.expand_dims(ts.zeros(3), (0, 2)).shape
    (1, 3, 1)
    """
    a, axes = asnode(a), _ints(axis)
    return make(lib.tsr_expand_dims(a._p, len(axes), axes or ffi.new("int[1]")), a._s)


def squeeze(a, axis=None):
    """Without axes of length 1: these, or all such.

    >>> import tessera as ts
    >>> ts.squeeze(ts.zeros((1, 3, 1))).shape
    (3,)
    """
    a = asnode(a)
    if a.ndim == 0 and not isinstance(axis, tuple) and axis in (0, -1):  # of numbers NumPy lets these axes pass
        return a
    return make(lib.tsr_squeeze(a._p, *axes_of(axis)), a._s)


def broadcast_to(array, shape, subok=False, *, chunks=None):
    """The array repeated along new axes and axes of length 1, without a copy.

    >>> import tessera as ts
    >>> ts.broadcast_to([1, 2], (2, 2)).compute()
    array([[1, 2],
           [1, 2]])
    """
    array, shape = asnode(array), shape_of(shape)
    result = make(lib.tsr_broadcast_to(array._p, len(shape), shape), array._s)
    return result if chunks is None else result.rechunk(chunks)


def broadcast_arrays(*args, subok=False):
    """The arrays, each in the shape that they have together. What is of no dtype of ours (texts, objects) stays NumPy's.

    >>> import tessera as ts
    >>> [a.shape for a in ts.broadcast_arrays([1, 2], [[3], [4]])]
    [(2, 2), (2, 2)]
    """
    args = [a if isinstance(a, Node) or is_array_like(a) else np.asarray(a) for a in args]
    foreign = [isinstance(a, np.ndarray) and a.dtype.newbyteorder("=") not in CODES for a in args]
    if any(foreign):  # matplotlib's bar: hatches beside heights
        shape = np.broadcast_shapes(*(a.shape for a in args))
        return tuple(np.broadcast_to(a, shape) if is_foreign else broadcast_to(a, shape) for a, is_foreign in zip(args, foreign))
    nodes, pointers = _pointers(args)
    return tuple(_several(len(nodes), nodes[0]._s, lib.tsr_broadcast_arrays, len(nodes), pointers)) if nodes else ()


def flip(m, axis=None):
    """Reversed along these axes, or all.

    >>> import tessera as ts
    >>> ts.flip(ts.arange(3)).compute()
    array([2, 1, 0])
    """
    m = asnode(m)
    return make(lib.tsr_flip(m._p, *axes_of(axis)), m._s)


def flipud(m):
    """Reversed along axis 0.

    >>> import tessera as ts
    >>> ts.flipud([[1], [2]]).compute()
    array([[2],
           [1]])
    """
    m = asnode(m)
    return make(lib.tsr_flipud(m._p), m._s)


def fliplr(m):
    """Reversed along axis 1.

    >>> import tessera as ts
    >>> ts.fliplr([[1, 2]]).compute()
    array([[2, 1]])
    """
    m = asnode(m)
    return make(lib.tsr_fliplr(m._p), m._s)


def rot90(m, k=1, axes=(0, 1)):
    """Turned k times by 90 degrees, from the first of the axes towards the second.

    >>> import tessera as ts
    >>> ts.rot90([[1, 2], [3, 4]]).compute()
    array([[2, 4],
           [1, 3]])
    """
    m, axes = asnode(m), tuple(axes)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    return make(lib.tsr_rot90(m._p, k, *axes), m._s)


def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, as the last axis.

    >>> import tessera as ts
    >>> ts.diagonal([[1, 2], [3, 4]]).compute()
    array([1, 4])
    """
    a = asnode(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    return make(lib.tsr_diagonal(a._p, offset, axis1, axis2), a._s)


def _at_least(ndim: int):
    in_c = getattr(lib, f"tsr_atleast_{ndim}d")

    def function(*arrays):
        made = tuple(make(in_c(a._p), a._s) for a in map(asnode, arrays))
        return made[0] if len(made) == 1 else made

    function.__name__ = f"atleast_{ndim}d"
    function.__doc__ = f"Arrays with at least {ndim} dimension{'s' * (ndim > 1)}, as numpy.atleast_{ndim}d."
    return function


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)

# ---- Joining and splitting ------------------------------------------------------------------------------------------------


def concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind", allow_unknown_chunksizes=False):
    """Arrays one after another along an axis that exists; None flattens them first.

    >>> import tessera as ts
    >>> ts.concatenate([ts.zeros((2, 3)), ts.ones((1, 3))]).shape
    (3, 3)
    """
    nodes, pointers = _pointers(arrays)
    if not nodes:
        raise ValueError("need at least one array to concatenate")
    if nodes[0].ndim == 0 and axis is not None:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if axis is None:
        nodes, pointers = _pointers([ravel(node) for node in nodes])
        axis = 0
    result = make(lib.tsr_concatenate(len(nodes), pointers, axis), nodes[0]._s)
    if dtype is None and out is None:
        return result
    from ._elementwise import deliver

    check_cast(result.dtype, dtype, casting)
    return deliver(cast(result, dtype), out)


concat = concatenate


def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays of one shape along a new axis.

    >>> import tessera as ts
    >>> ts.stack([ts.arange(3), ts.arange(3)], axis=1).shape
    (3, 2)
    """
    nodes, pointers = _pointers(arrays)
    if not nodes:
        raise ValueError("need at least one array to stack")
    p = lib.tsr_stack(len(nodes), pointers, axis)
    if not p and any(node.shape != nodes[0].shape for node in nodes):
        raise ValueError("all input arrays must have the same shape")
    result = make(p, nodes[0]._s)
    if dtype is None and out is None:
        return result
    from ._elementwise import deliver

    check_cast(result.dtype, dtype, casting)
    return deliver(cast(result, dtype), out)


def _joiner(name: str):
    function = getattr(lib, "tsr_" + name)

    def join(tup, *, dtype=None, casting="same_kind"):
        nodes, pointers = _pointers(tup)
        if not nodes:
            raise ValueError("need at least one array to concatenate")
        return cast(make(function(len(nodes), pointers), nodes[0]._s), dtype)

    join.__name__ = name
    join.__doc__ = f"Arrays joined as numpy.{name} does."
    return join


vstack, hstack, dstack = _joiner("vstack"), _joiner("hstack"), _joiner("dstack")
row_stack = vstack


def column_stack(tup):
    """One-dimensional arrays as the columns of a matrix; matrices beside each other.

    >>> import tessera as ts
    >>> ts.column_stack([[1, 2], [3, 4]]).compute()
    array([[1, 3],
           [2, 4]])
    """
    nodes, pointers = _pointers(strong(tup))
    if not nodes:
        raise ValueError("need at least one array to concatenate")
    return make(lib.tsr_column_stack(len(nodes), pointers), nodes[0]._s)


def block(arrays):
    """An array from nested lists of blocks, as numpy.block.

    >>> import tessera as ts
    >>> ts.block([[ts.ones((1, 1)), ts.zeros((1, 2))]]).compute()
    array([[1., 0., 0.]])
    """
    def depth_of(item):
        if not isinstance(item, list):
            return 0
        if not item:
            raise ValueError("List at arrays cannot be empty")
        depths = {depth_of(inner) for inner in item}
        if len(depths) > 1:
            raise ValueError("List depths are mismatched.")
        return 1 + depths.pop()

    def leaves(item):
        return [leaf for inner in item for leaf in leaves(inner)] if isinstance(item, list) else [asnode(item)]

    depth = depth_of(arrays)
    ndim = max(depth, *(leaf.ndim for leaf in leaves(arrays)))

    def join(item, level):
        if not isinstance(item, list):
            item = asnode(item)
            return item[(None,) * (ndim - item.ndim)]
        return concatenate([join(inner, level + 1) for inner in item], level - depth)

    return join(arrays, 0)


def array_split(ary, indices_or_sections, axis=0):
    """The array cut into parts along an axis: so many, as equal as possible, or at these indices.

    >>> import tessera as ts
    >>> [len(part) for part in ts.array_split(ts.arange(5), 3)]
    [2, 2, 1]
    """
    return _parts(lib.tsr_array_split, asnode(ary), indices_or_sections, operator.index(axis))


def _parts(function, a: Node, indices_or_sections, *axis) -> list:
    """What the library's function cuts the array into."""
    if np.ndim(indices_or_sections):
        cuts = _ints(indices_or_sections)
        return _several(len(cuts) + 1, a._s, function, a._p, len(cuts), cuts or ffi.new("int64_t[1]"), *axis)
    sections = operator.index(indices_or_sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    return _several(sections, a._s, function, a._p, sections, ffi.NULL, *axis)


def _several(n: int, session, function, *arguments) -> list:
    """The n arrays that the function puts into its last argument."""
    results = ffi.new("tsr_array *[]", max(n, 1))
    session.check(function(*arguments, results))
    return [make(p, session) for p in ffi.unpack(results, n)]


def split(ary, indices_or_sections, axis=0):
    """array_split, where a number of parts must divide the length.

    >>> import tessera as ts
    >>> [part.compute().tolist() for part in ts.split(ts.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    return _parts(lib.tsr_split, asnode(ary), indices_or_sections, operator.index(axis))


def vsplit(ary, indices_or_sections):
    """`split` along axis 0.

    >>> import tessera as ts
    >>> len(ts.vsplit(ts.zeros((4, 2)), 2))
    2
    """
    return _parts(lib.tsr_vsplit, asnode(ary), indices_or_sections)


def hsplit(ary, indices_or_sections):
    """`split` along axis 1 (axis 0 of vectors).

    >>> import tessera as ts
    >>> len(ts.hsplit(ts.zeros((4, 2)), 2))
    2
    """
    return _parts(lib.tsr_hsplit, asnode(ary), indices_or_sections)


def dsplit(ary, indices_or_sections):
    """`split` along axis 2.

    >>> import tessera as ts
    >>> len(ts.dsplit(ts.zeros((1, 2, 4)), 2))
    2
    """
    return _parts(lib.tsr_dsplit, asnode(ary), indices_or_sections)


def unstack(x, /, *, axis=0):
    """The parts along an axis, without it.

    >>> import tessera as ts
    >>> [part.shape for part in ts.unstack(ts.zeros((2, 3)))]
    [(3,), (3,)]
    """
    x = asnode(x)
    return tuple(_several(x.shape[_axis(x, axis)], x._s, lib.tsr_unstack, x._p, axis))


def append(arr, values, axis=None):
    """Values put behind the array; without an axis both are flattened.

    >>> import tessera as ts
    >>> ts.append([1, 2], [[3], [4]]).compute()
    array([1, 2, 3, 4])
    """
    arr, values = strong((arr, values))
    if axis is None:
        arr, values, axis = ravel(arr), ravel(values), 0
    if arr.ndim == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    return make(lib.tsr_append(arr._p, values._p, axis), arr._s)


# ---- Elements to other places ---------------------------------------------------------------------------------------------


def roll(a, shift, axis=None):
    """Shifted along axes, what falls out comes in again; without an axis the flattened array is rolled.

    >>> import tessera as ts
    >>> ts.roll(ts.arange(4), 1).compute()
    array([3, 0, 1, 2])
    """
    a = asnode(a)
    shifts = _ints(shift)
    if axis is None:
        return make(lib.tsr_roll(a._p, 1, [sum(shifts)], ffi.NULL), a._s)
    axes = _ints(axis)
    n = max(len(shifts), len(axes))
    if len(shifts) not in (1, n) or len(axes) not in (1, n):
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    total: dict[int, int] = {}
    for s, d in zip(shifts * (n if len(shifts) == 1 else 1), axes * (n if len(axes) == 1 else 1)):
        d = _axis(a, d)
        total[d] = total.get(d, 0) + s
    return make(lib.tsr_roll(a._p, len(total), list(total.values()), list(total)), a._s) if total else a


def take(a, indices, axis=None, out=None, mode="raise"):
    """The elements at these indices along an axis, or of the flattened array.

    >>> import tessera as ts
    >>> ts.take([[1, 2, 3]], [2, 0], axis=1).compute()
    array([[3, 1]])
    """
    a = asnode(a)
    if axis is None:
        a, axis = ravel(a), 0
    axis = _axis(a, axis)
    indices = np.asarray(indices)
    if indices.dtype.kind not in "iub" and indices.size:
        raise TypeError(f"Cannot cast array data from {indices.dtype!r} to dtype('int64') according to the rule 'safe'")
    length = a.shape[axis]
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if mode == "wrap" and length:
        indices = indices % length
    elif mode == "clip":
        indices = np.clip(indices, 0, max(length - 1, 0))
    flat = np.ascontiguousarray(indices, np.int64).ravel()
    p = lib.tsr_take(a._p, flat.size, ffi.from_buffer("int64_t[]", flat), axis)
    if not p:
        raise a._s.failure(IndexError)
    result = make(p, a._s)
    if indices.ndim != 1:
        result = reshape(result, a.shape[:axis] + indices.shape + a.shape[axis + 1:])
    from ._elementwise import deliver

    return deliver(result, out)


def repeat(a, repeats, axis=None):
    """Each element so many times, along an axis or of the flattened array.

    >>> import tessera as ts
    >>> ts.repeat([1, 2], [1, 3]).compute()
    array([1, 2, 2, 2])
    """
    a = asnode(a)
    if axis is None:
        a, axis = ravel(a), 0
    axis = _axis(a, axis)
    repeats = _ints(np.asarray(repeats).tolist())
    if len(repeats) not in (1, a.shape[axis]):
        raise ValueError(f"operands could not be broadcast together with shape ({a.shape[axis]},) ({len(repeats)},)")
    return make(lib.tsr_repeat(a._p, len(repeats), repeats, axis), a._s)


def tile(A, reps):
    """The whole array so many times along each axis.

    >>> import tessera as ts
    >>> ts.tile([1, 2], (2, 2)).compute()
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    A, reps = asnode(A), _ints(reps)
    return make(lib.tsr_tile(A._p, len(reps), reps or ffi.new("int64_t[1]")), A._s)


# What numpy.pad takes in each mode.
_PAD_OPTIONS = {"constant": {"constant_values": 0}, "linear_ramp": {"end_values": 0}, "empty": {}, "edge": {}, "wrap": {},
                **dict.fromkeys(("maximum", "mean", "median", "minimum"), {"stat_length": None}), **dict.fromkeys(("reflect", "symmetric"), {"reflect_type": "even"})}


def pad(array, pad_width, mode="constant", **kwargs):
    """The array with elements put around it, as numpy.pad; the mode may be a function.

    >>> import tessera as ts
    >>> ts.pad([1, 2], 1, mode="edge").compute()
    array([1, 1, 2, 2])
    """
    array = asnode(array)
    if not callable(mode):
        if mode not in _PAD_OPTIONS:
            raise ValueError(f"mode {mode!r} is not supported")
        options = _PAD_OPTIONS[mode]
        if not kwargs.keys() <= options.keys():
            raise ValueError(f"unsupported keyword arguments for mode '{mode}': {set(kwargs) - set(options)}")
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(d, pad_width.get(d - array.ndim, (0, 0))) for d in range(array.ndim)]
        pad_width = [(w, w) if np.ndim(w) == 0 else w for w in pad_width]
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    if any(type(w) is not int for pair in widths for w in pair):
        raise TypeError("`pad_width` must be of integral type.")
    if any(w < 0 for pair in widths for w in pair):
        raise ValueError("index can't contain negative values")
    if callable(mode):
        return _pad_by(mode, array, widths, kwargs)
    mode = "constant" if mode == "empty" else mode
    lengths, odd = _stat_lengths(array, widths, mode, kwargs.get("stat_length")), kwargs.get("reflect_type", "even") == "odd"
    values = kwargs.get("constant_values", kwargs.get("end_values", 0))
    if mode == "constant" or array.dtype.kind in "iub":  # a ramp of integers ends at one
        values = stored(values, array.dtype)
    values = np.broadcast_to(np.asarray(values), (array.ndim, 2))
    if values.size and (values == values.flat[0]).all():
        return _pad(array, widths, mode, values.flat[0].item() if values.size else 0, lengths, odd)
    for axis in range(array.ndim):  # one side after the other, as NumPy defines it
        for side in (0, 1):
            only = [[0, 0] for _ in widths]
            only[axis][side] = widths[axis][side]
            array = _pad(array, only, mode, values[axis, side].item())
    return array


def _pad_by(function, array: Node, widths: list, options: dict):
    """A function gets each vector with zeros at its ends, axis by axis, and fills them in place."""
    from ._blocks import map_blocks

    array = _pad(array, widths, "constant", 0)
    for axis, width in enumerate(map(tuple, widths)):
        def filled(block, axis=axis, width=width):
            def one(vector):
                vector = vector.copy()
                function(vector, width, axis, options)
                return vector

            return np.apply_along_axis(one, axis, block) if block.size else block

        array = map_blocks(filled, array.rechunk({axis: -1}), dtype=array.dtype)
    return array


def _stat_lengths(array: Node, widths: list, mode: str, lengths) -> list | None:
    """How many elements at each end make the statistic, before and after each axis."""
    if lengths is None:
        return None
    lengths = np.broadcast_to(np.round(np.asarray(lengths)).astype(np.int64), (array.ndim, 2))
    if (lengths < 0).any():
        raise ValueError("index can't contain negative values")
    if array.size and mode in ("maximum", "minimum") and (lengths == 0).any():
        raise ValueError("stat_length of 0 yields no value for padding")
    return lengths.ravel().tolist()


def _pad(array: Node, widths: list, mode: str, value, lengths=None, odd: bool = False) -> Node:
    number = lib.tsr_complex(value.real, value.imag) if isinstance(value, complex) else lib.tsr_float(value) if isinstance(value, float) else lib.tsr_int(value)
    return make(lib.tsr_pad_by(array._p, [w for pair in widths for w in pair] or [0], mode.encode(), number, lengths or ffi.NULL, odd), array._s)


def _matrix(m) -> Node:
    """At least two dimensions: NumPy takes a vector for all rows of a square."""
    m = asnode(m)
    return broadcast_to(m, (len(m), len(m))) if m.ndim == 1 else m


def tril(m, k=0):
    """Zero above the k-th diagonal.

    >>> import tessera as ts
    >>> ts.tril(ts.ones((2, 2))).compute()
    array([[1., 0.],
           [1., 1.]])
    """
    m = _matrix(m)
    return make(lib.tsr_tril(m._p, k), m._s)


def triu(m, k=0):
    """Zero below the k-th diagonal.

    >>> import tessera as ts
    >>> ts.triu(ts.ones((2, 2))).compute()
    array([[1., 1.],
           [0., 1.]])
    """
    m = _matrix(m)
    return make(lib.tsr_triu(m._p, k), m._s)


def diff(a, n=1, axis=-1, prepend=np._NoValue, append=np._NoValue):
    """The n-th difference along an axis.

    >>> import tessera as ts
    >>> ts.diff([1, 4, 9]).compute()
    array([3, 5])
    """
    a = asnode(a)
    axis = _axis(a, axis)
    parts = [np._NoValue if v is np._NoValue else _edge(a, v, axis) for v in (prepend, append)]
    parts = [p for p in (parts[0], a, parts[1]) if p is not np._NoValue]
    joined = concatenate(parts, axis) if len(parts) > 1 else a
    return make(lib.tsr_diff(joined._p, n, axis), a._s)


def _edge(a: Node, value, axis: int) -> Node:
    """What is put before or behind: a single value is one element long."""
    value = asnode(value, a._s)
    return value if value.ndim else broadcast_to(value, a.shape[:axis] + (1,) + a.shape[axis + 1:])
