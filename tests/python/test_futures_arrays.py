"""Futures from Python: arrays of them, graphs of tasks, and looking into a cluster."""
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import tessera as ts
from tessera.distributed import Event

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=2, memory_limit="256MiB") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        yield client


def inc(x):
    return x + 1


def test_datasets_of_futures_as_arrays(client):
    futures = client.map(lambda i: np.full((2, 3), i), range(4))
    x = ts.from_futures(futures)
    del futures
    assert x.shape == (8, 3)
    np.testing.assert_array_equal(x.compute(), np.repeat(np.arange(4), 2)[:, None] * np.ones((1, 3), int))
    y = ts.from_futures(client.map(np.zeros, [(3, 2), (3, 5)]), axis=1)
    assert y.chunks == ((3,), (2, 5)) and y.compute().sum() == 0
    with pytest.raises(ValueError, match="block 1 has the shape"):
        ts.from_futures(client.map(np.zeros, [(3, 2), (4, 2)]), axis=1)


def divide(a, b):
    return np.full((2, 3), a / b)


def test_arrays_of_futures(client):
    """Blocks are made where the results are; what a function raised is raised; C functions' results are blocks as they are."""
    futures = client.map(divide, range(6), [2.0] * 6)
    ts.wait(futures)
    holders = [address for addresses in client.who_has(futures).values() for address in addresses]
    x = ts.from_futures(futures, shape=(2, 3), dtype=float).persist()
    ts.wait(x)
    assert [address for (address,) in client.who_has(x).values()] == holders
    np.testing.assert_array_equal(x.compute(), np.repeat(np.arange(6) / 2, 2)[:, None] * np.ones(3))
    failing = ts.from_futures([futures[0], client.submit(divide, 1, 0)], shape=(2, 3), dtype=float)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        failing.sum().compute()
    wrong = ts.from_futures(futures, shape=(2, 4), dtype=float)
    with pytest.raises(ValueError, match="shape"):
        wrong.compute()
    numbers = ts.c_task("""
    tsr_status task(int n_args, const tsr_bytes *args, tsr_task_result *result)
    {
        double *x = tsr_task_result_alloc(result, 1000 * sizeof *x);
        for (int i = 0; x && i < 1000; i++) x[i] = *(const int64_t *)args[0].data * 1000 + i;
        return x ? TSR_OK : TSR_ERR_MEMORY;
    }""", dtype=float)
    y = ts.from_futures(client.map(numbers, range(5)))
    assert y.chunks == ((1000,) * 5,) and y.dtype == float
    np.testing.assert_array_equal(y.compute(), np.arange(5000.0))
    z = ts.from_futures(client.map(numbers, range(5)), shape=(20, 50))
    np.testing.assert_array_equal(z.compute(), np.arange(5000.0).reshape(100, 50))
    with pytest.raises(TypeError, match="do not make one array"):
        ts.from_futures([*futures, client.submit(numbers, 1)])


def test_graphs(client):
    graph = {"a": 3, "b": (pow, "a", 2), ("c", 0): (sum, ["a", "b", (inc, "a")]), "alias": ("c", 0), "list": ["a", "b"]}
    assert client.get(graph, "b") == 9 and client.get(graph, ["a", ("c", 0), ["alias", "list"]]) == [3, 16, [16, [3, 9]]]
    assert [f.result() for f in client.get(graph, ["a", "b"], sync=False)] == [3, 9]
    chain = {"k0": 0, **{f"k{i}": (inc, f"k{i - 1}") for i in range(1, 3000)}}
    assert client.get(chain, "k2999") == 2999
    with pytest.raises(ValueError, match="circle"):
        client.get({"a": (inc, "b"), "b": (inc, "a")}, "a")
    with pytest.raises(ZeroDivisionError):
        client.get({"a": (divide, 1, 0), "b": (len, "a")}, "b")


def wait_for_event(name):
    Event(name).wait(60)


def test_looking_at_a_cluster(client, tmp_path):
    assert client.call_stack() == {}
    waiting = client.submit(wait_for_event, "look", key="look")
    try:
        until = time.monotonic() + 30
        while not any("wait_for_event" in line for stacks in client.call_stack().values() for lines in stacks.values() for line in lines):
            assert time.monotonic() < until
        ((address, stacks),) = client.call_stack(keys=["look"]).items()
        assert address in client.nthreads() and list(stacks) == ["look"] and client.call_stack(futures=[]) == {}
        client.dump_cluster_state(str(tmp_path / "dump"))
        state = json.loads((tmp_path / "dump.json").read_text())
        assert len(state["status"]["workers"]) == 2 and state["tasks"]["running"] == 1 and set(state["processing"]) == set(client.nthreads())
        client.dump_cluster_state(tmp_path / "part.yaml", exclude=["status"], format="yaml")
        assert "status" not in json.loads((tmp_path / "part.yaml").read_text())
        with pytest.raises(NotImplementedError, match="msgpack"):
            client.dump_cluster_state(format="msgpack")
    finally:
        Event("look", client=client).set()
    waiting.result(30)


def test_two_threads_import_cloudpickle():
    """A worker's first function may be read while another thread imports what it needs."""
    import cloudpickle

    script = f"""if True:
        import pickle, sys, threading, time
        from tessera import _pickling
        assert "cloudpickle" not in sys.modules
        looked, failed = threading.Event(), []
        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "cloudpickle":
                    looked.set()
                    time.sleep(0.3)
        sys.meta_path.insert(0, Slow())
        threading.excepthook = lambda e: failed.append(e.exc_value)
        first = threading.Thread(target=_pickling.cloudpickle)
        first.start()
        looked.wait()
        value = pickle.loads({cloudpickle.dumps(lambda: 42)!r})()
        first.join()
        print(value, failed)
    """
    path = os.pathsep.join(p for p in sys.path if p)
    for _ in range(4):  # which of the threads is told that they are stuck, and when, differs
        done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, text=True, capture_output=True, timeout=60)
        assert done.stdout == "42 []\n", done.stdout + done.stderr
