"""Random numbers: every distribution against scipy's, parameters and errors against NumPy's, the same numbers whatever the chunks."""
import json
import math
import pickle

import numpy as np
import pytest
from scipy import stats

import tessera as ts

N = 20_000
NAN = math.nan


def rng(seed=1):
    return ts.random.default_rng(seed)


# Distribution, parameters, and scipy's of the same; all seeds are fixed, so nothing here is a matter of luck.
REAL = {
    "beta": [((2, 3), stats.beta(2, 3)), ((0.5, 0.5), stats.beta(0.5, 0.5)), ((0.02, 4), stats.beta(0.02, 4)), ((500, 3), stats.beta(500, 3))],
    "chisquare": [((3,), stats.chi2(3)), ((0.4,), stats.chi2(0.4)), ((1e5,), stats.chi2(1e5))],
    "exponential": [((2.5,), stats.expon(scale=2.5)), ((), stats.expon())],
    "f": [((4, 7), stats.f(4, 7)), ((0.5, 30), stats.f(0.5, 30))],
    "gamma": [((3, 2), stats.gamma(3, scale=2)), ((0.1,), stats.gamma(0.1)), ((1, 1e-3), stats.gamma(1, scale=1e-3)), ((1e4,), stats.gamma(1e4))],
    "gumbel": [((), stats.gumbel_r()), ((-2, 3), stats.gumbel_r(-2, 3))],
    "laplace": [((), stats.laplace()), ((5, 0.1), stats.laplace(5, 0.1))],
    "logistic": [((), stats.logistic()), ((1, 4), stats.logistic(1, 4))],
    "lognormal": [((), stats.lognorm(1)), ((1, 0.25), stats.lognorm(0.25, scale=math.e))],
    "noncentral_chisquare": [((3, 2), stats.ncx2(3, 2)), ((0.5, 20), stats.ncx2(0.5, 20)), ((4, 0), stats.chi2(4))],
    "noncentral_f": [((3, 12, 2), stats.ncf(3, 12, 2))],
    "normal": [((), stats.norm()), ((-3, 1e-6), stats.norm(-3, 1e-6))],
    "pareto": [((3,), stats.lomax(3)), ((0.3,), stats.lomax(0.3))],
    "power": [((5,), stats.powerlaw(5)), ((0.2,), stats.powerlaw(0.2))],
    "random": [((), stats.uniform())],
    "rayleigh": [((), stats.rayleigh()), ((3,), stats.rayleigh(scale=3))],
    "standard_cauchy": [((), stats.cauchy())],
    "standard_exponential": [((), stats.expon())],
    "standard_gamma": [((2.5,), stats.gamma(2.5)), ((0.999,), stats.gamma(0.999)), ((1,), stats.gamma(1))],
    "standard_normal": [((), stats.norm())],
    "standard_t": [((5,), stats.t(5)), ((0.5,), stats.t(0.5)), ((1e6,), stats.norm())],
    "triangular": [((-1, 0, 4), stats.triang(0.2, -1, 5)), ((0, 0, 1), stats.triang(0, 0, 1)), ((0, 1, 1), stats.triang(1, 0, 1))],
    "uniform": [((-1, 7), stats.uniform(-1, 8))],
    "vonmises": [((0, 4), stats.vonmises(4)), ((0, 0.3), stats.vonmises(0.3)), ((0, 0), stats.uniform(-math.pi, 2 * math.pi)),
                 ((0, 1e8), stats.norm(0, 1e-4))],
    "wald": [((2, 3), stats.invgauss(2 / 3, scale=3)), ((1, 100), stats.invgauss(0.01, scale=100)), ((50, 0.5), stats.invgauss(100, scale=0.5))],
    "weibull": [((2,), stats.weibull_min(2)), ((0.3,), stats.weibull_min(0.3))],
}
COUNTS = {
    "binomial": [((10, 0.3), stats.binom(10, 0.3)), ((100, 0.8), stats.binom(100, 0.8)), ((10_000, 0.5), stats.binom(10_000, 0.5)),
                 ((10**9, 1e-8), stats.binom(10**9, 1e-8)), ((10**9, 5e-9), stats.binom(10**9, 5e-9))],
    "geometric": [((0.2,), stats.geom(0.2)), ((0.9,), stats.geom(0.9)), ((1e-3,), stats.geom(1e-3))],
    "hypergeometric": [((7, 13, 5), stats.hypergeom(20, 7, 5)), ((70, 30, 40), stats.hypergeom(100, 70, 40)),
                       ((30, 700, 650), stats.hypergeom(730, 30, 650)), ((10**6, 10**6, 1000), stats.hypergeom(2 * 10**6, 10**6, 1000))],
    "integers": [((-4, 9), stats.randint(-4, 9))],
    "logseries": [((0.7,), stats.logser(0.7)), ((0.01,), stats.logser(0.01)), ((0.999,), stats.logser(0.999))],
    "negative_binomial": [((5, 0.4), stats.nbinom(5, 0.4)), ((0.3, 0.05), stats.nbinom(0.3, 0.05))],
    "poisson": [((0.5,), stats.poisson(0.5)), ((9.9,), stats.poisson(9.9)), ((10,), stats.poisson(10)), ((250,), stats.poisson(250)),
                ((1e6,), stats.poisson(1e6)), ((), stats.poisson(1))],
    "zipf": [((2.5,), stats.zipf(2.5)), ((1.6,), stats.zipf(1.6)), ((30,), stats.zipf(30))],
}


def cases(table):
    return [pytest.param(name, parameters, law, id=f"{name}{parameters}") for name, several in table.items() for parameters, law in several]


@pytest.mark.parametrize("name, parameters, law", cases(REAL))
def test_real_distributions(name, parameters, law):
    x = getattr(rng(), name)(*parameters, size=N).compute()
    assert x.dtype == np.float64 and x.shape == (N,)
    assert stats.kstest(x, law.cdf).pvalue > 1e-4


def compare_counts(x, law):
    """Chi-square of classes that hold about a 40th each."""
    edges = np.unique(law.ppf(np.linspace(0, 1, 41)[1:-1]).astype(np.int64))
    expected = np.diff(np.concatenate([[0], law.cdf(edges), [1]]))
    observed = np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)
    keep = expected * len(x) > 5
    assert observed[~keep].sum() <= 30
    if keep.sum() > 1:
        scaled = expected[keep] / expected[keep].sum() * observed[keep].sum()
        assert stats.chisquare(observed[keep], scaled).pvalue > 1e-4


@pytest.mark.parametrize("name, parameters, law", cases(COUNTS))
def test_count_distributions(name, parameters, law):
    x = getattr(rng(3), name)(*parameters, size=N).compute()
    assert x.dtype == np.int64 and x.shape == (N,)
    compare_counts(x, law)


def test_every_distribution_is_tested():
    theirs = {"beta", "binomial", "chisquare", "choice", "dirichlet", "exponential", "f", "gamma", "geometric", "gumbel", "hypergeometric",
              "integers", "laplace", "logistic", "lognormal", "logseries", "multinomial", "multivariate_hypergeometric", "multivariate_normal",
              "negative_binomial", "noncentral_chisquare", "noncentral_f", "normal", "pareto", "permutation", "permuted", "poisson", "power",
              "random", "rayleigh", "shuffle", "standard_cauchy", "standard_exponential", "standard_gamma", "standard_normal", "standard_t",
              "triangular", "uniform", "vonmises", "wald", "weibull", "zipf", "bytes", "spawn"}
    assert {n for n in dir(np.random.Generator) if not n.startswith("_")} - {"bit_generator"} == theirs
    for name in theirs:
        assert hasattr(ts.random.Generator, name), name
    rows = {"choice", "dirichlet", "multinomial", "multivariate_hypergeometric", "multivariate_normal", "permutation", "permuted", "shuffle", "bytes",
            "spawn"}
    assert theirs - rows == set(REAL) | set(COUNTS)
    for name in set(np.random.__all__) - {"BitGenerator", "MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64", "SeedSequence", "get_state",
                                          "set_state"}:
        assert hasattr(ts.random, name), name
        assert getattr(ts.random, name).__doc__, name


@pytest.mark.parametrize("name", sorted(REAL | COUNTS))
def test_the_same_whatever_the_chunks(name):
    parameters = (REAL | COUNTS)[name][0][0]
    shape, draw = (37, 53), lambda **kw: getattr(rng(7), name)(*parameters, size=(37, 53), **kw)
    whole = draw().compute()
    with ts.Session(threads=3):
        for chunks in (1, (5, 53), (37, 7), ((30, 7), (1, 52))):
            x = draw(chunks=chunks)
            assert np.array_equal(x.compute(), whole)
        assert x.chunks == ((30, 7), (1, 52)) and x.shape == shape
        assert np.array_equal(draw(chunks=4)[::-3, 11].compute(), whole[::-3, 11])
    assert not np.array_equal(getattr(rng(8), name)(*parameters, size=shape).compute(), whole) or name == "zipf"


def test_arrays_are_independent():
    """Two draws of a generator, equal seeds of different distributions, and neighbours: correlations of a size to be expected."""
    g = rng(5)
    a, b = (g.normal(size=200_000).compute() for _ in range(2))
    u, e = (stats.norm.ppf(x) for x in (rng(5).random(200_000).compute(), stats.expon.cdf(rng(5).exponential(size=200_000).compute())))
    gam = stats.norm.ppf(stats.gamma(3).cdf(rng(5).standard_gamma(3, size=200_000).compute()))
    for x, y in ((a, b), (a, u), (u, e), (a, gam), (gam, e), (gam[1:], gam[:-1]), (e[1:], e[:-1]), (e[2:], e[:-2])):
        assert abs(np.corrcoef(x, y)[0, 1]) < 6 / math.sqrt(len(x))


def test_extremes():
    g = rng()
    assert np.all(g.gamma(0, size=3).compute() == 0) and np.all(g.exponential(0, size=3).compute() == 0)
    assert np.all(g.weibull(0, size=3).compute() == 0) and np.all(g.poisson(0, size=3).compute() == 0)
    assert np.all(g.normal(3, 0, size=3).compute() == 3) and np.all(np.isnan(g.normal(0, NAN, size=3).compute()))
    assert np.all(g.binomial(0, 0.5, size=3).compute() == 0) and np.all(g.binomial(9, [0, 1], size=(3, 2)).compute() == [0, 9])
    assert np.all(g.geometric(1, size=5).compute() == 1) and np.all(g.logseries(0, size=5).compute() == 1)
    assert np.all(g.geometric(1e-300, size=5).compute() > 2**62) and np.all(g.zipf(5000, size=5).compute() == 1)
    assert np.all(g.hypergeometric(5, 0, 3, size=5).compute() == 3) and np.all(g.hypergeometric(0, 5, 3, size=5).compute() == 0)
    assert np.all(g.hypergeometric(3, 4, [0, 7], size=(2, 2)).compute() == [0, 3]) and np.all(g.negative_binomial(3, 1, size=4).compute() == 0)
    assert np.all(g.uniform(2, 2, size=3).compute() == 2)
    tiny = g.beta(1e-9, 1e-9, size=1000).compute()
    assert np.all((tiny < 1e-6) | (tiny > 1 - 1e-6)) and 400 < (tiny > 0.5).sum() < 600
    assert np.all(np.isfinite(g.gumbel(size=100_000).compute())) and np.all(np.isfinite(g.logistic(size=100_000).compute()))
    x = g.poisson(9e18, size=1000).compute()
    assert abs(x.mean() / 9e18 - 1) < 1e-8 and x.std() / 3e9 == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name, parameters", [("random", ()), ("standard_normal", ()), ("standard_exponential", ()), ("standard_gamma", (2.0,))])
def test_dtypes(name, parameters, dtype):
    x = getattr(rng(), name)(*parameters, size=5000, dtype=dtype)
    assert x.dtype == dtype and x.compute().dtype == dtype
    assert np.array_equal(x.compute(), getattr(rng(), name)(*parameters, size=5000, dtype=dtype, chunks=13).compute())
    for bad in ("f2", "i8", "c16"):
        with pytest.raises(TypeError, match="Unsupported dtype"):
            getattr(rng(), name)(*parameters, size=3, dtype=bad)
    out = ts.zeros(5000, dtype=dtype)
    assert getattr(rng(), name)(*parameters, dtype=dtype, out=out) is out and np.array_equal(out.compute(), x.compute())
    with pytest.raises(TypeError):
        getattr(rng(), name)(*parameters, dtype=dtype, out=np.zeros(5000))


# Name, parameters: NumPy says what is wrong with them.
WRONG = [("beta", (0, 1)), ("beta", (1, -1)), ("beta", ([1, 0], 1)), ("chisquare", (0,)), ("exponential", (-1,)), ("exponential", ([1, -1],)), ("f", (0, 1)),
         ("f", (1, -1)), ("gamma", (-1,)), ("gamma", (1, -1)), ("gumbel", (0, -1)), ("laplace", (0, -1)), ("logistic", (0, -1)),
         ("lognormal", (0, -1)), ("noncentral_chisquare", (0, 1)), ("noncentral_chisquare", (1, -1)), ("noncentral_f", (0, 1, 1)),
         ("noncentral_f", (1, 0, 1)), ("noncentral_f", (1, 1, -1)), ("normal", (0, -1)), ("normal", (0, [1, -1])), ("pareto", (0,)), ("power", (0,)),
         ("rayleigh", (-1,)), ("standard_gamma", (-1,)), ("standard_t", (0,)), ("triangular", (3, 2, 4)), ("triangular", (1, 5, 4)),
         ("triangular", (1, 1, 1)), ("triangular", ([1, 2], [3, 1], 4)), ("uniform", (5, 1)), ("uniform", (0, math.inf)), ("vonmises", (0, -1)),
         ("wald", (0, 1)), ("wald", (1, 0)), ("weibull", (-1,)), ("binomial", (-1, 0.5)), ("binomial", (5, 1.5)), ("binomial", (5, NAN)),
         ("binomial", (5, [0.5, NAN])), ("binomial", ([5, -1], 0.5)), ("geometric", (0,)), ("geometric", (1.5,)), ("geometric", (NAN,)), ("hypergeometric", (1, 1, -1)),
         ("hypergeometric", (1, 1, 3)), ("hypergeometric", (10**9, 1, 3)), ("hypergeometric", ([1, 2], 2, [2, 5])), ("logseries", (1.0,)),
         ("logseries", (-1,)), ("negative_binomial", (0, 0.5)), ("negative_binomial", (1, 0)), ("poisson", (-1,)), ("poisson", (NAN,)),
         ("poisson", ([1, -1],)), ("poisson", (1e19,)), ("zipf", (1.0,)), ("zipf", (NAN,)), ("zipf", ([2, 1],)), ("integers", (5, 5)),
         ("integers", (5, 3)), ("integers", ([1, 2], [5, 2])), ("integers", (0, 2**63 + 1)), ("dirichlet", ([1, -1],)),
         ("multinomial", (-1, [0.5, 0.5])), ("multinomial", (5, [0.5, -0.1, 0.6])), ("multinomial", (5, [0.9, 0.6, 0.1])),
         ("multivariate_hypergeometric", ([1, 2], 4)), ("multivariate_hypergeometric", ([1, 2], -4)), ("choice", (5, 6, False)), ("choice", (0,)),
         ("choice", (-3,)), ("choice", (5, 2, True, [0.5, 0.5])), ("choice", (2, 2, True, [0.5, 0.6])), ("choice", (2, 2, True, [1.5, -0.5])),
         ("choice", (3, 2, True, [NAN, 0.5, 0.5])), ("choice", (3, 2, False, [1, 0, 0])), ("choice", (2.5,)), ("choice", ([], 3)),
         ("choice", ([[1, 2]], 3, True, None, 2)), ("permutation", ([[1]], 2))]


@pytest.mark.parametrize("name, parameters", WRONG, ids=str)
def test_mistakes(name, parameters):
    with pytest.raises(Exception) as theirs:
        getattr(np.random.default_rng(1), name)(*parameters)
    with pytest.raises(type(theirs.value)) as ours:
        getattr(rng(), name)(*parameters)
    said = str(ours.value).lower()
    if name in ("permutation", "multivariate_hypergeometric") or "axis" in said:
        return
    assert " ".join(str(theirs.value).lower().split()[:3]) in said, (str(theirs.value), said)


def test_mistakes_in_lazy_parameters():
    """They are found when they are computed."""
    bad = rng().random(10) - 2
    for name, parameters in (("exponential", (bad,)), ("gamma", (2, bad)), ("poisson", (bad,)), ("binomial", (5, bad)), ("zipf", (bad,)),
                             ("uniform", (0, bad)), ("triangular", (0, bad, 1)), ("integers", (0, bad)), ("hypergeometric", (bad.astype("i8") + 1, 1, 2)),
                             ("geometric", (bad,)), ("negative_binomial", (3, bad))):
        x = getattr(rng(), name)(*parameters)
        with pytest.raises(ValueError, match="out of the distribution's range"):
            x.compute()
    with pytest.raises(ValueError, match="shape"):
        rng().normal(bad, 1, size=3)
    with pytest.raises(ValueError):
        rng().normal([0, 1], [1, 2, 3])


def test_array_parameters():
    scale = np.array([1e-3, 1.0, 1e3])
    x = rng().exponential(scale, size=(50_000, 3), chunks=(1000, 2)).compute()
    assert np.allclose(x.mean(axis=0) / scale, 1, atol=0.03)
    lazy = ts.arange(1, 4, chunks=1)
    y = rng().poisson(lazy * 20.0, size=(50_000, 3))
    assert y.shape == (50_000, 3) and np.allclose(y.mean(axis=0).compute(), [20, 40, 60], rtol=0.01)
    assert rng().gamma(lazy, scale[:, None]).shape == (3, 3)
    assert rng().normal(np.zeros((4, 1)), [1, 2]).compute().shape == (4, 2)
    column = rng().binomial([[5], [10**6]], [0.5, 1e-6], size=(2, 2)).compute()
    assert column.shape == (2, 2) and column[0, 1] == 0
    low = np.array([0, 100])
    z = rng().integers(low, low + [3, 50], size=(5000, 2)).compute()
    assert z[:, 0].min() == 0 and z[:, 0].max() == 2 and z[:, 1].min() == 100 and z[:, 1].max() == 149
    some = lazy[lazy > 1]  # how many there are is found when it is needed
    assert rng().gamma(some, size=(7, 2)).compute().shape == (7, 2) and rng().poisson(some).shape == (2,)
    counts = rng().hypergeometric([5, 500], 10, [3, 400], size=(3000, 2)).compute().mean(axis=0)
    assert np.allclose(counts, [1, 400 * 500 / 510], rtol=0.05)


def test_shapes():
    for name, several in (REAL | COUNTS).items():
        parameters, law = several[0]
        x = getattr(rng(), name)(*parameters)
        assert x.shape == () and np.ndim(x.compute()) == 0
        assert getattr(rng(), name)(*parameters, size=0).compute().shape == (0,)
        assert getattr(rng(), name)(*parameters, size=(2, 0, 3)).compute().shape == (2, 0, 3)
        assert getattr(rng(), name)(*parameters, size=[2, 3]).compute().shape == (2, 3)
    with pytest.raises(ValueError):
        rng().gamma(1, size=-1)


def test_integers():
    for dtype in "i1 u1 i2 u2 i4 u4 i8 u8".split():
        info = np.iinfo(dtype)
        x = rng().integers(info.min, info.max, size=50_000, dtype=dtype, endpoint=True)
        values = x.compute()
        assert x.dtype == dtype and values.dtype == dtype
        share = (values.astype(float) - float(info.min)) / (float(info.max) - float(info.min))
        assert abs(share.mean() - 0.5) < 6 * math.sqrt(1 / 12 / 50_000)
        with pytest.raises(ValueError, match="out of bounds"):
            rng().integers(info.min, info.max + 2, dtype=dtype)
        with pytest.raises(ValueError, match="out of bounds"):
            rng().integers(info.min - 1, info.max, dtype=dtype)
    assert set(rng().integers(0, 2, size=50, dtype=bool).compute().tolist()) == {False, True}
    top = rng().integers(2**63, 2**63 + 3, size=1000, dtype="u8").compute()
    assert set(top.tolist()) == {2**63, 2**63 + 1, 2**63 + 2}
    assert rng().integers(5).compute() in range(5) and rng().integers(1, 1, endpoint=True).compute() == 1
    with pytest.raises(TypeError):
        rng().integers(5, dtype="f8")
    assert len(rng().bytes(10)) == 10 and isinstance(rng().bytes(3), bytes)


def test_dirichlet():
    alpha = np.array([0.2, 1, 5])
    x = rng().dirichlet(alpha, size=(100, 200), chunks=(7, 50))
    values = x.compute()
    assert values.shape == (100, 200, 3) and x.chunks[:2] == rng().random((100, 200), chunks=(7, 50)).chunks
    assert np.array_equal(values, rng().dirichlet(alpha, size=(100, 200)).compute())
    assert np.allclose(values.sum(axis=-1), 1, rtol=1e-12)
    for k in range(3):
        assert stats.kstest(values[..., k].ravel(), stats.beta(alpha[k], 6.2 - alpha[k]).cdf).pvalue > 1e-4
    tiny = rng().dirichlet([1e-6] * 4, size=2000).compute()
    assert np.allclose(tiny.sum(axis=1), 1) and np.allclose((tiny > 0.5).mean(axis=0), 0.25, atol=0.06)
    assert rng().dirichlet([]).compute().shape == (0,) and rng().dirichlet([1, 2], 0).compute().shape == (0, 2)


def test_multinomial():
    p = [0.1, 0.0, 0.6, 0.3]
    x = rng().multinomial(50, p, size=10_000, chunks=333).compute()
    assert np.all(x.sum(axis=1) == 50) and np.all(x[:, 1] == 0)
    assert np.array_equal(x, rng().multinomial(50, p, size=10_000).compute())
    for k in (0, 2, 3):
        compare_counts(x[:, k], stats.binom(50, p[k]))
    assert np.cov(x[:, 0], x[:, 2])[0, 1] == pytest.approx(-50 * 0.1 * 0.6, rel=0.1)
    y = rng().multinomial([[3], [1000]], [[0.5, 0.5], [0.9, 0.1]]).compute()
    assert y.shape == (2, 2, 2) and np.all(y.sum(axis=-1) == [[3, 3], [1000, 1000]]) and y[1, 1, 0] > 800
    assert rng().multinomial(3, [1.0]).compute().tolist() == [3] and rng().multinomial(0, [0.5, 0.5]).compute().tolist() == [0, 0]


def test_multivariate_hypergeometric():
    x = rng().multivariate_hypergeometric([16, 8, 4], 10, size=10_000, chunks=99).compute()
    assert np.all(x.sum(axis=1) == 10)
    for k, n in enumerate((16, 8, 4)):
        compare_counts(x[:, k], stats.hypergeom(28, n, 10))
    assert rng().multivariate_hypergeometric([3, 0, 2], 5).compute().tolist() == [3, 0, 2]


@pytest.mark.parametrize("method", ["svd", "eigh", "cholesky"])
def test_multivariate_normal(method):
    mean, cov = [1, -2, 0], np.array([[2, 0.5, 0.1], [0.5, 1, 0], [0.1, 0, 0.3]])
    x = rng().multivariate_normal(mean, cov, size=(100, 500), method=method, chunks=(9, 100)).compute()
    assert np.array_equal(x, rng().multivariate_normal(mean, cov, size=(100, 500), method=method).compute())
    flat = x.reshape(-1, 3)
    assert np.allclose(flat.mean(axis=0), mean, atol=0.04) and np.allclose(np.cov(flat.T), cov, atol=0.06)
    for k in range(3):
        assert stats.kstest(flat[:, k], stats.norm(mean[k], math.sqrt(cov[k, k])).cdf).pvalue > 1e-4
    assert rng().multivariate_normal(mean, cov, method=method).shape == (3,)
    with pytest.raises(ValueError):
        rng().multivariate_normal(mean, cov[:2])


def test_multivariate_normal_that_is_none():
    bad = [[1, 2], [2, 1]]
    with pytest.warns(RuntimeWarning, match="not symmetric positive-semidefinite"):
        rng().multivariate_normal([0, 0], bad)
    with pytest.raises(ValueError, match="not symmetric positive-semidefinite"):
        rng().multivariate_normal([0, 0], bad, check_valid="raise")
    rng().multivariate_normal([0, 0], bad, check_valid="ignore")


def test_choice():
    x = rng().choice(5, size=(100, 200), p=[0.1, 0, 0.2, 0.3, 0.4], chunks=37)
    values = x.compute()
    assert x.dtype == np.int64 and np.array_equal(values, rng().choice(5, size=(100, 200), p=[0.1, 0, 0.2, 0.3, 0.4]).compute())
    counts = np.bincount(values.ravel(), minlength=5)
    assert counts[1] == 0 and stats.chisquare(np.delete(counts, 1), np.array([0.1, 0.2, 0.3, 0.4]) * 20_000).pvalue > 1e-4
    names = np.array([1.5, 2.5, -3.5])
    y = rng().choice(names, size=9000, chunks=1000)
    assert y.dtype == np.float64 and np.allclose(np.unique(y.compute(), return_counts=True)[1], 3000, atol=300)
    assert np.isin(rng().choice(ts.arange(10, chunks=3), 100).compute(), np.arange(10)).all()
    assert rng().choice(3).shape == () and rng().choice(names).compute() in names
    without = rng().choice(100, 100, replace=False, chunks=9).compute()
    assert sorted(without) == list(range(100)) and list(without) != list(range(100))
    few = rng().choice(10**12, 1000, replace=False).compute()
    assert len(set(few.tolist())) == 1000 and few.max() < 10**12
    weighted = rng().choice([5, 6, 7, 8], (2, 2), replace=False, p=[0.1, 0.2, 0.3, 0.4]).compute()
    assert sorted(weighted.ravel()) == [5, 6, 7, 8]
    table = np.arange(12).reshape(3, 4)
    assert np.array_equal(np.sort(rng().choice(table, 4, replace=False, axis=1).compute(), axis=1), table)
    assert rng().choice(table, (2, 5)).shape == (2, 5, 4)
    assert rng().choice([], 0).compute().shape == (0,)


def test_weighted_choice_without_replacement_takes_the_likely_first():
    p, first = np.array([0.6, 0.3, 0.1]), np.zeros(3)
    g, pairs = rng(2), {}
    for _ in range(1500):
        a, b = g.choice(3, 2, replace=False, p=p).compute().tolist()
        pairs[a, b] = pairs.get((a, b), 0) + 1
    expected = {(a, b): 1500 * p[a] * p[b] / (1 - p[a]) for a in range(3) for b in range(3) if a != b}
    assert stats.chisquare([pairs.get(k, 0) for k in expected], list(expected.values())).pvalue > 1e-4


def test_orders():
    x = rng().permutation(1000, chunks=7)
    assert x.dtype == np.int64 and sorted(x.compute()) == list(range(1000))
    assert np.array_equal(x.compute(), rng().permutation(1000).compute())
    g, counts = rng(4), {}
    for _ in range(1200):
        key = tuple(g.permutation(3).compute().tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6 and stats.chisquare(list(counts.values())).pvalue > 1e-4
    values = np.arange(24).reshape(4, 6)
    y = rng().permutation(values).compute()
    assert sorted(map(tuple, y)) == list(map(tuple, values))
    z = rng().permutation(ts.from_array(values, chunks=2), axis=1).compute()
    assert np.array_equal(z[:, z[0].argsort()], values)
    long = rng().permutation(2**21 + 7)
    part = long[10**6:10**6 + 1000].compute()
    assert np.array_equal(part, long.compute()[10**6:10**6 + 1000]) and len(set(long.compute().tolist())) == 2**21 + 7
    assert rng().permutation(10**15)[:5].compute().max() < 10**15
    assert rng().permutation(0).compute().shape == (0,) and rng().permutation(1).compute().tolist() == [0]


def test_permuted_and_shuffle():
    values = np.arange(60).reshape(10, 6)
    for axis in (0, 1, -1, None):
        y = rng().permuted(values, axis=axis).compute()
        assert y.shape == (10, 6) and np.array_equal(np.sort(y, axis=axis if axis is not None else None).reshape(10, 6),
                                                     np.sort(values, axis=axis).reshape(10, 6))
        assert np.array_equal(y, rng().permuted(ts.from_array(values, chunks=(3, 4)), axis=axis).compute())
    x = ts.from_array(values, chunks=4)
    same = x
    assert rng().shuffle(x, axis=1) is None and same is x
    assert np.array_equal(np.sort(x.compute(), axis=1), values) and not np.array_equal(x.compute(), values)
    host = values.copy()
    rng().shuffle(host)
    assert sorted(map(tuple, host)) == list(map(tuple, values)) and not np.array_equal(host, values)
    names = list("abcdefgh")
    rng().shuffle(names)
    assert sorted(names) == list("abcdefgh") and names != list("abcdefgh")
    out = ts.zeros((10, 6), dtype=int)
    rng().permuted(values, axis=1, out=out)
    assert np.array_equal(np.sort(out.compute(), axis=1), values)


def test_legacy():
    ts.random.seed(3)
    a = [ts.random.rand(3, 2), ts.random.randn(4), ts.random.randint(2, 5, 10), ts.random.random_integers(3, size=50), ts.random.gamma(2, size=3)]
    ts.random.seed(3)
    b = [ts.random.rand(3, 2), ts.random.randn(4), ts.random.randint(2, 5, 10), ts.random.random_integers(3, size=50), ts.random.gamma(2, size=3)]
    for x, y in zip(a, b):
        assert np.array_equal(x.compute(), y.compute())
    assert a[0].shape == (3, 2) and set(a[3].compute().tolist()) == {1, 2, 3}
    state = ts.random.RandomState(5)
    assert np.array_equal(state.random_sample(7).compute(), ts.random.RandomState(5).random(7).compute())
    assert state.tomaxint(3).compute().min() >= 0 and state.choice([1, 2], 3).shape == (3,)
    with pytest.raises(ValueError, match="1-dimensional"):
        state.choice([[1, 2]])
    with pytest.raises(ValueError, match="low >= high"):
        ts.random.randint(3, 3)
    values = [1, 2, 3]
    ts.random.shuffle(values)
    assert sorted(values) == [1, 2, 3] and sorted(ts.random.permutation(4).compute()) == [0, 1, 2, 3]


def test_generators():
    g = rng(3)
    assert not np.array_equal(g.random(5).compute(), g.random(5).compute())
    assert ts.random.default_rng(g) is g and repr(g) == "tessera.random.Generator"
    assert np.array_equal(rng(np.random.SeedSequence(3)).random(5).compute(), rng(3).random(5).compute())
    assert np.array_equal(rng(np.random.default_rng(3)).random(5).compute(), rng(3).random(5).compute())
    one, two = rng(3).spawn(2)
    assert not np.array_equal(one.random(5).compute(), two.random(5).compute())


def test_they_fuse():
    """A sum of random numbers keeps none of them, whatever the distribution."""
    x = rng().gamma(2, 3, size=10**7)
    assert "fold" in (x * 2).mean().explain() and (x * 2).mean().explain().count("stage") == x.mean().explain().count("stage")
    with ts.Session(memory="64MiB"):
        assert rng().poisson(100, size=5 * 10**6).mean().compute() == pytest.approx(100, abs=0.05)


def test_state_and_pickles():
    r = ts.random.default_rng([1, 2, 3])
    r.normal(size=3)
    r.spawn(2)
    state, copied = r.bit_generator.state, pickle.loads(pickle.dumps(r))
    assert state == {"bit_generator": "Tessera", "entropy": [1, 2, 3], "spawn_key": (), "pool_size": 4, "position": 3}
    want = [r.random(5).compute(), r.spawn(1)[0].random(5).compute()]
    other = ts.random.default_rng(0)
    other.bit_generator.state = json.loads(json.dumps(state))
    for again in (copied, other):
        np.testing.assert_array_equal(again.random(5).compute(), want[0])
        np.testing.assert_array_equal(again.spawn(1)[0].random(5).compute(), want[1])
    children = ts.random.default_rng(5).bit_generator.spawn(2)
    assert [c.state["spawn_key"] for c in children] == [(0,), (1,)]
    np.testing.assert_array_equal(ts.random.default_rng(children[1].seed_seq).random(3).compute(), ts.random.default_rng(5).spawn(2)[1].random(3).compute())
    with pytest.raises(ValueError, match="for a Tessera generator"):
        r.bit_generator.state = np.random.default_rng(1).bit_generator.state
    with pytest.raises(TypeError):
        r.bit_generator.state = 3


def test_state_of_the_older_interface():
    r = ts.random.RandomState(4)
    r.rand(2)
    state, copied = r.get_state(), pickle.loads(pickle.dumps(r))
    want = r.randn(4).compute()
    r.set_state(state)
    np.testing.assert_array_equal(r.randn(4).compute(), want)
    np.testing.assert_array_equal(copied.randn(4).compute(), want)


@pytest.mark.parametrize("method", ["svd", "eigh"])
def test_multivariate_normal_of_covariances_that_are_none(method):
    bad, mean = [[1.0, 2.0], [2.0, 1.0]], [0.0, 0.0]
    with pytest.warns(RuntimeWarning, match="semidefinite"):
        rng().multivariate_normal(mean, bad, method=method)
    with pytest.raises(ValueError, match="semidefinite"):
        rng().multivariate_normal(mean, bad, check_valid="raise", method=method)
    assert rng().multivariate_normal(mean, bad, 3, "ignore", method=method).shape == (3, 2)
    with pytest.raises(np.linalg.LinAlgError):
        rng().multivariate_normal(mean, bad, method="cholesky")
    for arguments in ([[mean], bad], [mean, mean], [[0.0], bad], [mean, [[np.nan, 0], [0, 1]]]):
        with pytest.raises(ValueError):
            rng().multivariate_normal(*arguments, method=method)
    with pytest.raises(ValueError, match="method must be"):
        rng().multivariate_normal(mean, np.eye(2), method="qr")


def test_multivariate_normal_of_lazy_parameters():
    cov = ts.from_array(np.array([[2.0, 0.3], [0.3, 1.0]]), chunks=1)
    x = rng().multivariate_normal(ts.arange(2), cov * 2, size=(4, 3))
    np.testing.assert_array_equal(x.compute(), rng().multivariate_normal([0, 1], [[4.0, 0.6], [0.6, 2.0]], size=(4, 3), chunks=2).compute())
    assert rng().multivariate_normal([], np.zeros((0, 0)), 3).shape == (3, 0)
