"""How unusual was it? Z-scores of a folder of climate files, with pictures: python3 examples/zscore.py 'era/*.nc' t2m OUTDIR

Opens many files as one, computes over time, looks at slices as one does with a slider, and writes a NetCDF file.
"""
import pathlib
import sys

import numpy as np

import tessera as ts


def main(pattern, name, folder):
    folder = pathlib.Path(folder)
    x = ts.open_dataset(pattern)[name]
    print(x)

    z = ((x - x.mean("time")) / x.std("time")).rename("z").persist()
    ts.Dataset(z=z).to_netcdf(folder / "z.nc")

    # What a slider asks for: one time step, one mean, one latitude. Each reads only what it needs.
    def picture(time):
        return z.isel(time=time).compute()

    def mean(time):
        return float(x.isel(time=time).mean())

    print("mean at the first time steps:", [round(mean(t), 3) for t in range(3)])
    print("largest |z|:", round(float(np.abs(z).max()), 3))
    profile = z.isel(time=0).mean("longitude").compute()
    print("latitude profile:", np.array2string(profile[:: max(len(profile) // 5, 1)], precision=3))
    draw(picture(0), profile, x.coords, folder)


def draw(values, profile, coords, folder):
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("no pictures: matplotlib is not installed")
        return
    latitude, longitude = (coords[name].compute() for name in ("latitude", "longitude"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), width_ratios=(4, 1), sharey=True, layout="constrained")
    most = np.abs(values).max()  # white is the mean
    map_ = left.pcolormesh(longitude, latitude, values, cmap="RdBu_r", vmin=-most, vmax=most, shading="nearest", rasterized=True)
    left.set(title="the first time step", xlabel="longitude", ylabel="latitude")
    right.axvline(0, color="0.7", linewidth=1)
    right.plot(profile, latitude)
    right.set(title="mean over longitude", xlabel="z")
    figure.colorbar(map_, ax=left, label="z", pad=0.02)
    figure.savefig(folder / "z.png", dpi=120)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:4])
