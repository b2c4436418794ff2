"""What the benchmark measures: the table of workloads, and how each peer is started.

A peer is a command. Commands that print {"seconds": ..., "value": ...} time themselves (the library workloads: starting the
process and making the data is not what they are about); the others are timed as whole processes (the command line tools).
"""
import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PEERS = ("tessera", "python", "numpy", "dask", "distributed", "xarray", "numexpr", "numba", "cdo", "ncra")
TITLES = {"memcpy": "memcpy", "stream": "plain sockets", "threads": "its threads, no cluster", "distributed": "Dask distributed", "tessera": "Tessera", "python": "Tessera from Python", "numpy": "NumPy", "dask": "Dask", "xarray": "xarray + Dask", "numexpr": "numexpr", "numba": "numba",
          "cdo": "CDO", "ncra": "ncra"}


@dataclasses.dataclass(frozen=True)
class Goal:
    """How many times faster than a peer ("best": the fastest of the others) Tessera is to be; less than 1: how much slower it may be."""

    peer: str
    factor: float


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    peers: tuple  # besides Tessera
    goals: tuple = ()
    kind: str = "library"  # or "files", "start"; "python": Tessera is its Python package; "cluster": two worker processes
    tolerance: float = 1e-9  # relative, between the peers' values (absolute where they are about 0)
    reads: float = 0  # bytes that have to come from memory
    copies: float = 0  # and those that are read and written at the same time: both sides of it
    limit_goal: float = 0  # the fraction of it to reach
    memory_goal: int = 0  # bytes, of the whole process
    seconds_goal: float = 0
    traffic_goal: int = 0  # bytes between processes
    cold: bool = False  # nothing to warm up, or too long to run twice
    note: str = ""


PYTHON_SHARE = 0.05  # what Python may take besides the time of the library

TABLE_BYTES = 50000 * 4000 * 8
CLIMATE_BYTES = 240 * 361 * 720 * 8

WORKLOADS = (
    Workload("normal_mean", "mean of 200 M normals, 4 chunks", ("numpy", "dask"), (Goal("dask", 12),), tolerance=1e-4,
             memory_goal=60_000_000),
    Workload("flip_ones", "`(b * b[::-1, ::-1]).mean()`, b = ones(200000, 4000)", ("dask",), (Goal("dask", 15),),
             memory_goal=60_000_000),
    Workload("flip_generated", "the same, b[i, j] = i / 1000 + j", ("dask",), (Goal("dask", 15),), memory_goal=60_000_000),
    Workload("flip_random", "the same, b uniform random numbers", ("dask",), tolerance=1e-4, memory_goal=60_000_000),
    Workload("flip_memory", "the same on 1.6 GB in memory", ("numpy", "dask", "numba"), (Goal("dask", 3),),
             reads=TABLE_BYTES * 2, limit_goal=0.75,
             note="b and its mirror image are both read: twice 1.6 GB"),
    Workload("chain_sum", "`(((b+1)*2-b)/3).sum()`, 1.6 GB in memory", ("numpy", "dask", "numexpr", "numba"),
             (Goal("dask", 8), Goal("numba", 1)), reads=TABLE_BYTES, limit_goal=0.75),
    Workload("cos_mean", "`(cos(b)**2).mean(axis=0)`, 1.6 GB in memory", ("numpy", "dask", "numexpr"), (Goal("dask", 4),),
             reads=TABLE_BYTES, note="bound by the cosines, not by memory"),
    Workload("histogram", "histogram (100 bins) of 200 M normals, 200 chunks", ("numpy", "dask"), (Goal("dask", 10),),
             tolerance=1e-6),
    Workload("matmul", "`(A @ A).sum()`, A uniform random (8000, 8000), chunks 1000", ("numpy", "dask"), (Goal("numpy", 1), Goal("dask", 1)),
             tolerance=1e-3, note="A is made anew in each run; NumPy's time is one dgemm of OpenBLAS on all threads, and a sum"),
    Workload("files_mean", "60 daily NetCDF-3 files (0.25 GB): mean over time", ("dask", "xarray", "cdo", "ncra"),
             (Goal("best", 5),), kind="files", tolerance=1e-6),
    Workload("files_z", "the same files: z-score over time to a NetCDF file", ("xarray", "cdo"), (Goal("xarray", 8), Goal("cdo", 4)),
             kind="files", tolerance=1e-5),
    Workload("mean", "in memory (0.5 GB): `x.mean()`", ("numpy", "dask"), reads=CLIMATE_BYTES, limit_goal=0.75),
    Workload("mean_space", "in memory: `x.mean(axis=(1,2))`", ("numpy", "dask"), reads=CLIMATE_BYTES,
             limit_goal=0.75),
    Workload("mean_time", "in memory: `x.mean(axis=0)`", ("numpy", "dask"), reads=CLIMATE_BYTES, limit_goal=0.75),
    Workload("topk", "in memory: the 10 greatest over time of each place", ("numpy", "dask"), (Goal("numpy", 1), Goal("dask", 1)),
             note="NumPy leaves them unordered (`partition`)"),
    Workload("z_persist", "in memory: z-score over time, persisted", ("numpy", "dask"), (Goal("dask", 8),),
             reads=CLIMATE_BYTES, copies=CLIMATE_BYTES * 2, limit_goal=0.75,
             note="x is read for its means and deviations, and again while z is written"),
    Workload("deflate_mean", "NetCDF-4 deflate, 1 GB raw: mean over time", ("xarray", "cdo", "ncra"), (Goal("best", 4),), kind="files", tolerance=1e-6),
    Workload("blocks", "`(ones(100000, chunks=1) + 1).sum()`", ("dask",), seconds_goal=0.1, cold=True,
             note="the goal is one microsecond a block"),
    Workload("stack_recentre", "image stack (400, 500, 500) u1: frames cut around their centroid by a compiled function", ("dask",), (Goal("dask", 2),),
             reads=400 * 500 * 500, note="Tessera: C source; Dask: numba"),
    Workload("stack_rechunk", "its result, blocks (20, 250, 250) -> (400, 10, 10)", ("dask",), (Goal("dask", 8),)),
    Workload("overlap_corner", "map_overlap over 40 000 blocks, of which a 10 x 10 corner is looked at", ("dask",), seconds_goal=0.02, cold=True),
    Workload("lazy_add", "Python: one lazy operation, `x + 1`", ("dask",), kind="python", seconds_goal=5e-6),
    Workload("one_element", "Python: `x[0, 0, 0].compute()`, x in memory", ("dask",), kind="python", seconds_goal=50e-6),
    Workload("rechunk", "Python: random 3.2 GB, rechunked from (20000, 200) to (200, 20000) and added up", ("dask",), (Goal("dask", 5),),
             kind="python", tolerance=1e-3, cold=True, note="random numbers do not depend on chunks, so nothing is moved"),
    Workload("rechunk_made", "the same, its blocks made before and after", ("dask",), (Goal("dask", 5),), kind="python", tolerance=1e-3, cold=True,
             note="`overlap` without depth on both sides keeps Tessera from fusing"),
    Workload("rechunk_budget", "the same with a memory budget of 1 GiB", (), kind="python", tolerance=1e-3, cold=True),
    Workload("import", "Python: `import tessera`; the others: their imports", ("numpy", "dask"), kind="start",
             note="0.15 s beyond NumPy's import is the aim"),
    Workload("start", "start: `tessera eval '1+1'`; the others: their imports", ("numpy", "dask"), kind="start", seconds_goal=0.03),
    Workload("cluster_start", "cluster: start to the first array, from Python", ("distributed",), kind="cluster", seconds_goal=0.4),
    Workload("cluster_start_function", "cluster: start to the first result of a Python function", ("distributed",), kind="cluster", seconds_goal=0.4),
    Workload("cluster_start_c", "cluster: start to the first result, from C", (), kind="cluster", seconds_goal=0.15),
    Workload("cluster_element", "cluster, 0.5 GB persisted: `x[0, 0, 0].compute()`", ("distributed",), kind="cluster", seconds_goal=0.5e-3),
    Workload("cluster_slab", "cluster: `x[0].compute()`, 2 MB", ("distributed",), kind="cluster", seconds_goal=2e-3),
    Workload("cluster_mean", "cluster: `x.mean()`", ("distributed", "threads"), (Goal("threads", 1 / 1.3),), kind="cluster"),
    Workload("cluster_mean_space", "cluster: `x.mean(axis=(1, 2))`", ("distributed", "threads"), (Goal("threads", 1 / 1.3),), kind="cluster"),
    Workload("cluster_mean_time", "cluster: `x.mean(axis=0)`", ("distributed", "threads"), (Goal("threads", 1 / 1.3),), kind="cluster"),
    Workload("cluster_z", "cluster: z-score over time, persisted", ("distributed",), (Goal("distributed", 12),), kind="cluster"),
    Workload("cluster_centre", "cluster: `x - x.mean()`, persisted", ("distributed",), (Goal("distributed", 8),), kind="cluster",
             traffic_goal=1_000_000),
    Workload("cluster_blocks", "cluster: `(ones(10000, chunks=1) + 1).sum()`", ("distributed",), kind="cluster", seconds_goal=0.1,
             note="the goal is 10 microseconds a block"),
    Workload("cluster_million", "cluster: the same with a million blocks", (), kind="cluster", seconds_goal=2, note="the goal is 2 microseconds a block"),
    Workload("cluster_map", "cluster: `client.map` of a trivial Python function, 10 000", ("distributed",), kind="cluster", seconds_goal=0.5),
    Workload("cluster_c_tasks", "cluster: 10 000 tasks of a C function, from C", (), kind="cluster", seconds_goal=0.05,
             note="the goal is 200 000 a second, from the submission to the last result"),
    Workload("cluster_rechunk", "cluster: random 3.2 GB, rechunked from columns to rows and added up, 1 GB a worker", ("distributed",),
             (Goal("distributed", 6),), kind="cluster", tolerance=1e-3, memory_goal=1_000_000_000, note="Dask's workers may use all memory"),
    Workload("cluster_share", "cluster: 8 blocks of 64 MB from worker to worker, on one host", ("memcpy",), (Goal("memcpy", 0.6),), kind="cluster",
             tolerance=0.02, note="the values are the bytes moved; memcpy: one thread, to memory that was used before"),
    Workload("cluster_wire", "cluster: the same between two hosts (network namespaces with a cable)", ("stream",), (Goal("stream", 0.9),), kind="cluster",
             tolerance=0.02, note="plain sockets: a process on each host, the same bytes to memory that was used before"),
    Workload("cluster_tasks", "the scheduler alone: 10 million tasks of functions, 1000 simulated workers", (), kind="cluster", seconds_goal=10,
             note="processor time of the scheduler, for which the goal is a million tasks a second in less than 1 GB; the value: how busy workers are"),
    Workload("cluster_jobs", "the same: 10 million blocks in jobs of 1000", (), kind="cluster", seconds_goal=10),
)


def peers_of(workload):
    """Who runs a workload besides Tessera: of the library's, its Python package first of all."""
    return (("python",) if workload.kind == "library" else ()) + workload.peers


def by_name(name):
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    raise KeyError(name)


def daily(data):
    return sorted(str(p) for p in (data / "daily").glob("*.nc"))


def file_command(workload, peer, data, out, threads):
    """Tools of the command line that read files. Each writes its result, and no two write the same file."""
    target = str(out / f"{peer}_{workload.name}.nc")
    deflate = str(data / "deflate.nc")
    tessera = [str(BUILD / "tessera"), "eval", "--quiet", "--threads", str(threads)]
    cdo = ["cdo", "-O", "-s", "-b", "F64"]
    if workload.name == "files_mean":
        return {"tessera": [*tessera, "mean(t2m, time)", *daily(data), "-o", target],
                "cdo": [*cdo, "timmean", "-cat", "[", *daily(data), "]", target],
                "ncra": ["ncra", "-O", "-h", *daily(data), target]}[peer]
    if workload.name == "files_z":
        series = ["-cat", "[", *daily(data), "]"]
        return {"tessera": [*tessera, "z = (t2m - mean(t2m, time)) / std(t2m, time)", *daily(data), "-o", target],
                "cdo": ["cdo", "-O", "-s", "-b", "F32", "div", "-sub", *series, "-timmean", "[", *series, "]", "-timstd", "[",
                        *series, "]", target]}[peer]
    return {"tessera": [*tessera, "mean(t2m, time)", deflate, "-o", target],
            "cdo": [*cdo, "timmean", deflate, target],
            "ncra": ["ncra", "-O", "-h", deflate, target]}[peer]


def command(workload, peer, data, out, threads, scale):
    """The command line, and whether it times itself."""
    python = str(BUILD / "venv/bin/python3") if (BUILD / "venv/bin/python3").exists() else sys.executable
    if workload.kind == "start":
        own = {"start": [str(BUILD / "tessera"), "eval", "1+1"],
               "import": ["env", f"PYTHONPATH={BUILD / 'python'}", python, "-c", "import tessera"]}
        return {"tessera": own[workload.name], "numpy": [python, "-c", "import numpy"],
                "dask": [python, "-c", "import dask.array"]}[peer], False
    if workload.name in ("cluster_start_c", "cluster_c_tasks"):
        return [str(BUILD / "bench/bench-cluster"), {"cluster_start_c": "start", "cluster_c_tasks": "tasks"}[workload.name], str(BUILD / "tessera")], True
    tasks = str(max(1000, int(10_000_000 * scale)))
    if workload.name == "cluster_tasks":
        return [str(BUILD / "bench/bench-tasks"), "1000", tasks, "--json"], True
    if workload.name == "cluster_jobs":
        return [str(BUILD / "bench/bench-scheduler"), "1000", tasks, "1000"], True
    if workload.name in ("cluster_share", "cluster_wire"):
        return [python, str(ROOT / "bench/transfer.py"), workload.name, peer, "--scale", repr(scale)], True
    if workload.kind == "cluster":
        return [python, str(ROOT / "bench/cluster.py"), workload.name, peer, "--scale", repr(scale)], True
    if workload.kind == "files" and peer in ("tessera", "cdo", "ncra"):
        return file_command(workload, peer, data, out, threads), False
    flags = ["--threads", str(threads), "--scale", repr(scale)] + (["--cold"] if workload.cold else [])
    places = ["--data", str(data), "--out", str(out)]
    if peer == "python" or workload.kind == "python" and peer == "tessera":
        return [python, str(ROOT / "bench/tessera_python.py"), workload.name, *places, *flags], True
    if peer == "tessera":
        return [str(BUILD / "bench/bench-tessera"), workload.name, *flags], True
    return [python, str(ROOT / "bench/peers.py"), workload.name, peer, *places, *flags], True
