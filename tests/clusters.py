"""Clusters of real processes for tests and for tools/soak: each scheduler, worker and client is a process that can be killed, stopped
and started again, on this host or in network namespaces that stand for hosts."""
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time
import uuid

MARK = "TESSERA_TEST_MARK"  # in the environment of all that a test starts, so that what is left over is found
# Seconds that anything may take on a busy machine: waiting costs nothing when all is well. A test that gives less gets these.
PATIENCE = 180 if "TESSERA_SANITIZED" in os.environ else 60


# Seconds of work, all of whose blocks travel: a mean over everything, a transposition, sums along the other axis.
ROWS = 3000 if "TESSERA_SANITIZED" in os.environ else 16000
LONG = f"x = random.normal(0, 1, size=({ROWS}, 4000), seed=5, chunks=(500, 500)); z = (x - x.mean(axis=0)) / x.std(axis=0); " \
       "y = cumsum(exp(sin(z)) * arctan(cos(z) + z) + log1p(abs(tanh(z))), axis=0); w = cumsum(transpose(y), axis=0); w.mean(axis=1) + y.max(axis=0)"


class Late(AssertionError):
    """Something did not happen in time."""


def wait_until(condition, seconds=PATIENCE, what="the condition"):
    """Waits until condition() is true, and returns what it gave."""
    seconds = max(seconds, PATIENCE)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Late(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A run of the program; standard error goes to a file."""

    def __init__(self, program, *arguments, log, env=None, host=None):
        prefix = ["ip", "netns", "exec", host] if host else []
        self.log_path = pathlib.Path(log)
        self.is_told = False  # somebody sent it a signal that ends it
        with open(self.log_path, "ab") as err:
            self.popen = subprocess.Popen([*prefix, str(program), *map(str, arguments)], stdout=subprocess.PIPE, stderr=err, text=True,
                                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        self.pid = self.popen.pid  # `ip netns exec` becomes the program

    def first_line(self, seconds=PATIENCE):
        """What it prints first: the address of a scheduler, worker or cluster."""
        ready, _, _ = select.select([self.popen.stdout], [], [], seconds)
        line = self.popen.stdout.readline().strip() if ready else ""
        assert line, f"nothing printed (exit code {self.popen.poll()}): {self.log()}"
        if os.environ.get("TESSERA_SANITIZED"):  # ThreadSanitizer loses signals that come while the line is still being written
            time.sleep(0.3)
        return line

    def log(self):
        return self.log_path.read_text(errors="replace")

    def send(self, number):
        self.is_told |= number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        os.kill(self.pid, number)

    def running(self):
        return self.popen.poll() is None

    def wait(self, seconds=PATIENCE):
        """The exit code."""
        seconds = max(seconds, PATIENCE)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Late(f"process {self.pid} has not ended within {seconds} s: {self.log()[-2000:]}") from None

    def end(self, number=signal.SIGTERM, seconds=PATIENCE):
        if self.running():
            self.send(number)
            if number != signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):
                    self.send(signal.SIGCONT)
        code = self.wait(seconds)
        self.popen.stdout.close()
        return code


def sockets_of(pid):
    """Inodes of a process's sockets."""
    found = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd))
            if match:
                found.add(match[1])
    return found


def sockets_of_the_system():
    found = set()
    for name, column in (("unix", 6), ("tcp", 9), ("tcp6", 9)):
        for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if len(fields) > column:
                found.add(fields[column])
    return found - {"0"}


def marked(mark):
    """Processes (not zombies) that carry the mark."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")))
    return found


class Cluster:
    """A scheduler and workers. `hosts`: network namespaces, the scheduler's first, then one for each worker. `several`: the addresses that
    workers and clients are given, where the scheduler may come to another one."""

    def __init__(self, program, folder, n_workers=2, threads=1, memory="300M", journal=False, listen=None, options=(), hosts=None,
                 worker_listen=None, several=None):
        self.program, self.folder, self.options = program, pathlib.Path(folder), list(options)
        self.threads, self.memory, self.hosts, self.worker_listen, self.several = threads, memory, hosts, worker_listen, several
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.mark = uuid.uuid4().hex
        self.env = {MARK: self.mark, "TMPDIR": str(self.scratch)}
        self.shm_before = set(os.listdir("/dev/shm"))
        self.sockets = set()
        self.journal = ["--journal", self.folder / "journal"] if journal else []
        self.address = None
        self.started = []  # (name, process)
        self.scheduler, self.workers, self.n_started = None, [], 0
        try:
            self.start_scheduler(listen or "tcp://127.0.0.1:0")
            for i in range(n_workers):
                self.start_worker(i)
            if n_workers:
                self.wait_for_workers(n_workers)
        except BaseException:
            self.kill_all()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_all()

    def start(self, name, *arguments, host=None):
        process = Process(self.program, *arguments, log=self.folder / f"{name}.log", env=self.env, host=host)
        self.started.append((name, process))
        return process

    @property
    def known(self):
        """Where others look for the scheduler."""
        return self.several or self.address

    def start_scheduler(self, listen=None):
        """The first time at `listen`, later where it was."""
        self.scheduler = self.start("scheduler", "scheduler", "--listen", listen or self.address, *self.journal, *self.options, "--log-level",
                                    "debug", host=self.hosts and self.hosts[0])
        self.address = self.scheduler.first_line()

    def start_worker(self, i, *options):
        """Worker i, for the first time or again."""
        self.n_started += 1
        listen = ["--listen", self.worker_listen[i]] if self.worker_listen else []
        worker = self.start(f"worker-{i}", "worker", self.known, "--name", f"w{i}", "--threads", self.threads, "--memory", self.memory,
                            "--scratch", self.scratch, *listen, *self.options, "--log-level", "debug", *options,
                            host=self.hosts and self.hosts[i + 1])
        if i < len(self.workers):
            self.workers[i] = worker
        else:
            self.workers.append(worker)
        return worker

    def status(self, timeout=PATIENCE):
        command = [str(self.program), "status", self.known, "--json", *map(str, self.options)]
        if self.hosts:
            command = ["ip", "netns", "exec", self.hosts[0], *command]
        done = subprocess.run(command, text=True, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **self.env})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def names(self):
        return sorted(w["name"] for w in self.status()["workers"])

    def wait_for_workers(self, n, seconds=PATIENCE):
        wait_until(lambda: len(self.status()["workers"]) == n, seconds, f"{n} workers")

    def client(self, name, expression, *arguments, host=None):
        """An evaluation that runs beside the test."""
        return self.start(name, "eval", "--cluster", self.known, *self.options, expression, *arguments,
                          host=host or (self.hosts and self.hosts[0]))

    def start_long(self, host=None):
        """LONG in its first half: (client, its file). The workers stand still until go_on(), so that what is done to anybody comes in time."""
        out = self.folder / "long.npy"
        for _ in range(10):  # where processors are few and busy, it may be over before it was looked at
            client = self.client("long", LONG, "-o", out, "-q", host=host)
            wait_until(lambda: any(j["tasks_done"] > 0 for j in self.status()["jobs"]) or not client.running(), what="work")
            for worker in self.workers:
                worker.send(signal.SIGSTOP)
            if any(0 < j["tasks_done"] <= j["tasks_total"] / 2 for j in self.status()["jobs"]) and client.running():
                return client, out
            client.end(signal.SIGKILL)
            self.go_on()
            assert "error" not in client.log(), client.log()
            out.unlink(missing_ok=True)
            wait_until(lambda: self.status()["jobs"] == [], what="the end of the job")
        raise AssertionError("over too soon, each time")

    def go_on(self):
        for worker in self.workers:
            if worker.running():
                worker.send(signal.SIGCONT)

    def evaluate(self, expression, *files, seconds=120, name="client"):
        """The bytes of the .npy that the cluster makes of an expression."""
        out = self.folder / f"{name}-{uuid.uuid4().hex[:8]}.npy"
        client = self.client(name, expression, *files, "-o", out, "-q")
        try:
            code = client.wait(seconds)
        finally:
            client.end(signal.SIGKILL)
        assert code == 0, f"exit code {code}: {client.log()}"
        data = out.read_bytes()
        out.unlink()
        return data

    def note_sockets(self):
        for process in self.everybody():
            with contextlib.suppress(OSError):
                self.sockets |= sockets_of(process.pid)

    def everybody(self):
        return [p for p in [self.scheduler, *self.workers] if p and p.running()]

    def stop(self):
        """As people do it; then nothing may be left."""
        self.note_sockets()
        command = [str(self.program), "stop", self.known, *map(str, self.options)]
        if self.hosts:
            command = ["ip", "netns", "exec", self.hosts[0], *command]
        done = subprocess.run(command, text=True, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **self.env})
        assert done.returncode == 0, done.stdout
        codes = [p.wait() for p in self.everybody()]
        assert codes == [0] * len(codes), f"exit codes {codes}"
        self.kill_all()
        self.check_nothing_left()

    def kill_all(self):
        for process in [self.scheduler, *self.workers]:
            if process:
                process.end(signal.SIGKILL)
        for pid, _ in marked(self.mark):  # children of `tessera cluster` and clients; they carry this cluster's mark only
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def check_everybody_was_well(self):
        """Nobody crashed, or said what sanitizers say."""
        for name, process in self.started:
            code = process.popen.poll()
            if not process.is_told:
                well = code is None or code == 0 if name.startswith(("scheduler", "worker")) else code is None or code >= 0
                assert well, f"{name} ended with {code}: {process.log()[-3000:]}"
        for log in self.folder.glob("*.log"):
            found = re.search(r"^.*(Sanitizer: |runtime error: )", log.read_text(errors="replace"), re.M)
            assert not found, f"{log.name}: {log.read_text(errors='replace')[found.start():][:5000]}"

    def check_nothing_left(self):
        """Processes, shared memory, scratch files, sockets; and how everybody ended."""
        self.check_everybody_was_well()
        wait_until(lambda: not marked(self.mark), 10, f"the end of {marked(self.mark)}")
        assert {n for n in set(os.listdir("/dev/shm")) - self.shm_before if "tessera" in n} == set()
        assert list(self.scratch.iterdir()) == []
        assert not self.sockets & sockets_of_the_system()


def finish_long(client, out, answer):
    assert client.wait(180) == 0, client.log()
    client.end()
    assert out.read_bytes() == answer


def threads_answer(program, folder, expression, *files, seconds=300):
    """The bytes of the .npy that this process's threads make: what every cluster must make too."""
    out = pathlib.Path(folder) / f"threads-{uuid.uuid4().hex[:8]}.npy"
    done = subprocess.run([str(program), "eval", expression, *map(str, files), "-o", str(out), "-q"], text=True, timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    data = out.read_bytes()
    out.unlink()
    return data
