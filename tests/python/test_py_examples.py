"""The example programs, run as a user runs them."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import tessera as ts

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(name, *arguments):
    done = subprocess.run([sys.executable, ROOT / "examples" / name, *map(str, arguments)], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lecture():
    text = run("lecture.py", 0.01)
    assert "mean: 1.0" in text and "mean 10.00" in text and "stage" in text


def test_normals():
    lines = run("normals.py", "1e6").splitlines()
    assert len(lines) == 2 and lines[0].split("mean ")[1][:8] == lines[1].split("mean ")[1][:8] and "10.00" in lines[0]


@pytest.mark.parametrize("language", ["c", "numba", "python"])
def test_images(tmp_path, language):
    if language == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(1)
    for i in range(6):
        image = np.zeros((40, 50), "u1")
        row, column = rng.integers(5, 35), rng.integers(5, 45)
        image[row - 2:row + 3, column - 2:column + 3] = 200
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    run("images.py", tmp_path / "*.png", tmp_path, language)
    assert (tmp_path / "projections.png").stat().st_size > 5000
    images = np.load(tmp_path / "centred.npy")
    assert images.shape == (6, 20, 25) and (images.sum(axis=(1, 2)) == 25 * 200).all()


def write_climate(folder):
    rng = np.random.default_rng(2)
    values = 280 + rng.normal(size=(8, 12, 16)).cumsum(axis=0)
    import netCDF4

    for day in range(4):
        with netCDF4.Dataset(folder / f"{day}.nc", "w", format="NETCDF3_CLASSIC") as file:
            for name, length in (("time", None), ("latitude", 12), ("longitude", 16)):
                file.createDimension(name, length)
                file.createVariable(name, "f8", (name,))
            file["time"].units = "hours since 2014-01-01"
            file["time"][:] = [24 * day, 24 * day + 12]
            file["latitude"][:], file["longitude"][:] = np.linspace(-60, 60, 12), np.arange(16)
            file.createVariable("t2m", "f4", ("time", "latitude", "longitude"))[:] = values[2 * day:2 * day + 2]
    return values.astype("f4").astype("f8")


def test_zscore(tmp_path):
    values = write_climate(tmp_path)
    text = run("zscore.py", tmp_path / "*.nc", "t2m", tmp_path / "..")
    expected = (values - values.mean(axis=0)) / values.std(axis=0)
    z = ts.open_dataset(tmp_path / ".." / "z.nc")["z"]
    assert z.dims == ("time", "latitude", "longitude")
    np.testing.assert_allclose(z.compute(), expected, rtol=1e-3, atol=1e-3)
    assert f"largest |z|: {np.abs(expected).max():.2f}"[:15] in text


def test_zscore_of_real_data(shared_data, tmp_path):
    text = run("zscore.py", shared_data / "A1B_north_america.nc", "air_temperature", tmp_path)
    assert "latitude profile" in text and os.path.getsize(tmp_path / "z.nc") > 1_000_000


def test_datasets(tmp_path):
    values = write_climate(tmp_path)
    data = ts.open_dataset(str(tmp_path / "*.nc"))
    x = data["t2m"]
    assert list(data) == ["t2m"] and data.sizes == {"time": 8, "latitude": 12, "longitude": 16} and data.t2m.shape == (8, 12, 16)
    np.testing.assert_allclose(x.mean("time").compute(), values.mean(axis=0), rtol=1e-6)
    assert x.sel(time="2014-01-02").shape[0] == 2 and x.coords["time"].labels[0].startswith("2014-01-01")
    assert x.isel(time=0, latitude=slice(2, 5)).shape == (3, 16) and x.sel(latitude=slice(0, 60)).shape[1] == 6
    assert x.isel(time=[0, 3]).shape[0] == 2 and x.sel(longitude=3.4, method="nearest").shape == (8, 12)
    np.testing.assert_allclose(x.groupby("time.hour").mean().compute(), [values[::2].mean(0), values[1::2].mean(0)], rtol=1e-6)
    np.testing.assert_allclose((x * 2 - 1).compute(), values * 2 - 1, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(x).compute(), np.sqrt(values), rtol=1e-6)
    weights = np.cos(np.deg2rad(data["latitude"]))
    np.testing.assert_allclose(x.weighted_mean(weights, "latitude").compute(),
                               np.average(values, axis=1, weights=np.cos(np.deg2rad(np.linspace(-60, 60, 12)))), rtol=1e-6)
    with pytest.raises(KeyError, match="t2n"):
        data["t2n"]
    with pytest.raises(ts.NotFoundError, match="did you mean"):
        x.mean("tme")
    for name in ("none.nc", "none*.nc"):
        with pytest.raises(FileNotFoundError, match=name.replace("*", ".")):
            ts.open_dataset(tmp_path / name)
    ts.Dataset(t=x.mean("time")).to_netcdf(tmp_path / "mean.nc4", deflate=1)
    np.testing.assert_allclose(ts.open_array(tmp_path / "mean.nc4", "t").compute(), values.mean(0), rtol=1e-6)


def test_the_table_of_functions_is_up_to_date():
    done = subprocess.run([sys.executable, ROOT / "tools/python-api", "--check"], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def kinds(book):
    """What each cell shows, by the richest form of it."""
    rich = ("text/html", "image/png", "text/plain")
    return [[next(kind for kind in rich if kind in o.get("data", {"text/plain": 0})) for o in cell.outputs] for cell in book.cells
            if cell.cell_type == "code"]


def test_the_notebook(tmp_path):
    """It runs, and is kept with the outputs that it has: tables of arrays, pictures."""
    nbformat = pytest.importorskip("nbformat")
    path = ROOT / "examples/tour.ipynb"
    kept = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 300_000 and sum(kind == "text/html" for cell in kinds(kept) for kind in cell) >= 3
    (tmp_path / "tour.ipynb").write_bytes(path.read_bytes())
    done = subprocess.run([sys.executable, ROOT / "tools/notebook", tmp_path / "tour.ipynb"], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert kinds(nbformat.read(tmp_path / "tour.ipynb", as_version=4)) == kinds(kept)


def test_the_guide_runs(tmp_path, monkeypatch):
    """The first program of the guide."""
    text = (ROOT / "docs/python.md").read_text()
    code = text.split("```python")[1].split("```")[0].replace("4000, 3000", "40, 30").replace("1000, 1000", "10, 10")
    scope = {}
    exec(code, scope)
    assert scope["values"].shape == (10, 30)
