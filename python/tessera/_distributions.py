"""The distributions, spelt for the library: what Generator and RandomState have in common."""
from __future__ import annotations

import math
import operator
import warnings

import numpy as np
from numpy.exceptions import AxisError

from . import _chunks, _elementwise
from ._core import Node, asnode, make
from ._creation import created, lengths_of
from ._lib import CODES, dtype_code, failure, ffi, lib
from ._manipulation import take
from ._session import current


def entropy(seed) -> np.random.SeedSequence:
    """What a seed stands for: an integer, several, nothing, a SeedSequence, or a generator of NumPy's."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    source = getattr(seed, "bit_generator", seed)
    return source.seed_seq if isinstance(source, (np.random.BitGenerator, Seeds)) else np.random.SeedSequence(seed)


def real_dtype(dtype, name: str) -> int:
    """float32 or float64."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"Unsupported dtype {dtype!r} for {name}")
    return dtype_code(dtype)


def parameter(value, session):
    """A parameter as an array; a number as a constant."""
    if isinstance(value, (bool, np.bool_)):
        value = int(value)
    if isinstance(value, (int, np.integer)):
        return make(lib.tsr_scalar_array(session.handle(), lib.tsr_int(int(value))), session)
    if isinstance(value, (float, np.floating)):
        return make(lib.tsr_scalar_array(session.handle(), lib.tsr_float(float(value))), session)
    return asnode(value, session)


class Seeds:
    """What a generator takes the seeds of its arrays from (`rng.bit_generator`). Its state is the seed and a position: how many arrays were
    drawn and children spawned, which is all there is, as the numbers of an array follow from its seed.

    >>> import tessera as ts
    >>> rng = ts.random.default_rng(7)
    >>> state = rng.bit_generator.state
    >>> first = rng.random(3).compute()
    >>> rng.bit_generator.state = state
    >>> bool((rng.random(3) == first).all()), state["position"]
    (True, 0)
    """

    NAME = "Tessera"

    def __init__(self, owner: "Distributions") -> None:
        self._owner = owner

    @property
    def seed_seq(self) -> np.random.SeedSequence:
        """The seed, as NumPy's SeedSequence."""
        return self._owner._sequence

    @property
    def state(self) -> dict:
        """Seed and position, as plain values that can be stored; may be assigned."""
        s = self.seed_seq
        return {"bit_generator": self.NAME, "entropy": s.entropy, "spawn_key": tuple(s.spawn_key), "pool_size": s.pool_size,
                "position": s.n_children_spawned}

    @state.setter
    def state(self, value: dict) -> None:
        if not isinstance(value, dict):
            raise TypeError("state must be a dict")
        if value.get("bit_generator") != self.NAME:
            raise ValueError(f"state must be for a {self.NAME} generator, this is for {value.get('bit_generator')!r}")
        self._owner._sequence = np.random.SeedSequence(value["entropy"], spawn_key=value["spawn_key"], pool_size=value["pool_size"],
                                                       n_children_spawned=value["position"])

    def spawn(self, n_children: int) -> list["Seeds"]:
        """Those of independent generators."""
        return [type(self._owner)(child).bit_generator for child in self.seed_seq.spawn(n_children)]


class Distributions:
    """Draws arrays, each with a seed of its own."""

    def __init__(self, seed=None) -> None:
        self._sequence = entropy(seed)

    @property
    def bit_generator(self) -> Seeds:
        """Seed and position: `rng.bit_generator.state`."""
        return Seeds(self)

    def _key(self) -> int:
        return int(self._sequence.spawn(1)[0].generate_state(1, np.uint64)[0])

    def _draw(self, name: str, parameters: tuple, size, chunks, dtype: int):
        """An array of a named distribution."""
        session = next((p._s for p in parameters if isinstance(p, Node)), None) or current()
        nodes = [parameter(p, session) for p in parameters]
        shape = np.broadcast_shapes(*(n.shape for n in nodes)) if size is None else lengths_of(size)
        items = _chunks.parse(chunks, len(shape), shape=shape, itemsize=lib.tsr_dtype_size(dtype))
        p = lib.tsr_random(session.handle(), self._key(), name.encode(), len(nodes), [n._p for n in nodes], dtype, len(shape), shape,
                           _chunks.regular(items))
        return created(p, session, items)

    def _real(self, name: str, *parameters, size, chunks, dtype=np.float64):
        return self._draw(name, parameters, size, chunks, real_dtype(dtype, name))

    def _count(self, name: str, *parameters, size, chunks):
        return self._draw(name, parameters, size, chunks, lib.TSR_I64)

    def _rows(self, function, head: tuple, tail: tuple, size, chunks, session):
        """An array with one row for each element of the size."""
        shape = () if size is None else lengths_of(size)
        key = self._key()
        if _chunks.says_bytes(chunks):  # a row is never cut
            like = make(function(*head, key, *tail, len(shape), shape, ffi.NULL), session)
            chunks = _chunks.in_bytes(chunks, shape, like.itemsize * math.prod(like.shape[len(shape):]) or 1)
        items = _chunks.parse(chunks, len(shape))
        array = make(function(*head, key, *tail, len(shape), shape, _chunks.regular(items)), session)
        irregular = items and any(isinstance(i, tuple) for i in items)
        return make(_chunks.rechunk(array._p, [*items, -1]), session) if irregular else array

    # ---- Real distributions ---------------------------------------------------------------------------------------------

    def beta(self, a, b, size=None, *, chunks="auto"):
        """Beta: proportions.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(1).beta(2, 3, size=100_000)
        >>> bool(abs(x.mean() - 2 / 5) < 0.01)
        True
        """
        return self._real("beta", a, b, size=size, chunks=chunks)

    def chisquare(self, df, size=None, *, chunks="auto"):
        """Sums of `df` squared standard normal numbers."""
        return self._real("chisquare", df, size=size, chunks=chunks)

    def exponential(self, scale=1.0, size=None, *, chunks="auto"):
        """Exponential of this mean.

        >>> import tessera as ts
        >>> ts.random.default_rng(1).exponential([1.0, 100.0], size=(3, 2)).shape
        (3, 2)
        """
        return self._real("exponential", scale, size=size, chunks=chunks)

    def f(self, dfnum, dfden, size=None, *, chunks="auto"):
        """Fisher's F: the ratio of two mean squares."""
        return self._real("f", dfnum, dfden, size=size, chunks=chunks)

    def gamma(self, shape, scale=1.0, size=None, *, chunks="auto"):
        """Gamma of this shape and scale.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(1).gamma(3.0, 2.0, size=100_000, chunks=1000)
        >>> bool(abs(x.mean() - 6) < 0.1)
        True
        """
        return self._real("gamma", shape, scale, size=size, chunks=chunks)

    def gumbel(self, loc=0.0, scale=1.0, size=None, *, chunks="auto"):
        """Gumbel: the largest of many."""
        return self._real("gumbel", loc, scale, size=size, chunks=chunks)

    def laplace(self, loc=0.0, scale=1.0, size=None, *, chunks="auto"):
        """Laplace: exponential to both sides of `loc`."""
        return self._real("laplace", loc, scale, size=size, chunks=chunks)

    def logistic(self, loc=0.0, scale=1.0, size=None, *, chunks="auto"):
        """Logistic."""
        return self._real("logistic", loc, scale, size=size, chunks=chunks)

    def lognormal(self, mean=0.0, sigma=1.0, size=None, *, chunks="auto"):
        """Numbers whose logarithms are normal."""
        return self._real("lognormal", mean, sigma, size=size, chunks=chunks)

    def noncentral_chisquare(self, df, nonc, size=None, *, chunks="auto"):
        """Sums of `df` squared normal numbers whose means' squares add up to `nonc`."""
        return self._real("noncentral_chisquare", df, nonc, size=size, chunks=chunks)

    def noncentral_f(self, dfnum, dfden, nonc, size=None, *, chunks="auto"):
        """F with a noncentral numerator."""
        return self._real("noncentral_f", dfnum, dfden, nonc, size=size, chunks=chunks)

    def normal(self, loc=0.0, scale=1.0, size=None, dtype=np.float64, *, chunks="auto"):
        """Normally distributed numbers of this mean and standard deviation.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(42).normal(10, 0.1, size=(1000, 1000))
        >>> bool(abs(x.mean() - 10) < 0.01)
        True
        """
        return self._real("normal", loc, scale, size=size, chunks=chunks, dtype=dtype)

    def pareto(self, a, size=None, *, chunks="auto"):
        """Pareto II (Lomax)."""
        return self._real("pareto", a, size=size, chunks=chunks)

    def power(self, a, size=None, *, chunks="auto"):
        """Numbers from 0 to 1 whose density is a power."""
        return self._real("power", a, size=size, chunks=chunks)

    def rayleigh(self, scale=1.0, size=None, *, chunks="auto"):
        """Rayleigh."""
        return self._real("rayleigh", scale, size=size, chunks=chunks)

    def standard_cauchy(self, size=None, *, chunks="auto"):
        """Cauchy of mode 0."""
        return self._real("standard_cauchy", size=size, chunks=chunks)

    def standard_t(self, df, size=None, *, chunks="auto"):
        """Student's t."""
        return self._real("standard_t", df, size=size, chunks=chunks)

    def triangular(self, left, mode, right, size=None, *, chunks="auto"):
        """Triangular between left and right."""
        return self._real("triangular", left, mode, right, size=size, chunks=chunks)

    def uniform(self, low=0.0, high=1.0, size=None, dtype=np.float64, *, chunks="auto"):
        """Uniform numbers, low <= x < high."""
        try:
            return self._real("uniform", low, high, size=size, chunks=chunks, dtype=dtype)
        except ValueError as error:
            if "range exceeds" in str(error):
                raise OverflowError(str(error)) from None
            raise

    def vonmises(self, mu, kappa, size=None, *, chunks="auto"):
        """Angles about mu, from -pi to pi."""
        return self._real("vonmises", mu, kappa, size=size, chunks=chunks)

    def wald(self, mean, scale, size=None, *, chunks="auto"):
        """Wald (inverse Gaussian)."""
        return self._real("wald", mean, scale, size=size, chunks=chunks)

    def weibull(self, a, size=None, *, chunks="auto"):
        """Weibull of scale 1."""
        return self._real("weibull", a, size=size, chunks=chunks)

    # ---- Counts ---------------------------------------------------------------------------------------------------------

    def binomial(self, n, p, size=None, *, chunks="auto"):
        """How many of n trials succeed.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(1).binomial([10, 1000], 0.5, size=(10_000, 2))
        >>> [round(m, -1) for m in x.mean(axis=0).compute().tolist()]
        [0.0, 500.0]
        """
        return self._count("binomial", n, p, size=size, chunks=chunks)

    def geometric(self, p, size=None, *, chunks="auto"):
        """How many trials the first success takes."""
        return self._count("geometric", p, size=size, chunks=chunks)

    def hypergeometric(self, ngood, nbad, nsample, size=None, *, chunks="auto"):
        """How many of a sample are good."""
        return self._count("hypergeometric", ngood, nbad, nsample, size=size, chunks=chunks)

    def logseries(self, p, size=None, *, chunks="auto"):
        """Logarithmic series."""
        return self._count("logseries", p, size=size, chunks=chunks)

    def negative_binomial(self, n, p, size=None, *, chunks="auto"):
        """Failures before n successes."""
        return self._count("negative_binomial", n, p, size=size, chunks=chunks)

    def poisson(self, lam=1.0, size=None, *, chunks="auto"):
        """Poisson of this mean.

        >>> import tessera as ts
        >>> rate = ts.arange(4.0)                 # a lazy array as the parameter
        >>> int(ts.random.default_rng(1).poisson(rate)[0])
        0
        """
        return self._count("poisson", lam, size=size, chunks=chunks)

    def zipf(self, a, size=None, *, chunks="auto"):
        """Zipf."""
        return self._count("zipf", a, size=size, chunks=chunks)

    # ---- Rows -----------------------------------------------------------------------------------------------------------

    def dirichlet(self, alpha, size=None, *, chunks="auto"):
        """Proportions that add up to 1, along a new last axis.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(1).dirichlet([1, 2, 3], size=1000)
        >>> x.shape, bool(abs(x.sum(axis=1) - 1).max() < 1e-12)
        ((1000, 3), True)
        """
        alpha = asnode(alpha)
        return self._rows(lib.tsr_random_dirichlet, (alpha._p,), (), size, chunks, alpha._s)

    def multinomial(self, n, pvals, size=None, *, chunks="auto"):
        """How many of n trials have each of the outcomes, along a new last axis.

        >>> import tessera as ts
        >>> dice = ts.random.default_rng(1).multinomial(20, [1 / 6] * 6, size=1000)
        >>> dice.shape, int(dice.sum(axis=1).min()), int(dice.sum(axis=1).max())
        ((1000, 6), 20, 20)
        """
        pvals = asnode(pvals)
        n = parameter(n, pvals._s)
        if size is None:
            size = np.broadcast_shapes(n.shape, pvals.shape[:-1])
        return self._rows(lib.tsr_random_multinomial, (n._p, pvals._p), (), size, chunks, pvals._s)

    def multivariate_hypergeometric(self, colors, nsample, size=None, method="marginals", *, chunks="auto"):
        """How many of each color are in a sample, along a new last axis."""
        if method not in ("marginals", "count"):
            raise ValueError('method must be "count" or "marginals".')
        colors = asnode(colors)
        return self._rows(lib.tsr_random_multivariate_hypergeometric, (colors._p, operator.index(nsample)), (), size, chunks, colors._s)

    def multivariate_normal(self, mean, cov, size=None, check_valid="warn", tol=1e-8, *, method="svd", chunks="auto"):
        """Normal numbers of these means and covariances, along a new last axis. Mean and covariances are small: they are computed.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(1).multivariate_normal([0, 5], [[1, 0.5], [0.5, 2]], size=100_000)
        >>> ts.cov(x, rowvar=False).compute().round(1)
        array([[1. , 0.5],
               [0.5, 2. ]])
        """
        if check_valid not in ("warn", "raise", "ignore"):
            raise ValueError("check_valid must equal 'warn', 'raise', or 'ignore'")
        mean, valid = asnode(mean), ffi.new("bool *")
        cov = asnode(cov, mean._s)
        try:
            array = self._rows(lib.tsr_random_multivariate_normal, (mean._p, cov._p), (method.encode(), tol, valid), size, chunks, mean._s)
        except ValueError as error:
            raise np.linalg.LinAlgError(str(error)) if "positive definite" in str(error) or "did not converge" in str(error) else error from None
        if check_valid != "ignore" and not valid[0]:
            if check_valid == "raise":
                raise ValueError("covariance is not symmetric positive-semidefinite.")
            warnings.warn("covariance is not symmetric positive-semidefinite.", RuntimeWarning, stacklevel=2)
        return array

    # ---- Choices and orders -----------------------------------------------------------------------------------------------

    def _indices(self, n: int, size, replace, p, chunks, session):
        shape = () if size is None else lengths_of(size)
        items = _chunks.parse(chunks, len(shape), shape=shape, itemsize=8)
        weights = None if p is None else asnode(p, session)
        result = lib.tsr_random_choice(session.handle(), self._key(), n, ffi.NULL if p is None else weights._p, bool(replace), len(shape), shape,
                                       _chunks.regular(items))
        return created(result, session, items)

    def _choice(self, a, size, replace, p, axis, chunks):
        try:
            n = operator.index(a.item() if isinstance(a, np.ndarray) and a.ndim == 0 else a)
        except (TypeError, ValueError):
            n = None
        if n is not None:
            return self._indices(n, size, replace, p, chunks, current())
        if np.isscalar(a):
            raise ValueError(f"a must be a sequence or an integer, not {type(a)}")
        a = asnode(a)
        if a.ndim == 0:
            raise ValueError("a must be a sequence or an integer")
        if a.ndim == 1:
            shape = () if size is None else lengths_of(size)
            if a.shape[0] == 0 and math.prod(shape) > 0:
                raise ValueError("a cannot be empty unless no samples are taken")
            items = _chunks.parse(chunks, len(shape), shape=shape, itemsize=a.itemsize)
            weights = None if p is None else asnode(p, a._s)
            result = lib.tsr_random_choice_of(a._p, self._key(), ffi.NULL if p is None else weights._p, bool(replace), len(shape), shape,
                                              _chunks.regular(items))
            return created(result, a._s, items)
        if not -a.ndim <= axis < a.ndim:
            raise AxisError(axis, a.ndim)
        if a.shape[axis] == 0 and (size is None or math.prod(lengths_of(size)) > 0):
            raise ValueError("a cannot be empty unless no samples are taken")
        return take(a, self._indices(a.shape[axis], size, replace, p, "auto", a._s).compute(), axis=axis)

    def _order(self, n: int, chunks, session):
        items = _chunks.parse(chunks, 1, shape=(n,), itemsize=8)
        return created(lib.tsr_random_permutation(session.handle(), self._key(), n, _chunks.regular(items)), session, items)

    def _permutation(self, x, axis, chunks):
        if isinstance(x, (int, np.integer)):
            return self._order(max(int(x), 0), chunks, current())
        x = asnode(x)
        if not -x.ndim <= axis < x.ndim:
            raise AxisError(axis, x.ndim)
        return take(x, self._order(x.shape[axis], "auto", x._s).compute(), axis=axis)

    def _shuffle(self, x, axis) -> None:
        if isinstance(x, Node):
            if not -x.ndim <= axis < x.ndim:
                raise AxisError(axis, x.ndim)
            _elementwise.replace(x, self._permutation(x, axis, "auto"))
        elif isinstance(x, np.ndarray):
            if not -x.ndim <= axis < x.ndim:
                raise AxisError(axis, x.ndim)
            x[...] = np.take(x, self._order(x.shape[axis], "auto", current()).compute(), axis=axis)
        else:
            if axis != 0:
                raise NotImplementedError("Axis argument is only supported on ndarray objects")
            x[:] = [x[i] for i in self._order(len(x), "auto", current()).compute().tolist()]

    def bytes(self, length: int) -> bytes:
        """Random bytes, at once."""
        return self._integers(0, 256, length, np.uint8, "auto").compute().tobytes()

    # ---- Integers -----------------------------------------------------------------------------------------------------------

    def _integers(self, low, high, size, dtype, chunks, name="integers"):
        """low <= x < high, both numbers or arrays."""
        dtype = np.dtype(dtype)
        if dtype not in CODES or dtype.kind not in "iub":
            raise TypeError(f"Unsupported dtype {dtype!r} for {name}")
        least, most = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        for bound, text in ((low, "low"), (high, "high")):
            if isinstance(bound, Node):
                continue
            values = np.asarray(bound)
            if values.size and (int(values.min()) < least if text == "low" else int(values.max()) > most + 1):
                raise ValueError(f"{text} is out of bounds for {dtype}")
        if np.ndim(low) == 0 and np.ndim(high) == 0 and not isinstance(low, Node) and not isinstance(high, Node):
            return self._between(int(low), int(high), () if size is None else size, dtype, chunks)
        numbers = self._count("integers", low, high, size=size, chunks=chunks)
        return numbers.astype(dtype)

    def _between(self, low: int, high: int, size, dtype, chunks):
        if low >= high:
            raise ValueError("low >= high")
        if high - low == 2**64:
            upper, lower = (self._between(0, 2**32, size, np.dtype(np.uint64), chunks) for _ in range(2))
            return (upper << np.uint64(32) | lower).astype(dtype)
        beyond = max(high - (2**63 - 1), 0)  # the library counts in int64
        shape, session = lengths_of(size), current()
        items = _chunks.parse(chunks, len(shape), shape=shape, itemsize=dtype.itemsize)
        wide = dtype if not beyond and dtype.kind != "b" else np.dtype(np.int64)
        array = created(lib.tsr_random_integers(session.handle(), self._key(), low - beyond, high - beyond, dtype_code(wide), len(shape), shape,
                                                _chunks.regular(items)), session, items)
        if beyond:
            array = array.astype(np.uint64) + np.uint64(beyond)
        return array.astype(dtype)


def into(out, array):
    """`array`, or `out` with it as its value."""
    if out is None:
        return array
    if not isinstance(out, Node):
        raise TypeError("out must be a tessera.Array: results are lazy")
    if out.shape != array.shape:
        raise ValueError("size must match out.shape when used together")
    if out.dtype != array.dtype:
        raise TypeError(f"Supplied output array has the wrong type. Expected {array.dtype}, got {out.dtype}")
    _elementwise.replace(out, array)
    return out
