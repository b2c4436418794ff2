#!/usr/bin/env python3
"""The workloads as users of NumPy, Dask, numexpr and numba write them:

    bench/peers.py WORKLOAD PEER --data DIR --out DIR [--threads N] [--scale F] [--cold]

prepares, runs once to warm up (not with --cold), runs again with the clock on and prints {"seconds": ..., "value": ...}. Imports,
thread pools, compilation and the making of data are off the clock; for Dask it runs from the building of the graph to the result.
`value` is one number by which run.py sees that all peers did the same work; where run() gives a function, that finds it, off
the clock.
"""
import argparse
import glob
import importlib
import json
import pathlib
import time
import warnings

import numpy as np

N_COLUMNS = 4000
CLIMATE = (361, 720)
RUNS = {}  # (workload, peer) -> function(options) that prepares and returns the function to be timed


def peer(workload, name):
    def register(make):
        RUNS[workload, name] = make
        return make
    return register


def rows(options, n):
    return int(n * options.scale)


def hashed(n):
    """Numbers in [0, 1): Knuth's multiplicative hash of the index, as bench-tessera makes them."""
    out = np.empty(n)
    step = 1 << 20
    for start in range(0, n, step):
        index = np.arange(start, min(n, start + step), dtype=np.uint32)
        out[start:start + step] = index * np.uint32(2654435761)
    out *= 2.0 ** -32
    return out


def table(options):
    return hashed(rows(options, 50000) * N_COLUMNS).reshape(-1, N_COLUMNS)


def climate(options):
    x = hashed(4 * rows(options, 60) * CLIMATE[0] * CLIMATE[1]).reshape(-1, *CLIMATE)
    x *= 40
    x += 260
    return x


def dask_of(data, chunks):
    """The array as blocks in memory, each its own, as a Dask user has them after persist()."""
    import dask.array as da
    return da.from_array(data, chunks=chunks).map_blocks(np.array, dtype=data.dtype).persist()


def each(operation, n):
    """A run that repeats a short operation and gives the seconds of one of them (the median of batches), and what it gave."""
    def run():
        batch, times = n // 20, []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(batch):
                result = operation()
            times.append((time.perf_counter() - start) / batch)
        return sorted(times)[10], lambda: float(np.asarray(result).flat[0])
    return run


def table_side(options):
    """A square of 3.2 GB; whole blocks of 200."""
    return int(20000 * options.scale ** 0.5) // 200 * 200


# ---- Random numbers --------------------------------------------------------------------------------------------------

@peer("normal_mean", "numpy")
def _(options):
    n = rows(options, 200e6)
    return lambda: np.random.default_rng().normal(0, 0.1, n).mean()


@peer("normal_mean", "dask")
def _(options):
    import dask.array as da
    n = rows(options, 200e6)
    return lambda: da.random.normal(0, 0.1, size=n, chunks=n // 4).mean().compute()


@peer("histogram", "numpy")
def _(options):
    n, draw = rows(options, 200e6), np.random.default_rng()
    return lambda: sum(np.histogram(draw.normal(size=n // 200), bins=100, range=(-5, 5))[0] for _ in range(200)).sum()


@peer("histogram", "dask")
def _(options):
    import dask.array as da
    n = rows(options, 200e6)
    return lambda: da.histogram(da.random.normal(0, 1, size=n, chunks=n // 200), bins=100, range=(-5, 5))[0].compute().sum()


# ---- (b * b[::-1, ::-1]).mean() --------------------------------------------------------------------------------------

@peer("flip_ones", "dask")
def _(options):
    import dask.array as da

    def run():
        b = da.ones((rows(options, 200000), N_COLUMNS), chunks=(1000, 1000))
        return (b * b[::-1, ::-1]).mean().compute()
    return run


@peer("flip_generated", "dask")
def _(options):
    import dask.array as da

    def run():
        n = rows(options, 200000)
        b = (da.arange(n, chunks=1000, dtype="f8") / 1000)[:, None] + da.arange(N_COLUMNS, chunks=1000, dtype="f8")
        return (b * b[::-1, ::-1]).mean().compute()
    return run


@peer("flip_random", "dask")
def _(options):
    import dask.array as da

    def run():
        b = da.random.uniform(0, 1, size=(rows(options, 200000), N_COLUMNS), chunks=(1000, 1000))
        return (b * b[::-1, ::-1]).mean().compute()
    return run


@peer("flip_memory", "numpy")
def _(options):
    b = table(options)
    return lambda: (b * b[::-1, ::-1]).mean()


@peer("flip_memory", "dask")
def _(options):
    b = dask_of(table(options), (1000, 1000))
    return lambda: (b * b[::-1, ::-1]).mean().compute()


@peer("flip_memory", "numba")
def _(options):
    import numba
    b = table(options)

    @numba.njit(parallel=True, fastmath=True)
    def run(b):
        n, m = b.shape
        total = 0.0
        for i in numba.prange(n):
            line = 0.0
            for j in range(m):
                line += b[i, j] * b[n - 1 - i, m - 1 - j]
            total += line
        return total / b.size
    run(b[:2])
    return lambda: run(b)


# ---- Products of matrices --------------------------------------------------------------------------------------------


def side(options):
    return int(8000 * options.scale ** (1 / 3))


@peer("matmul", "numpy")
def _(options):
    n = side(options)
    a = np.random.default_rng(1).random((n, n))
    return lambda: (a @ a).sum()


@peer("matmul", "dask")
def _(options):
    import dask.array as da

    def run():
        a = da.random.random((side(options), side(options)), chunks=1000)
        return (a @ a).sum().compute()
    return run


# ---- Chains of elementwise operations on data in memory --------------------------------------------------------------

@peer("chain_sum", "numpy")
def _(options):
    b = table(options)
    return lambda: (((b + 1) * 2 - b) / 3).sum()


@peer("chain_sum", "dask")
def _(options):
    b = dask_of(table(options), (1000, 1000))
    return lambda: (((b + 1) * 2 - b) / 3).sum().compute()


@peer("chain_sum", "numexpr")
def _(options):
    import numexpr
    numexpr.set_num_threads(options.threads)
    b = table(options)
    return lambda: numexpr.evaluate("sum(((b + 1) * 2 - b) / 3)", local_dict={"b": b})


@peer("chain_sum", "numba")
def _(options):
    import numba
    b = table(options)

    @numba.njit(parallel=True, fastmath=True)
    def run(b):
        n, m = b.shape
        total = 0.0
        for i in numba.prange(n):
            line = 0.0
            for j in range(m):
                line += ((b[i, j] + 1) * 2 - b[i, j]) / 3
            total += line
        return total
    run(b[:2])
    return lambda: run(b)


@peer("cos_mean", "numpy")
def _(options):
    b = table(options)
    return lambda: (np.cos(b) ** 2).mean(axis=0).sum()


@peer("cos_mean", "dask")
def _(options):
    b = dask_of(table(options), (1000, 1000))
    return lambda: (np.cos(b) ** 2).mean(axis=0).compute().sum()


@peer("cos_mean", "numexpr")
def _(options):
    import numexpr
    numexpr.set_num_threads(options.threads)
    b = table(options)
    return lambda: numexpr.evaluate("cos(b) ** 2", local_dict={"b": b}).mean(axis=0).sum()


# ---- A climate variable in memory ------------------------------------------------------------------------------------

def reduce_climate(workload, axis):
    @peer(workload, "numpy")
    def _(options):
        x = climate(options)
        return lambda: x.mean(axis=axis).sum()

    @peer(workload, "dask")
    def _(options):
        x = dask_of(climate(options), (4, *CLIMATE))
        return lambda: x.mean(axis=axis).compute().sum()


reduce_climate("mean", None)
reduce_climate("mean_space", (1, 2))
reduce_climate("mean_time", 0)

BEST = 10  # of each place


@peer("topk", "numpy")
def _(options):
    x = climate(options)
    return lambda: np.partition(x, -BEST, axis=0)[-BEST:].sum()


@peer("topk", "dask")
def _(options):
    import dask.array as da
    x = dask_of(climate(options), (4, *CLIMATE))
    return lambda: da.topk(x, BEST, axis=0).compute().sum()


@peer("z_persist", "numpy")
def _(options):
    x = climate(options)

    def run():
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        return lambda: np.abs(z).sum()
    return run


@peer("z_persist", "dask")
def _(options):
    x = dask_of(climate(options), (4, *CLIMATE))

    def run():
        z = ((x - x.mean(axis=0)) / x.std(axis=0)).persist()
        return lambda: abs(z).sum().compute()
    return run


# ---- Files -----------------------------------------------------------------------------------------------------------

def daily_files(options):
    return sorted(glob.glob(str(options.data / "daily/*.nc")))


@peer("files_mean", "dask")
def _(options):
    """Dask alone, with the fastest reader there is for it: SciPy's, which maps the files and needs no lock."""
    import dask
    import dask.array as da
    from scipy.io import netcdf_file
    files = daily_files(options)

    def read(path):
        with netcdf_file(path, mmap=True, maskandscale=False) as nc:
            variable = nc.variables["t2m"]
            data = variable.data.astype("f8")
            del variable
        return data

    def run():
        parts = [da.from_delayed(dask.delayed(read)(path), shape=(4, *CLIMATE), dtype="f8") for path in files]
        return da.concatenate(parts).mean(axis=0).compute().sum()
    return run


@peer("files_mean", "xarray")
def _(options):
    import xarray
    files = daily_files(options)

    def run():
        with xarray.open_mfdataset(files, combine="nested", concat_dim="time", data_vars="minimal", coords="minimal",
                                   compat="override") as data:
            mean = data.t2m.astype("f8").mean("time")
            mean.to_netcdf(options.out / "xarray_files_mean.nc", format="NETCDF3_64BIT", engine="netcdf4")
    return run


@peer("files_z", "xarray")
def _(options):
    import xarray
    files = daily_files(options)

    def run():
        with xarray.open_mfdataset(files, combine="nested", concat_dim="time", data_vars="minimal", coords="minimal",
                                   compat="override") as data:
            t2m = data.t2m.astype("f8")
            z = ((t2m - t2m.mean("time")) / t2m.std("time")).astype("f4")
            z.encoding.clear()
            z.to_dataset(name="z").to_netcdf(options.out / "xarray_files_z.nc", format="NETCDF3_64BIT", engine="netcdf4")
    return run


@peer("deflate_mean", "xarray")
def _(options):
    import xarray

    def run():
        with xarray.open_dataset(options.data / "deflate.nc", chunks={"time": 40}) as data:
            mean = data.t2m.mean("time", dtype="f8")
            mean.to_netcdf(options.out / "xarray_deflate_mean.nc", format="NETCDF3_64BIT", engine="netcdf4")
    return run


# ---- Many small blocks -----------------------------------------------------------------------------------------------

@peer("blocks", "dask")
def _(options):
    import dask.array as da
    n = rows(options, 100000)
    return lambda: (da.ones((n,), chunks=1) + 1).sum().compute()


# ---- Functions of blocks -------------------------------------------------------------------------------------------------

def stack(options):
    """400 frames of 500 x 500 bytes: a bright square that moves, on noise."""
    noise = (np.arange(500 * 500, dtype=np.uint32) * np.uint32(2654435761) >> np.uint32(29)).astype(np.uint8).reshape(500, 500)
    x = np.empty((rows(options, 400), 500, 500), np.uint8)
    for t, frame in enumerate(x):
        i, j = 100 + t * 37 % 300, 100 + t * 53 % 300
        frame[...] = noise
        frame[i - 40:i + 40, j - 40:j + 40] += 200
    return x


def recentre_with_numba():
    import numba

    @numba.njit(nogil=True)
    def recentre(x):
        n, h, w = x.shape
        out = np.empty((n, 250, 250), np.uint8)
        for t in range(n):
            s = sy = sx = 0.0
            for i in range(h):
                for j in range(w):
                    v = x[t, i, j]
                    s += v
                    sy += v * i
                    sx += v * j
            y0 = min(max(int(sy / s) - 125, 0), h - 250)
            x0 = min(max(int(sx / s) - 125, 0), w - 250)
            out[t] = x[t, y0:y0 + 250, x0:x0 + 250]
        return out

    recentre(np.ones((1, 250, 250), np.uint8))
    return lambda block: recentre(np.ascontiguousarray(block))


@peer("stack_recentre", "dask")
def _(options):
    x, recentre = dask_of(stack(options), (20, -1, -1)), recentre_with_numba()

    def run():
        y = x.map_blocks(recentre, dtype="u1", chunks=(20, 250, 250)).persist()
        return lambda: y.sum(dtype="f8").compute()
    return run


@peer("stack_rechunk", "dask")
def _(options):
    x, recentre = dask_of(stack(options), (20, -1, -1)), recentre_with_numba()
    y = x.map_blocks(recentre, dtype="u1", chunks=(20, 250, 250)).persist()

    def run():
        r = y.rechunk((-1, 10, 10)).persist()
        return lambda: r.sum(dtype="f8").compute()
    return run


@peer("overlap_corner", "dask")
def _(options):
    import dask.array as da
    n = rows(options, 20000)

    def smooth(a):
        out = a.copy()
        out[1:-1, 1:-1] = (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[:-2, 1:-1] + a[2:, 1:-1]) / 5
        return out
    return lambda: da.ones((n, n), chunks=100).map_overlap(smooth, depth=1, boundary="reflect")[:10, :10].sum().compute()


# ---- What Python adds ------------------------------------------------------------------------------------------------

@peer("lazy_add", "dask")
def _(options):
    import dask.array as da
    x = da.ones((100, 100), chunks=50)

    return each(lambda: x + 1, 2000)


@peer("one_element", "dask")
def _(options):
    import dask.array as da
    x = da.from_array(np.arange(1e6).reshape(100, 100, 100), chunks=50)
    return each(lambda: x[0, 0, 0].compute(), 200)


@peer("rechunk", "dask")
@peer("rechunk_made", "dask")
def _(options):
    import dask.array as da
    n = table_side(options)
    return lambda: da.random.uniform(0, 1, size=(n, n), chunks=(n, 200)).rechunk((200, n)).sum().compute()


def parse_arguments(*names):
    parser = argparse.ArgumentParser()
    for name in names:
        parser.add_argument(name)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--cold", action="store_true")
    return parser.parse_args()


def clocked(run, is_cold):
    """Prints how long a second run takes, or a first one that is to be cold, and what came out."""
    if not is_cold:
        run()
    start = time.perf_counter()
    value = run()
    seconds = time.perf_counter() - start
    seconds, value = value if isinstance(value, tuple) else (seconds, value)
    if callable(value):
        value = value()
    print(json.dumps({"seconds": seconds, "value": None if value is None else float(value)}))


def main():
    options = parse_arguments("workload", "peer")
    warnings.simplefilter("ignore")
    if options.peer in ("dask", "xarray"):
        dask = importlib.import_module("dask")
        dask.config.set(scheduler="threads", num_workers=options.threads)
        importlib.import_module("dask.array").ones(64, chunks=8).sum().compute()  # starts the pool
    if options.peer == "numba":
        importlib.import_module("numba").set_num_threads(options.threads)
    clocked(RUNS[options.workload, options.peer](options), options.cold)


if __name__ == "__main__":
    main()
