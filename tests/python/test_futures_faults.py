"""Functions on workers that fail in odd ways, or do not end."""
import sys
import threading
import time
import traceback

import pytest

import tessera as ts

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def client():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        yield client


def inc(x):
    return x + 1


def throws(x):
    deeper(x)


def deeper(x):
    raise ValueError(f"hello {x}")


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.one = one


class Locked(Odd):
    def __init__(self, one, two):
        super().__init__(one, two)
        self.lock = threading.Lock()


def came_of_another():
    try:
        throws(3)
    except ValueError as error:
        try:
            raise KeyError("lost") from error
        except KeyError:
            raise Odd(1, 2)


def test_exceptions_come_with_those_before_them(client):
    error = client.submit(came_of_another).exception(30)
    assert type(error) is Odd and type(error.__context__) is KeyError and error.__cause__ is None
    cause = error.__context__.__cause__
    assert type(cause) is ValueError and str(cause) == "hello 3"
    assert [frame.name for frame in traceback.extract_tb(cause.__traceback__)] == ["came_of_another", "throws", "deeper"]
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert "direct cause" in text and "During handling" in text


def test_exceptions_that_cannot_be_pickled(client):
    def fails():
        raise Odd(1, 2)

    def locked():
        raise Locked(1, 2)

    with pytest.raises(RuntimeError, match="Locked: 1 and 2"):
        client.submit(locked).result(30)
    odd = client.submit(fails).exception(30)  # its class cannot be called with its args
    assert type(odd) is Odd and str(odd) == "1 and 2" and (odd.one, odd.args) == (1, ("1 and 2",))
    with pytest.raises(TypeError, match="pickle"):
        client.submit(lambda: threading.Lock()).result(30)
    with pytest.raises(TypeError, match="pickle"):
        client.submit(inc, threading.Lock())
    with pytest.raises(RuntimeError, match="end the process"):
        client.submit(sys.exit, 3).result(30)
    assert client.submit(inc, 1).result(30) == 2


def holds_its_thread(folder):
    """Until there is a file; an Event would let others have the thread meanwhile."""
    (folder / "begun").touch()
    until = time.monotonic() + 120
    while not (folder / "go on").exists() and time.monotonic() < until:
        time.sleep(0.01)
    (folder / "ended").touch()


def test_tasks_behind_a_cancelled_one(tmp_path):
    """Python functions cannot be stopped. What comes after one that was cancelled runs on the other worker."""
    with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        future = client.submit(holds_its_thread, tmp_path, pure=False)
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        future.cancel()
        for i in range(10):
            assert client.submit(inc, i, pure=False).result(60) == i + 1
        assert not (tmp_path / "ended").exists()
        (tmp_path / "go on").touch()
