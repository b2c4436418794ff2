"""What people did with Dask on clusters, line by line: temperatures of a year of files, arrays scattered from here, a stack of images."""
import io
import threading
import time
import weakref

import numpy as np
import pytest

import tessera as ts
from tessera.distributed import Client, as_completed, progress, wait

pytest.importorskip("cloudpickle")
netCDF4 = pytest.importorskip("netCDF4")


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def filenames(tmp_path_factory):
    """Packed NetCDF-3 files, one a day."""
    folder, rng, paths = tmp_path_factory.mktemp("days"), np.random.default_rng(1), []
    for day in range(8):
        paths.append(str(folder / f"2014-01-{day + 1:02}.nc"))
        with netCDF4.Dataset(paths[-1], "w", format="NETCDF3_CLASSIC") as f:
            for name, n in (("time", 4), ("latitude", 21), ("longitude", 40)):
                f.createDimension(name, n)
            v = f.createVariable("t2m", "i2", ("time", "latitude", "longitude"))
            v.scale_factor, v.add_offset = 0.01, 250.0
            v[:] = rng.normal(260, 3, (4, 21, 40))
    return paths


def load_temperature(path):
    import netCDF4

    with netCDF4.Dataset(path) as f:
        return f.variables["t2m"][:]


def test_climate(client, filenames):
    futures = client.map(load_temperature, filenames)
    out = io.StringIO()
    progress(futures, out=out)
    assert "load_temperature" in out.getvalue() and "8/8" in out.getvalue()
    expected = np.concatenate([load_temperature(name) for name in filenames])
    xs = [ts.from_futures([future]) for future in futures]
    for x in (ts.from_futures(futures), ts.concatenate(xs, axis=0)):
        assert x.shape == (32, 21, 40) and x.chunks[0] == (4,) * 8
        assert x[0, 0, 0].compute() == expected[0, 0, 0]
        np.testing.assert_array_equal(x[20, :, :].compute(), expected[20])
        assert x.mean().compute() == pytest.approx(expected.mean())
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    z = client.persist(z)
    out = io.StringIO()
    progress(z, out=out)
    assert {line.split()[0] for line in out.getvalue().splitlines()} >= {"mean", "divide"} or not out.getvalue()  # it may have been made by then
    scores = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(z[slice(3, 7)].compute(), scores[3:7], atol=1e-9)
    np.testing.assert_allclose(z[5].mean(axis=1).compute(), scores[5].mean(axis=1), atol=1e-9)
    for opened in (ts.open_mfdataset(filenames, "time"), ts.open_dataset(filenames, concat_dim="time")):  # nobody has to write load_temperature
        np.testing.assert_allclose(opened["t2m"].data.compute(), expected, atol=1e-9)


def test_first_experiment(client, filenames):
    assert sum(client.ncores().values()) == 2 and not client.who_has([])
    futures = []
    for name in filenames:
        futures += client.scatter([load_temperature(name)])
    everywhere, kept = client.who_has(), client.has_what()
    assert all(future.key in everywhere for future in futures), "by the same names, also before anybody has asked for them"
    assert sorted(key for keys in kept.values() for key in keys) == sorted(everywhere)
    assert {len(addresses) for addresses in client.who_has(futures).values()} == {1}
    x = ts.concatenate([ts.from_delayed(future, shape=(4, 21, 40), dtype=float) for future in futures])
    assert x.chunks[0] == (4,) * 8 and x[9, 2, 3].compute() == load_temperature(filenames[2])[1, 2, 3]
    x = ts.from_futures(futures, shape=(4, 21, 40), dtype=float)
    expected = np.concatenate([load_temperature(name) for name in filenames])
    assert x.nbytes == expected.nbytes
    assert x.sum().compute() == pytest.approx(expected.sum())
    np.testing.assert_allclose(x.mean(axis=[1, 2]).compute(), expected.mean(axis=(1, 2)))
    np.testing.assert_allclose(x.mean(axis=0).compute(), expected.mean(axis=0))
    np.testing.assert_allclose((x - x.mean()).compute(), expected - expected.mean(), atol=1e-9)
    kept = client.persist(x)
    client.publish_dataset(kept, name="experiment")
    assert "experiment" in client.datasets and client.datasets["experiment"].shape == x.shape
    del client.datasets["experiment"]
    assert list(client.datasets) == []
    wait(kept)
    blocks = client.who_has(kept)
    assert blocks and {address for (address,) in blocks.values()} <= set(client.nthreads())
    assert all(key in client.has_what()[address] for key, (address,) in blocks.items())


def test_futures_of_arrays_go_where_others_go(client):
    x = ts.arange(1000.0, chunks=100).persist()
    total, largest, plain = *client.compute([x.sum(), x.max()]), client.submit(abs, -5)
    assert client.gather([total, {"a": largest, "b": plain}]) == [499500.0, {"a": 999.0, "b": 5}]
    assert wait([total, largest, plain], timeout=30).done == {total, largest, plain}
    assert sorted(future.result() for future in as_completed([total, largest, plain])) == [5, 999.0, 499500.0]
    assert client.submit(lambda a, b: a + b, total, plain).result(30) == 499505.0
    assert client.gather(x) is x
    failing = client.compute(ts.map_blocks(lambda b: b / {}["none"], x, dtype=float))
    assert client.gather([failing, plain], errors="skip") == [5]
    with pytest.raises(KeyError, match="none"):
        client.gather([failing, plain])
    assert wait([failing, plain], timeout=30, return_when="FIRST_EXCEPTION").done
    slow = client.compute(ts.map_blocks(lambda b: __import__("time").sleep(0.3) or b, x, dtype=float))
    with pytest.raises(TimeoutError, match="1 futures"):
        wait([slow], timeout=0.05)
    client.cancel(slow)
    assert slow.cancelled()
    with pytest.raises(TypeError, match="futures of functions"):
        client.retry(total)


def test_image_stack(client):
    dask = pytest.importorskip("dask")
    numba = pytest.importorskip("numba")

    def image(i):
        return np.random.default_rng(i).integers(0, 255, (60, 80), dtype=np.uint8)

    imread = dask.delayed(image, pure=True)
    stack = ts.stack([ts.from_delayed(imread(i), dtype=np.uint8, shape=(60, 80)) for i in range(20)], axis=0)
    assert stack.shape == (20, 60, 80) and stack.chunks[0] == (1,) * 20
    stack = stack.rechunk((5, 60, 80))
    expected = np.stack([image(i) for i in range(20)])
    np.testing.assert_array_equal(stack[7, :, :].compute(), expected[7])
    stack = client.persist(stack)
    np.testing.assert_allclose(stack.mean(axis=[1, 2]).compute(), expected.mean(axis=(1, 2)))
    np.testing.assert_allclose(stack.mean(axis=0).compute(), expected.mean(axis=0))

    @numba.jit(nogil=True)
    def centroid(im):
        total = x = y = 0
        for i in range(im.shape[0]):
            for j in range(im.shape[1]):
                total += im[i, j]
                x += i * im[i, j]
                y += j * im[i, j]
        return x // total, y // total

    def recenter_block(block):
        made = []
        for im in block:
            x, y = centroid(im)
            x, y = min(max(x, 20), 40), min(max(y, 20), 60)
            made.append(im[x - 20:x + 20, y - 20:y + 20])
        return np.stack(made)

    recentered = client.persist(stack.map_blocks(recenter_block, chunks=(5, 40, 40), dtype=stack.dtype))
    frames = recenter_block(expected)
    rechunked = recentered.rechunk((20, 10, 10))
    x = ts.fft.fft(rechunked, axis=0)
    power = client.persist(abs(x ** 2).astype("float32"), optimize_graph=False)
    np.testing.assert_allclose(power.compute(), (abs(np.fft.fft(frames, axis=0)) ** 2).astype("float32"), rtol=1e-5)
    assert (1 + power[:, 20, 20].compute()).shape == (20,)


def test_closing_while_other_threads_wait(cluster):
    """They hear of it; nothing is used that is gone."""
    client = Client(cluster, set_as_default=False)
    heard = []

    def waits(call):
        try:
            call()
        except Exception as error:
            heard.append(type(error).__name__)

    with client:
        x = ts.map_blocks(lambda b: __import__("time").sleep(0.5) or b, ts.arange(40.0, chunks=1), dtype=float)
        never = client.submit(__import__("time").sleep, 5)
        threads = [threading.Thread(target=waits, args=(call,)) for call in (lambda: x.sum().compute(), never.result, lambda: wait([never]))]
        for thread in threads:
            thread.start()
        __import__("time").sleep(0.3)
    for thread in threads:
        thread.join(20)
    assert heard == ["CancelledError"] * 3


def test_a_client_that_goes_with_its_last_callback(cluster):
    """On the thread that calls it, for which closing a client waits."""
    client, said = Client(cluster, set_as_default=False), threading.Event()
    gone, future = weakref.ref(client), client.submit(time.sleep, 0.3, pure=False)
    future.add_done_callback(lambda f: said.set())
    del client, future
    assert said.wait(30)
    until = time.monotonic() + 30
    while (gone() is not None or any(t.name == "tessera end" for t in threading.enumerate())) and time.monotonic() < until:
        time.sleep(0.02)
    assert gone() is None
