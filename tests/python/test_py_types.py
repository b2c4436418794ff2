"""The type hints, as mypy sees them: what it accepts in a program, and what it finds wrong."""
import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(os.environ.get("TESSERA_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
RIGHT = """
from collections.abc import Iterator
from typing import Any

import numpy as np
from typing_extensions import assert_type

import tessera as ts

x = ts.arange(12, chunks=5).reshape(3, 4).astype("f4")
assert_type(x, ts.Array)
assert_type(x.mean(axis=0, keepdims=True), ts.Array)
assert_type((x - x.mean(axis=0)) / x.std(axis=0), ts.Array)
assert_type(x == 3, ts.Array)
assert_type(x[0, ::-1], ts.Array)
assert_type(x.T, ts.Array)
assert_type(x.shape, tuple[int, ...])
assert_type(x.chunks, tuple[tuple[int, ...], ...])
assert_type(x.dtype, np.dtype[Any])
assert_type(iter(x), Iterator[ts.Array])
assert_type(ts.split(x, 3), list[ts.Array])
assert_type(ts.meshgrid(x[0], x[1]), tuple[ts.Array, ...])
assert_type(ts.array_equal(x, x), bool)
assert_type(ts.image.imread("frames/*.png", chunks=4), ts.Array)
assert_type(ts.open_dataset("x.nc").sizes["time"], int)
cosine: ts.Array = ts.cos(x)
number: float = float(ts.hypot(x, 2).sum())
values: np.ndarray = np.asarray(x)
x += 1
with ts.Session(threads=2), ts.ProgressBar():
    ts.compute(x, x.max())
ts.save("x.npy", x)
with ts.LocalCluster(n_workers=2) as cluster, ts.Client(cluster, security=ts.Security(secret_file="s")) as client:
    future: ts.Future = client.submit(pow, 2, 10, retries=2)
    futures: list[ts.Future] = client.map(abs, range(3))
    assert_type(ts.get_client(), ts.Client)
    assert_type(ts.from_futures(futures), ts.Array)
    assert_type(future.status, str)
    for done in ts.as_completed(futures, timeout=3):
        print(done.result(timeout=1.0))
    client.gather({"a": futures})
"""
WRONG = """import tessera as ts
x = ts.ones((3, 4))
ts.meen(x)
x.meen()
ts.mean(x, axs=0)
ts.cosine(x)
n: int = x.sum()
"""


def mypy(folder, *files):
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", "--hide-error-context",
                           "--cache-dir", BUILD / "test/mypy", *files], cwd=folder, text=True, capture_output=True,
                          env={**os.environ, "MYPYPATH": str(BUILD / "python")})
    assert not done.stderr, done.stderr
    return done.stdout


def test_programs_that_are_right(tmp_path):
    (tmp_path / "right.py").write_text(RIGHT)
    assert mypy(tmp_path, "right.py", BUILD / "python/tessera/__init__.pyi", BUILD / "python/tessera/_array.pyi") == ""


def test_programs_that_are_wrong(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    errors = [line for line in mypy(tmp_path, "wrong.py").splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in errors] == [3, 4, 5, 6, 7], errors
    assert 'has no attribute "meen"' in errors[0] and '"Array"' in errors[1] and '"axs"' in errors[2]
