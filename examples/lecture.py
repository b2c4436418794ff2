"""The lecture on big arrays: chunks, laziness, what a plan looks like, random numbers and a histogram: python3 examples/lecture.py [SCALE]

With SCALE 1 (the default) the arrays have 3.2 GB and 1.6 GB; none of it is ever stored.
"""
import sys

import numpy as np

import tessera as ts


def main(scale=1.0):
    rows = int(200_000 * scale)
    ones = ts.ones((1000, 4000), chunks=(1000, 1000))
    print(ones)
    print("sum of ones:", ones.sum().compute())

    big = ts.ones((rows, 4000), chunks=(1000, 1000))
    calculation = (big * big[::-1, ::-1]).mean()
    print(f"{big.nbytes / 1e9:.1f} GB in {big.npartitions} chunks:", calculation)
    print(calculation.explain())
    with ts.ProgressBar():
        print("mean:", calculation.compute())

    # NumPy's functions stay lazy.
    print(np.cos(big)[:2, :2].compute())

    x = ts.random.default_rng(0).normal(10, 0.1, size=(rows, 1000), chunks=(1000, 1000))
    counts, edges = ts.histogram(x, bins=20, range=(9.5, 10.5))
    mean, deviation, counts = ts.compute(x.mean(), x.std(), counts)
    print(f"mean {mean:.5f}, deviation {deviation:.5f}")
    for count, edge in zip(counts, edges):
        print(f"{edge:6.2f} {'#' * round(60 * count / counts.max())}")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
