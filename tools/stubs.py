"""The package's type hints as stub files, from what the package has when it is imported: functions and methods that are made when it
starts have no names in the source that a type checker could find. Used by tools/python-api."""
import inspect
import pathlib

import tessera as ts

HEADER = '''# Written by tools/python-api; do not edit.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any{more}

import numpy as np
import numpy.typing as npt

from ._session import Session as Session
'''

# What functions return that return no array. (Names that the package has not are of no consequence.)
ARRAYS, TUPLE, VALUES = "tuple[Array, ...]", "tuple[Any, ...]", "tuple[npt.NDArray[Any], ...]"
RETURNS = {
    **dict.fromkeys(("array_split", "split", "hsplit", "vsplit", "dsplit"), "list[Array]"),
    **dict.fromkeys(("to_npy_stack", "to_hdf5", "to_zarr"), "None"), "unify_chunks": "tuple[dict[Any, tuple[int, ...]], list[Any]]",
    "normalize_chunks": "tuple[tuple[int, ...], ...]", "normalize_chunks_cached": "tuple[tuple[int, ...], ...]",
    **dict.fromkeys(("meshgrid", "broadcast_arrays", "unstack", "nonzero", "ix_"), ARRAYS),
    **dict.fromkeys(("tril_indices", "tril_indices_from", "triu_indices", "triu_indices_from"), VALUES),
    **dict.fromkeys(("array_equal", "array_equiv", "iscomplexobj", "isrealobj", "can_cast", "isscalar"), "bool"),
    **dict.fromkeys(("ndim", "size"), "int"), **dict.fromkeys(("shape", "broadcast_shapes"), "tuple[int, ...]"),
    **dict.fromkeys(("gradient", "apply_gufunc", "atleast_1d", "atleast_2d", "atleast_3d", "average", "unique", "histogramdd", "item"), "Any"),
    **dict.fromkeys(("unique_all", "unique_counts", "unique_inverse", "compute", "persist"), TUPLE),
    "histogram": "tuple[Array, Array | npt.NDArray[Any]]", "histogram2d": TUPLE, "histogramdd": TUPLE, "histogram_bin_edges": "npt.NDArray[Any]",
    "result_type": "np.dtype[Any]",
}
METHODS = {"compute": "Any", "item": "Any", "visualize": "Any", "__iter__": "Iterator[Array]", "__array__": "npt.NDArray[Any]", "__divmod__": TUPLE,
           "__rdivmod__": TUPLE, "__reduce__": TUPLE, "__dask_tokenize__": TUPLE, "__dlpack_device__": "tuple[int, int]", "__dlpack__": "Any",
           "__array_ufunc__": "Any", "__array_function__": "Any", "__setitem__": "None", "nonzero": ARRAYS, "vindex": "Any", "oindex": "Any", "blocks": "Any",
           "partitions": "Any", "to_delayed": "npt.NDArray[Any]", "to_hdf5": "None", "to_zarr": "None", "session": "Session", "dtype": "np.dtype[Any]"}
PARAMETERS = {"keepdims": "bool", "dtype": "npt.DTypeLike | None", "ddof": "float", "axes": "Any", "chunks": "Any",
              "shape": "int | Sequence[int]", "repeats": "Any"}
# Of arrays, but not of the class (Python's own), or not for the caller.
SKIPPED = {"__del__", "__init__", "__slots__", "__weakref__", "__module__", "__doc__", "__hash__", "__array_priority__", "__annotations__",
           "__dict__", "__class__", "__firstlineno__", "__static_attributes__"}


def parameters(function) -> str:
    """Names and kinds as they are; a default is told by "..."."""
    texts, marked, positional = [], False, False
    for p in inspect.signature(function).parameters.values():
        if positional and p.kind is not p.POSITIONAL_ONLY:
            texts.append("/")
            positional = False
        positional = positional or p.kind is p.POSITIONAL_ONLY
        if p.kind is p.KEYWORD_ONLY and not marked:
            texts.append("*")
            marked = True
        marked = marked or p.kind is p.VAR_POSITIONAL
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.name == "self":
            texts.append("self")
            continue
        default = "" if p.default is p.empty else " = ..."
        texts.append(f"{star}{p.name}: {PARAMETERS.get(p.name, 'Any') if not star else 'Any'}{default}")
    return ", ".join(texts + ["/"] * positional)


def callable_line(name: str, function, returns: str, indent: str = "", mark: str = "") -> str:
    return f"{indent}def {name}({parameters(function)}) -> {returns}: ...{mark}"


def written_return(function) -> str | None:
    text = getattr(function, "__annotations__", {}).get("return")
    return None if text is None else "None" if text in (None, "None") else str(text).strip("\"'").replace("np.ndarray", "npt.NDArray[Any]")


def method_line(name: str, function) -> str:
    written = written_return(function)
    known = {"bool", "int", "float", "complex", "str", "None", "Array", "tuple[int, ...]", "tuple[tuple[int, ...], ...]"}
    returns = METHODS.get(name) or (written if written in known else "Array")
    mark = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    own = callable_line(name, function, returns, "    ", mark)
    if not own.startswith(f"    def {name}(self"):  # the first argument of a function that became a method
        first = own.index("(") + 1
        rest = own[first:]
        ends = min(rest.index(s) for s in (", ", ")") if s in rest)
        own = own[:first] + "self" + rest[ends:]
    return own.replace("(self, /, ", "(self, ").replace("(self, /)", "(self)")


def array_stub() -> str:
    lines = [HEADER.format(more=""), "from ._core import Node", "", "class Array(Node):", "    __array_priority__: int",
             "    __hash__: None  # type: ignore[assignment]"]
    names = sorted({n for c in ts.Array.__mro__[:-1] for n in vars(c)} - SKIPPED)
    for name in names:
        value = inspect.getattr_static(ts.Array, name)
        if name.startswith("_") and not name.startswith("__") and not name.startswith("_repr_"):
            continue
        if isinstance(value, property):
            written = written_return(value.fget)
            returns = METHODS.get(name) or (written if written and "_" not in written else "Array")
            lines += ["    @property", f"    def {name}(self) -> {returns}: ..."]
            if value.fset:
                lines += [f"    @{name}.setter", f"    def {name}(self, {name}: Any) -> None: ..."]
        elif inspect.isfunction(value):
            lines.append(method_line(name, value))
    return "\n".join(lines) + "\n"


def function_line(name: str, function) -> str:
    return callable_line(name, function, RETURNS.get(name, "Array"))


def package_stub() -> str:
    lines = [HEADER.format(more=", Final"), "from ._array import Array as Array", "from ._elementwise import Ufunc as Ufunc",
             "from ._base import CancelledError as CancelledError, FormatError as FormatError, NotFoundError as NotFoundError"]
    written, made, variables = [], [], []
    for name in sorted(n for n in dir(ts) if not n.startswith("_")):
        value = getattr(ts, name)
        module = getattr(value, "__module__", "") or ""
        if inspect.ismodule(value):
            target = value.__name__.removeprefix("tessera.")
            lines.append(f"from . import {target} as {name}")
        elif isinstance(value, ts.Ufunc):
            made.append(f"{name}: Final[Ufunc]")
        elif isinstance(value, type) and module == "numpy":
            lines.append(f"from numpy import {name} as {name}")
        elif isinstance(value, type) or written_return(value):
            if name not in ("Array", "Ufunc", "CancelledError", "FormatError", "NotFoundError", "Session"):
                lines.append(f"from .{module.removeprefix('tessera.')} import {value.__name__} as {name}")
        elif callable(value):
            written.append(function_line(name, value))
        else:
            variables.append(f"{name}: Any")
    numbers = [f"{n}: Final[float]" for n in ("e", "euler_gamma", "inf", "nan", "pi") if f"{n}: Any" in variables]
    variables = [v for v in variables if v.replace("Any", "Final[float]") not in numbers]
    return "\n".join([*lines, "", "__version__: str", *numbers, *variables, *made, "", *written]) + "\n"


def stubs(root: pathlib.Path) -> dict:
    """Texts by path."""
    return {root / "python/tessera/__init__.pyi": package_stub(), root / "python/tessera/_array.pyi": array_stub()}
