"""The program on real files, beside xarray. Skipped where the shared data are not."""
import json

import numpy as np
import pytest
import xarray

# File, variable, expression, the same on the xarray variable, relative tolerance.
CASES = [
    ("A1B_north_america.nc", "air_temperature", "mean(v, time)[3]", lambda v: v.mean("time")[3], 1e-6),
    ("A1B_north_america.nc", "air_temperature", "std(v, time)[3]", lambda v: v.std("time")[3], 1e-4),
    ("A1B_north_america.nc", "air_temperature", "v[time=\"1999\":\"2001\", latitude=20:25, longitude=240]",
     lambda v: v.sel(time=slice("1999", "2001"), latitude=slice(20, 25), longitude=240), 0),
    ("A1B_north_america.nc", "air_temperature", "mean(v, (latitude, longitude))[:50]", lambda v: v.mean(("latitude", "longitude"))[:50], 1e-6),
    ("E1_north_america.nc", "air_temperature", "max(v) - min(v)", lambda v: v.max() - v.min(), 1e-6),
    ("E1_north_america.nc", "air_temperature", "median(v[:, 3:5, 7], time)", lambda v: v[:, 3:5, 7].median("time"), 1e-6),
    ("SOI_Darwin.nc", "SOI_Darwin", "nanmean(abs(v))", lambda v: abs(v).mean(), 1e-5),
    ("SOI_Darwin.nc", "SOI_Darwin", "groupby(abs(v), time.month).nanmean()", lambda v: abs(v).groupby("time.month").mean(), 1e-5),
    ("SOI_Darwin.nc", "SOI_Darwin", "v[time=\"1982\"]", lambda v: v.sel(time="1982"), 0),
    ("eraint_uvz.nc", "u", "v[level=200, month=1][0:241:40, ::48]", lambda v: v.sel(level=200, month=1)[0:241:40, ::48], 1e-12),
    ("eraint_uvz.nc", "z", "mean(v, (month, longitude))[2, ::20]", lambda v: v.mean(("month", "longitude"))[2, ::20], 1e-9),
    ("eraint_uvz.nc", "v", "v[0, level=850, latitude=60:30].mean(longitude)", lambda v: v[0].sel(level=850, latitude=slice(60, 30)).mean("longitude"), 1e-8),
    ("basin_mask.nc", "basin", "nanmax(v, (X, Y))", lambda v: v.max(("X", "Y")), 0),
    ("basin_mask.nc", "basin", "v[Z=0, Y=0.5, X=20:40]", lambda v: v.sel(Z=0, Y=0.5, X=slice(20, 40)), 0),
    ("nemo/nemo_1m_20150101-20150201_grid-T.nc", "tos", "nanmean(v, x)[0, ::10]", lambda v: v.mean("x")[0, ::10], 1e-6),
    ("nemo/nemo_1m_20150201-20150301_grid-T.nc", "tos", "nanstd(v)", lambda v: v.std(), 1e-5),
    ("tiny.nc", "tiny", "cumsum(v)", lambda v: v.cumsum(), 0),
]


@pytest.mark.parametrize("name, variable, expression, same, tolerance", CASES, ids=[f"{c[0].split('/')[-1]}: {c[2]}" for c in CASES])
def test_as_xarray(tessera, shared_data, name, variable, expression, same, tolerance):
    path = shared_data / name
    found = json.loads(tessera.ok("eval", expression, f"v={path}:{variable}", "--json"))
    values = np.array(found["data"], dtype=object)
    values[values == None] = np.nan  # noqa: E711 (elementwise)
    decoder = xarray.coders.CFDatetimeCoder(use_cftime=True)
    with xarray.open_dataset(path, decode_times=decoder) as d:
        wanted = same(d[variable].astype("f8") if "std" in expression else d[variable])
        np.testing.assert_allclose(values.astype("f8"), wanted.values.astype("f8"), rtol=max(tolerance, 1e-6 if wanted.dtype == "f4" else 1e-12))


def test_three_ocean_files_are_one(tessera, shared_data):
    files = sorted(shared_data.glob("nemo/*.nc"))
    one = json.loads(tessera.ok("eval", "nanmean(tos, (y, x))", *files, "--json"))["data"]
    for path, mean in zip(files, one):
        with xarray.open_dataset(path) as d:
            assert mean == pytest.approx(float(d.tos.astype("f8").mean()), rel=1e-6)


@pytest.mark.parametrize("name", ["A1B_north_america.nc", "SOI_Darwin.nc", "basin_mask.nc", "eraint_uvz.nc", "tiny.nc",
                                  "nemo/nemo_1m_20150101-20150201_grid-T.nc"])
@pytest.mark.parametrize("extension", ["nc", "nc4"])
def test_written_again_it_is_the_same(tessera, shared_data, tmp_path, name, extension):
    """Every variable of the file through tessera and back: values, dimensions and units."""
    path, out = shared_data / name, tmp_path / f"out.{extension}"
    with xarray.open_dataset(path, decode_times=False) as d:
        numeric = [v for v in d.data_vars if d[v].dtype.kind in "iufb" and d[v].ndim > 0 and "bnds" not in v and "bounds" not in v]
        tessera.ok("eval", "; ".join(f"`{v}` = `{v}`" for v in numeric), path, "-o", out)
        with xarray.open_dataset(out, decode_times=False) as again:
            for v in numeric:
                np.testing.assert_array_equal(again[v].values, d[v].values)
                assert again[v].dims == d[v].dims and again[v].attrs.get("units") == d[v].attrs.get("units")
                for c in d[v].dims:
                    if c in d.coords:
                        np.testing.assert_array_equal(again[c].values, d[c].values)


def test_info_of_all(tessera, shared_data):
    text = tessera.ok("info", *shared_data.glob("*.nc"), *shared_data.glob("nemo/*.nc"))
    assert "deflate" in text and "360_day" in text and "1860-06-01 ... 2099-06-01" in text


@pytest.mark.parametrize("name, expression", [
    ("A1B_north_america.nc", "air_temperature[-1]"), ("A1B_north_america.nc", "mean(air_temperature, (latitude, longitude))"),
    ("nemo/nemo_1m_20150101-20150201_grid-T.nc", "tos"), ("eraint_uvz.nc", "u[0, 0]"), ("eraint_uvz.nc", "mean(u[0], longitude)"),
    ("basin_mask.nc", "basin[0]"), ("basin_mask.nc", "basin[:, :, 180]"), ("SOI_Darwin.nc", "SOI_Darwin"), ("tiny.nc", "tiny"),
])
def test_pictures(tessera, shared_data, tmp_path, name, expression):
    for extension in ("png", "svg", "pdf"):
        tessera.ok("plot", shared_data / name, expression, "-o", tmp_path / f"x.{extension}", "--quiet")
        assert (tmp_path / f"x.{extension}").stat().st_size > 2000
