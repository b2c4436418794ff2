"""Pictures: what is drawn where, read back pixel by pixel."""
import struct
import xml.etree.ElementTree
import zlib

import netCDF4
import numpy as np
import pytest

GREY = (0xd9, 0xd9, 0xd9)  # missing values
PANEL = (84, 592, 800)  # left end and width of a map's panel, of a picture 800 wide


def read_png(path):
    """Rows, columns, RGB of a PNG as cairo writes them: 8 bits, not interlaced."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", data[at + 8:at + 21])
            assert depth == 8 and colours == 2 and not interlaced
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    raw, stride = zlib.decompress(packed), 3 * width + 1
    rows = np.zeros((height, 3 * width), np.uint8)
    for y in range(height):
        kind, line = raw[y * stride], np.frombuffer(raw, np.uint8, 3 * width, y * stride + 1).astype(int)
        up = rows[y - 1].astype(int) if y else np.zeros(3 * width, int)
        if kind in (0, 2):
            rows[y] = (line + (up if kind else 0)) % 256
        elif kind == 1:
            rows[y] = (np.cumsum(line.reshape(-1, 3), axis=0) % 256).reshape(-1)
        else:
            out = [0] * (3 * width)
            for x in range(3 * width):
                a, b, c = (out[x - 3] if x >= 3 else 0), up[x], (up[x - 3] if x >= 3 else 0)
                near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
                out[x] = (line[x] + ((a + b) // 2 if kind == 3 else near)) % 256
            rows[y] = out
    return rows.reshape(height, width, 3)


def panel(path):
    """The part of a map's picture inside its frame."""
    image = read_png(path)
    left, width, whole = PANEL
    scale = image.shape[1] / whole
    x0, x1 = int(left * scale) + 3, int((left + width) * scale) - 3
    dark = (image[:, x0 - 5:x0 - 1].min(axis=(1, 2)) < 235).astype(int)  # the frame's left side: the longest run of rows
    ends = np.flatnonzero(np.diff(np.concatenate([[0], dark, [0]]))).reshape(-1, 2)
    top, bottom = ends[np.argmax(ends[:, 1] - ends[:, 0])]
    return image[top + 3:bottom - 3, x0:x1]


def png_width(path):
    """Without decoding."""
    return struct.unpack(">I", path.read_bytes()[16:20])[0]


def at(picture, x, y):
    """The colour at the fractions x from the left and y from the top."""
    return tuple(int(c) for c in picture[int(y * (len(picture) - 1)), int(x * (len(picture[0]) - 1))])


@pytest.fixture
def field(tmp_path):
    """Writes a NetCDF file with a variable v on latitudes and longitudes, and returns its path."""

    def make(values, lat, lon, **attributes):
        path = tmp_path / "field.nc"
        with netCDF4.Dataset(path, "w") as d:
            for name, points, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
                d.createDimension(name, len(points))
                d.createVariable(name, "f8", (name,))[:] = points
                d[name].units = units
            d.createVariable("v", "f8", ("lat", "lon"))[:] = values
            d["v"].setncatts(attributes)
        return path

    return make


EXPRESSIONS = {"map": "t2m[0]", "line": "mean(t2m, (latitude, longitude))", "histogram": "histogram(t2m, 20)"}


@pytest.mark.parametrize("what", EXPRESSIONS)
@pytest.mark.parametrize("extension", ["png", "svg", "pdf", "PNG"])
def test_formats(tessera, pattern, tmp_path, what, extension):
    path = tmp_path / f"x.{extension}"
    assert tessera.ok("eval", EXPRESSIONS[what], pattern, "--plot", path, "--width", 400) == ""
    data = path.read_bytes()
    if extension.lower() == "png":
        image = read_png(path)
        assert image.shape[1] == 400 and image.shape[0] > 170 and len(np.unique(image.reshape(-1, 3), axis=0)) > 5
    elif extension == "svg":
        assert xml.etree.ElementTree.fromstring(data).tag.endswith("svg")
    else:
        assert data[:5] == b"%PDF-" and data.rstrip().endswith(b"%%EOF")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("width", [200, 400, 3000])
def test_width(tessera, pattern, tmp_path, width):
    tessera.ok("eval", "t2m[0]", pattern, "--plot", tmp_path / "x.png", "--width", width)
    assert png_width(tmp_path / "x.png") == width


@pytest.mark.parametrize("lat", [[-60, -20, 20, 60], [60, 20, -20, -60]], ids=["rising", "falling"])
def test_north_is_up(tessera, field, tmp_path, lat):
    lat = np.array(lat)
    values = np.repeat((lat > 0)[:, None] * 1.0, 8, axis=1)
    path = field(values, lat, np.arange(0, 360, 45))
    tessera.ok("plot", path, "v", "-o", tmp_path / "x.png", "--cmap", "gray", "--width", 400)
    picture = panel(tmp_path / "x.png")
    assert at(picture, 0.5, 0.2) == (255, 255, 255) and at(picture, 0.5, 0.8) == (0, 0, 0)


def test_east_is_right_even_when_transposed(tessera, field, tmp_path):
    lon = np.arange(0, 360, 45)
    path = field(np.repeat((lon > 170)[None, :] * 1.0, 4, axis=0), [-60, -20, 20, 60], lon)
    for expression in ("v", "v.T"):
        tessera.ok("plot", path, expression, "-o", tmp_path / "x.png", "--cmap", "gray", "--width", 400)
        picture = panel(tmp_path / "x.png")
        assert at(picture, 0.2, 0.5) == (0, 0, 0) and at(picture, 0.8, 0.5) == (255, 255, 255)


def test_missing_values_are_grey(tessera, field, tmp_path):
    values = np.ones((4, 8))
    values[:, :4] = np.nan
    tessera.ok("plot", field(values, [-60, -20, 20, 60], np.arange(8) * 45), "v", "-o", tmp_path / "x.png", "--width", 400)
    picture = panel(tmp_path / "x.png")
    assert at(picture, 0.2, 0.5) == GREY and at(picture, 0.8, 0.5) != GREY


def test_anomalies_are_white_at_zero(tessera, field, tmp_path):
    values = np.tile([-1.0, 0.0, 3.0, 3.0], (3, 1))
    tessera.ok("plot", field(values, [-60, 0, 60], [0, 90, 180, 270]), "v", "-o", tmp_path / "x.png", "--width", 400)
    picture = panel(tmp_path / "x.png")
    assert at(picture, 0.37, 0.5) == (0xf7, 0xf7, 0xf7)
    low, high = at(picture, 0.1, 0.5), at(picture, 0.9, 0.5)
    assert low[2] > low[0] and high == (0x67, 0x00, 0x1f)  # a weak blue, the strongest red: the scale is symmetric


def test_limits(tessera, field, tmp_path):
    values = np.tile([0.0, 100.0, 200.0, 1000.0], (3, 1))
    path = field(values, [-60, 0, 60], [0, 90, 180, 270])
    tessera.ok("plot", path, "v", "-o", tmp_path / "x.png", "--width", 400, "--cmap", "gray", "--min", 0, "--max", 200)
    picture = panel(tmp_path / "x.png")
    assert [at(picture, x, 0.5)[0] for x in (0.1, 0.37, 0.62, 0.9)] == [0, 128, 255, 255]


def test_robust_limits_leave_out_the_extremes(tessera, tmp_path):
    expression = "where(arange(10000).reshape((100, 100)) == 5000, 1e9, arange(10000).reshape((100, 100)) * 1.0)"
    for options, bright in (([], 1), (["--robust"], 1000)):
        tessera.ok("eval", expression, "--plot", tmp_path / "x.png", "--width", 400, "--cmap", "gray", *options)
        picture = panel(tmp_path / "x.png")
        assert ((picture.min(axis=2) > 128).sum() > bright * 20) == bool(options)


def test_rows_of_images_go_down(tessera, tmp_path):
    tessera.ok("eval", "arange(20).reshape((20, 1)) * ones((1, 20))", "--plot", tmp_path / "x.png", "--width", 400, "--cmap", "gray")
    picture = panel(tmp_path / "x.png")
    assert at(picture, 0.5, 0.02)[0] < 20 and at(picture, 0.5, 0.98)[0] > 235


def test_depth_goes_down(tessera, tmp_path):
    with netCDF4.Dataset(tmp_path / "d.nc", "w") as d:
        d.createDimension("depth", 5)
        d.createDimension("lat", 4)
        d.createVariable("depth", "f4", ("depth",))[:] = [0, 10, 20, 30, 40]
        d["depth"].setncatts({"units": "m", "positive": "down"})
        d.createVariable("lat", "f4", ("lat",))[:] = [0, 10, 20, 30]
        d["lat"].units = "degrees_north"
        d.createVariable("v", "f4", ("depth", "lat"))[:] = np.arange(5.0)[:, None]
    tessera.ok("plot", tmp_path / "d.nc", "v", "-o", tmp_path / "x.png", "--width", 400, "--cmap", "gray")
    picture = panel(tmp_path / "x.png")
    assert at(picture, 0.5, 0.05) == (0, 0, 0) and at(picture, 0.5, 0.95) == (255, 255, 255)


@pytest.mark.parametrize("west", [-30, 165], ids=["greenwich", "date line"])
def test_curvilinear_grids_lie_where_their_degrees_say(tessera, tmp_path, west):
    """A grid turned by 90 degrees: rows run east, columns run north."""
    ny, nx = 60, 40
    lon = (west + np.arange(ny)[:, None] + np.zeros((1, nx)) + 180) % 360 - 180
    lat = 10 + np.arange(nx)[None, :] + np.zeros((ny, 1))
    with netCDF4.Dataset(tmp_path / "c.nc", "w") as d:
        d.createDimension("y", ny)
        d.createDimension("x", nx)
        for name, values, units in (("lon2", lon, "degrees_east"), ("lat2", lat, "degrees_north")):
            d.createVariable(name, "f8", ("y", "x"))[:] = values
            d[name].units = units
        v = d.createVariable("v", "f8", ("y", "x"), fill_value=-999)
        v.coordinates = "lon2 lat2"
        values = 1.0 * (np.arange(ny)[:, None] >= ny // 2) + 2.0 * (np.arange(nx)[None, :] >= nx // 2)
        values[10:20, 5:15] = -999
        v[:] = values
    tessera.ok("plot", tmp_path / "c.nc", "v", "-o", tmp_path / "x.png", "--width", 400, "--cmap", "gray")
    picture = panel(tmp_path / "x.png")
    levels = [at(picture, x, y)[0] for x, y in ((0.1, 0.95), (0.9, 0.9), (0.1, 0.1), (0.9, 0.1))]
    assert levels == [0, 85, 170, 255]
    assert at(picture, 0.25, 0.75) == GREY


def test_lines_are_where_the_values_are(tessera, tmp_path):
    tessera.ok("eval", "arange(100)", "--plot", tmp_path / "x.png", "--width", 800)
    image = read_png(tmp_path / "x.png")
    blue = (image[:, :, 2].astype(int) - image[:, :, 0]) > 80
    left, right = np.flatnonzero(blue[:, 150]).mean(), np.flatnonzero(blue[:, 700]).mean()
    assert left - right > 200  # it rises


def test_gaps_in_lines(tessera, tmp_path):
    tessera.ok("eval", "where((arange(100) > 40) & (arange(100) < 60), nan, 1.0 * arange(100))", "--plot", tmp_path / "x.png", "--width", 800)
    image = read_png(tmp_path / "x.png")
    blue = (image[:, :, 2].astype(int) - image[:, :, 0]) > 80
    assert not blue[:, 420:440].any() and blue[:, 200].any() and blue[:, 700].any()


@pytest.mark.parametrize("expression", ["ones((1, 1, 5))", "full(5, nan)", "full((3, 3), nan)", "full((4, 4), inf)", "ones((50, 50))",
                                        "arange(2)", "arange(100000)", "ones((2, 2)) * 1e300", "ones((2, 3)) * 1e-300", "arange(9) > 3",
                                        "arange(9, dtype=uint64)", "zeros((5000, 5000))", "arange(6).reshape((1, 6)).T"])
def test_odd_arrays(tessera, tmp_path, expression):
    tessera.ok("eval", expression, "--plot", tmp_path / "x.png", "--width", 400)
    assert png_width(tmp_path / "x.png") == 400


def test_plot_command(tessera, era, pattern, tmp_path):
    done = tessera("plot", era / "2014-01-01.nc", "t2m", cwd=tmp_path)
    assert done.code == 0 and done.stdout == ""
    assert "drawing time 0 of 4; select others with x[...]" in done.stderr and "wrote plot.png" in done.stderr
    assert png_width(tmp_path / "plot.png") == 1600
    assert tessera("plot", pattern, "t2m", "-o", tmp_path / "h.svg", "--histogram", "--bins", 7, "--quiet").stderr == ""
    tessera.ok("plot", pattern, "mean(t2m, (time, longitude))", "-o", tmp_path / "l.pdf", "--title", "Ünïcödé & <title>")


def test_a_plot_beside_a_file(tessera, pattern, tmp_path):
    tessera.ok("eval", "m = mean(t2m, time)", pattern, "-o", tmp_path / "m.nc", "--plot", tmp_path / "m.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.nc", "m.png"]


def test_grids_around_a_pole_are_drawn_as_they_are(tessera, tmp_path):
    """The pole lies in the middle of the picture, not along its upper edge."""
    n = 81
    x, y = np.meshgrid(np.linspace(-2e6, 2e6, n), np.linspace(-2e6, 2e6, n))
    r = np.hypot(x, y)
    with netCDF4.Dataset(tmp_path / "p.nc", "w") as d:
        d.createDimension("y", n)
        d.createDimension("x", n)
        for name, values, units in (("lat", 90 - np.degrees(r / 6.371e6), "degrees_north"),
                                    ("lon", np.degrees(np.arctan2(x, -y)), "degrees_east")):
            d.createVariable(name, "f8", ("y", "x"))[:] = values
            d[name].units = units
        d.createVariable("v", "f8", ("y", "x"))[:] = r < 5e5
        d["v"].coordinates = "lat lon"
    tessera.ok("plot", tmp_path / "p.nc", "v", "-o", tmp_path / "x.png", "--width", 400, "--cmap", "gray")
    picture = panel(tmp_path / "x.png")
    assert at(picture, 0.5, 0.5) == (255, 255, 255)
    assert all(at(picture, u, v) == (0, 0, 0) for u, v in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.03), (0.5, 0.9)))


def test_ticks_reach_the_end_of_a_tall_colour_bar(tessera, tmp_path):
    """Labels stand beside the whole bar: there is ink at the right of its upper and of its lower half."""
    tessera.ok("eval", "arange(120).reshape((120, 1)) * ones((1, 80)) / 120", "--plot", tmp_path / "x.png", "--width", 800, "--cmap", "gray")
    image = read_png(tmp_path / "x.png")
    beside = (image[:, 722:780].min(axis=2) < 120).any(axis=1)
    ink = np.flatnonzero(beside) / len(image)
    assert ink.min() < 0.15 and ink.max() > 0.85


def test_a_remark_on_pictures_without_values(tessera, tmp_path):
    done = tessera("eval", "full((4, 4), nan)", "--plot", tmp_path / "x.png", "--width", 400)
    assert done.code == 0 and "every value of the picture is missing" in done.stderr
    assert tessera("eval", "full((4, 4), nan)", "--plot", tmp_path / "x.png", "--quiet").stderr == ""
