"""The engine against NumPy: every elementwise operation, reductions over all sets of axes, views, structure, many chunkings; and what
must not change the bits: threads, memory budget, instruction set."""
import itertools
import sys

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402

rng = np.random.default_rng(5)


def sample(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype == bool:
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        a = rng.integers(max(info.min, -100), min(info.max, 100), shape, dtype=dtype)
        a.flat[: min(4, a.size)] = np.array([0, info.max, info.min, 1], dtype)[: a.size]
        return a
    a = rng.normal(0, 3, shape)
    if dtype.kind == "c":
        return (a + 1j * rng.normal(0, 3, shape)).astype(dtype)
    a.flat[: min(5, a.size)] = np.array([0.0, -0.0, np.inf, np.nan, -np.inf])[: a.size]
    return a.astype(dtype)


def same(got, want, ulp=0, rtol=0.0, atol=0.0):
    want = np.asarray(want)
    assert got.dtype == want.dtype, (got.dtype, want.dtype)
    assert got.shape == want.shape, (got.shape, want.shape)
    if ulp == 0 and rtol == 0:
        np.testing.assert_array_equal(got, want)
    elif rtol:
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, equal_nan=True)
    else:
        eps = np.finfo(want.dtype).eps
        np.testing.assert_allclose(got, want, rtol=ulp * eps, atol=atol * eps, equal_nan=True)


EXACT1 = "negative positive absolute sign rint floor ceil trunc sqrt square reciprocal conjugate real imag isnan isinf isfinite signbit logical_not invert".split()
EXACT2 = ("add subtract multiply divide floor_divide remainder fmod maximum minimum fmax fmin copysign heaviside equal not_equal less less_equal "
          "greater greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor gcd lcm nextafter").split()
NEAR1 = "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh cbrt deg2rad rad2deg".split()
NEAR2 = "arctan2 hypot power logaddexp logaddexp2".split()
REAL = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()


@pytest.mark.parametrize("name", EXACT1)
@pytest.mark.parametrize("dtype", REAL + ["complex128"])
def test_unary_exact(s, name, dtype):
    a = sample(dtype, (7, 11))
    if dtype == "complex128" and name in ("sqrt", "reciprocal", "square", "absolute", "sign"):
        pytest.skip("complex results are compared with a bound elsewhere")
    if np.dtype(dtype).kind in "iu" and name == "reciprocal":
        a = np.where(a == 0, 1, a).astype(a.dtype)
    with np.errstate(all="ignore"):
        try:
            want = getattr(np, name)(a)
        except TypeError:
            with pytest.raises(tsr.Error):
                s.map(name, s.array(a))
            return
    if want.dtype == np.float16:  # there is no float16 arithmetic here: float32 instead
        want = getattr(np, name)(a.astype(np.float32))
    same(s.compute(s.map(name, s.array(a, (3, 4)))), want)


@pytest.mark.parametrize("name", EXACT2)
@pytest.mark.parametrize("dtypes", [("float64", "float64"), ("float32", "float32"), ("int32", "int32"), ("int8", "uint8"), ("int64", "float32"), ("uint64", "int64"),
                                    ("bool", "bool"), ("uint16", "uint16"), ("bool", "int16"), ("int64", "int64"), ("uint8", "float32")])
def test_binary_exact(s, name, dtypes):
    a, b = sample(dtypes[0], (5, 6, 7)), sample(dtypes[1], (6, 1))
    with np.errstate(all="ignore"):
        try:
            want = getattr(np, name)(a, b)
        except TypeError:
            with pytest.raises(tsr.Error):
                s.map(name, s.array(a), s.array(b))
            return
    if want.dtype == np.float16:
        want = getattr(np, name)(a.astype(np.float32), b.astype(np.float32))
    if name in ("lcm",) and want.dtype.kind == "i":  # overflowing lcm is left alone
        a, b = (x % 10 for x in (a.astype(want.dtype), b.astype(want.dtype)))
        want = np.lcm(a, b)
    same(s.compute(s.map(name, s.array(a, (2, 3, 4)), s.array(b))), want)


@pytest.mark.parametrize("name", NEAR1)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_unary_near(s, name, dtype):
    a = sample(dtype, (501,))
    if dtype.startswith("complex"):
        if name in ("cbrt", "deg2rad", "rad2deg"):
            return
        a = a[5:]
    with np.errstate(all="ignore"):
        want = getattr(np, name)(a)
    same(s.compute(s.map(name, s.array(a, (100,)))), want, **({"rtol": 1e-12} if dtype.startswith("c") else {"ulp": 8}))


@pytest.mark.parametrize("name", NEAR2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_near(s, name, dtype):
    a, b = sample(dtype, (300,)), sample(dtype, (300,))[::-1].copy()
    atol = 4 if name.startswith("logaddexp") else 0  # larger + log1p(...) cancels near zero, in NumPy too
    with np.errstate(all="ignore"):
        same(s.compute(s.map(name, s.array(a, (70,)), s.array(b))), getattr(np, name)(a, b), ulp=16, atol=atol)


SHAPES = [((), ()), ((0,), (1,)), ((1,), (1,)), ((13,), (4,)), ((6, 5), (4, 2)), ((3, 4, 5), (2, 2, 3)), ((2, 3, 2, 4), (1, 2, 2, 3))]


@pytest.mark.parametrize("name", "sum prod min max any all mean var std argmin argmax count_nonzero nansum nanmin nanmax nanmean nanvar nanstd ptp".split())
@pytest.mark.parametrize("shape,chunks", SHAPES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "bool", "uint64"])
def test_reductions(s, name, shape, chunks, dtype):
    a = rng.normal(2, 1, shape).astype(dtype) if np.dtype(dtype).kind == "f" else sample(dtype, shape)
    a = np.asarray(a)
    if name.startswith("nan") and a.size > 3:
        a.flat[1] = np.nan if a.dtype.kind == "f" else 1
    sets = [None] + [c for r in range(1, a.ndim + 1) for c in itertools.combinations(range(a.ndim), r)]
    for axes, keepdims in itertools.product(sets, (False, True)):
        if name.startswith("arg") and axes is not None and len(axes) > 1:
            continue
        kw = {"ddof": 0} if name in ("var", "std", "nanvar", "nanstd") else {}
        np_axes = axes[0] if axes is not None and len(axes) == 1 else axes
        with np.errstate(all="ignore"):
            try:
                import warnings
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    want = np.asarray(getattr(np, name)(a, axis=np_axes, keepdims=keepdims))
            except (ValueError, TypeError):
                with pytest.raises(tsr.Error):
                    s.compute(s.reduce(name, s.array(a), axes, keepdims, **kw))
                continue
        got = s.compute(s.reduce(name, s.array(a, chunks), axes, keepdims, **kw))
        if a.dtype.kind in "iub" and want.dtype.kind in "iub":
            same(got, want.astype(got.dtype) if name == "ptp" else want)
        else:
            same(got, want, rtol=1e-5 if got.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("index", [(slice(None, None, -1),), (slice(1, 7, 2), 3), (Ellipsis, -1), (None, slice(2, 2)), (slice(None), None, slice(-1, 0, -3)), (5,),
                                   (slice(100, 1, -2), slice(-3, None))])
@pytest.mark.parametrize("chunks", [(8, 9), (3, 2), (1, 9)])
def test_slices(s, index, chunks):
    a = rng.normal(size=(8, 9))
    same(s.compute(s.slice(s.array(a, chunks), *index)), a[index])
    p = s.persist(s.map("add", s.array(a, chunks), s.array(np.float64(0))))
    same(s.compute(s.slice(p, *index)), a[index])


def test_broadcast_reads_many_to_one(s):
    a = rng.normal(size=(40, 50, 6))
    x = s.array(a, (7, 50, 6))
    anomaly = s.map("subtract", x, s.reduce("mean", x, (0,)))
    z = s.map("divide", anomaly, s.reduce("std", x, (0,), ddof=0))
    same(s.compute(z), (a - a.mean(0)) / a.std(0), rtol=1e-12)
    plan = s.explain(z)
    assert "plan: 2 stages" in plan and "fold mean, fold std" in plan, plan


def test_structure(s):
    a = rng.normal(size=(5, 6))
    x = s.array(a, (2, 4))
    flipped = s.call("tsr_flip", x, tsr.I(0), None)
    c = s.call("tsr_concatenate", tsr.I(3), (tsr.P * 3)(x, flipped, x), tsr.I(0))
    want = np.concatenate([a, a[::-1, ::-1], a])
    same(s.compute(c), want)
    same(s.compute(s.slice(c, slice(None, None, -2), slice(1, None, 3))), want[::-2, 1::3])
    same(s.compute(s.reduce("sum", s.call("tsr_reshape", c, tsr.I(3), tsr.numbers((3, 15, 2))), (0,))), want.reshape(3, 15, 2).sum(0), rtol=1e-13)
    same(s.compute(s.call("tsr_reshape", s.slice(c, slice(None), slice(1, 5)), tsr.I(2), tsr.numbers((4, -1)))), want[:, 1:5].reshape(4, -1))
    take = s.call("tsr_take", c, tsr.L(6), tsr.numbers((3, 3, 4, 5, -1, 0)), tsr.I(0))
    same(s.compute(take), want.take([3, 3, 4, 5, -1, 0], 0))
    mean = s.reduce("mean", c, (1,), True)
    taken = s.call("tsr_take", mean, tsr.L(4), tsr.numbers((14, 0, 0, 7)), tsr.I(0))
    same(s.compute(taken), want.mean(1, keepdims=True).take([14, 0, 0, 7], 0), rtol=1e-13)
    rolled = s.call("tsr_roll", x, tsr.I(2), tsr.numbers((2, -1)), tsr.numbers((0, 1), tsr.I))
    same(s.compute(rolled), np.roll(a, (2, -1), (0, 1)))
    same(s.compute(s.call("tsr_transpose", c, None)), want.T)
    same(s.compute(s.map("add", s.slice(x, slice(0, 5), slice(0, 5)), s.call("tsr_transpose", s.slice(x, slice(0, 5), slice(0, 5)), None))),
         a[:5, :5] + a[:5, :5].T)


TREES = {  # on arrays x, y of one shape, a column r, a row c, and a number
    "one operand backwards": lambda m, x, y, r, c, k: m("multiply", x, y[..., ::-1, ::-1]),
    "all backwards": lambda m, x, y, r, c, k: m("subtract", m("add", x[..., ::-1, ::-1], y[..., ::-1, ::-1]), c[..., ::-1]),
    "rows backwards": lambda m, x, y, r, c, k: m("divide", m("add", x[..., ::-1, :], k), y),
    "two branches": lambda m, x, y, r, c, k: m("multiply", m("add", x, r), m("subtract", y, c)),
    "three branches": lambda m, x, y, r, c, k: m("divide", m("multiply", m("add", x, r), m("subtract", y, c)), m("add", m("square", x), m("absolute", k))),
    "a row and a column": lambda m, x, y, r, c, k: m("multiply", m("add", m("divide", r, k), m("sqrt", m("absolute", c))), m("add", r[..., ::-1, :], c[..., ::-1])),
    "only a row": lambda m, x, y, r, c, k: m("negative", m("divide", c[..., ::-1], k)),
    "only a column": lambda m, x, y, r, c, k: m("square", m("subtract", r[..., ::-1, :], k)),
}


class Mapped:
    """An array of the library that can be sliced like one of NumPy."""

    def __init__(self, s, a):
        self.s, self.a = s, a

    def __getitem__(self, items):
        return Mapped(self.s, self.s.slice(self.a, *items))


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("shape,chunks", [((7, 1000), None), ((7, 1000), (3, 990)), ((300, 33), None), ((2000, 3), None), ((1, 5), None), ((70, 64), (64, 64)), ((3, 5, 130), None)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_trees_of_arithmetic(s, name, shape, chunks, dtype):
    """Worked out in registers, from operands in place, reversed or broadcast, to the result and to sums: the bits of one operation after the other."""
    x, y = sample(dtype, shape), sample(dtype, shape)
    r, c, k = sample(dtype, shape[:-1] + (1,)), sample(dtype, shape[-1:])[None, :], np.array(3, dtype)
    with np.errstate(all="ignore"):
        want = TREES[name](lambda op, *a: getattr(np, op)(*a), x, y, r, c, k)
    inputs = [Mapped(s, s.array(a, chunks)) for a in (x, y)] + [Mapped(s, s.array(a)) for a in (r, c, k)]
    made = TREES[name](lambda op, *a: Mapped(s, s.map(op, *[v.a for v in a])), *inputs).a
    with np.errstate(all="ignore"):
        same(s.compute(made), want)
        finite = np.nan_to_num(want, nan=0, posinf=0, neginf=0)
        for axes in [None, (want.ndim - 1,), (0,)]:
            got = s.compute(s.reduce("sum", made, axes))
            want_sum = np.sum(want.astype(np.float64), None if axes is None else axes).astype(dtype)
            same(got, want_sum, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-10 * np.abs(finite).sum())


@pytest.mark.parametrize("mode", "constant edge reflect symmetric wrap linear_ramp maximum mean median minimum".split())
@pytest.mark.parametrize("widths", [((1, 2), (3, 0)), ((7, 9), (0, 11))])
def test_pad(s, mode, widths):
    a = rng.normal(size=(4, 5))
    got = s.compute(s.call("tsr_pad", s.array(a, (2, 2)), tsr.numbers([w for p in widths for w in p]), mode.encode(), tsr.Scalar(10, 0, 0, 0.0, 0.0)))
    same(got, np.pad(a, widths, mode), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "bool"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scans(s, dtype, axis):
    a = sample(dtype, (6, 7, 5)) if dtype in ("bool",) else rng.normal(1, 1, (6, 7, 5)).astype(dtype)
    for name in ("cumsum", "cumprod", "nancumsum"):
        same(s.compute(s.call("tsr_" + name, s.array(a, (4, 3, 2)), tsr.I(axis))), getattr(np, name)(a, axis))


def test_quantiles(s):
    a = rng.normal(size=(9, 10, 4))
    x = s.array(a, (4, 3, 4))
    for axes in ((0,), (1,), (2,), (0, 2), None):
        same(s.compute(s.reduce("median", x, axes)), np.median(a, axis=axes), rtol=1e-15)
        q = (0.0, 0.1, 0.77, 1.0)
        got = s.compute(s.call("tsr_quantile", x, tsr.I(4), tsr.numbers(q, tsr.D), tsr.I(len(axes or ())), tsr.numbers(axes, tsr.I) if axes else None, tsr.B(False)))
        same(got, np.quantile(a, q, axis=axes), rtol=1e-15)


def test_histogram(s):
    a = rng.normal(size=100_003)
    bins = tsr.Bins(100, -5.0, 5.0, None)
    got = s.compute(s.call("tsr_histogram", s.array(a, (1000,)), tsr.ct.byref(bins), tsr.B(False)))
    same(got, np.histogram(a, 100, (-5, 5))[0])


def test_many_outputs_share_one_pass(s):
    a = rng.normal(size=(300, 20))
    x = s.array(a, (10, 20))
    outs = [s.reduce(n, x, (0,), **({"ddof": 1} if n == "var" else {})) for n in ("sum", "min", "max", "var", "argmax")]
    for got, want in zip(s.compute(*outs), (a.sum(0), a.min(0), a.max(0), a.var(0, ddof=1), a.argmax(0))):
        same(got, want, rtol=1e-12)
    assert s.explain(*outs).startswith("plan: 1 stage"), s.explain(*outs)


def bits_of(lib, **options):
    s = tsr.Session(lib, **options)
    shape = tsr.numbers((700, 999))
    x = s.call("tsr_random_normal", s.s, tsr.ct.c_uint64(3), tsr.D(1), tsr.D(2), tsr.I(10), tsr.I(2), shape, tsr.numbers((64, 100)))
    z = s.map("divide", s.map("subtract", x, s.reduce("mean", x, (0,))), s.reduce("std", x, (0,), ddof=0))
    outs = [s.reduce("sum", x), s.reduce("mean", x, (1,)), s.reduce("var", x, (0,), ddof=0), s.reduce("sum", s.map("sqrt", s.map("absolute", z))),
            s.call("tsr_cumsum", x, tsr.I(0))]
    result = b"".join(o.tobytes() for o in s.compute(*outs))
    s.close()
    return result


def test_same_bits_everywhere(lib):
    want = bits_of(lib, threads=1)
    for options in ({"threads": 2}, {"threads": 16}, {"threads": 3, "memory": 64 << 20}):
        assert bits_of(lib, **options) == want, options
    for isa in (b"v2", b"v3", b"v4"):
        try:
            assert bits_of(lib, isa=isa) == want, isa
        except tsr.Error as e:
            assert "not in this processor" in str(e)


def test_spilling_keeps_the_budget_and_the_values(lib, tmp_path):
    s = tsr.Session(lib, memory=48 << 20, scratch=str(tmp_path).encode())
    n = 25_000_000  # 200 MB
    x = s.call("tsr_random_normal", s.s, tsr.ct.c_uint64(1), tsr.D(0), tsr.D(1), tsr.I(10), tsr.I(1), tsr.numbers((n,)), None)
    p = s.persist(x)
    assert s.stats().bytes_spilled > 100 << 20
    assert s.stats().peak_bytes < 64 << 20
    assert s.compute(s.reduce("sum", p)) == s.compute(s.reduce("sum", p))
    np.testing.assert_allclose(s.compute(s.reduce("sum", p)), s.compute(s.reduce("sum", x)), rtol=1e-9)
    assert s.stats().peak_bytes < 64 << 20
    s.close()
    assert not list(tmp_path.iterdir())


def test_blocks_on_disk_are_read_in_parts(lib, tmp_path):
    """All to all within an eighth of the data: every block of the result needs a little of each spilled block."""
    s = tsr.Session(lib, threads=2, memory=8 << 20, scratch=str(tmp_path).encode())
    rng2 = np.random.default_rng(3)
    a = np.round(rng2.normal(0, 1, (128, 256, 256)), 1)  # 64 MB
    x = s.persist(s.call("tsr_negative", s.array(a, (1, 256, 256))))
    assert s.stats().bytes_spilled > 40 << 20
    turned = s.persist(s.call("tsr_rechunk", x, tsr.numbers((128, 16, 16))))
    same(s.compute(turned), -a)
    same(s.compute(s.slice(s.call("tsr_rechunk", x, tsr.numbers((128, 16, 16))), slice(None, None, 3), slice(5, 200, 7), slice(None, None, -2))), -a[::3, 5:200:7, ::-2])
    same(s.compute(s.reduce("max", x, (0,))), (-a).max(0))
    s.close()
    assert list(tmp_path.iterdir()) == []


def test_statistics_are_of_the_last_run(lib):
    s = tsr.Session(lib)
    x = s.call("tsr_random_normal", s.s, tsr.ct.c_uint64(1), tsr.D(0), tsr.D(1), tsr.I(10), tsr.I(1), tsr.numbers((4_000_000,)), None)
    s.lib.tsr_release(tsr.P(s.persist(x)))
    assert s.stats().peak_bytes >= 32_000_000
    s.compute(s.reduce("sum", x))
    assert s.stats().peak_bytes < 16_000_000
    s.close()


def test_deep_expression(s):
    x = s.array(np.ones(10))
    y = x
    for _ in range(3000):
        y = s.map("add", y, x)
    same(s.compute(y), np.full(10, 3001.0))


@pytest.mark.parametrize("call,text", [(lambda s: s.reduce("mean", s.array(np.ones((4, 721, 1440))), (3,)), "mean: axis 3 is out of range for an array of shape (4, 721, 1440)"),
                                       (lambda s: s.map("add", s.array(np.ones(3)), s.array(np.ones(4))), "shapes (3,) and (4,) do not fit together"),
                                       (lambda s: s.map("nonsense", s.array(np.ones(3))), "no elementwise function 'nonsense'"),
                                       (lambda s: s.compute(s.map("power", s.array(np.arange(3)), s.array(np.array(-1)))), "negative integer powers")])
def test_errors(s, call, text):
    with pytest.raises(tsr.Error) as e:
        call(s)
    assert text in str(e.value)


@pytest.mark.parametrize("extension", ["nc", "nc4", "npy"])
def test_operations_straight_on_a_file(s, tmp_path, extension):
    """Whatever the byte order of the file, whole-axis kernels and gathers see numbers; alone and beside arrays of memory."""
    a = rng.normal(size=(24, 30))
    path = str(tmp_path / f"x.{extension}").encode()
    assert s.lib.tsr_save(tsr.P(s.array(a, (10, 7))), path) == 0
    x, m = s.call("tsr_open", s.s, path, None, tsr.numbers((10, 7))), s.array(a, (10, 7))
    same(s.compute(x), a)
    same(s.compute(s.reduce("median", x, (0,))), np.median(a, 0), rtol=1e-15)
    same(s.compute(s.call("tsr_cumsum", x, tsr.I(0))), np.cumsum(a, 0), rtol=1e-12)
    for pair, want in (((x, m), (a, a)), ((m, x), (a, a)), ((x, x), (a, a)), ((x, s.map("negative", x)), (a, -a))):
        c = s.call("tsr_concatenate", tsr.I(2), (tsr.P * 2)(*pair), tsr.I(0))
        want = np.concatenate(want)
        same(s.compute(c), want)
        same(s.compute(s.slice(c, slice(None, None, -3), slice(5, 20))), want[::-3, 5:20])
        same(s.compute(s.reduce("median", c, (1,))), np.median(want, 1), rtol=1e-15)
        same(s.compute(s.call("tsr_reshape", c, tsr.I(2), tsr.numbers((90, 16)))), want.reshape(90, 16))
        same(s.compute(s.call("tsr_cumsum", s.call("tsr_take", c, tsr.L(4), tsr.numbers((3, 3, 40, 0)), tsr.I(0)), tsr.I(1))),
             np.cumsum(want.take([3, 3, 40, 0], 0), 1), rtol=1e-12)


def test_many_small_results_leave_room_for_tasks(lib):
    """Results that other stages read are kept in one piece only as far as every task still fits the budget beside them."""
    a = np.random.default_rng(3).normal(size=(10, 50000))
    with_budget = tsr.Session(lib, memory=16 << 20, threads=2)
    x = with_budget.array(a, (5, 25000))
    total, want = None, 0
    for k in range(1, 31):
        scaled = with_budget.map("multiply", x, with_budget.array(np.array(float(k))))
        y = with_budget.map("subtract", x, with_budget.reduce("mean", scaled, (0,)))
        total, want = y if total is None else with_budget.map("add", total, y), want + (a - (a * k).mean(0))
    np.testing.assert_allclose(with_budget.compute(total), want, atol=1e-9)
    with_budget.close()
