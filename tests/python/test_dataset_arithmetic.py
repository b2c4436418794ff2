"""Arithmetic of variables with names against xarray: how operands meet, what happens to coordinates and units, and everything that moves
values along a dimension."""
import itertools
import sys

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import datasets  # noqa: E402
import tsr  # noqa: E402
from tsr import B, D, I, L, P  # noqa: E402

rng = np.random.default_rng(11)


def variable(s, x):
    """A variable that says what an xarray.DataArray says: name, dimensions, text attributes, 1-D coordinates."""
    def plain(name, a):
        made = datasets.Variable(s, s.call("tsr_variable_new", name.encode() if name else None, s.array(np.array(a.values, order="C")), datasets.texts(a.dims)))
        for key, text in a.attrs.items():
            made = made.call("tsr_variable_set_text", key.encode(), text.encode())
        return made

    v = plain(x.name, x)
    for name, c in x.coords.items():
        v = v.call("tsr_variable_set_coord", name.encode(), P(plain(name, c).p))
    return v


def field(dims="time lat lon", dtype="f8", name="x", **attrs):
    length = {"time": 5, "lat": 4, "lon": 6}
    dims = dims.split()
    values = rng.normal(0, 10, [length[d] for d in dims]).astype(dtype)
    coords = {d: np.arange(length[d]) * 10.0 for d in dims}
    return xr.DataArray(values, dims=dims, coords=coords, name=name, attrs=attrs)


def number(s, value):
    return datasets.Variable(s, s.call("tsr_variable_scalar", s.s, tsr.Scalar(10, 0, 0, value, 0.0)))


def same(got, want, exact=True):
    assert got.dims == want.dims and got.shape == want.shape
    values = got.values()
    assert values.dtype == want.dtype
    if exact:
        np.testing.assert_array_equal(values, want.values)
    else:
        np.testing.assert_allclose(values, want.values, rtol=1e-12, atol=1e-12)
    for dim in want.dims:
        if dim in want.coords:
            np.testing.assert_array_equal(got.coord(dim).labels(), want[dim].values.astype("f8"), err_msg=dim)


SETS = ["time lat lon", "time", "lat", "lon", "lat lon", "lon lat", "lon time", "time lon", "lon lat time", ""]


@pytest.mark.parametrize("a, b", list(itertools.product(SETS, SETS)))
@pytest.mark.parametrize("ufunc", ["add", "divide", "greater", "maximum"])
def test_operands_meet_by_name(s, a, b, ufunc):
    """Values as xarray's for all pairs of sets of dimensions. The order of the result's dimensions is that of the operand with more of
    them (the first, if equal), so that a profile minus a field lies like the field; xarray takes the first operand's always."""
    x, y = field(a), field(b)
    want = getattr(np, ufunc)(x, y)
    big, small = (x, y) if x.ndim >= y.ndim else (y, x)
    want = want.transpose(*big.dims, *(d for d in small.dims if d not in big.dims))
    same(variable(s, x).apply(ufunc, variable(s, y)), want)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i8"])
@pytest.mark.parametrize("value", [2.5, -1.0])
def test_numbers_are_weak(s, dtype, value):
    """A plain number takes the array's dtype, as in NumPy 2."""
    x = field(dtype=dtype)
    same(variable(s, x).apply("multiply", number(s, value)), x * value)
    assert number(s, value).apply("add", variable(s, x)).dtype == (x + value).dtype


def test_labels_must_agree(s):
    """Other labels along a shared dimension are an error that says where; xarray would quietly keep what both have."""
    x, y = field("time lat"), field("time lat", name="y").assign_coords(lat=[0.0, 10.0, 21.0, 30.0])
    with pytest.raises(tsr.Error, match="coordinate lat differs: at index 2 it is 20 in 'x' and 21 in 'y'; select the same part of both"):
        variable(s, x).apply("add", variable(s, y))
    with pytest.raises(tsr.Error, match="lat"):
        variable(s, x).apply("add", variable(s, field("time lat").isel(lat=slice(0, 3))))


def test_same_times_in_other_units(s):
    """Times that mean the same agree, whatever they are counted in."""
    x, y = field("time"), field("time")
    x["time"].attrs = {"units": "days since 2000-01-01"}
    y = y.assign_coords(time=y.time.values * 24)
    y["time"].attrs = {"units": "hours since 2000-01-01"}
    got = variable(s, x).apply("subtract", variable(s, y))
    np.testing.assert_array_equal(got.values(), x.values - y.values)
    y["time"].attrs = {"units": "hours since 2000-01-02"}
    with pytest.raises(tsr.Error, match="coordinate time differs: at index 0 it is 2000-01-01 in 'x' and 2000-01-02 in 'x'"):
        variable(s, x).apply("subtract", variable(s, y))


def test_other_calendars(s):
    """The same numbers in another calendar are other dates."""
    x, y = field("time"), field("time", name="y")
    x["time"].attrs = {"units": "days since 2000-01-01"}
    y["time"].attrs = {"units": "days since 2000-01-01", "calendar": "noleap"}
    with pytest.raises(tsr.Error, match="the calendar of time is standard in 'x' and noleap in 'y'"):
        variable(s, x).apply("subtract", variable(s, y))


def test_dimensions_without_names(s):
    """They meet by position from the right, as in NumPy."""
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 1))
    x, y = (datasets.Variable(s, s.call("tsr_variable_new", None, s.array(v), None)) for v in (a, b))
    for p, q, want in ((x, y, a + b), (y, x, b + a)):
        got = p.apply("add", q)
        assert got.dims == (None, None, None)
        np.testing.assert_array_equal(got.values(), want)
    with pytest.raises(tsr.Error):
        x.apply("add", datasets.Variable(s, s.call("tsr_variable_new", None, s.array(rng.normal(size=5)), None)))


@pytest.mark.parametrize("case", [("add", "same", "K"), ("subtract", "same", "K"), ("add", "number", None), ("multiply", "same", None), ("divide", "number", None),
                                  ("maximum", "number", "K"), ("add", "other", None), ("absolute", None, "K"), ("exp", None, None), ("isnan", None, None)])
def test_units(s, case):
    """Units stay where the quantity stays the same, and go where it does not, or where the operands disagree."""
    ufunc, other, units = case
    x = variable(s, field(units="K", standard_name="air_temperature", source="model"))
    operands = {"same": [x], "number": [number(s, 2.0)], "other": [variable(s, field(units="degC", source="model"))], None: []}[other]
    got = x.apply(ufunc, *operands)
    assert got.text("units") == units
    assert (got.text("standard_name") == "air_temperature") == (units == "K")
    assert got.text("source") == "model"


def test_where_and_clip(s):
    x = field()
    v = variable(s, x)
    cold = v.apply("less", number(s, 0.0))
    got = datasets.apply("where", cold, number(s, 0.0), v)
    same(got, xr.where(x < 0, 0.0, x))
    same(v.apply("clip", number(s, -1.0), number(s, 1.0)), x.clip(-1.0, 1.0))
    same(v.apply("isclose", variable(s, x + 1e-9)), xr.ones_like(x, dtype=bool))


@pytest.mark.parametrize("dim", ["time", "lat", "lon"])
def test_along_a_dimension(s, dim):
    """Running sums, differences, shifts: xarray's values and labels."""
    x = field()
    v = variable(s, x)
    same(v.call("tsr_variable_cumulate", b"cumsum", dim.encode()), x.cumsum(dim).assign_coords(x.coords), exact=False)
    same(v.call("tsr_variable_cumulate", b"cumprod", dim.encode()), x.cumprod(dim).assign_coords(x.coords), exact=False)
    same(v.call("tsr_variable_diff", dim.encode()), x.diff(dim))
    for n in (0, 1, -1, 2, -3, 4, 100, -100):
        same(v.call("tsr_variable_shift", dim.encode(), L(n)), x.shift({dim: n}))
    q = [0.0, 0.1, 0.5, 0.75, 1.0]
    got = v.call("tsr_variable_quantile", I(len(q)), (D * len(q))(*q), I(1), datasets.texts([dim]), None)
    want = x.quantile(q, dim)
    same(got, want, exact=False)


@pytest.mark.parametrize("order", list(itertools.permutations(["time", "lat", "lon"])))
def test_transpose(s, order):
    x = field()
    same(variable(s, x).call("tsr_variable_transpose", I(3), datasets.texts(order)), x.transpose(*order))


def test_concat(s):
    x = field()
    parts = [x.isel(time=slice(0, 2)), x.isel(time=slice(2, 3)), x.isel(time=slice(3, 5))]
    pointers = (P * 3)(*[variable(s, p).p for p in parts])
    s.lib.tsr_variable_concat.restype = P
    same(datasets.Variable(s, s.lib.tsr_variable_concat(I(3), pointers, b"time")), x)
    pointers = (P * 2)(variable(s, x).p, variable(s, x.isel(lat=slice(0, 2))).p)
    with pytest.raises(tsr.Error, match="dimension lat has length 4 in 'x' and 2 in 'x'"):
        datasets.Variable(s, s.lib.tsr_variable_concat(I(2), pointers, b"time"))


def test_renaming(s):
    v = variable(s, field(units="K"))
    y = v.call("tsr_variable_rename", b"y")
    assert y.name == "y" and y.text("units") == "K" and v.name == "x"
    z = v.call("tsr_variable_rename_dim", b"lat", b"latitude")
    assert z.dims == ("time", "latitude", "lon") and "latitude" in z.coords and "lat" not in z.coords
    with pytest.raises(tsr.Error, match="lon"):
        v.call("tsr_variable_rename_dim", b"lat", b"lon")


def test_datasets_from_memory(s, tmp_path):
    """Put together in memory, written, read by xarray. Lengths that disagree are refused."""
    x, y = field(units="K"), field("lat", "i4", "y")
    ds = datasets.new(s)
    ds.put(None, variable(s, x))
    ds.put("renamed", variable(s, y))
    with pytest.raises(tsr.Error, match="dimension 'lat' has length 2 here and 4 in what the dataset holds already"):
        ds.put("z", variable(s, y.isel(lat=slice(0, 2)).drop_vars("lat")))
    with pytest.raises(tsr.Error, match="'z' has other labels along dimension 'lat'"):
        ds.put("z", variable(s, y.assign_coords(lat=y.lat + 1)))
    for name in ("o.nc", "o.nc4"):
        ds.write(tmp_path / name, history="made by a test")
        with xr.open_dataset(tmp_path / name) as f:
            xr.testing.assert_identical(f.x.drop_attrs(), x.drop_attrs())
            xr.testing.assert_equal(f.renamed, y.rename("renamed"))
            assert f.x.units == "K" and f.attrs["history"] == "made by a test"
    with pytest.raises(tsr.Error, match="needs a name"):
        ds.put(None, variable(s, field("lat", name="")))
    with pytest.raises(tsr.Error, match="nothing to write"):
        datasets.new(s).write(tmp_path / "none.nc")
