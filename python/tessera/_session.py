"""Sessions: the engines that compute. Most programs never name one; the first array opens the default session."""
from __future__ import annotations

import contextlib
import contextvars
import gc
import os
import threading
import time
import weakref
from _thread import get_ident
from functools import partial

from . import _config
from ._base import end_elsewhere
from ._callbacks import take_exception
from ._lib import check, failure, ffi, lib
from ._progress import hearing, listeners, watched

CLOSE_SECONDS = 30.0  # for computations of other threads to end
MAIN_THREAD = threading.main_thread().ident
_entered: contextvars.ContextVar["Session | None"] = contextvars.ContextVar("tessera_session", default=None)
_default: "Session | None" = None
_default_lock = threading.Lock()
clients: "list[Session]" = []  # open ones that are everybody's current session, the last one first
_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


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

    __slots__ = ("_p", "_tokens", "_busy", "__weakref__")
    is_remote = False  # whether workers compute

    def __init__(self, *, threads: int | None = None, memory: int | str | None = None, scratch: str | None = None,
                 isa: str | None = None, address: str | None = None) -> None:
        self._p = ffi.NULL
        self._tokens: list = []
        settings = _config.engine_settings(threads=threads, memory=memory, scratch=scratch, isa=isa)
        self._open(address, *_config.options(settings))

    def _open(self, address: str | None, options, kept) -> None:
        self._busy: list[int] = []  # threads that compute
        self._p = lib.tsr_session_open(address.encode() if address else ffi.NULL, options)
        del kept
        if not self._p:
            raise failure()
        _sessions.add(self)

    def close(self) -> None:
        """Ends the session and gives its memory back; arrays made in it can no longer be used. NumPy results stay valid."""
        session, self._p = self._p, ffi.NULL  # nobody begins anything from here on
        if not session or not self._idle(session):
            return
        # Arrays keep the session alive, not the other way round, so that making one costs nothing here; the collector knows them.
        for holder in gc.get_referrers(self):
            if hasattr(type(holder), "_forget_session"):
                holder._forget_session()
        lib.tsr_session_close(session)

    def _idle(self, session) -> bool:
        """Ends what other threads compute. False: something does not end, so that the library must stay as it is."""
        until, me = time.monotonic() + CLOSE_SECONDS, get_ident()
        while any(thread != me for thread in self._busy):
            if time.monotonic() > until:
                return False
            lib.tsr_cancel(session)
            time.sleep(0.002)
        return True

    @property
    def closed(self) -> bool:
        return not self._p

    def handle(self):
        """The C session, for calls that make arrays."""
        if not self._p:
            raise RuntimeError("the session is closed")
        return self._p

    def _run(self, function, *args) -> None:
        """Calls a function of the library that computes; Ctrl-C ends it. The library lets other Python threads run meanwhile."""
        me = get_ident()
        self._busy.append(me)  # before the look at whether it is closed
        try:
            self._run_now(self.handle(), function, args)
        finally:
            self._busy.remove(me)

    def _run_now(self, session, function, args: tuple) -> None:
        heard = hearing(self) if listeners else None
        if heard:
            function, args = watched, (session, heard, partial(function, *args))
        if get_ident() != MAIN_THREAD:  # Python delivers signals to the main thread only
            status = function(*args)
        else:
            outer = lib.glue_interrupts_begin(session)
            try:
                status = function(*args)
            finally:
                lib.glue_interrupts_end(outer)
        if status != lib.TSR_OK:
            raise self.failure()

    def failure(self, index_error: type[Exception] | None = None) -> BaseException:
        """Why the library's last call of this thread failed: what a function of the user's raised, if that was the reason. Anything that needs
        the length of a selection may have called one. `index_error` is for an index or axis out of range; default: AxisError."""
        return self._reason(self._p, failure(index_error))

    def check(self, status: int) -> None:
        """Raises the failure if this is one."""
        if status != lib.TSR_OK:
            raise self.failure()

    def _reason(self, session, error: Exception) -> BaseException:
        """What is raised for a failure of the library: what a Python function raised, if that was the reason."""
        return take_exception(session, str(error)) or error

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
        if getattr(self, "_p", None):  # none after a mistake in the arguments
            end_elsewhere(lib.tsr_session_close, self._p)


@contextlib.contextmanager
def priority(number: int):
    """In this `with`, computations on clusters that this thread begins are of this priority: larger is sooner."""
    before = lib.tsr_set_priority(int(number or 0))
    try:
        yield
    finally:
        lib.tsr_set_priority(before)


def current() -> Session:
    """The session that new arrays belong to: the innermost `with Session()`, otherwise the last client of a cluster that is open,
    otherwise the default one, opened when first needed."""
    session = _entered.get() or (clients[-1] if clients else _default)
    return session if session is not None and session._p else _open_default()


def _forked() -> None:
    """In a process that was forked: only this thread is there. Sessions on clusters belong to the other process, as the library says to whoever
    uses them; new arrays are computed here, until a client is opened."""
    global _default_lock, MAIN_THREAD
    _default_lock, MAIN_THREAD = threading.Lock(), get_ident()
    clients.clear()
    if _entered.get() is not None and _entered.get().is_remote:
        _entered.set(None)
    for session in list(_sessions):
        session._busy.clear()


os.register_at_fork(after_in_child=_forked)


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
