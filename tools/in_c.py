"""What the functions of the Python package are spelled with: each is a function of tessera.h of the same name, or of those named here, or is
Python's own matter for a reason given here. tools/python-api writes it into the page of names; tests/python/test_py_in_c.py runs the
functions and looks whether the library is called so."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = set(re.findall(r"\btsr_\w+(?=\()", (ROOT / "include/tessera.h").read_text()))

# Other names and further arguments of functions in C.
SPELLED = {
    "amax": "tsr_max", "amin": "tsr_min", "arange": "tsr_arange_int", "around": "tsr_round", "array": "tsr_from_memory", "asanyarray": "tsr_from_memory", "asarray": "tsr_from_memory",
    "from_array": "tsr_from_memory", "block": "tsr_concatenate", "clip": "tsr_maximum tsr_minimum", "compute": "tsr_compute", "concat": "tsr_concatenate", "copy": "tsr_retain",
    "diag_indices_from": "tsr_diag_indices", "empty": "tsr_full", "empty_like": "tsr_full", "full": "tsr_broadcast_to", "full_like": "tsr_broadcast_to", "ones": "tsr_full", "ones_like": "tsr_full", "zeros": "tsr_full",
    "zeros_like": "tsr_full", "from_npy_stack": "tsr_open tsr_concatenate", "histogram_bin_edges": "tsr_histogram_edges", "identity": "tsr_eye", "iscomplexobj": "tsr_dtype_of",
    "isrealobj": "tsr_dtype_of", "mgrid": "tsr_meshgrid", "nan_to_num": "tsr_nan_to_num_with", "nanpercentile": "tsr_quantile_by", "nanquantile": "tsr_quantile_by", "ogrid": "tsr_arange_int", "open_array": "tsr_open",
    "open_dataset": "tsr_open_files", "open_mfdataset": "tsr_open_files", "overlap": "tsr_overlapped", "pad": "tsr_pad_by", "percentile": "tsr_quantile_by",
    "permute_dims": "tsr_transpose", "quantile": "tsr_quantile_by", "ravel": "tsr_reshape", "rechunk": "tsr_rechunk", "reshape_blockwise": "tsr_reshape_blocks", "row_stack": "tsr_vstack",
    "shuffle": "tsr_take tsr_rechunk_sizes", "save": "tsr_store", "sliding_window_view": "tsr_sliding_window", "store": "tsr_store_to", "to_npy_stack": "tsr_store_to",
    "tril_indices_from": "tsr_tril_indices", "triu_indices_from": "tsr_triu_indices", "unify_chunks": "tsr_rechunk_sizes",
    "from_delayed": "tsr_from_blocks", "from_map": "tsr_from_blocks", "frompyfunc": "tsr_map_blocks", "linalg.norm": "tsr_vector_norm",
    "linalg.matrix_transpose": "tsr_matrix_transpose",
}
# Functions that are given functions of Python's: C's are given functions of C's.
_CALLS = "calls a function of Python's; in C: "
_NUMPY = "NumPy's own, of dtypes and shapes: no array of ours takes part"
_CLUSTER = "Python's functions as tasks: in C tsr_submit and what is beside it"
REASONS = {
    **dict.fromkeys(("apply_along_axis", "fromfunction"), _CALLS + "tsr_map_blocks, tsr_from_blocks"),
    **dict.fromkeys(("apply_gufunc", "as_gufunc", "gufunc"), _CALLS + "tsr_blockwise"), "apply_over_axes": _CALLS + "one reduction after the other, keepdims",
    **dict.fromkeys(("broadcast_shapes", "can_cast", "isdtype", "isscalar", "issubdtype", "ix_", "min_scalar_type", "promote_types"), _NUMPY),
    "result_type": "NumPy's, of dtypes; in C: tsr_dtype_promote", **dict.fromkeys(("normalize_chunks", "normalize_chunks_cached"), "how chunks are written in Python"),
    **dict.fromkeys(("from_zarr", "to_zarr", "to_hdf5"), "other packages' files, through these packages; in C: tsr_from_source, tsr_store_to"),
    **dict.fromkeys(("c_function", "c_task"), "C sources and libraries as objects of Python's; in C: tsr_udf_compile, TSR_TASK_SOURCE"),
    "numba_function": "Numba's functions are Python's; in C: any tsr_block_function",
    **dict.fromkeys("as_completed fire_and_forget futures_of get_client get_worker progress rejoin secede wait worker_client".split(), _CLUSTER),
    "bool": _NUMPY, "UFUNCS": "the table of the functions that tsr_map knows",
}


def spelling(name: str, ufuncs=()) -> str:
    """The C functions of a function of the package, or "" if it is Python's own matter."""
    if name in SPELLED:
        return SPELLED[name]
    same = "tsr_" + name.rpartition(".")[2]
    return same if same in HEADER else "tsr_map" if name in ufuncs else ""
