"""What the optimizer and the planner make of expressions: each rewrite, and what fusion must achieve, seen in the plan's text, in the
bytes read and in the memory taken. TESSERA_OPTIMIZE=0 switches the rewrites off: the bits must not change."""
import ctypes
import pathlib
import re
import sys

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from expressions import *  # noqa: E402, F403
from tsr import I, P, numbers  # noqa: E402

rng = np.random.default_rng(11)

# ---- Each rule --------------------------------------------------------------------------------------------------------------

A = rng.normal(size=(12, 10))
A[0, :4] = np.nan, -0.0, np.inf, 0.0
N = rng.integers(-50, 50, (12, 10))
FLAT = rng.normal(size=(120,))

# rule: how to build an example, and what NumPy says it is
RULES = {
    "view of an elementwise operation": (lambda s: s.slice(s.map("sqrt", s.map("add", concat(s, [s.array(A), s.array(A)]), s.array(A[:1]))), slice(0, 5)),
                                         np.sqrt(A + A[:1])[:5]),
    "view of rechunk": (lambda s: s.slice(rechunk(s, concat(s, [s.array(A), s.array(A)]), 7, 10), slice(0, 5), 3), A[:5, 3]),
    "slice of concatenate": (lambda s: s.slice(concat(s, [s.array(A), s.array(N), s.array(A + 1)]), slice(None, 11, -3), slice(2, 9)),
                             np.concatenate([A, N, A + 1])[:11:-3, 2:9]),
    "slice of take": (lambda s: s.slice(take(s, s.array(A), [3, 3, 7, 1, 0, 11], 0), slice(1, 5, 2), slice(None, None, -2)),
                      A.take([3, 3, 7, 1, 0, 11], 0)[1:5:2, ::-2]),
    "slice of reshape": (lambda s: s.slice(reshape(s, cumsum(s, s.array(N), 0), 3, 4, 5, 2), 1, slice(None), slice(1, 4)),
                         N.cumsum(0).reshape(3, 4, 5, 2)[1, :, 1:4]),
    "slice of a reduction": (lambda s: s.slice(s.reduce("sum", s.array(N, (3, 3)), (0,)), slice(None, 2, -3)), N.sum(0)[:2:-3]),
    "slice of a running sum": (lambda s: s.slice(cumsum(s, s.array(FLAT.reshape(12, 10), (5, 5)), 0), slice(2, 7, 2), slice(None, None, -4)),
                               FLAT.reshape(12, 10).cumsum(0)[2:7:2, ::-4]),
    "slice of quantiles": (lambda s: s.slice(quantile(s, s.array(FLAT.reshape(12, 10)), (0.1, 0.5, 0.9), 0), slice(1, 2), slice(3, None)),
                           np.quantile(FLAT.reshape(12, 10), (0.1, 0.5, 0.9), 0)[1:2, 3:]),
    "constant folding": (lambda s: s.map("multiply", s.array(A), s.map("exp", s.map("add", scalar(s, 0.5), scalar(s, 0.25)))), A * np.exp(0.75)),
    "operand that changes nothing": (lambda s: s.map("subtract", s.map("multiply", s.map("divide", s.array(A), scalar(s, 1)), scalar(s, 1)), scalar(s, 0)), A),
    "operation that undoes or repeats another": (lambda s: s.map("floor", s.map("floor", s.map("negative", s.map("negative", s.array(A))))), np.floor(A)),
    "choice that is known": (lambda s: s.map("where", s.map("less", scalar(s, 1), scalar(s, 2)), s.array(A), s.array(A + 1)), A),
    "cast of a cast": (lambda s: astype(s, astype(s, s.array(A.astype("f4")), "f8"), "f4"), A.astype("f4")),
    "take of an elementwise operation": (lambda s: take(s, s.map("add", s.map("sqrt", s.array(A)), s.array(A[:1])), [7, 3, 3, 0], 0), (np.sqrt(A) + A[:1])[[7, 3, 3, 0]]),
    "take of take": (lambda s: take(s, take(s, s.array(A), [5, 1, 1, 9], 0), [0, 3, 1], 0), A[[5, 9, 1]]),
    "take of evenly spaced indices": (lambda s: take(s, s.array(A), [9, 7, 5, 3], 1), A[:, 9:2:-2]),
    "concatenate of concatenate": (lambda s: concat(s, [concat(s, [s.array(A), s.array(N)]), s.array(A + 1)]), np.concatenate([A, N, A + 1])),
    "rechunk of rechunk": (lambda s: rechunk(s, s.slice(rechunk(s, concat(s, [s.array(A), s.array(A)]), 7, 10), slice(0, 12)), 4, 4), A),
    "rechunk of a generator": (lambda s: rechunk(s, arange(s, 1000, (100,)), 64), np.arange(1000)),
    "reshape of reshape": (lambda s: reshape(s, s.slice(reshape(s, cumsum(s, s.array(N), 0), 120), slice(0, 40)), 8, 5), N.cumsum(0).ravel()[:40].reshape(8, 5)),
    "reshape of a source": (lambda s: reshape(s, s.array(FLAT), 8, 15), FLAT.reshape(8, 15)),
    "reshape of an elementwise operation": (lambda s: reshape(s, s.map("multiply", arange(s, 120, (50,)), s.array(FLAT)), 2, 3, 20), (np.arange(120) * FLAT).reshape(2, 3, 20)),
}
# The planner already does what these say: they change what is shown, or make way for other rules.
NOT_SEEN_BY_ITSELF = {"rechunk of a generator"}


def both(on, off, build):
    """The example with and without the rewrites: texts of the plans and equal values."""
    with_rules, without = build(on), build(off)
    texts = on.explain(with_rules), off.explain(without)
    got, want = on.compute(with_rules), off.compute(without)
    assert equal_bits(got, want), (got, want)
    return texts, got


@pytest.mark.parametrize("rule", RULES)
def test_rule(on, off, rule):
    build, want = RULES[rule]
    (text, plain), got = both(on, off, build)
    assert rule in rewrites(text), text
    assert not rewrites(plain), plain
    if rule not in NOT_SEEN_BY_ITSELF:
        assert structure(text) != plain, text
    np.testing.assert_allclose(got, want, rtol=1e-14)
    assert got.dtype == want.dtype and got.shape == want.shape


def test_every_rule_has_an_example():
    source = (tsr_root() / "src/optimize/rules.h").read_text()
    assert set(re.findall(r'X\(\w+, "([^"]+)"', source)) == set(RULES)


def tsr_root():
    return pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("build,dtype", [
    (lambda s, x: s.map("add", x, scalar(s, 0.0)), "float64"),  # -0.0 + 0.0 is 0.0
    (lambda s, x: s.map("subtract", scalar(s, 0.0), x), "float64"),
    (lambda s, x: s.map("divide", scalar(s, 1.0), x), "float64"),
    (lambda s, x: s.map("subtract", x, scalar(s, -0.0)), "float64"),
    (lambda s, x: astype(s, astype(s, x, "float32"), "float64"), "float64"),
    (lambda s, x: astype(s, astype(s, x, "float64"), "int64"), "int64"),  # more digits than a double has
    (lambda s, x: s.map("floor_divide", x, scalar(s, 1.0)), "float64"),
    (lambda s, x: s.map("absolute", x), "float64"),
])
def test_what_is_not_exact_stays(on, off, build, dtype):
    a = np.array([-0.0, 0.0, 1.5, np.inf, np.nan, 1e300, -3.7]).astype(dtype) if dtype[0] == "f" else np.array([2**53 + 1, -2**62 - 1, 5])
    (text, plain), _ = both(on, off, lambda s: build(s, s.array(a)))
    assert not rewrites(text) and text == plain


def test_below_a_sum_of_floats_nothing_moves(on, off):
    """Its bits depend on the order in which it is folded, which follows from the plan of all that is below."""
    def build(s):
        x = concat(s, [normal(s, 1, (400, 30)), normal(s, 2, (300, 30))])
        return s.slice(s.reduce("sum", s.map("multiply", s.slice(x, slice(0, 350)), scalar(s, 1)), (0,)), slice(0, 10))
    (text, plain), _ = both(on, off, build)
    assert text == plain


def test_shared_results_are_not_computed_twice(on):
    x = on.array(N, (5, 5))
    total = on.reduce("sum", x, (0,))
    assert stages(on.explain(on.slice(total, slice(0, 3)))) == 1
    text = on.explain(total, on.slice(total, slice(0, 3)))
    assert "slice of a reduction" not in rewrites(text) and text.count("fold sum") == 1


def test_deep_chains(on, off):
    """Neither deep recursion nor more than linear work."""
    def chain(s, n):
        x = s.array(np.arange(6, dtype=np.int64))
        one = scalar(s, 1, "int64")
        for i in range(n):
            x = s.map("add" if i % 2 else "subtract", x, one)
        return s.slice(x, slice(1, 5))
    np.testing.assert_array_equal(on.compute(chain(on, 100_000)), np.arange(1, 5))
    (_, _), got = both(on, off, lambda s: chain(s, 3000))
    np.testing.assert_array_equal(got, np.arange(1, 5))


@pytest.mark.parametrize("name,link,want", [
    ("take", lambda s, x: take(s, x, [1, 0, 2, 3], 0), [0, 1, 2, 3]),
    ("astype", lambda s, x: astype(s, astype(s, x, "float32"), "int64"), [0, 1, 2, 3]),
    ("concatenate", lambda s, x: s.slice(concat(s, [x, x]), slice(4, 8)), [0, 1, 2, 3]),
    ("reshape", lambda s, x: s.slice(reshape(s, reshape(s, x, 2, 2), 4), slice(None, None, -1)), [0, 1, 2, 3]),
    ("cumsum", lambda s, x: s.map("negative", cumsum(s, x, 0)), None),
])
def test_deep_chains_of_all_kinds(lib, name, link, want):
    """Without the rewrites, too: neither planning nor running may need a deep stack."""
    for optimize in (True, False):
        s = open_session(lib, optimize=optimize)
        x = s.array(np.arange(4, dtype=np.int64))
        for _ in range(3000 if name == "cumsum" else 5000):
            x = link(s, x)
        got = s.compute(x)
        if want is not None:
            np.testing.assert_array_equal(got, want)
        s.close()


# ---- What fusion must achieve -------------------------------------------------------------------------------------------------
# Peak memory is a session's, so each of these opens its own.

SHAPE = (200, 60, 90)


@pytest.fixture(scope="module")
def field():
    return np.random.default_rng(3).normal(size=SHAPE).astype("f4")


def write_netcdf(path, values, format, **options):
    import netCDF4
    with netCDF4.Dataset(path, "w", format=format) as f:
        for name, length in zip("tyx", values.shape):
            f.createDimension(name, length)
        f.createVariable("v", values.dtype.str[1:], ("t", "y", "x"), **options)[:] = values


@pytest.fixture(scope="module")
def files(tmp_path_factory, field):
    """One array in every format: {name: path}."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "x.npy", field)
    write_netcdf(folder / "classic.nc", field, "NETCDF3_64BIT_OFFSET")
    write_netcdf(folder / "contiguous.nc", field, "NETCDF4", contiguous=True)
    write_netcdf(folder / "chunked.nc", field, "NETCDF4", zlib=True, complevel=1, chunksizes=(50, 30, 45))
    write_netcdf(folder / "steps.nc", field, "NETCDF4", zlib=True, complevel=1, chunksizes=(1, 60, 90))
    return folder


PLAIN = ["x.npy", "classic.nc", "contiguous.nc"]


def open_file(s, path, chunks=None):
    return s.call("tsr_open", s.s, str(path).encode(), None if path.suffix == ".npy" else b"v", numbers(chunks) if chunks else None)


def z_score(s, x):
    return s.map("divide", s.map("subtract", x, s.reduce("mean", x, (0,))), s.reduce("std", x, (0,), ddof=0))


def test_generated_and_reversed_is_one_stage_without_memory(lib):
    peaks = []
    for n in (1000, 4000):
        with fresh(lib) as s:
            b = normal(s, 3, (n, 1000), (250, 250))
            mean = s.reduce("mean", s.map("multiply", b, s.slice(b, slice(None, None, -1), slice(None, None, -1))))
            text = s.explain(mean)
            assert stages(text) == 1 and "random normal float64, random normal float64, multiply, fold mean" in text, text
            got = s.compute(mean)
            peaks.append(s.stats().peak_bytes)
            assert s.stats().bytes_read == s.stats().bytes_spilled == 0
            values = s.compute(b)
            np.testing.assert_allclose(got, (values * values[::-1, ::-1]).mean(), rtol=1e-12)
    assert max(peaks) < 1 << 20, peaks  # 32 MB of numbers


def test_random_numbers_are_reduced_where_they_are_made(lib):
    with fresh(lib) as s:
        mean = s.reduce("mean", normal(s, 1, (5_000_000,)))
        text = s.explain(mean)
        assert stages(text) == 1 and "random normal float64, fold mean" in text, text
        assert abs(s.compute(mean) - 0.5) < 0.01
        assert s.stats().peak_bytes < 1 << 20


@pytest.mark.parametrize("name", PLAIN + ["chunked.nc", "steps.nc"])
def test_mean_and_deviation_are_one_pass(lib, files, field, name):
    with fresh(lib, memory=8 << 20) as s:
        x = open_file(s, files / name)
        roots = s.reduce("mean", x, (0,)), s.reduce("std", x, (0,), ddof=0)
        text = s.explain(*roots)
        assert stages(text) == 1 and "fold mean, fold std" in text, text
        mean, std = s.compute(*roots)
        np.testing.assert_allclose(mean, field.mean(0, dtype="f8"), atol=1e-6)
        np.testing.assert_allclose(std, field.std(0, dtype="f8"), atol=1e-6)
        assert s.stats().bytes_read <= field.nbytes * 1.05
        if name in PLAIN:
            assert s.stats().bytes_read == field.nbytes


@pytest.mark.parametrize("name", PLAIN + ["chunked.nc", "steps.nc"])
def test_z_score_reads_at_most_twice(lib, files, field, name):
    read = {}
    for memory in (3 << 20, 256 << 20):
        with fresh(lib, memory=memory, threads=1) as s:
            z = z_score(s, open_file(s, files / name))
            text = s.explain(z)
            assert stages(text) == 2 and "kept if memory allows" in text, text
            if memory == 3 << 20 and name not in PLAIN:
                continue  # its chunks alone need more
            np.testing.assert_allclose(s.compute(z), (field - field.mean(0, dtype="f8")) / field.std(0, dtype="f8"), atol=2e-5)
            read[memory] = s.stats().bytes_read
    assert read[256 << 20] <= field.nbytes * 1.05
    if name in PLAIN:
        assert read[256 << 20] == field.nbytes
        assert field.nbytes < read[3 << 20] <= 2 * field.nbytes


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("index", [(100,), (slice(10, 13),), (slice(None), 7), (5, slice(3, 9), slice(80, 90)), (slice(150, 20, -40), slice(4))])
def test_slices_read_their_own_bytes(lib, files, field, name, index):
    with fresh(lib) as s:
        part = s.slice(open_file(s, files / name), *index)
        want = field[index]
        np.testing.assert_array_equal(s.compute(part), want)
        gaps = 2048 if want.nbytes < 1000 else 0  # near rows are read together
        assert want.nbytes <= s.stats().bytes_read <= want.nbytes + gaps
        total = s.reduce("sum", s.map("multiply", part, part))
        np.testing.assert_allclose(s.compute(total), (want.astype("f8") ** 2).sum(), rtol=1e-6)
        assert want.nbytes <= s.stats().bytes_read <= want.nbytes + gaps


def test_slices_of_compressed_files_read_the_chunks_they_touch(lib, files, field):
    def bytes_of(*index):
        with fresh(lib) as s:
            part = s.slice(open_file(s, files / "chunked.nc"), *index)
            np.testing.assert_array_equal(s.compute(part), field[index])
            return s.stats().bytes_read
    whole = bytes_of(slice(None))  # 4 x 2 x 2 chunks of random numbers: all about as large
    assert whole < field.nbytes
    for index, chunks in [((100,), 4), ((slice(49, 51), 0, 0), 2), ((0, slice(10, 20), slice(50, 60)), 1), ((slice(None), 0), 8)]:
        assert abs(bytes_of(*index) - whole * chunks / 16) < 0.05 * whole * chunks / 16, (index, chunks)


def test_runs_of_chunks_fold_into_one_accumulator(lib):
    with fresh(lib) as s:
        values = np.ones((3000, 60, 60), "f4")
        mean = s.reduce("mean", s.array(values, (1, 60, 60)), (0,))
        text = s.explain(mean)
        assert stages(text) == 1, text
        np.testing.assert_array_equal(s.compute(mean), np.ones((60, 60), "f4"))
        assert s.stats().tasks <= 64  # of 3000 chunks
        assert s.stats().peak_bytes < 3000 * 60 * 60 * 8 / 16  # what partial sums of all chunks would take, and more


def test_pieces_that_compute_share_the_memory_of_a_task(lib):
    """Each of them has scratch memory until its task ends, so that a task may not have too many."""
    indices = np.random.default_rng(2).integers(0, 100_000, 20_000)
    with fresh(lib) as s:
        numbers_made = normal(s, 1, (100_000,))
        picked = take(s, numbers_made, [int(i) for i in indices], 0)
        got = s.compute(picked)
        assert s.stats().peak_bytes < 160 << 20
        np.testing.assert_array_equal(got, s.compute(numbers_made)[indices])
    with fresh(lib) as s:
        joined = concat(s, [normal(s, i, (3,)) for i in range(5000)])
        text = s.explain(joined)
        s.compute(joined)
        assert s.stats().peak_bytes < 160 << 20, text


def test_constructors_give_what_is_there_already(on):
    """These need no rewriting: equal expressions are equal nodes."""
    x = on.array(A, (5, 4))
    same = [transpose(on, transpose(on, x)), on.slice(x, slice(None), slice(None)), astype(on, x, "float64"), rechunk(on, x, 5, 4), concat(on, [x]),
            on.slice(on.slice(x, slice(None, None, -1)), slice(None, None, -1)), on.call("tsr_broadcast_to", x, I(2), numbers(A.shape))]
    assert same == [x] * len(same)
    assert on.slice(on.slice(x, slice(2, 11, 3)), slice(1, None)) == on.slice(x, slice(5, 11, 3))
    squares = on.map("square", x)
    assert on.map("power", x, scalar(on, 2.0)) == squares != on.map("power", x, scalar(on, 3.0))
    np.testing.assert_array_equal(on.compute(squares), on.compute(on.map("power", x, on.array(np.full(A.shape, 2.0)))))


HUGE = {
    "random": (lambda s: normal(s, 4, (1_000_000, 1_000_000)), None),
    "constant": (lambda s: full(s, 7, (1_000_000, 1_000_000)), lambda i, j: 7.0 + 0 * i + 0 * j),
    "range": (lambda s: reshape(s, arange(s, 10**12), 1_000_000, 1_000_000), lambda i, j: i * 1_000_000 + j),
    "range in columns": (lambda s: transpose(s, reshape(s, arange(s, 10**12), 1_000_000, 1_000_000)), lambda i, j: j * 1_000_000 + i),
    "diagonal": (lambda s: s.call("tsr_eye", s.s, L(1_000_000), L(1_000_000), L(0), I(tsr.CODES[np.dtype("int8")]), None), lambda i, j: (i == j).astype("int8")),
}


@pytest.mark.parametrize("what", HUGE)
def test_what_is_generated_is_generated_where_it_is_seen(lib, off, what):
    """10^12 elements, of which a few are looked at."""
    build, value = HUGE[what]
    with fresh(lib) as s:
        seen = s.slice(build(s), slice(999_990, 999_900, -30), slice(999_900, None, 45))
        text = s.explain(seen)
        assert stages(text) == 1 and "#0" not in structure(text), text
        got = s.compute(seen)
        assert s.stats().peak_bytes < 1 << 20
    if value:
        i, j = np.meshgrid(np.arange(999_990, 999_900, -30), np.arange(999_900, 1_000_000, 45), indexing="ij")
        np.testing.assert_array_equal(got, value(i, j))
    if what != "range in columns" and what != "range":  # these are fetched piece by piece there
        assert equal_bits(got, off.compute(off.slice(build(off), slice(999_990, 999_900, -30), slice(999_900, None, 45))))


def test_common_subexpressions_are_computed_once(lib):
    with fresh(lib) as s:
        x = s.array(A)

        def build():
            return s.map("exp", s.map("sin", x))
        twice = s.map("add", build(), s.map("multiply", build(), build()))
        text = s.explain(twice)
        assert text.count("sin") == 1 and text.count("exp") == 1, text


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """100 MB in compressed chunks that lie across each other: maps of one time step, and time series of a few points."""
    values = np.zeros((400, 250, 250), "f4")
    values[:, ::7, ::5] = np.random.default_rng(8).normal(size=values[:, ::7, ::5].shape)
    folder = tmp_path_factory.mktemp("crossed")
    write_netcdf(folder / "maps.nc", values, "NETCDF4", zlib=True, complevel=1, chunksizes=(1, 250, 250))
    write_netcdf(folder / "series.nc", values, "NETCDF4", zlib=True, complevel=1, chunksizes=(400, 10, 10))
    return folder, values


def read_of(lib, crossed, build, name="maps.nc"):
    with fresh(lib) as s:
        root = build(s, open_file(s, crossed[0] / name))
        text = s.explain(root)
        return s.compute(root), s.stats(), text


def test_compressed_chunks_are_decoded_once(lib, crossed):
    values = crossed[1]
    whole = {name: read_of(lib, crossed, lambda s, x: s.reduce("max", x), name)[1].bytes_read for name in ("maps.nc", "series.nc")}
    assert all(0 < n < (crossed[0] / name).stat().st_size for name, n in whole.items())
    # A tile of the median holds all of time: it is cut from maps that were decoded once.
    got, stats, text = read_of(lib, crossed, lambda s, x: median(s, x, 0))
    np.testing.assert_allclose(got, np.median(values, 0), atol=1e-6)
    assert stats.bytes_read == whole["maps.nc"] and "-> file (400, 250, 250)" in text, text
    # Chunks chosen across those of the file are no reason to decode them twice.
    got, stats, text = read_of(lib, crossed, lambda s, x: s.reduce("max", rechunk(s, x, 400, 10, 10), (0,)))
    np.testing.assert_array_equal(got, values.max(0))
    assert stats.bytes_read == whole["maps.nc"] and stages(text) == 1, text
    # Two files that are chunked across each other: tiles follow one, the other is held.
    got, stats, text = read_of(lib, crossed, lambda s, x: s.reduce("max", s.map("add", x, open_file(s, crossed[0] / "series.nc"))))
    assert got == (values + values).max() and stats.bytes_read == sum(whole.values()), text
    # Neighbours are cut from the same blocks, which are dropped when both have been.
    got, stats, text = read_of(lib, crossed, lambda s, x: s.reduce("max", s.map("subtract", s.slice(x, slice(1, None)), s.slice(x, slice(None, -1)))))
    assert got == np.diff(values, axis=0).max() and stats.bytes_read == whole["maps.nc"], text
    assert stats.peak_bytes < values.nbytes / 2
    # What is read in its own chunks is not held.
    got, stats, text = read_of(lib, crossed, lambda s, x: s.reduce("max", s.map("sqrt", s.map("absolute", s.slice(x, slice(None), slice(3, None)))), (1, 2)))
    assert stages(text) == 1 and stats.bytes_read == whole["maps.nc"], text


def test_a_file_of_other_chunks_is_written_from_held_blocks(lib, crossed, tmp_path):
    """Chunks of the output lie across those of the input; each is written whole and each input chunk decoded once."""
    import netCDF4
    with fresh(lib) as s:
        turned = s.call("tsr_transpose", open_file(s, crossed[0] / "maps.nc"), numbers((1, 2, 0), I))
        assert s.lib.tsr_save(P(turned), str(tmp_path / "turned.nc4").encode()) == 0, s.lib.tsr_error_message()
        stats = s.stats()
    with fresh(lib) as s:
        s.compute(s.reduce("max", open_file(s, crossed[0] / "maps.nc")))
        assert stats.bytes_read <= 1.05 * s.stats().bytes_read
    with netCDF4.Dataset(tmp_path / "turned.nc4") as f:
        name, = f.variables
        np.testing.assert_array_equal(f[name][:], crossed[1].transpose(1, 2, 0))


# ---- What explain states, and what then happens ---------------------------------------------------------------------------------

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def sizes(text, pattern):
    """Every size that follows the pattern, in bytes."""
    return [float(n) * UNITS[unit] for n, unit in re.findall(pattern + r"([\d.]+) (B|KiB|MiB|GiB)\b", text)]


def tasks_of(text):
    return int(re.search(r"^plan: \d+ stages?, (\d+) tasks?,", text)[1])


PREDICTED = {
    "slice": lambda s, x: s.slice(x, 100),
    "some of it": lambda s, x: s.slice(s.map("sqrt", s.map("absolute", x)), slice(3, 90, 7), slice(None, None, -1)),
    "mean over time": lambda s, x: s.reduce("mean", x, (0,)),
    "mean of maps": lambda s, x: s.reduce("mean", x, (1, 2)),
    "part of a mean": lambda s, x: s.slice(s.reduce("mean", x, (0,)), slice(2, 5)),
    "z-score": z_score,
    "running sum": lambda s, x: cumsum(s, x, 0),
    "start of a running sum": lambda s, x: s.slice(cumsum(s, x, 0), slice(7, 9)),
    "median over time": lambda s, x: median(s, x, 0),
    "pieces": lambda s, x: s.slice(concat(s, [x, s.map("negative", x), x]), slice(150, 450), slice(5, 50)),
    "taken": lambda s, x: take(s, x, [5, 6, 7, 100, 3], 0),
    "reshaped": lambda s, x: s.slice(reshape(s, x, 20, 10, 5400), 3),
}


@pytest.mark.parametrize("name", ["x.npy", "classic.nc", "chunked.nc", "steps.nc"])
@pytest.mark.parametrize("what", PREDICTED)
def test_predicted_and_measured_agree(lib, files, what, name):
    threads = 2
    with fresh(lib, threads=threads) as s:
        root = PREDICTED[what](s, open_file(s, files / name))
        text = s.explain(root)
        result = s.compute(root)
        stats = s.stats()
        assert stats.tasks == tasks_of(text), text
        read, = sizes(text.splitlines()[0], "reads ")
        if name in PLAIN:
            assert abs(stats.bytes_read - read) <= 0.01 * read, (stats.bytes_read, text)
        else:  # of compressed chunks the mean size is known; one that is read again may still be there
            low = 0.6 if what in ("pieces", "taken") else 0.95
            assert low * read <= stats.bytes_read <= 1.05 * read, (stats.bytes_read, text)
        text, _, peak = text.rpartition("memory: ")
        predicted, = sizes(peak, "at most ")
        assert stats.peak_bytes <= predicted, (stats.peak_bytes, text, peak)
        assert re.search(rf"last run: {stats.tasks} tasks?, ", s.explain(root))
        held = sum(sizes(text, "makes ")) - result.nbytes  # what goes from stage to stage
        kept = np.prod(SHAPE) * 4 if "kept if memory allows" in text else 0
        most = threads * max(sizes(text, "at most ")) + threads * sum(sizes(text, "a task, ")) + held + kept
        assert stats.peak_bytes <= most * 1.25 + 65536, (stats.peak_bytes, text)  # buffers come in classes of size


# ---- Tasks are implicit ------------------------------------------------------------------------------------------------------------

MILLIONS = 10_000_000


def memory_of(line):
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status") as f:
        return int(re.search(rf"^{line}:\s+(\d+) kB", f.read(), re.MULTILINE)[1]) * 1024


def blocks(s, seed, thick=1):
    """Ten million blocks of 8 MB."""
    return normal(s, seed, (MILLIONS * thick, 1000, 1000), (thick, 1000, 1000))


def anomaly(s, x, axes):
    return s.map("subtract", x, s.reduce("mean", x, axes, True))


MANY_BLOCKS = {
    "sums": lambda s: s.reduce("sum", blocks(s, 1), (1, 2)),
    "elementwise": lambda s: s.map("add", blocks(s, 1), blocks(s, 2)),
    "reversed": lambda s: s.map("multiply", blocks(s, 1), s.slice(blocks(s, 1), slice(None, None, -1))),
    "shifted": lambda s: s.map("subtract", s.slice(blocks(s, 1, 10), slice(3, None)), s.slice(blocks(s, 1, 10), slice(None, -3))),
    "every third": lambda s: s.slice(blocks(s, 1), slice(1, None, 3), slice(5, None)),
    "transposed": lambda s: transpose(s, blocks(s, 1)),
    "anomaly of each block": lambda s: s.reduce("max", anomaly(s, blocks(s, 1), (1, 2)), (1, 2)),
    "anomaly": lambda s: s.reduce("std", anomaly(s, blocks(s, 1), (0,)), (0, 1), ddof=0),
    "pieces": lambda s: s.slice(concat(s, [normal(s, i, (MILLIONS // 100, 1000, 1000), (1, 1000, 1000)) for i in range(100)]), slice(MILLIONS // 2, None)),
    "running sum": lambda s: s.slice(cumsum(s, blocks(s, 1), 1), slice(MILLIONS // 2, None)),
}


@pytest.mark.parametrize("what", MANY_BLOCKS)
def test_millions_of_blocks_are_planned_in_little_memory(lib, what):
    with fresh(lib) as s:
        before, size, peak = memory_of("VmData"), memory_of("VmSize"), memory_of("VmPeak")
        text = s.explain(MANY_BLOCKS[what](s))
        used = memory_of("VmData") - before
        assert memory_of("VmPeak") <= max(peak, size + (1 << 30))
        assert tasks_of(text) >= (64 if what == "anomaly" else 3_000_000), text
        assert used < 64 << 20, (used, text)


def read_again(s, *sums):
    """Arrays that another stage reads, all of them."""
    wanted = cumsum(s, sums[0], 0)
    for each in sums:
        wanted = s.map("multiply", each, wanted)
    return s.reduce("sum", wanted, (0,))


@pytest.mark.parametrize("n_read", [0, 1, 2])
def test_bookkeeping_of_a_run_is_small(lib, n_read):
    """Ten million tasks, ended as soon as they begin; what they make goes to the caller, or one or two blocks of each are read by another stage."""
    with fresh(lib) as s:
        s.compute(s.reduce("sum", normal(s, 1, (1_000_000,))))  # threads and their memory are there
        x = blocks(s, 1)
        wanted = read_again(s, *(s.reduce(name, x, (1, 2)) for name in ("mean", "std")[:n_read])) if n_read else s.reduce("sum", x, (1, 2))
        text = s.explain(wanted)
        assert MILLIONS <= tasks_of(text) < MILLIONS * 1.5, text
        out = np.empty(MILLIONS)
        before, seen = memory_of("VmData"), []

        @ctypes.CFUNCTYPE(None, P, P)
        def progress(context, state):
            seen.append(memory_of("VmData") - before)
            lib.tsr_cancel(P(s.s))
        lib.tsr_set_progress(P(s.s), progress, None, I(1))
        assert lib.tsr_compute(I(1), (P * 1)(wanted), (P * 1)(out.ctypes.data)) == 9  # cancelled
        lib.tsr_set_progress(P(s.s), None, None, I(0))
        stacks = 64 << 20
        assert seen and max(seen) <= 32 * MILLIONS + stacks + (n_read > 0) * (80 << 20), max(seen) / MILLIONS  # 80 MB: what a tile of the reader has asked for
