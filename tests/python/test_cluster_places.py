"""Where a cluster computes what: work goes to the data, not the data to the work. Bytes between processes are counted."""
import time

import numpy as np
import pytest

import tessera as ts

pytest.importorskip("cloudpickle")

MB = 1 << 20


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="400MiB") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        client.wait_for_workers(2, 60)
        yield client


class Traffic:
    """Bytes that workers get from other processes inside the `with`."""

    def __init__(self, client):
        self.client = client

    def count(self):
        time.sleep(1.5)  # until the workers have reported
        return sum(w["bytes_in"] for w in self.client.status()["workers"])

    def __enter__(self):
        self.before = self.count()
        return self

    def __exit__(self, *_):
        self.bytes = self.count() - self.before


def make(n, value=1.0):
    return np.full(n, value)


def total(*arrays):
    return float(sum(a.sum() for a in arrays))


def where(client, future):
    return list(list(client.who_has([future]).values())[0])


@pytest.mark.parametrize("big_first", [True, False])
def test_a_task_goes_where_most_of_its_bytes_are(client, big_first):
    """Nobody knows how large results of functions will be: what counts is how large they were. One large one outweighs five small ones."""
    one, other = sorted(client.nthreads())
    for at, elsewhere in ((one, other), (other, one)):
        big = client.submit(make, MB, 2.0, workers=[at], pure=False)
        small = [client.submit(make, 1000, float(i), workers=[elsewhere], pure=False) for i in range(5)]
        ts.wait([big, *small])
        with Traffic(client) as traffic:
            for _ in range(4):  # one at a time: of several that wait, some might be done sooner elsewhere
                answer = client.submit(total, *([big, *small] if big_first else [*small, big]), pure=False)
                assert answer.result() == 2.0 * MB + 10_000
                assert where(client, answer) == [at]
        assert traffic.bytes < MB


def test_blocks_of_a_result_are_made_where_their_parts_are(client):
    """Parts of several sizes: what is computed from two arrays moves less than the smaller of them."""
    x = ts.random.default_rng(1).normal(size=(4000, 500), chunks=(500, 500)).persist()
    y = ts.random.default_rng(2).normal(size=(4000, 1), chunks=(1000, 1)).persist()
    ts.wait([x, y])
    with Traffic(client) as traffic:
        z = ((x - y) * 2).persist()
        ts.wait(z)
    assert traffic.bytes < y.nbytes + MB / 4
    np.testing.assert_array_equal(z[::100].compute(), (x[::100].compute() - y[::100].compute()) * 2)


def test_reductions_merge_inside_a_worker_first(client):
    """Of 200 partial sums of 8 kB each, a worker's are one before they leave it."""
    x = ts.random.default_rng(3).normal(size=(12_800, 1000), chunks=(64, 1000)).persist()
    ts.wait(x)
    x.mean(axis=0).compute()  # with programs and maps there
    with Traffic(client) as traffic:
        mean = x.mean(axis=0).compute()
    assert traffic.bytes < 100_000, "a hundred partial sums would be 800 000"
    np.testing.assert_allclose(mean, x.compute().mean(axis=0), atol=1e-12)


def test_a_number_goes_to_the_blocks(client):
    x = ts.random.default_rng(4).normal(size=(4000, 1000), chunks=(250, 1000)).persist()
    factor = client.submit(lambda: 3.0, pure=False)
    ts.wait([x, factor])
    with Traffic(client) as traffic:
        y = (x * ts.from_futures([factor], shape=(1,), dtype=float) - x.mean()).persist()
        ts.wait(y)
    assert traffic.bytes < 200_000
    np.testing.assert_allclose(y[:10].compute(), x[:10].compute() * 3 - x.compute().mean(), atol=1e-12)


def test_sources_wait_for_their_consumers():
    """Results that somebody still has to use are used before more are made: 800 MB go through 200 MB without touching the disk."""
    def slow(block):
        time.sleep(0.01)
        return float(block[0])

    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="100MiB") as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(2, 60)
        made = client.map(make, [MB // 2] * 200, range(200), pure=False)
        used = client.map(slow, made, pure=False)
        del made
        assert sum(client.gather(used)) == sum(range(200))
        time.sleep(1.5)
        assert sum(w["spilled_bytes"] for w in client.status()["workers"]) == 0
