"""Places, windows, running extremes, integrals: functions of NumPy's that are composed, against NumPy: odd chunks, empty and 0-d arrays."""
import pickle
import warnings

import numpy as np
import pytest

import tessera as ts

rng = np.random.default_rng(12)
X = rng.normal(size=(6, 5, 4))
GAPS = np.where(rng.random(X.shape) < 0.4, np.nan, X)
PLANE = np.zeros((7, 6))
PLANE[2:4, 3] = [1, np.nan]
VECTORS, OTHERS = rng.normal(size=(4, 1, 3)), rng.normal(size=(5, 3))
FLAT = rng.integers(0, 60, (4, 5))
UNRAVELLED = np.unravel_index(FLAT, (3, 4, 5))
ORDER = {axis: rng.integers(-X.shape[axis], X.shape[axis], X.shape) for axis in range(3)}
Z = np.array([complex(np.nan, 1), complex(np.inf, -np.inf), complex(1, np.nan)])
LAST = rng.integers(-2, 3, (5, 8), np.int32)

CALLS = {
    **{f"trapezoid {axis}": lambda m, w, axis=axis: m.trapezoid(w(X), dx=0.5, axis=axis) for axis in range(-1, 3)},
    "trapezoid places": lambda m, w: m.trapezoid(w(X), np.array([0.0, 1, 3, 3, 7]), axis=1), "trapezoid each": lambda m, w: m.trapezoid(w(X), w(X * 2), axis=0),
    "trapezoid integers": lambda m, w: m.trapezoid(w(LAST)), "trapezoid empty": lambda m, w: m.trapezoid(w(X[:, :0]), axis=1), "trapezoid one": lambda m, w: m.trapezoid(w(X[:1]), axis=0),
    "cross": lambda m, w: m.cross(w(VECTORS), OTHERS), "cross axes": lambda m, w: m.cross(w(VECTORS), OTHERS, axisc=0), "cross axis": lambda m, w: m.cross(w(OTHERS.T), OTHERS.T, axis=0),
    "cross 2 3": lambda m, w: m.cross(w(VECTORS[..., :2]), OTHERS), "cross 3 2": lambda m, w: m.cross(w(VECTORS), OTHERS[:, :2]), "cross 2 2": lambda m, w: m.cross(w(VECTORS[..., 1:]), OTHERS[:, :2]),
    "cross integers": lambda m, w: m.cross(w(np.array([1, 2, 3])), np.array([4, 5, 6], np.int16)),
    **{f"take_along_axis {axis}": lambda m, w, axis=axis: m.take_along_axis(w(X), w(ORDER[axis]), axis) for axis in range(3)},
    "take_along_axis flat": lambda m, w: m.take_along_axis(w(X), np.array([3, -1, 100]), None), "take_along_axis few": lambda m, w: m.take_along_axis(w(X), np.array([[[1], [0]]]).reshape(1, 2, 1), 1),
    "take_along_axis wide": lambda m, w: m.take_along_axis(w(X[:1]), w(np.abs(ORDER[1]) % 5), 1), "take_along_axis none": lambda m, w: m.take_along_axis(w(X), w(ORDER[1][:, :0]), 1),
    "i0": lambda m, w: m.i0(w(np.append(np.linspace(-720, 720, 333), [np.nan, np.inf, 8, 0]))), "i0 integers": lambda m, w: m.i0(w(LAST)),
    **{f"bitwise_count {d}": lambda m, w, d=d: m.bitwise_count(w(np.array([0, 1, 77, 127, np.iinfo(d).max, np.iinfo(d).min], d))) for d in "bBhHiIqQ"},
    "ravel_multi_index": lambda m, w: m.ravel_multi_index(tuple(map(w, UNRAVELLED)), (3, 4, 5)), "ravel_multi_index F": lambda m, w: m.ravel_multi_index(tuple(map(w, UNRAVELLED)), (3, 4, 5), order="F"),
    "ravel_multi_index modes": lambda m, w: m.ravel_multi_index(tuple(w(i - 2) for i in UNRAVELLED), (3, 4, 5), ("wrap", "clip", "wrap")),
    **{f"unravel_index {d}": lambda m, w, d=d: m.unravel_index(w(FLAT), (3, 4, 5))[d] for d in range(3)}, "unravel_index F": lambda m, w: m.unravel_index(w(FLAT), (3, 4, 5), "F")[1],
    "unravel_index 0-d": lambda m, w: m.unravel_index(w(np.array(17)), (3, 7))[1],
    **{f"resize {shape}": lambda m, w, shape=shape: m.resize(w(X), shape) for shape in [(3, 7), (0,), (), (2, 0), 300]}, "resize empty": lambda m, w: m.resize(w(X[:0]), (2, 2)),
    **{f"trim_zeros {trim} {axis}": lambda m, w, trim=trim, axis=axis: m.trim_zeros(w(PLANE), trim, axis) for trim in ("fb", "F", "b") for axis in (None, 0, 1, (0, 1))},
    "trim_zeros all": lambda m, w: m.trim_zeros(w(np.zeros((3, 4))), axis=1), "trim_zeros empty": lambda m, w: m.trim_zeros(w(np.zeros((0, 4)))), "trim_zeros 0-d": lambda m, w: m.trim_zeros(w(np.array(0))),
    **{f"{name} {n}": lambda m, w, name=name, n=n: getattr(m, name)(n) for name in ("bartlett", "blackman", "hamming", "hanning") for n in (-3, 0, 1, 2, 3, 10, 51)},
    **{f"kaiser {n}": lambda m, w, n=n: m.kaiser(n, 8.6) for n in (0, 1, 2, 51)},
    **{f"geomspace {args}": lambda m, w, args=args: m.geomspace(*args) for args in [(1, 1000, 4), (1000, 1, 7), (-1, -1000, 5), (1, 256, 9, False), (2, 3, 0), (2, 3, 1), (1, 256, 9, True, int)]},
    **{f"cumulative_sum {axis}": lambda m, w, axis=axis: m.cumulative_sum(w(X), axis=axis, include_initial=True) for axis in (0, 1, -1)}, "cumulative_sum": lambda m, w: m.cumulative_sum(w(LAST[0]), dtype=float),
    "cumulative_prod": lambda m, w: m.cumulative_prod(w(LAST), axis=1, include_initial=True), "cumulative_sum 0-d": lambda m, w: m.cumulative_sum(w(np.array(3))), "cumulative_sum empty": lambda m, w: m.cumulative_sum(w(X[0, :0]), axis=0, include_initial=True),
    **{f"{name}.accumulate {axis} {case}": lambda m, w, name=name, axis=axis, case=case: getattr(m, name).accumulate(w({"gaps": GAPS, "integers": LAST, "bool": LAST > 0, "empty": X[:0], "float32": X.astype("f4"), "unsigned": LAST.astype("u1")}[case]), axis)
       for name in ("maximum", "minimum") for axis in (0, -1) for case in ("gaps", "integers", "bool", "empty", "float32", "unsigned")},
    "polyval": lambda m, w: m.polyval(np.array([1.0, 2, 3]), w(X)), "polyval integers": lambda m, w: m.polyval([3, 0, 1], w(LAST)), "polyval of nothing": lambda m, w: m.polyval(np.zeros(0), w(X)), "polyval 0-d": lambda m, w: m.polyval([1, 2], w(np.float32(3))),
    "nan_to_num complex": lambda m, w: m.nan_to_num(w(Z)), "nan_to_num complex values": lambda m, w: m.nan_to_num(w(Z.astype("c8")), nan=3, posinf=np.inf),
    "real_if_close": lambda m, w: m.real_if_close(w(np.array([1 + 1e-15j, 2])), 1000), "real_if_close not": lambda m, w: m.real_if_close(w(np.array([1 + 1e-9j, 2]))), "real_if_close tol": lambda m, w: m.real_if_close(w(np.array([1 + 1e-9j])), 1e-8),
    "real_if_close real": lambda m, w: m.real_if_close(w(LAST)), "apply_over_axes": lambda m, w: m.apply_over_axes(m.sum, w(X), [0, -1]), "diag_indices_from": lambda m, w: m.diag_indices_from(w(np.zeros((4, 4))))[1],
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("chunk", [3, 1000])
def test_as_numpy(name, chunk):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        want = np.asarray(CALLS[name](np, lambda a: a))
        made = CALLS[name](ts, lambda a: ts.from_array(a, chunks=chunk))
        assert isinstance(made, ts.Array) or name == "diag_indices_from"
        got = np.asarray(made)
        assert got.shape == want.shape and got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_numpys_own_functions_stay_lazy():
    x = ts.from_array(X, chunks=2)
    for made in (np.trapezoid(x), np.take_along_axis(x, ORDER[0], 0), np.resize(x, 5), np.i0(x), np.maximum.accumulate(x), np.bitwise_count(x.astype(int)), np.cross(x[..., :3], x[..., 1:])):
        assert isinstance(made, ts.Array)


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7), (4, 3), (9, 2), (3, 3, 3), (1, 1), (10, 1), (0, 0)], ids=str)
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("value", [5, [1, 2, 3], [1.5, 2]], ids=str)
def test_fill_diagonal(shape, wrap, value):
    want, got = np.zeros(shape), ts.zeros(shape, chunks=2)
    np.fill_diagonal(want, value, wrap)
    assert ts.fill_diagonal(got, value, wrap) is None
    np.testing.assert_array_equal(got.compute(), want)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_put_along_axis(axis):
    indices = np.array([3, 1, -1, 3]) if axis is None else ORDER[axis % 3]
    values = np.arange(indices.size).reshape(indices.shape)
    want, got = X.copy(), ts.from_array(X, chunks=(4, 2, 3))
    before = got + 0
    np.put_along_axis(want, indices, values, axis)
    ts.put_along_axis(got, ts.from_array(indices, chunks=2), values, axis)
    np.testing.assert_array_equal(got.compute(), want)
    np.testing.assert_array_equal(before.compute(), X)


def test_putmask():
    want, got = np.arange(12.0).reshape(3, 4), ts.arange(12.0, chunks=5).reshape(3, 4)
    np.putmask(want, want > 4, [-1, -2, -3])
    np.putmask(got, got > 4, [-1, -2, -3])
    np.testing.assert_array_equal(got.compute(), want)


@pytest.mark.parametrize("limit", [None, 0, 1, 3, 100])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_push(limit, axis):
    def pushed(line):
        valid = [i for i in range(len(line)) if not np.isnan(line[i])]
        last = [max((k for k in valid if k <= i), default=-1000) for i in range(len(line))]
        return np.array([line[k] if i - k <= (len(line) if limit is None else limit) else np.nan for i, k in enumerate(last)])

    want = np.apply_along_axis(pushed, axis, GAPS)
    np.testing.assert_array_equal(ts.push(ts.from_array(GAPS, chunks=2), limit, axis).compute(), want)


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("axis", [None, 0, (1, 2)], ids=str)
def test_moment(order, axis):
    centred = X - X.mean(axis, keepdims=True)
    n = X.size / np.mean(X, axis).size
    want = {0: np.ones_like(X.mean(axis)), 1: np.zeros_like(X.mean(axis))}.get(order, (centred**order).sum(axis) / (n - 1))
    np.testing.assert_allclose(ts.moment(ts.from_array(X, chunks=4), order, axis, ddof=1).compute(), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("call", [
    lambda m, x: m.trapezoid(x, axis=3), lambda m, x: m.cross(x, x), lambda m, x: m.cross(x[..., :3], x[..., :3], axisc=5), lambda m, x: m.take_along_axis(x, ORDER[0], 7), lambda m, x: m.take_along_axis(x, ORDER[0][0], 0),
    lambda m, x: np.asarray(m.take_along_axis(x, ORDER[0] + 100, 0)), lambda m, x: m.take_along_axis(x, x, 0), lambda m, x: m.take_along_axis(x, ORDER[0][:, :2], 0), lambda m, x: np.asarray(m.unravel_index(np.array([60]), (3, 4, 5))[0]),
    lambda m, x: m.unravel_index(np.array([0.5]), (3, 4)), lambda m, x: m.unravel_index(np.array([0]), ()), lambda m, x: np.asarray(m.ravel_multi_index((np.array([3]), np.array([0])), (3, 4))),
    lambda m, x: m.ravel_multi_index((np.array([3]),), (3, 4)), lambda m, x: m.resize(x, (2, -1)), lambda m, x: m.trim_zeros(x, "x"), lambda m, x: m.geomspace(0, 1), lambda m, x: m.cumulative_sum(x), lambda m, x: m.bitwise_count(x),
    lambda m, x: m.i0(x + 1j), lambda m, x: m.fill_diagonal(x, 1), lambda m, x: m.diag_indices_from(x), lambda m, x: m.putmask(x, [True], 1.0), lambda m, x: m.ravel_multi_index((np.array([1]), np.array([0])), (3, 4), order="K")])
def test_errors_are_numpys(call):
    with pytest.raises(Exception) as ours:
        call(ts, ts.from_array(X, chunks=3))
    with pytest.raises(Exception) as theirs:
        call(np, X.copy())
    assert isinstance(ours.value, (type(theirs.value), ValueError)), (ours.value, theirs.value)


def test_shuffle():
    x = ts.shuffle(ts.arange(10, chunks=3) * 2, [[9, 0], [], [4, 4, 1]], axis=0)
    assert x.chunks == ((2, 3),) and x.compute().tolist() == [18, 0, 8, 8, 2]


@pytest.mark.parametrize("old, new", [("f8", "i8"), ("f8", "u1"), ("i2", "i4"), ("i2", "c16"), ("u1", "u1"), ("c16", "f8")])
@pytest.mark.parametrize("chunk", [3, 100])
def test_view(old, new, chunk):
    x = np.arange(5 * 16).reshape(5, 16).astype(old)
    np.testing.assert_array_equal(ts.from_array(x, chunks=chunk).view(new).compute(), x.view(new))


def test_view_of_few():
    assert ts.asarray(np.float64(1)).view("u8").compute() == np.float64(1).view("u8")
    assert ts.zeros((0, 4), "i4").view("i8").shape == (0, 2) and ts.zeros((4, 0), "i4").view("i8").compute().shape == (4, 0)
    for array in (ts.zeros(3, "i4"), ts.zeros((), "i4")):
        with pytest.raises(ValueError):
            array.view("i8")


def test_methods_of_dasks():
    x = ts.arange(6, chunks=4)
    assert x.choose([[10] * 6, [20] * 6], mode="clip").compute().tolist() == [10, 20, 20, 20, 20, 20]
    assert x.moment(2).compute() == np.arange(6).var() and x.shuffle([[5, 0]], axis=0).compute().tolist() == [5, 0]
    assert ts.rechunk(x, 2).chunks == ((2, 2, 2),)


def test_pickles():
    x = ts.from_array(X[0], chunks=2)
    order, changed = ts.from_array(ORDER[1][0] % 4, chunks=3), x + 0
    ts.put_along_axis(changed, order[:, :1], 9.0, 1)
    for array in (ts.take_along_axis(x, order, 1), changed, x.view("u1"), ts.unravel_index(order, (5, 1))[0], ts.cummax(x), ts.push(x), ts.i0(x), ts.bitwise_count(order),
                  ts.nan_to_num(x * 1j)):
        again = pickle.loads(pickle.dumps(array))
        assert again.chunks == array.chunks
        np.testing.assert_array_equal(again.compute(), array.compute())
