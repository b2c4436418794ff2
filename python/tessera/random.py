"""Random arrays that are never stored: each number is a function of the seed and its place in the array, whatever the chunks.

>>> import tessera as ts
>>> rng = ts.random.default_rng(42)
>>> x = rng.normal(10, 0.1, size=(1000, 1000))
>>> bool(abs(x.mean() - 10) < 0.01)
True
>>> a = ts.random.default_rng(1).random(1000, chunks=7)
>>> bool((a == ts.random.default_rng(1).random(1000)).all())
True
"""
from __future__ import annotations

import numpy as np

from . import _chunks
from ._creation import created, shape_of
from ._lib import dtype_code, lib
from ._session import current

__all__ = ["Generator", "default_rng", "seed", "random", "random_sample", "normal", "standard_normal", "uniform", "randint", "rand", "randn"]


class Generator:
    """A source of independent random arrays, as numpy.random.Generator. Every call gives another array; the same seed gives the same
    sequence of arrays."""

    def __init__(self, seed=None) -> None:
        self._sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)

    def __repr__(self) -> str:
        return "tessera.random.Generator"

    def spawn(self, n_children: int) -> list["Generator"]:
        """Generators that are independent of this one and of each other."""
        return [Generator(child) for child in self._sequence.spawn(n_children)]

    def _array(self, function, a, b, size, dtype, chunks):
        shape, session = () if size is None else shape_of(size), current()
        items = _chunks.parse(chunks, len(shape))
        key = int(self._sequence.spawn(1)[0].generate_state(1, np.uint64)[0])
        return created(function(session.handle(), key, a, b, dtype_code(dtype), len(shape), shape, _chunks.regular(items)), session, items)

    def random(self, size=None, dtype=np.float64, out=None, *, chunks="auto"):
        """Uniform numbers, 0 <= x < 1."""
        return self._array(lib.tsr_random_uniform, 0, 1, size, dtype, chunks)

    def uniform(self, low=0.0, high=1.0, size=None, dtype=np.float64, *, chunks="auto"):
        """Uniform numbers, low <= x < high."""
        return self._array(lib.tsr_random_uniform, low, high, size, dtype, chunks)

    def normal(self, loc=0.0, scale=1.0, size=None, dtype=np.float64, *, chunks="auto"):
        """Normally distributed numbers of this mean and standard deviation."""
        if scale < 0:
            raise ValueError("scale < 0")
        return self._array(lib.tsr_random_normal, loc, scale, size, dtype, chunks)

    def standard_normal(self, size=None, dtype=np.float64, out=None, *, chunks="auto"):
        """Normally distributed numbers of mean 0 and standard deviation 1."""
        return self.normal(0.0, 1.0, size, dtype, chunks=chunks)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False, *, chunks="auto"):
        """Integers, low <= x < high (<= high with `endpoint`); with one bound alone 0 <= x < low."""
        low, high = (0, low) if high is None else (low, high)
        if low >= high + endpoint:
            raise ValueError("low >= high" if not endpoint else "low > high")
        return self._array(lib.tsr_random_integers, low, high + endpoint, size, dtype, chunks)


def default_rng(seed=None) -> Generator:
    """A generator; without a seed one that nobody can predict."""
    return seed if isinstance(seed, Generator) else Generator(seed)


# ---- The functions of old, on one generator ---------------------------------------------------------------------------------

_generator = Generator()


def seed(seed=None) -> None:
    """Begins again the sequence of arrays of the functions below."""
    global _generator
    _generator = Generator(seed)


def random(size=None, *, chunks="auto"):
    """Uniform numbers, 0 <= x < 1."""
    return _generator.random(size, chunks=chunks)


random_sample = random


def normal(loc=0.0, scale=1.0, size=None, *, chunks="auto"):
    """Normally distributed numbers of this mean and standard deviation."""
    return _generator.normal(loc, scale, size, chunks=chunks)


def standard_normal(size=None, *, chunks="auto"):
    """Normally distributed numbers of mean 0 and standard deviation 1."""
    return _generator.standard_normal(size, chunks=chunks)


def uniform(low=0.0, high=1.0, size=None, *, chunks="auto"):
    """Uniform numbers, low <= x < high."""
    return _generator.uniform(low, high, size, chunks=chunks)


def randint(low, high=None, size=None, dtype=np.int64, *, chunks="auto"):
    """Integers, low <= x < high; with one bound alone 0 <= x < low."""
    return _generator.integers(low, high, size, dtype, chunks=chunks)


def rand(*size, chunks="auto"):
    """Uniform numbers; the lengths are the arguments."""
    return _generator.random(size, chunks=chunks)


def randn(*size, chunks="auto"):
    """Normally distributed numbers; the lengths are the arguments."""
    return _generator.standard_normal(size, chunks=chunks)
