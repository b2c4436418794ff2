"""tessera.array_api beside array-api-strict: the same names, values, dtypes."""
import itertools

import array_api_strict as strict
import numpy as np
import pytest

import tessera
import tessera.array_api as xp

strict.set_array_api_strict_flags(api_version=max(v for v in ("2024.12", "2025.12") if v <= strict.__array_api_version__))

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
KINDS = {name: np.dtype(name).kind for name in DTYPES}
# Their own matters, not the standard's.
NOT_COMPARED = {"set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags", "ArrayAPIStrictFlagsContext", "Device", "linalg",
                "fft", "ArrayAPIStrictFlags", "__array_api_version__", "__version__"}


def values(dtype, shape=(3, 4), seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    v = rng.integers(0 if dtype.kind in "ub" else -3, 4, shape)
    return (v / 2 + 1j * rng.integers(-2, 3, shape) if dtype.kind == "c" else v / 2 if dtype.kind == "f" else v).astype(dtype)


def numpy_of(x):
    return np.asarray(x) if isinstance(x, tessera.Array) else np.from_dlpack(x) if x.dtype != strict.bool else np.asarray(x)


def same(ours, theirs, rtol=0.0):
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs) and isinstance(ours, (tuple, list))
        for a, b in zip(ours, theirs):
            same(a, b, rtol)
        return
    assert type(ours) is xp.Array
    a, b = np.asarray(ours), np.asarray(theirs)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_allclose(a, b, rtol=rtol * (1e9 if a.dtype in ("f4", "c8") else 1), atol=rtol)


def test_every_name_is_there():
    wanted = set(strict.__all__) - NOT_COMPARED
    missing = {name for name in wanted if not hasattr(xp, name)}
    assert not missing
    for name in xp.__all__:
        assert hasattr(xp, name), name


@pytest.mark.parametrize("name", xp._ELEMENTWISE)
def test_elementwise(name):
    compared = 0
    for dtype in DTYPES:
        v, w = values(dtype), values(dtype, seed=1)
        for arguments in ((v,), (v, w)):
            theirs = [strict.asarray(a) for a in arguments]
            try:
                with np.errstate(all="ignore"):
                    expected = getattr(strict, name)(*theirs)
            except (TypeError, ValueError):
                continue
            same(getattr(xp, name)(*[xp.asarray(a) for a in arguments]), expected, 1e-14)
            compared += 1
    assert compared


CALLS = {
    "sum": [{}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}], "prod": [{}, {"axis": 1}], "max": [{}, {"axis": 0}], "min": [{"axis": -1, "keepdims": True}],
    "mean": [{}, {"axis": 0}], "var": [{}, {"axis": 0, "correction": 1.0}], "std": [{"axis": (0, 1)}], "all": [{}, {"axis": 0}], "any": [{"axis": 1}],
    "argmax": [{}, {"axis": 0}], "argmin": [{"axis": 1, "keepdims": True}], "count_nonzero": [{}, {"axis": 0}], "cumulative_sum": [{"axis": 0}, {"axis": 1, "include_initial": True}],
    "cumulative_prod": [{"axis": 1}], "diff": [{}, {"axis": 0, "n": 2}], "flip": [{}, {"axis": 0}], "roll": [{"shift": 2}, {"shift": (1, -1), "axis": (0, 1)}],
    "sort": [{}, {"axis": 0, "descending": True}], "argsort": [{}, {"axis": 0, "descending": True}], "tril": [{}, {"k": 1}], "triu": [{"k": -1}],
    "matrix_transpose": [{}], "nonzero": [{}], "unique_all": [{}], "unique_counts": [{}], "unique_inverse": [{}], "unique_values": [{}],
    "zeros_like": [{}], "ones_like": [{"dtype": "float32"}], "unstack": [{}, {"axis": 1}], "expand_dims": [{"axis": 1}], "permute_dims": [{"axes": (1, 0)}],
    "reshape": [{"shape": (4, 3)}, {"shape": (-1,)}], "squeeze": [], "repeat": [{"repeats": 2}, {"repeats": 2, "axis": 0}], "tile": [{"repetitions": (2, 1)}],
    "broadcast_to": [{"shape": (2, 3, 4)}], "full_like": [{"fill_value": 1}],
}
POSITIONAL = {"permute_dims": "axes", "reshape": "shape", "repeat": "repeats", "tile": "repetitions", "broadcast_to": "shape", "full_like": "fill_value",
              "roll": "shift"}


@pytest.mark.parametrize("name, options", [(name, options) for name, cases in CALLS.items() for options in cases], ids=str)
def test_functions_of_one_array(name, options):
    compared = 0
    for dtype in DTYPES:
        arguments = dict(options)
        extra = [arguments.pop(POSITIONAL[name])] if name in POSITIONAL else []
        theirs = dict(arguments)
        if "dtype" in theirs:
            theirs["dtype"], arguments["dtype"] = getattr(strict, theirs["dtype"]), getattr(xp, arguments["dtype"])
        try:
            expected = getattr(strict, name)(strict.asarray(values(dtype)), *extra, **theirs)
        except (TypeError, ValueError):
            continue
        same(getattr(xp, name)(xp.asarray(values(dtype)), *extra, **arguments), expected, 1e-13)
        compared += 1
    assert compared


def test_operators_and_promotion():
    for a, b in itertools.product(DTYPES, DTYPES):
        try:
            expected = strict.asarray(values(a)) * strict.asarray(values(b, seed=1))
        except TypeError:
            continue
        same(xp.asarray(values(a)) * xp.asarray(values(b, seed=1)), expected)
        assert xp.result_type(xp.asarray(values(a)), np.dtype(b)) == expected.dtype._np_dtype
    x = xp.asarray([1, 2, 3])
    same(2 * x - 1, strict.asarray([1, 3, 5]))
    x += 1
    assert type(x) is xp.Array and int(x[0]) == 2
    assert type(-x) is xp.Array and type(x == 2) is xp.Array and type(x.T if x.ndim == 2 else xp.expand_dims(x).T) is xp.Array


def test_creation():
    for call in (lambda m: m.arange(5), lambda m: m.arange(1.0, 2.0, 0.25), lambda m: m.linspace(0.0, 1.0, 7), lambda m: m.eye(3, 4, k=1),
                 lambda m: m.full((2, 3), 7), lambda m: m.full((2,), True), lambda m: m.zeros((2, 0)), lambda m: m.ones(3, dtype=m.int8),
                 lambda m: m.asarray([[1, 2], [3, 4]], dtype=m.float32), lambda m: m.meshgrid(m.arange(2), m.arange(3), indexing="ij"),
                 lambda m: m.concat([m.arange(2), m.arange(3)]), lambda m: m.stack([m.arange(2), m.arange(2)], axis=1), lambda m: m.where(m.arange(3) > 1, m.arange(3), m.zeros(3, dtype=m.int64)),
                 lambda m: m.take(m.arange(5), m.asarray([3, 1])), lambda m: m.searchsorted(m.arange(5), m.asarray([2, 9])),
                 lambda m: m.take_along_axis(m.asarray([[3, 1]]), m.asarray([[1, 0]]), axis=1), lambda m: m.broadcast_arrays(m.arange(3), m.zeros((2, 1))),
                 lambda m: m.astype(m.arange(3), m.float32), lambda m: m.moveaxis(m.zeros((2, 3)), 0, 1), lambda m: m.clip(m.arange(5), 1, 3),
                 lambda m: m.matmul(m.ones((2, 3)), m.ones((3, 4))), lambda m: m.tensordot(m.ones((2, 3)), m.ones((3, 4)), axes=1),
                 lambda m: m.vecdot(m.ones((2, 3)), m.ones(3)), lambda m: m.ones((2, 3)) @ m.ones((3, 2))):
        same(call(xp), call(strict), 1e-15)


def test_indexing():
    v = values("float64")
    x, y = xp.asarray(v), strict.asarray(v)
    for key in ((0, ...), (slice(None), 1), (..., slice(None, None, -1)), (None, 1, ...), (0, 0)):
        same(x[key], y[key])
    same(x[x > 0], y[y > 0])
    x[1, :] = 9.0
    y[1, :] = 9.0
    same(x, y)


def test_inspection():
    info = xp.__array_namespace_info__()
    assert info.default_device() == "cpu" and info.devices() == ("cpu",) and info.default_dtypes()["real floating"] == xp.float64
    assert set(info.dtypes()) == set(DTYPES) and set(info.dtypes(kind="bool")) == {"bool"}
    assert xp.finfo(xp.float32).bits == 32 and xp.iinfo(xp.int8).max == 127
    assert xp.isdtype(xp.int8, "integral") and not xp.isdtype(xp.int8, "real floating") and xp.can_cast(xp.int8, xp.int16)
    x = xp.zeros(3)
    assert x.device == "cpu" and x.to_device("cpu") is x and x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError):
        x.to_device("gpu")
    assert not hasattr(tessera.zeros(3), "__array_namespace__")  # xarray would take it for another kind of array
