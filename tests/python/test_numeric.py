"""Looking up, counting and differences against NumPy, for many dtypes, odd chunks and edge cases."""
import ctypes as ct
import sys

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from tsr import B, D, I, L, P  # noqa: E402

rng = np.random.default_rng(9)


def same(got, want, rtol=1e-12):
    want = np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape, (got.dtype, got.shape, want.dtype, want.shape)
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=rtol if want.dtype.itemsize != 4 else 1e-4, atol=1e-12 if want.dtype.itemsize != 4 else 1e-4)


def chunked(s, a):
    a = np.asarray(a)
    return s.array(a, tuple(max(1, n * 2 // 5) for n in a.shape) or None)


def maybe(s, a):
    return None if a is None else chunked(s, a)


def sample(dtype, n):
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        return rng.integers(0 if dtype.kind in "bu" else -20, 2 if dtype.kind == "b" else 20, n).astype(dtype)
    a = np.round(rng.normal(0, 5, n), 1)
    return (a + 1j * np.round(rng.normal(0, 1, n)) if dtype.kind == "c" else a).astype(dtype)


DTYPES = "bool int8 uint16 int64 uint64 float32 float64 complex64 complex128".split()


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_searchsorted(s, dtype, right):
    a, v = sample(dtype, 37), sample(dtype, (5, 11))
    order = np.argsort(a, kind="stable")
    side = "right" if right else "left"
    same(s.compute(s.call("tsr_searchsorted", chunked(s, a[order]), chunked(s, v), B(right), None)), np.searchsorted(a[order], v, side))
    same(s.compute(s.call("tsr_searchsorted", chunked(s, a), chunked(s, v), B(right), chunked(s, order))), np.searchsorted(a, v, side, sorter=order))
    same(s.compute(s.call("tsr_searchsorted", s.array(a[:0]), s.array(v[0, 0]), B(right), None)), np.searchsorted(a[:0], v[0, 0], side))


def test_searchsorted_nan_and_errors(s):
    a, v = np.array([-np.inf, 1, 2, np.inf, np.nan]), np.array([np.nan, np.inf, -np.inf, 0, 2])
    for right in (False, True):
        same(s.compute(s.call("tsr_searchsorted", s.array(a), s.array(v), B(right), None)), np.searchsorted(a, v, "right" if right else "left"))
    with pytest.raises(tsr.Error, match="2 dimensions"):
        s.call("tsr_searchsorted", s.array(np.ones((2, 2))), s.array(v), B(False), None)
    with pytest.raises(tsr.Error, match="out of range"):
        s.compute(s.call("tsr_searchsorted", s.array(a), s.array(v), B(False), s.array(np.array([0, 1, 2, 3, 7]))))


@pytest.mark.parametrize("right", [False, True])
def test_digitize(s, right):
    x = np.append(np.round(rng.normal(0, 3, 100), 1), [np.nan, np.inf, -np.inf]).reshape(1, -1)
    for bins in (np.array([-2.0, -1, 0, 0, 3]), np.array([4.0, 1, 1, -2]), np.array([1.0]), np.arange(-3, 4), np.arange(3, -4, -2)):
        same(s.compute(s.call("tsr_digitize", chunked(s, x), chunked(s, bins), B(right))), np.digitize(x, bins, right))
    with pytest.raises(tsr.Error, match="monotonically"):
        s.compute(s.call("tsr_digitize", s.array(x), s.array(np.array([1.0, 3, 2])), B(right)))


@pytest.mark.parametrize("dtypes", [("int64", "int64"), ("uint8", "int16"), ("float64", "int32"), ("float32", "float32"), ("complex128", "float64"), ("bool", "bool")])
def test_isin(s, dtypes):
    x, t = sample(dtypes[0], (7, 30)), sample(dtypes[1], (3, 4))
    if x.dtype.kind == "f":
        x[0, :3] = np.nan, 0.0, -0.0
        t = np.append(t, np.array([0, 1], t.dtype))
    for invert in (False, True):
        same(s.compute(s.call("tsr_isin", chunked(s, x), chunked(s, t), B(invert))), np.isin(x, t, invert=invert))
    same(s.compute(s.call("tsr_isin", chunked(s, x), s.array(t.ravel()[:0]), B(False))), np.isin(x, t.ravel()[:0]))


def interp(s, x, xp, fp, left=None, right=None, period=0.0):
    ends = [None if e is None else ct.byref(D(e)) for e in (left, right)]
    return s.compute(s.call("tsr_interp", chunked(s, x), chunked(s, xp), chunked(s, fp), *ends, D(period)))


def test_interp(s):
    x = np.append(rng.normal(0, 4, 200), [np.nan, -3, 3, np.inf, -np.inf]).reshape(5, 41)
    xp, fp = np.sort(np.append(rng.normal(0, 2, 20), [-3, 3])), rng.normal(size=22)
    same(interp(s, x, xp, fp), np.interp(x, xp, fp))
    same(interp(s, x, xp, fp, -9.0, 7.0), np.interp(x, xp, fp, -9, 7))
    same(interp(s, x, xp[:1], fp[:1]), np.interp(x, xp[:1], fp[:1]))
    finite = x[np.isfinite(x)]
    places = rng.permutation(360)[:20]
    same(interp(s, finite * 100, places, np.arange(20), period=360.0), np.interp(finite * 100, places, np.arange(20), period=360), rtol=1e-9)
    same(interp(s, np.arange(5), np.arange(4), np.array([1, np.inf, 2, 2])), np.interp(np.arange(5), np.arange(4), [1, np.inf, 2, 2]))
    with pytest.raises(tsr.Error, match="as many are needed"):
        interp(s, x, xp, fp[:3])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_bincount(s, dtype):
    x, w = np.abs(sample(dtype, 500)), rng.normal(size=500)
    for least in (0, 5, 40):
        same(s.compute(s.call("tsr_bincount", chunked(s, x), None, L(least))), np.bincount(x, minlength=least))
        same(s.compute(s.call("tsr_bincount", chunked(s, x), chunked(s, w), L(least))), np.bincount(x, w, least), rtol=1e-9)
    same(s.compute(s.call("tsr_bincount", s.array(x[:0]), None, L(3))), np.bincount(x[:0].astype(int), minlength=3))
    same(s.compute(s.call("tsr_bincount", s.array(x[:0]), None, L(0))), np.bincount(x[:0].astype(int)))


def test_bincount_errors(s):
    for x, text in [(np.array([1, -2]), "holds -2"), (np.array([1.5]), "integers"), (np.ones((2, 2), int), "1-d")]:
        with pytest.raises(tsr.Error, match=text):
            s.call("tsr_bincount", s.array(x), None, L(0))


def histogramdd(s, samples, bins, weights=None, density=False):
    made = (tsr.Bins * len(bins))()
    keep = []
    for i, b in enumerate(bins):
        if isinstance(b, tuple):
            made[i] = tsr.Bins(b[0], b[1], b[2], None)
        else:
            keep.append(np.asarray(b, float))
            made[i] = tsr.Bins(len(b) - 1, 0, 0, keep[-1].ctypes.data)
    arrays = (P * len(samples))(*[chunked(s, x) for x in samples])
    return s.compute(s.call("tsr_histogramdd", I(len(samples)), arrays, made, maybe(s, weights), B(density)))


def test_histogramdd(s):
    x, y, z = rng.normal(size=(3, 1000))
    x[:5] = -2, 2, np.nan, 0, 1
    w = rng.random(1000)
    edges = [-2, -1, 0, 1.5, 2]
    for weights in (None, w):
        for density in (False, True):
            got = histogramdd(s, (x, y), ((7, -2.0, 2.0), edges), weights, density)
            same(got, np.histogram2d(x, y, (np.linspace(-2, 2, 8), edges), density=density, weights=weights)[0], rtol=1e-9)
    got = histogramdd(s, (x, y, z), ((3, -2.0, 2.0), edges, (5, -1.0, 1.0)))
    same(got, np.histogramdd((x, y, z), (np.linspace(-2, 2, 4), edges, np.linspace(-1, 1, 6)))[0])


# ---- Covariance ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "complex128"])
def test_cov(s, dtype):
    m, y = sample(dtype, (4, 50)), sample(dtype, (2, 50))
    f, a = rng.integers(1, 5, 50), rng.random(50)
    for rowvar in (True, False):
        x, more = (m, y) if rowvar else (m.T, y.T)
        for kw in [dict(), dict(ddof=0), dict(fweights=f), dict(aweights=a), dict(fweights=f, aweights=a, ddof=2), dict(aweights=a, ddof=0)]:
            got = s.call("tsr_cov", chunked(s, x), None, B(rowvar), D(kw.get("ddof", 1)), maybe(s, kw.get("fweights")), maybe(s, kw.get("aweights")))
            same(s.compute(got), np.cov(x, rowvar=rowvar, **kw), rtol=1e-9)
        same(s.compute(s.call("tsr_cov", chunked(s, x), chunked(s, more), B(rowvar), D(1), None, None)), np.cov(x, more, rowvar), rtol=1e-9)
        same(s.compute(s.call("tsr_corrcoef", chunked(s, x), None, B(rowvar))), np.corrcoef(x, rowvar=rowvar), rtol=1e-9)
    same(s.compute(s.call("tsr_cov", chunked(s, m[0]), None, B(True), D(1), None, None)), np.cov(m[0]), rtol=1e-9)
    same(s.compute(s.call("tsr_cov", chunked(s, m[0]), chunked(s, m[1]), B(True), D(1), None, None)), np.cov(m[0], m[1]), rtol=1e-9)
    same(s.compute(s.call("tsr_corrcoef", chunked(s, m[0]), None, B(True))), np.corrcoef(m[0]), rtol=1e-9)


# ---- Differences ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64", "complex128"])
def test_ediff1d(s, dtype):
    x = sample(dtype, (4, 6))
    end, begin = np.array([1, 2], dtype), np.array(3, dtype)
    for e, b in [(None, None), (end, None), (None, begin), (end, begin)]:
        same(s.compute(s.call("tsr_ediff1d", chunked(s, x), maybe(s, e), maybe(s, b))), np.ediff1d(x, e, b))
    same(s.compute(s.call("tsr_ediff1d", s.array(x[0, :1]), None, None)), np.ediff1d(x[0, :1]))


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64", "complex128"])
def test_gradient(s, dtype):
    x = sample(dtype, (6, 9, 5))
    for axis in (0, 1, -1):
        places = np.sort(rng.random(x.shape[axis])) * 4
        for order in (1, 2):
            same(s.compute(s.call("tsr_gradient", chunked(s, x), I(axis), D(1.0), None, I(order))), np.gradient(x, axis=axis, edge_order=order))
            same(s.compute(s.call("tsr_gradient", chunked(s, x), I(axis), D(2.5), None, I(order))), np.gradient(x, 2.5, axis=axis, edge_order=order))
            if dtype != "float32":
                same(s.compute(s.call("tsr_gradient", chunked(s, x), I(axis), D(0), chunked(s, places), I(order))), np.gradient(x, places, axis=axis, edge_order=order), rtol=1e-7)
    same(s.compute(s.call("tsr_gradient", s.array(x[:2]), I(0), D(1.0), None, I(1))), np.gradient(x[:2], axis=0))
    for bad, order, text in [(x[:1], 1, "at least 2"), (x[:2], 2, "at least 3"), (x, 3, "edge_order")]:
        with pytest.raises(tsr.Error, match=text):
            s.call("tsr_gradient", s.array(bad), I(0), D(1.0), None, I(order))


def test_unwrap(s):
    x = rng.normal(0, 6, (8, 40))
    for dtype in ("float32", "float64"):
        for axis in (0, -1):
            same(s.compute(s.call("tsr_unwrap", chunked(s, x.astype(dtype)), D(np.nan), I(axis), D(2 * np.pi))), np.unwrap(x.astype(dtype), axis=axis))
    same(s.compute(s.call("tsr_unwrap", chunked(s, x), D(5.0), I(1), D(4.0))), np.unwrap(x, 5.0, period=4.0))
    n = rng.integers(-300, 300, 50)
    for period in (360, 7):
        same(s.compute(s.call("tsr_unwrap", chunked(s, n), D(np.nan), I(0), D(period))), np.unwrap(n, period=period))
    same(s.compute(s.call("tsr_unwrap", chunked(s, n.astype("int16")), D(np.nan), I(0), D(2 * np.pi))), np.unwrap(n.astype("int16")))


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64", "complex128"])
def test_convolve(s, dtype):
    for n, m in [(30, 4), (4, 30), (7, 7), (1, 1), (5, 1), (2000, 33)]:
        a, v = sample(dtype, n), sample(dtype, m)
        for mode in ("full", "same", "valid"):
            same(s.compute(s.call("tsr_convolve", chunked(s, a), chunked(s, v), mode.encode())), np.convolve(a, v, mode), rtol=1e-9)
            same(s.compute(s.call("tsr_correlate", chunked(s, a), chunked(s, v), mode.encode())), np.correlate(a, v, mode), rtol=1e-9)
    with pytest.raises(tsr.Error, match="empty"):
        s.call("tsr_convolve", s.array(np.ones(0)), s.array(np.ones(2)), b"full")
    with pytest.raises(tsr.Error, match="no mode 'middle'"):
        s.call("tsr_convolve", s.array(np.ones(3)), s.array(np.ones(2)), b"middle")


# ---- From few numbers ---------------------------------------------------------------------------------------------------------------


def test_grids(s):
    code = tsr.CODES
    f8 = I(code[np.dtype("float64")])
    for n, m, k in [(4, 4, 0), (3, 6, 2), (6, 3, -1), (0, 3, 0)]:
        same(s.compute(s.call("tsr_tri", s.s, L(n), L(m), L(k), f8, None)), np.tri(n, m, k))
    for v in (sample("int64", 5), sample("complex64", 1), sample("float64", 0), sample("float64", (4, 6))):
        for k in (-2, 0, 1):
            same(s.compute(s.call("tsr_diag", chunked(s, v), L(k))), np.diag(v, k))
            same(s.compute(s.call("tsr_diagflat", chunked(s, v), L(k))), np.diagflat(v, k))
    for shape in ((3, 4, 2), (5,), (0, 2), ()):
        got = s.call("tsr_indices", s.s, I(len(shape)), tsr.numbers(shape), I(code[np.dtype("int32")]), None)
        if shape:
            same(s.compute(got), np.indices(shape, np.int32))
    arrays = [sample("float64", 3), sample("int32", 4), sample("float32", 2)]
    for n in (1, 2, 3):
        for ij in (False, True):
            outs = (P * n)()
            assert s.lib.tsr_meshgrid(I(n), (P * n)(*[chunked(s, a) for a in arrays[:n]]), B(ij), outs) == 0
            for got, want in zip(outs, np.meshgrid(*arrays[:n], indexing="ij" if ij else "xy")):
                same(s.compute(got), want)
    for start, stop, n, end in [(0, 3, 10, True), (2, -1, 7, False), (1, 1, 1, True), (0, 1, 0, True)]:
        same(s.compute(s.call("tsr_logspace", s.s, D(start), D(stop), L(n), B(end), D(2.0), f8, None)), np.logspace(start, stop, n, end, 2.0))
    for start, stop, n, end in [(1, 1000, 4, True), (-2, -32, 5, False), (8, 0.5, 9, True), (3, 3, 1, True)]:
        same(s.compute(s.call("tsr_geomspace", s.s, D(start), D(stop), L(n), B(end), f8, None)), np.geomspace(start, stop, n, end))
    with pytest.raises(tsr.Error, match="other than zero"):
        s.call("tsr_geomspace", s.s, D(0), D(1), L(3), B(True), f8, None)
    for x in (sample("int16", 4), sample("float64", 5), np.array([True, False])):
        for n, up in [(-1, False), (3, True), (0, False)]:
            same(s.compute(s.call("tsr_vander", chunked(s, x), L(n), B(up))), np.vander(x, None if n < 0 else n, up))
