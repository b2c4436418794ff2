"""The standard's elementwise functions: the package's own, by their names in the standard."""
from __future__ import annotations

from .. import _functions as _ours
from .._elementwise import UFUNCS as _UFUNCS
from ._object import wrap as _wrap

ELEMENTWISE = ("abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift "
               "bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf "
               "isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply "
               "negative nextafter not_equal positive pow real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh "
               "trunc").split()


def _unary(ours):
    def function(x, /):
        return _wrap(ours(x))

    return function


def _binary(ours):
    def function(x1, x2, /):
        return _wrap(ours(x1, x2))

    return function


_KEEP_INTEGERS = ("ceil", "floor", "trunc", "round")


def _rounding(ours):
    """Integers stay as they are, where NumPy's older functions make floats of them."""
    def function(x, /):
        return _wrap(x if x.dtype.kind in "iu" else ours(x))

    return function


def _clip(x, /, min=None, max=None):
    return _wrap(_ours.clip(x, min, max).astype(x.dtype))


def _make(name: str):
    ours = _UFUNCS.get(name) or getattr(_ours, name)
    made = _clip if name == "clip" else _rounding(ours) if name in _KEEP_INTEGERS else _binary(ours) if getattr(ours, "nin", 1) == 2 else _unary(ours)
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"The array API standard's {name}."
    return made


globals().update({name: _make(name) for name in ELEMENTWISE})
__all__ = ELEMENTWISE
