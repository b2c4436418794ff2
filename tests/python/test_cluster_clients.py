"""Clients of clusters: how they find one, how soon their computations are made, where blocks are, plugins, more and fewer workers."""
import io
import json
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import tessera as ts
import tessera.distributed as td

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB", name="the cluster") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        yield client


def until(condition, seconds=60, what="the condition"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} was not true within {seconds} s"
        time.sleep(0.02)


# ---- Finding it -----------------------------------------------------------------------------------------------------------------


def test_a_file_of_the_scheduler(client, tmp_path):
    path = tmp_path / "scheduler.json"
    client.write_scheduler_file(path)
    assert json.loads(path.read_text())["address"] == client.status()["address"] and list(tmp_path.iterdir()) == [path]
    with ts.Client(scheduler_file=path, timeout=20, name="by file") as other:
        assert other.scheduler_file == path and len(other.nthreads()) == 2
        assert ts.arange(10).sum().compute() == 45
    late = tmp_path / "late.json"
    threading.Timer(0.3, lambda: os.link(path, late)).start()  # the scheduler may write it later
    with ts.Client(scheduler_file=late) as other:
        assert len(other.nthreads()) == 2
    with pytest.raises(FileNotFoundError, match="within 0.1 s"):
        ts.Client(scheduler_file=tmp_path / "never.json", timeout=0.1)
    path.write_text("{}")
    with pytest.raises(ValueError, match="no file of a scheduler"):
        ts.Client(scheduler_file=path)
    with pytest.raises(ValueError, match="twice"):
        ts.Client("tcp://127.0.0.1:1", scheduler_file=path)


def test_arguments_of_distributed(cluster):
    with td.Client(cluster, direct_to_workers=True, heartbeat_interval=5000, set_as_default=False, timeout="20s") as client:
        assert client.submit(pow, 2, 3).result() == 8
    with pytest.raises(NotImplementedError, match="await"):
        td.Client(cluster, asynchronous=True)
    with td.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=30) as other:
        assert other.n_running == 0
    with pytest.raises(TypeError, match="wheels"):
        td.LocalCluster(n_workers=0, wheels=4)


def test_versions(client):
    found = client.get_versions(check=True)
    assert len(found["workers"]) == 2 and found["client"]["packages"]["numpy"] == np.__version__
    assert all(said["packages"] == found["client"]["packages"] for said in found["workers"].values())
    assert found["scheduler"]["packages"]["tessera"] == ts.__version__


# ---- Priorities -------------------------------------------------------------------------------------------------------------------


def slow(block):
    time.sleep(0.02)
    return block


def rows(seed, n=100):
    return ts.map_blocks(slow, ts.random.default_rng(seed).normal(size=(n, 50), chunks=(1, 50)), dtype=float)


def test_arrays_of_before(cluster, tmp_path):
    """Arrays that were made before there was a client go to the workers when the client is asked: what they are made from, and by what."""
    values = np.arange(60.0).reshape(6, 10)
    np.save(tmp_path / "values.npy", values)
    before = {"generated": ts.arange(60, chunks=7).reshape(6, 10) + 0.0, "of a file": ts.open_array(tmp_path / "values.npy", chunks=(2, 10)),
              "of memory": ts.from_array(values, chunks=4), "persisted": ts.from_array(values, chunks=3).persist(),
              "of a function": ts.map_blocks(lambda block: block + 1, ts.from_array(values - 1, chunks=4), dtype=float),
              "read through an object": ts.from_array(ReadBySlices(values), chunks=(3, 5))}
    where = ts.map_blocks(lambda block: np.full(block.shape, os.getpid()), ts.ones(4, chunks=1), dtype=int)
    with ts.Client(cluster) as client:
        for what, x in before.items():
            assert not x.session.is_remote
            y = client.persist(x)
            assert y.session is client and y.chunks == x.chunks, what
            for result in (y.compute(), client.compute(x).result(60), client.compute(x * 2, sync=True) / 2, client.compute([x])[0].result(60)):
                np.testing.assert_array_equal(result, values, err_msg=what)
            np.testing.assert_array_equal(x.compute(), values)  # as before
        assert os.getpid() not in client.compute(where).result(60)
        both = client.persist({"one": [before["generated"]]})
        assert both["one"][0].session is client
        client.publish_dataset(before=before["generated"])
        np.testing.assert_array_equal(client.get_dataset("before").compute(), values)
        client.unpublish_dataset("before")


class ReadBySlices:
    """What only exists in this process."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, place):
        return self.values[place]


def test_what_is_more_important_is_done_first(client):
    low = client.persist(rows(1))
    until(lambda: any(job["held"] and job["tasks_done"] > 3 for job in client.status()["jobs"]), what="something is done")
    urgent = client.compute(rows(2), priority=10)
    assert urgent.result(60).shape == (100, 50)
    with pytest.raises(TimeoutError):  # half of its time is left, but for what was done before
        ts.wait(low, timeout=0)
    job, = [job for job in client.status()["jobs"] if job["held"] and job["tasks_done"] < job["tasks_total"]]
    done = job["tasks_done"] / job["tasks_total"]
    assert done < 0.7, f"{done:.0%} of the other was done before"
    del low
    low = client.persist(rows(3), priority=-1)
    usual = rows(4, 20).persist()
    ts.wait(usual)
    with pytest.raises(TimeoutError):
        ts.wait(low, timeout=0)
    np.testing.assert_array_equal(client.compute(usual + 1, sync=True, priority=3), np.asarray(usual) + 1)


def test_tasks_of_higher_priority_first(client):
    started = client.map(time.sleep, [0.05] * 60, pure=False)
    urgent = client.map(pow, range(20), range(20), pure=False, priority=5)
    client.gather(urgent)
    assert sum(f.done() for f in started) < 50
    client.cancel(started)


# ---- Where blocks are -----------------------------------------------------------------------------------------------------------------


def test_who_has_the_blocks(client):
    x = ts.random.default_rng(1).normal(size=(4000, 1000), chunks=(500, 1000)).persist()
    ts.wait(x)
    f = client.submit(pow, 3, 3)
    f.result()
    found = client.who_has(x)
    addresses = set(client.nthreads())
    assert found and all(len(a) == 1 and a[0] in addresses for a in found.values())
    assert {a for a, in found.values()} == addresses, "both have a part"
    name, = {eval(key)[0] for key in found}
    places = sorted(eval(key)[1:] for key in found)
    assert places == [(i, 0) for i in range(len(found))]
    both = client.who_has([x, f])
    assert {k: both[k] for k in found} == found and set(both) - set(found) == {f.key}
    assert set(client.who_has()) >= set(both)
    has = client.has_what()
    assert all(key in has[address] for key, (address,) in found.items())
    assert sum(client.nbytes(summary=False)[key] for key in found) == x.nbytes == client.nbytes()[name]
    with pytest.raises(ValueError, match="persist it first"):
        client.who_has(x + 1)
    with ts.Client(client.cluster) as other:
        assert not set(found) & set(other.who_has()), "another client's arrays are not listed"
        client.publish_dataset(x, name="mine")
        assert other.who_has(other.get_dataset("mine")) == found
        client.unpublish_dataset("mine")


def test_blocks_that_are_not_there_yet(client, tmp_path):
    go = tmp_path / "go"

    def when_told(block):
        while not go.exists():
            time.sleep(0.01)
        return block

    x = ts.map_blocks(when_told, ts.ones((4, 5), chunks=(1, 5)), dtype=float).persist()
    until(lambda: client.who_has(x), what="it is planned")
    assert set(client.who_has(x).values()) == {()}
    go.touch()
    ts.wait(x)
    assert all(client.who_has(x).values())


# ---- Several clients ---------------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_of_one_client_shows_nothing_of_another(cluster):
    with ts.Client(cluster, name="twin"):
        theirs = ts.map_blocks(slow, ts.ones((60, 5), chunks=(1, 5)), dtype=float).persist()
        with ts.Client(cluster, name="twin", set_as_default=False) as two:
            with two.as_current():
                mine = (ts.map_blocks(slow, ts.zeros((3, 5), chunks=(1, 5)), dtype=float) * 2).persist()
            out = io.StringIO()
            ts.progress(mine, out=out)
            lines = out.getvalue().splitlines()
            assert [line.split()[0] for line in lines] == ["slow", "multiply"] or [line.split()[0] for line in lines] == ["multiply"], lines
            assert "/60" not in out.getvalue()
        ts.wait(theirs)


def test_bars_of_one_session_show_nothing_of_another():
    out, other = io.StringIO(), io.StringIO()
    begun, ended = threading.Event(), threading.Event()

    def elsewhere():
        with ts.Session(threads=1) as session, ts.ProgressBar(out=other):
            begun.wait(20)
            float(ts.ones((30, 10), chunks=(1, 10)).sum())
            assert session is not None
        with ts.Session(threads=1):
            float(ts.ones((20, 10), chunks=(1, 10)).sum())  # nobody listens
        ended.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    with ts.Session(threads=1), ts.ProgressBar(out=out):
        begun.set()
        assert ended.wait(20)
        float(ts.ones((10, 10), chunks=(1, 10)).sum())
    thread.join()
    assert len(out.getvalue().splitlines()) == 1 and len(other.getvalue().splitlines()) == 1


def test_a_bar_hears_of_its_session_in_other_threads():
    out = io.StringIO()
    with ts.Session(threads=1), ts.ProgressBar(out=out):
        x = ts.ones((10, 10), chunks=(1, 10)).sum()
        thread = threading.Thread(target=x.compute)
        thread.start()
        thread.join()
    assert len(out.getvalue().splitlines()) == 1


# ---- Plugins -------------------------------------------------------------------------------------------------------------------------


class Notes(td.WorkerPlugin):
    name = "notes"

    def __init__(self, folder):
        self.folder = folder

    def setup(self, worker):
        import sys

        sys.modules["notes_of_plugin"] = self
        open(f"{self.folder}/up-{worker.name}", "a").write("x")

    def teardown(self, worker):
        open(f"{self.folder}/down-{worker.name}", "a").write("x")


def noted():
    return "notes_of_plugin" in sys.modules


def test_plugins_of_workers(tmp_path):
    with ts.LocalCluster(n_workers=1, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        assert client.submit(noted, pure=False).result() is False
        done = client.register_plugin(Notes(str(tmp_path)))
        assert list(done.values()) == [{"status": "OK"}] and [p.name for p in tmp_path.iterdir()] == ["up-worker-1"]
        assert client.submit(noted, pure=False).result() is True
        cluster.scale(2)
        client.wait_for_workers(2, 60)
        late, = [a for a, w in client.scheduler_info()["workers"].items() if w["name"] == "worker-2"]
        assert client.submit(noted, pure=False, workers=[late]).result() is True, "a worker that came later has it before the first function"
        assert (tmp_path / "up-worker-2").read_text() == "x" == (tmp_path / "up-worker-1").read_text()
        with ts.Client(cluster) as other:
            cluster.scale(3)
            other.wait_for_workers(3, 60)
            late, = [a for a, w in other.scheduler_info()["workers"].items() if w["name"] == "worker-3"]
            assert other.submit(noted, pure=False, workers=[late]).result() is True
        client.unregister_worker_plugin("notes")
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("down")) == ["down-worker-1", "down-worker-2", "down-worker-3"]
        with pytest.raises(ValueError, match="notes"):
            client.unregister_worker_plugin("notes")
        client.register_worker_callbacks(lambda: sys.modules.__setitem__("called", sys))
        assert all(client.run(lambda: "called" in sys.modules).values())
        with pytest.raises(TypeError, match="no setup"):
            client.register_plugin(object())


def test_plugins_end_with_their_workers(tmp_path):
    with ts.Client(n_workers=1, threads_per_worker=1) as client:
        client.register_plugin(Notes(str(tmp_path)), name="other name")
    until(lambda: (tmp_path / "down-worker-1").exists(), 10, "torn down")


# ---- More and fewer workers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [True, False])
def test_scaling(processes):
    with ts.LocalCluster(n_workers=1, threads_per_worker=1, processes=processes) as cluster, ts.Client(cluster) as client:
        x = ts.random.default_rng(1).normal(size=(40, 50), chunks=(4, 50)).persist()
        expected = np.asarray(x)
        cluster.scale(3)
        cluster.wait_for_workers(3, 60)
        assert cluster.n_running == 3
        y = (x + 1).persist()
        ts.wait([x, y])
        cluster.scale(1)
        assert cluster.n_running == 1
        until(lambda: len(client.nthreads()) == 1, 60, "one worker")
        np.testing.assert_array_equal(np.asarray(y), expected + 1)
        if processes:
            until(lambda: len(cluster.pids) == 1, 60, "one process")
        cluster.scale(2)
        client.wait_for_workers(2, 60)
        with pytest.raises(ValueError):
            cluster.scale(-1)


def test_adapting():
    with ts.LocalCluster(n_workers=0, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        adaptive = cluster.adapt(minimum=0, maximum=2, interval="50ms", wait_count=2)
        assert len(client.nthreads()) == 0
        futures = client.map(lambda i: (time.sleep(0.1), i)[1], range(20), pure=False)
        assert sum(client.gather(futures)) == 190
        assert cluster.n_started >= 2
        del futures
        until(lambda: len(client.nthreads()) == 0, 60, "no workers")
        assert float(ts.ones((100, 10), chunks=10).sum()) == 1000, "arrays call for workers, too"
        adaptive.stop()
        with pytest.raises(ValueError, match="not possible"):
            cluster.adapt(minimum=3, maximum=2)


def test_what_only_names_hold_outlives_its_client():
    """A client leaves futures behind in a variable and in a queue: done ones, ones that are still to run, scattered values. Another gets them,
    also after the workers that had them are gone."""
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB", restarts=True) as cluster:
        with ts.Client(cluster) as first:
            done = first.submit(sum, [first.submit(pow, 2, i) for i in range(5)])
            assert done.result(60) == 31
            slow = first.submit(lambda x: (time.sleep(0.5), x + 1)[1], done)
            td.Variable("done", first).set(done)
            td.Variable("slow", first).set(slow)
            td.Variable("scattered", first).set(first.scatter(np.arange(4)))
            for future in (done, slow):
                td.Queue("both", first).put(future)
            del done, slow, future
        with ts.Client(cluster) as second:
            assert td.Variable("done", second).get(60).result(60) == 31
            assert [td.Queue("both", second).get(60).result(60) for _ in range(2)] == [31, 32]
            np.testing.assert_array_equal(td.Variable("scattered", second).get(60).result(60), np.arange(4))
            gone = list(second.nthreads())
            for pid in cluster.pids:
                os.kill(pid, signal.SIGKILL)
            until(lambda: not set(gone) & set(second.nthreads()), what="the end of the workers that had them")
            assert td.Variable("slow", second).get(60).result(60) == 32


# ---- Looking into it, and restarting ----------------------------------------------------------------------------------------------


def test_logs(cluster, client):
    assert any("joins" in line for line in client.get_scheduler_logs()) and len(client.get_scheduler_logs(1)) == 1 and client.get_scheduler_logs(0) == []
    addresses = list(client.nthreads())
    until(lambda: all("registered" in "".join(lines) for lines in client.get_worker_logs().values()), what="the workers' logs")
    assert sorted(client.get_worker_logs()) == sorted(addresses) and list(client.get_worker_logs(1, addresses[0])) == addresses[:1]
    assert all(len(lines) <= 2 for lines in client.get_worker_logs(2).values())


def test_the_stream_of_tasks(client):
    def sleep(seconds):
        time.sleep(seconds)
        if seconds < 0.05:
            raise ValueError("too short")

    began = time.time()
    futures = client.map(sleep, [0.06, 0.07, 0.01], key="sleeps", pure=False)
    td.wait(futures)
    ended = time.time()
    tasks = {task["key"]: task for task in client.get_task_stream(began)}
    assert set(tasks) == {future.key for future in futures}
    assert [tasks[future.key]["status"] for future in futures] == ["OK", "OK", "error"]
    for task, least in zip((tasks[future.key] for future in futures), (0.06, 0.07, 0.01)):
        ((moments,),) = [task["startstops"]]
        assert task["worker"] in client.nthreads() and moments["action"] == "compute"
        assert began <= moments["start"] and moments["stop"] <= ended and moments["stop"] - moments["start"] >= least * 0.9
    assert len(client.get_task_stream(count=2)) == 2 and client.get_task_stream(ended + 1) == [] and client.get_task_stream(stop=began - 1e6) == []
    assert {task["key"] for task in client.get_task_stream("1 h")} >= set(tasks)


def test_the_hardware_is_measured(client):
    found = client.benchmark_hardware()
    assert sorted(found) == ["disk", "memory", "network"]
    assert all(rates and all(rate > 0 for rate in rates.values()) for rates in found.values())


def test_workers_are_restarted():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster, ts.Client(cluster) as client:
        x = ts.ones((400, 100), chunks=50).persist()
        future = client.submit(pow, 3, 4)
        td.wait([x, future])
        before = {worker["id"] for worker in client.status()["workers"]}
        addresses = list(client.nthreads())
        assert client.restart_workers(addresses) == dict.fromkeys(addresses, "OK")
        after = {worker["id"] for worker in client.status()["workers"]}
        assert len(after) == 2 and not after & before
        assert float(x.sum().compute()) == 40_000 and future.result(60) == 81
        with pytest.raises(ValueError, match="no worker 'nobody'"):
            client.restart_workers(["nobody"])
    with ts.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="256MiB", restarts=False) as cluster, ts.Client(cluster) as client:
        (address,) = client.nthreads()
        assert client.restart_workers([address], timeout=1, raise_for_error=False) == {address: "timed out"}
    with ts.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="256MiB", processes=False) as cluster, ts.Client(cluster) as client:
        with pytest.raises(RuntimeError, match="a thread of a program"):
            client.restart_workers(list(client.nthreads()))
