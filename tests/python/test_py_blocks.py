"""The Python package: functions of blocks, and arrays read from other libraries' objects."""
import gc
import threading
import traceback

import numpy as np
import pytest

import tessera as ts

VALUES = np.arange(48.0).reshape(6, 8)


@pytest.fixture
def x():
    return ts.from_array(VALUES, chunks=(2, 3))


def same(ours, expected):
    assert isinstance(ours, ts.Array)
    np.testing.assert_array_equal(ours.compute(), expected)


def test_map_blocks(x):
    same(ts.map_blocks(np.sqrt, x), np.sqrt(VALUES))
    same(x.map_blocks(lambda b, n: b + n, 3), VALUES + 3)
    same(ts.map_blocks(np.add, x, np.arange(8.0)), VALUES + np.arange(8))
    same(ts.map_blocks(lambda b: b.astype("i2"), x), VALUES.astype("i2"))
    same(ts.map_blocks(lambda b: b.sum(axis=1), x, drop_axis=1), VALUES.sum(axis=1))
    assert ts.map_blocks(lambda b: b[:, :, None], x, new_axis=2).shape == (6, 8, 1)
    same(ts.map_blocks(lambda b: np.repeat(b, 2, 1), x, chunks=((2, 2, 2), (6, 6, 4))), np.repeat(VALUES, 2, 1))


def test_map_blocks_knows_where_it_is(x):
    same(ts.map_blocks(lambda b, block_id: np.full(b.shape, 10 * block_id[0] + block_id[1]), x, dtype=int),
         10 * (np.arange(6)[:, None] // 2) + np.arange(8) // 3)
    seen = []
    ts.map_blocks(lambda b, block_info: seen.append(block_info) or b, x, dtype=float).compute()
    assert {info[0]["chunk-location"] for info in seen} >= {(0, 0), (2, 2)}
    assert all(info[0]["shape"] == (6, 8) and info[None]["num-chunks"] == (3, 3) for info in seen)
    made = ts.map_blocks(lambda block_id: np.full((2, 3), block_id[0]), chunks=((2, 2), (3,)), dtype=int)
    same(made, np.repeat([0, 1], 2)[:, None] * np.ones(3, int))


def test_exceptions_arrive_with_traceback_and_block(x):
    def bad(block):
        if block.max() > 30:
            raise ZeroDivisionError("no luck")
        return block

    with pytest.raises(ZeroDivisionError, match="no luck") as caught:
        x.map_blocks(bad, dtype=float).compute()
    text = "".join(traceback.format_exception(caught.value))
    assert "in bad" in text
    if hasattr(caught.value, "add_note"):
        assert "block (" in text and "bad" in caught.value.__notes__[0]
    same(x + 1, VALUES + 1)
    with pytest.raises(ValueError, match="shape"):
        x.map_blocks(lambda b: b[:, :1].T, dtype=float).compute()
    with pytest.raises(ValueError, match="dtype="):
        x.map_blocks(lambda b: b / undefined)  # noqa: F821


def test_blocks_are_as_long_as_promised(x):
    """Nothing is repeated to fill a block; first axes of length 1 may be missing, as Dask has it."""
    for wrong in (lambda b: b[:1], lambda b: b[:, :1], lambda b: b[0], lambda b: 1.0, lambda b: b[None], lambda b: b[:0]):
        with pytest.raises(ValueError, match=r"block \(\d, \d\): the function returned the shape \(.*\) where \(2, \d\) was expected"):
            x.map_blocks(wrong, dtype=float).compute()
    with pytest.raises(ValueError, match=r"block \(2,\): the function returned the shape \(1,\) where \(2,\) was expected"):
        ts.arange(6, chunks=2).map_blocks(lambda b: b[:1] if b[0] == 4 else b, dtype=int).compute()
    with pytest.raises(ValueError, match=r"returned the shape \(2, 1\) where \(2,\) was expected"):
        x.map_blocks(lambda b: b.sum(axis=1, keepdims=True), drop_axis=1).compute()
    same(x.map_blocks(lambda b: b[:1], chunks=((1, 1, 1), x.chunks[1])), VALUES[::2])
    sums = VALUES.reshape(3, 2, 8).sum(axis=1)
    sums = np.stack([sums[:, :3].sum(1), sums[:, 3:6].sum(1), sums[:, 6:].sum(1)], axis=1)
    for whole in (lambda b: b.sum(), lambda b: b.sum(keepdims=True), lambda b: b.sum(axis=1).sum(keepdims=True)):
        same(x.map_blocks(whole, dtype=float, chunks=(1, 1)), sums)
    with pytest.raises(ValueError, match="returned the shape"):
        ts.from_delayed(lambda: np.zeros(1), (3,), float).compute()
    with pytest.raises(ValueError, match="returned the shape"):
        ts.blockwise(lambda b: b[:1], "ij", x, "ij", dtype=float).compute()
    with pytest.raises(ValueError, match="returned the shape"):
        ts.apply_gufunc(lambda b: b[..., :1], "(i)->(i)", x, output_dtypes=float).compute()
    with pytest.raises(ValueError, match="returned the shape"):
        x.map_overlap(lambda b: b[:1], depth=1, boundary="reflect", dtype=float).compute()
    with pytest.raises(ValueError, match="returned the shape"):
        ts.reduction(x, lambda b, axis, keepdims: np.sum(b, axis=1, keepdims=True), np.sum, axis=0, dtype=float).compute()


def test_map_overlap(x):
    def blur(b):
        out = b.copy()
        out[1:-1, 1:-1] = (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:]) / 4
        return out

    for boundary, mode in (("reflect", "symmetric"), ("periodic", "wrap"), ("nearest", "edge"), (0.0, "constant")):
        padded = np.pad(VALUES, 1, mode=mode)
        same(ts.map_overlap(blur, x, depth=1, boundary=boundary), blur(padded)[1:-1, 1:-1])
    same(x.map_overlap(lambda b: b * 2, {0: 1}), VALUES * 2)
    same(ts.trim_overlap(ts.overlap(x, (1, 2), "periodic"), (1, 2), "periodic"), VALUES)


def test_blockwise_and_gufuncs(x):
    same(ts.blockwise(lambda a, b: a @ b, "ik", x, "ij", x.T, "jk", dtype=float), VALUES @ VALUES.T)
    same(ts.apply_gufunc(lambda a: a.mean(axis=-1), "(i)->()", x, output_dtypes=float), VALUES.mean(axis=1))
    same(ts.apply_gufunc(lambda a: a.mean(axis=-1), "(i)->()", x, axis=0, output_dtypes=float), VALUES.mean(axis=0))
    same(ts.apply_gufunc(lambda a, b: a @ b, "(i),(i)->()", x, np.arange(8.0), output_dtypes=float, vectorize=True), VALUES @ np.arange(8))
    same(ts.apply_along_axis(np.sort, 0, x[::-1]), VALUES)
    same(ts.fromfunction(lambda i, j: i * j, (3, 4), dtype=int), np.fromfunction(lambda i, j: i * j, (3, 4), dtype=int))


class Slices:
    """A thing with shape, dtype and slices that counts what is read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.chunks = values, values.shape, values.dtype, (2, 4)
        self.read, self.busy, self.most = 0, 0, 0

    def __getitem__(self, key):
        assert all(isinstance(k, slice) for k in key)
        part = self.values[key]
        self.read += part.size
        return part


def test_from_array_reads_slices_when_needed():
    source = Slices(VALUES)
    x = ts.from_array(source, chunks=(2, 4))
    assert source.read == 0 and x.chunks == ((2, 2, 2), (4, 4))
    same(x[1:3, 2:5] + 1, VALUES[1:3, 2:5] + 1)
    assert 0 < source.read <= 16 + 16
    same(x, VALUES)
    same(ts.from_array(Slices(VALUES.astype(">i4"))), VALUES.astype("i4"))


def test_chunks_that_were_asked_for_are_read_once():
    """A mean over many sources, each of one chunk, as xarray's open_mfdataset makes them: no tile reads a part of each again and again."""
    class Counted(Slices):
        def __init__(self, values):
            super().__init__(values)
            self.chunks, self.calls = None, 0

        def __getitem__(self, key):
            self.calls += 1
            return super().__getitem__(key)

    days = [Counted(np.full((1, 300, 700), float(day))) for day in range(20)]
    for chunks in ((1, 300, 700), (1, -1, -1), ((1,), (300,), (700,)), 700):
        for day in days:
            day.calls = 0
        x = ts.concatenate([ts.from_array(day, chunks=chunks) for day in days])
        assert (x.mean(axis=0).compute() == 9.5).all()
        assert [day.calls for day in days] == [1] * 20
    corner = Counted(np.zeros((4, 3000, 3000)))  # 288 MB in one chunk: parts are read for the sake of memory
    same(ts.from_array(corner, chunks=-1)[1, :2, :2], np.zeros((2, 2)))
    assert corner.read < 1_000_000


def test_errors_of_sources_arrive():
    class Broken(Slices):
        def __getitem__(self, key):
            raise OSError("the cable is out")

    with pytest.raises(OSError, match="cable"):
        ts.from_array(Broken(VALUES)).sum().compute()


def test_netcdf4_variables(tmp_path):
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        file.createDimension("y", 6)
        file.createDimension("x", 8)
        file.createVariable("v", "f8", ("y", "x"))[:] = VALUES
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        same(ts.from_array(file["v"], chunks=(3, 4)).mean(axis=0), VALUES.mean(axis=0))


def test_functions_are_let_go(x):
    from tessera import _base
    import gc

    before = len(_base.held)
    for _ in range(100):
        x.map_blocks(lambda b: b, dtype=float).compute()
    gc.collect()
    assert len(_base.held) <= before


def test_c_functions(tmp_path):
    cffi = pytest.importorskip("cffi")
    import subprocess

    (tmp_path / "f.c").write_text("""
        #include "tessera.h"
        tsr_status twice(void *context, int n, const tsr_block *in, const tsr_block *out)
        {
            int64_t size = 1;
            for (int d = 0; d < out->ndim; d++) size *= out->shape[d];
            for (int64_t i = 0; i < size; i++) ((double *)out->data)[i] = 2 * ((const double *)in->data)[i];
            return TSR_OK;
        }""")
    import pathlib

    include = pathlib.Path(__file__).resolve().parents[2] / "include"
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "-o", tmp_path / "f.so", tmp_path / "f.c"], check=True)
    ffi = cffi.FFI()
    ffi.cdef("int twice(void *, int, const void *, const void *);")
    library = ffi.dlopen(str(tmp_path / "f.so"))
    from tessera._tessera import ffi as ours

    function = ours.cast("tsr_block_function", int(ffi.cast("intptr_t", ffi.addressof(library, "twice"))))
    y = ts.from_array(VALUES, chunks=(2, 3))
    same(ts.map_blocks(function, y, dtype=float), VALUES * 2)


def test_c_source(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = """
        tsr_status plus(void *context, int n, const tsr_block *in, const tsr_block *out)
        {
            int64_t size = 1;
            for (int d = 0; d < out->ndim; d++) size *= out->shape[d];
            for (int64_t i = 0; i < size; i++) ((double *)out->data)[i] = ((const double *)in->data)[i] + 1;
            return size > 6 ? tsr_fail(TSR_ERR_VALUE, "too large") : TSR_OK;
        }"""
    plus = ts.c_function(source, "plus")
    x = ts.from_array(VALUES, chunks=(2, 3))
    same(ts.map_blocks(plus, x, dtype=float), VALUES + 1)
    with pytest.raises(ValueError, match="too large"):
        ts.map_blocks(plus, x.rechunk(-1), dtype=float).compute()
    with pytest.raises(ValueError, match="error"):
        ts.c_function("tsr_status plus(", "plus")
    (tmp_path / "f.c").write_text(source)
    same(ts.map_blocks(ts.c_function(file=tmp_path / "f.c", symbol="plus"), x, dtype=float), VALUES + 1)


def test_windows_and_coarsening(x):
    windows = ts.sliding_window_view(x, (2, 3))
    same(windows, np.lib.stride_tricks.sliding_window_view(VALUES, (2, 3)))
    same(np.lib.stride_tricks.sliding_window_view(x, 2, axis=0).mean(axis=-1), (VALUES[1:] + VALUES[:-1]) / 2)
    same(ts.coarsen(np.mean, x, {0: 2, 1: 4}), VALUES.reshape(3, 2, 2, 4).mean(axis=(1, 3)))
    with pytest.raises(ValueError):
        ts.coarsen(np.mean, x, {0: 4})
    same(ts.coarsen(np.mean, x, {0: 4}, trim_excess=True), VALUES[:4].mean(axis=0)[None])


def test_reductions_by_functions(x):
    same(ts.reduction(x, np.sum, np.sum, axis=0, dtype=float), VALUES.sum(axis=0))
    same(ts.reduction(x, lambda b, axis, keepdims: np.max(b, axis=axis, keepdims=keepdims), np.max, dtype=float, keepdims=True), VALUES.max(keepdims=True))


def test_numba_functions():
    pytest.importorskip("numba")

    @ts.numba_function("float64[:,:], float64[:,:]")
    def centred(x, out):
        for i in range(x.shape[0]):
            out[i] = x[i] - x[i].mean()

    values = np.random.default_rng(5).normal(size=(40, 30))
    y = ts.map_blocks(centred, ts.from_array(values, chunks=(7, 30)), dtype=float)
    np.testing.assert_allclose(y.compute(), values - values.mean(axis=1, keepdims=True), rtol=1e-12, atol=1e-14)
    del centred
    gc.collect()
    assert abs(y.sum().compute()) < 1e-9  # the compiled code lives as long as the array


def test_numba_functions_fail_clearly():
    pytest.importorskip("numba")
    add = ts.numba_function("uint8[:], int64[:], float64[:]")(_add)
    a, b = np.arange(10, dtype=np.uint8), np.arange(10) * 3
    np.testing.assert_array_equal(ts.map_blocks(add, ts.from_array(a, chunks=4), ts.from_array(b, chunks=4), dtype=float).compute(), a + 2.0 * b)
    with pytest.raises(TypeError, match="_add"):  # other types than were promised
        ts.map_blocks(add, ts.from_array(b, chunks=4), ts.from_array(b, chunks=4), dtype=float).compute()
    with pytest.raises(ValueError, match="_fails"):
        ts.map_blocks(ts.numba_function("int64[:], int64[:]", _fails), ts.from_array(b), dtype=int).compute()
    with pytest.raises(TypeError, match="arrays of one dimension"):
        ts.numba_function("float64, float64[:]", _add)


def _add(a, b, out):
    for i in range(out.shape[0]):
        out[i] = a[i] + 2.0 * b[i]


def _fails(x, out):
    if x.shape[0] > 0:
        raise ValueError("no")
    out[:] = x


def test_from_delayed_and_from_map():
    class Delayed:
        def compute(self):
            return np.arange(6.0).reshape(2, 3)

    x = ts.from_delayed(Delayed(), (2, 3), float)
    np.testing.assert_array_equal(ts.concatenate([x, ts.from_delayed(lambda: np.ones((1, 3)), (1, 3), meta=np.empty((0, 0)))]).compute(),
                                  [[0, 1, 2], [3, 4, 5], [1, 1, 1]])
    called = []

    def load(name, scale, offset=0):
        called.append(name)
        return np.full((2, 3), scale * 10 + offset)

    y = ts.from_map(load, "abc", [1, 2, 3], shape=(2, 3), dtype=int, axis=1, offset=5)
    assert y.shape == (2, 9) and y.chunks == ((2,), (3, 3, 3)) and not called
    np.testing.assert_array_equal(y[0, ::3].compute(), [15, 25, 35])
    called.clear()
    assert y[:, 4].sum().compute() == 50 and called == ["b"]
    with pytest.raises(ValueError, match="shape"):
        ts.from_map(load, "ab", [1, 2], shape=(2, 4), dtype=int).compute()
    with pytest.raises(ValueError):
        ts.from_map(load, "ab", [1], shape=(2, 3), dtype=int)


def test_gufuncs_with_several_outputs():
    calls = []

    def both(a, b):
        calls.append(a.shape)
        return (a * b).sum(axis=-1), np.argmax(a, axis=-1).astype("i4"), a[..., :2] > 0

    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(6, 5, 4)), rng.normal(size=4)
    lazy = ts.from_array(a, chunks=(2, 5, 3))
    out = ts.apply_gufunc(both, "(i),(i)->(),(),(j)", lazy, b, output_dtypes=[float, "i4", bool], output_sizes={"j": 2})
    assert [o.shape for o in out] == [(6, 5), (6, 5), (6, 5, 2)] and [str(o.dtype) for o in out] == ["float64", "int32", "bool"]
    got = ts.compute(*out)
    calls_made = len(calls)
    for one, want in zip(got, both(a, b)):
        np.testing.assert_array_equal(one, want)
    assert calls_made == 3  # once for each block
    with pytest.raises(ValueError, match="dtype for each"):
        ts.apply_gufunc(both, "(i),(i)->(),()", lazy, b, output_dtypes=float)
    two = ts.apply_gufunc(both, "(i),(i)->(),()", lazy, b, output_dtypes=[float, float])
    with pytest.raises(ValueError, match="3 results, the signature 2"):
        two[0].compute()
    least, most = ts.apply_gufunc(lambda x: (x.min(), x.max()), "(i)->(),()", ts.arange(5), output_dtypes=[int, float])
    assert (int(least), float(most)) == (0, 4.0) and least.shape == ()


# ---- Core dimensions elsewhere -------------------------------------------------------------------------------------------------


def _minmax(x):
    return x.min(axis=-1), x.max(axis=-1)


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": -2}, {"axes": [1]}, {"axes": [(1,)]}, {"axes": [0, ()]}, {"keepdims": True}, {"axis": 1, "keepdims": True},
                                     {"axes": [0], "keepdims": True}, {"axes": [0, 2], "keepdims": True}, {"axes": [(2,), (0,)], "keepdims": True}], ids=str)
def test_gufunc_axes_of_a_reduction(options):
    x = np.random.default_rng(1).normal(size=(4, 3, 5))
    want = np.vecdot(x, np.ones_like(x), **{**options, **({"axes": [options["axes"][0], options["axes"][0], *options["axes"][1:]]} if "axes" in options else {})})
    lazy = ts.from_array(x, chunks=2)
    got = ts.apply_gufunc(lambda a: a.sum(axis=-1), "(i)->()", lazy, output_dtypes=float, **options)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.compute(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axes", [[(-2, -1), (-2, -1), (-2, -1)], [(0, 1), (0, 1), (0, 1)], [(1, 0), (0, 2), (2, 0)], [(2, 1), (1, 0), (-1, 0)]], ids=str)
def test_gufunc_axes_of_matrices(axes):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 2, 2)), rng.normal(size=(2, 2, 2))
    want = np.matmul(a, b, axes=axes)
    for got in (ts.apply_gufunc(np.matmul, "(i,j),(j,k)->(i,k)", ts.from_array(a, chunks=1), b, axes=axes, output_dtypes=float), ts.matmul(a, b, axes=axes),
                np.matmul(ts.from_array(a, chunks=1), b, axes=axes)):
        assert isinstance(got, ts.Array) and got.shape == want.shape
        np.testing.assert_allclose(got.compute(), want, rtol=1e-12)


def test_axes_of_products():
    rng = np.random.default_rng(3)
    a, m, v = rng.normal(size=(4, 3, 5)), rng.normal(size=(3, 4, 5)), rng.normal(size=(4, 5))
    cases = [("vecdot", (a, a), {"axis": 0}), ("vecdot", (a, a), {"axis": 1, "keepdims": True}), ("vecdot", (a, a), {"axes": [0, 0, ()]}),
             ("vecdot", (a, a), {"axes": [0, 0, 1], "keepdims": True}), ("matmul", (v, v), {"axes": [(0, 1), (1, 0), (1, 0)]}), ("matmul", (m, v[:, 0]), {"axes": [(0, 1), (0,), (0,)]}),
             ("matmul", (v[0], m), {"axes": [(0,), (2, 0), (-1,)]}), ("vecdot", (a * 1j, a), {"axis": -2})]
    if hasattr(np, "matvec"):
        cases += [("matvec", (m, v[:, 0]), {"axes": [(0, 1), (0,), (1,)]}), ("vecmat", (v[0], m), {"axes": [(0,), (2, 0), (1,)]})]
    for name, arguments, options in cases:
        want = getattr(np, name)(*arguments, **options)
        for module in (ts, np):
            got = getattr(module, name)(*(ts.from_array(x, chunks=2) for x in arguments), **options)
            assert isinstance(got, ts.Array) and got.shape == want.shape, (name, options)
            np.testing.assert_allclose(got.compute(), want, rtol=1e-12)


@pytest.mark.parametrize("name, arguments, options", [
    ("vecdot", 2, {"axis": 0, "axes": [0, 0]}), ("vecdot", 2, {"axis": 3}), ("vecdot", 2, {"axes": [0]}), ("vecdot", 2, {"axes": (0, 0)}), ("vecdot", 2, {"axes": [(0, 1), (0,)]}),
    ("matmul", 2, {"axes": [0, (0, 1), (0, 1)]}), ("matmul", 2, {"axes": [(0, 1), (0, 1)]}), ("matmul", 2, {"axes": [(0, 0), (0, 1), (0, 1)]}), ("matmul", 2, {"axes": [(0, 7), (0, 1), (0, 1)]})], ids=str)
def test_axes_that_cannot_be(name, arguments, options):
    x = np.ones((3, 3, 3))
    with pytest.raises(Exception) as theirs:
        getattr(np, name)(*[x] * arguments, **options)
    with pytest.raises(type(theirs.value)):
        getattr(ts, name)(*[ts.from_array(x)] * arguments, **options)


def test_gufuncs():
    spread = ts.gufunc(_minmax, signature="(i)->(),()", output_dtypes=[int, int])
    low, high = spread(ts.arange(6, chunks=4).reshape(2, 3), axis=0, keepdims=True)
    assert low.compute().tolist() == [[0, 1, 2]] and high.compute().tolist() == [[3, 4, 5]]
    with pytest.raises(TypeError, match="single shared core dimension"):
        ts.apply_gufunc(np.matmul, "(i,j),(j,k)->(i,k)", np.ones((2, 2)), np.ones((2, 2)), axis=0, output_dtypes=float)
    with pytest.raises(TypeError, match="keepdims"):
        ts.apply_gufunc(np.matmul, "(i,j),(j,k)->(i,k)", np.ones((2, 2)), np.ones((2, 2)), keepdims=True, output_dtypes=float)
    with pytest.raises(ValueError):
        ts.gufunc(_minmax)


def test_mistakes_have_the_errors_of_numpy():
    x = ts.from_array(np.arange(12.0).reshape(3, 4), chunks=2)
    with pytest.raises(np.exceptions.AxisError, match="axis 9 is out of bounds for array of dimension 2"):
        ts.apply_along_axis(lambda v: v, 9, x)
    with pytest.raises(ValueError, match="no input has the dimension 'j'.*output_sizes"):
        ts.apply_gufunc(lambda a: a, "(i)->(j)", x, output_dtypes=float)
    with pytest.raises(TypeError, match=r"sin\(\) takes from 1 to 2 positional arguments but 3 were given"):
        ts.sin(x, x, x)
    with pytest.raises(TypeError, match="both a positional and keyword"):
        ts.sin(x, x, out=x)
    with pytest.raises(ValueError, match="invalid entry in choice array"):
        ts.choose([5], [x[0]]).compute()
    assert ts.choose([0, 0], [7]).compute().tolist() == [7, 7]
