"""What clients do with functions: submit, map, gather, scatter, and what the cluster knows of their results."""
from __future__ import annotations

import gc
import inspect
import json
import os
import queue
import sys
import time
import weakref
from _thread import get_ident
from typing import Any

from . import _pickling
from ._futures import SLICE, Future, futures_of, on_done, reading_for, user_key, walk
from ._plugins import PluginMethods
from ._base import CancelledError, check, failure, ffi, lib, seconds_of, take_text

RUNS = f"python{sys.version_info.major}.{sys.version_info.minor}"
NO_KEY = (0, 0)
_SKIPPED = object()


# What `distributed` takes besides; the first make no difference here, the others would.
_NO_DIFFERENCE = {"optimize_graph", "allow_other_workers", "fifo_timeout", "actors", "traverse"}
_RULES_OF_TASKS = {"workers", "resources", "retries"}


def check_array_options(method: str, options: dict) -> None:
    for name, value in options.items():
        if name in _RULES_OF_TASKS and value:
            raise NotImplementedError(f"{method}: {name}= is for functions (submit, map); blocks of arrays go where the bytes are that they read")
        if name not in _RULES_OF_TASKS | _NO_DIFFERENCE:
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}")


class _Function:
    """A function as the library takes it; a client keeps it as long as the function lives."""

    def __init__(self, function, code: bytes) -> None:
        self.code = code
        self.name = getattr(function, "__name__", type(function).__name__)
        made_of = lib.tsr_key_of(ffi.from_buffer(self.code), len(self.code))
        self.identity = made_of.high.to_bytes(8, "little") + made_of.low.to_bytes(8, "little")
        self._kept = ffi.from_buffer(self.code), ffi.new("char[]", self.name.encode()), ffi.new("char[]", RUNS.encode())
        self.struct = ffi.new("tsr_task_function *", {"kind": lib.TSR_TASK_FOREIGN, "name": self._kept[1], "code": self._kept[0],
                                                      "code_size": len(self.code), "runs": self._kept[2]})


class _Options:
    """tsr_task_options, with what it points to."""

    def __init__(self, workers=None, resources=None, retries=None, priority=0, allow_other_workers=False, at_once=False) -> None:
        names = [] if workers is None else [workers] if isinstance(workers, str) else [str(w) for w in workers]
        if workers is not None and not names:
            raise ValueError("workers= names none")
        self._texts = [ffi.new("char[]", name.encode()) for name in names]
        self._names = ffi.new("char *[]", self._texts) if names else ffi.NULL
        self._resources = ffi.new("char[]", " ".join(f"{k}={v:g}" for k, v in resources.items()).encode()) if resources else ffi.NULL
        self.struct = ffi.new("tsr_task_options *", {"priority": int(priority or 0), "retries": int(retries or 0), "resources": self._resources,
                                                     "n_workers": len(names), "workers": self._names, "others_too": bool(allow_other_workers),
                                                     "at_once": bool(at_once)})


class TaskMethods(PluginMethods):
    """The methods of `Client` for functions and futures."""

    def _start_tasks(self) -> None:
        self._functions = weakref.WeakKeyDictionary()
        self._names: dict = {}  # (high, low) of keys that have a text here

    def _function(self, function) -> _Function:
        if not callable(function):
            raise TypeError(f"First input to submit must be a callable function, not {type(function).__name__}")
        try:
            made = self._functions.get(function)
            if made is None:
                made = self._functions[function] = _Function(function, self._dump_function(function))
            return made
        except TypeError:  # no weak references, or not hashable
            return _Function(function, self._dump_function(function))

    def _wait(self, call, timeout: float | None = None) -> int:
        """call(seconds), which waits, until it has something else to say than that the time was over. Signals are heard meanwhile."""
        timeout = seconds_of(timeout)
        until = None if timeout is None else time.monotonic() + timeout
        me = get_ident()
        self._busy.append(me)  # so that the client is not closed meanwhile
        try:
            while True:
                if self.closed:
                    raise CancelledError("the client was closed")
                left = None if until is None else max(until - time.monotonic(), 0)
                status = call(SLICE if left is None else min(SLICE, left))
                if status != lib.TSR_ERR_TIMEOUT:
                    return status
                if left is not None and left <= SLICE:
                    raise failure()
                lib.tsr_error_clear()
        finally:
            self._busy.remove(me)

    def wait_for(self, futures: list, timeout: float | None = None, what: int = lib.TSR_WAIT_ALL) -> None:
        """Waits for all of these futures, or for the first."""
        if any(f.is_local for f in futures):
            return _wait_for_several(futures, timeout, what)
        handles = ffi.new("tsr_future *[]", [f._handle() for f in futures])
        status = self._wait(lambda seconds: lib.tsr_futures_wait(len(futures), handles, what, seconds), timeout)
        if status != lib.TSR_OK:
            raise failure()

    # ---- Submitting ----

    def _submit(self, function, calls: list, keys: list | None, pure: bool, options: _Options) -> list[Future]:
        """Submits function(*args, **kwargs) for (args, kwargs) in calls."""
        if hasattr(function, "struct"):  # a C function
            return function.submit(self, calls, keys, pure, options)
        made = self._function(function)
        payloads, rows, counts, numbers, others = [], [], [], [], []
        at = 0
        for i, (args, kwargs) in enumerate(calls):
            data, buffers, futures = _pickling.dump_arguments(args, kwargs)
            payloads.append(data)
            rows.append((ffi.NULL, at, len(data)))
            at += len(data)
            for buffer in buffers:
                others.append(ffi.from_buffer(buffer))
                rows.append((ffi.NULL, others[-1], buffer.nbytes))
            for future in futures:
                rows.append((future._handle(), ffi.NULL, 0))
            counts.append(1 + len(buffers) + len(futures))
            if keys is not None:
                numbers.append(user_key(keys[i]))
            elif pure:
                numbers.append(_pure_key(made, data, buffers, futures))
        joined = b"".join(payloads)
        base = ffi.cast("char *", ffi.from_buffer(joined))
        arguments = ffi.new("tsr_task_arg[]", [(f, base + d if type(d) is int else d, n) for f, d, n in rows])
        tasks, first = [], 0
        for number, count in zip(numbers or [NO_KEY] * len(calls), counts):
            tasks.append((number, count, arguments + first))
            first += count
        handles = ffi.new("tsr_future *[]", len(calls))
        check(lib.tsr_submit(self.handle(), made.struct, len(calls), ffi.new("tsr_task[]", tasks), options.struct, handles))
        del others
        futures = [Future(None, self, handle, made.name) for handle in ffi.unpack(handles, len(calls))]
        for future, number, key in zip(futures, numbers, keys or ()):
            self._names[number] = future._key = key
        return futures

    def submit(self, func, *args, key=None, workers=None, resources=None, retries=None, priority=0, fifo_timeout="100 ms", allow_other_workers=False,
               actor=False, actors=False, pure=True, **kwargs) -> Future:
        """Calls func(*args, **kwargs) on a worker: a future of what it returns.

        Parameters
        ----------
        func : callable
            Any Python function. It travels by value, with what it refers to, unless it can be imported from a module.
        *args, **kwargs
            What it is called with. Futures, also in lists, tuples and dicts, become their results.
        key : str, optional
            A name for the result; what has the same name is not computed again.
        workers : str or list of str, optional
            Names or addresses of the workers that may run it; with `allow_other_workers` also others, if these are not there.
        resources : dict, optional
            What it takes of its worker while it runs: {"GPU": 1}.
        retries : int, optional
            How often it is tried again if it fails.
        priority : int
            Larger is sooner.
        actor : bool
            Whether the result stays on the worker, as an object whose methods are called there.
        pure : bool
            Whether the same call with the same arguments has the same result, so that it is made once. False for functions such as
            random numbers.
        """
        if actor or actors:
            from ._actors import create

            return create(self, func, args, kwargs, _Options(workers, resources, retries, priority, allow_other_workers))
        options = _Options(workers, resources, retries, priority, allow_other_workers)
        return self._submit(func, [(args, kwargs)], None if key is None else [key], pure, options)[0]

    def map(self, func, *iterables, key=None, workers=None, retries=None, resources=None, priority=0, allow_other_workers=False, fifo_timeout="100 ms",
            actor=False, actors=False, pure=True, batch_size=None, **kwargs) -> list[Future]:
        """Calls a function for the elements of iterables: one future each. The arguments are those of `submit`; `key` is a prefix, or a
        list of keys."""
        calls = [(args, kwargs) for args in zip(*iterables)]
        if actor or actors:
            return [self.submit(func, *args, workers=workers, retries=retries, resources=resources, priority=priority, actor=True, **kw)
                    for args, kw in calls]
        if not calls:
            return []
        keys = [f"{key}-{i}" for i in range(len(calls))] if isinstance(key, str) else None if key is None else list(key)
        if keys is not None and len(keys) != len(calls):
            raise ValueError(f"map: {len(keys)} keys for {len(calls)} calls")
        return self._submit(func, calls, keys, pure, _Options(workers, resources, retries, priority, allow_other_workers))

    def scatter(self, data, workers=None, broadcast=False, direct=None, hash=True, timeout=None) -> Any:
        """Puts values into the workers' memory: futures of them, in the structure of `data` (one value, a list, tuple, set, or a dict of
        values by key). With `broadcast` every worker has them, with a number so many."""
        keys = None
        if isinstance(data, dict):
            keys, values = list(data), list(data.values())
        elif isinstance(data, (list, tuple, set, frozenset)):
            values = list(data)
        else:
            values = [data]
        memories = []
        for value in values:
            size, parts = _pickling.message(value)
            memory = parts[0][1] if len(parts) == 1 else bytearray(size)
            if len(parts) > 1:
                for at, part in parts:
                    memory[at:at + len(part)] = part
            memories.append(ffi.from_buffer(memory))
        if keys is not None:
            numbers = [user_key(key) for key in keys]
        else:
            numbers = [(k.high, k.low) for k in (lib.tsr_key_of(m, len(m)) for m in memories)] if hash else None
        items = ffi.new("tsr_bytes[]", [(m, len(m), ffi.NULL) for m in memories])
        handles = ffi.new("tsr_future *[]", max(len(values), 1))
        copies = -1 if broadcast is True else int(broadcast) or 1
        check(lib.tsr_scatter(self.handle(), len(values), items, ffi.new("tsr_key[]", numbers) if numbers else ffi.NULL,
                              _Options(workers).struct, copies, handles))
        names = keys or [type(value).__name__ for value in values]
        futures = [Future(None, self, handle, str(name)) for handle, name in zip(ffi.unpack(handles, len(values)), names)]
        for future, number, key in zip(futures, numbers or (), keys or ()):
            self._names[number] = future._key = str(key)
        if keys is not None:
            return dict(zip(keys, futures))
        return type(data)(futures) if isinstance(data, (list, tuple, set, frozenset)) else futures[0]

    # ---- Results ----

    def gather(self, futures, errors="raise", direct=None, asynchronous=None) -> Any:
        """The results of futures, which may be anywhere in nested lists, tuples, sets and dicts; waits for them. With errors="skip",
        those that failed are left out of a list, and None elsewhere, as in `distributed`."""
        if errors not in ("raise", "skip"):
            raise ValueError(f"Must specify errors= 'raise' or 'skip', not {errors!r}")
        if not isinstance(futures, (Future, list, tuple, set, frozenset, dict)):
            if hasattr(futures, "compute"):  # an array: there is nothing in it to be replaced
                return futures
            futures = list(futures)
        found = {id(f): f for f in futures_of(futures)}
        if not found:
            return futures
        results = dict(zip(found, self._gather(list(found.values()), errors == "skip")))
        if isinstance(futures, list):
            futures = [f for f in futures if results.get(id(f)) is not _SKIPPED]
        return walk(futures, lambda f: None if results[id(f)] is _SKIPPED else results[id(f)])

    def _gather(self, futures: list, skip: bool) -> list:
        if any(f.is_local for f in futures):
            return [_result_or_skipped(f, skip) for f in futures]
        handles, results = ffi.new("tsr_future *[]", [f._handle() for f in futures]), ffi.new("tsr_bytes[]", len(futures))
        what = lib.TSR_WAIT_ALL if skip else lib.TSR_WAIT_FIRST_ERROR
        status = self._wait(lambda seconds: lib.tsr_futures_wait(len(futures), handles, what, seconds))
        if status == lib.TSR_OK:
            status = lib.tsr_gather(len(futures), handles, skip, -1.0, results)
        if status != lib.TSR_OK:
            error = failure()
            failed = next((f for f in futures if f.status in ("error", "cancelled", "lost")), None)
            if failed is not None:
                failed.result(0)  # raises
            raise error
        with reading_for(self):
            return [_SKIPPED if not results[i].data and futures[i].status != "finished" else futures[i]._decode(results + i) for i in range(len(futures))]

    def compute(self, collections, sync=False, priority=0, **options) -> Any:
        """Has the workers compute an array, or several: futures of their values; with sync=True the values themselves. Of a larger `priority`
        is sooner: those of a smaller one get what these leave of the workers' threads. Arrays that were made before there was a client go
        to the workers, too.

        Blocks of arrays go where the bytes are that they read: rules for tasks (`workers`, `resources`, `retries`) are refused.
        """
        from ._computing import ArrayFuture
        from ._core import Node
        from ._session import priority as with_priority

        check_array_options("compute", options)
        one = not isinstance(collections, (list, tuple))
        items = [self._brought(item) for item in ([collections] if one else collections)]
        if sync:
            from ._functions import compute

            with with_priority(priority):
                values = compute(*items)
            return values[0] if one else type(collections)(values)
        futures = [ArrayFuture(item, self, priority) if isinstance(item, Node) else item for item in items]
        return futures[0] if one else futures

    def cancel(self, futures=None, asynchronous=None, force=False, reason=None, msg=None) -> None:
        """Stops tasks that nobody else wants (`force`: in any case), and what depends on them. Without futures: ends the computation of
        arrays that runs in another thread, as `Session.cancel`."""
        if futures is None:
            lib.tsr_cancel(self.handle())
            return
        found = futures_of(futures if isinstance(futures, (Future, list, tuple, set, dict)) else list(futures))
        for future in found:
            if future.is_local:
                future.cancel()
        self._each(lib.tsr_futures_cancel, [f for f in found if not f.is_local], bool(force))

    def retry(self, futures, asynchronous=None) -> None:
        """Runs tasks that failed once more."""
        self._each(lib.tsr_futures_retry, futures)

    def _each(self, call, futures, *more) -> None:
        found = futures_of(futures if isinstance(futures, (Future, list, tuple, set, dict)) else list(futures))
        if found:
            check(call(len(found), [f._handle() for f in found], *more))

    def replicate(self, futures, n=None, workers=None, branching_factor=2, **ignored) -> None:
        """Copies results until each is on n workers (default: on all)."""
        options = _Options(workers)
        self._each(lib.tsr_futures_replicate, futures, -1 if n is None else int(n), options.struct.n_workers, options.struct.workers)

    def rebalance(self, futures=None, workers=None, **ignored) -> None:
        """Moves results between workers until their memory is about equally full."""
        found = [] if futures is None else futures_of(futures)
        check(lib.tsr_futures_rebalance(self.handle(), len(found), [f._handle() for f in found]))

    def futures_of(self, futures) -> list[Future]:
        """The futures in nested lists, tuples, sets and dicts."""
        return futures_of(futures)

    # ---- What the cluster knows ----

    def _query(self, what: str, futures=None) -> dict:
        found = [] if futures is None else futures_of(futures)
        if futures is not None and not found:
            return {}  # of no futures, not of all
        for future in found or self._futures():
            future.key  # from now on its name is known here
        return json.loads(take_text(lib.tsr_tasks_query(self.handle(), what.encode(), len(found), [f._handle() for f in found])))

    def _futures(self) -> list:
        """All futures of this client. They know it, not the other way round, so that making one costs nothing here; the collector knows them."""
        return [holder for holder in gc.get_referrers(self) if isinstance(holder, Future) and not holder.is_local and holder._f]

    def _named(self, key: str) -> str:
        return self._names.get((int(key[:16], 16), int(key[16:], 16)), key)

    def who_has(self, futures=None, **ignored) -> dict:
        """Which workers have which results, and which blocks of persisted arrays: addresses by key. Default: all results of functions, and
        the arrays of this client."""
        arrays, futures = _arrays_among(futures)
        found = {self._named(key): tuple(addresses) for key, addresses in self._query("who_has", futures).items()}
        for key, _, _, address, there in self._blocks(arrays):
            found[key] = (address,) if there else ()
        return found

    def has_what(self, workers=None, **ignored) -> dict:
        """Which results, and blocks of this client's persisted arrays, which workers have: keys by address."""
        found = self._by_worker("has_what", workers)
        for key, _, _, address, there in self._blocks(None):
            if there and address in found:
                found[address].append(key)
        return found

    def _blocks(self, arrays: list | None):
        """(key, name, bytes, address, there) of each block of persisted arrays (None: of all)."""
        if arrays is not None and not arrays:
            return
        for array in json.loads(take_text(lib.tsr_cluster_blocks(self.handle(), len(arrays or ()), [a._p for a in arrays or ()]))):
            name, chunks = f"array-{array['job']}-{array['root']}", array["chunks"]
            item = int(lib.tsr_dtype_size(_dtype(array["dtype"])))
            for owner in array["owners"]:
                for number in range(owner["first"], owner["first"] + owner["count"]):
                    index, size, left = [], item, number
                    for lengths in reversed(chunks):
                        left, i = divmod(left, len(lengths))
                        index.append(i)
                        size *= lengths[i]
                    yield repr((name, *reversed(index))), name, size, owner["address"], owner["there"]

    def processing(self, workers=None) -> dict:
        """What the workers are running: keys by address."""
        return self._by_worker("processing", workers)

    def _by_worker(self, what: str, workers) -> dict:
        wanted = None if workers is None else {workers} if isinstance(workers, str) else set(workers)
        return {address: list(map(self._named, keys)) for address, keys in self._query(what).items() if wanted is None or address in wanted}

    def nbytes(self, keys=None, summary=True, **ignored) -> dict:
        """How large the results are: bytes by key, or with `summary` by function."""
        sizes = {self._named(key): size for key, size in self._query("nbytes").items()}
        arrays = {key: (name, size) for key, name, size, _, there in self._blocks(None) if there}
        sizes.update((key, size) for key, (_, size) in arrays.items())
        if keys is not None:
            sizes = {key: sizes[key] for key in keys if key in sizes}
        if not summary:
            return sizes
        total: dict = {}
        for key, size in sizes.items():
            name = arrays[key][0] if key in arrays else key.rpartition("-")[0] or key
            total[name] = total.get(name, 0) + size
        return total

    # ---- Small things that all clients know ----

    def set_metadata(self, key, value) -> None:
        """Notes a value under a name, or a path of names, for all clients."""
        from ._shared import Variable

        Variable(f"tessera metadata: {_path(key)}", client=self).set(value)

    def get_metadata(self, keys, default=_SKIPPED) -> Any:
        """What was noted; without it `default`, or KeyError."""
        from ._shared import Variable

        try:
            return Variable(f"tessera metadata: {_path(keys)}", client=self).get(timeout=0)
        except TimeoutError:
            if default is _SKIPPED:
                raise KeyError(keys) from None
            return default

    # ---- Every worker ----

    def run(self, function, *args, workers=None, wait=True, nanny=False, on_error="raise", **kwargs) -> dict:
        """Calls a function once on each worker, besides what these are doing: results by address. A parameter called `dask_worker` gets
        the worker. With on_error="return", exceptions come as results; with "ignore", workers that failed are left out."""
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'ignore', not {on_error!r}")
        known = self._query("workers")
        wanted = None if workers is None else {workers} if isinstance(workers, str) else set(workers)
        addresses = [a for a, w in known.items() if w["runs"] == RUNS and (wanted is None or a in wanted or w["name"] in wanted)]
        if not addresses:
            raise ValueError("run: there is no such worker that runs Python functions of this version")
        call = _OnWorker(function)
        futures = {a: self._submit(call, [(args, kwargs)], None, False, _Options([a], at_once=True))[0] for a in addresses}
        if not wait:
            return {}
        results = {}
        for address, future in futures.items():
            error = future.exception()
            if error is None:
                results[address] = future.result()
            elif on_error == "raise":
                raise error
            elif on_error == "return":
                results[address] = error
        return results

    def upload_file(self, filename, load: bool = True) -> dict:
        """Gives the workers a Python module (.py) or a package (.zip, .egg), which functions import from then on, also on workers that
        come later."""
        from ._tasks import receive_file

        name = os.path.basename(os.fspath(filename))
        with open(filename, "rb") as file:
            data = file.read()
        from ._shared import Variable

        Variable(f"tessera uploaded: {name.partition('.')[0]}", client=self).set((name, data))
        return {address: {"status": "OK", "nbytes": len(data)} for address in self.run(receive_file, name, data, load)}

    def get_versions(self, check: bool = False, packages=None) -> dict:
        """The versions of Python and of packages here, and in the workers that run Python: {"client": ..., "scheduler": ..., "workers": {address:
        ...}}, each with "host" and "packages". With `check`, ValueError if they differ."""
        from ._tasks import versions

        names = ("tessera", "numpy", "cloudpickle", *(packages or ()))
        scheduler = self.scheduler_info(0)
        found = {"scheduler": {"host": {}, "packages": {"tessera": scheduler["version"]}}, "client": versions(names),
                 "workers": self.run(versions, names) if self.nthreads() else {}}
        here = found["client"]["packages"]
        different = sorted({f"{name} {version} at {address}, {here.get(name)} here" for address, said in found["workers"].items()
                            for name, version in said["packages"].items() if version != here.get(name)})
        if check and different:
            raise ValueError(f"workers have other versions: {'; '.join(different)}")
        return found

    def get_executor(self, **options) -> Any:
        """A `concurrent.futures.Executor` on this cluster; options are those of `submit`."""
        from ._executor import ClientExecutor

        return ClientExecutor(self, **options)


class _OnWorker:
    """A function that is told of its worker if it wants to."""

    is_no_task = True  # of those that people look at

    def __init__(self, function) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", "function")
        try:
            self.wants_worker = "dask_worker" in inspect.signature(function).parameters
        except (TypeError, ValueError):
            self.wants_worker = False

    def __call__(self, *args, **kwargs):
        if self.wants_worker:
            from ._tasks import get_worker

            kwargs["dask_worker"] = get_worker()
        return self.function(*args, **kwargs)


def _dtype(name: str) -> int:
    out = ffi.new("tsr_dtype *")
    check(lib.tsr_dtype_parse(name.encode(), out))
    return out[0]


def _arrays_among(futures) -> tuple:
    """The persisted arrays among futures, and the others: (None, None) for all, as it was asked."""
    if futures is None:
        return None, None
    items = [futures] if _is_array(futures) or isinstance(futures, Future) else list(futures)
    return [item for item in items if _is_array(item)], [item for item in items if not _is_array(item)]


def _is_array(item) -> bool:
    from ._core import Node

    return isinstance(item, Node)


def _path(keys) -> str:
    return repr((keys,) if isinstance(keys, str) else tuple(keys))


def _wait_for_several(futures: list, timeout: float | None, what: int) -> None:
    """Waits for futures of any kinds."""
    done: queue.SimpleQueue = queue.SimpleQueue()
    timeout = seconds_of(timeout)
    until = None if timeout is None else time.monotonic() + timeout
    for future in futures:
        on_done(future, done.put)
    for _ in range(len(futures)):
        while True:
            left = SLICE if until is None else min(SLICE, max(until - time.monotonic(), 0))
            try:
                future = done.get(True, left)
                break
            except queue.Empty:
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError(f"not all of {len(futures)} futures were done after {timeout:g} s") from None
        if what == lib.TSR_WAIT_FIRST or (what == lib.TSR_WAIT_FIRST_ERROR and future.status != "finished"):
            return


def _result_or_skipped(future: Future, skip: bool) -> Any:
    try:
        return future.result()
    except Exception:
        if not skip:
            raise
        return _SKIPPED


def _pure_key(function: _Function, data: bytes, buffers: list, futures: list) -> tuple[int, int]:
    """The key of a call: what is called, with what."""
    parts = [function.identity, data]
    for buffer in buffers:
        k = lib.tsr_key_of(ffi.from_buffer(buffer), buffer.nbytes)
        parts.append(k.high.to_bytes(8, "little") + k.low.to_bytes(8, "little"))
    for future in futures:
        k = lib.tsr_future_key(future._handle())
        parts.append(k.high.to_bytes(8, "little") + k.low.to_bytes(8, "little"))
    made_of = b"".join(parts)
    k = lib.tsr_key_of(ffi.from_buffer(made_of), len(made_of))
    return k.high, k.low
