"""Every capability is in the C library first: each public function of the package calls the function of tessera.h that has its name, or
those that tools/in_c.py names, or is listed there with the reason why it is Python's own matter.

A process of its own runs the example of each function with a library that writes down what is called.
"""
import json
import os
import pathlib
import subprocess
import sys
import types

import pytest

import tessera as ts

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import in_c  # noqa: E402

RECORDER = r"""
import doctest, importlib.machinery, json, sys, types, pathlib, importlib.util

package = pathlib.Path(importlib.util.find_spec("tessera").submodule_search_locations[0])
loader = importlib.machinery.ExtensionFileLoader("tessera._tessera", str(package / "_tessera.abi3.so"))
real = loader.create_module(importlib.machinery.ModuleSpec(loader.name, loader, origin=loader.path))
loader.exec_module(real)
called = set()


class Recorder:
    def __getattr__(self, name):
        value = getattr(real.lib, name)
        if name.startswith("tsr_") and callable(value):
            function = value

            def value(*arguments):
                called.add(name)
                return function(*arguments)

        setattr(self, name, value)
        return value

    def __dir__(self):
        return dir(real.lib)


class FFI:
    def __getattr__(self, name):
        return getattr(real.ffi, name)

    def addressof(self, thing, *names):
        return real.ffi.addressof(real.lib if isinstance(thing, Recorder) else thing, *names)


fake = types.ModuleType("tessera._tessera")
fake.ffi, fake.lib = FFI(), Recorder()
sys.modules["tessera._tessera"] = fake
import numpy as np
import tessera as ts

out, faults, runner = {}, [], doctest.DocTestRunner(verbose=False)
for name, code in json.load(sys.stdin).items():
    called.clear()
    if code:
        try:
            exec(code, {"ts": ts, "np": np})
        except Exception as error:
            faults.append(f"{name}: {error!r}")
    else:
        thing = ts
        for part in name.split("."):
            thing = getattr(thing, part)
        test = doctest.DocTestParser().get_doctest(thing.__doc__, {"np": np}, name, None, 0)
        if not test.examples or runner.run(test, out=sys.stderr.write).failed:
            faults.append(f"{name}: no example that runs")
    out[name] = sorted(called)
json.dump(out, sys.stdout)
sys.exit("\n".join(faults) or 0)
"""
# Functions without an example of their own.
CALLS = {
    **{f"atleast_{n}d": f"ts.atleast_{n}d(1)" for n in (1, 2, 3)}, **{n: f"ts.{n}([[1], [2]])" for n in ("vstack", "hstack", "dstack", "row_stack")},
    "visualize": "ts.visualize(ts.ones(2), filename=None)", "mgrid": "ts.mgrid[0:2, 0:2]", "ogrid": "ts.ogrid[0:2, 0:2]", "array": "ts.array([1])", "asanyarray": "ts.asanyarray([1])",
    "open_dataset": "import pathlib, tempfile\nwith tempfile.TemporaryDirectory() as d:\n    p = pathlib.Path(d, 'a.nc'); ts.save(p, ts.ones(2)); ts.open_dataset(p)",
    "open_mfdataset": "import pathlib, tempfile\nwith tempfile.TemporaryDirectory() as d:\n    p = pathlib.Path(d, 'a.nc'); ts.save(p, ts.ones(2)); ts.open_mfdataset(str(p))",
    "open_array": "import pathlib, tempfile\nwith tempfile.TemporaryDirectory() as d:\n    p = pathlib.Path(d, 'a.npy'); ts.save(p, ts.ones(2)); ts.open_array(p)",
    "store": "t = np.zeros(2); ts.store(ts.ones(2), t)", "shuffle": "ts.shuffle(ts.arange(4), [[3, 1], [0, 2]], axis=0)", "linalg.norm": "ts.linalg.norm([3.0, 4.0])",
    "from_delayed": "ts.from_delayed(lambda: np.ones(2), (2,), float).compute()", "unify_chunks": "ts.unify_chunks(ts.ones(4, chunks=2), 'i', ts.ones(4, chunks=4), 'i')",
}
NO_FUNCTIONS = (type, types.ModuleType, float)
# Methods and attributes of arrays that are not functions of the same name.
METHODS = {
    "T": ("x.T", "tsr_transpose"), "mT": ("x.mT", "tsr_swapaxes"), "astype": ("x.astype('f4')", "tsr_astype"), "blocks": ("x.blocks[0, 0]", "tsr_take_chunks"),
    "partitions": ("x.partitions[0, 0]", "tsr_take_chunks"), "chunks": ("x.chunks", "tsr_chunk_sizes"), "chunksize": ("x.chunksize", "tsr_chunk_sizes"), "numblocks": ("x.numblocks", "tsr_n_chunks"),
    "npartitions": ("x.npartitions", "tsr_n_chunks"), "compute": ("x.compute()", "tsr_compute_into"), "compute_chunk_sizes": ("x[x > 2].compute_chunk_sizes()", "tsr_shape"),
    "conj": ("x.conj()", "tsr_conjugate"), "conjugate": ("x.conjugate()", "tsr_conjugate"), "dtype": ("x.dtype", "tsr_dtype_of"), "explain": ("x.explain()", "tsr_explain"),
    "flatten": ("x.flatten()", "tsr_reshape"), "imag": ("x.imag", "tsr_imag"), "real": ("x.real", "tsr_real"), "item": ("x[0, 0].item()", "tsr_compute_into"), "ndim": ("x.ndim", "tsr_ndim"),
    "itemsize": ("x.itemsize", "tsr_dtype_of"), "nbytes": ("x.nbytes", "tsr_size tsr_dtype_of"), "oindex": ("x.oindex[[0], [1]]", "tsr_oindex"), "vindex": ("x.vindex[[0], [1]]", "tsr_vindex"),
    "persist": ("x.persist()", "tsr_persist"), "rechunk": ("x.rechunk(2)", "tsr_rechunk"), "reshape": ("x.reshape(6)", "tsr_reshape"), "shape": ("x.shape", "tsr_shape"), "size": ("x.size", "tsr_size"),
    "to_delayed": ("x.to_delayed()", "tsr_take_chunks"), "to_numpy": ("x.to_numpy()", "tsr_compute_into"), "to_svg": ("x.to_svg()", "tsr_chunk_sizes"), "view": ("x.view('i8')", "tsr_view"),
}
OF_PYTHON = {"name": "a text for Dask's protocols", "session": "the object of Python's that holds the session", "to_backend": "blocks are NumPy arrays"}


def public(place) -> list[str]:
    return sorted(name for name in dir(place) if not name.startswith("_") and not isinstance(getattr(place, name), NO_FUNCTIONS))


FUNCTIONS = [n for n in public(ts) if n != "newaxis"] + [f"linalg.{n}" for n in ts.linalg.__all__]
SHARED = set(ts.UFUNCS)


def runs() -> dict[str, str]:
    """What is run for each function: code, or "" for its own example."""
    named = {n: CALLS.get(n, "") for n in FUNCTIONS if n not in in_c.REASONS and n not in SHARED}
    generator = {f"random.{n}": code for n, code in random_calls().items()}
    return {**named, **generator, **{f"Array.{n}": f"x = ts.ones((2, 3), chunks=2)\n{code}" for n, (code, _) in METHODS.items()}}


def random_calls() -> dict[str, str]:
    """A draw of each of the library's distributions."""
    from tessera._lib import ffi, lib

    out, count, index = {}, ffi.new("int *"), 0
    while (p := lib.tsr_random_name(index, count)) != ffi.NULL:
        name, index = ffi.string(p).decode(), index + 1
        arguments = {"triangular": "0, 1, 2", "hypergeometric": "5, 5, 3", "negative_binomial": "3, 0.5", "integers": "0, 5", "binomial": "3, 0.5", "geometric": "0.5", "logseries": "0.5",
                     "zipf": "2.5"}.get(name, ", ".join(["1"] * count[0]))
        out[name] = f"ts.random.default_rng(1).{name}({arguments}{', ' * bool(arguments)}size=3)"
    return out


@pytest.fixture(scope="module")
def called() -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", RECORDER], input=json.dumps(runs()), text=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_functions_are_spelled_with_functions_of_c(called):
    faults, by_address = [], {f"tsr_{name}" for name in SHARED}  # glue.c calls elementwise functions by their addresses
    for name in (n for n in FUNCTIONS if n not in in_c.REASONS):
        wanted = set(in_c.spelling(name, SHARED).split())
        if not wanted:
            faults.append(f"{name} has neither a function in C nor a reason in tools/in_c.py")
        elif wanted - in_c.HEADER:
            faults.append(f"{name}: tessera.h has no {wanted - in_c.HEADER}")
        elif name not in SHARED and wanted - by_address - set(called[name]):
            faults.append(f"{name} does not call {wanted - set(called[name])}, but {called[name]}")
    assert not faults, "\n".join(faults)


def test_methods_are_spelled_with_functions_of_c(called):
    faults = {n: called[f"Array.{n}"] for n, (_, wanted) in METHODS.items() if set(wanted.split()) - set(called[f"Array.{n}"])}
    assert not faults


def test_every_method_is_known():
    """One that is a function of the same name is looked at there."""
    assert not [n for n in public(ts.Array) if n not in METHODS and n not in OF_PYTHON and n not in FUNCTIONS]
    assert not [n for n in {**METHODS, **OF_PYTHON} if n not in public(ts.Array)]


def test_random_numbers_are_drawn_in_c(called):
    drawn = [name for name in called if name.startswith("random.")]
    assert len(drawn) >= 30 and all({"tsr_random", f"tsr_{name.replace('.', '_')}"} & set(called[name]) for name in drawn)
    others = set(public(ts.random.Generator)) - {n.partition(".")[2] for n in drawn}
    assert others == {"bit_generator", "bytes", "choice", "dirichlet", "multinomial", "multivariate_hypergeometric", "multivariate_normal", "permutation", "permuted", "shuffle", "spawn"}
    assert {f"tsr_random_{n}" for n in ("choice", "dirichlet", "multinomial", "multivariate_hypergeometric", "multivariate_normal", "permutation", "permuted")} <= in_c.HEADER


def test_ufuncs_are_the_librarys():
    from tessera._lib import ffi, lib

    known = set()
    while (p := lib.tsr_map_name(len(known), ffi.NULL)) != ffi.NULL:
        known.add(ffi.string(p).decode())
    assert not SHARED - known - {"divmod", "modf", "frexp"}


def test_reasons_are_given_for_what_has_no_function_in_c():
    there = {*dir(ts), *FUNCTIONS, "bool"}
    assert not [n for n in {**in_c.REASONS, **in_c.SPELLED} if n not in there]
    assert not set(in_c.REASONS) & set(in_c.SPELLED)
    assert not [n for n in in_c.REASONS if f"tsr_{n}" in in_c.HEADER and n not in ("bool", "wait")]  # tsr_bool is a value, tsr_wait of arrays
