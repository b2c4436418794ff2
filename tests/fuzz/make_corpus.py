#!/usr/bin/env python3
"""Makes the seed corpora of the fuzzers: small, valid files that reach as much of each parser as possible.

usage: make_corpus.py FOLDER [STAMP]

Each function with the decorator @corpus yields (name, bytes) for the folder of its name. Standard library only.
"""
import base64
import pathlib
import struct
import sys
import zlib

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


class Wire:
    """An encoder of the cluster's frames and of protocol buffers, independent of the library's own."""

    @staticmethod
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])

    @classmethod
    def message(cls, **fields):
        """_1=5 is field 1 as a varint, _2=b"x" field 2 as bytes, f7=8 field 7 as fixed64."""
        out = b""
        for name, value in fields.items():
            number = int(name[1:])
            if name[0] == "f":
                out += cls.varint(number << 3 | 1) + struct.pack("<Q", value)
            elif isinstance(value, int):
                out += cls.varint(number << 3) + cls.varint(value)
            else:
                out += cls.varint(number << 3 | 2) + cls.varint(len(value)) + value
        return out

    @staticmethod
    def frame(kind, head=b"", payload=b""):
        return struct.pack("<IIQ", kind, len(head), len(payload)) + head + payload

    @classmethod
    def hello(cls, secret=0, protocol=1, role=2):
        return cls.frame(0xffff0001, cls.message(_1=protocol, _2=b"0.1.0", _3=role, _4=b"name", _5=b"host", _6=77, f7=3,
                                                 _8=bytes(range(32)), _9=secret, _10=b"@tessera-x", _11=30000, _12=1))

    @classmethod
    def proof(cls, mac=b""):
        return cls.frame(0xffff0002, cls.message(_1=mac) if mac else b"")


@corpus
def frame():
    frames = Wire.frame(1, b"head") + Wire.frame(2) + Wire.frame(3, b"head", bytes(300)) + Wire.frame(4, b"", b"x")
    for mode in (0, 1, 2, 3, 7, 64, 255):
        yield f"mode{mode}", bytes([mode]) + b"TESSERA\n" + frames
    yield "big_payload", b"\2TESSERA\n" + Wire.frame(9, b"h", bytes(9000))
    yield "http", b"\0GET / HTTP/1.1\r\n\r\n"
    for i, address in enumerate((b"tcp://127.0.0.1:80", b"tls://[::1]:0", b"unix:///a/b", b"unix://@x", b"tcp://a.b.c:65535")):
        yield f"address{i}", b"\0" + address


@corpus
def handshake():
    for mode in range(8):
        yield f"mode{mode}", bytes([mode]) + Wire.hello(secret=mode >> 1 & 1) + Wire.proof(bytes(32) if mode & 2 else b"")
    yield "version", b"\0" + Wire.hello(protocol=3)
    yield "role", b"\0" + Wire.hello(role=9)
    yield "bye", b"\0" + Wire.frame(0xffff0003, Wire.message(_1=b"no\nreason"))
    yield "other", b"\0" + Wire.hello() + Wire.frame(5, b"abc")


@corpus
def share():
    def record(what, message):
        return bytes([what]) + struct.pack("<H", len(message)) + message

    pool = record(8, Wire.message(_1=5, _2=65536))
    shared = record(2, Wire.message(_1=7, _2=b"head", _3=5, _4=4096, _5=8192, _6=99))
    release = record(1, Wire.message(_1=Wire.varint(1 << 32)))
    yield "all", pool + shared + release
    yield "many", pool + 20 * shared
    yield "withdrawn", pool + shared + record(0, Wire.message(_1=5)) + shared
    yield "not_sealed", record(4, Wire.message(_1=5, _2=65536))
    yield "no_descriptor", record(0, Wire.message(_1=5, _2=65536))
    yield "too_long", pool + record(2, Wire.message(_1=7, _3=5, _4=65530, _5=8192, _6=1))
    yield "twice", pool + pool


@corpus
def packed():
    """Changes to the expressions that fuzz_packed.c makes: which one, then (place, addend) each."""
    for number in range(10):
        yield f"whole_{number}", bytes([number])
        for place in (8, 20, 24, 40, 64, 90):
            yield f"changed_{number}_{place}", bytes([number, place, 0, 1])
    yield "nothing", bytes([255])
    yield "magic", bytes([255]) + b"TSRX0001" + bytes(8)


@corpus
def worker():
    """Messages to a worker: (connection, type, head), and in between a proper job or a pause. docs: fuzz_worker.c"""
    scheduler, peer, guest, job, wait = range(5)

    def record(what, kind=0, head=b"", payload=None):
        return bytes([what, kind, len(head)]) + head + (bytes([payload]) if payload is not None else b"")

    def fetch(request, number, stage=0, first=0, count=1, **more):
        return record(guest, 80, Wire.message(f1=request, f2=number, _3=stage, _7=first, _8=count, **more))

    def map_of(number, epoch, stages, **more):
        return record(scheduler, 64, Wire.message(f1=number, _2=epoch, _3=struct.pack("<QQ", 1, 7)) + b"".join(
            Wire.message(_4=Wire.message(_1=bytes(first), _2=bytes(owner))) for first, owner in stages) + Wire.message(**more))

    pause = record(wait)
    workers = record(scheduler, 65, Wire.message(_1=Wire.message(f1=9, _2=b"tcp://127.0.0.1:1")))
    for number in (0, 1, 2, 8, 9, 10, 16, 17, 24, 25):
        begin = record(job, number) + pause
        yield f"fetch_{number}", begin + b"".join(fetch(i, number, i % 4) for i in range(8)) + pause
        yield f"every_{number}", begin + fetch(1, number, 0, _4=1) + fetch(2, number, 1, _4=1) + pause
        yield f"states_{number}", begin + fetch(1, number, 0, _6=1) + fetch(2, number, 1, _6=1) + pause
        yield f"map_{number}", begin + map_of(number, 5, [([0], [0])] * 3) + map_of(number, 6, [([0, 1], [0, 1])] * 2) + pause
        for name, stages in (("late", [([1], [0])]), ("unequal", [([0, 1], [0])]), ("stranger", [([0], [5])]), ("order", [([0, 2, 1], [0, 1, 0])])):
            yield f"map_{name}_{number}", begin + map_of(number, 5, stages * 3) + pause
        yield f"drop_{number}", begin + fetch(1, number) + record(scheduler, 49, Wire.message(_1=struct.pack("<Q", number)))
        answers = b"".join(record(peer, 96, Wire.message(f1=i, _2=1, _3=0, _4=1), 1) for i in range(1, 4))
        yield f"answers_{number}", begin + fetch(1, number, 1) + pause + answers + pause
        shed = record(scheduler, 51, Wire.message(_1=struct.pack("<QQ", number, 99)))
        yield f"shed_{number}", begin + shed + pause + fetch(1, number) + fetch(2, number, 1) + pause + shed
        yield f"shed_early_{number}", record(job, number) + shed + pause + fetch(1, number, 1) + pause
        for n in (1, 2, 3, 4):
            yield f"copies_{number}_{n}", (begin + map_of(number, 5, [([0], [1])] * n) + pause + map_of(number, 6, [([0], [0])] * n, _5=1) + pause +
                                           record(peer, 97, Wire.message(f2=1, _3=9, _4=b"no")) + pause)
            yield f"careful_{number}_{n}", begin + map_of(number, 5, [([0], [0])] * n, _6=1) + fetch(1, number) + fetch(2, number, 1) + pause * 2
        refusal = record(peer, 97, Wire.message(f2=1, _3=9, _4=b"no"))
        yield f"refusals_{number}", begin + fetch(1, number) + pause + refusal + pause
    yield "early", fetch(1, 0) + fetch(2, 1) + record(guest, 81, Wire.message(f1=2)) + record(job, 0) + pause
    yield "workers", workers + record(job, 8) + pause + workers
    yield "no_job", record(scheduler, 48, Wire.message(f1=5, f3=6, _6=Wire.message(f1=5, _2=1)), 3) + pause
    yield "leave", record(scheduler, 50)
    yield "wrong_side", record(guest, 48) + record(peer, 80) + record(scheduler, 96, b"", 1)


@corpus
def scheduler():
    """What happens to a scheduler: peers come, say something, go; plans are made, time passes. docs: fuzz_scheduler.c"""
    client, worker_role, close, message, plan, wait, retired, journal, made = range(9)

    def say(peer, kind, payload=0, **fields):
        head = Wire.message(**fields)
        return bytes([message, peer, kind, payload, len(head)]) + head

    def numbers(*values):
        return struct.pack(f"<{len(values)}Q", *values)

    def work(peer, number, *jobs):
        return bytes([worker_role, peer]) + say(peer, 32, f1=number, _2=b"w%d" % number, _3=b"tcp://127.0.0.1:%d" % (100 + number), _4=1,
                                                _5=1 << 20, _6=numbers(*jobs))

    def submit(peer, job, payload, persists=0, reads=()):
        return say(peer, 1, payload, f1=job, _2=persists, _6=numbers(*reads), _7=1)

    def report(peer, job, stage=0, block=5):
        return say(peer, 33, _3=3, _7=Wire.message(f1=job, _2=3, _3=stage, _4=block))

    def waits(peer, request, *jobs, **more):
        return say(peer, 7, f1=request, _2=numbers(*jobs), **more)

    def begins(peer, job, stage=0, unit=0, **more):
        return say(peer, 37, **{"f1": job, "_2": 0, "_4": stage, "_5": unit, **more})

    planned, second = bytes([plan, 0]), bytes([wait, 10])
    all_made = bytes([made, 2, made, 3])
    client_here = bytes([client, 0])
    two = work(2, 1) + work(3, 2) + client_here
    gone = b"".join(bytes([close, peer]) + second * 3 for peer in (2, 3))
    for payload in (1, 2, 3):
        for persists in (0, 1):
            job = submit(0, 7, payload, persists) + planned
            name = f"{payload}_{persists}"
            yield f"job_{name}", two + job + report(2, 7) + second + say(0, 2, _1=numbers(7))
            yield f"late_{name}", client_here + job + work(2, 1) + planned + work(3, 2)
            yield f"lost_{name}", two + job + gone + work(4, 3) + planned
            yield f"back_{name}", two + job + bytes([close, 2]) + work(2, 1, 7, 8) + bytes([wait, 60])
            yield f"read_{name}", two + submit(0, 7, payload, 1) + submit(0, 8, 2, persists, [7]) + planned * 2 + say(0, 2, _1=numbers(7))
            yield f"publish_{name}", (two + job + say(0, 3, _1=b"x", f2=7, f3=1, _7=1, _8=b"a") + bytes([client, 1]) +
                                      say(1, 4, _1=b"x", f3=2) + say(0, 2, _1=numbers(7)) + say(1, 3, _1=b"x", f3=3))
            yield f"journal_{name}", (two + job + say(0, 3, _1=b"x", f2=7, f3=1) + bytes([journal, 0]) + work(2, 1, 7) + planned +
                                      client_here + job + bytes([wait, 60]) + bytes([journal, 1]) + planned)
            yield f"failed_{name}", two + job + say(2, 34, f1=7, _3=5, _4=b"no") + job
            yield f"deadly_{name}", (work(2, 1) + work(3, 2) + work(4, 3) + work(5, 4) + client_here + job +
                                     b"".join(report(peer, 7) + bytes([close, peer]) + second * 3 for peer in (2, 3, 4)))
            for what in (b"stop", b"retire", b"restart"):
                yield f"{what.decode()}_{name}", two + job + say(0, 6, f1=4, _2=what) + bytes([retired, 2]) + bytes([close, 2]) + second
            yield f"retire_one_{name}", two + job + say(0, 6, f1=4, _2=b"retire", _3=b"w1") + bytes([retired, 2]) + bytes([close, 2]) + second
            yield f"leaving_{name}", two + job + say(3, 35) + bytes([retired, 3, close, 3]) + second
            yield f"waits_{name}", two + job + waits(0, 5, 7) + waits(0, 6, 7, _3=1) + all_made + waits(0, 8, 7, _4=1)
            yield f"waits_at_once_{name}", two + job + waits(0, 5, 7, _4=1) + waits(0, 6, 7) + say(0, 8, f1=6) + waits(0, 9, 99) + all_made
            yield f"made_lost_{name}", two + job + waits(0, 5, 7) + all_made[:2] + bytes([close, 3]) + second * 3 + all_made
            yield f"waits_gone_{name}", two + job + bytes([client, 1]) + waits(1, 5, 7) + say(0, 2, _1=numbers(7)) + waits(0, 6, 7) + bytes([close, 1])
            yield f"shed_{name}", (two + submit(0, 7, payload, 1) + submit(0, 8, 2, 1, [7]) + planned * 2 + say(0, 2, _1=numbers(7)) + all_made * 2 +
                                   bytes([close, 3]) + second * 3 + planned + all_made * 2 + bytes([journal, 1]) + planned)
            yield f"sheds_{name}", (two + say(0, 1, payload, f1=7, _2=1, _7=1, _9=1) + submit(0, 8, 2, 1, [7]) + planned * 2 + all_made * 2)
            yield f"hand_over_{name}", (work(2, 1) + work(3, 2) + work(4, 3) + client_here + submit(0, 7, payload, 1) + planned + bytes([made, 2, made, 3, made, 4]) +
                                        say(0, 6, f1=4, _2=b"retire", _3=b"w1") + all_made + bytes([made, 4, wait, 250] * 3) + bytes([close, 2]) + second)
            yield f"hand_over_lost_{name}", (work(2, 1) + work(3, 2) + work(4, 3) + client_here + submit(0, 7, payload, 1) + planned +
                                             bytes([made, 2, made, 3, made, 4]) + say(0, 6, f1=4, _2=b"retire", _3=b"w1") +
                                             bytes([close, 3]) + second * 3 + planned + bytes([made, 4, close, 2]) + second * 3)
            yield f"begins_{name}", (work(2, 1) + work(3, 2) + work(4, 3) + work(5, 4) + client_here + job + b"".join(
                begins(peer, 7) + bytes([close, peer]) + second * 3 + begins(peer + 1, 7, 1, 2) for peer in (2, 3, 4)))
            yield f"begins_others_{name}", (work(2, 1) + work(3, 2) + work(4, 3) + work(5, 4) + client_here + job + bytes([close, 2]) + second * 3 +
                                            begins(3, 7, 0, 1) + begins(3, 7, 0, 2, _2=1) + begins(4, 7, 0, 1, _7=1) + bytes([close, 3]) + second * 3 +
                                            begins(4, 7, _6=1) + begins(5, 7, _3=1) + bytes([close, 4]) + second * 3 + bytes([close, 5]) + second * 3)
    yield "status", two + submit(0, 7, 1) + planned + say(0, 5, f1=3)
    for payload in (1, 2, 3):
        yield f"where_{payload}", (two + submit(0, 7, payload, 1) + planned + say(0, 9, f1=3, _2=numbers(7)) + bytes([close, 2]) +
                                   say(0, 9, f1=4, _2=numbers(7, 7)) + say(0, 9, f1=5, _2=numbers(8)))
    yield "restart_journal", two + submit(0, 7, 2, 1) + planned + say(0, 6, f1=4, _2=b"restart") + bytes([journal, 0]) + second
    yield "damaged", two + submit(0, 7, 4) + planned + submit(0, 8, 0)
    yield "hints", two + say(0, 1, 1, f1=9, _4=Wire.message(_1=Wire.varint(2) + Wire.varint(1 << 20))) + planned
    yield "wrong_side", two + say(0, 32) + say(2, 1, 1) + say(3, 99) + say(2, 7) + say(0, 36) + say(0, 37)
    for kind in (7, 8):
        yield f"unreadable_{kind}", two + say(0, kind)[:-1] + bytes([2, 255, 255])
    for kind in (36, 37):
        yield f"unreadable_{kind}", two + say(2, kind)[:-1] + bytes([2, 255, 255])
    yield "two_connections", two + work(4, 1) + submit(0, 7, 1) + planned + bytes([close, 2])


@corpus
def client():
    """Messages to a client that fetches blocks: (what, type, head). docs: fuzz_client.c"""
    scheduler, worker, workers, a_map, block, lose, persist, ask = range(8)

    def record(what, kind=0, head=b"", payload=None):
        return bytes([what, kind, len(head)]) + head + (bytes([payload]) if payload is not None else b"")

    begin = record(workers) + record(a_map, 2)
    blocks = b"".join(record(block, i) for i in (0, 1, 2, 7))
    yield "blocks", begin + blocks + blocks
    yield "late_workers", record(a_map, 2) + record(workers) + blocks
    yield "two_maps", begin + record(block, 0) + record(a_map, 5) + record(a_map, 4) + record(a_map, 6) + blocks
    yield "lost", begin + record(block, 1) + record(lose) + record(workers) + record(a_map, 2) + blocks + record(lose)
    yield "abandoned", begin + record(block, 8) + record(block, 9) + record(lose) + blocks
    yield "persisted", record(persist) + begin + blocks + record(persist)
    refused = Wire.message(f1=5, _3=1, _4=b"no")
    yield "refused", record(scheduler, 16, refused) + begin + record(worker, 97, Wire.message(f2=65536, _3=9, _4=b"no"))
    yield "progress", begin + record(scheduler, 20, Wire.message(f1=5, _2=3, _3=4, _4=1)) + blocks
    yield "answers", record(scheduler, 17, Wire.message(_1=b"x", f2=3, f3=1)) + record(scheduler, 18, Wire.message(f1=1)) + record(
        scheduler, 19, Wire.message(f1=1, _2=b"done"))
    waits, done = record(ask, 0), record(scheduler, 19, Wire.message(f1=1))
    yield "waits", record(persist) + waits + done + done
    yield "waits_and_is_refused", record(persist) + waits + record(scheduler, 16, Wire.message(f2=1, _3=9, _4=b"no")) + done
    yield "waits_twice", waits + record(ask, 1) + record(scheduler, 19, Wire.message(f1=2)) + waits + done
    yield "asks", b"".join(record(ask, i) + record(scheduler, 19, Wire.message(f1=i % 4 + 1, _2=b"done")) for i in range(16))
    yield "waits_with_progress", record(persist) + waits + record(scheduler, 20, Wire.message(f1=5, _2=3, _3=4, _4=1)) + done
    yield "others", record(scheduler, 65, Wire.message(_1=Wire.message(f1=9, _2=b"tcp://127.0.0.1:1"))) + begin + blocks
    yield "made_up", begin + record(worker, 96, Wire.message(f1=65536, _2=1, _3=0, _4=1), 5) + blocks
    yield "wrong_side", record(worker, 64) + record(scheduler, 96, b"", 1) + record(scheduler, 80)


def rows(mask):
    """Bytes for fuzzers whose inputs are rows of messages that the bytes choose, so that any make sense."""
    state = 1
    for number in range(64):
        row = bytearray()
        for _ in range(200):
            state = (state * 1664525 + 1013904223) % 2**32
            row.append(state >> 24 & (mask if number % 2 else 0xFF))
        yield f"row_{number}", bytes(row)


@corpus
def tasks():
    """docs: fuzz_tasks.c"""
    yield from rows(0xE3)
    # Copies are wanted after a worker was lost: its empty place was looked at.
    yield "lost_before_copies", base64.b64decode(
        "aQICAgLh4yKDAR8hAgEAgQLAIELBAIICIeBgg0LCoUHAQUDAwoNjIILgICJiQqPhY8BDAcCAoAKD4wMAAAAAAACggsJgoeKhQiMCISOgYWCigwOhgcFAgEEA//f/Pf///"
        "/////+hIuBCAiJiAGKTAAAAwWDiA0+C4iMD4uFBw+Dj4ULBAIICIeBgg0LCQ+OgYCHi")


class TaskMessages:
    """Whole messages about tasks, as records of fuzz_worker_tasks.c and fuzz_client_tasks.c: who, type, head, payload."""

    @staticmethod
    def record(who, kind, *data):
        return bytes([who | kind << 2, *data])

    @staticmethod
    def raw(who, kind, head=b"", payload=0):
        return bytes([who, kind - 128, len(head)]) + head + bytes([payload])

    @staticmethod
    def numbers(*values):
        return struct.pack(f"<{len(values)}Q", *values)

    def of_all_types(self, who):
        """One message of each type that makes sense, and one that does not."""
        two, wire = self.numbers(0, 1), Wire.message
        heads = {128: wire(f1=0, f2=1, _3=3, _4=b"f", _7=b"f"), 160: wire(f1=0, f2=1, _3=two, _4=b"\x01", _5=b"\x05", _10=1),
                 161: wire(_1=two), 162: wire(f1=1, _4=2), 163: wire(f1=0, f2=1), 164: wire(_1=two, _2=self.numbers(7)),
                 144: wire(_1=two, _2=b"\x04", _3=b"\x01", _4=self.numbers(7)), 145: wire(f1=0, f2=1, _3=2, _4=b"no"),
                 146: wire(_1=two, _3=3), 147: wire(f1=1, _3=b"x", _4=5, _5=two, _6=self.numbers(7)),
                 192: wire(_1=wire(f1=7, _2=b"w", _3=b"nowhere")), 208: wire(f1=1, f2=0, f3=1), 209: wire(f1=2, f2=0, f3=2),
                 210: wire(f1=3, f2=0, f3=1), 211: wire(f1=3, f2=0, f3=1), 212: wire(f1=1, f2=0, f3=1, _4=2, _5=b"no")}
        good = b"".join(self.raw(who, kind, head, 4 if kind in (144, 160, 209, 210) else 0) for kind, head in heads.items())
        return good + b"".join(self.raw(who, kind, head[:-1] + b"\xff", 3) for kind, head in heads.items())


@corpus
def worker_tasks():
    """docs: fuzz_worker_tasks.c"""
    yield from rows(0xAF)
    m = TaskMessages()
    scheduler, peer, other, guest = range(4)
    raw, run, _, function, keys, data, _, peers, take, end, spill, lose = range(12)
    for who in range(4):
        yield f"every_type_{who}", m.of_all_types(who) + m.record(scheduler, take) + m.record(scheduler, end, 8) + m.of_all_types(who)
    begin = m.record(scheduler, function, 9) + m.record(scheduler, function, 10) + m.record(scheduler, function, 11)
    wants_one = begin + m.record(scheduler, run, 0, 14, 3)  # a task of one argument, the result 1, which worker 7 has
    finish = m.record(scheduler, take) + m.record(scheduler, end, 8)
    yield "fetched", wants_one + m.record(peer, data, 0, 2) + finish + m.record(guest, data, 2, 0)
    yield "refused", wants_one + m.record(peer, data, 0, 3) + finish
    yield "lost", wants_one + m.record(peer, lose) + wants_one + m.record(peer, data, 0, 2) + m.record(scheduler, lose) + finish
    yield "freed", wants_one + m.record(peer, data, 0, 2) + m.record(scheduler, take) + m.record(scheduler, keys, 2, 0) + finish
    large = m.record(guest, data, 250, 1) + m.record(guest, data, 251, 1) + m.record(scheduler, spill) * 2
    yield "spilled", large + m.record(guest, data, 250, 0) + m.record(scheduler, spill) * 2 + m.record(scheduler, keys, 10, 0)
    yield "recalled", begin + m.record(scheduler, run, 2, 1, 2, 3) + m.record(scheduler, keys, 222, 0) + finish


@corpus
def client_tasks():
    """docs: fuzz_client_tasks.c"""
    yield from rows(0xAF)
    m = TaskMessages()
    scheduler, peer, other, stranger = range(4)
    raw, submit, finished, state, answer, data, peers, ask, of, flush, lose, use, _ = range(13)
    for who in range(4):
        yield f"every_type_{who}", m.record(0, submit, 2, 5) + m.record(0, ask, 1) + m.of_all_types(who) + m.of_all_types(who)
    begin = m.record(scheduler, submit, 2, 5) + m.record(scheduler, flush)
    yield "carried", begin + m.record(scheduler, finished, 0, 132) + m.record(scheduler, use, 0, 2)
    yield "fetched", begin + m.record(scheduler, finished, 8, 12) + m.record(scheduler, use, 0, 2) + m.record(peer, data, 0) + m.record(
        scheduler, use, 0, 2)
    # A result that is here, and then is said to be larger: the bytes beyond it were read.
    yield "two_sizes", begin + m.record(scheduler, finished, 0, 132) + m.record(scheduler, finished, 0, 60) + m.record(scheduler, use, 0, 2)
    yield "failed", begin + m.record(scheduler, state, 48) + m.record(scheduler, use, 6, 2) + m.record(scheduler, use, 4, 2)
    yield "again", begin + m.record(scheduler, lose) + m.record(scheduler, finished, 0, 132) + m.record(scheduler, use, 9, 2)
    yield "called", begin + m.record(scheduler, use, 5, 2) + m.record(scheduler, finished, 0, 132) + m.record(scheduler, use, 8, 2)
    yield "answered", m.record(scheduler, ask, 1) + m.record(scheduler, answer, 1) + m.record(scheduler, ask, 65) + m.record(peer, data, 129)


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
