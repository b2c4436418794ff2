"""What `make install` puts into a prefix is enough to build and run a program of C: header, library, pkg-config file, manual."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TESSERA_BUILD", ROOT / "build"))
PROGRAM = r"""
#include <stdio.h>
#include <tessera.h>

int main(void)
{
    double mean = 0;
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_array *x = tsr_arange(s, 0, 101, 1, TSR_F64, NULL);
    tsr_status status = tsr_compute_into(tsr_mean(x, 0, NULL, false), &mean, sizeof mean);
    printf("%s %s %g\n", tsr_version(), status == TSR_OK ? "ok" : tsr_error_message(), mean);
    tsr_session_close(s);
    return status;
}
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The installation as a package's maker sees it: below DESTDIR."""
    destdir = tmp_path_factory.mktemp("destdir")
    if BUILD != ROOT / "build":
        pytest.skip("the normal build is what is installed")
    subprocess.run(["meson", "install", "-C", BUILD, "--quiet", "--no-rebuild", f"--destdir={destdir}"], check=True)
    prefixes = [p.parent.parent for p in destdir.rglob("bin/tessera")]
    assert len(prefixes) == 1
    return destdir, prefixes[0]


def pkg_config(prefix, *arguments):
    destdir, folder = prefix
    (file,) = folder.rglob("tessera.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(file.parent), "PKG_CONFIG_SYSROOT_DIR": str(destdir)}
    return subprocess.run(["pkg-config", *arguments, "tessera"], check=True, text=True, stdout=subprocess.PIPE, env=environment).stdout.split()


@pytest.mark.parametrize("compiler", ["cc", "c++"])
def test_a_program_builds_against_the_installation(prefix, tmp_path, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    source = tmp_path / ("program.c" if compiler == "cc" else "program.cpp")
    source.write_text(PROGRAM)
    flags = pkg_config(prefix, "--cflags", "--libs")
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", source, "-o", tmp_path / "program", *flags], check=True)
    (library,) = {f[2:] for f in flags if f.startswith("-L")}
    out = subprocess.run([tmp_path / "program"], check=True, text=True, stdout=subprocess.PIPE, env={**os.environ, "LD_LIBRARY_PATH": library}).stdout
    assert out.split() == [pkg_config(prefix, "--modversion")[0], "ok", "50"]


def test_the_installed_program_runs(prefix):
    out = subprocess.run([prefix[1] / "bin/tessera", "eval", "sum(arange(5))"], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert out.strip() == "10"


def test_only_one_header_is_installed(prefix):
    assert [p.name for p in (prefix[1] / "include").rglob("*.h")] == ["tessera.h"]
    assert list(prefix[1].rglob("man1/tessera.1*"))
