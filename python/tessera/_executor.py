"""A cluster as a `concurrent.futures.Executor`."""
from __future__ import annotations

import concurrent.futures
import weakref

OPTIONS = {"pure", "workers", "resources", "allow_other_workers", "retries"}


class ClientExecutor(concurrent.futures.Executor):
    """Runs functions on a cluster for programs that use `concurrent.futures`; made by `Client.get_executor`."""

    def __init__(self, client, **options) -> None:
        unknown = sorted(set(options) - OPTIONS)
        if unknown:
            raise TypeError(f"unsupported arguments to ClientExecutor: {unknown}")
        self._client, self._options, self._futures, self._is_shut = client, {"pure": False, **options}, weakref.WeakSet(), False

    def submit(self, fn, /, *args, **kwargs) -> concurrent.futures.Future:
        """Calls fn(*args, **kwargs) on a worker."""
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = self._client.submit(_Call(fn, kwargs) if kwargs else fn, *args, **self._options)
        self._futures.add(future)
        given: concurrent.futures.Future = concurrent.futures.Future()

        def cancelled(done) -> None:
            if done.cancelled() and not future.done():
                future.cancel()

        given.add_done_callback(cancelled)
        future.add_done_callback(lambda f: _hand_over(f, given))
        return given

    def map(self, fn, *iterables, timeout=None, chunksize=1):
        """The results of fn for the elements of iterables, in their order."""
        import time

        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        futures = self._client.map(fn, *iterables, **self._options)
        self._futures.update(futures)
        until = None if timeout is None else time.monotonic() + timeout

        def results():
            left = list(reversed(futures))
            try:
                while left:
                    future = left.pop()
                    yield future.result(None if until is None else max(until - time.monotonic(), 0))
            finally:
                if left:
                    self._client.cancel(left)

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more functions; waits for those that run, or cancels them."""
        self._is_shut = True
        left = [f for f in self._futures if not f.done()]
        if cancel_futures or not wait:
            self._client.cancel(left)
        elif left:
            self._client.wait_for(left)


class _Call:
    """A function with keyword arguments, which must not be taken for those of `Client.submit`."""

    def __init__(self, function, kwargs: dict) -> None:
        self.function, self.kwargs = function, kwargs
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *args):
        return self.function(*args, **self.kwargs)


def _hand_over(future, given) -> None:
    """What became of a future, for the other kind."""
    if future.status == "cancelled":
        given.cancel()
        try:
            given.set_running_or_notify_cancel()
        except (concurrent.futures.InvalidStateError, RuntimeError):
            pass
        return
    try:
        if not given.set_running_or_notify_cancel():
            return
        value = future.result(60)
    except BaseException as error:
        given.set_exception(error)
    else:
        given.set_result(value)
