"""Clusters over several hosts: network namespaces with a cable between them that can be pulled and made slow. Only where this user may
make them; skipped elsewhere."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from clusters import LONG, MARK, PATIENCE, Cluster, Process, finish_long, threads_answer, wait_until

SUBNET = "10.199.77"


def run(*words):
    subprocess.run(list(map(str, words)), check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Hosts:
    """Two hosts, `head` (SUBNET.1) and `node` (SUBNET.2), with a cable."""

    def __init__(self):
        self.head, self.node = f"tsr{os.getpid()}h", f"tsr{os.getpid()}n"
        self.names = [self.head, self.node]
        try:
            for name in self.names:
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", self.head, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.node)
            for i, name in enumerate(self.names):
                run("ip", "-n", name, "addr", "add", f"{SUBNET}.{i + 1}/24", "dev", "cable")
            self.plug(True)
        except BaseException:
            self.remove()
            raise

    def plug(self, is_in):
        for name in self.names if is_in else [self.node]:
            run("ip", "-n", name, "link", "set", "cable", "up" if is_in else "down")

    def slow(self, rate):
        for name in self.names:
            run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate, "burst", "64kb", "latency", "500ms")

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


@pytest.fixture
def hosts():
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("this user may not make network namespaces, or there is no `ip`")
    try:
        made = Hosts()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made: {error.stderr.strip()}")
    yield made
    made.remove()


@pytest.fixture
def cluster(tessera, tmp_path, hosts):
    """A scheduler and a worker on the head, a worker on the node."""
    secret = tmp_path / "secret"
    secret.write_text("known to both hosts\n")
    secret.chmod(0o600)
    with Cluster(tessera.path, tmp_path / "cluster", n_workers=2, listen=f"tcp://{SUBNET}.1:8786", hosts=[hosts.head, hosts.head, hosts.node],
                 options=["--secret-file", secret]) as c:
        c.cables = hosts
        yield c


def addresses(c):
    return {w["name"]: w["address"] for w in c.status()["workers"]}


def tasks_done(c):
    """Of each worker; reports come every second."""
    time.sleep(2.2)
    return {w["name"]: w["tasks_done"] for w in c.status()["workers"]}


def traffic(c):
    """Bytes that workers took from other processes; reports come every second."""
    time.sleep(2.2)
    return sum(w["bytes_in"] for w in c.status()["workers"])


def test_two_hosts(tessera, tmp_path, cluster):
    places = addresses(cluster)
    assert places["w0"].startswith(f"tcp://{SUBNET}.1:") and places["w1"].startswith(f"tcp://{SUBNET}.2:")
    assert cluster.evaluate(LONG) == threads_answer(tessera.path, tmp_path, LONG)
    assert all(w["tasks_done"] > 0 for w in cluster.status()["workers"])
    out = tmp_path / "node.npy"
    client = cluster.client("node", "ones((1000, 1000), chunks=100).sum(axis=0)", "-o", out, "-q", host=cluster.hosts[2])
    assert client.wait(60) == 0, client.log()
    assert out.read_bytes() == threads_answer(tessera.path, tmp_path, "ones((1000, 1000), chunks=100).sum(axis=0)")
    cluster.stop()


def test_a_host_without_the_secret_is_refused(tessera, tmp_path, cluster):
    worker = Process(tessera.path, "worker", cluster.address, "--listen", "tcp://127.0.0.1:0", log=tmp_path / "stranger.log", host=cluster.hosts[2])
    wait_until(lambda: "secret" in worker.log(), 15, "a line about the secret")
    assert worker.end() == 0
    assert cluster.names() == ["w0", "w1"]


@pytest.mark.parametrize("seconds", [3, 30])
def test_the_cable_is_pulled(tessera, tmp_path, cluster, seconds):
    answer = threads_answer(tessera.path, tmp_path, LONG)
    client, out = cluster.start_long()
    cluster.cables.plug(False)
    cluster.go_on()
    time.sleep(seconds)
    cluster.cables.plug(True)
    finish_long(client, out, answer)
    wait_until(lambda: cluster.names() == ["w0", "w1"], 60, "both workers")
    cluster.stop()


def test_a_host_is_gone_for_good(tessera, tmp_path, cluster):
    """Longer than the half minute that a peer may be silent: the others take over."""
    answer = threads_answer(tessera.path, tmp_path, LONG)
    client, out = cluster.start_long()
    cluster.cables.plug(False)
    cluster.go_on()
    finish_long(client, out, answer)
    assert cluster.names() == ["w0"]
    cluster.workers[1].end(signal.SIGKILL)


def test_data_behind_a_slow_link_stays_there(tessera, tmp_path, cluster):
    """160 MB held half here, half there, behind 20 Mbit/s: moving a tenth of that half would take 3 s. Only means travel."""
    cluster.cables.slow("20mbit")
    keep = "x = persist(random.normal(0, 1, size=(20000, 1000), seed=8, chunks=(1000, 1000))); "
    expression = keep + "y = x - x.mean(); z = (x - x.mean(axis=0)) / x.std(axis=0); (y * y).sum() + (z * z).sum() + x.max()"
    answer = threads_answer(tessera.path, tmp_path, expression)
    before = traffic(cluster)
    assert cluster.evaluate(expression) == answer
    moved = traffic(cluster) - before
    assert moved < 8e6, f"{moved} bytes moved of 160 MB"
    assert all(w["tasks_done"] > 0 for w in cluster.status()["workers"])
    cluster.stop()


BOTH = f"tcp://{SUBNET}.1:8786,tcp://{SUBNET}.2:8786"
PLAIN = pathlib.Path(__file__).parents[2] / "build"
# Python knows nothing of sanitizers, so there it is a client without them.
PACKAGE = pathlib.Path(PLAIN if "TESSERA_SANITIZED" in os.environ else os.environ.get("TESSERA_BUILD", PLAIN)).resolve() / "python"
SQUARE = """
tsr_status square(int n_args, const tsr_bytes *args, tsr_task_result *result)
{
    const double x = *(const double *)args[0].data, y = x * x;
    return tsr_task_result_set(result, &y, sizeof y);
}
"""
# Leaves an array, and results of functions, behind under names; then another array is its own, on which it computes when told to.
FIRST = f"""
import sys
import tessera as ts
from tessera.distributed import Queue, Variable

client = ts.Client(sys.argv[1], security=ts.Security(secret_file=sys.argv[2]))
x = ts.random.default_rng(3).normal(size=(4000, 500), chunks=(100, 500)).persist()
y = (x * 2).persist()
ts.wait([x, y])
client.publish_dataset(x=x)
square = ts.c_task({SQUARE!r}, "square", dtype=float)
with ts.Client(sys.argv[1], security=ts.Security(secret_file=sys.argv[2]), set_as_default=False) as other:
    fourth = other.submit(square, other.submit(square, 3.0))
    Variable("kept", other).set(fourth)
    Queue("kept", other).put(fourth)
print("ready", flush=True)
sys.stdin.readline()
print(float(y.sum().compute()), flush=True)
client.close()
"""
SECOND = f"""
import sys
import tessera as ts
from tessera.distributed import Queue, Variable

with ts.Client(sys.argv[1], security=ts.Security(secret_file=sys.argv[2])) as client:
    square = ts.c_task({SQUARE!r}, "square", dtype=float)
    squares = [client.submit(square, kept.get(30)).result(60).item() for kept in (Variable("kept"), Queue("kept"))]
    print(float(client.get_dataset("x").sum().compute()), *squares)
    client.unpublish_dataset("x")
"""


def python(cluster, source, log, host):
    """A program on one of the hosts."""
    env = {**os.environ, "PYTHONPATH": str(PACKAGE), MARK: cluster.mark}
    with open(log, "ab") as err:
        return subprocess.Popen(["ip", "netns", "exec", host, sys.executable, "-c", source, BOTH, str(cluster.options[1])], env=env, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)


@pytest.fixture
def moving(tessera, tmp_path, hosts):
    """As `cluster`, with a journal that both hosts see, and everybody knows that the scheduler is here or there."""
    secret = tmp_path / "secret"
    secret.write_text("known to both hosts\n")
    secret.chmod(0o600)
    with Cluster(tessera.path, tmp_path / "cluster", n_workers=2, listen=f"tcp://{SUBNET}.1:8786", hosts=[hosts.head, hosts.head, hosts.node],
                 options=["--secret-file", secret], journal=True, several=BOTH) as c:
        yield c


def move_scheduler(c, host, number):
    c.scheduler.end(signal.SIGKILL)
    time.sleep(0.5)
    c.hosts[0] = host
    c.start_scheduler(f"tcp://{SUBNET}.{number}:8786")
    assert c.address == f"tcp://{SUBNET}.{number}:8786"


def test_the_scheduler_comes_again_on_another_host(tessera, tmp_path, hosts, moving):
    """Killed on the head in the middle of a computation, started on the node with the journal, and back: everybody finds it, the computation
    goes on."""
    answer = threads_answer(tessera.path, tmp_path, LONG)
    client, out = moving.start_long(hosts.head)
    moving.go_on()
    move_scheduler(moving, hosts.node, 2)
    moving.wait_for_workers(2)
    assert moving.names() == ["w0", "w1"]
    move_scheduler(moving, hosts.head, 1)
    finish_long(client, out, answer)
    assert moving.evaluate("arange(9)") == threads_answer(tessera.path, tmp_path, "arange(9)")
    moving.stop()


def test_an_address_that_swallows_everything(tessera, tmp_path, hosts):
    """The first address of a list is one that no packet comes back from: a machine that is off, behind a neighbour entry that stays. Others are
    asked beside it, before the system, which takes two minutes to give up a connection, says anything."""
    dead, secret = f"{SUBNET}.66", tmp_path / "secret"
    run("ip", "-n", hosts.head, "neigh", "replace", dead, "lladdr", "02:00:00:00:00:66", "dev", "cable", "nud", "permanent")
    tried = subprocess.run(["ip", "netns", "exec", hosts.head, sys.executable, "-c",
                            f"import socket; socket.create_connection(('{dead}', 8786), timeout=1)"], stderr=subprocess.PIPE, text=True)
    assert "timed out" in tried.stderr  # neither refused nor unreachable
    secret.write_text("known to both hosts\n")
    secret.chmod(0o600)
    with Cluster(tessera.path, tmp_path / "cluster", n_workers=2, listen=f"tcp://{SUBNET}.1:8786", hosts=[hosts.head] * 3,
                 options=["--secret-file", secret], several=f"tcp://{dead}:8786,tcp://{SUBNET}.1:8786") as c:
        assert f"the scheduler at tcp://{dead}:8786 has not answered yet; the next one is tried, too" in c.workers[0].log()
        assert c.evaluate("arange(9)") == threads_answer(tessera.path, tmp_path, "arange(9)")
        c.stop()


@pytest.mark.skipif(not PACKAGE.exists(), reason="the Python package is not built")
def test_what_is_kept_is_there_after_the_scheduler_came_to_another_host(tmp_path, hosts, moving):
    """A persisted array of a client that lives, a published one, and results that only a variable and a queue hold: nothing is computed again."""
    first = python(moving, FIRST, tmp_path / "first.log", hosts.head)
    try:
        assert first.stdout.readline() == "ready\n", (tmp_path / "first.log").read_text()
        before = tasks_done(moving)
        assert min(before.values()) > 0
        move_scheduler(moving, hosts.node, 2)
        moving.wait_for_workers(2)
        assert tasks_done(moving) == before
        total, _ = first.communicate("go on\n", timeout=PATIENCE)
    finally:
        first.kill()
        first.wait()
    assert first.returncode == 0, (tmp_path / "first.log").read_text()
    second = python(moving, SECOND, tmp_path / "second.log", hosts.node)
    said, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, (tmp_path / "second.log").read_text()
    x, from_variable, from_queue = map(float, said.split())
    assert from_variable == from_queue == 3**8
    np.testing.assert_allclose([float(total), 2 * x], 2 * x, rtol=1e-12)
    moving.stop()


HELD = "m = persist(random.normal(0, 1, size=(8, 40000), seed=1, chunks=(1, 40000))); k = persist(m * m[::-1]); " \
       "x = persist(random.normal(0, 1, size=(40, 1000000), seed=2, chunks=(1, 1000000))); y = sin(exp(sin(x + k.sum() + x.mean())))"
HEAVY = HELD + " * arctan(cos(x)); z = log1p(abs(tanh(sin(y) + cos(y) * exp(y)))) + arctan(sinh(tanh(y)) * cosh(y)); " \
               "(z * exp(sin(z)) + arctan(tanh(exp(sin(z + y)))) + log1p(abs(cos(z - y)))).sum(axis=1)"
# What takes five times as long under a sanitizer may well be worth a minute's wait for a block: it gets less to do.
WORTH_NO_MINUTE = HELD + "; y.sum(axis=1)" if "TESSERA_SANITIZED" in os.environ else HEAVY


def slowed(process, until):
    """The process gets a quarter of its time, until then."""
    while not until.is_set():
        process.send(signal.SIGSTOP)
        time.sleep(0.06)
        process.send(signal.SIGCONT)
        time.sleep(0.02)


@pytest.mark.parametrize("rate", [None, "1mbit"])
def test_units_go_to_an_idle_worker_if_that_is_cheaper_than_waiting(tessera, tmp_path, cluster, rate):
    """Half of 320 MB lie with a worker that has become slow, the other is done with its own half. Over a fast cable it gets some of
    what is left, over one on which a block of 8 MB takes a minute nothing. How fast the cable is was seen by a block before."""
    expression = WORTH_NO_MINUTE if rate else HEAVY
    answer = threads_answer(tessera.path, tmp_path, expression)
    if rate:
        cluster.cables.slow(rate)
    before, is_over = traffic(cluster), threading.Event()
    slow, out = threading.Thread(target=slowed, args=(cluster.workers[0], is_over)), tmp_path / "heavy.npy"
    client = cluster.client("heavy", expression, "-o", out, "-q")
    wait_until(lambda: any(j["bytes"] == 320_000_000 and j["tasks_done"] >= j["tasks_total"] for j in cluster.status()["jobs"]), 60, "all of x")
    slow.start()
    try:
        assert client.wait(120) == 0, client.log()
    finally:
        is_over.set()
        slow.join()
        client.end()
    assert out.read_bytes() == answer
    moved = traffic(cluster) - before
    has_given = "of its" in "".join(line for line in cluster.scheduler.log().splitlines() if " gets " in line)
    if rate:
        assert moved < 4e6 and not has_given, f"{moved} bytes moved behind a slow cable"
    else:
        assert moved > 8e6 and has_given, f"{moved} bytes moved, though it was cheap"
    cluster.stop()
