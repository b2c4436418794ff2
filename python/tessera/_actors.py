"""Actors: objects that stay on a worker, whose methods are called there one at a time, those that one `Actor` asks for in the order of the calls."""
from __future__ import annotations

import random
import threading
import time
from typing import Any

from ._futures import Future, fire_and_forget

AWAY_SECONDS = 6  # that a worker may take to be known again when the scheduler was started again
SKIP_SECONDS = 5  # a call whose arguments cannot be had never comes: those after it do not wait for ever
MOST_CALLERS = 10_000

_guard = threading.Lock()


class _Living:
    """An object, on its worker."""

    def __init__(self, made) -> None:
        self.made, self.lock, self.changed = made, threading.RLock(), threading.Condition()
        self.turns: dict[int, int] = {}  # by who calls: the number of the call that is next

    def enter(self, caller: int, number: int) -> None:
        """Takes the lock, when all calls before this one did."""
        with self.changed:
            while self.turns.get(caller, 0) < number and self.changed.wait(SKIP_SECONDS):
                pass
        self.lock.acquire()
        with self.changed:
            self.turns[caller] = number + 1
            while len(self.turns) > MOST_CALLERS:
                del self.turns[next(iter(self.turns))]
            self.changed.notify_all()


_living: dict[str, _Living] = {}  # on the worker: objects by their names


def _make(name: str, cls, args: tuple, kwargs: dict) -> "Actor":
    """On the worker: makes the object."""
    from ._tasks import get_worker

    made = cls(*args, **kwargs)
    with _guard:
        _living[name] = _Living(made)
    methods = frozenset(n for n in dir(cls) if callable(getattr(cls, n, None)) and not n.startswith("__"))
    return Actor(name, get_worker().address, getattr(cls, "__name__", "object"), methods)


def _on(address: str, function, *args):
    """A task on that worker, or, where the scheduler knows none of the address, on any."""
    from ._client_tasks import _Options
    from ._tasks import get_client

    return get_client()._submit(function, [(args, {})], None, False, _Options([address], at_once=True, allow_other_workers=True))[0]


def _ask(address: str, name: str, caller: int, number: int, attribute: str, call: tuple | None):
    """On the worker: calls a method with (args, kwargs), or reads an attribute."""
    from ._tasks import get_client, get_worker

    if get_worker().address != address:
        end = time.monotonic() + AWAY_SECONDS
        while address not in get_client().nthreads():
            if time.monotonic() > end:
                raise ValueError("the worker of this actor was lost, and its state with it")
            time.sleep(0.1)
        return _on(address, _ask, address, name, caller, number, attribute, call).result()
    with _guard:
        living = _living.get(name)
    if living is None:
        raise ValueError("this actor is gone: the future of it was released")
    living.enter(caller, number)
    try:
        value = getattr(living.made, attribute)
        return value if call is None else value(*call[0], **call[1])
    finally:
        living.lock.release()


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
        self.__setstate__({"_name": name, "_address": address, "_class_name": class_name, "_methods": methods})

    def _submit(self, attribute: str, call: tuple | None):
        with self._lock:
            future = _on(self._address, _ask, self._address, self._name, self._caller, self._number, attribute, call)
            self._number += 1
        return future

    def _call(self, method: str, args: tuple, kwargs: dict) -> "ActorFuture":
        future = self._submit(method, (args, kwargs))
        fire_and_forget(future)  # it is called for what it does, too
        return ActorFuture(future)

    def __getattr__(self, attribute: str):
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        if attribute in self._methods:
            return lambda *args, **kwargs: self._call(attribute, args, kwargs)
        return self._submit(attribute, None).result()

    def __getstate__(self) -> dict:
        return {name: self.__dict__[name] for name in ("_name", "_address", "_class_name", "_methods")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _owner=None, _lock=threading.Lock(), _caller=random.SystemRandom().getrandbits(64), _number=0)

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
    return ActorOwner(None, client, handle, name)
