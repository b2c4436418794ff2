"""The names of Dask's array reference, and those of NumPy's that Dask lacks: each is here, or is listed with the reason why not.

The names of Dask's top level are tools/dask-names.txt, which the page of functions is written from.
"""
import pathlib

import pytest

import tessera as ts

TOP = (pathlib.Path(__file__).parents[2] / "tools/dask-names.txt").read_text().split()
# What Dask's reference lists besides, by where it is; "Array" are attributes of arrays.
NAMES = {
    "Array": """all any argmax argmin argtopk astype blocks choose chunks chunksize clip compute compute_chunk_sizes conj copy cumprod cumsum dask dot dtype flatten imag
        itemsize map_blocks map_overlap max mean min moment name nbytes ndim nonzero npartitions numblocks partitions persist prod ravel real rechunk repeat reshape round
        shape shuffle size squeeze std store sum swapaxes to_backend to_dask_dataframe to_delayed to_hdf5 to_svg to_tiledb to_zarr topk trace transpose var view vindex
        visualize""",
    "fft": """fft fft2 fft_wrap fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn""",
    "linalg": """cholesky inv lstsq lu norm qr sfqr solve solve_triangular svd svd_compressed tsqr""",
    "random": """beta binomial chisquare choice default_rng exponential f gamma geometric gumbel hypergeometric laplace logistic lognormal logseries multinomial
        negative_binomial noncentral_chisquare noncentral_f normal pareto permutation poisson power randint random random_integers random_sample rayleigh standard_cauchy
        standard_exponential standard_gamma standard_normal standard_t triangular uniform vonmises wald weibull zipf""",
    "image": "imread", "lib.stride_tricks": "sliding_window_view", "overlap": "map_overlap overlap trim_internal trim_overlap",
    "": """apply_gufunc as_gufunc from_array from_delayed from_npy_stack from_tiledb from_zarr gufunc normalize_chunks normalize_chunks_cached store to_hdf5 to_npy_stack
        to_tiledb to_zarr""",
    "ma": """average empty_like filled fix_invalid getdata getmaskarray masked_array masked_equal masked_greater masked_greater_equal masked_inside masked_invalid masked_less
        masked_less_equal masked_not_equal masked_outside masked_values masked_where nonzero ones_like set_fill_value where zeros_like""",
    "stats": "chisquare f_oneway kurtosis kurtosistest moment normaltest power_divergence skew skewtest ttest_1samp ttest_ind ttest_rel",
}
# NumPy's that Dask has not.
NUMPY = {
    "": """argpartition argsort array_equal array_split broadcast_shapes column_stack concat convolve correlate cross cumulative_prod cumulative_sum diagflat dsplit
        fill_diagonal gcd geomspace heaviside histogram_bin_edges hsplit identity inner interp intersect1d ix_ kron lcm lexsort logspace matrix_transpose matvec mgrid ogrid
        packbits partition permute_dims polyfit polyval put_along_axis resize setdiff1d setxor1d sort split take_along_axis trapezoid trim_zeros unpackbits unstack unwrap
        vecdot vecmat vsplit bartlett blackman hamming hanning kaiser""",
    "linalg": "cond det eig eigh eigvals matrix_norm matrix_power matrix_rank multi_dot pinv slogdet",
}
# What is not here, and why (docs/coming-from-dask.md says what to do instead).
SORTS, FACTORS = "sorting and sets over chunked axes are to come", "factorisations are to come"
MISSING = {
    **dict.fromkeys("unique union1d sort argsort partition argpartition lexsort intersect1d setdiff1d setxor1d".split(), SORTS),
    **{f"linalg.{name}": FACTORS for name in """cholesky inv lstsq lu qr sfqr solve solve_triangular svd svd_compressed tsqr cond det eig eigh eigvals matrix_rank pinv
        slogdet""".split()}, "polyfit": "needs lstsq: " + FACTORS,
    **{f"ma.{name}": "masked arrays are to come" for name in NAMES["ma"].split()}, **{f"stats.{name}": "tests of statistics are to come" for name in NAMES["stats"].split()},
    "Array.dask": "there is no graph of tasks", "Array.to_dask_dataframe": "tables are Dask's", "register_chunk_type": "blocks are memory of C: there are no other kinds",
    **dict.fromkeys(("Array.to_tiledb", "from_tiledb", "to_tiledb"), "from_array and store take what has slices"),
}


def there(name: str) -> bool:
    place = ts
    for part in name.split("."):
        if not hasattr(place, part):
            return False
        place = getattr(place, part)
    return True


def listed(groups: dict) -> list[str]:
    return [f"{group}.{name}" if group else name for group, names in groups.items() for name in names.split()]


def test_the_lists_are_whole():
    """As many as the reference of 2026.7 has; with the class and what it lists twice they are 442."""
    assert len(TOP) == len(set(TOP)) == 244
    counts = {group: len(names.split()) for group, names in NAMES.items()}
    assert counts == {"Array": 66, "fft": 19, "linalg": 12, "random": 40, "image": 1, "lib.stride_tricks": 1, "overlap": 4, "": 15, "ma": 23, "stats": 12}


@pytest.mark.parametrize("names", [TOP, listed(NAMES), listed(NUMPY)], ids=["top", "dask", "numpy"])
def test_every_name_is_here_or_has_a_reason(names):
    missing = [name for name in names if name not in MISSING and not there(name)]
    assert not missing


def test_reasons_are_given_for_what_is_missing_only():
    assert not [name for name in MISSING if there(name)]
    known = {*TOP, *listed(NAMES), *listed(NUMPY)}
    assert not [name for name in MISSING if name not in known]


@pytest.mark.parametrize("name", [n for n in [*TOP, *listed(NAMES), *listed(NUMPY)] if n not in MISSING and not n.startswith("Array.")])
def test_functions_are_described(name):
    place = ts
    for part in name.split("."):
        place = getattr(place, part)
    assert place.__doc__
