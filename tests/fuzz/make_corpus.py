#!/usr/bin/env python3
"""Makes the seed corpora of the fuzzers: small, valid files that reach as much of each parser as possible.

usage: make_corpus.py FOLDER [STAMP]

Each function with the decorator @corpus yields (name, bytes) for the folder of its name. Standard library only.
"""
import pathlib
import struct
import sys

CORPORA = {}


def corpus(function):
    CORPORA[function.__name__] = function
    return function


class NetCDF3:
    """An encoder of the classic formats, independent of the library's own."""

    SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}

    def __init__(self, version, n_records, dims, attrs, variables, streaming=False):
        self.version = version
        self.dims = dims
        self.n_records = n_records
        self.streaming = streaming
        self.attrs = attrs
        self.variables = variables  # (name, dimension numbers, attributes, type)

    def count(self, n):
        return struct.pack(">q" if self.version == 5 else ">i", n)

    @staticmethod
    def pad(data):
        return data + bytes(-len(data) % 4)

    def name(self, text):
        return self.count(len(text)) + self.pad(text.encode())

    def list(self, tag, entries):
        return struct.pack(">i", tag if entries else 0) + self.count(len(entries)) + b"".join(entries)

    def attr_list(self, attrs):
        return self.list(12, [self.name(n) + struct.pack(">i", t) + self.count(len(v) // self.SIZES[t]) + self.pad(v)
                              for n, t, v in attrs])

    def slab(self, variable):
        size = self.SIZES[variable[3]]
        for d in variable[1]:
            size *= self.dims[d][1] or 1
        return size

    def is_record(self, variable):
        return bool(variable[1]) and self.dims[variable[1][0]][1] == 0

    def header(self, begins):
        n = -1 if self.streaming else self.n_records
        out = b"CDF" + bytes([self.version]) + self.count(n)
        out += self.list(10, [self.name(n) + self.count(length) for n, length in self.dims])
        out += self.attr_list(self.attrs)
        offset = ">i" if self.version == 1 else ">q"
        return out + self.list(11, [
            self.name(v[0]) + self.count(len(v[1])) + b"".join(self.count(d) for d in v[1]) + self.attr_list(v[2])
            + struct.pack(">i", v[3]) + self.count((self.slab(v) + 3) // 4 * 4) + struct.pack(offset, begin)
            for v, begin in zip(self.variables, begins)])

    def encode(self):
        at = len(self.header([0] * len(self.variables)))
        records = [v for v in self.variables if self.is_record(v)]
        padded = {id(v): (self.slab(v) + 3) // 4 * 4 for v in self.variables}
        begins = {}
        for v in [v for v in self.variables if not self.is_record(v)] + records:
            begins[id(v)] = at
            at += padded[id(v)]
        record = self.slab(records[0]) if len(records) == 1 else sum(padded[id(v)] for v in records)
        first = min((begins[id(v)] for v in records), default=at)
        size = first + record * self.n_records
        head = self.header([begins[id(v)] for v in self.variables])
        return head + bytes(i % 251 for i in range(size - len(head)))


@corpus
def expression():
    """Programs that use each part of the expression language."""
    programs = [
        "1 + 2 * 3 - 4 / 5 // 6 % 7 ** 2", "-2 ** -1; ~True | False & 1 ^ 3 << 2 >> 1", "0x1f + 0b101 + 1_000 + 1e-3 + .5 + 2j",
        "a = ones((20, 30), chunks=(5, 10)); b = a[::-1, ::-1]; (a * b).mean()", "x = arange(24).reshape((2, 3, 4)); x[0, ..., 1:]",
        "x = arange(6); x[None, [0, 1], newaxis]", "mean(ones((3, 4)), axis=(0, 1), keepdims=True)", "std(arange(5), ddof=1)",
        "hist, edges = histogram(random.normal(0, 1, size=(1000,), seed=3), bins=10, range=(-3, 3))",
        "np.cos(np.linspace(0, 1, 50)) ** 2 >= 0.5", "w = cos(deg2rad(arange(5))); w /= w.mean()", "x = 'text' # comment\n'a', \"b\"",
        "where(arange(5) > 2, nan, 1.5)", "concatenate([zeros(3), ones(4, dtype=int8)], axis=0)", "stack([arange(3), arange(3)], 1).T",
        "sel(x, time=\"2014-01\", latitude=30:60); groupby(t2m, time.month).mean()", "anomaly(t2m, time.month)[100, :, ::-1]",
        "`odd name` + 1", "(1, 2,), [3, [4]], ()", "quantile(arange(11), [0.1, 0.5], 0)", "pad(arange(3), ((1, 2),), mode='edge')",
        "rechunk(ones((10, 10)), (5, -1)).astype(float32)", "roll(arange(5), 2, 0); tile(arange(3), (2, 2)); repeat(arange(3), 2)",
        "a < b < c", "not a", "x[1:2:3:4]", "((((", "eye(3, k=1, dtype=complex128).real", "clip(arange(9), 2, None).shape[0]",
    ]
    for i, text in enumerate(programs):
        yield f"program-{i}", text.encode()


@corpus
def netcdf3():
    text = [("units", 2, b"days since 2000-01-01"), ("empty", 2, b"")]
    numbers = [("scale_factor", 6, struct.pack(">d", 0.5)), ("range", 3, struct.pack(">3h", 1, 2, 3)),
               ("b", 1, b"\x01"), ("i", 4, struct.pack(">i", -7)), ("f", 5, struct.pack(">f", 1.5))]
    wide = [("ub", 7, b"\xff"), ("us", 8, b"\xff\xff"), ("ui", 9, bytes(4)), ("ll", 10, bytes(8)), ("ull", 11, bytes(16))]
    dims = [("t", 0), ("y", 3), ("x", 5)]
    variables = [("time", [0], text, 6), ("b", [0, 1], [], 1), ("s", [0, 1, 2], numbers, 3), ("i", [1, 2], [], 4),
                 ("f", [2], [], 5), ("name", [1, 2], [], 2), ("scalar", [], numbers, 6)]
    for version in (1, 2, 5):
        extra = [("u%d" % t, [0, 1], wide, t) for t in range(7, 12)] if version == 5 else []
        yield f"all{version}", NetCDF3(version, 2, dims, text + numbers, variables + extra).encode()
        yield f"streaming{version}", NetCDF3(version, 3, dims, [], variables[:2], streaming=True).encode()
        yield f"one_record_variable{version}", NetCDF3(version, 3, dims, [], [("b", [0, 1], [], 1)]).encode()
        yield f"no_records{version}", NetCDF3(version, 0, dims, [], variables).encode()
        yield f"empty{version}", NetCDF3(version, 0, [], [], []).encode()
        yield f"rows{version}", NetCDF3(version, 0, [("y", 40), ("x", 60)], [], [("v", [0, 1], [], 5)]).encode()
        deep = [(f"d{i}", 1 + i % 2) for i in range(17)]
        yield f"deep{version}", NetCDF3(version, 0, deep, [], [("v", list(range(16)), [], 3)]).encode()
        yield f"too_deep{version}", NetCDF3(version, 0, deep, [], [("v", list(range(17)), [], 3)]).encode()


@corpus
def npy():
    def encode(descr, shape, fortran=False, version=1, item=8, quote="'"):
        n = item
        for length in shape:
            n *= length
        dims = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        head = f"{{{quote}descr{quote}: {descr}, 'fortran_order': {fortran}, 'shape': {dims}, }}".encode() + b"\n"
        length = struct.pack("<H" if version == 1 else "<I", len(head))
        return b"\x93NUMPY" + bytes([version, 0]) + length + head + bytes(i % 251 for i in range(n))

    for code, item in (("b1", 1), ("i1", 1), ("i2", 2), ("i4", 4), ("i8", 8), ("u1", 1), ("u2", 2), ("u4", 4), ("u8", 8),
                       ("f4", 4), ("f8", 8), ("c8", 8), ("c16", 16)):
        yield code, encode(f"'<{code}'", (3, 4), item=item)
    yield "big_endian", encode("'>f8'", (2, 5))
    yield "fortran", encode("'<f8'", (3, 4, 5), fortran=True)
    yield "fortran_two", encode("'>i2'", (30, 17), fortran=True, item=2)
    yield "scalar", encode("'<f8'", ())
    yield "one", encode("'<f8'", (7,))
    yield "none", encode("'<f8'", (0, 3))
    yield "version2", encode("'<f8'", (2, 2), version=2)
    yield "version3", encode("'<f8'", (2, 2), version=3)
    yield "double_quotes", encode("'<f8'", (2, 2), quote='"')
    yield "records", encode("[('a', '<f4'), ('b', '<i4')]", (2,))
    yield "object", encode("'|O'", (2,))
    yield "text", encode("'<U2'", (2,))
    yield "deep", encode("'|i1'", (1,) * 16, item=1)
    yield "too_deep", encode("'|i1'", (1,) * 17, item=1)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, make in CORPORA.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for seed, data in make():
            (folder / name / seed).write_bytes(data)
    if len(sys.argv) > 2:
        pathlib.Path(sys.argv[2]).write_text("")


if __name__ == "__main__":
    main()
