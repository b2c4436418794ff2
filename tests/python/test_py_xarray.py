"""The Python package inside xarray: arrays stay lazy through its operations."""
import numpy as np
import pytest

import tessera as ts

xr = pytest.importorskip("xarray")

VALUES = np.arange(48.0).reshape(6, 8)


@pytest.fixture(autouse=True)
def manager(tmp_path, monkeypatch):
    """The entry point, as an installed package has it, and xarray's option that Tessera makes chunks: without it xarray takes Dask where Dask
    is installed too, also to chunk an array of ours again."""
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
def both():
    coords = {"y": np.arange(6), "x": np.linspace(0, 1, 8)}
    return (xr.DataArray(ts.from_array(VALUES, chunks=(2, 3)), dims=("y", "x"), coords=coords), xr.DataArray(VALUES, dims=("y", "x"), coords=coords))


OPERATIONS = {
    "arithmetic": lambda a: a * 2 - a.mean("y"), "mean": lambda a: a.mean(), "std": lambda a: a.std("x"), "sum": lambda a: a.sum("y"),
    "isel": lambda a: a.isel(y=slice(1, 4), x=[0, 3]), "sel": lambda a: a.sel(x=0.3, method="nearest"), "where": lambda a: a.where(a > 20),
    "fillna": lambda a: a.where(a > 20).fillna(0), "transpose": lambda a: a.transpose("x", "y"), "cumsum": lambda a: a.cumsum("y"), "diff": lambda a: a.diff("x"),
    "shift": lambda a: a.shift(y=1), "roll": lambda a: a.roll(x=2), "concat": lambda a: xr.concat([a, a], "y"), "clip": lambda a: a.clip(5, 30),
    "max": lambda a: a.max("y"), "argmax": lambda a: a.argmax("x"), "coarsen": lambda a: a.coarsen(y=2).mean(), "weighted": lambda a: a.weighted(a.y + 1).mean("y"),
    "groupby": lambda a: a.groupby(a.y % 2).mean(), "vectorised": lambda a: a.isel(y=xr.DataArray([0, 2], dims="p"), x=xr.DataArray([1, 5], dims="p")),
    "pad": lambda a: a.pad(y=1, constant_values=0.0), "ufunc": lambda a: np.sqrt(a), "rolling": lambda a: a.rolling(y=2).construct("w").mean("w"),
    "quantile": lambda a: (a.chunk(y=-1) if a.chunks else a).quantile(0.5, "y"), "median": lambda a: a.median("x"), "isnull": lambda a: a.isnull(), "round": lambda a: a.round(),
    "expand": lambda a: a.expand_dims("z"), "stack": lambda a: a.stack(z=("y", "x")), "astype": lambda a: a.astype("f4"), "any": lambda a: (a > 40).any("y"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_stay_lazy(both, name):
    ours, theirs = map(OPERATIONS[name], both)
    assert isinstance(ours.data, ts.Array), f"computed silently: {type(ours.data)}"
    xr.testing.assert_allclose(ours.compute(), theirs)


def test_chunk_and_files(tmp_path, both):
    both[1].to_dataset(name="v").to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "x.nc", chunks={"y": 3}, chunked_array_type="tessera") as file:
        assert isinstance(file.v.data, ts.Array) and file.v.chunks == ((3, 3), (8,))
        xr.testing.assert_allclose(file.v.mean("x").compute(), both[1].mean("x"))
        assert file.v.chunk(x=2).data.chunks[1] == (2, 2, 2, 2)
    assert isinstance(both[1].chunk(y=2, chunked_array_type="tessera").data, ts.Array)
    ours = both[0].to_dataset(name="v")
    ours.to_netcdf(tmp_path / "y.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "y.nc") as file:
        xr.testing.assert_allclose(file.v, both[1])


def test_the_option(both):
    """Neither call names the manager."""
    assert isinstance(both[0].chunk(y=-1).data, ts.Array) and isinstance(both[1].chunk(y=2).data, ts.Array)


def test_apply_ufunc(both):
    ours = xr.apply_ufunc(lambda v: v * 2, both[0], dask="parallelized", output_dtypes=[float])
    xr.testing.assert_allclose(ours.compute(), both[1] * 2)


def test_compute_and_persist(both):
    data = both[0].to_dataset(name="v")
    assert isinstance(data.persist().v.data, ts.Array) and isinstance(data.compute().v.data, np.ndarray)
    assert "tessera.Array" in repr(both[0])
