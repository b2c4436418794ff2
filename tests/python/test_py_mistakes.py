"""Mistakes and odd arguments beside NumPy: the same class of error, or the same values, dtype and shape."""
import gc
import operator
import warnings

import numpy as np
import pytest

import tessera as ts

FLOATS, WHOLE = np.arange(24.0).reshape(4, 6), np.arange(24).reshape(4, 6)


def put(key, value, values=FLOATS):
    """x[key] = value"""
    def assign(m, x, i):
        made = m.array(values.copy())
        made[key] = value
        return made

    return assign


def shaped(shape):
    """x.shape = shape"""
    def change(m, x, i):
        x.shape = shape
        return x

    return change


def rising(vector, width, axis, options):
    vector[: width[0]] = options["start"] + axis
    vector[len(vector) - width[1]:] = vector[width[0]]


INDEXING = {
    "lists": lambda m, x, i: x[[0, 1], [0, 1, 2]], "beyond": lambda m, x, i: x[4], "beyond in a list": lambda m, x, i: x[[4]], "float": lambda m, x, i: x[1.0],
    "text": lambda m, x, i: x["a"], "too many": lambda m, x, i: x[0, 0, 0], "two ellipses": lambda m, x, i: x[..., ...], "short mask": lambda m, x, i: x[[True, False]],
    "step 0": lambda m, x, i: x[::0], "slice of floats": lambda m, x, i: x[1.5:3], "floats": lambda m, x, i: x[[1.0]], "huge": lambda m, x, i: x[2**70], "huge slice": lambda m, x, i: x[2**70:],
    "True": lambda m, x, i: x[True], "False": lambda m, x, i: x[False], "list and None": lambda m, x, i: x[[0, 1], None, [1, 2]], "2-d list": lambda m, x, i: x[[[0, 1], [2, 3]]],
    "mask and list": lambda m, x, i: x[(x > 5)[:, 0], [0, 1, 2]], "in": lambda m, x, i: 5.0 in x, "not in": lambda m, x, i: 5.5 in x, "index of a float": lambda m, x, i: [1, 2][x[0, 1]],
    "operator.index": lambda m, x, i: operator.index(i[0, 1]),
}
ASSIGNMENT = {
    "short": put(0, [1, 2]), "column": put(slice(None), np.ones((4, 1))), "more axes": put(slice(None), np.ones((1, 1, 4, 6))), "too many": put(slice(None), np.ones((2, 4, 6))),
    "beyond": put(5, 1), "twice": put([0, 0], np.array([[1.0] * 6, [2.0] * 6])), "mask, values": put(FLOATS > 5, np.arange(18.0)), "mask, too few": put(FLOATS > 5, np.arange(17.0)),
    "NaN into integers": put(0, np.nan, WHOLE), "complex into integers": put(0, 1j, WHOLE), "complex into floats": put(0, 1j), "300 into u1": put(0, 300, WHOLE.astype("u1")),
    "-1 into u1": put(0, -1, WHOLE.astype("u1")), "numpy's 200 into i1": put(0, np.int64(200), WHOLE.astype("i1")), "1.7 into integers": put(0, 1.7, WHOLE), "2 into bool": put(0, 2, FLOATS > 5),
    "empty slice": put(slice(1, 1), 5), "False": put(False, 3), "transposed": put(..., FLOATS.T), "reversed": put(slice(None, None, -1), FLOATS),
}
SHAPES = {
    "shape": shaped((6, 4)), "shape -1": shaped(-1), "shape that does not fit": shaped((5, 4)), "-1 twice": lambda m, x, i: x.reshape(-1, -1), "5 x -1": lambda m, x, i: m.reshape(x, (5, -1)),
    "0 x -1": lambda m, x, i: m.reshape(x[:0], (0, -1)), "nothing": lambda m, x, i: x.reshape(), "float": lambda m, x, i: x.reshape(4.0, 6), "order F": lambda m, x, i: m.reshape(x, (6, 4), order="F"),
    "order K": lambda m, x, i: m.reshape(x, (6, 4), order="K"), "ravel Z": lambda m, x, i: m.ravel(x, order="Z"), "ravel K": lambda m, x, i: m.ravel(x, order="K"),
    "squeeze": lambda m, x, i: m.squeeze(x, axis=0), "transpose": lambda m, x, i: m.transpose(x, (0, 0)), "swapaxes": lambda m, x, i: m.swapaxes(x, 0, 2), "broadcast_to": lambda m, x, i: m.broadcast_to(x, (3, 6)),
    "concatenate dtypes": lambda m, x, i: m.concatenate([i.astype("i4"), x.astype("f4")]), "concatenate dtype=": lambda m, x, i: m.concatenate([x, x], dtype="i4"),
    "concatenate unsafe": lambda m, x, i: m.concatenate([x, x], dtype="i4", casting="unsafe"), "stack dtype=": lambda m, x, i: m.stack([x, x], dtype="f4", casting="no"),
    "concatenate out": lambda m, x, i: m.concatenate([x, x], out=m.zeros((3, 3))), "concatenate nothing": lambda m, x, i: m.concatenate([]), "stack shapes": lambda m, x, i: m.stack([x, x.T]),
    "block": lambda m, x, i: m.block([x, [x]]), "insert beyond": lambda m, x, i: m.insert(x, 9, 1, axis=0), "delete beyond": lambda m, x, i: m.delete(x, 9, axis=0), "split": lambda m, x, i: m.split(x, 3),
    "@ 3": lambda m, x, i: x @ 3, "3 @": lambda m, x, i: 3 @ x, "meshgrid": lambda m, x, i: m.meshgrid(x[0], spar=1), "meshgrid copy": lambda m, x, i: m.meshgrid(x[0], copy=False),
    "einsum": lambda m, x, i: m.einsum("ij->i", x, foo=1),
    "repeat": lambda m, x, i: m.repeat(x, [1, 2], axis=0), "roll axis": lambda m, x, i: m.roll(x, 1, axis=2), "roll twice": lambda m, x, i: m.roll(x, (1, 2), axis=(0, 0)), "roll shifts": lambda m, x, i: m.roll(x, (1, 2, 3), axis=(0, 1)),
    "rot90 one axis": lambda m, x, i: m.rot90(x, axes=(0, 0)), "rot90 three": lambda m, x, i: m.rot90(x, axes=(0, 1, 2)), "rot90 back": lambda m, x, i: m.rot90(x, -5, axes=(1, 0)), "flip": lambda m, x, i: m.flip(x, 2),
}
OUTPUTS = {
    "out shape": lambda m, x, i: m.add(x, 1, out=m.zeros((2, 2))), "out dtype": lambda m, x, i: m.add(x, 1, out=m.zeros((4, 6), int)), "two outs": lambda m, x, i: m.add(x, 1, out=(m.zeros((4, 6)), m.zeros((4, 6)))),
    "sum out": lambda m, x, i: m.sum(x, axis=0, out=m.zeros(5)), "matmul out": lambda m, x, i: m.matmul(x, x.T, out=m.zeros((2, 2))), "where": lambda m, x, i: m.add(x, 1, where=x > 5, out=m.zeros((4, 6))),
    "where of integers": lambda m, x, i: m.add(x, 1, where=i, out=m.zeros((4, 6))), "sum where of integers": lambda m, x, i: m.sum(x, where=i), "mean where of integers": lambda m, x, i: m.mean(x, where=i),
    "max where": lambda m, x, i: m.max(x, where=x > 5), "sum where": lambda m, x, i: m.sum(x, where=x > 5), "argmax of two axes": lambda m, x, i: m.argmax(x, axis=(0, 1)), "argmax of nothing": lambda m, x, i: m.argmax(x[:0]),
    "ddof and correction": lambda m, x, i: m.var(x, ddof=1, correction=1), "correction": lambda m, x, i: m.std(x, correction=1), "sin as int": lambda m, x, i: m.sin(x, dtype=int),
    "floats added as int": lambda m, x, i: m.add(x, x, dtype=int), "integers added as f4": lambda m, x, i: m.add(i, i, dtype="f4"), "divided as f4": lambda m, x, i: m.divide(x.astype("f4"), i.astype("i2"), dtype="f4"),
    "equal as bool": lambda m, x, i: m.equal(i, 3, dtype=bool), "isnan as bool": lambda m, x, i: m.isnan(x, dtype=bool), "f4 of floats": lambda m, x, i: m.add(x, 1, dtype="f4"), "compared as bool": lambda m, x, i: m.less(x, 5.0, dtype=bool),
    "no casting": lambda m, x, i: m.add(x, x.astype("f4"), casting="no"), "no such casting": lambda m, x, i: m.add(x, x, casting="foo"), "safe casting": lambda m, x, i: m.add(x, i, casting="safe"),
}
NUMBERS = {
    "bins 0": lambda m, x, i: m.histogram(x, bins=0, range=(0, 1)), "bins fall": lambda m, x, i: m.histogram(x, bins=[3, 2, 1]), "range falls": lambda m, x, i: m.histogram(x, bins=3, range=(5, 1)),
    "range of one": lambda m, x, i: m.histogram(x, bins=3, range=(5,)), "range NaN": lambda m, x, i: m.histogram(x, bins=3, range=(0, np.nan)), "no such rule": lambda m, x, i: m.histogram(x, bins="foo"),
    "weights": lambda m, x, i: m.histogram(x, bins=3, range=(0, 5), weights=[1, 2]), "bincount 2-d": lambda m, x, i: m.bincount(i), "bincount of floats": lambda m, x, i: m.bincount(x[0]),
    "digitize": lambda m, x, i: m.digitize(x, [3, 1, 2]), "quantile": lambda m, x, i: m.quantile(x, 1.5), "percentile": lambda m, x, i: m.percentile(x, [50, 101]), "no such method": lambda m, x, i: m.quantile(x, 0.5, method="foo"),
    "take": lambda m, x, i: m.take(x, [50]), "take wrap": lambda m, x, i: m.take(x, [9, -9], axis=1, mode="wrap"), "take clip": lambda m, x, i: m.take(x, [9, -9], axis=1, mode="clip"), "take foo": lambda m, x, i: m.take(x, [0], mode="foo"),
    "choose": lambda m, x, i: m.choose([0, 5], [x[0][:2], x[1][:2]]), "arange": lambda m, x, i: m.arange(1, 2, 0), "arange of floats": lambda m, x, i: m.arange(1.0, 2.0, 0.0), "300 as u1": lambda m, x, i: m.full(2, 300, dtype="u1"),
    "-1 as u1": lambda m, x, i: m.full(2, -1, dtype="u1"), "average": lambda m, x, i: m.average(x, weights=[1, 2]), "average along": lambda m, x, i: m.average(x, axis=0, weights=[1, 2]),
    "average along, right": lambda m, x, i: m.average(x, axis=0, weights=[1, 2, 3, 4], returned=True), "average of text": lambda m, x, i: m.average(x, weights="a"), "i ** -1": lambda m, x, i: i**-1,
    "einsum lengths": lambda m, x, i: m.einsum("ij,jk", x, x), "einsum axes": lambda m, x, i: m.einsum("ijk->i", x), "einsum output": lambda m, x, i: m.einsum("ij->k", x), "einsum operands": lambda m, x, i: m.einsum("ij,ij->", x),
    "einsum as f4": lambda m, x, i: m.einsum("ij->i", i, dtype="f4"), "einsum lists": lambda m, x, i: m.einsum(x, [0, 1], [1, 0]), "matmul": lambda m, x, i: m.matmul(x, x), "matmul of a number": lambda m, x, i: m.matmul(x, 2),
    "matrix_power": lambda m, x, i: m.linalg.matrix_power(x, 2), "norm": lambda m, x, i: m.linalg.norm(x, ord="foo"),
    "gradient": lambda m, x, i: m.gradient(m.where(x == 8, np.nan, x), np.arange(4.0), axis=0), "gradient, uneven": lambda m, x, i: m.gradient(m.where(x == 8, np.nan, x), np.array([0.0, 1, 3, 4]), axis=0),
}
PADS = {
    "mode": lambda m, x, i: m.pad(x, 1, mode="foo"), "below 0": lambda m, x, i: m.pad(x, -1), "shape": lambda m, x, i: m.pad(x, ((1, 2), (1, 2), (1, 2))), "float": lambda m, x, i: m.pad(x, 1.5),
    "of another mode": lambda m, x, i: m.pad(x, 1, mode="edge", constant_values=3), "unknown": lambda m, x, i: m.pad(x, 1, foo=3), "NaN around integers": lambda m, x, i: m.pad(i, 1, constant_values=np.nan),
    "wrap": lambda m, x, i: m.pad(x, 13, mode="wrap"), "reflect": lambda m, x, i: m.pad(x, 7, mode="reflect"), "ramp": lambda m, x, i: m.pad(i, 3, mode="linear_ramp", end_values=5), "of nothing": lambda m, x, i: m.pad(x[:0], 2, mode="reflect"),
    "constants": lambda m, x, i: m.pad(x, ((1, 2), (0, 3)), constant_values=((1, 2), (3, 4))), "function": lambda m, x, i: m.pad(x, ((1, 2), (0, 3)), rising, start=100), "function, integers": lambda m, x, i: m.pad(i, 2, rising, start=7),
}
RANDOM = {
    "normal": lambda g: g.normal(0, -1, size=3), "integers": lambda g: g.integers(5, 5, size=3), "integers of u1": lambda g: g.integers(0, 300, dtype="u1"), "poisson": lambda g: g.poisson(-1), "binomial": lambda g: g.binomial(5, 1.5),
    "gamma": lambda g: g.gamma(-1), "size": lambda g: g.normal(size=-1), "size of text": lambda g: g.normal(size="a"), "parameters": lambda g: g.normal([1, 2], [1, 2, 3]), "parameters and size": lambda g: g.normal([1, 2], 1, size=3),
    "choice p": lambda g: g.choice(3, p=[0.5, 0.5]), "choice sum": lambda g: g.choice(2, p=[0.5, 0.6]), "choice many": lambda g: g.choice(3, 5, replace=False), "choice 0": lambda g: g.choice(0), "multinomial": lambda g: g.multinomial(5, [0.5, 0.6, 0.1]),
    "triangular": lambda g: g.triangular(3, 2, 1), "zipf": lambda g: g.zipf(1), "hypergeometric": lambda g: g.hypergeometric(2, 2, 9), "geometric": lambda g: g.geometric(0), "dtype": lambda g: g.random(3, dtype=int),
}
GROUPS = {"indexing": INDEXING, "assignment": ASSIGNMENT, "shapes": SHAPES, "outputs": OUTPUTS, "numbers": NUMBERS, "pads": PADS}


def outcome(function, *arguments):
    """The error, or the values."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            made = function(*arguments)
            return [np.asarray(part) for part in (made if isinstance(made, (tuple, list)) else (made,))]
        except Exception as error:
            return error


def same(ours, theirs):
    if isinstance(theirs, Exception):
        kind = next(c for c in type(theirs).__mro__ if c.__module__ == "builtins" or c in (np.exceptions.AxisError, np.linalg.LinAlgError))  # not UFuncTypeError, which is private
        assert isinstance(ours, kind), f"{theirs!r} is expected"
        assert str(ours)
        return
    assert not isinstance(ours, Exception), ours
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("group, name", [(group, name) for group, cases in GROUPS.items() for name in cases])
def test_as_numpy(group, name):
    function = GROUPS[group][name]
    ours = outcome(function, ts, ts.from_array(FLOATS.copy(), chunks=(2, 4)), ts.from_array(WHOLE.copy(), chunks=(3, 2)))
    same(ours, outcome(function, np, FLOATS.copy(), WHOLE.copy()))


@pytest.mark.parametrize("name", RANDOM)
def test_random_as_numpy(name):
    theirs = outcome(RANDOM[name], np.random.default_rng(0))
    assert isinstance(theirs, Exception)
    same(outcome(RANDOM[name], ts.random.default_rng(0)), theirs)


def test_a_new_shape_leaves_others_alone():
    x = ts.from_array(FLOATS, chunks=2)
    y = x + 1
    x.shape = 3, 8
    assert x.shape == (3, 8) and y.shape == (4, 6)
    np.testing.assert_array_equal(x.compute(), FLOATS.reshape(3, 8))


@pytest.mark.parametrize("call, kind, text", [
    (lambda x: ts.Session(threads=-1), ValueError, "threads: -1 is negative"), (lambda x: ts.config.set(threads=-1), ValueError, "threads: -1 is negative"),
    (lambda x: ts.Session(memory=-5), ValueError, "-5 bytes"), (lambda x: ts.Session(foo=1), TypeError, "foo"), (lambda x: ts.map_blocks(5, x), TypeError, "callable, not int"),
    (lambda x: ts.map_blocks(5, x, dtype=float), TypeError, "callable, not int"), (lambda x: ts.save(x, "x.npy"), TypeError, "the path comes first"),
    (lambda x: ts.Variable(x, dims=("y", "x")).groupby("time.month"), ValueError, "no dimension 'time'"), (lambda x: ts.Variable(x, dims=("y", "x")).mean("z"), KeyError, "no dimension 'z'"),
    (lambda x: ts.Variable(x, dims=("y", "x")).mean("z"), ValueError, "no dimension 'z'")])
def test_other_mistakes(call, kind, text):
    with pytest.raises(kind, match=text):
        call(ts.from_array(FLOATS, chunks=2))


def test_a_session_that_never_opened_goes_quietly(capsys):
    with pytest.raises(TypeError):
        ts.Session(foo=1)
    gc.collect()
    assert capsys.readouterr().err == ""


def by_month(folder):
    import xarray as xr

    xr.Dataset({"t": ("month", [1.0, 2.0])}, {"month": [1, 2]}).to_netcdf(folder / "months.nc")
    return ts.open_dataset(folder / "months.nc")["t"]


@pytest.mark.parametrize("refused, error, words", [
    (lambda f: ts.open_dataset(f), IsADirectoryError, "is a folder"), (lambda f: ts.open_dataset([]), OSError, "no files"), (lambda f: ts.ones((4, 6)).rechunk({3: 1}), np.exceptions.AxisError, "axis 3"),
    (lambda f: ts.ones((4, 6)).rechunk({-3: 1}), np.exceptions.AxisError, "axis -3"), (lambda f: ts.zeros((2, 2), chunks={2: 1}), np.exceptions.AxisError, "axis 2"),
    (lambda f: ts.ones((4, 6)).rechunk({"x": 1}), TypeError, "str"), (lambda f: ts.normalize_chunks("auto", (9, 9), previous_chunks=((3, 6),)), ValueError, "previous_chunks: 1 given for 2"),
    (lambda f: ts.ones(3).__setitem__(0, "a"), ValueError, "could not convert"), (lambda f: ts.ones(3).__setitem__(slice(2), ["1", "a"]), ValueError, "could not convert"),
    (lambda f: ts.Session(scratch=f / "nope"), FileNotFoundError, "nope"), (lambda f: ts.Session(scratch=__file__), NotADirectoryError, __file__),
    (lambda f: by_month(f).sel(month="foo"), KeyError, "foo"),
    (lambda f: by_month(f).sel(month=7), KeyError, "7")])
def test_the_fields_own_errors(tmp_path, refused, error, words):
    with pytest.raises(error, match=words.replace("(", "[(]")):
        refused(tmp_path)


def test_scratch_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TESSERA_SCRATCH", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="gone"):
        ts.Session()
    with pytest.raises(OSError, match="/proc"):  # where not even root makes files
        ts.Session(scratch="/proc")


def test_settings_are_refused_when_they_are_set(tmp_path):
    for folder, error in ((tmp_path / "nope", FileNotFoundError), (__file__, NotADirectoryError), ("/proc", OSError)):
        with pytest.raises(error, match=str(folder)):
            ts.config.set(scratch=folder, threads=7)
    assert ts.config.get("scratch") is None and ts.config.get("threads") != 7
    with ts.config.set(scratch=str(tmp_path)):
        assert ts.config.get("scratch") == str(tmp_path)


def test_text_is_a_number_where_it_can_be():
    x, y = ts.zeros(3), np.zeros(3)
    x[0] = y[0] = "2.5"
    x[1:] = y[1:] = ["1", "-3"]
    assert (x.compute() == y).all()


def test_numpys_writers(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    x = ts.from_array(values, chunks=2)
    np.save(tmp_path / "one", x)
    np.save(str(tmp_path / "two.npy"), x)
    with open(tmp_path / "three.npy", "wb") as file:
        np.save(file, x)
    for name in ("one", "two", "three"):
        assert (np.load(tmp_path / f"{name}.npy") == values).all()
    np.savez(tmp_path / "all.npz", x, b=x + 1)
    both = np.load(tmp_path / "all.npz")
    assert (both["arr_0"] == values).all() and (both["b"] == values + 1).all()
    np.savetxt(tmp_path / "x.txt", x)
    assert (np.loadtxt(tmp_path / "x.txt") == values).all()


@pytest.mark.parametrize("make", [
    lambda c: ts.arange(10**6, chunks=c), lambda c: ts.arange(0.0, 1.0, 1e-6, chunks=c), lambda c: ts.linspace(0, 1, 10**6, chunks=c), lambda c: ts.linspace([0, 1], [1, 2], 10**6, chunks=c),
    lambda c: ts.logspace(0, 1, 10**6, chunks=c), lambda c: ts.geomspace(1, 2, 10**6, chunks=c), lambda c: ts.eye(1000, chunks=c), lambda c: ts.identity(1000, chunks=c),
    lambda c: ts.tri(1000, dtype="i2", chunks=c), lambda c: ts.hanning(10**6, chunks=c), lambda c: ts.kaiser(10**6, 3, chunks=c), lambda c: ts.indices((1000, 900), chunks=c),
    lambda c: ts.fromfunction(lambda i, j: i + j, (1000, 900), chunks=c), lambda c: ts.random.default_rng(0).integers(0, 9, (1000, 900), chunks=c),
    lambda c: ts.random.default_rng(0).permutation(10**6, chunks=c), lambda c: ts.random.default_rng(0).choice(5, 10**6, chunks=c), lambda c: ts.random.default_rng(0).choice([1.0, 2.0], 10**6, chunks=c),
    lambda c: ts.random.default_rng(0).dirichlet([1.0, 2.0, 3.0], 10**6, chunks=c), lambda c: ts.random.default_rng(0).normal(size=(1000, 900), chunks=c), lambda c: ts.full((1000, 900), 7, chunks=c)])
def test_chunks_of_so_many_bytes(make):
    made, whole = make("64KiB"), make("auto")
    assert (made.shape, made.dtype) == (whole.shape, whole.dtype)
    assert 8 << 10 < np.prod(made.chunksize) * made.itemsize <= 64 << 10
    assert made.numblocks > whole.numblocks and make({0: "64KiB"}).dtype == made.dtype
    assert (made[..., :100].compute() == whole[..., :100].compute()).all()
    with pytest.raises(ValueError, match="64XiB"):
        make("64XiB")
