"""Random expressions: the same bits with and without the rewrites, and what NumPy says."""
import os
import sys

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from expressions import *  # noqa: E402, F403
from tsr import I, P, numbers  # noqa: E402

class Expression:
    """Operations drawn one after another; each works on results of earlier ones, in any session and in NumPy."""

    def __init__(self, data, off):
        self.data, self.steps, self.values = data, [], []
        for _ in range(data.draw(st.integers(1, 3))):
            self.source(off)
        for _ in range(data.draw(st.integers(1, 9))):
            self.operation()

    def add(self, value, step):
        self.values.append(np.asarray(value))
        self.steps.append(step)

    def build(self, s):
        arrays = []
        for step in self.steps:
            arrays.append(step(s, arrays))
        return arrays

    def chunks(self, shape):
        return [self.data.draw(st.integers(1, n)) for n in shape] if shape else None

    def source(self, off):
        draw = self.data.draw
        shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
        chunks, seed = self.chunks(shape), draw(st.integers(0, 5))
        kind = draw(st.sampled_from(["float", "int", "normal", "arange", "full"]))
        values = np.random.default_rng(seed).normal(0, 3, shape).round(2)
        if kind == "int":
            values = values.astype("int64")
        if kind in ("float", "int"):
            if kind == "float" and values.size > 1:
                values.flat[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from([-0.0, np.nan, np.inf, 0.0]))
            step = lambda s, arrays: s.array(values, chunks)  # noqa: E731
        elif kind == "normal":
            step = lambda s, arrays: normal(s, seed, shape, chunks)  # noqa: E731
            values = off.compute(step(off, []))
        elif kind == "arange":
            n = int(np.prod(shape))
            step = lambda s, arrays: reshape(s, arange(s, n), *shape)  # noqa: E731
            values = np.arange(n).reshape(shape)
        else:
            step = lambda s, arrays: full(s, seed, shape, "float64", chunks)  # noqa: E731
            values = np.full(shape, float(seed))
        self.add(values, step)

    def operation(self):
        draw = self.data.draw
        at = draw(st.integers(max(0, len(self.values) - 3), len(self.values) - 1))
        v = self.values[at]
        if v.size > 2000 or v.ndim > 4:
            return
        name = draw(st.sampled_from(["unary", "binary", "scalar", "where", "slice", "slice", "slice", "transpose", "concat", "stack", "take", "reshape", "rechunk",
                                     "cumsum", "reduce", "median", "pad", "expand", "astype"]))
        getattr(self, name)(at, v)

    def unary(self, at, v):
        name = self.data.draw(st.sampled_from(["negative", "absolute", "floor", "positive", "square", "isnan"]))
        if v.dtype == bool:
            name = "logical_not"
        self.add(getattr(np, name)(v), lambda s, arrays: s.map(name, arrays[at]))

    def binary(self, at, v):
        name = self.data.draw(st.sampled_from(["add", "multiply", "maximum", "less"]))
        fits = [i for i, w in enumerate(self.values) if shapes_fit(v.shape, w.shape)]
        other = self.data.draw(st.sampled_from(fits))
        self.add(getattr(np, name)(v, self.values[other]), lambda s, arrays: s.map(name, arrays[at], arrays[other]))

    def scalar(self, at, v):
        name = self.data.draw(st.sampled_from(["add", "multiply", "divide", "subtract"]))
        value = self.data.draw(st.sampled_from([0.0, -0.0, 1.0, 2.0]))
        left = self.data.draw(st.booleans())
        operands = (np.float64(value), v) if left else (v, np.float64(value))

        def step(s, arrays):
            c = s.array(np.float64(value)) if self.hidden else scalar_exact(s, value)
            return s.map(name, c, arrays[at]) if left else s.map(name, arrays[at], c)
        self.hidden = self.data.draw(st.booleans())
        with np.errstate(all="ignore"):
            self.add(getattr(np, name)(*operands), step)

    hidden = False

    def where(self, at, v):
        fits = [i for i, w in enumerate(self.values) if shapes_fit(v.shape, w.shape)]
        other = self.data.draw(st.sampled_from(fits))
        w = self.values[other]
        self.add(np.where(np.isnan(v), w, v), lambda s, arrays: s.map("where", s.map("isnan", arrays[at]), arrays[other], arrays[at]))

    def slice(self, at, v):
        index = []
        for n in v.shape:
            kind = self.data.draw(st.sampled_from(["all", "part", "part", "one"]))
            if kind == "one":
                index.append(self.data.draw(st.integers(-n, n - 1)))
            elif kind == "all":
                index.append(slice(None))
            else:
                low, high = sorted((self.data.draw(st.integers(0, n - 1)), self.data.draw(st.integers(0, n - 1))))
                step = self.data.draw(st.sampled_from([1, 1, 2, -1, -2]))
                index.append(slice(low, high + 1, step) if step > 0 else slice(high, low - 1 if low else None, step))
        self.add(v[tuple(index)], lambda s, arrays: s.slice(arrays[at], *index))

    def transpose(self, at, v):
        self.add(v.T, lambda s, arrays: transpose(s, arrays[at]))

    def concat(self, at, v):
        if v.ndim == 0:
            return
        axis = self.data.draw(st.integers(0, v.ndim - 1))
        fits = [i for i, w in enumerate(self.values) if w.ndim == v.ndim and w.shape[:axis] == v.shape[:axis] and w.shape[axis + 1:] == v.shape[axis + 1:]]
        chosen = self.data.draw(st.lists(st.sampled_from(fits), min_size=1, max_size=3)) + [at]
        self.add(np.concatenate([self.values[i] for i in chosen], axis), lambda s, arrays: concat(s, [arrays[i] for i in chosen], axis))

    def stack(self, at, v):
        axis = self.data.draw(st.integers(0, v.ndim))
        fits = [i for i, w in enumerate(self.values) if w.shape == v.shape]
        chosen = self.data.draw(st.lists(st.sampled_from(fits), min_size=1, max_size=3)) + [at]
        self.add(np.stack([self.values[i] for i in chosen], axis), lambda s, arrays: stack(s, [arrays[i] for i in chosen], axis))

    def take(self, at, v):
        if v.ndim == 0:
            return
        axis = self.data.draw(st.integers(0, v.ndim - 1))
        indices = self.data.draw(st.lists(st.integers(0, v.shape[axis] - 1), min_size=1, max_size=6))
        self.add(v.take(indices, axis), lambda s, arrays: take(s, arrays[at], indices, axis))

    def reshape(self, at, v):
        shape = self.data.draw(st.sampled_from(factorings(v.size)))
        self.add(v.reshape(shape), lambda s, arrays: reshape(s, arrays[at], *shape))

    def rechunk(self, at, v):
        if v.ndim:
            chunks = self.chunks(v.shape)
            self.add(v, lambda s, arrays: rechunk(s, arrays[at], *chunks))

    def cumsum(self, at, v):
        if v.ndim:
            axis = self.data.draw(st.integers(0, v.ndim - 1))
            with np.errstate(all="ignore"):
                self.add(v.cumsum(axis), lambda s, arrays: cumsum(s, arrays[at], axis))

    def reduce(self, at, v):
        name = self.data.draw(st.sampled_from(["sum", "max", "any", "argmax", "mean", "count_nonzero"]))
        axis = self.data.draw(st.integers(0, v.ndim - 1)) if v.ndim else None
        axes = None if axis is None else (axis,)
        with np.errstate(all="ignore"):
            self.add(getattr(np, name)(v, axis=axis), lambda s, arrays: s.reduce(name, arrays[at], axes))

    def median(self, at, v):
        if v.ndim and v.dtype == np.float64 and not np.isinf(v).any():
            axis = self.data.draw(st.integers(0, v.ndim - 1))
            with np.errstate(all="ignore"):
                # NumPy's median of -0.0 is 0.0, its quantile -0.0, as here; a division would tell them apart.
                self.add(np.median(v, axis), lambda s, arrays: s.map("add", median(s, arrays[at], axis), scalar_exact(s, 0.0)))

    def pad(self, at, v):
        if v.ndim and v.dtype == np.float64:
            widths = [(self.data.draw(st.integers(0, 2)), self.data.draw(st.integers(0, 2))) for _ in v.shape]
            self.add(np.pad(v, widths, constant_values=2.0), lambda s, arrays: pad(s, arrays[at], widths, 2.0))

    def expand(self, at, v):
        if v.ndim < 4:
            axis = self.data.draw(st.integers(0, v.ndim))
            self.add(np.expand_dims(v, axis), lambda s, arrays: s.call("tsr_expand_dims", arrays[at], I(1), numbers((axis,), I)))

    def astype(self, at, v):
        if v.dtype != np.float64 or np.isfinite(v).all() and (np.abs(v) < 1e9).all():
            dtype = self.data.draw(st.sampled_from(["float64", "int64"]))
            self.add(v.astype(dtype), lambda s, arrays: astype(s, arrays[at], dtype))


def scalar_exact(s, value):
    c = tsr.Scalar(tsr.CODES[np.dtype("float64")], 0, 0, value, 0.0)
    f = s.lib.tsr_full
    f.restype = P
    return s.check(f(P(s.s), c, I(tsr.CODES[np.dtype("float64")]), I(0), None, None))


def shapes_fit(a, b):
    try:
        return len(np.broadcast_shapes(a, b)) <= 4 and np.prod(np.broadcast_shapes(a, b)) <= 5000
    except ValueError:
        return False


def factorings(n):
    found = [(n,), (1, n), (n, 1)]
    for a in range(2, n):
        if n % a == 0:
            found.append((a, n // a))
            for b in range(2, n // a):
                if n // a % b == 0:
                    found.append((a, b, n // a // b))
    return found if n != 1 else found + [()]


# The same examples in every run, but for campaigns with a number of their own.
SETTINGS = dict(derandomize="TESSERA_EXAMPLES" not in os.environ, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(max_examples=int(os.environ.get("TESSERA_EXAMPLES", 400)), **SETTINGS)
@given(st.data())
def test_random_expressions(on, off, data):
    e = Expression(data, off)
    chosen = sorted(set(data.draw(st.lists(st.integers(0, len(e.values) - 1), max_size=2))) | {len(e.values) - 1})
    sides = []
    for s in (on, off):
        arrays = e.build(s)
        roots = [arrays[i] for i in chosen]
        got = s.compute(*roots)
        sides.append(got if isinstance(got, list) else [got])
        text = s.explain(*roots)
        for a in arrays:
            s.lib.tsr_release(P(a))
    for i, x, y in zip(chosen, *sides):
        assert equal_bits(x, y), (x, y, text)
        want = e.values[i]
        assert x.dtype == want.dtype and x.shape == want.shape, (x.dtype, want.dtype, x.shape, want.shape)
        np.testing.assert_allclose(x, want, rtol=1e-9, atol=1e-9)
