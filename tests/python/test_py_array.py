"""The Python package: arrays, operators, conversions, errors, against NumPy."""
import copy
import gc
import subprocess
import sys

import numpy as np
import pytest

import tessera as ts

VALUES = np.arange(24, dtype="f8").reshape(4, 6) / 7 - 1.3


@pytest.fixture(params=[(4, 6), (2, 3), (3, 4), (1, 1)], ids=str)
def both(request):
    return ts.from_array(VALUES, chunks=request.param), VALUES


def same(ours, expected, rtol=0):
    values = ours.compute() if isinstance(ours, ts.Array) else ours
    expected = np.asarray(expected)
    assert np.asarray(values).dtype == expected.dtype
    np.testing.assert_allclose(np.asarray(values), expected, rtol=rtol, atol=0)


def test_facts(both):
    x, v = both
    assert (x.shape, x.dtype, x.ndim, x.size, x.nbytes, x.itemsize, len(x)) == (v.shape, v.dtype, v.ndim, v.size, v.nbytes, v.itemsize, len(v))
    assert tuple(map(sum, x.chunks)) == v.shape
    assert x.numblocks == tuple(map(len, x.chunks)) and x.npartitions == np.prod(x.numblocks)
    assert x.chunksize == tuple(map(max, x.chunks))
    same(x.T, v.T)


@pytest.mark.parametrize("operator", "+ - * / // % ** == != < <= > >=".split())
@pytest.mark.parametrize("other", [3, 2.5, True, np.float32(0.5), np.arange(6), [1, 2, 3, 4, 5, 6]], ids=repr)
def test_operators(both, operator, other):
    x, v = both
    with np.errstate(all="ignore"):
        rtol = 1e-15 if operator == "**" else 0
        same(eval(f"x {operator} other"), eval(f"v {operator} other"), rtol)
        same(eval(f"other {operator} x"), eval(f"other {operator} v"), rtol)


def test_operators_of_integers():
    v = np.arange(12, dtype="u1").reshape(3, 4)
    x = ts.from_array(v, chunks=2)
    for text in ("x & 3", "x | 8", "x ^ x", "x << 1", "x >> 1", "~x", "-x", "+x", "abs(x)", "x < 300", "x >= -1", "300 > x", "x == 2**70"):
        same(eval(text), eval(text, {"x": v}))
    for ours, theirs in zip(divmod(x, 5), divmod(v, 5)):
        same(ours, theirs)
    for bad in (300, -1, 2**70):
        with pytest.raises(OverflowError):
            x + bad


def test_functions_of_zero_are_exact():
    zeros = np.array([0.0, -0.0, 0.0, 1.0, 2.0])
    for dtype in ("f4", "f8"):
        for name in ("sin", "cos", "tan", "exp", "sqrt", "arctan", "sinh", "cosh", "expm1", "log1p"):
            ours, expected = (getattr(xp, name)(zeros.astype(dtype)) for xp in (ts, np))
            ours = ours.compute()
            np.testing.assert_array_equal(ours[:3], expected[:3], err_msg=name)
            np.testing.assert_array_equal(np.signbit(ours), np.signbit(expected), err_msg=name)


def test_in_place():
    x = ts.arange(4)
    y = x
    x += 2
    same(y, np.arange(4) + 2)
    with pytest.raises(TypeError, match="same_kind"):
        x /= 2
    with pytest.raises(ValueError, match="broadcast"):
        x += np.ones((2, 4), int)
    same(x, np.arange(4) + 2)


@pytest.mark.parametrize("key", [0, -1, slice(1, 3), (slice(None), 2), (..., 1), (None, 2, slice(5, 0, -2)), (slice(None, None, -1), slice(None, None, 2)),
                                 (np.int64(1), slice(-3, None))], ids=str)
def test_basic_indexing(both, key):
    x, v = both
    same(x[key], v[key])


def test_conversions():
    x = ts.asarray([[1.5]])
    assert bool(x) is True and float(x[0, 0]) == 1.5 and int(x[0, 0]) == 1 and complex(x[0, 0]) == 1.5 and x.item() == 1.5
    assert [1, 2, 3][ts.asarray(1)] == 2
    assert [float(row.sum()) for row in ts.ones((2, 3))] == [3.0, 3.0]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(ts.arange(2))
    with pytest.raises(TypeError):
        len(ts.asarray(1))
    with pytest.raises(TypeError):
        hash(x)


def test_array_protocol(both):
    x, v = both
    same(np.asarray(x), v)
    assert np.asarray(x, dtype="f4").dtype == "f4"
    with pytest.raises(ValueError):
        np.array(x, copy=False)


def test_numpy_functions_stay_lazy(both):
    x, v = both
    for ours, expected in [(np.cos(x), None), (np.mean(x, axis=0), None), (np.concatenate([x, x]), np.concatenate([v, v])),
                           (np.add.reduce(x, axis=1), None), (np.multiply.outer(x[0], v[1]), np.multiply.outer(v[0], v[1])),
                           (np.stack([x, v]), np.stack([v, v])), (v + x, v + v), (np.where(x > 0, x, 0), np.where(v > 0, v, 0))]:
        assert isinstance(ours, ts.Array)
        if expected is not None:
            same(ours, expected)
    np.testing.assert_allclose(np.cos(x), np.cos(v), rtol=1e-15)
    np.testing.assert_allclose(np.mean(x, axis=0), v.mean(0), rtol=1e-14)
    with pytest.raises(TypeError, match="does not exist"):
        np.linalg.svd(x)


def test_out():
    x, target = ts.arange(3.0), np.zeros(3)
    assert np.add(x, 1, out=target) is target
    same(target, np.arange(3.0) + 1)
    y = ts.zeros(3)
    assert ts.sqrt(x, out=y) is y
    same(y, np.sqrt(np.arange(3.0)))
    same(ts.add(x, 10, where=[True, False, True], out=ts.full(3, -1.0)), [10.0, -1.0, 12.0])


def test_chunks():
    assert ts.zeros((5, 4), chunks=2).chunks == ((2, 2, 1), (2, 2))
    assert ts.zeros((5, 4), chunks=(-1, 3)).chunks == ((5,), (3, 1))
    assert ts.zeros((5, 4), chunks=((1, 4), None)).chunks == ((1, 4), (4,))
    assert ts.zeros((5, 4), chunks={0: 2}).chunks == ((2, 2, 1), (4,))
    x = ts.from_array(np.arange(20).reshape(5, 4), chunks=((2, 3), (1, 2, 1)))
    assert x.chunks == ((2, 3), (1, 2, 1))
    assert x.rechunk({0: 1}).chunks == ((1,) * 5, (1, 2, 1))
    same(x.rechunk({1: -1}) + 1, np.arange(20).reshape(5, 4) + 1)
    for bad in ((1, 2, 3), ((1, 1), -1), 0, "many", {5: 1}):
        with pytest.raises(ValueError, match="chunks"):
            ts.zeros((5, 4), chunks=bad)


def test_errors_are_those_of_numpy():
    x = ts.zeros((2, 3))
    with pytest.raises(np.exceptions.AxisError):
        x.sum(axis=2)
    with pytest.raises(IndexError):
        x[5]
    with pytest.raises(IndexError):
        x[0, 0, 0]
    with pytest.raises(ValueError):
        x + ts.zeros(4)
    with pytest.raises(ValueError):
        x.reshape(4)
    with pytest.raises(TypeError):
        x & 1
    with pytest.raises(TypeError, match="float16"):
        x.astype("f2")
    with pytest.raises(TypeError):
        ts.Array()


def test_sessions_end_and_results_stay():
    with ts.Session(threads=1, memory="64MiB") as session:
        x = ts.arange(1000).persist()
        values = (x + 1).compute()
        assert x.session is session
    same(values, np.arange(1000) + 1)
    for use in (lambda: x + 1, lambda: x.compute(), lambda: x.shape, lambda: x.sum(), lambda: x[0]):
        with pytest.raises(RuntimeError, match="closed"):
            use()
    same(ts.arange(3) + 1, [1, 2, 3])
    with ts.Session() as one, pytest.raises(ValueError, match="session"):
        y = ts.arange(3)
        with ts.Session():
            y + ts.arange(3)


def test_memory_is_lent_and_given_back():
    from tessera import _core

    gc.collect()
    before = len(_core._lent)
    for _ in range(10_000):
        x = ts.from_array(np.arange(4)) + 1
        x.compute()
    del x
    gc.collect()
    assert len(_core._lent) == before


def test_pieces_of_work_together():
    x = ts.random.default_rng(1).normal(size=1000) if hasattr(ts, "random") else ts.arange(1000.0)
    low, high, seven = ts.compute(x.min(), x.max(), 7)
    assert low <= high and seven == 7
    y, z = ts.persist(x, x + 1)
    assert float((z - y).sum().compute()) == pytest.approx(1000)


def test_pieces_of_work_in_lists_and_dicts():
    """As Dask: what holds arrays comes back holding their values; what is named is computed as well."""
    x = ts.arange(5, chunks=2)
    named = ts.Variable(x, ["time"], "t")
    (numbers, table), pair, text = ts.compute([x, {"sum": x.sum(), "n": 5}], (x.max(), named), "text")
    np.testing.assert_array_equal(numbers, np.arange(5))
    assert table == {"sum": 10, "n": 5} and type(pair) is tuple and pair[0] == 4 and text == "text"
    np.testing.assert_array_equal(pair[1], np.arange(5))
    assert ts.compute([x], traverse=False)[0][0] is x
    [kept], again, seven = ts.persist([x + 1], {"t": named}, 7)
    np.testing.assert_array_equal(kept.compute(), np.arange(1, 6))
    assert again["t"].dims == ("time",) and seven == 7 and "persisted" in kept.explain()
    assert ts.compute() == ts.persist() == ()


def test_import_is_quick():
    """Beyond NumPy's import it takes less than that one, which is some 0.15 s; both by the processor's time of one process."""
    code = ("import time; start = time.process_time(); import numpy; between = time.process_time(); import tessera; "
            "print((time.process_time() - between) / (between - start))")
    shares = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(5)]
    assert min(shares) < 1, shares


def counted(n, chunks):
    """The numbers 0 to n - 1, and where each call of the function that makes a block is noted."""
    calls = []

    def block(b):
        calls.append(len(b))
        return b + 0.0

    return ts.map_blocks(block, ts.arange(n, chunks=chunks), dtype=float), calls


def test_copies_share_the_expression():
    x, calls = counted(10, 5)
    other, deep = copy.copy(x), copy.deepcopy({"x": x})["x"]
    assert not calls and other is not x and deep.chunks == x.chunks
    other[0] = 7
    assert (other[0].compute(), x[0].compute(), deep[0].compute()) == (7, 0, 0)


def test_iteration_computes_each_block_once():
    x, calls = counted(10, 5)
    assert [type(v) for v in x] == [ts.Array] * 10
    calls.clear()
    assert [float(v) for v in x] == list(range(10))
    assert calls == [5, 5]
    calls.clear()
    first = next(iter(x))
    assert first.shape == () and first.dtype == x.dtype and calls == [5]
    rows = list(ts.ones((3, 4)))
    assert [row.shape for row in rows] == [(4,)] * 3


@pytest.mark.parametrize("draw", [lambda p, x, y: p.bar(x, y), lambda p, x, y: p.barh(x, y), lambda p, x, y: p.bar(x, y, width=y / 9, bottom=y, hatch="/")])
def test_matplotlib_draws_bars(draw):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    x, y = np.arange(5), np.arange(5.0) + 1
    figure, (ours, theirs) = pyplot.subplots(1, 2)
    got, want = draw(ours, ts.from_array(x, chunks=2), ts.from_array(y, chunks=3)), draw(theirs, x, y)
    assert [r.get_bbox().bounds for r in got] == [r.get_bbox().bounds for r in want]
    figure.canvas.draw()
    pyplot.close(figure)


def test_broadcast_arrays_leaves_texts_to_numpy():
    x, words = ts.broadcast_arrays(ts.arange(3), np.array([["a"], ["b"]]))
    assert isinstance(x, ts.Array) and x.shape == words.shape == (2, 3) and isinstance(words, np.ndarray) and words[1, 2] == "b"


def test_matplotlib_asks_for_values_once():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    x, calls = counted(30, 30)
    figure, ax = pyplot.subplots()
    for draw in (ax.plot, ax.hist, lambda y: ax.imshow(y.reshape(5, 6))):
        calls.clear()
        draw(x)
        assert calls == [30]
    calls.clear()
    bars = ax.bar(np.arange(30), x, 0.5)
    assert [bar.get_height() for bar in bars] == list(range(30))
    assert len(calls) < 10  # not once for each of the bars
    pyplot.close(figure)
