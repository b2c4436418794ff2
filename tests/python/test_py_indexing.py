"""The Python package: every form of indexing and assignment, against NumPy."""
import numpy as np
import pytest

import tessera as ts

VALUES = np.arange(60).reshape(3, 4, 5)
MASK = VALUES % 7 < 3
KEYS = [
    [0, 2], [-1], [], np.array([[0, 1], [2, 0]]), (slice(None), [3, 0, 0]), (..., [1, -2]), (1, [0, 3]), ([0, 1], 2), (0, slice(None), [1, 2]),
    ([0, 1, 2], [0, 1, 2]), ([0, 1], slice(None), [2, 3]), (slice(None), [0, 1], [2, 3]), (None, [0, 1], slice(1, 3)), ([[0], [1]], [[0, 1]]),
    np.ix_([0, 2], [1, 3], [0, 4]), ([0, 1], slice(None), 2), (slice(None, None, -1), [0, 1], 1), MASK, (..., MASK[0, 0]), [True, False, True],
    (slice(None), MASK[0]), (slice(None), np.array([True, False, True, True])), (MASK[:, :, 0], 1), (MASK[:, :, 0], slice(1, 3)), np.array(1),
    (np.newaxis, ..., [0, 1]), True, False,
]
SLICES = [0, -1, (slice(None), 1), slice(0, 2), (slice(None, None, -2), slice(1, None, 2)), (..., slice(4, None, -3)), (0, 1, 2), (slice(2, 2),), Ellipsis,
          (slice(None), None, 2)]


@pytest.fixture(params=[(3, 4, 5), (2, 3, 2), (1, 1, 1)], ids=str)
def x(request):
    return ts.from_array(VALUES, chunks=request.param)


def same(ours, expected):
    values = np.asarray(ours)
    assert values.dtype == expected.dtype and values.shape == expected.shape
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("key", KEYS + SLICES, ids=repr)
def test_getitem(x, key):
    same(x[key], np.asarray(VALUES[key]))


def test_lazy_indices(x):
    same(x[x % 7 < 3], VALUES[MASK])
    same(x[ts.asarray([2, 0])], VALUES[[2, 0]])
    same(x[:, ts.asarray([0, 1]), ts.asarray([4, 4])], VALUES[:, [0, 1], [4, 4]])


@pytest.mark.parametrize("key", KEYS + SLICES, ids=repr)
def test_setitem(x, key):
    expected = VALUES.copy()
    expected[key] = -1
    x[key] = -1
    same(x, expected)
    part = np.asarray(expected[key])
    values = np.arange(part.size).reshape(part.shape) * 10
    expected[key] = values
    x[key] = values
    same(x, expected)


def test_setitem_broadcasts_and_casts(x):
    expected = VALUES.copy()
    expected[:, 1:3] = [1.5, 2.5, 3.5, 4.5, 5.5]
    x[:, 1:3] = [1.5, 2.5, 3.5, 4.5, 5.5]
    same(x, expected)
    x[x > 20] = 0
    expected[expected > 20] = 0
    same(x, expected)


def test_derived_arrays_do_not_change_by_assignment(x):
    y = x + 0
    x[0] = 7
    same(y, VALUES)


@pytest.mark.parametrize("key", [3, (0, 4), [0, 3], ([0, 1], [0, 1, 2]), (0, 0, 0, 0), np.array([1.5]), np.zeros(5, bool), (..., ...), "a"], ids=repr)
def test_bad_indices(x, key):
    with pytest.raises(IndexError):
        VALUES[key]
    with pytest.raises(IndexError):
        x[key]
    with pytest.raises(IndexError):
        x[key] = 0


def test_bad_values(x):
    with pytest.raises(ValueError, match="broadcast"):
        x[0] = np.zeros(3)


def test_blocks_and_points(x):
    heights = x.chunks[0]
    same(x.blocks[0], VALUES[:heights[0]])
    same(x.blocks[-1, 0], VALUES[-heights[-1]:, :x.chunks[1][0]])
    same(x.blocks[:, ::-1][:, :x.chunks[1][-1]], VALUES[:, -x.chunks[1][-1]:])
    assert x.blocks.shape == x.numblocks and x.compute_chunk_sizes() is x
    same(x.vindex[[0, 1], [2, 3]], VALUES[[0, 1], [2, 3]])
    with pytest.raises(IndexError):
        x.blocks[100]
