"""Images: what Pillow and tifffile write, read by the library."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import tessera as ts

Y, X = np.mgrid[:75, :101]
GREY = ((2 * X + Y) % 256).astype("u1")
COLOUR = np.stack([GREY, GREY[::-1], GREY // 3], -1)
STACK = np.random.default_rng(0).integers(0, 60000, (7, 75, 101)).astype("u2")


def same(path, expected):
    ours = ts.open_array(path)
    assert ours.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(ours.compute(), expected)
    np.testing.assert_array_equal(ours[..., 30:70:3, 5:50:7].compute() if ours.ndim == 2 else ours[:, 3:50:7].compute(),
                                  expected[..., 30:70:3, 5:50:7] if ours.ndim == 2 else expected[:, 3:50:7])


@pytest.mark.parametrize("values", [GREY, GREY.astype("u2") * 257, COLOUR, np.concatenate([COLOUR, GREY[..., None]], -1)])
def test_png(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "x.png")
    same(tmp_path / "x.png", values)


def test_png_of_few_colours(tmp_path):
    few = Image.fromarray(COLOUR).quantize(30)
    few.save(tmp_path / "palette.png")
    same(tmp_path / "palette.png", np.asarray(few.convert("RGB")))
    Image.fromarray(GREY > 100).save(tmp_path / "bits.png")
    same(tmp_path / "bits.png", (GREY > 100).astype("u1") * np.uint8(255))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(tmp_path, mode, progressive):
    """Pillow decodes by the same library, perhaps another version: rounding may differ by one. It inverts CMYK."""
    Image.fromarray(COLOUR).convert(mode).save(tmp_path / "x.jpg", progressive=progressive)
    expected = np.asarray(Image.open(tmp_path / "x.jpg")).astype(int)
    got = ts.open_array(tmp_path / "x.jpg").compute().astype(int)
    assert got.shape == expected.shape and np.abs(got - (255 - expected if mode == "CMYK" else expected)).max() <= 2


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_tiff_of_pillow(tmp_path, compression):
    path = tmp_path / "x.tif"
    Image.fromarray(COLOUR).save(path, compression=compression)
    if compression == "jpeg":
        assert np.abs(ts.open_array(path).compute().astype(int) - np.asarray(Image.open(path))).max() <= 2
    else:
        same(path, COLOUR)
    Image.fromarray(GREY > 100).save(path, compression="group4")
    same(path, (GREY > 100).astype("u1") * np.uint8(255))


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}, {"rowsperstrip": 10}, {"tile": (32, 48)},
                                     {"byteorder": ">", "tile": (16, 16), "bigtiff": True}], ids=str)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "u4", "i8", "f4", "f8"])
def test_tiff_of_tifffile(tmp_path, options, dtype):
    values = (STACK // 300).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack", **options)
    same(tmp_path / "x.tif", values)


def test_tiff_planes(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.moveaxis(COLOUR, -1, 0), planarconfig="separate", photometric="rgb")
    same(tmp_path / "x.tif", COLOUR)


@pytest.fixture
def frames(tmp_path):
    for i in range(12):
        Image.fromarray(COLOUR + np.uint8(i)).save(tmp_path / f"frame_{i}.png")
    return tmp_path


WANT = np.stack([COLOUR + np.uint8(i) for i in range(12)])


def test_stack(frames):
    x = ts.image.imread(f"{frames}/frame_*.png")
    assert x.shape == WANT.shape and x.dtype == np.uint8
    np.testing.assert_array_equal(x.compute(), WANT)
    np.testing.assert_array_equal(x[9:1:-3, 10:20, ::7, 1].compute(), WANT[9:1:-3, 10:20, ::7, 1])
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)).compute(), WANT.mean(axis=(1, 2, 3)))
    assert ts.image.imread(f"{frames}/frame_*.png", chunks=5).chunks == ((5, 5, 2), (75,), (101,), (3,))
    assert ts.image.imread(f"{frames}/frame_*.png", chunks=(1, 50, -1, 3)).chunks[1] == (50, 25)
    listed = ts.image.imread([frames / "frame_3.png", frames / "frame_1.png"])
    np.testing.assert_array_equal(listed.compute(), WANT[[3, 1]])
    assert ts.image.imread(frames / "frame_3.png").shape == (1, 75, 101, 3)


def test_stack_through_functions(frames):
    def read(path):
        return np.asarray(Image.open(path))

    x = ts.image.imread(f"{frames}/frame_*.png", imread=read)
    assert x.chunks[0] == (1,) * 12
    np.testing.assert_array_equal(x.compute(), WANT)
    for options in ({}, {"imread": read}):
        grey = ts.image.imread(f"{frames}/frame_*.png", preprocess=lambda image: image.mean(axis=-1), **options)
        assert grey.shape == (12, 75, 101) and grey.dtype == np.float64
        np.testing.assert_array_equal(grey.compute(), WANT.mean(axis=-1))


def test_stack_of_pages(tmp_path):
    for i in range(3):
        tifffile.imwrite(tmp_path / f"{i}.tif", STACK + np.uint16(i), photometric="minisblack")
    x = ts.image.imread(f"{tmp_path}/*.tif")
    np.testing.assert_array_equal(x.compute(), [STACK, STACK + np.uint16(1), STACK + np.uint16(2)])
    assert x[:, 2:4, :5].compute().shape == (3, 2, 5, 101)


def test_datasets(frames):
    ds = ts.open_dataset(f"{frames}/frame_*.png")
    assert ds.sizes == {"frame": 12, "y": 75, "x": 101, "channel": 3}
    named = ts.open_dataset(f"{frames}/frame_*.png", concat_dim="time")
    assert named.sizes["time"] == 12


def test_mistakes(frames):
    with pytest.raises(ValueError, match="No files found under name .*none"):
        ts.image.imread(f"{frames}/none*.png")
    Image.fromarray(GREY).save(frames / "frame_5.png")
    x = ts.image.imread(f"{frames}/frame_*.png")
    np.testing.assert_array_equal(x[:5].compute(), WANT[:5])
    with pytest.raises(ValueError, match=r"frame_5.png has the shape \(75, 101\) and dtype uint8, the first file of the stack \(75, 101, 3\)"):
        x.compute()
    whole = (frames / "frame_7.png").read_bytes()
    (frames / "frame_7.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ts.FormatError, match="frame_7.png: .*truncated: the PNG data goes on behind the file's"):
        x[7].compute()
    (frames / "text.png").write_text("this is no image")
    with pytest.raises(ts.FormatError, match="not a known format"):
        ts.image.imread(frames / "text.png")
    with pytest.raises(ValueError, match=r"frame_5.png has the shape \(75, 101\)"):
        ts.image.imread(f"{frames}/frame_*.png", imread=lambda path: np.asarray(Image.open(path)))[5].compute()
