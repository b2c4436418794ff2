"""Block functions against NumPy: what each block sees, common borders, axes that come and go, errors, identities, memory, threads;
arrays read through callbacks."""
import ctypes as ct
import sys
import threading

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from blocks import *  # noqa: E402, F403
from blocks import I, P, numbers  # noqa: E402

rng = np.random.default_rng(17)


@pytest.fixture(scope="module", params=[1, 2, 16])
def s(lib, request):
    lib.tsr_fail.restype = I
    session = tsr.Session(lib, threads=request.param)
    yield session
    session.close()


def equal(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape, (got.dtype, got.shape, want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)


# ---- map_blocks ---------------------------------------------------------------------------------------------------------------

SHAPES = [((), ()), ((1,), (1,)), ((7,), (3,)), ((0,), (5,)), ((13, 17), (5, 4)), ((13, 17), (13, 1)), ((4, 0, 3), (2, 1, 2)), ((5, 6, 7, 2), (2, 3, 4, 1)), ((40, 50), (7, 50))]


@pytest.mark.parametrize("shape,chunks", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "float64", "complex64", "bool"])
def test_map_blocks_sees_each_block_once(s, shape, chunks, dtype):
    x = (rng.random(shape) * 100).astype(dtype)
    seen, lock = [], threading.Lock()

    def f(blocks, a):
        inside, outside = blocks
        assert inside.tuple("start") == outside.tuple("start") and inside.tuple("index") == outside.tuple("index")
        assert outside.tuple("array_shape") == inside.tuple("array_shape") == shape
        at = tuple(slice(b, b + n) for b, n in zip(outside.tuple("start"), outside.tuple("shape")))
        np.testing.assert_array_equal(x[at], a)
        with lock:
            seen.append(outside.tuple("index"))
        return a

    y = map_blocks(s, function(s, f, with_block=True), [s.array(x, chunks)], dtype)
    equal(s.compute(y), x)
    n = [len(c) for c in chunk_sizes(s, y)]
    assert len(seen) == len(set(seen)) == (0 if 0 in shape else int(np.prod(n)))
    assert chunk_sizes(s, y) == chunk_sizes(s, s.array(x, chunks))


def test_inputs_are_computed_by_one_program_each_and_the_result_is_an_array(s):
    x, y = rng.normal(size=(30, 40)), rng.normal(size=(40,))
    a, b = s.array(x, (7, 11)), s.array(y, (6,))
    f = function(s, lambda p, q: p * 2 + q)
    z = map_blocks(s, f, [s.slice(s.map("sqrt", s.map("square", a)), slice(None, None, -1)), s.map("negative", b)], "float64")
    want = np.abs(x)[::-1] * 2 - y
    np.testing.assert_allclose(s.compute(z), want, rtol=1e-15)
    np.testing.assert_allclose(s.compute(s.map("add", s.slice(z, slice(3, 25, 4), slice(None, None, -3)), s.slice(a, slice(3, 25, 4), slice(None, None, -3)))),
                               (want + x)[3:25:4, ::-3], rtol=1e-14)
    np.testing.assert_allclose(s.compute(s.reduce("sum", z, (0,))), want.sum(0), rtol=1e-12)


def test_common_borders_and_broadcasting(s):
    x, y, w = rng.normal(size=(10, 12)), rng.normal(size=(12,)), rng.normal(size=(10, 1))
    shapes = set()

    def f(a, b, c):
        shapes.add((a.shape, b.shape, c.shape))
        return a + b * c

    z = map_blocks(s, function(s, f), [s.array(x, (4, 5)), s.array(y, (8,)), s.array(w, (5, 1))], "float64")
    equal(s.compute(z), x + y * w)
    assert chunk_sizes(s, z) == ((4, 1, 3, 2), (5, 3, 2, 2))
    assert ((4, 5), (5,), (4, 1)) in shapes
    with pytest.raises(tsr.Error, match="map_blocks: axis 0 of input 1 has length 5, where others have 12"):
        map_blocks(s, function(s, f), [s.array(x), s.array(y[:5])], "float64")


def test_axes_come_and_go(s):
    x = rng.normal(size=(9, 8))
    a = s.array(x, (4, 3))
    equal(s.compute(map_blocks(s, function(s, lambda b: b.sum(1)), [a], "float64", drop=[1])), np.concatenate([x[i : i + 4].sum(1) for i in (0, 4, 8)]))
    equal(s.compute(map_blocks(s, function(s, lambda b: b[:, None, :] + np.zeros((1, 2, 1))), [a], "float64", new=[1], chunks=[None, 2, None])),
          np.stack([x, x], 1))
    equal(s.compute(map_blocks(s, function(s, lambda b: b[None]), [a], "float64", new=[0])), x[None])
    equal(s.compute(map_blocks(s, function(s, lambda b: b.max(keepdims=True)), [a], "float64", chunks=[1, 1])),
          np.array([[x[i : i + 4, j : j + 3].max() for j in (0, 3, 6)] for i in (0, 4, 8)]))
    equal(s.compute(map_blocks(s, function(s, lambda b: np.repeat(b, 2, 0)), [a], "float64", chunks=[(8, 8, 2), None])), np.repeat(x, 2, 0))
    equal(s.compute(map_blocks(s, function(s, lambda b: b.sum(keepdims=True)[0]), [a], "float64", drop=[-2], chunks=[1])),
          np.array([x[:, j : j + 3].sum(keepdims=True)[0][0] for j in (0, 3, 6)]))
    for mistake, text in [(dict(chunks=[(8, 8), None]), "axis 0 has 3 blocks, 2 lengths of chunks are given"), (dict(drop=[2]), "axis 2 is out of range"),
                          (dict(new=[3]), "the new axis 3 is out of range"), (dict(new=[0, 0]), "given twice"), (dict(chunks=[(3, 0, 3), None]), "a chunk of length 0")]:
        with pytest.raises(tsr.Error, match=text):
            map_blocks(s, function(s, lambda b: b), [a], "float64", **mistake)


# ---- blockwise and from_blocks ---------------------------------------------------------------------------------------------------


def test_blockwise(s):
    x, y = rng.integers(-9, 9, (9, 8)).astype(float), rng.integers(-9, 9, (8, 5)).astype(float)
    a, b = s.array(x, (4, 3)), s.array(y, (2, 2))
    equal(s.compute(blockwise(s, function(s, lambda p, q: np.einsum("ik,kj->ij", p, q)), "ij", "float64", (a, "ik"), (b, "kj"))),
          np.block([[np.einsum("ik,kj->ij", x[i : i + 4], y[:, j : j + 2]) for j in (0, 2, 4)] for i in (0, 4, 8)]))
    equal(s.compute(blockwise(s, function(s, np.transpose), "ji", "float64", (a, "ij"))), x.T)
    v, w = rng.normal(size=7), rng.normal(size=6)
    equal(s.compute(blockwise(s, function(s, np.outer), "ij", "float64", (s.array(v, (3,)), "i"), (s.array(w, (4,)), "j"))), np.outer(v, w))
    joined = blockwise(s, function(s, lambda p, q: np.concatenate([p, q])), "i", "float64", (s.array(v, (3,)), "i"), (s.array(w, (2,)), "i"), chunks=[(5, 5, 3)], keep=True)
    equal(s.compute(joined), np.concatenate([v[:3], w[:2], v[3:6], w[2:4], v[6:], w[4:]]))
    with pytest.raises(tsr.Error, match="one input has 3 chunks, another 2"):
        blockwise(s, function(s, np.add), "i", "float64", (s.array(v, (3,)), "i"), (s.array(w, (3,)), "i"), keep=True)
    with pytest.raises(tsr.Error, match="no input runs along axis 1 of the result: give the lengths"):
        blockwise(s, function(s, np.outer), "iz", "float64", (a, "ij"))
    with pytest.raises(tsr.Error, match="the result has label 105 twice"):
        blockwise(s, function(s, np.outer), "ii", "float64", (a, "ij"))


def test_from_blocks(s):
    def f(blocks):
        (out,) = blocks
        i, j = np.meshgrid(*[np.arange(b, b + n) for b, n in zip(out.tuple("start"), out.tuple("shape"))], indexing="ij")
        return i * 100 + j

    a = from_blocks(s, function(s, f, with_block=True), "int64", [(3, 4), (5, 1, 2)])
    want = np.arange(7)[:, None] * 100 + np.arange(8)
    equal(s.compute(a), want)
    equal(s.compute(s.slice(a, slice(None, None, -2), 6)), want[::-2, 6])
    equal(s.compute(from_blocks(s, function(s, lambda: np.array(7.5)), "float64", [])), np.array(7.5))
    assert s.compute(from_blocks(s, function(s, lambda: np.array(7.5)), "float64", [(0,)])).shape == (0,)
    with pytest.raises(tsr.Error, match="no arrays given; from_blocks"):
        map_blocks(s, function(s, f), [], "int64")


# ---- Failure, identity, lifetime ------------------------------------------------------------------------------------------------


def test_a_failure_names_function_block_and_reason(s):
    def f(blocks, a):
        if blocks[1].tuple("index") == (2, 1):
            raise KeyError("no such star")
        return a

    z = map_blocks(s, function(s, f, name="find_stars", with_block=True), [s.array(np.zeros((12, 8)), (5, 4))], "float64")
    with pytest.raises(tsr.Error, match=r"^find_stars: block \(2, 1\), elements \[10:12, 4:8\]: KeyError: 'no such star'$"):
        s.compute(z)
    equal(s.compute(s.slice(z, slice(0, 10))), np.zeros((10, 8)))
    silent = Function(CALL(lambda *a: 77), None, RELEASE(0), None, None, 0, False)
    with pytest.raises(tsr.Error, match=r"^block function: block \(0,\), elements \[0:3\]: the function failed without giving a reason$"):
        s.compute(map_blocks(s, silent, [s.array(np.zeros(3))], "float64"))


def test_identity_and_release(s):
    x = s.array(np.arange(20.0), (6,))
    calls, gone = [], []
    f = function(s, lambda a: calls.append(1) or a + 1, identity=b"plus one", released=lambda c: gone.append(1))
    y, z = map_blocks(s, f, [x], "float64"), map_blocks(s, f, [x], "float64")
    assert y == z and gone == [1]  # the same array: the second context is not needed
    both = s.map("add", y, z)
    s.compute(both)
    s.lib.tsr_release(P(both))
    assert len(calls) == 4
    own = function(s, lambda a: a + 1, released=lambda c: gone.append(2))
    p, q = map_blocks(s, own, [x], "float64"), map_blocks(s, own, [x], "float64")
    assert p != q
    w = s.map("sqrt", p)
    s.lib.tsr_release(P(p))
    assert gone == [1]
    s.lib.tsr_release(P(w))
    assert gone == [1, 2]
    s.lib.tsr_release(P(q))
    s.lib.tsr_release(P(y))
    s.lib.tsr_release(P(z))
    assert gone == [1, 2, 2, 1]
    with pytest.raises(tsr.Error):
        map_blocks(s, own, [x], "float64", drop=[9])
    assert gone == [1, 2, 2, 1]


def test_serial_functions_run_alone(lib):
    lib.tsr_fail.restype = I
    s = tsr.Session(lib, threads=8)
    inside, most = [0], [0]

    def f(a):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.002)
        inside[0] -= 1
        return a

    x = s.array(np.arange(64.0), (2,))
    for serial in (True, False):
        most[0] = 0
        s.compute(map_blocks(s, function(s, f, serial=serial), [x], "float64"))
        assert (most[0] == 1) == serial, most
    s.close()


def test_cancelled_from_another_thread(lib):
    lib.tsr_fail.restype = I
    s = tsr.Session(lib, threads=2)
    begun, calls = threading.Event(), []

    def f(a):
        calls.append(1)
        begun.set()
        threading.Event().wait(0.01)
        return a

    z = map_blocks(s, function(s, f), [s.array(np.zeros(2000), (1,))], "float64")
    threading.Thread(target=lambda: begun.wait() and lib.tsr_cancel(P(s.s))).start()
    with pytest.raises(tsr.Error, match="^cancelled$"):
        s.compute(z)
    assert 0 < len(calls) < 200
    s.close()


def test_small_budget_spills_and_gives_the_same_bits(lib, tmp_path):
    lib.tsr_fail.restype = I
    x = rng.normal(size=(2000, 1000))
    results = []
    for threads, memory in [(1, 0), (2, 12 << 20), (16, 40 << 20)]:
        s = tsr.Session(lib, threads=threads, memory=memory, scratch=str(tmp_path).encode())
        y = map_blocks(s, function(s, lambda a: np.sin(a) * 3), [s.array(x, (100, 500))], "float64")
        kept = s.persist(map_blocks(s, function(s, lambda a: a[::-1] + 1), [y], "float64"))
        z = s.map("multiply", kept, s.reduce("mean", kept, (0,)))
        results.append(s.compute(s.reduce("sum", z, (1,))))
        if memory:
            assert s.stats().peak_bytes <= memory * 1.25  # buffers come in classes of sizes
        s.close()
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_a_block_beyond_the_budget_is_refused(lib, tmp_path):
    lib.tsr_fail.restype = I
    s = tsr.Session(lib, threads=2, memory=4 << 20, scratch=str(tmp_path).encode())
    with pytest.raises(tsr.Error, match="budget"):
        s.compute(s.reduce("sum", map_blocks(s, function(s, lambda a: a), [s.map("sqrt", s.array(np.zeros((1000, 1000)), (1000, 1000)))], "float64")))
    s.close()


def test_explain_and_visualize(s):
    x = s.array(np.zeros((20, 30)), (10, 10))
    z = s.reduce("sum", map_blocks(s, function(s, lambda a: a, name="denoise"), [s.map("sqrt", x)], "float64"), (0,))
    text = s.explain(z)
    assert "stage 0: call over (20, 30), tiles (10, 10), 6 tasks" in text and "denoise of 1 input" in text and "program: load #0 float64, sqrt" in text, text
    s.lib.tsr_visualize.restype = P
    for what in (b"expression", b"plan"):
        drawing = s.check(s.lib.tsr_visualize(I(1), (P * 1)(z), what, b"svg"))
        assert b"denoise" in ct.string_at(drawing)
        s.lib.tsr_free(P(drawing))


# ---- Sources -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape,chunks", SHAPES)
@pytest.mark.parametrize("natural", [False, True])
def test_source(s, shape, chunks, natural):
    x = (rng.random(shape) * 100).astype("int32")
    a = source(s, x, chunk=chunks if natural else None, chunks=chunks)
    equal(s.compute(a), x)
    if shape and 0 not in shape:
        equal(s.compute(s.slice(a, slice(None, None, -2))), x[::-2])
        equal(s.compute(s.map("add", s.slice(a, Ellipsis, slice(1, None, 3)), s.slice(a, Ellipsis, slice(1, None, 3)))), x[..., 1::3] * 2)


def test_a_source_reads_only_what_is_asked_for(s):
    x, log = rng.normal(size=(1000, 1000)), []
    a = source(s, x, chunks=(100, 100), log=log, serial=True)
    equal(s.compute(s.slice(a, slice(950, 960), slice(3, 7))), x[950:960, 3:7])
    assert log == [((950, 10), (3, 4))]
    assert s.stats().bytes_read == 10 * 4 * 8
    log.clear()
    equal(s.compute(s.reduce("max", a)), np.array(x.max()))
    assert sum(r[0][1] * r[1][1] for r in log) == x.size


def test_source_failure_release_and_explain(s):
    gone = []
    a = source(s, np.zeros((4, 4)), name="h5:/group/values", fail="the disk is gone", released=lambda c: gone.append(1))
    with pytest.raises(tsr.Error, match="^h5:/group/values: the disk is gone$"):
        s.compute(a)
    assert "source h5:/group/values (4, 4) float64" in s.explain(a)
    s.lib.tsr_release(P(a))
    assert gone == [1]


# ---- Overlap -------------------------------------------------------------------------------------------------------------------

MODES = {"periodic": "wrap", "reflect": "symmetric", "nearest": "edge", "constant": "constant"}


def overlap(*axes):
    """axes: (before, after, boundary) with the value of a constant boundary as fourth."""
    made = []
    for before, after, boundary, *value in axes:
        v = value[0] if value else 0
        made.append(Overlap(before, after, boundary and boundary.encode(), tsr.Scalar(tsr.CODES[np.dtype("float64")], int(v), 0, float(v), 0.0)))
    return (Overlap * max(len(made), 1))(*made)


def map_overlap(s, f, arrays, overlaps, dtype):
    pointers = (ct.POINTER(Overlap) * len(arrays))(*[ct.cast(o, ct.POINTER(Overlap)) if o else None for o in overlaps])
    return s.call("tsr_map_overlap", ct.byref(f), I(len(arrays)), (P * len(arrays))(*arrays), pointers, code(dtype))


def window_sum(a, before, after, axis):
    """The sum over a[i - before .. i + after]; where that is not all there, over what is there."""
    a, out = np.moveaxis(a, axis, 0), []
    for i in range(a.shape[0]):
        out.append(a[max(i - before, 0) : i + after + 1].sum(0))
    return np.moveaxis(np.array(out).reshape(a.shape), 0, axis)


@pytest.mark.parametrize("boundary", [None, "none", *MODES])
@pytest.mark.parametrize("shape,chunks", [((17,), (5,)), ((17,), (1,)), ((1,), (1,)), ((12, 15), (5, 4)), ((6, 7, 5), (2, 7, 3))])
@pytest.mark.parametrize("depth", [(1, 1), (2, 0), (0, 3), (0, 0), (3, 2)])
def test_map_overlap(s, shape, chunks, depth, boundary):
    x = rng.integers(0, 1000, shape)
    before, after = depth
    axes = [(before, after, boundary, 7)] * len(shape)
    want = x
    if boundary in MODES:
        for d in range(len(shape)):
            widths = [(before, after) if e == d else (0, 0) for e in range(len(shape))]
            want = np.pad(want, widths, MODES[boundary], **({"constant_values": 7} if boundary == "constant" else {}))
    for d in range(len(shape)):
        want = window_sum(want, before, after, d)
    if boundary in MODES:
        want = want[tuple(slice(before, before + n) for n in shape)]

    def f(a):
        for d in range(a.ndim):
            a = window_sum(a, before, after, d)
        return a

    a = s.array(x, chunks)
    z = map_overlap(s, function(s, f), [a], [overlap(*axes)], "int64")
    equal(s.compute(z), want)
    assert chunk_sizes(s, z) == chunk_sizes(s, a)


def test_overlap_of_several_arrays_and_what_the_function_sees(s):
    x, y = rng.normal(size=(9, 8)), rng.normal(size=8)
    seen = {}

    def f(blocks, a, b):
        seen[blocks[-1].tuple("index")] = [(k.tuple("start"), k.tuple("shape"), k.tuple("array_shape")) for k in blocks]
        return a + b[1:-1]

    z = map_overlap(s, function(s, f, with_block=True), [s.array(x, (4, 3)), s.array(y, (8,))], [overlap((1, 2, "none"), (0, 0, None)), overlap((1, 1, "periodic"))], "float64")
    np.testing.assert_array_equal(s.compute(z), x + y)
    assert seen[0, 0] == [((0, 0), (6, 3), (9, 8)), ((-1,), (5,), (8,)), ((0, 0), (6, 3), (9, 8))]
    assert seen[1, 1] == [((3, 3), (6, 3), (9, 8)), ((2,), (5,), (8,)), ((3, 3), (6, 3), (9, 8))]
    assert seen[2, 2] == [((7, 6), (2, 2), (9, 8)), ((5,), (4,), (8,)), ((7, 6), (2, 2), (9, 8))]
    for bad, text in [((-1, 0, None), "the depth -1 of axis 0 is negative"), ((1, 1, "mirror"), "unknown boundary 'mirror'; the boundaries are none, periodic")]:
        with pytest.raises(tsr.Error, match=text):
            map_overlap(s, function(s, f), [s.array(y)], [overlap(bad)], "float64")


@pytest.mark.parametrize("boundary", [None, *MODES])
def test_overlapped_and_trimmed(s, boundary):
    x = rng.normal(size=(11, 9))
    a = s.array(x, (4, 3))
    axes = overlap((2, 1, boundary), (0, 2, boundary))
    wide = s.call("tsr_overlapped", a, axes)
    first = (6 + 1, 7 + 0, 5 + 0) if boundary is None else (7, 7, 6)
    assert chunk_sizes(s, wide) == ((5, 7, 5), (5, 5, 3)) if boundary is None else chunk_sizes(s, wide) == (first, (5, 5, 5))
    padded = np.pad(x, ((2, 1), (0, 2)), MODES[boundary]) if boundary else x
    rows = [(0, 5), (2, 9), (6, 11)] if boundary is None else [(0, 7), (4, 11), (8, 14)]
    columns = [(0, 5), (3, 8), (6, 9)] if boundary is None else [(0, 5), (3, 8), (6, 11)]
    equal(s.compute(wide), np.block([[padded[r0:r1, c0:c1] for c0, c1 in columns] for r0, r1 in rows]))
    back = s.call("tsr_trim_overlap", wide, axes)
    equal(s.compute(back), x)
    assert chunk_sizes(s, back) == chunk_sizes(s, a)
    with pytest.raises(tsr.Error, match="nothing is left of chunk"):
        s.call("tsr_trim_overlap", a, overlap((2, 2, "nearest"), (0, 0, None)))


def test_a_corner_of_forty_thousand_blocks_runs_one(s):
    import time

    calls = []
    x = s.call("tsr_ones", s.s, code("float64"), I(2), numbers((20000, 20000)), numbers((100, 100)))
    f = function(s, lambda a: calls.append(a.shape) or a * 2)
    best = 1.0
    for _ in range(5):
        calls.clear()
        t = time.process_time()  # a busy machine does not count
        z = s.slice(map_overlap(s, f, [x], [overlap((1, 1, "reflect"), (1, 1, "periodic"))], "float64"), slice(0, 10), slice(0, 10))
        equal(s.compute(z), np.full((10, 10), 2.0))
        best = min(best, time.process_time() - t)
        assert calls == [(102, 102)]
    assert best < 0.02, best


# ---- Windows and coarsening -------------------------------------------------------------------------------------------------------


def windows(s, a, n, step, axis):
    return s.call("tsr_sliding_window", a, L(n), L(step), I(axis))


@pytest.mark.parametrize("shape,chunks", [((17,), (5,)), ((12, 15), (5, 4)), ((6, 7, 5), (2, 7, 3))])
@pytest.mark.parametrize("n,step", [(1, 1), (3, 1), (5, 1), (2, 2), (3, 2), (2, 5)])
def test_sliding_window(s, shape, chunks, n, step):
    x = rng.normal(size=shape)
    for axis in range(-1, len(shape) - 1):
        w = windows(s, s.array(x, chunks), n, step, axis)
        view = np.lib.stride_tricks.sliding_window_view(x, n, axis)
        want = view[tuple(slice(None, None, step) if d == axis % len(shape) else slice(None) for d in range(x.ndim))]
        equal(s.compute(w), want)
        equal(s.compute(s.slice(w, slice(None, None, -2), Ellipsis, slice(None, None, -1))), want[::-2, ..., ::-1])
        np.testing.assert_allclose(s.compute(s.reduce("sum", w, (-1,))), want.sum(-1), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(s.compute(s.reduce("max", s.map("sqrt", s.map("square", w)), (0,))), np.abs(want).max(0), rtol=1e-15)
        twice = windows(s, s.map("negative", s.call("tsr_cumsum", w, I(0))), 2, 1, -1) if n > 1 else None
        if twice:
            np.testing.assert_allclose(s.compute(twice), np.lib.stride_tricks.sliding_window_view(-want.cumsum(0), 2, -1), rtol=1e-12)


def test_windows_of_files_and_of_nothing(s):
    x = rng.normal(size=(30, 40))
    a = source(s, x, chunk=(7, 9), chunks=(7, 9))
    w = windows(s, windows(s, s.map("add", a, a), 4, 1, 0), 3, 1, 1)
    want = np.lib.stride_tricks.sliding_window_view(x + x, (4, 3))
    equal(s.compute(w), want)
    np.testing.assert_allclose(s.compute(s.reduce("mean", w, (2, 3))), want.mean((2, 3)), rtol=1e-13, atol=1e-15)
    f = function(s, lambda b: b.max((-2, -1)))
    equal(s.compute(map_blocks(s, f, [w], "float64", drop=[2, 3])), want.max((2, 3)))
    for bad in [(0, 1), (31, 1), (3, 0)]:
        with pytest.raises(tsr.Error, match="sliding_window: windows of"):
            windows(s, a, *bad, 0)
    empty = s.array(np.zeros((5, 0)))
    assert s.compute(windows(s, empty, 2, 1, 0)).shape == (4, 0, 2)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "any", "median", "nanmean", "count_nonzero"])
def test_coarsen(s, name):
    x = rng.integers(-5, 5, (13, 12, 4)).astype(float)
    got = s.call("tsr_coarsen", s.array(x, (5, 4, 4)), name.encode(), numbers((3, 4, 1)), B(True))
    want = getattr(np, name)(x[:12].reshape(4, 3, 3, 4, 4), axis=(1, 3))
    np.testing.assert_allclose(s.compute(got), want, rtol=1e-14)
    assert s.dtype(got) == want.dtype
    with pytest.raises(tsr.Error, match="axis 0 of length 13 is no multiple of 3; trim the excess"):
        s.call("tsr_coarsen", s.array(x), name.encode(), numbers((3, 4, 1)), B(False))
    with pytest.raises(tsr.Error, match="no reduction 'middle'"):
        s.call("tsr_coarsen", s.array(x), b"middle", numbers((3, 4, 1)), B(True))


# ---- Reductions -------------------------------------------------------------------------------------------------------------------


def reduction(s, a, chunk, combine, aggregate, state, dtype, axes=None, keepdims=False, split_every=0):
    made = ReductionFunctions(ct.pointer(chunk), ct.pointer(combine) if combine else None, ct.pointer(aggregate), code(state).value, code(dtype).value, split_every)
    return s.call("tsr_reduction", a, ct.byref(made), I(len(axes or ())), numbers(axes, I) if axes is not None else None, B(keepdims))


@pytest.mark.parametrize("shape,chunks", [((40,), (3,)), ((20, 15), (2, 4)), ((5, 6, 7), (1, 2, 3)), ((6, 1), (6, 1))])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("split_every", [0, 2, 3])
def test_reduction(s, shape, chunks, keepdims, split_every):
    x = rng.integers(0, 1000, shape)
    for axes in [None, (0,), (-1,)]:
        where = tuple(range(len(shape))) if axes is None else axes
        calls = {"combine": 0, "most": 0}

        def combine(p):
            calls["combine"] += 1
            calls["most"] = max(calls["most"], *p.shape)
            return p.max(where, keepdims=True)

        got = reduction(s, s.array(x, chunks), function(s, lambda b: b.max(where, keepdims=True).astype("int32")), function(s, combine),
                        function(s, lambda p: p.max(where, keepdims=keepdims) * 0.5), "int32", "float64", axes, keepdims, split_every)
        equal(s.compute(got), x.max(where, keepdims=keepdims) * 0.5)
        longest = max(-(-shape[d] // chunks[d]) for d in where)
        assert (calls["combine"] > 0) == (longest > (split_every or 8))


def test_reduction_without_combine_and_released(s):
    gone = []
    x = rng.integers(0, 9, 100)
    chunk = function(s, lambda b: b.sum(keepdims=True), released=lambda c: gone.append("chunk"))
    aggregate = function(s, lambda p: p.sum(keepdims=True), released=lambda c: gone.append("aggregate"))
    r = reduction(s, s.array(x, (3,)), chunk, None, aggregate, "int64", "int64", keepdims=True, split_every=2)
    equal(s.compute(r), x.sum(keepdims=True))
    assert not gone
    s.lib.tsr_release(P(r))
    assert sorted(gone) == ["aggregate", "chunk"]
    with pytest.raises(tsr.Error, match="without combine, aggregate must give int64, the dtype of the state, not float64"):
        reduction(s, s.array(x), chunk, None, aggregate, "int64", "float64")
    with pytest.raises(tsr.Error, match="split_every is 1"):
        reduction(s, s.array(x), chunk, None, aggregate, "int64", "int64", split_every=1)
    assert len(gone) == 2


def test_persisted_arrays_keep_their_chunks(s):
    x = rng.normal(size=(20, 30))
    for chunks in [(10, 10), (3, 30), (20, 1)]:
        a = s.array(x, chunks)
        for array, want in [(a, x), (s.call("tsr_rechunk", a, numbers((7, 4))), x), (s.map("negative", a), -x)]:
            kept, seen = s.persist(array), []
            assert chunk_sizes(s, kept) == chunk_sizes(s, array)
            y = map_blocks(s, function(s, lambda b: seen.append(b.shape) or b), [kept], "float64")
            equal(s.compute(y), want)
            assert sorted(set(seen)) == sorted({(i, j) for i in chunk_sizes(s, array)[0] for j in chunk_sizes(s, array)[1]})
            equal(s.compute(s.slice(kept, slice(1, None, 3), slice(None, None, -2))), want[1::3, ::-2])
            np.testing.assert_allclose(s.compute(s.reduce("sum", kept, (0,))), want.sum(0), rtol=1e-12, atol=1e-12)
