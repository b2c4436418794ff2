"""Functions of blocks, with Dask's names and arguments: map_blocks, map_overlap, blockwise, apply_gufunc, from_function."""
from __future__ import annotations

import inspect
import re

import numpy as np

from . import _chunks
from ._callbacks import BLOCK, BlockFunction, hold, let_go
from ._c_tasks import CFuture
from ._compiled import CFunction
from ._core import Node, asnode, make
from ._futures import Future
from ._lib import dense, dtype_code, ffi, lib
from ._session import current

_BLOCK_ARGUMENTS = ("block_id", "block_info")


def _is_array(value) -> bool:
    return isinstance(value, Node) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _wants(function) -> frozenset:
    """Which of Dask's special arguments the function has."""
    try:
        return frozenset(_BLOCK_ARGUMENTS) & frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()


class Call:
    """A tsr_function, with everything that it points to."""

    BLOCK = BLOCK

    def __init__(self, function, arguments: tuple, options: dict, session, name=None) -> None:
        self._handle = None
        if isinstance(function, CFunction):
            self.struct = function.struct_of(session)
            return
        name = name or getattr(function, "__name__", type(function).__name__)
        self._name = ffi.new("char[]", name.encode())
        self.struct = ffi.new("tsr_function *", {"name": self._name})
        if isinstance(function, ffi.CData):  # a C function
            self.struct.call = ffi.cast("tsr_block_function", function)
        elif hasattr(function, "address"):  # numba's @cfunc
            self._handle = hold(function)  # its code lives as long as the object
            self.struct.call, self.struct.context, self.struct.release = ffi.cast("tsr_block_function", function.address), self._handle, lib.glue_drop
        else:
            self._handle = hold(BlockFunction(function, arguments, options, session.handle(), _wants(function)))
            self.struct.call, self.struct.context, self.struct.release = lib.glue_block, self._handle, lib.glue_drop

    def drop(self) -> None:
        """The library did not take the function."""
        if self._handle is not None:
            let_go(self._handle)

    def make(self, p, session):
        if not p:
            self.drop()
        return make(p, session)


def _arrays(args: tuple) -> tuple[list[Node], tuple]:
    """The arrays among the arguments, and the arguments with their places marked."""
    first = next((a for a in args if isinstance(a, Node)), None)
    session = first._s if first is not None else None
    nodes = [asnode(a, session) for a in args if _is_array(a)]
    return nodes, tuple(BLOCK if _is_array(a) else a for a in args)


def _infer(function, nodes, arguments, options, dtype, meta):
    """The dtype of the results: given, or that of a call with one element."""
    if not callable(function) and not isinstance(function, (ffi.CData, CFunction)) and not hasattr(function, "address"):
        raise TypeError(f"the function must be callable, not {type(function).__name__}; it comes first, then the arrays")
    if dtype is not None:
        return np.dtype(dtype)
    if meta is not None:
        return np.asarray(meta).dtype
    if isinstance(function, (ffi.CData, CFunction)) or hasattr(function, "address"):
        raise ValueError("dtype= is needed for C functions")
    following = iter([np.ones((1,) * node.ndim, node.dtype) for node in nodes])
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*[next(following) if a is BLOCK else a for a in arguments], **options)).dtype
    except Exception as error:
        raise ValueError(f"the function's dtype could not be found out: it failed for arrays of one element ({type(error).__name__}: {error}); "
                         "give dtype=") from error


def _chunk_structs(items) -> tuple:
    """Chunks for each axis as tsr_chunks, and what must stay alive."""
    lists = [ffi.new("int64_t[]", list(item) if isinstance(item, tuple) else [item]) for item in items]
    return ffi.new("tsr_chunks[]", [(len(values), values) for values in lists]), lists


def _ints(values) -> list[int]:
    return [] if values is None else [int(values)] if np.ndim(values) == 0 else [int(v) for v in values]


def map_blocks(func, *args, name=None, token=None, dtype=None, chunks=None, drop_axis=None, new_axis=None, enforce_ndim=False, meta=None, **kwargs):
    """Calls a function for each block of arrays.

    Parameters
    ----------
    func : callable, `tessera.c_function`, `tessera.numba_function`, C function of type tsr_block_function (cffi), or numba @cfunc of that signature
        Gets NumPy arrays, one block of each array in `args`, and gives one of the result. With parameters `block_id` or `block_info` it
        is told which, as in Dask. Python functions run one at a time; C functions on all threads.
    *args, **kwargs
        Arrays, whose chunks are brought to common borders (axes are matched from the last), and other arguments.
    dtype : dtype, optional
        Of the result. Default: found out by a call with one element.
    chunks : tuple, optional
        For each axis of the result the length of its chunks, or all lengths, if they are not those of the arrays.
    drop_axis, new_axis : int or sequence of int, optional
        Axes that the function takes away (it gets all chunks along them as one block) or adds.

    Raises
    ------
    Whatever the function raises, with a note of the block.

    Examples
    --------
    >>> import tessera as ts
    >>> ts.map_blocks(lambda block: block[::-1], ts.arange(6, chunks=3)).compute()
    array([2, 1, 0, 5, 4, 3])
    """
    nodes, arguments = _arrays(args)
    if not nodes:
        return _from_blocks(func, arguments, kwargs, dtype, chunks)
    session = nodes[0]._s
    dtype = _infer(func, nodes, arguments, kwargs, dtype, meta) if not _wants(func) or dtype is not None or meta is not None else _told(func)
    call = Call(func, arguments, kwargs, session, name or token)
    drop, new = _ints(drop_axis), _ints(new_axis)
    ndim = max(node.ndim for node in nodes)
    drop, ndim = [d % ndim for d in drop], ndim - len(drop) + len(new)
    kept = [ffi.new("int[]", drop or [0]), ffi.new("int[]", new or [0])]
    lengths, lists = _chunk_structs(_chunks.parse(chunks, ndim)) if chunks is not None else (ffi.NULL, None)
    options = ffi.new("tsr_map_options *", {"n_drop": len(drop), "n_new": len(new), "drop_axis": kept[0], "new_axis": kept[1], "chunks": lengths})
    return call.make(lib.tsr_map_blocks(call.struct, len(nodes), [n._p for n in nodes], dtype_code(dtype), options), session)


def _told(func):
    raise ValueError("dtype= is needed for functions that take block_id or block_info")


def _from_blocks(func, arguments, options, dtype, chunks, session=None):
    """map_blocks without arrays: the blocks are made from nothing."""
    if chunks is None:
        raise ValueError("chunks= is needed where there are no arrays")
    if dtype is None:
        raise ValueError("dtype= is needed where there are no arrays")
    session = session or current()
    items = [item if isinstance(item, (tuple, list)) else (item,) for item in chunks]
    call = Call(func, arguments, options, session)
    structs, lists = _chunk_structs([tuple(map(int, item)) for item in items])
    return call.make(lib.tsr_from_blocks(session.handle(), call.struct, dtype_code(dtype), len(items), structs), session)


def from_delayed(value, shape, dtype=None, meta=None, name=None):
    """An array of one block that a function makes when it is computed.

    Parameters
    ----------
    value : callable without arguments, an object with a method `compute` (as Dask's delayed ones), or a Future
        Gives an array of this shape and dtype. What a future gives stays on its worker.
    shape : tuple of int
    dtype : dtype
        Or that of `meta`.

    >>> import numpy as np, tessera as ts
    >>> x = ts.from_delayed(lambda: np.arange(3.0), (3,), float)
    >>> ts.concatenate([x, x + 3]).compute()
    array([0., 1., 2., 3., 4., 5.])
    """
    if isinstance(value, Future) and not value.is_local:
        return from_futures([value], shape, dtype, meta=meta)
    load = value.result if isinstance(value, Future) else value if callable(value) and not hasattr(value, "compute") else value.compute
    dtype = np.asarray(meta).dtype if dtype is None and meta is not None else dtype
    return _from_blocks(lambda: load(), (), {}, dtype, tuple((int(n),) for n in ((shape,) if np.ndim(shape) == 0 else shape)))


def from_map(func, *iterables, shape, dtype, axis=0, args=(), **kwargs):
    """An array of blocks that a function makes, each from an element of every iterable, joined along an axis.

    Parameters
    ----------
    func : callable
        func(*elements, *args, **kwargs) gives an array of this shape and dtype. Called once for each block, when it is needed.
    *iterables
        As many elements each as there are blocks: file names, times ...
    shape : tuple of int
        Of every block.

    >>> import numpy as np, tessera as ts
    >>> ts.from_map(lambda i: np.full((2, 3), i), [5, 7], shape=(2, 3), dtype=int).compute()[:, 0]
    array([5, 5, 7, 7])
    """
    items = list(zip(*iterables, strict=True))
    if not items:
        raise ValueError("from_map: no blocks")
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(map(int, shape))
    if not -len(shape) <= axis < len(shape):
        raise np.exceptions.AxisError(axis, len(shape))
    axis %= len(shape)

    def make_block(block_id):
        return func(*items[block_id[axis]], *args, **kwargs)

    return _from_blocks(make_block, (), {}, dtype, tuple((n,) * len(items) if d == axis else (n,) for d, n in enumerate(shape)))


def from_futures(futures, shape=None, dtype=None, axis=0, meta=None):
    """One array of the results of futures, joined along an axis; they stay where they are on the workers until the array is computed.

    Parameters
    ----------
    futures : list of Future
        Each gives an array of the same number of dimensions and the same dtype, and the same lengths but along `axis`.
    shape : tuple, or list of tuples, optional
        Of every block, or of each. Default: the functions are waited for, and asked.
    dtype : dtype, optional
        Or that of `meta`. Default: as for `shape`.
    axis : int
        Along which they are joined.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
    ...     x = ts.from_futures(client.map(np.full, [(1, 2)] * 2, [5, 7]))
    ...     x.shape, x.sum(axis=1).compute()
    ((2, 2), array([10, 14]))
    """
    futures = list(futures)
    if not futures:
        raise ValueError("from_futures: no futures")
    client = futures[0].client
    dtype = np.asarray(meta).dtype if dtype is None and meta is not None else dtype
    if any(isinstance(future, CFuture) for future in futures):
        shape, dtype = _c_facts(futures, shape, dtype)
    elif shape is None or dtype is None:
        facts = client.gather(client.map(_facts, futures))
        shape = [fact[0] for fact in facts] if shape is None else shape
        dtype = np.result_type(*{fact[1] for fact in facts}) if dtype is None else dtype
    shapes = [tuple(s) for s in shape] if isinstance(shape, list) else [(int(shape),) if np.ndim(shape) == 0 else tuple(shape)] * len(futures)
    ndim = len(shapes[0])
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    axis %= ndim
    for i, s in enumerate(shapes):
        if len(s) != ndim or any(n != m for d, (n, m) in enumerate(zip(s, shapes[0])) if d != axis):
            raise ValueError(f"from_futures: block {i} has the shape {s}, the first {shapes[0]}; they may differ along axis {axis} only")
    chunks = tuple(tuple(s[axis] for s in shapes) if d == axis else (n,) for d, n in enumerate(shapes[0]))
    handles = ffi.new("tsr_future *[]", [future._handle() for future in futures])
    structs, lists = _chunk_structs([tuple(map(int, item)) for item in chunks])
    if isinstance(futures[0], CFuture):  # its elements
        return make(lib.tsr_from_futures(client.handle(), handles, dtype_code(dtype), ndim, structs, ffi.NULL), client)
    call = Call(_value, (BLOCK,), {}, client, "from_futures")
    return call.make(lib.tsr_from_futures(client.handle(), handles, dtype_code(dtype), ndim, structs, call.struct), client)


def _value(message):
    """What a Python function returned, of the bytes that it travels as."""
    from ._pickling import read

    return read(memoryview(message))


def _c_facts(futures: list, shape, dtype) -> tuple:
    """The same of results of C functions, which are bytes."""
    if not all(isinstance(future, CFuture) for future in futures):
        raise TypeError("from_futures: results of C functions and of Python functions do not make one array")
    dtype = futures[0].dtype if dtype is None else np.dtype(dtype)
    if dtype is None:
        raise ValueError("from_futures: dtype= is needed for the results of C functions, which are bytes")
    if shape is None:
        futures[0].client.wait_for(futures)
        shape = [(max(lib.tsr_future_size(future._handle()), 0) // dtype.itemsize,) for future in futures]
    return shape, dtype


def _facts(block) -> tuple:
    """Of the result of a future, on its worker."""
    block = dense(block)
    return block.shape, block.dtype


def fromfunction(function, /, shape, *, dtype=float, like=None, chunks="auto", **kwargs):
    """An array of a function of the indices, which come as arrays.

    >>> import tessera as ts
    >>> ts.fromfunction(lambda i, j: 10 * i + j, (2, 3), dtype=int).compute()
    array([[ 0,  1,  2],
           [10, 11, 12]])
    """
    from ._grids import indices

    grids = [g if chunks == "auto" else g.rechunk(chunks) for g in indices(shape, dtype)]
    result = asnode(function(*grids, **kwargs))
    from ._manipulation import broadcast_to

    return result if result.shape == tuple(shape) else broadcast_to(result, shape)


# ---- Neighbours -------------------------------------------------------------------------------------------------------------


def _by_axis(value, ndim: int, default) -> list:
    """depth= or boundary= of one array: one for all axes, one for each, or by axis."""
    if isinstance(value, dict):
        return [value.get(axis, value.get(axis - ndim, default)) for axis in range(ndim)]
    if isinstance(value, (tuple, list)) and len(value) == ndim and not isinstance(value, str):
        return list(value)
    return [default if value is None else value] * ndim


def _overlaps(depth, boundary, ndim: int) -> tuple:
    """tsr_overlap for each axis, and what must stay alive."""
    made, texts = ffi.new("tsr_overlap[]", max(ndim, 1)), []
    for axis, (d, b) in enumerate(zip(_by_axis(depth, ndim, 0), _by_axis(boundary, ndim, "none"))):
        before, after = d if isinstance(d, (tuple, list)) else (d, d)
        made[axis].before, made[axis].after = int(before), int(after)
        texts.append(ffi.new("char[]", (b if isinstance(b, str) else "none" if b is None else "constant").encode()))
        made[axis].boundary = texts[-1]
        made[axis].value = lib.tsr_float(0.0 if isinstance(b, str) or b is None else float(b))
    return made, texts


def _each(value, n: int) -> list:
    """One setting for each of n arrays."""
    return list(value) if isinstance(value, list) and len(value) == n else [value] * n


def map_overlap(func, *args, depth=None, boundary=None, trim=True, dtype=None, meta=None, align_arrays=True, allow_rechunk=True, **kwargs):
    """Calls a function for each block together with what surrounds it, and cuts the surroundings off the result.

    Parameters
    ----------
    func : callable
        Gets blocks with their surroundings and gives one of the same shape.
    *args, **kwargs
        Arrays and other arguments.
    depth : int, tuple, dict, or a list with one of these for each array
        How far blocks reach into their neighbours: for all axes, each axis, or by axis; a pair is (before, after).
    boundary : {"none", "reflect", "periodic", "nearest"} or a number, likewise
        What lies beyond the ends of the array.
    trim : bool
        Whether the surroundings are cut off.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> x = ts.arange(6, chunks=2)
    >>> ts.map_overlap(lambda b: b + np.roll(b, 1) + np.roll(b, -1), x, depth=1, boundary="periodic").compute()
    array([ 6,  3,  6,  9, 12,  9])
    """
    if isinstance(func, Node):  # Dask's older order
        func, args = args[0], (func, *args[1:])
    nodes, arguments = _arrays(args)
    if not nodes:
        raise TypeError("map_overlap needs an array")
    dtype, session = _infer(func, nodes, arguments, kwargs, dtype, meta), nodes[0]._s
    settings = [_overlaps(d, b, n.ndim) for d, b, n in zip(_each(depth, len(nodes)), _each(boundary, len(nodes)), nodes)]
    if not trim:
        wide = [make(lib.tsr_overlapped(n._p, overlap), session) for n, (overlap, _) in zip(nodes, settings)]
        following = iter(wide)
        return map_blocks(func, *[next(following) if a is BLOCK else a for a in arguments], dtype=dtype, **kwargs)
    call = Call(func, arguments, kwargs, session)
    pointers = ffi.new("tsr_overlap *[]", [overlap for overlap, _ in settings])
    return call.make(lib.tsr_map_overlap(call.struct, len(nodes), [n._p for n in nodes], ffi.cast("const tsr_overlap *const *", pointers),
                                         dtype_code(dtype)), session)


def overlap(x, depth, boundary=None):
    """The blocks with their surroundings, side by side.

    >>> import tessera as ts
    >>> ts.overlap(ts.arange(4, chunks=2), 1).compute()
    array([0, 1, 2, 1, 2, 3])
    """
    x = asnode(x)
    made, texts = _overlaps(depth, boundary, x.ndim)
    return make(lib.tsr_overlapped(x._p, made), x._s)


def trim_overlap(x, depth, boundary=None):
    """The blocks without their surroundings: the reverse of `overlap`.

    >>> import tessera as ts
    >>> ts.trim_overlap(ts.overlap(ts.arange(4, chunks=2), 1), 1).compute()
    array([0, 1, 2, 3])
    """
    x = asnode(x)
    made, texts = _overlaps(depth, boundary, x.ndim)
    return make(lib.tsr_trim_overlap(x._p, made), x._s)


# Dask has these in a module of that name: da.overlap.overlap, da.overlap.trim_internal.
for _function in (overlap, map_overlap, trim_overlap):
    setattr(overlap, _function.__name__, _function)
setattr(overlap, "trim_internal", trim_overlap)


# ---- The general form -------------------------------------------------------------------------------------------------------


def blockwise(func, out_ind, *args, dtype=None, adjust_chunks=None, new_axes=None, align_arrays=True, concatenate=True, name=None, token=None,
              meta=None, **kwargs):
    """A function of blocks that are matched by index labels, as Dask's blockwise: `blockwise(f, "ij", x, "ik", y, "kj")`.

    Labels that the result does not have are given to the function as one block.

    >>> import numpy as np, tessera as ts
    >>> ts.blockwise(np.add.outer, "ij", ts.arange(2), "i", ts.arange(3), "j", dtype=int).compute()
    array([[0, 1, 2],
           [1, 2, 3]])
    """
    pairs = list(zip(args[::2], args[1::2]))
    nodes = [asnode(a) for a, ind in pairs if ind is not None]
    arguments = tuple(BLOCK if ind is not None else a for a, ind in pairs)
    labels: dict = {}
    number = lambda label: labels.setdefault(label, len(labels))  # noqa: E731
    session = nodes[0]._s if nodes else current()
    dtype = _infer(func, nodes, arguments, kwargs, dtype, meta)
    lists = [ffi.new("int[]", [number(label) for label in ind] or [0]) for _, ind in pairs if ind is not None]
    inputs = ffi.new("tsr_block_input[]", [(node._p, ind) for node, ind in zip(nodes, lists)])
    known = {label: lengths for (_, ind), node in zip([p for p in pairs if p[1] is not None], nodes) for label, lengths in zip(ind, node.chunks)}
    changed = {**{k: v if isinstance(v, (tuple, list)) else (v,) for k, v in (new_axes or {}).items()},
               **{k: _adjusted(v, known[k]) for k, v in (adjust_chunks or {}).items()}}
    chunks, kept = _chunk_structs([tuple(changed[label]) if label in changed else () for label in out_ind]) if changed else (ffi.NULL, None)
    out_labels = ffi.new("int[]", [number(label) for label in out_ind] or [0])
    output = ffi.new("tsr_block_output *", {"dtype": dtype_code(dtype), "ndim": len(out_ind), "labels": out_labels, "chunks": chunks,
                                            "keep_chunks": not align_arrays})
    call = Call(func, arguments, kwargs, session, name or token)
    return call.make(lib.tsr_blockwise(session.handle(), call.struct, len(nodes), inputs, output), session)


def _adjusted(change, lengths: tuple) -> tuple:
    """adjust_chunks= of one label: a function of each length, one length for all, or all lengths."""
    if callable(change):
        return tuple(int(change(length)) for length in lengths)
    return tuple(change) if isinstance(change, (tuple, list)) else (int(change),) * len(lengths)


def _parse_signature(signature: str) -> tuple[list, list]:
    """"(i,j),(j)->(i)" as the core dimensions of the inputs and of the outputs."""
    sides = signature.replace(" ", "").split("->")
    if len(sides) != 2:
        raise ValueError(f"{signature} is not a valid gufunc signature")
    return tuple([tuple(filter(None, part.split(","))) for part in re.findall(r"\(([^()]*)\)", side)] for side in sides)


def apply_gufunc(func, signature, *args, axes=None, axis=None, keepdims=False, output_dtypes=None, output_sizes=None, vectorize=None,
                 allow_rechunk=True, meta=None, **kwargs):
    """Calls a generalised ufunc for blocks: its core dimensions come whole, the others block by block.

    Parameters
    ----------
    func : callable
        The function; core dimensions are the last ones of its arguments and its result.
    signature : str
        Such as "(i,j),(j)->(i)". For several outputs, "(i)->(),()", the function gives a tuple, and the result is one: the function is
        called once for each block if they are computed together.
    axes : list of tuples, optional
        Which axes the core dimensions of each input and output are, as for NumPy's generalised ufuncs. Default: the last.
    axis : int, optional
        The axis of the one core dimension that all share.
    keepdims : bool
        Whether core dimensions that the outputs have not stay with length 1.
    output_dtypes : dtype, or a list of them
        Of the result; one for each output.
    output_sizes : dict, optional
        Lengths of core dimensions that only the output has.
    vectorize : bool
        Whether the function takes only core dimensions, and is to be called for each element of the others.

    Examples
    --------
    >>> import numpy as np, tessera as ts
    >>> ts.apply_gufunc(lambda x: x.max(axis=-1), "(i)->()", ts.arange(6).reshape(2, 3), output_dtypes=int).compute()
    array([2, 5])
    """
    inputs, outputs = _parse_signature(signature)
    from ._gufuncs import CoreAxes

    places = CoreAxes("apply_gufunc", inputs, outputs, axes, axis, keepdims)
    if len(inputs) != len(args):
        raise ValueError(f"the signature {signature} has {len(inputs)} inputs, {len(args)} given")
    if vectorize:
        func = np.vectorize(func, signature=signature)
    nodes = [places.move_in(i, asnode(a)) for i, a in enumerate(args)]
    pieces, loop = [], 0
    for node, core in zip(nodes, inputs):
        if node.ndim < len(core):
            raise ValueError(f"an array of shape {node.shape} has no core dimensions {core}")
        loop = max(loop, node.ndim - len(core))
    sizes = dict(output_sizes or {})
    for node, core in zip(nodes, inputs):
        n = node.ndim - len(core)
        whole = node.rechunk({n + i: -1 for i in range(len(core))}) if core else node
        pieces += [whole, (*range(loop - n, loop), *core)]
        sizes.update(zip(core, node.shape[n:]))
    unknown = sorted({c for core in outputs for c in core} - set(sizes))
    if unknown:
        raise ValueError(f"apply_gufunc: no input has the dimension {unknown[0]!r}; say how long it is: output_sizes={{{unknown[0]!r}: ...}}")
    if len(outputs) != 1:
        results = _several_outputs(func, outputs, pieces, loop, sizes, output_dtypes, kwargs)
        return tuple(places.move_out(i, result) for i, result in enumerate(results))
    fresh = {c: sizes[c] for c in outputs[0] if not any(c in core for core in inputs)}
    dtype = output_dtypes[0] if isinstance(output_dtypes, (list, tuple)) else output_dtypes
    if dtype is None and meta is None:
        raise ValueError("apply_gufunc: output_dtypes is needed")
    return places.move_out(0, blockwise(func, (*range(loop), *outputs[0]), *pieces, dtype=dtype, meta=meta, new_axes=fresh, **kwargs))


class gufunc:
    """A Python function as a generalised ufunc: `apply_gufunc` with its options, to be called with arrays.

    >>> import tessera as ts
    >>> spread = ts.gufunc(lambda x: x.max(axis=-1) - x.min(axis=-1), signature="(i)->()", output_dtypes=int)
    >>> spread(ts.arange(6).reshape(2, 3), axis=0).compute()
    array([3, 3, 3])
    """

    def __init__(self, pyfunc, *, signature=None, **options) -> None:
        if signature is None:
            raise ValueError("gufunc: the signature is needed")
        _parse_signature(signature)
        self.pyfunc, self.signature, self.options = pyfunc, signature, options
        self.__name__ = getattr(pyfunc, "__name__", "gufunc")
        self.__doc__ = pyfunc.__doc__ or gufunc.__doc__

    def __call__(self, *args, **options):
        return apply_gufunc(self.pyfunc, self.signature, *args, **{**self.options, **options})


def as_gufunc(signature=None, **options):
    """Decorates a function: makes a `gufunc` of it.

    >>> import tessera as ts
    >>> @ts.as_gufunc("(i)->()", output_dtypes=float)
    ... def middle(x):
    ...     return x.mean(axis=-1)
    >>> middle(ts.ones((2, 3)), keepdims=True).compute()
    array([[1.],
           [1.]])
    """
    return lambda function: gufunc(function, signature=signature, **options)


def _several_outputs(func, outputs, pieces, loop, sizes, dtypes, options) -> tuple:
    """One call for each block gives the bytes of all outputs side by side; each output is a part of them."""
    if not isinstance(dtypes, (list, tuple)) or len(dtypes) != len(outputs):
        raise ValueError(f"apply_gufunc: output_dtypes needs a dtype for each of the {len(outputs)} outputs")
    dtypes = [np.dtype(dtype) for dtype in dtypes]
    shapes = [tuple(int(sizes[c]) for c in core) for core in outputs]
    ends = np.cumsum([dtype.itemsize * int(np.prod(shape)) for dtype, shape in zip(dtypes, shapes)]).tolist()

    def together(*blocks):
        results = func(*blocks, **options)
        if not isinstance(results, tuple) or len(results) != len(outputs):
            raise ValueError(f"the function gives {len(results) if isinstance(results, tuple) else 1} results, the signature {len(outputs)}")
        parts = []
        for result, dtype, shape in zip(results, dtypes, shapes):
            result = np.asarray(result, dtype)
            around = result.shape[:result.ndim - len(shape)]
            parts.append(np.ascontiguousarray(result).reshape(*around, int(np.prod(shape))).view(np.uint8))
        return np.concatenate(parts, axis=-1)

    def part_of(dtype, shape, first, last):
        return lambda block: np.ascontiguousarray(block[..., first:last]).view(dtype).reshape(block.shape[:-1] + shape)

    label = "bytes of all outputs"
    everything = blockwise(together, (*range(loop), label), *pieces, dtype=np.uint8, new_axes={label: ends[-1]})
    return tuple(blockwise(part_of(dtype, shape, first, last), (*range(loop), *core), everything, (*range(loop), label), dtype=dtype,
                           new_axes=dict(zip(core, shape)))
                 for core, shape, dtype, first, last in zip(outputs, shapes, dtypes, [0, *ends], ends))


def apply_along_axis(func1d, axis, arr, *args, dtype=None, shape=None, **kwargs):
    """Calls a function for each vector along an axis, which is brought into one chunk.

    >>> import tessera as ts
    >>> ts.apply_along_axis(lambda v: v.max() - v.min(), 0, [[1, 5], [4, 6]]).compute()
    array([3, 1])
    """
    arr = asnode(arr)
    if not -arr.ndim <= axis < arr.ndim:
        raise np.exceptions.AxisError(axis, arr.ndim)
    axis %= arr.ndim
    probe = np.asarray(func1d(np.ones(arr.shape[axis], arr.dtype), *args, **kwargs))
    dtype, shape = dtype or probe.dtype, probe.shape if shape is None else shape
    whole = arr.rechunk({axis: -1})
    if len(shape) > 1:
        raise NotImplementedError("apply_along_axis: the function must return a number or a vector")
    function = lambda block: np.apply_along_axis(func1d, axis, block, *args, **kwargs)  # noqa: E731
    if not shape:
        return map_blocks(function, whole, dtype=dtype, drop_axis=axis)
    chunks = tuple(c if d != axis else (shape[0],) for d, c in enumerate(whole.chunks))
    return map_blocks(function, whole, dtype=dtype, chunks=chunks)
