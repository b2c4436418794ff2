"""What the engine did, task by task, and how much memory the process had: `with Profiler() as p: ...`."""
from __future__ import annotations

import html
import json
import os
import tempfile
import time
from typing import NamedTuple

from ._lib import check, ffi, lib
from ._progress import Listener
from ._session import current

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#997700")
MOST_SHOWN = 20_000


class Task(NamedTuple):
    """One task: times in seconds since the profile began."""

    stage: str
    thread: int
    start: float
    end: float
    block: int
    bytes: int


class Profiler(Listener):
    """Records every task of the session's computations, and the memory of the process over time.

    Examples
    --------
    >>> import tessera as ts
    >>> with ts.Profiler() as profile:
    ...     total = ts.ones((500, 500), chunks=100).sum().compute()
    >>> len(profile.tasks) > 0 and profile.seconds > 0
    True
    """

    interval_ms = 20

    def __init__(self, session=None) -> None:
        self._session = session or current()
        self.tasks: list[Task] = []
        self.memory: list[tuple[float, int]] = []
        self.stats: dict[str, float] = {}
        self.seconds = 0.0

    def __enter__(self) -> "Profiler":
        handle, self._path = tempfile.mkstemp(suffix=".json", prefix="tessera-")
        os.close(handle)
        check(lib.tsr_trace_to(self._session.handle(), os.fsencode(self._path)))
        self._began = time.perf_counter()
        return super().__enter__()

    def update(self, progress) -> None:
        self.memory.append((time.perf_counter() - self._began, _resident_bytes()))

    def __exit__(self, *exception) -> None:
        super().__exit__()
        self.seconds = time.perf_counter() - self._began
        session = self._session.handle()
        try:
            check(lib.tsr_trace_to(session, ffi.NULL))
            self._read()
        finally:
            os.unlink(self._path)
        stats = ffi.new("tsr_stats *")
        check(lib.tsr_run_stats(session, stats))
        self.stats = {name: getattr(stats, name) for name in ("tasks", "bytes_read", "bytes_written", "bytes_spilled", "peak_bytes", "seconds")}

    def _read(self) -> None:
        with open(self._path) as file:
            events = json.load(file)
        events = events["traceEvents"] if isinstance(events, dict) else events
        events = [event for event in events if event.get("ph") == "X"]
        first = min((event["ts"] for event in events), default=0)
        self.tasks = [Task(event["name"], event["tid"], (event["ts"] - first) / 1e6, (event["ts"] + event["dur"] - first) / 1e6,
                           event.get("args", {}).get("block", 0), event.get("args", {}).get("bytes", 0)) for event in events]

    # ---- Pictures ----

    def _colours(self) -> dict[str, str]:
        return {stage: COLOURS[i % len(COLOURS)] for i, stage in enumerate(dict.fromkeys(task.stage for task in self.tasks))}

    def plot(self, ax=None):
        """The task stream with matplotlib, one lane a thread; returns the axes."""
        import matplotlib.pyplot as plt

        ax = ax or plt.subplots(figsize=(10, 3))[1]
        for stage, colour in self._colours().items():
            mine = [task for task in self.tasks if task.stage == stage]
            ax.barh([t.thread for t in mine], [t.end - t.start for t in mine], left=[t.start for t in mine], color=colour, label=stage)
        ax.set(xlabel="seconds", ylabel="thread", yticks=sorted({task.thread for task in self.tasks}))
        ax.legend(loc="upper right", fontsize="small")
        return ax

    def to_html(self, path=None) -> str:
        """A page without any needs: the task stream (hover shows block and bytes) and the memory over time. Written to `path` if given."""
        page = _page(self)
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(page)
        return page

    def _repr_html_(self) -> str:
        return _figure(self)

    def __repr__(self) -> str:
        return f"<tessera.Profiler: {len(self.tasks)} tasks, {self.seconds:.3f} s>"


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _figure(profile: Profiler) -> str:
    """The lanes and the memory as one SVG in the colours of the page."""
    width, lane = 1000, 26
    threads = sorted({task.thread for task in profile.tasks})
    span = max((task.end for task in profile.tasks), default=0) or 1
    colours = profile._colours()
    rows = []
    for task in sorted(profile.tasks, key=lambda t: t.start - t.end)[:MOST_SHOWN]:  # the longest, if there are too many
        x, y = task.start / span * width, threads.index(task.thread) * lane
        text = f"{task.stage}, block {task.block}, {task.bytes} bytes, {(task.end - task.start) * 1e3:.3f} ms"
        rows.append(f'<rect x="{x:.2f}" y="{y}" width="{max((task.end - task.start) / span * width, 0.3):.2f}" height="{lane - 4}" '
                    f'fill="{colours[task.stage]}"><title>{html.escape(text)}</title></rect>')
    height = len(threads) * lane
    legend = " ".join(f'<span style="color:{colour}">&#9632;</span> {html.escape(stage)}' for stage, colour in colours.items())
    parts = [f'<svg viewBox="0 0 {width} {height + 4}" style="width:100%;max-width:{width}px">{"".join(rows)}</svg>',
             f"<p>{legend}</p><p>{len(profile.tasks)} tasks on {len(threads)} threads, {span:.3f} s</p>"]
    if len(profile.memory) > 1:
        end, most = profile.memory[-1][0] or 1, max(size for _, size in profile.memory) or 1
        points = " ".join(f"{t / end * width:.1f},{100 - size / most * 95:.1f}" for t, size in profile.memory)
        parts.append(f'<svg viewBox="0 0 {width} 104" style="width:100%;max-width:{width}px"><polyline points="{points}" fill="none" '
                     f'stroke="#4477aa" stroke-width="1.5"/></svg><p>memory of the process, at most {most / 2**20:.0f} MiB</p>')
    return "<div>" + "".join(parts) + "</div>"


def _page(profile: Profiler) -> str:
    style = "body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1000px;color-scheme:light dark}"
    return f"<!doctype html><meta charset='utf-8'><title>Tessera profile</title><style>{style}</style><h1>Task stream</h1>{_figure(profile)}\n"
