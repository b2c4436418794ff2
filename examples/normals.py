"""The mean of many normal random numbers, on one core and on all: python3 examples/normals.py [COUNT] [PICTURE]

With PICTURE the tasks of the second run are drawn into that file, one lane a thread (needs matplotlib).
"""
import sys
import time

import tessera as ts


def main(count=800_000_000, picture=None):
    for threads in (1, None):
        with ts.Session(threads=threads) as session, ts.Profiler(session) as profile:
            began = time.perf_counter()
            mean = ts.random.default_rng(1).normal(10, 0.1, size=count).mean().compute()
            seconds = time.perf_counter() - began
        name = "1 thread" if threads else "all cores"
        print(f"{name}: mean {mean:.6f} in {seconds:.2f} s, at most {profile.stats['peak_bytes'] / 2**20:.1f} MiB in blocks")
    if picture:
        profile.plot().figure.savefig(picture, dpi=80, bbox_inches="tight")


if __name__ == "__main__":
    main(*(int(float(a)) for a in sys.argv[1:2]), *sys.argv[2:3])
