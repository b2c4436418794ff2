"""Options of NumPy's functions beyond the usual ones, against NumPy: statistics and odd reflections of pad, estimators of histogram, places
among nothing but NaN, squares of bools."""
import numpy as np
import pytest

import tessera as ts

DTYPES = ("?", "i1", "i4", "u2", "i8", "f4", "f8", "c16")


def values(shape, dtype):
    rng = np.random.default_rng(11)
    if dtype == "?":
        return rng.random(shape) < 0.5
    a = rng.integers(0, 50, shape)
    return (a / 7 + (1j if dtype == "c16" else 0) * a).astype(dtype) if np.dtype(dtype).kind in "fc" else a.astype(dtype)


def same(got, want, exact=True):
    got = got.compute()
    assert got.dtype == want.dtype and got.shape == want.shape
    if exact:
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-6 if want.dtype == "f4" else 1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
@pytest.mark.parametrize("shape, widths", [((5,), 3), ((5,), (13, 1)), ((5,), (0, 40)), ((2,), (7, 7)), ((1,), (2, 3)), ((4, 3), ((1, 2), (5, 0))), ((3, 4, 5), 2), ((6, 7), ((20, 11), (0, 0)))])
def test_pad_odd(mode, dtype, shape, widths):
    a = values(shape, dtype)
    x = ts.from_array(a, chunks=tuple(min(n, 3) for n in shape))
    same(ts.pad(x, widths, mode, reflect_type="odd"), np.pad(a, widths, mode, reflect_type="odd"), exact=np.dtype(dtype).kind not in "fc")
    same(ts.pad(x, widths, mode, reflect_type="even"), np.pad(a, widths, mode, reflect_type="even"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["maximum", "minimum", "mean", "median"])
@pytest.mark.parametrize("lengths", [1, 2, 100, (1, 3), ((2, 3), (1, 100)), None, 2.4])
def test_pad_statistics(mode, dtype, lengths):
    if dtype == "c16" and mode == "median":
        pytest.skip("there are no medians of complex numbers")
    a = values((7, 6), dtype)
    x = ts.from_array(a, chunks=(3, 4))
    same(ts.pad(x, ((2, 1), (0, 3)), mode, stat_length=lengths), np.pad(a, ((2, 1), (0, 3)), mode, stat_length=lengths), exact=mode != "mean")


def test_pad_mistakes():
    for kwargs in (dict(mode="maximum", stat_length=0), dict(mode="minimum", stat_length=(1, 0)), dict(mode="mean", stat_length=-1), dict(mode="reflect", stat_length=2),
                   dict(mode="mean", reflect_type="odd"), dict(mode="edge", stat_length=1)):
        with pytest.raises(ValueError):
            np.pad(np.arange(4.0), 2, **kwargs)
        with pytest.raises(ValueError):
            ts.pad(np.arange(4.0), 2, **kwargs)


ESTIMATORS = ("auto", "fd", "doane", "scott", "stone", "rice", "sturges", "sqrt")
SAMPLES = {"normal": lambda rng: rng.normal(size=3000), "f4": lambda rng: rng.normal(size=500).astype("f4"), "skew": lambda rng: rng.exponential(size=(40, 50)),
           "integers": lambda rng: rng.integers(-30, 30, 400), "narrow": lambda rng: rng.integers(-120, 120, 200).astype("i1"), "few": lambda rng: rng.integers(0, 3, 1000).astype("u2"),
           "equal": lambda rng: np.full(10, 2.5), "one": lambda rng: np.array([3.0]), "two": lambda rng: np.array([1.0, 4.0]), "nothing": lambda rng: np.zeros(0)}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.filterwarnings("ignore:The number of bins estimated may be suboptimal")
def test_histogram_estimators(estimator, name):
    a = SAMPLES[name](np.random.default_rng(8))
    x = ts.from_array(a, chunks=tuple(-(-n // 3) or 1 for n in a.shape))
    for limits in (None, (-1, 2), (0.25, 7.5), (100, 200)):
        want, edges = np.histogram(a, estimator, range=limits)
        got, ours = ts.histogram(x, estimator, range=limits)
        assert len(ours) == len(edges), limits
        np.testing.assert_allclose(ours, edges, rtol=1e-6, atol=1e-6 if a.dtype == "f4" else 0)
        if a.dtype != "f4":  # whose edges are float32 in NumPy
            np.testing.assert_array_equal(got.compute(), want)
        np.testing.assert_array_equal(ts.histogram_bin_edges(x, estimator, range=limits), ours)


def test_histogram_estimator_mistakes():
    x = np.arange(5.0)
    for error, function in ((ValueError, lambda m: m.histogram(x, "Auto")), (TypeError, lambda m: m.histogram(x, "auto", weights=x)), (ValueError, lambda m: m.histogram([1, np.nan], "fd")),
                            (TypeError, lambda m: m.histogram_bin_edges(x, "auto", weights=x)), (ValueError, lambda m: m.histogram_bin_edges(x, "fd", range=(2, 1)))):
        for module in (np, ts):
            with pytest.raises(error):
                function(module)
    with pytest.raises(TypeError):  # where NumPy compares complex numbers
        ts.histogram(x + 1j, "sqrt")


@pytest.mark.parametrize("name", ["nanargmin", "nanargmax"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i4"])
def test_places_among_nan(name, dtype):
    a = np.random.default_rng(4).normal(size=(20, 6)).astype(dtype if dtype != "i4" else "f8")
    a[np.random.default_rng(5).random(a.shape) < 0.5] = np.nan
    a[0] = 1.25
    a = np.nan_to_num(a).astype(dtype) if dtype == "i4" else a
    ours, theirs = getattr(ts, name), getattr(np, name)
    for axis in (None, 0, 1, -1):
        np.testing.assert_array_equal(ours(ts.from_array(a, chunks=(7, 4)), axis=axis).compute(), theirs(a, axis=axis))
    if dtype == "i4":
        return
    a[:, 3] = np.nan
    x = ts.from_array(a, chunks=(7, 3))
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        theirs(a, axis=0)
    lazy = ours(x, axis=0)  # nothing is computed yet
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        lazy.compute()
    np.testing.assert_array_equal(lazy[:3].compute(), theirs(a[:, :3], axis=0))
    np.testing.assert_array_equal(ours(x, axis=1, keepdims=True).compute(), theirs(a, axis=1, keepdims=True))
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        ours(ts.full((3, 3), np.nan)).compute()


def test_squares_of_bools():
    a = np.array([True, False, True])
    x = ts.from_array(a, chunks=2)
    for e in (2, 1, 0, 3, 2.0, True, np.int8(2), np.array(2)):
        same(x**e, a**e)
    same(ts.power(x, 2), np.power(a, 2))


def test_out_of_more_elements():
    a = np.arange(3.0)
    x = ts.from_array(a, chunks=2)
    want, mask = np.zeros((2, 3)), np.array([[True, False, True], [False, True, True]])
    for make in (lambda shape: np.full(shape, 7.0), lambda shape: ts.full(shape, 7.0, chunks=1)):
        for call in (lambda m, v, out: m.add(v, 1, out=out), lambda m, v, out: m.cos(v, out=out), lambda m, v, out: m.multiply(v, 2, out=out, where=mask)):
            want = np.full((2, 3), 7.0)
            call(np, a, want)
            out = make((2, 3))
            assert call(ts, x, out) is out
            np.testing.assert_array_equal(np.asarray(out), want)
        for shape in ((2,), (1,), (), (3, 2), (2, 1)):
            with pytest.raises(ValueError):
                np.add(a, 1, out=np.zeros(shape))
            with pytest.raises(ValueError):
                ts.add(x, 1, out=make(shape))
        for function in (lambda m, v, out: m.sum(v, out=out), lambda m, v, out: m.cumsum(v, out=out), lambda m, v, out: m.quantile(v, 0.5, out=out)):
            with pytest.raises(ValueError):
                function(ts, x, make((2, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["subtract", "maximum", "fmax", "fmin", "logical_xor"])
def test_reduce(name, dtype):
    a = values((5, 4, 3), dtype)
    if a.dtype.kind in "fc":
        a[2, 1] = np.nan
        a = a if name != "subtract" else np.round(a * 8)  # sums that are exact in any order
    x = ts.from_array(a, chunks=(2, 3, 2))
    for kwargs in ({}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (2,)}, {"axis": None}, {"axis": (0, 2)}, {"dtype": "f8"} if dtype in ("i4", "f4") and name != "logical_xor" else {}):
        try:
            want = getattr(np, name).reduce(a, **kwargs)
        except (TypeError, ValueError) as error:
            with pytest.raises(type(error)):
                getattr(np, name).reduce(x, **kwargs)
            continue
        same(getattr(np, name).reduce(x, **kwargs), want)
        same(getattr(ts, name).reduce(x, **kwargs), want)
