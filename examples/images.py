"""A stack of images: lazy reading, averages along each axis, and every image shifted so that its bright spot is in the middle.

    python3 examples/images.py FOLDER_OF_NPY_IMAGES [OUTDIR] [c|python]

Each image is one .npy file. The function that finds the spot is a user's own, called block by block: C source (examples/centroid.c),
compiled once and run on all cores, or Python.
"""
import pathlib
import sys

import numpy as np

import tessera as ts


def recentre(block):
    """Rolls each image so that its centre of mass is in the middle."""
    result = np.empty_like(block)
    for image, out in zip(block, result):
        total = image.sum(dtype=float) or 1.0
        rows, columns = image.sum(axis=1, dtype=float), image.sum(axis=0, dtype=float)
        row = round(float((rows * np.arange(image.shape[0])).sum() / total))
        column = round(float((columns * np.arange(image.shape[1])).sum() / total))
        out[...] = np.roll(image, (image.shape[0] // 2 - row, image.shape[1] // 2 - column), axis=(0, 1))
    return result


def main(folder, out=".", language="c"):
    files = sorted(pathlib.Path(folder).glob("*.npy"))
    stack = ts.stack([ts.open_array(path) for path in files])
    print(stack)
    function = recentre if language == "python" else ts.c_function(file=pathlib.Path(__file__).with_name("centroid.c"), symbol="recentre")
    centred = ts.map_blocks(function, stack.rechunk((1, -1, -1)), dtype=stack.dtype).persist()
    front, side, top = ts.compute(*(centred.max(axis=axis) for axis in range(3)))
    print("projections:", front.shape, side.shape, top.shape)
    middle = np.unravel_index(centred.mean(axis=0).argmax().compute(), centred.shape[1:])
    print("brightest place of the mean image:", tuple(int(i) for i in middle))
    series = centred.rechunk((-1, 16, 16))
    print("as time series per pixel:", series.chunksize)
    ts.save(pathlib.Path(out) / "centred.npy", centred)


if __name__ == "__main__":
    main(*sys.argv[1:4])
