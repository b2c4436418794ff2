"""Actors: objects that stay on a worker."""
import os

import pytest

import tessera as ts

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def client():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        yield client


def throws(x):
    raise ValueError(f"hello {x}")


class Counter:
    def __init__(self, start=0):
        self.n = start

    def increment(self, by=1):
        self.n += by
        return self.n

    def fails(self):
        raise KeyError("no")


def test_actors(client):
    counter = client.submit(Counter, 10, actor=True).result(30)
    assert counter.increment().result(30) == 11
    futures = [counter.increment(2) for _ in range(10)]
    assert [f.result(30) for f in futures] == list(range(13, 33, 2)) and counter.n == 31
    with pytest.raises(KeyError, match="no"):
        counter.fails().result(30)
    assert client.submit(lambda c: c.increment().result(30), counter).result(30) == 32
    assert "Counter" in repr(counter)
    for _ in range(50):
        counter.increment()  # nobody keeps what it returns
    assert counter.n == 82


def test_a_call_of_an_actor_that_never_comes(client):
    counter = client.submit(Counter, actor=True).result(30)
    never = counter.increment(client.submit(throws, 1))  # waits for its argument, which fails
    assert counter.increment().result(60) == 1
    with pytest.raises(ValueError, match="hello 1"):
        never.result(30)


class Mortal(Counter):
    def die(self):
        os._exit(1)


def test_an_actor_goes_with_its_worker():
    with ts.LocalCluster(n_workers=2, threads_per_worker=1) as cluster, ts.Client(cluster) as client:
        actor = client.submit(Mortal, actor=True).result(60)
        assert actor.increment().result(60) == 1
        for call in actor.die(), actor.increment():
            with pytest.raises(ValueError, match="worker of this actor was lost"):
                call.result(60)
