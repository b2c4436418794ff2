"""Variables by position, beside xarray's arrays."""
import copy

import numpy as np
import pytest
import xarray as xr

import tessera as ts

VALUES = np.arange(60.0).reshape(3, 4, 5)


def pair():
    dims = ("time", "y", "x")
    return ts.Variable(ts.from_array(VALUES, chunks=2), dims=dims, name="t"), xr.DataArray(VALUES, dims=dims, name="t")


@pytest.mark.parametrize("key", [0, -1, slice(1, None), slice(None, None, -2), (0, 1), (slice(None), 2), (..., 3), (0, ..., slice(1, 3)), ([0, 2], slice(None), [1, 1, 4]),
                                 np.array([2, 0]), {"y": 1}, {"x": slice(0, 2), "time": 0}, (0, 1, 2)], ids=str)
def test_positions(key):
    ours, theirs = pair()
    mine, wanted = ours[key], theirs[key]
    assert (mine.dims, mine.shape, mine.sizes) == (wanted.dims, wanted.shape, dict(wanted.sizes))
    np.testing.assert_array_equal(mine.values, wanted.values)


@pytest.mark.parametrize("key", [3, -4, (0, 0, 0, 0), "t", 1.5, True])
def test_no_positions(key):
    with pytest.raises(IndexError):
        pair()[0][key]


def test_as_a_sequence():
    ours, _ = pair()
    assert len(ours) == 3 and [part.dims for part in ours] == [("y", "x")] * 3
    assert 59.0 in ours and 60.0 not in ours
    assert copy.deepcopy(ours).values.sum() == VALUES.sum()
    point = ours[0, 0, 1]
    assert bool(point) and not bool(ours[0, 0, 0])
    for call in (len, iter):
        with pytest.raises(TypeError):
            call(point)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(ours)
