"""Random expressions through the Python package against NumPy: operations, dtypes, shapes and chunkings found by hypothesis.

Every case is deterministic (the profile draws the same examples in every run); TESSERA_EXAMPLES asks for more of them.
"""
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tessera as ts

settings.register_profile("tessera", derandomize=True, deadline=None, max_examples=int(os.environ.get("TESSERA_EXAMPLES", "60")),
                          suppress_health_check=list(HealthCheck), database=None)
settings.load_profile("tessera")

DTYPES = [d for d in map(np.dtype, "? i1 i2 i4 i8 u1 u2 u4 u8 f4 f8 c8 c16".split())]
REAL = [d for d in DTYPES if d.kind != "c"]


@st.composite
def chunkings(draw, shape):
    """Chunks of a shape: one length an axis, or a list of lengths."""
    items = []
    for length in shape:
        if length > 1 and draw(st.booleans()):
            cuts = sorted(draw(st.sets(st.integers(1, length - 1), max_size=3)))
            items.append(tuple(np.diff([0, *cuts, length]).tolist()))
        else:
            items.append(draw(st.integers(1, max(length, 1))))
    return tuple(items)


def numbers(shape, dtype, seed):
    """Values that are small, so that products stay exact or nearly so, with a few special ones."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3 if dtype.kind in "ifc" else 0, 4, shape)
    if dtype.kind in "fc":
        values = values / 2 + (1j * rng.integers(-2, 3, shape) if dtype.kind == "c" else 0)
    return np.asarray(values).astype(dtype)


@st.composite
def arrays(draw, dtypes=DTYPES, min_dims=0, max_dims=3, shape=None):
    """A pair: our array and NumPy's."""
    shape = draw(st.lists(st.integers(0, 5), min_size=min_dims, max_size=max_dims).map(tuple)) if shape is None else shape
    values = numbers(shape, draw(st.sampled_from(dtypes)), draw(st.integers(0, 1000)))
    return ts.from_array(values, chunks=draw(chunkings(shape)) if shape else "auto"), values


def same(ours, expected, rtol=0.0):
    values = np.asarray(ours)
    expected = np.asarray(expected)
    if expected.dtype == np.float16:  # which NumPy gives for functions of bool and 8 bits; we have float32
        expected, rtol = expected.astype(np.float32), 1e-11
    assert (values.shape, values.dtype) == (expected.shape, expected.dtype)
    if isinstance(ours, ts.Array):
        assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
        assert tuple(map(sum, ours.chunks)) == expected.shape
    if expected.dtype.kind in "fc":
        rtol *= 1e9 if expected.dtype.itemsize <= 4 or expected.dtype == "c8" else 1
    np.testing.assert_allclose(values, expected, rtol=rtol, atol=rtol)


def agree(call, *arguments, rtol=0.0):
    """call(module, *arguments) gives the same with ours and with NumPy's, or the same kind of error."""
    ours, theirs = [a[0] if isinstance(a, tuple) and isinstance(a[0], ts.Array) else a for a in arguments], \
                   [a[1] if isinstance(a, tuple) and isinstance(a[0], ts.Array) else a for a in arguments]
    with np.errstate(all="ignore"):
        try:
            expected = call(np, *theirs)
        except Exception as error:
            # NumPy's class, or one that both share: its TypeErrors of ufuncs are classes of its own.
            kinds = tuple(k for k in (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError) if isinstance(error, k))
            with pytest.raises(kinds or Exception):
                np.asarray(call(ts, *ours))
            return
        same(call(ts, *ours), expected, rtol)


EXACT = "add subtract multiply maximum minimum fmax fmin equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor".split()
NEAR = "divide floor_divide remainder arctan2 hypot copysign logaddexp".split()
UNARY = "negative positive absolute square sign logical_not invert isnan isfinite signbit rint floor ceil trunc conjugate".split()
CLOSE = "sqrt exp log sin cos tan arctan sinh cosh tanh expm1 log1p cbrt exp2 log2 log10 reciprocal deg2rad".split()


@given(st.data(), st.sampled_from(EXACT + NEAR))
def test_binary_functions(data, name):
    a = data.draw(arrays())
    shape = tuple(n if data.draw(st.booleans()) else 1 for n in a[1].shape)[data.draw(st.integers(0, a[1].ndim)):]
    b = data.draw(arrays(shape=shape))
    agree(lambda xp, x, y: getattr(xp, name)(x, y), a, b, rtol=1e-14 if name in NEAR or name == "multiply" else 0)


@given(arrays(), st.sampled_from(EXACT + ["divide", "power"]), st.sampled_from([0, 1, -2, 3, 200, 2.5, True, 1 - 2j, np.float32(1.5), np.int8(2)]), st.booleans())
def test_numbers_beside_arrays(a, name, number, reflected):
    agree(lambda xp, x: getattr(xp, name)(*((number, x) if reflected else (x, number))), a, rtol=1e-13 if name in ("power", "divide", "multiply") else 0)


@given(arrays(), st.sampled_from(UNARY + CLOSE))
def test_unary_functions(a, name):
    agree(lambda xp, x: getattr(xp, name)(x), a, rtol=1e-14 if name in CLOSE or name == "absolute" else 0)


REDUCTIONS = "sum prod min max any all mean var std argmin argmax ptp count_nonzero nansum nanprod nanmin nanmax nanmean nanstd median".split()


@given(st.data(), arrays(REAL), st.sampled_from(REDUCTIONS), st.booleans())
def test_reductions(data, a, name, keepdims):
    axes = st.none() | st.integers(-a[1].ndim, a[1].ndim) if "arg" in name else (
        st.none() | st.integers(-a[1].ndim, a[1].ndim) | st.sets(st.integers(0, max(a[1].ndim - 1, 0))).map(lambda s: tuple(sorted(s))))
    axis = data.draw(axes)
    reduced = a[1].size if axis is None else np.prod([a[1].shape[d] for d in np.atleast_1d(axis) if d < a[1].ndim], dtype=int)
    if reduced == 0 and name in ("median", "nanmin", "nanmax", "min", "max", "ptp", "argmin", "argmax", "nanmean", "nanstd"):
        return  # NumPy warns and differs between versions
    if name == "ptp" and a[1].dtype == bool:
        return
    agree(lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims), a, rtol=1e-13)


@given(st.data(), arrays(min_dims=1))
def test_basic_indexing(data, a):
    bounds = st.none() | st.integers(-6, 6)
    items = st.one_of(st.integers(-5, 4), st.builds(slice, bounds, bounds, st.none() | st.integers(-3, 3).filter(bool)), st.none(), st.just(Ellipsis))
    key = tuple(data.draw(st.lists(items, max_size=a[1].ndim + 1)))
    agree(lambda xp, x: x[key], a)


@given(st.data(), arrays(min_dims=1))
def test_assignment(data, a):
    x, values = a[0] + 0 if a[1].dtype != bool else a[0] | False, a[1].copy()
    bounds = st.none() | st.integers(-6, 6)
    key = tuple(data.draw(st.one_of(st.builds(slice, bounds, bounds, st.none() | st.integers(-3, 3).filter(bool)), st.integers(-n, n - 1) if n else st.just(slice(None))))
                for n in a[1].shape)
    value = numbers(values[key].shape, values.dtype, data.draw(st.integers(0, 9)))
    values[key] = value
    x[key] = value
    same(x, values)


MOVES = {
    "transpose": lambda xp, x, k: xp.transpose(x), "ravel": lambda xp, x, k: xp.ravel(x), "flip": lambda xp, x, k: xp.flip(x, k % x.ndim),
    "roll": lambda xp, x, k: xp.roll(x, k, k % x.ndim), "roll all": lambda xp, x, k: xp.roll(x, k), "repeat": lambda xp, x, k: xp.repeat(x, k % 3, k % x.ndim),
    "tile": lambda xp, x, k: xp.tile(x, (k % 3, 2)), "expand": lambda xp, x, k: xp.expand_dims(x, k % (x.ndim + 1)),
    "moveaxis": lambda xp, x, k: xp.moveaxis(x, 0, k % x.ndim), "concatenate": lambda xp, x, k: xp.concatenate([x, x], k % x.ndim),
    "stack": lambda xp, x, k: xp.stack([x, x], k % (x.ndim + 1)), "diff": lambda xp, x, k: xp.diff(x, axis=k % x.ndim),
    "cumsum": lambda xp, x, k: xp.cumsum(x, axis=k % x.ndim), "tril": lambda xp, x, k: xp.tril(x, k - 2), "reshape": lambda xp, x, k: xp.reshape(x, (-1, 1)),
    "pad": lambda xp, x, k: xp.pad(x, k % 3), "take": lambda xp, x, k: xp.take(x, [0, 0], axis=k % x.ndim), "insert": lambda xp, x, k: xp.insert(x, 0, 1, axis=k % x.ndim),
    "delete": lambda xp, x, k: xp.delete(x, 0, axis=k % x.ndim), "split": lambda xp, x, k: xp.array_split(x, k % 3 + 1, k % x.ndim)[-1],
    "where": lambda xp, x, k: xp.where(x != 1, x, k), "clip": lambda xp, x, k: xp.clip(x, 0, 2), "squeeze": lambda xp, x, k: xp.squeeze(x[None]),
    "swapaxes": lambda xp, x, k: xp.swapaxes(x, 0, -1), "diagonal": lambda xp, x, k: xp.diagonal(x, k - 2), "isin": lambda xp, x, k: xp.isin(x, [0, k]),
    "round": lambda xp, x, k: xp.round(x, k % 2), "select": lambda xp, x, k: xp.select([x == 0, x == 1], [x, x * 2], k),
}


@given(arrays(REAL, min_dims=1), st.sampled_from(sorted(MOVES)), st.integers(0, 5))
def test_moves(a, name, k):
    if (name, a[1].dtype) == ("round", bool):
        return  # NumPy makes float16 of it, or an error; here bool is round already
    agree(lambda xp, x: MOVES[name](xp, x, k), a, rtol=1e-14)


@given(st.data(), arrays([np.dtype("f8"), np.dtype("i4"), np.dtype("f4")], min_dims=1))
def test_chains(data, a):
    """A few operations one after another, so that the optimizer has something to do."""
    steps = data.draw(st.lists(st.tuples(st.sampled_from(sorted(set(MOVES) - {"tile", "diff", "round"})), st.integers(0, 5)), min_size=2, max_size=4))

    def chain(xp, x):
        for name, k in steps:
            x = MOVES[name](xp, x, k) if x.ndim else x + k
            if x.size > 10_000:
                break
        return x * 2 - 1

    agree(chain, a, rtol=1e-13)
    agree(lambda xp, x: chain(xp, x).sum(), a, rtol=1e-12)


@given(st.data(), arrays(min_dims=1, max_dims=3))
def test_rechunk_changes_nothing(data, a):
    x = a[0].rechunk(data.draw(chunkings(a[1].shape))) if a[1].ndim else a[0]
    same(x, a[1])
    same(x.rechunk(-1) == a[0], np.ones(a[1].shape, bool))
