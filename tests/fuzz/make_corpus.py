#!/usr/bin/env python3
"""Makes the seed corpora of the fuzzers: small, valid files that reach as much of each parser as possible.

usage: make_corpus.py FOLDER [STAMP]

Each function with the decorator @corpus yields (name, bytes) for the folder of its name. Standard library only.
Those of what clusters say are in corpus_of_clusters.py.
"""
import base64
import pathlib
import struct
import sys
import zlib

from corpus_of_clusters import CORPORA, corpus


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
        "t2m.sel(time='2000-01-01T06', method='nearest'); t2m[time='2000-01-01', latitude=3:9]", "t2m - t2m[0]; t2m[1].T * t2m",
        "corr(t2m[:, 0], t2m[:, 1], time); cov(t2m, t2m)", "weighted_mean(t2m, cos(deg2rad(latitude)), (latitude, longitude))",
        "mean(t2m, (time, longitude)); std(t2m, 'time', ddof=1)", "groupby(t2m, 'time.day').max(); time.dt.hour", "t2m.isel(longitude=-1)",
        "transpose(t2m, (longitude, time, latitude)); diff(t2m, dim=time); shift(t2m, 1, time)", "concat([t2m, t2m[:2]], time)",
        "median(t2m, time); argmax(t2m, latitude); t2m.units; t2m.longitude", "where(t2m > 0, t2m, nan); t2m.where(t2m > 1)", "rechunk(t2m, time=2)",
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


class Dataset:
    """A dataset's object header, chunk index and chunks, as HDF5 has them, behind the prologue that fuzz_hdf5.c describes.

    Checksums are left zero: the fuzzer sets them."""

    NOWHERE = b"\xff" * 8

    def __init__(self, shape, chunk, most=None, filters=(), item=4):
        self.shape, self.chunk, self.most, self.filters, self.item = shape, chunk, most or shape, filters, item
        self.bytes = bytearray(64)

    def put(self, data):
        """Appends a block; returns its address, packed."""
        self.bytes += bytes(-len(self.bytes) % 8)
        address = len(self.bytes)
        self.bytes += data
        return struct.pack("<Q", address)

    def grid(self):
        """The chunks' coordinates in C order."""
        counts = [-(-n // c) for n, c in zip(self.shape, self.chunk)]
        places = [[]]
        for n in counts:
            places = [p + [i] for p in places for i in range(n)]
        return places

    def values(self, number):
        n = self.item
        for c in self.chunk:
            n *= c
        return bytes((i * 7 + number) % 251 for i in range(n))

    def stored(self, number):
        """A chunk as it is in the file: 1 deflate, 2 shuffle, 3 a checksum."""
        data = self.values(number)
        for f in self.filters:
            if f == 1:
                data = zlib.compress(data, 6)
            elif f == 2:
                data = b"".join(data[j::self.item] for j in range(self.item))
            else:
                data += struct.pack("<I", self.fletcher32(data))
        return data

    @staticmethod
    def fletcher32(data):
        a = b = 0
        data += bytes(len(data) % 2)
        for i in range(0, len(data), 2):
            a += data[i] << 8 | data[i + 1]
            b += a
        return (b and (b - 1) % 65535 + 1) << 16 | (a and (a - 1) % 65535 + 1)

    def chunks(self):
        """(address, size, coordinates) of every chunk, put into the file."""
        return [(self.put(data), len(data), at) for data, at in ((self.stored(i), at) for i, at in enumerate(self.grid()))]

    def elements(self, chunks):
        """What arrays of chunks hold of each."""
        return b"".join(a + (struct.pack("<II", size, 0) if self.filters else b"") for a, size, _ in chunks)

    def client(self):
        return bytes([1, 16] if self.filters else [0, 8])

    def layout3(self, address):
        dims = b"".join(struct.pack("<I", c) for c in self.chunk)
        return bytes([3, 2, len(self.chunk) + 1]) + address + dims + struct.pack("<I", self.item)

    def layout4(self, kind, parameters, address, flags=0):
        dims = b"".join(struct.pack("<H", c) for c in (*self.chunk, self.item))
        return bytes([4, 2, flags, len(self.chunk) + 1, 2]) + dims + bytes([kind]) + parameters + address

    def header1(self, layout):
        fill = bytes([2, 2, 2, 1]) + struct.pack("<I", self.item) + bytes(range(self.item))
        messages = b""
        for kind, data in ((5, fill), (8, layout)):
            data += bytes(-len(data) % 8)
            messages += struct.pack("<HHBxxx", kind, len(data), 0) + data
        return struct.pack("<BxHIIxxxx", 1, 2, 1, len(messages)) + messages

    def header2(self, layout):
        """The layout is in a continuation."""
        fill = bytes([3, 0x2a]) + struct.pack("<I", self.item) + bytes(range(self.item))
        block = b"OCHK" + struct.pack("<BHB", 8, len(layout), 0) + layout + bytes(4)
        messages = struct.pack("<BHB", 5, len(fill), 0) + fill
        messages += struct.pack("<BHB", 16, 16, 0) + self.put(block) + struct.pack("<Q", len(block))
        return b"OHDR" + struct.pack("<BBH", 2, 1, len(messages)) + messages + bytes(4)

    def seed(self, header):
        (at,) = struct.unpack("<Q", self.put(header))
        filters = (list(self.filters) + [0, 0, 0])[:3]
        dims = b"".join(struct.pack("<IiI", n, m, (c or 1) - 1) for n, m, c in zip(self.shape, self.most, self.chunk))
        chunked = self.chunk[0] > 0
        head = bytes([len(self.shape), 2 | chunked, 8, 8, self.item - 1, len(self.filters)] + [f - 1 if f else 0 for f in filters])
        return head + struct.pack("<BHI", self.item - 1, 0, at) + dims.ljust(48, b"\0") + bytes(self.bytes) + bytes(16)


@corpus
def hdf5():
    def tree1(d, chunks, level=0):
        node = b"TREE" + struct.pack("<BBH", 1, level, len(chunks)) + d.NOWHERE * 2
        for address, size, at in chunks:
            start = [i * c for i, c in zip(at, d.chunk)]
            node += struct.pack(f"<II{len(start) + 1}Q", size, 0, *start, 0) + address
        return d.put(node + bytes(8 + 8 * (len(d.chunk) + 1)))

    def deep_tree1(d):
        chunks = d.chunks()
        leaves = [(tree1(d, chunks[i:i + 4]), 0, chunks[i][2]) for i in range(0, len(chunks), 4)]
        return tree1(d, leaves, 1)

    def fixed(d, page_bits):
        chunks = d.chunks()
        body, n, page = d.elements(chunks), len(chunks), 1 << page_bits
        pages = b""
        if n > page:
            width = len(body) // n
            pages = b"".join(body[i * width:(i + page) * width] + bytes(4) for i in range(0, n, page))
            body = b"\xff" * ((-(-n // page) + 7) // 8)
        block = d.put(b"FADB\0" + d.client()[:1] + bytes(8) + body + bytes(4) + pages)
        return d.put(b"FAHD\0" + d.client() + bytes([page_bits]) + struct.pack("<Q", n) + block + bytes(4))

    def extensible(d):
        chunks = d.chunks()
        prefix = d.client()[:1] + bytes(8)
        first, second = (d.put(b"EADB\0" + prefix + bytes(4) + d.elements(chunks[i:i + 16]).ljust(16 * d.client()[1], b"\xff") + bytes(4))
                         for i in (4, 20))
        index = d.put(b"EAIB\0" + prefix + d.elements(chunks[:4]) + first + second + d.NOWHERE * 4 + d.NOWHERE * 25 + bytes(4))
        return d.put(b"EAHD\0" + d.client() + bytes([32, 4, 16, 4, 10]) + bytes(48) + index + bytes(4))

    def tree2(d, depth):
        def record(c):
            return c[0] + (struct.pack("<II", c[1], 0) if d.filters else b"") + struct.pack(f"<{len(c[2])}Q", *c[2])

        def node(name, body):
            return d.put(name + bytes([0, kind]) + body + bytes(4))

        chunks, kind = d.chunks(), 11 if d.filters else 10
        width = len(record(chunks[0]))
        if depth == 0:
            root, n = node(b"BTLF", b"".join(map(record, chunks))), len(chunks)
        else:
            half = len(chunks) // 2
            left, right = (node(b"BTLF", b"".join(map(record, part))) for part in (chunks[:half], chunks[half + 1:]))
            root, n = node(b"BTIN", record(chunks[half]) + left + bytes([half]) + right + bytes([len(chunks) - half - 1])), 1
        return d.put(b"BTHD" + struct.pack("<BBIHHBB", 0, kind, 2048, width, depth, 98, 40) + root + struct.pack("<HQ", n, len(chunks))
                     + bytes(4))

    for name, filters in (("plain", ()), ("deflate", (1,)), ("shuffle", (2, 1)), ("all", (2, 1, 3)), ("sum", (3,))):
        d = Dataset((6, 10), (2, 3), filters=filters)
        yield f"tree1_{name}", d.seed(d.header1(d.layout3(deep_tree1(d))))
        d = Dataset((6, 10), (2, 3), filters=filters)
        yield f"fixed_{name}", d.seed(d.header2(d.layout4(3, b"\x0a", fixed(d, 10))))
        d = Dataset((6, 10), (2, 3), filters=filters)
        yield f"paged_{name}", d.seed(d.header2(d.layout4(3, b"\x02", fixed(d, 2))))
        d = Dataset((60, 3), (2, 3), most=(-1, 3), filters=filters)
        yield f"extensible_{name}", d.seed(d.header2(d.layout4(4, bytes([32, 4, 4, 16, 10]), extensible(d))))
        for depth in (0, 1):
            d = Dataset((6, 10), (2, 3), most=(-1, -1), filters=filters)
            yield f"tree2_{depth}_{name}", d.seed(d.header2(d.layout4(5, struct.pack("<IBB", 2048, 98, 40), tree2(d, depth))))
    d = Dataset((2, 3), (2, 3))
    yield "single", d.seed(d.header2(d.layout4(1, b"", d.chunks()[0][0])))
    d = Dataset((2, 3), (2, 3), filters=(2, 1))
    (chunk,) = d.chunks()
    yield "single_filtered", d.seed(d.header2(d.layout4(1, struct.pack("<QI", chunk[1], 0), chunk[0], flags=2)))
    d = Dataset((6, 9), (2, 3), item=8)
    yield "implicit", d.seed(d.header2(d.layout4(2, b"", d.chunks()[0][0])))
    d = Dataset((3, 4), (0, 0), item=8)
    yield "contiguous", d.seed(d.header1(bytes([3, 1]) + d.put(bytes(range(96))) + struct.pack("<Q", 96)))
    d = Dataset((5,), (0,), item=2)
    yield "compact", d.seed(d.header1(bytes([3, 0]) + struct.pack("<H", 10) + bytes(range(10))))


JPEGS = {
    "baseline": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb"
                "qmx5moq6T/wAALCAAMAAwBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAgX/xAAcEAABBAMBAAAAAAAAAAAAAAAAAQJRYQMEExT/2gAIAQEAAD8A"
                "jpqULyUVkxtgXNsH/9k=",
    "progressive": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb"
                   "qmx5moq6T/wgALCAAMAAwBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAQT/2gAIAQEAAAABja3/xAAWEAEBAQAAAAAAAAAAAAAAAAAAERL/2gAI"
                   "AQEAAQUCyyiP/8QAFBABAAAAAAAAAAAAAAAAAAAAIP/aAAgBAQAGPwIf/8QAFhABAQEAAAAAAAAAAAAAAAAAABEQ/9oACAEBAAE/Ic4Q/9oACA"
                   "EBAAAAEA//xAAYEAEAAwEAAAAAAAAAAAAAAAAAAVFhcf/aAAgBAQABPxCMuUUMH//Z",
    "colour": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H///"
              "/6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAM"
              "AAwDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAwEC/8QAHhAAAQMEAwAAAAAAAAAAAAAABAABAwIRU5IUMlL/xAAUAQEAAAAAAAAAAA"
              "AAAAAAAAAA/8QAFREBAQAAAAAAAAAAAAAAAAAAAAH/2gAMAwEAAhEDEQA/ADpFGzQ7st8UXNFuytI0XlIw0VuqUf/Z",
}


@corpus
def image():
    """PNG and TIFF by hand; JPEG as libjpeg writes 12 x 12 pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(width, height, depth, colour, extra=b"", interlace=0):
        samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        rows = b"".join(bytes([y % 5]) + bytes(i % 251 for i in range((width * samples * depth + 7) // 8)) for y in range(height))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
                + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

    def tiff(order, entries, pixels):
        """One page: the pixels follow the header, the directory follows them. An entry is (tag, type, values)."""
        at = 8 + len(pixels)
        directory = struct.pack(order + "H", len(entries))
        behind, room = b"", at + 2 + 12 * len(entries) + 4
        for tag, kind, values in entries:
            data = struct.pack(f"{order}{len(values)}{'xBxHI'[kind]}", *values)
            place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", room + len(behind))
            behind += data if len(data) > 4 else b""
            directory += struct.pack(order + "HHI", tag, kind, len(values)) + place
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
        return head + pixels + directory + struct.pack(order + "I", 0) + behind

    def strips(order, bits, samples, compression, rows=4, planar=1, photometric=1, extra=()):
        width, height = 9, 8
        n_bytes = (width * (samples if planar == 1 else 1) * bits + 7) // 8 * rows
        data = [bytes((i * 3 + s) % 251 for i in range(n_bytes)) for s in range(height // rows * (1 if planar == 1 else samples))]
        if compression == 8:
            data = [zlib.compress(d) for d in data]
        if compression == 32773:
            data = [b"".join(bytes([len(d[i:i + 100]) - 1]) + d[i:i + 100] for i in range(0, len(d), 100)) for d in data]
        begins = [8 + sum(map(len, data[:i])) for i in range(len(data))]
        entries = [(256, 3, [width]), (257, 3, [height]), (258, 3, [bits] * samples), (259, 3, [compression]), (262, 3, [photometric]),
                   (273, 4, begins), (277, 3, [samples]), (278, 3, [rows]), (279, 4, list(map(len, data))), (284, 3, [planar]), *extra]
        return tiff(order, entries, b"".join(data))

    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            yield f"png_{colour}_{depth}", png(7, 5, depth, colour)
    yield "png_palette", png(6, 3, 4, 3, chunk(b"PLTE", bytes(48)) + chunk(b"tRNS", bytes(5)))
    yield "png_transparent", png(6, 3, 8, 2, chunk(b"tRNS", bytes(6)))
    yield "png_interlaced", png(1, 1, 8, 0, interlace=1)
    for order in "<>":
        for compression in (1, 8, 32773):
            yield f"tiff_{ord(order)}_{compression}", strips(order, 16, 1, compression)
            yield f"tiff_colour_{ord(order)}_{compression}", strips(order, 8, 3, compression, photometric=2)
        yield f"tiff_planes_{ord(order)}", strips(order, 8, 3, 8, planar=2, photometric=2)
        yield f"tiff_bits_{ord(order)}", strips(order, 1, 1, 1, rows=8)
        yield f"tiff_palette_{ord(order)}", strips(order, 8, 1, 8, photometric=3, extra=[(320, 3, list(range(768)))])
    tile = zlib.compress(bytes(i % 251 for i in range(16 * 16 * 4)))
    entries = [(256, 3, [20]), (257, 3, [20]), (258, 3, [32]), (259, 3, [8]), (262, 3, [1]), (277, 3, [1]), (322, 3, [16]), (323, 3, [16]),
               (324, 4, [8, 8, 8, 8]), (325, 4, [len(tile)] * 4), (339, 3, [3])]
    yield "tiff_tiles", tiff("<", entries, tile)
    for name, text in JPEGS.items():
        yield f"jpeg_{name}", base64.b64decode(text)


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
