"""All functions that the package has in common with NumPy, called in many ways with odd arrays: negative steps, Fortran's order, the other
byte order, no strides, no dimensions, no elements, dtypes that do not fit each other. What NumPy can do, we can do, with its result.

Every function is called by the same patterns; what NumPy refuses does not count. Cases are the same in every run; TESSERA_EXAMPLES asks for more.
"""
import os
import warnings
import zlib

import numpy as np
import pytest

import tessera as ts

ROUNDS = max(int(os.environ.get("TESSERA_EXAMPLES", "60")) // 15, 1)
# No functions of values, or with values that follow from something else.
LEFT_OUT = set("empty empty_like random compute persist store save fromfunction apply_along_axis apply_over_axes piecewise isscalar from_array can_cast promote_types "
               "result_type issubdtype isdtype min_scalar_type broadcast_shapes compress fill_diagonal putmask put_along_axis histogramdd ix_ shape size ndim frompyfunc".split())
NAMES = [n for n in dir(ts) if not n.startswith("_") and n not in LEFT_OUT and callable(getattr(ts, n)) and callable(getattr(np, n, None)) and not isinstance(getattr(np, n), type)]
DTYPES = [np.dtype(c) for c in "? i1 i2 i4 i8 u1 u2 u4 u8 f4 f8 c8 c16".split()]
SHAPES = [(), (1,), (0,), (4,), (5,), (1, 1), (2, 3), (3, 2), (3, 3), (0, 3), (3, 0), (2, 3, 2), (1, 3, 1)]
PATTERNS = {
    "x": lambda f, x, y, k: f(x), "x y": lambda f, x, y, k: f(x, y), "x axis": lambda f, x, y, k: f(x, axis=k), "x k": lambda f, x, y, k: f(x, k), "[x y]": lambda f, x, y, k: f([x, y]),
    "[x y] axis": lambda f, x, y, k: f([x, y], axis=k), "x axis keepdims": lambda f, x, y, k: f(x, axis=k, keepdims=True), "k": lambda f, x, y, k: f(k),
    "x axes": lambda f, x, y, k: f(x, axis=(0, -1)), "x 2": lambda f, x, y, k: f(x, 2), "2.5 x": lambda f, x, y, k: f(2.5, x),
}
UNARY = ("x", "k", "[x y]")  # what is left of the patterns where a second argument would be out=
# What differs, and why. A pattern or "*".
DIFFERENT = {
    **{(n, "*"): "medians of complex numbers are not here" for n in ("median", "nanmedian")},
    **{(n, "*"): "numbers and their edges are float64 here, and real" for n in ("histogram", "histogram2d", "histogram_bin_edges")},
    ("unwrap", "*"): "integers of NumPy's overflow on the way", ("around", "*"): "bool stays bool", ("round", "*"): "bool stays bool", ("angle", "*"): "of small integers float64, not float16",
    ("searchsorted", "x y"): "the array is not sorted", ("searchsorted", "x 2"): "the array is not sorted", ("searchsorted", "x k"): "the array is not sorted", ("digitize", "*"): "no edges",
    ("gradient", "x y"): "places that do not rise give quotients of 0", ("reshape", "x k"): "NumPy takes any negative length for -1", ("bincount", "*"): "weights of another length, of no elements",
    ("corrcoef", "*"): "of nothing", ("cov", "x y"): "joining arrays of no elements", ("cov", "x k"): "joining arrays of no elements", ("cov", "x 2"): "joining arrays of no elements",
    ("roll", "x y"): "shifts are integers", ("rot90", "x y"): "a number of turns is an integer", ("full", "x y"): "NumPy drops axes of length 1", ("full_like", "*"): "NumPy drops axes of length 1",
    ("take", "x y"): "indices are integers", ("tile", "x y"): "counts are integers", ("tri", "2.5 x"): "lengths are integers", ("roll", "2.5 x"): "shifts are integers", ("roll", "x k"): "shifts are integers",
    ("polyval", "*"): "coefficients are 1-d", ("reshape", "x y"): "NumPy takes any negative length for -1", ("unravel_index", "*"): "lengths are not negative",
    ("arange", "*"): "there are no complex ranges", ("diff", "2.5 x"): "no differences of a number", ("diff", "x y"): "how often is an integer", ("trim_zeros", "[x y]"): "lists become arrays",
    **{(n, "*"): "the number of points is whole" for n in ("bartlett", "blackman", "hamming", "hanning", "kaiser")},
    ("diag_indices", "2.5 x"): "a number of dimensions is an integer", ("ravel_multi_index", "*"): "shapes are numbers",
}


def odd(rng, shape, dtype):
    """Small values in an array that lies in memory in an unusual way."""
    wide = tuple(2 * n for n in shape)
    values = rng.integers(-3 if dtype.kind in "ifc" else 0, 4, wide)
    if dtype.kind in "fc":
        values = values / 2 + (1j * rng.integers(-2, 3, wide) if dtype.kind == "c" else 0)
    values, first = np.asarray(values).astype(dtype), tuple(slice(0, n) for n in shape)
    return [lambda: values[tuple(slice(None, None, -2) for _ in shape)], lambda: np.asfortranarray(values[first]), lambda: values[first].astype(dtype.newbyteorder(">")),
            lambda: np.broadcast_to(values[tuple(slice(0, min(1, n)) for n in shape)], shape), lambda: values[tuple(slice(1, None, 2) for _ in shape)]][rng.integers(5)]()


def results(call, function, x, y, k):
    made = PATTERNS[call](function, x, y, k)
    return [np.asarray(v) for v in (made if isinstance(made, (tuple, list)) else [made])]


def same(got, want, name):
    want = want.astype(want.dtype.newbyteorder("="))
    half = want.dtype == np.float16  # which is float32 here
    want = want.astype(np.float32) if half else want
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    near = 2e-2 if half or (name in ("mean", "var", "std") and want.dtype.kind == "f") else 1e-4 if want.dtype in (np.float32, np.complex64) else 1e-11
    np.testing.assert_allclose(got, want, rtol=near, atol=near)


@pytest.mark.parametrize("name", NAMES)
def test_as_numpy(name):
    theirs = getattr(np, name)
    one = (isinstance(theirs, np.ufunc) and theirs.nin == 1) or name in "array asarray asanyarray copy sinc isreal iscomplex isposinf isneginf fix i0 nan_to_num real_if_close trim_zeros".split()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for call in UNARY if one else PATTERNS:
            for _ in range(ROUNDS):
                first = SHAPES[rng.integers(len(SHAPES))]
                second = first if rng.random() < 0.7 else SHAPES[rng.integers(len(SHAPES))]
                dtype = DTYPES[rng.integers(len(DTYPES))]
                other = dtype if rng.random() < 0.4 else DTYPES[rng.integers(len(DTYPES))]
                x, y, k, chunk = odd(rng, first, dtype), odd(rng, second, other), int(rng.integers(-2, 3)), int(rng.integers(1, 4))
                if (name, "*") in DIFFERENT or (name, call) in DIFFERENT:
                    continue
                try:
                    want = results(call, theirs, x, y, k)
                except Exception:
                    continue
                if any(w.dtype.kind not in "biufc" or w.dtype.char in "gG" for w in want):
                    continue
                case = f"{name}({call}): {x.dtype} {x.shape}, {y.dtype} {y.shape}, k {k}, chunks {chunk}"
                try:
                    got = results(call, getattr(ts, name), ts.from_array(x, chunks=chunk), ts.from_array(y, chunks=chunk), k)
                    assert len(got) == len(want)
                    for a, b in zip(got, want):
                        same(a, b, name)
                except Exception as error:
                    raise AssertionError(f"{case}\n{type(error).__name__}: {error}") from error
