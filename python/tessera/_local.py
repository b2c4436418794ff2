"""Clusters on this machine: a scheduler in this process, workers in processes of their own."""
from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from html import escape

from . import _config
from ._base import end_elsewhere
from ._lib import failure, ffi, lib
from ._security import Security

LEAVE_SECONDS = 2.0
MOST_FAILURES = 5  # workers that die within a second, one after the other, before no more are started
# What a worker's process runs: only the file that it needs, so that it is there soon.
_START = ("import sys;from importlib.machinery import SourceFileLoader as L;n='tessera._worker';m=sys.modules[n]=type(sys)(n);"
          "m.__file__={file!r};L(n,m.__file__).exec_module(m);sys.exit(m.child(**{options!r}))")
# Arguments of `distributed`'s that make no difference here: there is no dashboard, and no event loop of Python's.
_NO_DIFFERENCE = {"dashboard_address", "worker_dashboard_address", "silence_logs", "loop", "asynchronous"}
_open: "weakref.WeakSet[LocalCluster]" = weakref.WeakSet()


def _available_memory() -> int:
    """What the machine, or the cgroup of this process, has left."""
    left = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                left = int(line.split()[1]) * 1024
    try:
        with open("/sys/fs/cgroup/memory.max") as most, open("/sys/fs/cgroup/memory.current") as now:
            limit = most.read().strip()
            if limit != "max":
                left = min(left, int(limit) - int(now.read()))
    except (OSError, ValueError):
        pass
    return max(left, 2**26)


class LocalCluster:
    """A scheduler in this process and workers on this machine, until `close`, the end of its `with`, or the end of the program.

    Parameters
    ----------
    n_workers : int, optional
        How many workers. Default: one for every four processors.
    threads_per_worker : int, optional
        Threads of each that compute. Default: the processors, shared equally.
    memory_limit : int or str, optional
        Budget of each worker for blocks. Default: 60 % of what is left, shared equally. The budget is kept by design, not by killing.
    python : bool
        Whether workers run Python functions. Without it they are processes of the program `tessera`, which must be found.
    processes : bool
        Whether workers are processes of their own. Without it they run in this one, on threads.
    host : str
        Address to listen on. Beyond this machine it needs `security`.
    scheduler_port : int
        Port of the scheduler; 0 takes any that is free.
    security : Security, optional
    resources : dict, optional
        What functions can ask of each worker: {"GPU": 1}.
    scratch : str, optional
        Folder where blocks are spilled.
    restarts : bool
        Whether a worker that dies is replaced by a new one.
    name : str, optional
        Its name for people.
    log_level : {"debug", "info", "warning", "error"}
        Which lines the workers and the scheduler write to standard error. What makes a computation fail is raised anyway.

    Examples
    --------
    >>> import tessera as ts
    >>> with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
    ...     float(ts.ones((100, 100), chunks=50).sum())
    10000.0
    """

    def __init__(self, n_workers: int | None = None, threads_per_worker: int | None = None, memory_limit: int | str | None = "auto", *,
                 python: bool = True, processes: bool = True, host: str = "127.0.0.1", scheduler_port: int = 0, security: Security | None = None,
                 resources: dict | None = None, scratch: str | None = None, journal: str | None = None, restarts: bool = True,
                 name: str | None = None, log_level: str = "error", **options) -> None:
        for option in options:
            if option not in _NO_DIFFERENCE:
                raise TypeError(f"LocalCluster() got an unexpected keyword argument {option!r}")
        self.name = str(name or f"{os.uname().nodename}-{os.getpid()}")
        cpus = len(os.sched_getaffinity(0))
        n_workers = max(cpus // (threads_per_worker or 4), 1) if n_workers is None else int(n_workers)
        threads = threads_per_worker or max(cpus // max(n_workers, 1), 1)
        memory = int(0.6 * _available_memory() / max(n_workers, 1)) if memory_limit in (None, "auto") else _config.parse_bytes(memory_limit)
        if n_workers < 0 or threads < 1:
            raise ValueError(f"a cluster of {n_workers} workers with {threads} threads each is not possible")
        self.security = security or Security()
        self._settings = {"threads": int(threads), "memory": memory, "resources": " ".join(f"{k}={v:g}" for k, v in (resources or {}).items()),
                          "scratch": scratch or _config.get("scratch"), "log_level": log_level, "host": host}
        self._python, self._processes, self._restarts, self._lock = python, processes, restarts, threading.RLock()
        self._children: list[subprocess.Popen] = []
        self._threads: list = []  # (name, worker, what it needs)
        self._client = self._adaptive = None
        self._number = self._n_failed = 0
        self._is_closed = False
        self._scheduler, self._pipe = ffi.NULL, None
        self._start_scheduler(f"{'tls' if self.security.ca_file else 'tcp'}://{host}:{scheduler_port}", journal)
        try:
            self._pipe = os.pipe()  # the workers end when nobody holds its second end any more
            for _ in range(n_workers):
                self.add_worker()
        except BaseException:
            self.close()
            raise
        _open.add(self)

    def _start_scheduler(self, listen: str, journal: str | None) -> None:
        from ._worker import Log

        log = Log("scheduler", self._settings["log_level"], False, None)
        options = ffi.new("tsr_scheduler_options *")
        self._kept = [_config.c_text(listen), _config.c_text(journal), self.security.fill(options.security), log]
        options.listen, options.journal = self._kept[0], self._kept[1]
        log.fill(options)
        out = ffi.new("tsr_scheduler **")
        if lib.tsr_scheduler_start(options, out) != lib.TSR_OK:
            raise failure()
        self._scheduler = out[0]
        self.scheduler_address = ffi.string(lib.tsr_scheduler_address(self._scheduler)).decode()

    # ---- Workers ----

    def add_worker(self, name: str | None = None) -> str:
        """Starts one more worker; its name."""
        with self._lock:
            name, self._number = name or f"worker-{self._number + 1}", self._number + 1
        if not self._processes:
            self._add_thread(name)
        else:
            self._add_process(name)
        return name

    def _add_thread(self, name: str) -> None:
        from . import _codec, _tasks
        from ._worker import start_worker

        s = self._settings
        made = start_worker(self.scheduler_address, threads=s["threads"], memory=s["memory"], name=name, scratch=s["scratch"], resources=s["resources"],
                            security=self.security.paths(), log=self._kept[3])
        if made is None:
            raise failure()
        with self._lock:
            self._threads.append((name, *made))

    def _add_process(self, name: str) -> None:
        s, paths = self._settings, self.security.paths()
        options = {"name": name, "threads": s["threads"], "memory": str(s["memory"]), "log_level": s["log_level"]}
        options |= {option: paths[file] for option, file in (("secret_file", "secret_file"), ("ca", "ca_file"), ("cert", "cert_file"), ("key", "key_file"))
                    if file in paths}
        options |= {option: s[option] for option in ("scratch", "resources") if s[option]}
        if self._python:
            here = os.path.dirname(os.path.abspath(__file__))
            options |= {"scheduler": self.scheduler_address, "quiet": True, "parent_pipe": self._pipe[0]}
            command = [sys.executable, "-c", _START.format(file=os.path.join(here, "_worker.py"), options=options)]
            # Modules that this program imports are to be found there, too.
            paths = [p or os.getcwd() for p in sys.path if os.path.exists(p or ".")]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([os.path.dirname(here), *paths]))}
        else:
            command = [_program(), "worker", self.scheduler_address, *(f"--{option.replace('_', '-')}={value}" for option, value in options.items()),
                       f"--parent={os.getpid()}"]
            environment = None
        # A session of its own: Ctrl-C in the terminal is for this program.
        with self._lock:
            if self._is_closed:
                return
            child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=None if self._python else subprocess.DEVNULL,
                                     pass_fds=[self._pipe[0]] if self._python else (), start_new_session=True)
            child.name, child.leaves = name, False
            self._children.append(child)
        threading.Thread(target=_watch, args=(weakref.ref(self), child), name="tessera watch", daemon=True).start()

    def _ended(self, child: subprocess.Popen, seconds: float) -> None:
        """A worker has ended after so many seconds: it was asked to, or another takes its place."""
        with self._lock:
            if self._is_closed:
                return
            self._children.remove(child)
            self._n_failed = 0 if seconds > 1 else self._n_failed + 1
            again = self._restarts and child.returncode != 0 and not child.leaves and self._n_failed <= MOST_FAILURES
        if again:
            self.add_worker()

    def scale(self, n: int) -> None:
        """Has n workers: starts some, or ends those that hold least, after others have taken that over. Returns before they are there, or gone."""
        n = int(n)
        if n < 0:
            raise ValueError(f"a cluster of {n} workers is not possible")
        for _ in range(n - self.n_running):
            self.add_worker()
        if n < self.n_running:
            self._retire(self.n_running - n)

    def _retire(self, n: int) -> None:
        with self._lock:
            names = {child.name for child in self._children if child.poll() is None and not child.leaves} | {name for name, *_ in self._threads}
        held = {worker["name"]: worker["memory_used_bytes"] for worker in self._own_client().status()["workers"]}
        # One that has not come yet holds nothing.
        chosen = sorted(names, key=lambda name: held.get(name, -1))[:n]
        with self._lock:
            for child in self._children:
                if child.name in chosen:
                    child.leaves = True
                    if child.name not in held:  # nobody knows it yet
                        child.terminate()
            threads = [entry for entry in self._threads if entry[0] in chosen]
            self._threads = [entry for entry in self._threads if entry[0] not in chosen]
        known = [name for name in chosen if name in held]
        if known:
            self._own_client().retire_workers(known)
        for name, worker, kept in threads:
            threading.Thread(target=_stop_later, args=(worker, kept, name in held), name="tessera retire", daemon=True).start()

    def _own_client(self):
        """By which the cluster asks its scheduler."""
        from ._cluster import Client

        with self._lock:
            if self._client is None or self._client.closed:
                self._client = Client(self.scheduler_address, security=self.security, name=f"{self.name} (cluster)", set_as_default=False)
            return self._client

    def adapt(self, minimum: int = 0, maximum: int | None = None, *, interval: float | str = "1s", wait_count: int = 3):
        """Has as many workers as there is work for, between a minimum and a maximum (default: one for each processor): more as soon as tasks
        wait, fewer when `wait_count` looks, one each `interval`, have found no work for them. Returns an object whose `stop()` ends that."""
        from ._adaptive import Adaptive

        if self._adaptive is not None:
            self._adaptive.stop()
        self._adaptive = Adaptive(self, minimum, len(os.sched_getaffinity(0)) if maximum is None else maximum, interval, wait_count)
        return self._adaptive

    def get_client(self):
        """A client of it."""
        from ._cluster import Client

        return Client(self)

    def wait_for_workers(self, n_workers: int, timeout: float | None = None) -> None:
        """Returns when it has this many workers; TimeoutError after `timeout` seconds."""
        self._own_client().wait_for_workers(n_workers, timeout)

    @property
    def n_running(self) -> int:
        """How many workers run, and are to go on."""
        return sum(child.poll() is None and not child.leaves for child in self._children) + len(self._threads)

    @property
    def threads_per_worker(self) -> int:
        """Threads of each."""
        return self._settings["threads"]

    @property
    def n_started(self) -> int:
        """How many were started."""
        return self._number

    @property
    def pids(self) -> list[int]:
        """The process numbers of the workers that run."""
        return [child.pid for child in self._children if child.poll() is None]

    # ---- The end ----

    def close(self, timeout: float | None = None) -> None:
        """Ends the workers and the scheduler, and waits for them."""
        _open.discard(self)
        if self._adaptive is not None:
            self._adaptive.stop()
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()
        with self._lock:
            scheduler, self._scheduler = self._scheduler, ffi.NULL
            children, self._children = self._children, []
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.send_signal(signal.SIGINT)  # nobody is left to hand anything to: two signals end a worker at once
        for child in children:
            try:
                child.wait(LEAVE_SECONDS if timeout is None else timeout)
            except subprocess.TimeoutExpired:  # it is stopped, or a function in it does not end
                child.kill()
                child.wait()
        threads, self._threads = self._threads, []
        for _, worker, _ in threads:
            lib.tsr_worker_stop(worker)
        if scheduler:
            lib.tsr_scheduler_stop(scheduler)
        pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)

    def _leave_to_parent(self) -> None:
        pipe, self._pipe, self._lock, self._is_closed = self._pipe, None, threading.RLock(), True
        self._scheduler, self._children, self._threads, self._client, self._adaptive = ffi.NULL, [], [], None, None
        for end in pipe or ():
            os.close(end)

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pipe", None) or getattr(self, "_scheduler", None):
            end_elsewhere(self.close, 0.5)

    def __repr__(self) -> str:
        if not self._scheduler:
            return "<LocalCluster: closed>"
        n = self.n_running
        return f"<LocalCluster: {self.scheduler_address!r} workers={n} threads={n * self._settings['threads']}>"

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"


def _forked() -> None:
    """In a process that was forked: the clusters belong to the other one. Workers are to end with that, so nobody else holds their pipes."""
    clusters = list(_open)
    _open.clear()
    for cluster in clusters:
        cluster._leave_to_parent()


os.register_at_fork(after_in_child=_forked)


def _stop_later(worker, kept, waits: bool) -> None:
    """Stops a worker of this process once the scheduler has told it to end."""
    while waits and not lib.tsr_worker_wait(worker, 1.0):
        pass
    lib.tsr_worker_stop(worker)
    del kept


def _watch(cluster: "weakref.ref[LocalCluster]", child: subprocess.Popen) -> None:
    """Waits for the end of a worker."""
    began = time.monotonic()
    child.wait()
    living = cluster()
    if living is not None:
        living._ended(child, time.monotonic() - began)


def _program() -> str:
    """The program `tessera`: in the PATH, or beside the package in a build folder."""
    import shutil

    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tessera")
    found = shutil.which("tessera") or (os.path.abspath(beside) if os.access(beside, os.X_OK) and os.path.isfile(beside) else None)
    if not found:
        raise FileNotFoundError("LocalCluster(python=False) needs the program 'tessera', which is not in the PATH")
    return found


@atexit.register
def close_all() -> None:
    """At the end of the program."""
    for cluster in list(_open):
        cluster.close()
