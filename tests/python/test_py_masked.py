"""Masked arrays and what netCDF4 reads: masked values are NaN or an error, never what lies below the mask."""
import numpy as np
import pytest

import tessera as ts

MASKED = np.ma.masked_array([1.0, 2.0, 1e20, 4.0], mask=[0, 0, 1, 0])
WANTED = np.array([1, 2, np.nan, 4])
INTEGERS = np.ma.masked_array([1, 2, 3, 4], mask=[0, 0, 1, 0])


def masked(dtype=float):
    return MASKED if dtype is float else INTEGERS


MAKERS = {"from_array": lambda make: ts.from_array(make(), chunks=2), "asarray": lambda make: ts.asarray(make()), "array": lambda make: ts.array(make()),
          "operand": lambda make: ts.zeros(4, make().dtype) + make(), "from_delayed": lambda make: ts.from_delayed(make, (4,), make().dtype),
          "map_blocks": lambda make: ts.map_blocks(lambda block: make(), ts.zeros(4, make().dtype), dtype=make().dtype),
          "from_map": lambda make: ts.from_map(lambda i: make(), [0], shape=(4,), dtype=make().dtype)}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_masked_values_are_nan(maker):
    np.testing.assert_array_equal(maker(masked).compute(), WANTED)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_masked_integers_are_refused(maker):
    with pytest.raises(TypeError, match="masked values, and int64 has no NaN"):
        maker(lambda: INTEGERS).compute()


def test_masks_that_mask_nothing():
    np.testing.assert_array_equal(ts.from_array(np.ma.masked_array([1, 2], mask=False)).compute(), [1, 2])


def test_of_futures():
    with ts.Client(n_workers=1, threads_per_worker=1) as client:
        np.testing.assert_array_equal(ts.from_futures(client.map(lambda dtype: masked(dtype), [float])).compute(), WANTED)


@pytest.fixture
def packed(tmp_path):
    """A variable in 16 bits with a scale, an offset and gaps, as netCDF4 opens it."""
    netCDF4 = pytest.importorskip("netCDF4")
    path = tmp_path / "packed.nc"
    with netCDF4.Dataset(path, "w") as d:
        d.createDimension("x", 6)
        v = d.createVariable("v", "i2", ("x",), fill_value=-1)
        v.scale_factor, v.add_offset = 0.5, 10.25
        v[:] = np.ma.masked_array([10.25, 11.25, 12.75, 13.25, 0, 14.25], mask=[0, 0, 0, 0, 1, 0])
    return netCDF4.Dataset(path)


def test_packed_variable(packed):
    x = ts.from_array(packed["v"], chunks=4)
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x.compute(), [10.25, 11.25, 12.75, 13.25, np.nan, 14.25])
    packed.set_auto_maskandscale(False)
    x = ts.from_array(packed["v"], chunks=4)
    assert x.dtype == np.int16
    np.testing.assert_array_equal(x.compute(), [0, 2, 5, 6, -1, 8])


def test_slices_of_another_dtype():
    class Liar:
        shape, dtype = (4,), np.dtype("i4")

        def __getitem__(self, key):
            return np.full(4, 1.5)[key]

    with pytest.raises(TypeError, match="Cannot cast"):
        ts.from_array(Liar()).compute()


def test_lengths_that_are_whole_floats():
    """As Dask takes them, and the lecture writes them: size=(2e8,), chunks=(1e6,)."""
    assert ts.random.normal(size=(2e3,), chunks=(1e2,)).numblocks == (20,)
    assert ts.ones(2e3, chunks=1e3).chunks == ((1000, 1000),)
    with pytest.raises(TypeError):
        ts.ones(2.5)
    with pytest.raises(TypeError):
        ts.ones(20, chunks=2.5)
