"""Random arrays that are never stored: each number is a function of the seed and its place in the array, whatever the chunks.

>>> import tessera as ts
>>> rng = ts.random.default_rng(42)
>>> x = rng.normal(10, 0.1, size=(1000, 1000))
>>> bool(abs(x.mean() - 10) < 0.01)
True
>>> a = ts.random.default_rng(1).gamma(0.5, size=1000, chunks=7)
>>> bool((a == ts.random.default_rng(1).gamma(0.5, size=1000)).all())
True

All of NumPy's distributions, with its parameters, which may be arrays (lazy ones, too) and broadcast. Parameters out of range raise at
once if they are known, otherwise when they are computed. The functions of the module are methods of one RandomState.

A generator is a seed and a position, the number of arrays it has drawn: `rng.bit_generator.state` (or `RandomState.get_state`) gives
both, may be set, and pickles carry them.
"""
from __future__ import annotations

import numpy as np


from ._core import asnode, make
from ._distributions import Distributions, entropy, into
from ._lib import lib

__all__ = ["Generator", "RandomState", "default_rng", "seed", "get_state", "set_state", "beta", "binomial", "bytes", "chisquare", "choice", "dirichlet", "exponential", "f",
           "gamma", "geometric", "gumbel", "hypergeometric", "laplace", "logistic", "lognormal", "logseries", "multinomial", "multivariate_normal",
           "negative_binomial", "noncentral_chisquare", "noncentral_f", "normal", "pareto", "permutation", "poisson", "power", "rand", "randint",
           "randn", "random", "random_integers", "random_sample", "ranf", "rayleigh", "sample", "shuffle", "standard_cauchy", "standard_exponential",
           "standard_gamma", "standard_normal", "standard_t", "triangular", "uniform", "vonmises", "wald", "weibull", "zipf"]


class Generator(Distributions):
    """A source of independent random arrays, as numpy.random.Generator. Every call gives another array; the same seed gives the same
    sequence of arrays."""

    def __repr__(self) -> str:
        return "tessera.random.Generator"

    def spawn(self, n_children: int) -> list["Generator"]:
        """Generators that are independent of this one and of each other."""
        return [Generator(child) for child in self._sequence.spawn(n_children)]

    def random(self, size=None, dtype=np.float64, out=None, *, chunks="auto"):
        """Uniform numbers, 0 <= x < 1."""
        return into(out, self._real("random", size=_size(size, out), chunks=chunks, dtype=dtype))

    def standard_normal(self, size=None, dtype=np.float64, out=None, *, chunks="auto"):
        """Normally distributed numbers of mean 0 and standard deviation 1."""
        return into(out, self._real("standard_normal", size=_size(size, out), chunks=chunks, dtype=dtype))

    def standard_exponential(self, size=None, dtype=np.float64, method="zig", out=None, *, chunks="auto"):
        """Exponential of mean 1. There is one method, whatever is asked for."""
        if method not in ("zig", "inv"):
            raise ValueError(f"method must be 'zig' or 'inv', not {method!r}")
        return into(out, self._real("standard_exponential", size=_size(size, out), chunks=chunks, dtype=dtype))

    def standard_gamma(self, shape, size=None, dtype=np.float64, out=None, *, chunks="auto"):
        """Gamma of scale 1."""
        return into(out, self._real("standard_gamma", shape, size=_size(size, out), chunks=chunks, dtype=dtype))

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False, *, chunks="auto"):
        """Integers, low <= x < high (<= high with `endpoint`); with one bound alone 0 <= x < low.

        >>> import tessera as ts
        >>> x = ts.random.default_rng(1).integers(1, 6, size=1000, endpoint=True)
        >>> int(x.min()), int(x.max())
        (1, 6)
        """
        low, high = (0, low) if high is None else (low, high)
        return self._integers(low, high + 1 if endpoint else high, size, dtype, chunks)

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True, *, chunks="auto"):
        """Elements of `a` (or of range(a)), each with its probability, or each at most once. The order is always random.

        >>> import tessera as ts
        >>> dice = ts.random.default_rng(1).choice(6, size=1_000_000, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
        >>> round(float((dice == 0).mean()), 2)
        0.5
        >>> sorted(ts.random.default_rng(1).choice([10, 20, 30], 3, replace=False).compute().tolist())
        [10, 20, 30]
        """
        return self._choice(a, size, replace, p, axis, chunks)

    def permutation(self, x, axis=0, *, chunks="auto"):
        """The elements along an axis (or range(x)) in a random order. Long orders of integers are computed only where they are used.

        >>> import tessera as ts
        >>> ts.random.default_rng(1).permutation(10**15)[:1000].shape
        (1000,)
        """
        return self._permutation(x, axis, chunks)

    def permuted(self, x, axis=None, out=None):
        """As permutation, with an order of its own for each place on the other axes; axis None: all elements.

        >>> import tessera as ts
        >>> x = ts.arange(6).reshape(2, 3)
        >>> ts.random.default_rng(1).permuted(x, axis=1).sum(axis=1).compute()
        array([ 3, 12])
        """
        x = asnode(x)
        flat = x.ravel() if axis is None else x
        mixed = make(lib.tsr_random_permuted(flat._p, self._key(), 0 if axis is None else axis), x._s)
        return into(out, mixed.reshape(x.shape) if axis is None else mixed)

    def shuffle(self, x, axis=0) -> None:
        """Puts the elements of an array, or of a list, into a random order along an axis. Of an array of ours other names of the same
        object see it, other arrays do not."""
        self._shuffle(x, axis)


def _size(size, out):
    return out.shape if size is None and out is not None else size


def default_rng(seed=None) -> Generator:
    """A generator; without a seed one that nobody can predict."""
    return seed if isinstance(seed, Generator) else Generator(seed)


# ---- As it was before ---------------------------------------------------------------------------------------------------------


class RandomState(Distributions):
    """numpy.random.RandomState's methods: those of Generator, and older spellings. The numbers are those of a Generator."""

    def __repr__(self) -> str:
        return "tessera.random.RandomState"

    def seed(self, seed=None) -> None:
        """Begins the sequence of arrays again."""
        self._sequence = entropy(seed)

    def get_state(self, legacy: bool = True) -> dict:
        """The seed and how many arrays were drawn; a dict, also if `legacy`.

        >>> import tessera as ts
        >>> state = ts.random.get_state()
        >>> x = ts.random.rand(3).compute()
        >>> ts.random.set_state(state)
        >>> bool((ts.random.rand(3) == x).all())
        True
        """
        return self.bit_generator.state

    def set_state(self, state: dict) -> None:
        """Goes on where `get_state` was called."""
        self.bit_generator.state = state

    def random_sample(self, size=None, *, chunks="auto"):
        """Uniform numbers, 0 <= x < 1."""
        return self._real("random", size=size, chunks=chunks)

    random = ranf = sample = random_sample

    def rand(self, *size, chunks="auto"):
        """Uniform numbers; the lengths are the arguments."""
        return self.random_sample(size, chunks=chunks)

    def randn(self, *size, chunks="auto"):
        """Normally distributed numbers; the lengths are the arguments."""
        return self.standard_normal(size, chunks=chunks)

    def standard_normal(self, size=None, *, chunks="auto"):
        """Normally distributed numbers of mean 0 and standard deviation 1."""
        return self._real("standard_normal", size=size, chunks=chunks)

    def standard_exponential(self, size=None, *, chunks="auto"):
        """Exponential of mean 1."""
        return self._real("standard_exponential", size=size, chunks=chunks)

    def standard_gamma(self, shape, size=None, *, chunks="auto"):
        """Gamma of scale 1."""
        return self._real("standard_gamma", shape, size=size, chunks=chunks)

    def randint(self, low, high=None, size=None, dtype=np.int64, *, chunks="auto"):
        """Integers, low <= x < high; with one bound alone 0 <= x < low."""
        low, high = (0, low) if high is None else (low, high)
        return self._integers(low, high, size, dtype, chunks, "randint")

    def random_integers(self, low, high=None, size=None, *, chunks="auto"):
        """Integers, low <= x <= high; with one bound alone 1 <= x <= low."""
        low, high = (1, low) if high is None else (low, high)
        return self._integers(low, high + 1, size, np.int64, chunks, "random_integers")

    def tomaxint(self, size=None, *, chunks="auto"):
        """Integers from 0 to the largest int64."""
        return self._integers(0, 2**63, size, np.int64, chunks, "tomaxint")

    def choice(self, a, size=None, replace=True, p=None, *, chunks="auto"):
        """Elements of the 1-d array `a` (or of range(a)), each with its probability, or each at most once."""
        if np.ndim(a) > 1:
            raise ValueError("a must be 1-dimensional")
        return self._choice(a, size, replace, p, 0, chunks)

    def permutation(self, x, *, chunks="auto"):
        """The elements along the first axis (or range(x)) in a random order."""
        return self._permutation(x, 0, chunks)

    def shuffle(self, x) -> None:
        """Puts the elements of an array, or of a list, into a random order along the first axis."""
        self._shuffle(x, 0)


_state = RandomState()
seed = _state.seed
get_state = _state.get_state
set_state = _state.set_state
beta = _state.beta
binomial = _state.binomial
bytes = _state.bytes
chisquare = _state.chisquare
choice = _state.choice
dirichlet = _state.dirichlet
exponential = _state.exponential
f = _state.f
gamma = _state.gamma
geometric = _state.geometric
gumbel = _state.gumbel
hypergeometric = _state.hypergeometric
laplace = _state.laplace
logistic = _state.logistic
lognormal = _state.lognormal
logseries = _state.logseries
multinomial = _state.multinomial
multivariate_normal = _state.multivariate_normal
negative_binomial = _state.negative_binomial
noncentral_chisquare = _state.noncentral_chisquare
noncentral_f = _state.noncentral_f
normal = _state.normal
pareto = _state.pareto
permutation = _state.permutation
poisson = _state.poisson
power = _state.power
rand = _state.rand
randint = _state.randint
randn = _state.randn
random = _state.random
random_integers = _state.random_integers
random_sample = _state.random_sample
ranf = _state.ranf
rayleigh = _state.rayleigh
sample = _state.sample
shuffle = _state.shuffle
standard_cauchy = _state.standard_cauchy
standard_exponential = _state.standard_exponential
standard_gamma = _state.standard_gamma
standard_normal = _state.standard_normal
standard_t = _state.standard_t
triangular = _state.triangular
uniform = _state.uniform
vonmises = _state.vonmises
wald = _state.wald
weibull = _state.weibull
zipf = _state.zipf
