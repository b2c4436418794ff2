"""As many workers as there is work for: what `LocalCluster.adapt` starts."""
from __future__ import annotations

import json
import threading
import weakref

from ._base import lib, seconds_of, take_text


class Adaptive:
    """Looks at the cluster from time to time, on a thread of its own, until `stop`."""

    def __init__(self, cluster, minimum: int, maximum: int, interval, wait_count: int) -> None:
        self.minimum, self.maximum, self.interval, self.wait_count = int(minimum), int(maximum), seconds_of(interval), int(wait_count)
        if not 0 <= self.minimum <= self.maximum or self.interval <= 0:
            raise ValueError(f"adapt: from {minimum} to {maximum} workers, looking every {interval}, is not possible")
        self._stopped, self._idle = threading.Event(), 0
        cluster.scale(min(max(cluster.n_running, self.minimum), self.maximum))
        threading.Thread(target=_follow, args=(weakref.ref(cluster), self), name="tessera adapt", daemon=True).start()

    def stop(self) -> None:
        """The cluster stays as it is."""
        self._stopped.set()

    def wanted(self, cluster) -> int:
        """How many workers there should be for what is to be done now: a thread for each task that waits or runs."""
        client = cluster._own_client()
        tasks = json.loads(take_text(lib.tsr_tasks_query(client.handle(), b"tasks", 0, [])))
        n = tasks["ready"] + tasks["running"]
        n += sum(max(job["tasks_total"] - job["tasks_done"], 0) for job in client.status()["jobs"])
        return min(max(-(-n // cluster.threads_per_worker), self.minimum), self.maximum)

    def adapt(self, cluster) -> None:
        """One look."""
        wanted, running = self.wanted(cluster), cluster.n_running
        self._idle = self._idle + 1 if wanted < running else 0
        if wanted > running or self._idle >= self.wait_count:
            self._idle = 0
            cluster.scale(wanted)


def _follow(reference: weakref.ref, adaptive: Adaptive) -> None:
    while not adaptive._stopped.wait(adaptive.interval):
        cluster = reference()
        if cluster is None:
            return
        try:
            adaptive.adapt(cluster)
        except (OSError, RuntimeError):  # the cluster is closing, or its scheduler is busy: the next look will tell
            if not cluster._scheduler:
                return
        del cluster
