"""Sessions: the engines that compute. Most programs never name one; the first array opens the default session."""
from __future__ import annotations

import contextvars
import gc
import os
import threading
from _thread import get_ident
from functools import partial

from . import _config
from ._callbacks import take_exception
from ._lib import check, failure, ffi, lib
from ._progress import listeners, watched

MAIN_THREAD = threading.main_thread().ident
_entered: contextvars.ContextVar["Session | None"] = contextvars.ContextVar("tessera_session", default=None)
_default: "Session | None" = None
_default_lock = threading.Lock()


class Session:
    """An engine with its own threads, memory budget and scratch folder.

    Parameters
    ----------
    threads : int, optional
        Threads that compute. Default: the processors this process may use.
    memory : int or str, optional
        Budget for blocks, in bytes or as text ("2GiB"). Default: 60 % of what the machine or its cgroup has left.
    scratch : str, optional
        Folder where blocks are spilled. Default: TMPDIR or /tmp.
    isa : str, optional
        Instruction set of the kernels ("x86-64-v3"). Default: the best there is.
    address : str, optional
        Which engine; None or "threads" computes in this process.

    Examples
    --------
    >>> import tessera as ts
    >>> with ts.Session(threads=1, memory="64MiB") as session:
    ...     total = ts.ones((1000, 1000)).sum().compute()
    >>> float(total)
    1000000.0
    """

    __slots__ = ("_p", "_tokens", "__weakref__")

    def __init__(self, *, threads: int | None = None, memory: int | str | None = None, scratch: str | None = None,
                 isa: str | None = None, address: str | None = None) -> None:
        self._p = ffi.NULL
        self._tokens: list = []
        settings = _config.engine_settings(threads=threads, memory=memory, scratch=scratch, isa=isa)
        options, kept = _config.options(settings)
        self._p = lib.tsr_session_open(address.encode() if address else ffi.NULL, options)
        del kept
        if not self._p:
            raise failure()

    def close(self) -> None:
        """Ends the session and gives its memory back; arrays made in it can no longer be used. NumPy results stay valid."""
        if not self._p:
            return
        # Arrays keep the session alive, not the other way round, so that making one costs nothing here; the collector knows them.
        for holder in gc.get_referrers(self):
            if hasattr(type(holder), "_forget_session"):
                holder._forget_session()
        lib.tsr_session_close(self._p)
        self._p = ffi.NULL

    @property
    def closed(self) -> bool:
        return not self._p

    def handle(self):
        """The C session, for calls that make arrays."""
        if not self._p:
            raise RuntimeError("the session is closed")
        return self._p

    def run(self, function, *args) -> None:
        """Calls a function of the library that computes; Ctrl-C ends it. The library lets other Python threads run meanwhile."""
        session = self.handle()
        if listeners:
            function, args = watched, (session, partial(function, *args))
        if get_ident() != MAIN_THREAD:  # Python delivers signals to the main thread only
            status = function(*args)
        else:
            lib.glue_interrupts_begin(session)
            try:
                status = function(*args)
            finally:
                lib.glue_interrupts_end()
        if status != lib.TSR_OK:
            error = failure()
            raise take_exception(session, str(error)) or error

    def cancel(self) -> None:
        """Makes the running computation end with CancelledError. Any thread."""
        lib.tsr_cancel(self.handle())

    def __enter__(self) -> "Session":
        self._tokens.append(_entered.set(self))
        return self

    def __exit__(self, *exception) -> None:
        _entered.reset(self._tokens.pop())
        if not self._tokens:
            self.close()

    def __repr__(self) -> str:
        return "<tessera.Session closed>" if self.closed else "<tessera.Session>"

    def __del__(self) -> None:
        if self._p:
            lib.tsr_session_close(self._p)


def current() -> Session:
    """The session that new arrays belong to: the innermost `with Session()`, otherwise the default one, opened when first needed."""
    session = _entered.get() or _default
    return session if session is not None and session._p else _open_default()


def configure_default() -> None:
    """Gives the default session, if it is open, the settings of now."""
    with _default_lock:
        if _default is None or _default.closed:
            return
        settings = _config.engine_settings()
        settings["threads"] = settings["threads"] or len(os.sched_getaffinity(0))
        options, kept = _config.options(settings)
        check(lib.tsr_session_configure(_default._p, options))
        del kept


def _open_default() -> Session:
    global _default
    with _default_lock:
        if _default is None or _default.closed:
            _default = Session()
    return _default
