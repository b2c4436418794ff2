"""Files that tessera eval writes: read back by xarray and NumPy; nothing unfinished stays."""
import os
import shutil
import subprocess

import netCDF4
import numpy as np
import pytest
import xarray

Z = "z = (t2m - mean(t2m, time)) / std(t2m, time)"


@pytest.mark.parametrize("name, options, kind", [
    ("z.nc", [], "NETCDF3_CLASSIC"), ("z.nc3", [], "NETCDF3_CLASSIC"), ("z.nc4", [], "NETCDF4"), ("z.nc4", ["--deflate", "5"], "NETCDF4"),
    ("z.dat", ["--format", "nc4"], "NETCDF4"), ("z.h5", [], "NETCDF4"),
])
def test_netcdf(tessera, pattern, t2m, tmp_path, name, options, kind):
    path = tmp_path / name
    report = tessera("eval", Z, pattern, "-o", path, *options)
    assert report.code == 0 and report.stdout == ""
    assert f"{path}: z(time 16, latitude 37, longitude 72) float64" in report.stderr and "peak memory" in report.stderr
    with netCDF4.Dataset(path) as d:
        assert d.data_model == kind
    with xarray.open_dataset(path, engine="netcdf4") as d:
        np.testing.assert_allclose(d["z"], (t2m - t2m.mean("time")) / t2m.std("time"), rtol=1e-10, atol=1e-10)
        for coordinate in ("time", "latitude", "longitude"):
            np.testing.assert_array_equal(d[coordinate], t2m[coordinate])
        assert d.latitude.attrs["units"] == "degrees_north" and d.latitude.attrs["standard_name"] == "latitude"
        assert Z in d.attrs["history"] and d.attrs["Conventions"].startswith("CF")
    assert os.listdir(tmp_path) == [name]


def test_units_and_names_are_kept(tessera, pattern, tmp_path):
    tessera.ok("eval", "t2m[0]", pattern, "-o", tmp_path / "x.nc")
    with xarray.open_dataset(tmp_path / "x.nc") as d:
        assert d.t2m.attrs["units"] == "K" and d.t2m.attrs["long_name"] == "2 metre temperature"
        assert d.time.ndim == 0 and str(d.time.values).startswith("2014-01-01")


def test_all_names_are_written_but_hidden_ones(tessera, pattern, tmp_path):
    tessera.ok("eval", "m = mean(t2m, time); _s = std(t2m, time); r = _s / m; n = 5", pattern, "-o", tmp_path / "x.nc")
    with xarray.open_dataset(tmp_path / "x.nc") as d:
        assert set(d.data_vars) == {"m", "r", "n"} and d.n == 5
    tessera.ok("eval", "m = mean(t2m, time); m[0]", pattern, "-o", tmp_path / "y.nc")
    with xarray.open_dataset(tmp_path / "y.nc") as d:
        assert len(d.data_vars) == 1


@pytest.mark.parametrize("expression, wanted", [
    ("arange(24).reshape((2, 3, 4))", np.arange(24).reshape(2, 3, 4)), ("5", np.array(5)), ("2.5", np.array(2.5)),
    ("zeros((0, 3), dtype=float32)", np.zeros((0, 3), "f4")), ("ones(3) + 1j", np.ones(3) + 1j), ("arange(5) > 2", np.arange(5) > 2),
    ("array([nan, 1])", np.array([np.nan, 1])), ("arange(9)[::-2]", np.arange(9)[::-2]),
])
def test_npy(tessera, tmp_path, expression, wanted):
    tessera.ok("eval", expression, "-o", tmp_path / "x.npy")
    found = np.load(tmp_path / "x.npy")
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    assert "x.npy" in tessera("eval", expression, "-o", tmp_path / "x.npy").stderr


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"])
@pytest.mark.parametrize("extension", ["nc", "nc4", "npy"])
def test_every_type_comes_back(tessera, tmp_path, dtype, extension):
    path = tmp_path / f"x.{extension}"
    tessera.ok("eval", f"x = (arange(12) % 5).reshape((3, 4)).astype({dtype})", "-o", path)
    name = "x" if extension != "npy" else "data"
    text = tessera.ok("eval", f"{name}.astype(int64)" if extension != "npy" else "x.astype(int64)", *([path] if extension != "npy" else
                      [f"x={path}"]), "--json")
    values = (np.arange(12) % 5).reshape(3, 4)
    if dtype == "bool":
        values = values != 0
    assert str(values.astype(int).tolist()) in text


def test_what_was_written_is_read(tessera, pattern, tmp_path):
    tessera.ok("eval", Z, pattern, "-o", tmp_path / "z.nc")
    tessera.ok("eval", Z, pattern, "-o", tmp_path / "z.nc4", "--deflate", 3)
    assert tessera.ok("eval", "max(abs(a - b))", f"a={tmp_path}/z.nc:z", f"b={tmp_path}/z.nc4:z") == "0.0\n"


def test_an_older_file_is_replaced_whole_or_not_at_all(tessera, pattern, tmp_path):
    path = tmp_path / "x.nc"
    path.write_text("precious")
    assert tessera("eval", "meen(t2m)", pattern, "-o", path).code == 1
    assert path.read_text() == "precious"
    tessera.ok("eval", "mean(t2m, time)", pattern, "-o", path)
    assert path.read_bytes()[:3] == b"CDF"


def test_the_file_behind_a_link_is_replaced(tessera, tmp_path):
    (tmp_path / "target.nc").write_text("")
    (tmp_path / "link.nc").symlink_to("target.nc")
    tessera.ok("eval", "ones(3)", "-o", tmp_path / "link.nc")
    assert (tmp_path / "link.nc").is_symlink() and (tmp_path / "target.nc").read_bytes()[:3] == b"CDF"


def test_disk_full(tessera, tmp_path):
    """A file system of 1 MB holds no result of 8 MB: an error, and nothing left."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        for name in ("x.nc", "x.nc4", "x.npy"):
            text = tessera.fails("eval", "random.normal(0, 1, size=1e6, seed=1)", "-o", mount / name)
            assert "No space left on device" in text
            assert os.listdir(mount) == []
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.mark.skipif(not shutil.which("ncdump"), reason="ncdump is not installed")
def test_ncdump_reads_it(tessera, pattern, tmp_path):
    tessera.ok("eval", Z, pattern, "-o", tmp_path / "z.nc")
    text = subprocess.run(["ncdump", "-h", tmp_path / "z.nc"], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert "z(time, latitude, longitude)" in text and 'time:units = "hours since 1900-01-01' in text


@pytest.mark.skipif(not shutil.which("cdo"), reason="cdo is not installed")
def test_cdo_reads_it(tessera, pattern, tmp_path):
    tessera.ok("eval", Z, pattern, "-o", tmp_path / "z.nc")
    text = subprocess.run(["cdo", "-s", "sinfo", tmp_path / "z.nc"], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert "lonlat" in text and "2014-01-04 18:00:00" in text and "generic" not in text
