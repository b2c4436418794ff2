"""Variables by position, beside xarray's arrays."""
import copy

import numpy as np
import pytest
import xarray as xr

import tessera as ts

VALUES = np.arange(60.0).reshape(3, 4, 5)


def pair():
    dims = ("time", "y", "x")
    return ts.Variable(ts.from_array(VALUES, chunks=2), dims=dims, name="t"), xr.DataArray(VALUES, dims=dims, name="t")


@pytest.mark.parametrize("key", [0, -1, slice(1, None), slice(None, None, -2), (0, 1), (slice(None), 2), (..., 3), (0, ..., slice(1, 3)), ([0, 2], slice(None), [1, 1, 4]),
                                 np.array([2, 0]), {"y": 1}, {"x": slice(0, 2), "time": 0}, (0, 1, 2)], ids=str)
def test_positions(key):
    ours, theirs = pair()
    mine, wanted = ours[key], theirs[key]
    assert (mine.dims, mine.shape, mine.sizes) == (wanted.dims, wanted.shape, dict(wanted.sizes))
    np.testing.assert_array_equal(mine.values, wanted.values)


@pytest.mark.parametrize("key", [3, -4, (0, 0, 0, 0), "t", 1.5, True])
def test_no_positions(key):
    with pytest.raises(IndexError):
        pair()[0][key]


def test_as_a_sequence():
    ours, _ = pair()
    assert len(ours) == 3 and [part.dims for part in ours] == [("y", "x")] * 3
    assert 59.0 in ours and 60.0 not in ours
    assert copy.deepcopy(ours).values.sum() == VALUES.sum()
    point = ours[0, 0, 1]
    assert bool(point) and not bool(ours[0, 0, 0])
    for call in (len, iter):
        with pytest.raises(TypeError):
            call(point)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(ours)


METHODS = ["inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased", "lower",
           "higher", "midpoint", "nearest"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [0.3, [0.0, 0.25, 1.0], []])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_quantile(method, q, dtype):
    values = VALUES[:, ::-1].astype(dtype) % 17
    if dtype != "i4":
        values[1, 2, 3] = np.nan
    theirs = xr.DataArray(values, dims=("time", "y", "x"), name="t", attrs={"units": "K"})
    ours = ts.Variable(ts.from_array(values, chunks=2), dims=theirs.dims, name="t").with_attr("units", "K")
    for dim in (None, "x", ["time", "y"], ("x",)):
        for options in ({}, {"skipna": False}, {"skipna": True, "keep_attrs": False}):
            mine, wanted = ours.quantile(q, dim, method=method, **options), theirs.quantile(q, dim, method=method, **options)
            assert (mine.name, mine.dims, mine.shape, mine.dtype) == (wanted.name, wanted.dims, wanted.shape, wanted.dtype)
            np.testing.assert_allclose(mine.values, wanted.values, rtol=1e-12)
            assert mine.attr("units") == (None if "keep_attrs" in options else "K")  # xarray 2026.9 keeps them always
            assert set(mine.coords) == set(wanted.coords) and mine.coords["quantile"].values.tolist() == wanted.coords["quantile"].values.tolist()


def test_quantile_mistakes():
    ours, _ = pair()
    for call, error in ((lambda: ours.quantile(1.5, "x"), ValueError), (lambda: ours.quantile(0.5, "z"), KeyError), (lambda: ours.quantile(0.5, "x", method="best"), ValueError),
                        (lambda: ours.quantile([[0.5]], "x"), ValueError), (lambda: ours.quantile(0.5, ["x", "x"]), ValueError)):
        with pytest.raises(error):
            call()
