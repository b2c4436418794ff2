"""Futures from Python: functions on workers, with `distributed`'s names and behaviour."""
import asyncio
import concurrent.futures
import io
import operator
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import tessera as ts
from tessera.distributed import (Event, Lock, Queue, Semaphore, Variable, as_completed, fire_and_forget, futures_of, get_client, get_worker, wait,
                                 worker_client)

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=2, memory_limit="256MiB", resources={"GPU": 1}) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        yield client


def inc(x):
    return x + 1


def add(x, y=0):
    return x + y


def slow_inc(x, seconds=0.1):
    time.sleep(seconds)
    return x + 1


def inc_after(x, event):
    return x + 1 if Event(event).wait(timeout=60) else None


def throws(x):
    return deeper(x)


def deeper(x):
    raise ValueError(f"hello {x}")


# ---- Calls and results ------------------------------------------------------------------------------------------------------------


def test_submit(client):
    future = client.submit(inc, 10)
    assert future.result(30) == 11 and future.done() and future.status == "finished" and not future.cancelled()
    assert future.key.startswith("inc-") and repr(future) == f"<Future: finished, key: {future.key}>" and "inc" in future._repr_html_()
    assert future.exception() is None and future.traceback() is None and future.type is int
    assert client.submit(add, 1, y=2).result(30) == 3
    assert client.submit(lambda: os.getpid()).result(30) != os.getpid()
    with pytest.raises(TypeError, match="callable"):
        client.submit(1)


def test_keys_that_look_alike(client):
    """Users' keys may end like those made here, and then in the same."""
    token = "-8f6e709446674bad78ea8aeecfee188e"
    one, other = client.submit(inc, 1, key="inc" + token), client.submit(add, 1, 9, key="add" + token)
    assert (one.result(60), other.result(60)) == (2, 10)
    assert ts.distributed.Future("inc" + token, client).result(60) == 2


def test_futures_are_arguments(client):
    a, b = client.submit(inc, 1), client.submit(inc, 2)
    c = client.submit(add, a, y=b)
    assert c.result(30) == 5
    nested = client.submit(lambda *args, **kw: (args, kw), [a, {"b": (b, 7)}], {1, 2}, k=[[c]])
    assert nested.result(30) == (([2, {"b": (3, 7)}], {1, 2}), {"k": [[5]]})


def test_pure_functions_run_once(client):
    assert client.submit(os.urandom, 8).result(30) == client.submit(os.urandom, 8).result(30) or True  # the first may be forgotten by then
    a, b = client.submit(os.urandom, 8), client.submit(os.urandom, 8)
    assert a.key == b.key and a.result(30) == b.result(30)
    c, d = client.submit(os.urandom, 8, pure=False), client.submit(os.urandom, 8, pure=False)
    assert c.key != d.key and c.result(30) != d.result(30)


def test_keys(client):
    a = client.submit(inc, 1, key="my-key")
    b = client.submit(inc, 100, key="my-key")
    assert a.key == b.key == "my-key" and a.result(30) == b.result(30) == 2


def test_map(client):
    futures = client.map(inc, range(20))
    assert client.gather(futures) == list(range(1, 21))
    assert client.gather(client.map(add, range(5), range(5))) == [0, 2, 4, 6, 8]
    assert client.gather(client.map(add, [1, 2], y=10)) == [11, 12]
    assert [f.key for f in client.map(inc, [1, 2], key="k")] == ["k-0", "k-1"]
    assert client.map(inc, []) == []
    total = client.submit(sum, client.map(inc, range(10)))
    assert total.result(30) == 55


def test_ten_thousand(client):
    assert client.gather(client.map(inc, range(10_000))) == list(range(1, 10_001))


def test_gather(client):
    a, b = client.submit(inc, 1), client.submit(inc, 2)
    assert client.gather({"a": [a], "b": (b, {a})}) == {"a": [2], "b": (3, {2})}
    assert client.gather(iter([a, b])) == [2, 3] and client.gather(a) == 2 and client.gather([]) == []
    bad = client.submit(throws, 1)
    with pytest.raises(ValueError, match="hello 1"):
        client.gather([a, bad, b])
    assert client.gather([a, bad, b], errors="skip") == [2, 3]
    with pytest.raises(ValueError, match="errors"):
        client.gather([a], errors="maybe")


def test_scatter(client):
    assert client.scatter(5).result(30) == 5
    futures = client.scatter([1, "two", [3]])
    assert client.gather(futures) == [1, "two", [3]]
    named = client.scatter({"x": 1, "y": 2})
    assert set(named) == {"x", "y"} and named["x"].key == "x" and client.gather(named) == {"x": 1, "y": 2}
    everywhere = client.scatter(np.arange(1000.0), broadcast=True)
    assert len(client.who_has(everywhere)[everywhere.key]) == 2
    address = sorted(client.nthreads())[0]
    there = client.scatter([np.arange(5000.0)], workers=[address])[0]
    assert client.who_has([there]) == {there.key: (address,)}
    assert client.submit(np.sum, there).result(30) == np.arange(5000.0).sum()


def test_arrays_are_not_copied(client):
    x = np.random.default_rng(1).normal(size=(300, 400))
    future = client.submit(lambda a: (a * 2, a.flags.writeable), x)
    doubled, writeable = future.result(30)
    np.testing.assert_array_equal(doubled, x * 2)
    assert not doubled.flags.writeable and not doubled.flags.owndata and not writeable
    kept = future.result()[0]
    del future
    np.testing.assert_array_equal(kept, x * 2)
    mixed = client.submit(lambda d: {k: v.T for k, v in d.items()}, {"a": x, "b": x[::2], "c": np.arange(3)}).result(30)
    np.testing.assert_array_equal(mixed["b"], x[::2].T)


def test_results_of_all_kinds(client):
    for value in (None, b"", b"bytes" * 5000, "text", {1: [2, (3,)]}, np.float32(2.5), np.array(7), np.zeros((0, 3)), range(5), 2**100, slice(1, 2)):
        found = client.submit(lambda v: v, value).result(30)
        assert type(found) is type(value) and (np.array_equal(found, value) if isinstance(value, np.ndarray) else found == value)


# ---- What fails ---------------------------------------------------------------------------------------------------------------------


def test_exceptions(client):
    future = client.submit(throws, 7)
    with pytest.raises(ValueError, match="hello 7") as caught:
        future.result(30)
    text = "".join(traceback.format_exception(type(caught.value), caught.value, caught.value.__traceback__))
    assert "in throws" in text and "in deeper" in text and "test_futures.py" in text and "_tasks.py" not in text
    assert future.status == "error" and isinstance(future.exception(), ValueError)
    assert [frame.name for frame in traceback.extract_tb(future.traceback())] == ["throws", "deeper"]
    later = client.submit(inc, future)
    with pytest.raises(ValueError, match="hello 7"):
        later.result(30)


def test_timeouts(client):
    future = client.submit(slow_inc, 1, 1.0)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.05)
    assert not future.done() and future.status == "pending"
    assert future.result(30) == 2


def test_cancel(client):
    blocked = client.submit(slow_inc, 1, 0.5, pure=False)
    waiting = client.map(slow_inc, range(100), [0.5] * 100, pure=False)
    later = client.submit(inc, waiting[-1])
    client.cancel(waiting)
    assert waiting[-1].status == "cancelled" and waiting[-1].cancelled()
    with pytest.raises((ts.CancelledError, concurrent.futures.CancelledError)):
        waiting[-1].result(30)
    with pytest.raises((ts.CancelledError, concurrent.futures.CancelledError)):
        later.result(30)
    assert blocked.result(30) == 2


def test_retries(client, tmp_path):
    def fails_twice(path):
        tries = len(os.listdir(path))
        open(os.path.join(path, str(tries)), "w").close()
        if tries < 2:
            raise OSError("not yet")
        return tries

    assert client.submit(fails_twice, str(tmp_path), retries=5).result(30) == 2
    again = tmp_path / "again"
    again.mkdir()
    future = client.submit(fails_twice, str(again))
    with pytest.raises(OSError, match="not yet"):
        future.result(30)
    future.retry()
    assert isinstance(future.exception(30), OSError)
    client.retry([future])
    assert future.result(30) == 2


# ---- Waiting ------------------------------------------------------------------------------------------------------------------------


def test_wait(client):
    futures = client.map(slow_inc, range(4), [0.01] * 4)
    done, not_done = wait(futures, timeout=30)
    assert done == set(futures) and not_done == set()
    slow, quick = client.submit(slow_inc, 1, 5, pure=False), client.submit(inc, 1, pure=False)
    result = wait([slow, quick], return_when="FIRST_COMPLETED", timeout=30)
    assert result.done == {quick} and result.not_done == {slow}
    with pytest.raises(TimeoutError):
        wait([slow], timeout=0.05)
    slow.cancel()


def test_as_completed(client):
    futures = client.map(inc, range(10))
    assert {f.result() for f in as_completed(futures)} == set(range(1, 11))
    assert {r for _, r in as_completed(futures, with_results=True)} == set(range(1, 11))
    waiting = as_completed([client.submit(inc, 100)])
    seen = []
    for future in waiting:
        seen.append(future.result())
        if len(seen) < 3:
            waiting.add(client.submit(inc, future))
    assert seen == [101, 102, 103] and waiting.is_empty() and waiting.count() == 0
    bad = list(as_completed([client.submit(throws, 1)], with_results=True, raise_errors=False))
    assert isinstance(bad[0][1], ValueError)
    assert sum(len(batch) for batch in as_completed(futures).batches()) == 10
    with pytest.raises(TimeoutError):
        list(as_completed([client.submit(slow_inc, 1, 3, pure=False)], timeout=0.1))


def test_callbacks(client):
    said, future = threading.Event(), client.submit(inc, 1)
    future.add_done_callback(lambda f: f.result() == 2 and said.set())
    assert said.wait(30)
    said.clear()
    future.add_done_callback(lambda f: said.set())
    assert said.wait(30)


def test_await(client):
    async def main():
        futures = client.map(inc, range(5))
        assert await futures[0] == 1
        assert sorted(await asyncio.gather(*map(as_coroutine, futures))) == [1, 2, 3, 4, 5]
        seen = [f.result() async for f in as_completed(futures)]
        assert sorted(seen) == [1, 2, 3, 4, 5]
        with pytest.raises(ValueError):
            await client.submit(throws, 3)

    async def as_coroutine(future):
        return await future

    asyncio.run(main())


def test_futures_of(client):
    a, b = client.submit(inc, 1), client.submit(inc, 2)
    assert futures_of([a, {"x": (b,)}, 3]) == [a, b] == client.futures_of([a, [b]])


def test_progress(client):
    out = io.StringIO()
    ts.progress(client.map(inc, range(50)), client.submit(throws, 1), out=out)
    assert "inc" in out.getvalue() and "50/50" in out.getvalue() and "throws" in out.getvalue() and "1 failed" in out.getvalue()


def test_progress_as_one(client):
    out = io.StringIO()
    ts.progress(client.map(inc, range(20)), client.map(inc, range(100, 130)), multi=False, out=out)
    assert re.fullmatch(r"all +\[#{30}\] 50/50, .*\n", out.getvalue())
    out = io.StringIO()
    ts.progress(client.map(inc, range(6)), group_by=lambda future: future.result() % 2, out=out)
    assert sorted(line.split()[0] for line in out.getvalue().splitlines()) == ["0", "1"]
    with pytest.raises(ValueError, match="spans"):
        ts.progress(client.submit(inc, 1), group_by="spans")


def test_release(client):
    future = client.submit(np.ones, 10_000)
    key = future.key
    wait(future)
    assert key in client.who_has()
    del future
    until = time.monotonic() + 60
    while key in client.who_has() and time.monotonic() < until:
        time.sleep(0.02)
    assert key not in client.who_has()


def test_fire_and_forget(client, tmp_path):
    path = tmp_path / "done"
    fire_and_forget(client.submit(lambda p: open(p, "w").close(), str(path)))
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists()


# ---- Where tasks run ----------------------------------------------------------------------------------------------------------------


def test_workers_by_their_host(client):
    assert client.submit(inc, 1, workers="127.0.0.1", pure=False).result(30) == 2
    with pytest.raises(TimeoutError):
        client.submit(inc, 1, workers="127.0.0", pure=False).result(0.2)


def test_workers(client):
    address, other = sorted(client.nthreads())
    here = client.map(lambda _: get_worker().address, range(8), workers=[address], pure=False)
    assert set(client.gather(here)) == {address}
    names = {a: w["name"] for a, w in client.scheduler_info()["workers"].items()}
    assert client.submit(lambda: get_worker().name, workers=names[other], pure=False).result(30) == names[other]
    assert client.submit(inc, 1, workers=["nobody"], allow_other_workers=True).result(30) == 2


def test_resources(client):
    def busy():
        with counted:
            time.sleep(0.02)
            return get_worker().address

    counted = Semaphore(2, "gpus")
    began = time.monotonic()
    client.gather([client.submit(slow_inc, i, 0.2, resources={"GPU": 1}, pure=False) for i in range(4)])
    assert time.monotonic() - began >= 0.4  # two at a time, one on each worker
    with pytest.raises(TimeoutError):
        client.submit(inc, 1, resources={"TPU": 1}).result(0.3)
    assert client.submit(busy, pure=False).result(30) in client.nthreads()


def test_priorities(client, tmp_path):
    address, other = sorted(client.nthreads())
    block = client.submit(holds_until, tmp_path / "go on", workers=[address], pure=False, priority=10)
    low = client.map(begins, ["low"] * 12, workers=[address], priority=-5, pure=False)
    high = client.map(begins, ["high"] * 12, workers=[address], priority=5, pure=False)
    client.submit(inc, 1, workers=[other], pure=False).result(60)  # the scheduler has all of them
    (tmp_path / "go on").touch()
    client.gather(block)
    order = [label for _, label in sorted(client.gather(low + high))]
    assert order.index("low", 6) >= 12 and order[-6:] == ["low"] * 6  # a few may be on their way to the worker already


def holds_until(path):
    """Holds the thread until there is this file."""
    until = time.monotonic() + 120
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)


def begins(label):
    began = time.monotonic()
    time.sleep(0.02)
    return began, label


def test_what_is_where(client):
    futures = client.scatter([np.arange(1000.0) + i for i in range(4)])
    where = client.who_has(futures)
    assert set(where) == {f.key for f in futures} and all(len(w) == 1 for w in where.values())
    assert sum(len(set(keys) & set(where)) for keys in client.has_what().values()) == 4
    client.replicate(futures)
    assert all(len(w) == 2 for w in client.who_has(futures).values())
    sizes = client.nbytes(summary=False)
    assert all(sizes[f.key] >= 8000 for f in futures)
    client.rebalance()
    assert [f.result()[0] for f in futures] == [0, 1, 2, 3]
    running = client.submit(inc_after, 1, "it was seen", pure=False)
    until = time.monotonic() + 60
    while not any(running.key in keys for keys in client.processing().values()):
        assert time.monotonic() < until
        time.sleep(0.02)
    Event("it was seen").set()
    assert running.result(60) == 2


def test_run(client):
    pids = client.run(os.getpid)
    assert set(pids) == set(client.nthreads()) and len(set(pids.values())) == 2
    assert client.run(lambda x, dask_worker: (x, dask_worker.address), 3) == {a: (3, a) for a in pids}
    one = sorted(pids)[0]
    assert client.run(inc, 1, workers=[one]) == {one: 2}
    with pytest.raises(ValueError, match="hello"):
        client.run(throws, 1)
    assert all(isinstance(e, ValueError) for e in client.run(throws, 1, on_error="return").values())
    assert client.run(throws, 1, on_error="ignore") == {}


def test_upload_file(client, cluster, tmp_path):
    (tmp_path / "brought_along.py").write_text("def tripled(x):\n    return 3 * x\n")
    client.upload_file(tmp_path / "brought_along.py")

    def use(x):
        import brought_along

        return brought_along.tripled(x)

    assert client.submit(use, 5).result(30) == 15
    (tmp_path / "brought_along.py").write_text("def tripled(x):\n    return 33 * x\n")
    client.upload_file(tmp_path / "brought_along.py")
    assert client.submit(use, 5, pure=False).result(30) == 165


# ---- Inside of tasks ------------------------------------------------------------------------------------------------------------------


def fibonacci(n):
    if n < 2:
        return n
    client = get_client()
    a, b = client.submit(fibonacci, n - 1), client.submit(fibonacci, n - 2)
    return sum(client.gather([a, b]))


def test_tasks_that_submit_tasks(client):
    assert client.submit(fibonacci, 8).result(60) == 21

    def maps(n):
        with worker_client() as inner:
            return sum(inner.gather(inner.map(inc, range(n))))

    assert client.submit(maps, 10).result(30) == 55


def test_futures_that_tasks_return(client):
    def later(x):
        return get_client().submit(inc, x)

    assert client.submit(later, 3).result(30).result(30) == 4


def test_arrays_inside_of_tasks(client):
    def total(n):
        import tessera as ts

        with ts.Session(threads=1):
            return float(ts.arange(n).sum().compute())

    assert client.submit(total, 100).result(30) == 4950.0


# ---- Shared things --------------------------------------------------------------------------------------------------------------------


def test_variable(client):
    x = Variable("x")
    with pytest.raises(TimeoutError):
        x.get(timeout=0.05)
    x.set([1, 2])
    assert x.get() == [1, 2] and client.submit(lambda: Variable("x").get(timeout=10)).result(30) == [1, 2]
    future = client.submit(inc, 9)
    x.set(future)
    del future
    assert x.get().result(30) == 10
    x.delete()
    with pytest.raises(TimeoutError):
        x.get(timeout=0.05)


def test_queue(client):
    q = Queue("q", maxsize=3)
    for i in range(3):
        q.put(i)
    assert q.qsize() == 3
    with pytest.raises(TimeoutError):
        q.put(3, timeout=0.05)
    assert q.get() == 0 and q.get(batch=2) == [1, 2] and q.qsize() == 0
    with pytest.raises(TimeoutError):
        q.get(timeout=0.05)
    client.gather(client.map(q.put, range(3)))
    assert sorted(q.get(batch=True)) == [0, 1, 2]
    q.put(client.submit(inc, 1))
    assert q.get().result(30) == 2


def test_locks(client, tmp_path):
    path = tmp_path / "count"
    path.write_text("0")

    def count(_):
        with Lock("count"):
            n = int(path.read_text())
            time.sleep(0.005)
            path.write_text(str(n + 1))

    client.gather(client.map(count, range(20)))
    assert path.read_text() == "20"
    lock = Lock("mine")
    assert lock.acquire() and lock.locked() and not Lock("mine").acquire(blocking=False) and not Lock("mine").acquire(timeout=0.05)
    lock.release()
    assert not lock.locked()
    with pytest.raises(RuntimeError):
        lock.release()


def test_semaphore(client):
    s = Semaphore(2, "s")
    assert s.acquire() and s.acquire() and not s.acquire(timeout=0.05) and s.get_value() == 2
    s.release()
    with s:
        assert s.get_value() == 2
    s.release()
    assert s.get_value() == 0


def test_event(client):
    event = Event("go")
    assert not event.is_set() and not event.wait(timeout=0.05)
    waiting = client.submit(lambda: Event("go").wait(timeout=30))
    event.set()
    assert waiting.result(30) is True and event.is_set()
    event.clear()
    assert not event.is_set()


def test_executor(client):
    with client.get_executor() as executor:
        assert executor.submit(inc, 1).result(30) == 2 and list(executor.map(inc, range(5), timeout=30)) == [1, 2, 3, 4, 5]
        failing = executor.submit(throws, 1)
        assert isinstance(failing.exception(30), ValueError)
        futures = [executor.submit(operator.add, i, i) for i in range(5)]
        assert sorted(f.result() for f in concurrent.futures.as_completed(futures, 30)) == [0, 2, 4, 6, 8]
        assert executor.submit(dict, key=3, workers=4).result(30) == {"key": 3, "workers": 4}
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(inc, 1)


def test_published_futures(client, cluster):
    futures = client.map(inc, range(3))
    client.publish_dataset(numbers={"all": futures, "why": "because"}, settings=[1, 2])
    del futures
    with ts.Client(cluster) as other:
        assert other.list_datasets() == ["numbers", "settings"] and other.get_dataset("settings") == [1, 2]
        found = other.get_dataset("numbers")
        assert found["why"] == "because" and other.gather(found["all"]) == [1, 2, 3] and found["all"][0].client is other
        other.unpublish_dataset("settings")
    assert client.list_datasets() == ["numbers"]
    client.unpublish_dataset("numbers")
    assert client.list_datasets() == []


# ---- Workers that die -----------------------------------------------------------------------------------------------------------------


def test_a_worker_is_killed():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        first = client.map(slow_inc, range(40), [0.02] * 40)
        sums = client.map(add, first, first)
        threading.Timer(0.3, os.kill, (cluster.pids[0], signal.SIGKILL)).start()
        assert client.gather(sums) == [2 * (i + 1) for i in range(40)]
        assert client.submit(sum, first).result(60) == sum(range(1, 41))


@pytest.mark.parametrize("seed", [1, 2])
def test_workers_come_and_go(seed):
    rng = random.Random(seed)
    with ts.LocalCluster(n_workers=3, threads_per_worker=2) as cluster, ts.Client(cluster) as client:
        over = threading.Event()

        def kill():
            for _ in range(2):  # a third could make a task that happened to run there each time look like the reason
                if not over.wait(rng.uniform(0.1, 0.4)):
                    os.kill(rng.choice(cluster.pids), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for _ in range(3):
                arrays = client.map(np.full, [20_000] * 60, range(60), pure=False)
                sums = client.map(lambda a, i: (time.sleep(0.005), int(a[-1]) + i)[1], arrays, range(60), pure=False)
                last = [client.submit(add, sums[i], sums[i * 7 % 60], pure=False) for i in range(60)]
                assert client.gather(sums) == [2 * i for i in range(60)]
                assert client.gather(last) == [2 * i + 2 * (i * 7 % 60) for i in range(60)]
        finally:
            over.set()
            killer.join()


def test_a_function_that_kills_its_workers():
    with ts.LocalCluster(n_workers=4, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(4, 30)
        future = client.submit(lambda: os.kill(os.getpid(), signal.SIGKILL), pure=False)
        with pytest.raises(ts.KilledWorker, match=r"'<lambda>' \(key [0-9a-f]{32}\) was running on 3 workers that were lost.*: worker-\d, ") as caught:
            future.result(60)
        assert str(caught.value).count("; the log of worker-") == 3 and "registered with the scheduler" in str(caught.value)
        assert client.submit(inc, 1).result(30) == 2


# ---- Arrays that come from functions, and the write-ups -----------------------------------------------------------------------------


def test_published_arrays(cluster, client):
    x = ts.arange(100, chunks=10) * 3
    client.publish_dataset(threes=x)
    assert client.list_datasets() == ["threes"]
    with pytest.raises(KeyError, match="threes"):
        client.publish_dataset(threes=x)
    with ts.Client(cluster) as other:
        y = other.get_dataset("threes")
        assert y.session is other and y.shape == (100,)
        np.testing.assert_array_equal((y + 1).compute(), np.arange(100) * 3 + 1)
    client.publish_dataset(x + 1, name="threes", override=True)
    assert client.get_dataset("threes")[0].compute() == 1
    client.unpublish_dataset("threes")
    assert client.list_datasets() == []
    with pytest.raises(KeyError):
        client.get_dataset("threes")
    assert client.get_dataset("threes", None) is None


def write_days(folder, n=12):
    """NetCDF-3 files of one variable, one a day."""
    paths = []
    rng = np.random.default_rng(4)
    with ts.Session(threads=1):
        for day in range(n):
            paths.append(str(folder / f"day-{day:02}.nc"))
            ts.save(paths[-1], t2m=ts.from_array(rng.normal(280, 10, (4, 30, 60))))
    return paths


def test_climate_on_a_cluster(client, tmp_path):
    """Workflow 1: functions load files, one array of what they return, statistics, z-scores that stay on the cluster."""
    paths = write_days(tmp_path)

    def load_temperature(path):
        import tessera as ts

        with ts.Session(threads=1):
            return ts.open_array(path, "t2m").compute()

    futures = client.map(load_temperature, paths)
    x = ts.from_futures(futures)
    assert x.shape == (48, 30, 60) and x.chunks[0] == (4,) * 12
    x = x.persist()
    expected = np.concatenate([load_temperature(path) for path in paths])
    assert x[0, 0, 0].compute() == expected[0, 0, 0]
    np.testing.assert_array_equal(x[0].compute(), expected[0])
    assert float(x.mean()) == pytest.approx(expected.mean())
    z = client.persist((x - x.mean(axis=0)) / x.std(axis=0))
    ts.progress(z, out=open(os.devnull, "w"))
    np.testing.assert_allclose(z.compute(), (expected - expected.mean(axis=0)) / expected.std(axis=0), atol=1e-9)
    np.testing.assert_allclose(z[10].mean(axis=1).compute(), ((expected - expected.mean(axis=0)) / expected.std(axis=0))[10].mean(axis=1), atol=1e-9)


def test_the_first_experiment(client, tmp_path):
    """Workflow 3: arrays are scattered from here, and the failures of the write-up do not happen: x - x.mean() moves no blocks."""
    days = [np.random.default_rng(seed).normal(250, 10, (4, 50, 100)) for seed in range(20)]
    futures = client.scatter(days)
    holders = {address for addresses in client.who_has(futures).values() for address in addresses}
    assert len(holders) == 2
    x = ts.from_futures(futures, shape=(4, 50, 100), dtype=float).persist()
    expected = np.concatenate(days)
    np.testing.assert_array_equal(x.compute(), expected)
    assert float(x.sum()) == pytest.approx(expected.sum())
    np.testing.assert_allclose(x.mean(axis=(1, 2)).compute(), expected.mean(axis=(1, 2)))
    np.testing.assert_allclose(x.mean(axis=0).compute(), expected.mean(axis=0))
    time.sleep(1.5)  # until the workers have reported
    before = sum(w["bytes_in"] for w in client.status()["workers"])
    y = (x - x.mean()).persist()
    ts.progress(y, out=io.StringIO())
    time.sleep(1.5)
    assert sum(w["bytes_in"] for w in client.status()["workers"]) - before < 1_000_000
    assert abs(float(y.mean())) < 1e-9


def test_the_guide_runs():
    """Every program of the page on clusters."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/python-cluster.md").read_text()
    programs = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(programs) == 3
    for program in programs:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert "(40, 100, 200)" in done.stdout


def test_the_scheduler_is_killed(tmp_path):
    """Another one with the same journal goes on: tasks, persisted arrays and names are still there."""
    def start(port):
        process = subprocess.Popen([sys.executable, "-m", "tessera", "scheduler", f"--listen=tcp://127.0.0.1:{port}", f"--journal={tmp_path / 'journal'}",
                                    "--log-level=error"], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, process.stdout.readline().strip()

    processes: list = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # this file's functions
    try:
        scheduler, address = start(0)
        for name in ("one", "two"):
            processes.append(subprocess.Popen([sys.executable, "-m", "tessera", "worker", address, f"--name={name}", "--threads=1", "--memory=200M",
                                               "--log-level=error"], stdout=subprocess.DEVNULL, env=environment))
        with ts.Client(address) as client:
            client.wait_for_workers(2, 60)
            x = ts.random.default_rng(1).normal(size=(400, 400), chunks=100).persist()
            expected = x.compute()
            client.publish_dataset(kept=x)
            futures = client.map(slow_inc, range(60), [0.03] * 60, pure=False)
            while not any(f.done() for f in futures):
                time.sleep(0.01)
            scheduler.kill()
            scheduler.wait()
            time.sleep(0.3)
            assert start(address.rpartition(":")[2])[1] == address
            assert client.gather(futures) == list(range(1, 61))
            np.testing.assert_array_equal(x.compute(), expected)
            assert client.list_datasets() == ["kept"]
            np.testing.assert_array_equal(client.get_dataset("kept").compute(), expected)
            assert client.submit(inc, 1).result(30) == 2
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def test_progress_in_a_notebook(client, monkeypatch):
    from tessera import _waiting

    class Shown:
        pages = []

        def update(self, page):
            self.pages.append(page._repr_html_())

    def display(page, display_id):
        Shown.pages.append(page._repr_html_())
        return Shown()

    monkeypatch.setattr(_waiting, "_notebook_display", lambda: display)
    futures = client.map(inc_after, range(8), event="shown", pure=False)
    ts.progress(futures)  # does not wait for the end, as it does in a terminal
    assert "<progress" in Shown.pages[0] and "inc_after" in Shown.pages[0] and not any(f.done() for f in futures)
    Event("shown").set()
    wait(futures)
    deadline = time.monotonic() + 20
    while "8 of 8" not in Shown.pages[-1] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "8 of 8" in Shown.pages[-1]
