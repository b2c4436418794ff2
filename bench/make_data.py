#!/usr/bin/env python3
"""Makes the files that the benchmarks read:

    bench/make_data.py DIR [--days N] [--steps N]

    DIR/daily/t2m_000.nc ...    a NetCDF-3 file a day, t2m(time 4, latitude 361, longitude 720), float32; 60 of them are 0.25 GB
    DIR/deflate.nc              NetCDF-4, t2m(time 960, ...), float32, shuffled and deflated (level 4), a chunk a time step; 1 GB raw

The fields look like 2 m temperatures: a smooth pattern with weather that moves and noise of the size that measurements have, in
steps of 1/128 K in the compressed file, so that it compresses as such files do. The same call makes the same values.
"""
import argparse
import pathlib

import netCDF4
import numpy as np

N_LAT, N_LON, STEPS_A_DAY = 361, 720, 4
LAT = np.linspace(90, -90, N_LAT)
LON = np.arange(N_LON) * (360 / N_LON)


class Weather:
    """A mean climate, a yearly and a daily cycle, and a dozen travelling waves."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        self.seed = seed
        self.lat, self.lon = np.deg2rad(LAT)[:, None], np.deg2rad(LON)[None, :]
        self.coslat = np.cos(self.lat)
        self.mean = 300 - 52 * np.sin(self.lat) ** 2 + 4 * np.sin(2 * self.lon) * self.coslat
        self.waves = [(draw.uniform(1, 4), int(draw.integers(1, 10)), int(draw.integers(1, 6)), draw.uniform(0.05, 0.4),
                       draw.uniform(0, 2 * np.pi)) for _ in range(12)]

    def field(self, step):
        day = step / STEPS_A_DAY
        out = self.mean + 11 * np.sin(self.lat) * np.cos(2 * np.pi * (day - 200) / 365.25)
        out = out + 3.5 * self.coslat * np.cos(self.lon + 2 * np.pi * day)
        for amplitude, across, along, speed, phase in self.waves:
            out += amplitude * self.coslat * np.cos(along * self.lat) * np.cos(across * self.lon - speed * day + phase)
        return out + 0.15 * np.random.default_rng((self.seed, step)).standard_normal((N_LAT, N_LON))


def add_axes(nc, first_step, n_steps):
    nc.Conventions = "CF-1.8"
    nc.createDimension("time", None)
    for name, values, units in (("latitude", LAT, "degrees_north"), ("longitude", LON, "degrees_east")):
        nc.createDimension(name, len(values))
        variable = nc.createVariable(name, "f4", (name,))
        variable.units = units
        variable.standard_name = name
        variable[:] = values
    time = nc.createVariable("time", "i4", ("time",))
    time.units = "hours since 2014-01-01 00:00:00"
    time.calendar = "standard"
    time.standard_name = "time"
    time[:] = (first_step + np.arange(n_steps)) * (24 // STEPS_A_DAY)


def add_variable(nc, **options):
    variable = nc.createVariable("t2m", "f4", ("time", "latitude", "longitude"), **options)
    variable.units = "K"
    variable.long_name = "2 metre temperature"
    return variable


def make_daily(folder, days):
    weather = Weather(1)
    folder.mkdir(parents=True, exist_ok=True)
    for day in range(days):
        with netCDF4.Dataset(folder / f"t2m_{day:03}.nc", "w", format="NETCDF3_CLASSIC") as nc:
            add_axes(nc, day * STEPS_A_DAY, STEPS_A_DAY)
            add_variable(nc)[:] = np.stack([weather.field(day * STEPS_A_DAY + i) for i in range(STEPS_A_DAY)])


def make_deflate(path, steps):
    weather = Weather(2)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as nc:
        add_axes(nc, 0, steps)
        variable = add_variable(nc, zlib=True, complevel=4, shuffle=True, chunksizes=(1, N_LAT, N_LON))
        for step in range(steps):
            variable[step] = np.rint(weather.field(step) * 128) / 128


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--steps", type=int, default=960)
    options = parser.parse_args()
    made = options.folder / "made.txt"
    what = f"{options.days} days, {options.steps} steps\n"
    if made.exists() and made.read_text() == what:
        return
    print(f"making the benchmark's files in {options.folder}", flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    made.unlink(missing_ok=True)
    for old in (options.folder / "daily").glob("*.nc"):
        old.unlink()
    make_daily(options.folder / "daily", options.days)
    make_deflate(options.folder / "deflate.nc", options.steps)
    made.write_text(what)


if __name__ == "__main__":
    main()
