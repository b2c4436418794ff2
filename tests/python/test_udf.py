"""Functions from C source: compiled, kept, made anew when damaged; errors of compilers and of functions; shared libraries."""
import ctypes as ct
import os
import pathlib
import stat
import subprocess
import sys

import numpy as np
import pytest

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import tsr  # noqa: E402
from blocks import *  # noqa: E402, F403
from blocks import I, P  # noqa: E402
from expressions import environment  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TWICE = """
tsr_status twice(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    const double *x = in->data;
    double *y = out->data;
    for (int64_t i = 0; i < tsr_block_size(out); i++) {
        if (x[i] < 0) return tsr_fail(TSR_ERR_VALUE, "a negative number");
        y[i] = FACTOR * x[i];
    }
    return TSR_OK;
}
"""


@pytest.fixture
def s(lib, tmp_path):
    with environment("XDG_CACHE_HOME", str(tmp_path / "cache")):
        session = tsr.Session(lib, threads=2)
        yield session
        session.close()


def compiled(s, source, symbol, flags=None):
    f = Function()
    if s.lib.tsr_udf_compile(P(s.s), source.encode(), symbol.encode(), flags and flags.encode(), ct.byref(f)) != 0:
        s.fail()
    s.kept.append(f)
    return f


def compiled_file(s, path, symbol):
    f = Function()
    if s.lib.tsr_udf_compile_file(P(s.s), str(path).encode(), symbol.encode(), None, ct.byref(f)) != 0:
        s.fail()
    return f


def kept(tmp_path):
    return sorted((tmp_path / "cache/tessera").glob("*"))


def test_compiled_once_and_kept(s, lib, tmp_path):
    x = np.random.default_rng(0).random((40, 30))
    a = s.array(x, (7, 11))
    f = compiled(s, TWICE, "twice", "-DFACTOR=2.0")
    y = map_blocks(s, f, [a], "float64")
    np.testing.assert_array_equal(s.compute(y), 2 * x)
    (file,) = kept(tmp_path)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700 and stat.S_IMODE(file.stat().st_mode) == 0o700
    before = file.stat().st_mtime_ns, file.stat().st_ino
    again = map_blocks(s, compiled(s, TWICE, "twice", "-DFACTOR=2.0"), [a], "float64")
    assert again == y  # the same source, the same function, the same array
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    other = map_blocks(s, compiled(s, TWICE, "twice", "-DFACTOR=3.0"), [a], "float64")
    np.testing.assert_array_equal(s.compute(other), 3 * x)
    assert len(kept(tmp_path)) == 2
    x[8, 3] = -1
    with pytest.raises(tsr.Error, match=r"^twice: block \(1, 0\), elements \[7:14, 0:11\]: a negative number$"):
        s.compute(map_blocks(s, f, [s.array(x, (7, 11))], "float64"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_library_is_made_anew(lib, tmp_path, damage):
    x = np.arange(5.0)
    with environment("XDG_CACHE_HOME", str(tmp_path / "cache")):
        first = tsr.Session(lib)
        compiled(first, TWICE, "twice", "-DFACTOR=2.0")
        first.close()
        (file,) = kept(tmp_path)
        good = file.read_bytes()
        bad = {"cut": good[:-100], "flipped": good[:500] + bytes([good[500] ^ 1]) + good[501:], "empty": b"", "other": b"\x7fELF" * 1000}[damage]
        file.unlink()
        file.write_bytes(bad)
        s = tsr.Session(lib)
        np.testing.assert_array_equal(s.compute(map_blocks(s, compiled(s, TWICE, "twice", "-DFACTOR=2.0"), [s.array(x)], "float64")), 2 * x)
        s.close()
        assert len(kept(tmp_path)) == 1 and file.stat().st_size == len(good)


def test_what_the_compiler_says_is_the_error(s, tmp_path):
    path = tmp_path / "broken.c"
    path.write_text("int fine;\ntsr_status f(void) { return undeclared; }\n")
    with pytest.raises(tsr.Error) as e:
        compiled_file(s, path, "f")
    assert f"{path} does not compile:" in str(e.value) and f"{path}:2:" in str(e.value) and "undeclared" in str(e.value)
    assert kept(tmp_path) == []
    with pytest.raises(tsr.Error, match="^source: there is no function 'thrice'$"):
        compiled(s, TWICE, "thrice", "-DFACTOR=1")
    with pytest.raises(tsr.Error, match="^source: there is no function 'sin'$"):  # one of the C library's
        compiled(s, TWICE + "#include <math.h>\ndouble used(double x) { return sin(x); }", "sin", "-DFACTOR=1")
    with pytest.raises(tsr.Error, match="cannot open '/nowhere/f.c': No such file"):
        compiled_file(s, "/nowhere/f.c", "f")


def test_no_compiler(s):
    with environment("CC", "no-such-compiler"):
        with pytest.raises(tsr.Error, match="the C compiler does not run: cannot run 'no-such-compiler': No such file or directory; install one, or name one in the environment's CC"):
            compiled(s, TWICE, "twice", "-DFACTOR=1")
    with environment("CC", "cc -O1"):
        compiled(s, TWICE, "twice", "-DFACTOR=1")


def test_a_folder_that_others_can_write_to_is_refused(s, tmp_path):
    folder = tmp_path / "cache/tessera"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(tsr.Error, match="must be a folder of yours that nobody else can write to"):
        compiled(s, TWICE, "twice", "-DFACTOR=1")
    assert list(folder.iterdir()) == []


def test_many_processes_compile_the_same_at_once(lib, tmp_path):
    program = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests/python")!r})
import ctypes, numpy as np, tsr
from blocks import *
lib = ctypes.CDLL({lib._name!r}); s = tsr.Session(lib)
f = Function()
assert lib.tsr_udf_compile(P(s.s), {TWICE!r}.encode(), b"twice", b"-DFACTOR=2", ctypes.byref(f)) == 0, lib.tsr_error_message()
assert s.compute(map_blocks(s, f, [s.array(np.ones(9))], "float64")).sum() == 18
s.close()
"""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    running = [subprocess.Popen([sys.executable, "-c", program], env=env, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for p in running:
        assert p.wait() == 0, p.stderr.read()
        p.stderr.close()
    assert len(kept(tmp_path)) == 1


def test_shared_library(s, tmp_path):
    path = tmp_path / "mine.c"
    path.write_text('#include "tessera.h"\n' + TWICE.replace("return tsr_fail(TSR_ERR_VALUE, \"a negative number\")", "return TSR_ERR_VALUE")
                    .replace("tsr_block_size(out)", "out->shape[0]"))
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/include", "-DFACTOR=5", path, "-o", tmp_path / "mine.so"], check=True)
    f = Function()
    assert s.lib.tsr_udf_load(P(s.s), str(tmp_path / "mine.so").encode(), b"twice", ct.byref(f)) == 0
    np.testing.assert_array_equal(s.compute(map_blocks(s, f, [s.array(np.arange(4.0))], "float64")), 5 * np.arange(4.0))
    assert s.lib.tsr_udf_load(P(s.s), str(tmp_path / "mine.so").encode(), b"nothing", ct.byref(f)) != 0
    assert s.lib.tsr_error_message().decode() == f"{tmp_path}/mine.so: there is no function 'nothing'"
    assert s.lib.tsr_udf_load(P(s.s), b"/nowhere.so", b"f", ct.byref(f)) != 0 and b"/nowhere.so: cannot be loaded" in s.lib.tsr_error_message()


# ---- The example ---------------------------------------------------------------------------------------------------------------


def centred(x, half_rows, half_columns):
    out = np.empty((len(x), 2 * half_rows, 2 * half_columns), x.dtype)
    centres = np.empty((len(x), 2))
    for t, frame in enumerate(x.astype(float)):
        total = frame.sum()
        y, w = (frame.sum(1) @ np.arange(x.shape[1]) / total, frame.sum(0) @ np.arange(x.shape[2]) / total) if total else (x.shape[1] / 2, x.shape[2] / 2)
        centres[t] = y, w
        a, b = (min(max(int(c) - h, 0), n - 2 * h) for c, h, n in [(y, half_rows, x.shape[1]), (w, half_columns, x.shape[2])])
        out[t] = x[t, a : a + 2 * half_rows, b : b + 2 * half_columns]
    return out, centres


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_centroid_example(lib, tmp_path, dtype, threads):
    rng = np.random.default_rng(4)
    x = (rng.random((23, 60, 5000 if dtype == "uint8" else 80)) * (rng.random((23, 60, 1)) < 0.2) * 200).astype(dtype)
    x[7] = 0
    with environment("XDG_CACHE_HOME", str(tmp_path / "cache")):
        s = tsr.Session(lib, threads=threads)
        a = s.array(x, (4, -1, -1))
        want, centres = centred(x, 15, 20)
        f = compiled_file(s, ROOT / "examples/centroid.c", "recentre")
        np.testing.assert_array_equal(s.compute(map_blocks(s, f, [a], dtype, chunks=[None, 30, 40])), want)
        f = compiled_file(s, ROOT / "examples/centroid.c", "centroid")
        got = s.compute(map_blocks(s, f, [a], "float64", drop=[1, 2], new=[1], chunks=[None, 2]))
        np.testing.assert_allclose(got, centres, rtol=1e-12)
        f = compiled_file(s, ROOT / "examples/centroid.c", "recentre")
        for array, text in [(s.array(x, (4, 30, -1)), "chunks cut the frames"), (s.map("add", a, s.array(np.zeros(1))), "pixels must be uint8")]:
            with pytest.raises(tsr.Error, match="recentre: block .*" + text):
                s.compute(map_blocks(s, f, [array], dtype, chunks=[None, 15, 40]))
        s.close()
