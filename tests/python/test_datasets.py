"""Datasets against xarray and CDO: every NetCDF file among the shared data, and generated climate data with missing values, in several
calendars. Decoding of oddities is in test_dataset_cf.py, many files as one in test_dataset_files.py."""
import os
import pathlib
import shutil
import subprocess
import sys
import warnings

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import datasets  # noqa: E402
import tsr  # noqa: E402

# The same folder as the fixture shared_data's: needed here when tests are collected, a test for each file.
SHARED = pathlib.Path(os.environ.get("TESSERA_SHARED_DATA", pathlib.Path(__file__).resolve().parents[2] / "../shared/data"))
FILES = sorted(SHARED.glob("**/*.nc")) or [None]
pytestmark = pytest.mark.filterwarnings("ignore")
CFTIME = xr.coders.CFDatetimeCoder(use_cftime=True)
F4 = np.finfo("f4").eps
F8 = np.finfo("f8").eps


@pytest.fixture(params=FILES, ids=lambda p: p.name if p else "none")
def real(request, shared_data):
    return request.param


def xopen(path, **options):
    return xr.open_dataset(path, **({"decode_times": False} | options))


def tool(*command):
    """Output of CDO or ncdump; the test is skipped where it is not installed."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def cdo(operator, *paths):
    tool("cdo", "-s", *operator.split(), *paths)
    return xopen(paths[-1])


def cdo_reads(path):
    """CDO refuses some files among the data: four dimensions without a time, no grid it knows."""
    return bool(shutil.which("cdo")) and subprocess.run(["cdo", "-s", "sinfo", path], capture_output=True).returncode == 0


def close(got, want, bound):
    """|got - want| <= bound, NaN in the same places."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    there = ~np.isnan(want)
    worst = np.max((np.abs(got.astype("f8") - want) / np.broadcast_to(bound, want.shape))[there], initial=0)
    assert worst <= 1, f"{worst} times the bound"


# ---- Real files ------------------------------------------------------------------------------------------------------------------


def test_decoded(s, real):
    """Every numeric variable: xarray's dtype, dimensions, and values to the last bit."""
    ds = datasets.open_files(s, real)
    with xopen(real) as want:
        assert {n: ds.dims[n] for n in want.sizes} == dict(want.sizes)
        numeric = [n for n in want.variables if want[n].dtype.kind in "biuf"]
        assert sorted(ds.names) == sorted(numeric)
        for name in numeric:
            v = ds[name]
            assert (v.dtype, v.dims, v.shape) == (want[name].dtype, want[name].dims, want[name].shape), name
            np.testing.assert_array_equal(v.values(), want[name].values, err_msg=name)


def test_dates(s, real):
    """Every time coordinate: cftime's dates exactly, and xarray's."""
    ds = datasets.open_files(s, real)
    with xopen(real, decode_times=CFTIME) as want:
        times = [n for n in want.variables if want[n].size and want[n].ndim < 2 and isinstance(np.atleast_1d(want[n].values)[0], cftime.datetime)]
        assert times == [n for n in want.variables if n in ds.names and len(ds[n].shape) < 2 and ds[n].is_time]
        for name in times:
            for i, t in enumerate(np.atleast_1d(want[name].values)):
                d = ds[name].date(i)
                got = (d.year, d.month, d.day, d.hour, d.minute, d.second)
                assert got == (t.year, t.month, t.day, t.hour, t.minute, t.second + t.microsecond / 1e6), (name, i)


def test_statistics(s, real):
    """Mean, standard deviation and z-score along the first dimension of every data variable. We accumulate in float64; so does xarray
    when asked to. Float32 results may then differ by one rounding to float32 (half an ulp on either side); float64 ones by the order of
    the sum: 2 ulp of the largest value a sum of n terms meets, generously n * eps / 4 of it."""
    ds = datasets.open_files(s, real)
    with xopen(real) as f:
        for name in ds.data_names:
            x = f[name]
            if x.ndim == 0 or x.dtype.kind != "f":
                continue
            dim, wide = x.dims[0], x.astype("f8")
            eps = F4 if x.dtype == np.float32 else F8 * max(4, x.shape[0] / 4)
            largest = float(np.nanmax(np.abs(wide)))
            for skip, prefix in ((False, ""), (True, "nan")):
                mean, std = (ds[name].reduce(prefix + r, dim) for r in ("mean", "std"))
                assert mean.dtype == std.dtype == x.dtype and mean.dims == x.dims[1:]
                m, d = mean.values(), std.values()
                close(m, wide.mean(dim, skipna=skip), eps * largest)
                close(d, wide.std(dim, skipna=skip), 4 * eps * largest)
                z = ((ds[name] - mean) / std).values()
                np.testing.assert_array_equal(z, (x.values - m) / d, err_msg=name)  # the same IEEE operations: the same bits
            close(ds[name].reduce("nanmean").values(), wide.mean(), eps * largest)


def test_extremes_and_sums(s, real):
    ds = datasets.open_files(s, real)
    with xopen(real) as f:
        for name in ds.data_names:
            x = f[name]
            if x.ndim == 0:
                continue
            dim = x.dims[-1]
            for ours, theirs in (("nanmin", x.min), ("nanmax", x.max), ("count", x.count)):
                np.testing.assert_array_equal(ds[name].reduce(ours, dim).values(), theirs(dim).values, err_msg=f"{name} {ours}")
            total = x.astype("f8").sum(dim)
            bound = np.abs(x.astype("f8")).sum(dim) * (F4 if x.dtype == np.float32 else F8 * x.shape[-1]) + 1e-300
            close(ds[name].reduce("nansum", dim).values(), total, bound)


def test_copied_whole(s, real, tmp_path, tessera):
    """Opened and written, NetCDF-3 and 4: what xarray reads from the copy is what it reads from the original, names, dimensions,
    dtypes, attributes and dates included. Numbers that were packed are written as the floats they stand for; text variables stay behind.
    NetCDF-3 has no 64-bit integers: they become int32 where they fit."""
    ds = datasets.open_files(s, real)
    for format in ("nc", "nc4"):
        out, copy = tmp_path / f"copy.{format}", datasets.new(s)
        for name in ds.data_names:
            copy.put(name, ds[name])
        copy.write(out)
        with xopen(real, decode_coords=False) as want, xopen(out, decode_coords=False) as got:
            for name in got.variables:
                g, w = got[name], want[name]
                assert g.dims == w.dims, name
                assert g.dtype == w.dtype or (format == "nc" and w.dtype == np.int64 and g.dtype == np.int32), name
                np.testing.assert_array_equal(g.values, w.values, err_msg=name)
                ignored = {"coordinates", "cell_measures", "valid_min", "valid_max", "valid_range", "flag_values"}
                for key, value in w.attrs.items():
                    if key not in ignored:
                        np.testing.assert_array_equal(g.attrs[key], value, err_msg=f"{name}:{key}")
            missing = set(want.variables) - set(got.variables)
            assert not {n for n in missing if n in ds.data_names}
        assert name in tool("ncdump", "-h", out)
        if cdo_reads(real):
            tool("cdo", "-s", "sinfo", out)


# ---- CDO -------------------------------------------------------------------------------------------------------------------------

SERIES = ["A1B_north_america.nc", "E1_north_america.nc", "SOI_Darwin.nc"]


@pytest.mark.parametrize("file", SERIES)
def test_cdo_timmean(s, shared_data, tmp_path, file):
    """CDO sums in float64 and stores float32, as we do: at most one float32 rounding apart."""
    path = shared_data / file
    ds = datasets.open_files(s, path)
    name = ds.data_names[0]
    got = ds[name].reduce("nanmean", "time").values()
    want = cdo("timmean", path, tmp_path / "o.nc")[name].values[0]
    close(got, want, F4 * np.abs(want))


@pytest.mark.parametrize("file", SERIES)
def test_cdo_timstd(s, shared_data, tmp_path, file):
    """CDO's timstd takes the square root of E[x^2] - E[x]^2 in float64, which cancels: the relative error of the variance is about
    eps * mean^2 / variance. Ours (Chan's merge) has no such loss, and agrees with NumPy's in test_statistics."""
    path = shared_data / file
    ds = datasets.open_files(s, path)
    name = ds.data_names[0]
    x = ds[name]
    got = x.reduce("nanstd", "time").values()
    want = cdo("timstd", path, tmp_path / "o.nc")[name].values[0]
    mean = x.reduce("nanmean", "time").values().astype("f8")
    cancelled = F8 * x.shape[0] * mean**2 / got.astype("f8") ** 2
    close(got, want, (F4 + cancelled) * np.abs(want))


@pytest.mark.parametrize("file", SERIES)
def test_cdo_ymonmean(s, shared_data, tmp_path, file):
    path = shared_data / file
    ds = datasets.open_files(s, path)
    name = ds.data_names[0]
    got = ds[name].group("time.month", "nanmean")
    want = cdo("ymonmean", path, tmp_path / "o.nc")
    with xopen(tmp_path / "o.nc", decode_times=CFTIME) as f:
        assert got.coord("month").labels().tolist() == [t.month for t in f.time.values]
    close(got.values(), want[name].values, F4 * np.abs(want[name].values))


@pytest.mark.parametrize("file", SERIES[:2])
def test_cdo_fldmean(s, shared_data, tmp_path, file):
    """CDO weights with the areas of the cells. With the same areas we agree to a rounding to float32 (the products x * w are rounded,
    and the result). The cosine of the latitude is not quite those areas: CDO's cells have great circles for edges where they ought to
    follow the circle of latitude, which moves the mean by some 1e-6 on cells of 1.875 degrees; the cosine is the better weight."""
    path = shared_data / file
    ds = datasets.open_files(s, path)
    name = ds.data_names[0]
    want = cdo("fldmean", path, tmp_path / "o.nc")[name].values[:, 0, 0]
    wide = ds["latitude"].apply("multiply", datasets.Variable(s, s.call("tsr_variable_scalar", s.s, tsr.Scalar(10, 0, 0, 1.0, 0.0))))
    assert wide.dtype == np.float32
    latitude = datasets.Variable(s, s.call("tsr_variable_like", wide.p, s.call("tsr_astype", wide.array, tsr.I(10))))
    weights = latitude.apply("deg2rad").apply("cos")
    got = ds[name].weighted_mean(weights, ["latitude", "longitude"])
    assert got.dims == ("time",)
    close(got.values(), want, 5e-6 * np.abs(want))
    area = cdo("gridarea", path, tmp_path / "a.nc")["cell_area"].values
    spread = s.array(area)
    areas = datasets.Variable(s, s.call("tsr_variable_new", b"area", spread, datasets.texts(["latitude", "longitude"])))
    close(ds[name].weighted_mean(areas, ["latitude", "longitude"]).values(), want, 2 * F4 * np.abs(want))


def test_global_mean_of_packed_values(s, shared_data):
    """A global grid with its poles: the weights are the cells' exact areas. Packed values, weights in float64."""
    path = shared_data / "eraint_uvz.nc"
    with xopen(path) as f:
        edges = np.clip(np.concatenate([[90], (f.latitude.values[1:] + f.latitude.values[:-1]) / 2, [-90]]), -90, 90)
        area = xr.DataArray(-np.diff(np.sin(np.radians(edges))), dims="latitude", coords={"latitude": f.latitude})
        want = f.u.weighted(area).mean(["latitude", "longitude"])
        largest = float(np.abs(f.u).max())
    areas = datasets.Variable(s, s.call("tsr_variable_new", b"area", s.array(area.values), datasets.texts(["latitude"])))
    got = datasets.open_files(s, path)["u"].weighted_mean(areas, ["latitude", "longitude"])
    assert got.dims == ("month", "level")
    close(got.values(), want, F8 * 1000 * largest)  # sums of 115680 terms in another order


# ---- Generated climate data ------------------------------------------------------------------------------------------------------


def climate(path, calendar="noleap", days=800, format="NETCDF4", descending=True, longitudes="negative", start="1999-11-20"):
    """Daily fields with a year's cycle, gaps, bounds, a grid mapping and auxiliary coordinates."""
    rng = np.random.default_rng(8)
    lat = np.linspace(80, -80, 9) if descending else np.linspace(-80, 80, 9)
    lon = np.linspace(-180, 150, 12) if longitudes == "negative" else np.linspace(0, 330, 12)
    with netCDF4.Dataset(path, "w", format=format) as f:
        for name, length in (("time", None), ("lat", 9), ("lon", 12), ("bnds", 2)):
            f.createDimension(name, length)
        t = f.createVariable("time", "f8", ("time",))
        t.setncatts({"units": f"days since {start}", "calendar": calendar, "standard_name": "time", "axis": "T", "bounds": "time_bnds"})
        b = f.createVariable("time_bnds", "f8", ("time", "bnds"))
        t[:] = np.arange(days) + 0.5
        b[:] = np.stack([np.arange(days), np.arange(days) + 1.0], 1)
        y = f.createVariable("lat", "f4", ("lat",))
        y.setncatts({"units": "degrees_north", "standard_name": "latitude", "axis": "Y"})
        y[:] = lat
        x = f.createVariable("lon", "f4", ("lon",))
        x.setncatts({"units": "degrees_east", "standard_name": "longitude", "axis": "X"})
        x[:] = lon
        crs = f.createVariable("crs", "i4", ())
        crs.setncatts({"grid_mapping_name": "latitude_longitude", "earth_radius": 6371229.0})
        crs[...] = 0
        h = f.createVariable("height", "f8", ())
        h.setncatts({"units": "m", "standard_name": "height", "positive": "up", "axis": "Z"})
        h[...] = 2
        v = f.createVariable("tas", "f4", ("time", "lat", "lon"), fill_value=np.float32(1e20))
        v.setncatts({"units": "K", "standard_name": "air_temperature", "long_name": "temperature", "cell_methods": "time: mean", "coordinates": "height",
                     "grid_mapping": "crs"})
        values = 280 + 15 * np.sin(np.arange(days) / 58)[:, None, None] + 20 * np.cos(np.radians(lat))[:, None] + rng.normal(0, 3, (days, 9, 12))
        values = np.ma.array(values.astype("f4"), mask=rng.random(values.shape) < 0.1)
        values[:, 4, 5] = np.ma.masked  # nowhere and never
        v[:] = values
        f.setncatts({"Conventions": "CF-1.7", "title": "made up", "history": "made"})
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return climate(tmp_path_factory.mktemp("climate") / "tas.nc")


PARTS = "year season quarter month day dayofyear hour".split()


@pytest.mark.parametrize("calendar", ["noleap", "standard", "360_day"])
@pytest.mark.parametrize("part", PARTS)
def test_groups(s, tmp_path, calendar, part):
    """Group means, sums, counts and anomalies by part of a date. xarray sums float32 in float32 (numpy-groupies aside), so it is given
    float64; our float32 results are one rounding away from its float64 ones."""
    path = climate(tmp_path / "c.nc", calendar)
    v = datasets.open_files(s, path)["tas"]
    with xopen(path, decode_times=CFTIME) as f:
        x = f.tas.load().astype("f8")
    month = x.time.dt.month.values
    if part == "quarter":
        key = xr.DataArray((month - 1) // 3 + 1, dims="time", name="quarter")
    elif part == "season":  # xarray's are names in the order of the alphabet; ours are months with names, in the order of the year
        key = xr.DataArray(month % 12 // 3 * 3 + 1, dims="time", name="season")
        number = dict(zip(("DJF", "MAM", "JJA", "SON"), (1, 4, 7, 10)))
        assert [number[n] for n in x.time.dt.season.values] == key.values.tolist()
    else:
        key = getattr(x.time.dt, part)
    for reduction, want in (("nanmean", x.groupby(key).mean()), ("mean", x.groupby(key).mean(skipna=False)), ("count", x.groupby(key).count()),
                            ("nanmax", x.groupby(key).max()), ("nansum", x.groupby(key).sum())):
        got = v.group(f"time.{part}", reduction)
        assert got.dims == (part, "lat", "lon") == want.dims
        np.testing.assert_array_equal(got.coord(part).labels(), want[key.name].values)
        close(got.values(), want.values, F4 * np.abs(want.values) + 1e-30)
    anomaly = v.anomaly(f"time.{part}", "nanmean")
    want = x.groupby(key) - x.groupby(key).mean()
    assert anomaly.dims == v.dims and "time" in anomaly.coords and "time_bnds" in anomaly.coords
    close(anomaly.values(), want.transpose("time", "lat", "lon").values, 2 * F4 * 340)


def test_groups_against_cdo(s, made, tmp_path):
    """ymonmean, yseasmean (DJF first, as ours; CDO's dates of it are not looked at: with bounds they come out at random), ymonsub."""
    v = datasets.open_files(s, made)["tas"]
    want = cdo("ymonmean", made, tmp_path / "m.nc")["tas"].values
    close(v.group("time.month", "nanmean").values(), want, F4 * 340)
    with xopen(tmp_path / "m.nc", decode_times=CFTIME) as f:
        assert [t.month for t in f.time.values] == list(range(1, 13))
    want = cdo("yseasmean", made, tmp_path / "s.nc")["tas"].values
    close(v.group("time.season", "nanmean").values(), want, F4 * 340)
    want = cdo(f"ymonsub {made} -ymonmean", made, tmp_path / "a.nc")["tas"].values
    close(v.anomaly("time.month", "nanmean").values(), want, 2 * F4 * 340)


def test_group_by_coordinate(s, tmp_path):
    """Groups by the values of a coordinate along a dimension; NaN belongs to no group."""
    path = tmp_path / "g.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 7)
        f.createVariable("basin", "f4", ("x",))[:] = [3, 1, 1, np.nan, 3, 7.5, 1]
        v = f.createVariable("v", "f8", ("x",))
        v[:] = np.arange(7)
        v.coordinates = "basin"
    v = datasets.open_files(s, path)["v"]
    got = v.group("basin", "sum")
    assert got.dims == ("basin",)
    np.testing.assert_array_equal(got.coord("basin").labels(), [1, 3, 7.5])
    np.testing.assert_array_equal(got.values(), [9, 4, 5])
    with pytest.raises(tsr.Error, match="NaN"):
        v.anomaly("basin")


@pytest.mark.parametrize("dims", [["lat"], ["lat", "lon"], ["lat", "lon", "time"], []])
def test_weighted_mean(s, made, dims):
    """Against xarray.weighted, which also leaves out what is missing; float32 weights and values, sums in float64 on our side."""
    ds = datasets.open_files(s, made)
    weights = ds["lat"].apply("deg2rad").apply("cos")
    with xopen(made) as f:
        x = f.tas.load().astype("f8")
        w = xr.DataArray(weights.values().astype("f8"), dims="lat", coords={"lat": f.lat})
    want = x.weighted(w).mean(dims or None)
    got = ds["tas"].weighted_mean(weights, dims)
    assert got.dims == want.dims
    # x * w is rounded to float32 before it is summed, then the sums' quotient is: 3 roundings of at most half an ulp each, and the weights' sum
    close(got.values(), want.values, 3 * F4 * 340)


# ---- Selecting -------------------------------------------------------------------------------------------------------------------


def same(got, want):
    assert got.dims == want.dims
    np.testing.assert_array_equal(got.values(), want.values)
    for dim in want.dims:
        if dim in want.coords and want[dim].dtype.kind in "iuf":
            np.testing.assert_array_equal(got.coord(dim).labels(), want[dim].values.astype("f8"), err_msg=dim)


@pytest.mark.parametrize("start", [None, 0, 3, -3, 8, 9, 20, -20])
@pytest.mark.parametrize("stop", [None, 0, 5, -2, 9, 30, -30])
def test_slices(s, made, start, stop):
    v = datasets.open_files(s, made)["tas"].index("time", 7)
    with xopen(made) as f:
        x = f.tas[7].load()
    for step in (1, 2, -1, -3, 20, -20):
        same(v.slice("lat", start, stop, step), x.isel(lat=slice(start, stop, step)))


def test_index_and_take(s, made):
    v = datasets.open_files(s, made)["tas"]
    with xopen(made) as f:
        for i in (0, 5, -1, -9):
            same(v.index("lat", i), f.tas.isel(lat=i))
        for i in (9, -10):
            with pytest.raises(tsr.Error, match=rf"index {i} is out of range for dimension lat of 'tas', which has length 9"):
                v.index("lat", i)
        same(v.take("lat", [3, 3, -1, 0]), f.tas.isel(lat=[3, 3, -1, 0]))
        same(v.take("lon", [2, 4, 6]), f.tas.isel(lon=[2, 4, 6]))
        kept = v.index("lat", 2)
        assert kept.coord("lat").labels().tolist() == [float(f.lat[2])]


@pytest.mark.parametrize("label", ["1999", "2000", "1999-12", "2000-02", "2000-02-28", "2001-07-04"])
def test_dates_as_labels(s, made, label):
    """Part of a date selects all of it, as in xarray. The labels stand at noon: a day is still part of a date, so the dimension stays."""
    v = datasets.open_files(s, made)["tas"]
    with xopen(made, decode_times=CFTIME) as f:
        want = f.tas.sel(time=label)
        got = v.select("time", label)
        assert got.shape == want.shape and got.dims == want.dims
        np.testing.assert_array_equal(got.values(), want.values)


def test_moment_as_label(s, made):
    """A text as fine as the labels themselves means one moment, and the dimension goes."""
    v = datasets.open_files(s, made)["tas"]
    for text in ("2000-02-28T12", "2000-02-28 12:00", "2000-02-28T12:00:00"):
        got = v.select("time", text)
        assert got.dims == ("lat", "lon")
        assert got.coord("time").label_text(0) == "2000-02-28T12:00"
    nearest = v.select("time", "2000-02-28T15", nearest=True)
    assert nearest.coord("time").label_text(0) == "2000-02-28T12:00"


@pytest.mark.parametrize("first, last", [("1999-12", "2000-03"), ("2000", None), (None, "2000-01-31"), ("2000-01-10", "2000-01-20"), ("1990", "2030")])
def test_date_ranges(s, made, first, last):
    v = datasets.open_files(s, made)["tas"]
    with xopen(made, decode_times=CFTIME) as f:
        want = f.tas.sel(time=slice(first, last))
        got = v.range("time", first, last)
        assert got.shape == want.shape
        np.testing.assert_array_equal(got.values(), want.values)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("first, last", [(30, 60), (60, 30), (-40, 40), (40, -40), (15, 16), (-80, 80), (-90, 90), (0, 0)])
def test_label_ranges(s, tmp_path, descending, first, last):
    """Both ends belong to a range, and it may be written in either direction, whichever way the coordinate runs."""
    path = climate(tmp_path / "c.nc", days=3, descending=descending)
    v = datasets.open_files(s, path)["tas"]
    with xopen(path) as f:
        inside = (f.lat.values >= min(first, last)) & (f.lat.values <= max(first, last))
        if not inside.any():
            with pytest.raises(tsr.Error, match=f"there is no label in {first}:{last} in the coordinate lat of 'tas', which goes from -80 to 80"):
                v.range("lat", first, last)
        else:
            same(v.range("lat", first, last), f.tas.isel(lat=np.flatnonzero(inside)))


@pytest.mark.parametrize("descending", [True, False])
def test_open_ranges(s, tmp_path, descending):
    """`60:` goes from 60 to the end, as the coordinate runs, and `:60` comes from its beginning: xarray's slices."""
    path = climate(tmp_path / "c.nc", days=3, descending=descending)
    v = datasets.open_files(s, path)["tas"]
    with xopen(path) as f:
        same(v.range("lat", 40, None), f.tas.sel(lat=slice(40, None)))
        same(v.range("lat", None, 40), f.tas.sel(lat=slice(None, 40)))
        same(v.range("lat"), f.tas)


def test_longitudes(s, tmp_path):
    """Negative longitudes are labels like others; on a grid from 0 to 360 the message says where the coordinate goes."""
    west = climate(tmp_path / "w.nc", days=2)
    east = climate(tmp_path / "e.nc", days=2, longitudes="positive")
    v = datasets.open_files(s, west)["tas"]
    with xopen(west) as f:
        same(v.range("lon", -120, -60), f.tas.sel(lon=slice(-120, -60)))
        same(v.select("lon", -90), f.tas.sel(lon=-90))
        same(v.select("lon", -100, nearest=True), f.tas.sel(lon=-100, method="nearest"))
        same(v.select_list("lon", [30, -90, 30]), f.tas.sel(lon=[30, -90, 30]))
    v = datasets.open_files(s, east)["tas"]
    with pytest.raises(tsr.Error, match="there is no -90 in the coordinate lon of 'tas', which goes from 0 to 330"):
        v.select("lon", -90)
    with pytest.raises(tsr.Error, match="there is no label in -120:-60 in the coordinate lon"):
        v.range("lon", -120, -60)


def test_float32_labels(s, tmp_path):
    """0.1 finds float32(0.1)."""
    path = tmp_path / "f.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 11)
        f.createVariable("x", "f4", ("x",))[:] = np.arange(11, dtype="f4") * np.float32(0.1)
        f.createVariable("v", "i4", ("x",))[:] = np.arange(11)
    v = datasets.open_files(s, path)["v"]
    assert v.select("x", 0.1).values() == 1
    assert v.select("x", 0.5).values() == 5
    assert v.range("x", 0.1, 0.5).values().tolist() == [1, 2, 3, 4, 5]


def test_missing_labels(s, made):
    v = datasets.open_files(s, made)["tas"]
    for wrong, message in ((lambda: v.select("lat", 41), "there is no 41 in the coordinate lat of 'tas', which goes from -80 to 80; the nearest is 40"),
                           (lambda: v.select("time", "1850"), "'1850'.*goes from 1999-11-20T12:00 to 2002-01-28T12:00"),
                           (lambda: v.select("time", "200x"), "200x"), (lambda: v.select("lat", "2000-01"), "numbers"),
                           (lambda: v.select_list("lat", [40, 41]), "there is no 41.*nearest is 40"),
                           (lambda: v.range("time", "2050", "2060"), "2050"), (lambda: v.select("latitude", 40), "no dimension 'latitude'; did you mean 'lat'"),
                           (lambda: v.select("height", 2), "height"), (lambda: v.index("tim", 0), "did you mean 'time'")):
        with pytest.raises(tsr.Error, match=message):
            wrong()


# ---- The program, and what it writes ---------------------------------------------------------------------------------------------

WRITTEN = {
    "whole": ("y = tas", ("time", "lat", "lon")),
    "mean": ("y = mean(tas, time)", ("lat", "lon")),
    "zonal": ("y = nanmean(tas, lon)", ("time", "lat")),
    "series": ("y = nanmean(tas, (lat, lon))", ("time",)),
    "number": ("y = nanmean(tas)", ()),
    "zscore": ("y = (tas - nanmean(tas, time)) / nanstd(tas, time)", ("time", "lat", "lon")),
    "part": ('y = tas[time="2000-01", lat=-40:40, lon=-90:0]', ("time", "lat", "lon")),
    "point": ("y = tas[0, :, 3]", ("lat",)),
    "celsius": ("y = tas - 273.15", ("time", "lat", "lon")),
    "anomaly": ("y = anomaly(tas, time.month)", ("time", "lat", "lon")),
    "month": ("y = tas.groupby(time.month).mean()", ("month", "lat", "lon")),
    "season": ("y = tas.groupby(time.season).mean()", ("season", "lat", "lon")),
    "weighted": ("y = weighted_mean(tas, cos(deg2rad(lat)), (lat, lon))", ("time",)),
    "transposed": ("y = transpose(tas, (lon, lat, time))", ("lon", "lat", "time")),
    "compared": ("y = tas > 280", ("time", "lat", "lon")),
}


@pytest.mark.parametrize("extension", ["nc", "nc4"])
@pytest.mark.parametrize("case", WRITTEN)
def test_written(made, tmp_path, tessera, case, extension):
    """What the program writes carries names, coordinates, bounds, grid mapping and units, and is read without complaint by xarray,
    ncdump and (where the dimensions are such as CDO knows) CDO."""
    expression, dims = WRITTEN[case]
    out = tmp_path / f"out.{extension}"
    tessera.ok("eval", expression, made, "-o", out)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(out, decode_times=CFTIME) as f, xr.open_dataset(made, decode_times=CFTIME) as original:
            f.load()
            assert f.y.dims == dims
            for dim in dims:
                assert dim in f.coords, dim
                if dim in original.coords and case not in ("part", "point"):
                    np.testing.assert_array_equal(f[dim].values, original[dim].values)
                    assert f[dim].attrs == original[dim].attrs
            assert f.attrs["Conventions"].startswith("CF-") and f.attrs["title"] == "made up"
            newest, before = f.attrs["history"].split("\n")
            assert expression in newest and before == "made"
            if "time" in dims:
                assert f.time.encoding["calendar"] == "noleap" and f.time.attrs["bounds"] == "time_bnds"
                assert f.time_bnds.shape == (f.sizes["time"], 2)
                assert out.suffix == ".nc4" or f.encoding["unlimited_dims"] <= {"time"}
            if case not in ("compared",):
                assert f.y.encoding.get("grid_mapping", f.y.attrs.get("grid_mapping")) == "crs" or not {"lat", "lon"} <= set(dims)
                assert "height" in f.coords and f.height.attrs["units"] == "m"
            if case in ("whole", "mean", "zonal", "series", "number", "part", "point", "anomaly", "month", "season", "weighted", "transposed"):
                assert f.y.attrs["units"] == "K" and f.y.attrs["standard_name"] == "air_temperature"
            if case in ("zscore", "compared", "celsius"):
                assert "units" not in f.y.attrs and "standard_name" not in f.y.attrs
            if case == "mean":
                assert f.y.attrs["cell_methods"] == "time: mean time: mean"
            if case == "compared":
                assert f.y.dtype == bool
    header = tool("ncdump", "-h", out)
    assert "y(" in header or not dims
    said = tool("cdo", "-s", "sinfo", out)
    assert "Dtype" in said and "rror" not in said, said
    # A profile along latitude with single values for the other coordinates is more than CDO can place, and it wants time to come first.
    assert "arning" not in said or case in ("point", "transposed"), said


def test_seasons_by_name(made, tmp_path, tessera):
    """Season groups are numbers (the month in the middle) with names: flag_values and flag_meanings, which the program, xarray and
    ncdump show. CDO sees a time axis with a step for each season, as its own yseasmean has."""
    out = tmp_path / "s.nc"
    tessera.ok("eval", "y = tas.groupby(time.season).mean()", made, "-o", out)
    with xopen(out) as f:
        assert f.season.values.tolist() == [1, 4, 7, 10]
        assert f.season.attrs["flag_meanings"] == "DJF MAM JJA SON"
        assert f.season.attrs["flag_values"].tolist() == [1, 4, 7, 10] and f.season.attrs["flag_values"].dtype == f.season.dtype
    assert 'flag_meanings = "DJF MAM JJA SON"' in tool("ncdump", "-h", out)
    assert tool("cdo", "-s", "showmon", out).split() == ["1", "4", "7", "10"]
    printed = tessera.ok("eval", "nanmean(tas, (lat, lon)).groupby(time.season).mean()", made)
    assert all(name in printed for name in ("DJF", "MAM", "JJA", "SON"))


def test_season_labels(s, made):
    v = datasets.open_files(s, made)["tas"].group("time.season", "nanmean")
    season = v.coord("season")
    assert [season.label_text(i) for i in range(4)] == ["DJF", "MAM", "JJA", "SON"]
    np.testing.assert_array_equal(v.select("season", "JJA").values(), v.index("season", 2).values())
    np.testing.assert_array_equal(v.range("season", "MAM", "SON").values(), v.slice("season", 1).values())
    np.testing.assert_array_equal(v.select("season", 7).values(), v.index("season", 2).values())
    with pytest.raises(tsr.Error, match="'JAJ'.*did you mean 'JJA'"):
        v.select("season", "JAJ")
