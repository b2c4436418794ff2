"""Progress: who wants to hear of running computations, and the bar in a terminal or notebook."""
from __future__ import annotations

import contextvars
import sys

from ._lib import ffi, lib

# Who is told about computations: objects with update(progress) and finish(error); those whose `with` this thread is in.
listeners: list = []
_entered: contextvars.ContextVar[tuple] = contextvars.ContextVar("tessera_listeners", default=())
INTERVAL_MS = 100


@ffi.def_extern()
def glue_progress(context, progress):
    for listener in ffi.from_handle(context):
        listener.update(progress)


def hearing(session) -> list:
    """The listeners that a computation of this session, begun by this thread, is for: those in whose `with` it is, and, in other threads,
    those whose session it is. So bars of one client show nothing of another's."""
    mine = _entered.get()
    return [listener for listener in listeners if listener in mine or listener._heard is session]


def watched(handle, heard: list, call):
    """Calls call() while these listeners hear of the session's progress; returns what it returns."""
    context = ffi.new_handle(heard)
    lib.tsr_set_progress(handle, lib.glue_progress, context, min(listener.interval_ms for listener in heard))
    failed = True
    try:
        status = call()
        failed = status != lib.TSR_OK
        return status
    finally:
        lib.tsr_set_progress(handle, ffi.NULL, ffi.NULL, INTERVAL_MS)
        for listener in heard:
            listener.finish(failed)


class Listener:
    """Something that hears of computations between `with` and its end."""

    interval_ms = INTERVAL_MS
    _heard = None  # whose computations it hears of in whichever thread

    def update(self, progress) -> None:
        """Called from time to time while a computation runs, with a tsr_progress."""

    def finish(self, failed: bool) -> None:
        """Called when a computation has ended."""

    def __enter__(self):
        from ._session import current

        self._heard = current()
        self._token = _entered.set((*_entered.get(), self))
        listeners.append(self)
        return self

    def __exit__(self, *exception) -> None:
        listeners.remove(self)
        self._heard = None
        _entered.reset(self._token)


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if seconds < 3600 else f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d} h"


class ProgressBar(Listener):
    """Shows how far computations are, in a terminal or a notebook.

    Parameters
    ----------
    minimum : float
        Seconds that a computation must take before anything is shown.
    out : file, optional
        Where the bar goes; default: standard error.

    Examples
    --------
    >>> import io, tessera as ts
    >>> with ts.ProgressBar(out=io.StringIO()) as bar:
    ...     total = ts.ones((100, 100)).sum().compute()
    """

    width = 40

    def __init__(self, minimum: float = 0.0, out=None) -> None:
        self.minimum = minimum
        self._out = out
        self._line, self._done = "", 0.0
        self._display = None

    def update(self, progress) -> None:
        if progress.seconds < self.minimum:
            return
        done, seconds = progress.fraction, progress.seconds
        left = f", {_seconds(seconds / done * (1 - done))} left" if 0.01 < done < 1 else ""
        stage = ffi.string(progress.stage).decode(errors="replace") if done < 1 else "done"
        self._line = f"{done:4.0%} of {progress.tasks_total} tasks, {_seconds(seconds)}{left}, {stage}"
        self._show(done)

    def _show(self, done: float) -> None:
        self._done = done
        if self._out is None and (display := _notebook_display()):
            from html import escape

            page = _Html(f'<progress style="width:20em" value="{done:.4f}" max="1"></progress> {escape(self._line)}')
            if self._display is None:
                self._display = display(page, display_id=True)
            else:
                self._display.update(page)
            return
        out = self._out or sys.stderr
        if out.isatty():
            bar = "#" * round(done * self.width)
            out.write(f"\r\x1b[K[{bar:<{self.width}}] {self._line}")
            out.flush()

    def finish(self, failed: bool) -> None:
        out = self._out or sys.stderr
        if failed and self._display is not None:
            self._line += "; failed"
            self._show(self._done)
        if self._line and self._display is None:
            if not out.isatty():  # a log gets one line for each computation
                out.write(self._line + ("; failed" if failed else ""))
            out.write("\n")
            out.flush()
        self._line, self._display = "", None


class _Html:
    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return ""


def _notebook_display():
    """IPython's display function when this is a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display
