#!/usr/bin/env python3
"""The workloads through Tessera's Python package:

    bench/tessera_python.py WORKLOAD --data DIR --out DIR [--threads N] [--scale F] [--cold]

The same data, the same clock and the same output as peers.py; the package is the one in build/python.
"""
import pathlib
import sys

import numpy as np
import peers

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "build/python"))
import tessera as ts  # noqa: E402

WINDOW = 250
RUNS = {}  # workload -> function(options) that prepares and returns the function to be timed


def workload(name):
    def register(make):
        RUNS[name] = make
        return make
    return register


@workload("normal_mean")
def _(options):
    n = peers.rows(options, 200e6)
    return lambda: ts.random.default_rng(1).normal(0, 0.1, size=n, chunks=n // 4).mean().compute()


@workload("histogram")
def _(options):
    n = peers.rows(options, 200e6)
    return lambda: ts.histogram(ts.random.default_rng(1).normal(size=n, chunks=n // 200), bins=100, range=(-5, 5))[0].compute().sum()


# ---- (b * b[::-1, ::-1]).mean() --------------------------------------------------------------------------------------

def flip_mean(b):
    return (b * b[::-1, ::-1]).mean().compute()


@workload("flip_ones")
def _(options):
    return lambda: flip_mean(ts.ones((peers.rows(options, 200000), peers.N_COLUMNS), chunks=(1000, 1000)))


@workload("flip_generated")
def _(options):
    def run():
        rows = ts.arange(peers.rows(options, 200000), chunks=1000, dtype="f8") / 1000
        return flip_mean(rows[:, None] + ts.arange(peers.N_COLUMNS, chunks=1000, dtype="f8"))
    return run


@workload("flip_random")
def _(options):
    shape = (peers.rows(options, 200000), peers.N_COLUMNS)
    return lambda: flip_mean(ts.random.default_rng(1).uniform(0, 1, size=shape, chunks=(1000, 1000)))


@workload("flip_memory")
def _(options):
    b = ts.from_array(peers.table(options), chunks=(1000, 1000))
    return lambda: flip_mean(b)


# ---- Products, chains and reductions ---------------------------------------------------------------------------------

@workload("matmul")
def _(options):
    n = peers.side(options)

    def run():
        a = ts.random.default_rng(1).uniform(0, 1, size=(n, n), chunks=(1000, 1000))
        return (a @ a).sum().compute()
    return run


@workload("chain_sum")
def _(options):
    b = ts.from_array(peers.table(options), chunks=(1000, 1000))
    return lambda: (((b + 1) * 2 - b) / 3).sum().compute()


@workload("cos_mean")
def _(options):
    b = ts.from_array(peers.table(options), chunks=(1000, 1000))
    return lambda: (np.cos(b) ** 2).mean(axis=0).compute().sum()


def climate(options):
    return ts.from_array(peers.climate(options), chunks=(4, *peers.CLIMATE))


def reduce_climate(name, axis):
    @workload(name)
    def _(options):
        x = climate(options)
        return lambda: x.mean(axis=axis).compute().sum()


reduce_climate("mean", None)
reduce_climate("mean_space", (1, 2))
reduce_climate("mean_time", 0)


@workload("topk")
def _(options):
    x = climate(options)
    return lambda: ts.topk(x, peers.BEST, axis=0).compute().sum()


@workload("z_persist")
def _(options):
    x, kept = climate(options), {}

    def run():
        kept.clear()
        kept["z"] = ((x - x.mean(axis=0)) / x.std(axis=0)).persist()
        return lambda: abs(kept["z"]).sum().compute()
    return run


# ---- Blocks and functions of blocks ----------------------------------------------------------------------------------

@workload("blocks")
def _(options):
    n = peers.rows(options, 100000)
    return lambda: (ts.ones(n, chunks=1) + 1).sum().compute()


def recentred(options):
    x = ts.from_array(peers.stack(options), chunks=(20, -1, -1))
    recentre = ts.c_function(file=ROOT / "examples/centroid.c", symbol="recentre")
    return lambda: ts.map_blocks(recentre, x, dtype="u1", chunks=(20, WINDOW, WINDOW)).persist()


def total_of(make):
    """Runs make() with nothing left of the run before, and finds the sum of what it kept off the clock."""
    kept = {}

    def run():
        kept.clear()
        kept["result"] = make()
        return lambda: kept["result"].sum(dtype="f8").compute()
    return run


@workload("stack_recentre")
def _(options):
    return total_of(recentred(options))


@workload("stack_rechunk")
def _(options):
    y = recentred(options)()
    return total_of(lambda: ts.overlap(y.rechunk((-1, 10, 10)), depth=0, boundary="none").persist())


@workload("overlap_corner")
def _(options):
    n = peers.rows(options, 20000)
    smooth = ts.c_function("""
    tsr_status block(void *context, int n, const tsr_block *in, const tsr_block *out)
    {
        const double *x = in->data;
        double *y = out->data;
        int64_t rows = out->shape[0], columns = out->shape[1];
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                const double *p = x + i * columns + j;
                int inside = i > 0 && i < rows - 1 && j > 0 && j < columns - 1;
                y[i * columns + j] = inside ? (p[0] + p[-1] + p[1] + p[-columns] + p[columns]) / 5 : p[0];
            }
        return TSR_OK;
    }""")
    map_overlap = ts.map_overlap  # imports the module of blocks' functions; imports are off the clock
    return lambda: map_overlap(smooth, ts.ones((n, n), chunks=100), depth=1, boundary="reflect",
                               dtype=float)[:10, :10].sum().compute()


# ---- What only Python has ----------------------------------------------------------------------------------------------

@workload("lazy_add")
def _(options):
    x = ts.ones((100, 100), chunks=50)
    return peers.each(lambda: x + 1, 20000)


@workload("one_element")
def _(options):
    x = ts.from_array(np.arange(1e6).reshape(100, 100, 100), chunks=50)
    return peers.each(lambda: x[0, 0, 0].compute(), 2000)


def random_table(options):
    n = peers.table_side(options)
    return ts.random.default_rng(1).uniform(0, 1, size=(n, n), chunks=(n, 200))


@workload("rechunk")
def _(options):
    return lambda: random_table(options).rechunk((200, -1)).sum().compute()


def made_sum(options):
    made = ts.overlap(random_table(options), depth=0, boundary="none").rechunk((200, -1))  # as the optimizer does not know what overlaps are for
    return ts.overlap(made, depth=0, boundary="none").sum().compute()


@workload("rechunk_made")
def _(options):
    return lambda: made_sum(options)


@workload("rechunk_budget")
def _(options):
    ts.config.set(memory=int(2**30 * options.scale))
    return lambda: made_sum(options)


def main():
    options = peers.parse_arguments("workload")
    ts.config.set(threads=options.threads)
    ts.asarray(0)  # opens the session, which bench-tessera has open, too, when its clock starts
    peers.clocked(RUNS[options.workload](options), options.cold)


if __name__ == "__main__":
    main()
