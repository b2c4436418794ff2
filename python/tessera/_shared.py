"""Things that clients and functions on workers share by name: Variable, Queue, Lock, Semaphore, Event, as in `distributed`."""
from __future__ import annotations

import random
import threading
import time
from typing import Any

from . import _pickling
from ._futures import Future, future_about, reading_for, value_of
from ._base import check, failure, ffi, lib, seconds_of

_FUTURE = "future"  # names of futures that come out


def _new_name(kind: str) -> str:
    return f"{kind}-{random.SystemRandom().getrandbits(64):016x}"


class _Shared:
    """Something with a name. It can be sent to functions on workers."""

    def __init__(self, name: str | None = None, client=None) -> None:
        self.name, self._client = name or _new_name(type(self).__name__.lower()), client

    @property
    def client(self) -> Any:
        if self._client is None or self._client.closed:
            from ._tasks import get_client

            self._client = get_client()
        return self._client

    def _session(self):
        return self.client.handle()

    def _c_name(self) -> bytes:
        return f"{self.KIND}:{self.name}".encode()

    def _wait(self, call, timeout) -> None:
        status = self.client._wait(call, timeout)
        if status != lib.TSR_OK:
            raise failure()

    def __reduce__(self):
        return type(self), (self.name,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


def _argument(value):
    """A value or a future as tsr_task_arg, and what must stay alive."""
    if isinstance(value, Future):
        about = ffi.from_buffer(value._about())
        return ffi.new("tsr_task_arg *", {"future": value._handle(), "data": about, "size": len(about)}), (value, about)
    size, parts = _pickling.message(value)
    memory = bytearray(size)
    for at, part in parts:
        memory[at:at + len(part)] = part
    kept = ffi.from_buffer(memory)
    return ffi.new("tsr_task_arg *", {"data": kept, "size": size}), kept


def _taken(out, client):
    """The future or the value of a tsr_shared_value."""
    if out.future:
        about = ffi.buffer(out.bytes.data, out.bytes.size)[:] if out.bytes.size else b""
        lib.tsr_bytes_release(ffi.addressof(out, "bytes"))
        return future_about(out.future, client, _FUTURE, about)
    with reading_for(client):
        return value_of(ffi.addressof(out, "bytes"))


class Variable(_Shared):
    """A value, or a future, that all clients see under a name.

    >>> import tessera as ts
    >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
    ...     limit = Variable("limit")
    ...     limit.set(0.5)
    ...     limit.get()
    0.5
    """

    KIND = "variable"

    def set(self, value, timeout=None) -> None:
        """Sets it. What is no future travels as it is: small things, such as settings."""
        argument, kept = _argument(value)
        check(lib.tsr_variable_set(self._session(), self._c_name(), argument))

    def get(self, timeout=None) -> Any:
        """What it is set to; waits until it is. TimeoutError after `timeout` seconds."""
        out = ffi.new("tsr_shared_value *")
        self._wait(lambda seconds: lib.tsr_variable_get(self._session(), self._c_name(), seconds, out), timeout)
        return _taken(out, self.client)

    def delete(self) -> None:
        """Forgets it, for all clients."""
        check(lib.tsr_variable_delete(self._session(), self._c_name()))


class Queue(_Shared):
    """A queue of values or futures that all clients see under a name; at most `maxsize` of them, if that is not 0."""

    KIND = "queue"

    def __init__(self, name: str | None = None, client=None, maxsize: int = 0) -> None:
        super().__init__(name, client)
        self.maxsize = int(maxsize)

    def __reduce__(self):
        return type(self), (self.name, None, self.maxsize)

    def put(self, value, timeout=None) -> None:
        """Adds a value; waits while the queue is full."""
        argument, kept = _argument(value)
        self._wait(lambda seconds: lib.tsr_queue_put(self._session(), self._c_name(), self.maxsize, argument, seconds), timeout)

    def get(self, timeout=None, batch=False) -> Any:
        """Takes the oldest value; waits while there is none. batch: a list of so many, or with True of all that are there."""
        if batch is True:
            return [self.get(timeout) for _ in range(self.qsize())]
        if batch:
            return [self.get(timeout) for _ in range(int(batch))]
        out = ffi.new("tsr_shared_value *")
        self._wait(lambda seconds: lib.tsr_queue_get(self._session(), self._c_name(), seconds, out), timeout)
        return _taken(out, self.client)

    def qsize(self) -> int:
        """How many there are now."""
        out = ffi.new("int64_t *")
        check(lib.tsr_queue_size(self._session(), self._c_name(), out))
        return out[0]

    def close(self) -> None:
        """Forgets it, for all clients."""
        check(lib.tsr_queue_delete(self._session(), self._c_name()))


class Semaphore(_Shared):
    """At most `max_leases` may hold it at a time, in all clients and functions together. What a client held that is lost comes back."""

    KIND = "semaphore"

    def __init__(self, max_leases: int = 1, name: str | None = None, client=None) -> None:
        super().__init__(name, client)
        if max_leases < 1:
            raise ValueError(f"max_leases must be at least 1, not {max_leases}")
        self.max_leases, self._leases, self._guard = int(max_leases), [], threading.Lock()

    def __reduce__(self):
        return type(self), (self.max_leases, self.name)

    def acquire(self, timeout=None) -> bool:
        """Waits for a lease; False if none came in time."""
        lease = ffi.new("uint64_t *")
        try:
            self._wait(lambda seconds: lib.tsr_semaphore_acquire(self._session(), self._c_name(), self.max_leases, seconds, lease), timeout)
        except TimeoutError:
            return False
        with self._guard:
            self._leases.append(lease[0])
        return True

    def release(self) -> bool:
        """Gives one lease back."""
        with self._guard:
            if not self._leases:
                raise RuntimeError("Released too often")
            lease = self._leases.pop(0)
        check(lib.tsr_semaphore_release(self._session(), self._c_name(), lease))
        return True

    def get_value(self) -> int:
        """How many leases are taken."""
        out = ffi.new("int64_t *")
        check(lib.tsr_semaphore_taken(self._session(), self._c_name(), out))
        return out[0]

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exception) -> None:
        self.release()


class Lock(_Shared):
    """One at a time, in all clients and functions together."""

    KIND = "lock"

    def __init__(self, name: str | None = None, client=None, **ignored) -> None:
        super().__init__(name, client)
        self._lease = None

    def acquire(self, blocking: bool = True, timeout=None) -> bool:
        """Waits for the lock; False if it was not free in time, or with blocking=False now."""
        if not blocking:
            if timeout is not None:
                raise ValueError("can't specify a timeout for a non-blocking call")
            timeout = 0
        lease = ffi.new("uint64_t *")
        try:
            self._wait(lambda seconds: lib.tsr_semaphore_acquire(self._session(), self._c_name(), 1, seconds, lease), timeout)
        except TimeoutError:
            return False
        self._lease = lease[0]
        return True

    def release(self) -> bool:
        """Gives it back."""
        if self._lease is None:
            raise RuntimeError("Lock is not acquired")
        lease, self._lease = self._lease, None
        check(lib.tsr_semaphore_release(self._session(), self._c_name(), lease))
        return True

    def locked(self) -> bool:
        """Whether somebody has it."""
        out = ffi.new("int64_t *")
        check(lib.tsr_semaphore_taken(self._session(), self._c_name(), out))
        return out[0] > 0

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exception) -> None:
        self.release()


class MultiLock:
    """Several locks together; whoever takes some of them waits for whoever has others of the same names."""

    def __init__(self, names=None, client=None) -> None:
        self.names = list(dict.fromkeys(names or [_new_name("lock")]))
        self._locks = [Lock(name, client) for name in sorted(self.names)]  # always in this order, so that two never wait for each other
        self._held: list = []

    def acquire(self, blocking: bool = True, timeout=None, num_locks: int | None = None) -> bool:
        """Waits for all of them, or for any `num_locks`; False if they were not free in time, or with blocking=False now. Then it has none."""
        if self._held:
            raise RuntimeError("MultiLock is acquired already")
        if not blocking and timeout is not None:
            raise ValueError("can't specify a timeout for a non-blocking call")
        seconds = seconds_of(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        if num_locks is not None and num_locks < len(self._locks):
            return self._acquire_some(num_locks, 0.0 if not blocking else until)
        for lock in self._locks:
            left = None if until is None else max(until - time.monotonic(), 0)
            if not (lock.acquire(timeout=left) if blocking else lock.acquire(blocking=False)):
                self._give_back()
                return False
            self._held.append(lock)
        return True

    def _acquire_some(self, n: int, until: float | None) -> bool:
        while True:
            for lock in self._locks:
                if lock.acquire(blocking=False):
                    self._held.append(lock)
                if len(self._held) == n:
                    return True
            self._give_back()
            if until is not None and time.monotonic() >= until:
                return False
            time.sleep(random.uniform(0.005, 0.02))  # others may want some of the same

    def _give_back(self) -> None:
        held, self._held = self._held, []
        for lock in reversed(held):
            lock.release()

    def release(self) -> bool:
        """Gives all of them back."""
        if not self._held:
            raise RuntimeError("MultiLock is not acquired")
        self._give_back()
        return True

    def locked(self) -> bool:
        """Whether this object has them."""
        return bool(self._held)

    def __reduce__(self):
        return type(self), (self.names,)

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exception) -> None:
        self.release()


class Event(_Shared):
    """Something that is set or clear, and can be waited for."""

    KIND = "event"

    def set(self) -> None:
        """Sets it: who waits goes on."""
        check(lib.tsr_event_set(self._session(), self._c_name(), True))

    def clear(self) -> None:
        """Clears it."""
        check(lib.tsr_event_set(self._session(), self._c_name(), False))

    def is_set(self) -> bool:
        """Whether it is set."""
        out = ffi.new("bool *")
        check(lib.tsr_event_is_set(self._session(), self._c_name(), out))
        return bool(out[0])

    def wait(self, timeout=None) -> bool:
        """Waits until it is set; False if it was not in time."""
        try:
            self._wait(lambda seconds: lib.tsr_event_wait(self._session(), self._c_name(), seconds), timeout)
        except TimeoutError:
            return False
        return True
