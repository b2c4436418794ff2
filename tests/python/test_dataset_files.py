"""Many files as one: order, agreement, conversions, limits of the system; and files that are not what they ought to be."""
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import datasets  # noqa: E402
import tsr  # noqa: E402


def part(path, times, *, format="NETCDF3_CLASSIC", units="days since 2000-01-01", calendar="standard", lat=(10.0, 20.0, 30.0), dtype="f4", name="v",
         record=True, values=None, v_units="K", packing=None, drop=(), extra=None, dims=("time", "lat"), time_name="time"):
    """A small file; every keyword is something that can differ."""
    with netCDF4.Dataset(path, "w", format=format) as f:
        f.createDimension(time_name, None if record else len(times))
        f.createDimension("lat", len(lat))
        t = f.createVariable(time_name, "f8", (time_name,))
        t[:] = times
        if units:
            t.units = units
        if calendar:
            t.calendar = calendar
        if "lat" not in drop:
            y = f.createVariable("lat", "f8", ("lat",))
            y[:] = lat
            y.units = "degrees_north"
        dims = tuple(time_name if d == "time" else d for d in dims)
        v = f.createVariable(name, dtype, dims)
        v.units = v_units
        v.set_auto_maskandscale(False)
        if packing:
            v.setncatts(packing)
        shape = tuple(len(times) if d == time_name else len(lat) for d in dims)
        if values is None:
            values = np.asarray(times, "f8").reshape(-1, 1) * 10 + np.arange(len(lat)) if len(shape) == 2 else np.zeros(shape)
            values = values.T if dims and dims[0] == "lat" else values
        v[:] = np.broadcast_to(values, shape)
        if extra:
            f.createVariable(extra, "f4", ("lat",))[:] = 7
    return path


def want(times, lat=3):
    return np.asarray(times, "f4")[:, None] * 10 + np.arange(lat, dtype="f4")


# ---- Order and conversions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF4"])
@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("how", ["list", "pattern", "both"])
def test_sorted_by_time(s, tmp_path, format, record, how):
    """Files come in the order of their times, whatever their names and places in the list."""
    paths = [part(tmp_path / name, times, format=format, record=record) for name, times in
             (("a.nc", [6, 7]), ("b.nc", [0, 1, 2]), ("c.nc", [5]), ("d.nc", [3, 4]))]
    given = {"list": paths, "pattern": [tmp_path / "*.nc"], "both": [paths[0], paths[3], tmp_path / "[bc].nc"]}[how]
    ds = datasets.open_files(s, *given)
    assert ds.dims == {"time": 8, "lat": 3}
    assert ds["v"].coord("time").labels().tolist() == list(range(8))
    np.testing.assert_array_equal(ds["v"].values(), want(range(8)))
    assert ds["v"].select("time", "2000-01-06").values().tolist() == [50, 51, 52]
    assert ds["lat"].values().tolist() == [10, 20, 30]


def test_descending(s, tmp_path):
    """Coordinates that run down stay so."""
    for k, times in enumerate(([3, 2], [5, 4], [1, 0])):
        part(tmp_path / f"{k}.nc", times)
    ds = datasets.open_files(s, tmp_path / "*.nc")
    assert ds["time"].labels().tolist() == [5, 4, 3, 2, 1, 0]


def test_time_units_are_converted(s, tmp_path):
    """Each file may count from its own date, in its own unit; the first file's units are the result's. Bounds are converted too."""
    part(tmp_path / "a.nc", [0, 1], units="days since 2000-01-01")
    part(tmp_path / "b.nc", [0, 24], units="hours since 2000-01-03", values=[[20, 21, 22], [30, 31, 32]])
    part(tmp_path / "c.nc", [0, 1440], units="minutes since 2000-01-05 00:00:00", values=[[40, 41, 42], [50, 51, 52]])
    ds = datasets.open_files(s, tmp_path / "*.nc")
    assert ds["time"].labels().tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(ds["v"].values(), want(range(6)))
    with xr.concat([xr.open_dataset(tmp_path / f"{k}.nc") for k in "abc"], "time") as f:
        assert [str(t)[:10] for t in f.time.values] == [ds["time"].label_text(i) for i in range(6)]


def test_bounds_are_converted(s, tmp_path):
    """Bounds have no units of their own: they are converted as their coordinate is."""
    for name, units, times in (("a", "days since 2000-01-01", [0.5]), ("b", "hours since 2000-01-02", [12.0, 36.0])):
        path = part(tmp_path / f"{name}.nc", times, units=units)
        with netCDF4.Dataset(path, "a") as f:
            f.createDimension("bnds", 2)
            f["time"].bounds = "time_bnds"
            half = 0.5 if name == "a" else 12.0
            f.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.array([[t - half, t + half] for t in times])
    ds = datasets.open_files(s, tmp_path / "*.nc")
    assert ds["time"].labels().tolist() == [0.5, 1.5, 2.5]
    assert ds["time_bnds"].values().tolist() == [[0, 1], [1, 2], [2, 3]]


def test_packing_may_differ(s, tmp_path):
    """Files packed differently are decoded one by one."""
    numbers = np.arange(6, dtype="i2").reshape(2, 3)
    a, b = {"scale_factor": 0.5, "add_offset": 100.0}, {"scale_factor": 0.25, "add_offset": -3.0}
    part(tmp_path / "a.nc", [0, 1], dtype="i2", values=numbers, packing=a)
    part(tmp_path / "b.nc", [2, 3], dtype="i2", values=numbers, packing=b)
    v = datasets.open_files(s, tmp_path / "*.nc")["v"]
    np.testing.assert_array_equal(v.values(), np.concatenate([numbers * 0.5 + 100.0, numbers * 0.25 - 3.0]))
    assert v.dtype == np.float64


def test_along_another_dimension(s, tmp_path):
    """Files that are pieces of a fixed dimension: the one whose coordinate differs is found; or it is named."""
    part(tmp_path / "south.nc", [0, 1], lat=(-20.0, -10.0), record=False)
    part(tmp_path / "north.nc", [0, 1], lat=(10.0, 20.0), record=False)
    for ds in (datasets.open_files(s, tmp_path / "*.nc"), datasets.open_files(s, tmp_path / "*.nc", dim="lat")):
        assert ds["lat"].labels().tolist() == [-20, -10, 10, 20] and ds["v"].shape == (2, 4)
        np.testing.assert_array_equal(ds["v"].values(), [[0, 1, 0, 1], [10, 11, 10, 11]])


def test_tiles_of_records(s, tmp_path):
    """Pieces of a fixed dimension whose unlimited one is the same in all."""
    part(tmp_path / "south.nc", [0, 1], lat=(-20.0, -10.0))
    part(tmp_path / "north.nc", [0, 1], lat=(10.0, 20.0))
    ds = datasets.open_files(s, tmp_path / "*.nc")
    assert ds["lat"].labels().tolist() == [-20, -10, 10, 20] and ds["time"].labels().tolist() == [0, 1]
    np.testing.assert_array_equal(ds["v"].values(), [[0, 1, 0, 1], [10, 11, 10, 11]])


def test_new_dimension(s, tmp_path):
    """A dimension that no file has: each file is a step along it."""
    for k in range(3):
        part(tmp_path / f"{k}.nc", [0, 1], values=np.full((2, 3), k))
    ds = datasets.open_files(s, *(tmp_path / f"{k}.nc" for k in range(3)), dim="member")
    assert ds["v"].dims == ("member", "time", "lat") and ds["v"].shape == (3, 2, 3)
    assert ds["v"].values()[:, 0, 0].tolist() == [0, 1, 2]
    assert ds["time"].shape == (2,)


def test_empty_files_are_left_out(s, tmp_path):
    """Files without a step along the dimension add nothing, and do not disturb the order."""
    part(tmp_path / "a.nc", [])
    part(tmp_path / "b.nc", [2, 3])
    part(tmp_path / "c.nc", [0, 1])
    assert datasets.open_files(s, tmp_path / "*.nc")["v"].coord("time").labels().tolist() == [0, 1, 2, 3]


def test_real_files_joined(s, shared_data):
    """Three months of an ocean model on a curved grid, whose time is an auxiliary coordinate: as xarray joins them."""
    pattern = shared_data / "nemo" / "*.nc"
    ds = datasets.open_files(s, pattern)
    parts = [xr.open_dataset(path, decode_times=False) for path in sorted(pattern.parent.glob("*.nc"))]
    with xr.concat(parts, "time_counter", data_vars="minimal", coords="minimal", compat="override") as f:
        assert ds["tos"].dims == f.tos.dims and ds["tos"].shape == f.tos.shape
        np.testing.assert_array_equal(ds["tos"].values(), f.tos.values)
        np.testing.assert_array_equal(ds["time_centered"].values(), f.time_centered.values)
        mean = ds["tos"].reduce("nanmean", "time_counter").values()
        np.testing.assert_allclose(mean, f.tos.astype("f8").mean("time_counter").values, rtol=np.finfo("f4").eps)


# ---- Disagreement ----------------------------------------------------------------------------------------------------------------

DIFFERENCES = {
    "type": ({"dtype": "f8"}, "variable v is float64 and not float32"),
    "units": ({"v_units": "degC"}, "the units of v are 'degC' and not 'K'"),
    "calendar": ({"calendar": "noleap"}, "the calendar of time is noleap and not standard"),
    "length": ({"lat": (10.0, 20.0)}, "dimension lat has length 2 and not 3"),
    "labels": ({"lat": (10.0, 20.5, 30.0)}, "coordinate lat is 20.5 and not 20 at index 1"),
    "order": ({"dims": ("lat", "time")}, "dimension 0 of variable v is lat and not time"),
    "rank": ({"dims": ("time",)}, "variable v has 1 dimensions and not 2"),
    "name": ({"name": "w"}, "variable v is missing"),
    "more": ({"extra": "w"}, "it has a variable w, which the first has not"),
    "fewer": ({"drop": ("lat",)}, "variable lat is missing"),
}


@pytest.mark.parametrize("case", DIFFERENCES)
@pytest.mark.parametrize("record", [True, False])
def test_one_file_differs(s, tmp_path, tessera, case, record):
    """The message names the file that differs, and how. (Dimensions in another order need a fixed length in NetCDF-3.)"""
    changed, message = DIFFERENCES[case]
    for k in range(4):
        part(tmp_path / f"part-{k}.nc", [2 * k, 2 * k + 1], record=record, format="NETCDF4")
    odd = part(tmp_path / "part-2.nc", [4, 5], record=record, format="NETCDF4", **changed)
    with pytest.raises(tsr.Error) as error:
        datasets.open_files(s, tmp_path / "*.nc")
    assert str(odd) in str(error.value) and message in str(error.value), error.value
    said = tessera.fails("eval", "mean(v)", tmp_path / "*.nc")
    assert str(odd) in said and message in said


def test_overlap(s, tmp_path):
    """The same day in two files: both are named, with the dates."""
    a, b = part(tmp_path / "a.nc", [0, 1, 2]), part(tmp_path / "b.nc", [2, 3])
    with pytest.raises(tsr.Error) as error:
        datasets.open_files(s, b, a)
    for words in (str(a), str(b), "overlap along time", "2000-01-03"):
        assert words in str(error.value), error.value


def test_nothing_to_join_along(s, tmp_path):
    for k in range(2):
        part(tmp_path / f"{k}.nc", [0, 1], record=False)
    with pytest.raises(tsr.Error, match="do not differ in any coordinate: name the dimension"):
        datasets.open_files(s, tmp_path / "*.nc")
    with pytest.raises(tsr.Error, match="no dimension 'tim'; did you mean 'time'"):
        datasets.open_files(s, tmp_path / "*.nc", dim="tim")


# ---- Files that are none ----------------------------------------------------------------------------------------------------------


def test_bad_files(s, tmp_path, tessera):
    """Missing, empty, truncated, not NetCDF, a folder: the file is named, with what is wrong with it."""
    good = part(tmp_path / "good.nc", [0, 1])
    whole = good.read_bytes()
    deep = part(tmp_path / "deep.nc4", [0, 1], format="NETCDF4").read_bytes()
    cases = {"empty.nc": b"", "text.nc": b"this is no NetCDF file\n" * 40, "cut.nc": whole[: len(whole) // 2], "header.nc": whole[:50], "magic.nc": whole[:4],
             "cut4.nc": deep[: len(deep) // 2], "magic4.nc": deep[:8], "zeros.nc": bytes(5000)}
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(tsr.Error) as error:
            datasets.open_files(s, path)["v"].values()
        assert str(path) in str(error.value), (name, error.value)
        assert str(path) in tessera.fails("eval", "mean(v)", path), name
        with pytest.raises(tsr.Error) as error:
            datasets.open_files(s, good, path)["v"].values()
        assert str(path) in str(error.value), (name, error.value)
        path.unlink()
    for path, words in ((tmp_path / "nowhere.nc", "No such file"), (tmp_path, "is a folder"), (tmp_path / "no*.nc", "no file matches")):
        with pytest.raises(tsr.Error, match=words) as error:
            datasets.open_files(s, path)
        assert str(path) in str(error.value)
    with pytest.raises(tsr.Error, match="there are no files"):
        datasets.open_files(s)


def test_wrong_names(s, tmp_path, tessera):
    path = part(tmp_path / "a.nc", [0, 1], name="temperature")
    ds = datasets.open_files(s, path)
    v = ds["temperature"]
    for wrong, message in ((lambda: ds["temprature"], "a.nc has no variable 'temprature'; did you mean 'temperature'"),
                           (lambda: ds["Temperature"], "did you mean 'temperature'"), (lambda: v.reduce("mean", "latt"), "'latt'; did you mean 'lat'"),
                           (lambda: v.reduce("maen", "lat"), "did you mean 'mean'"), (lambda: v.reduce("mean", ["lat", "lat"]), "named twice"),
                           (lambda: v.group("time.mnth"), "did you mean 'month'"), (lambda: v.group("lat.month"), "'lat' is not a time coordinate"),
                           (lambda: v.group("tme.month"), "did you mean 'time'"), (lambda: v.coord("lta"), "did you mean 'lat'"),
                           (lambda: v.reduce("mean", "5"), "axis 5 is out of range for 'temperature', which has 2 dimensions"),
                           (lambda: v.apply("sinn"), "sinn")):
        with pytest.raises(tsr.Error) as error:
            wrong()
        assert message in str(error.value), error.value
    for expression, message in (("temprature + 1", "temperature"), ("mean(temperature, tme)", "did you mean 'time'"),
                                ("temperature[latt=10]", "did you mean 'lat'"), ("temperature[lat=11]", "the nearest is 10"),
                                ('temperature[time="2005"]', "goes from 2000-01-01 to 2000-01-02")):
        assert message in tessera.fails("eval", expression, path), expression


# ---- Ten thousand files ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory):
    """One file made by the library, the others by changing its two records: time and values (NetCDF-3, big-endian, at known places)."""
    folder = tmp_path_factory.mktemp("many")
    first = part(folder / "00000.nc", [0.0])
    content = bytearray(first.read_bytes())
    record = np.array([0.0], ">f8").tobytes() + np.array([0, 1, 2], ">f4").tobytes()
    at = len(content) - len(record)
    assert bytes(content[at:]) == record
    for k in range(1, 10000):
        content[at:] = np.array([k], ">f8").tobytes() + (k * 10 + np.arange(3)).astype(">f4").tobytes()
        (folder / f"{(k * 7919) % 10000:05d}.nc").write_bytes(content)  # names in another order than times
    return folder


LIMITED = ["prlimit", "--nofile=256"]


def test_ten_thousand_files(ten_thousand, tessera, tmp_path):
    """10 000 files with 256 descriptors: opened, sorted, checked, reduced and written."""
    import subprocess

    run = subprocess.run([*LIMITED, tessera.path, "eval", "m = mean(v, time); last = v[-1, 0]; n = count(v)", str(ten_thousand / "*.nc"), "-o", tmp_path / "o.nc"],
                         capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    with xr.open_dataset(tmp_path / "o.nc") as f:
        np.testing.assert_allclose(f.m.values, 49995 + np.arange(3), rtol=np.finfo("f4").eps)
        assert f["last"] == 99990 and f.n == 30000


def test_one_of_ten_thousand_differs(ten_thousand, tessera):
    import subprocess

    odd = ten_thousand / "05000.nc"
    kept = odd.read_bytes()
    try:
        part(odd, [20000.0], dtype="f8")
        run = subprocess.run([*LIMITED, tessera.path, "eval", "mean(v)", str(ten_thousand / "*.nc")], capture_output=True, text=True, timeout=300)
        assert run.returncode == 1
        assert "05000.nc" in run.stderr and "float64 and not float32" in run.stderr
    finally:
        odd.write_bytes(kept)
