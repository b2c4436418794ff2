"""axes=, axis= and keepdims= of generalised ufuncs: core dimensions that are not the last ones, as NumPy has them."""
from __future__ import annotations

import operator

import numpy as np
from numpy.exceptions import AxisError

from ._core import Node, strong
from ._manipulation import expand_dims, moveaxis


class CoreAxes:
    """Where the core dimensions of each input and output are; `inputs` and `outputs` are the core dimensions by name.

    `move_in` brings those of an input to its end, `move_out` those of an output from its end to their places.
    """

    def __init__(self, name: str, inputs: list, outputs: list, axes=None, axis=None, keepdims=False) -> None:
        self.name, self.n_inputs, self.keepdims = name, len(inputs), keepdims
        self.counts = [len(core) for core in (*inputs, *outputs)]
        if keepdims:
            if any(outputs) or len(set(self.counts[: len(inputs)])) > 1:
                raise TypeError(f"{name} does not support keepdims: its signature {self._signature(inputs, outputs)} requires inputs to have the same number of "
                                "core dimensions and outputs to have none")
            self.counts[len(inputs):] = [self.counts[0]] * len(outputs)
        if axes is not None and axis is not None:
            raise TypeError("cannot specify both 'axis' and 'axes'")
        if axis is not None:
            axes = self._same(operator.index(axis), inputs, outputs)
        elif axes is not None:
            axes = self._each(axes, bool(any(outputs)))
        self.axes = axes

    @staticmethod
    def _signature(inputs, outputs) -> str:
        sides = [",".join(f"({','.join(core)})" for core in side) for side in (inputs, outputs)]
        return "->".join(sides)

    def _same(self, axis: int, inputs: list, outputs: list) -> list:
        """One axis for the one core dimension that all share."""
        if len({core for cores in (*inputs, *outputs) for core in cores}) != 1 or any(len(cores) > 1 for cores in (*inputs, *outputs)):
            raise TypeError(f"{self.name}: axis can only be used with a single shared core dimension, not with the signature {self._signature(inputs, outputs)}")
        return [(axis,) * n for n in self.counts]

    def _each(self, axes, needs_outputs: bool) -> list:
        """A tuple for each operand; those of outputs without core dimensions may be left out."""
        if not isinstance(axes, list):
            raise TypeError("axes should be a list.")
        if len(axes) == self.n_inputs and not needs_outputs:
            axes = axes + [tuple(range(-n, 0)) for n in self.counts[self.n_inputs:]]
        if len(axes) != len(self.counts):
            raise ValueError(f"axes should be a list with an entry for all {len(self.counts)} inputs and outputs; entries for outputs can only be omitted if none "
                             "of them has core axes.")
        made = []
        for i, (item, n) in enumerate(zip(axes, self.counts)):
            if not isinstance(item, tuple):
                if n != 1:
                    raise AxisError(f"{self.name}: operand {i} has {n} core dimensions, but the axes item is a single integer.")
                item = (item,)
            item = tuple(operator.index(a) for a in item)
            if len(item) != n:
                raise AxisError(f"{self.name}: operand {i} has {n} core dimensions, but {len(item)} dimensions are specified by axes tuple.")
            made.append(item)
        return made

    def _checked(self, i: int, ndim: int) -> tuple:
        for a in self.axes[i]:
            if not -ndim <= a < ndim:
                raise AxisError(a, ndim)
        places = tuple(a % ndim for a in self.axes[i])
        if len(set(places)) != len(places):
            raise ValueError(f"axes tuple for operand {i} has a repeated axis")
        return places

    def move_in(self, i: int, array: Node) -> Node:
        n = self.counts[i]
        return array if self.axes is None or n == 0 else moveaxis(array, self._checked(i, array.ndim), tuple(range(-n, 0)))

    def move_out(self, i: int, array: Node) -> Node:
        """Output i."""
        i += self.n_inputs
        n = self.counts[i]
        if self.keepdims and n:
            array = expand_dims(array, tuple(range(-n, 0)))
        return array if self.axes is None or n == 0 else moveaxis(array, tuple(range(-n, 0)), self._checked(i, array.ndim))


class frompyfunc:
    """A Python function of `nin` numbers with `nout` results as a function of arrays, element by element, with broadcasting.

    NumPy gives arrays of objects; here the dtype is `dtype` (a list where there are several results), or, as numpy.vectorize finds it out, that
    of what the function gives for ones. Slow, as each element is a call: see `map_blocks` and `c_function`.

    >>> import tessera as ts
    >>> octal = ts.frompyfunc(lambda n: int(oct(n)[2:]), 1, 1)
    >>> octal(ts.arange(7, 10)).compute()
    array([ 7, 10, 11])
    """

    def __init__(self, func, nin, nout=1, dtype=None) -> None:
        self.nin, self.nout, self.dtype = operator.index(nin), operator.index(nout), dtype
        if self.nin < 1 or self.nout < 1:
            raise ValueError(f"frompyfunc: {nin} arguments and {nout} results; there must be at least one of each")
        self._func, self._ufunc = func, np.frompyfunc(func, self.nin, self.nout)
        self.__name__ = getattr(func, "__name__", type(func).__name__)
        self.__doc__ = func.__doc__

    def __repr__(self) -> str:
        return f"tessera.frompyfunc<{self.__name__}>"

    def _dtypes(self, nodes: list) -> list:
        if self.dtype is not None:
            return [np.dtype(d) for d in (self.dtype if self.nout > 1 else [self.dtype])]
        try:
            results = self._func(*(node.dtype.type(1) for node in nodes))
        except Exception as error:
            raise ValueError(f"frompyfunc: the dtype could not be found out, as the function failed for ones ({type(error).__name__}: {error}); give dtype=") from error
        return [np.asarray(r).dtype for r in (results if self.nout > 1 else [results])]

    def __call__(self, *args):
        from ._blocks import apply_gufunc

        if len(args) != self.nin:
            raise TypeError(f"{self.__name__} takes {self.nin} argument{'s' * (self.nin != 1)}, {len(args)} given")
        nodes = strong(args)
        dtypes = self._dtypes(nodes)

        def blocks(*values):
            results = self._ufunc(*values)
            results = [np.asarray(r, dtype) for r, dtype in zip(results if self.nout > 1 else [results], dtypes)]
            return tuple(results) if self.nout > 1 else results[0]

        blocks.__name__ = self.__name__
        return apply_gufunc(blocks, ",".join(["()"] * self.nin) + "->" + ",".join(["()"] * self.nout), *nodes, output_dtypes=dtypes if self.nout > 1 else dtypes[0])
