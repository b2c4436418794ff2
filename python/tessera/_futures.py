"""Futures: results of functions that run on the workers, with `distributed`'s names and behaviour."""
from __future__ import annotations

import contextlib
import pickle
import queue
import sys
import time
import types
from collections.abc import Mapping
from typing import Any

from . import _pickling
from ._base import CancelledError, check, failure, ffi, hold, let_go, lib, seconds_of

STATES = {lib.TSR_FUTURE_PENDING: "pending", lib.TSR_FUTURE_FINISHED: "finished", lib.TSR_FUTURE_ERROR: "error",
          lib.TSR_FUTURE_CANCELLED: "cancelled", lib.TSR_FUTURE_LOST: "lost"}
MOST_TEXT = 600  # bytes of a traceback that are told; the library's own words come before them
MOST_CHAINED = 20  # exceptions that came of each other
REMOTE = "Traceback in the worker:"
SLICE = 0.2  # seconds between looks at signals, while the main thread waits


_HEXADECIMAL = frozenset("0123456789abcdef")


class Future:
    """The result of a function that runs on a worker, or will. Made by `Client.submit`, `map`, `scatter`.

    `Future(key, client)` is another one of a key that some client has a future of (default: the client of this program). A key that somebody chose
    and that ends like those made here, in `-` and 32 hexadecimal digits, is found by the client that chose it only.
    The result stays on the workers until it is asked for, and is forgotten when nobody has the future any more. Futures are arguments of other
    functions, also inside of lists, tuples and dicts: these get the results, which go from worker to worker.

    Examples
    --------
    >>> import tessera as ts
    >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
    ...     a = client.submit(sum, [1, 2, 3])
    ...     b = client.submit(pow, a, 2)
    ...     b.result()
    36
    """

    __slots__ = ("_f", "client", "_name", "_key", "_state", "__weakref__")
    is_local = False  # whether this process makes the result, from what workers send

    def __init__(self, key: str | None, client=None, handle=None, name: str = "") -> None:
        self._f, self.client, self._name, self._key, self._state = handle, client, name, key, None
        if handle is None:
            self._find()

    def _find(self) -> None:
        """The handle of a key that somebody has the text of."""
        if self.client is None:
            from ._tasks import get_client

            self.client = get_client()
        high, low = _number_of(self.client, self._key)
        self._f, self._name = _handle_of(self.client, high, low), str(self._key)
        self.client._names[high, low] = self._key

    def __del__(self, release=lib.tsr_future_release) -> None:
        handle = getattr(self, "_f", None)
        if handle:
            release(handle)

    def _forget_session(self) -> None:
        self._f = ffi.NULL
        self._state = "cancelled"

    def _handle(self):
        if not self._f:
            raise CancelledError("the client of this future is closed, or it was released")
        return self._f

    # ---- What it is ----

    @property
    def key(self) -> str:
        """What the cluster knows the result by."""
        if self._key is None:
            key = lib.tsr_future_key(self._handle())
            self._key = name_key(key.high, key.low, self._name)
            self.client._names[key.high, key.low] = self._key
        return self._key

    @property
    def status(self) -> str:
        """ "pending", "finished", "error", "cancelled" or "lost"."""
        return self._state or STATES[lib.tsr_future_state(self._handle())]

    def done(self) -> bool:
        """Whether there is a result, or there will never be one."""
        return self.status != "pending"

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.status == "cancelled"

    @property
    def type(self) -> Any:
        """The type of a result that is there."""
        return type(self.result()) if self.status == "finished" else None

    # ---- What comes out ----

    def result(self, timeout: float | None = None) -> Any:
        """The result; waits for it. What the function raised is raised here, with its traceback.

        Arrays are not copied: they cannot be written to. TimeoutError after `timeout` seconds.
        """
        out = ffi.new("tsr_bytes *")
        status = self.client._wait(lambda seconds: lib.tsr_future_result(self._handle(), seconds, out), timeout)
        if status != lib.TSR_OK:
            raise self._reason(status)
        with reading_for(self.client):
            return self._decode(out)

    def _decode(self, bytes_) -> Any:
        return value_of(bytes_)

    def _about(self) -> bytes:
        """What others have to know of the result to read it, for `future_about`."""
        return b""

    def _reason(self, status: int) -> BaseException:
        """What is raised for a status of this future."""
        error = failure()
        if self.status == "error":
            error = self._error()
        elif status == lib.TSR_ERR_CANCELLED:
            error = CancelledError(f"the task {self.key} was cancelled")
        return error

    def _error(self) -> BaseException | None:
        """The exception of a task that failed, as it was raised."""
        text, details = ffi.new("const char **"), ffi.new("tsr_bytes *")
        status = lib.tsr_future_error(self._handle(), text, details)
        if status == lib.TSR_OK:
            return None
        lib.tsr_error_clear()
        said = ffi.string(text[0]).decode(errors="replace") if text[0] else "the task failed"
        return load_exception(memory_of(details) if details.size else None, said)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception that the function raised, None if it returned; waits until it ended."""
        self.client.wait_for([self], timeout)
        if self.status == "cancelled":
            return CancelledError(f"the task {self.key} was cancelled")
        return self._error()

    def traceback(self, timeout: float | None = None) -> Any:
        """The traceback of the exception, None if there was none; waits until the function ended."""
        error = self.exception(timeout)
        return None if error is None else error.__traceback__

    def add_done_callback(self, fn) -> None:
        """Calls fn(future) once there is a result or none will come; on another thread."""
        on_done(self, fn)

    def __await__(self):
        import asyncio

        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def tell(future) -> None:
            loop.call_soon_threadsafe(lambda: waiter.done() or waiter.set_result(None))

        on_done(self, tell)
        yield from waiter.__await__()
        return self.result(0)

    # ---- What can be done with it ----

    def cancel(self, reason=None, msg=None, force: bool = False) -> None:
        """Stops the task, if nobody else wants it, and what depends on it."""
        self.client.cancel([self], force=force)

    def retry(self) -> None:
        """Runs a task that failed once more."""
        self.client.retry([self])

    def release(self) -> None:
        """The result is not needed here any more."""
        handle, self._f = self._f, ffi.NULL
        self._state = "cancelled"
        lib.tsr_future_release(handle)

    def __reduce__(self):
        futures = getattr(_pickling.local, "futures", None)
        if futures is not None:  # an argument of a task: the function gets the result
            futures.append(self)
            return _pickling.nth_result, (len(futures) - 1,)
        given = getattr(_pickling.local, "given", None)
        if given is not None:  # in a result, which keeps it
            given.append(self)
        key = lib.tsr_future_key(self._handle())
        return future_of, (key.high, key.low, self._name, self.key)

    def __repr__(self) -> str:
        if not self._f:
            return "<Future: released>"
        return f"<Future: {self.status}, key: {self.key}>"

    def _repr_html_(self) -> str:
        from html import escape

        return (f"<code>Future</code>: <b>{escape(self._name)}</b> <span style='opacity:0.7'>status:</span> {self.status}, "
                f"<span style='opacity:0.7'>key:</span> {escape(self.key) if self._f else ''}")


def name_key(high: int, low: int, name: str) -> str:
    return f"{name}-{high:016x}{low:016x}"


@contextlib.contextmanager
def reading_for(client) -> Any:
    """Futures that are unpickled meanwhile belong to this client."""
    before, _pickling.local.client = getattr(_pickling.local, "client", None), client
    try:
        yield
    finally:
        _pickling.local.client = before


def user_key(key) -> tuple[int, int]:
    """The number of a key that a user chose."""
    text = b"key:" + (key if isinstance(key, str) else repr(key)).encode()
    number = lib.tsr_key_of(ffi.from_buffer(text), len(text))
    return number.high, number.low


def _number_of(client, key) -> tuple[int, int]:
    """The number of a key of which only the text is there. What this package made says its own; users may choose keys that look the same,
    which only the client knows that gave them."""
    number = user_key(key)
    if number in client._names or not (isinstance(key, str) and key[-33:-32] == "-" and _HEXADECIMAL.issuperset(key[-32:])):
        return number
    high, low = int(key[-32:-16], 16), int(key[-16:], 16)
    return (high, low) if high | low else number


def _handle_of(client, high: int, low: int):
    out = ffi.new("tsr_future **")
    check(lib.tsr_future_of(client.handle(), ffi.new("tsr_key *", {"high": high, "low": low})[0], out))
    return out[0]


def future_of(high: int, low: int, name: str, text: str) -> Future:
    """The future of a key, in the client of whoever asks."""
    client = getattr(_pickling.local, "client", None)
    if client is None:
        from ._tasks import get_client

        client = get_client()
    return Future(text, client, _handle_of(client, high, low), name)


def future_about(handle, client, name: str, about: bytes) -> Future:
    """A future of somebody's who said this of it."""
    if not about:
        return Future(None, client, handle, name)
    from ._c_tasks import future_of_dtype

    return future_of_dtype(Future(None, client, handle, name), pickle.loads(about))


# ---- Bytes that the library lends -------------------------------------------------------------------------------------------

def memory_of(bytes_) -> memoryview:
    """The memory of a tsr_bytes, which is given back when nobody looks at it any more. Takes the reference."""
    if not bytes_.size:
        lib.tsr_bytes_release(bytes_)
        return memoryview(b"")
    kept = ffi.new("tsr_bytes *", bytes_[0])
    held = ffi.gc(ffi.cast("char *", kept.data), lambda _: lib.tsr_bytes_release(kept))
    return memoryview(ffi.buffer(held, kept.size)).toreadonly()


def value_of(bytes_) -> Any:
    """The value of a message that a tsr_bytes holds; takes the reference."""
    if bytes_.size >= 8 and ffi.buffer(bytes_.data, 8)[:] == _pickling.MAGIC:
        return _pickling.read(memory_of(bytes_))
    try:  # nothing of it is looked at later
        return pickle.loads(ffi.buffer(bytes_.data, bytes_.size))
    finally:
        lib.tsr_bytes_release(bytes_)


# ---- Exceptions -------------------------------------------------------------------------------------------------------------


def describe(error: BaseException, skip: int = 0) -> str:
    """An exception as text: its type, what it says, and where it was raised, without the first `skip` calls."""
    import traceback

    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    calls = traceback.extract_tb(error.__traceback__)
    lines = [f"  {call.filename}:{call.lineno} in {call.name}" + (f": {call.line}" if call.line else "") for call in (calls[skip:] or calls[-1:])]
    while len(lines) > 1 and sum(map(len, lines)) > MOST_TEXT:
        del lines[0]
    said = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], str) else str(error)  # KeyError would quote it
    return f"{name}: {said[:MOST_TEXT // 4]}\n{REMOTE}\n" + "\n".join(lines)


def dump_exception(error: BaseException, skip: int) -> bytes:
    """An exception, those that it came of, and where each was raised; of the first without the first calls, which are ours."""
    import traceback

    chain: list[tuple[bytes, list, bool]] = []
    one: BaseException | None = error
    while one is not None and len(chain) < MOST_CHAINED:
        calls = [(c.filename, c.lineno, c.name) for c in traceback.extract_tb(one.__traceback__)[0 if chain else skip:]]
        chain.append((_dump_bare(one), calls, one.__cause__ is not None))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return pickle.dumps(chain, 5)


def _dump_bare(error: BaseException) -> bytes:
    """An exception by itself. Reading a pickled one calls its class with `args`, which is not what every class takes: those go in parts."""
    dumps = _pickling.cloudpickle().dumps
    for form in (error, (type(error), error.args, error.__dict__)):
        try:
            data = dumps(form, 5)
            _load_bare(data)
            return data
        except Exception:
            pass
    return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error} (the exception itself cannot be pickled)"), 5)


def _load_bare(data: bytes) -> BaseException:
    form = pickle.loads(data)
    if isinstance(form, tuple):
        kind, args, state = form
        form = kind.__new__(kind, *args)
        form.args = args
        form.__dict__.update(state)
    return form


def load_exception(memory, said: str) -> BaseException:
    """The exception again, with a traceback that names the lines where it was raised, and what it came of."""
    if memory is None:
        return KilledWorker(said) if "killed" in said or "lost" in said else RuntimeError(said)
    first: BaseException | None = None
    for data, calls, is_cause in reversed(pickle.loads(memory)):
        try:
            error = _load_bare(data)
        except Exception as why:
            error = RuntimeError(f"{said} (what was raised cannot be read here: {type(why).__name__}: {why})")
        if is_cause:
            error.__cause__ = first
        else:
            error.__context__ = first
        first = error.with_traceback(make_traceback(calls))
    assert first is not None
    return first


class KilledWorker(RuntimeError):
    """A task was given up, since the workers that ran it died."""


def make_traceback(calls: list) -> Any:
    """A traceback of these calls: (file, line, function), the innermost last."""
    made = None
    for filename, line, function in reversed(calls):
        code = compile("def f():\n return __import__('sys')._getframe()", filename, "exec").co_consts[0]
        frame = types.FunctionType(code.replace(co_name=function, co_firstlineno=line or 1), {"__name__": function, "__builtins__": __builtins__})()
        made = types.TracebackType(made, frame, 0, line or 1)
    return made


# ---- Callbacks --------------------------------------------------------------------------------------------------------------


class _Done:
    """A function that is called when a future is done. The library holds it until then."""

    def __init__(self, function, future: Future) -> None:
        self.function, self.future = function, future


@ffi.def_extern()
def glue_future_done(context, handle) -> Any:
    done = ffi.from_handle(context)
    let_go(context)
    try:
        done.function(done.future)
    except Exception:
        sys.excepthook(*sys.exc_info())


def on_done(future: Future, function) -> None:
    """Calls function(future) when it is done, on a thread of the client's or at once."""
    if future.is_local:
        future.add_done_callback(function)
        return
    handle = hold(_Done(function, future))
    status = lib.tsr_future_on_done(future._handle(), lib.glue_future_done, handle)
    if status != lib.TSR_OK:
        let_go(handle)
        raise failure()


# ---- Many futures -----------------------------------------------------------------------------------------------------------


def futures_of(value, client=None) -> list:
    """The futures in nested lists, tuples, sets and dicts."""
    found: list = []
    walk(value, lambda future: found.append(future))
    return found


def walk(value, function) -> Any:
    """The same structure with function(future) in the place of each future."""
    if isinstance(value, Future):
        return function(value)
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return kind([walk(item, function) for item in value])
    if kind is dict:
        return {key: walk(item, function) for key, item in value.items()}
    return value


def arrays_of(value) -> list:
    """The arrays in nested lists, tuples and dicts; of xarray objects, their variables'."""
    from ._core import Node

    if isinstance(value, Node):
        return [value]
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in arrays_of(item)]
    if isinstance(value, dict):
        return arrays_of(list(value.values()))
    variables = getattr(value, "variables", None)  # of a Dataset
    if isinstance(variables, Mapping):
        return arrays_of([variable._data for variable in variables.values() if hasattr(variable, "_data")])
    return arrays_of(value.variable._data) if hasattr(getattr(value, "variable", None), "_data") else []


class as_completed:
    """Futures in the order in which they are done.

    Parameters
    ----------
    futures : iterable of Future
    with_results : bool
        Whether pairs (future, result) come.
    raise_errors : bool
        With results: whether the exceptions of functions are raised, or come in the place of results.
    timeout : float, optional
        Seconds from now after which TimeoutError is raised.

    >>> for future, result in as_completed(futures, with_results=True):    # doctest: +SKIP
    ...     print(result)
    """

    def __init__(self, futures=None, loop=None, with_results: bool = False, raise_errors: bool = True, *, timeout: float | None = None) -> None:
        self.with_results, self.raise_errors = with_results, raise_errors
        self._until = None if timeout is None else time.monotonic() + seconds_of(timeout)
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self._left = 0
        self._round = 0
        self.update(futures or ())

    def update(self, futures) -> None:
        """More futures."""
        for future in futures:
            self.add(future)

    def add(self, future: Future) -> None:
        """One more future."""
        self._left += 1
        done, turn = self._done, self._round
        on_done(future, lambda f: done.put((turn, f)))

    def clear(self) -> None:
        """Forgets all futures."""
        self._left, self._round = 0, self._round + 1

    def count(self) -> int:
        """How many are still to come."""
        return self._left

    def is_empty(self) -> bool:
        return self._left == 0

    def has_ready(self) -> bool:
        """Whether one can be had without waiting."""
        return not self._done.empty()

    def _next(self, block: bool = True) -> Future:
        while True:
            seconds = SLICE if self._until is None else min(SLICE, max(self._until - time.monotonic(), 0))
            try:
                turn, future = self._done.get(block, seconds) if block else self._done.get_nowait()
            except queue.Empty:
                if not block:
                    raise
                if self._until is not None and time.monotonic() >= self._until:
                    raise TimeoutError(f"{self._left} futures were not done in time") from None
                continue
            if turn == self._round:
                self._left -= 1
                return future

    def _item(self, future: Future):
        if not self.with_results:
            return future
        try:
            return future, future.result()
        except BaseException as error:
            if self.raise_errors or isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return future, error

    def __iter__(self) -> "as_completed":
        return self

    def __next__(self):
        if self._left == 0:
            raise StopIteration
        return self._item(self._next())

    def next_batch(self, block: bool = True) -> list:
        """All that are done by now; waits for one if there is none and `block`."""
        batch = []
        if block and self._left:
            batch.append(next(self))
        while self._left:
            try:
                batch.append(self._item(self._next(block=False)))
            except queue.Empty:
                break
        return batch

    def batches(self) -> Any:
        """Lists of futures that are done, until all are."""
        while self._left:
            yield self.next_batch()

    def __aiter__(self) -> "as_completed":
        return self

    async def __anext__(self):
        import asyncio

        if self._left == 0:
            raise StopAsyncIteration
        return await asyncio.get_running_loop().run_in_executor(None, self.__next__)


class DoneAndNotDone(tuple):
    """What `wait` returns."""

    __slots__ = ()
    done = property(lambda self: self[0])
    not_done = property(lambda self: self[1])

    def __repr__(self) -> str:
        return f"DoneAndNotDoneFutures(done={self.done}, not_done={self.not_done})"


WAITS = {"ALL_COMPLETED": lib.TSR_WAIT_ALL, "FIRST_COMPLETED": lib.TSR_WAIT_FIRST, "FIRST_EXCEPTION": lib.TSR_WAIT_FIRST_ERROR}


def _wait_for_arrays(arrays: list, timeout: float | None) -> None:
    groups: dict = {}
    for array in arrays:
        groups.setdefault(id(array.session), []).append(array)
    until = None if timeout is None else time.monotonic() + timeout
    for group in groups.values():
        left = -1.0 if until is None else max(until - time.monotonic(), 0.0)
        group[0].session._run(lib.tsr_wait, len(group), [array._p for array in group], left)


def wait(fs, timeout: float | None = None, return_when: str = "ALL_COMPLETED") -> DoneAndNotDone:
    """Waits for futures (anywhere in nested lists and dicts): all of them, or "FIRST_COMPLETED". The sets (done, not_done).

    Persisted arrays beside futures, and what is computed from them, are waited for until all their blocks are there; they are in none of the sets.
    Raises TimeoutError after `timeout` seconds; CancelledError if one was cancelled; what went wrong where an array cannot be made.

    >>> import tessera as ts
    >>> x = ts.ones((1000, 1000)).persist()
    >>> ts.wait(x)
    DoneAndNotDoneFutures(done=set(), not_done=set())
    """
    if return_when not in WAITS:
        raise NotImplementedError(f"wait: return_when is 'ALL_COMPLETED', 'FIRST_COMPLETED' or 'FIRST_EXCEPTION', not {return_when!r}")
    arrays = arrays_of(fs)
    if arrays and return_when != "ALL_COMPLETED":
        raise ValueError(f"wait: arrays are waited for together; return_when={return_when!r} is for futures")
    began, timeout = time.monotonic(), seconds_of(timeout)
    if arrays:
        _wait_for_arrays(arrays, timeout)
        timeout = None if timeout is None else max(timeout - (time.monotonic() - began), 0.0)
        fs = [fs]
    futures = futures_of(fs if isinstance(fs, (list, tuple, set, dict, Future)) else list(fs))
    if futures:
        futures[0].client.wait_for(futures, timeout, WAITS[return_when])
    done = {f for f in futures if f.done()}
    cancelled = [f.key for f in done if f.cancelled()]
    if cancelled:
        raise CancelledError(f"{len(cancelled)} of the tasks were cancelled, {cancelled[0]} the first")
    return DoneAndNotDone((done, set(futures) - done))


_forgotten: set = set()


def fire_and_forget(obj) -> None:
    """Has tasks run to their end, also when nobody keeps their futures."""
    for future in futures_of(obj):
        _forgotten.add(future)
        on_done(future, _forgotten.discard)
