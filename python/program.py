#!python
"""The command `tessera` of a wheel: becomes the program that lies in the package, which is found without importing it."""
import importlib.util
import os
import sys

package = importlib.util.find_spec("tessera")
if package is None:
    sys.exit(f"tessera: the package tessera is not installed for {sys.executable}")
os.environ.setdefault("TESSERA_PYTHON", sys.executable)  # what `tessera worker --python` runs
program = os.path.join(package.submodule_search_locations[0], "bin", "tessera")
try:
    os.execv(program, ["tessera", *sys.argv[1:]])
except OSError as error:
    sys.exit(f"tessera: cannot run {program}: {error.strerror}")
