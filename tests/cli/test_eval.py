"""tessera eval: values against xarray and NumPy, and every option."""
import json
import os

import netCDF4
import numpy as np
import pytest
import xarray

# Expression, and the same on the xarray variable.
SAME = [
    ("mean(t2m)", lambda x: x.mean()),
    ("t2m.mean()", lambda x: x.mean()),
    ("mean(t2m, time)[7:12]", lambda x: x.mean("time")[7:12]),
    ("mean(t2m, 'time')[7:12]", lambda x: x.mean("time")[7:12]),
    ("mean(t2m, 0)[7:12]", lambda x: x.mean("time")[7:12]),
    ("mean(t2m, axis=-3)[7:12]", lambda x: x.mean("time")[7:12]),
    ("mean(t2m, dim=time)[7:12]", lambda x: x.mean("time")[7:12]),
    ("mean(t2m, (latitude, longitude))", lambda x: x.mean(("latitude", "longitude"))),
    ("mean(t2m, (1, 2))", lambda x: x.mean(("latitude", "longitude"))),
    ("std(t2m, time, ddof=1)[0]", lambda x: x.std("time", ddof=1)[0]),
    ("np.var(t2m, axis=0)[1]", lambda x: x.var("time")[1]),
    ("max(t2m, longitude)[2]", lambda x: x.max("longitude")[2]),
    ("argmin(t2m, latitude)[0]", lambda x: x.argmin("latitude")[0]),
    ("argmax(t2m)", lambda x: x.argmax()),
    ("t2m[0, 1, 2]", lambda x: x[0, 1, 2]),
    ("t2m[-1, ::-9, 5:9]", lambda x: x[-1, ::-9, 5:9]),
    ("t2m[..., 3]", lambda x: x[..., 3]),
    ("t2m[2:4, [0, 5, 36], 7]", lambda x: x[2:4, [0, 5, 36], 7]),
    ("t2m[t2m[:, 0, 0] > mean(t2m[:, 0, 0]), 3, 4]", lambda x: x[x[:, 0, 0].values > x[:, 0, 0].values.mean(), 3, 4]),
    ("t2m[0, :, t2m[0, 5] > mean(t2m[0, 5])]", lambda x: x[0][:, x[0, 5].values > x[0, 5].values.mean()]),
    ("t2m[time=\"2014-01-02\", latitude=30:60, longitude=0]", lambda x: x.sel(time="2014-01-02", latitude=slice(60, 30), longitude=0)),
    ("t2m[time=\"2014-01-02T06\"][0]", lambda x: x.sel(time="2014-01-02T06:00")[0]),
    ("t2m[time=\"2014-01-02\":\"2014-01-03\", latitude=0, longitude=0]",
     lambda x: x.sel(time=slice("2014-01-02", "2014-01-03"), latitude=0, longitude=0)),
    ("t2m.sel(latitude=31.3, method=\"nearest\")[0]", lambda x: x.sel(latitude=31.3, method="nearest")[0]),
    ("t2m.isel(latitude=3, time=0:2)", lambda x: x.isel(latitude=3, time=slice(0, 2))),
    ("t2m.sel(longitude=[0, 90, 180])[0, 0]", lambda x: x.sel(longitude=[0, 90, 180])[0, 0]),
    ("transpose(t2m[0], (longitude, latitude))[:9]", lambda x: x[0].transpose("longitude", "latitude")[:9]),
    ("(t2m - mean(t2m, time))[3, 4]", lambda x: (x - x.mean("time"))[3, 4]),
    ("(t2m - t2m[0])[5, 6]", lambda x: (x - x[0].drop_vars("time"))[5, 6]),
    ("(t2m[3] - t2m).isel(latitude=5, longitude=6)", lambda x: (x[3].drop_vars("time") - x).isel(latitude=5, longitude=6)),
    ("(t2m - t2m[latitude=30, longitude=10])[5, 6]", lambda x: (x - x.sel(latitude=30, longitude=10).drop_vars(("latitude", "longitude")))[5, 6]),
    ("(t2m[1] - t2m[0])[5]", lambda x: x[1, 5].drop_vars("time") - x[0, 5].drop_vars("time")),
    ("a = t2m[0, :9]; b = a * 2; b - a", lambda x: x[0, :9] * 2 - x[0, :9]),
    ("a = t2m[0]; a -= 273.15; a[9]", lambda x: x[0, 9] - 273.15),
    ("lo, hi = min(t2m, time), max(t2m, time); (hi - lo)[3]", lambda x: (x.max("time") - x.min("time"))[3]),
    ("where(t2m > 273.15, t2m, nan)[0, 8]", lambda x: x.where(x > 273.15)[0, 8]),
    ("nanmean(where(t2m > 273.15, t2m, nan))", lambda x: x.where(x > 273.15).mean()),
    ("groupby(t2m, time.hour).mean()[2, :9]", lambda x: x.groupby("time.hour").mean("time")[2, :9]),
    ("anomaly(t2m, time.day)[5, 6]", lambda x: (x.groupby("time.day") - x.groupby("time.day").mean("time"))[5, 6]),
    ("weighted_mean(t2m, cos(deg2rad(latitude.astype(float64))), (latitude, longitude))",
     lambda x: x.weighted(np.cos(np.deg2rad(x.latitude.astype("f8")))).mean(("latitude", "longitude"))),
    ("corr(t2m[:, 9], t2m[:, 10], time)", lambda x: xarray.corr(x[:, 9].drop_vars("latitude"), x[:, 10].drop_vars("latitude"), "time")),
    ("cov(t2m[:, 9, 3], t2m[:, 10, 3], time)", lambda x: xarray.cov(x[:, 9, 3].drop_vars("latitude"), x[:, 10, 3].drop_vars("latitude"), "time")),
    ("corr(t2m[:, 9], t2m[:, 9, 4], time)[3:5]", lambda x: xarray.corr(x[:, 9], x[:, 9, 4].drop_vars("longitude"), "time")[3:5]),
    ("a, b = split(t2m, 2, time); b[0, 3]", lambda x: x[x.sizes["time"] // 2, 3]),
    ("unstack(t2m, time)[2][5]", lambda x: x[2, 5]),
    ("fliplr(t2m)[0, :2, 3]", lambda x: x[0, ::-1, 3][:2]),
    ("matrix_transpose(t2m)[0, 3, :5]", lambda x: x[0].T[3, :5]),
    ("rollaxis(t2m, longitude)[3, 1]", lambda x: x[1, :, 3]),
    ("median(t2m, time)[4]", lambda x: x.median("time")[4]),
    ("cumsum(t2m[:, 0, 0], time)", lambda x: x[:, 0, 0].cumsum("time")),
    ("topk(t2m[:3], 2, longitude)[0, 5]", lambda x: x[0, 5].sortby(x[0, 5], ascending=False)[:2].drop_vars("longitude")),
    ("delete(t2m, [0, 2], time)[:, 9, 3]", lambda x: x.isel(time=[i for i in range(x.sizes["time"]) if i not in (0, 2)])[:, 9, 3]),
    ("compress(t2m[:, 0, 0] > mean(t2m[:, 0, 0]), t2m, time)[:, 9, 3]", lambda x: x[x[:, 0, 0].values > x[:, 0, 0].values.mean(), 9, 3]),
    ("push(where(t2m > 273.15, t2m, nan), dim=time)[:, 9, 3]", lambda x: x.where(x > 273.15)[:, 9, 3].to_series().ffill().to_xarray()),
    ("norm(t2m, 2, time)[3]", lambda x: np.sqrt((x ** 2).sum("time"))[3]),
    ("diff(t2m[:, 0, 0], dim=time)", lambda x: x[:, 0, 0].diff("time")),
    ("latitude", lambda x: x.latitude),
    ("time.hour", lambda x: x.time.dt.hour),
    ("time.dayofyear", lambda x: x.time.dt.dayofyear),
]


@pytest.mark.parametrize("expression, same", SAME, ids=[s[0] for s in SAME])
def test_as_xarray(evaluate, t2m, expression, same):
    wanted = same(t2m)
    found = evaluate(expression)
    assert found.shape == wanted.shape
    if found.size > 1000:
        pytest.fail("too large to compare in JSON; select less")
    np.testing.assert_allclose(found.astype("f8"), wanted.values.astype("f8"), rtol=1e-6 if wanted.dtype == "f4" else 1e-11, atol=1e-9)


PRINTED = {
    "1 + 1": "2", "2 ** 0.5": "1.4142135623730951", "7 // 2, 7 % 2": "3\n1", "nan": "nan", "-inf": "-inf", "1 + 2j": "(1+2j)",
    "True": "True", "None": "None", "'text'": "text", "array(3)": "3", "ones(())": "1.0", "arange(5)": "[0 1 2 3 4]",
    "array([1, nan, inf])": "[ 1. nan inf]", "[]": "[]", "zeros(0)": "[]", "zeros((2, 0))": "[]", "zeros(0).mean()": "nan",
    "zeros(0).sum()": "0.0", "arange(4).reshape((2, 2))": "[[0 1]\n [2 3]]", "ones((3, 4)).shape": "(3, 4)", "ones(3).shape": "(3,)",
    "ones(3, dtype=float32).dtype": "float32", "a = 1; b = 2": "2", "a, b = 1, 2": "a = 1\nb = 2", "x = ones(2)": "x =\n[1. 1.]",
    "1 # a comment": "1", "a=1\nb=2\na+b": "3", "mean(\n  ones(3)\n)": "1.0", "ones(3) > 0": "[ True  True  True]",
    "array([1e-10, 1])": "[1.e-10 1.e+00]",
    "x = arange(9).reshape((3, 3)); x[x % 4 == 0]": "[0 4 8]", "x = arange(5); mean(x[x > 2])": "3.5", "x = arange(5); x[x > 9]": "[]", "uint8(200) + uint8(100)": "44", "histogram([1, 2, 2], 2)": "[1 2]\n[1.  1.5 2. ]",
    "random.normal(0, 1, size=2e4, seed=1).mean().shape": "()",
    "quantile(arange(10), 0.33, method='lower')": "2", "quantile(arange(10), 0.33, method='hazen')": "2.8000000000000003", "median([True, False])": "0.5",
    "quantile([1, 2, 3], 0.5, method='inverted_cdf', weights=[5, 1, 1])": "1", "nanpercentile([1, nan, 3], 50, method='inverted_cdf', weights=[1, 9, 2])": "3.0",
    "quantile(arange(6).reshape((2, 3)), 0.5, 1, method='inverted_cdf', weights=[[1, 0, 0], [0, 1, 2]])": "[0 5]", "histogram([1, 2, 2, 3, 9], 'sqrt')": "[4 0 1]\n[1.         3.66666667 6.33333333 9.        ]",
    "weighted_mean([1.0, 2.0], [1, -1])": "nan", "weighted_mean([[1.0, 2], [3, 4]], [[0, 0], [1, 3]], 1)": "[ nan 3.75]", "nanargmax([nan, 1, 2])": "2",
    "topk([5, 1, 3, 6], 2)": "[6 5]", "argtopk([5, 1, 3, 6], -2)": "[1 2]", "matmul([[1, 2], [3, 4]], [1, 1])": "[3 7]", "[[1, 2], [3, 4]] @ [1, 1]": "[3 7]", "x = 2 * eye(2); x @= x; 1 + x @ [1, 2] * 2": "[ 9. 17.]", "dot([1, 2], [3, 4])": "11",
    "einsum('ij,j->i', [[1, 2], [3, 4]], [1, 1])": "[3 7]", "tensordot(ones((2, 3)), ones((3, 2)), 1)": "[[3. 3.]\n [3. 3.]]", "trace([[1, 2], [3, 4]])": "5",
    "cross([1, 0, 0], [0, 1, 0])": "[0 0 1]", "vecdot([1, 2], [3, 4])": "11", "kron([1, 10], [1, 2])": "[ 1  2 10 20]", "matvec([[1, 2], [3, 4]], [1, 1])": "[3 7]",
    "vecmat([1j, 1], [[1, 2], [3, 4]])": "[3.-1.j 4.-2.j]", "arange(3)[[True, False, True]]": "[0 2]", "eye(2)[:, [False, True]]": "[[0.]\n [1.]]", "matvec(ones((3, 1, 2, 2)), ones((2, 2))).shape": "(3, 2, 2)", "norm([3.0, 4.0])": "5.0",
    "norm([3.0, 4.0], inf)": "4.0", "matrix_power([[1, 1], [1, 0]], 5)": "[[8 5]\n [5 3]]", "cummax([1, 3, 2])": "[1 3 3]", "cummin([3, 1, 2])": "[3 1 1]",
    "push([1, nan, nan], 1)": "[ 1.  1. nan]", "gradient([1, 2, 4])": "[1.  1.5 2. ]", "gradient([1, 2, 4], [0, 1, 3])": "[1. 1. 1.]", "trapezoid([1, 2, 3])": "4.0",
    "unwrap([0, 7], period=4)": "[ 0 -1]", "sliding_window_view(arange(4), 3)": "[[0 1 2]\n [1 2 3]]", "packbits([1, 0, 0, 0, 0, 0, 0, 1])": "[129]",
    "unpackbits(array([3], dtype=uint8), bitorder='little')": "[1 1 0 0 0 0 0 0]", "searchsorted([1, 2, 3], [2], 'right')": "[2]", "digitize([0.5, 1.5], [0, 1, 2])": "[1 2]",
    "isin([1, 2, 3], [2, 3])": "[False  True  True]", "interp([1.5, 9], [1, 2], [3, 4], right=-1)": "[ 3.5 -1. ]", "bincount([1, 1, 3])": "[0 2 0 1]",
    "convolve([1, 2], [1, 1])": "[1 3 2]", "correlate([1, 2, 3], [1, 1])": "[3 5]", "polyval([1, 0], [5])": "[5]", "logspace(0, 2, 3)": "[  1.  10. 100.]",
    "geomspace(1, 100, 3)": "[  1.  10. 100.]", "kaiser(3, 0)": "[1. 1. 1.]", "bartlett(5)": "[0.  0.5 1.  0.5 0. ]", "diag([1, 2])": "[[1 0]\n [0 2]]",
    "compress([True, False, True], [4, 5, 6])": "[4 6]", "compress([0, 1], [[1, 2], [3, 4]], 0)": "[[3 4]]", "compress([0, 1], [[1, 2], [3, 4]])": "[2]",
    "array([4, 5, 6]).compress([0, 0, 1])": "[6]", "x = arange(6); extract(x % 2 == 0, x)": "[0 2 4]", "x = arange(4).reshape((2, 2)); extract(x > 9, x)": "[]",
    "delete([0, 1, 2, 3], 1)": "[0 2 3]", "delete([0, 1, 2, 3], [0, -1])": "[1 2]", "delete(arange(6), slice(0, 6, 2))": "[1 3 5]", "delete(arange(3), 7:9)": "[0 1 2]",
    "delete([[1, 2], [3, 4]], 0, axis=1)": "[[2]\n [4]]", "delete([[1, 2], [3, 4]], 0)": "[2 3 4]", "insert([1, 2, 3], 1, [8, 9])": "[1 8 9 2 3]",
    "insert([[1, 2], [3, 4]], 1, 9, 1)": "[[1 9 2]\n [3 9 4]]", "insert([1, 2], [0, 2], [7, 8])": "[7 1 2 8]", "append([[1, 2]], [3])": "[1 2 3]",
    "append([[1, 2]], [[3, 4]], axis=0)": "[[1 2]\n [3 4]]", "take_along_axis([[3, 1, 2]], [[1, 2, 0]], 1)": "[[1 2 3]]", "take_along_axis([3, 1], [-1])": "[1]",
    "nonzero([[0, 7], [8, 0]])": "[0 1]\n[1 0]", "where([0, 3, 0, 4])": "[1 3]", "flatnonzero([[0, 7], [8, 0]])": "[1 2]", "argwhere([[0, 7], [8, 0]])": "[[0 1]\n [1 0]]",
    "allclose([1, 2 + 1e-9], [1, 2])": "True", "allclose([1.0, nan], [1.0, nan])": "False", "allclose([1.0, nan], [1.0, nan], equal_nan=True)": "True",
    "array_equal([1, 2], [1, 2])": "True", "array_equal([1, 2], [[1, 2]])": "False", "array_equal([nan], [nan], True)": "True", "array_equiv([1, 2], [[1, 2], [1, 2]])": "True",
    "isnull([1.0, nan])": "[False  True]", "notnull([1, 2])": "[ True  True]", "split(arange(4), 2)": "[0 1]\n[2 3]", "array_split(arange(5), 3)": "[0 1]\n[2 3]\n[4]",
    "split(arange(5), [1, -1])": "[0]\n[1 2 3]\n[4]", "a, b = hsplit([[1, 2], [3, 4]], 2); b - a": "[[1]\n [1]]", "vsplit([[1, 2], [3, 4]], 2)": "[[1 2]]\n[[3 4]]",
    "a, b = dsplit(arange(4).reshape((1, 2, 2)), 2); b.ravel()": "[1 3]", "unstack([[1, 2], [3, 4]], 1)": "[1 3]\n[2 4]", "column_stack([[1, 2], [3, 4]])": "[[1 3]\n [2 4]]",
    "broadcast_arrays([[1, 2], [[3], [4]]])": "[[1 2]\n [1 2]]\n[[3 3]\n [4 4]]", "meshgrid([[1, 2], [3, 4]])": "[[1 2]\n [1 2]]\n[[3 3]\n [4 4]]",
    "x, y = meshgrid([[1, 2], [3, 4]], 'ij'); x - y": "[[-2 -3]\n [-1 -2]]", "rollaxis(ones((2, 3, 4)), 2).shape": "(4, 2, 3)", "rollaxis(ones((2, 3, 4)), 0, 2).shape": "(3, 2, 4)",
    "matrix_transpose(ones((2, 3, 4))).shape": "(2, 4, 3)", "flipud([[1], [2]])": "[[2]\n [1]]", "fliplr([[1, 2]])": "[[2 1]]", "atleast_2d([1, 2])": "[[1 2]]",
    "atleast_1d(3)": "[3]", "atleast_3d([1, 2]).shape": "(1, 2, 1)", "atleast_3d(ones((2, 3))).shape": "(2, 3, 1)", "tril_indices(2)": "[0 1 1]\n[0 0 1]", "triu_indices(2, 0, 3)": "[0 0 0 1 1]\n[0 1 2 1 2]",
    "diag_indices(2)": "[0 1]\n[0 1]", "tri(2, 3, dtype=int64)": "[[1 0 0]\n [1 1 0]]", "vander([2, 3], 3)": "[[4 2 1]\n [9 3 1]]", "diagflat([[1, 2]], -1)": "[[0 0 0]\n [1 0 0]\n [0 2 0]]",
    "histogram2d([0, 1, 2], [0, 0, 3], 2, ((0, 2), (0, 4)))": "[[1. 0.]\n [1. 1.]]\n[0. 1. 2.]\n[0. 2. 4.]",
    "histogram2d([0, 1, 2], [0, 0, 3], ([0, 1, 2], 1), weights=[1, 2, 4])": "[[1.]\n [6.]]\n[0. 1. 2.]\n[0. 3.]",
    "indices((1, 2))": "[[[0 0]]\n\n [[0 1]]]", "bitwise_count(7)": "3", "round(i0(1.0), 6)": "1.266066", "complex_of(1, 2) * 1j": "(-2+1j)", "'é'": "é",
}


@pytest.mark.parametrize("expression", PRINTED, ids=[e.replace("\n", "/") for e in PRINTED])
def test_prints(tessera, expression):
    assert tessera.ok("eval", expression).rstrip("\n") == PRINTED[expression]


def test_prints_names_and_coordinates(tessera, pattern):
    text = tessera.ok("eval", "mean(t2m, longitude)[0, :3]", pattern)
    assert text == "t2m(latitude 3) float64, K\n" + text.split("\n")[1] + \
        "\n  time         2014-01-01\n  latitude     90 85 80  (degrees_north)\n"
    assert tessera.ok("eval", "time[:2]", pattern).endswith("[2014-01-01 2014-01-01T06:00]\n")


def test_large_results_are_summarised(tessera, pattern, t2m):
    done = tessera("eval", "t2m", pattern)
    assert done.code == 0
    assert done.stdout.startswith("t2m(time 16, latitude 37, longitude 72) float64, K: 341 kB in 4 chunks of (4, 37, 72)\n")
    assert f"mean {float(t2m.mean()):.8g}" in done.stdout
    assert "-o FILE.nc" in done.stderr
    assert tessera("eval", "t2m", pattern, "--quiet").stderr == ""


@pytest.mark.parametrize("expression, text", [
    ("ones((2000, 2000), chunks=(600, 2000))", "(2000, 2000) float64: 32.0 MB in 4 chunks of (600, 2000)\n  min 1, mean 1, max 1\n"),
    ("arange(1500)", "(1500) int64: 12.0 kB in 1 chunk\n  min 0, mean 749.5, max 1499\n"),
    # A product of matrices is judged by what it moves, not by its 8e9 multiplications.
    ("ones((2000, 2000)) @ ones((2000, 2000))", "min 2000, mean 2000, max 2000\n"),
    ("ones((1000000, 1000000))[:, ::1000][::1000]", "min 1, mean 1, max 1\n"),
])
def test_summaries(tessera, expression, text):
    assert tessera.ok("eval", expression).endswith(text)


@pytest.mark.parametrize("expression", ["zeros((1000000, 1000000), chunks=(1000, 1000))", "random.normal(0, 1, size=(1000000, 1000000), chunks=(1000, 1000))",
                                        "x = ones((1000000, 1000000), chunks=1000); x / x.mean()"])
def test_what_takes_long_is_not_computed_for_a_summary(tessera, expression):
    done = tessera("eval", expression, timeout=60)
    assert done.code == 0
    assert done.stdout == "(1000000, 1000000) float64: 8.0 TB in 1000000 chunks of (1000, 1000)\n"
    assert "not computed" in done.stderr and "-o FILE.nc" in done.stderr and "mean(x)" in done.stderr
    assert tessera("eval", expression, "--quiet").stderr == ""


def test_a_small_result_beside_one_that_takes_long(tessera):
    done = tessera("eval", "a = arange(3); b = mean(ones((1000000, 1000000)), 0); a, b, ones(2000)", timeout=60)
    assert done.stdout.startswith("a =\n[0 1 2]\nb(1000000) float64: 8.0 MB in ")
    assert done.stdout.count("min ") == 1 and done.stdout.endswith("  min 1, mean 1, max 1\n")
    assert "too large to print;" in done.stderr and "not computed:" in done.stderr


def test_summaries_as_json(tessera):
    small = json.loads(tessera.ok("eval", "ones((100, 100), chunks=(60, 100))", "--json"))
    assert small == {"name": "", "dtype": "float64", "shape": [100, 100], "nbytes": 80000, "chunks": [60, 100], "data": None, "min": 1, "mean": 1, "max": 1}
    large = json.loads(tessera.ok("eval", "ones((1000000, 1000000), chunks=1000)", "--json", timeout=60))
    assert large == {"name": "", "dtype": "float64", "shape": [1000000, 1000000], "nbytes": 8 * 10**12, "chunks": [1000, 1000], "data": None}


def test_named_sources(evaluate, era, t2m):
    files = [f"one={era}/2014-01-01.nc:t2m", f"all={era}/*.nc"]
    assert evaluate("one.mean() - all[:4].mean()", files=files) == 0
    np.testing.assert_allclose(evaluate("all[5, 5]", files=files), t2m[5, 5], rtol=1e-12)
    assert evaluate("mean(two - t2m[4:8])", files=[f"{era}/*.nc", f"two={era}/2014-01-02.nc:t2m"]) == 0


def test_a_file_whose_name_has_an_equals_sign(tessera, era, tmp_path):
    odd = tmp_path / "a=b.nc"
    odd.write_bytes((era / "2014-01-01.nc").read_bytes())
    assert tessera.ok("eval", "t2m.shape", odd, cwd=tmp_path) == "(4, 37, 72)\n"
    assert tessera.ok("eval", "t2m.shape", "a=b.nc", cwd=tmp_path) == "(4, 37, 72)\n"


def test_odd_names_stand_in_backquotes(tessera, tmp_path):
    tessera.ok("eval", "ones(3)", "-o", tmp_path / "x.nc")
    import netCDF4
    with netCDF4.Dataset(tmp_path / "odd.nc", "w") as d:
        d.createDimension("n", 3)
        d.createVariable("10 m wind-speed", "f4", ("n",))[:] = [1, 2, 3]
    assert tessera.ok("eval", "`10 m wind-speed`.sum()", tmp_path / "odd.nc") == "6.0\n"


# ---- Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--threads", 1], ["-j", 2], ["--threads=3"], ["--memory", "1M"], ["-m", "4M"], ["--memory=1.5GiB"],
                                     ["--chunks", "auto"], ["--chunks", "time=1,latitude=-1"], ["--chunks", "3,5,7"],
                                     ["--scratch", "/tmp"], ["--quiet"], ["-q"], ["--progress"], ["-qp"], ["-j2", "-m64M"]])
def test_options_do_not_change_the_bits(tessera, pattern, options):
    expression = "mean((t2m - mean(t2m, time)) / std(t2m, time), (time, longitude))[3:6]"
    assert tessera.ok("eval", expression, pattern, "--json", *options) == tessera.ok("eval", expression, pattern, "--json", "-j4")


def test_options_may_stand_anywhere(tessera, pattern):
    wanted = tessera.ok("eval", "mean(t2m)", pattern)
    assert tessera.ok("eval", "--threads", 2, "mean(t2m)", "--quiet", pattern) == wanted
    assert tessera.ok("eval", "-q", "--", "mean(t2m)", pattern) == wanted


def test_negative_numbers_are_not_options(tessera):
    assert tessera.ok("eval", "-1 + 3") == "2\n"
    assert tessera.ok("eval", "--", "-pi") == "-3.141592653589793\n"


def test_chunks_show_in_the_plan(tessera, pattern):
    few = tessera.ok("eval", "t2m * 2", pattern, "--explain", "--chunks", "time=16")
    many = tessera.ok("eval", "ones((1000, 1000), chunks=(100, 100)) * 2", "--explain")
    assert "stage 0" in few and "stage 0" in many
    assert "tiles" in many


def test_a_point_of_compressed_maps_is_work_for_many_tasks(tessera, tmp_path):
    """Each of its values costs a whole map: none of them should wait for the one before."""
    values = np.arange(16 * 1024 * 1024, dtype="i4").reshape(16, 1024, 1024)
    with netCDF4.Dataset(tmp_path / "maps.nc", "w") as d:
        for name, n in zip("tyx", values.shape):
            d.createDimension(name, n)
        d.createVariable("v", "i4", ("t", "y", "x"), zlib=True, complevel=1, chunksizes=(1, 1024, 1024))[:] = values
    assert "plan: 1 stage, 4 tasks" in tessera.ok("eval", "v[:, 5, 7] + 1", tmp_path / "maps.nc", "--explain")
    point = tessera.ok("eval", "v[::-1, 5, 7] + 1", tmp_path / "maps.nc", "--json")
    assert json.loads(point)["data"] == (values[::-1, 5, 7] + 1).tolist()


def test_explain_computes_nothing(tessera):
    text = tessera.ok("eval", "ones((1e6, 1e6)).sum()", "--explain", timeout=10)
    assert text.startswith("plan: 1 stage")


def test_explain_with_output_does_both(tessera, pattern, tmp_path):
    text = tessera.ok("eval", "mean(t2m, time)", pattern, "--explain", "-o", tmp_path / "m.nc")
    assert "stage 0: reduce" in text and (tmp_path / "m.nc").exists()


@pytest.mark.parametrize("graph", ["expression", "plan"])
@pytest.mark.parametrize("kind", ["svg", "dot"])
def test_visualize(tessera, pattern, tmp_path, graph, kind):
    path = tmp_path / f"graph.{kind}"
    tessera.ok("eval", "z = (t2m - mean(t2m, time)) / std(t2m, time)", pattern, "--visualize", path, "--graph", graph)
    text = path.read_text()
    assert ("mean" in text) and ("divide" in text)
    if kind == "svg":
        import xml.etree.ElementTree
        assert xml.etree.ElementTree.fromstring(text).tag.endswith("svg")
    else:
        assert text.startswith("digraph")




def test_trace_is_a_chrome_trace(tessera, pattern, tmp_path):
    path = tmp_path / "trace.json"
    tessera.ok("eval", "z = (t2m - mean(t2m, time)) / std(t2m, time)", pattern, "-o", tmp_path / "z.nc", "--trace", path, "-j2",
               "--chunks", "time=2")
    events = json.loads(path.read_text())["traceEvents"]
    tasks = [e for e in events if e["ph"] == "X"]
    assert len(tasks) >= 2
    for e in tasks:
        assert e["dur"] >= 0 and e["ts"] > 0 and isinstance(e["tid"], int)
        assert e["args"]["stage"] >= 0 and e["args"]["block"] >= 0 and e["args"]["bytes"] >= 0 and e["name"]
    assert {e["args"]["stage"] for e in tasks} >= {0, 1}
    assert sum(e["args"]["bytes"] for e in tasks) > 0


def test_json(tessera, pattern):
    one = json.loads(tessera.ok("eval", "mean(t2m, (latitude, longitude))[:2]", pattern, "--json"))
    assert one["name"] == "t2m" and one["dims"] == ["time"] and one["shape"] == [2] and one["units"] == "K"
    assert one["coords"]["time"] == ["2014-01-01", "2014-01-01T06:00"]
    many = json.loads(tessera.ok("eval", "a = 1; b = arange(3); (a, b)", "--json"))
    assert [m["name"] for m in many] == ["a", "b"] and many[1]["data"] == [0, 1, 2]
    assert json.loads(tessera.ok("eval", "array([nan, inf, 1])", "--json"))["data"] == [None, None, 1]
    assert json.loads(tessera.ok("eval", "'a \"quoted\" text'", "--json"))["data"] == 'a "quoted" text'
    assert json.loads(tessera.ok("eval", "t2m.shape", pattern, "--json"))["data"] == [16, 37, 72]
    assert json.loads(tessera.ok("eval", "t2m.dtype", pattern, "--json"))["data"] == "float64"
    assert json.loads(tessera.ok("eval", "None", "--json"))["data"] is None
    big = json.loads(tessera.ok("eval", "t2m", pattern, "--json"))
    assert big["data"] is None and big["shape"] == [16, 37, 72] and big["min"] < big["mean"] < big["max"]


def test_json_keeps_every_bit(evaluate):
    numbers = evaluate("random.uniform(0, 1, size=(100,), seed=5)", files=[])
    again = evaluate(f"array({[repr(float(n)) for n in numbers]})".replace("'", ""), files=[])
    assert numbers.tobytes() == again.tobytes()


def test_random_numbers_repeat(tessera):
    one = tessera.ok("eval", "random.normal(0, 1, size=(4,), seed=3)")
    assert one == tessera.ok("eval", "random.normal(0, 1, size=(4,), seed=3, chunks=1)", "-j3")
    assert one != tessera.ok("eval", "random.normal(0, 1, size=(4,), seed=4)")


@pytest.mark.parametrize("call, mean, tolerance", [
    ("gamma(2, 3", 6, 0.1), ("poisson(100", 100, 0.3), ("binomial(n=10, p=0.3", 3, 0.1), ("gumbel(scale=2", 2 * 0.5772, 0.1), ("exponential(", 1, 0.03),
    ("triangular(0, 1, 5", 2, 0.05), ("hypergeometric(10, 20, 6", 2, 0.05)])
def test_distributions(evaluate, call, mean, tolerance):
    separator = "" if call.endswith("(") else ", "
    assert abs(evaluate(f"mean(random.{call}{separator}size=20000, seed=7))", files=[]) - mean) < tolerance


def test_distributions_of_arrays(tessera, evaluate):
    assert len(evaluate("random.poisson([1, 1000, 0], seed=1)", files=[])) == 3
    assert evaluate("sort_check = random.permutation(100, seed=1); sum(sort_check)", files=[]) == 4950
    assert "gamma: shape < 0" in tessera.fails("eval", "random.gamma(-1)")


def test_start_is_quick(tessera):
    """30 ms on an idle machine; here only that nothing heavy happens."""
    before = os.times().children_user
    tessera.ok("eval", "1 + 1")
    assert os.times().children_user - before < 0.25


@pytest.mark.parametrize("expression, result", [
    ('reduce(arange(5), "subtract", initial=100)', "90"), ('arange(5).reduce("bitwise_or", where=arange(5) > 2)', "7"), ('reduce(ones((2, 3)), "subtract", 1)', "[-1. -1.]"),
    ('reduce(ones((2, 3)), "hypot", keepdims=True).shape', "(1, 1)"), ('accumulate([16.0, 2, 2, 2], "divide")', "[16.  8.  4.  2.]"), ('accumulate(reshape(arange(6), (2, 3)), "maximum", 1)[1]', "[3 4 5]")])
def test_reduce_by_any_operation(tessera, expression, result):
    assert tessera.ok("eval", expression).strip() == result
