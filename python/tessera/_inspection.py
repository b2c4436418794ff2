"""What clients ask of a cluster to understand it, and graphs of tasks: methods of `Client`, with the names of `distributed`'s."""
from __future__ import annotations

import json
import os
from typing import Any

from ._futures import Future, futures_of

SUFFIX = {"yaml": ".yaml", "json": ".json"}


def _last(lines: list, n: int | None) -> list:
    return lines if n is None else lines[max(len(lines) - n, 0):]


class InspectionMethods:
    """Beside `TaskMethods`."""

    def call_stack(self, futures=None, keys=None) -> dict:
        """Where the functions are that run now, on workers with Python: {address: {key: lines of the stack}}, of all, or of some futures or keys.

        >>> import tessera as ts
        >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.call_stack()
        {}
        """
        from ._tasks import call_stacks

        wanted = None if futures is None and keys is None else {f.key for f in futures_of(futures or [])} | set(keys or ())
        found: dict = {}
        for address, stacks in self.run(call_stacks).items():
            named = {self._named(key): tuple(lines) for key, lines in stacks.items()}
            named = {key: lines for key, lines in named.items() if wanted is None or key in wanted}
            if named:
                found[address] = named
        return found

    def dump_cluster_state(self, filename: str = "tessera-cluster-dump", write_from_scheduler=None, exclude=(), format: str = "json") -> None:
        """Writes what the cluster looks like into a file, to be looked at later: workers, computations, tasks and results by worker.

        Parameters
        ----------
        filename : str
            Gets the format as its suffix, if it has none of these.
        exclude : collection of str
            Parts that are left out: "status", "tasks", "workers", "who_has", "processing", "nbytes".
        format : {"json", "yaml"}
            The same text: JSON is YAML, too.
        """
        if format not in SUFFIX:
            raise NotImplementedError(f"dump_cluster_state: the format is 'json' or 'yaml', not {format!r}")
        if write_from_scheduler:
            raise NotImplementedError("dump_cluster_state: the file is written here; a scheduler writes none")
        state: dict = {} if "status" in exclude else {"status": self.status()}
        for what in ("tasks", "workers", "who_has", "processing", "nbytes"):
            if what not in exclude:
                state[what] = self._query(what)
        path = os.fspath(filename)
        with open(path if path.endswith(tuple(SUFFIX.values())) else path + SUFFIX[format], "w", encoding="utf-8") as file:
            json.dump(state, file, indent=1)

    def get_scheduler_logs(self, n: int | None = None) -> list[str]:
        """What the scheduler has logged last, the oldest first: a hundred lines at most, of level info and above.

        >>> import tessera as ts
        >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
        ...     any("joins" in line for line in client.get_scheduler_logs())
        True
        """
        return _last(self._query("logs")["scheduler"], n)

    def get_worker_logs(self, n: int | None = None, workers=None, nanny: bool = False) -> dict[str, list[str]]:
        """What workers have logged last, by address, as `get_scheduler_logs`. They tell the scheduler with their reports, twice a second."""
        if nanny:
            raise NotImplementedError("get_worker_logs: there are no nannies")
        wanted = None if workers is None else {workers} if isinstance(workers, str) else set(workers)
        return {address: _last(lines, n) for address, lines in self._query("logs")["workers"].items() if wanted is None or address in wanted}

    def get(self, dsk, keys, workers=None, allow_other_workers=None, resources=None, sync=True, retries=None, priority=0, **ignored) -> Any:
        """Runs a graph of tasks: a dict whose values are tuples (function, arguments ...), keys of other values, lists of these, or anything else.

        Parameters
        ----------
        keys : key, or (nested) list of keys
            What is wanted.
        sync : bool
            Whether results are brought here; else they come as futures.

        >>> import tessera as ts
        >>> with ts.Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.get({"a": 3, "b": (pow, "a", 2), "c": (sum, ["a", "b"])}, ["b", "c"])
        [9, 12]
        """
        options = {"workers": workers, "allow_other_workers": allow_other_workers, "resources": resources, "retries": retries, "priority": priority}
        made: dict = {}

        def value(item):
            if is_task(item):
                return self.submit(item[0], *map(value, item[1:]), pure=False, **options)
            if isinstance(item, list):
                return [value(part) for part in item]
            return made[item] if is_key(item, dsk) else item

        for key in in_order(dsk, keys):
            made[key] = value(dsk[key])
        wanted = value(keys)
        if sync:
            return self.gather(wanted)
        return _each(wanted, lambda one: one if isinstance(one, Future) else self.submit(_itself, one, pure=False))


def is_task(item) -> bool:
    return type(item) is tuple and bool(item) and callable(item[0])


def is_key(item, dsk) -> bool:
    try:
        return not is_task(item) and item in dsk
    except TypeError:  # it is no key, or has no hash
        return False


def needs(item, dsk) -> list:
    """The keys in a value of a graph."""
    if is_key(item, dsk):
        return [item]
    parts = item[1:] if is_task(item) else item if isinstance(item, list) else ()
    return [key for part in parts for key in needs(part, dsk)]


def in_order(dsk, keys) -> list:
    """The keys that these need, and they, each behind what it needs itself."""
    done: dict = {}  # False: it is being looked at
    order, stack = [], [(key, False) for key in needs(keys, dsk)]
    while stack:
        key, is_behind = stack.pop()
        if is_behind:
            done[key] = True
            order.append(key)
        elif key not in done:
            done[key] = False
            stack.append((key, True))
            for other in needs(dsk[key], dsk):
                if done.get(other) is False:
                    raise ValueError(f"the graph goes in a circle: {other!r} needs itself")
                stack.append((other, False))
    return order


def _each(item, function):
    return [_each(part, function) for part in item] if isinstance(item, list) else function(item)


def _itself(value):
    return value
