"""Clusters as their users run them: start, look, compute, stop; and everybody dies once, in the middle. Results are always those of threads,
bit for bit, and nothing is left in the end."""
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from clusters import (LONG, MARK, PATIENCE, ROWS, Cluster, Process, finish_long, free_port, marked, sockets_of, sockets_of_the_system, threads_answer,
                      wait_until)
from test_process import on_terminal

EXPRESSIONS = [
    "arange(10)",
    "ones((1000, 1000), chunks=(100, 100)).sum()",
    "random.normal(0, 1, size=(3000, 500), seed=1, chunks=(250, 500)).mean()",
    "x = random.normal(0, 1, size=(2000, 700), seed=2, chunks=(300, 200)); (x - x.mean(axis=0)) / x.std(axis=0)",
    "x = random.uniform(size=(1200, 900), seed=3, chunks=(100, 900)); transpose(x) + x[:900, :1].sum()",
    "cumsum(random.normal(0, 1, size=(20000, 20), seed=4, chunks=(1000, 20)), axis=0)",
    "x = random.normal(0, 1, size=(600, 500), seed=5, chunks=(100, 100)); y = x[:500] + transpose(x[:500]); y.max(axis=1) + y.argmax(axis=0)",
    "histogram(random.normal(0, 1, size=(300000,), seed=6, chunks=(10000,)), bins=50)[0]",
    "x = random.integers(0, 1000, size=(400, 400), seed=7, chunks=(90, 90)); cumsum(x[::-1, 5:300], axis=1)",
]


@pytest.fixture(scope="module")
def shared(tessera, tmp_path_factory):
    """Two workers that the tests of results share."""
    with Cluster(tessera.path, tmp_path_factory.mktemp("cluster")) as c:
        yield c
        c.stop()


@pytest.fixture
def cluster(tessera, tmp_path):
    """Makes a cluster whose processes the test may end; in the end nothing may be left of it."""
    made = []

    def make(**options):
        made.append(Cluster(tessera.path, tmp_path / f"cluster{len(made)}", **options))
        return made[-1]

    yield make
    for c in made:
        c.kill_all()
        c.check_nothing_left()


@pytest.fixture(scope="module")
def long_answer(tessera, tmp_path_factory):
    """What threads make of LONG."""
    return threads_answer(tessera.path, tmp_path_factory.mktemp("threads"), LONG)


# ---- Starting and stopping ------------------------------------------------------------------------------------------


@pytest.fixture
def local(tessera, tmp_path):
    """Starts `tessera cluster` on a free port; whatever is left of it in the end is killed."""
    mark = str(tmp_path)

    def start(*options, env=None):
        return Process(tessera.path, "cluster", "--listen", "tcp://127.0.0.1:0", "--threads", 1, "--memory", "200M", *options,
                       log=tmp_path / "cluster.log", env={MARK: mark, **(env or {})})

    start.processes = lambda: [pid for pid, _ in marked(mark)]
    yield start
    for pid in start.processes():
        os.kill(pid, signal.SIGKILL)


def workers_of(tessera, address):
    return json.loads(tessera.ok("status", address, "--json"))["workers"]


def test_a_cluster_on_this_machine(tessera, local):
    process = local("--workers", 3)
    address = process.first_line()
    assert re.fullmatch(r"tcp://127\.0\.0\.1:\d+", address)
    wait_until(lambda: len(workers_of(tessera, address)) == 3, 20, "three workers")
    children = [pid for pid in local.processes() if pid != process.pid]
    sockets = set().union(*(sockets_of(pid) for pid in [process.pid, *children]))
    assert len(children) == 3 and sockets
    assert tessera.ok("eval", "--cluster", address, "arange(1000001).sum()") == "500000500000\n"
    wait_until(lambda: sum(w["tasks_done"] for w in workers_of(tessera, address)) > 0, 5, "a count of tasks")
    assert {w["host"] for w in workers_of(tessera, address)} == {socket.gethostname()}
    text = tessera.ok("status", address)
    assert re.match(rf"{address}, tessera \d+\.\d+\.\d+, up [^:]+: 3 workers, \d+ clients?, 0 jobs\n", text)
    assert re.search(r"^WORKER +ADDRESS +THREADS +MEMORY +SPILLED +TASKS +TASKS/S +IN +OUT$", text, re.M)
    assert sorted(re.findall(r"^(worker-\d) +tcp://127\.0\.0\.1:\d+ +1 +", text, re.M)) == ["worker-1", "worker-2", "worker-3"]
    assert "/ 210 MB" in text
    tessera.ok("stop", address)
    assert process.wait(20) == 0
    assert local.processes() == [] and not sockets & sockets_of_the_system()
    assert "ending, since a client asked for it" in process.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_cluster(tessera, local, number):
    process = local()
    address = process.first_line()
    wait_until(lambda: len(workers_of(tessera, address)) == 2, 20, "two workers")
    process.send(number)
    assert process.wait() == 0
    assert local.processes() == []
    assert f"ending, by signal {int(number)}" in process.log()


def test_workers_die_with_a_cluster_that_is_killed(tessera, local):
    process = local()
    address = process.first_line()
    wait_until(lambda: len(workers_of(tessera, address)) == 2, 20, "two workers")
    assert len(local.processes()) == 3
    stopped = next(pid for pid in local.processes() if pid != process.pid)
    os.kill(stopped, signal.SIGSTOP)
    process.end(signal.SIGKILL)
    wait_until(lambda: local.processes() == [], 5, "the workers' end")


def test_a_dead_worker_is_started_again(tessera, local):
    process = local()
    try:
        address = process.first_line()
        wait_until(lambda: len(workers_of(tessera, address)) == 2, 20, "two workers")
        children = set(local.processes()) - {process.pid}
        os.kill(min(children), signal.SIGKILL)
        wait_until(lambda: len(set(local.processes()) - {process.pid} - children) == 1, 20, "a new process")
        wait_until(lambda: sorted(w["name"] for w in workers_of(tessera, address)) == ["worker-1", "worker-2"], 20, "two workers")
        assert re.search(r"worker-\d \(process \d+\) was killed by signal 9 \(Killed\); it is started again in 0\.1 s", process.log())
        assert tessera.ok("eval", "--cluster", address, "ones((500, 500), chunks=100).sum()") == "250000.0\n"
    finally:
        assert process.end() == 0


def test_options_that_workers_refuse_end_the_cluster(tessera, local):
    process = local("--resources", "GPU=many")
    assert process.wait(20) == 2 and "GPU" in process.log()


def test_python_workers_get_the_same_options(tessera, tmp_path):
    """With --python the process becomes `PYTHON -m tessera worker ...`; here the interpreter only says what it was given."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    text = tessera.ok("worker", "tcp://head:8786", f"--python={python}", "-j3", "-m", "1.5G", "--resources", "GPU=1", "--name", "a b", "--log-format=json")
    assert text.splitlines() == ["-m", "tessera", "worker", "tcp://head:8786", "--threads=3", f"--memory={3 << 29}", "--name=a b", "--resources=GPU=1",
                                 "--log-format=json"]
    assert "no_such_python" in tessera.fails("worker", "tcp://head:8786", "--python=no_such_python")
    assert "no_such_default" in tessera("worker", "tcp://head:8786", "--python", env={"TESSERA_PYTHON": "no_such_default"}).stderr
    assert "is needed" in tessera.fails("worker") and "one address" in tessera.fails("worker", "tcp://a:1", "tcp://b:1")


@pytest.mark.skipif("TESSERA_SANITIZED" in os.environ, reason="Python knows nothing of sanitizers")
def test_python_workers(tessera, local, tmp_path):
    """Functions and expressions on workers that run Python, one of which is killed and comes back as such."""
    package = tessera.path.parent / "python"
    pytest.importorskip("cloudpickle")
    if not list(package.glob("tessera/*.so")):
        pytest.skip(f"{package}: the package is not built")
    process = local("--python=" + sys.executable, env={"PYTHONPATH": str(package)})
    address = process.first_line()
    wait_until(lambda: len(workers_of(tessera, address)) == 2, 60, "two workers")
    script = tmp_path / "client.py"
    script.write_text("import sys, tessera as ts\n"
                      "with ts.Client(sys.argv[1]) as client:\n"
                      "    client.wait_for_workers(2)\n"
                      "    print(sum(client.gather(client.map(lambda i: i * i, range(100)))), float(ts.ones((100, 100)).sum()))\n")

    def ask():
        return subprocess.run([sys.executable, script, address], env={**os.environ, "PYTHONPATH": str(package)}, text=True, timeout=60, check=True,
                              stdout=subprocess.PIPE).stdout

    assert ask() == "328350 10000.0\n"
    os.kill(max(pid for pid in local.processes() if pid != process.pid), signal.SIGKILL)
    wait_until(lambda: "started again" in process.log(), 10, "a new worker")
    wait_until(lambda: len(workers_of(tessera, address)) == 2, 60, "two workers")
    assert ask() == "328350 10000.0\n"
    tessera.ok("stop", address)
    assert process.wait(20) == 0 and local.processes() == []


def test_scheduler_and_worker_end_in_order(cluster):
    c = cluster(n_workers=1)
    assert c.workers[0].end(signal.SIGTERM) == 0
    wait_until(lambda: c.status()["workers"] == [], 20, "no workers")
    assert c.scheduler.end(signal.SIGINT) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_leaves_in_the_middle(cluster, long_answer, number):
    c = cluster(n_workers=3)
    client, out = c.start_long()
    c.workers[1].send(number)
    c.go_on()
    assert c.workers[1].wait() == 0
    assert re.search(rf"leaving, by signal {number:d}: .*\n(.*\n)*.*others have what they need of this worker", c.workers[1].log())
    assert c.names() == ["w0", "w2"]
    finish_long(client, out, long_answer)
    c.stop()


def test_a_worker_may_come_before_its_scheduler(tessera, cluster):
    c = cluster(n_workers=0)
    c.scheduler.end(signal.SIGTERM)
    c.start_worker(0)
    time.sleep(0.5)
    c.start_scheduler()
    c.wait_for_workers(1)
    c.stop()


def test_a_computation_waits_for_a_worker_and_says_so(tessera, cluster):
    c = cluster(n_workers=0)
    client = c.client("alone", "arange(11).sum()")
    wait_until(lambda: f"tessera eval: there is no worker at {c.address} yet; waiting for one" in client.log(), 60, "a word")
    c.start_worker(0)
    assert client.wait() == 0 and client.first_line() == "55"
    assert tessera("eval", "--cluster", c.address, "arange(11).sum()").stderr == ""
    c.stop()


def test_a_scheduler_file(tessera, cluster, tmp_path):
    """The address goes by a file that workers wait for; it is there whole, and goes with its scheduler."""
    path = tmp_path / "scheduler.json"
    c = cluster(n_workers=0)
    worker = c.start("early", "worker", "--scheduler-file", path, "--name", "early", "--scratch", c.scratch)
    time.sleep(0.3)
    assert worker.running()
    second = c.start("second", "scheduler", "--listen", "tcp://127.0.0.1:0", "--scheduler-file", path)
    address = second.first_line()
    wait_until(path.exists, 20, "the file")
    assert json.loads(path.read_text())["address"] == address
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("scheduler.json")) == ["scheduler.json"]
    wait_until(lambda: [w["name"] for w in workers_of(tessera, address)] == ["early"], 20, "the worker")
    assert worker.end(signal.SIGTERM) == 0
    assert second.end(signal.SIGTERM) == 0 and not path.exists()
    waiting = c.start("waiting", "worker", "--scheduler-file", path)
    time.sleep(0.3)
    assert waiting.end(signal.SIGTERM) == 128 + signal.SIGTERM
    path.write_text("[]")
    done = tessera("worker", "--scheduler-file", path)
    assert done.code == 1 and "names no scheduler" in done.stderr
    done = tessera("worker", "--scheduler-file", path, "tcp://127.0.0.1:1")
    assert done.code == 2 and "given twice" in done.stderr
    path.write_text('{"address": "tcp://127.0.0.1:1"}')
    third = c.start("third", "scheduler", "--listen", "tcp://127.0.0.1:0", "--scheduler-file", path)
    third.first_line()
    path.write_text('{"address": "tcp://127.0.0.1:1"}')  # somebody else's by now
    assert third.end(signal.SIGTERM) == 0 and path.exists()
    c.stop()


def test_retiring_a_worker(cluster):
    c = cluster(n_workers=2)
    done = subprocess.run([c.program, "stop", c.address, "w1"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert c.workers[1].wait(20) == 0
    wait_until(lambda: c.names() == ["w0"], 20, "one worker")
    done = subprocess.run([c.program, "stop", c.address, "nobody"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode in (1, 2) and "nobody" in done.stdout
    c.stop()


def read_until(fd, pattern, times):
    """What is read up to the end of so many of these."""
    text, end = "", time.monotonic() + PATIENCE
    while len(re.findall(pattern, text, re.M)) < times:
        ready, _, _ = select.select([fd], [], [], max(end - time.monotonic(), 0))
        assert ready, f"only this came: {text}"
        text += os.read(fd, 65536).decode()
    return text


def test_watching(tessera, shared):
    process, began = Process(tessera.path, "status", shared.address, "--watch", log=shared.folder / "watch.log"), time.monotonic()
    text = read_until(process.popen.stdout.fileno(), r"^tcp://\S+, tessera", 3)
    assert time.monotonic() - began > 1 and "\x1b" not in text
    process.send(signal.SIGINT)
    assert process.wait(10) == 0


def test_watching_on_a_terminal(tessera, shared):
    """Each picture takes the place of the one before."""
    master, slave = pty.openpty()
    process = subprocess.Popen([tessera.path, "status", shared.address, "--watch"], stdout=slave)
    os.close(slave)
    text = read_until(master, r"tcp://\S+, tessera .*: 2 workers", 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    os.close(master)
    assert len(re.findall(r"\x1b\[H\x1b\[2Jtcp://\S+, tessera .*: 2 workers", text)) == len(re.findall("tcp://.*, tessera", text)) >= 2


def test_status_as_json(shared):
    status = shared.status()
    assert status["address"] == shared.address and status["uptime_seconds"] > 0 and len(status["workers"]) == 2
    for worker in status["workers"]:
        assert worker["threads"] == 1 and worker["memory_bytes"] == 300 << 20 and worker["address"].startswith("tcp://127.0.0.1:")


def test_logs_as_json(tessera, tmp_path):
    log = tmp_path / "log"
    process = Process(tessera.path, "scheduler", "--listen", "tcp://127.0.0.1:0", "--log-format", "json", "--log-file", log, "--log-level", "debug",
                      log=tmp_path / "err")
    address = process.first_line()
    tessera.ok("status", address)
    assert process.end() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(set(line) == {"time", "level", "role", "pid", "text"} for line in lines)
    assert any(line["text"] == f"listening on {address}" and line["level"] == "info" and line["role"] == "scheduler" for line in lines)
    assert process.log() == ""


# ---- Results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_results_are_those_of_threads(tessera, tmp_path, shared, expression):
    assert shared.evaluate(expression) == threads_answer(tessera.path, tmp_path, expression)


def test_bars_of_stages_on_a_terminal(tessera, shared):
    code, out, err = on_terminal(tessera, "eval", "--cluster", shared.address, "x = random.normal(0, 1, size=(40000, 2000), seed=1); (x - x.mean()).max()")
    assert code == 0 and abs(float(out) - 5.6) < 1
    assert re.search(r"\n\x1b\[K  mean +\d+% .*? \d+/\d+\r\n\x1b\[K  max", err) and err.endswith("\x1b[2A\r\x1b[J")


def test_status_shows_stages(tessera, shared):
    with subprocess.Popen([tessera.path, "eval", "--cluster", shared.address, "x = random.normal(0, 1, size=(400000, 20000), seed=2); (x - x.mean()).max()"],
                          stdout=subprocess.DEVNULL) as client:
        shown = []
        while client.poll() is None and not shown:
            status = tessera.ok("status", shared.address)
            shown = re.findall(r"^(?:[0-9a-f]{16})? +(mean|max) +\d+ % +\d+ / \d+$", status, re.M)
        client.terminate()  # it would take a while
    assert shown == ["mean", "max"]


def test_printed_results(tessera, shared):
    for expression in ("1 + 1", "arange(5)", "x = arange(12).reshape((3, 4)); x.sum(axis=0), x.max()"):
        assert tessera.ok("eval", "--cluster", shared.address, expression) == tessera.ok("eval", expression)


def test_files(tessera, tmp_path, shared, pattern, era):
    for expression in ("mean(t2m, time)", "z = (t2m - mean(t2m, time)) / std(t2m, time); z[3]"):
        assert shared.evaluate(expression, pattern) == threads_answer(tessera.path, tmp_path, expression, pattern)
    relative = tessera.ok("eval", "--cluster", shared.address, "mean(t2m)", "*.nc", cwd=era)
    assert relative == tessera.ok("eval", "mean(t2m)", pattern)


def test_files_that_are_written(tessera, tmp_path, shared, pattern):
    for ending in ("nc", "nc4", "npy"):
        here, there = tmp_path / f"here.{ending}", tmp_path / f"there.{ending}"
        tessera.ok("eval", "x = t2m - mean(t2m, time)", pattern, "-o", here)
        tessera.ok("eval", "--cluster", shared.address, "x = t2m - mean(t2m, time)", pattern, "-o", there)
        if ending == "npy":
            assert here.read_bytes() == there.read_bytes()
        difference = f"(where(a == b, 0, 1)).sum()" if ending == "npy" else "(a != b).sum()"
        source = "" if ending == "npy" else ":x"
        assert float(tessera.ok("eval", difference, f"a={here}{source}", f"b={there}{source}")) == 0


def test_plot(tessera, tmp_path, shared, pattern):
    for name, options in {"here": [], "there": ["--cluster", shared.address]}.items():
        tessera.ok("plot", *options, pattern, "t2m.mean(time)", "-o", tmp_path / f"{name}.png")
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "there.png").read_bytes()


def test_real_data(tessera, tmp_path, shared, shared_data):
    files = shared_data / "eraint_uvz.nc"
    for expression in ("z.mean((longitude, latitude))", "sqrt(u*u + v*v).max(level)"):
        assert shared.evaluate(expression, files) == threads_answer(tessera.path, tmp_path, expression, files)


def test_several_clients_at_once(tessera, tmp_path, shared):
    clients = [(e, shared.client(f"many{i}", e, "-o", tmp_path / f"{i}.npy", "-q")) for i, e in enumerate(EXPRESSIONS)]
    for i, (expression, client) in enumerate(clients):
        assert client.wait(120) == 0, client.log()
        assert (tmp_path / f"{i}.npy").read_bytes() == threads_answer(tessera.path, tmp_path, expression)


def test_mistakes_read_as_without_a_cluster(tessera, shared):
    for expression in ("meen(3)", "ones(3) + ones(4)", "1 +"):
        here, there = tessera.fails("eval", expression), tessera.fails("eval", "--cluster", shared.address, expression)
        assert here == there
    assert "no_such.nc" in tessera.fails("eval", "--cluster", shared.address, "mean(x)", "no_such.nc")


def test_wrong_addresses(tessera):
    assert "127.0.0.1" in tessera.fails("status", f"tcp://127.0.0.1:{free_port()}")
    for address in ("head:8786", "http://head:1", "tcp://", "tcp://127.0.0.1:99999"):
        text = tessera.fails("eval", "--cluster", address, "ones(3).sum()")
        assert address.split("//")[-1] in text and len(text.strip().split("\n")) in (1, 3)


# ---- Who may come in ------------------------------------------------------------------------------------------------


def write_secret(path, text="the secret for these tests\n"):
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_beyond_this_machine_only_with_a_secret(tessera, tmp_path):
    text = tessera.fails("scheduler", "--listen", "tcp://0.0.0.0:0")
    assert "--secret-file" in text
    process = Process(tessera.path, "scheduler", "--listen", "tcp://0.0.0.0:0", "--secret-file", write_secret(tmp_path / "secret"), log=tmp_path / "log")
    process.first_line()
    assert process.end() == 0


def test_a_secret(tessera, tmp_path, cluster):
    secret, other = write_secret(tmp_path / "secret"), write_secret(tmp_path / "other", "another secret of length")
    c = cluster(n_workers=1, options=["--secret-file", secret])
    assert c.evaluate("arange(7)") == threads_answer(tessera.path, tmp_path, "arange(7)")
    assert tessera.ok("status", c.address, env={"TESSERA_SECRET_FILE": str(secret)}).startswith(c.address)
    assert "secret" in tessera.fails("eval", "--cluster", c.address, "--secret-file", other, "ones(3).sum()")
    assert "secret" in tessera.fails("status", c.address)
    for name, options in {"wrong": ["--secret-file", other], "none": []}.items():
        worker = Process(tessera.path, "worker", c.address, "--name", name, *options, log=tmp_path / f"{name}.log", env=c.env)
        wait_until(lambda: re.search(r" (warning|error) worker\[\d+\]: .*secret", worker.log()), 15, f"a line in {worker.log()}")
        assert worker.end() == 0
    assert c.names() == ["w0"]
    assert re.search(r"warning scheduler\[\d+\]: .*secret", c.scheduler.log())
    everything = "".join(p.log() for p in c.everybody()) + "".join(text for _, text in marked(c.mark))
    assert "the secret for these tests" not in everything
    c.stop()


def test_certificates(tessera, tmp_path, cluster):
    certs, other = tmp_path / "certs", tmp_path / "other"
    tessera.ok("cert", certs)
    tessera.ok("cert", certs, "--name", "user", "localhost")
    tessera.ok("cert", other)
    assert sorted(os.listdir(certs)) == ["ca.key", "ca.pem", "tessera.key", "tessera.pem", "user.key", "user.pem"]
    assert all(os.stat(certs / name).st_mode & 0o777 == 0o600 for name in os.listdir(certs) if name.endswith(".key"))
    assert "exists" in tessera.fails("cert", certs)

    def files(folder, name="tessera"):
        return ["--ca", folder / "ca.pem", "--cert", folder / f"{name}.pem", "--key", folder / f"{name}.key"]

    c = cluster(n_workers=2, listen="tls://127.0.0.1:0", options=files(certs))
    assert c.address.startswith("tls://")
    x = "x = random.normal(0, 1, size=(2000, 700), seed=2, chunks=(300, 200)); x - x.mean(axis=0)"
    assert c.evaluate(x) == threads_answer(tessera.path, tmp_path, x)
    assert tessera.ok("status", c.address, *files(certs, "user"))
    assert tessera.fails("status", c.address, *files(other))
    assert "needs certificates" in tessera.fails("status", c.address)
    c.stop()


# ---- Somebody dies --------------------------------------------------------------------------------------------------


def test_a_worker_is_killed(cluster, long_answer):
    c = cluster(n_workers=3)
    client, out = c.start_long()
    c.workers[1].end(signal.SIGKILL)
    c.go_on()
    finish_long(client, out, long_answer)
    assert c.names() == ["w0", "w2"]
    c.stop()


def test_all_workers_are_killed_and_come_back(cluster, long_answer):
    c = cluster(n_workers=2)
    client, out = c.start_long()
    for i in range(2):
        c.workers[i].end(signal.SIGKILL)
    time.sleep(0.5)
    assert client.running()
    for i in range(2):
        c.start_worker(i)
    finish_long(client, out, long_answer)
    c.stop()


def test_workers_join_in_the_middle(cluster, long_answer):
    c = cluster(n_workers=1)
    client, out = c.start_long()
    c.start_worker(1)
    c.wait_for_workers(2)
    before = {w["name"]: w["tasks_done"] for w in c.status()["workers"]}
    c.go_on()
    finish_long(client, out, long_answer)
    done = {w["name"]: w["tasks_done"] for w in c.status()["workers"]}
    left = sum(done.values()) - before["w0"]
    # Half of it; but where the machine is busy, whoever is done first takes of the other's again.
    assert done["w1"] >= left // 20, f"the worker that came was given next to nothing: {done}, {before} when it came"
    c.wait_for_workers(2)
    c.stop()


def test_a_block_that_kills_its_workers(tessera, local):
    """The same block is in hand whenever a worker is killed: that is enough for a suspicion."""
    process = local("--workers", 1, "--memory", "1G")
    address = process.first_line()
    client = Process(tessera.path, "eval", "--cluster", address, "median(random.normal(0, 1, size=60000000, seed=1, chunks=60000000), 0)",
                     log=process.log_path.with_name("client.log"))
    killed = set()
    end = time.monotonic() + 120
    while client.running() and time.monotonic() < end:
        new = [w for w in workers_of(tessera, address) if w["id"] not in killed]
        if new:
            time.sleep(0.4)
            for pid in local.processes():
                if pid not in (process.pid, client.pid):
                    os.kill(pid, signal.SIGKILL)
            killed |= {w["id"] for w in new}
        time.sleep(0.05)
    assert client.wait() == 1
    text = client.log()
    assert re.search(r"stage \d+ \(\w+\), block 0: 3 workers were lost while they worked on it: worker-1, worker-1, worker-1; the log of worker-1 ends", text)
    assert text.count("; the log of worker-1 ends with: ") == 3
    assert tessera.ok("eval", "--cluster", address, "arange(1001).sum()") == "500500\n"
    tessera.ok("stop", address)
    assert process.wait(20) == 0


@pytest.mark.parametrize("journal", [True, False])
def test_the_scheduler_is_killed(cluster, long_answer, journal):
    c = cluster(n_workers=2, listen=f"tcp://127.0.0.1:{free_port()}", journal=journal)
    client, out = c.start_long()
    c.scheduler.end(signal.SIGKILL)
    c.go_on()
    time.sleep(1)
    assert client.running() or client.wait() == 0
    c.start_scheduler()
    finish_long(client, out, long_answer)
    c.wait_for_workers(2)
    assert c.evaluate("arange(9)")
    c.stop()


def test_a_worker_stands_still(cluster, long_answer):
    c = cluster(n_workers=2)
    client, out = c.start_long()
    c.workers[1].send(signal.SIGCONT)
    time.sleep(4)
    c.workers[0].send(signal.SIGCONT)
    finish_long(client, out, long_answer)
    assert c.names() == ["w0", "w1"]
    c.stop()


# Sums over columns, then along rows whose tiles depend on each other, then along the other axis: what moves away from a slow worker takes what is
# made from it along.
STAGES = f"x = random.normal(0, 1, size=({ROWS}, 4000), seed=5, chunks=(500, 500)); z = (x - x.mean(axis=0)) / x.std(axis=0); " \
         "y = cumsum(exp(sin(z)) * arctan(cos(z) + z) + log1p(abs(tanh(z))), axis=1); y.mean(axis=1) + y.max(axis=1)"


def test_a_worker_is_slow(tessera, tmp_path, cluster):
    """It gets a tenth of a processor. That takes not much longer than if it were not there at all; without moving anything it would take more
    than five times as long."""
    answer = threads_answer(tessera.path, tmp_path, STAGES)
    took = {}
    for n_workers in (1, 2):
        c = cluster(n_workers=n_workers)
        over = threading.Event()

        def slow_down(worker=c.workers[-1]):
            while not over.wait(0.01):
                worker.send(signal.SIGSTOP)
                time.sleep(0.09)
                worker.send(signal.SIGCONT)

        thread = threading.Thread(target=slow_down if n_workers == 2 else over.wait)
        thread.start()
        try:
            start = time.monotonic()
            assert c.evaluate(STAGES) == answer
            took[n_workers] = time.monotonic() - start
        finally:
            over.set()
            thread.join()
        c.stop()
    # With a sanitizer there is less to do, and to start and to end takes as long as that.
    assert took[2] < 3 * took[1] + (30 if "TESSERA_SANITIZED" in os.environ else 3), took


def test_the_scheduler_stands_still(cluster, long_answer):
    c = cluster(n_workers=2)
    client, out = c.start_long()
    c.scheduler.send(signal.SIGSTOP)
    c.go_on()
    time.sleep(4)
    c.scheduler.send(signal.SIGCONT)
    finish_long(client, out, long_answer)
    c.stop()


@pytest.mark.parametrize("number, code", [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_client_goes(cluster, number, code):
    c = cluster(n_workers=2)
    client, out = c.start_long()

    def tasks():
        return sum(w["tasks_done"] for w in c.status()["workers"])

    job, = c.status()["jobs"]
    whole = tasks() + job["tasks_total"] - job["tasks_done"]
    client.send(number)
    assert client.wait() == code
    c.go_on()
    assert not out.exists()
    wait_until(lambda: c.status()["jobs"] == [], 20, "no jobs")
    wait_until(lambda: sum(w["memory_used_bytes"] for w in c.status()["workers"]) < 1 << 20, 20, "memory that is given back")

    def rest():
        """What was in hand is done, and reports of it come every half second."""
        before = tasks()
        time.sleep(2.2)
        return tasks() == before

    wait_until(rest, what="workers that do nothing")
    assert tasks() < whole, "what nobody waited for was computed to its end"
    c.stop()


def kept_bytes(pid):
    """A process's memory: its own, and what it shares with others (not what others share with it)."""
    shared, private, is_own = 0, 0, False
    for line in open(f"/proc/{pid}/smaps"):
        words = line.split()
        if not words[0].endswith(":"):
            is_own = "/memfd:tessera" in line and words[1] == "rw-s"
        elif words[0] == "Rss:":
            shared += int(words[1]) << 10 if is_own else 0
        elif words[0] == "Anonymous:":
            private += int(words[1]) << 10
    return shared + private


def watch_memory(c, client, disturb=lambda: None):
    """The most that a worker said it used, and by how much its process grew at most."""
    before = {w.pid: kept_bytes(w.pid) for w in c.workers}
    said = grown = 0
    while client.running():
        said = max([said, *(w["memory_used_bytes"] for w in c.status()["workers"])])
        grown = max([grown, *(kept_bytes(pid) - n for pid, n in before.items())])
        disturb()
        time.sleep(0.1)
    return said, grown


# What a process has beside blocks: stacks, tables, connections; not so with a sanitizer, which has more of everything.
BESIDE = 8 << 20


@pytest.mark.parametrize("stands_still", [False, True])
def test_memory_is_kept(cluster, long_answer, stands_still):
    """0.4 GB with 48 MB in each worker, of which one stands still now and then: blocks are spilled, and the scratch folder is empty in the end."""
    c = cluster(n_workers=2, memory="48M")
    client, out = c.start_long()
    c.go_on()

    def disturb():
        if stands_still:
            c.workers[0].send(signal.SIGSTOP)
            time.sleep(0.7)
            c.workers[0].send(signal.SIGCONT)

    said, grown = watch_memory(c, client, disturb)
    finish_long(client, out, long_answer)
    # A thread may read two blocks of 2 MB back beyond the budget; an eighth of it is copied to memory that others see, before something else gives way.
    # What is queued for them counts once with what is kept.
    allowed = (53 << 20) + (6 << 20)
    assert said <= allowed
    assert "TESSERA_SANITIZED" in os.environ or grown <= allowed + BESIDE
    c.stop()


def test_memory_is_kept_when_a_worker_dies(tessera, tmp_path, cluster):
    """Shared memory and what is made again count, too."""
    expression = "x = persist(random.normal(0, 1, size=(6000, 2000), seed=3, chunks=(500, 500))); y = persist(x * 0.9 + x.mean(axis=0) + x[::-1]); " \
                 "z = persist(y * 0.9 + y.mean(axis=0) + y[::-1]); w = persist(z * 0.9 + z.mean(axis=0) + z[::-1]); w.sum(axis=0) + z.sum(axis=0)"
    answer = threads_answer(tessera.path, tmp_path, expression)
    c = cluster(n_workers=3, memory="64M")
    out = tmp_path / "kept.npy"
    client = c.client("kept", expression, "-o", out, "-q")
    wait_until(lambda: sum(w["memory_used_bytes"] for w in c.status()["workers"]) > 64 << 20 or not client.running(), 60, "blocks")
    assert client.running()
    c.workers.pop(0).end(signal.SIGKILL)
    said, grown = watch_memory(c, client)
    finish_long(client, out, answer)
    assert said <= 69 << 20
    assert "TESSERA_SANITIZED" in os.environ or grown <= (69 << 20) + BESIDE
    c.stop()


def test_idle_workers_give_memory_back(tessera, tmp_path, cluster):
    """What blocks took that are gone, in the worker's own memory and in what it shares with others of this host; and it computes on."""
    expression = "x = persist(random.normal(0, 1, size=(4000, 5000), seed=3, chunks=(500, 500))); y = persist(x - x.mean(axis=0)); sum(y[::-1] * y)"
    answer = threads_answer(tessera.path, tmp_path, expression)
    c = cluster(n_workers=2, memory="256M")
    for _ in range(2):
        before, grown = {w.pid: kept_bytes(w.pid) for w in c.workers}, 0
        out = tmp_path / "sum.npy"
        client = c.client("kept", expression, "-o", out, "-q")
        while client.running():
            grown = max([grown, *(kept_bytes(pid) - n for pid, n in before.items())])
            time.sleep(0.01)
        finish_long(client, out, answer)
        if "TESSERA_SANITIZED" not in os.environ:
            assert grown > 64 << 20  # else there is nothing to give back
            wait_until(lambda: all(kept_bytes(pid) - n < (16 << 20) + BESIDE for pid, n in before.items()), 60, "memory that is given back")
    c.stop()


def test_a_persisted_array_survives_the_scheduler(tessera, tmp_path, cluster):
    expression = f"x = persist(random.gamma(2, 1, size=({ROWS}, 2000), seed=5, chunks=(500, 500))); y = cumsum(x - x.mean(axis=0), axis=0); " \
                 "w = cumsum(transpose(y), axis=0); w.mean(axis=1) + x.max(axis=0)"
    answer = threads_answer(tessera.path, tmp_path, expression)
    c = cluster(n_workers=2, journal=True, listen=f"tcp://127.0.0.1:{free_port()}")
    out = tmp_path / "kept.npy"
    client = c.client("kept", expression, "-o", out, "-q")
    wait_until(lambda: any(j["persists"] for j in c.status()["jobs"]) or not client.running(), 30, "a job that persists")
    for _ in range(2):
        c.scheduler.end(signal.SIGKILL)
        time.sleep(0.3)
        c.start_scheduler()
        time.sleep(0.7)
    finish_long(client, out, answer)
    wait_until(lambda: c.status()["jobs"] == [], 20, "no jobs")
    c.stop()


def test_a_full_disk(tessera, tmp_path):
    """Workers cannot spill: the client is told which worker and why, and the cluster lives on."""
    scratch = tmp_path / "cluster" / "scratch"
    scratch.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", scratch]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        with Cluster(tessera.path, tmp_path / "cluster", n_workers=2, memory="40M") as c:
            client = c.client("full", LONG)
            assert client.wait(120) == 1
            client.end()
            assert "No space left" in client.log() and len(client.log().strip().split("\n")) == 1, client.log()
            assert c.names() == ["w0", "w1"]
            assert c.evaluate("arange(5)") == threads_answer(tessera.path, tmp_path, "arange(5)")
            c.stop()
    finally:
        subprocess.run(["umount", scratch], check=True)
