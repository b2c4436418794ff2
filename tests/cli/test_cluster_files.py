"""Files that a cluster writes: the workers write their own regions, and what comes out is what threads write."""
import subprocess
import time

import pytest

from clusters import Cluster, wait_until

MADE = "x = random.normal(0, 1, size=(800, 500), seed=3, chunks=(100, 500)) * 2"
VALUE_BYTES = 800 * 500 * 8


@pytest.fixture(scope="module")
def cluster(tessera, tmp_path_factory):
    with Cluster(tessera.path, tmp_path_factory.mktemp("files")) as c:
        yield c
        c.stop()


def traffic(cluster):
    return sum(w["bytes_out"] for w in cluster.status()["workers"])


@pytest.mark.parametrize("name", ["out.nc", "out.nc4", "out.npy"])
def test_workers_write(tessera, cluster, tmp_path, name):
    expression = MADE.removeprefix("x = ") if name.endswith("npy") else MADE
    before = traffic(cluster)
    tessera.ok("eval", "-q", "--cluster", cluster.address, expression, "-o", tmp_path / name)
    time.sleep(0.6)  # workers report twice a second
    assert traffic(cluster) - before < VALUE_BYTES / 10
    assert [p.name for p in tmp_path.iterdir()] == [name]
    tessera.ok("eval", "-q", expression, "-o", tmp_path / f"threads-{name}")
    if not name.endswith("npy"):  # the others have the time of their making in them
        assert tessera.ok("eval", "max(abs(a - b))", f"a={tmp_path / name}:x", f"b={tmp_path}/threads-{name}:x") == "0.0\n"
    else:
        assert (tmp_path / name).read_bytes() == (tmp_path / f"threads-{name}").read_bytes()


def test_compressed_chunks_are_sent(tessera, cluster, tmp_path):
    before = traffic(cluster)
    tessera.ok("eval", "-q", "--cluster", cluster.address, MADE, "-o", tmp_path / "out.nc4", "--deflate", "1")
    wait_until(lambda: traffic(cluster) - before > VALUE_BYTES / 2, 10, "a report of the traffic")
    tessera.ok("eval", "-q", MADE, "-o", tmp_path / "threads.nc4", "--deflate", "1")
    assert tessera.ok("eval", "max(abs(a - b))", f"a={tmp_path}/out.nc4:x", f"b={tmp_path}/threads.nc4:x") == "0.0\n"


def test_nothing_is_left_of_what_fails(tessera, cluster, tmp_path):
    done = subprocess.run([tessera.path, "eval", "-q", "--cluster", cluster.address,
                           "2 ** (arange(1000000) - 999999)", "-o", tmp_path / "out.npy"], text=True, stderr=subprocess.PIPE)
    assert done.returncode == 1 and "negative integer powers" in done.stderr
    assert list(tmp_path.iterdir()) == []
