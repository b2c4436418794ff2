"""info, sample, help, completion and the manual."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import netCDF4
import numpy as np
import pytest
import xarray

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = ["eval", "info", "plot", "sample", "cluster", "scheduler", "worker", "status", "stop", "cert", "help", "completion"]


# ---- info -----------------------------------------------------------------------------------------------------------


def test_info(tessera, era):
    text = tessera.ok("info", era / "2014-01-01.nc")
    assert text.startswith(f"{era}/2014-01-01.nc: NetCDF-3 (classic), ")
    assert re.search(r"^  time +4 \(unlimited\)$", text, re.M)
    assert re.search(r"^  t2m\(time 4, latitude 37, longitude 72\) int16$", text, re.M)
    assert re.search(r"^ +values +2014-01-01 \.\.\. 2014-01-01T18:00$", text, re.M)
    assert re.search(r"^ +values +90\.0 \.\.\. -90\.0$", text, re.M)
    assert re.search(r"^ +scale_factor +0\.0025$", text, re.M)
    assert re.search(r"^ +size +21\.3 kB, not compressed$", text, re.M)


def test_info_of_compressed_chunks(tessera, tmp_path):
    tessera.ok("eval", "x = arange(1e5).reshape((100, 1000))", "-o", tmp_path / "x.nc4", "--deflate", 4)
    text = tessera.ok("info", tmp_path / "x.nc4")
    assert re.search(r"chunks +\(\d+, \d+\)", text)
    assert re.search(r"size +800 kB, [\d.]+ kB stored \(.*deflate 4.*ratio [\d.]+\)", text)


def test_info_of_many_files_and_patterns(tessera, era):
    text = tessera.ok("info", era / "2014-01-03.nc", f"{era}/2014-01-0[12].nc")
    assert re.findall(r"^(\S+\.nc): NetCDF", text, re.M) == [f"{era}/2014-01-0{n}.nc" for n in (3, 1, 2)]


def test_a_bad_file_does_not_hide_the_others(tessera, era, tmp_path):
    (tmp_path / "junk.nc").write_text("junk")
    done = tessera("info", tmp_path / "junk.nc", era / "2014-01-01.nc")
    assert done.code == 1 and "junk.nc" in done.stderr and "t2m(" in done.stdout


def test_info_json(tessera, era):
    one, = json.loads(tessera.ok("info", "--json", era / "2014-01-01.nc"))
    assert one["dimensions"]["time"] == {"length": 4, "unlimited": True}
    names = {v["name"]: v for v in one["variables"]}
    assert names["t2m"]["shape"] == [4, 37, 72] and names["t2m"]["attributes"]["units"] == "K"
    assert names["t2m"]["bytes"] == 4 * 37 * 72 * 2
    assert json.loads(tessera("info", "--json", "/nonexistent.nc").stdout) == []


def test_info_of_npy(tessera, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 4), "f4"))
    assert "float32" in tessera.ok("info", tmp_path / "x.npy")


# ---- sample ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, dtype", [([], "int16"), (["--dtype", "f4"], "float32"), (["--format", "nc4", "--deflate", "2"], "int16")])
def test_sample(tessera, tmp_path, options, dtype):
    text = tessera.ok("sample", tmp_path / "era", "--days", 3, "--grid", "19x36", "--start", "2012-02-28", *options)
    assert "3 daily files" in text
    assert sorted(os.listdir(tmp_path / "era")) == ["2012-02-28.nc", "2012-02-29.nc", "2012-03-01.nc"]
    with netCDF4.Dataset(tmp_path / "era/2012-02-29.nc") as d:
        assert d["t2m"].dtype == dtype and d["t2m"].shape == (4, 19, 36)
        if "--deflate" in options:
            assert d["t2m"].filters()["complevel"] == 2
    with xarray.open_dataset(tmp_path / "era/2012-02-29.nc") as d:
        assert str(d.time.values[1]).startswith("2012-02-29T06")
        assert 180 < float(d.t2m.min()) < float(d.t2m.max()) < 330
        tropics, poles = d.t2m.sel(latitude=slice(10, -10)).mean(), d.t2m.sel(latitude=slice(90, 80)).mean()
        assert tropics > poles + 20


def test_the_default_sample_is_a_quarter_degree(tessera, tmp_path):
    tessera.ok("sample", tmp_path, "--days", 1)
    assert "t2m(time 4, latitude 721, longitude 1440) int16" in tessera.ok("info", tmp_path / "2014-01-01.nc")


def test_the_same_seed_gives_the_same_files(tessera, tmp_path):
    for name, options in {"a": ["-j1"], "b": ["-j3"], "c": ["--seed", "2"]}.items():
        tessera.ok("sample", tmp_path / name, "--days", 2, "--grid", "19x36", *options)
    a, b, c = ((tmp_path / name / "2014-01-02.nc").read_bytes() for name in "abc")
    assert a == b != c


def test_images(tessera, tmp_path):
    tessera.ok("sample", tmp_path, "--days", 0, "--images", 3)
    stack = np.load(tmp_path / "stack.npy")
    assert stack.shape == (3, 512, 512) and stack.dtype == "uint16" and len(np.unique(stack)) > 100
    assert not np.array_equal(stack[0], stack[1])
    assert tessera.ok("eval", "x.max(axis=(1, 2)).shape", f"x={tmp_path}/stack.npy") == "(3,)\n"


# ---- Help -----------------------------------------------------------------------------------------------------------


def test_help_names_every_command(tessera):
    text = tessera.ok("--help")
    assert text == tessera.ok("help") == tessera.ok("-h")
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.M)
    assert "Exit codes:" in text and "Environment:" in text and max(map(len, text.split("\n"))) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_commands(tessera, command):
    text = tessera.ok(command, "--help")
    assert text == tessera.ok("help", command)
    assert text.startswith(f"Usage: tessera {command} [OPTIONS]")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_in_the_help_are_right(tessera, command, tmp_path):
    """Every example of eval and plot is run on sample files of the names that it uses."""
    text = tessera.ok(command, "--help")
    examples = [line.strip() for line in text.split("\n") if line.startswith("  tessera ")]
    if command in ("eval", "plot"):
        assert len(examples) >= 4
        tessera.ok("sample", tmp_path / "era", "--days", 6, "--grid", "37x72", "-q")
        shutil.copy(tmp_path / "era/2014-01-01.nc", tmp_path)
        tessera.ok("sample", tmp_path, "--days", 1, "--grid", "37x72", "--images", 2, "-q")
        shutil.copy(ROOT / "examples/centroid.c", tmp_path)
        for name in ("one.nc", "two.nc"):
            tessera.ok("eval", "tas = t2m", tmp_path / "2014-01-01.nc", "-o", tmp_path / name)
        for example in examples:
            done = subprocess.run(example.replace("tessera", str(tessera.path), 1).replace("2e8", "2e5"), shell=True, cwd=tmp_path,
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, f"{example}\n{done.stdout}"


def test_help_of_one_function(tessera):
    listed = tessera.ok("help", "functions")
    for name in ("mean", "random.normal", "anomaly"):
        text = tessera.ok("help", name)
        assert text.startswith(f"  {name}(") and text.count("\n") == 2 and text in listed
    assert tessera.ok("help", "hypot") == "  hypot(x, y)\n      of each element, as in NumPy\n"


def test_help_of_functions(tessera):
    text = tessera.ok("help", "functions")
    for name in ("mean(x, axis|dim=None, keepdims=False)", "histogram(", "groupby(", "random.normal(", "arctan2", "where("):
        assert name in text


def test_version(tessera):
    assert re.fullmatch(r"tessera \d+\.\d+\.\d+\n", tessera.ok("--version"))


# ---- Completion -----------------------------------------------------------------------------------------------------


def complete(tessera, tmp_path, *words):
    """What bash offers for the last of the words."""
    script = tmp_path / "completion.bash"
    script.write_text(tessera.ok("completion", "bash"))
    line = " ".join(f"'{w}'" for w in words)
    run = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _tessera; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", run], check=True, text=True, stdout=subprocess.PIPE, cwd=tmp_path).stdout.split()


def test_bash_completion(tessera, tmp_path):
    (tmp_path / "data.nc").write_text("")
    assert set(COMMANDS) <= set(complete(tessera, tmp_path, "tessera", ""))
    assert complete(tessera, tmp_path, "tessera", "ev") == ["eval"]
    assert complete(tessera, tmp_path, "tessera", "eval", "--thr") == ["--threads"]
    assert complete(tessera, tmp_path, "tessera", "eval", "--format", "") == ["nc", "nc4", "npy"]
    assert "data.nc" in complete(tessera, tmp_path, "tessera", "eval", "1", "da")
    assert complete(tessera, tmp_path, "tessera", "plot", "--cmap", "vi") == ["viridis"]


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])])
def test_completion_scripts(tessera, tmp_path, shell, check):
    script = tmp_path / "script"
    script.write_text(tessera.ok("completion", shell))
    text = script.read_text()
    for word in ("eval", "threads", "memory", "sample"):
        assert word in text
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed; its script was only looked at")
    subprocess.run([*check, script], check=True)


def test_completions_say_what_the_help_says(tessera):
    """Word for word: in zsh the text of an option stands between brackets, in fish behind -d, each in its shell's quotes."""
    zsh, fish = tessera.ok("completion", "zsh"), tessera.ok("completion", "fish")
    shown = subprocess.run(["bash", "-c", "printf '%s\\n' " + re.search(r"eval\) _arguments (.*?) ;;", zsh, re.DOTALL)[1]], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    in_zsh = {m[1]: re.sub(r"\\(.)", r"\1", m[2]) for m in re.finditer(r"--([\w-]+)\[((?:[^\]\\]|\\.)*)\]", shown)}
    in_fish = {m[1]: re.sub(r"\\(.)", r"\1", m[2]) for m in re.finditer(r"from eval' -l ([\w-]+).* -d '((?:[^'\\]|\\.)*)'$", fish, re.MULTILINE)}
    help_text = " ".join(tessera.ok("eval", "--help").split())
    for texts in (in_zsh, in_fish):
        assert {"output", "trace", "ca", "title", "quiet"} <= set(texts) and "tls://" in texts["ca"] and "variable's" in texts["title"]
        for name, text in texts.items():
            assert text in help_text, name
    assert in_zsh == in_fish
    assert "files\\: dimensions" in zsh and "files: dimensions" in fish


def test_the_completions_in_docs_are_these(tessera):
    for shell in ("bash", "zsh", "fish"):
        path = ROOT / "docs/completion" / f"tessera.{shell}"
        assert path.read_text() == tessera.ok("completion", shell), f"run: build/tessera completion {shell} > {path}"


# ---- The manual -----------------------------------------------------------------------------------------------------

PAGES = {"tessera.1": [], **{f"tessera-{c}.1": [c] for c in COMMANDS if c != "help"}}


@pytest.mark.parametrize("page", PAGES)
def test_the_manual_is_what_the_program_says(tessera, page):
    path = ROOT / "docs/man" / page
    assert path.read_text() == tessera.ok("manual", *PAGES[page]), f"run: build/tessera manual {' '.join(PAGES[page])} > {path}"


@pytest.mark.parametrize("page", PAGES)
def test_the_manual_has_all_of_the_help(tessera, page):
    """Options, examples, exit codes and environment variables of --help are all in the page, as man shows it."""
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    done = subprocess.run(["man", "--warnings", "-l", ROOT / "docs/man" / page], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "MANWIDTH": "400", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and not done.stderr, done.stderr
    shown = " ".join(done.stdout.replace("\u2010", "-").replace("\u2212", "-").split())
    text = tessera.ok(*PAGES[page], "--help")
    for option in re.findall(r"^ +(?:-\w, )?(--[\w-]+(?: [A-Z]+)?)", text, re.M):
        assert option in shown
    for example in re.findall(r"^  (tessera .*)$", text, re.M):
        assert " ".join(example.split()) in shown
    if page == "tessera.1":
        for word in ("TESSERA_ISA", "TMPDIR", "TESSERA_OPTIMIZE", "130"):
            assert word in shown


# ---- Text in files --------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path):
    """A file whose texts are Latin-1 and talk to terminals."""
    path = tmp_path / "hostile.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as d:
        d.createDimension("n", 5)
        v = d.createVariable("v", "f4", ("n",))
        v[:] = range(5)
        v.units = "XXC"
        v.long_name = "red \x1b[31m and \x07"
        d.title = "\x1b]0;title\x07"
    path.write_bytes(path.read_bytes().replace(b"XXC", b"\xb0C\x00"))
    return path


def test_files_do_not_talk_to_the_terminal(tessera, hostile, tmp_path):
    for arguments in (["info", hostile], ["eval", "v", hostile], ["eval", "v", hostile, "-o", tmp_path / "o.nc"], ["eval", "v + \x1b[31m", hostile],
                      ["eval", "v", tmp_path / "\x1b[31m.nc"], ["eval", "v", hostile, "--explain"]):
        done = tessera(*arguments)
        assert "\x1b" not in done.stdout + done.stderr and "\x07" not in done.stdout + done.stderr
    assert r"red \x1b[31m and \x07" in tessera.ok("info", hostile)


def test_latin_1_is_understood(tessera, hostile, tmp_path):
    assert json.loads(tessera.ok("eval", "v", hostile, "--json"))["units"] == "\u00b0C"
    for extension in ("png", "svg", "pdf"):
        tessera.ok("plot", hostile, "v", "-o", tmp_path / f"x.{extension}")


def test_the_mistake_in_the_readme(tessera, era, tmp_path):
    text = (ROOT / "README.md").read_text()
    command, shown = re.search(r"^    \$ tessera (.*)\n((?:    .*\n)+)", text, re.M).groups()
    (tmp_path / "era").symlink_to(era)
    done = subprocess.run(f"{tessera.path} {command}", shell=True, text=True, cwd=tmp_path, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr == re.sub(r"^    ", "", shown, flags=re.M)
