"""The names of the package `distributed`, for programs that were written for it: `from tessera.distributed import Client, Variable, wait`.

>>> from tessera.distributed import Client
>>> with Client(n_workers=1, threads_per_worker=1) as client:
...     client.gather(client.map(abs, [-1, -2]))
[1, 2]
"""
from ._actors import Actor, ActorFuture
from ._cluster import Client
from ._futures import CancelledError, Future, KilledWorker, as_completed, fire_and_forget, futures_of, wait
from ._local import LocalCluster
from ._plugins import WorkerPlugin
from ._security import Security
from ._shared import Event, Lock, MultiLock, Queue, Semaphore, Variable
from ._tasks import default_client, get_client, get_worker, rejoin, secede, worker_client
from ._waiting import progress

TimeoutError = TimeoutError  # Python's own

__all__ = ["Actor", "ActorFuture", "CancelledError", "Client", "Event", "Future", "KilledWorker", "LocalCluster", "Lock", "MultiLock", "Queue", "Security",
           "Semaphore", "TimeoutError", "Variable", "WorkerPlugin", "as_completed", "default_client", "fire_and_forget", "futures_of", "get_client",
           "get_worker", "progress", "rejoin", "secede", "wait", "worker_client"]
