"""C functions as tasks, from Python: source that workers compile, and libraries that they have."""
import pathlib
import subprocess

import numpy as np
import pytest

import tessera as ts

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def client():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster, ts.Client(cluster) as client:
        client.wait_for_workers(2, 30)
        yield client


C_SOURCE = """
tsr_status scaled(int n_args, const tsr_bytes *args, tsr_task_result *result)
{
    if (n_args != 2 || args[1].size != sizeof(double)) return tsr_fail(TSR_ERR_VALUE, "scaled takes an array and a number");
    size_t n = args[0].size / sizeof(double);
    double *out = tsr_task_result_alloc(result, args[0].size);
    if (!out) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) out[i] = ((const double *)args[0].data)[i] * *(const double *)args[1].data;
    return TSR_OK;
}
"""


def test_c_functions(client):
    scaled = ts.c_task(C_SOURCE, "scaled", dtype=float)
    x = np.linspace(0, 1, 1000)
    future = client.submit(scaled, x, 2.0)
    np.testing.assert_array_equal(future.result(60), x * 2)
    np.testing.assert_array_equal(client.submit(scaled, future, 0.5).result(30), x)
    assert [r[0] for r in client.gather(client.map(scaled, [[1.0], [2.0]], [3.0, 4.0]))] == [3, 8]
    assert client.submit(ts.c_task(C_SOURCE, "scaled"), x[:1], 1.0).result(30) == x[:1].tobytes()
    with pytest.raises(RuntimeError, match="takes an array and a number"):
        client.submit(scaled, x).result(30)
    with pytest.raises(TypeError, match="by name"):
        client.submit(scaled, x, factor=2.0)


def test_functions_of_a_library(client, tmp_path):
    library = tmp_path / "libprimes.so"
    root = pathlib.Path(__file__).resolve().parents[2]
    subprocess.run(["cc", "-shared", "-fPIC", "-I", root / "include", root / "examples/primes.c", "-o", library], check=True)
    count, add = (ts.c_task(symbol=name, library=library, dtype="i8") for name in ("count", "add"))
    pieces = client.map(count, [np.array([k, k + 100]) for k in range(0, 1000, 100)])
    assert client.submit(add, *pieces).result(60) == [168]
    with pytest.raises(RuntimeError, match="count takes one range"):
        client.submit(count, 1.0).result(30)
    with pytest.raises((RuntimeError, LookupError, OSError), match="is not on this worker"):
        client.submit(ts.c_task(symbol="count", library=tmp_path / "none.so"), 1.0).result(30)
