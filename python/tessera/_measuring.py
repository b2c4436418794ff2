"""What clients measure of a cluster, and its workers' restart: methods of `Client`, with the names of `distributed`'s."""
from __future__ import annotations

import itertools
import os
import statistics
import time
from typing import Any

from ._base import seconds_of
from ._futures import wait

LOOK_SECONDS = 0.05
RESTART_SECONDS = 60.0
MEASURE_SECONDS = 0.1  # of each size
SIZES = {"memory": {"2 kiB": 2048, "10 kiB": 10240, "100 kiB": 102400, "1 MiB": 1 << 20, "10 MiB": 10 << 20},
         "disk": {"1 kiB": 1024, "100 kiB": 102400, "1 MiB": 1 << 20, "10 MiB": 10 << 20},
         "network": {"1 kiB": 1024, "10 kiB": 10240, "100 kiB": 102400, "1 MiB": 1 << 20, "10 MiB": 10 << 20}}


# ---- In workers -------------------------------------------------------------------------------------------------------------


def _repeat(size: int, call) -> float:
    """Bytes a second of something that is done again and again."""
    began, n = time.perf_counter(), 0
    while True:
        call()
        n += 1
        took = time.perf_counter() - began
        if took >= MEASURE_SECONDS:
            return n * size / took


def _memory() -> dict:
    """Copying, by size."""
    found = {}
    for name, size in SIZES["memory"].items():
        source, target = bytes(size), bytearray(size)

        def copy(source=source, target=target) -> None:
            target[:] = source

        found[name] = _repeat(size, copy)
    return found


def _disk() -> dict:
    """Writing to a file in the scratch folder, to the disk, by size."""
    import tempfile

    found = {}
    with tempfile.TemporaryFile(prefix="tessera-") as file:
        for name, size in SIZES["disk"].items():
            data = os.urandom(size)

            def write(data=data) -> None:
                file.seek(0)
                file.write(data)
                file.flush()
                os.fdatasync(file.fileno())

            found[name] = _repeat(size, write)
    return found


def _end_soon() -> None:
    """Ends this process, after the answer."""
    import signal
    import threading

    from . import _worker

    if not _worker._about:
        raise RuntimeError("this worker is a thread of a program, not a process that can be started again")
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()


# ---- In clients -------------------------------------------------------------------------------------------------------------


def _moment(given, now: float) -> float | None:
    """As of time.time(): such a number, or how long ago, such as "10 s"."""
    if given is None or isinstance(given, (int, float)):
        return given
    seconds = seconds_of(given)
    return now - seconds


class MeasuringMethods:
    """Beside `TaskMethods`."""

    def benchmark_hardware(self) -> dict:
        """Bytes a second, by size: memory that workers copy, files that they write to the disk (`TMPDIR`), results that go from one to the other.
        Means of all workers that run Python; best done while nothing else runs. Each size takes a tenth of a second, of the network on each pair.

        >>> import tessera as ts
        >>> with ts.Client(n_workers=2, threads_per_worker=1) as client:
        ...     sorted(client.benchmark_hardware())
        ['disk', 'memory', 'network']
        """
        found = {name: _means(list(self.run(function).values())) for name, function in (("memory", _memory), ("disk", _disk))}
        found["network"] = _means([self._between(a, b) for a, b in itertools.permutations(self.run(os.getpid), 2)])
        return found

    def _between(self, a: str, b: str) -> dict:
        found = {}
        for name, size in SIZES["network"].items():
            took, n, until = 0.0, 0, time.perf_counter() + MEASURE_SECONDS
            while n == 0 or time.perf_counter() < until:
                future = self.submit(os.urandom, size, workers=[a], pure=False)
                wait(future)
                began = time.perf_counter()
                self.replicate(future, 1, workers=[b])
                took, n = took + time.perf_counter() - began, n + 1
            found[name] = n * size / took
        return found

    def get_task_stream(self, start=None, stop=None, count: int | None = None, plot: bool = False, **ignored) -> list[dict]:
        """Which functions ran when, of the last 10 000 on each worker that runs Python, in the order of their ends.

        Parameters
        ----------
        start, stop : float or str, optional
            Of those that ran between: as of `time.time()`, or how long ago, such as "10 s".
        count : int, optional
            The last ones only.

        Returns
        -------
        list of dict
            With "key", "worker" (its address), "thread", "status" ("OK" or "error"), "startstops": [{"action": "compute", "start", "stop"}].

        >>> import tessera as ts
        >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.submit(pow, 2, 3, key="power").result()
        ...     [task["key"] for task in client.get_task_stream()]
        8
        ['power']
        """
        from ._tasks import tasks_done

        if plot:
            raise NotImplementedError("get_task_stream: nothing is drawn; Profiler().to_html() shows stages of arrays")
        now = time.time()
        first, last = _moment(start, now), _moment(stop, now)
        found = []
        for address, tasks in self.run(tasks_done).items():
            for key, thread, began, ended, good in tasks:
                if (first is None or ended >= first) and (last is None or began <= last):
                    found.append({"key": self._named(key), "worker": address, "thread": thread, "status": "OK" if good else "error",
                                  "startstops": [{"action": "compute", "start": began, "stop": ended}]})
        found.sort(key=lambda task: task["startstops"][0]["stop"])
        return found if count is None else found[max(len(found) - count, 0):]

    def restart_workers(self, workers: list[str], timeout: Any = None, raise_for_error: bool = True) -> dict:
        """Ends workers (addresses or names), and waits until as many are there again: {worker: "OK", or "timed out"}. Those who started them start
        them again: `LocalCluster`, `tessera cluster`, systemd. What they held is made again where it is needed.

        Parameters
        ----------
        timeout : float or str, optional
            How long to wait; a minute by default.
        raise_for_error : bool
            Whether it is a TimeoutError if they are not there in time.

        >>> import tessera as ts
        >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
        ...     before = list(client.nthreads())
        ...     set(client.restart_workers(before).values()), len(client.nthreads())
        ({'OK'}, 1)
        """
        seconds = RESTART_SECONDS if timeout is None else seconds_of(timeout)
        before = self.status()["workers"]
        asked = {w["address"]: w["id"] for w in before if w["address"] in workers or w["name"] in workers}
        unknown = [name for name in workers if not any(name in (w["address"], w["name"]) for w in before)]
        if unknown or not asked:
            raise ValueError(f"restart_workers: there is no worker {', '.join(unknown)!r}")
        until = time.monotonic() + seconds
        self.run(_end_soon, workers=list(asked))
        while True:
            now = {w["id"] for w in self.status()["workers"]}
            if not now & set(asked.values()) and len(now) >= len(before):
                return dict.fromkeys(workers, "OK")
            if time.monotonic() >= until:
                break
            time.sleep(LOOK_SECONDS)
        if raise_for_error:
            raise TimeoutError(f"restart_workers: {len(now)} of {len(before)} workers were there after {seconds:g} s; does anybody start them again?")
        return dict.fromkeys(workers, "timed out")


def _means(found: list[dict]) -> dict:
    """Of dicts with the same names."""
    return {name: statistics.fmean(one[name] for one in found) for name in found[0]} if found else {}
