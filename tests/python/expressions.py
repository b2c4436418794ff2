"""Expressions spelled for the tests of the optimizer and the planner, in sessions with and without rewrites, and plans read from their text."""
import contextlib
import os
import re
import sys

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from tsr import B, D, I, L, P, numbers  # noqa: E402

@contextlib.contextmanager
def environment(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def open_session(lib, optimize=True, **options):
    """Sessions look at the environment once, when they open."""
    with environment("TESSERA_OPTIMIZE", "1" if optimize else "0"):
        return tsr.Session(lib, **options)


@pytest.fixture(scope="module")
def on(lib):
    session = open_session(lib)
    yield session
    session.close()


@pytest.fixture(scope="module")
def off(lib):
    session = open_session(lib, optimize=False)
    yield session
    session.close()


# ---- Spelling ---------------------------------------------------------------------------------------------------------------


def full(s, value, shape, dtype="float64", chunks=None):
    scalar = tsr.Scalar(tsr.CODES[np.dtype(dtype)], int(value), max(int(value), 0), float(value), 0.0)
    f = s.lib.tsr_full
    f.restype = P
    return s.check(f(P(s.s), scalar, I(tsr.CODES[np.dtype(dtype)]), I(len(shape)), numbers(shape), numbers(chunks) if chunks else None))


def normal(s, seed, shape, chunks=None, dtype="float64"):
    return s.call("tsr_random_normal", s.s, tsr.ct.c_uint64(seed), D(0.5), D(2.0), I(tsr.CODES[np.dtype(dtype)]), I(len(shape)), numbers(shape),
                  numbers(chunks) if chunks else None)


def arange(s, n, chunks=None):
    return s.call("tsr_arange_int", s.s, L(0), L(n), L(1), I(tsr.CODES[np.dtype("int64")]), numbers(chunks) if chunks else None)


def concat(s, arrays, axis=0):
    return s.call("tsr_concatenate", I(len(arrays)), (P * len(arrays))(*arrays), I(axis))


def stack(s, arrays, axis=0):
    return s.call("tsr_stack", I(len(arrays)), (P * len(arrays))(*arrays), I(axis))


def take(s, a, indices, axis):
    return s.call("tsr_take", a, L(len(indices)), numbers(indices), I(axis))


def reshape(s, a, *shape):
    return s.call("tsr_reshape", a, I(len(shape)), numbers(shape))


def rechunk(s, a, *chunks):
    return s.call("tsr_rechunk", a, numbers(chunks))


def transpose(s, a):
    return s.call("tsr_transpose", a, None)


def astype(s, a, dtype):
    return s.call("tsr_astype", a, I(tsr.CODES[np.dtype(dtype)]))


def cumsum(s, a, axis):
    return s.call("tsr_cumsum", a, I(axis))


def median(s, a, axis):
    return s.call("tsr_median", a, I(1), numbers((axis,), I), B(False))


def quantile(s, a, q, axis):
    return s.call("tsr_quantile", a, I(len(q)), numbers(q, D), I(1), numbers((axis,), I), B(False))


def pad(s, a, widths, value=0.0):
    f = s.lib.tsr_pad
    f.restype = P
    flat = [w for pair in widths for w in pair]
    return s.check(f(P(a), numbers(flat), b"constant", tsr.Scalar(tsr.CODES[np.dtype("float64")], int(value), int(value), float(value), 0.0)))


def scalar(s, value, dtype="float64"):
    return full(s, value, (), dtype)


def rewrites(text):
    """{rule: times} of a plan's text."""
    found = re.search(r"^rewrites: (.*)$", text, re.MULTILINE)
    counts = {}
    for item in found[1].split(", ") if found else []:
        name, times = re.fullmatch(r"(.*?)(?: (\d+))?", item).groups()
        counts[name] = int(times or 1)
    return counts


def stages(text):
    return int(re.search(r"plan: (\d+) stage", text)[1])


def structure(text):
    return re.sub(r"^rewrites: .*\n", "", text, flags=re.MULTILINE)


def equal_bits(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


@contextlib.contextmanager
def fresh(lib, **options):
    s = open_session(lib, **{"threads": 2, **options})
    try:
        yield s
    finally:
        s.close()
