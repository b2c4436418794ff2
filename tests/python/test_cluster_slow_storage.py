"""A worker that reads a file from slow storage goes on answering: others fetch what it holds, and its reports arrive."""
import os
import shutil
import subprocess
import time

import numpy as np
import pytest

import tessera as ts
from clusters import Cluster

# pread of one file takes as long as a slow disk takes.
SLOW_READS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_for(int fd, ssize_t n)
{
    char link[64], path[4096] = "";
    const char *slow = getenv("SLOW_FILE"), *rate = getenv("SLOW_BYTES_PER_SECOND");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (n <= 0 || !slow || !rate || readlink(link, path, sizeof path - 1) < 0 || strcmp(path, slow) != 0) return;
    double seconds = (double)n / atof(rate);
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0) {
    }
}

ssize_t pread64(int fd, void *to, size_t n, off64_t at)
{
    ssize_t (*next)(int, void *, size_t, off64_t) = (ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    ssize_t got = next(fd, to, n, at);
    wait_for(fd, got);
    return got;
}

ssize_t pread(int fd, void *to, size_t n, off_t at) { return pread64(fd, to, n, at); }
"""
BYTES_PER_SECOND = 4_000_000
FILE_BYTES = 16_000_000  # four seconds


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    if os.environ.get("TESSERA_SANITIZED"):
        pytest.skip("sanitizers have to be loaded first")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "slow_reads.c").write_text(SLOW_READS)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", folder / "slow_reads.so", folder / "slow_reads.c", "-ldl"], check=True)
    return folder / "slow_reads.so"


def median_of(operation, seconds, most=200):
    """The median time of calls, as many as fit."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end and len(times) < most:
        start = time.perf_counter()
        operation()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def test_who_reads_slowly_answers_quickly(tessera, shim, tmp_path):
    path = tmp_path / "slow.npy"
    values = np.arange(FILE_BYTES // 8, dtype="f8").reshape(-1, 1000)
    np.save(path, values)
    with Cluster(tessera.path, tmp_path / "cluster", n_workers=0) as cluster:
        cluster.env |= {"LD_PRELOAD": str(shim), "SLOW_FILE": str(path), "SLOW_BYTES_PER_SECOND": str(BYTES_PER_SECOND)}
        cluster.start_worker(0)
        del cluster.env["LD_PRELOAD"]
        with ts.Client(cluster.address) as reader:
            reader.wait_for_workers(1, 30)
            largest = ts.open_array(str(path)).max()
            with ts.Client(cluster.address) as client:
                kept = ts.arange(1_000_000, chunks=10_000, dtype="f8").persist()
                assert kept.sum().compute() == 499999500000
                asked = {"a block that it holds": lambda: kept[:10_000].compute(), "an element of one": lambda: kept[5].compute(),
                         "the scheduler": client.scheduler_info}
                idle = {what: median_of(f, 0.5) for what, f in asked.items()}
                start = time.monotonic()
                slow = reader.compute(largest)
                busy = {what: median_of(f, 0.8) for what, f in asked.items()}
                assert not slow.done(), f"the file was not slow, or these waited for it: {busy}"
            assert slow.result(60) == values.max()
            assert time.monotonic() - start > 0.8 * FILE_BYTES / BYTES_PER_SECOND
        cluster.stop()
    for what in asked:
        # 10 ms where this machine answers at all quickly; else no more than a few times as long as without the reading.
        assert busy[what] < (0.010 if idle[what] < 0.001 else 10 * idle[what]), f"{what}: {busy[what]:.4f} s, idle {idle[what]:.4f} s"
