"""Functions of blocks from C source, compiled once per machine and run on all threads without Python."""
from __future__ import annotations

import os

from ._lib import check, ffi, lib
from ._session import current

_LOADERS = {"library": lib.tsr_udf_load, "file": lib.tsr_udf_compile_file, "source": lib.tsr_udf_compile}
by_address: dict[int, "CFunction"] = {}  # what a function is made from, for those who send it


class CFunction:
    """A block function in C, for `map_blocks`, `map_overlap`, `blockwise`: see `tessera.c_function`."""

    def __init__(self, kind: str, *arguments) -> None:
        self.kind, self.arguments = kind, arguments
        self._made: dict[int, object] = {}
        self.struct_of(current())  # mistakes in the source are told here

    def struct_of(self, session):
        """The tsr_function, compiled or found again for a session."""
        key = int(ffi.cast("intptr_t", session.handle()))
        if key not in self._made:
            struct = ffi.new("tsr_function *")
            self.fill(session.handle(), self.kind, self.arguments, struct)
            self._made[key] = struct
            by_address[int(ffi.cast("intptr_t", struct.call))] = self
        return self._made[key]

    @staticmethod
    def fill(session, kind: str, arguments, struct) -> None:
        """Compiles or finds a function in a C session."""
        check(_LOADERS[kind](session, *(ffi.NULL if a is None else a for a in arguments), struct))

    def portable(self) -> tuple:
        """What it is made from on another machine: the text of a file travels, a library has to be there."""
        if self.kind != "file":
            return self.kind, *self.arguments
        with open(self.arguments[0], "rb") as file:
            return "source", file.read(), *self.arguments[1:]


def c_function(source=None, symbol: str = "block", *, file=None, library=None, flags: str | None = None) -> CFunction:
    """A function of blocks from C source, a C file, or a shared library.

    Parameters
    ----------
    source : str, optional
        C text that defines `tsr_status SYMBOL(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)`. Nothing
        needs to be included: `tsr_block` is declared. It is compiled with the system's C compiler once and kept in the user's cache.
    symbol : str
        The function's name.
    file, library : path, optional
        Instead of the text, a file with it, or a shared library that is compiled already.
    flags : str, optional
        More flags for the compiler.

    Raises
    ------
    ValueError
        With what the compiler says, if it does not compile.

    Examples
    --------
    >>> import tessera as ts
    >>> twice = ts.c_function('''
    ... tsr_status block(void *context, int n, const tsr_block *in, const tsr_block *out)
    ... {
    ...     for (int64_t i = 0; i < out->shape[0]; i++) ((double *)out->data)[i] = 2 * ((const double *)in->data)[i];
    ...     return TSR_OK;
    ... }''')
    >>> ts.map_blocks(twice, ts.linspace(0, 1, 3), dtype=float).compute()
    array([0., 1., 2.])
    """
    if sum(given is not None for given in (source, file, library)) != 1:
        raise TypeError("c_function: give one of source, file and library")
    name = symbol.encode()
    if library is not None:
        return CFunction("library", os.fsencode(library), name)
    more = flags.encode() if flags else None
    if file is not None:
        return CFunction("file", os.fsencode(file), name, more)
    return CFunction("source", source.encode(), name, more)
