"""The Python package: random keys of every form for reading and assignment, against NumPy; and masks, whose lengths are values."""
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tessera as ts


def same(ours, expected):
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.dtype == expected.dtype and ours.shape == expected.shape, (ours.dtype, ours.shape, expected.dtype, expected.shape)
    np.testing.assert_array_equal(ours, expected)


class Case:
    """A random array in random chunks, and random keys for it."""

    def __init__(self, seed, least=0):
        self.rng = rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(least, 7, rng.integers(0, 5)))
        self.a = rng.integers(-99, 99, shape).astype(rng.choice(["int64", "float32", "uint8", "complex128", "bool"]))
        self.chunks = tuple(int(n) for n in rng.integers(1, 5, len(shape)))

    def array(self):
        return ts.from_array(self.a.copy(), chunks=self.chunks) if self.a.ndim else ts.asarray(self.a.copy())

    def slice(self):
        ends = [None if self.rng.random() < 0.3 else int(v) for v in self.rng.integers(-8, 8, 2)]
        return slice(*ends, None if self.rng.random() < 0.4 else int(self.rng.choice([-3, -2, -1, 1, 2, 3])))

    def basic(self):
        items = []
        for n in self.a.shape[: self.rng.integers(0, self.a.ndim + 1)]:
            if self.rng.random() < 0.15:
                items.append(None)
            items.append(int(self.rng.integers(-n, n)) if n and self.rng.random() < 0.3 else self.slice())
        if self.rng.random() < 0.4:
            at = int(self.rng.integers(0, len(items) + 1))
            taken = sum(item is not None for item in items[at:])
            if taken == 0:
                items.insert(at, Ellipsis)
        return tuple(items)

    def fancy(self):
        """At least one list or mask; all that broadcast."""
        rng, items, axis, ndim = self.rng, [], 0, self.a.ndim
        common = tuple(rng.integers(1, 4, rng.integers(1, 3)))
        while axis < ndim and len(items) < 6:
            n, kind = self.a.shape[axis], rng.random()
            if kind < 0.45 and n:
                shape = tuple(1 if rng.random() < 0.3 else m for m in common[int(rng.integers(0, len(common))):])
                items.append(rng.integers(-n, n, shape))
                axis += 1
            elif kind < 0.6 and n:
                items.append(int(rng.integers(-n, n)))
                axis += 1
            elif kind < 0.7:
                items.append(None)
            else:
                items.append(self.slice())
                axis += 1
            if rng.random() < 0.15:
                break
        return tuple(items)

    def masks(self):
        """Slices, and one mask over some axes."""
        rng = self.rng
        n = int(rng.integers(1, self.a.ndim + 1))
        at = int(rng.integers(0, self.a.ndim - n + 1))
        mask = rng.random(self.a.shape[at:at + n]) < rng.choice([0, 0.1, 0.5, 1])
        items = [self.slice() for _ in range(at)] + [mask] + [self.slice() for _ in range(int(rng.integers(0, self.a.ndim - at - n + 1)))]
        if rng.random() < 0.3:
            items.insert(int(rng.integers(0, len(items) + 1)), None)
        return tuple(items)

    def outer(self):
        items = []
        for n in self.a.shape:
            kind = self.rng.random()
            items.append(self.rng.integers(-n, n, self.rng.integers(0, 4)) if kind < 0.4 and n else self.rng.random(n) < 0.5 if kind < 0.6 else
                         int(self.rng.integers(-n, n)) if kind < 0.7 and n else self.slice())
        return tuple(items)

    def value(self, part):
        """Something that broadcasts to what is assigned to."""
        shape = tuple(1 if self.rng.random() < 0.3 else n for n in part.shape)
        shape = shape[int(self.rng.integers(0, len(shape) + 1)):] if self.rng.random() < 0.4 else shape
        return self.rng.integers(100, 120, shape)

    def check(self, key):
        try:
            expected = self.a[key]
        except IndexError:
            with pytest.raises(IndexError):
                self.array()[key]
            return
        same(self.array()[key], expected)
        value = self.value(expected)
        x, b = self.array(), self.a.copy()
        x[key], b[key] = value, value
        same(x, b)
        assert x.chunks == self.array().chunks


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_basic(seed):
    case = Case(seed)
    case.check(case.basic())


@settings(max_examples=400, deadline=None)
@given(seeds)
def test_lists(seed):
    case = Case(seed)
    case.check(case.fancy())


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_masks(seed):
    case = Case(seed)
    if case.a.ndim:
        key = case.masks()
        if case.a.dtype != bool or all(n != 0 for n in case.a.shape):
            case.check(key)
        lazy = tuple(ts.from_array(i, chunks=2) if isinstance(i, np.ndarray) else i for i in key)
        try:
            expected = case.a[key]
        except IndexError:
            return
        same(case.array()[lazy], expected)


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_outer_and_pointwise(seed):
    case = Case(seed)
    key = case.outer()
    numbers = [np.atleast_1d(np.arange(n)[item]) for n, item in zip(case.a.shape, key)]
    dropped = tuple(axis for axis, item in enumerate(key) if isinstance(item, int))
    if case.a.ndim:
        same(case.array().oindex[key], np.squeeze(case.a[np.ix_(*numbers)], dropped))
    if case.a.ndim > 2 and min(case.a.shape):
        i, k = (case.rng.integers(0, case.a.shape[axis], 3) for axis in (0, 2))
        same(case.array().vindex[i, :, k], case.a[i, :, k])
        same(case.array().vindex[:, i % case.a.shape[1], k], np.moveaxis(case.a[:, i % case.a.shape[1], k], 1, 0))


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_reductions_of_masked(seed):
    case = Case(seed, least=1)
    if not case.a.ndim:
        return
    a = case.a
    if a.dtype.kind == "f":
        a.flat[:: 5] = case.rng.choice([np.nan, np.inf, 1.5])
    n = int(case.rng.integers(1, a.ndim + 1))
    mask = case.rng.random(a.shape[:n]) < case.rng.choice([0, 0.3, 0.8])
    x, selected = case.array(), a[mask]
    name = str(case.rng.choice("sum prod min max any all count_nonzero mean var std nansum nanmean nanmin nanmax nanstd argmax ptp median".split()))
    axis = None if case.rng.random() < 0.5 else int(case.rng.integers(0, selected.ndim))
    if (a.dtype == bool and name in ("ptp", "median")) or (name == "median" and (a.dtype.kind == "c" or np.isinf(a).any())):
        return  # not there, or (medians beside infinities) NumPy's quantile rather than its median
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = getattr(np, name)(selected, axis=axis)
        except ValueError:
            with pytest.raises(ValueError):
                np.asarray(getattr(ts, name)(x[mask], axis=axis))
            return
        ours = np.asarray(getattr(ts, name)(x[mask], axis=axis))
    assert ours.shape == np.shape(expected) and ours.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


# ---- Lengths that are values -------------------------------------------------------------------------------------------------


class Counting:
    """A source of numbers that notices each read."""

    def __init__(self, values):
        self.values, self.reads, self.shape, self.dtype, self.ndim = values, 0, values.shape, values.dtype, values.ndim
        self.lock = threading.Lock()

    def __getitem__(self, key):
        with self.lock:
            self.reads += 1
        return self.values[key]


def counting(n=1000, chunk=100):
    source = Counting(np.arange(n))
    return source, ts.from_array(source, chunks=chunk)


def test_a_mask_is_lazy_and_counted_once():
    source, x = counting()
    y = x[x % 7 == 0]
    assert source.reads == 0 and "not counted" in repr(y) and "not counted" in y._repr_html_() and source.reads == 0
    assert y.ndim == 1 and y.dtype == np.int64 and source.reads == 0
    assert len(y) == 143 and source.reads == 10
    assert y.shape == (143,) and sum(y.chunks[0]) == 143 and (y + 1).shape == (143,) and y[3:9].shape == (6,) and source.reads == 10
    same(y, source.values[::7])
    assert source.reads == 30  # for the values and for the mask
    same(y[3:9], source.values[::7][3:9])
    assert source.reads == 32  # of the one chunk in which they are


def test_reductions_need_no_length():
    source, x = counting()
    y = x[x % 7 == 0]
    total, mean = ts.compute(y.sum(), y.mean())
    assert (total, mean) == (source.values[::7].sum(), source.values[::7].mean())
    assert 1 <= source.reads <= 10 and "not counted" in repr(y)
    assert y.astype(float).max().compute() == 994.0 and source.reads <= 20 and "not counted" in repr(y)


def test_arrays_with_one_mask_are_counted_once():
    source, x = counting()
    mask = x % 7 == 0
    y, z = x[mask], (x * 2)[mask]
    assert y.shape == z.shape == (143,) and source.reads == 10
    same(y + z, source.values[::7] * 3)


def test_blocks_without_elements_are_no_chunks():
    a = np.arange(100)
    x = ts.from_array(a, chunks=10)
    y = x[(x < 3) | (x > 75)]
    assert y.chunks == ((3, 4, 10, 10),)
    same(y, a[(a < 3) | (a > 75)])
    assert x[x > 200].shape == (0,) and x[x > 200].compute().shape == (0,)
    same(y.compute_chunk_sizes()[::-1], a[(a < 3) | (a > 75)][::-1])
    same(np.concatenate([y, x[x > 200], x[x < 0]]), a[(a < 3) | (a > 75)])


def test_masks_of_masks():
    a = np.random.default_rng(2).normal(size=(40, 30))
    x = ts.from_array(a, chunks=(7, 11))
    y, b = x[x > 0], a[a > 0]
    same(y[y < 1], b[b < 1])
    same(x[x[:, 0] > 0][:, x[0] > 0], a[a[:, 0] > 0][:, a[0] > 0])
    z, c = y + 0, b.copy()
    z[z < 1], c[c < 1] = z[z < 1] * 2, c[c < 1] * 2
    same(z, c)


def test_masks_in_little_memory():
    with ts.Session(memory="48MiB", threads=2):
        x = ts.arange(40_000_000, chunks=1_000_000)  # 320 MB, and the same of what is selected, if any of it were kept
        y = x[x % 2 == 0]
        assert y.sum().compute() == 20_000_000 * 19_999_999
        assert len(y) == 20_000_000 and y[::5_000_000].compute().tolist() == [0, 10_000_000, 20_000_000, 30_000_000]
        x[x % 2 == 0] = y + 1
        assert (x % 2).sum().compute() == 40_000_000


def test_where_elements_are_not_zero():
    a = np.random.default_rng(1).integers(0, 3, (13, 7, 5))
    x = ts.from_array(a, chunks=(4, 3, 2))
    for ours, expected in zip(ts.nonzero(x), np.nonzero(a), strict=True):
        same(ours, expected)
    same(ts.flatnonzero(x), np.flatnonzero(a))
    same(ts.argwhere(x), np.argwhere(a))
    same(ts.argwhere(x[0, 0, 0]), np.argwhere(a[0, 0, 0]))
    same(x[ts.nonzero(x)], a[np.nonzero(a)])
    same(ts.compress([0, 1, 1, 0], x, axis=1), np.compress([0, 1, 1, 0], a, axis=1))
    same(ts.compress(a[:, 0, 0] > 0, x, axis=0), np.compress(a[:, 0, 0] > 0, a, axis=0))
    same(ts.compress([0, 1, 1], x), np.compress([0, 1, 1], a))
    same(ts.compress([0] * 4 + [1, 0, 0, 0], x, 1), np.compress([0] * 4 + [1, 0, 0, 0], a, 1))
    same(ts.extract(x > 1, x), np.extract(a > 1, a))
    with pytest.raises(IndexError):
        ts.compress([0] * 9 + [1], x, axis=1)
    with pytest.raises(ValueError):
        ts.nonzero(x[0, 0, 0])


def test_assigning_many_times():
    a = np.zeros((60, 5))
    x = ts.zeros((60, 5), chunks=(7, 3))
    for i in range(60):
        a[i], x[i] = i, i
        a[i, i % 5], x[i, i % 5] = -1, -1
    same(x, a)
    assert x.chunks == ts.zeros((60, 5), chunks=(7, 3)).chunks


def test_assigning_to_much():
    x = ts.zeros((1 << 40,), dtype=np.uint8)
    x[5] = 7
    x[1 << 39:] = 1
    x[::1 << 30] = 2
    x[[1, 1, 1 << 35]] = [3, 4, 5]
    assert x[:6].compute().tolist() == [2, 4, 0, 0, 0, 7] and x[[1 << 35, (1 << 39) + 1, -1]].compute().tolist() == [5, 1, 1]


def test_mistakes_in_assignment():
    x, a = ts.from_array(np.arange(12).reshape(3, 4), chunks=2), np.arange(12).reshape(3, 4)
    for key, value in [((0,), np.zeros(3)), (([0, 1],), np.zeros(3)), ((a > 3,), np.zeros(3)), ((slice(None), [True, False, True, True]), np.zeros(2))]:
        with pytest.raises(ValueError, match="shape"):
            x[key] = value
        with pytest.raises(ValueError):
            a[key] = value
    for key in [(3,), ([0, 3],), (a[:2] > 3,), (0, 0, 0), ("a",), ([1.5],), ([0, 1], [0, 1, 2])]:
        with pytest.raises(IndexError):
            x[key] = 0
        with pytest.raises(IndexError):
            a[key] = 0
    same(x, a)


def test_a_mask_that_fails_raises_its_own_exception():
    def fail(block):
        raise LookupError("no mask today")

    y = ts.arange(10)[ts.map_blocks(fail, ts.arange(10), dtype=bool)]
    for need in (len, lambda y: y.compute(), lambda y: y.chunks, lambda y: y + 1, lambda y: y.sum().compute()):
        with pytest.raises(LookupError, match="no mask today"):
            need(y)


def uncounted(values, mask):
    return ts.from_array(values, chunks=7)[ts.from_array(mask, chunks=5)]


FORMS = {"f(x)": lambda f, x: f(x), "f(x, x)": lambda f, x: f(x, x), "f([x, x])": lambda f, x: f([x, x]), "f(x, axis=0)": lambda f, x: f(x, axis=0), "f(x, 2)": lambda f, x: f(x, 2)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ndim", [1, 2])
def test_every_function_counts_what_it_must(form, ndim):
    """Each function that takes arrays in this form gives the same whether the array was counted before or not."""
    rng = np.random.default_rng(5)
    values = np.round(rng.random((40, 3)[:ndim]) * 5, 1)
    mask = rng.random(40) < 0.6
    names = [n for n in dir(ts) if callable(getattr(np, n, None)) and not isinstance(getattr(ts, n), type) and n not in ("empty", "empty_like")]
    n_compared = 0
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = FORMS[form](getattr(ts, name), uncounted(values, mask).compute_chunk_sizes())
                expected = [np.asarray(e) for e in (expected if isinstance(expected, (tuple, list)) else [expected])]
            except Exception:  # not a function of such arguments
                continue
            x = uncounted(values, mask)
            assert "not counted" in repr(x)
            ours = FORMS[form](getattr(ts, name), x)
            for got, want in zip(ours if isinstance(ours, (tuple, list)) else [ours], expected, strict=True):
                got = np.asarray(got)
                assert got.shape == want.shape and got.dtype == want.dtype, name
                np.testing.assert_array_equal(got, want, err_msg=name)
        n_compared += 1
    assert n_compared > 30


def test_a_mask_that_changes_is_noticed():
    rng = np.random.default_rng(3)
    noise = ts.map_blocks(lambda block: rng.random(block.shape) < 0.5, ts.zeros(1000, chunks=100), dtype=bool)
    y = ts.arange(1000, chunks=100)[noise]
    len(y)
    with pytest.raises(ValueError, match="another number"):
        y.compute()
