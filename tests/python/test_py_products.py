"""The Python package: products of arrays against NumPy."""
import numpy as np
import pytest

import tessera as ts

A, B = np.arange(12.0).reshape(3, 4) - 4, np.arange(20.0).reshape(4, 5) / 3
V, STACK = np.arange(4.0), np.arange(24).reshape(2, 3, 4)


def lazy(v):
    return ts.from_array(v, chunks=2)


CALLS = {
    "matmul": lambda xp, a, b, v, s: xp.matmul(a, b), "matmul of stacks": lambda xp, a, b, v, s: s @ b, "vector": lambda xp, a, b, v, s: a @ v,
    "dot": lambda xp, a, b, v, s: xp.dot(s, b), "inner": lambda xp, a, b, v, s: xp.inner(a, v), "outer": lambda xp, a, b, v, s: xp.outer(v, a),
    "vdot": lambda xp, a, b, v, s: xp.vdot(v, v * 1j), "vecdot": lambda xp, a, b, v, s: xp.vecdot(a, v), "kron": lambda xp, a, b, v, s: xp.kron(a, v),
    "tensordot": lambda xp, a, b, v, s: xp.tensordot(s, a, axes=([1, 2], [0, 1])), "tensordot 1": lambda xp, a, b, v, s: xp.tensordot(s, b, 1),
    "tensordot 0": lambda xp, a, b, v, s: xp.tensordot(v, v, 0), "trace": lambda xp, a, b, v, s: xp.trace(s), "trace k": lambda xp, a, b, v, s: xp.trace(a, 1),
    "einsum": lambda xp, a, b, v, s: xp.einsum("ij,jk->ik", a, b), "einsum diagonal": lambda xp, a, b, v, s: xp.einsum("ii->i", a[:, :3]),
    "einsum of three": lambda xp, a, b, v, s: xp.einsum("...ij,jk,j->...k", s, b, v), "einsum lists": lambda xp, a, b, v, s: xp.einsum(a, [0, 1], v, [1], [0]),
    "reflected": lambda xp, a, b, v, s: A @ b, "np.matmul": lambda xp, a, b, v, s: np.matmul(a, b), "np.einsum": lambda xp, a, b, v, s: np.einsum("ij->j", a),
    "np.tensordot": lambda xp, a, b, v, s: np.tensordot(a, b, 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_products(name):
    expected = CALLS[name](np, A, B, V, STACK)
    ours = CALLS[name](ts, *map(lazy, (A, B, V, STACK)))
    assert isinstance(ours, ts.Array) and (ours.shape, ours.dtype) == (np.shape(expected), np.asarray(expected).dtype)
    np.testing.assert_allclose(ours.compute(), expected, rtol=1e-13)


def test_mistakes():
    with pytest.raises(ValueError):
        lazy(A) @ lazy(A)
    with pytest.raises(ValueError):
        lazy(A) @ ts.asarray(2.0)
    with pytest.raises(ValueError):
        lazy(A) @ 2
    with pytest.raises(ValueError):
        ts.einsum("ij,jk->il", A, B)
    with pytest.raises(ValueError):
        ts.tensordot(A, B, 3)


def test_matvec_and_vecmat():
    rng = np.random.default_rng(9)
    a, v = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 5)) + 1j
    np.testing.assert_allclose(ts.matvec(ts.from_array(a, chunks=2), v).compute(), np.matvec(a, v), rtol=1e-12)
    np.testing.assert_allclose(ts.vecmat(v[:, :4], ts.from_array(a, chunks=3)).compute(), np.vecmat(v[:, :4], a), rtol=1e-12)
    with pytest.raises(ValueError):
        ts.matvec(ts.from_array(a), v[:, :3])


def test_array_equiv():
    assert ts.array_equiv([1, 2], [[1, 2], [1, 2]]) and not ts.array_equiv([1, 2], [1, 2, 3]) and not ts.array_equiv([1, 2], [1, 3])
