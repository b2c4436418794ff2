"""Futures of arrays: what `Client.compute` returns."""
from __future__ import annotations

import threading
from typing import Any

from ._base import CancelledError, ffi, seconds_of
from ._futures import Future
from ._session import priority as with_priority


class ArrayFuture(Future):
    """The values of an array that the workers compute meanwhile, with the methods of `Future`; it goes with others to `wait`, `gather` ..."""

    is_local = True

    def __init__(self, array, client, priority: int = 0) -> None:
        name = type(array).__name__.lower()
        super().__init__(f"{name}-{id(self):x}", client, ffi.NULL, name)
        self._priority = priority
        with with_priority(priority):
            self._array = array.persist()  # returns at once
        self._done, self._value, self._error, self._was_cancelled = threading.Event(), None, None, False
        self._callbacks: list = []
        self._lock = threading.Lock()
        threading.Thread(target=self._bring, name="tessera array future", daemon=True).start()

    def _bring(self) -> None:
        try:
            with with_priority(self._priority):
                value, error = self._array.compute(), None
        except BaseException as reason:
            value, error = None, reason
        with self._lock:
            if self._done.is_set():
                return
            self._value, self._error, self._array = value, error, None
            self._done.set()
            callbacks, self._callbacks = self._callbacks, []
        for function in callbacks:
            function(self)

    def _handle(self):
        raise TypeError(f"{self.key} is computed by stages, not by a task: this is for futures of functions")

    def _forget_session(self) -> None:
        self.cancel()

    @property
    def type(self) -> Any:
        """The type of values that are there."""
        return type(self._value) if self.status == "finished" else None

    def retry(self) -> None:
        """Arrays are computed again by `compute`."""
        self._handle()

    @property
    def status(self) -> str:
        """ "pending", "finished", "error" or "cancelled"."""
        if not self._done.is_set():
            return "pending"
        return "cancelled" if self._was_cancelled else "finished" if self._error is None else "error"

    def done(self) -> bool:
        """Whether the values are here, or never will be."""
        return self._done.is_set()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._was_cancelled

    def _wait(self, timeout: float | None) -> None:
        if not self._done.wait(seconds_of(timeout)):
            raise TimeoutError(f"{self.key} was not there after {timeout} s")

    def result(self, timeout: float | None = None) -> Any:
        """The values, as a NumPy array; waits for them."""
        self._wait(timeout)
        if self._error is not None:
            raise self._error
        return self._value

    def exception(self, timeout: float | None = None) -> Any:
        """Why there are no values, None if there are."""
        self._wait(timeout)
        return self._error

    def traceback(self, timeout: float | None = None) -> Any:
        """The traceback of the exception."""
        error = self.exception(timeout)
        return None if error is None else error.__traceback__

    def add_done_callback(self, fn) -> None:
        """Calls fn(self) once the values are here, or never will be."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(fn)
                return
        fn(self)

    def cancel(self, reason=None, msg=None, force: bool = False) -> None:
        """Gives the computation up."""
        with self._lock:
            if self._done.is_set():
                return
            self._was_cancelled, self._error, self._array = True, CancelledError(f"{self.key} was cancelled"), None
            self._done.set()
            callbacks, self._callbacks = self._callbacks, []
        for function in callbacks:
            function(self)

    def release(self) -> None:
        """The values are not needed any more."""
        self.cancel()

    def __await__(self):
        import asyncio

        yield from asyncio.get_running_loop().run_in_executor(None, self._done.wait).__await__()
        return self.result(0)

    def __reduce__(self):
        return _same, (self.result(),)

    def __repr__(self) -> str:
        return f"<Future: {self.status}, key: {self.key}>"


def _same(value):
    return value
