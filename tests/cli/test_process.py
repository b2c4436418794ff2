"""The program as a process: signals, pipes, terminals, leftovers."""
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

LONG = "random.normal(0, 1, size=(200000, 40000), seed=1).std()"  # a minute or more


def start(tessera, *arguments, **options):
    return subprocess.Popen([tessera.path, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture
def late(tessera):
    """The names of the libraries that this program opens when it needs them."""
    header = pathlib.Path(tessera.path).parent / "src/base/libraries.h"
    names = dict(re.findall(r'#define LIBRARY_(\w+) "(.+)"', header.read_text())) if header.exists() else {}
    return names or pytest.skip("built with -Dlate_libraries=false")


def test_few_libraries_are_opened_at_the_start(tessera, late):
    loaded = subprocess.run(["ldd", tessera.path], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "libc.so" in loaded
    assert [name for name in late.values() if name in loaded] == []


@pytest.mark.parametrize("name, arguments", [("HDF5", ["-o", "x.nc4"]), ("CAIRO", ["--plot", "x.png"])])
def test_a_library_that_cannot_be_opened(tessera, late, tmp_path, name, arguments):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / late[name]).write_text("no library")
    before = os.environ.get("LD_LIBRARY_PATH", "")
    failed = tessera("eval", "x = arange(10.0)", *arguments, cwd=tmp_path, env={"LD_LIBRARY_PATH": f"{tmp_path}/broken:{before}"})
    assert failed.code == 1 and f"this needs the library {late[name]}, which cannot be opened: " in failed.stderr
    assert os.listdir(tmp_path) == ["broken"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_it_at_once_and_leave_nothing(tessera, tmp_path, number, code):
    process = start(tessera, "eval", f"x = {LONG}; y = random.normal(0, 1, size=(200000, 40000), seed=2)", "-o", tmp_path / "x.nc4")
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)  # 0.2 s on an idle machine; the work would take much longer
    assert process.returncode == code
    assert out == "" and "interrupted" in err
    assert os.listdir(tmp_path) == []


def test_sigint_while_nothing_is_written(tessera):
    process = start(tessera, "eval", LONG)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "interrupted" in err


def test_an_older_output_survives_a_signal(tessera, tmp_path):
    path = tmp_path / "x.nc"
    path.write_text("precious")
    process = start(tessera, "eval", "random.normal(0, 1, size=(20000, 40000), seed=2)", "-o", path)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143 and path.read_text() == "precious" and os.listdir(tmp_path) == ["x.nc"]


def test_after_kill_9_the_next_run_succeeds(tessera, tmp_path):
    """A killed run leaves nothing; where the file system has no files without names, a hidden one beside the output."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = ["eval", "x = random.normal(0, 1, size=(4000, 40000), seed=2); y = x - mean(x, 0)", "-o", tmp_path / "y.nc",
                 "--scratch", scratch, "--memory", "64M"]
    process = start(tessera, *arguments)
    time.sleep(1)
    process.kill()
    process.communicate()
    assert not (tmp_path / "y.nc").exists()
    assert all(re.fullmatch(r"\.y\.nc\.tmp-\d+", name) for name in os.listdir(tmp_path) if name != "scratch")
    tessera.ok("eval", "ones(3)", "-o", tmp_path / "y.nc", "--scratch", scratch)
    assert os.listdir(scratch) == []


def test_a_closed_pipe_ends_it_quietly(tessera):
    for arguments in (["help", "functions"], ["eval", "arange(1000)"], ["info", "/nonexistent"]):
        process = start(tessera, *arguments)
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(20) in (-signal.SIGPIPE, 0, 1)
        assert "Traceback" not in err and "core" not in err


def test_a_pipe_that_stops_reading(tessera):
    done = subprocess.run(f"{tessera.path} help functions | head -1", shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout == "Elementwise\n" and done.stderr == ""


@pytest.mark.parametrize("target", ["/dev/full", None])
def test_standard_output_that_cannot_be_written(tessera, target):
    redirection = f">{target}" if target else ">&-"
    for command in ("eval 'arange(10)'", "help", "--version", "eval 1"):
        done = subprocess.run(f"{tessera.path} {command} {redirection}", shell=True, text=True, stderr=subprocess.PIPE)
        assert done.returncode == 1 and "cannot write to standard output" in done.stderr


def test_closed_standard_error(tessera):
    assert subprocess.run(f"{tessera.path} eval meen 2>&-", shell=True).returncode == 1
    assert subprocess.run(f"{tessera.path} eval 1+1 2>&- <&-", shell=True, stdout=subprocess.PIPE).stdout == b"2\n"


def on_terminal(tessera, *arguments):
    """What the program writes to standard error when that is a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([tessera.path, *map(str, arguments)], stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    text = b""
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        try:
            data = os.read(master, 65536) if ready else b""
        except OSError:
            data = b""
        if not data:
            break
        text += data
    os.close(master)
    return process.wait(60), process.stdout.read().decode(), text.decode()


def test_progress_on_a_terminal(tessera):
    code, out, err = on_terminal(tessera, "eval", "random.normal(0, 1, size=(60000, 2000), seed=1).std()", "-j1")
    assert code == 0 and abs(float(out) - 1) < 0.01
    assert re.search(r"\r\x1b\[K *\d+% ", err) and "█" in err
    assert err.endswith("\r\x1b[K")  # the bar is removed


def test_no_progress_when_quiet_or_short(tessera):
    assert on_terminal(tessera, "eval", "random.normal(0, 1, size=(30000, 2000), seed=1).std()", "--quiet")[2] == ""
    assert on_terminal(tessera, "eval", "ones(5).sum()")[2] == ""


def test_progress_as_lines(tessera, pattern, tmp_path):
    err = tessera("eval", "z = t2m - mean(t2m, time)", pattern, "-o", tmp_path / "z.nc", "--progress").stderr
    assert re.search(r"^100 %  [\d.]+ [kM]B  ", err, re.M)
    assert "\r" not in err and "\x1b" not in err
    assert tessera("eval", "mean(t2m)", pattern).stderr == ""


def test_many_files_with_few_descriptors(tessera, tmp_path):
    tessera.ok("sample", tmp_path, "--days", 300, "--grid", "3x4", "-q")
    command = f"ulimit -n 40; {tessera.path} eval 't2m.shape[0], mean(t2m) > 200' '{tmp_path}/*.nc'"
    assert subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE).stdout == "1200\nTrue\n"


def test_memory_is_kept(tessera, tmp_path):
    """1.6 GB of intermediate data with a budget of 100 MB: the peak of the process stays below twice the budget."""
    # Whoever starts a program lends it their own peak: between it and us stands a small one.
    small = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-S", "-c", small, tessera.path, "eval",
                           "x = random.normal(0, 1, size=(2000, 100000), seed=3); ((x - mean(x, 0)) ** 2).mean()",
                           "--memory", "100M", "--scratch", tmp_path, "-j2"], capture_output=True, text=True, check=True)
    value, peak_kb = done.stdout.split()
    assert abs(float(value) - 1) < 0.01
    assert int(peak_kb) < 200 * 1024


@pytest.mark.skipif("TESSERA_SANITIZED" in os.environ, reason="such a build has one instruction set")
def test_a_machine_without_the_instruction_set(tessera):
    assert tessera.ok("eval", "ones(5).sum()", env={"TESSERA_ISA": "x86-64-v2"}) == "5.0\n"
    assert "x86-64-v9" in tessera.fails("eval", "ones(5).sum()", env={"TESSERA_ISA": "x86-64-v9"})
