"""Makes the package of the build importable, for the tests and for the programs that they start, and opens sessions through ctypes."""
import os
import pathlib
import sys

import pytest

BUILD = pathlib.Path(os.environ.get("TESSERA_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
PACKAGE = str(BUILD / "python")

sys.path.insert(0, PACKAGE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="module")
def s(lib):
    """A session of the library, through ctypes."""
    import tsr

    session = tsr.Session(lib)
    yield session
    session.close()
