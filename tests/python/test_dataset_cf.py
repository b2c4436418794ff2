"""CF decoding against xarray and cftime: packed and missing values of every dtype, times in every calendar and spelling. The files are
made here with the netCDF4 package; NetCDF-3 and NetCDF-4 both, where both can hold the case."""
import itertools
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

PACKED = "i1 i2 i4 i8 u1 u2 u4 u8 f4 f8".split()
CALENDARS = "standard gregorian proleptic_gregorian julian noleap 365_day all_leap 366_day 360_day".split()


def stored_values(dtype, n=60):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = np.linspace(-300, 300, n).astype(dtype)
        values[:4] = [np.nan, np.inf, -np.inf, -0.0]
        return values
    info = np.iinfo(dtype)
    values = np.random.default_rng(3).integers(info.min, info.max, n, dtype=dtype, endpoint=True)
    values[:5] = [0, 1, info.max, info.min, 5]
    return values


def make(path, values, attributes, format="NETCDF4", fill=None, name="v"):
    """One variable along x, values as stored, with these attributes."""
    with netCDF4.Dataset(path, "w", format=format) as f:
        f.createDimension("x", len(values))
        v = f.createVariable(name, values.dtype, ("x",), fill_value=False if fill is None else fill)
        v.set_auto_maskandscale(False)
        v[:] = values
        v.setncatts(attributes)
    return path


def read_both(s, path, name="v"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(path, decode_times=False) as f:
            want = f[name].load()
    variable = datasets.open_files(s, path)[name]
    return variable.values(), want.values, variable


def check(s, path, name="v", ulp=0):
    got, want, variable = read_both(s, path, name)
    assert got.dtype == want.dtype, (got.dtype, want.dtype)
    assert variable.dtype == want.dtype
    if ulp == 0:
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=ulp * np.finfo(want.dtype).eps, equal_nan=True)


# ---- Packed values ---------------------------------------------------------------------------------------------------------------

PACKINGS = {
    "scale64": {"scale_factor": np.float64(0.01)},
    "offset64": {"add_offset": np.float64(273.15)},
    "both64": {"scale_factor": np.float64(0.01), "add_offset": np.float64(273.15)},
    "scale32": {"scale_factor": np.float32(0.01)},
    "offset32": {"add_offset": np.float32(273.15)},
    "both32": {"scale_factor": np.float32(0.01), "add_offset": np.float32(273.15)},
    "scale32_offset64": {"scale_factor": np.float32(0.01), "add_offset": np.float64(273.15)},
    "scale_integer": {"scale_factor": np.int32(2)},
    "offset_integer": {"add_offset": np.int32(7)},
    "both_integer": {"scale_factor": np.int32(2), "add_offset": np.int32(7)},
    "negative": {"scale_factor": np.float64(-0.5), "add_offset": np.float64(-3)},
    "one": {"scale_factor": np.float64(1), "add_offset": np.float64(0)},
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("dtype", PACKED)
def test_packed(s, tmp_path, dtype, packing):
    """scale_factor and add_offset of every dtype: the same dtype and the same bits as xarray. Except for an integer scale alone: xarray
    makes its type (int32) the result's, which overflows and loses fractions and NaN. CF 8.1 wants such attributes to be real; we give
    float64, which is exact here."""
    path = make(tmp_path / "p.nc", stored_values(dtype), PACKINGS[packing])
    if packing == "scale_integer":
        got = datasets.open_files(s, path)["v"].values()
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, stored_values(dtype).astype("f8") * 2)
    else:
        check(s, path)


def reference(values, missing, attributes):
    """CF decoding with one float type of scale and offset, as the conventions say it: missing values are found before unpacking."""
    dtype = attributes["scale_factor"].dtype
    want = values.astype(dtype) * attributes["scale_factor"] + attributes["add_offset"]
    for m in missing:
        want[values == m] = np.nan
    return want


MISSING = [(d, w) for d in PACKED for w in "fill missing both_same both_different nan".split() if w != "nan" or d[0] == "f"]


@pytest.mark.parametrize("packing", ["none", "both64", "both32"])
@pytest.mark.parametrize("dtype, which", MISSING)
def test_missing(s, tmp_path, dtype, which, packing):
    """_FillValue, missing_value, both alike, both different, NaN; with and without packing. Two cases differ from xarray, because it
    narrows the values to the scale's float32 before it looks for missing ones, and then does not find those that float32 cannot hold
    (64-bit values packed with float32 attributes); and because a NaN fill keeps it from choosing the scale's type at all. Those are
    compared with the rule of the conventions (2.5.1 and 8.1) in NumPy."""
    values, attributes, fill = stored_values(dtype), dict(PACKINGS.get(packing, {})), None
    if which == "nan":
        fill = np.nan
    else:
        if which != "missing":
            fill = values[7]
        if which != "fill":
            attributes["missing_value"] = values[11] if which == "both_different" else values[7]
    path = make(tmp_path / "m.nc", values, attributes, fill=fill)
    if packing != "none" and (which == "nan" or (np.dtype(dtype).itemsize == 8 and packing == "both32")):
        got = datasets.open_files(s, path)["v"].values()
        want = reference(values, [x for x in (fill, attributes.get("missing_value")) if x is not None], attributes)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    else:
        check(s, path)


@pytest.mark.parametrize("dtype", "i1 i2 i4 f4 f8".split())
@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
def test_packed_classic(s, tmp_path, format, dtype):
    """The same through the NetCDF-3 reader (big-endian values): as through the NetCDF-4 reader."""
    values = stored_values(dtype)
    for k, packing in enumerate(PACKINGS.values()):
        attributes = packing | {"missing_value": values[9]}
        big, little = (make(tmp_path / f"{k}-{f}.nc", values, attributes, format=f, fill=values[7]) for f in (format, "NETCDF4"))
        got, want = (datasets.open_files(s, path)["v"].values() for path in (big, little))
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
        assert np.isnan(got[[7, 9]]).all() and np.isfinite(got[20:]).all()


@pytest.mark.parametrize("dtype", "i1 i2 i4 i8".split())
@pytest.mark.parametrize("text", ["true", "True", "TRUE", "false"])
@pytest.mark.parametrize("packed", [False, True])
def test_unsigned(s, tmp_path, dtype, text, packed):
    """_Unsigned turns signed integers into unsigned ones before anything else, the fill value too. Only "true" in any case means yes:
    xarray takes "true" alone, and warns of nothing else; the NetCDF library's own tools take any case, and so do we."""
    values = stored_values(dtype)
    attributes = {"_Unsigned": text} | (PACKINGS["both64"] if packed else {})
    path = make(tmp_path / "u.nc", values, attributes, fill=np.array(-1, dtype)[()])
    if text in ("True", "TRUE"):
        same = make(tmp_path / "same.nc", values, attributes | {"_Unsigned": "true"}, fill=np.array(-1, dtype)[()])
        got, want = read_both(s, path)[0], read_both(s, same)[1]
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    else:
        check(s, path)


@pytest.mark.parametrize("dtype", "u1 u2 u4 u8".split())
def test_signed(s, tmp_path, dtype):
    """_Unsigned = "false" makes unsigned integers signed (what DAP servers do to bytes)."""
    check(s, make(tmp_path / "u.nc", stored_values(dtype), {"_Unsigned": "false"} | PACKINGS["scale64"]))


def test_vector_missing_value(s, tmp_path):
    """Several missing values in one attribute: all of them are missing. (xarray does the same, with a warning.)"""
    values = np.arange(40, dtype="i2")
    check(s, make(tmp_path / "v.nc", values, {"missing_value": np.array([3, 5, 31], "i2")}, fill=np.int16(39)))
    check(s, make(tmp_path / "f.nc", values.astype("f4"), {"missing_value": np.array([3, 5, 31], "f4")} | PACKINGS["scale64"]))


def test_fill_of_another_type(s, tmp_path):
    """A missing_value in another type than the variable's: compared by value, as xarray does after a conversion."""
    values = np.arange(-20, 40, dtype="i2")
    check(s, make(tmp_path / "a.nc", values, {"missing_value": np.float32(-9)}))
    check(s, make(tmp_path / "b.nc", values, {"missing_value": np.int32(7)} | PACKINGS["both64"]))
    check(s, make(tmp_path / "c.nc", values.astype("f4"), {"missing_value": np.float64(7)}))
    for k, (dtype, missing) in enumerate(itertools.product("u1 u2 u4 u8 i1 i4 i8".split(), (np.float64(9), np.int32(9), np.uint8(9), np.int64(9)))):
        check(s, make(tmp_path / f"{k}.nc", np.arange(60).astype(dtype), {"missing_value": missing}))


def test_missing_value_out_of_range(s, tmp_path):
    """A missing_value that no stored value can equal makes nothing missing, and does not wrap around to another number."""
    values = np.arange(-20, 40, dtype="i2")
    for k, missing in enumerate((np.float64(65536 + 7), np.int32(65536 + 7), np.int64(-65536 - 7), np.uint32(2**32 - 7), np.float64(7.5), np.float32(1e30))):
        path = make(tmp_path / f"{k}.nc", values, {"missing_value": missing})
        got = datasets.open_files(s, path)["v"].values()
        np.testing.assert_array_equal(got, values, err_msg=str(missing))


@pytest.mark.parametrize("attribute", ["valid_range", "valid_min", "valid_max"])
@pytest.mark.parametrize("packed", [False, True])
def test_valid_range_is_ignored(s, tmp_path, attribute, packed):
    """Values outside valid_range stay, as in xarray."""
    values = np.arange(-20, 40, dtype="i2")
    limit = np.array([0, 10] if attribute == "valid_range" else 5, "i2")
    check(s, make(tmp_path / "v.nc", values, {attribute: limit} | (PACKINGS["both64"] if packed else {})))


def test_raw(s, tmp_path):
    """With `raw` nothing is decoded."""
    values = stored_values("i2")
    path = make(tmp_path / "r.nc", values, PACKINGS["both64"] | {"_Unsigned": "true"}, fill=values[7])
    got = datasets.open_files(s, path, raw=True)["v"]
    assert got.dtype == np.int16
    np.testing.assert_array_equal(got.values(), values)


def test_packed_coordinate(s, tmp_path):
    """Coordinates in memory are decoded by the same rules as arrays."""
    for k, (dtype, (name, packing)) in enumerate(itertools.product("i1 i2 i4 u1 f4 f8".split(), PACKINGS.items())):
        values = np.unique(stored_values(dtype)[5:])
        if name == "scale_integer":
            continue
        path = make(tmp_path / f"{k}.nc", values, packing, name="x")
        got, want, variable = read_both(s, path, "x")
        assert got.dtype == want.dtype, (dtype, name)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(variable.labels(), want.astype("f8"))


def test_bad_packing(s, tmp_path):
    """A scale that is no number is refused, and the variable is named."""
    path = make(tmp_path / "b.nc", np.arange(4, dtype="i2"), {"scale_factor": "many"})
    with pytest.raises(tsr.Error, match=r"b\.nc: variable 'v': attribute scale_factor is 'many', not a number"):
        datasets.open_files(s, path)


# ---- Kinds of variables -----------------------------------------------------------------------------------------------------------


def test_text_variables(s, tmp_path, tessera):
    """Characters and strings are listed, not computed with; the others are not disturbed."""
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 3)
        f.createDimension("length", 5)
        f.createVariable("station", "S1", ("x", "length"))[:] = netCDF4.stringtochar(np.array([b"north", b"south", b"east"], "S5"))
        f.createVariable("name", str, ("x",))[:] = np.array(["a", "bb", "ccc"], object)
        f.createVariable("v", "f4", ("x",))[:] = [1, 2, 3]
    ds = datasets.open_files(s, path)
    assert ds.data_names == ["v"]
    np.testing.assert_array_equal(ds["v"].values(), [1, 2, 3])
    assert "station(x, length)" in ds.describe() and "name(x)" in ds.describe()
    for name in ("station", "name"):
        with pytest.raises(tsr.Error, match=f"variable '{name}' holds text"):
            ds[name]
    assert "station" in tessera.fails("eval", "station + 1", path)
    assert "station" in tessera.ok("info", path)


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_no_records(s, tmp_path, tessera, format):
    """An unlimited dimension of length 0."""
    path = tmp_path / "e.nc"
    with netCDF4.Dataset(path, "w", format=format) as f:
        f.createDimension("time", None)
        f.createDimension("x", 3)
        f.createVariable("time", "f8", ("time",)).units = "days since 2000-1-1"
        f.createVariable("v", "f4", ("time", "x"))
        f.createVariable("w", "f4", ("x",))[:] = [1, 2, 3]
    ds = datasets.open_files(s, path)
    assert ds.dims == {"time": 0, "x": 3}
    assert ds["v"].shape == (0, 3) and ds["v"].values().shape == (0, 3)
    np.testing.assert_array_equal(ds["w"].values(), [1, 2, 3])
    assert ds["v"].reduce("sum", "time").values().tolist() == [0, 0, 0]
    assert np.isnan(ds["v"].reduce("mean", "time").values()).all()
    with pytest.raises(tsr.Error, match="empty"):
        ds["v"].select("time", "2000-01")
    with pytest.raises(tsr.Error):
        ds["v"].reduce("max", "time")
    assert "time" in tessera.ok("info", path)
    out = tmp_path / "out.nc"
    tessera.ok("eval", "y = v * 2", path, "-o", out)
    with xr.open_dataset(out) as f:
        assert f.y.shape == (0, 3)


def test_scalar_coordinates(s, tmp_path):
    """Single values named by `coordinates` travel with the variable; dates among them are dates."""
    path = tmp_path / "s.nc"
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 3)
        height = f.createVariable("height", "f4", ())
        height[...] = 2
        height.units = "m"
        when = f.createVariable("reference_time", "i4", ())
        when[...] = 10
        when.units = "days since 2000-01-01"
        v = f.createVariable("v", "f4", ("x",))
        v[:] = [1, 2, 3]
        v.coordinates = "height reference_time"
    v = datasets.open_files(s, path)["v"]
    assert sorted(v.coords) == ["height", "reference_time"]
    assert v.coord("height").labels() == [2]
    assert v.coord("reference_time").label_text(0) == "2000-01-11"
    kept = (v - v.reduce("mean", "x")).coords
    assert sorted(kept) == ["height", "reference_time"]


# ---- Times ------------------------------------------------------------------------------------------------------------------------

SPELLINGS = ("days since 1850-01-01", "days since 1850-1-1", "days since 1850-01-01 00:00:00", "day since 1850-01-01", "d since 1850-01-01",
             "Days Since 1850-01-01", "days since 1850-01-01T00:00:00Z", "days since 1850-01-01 00:00:00.0", "days since 1850-01-01 06:30",
             "hours since 1900-01-01 00:00:0.0", "hour since 1900-01-01", "hr since 1900-01-01", "hrs since 1900-1-1 0:0:0", "h since 1900-01-01",
             "minutes since 1970-01-01", "minute since 1970-01-01 12:00", "mins since 1970-01-01", "min since 1970-01-01",
             "seconds since 1970-01-01T00:00:00Z", "second since 1970-01-01 00:00:00 UTC", "secs since 1970-01-01", "sec since 1970-01-01",
             "s since 1970-01-01", "milliseconds since 1970-01-01", "millisecond since 1970-01-01", "msec since 1970-01-01", "ms since 1970-01-01",
             "microseconds since 1970-01-01", "hours since 2000-01-01 00:00:00 +05:30", "hours since 2000-01-01 00:00:00-08:00",
             "days since 0001-01-01 00:00:00", "days since 1-1-1 00:00:00", "days since 2000-02-28 18:15:30.25")


def time_file(path, numbers, units, calendar=None, format="NETCDF4"):
    with netCDF4.Dataset(path, "w", format=format) as f:
        f.createDimension("time", len(numbers))
        t = f.createVariable("time", np.asarray(numbers).dtype, ("time",))
        t[:] = numbers
        t.units = units
        if calendar:
            t.calendar = calendar
        f.createVariable("v", "f4", ("time",))[:] = np.arange(len(numbers))
    return path


def check_times(s, path, numbers, units, calendar):
    """Every date equals cftime's to the microsecond (half a microsecond of rounding in either)."""
    time = datasets.open_files(s, path)["time"]
    assert time.is_time
    want = cftime.num2date(np.asarray(numbers), units, calendar or "standard", only_use_cftime_datetimes=True)
    for i, w in enumerate(np.atleast_1d(want)):
        g = time.date(i)
        got = cftime.datetime(g.year, g.month, g.day, g.hour, g.minute, int(g.second), int(round((g.second % 1) * 1e6)) % 1000000,
                              calendar=w.calendar, has_year_zero=w.has_year_zero)
        assert abs((got - w).total_seconds()) <= 1e-6, (numbers[i], got, w)
        assert g.weekday == w.dayofwk, (numbers[i], got)
        # The year 1582 of the standard calendar has 355 days. cftime counts as if it had 365; we count days.
        skipped = 10 if w.calendar == "standard" and (1582, 10, 15) <= (w.year, w.month, w.day) <= (1582, 12, 31) else 0
        assert g.day_of_year == w.dayofyr - skipped, (numbers[i], got)
        assert time.label_text(i).startswith(f"{w.year:04d}-{w.month:02d}-{w.day:02d}") or abs(w.year) > 9999 or w.year < 0


@pytest.mark.parametrize("units", SPELLINGS)
def test_units(s, tmp_path, units):
    """Every spelling that cftime reads is read alike."""
    numbers = [0, 1, 59, 60, 365, 366, 1000.5, 12345]
    if "1-1-1" not in units and "0001" not in units:  # before them cftime and we count years differently: it has no year 0
        numbers += [-1, -40.25]
    check_times(s, time_file(tmp_path / "t.nc", np.array(numbers), units), numbers, units, None)


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("units", ["days since 1582-10-01", "hours since 1500-02-28", "days since 2000-01-01", "seconds since 1999-12-30 23:59:59"])
def test_calendars(s, tmp_path, calendar, units):
    """Every calendar, around October 1582, leap days, ends of months and centuries."""
    step = {"d": 1, "h": 24, "s": 86400}[units[0]]
    days = np.concatenate([np.arange(-40, 40), np.arange(-800, 800, 73), np.arange(-40000, 160000, 7301), [0.25, 0.5, 0.75, 1 / 3]])
    numbers = days * step
    check_times(s, time_file(tmp_path / "t.nc", numbers, units, calendar), numbers, units, calendar)


@pytest.mark.parametrize("calendar", CALENDARS)
def test_dates_equal_xarray(s, tmp_path, calendar):
    """What xarray decodes (datetime64 where it can, cftime elsewhere) is the text of our labels."""
    numbers = np.arange(0, 365 * 30, 11)
    path = time_file(tmp_path / "t.nc", numbers, "days since 1995-03-01", calendar)
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    with xr.open_dataset(path, decode_times=coder) as f:
        want = [f"{t.year:04d}-{t.month:02d}-{t.day:02d}" for t in f.time.values]
    time = datasets.open_files(s, path)["time"]
    assert [time.label_text(i) for i in range(len(numbers))] == want


@pytest.mark.parametrize("dtype", "i2 i4 i8 u4 f4 f8".split())
def test_time_dtypes(s, tmp_path, dtype):
    """Time numbers of every type; f4 as the number it is."""
    numbers = np.array([0, 1, 31, 500, 32000], dtype)
    check_times(s, time_file(tmp_path / "t.nc", numbers, "hours since 1980-01-01"), numbers, "hours since 1980-01-01", None)


def test_integer_nanoseconds_and_large_numbers(s, tmp_path):
    """64-bit counts of microseconds keep their precision as far as float64 goes (2**53)."""
    numbers = np.array([0, 1, 1_600_000_000_123_456, 4_000_000_000_000_001], "i8")
    check_times(s, time_file(tmp_path / "t.nc", numbers, "microseconds since 1970-01-01"), numbers, "microseconds since 1970-01-01", None)


def test_reform_of_1582(s, tmp_path):
    """In the standard calendar 4 October 1582 is followed by the 15th; the days between cannot be asked for."""
    path = time_file(tmp_path / "t.nc", np.arange(30), "days since 1582-09-25", "standard")
    v = datasets.open_files(s, path)["v"]
    time = v.coord("time")
    assert [time.label_text(i) for i in (9, 10)] == ["1582-10-04", "1582-10-15"]
    assert v.select("time", "1582-10").shape == (4 + 17,)
    with pytest.raises(tsr.Error, match="1582-10-10"):
        v.select("time", "1582-10-10")


@pytest.mark.parametrize("calendar, text", [("noleap", "2000-02-29"), ("360_day", "2000-01-31"), ("julian", "2000-02-30"), ("standard", "2001-02-29")])
def test_days_that_do_not_exist(s, tmp_path, calendar, text):
    path = time_file(tmp_path / "t.nc", np.arange(800), "days since 2000-01-01", calendar)
    with pytest.raises(tsr.Error, match=text):
        datasets.open_files(s, path)["v"].select("time", text)


def test_units_that_are_no_time(s, tmp_path):
    """Unknown units or calendars leave plain numbers behind; asking for a date says why."""
    for k, (units, calendar) in enumerate([("fortnights since 2000-01-01", None), ("days since yesterday", None), ("days", None),
                                           ("days since 2000-01-01", "martian"), ("days since 2000-13-01", None)]):
        v = datasets.open_files(s, time_file(tmp_path / f"{k}.nc", np.arange(5), units, calendar))["v"]
        assert not v.coord("time").is_time
        assert v.coord("time").label_text(3) == "3"
        with pytest.raises(tsr.Error, match="time"):
            v.select("time", "2000-01")
        assert v.select("time", 3).values() == 3
