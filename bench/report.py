"""Makes the table of docs/performance.md from what run.py measured."""
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time

import workloads

INTRODUCTION = """# Performance

Written by `make bench`; the figures are measured, not chosen. Each is the median of {repeat} repetitions, every repetition a
process of its own, the programs taking turns. {threads} threads for everybody. Library workloads are timed inside their process (imports, data
in memory and one warm-up run are off the clock; Dask's time includes building its graph), files and start as whole processes (for
xarray and Dask the imports are off the clock there too). Peak memory is of the whole process, with interpreter and input data.
Python's factor is of up to 11 further pairs of C and Python, each of the two first in turn, and the median of all pairs' factors: how fast the machine is
changes by more than the few percent that it is about.
"""


def shorten(arguments):
    """A command line without a hundred file names."""
    words = []
    for word in (str(a).replace(str(workloads.ROOT) + "/", "") for a in arguments):
        word = re.sub(r"daily/t2m_\d+\.nc$", "daily/*.nc", word)
        if not words or words[-1] != word:
            words.append(word)
    return words


def good(records):
    return [r for r in records if "error" not in r]


def median(records, key="seconds"):
    found = [r[key] for r in good(records) if key in r]
    return statistics.median(found) if found else None


def seconds_text(seconds):
    if seconds is None:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def bytes_text(size):
    return "-" if size is None else f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.2g} GB"


def times_of(result):
    return {peer: median(records) for peer, records in result["records"].items()}


def python_ratio(result):
    """What Python takes as a multiple of C: the median of the ratios of runs side by side; None: Python is not among the peers."""
    both = [(result.get("pairs") or result["records"]).get(peer, []) for peer in ("tessera", "python")]
    ratios = [python["seconds"] / c["seconds"] for c, python in zip(*both) if "error" not in c and "error" not in python]
    return statistics.median(ratios) if ratios else None


def one_line(workload, result):
    """What the terminal shows when a workload is done."""
    times = times_of(result)
    parts = []
    for peer, seconds in times.items():
        if seconds is None:
            parts.append(f"{peer}: failed ({result['records'][peer][-1].get('error', '')})")
        else:
            of_c = python_ratio(result) if peer == "python" else seconds / times["tessera"] if times["tessera"] else None
            ratio = f" ({of_c:.{2 if peer == 'python' else 1}f}x)" if peer != "tessera" and of_c else ""
            parts.append(f"{peer} {seconds_text(seconds)}{ratio}")
    if result["values_agree"] is False:
        parts.append(f"VALUES DIFFER: {result['values']}")
    return ", ".join(parts)


def goals_of(workload, times, peak, traffic, fraction, scale, from_python):
    """[(text of the goal, whether it was reached)]."""
    mine = times["tessera"]
    others = {p: t for p, t in times.items() if p not in ("tessera", "python") and t is not None}
    checks = []
    for goal in workload.goals:
        against = min(others.values(), default=None) if goal.peer == "best" else others.get(goal.peer)
        name = "the best" if goal.peer == "best" else workloads.TITLES[goal.peer]
        text = f"{goal.factor:g}x {name}" if goal.factor >= 1 else f"at most {1 / goal.factor:.3g}x the time of {name}"
        checks.append((text, None if against is None else against / mine >= goal.factor))
    if from_python:
        checks.append((f"from Python within {workloads.PYTHON_SHARE:.0%}", from_python <= 1 + workloads.PYTHON_SHARE))
    if workload.limit_goal:
        checks.append((f"{workload.limit_goal:.0%} of the limit", fraction >= workload.limit_goal))
    if workload.memory_goal:
        checks.append((f"< {bytes_text(workload.memory_goal)}", peak < workload.memory_goal))
    if workload.traffic_goal:
        checks.append((f"traffic < {bytes_text(workload.traffic_goal)} ({traffic} B)", traffic < workload.traffic_goal))
    if workload.seconds_goal:
        checks.append((f"< {seconds_text(workload.seconds_goal)}", mine < workload.seconds_goal * (1 if workload.kind in ("start", "python") else scale)))
    return checks


def row(workload, result, machine):
    times = times_of(result)
    if times["tessera"] is None:
        error = result["records"]["tessera"][-1]["error"].replace("|", "/")
        return [workload.title, f"failed: {error}", "", "", "", ""], []
    least = result["scale"] * (workload.reads / machine["read"] + workload.copies / machine["copy"])
    fraction = least / times["tessera"] if least else None
    peaks = {peer: median(records, "peak_bytes") for peer, records in result["records"].items()}
    others, from_python = [], python_ratio(result)
    for peer, seconds in times.items():
        if peer == "tessera":
            continue
        title = workloads.TITLES[peer]
        ratio = f"{from_python:.2f}" if peer == "python" and from_python else f"{seconds / times['tessera']:.1f}" if seconds else ""
        others.append(f"{title} {seconds_text(seconds)} (**{ratio}x**)" if seconds else f"{title} failed")
    checks = goals_of(workload, times, peaks["tessera"], median(result["records"]["tessera"], "traffic"), fraction, result["scale"], from_python)
    goal_text = ", ".join(f"{text} {'?' if ok is None else 'yes' if ok else '**no**'}" for text, ok in checks)
    memory = bytes_text(peaks["tessera"]) + " / " + ", ".join(f"{bytes_text(peaks[p])}" for p in times if p != "tessera")
    cells = [workload.title, seconds_text(times["tessera"]), "<br>".join(others), goal_text,
             f"{fraction:.0%}" if fraction else "", memory]
    return cells, [ok for _, ok in checks if ok is not None]


def environment(python):
    """Machine and versions."""
    def first(command):
        try:
            text = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        except OSError:
            return "not installed"
        return next((line.strip() for line in text.splitlines() if "ersion" in line or re.search(r"\d\.\d", line)), "?")

    packages = subprocess.run([python, "-c", "import importlib.metadata as m\nprint(', '.join(f'{n} {m.version(n)}' for n in "
                               "('numpy', 'dask', 'xarray', 'numexpr', 'numba', 'scipy', 'netCDF4')))"],
                              text=True, stdout=subprocess.PIPE).stdout.strip()
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    flags = re.search(r"flags\s*: (.*)", info)
    best = "AVX-512" if flags and "avx512vl" in flags[1] else "AVX2" if flags and "avx2" in flags[1] else "no AVX2"
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
    return [("Machine", f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors, {best}, {memory / 1e9:.0f} GB"),
            ("System", f"{platform.system()} {platform.release()}, {first(['cc', '--version'])}"),
            ("Tessera", first([str(workloads.BUILD / "tessera"), "--version"])),
            ("Peers", f"Python {platform.python_version()}, {packages}"),
            ("Tools", f"{first(['cdo', '--version'])}; {first(['ncra', '--version'])}")]


NOTES = pathlib.Path(__file__).resolve().parent / "notes.md"  # what profiling found, written by hand


def fewer(options, results):
    """Which medians are of fewer repetitions than the introduction says."""
    found = {}
    for result in results:
        for peer, records in result["records"].items():
            if good(records) and len(records) != options.repeat:
                found.setdefault(len(records), {}).setdefault(result["name"], []).append(peer)
    parts = []
    for n, names in sorted(found.items()):
        rows = [name if len(peers) > 1 else f"{name} ({peers[0]})" for name, peers in names.items()]
        parts.append(f"of {n}: {', '.join(rows)}")
    return f"Medians of another number of repetitions: {'; '.join(parts)}.\n" if parts else ""


def markdown(options, results, machine, about):
    lines = [INTRODUCTION.format(repeat=options.repeat, threads=options.threads), fewer(options, results)]
    if options.merge:
        lines.append("The rows are of several runs (`--merge`), at different hours; what differed between them is said below.\n")
    if options.scale != 1.0:
        lines.append(f"**A trial on {options.scale:g} of the data.**\n")
    lines += ["| workload | Tessera | others (times slower) | goals | of the machine's limit | peak memory: Tessera / others |",
              "| --- | --- | --- | --- | --- | --- |"]
    reached, noisy = [], []
    for result in results:
        workload = workloads.by_name(result["name"])
        cells, checks = row(workload, result, machine)
        reached += checks
        lines.append("| " + " | ".join(cells) + " |")
        others = [r["others"] for records in result["records"].values() for r in good(records)]
        if others and statistics.median(others) > 0.1:
            noisy.append(f"{workload.name} ({statistics.median(others):.0%})")
    lines += ["", f"{sum(reached)} of {len(reached)} goals reached.", ""]
    differing = [r["name"] for r in results if r["values_agree"] is False]
    lines.append(f"The programs did not find the same values in: {', '.join(differing)}." if differing else
                 "All programs found the same values, to rounding (for random numbers: to sampling error).")
    if noisy:
        lines += ["", "Other work on the machine took more than a tenth of it (median share) during: " + ", ".join(noisy) + "."]
    notes = [f"- {w.title}: {w.note}." for w in options.chosen if w.note]
    lines += ["", "## The machine's limits", "",
              f"Measured before and after with {options.threads} threads on {1.6 * min(1, options.scale):.1f} GB (`bench/limits.c`): reading "
              f"{machine['read'] / 1e9:.1f} GB/s, copying {machine['copy'] / 1e9:.1f} GB/s (bytes read plus bytes written). A share of the "
              "limit is the time that the traffic which the workload cannot avoid takes at these rates, divided by its time.", "", *notes,
              "", NOTES.read_text().rstrip(), "", "## Made with", "", "| | |", "| --- | --- |"]
    lines += [f"| {key} | {value} |" for key, value in about]
    lines += [f"| Date | {time.strftime('%Y-%m-%d')} |", f"| Command | `{'make bench' if options.scale == 1 and not options.merge else 'bench/run.py --merge' if options.merge else 'bench/run.py'}` |", "",
              "## Commands", "", "```"]
    for result in results:
        lines += [f"{result['name']}:"] + [f"    {command}" for command in result["commands"].values()]
    return "\n".join(lines + ["```", ""])
