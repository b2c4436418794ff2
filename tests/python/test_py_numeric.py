"""Looking up, counting, differences and convolutions of the package against NumPy."""
import warnings

import numpy as np
import pytest

import tessera as ts

rng = np.random.default_rng(8)
A, B = rng.normal(0, 1, 50), rng.normal(0, 1, (7, 40))
N = rng.integers(0, 9, 60)

CALLS = {
    "searchsorted": lambda m, w: m.searchsorted(np.sort(A), w(B), side="right"), "searchsorted sorter": lambda m, w: m.searchsorted(A, w(B), sorter=np.argsort(A)),
    "digitize": lambda m, w: m.digitize(w(B), np.array([-1.0, 0, 1])), "interp": lambda m, w: m.interp(w(B), np.sort(A), A, left=-9), "interp period": lambda m, w: m.interp(w(B), A, A, period=2.5),
    "bincount": lambda m, w: m.bincount(w(N), minlength=12), "bincount weights": lambda m, w: m.bincount(w(N), np.arange(60.0)),
    "cov": lambda m, w: m.cov(w(B)), "cov bias": lambda m, w: m.cov(w(B), bias=True, aweights=np.arange(1.0, 41)), "cov y": lambda m, w: m.cov(w(A), A[::-1].copy(), ddof=0),
    "corrcoef": lambda m, w: m.corrcoef(w(B), rowvar=False), "ediff1d": lambda m, w: m.ediff1d(w(B), to_begin=[1.0, 2], to_end=3.0),
    "gradient": lambda m, w: m.gradient(w(B), 2.0, axis=1, edge_order=2), "gradient places": lambda m, w: m.gradient(w(A), np.cumsum(np.arange(1.0, 51))), "gradient axis 0": lambda m, w: m.gradient(w(B))[0],
    "unwrap": lambda m, w: m.unwrap(w(B * 4), axis=0), "unwrap discont": lambda m, w: m.unwrap(w(N), discont=3, period=7),
    "convolve": lambda m, w: m.convolve(w(A), A[:7]), "convolve same": lambda m, w: m.convolve(w(N), N[:4], "same"), "correlate": lambda m, w: m.correlate(w(A), A[:9]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("chunk", [7, 100])
def test_as_numpy(name, chunk):
    want = CALLS[name](np, lambda a: a)
    made = CALLS[name](ts, lambda a: ts.from_array(a, chunks=chunk))
    assert isinstance(made, ts.Array)
    got = made.compute()
    assert got.shape == want.shape and got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["geomspace", "logspace", "linspace"])
def test_ranges_have_the_chunks_asked_for(name):
    for n, chunks, wanted in ((3_000_000, -1, (3_000_000,)), (3_000_000, 2_000_000, (2_000_000, 1_000_000)), (7, (3, 4), (3, 4)), (1, -1, (1,))):
        x = getattr(ts, name)(1, 3, n, chunks=(chunks,) if isinstance(chunks, tuple) else chunks)
        assert x.chunks == (wanted,)
        np.testing.assert_allclose(x[[0, -1]].compute(), getattr(np, name)(1, 3, n)[[0, -1]])


def test_numpys_own_functions_stay_lazy():
    x = ts.from_array(B, chunks=(3, 9))
    assert isinstance(np.cov(x), ts.Array) and isinstance(np.interp(x, np.sort(A), A), ts.Array)
    assert [type(g) for g in np.gradient(x)] == [ts.Array, ts.Array]


@pytest.mark.parametrize("call", [lambda m, x: m.searchsorted(A, x, side="up"), lambda m, x: m.gradient(x, 1.0, 2.0, 3.0), lambda m, x: m.cov(x, ddof=0.5), lambda m, x: m.interp(x, A, A, period=0),
                                  lambda m, x: m.gradient(x, axis=5), lambda m, x: m.bincount(np.array([-1, 2])), lambda m, x: m.convolve(x[0], A, "wide")])
def test_errors_are_numpys(call):
    with pytest.raises(Exception) as ours:
        call(ts, ts.from_array(B))
    with pytest.raises(Exception) as theirs:
        call(np, B)
    assert isinstance(ours.value, (type(theirs.value), ValueError)), (ours.value, theirs.value)


@pytest.mark.parametrize("name", ["mean", "var", "std", "nanmean", "nanvar", "nanstd"])
@pytest.mark.parametrize("axis", [None, 0, (1, 2)], ids=str)
def test_where(name, axis):
    rng = np.random.default_rng(3)
    x, mask = rng.normal(size=(7, 6, 5)), rng.random((6, 5)) > 0.4
    x[2, 3, 1] = x[6, 0, 0] = np.nan
    got = getattr(ts, name)(ts.from_array(x, chunks=(2, 4, 5)), axis=axis, where=mask).compute()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = getattr(np, name)(x, axis=axis, where=mask)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_where_refuses():
    x = ts.ones((3, 4))
    with pytest.raises(TypeError, match="mask is float64"):
        ts.mean(x, where=np.ones((3, 4)))
    with pytest.raises(ValueError):
        ts.mean(x, where=np.ones(3, bool))
    assert np.isnan(ts.mean(x, where=False).compute())
    assert ts.mean(x.astype("i4"), where=[True, False, False, True], keepdims=True).shape == (1, 1)


@pytest.mark.parametrize("kwargs", [{"bins": (3, 4), "range": ((-2, 2), (-1, 3))}, {"bins": 5}, {"bins": ([-2, 0, 3], [-1.0, 0, 1, 2]), "density": True}], ids=str)
def test_histograms_of_several_dimensions(kwargs):
    rng = np.random.default_rng(4)
    x, y, w = rng.normal(size=(3, 500))
    lazy = [ts.from_array(v, chunks=70) for v in (x, y, w)]
    for weights, lazy_weights in ((None, None), (w, lazy[2])):
        want, wx, wy = np.histogram2d(x, y, weights=weights, **kwargs)
        got, gx, gy = ts.histogram2d(*lazy[:2], weights=lazy_weights, **kwargs)
        np.testing.assert_allclose(got.compute(), want, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(gx, wx)
        np.testing.assert_array_equal(gy, wy)
    want, _ = np.histogramdd(np.stack([x, y], 1), **kwargs)
    np.testing.assert_allclose(ts.histogramdd(ts.from_array(np.stack([x, y], 1), chunks=(90, 2)), **kwargs)[0].compute(), want, rtol=1e-12)


def test_histogram2d_refuses():
    with pytest.raises(ValueError, match="dimension of bins"):
        ts.histogramdd(np.zeros((5, 3)), bins=(2, 2))
    with pytest.raises(ValueError, match="one entry per dimension"):
        ts.histogramdd(np.zeros((5, 3)), range=((0, 1),))
    with pytest.raises(ValueError, match="monotonically"):
        ts.histogram2d([1.0], [2.0], bins=([2, 1, 0], [0, 1]))
