"""Fixtures of the Python tests: the program, the library through ctypes, and the shared data files.

TESSERA_BUILD names the build folder to test (default: build/).
"""
import ctypes
import dataclasses
import os
import pathlib
import signal
import subprocess

import pytest

# A shell's background jobs ignore SIGINT, and so would the programs that are started here. To change that between fork and exec
# (preexec_fn) is not safe in a process with threads: those of the library and of OpenBLAS run in this one.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("TESSERA_BUILD", ROOT / "build"))
SHARED_DATA = pathlib.Path(os.environ.get("TESSERA_SHARED_DATA", ROOT / "../shared/data"))


@dataclasses.dataclass
class Result:
    """What a command did."""

    code: int
    stdout: str
    stderr: str


class Program:
    """The built program. Calling it runs it: tessera("eval", "1+1")."""

    def __init__(self, path):
        self.path = path

    def __call__(self, *arguments, timeout=300, cwd=None, env=None, stdin=None):
        """Runs the program and returns a Result, whatever the exit code."""
        done = subprocess.run([self.path, *map(str, arguments)], text=True, errors="replace", timeout=timeout, cwd=cwd,
                              env={**os.environ, **(env or {})}, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments, **options):
        """Runs the program, which must succeed, and returns its standard output."""
        done = self(*arguments, **options)
        assert done.code == 0, f"exit code {done.code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fails(self, *arguments, **options):
        """Runs the program, which must fail in an orderly way, and returns its standard error."""
        done = self(*arguments, **options)
        assert 0 < done.code < 126, f"exit code {done.code}\n{done.stdout}\n{done.stderr}"
        assert done.stderr.strip(), "failed without a message"
        return done.stderr


@pytest.fixture(scope="session")
def tessera():
    path = BUILD / "tessera"
    assert path.exists(), f"{path} is not built; run make first"
    return Program(path)


@pytest.fixture(scope="session")
def lib():
    """The shared library with the error functions declared; a test declares what else it calls."""
    library = ctypes.CDLL(str(BUILD / "libtessera.so"))
    library.tsr_error_message.restype = ctypes.c_char_p
    library.tsr_version.restype = ctypes.c_char_p
    return library


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data files that are not part of the project."""
    if not (SHARED_DATA / "tiny.nc").exists():
        pytest.skip(f"{SHARED_DATA}: not here (set TESSERA_SHARED_DATA to test with real data)")
    return SHARED_DATA.resolve()
