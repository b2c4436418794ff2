#!/usr/bin/env python3
"""Blocks of 64 MB from worker to worker, and what the machine itself can do with as many:

    bench/transfer.py cluster_share tessera|memcpy [--scale F]    two workers of one host
    bench/transfer.py cluster_wire tessera|stream [--scale F]     of two hosts: network namespaces with a cable between them

One worker holds an array. Another, which came later, holds a second one. An expression that looks at a few numbers of each block, but
at more of the second array's, is therefore computed by the second worker, and gets the blocks of the first, whole. Prints
{"seconds": ..., "value": ...}; the value is how many bytes were moved, as the workers' status counts them.
"""
import argparse
import ctypes
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK_BYTES, N_BLOCKS, N_REPEATS = 64_000_000, 8, 7
STEP = 100_000  # elements; of every block held a few are looked at
SUBNET = "10.199.78"
CLONE_NEWNET = 0x40000000


def median(times):
    return sorted(times)[len(times) // 2]


def run(*words):
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Hosts:
    """Two network namespaces, SUBNET.1 and SUBNET.2, and a cable."""

    def __init__(self):
        self.names = [f"tsrb{os.getpid()}{end}" for end in "ab"]

    def __enter__(self):
        try:
            for name in self.names:
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", self.names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.names[1])
            for i, name in enumerate(self.names):
                run("ip", "-n", name, "addr", "add", f"{SUBNET}.{i + 1}/24", "dev", "cable")
                run("ip", "-n", name, "link", "set", "cable", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            raise SystemExit(f"network namespaces cannot be made: {getattr(error, 'stderr', None) or error}") from None
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def enter(name):
    """The calling thread, and those that it starts, are on that host."""
    with open(f"/var/run/netns/{name}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def with_tessera(hosts, n_blocks):
    """Seconds for n blocks, and bytes moved."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "build/python")]
    from clusters import Cluster
    with tempfile.TemporaryDirectory() as folder:
        secret = pathlib.Path(folder) / "secret"
        secret.write_text("of this benchmark\n")
        secret.chmod(0o600)
        places = {"listen": f"tcp://{SUBNET}.1:0", "hosts": [hosts[0], hosts[0], hosts[1]]} if hosts else {}
        with Cluster(ROOT / "build/tessera", pathlib.Path(folder) / "cluster", n_workers=1, memory="4G",
                     options=["--secret-file", secret], **places) as cluster:
            if hosts:
                enter(hosts[0])  # the client's host
            import tessera as ts
            with ts.Client(cluster.address, security=ts.Security(secret_file=secret)):
                return measured(ts, cluster, n_blocks)


def measured(ts, cluster, n_blocks):
    def held(n, length):
        x = (ts.arange(n, chunks=1, dtype="f8")[:, None] + ts.arange(length, chunks=length, dtype="f8")).persist()
        x.sum().compute()  # all is there
        return x

    def moved():
        time.sleep(2.2)  # workers report every second
        return {w["name"]: w["bytes_in"] for w in cluster.status()["workers"]}["w1"]

    def timed(y, n):
        """The median of n sums, and the bytes that each moved. Whoever got a block keeps it, so each is of a new array."""
        expected = np.asarray(x[:, ::STEP]) + np.asarray(y[:, ::STEP]) + np.asarray(y[:, 1::STEP])
        before, times = moved(), []
        for i in range(n):
            fresh = (x + i).persist()  # where x is
            fresh.sum().compute()
            operation = fresh[:, ::STEP] + y[:, ::STEP] + y[:, 1::STEP]
            start = time.perf_counter()
            found = operation.compute()
            times.append(time.perf_counter() - start)
            np.testing.assert_array_equal(found, expected + i)
        return median(times), (moved() - before) / n

    x = held(n_blocks, BLOCK_BYTES // 8)
    cluster.start_worker(1)
    cluster.wait_for_workers(2)
    y = held(2 * n_blocks, BLOCK_BYTES // 8)  # half of it is the second worker's
    halves = [y[:n_blocks], y[n_blocks:]]
    far = max(halves, key=lambda half: timed(half, 1)[1])
    return timed(far, N_REPEATS)


def with_memcpy(n_blocks):
    """One thread, from blocks that no cache holds to memory that was used before."""
    blocks = [np.ones(BLOCK_BYTES // 8) for _ in range(n_blocks)]
    copies = [np.ones(BLOCK_BYTES // 8) for _ in range(2)]
    times = []
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        for i, block in enumerate(blocks):
            ctypes.memmove(copies[i % 2].ctypes.data, block.ctypes.data, BLOCK_BYTES)
        times.append(time.perf_counter() - start)
    return median(times), n_blocks * BLOCK_BYTES


def send_blocks(port, n_blocks):
    """The other process: a block for each that is asked for."""
    block = np.ones(BLOCK_BYTES // 8)
    with socket.create_connection((f"{SUBNET}.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while s.recv(1):
            for _ in range(n_blocks):
                s.sendall(block)


def with_stream(hosts, n_blocks):
    """Plain sockets: a process on each host, memory that was used before."""
    pid_pipe = os.pipe()
    sender = os.fork()
    if sender == 0:
        enter(hosts[1])
        os.close(pid_pipe[1])
        send_blocks(int(os.read(pid_pipe[0], 16)), n_blocks)
        os._exit(0)
    enter(hosts[0])
    times, block = [], np.ones(BLOCK_BYTES // 8)
    with socket.create_server((f"{SUBNET}.1", 0)) as listener:
        os.write(pid_pipe[1], str(listener.getsockname()[1]).encode())
        with listener.accept()[0] as s:
            for i in range(N_REPEATS + 1):
                start = time.perf_counter()
                s.sendall(b"x")
                for _ in range(n_blocks):
                    if s.recv_into(block, BLOCK_BYTES, socket.MSG_WAITALL) != BLOCK_BYTES:
                        raise OSError("the stream ended")
                if i > 0:
                    times.append(time.perf_counter() - start)
    os.waitpid(sender, 0)
    return median(times), n_blocks * BLOCK_BYTES


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=["cluster_share", "cluster_wire"])
    parser.add_argument("engine", choices=["tessera", "memcpy", "stream"])
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    n_blocks = max(1, int(N_BLOCKS * options.scale))
    if options.engine == "memcpy":
        seconds, value = with_memcpy(n_blocks)
    elif options.workload == "cluster_share":
        seconds, value = with_tessera(None, n_blocks)
    else:
        with Hosts() as hosts:
            call = with_stream if options.engine == "stream" else with_tessera
            seconds, value = call(hosts.names, n_blocks)
    print(json.dumps({"seconds": seconds, "value": value}))


if __name__ == "__main__":
    main()
