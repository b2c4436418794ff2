#!/usr/bin/env python3
"""Measures Tessera beside its peers and writes docs/performance.md:

    python3 bench/run.py [--only NAME,...] [--repeat 5] [--threads 2] [--scale 1.0] [--report FILE] [--merge] [--pairs]

Every repetition is a process of its own, and the peers take turns, so that a noisy minute falls on all of them. What Python takes beside
C is a difference of a few percent, which needs more: further pairs of the two, each first in turn (--pairs: only those, for all other
peers the results of earlier runs). Results go to
build/bench/results/NAME.json; the report is made from the results of this run (with --merge, of earlier ones, too). --scale below 1 tries the harness on less data
and writes its report to build/bench/ instead.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import report  # noqa: E402
import workloads  # noqa: E402

ROOT, BUILD = workloads.ROOT, workloads.BUILD
RESULTS = BUILD / "bench/results"
PYTHON = BUILD / "venv/bin/python3"
TIME_LIMIT = 900  # seconds, for one repetition
TOO_LONG = 60  # seconds: who takes longer than this is not asked again
MOST_PAIRS, LEAST_PAIRS = 11, 3
PAIRS_SECONDS = 60  # after which there are no more than the least


def busy_seconds():
    """CPU time that all processes of the machine have used."""
    fields = [int(v) for v in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def measure(arguments, times_itself):
    """Runs one repetition. Returns seconds, value, peak_bytes, and the share of the machine that others used meanwhile."""
    result = RESULTS / "measure.json"
    result.unlink(missing_ok=True)
    before, start = busy_seconds(), time.monotonic()
    done = subprocess.run([BUILD / "bench/bench-measure", result, *arguments], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIME_LIMIT, stdin=subprocess.DEVNULL)
    wall = time.monotonic() - start
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:300], "status": done.returncode}
    record = json.loads(result.read_text())
    record["others"] = round(max(0.0, busy_seconds() - before - record["cpu_seconds"]) / wall / os.cpu_count(), 3)
    if times_itself:
        record.update(json.loads(done.stdout.strip().splitlines()[-1]))
    return record


def file_value(path):
    done = subprocess.run([PYTHON, ROOT / "bench/file_value.py", path], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return float(done.stdout) if done.returncode == 0 else None


def agree(values, tolerance):
    """Whether all peers found the same number."""
    least, most = min(values), max(values)
    return math.isclose(least, most, rel_tol=tolerance, abs_tol=tolerance)


def measure_pairs(commands):
    """Repetitions of C and of Python, directly one after the other."""
    records, start = {"tessera": [], "python": []}, time.monotonic()
    for k in range(MOST_PAIRS):
        if k >= LEAST_PAIRS and time.monotonic() - start > PAIRS_SECONDS:
            break
        for peer in sorted(records, reverse=k % 2 == 0):
            records[peer].append(measure(*commands[peer]))
    return records


def with_new_pairs(workload, options, data, out):
    """The result of an earlier run with pairs of now."""
    result = json.loads((RESULTS / f"{workload.name}.json").read_text())
    if result["scale"] != options.scale:
        raise SystemExit(f"{workload.name}: the earlier result is of scale {result['scale']:g}")
    commands = {peer: workloads.command(workload, peer, data, out, options.threads, options.scale) for peer in ("tessera", "python")}
    return result | {"pairs": measure_pairs(commands)}


def run_workload(workload, options, data, out):
    peers = ["tessera", *(p for p in workloads.peers_of(workload) if shutil.which(p) or p not in ("cdo", "ncra"))]
    records = {peer: [] for peer in peers}
    commands = {peer: workloads.command(workload, peer, data, out, options.threads, options.scale) for peer in peers}
    for _ in range(options.repeat):
        for peer in peers:
            if any(record.get("seconds", 0) > TOO_LONG for record in records[peer]):
                continue
            # Everybody writes a new file: replacing one makes the system write it to the disk at once.
            (out / f"{peer}_{workload.name}.nc").unlink(missing_ok=True)
            try:
                record = measure(*commands[peer])
            except subprocess.TimeoutExpired:
                record = {"error": f"not done after {TIME_LIMIT} s", "status": 124}
            records[peer].append(record)
    pairs = measure_pairs(commands) if "python" in peers else {}
    values = {}
    for peer in peers:
        good = [r for r in records[peer] if "error" not in r]
        if not good:
            continue
        value = good[-1].get("value")
        written = out / f"{peer}_{workload.name}.nc"
        if value is None and written.exists():
            value = file_value(written)
        if value is not None:
            values[peer] = value
    for path in out.glob(f"*_{workload.name}.nc"):
        path.unlink()
    same = agree(list(values.values()), workload.tolerance) if len(values) > 1 else None
    return {"name": workload.name, "records": records, "pairs": pairs, "values": values, "values_agree": same,
            "scale": options.scale, "commands": {peer: " ".join(report.shorten(c)) for peer, (c, _) in commands.items()}}


def limits(options):
    done = subprocess.run([BUILD / "bench/bench-limits", str(options.threads), str(1.6 * min(1.0, options.scale))], check=True,
                          text=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def merged(results, found, options):
    """The results of this run and those that earlier ones have left, in the order of the workloads; the limits of all of them."""
    by_name = {result["name"]: result for result in results}
    for workload in workloads.WORKLOADS:
        path = RESULTS / f"{workload.name}.json"
        if workload.name in by_name or not path.exists():
            continue
        earlier = json.loads(path.read_text())
        if earlier["scale"] == options.scale:
            by_name[workload.name] = earlier
    options.chosen = [w for w in workloads.WORKLOADS if w.name in by_name]
    path = RESULTS / "limits.json"
    return [by_name[w.name] for w in options.chosen], found + (json.loads(path.read_text()) if path.exists() else [])


def parse_arguments():
    parser = argparse.ArgumentParser(description="measures Tessera beside its peers")
    parser.add_argument("--only", default="", help="workloads, separated by commas: " + ", ".join(w.name for w in workloads.WORKLOADS))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--merge", action="store_true", help="the report has the results of earlier runs, too, where this one has none")
    parser.add_argument("--pairs", action="store_true", help="only the pairs of C and Python; all else is of earlier runs")
    options = parser.parse_args()
    options.merge |= options.pairs
    names = [n for n in options.only.split(",") if n]
    for name in names:
        if name not in {w.name for w in workloads.WORKLOADS}:
            parser.error(f"there is no workload '{name}'")
    options.chosen = [w for w in workloads.WORKLOADS if (not names or w.name in names) and not (options.pairs and w.kind != "library")]
    whole = options.scale == 1.0 and not names
    options.report = options.report or (ROOT / "docs/performance.md" if whole else BUILD / "bench/performance.md")
    return options


def main():
    options = parse_arguments()
    subprocess.run(["ninja", "-C", BUILD, "bench", "all"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PYTHON, "-m", "compileall", "-q", BUILD / "python"], check=True)  # as pip does when it installs
    RESULTS.mkdir(parents=True, exist_ok=True)
    days, steps = max(2, int(60 * options.scale)), max(40, int(960 * options.scale))
    data = BUILD / ("benchdata" if options.scale == 1.0 else f"benchdata-{options.scale:g}")
    if not options.pairs:
        subprocess.run([PYTHON, ROOT / "bench/make_data.py", data, "--days", str(days), "--steps", str(steps)], check=True)
    out = BUILD / "bench/out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)

    found = [] if options.pairs else [limits(options)]
    results = []
    for workload in options.chosen:
        print(f"{workload.name} ...", end=" ", flush=True)
        result = (with_new_pairs if options.pairs else run_workload)(workload, options, data, out)
        (RESULTS / f"{workload.name}.json").write_text(json.dumps(result, indent=1))
        results.append(result)
        print(report.one_line(workload, result), flush=True)
    found += [] if options.pairs else [limits(options)]
    if options.merge:
        results, found = merged(results, found, options)
    machine = {key: max(f[key] for f in found) for key in ("read", "copy")}
    (RESULTS / "limits.json").write_text(json.dumps(found, indent=1))
    text = report.markdown(options, results, machine, report.environment(PYTHON))
    options.report.write_text(text)
    print(f"written: {os.path.relpath(options.report, ROOT)}")
    return 1 if any(all("error" in r for r in result["records"]["tessera"]) or result["values_agree"] is False
                    for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
