"""Actors: objects that stay on a worker, whose methods are called there one at a time."""
from __future__ import annotations

import random
import threading
from typing import Any

from ._futures import Future, fire_and_forget

_living: dict[str, tuple] = {}  # on the worker: objects by their names, each with its lock
_guard = threading.Lock()


def _make(name: str, cls, args: tuple, kwargs: dict) -> "Actor":
    """On the worker: makes the object."""
    from ._tasks import get_worker

    made = cls(*args, **kwargs)
    with _guard:
        _living[name] = made, threading.RLock()
    methods = frozenset(n for n in dir(cls) if callable(getattr(cls, n, None)) and not n.startswith("__"))
    return Actor(name, get_worker().address, getattr(cls, "__name__", "object"), methods)


def _living_one(name: str) -> tuple:
    with _guard:
        if name not in _living:
            raise ValueError("the worker of this actor was lost, and its state with it")
        return _living[name]


def _call(name: str, method: str, args: tuple, kwargs: dict):
    """On the worker: calls a method."""
    made, lock = _living_one(name)
    with lock:
        return getattr(made, method)(*args, **kwargs)


def _get(name: str, attribute: str):
    made, lock = _living_one(name)
    with lock:
        return getattr(made, attribute)


def _drop(name: str) -> None:
    with _guard:
        _living.pop(name, None)


def _drop_through(actor: "Actor") -> None:
    """On any worker: has the actor's worker forget it."""
    from ._client_tasks import _Options
    from ._tasks import get_client, get_worker

    if get_worker().address == actor._address:
        _drop(actor._name)
    else:
        get_client()._submit(_drop, [((actor._name,), {})], None, False, _Options([actor._address], at_once=True))[0].result()


class Actor:
    """An object on a worker, from here: its methods return futures, its attributes values.

    >>> counter = client.submit(Counter, actor=True).result()      # doctest: +SKIP
    >>> counter.increment().result()                               # doctest: +SKIP
    1
    """

    def __init__(self, name: str, address: str, class_name: str, methods: frozenset) -> None:
        self._name, self._address, self._class_name, self._methods = name, address, class_name, methods
        self._owner = None

    def _submit(self, function, *args):
        from ._client_tasks import _Options
        from ._tasks import get_client

        return get_client()._submit(function, [((self._name, *args), {})], None, False, _Options([self._address], at_once=True))[0]

    def __getattr__(self, attribute: str):
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        if attribute in self._methods:
            return lambda *args, **kwargs: ActorFuture(self._submit(_call, attribute, args, kwargs))
        return self._submit(_get, attribute).result()

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_owner": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"<Actor: {self._class_name}, key={self._name}>"


class ActorFuture:
    """What a method of an actor returns, or will."""

    def __init__(self, future) -> None:
        self._future = future

    def result(self, timeout: float | None = None) -> Any:
        """The value; waits for it. What the method raised is raised here."""
        return self._future.result(timeout)

    def done(self) -> bool:
        """Whether the method has ended."""
        return self._future.done()

    def __await__(self):
        return self._future.__await__()

    def __repr__(self) -> str:
        return f"<ActorFuture {self._future.status}>"


class ActorOwner(Future):
    """The future of an actor: when it goes, and every `Actor` that came out of it here, the object on the worker goes."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> Any:
        actor = super().result(timeout)
        actor._owner = self
        return actor

    def __del__(self) -> None:
        from ._client_tasks import _Options

        try:
            if self._f and not self.client.closed:
                fire_and_forget(self.client._submit(_drop_through, [((self,), {})], None, False, _Options())[0])
        except Exception:  # the cluster is gone, and the object with it
            pass
        super().__del__()


def create(client, cls, args: tuple, kwargs: dict, options) -> ActorOwner:
    """A future of an actor."""
    name = f"{getattr(cls, '__name__', 'actor')}-{random.SystemRandom().getrandbits(64):016x}"
    future = client._submit(_make, [((name, cls, args, kwargs), {})], None, False, options)[0]
    handle, future._f = future._f, None
    return ActorOwner(handle, client, name)
