"""What the engine did, task by task, and how much memory the process had: `with Profiler() as p: ...`."""
from __future__ import annotations

import html
import math
import json
import os
import tempfile
import threading
import time
from typing import NamedTuple

from ._lib import check, ffi, lib
from ._progress import Listener
from ._session import current

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#997700")
MOST_SHOWN = 20_000
WATCH_SECONDS = 0.05  # between looks at a cluster


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

    On a cluster, whose workers count tasks by stage instead of noting each, there is an entry in `tasks` for each time that a stage was at
    work, as often as workers report (every 50 ms): `thread` is its lane, `block` how many tasks were done meanwhile, `bytes` 0. `memory` is that of all workers,
    and `workers` has (seconds, bytes, tasks done) of each by name. Computations of a few milliseconds are over before anybody tells of them.

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
        self.workers: dict[str, list[tuple[float, int, int]]] = {}
        self.seconds = 0.0
        self._watch = None

    def __enter__(self) -> "Profiler":
        if self._session.is_remote:
            self._began = time.perf_counter()
            self._watch = _Watch(self, self._session)
            return super().__enter__()
        handle, self._path = tempfile.mkstemp(suffix=".json", prefix="tessera-")
        os.close(handle)
        check(lib.tsr_trace_to(self._session.handle(), os.fsencode(self._path)))
        self._began = time.perf_counter()
        return super().__enter__()

    def update(self, progress) -> None:
        if self._watch is None:
            self.memory.append((time.perf_counter() - self._began, _resident_bytes()))

    def __exit__(self, *exception) -> None:
        super().__exit__()
        self.seconds = time.perf_counter() - self._began
        session = self._session.handle()
        if self._watch is not None:
            self._watch.stop()
        else:
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

        ax = ax or plt.subplots(figsize=(10, 3), layout="constrained")[1]
        for stage, colour in self._colours().items():
            mine = [task for task in self.tasks if task.stage == stage]
            ax.barh([t.thread for t in mine], [t.end - t.start for t in mine], left=[t.start for t in mine], color=colour, label=stage)
        ax.set(xlabel="seconds", ylabel="thread", yticks=sorted({task.thread for task in self.tasks}))
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=6, frameon=False, fontsize="small", borderaxespad=0)  # beside the lanes, never on them
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


class _Watch:
    """Looks at a cluster's status from time to time, on a thread of its own, for a profile."""

    def __init__(self, profile: Profiler, client) -> None:
        self._profile, self._client, self._end = profile, client, threading.Event()
        self._lanes: dict[str, int] = {}
        self._open: dict[tuple, list] = {}  # (job, number of the stage) -> [name, start, end, done at the start, done at the end]
        self._look(0.0, 0.0, is_first=True)
        self._thread = threading.Thread(target=self._follow, name="tessera profile", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        last = 0.0
        while not self._end.wait(WATCH_SECONDS):
            now = time.perf_counter() - self._profile._began
            try:
                self._look(now, last)
            except (OSError, RuntimeError):  # the scheduler is away, or the client was closed; what was seen stays
                continue
            last = now

    def _look(self, now: float, last: float, is_first: bool = False) -> None:
        status, profile = self._client.status(), self._profile
        for worker in status["workers"]:
            profile.workers.setdefault(worker["name"], []).append((now, worker["memory_used_bytes"], worker["tasks_done"]))
        profile.memory.append((now, sum(worker["memory_used_bytes"] for worker in status["workers"])))
        for job in status["jobs"]:
            for number, stage in enumerate(job["stages"]):
                self._advance((job["job"], number), stage["name"], stage["tasks_done"], now, last, is_first)

    def _advance(self, key: tuple, name: str, done: int, now: float, last: float, is_first: bool) -> None:
        span = self._open.get(key)
        if span is None:  # of a job that was there before the profile began, what was done does not count
            self._open[key] = span = [name, now, now, done if is_first else 0, done if is_first else 0]
        if done <= span[4]:
            self._note(span)
            span[1], span[2], span[3] = now, now, span[4]
            return
        if span[4] == span[3]:
            span[1] = last  # it began since the look before
        span[2], span[4] = now, done

    def _note(self, span: list) -> None:
        name, start, end, before, done = span
        if done > before:
            lane = self._lanes.setdefault(name, len(self._lanes))
            self._profile.tasks.append(Task(name, lane, start, end, done - before, 0))

    def stop(self) -> None:
        """The last look, and what was open is noted."""
        self._end.set()
        self._thread.join()
        try:
            self._look(time.perf_counter() - self._profile._began, self._profile.memory[-1][0])
        except (OSError, RuntimeError):
            pass
        for span in self._open.values():
            self._note(span)
        self._profile.tasks.sort(key=lambda task: task.start)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


WIDTH, LANE, MEMORY_HEIGHT = 1000, 26, 100


def _ticks(span: float) -> list[float]:
    """Some five to ten round numbers from 0 to `span`."""
    step = 10.0 ** math.floor(math.log10(span))
    for part in (0.1, 0.2, 0.5, 1):
        if span / (step * part) <= 10:
            break
    return [k * step * part for k in range(int(span / (step * part)) + 1)]


def _axis(span: float, y: float) -> str:
    """The seconds, below a drawing that ends at y."""
    marks = []
    for t in _ticks(span):
        x = t / span * WIDTH
        anchor = "start" if x < 20 else "end" if x > WIDTH - 20 else "middle"
        marks.append(f'<path d="M{x:.1f} {y}v4" stroke="currentColor"/><text x="{x:.1f}" y="{y + 16}" text-anchor="{anchor}">{t:.4g}</text>')
    return f'<g fill="currentColor" font-size="11" opacity="0.75"><path d="M0 {y}H{WIDTH}" stroke="currentColor"/>{"".join(marks)}</g>'


def _drawing(content: str, height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" style="width:100%;max-width:{WIDTH}px">{content}</svg>'


def _figure(profile: Profiler) -> str:
    """The lanes and the memory, one above the other over the same seconds, as SVG in the colours of the page."""
    threads = sorted({task.thread for task in profile.tasks})
    last = max((task.end for task in profile.tasks), default=0)
    span = max([last] + [t for t, _ in profile.memory]) or 1
    colours = profile._colours()
    rows = []
    for task in sorted(profile.tasks, key=lambda t: t.start - t.end)[:MOST_SHOWN]:  # the longest, if there are too many
        x, y = task.start / span * WIDTH, threads.index(task.thread) * LANE
        text = f"{task.stage}, block {task.block}, {task.bytes} bytes, {(task.end - task.start) * 1e3:.3f} ms"
        rows.append(f'<rect x="{x:.2f}" y="{y}" width="{max((task.end - task.start) / span * WIDTH, 0.3):.2f}" height="{LANE - 4}" '
                    f'fill="{colours[task.stage]}"><title>{html.escape(text)}</title></rect>')
    height = len(threads) * LANE
    legend = " ".join(f'<span style="white-space:nowrap"><span style="color:{colour}">&#9632;</span> {html.escape(stage)}</span>'
                      for stage, colour in colours.items())
    parts = [f"<p>{len(profile.tasks)} tasks on {len(threads)} threads, {last:.3f} s</p>",
             _drawing("".join(rows) + _axis(span, height), height + 20), f"<p>{legend}</p>"]
    if len(profile.memory) > 1:
        most = max(size for _, size in profile.memory) or 1
        points = " ".join(f"{t / span * WIDTH:.1f},{MEMORY_HEIGHT - size / most * (MEMORY_HEIGHT - 5):.1f}" for t, size in profile.memory)
        first, end = (profile.memory[k][0] / span * WIDTH for k in (0, -1))
        area = (f'<polygon points="{first:.1f},{MEMORY_HEIGHT} {points} {end:.1f},{MEMORY_HEIGHT}" fill="#4477aa" fill-opacity="0.25"/>'
                f'<polyline points="{points}" fill="none" stroke="#4477aa" stroke-width="1.5"/>')
        parts += [f"<p>memory of the process, at most {most / 2**20:.0f} MiB</p>", _drawing(area + _axis(span, MEMORY_HEIGHT), MEMORY_HEIGHT + 20)]
    return "<div>" + "".join(parts) + "</div>"


def _page(profile: Profiler) -> str:
    style = "body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1000px;color-scheme:light dark}"
    return f"<!doctype html><meta charset='utf-8'><title>Tessera profile</title><style>{style}</style><h1>Task stream</h1>{_figure(profile)}\n"
