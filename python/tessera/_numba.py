"""Functions of blocks that Numba compiles: run on all threads without Python."""
from __future__ import annotations

import weakref

from ._lib import dtype_code, ffi, lib

# What was compiled, for those who send it to other processes.
by_address: "weakref.WeakValueDictionary[int, object]" = weakref.WeakValueDictionary()
# A block as 8-byte words: where it lies, its dtype and rank, its lengths.
_WORDS = ffi.sizeof("tsr_block") // 8
_DATA, _KIND, _SHAPE = (ffi.offsetof("tsr_block", field) // 8 for field in ("data", "dtype", "shape"))

_WRAPPER = """
def block(context, n_inputs, inputs, output):
    if n_inputs != {n_inputs}:
        return {wrong}
    given, made = carray(inputs, ({n_words},)), carray(output, ({words},))
{bind}
    try:
        function({names})
    except Exception:
        return {failed}
    return 0
"""
_BIND = """\
    if {words}[{at} + {kind}] != {expected}:
        return {wrong}
    shape_{i} = carray(pointer({words}[{at} + {shape}]), ({ndim},), int64)
    array_{i} = carray(pointer({words}[{at} + {data}]), ({lengths},), dtype_{i})
"""


def _argument(i: int, n_inputs: int, kind) -> str:
    is_output = i == n_inputs
    expected = int(dtype_code(str(kind.dtype))) | kind.ndim << 32
    return _BIND.format(i=i, words="made" if is_output else "given", at=0 if is_output else i * _WORDS, kind=_KIND, shape=_SHAPE, data=_DATA,
                        expected=expected, ndim=kind.ndim, wrong=int(lib.TSR_ERR_TYPE),
                        lengths=", ".join(f"shape_{i}[{d}]" for d in range(kind.ndim)))


def numba_function(signature: str, function=None, **options):
    """A function of blocks that Numba compiles, for `map_blocks`, `map_overlap` and `blockwise`: it runs on all threads, without the GIL.

    Parameters
    ----------
    signature : str
        Numba's types of the inputs' blocks and, last, of the block that the function fills: "uint8[:,:,:], float64[:]".
    function : callable, optional
        Gets the blocks as arrays in C order and fills the last one. Without it, what is returned is a decorator.
    **options
        For `numba.njit`: `fastmath=True`, for example.

    Raises
    ------
    ImportError
        Without Numba.
    TypeError
        If the types are not arrays, or Numba cannot compile the function for them. Blocks of other types than these, and exceptions in
        the function, are errors of the computation.

    Examples
    --------
    >>> import tessera as ts
    >>> @ts.numba_function("float64[:], float64[:]")  # doctest: +SKIP
    ... def twice(x, out):
    ...     out[:] = 2 * x
    >>> ts.map_blocks(twice, ts.linspace(0, 1, 3), dtype=float).compute()  # doctest: +SKIP
    array([0., 1., 2.])
    """
    if function is None:
        return lambda f: numba_function(signature, f, **options)
    import numba
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic
    def pointer(typing, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], cgutils.voidptr_t)

        return types.voidptr(types.int64), generate

    kinds = numba.core.sigutils.normalize_signature(f"void({signature})")[0]
    if not kinds or not all(isinstance(kind, types.Array) and kind.ndim > 0 for kind in kinds):
        raise TypeError(f"the types of a block function are arrays of one dimension or more, not '{signature}'")
    n_inputs = len(kinds) - 1
    kinds = [types.Array(kind.dtype, kind.ndim, "C") for kind in kinds]
    compiled = numba.njit(types.void(*kinds), nogil=True, **options)(function)
    text = _WRAPPER.format(n_inputs=n_inputs, n_words=max(n_inputs, 1) * _WORDS, words=_WORDS, wrong=int(lib.TSR_ERR_TYPE), failed=int(lib.TSR_ERR_VALUE),
                           names=", ".join(f"array_{i}" for i in range(len(kinds))),
                           bind="".join(_argument(i, n_inputs, kind) for i, kind in enumerate(kinds)))
    names = {"carray": numba.carray, "pointer": pointer, "int64": types.int64, "function": compiled}
    names |= {f"dtype_{i}": kind.dtype for i, kind in enumerate(kinds)}
    exec(text, names)  # noqa: S102  (our own text; Numba wants a function with as many arrays as there are)
    words = types.CPointer(types.int64)
    block = numba.cfunc(types.int32(types.voidptr, types.int32, words, words))(names["block"])
    block.__name__ = getattr(function, "__name__", "block")
    block.recipe = signature, function, options
    by_address[block.address] = block
    return block
