"""Seeds of the fuzzers of clusters: messages between scheduler, workers and clients, and what a scheduler's journal holds. For make_corpus.py."""
import base64
import struct

CORPORA = {}


def corpus(function):
    CORPORA[function.__name__] = function
    return function


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
    for number in range(16):
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
def journal():
    """Journals: bytes of files, and records. docs: fuzz_journal.c"""
    worker_, lost, job, map_, name, release, shared, answer, function, task = range(10)
    wire = Wire.message

    def numbers(*values):
        return struct.pack(f"<{len(values)}Q", *values)

    def record(kind, head, payload=b"", expressions=False):
        return bytes([kind]) + struct.pack("<HB", len(head), 255 if expressions else len(payload)) + head + payload

    def asked(what, of=b"x", payload=b"", **more):
        return record(shared, wire(f1=3, _2=what, _3=of, **more), payload)

    yield "empty", b"\0"
    yield "other", b"\0#!/bin/sh\n"
    yield "magic", b"\1"
    yield "cut", b"\1" + struct.pack("<QIIQ", 5, 1, 10, 1 << 60) + b"abc"
    two = b"".join(record(worker_, wire(f1=i, _2=b"w%d" % i, _3=b"tcp://127.0.0.1:%d" % (100 + i), _4=1, _5=1 << 20, _10=i)) for i in (1, 2))
    persists = record(job, wire(f1=7, _2=1, _7=1), expressions=True)
    mapped = record(map_, wire(f1=7, _2=9, _3=numbers(1, 2), _4=wire(_1=bytes([0, 2]), _2=bytes([0, 1]))))
    named = record(name, wire(_1=b"x", f2=7, f3=1, _7=1, _8=b"a"))
    yield "published", b"\2" + two + persists + mapped + named
    yield "unnamed", b"\2" + two + persists + mapped + named + record(name, wire(_1=b"x"))
    yield "released", b"\2" + two + persists + mapped + record(release, wire(_1=numbers(7)))
    yield "worker_lost", b"\2" + two + persists + mapped + named + record(lost, wire(_1=numbers(1)))
    yield "out_of_order", b"\2" + mapped + named + record(release, wire(_1=numbers(7))) + record(lost, wire(_1=numbers(1))) + persists + two
    of_nothing = record(job, wire(f1=8, _2=1, _6=numbers(7)), b"no expressions")
    yield "damaged", b"\2" + two + of_nothing + mapped
    shared_ones = (asked(b"variable_set", payload=b"value") + asked(b"queue_put", payload=b"a", _4=2) + asked(b"queue_put", payload=b"b", _4=2) +
                   asked(b"queue_get") + asked(b"semaphore_acquire", _4=2, f8=5, f9=7) + asked(b"event_set", _4=1))
    yield "shared", b"\2" + shared_ones + record(answer, wire(f1=4, _4=2, f7=5), b"a")
    yield "shared_again", b"\2" + shared_ones + asked(b"restart") + shared_ones
    yield "shared_gone", b"\2" + shared_ones + asked(b"variable_delete") + asked(b"queue_delete") + asked(b"semaphore_release", _4=7) + asked(b"event_set")
    yield "queue_is_full", b"\2" + asked(b"queue_put") * 5 + asked(b"queue_put", _4=2)
    called = record(function, wire(f1=0, f2=1, _3=1, _4=b"f", _5=b"x"), b"code")
    first = record(task, wire(f1=0, f2=1, _3=numbers(0, 1), _4=b"\1", _5=b"\4"), b"abc")
    second = record(task, wire(f1=0, f2=1, _3=numbers(0, 2), _4=b"\2", _5=b"\0\4", _6=numbers(0, 1), _9=wire(_1=b"GPU") + b"", _10=b"w1", _8=3), b"abc")
    holds = asked(b"variable_set", _5=numbers(0, 2)) + asked(b"queue_put", _5=numbers(0, 1))
    yield "lineage", b"\2" + called + first + second + holds
    yield "lineage_gone", b"\2" + called + first + second + holds + asked(b"queue_get") + asked(b"variable_delete")
    yield "lineage_backwards", b"\2" + holds + second + first + called + second + first
    yield "lineage_of_itself", b"\2" + called + record(task, wire(f1=0, f2=1, _3=numbers(0, 2), _4=b"\1", _5=b"\0", _6=numbers(0, 2))) + holds


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
