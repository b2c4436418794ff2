#!/usr/bin/env python3
"""The workloads of a cluster, as users of Tessera's Python package and of Dask distributed write them:

    bench/cluster.py WORKLOAD tessera|distributed|threads [--scale F]

Two worker processes with one thread each on this machine, and a budget of 1 GB each where the workload is about memory (which Dask is not
held to: its workers were killed for it). "threads" is Tessera without a cluster, with as many threads. A cluster is started, the workload
runs once to warm up and then with the clock on; prints {"seconds": ..., "value": ..., "peak_bytes": of the largest worker} as peers.py does,
and, of Tessera's where it is asked for, "traffic": bytes that came to workers from other processes while the clock was on.
"""
import argparse
import compileall
import json
import os
import pathlib
import re
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNS = {}  # workload -> (function(engine, scale) that prepares and returns the function to be timed, budget of a worker, whether traffic counts)
N_WORKERS = 2
SETTLED = 2.5  # seconds after which new workers have done what they do once, about a second after their start
REPORTS = 1.5  # seconds after which all workers have reported what came to them


class Tessera:
    """What the workloads need, with Tessera."""

    def __init__(self, memory):
        sys.path.insert(0, str(ROOT / "build/python"))
        import tessera as ts
        self.array = ts
        self.cluster = ts.LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, memory_limit=memory)
        self.client = ts.Client(self.cluster)
        self.client.wait_for_workers(N_WORKERS)

    def persist(self, x):
        x = x.persist()  # which returns at once
        self.array.wait(x)
        return x

    def pids(self):
        return self.cluster.pids

    def traffic(self):
        time.sleep(REPORTS)
        return sum(worker["bytes_in"] for worker in self.client.status()["workers"])

    def close(self):
        self.client.close()
        self.cluster.close()


class Threads:
    """The same engine in this process."""

    def __init__(self, memory):
        sys.path.insert(0, str(ROOT / "build/python"))
        import tessera as ts
        self.array = ts
        ts.config.set(threads=N_WORKERS, memory=memory)

    def persist(self, x):
        return x.persist()

    def pids(self):
        return [os.getpid()]

    def close(self):
        pass


class Distributed:
    """The same with Dask."""

    def __init__(self, memory):
        import dask
        import dask.array as da
        import distributed
        dask.config.set({"distributed.logging.distributed": "error"})
        self.array = da
        self.cluster = distributed.LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, memory_limit=None, dashboard_address=None)
        self.client = distributed.Client(self.cluster)
        self.wait = distributed.wait

    def persist(self, x):
        x = x.persist()
        self.wait(x)
        return x

    def pids(self):
        return [nanny.process.pid for nanny in self.cluster.workers.values()]

    def close(self):
        self.client.close()
        self.cluster.close()


ENGINES = {"tessera": Tessera, "distributed": Distributed, "threads": Threads}


def peak_bytes(pids):
    """Of the largest of these processes, with what it maps of the others' shared memory."""
    peaks = [re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()) for pid in pids]
    return max(int(peak[1]) for peak in peaks) * 1024


def workload(name, memory="4GB", traffic=False):
    def register(make):
        RUNS[name] = (make, memory, traffic)
        return make
    return register


def half_gigabyte(engine, scale):
    """0.5 GB that the workers hold, in blocks of about 8 MB."""
    n = int(256 * scale) or 1
    xp = engine.array
    rows = xp.arange(n, chunks=4, dtype="f8") / 7
    columns = xp.arange(512 * 512, chunks=512 * 512, dtype="f8") / 1000
    return engine.persist((rows[:, None] + columns).reshape(n, 512, 512))


def repeated(operation, n):
    """The median of n, and the last result."""
    def run():
        times = []
        for _ in range(n):
            start = time.perf_counter()
            result = operation()
            times.append(time.perf_counter() - start)
        return sorted(times)[n // 2], float(np.asarray(result).flat[0])
    return run


@workload("cluster_element")
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: x[0, 0, 0].compute(), 51)


@workload("cluster_slab")
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: x[0].compute(), 21)


@workload("cluster_mean")
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: x.mean().compute(), 5)


@workload("cluster_mean_time")
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: x.mean(axis=0).compute(), 5)


@workload("cluster_mean_space")
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: x.mean(axis=(1, 2)).compute(), 5)


@workload("cluster_z")
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: engine.persist((x - x.mean(axis=0)) / x.std(axis=0))[-1, 0, 0].compute(), 3)


@workload("cluster_centre", traffic=True)
def _(engine, scale):
    x = half_gigabyte(engine, scale)
    return repeated(lambda: engine.persist(x - x.mean())[0, 0, 0].compute(), 3)


@workload("cluster_blocks")
def _(engine, scale):
    xp = engine.array
    return repeated(lambda: (xp.ones(int(10000 * scale), chunks=1) + 1).sum().compute(), 1 if engine.array.__name__ != "tessera" else 5)


@workload("cluster_million")
def _(engine, scale):
    xp = engine.array
    return repeated(lambda: (xp.ones(int(1_000_000 * scale), chunks=1) + 1).sum().compute(), 5)


@workload("cluster_rechunk", memory="1GB")
def _(engine, scale):
    xp, n = engine.array, int(20000 * scale ** 0.5) // 200 * 200
    x = xp.random.default_rng(1).uniform(size=(n, n), chunks=(n, 200))
    return repeated(lambda: x.rechunk((200, n)).sum().compute(), 1)


@workload("cluster_map")
def _(engine, scale):
    def twice(i):
        return 2 * i

    n = int(10000 * scale)
    return repeated(lambda: sum(engine.client.gather(engine.client.map(twice, range(n), pure=False))), 1)


def first_array(engine):
    return float((engine.array.ones((1000, 1000), chunks=(500, 500)) + 1).sum().compute())


def first_function(engine):
    return float(engine.client.submit(lambda i: 2 * i, 21).result())


STARTS = {"cluster_start": first_array, "cluster_start_function": first_function}


def start(engine_type, first):
    """From nothing but the interpreter and its imports to the first result."""
    if engine_type is Tessera:
        compileall.compile_dir(str(ROOT / "build/python"), quiet=1)  # as installing does
        sys.path.insert(0, str(ROOT / "build/python"))
        import tessera  # noqa: F401
    else:
        import dask.array  # noqa: F401
        import distributed  # noqa: F401
    begin = time.perf_counter()
    engine = engine_type("4GB")
    value = first(engine)
    seconds = time.perf_counter() - begin
    engine.close()
    return seconds, value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=[*STARTS, *RUNS])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    found = {}
    if options.workload in STARTS:
        seconds, value = start(ENGINES[options.engine], STARTS[options.workload])
    else:
        make, memory, counts = RUNS[options.workload]
        engine = ENGINES[options.engine](memory)
        time.sleep(SETTLED)
        try:
            run = make(engine, options.scale)
            run()
            counts = counts and options.engine == "tessera"
            before = engine.traffic() if counts else 0
            seconds, value = run()
            found = {"peak_bytes": peak_bytes(engine.pids())}
            if counts:
                found["traffic"] = engine.traffic() - before
        finally:
            engine.close()
    print(json.dumps({"seconds": seconds, "value": value, **found}))


if __name__ == "__main__":
    main()
