"""Coarser times and running windows of labelled arrays, beside xarray's."""
import numpy as np
import pytest
import xarray

import tessera as ts

N = 24 * 70
TIME = np.datetime64("2019-12-20T00:00", "ns") + np.arange(N) * np.timedelta64(3600, "s").astype("m8[ns]")
VALUES = np.random.default_rng(3).normal(size=(N, 2))


@pytest.fixture
def both(tmp_path):
    """The same hourly values of ten weeks, which pass a 29th of February, here and in xarray."""
    theirs = xarray.Dataset({"v": (("time", "x"), VALUES)}, {"time": TIME})
    theirs.to_netcdf(tmp_path / "v.nc", encoding={"time": {"units": "hours since 2000-01-01", "dtype": "f8"}})
    return ts.open_dataset(tmp_path / "v.nc")["v"], theirs.v


@pytest.mark.parametrize("period, frequency", [("month", "MS"), ("2 months", "2MS"), ("day", "D"), ("5days", "5D"), ("6 hours", "6h"), ("5hour", "5h"), ("year", "YS"),
                                               ("quarter", "QS"), ("season", "QS-DEC")])
@pytest.mark.parametrize("name", ["mean", "max", "std"])
def test_resample(both, tmp_path, period, frequency, name):
    ours, theirs = both
    found, wanted = getattr(ours.resample(time=period), name)(), getattr(theirs.resample(time=frequency), name)()
    np.testing.assert_allclose(found.compute(), wanted.values, rtol=1e-12, atol=1e-13)
    ts.Dataset(v=found).to_netcdf(tmp_path / "out.nc")
    with xarray.open_dataset(tmp_path / "out.nc") as written:
        assert (written.time.values == wanted.time.values).all()


@pytest.mark.parametrize("n, center", [(5, False), (5, True), (24, True), (1, False)])
@pytest.mark.parametrize("name", ["mean", "min", "sum"])
def test_rolling(both, n, center, name):
    ours, theirs = both
    found, wanted = getattr(ours.rolling(time=n, center=center), name)(), getattr(theirs.rolling(time=n, center=center), name)()
    np.testing.assert_allclose(found.compute(), wanted.values, rtol=1e-9, atol=1e-12)


def test_many_periods_are_few_stages(both):
    """Days of as many hours each are one reduction, not seventy."""
    assert ts.asarray(both[0].resample(time="day").mean().data).explain().count("fold mean") == 1


def test_misuse(both):
    with pytest.raises(TypeError, match="one dimension, 0 are named"):
        both[0].resample()
    with pytest.raises(ValueError, match="did you mean 'month'"):
        both[0].resample(time="moth").mean()
    with pytest.raises(ValueError, match="does not fit into dimension x"):
        both[0].rolling(x=3).mean()
