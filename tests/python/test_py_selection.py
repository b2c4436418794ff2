"""The Python package: elements chosen by conditions and numbers, inserted and deleted, against NumPy."""
import numpy as np
import pytest

import tessera as ts

rng = np.random.default_rng(11)


def same(ours, expected):
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.dtype == expected.dtype and ours.shape == expected.shape
    np.testing.assert_array_equal(ours, expected)


def random_case():
    shape = tuple(rng.integers(0, 6, rng.integers(1, 4)))
    values = rng.integers(0, 9, shape)
    return values, ts.from_array(values, chunks=tuple(int(n) for n in rng.integers(1, 4, len(shape))))


@pytest.mark.parametrize("turn", range(60))
def test_delete_and_insert(turn):
    a, x = random_case()
    axis = int(rng.integers(-a.ndim, a.ndim))
    n = a.shape[axis]
    part = slice(*[None if rng.random() < 0.3 else int(v) for v in rng.integers(-6, 6, 2)], int(rng.choice([-2, -1, 1, 2])))
    places = [part, rng.integers(-n, n, rng.integers(0, 7)) if n else []] + ([int(rng.integers(-n, n))] if n else [])
    for where in places:
        same(ts.delete(x, where, axis), np.delete(a, where, axis))
        same(ts.insert(x, where, 7.5, axis), np.insert(a, where, 7.5, axis))
    mask = rng.random(n) < 0.5
    same(ts.delete(x, mask, axis), np.delete(a, mask, axis))
    same(ts.delete(x, ts.from_array(mask, chunks=2), axis), np.delete(a, mask, axis))
    same(ts.insert(x, mask, 5, axis), np.insert(a, np.flatnonzero(mask), 5, axis))
    three = list(a.shape)
    three[axis] = 3
    values, at = rng.integers(0, 9, three), int(rng.integers(-n, n + 1))
    same(ts.insert(x, at, np.moveaxis(values, axis, 0), axis), np.insert(a, at, np.moveaxis(values, axis, 0), axis))
    same(ts.insert(x, [at], values, axis), np.insert(a, [at], values, axis))
    at = rng.integers(-n, n + 1, 3)
    same(ts.insert(x, at, values, axis), np.insert(a, at, values, axis))
    same(ts.append(x, values, axis), np.append(a, values, axis))


def test_many_places():
    a = np.arange(1000)
    x, at = ts.from_array(a, chunks=70), rng.integers(0, 1000, 300)
    same(ts.insert(x, at, -at), np.insert(a, at, -at))
    same(ts.delete(x, at), np.delete(a, at))
    same(ts.delete(x, slice(None, None, 3)), np.delete(a, slice(None, None, 3)))
    same(ts.delete(x.reshape(10, 100), 3), np.delete(a, 3))


@pytest.mark.parametrize("mode", ["wrap", "clip", "raise"])
def test_choose(mode):
    a = np.array([[-3, 0], [2, 9]]) if mode != "raise" else np.array([[1, 0], [2, 2]])
    choices = [np.arange(2), np.array([[5.5], [6]]), 7]
    same(ts.choose(ts.from_array(a, chunks=1), choices, mode=mode), np.choose(a, choices, mode=mode))
    same(ts.choose(ts.asarray(a * 0), [3], mode=mode), np.choose(a * 0, [3], mode=mode))
    if mode == "raise":
        with pytest.raises(ValueError, match="invalid entry in choice array: 5"):
            ts.choose(ts.asarray([0, 5]), [1, 2]).compute()
    with pytest.raises(ValueError, match="clipmode"):
        ts.choose([0], [1], mode="nearest")


def test_select_and_piecewise():
    a = rng.integers(-5, 5, (4, 5))
    x = ts.from_array(a, chunks=(3, 2))
    same(ts.select([x < -2, x > 2], [x * 10, 0.5], -1), np.select([a < -2, a > 2], [a * 10, 0.5], -1))
    functions = [lambda v: -v, lambda v: v * 2, 100]
    same(ts.piecewise(x, [x < 0, x > 2], functions), np.piecewise(a, [a < 0, a > 2], functions))
    same(ts.piecewise(x, [x < 0, x > -2], functions[:2]), np.piecewise(a, [a < 0, a > -2], functions[:2]))


@pytest.mark.parametrize("wrong", [
    lambda m: m.insert(m.arange(3), 9, 1), lambda m: m.delete(m.arange(3), 3), lambda m: m.insert(m.arange(3), [1, 2], [1, 2, 3]),
    lambda m: m.delete(m.arange(3), [True]), lambda m: m.select([], []), lambda m: m.select([m.arange(3)], [m.arange(3)]),
    lambda m: m.piecewise(m.arange(3), [m.arange(3) > 1], [1, 2, 3]), lambda m: m.select([True], []), lambda m: m.delete(m.arange(3), 0, 1),
])
def test_mistakes_are_numpys(wrong):
    with pytest.raises(Exception) as expected:
        wrong(np)
    with pytest.raises(expected.type):
        wrong(ts)


def test_grids():
    same(ts.vander(np.array([1, 2, 3], np.float32)), np.vander(np.array([1, 2, 3], np.float32)))
    same(ts.indices((2, 3), chunks=(1, (2, 1))), np.indices((2, 3)))
    assert ts.indices((4, 3), chunks=(2, (2, 1))).chunks == ((1, 1), (2, 2), (2, 1))
    assert ts.tri(4, 3, chunks=((1, 3), 2)).chunks == ((1, 3), (2, 1))
    same(ts.tri(4, 3, -1, int), np.tri(4, 3, -1, int))
    for ours, expected in zip(ts.meshgrid(np.arange(2), 5.0, np.arange(3), indexing="ij"), np.meshgrid(np.arange(2), 5.0, np.arange(3), indexing="ij")):
        same(ours, expected)


@pytest.mark.parametrize("name", ["mgrid", "ogrid"])
def test_grids_written_as_slices(name):
    ours, theirs = getattr(ts, name), getattr(np, name)
    for parts in ((slice(0, 3), slice(0, 2)), (slice(2, 9, 3), slice(0, 1, 5j), slice(4)), (slice(5, 0, -2),), slice(7), slice(-1, 1, 5j), slice(0, 1, 0.25),
                  (slice(0, 1, 0.5), slice(3)), (slice(3, 3), slice(2)), (slice(1, 5, 1j),)):
        got, want = ours[parts], theirs[parts]
        assert isinstance(got, tuple) == isinstance(want, tuple), parts
        for a, b in zip(got, want) if isinstance(want, tuple) else [(got, want)]:
            assert a.shape == b.shape and a.dtype == b.dtype, parts
            np.testing.assert_allclose(a.compute(), b, rtol=1e-15, err_msg=str(parts))
    for wrong in (3, slice(None), (slice(3), 2), slice(0, None)):
        with pytest.raises(TypeError, match="slices that have a stop"):
            ours[wrong]
