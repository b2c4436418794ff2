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
    draw(picture(0), profile, folder)


def draw(values, profile, folder):
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("no pictures: matplotlib is not installed")
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), width_ratios=(3, 1))
    figure.colorbar(left.imshow(values, cmap="RdBu_r"), ax=left, label="z")
    right.plot(profile, range(len(profile)))
    right.invert_yaxis()
    figure.savefig(folder / "z.png", dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:4])
