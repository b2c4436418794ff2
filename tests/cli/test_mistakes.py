"""Everything a newcomer gets wrong: one message that names the token, the file or the dimension, and exit code 1 or 2."""
import os
import stat
import subprocess

import pytest

# Expression, what the message says, what the carets point at.
EXPRESSIONS = [
    ("meen(t2m)", "unknown function 'meen'; did you mean 'mean'?", "meen"),
    ("t2m.meen()", "unknown function 'meen'; did you mean 'mean'?", "meen"),
    ("np.sine(t2m)", "unknown function 'sine'; did you mean 'sin'?", "sine"),
    ("random.norml(0, 1)", "did you mean 'random.normal'?", "norml"),
    ("mean(t2n)", "unknown name 't2n'; did you mean 't2m'?", "t2n"),
    ("temperature", "the files hold t2m, time, latitude, longitude", "temperature"),
    ("mean(t2m, tme)", "'tme'", "tme"),
    ("mean(t2m, 'lattitude')", "did you mean 'latitude'?", "'lattitude'"),
    ("mean(t2m, axis=7)", "axis 7 is out of range", "7"),
    ("mean(t2m, (time, 0))", "named twice", "0"),
    ("mean(t2m, axes=0)", "mean has no argument 'axes'; did you mean 'axis'?", "axes"),
    ("mean()", "mean needs an argument 'x'", "mean()"),
    ("mean(1, 2, 3, 4)", "mean takes at most 3 arguments", "4"),
    ("sin(1, 2)", "sin takes at most 1 argument: sin(x)", "2"),
    ("arctan2(t2m)", "arctan2 needs an argument 'y'", "arctan2(t2m)"),
    ("mean(t2m, axis=0, axis=1)", "'axis' is given twice", "axis"),
    ("t2m[lat=30]", "did you mean 'latitude'?", "lat"),
    ("t2m[100]", "index 100 is out of range for dimension time of 't2m', which has length 16", "100"),
    ("t2m[:, -38]", "-38", "-38"),
    ("t2m[0, 0, 0, 0]", "4 indices for an array of 3 dimensions", "[0, 0, 0, 0]"),
    ("ones(3)[[0, 5]]", "index 5 is out of range for axis 0, which has length 3", "[0, 5]"),
    ("ones((3, 4))[1, 7]", "index 7 is out of range for axis 1, which has length 4", "7"),
    ("ones(3)[time=0]", "an array without names has no dimension 'time'", "time"),
    ("t2m[latitude=31.3]", "nearest", "latitude=31.3"),
    ("t2m[time=\"2015\"]", "2015", "time=\"2015\""),
    ("t2m[time=\"yesterday\"]", "yesterday", "time=\"yesterday\""),
    ("t2m['2014']", "select labels by name", "'2014'"),
    ("t2m[::0]", "the step of a slice cannot be 0", "::0"),
    ("t2m[t2m[0] > 300]", "a mask for axis 0 must have one dimension", "t2m[0] > 300"), ("t2m[True]", "where(condition, x, nan)", "True"),
    ("delete(ones(3), 5)", "index 5 is out of bounds for axis 0 with size 3", "delete(ones(3), 5)"), ("insert(ones(3), [0.5], 1)", "a whole number", "[0.5]"),
    ("compress([1], t2m, (0, 1))", "compress works along one dimension", "(0, 1)"), ("where(ones(3), 1)", "a condition alone, or three arguments", "where(ones(3), 1)"),
    ("split(t2m, 5, time)", "5 parts of axis 0 of length 16 are not an equal division", "split(t2m, 5, time)"), ("split(t2m, 0)", "must be 1 to 10000, found 0", "0"),
    ("unstack(zeros(10001))", "10001 parts, at most 10000", "unstack(zeros(10001))"), ("dsplit(ones(3), 1)", "3 or more dimensions", "dsplit(ones(3), 1)"),
    ("meshgrid([[1, 2]], 'yx')", "the indexing is", "'yx'"), ("rollaxis(t2m, time, 4)", "the start 4 is out of range", "4"), ("fliplr(ones(3))", "must have 2 or more", "fliplr(ones(3))"),
    ("histogram2d([1], [2], 3, 1)", "range needs two pairs", "1"), ("diag_indices(2, 99)", "1 to 16 dimensions", "99"), ("array_equal([1])", "needs an argument 'b'", "array_equal([1])"),
    ("t2m[[True, 2]]", "a list of positions holds no True", "[True, 2]"), ("t2m[[True, False]]", "a mask for axis 0 must have one dimension of length 16", "[True, False]"),
    ("insert([[1, 2]], 1, [1, 2, 3], 0)", "insert: the values are 3 long along axis 1, where 2 are to be filled", "insert([[1, 2]], 1, [1, 2, 3], 0)"),
    ("rolling(t2m, time=3, min_periods=9).mean()", "'min_periods' is no argument of rolling and no dimension: rolling(x, time=5)", "min_periods"),
    ("rolling(t2m, tme=3).mean()", "did you mean 'time'?", "tme"), ("rolling(t2m, time=0).mean()", "a window of 0 elements; it takes 1 at least", None),
    ("rolling(t2m, time=99).mean()", "a window of 99 does not fit into dimension time of 't2m', which has length 16", None),
    ("resample(t2m, time='1D').mean()", "'1D' is no period of time; there are year, season, quarter, month, day, hour (of several: '5 days')", None),
    ("resample(t2m, latitude='day').mean()", "'latitude' is not a time coordinate", None), ("resample(t2m, 'day').mean()", "resample(x, time=\"month\")", "resample(t2m, 'day')"),
    ("matvec(ones(2), ones(2))", "operand 0 has one dimension, matrices have two at least", "matvec(ones(2), ones(2))"),
    ("ones(3) @ ones(2)", "do not fit together: their last axes are summed", "ones(3) @ ones(2)"),
    ("take_along_axis(ones(3), [7])", "index 7 is out of bounds for axis 0 with size 3", None),
    ("t2m[1.5]", "a whole number is needed here, found 1.5", "1.5"),
    ("t2m(0)", "cannot be called; select with brackets", "t2m"),
    ("groupby(t2m, time.mnth).mean()", "did you mean 'month'?", "mnth"),
    ("groupby(t2m, time.month)", "reduce them", "groupby(t2m, time.month)"),
    ("anomaly(t2m, month)", "unknown name 'month'; did you mean 'time.month'?", "month"),
    ("anomaly(t2m, 'hour')", "'t2m' has no dimension 'hour'; did you mean 'time.hour'?", None),
    ("t2m.astype(flot32)", "unknown name 'flot32'; did you mean 'float32'?", "flot32"),
    ("t2m.astype('flot32')", "unknown dtype 'flot32'; did you mean 'float32'?", "'flot32'"),
    ("rndom.normal(size=3)", "unknown name 'rndom'; did you mean 'random'?", "rndom"),
    ("mean(t2m, dimension=time)", "mean has no argument 'dimension'; did you mean 'dim'?", "dimension"),
    ("resample(t2m, time='month').men()", "there is no reduction 'men'; did you mean 'mean'?", None),
    ("t2m.foo", "an array has no 'foo'", "foo"),
    ("t2m.mean", "'mean' is a function; call it: x.mean(...)", "mean"),
    ("mean", "'mean' is a function; call it: mean(...)", "mean"),
    ("np", "an array is needed here, found a module", "np"),
    ("ones(3) + ones(4)", "(3,)", "ones(3) + ones(4)"),
    ("t2m + latitude[:5]", "latitude", "t2m + latitude[:5]"),
    ("sin('text')", "found a string", "'text'"),
    ("1 / 0", "division by zero", "1 / 0"),
    ("10 ** 400", "", "10 ** 400"),
    ("(1 + 2", "this '(' is never closed", "("),
    ("1 + 2)", "')' closes nothing", ")"),
    ("[1, 2", "this '[' is never closed", "["),
    ("t2m[1", "this '[' is never closed", "["),
    ("(1, 2]", "", "]"),
    ("\"abc", "this string has no closing quote", "\"abc"),
    ("1 +", "found the end of the expression", None),
    ("1 2", "found '2'", "2"),
    ("mean(t2m,, time)", "found ','", ","),
    ("1 $ 2", "'$' does not belong in an expression", "$"),
    ("a = b = 2", "one assignment at a time", "="),
    ("True = 1", "'True' cannot be assigned to", "True"),
    ("a, b = 1", "2 names stand before '='", "a, b = 1"),
    ("a, b = ones(3)", "2 names stand before '='", "a, b = ones(3)"),
    ("1 if 2 else 3", "use where(condition, a, b)", "if"),
    ("lambda x: x", "functions cannot be defined here", "lambda"),
    ("t2m @ t2m", "matmul", "t2m @ t2m"),
    ("[[1, 2], [3]]", "the list is ragged", "[[1, 2], [3]]"),
    ("zeros(0).max()", "zero-size", "zeros(0).max()"),
    ("zeros(-1)", "a dimension cannot have the length -1", "-1"),
    ("zeros((1e9, 1e9, 1e9))", "2^", "zeros((1e9, 1e9, 1e9))"),
    ("zeros(1e30)", "a whole number is needed here, found 1e+30", "1e30"),
    ("ones((" + "1, " * 40 + "))", "", None),
    ("t2m.reshape((7, 7))", "reshape", "t2m.reshape((7, 7))"),
    ("arange(0, 1, 0)", "", None),
    ("quantile(t2m, 1.5)", "must lie between 0 and 1, found 1.5", "1.5"),
    ('quantile(t2m, 0.5, method="best")', "'best' is not a valid method; there are linear inverted_cdf", 'quantile(t2m, 0.5, method="best")'),
    ("quantile(t2m, 0.5, weights=t2m)", "only method 'inverted_cdf' supports weights, got 'linear'", "quantile(t2m, 0.5, weights=t2m)"),
    ('histogram(t2m, "best")', "'best' is not a valid estimator", '"best"'),
    ("histogram(t2m, 0)", "bins must be between 1 and", "0"),
    ("random.normal(0, 1, size=3, seed=-1)", "a seed cannot be negative: -1", "-1"),
    ("ones(3, dtype='int7')", "unknown dtype 'int7'", "'int7'"),
    ("concatenate([ones(2), ones((2, 2))])", "concatenate", "concatenate([ones(2), ones((2, 2))])"),
    ("(" * 5000 + "1" + ")" * 5000, "brackets are nested more than 64 deep", "("),
    ("+".join(["1"] * 20000), "more than 1000 operations follow each other", None),
    ("x" * 100000, "unknown name 'xxx", None),
    ("é + 1", "unknown name 'é'", "é"),
    ("", "the expression is empty", None),
    (" ; ", "the expression is empty", None),
    ("ones(2)\n+ nope", "unknown name 'nope'", "nope"),
]


@pytest.mark.parametrize("expression, text, token", EXPRESSIONS, ids=[e[0][:40].replace("\n", "/") or "empty" for e in EXPRESSIONS])
def test_expressions(mistake, pattern, expression, text, token):
    m = mistake("eval", expression, pattern, timeout=20)
    assert m.code == 1
    assert text in m.text
    if token is not None:
        assert m.token == token


def test_without_files_there_are_no_variables(mistake):
    assert "no files were given" in mistake("eval", "t2m").text


def test_bytes_that_are_no_text(tessera):
    for junk in (b"1 + \xff\xfe", b"\x01\x02", b"mean(\xc3", bytes(range(1, 256))):
        done = subprocess.run([tessera.path, b"eval", junk], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        assert done.returncode == 1 and done.stderr.startswith(b"tessera eval: ")


# ---- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make, text", [
    (None, "cannot open the file: No such file or directory"),
    (b"", "the file is empty"),
    (b"CDF\x01" + bytes(range(200)), "dimensions"),
    (b"CDF\x07" + bytes(200), "CDF"),
    (b"\x89HDF\r\n\x1a\n" + bytes(range(200)), "HDF5"),
    (b"\x93NUMPY\x09\x09" + bytes(64), ".npy version"),
    (b"\x7fELF" + bytes(100), "not a known format"),
    (b"hello, world\n" * 20, "not a known format"),
], ids=["missing", "empty", "cdf junk", "cdf 7", "hdf5 junk", "npy junk", "elf", "text"])
@pytest.mark.parametrize("command", ["eval", "info", "plot"])
def test_files_that_are_no_data(mistake, tmp_path, make, text, command):
    path = tmp_path / "data.nc"
    if make is not None:
        path.write_bytes(make)
    arguments = {"eval": ["eval", "x", path], "info": ["info", path], "plot": ["plot", path, "x", "-o", tmp_path / "x.png"]}[command]
    m = mistake(*arguments)
    assert m.code == 1 and str(path) in m.text and text in m.text


@pytest.mark.parametrize("length", [3, 8, 40, 200, 1000, 5000])
def test_truncated_files(mistake, era, tmp_path, length):
    path = tmp_path / "cut.nc"
    path.write_bytes((era / "2014-01-01.nc").read_bytes()[:length])
    m = mistake("eval", "mean(t2m)", path)
    assert m.code == 1 and str(path) in m.text


def test_a_pattern_that_matches_nothing(mistake, tmp_path):
    assert f"no file matches '{tmp_path}/*.nc'" in mistake("eval", "x", f"{tmp_path}/*.nc").text


def test_the_nearest_file(mistake, era, tmp_path):
    (tmp_path / "temp.nc4").write_bytes(b"")
    (tmp_path / "other.nc").write_bytes(b"")
    for command in (["eval", "x"], ["info"], ["eval", "mean(t2m)", f"{era}/*.nc"]):
        for path in ("temp.nc", str(tmp_path / "temp.nc")):
            assert f"no file '{path}'; did you mean '{path}4'?" in mistake(*command, path, cwd=tmp_path).text
    assert "zzz.npy: cannot open the file: No such file" in mistake("info", "zzz.npy", cwd=tmp_path).text


def test_an_unknown_instruction_set(tessera, monkeypatch):
    monkeypatch.setenv("TESSERA_ISA", "avx9")
    for command in (["eval", "1 + 1"], ["info", "x.nc"], ["sample", "x"]):
        done = tessera(*command)
        assert done.code == 2 and "instruction set 'avx9' is unknown" in done.stderr and not done.stdout
    assert tessera("eval", "--help").code == 0


def test_a_folder_is_no_file(mistake, tmp_path):
    assert "is a folder" in mistake("eval", "x", tmp_path).text
    assert "is a folder" in mistake("info", tmp_path).text


def test_a_file_that_may_not_be_read(mistake, era, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / "closed.nc"
    path.write_bytes((era / "2014-01-01.nc").read_bytes())
    path.chmod(0)
    assert "Permission denied" in mistake("eval", "t2m", path).text


def test_the_file_that_differs_is_named(mistake, tessera, era, tmp_path):
    tessera.ok("sample", tmp_path, "--days", 1, "--start", "2014-02-01", "--grid", "19x36", "-q")
    m = mistake("eval", "mean(t2m)", f"{era}/*.nc", tmp_path / "2014-02-01.nc")
    assert "2014-02-01.nc" in m.text and "latitude" in m.text


def test_sources(mistake, pattern):
    text = mistake("eval", "a", f"a={pattern}:t3m").text
    assert "did you mean 't2m'?" in text and text.count("2014-01-01.nc") == 1
    assert "no file matches" in mistake("eval", "a", "a=/nonexistent/*.nc:x").text


@pytest.mark.parametrize("word, text", [("", "the name of a file is empty"), ("-", "standard input cannot be read"),
                                        ("x=", "'x=' names no file"), ("x=:t2m", "'x=:t2m' names no file"),
                                        ("a" * 300, "File name too long"), ("/dev/zero", "is not a regular file")])
def test_words_that_are_no_files(mistake, word, text):
    m = mistake("eval", "x", word)
    assert m.code == 1 and text in m.text


@pytest.mark.parametrize("name", ["with blank.nc", "é [x] *.nc", "-dash.nc", "a:b.nc", "new\nline.nc", "'quote\".nc", "x.nc;rm"])
def test_odd_file_names(tessera, era, tmp_path, name):
    (tmp_path / name).write_bytes((era / "2014-01-01.nc").read_bytes())
    assert tessera.ok("eval", "t2m.shape", name, cwd=tmp_path) == "(4, 37, 72)\n"
    assert tessera.ok("eval", "v.shape", f"v={name}:t2m", cwd=tmp_path) == "(4, 37, 72)\n"
    tessera.ok("eval", "ones(3)", "--format", "nc", "-o", tmp_path / f"out {name}", cwd=tmp_path)
    assert (tmp_path / f"out {name}").read_bytes()[:3] == b"CDF"


def test_different_times_do_not_subtract(mistake, era):
    m = mistake("eval", "a - b", f"a={era}/2014-01-01.nc:t2m", f"b={era}/2014-01-02.nc:t2m")
    assert "time" in m.text and "2014-01-01" in m.text and "'a'" in m.text and "'b'" in m.text


# ---- Outputs --------------------------------------------------------------------------------------------------------


def test_outputs_that_cannot_be(mistake, era, tmp_path, pattern):
    def text(*arguments):
        m = mistake("eval", "mean(t2m, time)", pattern, *arguments)
        assert m.code == 2, m.text
        return m.text

    (tmp_path / "folder.nc").mkdir()
    assert "is a directory" in text("-o", tmp_path / "folder.nc")
    assert "is a directory" in text("-o", tmp_path, "--format", "nc")
    assert "No such file or directory" in text("-o", tmp_path / "nowhere/x.nc")
    assert "No such file or directory" in text("--plot", tmp_path / "nowhere/x.png")
    assert "No such file or directory" in text("--trace", tmp_path / "nowhere/x.json")
    assert "No such file or directory" in text("--visualize", tmp_path / "nowhere/x.svg", "--explain")
    assert "is not clear; use .nc, .nc4 or .npy" in text("-o", tmp_path / "x.xyz")
    assert "is not clear" in text("-o", tmp_path / "x")
    assert "'.jpg' is not .png, .svg or .pdf" in text("--plot", tmp_path / "x.jpg")
    assert "--visualize writes .svg or .dot" in text("--visualize", tmp_path / "x.png")
    assert "not a regular file" in text("-o", "/dev/full", "--format", "nc")
    assert "compresses NetCDF-4 only" in text("-o", tmp_path / "x.nc", "--deflate", 4)
    assert "must lie between 0 and 9" in text("-o", tmp_path / "x.nc4", "--deflate", 11)
    assert "needs an output file" in text("--deflate", 3)
    assert "needs an output file" in text("--format", "nc")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert os.listdir(tmp_path) == ["folder.nc"]


@pytest.mark.parametrize("source", ["{era}/2014-01-01.nc", "{era}/*.nc", "a={era}/*.nc:t2m", "{era}/./2014-01-01.nc"])
@pytest.mark.parametrize("option", ["-o", "--trace"])
def test_an_input_is_not_overwritten(mistake, era, source, option):
    path = era / "2014-01-01.nc"
    before = path.read_bytes()
    m = mistake("eval", "1", source.format(era=era), option, path)
    assert m.code == 2 and "is also read" in m.text
    assert path.read_bytes() == before


def test_not_even_through_a_link(mistake, era, tmp_path):
    (tmp_path / "link.nc").symlink_to(era / "2014-01-01.nc")
    assert "is also read" in mistake("eval", "t2m", f"{era}/*.nc", "-o", tmp_path / "link.nc").text


def test_results_that_no_file_holds(mistake, tmp_path):
    assert "complex128" in mistake("eval", "ones(3) + 1j", "-o", tmp_path / "c.nc").text
    assert "there are 2 results" in mistake("eval", "a = ones(2); b = ones(3)", "-o", tmp_path / "c.npy").text
    assert "every name begins with '_'" in mistake("eval", "_a = ones(2)", "-o", tmp_path / "c.nc").text
    assert "a string cannot be written" in mistake("eval", "'text'", "-o", tmp_path / "c.nc").text
    assert os.listdir(tmp_path) == []


def test_pictures_that_cannot_be(mistake, pattern, tmp_path):
    picture = tmp_path / "x.png"
    m = mistake("eval", "t2m", pattern, "--plot", picture)
    assert "cannot draw 3 dimensions (time 16, latitude 37, longitude 72)" in m.text
    assert "a single number cannot be drawn" in mistake("eval", "mean(t2m)", pattern, "--plot", picture).text
    assert "a number cannot be drawn" in mistake("eval", "5", "--plot", picture).text
    assert "an empty array cannot be drawn" in mistake("eval", "zeros(0)", "--plot", picture).text
    assert "complex values cannot be drawn" in mistake("eval", "ones(9) * 1j", "--plot", picture).text
    assert "not below" in mistake("eval", "ones(9)", "--plot", picture, "--min", 3, "--max", 2).text
    assert "--cmap does not know 'jet'" in mistake("eval", "ones(9)", "--plot", picture, "--cmap", "jet").text
    assert os.listdir(tmp_path) == []


# ---- Command lines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, text", [
    ([], "Usage: tessera COMMAND"),
    (["evl", "1"], "unknown command 'evl'; did you mean 'eval'?"),
    (["--nope"], "unknown command '--nope'; see 'tessera --help'"),
    (["eval"], "an expression is needed"),
    (["eval", "1", "--threds", "2"], "unknown option --threds; did you mean --threads?"),
    (["eval", "1", "--zzz"], "unknown option --zzz; see 'tessera eval --help'"),
    (["eval", "1", "-z"], "unknown option -z"),
    (["eval", "1", "--threads"], "--threads needs a value: --threads N"),
    (["eval", "1", "-o"], "-o needs a value: -o FILE"),
    (["eval", "1", "-o", ""], "empty"),
    (["eval", "1", "--threads", "0"], "--threads is 0; it must lie between 1 and 4096"),
    (["eval", "1", "--threads", "two"], "--threads needs a whole number, found 'two'"),
    (["eval", "1", "--memory", "5"], "less than 1 MiB"),
    (["eval", "1", "--memory", "lots"], "'lots' is not a size; write 512M or 4G"),
    (["eval", "1", "--memory", "1e300"], "larger than any memory"),
    (["eval", "1", "--quiet=yes"], "--quiet takes no value, found 'yes'"),
    (["eval", "1", "--format", "zarr"], "--format does not know 'zarr'; it takes one of: nc nc4 npy"),
    (["eval", "1", "--graph", "plan"], "--graph needs --visualize"),
    (["eval", "1", "--chunks", "many"], "--chunks: 'many' is not a length"),
    (["eval", "1", "--chunks", "0"], "--chunks: '0' is not a length"),
    (["eval", "1", "--min", "x"], "--min needs a number, found 'x'"),
    (["eval", "1", "--width", "5"], "--width is 5"),
    (["eval", "1", "--scratch", "/nonexistent"], "--scratch: cannot use '/nonexistent': No such file or directory"),
    (["eval", "1", "--scratch", "/dev/null"], "'/dev/null' is not a folder"),
    (["eval", "1", "-o", "a.npy", "-o", "b.npy"], "--output is given twice: 'a.npy' and 'b.npy'"), (["plot", "x.nc", "y", "--output=a.png", "-ob.png"], "--output is given twice"),
    (["plot"], "a file and a variable are needed"),
    (["plot", "x.nc", "y", "-o", "x.gif"], "'.gif' is not .png, .svg or .pdf"),
    (["plot", "x.nc", "y", "--bins", "5"], "--bins needs --histogram"),
    (["info"], "at least one file is needed"),
    (["sample"], "one directory is needed"),
    (["sample", "a", "b"], "one directory is needed, found 2 arguments"),
    (["sample", "a", "--days", "-1"], "--days is -1"),
    (["sample", "a", "--days", "0"], "leaves nothing to write"),
    (["sample", "a", "--start", "2014-13-01"], "--start needs a date"),
    (["sample", "a", "--start", "2014-02-30"], "there is no 2014-02-30"),
    (["sample", "a", "--grid", "10by20"], "--grid needs LATxLON"),
    (["sample", "a", "--deflate", "3"], "--deflate needs --format nc4"),
    (["completion"], "the name of a shell is needed"),
    (["completion", "csh"], "there is bash, zsh and fish"),
    (["help", "evl"], "did you mean 'eval'?"), (["help", "fucntions"], "did you mean 'functions'?"), (["help", "meann"], "did you mean 'mean'?"),
    (["help", "zzzz"], "'zzzz' is no command and no function; see 'tessera --help'"),
    (["help", "eval", "plot"], "one topic at a time"),
])
def test_command_lines(tessera, tmp_path, arguments, text):
    done = tessera(*arguments, cwd=tmp_path)
    assert done.code == 2 and text in done.stderr and done.stdout == ""
    assert os.listdir(tmp_path) == []


def test_sample_into_a_file(tessera, tmp_path):
    (tmp_path / "era").write_text("precious")
    assert "cannot make the directory 'era': File exists" in tessera("sample", "era", cwd=tmp_path).stderr
    assert (tmp_path / "era").read_text() == "precious"


def test_unknown_chunk_dimensions(mistake, pattern):
    assert "no file has a dimension 'tim'; did you mean 'time'?" in mistake("eval", "t2m", pattern, "--chunks", "tim=1").text
