"""quantile, percentile and their nan-forms against NumPy: all methods, dtypes, numbers q, axes, chunks and weights; to the bit."""
import pickle

import numpy as np
import pytest

import tessera as ts

METHODS = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased",
           "lower", "higher", "midpoint", "nearest")
CHOOSING = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
QS = {"float": 0.3, "ends": [0.0, 1.0], "many": np.linspace(0, 1, 41), "tenths": [0.1, 0.2, 0.25, 0.5, 0.75, 0.9], "number": np.float64(0.7), "one": 1, "whole": [0, 1],
      "square": [[0.25, 0.5], [0.75, 0.4]], "none": np.array([])}


def values(shape, dtype, seed=3):
    """Without differences that wrap around in narrow integers: these NumPy takes in the dtype."""
    rng = np.random.default_rng(seed)
    if dtype == "?":
        return rng.random(shape) < 0.6
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    if dtype in ("i8", "u8"):  # where float64 is too coarse
        return (2**61 + rng.integers(0, 2000, shape)).astype(dtype)
    return rng.integers(0, 120, shape).astype(dtype)


def same(got, want):
    got = got.compute()
    assert got.dtype == want.dtype and np.shape(got) == np.shape(want), (got.dtype, want.dtype, np.shape(got), np.shape(want))
    np.testing.assert_array_equal(got, want)


def check(name, x, a, q, **kwargs):
    try:
        with np.errstate(all="ignore"):
            want = getattr(np, name)(a, q, **kwargs)
    except (TypeError, ValueError, IndexError) as error:
        with pytest.raises(type(error)):
            getattr(ts, name)(x, q, **kwargs).compute()
        return
    same(getattr(ts, name)(x, q, **kwargs), np.asarray(want) if np.ndim(want) else want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_all_methods_and_dtypes(method, dtype):
    a = values((23, 7), dtype)
    x = ts.from_array(a, chunks=(5, 3))
    for q in QS.values():
        for axis in (0, 1, -1, None, (0, 1), (1, 0)):
            check("quantile", x, a, q, axis=axis, method=method)
        check("quantile", x, a, q, axis=1, method=method, keepdims=True)
        check("percentile", x, a, np.multiply(q, 100) if not isinstance(q, (int, float)) else q * 100, axis=0, method=method)
        check("nanquantile", x, a, q, axis=0, method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 10, 100])
def test_lengths_and_places(method, n):
    """Where k/n meets a step of a method, and where rounding decides."""
    a = np.random.default_rng(n).permutation(np.arange(n) * 1.1)
    for q in (np.arange(n + 1) / n, (np.arange(n) + 0.5) / n, np.arange(n) / max(n - 1, 1), np.random.default_rng(1).random(50)):
        check("quantile", ts.from_array(a, chunks=3), a, q, method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_missing_and_infinite(method, dtype):
    a = values((40, 9), dtype)
    a[np.random.default_rng(0).random(a.shape) < 0.2] = np.nan
    a[:, 0] = 1.5  # NumPy's nan-form takes the dtype from the first column
    a[:, 4] = np.nan
    a[3, 5] = np.inf
    a[7:30, 6] = -np.inf
    a[:, 7] = np.arange(40)
    x = ts.from_array(a, chunks=(11, 4))
    for q in (0.5, [0.0, 0.33, 1.0]):
        with np.errstate(all="ignore"):
            check("quantile", x, a, q, axis=0, method=method)
            check("nanpercentile", x, a, np.multiply(q, 100.0) if np.ndim(q) else q * 100, axis=0, method=method)
            check("nanquantile", x, a, q, axis=(0, 1), method=method, keepdims=True)


def test_axes_of_several_dimensions():
    a = values((4, 5, 6, 7), "f8")
    x = ts.from_array(a, chunks=(3, 2, 4, 3))
    for axis in ((0, 2), (3, 1), (-1, 0, 1), (1,), ()):
        for keepdims in (False, True):
            if axis:
                check("quantile", x, a, [0.2, 0.9], axis=axis, method="hazen", keepdims=keepdims)
                check("quantile", x, a, 0.4, axis=axis, method="nearest", keepdims=keepdims)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_and_numbers(method):
    for shape, axis in (((0,), None), ((2, 0), 1), ((0, 2), 0)):
        check("quantile", ts.zeros(shape), np.zeros(shape), 0.5, axis=axis, method=method)
    check("quantile", ts.zeros((2, 0)), np.zeros((2, 0)), 0.5, axis=0, method=method)
    assert np.isnan(ts.nanquantile(ts.zeros((0, 2)), 0.5, axis=0, method=method).compute()).all()
    assert np.isnan(ts.nanquantile(ts.zeros(0, dtype="i4"), 0.5, method=method).compute())
    check("quantile", ts.asarray(3.5), np.asarray(3.5), 0.5, method=method)


def test_differences_do_not_wrap_around():
    """NumPy takes them in int8 and finds 128."""
    assert ts.quantile(np.array([-100, 100], "i1"), 0.5).compute() == 0
    assert ts.quantile(np.array([-100, 100], "i1"), 0.5, method="lower").compute() == -100


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("dtype", ["?", "i2", "i8", "u8", "f4", "f8"])
def test_weights(name, dtype):
    rng = np.random.default_rng(5)
    a = values((13, 8, 5), dtype)
    x = ts.from_array(a, chunks=(4, 3, 2))
    weights = rng.integers(0, 4, a.shape).astype(float)
    weights[0] += 1
    for q in (0.5, [0.0, 0.25, 0.5, 1.0], np.linspace(0, 1, 33), 1, [0, 1]):
        for axis in (0, (0, 2), None):
            check(name, x, a, q, axis=axis, weights=weights, method="inverted_cdf")
            check(name, x, a, q, axis=axis, weights=ts.from_array(weights, chunks=(13, 8, 1)).compute(), method="inverted_cdf", keepdims=True)
    if name == "quantile":  # NumPy's nan-form takes no weights of the axis alone
        check(name, x, a, [0.2, 0.7], axis=0, weights=np.arange(13), method="inverted_cdf")
        check(name, x, a, 0.6, axis=(2, 0), weights=rng.random((5, 13)), method="inverted_cdf")
    else:
        same(ts.nanquantile(x, 0.3, axis=0, weights=np.arange(13), method="inverted_cdf"), np.quantile(a, 0.3, axis=0, weights=np.arange(13), method="inverted_cdf"))
    same(getattr(ts, name)(x, 0.5, axis=0, weights=ts.from_array(weights, chunks=5), method="inverted_cdf"), np.quantile(a, 0.5, axis=0, weights=weights, method="inverted_cdf"))


def test_weights_beside_missing_values():
    a = values((30, 6), "f8")
    a[np.random.default_rng(2).random(a.shape) < 0.3] = np.nan
    a[:, 0] = 2.0
    a[:, 3] = np.nan
    weights = np.random.default_rng(3).random(a.shape)
    x = ts.from_array(a, chunks=(7, 2))
    for name in ("quantile", "nanquantile"):
        check(name, x, a, [0.1, 0.5, 0.9], axis=0, weights=weights, method="inverted_cdf")
        check(name, x, a, 0.5, weights=weights, method="inverted_cdf")


@pytest.mark.parametrize("kwargs", [dict(weights=[0, 0]), dict(weights=[0, -1]), dict(weights=[1, 2, 3]), dict(weights=[1, np.nan]), dict(weights=[np.inf, 1]),
                                    dict(weights=[1, 2], method="linear"), dict(weights=[1, 2], method="nearest"), dict(method="median"), dict(method="Linear")])
def test_mistakes(kwargs):
    a = np.array([1.0, 2.0])
    kwargs = {"method": "inverted_cdf", **kwargs}
    for name in ("quantile", "nanquantile", "percentile", "nanpercentile"):
        with pytest.raises((ValueError, TypeError)) as theirs:
            getattr(np, name)(a, 0.5, **kwargs)
        with pytest.raises(theirs.type):
            getattr(ts, name)(a, 0.5, **kwargs).compute()
    for q in (-0.1, 1.1, np.nan, [0.5, 2], [[[0.5]]]):
        with pytest.raises(ValueError):
            ts.quantile(a, q)
    with pytest.raises(TypeError):
        ts.quantile(a + 1j, 0.5, method="lower")
    with pytest.raises(ValueError):
        ts.quantile(np.ones((2, 3)), 0.5, axis=0, weights=[1, 2, 3], method="inverted_cdf")
    with pytest.raises(TypeError):
        ts.quantile(np.ones((2, 3)), 0.5, weights=[1, 2], method="inverted_cdf")


@pytest.mark.parametrize("method", METHODS)
def test_pickled_and_sliced(method):
    a = values((50, 6), "f4")
    x = ts.from_array(a, chunks=(20, 4)) * 2
    y = pickle.loads(pickle.dumps(ts.quantile(x, [0.1, 0.5, 0.8], axis=0, method=method)))
    want = np.quantile(a * 2, [0.1, 0.5, 0.8], axis=0, method=method)
    same(y, want)
    same(y[1:, 2:5], want[1:, 2:5])
    same(np.quantile(x, 0.4, axis=0, method=method), np.quantile(a * 2, 0.4, axis=0, method=method))


def test_pickled_weights():
    a, weights = values((50, 6), "f8"), np.random.default_rng(1).random((50, 6))
    y = pickle.loads(pickle.dumps(ts.quantile(ts.from_array(a, chunks=(20, 4)), [0.1, 0.9], axis=0, weights=weights, method="inverted_cdf")))
    same(y, np.quantile(a, [0.1, 0.9], axis=0, weights=weights, method="inverted_cdf"))


def test_out():
    a = values((9, 4), "f8")
    out = ts.empty((4,))
    got = ts.quantile(ts.from_array(a, chunks=4), 0.5, axis=0, out=out, method="higher")
    assert got is out
    same(out, np.quantile(a, 0.5, axis=0, method="higher"))
