"""tessera eval --udf: the example of the documentation, what the arguments do, and mistakes."""
import pathlib

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = """
tsr_status total(void *context, int n, const tsr_block *in, const tsr_block *out)
{
    double sum = 0;
    for (int64_t i = 0; i < tsr_block_size(&in[0]); i++) sum += ((const double *)in[0].data)[i];
    *(double *)out->data = sum;
    return n == 1 ? TSR_OK : tsr_fail(TSR_ERR_VALUE, "one array is enough");
}
TSR_RESULT(sign_of, TSR_I8);
tsr_status sign_of(void *context, int n, const tsr_block *in, const tsr_block *out)
{
    const double *x = in[0].data;
    int8_t *y = out->data;
    if (out->dtype != TSR_I8) return tsr_fail(TSR_ERR_TYPE, "the result is int8");
    for (int64_t i = 0; i < tsr_block_size(out); i++) y[i] = (x[i] > 0) - (x[i] < 0);
    return TSR_OK;
}
tsr_status smooth(void *context, int n, const tsr_block *in, const tsr_block *out)
{
    const double *x = in->data;
    double *y = out->data;
    int64_t length = tsr_block_size(out);
    for (int64_t i = 0; i < length; i++) y[i] = i == 0 || i == length - 1 ? x[i] : (x[i - 1] + x[i] + x[i + 1]) / 3;
    return TSR_OK;
}
tsr_status plus(void *context, int n, const tsr_block *in, const tsr_block *out)
{
    for (int64_t i = 0; i < tsr_block_size(out); i++)
        ((double *)out->data)[i] = ((const double *)in[0].data)[i] + ((const double *)in[1].data)[i];
    return TSR_OK;
}
tsr_status mean(void *context, int n, const tsr_block *in, const tsr_block *out) { return tsr_fail(TSR_ERR_VALUE, "mine"); }
"""


@pytest.fixture
def run(tessera, tmp_path):
    (tmp_path / "own.c").write_text(SOURCE)
    np.save(tmp_path / "x.npy", np.arange(12.0) ** 2 - 30)

    def run_eval(expression, *options, udf=tmp_path / "own.c"):
        return tessera("eval", "--udf", udf, expression, tmp_path / "x.npy", *options, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})

    return run_eval


X = np.arange(12.0) ** 2 - 30


def test_functions_of_the_source(run, tmp_path):
    def value(expression, *options):
        done = run(expression, *options, "-o", tmp_path / "y.npy", "--quiet")
        assert done.code == 0, done.stderr
        return np.load(tmp_path / "y.npy")

    np.testing.assert_array_equal(value("y = sign_of(data)"), np.sign(X).astype("i1"))
    assert value("sign_of(data)").dtype == np.int8
    np.testing.assert_array_equal(value("total(data, chunks=1)", "--chunks", "5"), [X[:5].sum(), X[5:10].sum(), X[10:].sum()])
    np.testing.assert_array_equal(value("total(data, drop_axis=0)", "--chunks", "5"), X.sum())
    np.testing.assert_array_equal(value("total(data + 1, drop_axis=[0]) * 2"), (X + 1).sum() * 2)
    padded = np.pad(X, 1, mode="wrap")
    np.testing.assert_allclose(value("smooth(data, depth=1, boundary='periodic')", "--chunks", "4"), (padded[:-2] + X + padded[2:]) / 3)
    padded = np.pad(X, 1, constant_values=7)
    np.testing.assert_allclose(value("smooth(data, depth=1, boundary=7)", "--chunks", "4"), (padded[:-2] + X + padded[2:]) / 3)
    np.testing.assert_array_equal(value("plus(data, y=sqrt(abs(data)))", "--chunks", "5"), X + np.sqrt(np.abs(X)))
    np.testing.assert_array_equal(value("data.plus(data)"), X * 2)


def test_explain_names_the_function(run):
    done = run("sum(smooth(data, depth=1))", "--explain")
    assert done.code == 0 and "smooth of 1 input" in done.stdout


def test_mistakes(run, tmp_path):
    for expression, text in [("total(data, data, chunks=1)", "total: block (0,), elements [0:1]: one array is enough"),
                             ("mean(data)", "mean: block (0,)"),
                             ("sign_of(data, dtype=float32)", "sign_of: block (0,), elements [0:12]: the result is int8"),
                             ("smooth(data, depth=1, boundary='mirror')", "unknown boundary 'mirror'"),
                             ("smooth(data, depth=(1, 2))", "depth has 2 numbers for 1 dimensions"),
                             ("smooth(data, depth=1, chunks=3)", "smooth: depth cannot go with drop_axis, new_axis or chunks"),
                             ("plus(data, z=data)", "plus: array 2 is given, array 1 is not"),
                             ("smooth(data, width=3)", "smooth has no argument 'width'"),
                             ("smoth(data)", "unknown function 'smoth'")]:
        done = run(expression)
        assert done.code == 1 and text in done.stderr, (expression, done.stderr)
    (tmp_path / "broken.c").write_text("int x = ;\n")
    done = run("f(data)", udf=tmp_path / "broken.c")
    assert done.code == 1 and f"{tmp_path}/broken.c does not compile:" in done.stderr and "broken.c:1:9" in done.stderr
    done = run("f(data)", udf=tmp_path / "nowhere.c")
    assert done.code == 1 and "cannot open" in done.stderr and "nowhere.c" in done.stderr


def test_the_example_of_the_documentation(tessera, tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    tessera.ok("sample", tmp_path, "--images", 5, "--days", 1, "--grid", "10x20", "--quiet")
    example = ROOT / "examples/centroid.c"
    tessera.ok("eval", "--udf", example, "recentre(data, chunks=(-1, 256, 256))", tmp_path / "stack.npy", "-o", tmp_path / "r.npy", "--quiet", env=env)
    tessera.ok("eval", "--udf", example, "centroid(data, drop_axis=(1, 2), new_axis=1, chunks=(-1, 2))", tmp_path / "stack.npy", "-o", tmp_path / "c.npy",
               "--quiet", env=env)
    x, got, centres = np.load(tmp_path / "stack.npy").astype(float), np.load(tmp_path / "r.npy"), np.load(tmp_path / "c.npy")
    y, w = ((x.sum(axis) @ np.arange(512)) / x.sum((1, 2)) for axis in (2, 1))
    np.testing.assert_allclose(centres, np.stack([y, w], 1), rtol=1e-12)
    for frame, cut, a, b in zip(x, got, y, w):
        a, b = (min(max(int(c) - 128, 0), 256) for c in (a, b))
        np.testing.assert_array_equal(cut, frame[a : a + 256, b : b + 256])
