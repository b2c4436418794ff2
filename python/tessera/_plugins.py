"""Plugins of workers: objects that are set up in every worker that runs Python functions, also in those that come later.

They are kept in a variable of the cluster. A worker that comes later sets them up before the first function of a client that knew of them:
the function's pickle asks for it (`_After`).
"""
from __future__ import annotations

import pickle
import threading
import uuid

from . import _pickling

_VARIABLE = "tessera plugins"
_lock = threading.RLock()
_mine: dict[str, object] = {}  # of this worker, by name
_seen: set[str] = set()        # versions of the list that it has set up


class WorkerPlugin:
    """What `Client.register_plugin` takes: `setup(worker)` is called in each worker once, `teardown(worker)` when it ends or the plugin is taken
    away. Any object with these methods will do."""

    name: str | None = None
    idempotent = False

    def setup(self, worker) -> None:
        """Called before the worker runs functions that were submitted after the registration."""

    def teardown(self, worker) -> None:
        """Called at the end."""


class Callback(WorkerPlugin):
    """A function as a plugin."""

    def __init__(self, function) -> None:
        self.function = function

    def setup(self, worker) -> None:
        """Calls it, with the worker if it takes an argument."""
        import inspect

        if inspect.signature(self.function).parameters:
            self.function(worker)
        else:
            self.function()


def _listed(client) -> tuple[str, dict]:
    """The version of the list, and the plugins' pickles by name."""
    from ._shared import Variable

    try:
        return Variable(_VARIABLE, client).get(timeout=0)
    except TimeoutError:
        return "", {}


# ---- In workers -------------------------------------------------------------------------------------------------------------


def set_up(name: str, data: bytes, version: str | None = None) -> dict:
    """Sets a plugin up here; one of the same name is torn down first. `version`: of the list that it is new in."""
    from ._tasks import get_worker

    with _lock:
        take_down(name)
        if version is not None:
            _seen.add(version)
        plugin = pickle.loads(data)
        setup = getattr(plugin, "setup", None)
        if setup is not None:
            setup(worker=get_worker())
        _mine[name] = plugin
    return {"status": "OK"}


def take_down(name: str) -> dict:
    """Ends a plugin here, if it is there."""
    from ._tasks import get_worker

    with _lock:
        plugin = _mine.pop(name, None)
        teardown = getattr(plugin, "teardown", None)
        if teardown is not None:
            teardown(worker=get_worker())
    return {"status": "OK"}


def end() -> None:
    """The worker ends."""
    for name in list(_mine):
        take_down(name)


def _after(version: str, code: bytes):
    """A function, once the plugins of this version, or a later one, are set up here."""
    from ._tasks import get_client

    with _lock:
        if version not in _seen:
            now, plugins = _listed(get_client())
            for name, data in plugins.items():
                if name not in _mine:
                    set_up(name, data)
            _seen.update((version, now))
    return pickle.loads(code)


# ---- In clients -------------------------------------------------------------------------------------------------------------


class _After:
    def __init__(self, version: str, code: bytes) -> None:
        self._parts = version, code

    def __reduce__(self):
        return _after, self._parts


class PluginMethods:
    """The methods of `Client` for plugins."""

    _plugins: str | None = None  # the version of the list; None: not asked for yet

    def _dump_function(self, function) -> bytes:
        """A function by value, that is called after the plugins were set up."""
        if self._plugins is None:
            self._plugins = _listed(self)[0]
        code = _pickling.dump_function(function)
        return pickle.dumps(_After(self._plugins, code), 5) if self._plugins else code

    def _change(self, name: str, data: bytes | None, version: str) -> None:
        from ._shared import Lock, Variable

        with Lock(_VARIABLE, self):
            _, plugins = _listed(self)
            plugins = {key: value for key, value in plugins.items() if key != name}
            if data is not None:
                plugins[name] = data
            Variable(_VARIABLE, self).set((version, plugins))
        self._plugins = version if plugins else ""
        self._functions.clear()  # their pickles ask for the plugins of before

    def register_plugin(self, plugin, name: str | None = None) -> dict:
        """Sets a `WorkerPlugin` up in every worker that runs Python functions: {"status": "OK"} by address. Workers that come later set it up
        before they run functions that this client, or one that is opened later, submits."""
        if not hasattr(plugin, "setup") and not hasattr(plugin, "teardown"):
            raise TypeError(f"register_plugin: a {type(plugin).__name__} has no setup(worker); the scheduler, which is no Python, takes no plugins")
        name = name or getattr(plugin, "name", None) or f"{type(plugin).__name__}-{uuid.uuid4().hex[:8]}"
        data = _pickling.dump_function(plugin)
        if getattr(plugin, "idempotent", False) and name in _listed(self)[1]:
            return {}
        version = uuid.uuid4().hex
        done = self.run(set_up, name, data, version) if self.nthreads() else {}
        self._change(name, data, version)
        return done

    def register_worker_plugin(self, plugin=None, name: str | None = None, nanny=None) -> dict:
        """As `register_plugin`."""
        if nanny:
            raise NotImplementedError("register_worker_plugin: there are no nannies; LocalCluster and `tessera cluster` start lost workers again")
        return self.register_plugin(plugin, name)

    def unregister_worker_plugin(self, name: str, nanny=None) -> dict:
        """Takes a plugin away, from workers that are there and for those that come."""
        if name not in _listed(self)[1]:
            raise ValueError(f"there is no plugin {name!r}")
        self._change(name, None, uuid.uuid4().hex)
        return self.run(take_down, name)

    def register_worker_callbacks(self, setup=None) -> dict:
        """Calls a function once in every worker, also in those that come later; with the worker, if it takes an argument."""
        return self.register_plugin(Callback(setup), name=f"callback-{uuid.uuid4().hex[:8]}")
