"""Topics: events of clients and functions on workers; loggers that are forwarded; results of C functions that others read by a name."""
import logging
import queue
import threading
import time

import numpy as np
import pytest

import tessera as ts
import tessera.distributed as td

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def cluster():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="256MiB") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with ts.Client(cluster) as client:
        yield client


@pytest.fixture
def other(cluster):
    with ts.Client(cluster, set_as_default=False) as client:
        yield client


def test_events(client, other):
    before = time.time()
    client.log_event("steps", {"step": 1})
    other.log_event(["steps", "more"], "two")
    client.log_event("steps", np.arange(3000))
    events = other.get_events("steps")
    assert events[0][1] == {"step": 1} and events[1][1] == "two"
    np.testing.assert_array_equal(events[2][1], np.arange(3000))
    assert before - 1 <= events[0][0] <= events[1][0] <= time.time() + 1  # the same clock
    assert [said for _, said in client.get_events("more")] == ["two"]
    assert client.get_events("nothing") == ()
    everything = client.get_events()
    assert set(everything) >= {"steps", "more"} and len(everything["steps"]) == 3


def test_functions_log_events(client):
    def work(i):
        ts.get_worker().log_event("work", {"i": i})
        return i

    assert client.gather(client.map(work, range(4))) == [0, 1, 2, 3]
    said = [event for _, event in client.get_events("work")]
    assert sorted(event["i"] for event in said) == [0, 1, 2, 3]
    assert {event["worker"] for event in said} <= set(client.nthreads())


def test_subscriptions(client, other):
    got = queue.Queue()
    client.log_event("news", "old")
    other.subscribe_topic("news", got.put)
    for i in range(3):
        client.log_event("news", i)
    assert [got.get(timeout=60)[1] for _ in range(3)] == [0, 1, 2]
    instead = queue.Queue()

    async def put(event):
        instead.put(event)

    other.subscribe_topic("news", put)
    client.log_event("news", "again")
    when, said = instead.get(timeout=60)
    assert said == "again" and when > 0 and got.empty()
    other.unsubscribe_topic("news")
    client.log_event("news", "nobody listens")
    with pytest.raises(ValueError, match="No event handler known for topic news"):
        other.unsubscribe_topic("news")
    other.subscribe_topic("marks", instead.put)
    client.log_event("marks", "end")
    assert instead.get(timeout=60)[1] == "end"


def test_handlers_that_fail(client, monkeypatch):
    failed, got = threading.Event(), queue.Queue()
    monkeypatch.setattr("sys.excepthook", lambda kind, error, traceback: failed.set())

    def handle(event):
        if event[1] == "bad":
            raise ArithmeticError("no")
        got.put(event[1])

    client.subscribe_topic("mixed", handle)
    client.log_event("mixed", "bad")
    client.log_event("mixed", "good")
    assert got.get(timeout=60) == "good" and failed.is_set()


def test_a_client_that_listens_can_be_closed(cluster):
    for _ in range(3):
        with ts.Client(cluster, set_as_default=False) as client:
            client.subscribe_topic("a", print)
            client.subscribe_topic("b", print)


def test_logging_is_forwarded(client, caplog):
    def work(i):
        logging.getLogger("mine.deeper").info("at %d", i)
        logging.getLogger("mine").debug("not this")
        logging.getLogger("others").warning("nor this")
        try:
            raise KeyError("gone")
        except KeyError:
            logging.getLogger("mine").exception("failed")

    caplog.set_level(logging.DEBUG, "mine")
    client.forward_logging("mine")
    client.gather(client.map(work, range(2)))
    end = time.monotonic() + 60
    while len(caplog.records) < 4 and time.monotonic() < end:
        time.sleep(0.01)
    assert sorted(r.getMessage() for r in caplog.records) == ["at 0", "at 1", "failed", "failed"]
    assert {r.name for r in caplog.records} == {"mine", "mine.deeper"}
    assert "KeyError: 'gone'" in next(r for r in caplog.records if r.levelno == logging.ERROR).exc_text
    client.unforward_logging("mine")
    client.gather(client.map(work, range(2, 4)))
    assert len(caplog.records) == 4


# ---- Results of C functions ---------------------------------------------------------------------------------------------------

SOURCE = """
tsr_status twice(int n_args, const tsr_bytes *args, tsr_task_result *result)
{
    double *out = tsr_task_result_alloc(result, args[0].size);
    if (!out) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < args[0].size / sizeof *out; i++) out[i] = 2 * ((const double *)args[0].data)[i];
    return TSR_OK;
}
"""


@pytest.mark.parametrize("dtype", [np.dtype(float), np.dtype([("x", "f4"), ("y", "f4")]), None])
def test_results_of_c_functions_by_a_name(client, other, dtype):
    """Whoever gets such a future from a variable, a queue, a dataset or another result knows what its bytes are."""
    x = np.arange(1000.0)
    future = client.submit(ts.c_task(SOURCE, "twice", dtype=dtype), x)
    expected = (2 * x).tobytes() if dtype is None else (2 * x).view(dtype)

    def check(found):
        value = found.result(60)
        assert type(value) is type(expected) and getattr(value, "dtype", None) == dtype
        assert (value == expected) if dtype is None else (value == expected).all()

    td.Variable("c result", other).set(0)
    td.Variable("c result", client).set(future)
    check(td.Variable("c result", other).get())
    td.Queue("c results", client).put(future)
    check(td.Queue("c results", other).get())
    client.publish_dataset([future], name=f"c {dtype}")
    check(other.get_dataset(f"c {dtype}")[0])
    client.unpublish_dataset(f"c {dtype}")
    check(client.submit(lambda: ts.get_client().submit(ts.c_task(SOURCE, "twice", dtype=dtype), x)).result(60))
    assert client.submit(lambda v: (type(v).__name__, getattr(v, "dtype", None)), future).result(60) == (type(expected).__name__, dtype)
    assert client.submit(len, [future, future]).result(60) == 2
    check(client.submit(ts.c_task(SOURCE, "twice", dtype=dtype), client.submit(ts.c_task(SOURCE, "twice", dtype=dtype), x / 2)))
