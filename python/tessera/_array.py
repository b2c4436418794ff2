"""The class Array."""
from __future__ import annotations

import operator

import numpy as np

from . import _chunks, _core, _elementwise, _indexing
from ._core import Node, make
from ._lib import DTYPES, MAX_NDIM, dtype_code, failure, ffi, lib

__all__ = ["Array"]


class Array(Node):
    """A lazy, chunked n-dimensional array with NumPy's methods. Made by functions such as `tessera.from_array`, never directly.

    An array never holds values of its own: it is an expression, which `compute`, `persist` and `store` evaluate. Conversions to
    NumPy (`np.asarray`), to a number (`float`) and iteration compute, too.

    Examples
    --------
    >>> import tessera as ts
    >>> x = ts.arange(12, chunks=5).reshape(3, 4)
    >>> x
    tessera.Array<shape=(3, 4), dtype=int64, chunksize=(3, 4)>
    >>> (x - x.mean(axis=0)).sum().compute()
    np.float64(0.0)
    """

    __slots__ = ()
    __array_priority__ = 11  # above ndarray
    __hash__ = None  # == is elementwise

    def __init__(self, *args, **kwargs) -> None:
        raise TypeError("arrays are made by functions: tessera.asarray, tessera.from_array, tessera.zeros ...")

    # ---- Facts ----

    @property
    def shape(self) -> tuple[int, ...]:
        p = self._p
        if not lib.tsr_is_counted(p):
            self._count()
        return tuple(ffi.unpack(lib.tsr_shape(p), lib.tsr_ndim(p)))

    @shape.setter
    def shape(self, shape) -> None:
        result = self.reshape(shape)
        old, self._p = self._p, lib.tsr_retain(result._p)
        lib.tsr_release(old)

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[lib.tsr_dtype_of(self._p)] if self._p else self._closed()

    @property
    def ndim(self) -> int:
        return lib.tsr_ndim(self._p)

    @property
    def size(self) -> int:
        if not lib.tsr_is_counted(self._p):
            self._count()
        return lib.tsr_size(self._p)

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The lengths of the chunks along each axis."""
        if not lib.tsr_is_counted(self._p):
            self._count()
        return _chunks.of(self._p, self.ndim)

    @property
    def chunksize(self) -> tuple[int, ...]:
        """The length of the longest chunk along each axis."""
        return tuple(max(lengths, default=0) for lengths in self.chunks)

    @property
    def numblocks(self) -> tuple[int, ...]:
        """How many chunks there are along each axis."""
        return tuple(map(len, self.chunks))

    @property
    def npartitions(self) -> int:
        """How many chunks there are."""
        return int(np.prod(self.numblocks, dtype=np.int64)) if self.ndim else 1

    @property
    def T(self) -> "Array":
        """The axes reversed."""
        return make(lib.tsr_transpose(self._p, ffi.NULL), self._s)

    @property
    def mT(self) -> "Array":
        """The last two axes exchanged."""
        return make(lib.tsr_swapaxes(self._p, -1, -2), self._s)

    @property
    def real(self) -> "Array":
        """The real part."""
        return make(lib.tsr_real(self._p), self._s)

    @property
    def imag(self) -> "Array":
        """The imaginary part."""
        return make(lib.tsr_imag(self._p), self._s)

    def conj(self) -> "Array":
        """The complex conjugate."""
        return make(lib.tsr_conjugate(self._p), self._s)

    conjugate = conj

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True) -> "Array":
        """The array converted to another dtype.

        Examples
        --------
        >>> import tessera as ts
        >>> ts.asarray([1.7, -2.3]).astype(int).compute()
        array([ 1, -2])
        """
        code = dtype_code(dtype)
        if not np.can_cast(self.dtype, DTYPES[code], casting):
            raise TypeError(f"Cannot cast array data from {self.dtype!r} to {DTYPES[code]!r} according to the rule '{casting}'")
        return make(lib.tsr_astype(self._p, code), self._s)

    @property
    def session(self):
        """The session that the array belongs to."""
        return self._s

    def _closed(self):
        raise RuntimeError("the session of this array is closed")

    def _count(self) -> None:
        """Computes how much a mask selects, on which the shape depends."""
        if not self._p:
            self._closed()
        self._s._run(lambda: lib.TSR_OK if lib.tsr_shape(self._p) else lib.tsr_error_code())

    # ---- Evaluation ----

    def compute(self) -> np.ndarray:
        """The values as a NumPy array (a NumPy number if there are no dimensions).

        Examples
        --------
        >>> import tessera as ts
        >>> ts.arange(4).compute()
        array([0, 1, 2, 3])
        """
        p = self._p
        out = np.empty(self.shape, DTYPES[lib.tsr_dtype_of(p)])
        self._s._run(lib.tsr_compute_into, p, ffi.from_buffer(out), out.nbytes)
        return out if out.ndim else out[()]

    def persist(self) -> "Array":
        """The same array with its blocks computed and kept in the session (in memory, on disk when the budget demands it)."""
        results = ffi.new("tsr_array *[1]")
        self._s._run(lib.tsr_persist, 1, [self._p], results)
        return make(results[0], self._s)

    def store(self, target, lock=True, regions=None) -> None:
        """Computes the array block by block into something that takes slices, or into a file: see `tessera.store`."""
        from ._store import store

        store(self, target, lock, regions)

    def explain(self) -> str:
        """What computing the array would do, stage by stage."""
        from ._show import explain

        return explain(self)

    def visualize(self, filename=None, what="expression", format=None):
        """Draws the expression, or the plan: see `tessera.visualize`."""
        from ._show import visualize

        return visualize(self, filename=filename, what=what, format=format)

    def to_svg(self) -> str:
        """A picture of the chunk layout, as SVG."""
        from ._show import to_svg

        return to_svg(self)

    def _repr_html_(self) -> str:
        from ._show import _html

        return _html(self)

    def _repr_inline_(self, max_width: int) -> str:
        from ._show import _inline

        return _inline(self, max_width)

    def rechunk(self, chunks="auto") -> "Array":
        """The same array in other chunks.

        Parameters
        ----------
        chunks : int, str, tuple or dict
            As everywhere: a length for all axes, one for each (-1 or None: the whole axis, "auto"), bytes of a chunk ("16MiB"), or lengths
            by axis, where axes that are not named keep their chunks.

        Examples
        --------
        >>> import tessera as ts
        >>> ts.zeros((4, 6), chunks=2).rechunk({1: 3}).chunks
        ((2, 2), (3, 3))
        """
        if _chunks.says_bytes(chunks):
            chunks = _chunks.in_bytes(chunks, self.shape, self.itemsize, previous=self.chunks, now=self.chunks)
        items = _chunks.parse(chunks, self.ndim, absent=None)
        if items is not None and None in items:
            items = [now if item is None else item for item, now in zip(items, self.chunks)]
        return make(_chunks.rechunk(self._p, items), self._s)

    def __getitem__(self, key) -> "Array":
        return _indexing.getitem(self, key)

    def __setitem__(self, key, value) -> None:
        _elementwise.replace(self, _indexing.setitem(self, key, value))

    @property
    def vindex(self) -> "_indexing.Points":
        """Pointwise indexing, as Dask spells it: x.vindex[[0, 1], [2, 3]]."""
        return _indexing.Points(self)

    @property
    def oindex(self) -> "_indexing.Outer":
        """Outer indexing: x.oindex[[0, 1], [2, 3, 4]] has shape (2, 3)."""
        return _indexing.Outer(self)

    @property
    def blocks(self) -> "_indexing.Blocks":
        """Chunks by their numbers: x.blocks[0, 1:3]."""
        return _indexing.Blocks(self)

    partitions = blocks

    @property
    def name(self) -> str:
        """A name that other arrays of this process have not while this one lives."""
        return f"tessera-{id(self._s):x}-{int(ffi.cast('intptr_t', self._p)):x}"

    def to_delayed(self, optimize_graph=True) -> np.ndarray:
        """The chunks as an array of lazy arrays of one chunk each; each has `compute()`.

        Examples
        --------
        >>> import tessera as ts
        >>> [block.compute().tolist() for block in ts.arange(4, chunks=3).to_delayed()]
        [[0, 1, 2], [3]]
        """
        parts = np.empty(self.numblocks, object)
        for index in np.ndindex(parts.shape):
            parts[index] = self.blocks[index]
        return parts

    def to_backend(self, backend: str | None = None, **ignored) -> "Array":
        """The array itself, as blocks are always NumPy arrays: for "numpy" or None."""
        if backend not in (None, "numpy"):
            raise ValueError(f"to_backend: blocks are NumPy arrays, there is no backend '{backend}'")
        return self

    def compute_chunk_sizes(self) -> "Array":
        """The array itself, with its lengths known: what a mask selects is counted now instead of when a length is first needed.

        Examples
        --------
        >>> import tessera as ts
        >>> x = ts.arange(10, chunks=5)
        >>> y = x[x % 4 == 0]
        >>> y
        tessera.Array<shape=(?,), dtype=int64, not counted>
        >>> y.compute_chunk_sizes()
        tessera.Array<shape=(3,), dtype=int64, chunksize=(2,)>
        """
        self.shape
        return self

    # ---- Conversions, which compute ----

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy array has no values to share: np.asarray(x) computes it")
        values = np.asarray(self.compute())
        return values if dtype is None else values.astype(dtype, copy=False)

    def to_numpy(self) -> np.ndarray:
        """The values as a NumPy array: compute() under the name that pandas and xarray have for it, by which matplotlib asks once for all values."""
        return np.asarray(self.compute())

    def __copy__(self) -> "Array":
        return self.copy()

    def __deepcopy__(self, memo) -> "Array":
        """An expression never changes: the copy shares it, where pickling would send the values."""
        return self.copy()

    def __reduce__(self):
        from . import _packing

        return _packing.reduce(self)

    def __dask_tokenize__(self):
        return "tessera.Array", id(self._s), int(ffi.cast("intptr_t", self._p))

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return np.asarray(self.compute()).__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self):
        return 1, 0  # the processor's memory

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
        return bool(self.compute())

    def _number(self):
        if self.ndim:
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return self.compute()

    def __int__(self) -> int:
        return int(self._number())

    def __float__(self) -> float:
        return float(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __index__(self) -> int:
        return operator.index(self._number())

    def item(self, *args):
        """The value of an array of one element, as a Python number."""
        return np.asarray(self.compute()).item(*args)

    def __contains__(self, value) -> bool:
        return bool((self == value).any())

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self))) if self.ndim > 1 else self._elements()

    def _elements(self):
        """The numbers along the only axis, as arrays: each block is computed once, not once for each number in it."""
        at = 0
        for length in self.chunks[0]:
            block = self[at:at + length].persist()
            yield from (block[i] for i in range(length))
            at += length

    def __repr__(self) -> str:
        if not self._p:
            return "tessera.Array<closed>"
        if not lib.tsr_is_counted(self._p):
            return f"tessera.Array<shape=({', '.join('?' * self.ndim)}{',' * (self.ndim == 1)}), dtype={self.dtype}, not counted>"
        return f"tessera.Array<shape={self.shape}, dtype={self.dtype}, chunksize={self.chunksize}>"

    vars().update(_elementwise.operators())


_core._class = Array
