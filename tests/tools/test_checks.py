"""Each check of tools/ accepts a good tree and fails on a bad one."""
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOP = "/* What this does. */\n"


def run(tool, *arguments, **options):
    return subprocess.run([ROOT / "tools" / tool, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)


@pytest.fixture
def tree(tmp_path):
    """A small project with two folders, high above low."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/architecture.md").write_text("    src/high/   above\n    src/low/    below\n")
    for name in ("high", "low"):
        (tmp_path / "src" / name).mkdir(parents=True)
        (tmp_path / "src" / name / "README.md").write_text(f"# {name}\n")
        (tmp_path / "src" / name / f"{name}.h").write_text("int f(void);\n")
    (tmp_path / "src/high/high.c").write_text(TOP + '#include "high/high.h"\n#include "low/low.h"\n#include "tessera.h"\n')
    (tmp_path / "src/low/low.c").write_text(TOP + '#include "low/low.h"\n#include <stdio.h>\n')
    return tmp_path


def test_layers_accepts_includes_that_go_down(tree):
    assert run("check-layers", tree).returncode == 0


def test_layers_fails_on_an_include_that_goes_up(tree):
    (tree / "src/low/low.c").write_text(TOP + '#include "low/low.h"\n  #  include "high/high.h"\n')
    done = run("check-layers", tree)
    assert done.returncode == 1
    assert "src/low/low.c:3: src/low includes \"high/high.h\"" in done.stdout


def test_layers_fails_on_a_folder_that_is_not_listed(tree):
    (tree / "src/other").mkdir()
    (tree / "src/other/o.c").write_text(TOP)
    done = run("check-layers", tree)
    assert done.returncode == 1 and "src/other is not in the list" in done.stdout


def test_style_accepts_a_good_tree(tree):
    done = run("check-style", tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text, complaint", [
    (TOP + "/* TO" "DO: later */\n", "unfinished mark"),
    (TOP + "#if 0\n#endif\n", "#if 0"),
    ("int x;\n", "does not begin with a comment"),
    (TOP + "int x;\n" * 800, "801 lines, at most 800"),
    (TOP + "/* see /wo" "rk/notes */\n", "a path of one machine"),
])
def test_style_fails_on(tree, text, complaint):
    (tree / "src/low/low.c").write_text(text)
    done = run("check-style", tree)
    assert done.returncode == 1 and complaint in done.stdout


def test_style_fails_on_a_folder_without_readme(tree):
    (tree / "src/low/README.md").unlink()
    done = run("check-style", tree)
    assert done.returncode == 1 and "src/low: no README.md" in done.stdout


def test_exports(tmp_path):
    header, source, library = tmp_path / "t.h", tmp_path / "t.c", tmp_path / "libt.so"
    header.write_text("#define TSR_API\n/* TSR_API int tsr_old(void); */\nTSR_API int tsr_one(void);\n"
                      "TSR_API const char *\ntsr_two(int a);\n")

    def check(code):
        source.write_text(code)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        return run("check-exports", library, header)

    good = "int tsr_one(void) { return 1; } const char *tsr_two(int a) { return 0; }"
    assert check(good).returncode == 0
    for extra, complaint in (("int helper;", "helper: exported, but the name"), ("int tsr_three;", "tsr_three: exported, but not")):
        done = check(good + extra)
        assert done.returncode == 1 and complaint in done.stdout
    done = check("int tsr_one(void) { return 1; }")
    assert done.returncode == 1 and "tsr_two: declared in t.h, but not exported" in done.stdout


def test_format_fails_on_a_badly_formatted_file(tmp_path):
    bad = tmp_path / "bad.c"
    bad.write_text("int  f( void ){return 1 ;}\n")
    shutil.copy(ROOT / ".clang-format", tmp_path)
    assert run("check-format", bad).returncode != 0
    assert run("check-format", "--fix", bad).returncode == 0
    assert run("check-format", bad).returncode == 0


def test_tidy_fails_on_a_bug(tmp_path):
    """A source of the project's own build with a bug in it; only files of the project are looked at."""
    victim = ROOT / "build/tidy-victim.c"
    build = tmp_path / "build"
    build.mkdir()
    try:
        for code, status in (("int f(int a) { return a ? 1 : 2; }\n", 0), ("int f(int a) { int *p = 0; return *p + a; }\n", 1)):
            victim.write_text(code)
            (build / "compile_commands.json").write_text(
                f'[{{"directory": "{build}", "command": "cc -c {victim}", "file": "{victim}"}}]')
            done = run("check-tidy", "--build", build)
            assert done.returncode == status, done.stdout
        assert "null pointer" in done.stdout
    finally:
        victim.unlink(missing_ok=True)


def test_setup_needs_nothing_when_everything_is_present(tmp_path):
    listed = tmp_path / "packages.txt"
    listed.write_text("# nothing is missing\nbuild no-such-package-1 cmd:sh\n")
    done = run("setup", "build", env={**os.environ, "TESSERA_PACKAGES": str(listed)})
    assert done.returncode == 0 and done.stdout == ""


def test_setup_names_what_it_cannot_install(tmp_path):
    """On a system without apt-get the packages are named and nothing else happens."""
    listed = tmp_path / "packages.txt"
    listed.write_text("build no-such-package-1 cmd:no-such-command\nbuild present cmd:sh\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sh", "dirname", "grep", "sort", "env", "id"):
        (tools / name).symlink_to(shutil.which(name))
    done = run("setup", "build", env={"PATH": str(tools), "TESSERA_PACKAGES": str(listed)})
    assert done.returncode == 1
    assert "no-such-package-1" in done.stdout and "present" not in done.stdout


def run_tests_module():
    """tools/run-tests as a module (it has no .py in its name)."""
    if "run_tests" not in sys.modules:
        loader = importlib.machinery.SourceFileLoader("run_tests", str(ROOT / "tools/run-tests"))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
        sys.modules["run_tests"] = module
        write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        loader.exec_module(module)
        sys.dont_write_bytecode = write
    return sys.modules["run_tests"]


@pytest.mark.parametrize("status, text, expected", [
    (0, "1..2\nok 1 - a\nok 2 - b\n", (2, 0, 0)),
    (0, "1..2\nok 1 - a\nnot ok 2 # SKIP b\n", (1, 0, 1)),
    (1, "1..2\nok 1 - a\nnot ok 2 - b\n# 1 != 2\n", (1, 1, 0)),
    (-11, "1..3\nok 1 - a\n", (1, 1, 0)),
    (0, "1..3\nok 1 - a\n", (1, 1, 0)),
    (0, "", (0, 1, 0)),
    (23, "1..1\nok 1 - a\n", (1, 1, 0)),
    (0, "1..1\nok 1 - a\n1..1\nok 1 - b\n", (2, 0, 0)),
])
def test_counting_of_test_programs(status, text, expected):
    count = run_tests_module().count_tap("t", status, text)
    assert (count.passed, count.failed, count.skipped) == expected
    assert len(count.notes) == count.failed


@pytest.mark.parametrize("has_cffi", [True, False])
def test_setup_updates_an_environment_without_cffi(tmp_path, has_cffi):
    """One that an earlier version has made: the build would end with meson's complaint."""
    (tmp_path / "tools").mkdir()
    for name in ("setup", "requirements-test.txt", "requirements-bench.txt"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    python = tmp_path / "build/venv/bin/python3"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/log\n[ "$1" != -c ] || exit {int(not has_cffi)}\n')
    python.chmod(0o755)
    subprocess.run([tmp_path / "tools/setup", "build"], check=True, env={**os.environ, "TESSERA_PACKAGES": "/dev/null"})
    log = (tmp_path / "log").read_text()
    assert ("pip install" in log and "requirements-test.txt" in log) != has_cffi
    assert (tmp_path / "build/venv/stamp-test").exists() != has_cffi
