"""The examples compile as a user would compile them, with warnings as errors, against the installed library, and work."""
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import xarray
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TESSERA_BUILD", ROOT / "build"))
C11 = ["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The prefix of an installation, and what pkg-config says of it."""
    if not shutil.which("meson") or not shutil.which("pkg-config"):
        pytest.skip("meson or pkg-config is not there")
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root], check=True)
    pc = next(root.rglob("tessera.pc"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(root)}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "tessera"], env=env, check=True, text=True, stdout=subprocess.PIPE)
    return root, flags.stdout.split(), next(root.rglob("libtessera.so")).parent


@pytest.fixture(scope="session")
def compiled(installed, tmp_path_factory):
    """Compiles a source and returns a function that runs the program."""
    _, flags, lib = installed
    folder = tmp_path_factory.mktemp("bin")

    def compile_source(source, name):
        subprocess.run([*C11, source, *flags, f"-Wl,-rpath,{lib}", "-o", folder / name], check=True)
        return lambda *a: subprocess.run([folder / name, *map(str, a)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return compile_source


def test_what_is_installed(installed):
    root, _, _ = installed
    names = {str(p.relative_to(root)).split("/", 3)[-1] for p in root.rglob("*") if not p.is_dir()}
    names |= {p.name for p in root.rglob("*")}
    for name in ("tessera", "tessera.h", "libtessera.so", "tessera.pc", "tessera.1", "tessera-eval.1", "_tessera", "tessera.fish"):
        assert name in names
    assert [p.name for p in root.rglob("*.h")] == ["tessera.h"]


def test_zscore(compiled, era, t2m, tmp_path):
    run = compiled(ROOT / "examples/zscore.c", "zscore")
    done = run("t2m", tmp_path / "z.nc", *sorted(era.glob("*.nc")))
    assert done.returncode == 0, done.stderr
    assert "100 %" in done.stderr
    with xarray.open_dataset(tmp_path / "z.nc") as d:
        np.testing.assert_allclose(d.z, (t2m - t2m.mean("time")) / t2m.std("time"), rtol=1e-10, atol=1e-10)
    done = run("t2n", tmp_path / "y.nc", *sorted(era.glob("*.nc")))
    assert done.returncode == 1 and "t2m" in done.stderr and not (tmp_path / "y.nc").exists()


def test_stream(compiled):
    done = compiled(ROOT / "examples/stream.c", "stream")("4e7")
    assert done.returncode == 0, done.stderr
    mean, deviation = map(float, re.match(r"mean ([\d.]+), standard deviation ([\d.]+)\n", done.stdout).groups())
    assert abs(mean - 20) < 0.01 and abs(deviation - 5) < 0.01
    counts = [int(n) for n in re.findall(r"to +\d+: (\d+)", done.stdout)]
    assert len(counts) == 8 and 0.999 < sum(counts) / 4e7 < 1
    assert float(re.search(r"at most ([\d.]+) MB", done.stdout)[1]) < 64


def test_the_example_in_the_readme(compiled, tmp_path):
    source = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    (tmp_path / "readme.c").write_text(source.replace("200000000", "2000000"))
    done = compiled(tmp_path / "readme.c", "readme")()
    assert done.returncode == 0 and abs(float(done.stdout)) < 0.01


def test_the_header_in_cplusplus(installed, tmp_path):
    if not shutil.which("c++"):
        pytest.skip("there is no C++ compiler")
    _, flags, lib = installed
    (tmp_path / "x.cpp").write_text('#include <tessera.h>\n#include <cstdio>\nint main() { std::puts(tsr_version()); }\n')
    subprocess.run(["c++", "-Wall", "-Werror", tmp_path / "x.cpp", *flags, f"-Wl,-rpath,{lib}", "-o", tmp_path / "x"], check=True)
    assert re.match(r"\d+\.\d+\.\d+\n", subprocess.run([tmp_path / "x"], text=True, stdout=subprocess.PIPE, check=True).stdout)


def test_futures(compiled):
    run = compiled(ROOT / "examples/futures.c", "futures")
    done = run("100000")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "9592 of the numbers below 100000 are prime\n"
    failed = run("1000", "nowhere")
    assert failed.returncode == 1 and "nowhere" in failed.stderr


def test_functions_of_a_library(compiled, installed, tessera, tmp_path):
    """The example and the library that docs/futures.md shows, in workers of a program and in the command's."""
    _, flags, _ = installed
    library = tmp_path / "libprimes.so"
    subprocess.run([*C11, "-shared", "-fPIC", ROOT / "examples/primes.c", *(f for f in flags if f.startswith("-I")), "-o", library], check=True)
    run = compiled(ROOT / "examples/futures.c", "futures_of_a_library")
    right = "9592 of the numbers below 100000 are prime\n"
    done = run("100000", "here", library)
    assert done.stdout == right, done.stderr
    done = run("1000", "here", tmp_path / "none.so")
    assert done.returncode == 1 and "is not on this worker" in done.stderr
    for folder, good in ((tmp_path, True), (tmp_path / "other", False)):
        folder.mkdir(exist_ok=True)
        cluster = subprocess.Popen([tessera.path, "cluster", "--workers=2", "--threads=1", "--listen=tcp://127.0.0.1:0",
                                    f"--libraries={folder}"], stdout=subprocess.PIPE, text=True)
        try:
            address = re.search(r"tcp://\S+", cluster.stdout.readline())[0]
            done = run("100000", address, library)
            assert done.stdout == (right if good else ""), done.stderr
            assert good or "lies in none of the folders" in done.stderr
        finally:
            cluster.terminate()
            cluster.wait(30)


def test_climate_on_a_cluster(compiled, tessera, era, t2m, tmp_path):
    """In C, and the same from the shell."""
    run, files = compiled(ROOT / "examples/climate.c", "climate"), sorted(map(str, era.glob("*.nc")))
    cluster = subprocess.Popen([tessera.path, "cluster", "--workers=2", "--threads=1", "--memory=200M", "--listen=tcp://127.0.0.1:0"],
                               stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"tcp://\S+", cluster.stdout.readline())[0]
        z = (t2m - t2m.mean("time")) / t2m.std("time")
        done = run(address, "t2m", *files)
        assert done.returncode == 0, done.stderr
        title, *lines = done.stdout.splitlines()
        assert title == f"t2m: {len(t2m)} times"
        found = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
        expected = {"first element": t2m[0, 0, 0], "mean": t2m.mean(), "mean of the last time": t2m[-1].mean(), "largest z": z.max()}
        assert found == pytest.approx({what: float(value) for what, value in expected.items()}, rel=1e-5)

        def shell(expression):
            return float(tessera.ok("eval", "--cluster", address, expression, *files, "-q"))

        keep = "x = persist(t2m); z = persist((x - mean(x, time)) / std(x, time)); "
        assert shell("x = persist(t2m); x[0, 0, 0]") == pytest.approx(found["first element"], rel=1e-5)
        assert shell(keep + "max(z)") == pytest.approx(found["largest z"], rel=1e-5)
        assert shell(keep + "mean(x[-1])") == pytest.approx(found["mean of the last time"], rel=1e-5)
        failed = run(address, "t2n", *files)
        assert failed.returncode == 1 and "t2m" in failed.stderr
        assert run("tcp://127.0.0.1:0", "t2m", *files).returncode == 1
    finally:
        cluster.terminate()
        assert cluster.wait(30) in (0, 128 + 15)


def test_data_of_one_machine_on_a_cluster(compiled, tessera, era, t2m):
    """Workflow 3: files are read here, and scattered; in C, and as far as the shell goes, where the workers read."""
    run, files = compiled(ROOT / "examples/scatter.c", "scatter"), sorted(map(str, era.glob("*.nc")))
    cluster = subprocess.Popen([tessera.path, "cluster", "--workers=2", "--threads=1", "--memory=200M", "--listen=tcp://127.0.0.1:0"],
                               stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"tcp://\S+", cluster.stdout.readline())[0]
        done = run(address, "t2m", *files)
        assert done.returncode == 0, done.stderr
        title, *lines = done.stdout.splitlines()
        assert title == f"{len(t2m)} times, {t2m.size * 8 / 1e6:.1f} MB"
        found = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
        values = t2m.values.astype(float)
        expected = {"sum": values.sum(), "warmest time": values.mean(axis=(1, 2)).max(), "coldest place": values.mean(axis=0).min(),
                    "largest difference": (values - values.mean()).max()}
        assert found == pytest.approx(expected, rel=1e-5)
        text = tessera.ok("eval", "--cluster", address, "x = persist(t2m); y = persist(x - mean(x)); max(y)", *files, "-q")
        assert float(text) == pytest.approx(found["largest difference"], rel=1e-5)
        failed = run(address, "t2n", *files)
        assert failed.returncode == 1 and "no variable 't2n'" in failed.stderr and "t2m" in failed.stderr
    finally:
        cluster.terminate()
        assert cluster.wait(30) in (0, 128 + 15)


def test_image_stack_on_a_cluster(compiled, tessera, tmp_path):
    """Workflow 5: the workers read images, a user's C function centres them, and frames become series of pixels; in C and from the shell."""
    rng, frames = np.random.default_rng(5), []
    (tmp_path / "frames").mkdir()
    for i in range(22):
        image = rng.integers(0, 3, (48, 64), dtype=np.uint8)
        row, column = rng.integers(4, 44), rng.integers(4, 60)
        image[row - 3:row + 4, column - 3:column + 4] += np.uint8(150 + i)
        Image.fromarray(image).save(tmp_path / "frames" / f"{i}.png")
        frames.append(image)
    x, source, window = np.stack(frames), ROOT / "examples/centroid.c", 16

    def cut(image):
        middles = [(image.sum(axis=1 - d, dtype=float) * np.arange(n)).sum() / image.sum(dtype=float) for d, n in enumerate(image.shape)]
        top, left = (min(max(int(m) - window // 2, 0), n - window) for m, n in zip(middles, image.shape))
        return image[top:top + window, left:left + window]

    centred = np.stack([cut(image) for image in x])
    run = compiled(ROOT / "examples/frames.c", "frames")
    cluster = subprocess.Popen([tessera.path, "cluster", "--workers=2", "--threads=1", "--memory=200M", "--listen=tcp://127.0.0.1:0"],
                               stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"tcp://\S+", cluster.stdout.readline())[0]
        done = run(address, source, window, tmp_path / "frames/*.png")
        assert done.returncode == 0, done.stderr
        *lines, deviation = done.stdout.splitlines()
        places = [np.unravel_index(picture.mean(axis=0).argmax(), picture.shape[1:]) for picture in (x, centred)]
        assert lines == ["22 frames of 48 x 64", f"darkest frame {x.mean(axis=(1, 2)).argmin()}",
                         "brightest place of the mean: {}, {}".format(*places[0]),
                         "brightest place of the mean of what was centred: {}, {}".format(*places[1])]
        assert float(deviation.rsplit(" ", 1)[1]) == pytest.approx(centred.std(axis=0).max(), abs=1e-6)
        keep = f"x = persist(image); c = persist(recentre(rechunk(x, (4, -1, -1)), chunks=(-1, {window}, {window}))); "
        for expression, expected in (("x = persist(image); argmin(mean(x, (1, 2)))", x.mean(axis=(1, 2)).argmin()),
                                     (keep + "argmax(mean(c, 0))", centred.mean(axis=0).argmax()),
                                     (keep + "s = persist(rechunk(c, (-1, 8, 8))); max(std(s, 0))", centred.std(axis=0).max())):
            text = tessera.ok("eval", "--cluster", address, "--udf", source, expression, tmp_path / "frames/*.png", "-q")
            assert float(text) == pytest.approx(float(expected), rel=1e-9), expression
        failed = run(address, source, 100, tmp_path / "frames/*.png")
        assert failed.returncode == 1 and "the window is larger than the frames" in failed.stderr
    finally:
        cluster.terminate()
        assert cluster.wait(30) in (0, 128 + 15)


def test_the_shell_examples_in_the_readme(tessera, tmp_path):
    text = (ROOT / "README.md").read_text()
    examples = re.findall(r"^    (tessera [a-z]+ .*)$", text, re.M)
    assert len(examples) >= 6
    tessera.ok("sample", tmp_path / "era", "--days", 6, "--grid", "37x72", "-q")
    for example in examples:
        command = example.replace("tessera", str(tessera.path), 1).replace("200000000", "200000").replace("2e8", "2e5")
        done = subprocess.run(command, shell=True, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{example}\n{done.stdout}"
