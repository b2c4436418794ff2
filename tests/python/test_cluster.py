"""Clusters from Python: local clusters, arrays on workers, functions in expressions, names, workers that die."""
import io
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import tessera as ts

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        yield client


def field(shape=(24, 40, 60), seed=1):
    return np.random.default_rng(seed).normal(250, 10, shape)


# ---- Sessions -----------------------------------------------------------------------------------------------------------------


def test_the_client_is_the_session_until_it_closes(cluster):
    before = ts.ones(3).session
    client = ts.Client(cluster)
    assert ts.ones(3).session is client
    other = ts.Client(cluster.scheduler_address)
    assert ts.ones(3).session is other
    with ts.Session(threads=1) as inner:
        assert ts.ones(3).session is inner
    quiet = ts.Client(cluster, set_as_default=False)
    assert ts.ones(3).session is other
    with quiet:
        assert ts.ones(3).session is quiet
    assert quiet.closed
    other.close()
    assert ts.ones(3).session is client
    x = ts.ones(3)
    client.close()
    assert ts.ones(3).session is before and client.closed
    with pytest.raises(RuntimeError, match="closed"):
        x.compute()


def test_nobody_answers():
    with pytest.raises(OSError, match="cannot connect to tcp://127.0.0.1:1: Connection refused"):
        ts.Client("tcp://127.0.0.1:1")  # nobody listens on this host, so there is no use in waiting as for another
    with pytest.raises(OSError, match=r"no scheduler has answered in [0-9.]+ s; the last try: cannot connect"):
        ts.Client("127.0.0.1:1", timeout="200ms")
    with pytest.raises(ValueError, match="timeout"):
        ts.Client("tcp://127.0.0.1:1", timeout=0)
    with pytest.raises(TypeError, match="n_workers"):
        ts.Client("tcp://127.0.0.1:1", n_workers=3)


def test_security_options(tmp_path):
    with pytest.raises(ValueError, match="given are only ca_file"):
        ts.Security(ca_file="a.pem")
    assert ts.Security(secret_file="s") == ts.Security(secret_file="s") != ts.Security()


def test_a_secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("only those who know this may come in")
    path.chmod(0o600)
    security = ts.Security(secret_file=path)
    with ts.LocalCluster(n_workers=1, threads_per_worker=1, security=security) as cluster:
        with pytest.raises(OSError):
            ts.Client(cluster.scheduler_address)
        with ts.Client(cluster) as client:
            client.wait_for_workers(1, 30)
            assert ts.arange(10).sum().compute() == 45


# ---- Arrays -------------------------------------------------------------------------------------------------------------------

EXPRESSIONS = [
    lambda x: x.mean(),
    lambda x: x.mean(axis=0),
    lambda x: x.sum(axis=(1, 2)),
    lambda x: (x - x.mean(axis=0)) / x.std(axis=0),
    lambda x: x - x.mean(),
    lambda x: x[3],
    lambda x: x[::-2, 5:20, [1, 3, 2]],
    lambda x: x.rechunk((24, 8, 12)).max(axis=0),
    lambda x: x.transpose(2, 0, 1)[4:9],
    lambda x: ts.concatenate([x, x * 2], axis=1).var(axis=1),
    lambda x: x.cumsum(axis=0),
    lambda x: ts.where(x > 250, x, 0).astype("f4"),
    lambda x: ts.tensordot(x[0], x[1].T, axes=1),
    lambda x: ts.median(x, axis=0),
    lambda x: x[x > 265],
    lambda x: ts.random.default_rng(5).normal(size=(60, 70), chunks=20) + 1,
    lambda x: ts.map_blocks(lambda b: b[::-1] * 2, x, dtype=float),
    lambda x: ts.map_overlap(lambda b: b + np.roll(b, 1, 0), x, depth={0: 1}, boundary="periodic", dtype=float),
    lambda x: x.max() - x.min(),
]


@pytest.mark.parametrize("number", range(len(EXPRESSIONS)))
def test_the_bits_are_those_of_threads(client, number):
    values = field()
    with ts.Session(threads=2):
        expected = np.asarray(EXPRESSIONS[number](ts.from_array(values, chunks=(5, 16, 60))).compute())
    found = np.asarray(EXPRESSIONS[number](ts.from_array(values, chunks=(5, 16, 60))).compute())
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def test_persisted_arrays(client, tmp_path):
    x = ts.random.default_rng(3).normal(size=(400, 500), chunks=100)
    go = tmp_path / "go"

    def when_told(b):
        while not go.exists():
            time.sleep(0.01)
        return b

    kept = ts.map_blocks(when_told, x, dtype=float).persist()
    go.touch()  # so it does not wait for the blocks
    expected = x.compute()
    np.testing.assert_array_equal(kept.compute(), expected)
    np.testing.assert_array_equal((kept - kept.mean()).compute(), expected - np.asarray(kept.mean()))
    a, b = client.persist([kept + 1, kept.sum()])
    assert float(b) == float(kept.sum()) and (a - kept).max().compute() == pytest.approx(1)


def test_waiting_for_persisted_arrays(client, tmp_path):
    calls = str(tmp_path / "calls")

    def slow(block):
        time.sleep(0.2)
        with open(calls, "a") as f:
            f.write(".")
        return block

    y = field()
    x = ts.map_blocks(slow, ts.array(y, chunks=(12, 20, 60)), dtype=y.dtype).persist()
    begun = time.perf_counter()
    with pytest.raises(TimeoutError, match="not there"):
        ts.wait(x, timeout=0.01)
    future = client.submit(pow, 2, 3)
    assert ts.wait([{"a": x + 1}, future]) == ({future}, set())
    assert time.perf_counter() - begun > 0.2
    ts.wait(x, timeout=0)
    n_calls = os.path.getsize(calls)
    np.testing.assert_array_equal(x.compute(), y)
    assert n_calls > 0 and os.path.getsize(calls) == n_calls  # nothing is left to be made
    bad = ts.map_blocks(lambda b: b / {}["nothing"], ts.array(y, chunks=(12, 20, 60)), dtype=y.dtype).persist()
    with pytest.raises(KeyError, match="nothing"):
        ts.wait([x, bad])
    with pytest.raises(ValueError, match="persist it first"):
        ts.wait(ts.ones(3))
    with pytest.raises(ValueError, match="waited for together"):
        ts.wait(x, return_when="FIRST_COMPLETED")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def slowly(block):
    time.sleep(0.05)
    return block + 1


def test_progress_by_stage(client):
    until = time.monotonic() + 10
    while client.status()["jobs"] and time.monotonic() < until:  # those of earlier tests go
        time.sleep(0.05)
    x = ts.map_blocks(slowly, ts.random.default_rng(3).normal(size=(12, 500), chunks=(1, 500)), dtype=float)
    y = (x - x.mean(axis=0)).persist()
    out = Terminal()
    ts.progress(y, out=out)
    pictures = re.split(r"\x1b\[\dF", out.getvalue())  # three lines over the last ones, which were one while it was planned
    names = [[line.split()[0].removeprefix("\x1b[K") for line in picture.splitlines()] for picture in pictures if "slowly" in picture]
    assert names and all(n == ["slowly", "mean", "subtract"] for n in names)
    assert "12/12" in pictures[-1] and re.search(r"subtract +\[#{30}\] 1/1", pictures[-1])
    counts = [int(re.search(r"slowly.*?(\d+)/12", picture)[1]) for picture in pictures if "slowly" in picture]
    assert counts == sorted(counts) and counts[-1] == 12
    job = next(job for job in client.status()["jobs"] if [s["name"] for s in job["stages"]] == ["slowly", "mean", "subtract"])
    assert sum(stage["tasks_total"] for stage in job["stages"]) == job["tasks_total"]
    plain = io.StringIO()
    z = (ts.map_blocks(slowly, x, dtype=float) * 2).persist()
    ts.progress({"z": z}, out=plain)
    assert "\x1b" not in plain.getvalue() and [line.split()[0] for line in plain.getvalue().splitlines()] == ["slowly", "slowly", "multiply"]


def used(pid):
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS")), 0)


def test_loops_of_persisted_arrays():
    """Blocks of earlier generations go, but a worker that is killed costs nothing but time."""
    def step(x):
        return x * 0.5 + (0.25 + x.mean() * 1e-3)

    n_steps, rows, most = 200, 8192, 0
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        x = ts.random.default_rng(3).uniform(size=(rows, 1024), chunks=(rows // 8, 1024)).persist()
        for i in range(n_steps):
            x = step(x).persist()
            ts.wait(x)
            if i == 60:
                os.kill(cluster.pids[0], signal.SIGKILL)
            if i < 60 and i % 10 == 9:
                most = max(most, *map(used, cluster.pids))
                assert all(w["spilled_bytes"] == 0 for w in client.status()["workers"])
            if i == 100:
                spilled = sum(w["spilled_bytes"] for w in client.status()["workers"])
        assert most < 200 << 20
        assert sum(w["spilled_bytes"] for w in client.status()["workers"]) <= spilled  # what there is, making again took
        found = x.compute()
        del x
    with ts.Session(threads=2):
        x = ts.random.default_rng(3).uniform(size=(rows, 1024), chunks=(rows // 8, 1024)).persist()
        for _ in range(n_steps):
            x = step(x).persist()
        assert found.tobytes() == x.compute().tobytes()


def test_profiles(client):
    x = ts.map_blocks(slowly, ts.random.default_rng(5).normal(size=(20, 500), chunks=(1, 500)), dtype=float)
    with ts.Profiler() as profile:
        kept = (x - x.mean(axis=0)).persist()
        ts.wait(kept)
        time.sleep(0.3)  # until the workers have reported
    by_stage = {}
    for task in profile.tasks:
        assert 0 <= task.start < task.end <= profile.seconds
        by_stage[task.stage] = by_stage.get(task.stage, 0) + task.block
    assert by_stage["slowly"] == 20 and by_stage["mean"] == 1
    assert sum(t.end - t.start for t in profile.tasks if t.stage == "slowly") > 0.3  # 20 tasks of 0.05 s, on two workers
    assert set(profile.workers) >= {w["name"] for w in client.status()["workers"]} and max(b for _, b in profile.memory) > 0
    assert "slowly" in profile.to_html() and "slowly" in profile._repr_html_() and str(len(profile.tasks)) in repr(profile)
    with ts.Profiler() as nothing:
        pass
    assert nothing.tasks == []  # what was made before does not count


def test_many_at_once(client):
    x = ts.arange(1000, chunks=100)
    assert ts.compute(x.sum(), x.max(), 7) == (499500, 999, 7)


def test_futures_of_arrays(client):
    x = ts.arange(1000, chunks=100)
    future = client.compute(x.sum())
    assert future.result(30) == 499500 and future.done() and future.status == "finished" and future.exception() is None
    assert client.compute([x.min(), x.max()], sync=True) == [0, 999]
    failing = client.compute(ts.map_blocks(fails_in_block_3, x, dtype=int))
    with pytest.raises(ZeroDivisionError):
        failing.result(30)
    assert failing.status == "error"


def fails_in_block_3(block, block_id=None):
    if block_id == (3,):
        return block // inner_reason(0)
    return block


def inner_reason(zero):
    return 1 // zero


def test_exceptions_say_where(client):
    x = ts.map_blocks(fails_in_block_3, ts.arange(1000, chunks=100), dtype=int)
    with pytest.raises(ZeroDivisionError, match="division") as caught:
        x.compute()
    notes = "".join(getattr(caught.value, "__notes__", ()))
    assert "inner_reason" in notes and "test_cluster.py" in notes and "fails_in_block_3" in notes and "3" in notes
    assert ts.arange(5).sum().compute() == 10  # nothing stays broken


class Own(Exception):
    pass


def raises_own(block):
    raise Own("mine")


def test_exceptions_of_ones_own_type(client):
    with pytest.raises(Own, match="mine"):
        ts.map_blocks(raises_own, ts.arange(4, chunks=2), dtype=int).persist().compute()


def test_functions_are_sent_by_value(client):
    factor = np.arange(4.0)
    x = ts.map_blocks(lambda b, power: b ** power * factor, ts.ones((2, 4), chunks=(1, 4)) * 3, 2, dtype=float)
    np.testing.assert_array_equal(x.compute(), np.full((2, 4), 9) * factor)
    made = ts.map_blocks(lambda block_info=None: np.full(3, block_info[None]["chunk-location"][0]), chunks=((3, 3),), dtype=int)
    np.testing.assert_array_equal(made.compute(), [0, 0, 0, 1, 1, 1])
    pids = ts.map_blocks(lambda b: b * 0 + os.getpid(), ts.zeros(8, dtype=int, chunks=1), dtype=int).compute()
    assert os.getpid() not in pids


def test_c_functions(client):
    twice = ts.c_function("""
        tsr_status block(void *context, int n, const tsr_block *in, const tsr_block *out)
        {
            for (int64_t i = 0; i < out->shape[0]; i++) ((double *)out->data)[i] = 2 * ((const double *)in->data)[i];
            return TSR_OK;
        }""")
    x = ts.arange(100.0, chunks=9)
    np.testing.assert_array_equal(ts.map_blocks(twice, x, dtype=float).compute(), np.arange(100.0) * 2)


def test_numba_functions(client):
    pytest.importorskip("numba")

    @ts.numba_function("float64[:], float64[:]")
    def halved(block, out):
        out[:] = block / 2

    x = ts.arange(100.0, chunks=30)
    np.testing.assert_array_equal(ts.map_blocks(halved, x, dtype=float).compute(), np.arange(100.0) / 2)


def test_files(client, tmp_path):
    x = ts.random.default_rng(1).normal(size=(60, 70), chunks=20)
    ts.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x.compute())
    ts.save(tmp_path / "x.nc", x=x)
    y = ts.open_array(str(tmp_path / "x.nc"), "x")
    np.testing.assert_array_equal((y * 2).compute(), x.compute() * 2)
    target = np.zeros((60, 70))
    ts.store(x, target)
    np.testing.assert_array_equal(target, x.compute())


def test_things_that_are_read_by_slices(client):
    class Slices:
        shape, dtype = (10, 6), np.dtype(float)

        def __getitem__(self, region):
            return np.arange(60.0).reshape(10, 6)[region]

    x = ts.from_array(Slices(), chunks=(3, 6))
    np.testing.assert_array_equal((x + 1).compute(), np.arange(60.0).reshape(10, 6) + 1)


def test_pickled_arrays(client):
    x = ts.arange(10, chunks=3) * 2
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).compute(), np.arange(10) * 2)


def test_cancelling(client):
    slow = ts.map_blocks(lambda b: (time.sleep(0.2), b)[1], ts.arange(2000, chunks=1), dtype=int)
    is_over = threading.Event()

    def cancel():
        while not is_over.wait(0.5):  # what is not begun yet is not cancelled
            client.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    began = time.perf_counter()
    with pytest.raises(ts.CancelledError):
        slow.compute()
    assert time.perf_counter() - began < 100  # of 200
    is_over.set()
    thread.join()


# ---- Names and the state of the cluster ---------------------------------------------------------------------------------------


def test_what_the_cluster_says(cluster, client):
    info = client.scheduler_info()
    assert info["type"] == "Scheduler" and len(info["workers"]) == 2 and info["address"] == cluster.scheduler_address
    assert set(client.nthreads().values()) == {1}
    assert sorted(w["name"] for w in info["workers"].values()) == ["worker-1", "worker-2"]
    assert all(w["memory_limit"] == 256 * 2**20 for w in info["workers"].values())
    assert client.nthreads("worker-1") == {a: 1 for a, w in info["workers"].items() if w["name"] == "worker-1"}
    text = repr(client)
    assert cluster.scheduler_address in text and "processes=2 threads=2" in text
    page = client._repr_html_()
    assert "worker-1" in page and "white" not in page and "black" not in page and "#fff" not in page
    assert cluster.scheduler_address in repr(cluster) and "workers=2" in repr(cluster)
    with pytest.raises(TimeoutError):
        client.wait_for_workers(3, timeout=0.2)


# ---- Processes ------------------------------------------------------------------------------------------------------------------


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids, seconds=60):
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_close_leaves_no_process():
    cluster = ts.LocalCluster(n_workers=3, threads_per_worker=1)
    pids = cluster.pids
    assert len(pids) == 3 and all(map(alive, pids))
    cluster.close()
    assert not any(map(alive, pids)) and cluster.pids == []
    cluster.close()


def test_workers_end_with_a_program_that_is_killed(tmp_path):
    program = textwrap.dedent("""
        import time, tessera as ts
        cluster = ts.LocalCluster(n_workers=2, threads_per_worker=1)
        print(*cluster.pids, flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        pids = list(map(int, parent.stdout.readline().split()))
        assert len(pids) == 2 and all(map(alive, pids))
        parent.kill()
    assert gone(pids)


def test_workers_end_with_a_program_that_ends(tmp_path):
    program = "import tessera as ts; c = ts.Client(n_workers=2, threads_per_worker=1); print(ts.ones(3).sum().compute()); print(*c.cluster.pids)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0] == "3.0", done.stderr
    assert gone(list(map(int, lines[1].split())))
    assert done.stderr == ""


def test_the_first_result_comes_soon():
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with ts.Client(n_workers=2, threads_per_worker=1):
            assert ts.ones((100, 100), chunks=50).sum().compute() == 10000
            times.append(time.perf_counter() - began)
    assert min(times) < 10, times  # 0.4 s on an idle machine


def test_the_first_function_does_not_wait_for_numpy():
    program = """
        import sys, types
        from importlib.machinery import SourceFileLoader
        worker = sys.modules["tessera._worker"] = types.ModuleType("tessera._worker")
        worker.__file__ = sys.argv[1]
        SourceFileLoader("tessera._worker", sys.argv[1]).exec_module(worker)
        tasks = worker._ready()
        assert "numpy" not in sys.modules and "tessera" not in sys.modules, "what runs functions imports too much"
        import tessera as ts
        assert ts.get_worker and sys.modules["tessera._tasks"] is tasks
        print(float(ts.ones((3, 4)).sum()))
        """
    worker = os.path.join(os.path.dirname(ts.__file__), "_worker.py")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), worker], capture_output=True, text=True, timeout=60)
    assert done.stdout == "12.0\n", done.stderr


def test_workers_in_this_process():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, processes=False) as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        x = ts.map_blocks(lambda b: b + 1, ts.arange(10, chunks=3), dtype=int)
        assert x.sum().compute() == 55 and cluster.pids == []


def test_more_workers(client, cluster):
    with ts.LocalCluster(n_workers=1, threads_per_worker=1) as small, ts.Client(small) as other:
        other.wait_for_workers(1, 30)
        x = ts.ones((100, 100), chunks=10).persist()
        small.scale(2)
        other.wait_for_workers(2, 30)
        assert x.sum().compute() == 10000
        other.retire_workers(["worker-1"])
        until = time.monotonic() + 60
        while len(other.nthreads()) > 1 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(other.nthreads()) == 1
        assert (x + 1).sum().compute() == 20000


def test_a_worker_leaves_in_good_order():
    """A signal ends it after the other one has fetched what only it had: no block is made again."""
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, restarts=False) as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        values = np.random.default_rng(3).normal(size=(800, 500))
        x = (ts.array(values, chunks=(50, 100)) * 2 + 1).persist()
        ts.wait(x)
        results = client.map(lambda i: (i, os.getpid()), range(40), pure=False)
        made_by = client.gather(results)
        leaving, staying = cluster.pids
        assert {pid for _, pid in made_by} == {leaving, staying}
        child = next(c for c in cluster._children if c.pid == leaving)
        until = time.monotonic() + 60
        while sum(w["tasks_done"] for w in client.status()["workers"]) <= 40 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.6)  # until both have reported all
        of_worker = {w["name"]: w["tasks_done"] for w in client.status()["workers"]}
        os.kill(leaving, signal.SIGTERM)
        assert child.wait(60) == 0
        while len(client.nthreads()) > 1 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.6)  # until it has reported
        (last,) = client.status()["workers"]
        assert sum(of_worker.values()) > 40 and last["tasks_done"] == of_worker[last["name"]]
        assert client.gather(results) == made_by
        np.testing.assert_array_equal(x.compute(), values * 2 + 1)


def test_a_worker_that_cannot_leave_in_time(tmp_path):
    """A function that does not end holds the worker up for as long as it was given, or until the second signal."""
    with ts.LocalCluster(n_workers=0) as cluster, ts.Client(cluster) as client:
        for grace, signals in ((1, 1), (1000, 2)):
            worker = subprocess.Popen([sys.executable, "-m", "tessera", "worker", cluster.scheduler_address, "--threads", "1", f"--grace={grace}",
                                       f"--log-file={tmp_path / 'log'}"], stdout=subprocess.DEVNULL)
            client.wait_for_workers(1, 60)
            began = tmp_path / f"began{grace}"
            future = client.submit(lambda path: (open(path, "w").close(), time.sleep(1000)), str(began))
            until = time.monotonic() + 60
            while not began.exists() and time.monotonic() < until:
                time.sleep(0.02)
            worker.terminate()
            if signals > 1:
                time.sleep(0.5)
                assert worker.poll() is None
                worker.terminate()
            assert worker.wait(60) == 0
            future.cancel()
            while client.nthreads() and time.monotonic() < until:
                time.sleep(0.02)
        assert (tmp_path / "log").read_text().count("not everything that this worker has was taken over") == 2


def test_shutdown():
    cluster = ts.LocalCluster(n_workers=2, threads_per_worker=1)
    pids = cluster.pids
    client = ts.Client(cluster)
    client.wait_for_workers(2, 30)
    client.shutdown()
    assert client.closed and gone(pids)
    cluster.close()


def test_workers_are_replaced():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        before = cluster.pids
        time.sleep(1.1)
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 60
        while (cluster.pids == before or len(client.nthreads()) < 2 or cluster.n_running < 2) and time.monotonic() < until:
            time.sleep(0.02)
        assert len(set(cluster.pids) - set(before)) == 1 and len(client.nthreads()) == 2
        client.retire_workers([w["name"] for w in client.status()["workers"]][:1])
        while cluster.n_running > 1 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)
        assert cluster.n_running == 1  # one that was asked to end is not
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, restarts=False) as cluster, ts.Client(cluster) as client:
        os.kill(cluster.pids[0], signal.SIGKILL)
        until = time.monotonic() + 60
        while len(client.nthreads()) > 1 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        assert cluster.n_running == 1


def test_workers_that_cannot_start(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="workers of .* have ended"):
        ts.Client(n_workers=2, scratch=str(tmp_path / "nowhere" / "at-all"), resources={"GPU": -1})


@pytest.mark.parametrize("persisted", [False, True])
def test_a_worker_is_killed(persisted):
    with ts.LocalCluster(n_workers=3, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(3, 30)
        x = ts.random.default_rng(2).normal(size=(300, 400), chunks=50)
        slow = ts.map_blocks(lambda b: (time.sleep(0.03), b)[1], x, dtype=float)
        if persisted:
            slow = slow.persist()
        threading.Timer(0.4, os.kill, (cluster.pids[1], signal.SIGKILL)).start()
        found = (slow - slow.mean(axis=0)).compute()
        time.sleep(0.5)
        again = slow.sum(axis=1).compute()
    with ts.Session(threads=2):
        x = ts.random.default_rng(2).normal(size=(300, 400), chunks=50)
        assert found.tobytes() == (x - x.mean(axis=0)).compute().tobytes()
        assert again.tobytes() == x.sum(axis=1).compute().tobytes()


def test_the_programs(tmp_path):
    """python -m tessera scheduler and worker, as on a cluster of machines."""
    scheduler = subprocess.Popen([sys.executable, "-m", "tessera", "scheduler", "--listen", "tcp://127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                                 stderr=subprocess.PIPE)
    try:
        address = scheduler.stdout.readline().strip()
        worker = subprocess.Popen([sys.executable, "-m", "tessera", "worker", address, "--name", "only", "--threads", "1", "--log-format=json",
                                   f"--log-file={tmp_path / 'log'}"], stdout=subprocess.PIPE, text=True)
        try:
            with ts.Client(address) as client:
                client.wait_for_workers(1, 30)
                assert ts.map_blocks(lambda b: b * 2, ts.arange(10, chunks=3), dtype=int).sum().compute() == 90
                assert list(client.scheduler_info()["workers"].values())[0]["name"] == "only"
        finally:
            worker.terminate()
            assert worker.wait(60) == 0
            worker.stdout.close()
        assert '"role": "worker"' in (tmp_path / "log").read_text()
    finally:
        scheduler.terminate()
        assert scheduler.wait(60) == 0
        scheduler.stdout.close()
        assert "listening on" in scheduler.stderr.read()
        scheduler.stderr.close()
    wrong = subprocess.run([sys.executable, "-m", "tessera", "cook"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "usage" in wrong.stderr


# ---- The write-ups ----------------------------------------------------------------------------------------------------------------


def test_a_stack_of_images(client):
    """Workflow 5: a stack of frames from functions, Numba-like functions of blocks, a transpose by rechunking, FFTs along time."""
    def frame(i):
        return np.random.default_rng(i).integers(0, 255, (40, 50), dtype=np.uint8)

    stack = ts.stack([ts.from_delayed(lambda i=i: frame(i), (40, 50), np.uint8) for i in range(30)])
    assert stack.shape == (30, 40, 50)
    x = stack.rechunk((10, 40, 50)).persist()
    expected = np.stack([frame(i) for i in range(30)])
    np.testing.assert_array_equal(x.compute(), expected)
    series = x.rechunk((-1, 10, 10))
    spectrum = ts.map_blocks(lambda b: np.abs(np.fft.fft(b, axis=0)), series, dtype=float)
    np.testing.assert_allclose(spectrum.compute(), np.abs(np.fft.fft(expected, axis=0)))


def test_real_data(client, shared_data):
    path = str(shared_data / "eraint_uvz.nc")
    u = ts.open_dataset(path)["u"].data
    with ts.Session(threads=2):
        expected = np.asarray(ts.open_dataset(path)["u"].data.mean(axis=0).compute())
    assert np.asarray(u.persist().mean(axis=0).compute()).tobytes() == expected.tobytes()


def test_rules_of_tasks_are_not_for_arrays(client):
    x = ts.ones((4, 4))
    assert client.compute(x, sync=True, optimize_graph=False, retries=0).sum() == 16
    for method in (client.persist, client.compute):
        with pytest.raises(NotImplementedError, match="workers= is for functions"):
            method(x, workers=["worker-1"])
        with pytest.raises(TypeError, match="unexpected keyword argument 'retires'"):
            method(x, retires=3)


def test_workers_without_python():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, python=False) as cluster, ts.Client(cluster) as client:
        x = ts.random.default_rng(1).normal(size=(200, 300), chunks=100)
        expected = x.std(axis=0).compute()
        with ts.Session(threads=1):
            assert expected.tobytes() == ts.random.default_rng(1).normal(size=(200, 300), chunks=100).std(axis=0).compute().tobytes()
        with pytest.raises((NotImplementedError, RuntimeError)):
            ts.map_blocks(lambda b: b, x, dtype=float).sum().compute()
        with pytest.raises(ValueError, match="no such worker"):
            client.run(os.getpid)
        pids = cluster.pids
    assert gone(pids)


# ---- Selections whose length a function decides -----------------------------------------------------------------------------------


def ends(block):
    os.abort()


def test_what_functions_do_wrong(client):
    x = ts.ones(10, chunks=5)
    for session in (client, ts.Session(threads=1)):
        with session.as_current() if session is client else session:
            with pytest.raises(ValueError, match=r"the function returned the shape \(2,\) where \(5,\) was expected"):
                ts.map_blocks(lambda b: b[:2], ts.ones(10, chunks=5), dtype=float).compute()
    with pytest.raises(RecursionError):
        ts.map_blocks(lambda b: (lambda f: f(f))(lambda f: f(f)), x, dtype=float).compute()
    assert float(x.sum()) == 10


def test_a_block_that_ends_its_workers():
    with ts.Client(n_workers=2, threads_per_worker=1) as client:
        with pytest.raises(ts.KilledWorker, match=r"\(ends\), block [01]: 3 workers were lost while they worked on it: worker-\d, ") as caught:
            ts.map_blocks(ends, ts.ones(10, chunks=5), dtype=float).compute()
        assert str(caught.value).count("; the log of worker-") == 3
        assert client.submit(pow, 2, 5).result(30) == 32


def test_what_functions_print_is_seen():
    program = "import tessera as ts\nwith ts.Client(n_workers=1, threads_per_worker=1) as c: c.submit(print, 'printed there').result(30); print('here')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "printed there\nhere\n", done.stderr


class OddBlock(Exception):
    pass


def fails(block):
    raise OddBlock("this block is odd")


@pytest.mark.parametrize("where", ["threads", "cluster"])
@pytest.mark.parametrize("use", [
    lambda x, mask: x[mask].compute(), lambda x, mask: x[mask][::2], lambda x, mask: x[mask][0], lambda x, mask: x[mask][[0, 1]],
    lambda x, mask: x[mask].reshape(-1, 1), lambda x, mask: ts.concatenate([x[mask], x]).compute(), lambda x, mask: x[mask].rechunk(2).compute(),
    lambda x, mask: (x[mask] + x[:3]).compute(), lambda x, mask: x[mask].shape, lambda x, mask: ts.take(x[mask], [0]),
    lambda x, mask: ts.percentile(x[mask], 50).compute(), lambda x, mask: ts.cumsum(x[mask]).compute(), lambda x, mask: ts.nonzero(mask)[0].compute(),
    lambda x, mask: ts.explain(x[mask]), lambda x, mask: pickle.dumps(x[mask]), lambda x, mask: ts.map_blocks(abs, x[mask], dtype=float).compute(),
])
def test_functions_of_masks_that_fail(client, where, use):
    with ts.Session(threads=2) if where == "threads" else client:
        x = ts.arange(20.0, chunks=5)
        with pytest.raises(OddBlock, match="this block is odd") as raised:
            use(x, ts.map_blocks(fails, x, dtype=bool))
        assert "fails" in "".join(raised.value.__notes__) and "block (" in "".join(raised.value.__notes__)
        with pytest.raises(ZeroDivisionError):  # an exception is told once
            ts.map_blocks(lambda b: 1 // 0, x, dtype=float).compute()


HOLDER = """
import ctypes, subprocess, sys
import tessera as ts

class Descriptor(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("found", ctypes.c_short)]

with ts.LocalCluster(n_workers=1, threads_per_worker=1, log_level="debug") as cluster:
    program = "import sys, tessera as ts; client = ts.Client(sys.argv[1]); print(ts.ones(3).sum().compute(), flush=True)"
    other = subprocess.Popen([sys.executable, "-c", program, cluster.scheduler_address], stdout=subprocess.PIPE, text=True)
    said = Descriptor(other.stdout.fileno(), 1, 0)
    print(ctypes.PyDLL(None).poll(ctypes.byref(said), 1, 60_000), other.stdout.readline())  # PyDLL keeps Python's lock
    other.wait()
"""


def test_a_program_that_holds_the_lock_of_python():
    """Its scheduler goes on, and writes its log: another program connects and computes meanwhile."""
    done = subprocess.run([sys.executable, "-c", HOLDER], capture_output=True, text=True, timeout=200)
    assert done.stdout.split() == ["1", "3.0"], done.stderr
    assert " debug scheduler[" in done.stderr
