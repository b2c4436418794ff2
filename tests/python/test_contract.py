"""Products against NumPy: matmul, dot, tensordot, einsum and their kin for every dtype, odd chunks and edge cases; and what must not
change the bits: threads and the memory budget."""
import itertools
import sys

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from expressions import normal  # noqa: E402
from tsr import I, L, P, numbers  # noqa: E402

rng = np.random.default_rng(3)
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()


def sample(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype == bool:
        return rng.random(shape) < 0.3
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    a = rng.normal(size=shape)
    return (a + 1j * rng.normal(size=shape) if dtype.kind == "c" else a).astype(dtype)


def same(got, want):
    want = np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape, (got.dtype, got.shape, want.dtype, want.shape)
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want)
    else:
        eps = np.finfo(want.dtype).eps
        np.testing.assert_allclose(got, want, rtol=400 * eps, atol=400 * eps * max(1, np.abs(want).max(initial=0)))


def tensordot(s, a, b, axes_a, axes_b):
    return s.call("tsr_tensordot", a, b, I(len(axes_a)), numbers(axes_a, I), numbers(axes_b, I))


def einsum(s, text, *arrays):
    return s.call("tsr_einsum", text.encode(), I(len(arrays)), (P * len(arrays))(*arrays))


# ---- matmul -----------------------------------------------------------------------------------------------------------------

MATMUL = [((3,), (3,)), ((4, 3), (3,)), ((3,), (3, 5)), ((4, 3), (3, 5)), ((1, 1), (1, 1)), ((2, 4, 3), (3, 5)), ((4, 3), (2, 3, 5)), ((2, 4, 3), (2, 3, 5)),
          ((2, 1, 4, 3), (7, 3, 5)), ((7, 4, 3), (2, 1, 3, 5)), ((1, 4, 3), (6, 3, 2)), ((3,), (2, 3, 5)), ((2, 4, 3), (3,)), ((0, 3), (3, 5)), ((4, 0), (0, 5)),
          ((4, 3), (3, 0)), ((0,), (0,)), ((2, 0, 3), (3, 1)), ((5, 1), (1, 6)), ((2, 1, 1), (3, 1, 1, 1))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("a,b", MATMUL)
def test_matmul(s, dtype, a, b):
    x, y = sample(dtype, a), sample(dtype, b)
    same(s.compute(s.call("tsr_matmul", s.array(x), s.array(y))), np.matmul(x, y))


@pytest.mark.parametrize("dtypes", list(itertools.product(("bool", "int8", "uint16", "int64", "uint64", "float32", "complex64"), repeat=2)))
def test_promotion(s, dtypes):
    x, y = sample(dtypes[0], (5, 7)), sample(dtypes[1], (7, 4))
    same(s.compute(s.call("tsr_matmul", s.array(x), s.array(y))), np.matmul(x, y))
    same(s.compute(tensordot(s, s.array(x), s.array(y), (1,), (0,))), np.tensordot(x, y, 1))


@pytest.mark.parametrize("dtype", ["int8", "bool", "float32", "float64", "complex128"])
@pytest.mark.parametrize("m,k,n", [(1, 1, 1), (300, 700, 260), (2000, 3, 5), (3, 5000, 4), (1, 70000, 1), (600, 600, 1), (1, 600, 600), (700, 1, 700)])
def test_tiles_and_chunks(s, dtype, m, k, n):
    x, y = sample(dtype, (m, k)), sample(dtype, (k, n))
    want = np.matmul(x, y)
    for chunks_x, chunks_y in [(None, None), ((max(m // 3, 1), max(k // 7, 1)), (max(k // 2, 1), max(n // 5, 1))), ((m, 97), (101, n))]:
        same(s.compute(s.call("tsr_matmul", s.array(x, chunks_x), s.array(y, chunks_y))), want)


def test_views_and_expressions(s):
    x, y = sample("float64", (400, 300)), sample("float64", (300, 500))
    a, b = s.array(x, (130, 70)), s.array(y, (64, 499))
    t = s.call("tsr_transpose", a, None)
    same(s.compute(s.call("tsr_matmul", t, a)), x.T @ x)
    same(s.compute(s.call("tsr_matmul", a, t)), x @ x.T)
    same(s.compute(s.call("tsr_matmul", s.slice(a, slice(None, None, -2), slice(3, 203)), s.slice(b, slice(200, 0, -1), slice(None, None, 3)))),
         x[::-2, 3:203] @ y[200:0:-1, ::3])
    z, w = s.map("add", a, s.array(x[:1])), s.map("sin", b)
    got = s.call("tsr_matmul", z, w)
    same(s.compute(got), (x + x[:1]) @ np.sin(y))
    same(s.compute(s.slice(got, slice(5, 9), 7)), ((x + x[:1]) @ np.sin(y))[5:9, 7])
    same(s.compute(s.reduce("sum", s.map("multiply", got, got), (0,))), (((x + x[:1]) @ np.sin(y)) ** 2).sum(0))
    product = s.compute(got, z)
    same(product[0], (x + x[:1]) @ np.sin(y))
    same(product[1], x + x[:1])
    same(s.compute(s.call("tsr_matmul", s.call("tsr_matmul", a, b), s.call("tsr_transpose", b, None))), x @ y @ y.T)


def test_persisted_and_stored(s, tmp_path):
    x, y = sample("float32", (500, 400)), sample("float32", (400, 300))
    a = s.persist(s.map("multiply", s.array(x, (100, 100)), s.array(np.float32(2))))
    np.save(tmp_path / "y.npy", y.astype(">f4"))
    b = s.call("tsr_open", s.s, str(tmp_path / "y.npy").encode(), None, numbers((150, 150)))
    same(s.compute(s.call("tsr_matmul", a, b)), (2 * x) @ y)


@pytest.mark.parametrize("a,b,text", [((3,), (4,), "do not fit"), ((2, 3), (2, 3), "do not fit"), ((), (3,), "no dimensions"), ((2, 3, 4), (3, 4, 5), "does not fit")])
def test_matmul_errors(s, a, b, text):
    with pytest.raises(tsr.Error, match=text):
        s.call("tsr_matmul", s.array(np.ones(a)), s.array(np.ones(b)))


VECTORS = [((4, 3), (3,)), ((1, 1), (1,)), ((2, 4, 3), (3,)), ((4, 3), (2, 3)), ((2, 1, 4, 3), (7, 3)), ((0, 3), (3,)), ((4, 0), (0,)), ((5, 4, 3), (0, 1, 3))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("a,b", VECTORS)
def test_matvec_and_vecmat(s, dtype, a, b):
    m, v = sample(dtype, a), sample(dtype, b)
    t = np.ascontiguousarray(np.swapaxes(m, -1, -2))
    for chunks in (1, 2):
        x, y, z = (s.array(k, tuple(max(1, -(-n // chunks)) for n in k.shape)) for k in (m, v, t))
        same(s.compute(s.call("tsr_matvec", x, y)), np.einsum("...ij,...j->...i", m, v) if dtype != "bool" else np.matmul(m, v[..., None])[..., 0])
        same(s.compute(s.call("tsr_vecmat", y, z)), np.einsum("...j,...ji->...i", v.conj(), t) if dtype != "bool" else np.matmul(v[..., None, :], t)[..., 0, :])


def test_matvec_and_vecmat_say_what_does_not_fit(s):
    x, v = s.array(np.ones((4, 3))), s.array(np.ones(3))
    for name, arrays, text in [("tsr_matvec", (v, v), "matvec: operand 0 has one dimension, matrices have two at least"),
                               ("tsr_matvec", (x, s.array(np.ones(()))), "matvec: operand 1 has no dimensions, vectors have one at least"),
                               ("tsr_matvec", (x, s.array(np.ones(4))), r"matvec: shapes \(4, 3\) and \(4,\) do not fit together: their last axes are summed"),
                               ("tsr_vecmat", (v, v), "vecmat: operand 1 has one dimension, matrices"), ("tsr_vecmat", (v, x), "last but one of the second"),
                               ("tsr_vecmat", (s.array(np.ones(())), x), "vecmat: operand 0 has no dimensions")]:
        with pytest.raises(tsr.Error, match=text):
            s.call(name, *arrays)


# ---- The others ---------------------------------------------------------------------------------------------------------------

PAIRS = [((), ()), ((3,), ()), ((), (2, 3)), ((3,), (3,)), ((4, 3), (3,)), ((3,), (3, 5)), ((4, 3), (3, 5)), ((2, 4, 3), (6, 3, 5)), ((2, 0), (0, 3))]


@pytest.mark.parametrize("dtype", ["bool", "int16", "uint64", "float32", "complex128"])
@pytest.mark.parametrize("a,b", PAIRS)
def test_dot_and_outer(s, dtype, a, b):
    x, y = sample(dtype, a), sample(dtype, b)
    same(s.compute(s.call("tsr_dot", s.array(x), s.array(y))), np.dot(x, y))
    same(s.compute(s.call("tsr_outer", s.array(x), s.array(y))), np.outer(x, y))
    same(s.compute(s.call("tsr_kron", s.array(x), s.array(y))), np.kron(x, y))


@pytest.mark.parametrize("dtype", ["bool", "int8", "float64", "complex64"])
@pytest.mark.parametrize("a,b", [((), ()), ((3,), ()), ((3,), (3,)), ((4, 3), (3,)), ((2, 4, 3), (6, 3)), ((2, 0), (0,))])
def test_inner(s, dtype, a, b):
    x, y = sample(dtype, a), sample(dtype, b)
    same(s.compute(s.call("tsr_inner", s.array(x), s.array(y))), np.inner(x, y))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32", "complex64", "complex128"])
def test_vdot(s, dtype):
    for a, b in [((5, 4), (5, 4)), ((20,), (4, 5)), ((0,), (0,)), ((), ()), ((50, 60), (3000,))]:
        x, y = sample(dtype, a), sample(dtype, b)
        same(s.compute(s.call("tsr_vdot", s.array(x), s.array(y))), np.vdot(x, y))
    x, y = sample(dtype, (4, 5, 3)), sample(dtype, (5, 3))
    same(s.compute(s.call("tsr_vecdot", s.array(x), s.array(y), I(-1))), np.vecdot(x, y) if hasattr(np, "vecdot") else np.einsum("abc,bc->ab", x.conj(), y))


@pytest.mark.parametrize("dtype", ["bool", "int32", "float64", "complex64"])
def test_tensordot(s, dtype):
    x, y = sample(dtype, (3, 4, 5, 2)), sample(dtype, (5, 3, 6, 4))
    for axes_a, axes_b in [((), ()), ((0,), (1,)), ((2, 1), (0, 3)), ((-2, 0, 1), (0, 1, -1)), ((1, 0, 2), (3, 1, 0))]:
        for chunks in [(None, None), ((2, 3, 2, 1), (3, 2, 5, 3))]:
            got = tensordot(s, s.array(x, chunks[0]), s.array(y, chunks[1]), axes_a, axes_b)
            same(s.compute(got), np.tensordot(x, y, (axes_a, axes_b)))
    with pytest.raises(tsr.Error, match="axis 0 has 3 elements"):
        tensordot(s, s.array(x), s.array(y), (0,), (0,))


def test_trace(s):
    x = sample("int8", (4, 5, 6))
    for offset, axes in itertools.product((-2, 0, 3, 9), ((0, 1), (2, 0), (-1, 1))):
        same(s.compute(s.call("tsr_trace", s.array(x, (3, 2, 4)), L(offset), I(axes[0]), I(axes[1]))), np.trace(x, offset, *axes))


EINSUMS = [("ij,jk->ik", (4, 5), (5, 3)), ("ij,jk", (4, 5), (5, 3)), ("ij,kj->ik", (4, 5), (3, 5)), ("ij->ji", (4, 5)), ("ji", (4, 5)), ("ii", (5, 5)), ("ii->i", (5, 5)),
           ("...ii->...i", (2, 3, 4, 4)), ("ij->", (4, 5)), ("ij->j", (4, 5)), ("i,i", (5,), (5,)), ("i,j", (5,), (4,)), ("i,j->ji", (5,), (4,)), ("bij,bjk->bik", (3, 4, 5), (3, 5, 2)),
           ("bij,bjk->ikb", (3, 4, 5), (3, 5, 2)), ("...ij,...jk->...ik", (3, 4, 5), (2, 1, 5, 2)), ("ij...,j...->i...", (4, 5, 3), (5, 3)), ("iji,j->ij", (4, 5, 4), (5,)),
           ("ij,jk,kl->il", (4, 5), (5, 3), (3, 6)), ("i,ij,j", (4,), (4, 5), (5,)), ("ijk,jil->kl", (3, 4, 5), (4, 3, 2)), ("a,b,c,d->dcba", (2,), (3,), (4,), (5,)),
           ("ij,ij->ij", (4, 5), (4, 5)), ("ij,ij->i", (4, 5), (4, 5)), ("ij,k->k", (4, 5), (3,)), (" i j , j k -> i k ", (4, 5), (5, 3)), ("ab,Bc->BcaB"[:5] + "->acB", (2, 3), (4, 5)),
           ("...,...", (3, 4), (4,)), ("...i,...i->...", (3, 4, 5), (4, 5)), ("ij,jk->ik", (4, 1), (5, 3)), ("ij,jk->ik", (0, 5), (5, 3)), ("ij,jk->ik", (4, 0), (0, 3)), (",", (), ()),
           (",ij->ji", (), (3, 4)), ("ijkl,klmn,mnij->", (2, 3, 4, 5), (4, 5, 3, 2), (3, 2, 2, 3)), ("ii,jj->ij", (3, 3), (4, 4)), ("xyz,xyz,xw->yw", (3, 4, 5), (3, 4, 5), (3, 6))]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float32", "float64", "complex128"])
@pytest.mark.parametrize("case", EINSUMS, ids=lambda c: c[0] + str(c[1:]))
def test_einsum(s, dtype, case):
    xs = [sample(dtype, shape) for shape in case[1:]]
    got = einsum(s, case[0], *[s.array(x, tuple(max(1, n // 2) for n in x.shape) or None) for x in xs])
    same(s.compute(got), np.einsum(case[0], *xs))


def test_einsum_of_large_tiles(s):
    x, y, z = sample("float64", (300, 20, 30)), sample("float64", (30, 300, 7)), sample("float64", (20, 7))
    got = einsum(s, "abc,cad,bd->bd", s.array(x, (100, 7, 30)), s.array(y, (11, 300, 7)), s.array(z))
    same(s.compute(got), np.einsum("abc,cad,bd->bd", x, y, z, optimize=True))


@pytest.mark.parametrize("text,shapes,message", [
    ("ij,jk", ((2, 3),), "fewer|more"), ("ij", ((2, 3), (3,)), "fewer|more"), ("ijk", ((2, 3),), "3 subscripts"), ("ij->k", ((2, 3),), "no array has"), ("ij->ii", ((2, 3),), "twice"),
    ("ij,jk", ((2, 3), (4, 5)), "elements along"), ("i.j", ((2, 3),), "ellipsis"), ("i1", ((2, 3),), "no subscript"), ("...i->i", ((2, 3),), "no ellipsis"), ("ii", ((2, 3),), "elements along")])
def test_einsum_errors(s, text, shapes, message):
    with pytest.raises(tsr.Error, match=message):
        einsum(s, text, *[s.array(np.ones(shape)) for shape in shapes])


# ---- What must not change the bits ----------------------------------------------------------------------------------------------

def build(s, dtype):
    a = normal(s, 1, (700, 900), (200, 300), dtype)
    b = s.map("add", a, s.array(np.asarray(1, dtype)))
    t = s.call("tsr_transpose", a, None)
    gram = s.call("tsr_matmul", t, b)
    vector = s.slice(b, 3)
    return [gram, s.reduce("sum", gram), s.call("tsr_matmul", a, vector), s.call("tsr_vdot", a, b), s.call("tsr_matmul", s.slice(b, slice(None), 5), a)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits(lib, dtype):
    results = []
    for options in [dict(threads=1), dict(threads=2), dict(threads=16), dict(threads=2, memory=32 << 20), dict(threads=7, memory=40 << 20)]:
        s = tsr.Session(lib, **options)
        results.append([x.tobytes() for x in s.compute(*build(s, dtype))] + [s.compute(x).tobytes() for x in build(s, dtype)[:1]])
        peak = s.stats().peak_bytes
        assert "memory" not in options or peak <= options["memory"], (peak, options)
        s.close()
    assert all(r == results[0] for r in results[1:]), [[x == y for x, y in zip(r, results[0])] for r in results]


def test_memory_stays_within_the_budget(lib):
    s = tsr.Session(lib, threads=2, memory=64 << 20)
    a = normal(s, 1, (3000, 3000), (500, 500))
    total = s.compute(s.reduce("sum", s.call("tsr_matmul", a, a)))
    assert s.stats().peak_bytes <= 64 << 20
    x = s.compute(a)
    np.testing.assert_allclose(total, x.sum(0) @ x.sum(1), rtol=1e-9)
    s.close()
