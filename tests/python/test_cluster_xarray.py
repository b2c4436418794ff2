"""xarray on a cluster: files that xarray opens are read by the workers."""
import os

import numpy as np
import pytest

import tessera as ts

pytest.importorskip("cloudpickle")
xr = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")


@pytest.fixture(scope="module")
def client():
    with ts.Client(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as client:
        yield client


@pytest.fixture(autouse=True)
def manager(tmp_path, monkeypatch):
    """The entry point, as an installed package has it."""
    info = tmp_path / "tessera-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tessera\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[xarray.chunkmanagers]\ntessera = tessera._xarray:TesseraManager\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from xarray.namedarray.parallelcompat import list_chunkmanagers

    list_chunkmanagers.cache_clear()
    with xr.set_options(chunk_manager="tessera"):
        yield
    list_chunkmanagers.cache_clear()


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(1)
    data = xr.Dataset({"t": (("time", "y", "x"), rng.normal(280, 10, (24, 30, 40)))}, coords={"time": np.arange(24), "x": np.linspace(0, 1, 40)})
    data.to_netcdf(tmp_path / "t.nc")
    return tmp_path / "t.nc"


def test_files_that_xarray_opens(client, path):
    with xr.open_dataset(path, chunks={"time": 6}, chunked_array_type="tessera") as d, xr.open_dataset(path) as expected:
        assert isinstance(d.t.data, ts.Array) and d.t.data.session is client
        xr.testing.assert_allclose(d.t.mean("time").compute(), expected.t.mean("time"))
        anomaly = (d.t - d.t.mean("time")).persist()
        xr.testing.assert_allclose(anomaly.isel(time=3).compute(), (expected.t - expected.t.mean("time")).isel(time=3))
        xr.testing.assert_allclose(d.t.groupby(d.time % 4).mean().compute(), expected.t.groupby(expected.time % 4).mean())


def test_datasets(client, path, tmp_path):
    t = ts.open_dataset(str(path))["t"]
    ts.Dataset(a=t - t.mean("time")).to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as a, xr.open_dataset(path) as expected:
        np.testing.assert_allclose(a.a.values, (expected.t - expected.t.mean("time")).values, atol=1e-10)
    assert os.listdir(tmp_path).count("a.nc") == 1
