"""Settings of engines: from arguments, `config.set`, environment variables (TESSERA_THREADS ...) and a file, in this order.

The file is $TESSERA_CONFIG or ~/.config/tessera.ini, with a section [tessera]:

    [tessera]
    threads = 4
    memory = 2GiB
    scratch = /scratch/me
"""
from __future__ import annotations

import os
import re

from ._lib import failure, ffi, lib

NAMES = ("threads", "memory", "scratch", "isa")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_set: dict[str, object] = {}


def parse_bytes(size: int | float | str) -> int:
    """Bytes from a number or a text such as "2GiB", "500 MB" or "1e9".

    >>> parse_bytes("2KiB"), parse_bytes("1.5 MB")
    (2048, 1500000)
    """
    if not isinstance(size, str):
        if size < 0:
            raise ValueError(f"{size} bytes are less than none")
        return int(size)
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kmgt]?i?)b?\s*", size, re.IGNORECASE)
    if not match or match[2].lower() not in UNITS:
        raise ValueError(f"'{size}' is no size; write a number with a unit, such as '2GiB'")
    return int(float(match[1]) * UNITS[match[2].lower()])


def _file() -> dict[str, str]:
    import configparser

    path = os.environ.get("TESSERA_CONFIG") or os.path.join(os.path.expanduser("~"), ".config", "tessera.ini")
    parser = configparser.ConfigParser()
    parser.read(path)
    return dict(parser["tessera"]) if "tessera" in parser else {}


def get(name: str, default=None):
    """A setting as it was given, or `default`."""
    if name not in NAMES:
        raise KeyError(f"there is no setting '{name}'; the settings are {', '.join(NAMES)}")
    if name in _set:
        return _set[name]
    return os.environ.get(f"TESSERA_{name.upper()}") or _file().get(name, default)


def set(**settings) -> "_Change":
    """Settings for sessions that are opened from now on; threads and memory also for the default session. None takes one back.

    Returns a context manager, which restores the settings at its end.

    >>> import tessera as ts
    >>> with ts.config.set(threads=2):
    ...     ts.config.get("threads")
    2
    """
    for name in settings:
        get(name)  # complains about unknown ones
    _threads(settings.get("threads"))  # nothing is set if a value is wrong
    parse_bytes(settings.get("memory") or 0)
    _check_scratch(settings.get("scratch"))
    change = _Change({name: _set.get(name) for name in settings})
    _apply(settings)
    return change


class _Change:
    """Settings as they were before."""

    def __init__(self, before: dict) -> None:
        self._before = before

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception) -> None:
        _apply(self._before)


def _apply(settings: dict) -> None:
    from . import _session

    for name, value in settings.items():
        _set.pop(name, None) if value is None else _set.__setitem__(name, value)
    _session.configure_default()


def engine_settings(**given) -> dict[str, object]:
    """What the arguments say, completed from the other places."""
    return {name: get(name) if given.get(name) is None else given[name] for name in NAMES}


def c_text(text):
    """A text or path for the library, NULL for nothing."""
    return ffi.new("char[]", os.fsencode(text)) if text else ffi.NULL


def _threads(n) -> int:
    try:
        threads = int(n or 0)
    except ValueError:
        raise ValueError(f"threads: '{n}' is no number; 0 means one for each processor") from None
    if threads < 0:
        raise ValueError(f"threads: {threads} is negative; 0 means one for each processor")
    return threads


def _check_scratch(folder) -> None:
    """The folder can hold spilled blocks, or the library's reason why not."""
    if folder:
        made, kept = options({"threads": 1, "memory": 0, "scratch": folder, "isa": None})
        session = lib.tsr_session_open(ffi.NULL, made)
        if not session:
            raise failure()
        lib.tsr_session_close(session)


def options(settings: dict):
    """The settings as tsr_options, and what must stay alive while they are used."""
    texts = {name: c_text(settings[name]) for name in ("scratch", "isa")}
    made = ffi.new("tsr_options *")
    made.n_threads = _threads(settings["threads"])
    made.memory_bytes = parse_bytes(settings["memory"] or 0)
    made.scratch_dir, made.isa = texts["scratch"], texts["isa"]
    return made, texts
