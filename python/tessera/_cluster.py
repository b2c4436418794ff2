"""Clusters: sessions whose arrays are computed by the workers of a scheduler."""
from __future__ import annotations

import atexit
import contextlib
import json
import os
import time
import weakref
from collections.abc import MutableMapping
from html import escape
from typing import Any

import numpy as np

from . import _config, _session
from ._client_tasks import TaskMethods, check_array_options
from ._codec import codec, remote_exception
from ._core import Node, asnode, make
from ._inspection import InspectionMethods
from ._measuring import MeasuringMethods
from ._lib import check, ffi, lib, take_text
from ._base import seconds_of
from ._futures import SLICE, KilledWorker
from ._published import get_published, publish, published, unpublish
from ._security import Security
from ._session import Session
from ._show import format_bytes
from ._topics import TopicMethods

MEET_SECONDS = 60.0
OPEN_SECONDS = 10.0
LOOK_SECONDS = 0.05
# Arguments of `distributed`'s that make no difference here.
_NO_DIFFERENCE = ("loop", "heartbeat_interval", "serializers", "deserializers", "extensions", "direct_to_workers", "connection_limit")
_NO_DEFAULT = object()
_open: "weakref.WeakSet[Client]" = weakref.WeakSet()


class Client(TaskMethods, InspectionMethods, MeasuringMethods, TopicMethods, Session):
    """A session on a cluster: arrays that are made while it is open are computed by the workers.

    From its opening to its `close` (or in its `with`) it is the session of new arrays, whose methods stay what they are: `x.compute()` brings
    values here, `x.persist()` returns at once while the workers compute and keep the blocks, `x.store(...)` and `ts.save` write from the
    workers.

    Parameters
    ----------
    address : str or LocalCluster, optional
        Where the scheduler listens, such as "tcp://head:8786". Default: a `LocalCluster` is started with the other arguments, and ends
        with the client.
    security : Security, optional
        The secret or the certificates of the cluster.
    timeout : float or str, optional
        How long to wait for the scheduler's answer, or its file. Default: 10 seconds, or 2 if nobody listens on this very host.
    set_as_default : bool
        Whether new arrays belong to it outside of `with` blocks, too.
    scheduler_file : str, optional
        The file in which the scheduler (`tessera scheduler --scheduler-file FILE`) says its address, instead of `address`.
    name : str, optional
        What people see in the status of the cluster. Default: host and process number.
    **options
        For the `LocalCluster`.

    Raises
    ------
    OSError
        If no scheduler answers in time.

    Examples
    --------
    >>> import tessera as ts
    >>> with ts.Client(n_workers=2, threads_per_worker=1) as client:
    ...     x = ts.ones((1000, 1000), chunks=250).persist()
    ...     total = (x - x.mean()).sum().compute()
    ...     len(client.nthreads())
    2
    >>> float(total)
    0.0
    """

    is_remote = True

    def __init__(self, address=None, *, timeout: float | str | None = None, set_as_default: bool = True, scheduler_file: str | None = None,
                 security: Security | None = None, asynchronous: bool = False, name: str | None = None, **options) -> None:
        self._p, self._tokens, self._owned = ffi.NULL, [], None
        self._listeners: dict = {}
        self._start_tasks()
        if asynchronous:
            raise NotImplementedError("Client: calls return when they are done; futures and actors can be awaited (`await future`)")
        for option in _NO_DIFFERENCE:
            options.pop(option, None)
        self.scheduler_file = scheduler_file
        seconds = seconds_of(timeout)
        if seconds is not None and seconds <= 0:
            raise ValueError(f"Client: a timeout of {timeout!r} gives nobody the time to answer")
        if scheduler_file is not None:
            if address is not None:
                raise ValueError(f"Client: the scheduler is given twice: {address!r}, and scheduler_file={scheduler_file!r}")
            address = read_scheduler_file(scheduler_file, OPEN_SECONDS if seconds is None else seconds)
        if address is None:
            from ._local import LocalCluster

            address = self._owned = LocalCluster(security=security, **options)
            self._plugins = ""  # there are none
        elif options:
            raise TypeError(f"Client: {', '.join(options)} belong to a new LocalCluster, not to one that has an address")
        self.cluster = None if isinstance(address, str) else address
        self.security = security or getattr(address, "security", None) or Security()
        self.address = address if isinstance(address, str) else address.scheduler_address
        made, kept = _config.options(dict.fromkeys(_config.NAMES))
        self.name = name or f"{os.uname().nodename}-{os.getpid()}"
        kept["name"] = made.name = _config.c_text(self.name)
        kept["security"], kept["codec"] = self.security.fill(made), codec()
        made.codec, made.connect_seconds = kept["codec"], seconds or 0
        try:
            self._open(self.address if "://" in self.address else f"tcp://{self.address}", made, kept)
        except BaseException:
            self._end_owned()
            raise
        if self.cluster is not None:
            try:
                self._meet(self.cluster)
            except BaseException:
                self.close()
                raise
        _open.add(self)
        if set_as_default:
            _session.clients.append(self)

    def _meet(self, cluster) -> None:
        """Waits until the workers of a cluster in this program are there, so that what comes first is shared by all."""
        until = time.monotonic() + MEET_SECONDS
        while time.monotonic() < until:
            n = cluster.n_running
            if n == 0 and cluster.n_started > 0:
                raise RuntimeError(f"the {cluster.n_started} workers of {cluster!r} have ended")
            try:
                return self.wait_for_workers(n, SLICE)
            except TimeoutError:
                pass
        raise TimeoutError(f"the workers of {cluster!r} were not there after {MEET_SECONDS:g} s")

    def __reduce__(self):
        from ._tasks import get_client

        return get_client, ()  # on a worker, its own

    def _end_owned(self) -> None:
        owned, self._owned = self._owned, None
        if owned is not None:
            owned.close()

    def __enter__(self) -> Client:
        super().__enter__()
        return self

    @contextlib.contextmanager
    def as_current(self):
        """In this `with`, new arrays belong to it and `get_client` gives it, and it is not closed at the end."""
        token = _session._entered.set(self)
        try:
            yield self
        finally:
            _session._entered.reset(token)

    @classmethod
    def current(cls, allow_global: bool = True) -> "Client":
        """The client that `get_client` gives."""
        from ._tasks import get_client

        return get_client()

    def close(self, timeout=None) -> None:
        """Ends the connection. What was persisted and not published is given back; the session from before is the current one again."""
        if self in _session.clients:
            _session.clients.remove(self)
        super().close()
        self._end_owned()

    def shutdown(self) -> None:
        """Ends the whole cluster, scheduler and workers, and the connection."""
        self._control("stop")
        self.close()

    def _reason(self, session, error: Exception) -> BaseException:
        reason = remote_exception(str(error), super()._reason(session, error))
        return KilledWorker(str(error)) if type(reason) is RuntimeError and "workers were lost" in str(error) else reason

    # ---- The state of the cluster ----

    def status(self) -> dict:
        """What the cluster looks like now, as the library tells it: workers, jobs, memory, counts of tasks and bytes."""
        return json.loads(take_text(lib.tsr_cluster_status(self.handle())))

    def scheduler_info(self, n_workers: int = -1) -> dict:
        """The scheduler and its workers, by address."""
        status = self.status()
        workers = status["workers"] if n_workers < 0 else status["workers"][:n_workers]
        return {"type": "Scheduler", "id": status["address"], "address": status["address"], "version": status["version"],
                "uptime": status["uptime_seconds"], "clients": status["clients"], "n_workers": len(status["workers"]),
                "total_threads": sum(w["threads"] for w in status["workers"]), "total_memory": sum(w["memory_bytes"] for w in status["workers"]),
                "workers": {w["address"]: _worker_info(w) for w in workers}}

    def nthreads(self, workers=None) -> dict:
        """How many threads each worker has, by address."""
        return {w["address"]: w["threads"] for w in _chosen(self.status()["workers"], workers)}

    ncores = nthreads

    def wait_for_workers(self, n_workers: int = 1, timeout: float | None = None) -> None:
        """Returns when the cluster has this many workers; TimeoutError after `timeout` seconds."""
        check(self._wait(lambda seconds: lib.tsr_cluster_wait_for_workers(self.handle(), n_workers, seconds), timeout))

    def retire_workers(self, workers=None, close_workers: bool = True) -> None:
        """Ends workers (addresses or names; default: all) after others have taken over what they hold."""
        if not close_workers:
            raise NotImplementedError("retire_workers: workers that are retired end")
        if workers is not None and not workers:
            return
        self._control("retire", workers)

    def restart(self, timeout: float | None = None, wait_for_workers: bool = True) -> "Client":
        """Forgets all computations and persisted arrays of the cluster, published ones, too."""
        self._control("restart")
        return self

    def _control(self, what: str, workers=None) -> None:
        names = [ffi.new("char[]", str(w).encode()) for w in ([workers] if isinstance(workers, str) else workers or ())]
        check(lib.tsr_cluster_control(self.handle(), what.encode(), len(names), names))

    def write_scheduler_file(self, scheduler_file) -> None:
        """Writes the scheduler's address to a file, for `Client(scheduler_file=...)` and `tessera worker --scheduler-file` elsewhere."""
        temporary = f"{os.fspath(scheduler_file)}.{os.uname().nodename}-{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"type": "Scheduler", "address": self.status()["address"], "version": self.status()["version"]}, file, indent=2)
        os.replace(temporary, scheduler_file)

    # ---- Arrays ----

    def persist(self, collections, priority=0, **options) -> Any:
        """Has the workers compute and keep an array, or several together; returns at once. Options as for `compute`."""
        from ._functions import persist

        check_array_options("persist", options)
        collections = self._brought(collections)
        with _session.priority(priority):
            return list(persist(*collections)) if isinstance(collections, (list, tuple, set)) else persist(collections)[0]

    def _brought(self, collections) -> Any:
        """The same, its arrays for these workers also where they were made for the threads of this process."""
        from ._functions import _replaced
        from ._packing import brought

        return _replaced(collections, lambda array: brought(array, self))

    def normalize_collection(self, collection) -> Any:
        """The array itself: expressions find what is persisted by themselves."""
        return collection

    # ---- Names ----

    def publish_dataset(self, *values, name: str | None = None, override: bool = False, **named) -> None:
        """Gives arrays, futures or other values names by which all clients find them; they stay until `unpublish_dataset`. An array is
        persisted, if it is not yet; futures may be inside of lists and dicts.

        >>> client.publish_dataset(temperature=x)                  # doctest: +SKIP
        >>> other_client.get_dataset("temperature")                # doctest: +SKIP
        """
        if len(values) > 1 or bool(values) != (name is not None):
            raise TypeError("publish_dataset: one value and name=, or values by keyword")
        named = {**named, **({name: values[0]} if values else {})}
        taken = sorted(set(self.list_datasets()) & set(named))
        if taken and not override:
            raise KeyError(f"there is a dataset {taken[0]!r} already; give override=True to replace it")
        for key in taken:
            self.unpublish_dataset(key)
        for key, value in named.items():
            if isinstance(value, (Node, np.ndarray)):
                array = self._brought(asnode(value, self))
                if lib.tsr_cluster_publish(self.handle(), key.encode(), array._p) != lib.TSR_OK:  # it is not persisted yet
                    lib.tsr_error_clear()
                    array = array.persist()
                    check(lib.tsr_cluster_publish(self.handle(), key.encode(), array._p))
            else:
                publish(self, key, value)

    def get_dataset(self, name: str, default=_NO_DEFAULT) -> Any:
        """What was published under this name; without one `default`, or NotFoundError (a KeyError)."""
        if name in published(self):
            return get_published(self, name)
        try:
            return make(lib.tsr_cluster_published(self.handle(), name.encode()), self)
        except KeyError:
            if default is _NO_DEFAULT:
                raise
            return default

    def list_datasets(self) -> list:
        """The names that were published."""
        return sorted({job["name"] for job in self.status()["jobs"] if job["name"]} | set(published(self)))

    @property
    def datasets(self) -> "_Datasets":
        """What was published, as a mapping: `client.datasets["temperature"]`; setting publishes, deleting takes the name away."""
        return _Datasets(self)

    def unpublish_dataset(self, name: str) -> None:
        """Takes a name away; what nobody else has is given back."""
        if not unpublish(self, name):
            check(lib.tsr_cluster_publish(self.handle(), name.encode(), ffi.NULL))

    # ---- How it looks ----

    def _summary(self) -> dict | None:
        try:
            return self.status() if self._p else None
        except (OSError, RuntimeError):
            return None

    def __repr__(self) -> str:
        if self.closed:
            return "<Client: closed>"
        status = self._summary()
        if status is None:
            return f"<Client: {self.address!r}, the scheduler does not answer>"
        workers = status["workers"]
        return (f"<Client: {self.address!r} processes={len(workers)} threads={sum(w['threads'] for w in workers)}, "
                f"memory={format_bytes(sum(w['memory_bytes'] for w in workers))}>")

    def _repr_html_(self) -> str:
        status = self._summary()
        return f"<code>{escape(repr(self))}</code>" if status is None else cluster_html("Client", status)


def read_scheduler_file(path, seconds: float) -> str:
    """The address that a scheduler has written there; waits for the file."""
    until = time.monotonic() + seconds
    while True:
        try:
            with open(path, encoding="utf-8") as file:
                said = json.load(file)
            break
        except FileNotFoundError:
            if time.monotonic() >= until:
                raise FileNotFoundError(f"no scheduler has written the file {os.fspath(path)!r} within {seconds:g} s") from None
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r} is no file of a scheduler: {error}") from None
        time.sleep(LOOK_SECONDS)
    address = said.get("address") if isinstance(said, dict) else None
    if not isinstance(address, str):
        raise ValueError(f"{os.fspath(path)!r} is no file of a scheduler: it has no \"address\"")
    return address


class _Datasets(MutableMapping):
    """The published names of a client's cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Any:
        return self._client.get_dataset(name)

    def __setitem__(self, name: str, value) -> None:
        self._client.publish_dataset(value, name=name)

    def __delitem__(self, name: str) -> None:
        self._client.unpublish_dataset(name)

    def __contains__(self, name: object) -> bool:
        return name in self._client.list_datasets()

    def __iter__(self):
        return iter(self._client.list_datasets())

    def __len__(self) -> int:
        return len(self._client.list_datasets())


def _chosen(workers: list, names) -> list:
    wanted = None if names is None else {names} if isinstance(names, str) else set(names)
    return [w for w in workers if wanted is None or w["address"] in wanted or w["name"] in wanted]


def _worker_info(worker: dict) -> dict:
    return {"type": "Worker", "id": worker["id"], "name": worker["name"], "host": worker["host"], "nthreads": worker["threads"],
            "memory_limit": worker["memory_bytes"], "metrics": {"memory": worker["memory_used_bytes"], "spilled_bytes": worker["spilled_bytes"],
                                                               "tasks_done": worker["tasks_done"], "bytes_read": worker["bytes_read"],
                                                               "bytes_in": worker["bytes_in"], "bytes_out": worker["bytes_out"]}}


# ---- Notebooks: the page's own colours, so that it is as readable on dark as on light -----------------------------------------

_CELL = "<td style='text-align:left;padding:0 1em 0 0'>{}</td>"


def _bar(part: float) -> str:
    """How full something is."""
    return ("<div style='width:8em;height:0.8em;border:1px solid currentColor;opacity:0.8'>"
            f"<div style='width:{100 * min(max(part, 0), 1):.0f}%;height:100%;background:#4c8dae'></div></div>")


def _row(cells) -> str:
    return f"<tr style='background:none'>{''.join(map(_CELL.format, cells))}</tr>"


def cluster_html(title: str, status: dict) -> str:
    """A table of the workers."""
    rows = [_row((escape(w["name"]), escape(w["address"]), w["threads"], _bar(w["memory_used_bytes"] / (w["memory_bytes"] or 1)),
                  f"{format_bytes(w['memory_used_bytes'])} of {format_bytes(w['memory_bytes'])}", w["tasks_done"])) for w in status["workers"]]
    head = _row(f"<b>{text}</b>" for text in ("Worker", "Address", "Threads", "Memory", "", "Tasks"))
    names = sorted(job["name"] for job in status["jobs"] if job["name"])
    return (f"<div><b>{escape(title)}</b> <code>{escape(status['address'])}</code>: {len(status['workers'])} workers, "
            f"{sum(w['threads'] for w in status['workers'])} threads, {len(status['jobs'])} computations"
            + (f"; datasets {escape(', '.join(names))}" if names else "")
            + f"<table style='border:none;background:none;color:inherit'>{head}{''.join(rows)}</table></div>")


@atexit.register
def _close_all() -> None:
    """While Python can still be called by the library's threads."""
    for client in list(_open):
        client.close()
