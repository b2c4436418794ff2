"""Topics: events that clients and functions on workers log, and handlers of those; `distributed`'s names."""
from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
import sys
import threading
import time
from typing import Any

from . import _pickling
from ._base import CancelledError, check, ffi, lib, take_text

FROM_NOW = 2**63 - 1
AGAIN_SECONDS = 0.5  # after the scheduler could not be reached


def log(client, topic, msg) -> None:
    """Logs an event under a topic, or under each of several."""
    size, parts = _pickling.message(msg)
    memory = bytearray(size)
    for at, part in parts:
        memory[at:at + len(part)] = part
    for name in [topic] if isinstance(topic, str) else topic:
        check(lib.tsr_topic_log(client.handle(), name.encode(), ffi.from_buffer(memory), size))


def _value(event) -> Any:
    """What was logged; bytes, if no Python program did."""
    data = ffi.buffer(event.data, event.size)[:] if event.size else b""
    if data[:8] == _pickling.MAGIC or (data[:1] == pickle.PROTO and data[-1:] == pickle.STOP):
        return _pickling.read(memoryview(data))
    return data


def _taken(out) -> tuple:
    """The events as pairs (time, what was logged)."""
    try:
        return tuple((event.time, _value(event)) for event in (out.items + i for i in range(out.n)))
    finally:
        lib.tsr_topic_events_release(out)


def read(client, topic: str) -> tuple:
    """All events of a topic that are kept."""
    out = ffi.new("tsr_topic_events *")
    check(lib.tsr_topic_read(client.handle(), topic.encode(), 0, 0.0, out))
    return _taken(out)


class _Listener:
    """Calls a handler with each event of a topic that comes from now on, on a thread of its own."""

    def __init__(self, client, topic: str, handler) -> None:
        self._client, self._topic, self._handler, self._over = client, topic.encode(), handler, False
        out = ffi.new("tsr_topic_events *")
        check(lib.tsr_topic_read(client.handle(), self._topic, FROM_NOW, 0.0, out))
        self._next = out.next
        lib.tsr_topic_events_release(out)
        threading.Thread(target=self._listen, name=f"tessera-topic-{topic}", daemon=True).start()

    def end(self) -> None:
        """The handler is not called any more, but where it is being called now."""
        self._over = True

    def _call(self, seconds: float, out) -> int:
        return lib.TSR_OK if self._over else lib.tsr_topic_read(self._client.handle(), self._topic, self._next, seconds, out)

    def _listen(self) -> None:
        out = ffi.new("tsr_topic_events *")
        while not self._over:
            try:
                status = self._client._wait(lambda seconds: self._call(seconds, out))
            except (CancelledError, RuntimeError, ValueError):  # the client was closed
                return
            if status != lib.TSR_OK:  # the scheduler is away; events of the next one have larger numbers
                lib.tsr_error_clear()
                time.sleep(AGAIN_SECONDS)
                continue
            self._next = out.next or self._next
            for event in _taken(out):
                self._handle(event)

    def _handle(self, event) -> None:
        if self._over:
            return
        try:
            result = self._handler(event)
            if inspect.isawaitable(result):
                asyncio.run(_awaited(result))
        except Exception:
            sys.excepthook(*sys.exc_info())


async def _awaited(result) -> Any:
    return await result


class _Forwarding:
    """A plugin of workers that has a logger's records logged under a topic."""

    def __init__(self, logger: str | None, level: int, topic: str) -> None:
        self.logger, self.level, self.topic = logger, level, topic

    def setup(self, worker) -> None:
        """Records of the logger go to the topic from now on."""
        topic = self.topic

        class Handler(logging.Handler):
            def emit(self, record) -> None:
                try:
                    said = dict(record.__dict__, msg=record.getMessage(), args=None, exc_info=None)
                    if record.exc_info:
                        said["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
                    worker.log_event(topic, {name: value for name, value in said.items() if type(value) in _pickling.PLAIN})
                except Exception:
                    self.handleError(record)

        logger, self.handler = logging.getLogger(self.logger), Handler(self.level)
        self.before = logger.level
        if not logger.level or logger.level > self.level:
            logger.setLevel(self.level)
        logger.addHandler(self.handler)

    def teardown(self, worker) -> None:
        """No longer."""
        logger = logging.getLogger(self.logger)
        logger.removeHandler(self.handler)
        logger.setLevel(self.before)


def _forwarded(event) -> None:
    record = logging.makeLogRecord(event[1])
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


class TopicMethods:
    """The methods of `Client` for topics."""

    def log_event(self, topic, msg) -> None:
        """Logs something under a topic's name, or under several: whoever subscribed to it gets it, and `get_events` gives it later. Functions
        on workers do so by `get_worker().log_event`. The scheduler keeps the newest events of all topics, 16 MiB of them.

        >>> import tessera as ts
        >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.log_event("progress", {"step": 1})
        ...     [msg for when, msg in client.get_events("progress")]
        [{'step': 1}]
        """
        log(self, topic, msg)

    def get_events(self, topic: str | None = None) -> Any:
        """The events of a topic as pairs (seconds since 1970, what was logged); without a topic those of all, by topic."""
        if topic is not None:
            return read(self, topic)
        import json

        names = json.loads(take_text(lib.tsr_tasks_query(self.handle(), b"topics", 0, ffi.NULL)))
        return {name: read(self, name) for name in sorted(names)}

    def subscribe_topic(self, topic: str, handler) -> None:
        """Calls handler(event) for each event of the topic from now on, on another thread; an event is a pair as in `get_events`. Another
        handler of the same topic takes the place of the first."""
        listener = _Listener(self, topic, handler)
        before = self._listeners.pop(topic, None)
        if before is not None:
            before.end()
        self._listeners[topic] = listener

    def unsubscribe_topic(self, topic: str) -> None:
        """Calls the topic's handler no longer."""
        if topic not in self._listeners:
            raise ValueError(f"No event handler known for topic {topic}.")
        self._listeners.pop(topic).end()

    def forward_logging(self, logger_name: str | None = None, level: int = logging.INFO) -> dict:
        """What functions on workers log with this logger (default: the root) or those below it is logged here, too, by the logger of the same name."""
        name = f"forward-logging-{logger_name or '<root>'}"
        self.subscribe_topic(name, _forwarded)
        return self.register_plugin(_Forwarding(logger_name, level, name), name)

    def unforward_logging(self, logger_name: str | None = None) -> dict:
        """Ends what `forward_logging` began."""
        name = f"forward-logging-{logger_name or '<root>'}"
        self.unsubscribe_topic(name)
        return self.unregister_worker_plugin(name)
