"""The programs `python -m tessera worker` and `python -m tessera scheduler`: with the options of `tessera worker` and `tessera scheduler`.

A worker here runs Python functions, too. It is there, and runs the first of them, before NumPy is imported: this file uses nothing but the
extension, and what runs functions (LIGHT) is imported without the package around it, which follows when somebody asks for it.
"""
from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

LOOK_SECONDS = 0.1
AHEAD_SECONDS = 0.5
LIGHT = ("_tasks", "_security")  # these, and what they import, do without NumPy
PATIENCE_SECONDS = 0.5  # for functions that run when the process is to end
LEVELS = ("debug", "info", "warning", "error")


def _extension():
    """tessera._tessera, without the package around it."""
    module = sys.modules.get("tessera._tessera")
    if module is None:
        from importlib.machinery import ExtensionFileLoader, ModuleSpec

        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_tessera.abi3.so")
        loader = ExtensionFileLoader("tessera._tessera", path)
        module = loader.create_module(ModuleSpec(loader.name, loader, origin=path))
        sys.modules[loader.name] = module
        loader.exec_module(module)
    return module


ffi, lib = _extension().ffi, _extension().lib


class Log:
    """The log of a scheduler or a worker in this process, as the program `tessera` writes it. The library writes lines without Python's lock."""

    def __init__(self, role: str, level: str, is_json: bool, path: str | None) -> None:
        self.handle = lib.glue_logger_new(role.encode(), _text(path), LEVELS.index(level), is_json)
        if not self.handle:
            raise OSError(ffi.string(lib.tsr_error_message()).decode(errors="replace"))

    def write(self, level: int, text: str) -> None:
        lib.glue_logger_write(self.handle, level, text.encode(errors="replace"))

    def silence(self) -> None:
        lib.glue_logger_silence(self.handle)

    def fill(self, settings) -> None:
        """Options of a scheduler or a worker."""
        settings.log, settings.log_context = ffi.addressof(lib, "glue_log"), self.handle


# What the library calls imports the rest of the package when it is needed; the imported modules put their own functions here.


_import_lock = threading.RLock()  # modules that import each other must not be imported by two threads at a time


def _import(name: str):
    import importlib

    with _import_lock:
        _import_light()
        if name not in LIGHT:
            importlib.import_module("tessera")  # whole, also where another thread has begun with it: its modules import each other
        return importlib.import_module(f"tessera.{name}")


def _import_light() -> None:
    """Imports what runs functions. Something that is called as the package is there meanwhile, so that the package itself is not imported;
    no function of a user has run by then."""
    if "tessera._tasks" in sys.modules or "tessera" in sys.modules:
        return
    import importlib

    package = sys.modules["tessera"] = type(sys)("tessera")
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    try:
        for name in LIGHT:
            importlib.import_module(f"tessera.{name}")
    finally:
        del sys.modules["tessera"]


@ffi.def_extern(error=lib.TSR_ERR_INTERNAL)
def glue_save(context, function, out, size):
    return _import("_codec").save(context, function, out, size)


@ffi.def_extern(error=lib.TSR_ERR_INTERNAL)
def glue_load(context, session, data, size, function):
    return _import("_codec").load(context, session, data, size, function)


@ffi.def_extern(error=lib.TSR_ERR_INTERNAL)
def glue_task(context, function, size, n_args, args, result):
    return _ready().run(context, function, size, n_args, args, result)


_about: dict = {}  # of this worker
_ready_lock = threading.Lock()


def _ready():
    """The module that runs tasks, told of this worker."""
    tasks = _import("_tasks")
    with _ready_lock:
        if tasks.worker is None and _about:
            security = _import("_security").Security(**_about["security"])
            tasks.worker = tasks.Worker(**{**_about, "security": security})
    return tasks


# ---- Options ----------------------------------------------------------------------------------------------------------------


DEFAULTS = {"threads": 0, "memory": "0", "scratch": None, "isa": None, "name": None, "resources": None, "libraries": None, "no_import": False, "listen": None,
            "secret_file": None, "ca": None, "cert": None, "key": None, "log_level": "info", "log_format": "text", "log_file": None,
            "scheduler_file": None, "parent_pipe": None, "quiet": False, "grace": 30}


def _parser(role: str):
    import argparse

    parser = argparse.ArgumentParser(prog=f"python -m tessera {role}", allow_abbrev=False)
    if role == "worker":
        parser.add_argument("scheduler", nargs="?", help="the scheduler's address, tcp://head:8786")
        parser.add_argument("--scheduler-file", help="instead: the file that 'tessera scheduler --scheduler-file' writes; waits for it")
        parser.add_argument("-j", "--threads", type=int, default=0)
        parser.add_argument("-m", "--memory", default="0", help="budget for blocks, such as 4G")
        parser.add_argument("--scratch", help="folder where blocks are spilled")
        parser.add_argument("--isa", help="instruction set of the kernels")
        parser.add_argument("--name", help="its name for people")
        parser.add_argument("--resources", help="what functions can ask for, such as 'GPU=1 license=2'")
        parser.add_argument("--libraries", help="folders of shared libraries whose functions tasks may call (default: any)")
        parser.add_argument("--grace", type=int, help="after a signal, others have so many seconds to take over what it holds (default: 30)")
        parser.add_argument("--no-import", action="store_true", help="import NumPy only when a function comes")
    else:
        parser.add_argument("--journal", help="note what exists in this file")
    parser.add_argument("--listen", help="address to listen on")
    for option in ("secret-file", "ca", "cert", "key"):
        parser.add_argument(f"--{option}")
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--log-file")
    parser.add_argument("--parent-pipe", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--quiet", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(**DEFAULTS)
    return parser


def _text(text):
    return ffi.new("char[]", os.fsencode(text)) if text else ffi.NULL


def _bytes(size: str) -> int:
    """As tessera._config.parse_bytes, which needs NumPy."""
    number = size.rstrip("bBiI")
    unit = number[-1:].lower()
    powers = {"k": 1, "m": 2, "g": 3, "t": 4}
    if unit not in powers:
        return int(float(number))
    decimal = not size.lower().endswith("ib") and size.lower().endswith("b")
    return int(float(number[:-1]) * (1000 if decimal else 1024) ** powers[unit])


def _security(options) -> dict:
    given = {"secret_file": options.secret_file or os.environ.get("TESSERA_SECRET_FILE"), "ca_file": options.ca, "cert_file": options.cert,
             "key_file": options.key}
    return {name: path for name, path in given.items() if path}


def _fill(struct, values: dict) -> list:
    kept = [(name, _text(text)) for name, text in values.items()]
    for name, text in kept:
        setattr(struct, name, text)
    return kept


def _follow(pipe: int | None) -> None:
    """Ends this process when the other end of the pipe is gone, which the parent holds as long as it lives."""
    if pipe is None:
        return

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


class _Signals:
    """SIGTERM and SIGINT as numbers to look at: the last one, and how many came."""

    def __init__(self) -> None:
        self.came = self.count = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _note(self, number, frame) -> None:
        self.came, self.count = number, self.count + 1


class _Children:
    """What functions fork: ordinary processes, which end with this one.

    The handlers of this worker's signals only note them, so a pool of `multiprocessing` could not end its processes. Nor would these ever find
    out that they are alone, as each of them holds both ends of the pipes that they wait for; so the end of this process kills them: the system
    sends what is asked for (F_SETSIG) when nobody can write to a pipe any more, and the other end of that is here only."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self._reads, self._writes = os.pipe()
        self._before = threading.local()  # the signals that a thread took before it forked
        os.register_at_fork(before=self._hold_signals, after_in_parent=self._take_signals, after_in_child=self._begin)

    def _hold_signals(self) -> None:
        self._before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)  # one that comes at once must not be lost

    def _take_signals(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before.mask)

    def _begin(self) -> None:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._end_with_parent()
        finally:
            self._take_signals()

    def _end_with_parent(self) -> None:
        import fcntl

        self.end()
        # Opened anew, as each process has to ask for itself.
        inherited, self._reads = self._reads, os.open(f"/proc/self/fd/{self._reads}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.close(inherited)
        fcntl.fcntl(self._reads, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self._reads, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(self._reads, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        with contextlib.suppress(BlockingIOError):
            os.read(self._reads, 1)
            os._exit(1)  # it has ended meanwhile

    def end(self) -> None:
        """Ends them."""
        writes, self._writes = self._writes, -1
        if writes >= 0:
            os.close(writes)


def _fail() -> int:
    print(f"tessera: {ffi.string(lib.tsr_error_message()).decode(errors='replace')}", file=sys.stderr)
    return 1


def _end(stop) -> None:
    plugins = sys.modules.get("tessera._plugins")
    if plugins is not None:
        try:
            plugins.end()
        except Exception as error:  # it ends anyway
            print(f"tessera: a plugin failed at the end: {type(error).__name__}: {error}", file=sys.stderr)
    stop()


def _leave(log: Log, signals: _Signals, leave, wait, seconds: int) -> None:
    """Others take over what only this worker has, until that is done, the time is up, or another signal comes."""
    if signals.count > 1 or not seconds:
        return
    log.write(1, f"leaving, by signal {signals.came}: others have {seconds} s to take over what is here; another signal ends it at once")
    end = time.monotonic() + seconds
    done = leave() != lib.TSR_OK
    while not done and signals.count == 1 and time.monotonic() < end:
        done = wait(LOOK_SECONDS)
    if not done:
        log.write(2, "not everything that this worker has was taken over by others")


def _serve(name: str, log: Log, signals: _Signals, wait, stop, address: str, quiet: bool, leave=None, grace: int = 0, children=None) -> None:
    if not quiet:
        print(address, flush=True)
    log.write(1, f"listening on {address}")
    asked = False
    while not signals.came and not asked:
        asked = wait(LOOK_SECONDS)
    if not asked and leave is not None:
        _leave(log, signals, leave, wait, grace)
    log.write(1, f"ending, by signal {signals.came}" if signals.came else "ending, since it was asked for")
    log.silence()  # connections that end now are no news
    stopping = threading.Thread(target=_end, args=(stop,), daemon=True)
    stopping.start()
    stopping.join(PATIENCE_SECONDS)
    if children is not None:
        children.end()  # or Python would wait for them
    if stopping.is_alive():  # a function does not end
        tasks = sys.modules.get("tessera._tasks")
        if tasks is not None and tasks.worker is not None:
            tasks.worker.clean()
        os._exit(0)


def _scheduler(options, log: Log, signals: _Signals) -> int:
    settings = ffi.new("tsr_scheduler_options *")
    kept = _fill(settings, {"listen": options.listen, "journal": options.journal}), _fill(settings.security, _security(options))
    log.fill(settings)
    out = ffi.new("tsr_scheduler **")
    if lib.tsr_scheduler_start(settings, out) != lib.TSR_OK:
        return _fail()
    _serve("scheduler", log, signals, lambda s: lib.tsr_scheduler_wait(out[0], s), lambda: lib.tsr_scheduler_stop(out[0]),
           ffi.string(lib.tsr_scheduler_address(out[0])).decode(), options.quiet)
    return 0


def start_worker(scheduler: str, *, threads: int = 0, memory: int = 0, listen=None, name=None, scratch=None, isa=None, resources=None, libraries=None,
                 security=None, log=None):
    """Starts a worker in this process that runs Python functions: the C handle, and what must stay alive with it. None: it failed."""
    settings = ffi.new("tsr_worker_options *", {"n_threads": threads, "memory_bytes": memory})
    runs = f"python{sys.version_info.major}.{sys.version_info.minor}"
    kept = [_fill(settings, {"scheduler": scheduler, "listen": listen, "name": name, "scratch_dir": scratch, "isa": isa, "resources": resources}),
            _fill(settings, {"task_folders": libraries or "*"}),  # Python functions can call anything anyway
            _fill(settings.security, security or {}), ffi.new("tsr_function_codec *", {"save": lib.glue_save, "load": lib.glue_load}), _text(runs)]
    kept.append(ffi.new("tsr_task_runner *", {"call": lib.glue_task, "runs": kept[-1]}))
    settings.codec, settings.runner = kept[3], kept[5]
    if log is not None:
        log.fill(settings)
    out = ffi.new("tsr_worker **")
    return (out[0], kept) if lib.tsr_worker_start(settings, out) == lib.TSR_OK else None


def _find_scheduler(options, signals: _Signals) -> bool:
    """The address from the file, if it is to come from there. False: a signal came before the file."""
    while not options.scheduler and not signals.came:
        import json

        try:
            with open(options.scheduler_file, encoding="utf-8") as file:
                options.scheduler = json.load(file)["address"]
        except FileNotFoundError:
            time.sleep(LOOK_SECONDS)
        except (ValueError, KeyError, TypeError):
            raise SystemExit(f"tessera: {options.scheduler_file!r} names no scheduler; it is a JSON object with an \"address\"") from None
    return not signals.came


def _worker(options, log: Log, signals: _Signals) -> int:
    if not _find_scheduler(options, signals):
        return 128 + signals.came
    children = _Children()
    # The thread that runs C callbacks first has to be known to Python before anything of the package is looked at.
    made = start_worker(options.scheduler, threads=options.threads, memory=_bytes(options.memory), listen=options.listen, name=options.name,
                        scratch=options.scratch, isa=options.isa, resources=options.resources, libraries=options.libraries, security=_security(options), log=log)
    if made is None:
        return _fail()
    worker, kept = made
    address = ffi.string(lib.tsr_worker_address(worker)).decode()
    _about.update(address=address, scheduler=options.scheduler, name=options.name or address, nthreads=options.threads or len(os.sched_getaffinity(0)),
                  security=_security(options), local_directory=os.getcwd())
    if not options.no_import:
        threading.Thread(target=_import_soon, daemon=True).start()
        ahead = threading.Timer(AHEAD_SECONDS, _import_ahead)  # not while the first results are made
        ahead.daemon = True
        ahead.start()
    _serve("worker", log, signals, lambda s: lib.tsr_worker_wait(worker, s), lambda: lib.tsr_worker_stop(worker), address, options.quiet,
           lambda: lib.glue_worker_leave(worker), options.grace, children)
    return 0


def _import_soon() -> None:
    """What the first function needs."""
    _ready()
    with contextlib.suppress(ImportError):  # the function says so
        sys.modules["tessera._pickling"].cloudpickle()


def _import_ahead() -> None:
    """What the first function of arrays needs."""
    with contextlib.suppress(ImportError):
        _import("_codec")


def main(arguments: list[str]) -> int:
    """Runs a worker or a scheduler until a signal or the cluster ends it."""
    if not arguments or arguments[0] not in ("worker", "scheduler"):
        print("usage: python -m tessera worker SCHEDULER [options]\n       python -m tessera scheduler [options]", file=sys.stderr)
        return 2
    parser = _parser(arguments[0])
    options = parser.parse_args(arguments[1:])
    if arguments[0] == "worker" and bool(options.scheduler) == bool(options.scheduler_file):
        parser.error("the scheduler's address is needed, or --scheduler-file, and not both")
    return _run(arguments[0], options)


def child(**given) -> int:
    """A worker of a LocalCluster, with these options, those of `_parser` (which takes as long to import as all else here)."""
    with contextlib.suppress(AttributeError):  # there is none
        sys.stdout.reconfigure(line_buffering=True)  # what functions print is seen at once
    return _run("worker", type("options", (), {**DEFAULTS, **given}))


def _run(role: str, options) -> int:
    _follow(options.parent_pipe)
    signals = _Signals()
    try:
        log = Log(role, options.log_level, options.log_format == "json", options.log_file)
    except OSError:
        return _fail()
    return (_worker if role == "worker" else _scheduler)(options, log, signals)
