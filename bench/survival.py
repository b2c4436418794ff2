"""What survival costs, by hand: a journal (`journal`), and the time that is lost when processes are killed in the middle (`recovery`).

usage: PYTHONPATH=build/python python3 bench/survival.py [journal] [recovery] [--only CASES] [--repeat N]

Two or three worker processes of one thread on this machine, each a child of this program, so that one that is killed is not started again. What is
compared takes turns; medians are printed.
"""
import argparse
import os
import pathlib
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import tessera as ts

PROGRAM = pathlib.Path(ts.__file__).resolve().parents[2] / "tessera"


class Cluster:
    """A scheduler and workers as processes of their own."""

    def __init__(self, folder, n_workers, journal=False, python=False):
        self.options = ["--journal", str(folder / "journal")] if journal else []
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{s.getsockname()[1]}"
        self.start_scheduler()
        self.workers = [self.start("worker", self.address, "--threads=1", "--memory=1G", *([f"--python={sys.executable}"] if python else []))
                        for _ in range(n_workers)]

    def start(self, *words):
        process = subprocess.Popen([PROGRAM, *words, "--log-level=error"], stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([process.stdout], [], [], 60)
        if not ready or not process.stdout.readline():
            raise RuntimeError(f"{words[0]} did not start")
        return process

    def start_scheduler(self):
        self.scheduler = self.start("scheduler", "--listen", self.address, *self.options)

    def end(self):
        for process in [*self.workers, self.scheduler]:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()


def inc(x):
    return x + 1


def map_tasks(client):
    start = time.perf_counter()
    assert sum(client.gather(client.map(inc, range(10_000), pure=False))) == 50_005_000
    return time.perf_counter() - start


def array(client):
    x = ts.random.default_rng(1).normal(size=(4000, 4000), chunks=500)
    start = time.perf_counter()
    y = (x - x.mean(axis=0)).persist()
    float((y * y).sum())
    return time.perf_counter() - start


def put_values(client):
    from tessera.distributed import Variable

    v = Variable("v", client)
    start = time.perf_counter()
    for i in range(1000):
        v.set(i)
    return time.perf_counter() - start


def measure_journal(repeat):
    rows = {"client.map of 10 000, gathered": map_tasks, "an array of 128 MB, persisted and reduced": array, "1000 values set, one after the other": put_values}
    with tempfile.TemporaryDirectory() as folder:
        clusters, times = {}, {}
        for journal in (False, True):
            clusters[journal] = Cluster(pathlib.Path(folder), 2, journal, python=True)
        try:
            for turn in range(repeat + 1):  # the first is not counted
                for journal, cluster in clusters.items():
                    with ts.Client(cluster.address) as client:
                        client.wait_for_workers(2, 60)
                        for name, run in rows.items():
                            seconds = run(client)
                            if turn:
                                times.setdefault((name, journal), []).append(seconds)
        finally:
            for cluster in clusters.values():
                cluster.end()
        for name in rows:
            without, with_it = (statistics.median(times[name, journal]) for journal in (False, True))
            spread = max(times[name, False]) - min(times[name, False])
            print(f"{name}: {without * 1e3:.1f} ms without a journal (spread {spread * 1e3:.1f}), {with_it * 1e3:.1f} ms with one ({with_it / without - 1:+.1%})")


# Some seconds of work, of which most blocks travel.
LONG = ("x = random.normal(0, 1, size=(36000, 4000), seed=5, chunks=(500, 500)); z = (x - x.mean(axis=0)) / x.std(axis=0); "
        "y = cumsum(exp(sin(z)), axis=0); w = cumsum(transpose(y), axis=0); w.mean(axis=1) + y.max(axis=0)")


def nobody(cluster):
    """undisturbed"""


def one_worker(cluster):
    """one of three workers is killed"""
    cluster.workers[0].kill()
    cluster.workers[0].wait()


def a_zombie(cluster):
    """the same, and nobody waits for its process"""
    cluster.workers[0].kill()


def the_scheduler(cluster):
    """the scheduler is killed, and started again after a second"""
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    time.sleep(1)
    cluster.start_scheduler()


def worker_and_scheduler(cluster):
    """the scheduler and a worker are killed together; the scheduler is started again"""
    cluster.workers[0].kill()
    cluster.scheduler.kill()
    cluster.workers[0].wait()
    cluster.scheduler.wait()
    cluster.start_scheduler()


def measure_recovery(repeat, only):
    cases = [(3, nobody), (3, one_worker), (3, a_zombie), (3, the_scheduler), (3, worker_and_scheduler), (2, nobody)]
    cases = [c for c in cases if not only or c[1].__name__ in only]
    times = {}
    for _ in range(repeat):
        for n_workers, disturb in cases:
            with tempfile.TemporaryDirectory() as folder:
                cluster = Cluster(pathlib.Path(folder), n_workers, journal=True)
                try:
                    subprocess.run([PROGRAM, "eval", "--cluster", cluster.address, "arange(10).sum()", "-q"], check=True, stdout=subprocess.DEVNULL)
                    start = time.perf_counter()
                    client = subprocess.Popen([PROGRAM, "eval", "--cluster", cluster.address, LONG, "-q", "-o", os.path.join(folder, "out.npy")])
                    time.sleep(1)
                    if client.poll() is not None:
                        raise RuntimeError("it was over before anybody was killed")
                    killed = time.perf_counter()
                    disturb(cluster)
                    if client.wait(300) != 0:
                        raise RuntimeError("the client failed")
                    end = time.perf_counter()
                finally:
                    cluster.end()
                times.setdefault((n_workers, disturb.__doc__), []).append((end - start, end - killed))
    for (n_workers, what), both in times.items():
        print(f"{n_workers} workers, {what}: {statistics.median(b[0] for b in both):.2f} s in all, {statistics.median(b[1] for b in both):.2f} s from then on")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=["journal", "recovery"])
    parser.add_argument("--only", help="of recovery: names of functions, with ',' between")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if "journal" in options.what:
        measure_journal(options.repeat)
    if "recovery" in options.what:
        measure_recovery(options.repeat, options.only.split(",") if options.only else None)
