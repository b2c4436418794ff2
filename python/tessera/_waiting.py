"""progress(x): how far futures and persisted arrays are, in a terminal or a notebook: a bar for each function and each stage."""
from __future__ import annotations

import sys
import threading
import time
from html import escape

from ._futures import futures_of
from ._progress import _Html, _notebook_display, _seconds

INTERVAL = 0.1


class _Counts:
    """Futures by function: how many there are, are done, failed."""

    def __init__(self, futures: list, group_by=None) -> None:
        self.by_name: dict[str, list] = {}
        for future in futures:
            self.by_name.setdefault(future._name if group_by is None else str(group_by(future)), []).append(future)
        self.pending = {name: list(group) for name, group in self.by_name.items()}
        self.failed = dict.fromkeys(self.by_name, 0)

    def rows(self) -> list[tuple]:
        """(name, done, failed, total)."""
        rows = []
        for name, group in self.by_name.items():
            left = []
            for future in self.pending[name]:
                state = future.status
                if state == "pending":
                    left.append(future)
                self.failed[name] += state == "error"
            self.pending[name] = left
            rows.append((name, len(group) - len(left), self.failed[name], len(group)))
        return rows


def _line(row: tuple, width: int = 30) -> str:
    name, done, failed, total = row
    bar = "#" * round(width * done / max(total, 1))
    return f"{name[:24]:<24} [{bar:<{width}}] {done}/{total}" + (f", {failed} failed" if failed else "")


def _page(rows: list, seconds: float) -> str:
    """For notebooks, in the page's own colours."""
    cell = "<td style='text-align:left;padding:0 1em 0 0'>{}</td>".format
    lines = "".join(f"<tr style='background:none'>{cell(escape(name))}{cell(f'<progress style=width:20em value={done} max={max(total, 1)}></progress>')}"
                    f"{cell(f'{done} of {total}' + (f', {failed} failed' if failed else ''))}</tr>" for name, done, failed, total in rows)
    return f"<table style='border:none;background:none;color:inherit'>{lines}</table><span style='opacity:0.7'>{_seconds(seconds)}</span>"


def progress(*futures, notebook: bool | None = None, multi: bool = True, complete: bool = True, group_by="prefix", out=None, **kwargs) -> None:
    """Shows how far futures and persisted arrays are, until all are done: with `multi` a bar for each function of the futures and each stage of
    the arrays, else one for all.

    In a terminal it returns then; in a notebook at once, and the bars go on. Where the output is no terminal, there is a line for
    each bar that is full, and lines for what was not at the end.

    >>> x = x.persist(); progress(x)                 # doctest: +SKIP
    >>> progress(client.map(f, files))               # doctest: +SKIP
    """
    if group_by != "prefix" and not callable(group_by):
        raise ValueError(f"progress: group_by is 'prefix' or a function of a future, not {group_by!r}")
    rows = _sources(list(futures), group_by if callable(group_by) else None)
    if not multi:
        several, rows = rows, lambda: _together(several())
    began = time.monotonic()
    display = _notebook_display() if notebook in (None, True) and out is None else None
    if display is not None:
        _in_notebook(rows, display, began)
    else:
        _in_terminal(rows, out or sys.stderr, began)


def _together(rows: list) -> list:
    return [("all", sum(row[1] for row in rows), sum(row[2] for row in rows), sum(row[3] for row in rows))] if rows else []


def _follow(rows, show) -> None:
    """Shows the rows from time to time until all are done."""
    while True:
        now = rows()
        show(now)
        if all(done >= total for _, done, _, total in now):
            return
        time.sleep(INTERVAL)


def _in_notebook(rows, display, began: float) -> None:
    now = rows()
    shown = display(_Html(_page(now, 0)), display_id=True)

    def show(now) -> None:
        shown.update(_Html(_page(now, time.monotonic() - began)))

    def follow() -> None:
        try:
            _follow(rows, show)
        except Exception as error:  # the client was closed, or its scheduler is gone: the bars stay as they are
            shown.update(_Html(_page(now, time.monotonic() - began) + f" <span>{escape(str(error))}</span>"))

    threading.Thread(target=follow, name="tessera progress", daemon=True).start()


def _in_terminal(rows, out, began: float) -> None:
    shown = 0
    is_terminal = out.isatty()
    told: set = set()

    def show(now) -> None:
        nonlocal shown
        if is_terminal:
            out.write(f"\x1b[{shown}F" * bool(shown) + "".join(f"\x1b[K{_line(row)}\n" for row in now) + "\x1b[J" * (shown > len(now)))
            out.flush()
            shown = len(now)
        for i, row in enumerate(now if not is_terminal else ()):  # a log gets a line for each, when it is full
            if row[1] >= row[3] and (i, row[0]) not in told:
                told.add((i, row[0]))
                out.write(f"{_line(row)}, {_seconds(time.monotonic() - began)}\n")
                out.flush()

    _follow(rows, show)


def _sources(things: list, group_by=None):
    """What gives the rows of now: of futures and of arrays."""
    from ._core import Node

    flat: list = []
    for thing in things:
        flat += list(thing) if isinstance(thing, (list, tuple, set)) else list(thing.values()) if isinstance(thing, dict) else [thing]
    arrays = [node for thing in flat for node in ([thing] if isinstance(thing, Node) else _arrays_of(thing))]
    sources = [_Counts(futures_of(flat), group_by)]
    clients = {array.session for array in arrays if array.session.is_remote}
    sources += [_Jobs(client, [array for array in arrays if array.session is client]) for client in clients]
    return lambda: [row for source in sources for row in source.rows()]


def _arrays_of(thing) -> list:
    """The array that a future of an array's values waits for."""
    from ._computing import ArrayFuture

    array = getattr(thing, "_array", None) if isinstance(thing, ArrayFuture) else None
    return [array] if array is not None else []


class _Jobs:
    """What a client has persisted and is not made yet: a row for each stage."""

    def __init__(self, client, arrays: list) -> None:
        self.client = client
        self.jobs: dict[str, list] = {}  # rows of each
        for job in self._now():
            if job["tasks_done"] < job["tasks_total"] or not job["tasks_total"]:
                self.jobs[job["job"]] = _rows_of(job)

    def _now(self) -> list[dict]:
        return [job for job in self.client.status()["jobs"] if job["persists"] and job["held"]]

    def rows(self) -> list[tuple]:
        """(name, done, failed, total)."""
        if any(row[1] < row[3] for rows in self.jobs.values() for row in rows):
            now = {job["job"]: job for job in self._now()}
            for number, rows in self.jobs.items():
                # One that is given back, or failed, is not waited for.
                self.jobs[number] = _rows_of(now[number]) if number in now else [(name, total, failed, total) for name, _, failed, total in rows]
        return [row for rows in self.jobs.values() for row in rows]


def _rows_of(job: dict) -> list[tuple]:
    if not job["stages"]:  # it is being planned
        return [("planning", 0, 0, 1)]
    whole = job["tasks_done"] >= job["tasks_total"]  # what one worker made and another made again counts twice in all, and once in a stage
    return [(stage["name"], stage["tasks_total"] if whole else stage["tasks_done"], 0, stage["tasks_total"]) for stage in job["stages"]]
