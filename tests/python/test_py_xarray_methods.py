"""The methods of xarray one by one over our arrays: docs/xarray.md says which stay lazy, which compute, and which do not work; here each is called,
the engine's runs are counted, and the result is compared with that over NumPy's arrays.
"""
import pathlib
import pickle
import re
import warnings

import numpy as np
import pytest

import tessera as ts

from test_py_xarray import manager  # noqa: F401, a fixture for all tests here

xr = pytest.importorskip("xarray")
pd = pytest.importorskip("pandas")

PAGE = pathlib.Path(__file__).parents[2] / "docs/xarray.md"


def half(a):
    return a.isel(y=slice(4)), a.rename("w").isel(y=slice(2, 6))


def whole(a, dim):
    return a.chunk({dim: -1}) if a.chunks else a


def quarters(a):
    return [[a.isel(y=slice(j, j + 3), x=slice(i, i + 4)) for i in (0, 4)] for j in (0, 3)]


def changed(a, key, value):
    a = a.copy()
    a[key] = value
    return a


def added(a):
    a = a.copy()
    a += 1
    return a


def core(a, function, **options):
    return xr.apply_ufunc(function, whole(a, "time"), input_core_dims=[["time"]], dask="parallelized", output_dtypes=[float], **options)


LAZY = {
    "isel": lambda a: a.isel(time=slice(2, 9), y=[0, 3], x=1), "isel with arrays": lambda a: a.isel(y=xr.DataArray([0, 2], dims="p"), x=xr.DataArray([1, 5], dims="p")),
    "sel": lambda a: a.sel(time="2001-03", y=slice(10, 40)), "sel(method=)": lambda a: a.sel(x=0.33, method="nearest"), "loc": lambda a: a.loc[{"y": 10.0}], "[]": lambda a: a[3:5, 1],
    "head": lambda a: a.head(time=3), "tail": lambda a: a.tail(time=3), "thin": lambda a: a.thin(time=5), "drop_isel": lambda a: a.drop_isel(y=[1]), "drop_sel": lambda a: a.drop_sel(y=[10.0]),
    "squeeze": lambda a: a.isel(y=[0]).squeeze(), "query": lambda a: a.query(y="y > 20"), "drop_duplicates": lambda a: a.drop_duplicates("time"),
    **{name: lambda a, name=name: getattr(a, name)("time") for name in "mean std var sum prod min max median count cumsum cumprod".split()},
    "argmin": lambda a: a.fillna(0).argmin("time"), "argmax": lambda a: a.fillna(0).argmax("time"), "any": lambda a: (a > 1).any("x"), "all": lambda a: (a > -9).all("x"), "mean(skipna=False)": lambda a: a.mean("time", skipna=False),
    "sum(min_count=)": lambda a: a.sum("time", min_count=3), "reduce": lambda a: a.reduce(np.mean, "time"), "quantile": lambda a: whole(a, "time").quantile([0.1, 0.5], "time"),
    "weighted(...).mean": lambda a: a.weighted(np.cos(np.deg2rad(a.y))).mean(("y", "x")), "weighted(...).std": lambda a: a.weighted(a.y + 1).std("y"), "weighted(...).sum": lambda a: a.weighted(a.y + 1).sum("y"),
    "groupby(...).mean": lambda a: a.groupby("time.month").mean(), "groupby(...).std": lambda a: a.groupby("time.season").std(), "groupby(...) - ...": lambda a: a.groupby("time.month") - a.groupby("time.month").mean(),
    "groupby(...).median": lambda a: a.groupby("time.month").median(), "groupby(...).max": lambda a: a.groupby("time.month").max("time"), "groupby(...).first": lambda a: a.groupby("time.month").first(),
    "groupby(...).quantile": lambda a: a.groupby("time.month").quantile(0.5), "groupby(...).map": lambda a: a.groupby("time.month").map(lambda g: g - g.mean("time")),
    "groupby(...).where": lambda a: a.groupby("time.month").where(a.time.dt.month > 3), "groupby(...).cumsum": lambda a: a.groupby("time.season").cumsum(), "groupby_bins": lambda a: a.groupby_bins("y", [0, 20, 60]).mean(),
    "resample(...).mean": lambda a: a.resample(time="MS").mean(), "resample(...).max": lambda a: a.resample(time="MS").max(), "resample(...).median": lambda a: a.resample(time="MS").median(),
    "resample(...).first": lambda a: a.resample(time="MS").first(), "resample(...).ffill": lambda a: a.resample(time="5D").ffill(), "resample(...).nearest": lambda a: a.resample(time="5D").nearest(),
    "rolling(...).mean": lambda a: a.rolling(time=3).mean(), "rolling(center=, min_periods=).sum": lambda a: a.rolling(time=4, center=True, min_periods=1).sum(), "rolling(...).max": lambda a: a.rolling(time=3).max(),
    "rolling(...).std": lambda a: a.rolling(time=3).std(), "rolling(...).median": lambda a: a.rolling(time=3).median(), "rolling of two dimensions": lambda a: a.rolling(y=3, x=3, center=True).mean(),
    "rolling(...).construct": lambda a: a.rolling(time=3).construct("w").mean("w"), "rolling(...).reduce": lambda a: a.rolling(time=3).reduce(np.nanmean), "cumulative": lambda a: a.cumulative("time").sum(),
    "coarsen(...).mean": lambda a: a.coarsen(time=4, y=2).mean(), "coarsen(boundary=).max": lambda a: a.coarsen(x=3, boundary="trim").max(), "coarsen(...).std": lambda a: a.coarsen(time=4).std(),
    "coarsen(...).construct": lambda a: a.coarsen(time=6).construct(time=("year", "part")), "interp": lambda a: a.interp(y=[5.0, 15.0], x=[0.1, 0.2]), "interp with arrays": lambda a: a.interp(y=("p", [5.0, 15.0]), x=("p", [0.1, 0.2])),
    "interp(method=)": lambda a: a.interp(x=[0.15], method="nearest"), "interpolate_na": lambda a: whole(a, "time").interpolate_na("time"), "where": lambda a: a.where(a > 0, -1), "where(drop=True)": lambda a: a.where(a.y > 20, drop=True),
    "xr.where": lambda a: xr.where(a > 0, a, 0), "fillna": lambda a: a.fillna(a.mean("time")), "isnull": lambda a: a.isnull(), "notnull": lambda a: a.notnull(), "combine_first": lambda a: a.where(a > 0).combine_first(a * 0),
    "clip": lambda a: a.clip(-1, 1), "isin": lambda a: a.isin([0.0, 1.0]), "diff": lambda a: a.diff("time", n=2, label="lower"), "shift": lambda a: a.shift(time=2), "roll": lambda a: a.roll(x=3, roll_coords=True),
    "differentiate": lambda a: a.differentiate("time", datetime_unit="D"), "integrate": lambda a: a.integrate("x"), "cumulative_integrate": lambda a: a.cumulative_integrate("x"), "pad": lambda a: a.pad(x=(1, 2), mode="reflect"),
    "xr.concat": lambda a: xr.concat([a, a + 1], "time"), "xr.merge": lambda a: xr.merge(half(a), join="outer")["v"], "xr.align": lambda a: xr.align(*half(a))[0], "xr.broadcast": lambda a: xr.broadcast(a.isel(time=0, drop=True), a)[0],
    "xr.combine_nested": lambda a: xr.combine_nested(quarters(a), ["y", "x"]), "xr.combine_by_coords": lambda a: xr.combine_by_coords([a.isel(y=slice(3)).to_dataset(), a.isel(y=slice(3, 6)).to_dataset()])["v"],
    "reindex": lambda a: a.reindex(y=[0.0, 5.0, 10.0]), "reindex(method=)": lambda a: a.reindex(y=[0.0, 4.0, 11.0], method="nearest"), "arithmetic": lambda a: (a - a.mean("time")) / a.std("time"), "a += 1": added,
    "a[...] = value": lambda a: changed(a, {"y": 0}, 5.0), "stack": lambda a: a.stack(z=("y", "x")), "unstack": lambda a: a.stack(z=("y", "x")).unstack("z"), "to_stacked_array": lambda a: a.to_dataset().to_stacked_array("z", ["time"]),
    "to_dataset(dim)": lambda a: a.to_dataset("y")[10.0], "to_dataarray": lambda a: xr.Dataset({"p": a, "q": a}).to_dataarray(), "transpose": lambda a: a.transpose("x", ..., "time"), "expand_dims": lambda a: a.expand_dims(run=3),
    "swap_dims": lambda a: a.assign_coords(k=("y", list("abcdef"))).swap_dims(y="k"), "rename": lambda a: a.rename(y="lat"), "assign_coords": lambda a: a.assign_coords(x=np.arange(8)), "sortby": lambda a: a.sortby("y", ascending=False),
    "astype": lambda a: a.astype("f4"), "round": lambda a: a.round(1), "np.exp": lambda a: np.exp(a), "xr.dot": lambda a: xr.dot(a.fillna(0), a.fillna(0).isel(time=0, drop=True), dim="y"), "xr.cross": lambda a: xr.cross(*[a.isel(y=slice(3))] * 2, dim="y"),
    "xr.cov": lambda a: xr.cov(a, a * 2, "time"), "xr.corr": lambda a: xr.corr(a, a**2, "time"), "xr.polyval": lambda a: xr.polyval(a.x, a.isel(time=slice(2)).rename(time="degree").assign_coords(degree=[0, 1])),
    "map_blocks(template=)": lambda a: a.map_blocks(lambda b: b * 2, template=a), "apply_ufunc(dask=\"parallelized\")": lambda a: core(a, lambda v: v[..., :2], output_core_dims=[["k"]], dask_gufunc_kwargs={"output_sizes": {"k": 2}}),
    "apply_ufunc(vectorize=True)": lambda a: core(a, lambda v: v.sum(), vectorize=True), "apply_ufunc(dask=\"allowed\")": lambda a: xr.apply_ufunc(lambda v: v * 2, a, dask="allowed"), "curvefit": lambda a: whole(a, "x").fillna(0).curvefit("x", lambda x, p, q: p * x + q).curvefit_coefficients,
    "chunk": lambda a: a.chunk(time=7, chunked_array_type="tessera") if a.chunks else a, "unify_chunks": lambda a: a.unify_chunks(), "copy": lambda a: a.copy(deep=True), "pickle": lambda a: pickle.loads(pickle.dumps(a)), "xr.zeros_like": xr.zeros_like, "xr.full_like": lambda a: xr.full_like(a, 3.0),
    "Dataset.map": lambda a: a.to_dataset().map(np.abs)["v"], "Dataset.mean": lambda a: a.to_dataset().mean()["v"], "Dataset.eval": lambda a: a.to_dataset().eval("w = v + 1")["w"],
}
SOME = {"dropna": lambda a: a.dropna("time"), "where(a > 1.5, drop=True)": lambda a: a.where(a > 1.5, drop=True), "sortby(lazy)": lambda a: a.sortby(a.isel(y=0, x=0)), "persist": lambda a: a.persist()}
COMPUTES = {
    "values": lambda a: a.values, "load": lambda a: a.copy().load(), "compute": lambda a: a.compute(), "to_numpy": lambda a: a.to_numpy(), "item": lambda a: a.isel(time=0, y=0, x=0).item(), "equals": lambda a: a.equals(a * 1),
    "to_dataframe": lambda a: a.to_dataframe().to_xarray()["v"], "to_pandas": lambda a: a.isel(y=0).to_pandas().values, "to_dict": lambda a: xr.DataArray.from_dict(a.to_dict()), "plot": lambda a: len(a.isel(y=0, x=0).plot()),
}
FAILS = {
    "polyfit": lambda a: whole(a, "time").fillna(0).polyfit("time", 1), "idxmax": lambda a: a.fillna(0).idxmax("time"), "idxmin": lambda a: a.fillna(0).idxmin("y"), "interp over other dates": lambda a: a.interp(time=["2001-01-05", "2001-06-07"]),
    "interp_like": lambda a: a.interp_like(a.isel(x=slice(2, 5)).compute()), "resample(...).interpolate": lambda a: whole(a, "time").resample(time="5D").interpolate("linear"), "interpolate_na over several chunks": lambda a: a.interpolate_na("time"),
    "argsort": lambda a: a.isel(y=0, x=0).argsort(), "searchsorted": lambda a: a.isel(y=0, x=0).searchsorted(0.0),
}
SECTIONS = {"Stay lazy": LAZY, "Look at values, and stay lazy": SOME, "Compute": COMPUTES, "Do not work": FAILS}


@pytest.fixture
def both():
    values = np.random.default_rng(0).normal(size=(24, 6, 8))
    values[3, 2, 1] = values[5] = np.nan
    coords = {"time": pd.date_range("2001-01-01", periods=24, freq="15D"), "y": np.arange(6) * 10.0, "x": np.linspace(0, 1, 8)}

    def made(data):
        return xr.DataArray(data, dims=("time", "y", "x"), coords=coords, name="v", attrs={"units": "K"})

    return made(ts.from_array(values, chunks=(5, 3, 4))), made(values)


@pytest.fixture
def runs(monkeypatch):
    """How often the engine has computed something."""
    count, run = [0], ts.Session._run

    def counted(self, *args):
        count[0] += 1
        return run(self, *args)

    monkeypatch.setattr(ts.Session, "_run", counted)
    return count


def same(ours, theirs):
    if isinstance(theirs, xr.DataArray):
        assert (ours.dims, ours.dtype, ours.attrs) == (theirs.dims, theirs.dtype, theirs.attrs)
        xr.testing.assert_allclose(ours.compute(), theirs)
    else:
        np.testing.assert_allclose(ours, theirs)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", LAZY)
def test_stays_lazy(both, runs, name):
    ours = LAZY[name](both[0])
    assert isinstance(ours.data, ts.Array) and runs == [0], f"{runs[0]} runs"
    same(ours, LAZY[name](both[1]))


@pytest.mark.parametrize("name", SOME)
def test_looks_at_values(both, runs, name):
    ours = SOME[name](both[0])
    assert isinstance(ours.data, ts.Array) and runs[0] > 0
    same(ours, SOME[name](both[1]))


@pytest.mark.parametrize("name", COMPUTES)
def test_computes(both, runs, name):
    pytest.importorskip("matplotlib").use("agg")
    ours = COMPUTES[name](both[0])
    assert runs[0] > 0 and not isinstance(getattr(ours, "data", ours), ts.Array)
    same(ours, COMPUTES[name](both[1]))


@pytest.mark.parametrize("name", FAILS)
def test_does_not_work(both, name):
    with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
        FAILS[name](both[0])
    assert str(caught.value)
    FAILS[name](both[0].compute())  # what the page says to do


def test_the_page_has_them_all():
    sections = {part.partition("\n")[0]: part for part in PAGE.read_text().split("\n## ")}
    for title, cases in SECTIONS.items():
        assert {name for name in re.findall(r"`([^`]+)`", sections[title])} >= set(cases), title
        rows = [row for row in sections[title].splitlines() if row.startswith("| ") and "---" not in row][1:]
        assert {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[2 if title != "Do not work" else 1])} == set(cases), title
