"""Sample data for the tests of the program, and the same read by xarray."""
import json
import re

import numpy as np
import pytest
import xarray


@pytest.fixture(scope="session")
def era(tessera, tmp_path_factory):
    """A folder of four daily files, t2m(time 4, latitude 37, longitude 72), packed in 16 bits."""
    folder = tmp_path_factory.mktemp("era")
    tessera.ok("sample", folder, "--days", 4, "--grid", "37x72", "--quiet")
    return folder


@pytest.fixture(scope="session")
def pattern(era):
    return f"{era}/*.nc"


@pytest.fixture(scope="session")
def t2m(era):
    """The whole variable as xarray reads it."""
    return xarray.concat([xarray.open_dataset(path) for path in sorted(era.glob("*.nc"))], dim="time")["t2m"].load()


@pytest.fixture
def evaluate(tessera, pattern):
    """Evaluates an expression on the sample files and returns the values as NumPy has them."""

    def run(expression, *arguments, files=None, **options):
        files = [pattern] if files is None else files
        answer = json.loads(tessera.ok("eval", expression, *files, "--json", *arguments, **options))
        values = np.array(answer["data"], dtype=object)
        values[values == None] = np.nan  # noqa: E711 (elementwise)
        return values.astype(answer["dtype"])

    return run


class Mistake:
    """An error message: its first line, and the token under the carets."""

    def __init__(self, result):
        lines = result.stderr.rstrip("\n").split("\n")
        self.code, self.text = result.code, lines[0]
        assert re.match(r"tessera( \w+)?: ", self.text), result.stderr
        assert len(lines) in (1, 3), f"a message has one line, or three with the place\n{result.stderr}"
        self.token = None
        if len(lines) == 3:
            carets = re.search(r"\^~*", lines[2])
            self.token = lines[1][carets.start():carets.end()]


@pytest.fixture
def mistake(tessera):
    """Runs the program, which must fail with one message in the house's form, and returns it taken apart."""

    def run(*arguments, **options):
        result = tessera(*arguments, **options)
        assert result.code in (1, 2), f"exit code {result.code}\n{result.stderr}"
        return Mistake(result)

    return run
