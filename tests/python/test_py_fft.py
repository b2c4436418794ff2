"""Fourier transforms: those of NumPy, for any chunks."""
import numpy as np
import pytest

import tessera as ts

VALUES = np.random.default_rng(1).normal(size=(12, 10, 9))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("n", [None, 7])
def test_one_axis(name, axis, n):
    x = ts.from_array(VALUES, chunks=(4, 5, 3))
    found, expected = getattr(ts.fft, name)(x, n=n, axis=axis), getattr(np.fft, name)(VALUES, n=n, axis=axis)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found.compute(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize("axes", [(0, 1), (2, 0)])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_several_axes(name, axes, norm):
    x = ts.from_array(VALUES.astype("f4"), chunks=(4, 5, 3))
    found, expected = getattr(ts.fft, name)(x, axes=axes, norm=norm), getattr(np.fft, name)(VALUES.astype("f4"), axes=axes, norm=norm)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found.compute(), expected, atol=1e-4)


def test_all_axes():
    np.testing.assert_allclose(ts.fft.fftn(ts.from_array(VALUES, chunks=5)).compute(), np.fft.fftn(VALUES))


def test_shifts():
    x = ts.from_array(VALUES, chunks=(4, 5, 3))
    for axes in (None, 1, (0, 2)):
        np.testing.assert_array_equal(ts.fft.fftshift(x, axes).compute(), np.fft.fftshift(VALUES, axes))
        np.testing.assert_array_equal(ts.fft.ifftshift(x, axes).compute(), np.fft.ifftshift(VALUES, axes))
    np.testing.assert_array_equal(ts.fft.fftfreq(8, 0.5), np.fft.fftfreq(8, 0.5))


def test_functions_of_others():
    fft = pytest.importorskip("scipy.fft")
    x = ts.from_array(VALUES, chunks=(4, 5, 3))
    np.testing.assert_allclose(ts.fft.fft_wrap(fft.fft)(x, axis=1).compute(), fft.fft(VALUES, axis=1))
    np.testing.assert_allclose(ts.fft.fft_wrap(fft.rfft2)(x, axes=(0, 2)).compute(), fft.rfft2(VALUES, axes=(0, 2)))

    def mine(a, n=None, axis=-1, norm=None):
        return fft.ifft(a, n, axis, norm).real

    real = ts.fft.fft_wrap(mine, kind="ifft", dtype=float)(x)
    assert real.dtype == float
    np.testing.assert_allclose(real.compute(), fft.ifft(VALUES).real, atol=1e-12)
    with pytest.raises(ValueError, match="unknown `kind`"):
        ts.fft.fft_wrap(np.sin)


def test_what_cannot_be():
    with pytest.raises(np.exceptions.AxisError):
        ts.fft.fft(ts.ones((3, 4)), axis=2)
    with pytest.raises(ValueError, match="without axes"):
        ts.fft.fft(ts.array(1.0))
