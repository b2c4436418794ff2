"""Every line of the tables in docs/coming-from-cdo.md: what stands to the right runs, and gives what CDO or NCO give to the left."""
import functools
import pathlib
import re
import shlex
import shutil
import subprocess

import netCDF4
import numpy as np
import pytest

PAGE = pathlib.Path(__file__).parents[2] / "docs/coming-from-cdo.md"


def lines():
    """(tool, its arguments, arguments of eval) of each line of the tables with commands."""
    left = None
    for line in PAGE.read_text().split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) == 2 and cells[1] == "`tessera eval ...`":
            left = cells[0].strip("`").split()[0]
        elif not cells:
            left = None
        elif left and cells[0].startswith("`"):
            command = shlex.split(cells[0].strip("`"))
            yield (["cdo", "-s", "-O", *command] if left == "cdo" else [command[0], "-O", *command[1:]]), shlex.split(cells[1].strip("`"))


LINES = list(lines())


def write(path, start, n, seed, names=("tas",), unit="days", gaps=False):
    """A file with fields of 18 x 36 points, which have a year's course, and noise."""
    rng = np.random.default_rng(seed)
    with netCDF4.Dataset(path, "w") as d:
        for name, length in (("time", None), ("lat", 18), ("lon", 36)):
            d.createDimension(name, length)
        for name, attributes, values in (
                ("time", {"units": f"{unit} since 2001-01-01 00:00:00", "calendar": "standard", "standard_name": "time", "axis": "T"}, start + np.arange(n) + 0.5),
                ("lat", {"units": "degrees_north", "standard_name": "latitude"}, np.arange(-85.0, 90, 10)),
                ("lon", {"units": "degrees_east", "standard_name": "longitude"}, np.arange(0.0, 360, 10))):
            v = d.createVariable(name, "f8", (name,))
            v.setncatts(attributes)
            v[:] = values
        for name in names:
            day = (start + np.arange(n))[:, None, None] / (24 if unit == "hours" else 1)
            values = 285 + 10 * np.sin(2 * np.pi * day / 365.25) + 0.002 * day + 15 * np.cos(np.deg2rad(d["lat"][:]))[:, None] + rng.normal(size=(n, 18, 36))
            v = d.createVariable(name, "f4", ("time", "lat", "lon"), fill_value=1e20)
            v.units = "K"
            v[:] = np.ma.array(values, mask=rng.random(values.shape) < 0.05) if gaps else values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page speaks of. No leap year: `dayofyear` and the day in the calendar are the same."""
    path = tmp_path_factory.mktemp("cdo")
    write(path / "in.nc", 0, 1000, 1)
    write(path / "other.nc", 0, 1000, 2)
    write(path / "part1.nc", 0, 60, 3)
    write(path / "part2.nc", 60, 30, 4)
    write(path / "two.nc", 0, 30, 5, names=("tas", "pr"))
    write(path / "gaps.nc", 0, 90, 6, gaps=True)
    write(path / "hours.nc", 0, 240, 7, unit="hours")
    return path


def values(path):
    """Those of the one variable that is no coordinate or bounds."""
    with netCDF4.Dataset(path) as d:
        known = set(d.dimensions) | {"time_bnds", "lat_bnds", "lon_bnds", "climatology_bnds"}
        found = [v for name, v in d.variables.items() if name not in known and not name.endswith("bnds") and v.ndim and len(v.dimensions) > 0 or name in ("tas", "t", "speed")]
        wanted = found[0] if len(found) == 1 else next(v for v in found if v.name in ("tas", "t", "speed"))
        return np.squeeze(np.ma.filled(wanted[:].astype("f8"), np.nan))


@functools.lru_cache
def has(tool):
    return shutil.which(tool) is not None


def test_the_tables_are_found():
    assert len(LINES) > 60 and {line[0][0] for line in LINES} > {"cdo", "ncks", "ncra"}
    assert all(re.search(r"\b[a-z0-9]+\.nc\b", " ".join(ours)) for _, ours in LINES)


@pytest.mark.parametrize("theirs, ours", LINES, ids=[" ".join(theirs) for theirs, _ in LINES])
def test_line(tessera, folder, tmp_path, theirs, ours):
    tessera.ok("eval", *ours, "-o", tmp_path / "ours.nc", cwd=folder)
    found = values(tmp_path / "ours.nc")
    assert np.isfinite(found).any()
    if not has(theirs[0]):
        pytest.skip(f"{theirs[0]} is not installed: the line ran, and has nothing to be compared with")
    subprocess.run([*theirs, tmp_path / "theirs.nc"], cwd=folder, check=True, capture_output=True, timeout=60)
    wanted = values(tmp_path / "theirs.nc")
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-3)
