"""Values that are published by name and are no arrays: variables of the cluster, and one that lists them.

The variable of a name holds the value and how many futures are in it; these have a variable each, which keeps their results.
"""
from __future__ import annotations

from ._futures import futures_of
from ._shared import Lock, Variable

_INDEX = "tessera datasets"


def _index(client) -> Variable:
    return Variable(_INDEX, client)


def published(client) -> tuple:
    """The names."""
    try:
        return _index(client).get(timeout=0)
    except TimeoutError:
        return ()


def _slot(client, name: str, i: int) -> Variable:
    return Variable(f"{_INDEX}/{name}/{i}", client)


def publish(client, name: str, value) -> None:
    """Under a name that is free."""
    futures = futures_of(value)
    for i, future in enumerate(futures):
        _slot(client, name, i + 1).set(future)
    _slot(client, name, 0).set((value, len(futures)))
    with Lock(_INDEX, client):
        _index(client).set(tuple(sorted({*published(client), name})))


def get_published(client, name: str):
    """The value; its futures belong to this client."""
    from ._futures import reading_for

    with reading_for(client):
        return _slot(client, name, 0).get(timeout=0)[0]


def unpublish(client, name: str) -> bool:
    """False: it is no name of ours."""
    with Lock(_INDEX, client):
        names = published(client)
        if name not in names:
            return False
        _index(client).set(tuple(n for n in names if n != name))
    n = _slot(client, name, 0).get(timeout=0)[1]
    for i in range(n + 1):
        _slot(client, name, i).delete()
    return True
