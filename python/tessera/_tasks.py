"""Functions of tasks, on the worker: called by the library on its threads, with `distributed`'s get_client, get_worker and the like."""
from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _pickling
from ._base import ffi, hold, let_go, lib
from ._futures import describe, dump_exception, memory_of

if TYPE_CHECKING:
    from ._cluster import Client

MOST_KEPT = 256  # functions
MOST_DONE = 10_000
OUR_CALLS = 2    # of a traceback: _called and _run

_functions: dict[bytes, object] = {}
_running: dict[int, tuple[int, int]] = {}  # keys of tasks by the thread that runs them
_done: deque = deque(maxlen=MOST_DONE)  # (key, thread, begin, end, whether it went well)
_lock = threading.Lock()
worker: "Worker | None" = None  # of this process
_n_forks = 0  # how often this process is a fork of the worker


class Worker:
    """The worker of this process, as functions see it: `get_worker()`."""

    def __init__(self, address: str, scheduler: str, name: str, nthreads: int, security, local_directory: str) -> None:
        self.address, self.scheduler_address, self.name, self.nthreads = address, scheduler, name, nthreads
        self.security, self.local_directory = security, local_directory
        self.id = name or address
        self._client = None
        self._lock = threading.Lock()
        self._folder = None

    @property
    def client(self):
        """A client of the same cluster, for functions that submit others; opened when first asked for."""
        import importlib

        importlib.import_module("tessera")  # whole, before any of its modules that import each other
        from ._cluster import Client

        with self._lock:
            if self._client is None or self._client.closed:
                self._client = Client(self.scheduler_address, security=self.security, name=f"{self.name} (tasks)", set_as_default=False)
            return self._client

    def log_event(self, topic, msg) -> None:
        """As `Client.log_event`; a dict is told which worker it is from."""
        from ._topics import log

        log(self.client, topic, {**msg, "worker": self.address} if isinstance(msg, dict) else msg)

    @property
    def folder(self) -> str:
        """A folder of this process, for files that clients upload."""
        with self._lock:
            if self._folder is None:
                import tempfile

                self._folder = tempfile.TemporaryDirectory(prefix="tessera-worker-")
                sys.path.insert(0, self._folder.name)
            return self._folder.name

    def clean(self) -> None:
        """Removes what is left of it on the disk."""
        if self._folder is not None:
            self._folder.cleanup()

    def __repr__(self) -> str:
        return f"<Worker {self.name!r} {self.address!r}>"


def _forked() -> None:
    """In a process that a function has forked: what it asks the cluster goes over a connection of its own."""
    global _n_forks, _lock
    _n_forks, _lock = _n_forks + 1, threading.Lock()
    if worker is not None:
        worker._lock, worker._client = threading.Lock(), None


os.register_at_fork(after_in_child=_forked)


def get_worker() -> Worker:
    """The worker that runs this function. ValueError outside of tasks."""
    if worker is None:
        raise ValueError("No worker found: get_worker is for functions that run on a worker")
    return worker


def get_client(address=None, timeout=None, resolve_address=True) -> Client:
    """The client of this program; in a function on a worker, one by which it submits others."""
    if worker is not None:
        return worker.client
    from . import _session

    entered = _session._entered.get()
    if entered is not None and not entered.closed and hasattr(entered, "submit"):
        return entered
    if _session.clients:
        return _session.clients[-1]
    if address is not None:
        from ._cluster import Client

        return Client(address)
    raise ValueError("No global client found and no address provided")


def default_client(c=None) -> Client:
    """`c`, or the client of this program."""
    return c or get_client()


def secede() -> None:
    """The worker may run another task beside this function, which waits or works for long."""
    lib.tsr_task_secede()


def rejoin() -> None:
    """The function counts again among those that the worker runs at a time."""
    lib.tsr_task_rejoin()


@contextlib.contextmanager
def worker_client(timeout=None, separate_thread: bool = True) -> Iterator[Client]:
    """The client for a function on a worker; meanwhile the worker may run another task."""
    get_worker()
    if separate_thread:
        secede()
    try:
        yield get_client()
    finally:
        if separate_thread:
            rejoin()


def receive_file(name: str, data: bytes, load: bool):
    """Puts a file that a client uploaded where it is imported from."""
    import importlib

    folder = get_worker().folder
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    if not name.endswith(".py") and path not in sys.path:
        sys.path.insert(0, path)
    importlib.invalidate_caches()
    module = name.partition(".")[0]
    if sys.modules.pop(module, None) is not None or load:
        with _lock:
            _functions.clear()
        if name.endswith(".py"):
            importlib.import_module(module)
    return len(data)


def versions(packages) -> dict:
    """Of this process."""
    import platform
    from importlib import metadata

    found: dict = {"python": platform.python_version()}
    for name in packages:
        module = sys.modules.get(name)
        try:
            found[name] = getattr(module, "__version__", None) or metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return {"host": {"OS": platform.system(), "OS-release": platform.release(), "machine": platform.machine()}, "packages": found}


def _fetch_uploaded(module: str | None) -> bool:
    """Whether a module that is missing here was uploaded before this worker came."""
    from ._shared import Variable

    try:
        name, data = Variable(f"tessera uploaded: {(module or '').partition('.')[0]}", client=get_client()).get(timeout=0)
    except TimeoutError:
        return False
    receive_file(name, data, False)
    return True


def _loaded(code: bytes):
    try:
        function = pickle.loads(code)
    except ModuleNotFoundError as error:
        if not _fetch_uploaded(error.name):
            raise
        function = pickle.loads(code)
    with _lock:
        while len(_functions) >= MOST_KEPT:
            del _functions[next(iter(_functions))]
        _functions[code] = function
    return function


def _view(bytes_) -> memoryview:
    """The memory of an argument, which stays as long as somebody looks at it."""
    if not bytes_.size:
        return memoryview(b"")
    lib.tsr_bytes_retain(bytes_)
    return memory_of(bytes_)


def _called(code: bytes, memories: list):
    """What the task's function returns."""
    function = _functions.get(code)
    if function is None:
        function = _loaded(code)
    args, kwargs = _pickling.load_arguments(memories)
    return function(*args, **kwargs)


def _put(value, result) -> None:
    """The value as the task's result. Futures in it are kept as long as the result is: nobody else may have them."""
    _pickling.local.given = futures = []
    try:
        size, parts = _pickling.message(value)
    finally:
        del _pickling.local.given
    if futures:
        memory = bytearray(size)
        data = ffi.from_buffer(memory)
        handle = hold((data, futures))
        status = lib.tsr_task_result_wrap(result, data, size, lib.glue_drop, handle)
        if status != lib.TSR_OK:
            let_go(handle)
    elif len(parts) == 1:
        status = lib.tsr_task_result_set(result, ffi.from_buffer(parts[0][1]), size)
        memory = None
    else:
        allocated = lib.tsr_task_result_alloc(result, size)
        status = lib.TSR_OK if allocated else lib.TSR_ERR_MEMORY
        memory = ffi.buffer(allocated, size) if allocated else None
    if status != lib.TSR_OK:
        raise MemoryError(f"no memory for a result of {size} bytes")
    for at, part in parts if memory is not None else ():
        memory[at:at + len(part)] = part


def _end_child(error: BaseException | None) -> None:
    """Ends the process: a function has forked, and returned in the child, too. Its parent goes on with the task."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        import traceback

        traceback.print_exception(error)
        code = 1
    for file in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            file.flush()
    os._exit(code)


def run(context, function, size, n_args, args, result) -> int:
    """Runs a task: tsr_task_runner.call."""
    thread, current = threading.get_ident(), lib.tsr_task_current()
    key = _running[thread] = current.high, current.low
    began, good, code, forks = time.time(), False, b"", _n_forks
    try:
        code = ffi.buffer(function, size)[:]
        if n_args == 1:  # what is read of it is copied by unpickling
            memories = [memoryview(ffi.buffer(args[0].data, args[0].size))]
        else:
            memories = [_view(args + i) for i in range(n_args)]
        value = _called(code, memories)
        if _n_forks != forks:
            _end_child(None)
        _put(value, result)
        good = True
    except BaseException as error:
        if _n_forks != forks:
            _end_child(error)
        if isinstance(error, SystemExit):
            error = RuntimeError(f"the function wanted to end the process (SystemExit: {error})").with_traceback(error.__traceback__)
        text = describe(error, OUR_CALLS).encode(errors="replace")
        details = dump_exception(error, OUR_CALLS)
        lib.tsr_task_result_error(result, text, ffi.from_buffer(details), len(details))
        return lib.TSR_ERR_VALUE
    finally:
        del _running[thread]
        if not getattr(_functions.get(code), "is_no_task", False):
            _done.append((key, thread, began, time.time(), good))
    return lib.TSR_OK


def tasks_done() -> list:
    """The last functions that ran here: key in hexadecimal digits, thread, begin, end, whether it went well."""
    return [(f"{high:016x}{low:016x}", *rest) for (high, low), *rest in list(_done)]


def call_stacks() -> dict:
    """Where the other functions of this worker are: lines by key, in hexadecimal digits."""
    import traceback

    frames, found = sys._current_frames(), {}
    for thread, (high, low) in list(_running.items()):
        if thread != threading.get_ident() and thread in frames:
            lines = traceback.format_stack(frames[thread])
            found[f"{high:016x}{low:016x}"] = lines[OUR_CALLS:] or lines
    return found


ffi.def_extern(name="glue_task", error=lib.TSR_ERR_INTERNAL)(run)
