"""The greatest elements, ranges between arrays, bits, norms, other shapes block by block, and what else Dask has: against NumPy, and mistakes."""
import math
import pickle
import sys

import numpy as np
import pytest

import tessera as ts

DTYPES = "? i1 i2 i4 i8 u1 u2 u4 u8 f4 f8 c8 c16".split()


def same(found, wanted, exact=True):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if exact:
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_allclose(found, wanted, rtol=2e-6 if found.dtype in (np.float32, np.complex64) else 1e-9, atol=1e-12)


# ---- topk -----------------------------------------------------------------------------------------------------------------


def best(values, k, axis):
    ordered = np.sort(values, axis)
    return np.take(ordered if k < 0 else np.flip(ordered, axis), range(min(abs(k), values.shape[axis])), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_topk(dtype, axis):
    values = np.random.default_rng(1).integers(0, 50, (7, 43, 5)).astype(dtype)
    if values.dtype.kind in "fc":
        values[values == 3] = np.nan
    x, whole = ts.from_array(values, chunks=(3, 4, 2)), ts.from_array(values, chunks=-1)
    for k in (1, 3, -2, 100, -100, 0):
        same(ts.topk(x, k, axis), best(values, k, axis))
        places = ts.argtopk(x, k, axis).compute()
        same(np.take_along_axis(values, places, axis), best(values, k, axis))
        same(ts.argtopk(whole, k, axis), places)  # of equal elements the first, whatever the chunks


def test_topk_of_many_blocks_and_few_elements():
    x = ts.arange(1000, chunks=10)
    assert x.topk(3).compute().tolist() == [999, 998, 997] and x.argtopk(-3).compute().tolist() == [0, 1, 2]
    assert x.topk(3).chunks == ((3,),)
    assert ts.topk(ts.zeros((0, 3)), 2, 0).shape == (0, 3) and ts.argtopk(ts.zeros((3, 0)), 2, 0).compute().shape == (2, 0)
    again = pickle.loads(pickle.dumps(x.argtopk(3)))
    assert again.compute().tolist() == [999, 998, 997]
    with pytest.raises(np.exceptions.AxisError, match="topk: axis 1 is out of range"):
        x.topk(2, axis=1)
    with pytest.raises(np.exceptions.AxisError):
        ts.topk(ts.asarray(1), 2)
    with pytest.raises(TypeError):
        x.topk(1.5)


# ---- Ranges ---------------------------------------------------------------------------------------------------------------

ENDS = [([0, 10], [1, 20]), (np.float32([0, 1]), np.float32([5, 5])), (1, [2, 3]), ([[1], [2]], [3, 4, 5]), (1j, 2 + 3j), ([1j, 2], [3, 4]), (np.int8([1]), np.float32(3)),
        ([-1.0, -3.0], [-100.0, -3.0]), (np.zeros((0, 2)), 1)]


@pytest.mark.parametrize("start, stop", ENDS)
@pytest.mark.parametrize("axis", [0, -1])
def test_ranges_between_arrays(start, stop, axis):
    for n in (0, 1, 2, 7):
        for endpoint in (True, False):
            same(ts.linspace(start, stop, n, endpoint, axis=axis), np.linspace(start, stop, n, endpoint, axis=axis))
            same(ts.logspace(start, stop, n, endpoint, axis=axis), np.logspace(start, stop, n, endpoint, axis=axis), False)
            if np.all(np.asarray(start) != 0):
                same(ts.geomspace(start, stop, n, endpoint, axis=axis), np.geomspace(start, stop, n, endpoint, axis=axis), False)


def test_ranges_between_lazy_arrays():
    start = ts.arange(3.0, chunks=2)
    same(np.linspace(start, 5, 4), np.linspace(np.arange(3.0), 5, 4))
    same(ts.linspace([0, 1.5], [10, 3], 7, dtype=int), np.linspace([0, 1.5], [10, 3], 7, dtype=int))
    same(ts.logspace([0, 1.5], [4, 3], 7, base=[2, 3.0]), np.logspace([0, 1.5], [4, 3], 7, base=[2, 3.0]), False)
    same(ts.linspace([0, 1], [1, 2], 5, retstep=True)[1], np.linspace([0, 1], [1, 2], 5, retstep=True)[1])
    assert np.isnan(ts.linspace(0, 1, 1, retstep=True)[1]) and ts.linspace([0, 1], 2, 6, chunks=2).chunks == ((2, 2, 2), (2,))
    tiny = np.array([0.0, 5e-324])  # NumPy divides first where any step underflows
    same(ts.linspace(tiny, tiny[::-1], 5), np.linspace(tiny, tiny[::-1], 5))
    with pytest.raises(ValueError, match="zero"):
        ts.geomspace([0, 1], [1, 2])
    with pytest.raises(ValueError, match="-1, is negative"):
        ts.linspace([0, 1], 2, -1)
    with pytest.raises(ValueError, match="do not fit together"):
        ts.linspace([0, 1], [1, 2, 3])


# ---- Bits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_bits(order, axis):
    rng = np.random.default_rng(2)
    for dtype in ("?", "i4", "u1"):
        values = rng.integers(0, 2, (5, 19, 3)).astype(dtype) * 3
        same(ts.packbits(ts.from_array(values, chunks=(2, 5, 2)), axis, order), np.packbits(values, axis, order))
    values = rng.integers(0, 256, (5, 7, 2)).astype("u1")
    for count in (None, 0, 3, 40, 70, -3):
        same(ts.unpackbits(ts.from_array(values, chunks=(2, 3, 1)), axis, count, order), np.unpackbits(values, axis, count, order))


def test_bits_mistakes():
    same(np.packbits(ts.zeros((0, 3), int), 1), np.packbits(np.zeros((0, 3), int), 1))
    for wrong in (lambda: ts.packbits([1.5]), lambda: ts.unpackbits([1])):
        with pytest.raises(TypeError, match="expected an input array of"):
            wrong()
    with pytest.raises(ValueError, match="'bitorder'"):
        ts.packbits([1], bitorder="middle")
    with pytest.raises(ValueError, match="8 bits"):
        ts.unpackbits(np.array([1], "u1"), count=-9)


# ---- linalg ---------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("dtype", ["i4", "f4", "f8", "c16"])
def test_norms(dtype):
    values = np.random.default_rng(3).normal(0, 3, (6, 5)).astype(dtype)
    x = ts.from_array(values, chunks=(2, 3))
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        for keepdims in (False, True):
            same(np.linalg.norm(x, order, keepdims=keepdims), np.linalg.norm(values, order, keepdims=keepdims), False)
    for order in (None, 0, 1, 2, -1, 3, 0.5, np.inf, -np.inf):
        for axis in (0, 1):
            same(ts.linalg.norm(x, order, axis=axis), np.linalg.norm(values, order, axis=axis), False)
    same(ts.linalg.vector_norm(x, axis=0, keepdims=True), np.linalg.vector_norm(values, axis=0, keepdims=True), False)
    same(ts.linalg.matrix_norm(x, ord=1), np.linalg.matrix_norm(values, ord=1), False)
    same(ts.linalg.norm(x, np.inf, (1, 0)), np.linalg.norm(values, np.inf, (1, 0)), False)


def test_powers_and_chains():
    rng = np.random.default_rng(4)
    values = rng.integers(0, 5, (3, 4, 4))
    for n in (0, 1, 2, 3, 10):
        same(np.linalg.matrix_power(ts.from_array(values, chunks=(2, 2, 2)), n), np.linalg.matrix_power(values, n))
    chain = [rng.normal(size=shape) for shape in ((10, 3), (3, 20), (20, 2), (2, 7))]
    same(np.linalg.multi_dot([ts.asarray(m) for m in chain]), np.linalg.multi_dot(chain), False)
    ends = [np.ones(10), *chain, np.ones(7)]
    same(ts.linalg.multi_dot(ends), np.linalg.multi_dot(ends), False)
    for name in ("cross", "vecdot", "outer"):
        a, b = (rng.normal(size=3) for _ in range(2))
        same(getattr(ts.linalg, name)(a, b), getattr(np.linalg, name)(a, b), False)
    for name in ("diagonal", "trace", "matrix_transpose"):
        same(getattr(ts.linalg, name)(values), getattr(np.linalg, name)(values))
    same(np.fft.fft(ts.arange(8.0, chunks=3)), np.fft.fft(np.arange(8.0)), False)


def test_linalg_mistakes():
    square = ts.ones((3, 3))
    for wrong, error, words in [(lambda: ts.linalg.norm(square, 2), NotImplementedError, "needs singular values"), (lambda: ts.linalg.norm(square, "x"), ValueError, "Invalid norm order"),
                                (lambda: ts.linalg.norm(square, "fro", 0), ValueError, "for vectors"), (lambda: ts.linalg.norm(ts.ones((2, 2, 2)), 1), ValueError, "Improper number"),
                                (lambda: ts.linalg.norm(square, 1, (0, 0)), ValueError, "Duplicate axes"), (lambda: ts.linalg.matrix_power(square, -1), NotImplementedError, "inverse"),
                                (lambda: ts.linalg.matrix_power(ts.ones((2, 3)), 2), ValueError, r"shape is \(2, 3\)"),
                                (lambda: ts.linalg.multi_dot([ts.ones((2, 3))] * 2), ValueError, "2 rows, the one before it 3 columns"),
                                (lambda: np.linalg.svd(square), TypeError, "does not exist for tessera arrays")]:
        with pytest.raises(error, match=words):
            wrong()


# ---- Blocks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape, chunks, new, wanted", [((4, 6), ((2, 2), (4, 2)), (24,), ((8, 4, 8, 4),)), ((3, 3, 3), ((3,), (2, 1), (2, 1)), (3, 9), ((3,), (4, 2, 2, 1))),
                                                        ((1, 4, 3), ((1,), (3, 1), (2, 1)), (4, 3), ((3, 1), (2, 1))),
                                                        ((2, 3, 4, 5), ((1, 1), (2, 1), (3, 1), (2, 2, 1)), (6, 20), ((2, 1, 2, 1), (6, 6, 3, 2, 2, 1)))])
def test_reshape_blockwise(shape, chunks, new, wanted):
    values = np.arange(np.prod(shape)).reshape(shape)
    x = ts.from_array(values, chunks=chunks)
    y = ts.reshape_blockwise(x, new)
    assert y.chunks == wanted
    for block, other in zip(x.to_delayed().ravel(), y.to_delayed().ravel()):
        assert (block.compute().ravel() == other.compute().ravel()).all()
    back = ts.reshape_blockwise(y, shape, chunks=chunks)
    same(back, values)
    assert back.chunks == chunks


def test_reshape_blockwise_mistakes():
    x = ts.ones((4, 6), chunks=2)
    for wrong, error, words in [(lambda: ts.reshape_blockwise(x, (2, 2, 6)), TypeError, "specify chunks"), (lambda: ts.reshape_blockwise(x, (24,), chunks=((24,),)), ValueError, "not allowed"),
                                (lambda: ts.reshape_blockwise(x, (5,)), ValueError, "24 elements cannot have a shape of 5"), (lambda: ts.reshape_blockwise(x, (6, 4)), ValueError, "no neighbouring"),
                                (lambda: ts.reshape_blockwise(x, (2, 2, 6), chunks=((2,), (1, 1), (3, 3))), ValueError, "6 blocks, the result 4"),
                                (lambda: ts.reshape_blockwise(x, (2, 2, 6), chunks=((2,), (1, 1), (1, 2, 3))), ValueError, "block 0 has 4 elements, in the result 2")]:
        with pytest.raises(error, match=words):
            wrong()


def test_common_borders():
    a, b, c = ts.ones((10, 4), chunks=(5, 4)), ts.ones(10, chunks=4), ts.ones((1, 4), chunks=2)
    chunks, (x, y, z) = ts.unify_chunks(a, "ij", b, "i", c, "ij")
    assert chunks == {"i": (4, 1, 3, 2), "j": (2, 2)}
    assert x.chunks == ((4, 1, 3, 2), (2, 2)) and y.chunks == ((4, 1, 3, 2),) and z.chunks == ((1,), (2, 2))
    assert ts.unify_chunks(5, None, b, "i")[1][0] == 5
    with pytest.raises(ValueError, match="10 elements, another 3|3 elements, another 10"):
        ts.unify_chunks(b, "i", ts.ones(3), "i")
    assert ts.normalize_chunks((4, -1), (10, 5)) == ((4, 4, 2), (5,)) and ts.normalize_chunks(((2, 3), (4,))) == ((2, 3), (4,))


def longest(chunks):
    return [max(lengths, default=0) for lengths in chunks]


def test_chunks_of_so_many_bytes():
    """Dask's lengths, where it takes whole chunks of before as well."""
    assert longest(ts.normalize_chunks("auto", (365, 720, 1440), "8MiB", "f4", (1, 720, 1440))) == [2, 720, 1440]
    assert longest(ts.normalize_chunks("auto", (365, 720, 1440), "1MiB", "f4", (1, 720, 1440))) == [1, 362, 724]
    assert longest(ts.normalize_chunks(("auto", -1, 100), (365, 720, 1440), "8MiB", "f4", ((30,) * 12 + (5,), 720, 1440))) == [29, 720, 100]
    assert longest(ts.normalize_chunks({0: "auto"}, (1000, 1000), 80000, "f8")) == [10, 1000]
    assert ts.normalize_chunks("auto", (0, 5), "1MiB") == ((0,), (5,)) and ts.normalize_chunks("auto", (), "1MiB") == ()
    x = np.zeros((1000, 1000))
    for made in (ts.zeros(x.shape, chunks="1MiB"), ts.from_array(x, chunks="1MiB"), ts.full(x.shape, 0.0, chunks="1MiB"),
                 ts.random.default_rng(1).normal(size=x.shape, chunks="1MiB")):
        assert longest(made.chunks) == [362, 362]
    assert longest(ts.zeros(x.shape, chunks=(100, "1MiB")).chunks) == [100, 1000]
    assert longest(ts.zeros(x.shape, chunks=100).rechunk("1MB").chunks) == [300, 300]
    assert longest(ts.zeros(x.shape, chunks=100).rechunk({1: "160kB"}).chunks) == [100, 200]
    for wrong in ("foo", "1XB", ("1MB", "foo")):
        with pytest.raises(ValueError, match="is no size"):
            ts.zeros(x.shape, chunks=wrong)


@pytest.mark.parametrize("shape", [(7,), (1, 1, 1), (100, 3, 17), (365, 720, 1440)])
@pytest.mark.parametrize("limit", [1, 100, 80000, "1MiB"])
def test_chunks_stay_below_their_limit(shape, limit):
    for before in (None, tuple(max(1, n // 7) for n in shape), (1, *shape[1:])):
        chunks = ts.normalize_chunks("auto", shape, limit, "f4", before)
        assert tuple(map(sum, chunks)) == shape
        assert math.prod(longest(chunks)) * 4 <= max(2**20 if limit == "1MiB" else limit, 4), before


def test_functions_of_elements():
    both = ts.frompyfunc(lambda a, b: (a + b, a * 1.5), 2, 2)
    added, scaled = both(ts.arange(4, chunks=2), np.ones((3, 1), int))
    same(added, np.arange(4) + np.ones((3, 1), int))
    same(scaled, np.broadcast_to(np.arange(4) * 1.5, (3, 4)))
    assert ts.frompyfunc(len_of_text, 1, dtype="i2")(ts.arange(8, 12)).compute().tolist() == [1, 1, 2, 2]
    with pytest.raises(TypeError, match="takes 2 arguments, 1 given"):
        both(1)
    with pytest.raises(ValueError, match="failed for ones .ZeroDivisionError"):
        ts.frompyfunc(lambda a: 1 // int(a - 1), 1)(ts.arange(3))


def len_of_text(n):
    return len(str(n))


# ---- Files of others ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_npy_stack(tmp_path, axis):
    values = np.arange(60).reshape(5, 12).astype("f4")
    ts.to_npy_stack(tmp_path / "x", ts.from_array(values, chunks=(2, 5)), axis)
    x = ts.from_npy_stack(tmp_path / "x")
    same(x, values)
    assert x.chunks == (((2, 2, 1), (12,)) if axis == 0 else ((5,), (5, 5, 2)))
    assert len(list((tmp_path / "x").glob("*.npy"))) == 3


def test_npy_stack_runs_no_code(tmp_path):
    ts.to_npy_stack(tmp_path, ts.ones(3))
    (tmp_path / "info").write_bytes(pickle.dumps({"chunks": ((3,),), "axis": 0, "dtype": sys.exit}))
    with pytest.raises(pickle.UnpicklingError, match="sys.exit"):
        ts.from_npy_stack(tmp_path)
    with pytest.raises(np.exceptions.AxisError):
        ts.to_npy_stack(tmp_path, ts.ones(3), axis=1)


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    values = np.arange(35.0).reshape(5, 7)
    x = ts.from_array(values, chunks=((2, 1, 2), (4, 3)))
    ts.to_hdf5(tmp_path / "x.h5", {"/a/x": x, "/y": x.sum(axis=0)}, compression="gzip")
    x.to_hdf5(tmp_path / "x.h5", "/z")
    with h5py.File(tmp_path / "x.h5") as file:
        same(ts.from_array(file["a/x"]), values)
        same(file["y"][:], values.sum(axis=0))
        same(file["z"][:], values)
        assert file["a/x"].chunks == (2, 4)
    same(ts.open_array(tmp_path / "x.h5", "z"), values)
    with pytest.raises(ValueError, match="/data/path"):
        ts.to_hdf5(tmp_path / "x.h5", x)


def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    values = np.arange(35.0).reshape(5, 7)
    x = ts.from_array(values, chunks=((2, 1, 2), (4, 3)))
    ts.to_zarr(x, str(tmp_path / "x.zarr"))
    y = ts.from_zarr(str(tmp_path / "x.zarr"))
    same(y, values)
    assert y.chunks == ((2, 2, 1), (4, 3))
    target = zarr.open_array(str(tmp_path / "x.zarr"), mode="r+")
    ts.to_zarr(ts.zeros((2, 7)), target, region=(slice(0, 2), slice(0, 7)))
    assert ts.from_zarr(target).sum().compute() == values[2:].sum()
    x.to_zarr(str(tmp_path / "g.zarr"), component="a")
    same(ts.from_zarr(str(tmp_path / "g.zarr"), component="a"), values)
    with pytest.raises(ValueError, match="region"):
        ts.to_zarr(x, str(tmp_path / "z.zarr"), region=(slice(0, 5),))


def test_packages_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        ts.to_hdf5(tmp_path / "x.h5", "/x", ts.ones(3))


def test_names_of_dasks():
    x = ts.arange(6, chunks=4)
    assert x.to_backend() is x and x.name != (x + 1).name and [b.shape for b in x.to_delayed()] == [(4,), (2,)]
    with pytest.raises(ValueError, match="no backend 'cupy'"):
        x.to_backend("cupy")
    assert ts.newaxis is None and ts.pi == np.pi and ts.float32 is np.float32 and ts.bool is np.bool and issubclass(ts.PerformanceWarning, Warning)
    assert ts.overlap.trim_internal(ts.overlap.overlap(x, 1), 1).compute().tolist() == list(range(6))
    assert ts.lib.stride_tricks.sliding_window_view(x, 2).shape == (5, 2)
