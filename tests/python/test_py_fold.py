"""ufunc.reduce and ufunc.accumulate of every function of two arrays, beside NumPy: what it gives, its dtype, and what it refuses."""
import warnings

import numpy as np
import pytest

import tessera as ts

BINARY = sorted({getattr(np, name).__name__ for name in dir(np) if isinstance(getattr(np, name), np.ufunc)
                 and getattr(np, name).signature is None and (getattr(np, name).nin, getattr(np, name).nout) == (2, 1)})
# The library's loops for these are within an ULP of NumPy's, not equal to the last bit; add and multiply add up in lanes.
NEAR = {"add", "multiply", "hypot", "logaddexp", "logaddexp2", "power", "float_power", "arctan2"}
DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"]
SHAPES = [((7,), 3), ((1,), 1), ((5, 1, 4), (2, 1, 3)), ((3, 130), (2, 33)), ((130, 3), (33, 2)), ((0, 3), 2), ((2, 3, 9), (1, 2, 4))]


def values(shape, dtype, seed=0):
    """Small numbers of both signs, with what is special in the dtype."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    x = rng.integers(0, 2, shape).astype(bool) if dtype.kind == "b" else rng.integers(1 if dtype.kind == "u" else -4, 9, shape).astype(dtype)
    if dtype.kind in "fc":
        x = x + dtype.type(0.25)
        flat = x.reshape(-1)
        if flat.size > 6:
            flat[[1, 3, 5]] = np.nan, np.inf, -0.0
    return x


def outcome(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(), None
        except (TypeError, ValueError, IndexError, OverflowError, RuntimeError) as error:
            return None, error


# NumPy's (2.4.6) own reduce of these differs from its accumulate: of small integers ldexp, with AVX-512 the others.
STEPWISE = {"arctan2", "float_power", "ldexp", "power"}


def numpys_reduce(ufunc, x, axis):
    whole = ufunc.reduce(x, axis)
    if ufunc.__name__ not in STEPWISE or x.shape[axis] == 0:
        return whole
    rows = np.moveaxis(x, axis, 0)
    so_far = rows[0].astype(np.asarray(whole).dtype)
    for row in rows[1:]:
        so_far = ufunc(so_far, row if ufunc is np.ldexp else row.astype(so_far.dtype))
    return so_far


def same(name, ours, theirs, note):
    (mine, refused), (expected, error) = ours, theirs
    if error is not None:
        assert refused is not None, (name, note, "NumPy refuses", error, "we give", mine)
        kinds = tuple(kind for kind in (TypeError, IndexError, OverflowError, ValueError) if isinstance(error, kind))
        assert isinstance(refused, kinds), (name, note, refused, error)
        return
    assert refused is None, (name, note, refused)
    expected = np.asarray(expected)
    # There is no float16: float32 stands for it.
    assert mine.dtype == (np.float32 if expected.dtype == np.float16 else expected.dtype), (name, note, mine.dtype, expected.dtype)
    assert np.shape(mine) == expected.shape, (name, note)
    if expected.dtype == np.float16:
        return
    if name in NEAR and expected.dtype.kind in "fc":
        np.testing.assert_allclose(mine, expected, rtol=3e-5 if expected.dtype.itemsize <= 4 or expected.dtype == np.complex64 else 1e-11, atol=1e-38 if expected.dtype in ("f4", "c8") else 1e-300, err_msg=f"{name} {note}")
    else:
        np.testing.assert_array_equal(mine, expected, err_msg=f"{name} {note}", strict=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_reduce_and_accumulate(name, dtype):
    ufunc = getattr(np, name, None) or getattr(np, {"bitwise_left_shift": "left_shift"}.get(name, name))
    if dtype in ("c8", "c16") and name in ("power", "float_power"):
        pytest.skip("powers of powers of complex numbers overflow differently")
    for shape, chunks in SHAPES:
        x = values(shape, dtype)
        ours = ts.from_array(x, chunks=chunks)
        for axis in range(-1, len(shape) - 1):
            if (name, dtype) == ("multiply", "c8"):
                continue  # ours goes on in float64: NumPy's overflows
            same(name, outcome(lambda: ufunc.reduce(ours, axis).compute()), outcome(lambda: numpys_reduce(ufunc, x, axis)), ("reduce", shape, axis))
            if name != "ldexp":  # NumPy's reduce takes floats by casting exponents; its accumulate refuses
                same(name, outcome(lambda: ufunc.accumulate(ours, axis).compute()), outcome(lambda: ufunc.accumulate(x, axis)), ("accumulate", shape, axis))


@pytest.mark.parametrize("name", BINARY)
def test_reduce_options(name):
    ufunc = getattr(np, name)
    x = values((4, 5), "?" if ufunc in (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal) else "i8", 1)
    mask, start = values((4, 5), "?", 2), x.dtype.type(1)
    ours, where = ts.from_array(x, chunks=(3, 2)), ts.from_array(mask, chunks=(2, 5))
    for note, options in {"all": {"axis": None}, "both": {"axis": (0, 1)}, "one": {"axis": (1,)}, "none": {"axis": ()}, "kept": {"axis": 0, "keepdims": True}, "last": {"axis": -1},
                          "initial": {"axis": 0, "initial": start}, "no identity": {"axis": 1, "initial": None}, "where": {"axis": 1, "where": mask},
                          "row": {"axis": 0, "where": mask[0], "initial": start}, "where from": {"axis": 0, "where": mask, "initial": start},
                          "where from 2": {"axis": 1, "where": mask, "initial": start, "keepdims": True}, "nothing": {"axis": 1, "where": mask & False, "initial": start},
                          "twice": {"axis": (0, 0)}, "beyond": {"axis": 2}, "float": {"axis": 0, "dtype": "f8"}, "bool": {"axis": 1, "dtype": bool},
                          "each": {"axis": (), "initial": start}}.items():
        if name in ("arctan2", "float_power") and options.get("axis") != () and note not in ("twice", "beyond", "bool", "all", "both"):
            continue  # see STEPWISE
        theirs = outcome(lambda: ufunc.reduce(x, **options))
        same(name, outcome(lambda: ufunc.reduce(ours, **options).compute()), theirs, (note, options))
        if options.get("where") is mask:
            same(name, outcome(lambda: ufunc.reduce(ours, **{**options, "where": where}).compute()), theirs, (note, "lazy mask"))
    for number in (x[0, 0], x[:0], x[:0, :0]):
        node = ts.asarray(number)
        for axis in (0, -1, None, 1, ()):
            same(name, outcome(lambda: ufunc.reduce(node, axis=axis).compute()), outcome(lambda: ufunc.reduce(number, axis=axis)), (number.shape, axis))
            same(name, outcome(lambda: ufunc.accumulate(node, axis=axis).compute()), outcome(lambda: ufunc.accumulate(number, axis=axis)), (number.shape, axis, "accumulate"))


def test_out_and_types():
    x = np.arange(12.0).reshape(3, 4)
    ours, out = ts.from_array(x, chunks=2), np.zeros(4)
    assert np.subtract.reduce(ours, out=out) is out and (out == np.subtract.reduce(x)).all()
    lazily = ts.zeros(4)
    assert np.subtract.reduce(ours, out=lazily) is lazily and (lazily.compute() == out).all()
    assert isinstance(np.divide.reduce(ours), ts.Array) and isinstance(np.gcd.accumulate(ts.arange(5)), ts.Array)
    for refused in (lambda: np.sin.reduce(ours), lambda: np.divmod.reduce(ours), lambda: np.divmod.accumulate(ours)):
        with pytest.raises(ValueError, match="only supported"):
            refused()
    with pytest.raises(OverflowError):
        np.subtract.reduce(ts.from_array(np.array([3, 1], "u1")), initial=300)
    with pytest.raises(ValueError, match="negative"):
        np.power.reduce(ts.asarray([2, -1])).compute()
    # What is passed over raises nothing.
    assert np.power.reduce(ts.asarray([2, -1]), where=[True, False], initial=3).compute() == 9


def test_views_and_slices():
    """Parts of what is folded or of the result, negative steps, and what comes before and after."""
    x = values((6, 70, 5), "f8", 3)
    ours = ts.from_array(x, chunks=(4, 9, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for made in (lambda m: np.subtract.reduce(m[::-2, 3:60:7], axis=1), lambda m: np.divide.accumulate(m, axis=1)[::-1, 5:20:4, ::2], lambda m: np.subtract.accumulate(m.T, axis=0)[-3:],
                     lambda m: np.copysign.reduce(m + 1, axis=2) * 2, lambda m: np.subtract.reduce(np.subtract.reduce(m, axis=0), axis=0), lambda m: np.nextafter.accumulate(m, axis=2)[1, 2]):
            np.testing.assert_array_equal(made(ours).compute(), made(x))


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 80, rng.integers(1, 4)))
    name, dtype = rng.choice(["subtract", "bitwise_xor", "bitwise_and", "bitwise_or", "logical_xor", "floor_divide", "remainder", "fmod", "gcd", "left_shift", "divide"]), rng.choice(["i1", "u2", "i4", "i8", "u8"])
    x, axis, ufunc = values(shape, dtype, seed), int(rng.integers(len(shape))), getattr(np, name)
    ours = ts.from_array(x, chunks=tuple(int(rng.integers(1, n + 1)) for n in shape))
    mask = rng.random(shape) < 0.6
    for options in ({}, {"initial": x.dtype.type(1), "where": mask}):
        same(name, outcome(lambda: ufunc.reduce(ours, axis, **options).compute()), outcome(lambda: ufunc.reduce(x, axis, **options)), (shape, dtype, axis, options))
    same(name, outcome(lambda: ufunc.accumulate(ours, axis).compute()), outcome(lambda: ufunc.accumulate(x, axis)), (shape, dtype, axis))


def test_memory_stays_bounded():
    """A fold over 800 MB in blocks of 8 MB: some blocks are there at a time."""
    with ts.Session(memory="64MiB", threads=2) as session:
        total = np.subtract.reduce(ts.ones((100_000, 1000), chunks=(1000, 1000)) * 2.0, axis=0)
        assert (total.compute() == 2.0 - 2.0 * 99_999).all()


@pytest.mark.parametrize("chunks", [(1000, 700), (3000, 100), (37, 700)])
@pytest.mark.parametrize("made", [lambda a: a, lambda a: ts.map_blocks(lambda b: b * 1.0, a, dtype=float)])
def test_many_tiles(made, chunks):
    """What passes from tile to tile: the running result, with a mask and without."""
    x = np.random.default_rng(0).integers(-5, 1000, size=(3000, 700)).astype("f8")
    ours, mask = made(ts.from_array(x, chunks=chunks)), ts.from_array(x % 3 > 0, chunks=(500, 300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for axis in (0, 1):
            for lazily, expected in ((np.subtract.reduce(ours, axis=axis), np.subtract.reduce(x, axis=axis)), (np.fmod.accumulate(ours, axis=axis), np.fmod.accumulate(x, axis=axis)),
                                     (np.divide.reduce(ours, axis=axis, where=mask, initial=7.0), np.divide.reduce(x, axis=axis, where=x % 3 > 0, initial=7.0)),
                                     (np.subtract.accumulate(ours, axis=axis)[::-1][5:2000:7], np.subtract.accumulate(x, axis=axis)[::-1][5:2000:7]),
                                     (np.bitwise_xor.reduce(ours.astype("i4"), axis=axis), np.bitwise_xor.reduce(x.astype("i4"), axis=axis)),
                                     (np.gcd.reduce(ours.astype("i4"), axis=axis), np.gcd.reduce(x.astype("i4"), axis=axis))):
                np.testing.assert_array_equal(lazily.compute(), expected)


def test_packed():
    import pickle

    x = np.random.default_rng(0).normal(size=(50, 60))
    ours = ts.from_array(x, chunks=(7, 9))
    for lazily, expected in ((np.subtract.reduce(ours), np.subtract.reduce(x)), (np.copysign.reduce(ours, axis=1, where=ours > 0, initial=2.0), np.copysign.reduce(x, axis=1, where=x > 0, initial=2.0)),
                             (np.bitwise_or.reduce(ours.astype(int), axis=(0, 1)), np.bitwise_or.reduce(x.astype(int), axis=(0, 1)))):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazily)).compute(), expected)
