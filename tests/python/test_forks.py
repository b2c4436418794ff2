"""Processes that are forked from a worker (in a function: `multiprocessing` and the like) and from a program with a client: they work, end, and hold
nothing of the process that they come from."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import tessera as ts

pytest.importorskip("cloudpickle")
PATIENCE = 180 if "TESSERA_SANITIZED" in os.environ else 60


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=1, threads_per_worker=2, memory_limit="256MiB") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        client.wait_for_workers(1, PATIENCE)
        yield client


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.02)


def children_of(pid):
    """Processes that live."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2] if entry.name.isdigit() else ("Z", "0")
            if int(parent) == pid and state != "Z":
                found.append(int(entry.name))
    return found


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def holds(pid):
    """Sockets and shared memory among its open files."""
    found = []
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            where = os.readlink(fd)
            if where.startswith(("socket:", "/memfd:tessera")):
                found.append(where)
    return found


def results(futures):
    return [future.result(timeout=2 * PATIENCE) for future in futures]


# ---- In functions -----------------------------------------------------------------------------------------------------------------


def in_pool(n):
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, range(-n, 0))


def in_executor(n):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as executor:
        return list(executor.map(abs, range(-n, 0)))


def test_pools(client):
    """A pool ends its processes by SIGTERM, which the worker's own handler only notes: the end came once in ten times only."""
    for function in (in_pool, in_executor):
        futures = [client.submit(function, n, pure=False) for n in range(1, 21)]
        assert results(futures) == [list(range(n, 0, -1)) for n in range(1, 21)]
    assert children_of(client.submit(os.getpid).result()) == []


def terminate_one():
    import multiprocessing

    one = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    one.start()
    one.terminate()  # at once: it must not be lost either
    one.join()
    other = subprocess.Popen(["sleep", "1000"])
    other.terminate()
    return one.exitcode, other.wait()


def test_processes_take_signals(client):
    assert all(codes == (-signal.SIGTERM, -signal.SIGTERM) for codes in results([client.submit(terminate_one, pure=False) for _ in range(20)]))


def fork_and(what):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if what == "raise":
        raise ValueError("in the child")
    if what == "exit":
        sys.exit(7)
    return "from the child"


def test_a_child_that_returns_ends(client):
    assert results([client.submit(fork_and, what) for what in ("return", "raise", "exit")]) == [0, 1, 7]
    assert children_of(client.submit(os.getpid).result()) == []


def compute_in_child(of_cluster):
    import tessera as ts

    if not of_cluster:
        return float(ts.arange(1000, chunks=100).sum()), os.getpid()
    client = ts.get_client()
    return client.submit(lambda x: x + 1, 41, pure=False).result(timeout=PATIENCE), float(ts.arange(10).sum())


def use_tessera_in_children():
    import multiprocessing

    assert ts.get_client().submit(abs, -1).result(timeout=PATIENCE) == 1  # the worker has a client by now, and waits by it
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map(compute_in_child, (False, True)), os.getpid()


def test_children_of_functions_use_tessera(client):
    ((total, child), more), worker = client.submit(use_tessera_in_children).result(timeout=2 * PATIENCE)
    assert total == 499500 and child != worker and more == (42, 45)


def leave_children(n, value):
    """Some that wait for ever, as those of a pool do when the process that made it is killed."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    return os.getpid(), [(p.start(), p.pid)[1] for p in [context.Process(target=queue.get) for _ in range(n)]]


def fork_twice():
    """The number of a child's child, whose parent has ended."""
    reads, writes = os.pipe()
    if os.fork() == 0:
        child = os.fork()
        if child == 0:
            time.sleep(1000)
        os.write(writes, str(child).encode())
        os._exit(0)
    return int(os.read(reads, 100))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_their_worker(number):
    with ts.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="256MiB", restarts=False) as cluster, ts.Client(cluster) as client:
        value = client.scatter(bytes(1 << 20))  # it comes in shared memory
        worker, children = client.submit(leave_children, 2, value).result(timeout=PATIENCE)
        children.append(client.submit(fork_twice).result(timeout=PATIENCE))
        assert not any(map(is_gone, children)) and holds(worker)
        assert [holds(child) for child in children] == [[], [], []]
        os.kill(worker, number)
        until(lambda: all(map(is_gone, [worker, *children])), "the end of the worker and of what it forked")


# ---- In programs with a client -----------------------------------------------------------------------------------------------------


def run(program, **names):
    text = "import os, signal, sys, threading, time\nimport tessera as ts\n" + program
    return subprocess.run([sys.executable, "-c", text, *names.values()], capture_output=True, text=True, timeout=4 * PATIENCE)


def test_a_child_of_a_program_with_a_client(cluster):
    done = run(f"""
client = ts.Client({cluster.scheduler_address!r})
x = ts.arange(1000, chunks=100).persist()
future, slow = client.submit(abs, -1), client.submit(time.sleep, 1)
future.result()
child = os.fork()
if child == 0:
    for name, call in (("compute", x.sum().compute), ("result", future.result), ("wait", slow.result), ("submit", lambda: client.submit(abs, 1)),
                       ("status", client.status), ("gather", lambda: client.gather([future]))):
        try:
            print(name, "gave", call())
        except OSError as error:
            print(name, "was forked" in str(error))
    print("here", float(ts.arange(10).sum()))
    with ts.Client({cluster.scheduler_address!r}) as own:
        print("own", own.submit(abs, -3).result(), float(ts.arange(10).sum()))
    del x, future
    client.close()
    sys.exit(5)  # with all that Python does at its end
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print("parent", float(x.sum()), slow.result(), client.submit(abs, -2).result())
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["compute True", "result True", "wait True", "submit True", "status True", "gather True", "here 45.0", "own 3 45.0",
                                        "child 5", "parent 499500.0 None 2"], done.stdout + done.stderr


def test_a_pool_of_a_program_with_a_client(cluster):
    done = run(f"""
import multiprocessing
def work(i):
    return float(ts.full(10, i).sum())
client = ts.Client({cluster.scheduler_address!r})
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(4)), client.submit(abs, -1).result())
""")
    assert (done.returncode, done.stdout) == (0, "[0.0, 10.0, 20.0, 30.0] 1\n"), done.stderr


def test_workers_end_with_a_program_whose_children_go_on():
    program = subprocess.Popen([sys.executable, "-c", """
import os, signal, sys, time
import tessera as ts
cluster = ts.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="256MiB")
ts.Client(cluster)
child = os.fork()
if child == 0:
    os.write(1, f"{cluster!r} {cluster.close()}\\n".encode())
    time.sleep(1000)
os.write(1, f"{child} {cluster.pids[0]}\\n".encode())
time.sleep(1000)
"""], stdout=subprocess.PIPE, text=True)
    child = None
    try:
        lines = sorted(program.stdout.readline() for _ in range(2))
        assert lines[1] == "<LocalCluster: closed> None\n", lines
        child, worker = map(int, lines[0].split())
        assert not is_gone(worker) and holds(child) == []
        program.kill()
        until(lambda: is_gone(worker), "the end of the worker")
        assert not is_gone(child)
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
        if child:
            os.kill(child, signal.SIGKILL)


def test_a_session_that_computes_when_it_is_forked():
    done = run("""
begun, go = threading.Event(), threading.Event()
def wait(block):
    begun.set()
    go.wait()
    return block
ones = ts.ones(10, chunks=5)
thread = threading.Thread(target=ts.map_blocks(wait, ones, dtype=float).compute)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    try:
        print("gave", ones.sum().compute())
    except NotImplementedError as error:
        print(error)
    with ts.Session():
        print(float(ts.ones(10).sum()))
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
go.set()
thread.join()
print(float(ones.sum()))
""")
    assert done.stdout.splitlines() == ["this session was computing when this process was forked: open a session here", "10.0", "0", "10.0"], done.stderr
